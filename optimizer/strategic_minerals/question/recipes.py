"""Recipes: how a figure of a table follows from other figures, as the note of its row states it.

`depth_t_per_yr = offer_depth(minerals[gallium].world_production_t, minerals[gallium].consumption_t, 1)` says that the depth, its
low and its high are what the function `offer_depth` makes of two figures of `minerals` and of a number. `stale` finds figures that
no longer follow from their facts."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from . import estimates
from .base import key_of
from .dataset import Dataset
from .estimates import Estimate
from .tables import TABLES

CALL = re.compile(r"(?<!\w)(\w{1,80}) = (-?)([a-z]\w{0,80})\(([^()]{0,4000})\)")
REFERENCE = re.compile(r"(\w+)\[([^\]]+)\]\.(\w+)")
SAME = 1e-4
"""Relative difference up to which a figure follows: tables hold five digits."""
DIGITS = 5
"""Digits of a figure in a table."""
MOST_ARGUMENTS = 28
LARGEST_ARGUMENT = 1e12
"""Beyond it a number of a note is no figure of a table."""
ABSENT = " is not there"
"""What is reported of a figure that has no row or an empty cell."""

FUNCTIONS: Mapping[str, Any] = MappingProxyType(
    {
        name: value
        for name, value in vars(estimates).items()
        if getattr(value, "__module__", "") == estimates.__name__ and callable(value) and not name.startswith("_")
    }
)
"""Functions that a recipe may name, by name."""


@dataclass(frozen=True)
class Recipe:
    """One figure of a row as its note states it."""

    table: str
    key: str
    column: str
    sign: int
    function: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'-' if self.sign < 0 else ''}{self.function}({', '.join(self.arguments)})"

    @property
    def references(self) -> tuple[tuple[str, str, str], ...]:
        """(table, key, column) of the figures that it uses."""
        found = (REFERENCE.fullmatch(argument) for argument in self.arguments)
        return tuple((match[1], match[2], match[3]) for match in found if match)


@dataclass(frozen=True)
class Stale:
    """A figure that does not follow from its facts."""

    recipe: Recipe
    stands: tuple[float | None, float | None, float | None]
    """Low, value, high in the table."""
    follows: Estimate | None
    """What the recipe gives; None where it cannot be worked out."""
    why: str
    """Why it cannot; empty where it can."""


Rows = Mapping[tuple[str, str], Any]
"""Row by table and key."""


def _figure(rows: Rows, table: str, key: str, column: str) -> float:
    """A number of a table. Raises LookupError with what is not there."""
    value = getattr(rows.get((table, key)), column, None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LookupError(f"{table}[{key}].{column}{ABSENT}")
    return float(value)


def _value(rows: Rows, recipe: Recipe) -> Estimate:
    """What a recipe gives. Raises LookupError with what is not there, ValueError where the function has no value."""
    given: list[float | str] = []
    for argument in recipe.arguments:
        match = REFERENCE.fullmatch(argument)
        given.append(_figure(rows, match[1], match[2], match[3]) if match else _number_or_word(argument))
    if any(isinstance(each, float) and abs(each) > LARGEST_ARGUMENT for each in given):
        raise ValueError(f"{recipe.function} is given a number beyond {LARGEST_ARGUMENT:g}")
    try:
        found = FUNCTIONS[recipe.function](*given)
    except (ArithmeticError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{recipe.function} has no value for these figures") from error
    if not isinstance(found, Estimate) or not all(map(math.isfinite, (found.low, found.central, found.high))):
        raise ValueError(f"{recipe.function} has no value for these figures")
    return Estimate(-found.high, -found.central, -found.low) if recipe.sign < 0 else found


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def recipes_of(table: str, row: Any) -> Iterator[Recipe]:
    """Those that a row's note states for columns of its table, of functions that there are."""
    fields = TABLES[table].model_fields
    for column, sign, function, arguments in CALL.findall(row.note) if "(" in row.note else ():
        parts = tuple(part.strip() for part in arguments.split(","))
        value = getattr(row, column) if column in fields else None
        counts = isinstance(value, int | float) and not isinstance(value, bool)
        if counts and function in FUNCTIONS and len(parts) <= MOST_ARGUMENTS:
            yield Recipe(table, key_of(row), column, -1 if sign else 1, function, parts)


def recipes(data: Dataset) -> Iterator[Recipe]:
    """Of all rows of all tables."""
    for table in data.tables:
        for row in data.rows(table):
            yield from recipes_of(table, row)


def stale(data: Dataset) -> list[Stale]:
    """Figures that do not follow from their facts by more than rounding, and those whose facts are gone."""
    rows, found = {(table, key_of(row)): row for table in data.tables for row in data.rows(table)}, list[Stale]()
    for recipe in recipes(data):
        row = rows[recipe.table, recipe.key]
        low, high = (getattr(row, f"{recipe.column}_{end}", None) for end in ("low", "high"))
        stands = low, getattr(row, recipe.column), high
        try:
            follows = _value(rows, recipe)
        except (LookupError, ValueError) as error:
            found.append(Stale(recipe, stands, None, str(error)))
            continue
        wanted = (follows.low, follows.central, follows.high)
        most = SAME * max(map(abs, wanted)) + 1e-12
        if any(one is not None and abs(one - other) > most for one, other in zip(stands, wanted, strict=True)):
            found.append(Stale(recipe, stands, follows, ""))
    return found


def gone(data: Dataset, every: Sequence[Stale]) -> list[Stale]:
    """Figures that cannot be worked out any more, as a fact of theirs is empty or has no row. A table that is not there at all is
    not missed: tables of one's own may do without facts."""
    lost = [one for one in every if one.why.endswith(ABSENT)]
    return [one for one in lost if all(data.tables.get(table) for table, _, _ in one.recipe.references)]


def without_recipes(note: str, columns: Collection[str]) -> str:
    """A note without the recipes of some columns."""
    return CALL.sub(lambda found: "" if found[1] in columns else found[0], note).strip(" ;")


def outdated(data: Dataset) -> list[str]:
    """Notes on figures that no longer follow from their facts, and on those whose facts are gone; empty where all follow."""
    every, notes = stale(data), list[str]()
    lost = gone(data, every)
    if lost:
        which = f"{lost[0].recipe.table}.csv {lost[0].recipe.key} {lost[0].recipe.column}"
        many = f"{len(lost):,} estimates" if len(lost) > 1 else "an estimate"
        notes.append(f"{many} cannot be worked out any more and stand as they were: {which}, for {lost[0].why}")
    found = [(one, one.follows) for one in every if one.follows is not None]
    if found:
        first, follows = found[0]
        was = "empty" if first.stands[1] is None else f"{first.stands[1]:,g}"
        which = f"{first.recipe.table}.csv {first.recipe.key} {first.recipe.column} is {was}"
        many = f"{len(found):,} estimates no longer follow" if len(found) > 1 else "an estimate no longer follows"
        now = f"{first.recipe} is now {rounded(follows.central):,g}"
        notes.append(f"{many} from the figures that their notes name: {which}, and {now}")
    return notes


def rounded(value: float) -> float:
    """A figure as tables hold it."""
    return float(f"{value:.{DIGITS}g}")
