"""Catalogue of the model: every variable and constraint with index, unit and meaning.

`models/FORMULATION.md` states the equations. Exported models and tests for completeness take names and meanings from here. Model
units: each material counts in a power of ten tonnes of its own (`world.instance.scale`); money in million USD.
"""

from __future__ import annotations

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


def _v(block: str, name: str, index: str, unit: str, text: str) -> Component:
    return Component("variable", block, name, tuple(index.split()), unit, text)


def _c(block: str, name: str, index: str, unit: str, text: str, price: str = "") -> Component:
    return Component("constraint", block, name, tuple(index.split()), unit, text, price)


M = "million USD"

COMPONENTS: tuple[Component, ...] = (
    _v("commitments", "sign", "option", "-", "package signed for a project at a date (binary)"),
    _v("commitments", "operating", "class", "-", "share of a project signed in an output class"),
    _v("commitments", "floor", "market_floor", "-", "market-wide price floor (binary)"),
    _v("commitments", "contract", "contract", "unit/period", "tonnes per period under offtake contract"),
    _v(
        "commitments",
        "contract_signed",
        "contract",
        "-",
        "offtake contract signed (binary, only with a minimum quantity)",
    ),
    _v("commitments", "carry", "year", M, "appropriation carried over to the next year"),
    _v("commitments", "unspent", "year", M, "unspent appropriation available to branches (only if the plan allows it)"),
    _v("commitments", "value_at_risk", "", M, "value at risk: loss exceeded with probability 1 - alpha"),
    _v("commitments", "trunk_loss", "component", M, "loss of a component on the baseline course"),
    _v("period", "output", "producer", "unit", "production for users"),
    _v("period", "reserve_output", "producer", "unit", "production for the reserve"),
    _v("period", "clean_output", "producer", "unit", "part of the production for users that is made of clean feed"),
    _v("period", "acquisition", "offer", "unit", "acquisition for the reserve"),
    _v("period", "release", "material", "unit", "release for use"),
    _v("period", "disposal", "material", "unit", "disposal"),
    _v("period", "stock", "material", "unit", "stock at the end of the period"),
    _v("period", "sent", "material", "unit", "stock moved to another home"),
    _v("period", "received", "material", "unit", "stock moved from another home"),
    _v("period", "substitute", "step", "unit", "demand served by substitution"),
    _v("period", "shortfall", "tier", "unit", "demand not served (shortfall)"),
    _v("period", "surplus", "material", "unit", "output beyond home demand, exported"),
    _v("period", "excess", "rule", "unit", "supply beyond a soft diversification rule"),
    _v("period", "users_pull", "users_stock", "unit", "drawn from users' own stock"),
    _v("period", "users_refill", "users_stock", "unit", "put into users' own stock"),
    _v("period", "users_missing", "users_stock", "unit", "missing from the level of users' own stock"),
    _v("period", "less", "material piece", "unit", "left in the market abroad by the plan"),
    _v("period", "more", "material piece", "unit", "taken from the market abroad by the plan"),
    _v("branch", "shared_money", "year", M, "shared money used"),
    _v("branch", "unfilled", "material period", "unit", "stock missing from the target"),
    _v("branch", "unsold", "material period", "unit", "stock that a shortage keeps from being sold"),
    _v("branch", "short_of_promise", "service_level year", "unit", "shortfall against a soft service level"),
    _v("branch", "loss", "", M, "loss of the component in the scenario"),
    _v("scenario", "scenario_loss", "", M, "loss of the scenario"),
    _v("scenario", "tail", "", M, "loss beyond the value at risk"),
    _c(
        "commitments", "one_package", "project", "-", "a project is supported at most once; a baseline project is built"
    ),
    _c("commitments", "project_logic", "kind project project", "-", "projects that require or exclude others"),
    _c("commitments", "operating_sum", "class", "-", "shares signed, by output class"),
    _c("commitments", "one_market_floor", "material", "-", "at most one market floor per material"),
    _c("commitments", "without_market_floor", "group", "-", "packages without the market floor are excluded by it"),
    _c(
        "commitments",
        "with_market_floor",
        "project market_floor",
        "-",
        "packages that rely on the market floor require it",
    ),
    _c(
        "commitments",
        "contract_least",
        "contract",
        "unit/period",
        "a contract is zero or at least its minimum quantity",
    ),
    _c("commitments", "contract_most", "contract", "unit/period", "no contracted tonnes without a signature"),
    _c(
        "commitments",
        "contracts_in_force",
        "source period",
        "unit/period",
        "contracts do not exceed the output of a source",
    ),
    _c("commitments", "budget", "year", M, "outlays within appropriation and carry-over", "appropriation"),
    _c("commitments", "total_budget", "", M, "outlays of the planned years within a total", "total_budget"),
    _c(
        "commitments",
        "contingent_liability",
        "year",
        M,
        "limit on the cost of floors in a year",
        "contingent_liability",
    ),
    _c("commitments", "trunk_loss_sum", "component", M, "definition of the loss on the baseline course"),
    _c("commitments", "cvar_limit", "", M, "limit on CVaR", "cvar_limit"),
    _c("commitments", "expected_loss_limit", "", M, "limit on expected loss", "expected_loss_limit"),
    _c("period", "material_balance", "material", "unit", "material balance: supply is used or left over", "supply"),
    _c("period", "segment_bound", "demand", "unit", "shortfall and substitution do not exceed demand"),
    _c("period", "surplus_limit", "material", "unit", "surplus comes only from production"),
    _c("period", "stock_balance", "material", "unit", "stock balance", "stock"),
    _c("period", "pool_balance", "pool", "unit", "what the stock of one home gives up another receives"),
    _c(
        "period",
        "seller_limit",
        "seller",
        "unit",
        "offers of one seller, or under one ceiling, share what it sells or allows",
    ),
    _c("period", "reserve_production", "producer material", "unit", "purchases of the reserve are produced for it"),
    _c("period", "reserve_production_limit", "producer", "unit", "no production for the reserve without a purchase"),
    _c("period", "source_capacity", "source", "unit", "supply of a source; in a crisis its contracted share"),
    _c("period", "source_survival", "source", "unit", "a shut source supplies nothing unless a floor keeps it open"),
    _c(
        "period",
        "project_capacity",
        "project",
        "unit",
        "output of a project: what was signed, ramped up and in operation",
    ),
    _c("period", "floor_purchase", "offer", "unit", "purchases under a purchase floor"),
    _c("period", "clean_support", "project", "unit", "what is supported under a rule of origin runs on clean feed"),
    _c("period", "clean_share", "producer", "unit", "the clean part of a run is no more than the run"),
    _c("period", "clean_balance", "material", "unit", "clean feed for what the authority buys or supports"),
    _c("period", "qualified_supply", "producer", "unit", "a qualified form is made of what qualified makers make"),
    _c("period", "diversification", "rule", "unit", "diversification on the baseline course", "diversification"),
    _c(
        "period",
        "trunk_shortfall",
        "material",
        "unit",
        "no diversification by shortfall, no purchase of what qualified users need",
    ),
    _c("period", "days_of_cover", "rule", "unit", "stock for a number of days of net imports", "days_of_cover"),
    _c(
        "period",
        "users_stock_balance",
        "users_stock",
        "unit",
        "what users draw on is missing until refilled",
        "users_stock",
    ),
    _c("period", "plant_pull", "users_stock", "unit", "plants draw no more of an input than they use"),
    _c("period", "market_taken", "material", "unit", "what the plan leaves in the market abroad home buys less there"),
    _c(
        "period",
        "market_given",
        "material",
        "unit",
        "it comes from the reserve and projects, less what the reserve buys there",
    ),
    _c(
        "period", "saving_tangent", "material piece", "unit", "what lower prices save shrinks with what is still bought"
    ),
    _c("period", "price_before", "material", "unit", "no price falls below that before a disruption"),
    _c(
        "branch",
        "branch_purchases",
        "year",
        M,
        "purchases in a branch are limited to the spending planned on the baseline course",
    ),
    _c("branch", "calm_purchases", "year", M, "unspent money buys only tight materials"),
    _c("branch", "stock_target", "material period", "unit", "a branch holds no more than the target of every future"),
    _c("branch", "pool_target", "pool period", "unit", "homes that pool a stock hold no more than its target"),
    _c("branch", "unsold_sum", "material period", "unit", "what a shortage kept a branch from selling"),
    _c(
        "branch",
        "target_sales",
        "material period",
        "unit",
        "a branch sells what the baseline course sells, or could not",
    ),
    _c("branch", "filling", "material period", "unit", "a branch keeps filling its stock up to the target"),
    _c("branch", "refill", "stock_rule", "unit", "a stock drawn down is full again some years after the event"),
    _c("branch", "service_level", "service_level year", "unit", "promise to a segment in an event", "service_level"),
    _c("branch", "branch_loss", "", M, "definition of a branch's loss"),
    _c("scenario", "scenario_loss_sum", "", M, "definition of a scenario's loss"),
    _c("scenario", "tail_excess", "", M, "loss beyond the value at risk"),
    _c("scenario", "shared_money", "year", M, "components share emergency money and unspent money"),
)
"""Every component that the formulation can build."""
