"""Tables brought up to date from a downloaded release: what the official file says, what a later one would change, what is refused.

There is no later edition yet. The one here is synthetic: the file of 2026 with every year one later, and two figures of its own.
"""

import csv
import io
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from refresh import refresh, renewed
from strategic_minerals import Dataset, InputError, load_dataset, shipped
from strategic_minerals.question.read_csv import write_dataset
from strategic_minerals.question.recipes import stale
from support.tiny import with_row
from usgs import ELSEWHERE, off_the_total, read_release, us_statistics, usgs_rows

pytestmark = pytest.mark.long

FILE = Path(__file__).with_name("MCS2026_Commodities_Data.csv")
DETAIL, UNIT, YEAR, VALUE = 5, 6, 7, 8
Change = Callable[[list[str]], None]


def later(path: Path, change: Change = lambda row: None) -> Path:
    """A synthetic edition of 2027: every year of the file of 2026 is one later, then rows are changed."""
    rows = list(csv.reader(io.StringIO(FILE.read_bytes().decode("cp1252"))))
    for row in rows[1:]:
        row[YEAR] = "2022–25" if "–" in row[YEAR] else str(int(row[YEAR]) + 1)
        change(row)
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    path.write_bytes(text.getvalue().encode("cp1252"))
    return path


def revised(row: list[str]) -> None:
    """Gallium's use in 2025 is 25 t, and cobalt's exports are withheld."""
    if row[YEAR] == "2025" and (row[2], row[DETAIL]) == ("Gallium", "Consumption, reported"):
        row[VALUE] = "25,000"
    if row[YEAR] == "2025" and (row[2], row[DETAIL]) == ("Cobalt", "Exports"):
        row[VALUE] = "W"


def folder(tmp_path: Path, *homes: str) -> Path:
    """A copy of the shipped tables, with these homes, or all."""
    place = Path(shutil.copytree(shipped("inputs"), tmp_path / "inputs"))
    for home in (place / "homes").iterdir():
        if home.is_dir() and homes and home.name not in homes:
            shutil.rmtree(home)
    return place


def contents(place: Path) -> dict[Path, bytes]:
    return {path.relative_to(place): path.read_bytes() for path in place.rglob("*.csv")}


def test_the_official_file_changes_nothing(tmp_path: Path) -> None:
    """Proves: the shipped tables are those of the edition, to the byte."""
    place = folder(tmp_path)
    before = contents(place)
    found = refresh(place, FILE)
    assert (found.revisions, found.added, found.gone, found.estimates, found.files) == ((), (), (), (), ())
    assert (found.facts.left_out, found.facts.missing) == ((), ())
    assert contents(place) == before
    assert [path.name for path in tmp_path.iterdir()] == ["inputs"]


@pytest.mark.slow
def test_a_later_edition_is_read_its_revisions_told_and_estimates_renewed(tmp_path: Path) -> None:
    """Proves: a revised figure and a withheld one are told with what they were; the new years are added; what hangs on the first is
    written anew, in American files alone; other homes are as they were."""
    place = folder(tmp_path)
    japan = load_dataset(place, "JPN").rows("offers")
    found = refresh(place, later(tmp_path / "MCS2027.csv", revised), edition="MCS2027")
    told = {(r.home, r.key, r.column): (r.was, r.now) for r in found.revisions if r.table == "minerals"}
    # the synthetic edition says of 2025 what that of 2026 says of 2024
    output = {r.key: (r.was, r.now) for r in found.revisions if r.table == "production"}
    known = {
        r.year: r.production_t
        for r in load_dataset(shipped("inputs")).rows("production")
        if (r.mineral, r.country, r.edition) == ("gallium", "WLD", "MCS2026")
    }
    assert output["gallium/WLD/refined/2025/MCS2027, MCS2026 before"] == (known[2025], known[2024])
    assert {r.home for r in found.revisions if r.table == "production"} == {""}
    assert told.keys() == {("USA", "gallium", "consumption_t"), ("USA", "cobalt", "exports_t")}
    assert told["USA", "gallium", "consumption_t"] == (18.7, 25.0)
    assert told["USA", "cobalt", "exports_t"][1] is None
    assert found.gone == ()
    assert all(table in ("production", "reserves") and ("2025" in key or "2026" in key) for table, key in found.added)
    assert {one.recipe.key for _, one in found.estimates} >= {"gallium_1", "chn_gallium/2026"}
    assert {home for home, _ in found.estimates} == {"USA"}
    data = load_dataset(place)
    assert [one for one in stale(data) if one.follows is not None] == []
    gallium = next(row for row in data.rows("minerals") if row.mineral == "gallium")
    assert (gallium.consumption_t, gallium.year, gallium.source[:14]) == (25.0, 2025, "USGS MCS 2027 ")
    antimony = next(row for row in data.rows("minerals") if row.mineral == "antimony")
    assert (antimony.year, antimony.source[:14]) == (2024, "USGS MCS 2026 ")
    assert load_dataset(place, "JPN").rows("offers") == japan


