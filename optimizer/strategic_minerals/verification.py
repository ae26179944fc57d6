"""A stored run held against what can be worked out again: from its plan, tables and decisions alone, and by solving once more.

Recomputed are the audit, the parts of both objectives, every table, the words, sizes and names (`recomputed`), and then the proof:
the bound, the gap, the do-nothing reference, the aims in turn, prices (`resolved`). What nothing can tell again, wall clock,
versions, the log and what a caller asked for, is guarded by the digest of the manifest alone (`DIGEST_ALONE`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .atomic import digest_of
from .audit import Audit, Residual, audit
from .checks import require
from .errors import Fault, FormulationError, InputError, SolveError, UntrustedError
from .frames import kinds_of, whole
from .layout import STAGES
from .optimize import RELAXED_IN_Z0
from .problem import Problem, denominator, prepare
from .result import Result, solve, versions
from .run_contents import answer_texts, question_texts
from .runfolder import open_run, question_of
from .solution import OPERATIONS, Solution
from .solver import TOLERANCES
from .stages import LEAST_GAP, chosen_method
from .study_files import study_faults
from .tables import build_tables

VERIFY_TOLERANCE = 1e-6
"""Relative difference of two solves, or of solver and audit, that is rounding."""
ROUNDING = 1e-9
"""Relative difference of two sums over the same decisions that is rounding; in a table, relative to the largest of the column."""
NOISE = 1e-3
"""Share of what an audit tolerates below which a residual is the solver's rounding, and its place is chance."""
FINISHED = ("optimal", "within_gap")
FROM_SOLVES = {"projects": ("share_at_residual_0",), "held_for_price": ("at_undisturbed_prices_t",)}
"""Columns that further solves gave, by table; the table `prices` is from one as a whole."""

DIGEST_ALONE = {
    "seconds": "wall clock of that solve",
    "profile": "wall clock and memory of that solve",
    "versions": "what was installed then",
    "options.gap": "what was asked; a stated answer is held against it",
    "options.time_limit_s": "what was asked; a solve that ended earlier leaves no trace of it",
    "log.txt": "what that solve told on its way",
}
"""What cannot be worked out again -> why. A change of it is found by the manifest's digest, unless that was forged as well."""


@dataclass(frozen=True)
class Verification:
    """A stored result held against a second audit and a second solve."""

    audited: Audit
    stated: tuple[float, float]
    """(bound, objective) of the plan's main aim as stored [million USD]."""
    again: tuple[float, float] | None
    """The same, solved again; None where that gave no plan."""
    objections: tuple[str, ...]
    uncompared: tuple[str, ...] = ()
    """What was not held against the second solve, because that found other decisions or was stopped, and why."""


def verify(stored: Result | str | Path, *, again: Result | None = None) -> Verification:
    """Work out again what a run states, and list everything that is otherwise.

    stored: a run folder, or a result; of a folder, its files are held against its manifest, their text against their content, and
    its studies against their seals. again: the same question solved before, in place of solving it here.

    Raises InputError and PlanError, with every fault, where files are changed or what they hold is no run at all.
    """
    if isinstance(stored, Result):
        return _verified(stored, again, [])
    opened = open_run(stored)
    result = opened.result
    objections = [str(fault) for fault in (*opened.faults, *study_faults(Path(stored), opened.stated))]
    objections += _misfiled(result, opened.stated)
    return _verified(result, again, objections)


def _misfiled(result: Result, stated: Mapping[str, Any]) -> Iterator[str]:
    """Entries of a manifest, and text of files, that do not follow from what the folder holds."""
    files = stated["files"]
    for name, value in question_of(result.plan, result.data, files).items():
        if stated[name] != value:
            yield f"manifest.json {name}: {_short(stated[name])}; it is {_short(value)}"
    for name, pieces in (*question_texts(result.plan, result.data), *answer_texts(result)):
        if digest_of(pieces) != files.get(name):
            yield f"{name}: its text is not the one that goes with what the folder holds"


