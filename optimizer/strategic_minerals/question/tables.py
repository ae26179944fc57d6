"""Row schemas of the planning tables in `inputs/`; `TABLES` lists all tables, including fact tables.

The docstring under each field is its dictionary entry.
A column `x` that may be an estimate has `x_low` and `x_high` beside it."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ..core.stats import LARGEST_NUMBER
from . import base, project_tables
from .base import (
    KEY_OR_ALL,
    Activity,
    Agreement,
    Basis,
    Central,
    Column,
    Country,
    CountryName,
    Day,
    Depth,
    Form,
    FromYear,
    High,
    Iso3,
    Key,
    Low,
    Material,
    MaterialName,
    Metric,
    Mineral,
    MoneyYear,
    Name,
    Names,
    NonNegative,
    Number,
    Percent,
    Positive,
    PositiveYears,
    Premium,
    PriceYear,
    Record,
    Row,
    Segment,
    SegmentName,
    Share,
    Stage,
    Unit,
    Year,
    Years,
)


# Rows of the fact tables, used by estimates, checks and the report; plans do not read them row by row.
class PolicyEventRow(Row, key="event"):
    """A dated control, ban, quota, suspension or support measure."""

    event: Key
    """Name of a dated event."""
    announced: Day | None = None
    """Date."""
    effective: Day | None = None
    """Date on which it took, or was to take, effect."""
    end_or_review: Day | None = None
    """Date on which it ends or is reviewed."""
    country: Country
    target: str
    """Country or countries that it targets."""
    producers: Names = ""
    """Producers that it names, separated by spaces: of the tables of the home that it targets."""
    instrument: str
    """Capital instrument, from `instruments`."""
    minerals: str
    """Minerals or elements, separated by commas."""
    status: Literal[
        "announced", "in force", "suspended", "ended", "replaced", "lapsed", "relief", "negotiation", "support"
    ]
    """`announced`: never took effect; `suspended`: took effect and is on hold; `replaced`: another measure took its place;
    `lapsed`: its legal term has passed; `relief`: a suspension in force; `negotiation`: in force, its outcome open."""
    took_effect: bool
    """Whether the measure was ever in force."""
    severity: str
    """Label in the source table; not a published score."""
    export_cut_share: Annotated[Share, Column(low=0.02)] | None = None
    """Share of exports that was cut."""
    observed_effect: str = ""
    """Effect that was observed."""


class ObservedProfileRow(Row, key="profile period", ranged="loss_share"):
    """Share of a normal trade flow that was lost in one period of an observed disruption, by months since its onset."""

    profile: Key
    """Name of the course of losses that the row belongs to: one event, material and destination."""
    control_event: Names
    """Policy events behind it, separated by spaces; several are one disruption."""
    materials: Names
    """Materials that the flow belongs to, separated by spaces."""
    form: str = ""
    """Form in which the flow was counted; empty: all."""
    destination: Key
    """Country that received the flow (ISO3 code); `WLD`: all countries, `OTH`: all but the home country."""
    flow: Literal["effective", "direct"]
    """`effective`: arrivals by all routes and from all origins; `direct`: the controlled flow alone, which overstates the loss
    where other routes are open."""
    onset: Day
    """Day from which months are counted; the first month is the calendar month of that day."""
    period: str
    """Calendar period."""
    month_from: Number
    """Months since the onset at which the period begins; below 0 before it (buying ahead)."""
    month_to: Number
    """Months since the onset at which the period ends."""
    normal_per_month: NonNegative | None = None
    """Normal flow per month, see `normal_basis`."""
    observed_per_month: NonNegative | None = None
    """Observed flow per month."""
    unit: Unit
    loss_share: Annotated[float, Field(gt=-LARGEST_NUMBER, le=1), Column(low=5e-4, high=5)] | None = None
    """1 - observed/normal; below 0 the flow was above normal. Empty: looked for and not found, whatever `confidence` says."""
    normal_basis: str = ""
    """What the normal flow is taken from."""
    running: bool
    """Whether the disruption went on at the end of the record: its loss is then a lower bound. One value a profile."""


class PriceGapRow(Row, key="material pair date", ranged="ratio"):
    """Price of a material outside a controlling country as a multiple of its price inside, at near dates."""

    material: Material
    pair: str
    """The two markets."""
    date: str
    """Year, month or day of the quotes, such as 2026-02."""
    country: Iso3
    """The controlling country."""
    outside_usd_per_kg: Positive
    """Price outside it."""
    inside_usd_per_kg: Positive
    """Price inside it."""
    ratio: Positive
    """Price outside / price inside."""


class MarketQuoteRow(Row, key="material place date"):
    """Price of a material at a date in one market, as price reporters printed it."""

    material: Material
    place: str
    """Market as printed."""
    market: Literal["inside", "outside", "world"]
    """`inside`: the country that controls the material, value-added tax taken off; `outside`: elsewhere; `world`: one price."""
    form: Form
    date: str
    """Year, month or day, such as 2026-02."""
    usd_per_kg: Positive
    """Middle of the printed range, per kg of the material."""
    printed_from: Positive
    """Lower end of the range as printed."""
    printed_to: Positive
    """Upper end."""
    printed_unit: str


class ListedMineralRow(Row, key="mineral"):
    """A mineral of the home country's official list of critical minerals."""

    mineral: Mineral
    name: Name
    rank: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Place by expected economic loss, where one is published."""
    materials: Names = ""
    """Materials that it can be planned as, separated by spaces; empty: none, for the reason in `not_planned`."""


class PublishedRequirementRow(Row, key="report item"):
    """A shortfall that a government's report on stockpile requirements printed."""

    report: Year
    item: Key
    name: Name
    materials: Names = ""
    """Materials of these tables that it is, separated by spaces; empty: none."""
    shortfall_t: NonNegative | None = None
    """Net shortfall of the whole emergency; empty: printed in money alone."""
    after_extra_buy_t: NonNegative | None = None
    """What is left if users obtain more abroad at a higher price."""
    shortfall_musd: NonNegative | None = None
    """Its value at the report's prices."""
    reason: str = ""
    """Why these tables give another figure, or none."""


