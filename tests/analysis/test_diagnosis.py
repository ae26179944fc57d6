"""Where there is no plan: the least relaxation by hand, single changes that restore one and no less, and what conflicts."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from strategic_minerals import Dataset, InfeasibleError, Outcome, Plan, StoppedError, diagnose, solve
from strategic_minerals.answer.study import Study
from strategic_minerals.question.names import edited
from strategic_minerals.studies.diagnosis import Case
from support.promising import promising
from support.tiny import cut, imported, offer, project, source, tiny


def restores(plan: Plan, data: Dataset, put: Mapping[str, Any]) -> bool:
    """Whether the plan with some values in place can be solved."""
    try:
        solve(*edited(plan, data, put), gap=0.0, quick=True)
    except InfeasibleError:
        return False
    return True


def less(put: Mapping[str, Any], plan: Plan, share: float = 0.99) -> dict[str, Any]:
    """A change of which a hundredth is not made."""
    content = plan.to_toml_like()

    def at(address: str) -> Any:
        node: Any = content
        for part in address.split("."):
            node = node[int(part)] if isinstance(node, list) else node[part]
        return node

    def short(old: Any, new: Any) -> Any:
        if isinstance(new, Mapping):
            series = old if isinstance(old, Mapping) else dict.fromkeys(new, old)
            held, found = 0.0, {}
            for year in sorted(new):
                held = series.get(year, held)
                found[year] = held + share * (new[year] - held)
            return found
        return old + share * (new - old)

    return {address: short(at(address), value) for address, value in put.items()}


def checked(plan: Plan, data: Dataset) -> Study:
    """A diagnosis of which every change is applied and solved, and a hundredth less of it is not enough; whose conflict is
    irreducible as far as entries can be taken out of the plan."""
    with pytest.raises(InfeasibleError):
        solve(plan, data, quick=True)
    found = diagnose(plan, data)
    assert not found.facts["possible"]
    assert found.facts["missed_verified"]
    assert len(found.tables["missed"])
    for change in found.tables["changes"].itertuples():
        assert change.verified == restores(plan, data, json.loads(change.put)), change.sentence
        assert f"{change.by:,.10g}" in change.sentence or f" at {change.value:.10g}" in change.sentence, change.sentence
        assert not restores(plan, data, less(json.loads(change.put), plan)), change.sentence
    assert found.facts["conflict"]
    return found


def test_a_promise_beyond_the_budget() -> None:
    """Proves: 10 kt promised need 100 million USD, there are 30: the least relaxation is 70 million USD worth; any one of 70 more
    in 2027 (in every year alike too) or a level of 3/20 restores a plan; what conflicts is the promise and the year's money."""
    plan, data = promising()
    found = checked(plan, data)
    assert found.facts["missed_musd"] == pytest.approx(70.0, rel=1e-5)
    assert set(found.facts["conflict"]) == {
        "civil service level for a: 50% in cut",
        "appropriation FY2027: 30 million USD",
    }
    changes = {row.change: row for row in found.tables["changes"].itertuples() if "every year" not in row.sentence}
    assert changes["budget"].by == pytest.approx(70.0, rel=1e-3)
    assert changes["budget"].sentence.startswith("appropriation FY2027 + 70")
    assert changes["service_level"].value == pytest.approx(0.15, abs=1e-3)
    assert not found.facts["fractions"]
    assert "ANY ONE OF THESE" in found.summary()
    assert json.loads(json.dumps(found.to_dict()))["changes"][0]["put"]


ALONE: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "a promise of all that is missing, 200 million USD, and a total of 50": (
        {"level": 1.0, "year": 1000.0, "budget": {"total_musd": 50.0}},
        {"total_budget": 200.0, "service_level": 0.25},
    ),
    "100 days of 20 kt a year are 5.48 kt for 54.8 million USD; 30 buy 54.75 days": (
        {"days_of_cover": [{"material": "a", "days": 100.0, "from_year": 2027}]},
        {"days_of_cover": 54.75, "budget": 54.7945},
    ),
    "17 kt go missing at 100 USD/kg": (
        {"risk": {"alpha": 0.75, "cvar_limit_musd": 1000.0}},
        {"cvar_limit": 1700.0, "budget": 100.0},
    ),
    "with a quarter": ({"risk": {"expected_loss_limit_musd": 250.0}}, {"expected_loss_limit": 425.0, "budget": 100.0}),
}
"""By hand: a question, and the value of each single change that restores a plan. There are 30 million USD."""


@pytest.mark.long
@pytest.mark.parametrize("name", ALONE)
def test_single_changes_are_those_worked_out_by_hand(name: str) -> None:
    asked, wanted = ALONE[name]
    promised = {} if "level" in asked else {"level": 0.0, "service_levels": []}
    found = checked(*promising(**promised, **asked)).tables["changes"]
    alone = found[~found["sentence"].str.contains("every year")].set_index("change")["value"].astype(float)
    assert {family: alone[family] for family in wanted} == pytest.approx(wanted, rel=1e-3)


