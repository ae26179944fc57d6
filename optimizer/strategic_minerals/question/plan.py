"""The question: a plan file (TOML) and its schema.

A plan states the materials, years, instruments, money, disruptions and the objective.
It holds no facts: those are in tables (`question/dataset.py`). Years are fiscal years and may be decimal where a date
within the year is meant (2028.5 is the middle of FY2028)."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..core.errors import FORMAT, MisplacedError, near_miss, shown
from ..core.stats import BASELINE_COURSE, MONTHS_PER_YEAR
from . import base
from .base import USA, Column, Iso3, Key, Names, NonNegative, Number, Positive, Section, Share, Year

# Sections of a plan file, one class each.
DecimalYear = Annotated[float, Field(ge=1900, le=2200)]
"""A year, or a date within it. Defined before its use, so that the types of its fields are checked."""
MONEY = (0.01, 200_000.0)
"""Usual range of a plan's money [million USD]."""
ByYear = Annotated[dict[Year, NonNegative], Field(min_length=1)]
QUIET = 0.02
"""Default probability of the scenario without disruptions, as far as the listed scenarios leave it."""


class Horizon(Section):
    """The planned years and the length of a period."""

    first_year: Annotated[Year, Column("First fiscal year", 2000, 2060)]
    """First fiscal year."""
    years: Annotated[int, Field(ge=1, le=60), Column("Number of fiscal years", 1, 30)]
    """Number of fiscal years that are planned and shown."""
    tail_years: Annotated[int, Field(ge=0, le=40), Column(low=1, high=15)] | None = None
    """Further years that are computed but not shown, so that the end of the horizon does not distort the plan; unset: three
    years or the longest event of the listed scenarios and selected hazards, whichever is longer."""
    period_months: Annotated[Literal[1, 3, 6, 12], Column("Length of a period (months)")] = 12
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
    term_years: Annotated[Positive, Column(low=1, high=30)]
    """Term: project floors from first output, market floors from the first period."""
    upside_share: Annotated[Share, base.UPSIDE] = 0.0
    """Share of the price above the floor that is paid back to the treasury."""
    take_share: Annotated[float, Field(gt=0, le=1), Column(low=0.02)] = 1.0
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

    reserve: Annotated[bool, Column("Buy and hold material")] = True
    """Buy and hold material."""
    offtake_contracts: Annotated[bool, Column("Sign offtake contracts")] = True
    """Sign offtake contracts for the output of existing allied sources, to be used in a crisis."""
    offtake_price: Literal["market", "fixed", "fee"] = "market"
    """At what price a contract delivers. `market`: that of the day; users pay what it is expected to be above the usual one.
    `fixed`: the usual one; the fee is at least that expected difference. `fee`: the usual one for the fee in the table alone,
    whatever the option is worth to the seller."""
    projects: Annotated[bool, Column("Support projects")] = True
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
    applies_to: Annotated[tuple[Literal["purchases", "support", "offtake", "users"], ...], Field(min_length=1)] = (
        "purchases",
        "support",
        "offtake",
    )


class Procurement(Section):
    """What the authority may not buy, reserve or support. Origins: each switch turns on its rules of the table `origin_rules`.
    What users buy for themselves is touched where they ask for a qualified form alone (`materials.qualified_of`)."""

    law: Annotated[bool, Column("Keep the law on origins")] = False
    """True: the forms of material that statutes name."""
    practice: Annotated[bool, Column("Keep to what suppliers' governments allow")] = False
    """True: what suppliers' governments refuse to reserves, such as export licences for stockpiles."""
    policy: Annotated[bool, Column("Buy nothing from covered nations")] = False
    """True: everything from covered nations."""
    ceilings: Annotated[bool, Column("Buy no more than the published ceilings")] = False
    """True: of a material no more a year than the latest published ceiling allows (table `purchase_ceilings`; of the United States
    those of the annual materials plan), qualified forms counted; materials without a row are free."""
    exclusions: tuple[OriginExclusion, ...] = ()