class PurchaseCeilingRow(Row, key="material fiscal_year"):
    """The most that a published yearly plan lets a stockpile buy of a material."""

    material: Material
    fiscal_year: Year
    ceiling_t_per_yr: NonNegative
    """Potential acquisitions of the year; 0: the plan lists none."""


class NotPlannedRow(Row, key="kind item"):
    """A mineral or a project that plans leave out for want of a published figure."""

    kind: Literal["mineral", "project"]
    """Kind; the schema lists the choices."""
    item: Key
    name: Name
    why: str
    """What is not published."""
    next_source: str
    """Where it would most likely be found."""


class ProductionRow(Row, key="mineral country stage year edition"):
    """Output of a country as published; `WLD` is the world, `OTH` the rest."""

    mineral: Mineral
    country: Country
    stage: Stage
    edition: str
    """Edition of the publication: later editions revise earlier years."""
    production_t: Annotated[NonNegative, Column("output")]
    """Output of the year."""
    basis: Basis = ""


class ReserveBaseRow(Row, key="mineral country year"):
    """Geological reserves of a country as published."""

    mineral: Mineral
    country: Country
    reserves_t: Annotated[NonNegative, Column("reserves in the ground")]
    """Reserves: known and economic to mine."""
    basis: Basis = ""


class ImportShareRow(Row, key="mineral form country"):
    """Share of home imports by origin."""

    mineral: Mineral
    form: Form
    country: Country
    import_share_pct: Annotated[Percent, Column(low=1)]
    """Share of imports in percent."""
    period: str
    """Years averaged."""


class MineralRow(Row, key="mineral"):
    """Home market of a mineral (consumption, trade), prices of five years, world output."""

    mineral: Mineral
    symbol: str
    """Chemical symbol or common abbreviation."""
    usgs_gdp_rank: Positive | None = None
    """Rank by modelled US GDP loss (USGS OFR 2025-1047), 1 the largest."""
    consumption_t: Annotated[NonNegative, Column("use")] | None = None
    """Value for the last full reported year (2024) unless the note says otherwise."""
    consumption_basis: str = ""
    """What the figure of consumption covers."""
    imports_t: Annotated[NonNegative, Column("imports")] | None = None
    """Imports in tonnes."""
    exports_t: Annotated[NonNegative, Column("exports")] | None = None
    """Exports in tonnes."""
    primary_t: NonNegative | None = None
    """Home primary production in tonnes."""
    secondary_t: NonNegative | None = None
    """Home secondary production (recycling) in tonnes."""
    net_import_reliance_pct: Annotated[Percent, Column(low=1)] | None = None
    """Net imports in percent of apparent consumption."""
    price_usd_per_kg: Annotated[Positive, base.PRICE] | None = None
    """Average of the last full reported year (2024)."""
    price_basis: str = ""
    """Product, quality and place to which the price refers."""
    price_cv: Annotated[NonNegative, Column(low=0.01, high=2)] | None = None
    """Population standard deviation of the annual prices 2021-2025, divided by their mean."""
    world_production_t: Annotated[NonNegative, Column("world output")] | None = None
    """World production in tonnes."""