def test_no_american_figure_goes_into_the_folder_of_another_home(tmp_path: Path) -> None:
    """Proves: a folder that `init` wrote for Japan gets world output and prices; shares of American imports and what Americans use
    are left out, and that is said."""
    write_dataset(load_dataset(shipped("inputs"), "JPN"), tmp_path / "tables")
    before = load_dataset(tmp_path / "tables")
    found = refresh(tmp_path / "tables", later(tmp_path / "MCS2027.csv", revised), edition="MCS2027")
    assert found.facts.left_out == ("import_shares", "minerals (but for prices)")
    assert {table for table, _ in found.added} == {"production", "reserves"}
    assert {r.table for r in found.revisions} == {"production"}  # 2025, which the edition before printed otherwise
    assert found.estimates == ()
    after = load_dataset(tmp_path / "tables")
    assert after.rows("import_shares") == before.rows("import_shares")
    assert after.rows("minerals") == before.rows("minerals")


def unknown_country(row: list[str]) -> None:
    row[3] = "Atlantis" if row[3] == "Kazakhstan" else row[3]


def no_series(row: list[str]) -> None:
    row[DETAIL] = row[DETAIL].replace("Consumption, reported", "Use, as told")


def other_unit(row: list[str]) -> None:
    row[UNIT] = "wagons" if (row[2], row[DETAIL]) == ("Gallium", "Consumption, reported") else row[UNIT]


def test_what_nobody_knows_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    """Proves: an unknown country, a series that is gone and another unit are faults that name it; a changed file is no published
    one, and its edition is stated by who knows it, in a form that is one; the folder is as it was."""
    place = folder(tmp_path, "USA")
    before = contents(place)
    refused: tuple[tuple[Change, str | None, str], ...] = (
        (unknown_country, "MCS2027", "Atlantis"),
        (no_series, "MCS2027", "Consumption, reported"),
        (other_unit, "MCS2027", "wagons"),
        (revised, None, "MD5"),
        (revised, "2027", "MCS2027"),
    )
    for change, edition, said in refused:
        with pytest.raises(InputError, match=said):
            refresh(place, later(tmp_path / "MCS2027.csv", change), edition=edition)
    assert contents(place) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MCS2027.csv", "inputs"]


def test_estimates_of_estimates_are_renewed_until_all_follow() -> None:
    """Proves: a usual flow follows its capacity, which follows consumption; afterwards nothing is stale, values and both bounds."""
    data = load_dataset(shipped("inputs"))
    new, changes = renewed(with_row(data, "minerals", "gallium", consumption_t=37.4))
    assert stale(new) == []
    before, after = ({row.activity: row for row in each.rows("capacities")} for each in (data, new))
    assert after["chn_gallium"].capacity_t_per_yr > before["chn_gallium"].capacity_t_per_yr
    row = after["chn_gallium"]
    assert row.normal_t_per_yr == pytest.approx(row.capacity_t_per_yr / 1.1, rel=1e-4)
    assert {one.recipe.key for one in changes} >= {"chn_gallium/2026", "gallium_1"}
    assert all(one.was[1] != one.now[1] or one.was[0] != one.now[0] for one in changes)
    depth = {row.offer: row for row in new.rows("offers")}["gallium_1"]
    assert (depth.depth_t_per_yr_low, depth.depth_t_per_yr_high) == pytest.approx(
        (depth.depth_t_per_yr / 3, depth.depth_t_per_yr * 3), rel=1e-3
    )


