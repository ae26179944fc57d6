"""What a caller's own variables, constraints and terms came to, beside the plan: a table, and lines of the objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..core.errors import Fault, InputError, UntrustedError
from ..core.frames import rows_of, typed
from ..formulation.aims import main_aim
from ..model.own_checks import WHOLE
from ..model.own_parts import OwnParts
from ..optimization.optimise import Solved

OWN_PARTS = "own_parts"
"""Name of the table."""
COLUMNS = {
    "part": "text",
    "name": "text",
    "value": "number",
    "lower": "number",
    "upper": "number",
    "binds": "boolean",
    "price": "number",
    "meaning": "text",
}
TOLERANCE = 1e-6
"""Violation of an own constraint that is rounding, as a share of its largest term and 1."""
TERM, CONSTRAINT, VARIABLE, SOLVER = "term", "constraint", "variable", "solver"
MOST_SAID = 8
"""Constraints that are told in words."""
Extended = Literal["", "rules", "terms"]
WHOLE_ALONE = "a rule on whole decisions alone: what it costs is told by solving again with one unit more"
WITH_WHOLE = ", with the whole decisions as they are"
FOUND = "found the decisions"
SETTLED = "found the whole decisions; its operations missed a rule by rounding, and were solved again here"
UNPRICED = "found the decisions; operations beside them could be better, so there are no prices"


SAID = {
    UNPRICED: "Operations beside them could be better: nothing is priced.",
    SETTLED: "Its operations missed a rule by rounding, and were solved again here, with its whole decisions.",
}
"""What a summary says of a point of another solver beside its name."""


def own_table(solved: Solved, own: OwnParts, solver: str = "", found: str = "") -> pd.DataFrame:
    """A row for each term [million USD, discounted], constraint (its price in economic sign) and variable that was added.

    Worked out from the caller's own expressions at the plan's decisions, not from the matrix that was solved. Raises UntrustedError
    where a constraint does not hold there. solver: who found the point, where it was another. found: what of it.
    """
    own.load(solved.x)
    aim = main_aim(solved.problem.plan)
    rows: list[dict[str, Any]] = [
        {"part": TERM, "name": name, "value": own.value(term) + 0.0, "meaning": "million USD, discounted"}
        for name, term in own.terms.items()
    ]
    for row in own.rows:
        value = own.value(row.body)
        beyond = max(row.lower - value, value - row.upper, 0.0)
        size = _largest_term(solved, row.row) / row.factor
        if beyond > TOLERANCE * (1 + size):
            raise UntrustedError(f"the constraint {row.name} is broken by {beyond:g}, at {value:g}")
        price, meaning = _price(solved, row.row, row.factor, row.lower, row.upper, aim)
        limits = {"lower": _finite(row.lower), "upper": _finite(row.upper)}
        binds = min(value - row.lower, row.upper - value) <= TOLERANCE * (1 + size)
        told = {**limits, "binds": binds, "price": price, "meaning": meaning}
        rows.append({"part": CONSTRAINT, "name": row.name, "value": value + 0.0, **told})
    _require_own_limits(solved, own)
    rows += [{"part": VARIABLE, "name": v.name, "value": own.value(v) + 0.0, "meaning": ""} for v in own.added]
    if solver:
        rows.append({"part": SOLVER, "name": solver, "meaning": found or (FOUND if solved.prices else UNPRICED)})
    return typed(pd.DataFrame(rows, columns=list(COLUMNS)), COLUMNS)


def _require_own_limits(solved: Solved, own: OwnParts) -> None:
    """Raise UntrustedError where a variable that was added leaves its bounds, or is not whole where it has to be."""
    assembly, first = solved.problem.assembly, len(own.named.columns)
    for k, variable in enumerate(own.added, start=first):
        value = float(solved.x[k])
        beyond = max(float(assembly.lower[k]) - value, value - float(assembly.upper[k]), 0.0)
        if beyond > TOLERANCE * (1 + abs(value)):
            raise UntrustedError(f"the variable {variable.name} is {beyond:g} beyond its bounds, at {value:g}")
        if assembly.integer[k] and not solved.outcome.relaxed and abs(value - round(value)) > WHOLE:
            raise UntrustedError(f"the variable {variable.name} is not whole, at {value:g}")


def is_extended(tables: Mapping[str, pd.DataFrame]) -> bool:
    """Whether a plan was made with more than it says itself: then the plan alone does not lead to the same answer."""
    return OWN_PARTS in tables and bool((tables[OWN_PARTS].part != SOLVER).any())


def require_plain(tables: Mapping[str, pd.DataFrame]) -> None:
    """Raise InputError for a plan that was extended by own code, where a study would solve the plan alone again."""
    if is_extended(tables):
        found = "a plan extended by own code, which this study does not know"
        raise InputError([Fault("result", "", "own_parts", found, "a plan solved as it is stated")])


def with_own_lines(objective: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The table of the objective's parts with a line for each term; doing nothing has none of them."""
    terms = table[table.part == TERM]
    lines = pd.DataFrame(
        {"part": [f"own: {name}" for name in terms.name], "plan_musd": terms.value.to_numpy(), "do_nothing_musd": 0.0}
    )
    return pd.concat([objective, lines], ignore_index=True) if len(lines) else objective