class DemandSegmentRow(Row, key="record"):
    """A published figure on the users of a material."""

    record: Record
    material: MaterialName
    segment: SegmentName
    metric: Metric
    low: Low = None
    central: Central = None
    high: High = None
    unit: Unit


class EndUseRow(Row, key="material use"):
    """An industry that uses a material, and what it stands to lose: losses by use follow from it (`use_loss`)."""

    material: Material
    use: Key
    use_t_per_yr: Positive
    """What the home's industry uses for it a year."""
    industry: str
    """The using industry, as the national accounts call it."""
    value_added_musd: Positive
    """Its value added a year."""
    cost_share: Annotated[float, Field(gt=0, lt=1)]
    """Value of the material at the price of the year over the industry's output."""
    substitutes: Literal["none", "partial", "ready"]
    """How well others can take its place within a year, by what is published of substitutes."""


class InstrumentTermRow(Row, key="record"):
    """A published term of a support instrument."""

    record: Record
    instrument: str
    """Capital instrument, from `instruments`."""
    parameter: str
    """Term that was agreed."""
    example: str
    """Agreement in which the term was set."""
    low: Low = None
    central: Central = None
    high: High = None
    unit: Unit = ""
    scoring: str = ""
    """How the budget counts the term."""


class CrisisPriceRow(Row, key="record"):
    """How far a price moved in a past crisis or glut."""

    record: Record
    episode: str
    """What happened."""
    material: MaterialName
    market: str
    """Market in which the price was quoted."""
    from_date: str = ""
    """First day."""
    to_date: str = ""
    """Last day."""
    multiplier: Annotated[Positive, Column(low=0.05, high=100)] | None = None
    """Price as a multiple of the earlier price."""
    months: Annotated[Positive, Column(low=1, high=60, unit="months")] | None = None
    """Duration."""
    supply_lost_share: Annotated[Share, Column(low=0.02)] | None = None
    """Share of supply that was lost."""


class AlliedReliabilityRow(Row, key="record"):
    """Allied supply that is committed elsewhere, restricted or interrupted."""

    record: Record
    topic: str
    """Subject of the record."""
    material: MaterialName
    supplier: str
    """Supplying country or company."""
    country: CountryName = ""
    metric: Metric = ""
    low: Low = None
    central: Central = None
    high: High = None
    unit: Unit = ""
    kappa_uncontracted: Annotated[Share, Column(low=0.02)] | None = None
    """Share of supply left for buyers without a contract."""


class SupportAgreementRow(Row, key="agreement term"):
    """A dated support agreement and its terms."""

    agreement: Agreement
    term: Key
    """Which term, e.g. `floor_price`, `duration`, `upside_share`, `equity_stake`."""
    value: Number
    """Amount agreed."""
    unit: Unit


class SupportedProducerRow(Row, key="agreement producer"):
    """A source or project of the planning tables that a support agreement is about, with the prices of its day."""

    agreement: Agreement
    producer: Key
    """A source or a project of the tables."""
    signed_year: Year
    price_set: Key
    """Price set of the table `prices` nearest to the day on which it was signed."""
    floor_material: Key | None = None
    """Material of the agreement's price floor, if this producer's output gets it."""


# Rows of the tables about shortage: what it costs, how users adapt to it, what they hold themselves, what was seen of it.
Months = Annotated[float, Field(ge=0, le=12_000)]
"""A length in months."""


