"""What earlier years left to a plan: payments that were signed for, floors that still pay."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.arrays import Floats
from .floor import Floor


@dataclass(frozen=True)
class PaidFloor:
    """A floor that was guaranteed before this plan and is paid from its budget, on the output of one existing source."""

    producer: int
    floor: Floor


@dataclass(frozen=True)
class Carried:
    """What was signed before a plan, at its start."""

    due: Floats
    """(F,) what was signed before costs the budget in each fiscal year: instalments and fees that remain, and the expected
    payments of floors on the undisturbed course [million USD]."""
    instalments: Floats
    """(F,) the first part of it: instalments and fees alone [million USD]."""
    liability: Floats
    """(F,) what the floors among it may cost at the liability quantile [million USD]."""
    floors: tuple[PaidFloor, ...]
    residual: float
    """What plants signed before are worth at the end of the horizon, beside the objective [million USD of that date]."""