class Loan(Section):
    """A loan that buys the stock. Users who are members of the reserve pay storage, which counts in the social cost and not in the
    budget, and interest, which is reported and no cost to society: purchases count when made. What sales have not paid back
    is due at the end of the term."""

    interest: Annotated[float, Field(ge=0, le=0.5), Column("Interest of the loan per year", 0.005, 0.2, "share")]
    """Real rate per year on what is borrowed."""
    term_years: Annotated[Positive, Column("Term of the loan (years)", 1, 40)]
    """Years after the fiscal year of the first purchase at which it has to be paid back; what is bought later is borrowed anew."""
    owed_musd: NonNegative = 0.0
    """What is borrowed when the plan starts."""
    due_year: DecimalYear | None = None
    """When it is due (decimal fiscal year), in the first year or later; unset: `term_years` after the first purchase."""


class Budget(Section):
    """Budget, in real money of the plan's price year."""

    appropriation_musd: Annotated[
        NonNegative | ByYear, Column("Appropriation per year (million USD, in the plan's price year)", *MONEY)
    ]
    """Appropriation per fiscal year: one figure, or a figure by year; years after the last one named keep its value,
    years before the first one named have none."""
    carry_over_share: Annotated[Share, Column("Share of a year's money that may be carried over", 0.02)] = 0.0
    """Share of a year's appropriation that may be carried into the next."""
    advance_share: Annotated[Share, Column("Share of the next year's money that may be drawn early", 0.02)] = 0.0
    """Share of a year's appropriation that may be drawn in the year before."""
    carried_in_musd: Number = 0.0
    """Money kept from before the first year: it is spent in the first year, beside its appropriation. Negative: drawn
    early, at most what that year is given."""
    total_musd: Annotated[NonNegative, Column("Limit on all spending (million USD)", *MONEY)] | None = None
    """Limit on total outlays over all planned years."""
    liability_cap_musd: Annotated[NonNegative | ByYear, Column("", *MONEY)] | None = None
    """Limit on the cost of all floors in a year, at the liability quantile."""
    liability_quantile: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    """Probability with which payments stay below the cap."""
    emergency_musd: Annotated[NonNegative | ByYear, Column("", *MONEY)] = 0.0
    """Extra money for purchases in a disruption, per year and scenario."""
    branch_money: Annotated[Literal["planned", "appropriated"], Column("Money for purchases in a disruption")] = (
        "planned"
    )
    """Money for purchases in a disruption. `planned`: what the plan would have spent that year on the materials hit.
    `appropriated`: that and, for materials in short supply, the unspent money of the year; not possible with an objective that
    counts spending, which would not count this money."""
    revolving: bool = False
    """True: sales proceeds may be spent again."""
    loan: Loan | None = None
    """The loan that pays for purchases, within the appropriations; unset: they are paid for once and all."""


