"""The sheet `start here`: questions in plain words fill a plan and its tables; empty answers change nothing."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from test_workbook import faults_of

from strategic_minerals import PlanError, check
from strategic_minerals.core.errors import Fault
from strategic_minerals.question.dataset import cell_name
from strategic_minerals.question.workbook import PLAN, load_workbook, write_workbook
from strategic_minerals.question.workbook_start import QUESTIONS, START
from support.tiny import hazard_row, offer, source, tiny

USE = "use it (yes or no)"
COVERS = [{"material": name, "days": 30.0, "from_year": 2028} for name in ("other", "magnet", "metal", "slag")]
FLOOR = {"material": "other", "levels_usd_per_kg": [7.0], "term_years": 5.0}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain from ore to magnets with slag beside the metal, and a material of no chain, as a book."""
    smelter = source("AUS", {"metal": 1.0, "slag": 1.0, "ore": -2.0}, 5.0)
    plant, far = source("AUS", {"magnet": 1.0, "metal": -1.0}, 5.0), source("CHN", "other", 10.0)
    plan, data = tiny(
        {"ore": 1.0, "metal": 10.0, "slag": 1.0, "magnet": 50.0, "other": 5.0},
        materials={"magnet": {"name": "Fine magnets"}},
        sources={"mine": source("AUS", "ore", 20.0), "smelter": smelter, "plant": plant, "far": far},
        demand={("magnet", "civil"): 5.0, ("other", "defence"): 1.0, ("slag", "civil"): 1.0},
        offers={name: offer(name, 5.0) for name in ("magnet", "other", "slag")},
        stock={"metal": 1.0},
        **{"money": 100.0, "years": 6, "days_of_cover": COVERS, "instruments": {"price_floors": [FLOOR]}},  # noqa: PIE804
    )
    rates = pd.DataFrame({"currency": ["EUR", "JPY"], "money_year": [2026, 2025], "local_per_usd": [0.8, 150.0]})
    countries = data.frame("countries").assign(name=["Home", "Fair Isle", "China"])
    hazards = pd.DataFrame([hazard_row("stop", "other", 0.1, cut_share=0.5, price_multiplier=2.0)])
    data = data.replace(countries=countries, hazards=hazards, exchange_rates=rates)
    path = tmp_path_factory.mktemp("kept") / "plan.xlsx"
    write_workbook(plan.model_copy(update={"materials": ("ore", "metal", "slag", "magnet", "other")}), data, path)
    return path


@cache
def rows_of(book: Path, sheet: str) -> dict[str, int]:
    """Text of the first column -> row, of a book that no test changes."""
    return {str(row[0].value): row[0].row for row in openpyxl.load_workbook(book)[sheet].iter_rows()}


def at(book: Path, name: str, n: int = 1, sheet: str = START) -> str:
    """The cell of an answer, or of a field of the sheet `plan`."""
    return cell_name(rows_of(book, sheet)[name], n)


def answering(kept: Path, tmp_path: Path, answers: Mapping[Any, Any], cells: Mapping[str, Any] | None = None) -> Path:
    """A copy of the book with answers by question, or by question and column, and values in cells such as `plan!B2`."""
    book = openpyxl.load_workbook(kept)
    given = {f"{START}!{at(kept, *(each if isinstance(each, tuple) else (each,)))}": v for each, v in answers.items()}
    for address, value in {**given, **(cells or {})}.items():
        sheet, _, cell = address.partition("!")
        book[sheet][cell].value = value
    book.save(tmp_path / "mine.xlsx")
    return tmp_path / "mine.xlsx"


def told(text: str) -> dict[tuple[str, int], Any]:
    """Answers as the sheet has them, a column each; questions by their beginning, those of a block after its switch."""
    found, block = dict[tuple[str, int], Any](), ""
    for line in re.split(r"[;\n]", text.strip()):
        question, *answers = (part.strip() for part in line.split("|"))
        if block and any(each.startswith(f"{block}: {question}") for each in QUESTIONS):
            question = f"{block}: {question}"
        name = next(each for each in QUESTIONS if each.startswith(question))
        block = name.partition(": ")[0] if ": " in name else ""
        found |= {(name, n): answer for n, answer in enumerate(answers, start=1) if answer}
    return {at: float(v) if re.fullmatch(r"[\d.]+", v) else v for at, v in found.items()}


