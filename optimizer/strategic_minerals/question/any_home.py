"""Tables of a home that nobody compiled: estimates from trade, and from what a union uses that it is a member of.

`homes/<TABLE>.csv` hold what is known of many countries, named in a column `home` in front. From them a planner gets what a folder
`homes/<HOME>/` holds for others. A member of a union with a folder gets its part of the union's tables, and the
union's market as it is; any other country its own use and origins. Whatever is not known stays out, and is named in `not_planned`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .estimates import Estimate
from .recipes import FUNCTIONS, rounded, without_recipes

Record = Mapping[str, Any]
"""Filled cells of a row by column."""
Records = Mapping[str, Sequence[Record]]
"""Rows by table."""
EVERY, OTHERS = "*", "other"
"""All materials; what begins the record of the part that stands for materials whose trade is not known."""
LOSS, PRICE_SET, HIGHEST = "price_rise", "mcs2024", 20
"""Loss function of homes without a study, the price set whose prices it multiplies, and its high as a multiple of the price."""
PLANNED_FROM = 2026
"""First year of the figures, as in the tables of other homes."""
CONTRACT_YEARS = 10
"""Years of offtake contracts, as in the tables of other homes."""
SCALED = {
    "demand": "demand_t_per_yr",
    "capacities": "capacity_t_per_yr",
    "offers": "depth_t_per_yr",
    "materials": "disposal_t_per_yr",
}
"""Tables of a union of which a member has a part -> the column with the tonnes."""


@dataclass(frozen=True)
class Known:
    """What tables say that concerns a home without a folder."""

    home: str
    stated: Records
    """Rows of `homes/<TABLE>.csv`."""
    world: Records
    union: Records
    """Tables in the folder of the union that it is a member of; empty where it is of none."""
    members: frozenset[str]
    """Countries of that union."""
    covered: frozenset[str]
    """Countries against whose controls every home with a folder plans."""

    @property
    def figures(self) -> dict[str, Record]:
        """Facts about the home's use, by record."""
        return {row["record"]: row for row in self.stated.get("demand_segments", ()) if row["home"] == self.home}


def tables_of(known: Known) -> dict[str, list[dict[str, Any]]]:
    """Tables of the home, rows as a folder of its own would hold them; empty where nothing is known of what it uses."""
    if not known.figures:
        return {}
    found = _part_of_union(known) if known.union else _from_trade(known)
    planned = {row["material"] for row in found["demand"]}
    called = {row["country"]: _bare(row) for row in known.stated.get("countries", ()) if row["home"] == known.home}
    found["countries"] = [row | called.get(row["country"], {}) for row in found["countries"]]
    names = [row for row in known.stated.get("not_planned", ()) if row["item"] not in planned]
    lost = {"why": "the tables of its union do not have it"}  # though its trade is known
    found["not_planned"] = [
        _bare(row) | (lost if f"{row['item']}.use.part_of_union" in known.figures else {}) for row in names
    ]
    return found if planned else {}


def _bare(row: Record) -> dict[str, Any]:
    """A row of `homes/<TABLE>.csv` without the name of the home."""
    return {column: value for column, value in row.items() if column != "home"}


def _estimated(column: str, function: str, *given: float | str | tuple[str, Any]) -> dict[str, Any]:
    """A figure, its range and the recipe in the note. given: numbers and words, and (reference, value) of figures of tables."""
    values = [float(each[1]) if isinstance(each, tuple) else each for each in given]
    found: Estimate = FUNCTIONS[function](*values)
    told = ", ".join(
        each[0] if isinstance(each, tuple) else f"{each:.10g}" if isinstance(each, float) else each for each in given
    )
    ends = {f"{column}_low": rounded(found.low), column: rounded(found.central), f"{column}_high": rounded(found.high)}
    return {**ends, "confidence": "estimate", "note": f"{column} = {function}({told})"}


def _with(*parts: Record) -> dict[str, Any]:
    """Parts of a row together, their notes one after the other."""
    notes = "; ".join(part["note"] for part in parts if part.get("note"))
    return {column: value for part in parts for column, value in part.items()} | {"note": notes}


def _use(record: str, figures: Mapping[str, Record]) -> list[tuple[str, Any]]:
    """Low, central and high of a fact about the home, with the reference to each."""
    return [(f"demand_segments[{record}].{end}", figures[record][end]) for end in ("low", "central", "high")]


# A member of a union.


