"""What readers call the things of the tables: the one place where codes become names."""

from __future__ import annotations

import math
import re
import types
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from ..core.errors import Fault, PlanError, expected, gathering, near_miss
from ..core.formats import digits
from .base import Column, Row, column_of, key_of, stem_and_unit
from .dataset import Dataset
from .plan import Plan
from .read_toml import counted, parse_plan, put
from .tables import TABLES

# Addresses of what a sensitivity study varies: a field of the plan, or cells of a table.
CELL = re.compile(r"^(?P<table>[a-z_]+)\[(?P<key>[^\]]+)\]\.(?P<column>[a-z0-9_]+)$")


@dataclass(frozen=True)
class Axis:
    """One address, read."""

    address: str
    path: str
    """Dotted field of the plan; empty for cells."""
    table: str
    key: str
    column: str
    factor: bool
    """The value multiplies."""


@lru_cache(maxsize=1024)  # callers choose the key
def read_axis(address: str) -> Axis:
    """An address as an axis. Raises PlanError where it is not an address."""
    text = address.strip()
    if not text:
        raise _refused(address, "nothing", "a field of the plan, or table[key].column")
    factor = text.endswith("*")
    text = text.removesuffix("*").rstrip()
    if "[" not in text and text.partition(".")[0] not in TABLES.keys() - Plan.model_fields.keys():
        return Axis(address, text, "", "", "", factor)
    found = CELL.match(text)
    if found is None:
        raise _refused(address, "not an address", "table[key].column, e.g. stock[gallium].opening_t")
    table, key, column = found["table"], found["key"], found["column"]
    if table not in TABLES:
        raise _refused(address, f"'{table}'", "a whole table" + near_miss(table, TABLES))
    columns = TABLES[table].model_fields
    if column not in columns or column in TABLES[table].key:
        expected = f"a column of {table} that is not part of the key" + near_miss(column, columns)
        raise _refused(address, f"'{column}'", expected)
    return Axis(address, "", table, key, column, factor)


def _refused(address: str, found: str, expected: str, row: str = "") -> PlanError:
    return PlanError([Fault("axis", row, address, found, expected)])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def edited(plan: Plan, data: Dataset, changes: Mapping[str, Any]) -> tuple[Plan, Dataset]:
    """Plan and tables with values put at addresses. Raises PlanError with every fault; the two given stay as they are."""
    faults: list[Fault] = []
    content: Any = None
    tables = dict(data.tables)
    for address, value in changes.items():
        axis = read_axis(address)
        with gathering(faults):
            if axis.path:
                content = plan.to_toml_like() if content is None else content
                for path in _paths(content, axis.path):
                    put(content, path, _moved(axis, _at(content, path), value), "axis")
            else:
                tables[axis.table] = _cells(axis, tables.get(axis.table, ()), value)
    if faults:
        raise PlanError(faults)
    if content is not None:
        plan = parse_plan(content, file="axis")
    return plan, Dataset(types.MappingProxyType(tables), data.name)


def meant(plan: Plan, data: Dataset, address: str) -> list[str]:
    """Every field of the plan or cell of a table that an address means, a dotted path each."""
    axis = read_axis(address)
    if axis.path:
        return _paths(plan.to_toml_like(), axis.path)
    rows = data.tables.get(axis.table, ())
    return [
        f"{axis.table}[{key}]/{axis.column}".replace(".", "/") for key in _hits(axis, [key_of(row) for row in rows])
    ]


def _paths(content: Any, path: str) -> list[str]:
    """The path, or one for each entry of the list that a star stands for. Raises PlanError where the list has none."""
    before, star, after = path.partition(".*.")
    if not star:
        return [path]
    entries = _at(content, before)
    if not isinstance(entries, list) or not entries:
        raise _refused(path, f"no entries of '{before}'", "a list of the plan that has some")
    return [one for n in range(len(entries)) for one in _paths(content, f"{before}.{n}.{after}")]


