"""What changed between formats of plans and tables: one small function a change, in the order of the formats.

A step of plans takes plain data, one of tables the tables of one folder as text; each leaves alone what has nothing of before, and
says in words what it changed. Cells keep their text, and columns that a step does not name stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import Fault, InputError

USD = "USD"
PROVENANCE = ("source", "year", "confidence")


@dataclass
class TextTable:
    """A table as text, which steps change."""

    columns: list[str]
    records: list[dict[str, str]]
    """Filled cells by column."""

    def rename(self, table: str, former: str, name: str) -> bool:
        """Give a column another name; whether there was one. Raises InputError where both names are there."""
        if former not in self.columns:
            return False
        if name in self.columns:
            expected = f"one of {former} and {name}, which is its present name"
            raise InputError([Fault(f"{table}.csv", "1", former, "both columns", expected)])
        self.columns[self.columns.index(former)] = name
        for record in self.records:
            if former in record:
                record[name] = record.pop(former)
        return True

    def take(self, column: str) -> bool:
        """Take a column away; whether there was one."""
        if column not in self.columns:
            return False
        self.columns.remove(column)
        for record in self.records:
            record.pop(column, None)
        return True


Tables = MutableMapping[str, TextTable]
"""Tables of one folder by name, those that steps look at."""
Plain = MutableMapping[str, Any]


# --- plans --------------------------------------------------------------------------------------------------------------------


def sample_has_scenarios(plan: Plain) -> list[tuple[str, str]]:
    """Format 2: `sample.worlds` is `sample.scenarios`."""
    sample = plan.get("sample")
    if not isinstance(sample, dict) or "worlds" not in sample or "scenarios" in sample:
        return []
    sample["scenarios"] = sample.pop("worlds")
    return [("sample.worlds", "sample.scenarios")]


PlanStep = Callable[[Plain], list[tuple[str, str]]]
PLAN_STEPS: Sequence[tuple[int, PlanStep]] = ((2, sample_has_scenarios),)
"""(format that a step leads to, step) Of plans; a step gives the fields that it renamed."""


# --- tables -------------------------------------------------------------------------------------------------------------------


def feed_origins_have_a_table(tables: Tables) -> list[str]:
    """Format 2: countries of a producer's feed, a column of `activities` and `projects`, are rows of `feed_origins`."""
    told = []
    for table, key in (("activities", "activity"), ("projects", "project")):
        found = tables.get(table)
        if found is None or "feed_origins" not in found.columns:
            continue
        stated = [record for record in found.records if record.get("feed_origins")]
        rows = [
            {"producer": record.get(key, ""), "origins": record["feed_origins"], **_of(record)} for record in stated
        ]
        found.take("feed_origins")
        if rows:
            _added(tables, "feed_origins", ["producer", "origins"], rows)
        told.append(f"{table}.feed_origins -> {len(rows)} rows of feed_origins")
    return told


def hazards_have_percentiles(tables: Tables) -> list[str]:
    """Format 2: low and high of a hazard's severity and stretch are their 5 % and 95 % percentiles, and are called so."""
    found = tables.get("hazards")
    if found is None:
        return []
    renamed = [
        (f"{figure}_{end}", f"{figure}_{percentile}")
        for figure in ("severity", "stretch")
        for end, percentile in (("low", "p05"), ("high", "p95"))
    ]
    return [f"hazards.{former} -> {name}" for former, name in renamed if found.rename("hazards", former, name)]


def fiscal_years_are_of_homes(tables: Tables) -> list[str]:
    """Format 3: the month in which a fiscal year begins is in `homes`, for the country of tier `home`; nobody reads others'.

    Plans of before were in US dollars alone: so is the home.
    """
    found = tables.get("countries")
    if found is None or "fiscal_year_month" not in found.columns:
        return []
    known = {record.get("home") for record in tables["homes"].records} if "homes" in tables else set()
    rows = [
        {
            "home": record["country"],
            "name": record.get("name", record["country"]),
            "members": record["country"],
            "currency": USD,
            "fiscal_year_month": record["fiscal_year_month"],
            **_of(record),
            "note": "currency: plans of earlier formats were in US dollars alone",
        }
        for record in found.records
        if record.get("tier") == "home"
        and record.get("fiscal_year_month")
        and record.get("country") not in {None, *known}
    ]
    found.take("fiscal_year_month")
    if rows:
        _added(tables, "homes", [name for name in rows[0] if name not in (*PROVENANCE, "note")], rows)
    return [f"countries.fiscal_year_month -> {len(rows)} rows of homes"]


def trade_agreements_are_gone(tables: Tables) -> list[str]:
    """Format 3: `countries.us_fta` is gone; nothing read it, its tier says what of it counts."""
    found = tables.get("countries")
    return ["countries.us_fta: gone, nothing read it"] if found is not None and found.take("us_fta") else []


def pooled_when_struck(tables: Tables) -> list[str]:
    """Format 4: stock that is moved in a disruption, to whom needs it, is pooled `struck`, no longer `always`."""
    found = tables.get("materials")
    moved = [] if found is None else [record for record in found.records if record.get("pooled") == "always"]
    for record in moved:
        record["pooled"] = "struck"
    return [f"materials.pooled: always -> struck in {len(moved)} rows"] if moved else []


def stock_is_from_a_country(tables: Tables) -> list[str]:
    """Format 4: `stock_origins.origin` is `from_country`; empty is not known, in both."""
    found = tables.get("stock_origins")
    renamed = found is not None and found.rename("stock_origins", "origin", "from_country")
    return ["stock_origins.origin -> from_country"] if renamed else []


TableStep = Callable[[Tables], list[str]]
TABLE_STEPS: Sequence[tuple[int, TableStep]] = (
    (2, feed_origins_have_a_table),
    (2, hazards_have_percentiles),
    (3, fiscal_years_are_of_homes),
    (3, trade_agreements_are_gone),
    (4, pooled_when_struck),
    (4, stock_is_from_a_country),
)
"""(format that a step leads to, step) Of tables; a step says what it changed."""
STEPPED = ("activities", "projects", "feed_origins", "hazards", "countries", "homes", "materials", "stock_origins")
"""Tables that steps look at."""


def _of(record: MutableMapping[str, str]) -> dict[str, str]:
    """Where a row comes from, for a row that is made of it."""
    return {name: record[name] for name in PROVENANCE if name in record}


def _added(tables: Tables, table: str, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    """Rows at the end of a table, which is made where there is none."""
    found = tables.setdefault(table, TextTable([*columns, *PROVENANCE], []))
    found.columns += [name for row in rows for name in row if name not in found.columns]
    found.columns = list(dict.fromkeys(found.columns))
    found.records += rows