def extended_by(tables: Mapping[str, pd.DataFrame]) -> Extended:
    """What own code has added that a proof has to tell: terms, which are weighed with the plan's worth, or rules alone."""
    if not is_extended(tables):
        return ""
    return "terms" if (tables[OWN_PARTS].part == TERM).any() else "rules"


def own_said(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What was added, in words; nothing where there was none."""
    table = tables.get(OWN_PARTS)
    if table is None or not len(table):
        return []
    counts = [(name, int((table.part == name).sum())) for name in (CONSTRAINT, VARIABLE, TERM)]
    told = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts if count)
    lines = []
    for name, meaning in zip(*(table[table.part == SOLVER][c] for c in ("name", "meaning")), strict=True):
        lines.append(f"Decisions found by {name}, and audited here.")
        lines += [f"  {SAID[meaning]}"] if meaning in SAID else []
    if told:
        lines.append(f"Extended by own code: {told}. Every figure here is the plan's alone; the terms are told apart.")
    for name, value in zip(*(table[table.part == TERM][c] for c in ("name", "value")), strict=True):
        lines.append(f"  Term {name}: {value:,.6g} million USD.")
    rules = table[(table.part == CONSTRAINT) & table.binds & (table.lower != table.upper)]
    rules = rules.sort_values("price", ascending=False, kind="stable")
    for row in rows_of(rules.head(MOST_SAID)):
        price = "" if np.isnan(row.price) else f"{row.price:,.4g} "
        lines.append(
            f"  Constraint {row.name} binds: {price}{row.meaning}."
            if row.meaning
            else f"  Constraint {row.name} binds."
        )
    if len(rules) > MOST_SAID:
        lines.append(f"  {len(rules) - MOST_SAID} more constraints bind (table {OWN_PARTS}).")
    return lines


def _price(solved: Solved, row: int, factor: float, lower: float, upper: float, aim: str) -> tuple[float, str]:
    """What one unit more room in a constraint is worth, and in words. The dual is that of the scaled row, with the whole decisions
    as they are: of a rule on these alone it says nothing."""
    if solved.prices is None:
        return np.nan, ""
    assembly = solved.problem.assembly
    whole = assembly.integer[assembly.index[assembly.start[row] : assembly.start[row + 1]]]
    if len(whole) and whole.all():
        return np.nan, WHOLE_ALONE
    dual, kept = float(solved.prices.row[row]) * factor, WITH_WHOLE if whole.any() else ""
    if lower == upper:
        return -dual + 0.0, f"million USD of {aim} avoided by a right-hand side of one more{kept}"
    return abs(dual), f"million USD of {aim} avoided by one unit more room{kept}"


def _largest_term(solved: Solved, row: int) -> float:
    """Largest absolute term of a row at the plan."""
    assembly = solved.problem.assembly
    entries = slice(assembly.start[row], assembly.start[row + 1])
    return float(np.abs(assembly.value[entries] * solved.x[assembly.index[entries]]).max(initial=0.0))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else np.nan