def from_home(share: float, money: float, **projects: Any) -> tuple[Plan, Dataset]:
    """A share of 10 kt a year that has to come from home, where projects of 3 kt may be supported."""
    share_of_home = {"material": "a", "kind": "least_share", "group": "home", "share": share, "from_year": 2028}
    return imported(
        60.0,
        loss=340.0,
        residual=0.0,
        projects={
            name: project("a", 3.0, cash_usd_per_kg=60.0, additional=True, **about) for name, about in projects.items()
        },
        packages={"grant": {"instrument": "grant"}},
        money={2027: money, 2028: 0.0},
        diversification=[{**share_of_home, "hard": True}],
    )


def test_a_project_that_would_have_to_be_built_in_part() -> None:
    """Proves: 15 % from home need half of a project of 100 million USD; 60 do not build a whole one. Fractions are told, and the
    plan is restored by 40 more or by asking for nothing."""
    plan, data = from_home(0.15, 60.0, A={"capex_musd": 100.0})
    found = checked(plan, data)
    assert found.facts["fractions"]
    assert "if projects could be supported in part" in found.summary()
    changes = {row.change: row for row in found.tables["changes"].itertuples() if "every year" not in row.sentence}
    assert changes["budget"].by == pytest.approx(40.0, rel=1e-3)
    assert changes["diversification"].value == pytest.approx(0.0, abs=1e-3)
    assert diagnose(plan, data, relax=True).facts["possible"]


def test_projects_that_exclude_each_other() -> None:
    """Proves: a conflict that no number mends is told as such: A and B are both needed and exclude each other."""
    found = checked(*from_home(0.5, 100.0, A={"capex_musd": 10.0, "excludes": "B"}, B={"capex_musd": 10.0}))
    assert "A excludes B" in found.facts["conflict"]
    assert (
        list(found.tables["missed"]["sentence"]) == ["A excludes B: not respected"] or found.facts["missed_musd"] < 1e4
    )
    assert found.tables["changes"].set_index("change").loc["diversification", "value"] == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize(
    ("money", "owed"),
    [
        ({"money": {2027: 5.0, 2028: 1.0}}, ("FY2028, FY2029", "costs 5 million USD, 4 more than is appropriated")),
        ({"budget": {"total_musd": 3.0}, "years": 2}, ("costs 10 million USD, 7 more than the total budget",)),
    ],
)
def test_money_that_does_not_hold_what_is_there(money: dict[str, Any], owed: tuple[str, ...]) -> None:
    """Proves: holding 10 kt at 10 USD/kg and 5 % costs 5 million USD a year, more than a year or the total has: already owed, since
    doing nothing owes it too, and no reason for "no plan"."""
    holding: dict[str, Any] = {"materials": {"a": {"holding_share_per_yr": 0.05}}, "stock": {"a": 10.0}}
    plan, data = promising(0.0, service_levels=[], **{"money": 5.0, **holding, **money})
    result = solve(plan, data, quick=True)
    note = result.tables["notes"].query("kind == 'already owed'").note.iloc[0]
    assert all(words in note for words in owed), note
    assert diagnose(plan, data).facts["possible"]


