"""The USGS data release of 2026, as published, and the tables written from it."""

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from strategic_minerals import load_dataset, shipped
from strategic_minerals.core.errors import InputError
from usgs import ELSEWHERE, country_code, off_the_total, parsed, read_release, us_statistics, usgs_rows

pytestmark = pytest.mark.long

FILE = Path(__file__).with_name("MCS2026_Commodities_Data.csv")
FIGURES = "consumption_t imports_t exports_t primary_t secondary_t net_import_reliance_pct price_usd_per_kg".split()
LEFT_OUT = {"barite", "boron", "lithium", "silicon", "tellurium", "titanium_sponge", "zinc", "zirconium"}
"""Minerals whose world total leaves out the United States or forms."""
RELEASE = read_release(FILE)


@cache
def countries() -> dict[str, str]:
    with (Path(shipped("inputs")) / "countries.csv").open(encoding="utf-8", newline="") as file:
        return {row["country"]: row["name"] for row in csv.DictReader(file)}


def test_figures_of_the_sheets() -> None:
    """Proves: potash 46.7 million t, platinum 179 t, both in tonnes; known errors of the file are corrected and say so; a value
    that is withheld makes no row."""
    found = usgs_rows(RELEASE, countries())
    made = {(r["mineral"], r["country"], r["year"]): float(r["production_t"]) for r in found["production"]}
    assert made["potash", "WLD", "2024"] == pytest.approx(46.7e6)
    assert made["platinum", "WLD", "2024"] == pytest.approx(179.0)
    ferrosilicon, metal = 3.1e6, 4.8e6
    assert made["silicon", "CHN", "2024"] == pytest.approx(ferrosilicon + metal)
    assert not [key for key in made if key[:2] == ("barite", "USA")]
    held = {(r["mineral"], r["country"]): (float(r["reserves_t"]), r["note"]) for r in found["reserves"]}
    assert held["vanadium", "USA"][0] == pytest.approx(50e3), "labelled tons, printed in thousands"
    assert held["rare_earths", "BRA"] == (11e6, "the file has 21,000,000; corrected in version 1.3 of the sheet")
    assert held["copper", "WLD"][0] == 980e6


def test_countries_add_up_to_the_world_and_shares_to_all_imports() -> None:
    """Proves: of every series whose world total counts all countries the listed ones are within rounding of it; one that is not is
    named."""
    found = usgs_rows(RELEASE, countries())
    rows = found["production"]
    assert sum(row["country"] == "WLD" for row in rows) > 60
    assert {line.partition(",")[0] for line in off_the_total(rows)} <= LEFT_OUT
    (half,) = [row for row in rows if (row["mineral"], row["country"], row["year"]) == ("gallium", "CHN", "2024")]
    half["production_t"] = str(float(half["production_t"]) / 2)
    assert "gallium" in {line.partition(",")[0] for line in off_the_total(rows)}
    total: dict[tuple[str, str], float] = {}
    for row in found["import_shares"]:
        key = row["mineral"], row["form"]
        total[key] = total.get(key, 0.0) + float(row["import_share_pct"])
    assert all(98 <= share <= 102 for share in total.values()), total


def test_values_and_names_as_printed() -> None:
    values = {
        "1,690": (1690.0, ""),
        "—": (0.0, ""),
        "W": (None, ""),
        "E": (None, "E"),
        ">50": (50.0, ">"),
        "<25": (25.0, "<"),
        "Large": (None, ""),
        "": (None, ""),
    }
    assert {value: parsed(value) for value in values} == values
    known = {place.casefold(): iso for iso, place in countries().items()}
    names = {"Korea, Republic of": "KOR", "Côte d’Ivoire": "CIV", "Turkey": "TUR", "Atlantis": None}
    assert {name: country_code(name, known) for name in names} == names


def test_a_file_in_another_form_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "MCS2026_Commodities_Data.csv"
    changed.write_text("Source,Commodity\n", "utf-8")
    with pytest.raises(InputError, match="MCS chapter"):
        read_release(changed)


def test_a_later_release_has_reserves_of_the_year_before_it_and_no_unit_that_nobody_knows() -> None:
    """Proves: a release in carats is refused by chapter and unit."""
    found = usgs_rows(replace(RELEASE, edition="MCS2027"), countries())
    assert {row["year"] for row in found["reserves"]} == {"2026"}
    odd = tuple(replace(r, unit="carats") if r.chapter == "POTASH" else r for r in RELEASE.records)
    with pytest.raises(InputError, match=r"POTASH .* 'carats'; expected one of metric tons"):
        usgs_rows(replace(RELEASE, records=odd), countries())


def test_every_american_figure_is_that_of_the_file_or_says_whence_it_is() -> None:
    """Proves for 61 minerals and seven columns: the shipped cell is what the official file gives, within rounding, or the table of
    exceptions says why it does not come from there; nothing is in both."""
    cells = us_statistics(RELEASE)
    same, apart = 0, set()
    for row in load_dataset(shipped("inputs")).rows("minerals"):
        for column in FIGURES:
            place, shown = (row.mineral, column), getattr(row, column)
            if place in cells:
                assert shown == pytest.approx(cells[place], rel=1e-3), place
                same += 1
            elif shown is not None:
                apart.add(place)
    assert same > 240
    assert apart == {(mineral, column) for mineral, columns in ELSEWHERE.items() for column in columns}
