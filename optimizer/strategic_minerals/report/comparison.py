"""Several results side by side: what differs in the question, in the plan, in the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import Fault, InputError
from ..core.frames import rows_of
from ..core.sample_statistics import estimated
from ..core.verb import verb
from ..data.names import Names
from ..results.act_now import GAP, SAMPLES, ActNow
from ..results.evidence import floor_in_words
from ..results.own_table import OWN_PARTS, SOLVER
from ..results.readable import ENDED
from ..results.result import Result
from ..results.run_contents import ANALYSES
from ..results.run_folder import load_result
from ..results.study import Study
from ..results.study_files import read_study
from ..rolling.rolled import causes_in_words
from ..schemas.base import key_of
from ..schemas.tables import TABLES
from .figure_data import package_in_words

ABSENT = "-"
MOST_CELLS = 200
SIGNED = 0.005
"""Share of a project from which it is told."""


TITLES = {
    "inputs": "What differs in the question",
    "outcome": "Outcome",
    "plan": "What differs in the plan",
    "differences": "Differences in the same new scenarios",
    "why": "What changed the plan",
}
"""Headings of the tables."""


@verb
def compare(
    results: Sequence[Result | Path | str], names: Sequence[str] | None = None, *, why: pd.DataFrame | None = None
) -> Study:
    """Show the differences between results: in the question, the outcome and the plan.

    results: two or more, each as it was solved, or the run folder that holds it. names: what they are called, one each; None:
    their plans' names, numbered where these are the same. why: the table `why` of `roll`, where the last one was planned again from
    the first; None: that of its run folder, where it has one.

    Tables, each with a column a result: `inputs`, fields of the plan, and cells of tables, that are not the same in all; `outcome`:
    figure, unit, worth, bound, gap, losses, spending; `plan`, what is bought [t], supported, reserved [t a year] and guaranteed,
    where it is not the same in all. `differences`: figure, of (a result against the first), difference_musd, error_musd, low_musd,
    high_musd, told (whether the samples can tell it from none), on the scenarios that tested both; no row where these are not the
    same. Fact `warnings`: why figures of the results may not be compared directly.

    Raises InputError for less than two results, and for a folder that is no run.
    """
    if len(results) < 2:
        raise InputError([Fault("compare", "", "results", f"{len(results)} result", "two or more")])
    last = results[-1]
    if why is None and not isinstance(last, Result) and (folder := Path(last) / ANALYSES / "roll").is_dir():
        why = read_study(folder).get("why")
    return compared(opened(results), names, why)


def opened(results: Sequence[Result | Path | str]) -> list[Result]:
    """Results as they are, and those of run folders. Raises InputError for a folder that is no run."""
    return [each if isinstance(each, Result) else load_result(Path(each)) for each in results]


def compared(results: list[Result], names: Sequence[str] | None, why: pd.DataFrame | None) -> Study:
    """What differs between opened results."""
    called = _names(results, names)
    warnings = [
        f"The {words} of these results differ, so their amounts in million USD cannot be compared directly."
        for words, read in (
            ("loss functions", lambda p: (p.loss_function, p.loss_level)),
            ("price years", lambda p: p.price_year),
        )
        if len({read(result.plan) for result in results}) > 1
    ]
    nothing = [result.outcome.do_nothing_musd or 0.0 for result in results]
    if not warnings and max(nothing) - min(nothing) > 1e-6 * max(1.0, *map(abs, nothing)):
        told = ", ".join(f"{value:,.0f}" for value in nothing)
        warnings.append(
            f"Doing nothing costs {told} million USD in these results, so the worth of each plan starts from a different point."
        )
    tables = {
        "inputs": _inputs(results, called),
        "outcome": _outcome(results, called).astype(object),
        "plan": _plan(results, called).astype(object),
    }
    more = {"differences": _differences(results, called), "why": pd.DataFrame() if why is None else why}
    tables |= {name: table for name, table in more.items() if len(table)}
    facts = {"names": called, "warnings": warnings}
    return Study("compare", tables, _words(tables, called, warnings), facts, TITLES)


def _words(tables: Mapping[str, pd.DataFrame], names: Sequence[str], warnings: Sequence[str]) -> list[str]:
    """A comparison in plain words, line by line."""
    lines = [f"COMPARED: {', '.join(names)}", *warnings]
    if "why" in tables:
        lines += [f"{TITLES['why']}:", *causes_in_words(tables["why"])]
    for name in ("inputs", "outcome", "plan"):
        table = rows_in_words(name, tables[name], len(names))
        lines += [f"{TITLES[name]}:" if table else f"{TITLES[name]}: nothing", *(f"  {line}" for line in table)]
    if "differences" in tables:
        lines += [f"{TITLES['differences']}:", *(f"  {line}" for line in paired(tables["differences"], names[0]))]
    return lines


def paired(differences: pd.DataFrame, first: str) -> list[str]:
    """Differences to the first result in words, with what the samples can tell."""
    return [
        f"{row.figure}, {row.of} minus {first}: {row.difference_musd:+,.4g} million USD, standard error "
        f"{row.error_musd:.2g}, interval {row.low_musd:+,.4g} to {row.high_musd:+,.4g}"
        + ("" if row.told else ": no difference that the samples can tell")
        for row in rows_of(differences)
    ]


def rows_in_words(name: str, table: pd.DataFrame, results: int) -> list[str]:
    """Rows of a table of a comparison in words."""
    lines = []
    for row in table.itertuples(index=False):
        head = [str(value) for value in row[:-results] if value]
        label = f"{head[0]} [{head[1]}]" if name == "outcome" and len(head) > 1 else " ".join(head)
        lines.append(f"{label}: {' | '.join(_told(value) for value in row[-results:])}")
    return lines


PAIRED = {"worth_musd": "worth compared with doing nothing", "loss_musd": "expected shortage losses"}
"""Columns of the tests of a plan whose differences are told."""
DIFFERENCES = ["figure", "of", "difference_musd", "error_musd", "low_musd", "high_musd", "told"]


def _differences(results: Sequence[Result], names: Sequence[str]) -> pd.DataFrame:
    """Differences to the first result on common random numbers: sample by sample, where the same scenarios have tested both."""
    rows = []
    first = results[0]
    for other, name in zip(results[1:], names[1:], strict=True):
        if not _same_draws(first, other):
            continue
        one, two = first.tables[SAMPLES], other.tables[SAMPLES]
        confidence = float(first.tables[GAP].confidence.iloc[0])
        for column, figure in PAIRED.items():
            found = estimated((two[column].to_numpy() - one[column].to_numpy()).tolist(), confidence)
            told = not found.low <= 0 <= found.high
            rows.append((figure, name, found.mean, found.standard_error, found.low, found.high, told))
    return pd.DataFrame(rows, columns=DIFFERENCES)


def _same_draws(one: Result, two: Result) -> bool:
    """Whether the same scenarios have tested two results: of the same seeds and sizes, drawn from the same hazards."""
    if SAMPLES not in one.tables or SAMPLES not in two.tables:
        return False
    alike = all(one.tables[SAMPLES][c].tolist() == two.tables[SAMPLES][c].tolist() for c in ("seed", "scenarios"))
    drawn = [(r.plan.hazards, r.plan.controls, r.plan.scenarios, r.plan.horizon) for r in (one, two)]
    of = [
        r.plan.sample and r.plan.sample.model_copy(update={"seed": 0, "scenarios": 1, "draws": None})
        for r in (one, two)
    ]
    same_rows = all(
        one.data.rows(table) == two.data.rows(table) for table in ("hazards", "observed_profiles", "hazard_prices")
    )
    return alike and drawn[0] == drawn[1] and of[0] == of[1] and same_rows


def _names(results: Sequence[Result], names: Sequence[str] | None) -> tuple[str, ...]:
    wanted = list(names) if names is not None else [result.plan.name for result in results]
    taken = {"field", "figure", "unit", "kind", "item"}  # what the tables' other columns are called
    found: list[str] = []
    for n, name in enumerate(wanted, start=1):
        called = name if name and wanted.count(name) == 1 else f"{name} ({n})".strip()
        while called in taken or called in found:
            called = f"{called} ({n})"
        found.append(called)
    return tuple(found)


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> leaf of plain nested data."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
        pairs = list(enumerate(value))
    else:
        return {path: value}
    found: dict[str, Any] = {}
    for key, entry in pairs:
        found |= _flat(entry, f"{path}.{key}" if path else str(key))
    return found


def _inputs(results: Sequence[Result], names: Sequence[str]) -> pd.DataFrame:
    """Plan fields and table cells that differ."""
    fields = [_flat(result.plan.to_toml_like()) for result in results]
    rows = [
        [path, *(each.get(path, ABSENT) for each in fields)]
        for path in dict.fromkeys(path for each in fields for path in each)
        if path not in ("name", "title", "description") and len({repr(each.get(path, ABSENT)) for each in fields}) > 1
    ]
    rows += _cells(results) + _own_code(results)
    shown = [[path, *map(_told, values)] for path, *values in rows]
    return pd.DataFrame(shown, columns=["field", *names])


def _own_code(results: Sequence[Result]) -> list[list[Any]]:
    """What own code has added, where it differs: constraints with their limits, and terms."""
    held = []
    for result in results:
        table = result.tables.get(OWN_PARTS, pd.DataFrame(columns=["part", "name", "lower", "upper"]))
        table = table[table.part != SOLVER]
        held.append({f"own code: {row.part} {row.name}": _limits_told(row) for row in table.itertuples(index=False)})
    return [
        [name, *(each.get(name, ABSENT) for each in held)]
        for name in dict.fromkeys(name for each in held for name in each)
        if len({each.get(name, ABSENT) for each in held}) > 1
    ]


def _limits_told(row: Any) -> str:
    """The limits of a constraint of own code; of other parts, that they are there."""
    low, high = (None if pd.isna(value) else f"{value:,.6g}" for value in (row.lower, row.upper))
    if low is None and high is None:
        return "there"
    return f"at most {high}" if low is None else f"at least {low}" if high is None else f"from {low} to {high}"


def _cells(results: Sequence[Result]) -> list[list[Any]]:
    """Cells of tables that differ, the first ones."""
    found: list[list[Any]] = []
    for table in dict.fromkeys(name for result in results for name in result.data.tables):
        rows = [{key_of(row): row for row in result.data.rows(table)} for result in results]
        if all(len(each) == len(rows[0]) and each == rows[0] for each in rows[1:]):
            continue
        for key in dict.fromkeys(key for each in rows for key in each):
            held = [each.get(key) for each in rows]
            if all(row == held[0] for row in held[1:]):
                continue
            if any(row is None for row in held):
                found.append([f"{table}[{key}]", *("there" if row is not None else ABSENT for row in held)])
                continue
            for column in TABLES[table].model_fields:
                values = [getattr(row, column) for row in held]
                if any(value != values[0] for value in values[1:]):
                    found.append([f"{table}[{key}].{column}", *values])
            if len(found) > MOST_CELLS:
                return [*found[:MOST_CELLS], ["... more cells differ", *[""] * len(results)]]
    return found


def _outcome(results: Sequence[Result], names: Sequence[str]) -> pd.DataFrame:
    rows: list[list[Any]] = []
    figures = [_figures(result) for result in results]
    for figure, unit in figures[0]:
        if all(each[figure, unit] is None for each in figures):
            continue
        rows.append([figure, unit, *(each[figure, unit] for each in figures)])
    return pd.DataFrame(rows, columns=["figure", "unit", *names])


def _figures(result: Result) -> dict[tuple[str, str], Any]:
    outcome, scenarios, budget = result.outcome, result.tables["scenario_losses"], result.tables["budget"]
    pi, tested = scenarios["probability"], ActNow.of(result.tables)
    tested = None if tested is None or tested.why_not else tested
    return {
        ("how the solve ended", ""): ENDED.get(outcome.reason, outcome.reason),
        ("worth in new scenarios", "million USD"): None if tested is None else tested.figure("worth_musd"),
        ("most that any plan is worth more (true gap)", "million USD"): None
        if tested is None
        else tested.figure("gap_limit_musd"),
        ("worth compared with doing nothing", "million USD"): None
        if outcome.objective_musd is None
        else -outcome.objective_musd,
        ("gap", "%"): None if outcome.relative_gap is None else round(100 * outcome.relative_gap, 4),
        ("expected shortage losses, discounted", "million USD"): float((pi * scenarios["loss_musd"]).sum()),
        ("largest shortage loss of any scenario, discounted", "million USD"): float(scenarios["loss_musd"].max()),
        ("probability of a defence shortfall", "share"): float(pi[scenarios["defence_shortfall_t"] > 1e-3].sum()),
        ("spending in all years without a disruption, not discounted", "million USD"): float(
            budget["outlay_musd"].sum()
        ),
    }


def _plan(results: Sequence[Result], names: Sequence[str]) -> pd.DataFrame:
    actions = [_actions(result) for result in results]
    rows = []
    for key in dict.fromkeys(key for each in actions for key in each):
        values = [each.get(key, ABSENT) for each in actions]
        if len({_told(value) for value in values}) > 1:
            rows.append([*key, *values])
    return pd.DataFrame(rows, columns=["kind", "item", *names])


def _actions(result: Result) -> dict[tuple[str, str], Any]:
    """What a plan does, by kind and item."""
    names = Names.of(result.data)
    bought = result.tables["acquisitions"].groupby("material")["acquired_t"].sum()
    found: dict[tuple[str, str], Any] = {
        ("buy while no disruption occurs [t]", names.material(str(material))): float(value)
        for material, value in bought.items()
    }
    for row in rows_of(result.tables["projects"]):
        if row.share > SIGNED and not (row.baseline and row.package == "none"):
            share = "" if row.share > 1 - SIGNED else f" ({row.share:.0%} of it)"
            found["support", names.producer(row.project)] = f"{package_in_words(row, names)}, {row.signed}{share}"
    for row in rows_of(result.tables["contracts"]):
        key = (
            "sign offtake contract [t a year]",
            f"{names.producer(row.activity)} from {row.start} for {row.term_yr:g} years",
        )
        found[key] = found.get(key, 0.0) + float(row.contract_t_per_yr)
    for row in rows_of(result.tables["floors"]):
        who, material = floor_in_words(row, names)
        found["guarantee price floor [USD/kg]", f"{material}, {who}, from {row.start}"] = float(row.level_usd_per_kg)
    return found


def _told(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return str(value)
