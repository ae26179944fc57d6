"""What a plan's day knows of each material, read from the gated folder by rules that name none.

- A material is any that a row names. Of each year the latest print counts; means are over the last years of a series.
- Use: apparent consumption where it is printed, else the first form; withheld: output + imports - exports.
- Home supply: use x (1 - net import reliance). "More than x" is read as midway between x and 100 %.
- Origins of imports: shares in per cent, those of a total where there is one, else the mean over forms; what they leave of 100
  is of unknown origin. Only an order: shares in proportion to 1, 1/2, 1/3 (Zipf). None: shares of world output outside the
  home country.
- Names of countries are read with the package's table of names; no figure of it is used.
- Price: of each print the first series that reaches its latest year, or the series that the settings name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log, sqrt
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from ..core.names import country_codes, plain
from .settings import Planning
from .tables import KnownLine, last_year_of, read_tables, year_of

OTHER = "OTH"
"""Code of countries that a source does not name one by one."""
WORLD = "WLD"
TOTAL = re.compile(r"\b(total|all|combined)\b", re.IGNORECASE)
APPARENT = re.compile(r"app(a?re?nt|arent)", re.IGNORECASE)
PER_CENT = 100.0
NAME = r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,60}"
"""What a material may be called in the tables of a plan."""

YearSeries = dict[int, float]


@dataclass(frozen=True)
class MaterialFacts:
    """One material on the day of a plan; tonnes a year and USD/kg."""

    material: str
    mineral: str
    use: YearSeries
    """Year -> tonnes used, of all years known."""
    use_basis: str
    """How it was found; empty: it was not."""
    normal_t: float | None
    """Mean of the last years."""
    use_cv: float
    reliance: float | None
    """Share of use that is imported."""
    shares: dict[str, float]
    """Country -> share of imports."""
    share_basis: str
    world_t: float
    """World output; 0: not published."""
    output_shares: dict[str, float]
    """Country -> share of world output."""
    prices: YearSeries
    price: float | None
    """Last annual mean."""
    price_cv: float
    price_sigma: float
    """Standard deviation of the yearly change of the price's logarithm."""
    stale: tuple[str, ...] = ()
    """Series whose last year lies far back."""
    unplanned: str = ""
    """Why it cannot be planned; empty: it can."""


@dataclass(frozen=True)
class Known:
    """Everything in a gated folder: materials, and the rows of events and controls."""

    materials: dict[str, MaterialFacts]
    events: tuple[Any, ...] = ()
    controls: tuple[Any, ...] = ()
    unnamed: tuple[str, ...] = field(default=())
    """Names of countries that could not be read."""


def read_known(folder: Path, settings: Planning, day: dt.date) -> Known:
    """The facts of a gated folder on the day of its plan."""
    present = [
        kind for kind, name in (("known", "known"), ("rolling", "rolling_known")) if (folder / f"{name}.csv").is_file()
    ]
    tables = read_tables(folder, present) if present else {}
    lines = [row for kind in present for row in tables[kind].rows if row.value is not None or row.flag]
    more = [
        kind
        for kind, name in (("events", "events_known"), ("realised", "realised"))
        if (folder / f"{name}.csv").is_file()
    ]
    beside = read_tables(folder, more) if more else {}
    names = list(dict.fromkeys(row.material for row in lines if row.material))
    unnamed: set[str] = set()
    by_material = {name: _facts(name, lines, settings, day, unnamed) for name in names}
    realised = beside["realised"].rows if "realised" in beside else ()
    return Known(
        by_material,
        beside["events"].rows if "events" in beside else (),
        tuple(row for row in realised if row.metric.startswith("control:")),
        tuple(sorted(unnamed)),
    )


