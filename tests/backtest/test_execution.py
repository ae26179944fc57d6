"""Execution and scores by hand: one material, a few quarters, round figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from episode import episode, write

from strategic_minerals.backtesting.acts import Answer, orders_of
from strategic_minerals.backtesting.execution import Order, Sale, Terms, execute
from strategic_minerals.backtesting.foresight import foresight
from strategic_minerals.backtesting.losses import LossFunctions
from strategic_minerals.backtesting.realised import Realised, RealisedMarket
from strategic_minerals.backtesting.rivals import rivals
from strategic_minerals.backtesting.scores import Scorer
from strategic_minerals.backtesting.settings import Settings, load_settings
from strategic_minerals.backtesting.tables import KINDS, read_tables
from strategic_minerals.backtesting.timeline import (
    days_within,
    label,
    middle_of,
    quarter_of,
    share_within,
    years_between,
)

Q = quarter_of(dt.date(2009, 1, 1))
TERMS = {"zink": Terms((40.0, 80.0, 120.0), (0.0, 0.1, 0.5), 0.1, 0.0, {"CHL": 0.75, "NOR": 0.25})}


@dataclass
class Fixed:
    """A market with the prices of a table."""

    prices: Mapping[int, float | None]
    shut: Mapping[int, float] = field(default_factory=dict)

    def price(self, material: str, quarter: int) -> float | None:
        return self.prices.get(quarter)

    def closed(self, material: str, quarter: int, terms: Terms) -> float:
        return self.shut.get(quarter, 0.0)


def test_money_buys_from_the_cheapest_step_up_and_what_is_too_much_stays() -> None:
    """Proves: a quarter's 10 t at 10 USD/kg cost 0.1; 20 t at 11 cost 0.22; of 0.5 the rest buys 12 t at 15."""
    market = Fixed(dict.fromkeys(range(Q, Q + 2), 10.0))
    first, second = execute([Order("zink", Q, musd=0.5), Order("zink", Q + 1, musd=9.0)], [], market, TERMS, [Q, Q + 1])
    assert first.bought_t == pytest.approx(10 + 20 + 0.18 / 0.015)
    assert first.spent_musd == pytest.approx(0.5)
    assert second.bought_t == pytest.approx(60)
    assert second.spent_musd == pytest.approx(0.1 + 0.22 + 0.45)
    assert second.unspent_musd == pytest.approx(9 - 0.77)
    assert second.after_t == pytest.approx(first.bought_t + 60)


def test_what_the_controlling_country_makes_cannot_be_bought() -> None:
    closed = Fixed({Q: 10.0}, {Q: 0.75})
    (entry,) = execute([Order("zink", Q, tonnes=100)], [], closed, TERMS, [Q])
    assert entry.bought_t == pytest.approx(240 / 4 * 0.25)


def test_without_a_price_or_terms_nothing_is_bought_and_the_money_is_told() -> None:
    blank = Fixed({Q: None})
    (entry,) = execute([Order("zink", Q, musd=1.0)], [], blank, TERMS, [Q])
    assert (entry.bought_t, entry.unspent_musd) == (0, 1)
    (other,) = execute([Order("brom", Q, musd=1.0)], [], Fixed({Q: 10.0}), TERMS, [Q])
    assert (other.bought_t, other.unspent_musd) == (0, 1)


def test_the_budget_cuts_the_orders_of_a_quarter_alike() -> None:
    both = {**TERMS, "brom": TERMS["zink"]}
    orders = [Order("zink", Q, musd=0.1), Order("brom", Q, musd=0.1)]
    found = execute(orders, [], Fixed({Q: 10.0}), both, [Q], budget_musd=0.1)
    assert [entry.spent_musd for entry in found] == pytest.approx([0.05, 0.05])


def test_release_comes_from_the_stock_before_the_quarter_and_sales_from_what_is_left() -> None:
    market = Fixed(dict.fromkeys(range(Q, Q + 3), 10.0))
    orders = [Order("zink", Q, tonnes=10), Order("zink", Q + 1, tonnes=10)]
    found = execute(
        orders,
        [Sale("zink", Q + 2, 8.0)],
        market,
        TERMS,
        range(Q, Q + 3),
        losses={("zink", Q): 5, ("zink", Q + 1): 4, ("zink", Q + 2): 9},
    )
    assert [entry.released_t for entry in found] == [0, 4, 9]
    assert [entry.after_t for entry in found] == pytest.approx([10, 16, 0])
    assert found[2].sold_t == pytest.approx(7)
    assert found[2].proceeds_musd == pytest.approx(7 * 10 * 0.9 / 1000)


