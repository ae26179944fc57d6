"""Estimates live: what no longer follows from its facts is found, told, written anew, and traced."""

from __future__ import annotations

import csv
import shutil
import time
from pathlib import Path

import pytest

from strategic_minerals import Dataset, InputError, check, load_dataset, load_plan, shipped
from strategic_minerals.data.csv_files import write_dataset
from strategic_minerals.data.recipes import CALL, FUNCTIONS, chain, outdated, recipes, stale, without_recipes
from strategic_minerals.data.refreshing import refresh
from strategic_minerals.data.renewal import renew, renewed


def doubled(data: Dataset, mineral: str = "gallium") -> Dataset:
    """The tables with the consumption of a mineral doubled, and nothing else."""
    rows = tuple(
        row.model_copy(update={"consumption_t": 2 * row.consumption_t}) if row.mineral == mineral else row
        for row in data.rows("minerals")
    )
    return Dataset({**data.tables, "minerals": rows}, data.name)


def test_what_hangs_on_a_changed_fact_is_found_and_told() -> None:
    """Proves the case of the shipped tables: consumption of gallium doubled. Depths, capacities and flows do not follow; `check`
    says so and how to mend it, and nothing is said of the tables as they are."""
    data, plan = load_dataset(shipped("inputs")), load_plan(shipped("models") / "quickstart.toml")
    assert outdated(data) == []
    changed = doubled(data)
    places = {(one.recipe.table, one.recipe.key, one.recipe.column) for one in stale(changed)}
    assert {("offers", f"gallium_{n}", "depth_t_per_yr") for n in (1, 2, 3)} <= places
    assert {table for table, _, _ in places} >= {"offers", "capacities", "demand", "loss_functions"}
    assert all("gallium" in key for _, key, _ in places)
    (note,) = [note for note in check(plan, changed).notes if "no longer follow" in note]
    assert "refresh" in note
    assert not [note for note in check(plan, data).notes if "no longer follow" in note]


def test_estimates_of_estimates_are_renewed_until_all_follow() -> None:
    """Proves: a usual flow follows its capacity, which follows consumption; afterwards nothing is stale, values and both bounds."""
    data = load_dataset(shipped("inputs"))
    new, changes = renewed(doubled(data))
    assert stale(new) == []
    before, after = ({row.activity: row for row in each.rows("capacities")} for each in (data, new))
    grown = [
        name
        for name, row in after.items()
        if "gallium" in name and row.capacity_t_per_yr > before[name].capacity_t_per_yr
    ]
    assert "chn_gallium" in grown
    row = after["chn_gallium"]
    assert row.normal_t_per_yr == pytest.approx(row.capacity_t_per_yr / 1.1, rel=1e-4)
    assert {one.recipe.key for one in changes} >= {"chn_gallium/2026", "gallium_1"}
    assert all(one.was[1] != one.now[1] or one.was[0] != one.now[0] for one in changes)
    depth = {row.offer: row for row in new.rows("offers")}["gallium_1"]
    assert (depth.depth_t_per_yr_low, depth.depth_t_per_yr_high) == pytest.approx(
        (depth.depth_t_per_yr / 3, depth.depth_t_per_yr * 3), rel=1e-3
    )


