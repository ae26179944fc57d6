"""Several homes in one question: what is common stands once, what is a home's own stays its own, what is shared is counted once."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, Plan, check, solve, verify
from strategic_minerals.audit.accounts import COMMON, costs_by_home, open_accounts, social_cost
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.references import home_references
from strategic_minerals.question.together import Taken, joint_question
from strategic_minerals.world.scenarios import build_scenarios
from support.allied import allied, event, home_tables, tonnes
from support.tiny import project, source

pytestmark = pytest.mark.long

near = pytest.approx
Homes = dict[str, Dataset]


def both(**changes: Any) -> Homes:
    """Two homes, of which Australia loses half as much by a tonne missing; changes: of both."""
    return {"USA": home_tables("USA", loss=100.0, **changes), "AUS": home_tables("AUS", loss=50.0, **changes)}


STRUCK = {"both": (0.5, [event("ore")])}
US_ALONE = {"ban": (0.5, [event("USA.ore")])}


def solved(plan: Plan, homes: Homes, coalition: tuple[str, ...] | None = None, taken: Taken | None = None) -> Any:
    return solve(*joint_question(plan, homes, coalition, taken), gap=0.0, quick=True)


def worth(plan: Plan, homes: Homes, *coalition: str, taken: Taken | None = None) -> float:
    return float(solved(plan, homes, coalition or None, taken).figures.value("worth_musd"))


def test_doing_nothing_costs_as_much_together_as_apart() -> None:
    homes, plan = both(stock=0.5), allied(STRUCK)
    apart = sum(solved(plan, homes, (home,)).figures.value("do_nothing_musd") for home in homes)
    assert solved(plan, homes).figures.value("do_nothing_musd") == near(apart)
    # each goes short of half a kt in one of two courses: (100 + 50 + 2 * 10) * 0.5 kt * 0.5 beside what users pay
    assert solved(plan, homes).figures.value("expected_loss_without_musd") == near(0.25 * (110 + 60))


PLAIN = {"material": "*", "segment": "civil", "tier": 1, "share": 1.0, "loss_multiplier": 1.0}
DEAR = [PLAIN | {"loss_multiplier": 3.0}]
LATE = [{"project": "*", "age_yr": 0, "ramp_share": 0.25}, {"project": "*", "age_yr": 1, "ramp_share": 0.5}]


@pytest.mark.parametrize(("more", "others"), [({"tiers": DEAR}, {"tiers": [PLAIN]}), ({"ramps": LATE}, {})])
@pytest.mark.parametrize("whose", ["USA", "AUS"])
def test_what_one_home_says_of_all_that_is_its_own_holds_for_no_other(whose: str, more: Any, others: Any) -> None:
    plant = {"cash_usd_per_kg": 9.0, "committed": True}
    homes = {
        home: home_tables(
            home,
            projects={f"of_{home}": project("ore", 0.1, country=home, **plant)},
            more=more if home == whose else others,
        )
        for home in ("USA", "AUS")
    }
    plan = allied({"both": (0.5, [event("ore", 2029.0)])}, together={"joint_stock": "none"})
    apart = [solved(plan, homes, (home,)).figures.value("do_nothing_musd") for home in homes]
    assert solved(plan, homes).figures.value("do_nothing_musd") == near(sum(apart))


def test_what_a_home_owes_is_owed_together_and_packages_of_one_name_are_one() -> None:
    signed = {"commitment": "x", "kind": "contract", "item": "mine", "producer": "mine", "signed_year": 2026}
    due = {"commitment": "x", "fiscal_year": 2028, "payment": "fee", "amount_musd": 7.0}
    homes = both() | {"USA": home_tables("USA", more={"commitments": [signed], "payments_due": [due]})}
    assert solved(allied(STRUCK), homes).tables["budget"].signed_before_musd.tolist() == [0.0, 7.0, 0.0]
    grant = {"package": "help", "instrument": "grant", "offtake_share": 0.0}
    homes = {
        home: home_tables(home, more={"packages": [grant | {"offtake_share": share}]})
        for home, share in (("USA", 0.0), ("AUS", 1.0))
    }
    with pytest.raises(InputError, match=r"AUS/packages\.csv:help  offtake_share  found 1\.0; expected 0\.0"):
        joint_question(allied(STRUCK), homes)


@pytest.mark.parametrize("channel", [False, True])
def test_prices_that_each_home_moves_for_itself_are_noted(channel: bool) -> None:
    response = {"material": "ore", "trade_t_per_yr": tonnes(10.0), "supply_elasticity": 0.5, "demand_elasticity": 0.5}
    homes = both(more={"price_responses": [response]})
    noted = solved(allied(STRUCK, price_channel=channel), homes).tables["notes"]
    assert (noted.kind == "markets apart").sum() == channel


def stocked() -> Homes:
    """Australia has half a kt; American users lose 100 USD/kg by going short and Australians 50."""
    return {"USA": home_tables("USA", loss=100.0), "AUS": home_tables("AUS", loss=50.0, stock=0.5)}


def test_stock_goes_where_a_tonne_spares_most_and_who_receives_it_pays_the_freight() -> None:
    """On paper: all goes to American users: it spares 50 M in one of two courses, less the freight of 1 USD/kg. What Americans pay
    the reserve for a tonne cancels; Australians go short instead of them."""
    homes, plan = stocked(), allied(STRUCK, freight=1.0)
    assert worth(plan, homes) == near(0.5 * 0.5 * (100 - 50 - 1))
    result = solved(plan, homes)
    moved = result.tables["transfers"]
    assert dict(zip(moved.material, moved.sent_t, strict=True)) == {"USA.ore": 0.0, "AUS.ore": near(500)}
    assert dict(zip(moved.material, moved.received_t, strict=True)) == {"USA.ore": near(500), "AUS.ore": 0.0}
    assert ({*moved.scenario}, {*moved.period}) == ({"both"}, {"2028"})
    problem = prepare(result.plan, result.data)
    after = costs_by_home(open_accounts(problem, result.solution))
    before = costs_by_home(open_accounts(problem, result.reference))
    assert before["USA"] - after["USA"] == near(0.25 * (110 - 1))
    assert before["AUS"] - after["AUS"] == near(-0.25 * 60)


def test_shares_are_divided_before_the_disruption_or_not_at_all() -> None:
    """Nothing is moved in a disruption; before it, Australia gives its stock to whom it spares more, in the first year."""
    plan = allied(STRUCK, freight=1.0, together={"joint_stock": "by_share"})
    assert {*solved(plan, stocked()).tables["transfers"].period} == {"2027"}
    # the freight is paid whatever happens then
    assert worth(plan, stocked()) == near(0.5 * (0.5 * 50 - 1))
    assert worth(allied(STRUCK, together={"joint_stock": "none"}), stocked()) == near(0.0)


def test_one_home_is_struck_and_the_stock_of_another_helps() -> None:
    """A ban on one home does not touch the other's market: its users take no stock and need none."""
    homes = {"USA": home_tables("USA"), "AUS": home_tables("AUS", stock=1.0)}
    assert worth(allied(US_ALONE), homes) == near(0.5 * 100)
    assert {*solved(allied(US_ALONE), homes).tables["shortfalls"].material} <= {"USA.ore"}
    assert worth(allied(US_ALONE), homes, "AUS") == near(0.0)


