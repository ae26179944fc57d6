"""Rows of what a plan may support (projects, ramps, packages, capital instruments), and of hazards, their profiles and evidence."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ..core.stats import LARGEST_NUMBER
from . import base
from .base import (
    Column,
    Country,
    FloorPrice,
    Hazard,
    Instrument,
    Iso3,
    Key,
    Material,
    MoneyYear,
    Name,
    Names,
    NonNegative,
    Positive,
    PositiveYears,
    Premium,
    PriceYear,
    Project,
    Row,
    Share,
    Stage,
    Year,
    Years,
)


class ProjectRow(Row, key="project", ranged="capex_musd cash_usd_per_kg hurdle_rate restart_yr"):
    """A mine, refinery or plant that could be built."""

    project: Project
    name: Name
    company: str = ""
    """Owner."""
    country: Country
    stage: Stage
    capacity_t_per_yr: Annotated[Positive, base.CAPACITY]
    """Tonnes of activity per year at full ramp."""
    capex_musd: Annotated[NonNegative, Column("capital cost")]
    """Capital cost up to first output."""
    financed_share: Annotated[Share, Column(low=0.01)] = 0.0
    """Share of the capital cost that others have paid or promised: a loan or equity of this plan covers no more than the rest. On
    what terms is not asked, so the financing gap stays as it is."""
    cash_usd_per_kg: Annotated[NonNegative, Column("cash cost")]
    """Cash cost per kg of activity, gross of by-products, modelled inputs excluded."""
    lead_yr: Annotated[PositiveYears, Column("time until first output", 0.2, 8)]
    """Years from signing to first output (at least one period)."""
    life_yr: Annotated[PositiveYears, Column("years of output", 4, 100)]
    """Years of output after first output."""
    hurdle_rate: Annotated[float, Field(ge=0, le=1), Column("return that the owner asks for", 0.03, 0.4, "share")]
    """Real rate of return that the owner requires."""
    premium_share: Premium = 0.0
    kappa: Annotated[Share, base.KAPPA] = 1.0
    """Share of output that home users get without an offtake contract while the material is tight (in short supply)."""
    restart_yr: Annotated[Years, base.RESTART] = 0.0
    """Years that a plant, once shut, stays shut after its revenue has recovered."""
    earliest_signing: Year
    """First fiscal year in which support can be signed; a baseline project is signed then by its owner."""
    additional: bool = False
    """True: built only where the plan signs it. Without a financing gap package `none` does so, at no cost."""
    money_year: MoneyYear = None
    committed: bool = False
    """True: under construction, with its finance agreed before this plan. It is built in any case, in
    `earliest_signing` + `lead_yr`; its capital cost is sunk and costs this plan nothing."""
    needs: Names = ""
    """Projects that it requires, separated by spaces."""
    excludes: Names = ""
    """Projects that it excludes, separated by spaces."""


class RampRow(Row, key="project age_yr"):
    """Share of capacity reached at an age; ages beyond the last row keep the last value."""

    project: str
    """A project, or `*` for all without rows of their own."""
    age_yr: Annotated[int, Field(ge=0, le=1000), Column("years since first output")]
    """Years since first output."""
    ramp_share: Annotated[Share, Column("capacity reached", 0.03)]
    """Share of capacity reached at that age."""


class PackageRow(Row, key="package", ranged="offtake_fee_share"):
    """One way to support a project: capital instrument, offtake right, floor."""

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
    floor_material: Key | None = None
    """Material with a floor of the package's own; empty: none (the plan's floor menu adds levels)."""
    floor_usd_per_kg: FloorPrice = None
    floor_kind: Literal["contract", "purchase"] | None = None
    """Who pays for the floor."""
    floor_term_yr: Annotated[PositiveYears, Column("term of the guaranteed price", 1, 30)] | None = None
    """Term in years."""
    upside_share: Annotated[Share, base.UPSIDE] = 0.0
    """Share of the price above the floor that is paid back to the authority."""
    take_t_per_yr: Annotated[Positive, base.TAKE] | None = None
    """Purchase floors: tonnes per year that the floor covers."""
    money_year: MoneyYear = None


class InstrumentRow(Row, key="instrument", ranged="score"):
    """A capital instrument: its value to the owner and its cost to the budget."""

    instrument: Instrument
    kind: Literal["none", "grant", "loan", "equity"]
    """Kind; the schema lists the choices."""
    score: Annotated[NonNegative, Column("budget cost of the capital given", 0.004, 1, "share")]
    """Budget cost per USD of face: grant 1, loan its credit-subsidy rate, equity 1 - expected recovery."""
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


# Rows of what may happen: hazards, and how deep they cut month by month.
class HazardRow(Row, key="hazard", ranged="rate_per_yr duration_yr cut_share price_multiplier after_probability"):
    """A kind of disruption: what it affects, how often, how long and how severely."""

    hazard: Hazard
    name: Name
    kind: Literal["licence", "embargo", "war", "outage", "ally_limit", "flood_squeeze", "demand_surge"]
    """Kind; the schema lists the choices."""
    countries: Names
    """Countries whose sources are cut, ISO3 codes separated by spaces; `*`: all except the home country."""
    materials: Names
    """Materials affected, separated by spaces; `*`: all."""
    rate_per_yr: Annotated[NonNegative, base.RATE]
    """Expected onsets per year (Poisson)."""
    duration_yr: Annotated[PositiveYears, base.DURATION]
    """Mean duration, see `duration_law`."""
    cut_share: Annotated[Share, base.CUT]
    """Share of the sources' output that stops."""
    price_multiplier: Annotated[Positive, base.DEARER] = 1.0
    """Price of the materials while the cut lasts, as a multiple of the undisturbed price."""
    flood_yr: Annotated[Years, base.FLOOD] = 0.0
    """Flood phase before the cut: years with full supply at `flood_multiplier` times the price."""
    flood_multiplier: Annotated[Positive, base.CHEAPER] = 1.0
    """Price while the market is flooded, as a multiple of the undisturbed price."""
    third_country_cut_share: Annotated[Share, base.THIRD_CUT] = 0.0
    """Cut of other foreign sources of the same materials: lost feed, rules on trace content, shipping. What allies
    keep for themselves is in their `kappa`, or a separate hazard."""
    third_country_scope: Literal["all", "feed", "overseas"] = "all"
    """Which of these other sources are cut. `all`; `feed`: those whose feed comes from the hazard's countries or is of unpublished
    origin (`feed_origins`), as rules on trace content reach them; `overseas`: those that no land border of `countries` joins to the
    home country, as a loss of shipping reaches them."""
    surge: Key | None = None
    """What an event of it makes of demand: rows of the table `surges`; empty: nothing."""
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
    element_share: Annotated[float, Field(gt=0, le=1), base.ELEMENTS] = 1.0
    """Probability that an event affects each of the materials (at least one): controls are imposed element by element."""
    after: Names = ""
    """Hazards that may trigger this one, separated by spaces."""
    after_probability: Annotated[Share, base.AFTER] = 0.0
    """Probability that an event of one of them triggers it, independently for each event."""
    after_lag_yr: Annotated[Years, base.LAG] = 0.0
    """Mean years from their onset to that of this hazard (exponential)."""
    calibrated_on: Names = ""
    """Policy events counted as onsets of this hazard, separated by spaces."""
    onsets_elsewhere: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Further onsets that are not policy events (gluts, outages), named in the note."""
    observed_yr: Annotated[PositiveYears, Column("years of record", 1, 150)] | None = None
    """Years of record in which they were counted."""


class HazardProfileRow(Row, key="hazard material flow month_from", ranged="cut_share"):
    """Share that a hazard cuts of what used to come, by months since its onset, as observed; a step of a step function."""

    hazard: Key
    """A row of `hazards`. Its events then cut as the profile says, stretched and scaled, and not `cut_share` throughout."""
    material: Material
    flow: Literal["effective", "direct"]
    """`effective`: arrivals by all routes, which users meet; `direct`: the controlled flow, which the reserve's purchases meet.
    Where one is not recorded the other is used."""
    month_from: Annotated[float, Field(ge=0, le=600), base.MONTH]
    """Months since the onset at which the step begins."""
    month_to: Annotated[float, Field(gt=0, le=600), base.MONTH]
    """Months since the onset at which it ends."""
    cut_share: Annotated[Share, Column("supply cut", 0.001)]


class HazardPriceRow(Row, key="hazard material market month_from", ranged="price_multiplier"):
    """Multiple of a material's price in an event of a hazard with a profile, by market and months since its onset; a step."""

    hazard: Key
    """A row of `hazards` that has rows in `hazard_profiles`. Its materials without rows here follow its `price_multiplier`."""
    material: Material
    market: Literal["inside", "outside"]
    """`inside`: what the countries of the hazard sell; `outside`: what others do, at no moment less than inside. Without rows
    `inside` the price there stays; without rows `outside` it is that inside."""
    month_from: Annotated[float, Field(ge=0, le=600), base.MONTH]
    """Months since the onset at which the step begins."""
    month_to: Annotated[float, Field(gt=0, le=600), base.MONTH]
    """Months since the onset at which it ends: not later than the last cut of the hazard."""
    price_multiplier: Annotated[float, Field(ge=1, lt=LARGEST_NUMBER), Column(low=1, high=100)]
    """At least 1: a cut is no glut. Raised to the power of the event's severity, but to no more than the highest multiple that the
    hazard has of the material, ends of ranges included."""