PROJECTS = """own project: use | Yes | yes; name | Mine | Scrap; stage | mine | recycling; country | Fair isle | AUS
material | magnet | Fine Magnets; tonnes | 50 | 50; capital | 80 | 80; cash | 4 | 4; years to | 2 | 2; years of | 9 | 9
return | 10 % | 10"""
FIRST = {at: answer for at, answer in told(PROJECTS).items() if at[1] == 1}
STOPS = """disruption: use | yes | no; kind | embargo | outage; country | China | Fair Isle; materials | * | magnet
chance | 20 | 5; months | 6 | 3; supply | 75 | 50; price | 3 | 1"""
ALL_ON = f"""title | Ours; currency | eur; materials | Fine magnets, OTHER; years | 5; budget | 80; total | 320
{STOPS}\nhazard: use | yes; name | stop; price | 4\n{PROJECTS}
price floor: use | yes; material | other; levels | 4, 4.8
promise: use | yes | yes; material | other | magnet; user | defence | civil; share | 90 % | 50; disruption | 1 | 2
year | 2029 | 2030; months | 3"""


def test_empty_answers_change_nothing_and_lists_drop_down(kept: Path) -> None:
    """Proves: a book as it was written asks the plan's question; every answer and field that is one of a list has that list."""
    plan, data = load_workbook(kept)
    assert (plan.days_of_cover[1].material, *(row.hazard for row in data.rows("hazards"))) == ("magnet", "stop")
    book = openpyxl.load_workbook(kept)

    def listed(sheet: str, cell: str) -> str:
        return next((str(v.formula1) for v in book[sheet].data_validations.dataValidation if cell in v.sqref), "")

    for question, one in QUESTIONS.items():
        found = [listed(START, at(kept, question, n)) for n in (1, 2)]
        assert bool(found[0]) == bool(one.kind == "switch" or one.listed not in ("", "rules")), question
        assert found[1] == (found[0] if one.block else "")
    assert "recycling" in listed(START, at(kept, "own project: stage"))
    assert listed(START, at(kept, "currency")) == '"USD,EUR"'  # of the other there is no rate of the plan's price year
    for pair in ("policy foresight", "loss_function test", "materials materials!"):
        field, said = pair.split()
        assert said in listed(PLAN, at(kept, field, sheet=PLAN))
    assert "materials!" in listed("yields", "B2")
    assert not [note for note in check(plan, data).notes if START in note]


def test_answers_below_a_switch_that_is_off_are_noted(kept: Path, tmp_path: Path) -> None:
    """Proves: a planner who filled in a column and did not turn it on is told; examples and a promise's disruption are no case."""
    idle = "disruption: use | no | no; chance | 7 | 20; own project: use | no; years to | 4\nhazard: use | no | no; name | | stop"
    (note,) = (n for n in check(*load_workbook(answering(kept, tmp_path, told(idle)))).notes if START in n)
    off = (("disruption", 1), ("disruption", 2), ("hazard", 2), ("own project", 1))
    cells = [at(kept, f"{block}: {USE}", n) for block, n in off]
    assert f"below {', '.join(cells)} are not used" in note
    assert not [n for n in check(*load_workbook(answering(kept, tmp_path, told(ALL_ON)))).notes if "are not used" in n]


