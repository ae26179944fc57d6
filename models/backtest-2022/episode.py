"""The episode: its settings, its calendar, its rows, and what a plan may know of them on a day.

The settings were fixed before the first scoring. An estimate stands with its range and its reason; only its value is used.
"""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from math import exp, log, sqrt
from pathlib import Path
from statistics import fmean, pstdev
from types import SimpleNamespace

from strategic_minerals.core.names import country_codes, plain

HERE = Path(__file__).parent
HOME = "USA"
FREEZE = dt.date(2022, 12, 31)
VINTAGE_DAY = dt.date(2023, 1, 31)  # the edition of 2023, whose data were cut in autumn 2022
END = dt.date(2026, 11, 27)
REPLANS = (
    *(dt.date(year, 1, 31) for year in range(2023, 2027)),
    dt.date(2026, 2, 7),
)  # the last: after that year's edition
BUDGETS_MUSD = (100.0, 500.0, 1000.0, 2000.0)  # over all years
OVER_YEARS = 4
TAIL_YEARS = 2  # a control may outlast the budget, and stock is worth something then too
RECENT_YEARS = 5  # an edition prints five years
STALE_AFTER_YEARS = 2
MAIN_SUPPLIER_SHARE = 0.2
OUTCOME_YEARS = 3
SEVERE_CUT_SHARE = 1 / 3  # less is within what availability varies without any control
COVER_DAYS = (60, 120, 180)  # of normal use: what rivals hold
TIERS = ((0.5, 0.4), (0.3, 1.0), (0.2, 2.5))  # share of use, loss multiplier; the mean multiplier is 1
SCENARIOS, DRAWS, OUTLOOK, SEED = 60, 2000, 2000, 1

DISCOUNT_RATE = 0.03  # 0.02 to 0.07: real rate of public cost-benefit analysis
LOSS_MULTIPLE = 10.0  # 3 to 30: in earlier squeezes users paid at most about ten times the usual price
PRICE_MULTIPLIER = 3.0  # 1.5 to 10: price while a control lasts; the folder has no series of an earlier squeeze
HEADROOM = 1.1  # 1 to 1.3: what an origin can sell over what it sells; judgement
DEPTH_OF_OUTPUT = 0.01  # 0.33 % to 3 % of world output a year at the first premium; scale set with hindsight
DEPTH_OF_USE = 0.1  # 3.3 % to 30 %, and no more than this share of home use; scale set with hindsight
PREMIUM = 0.05  # 1.7 % to 10 %: premium of the first step; three times it at each further one
HAIRCUT_BASE = 0.05  # 2.5 % to 10 %: what any sale costs
HAIRCUT_PER_VARIATION = 0.2  # 0.1 to 0.4: per unit of the price's coefficient of variation
HAIRCUT_MOST = 0.4  # 0.3 to 0.5
HOLDING_BASE = 0.0086  # to 0.0172: staff of a stockpile over its value, as printed for 2010
HOLDING_USD_PER_KG = 0.02  # 0.005 to 0.05: yearly storage of a kilogram; judgement

LI2CO3_PER_LI = 5.323  # by atomic weights: USGS prints lithium in tonnes of lithium, its price per tonne of carbonate
PRICE_SERIES = {
    "gallium": "low purity"
}  # the metal that is traded in bulk; the high-purity series is of what refiners sell


@dataclass(frozen=True)
class Reading:
    """One reading of what was known."""

    name: str
    first: dt.date
    """Day of the first plan."""
    proxies: bool = False
    """Whether figures of years before the freeze may be read from a later release."""
    by_effect: bool = False
    """Whether a re-plan knows of a control from its first day, not only from the day of the edition that printed it."""


READINGS = (
    Reading("strict", FREEZE),
    Reading("strict, proxies", FREEZE, proxies=True),
    Reading("vintage", VINTAGE_DAY),
    Reading("vintage, proxies", VINTAGE_DAY, proxies=True),
    Reading("vintage, proxies, controls from their day", VINTAGE_DAY, proxies=True, by_effect=True),
)

