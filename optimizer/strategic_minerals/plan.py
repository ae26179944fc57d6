"""The question: a plan file (TOML) and its schema.

A plan says which materials, which years, which instruments, which money, which disruptions and which
aim. It holds no facts: those are tables (`dataset.py`). Years are fiscal years and may be decimal where a date
within the year is meant (2028.5 is the middle of FY2028).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import Fault, PlanError, near_miss
from .row_types import Iso3, Key, NonNegative, Positive, Share, Year
from .units import LARGEST_NUMBER

LARGEST_PLAN_BYTES = 5_000_000
DEEPEST_NESTING = 40

DecimalYear = Annotated[float, Field(ge=1900, le=2200)]
Selection = Annotated[tuple[str, ...], Field(min_length=1)]


class Section(BaseModel):
    """Base of all parts of a plan: closed, frozen, no NaN, described by their docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Horizon(Section):
    """Which years are planned, and in which steps."""

    first_year: Year
    """First fiscal year."""
    years: Annotated[int, Field(ge=1, le=60)]
    """Fiscal years that are planned and shown."""
    tail_years: Annotated[int, Field(ge=0, le=40)] | None = None
    """Further years that are computed and not shown, so that the end does not distort the plan; unset: three
    years or the longest event of the listed scenarios and the selected hazards, whichever is longer."""
    period_months: Literal[1, 3, 6, 12] = 12
    """Length of a period."""


class FloorMenu(Section):
    """Floor levels that the plan may guarantee on one material, beside having none."""

    material: Key
    kind: Literal["contract", "border", "purchase"] = "contract"
    """Who pays. `contract`: a contract for difference, paid by the budget. `border`: a reference price with a tariff,
    paid by users (market-wide only). `purchase`: a contract for difference on tonnes that the reserve may buy."""
    scope: Literal["project", "market"] = "project"
    """`project`: part of a project's package. `market`: one floor for all eligible producers."""
    levels_usd_per_kg: Annotated[tuple[Positive, ...], Field(min_length=1)]
    term_years: Positive
    """Project floors: from first output. Market floors: from the first period."""
    upside_share: Share = 0.0
    """Share of the price above the floor that goes back to the treasury."""
    take_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Purchase floors: share of the project's output of the material that is covered."""
    eligible: Literal["home", "allied"] = "allied"
    """Market floors: whose existing output is topped up (`allied`: home, allies and partners)."""
    embedded_content: bool = False
    """Border floors: charge the material contained in imports of its products as well."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "border" and self.scope != "market":
            raise ValueError("a border floor is market-wide: scope must be 'market'")
        if self.kind == "purchase" and self.scope != "project":
            raise ValueError("a purchase floor belongs to a project: scope must be 'project'")
        if len(set(self.levels_usd_per_kg)) < len(self.levels_usd_per_kg):
            raise ValueError("the levels of a menu must differ")
        if self.kind == "border" and self.upside_share > 0:
            raise ValueError("a border floor has no upside share: nobody receives a top-up")
        return self


class Instruments(Section):
    """What the authority may do."""

    reserve: bool = True
    """Buy and hold material."""
    offtake_contracts: bool = True
    """Sign options on the output of existing allied sources."""
    projects: bool = True
    """Support projects with packages."""
    packages: Selection = ("*",)
    """Packages of the table `packages` that may be used; `*`: all."""
    project_list: Selection = ("*",)
    """Projects that may be supported; `*`: all whose materials are planned."""
    signing_years: tuple[Year, ...] | None = None
    """Fiscal years in which packages may be signed; unset: every planned year."""
    contract_years: tuple[Year, ...] | None = None
    """Fiscal years in which offtake contracts may start; unset: every planned year."""
    partial_support: bool = False
    """True: a package may be signed for a share of a project."""
    price_floors: tuple[FloorMenu, ...] = ()
    trunk_release: bool = False
    """True: the reserve may release while nothing has happened."""


class Budget(Section):
    """Money, real, of the plan's price year."""

    appropriation_musd: NonNegative | dict[Year, NonNegative]
    """Appropriation per fiscal year: one figure, or a figure by year; years after the last named hold its value,
    years before the first named have none."""
    carry_over_share: Share = 0.0
    """Share of a year's appropriation that may be carried into the next."""
    total_musd: NonNegative | None = None
    """Limit on all outlays of the planned years together."""
    liability_cap_musd: NonNegative | dict[Year, NonNegative] | None = None
    """Most that all floors together may cost in a year at the liability quantile."""
    liability_quantile: Annotated[float, Field(gt=0.5, le=1)] = 0.95
    """Payments stay under the cap with at least this probability."""
    emergency_musd: NonNegative | dict[Year, NonNegative] = 0.0
    """Extra money for purchases in a disruption, per year and world."""
    revolving: bool = False
    """True: proceeds of sales may be spent again."""


