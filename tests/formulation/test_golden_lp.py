"""Every constraint family, the objective and the bounds of one small problem, pinned as text that people can read.

After a change of the mathematics that is meant: `python -m pytest tests/formulation/test_golden_lp.py --refresh-golden`, read the
diff."""

import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo
import pytest
from pyomo.repn import generate_standard_repn

from oracle.flat import flat_model
from strategic_minerals.matrix.problem import structure_of
from strategic_minerals.matrix.template import PYOMO_LOCK
from strategic_minerals.model.catalogue import COMPONENTS
from strategic_minerals.model.sets import TRUNK, Structure, WithoutPlan
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from strategic_minerals.question.together import joint_question
from support.allied import allied, event, home_tables
from support.shortage import adapting, stocked, with_spikes
from support.tiny import cut, floored, offer, project, source, supply_rule, tiny

GOLDEN = Path(__file__).parent / "golden"
BLOCKS = ("commitments", "period", "branch", "scenario")
FAMILIES = sorted(c.name for c in COMPONENTS if c.kind == "constraint")
INDEX = {(c.block, c.name): c.index for c in COMPONENTS}
TEXT = {c.name: c.text for c in COMPONENTS}


def everything() -> tuple[Plan, Dataset]:
    """Oxide from an allied and a Chinese mine, magnets from a home plant and China, two projects of which one needs the
    other, a market floor that carries the allied mine through a flood, and every rule that a plan can state."""
    contract = {"lot_t_per_yr": 500.0, "term_yr": 2.0, "fee_usd_per_kg": 1.0}
    magnets, chain, owner = {"magnet": 1.0, "oxide": -0.4}, {"feed": "modelled"}, {"hurdle_rate": 0.1}
    oxide = {"haircut_share": 0.1, "holding_share_per_yr": 0.02, "decay_share_per_yr": 0.01, "disposal_t_per_yr": 100.0}
    squeeze: dict[str, Any] = {"share": 0.8, "design_basis": True, "demand_multipliers": {"defence": 1.5}}
    squeeze |= {"flood_years": 1.0, "flood_multiplier": 0.5, "price_multiplier": 2.0}
    budget = {"carry_over_share": 0.5, "total_musd": 100.0, "liability_cap_musd": 30.0, "emergency_musd": 5.0}
    promise = {"material": "magnet", "segment": "defence", "level": 0.9, "scenarios": ["squeeze"]}
    mine = {"kappa": 0.6, "country": "AUS", "feed": "AUS", **owner}
    plan, data = tiny(
        {"oxide": 60.0, "magnet": 100.0},
        materials={
            "oxide": oxide,
            "magnet": {"haircut_share": 0.2, "storage_t": 900.0, "drawdown_t_per_yr": 400.0},
        },
        sources={
            "ally_mine": source("AUS", "oxide", 3.0, cash_usd_per_kg=40.0, kappa=0.5, feed="AUS", **contract),
            "china_mine": source("CHN", "oxide", 4.0),
            "home_plant": source("USA", magnets, {2027: 5.0, 2029: 6.0}, **chain),
            "china_magnets": source("CHN", "magnet", 8.0, premium_share=0.05),
        },
        demand={("oxide", "civil"): 1.0, ("magnet", "defence"): 2.0, ("magnet", "civil"): {2027: 6.0, 2029: 7.0}},
        loss={"oxide": 200.0, "magnet": 500.0},
        tiers={"civil": [(0.5, 1.0), (0.7, 2.0)], "defence": [(1.0, 3.0)]},
        steps=[("magnet", "civil", 0.1, 150.0)],
        offers={
            "spot": offer("oxide", 0.5, source="china_mine"),
            "from_plant": offer("magnet", 0.2, 0.1, source="home_plant"),
            "outside": offer("magnet", 0.3, 0.1, crisis=0.2),
        },
        stock={"oxide": 0.2},
        projects={
            "mine": project("oxide", 2.0, capex_musd=90.0, cash_usd_per_kg=50.0, **mine),
            "plant": project(
                magnets, 1.0, capex_musd=80.0, cash_usd_per_kg=60.0, needs="mine", additional=True, **owner, **chain
            ),
        },
        packages={
            "grant": {"instrument": "grant", "offtake_share": 0.5, "offtake_fee_usd_per_kg": 0.1},
            "take": floored("oxide", 58.0, 2.0, "purchase", instrument="grant", project="mine", take_t_per_yr=800.0),
        },
        states=[(0.8, 0.5), (1.2, 0.5)],
        scenarios=[cut("squeeze", 0.25, 2028.0, 1.0, **squeeze)],
        rate=0.05,
        money=40.0,
        budget={**budget, "branch_money": "appropriated"},
        risk={"alpha": 0.8, "cvar_weight": 0.5, "cvar_limit_musd": 9000.0, "expected_loss_limit_musd": 4000.0},
        service_levels=[{**promise, "penalty_usd_per_kg": 50.0}],
        diversification=[
            supply_rule("country_cap", "oxide", 0.6, country="CHN", from_year=2028, penalty_usd_per_kg=10.0),
            supply_rule("least_share", "magnet", 0.4, group="home", hard=True),
        ],
        days_of_cover=[{"material": "magnet", "days": 10.0, "from_year": 2028}],
    )
    menu = {"material": "oxide", "scope": "market", "levels_usd_per_kg": [55.0], "term_years": 3.0}
    magnets = {"countries": "covered", "materials": "magnet", "reach_back": True}
    bought, supported = {"from_year": 2028, "applies_to": ["purchases"]}, {"applies_to": ["support"]}
    procurement = {"exclusions": [{**magnets, **bought}, {**magnets, **supported}]}
    instruments = {"signing_years": [2027], "contract_years": [2027, 2028], "price_floors": [menu]}
    return Plan.model_validate({**plan.to_toml_like(), "instruments": instruments, "procurement": procurement}), data


