"""Next year's plan from last year's, and why it differs: one cause after the other, each solved for.

The causes come in a fixed order: a year passes as planned; then what was really done and what happened; then the facts of the year;
then what the year has shown of the hazards. A cause that changes nothing in the question changes nothing in the plan."""

import types
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.notes import require_plain
from ..answer.result import Result
from ..answer.solving import solve_once
from ..answer.study import Study
from ..answer.year import ACTS, NEWS, ActRow, NewsRow, acts_of, decisions, news_facts, read_noted
from ..core.errors import Fault, InputError, PlanError, gathering, near_miss
from ..core.formats import SMALL_MUSD, capital, chance, in_tonnes, musd, some
from ..core.frames import rows_of, typed
from ..core.runner import HERE, Runner, checkpoint
from ..core.stats import TRACE_T
from ..core.verb import GAP, FromFile, Gap, verb
from ..matrix.problem import structure_of
from ..model.values import cover_needed
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Event, Ongoing, Plan, Scenario
from ..question.read_csv import load_dataset
from ..world.build import build_instance
from ..world.events import sampled
from ..world.instance import Instance
from ..world.scenarios import draws, for_ever, ongoing_events
from .carry import Question, State, as_done, as_planned, carried_rows, floor_place
from .learning import evidence_of, learned

# New facts of a year, entered into tables that already contain what was signed.
Tables = dict[str, tuple[Any, ...]]
"""Rows by table."""
COUNTED = {
    "stock": f"a row `stock` in the table of what was done ({ACTS})",
    "stock_origins": "none: origins follow from what was bought",
    "commitments": "none, but for those with a payer: they follow from what was signed",
    "payments_due": "none: they follow from what was signed",
    "hazard_evidence": "none: it follows from the events of the year",
}
"""Table of the state, which years leave and nobody publishes -> where its facts go instead."""
SIZES = ("capacity_t_per_yr", "capacity_t_per_yr_low", "capacity_t_per_yr_high", "normal_t_per_yr")
COSTS = ("capex_musd", "capex_musd_low", "capex_musd_high")
SIGNED = ("kappa", "kappa_low", "kappa_high", "lot_t_per_yr", "fee_usd_per_kg", "term_yr", "name")
"""What a contract makes of the part of a source that it reserves."""


def with_facts(data: Dataset, facts: Mapping[str, Sequence[Any]]) -> Tables:
    """Tables with new rows in them. Raises InputError for rows of the state that differ from it."""
    tables: Tables = {name: tuple(each) for name, each in data.tables.items()}
    _refuse_state(tables, facts)
    news = {name: tuple(rows) for name, rows in facts.items() if rows and name not in COUNTED}
    news["commitments"] = tuple(row for row in facts.get("commitments", ()) if row.payer is not None)
    parts, whole = _signed_before(tables)
    if "projects" in news:
        news["projects"] = tuple(_projects(news["projects"], parts, whole))
    for table, column in (("packages", "project"), ("ramps", "project")):
        news[table] = tuple(row for row in news.get(table, ()) if getattr(row, column) not in whole)
    if "hazards" in news:
        rates, known = {row.hazard: row.rate_per_yr for row in news["hazards"]}, tables.get("hazard_evidence", ())
        # a new rate has seen what the years have shown
        kept = (row for row in known if rates.get(row.hazard, row.prior_rate_per_yr) == row.prior_rate_per_yr)
        tables["hazard_evidence"] = tuple(kept)
    for table, column in (("yields", "producer"), ("feed_origins", "producer"), ("qualifications", "producer")):
        copies = [r.model_copy(update={column: p}) for r in news.get(table, ()) for p in parts.get(r.producer, {})]
        news[table] = (*news.get(table, ()), *copies)
    if "activities" in news:
        news["activities"] = (*news["activities"], *_of_parts(tables, news["activities"], parts))
    if "capacities" in news:
        tables["capacities"] = _capacities(tables.get("capacities", ()), news.pop("capacities"), parts)
    for table, rows in news.items():
        if rows:
            tables[table] = merged(tables.get(table, ()), rows)
    return tables


def merged(old: Sequence[Any], new: Sequence[Any]) -> tuple[Any, ...]:
    """Rows of which new ones replace those of the same key."""
    if not new:
        return tuple(old)
    key = type(new[0]).key
    return tuple({tuple(getattr(row, name) for name in key): row for row in (*old, *new)}.values())


def _refuse_state(tables: Tables, facts: Mapping[str, Sequence[Any]]) -> None:
    faults = []
    for table, where in COUNTED.items():
        known = set(tables.get(table, ()))
        strange = [row for row in facts.get(table, ()) if row not in known and not getattr(row, "payer", None)]
        if strange:
            named = ", ".join(str(getattr(strange[0], column)) for column in strange[0].key)
            faults.append(Fault(f"{table}.csv", "", "", f"another row for {named} than the plan reached", where))
    if faults:
        raise InputError(faults)


