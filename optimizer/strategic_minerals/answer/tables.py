"""Solutions as tidy tables: one row a fact of the plan, names instead of numbers, units in the column names.

Plan tables show planned years; `operations`, `flows` and `shortfalls` hold the tail too and say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..audit.accounts import Accounts, commitments, split_of_value
from ..audit.operations import AuditContext, Bottlenecks
from ..core.frames import Bools, Floats, named
from ..core.stats import BASELINE_COURSE, DAYS_PER_YEAR, MUSD_PER_T, SMALL_T
from ..matrix.problem import Problem, trunk_prices
from ..matrix.solution import Solution
from ..model.branch import targets_of
from ..question.doubts import KIND as DOUBT
from ..question.doubts import unlikely
from ..question.names import Names
from ..question.plan import Loan
from ..question.recipes import outdated
from ..question.sources import objections, unquoted
from ..world.events import describe
from ..world.instance import CHOSEN, DEFENCE, Calendar, Floor, Purchase
from ..world.loss_values import headlines, loss_values
from ..world.producers import due_as_run, purchase_price, spared
from ..world.unused import averaged_away, unused
from .notes import AVERAGED, ONE_MARKET, REPLAYED, in_peace, notes


# Tables of a result: what each holds and its columns, declared once, for the frames here and for `help(Result)`.
@dataclass(frozen=True)
class TableOf:
    """A table of a result."""

    what: str
    names: str
    """Of its columns, in order, with blanks between; the endings tell the units."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        return tuple(self.names.split())


