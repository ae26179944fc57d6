"""Disruptions with a profile, by hand: cuts by months, severity and stretch, the direct flow, rationing as deep as the cut.

And events that have begun before the plan: the baseline course is in short supply, and nobody knows when it ends."""

from types import SimpleNamespace as Law
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Plan, PlanError, Result, add_term, check, solve
from strategic_minerals.audit.producers import squeezed_share
from strategic_minerals.core.errors import InputError
from strategic_minerals.core.stats import BASELINE_COURSE
from strategic_minerals.matrix.problem import prepare, structure_of
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.world.build import build_instance
from strategic_minerals.world.draws import lasting_until
from strategic_minerals.world.events import mean_cuts
from strategic_minerals.world.instance import Calendar
from strategic_minerals.world.scenarios import build_scenarios, ongoing_events, remaining
from support.tiny import FIRST, KT, bought, hazard_row, imported, offer, on_dates, source, tiny, total
from support.tiny import ran as produced

YEAR = Calendar(2027, 1.0, 3, 3, 0.0)
HAZARD = hazard_row("stop", "metal", 0.3, cut_share=1.0)


def step(begin, end, share, flow="effective", material="metal", hazard="stop"):
    return {
        "hazard": hazard, "material": material, "flow": flow, "month_from": begin, "month_to": end, "cut_share": share,
    }  # fmt: skip


def struck(steps, *, event=None, normal=None, hazard=None, months=12, offers=None, tiers=None, kappa=0.0, **plan):
    """One metal, 100 t a year wanted, 150 t of capacity in China; the stop begins in FY2028."""
    scenario = on_dates({"hazard": "stop", "start_year": 2028.0, **(event or {})})
    plan, data = tiny(
        {"metal": 10.0},
        materials={"metal": {"holding_share_per_yr": 0.01}},
        sources={"china": source("CHN", "metal", 0.15), "ally": source("AUS", "metal", 0.05, kappa=kappa)},
        demand={"metal": 0.1},
        offers=offers,
        scenarios=[scenario],
        months=months,
        **plan,
    )
    if normal is not None:
        rows = data.frame("capacities")
        data = data.replace(capacities=rows.assign(normal_t_per_yr=np.where(rows.activity == "china", normal, np.nan)))
    hazards = pd.DataFrame([{**HAZARD, **(hazard or {})}])
    return plan, data.replace(hazards=hazards, hazard_profiles=pd.DataFrame(steps))


def scenarios_of(plan, data):
    instance = build_instance(plan, data)
    return instance, build_scenarios(instance, data)


@pytest.mark.parametrize(
    ("steps", "asked", "arrives", "direct"),
    [
        ([(0, 12, 0.4)], {"normal": 100.0}, [1.0, 0.4, 1.0], [1.0, 0.4, 1.0]),
        ([(0, 12, 0.8, "direct")], {}, [1.0, 0.2, 1.0], [1.0, 0.2, 1.0]),
        ([(0, 12, 0.0), (0, 12, 1.0, "direct")], {}, [1.0, 1.0, 1.0], [1.0, 0.0, 1.0]),
        ([(0, 6, 0.4)], {"event": {"severity": 2.0, "stretch": 3.0}}, [1.0, 0.2, 0.6], [1.0, 0.2, 0.6]),
        ([(0, 6, 0.4)], {"event": {"severity": 2.0, "duration_years": 1.5}}, [1.0, 0.2, 0.6], [1.0, 0.2, 0.6]),
        (
            [(0, 3, 1.0)],
            {"hazards": [{"hazard": "stop", "cut_share": 0.5, "duration_yr": 2.0}]},
            [1.0, 0.5, 0.5],
            [1.0, 0.5, 0.5],
        ),
    ],
    ids=["usual flow", "direct alone", "a ban", "stretched", "longer", "said by the plan"],
)
def test_what_arrives_by_all_routes_and_of_the_controlled_flow(steps, asked, arrives, direct):
    """Proves: a cut is of the usual flow, not of spare capacity (trap 19): of 100 t usual and 150 t of capacity 40 % cut leave 60.
    Without a record of all routes the direct flow counts; a ban that costs users nothing is met by the reserve alone. An event may
    be harsher and longer than the record; a plan that states cut or duration leaves the profile aside."""
    instance, found = scenarios_of(*struck([step(*one) for one in steps], **asked))
    china = instance.producers.index("china")
    assert found.availability[0, china] == pytest.approx(arrives)
    assert found.direct[0, china] == pytest.approx(direct)