def test_answers_fill_the_plan_and_add_what_is_the_planners_own(kept: Path, tmp_path: Path) -> None:
    """Proves: names and capitals that people write are the codes of the tables; figures arrive in the units of the plan, money at
    0.8 euros a dollar; each column of a block adds its own."""
    plan, data = load_workbook(path := answering(kept, tmp_path, told(ALL_ON)))
    assert (plan.title, plan.horizon.years, *plan.materials[:3]) == ("Ours", 5, "magnet", "other", "metal")
    assert (plan.budget.appropriation_musd, plan.budget.total_musd) == (100, 400)
    own = (hazards := {row.hazard: row for row in data.rows("hazards")})["own_disruption"]
    assert own.rate_per_yr == pytest.approx(0.2231436)  # twenty per cent a year that one begins: -ln 0.8
    found = (own.kind, own.countries, own.duration_yr, own.cut_share, own.price_multiplier, *own.materials.split())
    assert found == ("embargo", "CHN", 0.5, 0.75, 3.0, *plan.materials)
    assert (*hazards, plan.sample and {*plan.sample.hazards}) == ("stop", "own_disruption", {"own_disruption", "stop"})
    assert [(row.hazard, row.price_multiplier, row.duration_yr) for row in plan.hazards] == [("stop", 4.0, None)]
    projects = [(row.project, row.stage, row.country, row.capex_musd, row.hurdle_rate) for row in data.rows("projects")]
    assert projects == [("own_project", "mine", "AUS", 100.0, 0.1), ("own_project_2", "recycling", "AUS", 100.0, 0.1)]
    assert data.rows("yields")[-1].material == "magnet"
    (floor,) = plan.instruments.price_floors  # the plan's own on this material is replaced
    assert floor.levels_usd_per_kg == pytest.approx((5.0, 6.0))
    levels = [(each.material, each.level, *each.scenarios) for each in plan.service_levels]
    assert levels == [("other", 0.9, "own-promise"), ("magnet", 0.5, "own-promise-2")]
    events = [(each.start_year, each.duration_years, each.countries) for one in plan.scenarios for each in one.events]
    assert events == [(2029, 0.25, "CHN"), (2030, 0.25, "AUS")]
    assert not check(plan, data).faults
    # the command line counts before all, and a column that is inserted holds a fourth
    plan, _ = load_workbook(path, {"horizon.years": 4, "budget.appropriation_musd": 7})
    assert (plan.horizon.years, plan.budget.appropriation_musd, plan.title) == (4, 7, "Ours")
    drawn = load_workbook(path, {"sample.seed": 7})[0].sample
    assert (drawn.seed, {*drawn.hazards}) == (7, {"own_disruption", "stop"})
    book = openpyxl.load_workbook(answering(kept, tmp_path, told(PROJECTS)))
    book[START].insert_cols(3)
    book.save(path)
    assert [row.project for row in load_workbook(path)[1].rows("projects")] == ["own_project", "own_project_3"]
    book[START].title = "Start"
    book.save(path)
    with pytest.raises(PlanError, match="did you mean 'start here'"):
        load_workbook(path)


def test_other_materials_bring_their_feeds_and_leave_rules_behind(kept: Path, tmp_path: Path) -> None:
    """Proves: what makers along the chain use and make is planned, and said; rules about others go, and are named; faults of those
    that stay have the cells of their own rows. `no` plans without feeds."""
    days = at(kept, "days_of_cover.2.days", sheet=PLAN)
    plan, data = load_workbook(answering(kept, tmp_path, {"materials": "magnet"}, {f"plan!{days}": 40_000}))
    assert (
        [*plan.materials]
        == [*(rule.material for rule in plan.days_of_cover), "ore"]
        == ["magnet", "metal", "slag", "ore"]
    )
    notes = " ".join(check(plan, data).notes)
    for said in ("metal, slag, ore added", "0 (other), instruments.price_floors.0 (other)", f"{days} days_of_cover.2"):
        assert said in notes
    plan, _ = load_workbook(answering(kept, tmp_path, told("materials | magnet; add what | no")))
    assert plan.materials == ("magnet",)


def test_rules_that_do_not_fit_are_one_fault_that_says_what_to_type(kept: Path, tmp_path: Path) -> None:
    """Proves: days of cover of what nobody may sell are two faults in the plan as it stands, each at its cell, and one where the
    planner has chosen the materials; typed as it says, the plan can be solved."""
    _, data = load_workbook(kept)
    column = data.book.columns["stock"].index("opening_t"), data.book.columns["offers"].index("material")
    closed = {f"stock!{cell_name(2, column[0])}": 0, f"offers!{cell_name(4, column[1])}": "other"}

    def faults(answers: str) -> list[Fault]:
        return faults_of(answering(kept, tmp_path, told(answers), closed))

    rules = ["days_of_cover.2.material", "days_of_cover.3.material"]
    assert [fault.row for fault in faults("years | 6")] == [at(kept, rule, sheet=PLAN) for rule in rules]
    (fault,) = faults("materials | magnet")
    typed = re.findall(r"'([^']*)'", fault.expected)[0]
    assert (fault.row, typed) == (at(kept, "rules to leave out"), "days_of_cover.2, days_of_cover.3")
    assert faults(f"materials | magnet; rules | {typed}") == []
    assert [fault.row for fault in faults("rules | days_of_cover.7")] == [at(kept, "rules to leave out")]