RESULT_TABLES: Mapping[str, TableOf] = {
    "own_parts": TableOf(
        "What own code added: terms [million USD, discounted], constraints with their prices [as `meaning` says], variables.",
        "part name value lower upper binds price meaning",
    ),
    "acquisitions": TableOf(
        "What the reserve buys in planned years while no disruption occurs.",
        "fiscal_year period material offer source country acquired_t price_usd_per_kg cost_musd",
    ),
    "stock": TableOf(
        "Stock of the reserve at the end of each planned period while no disruption occurs.",
        "fiscal_year period material stock_t target_t days_of_use value_musd sold_t released_t",
    ),
    "projects": TableOf(
        "Every project of the tables that is signed, supported or built anyway: share of it, package, dates, money.",
        "project signed package instrument offtake_share floor_material floor_usd_per_kg market_floors "
        "first_output share baseline committed capacity_t_per_yr capex_musd hurdle_rate hurdle_rate_expected "
        "hurdle_rate_with_package financing_gap_musd support_cost_musd offtake_fees_musd floor_expected_musd "
        "terminal_liability_musd residual_credit_musd risk_transfer_musd",
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
        "Spending by line, appropriation and contingent liability of each planned year while no disruption occurs; what is paid "
        "apart, at full output and on what the producers make for users in this plan.",
        "fiscal_year purchases_musd holding_musd contract_fees_musd offtake_fees_musd capital_support_musd "
        "floor_top_ups_musd signed_before_musd outlay_musd appropriation_musd carried_in_musd "
        "carried_out_musd sales_musd paid_apart_musd paid_apart_as_run_musd members_pay_musd borrowed_musd liability_musd "
        "liability_cap_musd",
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
        "Stock moved between the homes of a plan of several.", "scenario period tail material sent_t received_t"
    ),
    "users_stock": TableOf(
        "What users hold themselves, where the plan has them do so.",
        "scenario period tail material segment level_t pulled_t refilled_t",
    ),
    "scenario_losses": TableOf(
        "Losses and shortfalls of every scenario, with the plan and without, and what happens in it.",
        "scenario probability design_basis onset loss_musd loss_without_plan_musd embedded_loss_musd "
        "shortfall_t shortfall_without_plan_t defence_shortfall_t defence_shortfall_without_plan_t hazards "
        "what_happens events",
    ),
    "bottlenecks": TableOf(
        "Stage of the chain that keeps a material from being made where it is shortest in each scenario: its makers give all that "
        "they can. `nothing`: without the plan.",
        "case scenario period material shortfall_t limited_by",
    ),
    "value": TableOf(
        "Where the worth of the plan comes from, by component of the supply chain.",
        "component materials shortage_avoided_musd bill_saved_musd users_musd authority_musd penalties_musd risk_charge_musd",
    ),
    "purchases_in_scenarios": TableOf("Expected purchases in scenarios.", "material expected_acquired_t"),
    "notes": TableOf("What is doubtful or worth knowing of the question.", "kind item note"),
    "dropped": TableOf("What was left out before the solve, and why.", "item reason"),
    "prices": TableOf("Shadow prices with the commitments fixed.", "price item scenario period value unit meaning"),
    "figures": TableOf("Every number of the summary, by name.", "figure item value"),
    "objective": TableOf(
        "Parts of the social cost, of the plan and of doing nothing.", "part plan_musd do_nothing_musd"
    ),
    "sample_gap": TableOf(
        "What samples say of the plan: true gap, worth and losses with intervals (of a tested plan).",
        "why_not plans chosen samples searched scenarios confidence gap_musd gap_error_musd gap_limit_musd "
        "gap_share modelled_musd most_musd most_limit_musd most_says defence_short defence_short_without tried worth_musd "
        "worth_error_musd worth_low_musd worth_high_musd loss_musd "
        "loss_error_musd loss_low_musd loss_high_musd bill_musd loss_without_musd loss_without_error_musd "
        "loss_without_low_musd loss_without_high_musd",
    ),
    "act_now": TableOf(
        "What to do in the first years, and whether it has to be signed (of a tested plan).",
        "kind item what through_year unit chosen least_in_samples most_in_samples in_plans plans budget_musd later_musd "
        "verdict",
    ),
    "left_out": TableOf(
        "What is lost without acts that are left out together, and what waiting costs (of a tested plan).",
        "kind item years why_not cost_musd cost_error_musd cost_low_musd cost_high_musd spends_less_musd needed instead",
    ),
    "release": TableOf(
        "Tonnes left aside for dearer needs before a use gets its last, in the typical event of the hazard that takes most "
        "(of a tested plan).",
        "hazard material segment aside_t lacks_t",
    ),
    "money_by_year": TableOf(
        "What the plan takes from the budget of each year: expected over the futures that were lived, and 5 and 95 % of them "
        "(of a tested plan).",
        "fiscal_year appropriation_musd expected_musd low_musd high_musd",
    ),
    "band": TableOf(
        "What the plan is worth under other losses and beliefs, as it was lived (of a tested plan).",
        "belief loss worth_musd worth_error_musd",
    ),
    "stock_by_year": TableOf(
        "Target of each stored material at the end of each year, and its stock in the futures that were lived: expected, and 5 and "
        "95 % of them (of a tested plan).",
        "fiscal_year material target_t expected_t low_t high_t",
    ),
    "remaining": TableOf(
        "Expected loss by material in the futures that were lived, with the plan and without it (of a tested plan).",
        "material loss_musd loss_without_musd",
    ),
    "loss_curve": TableOf(
        "Loss that is exceeded with each chance in the futures that were lived, with the plan and without it; scenario: the worst "
        "of the plan's own, where these were lived.",
        "chance loss_musd loss_without_musd scenario",
    ),
    "depends": TableOf(
        "Where a part of the answer is worth nothing: at which loss of a missing tonne, as a multiple of the plan's, and at which "
        "rates and chances of hazards; hazard: of a `probability` the listed scenario, * for all of them, of a figure of a source "
        "under contract the source; low, high: range of the figure; at_low_musd, at_high_musd: worth of the plan at them, of a "
        "source (of a tested plan).",
        "kind item worth_musd figure hazard value flips_at low high at_low_musd at_high_musd",
    ),
    "own_questions": TableOf(
        "What the planner has put into the question beyond what is shipped, each with its answer.",
        "kind item question answer",
    ),
    "release_rules": TableOf(
        "What the plan would be worth more by other rules of release (of a tested plan).",
        "this_event new_events_yr refill_share gain_musd gain_error_musd gain_low_musd gain_high_musd",
    ),
    "samples": TableOf(
        "Each sample that tested the plan.",
        "sample seed scenarios do_nothing_musd plan_musd best_plan_musd bound_musd gap_musd modelled_musd most_musd "
        "worth_musd loss_musd loss_without_musd",
    ),
    "sample_acts": TableOf(
        "What the plan of each sample does first (of a tested plan).", "sample kind item through_year amount"
    ),
}
"""Name of a table -> what it is, in the order of the summary; some are there only where a plan has something for them."""