def test_the_clip_is_inside_the_mean():
    """Trap 20: twice a cut of 0.6 for half a year leaves half, not 0.4."""
    cut = mean_cuts(YEAR, ((0.0, 0.5, 0.6),), np.array([2028.0]), np.array([2.0]), np.array([1.0]))
    assert cut == pytest.approx(np.array([[0.0, 0.5, 0.0]]))


def test_a_profile_of_one_cut_is_that_cut():
    """A flat profile on capacity is the cut of before."""
    shaped = scenarios_of(*struck([step(0, 12, 0.7)]))[1]
    flat = scenarios_of(*struck([step(0, 12, 0.7)], event={"cut_share": 0.7, "duration_years": 1.0}))[1]
    for name in ("availability", "price", "tight", "lasting", "squeeze", "direct", "onset", "end"):
        assert np.allclose(getattr(shaped, name), getattr(flat, name), atol=1e-12), name


def test_sources_ration_as_deep_as_the_cut():
    """Trap 22: a tail of 2 % after a full stop of three months rations for 0.25 + 0.75 * 0.02 of the year, not all of it."""
    instance, found = scenarios_of(*struck([step(0, 3, 1.0), step(3, 12, 0.02)]))
    assert found.lasting[0, 0] == pytest.approx([0.0, 1.0, 0.0])
    assert found.squeeze[0, 0] == pytest.approx([0.0, 0.25 + 0.75 * 0.02, 0.0])
    assert squeezed_share(instance, found)[0, 0] == pytest.approx(found.squeeze[0, 0])


@pytest.mark.parametrize(
    ("cut", "normal", "share", "tight"),
    [(0.03, None, 0.0, True), (0.03, None, 0.05, False), (0.02, 100.0, 0.05, False)],
)
def test_a_small_cut_is_no_shortage(cut, normal, share, tight):
    """Proves: below the stated share it is none, of the usual flow where there is spare capacity too."""
    plan, data = struck([step(0, 12, cut)], normal=normal, tight_cut_share=share)
    assert scenarios_of(plan, data)[1].tight[0, 0].any() == tight
    assert solve(plan, data, quick=True).audited.passed


def test_the_reserve_meets_the_controlled_flow_and_users_what_arrives():
    """A ban that costs users nothing closes the country's offers to the reserve."""
    offers = {"from_china": offer("metal", 0.02, 0.0, source="china")}
    found = solve(*struck([step(0, 12, 0.0), step(0, 12, 1.0, flow="direct")], offers=offers), quick=True)
    assert not scenarios_of(found.plan, found.data)[1].tight.any()


def test_severity_without_a_profile_says_nothing():
    """An event that states its own cut is as deep as it says."""
    event = {"cut_share": 0.4, "duration_years": 0.5, "price_multiplier": 3.0}
    plain = scenarios_of(*struck([step(0, 6, 0.7)], event=event))[1]
    severe = scenarios_of(*struck([step(0, 6, 0.7)], event={**event, "severity": 2.0}))[1]
    for name in ("availability", "direct", "price", "squeeze"):
        assert np.array_equal(getattr(plain, name), getattr(severe, name)), name


