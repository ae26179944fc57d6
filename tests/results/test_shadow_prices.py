"""Every published price against what the objective does when the right-hand side moves a little (R14, R15).

`slope` solves three times, a step below, at and above, and insists that both sides agree: on a kink a price is any
number in between. Money in million USD, tonnes in kilotonnes, prices in USD/kg (see `tiny`); prices of tonnes are
published in USD/t, a thousand times as much."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strategic_minerals import solve
from strategic_minerals.answer.prices import MEANING, price_table
from strategic_minerals.matrix.named import objective_costs
from strategic_minerals.matrix.problem import Problem, prepare
from strategic_minerals.model.sets import TRUNK
from strategic_minerals.solver.highs import Model, UnsolvedRun
from strategic_minerals.solver.optimise import Solved, optimise
from support.instances import ASKED, random_case
from support.tiny import (
    KT,
    bought,
    clawback,
    cut,
    imported,
    offer,
    price,
    project,
    source,
    tail,
    tiny,
    total,
    two_risks,
)

STEP = 1e-2
"""Of a right-hand side [kt or million USD]: far above solver tolerances, far below the next kink."""

Case = tuple[Any, Any]


def optimum(*case: Any, **options: Any) -> Any:
    return solve(*case, gap=0.0, **options, quick=True)


def near(expected: float, rel: float = 1e-5) -> Any:
    return pytest.approx(expected, rel=rel, abs=1e-4)


def slope(make: Callable[[float], Case], at: float, step: float = STEP) -> float:
    """Change of social cost per unit of a figure [million USD], the same below and above it."""
    below, here, above = (total(optimum(*make(at + h))) for h in (-step, 0.0, step))
    left, right = (here - below) / step, (above - here) / step
    assert left == near(right), "a kink: the instance cannot judge a price"
    return (left + right) / 2


RATE = 0.05


def promised(level: float, per: str, penalty: float | None = None) -> Case:
    """Stock that is worth too little by itself (63 against .1*70) and is bought for a promise in two years of cut.

    Material costs 63 with its premium, holding 1.2 a year; 4 % of what is in store is lost a year."""
    service = {"material": "a", "segment": "civil", "level": level, "scenarios": ["long"], "per": per}
    home = source("USA", "a", {2027: 0.0, 2029: 3.0, 2030: 1.0})
    return tiny(
        {"a": 60.0},
        materials={"a": {"haircut_share": 0.1, "holding_share_per_yr": 0.02, "decay_share_per_yr": 0.04}},
        sources={"far": source("CHN", "a", 12.0), "home": home},
        demand={"a": 10.0},
        loss=10.0,
        offers={"spot": offer("a", 100.0, premium=0.05)},
        scenarios=[cut("long", 0.1, 2029, 2, design_basis=True)],
        years=4,
        rate=RATE,
        money=1e4,
        service_levels=[{**service, "penalty_usd_per_kg": penalty}],
    )


@pytest.mark.parametrize(("per", "years"), [("episode", [""]), ("fiscal_year", ["2029", "2030"])])
def test_a_tonne_short_of_the_promise_saves_what_keeping_it_costs(per: str, years: list[str]) -> None:
    """Proves: price of a promise = dZ per tonne promised, as present value and in USD/t.

    One more share of a level on 20 kt over the episode (10 kt in each of two years) is 20 kt. The price of a fiscal year is
    its own, the later one dearer by what is lost and paid in store."""
    rise = slope(lambda level: promised(level, per), 0.6, step=1e-3)
    result = optimum(*promised(0.6, per))
    assert bought(result, "a") > 1.0
    parts = [price(result, "service_level", scenario="long", period=year) for year in years]
    assert min(parts) > 0
    tonnes = 20.0 / len(years)
    assert sum(parts) * tonnes / KT == near(rise)
    table = result.prices[result.prices.price == "service_level"]
    assert set(table.item) == {"a, civil"}
    assert set(table.unit) == {"USD/t"}


def test_two_promises_on_one_segment_have_a_price_each_that_can_be_told_apart() -> None:
    """Proves: two soft promises, both broken, at 3 and at 4 USD/kg: two prices, and no two rows of the table bear one name.

    Read by item, scenario and period the price would be 7000 USD/t, or either of the two."""
    plan, data = promised(0.6, "episode", 3.0)
    (first,) = plan.service_levels
    second = first.model_copy(update={"level": 0.5, "penalty_usd_per_kg": 4.0})
    table = optimum(plan.model_copy(update={"service_levels": (first, second)}), data).prices
    table = table[table.price == "service_level"]
    assert sorted(table.value) == [near(3 * KT), near(4 * KT)]
    # one name for both promises: which row is which cannot be read from the table
    assert not table.duplicated(["price", "item", "scenario", "period"]).any()


def feared(risk: dict[str, Any]) -> Case:
    """Losses that stock at 5 USD/kg does not repay (a missing kg costs 1) and that a limit keeps down."""
    return tail(
        offers={"spot": offer("a", 100.0, premium=9.0)},
        materials={"a": {"haircut_share": 0.5}},
        rate=RATE,
        money={2027: 1e4, 2028: 0.0},
        risk={"alpha": 0.9, **risk},
    )


@pytest.mark.parametrize(
    ("name", "field", "limit"),
    [("cvar_limit", "cvar_limit_musd", 24.0), ("expected_loss_limit", "expected_loss_limit_musd", 5.0)],
)
def test_one_usd_of_risk_allowed_saves_the_stock_that_kept_it_away(name: str, field: str, limit: float) -> None:
    """Proves: price of a limit = -dZ/d(limit), USD per USD.

    A kg costs 5, is worth .25/1.05**2 where nothing happens (.5) and 1/1.05 where something does (.5): net 4.4105. It takes
    1/1.05 off the CVaR and half of that off the mean: 4.631 and 9.262. A price a thousand times off is per kt."""
    net = 5 - 0.5 * 0.25 / (1 + RATE) ** 2 - 0.5 / (1 + RATE)
    by_hand = net * (1 + RATE) * (1.0 if name == "cvar_limit" else 2.0)
    result = optimum(*feared({field: limit}))
    assert price(result, name) == near(by_hand)
    assert -slope(lambda musd: feared({field: musd}), limit) == near(by_hand)


def capped(cap: float) -> Case:
    """A plant of 1 kt lives on a floor of 110 that may cost 30 a year; it can be supported in part. Cap on 2028 alone."""
    cap_by_year = {"liability_cap_musd": {2027: 1e3, 2028: cap, 2029: 1e3}}
    return clawback(RATE, budget=cap_by_year, instruments={"partial_support": True, "signing_years": [2027]})


def test_one_more_usd_of_liability_is_worth_the_plant_that_it_lets_live() -> None:
    """Proves: at a cap of 20 two thirds of the plant are supported (30 may fall due), and a USD of cap is worth
    -dZ/d(cap): 1/30 kt more in 2028 and 2029, each worth 1000 in loss, less the expected top-up of 12.5.

    (1000*(1/1.05 + 1/1.1025) - 12.5*(1/1.05 + 1/1.1025 + 1/1.157625))/30. A price in another year's row fails."""
    by_hand = (1000 * (1.05**-1 + 1.05**-2) - 12.5 * (1.05**-1 + 1.05**-2 + 1.05**-3)) / 30
    result = optimum(*capped(20.0))
    assert float(result.tables["projects"].share.sum()) == near(2 / 3)
    assert -slope(capped, 20.0) == near(by_hand)
    table = result.prices[result.prices.price == "contingent_liability"]
    assert list(table.period) == ["2028"]
    assert list(table.value) == [near(by_hand)]


