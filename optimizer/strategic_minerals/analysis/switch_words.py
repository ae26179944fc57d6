"""What an item would be over a figure's range, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..finance.items import Item
from .intervals import IN, TIED, BreakEven, Interval

INTERVALS = [
    "figure",
    "unit",
    "item",
    "state",
    "from_value",
    "to_value",
    "switch_low",
    "switch_high",
    "why",
]
"""Columns: one row an interval; between switch_low and switch_high lies the switch to the next one."""
CALLED = {
    "capex": "capital cost",
    "premium": "premium over the market price",
    "fee": "contract fee",
    "hazard rate": "how often disruptions occur",
    "loss value": "what a missing tonne costs",
}
"""Figure -> what it is called in a sentence."""
SMALL_MUSD = 0.05


def interval_rows(item: Item, found: BreakEven) -> Iterator[dict[str, Any]]:
    """The intervals of a figure as rows of `INTERVALS`."""
    for k, interval in enumerate(found.intervals):
        last = k + 1 == len(found.intervals)
        yield {
            "figure": found.figure,
            "unit": found.unit,
            "item": str(item),
            "state": interval.state,
            "from_value": interval.start,
            "to_value": interval.end,
            "switch_low": math.nan if last else interval.end,
            "switch_high": math.nan if last else found.intervals[k + 1].start,
            "why": interval.why,
        }


def in_words(item: Item, found: BreakEven) -> str:
    """`capex (50 million USD now): its owner builds it up to 41; supported from 41.2 to 63; not chosen from 63.4 to 200 ...`."""
    as_assumed = found.unit.startswith("times") and found.base == 1
    begin = f"{CALLED.get(found.figure, found.figure)} ({'1 is' if as_assumed else f'{number(found.base)} {found.unit}'} now)"
    if not found.intervals:
        return f"{begin}: {found.note or 'nothing could be determined'}"
    alone = len(found.intervals) == 1
    parts = [_part(item, interval, found, k, alone=alone) for k, interval in enumerate(found.intervals)]
    said = f"{begin}: {'; '.join(parts)}"
    because = _nowhere(item, found)
    refused = [
        f"{side} {number(end)} {found.unit} the plan and the tables do not allow it (expected {why})"
        for side, end, why in (("below", found.low, found.below), ("above", found.high, found.above))
        if why
    ]
    tied = any(interval.state == TIED and interval.start <= found.base <= interval.end for interval in found.intervals)
    note = found.advice if tied else found.note
    return ". ".join(text for text in (said, because, *refused, note) if text)


def _part(item: Item, interval: Interval, found: BreakEven, k: int, *, alone: bool) -> str:
    """One interval in words; between the numbers of neighbours lies the switch."""
    start, end = number(interval.start), number(interval.end)
    if interval.start == interval.end:
        where = f"at {start} {found.unit}"
    else:
        where = f"from {start} {'up ' if k == 0 and not alone else ''}to {end} {found.unit}"
    where += ", the whole range tried" if alone else ""
    why = f" ({interval.why})" if interval.why and interval.state != "not chosen" else ""
    return f"{_state(item, interval)} {where}{why}"


def _state(item: Item, interval: Interval) -> str:
    supported = item.kind in ("project", "package")
    return {
        "built by its owner": "its owner builds it without support",
        "built by its owner and supported": "its owner builds it, and the plan supports it",
        "chosen": "supported" if supported else "chosen",
        "not chosen": "not chosen",
        "cannot be chosen": "cannot be supported" if supported else "cannot be chosen",
        "as good with as without": "equally good with and without it, within the gap of the solves,",
        "no plan": "no plan exists",
        "not known": "not known",
    }[interval.state]


def _nowhere(item: Item, found: BreakEven) -> str:
    """For a floor that no level brings into the plan: what decides that."""
    if found.figure != "floor level" or any(interval.state in IN for interval in found.intervals):
        return ""
    if len(found.idle) == 1 and found.idle[0].why:
        whys = [found.idle[0].why]
    else:
        whys = [f"{_span(part, found.unit)} {part.why}" for part in found.idle if part.why]
        best = found.cheapest
        if best is not None and best.cost >= SMALL_MUSD:
            at = f"at {number(best.value)} {found.unit}, the best level tried,"
            whys.append(f"{at} it costs {best.cost:,.1f} M more than it brings")
    return f"No floor up to {number(found.high)} {found.unit} changes that, because {'; '.join(whys)}" if whys else ""


def _span(part: Interval, unit: str) -> str:
    start, end = number(part.start), number(part.end)
    return f"at {start} {unit}" if start == end else f"from {start} to {end} {unit}"


def number(value: float) -> str:
    """Four figures, never an exponent of what can be read without."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
