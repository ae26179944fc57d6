"""The first screen of an answer: its length and order, its figures the same on every surface, and what the planner asked."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Plan, Result, Runner, load_dataset, load_plan, shipped, solve
from strategic_minerals.answer.brief import LINES, WIDTH, _Sentences
from strategic_minerals.answer.notes import come_with, touching
from strategic_minerals.answer.summary import _without
from strategic_minerals.cli.main import _solved
from strategic_minerals.core.formats import chance, rounded, within
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import trunk_alone
from strategic_minerals.page.page import report
from strategic_minerals.question.load import load_question
from strategic_minerals.studies.lived import _listed, _Pool
from strategic_minerals.studies.questions import own_rows, own_statements
from strategic_minerals.studies.stress import met, met_own, stages_of
from strategic_minerals.world.events import UNNAMED
from support.drawn_cases import deciding
from support.one_mineral import one_mineral
from support.tiny import FIRST, cut, imported, offer, project

FEW = {"samples": 4, "scenarios": 64, "gap": 1e-6}
HEADINGS = ["SIGN AND BUY", "HOLD", "LATER", "IT TURNS ON", "ALREADY OWED", "NOT PROTECTED", "HOW SURE", "More: "]


@pytest.fixture(scope="module")
def lived() -> Result:
    return solve(*deciding(), **FEW)


@pytest.fixture(scope="module")
def asked() -> Result:
    """The shipped first plan with a planner's own promise, floor, rule and scenario."""
    plan, data = load_question(Path("quickstart"))
    told = plan.to_toml_like()
    told["scenarios"][0]["design_basis"] = True
    told["scenarios"].append(
        {
            "name": "mine",
            "probability": 0.04,
            "events": [{"hazard": "ga_ge_sb_ban", "start_year": 2029.0, "duration_years": 1.0, "cut_share": 0.5}],
        }
    )
    told["service_levels"] = [
        {"material": "germanium", "segment": segment, "level": level, "scenarios": ["ban-2028"]}
        for segment, level in (("defence", 0.75), ("other", 0.6))
    ]
    told["days_of_cover"] = [{"material": "gallium", "days": 60, "from_year": 2029}]
    told["instruments"]["price_floors"] = [{"material": "gallium", "levels_usd_per_kg": [500], "term_years": 10}]
    return solve(Plan.model_validate(told), data)


def test_the_screen_is_short_and_in_the_order_in_which_a_minister_asks(lived: Result, asked: Result) -> None:
    """Proves: at most 30 lines of 100 characters, first the recommendation, then what to sign, hold, decide, and what that hangs
    on; of a tested plan with the figures of the futures that it was lived through, else with a word that it was not tested."""
    for result in (lived, asked):
        screen, _, _ = result.summary().partition("\n\nYOUR QUESTIONS")
        lines = screen.splitlines()
        assert len(lines) <= LINES
        assert max(map(len, lines)) <= WIDTH
        places = [next(n for n, line in enumerate(lines) if line.startswith(head)) for head in HEADINGS]
        assert places == sorted(places)
    assert "it was tested in no others" in asked.brief.recommendation
    row = lived.tables["sample_gap"].iloc[0]
    assert f"the gain is {rounded(row.worth_musd)} M" in lived.brief.recommendation
    assert f"{rounded(float(row.loss_musd))} M of losses remain" in lived.summary()
    assert lived.tables["remaining"].loss_musd.sum() == pytest.approx(row.loss_musd)
    quick = solve(*deciding(), quick=True)
    assert quick.brief.recommendation.startswith("QUICK ANSWER, not tested")


