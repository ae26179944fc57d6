"""Hazards from what was known of restrictions: how often, how deep, how long.

- Rate: a row `count` of a country and material says n starts in T years; with later ones that the plan's day knows of, and the
  years since the freeze, the rate is (n + 1/2 + later) / (T + years): the mean of a gamma posterior with Jeffreys' prior. A
  country that restricted something, and has no row for a material, has the pooled rate for it; a country without any record
  has none.
- Cut and length are pooled over severe restrictions: those that count, took effect, and have a cut of at least a third.
  Length: their years over the number that ended (those still running count up to the day).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp
from statistics import fmean
from typing import Any

from .facts import OTHER, Known, MaterialFacts
from .settings import Planning
from .timeline import years_between

STARTS = re.compile(r"(\d+) starts? in (\d+)")
"""How a count row says how many starts there were, in how many years (or material-years)."""
POOLED = re.compile(r"(?<![a-z])pooled(?![a-z])", re.IGNORECASE)
JEFFREYS = 0.5
COUNTS = "true"
"""How `count_in_hazard` begins for an event that is a start."""


@dataclass(frozen=True)
class Severity:
    """Pooled cut and length of severe restrictions."""

    cut: float
    cut_low: float
    cut_high: float
    duration_yr: float
    events: int


@dataclass(frozen=True)
class InForce:
    """A control that is in force on the day, as far as the plan knows."""

    country: str
    material: str
    since: dt.date
    cut: float
    until: dt.date


def names_of(facts: MaterialFacts) -> list[re.Pattern[str]]:
    """What a material may be called in a text: its name, and its mineral's, singular or plural."""
    found = []
    for name in dict.fromkeys((facts.material, facts.mineral)):
        words = re.escape(name.replace("_", " ").removesuffix("s")).replace(r"\ ", r"[ _]")
        found.append(re.compile(rf"(?<![A-Za-z]){words}s?(?![A-Za-z])", re.IGNORECASE))
    return found


def is_named(facts: MaterialFacts, text: str) -> bool:
    """Whether a text names the material or its mineral."""
    plain = text.replace("_", " ")
    return any(pattern.search(plain) for pattern in names_of(facts))


def severity(known: Known, settings: Planning, day: dt.date) -> Severity:
    """Pooled over severe events; the estimates where there is none."""
    guess = settings.estimates
    severe = [
        row
        for row in known.events
        if row.kind == "event"
        and row.count_in_hazard.startswith(COUNTS)
        and row.took_effect == "true"
        and row.export_cut_share is not None
        and row.export_cut_share >= settings.severe_cut_share
    ]
    cuts = [row.export_cut_share for row in severe]
    lasted = [
        (years_between(row.effective, row.end or day), row.end is not None)
        for row in severe
        if row.effective is not None
    ]
    ended = sum(over for _, over in lasted)
    years = sum(length for length, _ in lasted)
    duration = years / ended if ended else guess.other_duration_yr.value
    if not cuts:
        cut = guess.other_cut_share
        return Severity(cut.value, cut.low, cut.high, duration, 0)
    return Severity(fmean(cuts), min(cuts), max(cuts), duration, len(cuts))


def starts_of(row: Any) -> tuple[float, float] | None:
    """(starts, years) of a count row: as it says, else as its rate implies with one start; None: neither."""
    said = STARTS.search(row.observed_effect)
    if said:
        return float(said[1]), float(said[2])
    if row.rate_per_yr:
        return 1.0, (1 + JEFFREYS) / row.rate_per_yr
    return None


def restricting(known: Known, settings: Planning) -> set[str]:
    """Countries, the home country aside, of which a restriction that counts, or a count, is on record."""
    named = [
        row.country
        for row in known.events
        if row.kind == "count" or (row.count_in_hazard.startswith(COUNTS) and row.took_effect == "true")
    ]
    return {code for country in named for code in re.split(r"[/ ,;]+", country) if _single(code)} - {settings.home}


def _single(code: str) -> bool:
    return bool(re.fullmatch(r"[A-Z]{3}", code)) and code != OTHER


