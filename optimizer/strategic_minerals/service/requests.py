"""Faults of a request in plain words: the place as the caller writes it, what was found and what was expected.

What validates has words for programmers, and names parts of a program; callers know fields, numbers and texts."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model, model_validator
from pydantic import Strict as StrictMode
from pydantic.fields import FieldInfo

from ..core.errors import (
    DEEPEST_ADDRESS,
    OVERRIDES,
    Fault,
    FaultsError,
    MisplacedError,
    expected,
    first_of,
    near_miss,
    overlapping,
    shipped,
    shown,
)
from ..core.runner import LIMITS
from ..core.verb import FromFile
from ..question.tables import TABLES
from ..verbs import VERBS, Verb
from .records import State
from .webhooks import key_of

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
LONGEST_NAME = 100
"""Characters of a field's name in a fault."""


def spelt(name: str) -> str:
    """A name as it was sent; letters that only look like others stand as their numbers."""
    return shown(name) if name.isascii() else ascii(name[:LONGEST_NAME])


def place(path: Iterable[Any]) -> str:
    """Where a value stands in a body: `of[1]`, `set["budget.appropriation_musd"]`."""
    found = ""
    for part in path:
        if isinstance(part, int) and not isinstance(part, bool):
            found += f"[{part}]"
        elif NAME.fullmatch(str(part)):
            found += f".{part}" if found else str(part)
        else:
            text = str(part)
            found += f"[{json.dumps(text if len(text) <= LONGEST_NAME else f'{text[: LONGEST_NAME - 3]}...')}]"
    return found


def faults_of(
    errors: Sequence[Any], where: str, fields: Mapping[str, FieldInfo] | None = None, kinds: Sequence[str] = ()
) -> Iterator[Fault]:
    """Errors of a validation as faults. where: what was read; fields: those that there are; kinds: branches of a choice by `kind`,
    which stand in an error's place and in no body."""
    branches, known = set(kinds), fields or {}
    for item in errors:
        path = list(item["loc"])
        path = path[1:] if path and path[0] in branches else path
        error = item.get("ctx", {}).get("error")
        if isinstance(error, MisplacedError):
            yield from (Fault(where, "", column, found, expected) for column, found, expected in error.places)
            continue
        kind = item["type"]
        if kind.startswith("union_tag"):
            found = "nothing" if kind == "union_tag_not_found" else shown(item["ctx"].get("tag"))
            yield Fault(where, "", place([*path, "kind"]), found, expected(item))
        elif kind == "extra_forbidden":
            name = str(path[-1])
            yield Fault(where, "", place(path), spelt(name), f"a known field{near_miss(name[:LONGEST_NAME], known)}")
        else:
            found = "nothing" if kind == "missing" else shown(item.get("input"))
            if "webhook" in path[:1] and kind != "missing":  # there may be a secret in it
                found = "a value of another form (not shown)"
            pattern = item.get("ctx", {}).get("pattern")
            yield Fault(where, "", place(path), found, FORMS.get(str(pattern)) or expected(item))


JOB_ID = r"^[0-9a-f]{32}$"
CURSOR = r"^[0-9]{1,12}(\.[0-9]{1,12})?-[0-9a-f]{32}$"
KEY = r"^[!-~]{1,200}$"
FORMS = {
    JOB_ID: "the identifier of a job: 32 digits and letters a to f",
    CURSOR: "the value of `next` in the previous page",
    KEY: "1 to 200 ASCII letters, digits and punctuation marks, without spaces",
}
"""Pattern -> what has it, in words."""


