"""USGS releases of 2022 to 2025, prices of the World Bank and files of trade: read by their form, written into tables.

`usgs/older` has the world file of 2025 and what else is at hand of four editions (public domain). The files of prices and of trade
below are synthetic: their figures are made up, their form is that of the download.
"""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest

from strategic_minerals import InputError, load_dataset, shipped
from strategic_minerals.data import usgs_minerals
from strategic_minerals.data.market_prices import read_prices
from strategic_minerals.data.refreshing import refresh
from strategic_minerals.data.trade_flows import HS, TO_CARBONATE, Flow, import_shares, read_flows
from strategic_minerals.data.usgs_minerals import us_statistics
from strategic_minerals.data.usgs_older import older_series, read_older
from strategic_minerals.data.usgs_release import read_release
from strategic_minerals.data.usgs_tables import off_the_total, read_edition, usgs_rows

OLDER = Path(__file__).parent / "usgs" / "older"
FILE = Path(__file__).parent / "usgs" / "MCS2026_Commodities_Data.csv"
near = pytest.approx


def countries() -> dict[str, str]:
    return {row.name: row.country for row in load_dataset(shipped("inputs")).rows("countries")}


def known() -> dict[str, str]:
    return {name.casefold(): code for name, code in countries().items()}


def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped("inputs"), tmp_path / "inputs"))


def test_the_world_file_of_2025_is_read_whole() -> None:
    """Proves: every mapped series of output and reserves is there, the countries add up, and figures are those of the sheets."""
    older = read_older(OLDER / "2025" / "MCS2025_World_Data.csv", known())
    assert not [text for text in older.missing if text.startswith(("production", "reserves"))]
    rows = usgs_rows(older.world, {code: name for name, code in countries().items()}, whole=False)
    made = {(row["mineral"], row["country"], row["year"]): float(row["production_t"]) for row in rows["production"]}
    assert made["gallium", "CHN", "2024"] == near(750)  # printed in kilograms
    assert made["potash", "WLD", "2024"] == near(48e6)
    assert made["antimony", "WLD", "2024"] == near(100_000)  # the name has a footnote's digits
    assert {row["mineral"] for row in rows["production"]} == {
        s.mineral for s in older_series() if s.table == "production"
    }
    left = {(row["mineral"], row["country"]): float(row["reserves_t"]) for row in rows["reserves"]}
    assert left["vanadium", "USA"] == near(45_000)  # labelled tons, are thousand tons
    assert left["molybdenum", "USA"] == near(3_500_000)
    assert left["potash", "WLD"] == near(4.8e9)  # K2O, not ore
    assert left["palladium", "WLD"] == near(81_000)
    assert list(off_the_total(rows["production"])) == []


