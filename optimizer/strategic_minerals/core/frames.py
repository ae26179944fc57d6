"""Arrays and tables: kinds by what they hold, whether two hold the same, HTML."""

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Ints = NDArray[np.integer[Any]]


Bools = NDArray[np.bool_]


def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same, arrays and dataclasses entry by entry; what is not a number equals itself."""
    if a is b:
        return True
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if is_dataclass(a):
        return type(a) is type(b) and all(equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b)


INF = float("inf")


# Data frames that come back as they went: the kind of each column is stated, never guessed from its values.
MOST_NOTEBOOK_ROWS = 60
KINDS = {"boolean": "bool", "integer": "int64", "number": "float64", "text": "object", "mixed": "object"}
MIXED = ("mixed", "mixed-integer")
"""What pandas calls numbers among text, and other things among others."""


def kinds_of(frame: pd.DataFrame) -> dict[str, str]:
    """Column -> boolean, integer, number, text, or mixed: text and numbers, of which no text reads as a number."""
    found = {}
    for column in frame.columns:
        dtype = frame[column].dtype
        if pd.api.types.is_bool_dtype(dtype) and not frame[column].isna().any():
            found[str(column)] = "boolean"
        elif pd.api.types.is_integer_dtype(dtype) and not frame[column].isna().any():
            found[str(column)] = "integer"
        elif pd.api.types.is_numeric_dtype(dtype):
            found[str(column)] = "number"
        else:
            found[str(column)] = "mixed" if _is_mixed(frame[column]) else "text"
    return found


def _is_mixed(values: pd.Series) -> bool:
    """Whether a column holds numbers beside text that nobody could take for one."""
    if pd.api.types.infer_dtype(values, skipna=True) not in MIXED:
        return False
    given = [value for value in values if not is_missing(value)]
    plain = all(isinstance(v, str | int | float | np.number) and not isinstance(v, bool) for v in given)
    return plain and all(isinstance(_number_or_text(v), str) for v in given if isinstance(v, str))


def whole(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy whose text columns hold text alone: an empty string where there is none."""
    kinds = kinds_of(frame)
    return typed(frame, kinds)


def in_form(frame: pd.DataFrame) -> pd.DataFrame:
    """A table as it comes back from a file: rows counted from 0, every column of a kind. What has none stays: numbers among text
    that reads as numbers, yes or no with gaps, and a table whose columns are not named apart by text."""
    found = frame.reset_index(drop=True).infer_objects()
    if not found.columns.is_unique or not all(isinstance(column, str) for column in found.columns):
        return found
    for column in found.columns[[not isinstance(dtype, np.dtype) or dtype.kind == "O" for dtype in found.dtypes]]:
        kinds = kinds_of(found[[column]])
        if kinds[column] != "text" or pd.api.types.infer_dtype(found[column], skipna=True) in ("string", "empty"):
            found[column] = typed(found[[column]], kinds)[column]
    return found


def named(names: Sequence[str], at: Any) -> pd.Series:
    """The name at each position, as text that shares one object a name: in millions of rows a copy each takes most of the room."""
    return pd.Series(np.array(names, dtype=object)[at], dtype=object)


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows as named tuples. Of what kind each value is, the columns were stated to be where the frame was made (`typed`)."""
    return frame.itertuples()


def typed(frame: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """A copy with every column in its stated kind; missing text is an empty string, a missing number NaN."""
    columns: dict[str, Any] = {}
    for name, kind in kinds.items():
        values = frame[name]
        alone = kind != "mixed" and values.dtype == KINDS[kind]  # nothing to look at cell by cell
        if alone and (kind != "text" or pd.api.types.infer_dtype(values, skipna=False) == "string"):
            columns[name] = pd.Series(values.to_numpy(), dtype=KINDS[kind])
        elif isinstance(values.dtype, pd.StringDtype) and kind == "text":
            columns[name] = pd.Series(values.fillna("").to_numpy(dtype=object), dtype=object)
        elif kind == "text":
            columns[name] = pd.Series(["" if is_missing(v) else str(v) for v in values], dtype=object)
        elif kind == "mixed":
            columns[name] = pd.Series([_number_or_text(v) for v in values], dtype=object)
        elif kind == "boolean":
            columns[name] = pd.Series([str(v).lower() in ("true", "1") for v in values], dtype=bool)
        else:
            numbers = [np.nan if is_missing(v) or v == "" else float(v) for v in values]
            columns[name] = pd.Series(numbers, dtype="float64").astype(np.dtype(KINDS[kind]))
    return pd.DataFrame(columns, columns=list(kinds))


def _number_or_text(value: Any) -> float | str | None:
    """A cell of a mixed column: a number where it reads as one, None where it is empty."""
    if is_missing(value) or value == "":
        return None
    try:
        return float(value)
    except ValueError:
        return str(value)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON-ready dictionaries: missing values and numbers that are not finite are None, dates ISO text."""
    return [
        {str(name): _plain(value) for name, value in zip(frame.columns, values, strict=True)}
        for values in frame.itertuples(index=False, name=None)
    ]


def notebook_html(text: str, frames: Mapping[str, pd.DataFrame]) -> str:
    """Words and tables as notebooks show them: names from tables stay text."""
    shown = [f"<p>{html.escape(text.splitlines()[0])}</p>"] if text else []
    for title, frame in frames.items():
        if len(frame):
            rows = frame.head(MOST_NOTEBOOK_ROWS).to_html(
                index=False, float_format="{:,.4g}".format, border=0, escape=True
            )
            shown.append(f"<h4>{html.escape(title)}</h4>{rows}")
    return "".join([*shown, f"<details><summary>All in words</summary><pre>{html.escape(text)}</pre></details>"])


def plainly(value: Any) -> Any:
    """Nested data as JSON takes it: plain numbers, None where one is missing or not finite, lists for tuples."""
    if isinstance(value, Mapping):
        return {str(key): plainly(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plainly(inner) for inner in value]
    return _plain(value)


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing."""
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value)


def _plain(value: Any) -> Any:
    if is_missing(value):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


class Fixed(dict[str, Any]):
    """A dictionary that nobody can change. It pickles and becomes JSON as any does; `dict(...)` is a copy to work with."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this is what was found, and it stays: change a copy, dict(...)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return Fixed, (dict(self),)


COPY_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3
"""Whether a copy of a frame costs nothing until it is written to."""


class Frames(Mapping[str, pd.DataFrame]):
    """Tables by name; each that is asked for is a copy, which costs nothing until it is written to (copy on write)."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables: dict[str, pd.DataFrame] = dict(tables._tables if isinstance(tables, Frames) else tables)

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self._tables[name].copy(deep=not COPY_ON_WRITE)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frames) or self._tables.keys() != other._tables.keys():
            return False
        return all(table.equals(other._tables[name]) for name, table in self._tables.items())

    __hash__ = None  # type: ignore[assignment]