def test_every_surface_says_the_same(lived: Result, tmp_path: Path) -> None:
    """Proves: the sentences of the screen stand word for word on the page, on the sheet, in the notebook and in the folder; each
    amount in its tables is that of the tables of the result, which JSON has."""
    lived.save(tmp_path / "run")
    folder = (tmp_path / "run" / "summary.txt").read_text(encoding="utf-8")
    page, sheet = report(lived), report(lived, brief=True)
    brief = lived.brief
    told = [brief.recommendation, *(text for _, text in brief.points)]
    for text in (html.unescape(re.sub(r"<[^>]*>", "", part)) for part in (page, sheet, lived._repr_html_())):
        flat = re.sub(r"\s+", " ", text).casefold()
        for sentence in told:
            assert sentence.replace("`", "").casefold() in flat.replace("`", "")
    assert re.sub(r"\s+", " ", folder).count(brief.recommendation) == 1
    content = json.loads(json.dumps(_solved(lived)))
    first = next(act for act in content["act_now"]["acts"] if act["through_year"] == 2027)
    step = brief.steps[0]
    assert step.amount == f"{first['chosen']:,.0f} t"
    assert step.musd == pytest.approx(first["budget_musd"] + first["later_musd"])
    targets = lived.tables["stock_by_year"].set_index("fiscal_year").target_t
    assert brief.held[0].targets == tuple(targets[year] for year in brief.years)


@pytest.mark.long
@pytest.mark.parametrize("money", [200.0, 0.0])
def test_a_plant_that_needs_no_money_is_on_the_screen_all_the_same(money: float) -> None:
    """Proves: of a plant that is built once the plan asks for it, without support, the screen and its first sentence say so."""
    plant = project("a", 3.0, capex_musd=100.0, cash_usd_per_kg=60.0, additional=True)
    case: dict[str, Any] = {"projects": {"A": plant}, "packages": {"grant": {"instrument": "grant"}}, "years": 4}
    case |= {"instruments": {"signing_years": [2027]}, "loss": 340.0, "money": money}
    result = solve(*imported(120.0, scenarios=[cut("stop", 0.2, 2028, 2)], **case), gap=0.0, quick=True)
    assert result.tables["projects"][["package", "baseline"]].to_numpy().tolist() == [["none", False]]
    text = result.summary()
    assert "approve A" in text.partition(".")[0]
    assert "no money needed" in text
    assert "Do nothing new" not in text
    plan, data = deciding()
    plan = plan.model_copy(update={"instruments": result.plan.instruments})
    data = data.replace(**{name: result.data.frame(name) for name in ("projects", "packages", "instruments")})
    made = data.replace(yields=pd.concat([data.frame("yields"), result.data.frame("yields").query("producer == 'A'")]))
    tested = solve(
        plan, made.replace(projects=made.frame("projects").assign(capex_musd=0.0, cash_usd_per_kg=9.0)), **FEW
    )
    assert "approve A" in tested.summary()


@pytest.mark.parametrize(
    ("ends", "words"),
    [(0.5, "stops paying if a missing tonne costs, beyond its price,"), (np.nan, "pays at every loss")],
)
def test_the_first_sentences_say_where_a_large_part_of_the_gain_ends(lived: Result, ends: float, words: str) -> None:
    """Proves: an item that most of the gain rests on is named with the figure that ends it, or with the word that none does."""
    rows = lived.tables["depends"]
    plan = rows[(rows.kind == "plan") & (rows.figure == "loss")]
    item = plan.assign(kind="mineral", item="a", worth_musd=0.9 * plan.worth_musd, flips_at=ends)
    told = replace(lived, tables={**lived.tables, "depends": pd.concat([plan, item], ignore_index=True)}).summary()
    first = " ".join(told.partition("SIGN AND BUY")[0].split())
    assert "90% of the gain rests on" in first
    assert f"; it {words}" in first


