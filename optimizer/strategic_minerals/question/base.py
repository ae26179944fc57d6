"""Base classes of rows and plans: closed frozen records, checked scalar types, provenance of each value."""

import datetime as dt
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

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
from pydantic.fields import FieldInfo

from ..core.errors import CONTROL, MisplacedError, shown
from ..core.stats import LARGEST_NUMBER

K = TypeVar("K")
V = TypeVar("V")

USA = "USA"
"""The home of plans that name none."""
KEY_OR_ALL = r"^(\*|[A-Za-z0-9][A-Za-z0-9_.+-]*)$"
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


def _iso_day(value: Any) -> Any:
    """Text is a date only as year-month-day, between the years of tables: digits alone would be read as seconds."""
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, int | float) or (
        isinstance(text, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, flags=re.ASCII)
    ):
        raise ValueError("a date such as 2026-11-25")
    return text


def _recent(day: dt.date) -> dt.date:
    if not 1900 <= day.year <= 2200:
        raise ValueError("a date from 1900 to 2200")
    return day


Names = Annotated[str, BeforeValidator(spaced)]
"""Names in one cell, separated by spaces or commas."""
Day = Annotated[dt.date, BeforeValidator(_iso_day), AfterValidator(_recent)]


class Section(BaseModel):
    """Base of all parts of a plan: closed, frozen, no NaN, described by their docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _typed(cls, value: Any, info: ValidationInfo) -> Any:
        """Check the types of a plan file: no text for a number, no number for true or false, and no true or false for a number."""
        kinds = scalar_types(cls.model_fields[str(info.field_name)].annotation)
        kinds |= {int, float} if kinds & {int, float} else set()
        wrong_parts = list[tuple[str, str, str]]()
        for part, scalar in _scalars(value):
            if type(scalar) in WORDS.keys() - kinds and kinds and kinds <= WORDS.keys():
                wanted = " or ".join(sorted({WORDS[kind] for kind in kinds})) + f", not {WORDS[type(scalar)]}"
                if not part:
                    raise ValueError(wanted)
                wrong_parts.append((part, shown(scalar), wanted))
            if isinstance(scalar, int) and scalar.bit_length() > MOST_BITS:
                raise ValueError(f"a number of at most {LARGEST_NUMBER:.0e}".replace("e+", "e"))
            if isinstance(scalar, str) and CONTROL.search(scalar):
                raise ValueError("text without control characters")
        if wrong_parts:
            raise MisplacedError(*wrong_parts)
        return value


MOST_BITS = 1000
"""Bits of a whole number that a decimal number can hold."""
WORDS = {int: "a number", float: "a number", bool: "true or false", str: "text"}


def scalar_types(annotation: Any) -> set[type]:
    """Scalar types that an annotation lets through, inside lists and table values too."""
    if get_origin(annotation) is Literal:
        return {type(choice) for choice in get_args(annotation)}
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return scalar_types(arguments[1])
    if arguments:
        inner = (scalar_types(argument) for argument in arguments if argument not in (type(None), Ellipsis))
        return set[type]().union(*inner)
    return {annotation} if isinstance(annotation, type) else set()


def _scalars(value: Any) -> list[tuple[str, Any]]:
    """The scalars of a value, of a list, or of a table of scalars, there with their names."""
    if not isinstance(value, dict | list | tuple):
        return [("", value)]
    parts = value.items() if isinstance(value, dict) else [("", part) for part in value]
    return [(str(name), part) for name, part in parts if not isinstance(part, dict | list)]


class Row(BaseModel):
    """Base of all rows: no unknown columns, no NaN or infinity, provenance beside the value."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
    key: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, *, key: str = "", ranged: str = "", **config: Any) -> None:
        """A table. key: columns that name a row; ranged: columns `x` with the ends of a range beside them, `x_low` and `x_high`."""
        super().__init_subclass__(**config)
        if key:
            cls.key = tuple(key.split())
        columns: dict[str, Any] = {}
        for name, annotation in cls.__annotations__.items():
            ends = (f"{name}_low", f"{name}_high") if name in ranged.split() else ()
            columns |= {name: annotation, **dict.fromkeys(ends, "float | None")}
            for end in ends:
                setattr(cls, end, None)
        cls.__annotations__ = columns

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


