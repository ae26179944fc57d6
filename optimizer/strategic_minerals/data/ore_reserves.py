"""Who holds the ore of a mineral, and how long it lasts at today's output."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .dataset import Dataset

REGIONS = ("WLD", "OTH")
"""Codes that are no country."""
TOGETHER = "all "
"""How the basis of reserves begins that several metals share, such as the platinum group's: no one metal's output uses them up."""
MINE = "mine"
"""Stage of the table `production` that takes ore out of the ground."""


@dataclass(frozen=True)
class OreReserve:
    """Reserves of a country: ore that can be mined at a profit today, which exploration may add to."""

    mineral: str
    country: str
    reserves_t: float
    share: float | None
    """Of the world's; None where its total is not printed."""
    output_t: float | None
    """Mine output of the latest year; None: not printed."""
    counted: int
    """Year at whose end they were counted."""

    @property
    def years(self) -> float | None:
        """Years of output left; None where there is no output."""
        return self.reserves_t / self.output_t if self.output_t else None

    @property
    def ends(self) -> float | None:
        """Calendar date at which they are mined at that rate."""
        return None if self.years is None else self.counted + 1 + self.years


def ore_reserves(data: Dataset, minerals: Iterable[str]) -> list[OreReserve]:
    """Of some minerals, the largest first; of several editions the latest counts. Countries whose reserves are 0 are left out."""
    wanted, held, mined = set(minerals), {}, {}
    for row in sorted(data.rows("reserves"), key=lambda row: row.year or 0):
        if row.mineral in wanted:
            held[row.mineral, row.country] = row
    for row in sorted(data.rows("production"), key=lambda row: row.year or 0):
        if row.mineral in wanted and row.stage == MINE:
            mined[row.mineral, row.country] = row.production_t
    found = []
    for (mineral, country), row in held.items():
        world = held.get((mineral, "WLD"))
        if country not in REGIONS and row.reserves_t > 0:
            together = row.basis.startswith(TOGETHER)
            share = row.reserves_t / world.reserves_t if world is not None and world.reserves_t > 0 else None
            found.append(
                OreReserve(
                    mineral,
                    country,
                    row.reserves_t,
                    share,
                    None if together else mined.get((mineral, country)) or None,
                    int(row.year or 0),
                )
            )
    order = list(dict.fromkeys(mineral for mineral, _ in held))
    return sorted(found, key=lambda one: (order.index(one.mineral), -one.reserves_t))


DUG = ("mine", "ore", "concentrate", "primary")
"""Stages of an activity that its own country's ore feeds: smelters and refineries buy theirs where they find it."""


def ore_ends(data: Dataset) -> dict[str, float]:
    """Activity -> calendar date at which its country's reserves of what it makes are mined, of several minerals the first."""
    of = {row.material: row.mineral for row in data.rows("materials")}
    dates = {
        (one.mineral, one.country): one.ends for one in ore_reserves(data, set(of.values())) if one.ends is not None
    }
    made: dict[str, list[str]] = {}
    for row in data.rows("yields"):
        if row.yield_t_per_t > 0 and row.material in of:
            made.setdefault(row.producer, []).append(of[row.material])
    found = {}
    for row in data.rows("activities"):
        known = [dates[key] for mineral in made.get(row.activity, ()) if (key := (mineral, row.country)) in dates]
        if known and row.stage in DUG:
            found[row.activity] = min(known)
    return found
