"""What all rows and plans are made of: closed frozen records, checked scalar types, provenance beside each value."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .units import LARGEST_NUMBER

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=80)]
Iso3 = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Confidence = Literal["reported", "derived", "estimate"]
Number = Annotated[float, Field(gt=-LARGEST_NUMBER, lt=LARGEST_NUMBER)]
NonNegative = Annotated[float, Field(ge=0, lt=LARGEST_NUMBER)]
Positive = Annotated[float, Field(gt=0, lt=LARGEST_NUMBER)]
Share = Annotated[float, Field(ge=0, le=1)]
Year = Annotated[int, Field(ge=1900, le=2200)]


class Row(BaseModel):
    """Base of all rows: no unknown columns, no NaN or infinity, provenance beside the value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
    key: ClassVar[tuple[str, ...]]

    source: str = ""
    """Where the figure was read: publication, chapter, site and date."""
    year: Year | None = None
    """Year the figure stands for."""
    confidence: Confidence = "estimate"
    """`reported`: a source prints it; `derived`: computed from reported figures; `estimate`: assumed, and why."""
    note: str = ""
    """Arithmetic, basis and reasons."""


def key_of(row: Any) -> str:
    """The key of a row as text, parts joined by slashes."""
    return "/".join(str(getattr(row, name)) for name in type(row).key)
