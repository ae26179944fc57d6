"""What a plan does to the prices that home users pay abroad: closed forms of one market, and what must not count twice."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import UntrustedError, solve, verify
from strategic_minerals.audit.channel import Trade, saved_abroad
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.model import values
from support.tiny import cut, imported, offer, project, source, tiny

PHI, TRADE = 2.0, 100.0
RESPONSES = {"a": (TRADE, 0.3, 0.2)}
NEAR = 0.011
"""The model takes the curve in pieces."""


def market(stored: float = 0.0, *, chance: float = 0.5, price: float = 3.0, share: float = 1.0, **changes: Any) -> Any:
    """Users want 4 kt a year at 10 USD/kg; an ally has plenty. In an event China is cut and the price rises, but nothing lacks."""
    given: dict[str, Any] = {
        "sources": {"far": source("CHN", "a", 4.0), "ally": source("AUS", "a", 10.0)},
        "demand": {"a": 4.0},
        "offers": {"spot": offer("a", stored)} if stored else {},
        "scenarios": [cut("stop", chance, 2028, 1, share=share, price_multiplier=price)],
        "materials": {"a": {"haircut_share": 0.0}},
        "responses": RESPONSES,
        "price_channel": True,
        "years": 2,
        "money": {2027: 1e5, 2028: 0.0},
    }
    return tiny({"a": 10.0}, **{**given, **changes})


def worth(case: Any) -> float:
    result = solve(*case, gap=0.0, quick=True)
    return -float(result.outcome.objective_musd)


def bill(result: Any) -> float:
    return float(result.tables["value"].bill_saved_musd.sum())


def exact(z: float, price: float, bought: float = 4.0) -> float:
    return PHI * price / TRADE * z * (bought - z)


def test_a_release_that_displaces_imports_makes_the_rest_cheaper() -> None:
    """1 kt bought at 10 raises the price for 4 + 1; released at a price of 80 it lowers it for 3."""
    result = solve(*market(1.0, price=8.0), gap=0.0, quick=True)
    bought = -exact(-1.0, 10.0)
    assert bill(result) == pytest.approx(0.5 * exact(1.0, 80.0) - bought, rel=NEAR)
    assert -float(result.outcome.objective_musd) == pytest.approx(bill(result), abs=1e-6)


def test_without_a_response_nothing_changes_in_a_bit() -> None:
    """Trap 57: without rows, and with a response of nobody's material, every bit is that of a plan that moves no price."""
    off = solve(*market(1.0, price_channel=False, responses={}), gap=0.0, quick=True)
    for responses in ({}, RESPONSES):
        other = solve(*market(1.0, price_channel=not responses, responses=responses), gap=0.0, quick=True)
        assert other.outcome.objective_musd == off.outcome.objective_musd
        assert all(
            np.array_equal(getattr(other.solution, name), getattr(off.solution, name)) for name in ("stock", "output")
        )


def test_a_tonne_that_fills_a_shortage_moves_no_price() -> None:
    """Trap 57: all supply stops; 1 kt from store spares its loss and nothing else, for what buying it has cost."""
    alone = {"sources": {"far": source("CHN", "a", 4.0)}, "loss": 100.0}
    result = solve(*market(1.0, **alone), gap=0.0, quick=True)
    off = worth(market(1.0, **alone, price_channel=False))
    assert -float(result.outcome.objective_musd) == pytest.approx(off + exact(-1.0, 10.0), rel=NEAR)
    assert bill(result) == pytest.approx(exact(-1.0, 10.0), rel=NEAR)


def test_nobody_gains_by_displacing_all_imports() -> None:
    """Trap 57: M = z. Nothing is bought abroad any more, so nothing is saved: half as much is worth most."""
    result = solve(*market(4.0, price=50.0), gap=0.0, quick=True)
    released = float(result.solution.release[1].sum())
    assert 1.0 < released / 1e3 < 2.1


def test_no_price_falls_below_that_before() -> None:
    """Trap 57: the price is 1 % higher, so no more is saved on what is still bought, though 1 kt would move it by half."""
    small = {"responses": {"a": (4.0, 0.3, 0.2)}, "scenarios": [cut("stop", 1.0, 2028, 1, price_multiplier=1.01)]}
    result = solve(*market(0.0, **small, **HOME), gap=0.0, quick=True)
    assert 0.1 * 3.0 <= bill(result) <= 0.1 * 4.0


HOME = {
    "projects": {"plant": project("a", 1.0, capex_musd=0.01, cash_usd_per_kg=10.0)},
    "packages": {"support": {"instrument": "grant"}},
    "residual": 0.0,
}
"""A plant at home, 1 kt a year from 2028 on, which somebody has to pay 0.01 million USD for."""


