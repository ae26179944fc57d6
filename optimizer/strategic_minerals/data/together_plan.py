"""The plan of homes that plan together: rules for each of them, their part of the money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import Fault, PlanError
from ..schemas.plan import Plan
from .together_homes import Union

ALL = "ALL"
"""Home of a joint plan: the union of its members."""
LOSSES = "own"
"""Loss function of a joint plan: of every home its own."""
MONEY = ("appropriation_musd", "total_musd", "liability_cap_musd", "emergency_musd")
"""Fields of a budget that members have shares of."""
ABOUT_ONE = ("days_of_cover", "service_levels", "diversification")
"""Sections whose rules are about one material."""


def plan_of(u: Union) -> Plan:
    """An ordinary plan, whose names are those of the joint tables."""
    known = u.asked.model_dump(mode="json", exclude_none=True)
    known.pop("together", None)
    names = {m for own in u.materials.values() for m in own} if "*" in u.asked.materials else {*u.asked.materials}
    chosen = {each for name in names if u.concerns(name) for each in u.spread(name) if u.deals_in(each)}
    ordered = [name for name in u.ordered if name in chosen]
    if not ordered and not chosen - {*u.ordered}:
        found = f"nothing that {' and '.join(u.homes)} want, make or sell"
        expected = "materials of every member; leave the home out of [together] otherwise"
        raise PlanError([Fault("plan", "", "materials", found, expected)])
    known |= {"home": ALL, "loss_function": LOSSES, "materials": [*ordered, *sorted(chosen - {*u.ordered})]}
    share = sum(u.every[home].money_share for home in u.homes)
    for name in MONEY:
        amount = known["budget"].get(name)
        if isinstance(amount, dict):
            known["budget"][name] = {year: value * share for year, value in amount.items()}
        elif amount is not None:
            known["budget"][name] = amount * share
    for section in ABOUT_ONE:
        known[section] = [
            {**rule, "material": name}
            for rule in known.get(section, [])
            for name in _each(u, rule["material"])
            if section != "service_levels" or _wants(u, name, rule["segment"])
        ]
    instruments = known["instruments"]
    instruments["price_floors"] = [
        {**menu, "material": name}
        for menu in instruments.get("price_floors", [])
        if u.concerns(menu["material"])
        for name in u.spread(menu["material"])
        if name in chosen or name not in u.ordered
    ]
    supported = _projects(u, u.asked.instruments.project_list)
    instruments |= {"project_list": supported} if supported else {"projects": False, "project_list": ["*"]}
    packages = [each for name in u.asked.instruments.packages for each in _packages(u, name)]
    instruments["packages"] = packages or ["none"]
    known["controls"] = _about(u, known.get("controls", []))
    if rules := known.get("procurement", {}).get("exclusions"):
        known["procurement"]["exclusions"] = _about(u, rules)
    # where no name that is planned is known, any material of the tables: those names are told as faults, and this adds none
    spared = (ordered or u.ordered or known["materials"])[0]
    for scenario in known.get("scenarios", []):
        # what happens to others alone happens to nobody here: it stays, at its probability, with a cut of nothing
        scenario["events"] = _about(u, scenario["events"]) or [
            {**event, "materials": spared, "cut_share": 0.0, "price_multiplier": 1.0}
            for event in scenario["events"][:1]
        ]
    return Plan.model_validate(known)


def _each(u: Union, name: str) -> list[str]:
    """Materials of homes of the coalition that a rule on one is for; not of plants built together, which nobody uses as such."""
    return [e for e in u.spread(name) if e not in u.hubs and u.deals_in(e)] if u.concerns(name) else []


def _about(u: Union, rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rules with materials, each of which stands for that of every home; those about others alone are left out."""
    found = []
    for rule in rules:
        spread = dict(rule)
        if rule.get("materials") is not None:
            spread["materials"] = u.listed(rule["materials"])
        if rule.get("cut_shares"):  # what is called after one home comes last and counts
            ordered = sorted(rule["cut_shares"].items(), key=lambda item: "." in item[0])
            spread["cut_shares"] = {
                each: share for name, share in ordered if u.concerns(name) for each in u.spread(name)
            }
        if spread.get("materials") != "":
            found.append(spread)
    return found


def _wants(u: Union, name: str, segment: str) -> bool:
    """Whether a home has demand of a segment; True for a name that nobody has, which is a fault of its own."""
    home, _, material = name.partition(".")
    if home not in u.every:
        return True
    return any((row.material, row.segment) == (material, segment) for row in u.tables[home].rows("demand"))


def _projects(u: Union, names: Sequence[str]) -> list[str]:
    """Projects of the coalition that a list of the plan stands for."""
    found: list[str] = []
    for name in names:
        homes = [home for home in u.homes if name in u.projects[home]]
        known = name == "*" or any(name in own for own in u.projects.values())
        found += list(dict.fromkeys(u.called(home, name) for home in homes)) if homes else []
        found += [name] if name == "*" or (not known and u.concerns(name)) else []
    return found


def _packages(u: Union, name: str) -> list[str]:
    """Packages of the joint tables that one of the homes' stands for."""
    found = list(dict.fromkeys(row.package for row, of in u.packages if of == name))
    others = any(row.package == name for home in u.every for row in u.tables[home].rows("packages"))
    return found or ([] if others else [name])