# --- days and quarters --------------------------------------------------------------------------------------------------

ONE_DAY = dt.timedelta(days=1)
PER_YEAR = 4
KG_PER_T, MUSD = 1000.0, 1e6


def quarter_of(day: dt.date) -> int:
    """The quarter of a day, as one number: four times the year plus 0 to 3."""
    return PER_YEAR * day.year + (day.month - 1) // 3


def first_day(quarter: int) -> dt.date:
    """The first day of a quarter."""
    return dt.date(quarter // PER_YEAR, 1 + 3 * (quarter % PER_YEAR), 1)


def last_day(quarter: int) -> dt.date:
    """The last day of a quarter."""
    return first_day(quarter + 1) - ONE_DAY


def middle_of(quarter: int) -> dt.date:
    """The day on which the purchases of a quarter are taken to fall."""
    return first_day(quarter) + (last_day(quarter) - first_day(quarter)) / 2


def label(quarter: int) -> str:
    """A quarter as people write it, such as `2023Q1`."""
    return f"{quarter // PER_YEAR}Q{1 + quarter % PER_YEAR}"


def number_of(text: str) -> int:
    """The quarter behind a label."""
    year, _, quarter = text.partition("Q")
    return PER_YEAR * int(year) + int(quarter) - 1


def share_within(quarter: int, begin: dt.date, end: dt.date) -> float:
    """Share of a quarter's days from a first to a last day, both counted."""
    days = max(0, (min(end, last_day(quarter)) - max(begin, first_day(quarter))).days + 1)
    return days / ((last_day(quarter) - first_day(quarter)).days + 1)


def years_between(begin: dt.date, end: dt.date) -> float:
    """Years from one day to another."""
    return (end - begin).days / 365.25


def decimal_year(day: dt.date) -> float:
    """A day as a decimal year."""
    return day.year + (day - dt.date(day.year, 1, 1)).days / (366 if calendar.isleap(day.year) else 365)


BUDGET_QUARTERS = range(quarter_of(FREEZE + ONE_DAY), quarter_of(FREEZE + ONE_DAY) + PER_YEAR * OVER_YEARS)
PLAYED = range(quarter_of(FREEZE + ONE_DAY), quarter_of(END) + 1)


def days_of(reading: Reading) -> tuple[dt.date, ...]:
    """Days of a reading's plans."""
    return (reading.first, *(day for day in REPLANS if day > reading.first))


# --- rows ---------------------------------------------------------------------------------------------------------------

Row = SimpleNamespace
"""A row of a file: an attribute a column; an empty number or day is None, and every other empty cell is empty text."""
DAYS = {"available_from", "effective", "end", "period_start", "period_end", "date", "control_in_force"}
NUMBERS = {
    *("value", "value_low", "value_high", "export_cut_share", "quantity", "usd_million", "outcome_3yr"),
    *("price_freeze_usd_per_kg", "price_y1", "price_y2", "price_y3"),
    *("price_end_usd_per_kg", "price_end_low", "price_end_high", "loss_t_attributed", "loss_t_low", "loss_t_high"),
}


@cache
def rows_of(name: str) -> tuple[Row, ...]:
    """The rows of `A_<name>.csv`."""
    with (HERE / f"A_{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Row(**{column: _cell(column, text) for column, text in row.items()}) for row in csv.DictReader(file)
        )


def _cell(column: str, text: str) -> float | dt.date | str | None:
    if column in DAYS:
        return dt.date.fromisoformat(text) if text else None
    if column in NUMBERS:
        return float(text) if text else None
    return text


def year_of(period: str) -> int | None:
    """The year of a period that is a single year."""
    return int(period) if len(period) == 4 and period.isdigit() else None


def last_year_of(period: str) -> int:
    """The last year of a period such as `2018-21`."""
    first, _, last = period.partition("-")
    return int(first[: 4 - len(last)] + last)


# --- the gate -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gated:
    """The rows that a plan may read on its day."""

    figures: tuple[Row, ...]
    """Use, output, trade, prices, shares of imports."""
    events: tuple[Row, ...]
    """Restrictions before the freeze, and how many severe ones there were."""
    controls: tuple[Row, ...]
    """Controls after the freeze."""


def gated(reading: Reading, day: dt.date) -> Gated:
    """The only way from the files to a plan.

    A row passes from its `available_from` on; one without that day never does. Re-plans read the editions after the freeze and the
    controls besides. An end that lies after the day is left empty, since nobody knew it; so is the cut of a control of which the
    day of effect alone is known. What was worked out afterwards (losses, availability, outcomes) has no way in.
    """
    gates = {"strict", "vintage", "proxy"} if reading.proxies else {"strict", "vintage"}
    replan = day > reading.first
    figures = [row for row in rows_of("known") if _open(row, day) and row.gate in gates]
    if replan:
        figures += [row for row in rows_of("rolling_known") if _open(row, day) and row.gate.startswith("replan")]
    events = [row for row in rows_of("events_known") if _open(row, day) and row.kind in ("event", "count")]
    controls = [
        row for row in rows_of("realised") if replan and row.metric.startswith("control:") and row.confidence != "gap"
    ]
    if reading.by_effect:
        controls = [row for row in controls if row.period_start is not None and row.period_start <= day]
    else:
        controls = [row for row in controls if _open(row, day)]
    return Gated(
        tuple(row for row in figures if row.value is not None or row.flag),
        tuple(_without_later_end(row, "end", day) for row in events),
        tuple(
            _without_later_end(row if _open(row, day) else Row(**vars(row) | {"value": None}), "period_end", day)
            for row in controls
        ),
    )


def _open(row: Row, day: dt.date) -> bool:
    return row.available_from is not None and row.available_from <= day


def _without_later_end(row: Row, column: str, day: dt.date) -> Row:
    end = getattr(row, column)
    return Row(**vars(row) | {column: None}) if end is not None and end > day else row


# --- what the rows say of a material -------------------------------------------------------------------------------------

OTHER, WORLD = "OTH", "WLD"
TOTAL = re.compile(r"\b(total|all|combined)\b", re.IGNORECASE)
APPARENT = re.compile(r"app(a?re?nt|arent)", re.IGNORECASE)

Series = dict[int, float]
"""Year -> value."""


@dataclass(frozen=True)
class Facts:
    """One material on the day of a plan; tonnes a year and USD/kg."""

    material: str
    mineral: str
    use_basis: str = ""
    normal_t: float | None = None
    """Mean use of the last years."""
    use_cv: float = 0.0
    reliance: float | None = None
    """Share of use that is imported."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Country -> share of imports."""
    share_basis: str = ""
    world_t: float = 0.0
    """World output; 0: not published."""
    output_shares: Mapping[str, float] = field(default_factory=dict)
    """Country -> share of world output."""
    prices: Mapping[int, float] = field(default_factory=dict)
    price: float | None = None
    """Last annual mean."""
    price_cv: float = 0.0
    price_sigma: float = 0.0
    """Standard deviation of the yearly change of the price's logarithm."""
    stale: tuple[str, ...] = ()
    unplanned: str = ""
    """Why it cannot be planned; empty: it can."""


@dataclass(frozen=True)
class Known:
    """What a plan's day knows."""

    day: dt.date
    materials: dict[str, Facts]
    events: tuple[Row, ...]
    controls: tuple[Row, ...]
    unnamed: tuple[str, ...]
    """Names of countries that could not be read."""

    @property
    def planned(self) -> list[Facts]:
        """Materials that can be planned, in the order of the files."""
        return [facts for facts in self.materials.values() if not facts.unplanned]


def known_on(reading: Reading, day: dt.date) -> Known:
    """What a reading knows on a day."""
    rows, unnamed = gated(reading, day), set[str]()
    names = dict.fromkeys(row.material for row in rows.figures if row.material)
    materials = {name: _facts(name, rows.figures, day, unnamed) for name in names}
    return Known(day, materials, rows.events, rows.controls, tuple(sorted(unnamed)))


def _facts(material: str, rows: Sequence[Row], day: dt.date, unnamed: set[str]) -> Facts:
    """Of each year the latest print counts; means are over the last years of a series.

    Use is apparent consumption, else output + imports - exports. Home supply is use x (1 - net import reliance).
    """
    own = [row for row in rows if row.material == material]
    minerals = [row.mineral for row in own]
    mineral = max(minerals, key=minerals.count)
    group = [row for row in rows if not row.material and row.mineral == mineral]
    factor = LI2CO3_PER_LI if material == "lithium_carbonate" else 1.0

    def at_home(statistic: str) -> list[Row]:
        return [row for row in own if row.statistic == statistic and row.country == HOME and row.value is not None]

    def tonnes(series: Series) -> Series:
        return {year: value * factor for year, value in series.items()}

    use, basis = tonnes(_one_form(at_home("consumption"))), "consumption"
    if not use:
        made, came, went = (tonnes(_summed(at_home(what))) for what in ("production", "imports", "exports"))
        use = {year: value + made.get(year, 0.0) - went.get(year, 0.0) for year, value in came.items()}
        basis = "output + imports - exports" if use else ""
    recent = _recent(use)
    normal = fmean(recent) if recent else None
    world, output = _output(own, factor, unnamed)
    if not output:
        output = _output(group, 1.0, unnamed)[1]
    shares, share_basis = _origins(own, group, output, unnamed)
    prices = _prices(
        [row for row in own if row.statistic == "price" and row.value is not None], PRICE_SERIES.get(material)
    )
    last_years = {"use": use, "price": prices}
    return Facts(
        material,
        mineral,
        basis,
        normal,
        _variation(recent),
        _reliance(at_home("net_import_reliance_pct")),
        shares,
        share_basis,
        world,
        output,
        prices,
        prices[max(prices)] if prices else None,
        _variation(_recent(prices)),
        _sigma(prices),
        tuple(f"{what} to {max(s)}" for what, s in last_years.items() if s and day.year - max(s) > STALE_AFTER_YEARS),
        _why_not(normal, prices, shares),
    )


def _why_not(normal: float | None, prices: Series, shares: Mapping[str, float]) -> str:
    reasons = {
        "no figure of its use, and none of its imports": normal is None,
        "its use is not above zero": normal is not None and normal <= 0,
        "no price": not prices,
        "no origins: neither shares of imports nor world output by country": not shares,
    }
    return "; ".join(reason for reason, holds in reasons.items() if holds)


def _prints(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows by print, the oldest first: day from which it could be read, then edition."""
    found: dict[tuple[dt.date, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.available_from, row.edition), []).append(row)
    return [found[key] for key in sorted(found)]


def _forms(rows: Iterable[Row]) -> dict[str, Series]:
    """Form -> year -> value, in the order of the file."""
    found: dict[str, Series] = {}
    for row in rows:
        if (year := year_of(row.period)) is not None:
            found.setdefault(row.form, {}).setdefault(year, row.value)
    return found


def _one_form(rows: Iterable[Row]) -> Series:
    """Of each print apparent consumption, else the first form; later prints over earlier ones, year by year."""
    found: Series = {}
    for forms in filter(None, map(_forms, _prints(rows))):
        found |= forms[next((name for name in forms if APPARENT.search(name)), next(iter(forms)))]
    return found


def _summed(rows: Iterable[Row]) -> Series:
    """Of each print the sum of forms, or a total where one is printed."""
    found: Series = {}
    for forms in map(_forms, _prints(rows)):
        total = next((name for name in forms if TOTAL.search(name)), None)
        counted = list(forms.values()) if total is None else [forms[total]]
        for year in {year for series in counted for year in series}:
            found[year] = sum(series.get(year, 0.0) for series in counted)
    return found


def _prices(rows: Iterable[Row], named: str | None) -> Series:
    """Of each print the series that is named, else the first that reaches the latest year."""
    found: Series = {}
    for forms in filter(None, map(_forms, _prints(rows))):
        latest = max(max(series) for series in forms.values())
        fitting = [name for name in forms if named and plain(named) in plain(name)]
        found |= forms[(fitting or [name for name, series in forms.items() if latest in series])[0]]
    return found


def _recent(series: Mapping[int, float], years: int = RECENT_YEARS) -> list[float]:
    return [series[year] for year in sorted(series)[-years:]]


def _variation(values: Sequence[float]) -> float:
    mean = fmean(values) if values else 0.0
    return pstdev(values) / mean if len(values) > 1 and mean > 0 else 0.0


def _sigma(prices: Series) -> float:
    changes = [log(b / a) for a, b in pairwise(_recent(prices, RECENT_YEARS + 1))]
    return sqrt(fmean(c * c for c in changes)) if changes else 0.0


def _reliance(rows: Sequence[Row]) -> float | None:
    """Mean of the last years; `more than x` is read as midway between x and all."""
    by_year: dict[int, list[float]] = {}
    for print_ in _prints(rows):
        fresh: dict[int, list[float]] = {}
        for row in print_:
            if (year := year_of(row.period)) is not None:
                fresh.setdefault(year, []).append((row.value + 100) / 2 if row.flag == ">" else row.value)
        by_year |= fresh
    last = _recent({year: fmean(values) for year, values in by_year.items()})
    return min(1.0, max(0.0, fmean(last) / 100)) if last else None


def country_of(name: str, unnamed: set[str]) -> str:
    """The code of a country; `OTH` for a group, or for a name that nobody can read, which is added to `unnamed`."""
    text = name.strip()
    if re.fullmatch(r"[A-Z]{3}", text):
        return text
    bare = re.sub(r"[\d*]+$", "", text)
    turned = " ".join(reversed([part.strip() for part in bare.split(",")]))
    for tried in (bare, turned, re.sub(r"^(the )?(republic of|rep\. of) ", "", turned, flags=re.IGNORECASE)):
        for ending in (tried, re.sub(r"(?<=[a-z])e$", "", tried)):
            for word in (ending, re.sub(r"\brepublic of\b", "", ending, flags=re.IGNORECASE)):
                if (code := country_codes().get(plain(word))) is not None:
                    return str(code)
    if not re.match(r"other", text, re.IGNORECASE):
        unnamed.add(text)
    return OTHER


def _output(rows: Iterable[Row], factor: float, unnamed: set[str]) -> tuple[float, dict[str, float]]:
    """World output [t], and shares of it by country, of the latest print that names at least one country besides a total."""
    for print_ in reversed(
        _prints(row for row in rows if row.statistic == "world_production" and row.value is not None)
    ):
        for year in sorted({year for row in print_ if (year := year_of(row.period)) is not None}, reverse=True):
            made: dict[str, float] = {}
            total = 0.0
            for row in (row for row in print_ if year_of(row.period) == year):
                if row.country == WORLD or (code := country_of(row.country, unnamed)) == WORLD:
                    total = max(total, row.value)
                else:
                    made[code] = made.get(code, 0.0) + row.value
            listed = sum(made.values())
            if listed > 0:
                total = max(total, listed)
                made[OTHER] = made.get(OTHER, 0.0) + total - listed
                return total * factor, {code: tonnes / total for code, tonnes in sorted(made.items()) if tonnes > 0}
    return 0.0, {}


def _origins(
    own: Sequence[Row], group: Sequence[Row], output: Mapping[str, float], unnamed: set[str]
) -> tuple[dict[str, float], str]:
    """Shares of imports by country, and what they rest on: shares in per cent, else the order of origins, else world output."""
    for rows in (own, group):
        percent = [row for row in rows if row.statistic == "import_share_pct" and row.value is not None]
        if percent:
            return _percent(_prints(percent)[-1], unnamed), "shares of imports"
    for rows in (own, group):
        ordered = [row for row in rows if row.statistic == "major_import_sources_in_order" and row.flag]
        if ordered:
            return _zipf(_prints(ordered)[-1][0].flag, unnamed), "order of origins"
    abroad = {code: share for code, share in output.items() if code != HOME}
    total = sum(abroad.values())
    return ({code: share / total for code, share in abroad.items()}, "world output") if total > 0 else ({}, "")


def _percent(rows: Sequence[Row], unnamed: set[str]) -> dict[str, float]:
    """Of the latest period: the shares of a total where there is one, else the mean over forms."""
    last = max(last_year_of(row.period) for row in rows)
    forms: dict[str, dict[str, float]] = {}
    for row in rows:
        if last_year_of(row.period) == last:
            code = country_of(row.country, unnamed)
            shares = forms.setdefault(row.form, {})
            shares[code] = shares.get(code, 0.0) + row.value
    total = next((name for name in forms if TOTAL.search(name)), None)
    counted = list(forms.values()) if total is None else [forms[total]]
    mean: dict[str, float] = {}
    for shares in counted:
        listed = sum(shares.values())
        whole = max(listed, 100.0)
        for code, value in {**shares, OTHER: shares.get(OTHER, 0.0) + whole - listed}.items():
            mean[code] = mean.get(code, 0.0) + value / whole / len(counted)
    return {code: share for code, share in sorted(mean.items()) if share > 0}


def _zipf(order: str, unnamed: set[str]) -> dict[str, float]:
    """Shares in proportion to one over the rank."""
    codes = list(dict.fromkeys(country_of(name, unnamed) for name in order.split(",")))
    weights = [1 / (n + 1) for n in range(len(codes))]
    return {code: weight / sum(weights) for code, weight in zip(codes, weights, strict=True)}


# --- hazards ------------------------------------------------------------------------------------------------------------

STARTS = re.compile(r"(\d+) starts? in (\d+)")
JEFFREYS = 0.5
RELIEF = re.compile(r"suspension of|renewal|technology|framework|floor|appropriation|reserve")
"""Metrics of controls that hold no material back."""


@dataclass(frozen=True)
class Severity:
    """Cut and length, pooled over severe restrictions."""

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


def is_named(facts: Facts, text: str) -> bool:
    """Whether a text names the material or its mineral, singular or plural."""
    spaced = text.replace("_", " ")
    for name in (facts.material, facts.mineral):
        words = re.escape(name.replace("_", " ").removesuffix("s")).replace(r"\ ", r"[ _]")
        if re.search(rf"(?<![A-Za-z]){words}s?(?![A-Za-z])", spaced, re.IGNORECASE):
            return True
    return False


def severity(known: Known) -> Severity:
    """Over restrictions that count, took effect and cut at least a third. Length: their years over the number that ended."""
    severe = [
        row
        for row in known.events
        if row.kind == "event"
        and row.count_in_hazard.startswith("true")
        and row.took_effect == "true"
        and (row.export_cut_share or 0.0) >= SEVERE_CUT_SHARE
    ]
    cuts = [row.export_cut_share for row in severe]
    years = sum(years_between(row.effective, row.end or known.day) for row in severe)
    return Severity(fmean(cuts), min(cuts), max(cuts), years / sum(row.end is not None for row in severe), len(cuts))


def counts_of(events: Iterable[Row]) -> tuple[list[Row], Row]:
    """Rows that say how many severe restrictions a country put on a material, and the one pooled over materials."""
    counts = [row for row in events if row.kind == "count"]
    return [row for row in counts if "pooled" not in row.instrument], next(
        row for row in counts if "pooled" in row.instrument
    )


def starts_of(row: Row) -> tuple[float, float]:
    """(starts, years) of a count row."""
    starts, years = STARTS.search(row.observed_effect).groups()
    return float(starts), float(years)


def supplier_of(row: Row) -> str:
    """The country that a control is of: what stands before the arrow of its market."""
    return str(row.market.partition(">")[0].strip())


def is_code(text: str) -> bool:
    """Whether a text is the code of one country."""
    return bool(re.fullmatch(r"[A-Z]{3}", text)) and text != OTHER


def controls_on(known: Known, facts: Facts) -> list[Row]:
    """Other countries' controls on a material, or on its mineral, that bind the home country; without relief and what was suspended
    before it took effect."""
    return [
        row
        for row in known.controls
        if (is_named(facts, row.material) or is_named(facts, row.mineral))
        and not RELIEF.search(row.metric)
        and supplier_of(row) != HOME
        and re.search(rf"> *(world\b|{HOME})|^[^>]*$", row.market)
        and not (row.period_start and row.period_end and row.period_end < row.period_start)
    ]


def rates(known: Known) -> dict[str, dict[str, float]]:
    """Material -> country -> starts a year, of countries that restricted something and supply the material.

    A count row says n starts in T years; with later ones that the day knows of the rate is (n + 1/2 + later) / (T + years since the
    freeze): the mean of a gamma posterior with Jeffreys' prior. Without a row for the material the pooled rate is the prior, with
    the weight of half a start.
    """
    elapsed = years_between(FREEZE, known.day)
    single, pooled = counts_of(known.events)
    restricting = {
        code
        for row in known.events
        if row.kind == "count" or (row.count_in_hazard.startswith("true") and row.took_effect == "true")
        for code in re.split(r"[/ ,;]+", row.country)
        if is_code(code)
    } - {HOME}
    found: dict[str, dict[str, float]] = {}
    for name, facts in known.materials.items():
        suppliers = {*facts.shares, *facts.output_shares} or {row.country for row in single}
        for country in sorted(restricting & suppliers):
            row = next((row for row in single if row.country == country and is_named(facts, row.minerals)), None)
            later = len(
                {
                    control.period_start
                    for control in controls_on(known, facts)
                    if supplier_of(control) == country
                    and control.period_start is not None
                    and FREEZE < control.period_start <= known.day
                }
            )
            if row is None:
                starts, years = starts_of(pooled)
                rate = (JEFFREYS + later) / (JEFFREYS / ((starts + JEFFREYS) / years) + elapsed)
            else:
                starts, years = starts_of(row)
                rate = (starts + JEFFREYS + later) / (years + elapsed)
            found.setdefault(name, {})[country] = rate
    return found


def in_force(known: Known) -> list[InForce]:
    """Controls in force on the day; one without an end lasts the pooled length from now on, one without a cut has the pooled."""
    pooled = severity(known)
    found: dict[tuple[str, str], InForce] = {}
    for name, facts in known.materials.items():
        for row in controls_on(known, facts):
            start, end, country = row.period_start, row.period_end, supplier_of(row)
            if (
                start is None
                or start > known.day
                or (end is not None and end < max(known.day, start))
                or not is_code(country)
            ):
                continue
            cut = pooled.cut if row.value is None else row.value
            if 0 <= cut <= 1 and ((country, name) not in found or found[country, name].cut < cut):
                until = end or known.day + dt.timedelta(days=365.25 * pooled.duration_yr)
                found[country, name] = InForce(country, name, start, cut, until)
    return [found[key] for key in sorted(found)]


def probability(rate_by_country: Mapping[str, float], facts: Facts) -> float:
    """Probability of a start by a main supplier within the years of the outcome; any country counts where no supplier is known."""
    shares = (facts.shares, facts.output_shares)
    main = {code for by_country in shares for code, share in by_country.items() if share >= MAIN_SUPPLIER_SHARE}
    total = sum(rate for code, rate in rate_by_country.items() if code in main or not any(shares))
    return 1 - exp(-total * OUTCOME_YEARS)
