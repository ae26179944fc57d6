"""Requests and responses: the schemas of the service's API."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from ..core.errors import MisplacedError
from ..core.shipped import shipped
from ..schemas.tables import TABLES
from .entities import State
from .problem_details import Problem
from .webhooks import key_of
from .wording import JOB_ID, brief, place

DEEPEST = 40
"""Levels of nesting."""
LARGEST_NUMBER = 1e15


def sanitise(value: Any) -> Any:
    """Plain data within limits: finite numbers, text that is text, few levels. MisplacedError otherwise, with the place.

    Large requests are walked where nobody else waits, not while they are parsed; the place is looked for where there is a fault.
    """
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return value
        for item in level:
            if (wrong := _unsanitary(item)) is not None:
                path = next(path for path, other in walked(value) if other is item)
                raise MisplacedError((place(path), *wrong))
        level = [inner for item in level for inner in _inside(item)]
    raise MisplacedError((_deepest(value), f"more than {DEEPEST} levels of nesting", f"at most {DEEPEST}"))


def _unsanitary(item: Any) -> tuple[str, str] | None:
    """(found, expected) of a single value that is none."""
    if isinstance(item, float) and not math.isfinite(item):
        return brief(item), "a number that is finite"
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) > LARGEST_NUMBER:
        return f"an integer of {len(str(abs(item)))} digits", "a number of at most 1e15"
    if isinstance(item, str) and ("\x00" in item or not _whole_text(item)):
        return "text with a NUL character or an incomplete character", "text in UTF-8"
    return None


def walked(value: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(path, value) of everything inside; an object's names stand at its own path. Levels beyond the deepest are left out."""
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    while waiting:
        path, item = waiting.pop()
        yield path, item
        if len(path) > DEEPEST:
            continue
        if isinstance(item, dict):
            yield from ((path, name) for name in item)
            waiting += [((*path, name), inner) for name, inner in item.items()]
        elif isinstance(item, list):
            waiting += [((*path, n), inner) for n, inner in enumerate(item)]


def _deepest(value: Any) -> str:
    """The field in which nesting goes too far."""
    path = next((path for path, _ in walked(value) if len(path) > DEEPEST), ())
    return place(path[:2])


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
CELLS = [{"type": one} for one in ("string", "number", "boolean", "null")]
Cell = Annotated[Any, WithJsonSchema({"anyOf": CELLS})]
Tables = dict[str, list[dict[str, Cell]]]
JobId = Annotated[str, Field(pattern=JOB_ID)]


def _only(expected: str, *kinds: type) -> Callable[[Any], Any]:
    """A look at a value before it is validated: text is no number, and a truth value none either."""

    def looked(value: Any) -> Any:
        fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if not fits:
            raise ValueError(expected)
        return value

    return looked


Number = Annotated[float, BeforeValidator(_only("a number", int, float))]
Whole = Annotated[int, BeforeValidator(_only("an integer", int, float))]
Flag = Annotated[bool, BeforeValidator(_only("true or false", bool))]
Text = Annotated[str, BeforeValidator(_only("text", str))]