class LossFunctionRow(Row, key="loss_function material segment", ranged="loss_usd_per_t"):
    """Loss per tonne of unserved demand in a named loss function, net of the material's own price."""

    loss_function: Key
    """Name of a loss function; a plan selects one."""
    material: Material
    segment: str
    """A segment, or `*` for all."""
    loss_usd_per_t: Annotated[NonNegative, Column("loss from a missing tonne, beyond its price")]
    """Economic loss per tonne of shortfall, in excess of the price."""
    event: str = ""
    """The event whose loss the study estimated."""
    horizon_months: Annotated[float, Field(gt=0, le=12_000), Column(low=1, high=120)] | None = None
    """Length of disruption for which the study's loss holds; empty: none stated."""
    money_year: MoneyYear = None


class SurgeRow(Row, key="surge material segment from_month", ranged="multiplier"):
    """What users want while an event lasts, as a multiple of what they want otherwise: by material and year of the event."""

    surge: Key
    """What events and hazards call it."""
    material: str
    """A material, or `*` for all without rows of their own."""
    segment: Key
    from_month: Months
    """Months since the event began, from which on it applies; 1 before the first row, and the last one holds to the end."""
    multiplier: Annotated[NonNegative, Column("demand in an event, as a multiple", low=0.05, high=8)]


class AdaptationRow(Row, key="material segment from_month", ranged="multiplier"):
    """How users' loss per tonne changes while a disruption lasts: they redesign, save and find other suppliers.

    A segment with rows values unserved demand at its price, at least the undisturbed one, plus `multiplier` times the named loss.
    """

    material: str
    """A material, or `*` for all without rows of their own."""
    segment: str
    """A segment, or `*` for all without rows of their own."""
    from_month: Months
    """Months since the beginning of the latest event in force, from which on the multiplier applies; 1 before the first row, and
    the last row holds for as long as the event lasts."""
    multiplier: Annotated[Positive, Column(low=0.02, high=3)]
    """Loss per tonne as a multiple of the named loss."""


class PriceResponseRow(
    Row, key="material", ranged="trade_t_per_yr supply_elasticity demand_elasticity later_supply_elasticity"
):
    """How the world's price of a material answers tonnes that a home takes from its market or leaves in it.

    A tonne of the `trade` moves the price by 1/(supply + demand elasticity) of a tonne's share in it."""

    material: Material
    trade_t_per_yr: Annotated[Positive, Column(low=1, high=1e9)]
    """What is made or sold outside the country that controls most of it."""
    supply_elasticity: Annotated[Positive, Column(low=0.05, high=2)]
    """Of output there, within a year."""
    demand_elasticity: Annotated[Positive, Column(low=0.02, high=0.5)]
    """Of demand there, as a positive number."""
    later_supply_elasticity: Annotated[Positive, Column(low=0.05, high=6)] | None = None
    """The same once suppliers have had time; empty: as at first."""
    later_from_month: Months = 36.0
    """Months after an onset, or after the plan begins, from which on it holds."""


class UsersStockRow(Row, key="material segment", ranged="level_months level_t"):
    """Stock that users hold themselves, as a level that they return to after a disruption."""

    material: Material
    segment: str
    """A segment of the material's demand; `*`: all without a row of their own or, without demand, the plants that use it."""
    level_months: Annotated[float, Field(ge=0, le=120), Column(low=0.25, high=24)] | None = None
    """Months of mean use over the planned years; give either this or `level_t`."""
    level_t: NonNegative | None = None
    """Tonnes; with segment `*`, of all these segments together, in proportion to their use."""
    missing_share: Annotated[Share, Column(low=0.001)] = 0.0
    """Share of it that is missing when the plan starts: drawn in a disruption and not refilled yet."""


class LossReplayRow(Row, key="control_event country sector metric"):
    """What was seen, or modelled, of the losses of a dated disruption."""

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


