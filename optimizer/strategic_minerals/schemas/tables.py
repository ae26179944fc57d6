"""Row schemas of the planning tables in `inputs/`; `TABLES` lists all tables, including fact tables.

The docstring under each field is its dictionary entry.
A column `x` that may be an estimate has `x_low` and `x_high` beside it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Iso3, Key, Names, NonNegative, Number, Percent, Positive, PositiveYears, Row, Share, Year, Years
from .columns import (
    CAPACITY,
    FLOOR,
    FLOOR_END,
    KAPPA,
    PREMIUM,
    PRICE,
    RESTART,
    Activity,
    Column,
    Country,
    Depth,
    FromYear,
    Material,
    MoneyYear,
    Name,
    Premium,
    PriceYear,
    Segment,
    Stage,
)
from .fact_tables import (
    AlliedReliabilityRow,
    CrisisPriceRow,
    DemandSegmentRow,
    ImportShareRow,
    InstrumentTermRow,
    ListedMineralRow,
    MarketQuoteRow,
    MineralRow,
    NotPlannedRow,
    ObservedProfileRow,
    PolicyEventRow,
    PriceGapRow,
    ProductionRow,
    PublishedRequirementRow,
    PurchaseCeilingRow,
    ReserveBaseRow,
    SupportAgreementRow,
    SupportedProducerRow,
)
from .hazard_tables import HazardPriceRow, HazardProfileRow, HazardRow
from .home_tables import ExchangeRateRow, HomeRow
from .loss_tables import AdaptationRow, LossFunctionRow, LossReplayRow, UsersStockRow
from .origin_tables import FeedOriginRow, OriginRuleRow
from .project_tables import InstrumentRow, PackageRow, ProjectRow, RampRow
from .state_tables import CommitmentRow, HazardEvidenceRow, PaymentDueRow, StockOriginRow


class MaterialRow(Row):
    """A commodity at one stage of its value chain."""

    key: ClassVar[tuple[str, ...]] = ("material",)
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
    haircut_share_low: float | None = None
    haircut_share_high: float | None = None
    holding_share_per_yr: Annotated[Share, Column("yearly cost of holding stock", 0.002, 0.2)]
    """Holding cost of the reserve, as a share of the base price per year."""
    holding_share_per_yr_low: float | None = None
    holding_share_per_yr_high: float | None = None
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
    disposal_t_per_yr_low: float | None = None
    disposal_t_per_yr_high: float | None = None
    net_import_reliance_pct: Annotated[Percent, Column("net import reliance", 1)] | None = None
    """Net imports as a share of apparent consumption, as published (a bound where the source prints one)."""
    embedded: bool = False
    """True: it reaches the country only inside imported goods. Neither a reserve nor a plant can supply it, so nothing is bought,
    supported or promised of it; its loss is told apart and left out of risk measures, unless `[risk] embedded` is true."""
    home: Iso3 | None = None
    """Home whose users want it, where a plan is made for several; empty: that of the plan."""
    alike: Key | None = None
    """What it is whoever wants it, where several homes have a material of one kind; empty: itself."""
    pooled: Literal["no", "calm", "struck"] = "no"
    """When its stock may be moved to others that are `alike` and pooled. `calm`: while nothing has happened to them, so that in a
    disruption each home draws on what it has; `struck`: in a disruption, to whom needs it."""
    freight_usd_per_kg: NonNegative = 0.0
    """Cost of moving a kg of its stock to another home; the one who receives it pays, not the budget."""
    freight_usd_per_kg_low: float | None = None
    freight_usd_per_kg_high: float | None = None


class ActivityRow(Row):
    """An existing source: mining, separation, metal making or recycling in one country."""

    key: ClassVar[tuple[str, ...]] = ("activity",)
    activity: Activity
    name: Name
    country: Country
    stage: Stage
    premium_share: Annotated[float, Field(ge=-0.9, le=10), PREMIUM] = 0.0
    """Premium on the market price of its outputs."""
    cash_usd_per_kg: Annotated[NonNegative, Column("cash cost")] = 0.0
    """Cash cost per kg of activity, modelled inputs excluded; the source shuts when its revenue falls below it."""
    cash_usd_per_kg_low: float | None = None
    cash_usd_per_kg_high: float | None = None
    kappa: Annotated[Share, KAPPA] = 1.0
    """Share of capacity that home users without a contract still get while the material is tight (1 at home)."""
    kappa_low: float | None = None
    kappa_high: float | None = None
    lot_t_per_yr: Annotated[NonNegative, Column("smallest contract")] | None = None
    """Smallest offtake contract; empty: the source offers none."""
    fee_usd_per_kg: Annotated[NonNegative, Column("contract fee")] = 0.0
    """Fee per kg reserved and year of the contract."""
    fee_usd_per_kg_low: float | None = None
    fee_usd_per_kg_high: float | None = None
    term_yr: Annotated[PositiveYears, Column("term of a contract", 1, 30)] | None = None
    """Length of an offtake contract."""
    restart_yr: Annotated[Years, RESTART] = 0.0
    """Years that a source, once shut, stays shut after its revenue has recovered."""
    restart_yr_low: float | None = None
    restart_yr_high: float | None = None
    floor_usd_per_kg: Annotated[Positive, FLOOR] | None = None
    """Price floor in force at the start, agreed before this plan and not paid from its budget."""
    floor_material: Key | None = None
    """Output to which the floor applies."""
    floor_until_year: Annotated[Year, FLOOR_END] | None = None
    """Last fiscal year of that floor."""
    output_t_per_yr: NonNegative | None = None
    """Tonnes of activity a year that it makes for all buyers: homes together buy no more of it. Empty: not published."""
    money_year: MoneyYear = None


class CapacityRow(Row):
    """Capacity of an existing source that home users can buy from."""

    key: ClassVar[tuple[str, ...]] = ("activity", "from_year")
    activity: Activity
    from_year: FromYear
    capacity_t_per_yr: Annotated[NonNegative, CAPACITY]
    """Tonnes of activity per year (of its main output, where the yield is 1)."""
    capacity_t_per_yr_low: float | None = None
    capacity_t_per_yr_high: float | None = None
    normal_t_per_yr: NonNegative | None = None
    """Usual flow, of which a profiled disruption cuts its share while it lasts; empty: the capacity."""


class YieldRow(Row):
    """What one tonne of an activity or project makes (positive) or uses (negative)."""

    key: ClassVar[tuple[str, ...]] = ("producer", "material")
    producer: Key
    """An activity or a project."""
    material: Material
    yield_t_per_t: Annotated[Number, Column("yield", 1e-4, 100)]
    """Tonnes made (above 0) or used (below 0) by a tonne of activity."""
    yield_t_per_t_low: float | None = None
    yield_t_per_t_high: float | None = None


class DemandRow(Row):
    """Home demand of one segment."""

    key: ClassVar[tuple[str, ...]] = ("material", "segment", "from_year")
    material: Material
    segment: Segment
    from_year: FromYear
    demand_t_per_yr: Annotated[NonNegative, Column("demand")]
    """Demand at undisturbed prices."""
    demand_t_per_yr_low: float | None = None
    demand_t_per_yr_high: float | None = None
    priority: Annotated[int, Field(ge=1, le=3)] | None = None
    """Whether its shortage is reported separately: 1 as defence, 2 as other essential uses, 3 not. Empty: by the segment's
    name, `defence` 1, `essential` 2, any other 3."""


class TierRow(Row):
    """A tier of a segment's demand, from the least to the most costly to leave unserved."""

    key: ClassVar[tuple[str, ...]] = ("material", "segment", "tier")
    material: str
    """A material, or `*` for all without rows of their own."""
    segment: Segment
    tier: Annotated[int, Field(ge=1, le=1000)]
    """Tier of a segment's demand."""
    share: Annotated[float, Field(gt=0, le=1), Column("share of the demand", 0.01, unit="share")]
    """Share of the segment's demand in this tier; the tiers must sum to at least one."""
    loss_multiplier: Annotated[NonNegative, Column("multiple of the loss per tonne", 0.05, 50)]
    """Loss per tonne of unserved demand in this tier, as a multiple of the loss function's average."""
    loss_multiplier_low: float | None = None
    loss_multiplier_high: float | None = None


