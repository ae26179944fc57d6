"""Many re-solves of one question: values put at addresses, answered along a path on which neighbours differ little.

Sampled scenarios are those of the unchanged question, the same for all points, so that points differ by what was changed and not
by luck; a point that changes hazards draws its own, by the same seed. Points are cut into stretches of the path, each
answered by one `Session`; one hot-started point of every stretch, picked by a seed, is solved again from nothing, and where the two
disagree the whole stretch is."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..answer.solving import MethodOption, Relax
from ..answer.study import Study
from ..answer.tables import losses_by_scenario, projects, stock
from ..audit.audit import audit
from ..core.errors import (
    STOPPED,
    Fault,
    InputError,
    PlanError,
    Progress,
    ReserveError,
    SolveError,
    StoppedError,
    UntrustedError,
    gathering,
    overlapping,
    shown,
    stopped,
)
from ..core.files import Kept, digest_of
from ..core.frames import rows_of
from ..core.runner import HERE, Runner, carrying, count_part, current
from ..core.stats import TRACE_T
from ..core.verb import GAP, Gap, verb
from ..matrix.own import Extend
from ..matrix.problem import HALF
from ..matrix.solution import Solution, extract
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.names import Names, edited, meant
from ..question.plan import Plan
from ..solver.session import Answer, Session
from ..solver.stages import Method
from ..world.build import build_instance
from ..world.events import SampledScenarios, longest_event
from ..world.instance import CHOSEN
from ..world.scenarios import build_scenarios, cvar_of
from .designs import Design, bounded, in_figures, indices, left_out

Rows = list[dict[str, Any]]


def identity(plan: Plan, data: Dataset, *asked: Any) -> str:
    """Digest of a question, its tables, and the points or options that decide the answers."""
    return digest_of([plan.model_dump_json(), json.dumps(data.hashes()), repr(asked)])


# One segment of a sweep: its points solved one after another, and some solved again cold.
SAME = 1e-9
"""Relative difference below which two exact answers are the same."""
FIGURES = {
    "reason": "why the solve ended, or which error it met",
    "objective_musd": "Z - Z0, plan against doing nothing",
    "bound_musd": "lower bound on it",
    "relative_gap": "between the two",
    "do_nothing_musd": "Z0",
    "expected_loss_musd": "expected discounted loss of going short",
    "do_nothing_loss_musd": "the same without a plan",
    "cvar_musd": "mean loss of the worst scenarios, at the plan's alpha",
    "defence_short": "probability that the armed forces go short of something",
    "spending_musd": "discounted outlays on the trunk",
    "seconds": "wall clock of this point",
    "cold": "whether it was solved from nothing",
}
"""Columns of every point beside the values of its axes."""


@dataclass(frozen=True)
class PathSegment:
    """A task: points to be answered one after the other. It travels to other processes."""

    plan: Plan
    data: Dataset
    numbers: tuple[int, ...]
    changes: tuple[Mapping[str, Any], ...]
    held: SampledScenarios | None
    gap: float
    relax: bool
    method: Method
    threads: int
    extend: Extend | None = None
    """Adds constraints to the model of every point."""
    kept: Kept | None = None
    """Where every row is kept as soon as it is there."""


@dataclass(frozen=True)
class SegmentResult:
    """A stretch answered."""

    rows: Rows
    decisions: Rows
    checked: int = 0
    """Points that were solved again from nothing."""
    disagreed: int = 0
    """Those of them that did not agree; their stretches were solved from nothing."""
    numbers: Sequence[int] = ()
    """Points among which one was checked."""

    @classmethod
    def together(cls, parts: Iterable[SegmentResult]) -> SegmentResult:
        """Several as one, in the order of the points."""
        every = list(parts)
        rows, decisions = (
            sorted((row for part in every for row in getattr(part, name)), key=lambda row: row["point"])
            for name in ("rows", "decisions")
        )
        return cls(rows, decisions, sum(part.checked for part in every), sum(part.disagreed for part in every))


def solve_segment(stretch: PathSegment, tell: Callable[[int], None] | None = None) -> SegmentResult:
    """Answer a stretch; one hot-started point of it again from nothing, and everything where the two disagree."""
    parts: list[Path] = []
    walked, session = _answers(stretch, parts, hot=True, tell=tell or (lambda _: count_part()))
    hot = [row for row in walked.rows if not row["cold"] and row["objective_musd"] == row["objective_musd"]]
    if not hot:
        return walked
    row = random.Random(stretch.numbers[0]).choice(hot)
    try:
        plan, data = edited(stretch.plan, stretch.data, stretch.changes[stretch.numbers.index(row["point"])])
        cold = session.cold().answer(plan, data)
        solution = _hold_to_account(cold)
    except ReserveError:  # nothing to compare with: one point less is checked
        return walked
    if _agree(row, _figures(cold, solution)):
        walked = replace(walked, checked=1)
    else:
        for part in parts:  # what is found wrong does not come back
            part.unlink()
        walked = replace(_answers(stretch, parts, hot=False)[0], checked=1, disagreed=1)
    if stretch.kept is not None:
        stretch.kept.write(asdict(SegmentResult([], [], walked.checked, walked.disagreed, stretch.numbers)))
    return walked


def _answers(
    stretch: PathSegment, parts: list[Path], *, hot: bool, tell: Callable[[int], None] | None = None
) -> tuple[SegmentResult, Session]:
    """All points of a stretch, and the session that answered them. parts: gets the files in which its rows are kept."""
    session = Session(
        gap=stretch.gap,
        relax=stretch.relax,
        method=stretch.method,
        held=stretch.held,
        threads=stretch.threads,
        extend=stretch.extend,
    )
    rows: Rows = []
    decisions: Rows = []
    for point, changes in zip(stretch.numbers, stretch.changes, strict=True):
        begin = time.perf_counter()
        row: dict[str, Any] = {"point": point, **dict.fromkeys(FIGURES, math.nan), "cold": not hot or session.fresh}
        decided: Rows = []
        try:
            plan, data = edited(stretch.plan, stretch.data, changes)
            answer = (session if hot else session.cold()).answer(plan, data)
            if answer.outcome.reason in STOPPED:  # a limit of the whole call: the next one answers the point
                raise stopped("the sweep was stopped", answer.outcome)
            solution = _hold_to_account(answer)
        except StoppedError:
            raise
        except SolveError as error:
            row["reason"] = error.outcome.reason
        except Exception as error:  # one point must not lose the others: its row has the reason and no numbers
            if stretch.extend is not None and not isinstance(error, ReserveError):
                raise  # a mistake in own code is one at every point
            row["reason"] = str(error) if isinstance(error, ReserveError) else f"{type(error).__name__}: {error}"
        else:
            row |= _figures(answer, solution)
            decided = _decisions(point, answer, solution)
        rows.append(row | {"seconds": time.perf_counter() - begin})
        decisions += decided
        if stretch.kept is not None:
            parts.append(stretch.kept.write(asdict(SegmentResult(rows[-1:], decided))))
        if tell is not None:
            tell(len(rows))
    return SegmentResult(rows, decisions), session


def _hold_to_account(answer: Answer) -> Solution:
    """The plan of an answer, audited like any other; a relaxation is no plan. Raises UntrustedError."""
    problem = answer.problem
    solution = extract(problem.structure, problem.assembly, answer.x)
    if not answer.outcome.relaxed:
        audited = audit(problem, solution, z0=extract(problem.structure, problem.assembly, answer.z0))
        if not audited.passed:
            raise UntrustedError(f"the audit objects: {audited.worst()}")
    return solution


def _agree(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two answers to one question are the same: references to rounding, and intervals (points of exact ones) that meet."""
    room = 10 * SAME * (1 + abs(b["do_nothing_musd"]))
    references = abs(a["do_nothing_musd"] - b["do_nothing_musd"]) <= room
    below = max(a["bound_musd"], b["bound_musd"]) <= min(a["objective_musd"], b["objective_musd"]) + room
    return bool(references and below)