def test_only_cells_that_change_are_written_and_the_old_tables_stay(tmp_path: Path) -> None:
    """Proves on all homes: a fact of Japan's changes files of Japan alone, and in them only cells that hang on it; a second time
    nothing is written; the copy kept beside is as the folder was."""
    folder = Path(shutil.copytree(shipped("inputs"), tmp_path / "inputs"))
    file = folder / "homes" / "JPN" / "demand_segments.csv"
    file.write_text(file.read_text("utf-8").replace(",167,", ",334,").replace(",167.0,", ",334.0,"), "utf-8")
    before = {path: path.read_text("utf-8") for path in folder.rglob("*.csv")}
    kept = tmp_path / "inputs-before"
    found = refresh(folder)
    assert {home for home, _ in found.estimates} == {"JPN"}
    assert (found.lost, found.kept) == ((), kept)
    touched = {path for path, text in before.items() if path.read_text("utf-8") != text}
    assert touched
    assert all(path.parent.name == "JPN" for path in touched)
    for path in touched:
        was, now = (list(csv.reader(text.splitlines())) for text in (before[path], path.read_text("utf-8")))
        assert all("gallium" in row[0] for row, other in zip(now, was, strict=True) if row != other)
    again = refresh(folder)
    assert (again.estimates, again.kept) == ((), None)
    assert {path.relative_to(kept): path.read_text("utf-8") for path in kept.rglob("*.csv")} == {
        path.relative_to(folder): text for path, text in before.items()
    }
    file.write_text(file.read_text("utf-8").replace(",334,", ",167,").replace(",334.0,", ",167.0,"), "utf-8")
    assert refresh(folder, write=False).kept is None
    assert refresh(folder).kept == tmp_path / "inputs-before-2"


