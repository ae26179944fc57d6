"""Statistics of the United States from a USGS release, as cells of `minerals`: the last year that is reported, not estimated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from ..core.errors import Fault, InputError
from .usgs_release import TONNES, Mark, Record, Release
from .usgs_statistics import FACTORS, FROM_TRADE, STATISTICS, Statistic

SALIENT = "Salient"
YEARS_BACK = 2
"""Years from an edition back to the last one that is reported: the edition of 2026 has 2024, and an estimate of 2025."""
PER_KG: Mapping[str, float] = {
    "dollars per kilogram": 1.0,
    "dollars per pound": 2.20462262,
    "cents per pound": 0.0220462262,
    "dollars per troy ounce": 32.1507466,
    "dollars per metric ton": 1e-3,
}
"""Unit of a price -> USD per kg."""


@dataclass(frozen=True)
class Cell:
    """A figure of the release."""

    value: float | None
    """None: withheld, not available, or no number."""
    mark: Mark
    """Why there is no number; `net exporter` has the value 0."""
    bound: str
    """`>` or `<`: the value is a bound."""


def us_statistics(release: Release) -> dict[tuple[str, str], Cell]:
    """(mineral, column of `minerals`) -> cell. Raises InputError with every series that the release does not have, and with units
    that are not known."""
    year = str(int(release.edition.removeprefix("MCS")) - YEARS_BACK)
    known: dict[tuple[str, str, str], Record] = {}
    for record in release.records:
        if record.section.startswith(SALIENT) and record.year == year:
            known[record.chapter, record.commodity, _plain(record.detail)] = record
    found: dict[tuple[str, str], Cell] = {}
    faults: list[Fault] = []
    for one in STATISTICS:
        records = [known.get((one.chapter, one.commodity, _plain(detail))) for detail in one.details]
        for detail, each in zip(one.details, records, strict=True):
            if each is None:
                expected = f"{one.chapter} / {one.commodity} / {detail}, for {one.column} of {one.mineral}"
                faults.append(Fault(release.edition, "", "Statistics_detail", f"no such series in {year}", expected))
        there = [record for record in records if record is not None]
        if len(there) < len(records):
            continue
        try:
            found[one.mineral, one.column] = _cell(one, there)
        except LookupError as error:
            expected = f"one of {', '.join([*TONNES, *PER_KG])}"
            faults.append(Fault(release.edition, str(there[0].line), "Unit", str(error), expected))
    if faults:
        raise InputError(faults)
    for mineral in FROM_TRADE:
        bought, sold = (found.get((mineral, column)) for column in ("imports_t", "exports_t"))
        if bought is not None and bought.value is not None:
            less = 0.0 if sold is None or sold.value is None else sold.value
            found[mineral, "consumption_t"] = Cell(bought.value - less, "", "")
    return found


def _plain(detail: str) -> str:
    """A series without what varies between editions: case, spaces, a space that the file of 2026 lacks."""
    return " ".join(detail.casefold().replace("relianceas", "reliance as").split())


def _cell(one: Statistic, records: list[Record]) -> Cell:
    """The sum of series; none where one of them is no number. LookupError for a unit that is not known."""
    total, bounds, marks = 0.0, set[str](), defaultdict[Mark, int](int)
    for record in records:
        factor = _factor(one, record)
        if record.mark == "net exporter":
            return Cell(0.0, record.mark, "")
        if record.number is None:
            marks[record.mark] += 1
        else:
            total += record.number * factor
            bounds.add(record.bound)
    if marks:
        return Cell(None, next(iter(marks)), "")
    return Cell(total, "", next((bound for bound in bounds if bound), ""))


def _factor(one: Statistic, record: Record) -> float:
    """From the printed unit to that of the column."""
    if one.column == "net_import_reliance_pct":
        return 1.0
    if (own := FACTORS.get((one.mineral, one.column))) is not None:
        return own
    if one.column.endswith("_usd_per_kg"):
        unit = next((unit for unit in PER_KG if record.unit.casefold().startswith(unit)), None)
        if unit is None:
            raise LookupError(f"'{record.unit}' of {one.mineral}")
        return PER_KG[unit]
    if record.unit not in TONNES:
        raise LookupError(f"'{record.unit}' of {one.mineral}")
    return TONNES[record.unit]
