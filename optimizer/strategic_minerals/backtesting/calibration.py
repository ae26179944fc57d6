"""Scores 6 to 8: whether what was forecast came to pass, and what false alarms cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from scipy.stats import binom

from .facts import MaterialFacts
from .forecasts import LEVELS, POINTS
from .hazards import JEFFREYS, POOLED, is_named, probability, starts_of
from .realised import BY_YEAR, Realised
from .settings import Settings

NOMINAL = 0.9
"""Probability that an interval from the 5 to the 95 % point holds."""
QUANTITIES = ("availability", "price")
CHRONIC = ("true", "false (chronic)", "false (small)")
"""Beginnings of `count_in_hazard` of events that a wider reading counts: small and standing quotas too."""


def observed_band(history: Realised, quantity: str, material: str, year: int) -> tuple[float, float, float] | None:
    """Low, central, high of what happened: availability over normal, annual price over the price at the freeze."""
    if quantity == "availability":
        return history.observed(material, BY_YEAR).get(year)
    then, row = history.freeze_price(material), history.inputs.get(material)
    ahead = year - history.settings.freeze.year
    price = getattr(row, f"price_y{ahead}", None) if row is not None else None
    return None if not then or price is None else (price / then,) * 3


def calibrated(forecasts: Iterable[Mapping[str, Any]], history: Realised) -> list[dict[str, Any]]:
    """Rows: material, year, quantity, interval, what happened, inside in three ways, pinball losses."""
    rows = []
    for row in forecasts:
        band = observed_band(history, row["quantity"], row["material"], row["year"])
        if band is None:
            continue
        low, seen, high = band
        bottom, top = row["p05"], row["p95"]
        rows.append(
            {
                **{key: row[key] for key in ("material", "year", "quantity", *POINTS)},
                "observed_low": low,
                "observed": seen,
                "observed_high": high,
                "central_inside": bottom <= seen <= top,
                "band_inside": bottom <= low and high <= top,
                "band_overlaps": low <= top and bottom <= high,
                **{f"pinball_{p}": pinball(row[p], seen, level) for p, level in zip(POINTS, LEVELS, strict=True)},
            }
        )
    return rows


def pinball(point: float, seen: float, level: float) -> float:
    """Loss of a forecast point of a level."""
    return max(level * (seen - point), (level - 1) * (seen - point))


def counted(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a quantity: how many of how many are inside, beside what 90 % intervals should give, and mean pinball losses."""
    found = []
    for quantity in QUANTITIES:
        own = [row for row in rows if row["quantity"] == quantity]
        if not own:
            continue
        n = len(own)
        found.append(
            {
                "quantity": quantity,
                "forecasts": n,
                **{
                    way: sum(bool(row[way]) for row in own)
                    for way in ("central_inside", "band_inside", "band_overlaps")
                },
                "expected_low": int(binom.ppf(LEVELS[0], n, NOMINAL)),
                "expected_high": int(binom.ppf(LEVELS[2], n, NOMINAL)),
                **{f"pinball_{p}": fmean(row[f"pinball_{p}"] for row in own) for p in POINTS},
            }
        )
    return found


# --- Brier --------------------------------------------------------------------------------------------------------------------


def outcomes(history: Realised) -> dict[str, float]:
    """Material -> 1 where a control was in force within the years, else 0."""
    return {m: float(row.outcome_3yr) for m, row in history.inputs.items() if row.outcome_3yr is not None}


def brier(chances: Mapping[str, float], happened: Mapping[str, float]) -> float:
    """Mean squared difference over the materials with an outcome."""
    return fmean((chances[m] - o) ** 2 for m, o in happened.items())


def by_notice(chances: Mapping[str, float], history: Realised) -> tuple[int, float | None]:
    """Number of notices (days on which controls took effect), and the mean over them of the mean score of their materials; None
    without any."""
    happened = outcomes(history)
    days: dict[Any, list[float]] = {}
    for material, outcome in happened.items():
        if outcome > 0:
            days.setdefault(history.control_day(material), []).append((chances[material] - 1) ** 2)
    return len(days), fmean(fmean(scores) for scores in days.values()) if days else None


def references(
    history: Realised, events: Sequence[Any], minerals: Mapping[str, str], settings: Settings
) -> dict[str, dict[str, float]]:
    """Reference -> material -> probability: never, pooled counts, own counts, even odds, the base rate in hindsight, own counts in
    the wider reading. minerals: material -> its mineral."""
    happened = outcomes(history)
    names = {material: _bare(material, minerals.get(material, "")) for material in happened}
    counts = [row for row in events if row.kind == "count" and starts_of(row) is not None]
    pooled = next((row for row in counts if POOLED.search(row.instrument) or POOLED.search(row.event)), None)
    single = [row for row in counts if row is not pooled]
    rate = 0.0 if pooled is None else _rate(pooled)
    own, wide = {}, {}
    for material in happened:
        row = next((r for r in single if is_named(names[material], r.minerals)), None)
        own[material] = rate if row is None else _rate(row)
        said = None if row is None else starts_of(row)
        seen = [r for r in events if _starts(r) and is_named(names[material], r.minerals)]
        wide[material] = own[material] if said is None else (len(seen) + JEFFREYS) / said[1]
    share = fmean(happened.values())

    def within(rates: Mapping[str, float]) -> dict[str, float]:
        return {m: probability({"": r}, names[m], settings) for m, r in rates.items()}

    return {
        "never": dict.fromkeys(happened, 0.0),
        "pooled counts": within(dict.fromkeys(happened, rate)),
        "own counts": within(own),
        "own counts, small and standing quotas counted": within(wide),
        "even odds": dict.fromkeys(happened, 0.5),
        "base rate in hindsight": dict.fromkeys(happened, share),
    }


def _bare(material: str, mineral: str) -> MaterialFacts:
    """A material of which nothing is known but its names."""
    return MaterialFacts(material, mineral, {}, "", None, 0.0, None, {}, "", 0.0, {}, {}, None, 0.0, 0.0)


def _rate(row: Any) -> float:
    said = starts_of(row)
    assert said is not None
    return (said[0] + JEFFREYS) / said[1]


def _starts(row: Any) -> bool:
    return bool(row.kind == "event" and row.took_effect == "true" and row.count_in_hazard.startswith(CHRONIC))


def noise(history: Realised) -> list[dict[str, Any]]:
    """Lowest availability of materials without any control: below what a fall says nothing."""
    rows = []
    for material, row in history.inputs.items():
        if history.control_day(material) is not None or row.outcome_3yr != 0:
            continue
        years = history.observed(material, BY_YEAR)
        if years:
            year = min(years, key=lambda y: years[y][1])
            rows.append({"material": material, "year": year, "lowest": years[year][1], "low": years[year][0]})
    return rows