def _at(content: Any, path: str) -> Any:
    """The value at a dotted path; None if there is none."""
    for part in path.split("."):
        try:
            content = content[counted(part)] if isinstance(content, list) else content[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return content


def _moved(axis: Axis, old: Any, value: Any) -> Any:
    """The value to put: given, or what is there times it (every entry of a list or of a series by year)."""
    if not axis.factor:
        return value
    if not _is_number(value) or not math.isfinite(value):
        raise _refused(axis.address, repr(value), "a factor")
    if isinstance(old, Mapping):
        return {key: _moved(axis, entry, value) for key, entry in old.items()}
    if isinstance(old, list | tuple):
        return [_moved(axis, entry, value) for entry in old]
    if not _is_number(old):
        raise _refused(axis.address, repr(old), "a number to multiply")
    return old * value


def _cells(axis: Axis, rows: tuple[Row, ...], value: Any) -> tuple[Row, ...]:
    """Rows with the cells of an axis changed. Raises PlanError where no row matches or the value is not allowed."""
    keys = [key_of(row) for row in rows]
    hits = _hits(axis, keys)
    changed = tuple(_changed(axis, row, value) if key in hits else row for key, row in zip(keys, rows, strict=True))
    if axis.factor and all(getattr(row, axis.column) is None for row in changed if key_of(row) in hits):
        raise _refused(axis.address, "only empty cells", "a number to multiply")
    return changed


def _hits(axis: Axis, keys: Sequence[str]) -> set[str]:
    """Keys of a table that an axis is about. Raises PlanError where it has none."""
    if axis.key in keys:
        return {axis.key}
    parts = axis.key.split("/")
    patterns = {key: zip(key.split("/"), parts, strict=True) for key in keys if key.count("/") == len(parts) - 1}
    hits = {key for key, pairs in patterns.items() if all(fnmatchcase(part, like) for part, like in pairs)}
    if not hits:
        expected = f"a key of {axis.table}: {'/'.join(TABLES[axis.table].key)}" + near_miss(axis.key, keys)
        raise _refused(axis.address, f"'{axis.key}'", expected)
    return hits


def _changed(axis: Axis, row: Row, value: Any) -> Row:
    """A row with one cell changed; a published range moves with its value, in proportion, as it does for overridden hazards."""
    old = getattr(row, axis.column)
    if axis.factor and old is None:
        return row
    new = _moved(axis, old, value)
    if _is_number(old) and not _is_number(new):
        raise _refused(axis.address, repr(value), "a number", key_of(row))
    changed = {axis.column: new}
    for end in ("low", "high"):
        bound = getattr(row, f"{axis.column}_{end}", None)
        if bound is not None and isinstance(new, int | float):
            changed[f"{axis.column}_{end}"] = _end(bound, old, new, end, axis.column)
    try:
        return type(row).model_validate({**row.model_dump(), **changed})
    except ValidationError as error:
        wanted = expected(error.errors(include_url=False)[0])
        raise _refused(axis.address, repr(value), wanted, key_of(row)) from None


def _end(bound: float, old: Any, new: float, end: str, column: str) -> float:
    """One end of a range that moves with its value and still holds it; shares end at 1."""
    moved = bound * new / old if old else bound
    if column.endswith(("share", "probability")):
        moved = min(1.0, moved)
    return min(moved, new) if end == "low" else max(moved, new)


ADJECTIVE = "(?:[a-z]?|an|ian|nian|ese|nese|ish)"
"""Endings that make `Japan` without its last letter `Japan`, `Japanese`, and so on."""

PAR = 1e-6
"""Premium up to which an offer is at the market price."""


@dataclass(frozen=True)
class Names:
    """Code -> name, by kind of thing. What has no name of its own, or is not in the tables, keeps its code."""

    materials: Mapping[str, str]
    countries: Mapping[str, str]
    producers: Mapping[str, str]
    """Activities and projects, with their country where the name does not tell it: `Narva phase 2 (Estonia)`."""
    hazards: Mapping[str, str]
    offers: Mapping[str, str]
    hit: Mapping[str, str]
    """Hazard -> codes of the countries whose sources it cuts, as the table has them."""

    @classmethod
    def of(cls, data: Dataset) -> Names:
        """The names of a dataset's tables."""
        countries = _distinct((row.country, row.name) for row in data.rows("countries"))
        materials = _distinct((row.material, row.name) for row in data.rows("materials"))
        made = [(row.activity, row.name, row.country) for row in data.rows("activities")]
        made += [(row.project, row.name, row.country) for row in data.rows("projects")]
        placed = {at: name for at, name in countries.items() if name != at}
        producers = _distinct((key, _placed(name or key, placed.get(at, ""))) for key, name, at in made)
        offered: dict[str, list[Any]] = defaultdict(list)
        for row in data.rows("offers"):
            material, seller = materials.get(row.material, row.material), producers.get(row.source_producer, "")
            what = seller if material in seller else f"{material} from {seller or 'other suppliers'}"
            offered[what].append(row)
        hazards = _distinct((row.hazard, row.name) for row in data.rows("hazards"))
        hit = {row.hazard: row.countries for row in data.rows("hazards")}
        return cls(materials, countries, producers, hazards, _lots(offered), hit)

    def material(self, code: str) -> str:
        """A material."""
        return self.materials.get(code, code)

    def country(self, code: str) -> str:
        """A country."""
        return self.countries.get(code, code)

    def producer(self, code: str) -> str:
        """An activity or a project, with its country; a project as its owner may build it says so."""
        own = code.removesuffix(UNSUPPORTED)
        return self.producers.get(code) or f"{self.producers.get(own, own)}{', without support' * (own != code)}"

    def hazard(self, code: str) -> str:
        """A hazard."""
        return self.hazards.get(code, code)

    def any(self, code: str) -> str:
        """Whatever of the tables has this code."""
        for known in (self.materials, self.producers, self.hazards, self.countries, self.offers):
            if code in known:
                return known[code]
        return code

    def item(self, item: str) -> str:
        """Something that a plan may choose, by its kind and code as `explain` takes them: its name, then these in brackets.

        `project narva_2: loan` -> `Narva phase 2 (Estonia) [project narva_2: loan]`."""
        kind, _, code = item.partition(" ")
        key = code.partition(": ")[0]
        if kind == "floor":
            found = max((material for material in self.materials if f"-{material}-" in f"-{code}"), key=len, default="")
            name = self.material(found)
            return item if name == found else f"price floor for {name} [{item}]"
        name = {"project": self.producers, "contract": self.producers, "offer": self.offers}.get(kind, {}).get(key, key)
        return item if name.startswith(key) else f"{name} [{item}]"

    def calls(self, item: str) -> tuple[str, ...]:
        """The names by which texts call the same."""
        name = self.chosen(item).partition(" [")[0]
        short = re.sub(r" \([^)]*\)", "", name)  # no country
        return name, short, short.removeprefix("offtake from ")

    def chosen(self, item: str) -> str:
        """The same for readers who need no code: `Narva phase 2 (Estonia): loan`, `offtake from Gallium (Canada)`."""
        kind, _, code = item.partition(" ")
        key, _, package = code.partition(": ")
        known = {"project": self.producers, "contract": self.producers, "stock": self.materials}.get(kind, {})
        name = known.get(key, key)
        if name == key:
            return self.item(item)
        of = {"contract": "offtake from ", "stock": "stock of "}.get(kind, "")
        return f"{of}{name}{f': {package}' if package else ''}"


UNSUPPORTED = "_unsupported"
"""How the code of a source ends that is a project as its owner may build it without support."""
UNNAMED = Names({}, {}, {}, {}, {}, {})
"""Where no names are known: everything keeps its code."""


def _distinct(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Code -> name; a name that several have gets its code in brackets."""
    named = {key: name or key for key, name in pairs}
    times = Counter(named.values())
    return {key: name if times[name] == 1 else f"{name} ({key})" for key, name in named.items()}


def _lots(offered: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """Offer -> what it gives and who sells it; several of one seller and material are lots, each with its price."""
    found = {}
    for what, rows in offered.items():
        for n, row in enumerate(sorted(rows, key=lambda row: (row.premium_share, row.offer)), start=1):
            step = (
                f"{100 * abs(row.premium_share):.3g}% {'above' if row.premium_share > 0 else 'below'} the market price"
            )
            step = "at the market price" if abs(row.premium_share) < PAR else step
            found[row.offer] = what if len(rows) == 1 else f"{what}, lot {n}, {step}"
    return found


def _placed(name: str, country: str) -> str:
    """A producer's name with its country, unless the name shows it already or the country has none."""
    stem = re.escape(country[:-1])
    if country and name.lower().endswith(f", {country.lower()}"):
        return f"{name[: -len(country) - 2]} ({country})"
    has_country = country in name or (country.isalpha() and re.search(rf"\b{stem}{ADJECTIVE}\b", name))
    return name if has_country else f"{name} ({country})"


# Figures of the tables in words: what a column holds, of what, and how much in which unit.
ENDS = {"_low": "lowest estimate of the ", "_high": "highest estimate of the "}
KNOWN: dict[str, Column] = {
    name: column
    for model in reversed(TABLES.values())
    for name, field in model.model_fields.items()
    if (column := column_of(field)).label
}
"""Name of a column -> what the first table that has a label for it says of it."""


def column_in_words(column: str) -> str:
    """What a column holds: `largest quantity on offer`; for an end of a range that as well."""
    for end, words in ENDS.items():
        if column.endswith(end):
            return f"{words}{column_in_words(column.removesuffix(end))}"
    return KNOWN[column].label if column in KNOWN else stem_and_unit(column)[0].replace("_", " ")


def is_share(column: str) -> bool:
    """Whether a column holds a share, which is written as a percentage for people."""
    return column.endswith("_share") or (column in KNOWN and KNOWN[column].unit == "share")


def unit_in_words(column: str) -> str:
    """The unit of a column after a number, with a blank before it; empty where it has none that one says."""
    _, unit = stem_and_unit(_value_of(column))
    return f" {unit}" if unit and unit != "share" else ""


def amount_in_words(column: str, value: float) -> str:
    """A value with its unit: `15%`, `1.87 t/yr`."""
    if is_share(_value_of(column)):
        return f"{100 * value:.3g}%"
    return f"{digits(value)}{unit_in_words(column)}"


def _value_of(column: str) -> str:
    """The column of whose range it is an end; itself where it is none."""
    return column.removesuffix("_low").removesuffix("_high")


PARTS = {"*": "all", "direct": "the controlled flow", "effective": "arrivals of all origins"}
"""Parts of keys that are no names."""


def owner_in_words(key: str, names: Names) -> str:
    """Whose figure it is, by the names of the parts of its row's key: `Gallium, defence, 2026`; `*` in it stands for all, a number
    with a point for the month from which on a step of a profile counts."""
    parts = key.split("/")
    months = {part: f"from month {float(part):g}" for part in parts if re.fullmatch(r"\d+\.\d+", part)}
    return ", ".join(months.get(part) or PARTS.get(part) or names.any(part) for part in parts)


def range_in_words(key: str, column: str, low: float, value: float, high: float, names: Names) -> str:
    """An uncertain figure: `Gallium, defence, 2026: demand 1.87 t/yr (0.561 to 5.61)`."""
    if column == "rate_per_yr" and low > 0:
        mean, often, seldom = (digits(1 / rate) for rate in (value, high, low))
        return f"{owner_in_words(key, names)}: it comes once in {mean} years ({often} to {seldom})"
    unit = unit_in_words(column)
    first, last = (amount_in_words(column, end).removesuffix(unit) for end in (low, high))
    amount = amount_in_words(column, value)
    return f"{owner_in_words(key, names)}: {column_in_words(column)} {amount} ({first} to {last})"
