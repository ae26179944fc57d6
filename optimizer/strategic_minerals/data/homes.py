"""The home of a plan: a country, or a union of countries, and what its government is known by."""

from __future__ import annotations

from ..schemas.home_tables import HomeRow
from .dataset import Dataset

JANUARY = 1


def home_row(data: Dataset, home: str) -> HomeRow | None:
    """The row of a home; None where the tables say nothing of it."""
    return next((row for row in data.rows("homes") if row.home == home), None)


def members(data: Dataset, home: str) -> frozenset[str]:
    """Countries of a home: those of its row, or the one country that it names."""
    row = home_row(data, home)
    return frozenset({home}) if row is None else frozenset(row.members.split())


def fiscal_month(data: Dataset, home: str) -> int:
    """Month in which a home's fiscal year begins; January where nothing is said."""
    row = home_row(data, home)
    return JANUARY if row is None else row.fiscal_year_month