# Rows on origin: rules on where material may come from, and what producers declare of their feed.
class OriginRuleRow(Row, key="rule"):
    """A law, a practice of suppliers or a policy on where material may come from that the authority buys, reserves or supports."""

    rule: Key
    authority: str
    """Statute, regulation or practice."""
    switch: Literal["law", "practice", "policy", "none"]
    """Switch of a plan's `procurement` that turns the rule on; `none`: for information, no plan applies it."""
    binds: Names = "*"
    """Homes whose authority it binds, ISO3 codes separated by spaces; `*`: every home."""
    applies_to: Names = ""
    """What it binds, separated by spaces: `purchases` of the reserve, `support` of projects, `offtake` contracts, and `users`, who
    ask for qualified material (`materials.qualified_of`)."""
    materials: Names = ""
    """Materials, separated by spaces, with their qualified forms; `*`: all."""
    countries: Names = ""
    """Excluded origins, ISO3 codes separated by spaces; `covered`: every country of that tier."""
    reach_back: bool = False
    """True: the rule follows the feed back to the mine; feed of excluded or unpublished origin excludes as well."""
    from_date: Day | None = None
    """First day of deliveries (purchases), or of signatures and contracts (support, offtake), to which it applies; empty: all."""
    to_date: Day | None = None
    """Day from which it applies no more; empty: no end is known."""
    forms: str = ""
    """Forms of material as the source words them."""
    requires: str = ""
    """What it forbids or requires."""
    exceptions: str = ""


class FeedOriginRow(Row, key="producer"):
    """Where the feed of a producer comes from, as it declares or as is published; not traced."""

    producer: Key
    """An activity or a project."""
    origins: Names
    """ISO3 codes separated by spaces; `modelled`: material of these tables. Rules of origin with reach-back exclude producers
    without a row of what they declare."""
    shares: Names = ""
    """Share of each of them in the feed, in the same order, separated by spaces; the rest comes from nobody knows where. In a
    disruption of its origin this share is cut as its origin's own sales are, but in a licence stop, which asks who buys: in 2025
    yttrium fell by all to the United States, by 30 % to others. Empty: not published."""
    basis: Literal["declared", "imports"] = "declared"
    """`imports`: nothing is published of the producer, and its feed counts as the published imports of its country
    (`unpublished_feed` of a plan)."""


class QualificationRow(Row, key="material producer", ranged="lead_yr"):
    """Who makes a qualified form of a material to the grade that its users ask for. Of a form without rows every maker does."""

    material: Key
    """The qualified form."""
    producer: Annotated[str, StringConstraints(pattern=KEY_OR_ALL, max_length=80)]
    """An activity or a project that makes the material of which it is the form; `*`: all that have no row of their own."""
    lead_yr: Annotated[NonNegative, Column("years to qualify a maker", 0.5)] = 0.0
    """Years from the start of the plan until users accept what it makes; 0: they do."""


class MaterialRow(
    Row, key="material", ranged="haircut_share holding_share_per_yr disposal_t_per_yr freight_usd_per_kg"
):
    """A commodity at one stage of its value chain."""

    material: Material
    name: str
    """Name for people."""
    mineral: Key
    """The mineral it belongs to."""
    stage: Literal[
        "ore", "concentrate", "carbonate", "oxide", "chemical", "metal", "alloy", "magnet", "refined", "anode"
    ]
    """Stage of the value chain of its product."""
    basis: str
    """What one tonne consists of, e.g. `t NdPr oxide`."""
    haircut_share: Annotated[float, Field(ge=0, lt=1), Column("discount on what the reserve sells", 0.01, 0.6)]
    """Share of the market price lost when selling (disposal, export of surplus)."""
    holding_share_per_yr: Annotated[Share, Column("yearly cost of holding stock", 0.002, 0.2)]
    """Holding cost of the reserve, as a share of the base price per year."""
    decay_share_per_yr: Annotated[float, Field(ge=0, lt=1), Column("stock that spoils in a year", 5e-4, 0.2)] = 0.0
    """Share of the stock lost per year (oxidation, caking)."""
    salvage_share: (
        Annotated[Share, Column("worth of the stock left at the end, as a share of its price", 0.05)] | None
    ) = None
    """Value of a tonne in stock after the horizon, as a share of the price; empty: 1 - haircut_share."""
    resale_share: Annotated[Share, Column("share of the market price that users pay for released stock", 0.05)] = 1.0
    """Share of the market price that users pay for a released tonne."""
    storage_t: Annotated[NonNegative, Column("room in store")] | None = None
    """Largest quantity that the reserve can store; empty: no limit."""
    drawdown_t_per_yr: Annotated[NonNegative, Column("most that the reserve can release in a year")] | None = None
    """Fastest release; empty: no limit."""
    disposal_t_per_yr: Annotated[NonNegative, Column("most that the reserve can sell off in a year")] = 0.0
    """Largest quantity that the reserve may sell per year without moving the market (0: no disposal)."""
    net_import_reliance_pct: Annotated[Percent, Column("net import reliance", 1)] | None = None
    """Net imports as a share of apparent consumption, as published (a bound where the source prints one)."""
    qualified_of: Key | None = None
    """The material of which it is the qualified form: the same tonnes at the same price, made of it by an activity at home at no
    cost, of what rules of origin leave to `users` and what makers that are qualified make. Its demand is that of `qualified_users`,
    where the plan has both; it has a stock of its own."""
    qualified_users: Names = ""
    """Segments of that material that ask for the form, separated by spaces."""
    embedded: bool = False
    """True: it reaches the country only inside imported goods. Neither a reserve nor a plant can supply it, so nothing is bought,
    supported or promised of it; its loss is reported separately and left out of risk measures, unless `[risk] embedded` is true."""
    home: Iso3 | None = None
    """Home whose users want it, where a plan is made for several; empty: that of the plan."""
    alike: Key | None = None
    """What it is whoever wants it, where several homes have a material of one kind; empty: itself."""
    pooled: Literal["no", "calm", "struck"] = "no"
    """When its stock may be moved to others that are `alike` and pooled. `calm`: while nothing has happened to them, so that in a
    disruption each home draws on what it has; `struck`: in a disruption, to whom needs it."""
    freight_usd_per_kg: NonNegative = 0.0
    """Cost of moving a kg of its stock to another home; the one who receives it pays, not the budget."""


