"""Results of jobs, one model for each kind: what `GET /v1/jobs/{job_id}/result` answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from . import result_facts as about
from .api_schemas import Cell, Strict

RESULT_SCHEMA_VERSION = 1
ColumnKind = Literal["boolean", "integer", "number", "text"]
Row = dict[str, Cell]


class TableLink(Strict):
    """A table of a result."""

    rows: int
    csv: str = Field(description="Path of the table as CSV; with `?format=json` as records.")
    columns: dict[str, ColumnKind] = Field(description="Kind of the values in each column.")


class ResultBase(Strict):
    """An answer; tables named in `include` are contained completely, one record per row."""

    schema_version: Literal[1] = Field(description="Version of this schema.")
    id: str
    headline: str = Field(description="The answer in one sentence.")
    summary: str = Field(description="The answer in plain words.")
    tables: dict[str, TableLink]
    included: dict[str, list[Row]]


class SolveResult(ResultBase):
    """A solved plan."""

    kind: Literal["solve"]
    facts: about.PlanFacts


class DecideResult(ResultBase):
    """A plan that was tested in other samples."""

    kind: Literal["decide"]
    facts: about.PlanFacts


class SweepResult(ResultBase):
    """A plan solved for many values of its inputs."""

    kind: Literal["sweep"]
    facts: about.SweepFacts


class FrontierResult(ResultBase):
    """Cost and risk over budgets."""

    kind: Literal["frontier"]
    facts: about.FrontierFacts


class WorthResult(ResultBase):
    """The value of planning."""

    kind: Literal["worth"]
    facts: about.WorthFacts


class DiagnoseResult(ResultBase):
    """Why there is no plan."""

    kind: Literal["diagnose"]
    facts: about.DiagnoseFacts


class OriginsResult(ResultBase):
    """What rules of origin cost."""

    kind: Literal["origins"]
    facts: about.GapFacts


class ControlsResult(ResultBase):
    """A plan for each case of the controls."""

    kind: Literal["controls"]
    facts: about.ControlsFacts


class TogetherResult(ResultBase):
    """Homes that plan together."""

    kind: Literal["together"]
    facts: about.TogetherFacts


class RequirementsResult(ResultBase):
    """Computed and published shortfalls."""

    kind: Literal["requirements"]
    facts: about.RequirementsFacts


class DealsResult(ResultBase):
    """Signed agreements, replayed."""

    kind: Literal["deals"]
    facts: about.DealsFacts


class LossesResult(ResultBase):
    """Loss functions against observed shortages."""

    kind: Literal["losses"]
    facts: about.LossesFacts


class ScenariosResult(ResultBase):
    """What can happen."""

    kind: Literal["scenarios"]
    facts: about.ScenariosFacts


class MissingResult(ResultBase):
    """What the data lack."""

    kind: Literal["missing"]
    facts: about.MissingFacts


class StressResult(ResultBase):
    """A plan in new random scenarios."""

    kind: Literal["stress"]
    facts: about.StressFacts


class ReverseResult(ResultBase):
    """What breaks each promise."""

    kind: Literal["reverse"]
    facts: about.ReverseFacts


class ExplainResult(ResultBase):
    """Prices and reasons."""

    kind: Literal["explain"]
    facts: about.ExplainFacts


class AlternativesResult(ResultBase):
    """Plans nearly as good as the best."""

    kind: Literal["alternatives"]
    facts: about.AlternativesFacts


class RulesResult(ResultBase):
    """The plan beside rules of thumb."""

    kind: Literal["rules"]
    facts: about.RulesFacts


class SimulateResult(ResultBase):
    """A plan lived through paths of years."""

    kind: Literal["simulate"]
    facts: about.SimulateFacts


class VerifyResult(ResultBase):
    """A run compared with what can be worked out again."""

    kind: Literal["verify"]
    facts: about.VerifyFacts


class RollResult(ResultBase):
    """A plan made again after a year."""

    kind: Literal["roll"]
    facts: about.RollFacts


class CompareResult(ResultBase):
    """Differences of solved plans."""

    kind: Literal["compare"]
    facts: about.CompareFacts


class DiscoverResult(ResultBase):
    """Where a promise fails."""

    kind: Literal["discover"]
    facts: about.DiscoverFacts


class BacktestResult(ResultBase):
    """A past episode, played again."""

    kind: Literal["backtest"]
    facts: about.BacktestFacts


JobResult = Annotated[
    SolveResult
    | DecideResult
    | SweepResult
    | FrontierResult
    | WorthResult
    | DiagnoseResult
    | OriginsResult
    | ControlsResult
    | TogetherResult
    | RequirementsResult
    | DealsResult
    | LossesResult
    | ScenariosResult
    | MissingResult
    | StressResult
    | ReverseResult
    | ExplainResult
    | AlternativesResult
    | RulesResult
    | SimulateResult
    | VerifyResult
    | RollResult
    | CompareResult
    | DiscoverResult
    | BacktestResult,
    Field(discriminator="kind"),
]
RESULTS: TypeAdapter[Any] = TypeAdapter(JobResult)
