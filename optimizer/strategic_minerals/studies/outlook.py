"""What can happen, before any solve: how often, for how long and how severely each material is disrupted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.study import Study
from ..core.formats import chance
from ..core.frames import Floats, rows_of, typed
from ..core.runner import HERE, Runner
from ..core.stats import MONTHS_PER_YEAR, NINE_OF_TEN
from ..core.verb import verb
from ..question.base import grouped
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.estimates import LEVEL, calibrate, clipped
from ..question.names import Names
from ..question.plan import Plan
from ..world.build import build_instance
from ..world.draws import durations, severities
from ..world.events import (
    HazardProfile,
    ScenarioSet,
    describe,
    drawn_spreads,
    hazards,
    longest_event,
    profiles_of,
    sampled,
)
from ..world.events import year_equivalents as by_profile
from ..world.instance import Instance
from ..world.loss_values import headline, length_in_words, rate_in_words, rates_in_words, span_in_words
from ..world.scenarios import build_scenarios, cvar_of, loss_proxy, losses_by_period, population, quantile

# Disruptions as they were observed beside what the table of hazards says of them: is the model harsher than history?


LENGTHS, DEPTHS = 1024, 64
"""Equally likely durations and cuts; a hazard's year-equivalents are those of all pairs. Durations have the longer tail: with so
many the mean of a lognormal over a factor of 17 is within 0.3 %."""
CONTROLS = ("licence", "embargo")
"""Kinds of hazard that an observed control may be one of, where no hazard names its event."""
EXACT = 1e-9
"""Relative difference below which year-equivalents are the same."""
REPLAY = dict.fromkeys(
    (
        "event disruption profile material flow peak_share loss_months known_months record_months net_yr gross_yr running "
        "hazard hazard_name hazard_mean_yr hazard_low_yr hazard_high_yr ratio verdict"
    ).split(),
    "number",
) | dict.fromkeys("event disruption profile material flow running hazard hazard_name verdict".split(), "text")
"""Columns of a replay and their kinds."""
LOSS = 0.05
"""Share of loss from which on a month counts as one of loss: a material is tight only beyond it."""


@dataclass(frozen=True)
class Course:
    """Losses of one flow of an event, from the rows of a profile. Months are counted from the onset."""

    profile: str
    events: tuple[str, ...]
    materials: tuple[str, ...]
    form: str
    destination: str
    flow: str
    onset: Any
    """Day of the onset."""
    running: bool
    """It went on at the end of the record: what was lost so far is a lower bound."""
    steps: tuple[tuple[float, float, float | None], ...]
    """(from, to, share lost) of each period; None: not known."""

    @property
    def known(self) -> list[tuple[float, float]]:
        """(length in months, share lost) of the known periods since the onset."""
        return [(end - max(begin, 0.0), share) for begin, end, share in self.steps if share is not None and end > 0]

    @property
    def peak(self) -> float:
        """Largest share lost, 0 to 1."""
        return max((clipped(share) for _, share in self.known), default=0.0)

    @property
    def gross(self) -> float:
        """Years of normal supply lost; periods above normal give nothing back, as they only refill users' stocks."""
        return sum(months * clipped(share) for months, share in self.known) / MONTHS_PER_YEAR

    @property
    def net(self) -> float:
        """The same less what came above normal, buying ahead of the onset included."""
        return sum((end - begin) * share for begin, end, share in self.steps if share is not None) / MONTHS_PER_YEAR

    @property
    def loss_months(self) -> float:
        """Months with a loss of more than `LOSS`."""
        return sum(months for months, share in self.known if share > LOSS)

    @property
    def months(self) -> tuple[float, float]:
        """Months of record since the onset: known, all."""
        every = sum(end - max(begin, 0.0) for begin, end, _ in self.steps if end > 0)
        return sum(months for months, _ in self.known), every