class SubstitutionRow(Row):
    """Substitution: saving, or another material, up to a limit and at a cost."""

    key: ClassVar[tuple[str, ...]] = ("material", "segment", "step")
    material: Material
    segment: Segment
    step: Annotated[int, Field(ge=1, le=1000)]
    """Step of substitution, cheapest first."""
    limit_share: Annotated[Share, Column("most that can be substituted", 0.002)]
    """Share of the segment's demand that can be substituted."""
    limit_share_low: float | None = None
    limit_share_high: float | None = None
    cost_usd_per_kg: Annotated[NonNegative, Column("cost of substituting")]
    """Total cost of serving a kg of demand by substitution, instead of its price."""
    cost_usd_per_kg_low: float | None = None
    cost_usd_per_kg_high: float | None = None
    money_year: MoneyYear = None


class PriceRow(Row):
    """Market price of a material in one price set."""

    key: ClassVar[tuple[str, ...]] = ("price_set", "material", "from_year")
    price_set: Key
    """Name of a set of prices; a plan selects one."""
    material: Material
    from_year: FromYear
    price_usd_per_kg: Annotated[Positive, PRICE]
    """Price without a disruption."""
    price_usd_per_kg_low: float | None = None
    price_usd_per_kg_high: float | None = None
    money_year: MoneyYear = None


class PriceStateRow(Row):
    """A state of the common price factor: the costs of floors and financing gaps are averaged over these states."""

    key: ClassVar[tuple[str, ...]] = ("state",)
    state: Key
    """Name of a price state."""
    factor: Annotated[Positive, Column("multiple of the price", 0.1, 8)]
    """Factor on any price path; the probability-weighted mean is 1."""
    probability: Annotated[float, Field(gt=0, le=1), Column("probability", 0.005, unit="share")]
    """Probability of the state."""


