"""Random planning problems, tiny and economically sane, made in memory: `random_case(seed, **switches)`.

Magnets are made from two oxides that mines bring up together; gallium may stand beside them as a component of its own.
Home plants are never cut and never shut, tiers cover all demand, soft rules have a price: every seed has a feasible
plan, whatever the switches, because the hard service level (5 %) is within what home plants make in any scenario."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from support.tiny import floored, guaranteed, hazard_row, material_row, supply_rule

DRAWN = """dy=0.8 gallium=0.6 half_years=0.4 segments=0.6 tiers=0.6 substitution=0.7 contracts=0.8 lots=0.6 two_projects=0.6
logic=0.3 additional=0.5 project_floor=0.6 purchase_floor=0.5 market_floor=0.5 border_floor=0.4 upside=0.5
package_floor=0.4 flood=0.7 surge=0.5 third_cut=0.5 design_basis=0.6 two_events=0.4 override=0.2 sample=0.2
carry_over=0.5 liability_cap=0.4 emergency=0.5 total_budget=0.3 revolving=0.2 cvar=0.5 loss_limits=0.3
service_soft=0.5 service_hard=0.4 per_year=0.4 country_cap=0.4 least_share=0.3 cover=0.3 control=0.3 decay=0.4
opening=0.5 disposal=0.5 storage=0.3 drawdown=0.4 partial=0.2 spare=0.2 trunk_release=0.2 price_states=0.8
embedded=0.3 restart=0.5 lean=0.4 reserve=0.9 agreed=0.3"""
FEATURES = {name: float(chance) for name, chance in (drawn.split("=") for drawn in DRAWN.split())}
"""Switch -> probability that it is on where a caller does not set it; `spare` does nothing, but the draws after it stay."""

LATER = {"appropriated": 0.4, "committed": 0.25, "origin": 0.2, "reach_back": 0.5}
"""Switches drawn from a stream of their own, so that the older ones fall as before."""

ASKED = ("adaptation", "users_stock", "spikes", "two_markets", "hazard_prices", "channel")
"""Switches that are off unless asked for; their figures come from a stream of their own."""

FIRST = 2027
QUOTA = {"name": "quota", "countries": "CHN", "materials": "ndpr", "price_multiplier": 1.1}


def quick_first(values: Iterable[Any], quick: int) -> list[Any]:
    """Values to try a claim with: the first so many wherever tests run, the others where `slow` is asked for."""
    return [value if n < quick else pytest.param(value, marks=pytest.mark.slow) for n, value in enumerate(values)]


class _Case:
    """Draws of one seed: the switches first, then figures."""

    def __init__(self, seed: int, switches: dict[str, bool]) -> None:
        self.seed = seed
        unknown = set(switches) - set(FEATURES) - set(LATER) - set(ASKED)
        if unknown:
            raise ValueError(f"no such switches: {sorted(unknown)}")
        self.rng = np.random.default_rng(seed)
        drawn = {name: bool(self.rng.random() < chance) for name, chance in FEATURES.items()}
        later = np.random.default_rng([seed, 1])
        drawn |= {name: bool(later.random() < chance) for name, chance in LATER.items()}
        self.on = {**drawn, **dict.fromkeys(ASKED, False), **switches}
        self.seed = seed
        self.materials = [m for m in ("ndpr", "dy", "magnet", "gallium") if self.on.get(m, True)]
        self.step = 0.5 if self.on["half_years"] else 1.0
        self.years = int(self.rng.integers(2, 4)) if self.on["half_years"] else int(self.rng.integers(3, 6))
        self.tail = 1 if self.on["half_years"] else int(self.rng.integers(1, 3))
        ranges = {"ndpr": (55, 90), "dy": (200, 350), "magnet": (60, 110), "gallium": (250, 600)}
        self.price = {name: self.u(*least_and_most) for name, least_and_most in ranges.items()}
        self.magnets = self.u(800, 3000)
        self.gallium = self.u(12, 40)

    def u(self, low: float, high: float) -> float:
        return float(np.round(self.rng.uniform(low, high), 4))

    def pick(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]


def random_case(seed: int, **switches: bool) -> tuple[Plan, Dataset]:
    """A plan and its tables, the same for the same seed and switches (names in `FEATURES`)."""
    case = _Case(seed, switches)
    tables = {**_materials(case), **_producers(case), **_support(case)}
    tables |= _shortage(case, tables)
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items() if rows}
    plan = _plan(case)
    if case.on["spikes"]:
        plan = Plan.model_validate(plan.to_toml_like() | {"loss": {"spikes": True}})
    if case.on["two_markets"]:
        told = plan.to_toml_like()
        bordered = {menu.material for menu in plan.instruments.price_floors if menu.kind == "border"}
        split = [name for name in case.materials if name not in bordered] or case.materials[:1]
        plan = Plan.model_validate(told | {"controls": [*told["controls"], _licences(case, split)]})
        frames["price_gaps"] = pd.DataFrame(_quotes(case))
    if case.on["channel"]:
        rng = np.random.default_rng([seed, 6])
        plan = plan.model_copy(update={"price_channel": True})
        made = frames["capacities"].capacity_t_per_yr.max()
        frames["price_responses"] = pd.DataFrame(
            [
                {
                    "material": name, "trade_t_per_yr": made * float(rng.uniform(0.5, 4.0)),
                    "supply_elasticity": float(rng.uniform(0.1, 1.0)), "demand_elasticity": float(rng.uniform(0.05, 0.3)),
                    "later_supply_elasticity": float(rng.uniform(1.0, 2.0)), "later_from_month": 18,
                }
                for name in case.materials
            ]
        )  # fmt: skip
    if case.on["hazard_prices"]:
        frames |= _hazard_prices(case)
        frames["hazards"] = frames["hazards"].assign(
            severity_p05=0.6, severity_p95=1.7, stretch_p05=0.6, stretch_p95=2.0
        )
    return plan, Dataset.from_tables(frames, name=f"random {seed}")


def _licences(case: _Case, materials: list[str]) -> dict[str, Any]:
    """Licences that cut a tenth until some day of the second or third year, with a market of its own outside China."""
    until = FIRST + float(np.random.default_rng([case.seed, 3]).uniform(1.2, 2.8))
    given = {"name": "licences", "countries": "CHN", "materials": " ".join(materials), "cut_share": 0.1}
    return given | {"until_year": until, "outside_prices": True}


def _quotes(case: _Case) -> list[dict[str, Any]]:
    """Quotes of all but one material at 0.8 to 3 times its price."""
    rng = np.random.default_rng([case.seed, 4])
    return [
        {
            "material": name, "pair": "Europe / China", "date": "2026-02", "country": "CHN",
            "outside_usd_per_kg": case.price[name] * ratio, "inside_usd_per_kg": case.price[name], "ratio": ratio,
        }
        for name, ratio in zip(case.materials[1:], rng.uniform(0.8, 3.0, len(case.materials)), strict=False)
    ]  # fmt: skip


def _hazard_prices(case: _Case) -> dict[str, pd.DataFrame]:
    """A profile of the hazard of NdPr in two steps, with prices inside for its first half year and outside for all of it."""
    rng = np.random.default_rng([case.seed, 5])
    step = {"hazard": "stop", "material": "ndpr"}
    cuts = [(0.0, 5.0, float(rng.uniform(0.5, 0.9))), (5.0, 14.0, float(rng.uniform(0.1, 0.4)))]
    prices = [
        ("inside", 0.0, 6.0, float(rng.uniform(1.0, 1.4))),
        ("outside", 0.0, 6.0, float(rng.uniform(1.2, 2.5))),
        ("outside", 6.0, 14.0, float(rng.uniform(1.1, 4.0))),
    ]
    return {
        "hazard_profiles": pd.DataFrame(
            [{**step, "flow": "effective", "month_from": a, "month_to": b, "cut_share": share} for a, b, share in cuts]
        ),
        "hazard_prices": pd.DataFrame(
            [
                {**step, "market": market, "month_from": a, "month_to": b, "price_multiplier": multiple}
                for market, a, b, multiple in prices
            ]
        ),
    }


def _shortage(case: _Case, tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """How losses change with time, and what users hold themselves: segments, and plants that use an input."""
    rng = np.random.default_rng([case.seed, 2])
    found: dict[str, list[dict[str, Any]]] = {}
    if case.on["adaptation"]:
        steps = [(0.0, 1.0), (float(rng.uniform(2, 8)), 0.7), (float(rng.uniform(9, 20)), float(rng.uniform(0.1, 0.6)))]
        found["adaptation"] = [
            {"material": material, "segment": segment, "from_month": month, "multiplier": multiplier}
            for material, segment in (("magnet", "*"), ("*", "defence"))
            for month, multiplier in steps
        ]
    if case.on["users_stock"]:
        wanted = sorted({(row["material"], row["segment"]) for row in tables["demand"]})
        found["users_stock"] = [
            {"material": material, "segment": segment, "level_months": float(rng.uniform(0.5, 4.0))}
            for material, segment in wanted
            if segment == "civil"
        ]
    return found


def _materials(case: _Case) -> dict[str, list[dict[str, Any]]]:
    on, u = case.on, case.u
    stage = {"ndpr": "oxide", "dy": "oxide", "magnet": "magnet", "gallium": "refined"}
    need = {"ndpr": 0.06 * case.magnets, "dy": 0.004 * case.magnets, "magnet": case.magnets, "gallium": case.gallium}
    materials, prices, demand, tiers, steps, losses, stock = [], [], [], [], [], [], []
    for name in case.materials:
        haircut = u(0.05, 0.15)
        kept = {"haircut_share": haircut, "holding_share_per_yr": u(0.01, 0.03)}
        kept |= {"decay_share_per_yr": u(0.01, 0.05) if on["decay"] else 0.0}
        kept |= {"salvage_share": case.pick(None, round(1 - haircut / 2, 6)), "resale_share": case.pick(1.0, 0.9)}
        kept |= {"storage_t": need[name] * u(0.3, 1.5) if on["storage"] else None}
        kept |= {"drawdown_t_per_yr": need[name] * u(0.2, 0.8) if on["drawdown"] else None}
        kept |= {"disposal_t_per_yr": need[name] * u(0.05, 0.3) if on["disposal"] else 0.0}
        materials.append(material_row(name, stage=stage[name], **kept))
        for year, factor in ((FIRST, 1.0), (FIRST + 2, u(0.9, 1.2))):
            level = case.price[name] * factor
            prices.append({"price_set": "base", "material": name, "from_year": year, "price_usd_per_kg": level})
        for segment, share in (("defence", u(0.1, 0.3)), ("civil", u(0.6, 0.9)))[0 if on["segments"] else 1 :]:
            for year, growth in ((FIRST, 1.0), (FIRST + 1, u(1.0, 1.15))):
                wanted = need[name] * share * growth
                demand.append({"material": name, "segment": segment, "from_year": year, "demand_t_per_yr": wanted})
            if on["substitution"]:
                for k in range(1, case.pick(1, 2) + 1):
                    step = {"limit_share": u(0.02, 0.15), "cost_usd_per_kg": case.price[name] * u(0.5, 3.0) * k}
                    steps.append({"material": name, "segment": segment, "step": k, **step})
        loss = case.price[name] * 1e3 * u(2, 12)
        losses.append({"loss_function": "test", "material": name, "segment": "*", "loss_usd_per_t": loss})
        if on["opening"] and case.rng.random() < 0.7:
            limit = materials[-1]["storage_t"] or np.inf
            stock.append({"material": name, "opening_t": min(0.9 * limit, need[name] * u(0.02, 0.2))})
    for segment, scale in (("defence", 3.0), ("civil", 1.0)):
        split = (0.5, 0.6) if on["tiers"] else (1.0,)
        tiers += [
            {"material": "*", "segment": segment, "tier": k + 1, "share": s, "loss_multiplier": scale * (1 + k)}
            for k, s in enumerate(split)
        ]
    names = "materials prices demand tiers substitution loss_functions stock".split()
    return dict(zip(names, (materials, prices, demand, tiers, steps, losses, stock), strict=True))


def _producers(case: _Case) -> dict[str, list[dict[str, Any]]]:
    on, u = case.on, case.u
    oxide, metal = {"ndpr": 0.75, "dy": 0.05}, {"magnet": 1.0, "ndpr": -0.33, "dy": -0.015}
    M, revenue = case.magnets, 0.75 * case.price["ndpr"] + (0.05 * case.price["dy"] if on["dy"] else 0.0)
    restart = case.pick(0.5, 1.0) if on["restart"] else 0.0
    sources = [  # name, country, yields, capacity, cash, kappa, contracts
        ("home-mine", "USA", oxide, 0.15 * M, 0.0, 1.0, False),
        ("ally-mine", "AUS", oxide, u(0.2, 0.5) * M, revenue * u(0.3, 0.8), u(0.2, 0.8), True),
        ("china-mine", "CHN", oxide, u(0.3, 0.9) * M, 0.0, 1.0, False),
        ("home-magnets", "USA", metal, u(0.15, 0.3) * M, 0.0, 1.0, False),
        ("china-magnets", "CHN", {"magnet": 1.0}, u(0.8, 1.3) * M, 0.0, case.pick(1.0, 0.7), False),
    ]
    if on["gallium"]:
        gallium, G, price = {"gallium": 1.0}, case.gallium, case.price["gallium"]
        sources += [
            ("home-gallium", "USA", gallium, 0.2 * G, 0.0, 1.0, False),
            ("ally-gallium", "CAN", gallium, u(0.3, 0.6) * G, price * u(0.3, 0.8), u(0.2, 0.8), True),
            ("china-gallium", "CHN", gallium, u(0.6, 1.2) * G, 0.0, 1.0, False),
        ]
    activities, capacities, yields, agreed = [], [], [], []
    kept = np.random.default_rng([case.seed, 2])  # apart, so that every other figure stays what it was
    for name, country, makes, capacity, cash, kappa, contracts in sources:
        contracts = contracts and on["contracts"]
        row = {"activity": name, "name": name, "country": country, "stage": "x", "cash_usd_per_kg": cash}
        row |= {"kappa": kappa, "premium_share": case.pick(0.0, u(-0.04, 0.2)), "restart_yr": restart}
        row |= {"lot_t_per_yr": (capacity * u(0.1, 0.4) if on["lots"] else 0.0) if contracts else None}
        row |= {"fee_usd_per_kg": revenue * u(0.005, 0.05)}
        row |= {"honoured_share": float(kept.uniform(0.5, 1.0)) if contracts else 1.0}
        row |= {"sold_share": float(kept.uniform(0.0, 0.5)) if contracts and not on["lots"] else 0.0}
        activities.append({**row, "term_yr": case.pick(1.0, 2.0, 3.0) if contracts else None})
        if on["agreed"] and name == "ally-mine":
            level, until = case.price["ndpr"] * u(0.7, 1.1), FIRST + case.pick(1, 2, 9) + 1
            agreed.append(guaranteed(name, "ndpr", level, until, payer=("OTH", "USA", None)[int(kept.integers(3))]))
        capacities.append({"activity": name, "from_year": FIRST, "capacity_t_per_yr": capacity})
        if country != "USA" and case.rng.random() < 0.4:
            capacities.append({"activity": name, "from_year": FIRST + 2, "capacity_t_per_yr": capacity * u(0.8, 1.2)})
        yields += _yield_rows(case, name, makes)
    made = [("oxide-project", case.pick("AUS", "USA"), oxide, u(0.2, 0.5) * M, revenue)]
    if on["two_projects"]:
        second = ("gallium-project", "CAN", {"gallium": 1.0}, u(0.2, 0.6) * case.gallium, case.price["gallium"])
        magnets = ("magnet-project", "USA", metal, u(0.1, 0.4) * M, case.price["magnet"] - 0.33 * case.price["ndpr"])
        made.append(second if on["gallium"] and case.rng.random() < 0.5 else magnets)
    projects = []
    for name, country, makes, capacity, worth in made:
        margin = worth * u(0.1, 0.5)
        row = {"project": name, "name": name, "country": country, "stage": "x", "capacity_t_per_yr": capacity}
        row |= {"capex_musd": capacity * margin / 1e3 * u(2, 9), "hurdle_rate": u(0.06, 0.14)}
        row |= {"cash_usd_per_kg": max(0.0, worth - margin)}
        row |= {"lead_yr": case.pick(0.5, 1.0, 2.0), "life_yr": case.pick(3.0, 6.0, 10.0)}
        row |= {"premium_share": case.pick(0.0, u(0.0, 0.1)), "kappa": u(0.2, 1.0), "restart_yr": restart}
        row |= {"earliest_signing": FIRST + case.pick(0, 0, 1), "additional": on["additional"]}
        projects.append(row)
        if on["committed"] and len(projects) == 1:
            projects[0] |= {"committed": True, "additional": False}
        yields += _yield_rows(case, name, makes)
    if on["logic"] and len(projects) == 2:
        projects[1] |= {case.pick("needs", "excludes"): projects[0]["project"], "additional": True}
    ramps = [{"project": "*", "age_yr": 0, "ramp_share": 0.5}, {"project": "*", "age_yr": 1, "ramp_share": 1.0}]
    countries = [("USA", "home"), ("AUS", "ally"), ("CAN", "partner"), ("CHN", "covered")]
    return {
        "activities": activities,
        "capacities": capacities,
        "yields": yields,
        "projects": projects,
        "feed_origins": [
            {"producer": row.get("activity") or row["project"], "origins": feed}
            for row in (*activities, *projects)
            if (feed := _feed(row.get("activity") or row["project"], row["country"], yields))
        ],
        "ramps": ramps,
        "commitments": agreed,
        "countries": [{"country": c, "name": c, "tier": tier} for c, tier in countries],
    }


def _feed(producer: str, country: str, yields: list[dict[str, Any]]) -> str:
    """What a producer declares of its feed: modelled where it takes some; mines outside China their own ore, China nothing."""
    if any(row["producer"] == producer and row["yield_t_per_t"] < 0 for row in yields):
        return "modelled"
    return "" if country == "CHN" else country


def _yield_rows(case: _Case, producer: str, makes: dict[str, float]) -> list[dict[str, Any]]:
    used = {m: y for m, y in makes.items() if m in case.materials}
    return [{"producer": producer, "material": m, "yield_t_per_t": y} for m, y in used.items()]


def _support(case: _Case) -> dict[str, list[dict[str, Any]]]:
    on, u, M = case.on, case.u, case.magnets
    instruments = [
        _instrument("grant", 1.0, 0.8),
        _instrument("loan", u(0.05, 0.3), 0.6, rate=0.02, tenor_yr=8, grace_yr=2, grant_on_top=on["lean"]),
        _instrument("equity", u(0.3, 0.7), 0.5, rate=0.05, tenor_yr=10),
        _instrument("none", 0.0, 0.0),
    ]
    packages: list[dict[str, Any]] = [{"package": "grant", "instrument": "grant", "offtake_share": 0.0}]
    right: dict[str, Any] = dict.fromkeys(("package", "instrument"), case.pick("loan", "equity"))
    right |= {"offtake_share": 0.5, "offtake_fee_usd_per_kg": case.price["ndpr"] * u(0.002, 0.02)}
    packages.append({**right, "offtake_fee_share": case.pick(0.0, 0.02)})
    if on["package_floor"]:
        kind = case.pick("contract", "purchase")
        floor = floored("ndpr", case.price["ndpr"] * u(0.8, 1.3), case.pick(2, 4), kind, instrument="grant")
        floor |= {"package": "floored", "project": "oxide-project", "offtake_share": 1.0, "offtake_fee_usd_per_kg": 0.1}
        floor["upside_share"] = 0.3 if on["upside"] else 0.0
        packages.append({**floor, "take_t_per_yr": u(0.05, 0.4) * M if kind == "purchase" else None})
    offers = [
        ("ndpr-spot", "ndpr", "china-mine", u(0.02, 0.2) * M, u(0.0, 0.1), None),
        ("ndpr-dear", "ndpr", "ally-mine", u(0.02, 0.2) * M, u(0.1, 0.3), None),
        ("ndpr-project", "ndpr", "oxide-project", u(0.02, 0.1) * M, u(0.0, 0.2), None),
        ("magnet-outside", "magnet", "outside", u(0.02, 0.2) * M, u(0.0, 0.3), u(0.0, 0.6)),
        ("magnet-home", "magnet", "home-magnets", u(0.02, 0.1) * M, u(0.0, 0.2), None),
        ("dy-spot", "dy", "ally-mine", u(0.001, 0.01) * M, u(0.0, 0.2), None),
        ("gallium-outside", "gallium", "outside", u(0.1, 0.4) * case.gallium, u(0.0, 0.3), u(0.0, 0.6)),
        ("gallium-spot", "gallium", "china-gallium", u(0.1, 0.4) * case.gallium, u(0.0, 0.1), None),
    ]
    columns = ("offer", "material", "source_producer", "depth_t_per_yr", "premium_share", "crisis_availability")
    states = [(0.7, 0.25), (1.0, 0.5), (1.3, 0.25)] if on["price_states"] else []
    return {
        "instruments": instruments,
        "packages": packages,
        "offers": [
            dict(zip(columns, row, strict=True))
            for row in offers
            if row[1] in case.materials and (case.rng.random() < 0.8 or row[3] is None or row[2] == "outside")
        ],
        "price_states": [{"state": f"s{k}", "factor": w, "probability": q} for k, (w, q) in enumerate(states)],
        "hazards": [
            hazard_row("stop", "ndpr", 0.4, cut_share=0.7, cut_share_low=0.4, cut_share_high=1.0, price_multiplier=1.6)
        ],
    }


def _instrument(name: str, score: float, most: float, **row: Any) -> dict[str, Any]:
    return {"instrument": name, "kind": name, "score": score, "max_share_of_capex": most, **row}


def _menu(material: str, levels: list[float], years: int, **menu: Any) -> dict[str, Any]:
    return {"material": material, "levels_usd_per_kg": levels, "term_years": years, **menu}


def _promise(segment: str, level: float, scenarios: list[str], per: str, **promise: Any) -> dict[str, Any]:
    return {"material": "magnet", "segment": segment, "level": level, "scenarios": scenarios, "per": per, **promise}


def _event(start: float, years: float, countries: str, materials: str, share: float, **event: Any) -> dict[str, Any]:
    struck = {"start_year": start, "duration_years": years, "countries": countries, "materials": materials}
    return {**struck, "cut_share": share, **event}


def _scenarios(case: _Case) -> list[dict[str, Any]]:
    on, u = case.on, case.u
    chain = " ".join(m for m in case.materials if m != "gallium")

    def start(latest: float) -> float:
        return FIRST + case.step * float(case.rng.integers(1, max(2, round(latest / case.step)))) + case.pick(0.0, 0.25)

    cut = _event(start(case.years), u(0.6, 2.2), "CHN", chain, u(0.4, 1.0), price_multiplier=u(1.1, 2.5))
    if on["third_cut"]:
        cut["third_country_cut_share"] = u(0.1, 0.4)
    if on["override"]:
        cut["tight"] = case.pick(True, False)
    scenarios = [{"name": "cut", "probability": u(0.1, 0.3), "design_basis": on["design_basis"], "events": [cut]}]
    if on["flood"]:
        flood = {"start_year": start(case.years - 1), "flood_years": u(0.8, 1.6), "flood_multiplier": u(0.3, 0.8)}
        event = {**cut, **flood}
        event.pop("tight", None)
        scenarios.append({"name": "flood", "probability": u(0.1, 0.3), "events": [event]})
    if on["surge"]:
        segment = "defence" if on["segments"] else "civil"
        event = _event(start(case.years), u(0.6, 2.0), "*", "*", case.pick(0.0, u(0.1, 0.4)))
        event |= {"price_multiplier": u(1.0, 1.5), "demand_multipliers": {segment: u(1.2, 2.0)}}
        scenarios.append({"name": "surge", "probability": u(0.05, 0.2), "design_basis": True, "events": [event]})
    if on["two_events"]:
        other = "gallium" if on["gallium"] else "ndpr"
        again = _event(start(case.years + 1), u(0.5, 1.0), "CHN CAN", other, u(0.5, 1.0), price_multiplier=u(1.2, 3.0))
        first = {**cut, "duration_years": 0.5, "start_year": FIRST + case.step}
        scenarios.append({"name": "twice", "probability": u(0.05, 0.15), "events": [first, again]})
    return scenarios


def _plan(case: _Case) -> Plan:
    on, u = case.on, case.u
    worth = case.magnets * case.price["ndpr"] * 0.33 / 1e3 + case.gallium * case.price["gallium"] / 1e3
    money = worth * (u(0.1, 0.4) if on["lean"] else u(0.5, 2.0))
    menus: list[dict[str, Any]] = []
    if on["project_floor"]:
        levels = [case.price["ndpr"] * f for f in (0.87, 1.13)[: case.pick(1, 2)]]
        menus.append(_menu("ndpr", levels, case.pick(2, 3, 6), upside_share=0.3 if on["upside"] else 0.0))
    if on["purchase_floor"]:
        level = case.price["ndpr"] * u(0.9, 1.2)
        menus.append(_menu("ndpr", [level], 3, kind="purchase", take_share=u(0.3, 1.0)))
    if on["market_floor"]:
        name = case.pick(*case.materials)
        level, term = case.price[name] * u(0.7, 1.05), case.pick(2, 4, 8)
        upside, eligible = 0.1 if on["upside"] else 0.0, case.pick("home", "allied")
        menus.append(_menu(name, [level], term, scope="market", upside_share=upside, eligible=eligible))
    if on["border_floor"]:
        taken = {menu["material"] for menu in menus if menu.get("scope") == "market"}
        name = case.pick(*[m for m in case.materials if m not in taken])
        level, term = case.price[name] * u(0.8, 1.2), case.pick(2, 4, 8)
        menus.append(_menu(name, [level], term, scope="market", kind="border", embedded_content=on["embedded"]))
    scenarios = _scenarios(case)
    named = [s["name"] for s in scenarios if s.get("design_basis")]
    segment = "defence" if on["segments"] else "civil"
    promises: list[dict[str, Any]] = []
    per = "fiscal_year" if on["per_year"] else "episode"
    if on["service_soft"] and named:
        promises.append(_promise(segment, u(0.8, 1.0), named, per, penalty_usd_per_kg=u(5, 200)))
    if on["service_hard"] and named:
        promises.append(_promise("civil", 0.05, named, per))
    rules: list[dict[str, Any]] = []
    if on["country_cap"]:
        share, penalty = u(0.2, 0.6), {"from_year": FIRST + 1, "penalty_usd_per_kg": u(1, 60)}
        rules.append(supply_rule("country_cap", "ndpr", share, country="CHN", **penalty))
    if on["least_share"]:
        group = case.pick("home", "allied")
        rules.append(supply_rule("least_share", "magnet", u(0.1, 0.6), group=group, penalty_usd_per_kg=u(1, 60)))
    horizon = {"years": case.years, "tail_years": case.tail}
    prices_of = {"price_year": 2026, "price_set": "base", "loss_function": "test"}
    return Plan.model_validate(
        {
            "name": f"random-{case.seed}",
            **prices_of,
            "discount_rate": u(0.0, 0.07),
            "residual": case.pick(1.0, 0.5, 0.0),
            "horizon": horizon | {"first_year": FIRST, "period_months": round(12 * case.step)},
            "budget": {
                "appropriation_musd": case.pick(money, {FIRST: money, FIRST + 1: money * u(0.5, 1.5)}),
                "carry_over_share": u(0.1, 1.0) if on["carry_over"] else 0.0,
                "revolving": on["revolving"],
                "total_musd": money * (case.years * u(0.6, 0.9)) if on["total_budget"] else None,
                "liability_cap_musd": money * u(0.05, 0.5) if on["liability_cap"] else None,
                "liability_quantile": 0.75,
                "emergency_musd": money * u(0.05, 0.3) if on["emergency"] else 0.0,
                "branch_money": "appropriated" if on["appropriated"] else "planned",
            },
            "instruments": {
                "reserve": on["reserve"],
                "partial_support": on["partial"],
                "trunk_release": on["trunk_release"],
                "price_floors": menus,
                "signing_years": [FIRST, FIRST + 1],
            },
            "risk": {
                "alpha": u(0.6, 0.9),
                "cvar_weight": u(0.1, 1.0) if on["cvar"] else 0.0,
                "cvar_limit_musd": 1e6 * worth if on["loss_limits"] else None,
                "expected_loss_limit_musd": 1e6 * worth if on["loss_limits"] else None,
            },
            "controls": [{**QUOTA, "cut_share": u(0.1, 0.4), "until_year": FIRST + u(0.5, 2.5)}]
            if on["control"]
            else [],
            "procurement": {"exclusions": _exclusions(case)},
            "scenarios": scenarios,
            "sample": {"scenarios": 3, "seed": case.seed} if on["sample"] else None,
            "policy": ("foresight", "targets")[case.seed % 2],
            "service_levels": promises,
            "diversification": rules,
            "days_of_cover": [{"material": "magnet", "days": u(0.5, 3.0), "from_year": FIRST + 1}]
            if on["cover"] and on["reserve"] and not on["storage"] and not on["lean"]
            else [],
        }
    )


def _exclusions(case: _Case) -> list[dict[str, Any]]:
    """China is no origin of oxide from the second year on, nor of magnets back to the mine; a hard rule of cover must stay within
    reach of what may be bought."""
    if not case.on["origin"]:
        return []
    oxide = {"countries": "covered", "materials": "ndpr", "from_year": FIRST + 1}
    magnets = {"countries": "CHN", "materials": "magnet", "from_year": FIRST + 0.5, "reach_back": True}
    return [oxide, magnets] if case.on["reach_back"] and not case.on["cover"] else [oxide]


def many(seed: int) -> tuple[Plan, Dataset]:
    """A random case that can be taken apart, with a sample of scenarios beside its listed scenarios."""
    return random_case(seed, loss_limits=False, sample=True)