def test_a_plant_at_home_makes_imports_cheaper_in_peace() -> None:
    """Whatever happens: users pay less for 3 kt at 10 in two years."""
    quiet = {"scenarios": [], "years": 3}
    off = worth(market(0.0, **HOME, **quiet, price_channel=False))
    on = solve(*market(0.0, **HOME, **quiet), gap=0.0, quick=True)
    assert off == pytest.approx(0.0)
    assert bill(on) == pytest.approx(2 * exact(1.0, 10.0), rel=NEAR)
    assert -float(on.outcome.objective_musd) == pytest.approx(bill(on) - 0.01, abs=1e-6)


def test_own_buying_takes_the_place_of_a_premium() -> None:
    plan, data = market(1.0, offers={"spot": offer("a", 1.0, 0.3)})
    assert prepare(plan, data).natural.offer_premium.tolist() == [0.0]
    assert prepare(plan.model_copy(update={"price_channel": False}), data).natural.offer_premium.tolist() == [0.3]
    dear = source("AUS", "a", 10.0, premium_share=0.1)
    plan, data = market(1.0, offers={"own": offer("a", 1.0, 0.3, "dear")}, sources={"dear": dear})
    assert prepare(plan, data).natural.offer_premium.tolist() == [0.1], "what the seller asks of everybody stays"


def charged(z: float, *, supply: float, demand: float, trade: float, bought: float) -> float:
    """What the audit charges for z tonnes left in the market at a price of 1."""
    one = np.ones((1, 1, 1))
    slope = one / (supply + demand) / trade
    none = np.inf * one
    plan = Trade((0,), one * (bought - z), 0 * one, one * (bought - z), one * z, slope, 0 * one, none)
    nothing = Trade((0,), one * bought, 0 * one, one * bought, 0 * one, slope, 0 * one, none)
    return float(saved_abroad(plan, nothing)[0, 0, 0])


@pytest.mark.parametrize("depth", [1.0, 7.0, 100.0])
def test_a_small_part_of_a_large_offer_costs_what_it_costs_of_a_small_one(depth: float) -> None:
    """Proves: 1 kt of store is filled, whether 1 kt is for sale or a hundred: it raises the price for 4 + 1 (a third dearer
    where 100 were for sale, before)."""
    case = market(depth, price=8.0, materials={"a": {"haircut_share": 0.0, "storage_t": 1000.0}})
    result = solve(*case, gap=0.0, quick=True)
    assert result.solution.acquisition[0].sum() == pytest.approx(1000.0)
    assert bill(result) == pytest.approx(0.5 * exact(1.0, 80.0) + exact(-1.0, 10.0), rel=0.05)


@pytest.mark.parametrize("z", [0.1, 1.0, 5.0, -1.0, -5.0])
def test_one_linear_market(z: float) -> None:
    """A straight world supply less a straight demand of others leaves home what it buys; both turn by the same price."""
    trade, supply, demand, bought = 100.0, 0.3, 0.2, 20.0
    fall = z / (supply * trade + demand * trade)
    exact_gain = fall * (bought - z)
    assert charged(z, supply=supply, demand=demand, trade=trade, bought=bought) == pytest.approx(exact_gain, rel=0.01)


def test_bill_loss_and_crisis_price_never_count_a_tonne_twice() -> None:
    """2 kt are released where one is missing: loss of the one, the bill of the other, and nothing for the price that it left at."""
    short = {
        "sources": {"far": source("CHN", "a", 4.0), "ally": source("AUS", "a", 3.0)},
        "offers": {"spot": offer("a", 2.0)},
    }
    result = solve(*market(2.0, price=20.0, loss=50.0, **short), gap=0.0, quick=True)
    value = result.tables["value"][["shortage_avoided_musd", "bill_saved_musd", "users_musd", "authority_musd"]].sum()
    assert value.shortage_avoided_musd == pytest.approx(0.5 * (50.0 + 10.0))
    assert value.bill_saved_musd == pytest.approx(0.5 * exact(1.0, 200.0, bought=3.0) + exact(-2.0, 10.0), rel=2 * NEAR)
    assert value.users_musd + value.authority_musd == pytest.approx(-0.5 * 10.0)
    assert value.sum() == pytest.approx(-float(result.outcome.objective_musd))