def test_of_a_quarter_each_plan_has_its_days_and_the_first_its_whole_first_quarter() -> None:
    def said(day: str, musd: float) -> Answer:
        acts = [{"material": "zink", "quarter": label(q), "musd": musd} for q in (Q, Q + 1)]
        return Answer(dt.date.fromisoformat(day), {"purchases": acts, "sales": []})

    orders, _ = orders_of([said("2009-01-15", 1.0), said("2009-04-30", 2.0)], dt.date(2009, 6, 30))
    assert [(o.quarter, o.musd) for o in orders] == [
        (Q, 1.0),
        (Q + 1, pytest.approx(30 / 91)),
        (Q + 1, pytest.approx(2 * 61 / 91)),
    ]


def test_quarters_and_their_days() -> None:
    assert [label(q) for q in (Q, Q + 3, Q + 4)] == ["2009Q1", "2009Q4", "2010Q1"]
    assert days_within(Q, dt.date(2009, 2, 1), dt.date(2009, 5, 1)) == 59
    assert share_within(Q + 1, dt.date(2009, 1, 1), dt.date(2010, 1, 1)) == 1


# --- scores -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(write(tmp_path / "e", episode()))[0]


@pytest.fixture
def scorer(tmp_path: Path, settings: Settings) -> Scorer:
    history = Realised.of(read_tables(tmp_path / "e", tuple(KINDS)), settings)
    functions = LossFunctions(("f",), {("f", "zink"): (50_000.0, 100_000.0, 200_000.0)}, "test")
    terms = {"zink": Terms((400.0, 800.0, 1200.0), (0.0, 0.1, 0.5), 0.1, 0.02, {"CHL": 0.75, "NOR": 0.25})}
    return Scorer(history, terms, functions, 0.0, range(quarter_of(settings.freeze) + 1, quarter_of(settings.end) + 1))


def test_prices_of_quarters_are_of_their_year_the_freeze_or_the_end(scorer: Scorer) -> None:
    q = quarter_of
    history = scorer.history
    assert [history.price_ends("zink", q(dt.date(year, 7, 1))) for year in (2008, 2009, 2011, 2012)] == [
        (10, 10, 10),
        (12, 12, 12),
        (30, 30, 30),
        (20, 25, 30),
    ]
    assert history.price_ends("brom", q(dt.date(2010, 7, 1))) is None


def test_a_gap_between_known_years_has_both_ends(tmp_path: Path, settings: Settings) -> None:
    tables = episode()
    tables["score_inputs"][0]["price_y2"] = ""
    history = Realised.of(read_tables(write(tmp_path / "gap", tables), tuple(KINDS)), settings)
    assert history.price_ends("zink", quarter_of(dt.date(2010, 1, 1))) == (12, 21, 30)


def test_quotes_of_a_quarter_count_before_the_year_but_for_those_of_the_controlling_country(
    tmp_path: Path, settings: Settings
) -> None:
    tables = episode()
    for market, value in (("Europe", 40), ("Rotterdam", 60), ("Chile domestic", 5)):
        quote = {
            "material": "zink",
            "metric": "price",
            "frequency": "date",
            "period_start": "2010-02-03",
            "period_end": "2010-02-03",
        }
        tables["realised"].append({**quote, "market": market, "value": value})
    history = Realised.of(read_tables(write(tmp_path / "quotes", tables), tuple(KINDS)), settings)
    assert history.suppliers("zink") == {"CHL"}
    assert history.price_ends("zink", quarter_of(dt.date(2010, 1, 1))) == (40, 50, 60)


def test_losses_are_spread_by_days_where_no_availability_says_otherwise(scorer: Scorer) -> None:
    losses = scorer.history.losses("zink")
    assert len(losses) == 4
    assert losses[Q + 2] == pytest.approx((200 * 92 / 365, 400 * 92 / 365, 600 * 92 / 365))
    assert sum(ends[1] for ends in losses.values()) == pytest.approx(400)
    assert min(q for _, q in scorer.releasable()) == Q + 2


def test_losses_follow_the_shortfall_of_the_quarters(tmp_path: Path, settings: Settings) -> None:
    tables = episode()
    for start, end, share in (("2009-07-01", "2009-09-30", 0.7), ("2009-10-01", "2009-12-31", 0.9)):
        row = {
            "material": "zink",
            "metric": "availability share of normal (quarterly)",
            "period_start": start,
            "period_end": end,
        }
        tables["realised"].append({**row, "frequency": "quarterly", "value": share})
    history = Realised.of(read_tables(write(tmp_path / "s", tables), tuple(KINDS)), settings)
    assert {q: round(ends[1], 6) for q, ends in history.losses("zink").items()} == {Q + 2: 300.0, Q + 3: 100.0}