@pytest.mark.parametrize(
    ("steps", "months", "told"),
    [
        ([step(0, 3, 0.8)], 12, "in its worst month 80% of metal is cut, over a period of 12 months 20% at most"),
        (
            [step(0, 2, 0.0), step(2, 8, 0.8)],
            12,
            "in its worst month 80% of metal is cut, over a period of 12 months 40% at most",
        ),
        ([step(0, 3, 0.8)], 3, ""),
        ([step(0, 24, 0.8)], 12, ""),
        ([step(0, 9, 0.38), step(9, 12, 0.3)], 12, ""),
    ],
)
def test_what_a_long_period_averages_away_is_told(steps, months, told):
    """Proves: of the deepest cut and of the year that is cut most, in `check` and in the summary; not where a period is short."""
    plan, data = struck(steps, months=months)
    found = [note for note in check(plan, data).notes if "worst month" in note]
    assert [told in note for note in found] == ([True] if told else [])
    assert (
        "Hidden by the length of periods: stop: as recorded, in its worst month"
        in solve(plan, data, quick=True).summary(full=True)
    ) == bool(told)


def test_prices_follow_the_severity():
    _, found = scenarios_of(*struck([step(0, 12, 0.4)], event={"severity": 2.0, "price_multiplier": 3.0}))
    assert found.price[0, 0] / 0.01 == pytest.approx([1.0, 9.0, 1.0])


def test_drawn_events_follow_their_laws():
    """Severity and stretch have median 1 and the stated 5 % and 95 % points; a share of events costs no tonnes."""
    felt = {"severity_p05": 0.5, "severity_p95": 2.0, "stretch_p05": 0.25, "stretch_p95": 4.0}
    law = {**felt, "no_loss_share": 0.3, "rate_per_yr": 3.0}
    plan, data = struck([step(0, 2, 0.4)], hazard=law, sample={"scenarios": 4096, "seed": 7, "events_per_hazard": 1})
    events = [e for s in scenarios_of(plan, data)[1].events[2:] for e in s]
    felt = np.array([e.severity for e in events if e.severity > 0])
    assert np.mean([e.severity == 0 for e in events]) == pytest.approx(0.3, abs=0.02)
    assert np.quantile(felt, [0.05, 0.5, 0.95]) == pytest.approx([0.5, 1.0, 2.0], rel=0.05)
    stretch = np.array([e.stretch for e in events])
    assert np.quantile(stretch, [0.05, 0.5, 0.95]) == pytest.approx([0.25, 1.0, 4.0], rel=0.1)
    assert np.allclose([e.duration for e in events], stretch * 2 / 12)
    assert all(e.direct_severity > 0 for e in events)


def test_quarters_see_what_a_year_hides():
    """A stop of three months is a quarter of a year's supply; in quarters it is a whole period without any."""
    year = scenarios_of(*struck([step(0, 3, 1.0)]))[1].availability[0, 0]
    quarters = scenarios_of(*struck([step(0, 3, 1.0)], months=3))[1].availability[0, 0]
    assert year == pytest.approx([1.0, 0.75, 1.0])
    assert quarters == pytest.approx([1.0] * 4 + [0.0] + [1.0] * 7)
    assert quarters.reshape(3, 4).mean(axis=1) == pytest.approx(year)


def test_steps_that_overlap_are_a_fault():
    with pytest.raises(InputError, match="month_from"):
        solve(*struck([step(0, 6, 0.4), step(3, 9, 0.2)]), quick=True)


def test_stock_is_bought_for_what_the_profile_cuts():
    """Half the usual 100 t for half a year and 50 t from the ally: nothing lacks. A full stop of a year lacks 50 t."""
    offers = {"from_china": offer("metal", 0.1, 0.0, source="china")}
    assert bought(
        solve(*struck([step(0, 6, 0.5)], normal=100.0, offers=offers, kappa=1.0), quick=True), "metal"
    ) == pytest.approx(0.0, abs=1e-6)
    full = solve(*struck([step(0, 12, 1.0)], normal=100.0, offers=offers, kappa=1.0), quick=True)
    assert bought(full, "metal") * KT == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("feed", "left"),
    [("AUS", 1.0), ("modelled", 1.0), ("AUS CHN", 0.6), ("", 0.6)],
    ids=["clean", "modelled", "mixed", "unknown"],
)
def test_rules_on_trace_content_reach_producers_by_their_feed(feed, left):
    """Other countries' sources lose what the hazard says only where their feed comes from its countries, or nobody says whence."""
    plan, data = struck(
        [step(0, 12, 1.0, flow="direct")], hazard={"third_country_cut_share": 0.4, "third_country_scope": "feed"}
    )
    if feed:
        data = data.replace(feed_origins=pd.DataFrame([{"producer": "ally", "origins": feed}]))
    instance, found = scenarios_of(plan, data)
    assert found.availability[0, instance.producers.index("ally")] == pytest.approx([1.0, left, 1.0])