def test_faulty_tables_are_not_renewed(tmp_path: Path) -> None:
    """Proves: nothing is half written."""
    data = doubled(load_dataset(shipped("inputs")))
    write_dataset(data, tmp_path)
    (tmp_path / "tiers.csv").write_text("nonsense\n", "utf-8")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError):
        renew(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_chain_reaches_published_figures() -> None:
    """Proves: value, range, function with its meaning, then each figure that it uses, down to what a source printed."""
    lines = chain(load_dataset(shipped("inputs")), "offers", "gallium_1", "depth_t_per_yr")
    assert lines[0].startswith("offers[gallium_1].depth_t_per_yr 1.87 (0.62333 to 5.61): = offer_depth(")
    assert lines[1].strip().startswith("offer_depth: Tonnes a year that the reserve can buy")
    assert any(
        line.startswith("  minerals[gallium].consumption_t 18.7: reported; USGS MCS 2026 gallium") for line in lines
    )
    with pytest.raises(InputError, match="no such row"):
        chain(load_dataset(shipped("inputs")), "offers", "nothing", "depth_t_per_yr")


@pytest.mark.parametrize(
    "note",
    [
        "depth_t_per_yr = offer_depth(minerals[nothing].consumption_t, 1, 1)",
        "depth_t_per_yr = offer_depth(1, 2)",
        "depth_t_per_yr = offer_depth(word, word, word)",
        "depth_t_per_yr = hazard_rate(1e300, 0)",
        "depth_t_per_yr = capital_score(nothing)",
        "depth_t_per_yr = hazard_years(0, 0)",
        "depth_t_per_yr = index_ahead(1e11, 1e9)",
        "depth_t_per_yr = offer_depth(" + "1, " * 500 + "1)",
        "depth_t_per_yr = __import__(os)",
        "source = offer_depth(1, 2, 3)",
    ],
)
def test_a_note_of_a_stranger_does_no_harm(note: str) -> None:
    """Proves: what cannot be worked out is no estimate: nothing is raised, nothing is written, no other code is run."""
    data = load_dataset(shipped("inputs"))
    rows = tuple(
        row.model_copy(update={"note": note}) if row.offer == "gallium_1" else row for row in data.rows("offers")
    )
    odd = Dataset({**data.tables, "offers": rows}, data.name)
    assert [note for note in outdated(odd) if "nothing" not in note] == []
    assert renewed(odd)[1] == []


def test_every_function_of_a_note_is_one_of_the_package() -> None:
    """Proves: recipes of the shipped tables name functions that there are, all of them documented."""
    named = {
        one.function for home in ("USA", "JPN", "EUU", "KOR") for one in recipes(load_dataset(shipped("inputs"), home))
    }
    assert named <= set(FUNCTIONS)
    assert all(FUNCTIONS[name].__doc__ for name in named)
    assert len(named) > 50


def test_a_note_of_any_length_is_read_in_no_time() -> None:
    """Proves: words of a hundred thousand letters without an equals sign are looked at once, not from every letter on."""
    begin = time.process_time()
    assert CALL.findall("a" * 100_000 + "(") == []
    assert without_recipes("x = f(" + "1, " * 50_000, {"x"}).startswith("x = f(")
    assert time.process_time() - begin < 5


def test_a_figure_of_the_homes_own_is_not_made_by_the_recipe_of_another(tmp_path: Path) -> None:
    """Proves: a reported figure laid over a row with a recipe stays as it was reported, and the recipe of other columns holds."""
    folder = Path(shutil.copytree(shipped("inputs"), tmp_path / "inputs"))
    own = folder / "homes" / "KOR" / "materials.csv"
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
    found = refresh(folder)
    assert found.estimates == ()
    material = next(row for row in load_dataset(folder, "KOR").rows("materials") if row.material == "ndpr_oxide")
    assert (material.haircut_share, material.source) == (0.111, "tender")
    assert "haircut(" not in material.note
    assert "holding(" in material.note


def test_a_figure_of_all_homes_hangs_on_none_of_them(tmp_path: Path) -> None:
    """Proves: a recipe of a common row that gives another value for each home is a fault, and nothing is written."""
    folder = Path(shutil.copytree(shipped("inputs"), tmp_path / "inputs"))
    file = folder / "substitution.csv"
    text = file.read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    rows[0]["note"] = "cost_usd_per_kg = offer_depth(0, loss_functions[imf_2026/ndfeb_magnet/*].loss_usd_per_t, 1)"
    rows[0]["cost_usd_per_kg_low"] = rows[0]["cost_usd_per_kg_high"] = ""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    before = file.read_text("utf-8")
    with pytest.raises(InputError, match="one value for all homes"):
        refresh(folder)
    assert file.read_text("utf-8") == before


def test_what_has_lost_its_facts_is_told(tmp_path: Path) -> None:
    """Proves: a withheld consumption leaves estimates as they were, and `check` and `refresh` say which and why."""
    data, plan = load_dataset(shipped("inputs")), load_plan(shipped("models") / "quickstart.toml")
    rows = tuple(
        row.model_copy(update={"consumption_t": None}) if row.mineral == "gallium" else row
        for row in data.rows("minerals")
    )
    withheld = Dataset({**data.tables, "minerals": rows}, data.name)
    (note,) = [note for note in check(plan, withheld).notes if "cannot be worked out" in note]
    assert "minerals[gallium].consumption_t is not there" in note
    write_dataset(withheld, tmp_path / "tables")
    found = refresh(tmp_path / "tables")
    assert found.kept is None
    assert {"gallium_1", "chn_gallium/2026"} <= {one.recipe.key for _, one in found.lost}


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


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_where_and_how_a_folder_is_named_does_not_matter(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: a folder called `.`, one behind a link, files that begin with a mark: each is renewed once, then nothing is left."""
    write_dataset(doubled(load_dataset(shipped("inputs"))), tmp_path / "real")
    for file in (tmp_path / "real").glob("*.csv"):
        file.write_text(mark + file.read_text("utf-8"), "utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = refresh(tmp_path / "link")
    assert found.kept == (tmp_path / "real-before").resolve()
    assert (tmp_path / "link").is_symlink()
    monkeypatch.chdir(tmp_path / "real")
    again = refresh(Path())
    assert (again.estimates, again.kept) == ((), None)
    assert stale(load_dataset(tmp_path / "real")) == []


def test_figures_that_hang_on_each_other_are_told_once() -> None:
    """Proves: a circle of recipes ends, each figure with `as above` the second time."""
    data = load_dataset(shipped("inputs"))
    columns = ("depth_t_per_yr", "premium_share", "depth_t_per_yr_low")
    circle = "; ".join(
        f"{one} = offer_depth({', '.join(f'offers[gallium_1].{other}' for other in columns)})" for one in columns
    )
    rows = tuple(
        row.model_copy(update={"note": circle}) if row.offer == "gallium_1" else row for row in data.rows("offers")
    )
    lines = chain(Dataset({**data.tables, "offers": rows}, data.name), "offers", "gallium_1", "depth_t_per_yr")
    assert len(lines) < 30
    assert any(line.endswith("as above") for line in lines)