def test_a_joint_run_folder_is_verified(tmp_path: Path) -> None:
    """Proves: what is stored of a plan of several homes is a question of its own, worked out again from the folder alone."""
    homes, plan = both(stock=0.5, depth=1.0), allied(STRUCK, freight=1.0)
    solved(plan, homes).save(tmp_path / "run")
    assert verify(tmp_path / "run").facts["objections"] == ()


def sellers(depth: float) -> dict[str, list[dict[str, Any]]]:
    return {"sellers": [{"seller": "spot", "from_year": 2027, "depth_t_per_yr": tonnes(depth)}]}


def test_offers_of_one_name_share_what_their_seller_has() -> None:
    """Each could buy 1 kt in the first year alone, both together 1.2: the rest goes to whom it spares less."""
    homes = both(depth=1.0, more=sellers(1.2))
    assert worth(allied(STRUCK), homes, "USA") == near(0.5 * 100)
    assert worth(allied(STRUCK), homes, "AUS") == near(0.5 * 50)
    assert worth(allied(STRUCK), homes) == near(0.5 * (100 + 0.2 * 50))
    bought = solved(allied(STRUCK), homes).tables["acquisitions"]
    assert bought[bought.fiscal_year == 2027].acquired_t.sum() <= tonnes(1.2) * (1 + 1e-9)
    taken = Taken(purchases={("spot", 2027): tonnes(1.0)})  # what others have bought is gone
    assert worth(allied(STRUCK), homes, "AUS", taken=taken) == near(0.5 * 0.2 * 50)


def built(home: str, part: float, capex: float) -> Dataset:
    """A home that could build its part of a plant in Canada, ready before the disruption."""
    plant = project(
        "ore", part, country="CAN", capex_musd=capex, hurdle_rate=0.0, cash_usd_per_kg=10.0, additional=True
    )
    packages = [{"package": "grant", "instrument": "grant", "offtake_share": 1.0}]
    return home_tables(home, projects={"plant": plant}, more={"packages": packages})