def test_only_cells_that_change_are_written(tmp_path: Path) -> None:
    """Proves: a fact of Japan's changes files of Japan alone, and in them only cells that hang on it; a second time nothing is
    written, and nothing where that is asked."""
    place = folder(tmp_path, "JPN", "USA")
    file = place / "homes" / "JPN" / "demand_segments.csv"
    file.write_text(file.read_text("utf-8").replace(",167,", ",334,").replace(",167.0,", ",334.0,"), "utf-8")
    before = contents(place)
    dry = refresh(place, write=False)
    assert contents(place) == before
    found = refresh(place)
    assert {home for home, _ in found.estimates} == {"JPN"}
    assert found.lost == ()
    after = contents(place)
    touched = {path for path in before if before[path] != after[path]}
    assert touched
    assert {str(path) for path in touched} == set(found.files) == set(dry.files)
    assert all(path.parent.name == "JPN" for path in touched)
    for path in touched:
        was, now = (list(csv.reader(each[path].decode("utf-8").splitlines())) for each in (before, after))
        assert all("gallium" in row[0] for row, other in zip(now, was, strict=True) if row != other)
    assert refresh(place).files == ()


def test_a_figure_of_the_homes_own_is_not_made_by_the_recipe_of_another(tmp_path: Path) -> None:
    """Proves: a reported figure laid over a row with a recipe stays as it was reported, and the recipe of other columns holds."""
    place = folder(tmp_path, "KOR")
    own = place / "homes" / "KOR" / "materials.csv"
    head, *rest = own.read_text("utf-8").splitlines()
    columns = [*head.split(","), "haircut_share"]
    row = {
        "material": "ndpr_oxide",
        "haircut_share": "0.111",
        "source": "tender",
        "year": "2025",
        "confidence": "reported",
    }
    added = ",".join(row.get(column, "") for column in columns)
    own.write_text("\n".join([",".join(columns), *(f"{line}," for line in rest), added, ""]), "utf-8")
    found = refresh(place)
    assert found.estimates == ()
    material = next(row for row in load_dataset(place, "KOR").rows("materials") if row.material == "ndpr_oxide")
    assert (material.haircut_share, material.source) == (0.111, "tender")
    assert "haircut(" not in material.note
    assert "holding(" in material.note


def test_a_figure_of_all_homes_hangs_on_none_of_them(tmp_path: Path) -> None:
    """Proves: a recipe of a common row that gives another value for each home is a fault, and nothing is written."""
    place = folder(tmp_path, "JPN", "USA")
    file = place / "substitution.csv"
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    rows[0]["note"] = "cost_usd_per_kg = offer_depth(0, loss_functions[imf_2026/ndfeb_magnet/*].loss_usd_per_t, 1)"
    rows[0]["cost_usd_per_kg_low"] = rows[0]["cost_usd_per_kg_high"] = ""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    before = contents(place)
    with pytest.raises(InputError, match="one value for all homes"):
        refresh(place)
    assert contents(place) == before


def test_a_recipe_that_gives_what_its_column_forbids_is_a_fault_of_the_row(tmp_path: Path) -> None:
    """Proves: a share of more than one is told with file, row, column and recipe, not as an error of the program."""
    data = load_dataset(shipped("inputs"))
    rows = data.rows("substitution")
    odd = rows[0].model_copy(update={"note": "limit_share = offer_depth(0, 5000, 1)"})
    write_dataset(Dataset({**data.tables, "substitution": (odd, *rows[1:])}, data.name), tmp_path / "tables")
    with pytest.raises(InputError) as refused:
        refresh(tmp_path / "tables")
    (fault,) = refused.value.faults
    assert (fault.file, fault.row, fault.column[:11]) == ("substitution.csv", "ndfeb_magnet/essential/1", "limit_share")
    assert "recipe" in fault.found


def test_an_estimate_without_its_facts_stays_and_is_listed(tmp_path: Path) -> None:
    data = load_dataset(shipped("inputs"))
    write_dataset(with_row(data, "minerals", "gallium", consumption_t=None), tmp_path / "tables")
    found = refresh(tmp_path / "tables")
    assert found.files == ()
    assert {"gallium_1", "chn_gallium/2026"} <= {one.recipe.key for _, one in found.lost}


# The data release as published, and the tables written from it
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
    """Proves: of every series whose world total counts all countries the listed ones are within rounding of it, or named."""
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


def test_a_file_in_another_form_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "MCS2026_Commodities_Data.csv"
    changed.write_text("Source,Commodity\n", "utf-8")
    with pytest.raises(InputError, match="MCS chapter"):
        read_release(changed)


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
