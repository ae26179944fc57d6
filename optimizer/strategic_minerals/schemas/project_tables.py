"""Rows of what a plan may support: projects, their ramps, packages and capital instruments."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Key, Names, NonNegative, Positive, PositiveYears, Row, Share, Year, Years
from .columns import (
    CAPACITY,
    FLOOR,
    FLOOR_END,
    KAPPA,
    RESTART,
    TAKE,
    UPSIDE,
    Column,
    Country,
    FloorPrice,
    Instrument,
    MoneyYear,
    Name,
    Premium,
    Project,
    Stage,
)


class ProjectRow(Row):
    """A mine, refinery or plant that could be built."""

    key: ClassVar[tuple[str, ...]] = ("project",)
    project: Project
    name: Name
    company: str = ""
    """Owner."""
    country: Country
    stage: Stage
    capacity_t_per_yr: Annotated[Positive, CAPACITY]
    """Tonnes of activity per year at full ramp."""
    capex_musd: Annotated[NonNegative, Column("capital cost")]
    """Capital cost up to first output."""
    capex_musd_low: float | None = None
    capex_musd_high: float | None = None
    financed_share: Annotated[Share, Column(low=0.01)] = 0.0
    """Share of the capital cost that others have paid or promised: a loan or equity of this plan covers no more than the rest. On
    what terms is not asked, so the financing gap stays as it is."""
    cash_usd_per_kg: Annotated[NonNegative, Column("cash cost")]
    """Cash cost per kg of activity, gross of by-products, modelled inputs excluded."""
    cash_usd_per_kg_low: float | None = None
    cash_usd_per_kg_high: float | None = None
    lead_yr: Annotated[PositiveYears, Column("time until first output", 0.2, 8)]
    """Years from signing to first output (at least one period)."""
    life_yr: Annotated[PositiveYears, Column("years of output", 4, 100)]
    """Years of output after first output."""
    hurdle_rate: Annotated[float, Field(ge=0, le=1), Column("return that the owner asks for", 0.03, 0.4, "share")]
    """Real rate of return that the owner requires."""
    hurdle_rate_low: float | None = None
    hurdle_rate_high: float | None = None
    premium_share: Premium = 0.0
    kappa: Annotated[Share, KAPPA] = 1.0
    """Share of output that home users get without an offtake contract while the material is tight (in short supply)."""
    restart_yr: Annotated[Years, RESTART] = 0.0
    """Years that a plant, once shut, stays shut after its revenue has recovered."""
    restart_yr_low: float | None = None
    restart_yr_high: float | None = None
    earliest_signing: Year
    """First fiscal year in which support can be signed; a baseline project is signed then by its owner."""
    additional: bool = False
    """True: not built without support, even if it has no financing gap."""
    money_year: MoneyYear = None
    committed: bool = False
    """True: under construction, with its finance agreed before this plan. It is built in any case, in
    `earliest_signing` + `lead_yr`; its capital cost is sunk and costs this plan nothing."""
    floor_usd_per_kg: Annotated[Positive, FLOOR] | None = None
    """Price floor that its owner has already, agreed before this plan and not paid from its budget."""
    floor_usd_per_kg_low: float | None = None
    floor_usd_per_kg_high: float | None = None
    floor_material: Key | None = None
    """Output to which that floor applies."""
    floor_until_year: Annotated[Year, FLOOR_END] | None = None
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
    age_yr: Annotated[int, Field(ge=0, le=1000), Column("years since first output")]
    """Years since first output."""
    ramp_share: Annotated[Share, Column("capacity reached", 0.03)]
    """Share of capacity reached at that age."""


class PackageRow(Row):
    """One way to support a project: capital instrument, offtake right, floor."""

    key: ClassVar[tuple[str, ...]] = ("package",)
    package: Key
    """Name of a support package."""
    project: Key | None = None
    """The project it is for; empty: any."""
    instrument: Instrument
    offtake_share: Annotated[Share, Column("output under contract", 0.03)] = 0.0
    """Share of output that home users may claim in a crisis."""
    offtake_fee_usd_per_kg: Annotated[NonNegative, Column("contract fee")] = 0.0
    """Fee per kg under offtake, each year of the project's life."""
    offtake_fee_share: Annotated[Share, Column("contract fee", 0.001, 0.25)] = 0.0
    """Fee as a share of the base price of the output under offtake, added to the fee per kg."""
    offtake_fee_share_low: float | None = None
    offtake_fee_share_high: float | None = None
    floor_material: Key | None = None
    """Material with a floor of the package's own; empty: none (the plan's floor menu adds levels)."""
    floor_usd_per_kg: FloorPrice = None
    floor_kind: Literal["contract", "purchase"] | None = None
    """Who pays for the floor."""
    floor_term_yr: Annotated[PositiveYears, Column("term of the guaranteed price", 1, 30)] | None = None
    """Term in years."""
    upside_share: Annotated[Share, UPSIDE] = 0.0
    """Share of the price above the floor that is paid back to the authority."""
    take_t_per_yr: Annotated[Positive, TAKE] | None = None
    """Purchase floors: tonnes per year that the floor covers."""
    money_year: MoneyYear = None


class InstrumentRow(Row):
    """A capital instrument: its value to the owner and its cost to the budget."""

    key: ClassVar[tuple[str, ...]] = ("instrument",)
    instrument: Instrument
    kind: Literal["none", "grant", "loan", "equity"]
    """Kind; the schema lists the choices."""
    score: Annotated[NonNegative, Column("budget cost of the capital given", 0.004, 1, "share")]
    """Budget cost per USD of face: grant 1, loan its credit-subsidy rate, equity 1 - expected recovery."""
    score_low: float | None = None
    score_high: float | None = None
    max_share_of_capex: Annotated[Share, Column("most of the capital cost that is covered", 0.05, unit="share")]
    """Upper limit."""
    rate: Annotated[NonNegative, Column("interest rate", 0.003, 0.3, "share")] = 0.0
    """Loan: real interest rate. Equity: real return given up per year of face."""
    tenor_yr: Annotated[Years, Column("term of the loan", 1, 35)] = 0.0
    """Loan: years until repaid. Equity: years of returns given up."""
    grace_yr: Annotated[Years, Column("time before repayment begins", 0.1, 10)] = 0.0
    """Loan: first years in which only interest is paid."""
    grant_on_top: bool = False
    """True: a grant covers what remains of the gap once the share of capex is used up."""
