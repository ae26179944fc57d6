"""The library inside somebody's process: children that may be killed, deadlines, what things equal and print, own tables; public
names, which load nothing heavy before they are used."""

import inspect
import os
import pickle
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyomo.repn import generate_standard_repn

import strategic_minerals
from conftest import python
from strategic_minerals import (
    Dataset,
    DeadlineError,
    FaultsError,
    InputError,
    Plan,
    PlanError,
    Result,
    Runner,
    StoppedError,
    Study,
    build_model,
    compare,
    discover,
    in_child,
    load_dataset,
    load_members,
    load_plan,
    scenarios_from_frame,
    shipped,
    solve,
)

ONE = {"materials": ["germanium"]}


def quickstart_of_one() -> tuple[Plan, Dataset]:
    """The quickstart cut to one mineral."""
    return load_plan("quickstart", ONE), load_dataset(shipped("inputs"))


@pytest.mark.long
def test_a_child_answers_or_says_why_not() -> None:
    """Proves: a result comes back as it would here; an error does; so are a crash and limits of memory and time."""
    assert in_child(sum, [1, 2]) == 3
    with pytest.raises(ZeroDivisionError):
        in_child(divmod, 1, 0)
    with pytest.raises(StoppedError, match="callbacks"):
        in_child(len, lambda: None)
    with pytest.raises(StoppedError, match="callbacks"):
        in_child(print, run=Runner(on_progress=print))
    for work, given, limits, kind in (
        (os._exit, 3, {}, StoppedError),  # as a solver that is refused memory may
        (bytearray, 3 * 2**30, {"memory_mib": 1500.0}, StoppedError),
        (time.sleep, 600.0, {"deadline_s": 0.5}, DeadlineError),
    ):
        with pytest.raises(kind) as caught:
            in_child(work, given, **limits)  # type: ignore[arg-type]
        assert caught.value.outcome.objective_musd is None


@pytest.mark.long
def test_a_solve_in_a_child_is_the_solve_here(tmp_path: Path) -> None:
    """Proves: the same plan and answer, equal by content; a table that is written to changes no answer."""
    plan, data = quickstart_of_one()
    here = solve(plan, data, quick=True)
    there = in_child(solve, plan, data, quick=True, memory_mib=8000.0)
    assert there == here
    assert there != solve(plan.model_copy(update={"discount_rate": 0.09}), data, quick=True)
    table = here.tables["budget"]
    table.loc[:, :] = 0
    assert there == here
    study = Study("tried", {"rows": table}, facts={"share": float("nan")})
    rows = study.tables["rows"]
    rows.loc[:, :] = 1
    assert study == Study("tried", {"rows": table}, facts={"share": float("nan")}) != Study("tried", {})
    study.save(tmp_path / "study")
    assert Study.load(tmp_path / "study") == study
    assert len(repr(here).splitlines()) <= 10
    xr = pytest.importorskip("xarray")
    arrays = here.to_xarray()
    arrays.to_netcdf(tmp_path / "decisions.nc", engine="scipy")
    assert xr.load_dataset(tmp_path / "decisions.nc", engine="scipy")["stock"].equals(arrays["stock"])
    for name in ("run.nc", "run"):
        assert Result.load(here.save(tmp_path / name)) == here
    assert xr.load_dataset(tmp_path / "run.nc", engine="scipy")["stock"].equals(arrays["stock"])
    assert (Result.load(tmp_path / "run.nc").solution.stock == here.solution.stock).all()
    with pytest.raises(InputError, match="netCDF"):
        Result.load(tmp_path / "decisions.nc")
    with pytest.raises(InputError, match="expected a folder"):
        here.save(tmp_path / "run.nc" / "below.nc")


def test_what_a_verb_builds_on_is_checked_by_its_kind() -> None:
    """Proves: a name, a path or a number in place of a plan, its tables or a runner is a fault that says what makes one."""
    plan, data = quickstart_of_one()
    wrong: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
        (solve, ("quickstart", "inputs"), {"run": 5, "extend": 3}, "4 faults"),
        (solve, (plan, data), {"gap": 7.0, "samples": 1, "method": "guess"}, "3 faults"),
        (load_plan, ("quickstart", {1: 2}), {}, "load_plan  overrides"),
        (load_plan, ("quickstart", {"": 1}), {}, "found an empty part"),
        (load_members, (plan,), {}, "load_members  path"),
        (Dataset.from_tables, ({"prices": 3},), {}, r"frames\['prices'\]  found 3; expected a data frame"),
        (scenarios_from_frame, (None,), {}, "found null; expected a data frame"),
        (compare, (["run", 3],), {}, "a list, each a Result"),
        (Runner, (True, 3, 0, 1, 1, 3, 3, 3), {}, "5 faults"),
    ]
    for function, given, options, match in wrong:
        with pytest.raises(FaultsError, match=match):
            function(*given, **options)
    assert pickle.loads(pickle.dumps(load_plan)) is load_plan
    with pytest.raises(InputError, match="at most 300 characters"):
        discover("study", "y" * 400)
    with pytest.raises(TypeError):
        solve(plan, data, 0.1, True, 5, 7)  # type: ignore[misc]


