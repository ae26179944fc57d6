"""Offtake contracts by hand: what an option is worth to its seller, who pays it, and what arrives of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strategic_minerals import solve
from strategic_minerals.answer.notes import doubtful
from strategic_minerals.audit.audit import audit
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.optimise import optimise
from support.tiny import cut, imported, ran, source, total

STOP = cut("stop", 0.5, 2028.0, 1.0, price_multiplier=3.0)
WORTH = 0.5 * (3.0 - 1.0) * 10.0 / 3
"""USD/kg and year: half of the futures, twice the price more, one year of three."""


def case(price: str = "market", *, ally: dict[str, Any] | None = None, **more: Any) -> Any:
    """Users want 4 kt, from China at 10 USD/kg; an ally keeps all of his 4 kt in a crisis but for contracts."""
    terms = {"kappa": 0.0, "lot_t_per_yr": 1.0, "fee_usd_per_kg": 0.01, "term_yr": 3.0, "premium_share": 0.0}
    sources = {"far": source("CHN", "a", 9.0), "ally": source("AUS", "a", 4.0, **{**terms, **(ally or {})})}
    instruments = {"offtake_price": price, "contract_years": [2027], **more.pop("instruments", {})}
    return imported(
        10.0, **{"sources": sources, "demand": {"a": 4.0}, "scenarios": [STOP], "instruments": instruments, **more}
    )


@pytest.mark.parametrize(("price", "fee", "rise"), [("market", 0.01, WORTH), ("fixed", WORTH, 0.0), ("fee", 0.01, 0.0)])
def test_an_option_costs_what_it_is_worth_to_the_seller(price, fee, rise):
    """What it is expected to give up at crisis prices: users pay it, or a higher fee."""
    natural = prepare(*case(price)).natural
    j = natural.producers.index("ally")
    assert natural.contract_fee[j] * 1e3 == pytest.approx(fee)
    assert natural.contract_rise[j] * 1e3 == pytest.approx(rise)


def test_who_pays_the_option():
    """4 kt for three years: by users, or from the budget; social cost is the same but for the fee that is saved."""
    market, fixed, fee = (solve(*case(price), quick=True, gap=0.0) for price in ("market", "fixed", "fee"))
    assert all(result.audited.passed for result in (market, fixed, fee))
    spent = [result.tables["contracts"].fees_musd.sum() for result in (market, fixed)]
    assert spent == pytest.approx([0.01 * 4 * 3, WORTH * 4 * 3])
    assert total(market) - total(fee) == pytest.approx(WORTH * 4 * 3)
    assert total(market) - total(fixed) == pytest.approx(0.01 * 4 * 3)
    assert market.objective_parts["users_contracts"] == pytest.approx(WORTH * 4 * 3)


def test_an_option_that_is_worth_more_to_the_seller_is_left():
    """A loss of 5 USD/kg beyond the price in half of the futures is not worth it, for a fee alone it would be."""
    signed = [len(solve(*case(price, loss=5.0), quick=True).tables["contracts"]) for price in ("fee", "market")]
    assert signed == [1, 0]


@pytest.mark.parametrize(("kappa", "honoured"), [(0.0, 1.0), (0.0, 0.5), (0.4, 0.5), (0.4, 0.0)])
def test_what_is_not_honoured_does_not_arrive(kappa, honoured):
    """Of 4 kt reserved: what everybody gets, and of the rest the part that the seller's government lets go."""
    result = solve(*case("fee", ally={"kappa": kappa, "honoured_share": honoured}), quick=True)
    assert result.audited.passed
    arrives = 4 * (kappa + (1 - kappa) * honoured)
    assert ran(result, "ally", "stop", "2028") == pytest.approx(arrives)


def test_what_others_have_bought_is_not_sold_again():
    result = solve(*case("fee", ally={"sold_share": 0.7}), quick=True)
    assert result.audited.passed
    assert result.tables["contracts"].contract_t_per_yr.sum() == pytest.approx(1200.0)
    nothing = solve(*case("fee", ally={"sold_share": 0.7, "lot_t_per_yr": 1201.0}), quick=True)
    assert len(nothing.tables["contracts"]) == 0


@pytest.mark.parametrize("family", ["option_price", "contracts_in_force", "source_capacity"])
def test_the_audit_knows_each_rule(family):
    plan, data = case("market", ally={"honoured_share": 0.5, "sold_share": 0.25})
    loose = prepare(*case("fee"))
    solved = optimise(loose, gap=0.0, time_limit_s=60.0)
    solution = extract(loose.structure, loose.assembly, solved.x)
    ruled = prepare(plan, data)
    natural = ruled.natural
    if family == "option_price":
        natural = replace(natural, contract_rise=np.zeros_like(natural.contract_rise))
    found = {one.family: one.holds for one in audit(replace(ruled, natural=natural), solution).residuals}
    assert not found[family]


def test_an_option_cheaper_than_the_tonne_is_doubted():
    """Holding costs the discount rate, 0.5 USD/kg a year; the fee 0.01."""
    told = [any("offtake option" in text for text in doubtful(*case(price, rate=0.05))) for price in ("fee", "market")]
    assert told == [True, False]
