"""Rows of the fact tables, used by estimates, checks and the report; plans do not read them row by row."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..core.units import LARGEST_NUMBER
from .base import Day, Iso3, Key, Names, NonNegative, Number, Percent, Positive, Row, Share, Year
from .columns import (
    PRICE,
    Agreement,
    Basis,
    Central,
    Column,
    Country,
    CountryName,
    Form,
    High,
    Low,
    Material,
    MaterialName,
    Metric,
    Mineral,
    Name,
    Record,
    SegmentName,
    Stage,
    Unit,
)


class PolicyEventRow(Row):
    """A dated control, ban, quota, suspension or support measure."""

    key: ClassVar[tuple[str, ...]] = ("event",)
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


class ObservedProfileRow(Row):
    """Share of a normal trade flow that was lost in one period of an observed disruption, by months since its onset."""

    key: ClassVar[tuple[str, ...]] = ("profile", "period")
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
    loss_share_low: float | None = None
    loss_share_high: float | None = None
    normal_basis: str = ""
    """What the normal flow is taken from."""
    running: bool
    """Whether the disruption went on at the end of the record: its loss is then a lower bound. The same in all rows of a
    profile."""


class PriceGapRow(Row):
    """Price of a material outside a controlling country as a multiple of its price inside, at near dates."""

    key: ClassVar[tuple[str, ...]] = ("material", "pair", "date")
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
    ratio_low: float | None = None
    ratio_high: float | None = None


class MarketQuoteRow(Row):
    """Price of a material at a date in one market, as price reporters printed it."""

    key: ClassVar[tuple[str, ...]] = ("material", "place", "date")
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


class ListedMineralRow(Row):
    """A mineral of the home country's official list of critical minerals."""

    key: ClassVar[tuple[str, ...]] = ("mineral",)
    mineral: Mineral
    name: Name
    rank: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Place by expected economic loss, where one is published."""
    materials: Names = ""
    """Materials that it can be planned as, separated by spaces; empty: none, for the reason in `not_planned`."""


class PublishedRequirementRow(Row):
    """A shortfall that a government's report on stockpile requirements printed."""

    key: ClassVar[tuple[str, ...]] = ("report", "item")
    report: Year
    item: Key
    name: Name
    materials: Names = ""
    """Materials of these tables that it is, separated by spaces; empty: none."""
    shortfall_t: NonNegative
    """Net shortfall of the whole emergency."""
    after_extra_buy_t: NonNegative | None = None
    """What is left if users obtain more abroad at a higher price."""
    shortfall_musd: NonNegative | None = None
    """Its value at the report's prices."""
    reason: str = ""
    """Why these tables give another figure, or none."""


class PurchaseCeilingRow(Row):
    """The most that a published yearly plan lets a stockpile buy of a material."""

    key: ClassVar[tuple[str, ...]] = ("material", "fiscal_year")
    material: Material
    fiscal_year: Year
    ceiling_t_per_yr: NonNegative
    """Potential acquisitions of the year; 0: the plan lists none."""


class NotPlannedRow(Row):
    """A mineral or a project that plans leave out for want of a published figure."""

    key: ClassVar[tuple[str, ...]] = ("kind", "item")
    kind: Literal["mineral", "project"]
    """Kind; the schema lists the choices."""
    item: Key
    name: Name
    why: str
    """What is not published."""
    next_source: str
    """Where it would most likely be found."""


class ProductionRow(Row):
    """Output of a country as published; `WLD` is the world, `OTH` the rest."""

    key: ClassVar[tuple[str, ...]] = ("mineral", "country", "stage", "year", "edition")
    mineral: Mineral
    country: Country
    stage: Stage
    edition: str
    """Edition of the publication: later editions revise earlier years."""
    production_t: Annotated[NonNegative, Column("output")]
    """Output of the year."""
    basis: Basis = ""


class ReserveBaseRow(Row):
    """Geological reserves of a country as published."""

    key: ClassVar[tuple[str, ...]] = ("mineral", "country", "year")
    mineral: Mineral
    country: Country
    reserves_t: Annotated[NonNegative, Column("reserves in the ground")]
    """Reserves: known and economic to mine."""
    basis: Basis = ""


class ImportShareRow(Row):
    """Share of home imports by origin."""

    key: ClassVar[tuple[str, ...]] = ("mineral", "form", "country")
    mineral: Mineral
    form: Form
    country: Country
    import_share_pct: Annotated[Percent, Column(low=1)]
    """Share of imports in percent."""
    period: str
    """Years averaged."""


class MineralRow(Row):
    """Home market of a mineral (consumption, trade), prices of five years, world output."""

    key: ClassVar[tuple[str, ...]] = ("mineral",)
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
    price_usd_per_kg: Annotated[Positive, PRICE] | None = None
    """Average of the last full reported year (2024)."""
    price_basis: str = ""
    """Product, quality and place to which the price refers."""
    price_cv: Annotated[NonNegative, Column(low=0.01, high=2)] | None = None
    """Population standard deviation of the annual prices 2021-2025, divided by their mean."""
    world_production_t: Annotated[NonNegative, Column("world output")] | None = None
    """World production in tonnes."""


class DemandSegmentRow(Row):
    """A published figure on the users of a material."""

    key: ClassVar[tuple[str, ...]] = ("record",)
    record: Record
    material: MaterialName
    segment: SegmentName
    metric: Metric
    low: Low = None
    central: Central = None
    high: High = None
    unit: Unit


class InstrumentTermRow(Row):
    """A published term of a support instrument."""

    key: ClassVar[tuple[str, ...]] = ("record",)
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


class CrisisPriceRow(Row):
    """How far a price moved in a past crisis or glut."""

    key: ClassVar[tuple[str, ...]] = ("record",)
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


class AlliedReliabilityRow(Row):
    """Allied supply that is committed elsewhere, restricted or interrupted."""

    key: ClassVar[tuple[str, ...]] = ("record",)
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


class SupportAgreementRow(Row):
    """A dated support agreement and its terms."""

    key: ClassVar[tuple[str, ...]] = ("agreement", "term")
    agreement: Agreement
    term: Key
    """Which term, e.g. `floor_price`, `duration`, `upside_share`, `equity_stake`."""
    value: Number
    """Amount agreed."""
    unit: Unit


class SupportedProducerRow(Row):
    """A source or project of the planning tables that a support agreement is about, with the prices of its day."""

    key: ClassVar[tuple[str, ...]] = ("agreement", "producer")
    agreement: Agreement
    producer: Key
    """A source or a project of the tables."""
    signed_year: Year
    price_set: Key
    """Price set of the table `prices` nearest to the day on which it was signed."""
    floor_material: Key | None = None
    """Material of the agreement's price floor, if this producer's output gets it."""