class Event(Section):
    """A hazard that occurs at a date; missing fields are taken from the hazard's row."""

    hazard: Key | None = None
    """A row of the table `hazards`; unset: the event states all fields itself."""
    start_year: DecimalYear
    duration_years: Annotated[Positive, base.DURATION] | None = None
    """Length of the cut, without the flood before it."""
    countries: Names | None = None
    """ISO3 codes separated by spaces; `*`: all except the home country."""
    materials: Names | None = None
    producers: Names = ""
    """Producers in these countries that it strikes alone, as a measure against named firms does; then nobody elsewhere loses feed.
    Empty: all of them."""
    cut_share: Annotated[Share, base.CUT] | None = None
    price_multiplier: Annotated[Positive, base.DEARER] | None = None
    flood_years: Annotated[NonNegative, base.FLOOD] | None = None
    flood_multiplier: Annotated[Positive, base.CHEAPER] | None = None
    third_country_cut_share: Annotated[Share, base.THIRD_CUT] | None = None
    surge: Key | None = None
    """What it makes of demand: rows of the table `surges`; unset: those of its hazard."""
    surge_level: Literal["low", "central", "high"] = "central"
    """Which end of their range counts."""
    surge_months: Annotated[NonNegative, Column(high=120)] = 0.0
    """Months of them that are past when the event begins, as in the recovery after a conflict."""
    demand_multipliers: Annotated[dict[str, NonNegative], base.SURGE] | None = None
    """Factors on the demand of segments, beside those rows: what this plan assumes, such as how far civilian use is cut."""
    severity: NonNegative | None = None
    """Factor on the cuts of the hazard's profile; unset: 1."""
    stretch: Positive | None = None
    """Factor on the length of the hazard's profile; unset: 1, or what `duration_years` makes it."""
    tight: bool | None = None
    """Overrides whether the affected materials count as tight (in short supply) while the cut lasts."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = ("duration_years", "countries", "materials", "cut_share")
        missing = [name for name in needed if getattr(self, name) is None]
        if self.hazard is None and missing:
            expected = f"a hazard of hazards.csv; an event without one needs {', '.join(missing)}"
            raise MisplacedError(("hazard", "nothing", expected))
        return self


class Scenario(Section):
    """A scenario written by hand."""

    name: Key
    probability: Annotated[Share, Column(low=0.002)]
    design_basis: bool = False
    """True: service levels may refer to it; it is separate from the sample."""
    events: Annotated[tuple[Event, ...], Field(min_length=1)]


class Sample(Section):
    """Scenarios sampled from the table of hazards; they share the probability that the listed scenarios leave."""

    scenarios: Annotated[int, Field(ge=1, le=100_000), Column("Number of random scenarios")]
    """Number of sampled scenarios that the plan uses."""
    draws: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Number of scenarios sampled, then reduced to `scenarios`, each as probable as those it represents; unset: no reduction."""
    seed: Annotated[int, Field(ge=0, lt=2**63), Column("Random seed")]
    hazards: Selection = ("*",)
    quiet_probability: Annotated[Share, Column(low=0.001)] = QUIET
    """Probability of the scenario without disruptions: the baseline course needs some probability to be planned sensibly."""
    drawn_from_year: Year | None = None
    """First year of the plan whose draws these are: those with an event before this plan's are left out, so that a plan made again
    a year later meets the same scenarios as far as they are still to come. Unset: drawn for this plan."""
    events_per_hazard: Annotated[int, Field(ge=1, le=5)] | None = None
    """Largest number of events of a hazard that come by themselves in one scenario; unset: no limit."""
    rates: Literal["uncertain", "known"] = "uncertain"
    """`uncertain`: each scenario draws the rate of each hazard from what its record leaves open. `known`: all take the table's."""


class HazardOverride(Section):
    """The plan's own assumptions on a hazard, replacing those of the table."""

    hazard: Key
    rate_per_yr: Annotated[NonNegative, base.RATE] | None = None
    duration_yr: Annotated[Positive, base.DURATION] | None = None
    cut_share: Annotated[Share, base.CUT] | None = None
    price_multiplier: Annotated[Positive, base.DEARER] | None = None
    flood_yr: Annotated[NonNegative, base.FLOOD] | None = None
    flood_multiplier: Annotated[Positive, base.CHEAPER] | None = None
    third_country_cut_share: Annotated[Share, base.THIRD_CUT] | None = None
    element_share: Annotated[float, Field(gt=0, le=1), base.ELEMENTS] | None = None
    after_probability: Annotated[Share, base.AFTER] | None = None
    after_lag_yr: Annotated[NonNegative, base.LAG] | None = None


class HazardBelief(Section):
    """What a belief says of how often a hazard comes; fields that are unset are as in the plan."""

    hazard: Key
    rate_per_yr: Annotated[NonNegative, base.RATE] | None = None
    after_probability: Annotated[Share, base.AFTER] | None = None


class Belief(Section):
    """One belief of what may happen, by name."""

    name: Key
    hazards: tuple[HazardBelief, ...] = ()
    """What it says in place of the table and of the plan; none: as they are."""
    weight: Positive = 1.0
    """Weight beside other beliefs, for `cautious`; only ratios count."""
    source: str = ""
    """Who holds it, or where it is printed."""


