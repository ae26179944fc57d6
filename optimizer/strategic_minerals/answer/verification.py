"""Verify a stored run: work out again what follows from its plan, tables and decisions alone, and solve once more.

`against` recomputes the audit, the parts of both objectives, every table, the words, sizes and names; `against_another` compares
the proof: bound, gap, do-nothing reference, aims in turn, prices. Nothing can recompute wall clock, versions, the log and the
options that a caller chose: the digest of the manifest alone guards them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..audit.accounts import Accounts, open_accounts, recomputed
from ..audit.audit import Audit, Residual, audit
from ..audit.figures import Figures, figures_of
from ..audit.producers import path_data_of
from ..core.errors import Fault, FormulationError, InputError, SolveError, UntrustedError, shown
from ..core.files import digest_of
from ..core.frames import kinds_of, rows_of, whole
from ..core.runner import HERE, Runner
from ..core.stats import TOTAL
from ..core.verb import verb
from ..matrix.named import denominator
from ..matrix.problem import TRACE, Problem, acts, prepare, with_price_channel
from ..matrix.solution import Solution, decided_point, extract
from ..model.sets import STAGES
from ..question.consistency import require
from ..solver.highs import TOLERANCES
from ..solver.stages import LEAST_GAP, RELAXED_IN_Z0, chosen_method
from .act_now import BESIDE, ActNow
from .manifest import answer_texts, question_texts
from .notes import OWN_PARTS, extended_by, objective_table
from .prices import bounds_of, sizes_of, versions
from .result import Result
from .run_folder import open_run, question_of
from .solving import solve_once
from .study import Study, study_faults
from .tables import build_tables

# What a run states against what its plan, tables and decisions come to when they are worked out again, without a solve.
VERIFY_TOLERANCE = 1e-6
"""Relative difference of two solves, or of solver and audit, that is rounding."""
ROUNDING = 1e-9
"""Relative difference of two sums over the same decisions that is rounding; in a table, relative to the largest of the column."""
NOISE = 1e-3
"""Share of what an audit tolerates below which a residual is the solver's rounding, and its place is chance."""
TRACE_MUSD = 1e-6
"""Million USD that are rounding."""
FINISHED = ("optimal", "within_gap")


@dataclass(frozen=True)
class Recomputed:
    """What plan, tables and decisions of a run come to."""

    problem: Problem
    audited: Audit
    reference: Audit
    """Of doing nothing."""
    tables: Mapping[str, pd.DataFrame]
    """All but `prices`, which a further solve gave."""
    versions: Mapping[str, str]
    """Of this installation."""


def recompute(stored: Result) -> Recomputed:
    """Work out again what can be without a solve. Raises PlanError and InputError where decisions are not those of the plan."""
    require(stored.plan, stored.data)
    problem = prepare(stored.plan, stored.data)
    _require_shapes(problem, stored)
    with np.errstate(all="ignore"):  # forged decisions may be of any size
        bounds = bounds_of(stored.outcome)
        stated, ours = _stated(stored), path_data_of(problem)
        audited = audit(problem, stored.solution, z0=stored.reference, stated=stated, bounds=bounds, path_data=ours)
        reference = audit(problem, stored.reference, path_data=ours)
        plan = open_accounts(problem, stored.solution, ours, stored.reference)
        nothing = open_accounts(problem, stored.reference, ours)
        tables = build_tables(plan, nothing)
        tables["figures"] = _figures(stored, tables, audited, reference, (plan, nothing)).frame()
    own = stored.tables.get(OWN_PARTS)
    tables["objective"] = objective_table(audited.parts, reference.parts, own)
    if own is not None:  # nothing in the folder gives again what a caller's own code came to
        tables[OWN_PARTS] = own
    return Recomputed(problem, audited, reference, {name: whole(table) for name, table in tables.items()}, versions())


def _stated(stored: Result) -> Figures:
    """What a run states of itself; nothing where its table of figures cannot be read."""
    try:
        return stored.figures
    except (KeyError, TypeError, ValueError):
        return Figures({})


def _figures(
    stored: Result,
    tables: Mapping[str, pd.DataFrame],
    audited: Audit,
    reference: Audit,
    accounts: tuple[Accounts, Accounts],
) -> Figures:
    """The records that follow from recomputed tables."""
    found, horizon = recomputed(*accounts, bounds_of(stored.outcome)), stored.plan.horizon
    with_plan, without = found["stage_with_musd"], found["stage_without_musd"]
    stages = {name: (with_plan[name], without[name]) for name in with_plan}
    end = horizon.first_year + horizon.years
    return figures_of(tables, stored.outcome, stages, audited.parts, reference.parts, end)