def users_stock() -> tuple[Plan, Dataset]:
    """Magnets from a home plant that takes Chinese oxide: makers hold 0.4 kt of magnets, the plant two months of oxide; a cut of
    half a year, spikes counted, whose loss halves after three months."""
    plan, data = tiny(
        {"oxide": 60.0, "magnet": 100.0},
        sources={
            "china_mine": source("CHN", "oxide", 4.0),
            "home_plant": source("USA", {"magnet": 1.0, "oxide": -0.5}, 2.0),
            "china_magnets": source("CHN", "magnet", 4.0, premium_share=0.1),
        },
        demand={("magnet", "civil"): 4.0, ("magnet", "defence"): 1.0},
        loss={"oxide": 200.0, "magnet": 500.0},
        tiers={"civil": [(0.2, 1.0), (0.8, 2.0)], "defence": [(1.0, 3.0)]},
        scenarios=[cut("stop", 0.25, 2028.0, 0.5, share=0.75, price_multiplier=3.0)],
        rate=0.05,
        risk={"alpha": 0.8, "cvar_weight": 0.5},
    )
    changing = adapting(with_spikes((plan, data)), (0.0, 1.0), (3.0, 0.5), material="magnet")
    return stocked(changing, {("magnet", "civil"): 0.4, "oxide": 2.0}, months=["oxide"])


def two_homes() -> tuple[Plan, Dataset]:
    """America and Australia want ore: they share what one seller has and may move stock to each other, in a stop too."""
    more = {"sellers": [{"seller": "spot", "from_year": 2027, "depth_t_per_yr": 1200.0}]}
    homes = {
        "USA": home_tables("USA", loss=100.0, depth=1.0, demand=20.0, more=more),
        "AUS": home_tables("AUS", loss=50.0, depth=1.0, stock=0.5, more=more),
    }
    return joint_question(allied({"stop": (0.5, [event("ore")])}, freight=2.0, horizon=TWO_YEARS), homes)


def targets() -> tuple[Plan, Dataset]:
    """The two homes keep to the targets of every future; the baseline course may sell, and an event is in force when it begins."""
    plan, data = two_homes()
    menu = plan.instruments.model_copy(update={"trunk_disposal": True, "trunk_release": True})
    return plan.model_copy(update={"policy": "targets", "instruments": menu}), data