class Ambiguity(Section):
    """Losses and beliefs of which nobody knows which is right, and the rule by which one plan is chosen for all of them."""

    rule: Literal["regret", "cautious", "one"] = "regret"
    """`regret`: the plan whose largest shortfall behind the best plan of any loss and belief is least, as a share of what that best
    plan is worth. `cautious`: for the plan's own loss, the least mean regret over beliefs and over their worst ones. `one`: only
    the plan's own loss and figures may be right."""
    losses: Selection = ("*",)
    """Loss functions that may be right; `*`: all of the tables that have every loss the plan needs."""
    beliefs: Annotated[tuple[Belief, ...], Field(max_length=3)] = ()
    """Beliefs that may be right, three at most; none: the tables' figures, and the ends of the range of the rate or chance that
    carries most of the loss."""
    scenarios: Annotated[int, Field(ge=1, le=10_000)] = 60
    """Scenarios in which plans are made, drawn in equal parts from every belief and reduced by no loss."""
    tail_weight: Annotated[Share, Column(low=0.01)] = 0.5
    """`cautious`: weight of the worst beliefs against the mean of all."""
    tail_level: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """`cautious`: share of the beliefs, by weight, that does not count as worst."""

    @field_validator("beliefs")
    @classmethod
    def _names_differ(cls, value: tuple[Belief, ...]) -> tuple[Belief, ...]:
        names = [belief.name for belief in value]
        if len({*names}) < len(names):
            raise ValueError(f"names that differ, not {', '.join(names)}")
        return value


class Control(Section):
    """A measure in force when the plan starts: it changes the baseline data until its end date and is not an event."""

    name: Key
    countries: Names
    materials: Names
    cut_share: Annotated[Share, Column(low=0.02)]
    """Share of supply from its countries that is lost."""
    cut_shares: Annotated[dict[Key, Share], Column(low=0.005)] = Field(default_factory=dict)
    """The same by material, for those that it cuts more or less."""
    feed_cut_share: Annotated[Share, Column(low=0.02)] = 0.0
    """Share lost by producers elsewhere whose declared feed comes from its countries, or which declare none (`feed_origins`)."""
    price_multiplier: Annotated[Positive, base.DEARER] = 1.0
    until_year: DecimalYear
    in_force: bool = True
    """False: it is not in force, as where a suspension was extended; `controls` solves both cases."""
    probability: Annotated[Share, Column(low=0.005)] | None = None
    """Probability that it is in force, where that is not known; unset: it is known."""
    hazard: Key | None = None
    """The hazard of which it is an event: while in force at the start, it may bring on others as such an event does (`after`)."""
    outside_prices: bool = False
    """True: while it is in force, whoever produces its materials outside its countries sells them at the latest price quoted there
    (`price_gaps`), where that is higher; false: one market."""


class Risk(Section):
    """Risk aversion: weights and limits on losses. Loss is the discounted cost of shortfall and substitution."""

    alpha: Annotated[
        float,
        Field(ge=0, lt=1),
        Column("Share of scenarios that do not count as the worst (0.9: the worst 10 % count)", 0.5),
    ] = 0.9
    """Level of the CVaR: the mean of the worst 1 - alpha of outcomes."""
    cvar_weight: Annotated[NonNegative, Column("Weight of the worst scenarios (0: expected cost only)", 0.001, 20)] = (
        0.0
    )
    """Weight of the CVaR in social cost (lambda)."""
    cvar_limit_musd: (
        Annotated[NonNegative, Column("Limit on the mean loss of the worst scenarios (million USD)")] | None
    ) = None
    expected_loss_limit_musd: NonNegative | None = None
    embedded: bool = False
    """True: losses of materials inside imported goods (column `embedded`) count too, though no plan can spare them."""


class Owners(Section):
    """What owners of projects expect, and what they ask for bearing price risk: it decides how large a financing gap is and what
    a price floor does to it."""

    expectation: Literal["trunk", "scenarios"] = "trunk"
    """How an owner values a project. `trunk`: on the baseline course, at the hurdle rate of its row. `scenarios`: in expectation
    over a fixed pricing sample of scenarios, closures included, at the hurdle rate that gives the same value without support."""
    unsure: Literal["by_chance", "by_sign"] = "by_chance"
    """What becomes of a project whose range of cost lets its owner build it without support or not. `by_chance`: the likely part of
    it is there in any case, and support adds the rest; `by_sign`: it is built where it pays at its central cost."""
    price_risk_premium: Annotated[float, Field(ge=0, le=0.5), Column(low=0.001, high=0.12)] = 0.0
    """Part of the hurdle rate that pays for price risk: a package that takes away all of the downside lowers the rate by this much
    [1/year]. An estimate; no published figure is shipped."""
    sample: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Number of scenarios in the pricing sample. It is drawn from the same hazards as the plan's own sample and does not depend on
    the seed and size of that; a plan without a sample is priced on its listed scenarios."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the pricing sample."""
    risk_charge: Annotated[NonNegative, Column(low=0.005, high=5)] = 0.0
    """What the government is charged for bearing risk that a package moves to it: cost for each USD of downside transferred."""


