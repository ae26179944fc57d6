"""New facts of a year, entered into tables in which what was signed already stands.

A new row replaces the one of its key. Plants under support and contracts of before are activities of these tables: a new row of
their project or source is theirs too, as far as it is a fact and not what was signed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import Fault, InputError
from ..data.dataset import Dataset

Tables = dict[str, tuple[Any, ...]]
"""Rows by table."""
COUNTED = {
    "stock": "a row `stock` in the table of what was done (done.csv)",
    "stock_origins": "none: origins follow from what was bought",
    "commitments": "none: they follow from what was signed",
    "payments_due": "none: they follow from what was signed",
    "hazard_evidence": "none: it follows from the events of the year",
}
"""Tables of the state, which years leave and nobody publishes, and where to tell of them."""
SIZES = ("capacity_t_per_yr", "capacity_t_per_yr_low", "capacity_t_per_yr_high", "normal_t_per_yr")
COSTS = ("capex_musd", "capex_musd_low", "capex_musd_high")
SIGNED = ("kappa", "kappa_low", "kappa_high", "lot_t_per_yr", "fee_usd_per_kg", "term_yr", "name")
"""What a contract makes of the part of a source that it reserves."""


def with_facts(data: Dataset, facts: Mapping[str, Sequence[Any]]) -> Tables:
    """Tables with new rows in them. Raises InputError for rows of the state that differ from it."""
    tables: Tables = {name: tuple(each) for name, each in data.tables.items()}
    _refuse_state(tables, facts)
    news = {name: tuple(rows) for name, rows in facts.items() if rows and name not in COUNTED}
    parts, whole = _signed_before(tables)
    if "projects" in news:
        news["projects"] = tuple(_projects(news["projects"], parts, whole))
    for table, column in (("packages", "project"), ("ramps", "project")):
        news[table] = tuple(row for row in news.get(table, ()) if getattr(row, column) not in whole)
    if "hazards" in news:
        tables["hazard_evidence"] = tuple(_evidence(tables.get("hazard_evidence", ()), news["hazards"]))
    for table, column in (("yields", "producer"), ("feed_origins", "producer")):
        copies = [r.model_copy(update={column: p}) for r in news.get(table, ()) for p in parts.get(r.producer, {})]
        news[table] = (*news.get(table, ()), *copies)
    if "activities" in news:
        news["activities"] = (*news["activities"], *_of_parts(tables, news["activities"], parts))
    if "capacities" in news:
        tables["capacities"] = _capacities(tables.get("capacities", ()), news.pop("capacities"), parts)
    for table, rows in news.items():
        if rows:
            tables[table] = merged(tables.get(table, ()), rows)
    return tables


def merged(old: Sequence[Any], new: Sequence[Any]) -> tuple[Any, ...]:
    """Rows of which new ones replace those of the same key."""
    if not new:
        return tuple(old)
    key = type(new[0]).key
    found = {tuple(getattr(row, name) for name in key): row for row in old}
    found.update({tuple(getattr(row, name) for name in key): row for row in new})
    return tuple(found.values())


def _refuse_state(tables: Tables, facts: Mapping[str, Sequence[Any]]) -> None:
    faults = []
    for table, where in COUNTED.items():
        known = set(tables.get(table, ()))
        strange = [row for row in facts.get(table, ()) if row not in known]
        if strange:
            named = ", ".join(str(getattr(strange[0], column)) for column in strange[0].key)
            faults.append(Fault(f"{table}.csv", "", "", f"another row for {named} than the plan reached", where))
    if faults:
        raise InputError(faults)


def _signed_before(tables: Tables) -> tuple[dict[str, dict[str, float]], set[str]]:
    """Source or project -> producers that were split off it, with their share of a project; and projects that are plants now."""
    parts: dict[str, dict[str, float]] = defaultdict(dict)
    for row in tables.get("commitments", ()):
        if row.kind in ("contract", "package") and row.producer != row.item:
            parts[row.item][row.producer] = row.share
    choices = {row.project for row in tables.get("projects", ())}
    signed = {row.item for row in tables.get("commitments", ()) if row.kind == "package"}
    plants = {row.activity for row in tables.get("activities", ())}  # those of owners have no commitment
    return parts, (signed | plants) - choices


def _projects(rows: Sequence[Any], parts: Mapping[str, Mapping[str, float]], whole: set[str]) -> list[Any]:
    """Projects that may still be signed: none that is a plant, or that one excludes; what is left of those signed in part."""
    barred = {name for row in rows if row.project in whole for name in row.excludes.split()}
    found = []
    for row in rows:
        if row.project in whole | barred or set(row.excludes.split()) & whole:
            continue
        left = 1 - sum(parts.get(row.project, {}).values())
        update: dict[str, Any] = {"needs": " ".join(name for name in row.needs.split() if name not in whole)}
        if left < 1:
            sizes = ((name, getattr(row, name)) for name in ("capacity_t_per_yr", *COSTS))
            update |= {name: None if value is None else left * value for name, value in sizes}
        found.append(row.model_copy(update=update))
    return found


def _evidence(known: Sequence[Any], hazards: Sequence[Any]) -> list[Any]:
    """Evidence on rates that are still those of before: a new rate has seen what the years have shown."""
    rates = {row.hazard: row.rate_per_yr for row in hazards}
    return [row for row in known if rates.get(row.hazard, row.prior_rate_per_yr) == row.prior_rate_per_yr]


def _of_parts(tables: Tables, news: Sequence[Any], parts: Mapping[str, Mapping[str, float]]) -> list[Any]:
    """New facts on a source for those parts of it that are under contract."""
    old = {row.activity: row for row in tables.get("activities", ())}
    found = []
    for row in news:
        for part in parts.get(row.activity, {}):
            if part in old:
                kept = {name: getattr(old[part], name) for name in SIGNED}
                found.append(row.model_copy(update={"activity": part, **kept}))
    return found


def _capacities(old: Sequence[Any], news: Sequence[Any], parts: Mapping[str, Mapping[str, float]]) -> tuple[Any, ...]:
    """Capacities, of which a new one is that of the whole source: what is under contract stays so, the rest changes."""
    split = {row.activity for row in news if parts.get(row.activity)}
    found = list(merged(old, [row for row in news if row.activity not in split]))
    for activity in sorted(split):
        mine = {a: _series(old, a) for a in (activity, *parts[activity])}
        years = sorted({year for series in mine.values() for year in series})
        whole: dict[int, Any] = {}
        for year in years:
            now = [row for series in mine.values() if (row := _in_force(series, year)) is not None]
            total = _scaled(now[0], year, {name: _sum(now, name) for name in SIZES})
            if not whole or _sizes(total) != _sizes(whole[max(whole)]):
                whole[year] = total
        whole |= _series(news, activity)
        found = [row for row in found if row.activity != activity]
        for year in sorted({*whole, *years}):
            total = _in_force(whole, year)
            if total is None:
                continue
            held = [row for name in parts[activity] if (row := _in_force(mine[name], year)) is not None]
            reserved = sum(row.capacity_t_per_yr for row in held)
            share = max(0.0, 1 - reserved / total.capacity_t_per_yr) if total.capacity_t_per_yr > 0 else 0.0
            sizes = {name: None if (v := getattr(total, name)) is None else share * v for name in SIZES}
            found.append(_scaled(total.model_copy(update={"activity": activity}), year, sizes))
    return tuple(found)


def _series(rows: Sequence[Any], activity: str) -> dict[int, Any]:
    return {row.from_year: row for row in rows if row.activity == activity}


def _in_force(series: Mapping[int, Any], year: int) -> Any:
    """The row that holds in a year; None before the first."""
    years = [start for start in series if start <= year]
    return series[max(years)] if years else None


def _sum(rows: Sequence[Any], name: str) -> float | None:
    values = [getattr(row, name) for row in rows]
    return None if any(value is None for value in values) else float(sum(values))


def _sizes(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in SIZES)


def _scaled(row: Any, year: int, sizes: Mapping[str, Any]) -> Any:
    return row.model_copy(update={"from_year": year, **sizes})