def refill() -> tuple[Plan, Dataset]:
    """A stock of gallium, a tenth lost each year, that has to be back to four fifths a year after a stop of half a year."""
    return tiny(
        {"gallium": 100.0},
        policy="targets",
        materials={"gallium": {"decay_share_per_yr": 0.1}},
        sources={"china": source("CHN", "gallium", 4.0)},
        demand={"gallium": 4.0},
        offers={"spot": offer("gallium", 0.5)},
        scenarios=[cut("stop", 0.25, 2028.0, 0.5, share=0.75)],
        stock_rules=[{"material": "gallium", "refill_within_years": 1.0, "refill_share": 0.8}],
    )


def qualified() -> tuple[Plan, Dataset]:
    """Half of the magnets may be used by defence: those of a home plant on clean ore, which alone is qualified in 2027; the reserve
    buys such magnets."""
    plan, data = tiny(
        {"ore": 10.0, "magnet": 50.0, "good": 50.0},
        materials={"good": {"qualified_of": "magnet", "qualified_users": "defence"}},
        sources={
            "ally_mine": source("AUS", "ore", 2.0, feed="AUS"),
            "china_mine": source("CHN", "ore", 9.0),
            "plant": source("USA", {"magnet": 1.0, "ore": -0.5}, 5.0, feed="modelled"),
            "ally": source("AUS", "magnet", 4.0, feed="AUS"),
            "check": source("USA", {"good": 1.0, "magnet": -1.0}, 9.0, feed="modelled"),
        },
        demand={("magnet", "defence"): 3.0, ("magnet", "civil"): 3.0},
        offers={"lot": offer("good", 0.5, source="check")},
        scenarios=[cut("stop", 0.25, 2028.0, 1.0)],
        procurement={
            "exclusions": [{"countries": "CHN", "materials": "magnet", "reach_back": True, "applies_to": ["users"]}]
        },
    )
    rows = [{"material": "good", "producer": name, "lead_yr": lead} for name, lead in (("plant", 0.0), ("ally", 1.0))]
    return plan, data.replace(qualifications=pd.DataFrame(rows))


def price_channel() -> tuple[Plan, Dataset]:
    """Tungsten from an ally, part of it under a contract, and from China; the reserve buys abroad, and a plant may be built."""
    return tiny(
        {"tungsten": 40.0},
        policy="targets",
        sources={
            "china": source("CHN", "tungsten", 4.0),
            "ally": source("AUS", "tungsten", 3.0, kappa=0.5, lot_t_per_yr=500.0, term_yr=2.0, fee_usd_per_kg=1.0),
        },
        demand={"tungsten": 4.0},
        projects={"plant": project("tungsten", 1.0, capex_musd=5.0)},
        packages={"support": {"instrument": "grant"}},
        offers={"spot": offer("tungsten", 0.5, 0.2)},
        scenarios=[cut("stop", 0.25, 2028.0, 1.0, price_multiplier=2.0)],
        responses={"tungsten": (20.0, 0.3, 0.2)},
        price_channel=True,
    )


TWO_YEARS = {"first_year": 2027, "years": 2, "tail_years": 0}
OTHERS = (users_stock, two_homes, targets, refill, qualified, price_channel)
CASES = {"": everything} | {case.__name__: case for case in OTHERS}
"""Folder below `GOLDEN` -> the problem whose rows stand there."""


@cache
def written(case: str = "") -> dict[str, str]:
    """File name -> text, from the flat model."""
    structure, _ = structure_of(*CASES[case]())
    if structure.instance.market_trade.any():  # what home users buy where nothing is done, as a solve finds it
        flows = np.zeros((1 + len(structure.scenarios.names), len(structure.instance.materials), 3))
        structure = replace(structure, without=WithoutPlan(flows + 4.0, flows + 4.0, flows, flows + np.inf))
    with PYOMO_LOCK:
        return Writer(structure, flat_model(structure)).files()