def _verified(stored: Result, again: Result | None, objections: list[str]) -> Verification:
    require(stored.plan, stored.data)
    problem = prepare(stored.plan, stored.data)
    _require_shapes(problem, stored)
    audited, found = recomputed(problem, stored)
    objections += found
    _, z, low, _ = stored.outcome.stages[0]
    if again is None:
        try:
            again = _again(stored)
        except SolveError as error:
            if error.outcome.reason == "interrupted":
                raise
            return Verification(audited, (low, z), None, (*objections, f"solved again, it has no plan: {error}"))
        except (UntrustedError, FormulationError) as error:
            return Verification(audited, (low, z), None, (*objections, f"solved again, it is not trusted: {error}"))
    found, uncompared = resolved(problem, stored, again)
    _, z_again, low_again, _ = again.outcome.stages[0]
    return Verification(audited, (low, z), (low_again, z_again), (*objections, *found), tuple(uncompared))


def _again(stored: Result) -> Result:
    options = stored.options
    return solve(
        stored.plan, stored.data, gap=options["gap"], time_limit_s=options["time_limit_s"], relax=options["relax"],
        method=options.get("method", "auto"),
    )  # fmt: skip


def _require_shapes(problem: Problem, stored: Result) -> None:
    """Raise InputError where decisions are not those of the plan: other axes or other purchases."""
    layout = problem.layout
    n, support = layout.instance, layout.support
    paths, periods, years = 1 + len(layout.worlds.names), n.calendar.periods, len(n.calendar.years)
    names = tuple(p.name for shape in layout.shapes for p in shape.purchases)
    sizes = {
        **dict.fromkeys(("run", "hold"), len(n.producers)), "buy": len(names),
        **dict.fromkeys(("release", "sell", "stock", "surplus"), len(n.materials)),
        "substitute": len(n.steps), "shortfall": len(n.tiers), "excess": len(n.plan.diversification),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "sign": (len(support.options),), "contract": (len(layout.contracts),), "floor": (len(support.markets),),
        "carry": (years,), "unspent": (years,), **{name: (paths, sizes[name], periods) for name in OPERATIONS},
        "extra": (paths - 1, len(layout.shapes), years),
        "short_of_promise": (paths - 1, len(n.plan.service_levels), years + 1),
    }  # fmt: skip
    faults = []
    for which, solution in (("solution", stored.solution), ("reference", stored.reference)):
        for name, shape in shapes.items():
            found = np.shape(getattr(solution, name))
            if found != shape:
                faults.append(Fault("decisions.npz", "", f"{which}.{name}", f"axes of {found}", f"{shape}, as the plan has them"))
        if solution.purchases != names:
            faults.append(Fault("decisions.npz", "", f"{which}.purchases", "other names", "the offers that the plan can buy from"))
    if faults:
        raise InputError(faults)


# --- from plan, tables and decisions alone -------------------------------------------------------------------


def recomputed(problem: Problem, stored: Result) -> tuple[Audit, list[str]]:
    """The audit of the stored decisions, and everything stated that does not follow from them."""
    audited = audit(problem, stored.solution, z0=stored.reference)
    reference = audit(problem, stored.reference)
    found = list(_of_audit(stored, audited, reference))
    found += _of_sizes(problem, stored)
    found += _of_outcome(problem, stored, audited, reference)
    tables = {name: whole(table) for name, table in build_tables(problem, stored.solution, stored.reference, None).items()}
    tables["objective"] = whole(pd.DataFrame({
        "part": list(audited.parts), "plan_musd": list(audited.parts.values()),
        "do_nothing_musd": [reference.parts[name] for name in audited.parts],
    }))  # fmt: skip
    names = {*tables, "prices"}
    if set(stored.tables) != names:
        found.append(f"results: the tables {', '.join(sorted(names ^ set(stored.tables)))} are missing or too many")
    for name in sorted(names & set(stored.tables) - {"prices"}):
        found += table_objections(name, stored.tables[name], tables[name], ROUNDING, FROM_SOLVES.get(name, ()))
    return audited, found


