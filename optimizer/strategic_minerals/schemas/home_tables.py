"""Rows of the tables about homes: the country, or the union of countries, that a plan is made for."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from .base import Iso3, Names, Positive, Row
from .columns import Column, Name, PriceYear

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z]{2}$")]


class HomeRow(Row):
    """A home of plans."""

    key: ClassVar[tuple[str, ...]] = ("home",)
    home: Iso3
    """Code that plans use: of a country, or of a union (`EUU`)."""
    name: Name
    members: Names
    """Its countries, ISO3 codes separated by spaces: what stands in one of them is at home."""
    currency: Currency
    """ISO 4217 code."""
    fiscal_year_month: Annotated[int, Field(ge=1, le=12)]
    """Month in which its fiscal year begins; from July on it is called by the calendar year in which it ends."""
    discount_rate: Annotated[float, Field(ge=0, le=0.5), Column(low=0.002, high=0.2)] | None = None
    """Real rate per year that its government prescribes for public projects; empty: none found."""
    discount_rate_low: float | None = None
    discount_rate_high: float | None = None
    agency: str = ""
    """Who holds the reserve."""
    law: str = ""
    """Under which law."""


class ExchangeRateRow(Row):
    """Money of a home for one US dollar, mean of a year."""

    key: ClassVar[tuple[str, ...]] = ("currency", "money_year")
    currency: Currency
    money_year: PriceYear
    local_per_usd: Positive