def test_a_diagnosis_out_of_time_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: the least relaxation stands where the clock runs out before the rest, which is said."""
    from strategic_minerals.studies import diagnosis

    def late(case: Case) -> list[Any]:
        raise StoppedError("out of time", Outcome("time_limit", None, None, None, None))

    monkeypatch.setattr(diagnosis, "_conflict", late)
    found = diagnose(*promising())
    assert not found.facts["complete"]
    assert found.facts["missed_musd"] == pytest.approx(70.0, rel=1e-3)
    assert "longer deadline" in found.summary()


def owing(money: Any, cover: Mapping[str, float], total: float | None = None) -> tuple[Plan, Dataset]:
    """Holding 10 kt of `a` costs 10 million USD a year; stocks of `b` and `c` are asked for, at 10 million USD a kt."""
    return tiny(
        dict.fromkeys("abc", 10.0),
        materials={"a": {"holding_share_per_yr": 0.1}},
        stock={"a": 10.0},
        years=2,
        money=money,
        sources={f"from_{m}": source("CHN", m, 20.0) for m in "abc"},
        demand=dict.fromkeys("abc", 10.0),
        offers={f"of_{m}": offer(m, 5.0, 0.0, "outside") for m in "bc"},
        scenarios=[cut("stop", 0.5, 2028, 1.0)],
        days_of_cover=[{"material": m, "days": days, "from_year": 2028} for m, days in cover.items()],
        budget={} if total is None else {"total_musd": total},
    )


BOTH = {"b": 36.5, "c": 36.5}
"""1 kt of each: 20 million USD, and neither rule alone is what is in the way."""


def test_money_is_raised_by_what_is_owed_and_what_is_missed() -> None:
    """Proves: of 2 million USD a year, where 10 are owed, it takes 28 more in one of the years, or 18 in both: 8 to reach what is
    owed, and 20 for the stocks. Less moves no limit, or too little of it."""
    found = checked(*owing(2.0, BOTH))
    moved = {row.sentence.split(" +")[0]: row.by for row in found.tables["changes"].itertuples() if row.verified}
    assert moved == {
        "appropriation FY2027": pytest.approx(28.0, rel=1e-3),
        "appropriation FY2028": pytest.approx(28.0, rel=1e-3),
        "every year's appropriation": pytest.approx(18.0, rel=1e-3),
    }
    assert (
        "appropriation FY2027: 2 million USD (10 have to be paid to hold the opening stock)" in found.facts["conflict"]
    )


def test_a_total_is_raised_by_what_is_owed_and_what_is_missed() -> None:
    """Proves: the total of 5 million USD, where 20 are owed, takes 35 more."""
    (change,) = checked(*owing(1000.0, BOTH, total=5.0)).tables["changes"].itertuples()
    assert change.verified
    assert change.value == pytest.approx(40.0, rel=1e-3)
    assert change.sentence.startswith("total budget + 35")


@pytest.mark.long
def test_every_years_money_passes_what_is_owed_year_by_year() -> None:
    """Proves: 2 and 6 million USD lack 8 and 4 of what is owed. Alike in both years, 6 more buy the 0.2 kt asked for, in the second
    year alone; 16 more, 8 and 12 beyond, buy 2 kt."""
    for cover, by in (({"b": 7.3}, 6.0), (BOTH, 16.0)):
        found = checked(*owing({2027: 2.0, 2028: 6.0}, cover))
        alike = next(row for row in found.tables["changes"].itertuples() if row.sentence.startswith("every year"))
        assert alike.verified
        assert alike.by == pytest.approx(by, rel=2e-3)


def test_money_missed_is_told_beside_what_is_owed() -> None:
    """Proves: where money is what is missed, 50 million USD for 5 kt that are worth 100 later, the sentence counts them from the 10
    that are owed and says what the year comes to; the single change says the same 60, 58 more than the plan's own figure."""
    plan, data = tiny(
        {"a": 10.0, "b": {2027: 10.0, 2028: 20.0}},
        materials={"a": {"holding_share_per_yr": 0.1}},
        stock={"a": 10.0},
        years=2,
        sources={"far": source("CHN", "b", 20.0)},
        demand={"b": 10.0},
        loss=90.0,
        offers={"spot": offer("b", 100.0)},
        money=2.0,
        scenarios=[cut("cut", 0.25, 2028, 1, design_basis=True)],
        service_levels=[{"material": "b", "segment": "civil", "level": 0.5, "scenarios": ["cut"]}],
    )
    found = checked(plan, data)
    (missed,) = found.tables["missed"]["sentence"]
    assert (
        missed
        == "appropriation FY2027: 50 million USD more than the 10 that holding the opening stock costs (60 in all)"
    )
    change = next(
        row for row in found.tables["changes"].itertuples() if row.sentence.startswith("appropriation FY2027")
    )
    assert change.value == pytest.approx(60.0, rel=1e-3)
    assert change.by == pytest.approx(58.0, rel=1e-3)


def short_in_a_stop(offers: dict[str, Any], **money: Any) -> tuple[Plan, Dataset]:
    """10 kt each of `a` and `b` are promised in a stop; to replace them would cost 200 million USD."""
    return tiny(
        dict.fromkeys("ab", 10.0),
        sources={f"from_{m}": source("CHN", m, 10.0) for m in "ab"},
        demand=dict.fromkeys("ab", 10.0),
        offers=offers,
        **money,
        scenarios=[cut("stop", 0.5, 2028, 1.0, design_basis=True)],
        service_levels=[{"material": m, "segment": "civil", "level": 1.0, "scenarios": ["stop"]} for m in "ab"],
    )


def test_emergency_money_alone_restores_a_plan() -> None:
    """Proves: where year's money and the total are both too little for two promises, money for disruptions alone does, 160
    million USD of it, and is found although the plan has none."""
    offers = {f"of_{m}": offer(m, 10.0, 0.0, "outside", 1.0) for m in "ab"}
    plan, data = short_in_a_stop(offers, money=20.0, budget={"total_musd": 60.0})
    (change,) = checked(plan, data).tables["changes"].itertuples()
    assert change.verified
    assert change.by == pytest.approx(160.0, rel=1e-3)
    assert change.sentence == f"emergency money of every year + {change.by:,.10g} million USD"
    assert json.loads(change.put) == {"budget.emergency_musd": dict.fromkeys(("2027", "2028", "2029"), change.by)}
    some = checked(*edited(plan, data, {"budget.emergency_musd": 50.0}))
    assert some.tables["changes"]["by"].tolist() == [pytest.approx(110.0, rel=1e-3)]


def test_what_was_tried_in_vain_is_named_and_nothing_is_said_of_the_rest() -> None:
    """Proves: two promises that nothing can keep, each by itself: no one entry helps, and the summary says which were tried."""
    found = checked(*short_in_a_stop({"spot": offer("a", 1.0)}))
    assert found.tables["changes"].empty
    assert found.facts["tried"] == ("civil service level for a", "civil service level for b", "emergency money")
    assert "NONE OF THESE RESTORES A PLAN" in found.summary()
    assert found.to_dict()["tried"] == list(found.facts["tried"])
