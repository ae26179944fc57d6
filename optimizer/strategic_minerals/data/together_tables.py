"""The tables of homes that plan together: rows of one home under its name, what all have in common once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.errors import Fault, InputError
from ..schemas.tables import TABLES
from .together_homes import Union, require_same, said
from .together_plan import ALL, LOSSES
from .together_plants import Rows, add_projects

COMMON = (
    "price_states",
    "instruments",
    "deflators",
    "exchange_rates",
    "policy_events",
    "production",
    "reserves",
)
"""Tables of which the homes have the same rows."""
OF_MATERIALS = ("substitution", "stock", "demand", "users_stock", "tiers", "adaptation")
"""Tables with rows of single materials; a row of `*` holds for those of all homes."""
OF_ONE_HOME = (
    "usgs_gdp_rank",
    "consumption_t",
    "imports_t",
    "exports_t",
    "primary_t",
    "secondary_t",
    "net_import_reliance_pct",
)
"""Columns of `minerals` that are a home's own."""
OF_HAZARDS = ("hazard_profiles", "hazard_prices")
POOLED = {"by_need": "struck", "by_share": "calm", "none": "no"}
"""How materials of several homes are pooled, by how a plan shares its stock."""
DISTANT = ("home", "ally", "partner", "other", "covered")
"""Tiers of a country; of homes that put it in different ones the last counts."""


def tables_of(u: Union) -> Rows:
    """Rows of every table that plans read."""
    found: Rows = {name: [] for name in TABLES}
    found["materials"] = [*_materials(u)]
    found["prices"] = [*_prices(u)]
    for table in COMMON:
        found[table] = u.once(table)
    found["minerals"] = [row.model_copy(update=dict.fromkeys(OF_ONE_HOME)) for row in u.once("minerals")]
    found["price_gaps"] = [
        row.model_copy(update={"material": name})
        for row in u.once("price_gaps")
        for name in u.ordered
        if u.kind(name) == row.material
    ]
    found["origin_rules"] = [*_origin_rules(u)]
    for table in OF_MATERIALS:
        found[table] = _of_materials(u, table)
    found["loss_functions"] = [*_losses(u)]
    found["hazards"], struck = _hazards(u)
    for table in OF_HAZARDS:
        found[table] = [
            row.model_copy(update={"material": name})
            for row in u.once(table)
            for name in struck.get(row.hazard, {}).get(row.material, ())
        ]
    _add_sources(u, found)
    add_projects(u, found)
    found["packages"] = [row for row, _ in u.packages]
    _add_offers(u, found)
    found["countries"] = [*_countries(u)]
    found["homes"] = [*u.once("homes"), _home(u)]
    return found


def _materials(u: Union) -> Iterator[Any]:
    """Materials of all members, also of those outside the coalition: hazards name them."""
    for name in u.ordered:
        kind, plant = u.kind(name), name in u.hubs
        home = None if plant else name.partition(".")[0]
        row = (
            next(own[kind] for own in u.materials.values() if kind in own) if home is None else u.materials[home][kind]
        )
        title = f"of {name.removesuffix(f'.{kind}')}" if home is None else u.titles[home]
        several = sum(kind in u.materials[other] for other in u.homes) > 1
        update = said(
            home or "its members",
            material=name,
            name=f"{row.name} ({title})",
            home=home,
            alike=kind,
            pooled=POOLED[u.together.joint_stock] if several and not plant and not row.embedded else "no",
            freight_usd_per_kg=u.together.freight_usd_per_kg,
        )
        yield row.model_copy(update=update)


def _prices(u: Union) -> Iterator[Any]:
    by_kind: dict[str, list[Any]] = defaultdict(list)
    for row in u.once("prices"):
        if row.price_set == u.asked.price_set:
            by_kind[row.material].append(row)
    for name in u.ordered:
        yield from (
            row.model_copy(update={"material": name, "note": "as in the common tables"})
            for row in by_kind[u.kind(name)]
        )


def _of_materials(u: Union, table: str) -> list[Any]:
    """Rows of the coalition about single materials, under the names of their homes."""
    found: dict[tuple[Any, ...], Any] = {}
    for home in u.homes:
        for row in u.tables[home].rows(table):
            made = row
            if row.material in u.materials[home]:
                made = row.model_copy(update=said(home, material=f"{home}.{row.material}"))
            if row.material == "*" or made is not row:
                found[tuple(getattr(made, name) for name in TABLES[table].key)] = made
    return list(found.values())


def _origin_rules(u: Union) -> Iterator[Any]:
    """Rules of origin, each material of which stands for that of every member; whom a rule binds is asked of each."""
    for row in u.once("origin_rules"):
        names: list[str] = []
        for name in row.materials.split():
            names += [name] if name == "*" else [each for each in u.ordered if u.kind(each) == name]
        if names or not row.materials:
            yield row.model_copy(update={"materials": " ".join(names)})