def grouped(rows: Iterable[Any], *columns: str) -> defaultdict[Any, list[Any]]:
    """Rows by what they have in a column, or by the tuple of it in several, in order."""
    return gathered((attrgetter(*columns)(row), row) for row in rows)


def gathered(pairs: Iterable[tuple[K, V]]) -> defaultdict[K, list[V]]:
    """Values by key, each key's in order."""
    found = defaultdict[K, list[V]](list)
    for key, value in pairs:
        found[key].append(value)
    return found


# What a column or a field holds beyond its type: its meaning, label, unit and usual range, stated once, where it is declared.
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
WORDY_UNITS = {name: name for name in ("years", "months", "days", "share")} | {"probability": "share", "rate": "share"}
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
    float, Field(ge=-0.9, le=10, description="Premium on the material's base price; 0.1 is 10 % more."), PREMIUM
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


# Words for people: what a field of a plan means.
def field_meaning(model: type[BaseModel], field: str) -> str:
    """What a dotted field of a plan means: the description that its schema gives; empty where it has none."""
    return " ".join(
        next((str(node["description"]) for node in _nodes_at(model, field) if "description" in node), "").split()
    )


def list_at(model: type[BaseModel], field: str) -> str:
    """Kind of the entries where a dotted field is a list of plain values, e.g. `string` or `number`; empty where it is none."""
    return next((str(node["items"].get("type", "")) for node in _choices_at(model, field) if "items" in node), "")


def kinds_at(model: type[BaseModel], field: str) -> frozenset[str]:
    """Kinds of JSON that a dotted field may have, e.g. `string`, `number`, `null`; empty where there is no such field."""
    return frozenset(str(node["type"]) for node in _choices_at(model, field) if "type" in node)


def choices_at(model: type[BaseModel], field: str) -> list[str]:
    """What a dotted field may be where it is one of few, e.g. `low`, `central`, `high`; empty where it is not."""
    nodes = _choices_at(model, field)
    truth = ["true", "false"] if any(node.get("type") == "boolean" for node in nodes) else []
    return truth or [str(choice) for node in nodes for choice in node.get("enum", ())]


def fields_at(model: type[BaseModel], field: str) -> list[str]:
    """Names of the fields of a dotted section, or of an entry of a list of sections; empty where it is neither."""
    return list(dict.fromkeys(name for node in _choices_at(model, field) for name in node.get("properties", ())))


def _choices_at(model: type[BaseModel], field: str) -> list[Any]:
    """The nodes of a schema that a dotted field may be, behind references and choices."""
    return [choice for node in _nodes_at(model, field) for choice in _choices(node, _schema(model))]


@lru_cache(maxsize=1024)  # callers choose the key
def _nodes_at(model: type[BaseModel], field: str) -> list[Any]:
    """The nodes of a schema at a dotted field, as they are written; the whole schema for no field."""
    schema = _schema(model)
    nodes = [schema]
    for part in field.split(".") if field else ():
        around = [choice for node in nodes for choice in _choices(node, schema)]
        nodes = [child for node in around if (child := _child(node, part)) is not None]
    return nodes


def _child(node: Any, part: str) -> Any:
    """What the schema of a node says of one of its parts; None: nothing."""
    if part.isdigit() and "items" in node:
        return node["items"]
    other = next(iter(node.get("patternProperties", {}).values()), node.get("additionalProperties"))
    return node.get("properties", {}).get(part, other if isinstance(other, dict) else None)


def _choices(node: Any, schema: Mapping[str, Any]) -> list[Any]:
    """A schema's node as the nodes behind its references and choices."""
    if "$ref" in node:
        return _choices(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    options = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    return [found for option in options for found in _choices(option, schema)] if options else [node]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()