def _part_of_union(known: Known) -> dict[str, list[dict[str, Any]]]:
    """Its part of the union's demand, sources and offers; the origins, losses and hazards are those of the union's market."""
    figures, union = known.figures, known.union
    traded = {row["material"] for row in known.stated["demand_segments"]}
    made = [*known.world.get("yields", ()), *union.get("yields", ())]
    makes = {row["producer"]: row["material"] for row in reversed(made) if float(row["yield_t_per_t"]) > 0}

    def part(material: str) -> str:
        record = f"{material if material in traded else OTHERS}.use.part_of_union"
        return record if record in figures else ""

    found: dict[str, list[dict[str, Any]]] = {
        table: [dict(row) for row in union.get(table, ())] for table in ("loss_functions", "hazards", "import_shares")
    }
    for table, column in SCALED.items():
        found[table] = []
        for row in union.get(table, ()):
            record = part(row["material"] if "material" in row else makes[row["activity"]])
            if record:
                found[table].append(_scaled(row, column, _use(record, figures)))
    whole = {row["activity"]: float(row["capacity_t_per_yr"]) for row in union.get("capacities", ())}
    parts = {row["activity"]: row["capacity_t_per_yr"] / whole[row["activity"]] for row in found["capacities"]}
    found["yields"] = [dict(row) for row in union.get("yields", ()) if row["producer"] in parts]
    found["activities"] = [_owned(dict(row), known, parts) for row in union.get("activities", ())]
    found["demand_segments"] = [_bare(row) for row in figures.values()]
    inside = [{"country": known.home, "tier": "home"}] + [
        {"country": row["country"], "tier": "ally"}
        for row in union["countries"]
        if row["tier"] == "home" and row["country"] != known.home
    ]
    others = [dict(row) for row in union["countries"] if row["tier"] != "home"]
    provenance = {"source": "table homes", "year": PLANNED_FROM, "confidence": "derived", "note": "member of the union"}
    found["countries"] = [*(row | provenance for row in inside), *others]
    return found