def _of_audit(stored: Result, audited: Audit, reference: Audit) -> Iterator[str]:
    """Audit and parts of both objectives, as stated and as found; rules that the decisions break."""
    if not (audited.passed or stored.outcome.relaxed):
        yield f"the audit objects: {audited.worst()}"
    broken = sorted(set(reference.broken()) - set(RELAXED_IN_Z0))
    if broken and not stored.outcome.relaxed:
        yield f"the do-nothing reference breaks {', '.join(broken)}"
    for name, parts, said in (
        ("objective_parts", audited.parts, stored.objective_parts), ("reference_parts", reference.parts, stored.reference_parts),
        ("audit.parts", audited.parts, stored.audited.parts),
    ):  # fmt: skip
        yield from _numbers(name, said, parts, sum(abs(value) for value in parts.values()))
    yield from _number("audit.objective", stored.audited.objective, audited.objective, ROUNDING * _size(audited))
    if stored.audited.passed != audited.passed:
        yield f"audit.passed: {stored.audited.passed}; found {audited.passed}"
    if [r.family for r in stored.audited.residuals] != [r.family for r in audited.residuals]:
        yield "audit.residuals: other families than those of the audit"
        return
    for one, two in zip(stored.audited.residuals, audited.residuals, strict=True):
        if not _same_residual(one, two, elsewhere=dict(stored.versions) != versions()):
            yield f"audit.residuals of {two.family}: {one}; found {two}"


def _same_residual(stated: Residual, found: Residual, *, elsewhere: bool) -> bool:
    """Whether a residual is the one found. elsewhere: another installation made it, whose rounding may be another."""
    if elsewhere and max(stated.largest, found.largest) <= NOISE * found.tolerated:
        return stated.unit == found.unit
    largest = math.isclose(stated.largest, found.largest, rel_tol=VERIFY_TOLERANCE, abs_tol=ROUNDING * found.tolerated)
    tolerated = math.isclose(stated.tolerated, found.tolerated, rel_tol=ROUNDING)
    return largest and tolerated and (stated.unit, stated.where) == (found.unit, found.where)


def _of_sizes(problem: Problem, stored: Result) -> Iterator[str]:
    """Counts, options and method, as far as the question decides them."""
    rows, columns, nonzeros = problem.assembly.shape
    n = problem.natural
    counts = {
        "columns": columns, "rows": rows, "nonzeros": nonzeros, "binaries": int(problem.assembly.integer.sum()),
        "scenarios": len(problem.layout.worlds.names), "periods": n.calendar.periods, "materials": len(n.materials),
    }  # fmt: skip
    for name, count in counts.items():
        if stored.counts.get(name) != count:
            yield f"counts.{name}: {stored.counts.get(name)}; the model has {count}"
    for name, tolerance in TOLERANCES.items():
        if stored.options.get(name) != tolerance:
            yield f"options.{name}: {stored.options.get(name)}; solves are made with {tolerance}"
    method = chosen_method(problem, stored.options["method"], integer=not stored.options["relax"])
    if stored.outcome.method != method:
        yield f"outcome.method: {stored.outcome.method}; `{stored.options['method']}` is {method} here"
    if stored.outcome.relaxed != stored.options["relax"]:
        yield f"outcome.relaxed: {stored.outcome.relaxed}; asked was {stored.options['relax']}"


