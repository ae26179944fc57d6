"""Errors as problem details (RFC 9457), with the same faults as on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..core.errors import Fault
from .wording import place

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 100
"""Number of faults listed; the others are counted."""
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
    "condition": (412, "Conditional requests are not supported"),
    "late": (408, "The request took too long to arrive"),
    "conflict": (409, "The job is in another state, or the key was used for another request"),
    "too-large": (413, "The request is too large"),
    "unsupported": (415, "Unsupported content type or encoding"),
    "busy": (429, "Too many requests"),
    "quota": (429, "The quota of the tenant is used up"),
    "internal": (500, "Internal error of the service"),
    "unavailable": (503, "Not available now"),
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
    faults: list[FaultModel] = Field(default_factory=list, description="The same faults as on the command line.")
    diagnosis: dict[str, Any] | None = Field(
        None, description="If no plan meets the requirements: what conflicts and which changes would help."
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
        told.append(
            Fault(told[-1].file, "", "", f"{len(faults) - MOST_FAULTS:,} more faults", "the first ones to be corrected")
        )
    return Problem(
        type=f"urn:strategic-minerals:problem:{kind}",
        title=title,
        status=status,
        detail=printable(detail, LONGEST_DETAIL),
        faults=[_model(fault) for fault in told],
        diagnosis=diagnosis,
    )


def _model(fault: Fault) -> FaultModel:
    """A fault in the form of the API."""
    file = (
        place(["set", fault.column]) if fault.file == "--set" else fault.file
    )  # what the command line calls so is a field here
    told = {**vars(fault), "file": file}
    return FaultModel(**{name: printable(value, LONGEST_TEXT) for name, value in told.items()})


def printable(text: str, most: int) -> str:
    """Text that any encoding takes, of so many characters: what a caller sent may hold halves of characters, or millions."""
    whole = str(text)
    return (whole if len(whole) <= most else f"{whole[: most - 3]}...").encode("utf-8", "replace").decode("utf-8")
