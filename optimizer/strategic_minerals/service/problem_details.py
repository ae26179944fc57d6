"""What is wrong, as problem details (RFC 9457), with the faults that the command line would list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..core.errors import Fault
from .wording import place, plainly

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 100
"""Told at once; the others are counted."""
LONGEST_TEXT, LONGEST_DETAIL = 300, 5000
"""Characters of a fault's part, and of a problem's detail."""
KINDS = {
    "invalid": (422, "The request, the plan or a table is wrong"),
    "malformed": (400, "The request cannot be read"),
    "unauthenticated": (401, "A token is needed"),
    "forbidden": (403, "The token does not allow this"),
    "not-found": (404, "There is no such thing"),
    "method": (405, "That cannot be done here"),
    "not-acceptable": (406, "The answer has no such form"),
    "condition": (412, "A condition that is not looked at here"),
    "late": (408, "The request came too slowly"),
    "conflict": (409, "The job is in another state, or the key was used for another request"),
    "too-large": (413, "More than the service takes"),
    "unsupported": (415, "A content type that is not read here"),
    "busy": (429, "Too much at once"),
    "quota": (429, "More than a tenant may use"),
    "internal": (500, "The service erred"),
    "unavailable": (503, "Not now"),
    "storage": (507, "More than a tenant may keep"),
    "infeasible": (422, "No plan meets the demands"),
    "stopped": (422, "A limit was reached before any plan was found"),
    "untrusted": (422, "An answer exists and is not trusted"),
    "crashed": (422, "The job's process ended without an answer"),
    "out-of-memory": (422, "The job needed more memory than it may have"),
    "deadline": (422, "The job took longer than it may"),
}
"""Kind -> HTTP status and title; the last ones tell how a job failed."""


class FaultModel(BaseModel):
    """One wrong value: where it stands, what was found there and what was expected."""

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
    faults: list[FaultModel] = Field(default_factory=list, description="As the command line lists them.")
    diagnosis: dict[str, Any] | None = Field(
        None, description="Where demands conflict: what conflicts and what would help."
    )


class ProblemError(Exception):
    """A request that cannot be answered, with headers of the answer."""

    def __init__(
        self, kind: str, detail: str = "", faults: Sequence[Fault] = (), headers: dict[str, str] | None = None
    ) -> None:
        self.problem, self.headers = problem(kind, detail, faults), headers or {}
        super().__init__(detail)

    @classmethod
    def of(cls, told: Problem) -> ProblemError:
        """The error of a problem that was found elsewhere."""
        found = cls(told.type.rpartition(":")[2], told.detail)
        found.problem = told
        return found


def problem(
    kind: str, detail: str = "", faults: Sequence[Fault] = (), diagnosis: dict[str, Any] | None = None
) -> Problem:
    """Problem details of a kind."""
    status, title = KINDS[kind]
    told = list(faults[:MOST_FAULTS])
    if len(faults) > MOST_FAULTS:
        told.append(Fault(told[-1].file, "", "", f"{len(faults) - MOST_FAULTS:,} more faults", "the first ones mended"))
    return Problem(
        type=f"urn:strategic-minerals:problem:{kind}",
        title=title,
        status=status,
        detail=printable(detail, LONGEST_DETAIL),
        faults=[_model(fault) for fault in told],
        diagnosis=diagnosis,
    )


def _model(fault: Fault) -> FaultModel:
    """A fault as callers are told."""
    file = (
        place(["set", fault.column]) if fault.file == "--set" else fault.file
    )  # what the command line calls so is a field here
    told = {**vars(fault), "file": file, "expected": plainly(fault.expected)}
    return FaultModel(**{name: printable(value, LONGEST_TEXT) for name, value in told.items()})


def printable(text: str, most: int) -> str:
    """Text that any encoding takes, of so many characters: what a caller sent may hold halves of characters, or millions."""
    whole = str(text)
    return (whole if len(whole) <= most else f"{whole[: most - 3]}...").encode("utf-8", "replace").decode("utf-8")