def test_statistics_of_2025_are_what_the_file_of_2026_prints_of_the_same_year(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: columns of the files at hand are the series that they are taken for, those of lead too, whose names are one place
    off. Apart are figures that were revised; files that are not there are told."""
    older = read_older(OLDER / "2025", known())
    assert older.cells["lead", "imports_t"].value == near(519_000)
    assert older.cells["lead", "consumption_t"].value == near(1_500_000)
    assert older.cells["rhodium", "imports_t"].value == near(12.1)
    assert older.cells["barite", "net_import_reliance_pct"].bound == ">"
    monkeypatch.setattr(usgs_minerals, "YEARS_BACK", 3)  # 2023
    later = us_statistics(read_release(FILE))
    off = {
        place
        for place, cell in older.cells.items()
        if cell.value and (now := later[place].value) and abs(cell.value / now - 1) > 0.02
    }
    assert off == {
        ("rare_earths", "consumption_t"),
        ("rare_earths", "primary_t"),
        ("rare_earths", "net_import_reliance_pct"),
        ("barite", "price_usd_per_kg"),
        ("potash", "exports_t"),
    }
    assert len(older.cells) == 44
    assert "statistics of antimony: no file has them" in older.missing


@pytest.mark.parametrize(
    ("year", "mineral", "country", "tonnes"),
    [
        ("2024", "potash", "USA", 400_000),
        ("2024", "bismuth", "CHN", 16_000),
        ("2024", "barite", "IND", 2_700_000),
        ("2023", "palladium", "RUS", 88),
        ("2023", "platinum", "USA", 3.3),
        ("2022", "rare_earths", "CHN", 168_000),
    ],
)
def test_folders_of_earlier_editions(year: str, mineral: str, country: str, tonnes: float) -> None:
    """Proves: units in names of columns, digits stuck to names, commas and empty columns are read; the estimate is marked."""
    older = read_older(OLDER / year, known())
    rows = usgs_rows(older.world, {code: name for name, code in countries().items()}, whole=False)
    (row,) = [
        row
        for row in rows["production"]
        if (row["mineral"], row["country"], row["year"]) == (mineral, country, str(int(year) - 1))
    ]
    assert float(row["production_t"]) == near(tonnes)
    assert row["edition"] == f"MCS{year}"
    assert row["note"] == "USGS marks it as estimated"
    assert older.missing


def test_marks_of_older_files() -> None:
    """Proves: a figure with the letter e is an estimate; a withheld one is no row; a country with another form is itself."""
    older = read_older(OLDER / "2024", known())
    vanadium = {
        (r.country, r.year): r for r in older.world.records if r.chapter == "VANADIUM" and r.statistic == "Production"
    }
    assert vanadium["Russia", "2022"].number == near(20_000)
    assert vanadium["Russia", "2022"].estimated
    boron = {r.country for r in older.world.records if r.chapter == "BORON" and r.number is not None}
    assert {"Argentina", "Peru", "Turkey"} <= boron
    assert not [
        r
        for r in older.world.records
        if r.chapter == "BORON" and r.country == "United States" and r.statistic == "Production" and r.number
    ]


def test_a_commodity_that_only_begins_as_a_chapter_is_another_one(tmp_path: Path) -> None:
    """Proves: what is called `Lead oxide` is not taken for lead. It is synthetic: the rows of gold under that name."""
    file = OLDER / "2025" / "MCS2025_World_Data.csv"
    text = file.read_text(encoding="utf-8-sig")
    assert ",Gold ," in text
    (tmp_path / file.name).write_text(text.replace(",Gold ,", ",Lead oxide,"), encoding="utf-8-sig")
    assert read_older(tmp_path / file.name, known()).world.records == read_older(file, known()).world.records


@pytest.mark.parametrize("file", [OLDER / "2025" / "MCS2025_World_Data.csv", FILE])
def test_a_release_is_read_once_whatever_its_form(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *more: opened.append(str(path)) or real(path, *more))
    read_edition(file, {code: name for name, code in countries().items()})
    assert opened.count(str(file)) == 1


@pytest.mark.slow
def test_an_older_edition_adds_its_rows_and_takes_nothing_back(tmp_path: Path) -> None:
    inputs = folder(tmp_path)
    minerals = (inputs / "homes" / "USA" / "minerals.csv").read_bytes()
    found = refresh(inputs, OLDER / "2025")
    assert {table for table, _ in found.added} == {"production", "reserves"}
    assert not found.revisions
    assert not found.gone
    assert any("later edition" in text for text in found.left_out)
    assert (inputs / "homes" / "USA" / "minerals.csv").read_bytes() == minerals
    assert refresh(inputs, OLDER / "2025").kept is None


def test_several_editions_in_one_folder_are_refused(tmp_path: Path) -> None:
    for year, name in (("2025", "mcs2025-lead_salient.csv"), ("2024", "mcs2024-lead_salient.csv")):
        shutil.copy(OLDER / year / name, tmp_path)
    with pytest.raises(InputError, match=r"MCS2024.*MCS2025.*expected files of one edition"):
        read_older(tmp_path, known())


def test_a_country_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    text = (OLDER / "2025" / "MCS2025_World_Data.csv").read_text(encoding="utf-8-sig").replace("Tajikistan", "Tadjikia")
    (tmp_path / "MCS2025_World_Data.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="Tadjikia"):
        refresh(folder(tmp_path), tmp_path / "MCS2025_World_Data.csv")


PINK = """Synthetic,Crude oil average,Copper,Nickel,Potassium chloride **,Silver
,($/bbl),($/mt),($/mt),($/mt),($/troy oz)
2024M12,70,9000,15000,300,30
""" + "\n".join(f"2025M{month:02d},65,{9000 + 100 * month},16000,360,31.1034768" for month in range(1, 13))


def test_prices_are_means_of_the_last_whole_year_in_the_tables_units(tmp_path: Path) -> None:
    (tmp_path / "pink.csv").write_text(PINK + "\n2026M01,60,1,1,1,1\n", encoding="utf-8")
    found = read_prices(tmp_path / "pink.csv")
    assert found.year == 2025
    # 360 USD a tonne of potassium chloride is 600 a tonne of K2O; 31.1034768 USD an ounce is 1,000 a kilogram
    assert found.usd_per_kg == near({"copper": 9.65, "nickel": 16.0, "potash": 0.6, "silver": 1000.0})


def test_prices_make_a_set_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "pink.csv").write_text(PINK, encoding="utf-8")
    inputs = folder(tmp_path)
    found = refresh(inputs, tmp_path / "pink.csv")
    rows = {row.material: row for row in load_dataset(inputs).rows("prices") if row.price_set == "wb2025"}
    before = load_dataset(shipped("inputs")).rows("prices")
    assert {row.price_set for row in before} < {row.price_set for row in load_dataset(inputs).rows("prices")}
    assert rows["copper"].price_usd_per_kg == near(9.65)
    assert (rows["copper"].money_year, rows["copper"].confidence) == (2025, "reported")
    assert rows["gallium"].note == "as in mcs2024"
    assert len(rows) == sum(row.price_set == "mcs2024" for row in before)
    assert any("as in the set mcs2024" in text for text in found.missing)
    assert not found.revisions


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("($/mt),($/mt),($/mt)", "($/ton),($/mt),($/mt)", r"Copper .*'\$/ton'; expected one of \$/mt"),
        ("Copper", "Coper", r"'Coper'; expected the name of a commodity \(did you mean 'copper'"),
        ("2025M12,65,10200", "2025M12,65,many", "'many'; expected a number"),
        ("2025M12", "2026M12", "no whole year"),
    ],
)
def test_faults_of_prices_name_their_cell(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = PINK.replace("2024M12,70,9000,15000,300,30\n", "")
    (tmp_path / "pink.csv").write_text(text.replace(old, new), encoding="utf-8")
    inputs = folder(tmp_path)
    with pytest.raises(InputError, match=said):
        refresh(inputs, tmp_path / "pink.csv")
    assert not (tmp_path / "inputs-before").exists()


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
    assert graphite is not None
    assert graphite.by_origin == near({"CHN": 90.0, "MOZ": 9.0, "OTH": 1.0})
    union = import_shares(flows, frozenset({"DEU", "FRA"}), "graphite", "powder or flakes")
    assert union is not None
    assert union.by_origin == near({"CHN": 60.0, "MOZ": 40.0})
    lithium = import_shares(flows, frozenset({"JPN"}), "lithium", "carbonate and hydroxide as carbonate")
    assert lithium is not None
    carbonate = 100 * TO_CARBONATE
    assert lithium.by_origin == near({"AUS": 100 * carbonate / (carbonate + 50), "CHN": 5000 / (carbonate + 50)})
    assert import_shares(flows, frozenset({"JPN"}), "manganese", "ore") is None


def test_comtrade_is_read_in_kilograms_and_without_its_sums(tmp_path: Path) -> None:
    rows = [
        ["2024", "M", "JPN", "CHN", "250410", "900000"],
        ["2024", "M", "JPN", "W00", "250410", "1000000"],
        ["2024", "X", "JPN", "CHN", "250410", "5"],
    ]
    with (tmp_path / "comtrade.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["refYear", "flowCode", "reporterISO", "partnerISO", "cmdCode", "netWgt"], *rows])
    assert read_flows(tmp_path / "comtrade.csv") == [Flow(2024, "CHN", "JPN", "250410", 900.0)]
    inputs = folder(tmp_path)
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
    assert any(text.startswith("KOR: graphite") for text in found.missing)
    assert any("a source for graphite from MOZ, which is new" in text for text in found.missing)
    assert load_dataset(inputs, "USA").tables.keys() == load_dataset(shipped("inputs"), "USA").tables.keys()


def test_codes_of_trade_are_those_of_forms_in_the_tables() -> None:
    forms = {
        (row.mineral, row.form)
        for home in ("JPN", "EUU", "KOR")
        for row in load_dataset(shipped("inputs"), home).rows("import_shares")
    }
    assert set(HS) <= forms


def test_faults_of_trade_name_their_cell(tmp_path: Path) -> None:
    path = trade(tmp_path)
    path.write_text(BACI.replace("2024,508,392", "2024,999,392"), encoding="utf-8")
    with pytest.raises(InputError, match=r"BACI_synthetic.csv:3 .*i.*999.*a code of country_codes_synthetic.csv"):
        read_flows(path)
    (tmp_path / "country_codes_synthetic.csv").unlink()
    with pytest.raises(InputError, match="no names of countries"):
        read_flows(path)
