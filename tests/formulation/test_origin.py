"""Rules of origin by hand: what is closed when, that feed is followed to the mine, and that nobody else is touched;
and of makers elsewhere: what an embargo leaves of theirs."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, PlanError, UntrustedError, solve
from strategic_minerals.audit.audit import audit
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.optimise import optimise
from strategic_minerals.world import build as procurement
from strategic_minerals.world.build import build_instance, fiscal_year
from support.tiny import KT, bought, cut, hazard_row, imported, offer, project, ran, source, tiny

MAGNET = {"magnet": 1.0, "oxide": -0.5}


def chain(*, clean_mine: float = 1.0, feed: str = "AUS", plant: str = "modelled", **plan):
    """A home plant makes magnets of oxide from an allied and a Chinese mine; users want 4 kt of magnets, China cuts everything in
    the second year, and the reserve may buy 2 kt a year from the plant."""
    return tiny(
        {"oxide": 10.0, "magnet": 50.0},
        materials={"magnet": {"holding_share_per_yr": 0.01}},
        sources={
            "ally_mine": source("AUS", "oxide", clean_mine, feed=feed),
            "china_mine": source("CHN", "oxide", 9.0),
            "plant": source("USA", MAGNET, 6.0, feed=plant),
        },
        demand={"magnet": 4.0},
        loss=100.0,
        offers={"from_plant": offer("magnet", 2.0, 0.0, source="plant")},
        scenarios=[cut("stop", 0.5, 2029.0, 1.0)],
        **plan,
    )


def back(**more):
    return {"exclusions": [{"countries": "CHN", "materials": "magnet", "reach_back": True, **more}]}


@pytest.mark.parametrize(
    ("changes", "tonnes"),
    [
        ({}, 2.0),
        ({"clean_mine": 0.4, "procurement": back()}, 1.6),
        ({"clean_mine": 0.4, "procurement": back(reach_back=False)}, 3.2),
        *(({"feed": feed, "procurement": back()}, 0.0) for feed in ("CHN", "AUS CHN", "", "OTH")),
    ],
)
def test_the_reserve_buys_what_rules_leave(changes, tonnes):
    """Without rules what the stop will lack: 1 kt of allied oxide makes 2 of the 4 kt of magnets, the reserve buys the other two.
    With reach-back no more than clean feed makes: 0.4 kt of oxide a year are 0.8 kt of magnets, 1.6 before the stop, and what
    users buy stays Chinese; without it the country of the last stage counts. Trap 29: unknown feed launders no origin."""
    result = solve(*chain(**changes), quick=True)
    assert bought(result, "magnet") == pytest.approx(tonnes, abs=1e-9)


def test_a_plant_that_declares_nothing_sells_nothing():
    plan, data = chain(plant="", procurement=back())
    instance = build_instance(plan, data)
    assert instance.offers == ()
    assert [what for what, _ in instance.procurement.closed] == ["offer from_plant"]
    assert "unpublished origin" in instance.procurement.closed[0][1]


def test_a_rule_counts_from_its_date():
    """From FY2028 on only clean magnets; in FY2027 the plant sells what it has."""
    plan, data = chain(clean_mine=0.0, procurement=back(from_year=2028))
    result = solve(plan, data, quick=True)
    by_year = result.tables["acquisitions"].groupby("fiscal_year").acquired_t.sum() / KT
    assert by_year[2027] == pytest.approx(2.0)
    assert by_year.get(2028, 0.0) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("procurement", [{}, back(), back(reach_back=False), back(countries="covered", materials="*")])
def test_doing_nothing_costs_the_same_under_any_rule(procurement):
    """Trap 30: an exclusion does not move Z0."""
    plan, data = chain(procurement=procurement)
    bare, tables = chain()
    assert solve(plan, data, quick=True).outcome.do_nothing_musd == pytest.approx(
        solve(bare, tables, quick=True).outcome.do_nothing_musd, rel=1e-12
    )


def built(rule, stop="magnet", grant=True, **project_row):
    """Users want 4 kt of magnets; a new plant may make as many of oxide, of which 1 kt is clean; the stop comes in FY2029."""
    return tiny(
        {"oxide": 10.0, "magnet": 50.0},
        sources={
            "ally_mine": source("AUS", "oxide", 1.0, feed="AUS"),
            "china_mine": source("CHN", "oxide", 9.0),
            "china_magnets": source("CHN", "magnet", 9.0),
        },
        demand={"magnet": 4.0},
        loss=100.0,
        projects={"new": project(MAGNET, 4.0, feed="modelled", **project_row)},
        packages={"grant": {"instrument": "grant"}} if grant else None,
        scenarios=[cut("stop", 0.5, 2029.0, 1.0, materials=stop)],
        procurement=rule,
        instruments={"signing_years": [2027]},
    )


def runs(result):
    table = result.tables["operations"].query("producer == 'new'")
    return table[table.scenario == "stop"].output_t.max() / KT


def test_what_is_made_for_the_reserve_and_for_users_shares_clean_feed():
    """A supported plant bound to clean feed makes 2 kt of magnets of 1 kt of clean oxide, though it could make 4."""
    result = solve(*built(back(), stop="*", capex_musd=1801.0), quick=True)
    made = result.tables["operations"].query("producer == 'new' and output_t > 0").output_t
    assert 0 < made.max() <= 2.0 * KT + 1e-6


def test_an_excluded_country_is_not_supported_and_its_own_projects_stand():
    """Support is tested at signature; a committed project of an excluded country is built all the same."""
    made = {
        "open": project("oxide", 1.0, capex_musd=120.0, additional=True, country="CHN"),
        "standing": project("oxide", 1.0, committed=True, country="CHN"),
    }
    plan, data = tiny(
        {"oxide": 10.0},
        sources={"china_mine": source("CHN", "oxide", 1.0)},
        demand={"oxide": 3.0},
        projects=made,
        packages={"grant": {"instrument": "grant"}},
        procurement={"exclusions": [{"countries": "CHN"}]},
    )
    result = solve(plan, data, quick=True)
    share = result.tables["projects"].set_index("project").share
    assert share["open"] == 0
    assert "rules of origin close its support at every date" in set(result.tables["dropped"].reason)
    assert share["standing"] == 1
    assert result.tables["operations"].query("producer == 'standing'").output_t.sum() > 0


def test_a_plant_that_its_owner_builds_is_bound_to_nothing():
    """Without support its runs are its own; signed with a grant it runs on clean feed alone: 1 kt of oxide, 2 kt of magnets."""
    rule = back(applies_to=["support"])
    free = solve(*built(rule, grant=False, capex_musd=0.0, additional=True), quick=True)
    assert runs(free) == pytest.approx(4.0)
    paid = solve(*built(rule, capex_musd=1900.0, additional=True), quick=True)
    assert paid.tables["projects"].set_index("project").share["new"] == 1
    assert runs(paid) == pytest.approx(2.0)


@pytest.mark.parametrize(("from_year", "expected"), [(2027, 2.0), (2028, 4.0)])
def test_support_is_tested_when_it_is_signed(from_year, expected):
    """A grant signed in FY2027, before the rule, leaves the plant its feed."""
    rule = back(applies_to=["support"], from_year=from_year)
    result = solve(*built(rule, capex_musd=560.0, additional=True, life_yr=3.0), quick=True)
    assert result.tables["projects"].set_index("project").share["new"] == 1
    assert runs(result) == pytest.approx(expected)


def test_nothing_is_reserved_that_is_made_of_feed_followed_back():
    """Trap 29: a contract with a plant of modelled feed would be filled with whatever feed there is."""
    plan, data = tiny(
        {"oxide": 10.0, "magnet": 50.0},
        sources={
            "china_mine": source("CHN", "oxide", 9.0),
            "ally_plant": source("AUS", MAGNET, 4.0, kappa=0.0, lot_t_per_yr=100.0, term_yr=3.0, feed="modelled"),
            "china_magnets": source("CHN", "magnet", 9.0),
        },
        demand={"magnet": 4.0},
        scenarios=[cut("stop", 0.5, 2029.0, 1.0, materials="magnet")],
        procurement=back(),
    )
    result = solve(plan, data, quick=True)
    assert result.tables["contracts"].empty


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("applies_to", "purchase", "did you mean 'purchases'"),
        ("applies_to", "", "turns the rule on"),
        ("materials", "", "turns the rule on"),
        ("binds", "UNITED", "ISO3 codes"),
        ("to_date", "2020-01-01", "a day after from_date"),
    ],
)
def test_a_rule_that_would_do_nothing_is_a_fault(column, value, said):
    plan, data = chain()
    row = {"rule": "R1", "authority": "a statute", "switch": "law", "applies_to": "purchases", "materials": "magnet",
           "countries": "CHN", "binds": "USA", "from_date": "2027-01-01", column: value}  # fmt: skip
    with pytest.raises(InputError) as error:
        solve(plan, data.replace(origin_rules=pd.DataFrame([row])), quick=True)
    assert [(fault.column, said in fault.expected) for fault in error.value.faults] == [(column, True)]


def test_an_outside_offer_states_its_origin_or_is_closed():
    rule = {"exclusions": [{"countries": "CHN"}]}
    found = {}
    for origin in (None, "CHN", "AUS"):
        plan, data = tiny(
            {"gallium": 10.0},
            materials={"gallium": {"holding_share_per_yr": 0.01}},
            sources={"china": source("CHN", "gallium", 1.0)},
            demand={"gallium": 1.0},
            offers={"spot": offer("gallium", 1.0)},
            origins={"spot": origin},
            scenarios=[cut("stop", 0.5, 2029.0, 1.0)],
            procurement=rule,
        )
        found[origin] = bought(solve(plan, data, quick=True), "gallium")
    assert found[None] == found["CHN"] == 0.0
    assert found["AUS"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rule", "family"),
    [
        ({"countries": "USA", "materials": "magnet", "applies_to": ["purchases"]}, "purchase_origin"),
        ({"countries": "CHN", "materials": "magnet", "reach_back": True}, "clean_balance"),
    ],
)
def test_the_audit_sees_a_model_that_forgot_a_rule(rule, family, monkeypatch):
    """It reads the tables itself."""
    monkeypatch.setattr(procurement, "exclusions", lambda *_: ())
    plan, data = chain(clean_mine=0.4, procurement={"exclusions": [rule]})
    with pytest.raises(UntrustedError, match=family):
        solve(plan, data, quick=True)


@pytest.mark.parametrize(
    ("day", "month", "expected"),
    [("2027-01-01", 10, 2027.25), ("2026-10-01", 10, 2027.0), ("2026-09-30", 10, 2026.99722), ("2027-01-01", 1, 2027.0),
     ("2027-04-01", 4, 2027.0), ("2027-07-01", 7, 2028.0)],
)  # fmt: skip
def test_days_fall_into_fiscal_years(day, month, expected):
    """The American year begins in October and is named for the year it ends in, the Japanese one for the year it begins in."""
    import datetime as dt

    assert fiscal_year(dt.date.fromisoformat(day), month) == pytest.approx(expected, abs=1e-5)


def test_days_of_cover_of_what_nobody_may_sell_are_a_fault():
    """One country sells. A rule that closes it leaves nobody to buy the cover from, unless the reserve has it already."""

    def question(has=0.0, **plan):
        return imported(
            10.0,
            1.0,
            offers={"spot": offer("a", 1.0, source="far")},
            stock={"a": has},
            days_of_cover=[{"material": "a", "days": 36.5, "from_year": 2028}],
            **plan,
        )

    closed = {"procurement": {"exclusions": [{"countries": "CHN", "materials": "a"}]}}
    with pytest.raises(PlanError, match=r"days_of_cover\.0\.material .* close every offer"):
        solve(*question(**closed), quick=True)
    assert solve(*question(has=0.1, **closed), quick=True).audited.passed
    assert bought(solve(*question(), quick=True), "a") == pytest.approx(0.1)


def allied(
    origins: str = "CHN AUS", shares: str = "0.6 0.4", basis: str = "imports", **more: Any
) -> tuple[Any, Dataset]:
    """A Korean separator fills the demand of 4 kt; China stops half of what it sells in the second year."""
    more = {"scenarios": [cut("stop", 0.5, 2028.0, 1.0, share=0.5)], **more}
    sources = {"far": source("CHN", "a", 9.0, premium_share=0.2), "ally": source("AUS", "a", 4.0, kappa=1.0)}
    plan, data = imported(10.0, **{"sources": sources, "demand": {"a": 4.0}, **more})
    row = {"producer": "ally", "origins": origins, "shares": shares, "basis": basis}
    return plan, data.replace(feed_origins=pd.DataFrame([row]))


@pytest.mark.parametrize(
    ("origins", "shares", "left"),
    [
        ("CHN AUS", "0.6 0.4", 0.7),
        ("CHN", "1", 0.5),
        ("AUS", "1", 1.0),
        ("CHN", "0.6", 0.7),
        ("AUS CHN USA", "0.2 0.5 0.3", 0.75),
    ],
)
def test_an_ally_delivers_what_its_other_feed_allows(origins, shares, left):
    result = solve(*allied(origins, shares), quick=True)
    assert ran(result, "ally", "stop", "2028") == pytest.approx(4.0 * left)
    assert ran(result, "ally", "stop", "2029") == pytest.approx(4.0)


def test_a_contract_is_no_more_than_the_feed_behind_it():
    """An ally who keeps everything to himself in a crisis serves what was signed, of the feed that he has left."""
    terms = {"kappa": 0.0, "lot_t_per_yr": 1.0, "fee_usd_per_kg": 0.01, "term_yr": 10.0}
    sources = {"far": source("CHN", "a", 9.0), "ally": source("AUS", "a", 4.0, **terms)}
    more: dict[str, Any] = {"sources": sources, "scenarios": [cut("stop", 0.5, 2028.0, 1.0)]}
    assert ran(solve(*allied(**more), quick=True), "ally", "stop", "2028") == pytest.approx(1.6)


def test_what_the_hazard_says_counts_where_it_is_more():
    for stated, left in ((0.2, 0.7), (0.5, 0.5)):
        scenarios = [cut("stop", 0.5, 2028.0, 1.0, share=0.5, third_country_cut_share=stated)]
        result = solve(*allied(scenarios=scenarios), quick=True)
        assert ran(result, "ally", "stop", "2028") == pytest.approx(4.0 * left)


def test_feed_is_left_alone_where_the_plan_says_so_but_for_what_is_declared():
    """Neutral value: published imports do not count, as if there were no row; a declared share does."""
    plan, data = allied(unpublished_feed="hazard")
    bare = Dataset({k: v for k, v in data.tables.items() if k != "feed_origins"}, data.name)
    assert solve(plan, data, quick=True).outcome == solve(plan, bare, quick=True).outcome
    declared = allied(basis="declared", unpublished_feed="hazard")
    assert ran(solve(*declared, quick=True), "ally", "stop", "2028") == pytest.approx(2.8)


def test_imports_of_a_country_say_nothing_of_a_clean_producer():
    """Unpublished stays unpublished to a rule of origin, whatever its country imports."""
    rule = {"exclusions": [{"countries": "RUS", "materials": "a", "reach_back": True}]}
    for basis, open_to in (("declared", True), ("imports", False)):
        plan, data = allied("AUS", "1", basis, procurement=rule)
        problem = prepare(plan, data)
        assert bool(problem.natural.procurement.clean[problem.natural.producers.index("ally")]) == open_to


def test_the_audit_sees_feed_that_is_not_cut():
    plan, data = allied()
    loose = prepare(plan.model_copy(update={"unpublished_feed": "hazard"}), data)
    solution = extract(loose.structure, loose.assembly, optimise(loose, gap=0.0, time_limit_s=60.0).x)
    spoilt = replace(loose, natural=replace(loose.natural, plan=plan))
    found = {one.family: one.holds for one in audit(spoilt, solution).residuals}
    assert not found["feed_cut"]


@pytest.mark.parametrize("shares", ["0.6", "0.6 0.6", "60 40", "0.6 x"])
def test_shares_that_do_not_fit_are_refused(shares):
    with pytest.raises(InputError, match="2 shares, one for each origin"):
        solve(*allied(shares=shares), quick=True)


@pytest.mark.parametrize(("kind", "left"), [("embargo", 0.7), ("licence", 1.0)])
def test_a_licence_asks_who_buys(kind, left):
    """Makers elsewhere keep the feed that a licence stop on the home does not touch."""
    hazard = {**hazard_row("stop", "a", 0.1, cut_share=0.5), "kind": kind}
    events = [{"name": "stop", "probability": 0.5, "events": [{"hazard": "stop", "start_year": 2028.0}]}]
    plan, data = allied(scenarios=events)
    result = solve(plan, data.replace(hazards=pd.DataFrame([hazard])), quick=True)
    assert ran(result, "ally", "stop", "2028") == pytest.approx(4.0 * left)