# Rows of the state that earlier years left: what was signed, what it still costs, where stock is from, what hazards have shown.
UNKNOWN = "unknown"
"""Origin of stock of which nobody says where it is from."""
Date = Annotated[float, Field(ge=1900, le=2200)]
"""A year, or a date within it."""


class CommitmentRow(Row, key="commitment", ranged="floor_usd_per_kg"):
    """Something that was signed before the plan and still binds: the plan cannot cancel it or sign it again, and its money pays it
    unless `payer` names who does."""

    commitment: Key
    kind: Literal["package", "contract", "market_floor"]
    """Kind; the schema lists the choices."""
    item: Key
    """What was signed: a project, a source with an offtake contract, or a material with a market floor."""
    package: str = ""
    """Terms, as the plan called them that signed."""
    producer: Key
    """What of these tables now stands for it: a plant under support, the part of a source under contract, a producer under the
    floor; a project if it is committed."""
    payer: Iso3 | None = None
    """Home that pays it with money appropriated for it, beside the plan's: shown, and under the plan's limit on what floors may
    cost, where the plan is that home's; nothing to other plans, for which it keeps the producer open. Empty: the plan's budget."""
    signed_year: Year
    share: Annotated[Share, Column(low=0.01)] = 1.0
    """Share of the project that was supported."""
    from_year: Date | None = None
    """Date of first output, or the first day of a contract."""
    until_year: Date | None = None
    """Last day of a contract, or of a plant's life; empty: beyond the plan."""
    floor_material: Key | None = None
    """Output with a price floor; empty: none."""
    floor_kind: Literal["contract", "border", "purchase", "earnings"] | None = None
    """A border floor keeps producers alive and costs the budget nothing. `earnings`: what is guaranteed is not the price but what
    is left of it when inputs and unit cost are paid."""
    floor_usd_per_kg: FloorPrice = None
    floor_from_year: Date | None = None
    """Date from which the floor pays."""
    floor_until_year: Annotated[Date, base.FLOOR_END] | None = None
    """Date at which it ends."""
    upside_share: Annotated[Share, base.UPSIDE] = 0.0
    """Share of the price above the floor that is paid back to the authority."""
    take_t_per_yr: Annotated[Positive, base.TAKE] | None = None
    """Tonnes per year that the floor covers; empty: all."""
    indexed: bool = True
    """Whether the level rises with prices. False: it is fixed in money of its year and loses each year what prices rise by, as the
    index of `deflators` has risen on average."""
    escalator_share_per_yr: Share = 0.0
    """Share by which a level that is not indexed rises each year, in money, from its year on."""
    money_year: MoneyYear = None
    residual_musd: NonNegative = 0.0
    """What its remaining life is worth at the end of the plan's horizon [million USD of that date]: reported, and in no
    objective, for no decision changes it."""


