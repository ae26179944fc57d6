"""Reverse stress test: the shortest, and the least severe, disruption that breaks a promise.

A promise is broken if the shortfall of a segment, from the onset to the end of the disruption, exceeds the share of its demand
that was not promised (`world.events.short_of_promise`). Operations minimise cost.

A hazard occurs in each planned year in turn, with increasing length (or severity), and the plan operates through each event: the
hazard on the promise's material only, on all its materials, and all hazards together. The first break is refined by bisection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.notes import EITHER
from ..answer.result import Result
from ..answer.study import Study
from ..core.errors import Fault, InputError, near_miss, shown
from ..core.frames import rows_of
from ..core.runner import HERE, Runner
from ..core.verb import verb
from ..question.load import Promise, WrittenPromise
from ..question.names import Names
from ..question.plan import Event
from ..world.events import DisruptionEvent, combine_events, resolve_event, short_of_promise
from ..world.events import hazards as hazard_rows
from ..world.instance import DEFENCE, Instance
from ..world.scenarios import as_expected, ongoing_events, trunk_course
from .bracket import brackets
from .recourse import FirstStage
from .stress import evaluated

TOGETHER = "all together"
"""Name of the disruption in which all hazards occur together."""
STEPS = 12
"""Number of values tested before bisection."""
ROUNDS = 5
"""Number of bisections: the remaining interval is 1/32 of a step."""
COUNTED = {"episode": " over the whole disruption", "fiscal_year": " in every fiscal year"}
"""How a promise is counted, stated where the same one is counted both ways."""
COLUMNS = "material segment level per hazard scope start_year shortest_yr least_cut_share held tried_yr".split()


@verb
def reverse_stress(
    result: Result,
    *,
    promises: Annotated[
        Sequence[WrittenPromise] | None,
        Field(
            min_length=1,
            max_length=200,
            description="Promises to test, as material:segment:level (codes, and the share of demand that is served), e.g. "
            "ndfeb_magnet:civil:0.8. Default: the plan's service levels, or defence in full.",
        ),
    ] = None,
    hazards: Annotated[
        Sequence[str] | None,
        Field(
            min_length=1,
            max_length=200,
            description="Codes of hazards to test. Default: all hazards in the plan's scenarios.",
        ),
    ] = None,
    longest_yr: Annotated[float, Field(ge=0.1, le=60, description="Longest disruption to test, in years.")] = 8.0,
    run: Runner = HERE,
) -> Study:
    """Find the shortest and the least severe disruption that breaks a promise of the plan.

    Table `reverse`, one row a promise and disruption: material, segment, level, per, hazard (`TOGETHER`: all of them at once),
    scope (`alone`: the promise's material, `all`: every material of the hazard), start_year, shortest_yr (at the hazard's
    likeliest cut; NaN: holds up to tried_yr), least_cut_share (over the hazard's mean duration; NaN: holds at a full cut), held
    (True where neither breaks), tried_yr (the longest that the horizon holds, at most what was asked). Fact `notes`: minerals of
    which the aim does not say who runs short first; a promise to one user may then be kept at no more cost.

    Hazards that touch nothing of a promise's chain are left out. Hazards that occur together begin with their cuts, without
    floods. Operations follow least social cost, whatever the plan's aim.

    Raises InputError for a plan of one year and for unknown hazards or demands, UntrustedError where operations were not solved.
    """
    first = FirstStage.of(result.plan, result.data, result.solution)
    n = first.natural
    wanted = list(promises) if promises is not None else _promises(result, n)
    rows = hazard_rows(result.plan, result.data)
    known = {k.label for scenario in first.structure.scenarios.events for k in scenario} & set(rows) or set(rows)
    chosen = [name for name in rows if (name in hazards if hazards is not None else name in known)]
    years = [float(year) for year in n.calendar.planned_years[1:]]
    asked, demands = ([f"{p.material}:{p.segment}" for p in wanted], [":".join(pair) for pair in n.demands])
    faults = [*_unknown("hazards", hazards or (), rows), *_unknown("promises", asked, demands, "no demand for ")]
    if not years:
        expected = "a plan of several years: a single year has no later one in which a disruption can start"
        faults.append(Fault(result.plan.name, "", "plan", "a plan of one year", expected))
    if faults:
        raise InputError(faults)
    found: list[tuple[Any, ...]] = []
    bases = {name: resolve_event(Event(hazard=name, start_year=years[0]), rows[name]) for name in chosen}
    end = n.calendar.first_year + n.calendar.step * n.calendar.periods
    for hazard, scope, together, concerned in _disruptions(n, bases, wanted):
        ends = end - max(k.flood for k in together)
        most = min(longest_yr, ends - years[0])
        longer = _search(first, concerned, years, together, "duration", most, ends)
        harder = _search(first, concerned, years, together, "cut", 1.0)
        for promise, (start, shortest), (hard, least) in zip(concerned, longer, harder, strict=True):
            promised = promise.material, promise.segment, promise.level, promise.per
            held = bool(np.isnan(shortest) and np.isnan(least))
            found.append((*promised, hazard, scope, hard if np.isnan(start) else start, shortest, least, held, most))
    order = ["material", "segment", "level", "shortest_yr", "least_cut_share"]
    table = pd.DataFrame(found, columns=COLUMNS).sort_values(order, kind="stable", ignore_index=True)
    tied = result.tables["notes"]
    tied = tied[(tied["kind"] == EITHER) & tied["item"].isin({promise.material for promise in wanted})]
    notes = list(tied["note"])
    words = [*_breaks(table, Names.of(result.data)), *(f"  Note: {note}." for note in notes)]
    return Study("reverse", {"reverse": table}, words, {"notes": notes}, {"reverse": "What breaks each promise"})


def _unknown(what: str, names: Iterable[str], known: Collection[str], begin: str = "") -> Iterator[Fault]:
    """A fault for each name that is not known."""
    for name in dict.fromkeys(names):
        if name not in known:
            expected = f"one of {', '.join(known) or f'no {what}'}{near_miss(name, known)}"
            yield Fault("reverse_stress", "", what, f"{begin}{name}" if begin else shown(name), expected)


def _breaks(table: pd.DataFrame, names: Names) -> list[str]:
    """The table in words, with names in place of codes."""
    lines = [
        "REVERSE STRESS TEST: the shortest and the least severe disruption that breaks each promise, at the worst start (tested: "
        "the beginning of each fiscal year after the first; a promise is a share of demand that is served):"
    ]
    promise = ["material", "segment", "level", "per"]
    twice = table.groupby(promise[:3]).per.transform("nunique") > 1
    table = table.assign(
        counted=table.per.map(COUNTED).where(twice, ""),
        material=table.material.map(names.material),
        hazard=table.hazard.map(names.hazard),
    )
    for (material, segment, level, _), rows in table.groupby(promise):
        if rows.held.all():
            lines.append(
                f"  {material}, {segment} at {level:.0%}{rows.counted.iloc[0]}: kept in each of {len(rows)} disruptions "
                f"({'; '.join(rows.hazard.unique())}) of up to {rows.tried_yr.min():g} years, and in a complete cut of the "
                f"hazard's usual length"
            )
    broken = ~table.groupby(promise).held.transform("all").astype(bool)
    for row in rows_of(table[broken]):
        asked = f"{row.material}, {row.segment} at {row.level:.0%}{row.counted}"
        what = f"  {asked}, {row.hazard}{' on this material only' * (row.scope == 'alone')}:"
        if row.held:
            always = f"kept for up to {row.tried_yr:g} years, and in a complete cut of the hazard's usual length"
            lines.append(f"{what} {always}")
            continue
        lasts, cut = row.shortest_yr == row.shortest_yr, row.least_cut_share == row.least_cut_share  # NaN: holds
        long = f"kept for {row.tried_yr:g} years"
        if lasts:
            long = f"broken after {row.shortest_yr:.2f} years when it starts in FY{row.start_year:.0f}"
        hard = f"broken by a cut of {row.least_cut_share:.0%} or more" if cut else "kept at any cut"
        lines.append(f"{what} {long}; at the hazard's usual length, {hard}")
    return lines


def _disruptions(
    n: Instance, bases: dict[str, DisruptionEvent], wanted: list[Promise]
) -> Iterator[tuple[str, str, tuple[DisruptionEvent, ...], list[Promise]]]:
    """(hazard, materials hit, its events, promises concerned): `alone` only if a hazard has more materials than the promise's."""
    count, reached = len(bases), set[str]()
    alone = [(base,) for base in bases.values()]
    scenarios = combine_events(n, list(bases), np.full(count, 1.0), np.zeros(count, dtype=bool), alone)
    for k, (name, base) in enumerate(bases.items()):
        own = base.materials.split()
        struck = scenarios.onset[k, n.component] < n.calendar.periods
        touched = {material for material, hit in zip(n.materials, struck, strict=True) if hit}
        concerned = [promise for promise in wanted if promise.material in touched]
        reached |= touched
        if not concerned:
            continue
        yield name, "all", (base,), concerned
        for material in sorted({promise.material for promise in wanted}):
            if material in own[1:] + own[:-1] or own == ["*"]:
                yield name, "alone", (replace(base, materials=material),), [p for p in wanted if p.material == material]
    if count > 1 and any(promise.material in reached for promise in wanted):
        at_once = tuple(replace(base, flood=0.0) for base in bases.values())
        yield TOGETHER, "all", at_once, [promise for promise in wanted if promise.material in reached]


def _promises(result: Result, n: Instance) -> list[Promise]:
    """The plan's own promises, or full supply of defence."""
    levels = [s for s in result.plan.service_levels if (s.material, s.segment) in n.demands]
    if levels:
        own = {Promise(s.material, s.segment, s.level, s.per) for s in levels}
        return sorted(own, key=lambda p: (p.material, p.segment, p.level, p.per))
    first = np.flatnonzero(n.priority == DEFENCE)
    return [Promise(*n.demands[q], 1.0) for q in first.tolist()]


def _search(
    first: FirstStage,
    promises: list[Promise],
    years: list[float],
    bases: tuple[DisruptionEvent, ...],
    field: str,
    most: float,
    ends: float = np.inf,
) -> list[tuple[float, float]]:
    """(start year, smallest value of a field of the events) at which each promise breaks; NaN if it is kept up to `most`.

    ends: last value of year + value. Each round of bisection evaluates all starts of all promises together.
    """

    def broken(tried: Sequence[tuple[float, float]]) -> Any:
        changes: list[dict[str, Any]] = [{"start": start, field: value} for start, value in tried]
        return _broken(first, promises, [tuple(replace(base, **change) for base in bases) for change in changes])

    def breaks(values: list[float]) -> list[bool]:
        asked = [(year, value) for (_, year, _), value in zip(cells, values, strict=True)]
        tried = list(dict.fromkeys(asked))
        bad = broken(tried)
        return [bool(bad[tried.index(one), p]) for one, (p, _, _) in zip(asked, cells, strict=True)]

    grid = most * np.arange(1, STEPS + 1) / STEPS
    tried = [(year, float(x)) for year in years for x in grid if year + x <= ends + 1e-9]
    bad = broken(tried)
    cells: list[tuple[int, float, float]] = []
    for p in range(len(promises)):
        mine = [one for one, is_bad in zip(tried, bad[:, p], strict=True) if is_bad]
        least = min((x for _, x in mine), default=np.nan)
        cells += [(p, year, x) for year, x in mine if x == least]
    refined = brackets(breaks, [(x - most / STEPS, x) for _, _, x in cells], ROUNDS) if cells else []
    found: list[tuple[float, float]] = []
    for p in range(len(promises)):
        mine = [(value, year) for (q, year, _), (_, value) in zip(cells, refined, strict=True) if q == p]
        value, year = min(mine, default=(float("nan"), float("nan")))
        found.append((year, value))
    return found


def _broken(first: FirstStage, promises: list[Promise], events: list[tuple[DisruptionEvent, ...]]) -> Any:
    """(scenarios, promises) whether each promise is broken in the scenario of each disruption."""
    n = first.natural
    count = len(events)
    names = [f"event-{k + 1}" for k in range(count)]
    begun = as_expected(ongoing_events(first.plan, first.data, n.calendar))
    struck, trunk = [(*begun, *each) for each in events], trunk_course(n, first.data)
    scenarios = combine_events(n, names, np.full(count, 1 / count), np.zeros(count, dtype=bool), struck, trunk)
    short = evaluated(first, scenarios).short
    found = []
    for promise in promises:
        beyond, wanted = short_of_promise(n, scenarios, short, promise)
        found.append((beyond > 1e-6 * (1 + wanted)).any(axis=1))
    return np.stack(found, axis=1)
