"""Ways for the reserve to buy, and offtake contracts that it may sign."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Purchase:
    """One way for the reserve to buy: a row of `offers`, or the tonnes under a project's purchase floor."""

    name: str
    material: int
    source: int
    """Producer, or -1 for `outside`."""
    premium: float
    outside: bool
    """In the market outside the countries that control the material."""
    offer: int
    """Row of `offers`, or -1."""
    classes: tuple[int, ...]
    """Purchase floors: output classes whose floor covers it."""


@dataclass(frozen=True)
class Contract:
    """An offtake contract that may start in a period."""

    source: int
    start: int
    end: int
    """Period after the last one in force."""
    lot: float
    largest: float
