"""What a sensitivity study varies and its plan does not read, and factors that look like percent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from ..core.errors import ReserveError
from ..data.addresses import edited, read_axis
from ..data.dataset import Dataset
from ..instance.build import build_instance
from ..scenarios.build import listed
from ..scenarios.events import longest_event, sampled
from ..schemas.plan import Plan

MOST_TRIED = 8
"""Points at which an address is tried, until one is read."""
PERCENT = 20.0
"""Factors from here on are rather percent."""


def varied_in_vain(plan: Plan, data: Dataset, points: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Notes on addresses of tables that the plan reads at no point that was looked at, and on factors that look like percent.

    points: values by address. Raises nothing for points that are faults: they are told elsewhere.
    """
    addresses = list(dict.fromkeys(address for point in points for address in point))
    return (*_unread(plan, data, points, addresses), *_percent(points, addresses))


def _unread(plan: Plan, data: Dataset, points: Sequence[Mapping[str, Any]], addresses: Sequence[str]) -> Iterator[str]:
    """Addresses whose values change nothing that a solve is given, beside the other values of the same point."""
    known: dict[str, Any] = {}
    contexts = [repr([(at, value) for at, value in point.items() if not read_axis(at).table]) for point in points]
    for address in addresses:
        if not read_axis(address).table:
            continue
        tried = []
        for point in _different(address, points, contexts):
            others = {other: value for other, value in point.items() if other != address}
            try:
                if repr(others) not in known:
                    known = {
                        repr(others): _given(*edited(plan, data, others))
                    }  # points of one context follow one another
                changed = edited(plan, data, point)
                if changed[1].tables == edited(plan, data, others)[1].tables:
                    continue
                tried.append(_same(known[repr(others)], _given(*changed)))
            except ReserveError:
                tried.append(False)
            if not tried[-1]:
                break
        if tried and all(tried):
            yield f"{address} has no effect on this plan: points that differ only in it are the same question"


def _different(address: str, points: Sequence[Mapping[str, Any]], contexts: Sequence[str]) -> list[Mapping[str, Any]]:
    """Points with an address, those that differ in fields of the plan first: it may be read in one of them alone.

    contexts: what each point says of fields of the plan.
    """
    found: dict[str, Mapping[str, Any]] = {}
    mine = [n for n, point in enumerate(points) if address in point]
    for n in mine:
        found.setdefault(contexts[n], points[n])
    ends = [points[n] for n in (mine[-1], mine[0]) if all(points[n] is not other for other in found.values())]
    return [*found.values()][: MOST_TRIED - len(ends)] + ends


def _given(plan: Plan, data: Dataset) -> tuple[Any, ...]:
    """All that a solve is given of the tables. Raises PlanError and InputError."""
    instance = build_instance(plan, data, longest_event(plan, data))
    return replace(instance, left_out=(), impossible=()), listed(instance, data), sampled(plan, data)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, arrays in them compared by what they hold."""
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    if is_dataclass(one) and type(one) is type(other):
        return all(_same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _percent(points: Sequence[Mapping[str, Any]], addresses: Sequence[str]) -> Iterator[str]:
    """Factors so large that they were rather meant as percent."""
    for address in addresses:
        if read_axis(address).factor:
            values = dict.fromkeys(point[address] for point in points if address in point)
            large = [value for value in values if isinstance(value, int | float) and value >= PERCENT]
            if large:
                told = ", ".join(f"{value:g}" for value in large[:3])
                meant = f"{large[0]:g} % is {large[0] / 100:g}"
                yield f"{address} is multiplied by {told}, which looks like a percentage given as a factor: {meant}"
