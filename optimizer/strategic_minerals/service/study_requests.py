"""Requests for studies of a question, of a solved plan and of files: the options of each verb, named as its function names them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..core.errors import InputError
from ..core.shipped import shipped
from ..core.units import LEAST_TIME_LIMIT_S
from .api_schemas import Flag, JobId, Labelled, Number, Plain, Question, Tables, Text, Whole

MOST_SCENARIOS = 100_000
MOST_EVENTS = 10_000
"""Rows of what was done, and of what happened."""

Gap = Annotated[Number, Field(ge=0, lt=1, description="Relative optimality gap of every solve (0.001: 0.1 %).")]
Limit = Annotated[
    Number, Field(ge=LEAST_TIME_LIMIT_S, le=1e6, description="Time limit of every solve, in wall-clock seconds.")
]
Confidence = Annotated[Number, Field(gt=0, lt=1, description="Confidence of the intervals (0.95: 95 %).")]
Seed = Annotated[Whole, Field(ge=0, lt=2**31, description="Random seed.")]
Method = Literal["auto", "flat", "decomposed"]


def episodes() -> list[str]:
    """Names of the past episodes that come with the package."""
    return sorted(path.parent.name for path in shipped("models").glob("*/backtest.toml"))


def _a_promise(text: str) -> str:
    """Raises ValueError for what is no promise."""
    *names, level = text.split(":")
    try:
        sound = len(names) == 2 and all(names) and 0 <= float(level) <= 1
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("material:segment:level, with a level from 0 to 1, e.g. gallium:civil:0.8")
    return text


def _told_by_rows(text: str) -> str:
    """Raises ValueError for what neither rows of a study nor a stress test can tell."""
    from ..analysis.discovery_words import WRITTEN, Threshold

    if text.count(":") == 2:
        return _a_promise(text)
    try:
        Threshold.parse(text)
    except InputError:
        raise ValueError(WRITTEN) from None
    return text


class OfRun(Labelled):
    """What builds on a solved plan."""

    of: JobId = Field(description="Identifier of a job that made a plan: `solve`, `decide` or `roll`.")


class DiscoverRequest(Labelled):
    """Find which ranges of which inputs make a plan fail a promise, from the rows of a sweep or a stress test."""

    kind: Literal["discover"]
    of: JobId = Field(description="Identifier of a job of kind `sweep` or `stress`.")
    promise: Annotated[Text, Field(max_length=300), AfterValidator(_told_by_rows)] = Field(
        description="A column, a sign and a number, in the column's unit; of a stress test also material:segment:level.",
        examples=["loss_musd <= 500"],
    )
    inputs: list[Annotated[Text, Field(max_length=300)]] | None = Field(
        None, min_length=1, max_length=1000, description="Inputs that may explain failures; null: all of the study."
    )
    held_out: Number = Field(0.3, ge=0, lt=0.9, description="Share of the rows that the search does not see.")
    seed: Seed = 0
    boxes: Whole = Field(3, ge=1, le=10, description="Most boxes looked for.")
    coverage: Number | None = Field(
        None, gt=0, le=1, description="Share of the failures that a box covers at least; null: best harmonic mean."
    )
    unsolved_fail: Flag = Field(False, description="Whether points without an answer count as failures.")


class DecideRequest(Labelled, Question):
    """Solve a plan that draws scenarios, test it in other samples, and say what to do first."""

    kind: Literal["decide"]
    candidates: Whole = Field(2, ge=1, le=20, description="Number of plans made, each from a sample of its own.")
    samples: Whole = Field(10, ge=2, le=100, description="Independent samples that test the plans.")
    scenarios: Whole = Field(200, ge=1, le=MOST_SCENARIOS, description="Scenarios of each sample.")
    preference: Literal["least_regret", "less_money_now", "fewer_projects", "less_from_one_country"] = Field(
        "least_regret", description="What decides between plans that samples cannot tell apart."
    )
    method: Method = "auto"
    gap: Gap = 1e-3
    time_limit_s: Limit = 3600.0
    confidence: Confidence = 0.95


class FrontierRequest(Labelled, Question):
    """Trace cost and risk over budgets, and find the budgets at which the portfolio changes."""

    kind: Literal["frontier"]
    factors: list[Annotated[Number, Field(ge=0, le=1000)]] = Field(
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0],
        min_length=1,
        max_length=200,
        description="Budgets as multiples of the plan's own.",
    )
    tolerance: Number = Field(
        0.01, gt=0, le=1, description="Width, as a share of the plan's own budget, to which a switch is narrowed."
    )
    gap: Gap = 1e-3
    relax: Flag = Field(False, description="Solve linear relaxations.")
    method: Method = "auto"
    time_limit_s: Limit = 3600.0
    fresh_scenarios: Whole = Field(
        0, ge=0, le=MOST_SCENARIOS, description="New scenarios in which the plans of the budgets are compared."
    )
    most_solves: Whole = Field(200, ge=1, le=2000, description="Most solves in all.")


class WorthRequest(Labelled, Question):
    """Compare the plan with rules of thumb, with perfect information and with a plan for the average scenario."""

    kind: Literal["worth"]
    fresh: Whole = Field(1000, ge=0, le=MOST_SCENARIOS, description="New scenarios to compare in; 0: none.")
    seed: Seed = 1
    confidence: Confidence = 0.95
    gap: Gap = 1e-3
    time_limit_s: Limit = 3600.0


class DiagnoseRequest(Labelled, Question):
    """Find out why no plan meets all requirements, and which changes restore one."""

    kind: Literal["diagnose"]
    relax: Flag = Field(False, description="Diagnose the linear relaxation.")
    time_limit_s: Limit = 600.0


class OriginsRequest(Labelled, Question):
    """Show what rules of origin cost: no rule, law, practice of suppliers, policy, the plan's own rules."""

    kind: Literal["origins"]
    gap: Gap = 1e-3
    time_limit_s: Limit = 3600.0