def whole(musd: float = 100.0) -> Case:
    """100 in 2027 for plants of 60 each, which are whole, and for stock at 12 that 1 scenario in 4 needs in 2029.

    A plant of 12 kt spares 5 a kg in 2028 and 2029. What a plant leaves goes into stock."""
    plants = {
        name: project("a", 12.0, capex_musd=60.0, cash_usd_per_kg=10.0, additional=True, premium_share=0.0)
        for name in ("A", "B")
    }
    return tiny(
        {"a": 10.0, "b": 12.0},
        materials={"b": {"haircut_share": 0.5}},
        sources={"far": source("CHN", "a", 50.0), "away": source("CHN", "b", 20.0)},
        demand={"a": 100.0, "b": 20.0},
        loss={"a": 5.0, "b": 40.0},
        projects=plants,
        packages={"grant": {"instrument": "grant"}},
        offers={"spot": offer("b", 100.0)},
        scenarios=[cut("cut", 0.25, 2029, 1, "b")],
        money={2027: musd, 2028: 0.0},
        instruments={"signing_years": [2027]},
        residual=0.0,
    )


def relaxed_duals(problem: Problem, family: str) -> np.ndarray:
    model = Model(problem.assembly, objective_costs(problem)["social_cost"], integer=False)
    run = model.run(time_limit_s=600.0)
    return run.prices.row[problem.assembly.rows_of(family)]