class Writer:
    """Names instead of numbers: `run[ally_mine]` in `period[oxide, squeeze, 2028]`."""

    def __init__(self, structure: Structure, m: Any) -> None:
        self.structure, self.m = structure, m
        self.where = {
            id(data): (block, index, component.local_name, key)
            for block in BLOCKS
            for index, b in getattr(m, block).items()
            for component in b.component_objects((pyo.Var, pyo.Constraint), descend_into=False)
            for key, data in component.items()
        }

    def files(self) -> dict[str, str]:
        """Text of each family, of the objective and of the bounds."""
        texts: dict[str, list[str]] = {}
        for item in self.m.component_data_objects(pyo.Constraint, active=True):
            texts.setdefault(self.where[id(item)][2], []).append(self.row(item))
        objective = self.terms(self.m.social_cost.expr)[0]
        return {
            **{name: f"\\ {name}: {TEXT[name]}\n\n" + "\n".join(rows) for name, rows in sorted(texts.items())},
            "objective": "\\ least social cost [million USD]\n\nmin\n" + objective,
            "bounds": "\\ bounds of the variables\n\n"
            + "\n".join(self.bound(v) for v in self.m.component_data_objects(pyo.Var))
            + "\n",
        }

    def row(self, item: Any) -> str:
        body, constant = self.terms(item.body)
        lower = -math.inf if item.lower is None else float(pyo.value(item.lower)) - constant
        upper = math.inf if item.upper is None else float(pyo.value(item.upper)) - constant
        sign, limit = ("=", lower) if lower == upper else ("<=", upper) if upper < math.inf else (">=", lower)
        return f"{self.name(item)}:\n{body}  {sign} {limit + 0.0:.10g}\n"

    def terms(self, body: Any) -> tuple[str, float]:
        repn = generate_standard_repn(body, compute_values=True)
        pairs = [(self.name(v), float(value)) for value, v in zip(repn.linear_coefs, repn.linear_vars, strict=True)]
        lines = [f"  {value:+.10g} {name}\n" for name, value in sorted(pairs) if abs(value) > 1e-12]
        return "".join(lines), float(repn.constant)

    def bound(self, v: Any) -> str:
        lower, upper = ("-inf" if v.lb is None else f"{v.lb:.10g}"), ("inf" if v.ub is None else f"{v.ub:.10g}")
        return f"{lower} <= {self.name(v)} <= {upper}{' integer' if v.is_integer() else ''}"

    def name(self, item: Any) -> str:
        block, index, name, key = self.where[id(item)]
        n = self.structure.instance
        place = {
            "commitments": list,
            "scenario": lambda: [self.structure.scenarios.names[index]],
            "branch": lambda: [n.components[index[0]], self.structure.scenarios.names[index[1]]],
            "period": lambda: [
                n.components[index[0]],
                "trunk" if index[1] == TRUNK else self.structure.scenarios.names[index[1]],
                n.calendar.period_label(index[2]),
            ],
        }[block]()
        keys = [] if key is None else list(key) if isinstance(key, tuple) else [key]
        kinds = INDEX[block, name]
        assert len(kinds) == len(keys), f"{block}.{name} has index {keys}, declared as {kinds}"
        inner = ", ".join(self.word(kind, k, name) for kind, k in zip(kinds, keys, strict=True))
        head = f"{block}[{', '.join(place)}]." if place else ""
        return f"{head}{name}" + (f"[{inner}]" if keys else "")

    def word(self, kind: str, k: Any, name: str) -> str:
        structure, n = self.structure, self.structure.instance
        demand = lambda q: ".".join(n.demands[q])  # noqa: E731
        words = {
            "producer": lambda: n.producers[k],
            "source": lambda: n.producers[k],
            "project": lambda: n.projects[k].name,
            "material": lambda: n.materials[k],
            "demand": lambda: demand(k),
            "period": lambda: n.calendar.period_label(k),
            "tier": lambda: f"{demand(n.tiers[k][0])}.{n.tiers[k][1]}",
            "pool": lambda: n.pool[structure.component_sets[0].pools[k][0]],
            "seller": lambda: n.sellers[k],
            "step": lambda: f"{demand(n.steps[k][0])}.{n.steps[k][1]}",
            "offer": lambda: k,
            "year": lambda: "episode" if k < 0 else str(n.calendar.years[k]),
            "kind": lambda: k,
            "contract": lambda: (
                f"{n.producers[structure.contracts[k].source]} from {n.calendar.period_label(structure.contracts[k].start)}"
            ),
            "market_floor": lambda: structure.support.markets[k].floor.name,
            "component": lambda: n.components[k],
            "users_stock": lambda: ".".join(
                (n.materials[n.users[k][0]], n.demands[n.users[k][1]][1] if n.users[k][1] >= 0 else "plants")
            ),
            "stock_rule": lambda: n.plan.stock_rules[k].material,
            "service_level": lambda: f"{n.plan.service_levels[k].material}.{n.plan.service_levels[k].segment}",
            "rule": lambda: (
                n.plan.days_of_cover[k].material
                if name == "days_of_cover"
                else f"{n.plan.diversification[k].material}.{n.plan.diversification[k].country or n.plan.diversification[k].group}"
            ),
            "option": lambda: self.option(k),
            "group": lambda: str(k),
            "piece": lambda: str(k + 1),
            "class": lambda: self.output_class(k),
        }
        return str(words[kind]())

    def option(self, o: int) -> str:
        option, n = self.structure.support.options[o], self.structure.instance
        floors = "".join(f" with {self.structure.support.markets[k].floor.name}" for k in option.market)
        return (
            f"{n.projects[option.project].name} {option.package.name}{floors} {n.calendar.period_label(option.signed)}"
        )

    def output_class(self, g: int) -> str:
        support, n = self.structure.support, self.structure.instance
        return f"{n.projects[support.classes[g].project].name} class {g}"