def _of_outcome(problem: Problem, stored: Result, audited: Audit, reference: Audit) -> Iterator[str]:
    """Objective, do-nothing reference, gaps and reason, as far as the decisions decide them."""
    outcome, room = stored.outcome, VERIFY_TOLERANCE * max(_size(audited), _size(reference))
    stated, nothing = outcome.objective_musd or 0.0, outcome.do_nothing_musd or 0.0
    bound, gap = outcome.best_bound_musd or 0.0, outcome.relative_gap or 0.0
    reached = audited.objective - reference.objective
    if abs(reached - stated) > room:
        yield f"the stored decisions reach {reached:,.6f}, not what is stated ({stated:,.6f})"
    yield from _number("outcome.do_nothing_musd", nothing, reference.objective, room)
    names = [name for name, *_ in outcome.stages]
    aims = list(STAGES[problem.plan.objective.kind])
    finished = outcome.reason in FINISHED
    if names != aims[: len(names)] or (finished and len(names) < len(aims)):
        yield f"outcome.stages: {', '.join(names)}; the plan's aims are {', '.join(aims)}"
    for name, z, low, share in outcome.stages:
        yield from _number(f"gap of the aim {name}", share, (z - low) / denominator(problem, z), ROUNDING)
        if finished and share > max(stored.options["gap"], LEAST_GAP) * (1 + stored.options["gap"]) + 3 * LEAST_GAP:
            yield f"outcome.reason: {outcome.reason}, at a gap of {share:g} where {stored.options['gap']:g} was asked"
    _, z, low, share = outcome.stages[-1]
    last = {"objective_musd": (stated, z), "best_bound_musd": (bound, low), "relative_gap": (gap, max(0.0, share))}
    for name, (said, true) in last.items():
        yield from _number(f"outcome.{name}", said, true, ROUNDING * max(1.0, abs(true)) if math.isfinite(true) else 0.0)
    if finished and (outcome.reason == "optimal") != (gap <= ROUNDING):
        yield f"outcome.reason: {outcome.reason}, at a gap of {gap:g}"


# --- from solving once more ------------------------------------------------------------------------------------


def resolved(problem: Problem, stored: Result, again: Result) -> tuple[list[str], list[str]]:
    """(objections, what was not compared and why) of a stored run against the same question solved again.

    Both solves state an interval, [bound, objective], in which the optimum lies: the two must overlap. Where the second one came to
    the same decisions by the same versions of everything, it must have come to the same figures, too.
    """
    one, two = stored.outcome, again.outcome
    (_, z, low, _), (_, z_again, low_again, _) = one.stages[0], two.stages[0]
    found = []
    nothing, nothing_again = one.do_nothing_musd or 0.0, two.do_nothing_musd or 0.0
    room = VERIFY_TOLERANCE * max(abs(z), abs(z_again), abs(nothing_again), 1.0)
    if max(low, low_again) > min(z, z_again) + room:
        found.append("one solve's bound lies above the other's objective")
    found += _number("outcome.do_nothing_musd", nothing, nothing_again, room)
    if one.reason not in FINISHED or two.reason not in FINISHED:
        if _agree(stored, again) and two.reason in FINISHED and _same_stages(stored, again):
            found.append(f"outcome.reason: {one.reason}; solved again, the same figures are {two.reason}")
        return found, [f"a solve that was stopped ({one.reason} as stored, {two.reason} again) cannot be repeated: {PROOF}"]
    if not _agree(stored, again):
        return found, [f"solving again came to other decisions that are as good: {PROOF}"]
    found += _of_further_solves(stored, again)
    if one.method != "flat" or dict(stored.versions) != dict(again.versions):
        why = "by clusters of worlds" if one.method != "flat" else "with other versions"
        return found, [f"solved {why}: how closely the bound was proven, and the iterations that it took"]
    if one.reason != two.reason:
        found.append(f"outcome.reason: {one.reason}; solved again it is {two.reason}")
    if not _same_stages(stored, again):
        found.append(f"outcome: {_proof(stored)}; solved again {_proof(again)}")
    for name in ("iterations", "nodes"):
        if stored.counts.get(name) != again.counts[name]:
            found.append(f"counts.{name}: {stored.counts.get(name)}; solved again {again.counts[name]}")
    return found, []


PROOF = "the bound beyond the overlap of both, prices, what further solves gave"


