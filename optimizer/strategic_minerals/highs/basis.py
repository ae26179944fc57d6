"""Hot starts for scenarios that resemble scenarios met before: a basis remembered by component, onset and period.

Instances of a template differ in data alone, so what was basic in one is a good guess for another at the same date of an event
that began as long ago. The guess need not be a basis: the solver completes it (HiGHS calls such a basis alien).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..core.arrays import Ints
from ..formulation.structure import TRUNK, Structure
from ..model.assembly import Assembly, PlacedBlock
from .settings import AT_LOWER, BASIC

Statuses = npt.NDArray[np.int8]
"""One status a column, or row, as the solver counts them."""
UNKNOWN = -1
LESSONS = 12
"""Solves that are learnt from: reading a basis costs as much as a tenth of a solve, and soon tells nothing new."""


def block_name(structure: Structure, block: PlacedBlock) -> tuple[str, str]:
    """(kind, component's name, empty where it is of all): the same from problem to problem, whatever their order."""
    return block.kind, structure.instance.components[block.component] if block.component >= 0 else ""


class BasisMemory:
    """Bases met so far. The last scenario with the same onset counts; without one, the last that reached the same period."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, str], str], Statuses] = {}
        """(block, "column" or "row") -> (1 + onsets, periods, width); index 0 holds the last of any onset."""
        self._lessons = 0

    @property
    def unsure(self) -> bool:
        """Whether there is something to learn yet."""
        return self._lessons < LESSONS

    def predict(self, structure: Structure, assembly: Assembly) -> tuple[Statuses, Statuses] | None:
        """Statuses of all columns and rows; None before anything has been learnt."""
        if not self._known:
            return None
        columns = np.full(len(assembly.lower), AT_LOWER, dtype=np.int8)
        rows = np.full(len(assembly.row_lower), BASIC, dtype=np.int8)
        for part, kind, where, key, local in _places(structure, assembly):
            known = self._known.get((block_name(structure, part), kind))
            if known is None:
                continue
            into = columns if kind == "column" else rows
            onset, period = key
            found = known[onset, period, local]
            found = np.where(found == UNKNOWN, known[0, period, local], found)
            into[where] = np.where(found == UNKNOWN, into[where], found)
        return columns, rows

    def record(self, structure: Structure, assembly: Assembly, columns: Statuses, rows: Statuses) -> None:
        """Remember the basis that a solve ended with."""
        self._lessons += 1
        T = structure.instance.calendar.periods
        for part, kind, where, (onset, period), local in _places(structure, assembly):
            width = part.width if kind == "column" else len(part.template.rows)
            key = block_name(structure, part), kind
            known = self._known.setdefault(key, np.full((T + 2, T, width), UNKNOWN, dtype=np.int8))
            status = (columns if kind == "column" else rows)[where]
            known[onset, period, local] = status
            known[0, period, local] = status


Place = tuple[PlacedBlock, str, Ints, tuple[Ints, Ints], Ints]


def _places(structure: Structure, assembly: Assembly) -> Iterator[Place]:
    """(part, kind, columns or rows, (1 + onset, period) of each, place in the template), the trunk left out: it is fixed."""
    for k, part in enumerate(assembly.blocks):
        onset = np.ones(part.count, dtype=np.int64)
        period = np.zeros(part.count, dtype=np.int64)
        counted = np.ones(part.count, dtype=bool)
        c = part.component
        if part.kind == "period":
            blocks = structure.block_index[c]
            counted = blocks.scenario != TRUNK
            onset[counted] = 1 + structure.scenarios.onset[blocks.scenario[counted], c]
            period[counted] = blocks.period[counted]
        elif part.kind == "branch":
            onset = 1 + structure.scenarios.onset[list(structure.block_index[c].branches), c].astype(np.int64)
        own = np.flatnonzero(counted)
        local = np.tile(np.arange(part.width), len(own))
        instance = np.repeat(own, part.width)
        yield (
            part,
            "column",
            part.first_column + part.width * instance + local,
            (onset[instance], period[instance]),
            local,
        )
        mine = np.flatnonzero(assembly.row_block == k)
        kept = mine[counted[assembly.row_instance[mine]]]
        of = assembly.row_instance[kept]
        yield part, "row", kept, (onset[of], period[of]), assembly.row_local[kept]