def _scaled(row: Record, column: str, part: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A row of a union with the tonnes of a member. A usual flow is the same part of the new figure."""
    whole = [float(row.get(f"{column}{end}", row[column])) for end in ("_low", "", "_high")]
    new = _estimated(column, "part_of", *whole, *part)
    if "normal_t_per_yr" in row:
        new["normal_t_per_yr"] = rounded(float(row["normal_t_per_yr"]) * new[column] / whole[1])
    return _with({**row, "note": ""}, new, {"note": without_recipes(str(row.get("note", "")), {column})})


def _owned(row: dict[str, Any], known: Known, parts: Mapping[str, float]) -> dict[str, Any]:
    """A source of the union as the member sees it: in another member it is an ally's, and contracts are as small as its part."""
    world = {one["activity"]: one for one in known.world.get("activities", ())}
    country = row.get("country", world.get(row["activity"], {}).get("country"))
    if "lot_t_per_yr" in row:
        row["lot_t_per_yr"] = rounded(float(row["lot_t_per_yr"]) * parts.get(row["activity"], 1.0))
    if country not in known.members or country == known.home:
        return row
    return _with(row, _estimated("kappa", "allied_kappa", "ally"))


# A country of no union with tables.


def _from_trade(known: Known) -> dict[str, list[dict[str, Any]]]:
    """Use and origins by the country's own trade; losses by the rise of the price; tiers by what it shares with others."""
    figures, home = known.figures, known.home
    materials = {row["material"]: row for row in known.world["materials"]}
    tiers = _tiers(known)
    named = {row["country"]: row["name"] for row in known.world["countries"]}
    shares = [_bare(row) for row in known.stated.get("import_shares", ()) if row["home"] == home]
    found: dict[str, list[dict[str, Any]]] = {
        "countries": [
            {"country": country, "tier": tier, "source": "NATO and MSP member lists", "year": PLANNED_FROM}
            | {
                "confidence": "estimate",
                "note": "ally: in NATO with it; partner: in the MSP with it; covered: for every home",
            }
            for country, tier in tiers.items()
        ],
        "demand_segments": [_bare(row) for row in figures.values()],
        "import_shares": shares,
        **{
            table: []
            for table in ("materials", "demand", "activities", "capacities", "yields", "offers", "loss_functions")
        },
    }
    for record, fact in figures.items():
        material, _, kind = record.partition(".")
        loss = _price_loss(material, known) if kind == "use.annual_demand" else None
        origins = [row for row in shares if row["mineral"] == materials[material]["mineral"]]
        if loss is None or not origins:
            continue
        origin = {column: fact[column] for column in ("source", "year")}
        low, use, high = _use(record, figures)
        own = figures.get(f"{material}.home.output", {}).get("central", 0.0)
        output = (f"demand_segments[{material}.home.output].central", own) if own else 0.0
        row = {"material": material, **origin}
        found["materials"].append(_with(row, _estimated("disposal_t_per_yr", "disposal_ceiling", use)))
        for segment, priority in (("essential", 2), ("other", 3)):
            need = _estimated("demand_t_per_yr", "home_segment", low, use, high, segment, "general", 0.0)
            told = {"note": "what defence uses is not published, and is in these segments"}
            found["demand"].append(
                _with(row, {"segment": segment, "from_year": PLANNED_FROM, "priority": priority}, need, told)
            )
        found["loss_functions"].append(_with(row, loss))
        sources = [(home, _estimated("capacity_t_per_yr", "home_output", output))] if own else []
        for share in origins:
            key = f"{share['mineral']}/{share['form']}/{share['country']}"
            named_share = f"import_shares[{key}].import_share_pct", share["import_share_pct"]
            capacity = _estimated("capacity_t_per_yr", "origin_capacity", use, output, named_share)
            seller = f"{share['country'].lower()}_{material}"
            flow = f"normal_t_per_yr = usual_flow(capacities[{seller}/{PLANNED_FROM}].capacity_t_per_yr)"
            normal = rounded(capacity["capacity_t_per_yr"] / 1.1)
            sources.append((share["country"], _with(capacity, {"normal_t_per_yr": normal, "note": flow})))
        for country, capacity in sources:
            producer = {"activity": f"{country.lower()}_{material}", **origin}
            told = {"name": f"{materials[material]['name']}, {named.get(country, country)}", "country": country}
            stage = {"stage": materials[material]["stage"], "premium_share": 0.0}
            tier = "home" if country == home else tiers.get(country, "other")
            kappa = _estimated("kappa", "allied_kappa", tier)
            contract = _contract(producer["activity"], material, capacity, known) if tier in ("ally", "partner") else {}
            found["activities"].append(_with(producer, told, stage, kappa, contract))
            found["capacities"].append(_with(producer, {"from_year": PLANNED_FROM}, capacity))
            made = {"producer": producer["activity"], "material": material, "yield_t_per_t": 1.0, **origin}
            found["yields"].append(made | {"confidence": "derived", "note": "main output"})
        sellers = [f"{share['country'].lower()}_{material}" for share in origins]
        for step in (1, 2, 3):
            depth = _estimated("depth_t_per_yr", "offer_depth", 0.0, use, float(step))
            premium = _estimated("premium_share", "offer_premium", float(step))
            offer = {"offer": f"{material}_{step}", **row, "source_producer": sellers[min(step, len(sellers)) - 1]}
            found["offers"].append(_with(offer, depth, premium))
    return found


def _contract(activity: str, material: str, capacity: Record, known: Known) -> dict[str, Any]:
    """Smallest offtake contract of a source and its fee, for as long as in the tables of other homes."""
    price = next(row for row in known.world["prices"] if (row["price_set"], row["material"]) == (PRICE_SET, material))
    figure = f"capacities[{activity}/{PLANNED_FROM}].capacity_t_per_yr", capacity["capacity_t_per_yr"]
    lot = _estimated("lot_t_per_yr", "offtake_lot", figure)
    fee = _estimated("fee_usd_per_kg", "offtake_fee", _price(price))
    lot = {column: lot[column] for column in ("lot_t_per_yr", "note")}
    honoured = _estimated("honoured_share", "contract_honoured", "spare")
    return _with(lot, fee, honoured, {"term_yr": CONTRACT_YEARS, "money_year": price.get("money_year", "")})


def _price(row: Record) -> tuple[str, Any]:
    """A price with the reference to it."""
    return f"prices[{row['price_set']}/{row['material']}/{row['from_year']}].price_usd_per_kg", row["price_usd_per_kg"]


def _price_loss(material: str, known: Known) -> dict[str, Any] | None:
    """Loss of a missing tonne by the rise of its price in the worst disruption; None without a price or a disruption."""
    prices = [row for row in known.world["prices"] if (row["price_set"], row["material"]) == (PRICE_SET, material)]
    threats = [row for row in known.world["hazards"] if {material, EVERY} & {*row["materials"].split()}]
    if not prices or not threats:
        return None
    price, worst = prices[0], max(threats, key=lambda row: float(row["price_multiplier"]))
    hazard = f"hazards[{worst['hazard']}].price_multiplier"
    low = f"{hazard}_low", worst.get("price_multiplier_low", worst["price_multiplier"])
    figure = _estimated(
        "loss_usd_per_t", "price_loss", _price(price), low, (hazard, worst["price_multiplier"]), float(HIGHEST)
    )
    about = {"loss_function": LOSS, "segment": EVERY, "horizon_months": 12, "money_year": price.get("money_year", "")}
    told = {"event": "price rise of the worst disruption: no study of this home is compiled"}
    return _with(about, told, figure)


def _tiers(known: Known) -> dict[str, str]:
    """Tier of every country: in NATO with the home, in the MSP with it, covered for every home with a folder, or another."""
    flags = {row["country"]: row for row in known.world["countries"]}

    def together(country: str, club: str) -> bool:
        return all(flags.get(one, {}).get(club) == "true" for one in (country, known.home))

    def tier(country: str) -> str:
        if country == known.home:
            return "home"
        if together(country, "nato"):
            return "ally"
        if together(country, "msp"):
            return "partner"
        # who is in neither with anybody does not plan against these
        allied = any(flags.get(known.home, {}).get(club) == "true" for club in ("nato", "msp"))
        return "covered" if allied and country in known.covered else "other"

    return {country: tier(country) for country in (*flags, *({known.home} - flags.keys()))}