# Errors as problem details (RFC 9457), with the same faults as on the command line.
MEDIA_TYPE = "application/problem+json"
LONGEST_TEXT, LONGEST_DETAIL = 300, 5000
"""Characters of a fault's part, and of a problem's detail."""
KINDS = {
    "invalid": (422, "The request, the plan or a table is wrong"),
    "malformed": (400, "The request cannot be read"),
    "unauthenticated": (401, "A token is required"),
    "forbidden": (403, "The token does not allow this"),
    "not-found": (404, "Not found"),
    "method": (405, "This method is not allowed here"),
    "not-acceptable": (406, "The answer is not available in this format"),
    "state": (409, "The job is in another state"),
    "key-reused": (409, "The idempotency key was used for another request"),
    "too-large": (413, "The request is too large"),
    "unsupported": (415, "Unsupported content type or encoding"),
    "rate": (429, "Too many requests in a minute"),
    "turn": (429, "Too many requests that take long"),
    "queue-full": (429, "Too many jobs wait"),
    "streams": (429, "Too many event streams are open"),
    "quota": (429, "The quota of the tenant is used up"),
    "internal": (500, "Internal error of the service"),
    "unavailable": (503, "Not available now"),
    "not-started": (503, "The service has not been started"),
    "storage": (507, "The storage quota of the tenant is used up"),
    "infeasible": (422, "No plan meets all requirements"),
    "stopped": (422, "A limit was reached before a plan was found"),
    "untrusted": (422, "An answer exists but failed a check"),
    "crashed": (422, "The process of the job ended without an answer"),
    "out-of-memory": (422, "The job reached its memory limit"),
    "deadline": (422, "The job reached its time limit"),
}
"""Kind -> HTTP status and title; the last ones tell how a job failed."""


class FaultModel(BaseModel):
    """One wrong value: its place, what was found there and what was expected."""

    model_config = ConfigDict(extra="forbid")

    file: str
    row: str
    column: str
    found: str
    expected: str


class Problem(BaseModel):
    """Problem details."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(
        description="urn:strategic-minerals:problem:<kind>", examples=["urn:strategic-minerals:problem:invalid"]
    )
    title: str
    status: int
    detail: str = ""
    instance: str | None = Field(None, description="The request that met the problem, as the logs name it.")
    faults: list[FaultModel] = Field(default_factory=list, description="The same faults as on the command line.")


class ProblemError(Exception):
    """A request that cannot be answered, with headers of the answer."""

    def __init__(
        self, kind: str, detail: str = "", faults: Sequence[Fault] = (), headers: dict[str, str] | None = None
    ) -> None:
        self.problem, self.headers = problem(kind, detail, faults), headers or {}
        super().__init__(detail)

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> ProblemError:
        """The error of a problem that another process wrote down."""
        problem = Problem(**stated)
        found = cls(problem.type.rpartition(":")[2], problem.detail)
        found.problem = problem
        return found


def path_of(scope: Mapping[str, Any]) -> str:
    """The path of a request within the application, wherever that is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


def problem_of(error: FaultsError | ProblemError) -> Problem:
    """The problem of an error; faults make the request invalid."""
    return error.problem if isinstance(error, ProblemError) else problem("invalid", "", error.faults)


def problem(kind: str, detail: str = "", faults: Sequence[Fault] = ()) -> Problem:
    """Problem details of a kind."""
    status, title = KINDS[kind]
    if faults and not detail:
        detail = f"{len(faults)} fault{'s' * (len(faults) > 1)}: each says what was found and what is expected."
    return Problem(
        type=f"urn:strategic-minerals:problem:{kind}",
        title=title,
        status=status,
        detail=printable(detail, LONGEST_DETAIL),
        faults=[_model(fault) for fault in first_of(faults)],
    )


def _model(fault: Fault) -> FaultModel:
    """A fault in the form of the API."""
    # what is an override in Python is a field here
    file = place(["set", fault.column]) if fault.file == OVERRIDES else fault.file
    entry = {**vars(fault), "file": file}
    return FaultModel(**{name: printable(value, LONGEST_TEXT) for name, value in entry.items()})


def printable(text: str, most: int) -> str:
    """Text that any encoding takes, of so many characters: what a caller sent may hold halves of characters, or millions."""
    whole = str(text)
    return (whole if len(whole) <= most else f"{whole[: most - 3]}...").encode("utf-8", "replace").decode("utf-8")


