"""Estimates live: what no longer follows from its facts is found and listed."""

from strategic_minerals import Dataset, check, load_plan, shipped
from strategic_minerals.question.read_csv import shipped_tables
from strategic_minerals.question.recipes import CALL, outdated, stale, without_recipes


def consuming(data: Dataset, factor: float | None) -> Dataset:
    """The tables with the consumption of gallium times a factor, or withheld, and nothing else."""
    rows = tuple(
        row.model_copy(update={"consumption_t": factor and factor * row.consumption_t})
        if row.mineral == "gallium"
        else row
        for row in data.rows("minerals")
    )
    return Dataset({**data.tables, "minerals": rows}, data.name)


def test_what_hangs_on_a_changed_fact_is_found_and_told() -> None:
    """Proves the case of the shipped tables: consumption of gallium doubled. Depths, capacities and flows do not follow; `check`
    says so, and nothing is said of the tables as they are."""
    data, plan = shipped_tables(), load_plan(shipped("models") / "quickstart.toml")
    assert outdated(data) == []
    changed = consuming(data, 2.0)
    places = {(one.recipe.table, one.recipe.key, one.recipe.column) for one in stale(changed)}
    assert {("offers", f"gallium_{n}", "depth_t_per_yr") for n in (1, 2, 3)} <= places
    assert {table for table, _, _ in places} >= {"offers", "capacities", "demand", "loss_functions"}
    assert all("gallium" in key for _, key, _ in places)
    (note,) = [note for note in check(plan, changed).notes if "no longer follow" in note]
    assert "17 estimates no longer follow" in note
    assert "capacities.csv can_gallium/2026 capacity_t_per_yr is 5.7596" in note
    (note,) = [note for note in outdated(consuming(data, None)) if "cannot be worked out" in note]
    assert "minerals[gallium].consumption_t is not there" in note


STRANGE = [
    "depth_t_per_yr = offer_depth(minerals[nothing].consumption_t, 1, 1)",
    "depth_t_per_yr = hazard_rate(1e300, 0)",
    "depth_t_per_yr = offer_depth(" + "1, " * 500 + "1)",
    "depth_t_per_yr = __import__(os)",
    "source = offer_depth(1, 2, 3)",
]


def test_a_note_of_a_stranger_does_no_harm() -> None:
    """Proves: what cannot be worked out is no estimate: nothing is raised, nothing is written, no other code is run; words of a
    hundred thousand letters are looked at once, not from every letter on."""
    data = shipped_tables()
    for note in STRANGE:
        rows = tuple(
            row.model_copy(update={"note": note}) if row.offer == "gallium_1" else row for row in data.rows("offers")
        )
        odd = Dataset({**data.tables, "offers": rows}, data.name)
        assert [note for note in outdated(odd) if "nothing" not in note] == []
    assert CALL.findall("a" * 100_000 + "(") == []
    assert without_recipes("x = f(" + "1, " * 50_000, {"x"}).startswith("x = f(")