def courses(rows: Iterable[Any]) -> tuple[Course, ...]:
    """Profiles of the table in its order; each has what its first row says of it."""
    found = []
    for own in grouped(rows, "profile").values():
        first, ordered = own[0], sorted(own, key=lambda row: row.month_from)
        found.append(
            Course(
                first.profile,
                tuple(first.control_event.split()),
                tuple(first.materials.split()),
                *(first.form, first.destination, first.flow, first.onset, first.running),
                tuple((row.month_from, row.month_to, row.loss_share) for row in ordered),
            )
        )
    return tuple(found)


def replay_observed(plan: Plan, data: Dataset) -> pd.DataFrame:
    """Every observed disruption beside the hazard of the model that it is an event of, as the plan has it; one row for each
    profile and material, in the order of `observed_profiles`.

    Columns: event; disruption (in words); profile; material; flow; peak_share; loss_months (of more than 5 %); known_months and
    record_months since the onset; net_yr and gross_yr: years of normal supply lost, with and without what came above normal;
    running (yes: lower bounds); hazard (empty: none) and hazard_name; hazard_mean_yr, hazard_low_yr, hazard_high_yr: mean, 5 % and
    95 % points of the years of supply that its events lose; ratio: hazard_mean_yr / gross_yr; verdict in words. Raises PlanError
    and InputError with all faults.
    """
    require(plan, data)
    rows, names = hazards(plan, data), Names.of(data)
    country = {row.event: row.country for row in data.rows("policy_events")}
    draws, shaped = grid(LENGTHS, DEPTHS), profiles_of(plan, data)
    found = []
    for course in courses(data.rows("observed_profiles")):
        for material in course.materials:
            countries = {country[event] for event in course.events if event in country}
            row = hazard_of(course, material, rows.values(), countries)
            lost = np.zeros(0) if row is None else year_equivalents(row, material, draws, shaped.get(row.hazard))
            found.append(_row(course, material, row, lost, names))
    return typed(pd.DataFrame(found, columns=list(REPLAY)), REPLAY)


def grid(lengths: int, depths: int) -> Floats:
    """(lengths*depths, 2) equally likely pairs in (0, 1): every one of some durations with every one of some cuts."""
    first, second = ((np.arange(points) + 0.5) / points for points in (lengths, depths))
    return np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)


def year_equivalents(row: Any, material: str, draws: Floats, profile: HazardProfile | None = None) -> Floats:
    """Years of the supply of a material that events of a hazard lose: by its profile where it has one, else cut * duration by the
    laws of its row.

    draws: (n, 2) in (0, 1), for duration and cut. (m,) with m <= n: events that cut nothing, `on_off` ones that are off, are no
    events. The cut is that of the sources named, whatever the material.
    """
    if profile is not None:
        severity, stretch, felt = drawn_spreads(row, draws)
        return by_profile(profile, material, severity, stretch) * felt
    cut = severities(row, draws[:, 1])
    happens = cut > 0 if row.cut_law == "on_off" else np.full(len(cut), True)
    return np.asarray((cut * durations(row, draws[:, 0]))[happens])


def hazard_of(course: Course, material: str, rows: Iterable[Any], countries: set[str]) -> Any:
    """The hazard that an observed course is an event of: one calibrated on it; else the licence or embargo of the same countries.

    Of several the one with the fewest materials. None: no hazard of the table.
    """
    hit = [row for row in rows if material in row.materials.split()]
    named = [row for row in hit if set(row.calibrated_on.split()) & set(course.events)]
    like = [row for row in hit if row.kind in CONTROLS and set(row.countries.split()) & countries]
    return min(named or like, key=lambda row: len(row.materials.split()), default=None)