@pytest.mark.parametrize(("neighbours", "left"), [("", 0.6), ("AUS", 1.0)], ids=["overseas", "by land"])
def test_a_loss_of_shipping_does_not_reach_a_neighbour_by_land(neighbours, left):
    """Other countries' sources lose what the hazard says unless a land border joins them to the home country."""
    law = {"third_country_cut_share": 0.4, "third_country_scope": "overseas"}
    plan, data = struck([step(0, 12, 1.0, flow="direct")], hazard=law)
    countries = data.frame("countries")
    countries["land_neighbours"] = np.where(countries.country == "USA", neighbours, "")
    instance, found = scenarios_of(plan, data.replace(countries=countries))
    assert found.availability[0, instance.producers.index("ally")] == pytest.approx([1.0, left, 1.0])
    beside = prepare(plan, data.replace(countries=countries), prepare(plan, data), None)
    assert np.array_equal(beside.structure.scenarios.availability, found.availability)


def test_an_event_that_costs_no_tonnes_rations_nothing():
    """Severity 0: users lose nothing, so nobody rations, as the audit says."""
    instance, found = scenarios_of(*struck([step(0, 12, 0.5)], event={"severity": 0.0}))
    assert not found.squeeze.any()
    assert squeezed_share(instance, found) == pytest.approx(found.squeeze)


def test_arrivals_by_all_routes_count_other_countries_already():
    """Trap 28: what re-exporters lose is part of what arrives by all routes; the reserve's purchases from them are cut."""
    law = {"third_country_cut_share": 0.4}
    both = [step(0, 12, 0.3), step(0, 12, 1.0, flow="direct")]
    instance, found = scenarios_of(*struck(both, hazard=law))
    ally = instance.producers.index("ally")
    assert found.availability[0, ally] == pytest.approx([1.0, 1.0, 1.0])
    assert found.direct[0, ally] == pytest.approx([1.0, 0.6, 1.0])
    _, alone = scenarios_of(*struck([step(0, 12, 1.0, flow="direct")], hazard=law))
    assert alone.availability[0, ally] == pytest.approx([1.0, 0.6, 1.0])


def test_two_events_cut_the_usual_flow_once_each():
    """100 t usual of 150: 40 % and nothing leave 60 t, and two events of no depth leave 100."""
    for severities, left in (((1.0, 0.0), 60.0), ((0.0, 0.0), 100.0), ((1.0, 1.0), 36.0)):
        plan, data = struck([step(0, 12, 0.4)], normal=100.0)
        twice = [{"hazard": "stop", "start_year": 2028.0, "severity": x} for x in severities]
        told = {**plan.to_toml_like(), "scenarios": [on_dates(*twice)]}
        instance, found = scenarios_of(Plan.model_validate(told), data)
        china = instance.producers.index("china")
        assert found.availability[0, china, 1] * 150 == pytest.approx(left)


def test_of_two_events_at_once_the_deeper_cut_rations():
    """A stop of six months that fades to a half, and another a quarter later: all is cut for three quarters, a half for two."""
    plan, data = struck([step(0, 6, 1.0), step(6, 12, 0.5)])
    twice = [{"hazard": "stop", "start_year": start} for start in (2028.0, 2028.25)]
    told = {**plan.to_toml_like(), "scenarios": [on_dates(*twice)]}
    instance, found = scenarios_of(Plan.model_validate(told), data)
    assert found.squeeze[0, 0] == pytest.approx([0.0, 0.75 + 0.25 * 0.5, 0.25 * 0.5])
    assert squeezed_share(instance, found)[0, 0] == pytest.approx(found.squeeze[0, 0])


