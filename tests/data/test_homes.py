"""Homes as folders: a home's tables laid over the world's, unions as homes of members, what belongs to no home of the plan."""

import csv
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import InputError, Plan, check, load_dataset, load_plan, shipped
from strategic_minerals.question.base import grouped
from strategic_minerals.question.dataset import fiscal_month, members
from strategic_minerals.question.read_csv import first_plan, homes_of, shipped_tables
from strategic_minerals.question.recipes import stale
from strategic_minerals.world.build import build_instance
from support.tiny import with_row

HEAD = "material,opening_t,opening_t_low,opening_t_high,source,year,confidence,note\n"


def inputs(tmp_path: Path) -> Path:
    """A copy of the shipped tables with all homes."""
    return Path(shutil.copytree(shipped("inputs"), tmp_path / "inputs"))


def small(tmp_path: Path, world: str, own: str) -> Path:
    """A folder with one table, of the world and of a home."""
    (tmp_path / "homes" / "JPN").mkdir(parents=True, exist_ok=True)
    (tmp_path / "stock.csv").write_text(HEAD + world, encoding="utf-8")
    (tmp_path / "homes" / "JPN" / "stock.csv").write_text(HEAD + own, encoding="utf-8")
    return tmp_path


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


def test_a_fault_stands_where_its_cell_does(tmp_path: Path) -> None:
    """Proves: a wrong cell is named in the file and line that it is in, whichever of the two; a key twice in the second line."""
    right, wrong, own = "tin,5,,,w,2020,reported,\n", "tin,many,,,o,2020,reported,\n", "homes/JPN/stock.csv"
    for world, home, place, found in (
        (right, wrong, (own, "2"), "'many'"),
        (wrong, "zinc,1,,,o,2020,reported,\n", ("stock.csv", "2"), "'many'"),
        ("tin,5,9,10,w,2020,reported,\n", "tin,6,,,o,2020,reported,\n", (own, "2"), "outside its own range"),
        (right, "zinc,1,,,o,,,\nzinc,2,,,o,,,\n", (own, "3"), "'zinc'"),
    ):
        with pytest.raises(InputError) as refused:
            load_dataset(small(tmp_path, world, home), "JPN")
        (fault,) = refused.value.faults
        assert (fault.file, fault.row) == place
        assert found in fault.found


WHOLE = ("demand", "capacities", "offers")


@pytest.mark.long
@pytest.mark.parametrize("home", "NLD AUS DEU POL DNK GBR IND CHE NGA".split())
def test_a_country_without_a_folder_gets_estimates_and_a_plan_to_begin_with(home: str) -> None:
    """Proves: every figure is an estimate with a range and follows from what its note names; the first plan has no fault; each
    material is planned or named as missing with a source to look at, and none is both."""
    data = load_dataset(shipped("inputs"), home)
    assert stale(data) == []
    for table in WHOLE:
        for row in data.rows(table):
            column = {"demand": "demand_t_per_yr", "capacities": "capacity_t_per_yr", "offers": "depth_t_per_yr"}[table]
            low, value, high = (getattr(row, f"{column}{end}") for end in ("_low", "", "_high"))
            assert (row.confidence, low <= value <= high, low < high) == ("estimate", True, True)
            assert row.source
    report = check(Plan.model_validate(tomllib.loads(first_plan(shipped("inputs"), data, home))), data)
    assert report.faults == ()
    assert report.provenance.estimates > 0
    planned, missing = {row.material for row in data.rows("demand")}, {row.item for row in data.rows("not_planned")}
    assert planned
    assert not planned & missing
    assert all("HS " in row.next_source for row in data.rows("not_planned"))
    assert any("gallium" in planned or "Gallium (UN Comtrade, HS 811292)" in note for note in report.notes)
    assert {row.country for row in data.rows("countries") if row.tier == "home"} == {home}