# Requests and responses: the schemas of the service's API.
NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, and halves of characters."""
DEEPEST = 40
"""Levels of nesting."""
LARGEST_NUMBER = 1e15


def sanitise(value: Any) -> None:
    """Plain data within limits: finite numbers, text that is text, few levels. MisplacedError otherwise, with the place."""
    for path, item in walked(value):
        if len(path) > DEEPEST:
            raise MisplacedError((place(path[:2]), f"more than {DEEPEST} levels of nesting", f"at most {DEEPEST}"))
        if (wrong := _unsanitary(item)) is not None:
            raise MisplacedError((place(path), *wrong))


def _unsanitary(item: Any) -> tuple[str, str] | None:
    """(found, expected) of a single value that is not allowed."""
    if isinstance(item, float) and not math.isfinite(item):
        return shown(item), "a number that is finite"
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) > LARGEST_NUMBER:
        return shown(item), "a number of at most 1e15"
    if isinstance(item, str) and NO_TEXT.search(item):
        return "text with a NUL character or an incomplete character", "text in UTF-8"
    return None


def walked(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(path, value) of everything inside; an object's names stand at its own path. Levels beyond the deepest are left out."""
    yield path, value
    if len(path) > DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield path, name
            yield from walked(inner, (*path, name))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from walked(inner, (*path, n))


Plain = dict[str, Any]
CELLS = [{"type": one} for one in ("string", "number", "boolean", "null")]
Cell = Annotated[Any, WithJsonSchema({"anyOf": CELLS})]
Tables = dict[str, list[dict[str, Cell]]]
JobId = Annotated[str, Field(pattern=JOB_ID)]

Number = Annotated[float, StrictMode()]
Whole = Annotated[int, StrictMode()]
Flag = Annotated[bool, StrictMode()]
Text = Annotated[str, StrictMode()]
Answer = Annotated[Text, Field(max_length=2000)]
"""Values as JSON writes them: text is no number, and a truth value none either."""


