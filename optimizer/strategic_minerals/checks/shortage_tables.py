"""What contradicts itself in the table of users' own stocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..core.errors import Fault
from ..data.dataset import Dataset
from ..schemas.plan import Plan


def shortage_tables_make_sense(plan: Plan, data: Dataset) -> Iterator[Fault]:
    """A stock of users has one level, and a holder: a segment that demands the material, or plants that use it."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for row in data.rows("demand"):
        wanted[row.material].add(row.segment)
    used = {row.material for row in data.rows("yields") if row.yield_t_per_t < 0}
    for row in data.rows("users_stock"):
        key = f"{row.material}/{row.segment}"
        if (row.level_months is None) == (row.level_t is None):
            found = "neither level_months nor level_t" if row.level_t is None else "both level_months and level_t"
            yield Fault("users_stock.csv", key, "level_months", found, "one of the two")
        segments = wanted.get(row.material, set())
        if row.segment != "*" and row.segment not in segments:
            expected = f"one of {', '.join(sorted(segments))}, or '*'" if segments else "'*': the plants that use it"
            yield Fault("users_stock.csv", key, "segment", f"'{row.segment}', which demands none of it", expected)
        elif not segments and row.material not in used:
            yield Fault("users_stock.csv", key, "material", f"'{row.material}'", "a material that somebody uses")