class Loss(Section):
    """How shortage is valued, beyond the loss function."""

    spikes: bool = False
    """True: a cut that lasts for part of a period falls on that part of demand alone, so that a short deep cut also reaches the
    dearer tiers; false: it is spread over the period."""


class Objective(Section):
    """The objective to minimise."""

    kind: Annotated[Literal["social_cost", "risk_within_budget", "least_budget"], Column("Aim")] = "social_cost"
    cvar_share: Annotated[Share, Column(low=0.01)] = 0.5
    """`risk_within_budget`: weight m of the CVaR against the expected loss, (1-m)*expected + m*CVaR."""
    stage_slack: Annotated[NonNegative, Column(high=0.5)] | None = None
    """Slack of a stage in later stages, relative to its value (at least 1 million USD); unset: the gap of the solve."""


class ServiceLevel(Section):
    """Promise to supply a segment in design-basis scenarios."""

    material: Key
    segment: Key
    level: Annotated[Share, Column(low=0.05)]
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
    share: Annotated[Share, Column(low=0.02)]
    from_year: Year
    penalty_usd_per_kg: Positive | None = None
    """Penalty for each kg beyond the limit."""
    hard: bool = False
    """True: the limit must be kept (default: soft, at the penalty)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for kind, name in (("country_cap", "country"), ("least_share", "group")):
            given = getattr(self, name)
            if (self.kind == kind) != (given is not None):
                expected = f"{name} must be given for kind '{kind}', and only there"
                raise MisplacedError((name, "nothing" if given is None else f"'{given}'", expected))
        if self.hard == (self.penalty_usd_per_kg is not None):
            found = "both a penalty and hard = true" if self.hard else "neither a penalty nor hard = true"
            raise MisplacedError(("", found, "either penalty_usd_per_kg (soft) or hard = true"))
        return self


class DaysOfCover(Section):
    """Rule of thumb: hold at least the given number of days of net imports."""

    material: Key
    days: Annotated[NonNegative, Column(low=7, high=1500)]
    from_year: Year


Selection = Annotated[tuple[str, ...], Field(min_length=1)]


# Sections of a plan about living through it: events that have begun, rules of drawdown and refill.
class Ongoing(Event):
    """A disruption that has begun before the plan and of which nobody knows when it ends.

    Baseline course: it goes on. Every scenario draws its end, from the law of its hazard given how long it has lasted, or around
    `remaining_years`; the end is then what happens to its materials. What it cuts is what it cuts today: a profile is followed at
    the stated stretch, and its last cut holds."""

    name: Key
    """What the plan calls it."""
    remaining_years: Annotated[Positive, Column(low=0.02, high=15)] | None = None
    """Expected further years (exponential); unset: by the law of durations of its hazard, given its age."""

    ended_year: DecimalYear | None = None
    """Date within the first period at which it is known to have ended; unset: it goes on."""

    @model_validator(mode="after")
    def _has_duration(self) -> Ongoing:
        if self.hazard is None and self.remaining_years is None and self.ended_year is None:
            why = "as the event has no hazard whose law of durations would say how long it may last"
            raise ValueError(f"remaining_years, {why}")
        return self


RULES = ("service_levels", "days_of_cover", "diversification", "stock_rules")
"""Sections of a plan whose entries are rules about one material."""


class StockRule(Section):
    """When a law lets a stock be released, to whom, at what price, and when it has to be filled again."""

    material: Key
    from_lost_share: Annotated[Share, Column(low=0.005)] = 0.0
    """Released only where at least this share of its sources' usual supply does not arrive; 0: in any shortage."""
    segments: Selection = ("*",)
    """Segments that it may serve: no more is released than they want in the period."""
    resale_share: Annotated[Share, Column(low=0.05)] | None = None
    """Share of the market price that users pay for a released tonne; unset: that of the table of materials."""
    refill_within_years: Annotated[float, Field(gt=0, le=40), Column(low=0.25, high=15)] | None = None
    """Years after the last event on it by whose end the stock is back; unset: no duty."""
    refill_share: Annotated[Share, Column(low=0.05)] = 1.0
    """Share of the stock before the event to which it has to be back, what decays in between counted."""


