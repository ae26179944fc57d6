"""Base classes of rows and plans: closed frozen records, checked scalar types, provenance of each value."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from ..core.errors import CONTROL
from ..core.units import LARGEST_NUMBER

USA = "USA"
"""The home of plans that name none."""
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=80)]
Iso3 = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Confidence = Literal["reported", "derived", "estimate"]
Number = Annotated[float, Field(gt=-LARGEST_NUMBER, lt=LARGEST_NUMBER)]
NonNegative = Annotated[float, Field(ge=0, lt=LARGEST_NUMBER)]
Positive = Annotated[float, Field(gt=0, lt=LARGEST_NUMBER)]
Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Year = Annotated[int, Field(ge=1900, le=2200)]
Years = Annotated[float, Field(ge=0, le=1000)]
PositiveYears = Annotated[float, Field(gt=0, le=1000)]


def spaced(value: Any) -> Any:
    """Names in one text, separated by single spaces; commas and semicolons separate as well."""
    return " ".join(re.split(r"[\s,;]+", value)).strip() if isinstance(value, str) else value


def parse_multipliers(text: str) -> dict[str, float]:
    """`defence=1.5 other=0.8` -> {"defence": 1.5, "other": 0.8}. ValueError where it is not of that form, names a segment twice,
    or has a factor that is negative, not finite or beyond all numbers of the tables."""
    found: dict[str, float] = {}
    for part in text.split():
        segment, sign, factor = part.partition("=")
        if not sign or not segment or not re.fullmatch(r"[0-9.eE+-]+", factor):
            raise ValueError(f"pairs like `defence=1.5 other=0.8`, not {part[:40]!r}")
        if segment in found:
            raise ValueError(f"each segment once: {segment[:40]!r} occurs twice")
        value = float(factor)
        if not (math.isfinite(value) and 0 <= value < LARGEST_NUMBER):
            raise ValueError(f"factors from 0 to less than {LARGEST_NUMBER:g}, not {part[:40]!r}")
        found[segment] = value
    return found


def _multipliers(text: str) -> str:
    parse_multipliers(text)
    return text


def _closed_up(value: Any) -> Any:
    """Factors with spaces around the equals sign are pairs all the same."""
    return re.sub(r"\s*=\s*", "=", spaced(value)) if isinstance(value, str) else value


def _iso_day(value: Any) -> Any:
    """Text is a date only as year-month-day, between the years of tables: digits alone would be read as seconds."""
    if isinstance(value, str):
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip(), flags=re.ASCII):
            raise ValueError("a date such as 2026-11-25")
        return value.strip()
    if isinstance(value, bool | int | float):
        raise ValueError("a date such as 2026-11-25")
    return value


def _recent(day: dt.date) -> dt.date:
    if not 1900 <= day.year <= 2200:
        raise ValueError("a date from 1900 to 2200")
    return day


Names = Annotated[str, BeforeValidator(spaced)]
"""Names in one cell, separated by spaces or commas."""
Multipliers = Annotated[str, BeforeValidator(_closed_up), AfterValidator(_multipliers)]
"""Factors by segment in one cell."""
Day = Annotated[dt.date, BeforeValidator(_iso_day), AfterValidator(_recent)]


class Section(BaseModel):
    """Base of all parts of a plan: closed, frozen, no NaN, described by their docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        """Check the types of a plan file: no text for a number, no number for true or false, and no true or false for a number."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        for scalar in _scalars(value):
            number = isinstance(scalar, int | float) and not isinstance(scalar, bool)
            wrong = (
                (isinstance(scalar, str) and str not in kinds)
                or (isinstance(scalar, bool) and bool not in kinds)
                or (number and not kinds & {int, float})
            )
            if wrong and kinds and kinds <= {int, float, bool, str}:
                wanted = " or ".join(sorted({WORDS[kind] for kind in kinds}))
                raise ValueError(f"{wanted}, not {WORDS[type(scalar)]}")
            if isinstance(scalar, int) and scalar.bit_length() > MOST_BITS:
                raise ValueError(f"a number of at most {LARGEST_NUMBER:.0e}".replace("e+", "e"))
            if isinstance(scalar, str) and CONTROL.search(scalar):
                raise ValueError("text without control characters")
        return value


MOST_BITS = 1000
"""Bits of a whole number that a decimal number can hold."""
WORDS = {int: "a number", float: "a number", bool: "true or false", str: "text"}


def _kinds(annotation: Any) -> set[type]:
    """Scalar types that an annotation lets through, inside lists and table values too."""
    if get_origin(annotation) is Literal:
        return {type(choice) for choice in get_args(annotation)}
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return _kinds(arguments[1])
    if arguments:
        return set[type]().union(
            *(_kinds(argument) for argument in arguments if argument not in (type(None), Ellipsis))
        )
    return {annotation} if isinstance(annotation, type) else set()


def _scalars(value: Any) -> list[Any]:
    """The scalars of a value, of a list, or of a table of scalars."""
    if isinstance(value, dict):
        return [v for v in value.values() if not isinstance(v, dict | list)]
    if isinstance(value, list | tuple):
        return [v for v in value if not isinstance(v, dict | list)]
    return [value]


class Row(BaseModel):
    """Base of all rows: no unknown columns, no NaN or infinity, provenance beside the value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
    key: ClassVar[tuple[str, ...]]

    source: str = ""
    """Source of the figure: publication, chapter, web site and date."""
    year: Year | None = None
    """Year to which the figure refers."""
    confidence: Confidence = "estimate"
    """`reported`: published by the source; `derived`: computed from reported figures; `estimate`: assumed."""
    note: str = ""
    """Calculation, basis and reasons."""


def key_of(row: Any) -> str:
    """The key of a row as text, parts joined by slashes."""
    return "/".join(str(getattr(row, name)) for name in type(row).key)