def _losses(u: Union) -> Iterator[Any]:
    for home in u.homes:
        wanted = u.every[home].loss_function or u.asked.loss_function
        rows = [row for row in u.tables[home].rows("loss_functions") if row.loss_function == wanted]
        if not rows:
            known = sorted({row.loss_function for row in u.tables[home].rows("loss_functions")})
            expected = f"a loss function of the tables of {home}: {', '.join(known)}"
            raise InputError([Fault("plan", "", "together.members", f"'{wanted}'", expected)])
        for row in rows:
            own = said(home, loss_function=LOSSES, material=f"{home}.{row.material}")
            yield row.model_copy(update=own)


def _hazards(u: Union) -> tuple[list[Any], dict[str, dict[str, list[str]]]]:
    """Hazards of all members, and hazard -> material of the homes' tables -> materials of the joint ones that it strikes.

    Those of members outside the coalition stay, so that what is drawn does not depend on who plans together.
    """
    struck: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    known: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for home in u.every:
        for row in u.tables[home].rows("hazards"):
            known[row.hazard].append((home, row))
            for name in u.materials[home] if "*" in row.materials.split() else row.materials.split():
                if name in u.materials[home]:
                    struck[row.hazard][name].append(f"{home}.{name}")
    for by_kind in struck.values():
        for kind, names in by_kind.items():
            names += [hub for hub, of in u.hubs.items() if of == kind]
    found = []
    for hazard, rows in known.items():
        first = rows[0][1]
        _require_agreement(hazard, rows)
        countries = dict.fromkeys(code for _, row in rows for code in row.countries.split())
        everything = len(rows) == len(u.every) and "*" in first.materials.split()
        materials = "*" if everything else " ".join(name for names in struck[hazard].values() for name in names)
        if materials:
            found.append(first.model_copy(update={"countries": " ".join(countries), "materials": materials}))
    return found, struck


def _require_agreement(hazard: str, rows: Sequence[tuple[str, Any]]) -> None:
    """Raise InputError where homes say different things of one hazard; only who limits exports differs by who buys."""
    (home, first), *others = rows
    free = {"materials", "countries"} if first.kind == "ally_limit" else {"materials"}
    for other, row in others:
        require_same("hazards", home, first, other, row, frozenset(free))


def _add_sources(u: Union, found: Rows) -> None:
    for home in u.homes:
        for row in u.tables[home].rows("activities"):
            own = said(home, activity=f"{home}.{row.activity}", name=f"{row.name} (for {u.titles[home]})")
            if row.floor_material:
                own["floor_material"] = f"{home}.{row.floor_material}"
            found["activities"].append(row.model_copy(update=own))
        for row in u.tables[home].rows("capacities"):
            found["capacities"].append(row.model_copy(update=said(home, activity=f"{home}.{row.activity}")))


def _add_offers(u: Union, found: Rows) -> None:
    """Offers of the coalition, and what their sellers have left for it."""
    sold = u.once("sellers")
    shared = {row.seller for row in sold}
    made = {row.activity for row in found["activities"]} | {row.project for row in found["projects"]}
    for home in u.homes:
        for row in u.tables[home].rows("offers"):
            source = row.source_producer
            if source in u.joint:
                source = f"{source}.{row.material}.to.{home}"
            elif source != "outside":
                source = f"{home}.{source}"
            if row.material in u.materials[home] and (source == "outside" or source in made):
                update = said(
                    home,
                    offer=f"{home}.{row.offer}",
                    material=f"{home}.{row.material}",
                    source_producer=source,
                    seller=row.offer if row.offer in shared else None,
                )
                found["offers"].append(row.model_copy(update=update))
    first, past = u.asked.horizon.first_year, u.asked.horizon.first_year + u.asked.horizon.years
    for name in sorted(shared):
        series = sorted(((row.from_year, row) for row in sold if row.seller == name), key=lambda pair: pair[0])
        told = -1.0
        for year in range(first, past + 1):  # plans tell what they buy within their years; beyond nothing is taken
            row = next((row for begins, row in reversed(series) if begins <= year), series[0][1])
            left = max(0.0, row.depth_t_per_yr - u.taken.purchases.get((name, year), 0.0))
            if left != told:
                update = {"from_year": year, "depth_t_per_yr": left, "note": "what others have left"}
                found["sellers"].append(row.model_copy(update=update))
                told = left


def _countries(u: Union) -> Iterator[Any]:
    inside = {country for home in u.every for country in u.countries(home)}
    rows: dict[str, list[Any]] = defaultdict(list)
    for home in u.every:
        for row in u.tables[home].rows("countries"):
            rows[row.country].append(row)
    for country, several in rows.items():
        tier = "home" if country in inside else max((row.tier for row in several), key=DISTANT.index)
        beside = dict.fromkeys(name for row in several for name in row.land_neighbours.split())
        yield several[0].model_copy(update={"tier": tier, "land_neighbours": " ".join(beside)})


def _home(u: Union) -> Any:
    """The union of all members, as a home."""
    inside = dict.fromkeys(country for home in u.every for country in u.countries(home))
    return TABLES["homes"].model_validate(
        {
            "home": ALL,
            "name": " and ".join(u.titles[home] for home in u.homes),
            "members": " ".join(inside),
            "currency": "USD",
            "fiscal_year_month": 1,
            "source": "; ".join(dict.fromkeys(row.source for row in u.once("homes") if row.home in u.homes)),
            "note": "the homes of a joint plan; their fiscal years are taken to begin together, in January",
        }
    )