class Release(Section):
    """How the reserve gives in an event and fills up after one, without knowing what follows.

    Each use gets what it needs as long as enough is left for dearer uses: `this_event` times what they would lack in the expected
    rest of the event, and `new_events_yr` years of what new events would take from them. The values are estimates (0 to 3, and 0
    to 4): with them plans live at 95 % or more of the best policy where that is known (`tests/policy`)."""

    this_event: Annotated[NonNegative, Column(low=0.0, high=5.0)] = 1.5
    new_events_yr: Annotated[NonNegative, Column(low=0.0, high=10.0)] = 2.0
    refill_share: Annotated[Share, Column(low=0.0)] = 1.0
    """Share of its target to which a stock is filled again after a first event."""
    sell_above: Annotated[float, Field(ge=1, le=100), Column(low=1.0, high=20.0)] | None = None
    """Multiple of what a tonne in store has cost, on average, from which on the reserve also gives while a shortage lasts what no
    dearer use needs; unset: no price is a reason. Only for a reserve of its own where the law of the home forbids it (`homes`)."""
    sell_share: Annotated[Share, Column(low=0.0)] = 0.5
    """Share of what would be left then that it gives in a period."""


# The section of a plan that is made for several homes.
class Member(Section):
    """A home that plans with others."""

    home: Iso3
    """A home with tables of its own (`homes/`)."""
    money_share: Annotated[Share, Column(low=0.01)]
    """Its part of every amount of the plan's budget: what it has when it plans alone."""
    loss_function: Key | None = None
    """Named loss function of its tables; unset: that of the plan."""