def test_a_plant_that_two_homes_name_is_built_once() -> None:
    """One plant of 1 kt for 30 M; alone each has what the other leaves. Together they pay once, and each user draws on it."""
    homes = {"USA": built("USA", 1.0, 30.0), "AUS": built("AUS", 0.6, 18.0)}
    plan = allied(STRUCK, residual=0.0)
    together = solved(plan, homes)
    assert list(together.tables["projects"].project) == ["plant"]
    spare = together.figures.value("shortage_avoided_musd")
    assert spare == near(0.5 * 110 * 1.0)  # 1 kt in the year of the disruption, however it is divided
    alone = solved(plan, homes, ("AUS",))
    assert list(alone.tables["projects"].project) == ["AUS.plant"]
    assert alone.figures.value("shortage_avoided_musd") == near(0.5 * 110 * 0.6)
    rest = solved(plan, homes, ("AUS",), Taken(plants={"plant": tonnes(0.7)}))
    assert rest.figures.value("shortage_avoided_musd") == near(0.5 * 110 * 0.3)
    assert not len(solved(plan, homes, ("AUS",), Taken(plants={"plant": tonnes(1.0)})).tables["projects"])


def with_form(data: Dataset) -> Dataset:
    """A home that asks its plant for a qualified form of ore."""
    named = {"materials": {"material": "form", "name": "Form", "qualified_of": "ore", "qualified_users": "civil"}}
    more = named | {"prices": {"material": "form"}}
    of_ore = {table: data.frame(table).query("material == 'ore'").assign(**cells) for table, cells in more.items()}
    grown = {table: pd.concat([data.frame(table), rows]) for table, rows in of_ore.items()}
    return data.replace(**grown, qualifications=pd.DataFrame([{"material": "form", "producer": "plant"}]))


def test_what_a_joint_plant_hands_over_is_qualified() -> None:
    """Proves: users take the form from what the plant gives their home; of a plant that others have taken nothing is asked."""
    homes = {home: with_form(built(home, 1.0, 30.0)) for home in ("USA", "AUS")}
    plan = allied(STRUCK, materials=["ore", "form"])
    joint = joint_question(plan, homes)
    makers = {row.producer for row in joint[1].rows("qualifications")}
    assert makers == {"plant.ore.to.USA", "plant.ore.to.AUS"}
    assert check(*joint).faults == ()
    taken = joint_question(plan, homes, ("AUS",), Taken(plants={"plant": tonnes(1.0)}))
    assert (taken[1].rows("qualifications"), check(*taken).faults) == ((), ())


def test_costs_of_the_homes_add_up_and_are_those_of_homes_apart() -> None:
    """Where nothing is shared, what the joint plan gains each home is what its own plan is worth."""
    homes, plan = both(depth=1.0), allied(STRUCK, together={"joint_stock": "none"})
    result = solved(plan, homes)
    problem = prepare(result.plan, result.data)
    after = costs_by_home(open_accounts(problem, result.solution))
    before = costs_by_home(open_accounts(problem, result.reference))
    assert sum(after.values()) == near(sum(social_cost(problem, result.solution).values()))
    assert after[COMMON] == near(0.0, abs=1e-9)
    for home in homes:
        assert before[home] - after[home] == near(worth(plan, homes, home))


def hazards(home: str) -> dict[str, list[dict[str, Any]]]:
    common: dict[str, Any] = {"kind": "embargo", "countries": "CHN", "materials": "ore", "rate_per_yr": 0.5}
    common |= {"duration_yr": 1.0, "cut_share": 1.0}
    rows = [{"hazard": "stop", "name": "stop", **common}]
    if home == "AUS":
        rows.append({"hazard": "ban", "name": "ban on Australia", **common, "rate_per_yr": 0.3})
    return {"hazards": rows}


def test_draws_are_the_same_whoever_plans_together() -> None:
    """Hazards are drawn once for all: an embargo strikes every home on the same day, a ban on one home that home alone."""
    homes = {home: home_tables(home, more=hazards(home)) for home in ("USA", "AUS")}
    plan = allied({}, sample={"scenarios": 32, "seed": 1})
    found = {}
    for coalition in (("USA",), ("AUS",), ("USA", "AUS")):
        problem = prepare(*joint_question(plan, homes, coalition))
        drawn = build_scenarios(problem.natural, problem.data)
        found[coalition] = [[(e.label, e.start, e.duration, e.materials) for e in events] for events in drawn.events]
    assert found["USA",] == found["AUS",] == found["USA", "AUS"]
    struck = {label: materials for events in found["USA", "AUS"] for label, _, _, materials in events}
    assert struck == {"stop": "USA.ore AUS.ore", "ban": "AUS.ore"}