class Strict(BaseModel):
    """A misspelt field is an error, and so is NaN or an infinite number."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


PLANS = ("plan", "shipped", "question")
"""Fields that hold a plan: one of them, and no other."""

SHIPPED = sorted(path.stem for path in shipped("models").glob("*.toml"))
"""Names of the plans that come with the package."""


class Question(Strict):
    """A plan, in exactly one of `plan`, `shipped` and `question`, and its tables."""

    plan: Plain | None = Field(None, description="The plan as an object; GET /v1/schemas/plan explains every field.")
    shipped: Annotated[str, Field(max_length=100)] | None = Field(
        None,
        description="The name of a shipped plan.",
        examples=["quickstart"],
        json_schema_extra={"enum": [*SHIPPED, None]},
    )
    question: JobId | None = Field(
        None, description="The name of a plan, with its tables, that was kept by POST /v1/questions."
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

    answers: dict[Annotated[str, Field(max_length=100)], Annotated[list[Answer], Field(max_length=9)]] = Field(
        default_factory=dict,
        max_length=100,
        description="Answers to the questions of a workbook's sheet `start here`: question -> list of answers, one a column.",
        examples=[{"budget a year (million)": ["200"]}],
    )

    @model_validator(mode="after")
    def _one_plan(self) -> Question:
        if self.question is not None and (self.tables is not None or self.on_top_of_shipped):
            beside = "tables" if self.tables is not None else "on_top_of_shipped"
            raise MisplacedError((beside, "a value beside a question", "none: the question has its tables"))
        given = [name for name in PLANS if getattr(self, name) is not None]
        if len(given) > 1:
            found = f"a plan in each of {' and '.join(given)}"
            raise MisplacedError((given[-1], found, f"exactly one of {', '.join(PLANS)}"))
        return self


class Webhook(Strict):
    """Where the service reports the end of a job: a signed POST, repeated until it is accepted."""

    url: Annotated[Text, Field(max_length=2000)] = Field(
        description="Public address with TLS.", examples=["https://plans.example/hook"]
    )
    secret: Annotated[Text, Field(max_length=200)] = Field(
        description="Key of the signature: 16 to 200 characters, or `whsec_` and base64.",
        json_schema_extra={"writeOnly": True, "format": "password"},
    )

    @model_validator(mode="after")
    def _sound(self) -> Webhook:
        key_of(self.secret)
        return self


class Labelled(Strict):
    """Name of a job for people, and who hears of its end."""

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
    words: str | None = Field(
        None, description="What is known so far, in words: the first plan, then what it is worth."
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
    headline: str | None = Field(description="The answer in one sentence.")
    problem: Problem | None = Field(description="Why the job failed.")
    links: dict[str, str]


class JobList(Strict):
    """Jobs, newest first."""

    jobs: list[JobStatus]
    next: str | None = Field(description="Cursor for the next page of the list.")


class JobEnded(Strict):
    """What is sent at the end of a job that named a webhook."""

    type: Literal["job.ended"]
    timestamp: datetime
    tenant: str
    data: JobStatus


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
    seconds: float = Field(description="Seconds that a request of the service's own took, through threads and store.")


class Kept(Strict):
    """A question that was kept: jobs refer to it as `question`."""

    id: str
    label: str
    at: datetime


class Usage(Strict):
    """What the tenant has used of its quotas, within 24 hours or now, and how many of its jobs wait and run."""

    jobs: int
    most_jobs: int
    minutes: float
    most_minutes: float
    mib: float
    most_mib: float
    queued: int
    most_queued: int
    running: int
    most_running: int


class Readiness(Strict):
    """Readiness for jobs: check -> result."""

    ready: bool
    checks: dict[str, str]


# Every kind of job: each verb of the table is one, its request and its result are read from the verb's signature.
LONGEST_FIELD, LONGEST_LIST = 300, 10_000

_STRICT: Mapping[Any, Any] = {
    float: Number,
    int: Whole,
    bool: Flag,
    str: Annotated[Text, Field(max_length=LONGEST_FIELD)],
}
_SWEEP = {"study": (dict[str, Any], Field(description="The fields of a sweep file: kind, and axes, points or ranges."))}
_ROWS = Annotated[list[dict[str, Any]], Field(max_length=LONGEST_LIST)]
_ELSEWHERE: Mapping[str, dict[str, Any]] = {
    "sweep": _SWEEP,
    "score": _SWEEP,
    "roll": {
        "acts": (_ROWS, Field([], description="Rows of what was done otherwise than planned.")),
        "news": (_ROWS, Field([], description="Rows of events and figures.")),
        "facts": (Tables | None, Field(None, description="New tables, or some rows of them; null: none.")),
    },
}
"""Options that the command line reads from files, as a request has them."""


_OF_RUN: tuple[Any, Any] = (JobId, Field(description="Identifier of a job that made a plan."))
_OF: Mapping[str, tuple[Any, Any]] = {
    "run": _OF_RUN,
    "folder": _OF_RUN,
    "rows": (JobId, Field(description="Identifier of a job with a row for each case: a sweep or a stress test.")),
    "runs": (
        Annotated[list[JobId], Field(min_length=2, max_length=8)],
        Field(description="Identifiers of jobs that made plans; the first is the reference for the others."),
    ),
}
"""What a verb builds on, where that is no question of its own -> the jobs."""
_DEADLINE = (
    Number | None,
    Field(None, ge=0, description=f"{LIMITS['deadline_s'].description} null: the service's limit."),
)


def strictly(kind: Any) -> Any:
    """A type of an option as JSON may state it: nothing is taken for something else."""
    if kind in _STRICT:
        return _STRICT[kind]
    if get_origin(kind) is Annotated:
        inner, *limits = get_args(kind)
        return Annotated[strictly(inner), *limits]
    if get_origin(kind) in (Union, UnionType):
        inner = tuple(NoneType if one is NoneType else strictly(one) for one in get_args(kind))
        return Union[inner]  # noqa: UP007  (built from a tuple)
    if get_origin(kind) in (list, tuple, Sequence):
        return Annotated[list[strictly(get_args(kind)[0])], Field(max_length=LONGEST_LIST)]  # type: ignore[misc]
    return kind if get_origin(kind) is Literal else _STRICT[str]


def request_of(verb: Verb) -> type[BaseModel]:
    """The request of a verb's job."""
    elsewhere = _ELSEWHERE.get(verb.name, {})
    fields: dict[str, Any] = {"kind": (Literal[verb.name], ...)}
    for name, option in verb.options.items():
        if name in elsewhere:
            fields[name] = elsewhere[name]
        elif not any(isinstance(one, FromFile) for one in get_args(option.annotation)):
            default = ... if option.default is option.empty else option.default
            fields[name] = (strictly(option.annotation), list(default) if isinstance(default, tuple) else default)
    if verb.long:
        fields["deadline_s"] = _DEADLINE
    if not verb.asks:
        fields["of"] = _OF[verb.of]
    bases = (Labelled, Question) if verb.asks else Labelled
    return create_model(f"{verb.name.title()}Request", __base__=bases, __doc__=verb.help, **fields)


