"""Rows of what may happen: hazards, and how deep they cut month by month."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..core.units import LARGEST_NUMBER
from .base import Key, Multipliers, Names, NonNegative, Positive, PositiveYears, Row, Share, Years
from .columns import (
    AFTER,
    CHEAPER,
    CUT,
    DEARER,
    DURATION,
    ELEMENTS,
    FLOOD,
    LAG,
    MONTH,
    RATE,
    SURGE,
    THIRD_CUT,
    Column,
    Hazard,
    Material,
    Name,
)


class HazardRow(Row):
    """A kind of disruption: what it affects, how often, how long and how severely."""

    key: ClassVar[tuple[str, ...]] = ("hazard",)
    hazard: Hazard
    name: Name
    kind: Literal["licence", "embargo", "war", "outage", "ally_limit", "flood_squeeze", "demand_surge"]
    """Kind; the schema lists the choices."""
    countries: Names
    """Countries whose sources are cut, ISO3 codes separated by spaces; `*`: all except the home country."""
    materials: Names
    """Materials affected, separated by spaces; `*`: all."""
    rate_per_yr: Annotated[NonNegative, RATE]
    """Expected onsets per year (Poisson)."""
    rate_per_yr_low: float | None = None
    rate_per_yr_high: float | None = None
    duration_yr: Annotated[PositiveYears, DURATION]
    """Mean duration, see `duration_law`."""
    duration_yr_low: float | None = None
    duration_yr_high: float | None = None
    cut_share: Annotated[Share, CUT]
    """Share of the sources' output that stops."""
    cut_share_low: float | None = None
    cut_share_high: float | None = None
    price_multiplier: Annotated[Positive, DEARER] = 1.0
    """Price of the materials while the cut lasts, as a multiple of the undisturbed price."""
    price_multiplier_low: float | None = None
    price_multiplier_high: float | None = None
    flood_yr: Annotated[Years, FLOOD] = 0.0
    """Flood phase before the cut: years with full supply at `flood_multiplier` times the price."""
    flood_multiplier: Annotated[Positive, CHEAPER] = 1.0
    """Price while the market is flooded, as a multiple of the undisturbed price."""
    third_country_cut_share: Annotated[Share, THIRD_CUT] = 0.0
    """Cut of other foreign sources of the same materials: lost feed, rules on trace content, shipping. What allies
    keep for themselves is in their `kappa`, or a separate hazard."""
    third_country_scope: Literal["all", "feed", "overseas"] = "all"
    """Which of these other sources are cut. `all`; `feed`: those whose feed comes from the hazard's countries or is of unpublished
    origin (`feed_origins`), as rules on trace content reach them; `overseas`: those that no land border of `countries` joins to the
    home country, as a loss of shipping reaches them."""
    demand_multipliers: Annotated[Multipliers, SURGE] = ""
    """Factors on demand while the event lasts, e.g. `defence=1.5 other=0.8`; segments not named stay at 1."""
    duration_law: Literal["exponential", "lognormal", "fixed"] = "exponential"
    """Distribution of the duration: exponential with the mean; lognormal with the mean and the ratio high/low between its
    95 % and 5 % points; or constant."""
    cut_law: Literal["triangular", "on_off", "fixed"] = "triangular"
    """Distribution of the cut: triangular from low to high with the value as mode; everything or only low, with the value as
    the probability of everything; or constant."""
    no_loss_share: Annotated[Share, Column(low=0.01)] = 0.0
    """With a profile: probability that an event costs users no tonnes, only price; the direct flow is cut all the same."""
    severity_p05: Annotated[Positive, Column(low=0.05, high=1)] | None = None
    """With a profile: 5 % point of the factor on its cuts, whose median is 1; empty: always 1."""
    severity_p95: Annotated[Positive, Column(low=1, high=20)] | None = None
    """95 % point of that factor."""
    stretch_p05: Annotated[Positive, Column(low=0.02, high=1)] | None = None
    """With a profile: 5 % point of the factor on its length, whose median is 1; empty: always 1."""
    stretch_p95: Annotated[Positive, Column(low=1, high=50)] | None = None
    """95 % point of that factor."""
    element_share: Annotated[float, Field(gt=0, le=1), ELEMENTS] = 1.0
    """Probability that an event affects each of the materials (at least one): controls are imposed element by element."""
    after: Names = ""
    """Hazards that may trigger this one, separated by spaces."""
    after_probability: Annotated[Share, AFTER] = 0.0
    """Probability that an event of one of them triggers it, independently for each event."""
    after_probability_low: float | None = None
    after_probability_high: float | None = None
    after_lag_yr: Annotated[Years, LAG] = 0.0
    """Mean years from their onset to that of this hazard (exponential)."""
    calibrated_on: Names = ""
    """Policy events counted as onsets of this hazard, separated by spaces."""
    onsets_elsewhere: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Further onsets that are not policy events (gluts, outages), named in the note."""
    observed_yr: Annotated[PositiveYears, Column("years of record", 1, 150)] | None = None
    """Years of record in which they were counted."""


class HazardProfileRow(Row):
    """Share that a hazard cuts of what used to come, by months since its onset, as observed; a step of a step function."""

    key: ClassVar[tuple[str, ...]] = ("hazard", "material", "flow", "month_from")
    hazard: Key
    """A row of `hazards`. Its events then cut as the profile says, stretched and scaled, and not `cut_share` throughout."""
    material: Material
    flow: Literal["effective", "direct"]
    """`effective`: arrivals by all routes, which users meet; `direct`: the controlled flow, which the reserve's purchases meet.
    Where one is not recorded the other is used."""
    month_from: Annotated[float, Field(ge=0, le=600), MONTH]
    """Months since the onset at which the step begins."""
    month_to: Annotated[float, Field(gt=0, le=600), MONTH]
    """Months since the onset at which it ends."""
    cut_share: Annotated[Share, Column("supply cut", 0.001)]
    cut_share_low: float | None = None
    cut_share_high: float | None = None


class HazardPriceRow(Row):
    """Multiple of a material's price in an event of a hazard with a profile, by market and months since its onset; a step."""

    key: ClassVar[tuple[str, ...]] = ("hazard", "material", "market", "month_from")
    hazard: Key
    """A row of `hazards` that has rows in `hazard_profiles`. Its materials without rows here follow its `price_multiplier`."""
    material: Material
    market: Literal["inside", "outside"]
    """`inside`: what the countries of the hazard sell; `outside`: what others do, at no moment less than inside. Without rows
    `inside` the price there stays; without rows `outside` it is that inside."""
    month_from: Annotated[float, Field(ge=0, le=600), MONTH]
    """Months since the onset at which the step begins."""
    month_to: Annotated[float, Field(gt=0, le=600), MONTH]
    """Months since the onset at which it ends: not later than the last cut of the hazard."""
    price_multiplier: Annotated[float, Field(ge=1, lt=LARGEST_NUMBER), Column(low=1, high=100)]
    """At least 1: a cut is no glut. Raised to the power of the event's severity, but to no more than the highest multiple that the
    hazard has of the material, ends of ranges included."""
    price_multiplier_low: float | None = None
    price_multiplier_high: float | None = None
