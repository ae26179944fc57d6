"""The USGS data release of 2026, as published, and the tables written from it."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from strategic_minerals import load_dataset, shipped
from strategic_minerals.core.errors import InputError
from usgs import (
    ELSEWHERE,
    SERIES,
    STATISTICS,
    country_code,
    off_the_total,
    parsed,
    read_release,
    update,
    us_statistics,
    usgs_rows,
)

FILE = Path(__file__).with_name("MCS2026_Commodities_Data.csv")
FIGURES = (
    "consumption_t",
    "imports_t",
    "exports_t",
    "primary_t",
    "secondary_t",
    "net_import_reliance_pct",
    "price_usd_per_kg",
)


def countries() -> dict[str, str]:
    with (Path(shipped("inputs")) / "countries.csv").open(encoding="utf-8", newline="") as file:
        return {row["country"]: row["name"] for row in csv.DictReader(file)}


def test_the_shipped_tables_are_what_the_release_gives(tmp_path: Path) -> None:
    """Proves: writing the three tables anew from the published file changes no byte."""
    shutil.copytree(Path(shipped("inputs")), tmp_path / "inputs")
    before = {path: path.read_bytes() for path in (tmp_path / "inputs").rglob("*.csv")}
    found = update(FILE, tmp_path / "inputs")
    assert (found.left_out, found.missing) == ((), ())
    assert {path: path.read_bytes() for path in (tmp_path / "inputs").rglob("*.csv")} == before


def test_figures_of_the_sheets() -> None:
    """Proves: potash 46.7 million t, platinum 179 t, both in tonnes; known errors of the file are corrected and say so."""
    found = usgs_rows(read_release(FILE), countries())
    tonnes = {
        (r["mineral"], r["country"], r["year"]): float(r["production_t"])
        for r in found["production"]
        if r["mineral"] in ("potash", "platinum", "silicon")
    }
    assert tonnes["potash", "WLD", "2024"] == pytest.approx(46.7e6)
    assert tonnes["platinum", "WLD", "2024"] == pytest.approx(179.0)
    assert tonnes["silicon", "CHN", "2024"] == pytest.approx(3.1e6 + 4.8e6), "ferrosilicon and metal together"
    held = {(r["mineral"], r["country"]): r for r in found["reserves"]}
    assert float(held["vanadium", "USA"]["reserves_t"]) == pytest.approx(50e3), "labelled tons, printed in thousands"
    brazil = held["rare_earths", "BRA"]
    assert (float(brazil["reserves_t"]), brazil["note"]) == (
        11e6,
        "the file has 21,000,000; corrected in version 1.3 of the sheet",
    )
    assert float(held["copper", "WLD"]["reserves_t"]) == 980e6


def test_countries_add_up_to_the_world() -> None:
    """Proves: of every series whose world total counts all countries the listed ones are within rounding of it; one that is not is
    named."""
    apart = {
        "barite",
        "boron",
        "lithium",
        "silicon",
        "tellurium",
        "titanium_sponge",
        "zinc",
        "zirconium",
    }  # the United States or forms are left out
    rows = usgs_rows(read_release(FILE), countries())["production"]
    assert sum(row["country"] == "WLD" for row in rows) > 60
    assert {line.partition(",")[0] for line in off_the_total(rows)} <= apart
    (half,) = [row for row in rows if (row["mineral"], row["country"], row["year"]) == ("gallium", "CHN", "2024")]
    half["production_t"] = str(float(half["production_t"]) / 2)
    assert "gallium" in {line.partition(",")[0] for line in off_the_total(rows)}


def test_import_shares_add_up() -> None:
    total: dict[tuple[str, str], float] = {}
    for row in usgs_rows(read_release(FILE), countries())["import_shares"]:
        key = row["mineral"], row["form"]
        total[key] = total.get(key, 0.0) + float(row["import_share_pct"])
    assert all(98 <= share <= 102 for share in total.values()), total


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("1,690", (1690.0, "")),
        ("—", (0.0, "")),
        ("W", (None, "")),
        ("NA", (None, "")),
        ("E", (None, "E")),
        (">50", (50.0, ">")),
        ("<25", (25.0, "<")),
        ("Large", (None, "")),
        ("", (None, "")),
    ],
)
def test_values_as_printed(value: str, found: tuple[float | None, str]) -> None:
    assert parsed(value) == found


def test_a_withheld_value_makes_no_row() -> None:
    rows = usgs_rows(read_release(FILE), countries())["production"]
    assert not [row for row in rows if (row["mineral"], row["country"]) == ("barite", "USA")]


@pytest.mark.parametrize(
    ("name", "code"),
    [("Korea, Republic of", "KOR"), ("Côte d’Ivoire", "CIV"), ("Turkey", "TUR"), ("Atlantis", None)],
)
def test_names_of_usgs(name: str, code: str | None) -> None:
    assert country_code(name, {place.casefold(): iso for iso, place in countries().items()}) == code


def test_another_file_is_refused(tmp_path: Path) -> None:
    """Proves: with one byte changed, or in another form, a file is not taken, and no table is touched."""
    changed = tmp_path / "MCS2026_Commodities_Data.csv"
    changed.write_bytes(FILE.read_bytes().replace(b"5,830", b"5,831", 1))
    with pytest.raises(InputError, match="MD5"):
        read_release(changed)
    changed.write_text("Source,Commodity\n", "utf-8")
    with pytest.raises(InputError, match="MCS chapter"):
        read_release(changed)


def test_a_country_that_nobody_knows_is_a_fault() -> None:
    known = {code: name for code, name in countries().items() if code != "BLR"}
    with pytest.raises(InputError, match="Belarus"):
        usgs_rows(read_release(FILE), known)


def test_reserves_of_a_later_edition_are_of_the_year_before_it() -> None:
    found = usgs_rows(replace(read_release(FILE), edition="MCS2027"), countries())
    assert {row["year"] for row in found["reserves"]} == {"2026"}


def test_a_unit_that_nobody_knows_is_a_fault() -> None:
    """Proves: a later release in carats names chapter and unit, and writes nothing."""
    release = read_release(FILE)
    odd = tuple(replace(r, unit="carats") if r.chapter == "POTASH" else r for r in release.records)
    with pytest.raises(InputError, match=r"POTASH .* 'carats'; expected one of metric tons"):
        usgs_rows(replace(release, records=odd), countries())


def test_no_series_is_mapped_twice() -> None:
    keys = [(series.table, series.mineral, series.form) for series in SERIES]
    assert len(set(keys)) == len(keys)
    places = [(one.mineral, one.column) for one in STATISTICS]
    assert len(set(places)) == len(places)
    assert {column for _, column in places} <= set(FIGURES)


def test_every_american_figure_is_that_of_the_file_or_says_whence_it_is() -> None:
    """Proves for 61 minerals and seven columns: the shipped cell is what the official file gives, within rounding, or the table of
    exceptions says why it does not come from there; nothing is in both."""
    cells = us_statistics(read_release(FILE))
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