def test_a_licence_stop_that_an_embargo_follows_cuts_the_usual_flow_and_then_all():
    """Proves: where a source usually sells half of what it could, and a profile cuts 0.4 of that until July, from when on nothing
    comes, half of 0.5 x 0.6 of the year's capacity is left."""
    plan, data = struck([step(0, 6, 0.4)], normal=75.0)
    ban = {"countries": "CHN", "materials": "metal", "cut_share": 1.0, "start_year": 2028.5, "duration_years": 0.5}
    told = plan.to_toml_like()
    told["scenarios"][0]["events"].append(ban)
    _, scenarios = scenarios_of(Plan.model_validate(told), data)
    stop = scenarios.names.index("stop")
    assert scenarios.availability[stop, 0, 1] == pytest.approx(0.5 * 0.5 * 0.6)


DEPTH = {"countries": "CHN", "materials": "gallium", "cut_share": 0.5}
ENDED = 1e-6
"""Expected remaining years of what ends with the first period."""


def crisis(remaining_years: float | None, stock: float, years: int = 2, **asked: Any) -> tuple[Plan, Dataset]:
    """Demand of 10 kt, all from China, half of it cut since 2026; 2 kt can be missed at 10 USD/kg, the rest at 100."""
    event = {"name": "stop", "start_year": FIRST - 0.5, "remaining_years": remaining_years}
    event |= {"hazard": "stop"} if remaining_years is None else {"duration_years": 1.0, **DEPTH}
    return imported(
        1.0,
        of="gallium",
        sources={"china": source("CHN", "gallium", 10.0)},
        loss=10.0,
        tiers={"civil": [(0.2, 1.0), (0.8, 10.0)]},
        stock={"gallium": stock},
        years=years,
        ongoing=[event],
        **asked,
    )


def stop_of(data: Dataset, **row: Any) -> Dataset:
    """The tables with a hazard `stop`."""
    law = {"duration_law": "fixed", "rate_per_yr": 0.0, "kind": "licence", "name": "stop", **DEPTH, **row}
    return data.replace(hazards=pd.DataFrame([{"hazard": "stop", **law}]))


def on_trunk(result: Result, what: str) -> list[float]:
    """Kilotonnes by period on the baseline course."""
    return [float(v) for v in getattr(result.solution, what)[0, 0] / KT]


def test_a_plan_made_in_mid_crisis_releases() -> None:
    """Proves: on the baseline course the stock serves users while the event goes on, without `trunk_release`."""
    result = solve(*crisis(ENDED, stock=3.0), quick=True)
    assert on_trunk(result, "release")[0] == pytest.approx(3.0)
    assert produced(result, "china", BASELINE_COURSE, str(FIRST)) == pytest.approx(5.0)


def test_what_may_be_needed_next_year_is_kept_and_what_will_not_is_used() -> None:
    """Proves: 3 kt go to users who lose 100 USD/kg; a fourth is kept where the stop may go on, and used where it ends."""
    waits, spends = (solve(*crisis(left, stock=4.0, rate=0.03), quick=True) for left in (50.0, ENDED))
    assert on_trunk(waits, "release")[0] == pytest.approx(3.0)
    assert on_trunk(waits, "stock")[0] == pytest.approx(1.0)
    assert on_trunk(spends, "release")[0] == pytest.approx(4.0)


