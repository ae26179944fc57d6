"""Signed agreements replayed: the figures of one plant worked out by hand (`tests/finance/test_owners.py`), owners with several
plants, what is left out, and the verb."""

from typing import Any

import pandas as pd
import pytest

from strategic_minerals import InputError, Plan, deals, load_plan, shipped
from strategic_minerals.question.read_csv import shipped_tables
from support.tiny import KT, cut, project, source, tiny

CARRIED = 37.5 / 1.075
SAVED = 18 - (50 - CARRIED) - 2.5
"""What the floor of 75 costs less than a grant of 18, at a premium of 9 %."""
BREAK_EVEN = (1.125 - 37.5 / 34.5) * 45 / 25
"""Premium at which 50 - 37.5/(1 + h) + 2.5 = 18, where h = 0.125 - premium x 25/45."""


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


SAME_MONEY = pd.DataFrame([{"money_year": 2026, "price_index": 100.0}, {"money_year": 2027, "price_index": 100.0}])


def agreed(terms: dict[str, float], producers: dict[str, str | None], **more: Any) -> dict[str, pd.DataFrame]:
    """Tables of one agreement: its terms, and its producers with the material of the floor that each gets."""
    units = {"loan": "million USD", "grant": "million USD"}
    row = {"agreement": "deal", "signed_year": 2027, "price_set": "base", **more}
    signed = [{"agreement": "deal", "term": k, "value": v, "unit": units.get(k, "as signed")} for k, v in terms.items()]
    built = [{**row, "producer": name, "floor_material": material} for name, material in producers.items()]
    return {"support_agreements": pd.DataFrame(signed), "supported_producers": pd.DataFrame(built)}


def case(premium: float = 0.09, charge: float = 0.0, **agreement: Any) -> tuple[Plan, Any]:
    """The plant of `tests/finance/test_owners.py`, committed by now, with an agreement on a floor of 75 for a year."""
    built = agreement.pop("committed", True)
    plant = {"cash_usd_per_kg": 60.0, "capex_musd": 50.0, "life_yr": 1.0, "hurdle_rate": 0.25, "committed": built}
    plan, data = tiny(
        {"x": 100.0},
        sources={"imp": source("CHN", "x", 10.0), "old": source("USA", "x", 2.0, cash_usd_per_kg=60.0)},
        demand={"x": 13.0},
        loss=900.0,
        projects={"p": project("x", 1.0, **plant)},
        packages={"aid": {"instrument": "grant"}},
        scenarios=[cut("dip", 0.1, 2028.0, 1.0, share=0.0, price_multiplier=0.5)],
        years=3,
        owners={"price_risk_premium": premium, "risk_charge": charge},
    )
    terms = agreement.pop("terms", {"floor_price": 75.0, "duration": 1.0, "fair_value_at_signing": 2.0})
    producers = agreement.pop("producers", {"p": "x"})
    return plan, data.replace(**agreed(terms, producers, **agreement), deflators=SAME_MONEY)


def the_floor(plan: Plan, data: Any) -> dict[str, Any]:
    found = deals(plan, data)
    assert len(found.tables["floors"]) == 1, found.facts["left_out"]
    return dict(found.tables["floors"].iloc[0])


def test_the_figures_of_an_agreement_are_those_worked_out_by_hand() -> None:
    row = the_floor(*case())
    rates = (row["hurdle_rate"], row["hurdle_rate_expected"], row["hurdle_rate_with_floor"])
    assert rates == (0.25, close(0.125), close(0.075))
    before = the_floor(*case(committed=False))["capex_musd"]
    assert row["capex_musd"] == before == 50.0, "what is committed by now was not when it was signed"
    assert (row["gap_without_musd"], row["gap_with_musd"]) == (close(18.0), close(50 - CARRIED))
    assert (row["expected_cost_musd"], row["liability_musd"]) == (close(2.5), 0.0)
    assert row["downside_moved_musd"] == close(2.5 / 1.125)
    assert row["advantage_musd"] == close(SAVED)
    assert bool(row["cheapest"])
    switch = SAVED / (2.5 / 1.125)  # USD of charge for each USD of downside moved
    assert bool(the_floor(*case(charge=switch - 0.01))["cheapest"])
    assert not the_floor(*case(charge=switch + 0.01))["cheapest"]
    assert row["signed_fair_value_musd"] == 2.0
    # a plan that looks at the baseline course is replayed in expectation all the same
    plan, data = case()
    told = {**plan.to_toml_like(), "owners": {"price_risk_premium": 0.09, "expectation": "scenarios"}}
    assert the_floor(Plan.model_validate(told), data)["gap_with_musd"] == close(50 - CARRIED)