def known_starts(known: Known, facts: MaterialFacts, country: str, settings: Planning, day: dt.date) -> list[dt.date]:
    """Days after the freeze on which a control of a country on a material began, as far as rows say; one a day."""
    return sorted(
        {
            row.period_start
            for row in controls_on(known.controls, facts, settings.home)
            if supplier_of(row) == country
            and row.period_start is not None
            and settings.freeze < row.period_start <= day
        }
    )


def supplier_of(row: Any) -> str:
    """The country that a control is of: what stands before the arrow of its market."""
    return str(row.market.partition(">")[0].strip())


RELIEF = re.compile(r"suspension of|renewal|technology|framework|floor|appropriation|reserve")
"""Metrics of controls that hold no material back."""


def controls_on(controls: Iterable[Any], facts: MaterialFacts, home: str) -> list[Any]:
    """Rows of other countries' controls on a material, or on its mineral, that bind the home country. Relief, what only binds
    others, and what was suspended before it took effect are left out."""
    return [
        row
        for row in controls
        if (is_named(facts, row.material) or is_named(facts, row.mineral))
        and not RELIEF.search(row.metric)
        and supplier_of(row) != home
        and re.search(rf"> *(world\b|{home})|^[^>]*$", row.market)
        and not (row.period_start and row.period_end and row.period_end < row.period_start)
    ]


def rates(known: Known, settings: Planning, day: dt.date) -> dict[str, dict[str, float]]:
    """Material -> country -> starts a year, of countries that restrict and supply it, or make it."""
    elapsed = max(0.0, years_between(settings.freeze, day))
    counts = [row for row in known.events if row.kind == "count" and starts_of(row) is not None]
    pooled = next((row for row in counts if POOLED.search(row.instrument) or POOLED.search(row.event)), None)
    single = [row for row in counts if row is not pooled]
    found: dict[str, dict[str, float]] = {}
    for name, facts in known.materials.items():
        suppliers = restricting(known, settings) & (
            {*facts.shares, *facts.output_shares} or {row.country for row in single}
        )
        for country in sorted(suppliers):
            own = next((r for r in single if r.country == country and is_named(facts, r.minerals)), None)
            row = own or pooled
            said = None if row is None else starts_of(row)
            if said is None:
                continue
            later = len(known_starts(known, facts, country, settings, day))
            starts, years = said if own is not None else (0.0, 0.0)
            if own is None:  # a mean over materials has no starts of this one: its own years are those of one observer
                prior = (said[0] + JEFFREYS) / said[1]
                found.setdefault(name, {})[country] = (JEFFREYS + later) / (JEFFREYS / prior + elapsed)
            else:
                found.setdefault(name, {})[country] = (starts + JEFFREYS + later) / (years + elapsed)
    return found


def in_force(known: Known, settings: Planning, day: dt.date) -> list[InForce]:
    """Controls in force on a day. One without an end lasts as long again as the pooled length; one without a cut has the pooled."""
    pooled = severity(known, settings, day)
    found: dict[tuple[str, str], InForce] = {}
    for name, facts in known.materials.items():
        for row in controls_on(known.controls, facts, settings.home):
            start, end, country = row.period_start, row.period_end, supplier_of(row)
            if start is None or start > day or (end is not None and end < max(day, start)) or not _single(country):
                continue
            until = end or day + dt.timedelta(days=365.25 * pooled.duration_yr)
            cut = row.value if row.value is not None else pooled.cut
            if 0 <= cut <= 1:
                now = InForce(country, name, start, cut, until)
                before = found.get((country, name))
                found[country, name] = now if before is None or before.cut < cut else before
    return [found[key] for key in sorted(found)]


def probability(rate_by_country: Mapping[str, float], facts: MaterialFacts, settings: Planning) -> float:
    """Probability of a start by a main supplier within the years of the outcome."""
    main = {
        country
        for shares in (facts.shares, facts.output_shares)
        for country, share in shares.items()
        if share >= settings.main_supplier_share
    }
    known = bool(facts.shares or facts.output_shares)
    total = sum(rate for country, rate in rate_by_country.items() if country in main or not known)
    return 1 - exp(-total * settings.outcome_years)