def _figures(answer: Answer, solution: Solution) -> dict[str, Any]:
    problem, outcome, pi = answer.problem, answer.outcome, answer.problem.structure.scenarios.probability
    costs = problem.assembly.costs
    losses, _, short = losses_by_scenario(problem, solution)
    return {
        "reason": outcome.reason,
        "objective_musd": outcome.objective_musd,
        "bound_musd": outcome.best_bound_musd,
        "relative_gap": outcome.relative_gap,
        "do_nothing_musd": outcome.do_nothing_musd,
        "expected_loss_musd": float(costs["expected_loss"] @ answer.x),
        "do_nothing_loss_musd": float(costs["expected_loss"] @ answer.z0),
        "cvar_musd": cvar_of(losses, pi, problem.plan.risk.alpha),
        "defence_short": float(pi[short > TRACE_T].sum()),
        "spending_musd": float(costs["spending"] @ answer.x) if "spending" in costs else 0.0,
    }


def _decisions(point: int, answer: Answer, solution: Solution) -> Rows:
    """What is signed, the largest stock of each material, contracts and market floors."""
    problem = answer.problem
    signed = projects(problem, solution)
    rows: list[tuple[str, Any, Any, Any]] = [
        ("project", f"{row.project}: {row.package}", row.signed, row.share)
        for row in rows_of(signed[(signed.share > 0) & ~(signed.baseline & (signed.package == "none"))])
    ]
    for material, held in stock(problem, solution).groupby("material", sort=False):
        top = held.iloc[int(held["stock_t"].argmax())]
        if top.stock_t > TRACE_T:
            rows.append(("stock", material, top.period, float(top.stock_t)))
    n, structure = problem.natural, problem.structure
    first = n.calendar.period_label(0)
    in_force = np.zeros((len(n.producers), n.calendar.periods))
    for contract, tonnes in zip(structure.contracts, solution.contract, strict=True):
        in_force[contract.source, contract.start : contract.end] += tonnes / n.calendar.step
    most = in_force.max(axis=1)
    rows += [("contract", n.producers[j], first, float(most[j])) for j in np.flatnonzero(most > TRACE_T)]
    markets = zip(structure.support.markets, solution.floor, strict=True)
    rows += [("floor", market.floor.name, first, float(share)) for market, share in markets if share > HALF]
    return [dict(zip(DECISIONS, (point, *row), strict=True)) for row in rows]