WRONG = [
    (
        told(
            "materials | magnat, other; years | 2.5; first | many; currency | yen; budget | 60%; title | | x; disruption: use | so"
        )
        | {**FIRST, (f"own project: {USE}", 2): 1},
        f"""materials 1: 'magnat'; one of magnet, metal, ore, other, slag (did you mean 'magnet'?)
        years 1: '2.5'; a whole number from 1 to 60\n first year 1: 'many'; a whole number from 1900 to 2200
        budget a year (million) 1: '60%'; a number from 0 to 1e+12\n currency 1: 'yen'; one of EUR, USD
        title 2: 'x'; one answer, in B2
        disruption: {USE} 1: 'so'; yes or no\n own project: {USE} 2: 'yes' and no answer below; answers below it, or 'no'""",
    ),
    (
        told("materials | magnet; first | 2027; years | 6; price floor: use | yes; levels | 440,5; promise: use | yes")
        | told("promise: user | makers; share | 0.9; year it | 2090; disruption | 3")
        | {**FIRST, **told("own project: country | Atlantis; material | other; return | 1")}
        | {("own project: name", 1): "a\nb", ("own project: years of life", 1): None},
        f"""own project: country 1: 'Atlantis'; one of AUS, CHN, USA\n own project: name 1: 'a\\nb'; one line
        own project: years of life 1: an empty cell; an answer, or 'no' at '{USE}' above
        own project: material 1: 'other'; one of the plan's materials: magnet, metal, ore, slag
        price floor: levels (per kg) 1: '440,5'; numbers above 0, with a comma and a blank between them, such as 80, 110.5
        promise: user 1: 'makers'; one of civil, defence
        promise: share served (%) 1: '0.9'; a percentage, such as 90 (for 0.9 %, type '0.9% as text)
        own project: return asked (%) 1: '1'; a percentage, such as 100 (for 1 %, type '1% as text)
        promise: year it begins 1: 2090; a year from 2028 to 2032
        promise: disruption 1: '3'; the number of a column with answers about a disruption""",
    ),
    # what only plan and tables can tell
    (FIRST | told("own project: tonnes | 1e12"), "own project: tonnes a year 1: 1000000000000.0; less than 1e+12"),
    (
        told(STOPS) | told("promise: use | yes; material | other; user | civil"),
        "promise: share served (%) 1: 'other', 'civil'; a material and segment with demand in demand.csv",
    ),
]


@pytest.mark.parametrize("broken", [False, True])
def test_faults_name_the_cell_of_the_answer_and_hide_no_others(kept: Path, tmp_path: Path, broken: bool) -> None:
    """Proves: every wrong answer is told once, at its cell, and so is a question that stands twice, a fault of plan or table."""
    twice, rate = {f"{START}!A60": "Years", f"{START}!B60": 3}, f"plan!{at(kept, 'discount_rate', sheet=PLAN)}"
    for answers, every in WRONG[: 2 if broken else None]:
        path = answering(kept, tmp_path, answers, {rate: 3, "prices!E2": "dear", **twice} if broken else {})
        found, beside = list[str](), list[str]()
        for fault in faults_of(path):
            n = next((n for n in (1, 2) if START in fault.file and at(kept, fault.column, n) == fault.row), 0)
            line = f"{fault.column} {n}: {fault.found}; {fault.expected}".replace("EUR, JPY", "EUR")
            (found if n else beside).append(line)
        assert sorted(found) == sorted(line.strip() for line in every.splitlines())
        assert [line.partition(" ")[0] for line in beside] == (
            ["discount_rate", "price_usd_per_kg", "years"] if broken else []
        )
