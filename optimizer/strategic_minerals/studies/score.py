"""What a plan that was made is worth if other losses, prices, rates or tables are right: nothing of it is decided anew."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.act_now import OF_SOURCES
from ..answer.notes import provenance
from ..answer.result import Result
from ..answer.study import Study
from ..core.errors import Fault, InputError, PlanError, ReserveError, StoppedError, UntrustedError
from ..core.formats import musd
from ..core.frames import Floats, rows_of
from ..core.runner import HERE, Runner, current
from ..core.stats import estimated
from ..core.verb import Confidence, FromFile, verb
from ..matrix.problem import Problem, is_support, prepare
from ..matrix.solution import Solution, extract, trunk_alone
from ..question.names import edited
from ..question.plan import Plan
from ..solver.optimise import SampleSearch, menu_of, require_bounded, sample_seeds, unbounded
from ..solver.stages import with_reference
from .designs import in_figures
from .lived import DEPENDS
from .recourse import FirstStage
from .stress import met
from .sweep import require_points
from .sweep_file import SweepFile, located

SAMPLES = 10
"""Independent samples: their spread is the standard error."""
SEED_MASK = 0xC0
"""Keeps seeds of these samples from those of plans and of tests."""
SCENARIOS = 200
"""Scenarios in all samples."""
FIGURES = (
    "worth_musd worth_error_musd worth_low_musd worth_high_musd difference_musd difference_error_musd loss_musd loss_without_musd "
    "outlay_musd why_not note"
).split()
AS_MADE = "as it was made"
NO_LONGER = "the plan's hard limits on supply cannot be kept"
MADE_LESS = "contracts give less than was signed, since their sources make less"
MOST_SHOWN = 20
"""Futures that words name."""


@verb
def score(
    result: Result,
    study: Annotated[
        SweepFile,
        FromFile(SweepFile.read),
        Field(description="Sweep file (TOML): what may be otherwise, as in `sweep`; nothing is decided anew."),
    ],
    *,
    scenarios: Annotated[int, Field(ge=SAMPLES, le=100_000, description="New random scenarios in all.")] = SCENARIOS,
    confidence: Confidence = 0.95,
    run: Runner = HERE,
) -> Study:
    """Show what a solved plan is worth under other losses, prices, rates or tables, with its policy and commitments as they are.

    The plan keeps what it signs, its targets and its rule of release, and what it buys before events as far as money and offers of
    the future reach; everybody else acts by the figures of the future. Each future is lived, as the plan's policy does, in the same
    new scenarios as far as its hazards are the same; a plan that draws none is lived in its own.

    Table `futures`, the plan as it was made first: the values of the axes, worth against doing nothing with standard error and
    interval, its difference to the first row (paired), expected loss with the plan and without, outlay of all planned years, why a
    future has no figures (what was signed is no longer on offer, or does not fit its budget), and a note where contracts give
    less or hard limits on supply cannot be kept. Penalties of soft rules are left out. Facts: scenarios, confidence.

    Raises InputError for plans that samples cannot bound, PlanError for a wrong address or value."""
    plan, data = result.plan, result.data
    require_bounded(_drawn(plan))
    try:
        require_points(plan, data, points := study.design(plan, data).points)
    except PlanError as error:
        raise located(study.place, error) from None
    asked: list[Mapping[str, Any]] = [{}, *filter(None, points)]
    seeds = [0] if plan.sample is None else sample_seeds(plan.sample.seed, SAMPLES, SEED_MASK)
    like = prepare(plan, data)
    like = replace(like, assembly=like.assembly.without_matrix())
    one = partial(_scored, like, trunk_alone(result.solution), scenarios // SAMPLES, seeds)
    found = list(run.each("futures", one, asked))
    base = found[0]
    rows = []
    for changes, of in zip(asked, found, strict=True):
        if isinstance(of, str):
            rows.append({**changes, **dict.fromkeys(FIGURES, math.nan), "why_not": of, "note": ""})
            continue
        own = estimated(of[0].tolist(), confidence)  # of one sample alone it has no error
        more = (math.nan, math.nan) if isinstance(base, str) else estimated((of[0] - base[0]).tolist(), confidence)[:2]
        figures = (*own, *more, *(float(part.mean()) for part in of[1:4]), "", of[4])
        rows.append({**changes, **dict(zip(FIGURES, figures, strict=True))})
    axes = list(dict.fromkeys(address for changes in asked for address in changes))
    table = pd.DataFrame(rows, columns=[*axes, *FIGURES])
    drawn = SAMPLES * (scenarios // SAMPLES) if plan.sample is not None else 0
    soft = any(one.penalty_usd_per_kg for of in (plan.service_levels, plan.diversification) for one in of)
    facts = {"scenarios": drawn, "confidence": confidence, "varied": axes, "soft": soft}
    return Study("score", {"futures": table}, list(_words(table, asked, facts)), facts, {"futures": "Other futures"})


def _drawn(plan: Plan) -> Plan:
    """What of a plan its futures are drawn from: one without a sample is lived in its own scenarios, whatever their probability."""
    return plan if plan.sample is not None else plan.model_copy(update={"scenarios": ()})


def _scored(
    like: Problem, own: Solution, scenarios: int, seeds: Sequence[int], changes: Mapping[str, Any]
) -> tuple[Any, Any, Any, Any, str] | str:
    """(worth, loss, loss without, outlay, each by sample [million USD]; a note) in one future; why there are none. like: the plan's
    problem, without its matrix: scenarios stay the same as far as the hazards do. It travels."""
    plan, data = like.plan, like.data
    try:
        then, tables = edited(plan, data, changes)
        if (then.horizon, then.materials) != (plan.horizon, plan.materials):
            return "it has other years or other materials: what was decided says nothing of them"
        # what was decided is not asked to keep promises anew; users keep to limits on their supply
        then = then.model_copy(update={"service_levels": (), "days_of_cover": ()})
        free = tuple(rule for rule in then.diversification if not rule.hard)
        for asked in (then, then.model_copy(update={"diversification": free})):
            problem = prepare(asked, tables, like, like.structure.scenarios.drawn)
            limited, z0 = with_reference(problem, current().left())
            nothing = trunk_alone(extract(problem.structure, problem.assembly, z0))
            kept = _kept(own, like, problem) if changes else own
            search = SampleSearch(limited, nothing, deadline=time.perf_counter() + current().left())
            bought = {name: kept.acquisition[0, k] for k, name in enumerate(kept.purchases)}
            course = search.under(kept, bought) if changes else own
            if course is not None or free == then.diversification:
                break
    except ReserveError as error:
        return str(error)
    if course is None:
        return "what was signed and bought does not fit its budget, or what its sources make"
    stages = [
        FirstStage.of(asked, tables, one, is_reference=one is nothing, problem=problem) for one in (nothing, course)
    ]
    lived = met(stages, scenarios, seeds)
    planned = len(problem.natural.calendar.planned_years)
    outlay = [float(one.probability @ one.plans[0].outlay[:, :planned].sum(axis=1)) for one in lived]
    by_sample = [
        [one.worth[0] + one.plans[0].penalties for one in lived],
        [one.loss[0] for one in lived],
        [one.loss_without for one in lived],
        outlay,
    ]
    worth, loss, without, money = (np.array(part) for part in by_sample)
    notes = [NO_LONGER] * (asked.diversification != then.diversification)
    notes += [MADE_LESS] * bool(kept.contract.sum() < own.contract.sum() * (1 - LEAST))
    return worth, loss, without, money, "; ".join(notes)


MOST_TRIED = 3
"""Figures of contracted sources that are tried."""


def contracted(result: Result) -> list[Any]:
    """Figures with a range (`OF_SOURCES`) of sources on which the plan's offtake contracts rest, the widest range first: rows with
    source, column, low, value, high. None of a plan that cannot be carried to other futures."""
    if unbounded(_drawn(result.plan)):
        return []
    wide = provenance(result.plan, result.data).widest
    of = wide.key.str.split("/").str[0]
    mine = wide.assign(source=of)[of.isin(result.tables["contracts"].activity) & wide.column.isin(OF_SOURCES)]
    return list(rows_of(mine.drop_duplicates(["source", "column"]).head(MOST_TRIED)))


def at_ends(figures: Sequence[Any]) -> list[dict[str, Any]]:
    """Changes of the tables: none, then each figure at its low and its high end."""
    found: list[dict[str, Any]] = [{}] if figures else []
    for row in figures:
        for end in (row.low, row.high):
            if row.column == OF_SOURCES[0]:
                found.append({f"capacities[{row.source}/*].{row.column} *": end / row.value})
            else:
                found.append({f"activities[{row.source}].{row.column}": end})
    return found


def worth_at(
    like: Problem, scenarios: int, seeds: Sequence[int], decided: Solution, changes: Mapping[str, Any]
) -> list[float]:
    """What a plan is worth in one future [million USD]; NaN where that is not found. like: as `_scored`. It travels."""
    try:
        found = _scored(like, decided, scenarios, seeds, changes)
    except (StoppedError, UntrustedError) as error:
        found = str(error)
    return [math.nan if isinstance(found, str) else float(found[0].mean())]


def with_sources(depends: pd.DataFrame, figures: Sequence[Any], worths: Sequence[float], worth: float) -> pd.DataFrame:
    """A table of `depends_rows`, and where a plan that is worth so much stops paying between an assumed figure of a source and its
    ends, straight between them. worths: at what `at_ends` gives; only their differences count, as their samples are few."""
    rows = []
    for k, row in enumerate(figures):
        low, high = (worth + at - worths[0] for at in worths[1 + 2 * k : 3 + 2 * k])
        flips = [
            row.value + (end - row.value) * worth / (worth - at)
            for end, at in ((row.low, low), (row.high, high))
            if at * worth < 0
        ]
        nearest = min(flips, key=lambda value: abs(math.log(value / row.value)), default=math.nan)
        ends = (row.value, nearest, row.low, row.high, low, high)
        rows.append(("plan", "", worth, row.column, row.source, *ends))
    return pd.concat([depends, pd.DataFrame(rows, columns=DEPENDS)], ignore_index=True) if rows else depends


def _gone(before: Problem, at: str, k: int) -> Fault:
    """That something signed is not on offer in another future, where owners ask for other support, or for none."""
    support = before.structure.support
    if at == "sign":
        option = support.options[k]
        who, what = before.natural.projects[option.project].name, f"support `{option.package.name}`"
    elif at == "floor":
        who, what = support.markets[k].floor.name, "the floor"
    else:
        who, what = before.natural.producers[before.structure.contracts[k].source], "the contract"
    return Fault(before.plan.name, who, at, f"{what}, as it was signed", "figures at which it is still on offer")


def _kept(own: Solution, before: Problem, now: Problem) -> Solution:
    """Decisions carried to what may be chosen from in another future: a source that makes less than its contracts say gives all of
    it to them, and owners build without support what pays there. Raises InputError where something signed is not on offer."""
    old, new = menu_of(before), menu_of(now)
    moved: dict[str, Any] = {}
    for at, menu, other in zip(("sign", "floor", "contract"), old, new, strict=False):
        mine: Any = list(menu)  # type: ignore[call-overload]
        its: Any = list(other)  # type: ignore[call-overload]
        values = np.zeros(len(its))
        for k, value in enumerate(getattr(own, at)):
            if abs(value) <= LEAST or (at == "sign" and not is_support(before, before.structure.support.options[k])):
                continue
            if mine[k] not in its:
                raise InputError([_gone(before, at, k)])
            values[its.index(mine[k])] = value
        moved[at] = values
    moved["contract"] *= [_left(now, moved["contract"], contract.source) for contract in now.structure.contracts]
    support = now.structure.support
    taken = {option.project for option, share in zip(support.options, moved["sign"], strict=True) if share > 0}
    for k, option in enumerate(support.options):
        if option.project not in taken and not is_support(now, option):
            moved["sign"][k] = 1.0
    return replace(own, **moved)


def _left(problem: Problem, signed: Floats, source: int) -> float:
    """Share of what is signed with a source [t/period] that it can make in every period."""
    n, due = problem.natural, np.zeros(problem.natural.calendar.periods)
    for tonnes, contract in zip(signed, problem.structure.contracts, strict=True):
        due[contract.start : contract.end] += tonnes * (contract.source == source)
    makes = n.capacity[source] * (1 - n.sold[source])
    return float(np.min(makes / np.where(due > LEAST, due, math.inf), where=due > LEAST, initial=1.0))


LEAST = 1e-9
"""Share signed, or tonnes, that count as nothing."""


def _words(table: pd.DataFrame, asked: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> Iterator[str]:
    """The worth in every future, the lowest first, and the band over all."""
    known = table[table.why_not == ""]
    if known.empty:
        yield "NO FUTURE HAS FIGURES: the table says why."
        return
    low, high = float(known.worth_musd.min()), float(known.worth_musd.max())
    where = (
        f"lived in {facts['scenarios']:,} new scenarios each; in brackets: {facts['confidence']:.0%} intervals of the draw alone"
        if facts["scenarios"]
        else "lived in the plan's own scenarios"
    )
    where += "; penalties of soft rules left out" * facts["soft"]
    futures = f"{len(known)} future{'s' * (len(known) != 1)}"
    span = musd(low) if musd(low) == musd(high) else f"{musd(low)} to {musd(high)}"
    yield f"THE PLAN AS IT WAS MADE is worth {span} million USD over {futures} ({where})."
    order = table.worth_musd.argsort(kind="stable").tolist()
    rows, moved = list(rows_of(table)), table[["worth_musd", "loss_musd", "outlay_musd"]]
    still = ((moved - moved.iloc[0]).abs() < 1e-6).all(axis=1).tolist()
    for k in order[:MOST_SHOWN]:
        row, changes = rows[k], asked[k]
        named = (f"{address} {in_figures(address, value)}" for address, value in changes.items())
        name = ", ".join(named) or AS_MADE
        if row.why_not:
            yield f"  {name}: {row.why_not}"
            continue
        between = f" ({musd(row.worth_low_musd)} to {musd(row.worth_high_musd)})" if facts["scenarios"] else ""
        lost = f"{musd(row.loss_musd)} instead of {musd(row.loss_without_musd)}"
        note = "; no effect" * bool(changes and still[k]) + (f"; {row.note}" if row.note else "")
        yield f"  {name}: worth {musd(row.worth_musd)}{between}; expected loss {lost}{note}"
    if len(order) > MOST_SHOWN:
        yield f"  and {len(order) - MOST_SHOWN} more (table futures)"