def against(stored: Result, found: Recomputed) -> Iterator[str]:
    """Everything stated that does not follow from plan, tables and decisions."""
    yield from of_figures(stored, found)
    yield from of_tables(stored, found)


def of_figures(stored: Result, found: Recomputed) -> Iterator[str]:
    """Audit, parts, sizes, options, outcome."""
    yield from _of_audit(stored, found)
    yield from _of_sizes(stored, found.problem)
    yield from _of_outcome(stored, found)


def of_tables(stored: Result, found: Recomputed) -> Iterator[str]:
    """Every table but `prices`, which is empty where a solve did not come to its end."""
    names = {*found.tables, "prices", *(name for name in BESIDE if name in stored.tables)}
    sampled = ActNow.of(stored.tables)
    if sampled is not None:
        names |= set(sampled.tables)
        yield from sampled.objections()
        yield from _of_acts(sampled, stored, found.problem)
    if set(stored.tables) != names:
        yield f"results: the tables {', '.join(sorted(names ^ set(stored.tables)))} are missing or too many"
    for name in sorted(set(found.tables) & set(stored.tables)):
        yield from table_objections(name, stored.tables[name], found.tables[name], ROUNDING)
    priced = stored.outcome.reason in FINISHED and not stored.outcome.relaxed
    if not priced and len(stored.tables.get("prices", ())):
        yield "results/prices.csv: prices of a plan that was not solved to its end"


def _of_acts(sampled: ActNow, stored: Result, problem: Problem) -> Iterator[str]:
    """Amounts of the first years that the decisions do not have."""
    if sampled.acts.empty:
        return
    x = decided_point(problem.structure, problem.assembly, stored.solution)
    amounts = {act.name: (act.of(x), act.spent(x)[0]) for act in acts(problem)}
    for row in rows_of(sampled.acts):
        chosen, spent = amounts.get((row.kind, row.item, row.through_year), (0.0, 0.0))
        name = f"results/act_now.csv: {row.kind} {row.item} by FY{row.through_year}"
        room = ROUNDING * (1 + abs(chosen)) + TRACE[row.unit]
        yield from number_objections(f"{name}, chosen", row.chosen, chosen, room)
        yield from number_objections(f"{name}, money", row.budget_musd, spent, ROUNDING * (1 + abs(spent)) + TRACE_MUSD)


def _of_audit(stored: Result, found: Recomputed) -> Iterator[str]:
    """Audit and parts of both objectives, as stated and as found; rules that the decisions break."""
    audited, reference = found.audited, found.reference
    if not (audited.passed or stored.outcome.relaxed):
        yield f"the audit objects: {audited.worst()}"
    broken = sorted(set(reference.broken()) - set(RELAXED_IN_Z0))
    if broken and not stored.outcome.relaxed:
        yield f"the do-nothing reference breaks {', '.join(broken)}"
    for name, parts, stated in (
        ("objective_parts", audited.parts, stored.objective_parts),
        ("reference_parts", reference.parts, stored.reference_parts),
        ("audit.parts", audited.parts, stored.audited.parts),
    ):
        yield from _numbers(name, stated, parts, sum(abs(value) for value in parts.values()))
    room = ROUNDING * _size(audited)
    yield from number_objections("audit.objective", stored.audited.objective, audited.objective, room)
    if stored.audited.passed != audited.passed:
        yield f"audit.passed: {stored.audited.passed}; found {audited.passed}"
    if [r.family for r in stored.audited.residuals] != [r.family for r in audited.residuals]:
        yield "audit.residuals: other families than those of the audit"
        return
    for one, two in zip(stored.audited.residuals, audited.residuals, strict=True):
        if not _same_residual(one, two, elsewhere=dict(stored.versions) != dict(found.versions)):
            yield f"audit.residuals of {two.family}: {one}; found {two}"


def _same_residual(stated: Residual, found: Residual, *, elsewhere: bool) -> bool:
    """Whether a residual is the one found. elsewhere: another installation made it, whose rounding may be another."""
    if elsewhere and max(stated.largest, found.largest) <= NOISE * found.tolerated:
        return stated.unit == found.unit
    largest = math.isclose(stated.largest, found.largest, rel_tol=VERIFY_TOLERANCE, abs_tol=ROUNDING * found.tolerated)
    tolerated = math.isclose(stated.tolerated, found.tolerated, rel_tol=ROUNDING)
    return largest and tolerated and (stated.unit, stated.where) == (found.unit, found.where)