NUMBER = re.compile(r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|inf)$")


def unlike(left: str, right: str) -> list[str]:
    """Lines in which two texts differ, numbers within 1e-8 of each other being the same."""
    a, b = left.splitlines(), right.splitlines()
    wrong = [f"{len(a)} lines against {len(b)}"] if len(a) != len(b) else []
    for n, (one, two) in enumerate(zip(a, b, strict=False), start=1):
        x, y = one.split(), two.split()
        if len(x) != len(y) or not all(
            u == v
            or (NUMBER.match(u) and NUMBER.match(v) and math.isclose(float(u), float(v), rel_tol=1e-8, abs_tol=1e-10))
            for u, v in zip(x, y, strict=False)
        ):
            wrong.append(f"line {n}: {one.strip()!r} against {two.strip()!r}")
    return wrong


@pytest.mark.parametrize("case", CASES, ids=lambda case: case or "everything")
def test_the_written_mathematics_stands_still(case: str, request: pytest.FixtureRequest) -> None:
    """Proves: the families of a problem (the objective, the bounds) are those on file, term by term. A dropped term, a wrong sign
    or a shifted period shows as a line of mathematics, not as a changed optimum somewhere."""
    texts, folder = written(case), GOLDEN / case
    if request.config.getoption("--refresh-golden"):
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.lp").write_text(text, encoding="utf-8")
    filed = {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.lp")}
    assert set(filed) == set(texts)
    assert {name: wrong for name, text in texts.items() if (wrong := unlike(text, filed[name]))} == {}


def test_every_family_and_variable_is_on_file() -> None:
    """Proves: these problems build every declared family and use every declared variable, and no other (naming one that is not
    declared fails), so that a new one cannot stay unpinned."""
    assert {name for case in CASES for name in written(case)} - {"objective", "bounds"} == set(FAMILIES)
    bounds = "\n".join(written(case)["bounds"] for case in CASES)
    used = set(re.findall(r"(?:\]\.)?\b([a-z_]+)(?:\[[^\]]*\])? <=", bounds))
    assert used == {c.name for c in COMPONENTS if c.kind == "variable"}
