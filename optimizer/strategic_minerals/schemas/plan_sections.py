"""Sections of a plan file, one class each."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from ..core.errors import CONTROL, MisplacedError, shown
from ..core.units import LARGEST_NUMBER
from .base import Iso3, Key, Names, NonNegative, Positive, Share, Year

DecimalYear = Annotated[float, Field(ge=1900, le=2200)]
"""A year, or a date within it. Defined before its use, so that the types of its fields are checked."""
QUIET = 0.02
"""Default probability of the scenario without disruptions, as far as the listed scenarios leave it."""


class Section(BaseModel):
    """Base of all parts of a plan: closed, frozen, no NaN, described by their docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        """Check the types of a plan file: no text for a number, no number for true or false, and no true or false for a number."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        for scalar in _scalars(value):
            number = isinstance(scalar, int | float) and not isinstance(scalar, bool)
            wrong = (
                (isinstance(scalar, str) and str not in kinds)
                or (isinstance(scalar, bool) and bool not in kinds)
                or (number and not kinds & {int, float})
            )
            if wrong and kinds and kinds <= {int, float, bool, str}:
                wanted = " or ".join(sorted({WORDS[kind] for kind in kinds}))
                raise ValueError(f"{wanted}, not {WORDS[type(scalar)]}")
            if isinstance(scalar, int) and scalar.bit_length() > MOST_BITS:
                raise ValueError(f"a number of at most {LARGEST_NUMBER:.0e}".replace("e+", "e"))
            if isinstance(scalar, str) and CONTROL.search(scalar):
                raise ValueError("text without control characters")
        return value


MOST_BITS = 1000
"""Bits of a whole number that a decimal number can hold."""
WORDS = {int: "a number", float: "a number", bool: "true or false", str: "text"}


def _kinds(annotation: Any) -> set[type]:
    """Scalar types that an annotation lets through, inside lists and table values too."""
    if get_origin(annotation) is Literal:
        return {type(choice) for choice in get_args(annotation)}
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return _kinds(arguments[1])
    if arguments:
        return set[type]().union(
            *(_kinds(argument) for argument in arguments if argument not in (type(None), Ellipsis))
        )
    return {annotation} if isinstance(annotation, type) else set()


def _scalars(value: Any) -> list[Any]:
    """The scalars of a value, of a list, or of a table of scalars."""
    if isinstance(value, dict):
        return [v for v in value.values() if not isinstance(v, dict | list)]
    if isinstance(value, list | tuple):
        return [v for v in value if not isinstance(v, dict | list)]
    return [value]


def _given(value: str | None) -> str:
    """A choice that may be missing, as found."""
    return "nothing" if value is None else f"'{value}'"


class Horizon(Section):
    """The planned years and the length of a period."""

    first_year: Year
    """First fiscal year."""
    years: Annotated[int, Field(ge=1, le=60)]
    """Number of fiscal years that are planned and shown."""
    tail_years: Annotated[int, Field(ge=0, le=40)] | None = None
    """Further years that are computed but not shown, so that the end of the horizon does not distort the plan; unset: three
    years or the longest event of the listed scenarios and selected hazards, whichever is longer."""
    period_months: Literal[1, 3, 6, 12] = 12
    """Length of a period."""


class FloorMenu(Section):
    """Price floors that the plan may guarantee for one material; it may also choose none."""

    material: Key
    kind: Literal["contract", "border", "purchase"] = "contract"
    """Type of floor. `contract`: a contract for difference, paid from the budget. `border`: a reference price with a tariff,
    paid by users (market-wide only). `purchase`: a contract for difference on tonnes that the reserve may buy."""
    scope: Literal["project", "market"] = "project"
    """`project`: part of a project's package. `market`: one floor for all eligible producers."""
    levels_usd_per_kg: Annotated[tuple[Positive, ...], Field(min_length=1)]
    term_years: Positive
    """Term: project floors from first output, market floors from the first period."""
    upside_share: Share = 0.0
    """Share of the price above the floor that is paid back to the treasury."""
    take_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Purchase floors: share of the project's output of the material that is covered."""
    eligible: Literal["home", "allied"] = "allied"
    """Market floors: the producers whose existing output is topped up (`allied`: home, allies and partners)."""
    embedded_content: bool = False
    """Border floors: also charge the material contained in imported products."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "border" and self.scope != "market":
            raise MisplacedError(("scope", f"'{self.scope}'", "'market': a border floor is market-wide"))
        if self.kind == "purchase" and self.scope != "project":
            raise MisplacedError(("scope", f"'{self.scope}'", "'project': a purchase floor belongs to a project"))
        if len(set(self.levels_usd_per_kg)) < len(self.levels_usd_per_kg):
            raise MisplacedError(("levels_usd_per_kg", shown([*self.levels_usd_per_kg]), "levels that differ"))
        if self.kind == "border" and self.upside_share > 0:
            expected = "0: a border floor has no upside share, nobody receives a top-up"
            raise MisplacedError(("upside_share", f"{self.upside_share:g}", expected))
        return self


class Instruments(Section):
    """Instruments that the authority may use."""

    reserve: bool = True
    """Buy and hold material."""
    offtake_contracts: bool = True
    """Sign offtake contracts for the output of existing allied sources, to be used in a crisis."""
    projects: bool = True
    """Support projects with packages; if false, only projects that their owners build without support exist."""
    packages: Selection = ("*",)
    """Packages of the table `packages` that may be used; `*`: all."""
    project_list: Selection = ("*",)
    """Projects that may be supported; `*`: all whose materials are in the plan."""
    signing_years: tuple[Year, ...] | None = None
    """Fiscal years in which packages may be signed; unset: every planned year."""
    contract_years: tuple[Year, ...] | None = None
    """Fiscal years in which offtake contracts may start; unset: every planned year."""
    partial_support: bool = False
    """True: a package may support a share of a project."""
    price_floors: tuple[FloorMenu, ...] = ()
    trunk_release: bool = False
    """True: the reserve may release material without a disruption."""
    trunk_disposal: bool = False
    """True: the reserve may sell material without a disruption. In a disruption the plan may spend what it had planned for
    purchases, so it may then buy and sell in the same year only to have that money available."""


class OriginExclusion(Section):
    """Origins that this plan excludes, beside the table of rules."""

    countries: Names
    """ISO3 codes separated by spaces; `covered`: every country of that tier."""
    materials: Names = "*"
    from_year: DecimalYear | None = None
    """Date from which it applies; unset: from the start."""
    reach_back: bool = False
    """True: it follows the feed back to the mine."""
    applies_to: Annotated[tuple[Literal["purchases", "support", "offtake"], ...], Field(min_length=1)] = (
        "purchases",
        "support",
        "offtake",
    )


class Procurement(Section):
    """Origins from which the authority may not buy, reserve or support; each switch turns on its rules of the table `origin_rules`.
    What users buy for themselves is not touched."""

    law: bool = False
    """True: the forms of material that statutes name."""
    practice: bool = False
    """True: what suppliers' governments refuse to reserves, such as export licences for stockpiles."""
    policy: bool = False
    """True: everything from covered nations."""
    exclusions: tuple[OriginExclusion, ...] = ()