def test_homes_that_disagree_on_a_hazard_are_told() -> None:
    homes = {home: home_tables(home, more=hazards(home)) for home in ("USA", "AUS")}
    homes["AUS"] = homes["AUS"].replace(hazards=homes["AUS"].frame("hazards").assign(cut_share=0.5))
    with pytest.raises(
        InputError, match=r"homes/AUS/hazards.csv:stop .*cut_share.*0.5.*expected 1.0, as in the tables of USA"
    ):
        joint_question(allied({}), homes)


def test_what_is_one_homes_leaves_the_others_plans_whole() -> None:
    """Proves: packages, projects, events and days of cover of one home alone are no fault of a coalition without it."""
    homes = {"USA": built("USA", 1.0, 30.0), "AUS": home_tables("AUS")}
    plan = allied(
        {"ban": (0.5, [event("USA.ore")])},
        instruments={"packages": ["grant"], "project_list": ["plant"]},
        days_of_cover=[{"material": "USA.ore", "days": 0, "from_year": 2028}],
    )
    alone, data = joint_question(plan, homes, ["AUS"])
    assert not alone.instruments.projects
    assert alone.instruments.packages == ("none",)
    assert alone.days_of_cover == ()
    assert alone.scenarios[0].events[0].cut_share == 0
    assert solve(alone, data, quick=True).figures.value("worth_musd") == near(0.0)
    assert list(solved(plan, homes).tables["projects"].project) == ["USA.plant"]


def test_a_rule_of_origin_binds_whom_it_binds() -> None:
    """American law excludes China: the American reserve may not buy there, the Australian one may."""
    rule = {"rule": "R1", "authority": "law", "switch": "law", "binds": "USA", "applies_to": "purchases"}
    rule |= {"materials": "ore", "countries": "CHN"}
    sources = {"mine": source("CHN", "ore", 2.0)}
    homes = {}
    for home in ("USA", "AUS"):
        data = home_tables(home, depth=1.0, sources=sources, more={"origin_rules": [rule]})
        homes[home] = data.replace(offers=data.frame("offers").assign(source_producer="mine", crisis_availability=None))
    plan = allied(STRUCK, procurement={"law": True}, together={"joint_stock": "none"})
    assert {*solved(plan, homes).tables["acquisitions"].material} == {"AUS.ore"}


def test_rules_hold_for_every_member_or_for_one() -> None:
    homes, cover = both(depth=1.0), {"days": 30, "from_year": 2028}
    quota = {"name": "c", "countries": "CHN", "cut_share": 0.1, "until_year": 2028.0}
    plan = allied(
        {},
        days_of_cover=[{**cover, "material": "ore"}, {**cover, "material": "AUS.ore", "days": 60}],
        stock_rules=[{"material": "ore", "from_lost_share": 0.1}],
        controls=[
            {**quota, "materials": "ore", "cut_shares": {"AUS.ore": 0.3, "ore": 0.2}},
            {**quota, "materials": "AUS.ore", "name": "a"},
        ],
    )
    joint, _ = joint_question(plan, homes)
    days = [("USA.ore", 30.0), ("AUS.ore", 30.0), ("AUS.ore", 60.0)]
    assert [(rule.material, rule.days) for rule in joint.days_of_cover] == days
    assert [rule.material for rule in joint.stock_rules] == ["USA.ore", "AUS.ore"]
    assert joint.controls[0].materials == "USA.ore AUS.ore"
    assert joint.controls[0].cut_shares == {"USA.ore": 0.2, "AUS.ore": 0.3}
    alone, _ = joint_question(plan, homes, ["USA"])
    assert [control.name for control in alone.controls] == ["c"]
    assert alone.budget.appropriation_musd == near(0.5 * plan.budget.appropriation_musd)  # type: ignore[operator]


def test_a_member_has_its_own_loss_function() -> None:
    homes = both()
    rows = homes["AUS"].frame("loss_functions")
    homes["AUS"] = homes["AUS"].replace(
        loss_functions=pd.concat([rows, rows.assign(loss_function="high", loss_usd_per_t=80_000.0)])
    )
    members = [{"home": "USA", "money_share": 0.5}, {"home": "AUS", "money_share": 0.5, "loss_function": "high"}]
    _, data = joint_question(allied({}, together={"members": members}), homes)
    losses = {row.material: row.loss_usd_per_t for row in data.rows("loss_functions")}
    assert losses == {"USA.ore": 100_000.0, "AUS.ore": 80_000.0}


@pytest.mark.parametrize("home", ["USA", "ALL"])
def test_a_home_of_the_same_members_as_another_is_itself(home: str) -> None:
    """Two rows of `homes` with the same members: the plan says which of them it means, no order of rows."""
    data = home_tables("USA")
    same = pd.DataFrame([{**data.frame("homes").iloc[0].to_dict(), "home": name} for name in ("USA", "ALL")])
    plan = allied(STRUCK).model_copy(update={"home": home})
    assert not list(home_references(plan, data.replace(homes=same)))