def _signed_before(tables: Tables) -> tuple[dict[str, dict[str, float]], set[str]]:
    """Source or project -> producers that were split off it, with their share of a project; and projects that are plants now."""
    parts: dict[str, dict[str, float]] = defaultdict(dict)
    for row in tables.get("commitments", ()):
        if row.kind in ("contract", "package") and row.producer != row.item:
            parts[row.item][row.producer] = row.share
    choices = {row.project for row in tables.get("projects", ())}
    signed = {row.item for row in tables.get("commitments", ()) if row.kind == "package"}
    plants = {row.activity for row in tables.get("activities", ())}  # those of owners have no commitment
    return parts, (signed | plants) - choices


def _projects(rows: Sequence[Any], parts: Mapping[str, Mapping[str, float]], whole: set[str]) -> list[Any]:
    """Projects that may still be signed: no plants, nor what plants exclude; of those signed in part what is left."""
    barred = {name for row in rows if row.project in whole for name in row.excludes.split()}
    found = []
    for row in rows:
        if row.project in whole | barred or set(row.excludes.split()) & whole:
            continue
        left = 1 - sum(parts.get(row.project, {}).values())
        update: dict[str, Any] = {"needs": " ".join(name for name in row.needs.split() if name not in whole)}
        if left < 1:
            sizes = ((name, getattr(row, name)) for name in ("capacity_t_per_yr", *COSTS))
            update |= {name: None if value is None else left * value for name, value in sizes}
        found.append(row.model_copy(update=update))
    return found


def _of_parts(tables: Tables, news: Sequence[Any], parts: Mapping[str, Mapping[str, float]]) -> list[Any]:
    """New facts on a source for those parts of it that are under contract."""
    old = {row.activity: row for row in tables.get("activities", ())}
    found = []
    for row in news:
        for part in parts.get(row.activity, {}):
            if part in old:
                kept = {name: getattr(old[part], name) for name in SIGNED}
                found.append(row.model_copy(update={"activity": part, **kept}))
    return found


def _capacities(old: Sequence[Any], news: Sequence[Any], parts: Mapping[str, Mapping[str, float]]) -> tuple[Any, ...]:
    """Capacities, of which a new one is that of the whole source: what is under contract stays so, the rest changes."""
    split = {row.activity for row in news if parts.get(row.activity)}
    found = list(merged(old, [row for row in news if row.activity not in split]))
    for activity in sorted(split):
        mine = {a: _series(old, a) for a in (activity, *parts[activity])}
        years = sorted({year for series in mine.values() for year in series})
        whole: dict[int, Any] = {}
        for year in years:
            now = [row for series in mine.values() if (row := _in_force(series, year)) is not None]
            sizes = {name: _sum(now, name) for name in SIZES}
            if not whole or any(value != getattr(whole[max(whole)], name) for name, value in sizes.items()):
                whole[year] = now[0].model_copy(update={"from_year": year, **sizes})
        whole |= _series(news, activity)
        found = [row for row in found if row.activity != activity]
        for year in sorted({*whole, *years}):
            total = _in_force(whole, year)
            if total is None:
                continue
            held = [row for name in parts[activity] if (row := _in_force(mine[name], year)) is not None]
            reserved = sum(row.capacity_t_per_yr for row in held)
            share = max(0.0, 1 - reserved / total.capacity_t_per_yr) if total.capacity_t_per_yr > 0 else 0.0
            sizes = {name: None if (v := getattr(total, name)) is None else share * v for name in SIZES}
            found.append(total.model_copy(update={"activity": activity, "from_year": year, **sizes}))
    return tuple(found)


def _series(rows: Sequence[Any], activity: str) -> dict[int, Any]:
    return {row.from_year: row for row in rows if row.activity == activity}


def _in_force(series: Mapping[int, Any], year: int) -> Any:
    """The row that holds in a year; None before the first."""
    years = [start for start in series if start <= year]
    return series[max(years)] if years else None


def _sum(rows: Sequence[Any], name: str) -> float | None:
    values = [getattr(row, name) for row in rows]
    return None if any(value is None for value in values) else float(sum(values))


# What happened in the years that are over, as the next plan has it: events in force, lifted, announced, suspended.
OVER = ("suspended", "ended")
EVENT_FIELDS = tuple("hazard countries materials cut_share price_multiplier severity stretch duration_years".split())