def _of_sizes(stored: Result, problem: Problem) -> Iterator[str]:
    """Counts, options and method, as far as the question decides them."""
    if problem.instance.market_trade.any():  # its coefficients hang on what doing nothing buys
        problem = with_price_channel(problem, stored.reference)
    for name, count in sizes_of(problem).items():
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


def _of_outcome(stored: Result, found: Recomputed) -> Iterator[str]:
    """Objective, do-nothing reference, gaps and reason, as far as the decisions decide them."""
    problem, audited, reference = found.problem, found.audited, found.reference
    outcome, room = stored.outcome, VERIFY_TOLERANCE * max(_size(audited), _size(reference))
    stated, nothing = outcome.objective_musd or 0.0, outcome.do_nothing_musd or 0.0
    bound, gap = outcome.best_bound_musd or 0.0, outcome.relative_gap or 0.0
    reached = audited.objective - reference.objective
    if abs(reached - stated) > room:
        yield f"the stored decisions reach {reached:,.6f}, not what is stated ({stated:,.6f})"
    yield from number_objections("outcome.do_nothing_musd", nothing, reference.objective, room)
    names = [name for name, *_ in outcome.stages]
    aims = list(STAGES[problem.plan.objective.kind])
    finished = outcome.reason in FINISHED
    if names != aims[: len(names)] or (finished and len(names) < len(aims)):
        yield f"outcome.stages: {', '.join(names)}; the plan's aims are {', '.join(aims)}"
    for name, z, low, share in outcome.stages:
        yield from number_objections(f"gap of the aim {name}", share, (z - low) / denominator(problem, z), ROUNDING)
        last_aim = name == names[-1]  # an earlier one may have given up its slack to later ones
        asked = stored.options["gap"]
        if finished and last_aim and share > max(asked, LEAST_GAP) * (1 + asked) + 3 * LEAST_GAP:
            yield f"outcome.reason: {outcome.reason}, at a gap of {share:g} where {asked:g} was asked"
    _, z, low, share = outcome.stages[-1]
    last = {"objective_musd": (stated, z), "best_bound_musd": (bound, low), "relative_gap": (gap, max(0.0, share))}
    for name, (figure, true) in last.items():
        room = ROUNDING * max(1.0, abs(true)) if math.isfinite(true) else 0.0
        yield from number_objections(f"outcome.{name}", figure, true, room)
    if finished and (outcome.reason == "optimal") != (gap <= ROUNDING):
        yield f"outcome.reason: {outcome.reason}, at a gap of {gap:g}"


def misstated(result: Result, stated: Mapping[str, Any]) -> Iterator[str]:
    """What a manifest says of its question that is not so."""
    for name, value in question_of(result.plan, result.data, stated["files"]).items():
        if stated[name] != value:
            yield f"manifest.json {name}: {shown(stated[name])}; it is {shown(value)}"
    sampled = ActNow.of(result.tables)
    if stated.get("act_now") != (None if sampled is None else sampled.manifest()):
        yield "manifest.json act_now: differs from the tables of the run"


def _require_shapes(problem: Problem, stored: Result) -> None:
    """Raise InputError where decisions are not those of the plan: other axes or other purchases."""
    expected = extract(problem.structure, problem.assembly, np.zeros(len(problem.assembly.lower)))
    faults = []
    for which, solution in (("solution", stored.solution), ("reference", stored.reference)):
        for name in (field.name for field in fields(Solution)):
            found, wanted = (np.shape(getattr(one, name)) for one in (solution, expected))
            if found != wanted:
                text = f"{wanted}, as the plan has them"
                faults.append(Fault("decisions.npz", "", f"{which}.{name}", f"axes of {found}", text))
        if solution.purchases != expected.purchases:
            wanted = "the offers that the plan can buy from"
            faults.append(Fault("decisions.npz", "", f"{which}.purchases", "other names", wanted))
    if faults:
        raise InputError(faults)


