"""What callers send and get: the schema of the service's API."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from ..library import shipped
from ..rows import TABLES
from .problems import Problem
from .records import State

DEEPEST = 40
"""Levels of nesting."""
LARGEST_NUMBER = 1e15
JOB_ID = r"^[0-9a-f]{32}$"


def tame(value: Any) -> Any:
    """Plain data within limits: finite numbers, text that is text, few levels. ValueError otherwise.

    Large requests are walked where nobody else waits, not while they are parsed.
    """
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return value
        for item in level:
            if isinstance(item, float) and not math.isfinite(item):
                raise ValueError("a number that is not finite")
            if isinstance(item, int) and not isinstance(item, bool) and abs(item) > LARGEST_NUMBER:
                raise ValueError("a whole number beyond 1e15")
            if isinstance(item, str) and ("\x00" in item or not _whole_text(item)):
                raise ValueError("text with a NUL or with half a character")
        level = [inner for item in level for inner in _inside(item)]
    raise ValueError(f"more than {DEEPEST} levels of nesting")


def _whole_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        yield from item
        yield from item.values()
    elif isinstance(item, list):
        yield from item


Plain = dict[str, Any]
Cell = Annotated[Any, WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]
Tables = dict[str, list[dict[str, Cell]]]
JobId = Annotated[str, Field(pattern=JOB_ID)]


class Strict(BaseModel):
    """A misspelt field is an error, and so is a number that is none."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


PLANS = ("plan", "plan_toml", "shipped")
"""Fields that hold a plan: one of them, and no other."""


def _plan_in_schema(schema: dict[str, Any]) -> None:
    """Say in the schema, too, that one field holds the plan."""
    kinds = {"plan": "object", "plan_toml": "string", "shipped": "string"}
    schema["oneOf"] = [
        {"required": [one], "properties": {name: {"type": kinds[one] if name == one else "null"} for name in PLANS}}
        for one in PLANS
    ]


class Question(Strict):
    """A plan and its tables."""

    model_config = ConfigDict(json_schema_extra=_plan_in_schema)

    plan: Plain | None = Field(None, description="The plan as an object; GET /v1/schemas/plan explains every field.")
    plan_toml: Annotated[str, Field(max_length=5_000_000)] | None = Field(None, description="The plan as the text of a TOML file.")
    shipped: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="The name of a shipped plan.", examples=["quickstart"],
        json_schema_extra={"enum": [*sorted(path.stem for path in shipped("models").glob("*.toml")), None]},
    )
    tables: Tables | None = Field(
        None, description="Own tables, name -> rows; none: the shipped ones.",
        json_schema_extra={"propertyNames": {"enum": list(TABLES)}},
    )  # fmt: skip
    on_top_of_shipped: bool = Field(False, description="Own tables take the places of shipped ones; what they do not name stays.")
    set: Plain = Field(
        default_factory=dict, description="Dotted path -> value, put into the plan.", examples=[{"budget.appropriation_musd": 20}]
    )

    @model_validator(mode="after")
    def _one_plan(self) -> Question:
        given = [name for name in PLANS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"one of plan, plan_toml and shipped, not {' and '.join(given)}")
        return self


class SolveOptions(Strict):
    """How far to solve."""

    gap: float = Field(1e-3, ge=0, lt=1, description="Relative optimality gap to stop at.")
    time_limit_s: float = Field(3600.0, gt=0, le=1e6)
    relax: bool = Field(False, description="The linear relaxation: a bound, not a plan.")
    method: Literal["auto", "flat", "decomposed"] = "auto"


class Labelled(Strict):
    """A job's name for people."""

    label: Annotated[str, Field(max_length=200)] = ""


class SolveRequest(Labelled, Question, SolveOptions):
    """Solve a plan."""

    kind: Literal["solve"]


class SweepRequest(Labelled, Question):
    """Solve a plan again and again with other values."""

    kind: Literal["sweep"]
    study: Plain = Field(description="The fields of a sweep file: kind, and axes, points or ranges.",
                         examples=[{"kind": "grid", "axes": {"budget.appropriation_musd": [10, 20]}}])  # fmt: skip


class StressRequest(Labelled):
    """Attack a solved plan with fresh worlds."""

    kind: Literal["stress"]
    of: JobId = Field(description="A job that solved a plan.")
    scenarios: int = Field(1000, ge=10, le=100_000)
    seed: int = Field(1, ge=0, lt=2**31)
    myopic: bool = False


class ExplainRequest(Labelled):
    """Prices in words, and why each thing was chosen or rejected."""

    kind: Literal["explain"]
    of: JobId = Field(description="A job that solved a plan.")
    item: Annotated[str, Field(max_length=300)] | None = Field(None, description="One item: also what would flip it.")
    gap: float | None = Field(None, ge=0, le=0.5)
    time_limit_s: float = Field(600.0, gt=0, le=1e6, description="Of each solve.")


class CompareRequest(Labelled):
    """What differs between results: question, outcome, plan."""

    kind: Literal["compare"]
    of: list[JobId] = Field(
        min_length=2, max_length=8, description="Jobs that solved plans; the first is what the others are held against."
    )


JobRequest = Annotated[
    SolveRequest | SweepRequest | StressRequest | ExplainRequest | CompareRequest, Field(discriminator="kind")
]


class Progress(Strict):
    """How far a job is; what is not known is null."""

    phase: str | None = None
    seconds: float | None = None
    incumbent_musd: float | None = Field(None, description="The best plan so far, against doing nothing; less is better.")
    bound_musd: float | None = Field(None, description="No plan is better than this.")
    gap: float | None = None
    done: int | None = Field(None, description="Points, worlds or items done.")
    of: int | None = None
    time_left_s: float | None = Field(None, description="At the pace so far where parts are counted, else until the time limit.")


class JobStatus(Strict):
    """A job."""

    id: str
    kind: str
    label: str
    state: State
    submitted: datetime
    started: datetime | None
    ended: datetime | None
    stopping: bool = Field(description="Asked to stop, and not stopped yet.")
    position: int | None = Field(description="Place in the queue, 1 for the next.")
    progress: Progress | None
    headline: str | None = Field(description="The answer in a sentence.")
    problem: Problem | None = Field(description="Why it failed.")
    links: dict[str, str]


class JobList(Strict):
    """Jobs, the newest first."""

    jobs: list[JobStatus]
    next: str | None = Field(description="Where the list goes on.")


class TableLink(Strict):
    """A table of a result."""

    rows: int
    csv: str


class JobResult(Strict):
    """An answer; tables named in `include` stand in it whole, a record a row."""

    id: str
    kind: str
    headline: str
    facts: dict[str, Any] = Field(description="Outcome, gap, counts, versions and the like, as the kind of job has them.")
    summary: str = Field(description="The answer in plain words.")
    tables: dict[str, TableLink]
    included: dict[str, list[dict[str, Any]]]


class CheckResult(Strict):
    """A question looked at without solving it."""

    faults: list[dict[str, str]] = Field(description="Empty: it can be solved.")
    notes: list[str] = Field(description="What looks doubtful.")
    facts: int = Field(description="Reported or derived rows.")
    estimates: int
    columns_at_most: int = Field(description="About the size of the model.")


class Health(Strict):
    """Whether the service stands."""

    status: Literal["ok"]


class Readiness(Strict):
    """Whether it can take jobs: check -> what was found."""

    ready: bool
    checks: dict[str, str]