class ActivityRow(
    Row, key="activity", ranged="cash_usd_per_kg kappa honoured_share sold_share fee_usd_per_kg restart_yr"
):
    """An existing source: mining, separation, metal making or recycling in one country."""

    activity: Activity
    name: Name
    country: Country
    stage: Stage
    premium_share: Annotated[float, Field(ge=-0.9, le=10), base.PREMIUM] = 0.0
    """Premium on the market price of its outputs."""
    cash_usd_per_kg: Annotated[NonNegative, Column("cash cost")] = 0.0
    """Cash cost per kg of activity, modelled inputs excluded; the source shuts when its revenue falls below it."""
    kappa: Annotated[Share, base.KAPPA] = 1.0
    """Share of capacity that home users without a contract still get while the material is tight (1 at home)."""
    lot_t_per_yr: Annotated[NonNegative, Column("smallest contract")] | None = None
    """Smallest offtake contract; empty: the source offers none."""
    fee_usd_per_kg: Annotated[NonNegative, Column("contract fee")] = 0.0
    """Fee per kg reserved and year of the contract; at least what the option is expected to be worth to the seller counts
    (`instruments.offtake_price`)."""
    honoured_share: Annotated[Share, Column("part of a contract that is delivered in a crisis", 0.03)] = 1.0
    """Share of what a contract reserves that is delivered while the material is tight, as governments of sellers hoard."""
    sold_share: Annotated[Share, Column("capacity sold to others", 0.03)] = 0.0
    """Share of capacity that is sold to others by published contracts: it is not sold again."""
    term_yr: Annotated[PositiveYears, Column("term of a contract", 1, 30)] | None = None
    """Length of an offtake contract."""
    restart_yr: Annotated[Years, base.RESTART] = 0.0
    """Years that a source, once shut, stays shut after its revenue has recovered."""
    output_t_per_yr: NonNegative | None = None
    """Tonnes of activity a year that it makes for all buyers: homes together buy no more of it. Empty: not published."""
    money_year: MoneyYear = None


class CapacityRow(Row, key="activity from_year", ranged="capacity_t_per_yr"):
    """Capacity of an existing source that home users can buy from."""

    activity: Activity
    from_year: FromYear
    capacity_t_per_yr: Annotated[NonNegative, base.CAPACITY]
    """Tonnes of activity per year (of its main output, where the yield is 1)."""
    normal_t_per_yr: NonNegative | None = None
    """Usual flow, of which a profiled disruption cuts its share while it lasts; empty: the capacity."""