def check_events(plan: Plan, data: Dataset, happened: Sequence[NewsRow], first: int, until: float) -> None:
    """Refuse rows that the next plan could not mean. first: its first year; until: date by which what is in force has to have
    begun. Raises InputError."""
    file = NEWS
    known = {item.name for group in (plan.ongoing, plan.controls, plan.scenarios) for item in group}
    begun = {row.item for row in happened if row.status == "in force"}
    hazards = [row.hazard for row in data.rows("hazards")]
    materials = [row.material for row in data.rows("materials")]
    faults = []
    for line, row in enumerate(happened, start=2):

        def fault(column: str, found: object, expected: str, line: int = line) -> None:
            faults.append(Fault(file, str(line), column, f"'{found}'", expected))

        if row.hazard is not None and row.hazard not in hazards:
            fault("hazard", row.hazard, f"a hazard of hazards.csv{near_miss(row.hazard, hazards)}")
        for name in (row.materials or "").split():
            if name != "*" and name not in materials:
                fault("materials", name, f"materials of the tables{near_miss(name, materials)}")
        if row.status in OVER and row.probability is None and row.item not in known | begun:
            what = "an event in force, a control or a scenario of the plan"
            fault("item", row.item, f"{what}{near_miss(row.item, known | begun)}")
        if row.status == "announced" and row.from_year is not None and row.from_year < first:
            fault("from_year", f"{row.from_year:g}", f"a date from {first} on; what has come is `in force` or `ended`")
        if row.status == "in force" and row.from_year is not None and row.from_year >= until:
            fault("from_year", f"{row.from_year:g}", f"a date before {until:g}; what is to begin later is `announced`")
    expected = sum(row.probability or 0.0 for row in happened if row.status in ("announced", "suspended"))
    if expected > 1:
        faults.append(Fault(file, "", "probability", f"{expected:g} in all", "at most 1: one scenario happens at most"))
    if faults:
        raise InputError(faults)


def watched(news: Iterable[NewsRow]) -> set[str]:
    """Hazards that somebody watched: one has begun, or a row names what was read. No news is not good news."""
    return {
        row.hazard for row in news if row.kind == "event" and row.hazard and (row.status == "in force" or row.source)
    }


def lifted(name: str, happened: Iterable[NewsRow]) -> bool:
    """Whether a measure or event is in force no more."""
    return any(row.item == name and row.status in OVER for row in happened)


def in_force(plan: Plan, happened: Sequence[NewsRow]) -> tuple[Ongoing, ...]:
    """Events in force: those from before that were not lifted, and those that began."""
    begun = {row.item for row in happened if row.status == "in force"}
    kept = [event for event in plan.ongoing if not lifted(event.name, happened) and event.name not in begun]
    for row in happened:
        if row.status == "in force" and not lifted(row.item, happened):
            stated = _stated(plan, row)
            if row.remaining_years is not None:
                stated["remaining_years"] = row.remaining_years
            if row.hazard is None:  # nobody knows its whole length
                stated.setdefault("duration_years", row.remaining_years)
            kept.append(Ongoing.model_validate({"name": row.item, "start_year": row.from_year, **stated}))
    return tuple(kept)


def to_come(plan: Plan, happened: Sequence[NewsRow], begin: float) -> tuple[Scenario, ...]:
    """Scenarios of what was announced, and of what was suspended and may come back. What the plan lists after the event of that
    name follows as long after it. begin: earliest date of an event."""
    found = []
    for row in happened:
        if row.status in ("announced", "suspended") and row.probability and row.from_year is not None:
            start = max(begin, row.from_year)
            event = Event.model_validate({**_stated(plan, row), "start_year": start})
            listed = next((s.events for s in plan.scenarios if s.name == row.item), (event,))
            later = start - listed[0].start_year
            more = (one.model_copy(update={"start_year": max(begin, one.start_year + later)}) for one in listed[1:])
            found.append(Scenario(name=row.item, probability=row.probability, events=(event, *more)))
    return tuple(found)


def _stated(plan: Plan, row: NewsRow) -> dict[str, Any]:
    """What is known of an event: what its row says, and for empty cells what the plan says of the event of that name."""
    listed: list[Event] = [event for event in plan.ongoing if event.name == row.item]
    listed += [scenario.events[0] for scenario in plan.scenarios if scenario.name == row.item]
    dated = {"name", "start_year", "remaining_years", "ended_year"}
    planned = (event.model_dump(exclude_defaults=True, exclude=dated) for event in listed if event.hazard == row.hazard)
    own = {name: value for name in EVENT_FIELDS if (value := getattr(row, name)) is not None}
    return next(planned, {}) | own


