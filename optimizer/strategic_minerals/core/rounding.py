"""Sums in print: parts rounded so that what is printed adds up."""

from __future__ import annotations

from collections.abc import Sequence


def rounded_to_add_up(total: float, parts: Sequence[float], digits: int) -> tuple[float, ...] | None:
    """The parts of a sum, rounded, so that they add up to the total as it is rounded.

    Rounded by themselves, parts may miss the total by some units of the last digit; these go one each to the parts after the first
    that are nearest to the next figure: the first one, which is told elsewhere too, keeps its own where others can give way.

    total, parts: in one unit. digits: after the decimal point. None where the parts are not those of the total: more would have
    to be moved than rounding explains.
    """
    unit = 10.0**-digits
    scaled = [part / unit for part in parts]
    whole = [round(value) for value in scaled]
    missing = round(total / unit) - sum(whole)
    if 2 * abs(missing) > len(parts) + 1:
        return None
    step = 1 if missing > 0 else -1
    order = sorted(range(len(parts)), key=lambda k: (k == 0, step * (whole[k] - scaled[k])))
    for k in order[: abs(missing)]:
        whole[k] += step
    return tuple(round(value * unit, digits) + 0.0 for value in whole)