# What a sweep found: answers and decisions of its points, how often each thing is chosen, what moves the answer; in words.
TITLES = {"indices": "What moves it", "chosen": "Chosen, by share of the points", "points": "Points"}
"""Headings of the short tables."""
DECISIONS = ("point", "kind", "item", "year", "value")


def _chosen(points: pd.DataFrame, found: pd.DataFrame, relaxed: Sequence[int]) -> pd.DataFrame:
    """kind, item, share: of the points with an answer, how many have each decision, or part of it; 1 is whatever the values.

    found: decisions. relaxed: points that are relaxations of whole signatures, which leave traces of many: a project counts as
    chosen from half of it."""
    if found.empty:
        return pd.DataFrame(columns=["kind", "item", "share"])
    least = np.where(found["point"].isin(relaxed), HALF, CHOSEN)
    found = found[(found["kind"] != "project") | (found["value"] > least)]
    pairs = zip(found["kind"], found["item"], strict=True)
    named = [item.partition(": ")[0] if kind == "project" else item for kind, item in pairs]
    each = found.assign(item=named).drop_duplicates(["point", "kind", "item"])
    answered = int(points["objective_musd"].notna().sum())
    share = (each.groupby(["kind", "item"], sort=True).size() / max(1, answered)).rename("share").reset_index()
    return share.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def in_words(design: Design, names: Names, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    """A sweep in plain words: what failed, how far the answer moves, what moves it, what is chosen at any value."""
    points = tables["points"]
    answered = points[points["objective_musd"].notna()]
    again = ", so their neighbours were solved again too" if facts["disagreed"] else ""
    lines = [
        f"SWEEP: {len(points):,} points, {facts['failed_share']:.1%} without an answer. Solved a second time without a warm start: "
        f"{facts['checked']}, of which {facts['disagreed']} gave another answer{again}."
    ]
    for reason, rows in points[points["objective_musd"].isna()].groupby("reason"):
        lines.append(f"  No answer at {len(rows)} {'point' if len(rows) == 1 else 'points'}: {reason}")
    if len(answered):
        spans = {
            "worth compared with doing nothing": 0.0 - answered["objective_musd"],
            "expected losses": answered["expected_loss_musd"],
            "discounted spending": answered["spending_musd"],
        }
        text = "; ".join(f"{name} {span.min():,.1f} to {span.max():,.1f}" for name, span in spans.items())
        lines.append(f"  [million USD] {text}")
    if design.has_indices:
        lines += _moved(design, tables["indices"], facts["left_out_share"], answered["objective_musd"].nunique() == 1)
    chosen = tables["chosen"]
    always = chosen["share"] >= 1 - 1e-9
    for title, part in (
        ("CHOSEN AT EVERY POINT WITH AN ANSWER (no regret)", chosen[always]),
        ("CHOSEN AT SOME POINTS", chosen[~always]),
    ):
        named = [
            f"{names.chosen(f'{row.kind} {row.item}')}{'' if row.share >= 1 - 1e-9 else f' ({row.share:.0%})'}"
            for row in rows_of(part)
        ]
        lines.append(f"{title}: {', '.join(named) or 'nothing'}.")
    return lines


def _moved(design: Design, found: pd.DataFrame, out: float, still: bool) -> list[str]:
    """What each figure does to the aim, the largest first. out: share of the points left out. still: all answers are the same."""
    left = f"; {out:.1%} of the points left out, because a point of their group has no answer" if out else ""
    lines = [f"WHAT MOVES THE ANSWER (worth compared with doing nothing, million USD{left}):"]
    for row in rows_of(found):
        if design.kind == "one_at_a_time":
            ends = ("no answer" if end != end else f"{0.0 - end:,.1f}" for end in (row.at_low, row.at_high))
            tried = " to ".join(in_figures(row.address, end) for end in (row.low, row.high))
            text = f"{tried} gives {' to '.join(ends)}{', no effect' * (row.at_low == row.at_high)}"
        elif row.total != row.total:
            text = "no effect: all answers are the same" if still else "unknown: too few points have an answer"
        else:
            text = (
                f"total effect {row.total:.2f} (± {row.total_conf:.2f}), alone {row.first:.2f} (± {row.first_conf:.2f})"
            )
        lines.append(f"  {row.address}: {text}")
    if design.kind == "sobol" and len(found) and found.total_conf.iloc[0] >= found.total.iloc[0]:
        lines.append("  Intervals are as wide as the effects: more samples are needed to say what matters most.")
    return lines


# Points cut into stretches, each answered by one session.
STRETCH = 100
"""Points answered one after the other before a new session starts: a fresh one costs two cold solves."""
PARTS = 16
"""Stretches aimed at for an executor, whose size is not known."""
LEAST_STRETCH = 4
"""Least points of a stretch: its first one, and the one checked, are solved from nothing."""
MOST_RANKED = 2_000
"""Points up to which the path goes on to the nearest one; beyond, it follows the axes in turn."""


@verb
def sweep(
    plan: Plan,
    data: Dataset,
    points: Design | Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    *,
    gap: Gap = GAP,
    relax: Relax = False,
    method: MethodOption = "auto",
    extend: Extend | None = None,
    run: Runner = HERE,
) -> Study:
    """Solve a question again and again with other values.

    points: values by address (`question.names`), every combination of which is solved; or a list of points, or a
    design, whose indices are then part of the answer. extend: adds constraints to every point's model, as in `solve_once`; a
    function of a script or a notebook keeps all points in this process. run: its store is a folder in which rows are written down
    as they finish; called again with the same arguments, a sweep that was stopped goes on from there.

    Tables: `points`, one row a point, in the order asked: the values of the axes, then `FIGURES`; numbers are NaN where there is no
    answer. `decisions`: point, kind, item, year, value (what is signed of a project as a share, the largest stock of each material
    [t], contracts by producer [t/yr] and market floors). `chosen`: kind, item, share of the points with an answer that have it.
    `indices`, where the design has any. Facts: failed_share, checked (points solved again from nothing), disagreed, varied
    (addresses), block (points that hang together).

    Raises PlanError and InputError for a wrong address or value, and for a store with rows of another sweep, before
    anything is solved, and what `extend` raises. A point without an answer is a row with its reason."""
    asked = points_of(points.points if isinstance(points, Design) else points)
    design = points if isinstance(points, Design) else Design("points", tuple(asked), {})
    if not asked:
        raise PlanError([Fault("sweep", "", "points", "none", "at least one point")])
    require(plan, data)
    require_points(plan, data, asked)
    if extend is not None and run.store is not None:
        expected = "no store with own constraints: what a function asks cannot be compared with what it asked before"
        raise InputError([Fault("sweep", "", "extend", "a function and a store", expected)])
    run = carrying(run, extend)
    held = build_scenarios(build_instance(plan, data, longest_event(plan, data)), data).drawn
    store, known = None, SegmentResult([], [])
    if run.store is not None:
        store = Kept(Path(run.store), identity(plan, data, asked, gap, relax, method))
        lock = store.begin()
        known = SegmentResult.together(SegmentResult(**part) for part in store.read())
    there = {row["point"] for row in known.rows}
    path = [k for k in _path(asked) if k not in there]
    parts = run.processes if run.executor is None else PARTS
    size = min(STRETCH, max(LEAST_STRETCH, math.ceil(len(path) / parts)))
    parallel = run.executor is not None or (run.processes > 1 and len(path) > size)
    options = (held, gap, relax, method, int(parallel), extend, store if run.executor is None else None)
    stretches = [
        PathSegment(plan, data, tuple(part), tuple(asked[k] for k in part), *options)
        for part in (path[k : k + size] for k in range(0, len(path), size))
    ]
    walked = [known]
    call, most = current(), 0

    def tell(done: int, before: int = 0) -> None:
        nonlocal most  # points of several stretches are done at once, and some are solved again
        most = min(max(most, before + done), len(asked))
        call.report(Progress("points", call.seconds, done=most, of=len(asked)))

    if not parallel:
        for stretch in stretches:
            before = sum(len(part.rows) for part in walked)
            walked.append(solve_segment(stretch, partial(tell, before=before)))
    else:
        seen = partial(tell, before=len(known.rows))
        for done in run.each("", solve_segment, stretches, on_parts=seen):
            walked.append(done)
            if store is not None and run.executor is not None:  # its workers may not see the folder
                store.write(asdict(done))
            tell(sum(len(part.rows) for part in walked))
    if store is not None:
        lock.release()
    whole = SegmentResult.together(walked)
    varied = [{name: _as_cell(value) for name, value in point.items()} for point in asked]
    table = pd.DataFrame([{**varied[row["point"]], **row} for row in whole.rows]).drop(columns="point")
    decided = pd.DataFrame(whole.decisions, columns=list(DECISIONS))
    relaxed = [k for k, now in enumerate(asked) if relax and not edited(plan, data, now)[0].instruments.partial_support]
    tables = {"points": table, "decisions": decided, "chosen": _chosen(table, decided, relaxed)}
    facts = {
        "failed_share": float(table["objective_musd"].isna().mean()),
        "checked": whole.checked,
        "disagreed": whole.disagreed,
        "varied": sorted({address for point in design.points for address in point}),
        "block": design.block,
    }
    if design.has_indices:
        tables["indices"] = indices(design, table)
        facts["left_out_share"] = left_out(design, table, "objective_musd")
    return Study("sweep", tables, in_words(design, Names.of(data), tables, facts), facts, TITLES)


def require_points(plan: Plan, data: Dataset, asked: Sequence[Mapping[str, Any]]) -> None:
    """Raise PlanError with every wrong address and value, each once and with the first point that has it."""
    faults: dict[tuple[str, str, str], Fault] = {}
    varied = set[tuple[str, ...]]()
    for n, changes in enumerate(asked):
        found: list[Fault] = []
        if tuple(changes) not in varied:
            varied.add(tuple(changes))
            with gathering(found):
                _require_independent(plan, data, changes)
        try:
            with gathering(found):
                edited(plan, data, changes)
        except ReserveError as error:
            expected = "values that the plan and the tables allow"
            raise PlanError([Fault(SWEEP, f"point {n}", "", str(error), expected)]) from None
        for fault in found:
            stated = fault.column, fault.found, fault.expected
            faults.setdefault(stated, Fault(SWEEP, f"point {n}", *stated))
    if faults:
        raise PlanError(faults.values())


def _require_independent(plan: Plan, data: Dataset, addresses: Iterable[str]) -> None:
    """Raise PlanError for addresses that mean the same figure, or of which one lies within another; the stars of an address stand
    for every figure that it means."""
    known: dict[str, str] = {}
    found: dict[tuple[str, str], str] = {}
    for address in addresses:
        with suppress(PlanError):  # `edited` says what is wrong with an address
            for at in meant(plan, data, address):
                if at in known:
                    found.setdefault((address, known[at]), f"the same figure as {shown(known[at])}")
                known.setdefault(at, address)
    for outer, inner in overlapping(known):
        found.setdefault((known[inner], known[outer]), f"a figure inside {shown(known[outer])}, which also varies")
    if found:
        raise PlanError([Fault(SWEEP, "", at, words, "each figure only once") for (at, _), words in found.items()])


SWEEP = "sweep"
"""Place of a fault of a point where no file is known."""


def points_of(
    points: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]], field: str = "points"
) -> list[dict[str, Any]]:
    """One mapping of address to value a point. field: where too many of them were asked for."""
    if isinstance(points, Mapping):
        bounded(field, math.prod(len(values) for values in points.values()))
        names = [str(name) for name in points]
        every = product(*points.values()) if points else ()
        found = [dict(zip(names, map(_plain, values), strict=True)) for values in every]
    else:
        found = [{str(k): _plain(v) for k, v in point.items()} for point in points]
    bounded(field, len(found))
    return found


