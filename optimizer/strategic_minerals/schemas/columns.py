"""What a column or a field holds beyond its type: its meaning, label, unit and usual range, stated once, where it is declared.

The meaning is the docstring under it, or the description of its type where several tables share the column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from .base import Iso3, Key, NonNegative, Number, Positive, Year

UNITS = {
    "_usd_per_kg": "USD/kg",
    "_usd_per_t": "USD/t",
    "_t_per_yr": "t/yr",
    "_t_per_t": "t/t",
    "_per_yr": "per year",
    "_musd": "million USD",
    "_pct": "%",
    "_share": "share",
    "_yr": "years",
    "_t": "t",
}
"""Ending of a name -> unit, the longest first."""
WORDY_UNITS = {
    "years": "years",
    "months": "months",
    "days": "days",
    "share": "share",
    "probability": "share",
    "rate": "share",
}
"""The same of names that end in a word."""
ENDS = {"_low": "Lower end of the estimate of `{}`.", "_high": "Upper end of the estimate of `{}`."}
"""Ending of the columns of a range -> their meaning."""


@dataclass(frozen=True)
class Column:
    """Part of a column's annotation. Figures outside the usual range are doubted; 0 never is."""

    label: str = ""
    """What it holds, as one says it of one thing: `price`; empty: its name tells."""
    low: float = 0.0
    high: float = math.inf
    """Usual range of its size."""
    unit: str = ""
    """Where its name does not end in it."""

    @property
    def has_range(self) -> bool:
        """Whether some sizes are unusual."""
        return self.low > 0 or self.high < math.inf


UNKNOWN = Column()


def column_of(field: FieldInfo) -> Column:
    """What a field's annotation says of it; a column of defaults where it says nothing."""
    return next(_columns((*field.metadata, field.annotation)), UNKNOWN)


def _columns(parts: Iterable[Any]) -> Iterator[Column]:
    """Those among the parts of an annotation, and within them: `Annotated[float, Column(...)] | None` has one too."""
    for part in parts:
        if isinstance(part, Column):
            yield part
        yield from _columns(get_args(part))


def stem_and_unit(name: str) -> tuple[str, str]:
    """A name without its ending, and the unit that this states, or none: (`cost`, `million USD`) of `cost_musd`."""
    return next(((name.removesuffix(end), unit) for end, unit in UNITS.items() if name.endswith(end)), (name, ""))


def unit_of(name: str, column: Column = UNKNOWN) -> str:
    """Unit of a column or a field; empty where nothing tells."""
    unit = column.unit or stem_and_unit(name)[1]
    return unit or next((unit for end, unit in WORDY_UNITS.items() if name.endswith(end)), "")


def meaning(model: type[BaseModel], column: str) -> str:
    """Meaning of a column of a table; empty if its name must suffice."""
    for end, words in ENDS.items():
        if column.endswith(end) and column.removesuffix(end) in model.model_fields:
            return words.format(column.removesuffix(end))
    return model.model_fields[column].description or ""


# --- columns that several tables have ------------------------------------------------------------------------------

PREMIUM = Column("premium over the market price", 0.005, 0.95)
KAPPA = Column("supply left in a crisis for users without a contract", 0.03, unit="share")
RESTART = Column("time to restart after a shutdown", 0.1, 8)
CAPACITY = Column("capacity")
FLOOR, FLOOR_END = Column("guaranteed price"), Column("last year of the guaranteed price")
PRICE = Column("price")
UPSIDE = Column("share of high prices that is paid back", 0.02)
TAKE = Column("quantity under contract")
MONTH = Column(low=0.2, high=240, unit="months")
RATE = Column("how often it occurs", 0.005, 2)
DURATION = Column("duration", 0.05, 8)
CUT = Column("supply cut", 0.05)
DEARER = Column("price during the disruption, as a multiple of the usual one", 1, 25)
FLOOD = Column("time of low prices before the disruption", 0.1, 4)
CHEAPER = Column("price in that time, as a multiple of the usual one", 0.05, 3)
THIRD_CUT = Column("supply cut of third countries", 0.01)
SURGE = Column(low=0.05, high=8)
ELEMENTS = Column(low=0.02)
AFTER = Column("probability that another disruption follows", 0.01)
LAG = Column("time until another disruption follows", 0.02, 1.5)
"""The record of hazards has lengths of 0.3 to 6.9 years, cuts of 0.3 to 1, prices of 1.1 to 22.5 times."""

MATERIAL = Field(description="Material: a commodity at one stage of the value chain, from `materials`.")
SEGMENT = Field(description="User segment: defence, essential civilian use, and so on.")
COUNTRY = Field(description="Three-letter ISO 3166 code, from `countries`.")
Material = Annotated[Key, MATERIAL]
MaterialName = Annotated[str, MATERIAL]
Segment = Annotated[Key, SEGMENT]
SegmentName = Annotated[str, SEGMENT]
Country = Annotated[Iso3, COUNTRY]
CountryName = Annotated[str, COUNTRY]
Mineral = Annotated[Key, Field(description="Mineral to which it belongs.")]
Name = Annotated[str, Field(description="Name for people.")]
Activity = Annotated[Key, Field(description="Name of an existing producer; other tables refer to it.")]
Project = Annotated[Key, Field(description="Name of a project; other tables refer to it.")]
Hazard = Annotated[Key, Field(description="Name of a hazard.")]
Instrument = Annotated[Key, Field(description="Capital instrument, from `instruments`.")]
Agreement = Annotated[Key, Field(description="Name of the agreement.")]
Record = Annotated[Key, Field(description="Name of the row.")]
Stage = Annotated[str, Field(description="Stage of the value chain of its product.")]
Basis = Annotated[str, Field(description="What one tonne consists of.")]
Form = Annotated[str, Field(description="Form in which it is traded.")]
Metric = Annotated[str, Field(description="What was measured.")]
Unit = Annotated[str, Field(description="Unit of the value.")]
Low = Annotated[Number | None, Field(description="Lower end.")]
Central = Annotated[Number | None, Field(description="Middle.")]
High = Annotated[Number | None, Field(description="Upper end.")]
Premium = Annotated[
    float,
    Field(ge=-0.9, le=10, description="Premium on the material's base price; 0.1 is 10 % more."),
    PREMIUM,
]
FloorPrice = Annotated[Positive | None, FLOOR, Field(description="Price guaranteed by the floor.")]
Depth = Annotated[
    NonNegative, Column("largest quantity on offer"), Field(description="Largest quantity that the offer sells.")
]
PriceYear = Annotated[Year, Column("year of the price level"), Field(description="Year of the price level.")]
MoneyYear = Annotated[
    Year | None,
    Column("year of the price level"),
    Field(
        description="Price level (year) of the row's money, converted to the plan's price year; empty: that of the plan."
    ),
]
FromYear = Annotated[
    Year,
    Column("first year"),
    Field(
        description="First year for which the row applies; a series keeps its last value, and years before its first row take "
        "that row's value."
    ),
]