@pytest.mark.long
def test_an_answer_stops_paying_where_it_says(lived: Result) -> None:
    """Proves: the rate of the stop at which the plan is said to be worth nothing is the one at which it is, lived through new
    futures drawn at that rate; a loss below the one named turns the worth, one above does not."""
    table = lived.tables["depends"]
    whole = table[table.kind == "plan"].set_index("figure")
    rate = float(whole.flips_at["rate_per_yr"])
    plan, data = lived.plan, lived.data
    hazards = data.frame("hazards")

    def worth(factor: float, loss: float = 1.0) -> float:
        losses = data.frame("loss_functions")
        other = data.replace(
            hazards=hazards.assign(rate_per_yr=rate * factor if factor else hazards.rate_per_yr),
            loss_functions=losses.assign(loss_usd_per_t=losses.loss_usd_per_t * loss),
        )
        nothing, done = (plan, trunk_alone(lived.reference)), (plan, trunk_alone(lived.solution))
        return sum(one.worth[0] for one in met(stages_of(other, nothing, [done]), 256, [1, 2, 3])) / 3

    assert abs(worth(1.0)) < 0.05 * float(whole.worth_musd.iloc[0])
    assert worth(0.7) < 0 < worth(1.4)
    flips = float(whole.flips_at["loss"])
    assert worth(0.0, 0.9 * flips) < 0 < worth(0.0, 1.1 * flips)


def test_listed_scenarios_turn_a_plan_at_the_probability_that_is_named() -> None:
    """Proves: of a plan with two futures worth w with the event and -c without, p w = (1 - p) c gives the probability."""
    plan, data = one_mineral(110.0)
    result = solve(plan, data, gap=0.0)
    rows = result.tables["depends"]
    turned = rows[(rows.figure == "probability") & rows.flips_at.notna()]
    assert "*" in set(turned.hazard)
    for row in turned.itertuples():
        told = plan.to_toml_like()
        for scenario in told["scenarios"]:
            if row.hazard in ("*", scenario["name"]):
                scenario["probability"] *= row.flips_at / row.value
        rest = [one for one in told["scenarios"] if row.hazard not in ("*", one["name"])]
        for scenario in rest:
            scenario["probability"] *= (1 - row.flips_at) / (1 - row.value)
        other = Plan.model_validate(told)
        there = met_own(replace(result, plan=other), prepare(other, data))
        assert abs(there.worth[0]) < 1e-6 * float(row.worth_musd)


@pytest.mark.parametrize(
    ("worth", "flips", "side", "there"),
    [(9, 0.3, "less", "saves"), (9, 0.86, "more", "costs"), (-9, 0.86, "more", "saves")],
)
def test_a_chance_that_turns_the_answer_says_what_its_scenarios_do(
    worth: float, flips: float, side: str, there: str
) -> None:
    """Proves: what pays unless its scenarios are less likely saves in them, what pays unless they are more likely costs in them."""
    result = solve(*one_mineral(110.0), gap=0.0)
    row = {"kind": "plan", "item": "", "worth_musd": worth, "figure": "probability", "hazard": "*"}
    row |= {"value": 0.6, "flips_at": flips, "low": np.nan, "high": np.nan}
    told = replace(result, tables={**result.tables, "depends": pd.DataFrame([row])}).summary()
    assert f"are together {side} likely than {flips:.0%} (assumed 60%; when they come, this {there} more" in re.sub(
        r"\s+", " ", told
    )


def test_a_full_screen_keeps_what_decides(lived: Result) -> None:
    """Proves: where the screen is full, what comes later and is owed anyway ends early, each after a clause or a word outside
    brackets; the flips, the cost of waiting and what defence lacks stay."""
    long = " ".join(f"clause {n} of several (words; in brackets) ends her{'e' * n};" for n in range(12))
    texts = {name: f"first of {name}; {long}" for name, _ in lived.brief.points}
    texts["IT TURNS ON"] = f"flips; {'x' * 60} {'y' * 60} {'z' * 60}."
    lines = replace(lived.brief, points=tuple(texts.items()), answers=()).text().splitlines()
    assert (len(lines) <= LINES, max(map(len, lines)) <= WIDTH) == (True, True)
    assert any(line.startswith("  zzz") for line in lines)
    assert sum(": first of" in line for line in lines) == len(texts) - 1
    assert {line.count("(") - line.count(")") for line in lines if line.endswith(" ...")} == {0}


