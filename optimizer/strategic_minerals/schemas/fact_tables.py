"""Rows of the fact tables, used by estimates, checks and the report; plans do not read them row by row."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..core.units import LARGEST_NUMBER
from .base import Day, Iso3, Key, Names, NonNegative, Number, Positive, Row, Share, Year


class PolicyEventRow(Row):
    """A dated control, ban, quota, suspension or support measure."""

    key: ClassVar[tuple[str, ...]] = ("event",)
    event: Key
    announced: Day | None = None
    effective: Day | None = None
    """Date on which it took, or was to take, effect."""
    end_or_review: Day | None = None
    country: Iso3
    target: str
    instrument: str
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
    export_cut_share: Share | None = None
    observed_effect: str = ""


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
    unit: str
    loss_share: Annotated[float, Field(gt=-LARGEST_NUMBER, le=1)] | None = None
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
    material: Key
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
    material: Key
    place: str
    """Market as printed."""
    market: Literal["inside", "outside", "world"]
    """`inside`: the country that controls the material, value-added tax taken off; `outside`: elsewhere; `world`: one price."""
    form: str
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
    mineral: Key
    name: str
    rank: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Place by expected economic loss, where one is published."""
    materials: Names = ""
    """Materials that it can be planned as, separated by spaces; empty: none, for the reason in `not_planned`."""


class PublishedRequirementRow(Row):
    """A shortfall that a government's report on stockpile requirements printed."""

    key: ClassVar[tuple[str, ...]] = ("report", "item")
    report: Year
    item: Key
    name: str
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
    material: Key
    fiscal_year: Year
    ceiling_t_per_yr: NonNegative
    """Potential acquisitions of the year; 0: the plan lists none."""


class NotPlannedRow(Row):
    """A mineral or a project that plans leave out for want of a published figure."""

    key: ClassVar[tuple[str, ...]] = ("kind", "item")
    kind: Literal["mineral", "project"]
    item: Key
    name: str
    why: str
    """What is not published."""
    next_source: str
    """Where it would most likely be found."""


class ProductionRow(Row):
    """Output of a country as published; `WLD` is the world, `OTH` the rest."""

    key: ClassVar[tuple[str, ...]] = ("mineral", "country", "stage", "year", "edition")
    mineral: Key
    country: Iso3
    stage: str
    edition: str
    """Edition of the publication: later editions revise earlier years."""
    production_t: NonNegative
    basis: str = ""


class ReserveBaseRow(Row):
    """Geological reserves of a country as published."""

    key: ClassVar[tuple[str, ...]] = ("mineral", "country", "year")
    mineral: Key
    country: Iso3
    reserves_t: NonNegative
    basis: str = ""


class ImportShareRow(Row):
    """Share of home imports by origin."""

    key: ClassVar[tuple[str, ...]] = ("mineral", "form", "country")
    mineral: Key
    form: str
    country: Iso3
    import_share_pct: Annotated[float, Field(ge=0, le=100)]
    period: str
    """Years averaged."""


class MineralRow(Row):
    """Home market of a mineral (consumption, trade), prices of five years, world output."""

    key: ClassVar[tuple[str, ...]] = ("mineral",)
    mineral: Key
    symbol: str
    usgs_gdp_rank: Positive | None = None
    """Rank by modelled US GDP loss (USGS OFR 2025-1047), 1 the largest."""
    consumption_t: NonNegative | None = None
    """Value for the last full reported year (2024) unless the note says otherwise."""
    consumption_basis: str = ""
    imports_t: NonNegative | None = None
    exports_t: NonNegative | None = None
    primary_t: NonNegative | None = None
    secondary_t: NonNegative | None = None
    net_import_reliance_pct: Annotated[float, Field(ge=0, le=100)] | None = None
    price_usd_per_kg: Positive | None = None
    """Average of the last full reported year (2024)."""
    price_basis: str = ""
    price_cv: NonNegative | None = None
    """Population standard deviation of the annual prices 2021-2025, divided by their mean."""
    world_production_t: NonNegative | None = None


class DemandSegmentRow(Row):
    """A published figure on the users of a material."""

    key: ClassVar[tuple[str, ...]] = ("record",)
    record: Key
    material: str
    segment: str
    metric: str
    low: Number | None = None
    central: Number | None = None
    high: Number | None = None
    unit: str


class InstrumentTermRow(Row):
    """A published term of a support instrument."""

    key: ClassVar[tuple[str, ...]] = ("record",)
    record: Key
    instrument: str
    parameter: str
    example: str
    low: Number | None = None
    central: Number | None = None
    high: Number | None = None
    unit: str = ""
    scoring: str = ""


class CrisisPriceRow(Row):
    """How far a price moved in a past crisis or glut."""

    key: ClassVar[tuple[str, ...]] = ("record",)
    record: Key
    episode: str
    material: str
    market: str
    from_date: str = ""
    to_date: str = ""
    multiplier: Positive | None = None
    months: Positive | None = None
    supply_lost_share: Share | None = None


class AlliedReliabilityRow(Row):
    """Allied supply that is committed elsewhere, restricted or interrupted."""

    key: ClassVar[tuple[str, ...]] = ("record",)
    record: Key
    topic: str
    material: str
    supplier: str
    country: str = ""
    metric: str = ""
    low: Number | None = None
    central: Number | None = None
    high: Number | None = None
    unit: str = ""
    kappa_uncontracted: Share | None = None


class SupportAgreementRow(Row):
    """A dated support agreement and its terms."""

    key: ClassVar[tuple[str, ...]] = ("agreement", "term")
    agreement: Key
    term: Key
    """Which term, e.g. `floor_price`, `duration`, `upside_share`, `equity_stake`."""
    value: Number
    unit: str


class SupportedProducerRow(Row):
    """A source or project of the planning tables that a support agreement is about, with the prices of its day."""

    key: ClassVar[tuple[str, ...]] = ("agreement", "producer")
    agreement: Key
    producer: Key
    """A source or a project of the tables."""
    signed_year: Year
    price_set: Key
    """Price set of the table `prices` nearest to the day on which it was signed."""
    floor_material: Key | None = None
    """Material of the agreement's price floor, if this producer's output gets it."""
