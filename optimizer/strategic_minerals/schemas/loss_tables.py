"""Rows of the tables about shortage: what it costs, how users adapt to it, what they hold themselves, what was seen of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Key, NonNegative, Positive, Row, Share
from .columns import Column, Material, MoneyYear, Unit

Months = Annotated[float, Field(ge=0, le=12_000)]
"""A length in months."""


class LossFunctionRow(Row):
    """Loss per tonne of unserved demand in a named loss function, net of the material's own price."""

    key: ClassVar[tuple[str, ...]] = ("loss_function", "material", "segment")
    loss_function: Key
    """Name of a loss function; a plan selects one."""
    material: Material
    segment: str
    """A segment, or `*` for all."""
    loss_usd_per_t: Annotated[NonNegative, Column("loss from a missing tonne, beyond its price")]
    """Economic loss per tonne of shortfall, in excess of the price."""
    loss_usd_per_t_low: float | None = None
    loss_usd_per_t_high: float | None = None
    event: str = ""
    """The event whose loss the study estimated."""
    horizon_months: Annotated[float, Field(gt=0, le=12_000), Column(low=1, high=120)] | None = None
    """Length of disruption for which the study's loss holds; empty: none stated."""
    money_year: MoneyYear = None


class AdaptationRow(Row):
    """How users' loss per tonne changes while a disruption lasts: they redesign, save and find other suppliers.

    A segment with rows values unserved demand at its price, at least the undisturbed one, plus `multiplier` times the named loss.
    """

    key: ClassVar[tuple[str, ...]] = ("material", "segment", "from_month")
    material: str
    """A material, or `*` for all without rows of their own."""
    segment: str
    """A segment, or `*` for all without rows of their own."""
    from_month: Months
    """Months since the beginning of the latest event in force, from which on the multiplier applies; 1 before the first row, and
    the last row holds for as long as the event lasts."""
    multiplier: Annotated[Positive, Column(low=0.02, high=3)]
    """Loss per tonne as a multiple of the named loss."""
    multiplier_low: float | None = None
    multiplier_high: float | None = None


class UsersStockRow(Row):
    """Stock that users hold themselves, as a level that they return to after a disruption."""

    key: ClassVar[tuple[str, ...]] = ("material", "segment")
    material: Material
    segment: str
    """A segment of the material's demand, or `*`: all without a row of their own; for a material without demand, the plants
    that use it."""
    level_months: Annotated[float, Field(ge=0, le=120), Column(low=0.25, high=24)] | None = None
    """Months of mean use over the planned years; give either this or `level_t`."""
    level_months_low: float | None = None
    level_months_high: float | None = None
    level_t: NonNegative | None = None
    """Tonnes; with segment `*`, of all these segments together, in proportion to their use."""
    level_t_low: float | None = None
    level_t_high: float | None = None
    missing_share: Annotated[Share, Column(low=0.001)] = 0.0
    """Share of it that is missing when the plan starts: drawn in a disruption and not refilled yet."""


class LossReplayRow(Row):
    """What was seen, or modelled, of the losses of a dated disruption."""

    key: ClassVar[tuple[str, ...]] = ("control_event", "country", "sector", "metric")
    control_event: Key
    """The event of `policy_events`."""
    country: str
    """Where: a country, a group of countries, or `world`."""
    sector: str
    material: Key | None = None
    """The material whose loss functions the row tests."""
    role: Literal[
        "", "undelivered", "depth", "mean_depth", "lasted", "stopped", "workers", "surveyed", "output", "employed"
    ] = ""
    """What the row is in the test of loss functions: tonnes of the material that did not arrive; largest and mean share of normal
    supply lost; months of the trough; weeks for which one plant stopped; workers of that plant; stops that a survey of firms
    counted or expected; a year's output of the country [million USD]; persons employed there. Empty: not used in it."""
    metric: str
    """What is counted."""
    low: NonNegative | None = None
    """Lower end."""
    central: NonNegative | None = None
    """Middle."""
    high: NonNegative | None = None
    """Upper end."""
    unit: Unit = ""
    observed_or_modelled: Literal[
        "", "observed", "modelled", "derived from observed", "modelled on observed tonnes"
    ] = ""
    use_as_check: str = ""
    """What the row says about loss functions, in words."""