REQUESTS: Mapping[str, type[BaseModel]] = {name: request_of(verb) for name, verb in VERBS.items()}
"""Kind of a job -> its request."""
PLANNING = tuple(name for name, verb in VERBS.items() if verb.makes_plan)
"""Kinds whose answer is a plan."""
WITH_ROWS = tuple(name for name, verb in VERBS.items() if verb.has_rows)
"""Kinds whose answer has a row for each case."""
WITH_FILES = tuple(name for name, verb in VERBS.items() if verb.asks)
"""Kinds that may come as a form with files."""


def _one_of(models: Sequence[type[BaseModel]]) -> Any:
    return Annotated[Union[tuple(models)], Field(discriminator="kind")]  # noqa: UP007  (built from a tuple)


JobRequest: Any = _one_of([*REQUESTS.values()])
FileRequest: Any = _one_of([REQUESTS[name] for name in WITH_FILES])
"""Options of a question that comes as files."""

ColumnKind = Literal["boolean", "integer", "number", "text", "mixed"]


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
    facts: dict[str, Any] = Field(description="Single figures and options that belong to the tables.")
    tables: dict[str, TableLink]
    included: dict[str, list[dict[str, Cell]]]


def result_of(verb: Verb) -> type[BaseModel]:
    """The result of a verb's job."""
    kind: Any = Literal[verb.name]
    return create_model(f"{verb.name.title()}Result", __base__=ResultBase, __doc__=verb.help, kind=(kind, ...))


JobResult: Any = _one_of([result_of(verb) for verb in VERBS.values()])


REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def request_id(headers: Mapping[str, str]) -> str:
    """The identifier that a request states, or a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


EXAMPLE = "a field of the plan, e.g. budget.appropriation_musd"


def fields_set(raw: Any, where: str) -> Iterator[Fault]:
    """Faults of the addresses in `set`."""
    addresses = list(raw) if isinstance(raw, dict) else []
    for address in addresses:
        parts = address.split(".")
        if len(parts) > DEEPEST_ADDRESS or not all(part.strip() for part in parts):
            found = "an empty part" if len(parts) <= DEEPEST_ADDRESS else f"{len(parts):,} parts"
            yield Fault(where, "", place(["set", address]), found, EXAMPLE)
    for outer, inner in overlapping(addresses):
        found = f"a value inside set[{shown(outer)}], which is also set"
        yield Fault(where, "", place(["set", inner]), found, "each value only once")


def as_sent(fault: Fault, values: Mapping[str, Any] | None) -> Fault:
    """A fault of a plan's file or field, named as the caller sent it. values: what the request sets, by address."""
    if fault.file in (OVERRIDES, "plan", "plan.xlsx, sheet plan") or fault.file.endswith((".toml", ".json")):
        at = f"{fault.column}."
        within = [one for one in values or () if at.startswith(f"{one}.")]
        around = [one for one in values or () if one.startswith(at)]  # it made something of an unknown name
        for one in (*within, *around):
            return replace(fault, file=place(["set", one]), row="")
    return replace(fault, file="plan", row="") if fault.file == "plan.json" else fault
