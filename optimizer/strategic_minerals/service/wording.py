"""Faults of a request in plain words: the place as the caller writes it, what was found and what was expected.

What validates has words for programmers, and names parts of a program; callers know fields, numbers and texts.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic.fields import FieldInfo

from ..core.errors import Fault, MisplacedError, near_miss
from ..schemas.descriptions import expected

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
LONGEST_NAME = 100
"""Characters of a field's name that are told."""


class _Brief(reprlib.Repr):
    """What was found, in a few words, however large it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxstring, self.maxother = 2, 3, 3, 3, 120, 120

    def repr1(self, x: Any, level: int) -> str:
        """JSON's words for what has other words in Python."""
        if x is None or isinstance(x, bool):
            return json.dumps(x)
        return super().repr1(x, level)


def brief(value: Any) -> str:
    """A value in a fault's words."""
    try:
        return _Brief().repr(value)
    except ValueError:  # more digits than Python prints
        return "a number with thousands of digits"


def spelt(name: str) -> str:
    """A name as it was sent; letters that only look like others are told by their numbers."""
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."
    return brief(short) if short.isascii() else ascii(short)


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
            found = "nothing" if kind == "union_tag_not_found" else brief(item["ctx"].get("tag"))
            near = (
                "" if kind == "union_tag_not_found" else near_miss(str(item["ctx"].get("tag"))[:LONGEST_NAME], branches)
            )
            yield Fault(where, "", place([*path, "kind"]), found, f"one of {', '.join(kinds)}{near}")
        elif kind == "extra_forbidden":
            yield Fault(where, "", place(path), spelt(str(path[-1])), no_such(str(path[-1]), known, "field"))
        else:
            found = "nothing" if kind == "missing" else brief(item.get("input"))
            if "webhook" in path[:1] and kind != "missing":  # there may be a secret in it
                found = "a value of another form (not shown)"
            wanted = _expected(item)
            if path == ["plan"] and isinstance(item.get("input"), str):
                wanted = f"{wanted} with the plan's fields; use `plan_toml` for the text of a TOML file"
            told = known[path[0]].description if kind == "missing" and len(path) == 1 and path[0] in known else None
            yield Fault(
                where,
                "",
                place(path),
                found,
                f"{wanted}: {told[0].lower()}{told[1:].rstrip('.')}" if told else wanted,
            )


def no_such(name: str, known: Iterable[str], called: str) -> str:
    """That there is nothing of a name, and which one may have been meant."""
    near = near_miss(name[:LONGEST_NAME], known)
    return f"a known {called}{near}"


def _expected(item: Mapping[str, Any]) -> str:
    """What an error of validation expected."""
    if "UploadFile" in item["msg"]:
        return "a file"
    return FORMS.get(str(item.get("ctx", {}).get("pattern"))) or expected(item)


JOB_ID = r"^[0-9a-f]{32}$"
CURSOR = r"^[0-9]{1,12}(\.[0-9]{1,12})?-[0-9a-f]{32}$"
KEY = r"^[!-~]{1,200}$"
FORMS = {
    JOB_ID: "the identifier of a job: 32 digits and letters a to f",
    f"{JOB_ID}|^$": "the identifier of a job, or nothing",
    CURSOR: "the value of `next` in the previous page",
    KEY: "1 to 200 ASCII letters, digits and punctuation marks, without spaces",
}
"""Pattern -> what has it, in words."""