def test_prices_hold_for_the_commitments_taken_and_not_for_the_relaxation() -> None:
    """Proves: one plant for 60 and 40 of stock; a USD more buys stock: (.25*52 + .75*6 - 12)/12 = .4583.

    The mixed-integer optimum itself moves by that much. In the relaxation a USD more buys a share of the second plant:
    12*5*2/60 - 1 = 1: publishing that would say that money is worth more than twice what it is."""
    result = optimum(*whole())
    assert bought(result, "b") == near(40 / 12)
    assert -slope(whole, 100.0) == near(5.5 / 12)
    assert price(result, "appropriation", period="2027") == near(5.5 / 12)
    assert relaxed_duals(prepare(*whole()), "budget")[0] == near(-1.0)


def owing(money: Any, total: float | None = None, **changes: Any) -> Case:
    """10 kt of `a` in store cost 10 million USD a year to hold; a kt of `b`, which is lost in a stop, costs 10 and saves 60."""
    return tiny(
        **{
            "prices": {"a": 10.0, "b": 10.0},
            "materials": {"a": {"holding_share_per_yr": 0.1}},
            "stock": {"a": 10.0},
            "sources": {f"from_{m}": source("CHN", m, 20.0) for m in "ab"},
            "demand": {"a": 10.0, "b": 10.0},
            "money": money,
            "offers": {"spot": offer("b", 5.0, 0.0, "outside")},
            "scenarios": [cut("stop", 0.5, 2028, 1.0)],
            "budget": {} if total is None else {"total_musd": total},
            **changes,
        }
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ["appropriation", "total_budget"])
@pytest.mark.parametrize(("money", "worth"), [(2.0, 0.0), (9.0, 0.0), (9.99, 0.0), (11.0, 5.0), (13.0, 5.0)])
def test_money_below_what_is_owed_is_worth_nothing(name: str, money: float, worth: float) -> None:
    """Proves: a USD more of the appropriation, or of the total of three years, brings 5 once it is beyond the 10 a year that are
    paid anyway, and nothing before, whatever the dual of the row."""

    def make(given: float) -> Case:
        return owing(given) if name == "appropriation" else owing(1000.0, 20.0 + given)

    assert slope(make, money) == near(-worth)
    assert price(optimum(*make(money)), name) == near(worth)


def test_money_that_is_carried_out_of_a_year_that_owes_more_is_worth_its_share() -> None:
    """Proves: 2029 buys what was kept of 2027 and carried through 2028, where more is owed than given and a half of what is given
    may be carried on: a USD more in 2028 widens that by half a USD, and moves no other limit."""

    def make(given: float) -> Case:
        return owing(
            {2027: 30.0, 2028: given, 2029: 10.0},
            offers={"spot": {**offer("b", 5.0, 0.0, "outside")}},
            scenarios=[cut("stop", 0.5, 2029, 1.0)],
            budget={"carry_over_share": 0.5},
        )

    result = optimum(*make(4.0))
    assert price(result, "appropriation", period="2028") == near(-slope(make, 4.0))


