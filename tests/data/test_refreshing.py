"""Tables brought up to date from a downloaded release: what the official file says, what a later one would change, what is refused.

There is no later edition yet. The one here is synthetic: the file of 2026 with every year one later, and two figures of its own.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Cli
from strategic_minerals import InputError, load_dataset, shipped
from strategic_minerals.data.csv_files import write_dataset
from strategic_minerals.data.recipes import stale
from strategic_minerals.data.refreshing import refresh
from strategic_minerals.data.usgs_minerals import us_statistics
from strategic_minerals.data.usgs_release import read_release
from strategic_minerals.data.usgs_statistics import ELSEWHERE, STATISTICS

FILE = Path(__file__).parent / "usgs" / "MCS2026_Commodities_Data.csv"
FIGURES = (
    "consumption_t",
    "imports_t",
    "exports_t",
    "primary_t",
    "secondary_t",
    "net_import_reliance_pct",
    "price_usd_per_kg",
)
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


def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped("inputs"), tmp_path / "inputs"))


def contents(place: Path) -> dict[Path, bytes]:
    return {path.relative_to(place): path.read_bytes() for path in place.rglob("*.csv")}


def test_every_american_figure_is_that_of_the_file_or_says_whence_it_is() -> None:
    """Proves for 61 minerals and seven columns: the shipped cell is what the official file gives, within rounding, or the table of
    exceptions says why it does not come from there; nothing is in both."""
    cells = us_statistics(read_release(FILE))
    same, apart = 0, set()
    for row in load_dataset(shipped("inputs")).rows("minerals"):
        for column in FIGURES:
            place, shown = (row.mineral, column), getattr(row, column)
            if place in cells:
                assert shown == pytest.approx(cells[place].value, rel=1e-3), place
                same += 1
            elif shown is not None:
                apart.add(place)
    assert same > 240
    assert apart == set(ELSEWHERE)


def test_the_official_file_changes_nothing(tmp_path: Path) -> None:
    """Proves: the shipped tables are those of the edition, to the byte, and nothing is kept beside."""
    place = folder(tmp_path)
    before = contents(place)
    found = refresh(place, FILE)
    assert (found.revisions, found.added, found.gone, found.estimates, found.kept) == ((), (), (), (), None)
    assert contents(place) == before
    assert [path.name for path in tmp_path.iterdir()] == ["inputs"]


@pytest.mark.slow
def test_a_later_edition_is_read_its_revisions_told_and_estimates_renewed(tmp_path: Path) -> None:
    """Proves: a revised figure and a withheld one are told with what they were; the new years are added; what hangs on the first is
    written anew, in American files alone; other homes are as they were; the tables of before are kept whole."""
    place = folder(tmp_path)
    before, japan = contents(place), load_dataset(place, "JPN").rows("offers")
    found = refresh(place, later(tmp_path / "MCS2027.csv", revised), edition="MCS2027")
    told = {(r.home, r.table, r.key, r.column): (r.was, r.now) for r in found.revisions if r.table == "minerals"}
    # the synthetic edition says of 2025 what that of 2026 says of 2024
    output = {r.key: (r.was, r.now) for r in found.revisions if r.table == "production"}
    place_of = "gallium/WLD/refined/2025/MCS2027, MCS2026 before"
    known = {
        (r.year, r.edition): r.production_t
        for r in load_dataset(shipped("inputs")).rows("production")
        if (r.mineral, r.country) == ("gallium", "WLD")
    }
    assert output[place_of] == (known[2025, "MCS2026"], known[2024, "MCS2026"])
    assert {r.home for r in found.revisions if r.table == "production"} == {""}
    assert told == {
        ("USA", "minerals", "gallium", "consumption_t"): (18.7, 25.0),
        ("USA", "minerals", "cobalt", "exports_t"): (
            pytest.approx(told["USA", "minerals", "cobalt", "exports_t"][0]),
            None,
        ),
    }
    assert found.gone == ()
    assert all(table in ("production", "reserves") and ("2025" in key or "2026" in key) for table, key in found.added)
    assert {one.recipe.key for _, one in found.estimates} >= {"gallium_1", "chn_gallium/2026"}
    assert {home for home, _ in found.estimates} == {"USA"}
    assert found.kept is not None
    assert contents(found.kept) == before
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
    assert found.left_out == ("import_shares", "minerals (but for prices)")
    assert {table for table, _ in found.added} == {"production", "reserves"}
    assert {r.table for r in found.revisions} == {"production"}  # 2025, which the edition before printed otherwise
    assert found.estimates == ()
    after = load_dataset(tmp_path / "tables")
    assert after.rows("import_shares") == before.rows("import_shares")
    assert [row.consumption_t for row in after.rows("minerals")] == [
        row.consumption_t for row in before.rows("minerals")
    ]


def unknown_country(row: list[str]) -> None:
    row[3] = "Atlantis" if row[3] == "Kazakhstan" else row[3]


def no_series(row: list[str]) -> None:
    row[DETAIL] = row[DETAIL].replace("Consumption, reported", "Use, as told")


def other_unit(row: list[str]) -> None:
    row[UNIT] = "wagons" if (row[2], row[DETAIL]) == ("Gallium", "Consumption, reported") else row[UNIT]


@pytest.mark.parametrize(
    ("change", "said"), [(unknown_country, "Atlantis"), (no_series, "Consumption, reported"), (other_unit, "wagons")]
)
def test_what_nobody_knows_is_refused_and_nothing_is_written(change: Change, said: str, tmp_path: Path) -> None:
    """Proves: an unknown country, a series that is gone and another unit are faults that name it; the folder is as it was."""
    place = folder(tmp_path)
    before = contents(place)
    with pytest.raises(InputError, match=said):
        refresh(place, later(tmp_path / "MCS2027.csv", change), edition="MCS2027")
    assert contents(place) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MCS2027.csv", "inputs"]


def test_a_file_that_is_not_known_needs_its_edition(tmp_path: Path) -> None:
    """Proves: a changed file is no published one; its edition is stated by who knows it, in a form that is one."""
    file = later(tmp_path / "MCS2027.csv")
    for edition, said in ((None, "MD5"), ("2027", "MCS2027")):
        with pytest.raises(InputError, match=said):
            refresh(folder(tmp_path / str(edition)), file, edition=edition)


def test_every_series_is_one_cell() -> None:
    """Proves: no cell has two lines in the table of series, and no line is for a column that `minerals` does not have."""
    places = [(one.mineral, one.column) for one in STATISTICS]
    assert len(set(places)) == len(places)
    assert {column for _, column in places} <= set(FIGURES)


@pytest.mark.slow
def test_the_verb_tells_what_moved_in_a_plan(cli: Cli, tmp_path: Path) -> None:
    """Proves: facts, estimates, the answer before and after, and the figures behind it; a dry run writes nothing."""
    place, file = folder(tmp_path), later(tmp_path / "MCS2027.csv", revised)
    before = contents(place)
    dry = cli("refresh", place, "--from", file, "--edition", "MCS2027", "--dry-run")
    assert "gallium consumption_t: 18.7 -> 25" in dry.stdout
    assert "Nothing was written." in dry.stdout
    assert contents(place) == before
    said = cli("refresh", place, "--from", file, "--edition", "MCS2027", "--plan", "quickstart").stdout
    assert "WHAT MOVED in quickstart" in said
    assert "worth compared with doing nothing" in said
    assert "demand[gallium/defence/2026].demand_t_per_yr: 1.87 -> 2.5" in said
    assert f"The tables as they were: {place}-before" in said
    again = json.loads(cli("refresh", place, "--from", file, "--edition", "MCS2027", "--json").stdout)
    assert (again["revised"], again["estimates"], again["written"]) == ([], [], False)