class Budget(Section):
    """Budget, in real money of the plan's price year."""

    appropriation_musd: NonNegative | dict[Year, NonNegative]
    """Appropriation per fiscal year: one figure, or a figure by year; years after the last one named keep its value,
    years before the first one named have none."""
    carry_over_share: Share = 0.0
    """Share of a year's appropriation that may be carried into the next."""
    carried_in_musd: NonNegative = 0.0
    """Money kept from before the first year: it is spent in the first year, beside its appropriation."""
    total_musd: NonNegative | None = None
    """Limit on total outlays over all planned years."""
    liability_cap_musd: NonNegative | dict[Year, NonNegative] | None = None
    """Limit on the cost of all floors in a year, at the liability quantile."""
    liability_quantile: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    """Probability with which payments stay below the cap."""
    emergency_musd: NonNegative | dict[Year, NonNegative] = 0.0
    """Extra money for purchases in a disruption, per year and scenario."""
    branch_money: Literal["planned", "appropriated"] = "planned"
    """Money for purchases in a disruption. `planned`: what the plan would have spent that year on the materials hit.
    `appropriated`: that and, for materials in short supply, the unspent money of the year; not possible with an objective that
    counts spending, which would not count this money."""
    revolving: bool = False
    """True: sales proceeds may be spent again."""
    members_pay_holding: bool = False
    """True: members of the reserve pay what keeping the stock costs, so that it counts in the social cost, not in the budget."""

    @field_validator("appropriation_musd", "liability_cap_musd", "emergency_musd", mode="before")
    @classmethod
    def _each_year_once(cls, value: Any) -> Any:
        """Amounts by year need at least one year, and each year once, however it is written."""
        if not isinstance(value, dict):
            return value
        if not value:
            raise ValueError("a figure, or figures by year such as { 2027 = 100 }, not an empty table")
        written: dict[float, Any] = {}
        for year in value:
            try:
                number = float(str(year))
            except ValueError:
                continue
            if number in written:
                raise ValueError(f"each year once, not both '{written[number]}' and '{year}'")
            written[number] = year
        return value


