"""Every kind of job: its request, what it builds on, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from . import study_requests as studies
from .api_schemas import CompareRequest, ExplainRequest, SolveRequest, StressRequest, SweepRequest

JobRequest = Annotated[
    SolveRequest
    | SweepRequest
    | StressRequest
    | ExplainRequest
    | CompareRequest
    | studies.AlternativesRequest
    | studies.BacktestRequest
    | studies.ControlsRequest
    | studies.DealsRequest
    | studies.DecideRequest
    | studies.DiagnoseRequest
    | studies.DiscoverRequest
    | studies.FrontierRequest
    | studies.LossesRequest
    | studies.MissingRequest
    | studies.OriginsRequest
    | studies.RequirementsRequest
    | studies.ReverseRequest
    | studies.RollRequest
    | studies.RulesRequest
    | studies.ScenariosRequest
    | studies.SimulateRequest
    | studies.TogetherRequest
    | studies.VerifyRequest
    | studies.WorthRequest,
    Field(discriminator="kind"),
]
FileRequest = Annotated[
    SolveRequest
    | SweepRequest
    | studies.BacktestRequest
    | studies.ControlsRequest
    | studies.DealsRequest
    | studies.DecideRequest
    | studies.DiagnoseRequest
    | studies.FrontierRequest
    | studies.LossesRequest
    | studies.MissingRequest
    | studies.OriginsRequest
    | studies.RequirementsRequest
    | studies.ScenariosRequest
    | studies.TogetherRequest
    | studies.WorthRequest,
    Field(discriminator="kind"),
]
"""Options of what comes as files: a question, an episode."""


@dataclass(frozen=True)
class Kind:
    """One kind of job."""

    request: type[BaseModel]
    of: Literal["question", "run", "runs", "rows", "files"]
    """What it builds on: a plan and its tables, one solved plan, several, rows of a study, or files."""
    makes_plan: bool = False
    """It leaves a run folder, and others may build on it."""
    has_rows: bool = False
    """It leaves a row for each case, and scenario discovery may build on it."""
    checked: bool = True
    """Of a question: a fault of plan or tables fails it, so that it is refused before."""

    @property
    def has_report(self) -> bool:
        """Whether there is a plan to report on."""
        return self.makes_plan or self.of in ("run", "runs")


KINDS: Mapping[str, Kind] = {
    "solve": Kind(SolveRequest, "question", makes_plan=True),
    "decide": Kind(studies.DecideRequest, "question", makes_plan=True),
    "sweep": Kind(SweepRequest, "question", has_rows=True),
    "frontier": Kind(studies.FrontierRequest, "question"),
    "worth": Kind(studies.WorthRequest, "question"),
    "diagnose": Kind(studies.DiagnoseRequest, "question"),
    "origins": Kind(studies.OriginsRequest, "question"),
    "controls": Kind(studies.ControlsRequest, "question"),
    "together": Kind(studies.TogetherRequest, "question"),
    "requirements": Kind(studies.RequirementsRequest, "question"),
    "deals": Kind(studies.DealsRequest, "question"),
    "losses": Kind(studies.LossesRequest, "question", checked=False),
    "scenarios": Kind(studies.ScenariosRequest, "question"),
    "missing": Kind(studies.MissingRequest, "question", checked=False),
    "stress": Kind(StressRequest, "run", has_rows=True),
    "reverse": Kind(studies.ReverseRequest, "run"),
    "explain": Kind(ExplainRequest, "run"),
    "alternatives": Kind(studies.AlternativesRequest, "run"),
    "rules": Kind(studies.RulesRequest, "run"),
    "simulate": Kind(studies.SimulateRequest, "run"),
    "verify": Kind(studies.VerifyRequest, "run"),
    "roll": Kind(studies.RollRequest, "run", makes_plan=True),
    "compare": Kind(CompareRequest, "runs"),
    "discover": Kind(studies.DiscoverRequest, "rows"),
    "backtest": Kind(studies.BacktestRequest, "files"),
}

PLANNING = tuple(name for name, kind in KINDS.items() if kind.makes_plan)
"""Kinds whose answer is a plan."""
WITH_ROWS = tuple(name for name, kind in KINDS.items() if kind.has_rows)
"""Kinds whose answer has a row for each case."""
WITH_FILES = tuple(name for name, kind in KINDS.items() if kind.of in ("question", "files"))
"""Kinds that may come as a form with files."""