def test_the_control_closes_the_market_by_days(scorer: Scorer) -> None:
    market = RealisedMarket(scorer.history, "central")
    assert market.closed("zink", Q, scorer.terms["zink"]) == 0
    assert market.closed("zink", Q + 1, scorer.terms["zink"]) == pytest.approx(0.75 * 52 / 91)
    assert market.closed("zink", Q + 2, scorer.terms["zink"]) == 0.75


def test_an_account_by_hand(scorer: Scorer) -> None:
    """Proves: 100 t bought in 2009Q1 at 12 USD/kg (1.2 million). Released: 100.8 t are lost in 2009Q3, so all 100. At 100,000 USD
    a tonne that avoids 10; by the price (12 - 10 USD/kg) 0.2. Holding at 2 %: half a quarter, a quarter, half a quarter."""
    ledger = scorer.ledger([Order("zink", Q, tonnes=100)], [], "central", None)
    (account,) = scorer.accounts(ledger, "central")
    assert (account.lost_t, account.covered_t, account.left_t) == (400, pytest.approx(100), pytest.approx(0))
    assert account.spent_musd == pytest.approx(1.2)
    assert account.cost_musd == pytest.approx(1.2 + 1.2 * 0.02 / 4 * (0.5 + 1 + 0.5))
    assert account.avoided_musd == {"f": pytest.approx(10), "market_cost": pytest.approx(0.2)}
    assert account.net("f") == pytest.approx(10 - 1.2 - 0.012)


def test_what_is_left_is_marked_to_the_market_at_both_ends_of_the_price(scorer: Scorer) -> None:
    orders = [Order("zink", quarter_of(dt.date(2010, 7, 1)) + n, tonnes=150) for n in range(3)]
    (account,) = scorer.accounts(scorer.ledger(orders, [], "central", None), "central")
    assert account.left_t == pytest.approx(450)
    end = 450 * 0.9 / 1000
    assert account.market_ends == pytest.approx((20 * end, 25 * end, 30 * end))
    assert account.capped_musd == pytest.approx(25 * end)
    assert account.covered_t == 0
    assert account.net("f", 0) == pytest.approx(20 * end - account.cost_musd)


def test_no_more_than_a_years_depth_counts_where_the_market_is_thin(scorer: Scorer) -> None:
    shallow = {"zink": Terms((40.0,), (0.0,), 0.1, 0.0, {"CHL": 0.0})}
    thin = Scorer(scorer.history, shallow, scorer.functions, 0.0, scorer.quarters)
    orders = [Order("zink", quarter_of(dt.date(2010, 1, 1)) + n, tonnes=10) for n in range(6)]
    ledger = thin.ledger(orders, [], "low", None)
    (account,) = thin.accounts(ledger, "low")
    assert account.left_t > 40
    assert account.capped_musd == pytest.approx(40 * 25 * 0.9 / 1000)
    (days,) = thin.other_days(ledger, "low")
    assert days["peak_musd"] == pytest.approx(10 * 40 * 0.9 / 1000)


def test_purchases_are_carried_to_the_end_at_the_rate(scorer: Scorer, settings: Settings) -> None:
    dear = Scorer(scorer.history, scorer.terms, scorer.functions, 0.1, scorer.quarters)
    ledger = dear.ledger([Order("zink", Q, tonnes=10)], [], "central", None)
    (account,) = dear.accounts(ledger, "central")
    years = years_between(middle_of(Q), settings.end)
    assert account.cost_musd == pytest.approx(0.12 * 1.1**years, rel=0.02)


def test_nothing_scores_nothing_and_foresight_beats_all(scorer: Scorer, settings: Settings) -> None:
    """Proves: under every function no rival at the budget does better than the upper bound, and doing nothing is worth 0."""
    budget = 3.0
    buying = range(quarter_of(settings.freeze) + 1, quarter_of(settings.freeze) + 13)
    for function in scorer.names:
        best = foresight(scorer, function, ["zink"], list(buying), budget, "central")
        assert best.spent_musd <= budget + 1e-9
        assert best.net_musd > 0
        for rival in rivals(settings, budget, {"zink": (1000.0, 10.0)}, scorer.terms, []):
            if rival.scaled:
                accounts = scorer.accounts(scorer.ledger(rival.orders, rival.sales, "central", budget), "central")
                net = sum(account.net(function) for account in accounts)
                assert net <= best.net_musd + 1e-9
                assert rival.name != "nothing" or net == 0


