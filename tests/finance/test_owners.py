"""What a floor is worth to an owner: expectations over a fixed sample, price risk in the hurdle rate, risk moved to the government.

One plant, one year of output, two courses: the year is quiet (0.9), or its price falls to a half (0.1) and the plant is shut unless
a floor carries it. Worked out by hand, million USD at signing:

    quiet NPV at h0 = 0.25            40/1.25 - 50 = -18            so a grant alone costs 18
    expected flows                    0.9 x 40 = 36, 36/(1+h_e) = 32  ->  h_e = 0.125
    with a floor F in [60, 95]        flows 36 + 0.1(F-60);  on that output without it 40 or -10, m0 = 35
    downside                          d_0 = 0.1 x 45,  d_l = 0.1(95-F),  1 - d_l/d_0 = (F-50)/45
    at a premium of 0.09              h(l) = 0.125 - 0.002(F-50)
    grant and floor together cost     50 - (30+0.1F)/(1.225-0.002F) + 0.1(F-50) = 18  at  F^2 + 157.5F - 15375 = 0"""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategic_minerals import Plan, UntrustedError, verify
from strategic_minerals.core.frames import equal
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.studies.recourse import FirstStage, evaluate_recourse
from strategic_minerals.world import owners as owner_expectation
from strategic_minerals.world import owners as owner_value
from strategic_minerals.world import packages
from strategic_minerals.world.packages import Option
from strategic_minerals.world.scenarios import pricing_sample
from support.instances import random_case
from support.tiny import best, close, cut, floored, imported, project

BREAK_EVEN = (-157.5 + math.sqrt(157.5**2 + 4 * 15375)) / 2
PREMIUM = 0.09
EXPECTED: dict[str, Any] = {"expectation": "scenarios"}
CARRIED = 37.5 / 1.075
"""Worth of the flows under a floor of 75 at its rate."""


def one_plant(floor: float = 75.0, owners: dict[str, Any] | None = None, **plan: Any) -> Any:
    """Users want 11 kt, imports bring 10; where the price falls users want 10 as well, so only the quiet course needs the plant."""
    dip = cut("dip", plan.pop("chance", 0.1), 2028.0, 1.0, share=0.0, price_multiplier=plan.pop("fall", 0.5))
    dip["events"][0]["demand_multipliers"] = {"civil": 10 / 11}
    own = floored("a", floor, 1.0)
    return imported(
        100.0,
        demand={"a": 11.0},
        loss=900.0,
        projects={
            "p": project(
                "a", 1.0, cash_usd_per_kg=60.0, capex_musd=plan.pop("capex", 50.0), life_yr=1.0, hurdle_rate=0.25
            )
        },
        packages={"aid": {"instrument": "grant"}, "both": {"instrument": "grant", **own}, **plan.pop("more", {})},
        scenarios=plan.pop("scenarios", [dip]),
        instruments={"signing_years": [2027], "reserve": False, "packages": plan.pop("chosen", ["*"])},
        owners={**EXPECTED, "price_risk_premium": PREMIUM, **(owners or {})},
        years=3,
        **plan,
    )


def options(case: Any) -> dict[str, Option]:
    """The plant's options by package."""
    return {option.package.name: option for option in prepare(*case).structure.support.options}


def chosen(case: Any) -> str:
    """The package that the best plan signs."""
    table = best(case).tables["projects"]
    return str(table[table.share > 0.5].package.iloc[0])


def test_the_rates_values_and_downsides_are_those_worked_out_by_hand() -> None:
    found = options(one_plant(owners={"risk_charge": 0.5}))
    aid, both = found["aid"], found["both"]
    assert (aid.hurdle, aid.expected_hurdle, aid.gap, aid.risk_charge) == (close(0.125), close(0.125), close(18.0), 0.0)
    assert (both.hurdle, both.expected_hurdle) == (close(0.075), close(0.125))
    assert (both.npv, both.gap) == (close(CARRIED - 50), close(50 - CARRIED))
    assert both.risk_charge == close(0.5 * (4.5 - 2.0) / 1.125)
    assert both.floor.expected == close(2.5)