def test_samples_of_different_lengths_go_together() -> None:
    """Proves: of two samples, of which one has a draw more, the listed scenario is found in each: .2 of all, which gains 30 where
    the rest loses 3, so that p 30 = (1 - p) 3."""
    plan, _ = one_mineral(110.0)
    name = plan.scenarios[0].name
    names = [name, "draw-1", "draw-2", name, "draw-1"]
    pi = np.array([0.1, 0.2, 0.2, 0.1, 0.4])
    pool = _Pool(pi, np.array([one != name for one in names]), [], {})
    found = list(_listed(plan, pool, np.where(pool.drawn, -3.0, 30.0), names))
    assert found[0][0] == name
    assert found[0][1:] == pytest.approx((0.2, 3 / 33))


def test_a_planners_own_questions_are_answered(asked: Result) -> None:
    """Proves: each promise, rule, floor and scenario of the planner's own has a line: kept or not with its margin, chosen or not
    with what that is worth; the shipped plan has none."""
    answers = {row.question: row.answer for row in asked.tables["own_questions"].itertuples()}
    assert len(answers) == 6  # one of the shipped scenarios was changed too
    assert "NOT by the rule of release, which serves" in next(
        text for name, text in answers.items() if name.startswith("60%")
    )
    broken = asked.brief.recommendation.partition("NOT KEPT as it is lived: ")[2].partition(".")[0]
    assert broken == next(name for name in answers if name.startswith("60%"))
    promise = next(text for name, text in answers.items() if name.startswith("75%"))
    assert promise.startswith("kept: at least ")
    served = float(re.search(r"at least ([\d.]+)%", promise)[1])  # type: ignore[index]
    assert f"{served - 75:.2g} points to spare" in promise
    rule = next(text for name, text in answers.items() if "days of net imports" in name)
    floor = next(text for name, text in answers.items() if "floor" in name)
    assert floor.startswith("no: with it (at 500 USD/kg) the plan is ")
    plan, data = load_question(Path("quickstart"))
    assert own_statements(plan, data) == []
    few = asked.plan.model_copy(update={"days_of_cover": 30 * asked.plan.days_of_cover})
    more = own_rows(replace(asked, plan=few), prepare(few, asked.data)).iloc[-1]
    assert (more.question, more.answer) == ("11 more of your own entries", "not answered: 24 at most are")
    plan = load_plan("japan").model_copy(update={"name": "own"})
    assert own_statements(plan, load_dataset(shipped("inputs"), "JPN")), "in every home"
    costs = float(re.search(r"costs ([\d.]+) M", rule)[1])  # type: ignore[index]
    told = asked.plan.model_copy(update={"days_of_cover": ()})
    freed = solve(told, data, quick=True)
    assert float(freed.figures.value("worth_musd")) - asked.figures.value("worth_musd") == pytest.approx(costs, rel=0.1)


def test_a_hazard_of_other_materials_is_no_cause() -> None:
    """Proves: of a plan for germanium no outage at a maker of rare earths is named, whatever comes with it in few scenarios."""
    plan = load_plan("quickstart").model_copy(update={"materials": ("germanium",)})
    known = touching(plan, load_dataset(shipped("inputs"), "USA"))
    assert {"ga_ge_sb_ban", UNNAMED} <= known
    assert "lynas_outage" not in known
    table = pd.DataFrame({"probability": [0.5, 0.5], "hazards": ["lynas_outage", "ga_ge_sb_ban lynas_outage"]})
    assert come_with(table, pd.Series([0.0, 10.0]), known) == {"ga_ge_sb_ban": pytest.approx(5.0)}
    everything = plan.model_copy(update={"materials": ("*",)})
    used = load_dataset(shipped("inputs"), "USA")
    germanium = used.rows("demand")[0].model_copy(update={"material": "germanium"})
    assert "lynas_outage" in touching(everything, used)
    assert "lynas_outage" not in touching(everything, replace(used, tables={**used.tables, "demand": (germanium,)}))