def lasting(plan: Plan, happened: Sequence[NewsRow], end: float) -> dict[str, float]:
    """Hazard -> date until which an event of it was in force from before the plan. end: date for those that go on."""
    found: dict[str, float] = {}
    for event in plan.ongoing:
        if event.hazard is None or event.start_year >= plan.horizon.first_year:
            continue
        over = [r.from_year for r in happened if r.item == event.name and r.status in OVER and r.from_year is not None]
        dates = [date for date in (*over, event.ended_year) if date is not None]
        found[event.hazard] = max(found.get(event.hazard, 0.0), min(dates, default=end))
    for control in plan.controls:
        if control.in_force and control.hazard is not None:
            found[control.hazard] = max(found.get(control.hazard, 0.0), control.until_year)
    return found


# Next year's question: the plan moved on, the tables with new facts and what was signed in them, events that began or were lifted.
Horizon = Literal["fixed", "rolling"]
CHANCES = 4096
"""Draws from which the chance is read off that nothing has happened yet."""


class NextQuestion(NamedTuple):
    """A question to be solved."""

    plan: Plan
    data: Dataset
    moved: tuple[str, ...] = ()
    """What is not where planner or plan had put it, a sentence each."""


def next_question(
    question: Question,
    plan: Plan,
    data: Dataset,
    state: State,
    happened: Sequence[NewsRow] = (),
    facts: Mapping[str, Sequence[Any]] | None = None,
    *,
    horizon: Horizon = "fixed",
    learning: Collection[str] = (),
    fresh_draws: bool = True,
    chances: int = CHANCES,
) -> NextQuestion:
    """The question after the years of a state.

    facts: table -> rows that replace those of the same key, and are added where there is none. learning: hazards whose rates are
    those after what the years have shown. fresh_draws: scenarios are drawn anew from the new first year; False: those of the old
    plan in which nothing has happened so far are kept, so that no difference is luck. chances: draws that give its chance.

    Raises PlanError where nothing would be left to plan, ValueError and InputError as `as_planned` and tables."""
    n = question.natural
    first = n.calendar.first_year + state.periods // n.calendar.per_year
    source = f"carried over from {plan.name}, FY{plan.horizon.first_year}"
    check_events(plan, data, happened, first, first + n.calendar.step)
    happened = [row for row in happened if row.kind == "event" and (row.status or row.happened) is not None]
    moved = _moved(plan, data, question, state, happened, first, horizon, fresh_draws, chances)
    # before anything is carried: a new row of a source is split as the old one was
    tables = with_facts(data, facts or {})
    now = Dataset(types.MappingProxyType(tables), data.name)
    rows: dict[str, list[Any]] = carried_rows(question, state, now, source)
    if learning:
        end = n.calendar.first_year + n.calendar.step * n.calendar.periods
        over = lasting(plan, happened, end)
        shown = evidence_of(data.rows("hazards"), happened, float(plan.horizon.first_year), float(first), over)
        evidence = {hazard: of for hazard, of in shown.items() if hazard in learning}
        believed = {o.hazard: o.rate_per_yr for o in plan.hazards if o.rate_per_yr is not None}
        rows = learned(rows, evidence, {"source": source, "year": first, "confidence": "derived"}, believed)
        moved = _with_rates_of(moved, {row.hazard for row in rows["hazard_evidence"]})
    kept = {name: tuple(each) for name, each in rows.items() if each or name in data.tables}
    names = Names.of(data)
    known, signed = {row.activity for row in now.rows("activities")}, {row.item for row in rows["commitments"]}
    built = [row.activity for row in rows["activities"] if row.activity not in known and row.activity not in signed]
    built = [code for code in built if any(project.name == code for project in n.projects)]
    alone = (
        f"Taken as begun by their owners without support, with what they make: {', '.join(map(names.producer, built))}."
    )
    notes = (*_moved_in_words(plan, moved, happened, names), *_contracts_in_words(question, state, names))
    return NextQuestion(moved, Dataset(types.MappingProxyType(kept), data.name), (*notes, *[alone] * bool(built)))


def _moved_in_words(plan: Plan, moved: Plan, happened: Sequence[NewsRow], names: Names) -> Iterator[str]:
    """What the next plan has at another date than stated, or no more although nothing states that it is over."""
    begins = {s.name: s.events[0].start_year for s in moved.scenarios}
    for row in happened:
        if row.from_year is not None and begins.get(row.item, 0.0) > row.from_year:
            dates = f"was {row.status} for {row.from_year:g}; in the new plan it begins in {begins[row.item]:g}"
            yield f"{row.item} {dates}: a plan knows no new event before its second period."
    for gone in plan.scenarios:
        if gone.name not in {*begins, *(row.item for row in happened)}:
            date = min(event.start_year for event in gone.events)
            begin = f"it was to begin in {date:g}, and no news says that it did, or is still to come"
            yield f"{gone.name} ({chance(gone.probability)}) is left out: {begin}."
    kept = {level.model_copy(update={"scenarios": ()}) for level in moved.service_levels}
    for level in plan.service_levels:
        if level.model_copy(update={"scenarios": ()}) not in kept:
            promise = f"{names.material(level.material)} ({level.segment}, {level.level:.0%})"
            begun = {one.name for one in moved.ongoing}.intersection(level.scenarios)
            why = "its event is in force, and a promise is about those to come"
            yield f"The promise for {promise} is left out: {why if begun else 'no scenario is left in which it is to hold'}."
    now = {s.name: chance(s.probability) for s in moved.scenarios}
    new = [
        f"{s.name} {now[s.name]} (was {was})"
        for s in plan.scenarios
        if now.get(s.name, was := chance(s.probability)) != was
    ]
    if new:
        yield f"Chances, given what has happened and what has not: {some(new)}."
    if drawn := [one.name for one in moved.ongoing if one.remaining_years is None and one.ended_year is None]:
        yield f"In force, end unknown (drawn from how long such events last): {some(drawn)}."