@pytest.mark.parametrize(("beside", "signed"), [(-0.1, "aid"), (0.1, "both")])
def test_a_floor_is_the_cheapest_way_from_its_break_even_on(beside: float, signed: str) -> None:
    assert chosen(one_plant(BREAK_EVEN + beside)) == signed


@pytest.mark.parametrize(("beside", "signed"), [(-0.002, "both"), (0.002, "aid")])
def test_a_charge_for_the_risk_moved_takes_the_advantage_away(beside: float, signed: str) -> None:
    """Proves: the floor saves 18 - (50 - 37.5/1.075) - 2.5, and moves a downside of 2.5/1.125."""
    switch = (18 - (50 - CARRIED) - 2.5) / (2.5 / 1.125)
    assert chosen(one_plant(owners={"risk_charge": switch + beside})) == signed


def test_the_charge_stands_in_the_cost_of_the_plan_and_the_government_bears_it() -> None:
    case = one_plant(85.0, {"risk_charge": 0.1})
    result = best(case)
    assert chosen(case) == "both"
    assert result.objective_parts["risk_transfer"] == close(0.1 * (4.5 - 1.0) / 1.125)


def test_without_a_premium_the_floor_of_the_example_is_the_dearer_way() -> None:
    """Proves: 50 - 37.5/1.125 + 2.5 = 19.17 against 18."""
    assert options(one_plant(owners={"price_risk_premium": 0.0}))["both"].gap == close(50 - 37.5 / 1.125)
    assert chosen(one_plant(owners={"price_risk_premium": 0.0})) == "aid"


def test_a_rate_never_falls_below_zero() -> None:
    assert options(one_plant(95.0, {"price_risk_premium": 0.5}))["both"].hurdle == 0.0


@pytest.mark.parametrize(("chance", "rate"), [(0.0, 0.25), (0.1, 0.125), (0.2, 0.0), (0.5, 0.0)])
def test_the_expected_rate_lies_between_zero_and_the_quiet_one(chance: float, rate: float) -> None:
    """Proves: 40(1-q)/(1+h_e) = 32, and where no rate from 0 on does it, h_e is 0."""
    assert options(one_plant(chance=chance))["aid"].expected_hurdle == pytest.approx(rate, abs=1e-12)


def test_what_is_signed_without_support_is_worth_what_it_was_on_the_quiet_course() -> None:
    """Trap 39, the calibration: at the hazards of the table the gap without a floor is that of the baseline course, wherever a rate
    between 0 and the row's makes it so; never a larger one at the row's own."""
    found = []
    for seed in (1, 3, 7, 11):
        plan, data = random_case(seed, flood=True)
        before = list(bare(prepare(plan, data).structure.support.options))
        after = list(bare(prepare(with_owners(plan, EXPECTED), data).structure.support.options))
        assert before
        assert len(before) == len(after)
        for a, b in zip(before, after, strict=True):
            found.append(b.expected_hurdle < a.hurdle)
            if 0 < b.expected_hurdle < a.hurdle:
                assert b.gap == pytest.approx(a.gap, rel=1e-12, abs=1e-10)
            elif b.expected_hurdle == a.hurdle:
                assert b.gap <= a.gap + 1e-10
    assert any(found)


def bare(found: Any) -> list[Option]:
    """Options with neither floor nor fee."""
    return [o for o in found if o.package.floor is None and not o.market and o.package.offtake == 0]


def with_owners(plan: Plan, owners: dict[str, Any], **more: Any) -> Plan:
    return Plan.model_validate({**plan.to_toml_like(), "owners": owners, **more})


@pytest.mark.long
@pytest.mark.parametrize("owners", [{}, {"sample": 7, "seed": 3}, {**EXPECTED, "sample": 7}])
def test_neutral_values_give_the_gaps_of_the_baseline_course(owners: dict[str, Any]) -> None:
    """Trap 39: no premium, and no event that could shut a plant: the same to 1e-12; on the baseline course to the last digit."""
    for seed in range(6):
        plan, data = random_case(seed, sample=False, flood=False)
        plan = plan.model_copy(update={"scenarios": ()}) if owners.get("expectation") else plan
        plan = plan.model_copy(update={"service_levels": (), "controls": ()})
        then = prepare(plan, data).structure.support.options
        now = prepare(with_owners(plan, owners), data).structure.support.options
        fee_free = [(a, b) for a, b in zip(then, now, strict=True) if a.package.offtake == 0 or not owners]
        assert fee_free
        for a, b in fee_free:
            exact = not owners.get("expectation")
            same = (lambda v: v) if exact else (lambda v: pytest.approx(v, rel=1e-12, abs=1e-12))
            assert (b.npv, b.gap, b.scored, b.hurdle) == (same(a.npv), same(a.gap), same(a.scored), same(a.hurdle))
            assert b.risk_charge == 0.0