def table_objections(name: str, stated: pd.DataFrame, found: pd.DataFrame, rounding: float) -> Iterator[str]:
    """Where a table differs from the one found: columns, rows, and of each column the first cell with the number of others.

    Text is the same to the letter, numbers to `rounding` times the largest of their column."""
    place = f"results/{name}.csv"
    kinds, expected = kinds_of(stated), kinds_of(found)
    if list(kinds.items()) != list(expected.items()):
        there, wanted = (", ".join(f"{name} ({kind})" for name, kind in of.items()) for of in (kinds, expected))
        yield f"{place}: columns {there}; found {wanted}"
        return
    if len(stated) != len(found):
        yield f"{place}: {len(stated)} rows; found {len(found)}"
        return
    for column in kinds:
        one, two = stated[column].to_numpy(), found[column].to_numpy()
        if kinds[column] == "number":
            size = found[column].abs()  # rounding is relative to the largest of the column, of those in the same unit
            if len(size):
                size = size.groupby(found["unit"]).transform("max") if "unit" in found else size.max()
            near = np.abs(one - two) <= rounding * (1.0 + size)
            wrong = ~near & ~(np.isnan(one) & np.isnan(two))
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
        yield from number_objections(f"{name}.{key}", stated[key], value, ROUNDING * max(1.0, size))


def number_objections(name: str, stated: float, found: float, room: float) -> Iterator[str]:
    """A number that differs by more than `room`; infinite ones are equal to themselves."""
    if not (stated == found or abs(stated - found) <= room):
        yield f"{name}: {stated:,.9g}; found {found:,.9g}"


def _size(audited: Audit) -> float:
    """What rounding of an objective is relative to."""
    return max(1.0, abs(audited.objective))


BETWEEN = ("carry", "unspent", "excess", "shared_money", "short_of_promise")
"""Arrays of a solution that say how money or a promise is used up: several may go with the same plan."""


@verb
def verify(stored: Result | str | Path, *, again: Result | None = None, run: Runner = HERE) -> Study:
    """Recompute everything in a run folder from its plan, tables and decisions, solve again, and compare.

    stored: a run folder, or a result; of a folder, its files are held against its manifest, their text against their
    content, and its studies against their seals. again: the same question solved before, in place of solving it here; None:
    it is solved here.

    No tables. Facts: objections (every difference), verified (there is none), audit_passed, stated_musd and again_musd (bound and
    objective of the plan's main aim [million USD], as stored and solved again), not_compared.

    Raises InputError and PlanError, with every fault, where files are changed or what they hold is no run at all, and
    SolveError where the second solve is interrupted."""
    if isinstance(stored, Result):
        return _verified(stored, again, [])
    result, stated, faults = open_run(stored, Result)
    objections = [str(fault) for fault in (*faults, *study_faults(Path(stored), stated))]
    texts = (*question_texts(result.plan, result.data), *answer_texts(result))
    wrong = [name for name, text in texts if digest_of(text) != stated["files"].get(name)]
    objections += misstated(result, stated)
    objections += [f"{name}: its text does not go with what the folder holds" for name in wrong]
    return _verified(result, again, objections)


def _verified(stored: Result, again: Result | None, objections: list[str]) -> Study:
    """Compare a result with a second audit and a second solve. objections: found before."""
    found = recompute(stored)
    objections += against(stored, found)
    _, z, low, _ = stored.outcome.stages[0]
    interval, uncompared = None, list[str]()
    if extended := extended_by(stored.tables):
        own = "the plan was made with constraints or terms of a caller's own code, which no folder holds"
        settled = "its decisions were settled beforehand (by `regret`, or as doing nothing new)"
        uncompared.append(f"bound and prices: {settled if extended == 'settled' else own}")
    else:
        try:
            second = _again(stored) if again is None else again
        except SolveError as error:
            if error.outcome.reason == "interrupted":
                raise
            objections.append(f"solved again, it has no plan: {error}")
        except (UntrustedError, FormulationError) as error:
            objections.append(f"solved again, it is not trusted: {error}")
        else:
            more, uncompared = against_another(stored, second)
            objections += more
            _, z_again, low_again, _ = second.outcome.stages[0]
            interval = low_again, z_again
    count = len(objections)
    solved = "no plan when solved again" if count else "not solved again"
    if interval is not None:
        solved = f"between {interval[0]:,.6f} (bound) and {interval[1]:,.6f} (plan) when solved again"
    words = [
        f"{count} difference{'s' * (count != 1)}: the run does not reproduce" if count else "verified",
        f"audit of the stored decisions: {'passed' if found.audited.passed else 'FAILED'} ({found.audited.worst()})",
        f"best objective compared with doing nothing, in million USD (lower is better): between {low:,.6f} (bound) and {z:,.6f} "
        f"(plan) as stored; {solved}",
        *objections,
        *(f"not compared: {what}" for what in uncompared),
    ]
    facts = {
        "verified": not count,
        "audit_passed": found.audited.passed,
        "stated_musd": (low, z),
        "again_musd": interval,
        "objections": tuple(objections),
        "not_compared": tuple(uncompared),
    }
    return Study("verify", {}, words, facts)