def test_carry_over_leaves_a_year_that_owes_more_without_a_price() -> None:
    """Proves: with all of it to be carried, a USD more in 2027 brings 5 and one in 2028, of which 8 are owed beyond, nothing."""
    changes: dict[str, Any] = {"scenarios": [cut("stop", 0.5, 2029, 1.0)], "budget": {"carry_over_share": 1.0}}
    result = optimum(*owing({2027: 30.0, 2028: 2.0}, **changes))
    assert price(result, "appropriation", period="2027") == near(5.0)
    assert price(result, "appropriation", period="2028") == 0.0
    assert slope(lambda more: owing({2027: 30.0, 2028: more}, **changes), 2.0) == near(0.0)


def test_money_at_what_is_owed_is_priced_at_most() -> None:
    """Proves: where the appropriation is just what is owed, the next USD brings 5, the last one nothing. The price is no less than
    what the next one brings, and its meaning says "at most"."""
    result = optimum(*owing(10.0))
    assert price(result, "appropriation") >= 5.0 - 1e-6
    assert result.prices.meaning.str.startswith("social cost avoided, at most and with commitments as chosen, by").all()


FAMILY = {name: name for name in MEANING} | {
    "appropriation": "budget",
    "stock": "stock_balance",
    "supply": "material_balance",
    "users_stock": "users_stock_balance",
}
"""Published price -> constraint family of the formulation."""
DEMANDED_AT_LEAST = ("days_of_cover", "supply", "users_stock")
"""A larger right-hand side costs; in all other families it saves."""


class Rows:
    """The linear program with commitments fixed, one right-hand side moved at a time."""

    def __init__(self, solved: Solved) -> None:
        self.assembly = solved.problem.assembly
        self.model = Model(self.assembly, solved.costs["social_cost"], integer=False)
        binaries = np.flatnonzero(self.assembly.integer)
        self.model.set_bounds(binaries, np.round(solved.x[binaries]), np.round(solved.x[binaries]))
        self.base = self._z()

    def _z(self) -> float | None:
        run = self.model.run(time_limit_s=600.0)
        return run.objective if run.status == "optimal" else None

    def slopes(self, row: int, step: float = 1e-3, carry: tuple[int, float] | None = None) -> tuple[float, float]:
        """dZ per unit of the right-hand side below and above it; infinite where nothing is feasible there.

        carry: a column whose upper limit moves along, by a share of the step."""
        at = np.array([row])
        low, high = self.assembly.row_lower[at], self.assembly.row_upper[at]
        found = []
        for h in (-step, step):
            self.model.set_row_bounds(at, low + h, high + h)
            self._limit(carry, h)
            moved = self._z()
            found.append(np.inf * h if moved is None else (moved - self.base) / h)
        self.model.set_row_bounds(at, low, high)
        self._limit(carry, 0.0)
        return found[0], found[1]

    def _limit(self, carry: tuple[int, float] | None, h: float) -> None:
        if carry is not None:
            at = np.array([carry[0]])
            most = self.assembly.upper[at] + carry[1] * h
            self.model.set_bounds(at, self.assembly.lower[at], np.maximum(0.0, most))


def _carry(problem: Problem, row: int) -> tuple[int, float]:
    """The carry-over out of the year of a budget row, and the share of the appropriation that it may be."""
    _, year, _, _ = problem.assembly.row_name(int(row))
    last = year == len(problem.natural.calendar.years) - 1
    column = problem.assembly.commitments.columns("carry", year)[0]
    return int(column), 0.0 if last else problem.plan.budget.carry_over_share


