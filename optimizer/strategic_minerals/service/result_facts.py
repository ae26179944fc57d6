"""Facts of results: the single figures that belong to the answer of each kind of job."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Facts(BaseModel):
    """Facts of one kind of job; a later version may state more of them."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class Outcome(Facts):
    """Why a solve ended, and how good its answer is."""

    reason: str = Field(description="optimal, within_gap, time_limit, stalled and so on.")
    objective_musd: float | None = Field(
        description="Social cost relative to doing nothing, million USD; lower is better."
    )
    best_bound_musd: float | None = Field(description="Best possible value (bound), million USD.")
    relative_gap: float | None
    do_nothing_musd: float | None = Field(description="Social cost of doing nothing, million USD.")
    relaxed: bool = Field(description="The linear relaxation: a bound and no plan.")
    method: str


class PlanFacts(Facts):
    """Facts of a solved plan."""

    outcome: Outcome
    audit_passed: bool
    counts: dict[str, int] = Field(description="Size of the model, and work of the solver.")
    options: dict[str, Any] = Field(description="Options of the solve.")
    versions: dict[str, str] = Field(description="Versions of the software.")


class SweepFacts(Facts):
    """Facts of a sweep."""

    failed_share: float = Field(description="Share of the points without an answer.")
    notes: list[str] = Field(description="What a reader should know of the points.")


class FrontierFacts(Facts):
    """Facts of a frontier."""

    gap: float
    tolerance: float
    tail_counts: bool


class WorthFacts(Facts):
    """Facts of the value of planning."""

    fresh: int = Field(description="Number of new scenarios; 0: none.")
    seed: int
    confidence: float


class DiagnoseFacts(Facts):
    """Facts of a diagnosis."""

    possible: bool = Field(description="The requirements can be met; everything else is empty then.")
    fractions: bool = Field(description="They could be met if projects could be supported in part.")
    conflict: list[str] = Field(description="Requirements that cannot be met together.")
    missed_musd: float | None = Field(description="What the least relaxation weighs, million USD.")
    missed_verified: bool
    seconds: float
    complete: bool
    tried: list[str]


class GapFacts(Facts):
    """Facts of a study of several solves."""

    gap: float


class ControlsFacts(GapFacts):
    """Facts of the cases of controls."""

    expected_worth_musd: float | None


class TogetherFacts(Facts):
    """Facts of coalitions of homes."""

    core: str = Field(description="Whether money can be shared so that nobody would leave.")
    settled: bool
    rounds: int
    scenarios: int
    gap: float
    names: dict[str, str]


class RequirementsFacts(Facts):
    """Facts of the comparison with published requirements."""

    compared: int
    within_factor_two: int


class DealsFacts(Facts):
    """Facts of replayed agreements."""

    price_risk_premium: float
    risk_charge: float
    beliefs: bool
    left_out: list[str]


class LossesFacts(Facts):
    """Facts of the test of loss functions."""

    test: str


class ScenariosFacts(Facts):
    """Facts of the outlook of scenarios."""

    scenarios: int
    probability: float | None
    kept: int
    drawn: int
    alpha: float


class MissingFacts(Facts):
    """Facts of what the data lack."""

    minerals_without_data: list[str]


class StressFacts(Facts):
    """Facts of a stress test."""

    fresh: int
    seed: int
    confidence: float
    alpha: float
    myopic: bool
    note: str


class ReverseFacts(Facts):
    """Facts of a reverse stress test."""

    notes: list[str]


class ExplainFacts(Facts):
    """Facts of an explanation."""

    gap: float
    aim: str
    most_solves: int


class AlternativesFacts(Facts):
    """Facts of near-optimal plans."""

    slack: float
    share_of: str
    allowed_musd: float
    aim: str
    firm: list[str]


class RulesFacts(Facts):
    """Facts of the comparison with rules of thumb."""

    samples: int
    scenarios: int
    confidence: float


class SimulateFacts(Facts):
    """Facts of a simulation."""

    plan: str
    paths_drawn: int
    seed: int
    learning: bool
    confidence: float
    scenarios: int
    exact: int


class VerifyFacts(Facts):
    """Facts of a verification."""

    verified: bool
    audit_passed: bool
    stated_musd: list[float]
    again_musd: list[float] | None
    objections: list[str]


class RollFacts(Facts):
    """Facts of a plan made again after a year."""

    plan: str
    first_year: int
    years: int
    horizon: Literal["fixed", "rolling"]
    learning: bool
    causes: list[str]


class CompareFacts(Facts):
    """Facts of a comparison."""

    names: list[str]
    warnings: list[str]


class DiscoverFacts(Facts):
    """Facts of scenario discovery."""

    promise: str
    promised: str = Field(description="The promise in words.")
    rows: int = Field(description="Rows that count.")
    failures: int = Field(description="Rows of them in which the promise fails.")
    held_out_rows: int
    held_out_failures: int
    seed: int
    notes: list[str] = Field(description="What weakens the answer.")


class BacktestFacts(Facts):
    """Facts of a past episode played again."""

    title: str
    label: str
    settings: dict[str, Any]
    functions: list[str]