def test_a_member_has_its_part_of_the_union() -> None:
    """Proves: the parts of all members make the union's demand; plants in another member are an ally's, one's own are at home."""
    demand = {(row.material, row.segment): row.demand_t_per_yr for row in shipped_tables("EUU").rows("demand")}
    homes = {home: load_dataset(shipped("inputs"), home) for home in ("ESP", "NLD")}
    for home, data in homes.items():
        facts = {row.record: row for row in data.rows("demand_segments")}
        for row in data.rows("demand"):
            name = row.material if f"{row.material}.use.part_of_union" in facts else "other"
            part = facts[f"{name}.use.part_of_union"].central / 100
            assert row.demand_t_per_yr == pytest.approx(part * demand[row.material, row.segment], rel=1e-3)
        kappa = {row.activity: row.kappa for row in data.rows("activities")}
        why = {row.item: row.why for row in data.rows("not_planned")}
        assert why["barite"] == "the tables of its union do not have it"
        assert kappa["esp_fluorspar"] == (1.0 if home == "ESP" else 0.66)
    with (shipped("inputs") / "homes" / "demand_segments.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["record"] == "fluorspar.use.part_of_union"]
    assert 90 < sum(float(row["central"]) for row in rows) <= 100.1


def test_a_country_of_which_nothing_is_known_is_refused_with_what_to_look_for() -> None:
    """Proves: no American demand is planned for it; the fault names the homes that there are, and each mineral's next source."""
    with pytest.raises(InputError) as refused:
        load_dataset(shipped("inputs"), "BOL")
    said = refused.value.faults[0].expected
    assert "JPN for Japan" in said
    assert "of BOL nothing is known" in said
    assert "Gallium: UN Comtrade, HS" in said
    assert said.count("UN Comtrade") > 20


def test_what_is_stated_of_other_homes_is_checked_where_it_stands(tmp_path: Path) -> None:
    folder = inputs(tmp_path)
    path = folder / "homes" / "demand_segments.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[frame.record == "barite.use.annual_demand", "central"] = "many"
    frame.to_csv(path, index=False)
    with pytest.raises(InputError, match=r"homes/demand_segments.csv:\d+ .*central .*'many'"):
        load_dataset(folder, "NGA")


def test_a_source_without_capacity_for_the_home_is_none_of_its_sources() -> None:
    """Proves: what a home cannot buy from, and what it does not name among its projects, is gone with all that hangs on it."""
    with (shipped("inputs") / "activities.csv").open(encoding="utf-8", newline="") as file:
        world = {row["activity"] for row in csv.DictReader(file)}
    for home in ("JPN", "USA"):
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
    data = shipped_tables("EUU")
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
    data = shipped_tables("EUU")
    for country, tier in (("FRA", "ally"), ("NOR", "home")):
        faults = check(plan, with_row(data, "countries", country, tier=tier)).faults
        assert [(f.file, f.row, f.column) for f in faults] == [("countries.csv", country, "tier")]


def test_no_american_figure_reaches_another_home(tmp_path: Path) -> None:
    """Proves: without a single American table the tables of another home are the same."""
    folder = inputs(tmp_path)
    shutil.rmtree(folder / "homes" / "USA")
    assert load_dataset(folder, "JPN").hashes() == load_dataset(shipped("inputs"), "JPN").hashes()


def test_homes_together_buy_no_more_of_a_plant_than_it_makes() -> None:
    """Proves of the shipped tables: of a source whose output is published the homes count on no more than that in any year."""
    bought: dict[tuple[str, int], float] = {}
    output: dict[str, float] = {}
    for home in homes_of(shipped("inputs")):
        data = load_dataset(shipped("inputs"), home)
        made = {row.activity: row.output_t_per_yr for row in data.rows("activities") if row.output_t_per_yr is not None}
        output |= made
        for activity, rows in grouped(data.rows("capacities"), "activity").items():
            for year in range(2026, 2041) if activity in made else ():
                row = max((r for r in rows if r.from_year <= year), key=lambda r: r.from_year, default=rows[0])
                usual = row.capacity_t_per_yr if row.normal_t_per_yr is None else row.normal_t_per_yr
                bought[activity, year] = bought.get((activity, year), 0.0) + min(usual, row.capacity_t_per_yr)
    assert len(output) > 5
    assert [key for key, tonnes in bought.items() if tonnes > 1.001 * output[key[0]]] == []
