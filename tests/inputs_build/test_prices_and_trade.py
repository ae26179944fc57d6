"""Prices of the World Bank and files of trade: read by their form, written into tables.

The files below are synthetic: their figures are made up, their form is that of the download."""

import csv
from pathlib import Path

import pytest
from test_refresh import contents, folder

from other_homes import update
from prices import read_prices
from refresh import refresh
from strategic_minerals import InputError, load_dataset, shipped
from trade import TO_CARBONATE, Flow, import_shares, read_flows

pytestmark = pytest.mark.long

near = pytest.approx


PINK = """Synthetic,Crude oil average,Copper,Nickel,Potassium chloride **,Silver
,($/bbl),($/mt),($/mt),($/mt),($/troy oz)
2024M12,70,9000,15000,300,30
""" + "\n".join(f"2025M{month:02d},65,{9000 + 100 * month},16000,360,31.1034768" for month in range(1, 13))


def pink(place: Path, text: str = PINK) -> Path:
    (place / "pink.csv").write_text(text, encoding="utf-8")
    return place / "pink.csv"


def test_prices_are_means_of_the_last_whole_year_in_the_tables_units(tmp_path: Path) -> None:
    found = read_prices(pink(tmp_path, PINK + "\n2026M01,60,1,1,1,1\n"))
    assert found.year == 2025
    # 360 USD a tonne of potassium chloride is 600 a tonne of K2O; 31.1034768 USD an ounce is 1,000 a kilogram
    assert found.usd_per_kg == near({"copper": 9.65, "nickel": 16.0, "potash": 0.6, "silver": 1000.0})


def test_prices_make_a_set_beside_the_others(tmp_path: Path) -> None:
    inputs = folder(tmp_path, "USA")
    before = load_dataset(inputs).rows("prices")
    found = refresh(inputs, pink(tmp_path))
    after = load_dataset(inputs).rows("prices")
    rows = {row.material: row for row in after if row.price_set == "wb2025"}
    assert {row.price_set for row in before} < {row.price_set for row in after}
    assert rows["copper"].price_usd_per_kg == near(9.65)
    assert (rows["copper"].money_year, rows["copper"].confidence) == (2025, "reported")
    assert rows["gallium"].note == "as in mcs2024"
    assert len(rows) == sum(row.price_set == "mcs2024" for row in before)
    assert any("as in the set mcs2024" in text for text in found.facts.missing)
    assert not found.revisions


def test_faults_of_prices_name_their_cell(tmp_path: Path) -> None:
    """Proves: a unit, a name, a value and a year that are wrong are told, and no table is touched."""
    inputs = folder(tmp_path, "USA")
    before = contents(inputs)
    text = PINK.replace("2024M12,70,9000,15000,300,30\n", "")
    for old, new, said in (
        ("($/mt),($/mt),($/mt)", "($/ton),($/mt),($/mt)", r"Copper .*'\$/ton'; expected one of \$/mt"),
        ("Copper", "Coper", r"'Coper'; expected the name of a commodity \(did you mean 'copper'"),
        ("2025M12,65,10200", "2025M12,65,many", "'many'; expected a number"),
        ("2025M12", "2026M12", "no whole year"),
    ):
        with pytest.raises(InputError, match=said):
            refresh(inputs, pink(tmp_path, text.replace(old, new)))
    assert contents(inputs) == before


CODES = """country_code,country_name,country_iso3
156,China,CHN
392,Japan,JPN
276,Germany,DEU
251,France,FRA
508,Mozambique,MOZ
36,Australia,AUS
"""
BACI = """t,i,j,k,v,q
2024,156,392,250410,1,900
2024,508,392,250410,1,90
2024,36,392,250410,1,10
2024,156,276,250410,1,60
2024,251,276,250410,1,500
2024,508,276,250410,1,40
2024,156,392,283691,1,50
2024,36,392,282520,1,100
2024,36,392,010121,1,7
2024,156,392,260200,1,NA
"""


def trade(tmp_path: Path) -> Path:
    (tmp_path / "country_codes_synthetic.csv").write_text(CODES, encoding="utf-8")
    (tmp_path / "BACI_synthetic.csv").write_text(BACI, encoding="utf-8")
    return tmp_path / "BACI_synthetic.csv"


def test_shares_of_imports_from_baci(tmp_path: Path) -> None:
    """Proves: by weight; small origins are others; hydroxide counts as carbonate; trade within a union is none of its imports."""
    flows = read_flows(trade(tmp_path))
    graphite = import_shares(flows, frozenset({"JPN"}), "graphite", "powder or flakes")
    assert graphite.by_origin == near({"CHN": 90.0, "MOZ": 9.0, "OTH": 1.0})
    union = import_shares(flows, frozenset({"DEU", "FRA"}), "graphite", "powder or flakes")
    assert union.by_origin == near({"CHN": 60.0, "MOZ": 40.0})
    lithium = import_shares(flows, frozenset({"JPN"}), "lithium", "carbonate and hydroxide as carbonate")
    carbonate = 100 * TO_CARBONATE
    assert lithium.by_origin == near({"AUS": 100 * carbonate / (carbonate + 50), "CHN": 5000 / (carbonate + 50)})
    assert import_shares(flows, frozenset({"JPN"}), "manganese", "ore") is None


