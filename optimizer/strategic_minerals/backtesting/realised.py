"""What happened, for the scorer alone: prices and controls by quarter, tonnes lost, availability.

- Price of a quarter: the mean of quotes that lie within it, those of the controlling country's own market left out; else the
  annual mean of the score inputs, or the first annual series of the home country; after the last of them the price at the end,
  of which only a range is known. Each has a low, a central and a high end.
- A control is in force from the day in the score inputs on; whose it is say the controls that took effect that day, else it is
  the largest supplier. It is taken to stay.
- Tonnes lost: the attributed tonnes, spread over the quarters of their window by the shortfall of the quarterly availability,
  by days where there is none.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from ..core.names import country_codes
from .execution import Terms
from .hazards import supplier_of
from .settings import CONTROL, Settings
from .tables import GAP, Table
from .timeline import ONE_DAY, PER_YEAR, days_within, quarter_of, quarters_between, share_within

CASES = ("low", "central", "high")
QUOTES = frozenset({"monthly", "quarterly", "date"})
PRICE = "price"
LOST = "tonnes lost to the control (attributed)"
AVAILABLE = "availability share of normal"
BY_QUARTER = f"{AVAILABLE} (quarterly)"
BY_YEAR = f"{AVAILABLE} (annual)"
GROSS = re.compile(r"-origin shipments .*share of normal \(quarterly\)")
SPIKES = re.compile(r"^(spike price|highest .*quote)")

Ends = tuple[float, float, float]
"""Low, central, high."""


@dataclass(frozen=True)
class Realised:
    """The scorer's reading of the files."""

    settings: Settings
    rows: tuple[Any, ...]
    inputs: Mapping[str, Any]
    """Material -> its row of the score inputs."""
    minerals: Mapping[str, str]
    of_material: Mapping[str, tuple[Any, ...]]
    """Material -> its rows."""
    _quotes: dict[tuple[str, int], Ends] = field(default_factory=dict)
    _losses: dict[str, dict[int, Ends]] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Mapping[str, Table], settings: Settings) -> Realised:
        """From the tables `realised` and `score_inputs`."""
        rows = tables["realised"].rows
        inputs = {row.material: row for row in tables["score_inputs"].rows}
        minerals = {row.material: row.mineral for row in rows if row.material in inputs and row.mineral}
        by_material: dict[str, list[Any]] = {}
        for row in rows:
            by_material.setdefault(row.material, []).append(row)
        return cls(settings, rows, inputs, minerals, {name: tuple(own) for name, own in by_material.items()})

    # --- prices -------------------------------------------------------------------------------------------------------------

    def price_ends(self, material: str, quarter: int) -> Ends | None:
        """Low, central and high price of a quarter [USD/kg]; None: not known."""
        if (material, quarter) not in self._quotes:
            found = self._quoted(material, quarter) or self._annual(material, quarter) or self._last(material, quarter)
            if found is None:
                return None
            self._quotes[material, quarter] = found
        return self._quotes[material, quarter]

    def _quoted(self, material: str, quarter: int) -> Ends | None:
        inside = self._home_market_of_supplier(material)
        values = []
        for row in self.of_material.get(material, ()):
            if row.metric != PRICE or row.frequency not in QUOTES or row.value is None:
                continue
            if row.period_start is None or quarter_of(row.period_start) != quarter:
                continue
            if (row.period_end is None or quarter_of(row.period_end) == quarter) and not (
                inside and inside.search(row.market)
            ):
                values.append((row.value_low or row.value, row.value, row.value_high or row.value))
        if not values:
            return None
        return min(v[0] for v in values), fmean(v[1] for v in values), max(v[2] for v in values)

    def _home_market_of_supplier(self, material: str) -> re.Pattern[str] | None:
        """Names of the markets of the countries that control a material."""
        codes = self.suppliers(material)
        words = [re.escape(name) for name, code in country_codes().items() if code in codes]
        return re.compile(rf"\b({'|'.join([*words, *sorted(codes)])})\b", re.IGNORECASE) if codes else None

    def _annual(self, material: str, quarter: int) -> Ends | None:
        """The annual mean of a quarter's year, of the freeze in its own year; a gap lies between the years beside it. A material
        without score inputs has no price: it is not scored."""
        row, year = self.inputs.get(material), quarter // PER_YEAR
        ahead = year - self.settings.freeze.year
        if row is None or ahead < 0:
            return None
        known = {0: row.price_freeze_usd_per_kg, 1: row.price_y1, 2: row.price_y2, 3: row.price_y3}
        for n in range(1, self.settings.end.year - self.settings.freeze.year + 1):
            if known.get(n) is None:
                known[n] = self._series(material, self.settings.freeze.year + n)
        known = {n: value for n, value in sorted(known.items()) if value is not None}
        if ahead in known:
            return (known[ahead],) * 3
        before, after = [n for n in known if n < ahead], [n for n in known if n > ahead]
        if not before or not after:
            return None
        beside = known[before[-1]], known[after[0]]
        return min(beside), fmean(beside), max(beside)

    def _series(self, material: str, year: int) -> float | None:
        """The first annual price of the home country's statistics in a year."""
        for row in self.of_material.get(material, ()):
            if (row.metric, row.market, row.frequency) == (PRICE, self.settings.home, "annual") and (
                row.value is not None and row.period_start is not None and row.period_start.year == year
            ):
                return float(row.value)
        return None

    def _last(self, material: str, quarter: int) -> Ends | None:
        row = self.inputs.get(material)
        if row is None or row.price_end_usd_per_kg is None or quarter // PER_YEAR <= self.settings.freeze.year:
            return None
        value = row.price_end_usd_per_kg
        return (value if row.price_end_low is None else row.price_end_low), value, _or(row.price_end_high, value)

    def end_price(self, material: str) -> Ends | None:
        """The price at the end of the play."""
        return self._last(material, quarter_of(self.settings.end))

    def peak_price(self, material: str) -> Ends | None:
        """The highest price."""
        row = self.inputs.get(material)
        if row is None or row.price_peak_usd_per_kg is None:
            return None
        value = row.price_peak_usd_per_kg
        return _or(row.price_peak_low, value), value, _or(row.price_peak_high, value)

    def freeze_price(self, material: str) -> float | None:
        """The price at the freeze."""
        row = self.inputs.get(material)
        return None if row is None or row.price_freeze_usd_per_kg is None else float(row.price_freeze_usd_per_kg)

    # --- controls -----------------------------------------------------------------------------------------------------------

    def control_day(self, material: str) -> dt.date | None:
        """The day on which a control took effect."""
        row = self.inputs.get(material)
        return None if row is None else row.control_in_force

    def suppliers(self, material: str) -> frozenset[str]:
        """Countries whose controls took effect on the material's day."""
        day = self.control_day(material)
        found = {
            supplier_of(row)
            for row in self.rows
            if day is not None and row.metric.startswith(CONTROL) and row.period_start == day
        }
        return frozenset(code for code in found if re.fullmatch(r"[A-Z]{3}", code) and code != self.settings.home)

    # --- what was lost -------------------------------------------------------------------------------------------------------

    def attributed(self, material: str) -> Ends | None:
        """Tonnes lost to the control; None: a gap."""
        row = self.inputs.get(material)
        if row is None or row.loss_t_attributed is None:
            return None
        value = row.loss_t_attributed
        return _or(row.loss_t_low, value), value, _or(row.loss_t_high, value)

    def window(self, material: str) -> tuple[dt.date, dt.date] | None:
        """First and last day of the attributed loss."""
        for row in self.of_material.get(material, ()):
            if row.metric == LOST and row.period_start and row.period_end:
                return row.period_start, row.period_end
        day = self.control_day(material)
        return None if day is None else (day, self.settings.end)

    def losses(self, material: str) -> dict[int, Ends]:
        """Quarter -> tonnes lost."""
        if material not in self._losses:
            self._losses[material] = self._spread(material)
        return self._losses[material]

    def _spread(self, material: str) -> dict[int, Ends]:
        total, window = self.attributed(material), self.window(material)
        if total is None or window is None or max(total) <= 0:
            return {}
        quarters = quarters_between(*window)
        weights = {q: share_within(q, *window) * self._shortfall(material, q) for q in quarters}
        if sum(weights.values()) <= 0:
            weights = {q: float(days_within(q, *window)) for q in quarters}
        whole = sum(weights.values())
        return {
            q: (total[0] * w / whole, total[1] * w / whole, total[2] * w / whole) for q, w in weights.items() if w > 0
        }

    def _shortfall(self, material: str, quarter: int) -> float:
        """What was missing of normal in a quarter; of a quarter without a row nothing is known, and it counts as none."""
        for row in self.of_material.get(material, ()):
            if row.metric != BY_QUARTER or row.value is None:
                continue
            if (
                row.period_start
                and row.period_end
                and {*map(quarter_of, (row.period_start, row.period_end))} == {quarter}
            ):
                return float(max(0.0, 1 - row.value))
        return 0.0

    def first_release(self, material: str) -> int | None:
        """The quarter after the control took effect."""
        day = self.control_day(material)
        return None if day is None else quarter_of(day) + 1

    def gross_fall(self, material: str, share: float) -> dict[int, Ends]:
        """Quarter -> tonnes by which shipments from the controlling country fell; share: of it in normal use."""
        row = self.inputs.get(material)
        if row is None or row.normal_t_per_yr is None or self.control_day(material) is None:
            return {}
        base = row.normal_t_per_yr * share / PER_YEAR
        found = {}
        for line in self.of_material.get(material, ()):
            if GROSS.search(line.metric) and line.value is not None and line.period_start:
                quarter = quarter_of(line.period_start)
                if quarter >= quarter_of(self.control_day(material) or line.period_start):
                    ends = (_or(line.value_high, line.value), line.value, _or(line.value_low, line.value))
                    found[quarter] = (
                        base * max(0, 1 - ends[0]),
                        base * max(0, 1 - ends[1]),
                        base * max(0, 1 - ends[2]),
                    )
        return found

    def net_fall(self, material: str) -> dict[int, Ends]:
        """Quarter -> tonnes by which availability fell short of normal, years spread evenly."""
        row = self.inputs.get(material)
        found: dict[int, Ends] = {}
        for ahead in (1, 2, 3):
            value = None if row is None else getattr(row, f"loss_t_net_vs_normal_y{ahead}")
            if value:
                year = self.settings.freeze.year + ahead
                for quarter in range(PER_YEAR * year, PER_YEAR * (year + 1)):
                    found[quarter] = (value / PER_YEAR,) * 3
        return found

    def observed(self, material: str, metric: str) -> dict[int, tuple[float, float, float]]:
        """Year -> low, central, high of an annual metric at home."""
        found = {}
        for row in self.of_material.get(material, ()):
            if row.metric == metric and row.value is not None and row.period_start:
                found[row.period_start.year] = (
                    _or(row.value_low, row.value),
                    row.value,
                    _or(row.value_high, row.value),
                )
        return found

    def spikes(self) -> list[dict[str, Any]]:
        """Ratios of spikes as the file has them."""
        return [
            {
                "material": row.material,
                "what": row.metric,
                "ratio": row.value,
                "low": row.value_low,
                "high": row.value_high,
            }
            for row in self.rows
            if SPIKES.search(row.metric) and row.value is not None and row.confidence != GAP
        ]


def _or(value: float | None, other: float) -> float:
    return float(other if value is None else value)


@dataclass(frozen=True)
class RealisedMarket:
    """Prices and controls of one end of what is known."""

    history: Realised
    case: str

    def price(self, material: str, quarter: int) -> float | None:
        """USD/kg."""
        ends = self.history.price_ends(material, quarter)
        return None if ends is None else ends[CASES.index(self.case)]

    def closed(self, material: str, quarter: int, terms: Terms) -> float:
        """Share of what can be bought that the controlling countries make, by days in force."""
        day = self.history.control_day(material)
        if day is None:
            return 0.0
        last = self.history.settings.end + 400 * ONE_DAY
        codes = self.history.suppliers(material) or set(_largest(terms.shares))
        return min(1.0, sum(terms.shares.get(code, 0.0) for code in codes) * share_within(quarter, day, last))


def _largest(shares: Mapping[str, float]) -> Sequence[str]:
    return [max(sorted(shares), key=lambda code: shares[code])] if shares else []
