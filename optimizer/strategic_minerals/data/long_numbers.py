"""Numbers of more digits than Python reads: found in a text, and told without the words of Python."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from itertools import islice
from typing import Any

from ..core.errors import Fault
from ..core.units import LARGEST_NUMBER
from .plan_lines import last_json_name, toml_field
from .plan_places import TextKind

DIGITS = re.compile(r"\d[\d_]{999,}+(?![.eE])")
"""Digits of a long number without a fraction."""
MOST_TRIED = 20
"""Long numbers that are looked at: reading a text anew takes time."""
READERS: dict[TextKind, Callable[[str], Any]] = {"JSON": json.loads, "TOML": tomllib.loads}


def is_too_long(error: Exception) -> bool:
    """Whether a reader of TOML or JSON gave up because of the digits of a number: its own errors are of classes of its own."""
    own = (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeError)
    return isinstance(error, ValueError) and not isinstance(error, own) and "int_max_str_digits" in str(error)


def long_number(file: str, text: str, kind: TextKind) -> Fault:
    """The first number of a text that has more digits than are read. kind: what the text is, and is read as."""
    tried = islice(DIGITS.finditer(text), MOST_TRIED)
    first = next((place for place in tried if _stops_at(text[: place.end()], kind)), None)
    if first is None:
        return Fault(file, "", "", "a number of too many digits", EXPECTED)
    number = text.count("\n", 0, first.start()) + 1
    field = last_json_name(text[: first.start()]) if kind == "JSON" else toml_field(text, number)
    return Fault(file, str(number), field, f"a number of {len(first[0].replace('_', '')):,} digits", EXPECTED)


EXPECTED = f"a number of at most {LARGEST_NUMBER:g}".replace("e+", "e")


def _stops_at(text: str, kind: TextKind) -> bool:
    """Whether reading a text that ends behind some digits gives up because of them: not where they stand in text or a comment."""
    try:
        READERS[kind](text)
    except (ValueError, RecursionError) as error:
        return is_too_long(error)
    return False