class Event(Section):
    """A hazard that occurs at a date; missing fields are taken from the hazard's row."""

    hazard: Key | None = None
    """A row of the table `hazards`; unset: the event states all fields itself."""
    start_year: DecimalYear
    duration_years: Positive | None = None
    """Length of the cut, without the flood before it."""
    countries: Names | None = None
    """ISO3 codes separated by spaces; `*`: all except the home country."""
    materials: Names | None = None
    cut_share: Share | None = None
    price_multiplier: Positive | None = None
    flood_years: NonNegative | None = None
    flood_multiplier: Positive | None = None
    third_country_cut_share: Share | None = None
    demand_multipliers: dict[str, NonNegative] | None = None
    severity: NonNegative | None = None
    """Factor on the cuts of the hazard's profile; unset: 1."""
    stretch: Positive | None = None
    """Factor on the length of the hazard's profile; unset: 1, or what `duration_years` makes it."""
    tight: bool | None = None
    """Overrides whether the affected materials count as tight (in short supply) while the cut lasts."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.hazard is None:
            named = {
                "duration_years": self.duration_years,
                "countries": self.countries,
                "materials": self.materials,
                "cut_share": self.cut_share,
            }
            missing = [name for name, value in named.items() if value is None]
            if missing:
                expected = f"a hazard of hazards.csv; an event without one needs {', '.join(missing)}"
                raise MisplacedError(("", "no hazard", expected))
        return self


class Scenario(Section):
    """A scenario written by hand."""

    name: Key
    probability: Share
    design_basis: bool = False
    """True: service levels may refer to it; it is separate from the sample."""
    events: Annotated[tuple[Event, ...], Field(min_length=1)]


class Sample(Section):
    """Scenarios sampled from the table of hazards; they share the probability that the listed scenarios leave."""

    scenarios: Annotated[int, Field(ge=1, le=100_000)]
    """Number of sampled scenarios that the plan uses."""
    draws: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Number of scenarios sampled and then reduced to `scenarios`, each with the probability of those it represents; unset: no
    reduction."""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    hazards: Selection = ("*",)
    quiet_probability: Share = QUIET
    """Probability of the scenario without disruptions: the baseline course needs some probability to be planned sensibly."""
    drawn_from_year: Year | None = None
    """First year of the plan whose draws these are: those with an event before this plan's are left out, so that a plan made again
    a year later meets the same scenarios as far as they are still to come. Unset: drawn for this plan."""
    events_per_hazard: Annotated[int, Field(ge=1, le=5)] | None = None
    """Largest number of events of the same hazard in one scenario; unset: no limit."""


class HazardOverride(Section):
    """The plan's own assumptions on a hazard, replacing those of the table."""

    hazard: Key
    rate_per_yr: NonNegative | None = None
    duration_yr: Positive | None = None
    cut_share: Share | None = None
    price_multiplier: Positive | None = None
    flood_yr: NonNegative | None = None
    flood_multiplier: Positive | None = None
    third_country_cut_share: Share | None = None
    element_share: Annotated[float, Field(gt=0, le=1)] | None = None
    after_probability: Share | None = None
    after_lag_yr: NonNegative | None = None


class Control(Section):
    """A measure in force when the plan starts: it changes the baseline data until its end date and is not an event."""

    name: Key
    countries: Names
    materials: Names
    cut_share: Share
    """Share of supply from its countries that is lost."""
    cut_shares: dict[Key, Share] = Field(default_factory=dict)
    """The same by material, for those that it cuts more or less."""
    feed_cut_share: Share = 0.0
    """Share lost by producers elsewhere whose declared feed comes from its countries, or which declare none (`feed_origins`)."""
    price_multiplier: Positive = 1.0
    until_year: DecimalYear
    in_force: bool = True
    """False: it is not in force, as where a suspension was extended; `controls` solves both cases."""
    probability: Share | None = None
    """Probability that it is in force, where that is not known; unset: it is known."""
    hazard: Key | None = None
    """The hazard of which it is an event: while in force at the start, it may bring on others as such an event does (`after`)."""
    outside_prices: bool = False
    """True: while it is in force, whoever produces its materials outside its countries sells them at the latest price quoted there
    (`price_gaps`), where that is higher; false: one market."""