class ControlsRequest(Labelled, Question):
    """Plan for each case of the controls that may or may not be in force."""

    kind: Literal["controls"]
    gap: Gap = 1e-3
    time_limit_s: Limit = 3600.0


class TogetherRequest(Labelled, Question):
    """Plan for each home of a plan of several against the others, and for every coalition."""

    kind: Literal["together"]
    gap: Gap = 1e-2
    time_limit_s: Limit = 3600.0


class RequirementsRequest(Labelled, Question):
    """Show what would be missing if nothing were held, beside the shortfalls of published reports."""

    kind: Literal["requirements"]
    gap: Gap = 1e-3


class DealsRequest(Labelled, Question):
    """Replay signed support agreements on the facts of their day."""

    kind: Literal["deals"]
    beliefs: Flag = Field(
        True, description="Also find the hazards, prices and premiums at which a floor starts to pay."
    )


class LossesRequest(Labelled, Question):
    """Test the loss functions on observed shortages."""

    kind: Literal["losses"]
    functions: list[Annotated[Text, Field(max_length=100)]] | None = Field(
        None, min_length=1, max_length=200, description="Names of loss functions; null: all of the tables."
    )


class ScenariosRequest(Labelled, Question):
    """Show what can happen before any solve: how often, how long and how severely supply is disrupted."""

    kind: Literal["scenarios"]
    scenarios: Whole = Field(2000, ge=1, le=MOST_SCENARIOS, description="Number of scenarios sampled.")
    seed: Seed | None = Field(None, description="Random seed of the sample; null: the plan's own.")
    replay: Flag = Field(False, description="Also compare the hazards with observed disruptions.")


class MissingRequest(Labelled, Question):
    """List what the data lack: materials without data, empty fields, estimates ranked by their effect."""

    kind: Literal["missing"]
    estimates: Whole = Field(0, ge=0, le=1000, description="How many of the widest estimates are ranked by re-solves.")
    gap: Gap = 1e-3


class ReverseRequest(OfRun):
    """Find the shortest and the least severe disruption that breaks each promise of a plan."""

    kind: Literal["reverse"]
    promises: list[Annotated[Text, Field(max_length=300), AfterValidator(_a_promise)]] | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Promises as material:segment:level; null: the plan's service levels, or defence in full.",
        examples=[["gallium:civil:0.8"]],
    )
    names: list[Annotated[Text, Field(max_length=100)]] | None = Field(
        None, min_length=1, max_length=200, description="Codes of hazards; null: all in the plan's scenarios."
    )
    longest_yr: Number = Field(8.0, ge=0.1, le=60, description="Longest disruption tried, in years.")