class Together(Section):
    """Homes that plan together. Materials, projects and rules of the plan are called as in the tables of each home and hold for
    every member that has them; `JPN.gallium` is Japan's alone."""

    members: Annotated[tuple[Member, ...], Field(min_length=1)]
    joint_stock: Literal["by_need", "by_share", "none"] = "by_need"
    """`by_need`: in a disruption the stock goes to whom a tonne spares most. `by_share`: it is bought together and divided before;
    in a disruption each draws on its share. `none`: each keeps what it buys."""
    freight_usd_per_kg: NonNegative = 0.2
    """Cost of moving a kg of stock from one member to another; an estimate (0.05 to 1): containers by sea to freight by air."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        homes = [member.home for member in self.members]
        for n, home in enumerate(homes):
            if home in homes[:n]:
                raise MisplacedError((f"members.{n}.home", f"'{home}'", "each home once"))
        total = sum(member.money_share for member in self.members)
        if abs(total - 1) > 1e-6:
            raise MisplacedError(("members", f"shares of money that add up to {total:g}", "shares that add up to 1"))
        return self


class Plan(Section):
    """A planning question."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT, exclude=True)] = FORMAT
    """Format of the file; without it, the only one that there is."""
    name: Key
    title: str = ""
    description: str = ""
    home: Iso3 = USA
    """Whose demand, stock and money are planned: a country, or a union of the table `homes` (`EUU`)."""
    price_year: Year
    """Year of the price level in which all money is stated."""
    price_set: Annotated[Key, Column("Price set")]
    """Price set of the table `prices`."""
    loss_function: Annotated[Key, Column("Loss function: economic loss per missing tonne")]
    """Named loss function. It influences the answer more than any other input, so there is no default."""
    loss_level: Annotated[Literal["low", "central", "high"], Column("Loss estimate to use")] = "central"
    loss: Loss = Loss()
    users_convenience_share: Annotated[float, Field(gt=0, le=1), Column(low=0.002, high=0.3)] = 0.02
    """What users' own stocks are worth to them beyond interest, per year as a share of their value; an estimate. Only with rows in
    the table `users_stock`."""
    discount_rate: Annotated[float, Field(ge=0, le=0.5), Column("Discount rate per year", 0.002, 0.2, "share")]
    """Real social discount rate per year."""
    residual: Annotated[Share, Column(low=0.02, unit="share")] = 1.0
    """Value of a project's remaining life at the end of the horizon, as a share of what was paid for it."""
    price_channel: Annotated[bool, Column("Count what the plan does to the prices that home users pay abroad")] = False
    """True: own buying makes home users pay more abroad, release and supported output make them pay less, by the elasticities of
    `price_responses`; premiums of offers, which stand for the same, are then left out. False: the plan moves no price."""
    unpublished_feed: Literal["imports", "hazard"] = "imports"
    """What is cut of producers elsewhere of whose feed nothing is published: `imports`, what is cut of their country's published
    imports (rows of `feed_origins`), and at least what the hazard says; `hazard`: that alone. Measures in force at the start state
    theirs (`feed_cut_share`)."""
    tight_cut_share: Annotated[Share, Column(low=0.001, high=0.5)] = 0.0
    """Share of a source that must be cut before its material counts as tight (in short supply); 0: any cut."""
    ore_runs_out: bool = False
    """True: an existing mine gives nothing once its country's published reserves (`reserves`), mined at today's rate
    (`production`), are used up. Smelters and refineries buy ore elsewhere; exploration adds reserves: this is the careful case."""
    existing: Annotated[bool, Column("The reserve is the one that has stock and orders already")] = True
    """True: what the home's reserve holds and has ordered is this one's, and so is what its government has guaranteed. False, for a
    reserve of its own: it begins with what its own earlier years left, and its government's guarantees are not its to pay; they
    keep their producers open all the same."""
    policy: Literal["targets", "foresight", "knowing"] = "targets"
    """`targets`: in every scenario the reserve holds no more than the baseline course has by then, so the answer is a target for
    every future that needs no foresight. `foresight`: from its first event on a scenario is planned as if all that follows were
    known; for research. `knowing`: the same, and what is bought and sold then is limited by offers, money and stores alone; its
    worth bounds that of every policy which signs on the same dates."""
    release: Release = Release()
    materials: Selection = ("*",)
    """Materials of the plan; `*`: all with demand, and all that their producers use and make."""
    horizon: Horizon
    budget: Budget
    instruments: Instruments = Instruments()
    procurement: Procurement = Procurement()
    risk: Risk = Risk()
    objective: Objective = Objective()
    owners: Owners = Owners()
    controls: tuple[Control, ...] = ()
    ongoing: tuple[Ongoing, ...] = ()
    hazards: tuple[HazardOverride, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    sample: Sample | None = None
    ambiguity: Ambiguity = Ambiguity()
    service_levels: tuple[ServiceLevel, ...] = ()
    diversification: tuple[Diversification, ...] = ()
    days_of_cover: tuple[DaysOfCover, ...] = ()
    stock_rules: tuple[StockRule, ...] = ()
    together: Together | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        places = [*self._contradictions(), *self._misnamed()]
        if places:
            raise MisplacedError(*places)
        return self

    def uses_hazard(self, name: str) -> bool:
        """Whether a scenario has an event of a hazard, or events of it are drawn."""
        drawn = () if self.sample is None else self.sample.hazards
        named = [event.hazard for scenario in self.scenarios for event in scenario.events]
        named += [event.hazard for event in self.ongoing]
        return name in drawn or "*" in drawn or name in named

    def _contradictions(self) -> Iterator[tuple[str, str, str]]:
        """(place, found, expected) of fields that do not fit together."""
        kind, sample = self.objective.kind, self.sample
        if self.budget.branch_money == "appropriated" and kind != "social_cost":
            why = "an objective that counts the plan's spending would shift all purchases to disruptions, where they cost nothing"
            yield "budget.branch_money", "'appropriated'", f"'planned' with objective.kind = '{kind}': {why}"
        if sample is not None and sample.draws is not None and sample.draws < sample.scenarios:
            yield "sample.draws", str(sample.draws), f"at least sample.scenarios ({sample.scenarios})"
        total = sum(scenario.probability for scenario in self.scenarios)
        if total > 1 + 1e-9:
            yield "scenarios", f"probabilities that sum to {total:g}", "a sum of at most 1"
        elif sample is not None and sample.quiet_probability != QUIET and sample.quiet_probability + total > 1 + 1e-9:
            quiet, both = f"{sample.quiet_probability:g}", f"{sample.quiet_probability + total:g}"
            why = f"quiet_probability {quiet} and the listed {total:g} add up to {both}, and the sample gets the rest of 1"
            yield "sample.quiet_probability", quiet, f"at most {1 - total:g}: {why}"
        yield from self._doubly_overridden()
        yield from self._not_begun()
        years = range(self.horizon.first_year, self.horizon.first_year + self.horizon.years)
        for name in ("signing_years", "contract_years"):
            outside = sorted({*(getattr(self.instruments, name) or ())} - {*years})
            if outside:
                yield f"instruments.{name}", str(outside), f"years of the horizon, {years[0]}-{years[-1]}"

    def _not_begun(self) -> Iterator[tuple[str, str, str]]:
        """Events in force that begin after the plan does, or have one name."""
        names = [event.name for event in self.ongoing]
        end = self.horizon.first_year + self.horizon.period_months / MONTHS_PER_YEAR
        for n, event in enumerate(self.ongoing):
            if event.start_year >= end:
                expected = f"a date before the end of the first period ({end:g}); later events are scenarios"
                yield f"ongoing.{n}.start_year", f"{event.start_year:g}", expected
            if event.ended_year is not None and not event.start_year <= event.ended_year <= end:
                expected = f"a date from its start to the end of the first period ({end:g})"
                yield f"ongoing.{n}.ended_year", f"{event.ended_year:g}", expected
            if event.name in names[:n]:
                yield f"ongoing.{n}.name", f"'{event.name}'", "a unique name"

    def _doubly_overridden(self) -> Iterator[tuple[str, str, str]]:
        """Fields of one hazard that two overrides state differently."""
        stated: dict[tuple[str, str], tuple[int, Any]] = {}
        for n, override in enumerate(self.hazards):
            for name, value in override.model_dump(exclude={"hazard"}, exclude_none=True).items():
                first, known = stated.setdefault((override.hazard, name), (n, value))
                if known != value:
                    expected = f"one value of {override.hazard}: hazards.{first} says {known:g}"
                    yield f"hazards.{n}.{name}", f"{value:g}", expected

    def _misnamed(self) -> Iterator[tuple[str, str, str]]:
        """(place, found, expected) of names that occur twice, or that no scenario has."""
        names = [scenario.name for scenario in self.scenarios]
        for n, name in enumerate(names):
            at = f"scenarios.{n}.name", f"'{name}'"
            if name in names[:n]:
                yield *at, "a unique name"
            if name == BASELINE_COURSE:
                yield *at, "another name: this is the name of the baseline course (before any disruption)"
            if self.sample is not None and name.startswith("sample-"):
                yield *at, "another name: sampled scenarios are called sample-1, sample-2, ..."
        controls = [control.name for control in self.controls]
        for n, name in enumerate(controls):
            if name in controls[:n]:
                yield f"controls.{n}.name", f"'{name}'", "a unique name"
        for n, level in enumerate(self.service_levels):
            for name in level.scenarios:
                place = f"service_levels.{n}.scenarios"
                if name not in names:
                    yield place, f"'{name}'", f"a listed scenario{near_miss(name, names)}"
                elif not self.scenarios[names.index(name)].design_basis:
                    yield place, f"'{name}'", "a scenario with design_basis = true"

    def __repr__(self) -> str:
        """Name, home, materials and years, in one line."""
        last, scenarios = self.horizon.first_year + self.horizon.years - 1, len(self.scenarios)
        drawn = 0 if self.sample is None else self.sample.scenarios
        years = f"FY{self.horizon.first_year} to FY{last}"
        text = f"{self.home}, {len(self.materials)} materials, {years}, {scenarios} listed and {drawn} drawn scenarios"
        return f"<Plan {self.name!r}: {text}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """The fields, as notebooks show them."""
        fields = html.escape(json.dumps(self.to_toml_like(), indent=1))
        return f"<details><summary>{html.escape(repr(self))}</summary><pre>{fields}</pre></details>"

    def to_toml_like(self) -> dict[str, Any]:
        """The plan as plain JSON-ready data; `Plan.model_validate` takes it back."""
        return self.model_dump(mode="json", exclude_none=True)


NO_CHANCE = 1e-9
"""Probability that counts as zero."""


def no_room_for_draws(plan: Plan) -> str:
    """Why a plan cannot be tried in new scenarios; empty if it can."""
    taken = sum(scenario.probability for scenario in plan.scenarios)
    if taken >= 1 - NO_CHANCE:
        return f"the listed scenarios have probability {taken:g}: it must be less than 1 to leave some for random scenarios"
    return ""