def test_other_homes_get_net_imports_and_members_their_part(tmp_path: Path) -> None:
    """Proves: what is sold on is no use, and who sells more than it buys has none: France of graphite, Mozambique too."""
    inputs = folder(tmp_path)
    more = "2024,156,508,283691,1,80\n2024,508,36,283691,1,30\n2024,156,276,810600,1,4\n"
    trade(tmp_path).write_text(BACI + more, encoding="utf-8")
    update(tmp_path / "BACI_synthetic.csv", inputs, "CEPII BACI")
    with (inputs / "homes" / "demand_segments.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["home"], row["record"]): row for row in csv.DictReader(file)}
    assert float(rows["MOZ", "lithium_carbonate.use.annual_demand"]["central"]) == near(80 - 30)
    assert float(rows["DEU", "bismuth.use.part_of_union"]["central"]) == near(100)
    assert ("MOZ", "graphite_flake.use.annual_demand") not in rows
    assert not any(home == "FRA" and record.startswith("graphite") for home, record in rows)
    with (inputs / "homes" / "import_shares.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["home"], row["country"]) for row in csv.DictReader(file) if row["home"] == "MOZ"] == [
            ("MOZ", "CHN")
        ]


def test_comtrade_is_read_in_kilograms_and_without_its_sums(tmp_path: Path) -> None:
    rows = [
        ["2024", "M", "JPN", "CHN", "250410", "900000"],
        ["2024", "M", "JPN", "W00", "250410", "1000000"],
        ["2024", "X", "JPN", "CHN", "250410", "5"],
    ]
    with (tmp_path / "comtrade.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["refYear", "flowCode", "reporterISO", "partnerISO", "cmdCode", "netWgt"], *rows])
    assert read_flows(tmp_path / "comtrade.csv") == [Flow(2024, "CHN", "JPN", "250410", 900.0)]
    inputs = folder(tmp_path, "JPN", "USA")
    refresh(inputs, tmp_path / "comtrade.csv")
    (row,) = [r for r in load_dataset(inputs, "JPN").rows("import_shares") if r.mineral == "graphite"]
    assert (row.country, row.source) == ("CHN", "UN Comtrade (comtrade.csv)")


@pytest.mark.slow
def test_trade_moves_the_shares_of_a_home_and_the_capacities_that_follow(tmp_path: Path) -> None:
    inputs = folder(tmp_path)
    before = load_dataset(inputs, "JPN")
    found = refresh(inputs, trade(tmp_path))
    after = load_dataset(inputs, "JPN")
    assert {r.home for r in found.revisions} == {"JPN", "EUU"}

    def capacity(data: object, source: str) -> float:
        return next(r.capacity_t_per_yr for r in data.rows("capacities") if r.activity == source)  # type: ignore[attr-defined]

    shares = {r.country: r.import_share_pct for r in after.rows("import_shares") if r.mineral == "graphite"}
    assert shares == near({"CHN": 90.0, "MOZ": 9.0, "OTH": 1.0})
    sources = {r.source for r in after.rows("import_shares") if r.mineral == "graphite"}
    assert sources == {"CEPII BACI (BACI_synthetic.csv)"}
    was = {r.country: r.import_share_pct for r in before.rows("import_shares") if r.mineral == "graphite"}
    moved = capacity(after, "chn_graphite_flake") / capacity(before, "chn_graphite_flake")
    assert moved == near(90.0 / was["CHN"], rel=1e-3)
    assert any(text.startswith("KOR: graphite") for text in found.facts.missing)
    assert any("a source for graphite from MOZ, which is new" in text for text in found.facts.missing)
    assert load_dataset(inputs, "USA").tables.keys() == load_dataset(shipped("inputs"), "USA").tables.keys()


def test_faults_of_trade_name_their_cell(tmp_path: Path) -> None:
    path = trade(tmp_path)
    path.write_text(BACI.replace("2024,508,392", "2024,999,392"), encoding="utf-8")
    with pytest.raises(InputError, match=r"BACI_synthetic.csv:3 .*i.*999.*a code of country_codes_synthetic.csv"):
        read_flows(path)
    (tmp_path / "country_codes_synthetic.csv").unlink()
    with pytest.raises(InputError, match="no names of countries"):
        read_flows(path)