@pytest.mark.parametrize("premium", [0.05, 0.12])
def test_the_floor_pays_from_the_break_even_premium_on(premium: float) -> None:
    assert bool(the_floor(*case(premium))["cheapest"]) == (premium > BREAK_EVEN)


def test_the_plants_of_one_owner_add_up_and_a_floor_may_be_on_existing_output() -> None:
    """Proves: an existing plant that earns 2 x 40 a year pays for the new one: no gap is left for a floor to close. A floor on 1.5
    of its 2 kt for two years runs from the first day: one of them is the dip, in which 25 are paid on what is covered."""
    row = the_floor(*case(producers={"p": "x", "old": None}))
    assert (row["gap_without_musd"], row["producers"], bool(row["cheapest"])) == (0.0, "p old", False)
    terms = {"floor_price": 75.0, "duration": 2.0, "firm_quantity": 1.5 * KT}
    row = the_floor(*case(terms=terms, producers={"old": "x"}))
    assert (row["expected_cost_musd"], row["firm_t_per_yr"]) == (close(0.1 * 25 * 1.5), 1.5 * KT)
    assert row["hurdle_rate"] == 0.25, "that of who would build such a plant"


def test_capital_and_money_of_the_day_of_signature_are_restated() -> None:
    found = deals(*case(terms={"grant": 9.0, "chips_grant": 3.0, "equity_stake": 0.1}))
    assert len(found.tables["floors"]) == 0
    row = found.tables["rates"].iloc[0]
    assert (row.capex_musd, row.signed_musd) == (50.0, 9.0), "in million USD alone"
    plan, data = case(terms={"floor_price": 75.0, "duration": 1.0, "fair_value_at_signing": 2.0, "grant": 9.0})
    index = pd.DataFrame([{"money_year": 2026, "price_index": 100.0}, {"money_year": 2027, "price_index": 125.0}])
    found = deals(plan, data.replace(deflators=index))
    floor = found.tables["floors"].iloc[0]
    assert (floor.floor_usd_per_kg, floor.signed_fair_value_musd) == (close(75.0 * 0.8), close(1.6))
    assert found.tables["rates"].iloc[0].signed_musd == close(7.2)


@pytest.mark.parametrize(("grant", "committed", "rate", "fits"), [(20.0, True, 0.25, True), (25.0, False, 0.5, False)])
def test_the_rate_at_which_an_agreement_would_just_have_been_signed(grant, committed, rate, fits) -> None:
    """Proves: a plant for 50 million that is expected to earn 0.9 x 40 + 0.1 x 15 a year later, with its floor of 75, pays 25 %
    on a grant of 20 and 50 % on one of 25. Who builds asks for no more than 25 %, who has not decided for more than 50 %."""
    terms = {"floor_price": 75.0, "duration": 1.0, "grant": grant}
    found = deals(*case(terms=terms, committed=committed))
    row = found.tables["rates"].iloc[0]
    assert row.implied_rate == pytest.approx(rate, abs=1e-3)
    assert (bool(row.decided), row.hurdle_rate, row.fits) == (committed, 0.25, "yes" if fits else "no")
    assert ("cannot both be right" in found.summary()) is not fits


def test_what_cannot_be_replayed_is_left_out_with_the_reason() -> None:
    for change, why in (
        ({"producers": {"nobody": "x"}}, "nobody is not in the plan"),
        ({"price_set": "other"}, "no price set other"),
        ({"producers": {"p": "y"}}, "makes no y"),
        ({"terms": {"offtake_share": 1.0}}, "it has no price floor, and no capital"),
        ({"signed_year": 2019}, "deflators.csv has no row of 2019"),
    ):
        found = deals(*case(**change))
        assert found.tables["floors"].empty
        assert why in found.facts["left_out"][0]
        assert found.facts["left_out"][0] in found.summary()
    plan, data = case()
    with pytest.raises(InputError, match="supported_producers"):
        deals(plan, data.replace(supported_producers=pd.DataFrame()))


def test_the_shipped_agreements_are_replayed() -> None:
    data = shipped_tables()
    found = deals(load_plan(shipped("models") / "rare-earths.toml", {"owners.sample": 64}), data)
    assert list(found.tables["floors"].agreement) == ["mp_dow_2025", "lynas_jare_2026"]
    signed = "mp_dow_2025 arafura_efa_naif iluka_eneabba_loan vulcan_osc".split()
    assert list(found.tables["rates"].agreement) == signed
    mp, lynas = found.tables["floors"].to_dict("records")
    assert (mp["term_yr"], mp["upside_share"], lynas["term_yr"], lynas["firm_t_per_yr"]) == (10.0, 0.3, 12.0, 5000.0)
    assert mp["price_usd_per_kg"] < mp["floor_usd_per_kg"] < 110.0, "110 USD of 2025 in money of 2024"
    assert "thacker_pass" in found.summary()