@pytest.mark.parametrize("price", [0.5, 5.0, 50.0])
def test_crisis_prices_move_neither_the_baseline_nor_what_owners_expect(price: float) -> None:
    """Trap 38: users pay no more than the undisturbed price where no gain on prices counts; so the owner's value, the baseline and
    Z0 are the same at any crisis price above it."""
    rise = [cut("rise", 0.1, 2028.0, 1.0, share=0.5, price_multiplier=max(price, 1.0))]
    at_once = {"capex": 30.0, "scenarios": rise}
    result = best(one_plant(**at_once))
    usual = best(one_plant(**{**at_once, "scenarios": [cut("rise", 0.1, 2028.0, 1.0, share=0.5)]}))
    assert result.outcome.do_nothing_musd == close(usual.outcome.do_nothing_musd)
    assert list(result.tables["projects"].baseline) == list(usual.tables["projects"].baseline) == [True]
    now, then = options(one_plant(scenarios=rise)), options(one_plant(scenarios=[]))
    assert {k: o.npv for k, o in now.items()} == {k: close(o.npv) for k, o in then.items()}


def test_the_baseline_hangs_on_no_sample_premium_or_hazard() -> None:
    """Proves: a plant that pays on the quiet course is built, though a dip that comes in four cases of five ruins it in
    expectation; no support is asked for it."""
    plan, data = one_plant(capex=30.0, chance=0.8)
    found = options((plan, data))
    assert prepare(plan, data).structure.support.baseline.tolist() == [True]
    assert found["none"].npv < 0 == found["none"].gap
    assert best((plan, data)).audited.passed


def unit(instance: Any) -> float:
    """USD/kg in what the model counts prices in."""
    return 1e-3 * float(instance.material_unit[0])


@pytest.mark.parametrize("cash", [60.0, 100.0, 120.0, 300.0])
def test_whatever_the_margin_the_rate_stays_within_the_premium(cash: float) -> None:
    """Trap 37: a mean margin of zero or less neither raises the rate nor lowers it by more than the premium."""
    states = [(0.5, 0.5), (1.5, 0.5)]
    plan, data = one_plant(states=states)
    dear = data.replace(projects=data.frame("projects").assign(cash_usd_per_kg=cash))
    owners = prepare(plan, dear).structure.support.owners
    for level in (20.0, 60.0, 90.0, 150.0, 400.0):
        floor = next(p.floor for p in owners.instance.packages if p.floor is not None)
        found = owners.figures(0, (packages.replace(floor, level=level * unit(owners.instance)),), 0)
        low, high = max(0.0, found.expected_rate - PREMIUM), found.expected_rate
        assert low - 1e-15 <= found.rate <= high
        assert found.transferred >= 0


def test_without_risk_there_is_no_reward() -> None:
    """Proves: d_0 = 0 leaves the rate as it is."""
    found = options(one_plant(scenarios=[]))["both"]
    assert found.hurdle == found.expected_hurdle == 0.25


@pytest.mark.parametrize("expectation", ["trunk", "scenarios"])
def test_price_states_are_a_risk_on_the_baseline_course_too(expectation: str) -> None:
    """Proves: at 50 or 150, margins -10 and 90, m0 = 40: a floor of 75 takes 25 of a downside of 50 in the bad state."""
    owners = {"expectation": expectation, "price_risk_premium": 0.1, "risk_charge": 1.0}
    found = options(one_plant(75.0, owners, scenarios=[], states=[(0.5, 0.5), (1.5, 0.5)]))["both"]
    assert found.hurdle == close(0.25 - 0.1 * 0.5)
    assert found.risk_charge == close((25 - 12.5) / 1.25)
    assert found.npv == close((40 + 12.5) / 1.2 - 50)