def _contracts_in_words(question: Question, state: State, names: Names) -> list[str]:
    """Ends within a year, of which tables know the whole: a closure lasts to its end, a contract gives its part throughout; and
    contracts that begin with the new plan, which were signed before it."""
    n, whole = question.natural, "the tables hold whole years, so that it"
    ends = [
        (f"The closure of {names.producer(source)}", date, "counts to the end of")
        for source, date in state.closed.items()
    ]
    for c, _ in state.contracts:
        what, date = names.producer(n.producers[c.source]), n.calendar.first_year + n.calendar.step * c.end
        ends.append((f"The contract with {what}", date, f"counts with {date % 1:.0%} of its tonnes in all of"))
    found = [f"{what} ends in {date:g}; {whole} {how} FY{int(date)}." for what, date, how in ends if date % 1 > 1e-9]
    begins = [names.producer(n.producers[c.source]) for c, _ in state.contracts if c.start == state.periods]
    signed = f"with {some(begins)}: a row `contract` of {ACTS} with 0 under `done` says otherwise"
    return [*found, *[f"Taken as signed before they begin with this plan: contracts {signed}."] * bool(begins)]


def _with_rates_of(plan: Plan, hazards: Collection[str]) -> Plan:
    """The plan without rates of its own for hazards whose rates the tables have learned."""
    changed = [o.model_copy(update={"rate_per_yr": None}) if o.hazard in hazards else o for o in plan.hazards]
    kept = [o for o in changed if any(value is not None for name, value in o if name != "hazard")]
    return plan if list(plan.hazards) == kept else plan.model_copy(update={"hazards": tuple(kept)})


def _moved(
    plan: Plan,
    data: Dataset,
    question: Question,
    state: State,
    happened: Sequence[NewsRow],
    first: int,
    horizon: Horizon,
    fresh_draws: bool,
    chances: int,
) -> Plan:
    """The plan from a later year on."""
    n, passed = question.natural, first - plan.horizon.first_year
    years = plan.horizon.years - (passed if horizon == "fixed" else 0)
    if years < 1:
        expected = f"more than the {passed} that have passed"
        raise PlanError([Fault("plan", "", "horizon.years", str(plan.horizon.years), expected)])
    tail = (n.calendar.periods - n.calendar.planned) // n.calendar.per_year
    last = first + years - 1
    money: dict[str, Any] = {"carried_in_musd": state.kept_musd}
    if (loan := plan.budget.loan) is not None:
        owed, due = state.owed
        stated = loan.due_year if loan.due_year is not None and loan.due_year >= first else None
        money["loan"] = loan.model_copy(update={"owed_musd": owed, "due_year": due if owed > 0 else stated})
    if plan.budget.total_musd is not None:
        money["total_musd"] = max(0.0, plan.budget.total_musd - state.spent_musd)
    open_years = {
        name: None if asked is None else tuple(year for year in asked if first <= year <= last)
        for name in ("signing_years", "contract_years")
        for asked in (getattr(plan.instruments, name),)
    }
    markets = [question.structure.support.markets[m] for m in state.floors]
    chosen = {n.materials[n.market_floors[floor_place(n, m.floor.name)].floor.material] for m in markets}
    menus = tuple(m for m in plan.instruments.price_floors if m.scope != "market" or m.material not in chosen)
    begin = first + n.calendar.step  # events of the new plan begin with its second period
    listed, chance = _still_to_come(plan, data, n, begin, {row.item for row in happened}, chances)
    basis = {scenario.name for scenario in plan.scenarios if scenario.design_basis}  # promises go on naming them
    coming = [s.model_copy(update={"design_basis": s.name in basis}) for s in to_come(plan, happened, begin)]
    taken = sum(s.probability for s in coming)  # what was announced takes its probability from all else
    scenarios = (*(s.model_copy(update={"probability": s.probability * (1 - taken)}) for s in listed), *coming)
    sample = plan.sample
    if sample is not None:
        quiet = min(1.0, sample.quiet_probability / chance * (1 - taken))
        drawn = None if fresh_draws else sample.drawn_from_year or plan.horizon.first_year
        sample = sample.model_copy(update={"quiet_probability": quiet, "drawn_from_year": drawn})
    names = {s.name for s in scenarios}
    levels = [
        level.model_copy(update={"scenarios": tuple(name for name in level.scenarios if name in names)})
        for level in plan.service_levels
    ]
    spans = (plan.horizon.first_year, plan.horizon.years), (first, years)
    before, now = (f"FY{year}-{year + count - 1}" for year, count in spans)
    moved = plan.model_copy(
        update={
            "title": plan.title.replace(before, now),
            "horizon": plan.horizon.model_copy(update={"first_year": first, "years": years, "tail_years": tail}),
            "budget": plan.budget.model_copy(update=money),
            "instruments": plan.instruments.model_copy(update={**open_years, "price_floors": menus}),
            "controls": tuple(c for c in plan.controls if c.until_year > first and not lifted(c.name, happened)),
            "ongoing": in_force(plan, happened),
            "scenarios": scenarios,
            "sample": sample,
            "service_levels": tuple(level for level in levels if level.scenarios),
        }
    )
    return Plan.model_validate(moved.to_toml_like())