def test_a_plan_comes_by_name_path_or_fields() -> None:
    """Proves: all three are the same plan, equal by content and printed in a line; overrides hold for each; faults name them."""
    path = shipped("models") / "quickstart.toml"
    named = load_plan("quickstart")
    assert named == load_plan(path) == load_plan(str(path)) == load_plan(named.to_toml_like())
    assert load_plan(named.to_toml_like(), {"discount_rate": 0.05}).discount_rate == 0.05
    assert len(repr(named)) < 200
    with pytest.raises(PlanError) as caught:
        load_plan("quickstart", {"discount_rate": 9})
    assert "--set" not in str(caught.value)
    assert caught.value.faults[0].file == "overrides"
    with pytest.raises(PlanError, match=r"a shipped plan: allies, .*did you mean 'quickstart'"):
        load_plan("quickstrt")


def test_tables_of_facts_are_equal_by_their_rows() -> None:
    """Proves: two readings of a folder are equal, whatever they are called; one row less is another; it prints in a line."""
    one, two = load_dataset(shipped("inputs")), load_dataset(shipped("inputs"))
    assert one == two
    assert len(repr(one)) < 200
    assert one != type(one)({**one.tables, "stock": one.rows("stock")[:-1]})


def test_scenarios_come_from_a_frame() -> None:
    """Proves: a row is an event; several rows of a name are one scenario with cuts of their own; faults name row and column; many
    small probabilities raise no doubt."""
    from strategic_minerals import check

    plan, data = load_plan("quickstart"), load_dataset(shipped("inputs"))
    rows: list[dict[str, Any]] = [
        {
            "name": f"own-{n // 2}",
            "probability": 0.001,
            "start_year": 2028.0 + n % 2,
            "duration_years": 1.0,
            "countries": "CHN",
            "materials": "gallium" if n % 2 else "germanium",
            "cut_share": 0.5 + n / 1000,
            "price_multiplier": float("nan") if n % 3 else 2.0,
        }
        for n in range(200)
    ]
    found = scenarios_from_frame(pd.DataFrame(rows))
    assert (len(found), len(found[3].events), found[3].events[1].cut_share) == (100, 2, 0.507)
    assert found[0].events[1].price_multiplier is None
    notes = check(plan.model_copy(update={"scenarios": found}), data)
    assert "share divided by 100" not in str(notes.doubtful if hasattr(notes, "doubtful") else notes)
    with pytest.raises(PlanError, match="probability  found the column twice"):
        scenarios_from_frame(pd.concat([pd.DataFrame(rows), pd.DataFrame({"probability": [0.9] * 200})], axis=1))
    wrong = [rows[0], {**rows[1], "probability": 0.5}, {**rows[2], "cut_share": 7.0, "start_year": float("nan")}]
    with pytest.raises(PlanError) as caught:
        scenarios_from_frame(pd.DataFrame(wrong))
    assert {(fault.row, fault.column) for fault in caught.value.faults} >= {("2", "probability"), ("3", "cut_share")}


def test_own_rules_speak_of_outlays_and_of_countries() -> None:
    """Proves: outlays by material, course and year add up to the budget's row; projects signed in a country are a number."""
    plan, data = load_plan("quickstart"), load_dataset(shipped("inputs"))
    model = build_model(plan, data)
    row = generate_standard_repn(model.budget[2027].body)
    counted = {v.name: c for v, c in zip(row.linear_vars, row.linear_coefs, strict=True)}
    parts = [generate_standard_repn(model.outlays[key]) for key in model.outlays if key[1:] == ("base", 2027)]
    told = {v.name: c for part in parts for v, c in zip(part.linear_vars, part.linear_coefs, strict=True)}
    assert told == {name: share for name, share in counted.items() if not name.startswith(("carry", "unspent"))}
    assert set(model.supported) <= {row.country for row in data.rows("projects")}


def test_every_public_name_loads_and_says_what_it_is() -> None:
    """Proves: names of the stub exist where it says, have a docstring, and functions state the kind of each parameter."""
    silent = []
    for name in strategic_minerals.__all__:
        found = getattr(strategic_minerals, name)
        if not inspect.getdoc(found):
            silent.append(name)
        if inspect.isfunction(found):
            unstated = [p.name for p in inspect.signature(found).parameters.values() if p.annotation is p.empty]
            silent += [f"{name}({parameter})" for parameter in unstated]
    assert silent == []
    assert dir(strategic_minerals) == sorted(strategic_minerals.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = strategic_minerals.nothing


def test_importing_the_package_is_quick() -> None:
    """Proves: neither pandas nor Pyomo nor the solver is loaded before a name is used."""
    script = "import sys, strategic_minerals; print([m for m in ('pandas', 'pyomo', 'highspy', 'typer') if m in sys.modules])"
    assert python(script).stdout.strip() == "[]"
