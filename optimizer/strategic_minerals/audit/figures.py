"""Every figure that the summary prints, as named records: the summary reads nothing else.

The audit works out the same records from the decisions alone (`audit.accounts`), with formulas of its own; an answer that states
other figures is not trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..core.errors import Outcome
from ..core.stats import SMALL_T
from ..world.instance import CHOSEN

COLUMNS = ["figure", "item", "value"]
OUTLAYS = ("purchases", "holding", "contract_fees", "offtake_fees", "capital_support", "floor_top_ups", "signed_before")
"""Lines of the budget."""

RECOMPUTED: dict[str, str] = {
    "worth_musd": "social cost of doing nothing less that of the plan [million USD]",
    "do_nothing_musd": "social cost of doing nothing [million USD]",
    "gap_share": "(objective - bound) / max(|objective|, discounted appropriation, 1 million USD) of the last aim",
    "stage_with_musd": "by aim: its figure with the plan, penalties left out [million USD]",
    "stage_without_musd": "by aim: its figure when nothing is done [million USD]",
    "stage_difference_musd": "by aim: with the plan less without, penalties counted [million USD]",
    "penalties_musd": "soft penalties of the plan; nobody pays them [million USD]",
    "expected_loss_musd": "expected shortage loss with the plan [million USD, discounted]",
    "expected_loss_without_musd": "the same when nothing is done",
    "embedded_loss_musd": "expected shortage loss of materials inside imported goods, with any plan [million USD, discounted]",
    "probability": "by scenario",
    "loss_musd": "by scenario: shortage loss with the plan [million USD, discounted]",
    "loss_without_musd": "by scenario: the same when nothing is done",
    "defence_short_t": "by scenario: tonnes that defence goes short with the plan",
    "remaining_loss_musd": "by material: expected shortage loss that stays [million USD, discounted]",
    "undisturbed_probability": "probability that no event strikes any material before the planned years end",
    "bought_t": "by material: bought in planned years while nothing has happened [t]",
    "bought_musd": "by material: what that costs [million USD]",
    "bought_from_musd": "by material and country of origin as declared: what purchases cost while nothing happens [million USD]",
    "bought_expected_t": "by material: bought in planned years, in expectation over all scenarios [t]",
    "peak_stock_t": "by material: largest stock while nothing has happened [t]",
    "peak_stock_days": "by material: days of that year's use that it covers; no figure where nobody uses it",
    "price_drift_share": "by material held: change of its price while it is held and nothing has happened",
    "signed_share": "by project and package: share signed",
    "signed_cost_musd": "by project and package: capital and offtake fees on the budget [million USD]",
    "floor_cost_musd": "by price floor: expected cost within the horizon, negative where claw-back is more [million USD]",
    "floor_later_musd": "by price floor: expected cost after the horizon [million USD]",
    "contract_t_per_yr": "by contract: tonnes a year",
    "contract_fees_musd": "by contract: fees over its whole term [million USD]",
    "outlay_musd": "by line of the budget: outlay of the planned years [million USD]",
    "outlay_by_year_musd": "by fiscal year: outlay [million USD]",
    "appropriation_by_year_musd": "by fiscal year: appropriation [million USD]",
    "sales_musd": "what sales of the planned years bring to the treasury [million USD]",
    "paid_apart_by_year_musd": "by fiscal year: what floors cost money beside the plan's, at full output [million USD]",
    "paid_apart_as_run_by_year_musd": "by fiscal year: the same on what the producers make for users [million USD]",
    "members_pay_by_year_musd": "by fiscal year: storage and interest that members of a reserve pay [million USD]",
    "liability_by_year_musd": "by fiscal year: what floors may cost at the price state of the cap [million USD]",
    "shortage_avoided_musd": "shortage loss avoided [million USD]",
    "bill_saved_musd": "what lower prices abroad spare home users, less what own buying costs them [million USD]",
    "users_musd": "what users save, negative where they pay for what they get [million USD]",
    "authority_musd": "what the balance of the authority gains, stock left counted [million USD]",
    "risk_charge_musd": "what the weight on CVaR adds [million USD]",
    "salvage_musd": "credit for the stock that is left [million USD]",
    "residual_musd": "credit for the unexpired life of projects [million USD]",
}
"""What the audit works out again: name -> meaning and unit."""

STATED: dict[str, str] = {
    "bound_musd": "bound of the last aim, as a difference: the solver's, checked where a run is verified",
    "stage_bound_musd": "by aim: the same",
}
"""What another solve states: the decisions alone do not give it."""


@dataclass(frozen=True)
class Figures:
    """The records of an answer, by name and item, in order."""

    records: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Figures:
        """From the table `figures` of a result."""
        found: dict[str, dict[str, float]] = {}
        for figure, item, value in table[COLUMNS].itertuples(index=False):
            found.setdefault(str(figure), {})[str(item)] = float(value)
        return cls(found)

    def frame(self) -> pd.DataFrame:
        """As the table `figures`."""
        rows = [(name, item, float(value)) for name, of in self.records.items() for item, value in of.items()]
        return pd.DataFrame(rows, columns=COLUMNS).astype({"figure": object, "item": object, "value": float})

    def items(self, name: str) -> dict[str, float]:
        """Item -> value of a declared figure; empty where the answer has none of it. KeyError for one that is not declared."""
        if name not in RECOMPUTED and name not in STATED:
            raise KeyError(name)
        return dict(self.records.get(name, {}))

    def value(self, name: str, item: str = "") -> float:
        """A number; 0 where the answer has none of it. Raises KeyError as `items`."""
        return float(self.items(name).get(item, 0.0))

    def total(self, name: str) -> float:
        """Sum over all items. Raises KeyError as `items`."""
        return float(sum(self.items(name).values()))


def figures_of(
    tables: Mapping[str, pd.DataFrame],
    outcome: Outcome,
    stages: Mapping[str, tuple[float, float]],
    parts: Mapping[str, float],
    before: Mapping[str, float],
    horizon_end: int,
) -> Figures:
    """The records of an answer, from its tables and its outcome.

    stages: aim -> (with the plan, without), penalties left out. parts, before: of social cost, with the plan and without.
    horizon_end: first fiscal year after the planned ones."""
    scenarios = tables["scenario_losses"].set_index("scenario")
    pi = scenarios.probability
    calm = [onset == "" or int(str(onset).split(".")[0]) >= horizon_end for onset in scenarios.onset]
    records: dict[str, dict[str, Any]] = {
        "worth_musd": {"": sum(before.values()) - sum(parts.values())},
        "do_nothing_musd": {"": sum(before.values())},
        "gap_share": {"": outcome.relative_gap or 0.0},
        "bound_musd": {"": outcome.best_bound_musd or 0.0},
        "stage_with_musd": {name: stages[name][0] for name, *_ in outcome.stages},
        "stage_without_musd": {name: stages[name][1] for name, *_ in outcome.stages},
        "stage_difference_musd": {name: value for name, value, *_ in outcome.stages},
        "stage_bound_musd": {name: bound for name, _, bound, _ in outcome.stages},
        "penalties_musd": {"": parts["soft_penalties"]},
        "expected_loss_musd": {"": float(pi.to_numpy() @ scenarios.loss_musd.to_numpy())},
        "expected_loss_without_musd": {"": float(pi.to_numpy() @ scenarios.loss_without_plan_musd.to_numpy())},
        "embedded_loss_musd": {"": float(pi.to_numpy() @ scenarios.embedded_loss_musd.to_numpy())},
        "probability": dict(pi),
        "loss_musd": dict(scenarios.loss_musd),
        "loss_without_musd": dict(scenarios.loss_without_plan_musd),
        "defence_short_t": dict(scenarios.defence_shortfall_t),
        "remaining_loss_musd": _remaining(tables["shortfalls"], pi),
        "undisturbed_probability": {"": float(pi[calm].sum())},
        **_purchases(tables),
        **_signed(tables["projects"]),
        **_floors(tables["floors"]),
        **_contracts(tables["contracts"]),
        **_money(tables["budget"]),
        **_value(tables["value"]),
        "salvage_musd": {"": -parts["salvage"]},
        "residual_musd": {"": -parts["residual_credit"]},
    }
    return Figures(records)


def _remaining(shortfalls: pd.DataFrame, pi: pd.Series) -> dict[str, float]:
    mine = shortfalls[shortfalls.scenario.isin(set(pi.index))]
    expected = (mine.discounted_loss_musd * mine.scenario.map(pi).astype(float)).groupby(mine.material).sum()
    return {str(name): float(value) for name, value in expected.items() if value > 0}


def _purchases(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Any]]:
    bought, stock, held = tables["acquisitions"], tables["stock"], tables["purchases_in_scenarios"]
    total = bought.groupby("material", sort=False)
    peak = (stock.loc[stock.groupby("material").stock_t.idxmax()] if len(stock) else stock).set_index("material")
    peak = peak[peak.index.isin(set(bought.material))]
    mine = stock[stock.stock_t > SMALL_T]
    prices = (mine.value_musd / mine.stock_t).groupby(mine.material)
    moved = {str(material): float(price.iloc[-1] / price.iloc[0] - 1) for material, price in prices}
    return {
        "bought_t": dict(total.acquired_t.sum()),
        "bought_musd": dict(total.cost_musd.sum()),
        "bought_from_musd": dict(bought.cost_musd.groupby(bought.material + ORIGIN + bought.country, sort=False).sum()),
        "bought_expected_t": {
            str(m): float(t) for m, t in zip(held.material, held.expected_acquired_t, strict=True) if t > SMALL_T
        },
        "peak_stock_t": dict(peak.stock_t),
        "peak_stock_days": {str(m): float(v) for m, v in peak.days_of_use.items() if pd.notna(v)},
        "price_drift_share": moved,
    }


ORIGIN = ": "
"""Between a material and a country in the items of `bought_from_musd`."""


def _signed(projects: pd.DataFrame) -> dict[str, dict[str, Any]]:
    chosen = projects[projects.share > CHOSEN]
    beside = ["".join(f" beside {m}" for m in str(floors).split()) for floors in chosen.market_floors]
    signed = zip(chosen.itertuples(), beside, strict=True)
    names = [f"{row.project}: {row.package}{floors}, {row.signed}" for row, floors in signed]
    return {
        "signed_share": dict(zip(names, chosen.share, strict=True)),
        "signed_cost_musd": dict(zip(names, chosen.support_cost_musd + chosen.offtake_fees_musd, strict=True)),
    }


def _floors(floors: pd.DataFrame) -> dict[str, dict[str, Any]]:
    names = [f"{row.floor}, {row.start}" for row in floors.itertuples()]
    columns = {"floor_cost_musd": "expected_cost_musd", "floor_later_musd": "terminal_liability_musd"}
    return {figure: dict(zip(names, floors[column], strict=True)) for figure, column in columns.items()}


def _contracts(contracts: pd.DataFrame) -> dict[str, dict[str, Any]]:
    names = [f"{row.activity} ({row.country}), {row.start}" for row in contracts.itertuples()]
    columns = {"contract_t_per_yr": "contract_t_per_yr", "contract_fees_musd": "fees_musd"}
    return {figure: dict(zip(names, contracts[column], strict=True)) for figure, column in columns.items()}


def _money(budget: pd.DataFrame) -> dict[str, dict[str, Any]]:
    by_year = budget.assign(fiscal_year=budget.fiscal_year.astype(str)).set_index("fiscal_year")
    return {
        "outlay_musd": {line: float(budget[f"{line}_musd"].sum()) for line in OUTLAYS},
        "outlay_by_year_musd": dict(by_year.outlay_musd),
        "appropriation_by_year_musd": dict(by_year.appropriation_musd),
        "sales_musd": {"": float(budget.sales_musd.sum())},
        "paid_apart_by_year_musd": dict(by_year.paid_apart_musd),
        "paid_apart_as_run_by_year_musd": dict(by_year.paid_apart_as_run_musd),
        "members_pay_by_year_musd": dict(by_year.members_pay_musd),
        "liability_by_year_musd": dict(by_year.liability_musd),
    }


def _value(value: pd.DataFrame) -> dict[str, dict[str, Any]]:
    columns = ("shortage_avoided_musd", "bill_saved_musd", "users_musd", "authority_musd", "risk_charge_musd")
    return {column: {"": float(value[column].sum())} for column in columns}
