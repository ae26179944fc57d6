"""Homes as folders: a home's tables laid over the world's, unions as homes of members, what belongs to no home of the plan."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from conftest import Cli
from strategic_minerals import Dataset, InputError, check, load_dataset, load_plan, shipped
from strategic_minerals.question.dataset import fiscal_month, members
from strategic_minerals.question.load import find_plan, load_question
from strategic_minerals.question.sources import oversold
from strategic_minerals.world.build import build_instance

HOMES = ("EUU", "JPN", "KOR", "USA")
PLANS = {"japan": ("JPN", 19), "europe": ("EUU", 15), "korea": ("KOR", 14)}
HEAD = "material,opening_t,opening_t_low,opening_t_high,source,year,confidence,note\n"


def inputs(tmp_path: Path) -> Path:
    """A copy of the shipped tables with all homes."""
    return Path(shutil.copytree(shipped("inputs"), tmp_path / "inputs"))


def small(tmp_path: Path, world: str, own: str) -> Path:
    """A folder with one table, of the world and of a home."""
    (tmp_path / "homes" / "JPN").mkdir(parents=True)
    (tmp_path / "stock.csv").write_text(HEAD + world, encoding="utf-8")
    (tmp_path / "homes" / "JPN" / "stock.csv").write_text(HEAD + own, encoding="utf-8")
    return tmp_path


def edited(path: Path, change: dict[str, str], **where: str) -> None:
    """Cells of the rows of a file where columns have some values."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns, rows = list(reader.fieldnames or ()), list(reader)
    for row in rows:
        if all(row[column] == value for column, value in where.items()):
            row.update(change)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_filled_cells_win_and_new_keys_are_added(tmp_path: Path) -> None:
    """Proves: value and provenance of a known key are the home's where it fills them, else the world's, in the world's order."""
    folder = small(
        tmp_path,
        "gallium,1,0,2,world,2020,reported,\ntin,5,,,world,2020,reported,\n",
        "tin,7,,,own,,,\nzinc,9,,,own,2021,derived,\n",
    )
    rows = load_dataset(folder, "JPN").rows("stock")
    assert [(row.material, row.opening_t, row.source, row.year, row.confidence) for row in rows] == [
        ("gallium", 1.0, "world", 2020, "reported"),
        ("tin", 7.0, "own", 2020, "reported"),
        ("zinc", 9.0, "own", 2021, "derived"),
    ]
    assert (rows[0].opening_t_low, rows[0].opening_t_high) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("world", "own", "place", "found"),
    [
        ("tin,5,,,w,2020,reported,\n", "tin,many,,,o,2020,reported,\n", ("homes/JPN/stock.csv", "2"), "'many'"),
        ("tin,many,,,w,2020,reported,\n", "zinc,1,,,o,2020,reported,\n", ("stock.csv", "2"), "'many'"),
        (
            "tin,5,9,10,w,2020,reported,\n",
            "tin,6,,,o,2020,reported,\n",
            ("homes/JPN/stock.csv", "2"),
            "outside its own range",
        ),
        ("tin,5,,,w,2020,reported,\n", "zinc,1,,,o,,,\nzinc,2,,,o,,,\n", ("homes/JPN/stock.csv", "3"), "'zinc'"),
    ],
)
def test_a_fault_stands_where_its_cell_does(
    world: str, own: str, place: tuple[str, str], found: str, tmp_path: Path
) -> None:
    """Proves: a wrong cell is named in the file and line that it is in, whichever of the two; a key twice in the second line."""
    with pytest.raises(InputError) as refused:
        load_dataset(small(tmp_path, world, own), "JPN")
    (fault,) = refused.value.faults
    assert (fault.file, fault.row) == place
    assert found in fault.found
    assert "\N{SECTION SIGN}" not in fault.expected


def test_a_home_without_a_folder_is_refused_and_the_plan_is_named(tmp_path: Path) -> None:
    """Proves: no American demand is planned for France; the fault names the plan's field and the homes that there are."""
    with pytest.raises(InputError) as refused:
        load_dataset(shipped("inputs"), "FRA")
    assert "JPN for Japan" in refused.value.faults[0].expected
    file = tmp_path / "plan.toml"
    file.write_text(
        (shipped("models") / "quickstart.toml")
        .read_text("utf-8")
        .replace("\nprice_year", '\nhome = "FRA"\nprice_year', 1),
        "utf-8",
    )
    with pytest.raises(Exception, match="EUU for European Union") as both:
        load_question(file, shipped("inputs"))
    (fault,) = both.value.faults  # type: ignore[attr-defined]
    assert (Path(fault.file).name, fault.column, fault.found) == ("plan.toml", "home", "'FRA'")


def test_a_source_without_capacity_for_the_home_is_none_of_its_sources() -> None:
    """Proves: what a home cannot buy from, and what it does not name among its projects, is gone with all that hangs on it."""
    with (shipped("inputs") / "activities.csv").open(encoding="utf-8", newline="") as file:
        world = {row["activity"] for row in csv.DictReader(file)}
    for home in HOMES:
        data = load_dataset(shipped("inputs"), home)
        buys = {row.activity for row in data.rows("capacities")}
        assert {row.activity for row in data.rows("activities")} == buys
        named = {row.project for row in data.rows("projects")}
        assert {row.producer for row in data.rows("yields")} == buys | named
        assert {row.producer for row in data.rows("feed_origins")} <= buys | named
        assert {row.project for row in data.rows("ramps") if row.project != "*"} <= named
        assert home == "USA" or len(world - buys) > 100