class Event(Section):
    """A hazard striking at a date; fields left out are taken from the hazard's row."""

    hazard: Key | None = None
    """A row of the table `hazards`; unset: the event states everything itself."""
    start_year: DecimalYear
    duration_years: Positive | None = None
    """Length of the cut, the flood before it not counted."""
    countries: str | None = None
    """ISO3 codes separated by spaces; `*`: all but home."""
    materials: str | None = None
    cut_share: Share | None = None
    price_multiplier: Positive | None = None
    flood_years: NonNegative | None = None
    flood_multiplier: Positive | None = None
    third_country_cut_share: Share | None = None
    demand_multipliers: dict[str, NonNegative] | None = None
    tight: bool | None = None
    """Overrides whether the touched materials count as tight while the cut lasts."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.hazard is None:
            named = {
                "duration_years": self.duration_years, "countries": self.countries,
                "materials": self.materials, "cut_share": self.cut_share,
            }  # fmt: skip
            missing = [name for name, value in named.items() if value is None]
            if missing:
                raise ValueError(f"an event without a hazard needs {', '.join(missing)}")
        return self


class Scenario(Section):
    """A world written by hand."""

    name: Key
    probability: Share
    design_basis: bool = False
    """True: service levels may name it; it stays apart from the sample."""
    events: Annotated[tuple[Event, ...], Field(min_length=1)]


class Sample(Section):
    """Worlds drawn from the table of hazards; they share the probability that the listed scenarios leave."""

    worlds: Annotated[int, Field(ge=1, le=100_000)]
    seed: Annotated[int, Field(ge=0)]
    hazards: Selection = ("*",)
    quiet_probability: Share = 0.02
    """Probability kept for the world in which nothing happens: the trunk is a plan only as far as it may be reached."""
    events_per_hazard: Annotated[int, Field(ge=1, le=5)] = 1
    """Most strikes of one hazard in one world."""


class Control(Section):
    """A measure in force when the plan starts: trunk data until its dated end, not an event."""

    name: Key
    countries: str
    materials: str
    cut_share: Share
    price_multiplier: Positive = 1.0
    until_year: DecimalYear


class Risk(Section):
    """How much the tail counts, beside the expectation. The measured loss is discounted shortfall and substitution."""

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Level of the CVaR: the mean of the worst 1 - alpha of outcomes."""
    cvar_weight: NonNegative = 0.0
    """Weight of the CVaR in social cost (lambda)."""
    cvar_limit_musd: NonNegative | None = None
    expected_loss_limit_musd: NonNegative | None = None


class Objective(Section):
    """What is minimised."""

    kind: Literal["social_cost", "risk_within_budget", "least_budget"] = "social_cost"
    cvar_share: Share = 0.5
    """`risk_within_budget`: weight m of the CVaR against the expected loss, (1-m)*expected + m*CVaR."""
    stage_slack: NonNegative | None = None
    """Slack that a stage passes on, relative to its value (at least 1 million USD); unset: the gap of the solve."""


class ServiceLevel(Section):
    """Promise that a segment is served in design-basis scenarios."""

    material: Key
    segment: Key
    level: Share
    """Share of demand that is met from the onset to the end of the event."""
    scenarios: Selection
    per: Literal["episode", "fiscal_year"] = "episode"
    penalty_usd_per_kg: Positive | None = None
    """Cost of each kg short of the promise; unset: the promise is hard."""