def _as_cell(value: Any) -> Any:
    """A varied value as one that tables sort and group by: a list, such as the levels of a floor, as text."""
    if not isinstance(value, list | tuple):
        return value
    return ", ".join(str(each) if isinstance(each, int | float | str) else json.dumps(each) for each in value)


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _path(points: Sequence[Mapping[str, Any]]) -> list[int]:
    """An order in which neighbours are near: always on to the nearest point left, axes by the ranks of their values.

    Random order would lose most of what a hot start saves."""
    axes = sorted({address for point in points for address in point})
    ranks = np.zeros((len(points), len(axes)))
    for a, address in enumerate(axes):
        values = [point.get(address, -math.inf) for point in points]
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        keys: list[Any] = values if numeric else [repr(v) for v in values]
        place = {v: k for k, v in enumerate(sorted(set(keys)))}
        ranks[:, a] = [place[v] / max(1, len(place) - 1) for v in keys]
    by_axis = np.lexsort(ranks.T[::-1]).tolist() if len(axes) else list(range(len(points)))
    if len(points) > MOST_RANKED:
        return by_axis
    left = np.ones(len(points), dtype=bool)
    order, at = [by_axis[0]], by_axis[0]
    left[at] = False
    while left.any():
        rest = np.flatnonzero(left)
        at = int(rest[np.abs(ranks[rest] - ranks[at]).sum(axis=1).argmin()])
        order.append(at)
        left[at] = False
    return order