def _facts(
    material: str, lines: Sequence[KnownLine], settings: Planning, day: dt.date, unnamed: set[str]
) -> MaterialFacts:
    own = [row for row in lines if row.material == material]
    mineral = max((row.mineral for row in own), key=[row.mineral for row in own].count)
    group = [row for row in lines if not row.material and row.mineral == mineral]
    home = settings.home

    def at_home(statistic: str) -> list[KnownLine]:
        return [row for row in own if row.statistic == statistic and row.country == home and row.value is not None]

    factor = {
        s: settings.factor(material, s) for s in ("consumption", "imports", "exports", "production", "world_production")
    }
    use = {year: value * factor["consumption"] for year, value in _one_form(at_home("consumption"), APPARENT).items()}
    basis = "consumption" if use else ""
    if not use:
        flows = {
            what: {y: v * factor[what] for y, v in _summed(at_home(what)).items()}
            for what in ("production", "imports", "exports")
        }
        if flows["imports"]:
            use = {
                year: value + flows["production"].get(year, 0.0) - flows["exports"].get(year, 0.0)
                for year, value in flows["imports"].items()
            }
            basis = "output + imports - exports"
    recent = _recent(use, settings.recent_years)
    normal = fmean(recent) if recent else None
    reliance = _reliance(at_home("net_import_reliance_pct"), settings.recent_years)
    if reliance is None and normal is not None and normal > 0:
        made = _recent(
            {y: v * factor["production"] for y, v in _summed(at_home("production")).items()}, settings.recent_years
        )
        reliance = min(1.0, max(0.0, 1 - fmean(made) / normal)) if made else 1.0
    world, output = _output(own, home, factor["world_production"], unnamed)
    if not output:
        world, output = 0.0, _output(group, home, 1.0, unnamed)[1]
    shares, share_basis = _origins(own, group, home, output, unnamed)
    named = [series.form for series in settings.series if series.material == material]
    prices = _prices([row for row in own if row.statistic == "price" and row.value is not None], named)
    last = _recent(prices, settings.recent_years)
    facts = {"use": use, "price": prices}
    return MaterialFacts(
        material,
        mineral,
        use,
        basis,
        normal,
        _variation(recent),
        reliance,
        shares,
        share_basis,
        world,
        output,
        prices,
        prices[max(prices)] if prices else None,
        _variation(last),
        _sigma(prices, settings.recent_years),
        tuple(
            f"{what} to {max(s)}" for what, s in facts.items() if s and day.year - max(s) > settings.stale_after_years
        ),
        _why_not(material, normal, prices, shares),
    )


def _why_not(material: str, normal: float | None, prices: YearSeries, shares: Mapping[str, float]) -> str:
    reasons = []
    if not re.fullmatch(NAME, material):
        reasons.append("its name has other signs than letters, digits and _ . + -")
    if normal is None:
        reasons.append("no figure of its use, and none of its imports")
    elif normal <= 0:
        reasons.append("its use is not above zero")
    if not prices:
        reasons.append("no price")
    elif prices[max(prices)] <= 0:
        reasons.append("its price is not above zero")
    if not shares:
        reasons.append("no origins: neither shares of imports nor world output by country")
    return "; ".join(reasons)


# --- series -------------------------------------------------------------------------------------------------------------------


def _prints(rows: Iterable[KnownLine]) -> list[list[KnownLine]]:
    """Rows by print, the oldest first: day from which it could be read, then edition."""
    found: dict[tuple[dt.date, str], list[KnownLine]] = {}
    for row in rows:
        assert row.available_from is not None  # the gate lets no other pass
        found.setdefault((row.available_from, row.edition), []).append(row)
    return [found[key] for key in sorted(found)]


def _forms(rows: Iterable[KnownLine]) -> dict[str, YearSeries]:
    """Form -> year -> value, in the order of the file."""
    found: dict[str, YearSeries] = {}
    for row in rows:
        year = year_of(row.period)
        if year is not None and row.value is not None:
            found.setdefault(row.form, {}).setdefault(year, row.value)
    return found


def _one_form(rows: Iterable[KnownLine], preferred: re.Pattern[str]) -> YearSeries:
    """Of each print the form whose name fits, else the first; later prints over earlier ones, year by year."""
    found: YearSeries = {}
    for print_ in _prints(rows):
        forms = _forms(print_)
        if forms:
            found |= forms[next((name for name in forms if preferred.search(name)), next(iter(forms)))]
    return found


def _summed(rows: Iterable[KnownLine]) -> YearSeries:
    """Of each print the sum of forms, or a total where one is printed; later prints over earlier ones."""
    found: YearSeries = {}
    for print_ in _prints(rows):
        forms = _forms(print_)
        total = next((name for name in forms if TOTAL.search(name)), None)
        counted = forms if total is None else {total: forms[total]}
        years = sorted({year for series in counted.values() for year in series})
        found |= {year: sum(series.get(year, 0.0) for series in counted.values()) for year in years}
    return found


def _prices(rows: Iterable[KnownLine], named: Sequence[str]) -> YearSeries:
    """Of each print the series that is named, else the first that reaches the latest year."""
    found: YearSeries = {}
    for print_ in _prints(rows):
        forms = _forms(print_)
        if not forms:
            continue
        latest = max(max(series) for series in forms.values())
        fitting = [name for name in forms if any(plain(word) in plain(name) for word in named)]
        full = [name for name, series in forms.items() if latest in series]
        found |= forms[(fitting or full)[0]]
    return found


def _recent(series: Mapping[int, float], years: int) -> list[float]:
    return [series[year] for year in sorted(series)[-years:]]


def _variation(values: Sequence[float]) -> float:
    mean = fmean(values) if values else 0.0
    return pstdev(values) / mean if len(values) > 1 and mean > 0 else 0.0


def _sigma(prices: Mapping[int, float], years: int) -> float:
    last = _recent(prices, years + 1)
    changes = [log(b / a) for a, b in pairwise(last) if a > 0 and b > 0]
    return sqrt(fmean(c * c for c in changes)) if changes else 0.0