def test_what_loses_money_as_it_is_lived_is_not_recommended() -> None:
    """Proves: a storekeeper who keeps all for a use that is hardly dearer makes a purchase worthless; nothing new is the answer."""
    case: dict[str, Any] = {
        "demand": {("a", "dear"): 0.1, ("a", "cheap"): 9.9},
        "tiers": {"dear": [(1.0, 1.1)], "cheap": [(1.0, 1.0)]},
        "materials": {"a": {"holding_share_per_yr": 0.05}},
        "offers": {"buy": offer("a", 20.0)},
        "scenarios": [cut("stop", 0.5, 2028, 1)],
        "release": {"this_event": 1000.0},
        "policy": "targets",
    }
    result = solve(*imported(10.0, loss=20.0, **case))
    brief = result.brief
    assert brief.recommendation.startswith("Do nothing new: nothing that the money can sign, or buy and hold, is worth")
    assert "loses money as it is lived" in dict(brief.points)["HOW SURE"]
    assert float(result.tables["sample_gap"].worth_musd.iloc[0]) == pytest.approx(0.0, abs=1e-6)
    averse = solve(*imported(10.0, loss=20.0, **case, risk={"cvar_weight": 1.0}))
    # 10 kt are held, 15 million; half the time the dear use saves 0.1 kt x 22, and 0.1 kt are not held in the last year
    assert float(averse.tables["sample_gap"].worth_musd.iloc[0]) == pytest.approx(-15 + 1.1 + 0.05, abs=1e-6)
    assert result.solution.acquisition[0].sum() == 0 < averse.solution.acquisition[0].sum(), (
        "its aim is not worth alone"
    )


def test_a_rule_that_costs_money_is_kept_and_nothing_new_is_made_once() -> None:
    """Proves: where doing nothing new loses too, for a rule of the plan, the search for it ends; the better of the two stands."""
    plan, data = load_question(Path("quickstart"))
    cap = {"material": "antimony", "kind": "country_cap", "country": "CHN", "share": 0.35, "from_year": 2030}
    ruled = {
        "materials": ["antimony"],
        "diversification": [{**cap, "hard": True}],
        "instruments": {"packages": ["none"]},
    }
    result = solve(Plan.model_validate(plan.to_toml_like() | ruled), data, run=Runner(deadline_s=120.0))
    assert float(result.tables["sample_gap"].worth_musd.iloc[0]) < -1.0


def test_what_is_sold_stands_on_the_screen() -> None:
    """Proves: of 4 kt that cost a fifth of 10 USD/kg a year to hold 2.5 are sold at once for 25 million, the rest a year later."""
    held = {"holding_share_per_yr": 0.2, "disposal_t_per_yr": 2500.0}
    told: dict[str, Any] = {"materials": {"a": held}, "stock": {"a": 4.0}, "instruments": {"trunk_disposal": True}}
    stop = [cut("stop", 0.01, 2028, 1, share=0.1)]
    brief = solve(*imported(10.0, loss=20.0, scenarios=stop, **told), quick=True).brief
    assert [(step.what, step.amount, round(step.musd, 6)) for step in brief.steps] == [("sell a", "2,500 t", -25.0)]
    assert dict(brief.points)["LATER"] == "By FY2028 sell 1,500 t of a."


def test_a_plan_near_nothing_says_where_it_ends(lived: Result) -> None:
    """Proves: also where a part of it is worth far more."""
    row = lived.tables["depends"].iloc[:1].assign(worth_musd=4.0, flips_at=0.97)
    part = row.assign(kind="mineral", item="a", worth_musd=100.0, flips_at=np.nan)
    told = replace(lived, tables={**lived.tables, "depends": pd.concat([row, part], ignore_index=True)}).summary()
    assert "a whole stops paying if a missing tonne costs, beyond its price, under 97%" in " ".join(told.split())


def test_the_worst_of_the_plan_s_own_scenarios_is_one_of_them(asked: Result) -> None:
    """Proves: name, loss and loss without the plan are those of one scenario, lived."""
    row = asked.tables["loss_curve"].iloc[-1]
    assert row.chance == 0.0
    assert row.scenario in set(asked.tables["scenario_losses"].scenario)
    lived = met_own(asked, prepare(asked.plan, asked.data))
    place = lived.names.index(row.scenario)
    assert row.loss_musd == pytest.approx(lived.plans[0].loss.max())
    assert row.loss_without_musd == pytest.approx(lived.without.loss[place])


