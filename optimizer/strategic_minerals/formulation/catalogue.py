"""Catalogue of the model: every variable, parameter and constraint with index, unit, symbol and meaning.

The formulation page, the tests for completeness and whoever reads an exported model use this table. Model units: each
material counts in a power of ten tonnes of its own (`scaling.py`); money in million USD.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["variable", "parameter", "constraint"]


@dataclass(frozen=True)
class Component:
    """One component of the model."""

    kind: Kind
    block: str
    """commitments, period (one component in one period of the baseline course or a branch), branch, or scenario."""
    name: str
    index: tuple[str, ...]
    unit: str
    symbol: str
    text: str
    price: str = ""
    """Constraints with a published price: its family in `prices.MEANING`; reported >= 0 where the constraint binds."""


def _v(block: str, name: str, index: str, unit: str, symbol: str, text: str) -> Component:
    return Component("variable", block, name, tuple(index.split()), unit, symbol, text)


def _p(block: str, name: str, index: str, unit: str, symbol: str, text: str) -> Component:
    return Component("parameter", block, name, tuple(index.split()), unit, symbol, text)


def _c(block: str, name: str, index: str, unit: str, symbol: str, text: str, price: str = "") -> Component:
    return Component("constraint", block, name, tuple(index.split()), unit, symbol, text, price)


M = "million USD"

COMPONENTS: tuple[Component, ...] = (
    _v("commitments", "sign", "option", "-", "x", "package signed for a project at a date (binary)"),
    _v("commitments", "operating", "class", "-", "g", "share of a project signed in an output class"),
    _v("commitments", "floor", "market_floor", "-", "φ", "market-wide price floor (binary)"),
    _v("commitments", "contract", "contract", "unit/period", "c", "tonnes per period under offtake contract"),
    _v(
        "commitments",
        "contract_signed",
        "contract",
        "-",
        "c⁰",
        "offtake contract signed (binary, only with a minimum quantity)",
    ),
    _v("commitments", "carry", "year", M, "κ", "appropriation carried over to the next year"),
    _v(
        "commitments",
        "unspent",
        "year",
        M,
        "ω",
        "unspent appropriation available to branches (only if the plan allows it)",
    ),
    _v("commitments", "value_at_risk", "", M, "η", "value at risk: loss exceeded with probability 1 - alpha"),
    _v("commitments", "trunk_loss", "component", M, "ℓ⁰", "loss of a component on the baseline course"),
    _v("period", "output", "producer", "unit", "r", "production for users"),
    _v("period", "reserve_output", "producer", "unit", "h", "production for the reserve"),
    _v(
        "period", "clean_output", "producer", "unit", "r̂", "part of the production for users that is made of clean feed"
    ),
    _v("period", "acquisition", "offer", "unit", "a", "acquisition for the reserve"),
    _v("period", "release", "material", "unit", "d", "release for use"),
    _v("period", "disposal", "material", "unit", "e", "disposal"),
    _v("period", "stock", "material", "unit", "S", "stock at the end of the period"),
    _v("period", "sent", "material", "unit", "q⁻", "stock moved to another home"),
    _v("period", "received", "material", "unit", "q⁺", "stock moved from another home"),
    _v("period", "substitute", "step", "unit", "b", "demand served by substitution"),
    _v("period", "shortfall", "tier", "unit", "u", "demand not served (shortfall)"),
    _v("period", "surplus", "material", "unit", "w", "output beyond home demand, exported"),
    _v("period", "excess", "rule", "unit", "ξ", "supply beyond a soft diversification rule"),
    _v("period", "users_pull", "users_stock", "unit", "p", "drawn from users' own stock"),
    _v("period", "users_refill", "users_stock", "unit", "f⁺", "put into users' own stock"),
    _v("period", "users_missing", "users_stock", "unit", "L-l", "missing from the level of users' own stock"),
    _v("branch", "shared_money", "year", M, "m", "shared money used"),
    _v("branch", "short_of_promise", "service_level year", "unit", "σ", "shortfall against a soft service level"),
    _v("branch", "loss", "", M, "ℓ", "loss of the component in the scenario"),
    _v("scenario", "scenario_loss", "", M, "L", "loss of the scenario"),
    _v("scenario", "tail", "", M, "z", "loss beyond the value at risk"),
    _p("commitments", "appropriation", "year", M, "B", "appropriation"),
    _p("commitments", "carry_limit", "year", M, "κ̄", "limit on the carry-over, 0 in the last year"),
    _p("commitments", "total", "", M, "B̄", "limit on all outlays of the planned years"),
    _p("commitments", "liability_cap", "year", M, "L̄", "limit on the cost of all floors"),
    _p("commitments", "outlay", "commitment year", M, "", "cost of a signature or market floor to the budget"),
    _p("commitments", "planned_outlay", "commitment", M, "", "the same over the planned years together"),
    _p("commitments", "discounted_outlay", "commitment", M, "", "the same over all years, discounted"),
    _p("commitments", "liability", "commitment year", M, "", "cost of its floors at the price state of the cap"),
    _p("commitments", "social_cost", "commitment", M, "", "discounted cost, with the expected cost of floors"),
    _p(
        "commitments",
        "residual_worth",
        "commitment",
        M,
        "",
        "value of a project's remaining life at the end of the horizon",
    ),
    _p("commitments", "planned_price", "offer period", f"{M}/unit", "P⁰(1+π)", "price paid on the baseline course"),
    _p(
        "commitments",
        "sale_proceeds",
        "material period",
        f"{M}/unit",
        "P⁰(1-h)",
        "revenue per unit sold on the baseline course",
    ),
    _p("commitments", "holding_cost", "material", f"{M}/unit", "hD", "cost of holding a unit for a period"),
    _p("commitments", "contract_fee", "contract", f"{M}/unit", "f", "fee of an offtake contract"),
    _p("commitments", "cvar_allowed", "", M, "", "limit on CVaR"),
    _p("commitments", "expected_loss_allowed", "", M, "", "limit on expected loss"),
    _p(
        "commitments",
        "loss_value",
        "tier period",
        f"{M}/unit",
        "v",
        "gross loss per unit not served, where the loss of the baseline course counts",
    ),
    _p("commitments", "substitution_cost", "step", f"{M}/unit", "c", "cost of a substitution step, likewise"),
    _p("period", "tier_limit", "tier", "unit", "ūD", "demand of a tier that can go unserved, with spikes"),
    _p("period", "loss_value", "tier", f"{M}/unit", "v", "gross loss per unit not served"),
    _p("period", "risk_loss_value", "tier", f"{M}/unit", "v⁰", "the same at undisturbed prices, for risk measures"),
    _p("period", "substitution_cost", "step", f"{M}/unit", "c", "cost of a substitution step"),
    _p(
        "branch",
        "loss_value",
        "tier period",
        f"{M}/unit",
        "v⁰",
        "gross loss per unit not served, where the loss counts",
    ),
    _p("branch", "substitution_cost", "step", f"{M}/unit", "c", "cost of a substitution step, likewise"),
    _p("period", "price", "material", f"{M}/unit", "P", "market price, the lower one of two markets"),
    _p("period", "outside_price", "material", f"{M}/unit", "Pᵒ", "market price outside the countries that control it"),
    _p("period", "demand", "demand", "unit", "δD", "demand of a segment"),
    _p("period", "depth", "offer", "unit", "ā", "quantity available from an offer"),
    _p(
        "period",
        "clean_held",
        "producer",
        "-",
        "1ʰ",
        "1 where purchases from a producer have to be clean back to the mine",
    ),
    _p("period", "opening", "material", "unit", "S⁰", "stock before the first period"),
    _p("period", "release_limit", "material", "unit", "d̄", "maximum release rate if release is allowed, else 0"),
    _p("period", "disposal_limit", "material", "unit", "ē", "limit on disposal if sale is allowed, else 0"),
    _p("period", "open_capacity", "source", "unit", "ρκK", "capacity available to home users without a contract"),
    _p(
        "period",
        "contract_share",
        "contract",
        "-",
        "ρ(1-κ)",
        "additional supply per unit reserved under a contract in force",
    ),
    _p("period", "survival_open", "source", "unit", "ρKα⁰", "capacity in operation without market floors"),
    _p(
        "period",
        "survival_floor",
        "source market_floor",
        "unit",
        "ρK(αᵐ-α⁰)",
        "capacity kept in operation by a market floor",
    ),
    _p("period", "project_share", "class", "unit", "Kργα", "output of a project signed in a class"),
    _p(
        "period",
        "purchase_share",
        "offer class",
        "unit",
        "ā(x)",
        "tonnes that the reserve may buy under a purchase floor",
    ),
    _p("period", "salvage_value", "material", f"{M}/unit", "s", "value of the final stock, last period only"),
    _p("period", "diversification_share", "rule", "-", "θ", "maximum share of a country, or minimum share of a group"),
    _p("period", "diversification_active", "rule", "-", "1θ", "1 where the rule is in force"),
    _p("period", "diversification_demand", "rule", "unit", "θD", "demand to which the rule applies, times its share"),
    _p(
        "period",
        "shortfall_cap",
        "material",
        "unit",
        "ū",
        "shortfall on the baseline course allowed where a rule is in force",
    ),
    _p("period", "holding_cost", "material", f"{M}/unit", "hD", "cost of holding a unit for a period"),
    _p(
        "period",
        "move_limit",
        "material",
        "unit",
        "",
        "no limit in a disruption, or before it where stock is divided, else 0",
    ),
    _p("period", "seller_depth", "seller", "unit", "", "most that a seller sells to all homes together"),
    _p("period", "cover", "rule", "unit", "S̲", "stock required by a days-of-cover rule"),
    _p("period", "users_opening", "users_stock", "unit", "L-l₀", "missing from the level before the first period"),
    _p("period", "users_pull_limit", "users_stock", "unit", "L", "level where users may draw on their stock, else 0"),
    _p("period", "users_refill_limit", "users_stock", "unit", "L", "level where users may refill their stock, else 0"),
    _p("period", "users_missing_limit", "users_stock", "unit", "L", "level where it may be missing, else 0"),
    _p("period", "users_missing_cost", "users_stock", f"{M}/unit", "m", "cost of a unit missing for the period"),
    _p("branch", "buy_price", "offer period", f"{M}/unit", "P(1+π)", "price paid in the branch"),
    _p("branch", "planned_price", "offer period", f"{M}/unit", "P⁰(1+π)", "price paid on the baseline course"),
    _p("branch", "calm_price", "offer period", f"{M}/unit", "P(1+π)", "price in the branch while not tight, else 0"),
    _p("branch", "service_window", "service_level period", "-", "1[τ,e)", "1 from the onset to the end of the event"),
    _p(
        "branch", "refill_due", "stock_rule period", "-", "1[e+n]", "1 in the period by whose end a stock is full again"
    ),
    _p("branch", "refill_from", "stock_rule period", "-", "r(1-d)^k", "share of the stock before the event, else 0"),
    _p("branch", "service_allowance", "service_level year", "unit", "(1-λ)D", "shortfall allowed by the promise"),
    _c(
        "commitments",
        "one_package",
        "project",
        "-",
        "",
        "a project is supported at most once; a baseline project is built",
    ),
    _c("commitments", "project_logic", "kind project project", "-", "", "projects that require or exclude others"),
    _c("commitments", "operating_sum", "class", "-", "", "shares signed, by output class"),
    _c("commitments", "one_market_floor", "material", "-", "", "at most one market floor per material"),
    _c("commitments", "without_market_floor", "group", "-", "", "packages without the market floor are excluded by it"),
    _c(
        "commitments",
        "with_market_floor",
        "project market_floor",
        "-",
        "",
        "packages that rely on the market floor require it",
    ),
    _c(
        "commitments",
        "contract_least",
        "contract",
        "unit/period",
        "",
        "a contract is zero or at least its minimum quantity",
    ),
    _c("commitments", "contract_most", "contract", "unit/period", "", "no contracted tonnes without a signature"),
    _c(
        "commitments",
        "contracts_in_force",
        "source period",
        "unit/period",
        "",
        "contracts do not exceed the output of a source",
    ),
    _c("commitments", "budget", "year", M, "μ", "outlays within appropriation and carry-over", "appropriation"),
    _c("commitments", "total_budget", "", M, "", "outlays of the planned years within a total", "total_budget"),
    _c(
        "commitments",
        "contingent_liability",
        "year",
        M,
        "",
        "limit on the cost of floors in a year",
        "contingent_liability",
    ),
    _c("commitments", "trunk_loss_sum", "component", M, "", "definition of the loss on the baseline course"),
    _c("commitments", "cvar_limit", "", M, "", "limit on CVaR", "cvar_limit"),
    _c("commitments", "expected_loss_limit", "", M, "", "limit on expected loss", "expected_loss_limit"),
    _c(
        "period", "material_balance", "material", "unit", "λ", "material balance: supply is used or left over", "supply"
    ),
    _c("period", "segment_bound", "demand", "unit", "", "shortfall and substitution do not exceed demand"),
    _c("period", "surplus_limit", "material", "unit", "", "surplus comes only from production"),
    _c("period", "stock_balance", "material", "unit", "ν", "stock balance", "stock"),
    _c("period", "pool_balance", "pool", "unit", "", "what the stock of one home gives up another receives"),
    _c("period", "seller_limit", "seller", "unit", "", "homes that buy of one seller share what it sells"),
    _c("period", "reserve_production", "producer material", "unit", "", "purchases of the reserve are produced for it"),
    _c(
        "period",
        "reserve_production_limit",
        "producer",
        "unit",
        "",
        "no production for the reserve without a purchase",
    ),
    _c("period", "source_capacity", "source", "unit", "", "supply of a source; in a crisis its contracted share"),
    _c(
        "period", "source_survival", "source", "unit", "", "a shut source supplies nothing unless a floor keeps it open"
    ),
    _c(
        "period",
        "project_capacity",
        "project",
        "unit",
        "",
        "output of a project: what was signed, ramped up and in operation",
    ),
    _c("period", "floor_purchase", "offer", "unit", "", "purchases under a purchase floor"),
    _c("period", "clean_support", "project", "unit", "", "what is supported under a rule of origin runs on clean feed"),
    _c("period", "clean_share", "producer", "unit", "", "the clean part of a run is no more than the run"),
    _c(
        "period",
        "clean_balance",
        "material",
        "unit",
        "",
        "clean feed for what the authority buys or supports",
    ),
    _c("period", "diversification", "rule", "unit", "", "diversification on the baseline course", "diversification"),
    _c("period", "trunk_shortfall", "material", "unit", "", "diversification must not be achieved by shortfall"),
    _c("period", "days_of_cover", "rule", "unit", "", "stock for a number of days of net imports", "days_of_cover"),
    _c(
        "period",
        "users_stock_balance",
        "users_stock",
        "unit",
        "ν",
        "what users draw on is missing until refilled",
        "users_stock",
    ),
    _c("period", "plant_pull", "users_stock", "unit", "", "plants draw no more of an input than they use"),
    _c(
        "branch",
        "branch_purchases",
        "year",
        M,
        "",
        "purchases in a branch are limited to the spending planned on the baseline course",
    ),
    _c("branch", "calm_purchases", "year", M, "", "unspent money buys only tight materials"),
    _c("branch", "refill", "stock_rule", "unit", "", "a stock drawn down is full again some years after the event"),
    _c(
        "branch", "service_level", "service_level year", "unit", "", "promise to a segment in an event", "service_level"
    ),
    _c("branch", "branch_loss", "", M, "", "definition of a branch's loss"),
    _c("scenario", "scenario_loss_sum", "", M, "", "definition of a scenario's loss"),
    _c("scenario", "tail_excess", "", M, "", "loss beyond the value at risk"),
    _c("scenario", "shared_money", "year", M, "", "components share emergency money and unspent money"),
)
"""Every component that the formulation can build."""