def columns_of(table: str) -> list[str]:
    """Names of a table's columns, in order."""
    return [*RESULT_TABLES[table].columns]


# What tables of results share: columns as declared, and the names of paths.
LEAST_SHARE = 1e-9
"""Of a demand, the same where it is a matter of grams."""


def frame(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns))


def use_of(problem: Problem, solution: Solution) -> Floats:
    """(I, T) what home users want and home plants take of each material on the baseline course [t per period]."""
    n = problem.natural
    used = np.zeros((len(n.materials), n.calendar.periods))
    np.add.at(used, n.demand_material, n.demand)
    inputs = np.where(n.home[:, None], np.maximum(-n.yields, 0.0), 0.0)
    return np.asarray(used + inputs.T @ (solution.output[0] + solution.reserve_output[0]), dtype=float)


def _cells(
    problem: Problem,
    kept: Any,
    values: Mapping[str, Floats],
    paths: Sequence[str] | None = None,
    **items: Sequence[str],
) -> pd.DataFrame:
    """A row for each kept cell of (paths, items, periods): scenario, period, tail, a name of its item a column, and the values.

    paths: their names; None: the baseline course, then the scenarios."""
    path, item, t = np.nonzero(kept)
    calendar = problem.natural.calendar
    names = [BASELINE_COURSE, *problem.structure.scenarios.names] if paths is None else paths
    return pd.DataFrame(
        {
            "scenario": named(names, path),
            "period": named([calendar.period_label(period) for period in range(calendar.periods)], t),
            "tail": t >= calendar.planned,
            **{column: named(of, item) for column, of in items.items()},
            **{column: value[kept] for column, value in values.items()},
        }
    )


def _moving(problem: Problem, values: Mapping[str, Floats], **items: Sequence[str]) -> pd.DataFrame:
    """The same of all cells in which something moves or is held."""
    return _cells(problem, np.any([value > SMALL_T for value in values.values()], axis=0), values, **items)


def _purchases(problem: Problem) -> dict[str, Purchase]:
    """Ways for the reserve to buy, by name."""
    return {p.name: p for shape in problem.structure.component_sets for p in shape.purchases}


def _purchase_prices(problem: Problem, solution: Solution) -> Floats:
    """(B, T) price of each way to buy on the baseline course [million USD/t]."""
    (prices, gaps), by_name, n = trunk_prices(problem), _purchases(problem), problem.natural
    bought = [by_name[name] for name in solution.purchases]
    paid = [purchase_price(n, p, prices[p.material], gaps[p.material]) for p in bought]
    return np.array(paid).reshape(-1, n.calendar.periods)


# Tables of what happens in each scenario: operations, flows, shortfalls, losses and what they are worth.
PLANTS = "plants"
"""Who holds stock of an input that no segment wants."""


def operations(problem: Problem, solution: Solution) -> pd.DataFrame:
    """What each producer runs for users and for the reserve, on the baseline course and in every scenario's whole course."""
    values = {"output_t": solution.output, "reserve_output_t": solution.reserve_output}
    return _moving(problem, values, producer=problem.natural.producers, country=problem.natural.country)