def test_the_audit_sees_a_model_that_takes_other_prices_abroad(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: the audit reckons with prices abroad, and with what the plan does to them, by its own code."""
    original = values.prices_abroad
    monkeypatch.setattr(
        values, "prices_abroad", lambda structure, i: (1.1 * original(structure, i)[0], original(structure, i)[1])
    )
    with pytest.raises(UntrustedError, match="audit"):
        solve(*market(1.0, price=8.0), gap=0.0, quick=True)


def test_inputs_from_abroad_of_what_the_reserve_buys_at_home_count() -> None:
    """Proves: 1 kt of metal made at home for the reserve takes 1 kt of ore abroad, of which 4 kt are bought anyway."""
    sources = {"mine": source("AUS", "ore", 9.0), "plant": source("USA", {"metal": 1.0, "ore": -1.0}, 9.0)}
    plan, data = tiny(
        {"ore": 10.0, "metal": 20.0},
        sources=sources,
        demand={"metal": 4.0},
        offers={"lot": offer("metal", 1.0, source="plant")},
        scenarios=[cut("stop", 0.5, 2028, 1, countries="AUS", materials="ore")],
        responses={"ore": (TRADE, 0.3, 0.2)},
        price_channel=True,
        money={2027: 1e5, 2028: 0.0},
        years=2,
    )
    result = solve(plan, data, gap=0.0, quick=True)
    assert float(result.solution.stock[0].max()) == pytest.approx(1000.0)
    assert bill(result) == pytest.approx(exact(-1.0, 10.0), rel=0.08)


def test_nobody_goes_short_to_lower_a_price() -> None:
    """Proves: 1 kt lacks, 3 are bought at 40 times the price. What is released fills the gap, though it would save more there."""
    sources = {"far": source("CHN", "a", 4.0), "ally": source("AUS", "a", 3.0)}
    dear = {"price": 40.0, "loss": 30.0, "responses": {"a": (20.0, 0.3, 0.2)}, "sources": sources}
    result = solve(*market(1.0, **dear), gap=0.0, quick=True)
    assert PHI * 400.0 / 20.0 * 3.0 > 30.0
    assert float(result.solution.stock[0].max()) == pytest.approx(1000.0)
    assert float(result.solution.shortfall[1].sum()) == pytest.approx(0.0, abs=1e-3)


def test_law_keeps_releases_from_lowering_a_price() -> None:
    """Proves: where the law of the home forbids sales for a price, a release that displaces imports moves none in the plan."""
    plan, data = market(1.0, price=8.0)
    home = {"home": "USA", "name": "A", "members": "USA", "currency": "USD", "fiscal_year_month": 10, "law": "an act"}
    lawful = data.replace(homes=pd.DataFrame([{**home, "sales_above_price": "forbidden"}]))
    assert worth((plan, data)) > 0.1
    assert worth((plan, lawful)) == pytest.approx(0.0, abs=1e-6)


def test_a_project_that_is_built_anyway_is_no_part_of_the_plan() -> None:
    """Proves: a plant that its owner builds without support lowers prices in any case: a plan without acts is worth nothing."""
    home = {"projects": {"plant": project("a", 1.0, premium_share=0.1)}, "scenarios": []}
    assert worth(market(0.0, **home, years=3)) == pytest.approx(0.0, abs=1e-6)


def test_a_run_with_a_substitute_cheaper_than_its_material_verifies(tmp_path: Path) -> None:
    """Proves: the channel has fewer coefficients where nobody loses anything; the folder counts them as the check does."""
    plan, data = imported(
        10.0,
        10.0,
        offers={"spot": offer("a", 1.0, 0.1)},
        scenarios=[cut("stop", 0.3, 2028.0, 1.0, price_multiplier=3.0)],
        steps=[("a", "civil", 0.1, 5.0)],
        responses={"a": (20.0, 0.5, 0.1)},
        price_channel=True,
    )
    solve(plan, data, gap=0.0, quick=True).save(tmp_path / "run")
    assert verify(tmp_path / "run").facts["objections"] == ()


def test_an_offer_of_a_plant_that_nobody_signs_moves_prices_as_the_audit_has_them() -> None:
    """Proves: what a plant sells in the offers' tables counts among what may be taken, though its support costs more than the money
    that there is; the model and the audit take the same curve."""
    plan, data = imported(
        10.0,
        10.0,
        sources={"far": source("CHN", "a", 20.0)},
        projects={"p": project("a", 2.0, capex_musd=500.0, additional=True, country="AUS")},
        offers={"spot": offer("a", 3.0), "from-p": offer("a", 2.0, source="p")},
        responses={"a": (TRADE, 0.3, 0.1)},
        scenarios=[cut("stop", 0.3, 2028, 1, share=0.7)],
        price_channel=True,
        money=100.0,
    )
    assert solve(plan, data, gap=0.0, quick=True).solution.stock[0].max() > 0