def _still_to_come(
    plan: Plan, data: Dataset, n: Instance, begin: float, news: Collection[str], chances: int
) -> tuple[list[Scenario], float]:
    """Listed scenarios in which nothing has happened so far, at their probability given that; and the chance of that. news: names
    of events of which there is news, which replaces the plan's own statement of them."""
    listed = [s for s in plan.scenarios if s.name not in news and min(event.start_year for event in s.events) >= begin]
    quiet, sampled = max(0.0, 1.0 - sum(s.probability for s in plan.scenarios)), 0.0
    if plan.sample is not None:
        rest, quiet = quiet, min(quiet, plan.sample.quiet_probability)
        sampled = (rest - quiet) * _untouched(plan, data, n, begin, chances)
    chance = sum(s.probability for s in listed) + quiet + sampled
    if chance <= 0:
        return [], 1.0
    return [s.model_copy(update={"probability": min(1.0, s.probability / chance)}) for s in listed], chance


def _untouched(plan: Plan, data: Dataset, n: Instance, begin: float, chances: int) -> float:
    """Share of the plan's draws in which nothing new has begun before a date."""
    assert plan.sample is not None
    count = chances if plan.sample.draws is not None else plan.sample.scenarios
    drawn = draws(n, data, plan.sample, count, plan.sample.seed)
    begun = len(for_ever(ongoing_events(plan, data, n.calendar)))
    quiet = [all(event.start >= begin for event in events[begun:]) for events in drawn]
    return float(np.mean(quiet)) if quiet else 1.0


# What planning again gives: the new plan, the state that it starts from, and what changed it, cause by cause.
AS_PLANNED = "the year passed as planned"
STATE = "what was done and what happened"
FACTS = "new facts"
EVIDENCE = "evidence on hazards"
WHY_COLUMNS = {"cause": "text", "changed": "text"} | dict.fromkeys(
    "worth_musd difference_musd expected_loss_musd outlay_musd".split(), "number"
)
"""Columns of the table `why` and their kinds."""


def causes_in_words(why: pd.DataFrame) -> list[str]:
    """A line a cause: what it does to the worth of the plan."""
    lines = []
    for row in rows_of(why):
        text = f"{row.difference_musd:+,.1f}, to {row.worth_musd:,.1f}; it spends {row.outlay_musd:,.1f}"
        if row.cause == AS_PLANNED:
            text = f"the plan is worth {row.worth_musd:,.1f}; it spends {row.outlay_musd:,.1f} by its end"
        elif row.changed == "no":
            text = "none"
        lines.append(f"  {row.cause}: {text}")
    changed = list(why[(why.cause != AS_PLANNED) & (why.changed == "yes")].cause)
    if len(changed) == 1:
        lines.append(f"  The only cause of what differs from the plan of before: {changed[0]}.")
    elif not changed:
        lines.append(
            "  Nothing but time has passed: what differs comes of the end, planned again, and of scenarios drawn or left out anew."
        )
    return lines