def test_the_fees_of_the_owner_are_those_that_the_government_pays() -> None:
    """Trap 40: an option on half of 1 kt at 8 USD/kg is worth 4/1.125 to the owner, whose gap falls by it."""
    plan, data = one_plant(more={"right": {"instrument": "grant", "offtake_share": 0.5, "offtake_fee_usd_per_kg": 8.0}})
    found = options((plan, data))
    assert found["right"].fees.sum() == close(4.0)
    assert found["right"].npv - found["aid"].npv == close(4.0 / 1.125)
    assert found["right"].gap == close(18 - 4.0 / 1.125)
    trunk = options((with_owners(plan, {}), data))
    assert trunk["right"].gap == trunk["aid"].gap == close(18.0)


def sampled(case: int, **sample: Any) -> Any:
    plan, data = random_case(case, sample=True, flood=True, market_floor=True, upside=True)
    drawn = {**plan.to_toml_like()["sample"], **sample}
    return with_owners(plan, {**EXPECTED, "price_risk_premium": 0.03, "sample": 32}, sample=drawn), data


def terms(option: Option) -> list[float]:
    money = [option.npv, option.gap, option.scored, option.hurdle, option.risk_charge]
    return [round(float(v), 12) for v in money]


def menu(case: Any) -> Any:
    support = prepare(*case).structure.support
    figures = [
        (o.project, o.package.name, o.signed, tuple(support.markets[m].floor.name for m in o.market), terms(o))
        for o in support.options
    ]
    return figures, [market.floor.name for market in support.markets]


@pytest.mark.parametrize("case", [0, 2, 5])
def test_menus_are_the_same_whatever_the_sample(case: int) -> None:
    """Trap 35: neither seed nor size nor a reduction of the plan's sample changes what may be signed and at what terms."""
    usual = menu(sampled(case, scenarios=4, seed=1))
    assert usual == menu(sampled(case, scenarios=4, seed=2))
    assert usual == menu(sampled(case, scenarios=7, seed=9))
    assert usual == menu(sampled(case, scenarios=2, draws=16, seed=5))


def test_only_a_hazard_draws_the_pricing_sample_anew() -> None:
    plan, data = sampled(0, scenarios=4, seed=1)

    def drawn(**more: Any) -> Any:
        edited = Plan.model_validate({**plan.to_toml_like(), **more})
        return pricing_sample(prepare(edited, data).natural, data)

    usual = drawn()
    hazard = data.rows("hazards")[0].hazard
    dearer = drawn(budget={"appropriation_musd": 1.0}, loss_level="high", sample={"scenarios": 9, "seed": 8})
    assert usual.scenarios.events == dearer.scenarios.events
    often = drawn(hazards=[{"hazard": hazard, "rate_per_yr": 3.0}])
    assert often.scenarios.events != usual.scenarios.events
    assert often.reference.events == usual.scenarios.events, "hurdle rates were made for the hazards of the table"
    assert drawn(owners={**EXPECTED, "seed": 5, "sample": 32}).scenarios.events != usual.scenarios.events