class YieldRow(Row, key="producer material", ranged="yield_t_per_t"):
    """What one tonne of an activity or project makes (positive) or uses (negative)."""

    producer: Key
    """An activity or a project."""
    material: Material
    yield_t_per_t: Annotated[Number, Column("yield", 1e-4, 100)]
    """Tonnes made (above 0) or used (below 0) by a tonne of activity."""


class DemandRow(Row, key="material segment from_year", ranged="demand_t_per_yr"):
    """Home demand of one segment."""

    material: Material
    segment: Segment
    from_year: FromYear
    demand_t_per_yr: Annotated[NonNegative, Column("demand")]
    """Demand at undisturbed prices."""
    priority: Annotated[int, Field(ge=1, le=3)] | None = None
    """Whether its shortage is reported separately: 1 as defence, 2 as other essential uses, 3 not. Empty: by the segment's
    name, `defence` 1, `essential` 2, any other 3."""


class TierRow(Row, key="material segment tier", ranged="loss_multiplier"):
    """A tier of a segment's demand, from the least to the most costly to leave unserved."""

    material: str
    """A material, or `*` for all without rows of their own."""
    segment: Segment
    tier: Annotated[int, Field(ge=1, le=1000)]
    """Tier of a segment's demand."""
    share: Annotated[float, Field(gt=0, le=1), Column("share of the demand", 0.01, unit="share")]
    """Share of the segment's demand in this tier; the tiers must sum to at least one."""
    loss_multiplier: Annotated[NonNegative, Column("multiple of the loss per tonne", 0.05, 50)]
    """Loss per tonne of unserved demand in this tier, as a multiple of the loss function's average."""


class SubstitutionRow(Row, key="material segment step", ranged="limit_share cost_usd_per_kg"):
    """Substitution: saving, or another material, up to a limit and at a cost."""

    material: Material
    segment: Segment
    step: Annotated[int, Field(ge=1, le=1000)]
    """Step of substitution, cheapest first."""
    limit_share: Annotated[Share, Column("most that can be substituted", 0.002)]
    """Share of the segment's demand that can be substituted."""
    cost_usd_per_kg: Annotated[NonNegative, Column("cost of substituting")]
    """Total cost of serving a kg of demand by substitution, instead of its price."""
    money_year: MoneyYear = None


class PriceRow(Row, key="price_set material from_year", ranged="price_usd_per_kg"):
    """Market price of a material in one price set."""

    price_set: Key
    """Name of a set of prices; a plan selects one."""
    material: Material
    from_year: FromYear
    price_usd_per_kg: Annotated[Positive, base.PRICE]
    """Price without a disruption."""
    money_year: MoneyYear = None


class PriceStateRow(Row, key="state"):
    """A state of the common price factor: the costs of floors and financing gaps are averaged over these states."""

    state: Key
    """Name of a price state."""
    factor: Annotated[Positive, Column("multiple of the price", 0.1, 8)]
    """Factor on any price path; the probability-weighted mean is 1."""
    probability: Annotated[float, Field(gt=0, le=1), Column("probability", 0.005, unit="share")]
    """Probability of the state."""


class OfferRow(Row, key="offer", ranged="depth_t_per_yr premium_share"):
    """Material that the reserve can buy; several offers of a material form a rising supply curve."""

    offer: Key
    """Name of an offer; other tables refer to it."""
    material: Material
    source_producer: str
    """An activity, a project, or `outside` (tonnes that are in no activity)."""
    depth_t_per_yr: Depth
    premium_share: Premium
    origin: Iso3 | None = None
    """Only for `outside`: country of origin; empty: not published."""
    crisis_availability: (
        Annotated[Share, Column("share that can still be bought in a crisis", 0.006, unit="share")] | None
    ) = None
    """Only for `outside`, and required there: share that can still be bought while the material is tight."""
    seller: Key | None = None
    """Offers that name one seller together buy no more than it sells (`sellers`); empty: an offer of its own."""
    until_year: Annotated[float, Field(ge=1900, le=2200)] | None = None
    """Date at which it ends (decimal fiscal year); empty: it stands."""


class SellerRow(Row, key="seller from_year", ranged="depth_t_per_yr"):
    """What is for sale to all homes together at one premium: their offers of that name share it."""

    seller: Key
    """Name of the offers that share it."""
    from_year: FromYear
    depth_t_per_yr: Depth