def _reliance(rows: Sequence[KnownLine], years: int) -> float | None:
    """Mean of the last years; a bound from below is read as midway to all."""
    by_year: dict[int, list[float]] = {}
    for print_ in _prints(rows):
        fresh: dict[int, list[float]] = {}
        for row in print_:
            year = year_of(row.period)
            if year is not None and row.value is not None:
                fresh.setdefault(year, []).append((row.value + PER_CENT) / 2 if row.flag == ">" else row.value)
        by_year |= fresh
    last = [fmean(by_year[year]) for year in sorted(by_year)[-years:]]
    return min(1.0, max(0.0, fmean(last) / PER_CENT)) if last else None


# --- origins ------------------------------------------------------------------------------------------------------------------


def country_of(name: str, unnamed: set[str]) -> str:
    """The code of a country; `OTH` for a group, or for a name that nobody can read, which is added to `unnamed`."""
    text = name.strip()
    if re.fullmatch(r"[A-Z]{3}", text):
        return text
    codes = country_codes()
    bare = re.sub(r"[\d*]+$", "", text)
    turned = " ".join(reversed([part.strip() for part in bare.split(",")]))
    for tried in (bare, turned, re.sub(r"^(the )?(republic of|rep\. of) ", "", turned, flags=re.IGNORECASE)):
        for ending in (tried, re.sub(r"(?<=[a-z])e$", "", tried)):
            for word in (ending, re.sub(r"\brepublic of\b", "", ending, flags=re.IGNORECASE)):
                if (code := codes.get(plain(word))) is not None:
                    return code
    if not re.match(r"other", text, re.IGNORECASE):
        unnamed.add(text)
    return OTHER


def _output(rows: Iterable[KnownLine], home: str, factor: float, unnamed: set[str]) -> tuple[float, dict[str, float]]:
    """World output [t], and shares of it by country, of the latest print that names at least one country besides a total."""
    for print_ in reversed(
        _prints(row for row in rows if row.statistic == "world_production" and row.value is not None)
    ):
        years = sorted({year for row in print_ if (year := year_of(row.period)) is not None})
        for year in reversed(years):
            made: dict[str, float] = {}
            total = 0.0
            for row in (row for row in print_ if year_of(row.period) == year):
                code = WORLD if row.country == WORLD else country_of(row.country, unnamed)
                if code == WORLD:
                    total = max(total, row.value or 0.0)
                else:
                    made[code] = made.get(code, 0.0) + (row.value or 0.0)
            listed = sum(made.values())
            if listed > 0:
                total = max(total, listed)
                made[OTHER] = made.get(OTHER, 0.0) + total - listed
                return total * factor, {code: tonnes / total for code, tonnes in sorted(made.items()) if tonnes > 0}
    return 0.0, {}


def _origins(
    own: Sequence[KnownLine], group: Sequence[KnownLine], home: str, output: Mapping[str, float], unnamed: set[str]
) -> tuple[dict[str, float], str]:
    """Shares of imports by country, and what they rest on."""
    for rows in (own, group):
        percent = [row for row in rows if row.statistic == "import_share_pct" and row.value is not None]
        if percent:
            return _percent(_prints(percent)[-1], unnamed), "shares of imports"
    for rows in (own, group):
        ordered = [row for row in rows if row.statistic == "major_import_sources_in_order" and row.flag]
        if ordered:
            return _zipf(_prints(ordered)[-1][0].flag, unnamed), "order of origins"
    abroad = {code: share for code, share in output.items() if code != home}
    total = sum(abroad.values())
    return ({code: share / total for code, share in abroad.items()}, "world output") if total > 0 else ({}, "")


def _percent(rows: Sequence[KnownLine], unnamed: set[str]) -> dict[str, float]:
    """Of the latest period: the shares of a total where there is one, else the mean over forms."""
    last = max(last_year_of(row.period) or 0 for row in rows)
    forms: dict[str, dict[str, float]] = {}
    for row in rows:
        if (last_year_of(row.period) or 0) == last:
            code = country_of(row.country, unnamed)
            shares = forms.setdefault(row.form, {})
            shares[code] = shares.get(code, 0.0) + (row.value or 0.0)
    total = next((name for name in forms if TOTAL.search(name)), None)
    counted = list(forms.values()) if total is None else [forms[total]]
    mean: dict[str, float] = {}
    for shares in counted:
        listed = sum(shares.values())
        whole = max(listed, PER_CENT)
        for code, value in {**shares, OTHER: shares.get(OTHER, 0.0) + whole - listed}.items():
            mean[code] = mean.get(code, 0.0) + value / whole / len(counted)
    return {code: share for code, share in sorted(mean.items()) if share > 0}


def _zipf(order: str, unnamed: set[str]) -> dict[str, float]:
    """Shares in proportion to one over the rank."""
    codes = list(dict.fromkeys(country_of(name, unnamed) for name in order.split(",")))
    weights = [1 / (n + 1) for n in range(len(codes))]
    return {code: weight / sum(weights) for code, weight in zip(codes, weights, strict=True)}