def test_a_plant_in_a_member_is_at_home_and_hazards_of_all_countries_spare_members() -> None:
    """Proves for the union: Austrian and Spanish plants are home with full access, Norwegian ones not; a plan for Spain is none."""
    plan = load_plan(shipped("models") / "europe.toml")
    data = load_dataset(shipped("inputs"), "EUU")
    instance = build_instance(plan, data)
    assert {len(inside) for inside in instance.members} == {27}
    home = dict(zip(instance.producers, instance.home.tolist(), strict=True))
    assert {name for name in ("euu_tungsten", "esp_fluorspar", "narva_1") if not home[name]} == set()
    assert not home["nor_graphite_flake"]
    assert np.all(instance.kappa[instance.home] == 1.0)
    assert not np.isfinite(instance.contract_lot[instance.home]).any()
    assert {members(data, "EUU")} == {*instance.members}
    assert (fiscal_month(data, "EUU"), fiscal_month(data, "JPN"), fiscal_month(data, "FRA")) == (1, 4, 1)
    (fault,) = [f for f in check(plan.model_copy(update={"home": "ESP"}), data).faults if f.column == "home"]
    assert fault.expected.startswith("'EUU'")


def test_every_member_of_a_home_has_its_tier() -> None:
    """Proves: a member that is an ally in the tables, and a stranger that is home, are faults of `countries`."""
    plan = load_plan(shipped("models") / "europe.toml")
    data = load_dataset(shipped("inputs"), "EUU")
    for country, tier in (("FRA", "ally"), ("NOR", "home")):
        rows = tuple(
            row.model_copy(update={"tier": tier}) if row.country == country else row for row in data.rows("countries")
        )
        faults = check(plan, Dataset({**data.tables, "countries": rows})).faults
        assert [(f.file, f.row, f.column) for f in faults] == [("countries.csv", country, "tier")]


def test_no_american_figure_reaches_another_home(tmp_path: Path) -> None:
    """Proves: with all tonnes and dollars of every American row three times as high the tables of other homes are the same."""
    folder = inputs(tmp_path)
    before = {home: load_dataset(folder, home).hashes() for home in HOMES}
    for file in (folder / "homes" / "USA").glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as text:
            reader = csv.DictReader(text)
            columns, rows = list(reader.fieldnames or ()), list(reader)
        with file.open("w", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, columns, lineterminator="\n")
            writer.writeheader()
            for row in rows:
                writer.writerow({c: _tripled(c, v) for c, v in row.items()})
    after = {home: load_dataset(folder, home).hashes() for home in HOMES}
    assert all(after[home] == before[home] for home in HOMES if home != "USA")
    assert {table for table, value in after["USA"].items() if value != before["USA"][table]} >= {
        "demand",
        "capacities",
        "offers",
        "loss_functions",
        "minerals",
    }


def _tripled(column: str, cell: str) -> str:
    """Tonnes and dollars three times as high; shares, ranks and years as they are."""
    if "_t" not in column and "_usd_per_t" not in column:
        return cell
    try:
        return f"{3 * float(cell):.10g}"
    except ValueError:
        return cell


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_each_home_has_a_plan_for_all_that_it_can_plan(name: str) -> None:
    """Proves: no fault; the materials with demand are as many as the home's list has; every estimate follows; sources of a usual
    year serve all demand that no control in force cuts."""
    home, materials = PLANS[name]
    plan, data = load_question(find_plan(Path(name)))
    assert plan.home == home
    report = check(plan, data)
    assert not report.faults
    assert len({row.material for row in data.rows("demand")}) == materials
    assert not [note for note in report.notes if "no longer follow" in note]
    free = plan.model_copy(update={"controls": ()})
    assert not [note for note in check(free, data).notes if "even without a disruption" in note]


@pytest.mark.slow
def test_homes_together_buy_no_more_of_a_plant_than_it_makes(cli: Cli, tmp_path: Path) -> None:
    """Proves: the shipped homes do not; one that counts on all of what another holds already is told with both, and `check` says it
    in words and as JSON."""
    folder = inputs(tmp_path)
    assert oversold(folder) == []
    edited(
        folder / "homes" / "JPN" / "capacities.csv",
        {"normal_t_per_yr": "5500", "capacity_t_per_yr": "5500"},
        activity="lynas_plant",
    )
    (fault,) = oversold(folder)
    assert fault.row == "lynas_plant/2026"
    assert fault.found == "5,500 t (JPN) + 7,000 t (USA)"
    assert "12,000 t" in fault.expected
    (told,) = [
        note
        for note in json.loads(cli("check", "japan", "--tables", folder, "--json").stdout)["notes"]
        if "lynas" in note
    ]
    assert "5,500 t (JPN) + 7,000 t (USA)" in told
    assert told in cli("check", "japan", "--tables", folder).stdout
