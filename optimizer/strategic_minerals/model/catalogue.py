"""Catalogue of the model: every variable and constraint with index, unit and meaning.

`models/FORMULATION.md` states the equations. Exported models and tests for completeness take names and meanings from here. Model
units: each material counts in a power of ten tonnes of its own (`world.instance.scale`); money in million USD."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["variable", "constraint"]


@dataclass(frozen=True)
class Component:
    """One component of the model."""

    kind: Kind
    block: str
    """commitments, period (one component in one period of the baseline course or a branch), branch, or scenario."""
    name: str
    index: tuple[str, ...]
    unit: str
    text: str
    price: str = ""
    """Constraints with a published price: its family in `prices.MEANING`; reported >= 0 where the constraint binds."""


M = "million USD"

VARIABLES: Mapping[str, Sequence[Sequence[str]]] = {
    "commitments": (
        ("sign", "option", "-", "package signed for a project at a date (binary)"),
        ("operating", "class", "-", "share of a project signed in an output class"),
        ("floor", "market_floor", "-", "market-wide price floor (binary)"),
        ("contract", "contract", "unit/period", "tonnes per period under offtake contract"),
        ("contract_signed", "contract", "-", "offtake contract signed (binary, only with a minimum quantity)"),
        ("carry", "year", M, "appropriation carried over to the next year"),
        ("unspent", "year", M, "unspent appropriation available to branches (only if the plan allows it)"),
        ("value_at_risk", "", M, "value at risk: loss exceeded with probability 1 - alpha"),
        ("trunk_loss", "component", M, "loss of a component on the baseline course"),
    ),
    "period": (
        ("output", "producer", "unit", "production for users"),
        ("reserve_output", "producer", "unit", "production for the reserve"),
        ("clean_output", "producer", "unit", "part of the production for users that is made of clean feed"),
        ("acquisition", "offer", "unit", "acquisition for the reserve"),
        ("release", "material", "unit", "release for use"),
        ("disposal", "material", "unit", "disposal"),
        ("stock", "material", "unit", "stock at the end of the period"),
        ("sent", "material", "unit", "stock moved to another home"),
        ("received", "material", "unit", "stock moved from another home"),
        ("substitute", "step", "unit", "demand served by substitution"),
        ("shortfall", "tier", "unit", "demand not served (shortfall)"),
        ("surplus", "material", "unit", "output beyond home demand, exported"),
        ("excess", "rule", "unit", "supply beyond a soft diversification rule"),
        ("users_pull", "users_stock", "unit", "drawn from users' own stock"),
        ("users_refill", "users_stock", "unit", "put into users' own stock"),
        ("users_missing", "users_stock", "unit", "missing from the level of users' own stock"),
        ("less", "material piece", "unit", "left in the market abroad by the plan"),
        ("more", "material piece", "unit", "taken from the market abroad by the plan"),
    ),
    "branch": (
        ("shared_money", "year", M, "shared money used"),
        ("unfilled", "material period", "unit", "stock missing from the target"),
        ("unsold", "material period", "unit", "stock that a shortage keeps from being sold"),
        ("short_of_promise", "service_level year", "unit", "shortfall against a soft service level"),
        ("loss", "", M, "loss of the component in the scenario"),
    ),
    "scenario": (("scenario_loss", "", M, "loss of the scenario"), ("tail", "", M, "loss beyond the value at risk")),
}
"""By block: name, index, unit, meaning."""

CONSTRAINTS: Mapping[str, Sequence[Sequence[str]]] = {
    "commitments": (
        ("one_package", "project", "-", "a project is supported at most once; a baseline project is built"),
        ("project_logic", "kind project project", "-", "projects that require or exclude others"),
        ("operating_sum", "class", "-", "shares signed, by output class"),
        ("one_market_floor", "material", "-", "at most one market floor per material"),
        ("without_market_floor", "group", "-", "packages without the market floor are excluded by it"),
        ("with_market_floor", "project market_floor", "-", "packages that rely on the market floor require it"),
        ("contract_least", "contract", "unit/period", "a contract is zero or at least its minimum quantity"),
        ("contract_most", "contract", "unit/period", "no contracted tonnes without a signature"),
        ("contracts_in_force", "source period", "unit/period", "contracts do not exceed the output of a source"),
        ("budget", "year", M, "outlays within appropriation and carry-over", "appropriation"),
        ("total_budget", "", M, "outlays of the planned years within a total", "total_budget"),
        ("contingent_liability", "year", M, "limit on the cost of floors in a year", "contingent_liability"),
        ("trunk_loss_sum", "component", M, "definition of the loss on the baseline course"),
        ("cvar_limit", "", M, "limit on CVaR", "cvar_limit"),
        ("expected_loss_limit", "", M, "limit on expected loss", "expected_loss_limit"),
    ),
    "period": (
        ("material_balance", "material", "unit", "material balance: supply is used or left over", "supply"),
        ("segment_bound", "demand", "unit", "shortfall and substitution do not exceed demand"),
        ("surplus_limit", "material", "unit", "surplus comes only from production"),
        ("stock_balance", "material", "unit", "stock balance", "stock"),
        ("pool_balance", "pool", "unit", "what the stock of one home gives up another receives"),
        ("seller_limit", "seller", "unit", "offers of one seller, or under one ceiling, share what it sells or allows"),
        ("reserve_production", "producer material", "unit", "purchases of the reserve are produced for it"),
        ("reserve_production_limit", "producer", "unit", "no production for the reserve without a purchase"),
        ("source_capacity", "source", "unit", "supply of a source; in a crisis its contracted share"),
        ("source_survival", "source", "unit", "a shut source supplies nothing unless a floor keeps it open"),
        ("project_capacity", "project", "unit", "output of a project: what was signed, ramped up and in operation"),
        ("floor_purchase", "offer", "unit", "purchases under a purchase floor"),
        ("clean_support", "project", "unit", "what is supported under a rule of origin runs on clean feed"),
        ("clean_share", "producer", "unit", "the clean part of a run is no more than the run"),
        ("clean_balance", "material", "unit", "clean feed for what the authority buys or supports"),
        ("qualified_supply", "producer", "unit", "a qualified form is made of what qualified makers make"),
        ("diversification", "rule", "unit", "diversification on the baseline course", "diversification"),
        (
            "trunk_shortfall",
            "material",
            "unit",
            "no diversification by shortfall, no purchase of what qualified users need",
        ),
        ("days_of_cover", "rule", "unit", "stock for a number of days of net imports", "days_of_cover"),
        ("users_stock_balance", "users_stock", "unit", "what users draw on is missing until refilled", "users_stock"),
        ("plant_pull", "users_stock", "unit", "plants draw no more of an input than they use"),
        ("market_taken", "material", "unit", "what the plan leaves in the market abroad home buys less there"),
        (
            "market_given",
            "material",
            "unit",
            "it comes from the reserve and projects, less what the reserve buys there",
        ),
        ("saving_tangent", "material piece", "unit", "what lower prices save shrinks with what is still bought"),
        ("price_before", "material", "unit", "no price falls below that before a disruption"),
    ),
    "branch": (
        (
            "branch_purchases",
            "year",
            M,
            "purchases in a branch are limited to the spending planned on the baseline course",
        ),
        ("calm_purchases", "year", M, "unspent money buys only tight materials"),
        ("stock_target", "material period", "unit", "a branch holds no more than the target of every future"),
        ("pool_target", "pool period", "unit", "homes that pool a stock hold no more than its target"),
        ("target_purchases", "material period", "unit", "a branch buys no more in a period than the target"),
        ("pool_purchases", "pool period", "unit", "homes that pool a stock buy no more in a period than its target"),
        ("unsold_sum", "material period", "unit", "what a shortage kept a branch from selling"),
        ("target_sales", "material period", "unit", "a branch sells what the baseline course sells, or could not"),
        ("filling", "material period", "unit", "a branch keeps filling its stock up to the target"),
        ("refill", "stock_rule", "unit", "a stock drawn down is full again some years after the event"),
        ("service_level", "service_level year", "unit", "promise to a segment in an event", "service_level"),
        ("branch_loss", "", M, "definition of a branch's loss"),
    ),
    "scenario": (
        ("scenario_loss_sum", "", M, "definition of a scenario's loss"),
        ("tail_excess", "", M, "loss beyond the value at risk"),
        ("shared_money", "year", M, "components share emergency money and unspent money"),
    ),
}
"""By block: name, index, unit, meaning, and the family of its published price."""

KINDS: Mapping[Kind, Mapping[str, Sequence[Sequence[str]]]] = {"variable": VARIABLES, "constraint": CONSTRAINTS}

COMPONENTS: tuple[Component, ...] = tuple(
    Component(kind, block, name, tuple(index.split()), *more)
    for kind, of in KINDS.items()
    for block, rows in of.items()
    for name, index, *more in rows
)
"""Every component that the formulation can build."""
