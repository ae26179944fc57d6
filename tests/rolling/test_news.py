"""News of the year: events that need naming, facts on what was signed already, rates that a plan states itself."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import Cli
from strategic_minerals import ActRow, InputError, NewsRow, Result, Study, read_noted, roll, solve, verify
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.plan import Plan
from strategic_minerals.studies.roll import FACTS, STATE
from support.rolled import CALM, QUIET, hazard, reserved, support_signed, under_hazard
from support.tiny import FIRST, KT, bought, cut, floored, imported, offer, project, total

pytestmark = pytest.mark.long


def tables(**rows: dict[str, Any]) -> Dataset:
    """New tables of one row each."""
    return Dataset.from_tables({name: pd.DataFrame([row]) for name, row in rows.items()})


def capacity(result: Result, activity: str, year: int) -> float:
    """Capacity of an activity in a year [t/yr]."""
    rows = [r for r in result.data.rows("capacities") if r.activity == activity and r.from_year <= year]
    return float(max(rows, key=lambda row: row.from_year).capacity_t_per_yr)


def test_events_that_mean_nothing_are_refused() -> None:
    """Proves: a name that the plan does not have, a date yet to come, a hazard that the tables lack: row and what was meant."""
    plan, data = hazard()
    asked = {**plan.to_toml_like(), "scenarios": [cut("stop-2029", 0.1, FIRST + 2.0, 1.0)]}
    result = solve(Plan.model_validate(asked), data, quick=True)
    soon = {"item": "x", "from_year": FIRST + 4.0}
    for event, said in (
        ({"item": "stp-2029", "status": "ended"}, "did you mean 'stop-2029'"),
        ({**soon, "status": "in force", "hazard": "stop"}, "`announced`"),
        ({**soon, "status": "announced", "probability": 0.1, "hazard": "stopp"}, "did you"),
    ):
        with pytest.raises(InputError, match=said) as error:
            roll(result, news=[NewsRow(**event)])
        assert [(fault.file, fault.row) for fault in error.value.faults] == [("news.csv", "2")]


def test_what_was_announced_before_is_in_the_plan_once() -> None:
    """Proves: what is announced is a scenario with its probability, taken from all others, against which more is bought; the
    answer says what to do now, and then why, with what the plan of before had; news of the event replaces the scenario of the same
    name; once it is in force, none is left."""
    told = {"countries": "CHN", "materials": "gallium", "cut_share": 0.9, "from_year": FIRST + 3.5}
    notice = NewsRow(item="notice", status="announced", probability=0.5, duration_years=1.0, **told)
    told_first = roll(reserved(6), news=[notice], **CALM)
    lines = told_first.summary().splitlines()
    assert lines[1].startswith(f"DO IN FY{FIRST + 1} ")
    assert lines[2].startswith("  Buy: gallium")
    why = lines.index(f"WHY IT DIFFERS from that plan (million USD, discounted to FY{FIRST + 1}):")
    assert "; now " in next(line for line in lines[why:] if line.startswith("  Buy gallium: before "))
    first = told_first.result
    assert first is not None
    assert bought(first, "gallium") > bought(roll(reserved(6), **CALM).result, "gallium")
    sooner = roll(first, news=[notice.model_copy(update={"probability": 0.7})], **CALM).result
    for now, chance in ((first, 0.5), (sooner, 0.7)):
        named = {s.name: s.probability for s in now.plan.scenarios}
        assert named["notice"] == chance
        assert sum(named.values()) < 1
    begun = NewsRow(item="notice", status="in force", remaining_years=1.0, **{**told, "from_year": FIRST + 1.5})
    now = roll(first, news=[begun], **CALM).result.plan
    assert [event.name for event in now.ongoing] == ["notice"]
    assert "notice" not in {s.name for s in now.scenarios}
    over = roll(first, news=[NewsRow(item="notice", status="ended")], **CALM).result.plan
    assert "notice" not in {s.name for s in over.scenarios}


def test_evidence_begins_at_the_rate_that_is_stated() -> None:
    """Proves: a plan's own rate of 0.6 is the prior, Gamma(3.5, 3.5 / 0.6), and what it states no more once it has learned; on a
    rate that was published anew it begins again; the rate of before, published again, keeps it."""
    plan, data = hazard()
    asked = {**plan.to_toml_like(), "hazards": [{"hazard": "stop", "rate_per_yr": 0.6, "cut_share": 0.5}]}
    now = roll(solve(Plan.model_validate(asked), data, quick=True), news=QUIET).result
    assert now.data.rows("hazards")[0].rate_per_yr == pytest.approx(3.5 / (3.5 / 0.6 + 1))
    assert (now.plan.hazards[0].rate_per_yr, now.plan.hazards[0].cut_share) == (None, 0.5)
    once = roll(under_hazard(), news=QUIET).result
    for rate, years in ((0.5, 1), (0.3, 2)):
        row = data.rows("hazards")[0].model_copy(update={"rate_per_yr": rate})
        found = (
            roll(once, facts=tables(hazards=row.model_dump()), news=QUIET).result.data.rows("hazards")[0].rate_per_yr
        )
        assert found == pytest.approx(3.5 / (3.5 / rate + years))


def test_a_new_capacity_is_that_of_the_whole_source() -> None:
    """Proves: told before or after a contract was carried over, 3 kt a year leave what no contract binds; once it is over, all
    are free; a capacity of before that changes nothing is no news."""
    first = support_signed()
    news = {"activity": "ally", "from_year": FIRST + 2, "capacity_t_per_yr": 3.0 * KT}
    with_contract = roll(first, **CALM).result
    part = next(row.producer for row in with_contract.data.rows("commitments") if row.kind == "contract")
    held = capacity(with_contract, part, FIRST + 2)
    assert held > 0
    both = [roll(result, facts=tables(capacities=news), **CALM) for result in (first, with_contract)]
    for found in both:
        assert capacity(found.result, part, FIRST + 3) == pytest.approx(held)
        assert capacity(found.result, "ally", FIRST + 3) == pytest.approx(3.0 * KT - held)
        assert capacity(found.result, "ally", FIRST + 5) == pytest.approx(3.0 * KT)
        assert FACTS in found.facts["causes"]
    old = {**news, "from_year": FIRST, "capacity_t_per_yr": 2.0 * KT}
    same = roll(with_contract, facts=tables(capacities=old), **CALM)
    assert total(same.result) == pytest.approx(total(roll(with_contract, **CALM).result), rel=1e-9)


def test_a_whole_folder_of_old_facts_is_no_news() -> None:
    """Proves: all tables of the first plan, handed in a year later, bring back no choice that was made and change no answer; what
    is in store is counted, and no published fact."""
    once = roll(support_signed(), **CALM).result
    calm, told = roll(once, **CALM), roll(once, facts=support_signed().data, **CALM)
    assert "plant" not in choices(told.result)
    with pytest.raises(InputError, match=r"acts\.csv"):
        roll(once, facts=tables(stock={"material": "gallium", "opening_t": 5.0}), **CALM)
    assert total(told.result) == pytest.approx(total(calm.result), rel=1e-9)


PLANT = {"capex_musd": 5.0, "cash_usd_per_kg": 1.9, "additional": True, "hurdle_rate": 0.05}


def plants(rows: dict[str, dict[str, Any]], years: int = 6, **asked: Any) -> tuple[Plan, Dataset]:
    """Plants that pay with a grant alone, if they do."""
    case = {"packages": {"help": {"instrument": "grant"}}} | asked
    return imported(
        2.0,
        of="gallium",
        loss=100.0,
        projects={name: project("gallium", 2.0, **{**PLANT, **row}) for name, row in rows.items()},
        instruments={"signing_years": [FIRST]},
        scenarios=[cut("stop", 0.5, FIRST + 3.0, 2.0, share=0.8)],
        years=years,
        rate=0.02,
        **case,
    )


def choices(result: Result) -> set[str]:
    return {row.project for row in result.data.rows("projects")}


@pytest.mark.parametrize("bars", [{"a": "b"}, {"b": "a"}])
def test_what_a_signed_plant_excludes_can_be_signed_no_more(bars: dict[str, str]) -> None:
    """Proves: whichever of two rows states the exclusion; and a plant that needs the one that is barred goes with it."""
    rows = {name: {"excludes": bars.get(name, ""), "capex_musd": cost} for name, cost in (("a", 5.0), ("b", 500.0))}
    first = solve(*plants({**rows, "c": {"needs": "b", "capex_musd": 500.0}}), gap=0.0, quick=True)
    assert signed(first) == {"a"}
    assert choices(roll(first, **CALM).result) == set()


def signed(result: Result) -> set[str]:
    table = result.tables["projects"]
    return set(table[(table.share > 0) & (table.package != "none")].project)


def test_what_is_left_of_a_plant_is_what_was_not_signed() -> None:
    """Proves: a fourth signed, then half, each of the whole: what is left is a quarter of its size and cost, whatever the order."""
    first = solve(*plants({"a": {}}), gap=0.0, quick=True)
    table = first.tables["projects"]
    package = str(table[(table.project == "a") & (table.share > 0)].package.iloc[0])
    part = roll(first, acts=[ActRow(kind="package", item="a", detail=package, done=0.25)], **CALM).result
    (row,) = part.data.rows("projects")
    assert (row.capacity_t_per_yr, row.capex_musd) == (pytest.approx(1.5 * KT), pytest.approx(3.75))
    plant = next(r.activity for r in part.data.rows("activities") if r.activity.startswith("a-"))
    assert capacity(part, plant, FIRST + 3) == pytest.approx(0.5 * KT)
    facts = tables(projects={**first.data.rows("projects")[0].model_dump(), "capex_musd": 8.0})
    (dearer,) = roll(part, facts=facts, acts=[], **CALM).result.data.rows("projects")
    assert dearer.capex_musd == pytest.approx(6.0)


def test_the_right_to_buy_under_a_floor_is_carried_until_it_ends() -> None:
    """Proves: a plant under a purchase floor sells to the reserve at its own price as long as the floor lasts, and no longer."""
    package = {"buy": floored("gallium", 3.0, 5.0, "purchase", instrument="grant", take_t_per_yr=1500.0)}
    offers = {"spot": offer("gallium", 0.2, premium=1.0)}
    built = {"plant": {"premium_share": 0.05}}
    first = solve(*plants(built, years=8, packages=package, offers=offers), gap=0.0, quick=True)
    assert signed(first) == {"plant"}
    once = roll(first, **CALM).result
    (row,) = [r for r in once.data.rows("offers") if r.source_producer == "plant"]
    assert row.depth_t_per_yr == pytest.approx(1.5 * KT)
    assert row.premium_share == 0.05
    assert once.audited.passed
    planned = first.tables["acquisitions"]
    later = planned[planned.fiscal_year > FIRST]
    assert bought(once, "gallium") == pytest.approx(float(later.acquired_t.sum()) / KT)
    over = roll(once, years=5, **CALM).result
    assert not [r for r in over.data.rows("offers") if r.source_producer == "plant"]
    assert over.audited.passed


def test_what_moves_says_so() -> None:
    """Proves: what was announced for the first year of the next plan, which knows no new event before its second, is there a year
    later and the answer says it; so it does of a listed event that is left out, and of a promise that hangs on it."""
    promise = {"material": "gallium", "segment": "civil", "level": 0.1, "scenarios": ["early"]}
    plan, data = imported(
        1.0,
        of="gallium",
        loss=10.0,
        scenarios=[{**cut("early", 0.1, FIRST + 1.0, 1.0), "design_basis": True}, cut("late", 0.1, FIRST + 3.0, 1.0)],
        years=5,
        service_levels=[{**promise, "penalty_usd_per_kg": 1.0}],
    )
    first = solve(plan, data, quick=True)
    told = {"countries": "CHN", "materials": "gallium", "cut_share": 0.9, "duration_years": 1.0, "probability": 0.5}
    soon = NewsRow(item="control", status="announced", from_year=FIRST + 1.0, **told)
    found = roll(first, news=[soon], **CALM)
    named = {s.name: s.events[0].start_year for s in found.result.plan.scenarios}
    assert named == {"late": FIRST + 3.0, "control": FIRST + 2.0}
    moved = found.facts["moved"]
    assert len(moved) == 4
    assert all(line in found.summary() for line in moved)
    assert f"control was announced for {FIRST + 1}; in the new plan it begins in {FIRST + 2}" in moved[0]
    assert moved[1].startswith("early (10%)")
    assert moved[2].startswith("The promise for gallium")
    assert moved[3].endswith("late 5.6% (was 10%).")  # .1 / (1 - .1) of the half that the control leaves
    assert roll(first, news=[soon.model_copy(update={"from_year": FIRST + 2.0})], **CALM).facts["moved"] == moved[1:]
    with pytest.raises(InputError, match="`in force` or `ended`"):
        roll(first, news=[soon.model_copy(update={"from_year": FIRST + 0.5})], **CALM)


def test_a_run_leaves_two_files_that_a_planner_fills_in(tmp_path: Path, cli: Cli) -> None:
    """Proves: left as they are they say that the year went as planned; each line that is filled in is taken; acts of a year yet to
    come are refused; the run stays what it was, and a new one does not overwrite the notes."""
    first = support_signed()
    folder = first.save(tmp_path / "run")
    acts, news = read_noted(folder / "acts.csv", ActRow), read_noted(folder / "news.csv", NewsRow)
    assert {("package", FIRST), ("contract", FIRST), ("spent", FIRST + 1)} <= {
        (row.kind, row.fiscal_year) for row in acts
    }
    assert {("event", "stop"), ("price", "gallium"), ("demand", "gallium"), ("capacity", "ally")} <= {
        (row.kind, row.item) for row in news
    }
    assert roll(first, acts=acts, news=news, **CALM).facts["causes"] == []
    assert not any(row.done for row in acts)
    assert not any((row.status, row.happened) != (None, None) for row in news)
    told = {("acts.csv", "done"): {"contract": 50.0}, ("news.csv", "happened"): {"price": 2.5, "capacity": 1500.0}}
    for (name, column), figures in told.items():
        table = pd.read_csv(folder / name, dtype=str)
        for kind, figure in figures.items():
            table.loc[table.kind == kind, column] = str(figure)
        table.to_csv(folder / name, index=False)
    said = cli("roll", folder, "--no-learning", "--workers", "1", "--out", tmp_path / "next")
    assert said.returncode == 0, said.stderr
    now = Result.load(tmp_path / "next")
    assert max(now.data.rows("prices"), key=lambda row: row.from_year).price_usd_per_kg == 2.5
    part = next(row.producer for row in now.data.rows("commitments") if row.kind == "contract")
    assert (capacity(now, part, FIRST + 1), capacity(now, "ally", FIRST + 1)) == (
        pytest.approx(50.0),
        pytest.approx(1450.0),
    )
    assert Study.load(tmp_path / "next" / "analyses" / "roll").facts["causes"] == [STATE, FACTS]
    assert Result.load(folder).outcome == first.outcome
    assert verify(folder).facts["verified"]
    with pytest.raises(InputError, match="notes of a year"):
        first.save(folder)
    later = [row.model_copy(update={"done": 1.0}) for row in acts if row.fiscal_year == FIRST + 1]
    with pytest.raises(InputError, match="a year that has passed"):
        roll(first, acts=later, **CALM)


def test_an_event_of_the_plan_s_own_is_answered_by_its_status(tmp_path: Path) -> None:
    """Proves: the row of a listed event without a hazard states what the plan says of it; a word under its status is enough."""
    plan, data = imported(10.0, scenarios=[cut("own", 0.3, FIRST + 1.0, 1.0, price_multiplier=2.0)])
    folder = solve(plan, data, quick=True).save(tmp_path / "run")
    table = pd.read_csv(folder / "news.csv", dtype=str)
    table.loc[table.item == "own", "status"] = "in force"
    table.to_csv(folder / "news.csv", index=False)
    row = next(row for row in read_noted(folder / "news.csv", NewsRow) if row.item == "own")
    assert (row.countries, row.cut_share, row.price_multiplier, row.remaining_years) == ("CHN", 1.0, 2.0, 1.0)


@pytest.mark.parametrize("status", ["announced", "in force"])
def test_empty_cells_are_as_planned(status: str) -> None:
    """Proves: news of a listed event keep what the plan says of it and no cell does, what it lists after it included; a row of
    another hazard keeps nothing."""
    plan, data = hazard()
    own = {
        "hazard": "stop",
        "start_year": FIRST + 2.0,
        "duration_years": 1.5,
        "cut_share": 0.4,
        "third_country_cut_share": 0.2,
    }
    later = {**own, "start_year": FIRST + 3.0, "duration_years": 0.5}
    listed = [{"name": "own", "probability": 0.3, "events": [own, later]}]
    first = solve(Plan.model_validate({**plan.to_toml_like(), "scenarios": listed}), data, quick=True)
    row = NewsRow(item="own", status=status, hazard="stop", from_year=FIRST + 1.5, probability=0.5, cut_share=0.6)

    def told(row: NewsRow) -> tuple[Any, ...]:
        now = roll(first, news=[row], **CALM).result.plan
        return now.ongoing or now.scenarios[0].events

    events = told(row)
    assert [(e.duration_years, e.cut_share, e.third_country_cut_share) for e in events[:1]] == [(1.5, 0.6, 0.2)]
    if status == "announced":
        assert [(e.start_year, e.cut_share) for e in events[1:]] == [(FIRST + 3.0, 0.4)]
    stated = {"countries": "CHN", "materials": "gallium", "duration_years": 1.0, "remaining_years": 1.0}
    (other, *_) = told(row.model_copy(update={"hazard": None, **stated}))
    assert (other.third_country_cut_share, other.duration_years) == (None, 1.0)


def test_what_was_not_done_is_not_paid_and_what_did_not_arrive_is(tmp_path: Path) -> None:
    """Proves: half of a purchase costs half, so that the rest of the money is kept; half of it delivered costs all; prices of what
    the tables lack are refused."""
    plan, data = reserved(6).plan, reserved(6).data
    first = solve(
        plan.model_copy(update={"budget": plan.budget.model_copy(update={"carry_over_share": 1.0})}), data, quick=True
    )
    tonnes, spent = float(first.solution.acquisition[0, 0, 0]), float(first.tables["budget"].outlay_musd.iloc[0])
    half = roll(first, acts=[ActRow(kind="bought", item="spot", done=tonnes / 2)], **CALM).result
    lost = roll(first, news=[NewsRow(kind="delivered", item="spot", happened=tonnes / 2)], **CALM).result
    kept = [result.plan.budget.carried_in_musd for result in (roll(first, **CALM).result, half, lost)]
    assert [r.data.rows("stock")[0].opening_t for r in (half, lost)] == [pytest.approx(tonnes / 2)] * 2
    assert kept[1] - kept[0] == pytest.approx(spent / 2)
    assert kept[2] == pytest.approx(kept[0])
    with pytest.raises(InputError, match=r"happened .*; expected at most .* t, which were bought"):
        roll(first, news=[NewsRow(kind="delivered", item="spot", happened=2 * tonnes)], **CALM)
    for item, figure, said in (
        ("galium", 3.0, "did you mean 'gallium'"),
        ("gallium", 0.0, "found 0; expected more than 0"),
    ):
        with pytest.raises(InputError, match=said):
            roll(first, news=[NewsRow(kind="price", item=item, happened=figure)], **CALM)