def stated(problem: Problem, family: str, row: int) -> tuple[dict[str, str], float] | None:
    """Where the price of a row would stand in the table, and what a dual of 1 in model units is worth there.

    None where nothing is published: tail years, stocks and rules in branches."""
    natural, structure = problem.natural, problem.structure
    calendar = natural.calendar
    _, key, c, number = problem.assembly.row_name(int(row))
    if family in ("total_budget", "cvar_limit", "expected_loss_limit"):
        return {}, 1.0
    if family in ("appropriation", "contingent_liability"):
        year = calendar.first_year + key
        return ({"period": str(year)}, 1.0) if year in calendar.planned_years else None
    blocks, names, unit = structure.block_index[c], structure.scenarios.names, structure.instance.material_unit
    if family == "service_level":
        rule = problem.plan.service_levels[key[0]]
        year = "" if key[1] < 0 else str(calendar.first_year + key[1])
        i = natural.materials.index(rule.material)
        item = f"{rule.material}, {rule.segment}"
        return {"item": item, "scenario": names[blocks.branches[number]], "period": year}, 1e6 / unit[i]
    s, t = int(blocks.scenario[number]), int(blocks.period[number])
    scenario = "baseline course" if s == TRUNK else names[s]
    where = {"scenario": scenario, "period": calendar.period_label(t)}
    if family == "diversification":
        rule = problem.plan.diversification[key]
        i = natural.materials.index(rule.material)
        return {"item": f"{rule.material}: {rule.country or rule.group}", **where}, 1e6 / unit[i]
    if family == "days_of_cover":
        i = structure.component_sets[c].cover[key][0]
        return {"item": natural.materials[i], **where}, 1e6 / unit[i]
    if t >= calendar.planned or (family == "stock" and s != TRUNK) or (family == "users_stock" and s == TRUNK):
        return None
    if family == "stock":
        return {"item": natural.materials[key], **where}, 1e6 / unit[key]
    onset, pi = structure.scenarios.onset[:, c], structure.scenarios.probability
    share = pi[s] if s != TRUNK else 1 - pi[(onset >= 0) & (onset <= t)].sum()
    discount = (1 + problem.plan.discount_rate) ** (-t * calendar.step)
    i, item = key, natural.materials[key] if family == "supply" else ""
    if family == "users_stock":
        i, q = natural.users[key]
        item = ", ".join(natural.demands[q])
    return ({"item": item, **where}, 1e6 / unit[i] / (share * discount)) if share > 1e-9 else None


CASES = {
    20: {"appropriation"},  # half years
    25: {"appropriation", "total_budget", "diversification"},
    30: {"diversification", "days_of_cover"},
    113: {"service_level", "diversification"},
    117: {"appropriation"},  # a carry-over at its limit, which one more USD widens
}
"""Seed -> families, beside stock and supply, of which a price on no kink is met."""


LATER = {2: {"users_stock"}, 5: {"users_stock"}}
"""The same with losses that change, spikes and stocks of users."""


@pytest.mark.parametrize(
    ("seed", "families", "switches"),
    [
        *((seed, families, {}) for seed, families in CASES.items()),
        *((seed, families, dict.fromkeys(ASKED, True)) for seed, families in LATER.items()),
    ],
)
def test_every_published_price_is_the_slope_of_its_row(
    seed: int, families: set[str], switches: dict[str, bool]
) -> None:
    """Proves: on instances with many scenarios, components and rules, each price lies between what the objective does below
    and above its right-hand side with commitments fixed, published or not (then 0), in the unit that it states.

    A wrong sign, a missing probability or discount, kt for t, or the dual of a neighbour falls outside."""
    solved = optimise(prepare(*random_case(seed, **switches)), gap=0.0, time_limit_s=600.0)
    assert solved.outcome.reason == "optimal"
    problem, table, rows = solved.problem, price_table(solved), Rows(solved)
    rng = np.random.default_rng(seed)
    sharp = set()
    for name, family in FAMILY.items():
        places = [(row, place) for row in problem.assembly.rows_of(family) if (place := stated(problem, name, row))]
        published = table[table.price == name]
        used = 0
        for n in rng.permutation(len(places))[:30]:
            row, (where, worth) = places[n]
            here = published
            for column, value in where.items():
                here = here[here[column] == value]
            assert len(here) <= 1
            value = float(here.value.sum())
            dual = (value if name in DEMANDED_AT_LEAST else -value) / worth
            below, above = rows.slopes(row, carry=_carry(problem, row) if name == "appropriation" else None)
            margin = 1e-3 + 1e-3 * abs(dual)
            assert below - margin <= dual <= above + margin, (name, where, value, below * worth, above * worth)
            used += len(here)
            if len(here) and above - below < 2 * margin and abs(dual) > 2 * margin:
                sharp.add(name)
        assert used or published.empty, f"no row of {name} was drawn that has a price"
    assert {"supply", "stock", *families} <= sharp