def test_a_frequent_hazard_that_does_no_harm_is_no_cause() -> None:
    """Proves: a stop costs 10 in two of four scenarios; an outage strikes in three, these among them; a ban in force costs 100."""
    table = pd.DataFrame({"hazards": ["ban", "ban outage", *["ban outage stop"] * 2], "probability": [0.25] * 4})
    found = come_with(table, pd.Series([100.0, 100.0, 110.0, 110.0]), {"ban", "outage", "stop"})
    assert found == pytest.approx({"ban": 100.0, "outage": 0.0, "stop": 5.0}, abs=1e-9)


@pytest.mark.parametrize(
    ("value", "limit", "text"), [(31.96, 32.0, "32"), (32.4, 32.0, "32.4"), (9.96, 9.97, "9.96"), (46.3, 4000.0, "46")]
)
def test_no_spending_looks_larger_than_its_limit(value: float, limit: float, text: str) -> None:
    """Proves: what keeps its limit is never written above it."""
    assert within(value, limit) == text
    assert [chance(share) for share in (0.005, 0.00001, 0.1234)] == ["0.5%", "0.001%", "12%"], "small is not none"


def test_the_screen_names_first_what_adds_most(lived: Result) -> None:
    """Proves: a cheap step that carries the plan stands before a dear one that adds little, and a free choice stands last."""
    sentences = _Sentences(lived.plan, lived.figures, lived.tables, lived._basis)
    act, left = sentences.acts[sentences.acts.chosen > 0].iloc[0].to_dict(), sentences.tested.left_out.iloc[0].to_dict()
    steps = {"dear": (90.0, 3.0, "first"), "cheap": (0.04, 900.0, "first"), "free": (500.0, 5000.0, "free")}
    sentences.acts = pd.DataFrame(
        [
            act | {"item": item, "kind": "buy", "budget_musd": m, "later_musd": 0.0, "verdict": v}
            for item, (m, _, v) in steps.items()
        ]
    )
    rows = pd.DataFrame(
        [left | {"kind": "mineral", "item": item, "cost_musd": adds} for item, (_, adds, _) in steps.items()]
    )
    sentences.tested = replace(sentences.tested, left_out=rows)
    assert [step.musd for step in sentences.steps()] == [0.04, 90.0, 500.0]
    sentences.acts = sentences.acts.assign(in_plans=2, plans=7)
    assert next(sentences.steps()).why == "material adds 900 M; 2 of 7 agree"


def test_waiting_costs_the_same_on_the_screen_and_in_full(lived: Result) -> None:
    """Proves: both state what a few scenarios gave as the same share of the worth in all."""
    sentences = _Sentences(lived.plan, lived.figures, lived.tables, lived._basis)
    half = sentences.tested.depends.assign(worth_musd=sentences.tested.figure("worth_musd") / 2)
    wait = sentences.tested.left_out.assign(kind="wait", years=1, why_not="", needed=True, cost_musd=30.0)[:1]
    sentences.tested = replace(sentences.tested, depends=half, left_out=wait)
    assert sentences._waiting() == "Waiting a year forgoes 60 M. "
    assert _without(sentences.tested, sentences.names)[0].startswith(
        "WAIT: doing nothing new for one year costs 60 M ("
    )


def words(quick: bool = True, /, **case: Any) -> str:
    """The first sentences of a plan of 10 kt a year from China, which may be bought at 10 USD/kg."""
    plan, data = imported(10.0, loss=100.0, offers={"spot": offer("a", 2.0, crisis=1.0)}, policy="targets", **case)
    return " ".join(solve(plan, data, gap=0.0, quick=quick).summary().split())