class Strict(BaseModel):
    """A misspelt field is an error, and so is a number that is none."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


PLANS = ("plan", "plan_toml", "shipped")
"""Fields that hold a plan: one of them, and no other."""


def _plan_in_schema(schema: dict[str, Any]) -> None:
    """Say in the schema, too, that one field holds the plan; as a condition that always applies, for generators of clients would
    take `oneOf` beside `properties` for several models."""
    kinds = {"plan": "object", "plan_toml": "string", "shipped": "string"}
    one_plan = [
        {"required": [one], "properties": {name: {"type": kinds[one] if name == one else "null"} for name in PLANS}}
        for one in PLANS
    ]
    schema |= {"if": {}, "then": {"oneOf": one_plan}}


class Question(Strict):
    """A plan and its tables."""

    model_config = ConfigDict(json_schema_extra=_plan_in_schema)

    plan: Plain | None = Field(None, description="The plan as an object; GET /v1/schemas/plan explains every field.")
    plan_toml: Annotated[str, Field(max_length=5_000_000)] | None = Field(
        None, description="The plan as the text of a TOML file."
    )
    shipped: Annotated[str, Field(max_length=100)] | None = Field(
        None,
        description="The name of a shipped plan.",
        examples=["quickstart"],
        json_schema_extra={"enum": [*sorted(path.stem for path in shipped("models").glob("*.toml")), None]},
    )
    tables: Tables | None = Field(
        None,
        description="Own tables: name -> rows. Default: the shipped tables.",
        json_schema_extra={"propertyNames": {"enum": list(TABLES)}},
    )
    on_top_of_shipped: Flag = Field(
        False,
        description="If true, own tables replace the shipped ones of the same name, and the other shipped tables are used.",
    )
    set: Plain = Field(
        default_factory=dict,
        description="Fields to set in the plan: dotted path -> value.",
        examples=[{"budget.appropriation_musd": 20}],
    )

    @model_validator(mode="after")
    def _one_plan(self) -> Question:
        given = [name for name in PLANS if getattr(self, name) is not None]
        if len(given) > 1:
            raise MisplacedError(
                (given[-1], f"a plan in each of {' and '.join(given)}", "exactly one of plan, plan_toml and shipped")
            )
        return self


class Webhook(Strict):
    """Where the end of a job is told: a signed POST, repeated until it is accepted."""

    url: Annotated[Text, Field(max_length=2000)] = Field(
        description="Public address with TLS.", examples=["https://plans.example/hook"]
    )
    secret: Annotated[Text, Field(max_length=200)] | None = Field(
        None,
        description="Key of the signature, 16 to 200 characters, or `whsec_` and base64; null: that of the service's settings.",
        json_schema_extra={"writeOnly": True, "format": "password"},
    )

    @model_validator(mode="after")
    def _sound(self) -> Webhook:
        if self.secret is not None:
            key_of(self.secret)
        return self


class Labelled(Strict):
    """Name of a job for people, and who is told of its end."""

    label: Annotated[str, Field(max_length=200)] = ""
    webhook: Webhook | None = None


class Progress(Strict):
    """Progress of a job; null: not known."""

    phase: str | None = Field(None, description="What is being done, in words.")
    seconds: float | None = Field(None, description="Seconds since the job began to run.")
    incumbent_musd: float | None = Field(
        None, description="Social cost of the best plan so far, relative to doing nothing; lower is better."
    )
    bound_musd: float | None = Field(None, description="Best possible value (bound).")
    gap: float | None = Field(
        None, description="Relative gap between the two; null while there is no bound that says anything."
    )
    done: int | None = Field(None, description="Number of points, scenarios or items finished.")
    of: int | None = None
    time_left_s: float | None = Field(
        None,
        description="Time left: estimated from the speed so far if parts are counted, otherwise until the time limit.",
    )


class JobStatus(Strict):
    """Status of a job."""

    id: str
    kind: str
    label: str
    state: State
    submitted: datetime
    started: datetime | None
    ended: datetime | None
    stopping: bool = Field(description="The job was asked to stop and has not stopped yet.")
    position: int | None = Field(description="Position in the queue; 1 is next.")
    progress: Progress | None
    trace_id: str | None = Field(None, description="Trace of the request that brought the job (W3C Trace Context).")
    headline: str | None = Field(description="The answer in one sentence.")
    problem: Problem | None = Field(description="Why the job failed.")
    links: dict[str, str]


class JobList(Strict):
    """Jobs, newest first."""

    jobs: list[JobStatus]
    next: str | None = Field(description="Cursor for the next page of the list.")


class WebhookStatus(Strict):
    """How far the webhook of a job is."""

    host: str
    state: Literal["waiting", "sending", "delivered", "given up"]
    tries: int
    next: datetime | None = Field(description="When it is sent again.")
    delivered: datetime | None
    said: str = Field(description="How the last try ended.")


class CheckResult(Strict):
    """Result of checking a question without solving it."""

    faults: list[dict[str, str]] = Field(description="Faults; if empty, the question can be solved.")
    notes: list[str] = Field(description="Figures that look doubtful.")
    facts: int = Field(description="Number of reported or derived rows.")
    estimates: int
    columns_at_most: int = Field(description="Estimated size of the model, in columns.")


class Health(Strict):
    """Liveness of the service."""

    status: Literal["ok"]


class Readiness(Strict):
    """Readiness for jobs: check -> result."""

    ready: bool
    checks: dict[str, str]