class OfferRow(Row):
    """Material that the reserve can buy; several offers of a material form a rising supply curve."""

    key: ClassVar[tuple[str, ...]] = ("offer",)
    offer: Key
    """Name of an offer; other tables refer to it."""
    material: Material
    source_producer: str
    """An activity, a project, or `outside` (tonnes that are in no activity)."""
    depth_t_per_yr: Depth
    depth_t_per_yr_low: float | None = None
    depth_t_per_yr_high: float | None = None
    premium_share: Premium
    premium_share_low: float | None = None
    premium_share_high: float | None = None
    origin: Iso3 | None = None
    """Only for `outside`: country of origin; empty: not published."""
    crisis_availability: (
        Annotated[Share, Column("share that can still be bought in a crisis", 0.006, unit="share")] | None
    ) = None
    """Only for `outside`, and required there: share that can still be bought while the material is tight."""
    seller: Key | None = None
    """Offers that name one seller together buy no more than it sells (`sellers`); empty: an offer of its own."""


class SellerRow(Row):
    """What is for sale to all homes together at one premium: their offers of that name share it."""

    key: ClassVar[tuple[str, ...]] = ("seller", "from_year")
    seller: Key
    """Name of the offers that share it."""
    from_year: FromYear
    depth_t_per_yr: Depth
    depth_t_per_yr_low: float | None = None
    depth_t_per_yr_high: float | None = None


class CountryRow(Row):
    """A country, its alliance flags and its tier."""

    key: ClassVar[tuple[str, ...]] = ("country",)
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


class StockRow(Row):
    """Opening stock of the reserve."""

    key: ClassVar[tuple[str, ...]] = ("material",)
    material: Material
    opening_t: Annotated[NonNegative, Column("stock at the start")]
    """Stock held when the plan starts."""
    opening_t_low: float | None = None
    opening_t_high: float | None = None


class DeflatorRow(Row):
    """General price index by year, which converts money of different years to one price level."""

    key: ClassVar[tuple[str, ...]] = ("money_year",)
    money_year: PriceYear
    price_index: Annotated[Positive, Column("price index")]
    """Consumer price index of that year."""
    price_index_low: float | None = None
    price_index_high: float | None = None


TABLES: dict[str, type[Row]] = {
    "materials": MaterialRow,
    "activities": ActivityRow,
    "origin_rules": OriginRuleRow,
    "feed_origins": FeedOriginRow,
    "capacities": CapacityRow,
    "yields": YieldRow,
    "demand": DemandRow,
    "tiers": TierRow,
    "substitution": SubstitutionRow,
    "prices": PriceRow,
    "price_states": PriceStateRow,
    "projects": ProjectRow,
    "ramps": RampRow,
    "packages": PackageRow,
    "instruments": InstrumentRow,
    "offers": OfferRow,
    "sellers": SellerRow,
    "countries": CountryRow,
    "homes": HomeRow,
    "exchange_rates": ExchangeRateRow,
    "hazards": HazardRow,
    "hazard_profiles": HazardProfileRow,
    "hazard_prices": HazardPriceRow,
    "policy_events": PolicyEventRow,
    "stock": StockRow,
    "stock_origins": StockOriginRow,
    "commitments": CommitmentRow,
    "payments_due": PaymentDueRow,
    "hazard_evidence": HazardEvidenceRow,
    "loss_functions": LossFunctionRow,
    "adaptation": AdaptationRow,
    "users_stock": UsersStockRow,
    "deflators": DeflatorRow,
    "production": ProductionRow,
    "reserves": ReserveBaseRow,
    "import_shares": ImportShareRow,
    "minerals": MineralRow,
    "demand_segments": DemandSegmentRow,
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
    "purchase_ceilings": PurchaseCeilingRow,
    "supported_producers": SupportedProducerRow,
    "loss_replay": LossReplayRow,
}
"""Every table by name, in the order in which they are listed."""

HOME_TABLES = (
    "demand",
    "demand_segments",
    "users_stock",
    "capacities",
    "import_shares",
    "offers",
    "stock",
    "loss_functions",
)
"""Tables of which every row is a figure of the home."""
FACT_TABLES = (
    "homes",
    "exchange_rates",
    "production",
    "reserves",
    "import_shares",
    "minerals",
    "demand_segments",
    "instrument_terms",
    "crisis_prices",
    "allied_reliability",
    "policy_events",
    "support_agreements",
    "observed_profiles",
    "price_gaps",
    "market_quotes",
    "listed_minerals",
    "not_planned",
    "published_requirements",
    "purchase_ceilings",
    "supported_producers",
    "loss_replay",
    "stock_origins",
    "hazard_evidence",
)
"""Tables that plans do not read row by row."""