def _to_do(result: Result) -> list[str]:
    """What is due in the first year of a plan, and what it costs."""
    first, due, money = result.plan.horizon.first_year, acts_of(result), result.tables["budget"].iloc[0]
    acts = [
        f"  {does.capitalize()}: {about}, {how}"
        for (does, about), how in decisions(due[due.fiscal_year == first]).items()
    ]
    before = f", {musd(money.signed_before_musd)} of it for what was signed before" * bool(money.signed_before_musd > 0)
    kept = result.plan.budget.carried_in_musd
    early = min(money.outlay_musd - money.appropriation_musd - kept, -money.carried_out_musd)
    drawn = f" ({musd(-kept)} of it drawn the year before)" * (kept <= -SMALL_MUSD)
    of = [f"{musd(money.appropriation_musd)} appropriated{drawn}"]
    of += [f"{musd(kept)} kept from before"] * (kept >= SMALL_MUSD)
    of += [f"{musd(early)} of the next year's"] * bool(early >= SMALL_MUSD)
    cost = f"  The year costs {musd(money.outlay_musd)}{before}, of {some(of)}."
    return [f"DO IN FY{first} (million USD):", *(acts or ["  Nothing new to buy, sign or support."]), cost]


def _not_learned(result: Result, known: Collection[str]) -> list[str]:
    """The hazards of a plan that draws them of which no news says whether they struck, in a sentence; none where there is none."""
    rows = sampled(result.plan, result.data) if result.plan.sample is not None else ()
    unknown = [row.name or row.hazard for row in rows if row.hazard not in known]
    why = f"{NEWS} names no source for them (a row without status whose `source` says what was read)"
    return [f"RATES THAT STAY: {some(unknown)}. {why}."] if unknown else []


def _done_otherwise(before: Result, now: Result) -> Iterator[str]:
    """What the years that both plans have were to hold by the plan of before, and hold now, where they do not agree. A contract
    that begins with the first of them was signed before."""
    first = now.plan.horizon.first_year
    bound = {row.item for row in now.data.rows("commitments") if row.kind == "contract" and row.from_year == first}
    had = acts_of(before)
    had = had[~((had.kind == "contract") & (had.fiscal_year == first) & had.item.isin(bound))]
    old, new = (decisions(acts[acts.fiscal_year >= first]) for acts in (had, acts_of(now)))
    for key in dict.fromkeys([*old, *new]):
        was, is_now = (of.get(key, "nothing") for of in (old, new))
        if was != is_now:
            yield f"  {capital(' '.join(key))}: before {was}; now {is_now}."


def _cover_otherwise(old: Instance, now: Result) -> Iterator[str]:
    """Days of cover that come to other tonnes than in the plan of before: a plant that now makes at home lowers net imports."""
    if not now.plan.days_of_cover:
        return
    new = build_instance(now.plan, now.data)
    shift = round((new.calendar.first_year - old.calendar.first_year) / new.calendar.step)
    for rule in now.plan.days_of_cover:
        of = new.materials.index(rule.material)
        was, needs = (cover_needed(n, rule, of) for n in (old, new))
        for t, (before, after) in enumerate(zip(was[shift : old.calendar.planned], needs, strict=False)):
            active = new.calendar.years[new.calendar.year_index[t]] >= rule.from_year
            if active and abs(after - before) > max(TRACE_T, 1e-3 * before):
                name = Names.of(now.data).material(rule.material)
                tonnes = f"{in_tonnes(after)} from FY{new.calendar.period_label(t)} on"
                then = f"{in_tonnes(before)} in the plan before: home output or demand changed"
                yield f"  {rule.days:g} days of net imports of {name}: {tonnes}, {then}."
                break


def question_of(result: Result) -> Question:
    """What a solved plan leaves its state to."""
    structure, natural = structure_of(result.plan, result.data)
    return Question(structure, natural, result.solution)


