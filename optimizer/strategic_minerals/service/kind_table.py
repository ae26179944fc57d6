"""Every kind of job: each verb of the table is one, its request and its result are read from the verb's signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field, TypeAdapter, create_model

from ..core.verb import FromFile
from ..verbs import VERBS, Verb
from .api_schemas import Cell, Flag, JobId, Labelled, Number, Question, Strict, Tables, Text, Whole

LONGEST_TEXT, LONGEST_LIST = 300, 10_000

_STRICT: Mapping[Any, Any] = {
    float: Number,
    int: Whole,
    bool: Flag,
    str: Annotated[Text, Field(max_length=LONGEST_TEXT)],
}
"""Kinds of values as JSON writes them: text is no number, and a truth value none either."""
_ELSEWHERE: Mapping[str, dict[str, Any]] = {
    "sweep": {
        "study": (dict[str, Any], Field(description="The fields of a sweep file: kind, and axes, points or ranges."))
    },
    "roll": {
        "done": (
            list[dict[str, Any]],
            Field([], max_length=LONGEST_LIST, description="Rows of what was done otherwise."),
        ),
        "happened": (list[dict[str, Any]], Field([], max_length=LONGEST_LIST, description="Rows of events.")),
        "facts": (Tables | None, Field(None, description="New tables, or some rows of them; null: none.")),
    },
}
"""Options that the command line reads from files, as a request has them."""


class Limited(Strict):
    """How long a job may take."""

    deadline_s: Number | None = Field(
        None,
        ge=1,
        le=1e6,
        description="Seconds for the whole job; a solve that has a plan by then gives it. null: the service's limit.",
    )


class OfRun(Labelled):
    """What builds on a solved plan."""

    of: JobId = Field(description="Identifier of a job that made a plan.")


class OfRows(Labelled):
    """What builds on the rows of a study."""

    of: JobId = Field(description="Identifier of a job with a row for each case: a sweep or a stress test.")


class OfRuns(Labelled):
    """What builds on several solved plans."""

    of: list[JobId] = Field(
        min_length=2,
        max_length=8,
        description="Identifiers of jobs that made plans; the first is the reference for the others.",
    )


_BASES: Mapping[str, tuple[type[BaseModel], ...]] = {
    "plan": (Labelled, Question),
    "homes": (Labelled, Question),
    "run": (OfRun,),
    "folder": (OfRun,),
    "runs": (OfRuns,),
    "rows": (OfRows,),
}


def strictly(kind: Any) -> Any:
    """A type of an option as JSON may state it: nothing is taken for something else."""
    if kind in _STRICT:
        return _STRICT[kind]
    if get_origin(kind) is Annotated:
        inner, *said = get_args(kind)
        return Annotated[strictly(inner), *said]
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
            fields[name] = (strictly(option.annotation), ... if option.default is option.empty else option.default)
    bases = (*_BASES[verb.of], *((Limited,) if verb.long else ()))
    return create_model(f"{verb.name.title()}Request", __base__=bases, __doc__=verb.help, **fields)


@dataclass(frozen=True)
class Kind:
    """One kind of job."""

    verb: Verb
    request: type[BaseModel]

    @property
    def has_report(self) -> bool:
        """Whether there is a plan to report on."""
        return self.verb.makes_plan or self.verb.of in ("run", "folder", "runs")

    @property
    def asks(self) -> bool:
        """Whether it builds on a plan and its tables."""
        return self.verb.of in ("plan", "homes")


KINDS: Mapping[str, Kind] = {name: Kind(verb, request_of(verb)) for name, verb in VERBS.items()}
PLANNING = tuple(name for name, kind in KINDS.items() if kind.verb.makes_plan)
"""Kinds whose answer is a plan."""
WITH_ROWS = tuple(name for name, kind in KINDS.items() if kind.verb.has_rows)
"""Kinds whose answer has a row for each case."""
WITH_FILES = tuple(name for name, kind in KINDS.items() if kind.asks)
"""Kinds that may come as a form with files."""


def _one_of(models: Sequence[type[BaseModel]]) -> Any:
    return Annotated[Union[tuple(models)], Field(discriminator="kind")]  # noqa: UP007  (built from a tuple)


JobRequest: Any = _one_of([kind.request for kind in KINDS.values()])
FileRequest: Any = _one_of([KINDS[name].request for name in WITH_FILES])
"""Options of a question that comes as files."""


ColumnKind = Literal["boolean", "integer", "number", "text"]


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
RESULTS: TypeAdapter[Any] = TypeAdapter(JobResult)