def _again(stored: Result) -> Result:
    options = stored.options
    stopped = stored.outcome.reason == "time_limit"
    run = Runner(deadline_s=stored.seconds[TOTAL]) if stopped else HERE
    asked = {name: options[name] for name in ("gap", "relax", "method")}
    return solve_once(stored.plan, stored.data, **asked, run=run)


# From solving once more.
def against_another(stored: Result, again: Result) -> tuple[list[str], list[str]]:
    """(objections, what was not compared and why) of a stored run against the same question solved again.

    Both solves state an interval, [bound, objective], in which the optimum lies: the two must overlap. Where the second one came to
    the same decisions by the same versions of everything, it must have come to the same figures, too."""
    one, two = stored.outcome, again.outcome
    (_, z, low, _), (_, z_again, low_again, _) = one.stages[0], two.stages[0]
    found = []
    nothing, nothing_again = one.do_nothing_musd or 0.0, two.do_nothing_musd or 0.0
    room = VERIFY_TOLERANCE * max(abs(z), abs(z_again), abs(nothing_again), 1.0)
    if max(low, low_again) > min(z, z_again) + room:
        found.append("one solve's bound lies above the other's objective")
    found += number_objections("outcome.do_nothing_musd", nothing, nothing_again, room)
    if one.reason not in FINISHED or two.reason not in FINISHED:
        if _agree(stored, again) and two.reason in FINISHED and _same_stages(stored, again):
            found.append(f"outcome.reason: {one.reason}; solved again, the same figures are {two.reason}")
        reasons = f"{one.reason} as stored, {two.reason} again"
        return found, [f"a solve that was stopped ({reasons}) cannot be repeated: {PROOF}"]
    if not _agree(stored, again):
        return found, [f"solving again found other decisions that are as good: {PROOF}"]
    if "prices" in stored.tables:
        found += table_objections("prices", stored.tables["prices"], again.tables["prices"], VERIFY_TOLERANCE)
    searches = [{name: of.counts[name] for name in SEARCH} for of in (stored, again)]
    elsewhere = dict(stored.versions) != dict(again.versions)
    if elsewhere or (one.method == "decomposed" and searches[0] != searches[1]):  # which hangs on the threads, too
        why = "by other versions" if elsewhere else "by clusters of scenarios in another number of threads"
        return found, [f"solved {why}: how closely the bound was proven, and the iterations that it took"]
    if one.reason != two.reason:
        found.append(f"outcome.reason: {one.reason}; solved again it is {two.reason}")
    if not _same_stages(stored, again):
        found.append(f"outcome: {_proof(stored)}; solved again {_proof(again)}")
    found += [f"decisions.npz {name}: not what solving again gives" for name in _differing(stored, again, BETWEEN)]
    first, second = searches
    return found + [f"counts.{k}: {first[k]}; solved again {second[k]}" for k in SEARCH if first[k] != second[k]], []


SEARCH = ("iterations", "nodes")
"""Counts of the search; where they are the same, so was its course."""
PROOF = "the bound beyond the overlap of both, and prices"


def _agree(stored: Result, again: Result) -> bool:
    """Whether two solves came to the same plan and the same reference, except in what only lies between decisions and limits."""
    return not list(_differing(stored, again, [f.name for f in fields(Solution) if f.name not in BETWEEN]))


def _differing(stored: Result, again: Result, names: Sequence[str]) -> Iterator[str]:
    """Arrays of two solves that differ by more than rounding."""
    for which in ("solution", "reference"):
        for name in names:
            a, b = (getattr(getattr(result, which), name) for result in (stored, again))
            if name == "purchases":
                same = a == b
            else:
                room = ROUNDING * (1.0 + np.abs(b).max(initial=0.0))
                same = a.shape == b.shape and np.allclose(a, b, rtol=ROUNDING, atol=room)
            if not same:
                yield f"{which}.{name}"


def _same_stages(stored: Result, again: Result) -> bool:
    one, two = stored.outcome.stages, again.outcome.stages
    if [name for name, *_ in one] != [name for name, *_ in two]:
        return False
    pairs = ((a, b) for stage, true in zip(one, two, strict=True) for a, b in zip(stage[1:], true[1:], strict=True))
    return all(a == b or abs(a - b) <= ROUNDING * max(1.0, abs(b)) for a, b in pairs)


def _proof(result: Result) -> str:
    return "; ".join(f"{name} {z:,.6f} with bound {low:,.6f}" for name, z, low, _ in result.outcome.stages)