def test_a_relaxation_has_no_prices() -> None:
    """Proves: a bound is no plan, and its duals are not published."""
    assert optimum(*whole(), relax=True).prices.empty
    assert not optimum(*whole()).prices.empty


@pytest.mark.parametrize("phase", ["prices", "social_cost"])
def test_a_stopped_run_has_no_prices(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where a limit ends the linear program with commitments fixed, or the search for the commitments themselves,
    no price is shown: duals of a program that is not solved, or of commitments that nobody proved, mislead."""
    run = Model.run

    def stop(model: Model, **options: Any) -> Any:
        done = run(model, **options)
        if options.get("phase") != phase:
            return done
        if phase == "prices":
            return UnsolvedRun(status="time_limit", bound=done.bound, seconds=done.seconds)
        return replace(done, status="time_limit", bound=done.bound - 50.0)

    monkeypatch.setattr(Model, "run", stop)
    result = optimum(*whole())
    assert bought(result, "b") == near(40 / 12)
    assert result.outcome.reason == ("optimal" if phase == "prices" else "time_limit")
    # a search stopped with a plan in hand still shows prices: only the duals' presence is asked, not why the run ended
    assert result.prices.empty


def test_a_promise_is_priced_in_the_spending_that_it_asks_for() -> None:
    """Proves: under least budget a price is spending, not social cost. A promise of 60 % of 10 kt needs 6 kt at 10 USD/kg;
    a tonne less of it spares 10,000 USD, which is the slope of the least spending in the level."""

    def promised(level: float) -> Case:
        return imported(
            10.0,
            offers={"spot": offer("a", 50.0)},
            scenarios=[cut("cut", 0.1, 2028, 1, design_basis=True)],
            loss=300.0,
            years=2,
            objective={"kind": "least_budget"},
            service_levels=[{"material": "a", "segment": "civil", "level": level, "scenarios": ["cut"]}],
        )

    result = optimum(*promised(0.6))
    assert result.outcome.stages[0][1] == near(60.0)
    more = optimum(*promised(0.6 + STEP)).outcome.stages[0][1]
    assert price(result, "service_level") == near((more - 60.0) / (10.0 * STEP) * 1000)
    assert price(result, "service_level") == near(10_000.0)
    assert set(result.prices.meaning.str.split(" avoided").str[0]) == {"discounted spending"}
    assert "supply" not in set(result.prices.price)


@pytest.mark.parametrize(("share", "worth"), [(0.0, 1.0), (1.0, 10.0)])
def test_money_is_priced_in_the_risk_that_it_takes_away(share: float, worth: float) -> None:
    """Proves: within a budget a USD is worth the risk it spares. A USD buys .1 kg: of what fails half of the time at 20 a
    kg it spares .5*20*.1 = 1 of the mean; of what fails badly at 100 a kg it spares 10 of the worst twentieth."""

    def within(musd: float) -> Case:
        return two_risks(musd, cvar_share=share, stage_slack=0.0)

    result = optimum(*within(10.0))
    slope_ = (optimum(*within(10.0 + STEP)).outcome.stages[0][1] - result.outcome.stages[0][1]) / STEP
    assert price(result, "appropriation", period="2027") == near(-slope_)
    assert price(result, "appropriation", period="2027") == near(worth)