DEAR = {"materials": {"a": {"haircut_share": 0.5}}}
SHARE = {"kind": "least_share", "material": "a", "share": 0.5, "group": "home", "from_year": FIRST}


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (
            {"days_of_cover": [{"material": "a", "days": 60, "from_year": FIRST}], **DEAR},
            "No future of this plan has a shortage. After all costs the plan loses",
        ),
        (
            {
                "diversification": [{**SHARE, "penalty_usd_per_kg": 1.0}],
                "scenarios": [cut("stop", 0.02, 2028, 1)],
                **DEAR,
            },
            "Its rules ask for shares of a.",
        ),
        (
            {"scenarios": [cut("stop", 0.3, 2028, 1), cut("war", 0.0, 2028, 2, design_basis=True)]},
            "(supply cut (CHN) from 2028, 2 years, given no probability)",
        ),
    ],
)
def test_the_screen_says_what_is(case: dict[str, Any], text: str) -> None:
    """Proves: stock that a rule holds loses half of its price though nobody runs short; a soft share that nobody keeps is asked for
    and not said to be kept; a design-basis scenario may be the worst, and is not `0% likely`."""
    found = words(**case)
    assert text in found
    assert "It is made to keep" not in found or "days_of_cover" in case


def test_emergency_money_stands_beside_what_is_given() -> None:
    """Proves: 1 M a year is given; what is released is bought again with what is declared for an emergency."""
    stops = [cut("stop", 0.5, 2028, 1), cut("later", 0.4, 2029, 1)]
    found = words(False, scenarios=stops, stock={"a": 3.0}, money=1.0, budget={"emergency_musd": 200.0})
    assert "M given, and of emergency money." in found


def test_where_the_baseline_gives_from_the_store_what_is_left_is_held() -> None:
    """Proves: 2 kt in store are given to users in the first year; at its end the screen holds what the course holds."""
    plan, data = imported(
        10.0,
        5.0,
        demand={"a": 6.0},
        loss=100.0,
        stock={"a": 3.0},
        instruments={"trunk_release": True},
        policy="targets",
    )
    result = solve(plan, data, gap=0.0)
    stock = result.solution.stock[0, 0]
    assert result.solution.release[0].sum() > 0
    (held,) = result.brief.held
    assert held.targets[0] == pytest.approx(stock[0])


def test_a_target_counts_what_an_event_in_force_takes() -> None:
    """Proves: the baseline course gives all that it has to an event that may end any day; HOLD states what is filled up to."""
    now = {"name": "now", "start_year": FIRST - 0.5, "duration_years": 2.0, "countries": "CHN", "materials": "a"}
    plan, data = imported(
        10.0,
        10.0,
        stock={"a": 4.0},
        offers={"spot": offer("a", 3.0, 0.0, "outside", 1.0)},
        loss=60.0,
        years=5,
        money=8.0,
        policy="targets",
        ongoing=[{**now, "cut_share": 0.4, "remaining_years": 1.0}],
    )
    result = solve(plan, data, gap=0.0, quick=True)
    stock = result.tables["stock"]
    assert stock.stock_t.iloc[-1] < 1.0
    (held,) = _Sentences(result.plan, result.figures, result.tables, result._basis).held()[1]
    assert held.targets[-1] == pytest.approx(4000.0 + 5 * 800.0) == stock.target_t.iloc[-1]


def test_losses_and_their_chances_of_a_plan_of_a_few_scenarios_are_those_of_these() -> None:
    """Proves: what remains by material has substitutes in it, and adds up to what remains; the curve has the chances of the
    scenarios, 0.22, 0.12 and 0.02 of which lose at least so much without a plan."""
    scenarios = [
        cut(f"stop-{share:g}", chance, 2028, 1, share=share) for share, chance in ((0.2, 0.1), (0.5, 0.1), (1.0, 0.02))
    ]
    case = imported(
        10.0, loss=20.0, steps=[("a", "civil", 0.3, 15.0)], scenarios=scenarios, policy="targets", money=0.0
    )
    result = solve(*case)
    row = result.tables["sample_gap"].iloc[0]
    assert result.tables["remaining"].loss_musd.sum() == pytest.approx(row.loss_musd)
    curve = result.tables["loss_curve"]
    assert curve.chance.tolist() == pytest.approx([1.0, 0.22, 0.12, 0.02, 0.0])
    assert curve.loss_without_musd.is_monotonic_increasing
    assert (curve.loss_without_musd.to_numpy()[1:-1] > 0).all()