def flows(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Stock, acquisitions, releases, disposals and surplus of each material on every path."""
    by_name = _purchases(problem)
    bought = np.zeros_like(solution.stock)
    for b, name in enumerate(solution.purchases):
        bought[:, by_name[name].material] += solution.acquisition[:, b]
    values = {
        "stock_t": solution.stock,
        "acquired_t": bought,
        "released_t": solution.release,
        "sold_t": solution.disposal,
        "surplus_t": solution.surplus,
    }
    return _moving(problem, values, material=problem.natural.materials)


def transfers(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Stock moved between homes on every path, by the material that gives it up or receives it; empty for a plan of one home."""
    values = {"sent_t": solution.sent, "received_t": solution.received}
    return _moving(problem, values, material=problem.natural.materials)


def _by_demand(problem: Problem, solution: Solution) -> tuple[Floats, Floats, Floats, Floats]:
    """(1+S, Q, T) shortfall, substitution, shortfall loss and substitution cost by demand, undiscounted."""
    n = problem.natural
    W, T, Q = solution.output.shape[0], n.calendar.periods, len(n.demands)
    short, thrift, loss, cost = (np.zeros((W, Q, T)) for _ in range(4))
    trunk, scenarios = loss_values(n, problem.structure.scenarios, range(len(n.tiers)))
    for k, (q, _) in enumerate(n.tiers):
        short[:, q] += solution.shortfall[:, k]
        loss[0, q] += trunk[k] * solution.shortfall[0, k]
        loss[1:, q] += scenarios[:, k] * solution.shortfall[1:, k]
    for h, (q, _) in enumerate(n.steps):
        thrift[:, q] += solution.substitute[:, h]
        cost[:, q] += n.step_cost[h] * solution.substitute[:, h]
    return short, thrift, loss, cost


def losses_by_scenario(problem: Problem, solution: Solution) -> tuple[Floats, Floats, Floats]:
    """Along each scenario's course: (S,) discounted loss of going short of what risk measures count, (S,) of what comes inside
    imported goods [million USD], and (S,) what defence goes short [t]."""
    n = problem.natural
    beta = n.calendar.beta[: n.calendar.periods]
    short, thrift = solution.shortfall[1:], solution.substitute[1:]
    defence = np.array([n.priority[q] == DEFENCE for q, _ in n.tiers], dtype=bool)
    of_tier, of_step = (np.array([n.demand_material[q] for q, _ in keys], dtype=int) for keys in (n.tiers, n.steps))
    worth = loss_values(n, problem.structure.scenarios, range(len(n.tiers)))[1]
    beyond = worth - n.tier_loss[:, None]  # exactly 0 where losses do not change

    def lost(counted: Bools) -> Floats:
        tiers, steps = n.tier_loss * counted[of_tier], n.step_cost * counted[of_step]
        changed = ((short * beyond * counted[of_tier][:, None]) @ beta).sum(axis=1)
        return np.asarray((short @ beta) @ tiers + (thrift @ beta) @ steps + changed)

    return lost(n.at_risk), lost(n.embedded), short[:, defence].sum(axis=(1, 2))


def shortfalls(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Demand unmet and substituted, by scenario, material, segment and period."""
    n = problem.natural
    short, thrift, loss, cost = _by_demand(problem, solution)
    least = np.minimum(SMALL_T, LEAST_SHARE * n.demand.max(axis=1, initial=0.0))[None, :, None]
    kept = (short > least) | (thrift > least)
    materials, segments = zip(*n.demands, strict=True) if n.demands else ((), ())
    values = {
        "shortfall_t": short,
        "substituted_t": thrift,
        "loss_musd": loss,
        "discounted_loss_musd": loss * n.calendar.beta[:-1],
        "substitution_cost_musd": cost,
    }
    return _cells(problem, kept, values, material=materials, segment=segments)


def users_stock(problem: Problem, solution: Solution) -> pd.DataFrame:
    """What users hold themselves in every scenario from the onset on: level at the end of a period, what is drawn and refilled."""
    n, first = problem.natural, problem.structure.scenarios.onset
    moved = np.zeros(solution.users_missing[1:].shape, dtype=bool)
    for u, (i, _) in enumerate(n.users):
        moved[:, u] = np.arange(n.calendar.periods) >= first[:, n.component[i], None]
    level = n.users_level[:, None] - solution.users_missing[1:]
    held = [n.materials[i] for i, _ in n.users]
    holders = [n.demands[q][1] if q >= 0 else PLANTS for _, q in n.users]
    values = {"level_t": level, "pulled_t": solution.users_pull[1:], "refilled_t": solution.users_refill[1:]}
    return _cells(problem, moved, values, problem.structure.scenarios.names, material=held, segment=holders)


def value(accounts: Accounts, reference: Accounts) -> pd.DataFrame:
    """Where Z0 - Z comes from, by component: shortage spared, the bill abroad, users and authority; and
    commitments, with soft penalties and the charge for risk, which nobody pays, in columns of their own."""
    split = split_of_value(accounts, reference)
    n = accounts.problem.natural
    members = [[m for m, of in zip(n.materials, n.component, strict=True) if of == c] for c in range(len(n.components))]
    parts = pd.DataFrame(
        {
            "component": list(n.components),
            "materials": [" ".join(names) for names in members],
            "shortage_avoided_musd": split["shortage"],
            "bill_saved_musd": split["bill"],
            "users_musd": split["users"],
            "authority_musd": split["authority"],
        }
    )
    before, after = commitments(reference), commitments(accounts)
    spared = {name: before[name] - after[name] for name in before}
    border = spared["users_border_surcharge"] + spared["users_contracts"]
    penalties, risk = spared["soft_penalties"], spared["cvar"]
    rest = sum(spared.values()) - border - penalties - risk
    whole = frame([("commitments", "", 0.0, 0.0, border, rest, penalties, risk)], RESULT_TABLES["value"].columns)
    return pd.concat([parts, whole], ignore_index=True).fillna(0.0)


def purchases_in_scenarios(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Expected purchases of each material that can be bought."""
    n, x = problem.natural, solution
    known = {name: purchase.material for name, purchase in _purchases(problem).items()}
    bought, planned = np.zeros(len(n.materials)), x.acquisition[1:, :, : n.calendar.planned]
    expected = np.einsum("s,sbt->b", problem.structure.scenarios.probability, planned)
    np.add.at(bought, [known[name] for name in x.purchases], expected)
    table = frame(list(zip(n.materials, bought, strict=True)), RESULT_TABLES["purchases_in_scenarios"].columns)
    return table.iloc[sorted(set(known.values()))].reset_index(drop=True)


def scenario_losses(problem: Problem, solution: Solution, z0: Solution) -> pd.DataFrame:
    """Discounted loss of every scenario, with the plan and without, and how much defence goes short. The loss of materials inside
    imported goods, which no plan can prevent, has a column of its own."""
    n, scenarios = problem.natural, problem.structure.scenarios
    periods = n.calendar.periods
    counted = np.array([n.at_risk[n.demand_material[q]] for q, _ in n.tiers], dtype=bool)
    loss, embedded, defence = losses_by_scenario(problem, solution)
    loss_without, _, defence_without = losses_by_scenario(problem, z0)
    onsets = [int(of.min(initial=periods)) for of in scenarios.onset]
    return pd.DataFrame(
        {
            "scenario": list(scenarios.names),
            "probability": scenarios.probability,
            "design_basis": np.asarray(scenarios.design_basis, dtype=bool),
            "onset": [n.calendar.period_label(t) if t < periods else "" for t in onsets],
            "loss_musd": loss,
            "loss_without_plan_musd": loss_without,
            "embedded_loss_musd": embedded,
            "shortfall_t": solution.shortfall[1:, counted].sum(axis=(1, 2)),
            "shortfall_without_plan_t": z0.shortfall[1:, counted].sum(axis=(1, 2)),
            "defence_shortfall_t": defence,
            "defence_shortfall_without_plan_t": defence_without,
            "hazards": [" ".join(sorted({event.label for event in events})) for events in scenarios.events],
            "what_happens": headlines(scenarios, n, Names.of(problem.data)),
            "events": ["; ".join(describe(event) for event in events) for events in scenarios.events],
        }
    )


def bottlenecks(of: Mapping[str, Accounts]) -> pd.DataFrame:
    """For each material that a plant makes or that is short, in the period of a path in which most is missing: what limits it. of:
    case -> accounts of it."""
    rows = []
    for case, accounts in of.items():
        k = AuditContext(accounts.problem, accounts.solution, None, accounts.path_data)
        n, stages, planned = k.n, Bottlenecks(k), accounts.problem.natural.calendar.planned
        missing = np.zeros((len(k.x.shortfall), len(n.materials), planned))
        for m, (q, _) in enumerate(n.tiers):
            missing[:, n.demand_material[q]] += k.x.shortfall[:, m, :planned]
        for w, i in np.argwhere((missing > SMALL_T).any(axis=2)).tolist():
            t = int(missing[w, i].argmax())
            path = BASELINE_COURSE if w == 0 else k.path_data.scenarios.names[w - 1]
            if not n.embedded[i]:
                limited = " ".join(n.materials[m] for m in stages.of(i, w, t))
                rows.append((case, path, n.calendar.period_label(t), n.materials[i], float(missing[w, i, t]), limited))
    return frame(rows, RESULT_TABLES["bottlenecks"].columns)


def build_tables(accounts: Accounts, reference: Accounts) -> dict[str, pd.DataFrame]:
    """Every result table but `prices`, by name, of a solution and of doing nothing."""
    problem, solution, z0 = accounts.problem, accounts.solution, reference.solution
    names, tables = Names.of(problem.data), replace(problem.data, book=None, asked=None)  # no places in sheets
    run = solution.output[0] + solution.reserve_output[0]
    return {
        "acquisitions": acquisitions(problem, solution),
        "stock": stock(problem, solution),
        "projects": projects(problem, solution),
        "contracts": contracts(problem, solution),
        "floors": floors(problem, solution),
        "budget": budget(problem, solution),
        "operations": operations(problem, solution),
        "flows": flows(problem, solution),
        "shortfalls": shortfalls(problem, solution),
        **({"transfers": transfers(problem, solution)} if any(problem.natural.pool) else {}),
        **({"users_stock": users_stock(problem, solution)} if problem.natural.users else {}),
        "scenario_losses": scenario_losses(problem, solution, z0),
        "bottlenecks": bottlenecks({"plan": accounts, "nothing": reference}),
        "value": value(accounts, reference),
        "purchases_in_scenarios": purchases_in_scenarios(problem, solution),
        "notes": pd.DataFrame(
            [
                *unlikely(problem.plan, tables, problem.natural.materials),
                *((DOUBT, "", text) for text in outdated(tables)),
                *unused(problem.plan, tables, problem.natural.calendar.years, problem.natural.materials),
                *((REPLAYED, material, text) for material, text in objections(problem.plan, tables)),
                *((AVERAGED, hazard, text) for hazard, text in averaged_away(problem.plan, tables)),
                *((ONE_MARKET, material, text) for material, text in unquoted(problem.plan, tables)),
                *notes(problem.instance, problem.structure.scenarios, problem.structure.support, names),
                *in_peace(problem.natural, _by_demand(problem, solution)[0][0], run, names),
            ],
            columns=columns_of("notes"),
        ),
        "dropped": frame([*problem.structure.support.dropped, *problem.natural.left_out], columns_of("dropped")),
    }


def _when(calendar: Calendar, t: int) -> tuple[int, str]:
    """(fiscal year, label) of a period."""
    return calendar.years[calendar.year_index[t]], calendar.period_label(t)


def acquisitions(problem: Problem, solution: Solution) -> pd.DataFrame:
    """What the reserve buys on the baseline course in planned years."""
    n, rows = problem.natural, []
    prices = _purchase_prices(problem, solution)
    by_name = _purchases(problem)
    for b, name in enumerate(solution.purchases):
        purchase = by_name[name]
        source = n.producers[purchase.source] if purchase.source >= 0 else "outside"
        country = n.country[purchase.source] if purchase.source >= 0 else n.offer_country[purchase.offer]
        for t in range(n.calendar.planned):
            tonnes = float(solution.acquisition[0, b, t])
            if tonnes > SMALL_T:
                at, material, price = _when(n.calendar, t), n.materials[purchase.material], float(prices[b, t])
                rows.append((*at, material, name, source, country, tonnes, price / MUSD_PER_T, tonnes * price))
    order = ["fiscal_year", "period", "material"]
    return frame(rows, RESULT_TABLES["acquisitions"].columns).sort_values(order, ignore_index=True)


def stock(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Stock on the trunk at the end of each planned period, its target, and how many days of that year's use it covers."""
    n, rows = problem.natural, []
    used = use_of(problem, solution) / n.calendar.step / DAYS_PER_YEAR
    for i in sorted({i for shape in problem.structure.component_sets for i in shape.stocked}):
        target = targets_of(solution.stock[0, i], solution.release[0, i], float(n.decay[i]))
        for t in range(n.calendar.planned):
            tonnes, wanted = max(0.0, float(solution.stock[0, i, t])), max(0.0, float(target[t]))
            days = tonnes / used[i, t] if used[i, t] > 0 else float("nan")
            sold, released = float(solution.disposal[0, i, t]), float(solution.release[0, i, t])
            worth = tonnes * float(n.price[i, t])
            rows.append((*_when(n.calendar, t), n.materials[i], tonnes, wanted, days, worth, sold, released))
    return frame(rows, RESULT_TABLES["stock"].columns)


def projects(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Every project: what is signed for it and when, its hurdle rates and gap, and what closes it.

    hurdle_rate: of its row, on the baseline course. hurdle_rate_expected: of what its owner expects, without a package.
    """
    n, support, rows = problem.natural, problem.structure.support, []
    kept = [
        {
            "project": project.name,
            "baseline": bool(support.baseline[p]),
            "committed": project.committed,
            "capacity_t_per_yr": float(n.capacity[project.producer, 0] / n.calendar.step),
            "capex_musd": project.capex,
            "hurdle_rate": project.hurdle,
        }
        for p, project in enumerate(n.projects)
    ]
    signed = {o: float(share) for o, share in enumerate(solution.sign) if share > CHOSEN}
    for o, share in signed.items():
        option = support.options[o]
        begun = n.projects[option.project].begun
        package = next(p for p in n.packages if p.name == option.package.name)
        floor = package.floor
        rows.append(
            {
                **kept[option.project],
                "signed": "" if begun else n.calendar.period_label(option.signed),
                "package": package.name,
                "instrument": package.instrument.name,
                "offtake_share": package.offtake,
                "floor_material": n.materials[floor.material] if floor else "",
                "floor_usd_per_kg": floor.level / MUSD_PER_T if floor else float("nan"),
                "market_floors": " ".join(support.markets[m].floor.name for m in option.market),
                "first_output": "" if begun else n.calendar.period_label(option.start),
                "share": share,
                "hurdle_rate_expected": option.expected_hurdle,
                "hurdle_rate_with_package": option.hurdle,
                "financing_gap_musd": option.gap,
                "support_cost_musd": option.scored * share,
                "offtake_fees_musd": float(option.fees.sum()) * share,
                "floor_expected_musd": option.floor.expected * share if option.floor else 0.0,
                "terminal_liability_musd": option.floor.terminal * share if option.floor else 0.0,
                "residual_credit_musd": option.residual * problem.plan.residual * share,
                "risk_transfer_musd": option.risk_charge * share,
            }
        )
    chosen = {support.options[o].project for o in signed}
    nothing = dict.fromkeys(("signed", "package", "instrument", "floor_material", "market_floors", "first_output"), "")
    rows += [{**kept[p], **nothing, "share": 0.0} for p in range(len(n.projects)) if p not in chosen]
    return frame(rows, RESULT_TABLES["projects"].columns)


def contracts(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Offtake contracts signed."""
    n, rows = problem.natural, []
    for k, contract in enumerate(problem.structure.contracts):
        tonnes = float(solution.contract[k])
        if tonnes > SMALL_T:
            fee = float(n.contract_fee[contract.source])
            periods, start = contract.end - contract.start, n.calendar.period_label(contract.start)
            terms = periods * n.calendar.step, tonnes / n.calendar.step, fee / MUSD_PER_T, fee * tonnes * periods
            rows.append((n.producers[contract.source], n.country[contract.source], start, *terms))
    return frame(rows, RESULT_TABLES["contracts"].columns)


def floors(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Price floors guaranteed, market-wide and in packages, with what they are expected to cost."""
    n, support = problem.natural, problem.structure.support
    rows: list[tuple[Any, ...]] = []

    def add(name: str, scope: str, floor: Floor, start: int, *money: float) -> None:
        """A row. start: period; money: what it costs, is owed at the end, users pay, tariffs bring, and whether it is evaded."""
        terms = floor.kind, n.materials[floor.material], floor.level / MUSD_PER_T, floor.upside
        rows.append((name, scope, *terms, n.calendar.period_label(start), floor.term * n.calendar.step, *money))

    for m, market in enumerate(support.markets):
        if solution.floor[m] > CHOSEN:
            floor = next(f for f in n.market_floors if f.name == market.floor.name).floor
            money = market.money.expected, market.money.terminal, market.users, market.treasury, market.inverted
            add(market.floor.name, "market", floor, 0, *money)
    for o, option in enumerate(support.options):
        package, share = next(p for p in n.packages if p.name == option.package.name), float(solution.sign[o])
        if share > CHOSEN and package.floor is not None and option.floor is not None:
            name = f"{n.projects[option.project].name}: {package.name}"
            money = share * option.floor.expected, share * option.floor.terminal, 0.0, 0.0, False
            add(name, "project", package.floor, option.start, *money)
    return frame(rows, RESULT_TABLES["floors"].columns)


def borrowed(loan: Loan, spent: Floats, calendar: Calendar) -> tuple[Floats, float]:
    """(T,) what a reserve owes on its loan at the end of each period, of what it buys less what it sells (T,) [million USD]; and
    when that is due. It is paid back then, and what is bought later is borrowed anew, for the same term."""
    found, owed, due = [], loan.owed_musd, float(loan.due_year or np.inf)
    for t, more in enumerate(spent.tolist()):
        if calendar.first_year + t * calendar.step >= due:
            owed, due = 0.0, np.inf
        owed = max(0.0, owed + more)
        if owed > 0 and due == np.inf:
            due = calendar.years[calendar.year_index[t]] + loan.term_years
        found.append(owed)
    return np.array(found), due


def budget(problem: Problem, solution: Solution) -> pd.DataFrame:
    """Outlays by line against the appropriation of each planned year; liability and sales beside it, not in it."""
    n, support, structure, rows = problem.natural, problem.structure.support, problem.structure, []
    calendar = n.calendar
    prices, _ = trunk_prices(problem)
    purchases = (_purchase_prices(problem, solution) * solution.acquisition[0]).sum(axis=0)
    by_name = _purchases(problem)
    not_due = [spared(n, by_name[name]) * solution.acquisition[0, b] for b, name in enumerate(solution.purchases)]
    saved = np.sum(not_due, axis=0) if not_due else np.zeros(calendar.periods)
    as_run = due_as_run(n, solution.output[0])
    holding = (n.budget_holding[:, None] * solution.stock[0] * calendar.step).sum(axis=0)
    sales = ((1 - n.haircut)[:, None] * prices * solution.disposal[0]).sum(axis=0)
    members, owed = np.zeros(calendar.periods), np.zeros(calendar.periods)
    if (loan := problem.plan.budget.loan) is not None:
        owed, _ = borrowed(loan, purchases - sales, calendar)
        members = calendar.step * ((n.holding[:, None] * solution.stock[0]).sum(axis=0) + loan.interest * owed)
    fees = np.zeros(calendar.periods)
    for k, contract in enumerate(structure.contracts):
        fees[contract.start : contract.end] += n.contract_fee[contract.source] * solution.contract[k]
    capital, offtake, topup, liability = (np.zeros(calendar.periods) for _ in range(4))
    for o, option in enumerate(support.options):
        share = solution.sign[o]
        if share > 0:
            capital += share * option.payments
            offtake += share * option.fees
            if option.floor is not None:
                topup += share * option.floor.budget
                liability += share * option.floor.liability
    for m, market in enumerate(support.markets):
        topup += solution.floor[m] * market.money.budget
        liability += solution.floor[m] * market.money.liability
    cap = problem.plan.budget.liability_cap_musd
    most = n.by_year(cap) if cap is not None else np.full(len(calendar.years), np.nan)
    for f, year in enumerate(calendar.planned_years):
        mine = calendar.year_index == f
        lines = {
            "purchases": purchases,
            "holding": holding,
            "contract_fees": fees,
            "offtake_fees": offtake,
            "capital_support": capital,
            "floor_top_ups": topup,
        }
        amounts = {f"{name}_musd": float(series[mine].sum()) for name, series in lines.items()}
        amounts["signed_before_musd"] = float(n.carried.due[f])
        rows.append(
            {
                "fiscal_year": year,
                **amounts,
                "outlay_musd": sum(amounts.values()),
                "appropriation_musd": float(n.appropriation[f]),
                "carried_in_musd": float(solution.carry[f - 1]) if f else problem.plan.budget.carried_in_musd,
                "carried_out_musd": float(solution.carry[f]),
                "sales_musd": float(sales[mine].sum()),
                "paid_apart_musd": float(n.carried.beside[f] - saved[mine].sum()),
                "paid_apart_as_run_musd": float(as_run[mine].sum()),
                "members_pay_musd": float(members[mine].sum()),
                "borrowed_musd": float(owed[mine][-1]),
                "liability_musd": float(liability[mine].sum() + n.carried.liability[f]),
                "liability_cap_musd": float(most[f]),
            }
        )
    return pd.DataFrame(rows)