RULES: dict[str, Any] = {
    "closures": (owner_expectation, "survival_of", lambda i, j, price, *_: np.ones(next(iter(price.values())).shape)),
    "premium": (owner_expectation, "package_rate", lambda expected, *_: expected),
    "expected rate": (owner_value, "expected_flow_rate", lambda p, *_: p.hurdle),
    "downside": (owner_expectation, "downside", lambda chance, sold, bare: (0.0, float((chance * bare).sum()))),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_audit_objects_where_a_rule_is_dropped(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = one_plant(85.0, {"risk_charge": 0.05}, chosen=["both"])
    assert best(case).audited.passed
    monkeypatch.setattr(*RULES[rule])
    with pytest.raises(UntrustedError, match="audit"):
        best(case)


@pytest.mark.parametrize("field", ["risk_charge", "fees"])
def test_the_audit_objects_where_the_government_bears_less(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = {"offtake_share": 0.5, "offtake_fee_usd_per_kg": 2.0}
    plan, data = one_plant(85.0, {"risk_charge": 0.05})
    case = plan, data.replace(packages=data.frame("packages").assign(**right))
    assert best(case).audited.passed

    def spared(*args: Any, **kwargs: Any) -> Option:
        return Option(*args, **{**kwargs, field: 0.0 * kwargs[field]})

    monkeypatch.setattr(packages, "Option", spared)
    with pytest.raises(UntrustedError, match="audit"):
        best(case)


@pytest.mark.parametrize(
    "change",
    [
        {"loss_level": "high"},
        {"budget": {"appropriation_musd": 7.0}},
        {"owners": {**EXPECTED, "price_risk_premium": 0.05, "sample": 16}},
        {"owners": {**EXPECTED, "price_risk_premium": 0.03, "sample": 16, "risk_charge": 0.3}},
        {"owners": {}},
        {"hazards": True},
        {"discount_rate": 0.07},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_known_of_another_question_changes_no_answer(change: dict[str, Any]) -> None:
    """Proves: ways of support taken over from a problem of before are those of a problem built from nothing."""
    plan, data = sampled(2, scenarios=3, seed=1)
    plan = with_owners(plan, {**EXPECTED, "price_risk_premium": 0.03, "sample": 16})
    before = prepare(plan, data)
    if change.get("hazards"):
        change = {"hazards": [{"hazard": data.rows("hazards")[0].hazard, "rate_per_yr": 1.5}]}
    edited = Plan.model_validate({**plan.to_toml_like(), **change})
    hot, cold = (prepare(edited, data, like).structure.support for like in (before, None))
    assert cold.options
    for name in ("options", "classes", "dropped", "baseline"):
        assert equal(getattr(hot, name), getattr(cold, name)), name


def test_a_plan_meets_other_scenarios_with_what_its_owners_expected() -> None:
    """Proves: along its own scenarios a plan costs what its solve said, the charge for risk moved included."""
    plan, data = one_plant(85.0, {"risk_charge": 0.1})
    result = best((plan, data))
    first = FirstStage.of(plan, data, result.solution)
    expected = float(first.own_scenarios.probability @ evaluate_recourse(first, first.own_scenarios).cost)
    assert expected == pytest.approx(result.outcome.objective_musd + result.outcome.do_nothing_musd, rel=1e-9)


def test_a_run_folder_says_what_owners_expected_and_is_verified(tmp_path: Path) -> None:
    result = best(one_plant(85.0, {"risk_charge": 0.1, "sample": 9, "seed": 4}))
    row = result.tables["projects"].iloc[0]
    assert (row.hurdle_rate, row.hurdle_rate_expected) == (0.25, close(0.125))
    assert row.hurdle_rate_with_package == close(0.125 - 0.002 * 35)
    assert row.risk_transfer_musd == close(0.1 * (4.5 - 1.0) / 1.125)
    assert "a price-risk premium of 9.0%" in result.summary(full=True)
    result.save(tmp_path / "run")
    told = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert told["pricing_sample"] == {"scenarios": 9, "seed": 4}
    assert verify(tmp_path / "run").facts["objections"] == ()


@pytest.mark.parametrize("draw", range(4))
def test_upside_given_away_never_lowers_the_rate(draw: int) -> None:
    """Trap 36: claw-back that takes revenue below cash cost shuts the plant in some courses; the downside that is left on the rest
    is no reason for a lower rate."""
    rng = np.random.default_rng(draw)
    multiples = rng.uniform(0.3, 1.6, 4)
    courses = [
        cut(f"c{k}", 0.2, 2028.0, 1.0, share=0.0, price_multiplier=round(float(m), 3)) for k, m in enumerate(multiples)
    ]
    low = round(float(rng.uniform(0.3, 0.8)), 3)
    plan, data = one_plant(scenarios=courses, states=[(low, 0.5), (2 - low, 0.5)])
    owners = prepare(plan, data).structure.support.owners
    offered = next(p.floor for p in owners.instance.packages if p.floor is not None)
    for level in (30.0, 45.0, 55.0, 70.0, 95.0):
        floor = packages.replace(offered, level=level * unit(owners.instance))
        rates = [
            owners.figures(0, (packages.replace(floor, upside=share),), 0).rate
            for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
        ]
        assert all(a <= b + 1e-12 for a, b in itertools.pairwise(rates)), (level, rates)