def test_a_stock_in_a_crisis_of_known_length_is_worth_what_it_spares() -> None:
    """Proves: a stop of 2026.5 to 2029.0 leaves 5 kt missing in 2027 and 2028: of the 3 kt in store each spares 100 USD/kg, on top
    of its price, which users pay for it and which it would be worth afterwards too."""
    cases = (crisis(None, stock, years=4) for stock in (3.0, 0.0))
    with_stock, without = (solve(plan, stop_of(data, duration_yr=2.5), quick=True) for plan, data in cases)
    assert total(without) - total(with_stock) == pytest.approx(3.0 * (100.0 + 1.0), rel=1e-9)
    assert sum(on_trunk(with_stock, "release")[:2]) == pytest.approx(3.0)
    structure, _ = structure_of(with_stock.plan, with_stock.data)
    assert (structure.scenarios.onset[:, 0] == 2).all()  # every end is in 2029, the third period
    assert structure.trunk.tight.all()


def test_after_the_end_a_branch_is_undisturbed_and_refills_at_the_calm_price() -> None:
    """Proves: the price is three times as high on the baseline course and in each branch until the end, and 1 USD/kg after it."""
    plan, data = crisis(None, 0.0, years=4)
    structure, _ = structure_of(plan, stop_of(data, duration_yr=2.5, price_multiplier=3.0))
    unit = structure.instance.material_unit[0] * 1e-3
    assert structure.trunk.price[0, 0] / unit == pytest.approx([3.0] * 4)
    assert structure.scenarios.price[0, 0] / unit == pytest.approx([3.0, 3.0, 1.0, 1.0])


def test_ends_are_drawn_from_what_the_law_still_leaves() -> None:
    """Proves: exponential has no memory; fixed leaves the rest; lognormal leaves more the longer it has lasted."""
    plan, data = crisis(1.0, stock=0.0)
    one = ongoing_events(plan, data, Calendar(FIRST, 1.0, 2, 2, 0.0))[0]
    u = (np.arange(4000) + 0.5) / 4000
    flat = {"duration_yr_low": None, "duration_yr_high": None}
    exponential, fixed = (Law(duration_law=law, duration_yr=5.0, **flat) for law in ("exponential", "fixed"))
    skewed = Law(duration_law="lognormal", duration_yr=2.0, duration_yr_low=0.2, duration_yr_high=8.0)
    assert remaining(one.event, exponential, FIRST + 9, u).mean() == pytest.approx(5.0, rel=0.01)
    assert remaining(one.event, fixed, FIRST + 1.5, u) == pytest.approx(3.0)
    young, old = (remaining(one.event, skewed, FIRST + years, u).mean() for years in (0.5, 6.5))
    assert old > young
    assert one.ends(u).mean() == pytest.approx(FIRST + 2.0, abs=0.02)
    assert lasting_until(one.event, FIRST + 2.0).duration == pytest.approx(2.5)


def test_a_profile_holds_its_last_cut_until_the_event_ends() -> None:
    """Proves: 80 % for six months and 20 % for six more, begun 2026.5: 20 % from 2027 on, as long as it goes on, then nothing."""
    plan, data = crisis(None, 0.0, years=4)
    profile = [
        {"hazard": "stop", "material": "gallium", "flow": "direct", "month_from": a, "month_to": b, "cut_share": share}
        for a, b, share in ((0, 6, 0.8), (6, 12, 0.2))
    ]
    structure, _ = structure_of(plan, stop_of(data, duration_yr=1.0).replace(hazard_profiles=pd.DataFrame(profile)))
    assert structure.trunk.availability[0, 0] == pytest.approx([0.8] * 4)
    found = structure.scenarios.availability[0, 0]
    assert found[[0, -1]] == pytest.approx([0.8, 1.0])


