"""Rows of the state that earlier years left: what was signed, what it still costs, where stock is from, what hazards have shown."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Key, NonNegative, Positive, Row, Share, Year, Years
from .columns import FLOOR_END, TAKE, UPSIDE, Column, FloorPrice, Hazard, Material

UNKNOWN = "unknown"
"""Origin of stock of which nobody says where it is from."""
Date = Annotated[float, Field(ge=1900, le=2200)]
"""A year, or a date within it."""


class CommitmentRow(Row):
    """Something that was signed before the plan and still binds: the plan pays it, and cannot cancel it or sign it again."""

    key: ClassVar[tuple[str, ...]] = ("commitment",)
    commitment: Key
    kind: Literal["package", "contract", "market_floor"]
    """Kind; the schema lists the choices."""
    item: Key
    """What was signed: a project, a source with an offtake contract, or a material with a market floor."""
    package: str = ""
    """Terms, as the plan called them that signed."""
    producer: Key
    """The activity of these tables that now stands for it: a plant under support, the part of a source under contract, a producer
    under the floor."""
    signed_year: Year
    share: Annotated[Share, Column(low=0.01)] = 1.0
    """Share of the project that was supported."""
    from_year: Date | None = None
    """Date of first output, or the first day of a contract."""
    until_year: Date | None = None
    """Last day of a contract, or of a plant's life; empty: beyond the plan."""
    floor_material: Key | None = None
    """Output with a price floor; empty: none."""
    floor_kind: Literal["contract", "border", "purchase"] | None = None
    """A border floor keeps producers alive and costs the budget nothing."""
    floor_usd_per_kg: FloorPrice = None
    floor_from_year: Date | None = None
    """Date from which the floor pays."""
    floor_until_year: Annotated[Date, FLOOR_END] | None = None
    """Date at which it ends."""
    upside_share: Annotated[Share, UPSIDE] = 0.0
    """Share of the price above the floor that is paid back to the authority."""
    take_t_per_yr: Annotated[Positive, TAKE] | None = None
    """Tonnes per year that the floor covers; empty: all."""
    residual_musd: NonNegative = 0.0
    """What its remaining life is worth at the end of the plan's horizon [million USD of that date]: told, and in no objective, for
    no decision changes it."""


class PaymentDueRow(Row):
    """A payment that was signed for: an instalment of capital support, or the fee of a right that is still held."""

    key: ClassVar[tuple[str, ...]] = ("commitment", "fiscal_year", "payment")
    commitment: Key
    """A row of `commitments`."""
    fiscal_year: Year
    """Year in which it is due."""
    payment: Literal["instalment", "fee"]
    amount_musd: NonNegative
    """In money of the plan's price year."""


class StockOriginRow(Row):
    """Where the reserve's opening stock came from, as far as it was bought by a plan that said so."""

    key: ClassVar[tuple[str, ...]] = ("material", "from_country")
    material: Material
    from_country: Key = UNKNOWN
    """Country of origin, an ISO3 code; `unknown`."""
    stock_t: NonNegative


class HazardEvidenceRow(Row):
    """What the years since the table of hazards was made have shown of a hazard: time without an event of it, and its onsets."""

    key: ClassVar[tuple[str, ...]] = ("hazard",)
    hazard: Hazard
    exposure_yr: Annotated[Years, Column(low=0.02, high=100)]
    """Years in which it could have begun: those in which it was in force already are left out."""
    onsets: Annotated[int, Field(ge=0, le=10_000)]
    """Events of it that began in them."""
    prior_rate_per_yr: NonNegative
    """Rate before this evidence, per year."""
    prior_onsets: NonNegative
    """Onsets that the prior rate stands for: shape of its gamma distribution."""
