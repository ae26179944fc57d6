"""The one declared table of the model: every variable, parameter and constraint with index, unit, symbol and text.

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
    """commitments, period (one component in one period of trunk or branch), branch, or scenario."""
    name: str
    index: tuple[str, ...]
    unit: str
    symbol: str
    text: str
    price: str = ""
    """Constraints with a published price: its family in `prices.MEANING`; reported >= 0 where the demand binds."""


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
    _v("commitments", "contract_signed", "contract", "-", "c⁰", "offtake contract signed (binary, only with a lot)"),
    _v("commitments", "carry", "year", M, "κ", "appropriation carried into the next year"),
    _v("commitments", "unspent", "year", M, "ω", "appropriation left to branches (only where the plan says so)"),
    _v("commitments", "value_at_risk", "", M, "η", "loss exceeded with probability 1 - alpha"),
    _v("commitments", "trunk_loss", "component", M, "ℓ⁰", "loss of a component along the trunk"),
    _v("period", "output", "producer", "unit", "r", "production for users"),
    _v("period", "reserve_output", "producer", "unit", "h", "production for the reserve"),
    _v("period", "acquisition", "offer", "unit", "a", "acquisition for the reserve"),
    _v("period", "release", "material", "unit", "d", "drawdown for use"),
    _v("period", "disposal", "material", "unit", "e", "disposal"),
    _v("period", "stock", "material", "unit", "S", "stock at the end of the period"),
    _v("period", "substitute", "step", "unit", "b", "demand met otherwise"),
    _v("period", "shortfall", "tier", "unit", "u", "demand unmet"),
    _v("period", "surplus", "material", "unit", "w", "output beyond home demand, exported"),
    _v("period", "excess", "rule", "unit", "ξ", "supply beyond a soft diversification rule"),
    _v("branch", "shared_money", "year", M, "m", "shared money used"),
    _v("branch", "short_of_promise", "service_level year", "unit", "σ", "short of a soft service level"),
    _v("branch", "loss", "", M, "ℓ", "loss of the component in the scenario"),
    _v("scenario", "scenario_loss", "", M, "L", "loss of the scenario"),
    _v("scenario", "tail", "", M, "z", "loss beyond the value at risk"),
    _p("commitments", "appropriation", "year", M, "B", "appropriation"),
    _p("commitments", "carry_limit", "year", M, "κ̄", "most of it that may be carried over, 0 in the last year"),
    _p("commitments", "total", "", M, "B̄", "limit on all outlays of the planned years"),
    _p("commitments", "liability_cap", "year", M, "L̄", "limit on what all floors may cost"),
    _p("commitments", "outlay", "commitment year", M, "", "what a signature or market floor costs the budget"),
    _p("commitments", "planned_outlay", "commitment", M, "", "the same over the planned years together"),
    _p("commitments", "discounted_outlay", "commitment", M, "", "the same over all years, discounted"),
    _p("commitments", "liability", "commitment year", M, "", "what its floors may cost at the price state of the cap"),
    _p("commitments", "social_cost", "commitment", M, "", "what it costs, discounted, floors in expectation"),
    _p("commitments", "residual_worth", "commitment", M, "", "worth of a project's unexpired life at the end"),
    _p("commitments", "planned_price", "offer period", f"{M}/unit", "P⁰(1+π)", "price paid on the trunk"),
    _p(
        "commitments",
        "sale_proceeds",
        "material period",
        f"{M}/unit",
        "P⁰(1-h)",
        "what a unit sold on the trunk brings",
    ),
    _p("commitments", "holding_cost", "material", f"{M}/unit", "hD", "cost of holding a unit for a period"),
    _p("commitments", "contract_fee", "contract", f"{M}/unit", "f", "fee of an offtake contract"),
    _p("commitments", "cvar_allowed", "", M, "", "limit on CVaR"),
    _p("commitments", "expected_loss_allowed", "", M, "", "limit on expected loss"),
    _p(
        "commitments",
        "loss_value",
        "tier",
        f"{M}/unit",
        "v",
        "gross loss per unit unmet, where the trunk's loss counts",
    ),
    _p("commitments", "substitution_cost", "step", f"{M}/unit", "c", "cost of a substitution step, likewise"),
    _p("period", "loss_value", "tier", f"{M}/unit", "v", "gross loss per unit unmet"),
    _p("period", "substitution_cost", "step", f"{M}/unit", "c", "cost of a substitution step"),
    _p("branch", "loss_value", "tier", f"{M}/unit", "v", "gross loss per unit unmet, where the loss counts"),
    _p("branch", "substitution_cost", "step", f"{M}/unit", "c", "cost of a substitution step, likewise"),
    _p("period", "price", "material", f"{M}/unit", "P", "market price"),
    _p("period", "demand", "demand", "unit", "δD", "demand of a segment"),
    _p("period", "depth", "offer", "unit", "ā", "most that an offer sells, availability counted"),
    _p("period", "opening", "material", "unit", "S⁰", "stock before the first period"),
    _p("period", "release_limit", "material", "unit", "d̄", "drawdown rate where release is allowed, else 0"),
    _p("period", "disposal_limit", "material", "unit", "ē", "disposal ceiling where sale is allowed, else 0"),
    _p("period", "open_capacity", "source", "unit", "ρκK", "capacity that uncontracted home users can have"),
    _p("period", "contract_share", "contract", "-", "ρ(1-κ)", "what a contract in force adds per unit reserved"),
    _p("period", "survival_open", "source", "unit", "ρKα⁰", "capacity alive without market floors"),
    _p("period", "survival_floor", "source market_floor", "unit", "ρK(αᵐ-α⁰)", "capacity that a market floor saves"),
    _p("period", "project_share", "class", "unit", "Kργα", "output of a project signed in a class"),
    _p("period", "purchase_share", "offer class", "unit", "ā(x)", "tonnes that a purchase floor lets the reserve buy"),
    _p("period", "salvage_value", "material", f"{M}/unit", "s", "worth of stock at the end, last period only"),
    _p("period", "supplier_cap", "rule", "-", "θ", "share allowed to a country, or asked of a group"),
    _p("period", "supplier_active", "rule", "-", "1θ", "1 where the rule is in force"),
    _p("period", "supplier_demand", "rule", "unit", "θD", "demand that the rule counts, times its share"),
    _p("period", "shortfall_cap", "material", "unit", "ū", "trunk shortfall allowed where a rule is in force"),
    _p("period", "holding_cost", "material", f"{M}/unit", "hD", "cost of holding a unit for a period"),
    _p("period", "cover", "rule", "unit", "S̲", "stock asked by a days-of-cover rule"),
    _p("branch", "buy_price", "offer period", f"{M}/unit", "P(1+π)", "price paid in the branch"),
    _p("branch", "planned_price", "offer period", f"{M}/unit", "P⁰(1+π)", "price paid on the trunk"),
    _p("branch", "calm_price", "offer period", f"{M}/unit", "P(1+π)", "the branch's where not tight, else 0"),
    _p("branch", "service_window", "service_level period", "-", "1[τ,e)", "1 from the onset to the end of the event"),
    _p("branch", "service_allowance", "service_level year", "unit", "(1-λ)D", "shortfall that the promise allows"),
    _c(
        "commitments",
        "one_package",
        "project",
        "-",
        "",
        "a project is supported at most once; a baseline project is built",
    ),
    _c("commitments", "project_logic", "kind project project", "-", "", "projects that need or exclude others"),
    _c("commitments", "operating_sum", "class", "-", "", "what is signed, by how it will produce"),
    _c("commitments", "one_market_floor", "material", "-", "", "at most one market floor a material"),
    _c("commitments", "without_market_floor", "group", "-", "", "packages without the market floor stand aside"),
    _c(
        "commitments",
        "with_market_floor",
        "project market_floor",
        "-",
        "",
        "packages that count on the market floor need it",
    ),
    _c("commitments", "contract_least", "contract", "unit/period", "", "a contract is nothing or at least a lot"),
    _c("commitments", "contract_most", "contract", "unit/period", "", "no tonnes without a signature"),
    _c(
        "commitments", "contracts_in_force", "source period", "unit/period", "", "no source promises more than it makes"
    ),
    _c("commitments", "budget", "year", M, "μ", "outlays within appropriation and carry-over", "appropriation"),
    _c("commitments", "total_budget", "", M, "", "outlays of the planned years within a total", "total_budget"),
    _c("commitments", "contingent_liability", "year", M, "", "what floors may cost in a year", "contingent_liability"),
    _c("commitments", "trunk_loss_sum", "component", M, "", "definition of the trunk's loss"),
    _c("commitments", "cvar_limit", "", M, "", "limit on CVaR", "cvar_limit"),
    _c("commitments", "expected_loss_limit", "", M, "", "limit on expected loss", "expected_loss_limit"),
    _c("period", "material_balance", "material", "unit", "λ", "everything supplied is used or left over", "supply"),
    _c("period", "segment_bound", "demand", "unit", "", "a segment goes without no more than it wants"),
    _c("period", "surplus_limit", "material", "unit", "", "only what is made can be left over"),
    _c("period", "stock_balance", "material", "unit", "ν", "tonnes in store carry over", "stock"),
    _c("period", "reserve_production", "producer material", "unit", "", "what the reserve buys is made for it"),
    _c(
        "period",
        "reserve_production_limit",
        "producer",
        "unit",
        "",
        "nothing is made for the reserve without a purchase",
    ),
    _c("period", "source_capacity", "source", "unit", "", "what a source gives, contracted share in a crisis"),
    _c("period", "source_survival", "source", "unit", "", "a shut source gives nothing unless a floor saves it"),
    _c("period", "project_capacity", "project", "unit", "", "a project gives what was signed, ramped up and alive"),
    _c("period", "floor_purchase", "offer", "unit", "", "purchases under a purchase floor"),
    _c("period", "supplier_share", "rule", "unit", "", "diversification on the trunk", "supplier_share"),
    _c("period", "trunk_shortfall", "material", "unit", "", "going short is no way to diversify"),
    _c("period", "days_of_cover", "rule", "unit", "", "stock of so many days of net imports", "days_of_cover"),
    _c("branch", "branch_purchases", "year", M, "", "a branch buys for what the trunk had planned to spend"),
    _c("branch", "calm_purchases", "year", M, "", "unspent money buys only what is tight"),
    _c(
        "branch", "service_level", "service_level year", "unit", "", "promise to a segment in an event", "service_level"
    ),
    _c("branch", "branch_loss", "", M, "", "definition of a branch's loss"),
    _c("scenario", "scenario_loss_sum", "", M, "", "definition of a scenario's loss"),
    _c("scenario", "tail_excess", "", M, "", "loss beyond the value at risk"),
    _c("scenario", "shared_money", "year", M, "", "components share emergency money and what is unspent"),
)
"""Every component that the formulation can build."""
