"""Tables of a result: what each holds and its columns, declared once; `help(Result)` is made of it, a test holds results to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import wrap

from ..schemas.columns import stem_and_unit


@dataclass(frozen=True)
class TableOf:
    """A table of a result."""

    what: str
    names: str
    """Of its columns, in order, with blanks between; the endings tell the units."""
    sometimes: bool = False
    """Only results that have something for it have it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        return tuple(self.names.split())


RESULT_TABLES: Mapping[str, TableOf] = {
    "own_parts": TableOf(
        "What own code added: terms [million USD, discounted], constraints with their prices [as `meaning` says], variables.",
        "part name value lower upper binds price meaning",
        sometimes=True,
    ),
    "acquisitions": TableOf(
        "What the reserve buys in planned years while no disruption occurs.",
        "fiscal_year period material offer source country acquired_t price_usd_per_kg cost_musd",
    ),
    "stock": TableOf(
        "Stock of the reserve at the end of each planned period while no disruption occurs.",
        "fiscal_year period material stock_t days_of_use value_musd sold_t released_t",
    ),
    "projects": TableOf(
        "Every project of the tables that is signed, supported or built anyway: share of it, package, dates, money.",
        "project signed package instrument offtake_share floor_material floor_usd_per_kg market_floors "
        "first_output share baseline committed capacity_t_per_yr capex_musd hurdle_rate hurdle_rate_expected "
        "hurdle_rate_with_package financing_gap_musd support_cost_musd offtake_fees_musd floor_expected_musd "
        "terminal_liability_musd residual_credit_musd risk_transfer_musd share_at_residual_0",
    ),
    "contracts": TableOf(
        "Offtake contracts with allied producers.",
        "activity country start term_yr contract_t_per_yr fee_usd_per_kg fees_musd",
    ),
    "floors": TableOf(
        "Price floors that are guaranteed, of projects and of markets.",
        "floor scope kind material level_usd_per_kg upside_share start term_yr expected_cost_musd "
        "terminal_liability_musd users_pay_musd tariff_revenue_musd tariff_inversion",
    ),
    "budget": TableOf(
        "Spending by line, appropriation and contingent liability of each planned year while no disruption occurs.",
        "fiscal_year purchases_musd holding_musd contract_fees_musd offtake_fees_musd capital_support_musd "
        "floor_top_ups_musd signed_before_musd outlay_musd appropriation_musd carried_in_musd "
        "carried_out_musd sales_musd liability_musd liability_cap_musd",
    ),
    "operations": TableOf(
        "Output of every producer on every path; tail: after the planned years.",
        "scenario period tail producer country output_t reserve_output_t",
    ),
    "flows": TableOf(
        "Stock, purchases, releases and sales of the reserve on every path.",
        "scenario period tail material stock_t acquired_t released_t sold_t surplus_t",
    ),
    "shortfalls": TableOf(
        "What users lack, by segment, and what it costs, on every path; losses not discounted but where the name says so.",
        "scenario period tail material segment shortfall_t substituted_t loss_musd discounted_loss_musd "
        "substitution_cost_musd",
    ),
    "transfers": TableOf(
        "Stock moved between the homes of a plan of several.",
        "scenario period tail material sent_t received_t",
        sometimes=True,
    ),
    "users_stock": TableOf(
        "What users hold themselves, where the plan has them do so.",
        "scenario period tail material segment level_t pulled_t refilled_t",
        sometimes=True,
    ),
    "ore_reserves": TableOf(
        "Who holds the ore of what is planned, and for how many years of today's output.",
        "mineral materials country name reserves_t world_share mine_output_t years_left",
        sometimes=True,
    ),
    "scenario_losses": TableOf(
        "Losses and shortfalls of every scenario, with the plan and without, and what happens in it.",
        "scenario probability design_basis onset loss_musd loss_without_plan_musd embedded_loss_musd "
        "shortfall_t shortfall_without_plan_t defence_shortfall_t defence_shortfall_without_plan_t hazards "
        "what_happens events",
    ),
    "value": TableOf(
        "Where the worth of the plan comes from, by component of the supply chain.",
        "component materials shortage_avoided_musd price_gain_musd users_musd authority_musd penalties_musd "
        "risk_charge_musd",
    ),
    "held_for_price": TableOf(
        "Purchases in scenarios, and what they were at undisturbed prices.",
        "material expected_acquired_t at_undisturbed_prices_t",
    ),
    "notes": TableOf(
        "What is doubtful or worth knowing of the question.",
        "kind item note",
    ),
    "dropped": TableOf(
        "What was left out before the solve, and why.",
        "item reason",
    ),
    "prices": TableOf(
        "Shadow prices with the commitments fixed.",
        "price item scenario period value unit meaning",
    ),
    "figures": TableOf(
        "Every number of the summary, by name.",
        "figure item value text",
    ),
    "objective": TableOf(
        "Parts of the social cost, of the plan and of doing nothing.",
        "part plan_musd do_nothing_musd",
    ),
    "sample_gap": TableOf(
        "What samples say of the plan: true gap, worth and losses with intervals (after `decide`).",
        "why_not preference plans chosen samples scenarios confidence gap_musd gap_error_musd gap_limit_musd "
        "gap_share ranges_allow_musd worth_musd worth_error_musd worth_low_musd worth_high_musd loss_musd "
        "loss_error_musd loss_low_musd loss_high_musd loss_without_musd loss_without_error_musd "
        "loss_without_low_musd loss_without_high_musd",
        sometimes=True,
    ),
    "act_now": TableOf(
        "What to do in the first years, and how firm each act is (after `decide`).",
        "kind item what through_year unit chosen firm open least most least_in_samples most_in_samples "
        "in_plans plans budget_musd firm_musd later_musd status",
        sometimes=True,
    ),
    "later_years": TableOf(
        "What comes after the first years (after `decide`).",
        "kind item what unit years without_disruption probability expected",
        sometimes=True,
    ),
    "samples": TableOf(
        "Each sample that tested the plan (after `decide`).",
        "sample seed scenarios do_nothing_musd plan_musd best_plan_musd bound_musd gap_musd worth_musd "
        "loss_musd loss_without_musd",
        sometimes=True,
    ),
    "sample_acts": TableOf(
        "What the plan of each sample does first (after `decide`).",
        "sample kind item through_year amount",
        sometimes=True,
    ),
    "settled_by": TableOf(
        "What would settle what is open: hazards whose frequency it depends on (after `decide`).",
        "kind item through_year hazard correlation certain rate_per_yr rate_low rate_high",
        sometimes=True,
    ),
}
"""Name of a table -> what it is, in the order of the summary."""


def told_tables() -> str:
    """The tables as paragraphs: name, what it holds, columns with their units in brackets."""
    return "\n\n".join(
        "\n".join(
            wrap(f"{name}: {table.what} {', '.join(map(_with_unit, table.columns))}.", 100, subsequent_indent="    ")
        )
        for name, table in RESULT_TABLES.items()
    )


def _with_unit(column: str) -> str:
    """`cost_musd [million USD]`; a column without a unit as it is."""
    _, unit = stem_and_unit(column)
    return f"{column} [{unit}]" if unit else column