@verb
def roll(
    result: Result,
    *,
    acts: Annotated[
        Sequence[ActRow],
        FromFile(partial(read_noted, kind=ActRow), beside=ACTS),
        Field(description=f"Table (CSV) of what was done; {ACTS} of the run folder, where none is named."),
    ] = (),
    news: Annotated[
        Sequence[NewsRow],
        FromFile(partial(read_noted, kind=NewsRow), beside=NEWS),
        Field(description=f"Table (CSV) of what happened; {NEWS} of the run folder, where none is named."),
    ] = (),
    facts: Annotated[
        Dataset | Path | None,
        FromFile(Path),
        Field(
            description="Folder of tables published anew, or of a few rows of them: rows of a known key are replaced."
        ),
    ] = None,
    years: Annotated[int, Field(ge=1, le=40, description="Fiscal years that have passed.")] = 1,
    horizon: Annotated[
        Horizon,
        Field(description="fixed: the end year stays; rolling: as many years as before, series hold their last value."),
    ] = "fixed",
    learning: Annotated[
        bool,
        Field(
            description="Whether the years change the rates of hazards on which the news names a source, unless known."
        ),
    ] = True,
    fresh_draws: Annotated[
        bool, Field(description="Draw scenarios anew; else last year's, as far as nothing has happened in them.")
    ] = True,
    gap: Gap = GAP,
    run: Runner = HERE,
) -> Study:
    """Plan again after a year: the state that it left, what happened, new facts; with what each changed.

    result: last year's plan, as it was solved. The study carries the new plan in `result`. Tables: `why`, a row a cause, in order;
    each adds to those above it: changed (whether it changes the question), worth_musd of the plan then, difference_musd to the row
    above, expected_loss_musd, outlay_musd of the planned years.

    Raises PlanError where nothing would be left to plan, InputError for rows that do not fit the plan and for a plan extended by
    own code, and as `solve_once`.
    """
    require_plain(result.tables, settled=True)
    new = load_dataset(facts, result.plan.home) if isinstance(facts, Path) else facts
    left = result.plan.horizon.years - 1
    if not 1 <= years <= left:
        expected = f"1 to {left}: a year at least is left to plan" if left else "a plan of more than one year"
        raise PlanError([Fault("plan", "", "years", str(years), expected)])
    fixed_rates = learning and result.plan.sample is not None and result.plan.sample.rates == "known"
    learning = learning and not fixed_rates
    question = question_of(result)
    planned, faults = as_planned(question, years), list[Fault]()
    with gathering(faults):
        reached = as_done(question, years, acts, news)
    entered: Tables = {} if new is None else dict(new.tables)
    with gathering(faults):
        for table, new_rows in news_facts(
            news, result.plan, result.data, result.plan.horizon.first_year + years
        ).items():
            entered[table] = merged(entered.get(table, ()), new_rows)
    if faults:
        raise InputError(faults)
    asked: dict[str, Any] = {"horizon": horizon, "fresh_draws": fresh_draws}

    def step(state: State, events: Sequence[NewsRow], known: Tables, learns: Collection[str] = ()) -> NextQuestion:
        return next_question(question, result.plan, result.data, state, events, known, learning=learns, **asked)

    steps = [
        (AS_PLANNED, step(planned, (), {})),
        (STATE, step(reached, news, {})),
        (FACTS, step(reached, news, entered)),
        (EVIDENCE, step(reached, news, entered, watched(news) if learning else ())),
    ]
    solved: list[Result] = []
    rows = [_row("", None, result)]
    for n, (cause, asked_now) in enumerate(steps):
        same = n > 0 and _same(asked_now, steps[n - 1][1])
        checkpoint(f"planning again: {cause}")
        solved.append(solved[-1] if same else solve_once(asked_now.plan, asked_now.data, gap=gap))
        rows.append(_row(cause, not same, solved[-1]))
    frame = pd.DataFrame(rows)
    frame["difference_musd"] = frame["worth_musd"].diff()
    frame.loc[:1, "difference_musd"] = None  # the plan of before, and the year as planned
    why = typed(frame.iloc[1:], WHY_COLUMNS)
    new_plan, now = solved[-1].plan, solved[-1].plan.horizon
    stated = {
        "plan": new_plan.name,
        "first_year": now.first_year,
        "years": now.years,
        "horizon": horizon,
        "learning": learning,
        "causes": list(why[(why.changed == "yes") & (why.cause != AS_PLANNED)].cause),
        "moved": list(steps[-1][1].moved),
    }
    years_now = f"FY{now.first_year} to FY{now.first_year + now.years - 1}"
    moved = [f"  {line}" for line in steps[-1][1].moved]
    words = [
        f"PLANNED AGAIN: {new_plan.name}, {years_now}, after the plan of FY{result.plan.horizon.first_year}.",
        *_to_do(solved[-1]),
        f"WHY IT DIFFERS from that plan (million USD, discounted to FY{now.first_year}):",
        *causes_in_words(why),
        *_done_otherwise(result, solved[-1]),
        *_cover_otherwise(question.natural, solved[-1]),
        *(["MOVED OR LEFT OUT:", *moved] if moved else []),
        *(_not_learned(result, watched(news)) if learning else []),
        *["RATES THAT STAY: all. The plan takes them for known (sample.rates)."] * fixed_rates,
    ]
    return Study("roll", {"why": why}, words, stated, {"why": "What changed the plan"}, solved[-1])


def _same(one: NextQuestion, other: NextQuestion) -> bool:
    """Whether two questions are the same but for the hazards' evidence."""

    def tables(question: NextQuestion) -> dict[str, str]:
        return {name: digest for name, digest in question.data.hashes().items() if name != "hazard_evidence"}

    return one.plan == other.plan and tables(one) == tables(other)


def _row(cause: str, changed: bool | None, result: Result) -> dict[str, Any]:
    """What a step comes to."""
    return {
        "cause": cause,
        "changed": "" if changed is None else "yes" if changed else "no",
        "worth_musd": result.figures.value("worth_musd"),
        "expected_loss_musd": result.figures.value("expected_loss_musd"),
        "outlay_musd": result.figures.total("outlay_by_year_musd"),
    }