class Risk(Section):
    """Risk aversion: weights and limits on losses. Loss is the discounted cost of shortfall and substitution."""

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Level of the CVaR: the mean of the worst 1 - alpha of outcomes."""
    cvar_weight: NonNegative = 0.0
    """Weight of the CVaR in social cost (lambda)."""
    cvar_limit_musd: NonNegative | None = None
    expected_loss_limit_musd: NonNegative | None = None
    embedded: bool = False
    """True: losses of materials inside imported goods (`embedded` in the table of materials) count here too, though no plan can
    spare them."""


class Owners(Section):
    """What owners of projects expect, and what they ask for bearing price risk: it decides how large a financing gap is and what
    a price floor does to it."""

    expectation: Literal["trunk", "scenarios"] = "trunk"
    """How an owner values a project. `trunk`: on the baseline course, at the hurdle rate of its row. `scenarios`: in expectation
    over a fixed pricing sample of scenarios, closures included, at the hurdle rate that leaves the value without support
    unchanged."""
    price_risk_premium: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Part of the hurdle rate that pays for price risk: a package that takes away all of the downside lowers the rate by this much
    [1/year]. An estimate; no published figure is shipped."""
    sample: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Number of scenarios in the pricing sample. It is drawn from the same hazards as the plan's own sample and does not depend on
    the seed and size of that; a plan without a sample is priced on its listed scenarios."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the pricing sample."""
    risk_charge: NonNegative = 0.0
    """What the government is charged for bearing risk that a package moves to it: cost for each USD of downside transferred."""


class Loss(Section):
    """How shortage is valued, beyond the loss function."""

    spikes: bool = False
    """True: a cut that lasts for part of a period falls on that part of demand alone, so that a short deep cut also reaches the
    dearer tiers; false: it is spread over the period."""


class Objective(Section):
    """The objective to minimise."""

    kind: Literal["social_cost", "risk_within_budget", "least_budget"] = "social_cost"
    cvar_share: Share = 0.5
    """`risk_within_budget`: weight m of the CVaR against the expected loss, (1-m)*expected + m*CVaR."""
    stage_slack: NonNegative | None = None
    """Slack of a stage in later stages, relative to its value (at least 1 million USD); unset: the gap of the solve."""


class ServiceLevel(Section):
    """Promise to supply a segment in design-basis scenarios."""

    material: Key
    segment: Key
    level: Share
    """Share of demand that is supplied from the onset to the end of the event."""
    scenarios: Selection
    per: Literal["episode", "fiscal_year"] = "episode"
    penalty_usd_per_kg: Positive | None = None
    """Penalty for each kg of promised supply that is missing; unset: the promise must be kept."""


class Diversification(Section):
    """Limit on one country's share of supply, or minimum share of a group, without a disruption."""

    material: Key
    kind: Literal["country_cap", "least_share"]
    country: Iso3 | None = None
    """`country_cap`: the country."""
    group: Literal["home", "allied"] | None = None
    """`least_share`: home alone, or home with allies and partners."""
    share: Share
    from_year: Year
    penalty_usd_per_kg: Positive | None = None
    """Penalty for each kg beyond the limit."""
    hard: bool = False
    """True: the limit must be kept (default: soft, at the penalty)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.kind == "country_cap") != (self.country is not None):
            expected = "country must be given for kind 'country_cap', and only there"
            raise MisplacedError(("country", _given(self.country), expected))
        if (self.kind == "least_share") != (self.group is not None):
            expected = "group must be given for kind 'least_share', and only there"
            raise MisplacedError(("group", _given(self.group), expected))
        if self.hard == (self.penalty_usd_per_kg is not None):
            found = "both a penalty and hard = true" if self.hard else "neither a penalty nor hard = true"
            raise MisplacedError(("", found, "either penalty_usd_per_kg (soft) or hard = true"))
        return self


class DaysOfCover(Section):
    """Rule of thumb: hold at least the given number of days of net imports."""

    material: Key
    days: NonNegative
    from_year: Year


Selection = Annotated[tuple[str, ...], Field(min_length=1)]