def _row(course: Course, material: str, hazard: Any, lost: Floats, names: Names) -> dict[str, Any]:
    """A row of `REPLAY`. lost: year-equivalents of the hazard's events."""
    known, recorded = course.months
    entry: dict[str, Any] = {
        "event": " ".join(course.events),
        "disruption": _disruption(course, material, names),
        "profile": course.profile,
        "material": material,
        "flow": course.flow,
        "peak_share": course.peak,
        "loss_months": course.loss_months,
        "known_months": known,
        "record_months": recorded,
        "net_yr": course.net,
        "gross_yr": course.gross,
        "running": "yes" if course.running else "no",
    }
    if hazard is None:
        return {**entry, "verdict": "the hazards do not have it"}
    lost = lost if len(lost) else np.zeros(1)  # events that never cut anything
    low, high = (float(point) for point in np.quantile(lost, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    mean = float(lost.mean())
    return {
        **entry,
        "hazard": hazard.hazard,
        "hazard_name": hazard.name,
        "hazard_mean_yr": mean,
        "hazard_low_yr": low,
        "hazard_high_yr": high,
        "ratio": mean / course.gross if course.gross > 0 else math.nan,
        "verdict": verdict(course, mean, low, high),
    }


def verdict(course: Course, mean: float, low: float, high: float) -> str:
    """Whether the hazard is harsher than what was observed. mean, low, high: of its year-equivalents.

    Losses of a disruption that still runs are lower bounds: below the range they say nothing yet, above it they do.
    """
    gross = course.gross
    if gross == 0:
        return f"no loss observed; events of the hazard lose {mean:.2g} years of supply on average"
    if gross > high * (1 + EXACT):
        words = f"milder by {gross / mean:.1f}" if mean > 0 else "milder: events of the hazard lose nothing"
    elif gross >= low * (1 - EXACT):
        words = "within the range"
    else:
        words = "below the range so far" if course.running else f"harsher by {mean / gross:.1f}"
    known, recorded = course.months
    if course.running:
        words += ", still running"
    return words if known >= recorded else f"{words} ({known:g} of {recorded:g} months known)"


def _disruption(course: Course, material: str, names: Names) -> str:
    """What was disrupted, in words: `NdFeB magnets to United States from 2025-04-04`."""
    where = {"WLD": "all countries", "OTH": "all other countries"}.get(course.destination)
    form = f" ({course.form})" if course.form else ""
    routes = ", all routes" if course.flow == "effective" else ""
    target = where or names.country(course.destination)
    return f"{names.material(material)}{form} to {target}{routes} from {course.onset.isoformat()}"


def replay_lines(table: pd.DataFrame) -> list[str]:
    """A replay in words, one line a row."""
    lines = []
    for row in rows_of(table):
        model = ""
        if row.hazard:
            model = (
                f"; {row.hazard_name or row.hazard}: {row.hazard_mean_yr:.2f} on average, 90 % from "
                f"{row.hazard_low_yr:.2f} to {row.hazard_high_yr:.2f}"
            )
        lines.append(
            f"  {row.disruption}: up to {row.peak_share:.0%} lost, months of loss: {row.loss_months:.3g}, "
            f"{row.gross_yr:.2f} years of supply ({row.net_yr:.2f} net){model}: {row.verdict}"
        )
    return lines


WORST = 10
"""Scenarios listed as the worst."""
SHOWN = 5
"""Worst scenarios, and worst years, listed in the summary."""
LEGAL = ("legal_duration_low", "legal_duration_mean", "legal_duration_high", "events_ended")
"""Columns of the record's durations."""
SPAN = ("duration_yr_low", "duration_yr_high")
"""Durations between which nine of ten drawn events last, beside their mean."""
ESTIMATE = "loss without any plan; rough estimate, in which supply chains do not adapt"
TITLES = {
    "hazards": "Hazards",
    "materials": "Materials",
    "years": "Years",
    "worst": "Worst scenarios",
    "record": "Events drawn and on record",
    "reduction": "What the reduction changes",
    "replay": "Observed disruptions and what the hazards say of them",
}


@verb
def scenario_outlook(
    plan: Plan,
    data: Dataset,
    *,
    scenarios: Annotated[int, Field(ge=1, le=100_000, description="How many scenarios to sample.")] = 2000,
    seed: Annotated[int | None, Field(ge=0, lt=2**63, description="Random seed. Default: the plan's own.")] = None,
    replay: Annotated[
        bool, Field(description="Also compare the hazards with the disruptions of the table observed_profiles.")
    ] = False,
    run: Runner = HERE,
) -> Study:
    """Show what can happen, before any solve: how often, for how long and how severely supply is disrupted.

    Losses are without action, estimated without rearranging supply chains. Tables:
    hazards: hazard, its name, rate with its credible interval, probability of an event in the planned years, mean duration and cut
    in the sample, 5 % and 95 % points of the durations drawn, and mean duration of the dated measures behind the hazard with its
    credible interval (`legal_*`: a measure lasts longer than the stop it causes; `events_ended` of them have ended);
    materials: material, its name, probability of being hit in the planned years, tight years and share of supply lost then, price,
    loss;
    years: fiscal_year, probability that some material is tight, probability that the first event of a scenario falls into the year,
    expected loss and CVaR of the loss at the plan's `risk.alpha`, for each year separately;
    worst: the worst scenarios: what happens in a line, and all their events;
    record: kind of hazard, events on the record of its hazards, the mean number that the record says for the years in which events
    may strike, and the mean number drawn, those brought on by others included;
    reduction, where the plan keeps fewer than it samples: figure (expected loss, CVaR at the plan's `risk.alpha`), all_musd (all
    sampled, listed and quiet scenarios), kept_musd (the plan's own scenarios), error_share;
    replay, where asked for: observed disruptions beside the hazards, as `replay_observed` gives them.
    Facts: scenarios and probability (sum of all); kept and drawn: scenarios of the plan's own sample, 0 where it has none; alpha;
    span_years in which events may strike; five_or_more: probability of so many events.

    Raises PlanError and InputError with all faults.
    """
    require(plan, data)
    instance = build_instance(plan, data, longest_event(plan, data))
    drawn, names = population(instance, data, scenarios, seed), Names.of(data)
    loss = np.zeros((len(drawn.names), len(instance.materials)))
    by_year = np.zeros((len(drawn.names), len(instance.calendar.years)))
    for i, lost in enumerate(losses_by_period(instance, drawn)):
        loss[:, i] = lost.sum(axis=1)
        if instance.at_risk[i]:
            by_year += np.add.reduceat(lost, np.arange(0, lost.shape[1], instance.calendar.per_year), axis=1)
    sample = plan.sample
    tables = {
        "hazards": _hazards(plan, data, instance, drawn, names),
        "materials": _materials(instance, drawn, loss, names),
        "years": _years(instance, drawn, by_year),
        "worst": _worst(instance, drawn, loss * instance.at_risk, names),
        "record": _record(plan, data, instance, drawn),
    }
    reduced = _reduction(plan, data, instance)
    if len(reduced):
        tables["reduction"] = reduced
    if replay:
        tables["replay"] = replay_observed(plan, data)
    facts = {
        "scenarios": len(drawn.names),
        "probability": float(drawn.probability.sum()),
        "kept": 0 if sample is None else sample.scenarios,
        "drawn": 0 if sample is None else sample.draws or sample.scenarios,
        "alpha": plan.risk.alpha,
        "span_years": instance.calendar.step * (instance.calendar.periods - 1),
        "five_or_more": float(drawn.probability @ [len(events) >= 5 for events in drawn.events]),
    }
    return Study("scenarios", tables, _words(tables, facts), facts, TITLES)


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    """The tables as text."""
    lines = [
        f"{facts['scenarios']:,} scenarios (probabilities sum to {facts['probability']:.12g}).",
        "",
        "What can happen (ranges hold nine cases in ten):",
    ]
    lines += [f"  {_hazard(row)}" for row in rows_of(tables["hazards"])]
    tail = f"the worst {100 * (1 - facts['alpha']):.3g} %"
    hit = tables["materials"].sort_values("expected_loss_musd", ascending=False, kind="stable").head(WORST)
    lines += ["", "Materials with the largest expected loss:"]
    lines += [f"  {_material(row)}" for row in rows_of(hit)]
    dire = tables["years"].sort_values("expected_loss_musd", ascending=False, kind="stable").head(SHOWN)
    dire = dire[dire.expected_loss_musd > 0]
    lines += ["", f"Worst years ({ESTIMATE}):"] if len(dire) else []
    lines += [
        f"  FY{row.fiscal_year}: expected loss {row.expected_loss_musd:,.0f} million USD, {row.cvar_musd:,.0f} on average "
        f"in {tail} of cases; {chance(row.chance_some_material_tight)} chance that some material is short"
        for row in rows_of(dire)
    ]
    lines += ["", f"Worst scenarios ({ESTIMATE}; all events: table worst):"] if len(tables["worst"]) else []
    lines += [
        f"  {row.what_happens} [{row.scenario}]: loss {row.loss_musd:,.0f} million USD, probability {row.probability:.2%}"
        for row in rows_of(tables["worst"].head(SHOWN))
    ]
    if len(tables["record"]):
        lines += ["", _against_record(tables["record"], facts)]
    if "reduction" in tables:
        expected, worst = tables["reduction"].error_share
        lines += [
            "",
            f"The plan keeps {facts['kept']} of {facts['drawn']:,} sampled scenarios. This changes the estimate: expected loss "
            f"{expected:+.1%}, mean of {tail} of losses (CVaR) {worst:+.1%}.",
        ]
    if "replay" in tables:
        head = "Observed disruptions and what the hazards say of them (years of supply lost; harsher: the hazard loses more):"
        empty = ["  the tables record none (observed_profiles)"]
        lines += ["", head, *(replay_lines(tables["replay"]) or empty)]
    return lines


def _record(plan: Plan, data: Dataset, instance: Instance, drawn: ScenarioSet) -> pd.DataFrame:
    """Events by kind: on the record of the hazards that the plan draws, and drawn."""
    years = instance.calendar.step * (instance.calendar.periods - 1)
    found: dict[str, list[float]] = {}
    for row in sampled(plan, data):
        seen = len(row.calibrated_on.split()) + row.onsets_elsewhere
        struck = [sum(event.label == row.hazard for event in events) for events in drawn.events]
        kind = found.setdefault(row.kind, [0.0, 0.0, 0.0])
        kind[0] += seen
        kind[1] += years * seen / row.observed_yr if row.observed_yr else math.nan
        kind[2] += float(drawn.probability @ struck)
    return pd.DataFrame(
        [[kind, *each] for kind, each in found.items()], columns=["kind", "events", "expected", "drawn"]
    )


def _against_record(record: pd.DataFrame, facts: Mapping[str, Any]) -> str:
    """How many events are drawn, beside what the record says."""
    kinds = "; ".join(
        f"{row.kind.replace('_', ' ')} {row.drawn:.2g} ({row.expected:.2g} on record)"
        if pd.notna(row.expected)
        else f"{row.kind.replace('_', ' ')} {row.drawn:.2g} (no record)"
        for row in rows_of(record)
    )
    return (
        f"Events in {facts['span_years']:g} years, on average: {record.drawn.sum():.2g}; five or more in "
        f"{facts['five_or_more']:.0%} of scenarios. By kind, those that others bring on included: {kinds}."
    )


def _hazard(row: Any) -> str:
    """One hazard: how likely, how often, how long, how severe, and how long its legal measures lasted in the past."""
    often = f"{rate_in_words(row.rate_per_yr)} on average"
    if row.after:
        often = f"by itself {often}, and as an escalation of another"
    if pd.notna(row.rate_low):
        often += f" (the past record allows {rates_in_words(row.rate_low, row.rate_high)})"
    parts = [
        f"{chance(row.chance)} chance in the planned years",
        often,
        f"cuts {row.mean_cut_share:.0%} of the supply it hits" if row.mean_cut_share > 0 else "cuts no supply",
        f"lasts {span_in_words(row.duration_yr_low, row.duration_yr_high, row.mean_duration_yr)}",
    ]
    if pd.notna(row.legal_duration_mean) and row.events_ended > 0:
        low, high = length_in_words(row.legal_duration_low), length_in_words(row.legal_duration_high)
        mean = length_in_words(row.legal_duration_mean)
        parts.append(f"past legal measures of this kind lasted {mean} on average (uncertain: {low} to {high})")
    elif row.events_ended == 0:
        parts.append("no past measure of this kind has ended")
    return f"{_called(row.name, row.hazard)}: {'; '.join(parts)}"


def _material(row: Any) -> str:
    """One material: how likely it is hit, for how long it is short, how much of it is missing, and what it then costs."""
    name = _called(row.name, row.material)
    if row.chance <= 0:
        return f"{name}: not hit in any scenario"
    price = "the price does not rise in 95 % of cases"
    if row.price_factor_p95 >= 1.05:
        price = f"in 95 % of cases the price rises to at most {row.price_factor_p95:.1f} times the usual one"
    return (
        f"{name}: {chance(row.chance)} chance of being hit; it is then short for {length_in_words(row.years_tight)} in all, and "
        f"{row.supply_lost_share:.0%} of its supply is lost at the worst moment (averages); {price}"
    )


def _called(name: str, code: str) -> str:
    """A name, with the code that commands need."""
    return code if name == code else f"{name} [{code}]"


def _reduction(plan: Plan, data: Dataset, instance: Instance) -> pd.DataFrame:
    """The plan's own scenarios compared with all that it samples."""
    columns, sample = ["figure", "all_musd", "kept_musd", "error_share"], plan.sample
    if sample is None or sample.draws is None:
        return pd.DataFrame(columns=columns)
    both = population(instance, data, sample.draws), build_scenarios(instance, data)
    sets = [(scenarios.probability, loss_proxy(instance, scenarios).sum(axis=1)) for scenarios in both]
    alpha = plan.risk.alpha
    figures = {
        "expected loss": [float(pi @ loss) for pi, loss in sets],
        f"CVaR {alpha:.0%}": [cvar_of(loss, pi, alpha) for pi, loss in sets],
    }
    rows = [(name, every, kept, kept / every - 1 if every > 0 else 0.0) for name, (every, kept) in figures.items()]
    return pd.DataFrame(rows, columns=columns)


def _hazards(plan: Plan, data: Dataset, instance: Instance, scenarios: ScenarioSet, names: Names) -> pd.DataFrame:
    known = calibrate(data)
    record = known.set_index("hazard") if len(known) else pd.DataFrame(columns=["rate_low", "rate_high", *LEGAL])
    end = instance.calendar.first_year + instance.calendar.step * instance.calendar.planned
    rows = []
    overridden = {override.hazard for override in plan.hazards if override.rate_per_yr is not None}
    for name, row in hazards(plan, data).items():
        mine = [[k for k in scenario if k.label == name and k.start < end] for scenario in scenarios.events]
        every = [(k, pi) for scenario, pi in zip(mine, scenarios.probability, strict=True) for k in scenario]
        if not every:
            continue
        weight = _weights(np.array([pi for _, pi in every]))
        stated = [] if name in overridden else ["rate_low", "rate_high"]
        lengths = np.array([k.duration for k, _ in every])
        ends = [quantile(lengths, weight, level) for level in NINE_OF_TEN]
        rows.append(
            {
                "hazard": name,
                "name": names.hazard(name),
                "rate_per_yr": row.rate_per_yr,
                "after": row.after,
                "chance": float(sum(pi for scenario, pi in zip(mine, scenarios.probability, strict=True) if scenario)),
                "mean_duration_yr": float(np.average(lengths, weights=weight)),
                "mean_cut_share": float(np.average([k.cut for k, _ in every], weights=weight)),
                **(dict(zip(SPAN, ends, strict=True)) if ends[0] < ends[1] else {}),
                **{column: float(record[column].get(name, np.nan)) for column in (*stated, *LEGAL)},
            }
        )
    columns = "hazard name rate_per_yr after rate_low rate_high chance mean_duration_yr mean_cut_share".split()
    found = pd.DataFrame(rows, columns=[*columns, *SPAN, *LEGAL])
    return found.sort_values("chance", ascending=False, ignore_index=True)


def _materials(instance: Instance, scenarios: ScenarioSet, loss: Floats, names: Names) -> pd.DataFrame:
    planned, step, n = instance.calendar.planned, instance.calendar.step, instance.sources
    pi, rows = scenarios.probability, []
    for i, name in enumerate(instance.materials):
        share = np.where(scenarios.tight[:, i, :planned], scenarios.squeeze[:, i, :planned], 0.0)
        hit = share.sum(axis=1) > 0
        made = np.maximum(instance.yields[:n, i], 0.0)[:, None] * instance.capacity[:n]
        usual = (made * instance.availability[:n]).sum(axis=0)[:planned]
        left = np.einsum("jt,sjt->st", made[:, :planned], scenarios.availability[:, :n, :planned])
        lost = 1 - np.divide(left, usual, out=np.ones_like(left), where=usual > 0)
        dearest = scenarios.price[:, i, :planned] * scenarios.market_gap[:, i, :planned]
        factor = (dearest / instance.price[i, :planned]).max(axis=1)
        weight = _weights(pi[hit])
        rows.append(
            {
                "material": name,
                "name": names.material(name),
                "chance": float(pi[hit].sum()),
                "years_tight": float(weight @ (share[hit].sum(axis=1) * step)) if hit.any() else 0.0,
                "supply_lost_share": float(weight @ lost[hit].max(axis=1)) if hit.any() else 0.0,
                "price_factor_p95": quantile(factor, _weights(pi), 0.95),
                "expected_loss_musd": float(pi @ loss[:, i]),
            }
        )
    return pd.DataFrame(rows)


def _weights(probability: Floats) -> Floats:
    """Shares of probability; equal if all are zero, as for a scenario listed with none to see its effect."""
    total = probability.sum()
    return np.asarray(probability / total) if total > 0 else np.full(len(probability), 1 / max(1, len(probability)))


def _years(instance: Instance, scenarios: ScenarioSet, loss: Floats) -> pd.DataFrame:
    """loss: (S, years) [million USD]."""
    rows, index, pi = [], instance.calendar.year_index, scenarios.probability
    first = scenarios.onset.min(axis=1, initial=instance.calendar.periods)
    for f, year in enumerate(instance.calendar.planned_years):
        tight = scenarios.tight[:, :, index == f].any(axis=(1, 2))
        begins = (first[:, None] == np.flatnonzero(index == f)).any(axis=1)
        rows.append(
            {
                "fiscal_year": year,
                "chance_some_material_tight": float(pi[tight].sum()),
                "chance_first_event": float(pi[begins].sum()),
                "expected_loss_musd": float(pi @ loss[:, f]),
                "cvar_musd": cvar_of(loss[:, f], pi, instance.plan.risk.alpha),
            }
        )
    return pd.DataFrame(rows)


def _worst(instance: Instance, scenarios: ScenarioSet, loss: Floats, names: Names) -> pd.DataFrame:
    total = loss.sum(axis=1)
    order = [s for s in np.argsort(-total, kind="stable")[:WORST] if total[s] > 0]
    rows = []
    for s in order:
        events = scenarios.events[s]
        listed = "; ".join(describe(k) for k in events)
        rows.append((scenarios.names[s], scenarios.probability[s], total[s], headline(events, instance, names), listed))
    return pd.DataFrame(rows, columns=["scenario", "probability", "loss_musd", "what_happens", "events"])