class AlternativesRequest(OfRun):
    """Find plans nearly as good as the best: ranges of stocks, instruments and suppliers, and other portfolios."""

    kind: Literal["alternatives"]
    slack: Number | None = Field(
        None, ge=0, le=10, description="Share of the plan's worth that may be given up; null: the true gap, or 5 %."
    )
    count: Whole = Field(3, ge=0, le=100, description="Number of different portfolios sought.")
    time_limit_s: Annotated[Number, Field(ge=1, le=1e6, description="Time limit of each search, in seconds.")] = 60.0


class RulesRequest(OfRun):
    """Compare a plan with rules of thumb of ministries in the same new scenarios."""

    kind: Literal["rules"]
    samples: Whole = Field(10, ge=2, le=100, description="Independent samples of scenarios.")
    scenarios: Whole = Field(200, ge=1, le=MOST_SCENARIOS, description="Scenarios of each sample.")
    confidence: Confidence = 0.95
    time_limit_s: Limit = 3600.0


class VerifyRequest(OfRun):
    """Work out again what a run states, solve it once more, and list every difference."""

    kind: Literal["verify"]


class RollRequest(OfRun):
    """Plan again after a year: the state that it left, what happened, new facts, and what each of them changed."""

    kind: Literal["roll"]
    done: list[Plain] = Field(
        [],
        max_length=MOST_EVENTS,
        description="What was done otherwise than planned: rows with kind, item, detail, amount, unit.",
        examples=[[{"kind": "stock", "item": "gallium", "amount": 12.5}]],
    )
    happened: list[Plain] = Field(
        [],
        max_length=MOST_EVENTS,
        description="Events that began, were announced or lifted: rows with event, status, hazard, from_year and so on.",
        examples=[[{"event": "ban", "status": "in force", "hazard": "ga_ge_sb_ban", "from_year": 2027.5}]],
    )
    facts: Tables | None = Field(
        None, description="New tables, or some rows of them: rows of a known key are replaced; null: none."
    )
    years: Whole = Field(1, ge=1, le=40, description="Fiscal years that have passed.")
    horizon: Literal["fixed", "rolling"] = Field(
        "fixed", description="fixed: the end year stays; rolling: as many years as before."
    )
    learning: Flag = Field(True, description="Whether the years change the rates of hazards.")
    fresh_draws: Flag = Field(True, description="Draw scenarios anew; false: last year's as far as they still hold.")
    gap: Gap = 1e-3
    time_limit_s: Limit = 3600.0


class SimulateRequest(OfRun):
    """Live a plan through paths of years, planned again every year, beside it as it was made and rules of thumb."""

    kind: Literal["simulate"]
    paths: Whole = Field(50, ge=2, le=10_000, description="Number of paths of years.")
    seed: Seed = 1
    exact: Whole = Field(10, ge=0, le=10_000, description="Paths on which every year is planned in integers too.")
    rules: list[Annotated[Text, Field(max_length=200)]] = Field(
        ["60 days of cover", "equal money for each material"],
        max_length=20,
        description="Rules of thumb that are lived too, at the plan's money.",
    )
    learning: Flag = Field(True, description="Whether rates of hazards are uncertain and learned.")
    grid_months: Whole = Field(1, ge=1, le=12, description="Months between dates at which something may happen.")
    scenarios: Whole = Field(25, ge=1, le=10_000, description="Most scenarios of each plan.")
    confidence: Confidence = 0.95


class BacktestRequest(Labelled):
    """Play a past episode: plans made with what was known on each day, then scored against what happened."""

    kind: Literal["backtest"]
    shipped: Annotated[Text, Field(max_length=100)] | None = Field(
        None,
        description="Name of a shipped episode; null: its files come as the ZIP `files` of an upload.",
        json_schema_extra={"enum": [*episodes(), None]},
    )
    changes: Plain = Field(
        default_factory=dict,
        description="Settings of the episode stated otherwise, by field.",
        examples=[{"budgets_musd": [100]}],
    )