def test_a_function_without_a_value_is_a_gap_and_counts_for_nothing(scorer: Scorer) -> None:
    blank = Scorer(scorer.history, scorer.terms, LossFunctions(("g",), {}, ""), 0.0, scorer.quarters)
    (account,) = blank.accounts(blank.ledger([Order("zink", Q, tonnes=10)], [], "central", None), "central")
    assert account.covered_t > 0
    assert account.avoided_musd["g"] is None
    assert account.net("g") == pytest.approx(account.market_musd - account.cost_musd)


def test_rivals_ask_for_what_their_names_say(settings: Settings) -> None:
    use, money = {"zink": (3650.0, 10.0), "brom": (3650.0, 30.0)}, 12.0
    terms = {name: Terms((1e6,), (0.0,), 0.0, 0.0, {}) for name in use}
    found = {rival.name: rival for rival in rivals(settings, money, use, terms, [])}
    asked = {name: sum(o.tonnes or 0 for o in rival.orders if o.material == "zink") for name, rival in found.items()}
    assert asked["60 days of cover, unscaled"] == pytest.approx(600)
    assert asked["60 days of cover"] == pytest.approx(600 * 12 / 24)
    spent = {name: {m: sum(o.musd or 0 for o in r.orders if o.material == m) for m in use} for name, r in found.items()}
    assert spent["equal money"] == {"zink": pytest.approx(6), "brom": pytest.approx(6)}
    assert spent["money by value of use"] == {"zink": pytest.approx(3), "brom": pytest.approx(9)}
    assert len({o.quarter for o in found["equal money"].orders}) == 12
    assert len({o.quarter for o in found["60 days of cover"].orders}) == 4


def test_history_buys_ceilings_by_fiscal_year_orders_on_their_day_and_sells_what_it_held(
    tmp_path: Path, settings: Settings, scorer: Scorer
) -> None:
    tables = episode()
    tables["policy"] = [
        {"record": "amp", "material": "zink", "date": "2008-10-01", "quantity": 40},
        {"record": "amp", "material": "zink", "date": "2009-10-01"},
        {"record": "funded order", "material": "zink", "date": "2010-05-05", "usd_million": 0.2},
        {"record": "sale", "material": "zink", "date": "2009-02-02", "quantity": 10},
    ]
    policy = read_tables(write(tmp_path / "p", tables), ("policy",))["policy"].rows
    found = {rival.name: rival for rival in rivals(settings, 1.0, {}, {}, policy)}
    ceilings = found["history: ceilings"]
    assert [(label(o.quarter), o.tonnes) for o in ceilings.orders] == [
        (f"{y}Q{n}", 10) for y, n in ((2008, 4), (2009, 1), (2009, 2), (2009, 3))
    ]
    assert "1 ceilings are gaps" in ceilings.note
    (order,) = found["history: funded orders"].orders
    assert (label(order.quarter), order.musd) == ("2010Q2", 0.2)
    (account,) = scorer.accounts([], "central", found["history: no purchases"].older_sales)
    assert account.sales_musd == pytest.approx(10 * 12 * 0.9 / 1000)
    assert account.market_musd == pytest.approx(-10 * 25 * 0.9 / 1000)


def test_a_material_without_score_inputs_is_not_scored_and_its_money_stays(scorer: Scorer) -> None:
    terms = {**scorer.terms, "jod": scorer.terms["zink"]}
    other = Scorer(scorer.history, terms, scorer.functions, 0.0, scorer.quarters)
    ledger = other.ledger([Order("jod", Q, musd=1.0)], [], "central", None)
    (account,) = other.accounts(ledger, "central")
    assert (account.bought_t, account.unspent_musd, account.lost_t) == (0, 1, None)


def test_an_annual_series_of_the_home_country_stands_in_for_a_missing_year(tmp_path: Path, settings: Settings) -> None:
    tables = episode()
    tables["score_inputs"][0]["price_y2"] = ""
    row = {"material": "zink", "metric": "price", "market": "JPN", "frequency": "annual", "value": 17}
    tables["realised"].append({**row, "period_start": "2010-01-01", "period_end": "2010-12-31"})
    history = Realised.of(read_tables(write(tmp_path / "series", tables), tuple(KINDS)), settings)
    assert history.price_ends("zink", quarter_of(dt.date(2010, 4, 1))) == (17, 17, 17)