def test_users_pull_their_own_stock_on_the_baseline_course_and_what_is_missing_is_refilled() -> None:
    """Proves: users who lack a tenth of 2 kt when a stop has begun draw the other nine tenths in it."""
    plan, data = crisis(ENDED, stock=0.0, years=3)
    held = [{"material": "gallium", "segment": "*", "level_t": 2 * KT, "missing_share": 0.1}]
    result = solve(plan, data.replace(users_stock=pd.DataFrame(held)), quick=True)
    assert on_trunk(result, "users_pull")[0] == pytest.approx(1.8)
    assert on_trunk(result, "users_missing")[0] == pytest.approx(2.0)
    calm, facts = imported(1.0, of="gallium", sources={"china": source("CHN", "gallium", 12.0)})
    refilled = solve(calm, facts.replace(users_stock=pd.DataFrame(held)), quick=True)
    assert on_trunk(refilled, "users_refill")[0] == pytest.approx(0.2)
    assert on_trunk(refilled, "users_missing")[-1] == pytest.approx(0.0)


def test_the_reserve_buys_on_while_it_goes_on_at_the_price_of_the_day() -> None:
    """Proves: an offer whose source is not cut is bought at the crisis price, which the budget pays."""
    stop = {"name": "stop", "start_year": FIRST, "duration_years": 1.0, "remaining_years": 3.0, "price_multiplier": 2.0}
    plan, data = imported(
        1.0,
        of="gallium",
        sources={"china": source("CHN", "gallium", 10.0), "ally": source("AUS", "gallium", 2.0)},
        offers={"ally-offer": offer("gallium", 1.0, source="ally")},
        years=3,
        money=10.0,
        ongoing=[{**stop, **DEPTH}],
        days_of_cover=[{"material": "gallium", "days": 10, "from_year": FIRST}],
    )
    result = solve(plan, data, quick=True)
    first = result.tables["acquisitions"].iloc[0]
    assert first.price_usd_per_kg == pytest.approx(2.0)
    assert result.tables["budget"].purchases_musd[0] == pytest.approx(2.0 * first.acquired_t / KT)


@pytest.mark.parametrize(("instead", "missed"), [(5.0, 0.0), (15.0, 2.0)])
def test_a_course_that_no_scenario_reaches_is_lived_at_its_least_cost(instead: float, missed: float) -> None:
    """Proves: once a stop has ended in every scenario, the course on which it goes on misses 2 of 5 kt at 10 USD/kg only where
    another material costs more than that, with a plan and without one; nothing is bought there."""
    offered = {"china-offer": offer("gallium", 1.0, source="china")}
    plan, data = crisis(ENDED, 0.0, years=4, rate=0.03, steps=[("gallium", "civil", 0.5, instead)], offers=offered)
    result = solve(plan, data, quick=True)
    for found in (result.solution, result.reference):
        assert found.substitute[0, 0] / KT == pytest.approx([5.0 - missed] * 4)
        assert found.shortfall[0].sum(axis=0) / KT == pytest.approx([missed] * 4)
        assert found.acquisition[0].sum() == 0


@pytest.mark.parametrize(
    "aim",
    [{}, {"kind": "least_budget"}, {"kind": "risk_within_budget", "cvar_share": 0.5}],
    ids=["cost", "money", "risk"],
)
def test_every_aim_keeps_its_value_where_no_scenario_comes(aim: dict[str, Any]) -> None:
    """Proves: what the baseline course does there is bought neither against a later aim nor against a term of the caller's."""
    offered = {"offer": offer("gallium", 3.0, crisis=1.0)}
    asked = crisis(ENDED, 0.0, years=4, offers=offered, **({"objective": aim} if aim else {}))

    def dear(model: Any) -> None:
        add_term(model, "dear", sum(bought for key, bought in model.acquisition.items() if "base" in key))

    result = solve(*asked, quick=True, extend=None if aim else dear)
    assert result.solution.acquisition[0, :, 1:].sum() == 0


def test_an_event_in_force_cannot_begin_after_the_plan() -> None:
    """Proves: what begins later is a scenario, and the fault says so."""
    with pytest.raises((PlanError, ValueError), match="later events are scenarios"):
        imported(
            1.0,
            of="gallium",
            sources={"china": source("CHN", "gallium", 10.0)},
            ongoing=[{"name": "x", "start_year": FIRST + 1, "duration_years": 1, "remaining_years": 1, **DEPTH}],
        )