class PaymentDueRow(Row, key="commitment fiscal_year payment"):
    """A payment that was signed for: an instalment of capital support, or the fee of a right that is still held. What the payer of
    a commitment owes is none of the plan's money, and no table of the answer shows it."""

    commitment: Key
    """A row of `commitments`."""
    fiscal_year: Year
    """Year in which it is due."""
    payment: Literal["instalment", "fee"]
    amount_musd: NonNegative
    """In money of the plan's price year."""


class StockOriginRow(Row, key="material from_country"):
    """Where the reserve's opening stock came from, as far as it was bought by a plan that said so."""

    material: Material
    from_country: Key = UNKNOWN
    """Country of origin, an ISO3 code; `unknown`."""
    stock_t: NonNegative


class HazardEvidenceRow(Row, key="hazard"):
    """What the years since the table of hazards was made have shown of a hazard: time without an event of it, and its onsets."""

    hazard: Hazard
    exposure_yr: Annotated[Years, Column(low=0.02, high=100)]
    """Years in which it could have begun: those in which it was in force already are left out."""
    onsets: Annotated[int, Field(ge=0, le=10_000)]
    """Events of it that began in them."""
    prior_rate_per_yr: NonNegative
    """Rate before this evidence, per year."""
    prior_onsets: NonNegative
    """Onsets that the prior rate stands for: shape of its gamma distribution."""


# Rows of the tables about homes: the country, or the union of countries, that a plan is made for.
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z]{2}$")]


class HomeRow(Row, key="home", ranged="discount_rate"):
    """A home of plans."""

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
    agency: str = ""
    """Who holds the reserve."""
    law: str = ""
    """Under which law."""
    sales_above_price: Literal["", "forbidden"] = ""
    """Whether that law forbids to sell for a price's sake (`release.sell_above`); empty: nothing was found."""
    unlisted_musd: NonNegative | None = None
    """Value of the stock that the agency holds without saying of what [million USD of `unlisted_year`]: reported, not counted."""
    unlisted_year: Year | None = None


class ExchangeRateRow(Row, key="currency money_year"):
    """Money of a home for one US dollar, mean of a year."""

    currency: Currency
    money_year: PriceYear
    local_per_usd: Positive
