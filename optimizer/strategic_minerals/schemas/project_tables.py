"""Rows of what a plan may support: projects, their ramps, packages and capital instruments."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Iso3, Key, Names, NonNegative, Positive, PositiveYears, Row, Share, Year, Years


class ProjectRow(Row):
    """A mine, refinery or plant that could be built."""

    key: ClassVar[tuple[str, ...]] = ("project",)
    project: Key
    name: str
    company: str = ""
    country: Iso3
    stage: str
    capacity_t_per_yr: Positive
    """Tonnes of activity per year at full ramp."""
    capex_musd: NonNegative
    capex_musd_low: float | None = None
    capex_musd_high: float | None = None
    financed_share: Share = 0.0
    """Share of the capital cost that others have paid or promised: a loan or equity of this plan covers no more than the rest. On
    what terms is not asked, so the financing gap stays as it is."""
    cash_usd_per_kg: NonNegative
    """Cash cost per kg of activity, gross of by-products, modelled inputs excluded."""
    cash_usd_per_kg_low: float | None = None
    cash_usd_per_kg_high: float | None = None
    lead_yr: PositiveYears
    """Years from signing to first output (at least one period)."""
    life_yr: PositiveYears
    hurdle_rate: Annotated[float, Field(ge=0, le=1)]
    """Real rate of return that the owner requires."""
    hurdle_rate_low: float | None = None
    hurdle_rate_high: float | None = None
    premium_share: Annotated[float, Field(ge=-0.9, le=10)] = 0.0
    kappa: Share = 1.0
    """Share of output that home users get without an offtake contract while the material is tight (in short supply)."""
    restart_yr: Years = 0.0
    """Years that a plant, once shut, stays shut after its revenue has recovered."""
    restart_yr_low: float | None = None
    restart_yr_high: float | None = None
    earliest_signing: Year
    """First fiscal year in which support can be signed; a baseline project is signed then by its owner."""
    additional: bool = False
    """True: not built without support, even if it has no financing gap."""
    money_year: Year | None = None
    """Price level (year) of the row's money, converted to the plan's price year; empty: that of the plan."""
    committed: bool = False
    """True: under construction, with its finance agreed before this plan. It is built in any case, in
    `earliest_signing` + `lead_yr`; its capital cost is sunk and costs this plan nothing."""
    floor_usd_per_kg: Positive | None = None
    """Price floor that its owner has already, agreed before this plan and not paid from its budget."""
    floor_usd_per_kg_low: float | None = None
    floor_usd_per_kg_high: float | None = None
    floor_material: Key | None = None
    """Output to which that floor applies."""
    floor_until_year: Year | None = None
    """Last fiscal year of that floor."""
    needs: Names = ""
    """Projects that it requires, separated by spaces."""
    excludes: Names = ""
    """Projects that it excludes, separated by spaces."""


class RampRow(Row):
    """Share of capacity reached at an age; ages beyond the last row keep the last value."""

    key: ClassVar[tuple[str, ...]] = ("project", "age_yr")
    project: str
    """A project, or `*` for all without rows of their own."""
    age_yr: Annotated[int, Field(ge=0, le=1000)]
    ramp_share: Share


class PackageRow(Row):
    """One way to support a project: capital instrument, offtake right, floor."""

    key: ClassVar[tuple[str, ...]] = ("package",)
    package: Key
    project: Key | None = None
    """The project it is for; empty: any."""
    instrument: Key
    offtake_share: Share = 0.0
    """Share of output that home users may claim in a crisis."""
    offtake_fee_usd_per_kg: NonNegative = 0.0
    """Fee per kg under offtake, each year of the project's life."""
    offtake_fee_share: Share = 0.0
    """Fee as a share of the base price of the output under offtake, added to the fee per kg."""
    offtake_fee_share_low: float | None = None
    offtake_fee_share_high: float | None = None
    floor_material: Key | None = None
    """Material with a floor of the package's own; empty: none (the plan's floor menu adds levels)."""
    floor_usd_per_kg: Positive | None = None
    floor_kind: Literal["contract", "purchase"] | None = None
    floor_term_yr: PositiveYears | None = None
    upside_share: Share = 0.0
    """Share of the price above the floor that is paid back to the authority."""
    take_t_per_yr: Positive | None = None
    """Purchase floors: tonnes per year that the floor covers."""
    money_year: Year | None = None
    """Price level (year) of the row's money, converted to the plan's price year; empty: that of the plan."""


class InstrumentRow(Row):
    """A capital instrument: its value to the owner and its cost to the budget."""

    key: ClassVar[tuple[str, ...]] = ("instrument",)
    instrument: Key
    kind: Literal["none", "grant", "loan", "equity"]
    score: NonNegative
    """Budget cost per USD of face: grant 1, loan its credit-subsidy rate, equity 1 - expected recovery."""
    score_low: float | None = None
    score_high: float | None = None
    max_share_of_capex: Share
    rate: NonNegative = 0.0
    """Loan: real interest rate. Equity: real return given up per year of face."""
    tenor_yr: Years = 0.0
    """Loan: years until repaid. Equity: years of returns given up."""
    grace_yr: Years = 0.0
    """Loan: first years in which only interest is paid."""
    grant_on_top: bool = False
    """True: a grant covers what remains of the gap once the share of capex is used up."""