class CountryRow(Row, key="country"):
    """A country, its alliance flags and its tier."""

    country: Country
    name: Name
    tier: Literal["home", "ally", "partner", "other", "covered"]
    """`home`: its demand, stock and imports are in these tables (every member of a plan's `home`, and no other). `covered`: its
    controls are what the home plans against; for the United States a covered nation of 10 USC 4872."""
    nato: bool = False
    """Member of NATO."""
    msp: bool = False
    """Member of the Minerals Security Partnership."""
    land_neighbours: Names = ""
    """Countries that it borders on land, separated by spaces; filled in for members of homes."""
    wgi_political_stability: Annotated[float, Field(ge=-5, le=5)] | None = None
    """World Bank WGI estimate, -2.5 to 2.5."""


class StockRow(Row, key="material", ranged="opening_t"):
    """Opening stock of the reserve."""

    material: Material
    opening_t: Annotated[NonNegative, Column("stock at the start")]
    """Stock held when the plan starts."""
    ordered_t: NonNegative = 0.0
    """Part of it, at most all, that is ordered, whether delivered by then or not: it counts as held, and is reported separately."""
    carried: bool = False
    """Whether earlier years of the plan left it: it is the plan's, whatever `existing` says."""


class DeflatorRow(Row, key="money_year", ranged="price_index"):
    """General price index by year, which converts money of different years to one price level."""

    money_year: PriceYear
    price_index: Annotated[Positive, Column("price index")]
    """Consumer price index of that year."""


EVIDENCE: dict[str, type[Row]] = {
    "production": ProductionRow,
    "reserves": ReserveBaseRow,
    "import_shares": ImportShareRow,
    "minerals": MineralRow,
    "demand_segments": DemandSegmentRow,
    "end_uses": EndUseRow,
    "instrument_terms": InstrumentTermRow,
    "crisis_prices": CrisisPriceRow,
    "allied_reliability": AlliedReliabilityRow,
    "support_agreements": SupportAgreementRow,
    "observed_profiles": ObservedProfileRow,
    "price_gaps": PriceGapRow,
    "market_quotes": MarketQuoteRow,
    "listed_minerals": ListedMineralRow,
    "not_planned": NotPlannedRow,
    "published_requirements": PublishedRequirementRow,
    "supported_producers": SupportedProducerRow,
    "loss_replay": LossReplayRow,
}
"""Tables of published facts, by name."""
TABLES: dict[str, type[Row]] = {
    "materials": MaterialRow,
    "activities": ActivityRow,
    "origin_rules": OriginRuleRow,
    "feed_origins": FeedOriginRow,
    "qualifications": QualificationRow,
    "capacities": CapacityRow,
    "yields": YieldRow,
    "demand": DemandRow,
    "tiers": TierRow,
    "substitution": SubstitutionRow,
    "prices": PriceRow,
    "price_states": PriceStateRow,
    "projects": project_tables.ProjectRow,
    "ramps": project_tables.RampRow,
    "packages": project_tables.PackageRow,
    "instruments": project_tables.InstrumentRow,
    "offers": OfferRow,
    "sellers": SellerRow,
    "countries": CountryRow,
    "homes": project_tables.HomeRow,
    "exchange_rates": project_tables.ExchangeRateRow,
    "hazards": project_tables.HazardRow,
    "hazard_profiles": project_tables.HazardProfileRow,
    "hazard_prices": project_tables.HazardPriceRow,
    "policy_events": PolicyEventRow,
    "stock": StockRow,
    "stock_origins": project_tables.StockOriginRow,
    "commitments": project_tables.CommitmentRow,
    "purchase_ceilings": PurchaseCeilingRow,
    "payments_due": project_tables.PaymentDueRow,
    "hazard_evidence": project_tables.HazardEvidenceRow,
    "loss_functions": LossFunctionRow,
    "adaptation": AdaptationRow,
    "price_responses": PriceResponseRow,
    "surges": SurgeRow,
    "users_stock": UsersStockRow,
    "deflators": DeflatorRow,
    **EVIDENCE,
}
"""Every table by name, in the order in which they are listed."""

FACT_TABLES = ("homes", "exchange_rates", "policy_events", "stock_origins", "hazard_evidence", *EVIDENCE)
"""Tables that plans do not read row by row."""