class Diversification(Section):
    """Limit on one country's share of supply, or a least share of a group, on the trunk."""

    material: Key
    kind: Literal["country_cap", "least_share"]
    country: Iso3 | None = None
    """`country_cap`: the country."""
    group: Literal["home", "allied"] | None = None
    """`least_share`: home alone, or home with allies and partners."""
    share: Share
    from_year: Year
    penalty_usd_per_kg: Positive | None = None
    """Cost of each kg beyond the rule."""
    hard: bool = False
    """True: no exceeding at any cost (default: soft at the penalty)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.kind == "country_cap") != (self.country is not None):
            raise ValueError("country belongs to kind 'country_cap', and is needed there")
        if (self.kind == "least_share") != (self.group is not None):
            raise ValueError("group belongs to kind 'least_share', and is needed there")
        if self.hard == (self.penalty_usd_per_kg is not None):
            raise ValueError("give penalty_usd_per_kg (soft) or hard = true, one of the two")
        return self


class DaysOfCover(Section):
    """Rule of thumb: hold at least so many days of net imports."""

    material: Key
    days: NonNegative
    from_year: Year


class Plan(Section):
    """A planning question."""

    name: Key
    title: str = ""
    description: str = ""
    home: Iso3 = "USA"
    price_year: Year
    """Year of the money in which everything is stated."""
    price_set: Key
    """Set of the table `prices`."""
    loss_function: Key
    """Named loss function: moves the answer more than any other input, so there is no default."""
    loss_level: Literal["low", "central", "high"] = "central"
    discount_rate: Annotated[float, Field(ge=0, le=0.5)]
    """Real social discount rate per year."""
    residual: Share = 1.0
    """Worth at the end of the horizon of a project's unexpired life, as a share of what was paid for it."""
    price_gain: bool = True
    """False: disrupted operations are valued at undisturbed prices, so that no stock is held as a bet on prices."""
    materials: Selection = ("*",)
    """Materials planned; `*`: all with demand, and all that their producers use and make."""
    horizon: Horizon
    budget: Budget
    instruments: Instruments = Instruments()
    risk: Risk = Risk()
    objective: Objective = Objective()
    controls: tuple[Control, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    sample: Sample | None = None
    service_levels: tuple[ServiceLevel, ...] = ()
    diversification: tuple[Diversification, ...] = ()
    days_of_cover: tuple[DaysOfCover, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [scenario.name for scenario in self.scenarios]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"scenario names must differ: {', '.join(doubled)}")
        total = sum(scenario.probability for scenario in self.scenarios)
        if total > 1 + 1e-9:
            raise ValueError(f"probabilities of the listed scenarios add to {total:g}; at most 1")
        for level in self.service_levels:
            for name in level.scenarios:
                if name not in names:
                    raise ValueError(f"service level names scenario '{name}', not listed{near_miss(name, names)}")
                if not self.scenarios[names.index(name)].design_basis:
                    raise ValueError(f"service level names scenario '{name}', which lacks design_basis = true")
        years = range(self.horizon.first_year, self.horizon.first_year + self.horizon.years)
        for what, signing in (
            ("signing", self.instruments.signing_years),
            ("contract", self.instruments.contract_years),
        ):
            outside = sorted(set(signing or ()) - set(years))
            if outside:
                raise ValueError(f"{what}_years outside the horizon {years[0]}-{years[-1]}: {outside}")
        return self

    def to_toml_like(self) -> dict[str, Any]:
        """The plan as plain JSON-ready data; `Plan.model_validate` takes it back."""
        return self.model_dump(mode="json", exclude_none=True)


def load_plan(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Plan:
    """Read and validate a plan file.

    `overrides` maps dotted paths to values, e.g. `{"budget.total_musd": 500}` or `{"scenarios.0.probability": 0.1}`.
    Raises PlanError with every fault: file, line, field, value found, value expected.
    """
    path = Path(path)
    text = _read(path)
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PlanError([Fault(path.name, "", "", str(error) or "nesting too deep", "a TOML document")]) from None
    for dotted, value in (overrides or {}).items():
        _set(data, dotted, value, path.name)
    return parse_plan(data, file=path.name, text=text)


def parse_plan(data: Mapping[str, Any], *, file: str = "plan", text: str = "") -> Plan:
    """Validate plain data as a plan; `file` and `text` only locate the faults. Raises PlanError."""
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        lines = dict(_lines(text))
        raise PlanError([_fault(item, file, lines) for item in error.errors()]) from None


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > LARGEST_PLAN_BYTES:
            expected = f"a plan of at most {LARGEST_PLAN_BYTES} bytes"
            raise PlanError([Fault(path.name, "", "", f"{size} bytes", expected)])
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError([Fault(str(path), "", "", error.strerror or "unreadable", "a plan file")]) from None
    except UnicodeDecodeError:
        raise PlanError([Fault(path.name, "", "", "bytes that are not UTF-8", "UTF-8 text")]) from None
    depth = deepest = 0
    for character in text:  # tomllib recurses: refuse a bracket bomb before it is parsed
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST_NESTING:
        raise PlanError([Fault(path.name, "", "", f"{deepest} nested brackets", f"at most {DEEPEST_NESTING}")])
    return text


def _set(data: Any, dotted: str, value: Any, file: str) -> None:
    """Put `value` at a dotted path of nested tables and arrays."""
    *parents, last = dotted.split(".")
    node = data
    try:
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[int(last) if isinstance(node, list) else last] = value
    except (ValueError, IndexError, AttributeError, TypeError):
        raise PlanError(
            [Fault(file, "", dotted, "no such place", "a field of the plan, e.g. budget.total_musd")]
        ) from None


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """(dotted path, line number) of the keys of a TOML text that stand at the start of a line."""
    prefix = ""
    seen: dict[str, int] = {}
    current: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("[[") and "]]" in line:
            name = line[2 : line.index("]]")].strip()
            parent, _, leaf = name.rpartition(".")
            full = f"{current.get(parent, parent)}.{leaf}" if parent else leaf
            seen[full] = seen.get(full, -1) + 1
            prefix = f"{full}.{seen[full]}"
            current[name] = prefix
            yield prefix, number
        elif line.startswith("[") and "]" in line:
            prefix = line[1 : line.index("]")].strip()
            yield prefix, number
        elif "=" in line and not line.startswith("#"):
            key = line.split("=", 1)[0].strip().strip('"')
            yield (f"{prefix}.{key}" if prefix else key), number


def _fault(item: Any, file: str, lines: Mapping[str, int]) -> Fault:
    """One pydantic error as a fault with its line."""
    loc = [str(part) for part in item["loc"] if not str(part).startswith(("constrained-", "dict[", "function-"))]
    dotted = ".".join(loc)
    line = next((lines[".".join(loc[:n])] for n in range(len(loc), 0, -1) if ".".join(loc[:n]) in lines), None)
    expected = str(item["msg"]).removeprefix("Value error, ")
    found = repr(item["input"]) if item["type"] != "missing" else "nothing"
    if item["type"] == "extra_forbidden":
        found = f"'{loc[-1]}'"
        expected = "no such field" + near_miss(loc[-1], _fields_at(loc[:-1]))
    if len(found) > 120:
        found = found[:117] + "..."
    return Fault(file, "" if line is None else str(line), dotted, found, expected)


def _fields_at(path: list[str]) -> list[str]:
    """Field names of the section at a path, to suggest what a misspelt key may have meant."""
    schema: Any = Plan.model_json_schema()
    node: Any = schema
    for part in [*path, None]:
        while True:
            if "$ref" in node:
                node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
            elif "anyOf" in node:
                node = next((option for option in node["anyOf"] if "$ref" in option or "items" in option), {})
            elif part is not None and part.isdigit() and "items" in node:
                break
            else:
                break
        if part is None:
            return list(node.get("properties", {}))
        node = node.get("items", {}) if part.isdigit() else node.get("properties", {}).get(part, {})
    return []


__all__ = ["LARGEST_NUMBER", "Plan", "load_plan", "parse_plan"]