def _agree(stored: Result, again: Result) -> bool:
    """Whether two solves came to the same decisions."""
    for one, two in ((stored.solution, again.solution), (stored.reference, again.reference)):
        for field in fields(Solution):
            a, b = getattr(one, field.name), getattr(two, field.name)
            if field.name == "purchases":
                if a != b:
                    return False
            elif a.shape != b.shape or not np.allclose(a, b, rtol=ROUNDING, atol=ROUNDING * (1.0 + np.abs(b).max(initial=0.0))):
                return False
    return True


def _same_stages(stored: Result, again: Result) -> bool:
    one, two = stored.outcome.stages, again.outcome.stages
    if [name for name, *_ in one] != [name for name, *_ in two]:
        return False
    pairs = ((a, b) for said, true in zip(one, two, strict=True) for a, b in zip(said[1:], true[1:], strict=True))
    return all(a == b or abs(a - b) <= ROUNDING * max(1.0, abs(b)) for a, b in pairs)


def _proof(result: Result) -> str:
    return "; ".join(f"{name} {z:,.6f} with bound {low:,.6f}" for name, z, low, _ in result.outcome.stages)


def _of_further_solves(stored: Result, again: Result) -> Iterator[str]:
    """Prices, and columns of tables that further solves gave."""
    if "prices" in stored.tables:
        yield from table_objections("prices", stored.tables["prices"], again.tables["prices"], VERIFY_TOLERANCE)
    for name, columns in FROM_SOLVES.items():
        if name not in stored.tables or len(stored.tables[name]) != len(again.tables[name]):
            continue
        said, true = stored.tables[name], again.tables[name]
        for column in columns:
            if column in said and column in true and not said[column].isna().all() and not true[column].isna().all():
                yield from table_objections(name, said[[column]], true[[column]], VERIFY_TOLERANCE)


# --- comparing -------------------------------------------------------------------------------------------------


def table_objections(
    name: str, stated: pd.DataFrame, found: pd.DataFrame, rounding: float, without: tuple[str, ...] = ()
) -> Iterator[str]:  # fmt: skip
    """Where a table differs from the one found: columns, rows, and of each column the first cell with the number of others.

    Text is the same to the letter, numbers to `rounding` times the largest of their column. without: columns left out.
    """
    place = f"results/{name}.csv"
    kinds = {column: kind for column, kind in kinds_of(stated).items() if column not in without}
    expected = {column: kind for column, kind in kinds_of(found).items() if column not in without}
    missing = [column for column in without if column not in stated]
    if list(kinds.items()) != list(expected.items()) or missing:
        yield f"{place}: columns {', '.join(f'{c} ({k})' for c, k in kinds.items())}; expected {', '.join(expected)}"
        return
    if len(stated) != len(found):
        yield f"{place}: {len(stated)} rows; found {len(found)}"
        return
    for column, kind in kinds.items():
        one, two = stated[column].to_numpy(), found[column].to_numpy()
        if kind == "number":
            room = rounding * (1.0 + float(np.nanmax(np.abs(two), initial=0.0)))
            wrong = ~(np.isclose(one, two, rtol=0.0, atol=room, equal_nan=True))
        else:
            wrong = one != two
        if wrong.any():
            at = int(np.argmax(wrong))
            others = f" (and {int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
            yield f"{place}:{at + 2} {column}: {one[at]}; found {two[at]}{others}"


def _numbers(name: str, stated: Mapping[str, float], found: Mapping[str, float], size: float) -> Iterator[str]:
    """Named numbers that differ, or are named otherwise. size: of the sum that they are parts of."""
    if list(stated) != list(found):
        yield f"{name}: {', '.join(stated)}; found {', '.join(found)}"
        return
    for key, value in found.items():
        yield from _number(f"{name}.{key}", stated[key], value, ROUNDING * max(1.0, size))


def _number(name: str, stated: float, found: float, room: float) -> Iterator[str]:
    if not (stated == found or abs(stated - found) <= room):
        yield f"{name}: {stated:,.9g}; found {found:,.9g}"


def _size(audited: Audit) -> float:
    """What rounding of an objective is relative to."""
    return max(1.0, abs(audited.objective))


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."
