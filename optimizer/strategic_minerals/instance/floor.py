"""A price floor, as an owner or the treasury sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class FloorId:
    """Which floor of the plan's menu a floor is, however high it is and whatever it is called."""

    menu: int
    """Place of its menu in the plan's list, from 0."""
    level: int
    """Place among the levels of its menu, from 0."""


@dataclass(frozen=True)
class Floor:
    """A price floor on one material, as an owner or the treasury sees it."""

    material: int
    level: float
    """Strike F [million USD/t]."""
    upside: float
    kind: str
    """contract, border or purchase."""
    term: int
    """Periods in force."""
    market: int = -1
    """Index of the market floor, or -1 for any other."""
    begin: int | None = None
    """First period in force; None: from first output of the project."""
    take: float = math.inf
    """Purchase floors: tonnes per period that are covered."""
    id: FloorId | None = None
    """None: a floor that is not of the plan's menu."""
