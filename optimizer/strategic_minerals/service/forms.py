"""Upload of a plan with its tables: the known parts of the form, each as often as allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from ..core.errors import Fault, PlanError, near_miss
from ..schemas.tables import TABLES
from .bundles import BUNDLE
from .gate import PART_BYTES
from .problem_details import MOST_FAULTS, ProblemError
from .reading import kind_of_plan, table_file
from .wording import place, spelt

PARTS = {
    "plan": "a file: TOML, JSON or xlsx",
    "tables": "files, <table>.csv each",
    "files": "a file: a ZIP",
    "options": "text: JSON",
}
"""Name of a part -> what it is."""
MOST_FILES = len(TABLES) + 10
"""Most parts of a form; a few more than can be right are still reported one by one."""
MOST_TEXTS = 20
LONGEST_END = 100
"""Blanks behind the last boundary."""
LONGEST_OPTIONS = 1_000_000
"""Characters."""

FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "plan": {**FILE, "description": "The plan: TOML, JSON or xlsx, recognised by its content."},
        "tables": {"type": "array", "items": FILE, "description": "Own tables, <table>.csv each."},
        "files": {
            **FILE,
            "description": "In place of a plan: a ZIP with the files of an episode (`backtest`).",
        },
        "options": {
            "type": "string",
            "maxLength": LONGEST_OPTIONS,
            "default": "{}",
            "description": "The other fields of the job, as JSON; `kind` is `solve` where none is stated.",
        },
    },
}
UPLOAD = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": SCHEMA}}}}
"""What the API's description says of it."""


@dataclass
class Uploaded:
    """What the form held; files under the names by which they are kept."""

    options: str = "{}"
    label: str = ""
    """The file name of the plan, for people."""
    files: dict[str, bytes] = field(default_factory=dict)


async def uploaded(request: Request) -> AsyncIterator[Uploaded]:
    """The form of a request. Raises ProblemError where it cannot be read, PlanError for its parts."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ProblemError(
            "unsupported", "Send a form with files, with the header `Content-Type: multipart/form-data; boundary=...`."
        )
    try:
        body = await request.body()
    except ClientDisconnect:
        raise ProblemError("malformed", "The body ended early.") from None
    if not ends(
        body, request.headers.get("content-type", "")
    ):  # otherwise a part that was cut off would be missing without a message
        raise _unread("")
    limits = {"max_files": MOST_FILES, "max_fields": MOST_TEXTS, "max_part_size": 4 * LONGEST_OPTIONS}
    try:
        form = await MultiPartParser(request.headers, _pieces(body), **limits).parse()
    except MultiPartException as error:
        raise _unread(error.message) from error
    try:
        yield await _sorted(form.multi_items())
    finally:
        await form.close()


Upload = Annotated[Uploaded, Depends(uploaded)]


def ends(body: bytes, kind: str) -> bool:
    """Whether a form's body ends with the last boundary that its content type states, and nothing comes behind it."""
    stated = Message()
    stated["Content-Type"] = kind
    boundary = str(stated.get_param("boundary", ""))
    return bool(boundary) and body[-len(boundary) - LONGEST_END :].rstrip().endswith(
        f"--{boundary}--".encode("latin-1", "replace")
    )


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    """A body piece by piece: it is taken apart where everybody waits."""
    for begin in range(0, len(body), PART_BYTES):
        yield body[begin : begin + PART_BYTES]
        await asyncio.sleep(0)


def _unread(said: str) -> ProblemError:
    """Why a form could not be read, in words of ours."""
    if "Too many" in said:
        return ProblemError(
            "too-large", f"The form has more than {MOST_FILES} files, or more than {MOST_TEXTS} other parts."
        )
    if "maximum size" in said:
        return ProblemError(
            "too-large", f"A part of the form without a file name has more than {4 * LONGEST_OPTIONS:,} bytes."
        )
    expected = "parts according to RFC 7578, each with a name, between the boundaries stated in `Content-Type`"
    faults = [Fault("form", "", "", "parts that cannot be separated", expected)]
    return ProblemError("malformed", "The form cannot be read.", faults)


async def _sorted(parts: list[tuple[str, Any]]) -> Uploaded:
    """Parts put where they belong. Raises PlanError with every fault."""
    found, faults, seen = Uploaded(), list[Fault](), set[str]()
    for name, part in parts:
        if name not in PARTS:
            expected = f"a known part: {', '.join(PARTS)}{near_miss(name[:100], PARTS)}"
            faults.append(Fault("form", "", place([name]), spelt(name), expected))
        elif name in seen and name != "tables":
            faults.append(Fault("form", "", name, "the part twice", "each part once; `tables` once per table"))
        elif isinstance(part, UploadFile) is (name == "options"):
            found_there = "a file" if name == "options" else "text (a part without a file name)"
            faults.append(Fault("form", "", name, found_there, PARTS[name]))
        elif name == "options":
            faults += _options(found, str(part))
        else:
            faults += await _file(found, name, part)
        seen.add(name)
    if not seen & {"plan", "files"}:
        faults.append(Fault("form", "", "plan", "nothing", PARTS["plan"]))
    if faults:
        raise PlanError(faults[:MOST_FAULTS])
    return found


def _options(found: Uploaded, text: str) -> list[Fault]:
    """Take the options."""
    if len(text) > LONGEST_OPTIONS:
        return [Fault("form", "", "options", f"{len(text):,} characters", f"at most {LONGEST_OPTIONS:,} characters")]
    found.options = text
    return []


async def _file(found: Uploaded, name: str, part: UploadFile) -> list[Fault]:
    """Take a file."""
    content = await part.read()
    if not content and name == "tables" and not part.filename:  # what a browser sends where nothing was chosen
        return []
    if not content:
        return [Fault("form", "", name, f"an empty file {spelt(part.filename or '')}", PARTS[name])]
    try:
        kept = {"plan": kind_of_plan(content), "files": BUNDLE}.get(name) or table_file(part.filename or "")
    except PlanError as error:
        return list(error.faults)
    if kept in found.files:
        return [Fault("form", "", name, f"{spelt(kept.rpartition('/')[2])} twice", "each table once")]
    found.files[kept] = content
    found.label = (part.filename or "")[:100] if name in ("plan", "files") else found.label
    return []
