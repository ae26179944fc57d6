"""Lines of a TOML text that does not read: their code without comments, the fields that they begin, comments that go on below."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

from .plan_lines import toml_field

KEY = r"[A-Za-z0-9_.\"'-]+"
SETTING = re.compile(rf"\s*(?P<key>{KEY})\s*=(?P<value>.*)")
COLON = re.compile(rf"\s*(?P<key>{KEY})\s*:=?(?:\s+(?P<value>.*)|\s*)")
SPACED_KEY = re.compile(r"\s*(?P<key>[A-Za-z_][\w ]*\w)\s*=\s*(?P<value>\S.*)")
LEAST_PROSE = 3
"""Words before an equals sign from which on they are prose and no name."""


def reads(value: str) -> bool:
    """Whether a text is a value of TOML."""
    try:
        tomllib.loads(f"v = {value}")
    except (ValueError, RecursionError):
        return False
    return True


def opened_at(text: str, number: int) -> int:
    """Line of the field whose value is still open on a line: the last one before it that begins a field."""
    lines = text.split("\n")
    below = range(min(number, len(lines)), 0, -1)
    return next((n for n in below if "=" in lines[n - 1] and SETTING.fullmatch(_code(lines[n - 1]))), number)


def code_of(text: str, number: int) -> str:
    """A line without its comment."""
    return _code(line_at(text, number))


def _code(line: str) -> str:
    if "#" not in line:
        return line
    quote = ""
    for at, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            return line[:at]
    if quote and " #" in line:  # a quotation mark that is not closed hides the comment
        return line[: line.index(" #")]
    return line


def line_at(text: str, number: int) -> str:
    """A line as it stands; empty where there is none of that number."""
    lines = text.split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else ""


def goes_on(text: str, number: int, known: Callable[[str], bool]) -> bool:
    """Whether a line is what its editor has wrapped of the comment above it. known: whether there is a dotted field."""
    before, line = line_at(text, number - 1), line_at(text, number)
    comment = before[len(code_of(text, number - 1)) :].strip("# \t")
    if (
        not comment
        or SETTING.fullmatch(code_of(text, number))
        or not re.match(r"\s*[\w(]", line)
        or in_list(text, number)
    ):
        return False
    spaced, colon = SPACED_KEY.fullmatch(line), COLON.fullmatch(line)
    name = spaced["key"].replace(" ", "_") if spaced else colon["key"] if colon else line.split(None, 1)[0]
    if (known(_field(text, number, name)) and line.strip() != name) or (
        colon and reads((colon["value"] or "").strip())
    ):
        return False
    return not spaced or len(spaced["key"].split()) >= LEAST_PROSE


def in_list(text: str, number: int) -> bool:
    """Whether a list or a table that began above is still open on a line."""
    if SETTING.fullmatch(code_of(text, number)):
        return False
    first = opened_at(text, number - 1)
    setting = SETTING.fullmatch(code_of(text, first))
    value = setting["value"].strip() if setting else ""
    between = "\n".join(map(_code, text.split("\n")[first - 1 : number - 1]))
    return value.startswith(("[", "{")) and not reads(between.partition("=")[2].strip())


def _field(text: str, number: int, name: str) -> str:
    """The dotted field that a name would be if a line set it."""
    return toml_field("\n".join([*text.split("\n")[: number - 1], f"{name} = 0"]), number)
