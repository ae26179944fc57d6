"""The sheet `start here` of a workbook: questions in plain words, whose answers fill the plan and add what is the planner's own.

A row is a question and its answer; what is left empty stays as the sheets `plan` and the tables have it. Blocks have a switch: a
licence stop, a project, a price floor, a promise, each ready with examples that are no facts and stand there to be replaced.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import Fault, Faults, PlanError, near_miss
from ..core.stats import MONTHS_PER_YEAR
from .base import key_of
from .dataset import Dataset, cell_name, home_row
from .plan import Plan
from .read_toml import parse_plan
from .tables import TABLES

START = "start here"
YES, NO = "yes", "no"
SWITCHED = {YES: True, "y": True, "true": True, "1": True, NO: False, "n": False, "false": False, "0": False}
"""What a cell with a switch may hold."""
STOP, MINE, FLOOR, PROMISE = "licence stop", "own project", "price floor", "promise"
USE = "use it (yes or no)"
OWN_PROJECT = "own_project"
"""Code of the project that the answers add."""
ASKED = """
materials | names | | | If empty: as in the sheet plan. This home wants {codes}. * for all.
first year | number | | 1900 2200 | If empty: {first}.
years | number | | 1 60 | How many are planned. If empty: {years}.
budget a year (million USD) | number | | | In money of {price_year}. If empty: {money}.
licence stop: use it (yes or no) | switch | no | | A country stops or licenses its exports now and then. {examples}
licence stop: country | names | CHN | | Three letters, or the name, as in the sheet countries.
licence stop: materials | names | {chosen} | | Among those above; * for all of the plan.
licence stop: chance a year (%) | percent | 20 | 0 99 | That one begins within a year: 20, once in 4.5 years.
licence stop: months | number | 12 | 0.1 600 | How long it lasts, on average.
licence stop: supply lost (%) | percent | 75 | 0 100 |
    Of what that country sells us. Meanwhile others serve their contracts first (kappa in the sheet activities).
licence stop: price multiple | number | 2 | 0.01 1000 | Price while it lasts, over the usual one; 1: as usual.
own project: use it (yes or no) | switch | no | |
    A mine or plant. Its owner builds it where it pays; where it does not, it may be supported. {examples}
own project: name | text | Own mine | | As results call it; in commands it is own_project.
own project: country | text | {country} | | Three letters, or the name.
own project: material | text | {chosen} | | What it makes: one of those above.
own project: tonnes a year | number | {tonnes} | 1e-6 1e12 | Of that material, at full output.
own project: capital cost (million USD) | number | 100 | | To build it, in money of {price_year}.
own project: cash cost (USD/kg) | number | {cash} | |
    To make a kg, without capital. The plan's price of {chosen} is {price:g}.
own project: years to build | number | 3 | 0.25 30 | From signing to the first output.
own project: years of life | number | 20 | 1 100 | That it runs.
own project: return asked (%) | percent | 12 | 0 100 | That its owner wants a year above inflation: 12 for 12 %.
price floor: use it (yes or no) | switch | no | |
    The budget tops up a low price, for projects that the plan supports; in place of its own floor on that material.
    {examples}
price floor: material | text | {chosen} | | One of those above.
price floor: levels (USD/kg) | numbers | {levels} | | To choose from, near the market price or above.
price floor: years | number | 10 | 1 60 | From first output.
promise: use it (yes or no) | switch | no | |
    If a stop as above begins in the year below, these users get this share. Where that cannot be, there is no plan.
    {examples}
promise: material | text | {chosen} | | One of those above.
promise: user | text | {segment} | | A segment of the sheet demand.
promise: share served (%) | percent | 80 | 0 100 | Of what they want while it lasts: 80 for 80 %.
promise: year of the stop | number | {stop_year} | 1900 2200 | In which it begins, {second} or later.
"""
"""Question, kind of its answer, answer that stands ready (empty: none), limits, what it means; `{}`: a figure of the plan."""
EXAMPLES = "The answers below are examples, no facts: replace them."
"""At every switch: what stands ready under it, such as 20 % a year, has no source."""


@dataclass(frozen=True)
class Question:
    """A row of the sheet."""

    text: str
    """As it stands in the first column; answers are found by it."""
    help: str
    ready: Any
    """Answer that stands there from the beginning; None: empty."""
    kind: str
    """text, number, percent, names, numbers, switch."""
    low: float
    high: float

    @property
    def block(self) -> str:
        """What its switch turns on; empty for what always counts."""
        return self.text.partition(": ")[0] if ": " in self.text else ""


def questions(plan: Plan, data: Dataset) -> list[Question]:
    """Rows of the sheet, ready with figures of the plan's own materials: no facts, they stand there to be replaced."""
    wanted = [row.material for row in data.rows("demand")]
    chosen = next((name for name in plan.materials if name in wanted), wanted[0] if wanted else "")
    prices = {(row.price_set, row.material): row.price_usd_per_kg for row in reversed(data.rows("prices"))}
    price = prices.get((plan.price_set, chosen), 100.0)
    first, money, row = plan.horizon.first_year, plan.budget.appropriation_musd, home_row(data, plan.home)
    known = {
        "examples": EXAMPLES,
        "codes": ", ".join(dict.fromkeys(wanted)),
        "first": first,
        "second": first + 1,
        "stop_year": first + 3,
        "years": plan.horizon.years,
        "price_year": plan.price_year,
        "money": "by year, in the sheet plan" if isinstance(money, Mapping) else f"{money:g}",
        "chosen": chosen,
        "segment": next((row.segment for row in data.rows("demand") if row.material == chosen), ""),
        "country": plan.home if row is None else row.members.split()[0],
        "tonnes": _round(_wanted_tonnes(data, chosen) / 10),
        "cash": _round(price * 0.7),
        "price": price,
        "levels": ", ".join(f"{_round(price * factor):g}" for factor in (1.0, 1.2, 1.5)),
    }
    found = []
    for line in ASKED.strip().replace("\n    ", " ").splitlines():
        text, kind, ready, limits, meaning = (part.strip().format(**known) for part in line.split("|"))
        low, high = limits.split() or (0, 1e12)
        answer: Any = float(ready) if ready and kind in ("number", "percent") else ready or None
        found.append(Question(text, meaning, answer, kind, float(low), float(high)))
    return found


def _wanted_tonnes(data: Dataset, material: str) -> float:
    """Tonnes a year that users want of a material at first; 100 where nobody does."""
    rows = sorted(data.rows("demand"), key=lambda row: -row.from_year)
    first = {row.segment: row.demand_t_per_yr for row in rows if row.material == material}
    return sum(first.values()) or 100.0


def _round(value: float) -> float:
    return float(f"{value:.2g}")


@dataclass(frozen=True)
class Answers:
    """What was answered, by question, and where."""

    place: str
    """Book and sheet, for faults."""
    values: Mapping[str, Any]
    """Question -> number, text, list, or whether a switch is on; without what is empty and blocks that are switched off."""
    rows: Mapping[str, int]
    faults: tuple[Fault, ...] = ()
    """What is wrong with them by themselves."""

    def fault(self, question: str, found: str, expected: str) -> Fault:
        """A fault at the cell of an answer."""
        return Fault(self.place, cell_name(self.rows.get(question, 1), 1), question, found, expected)

    def uses(self, block: str) -> bool:
        """Whether the switch of a block is on."""
        return bool(self.values.get(f"{block}: {USE}"))

    def of(self, block: str) -> dict[str, Any]:
        """Answers of a block, by its questions without its name; shares for percentages."""
        mine = {text.removeprefix(f"{block}: "): value for text, value in self.values.items() if text.startswith(block)}
        return {name: value / 100 if name.endswith("(%)") else value for name, value in mine.items()}


def read_answers(place: str, cells: Sequence[Sequence[Any]], asked: Sequence[Question]) -> Answers:
    """The answers of a sheet: questions in the first column, answers in the second."""
    known = {_plain(one.text): one.text for one in asked}
    rows: dict[str, int] = {}
    given: dict[str, str] = {}
    faults = Faults()
    for number, row in enumerate(cells[1:], start=2):
        text, answer = (str(part).strip() for part in (*row[:2], "", "")[:2])
        question = known.get(_plain(text))
        if question is not None:
            rows[question] = number
            given |= {question: answer} if answer else {}
        elif text and answer:
            expected = f"a question of this sheet as it was written{near_miss(text, known.values())}"
            faults.add(Fault(place, cell_name(number, 0), text, "another question", expected))
    answers = Answers(place, given, rows)
    used = {one.block for one in asked if one.kind == "switch" and SWITCHED.get(_plain(given.get(one.text, NO)))}
    used |= {STOP} if PROMISE in used else set()  # a promise is kept in the stop that is described there, drawn or not
    values: dict[str, Any] = {}
    for one in asked:
        if one.text in given and (one.block in used or not one.block or one.kind == "switch"):
            try:
                values[one.text] = _meant(one, given[one.text])
            except ValueError as error:
                faults.add(answers.fault(one.text, f"'{given[one.text]}'", str(error)))
        elif one.block in used:
            faults.add(answers.fault(one.text, "an empty cell", "an answer, or 'no' at the switch above"))
    return Answers(place, values, rows, tuple(faults.told()))


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip().casefold())


def _meant(question: Question, text: str) -> Any:
    """An answer in its kind. ValueError says what is expected instead."""
    parts = [part for part in re.split(r"[\s,;]+", text) if part]
    if question.kind == "switch":
        if _plain(text) not in SWITCHED:
            raise ValueError(f"{YES} or {NO}")
        return SWITCHED[_plain(text)]
    if question.kind == "names":
        return parts
    if question.kind == "numbers":
        numbers = [_number(part) for part in parts]
        if not numbers or min(numbers) <= 0:
            raise ValueError("numbers above 0, with commas")
        return numbers
    if question.kind in ("number", "percent"):
        number = _number(text)
        if not question.low <= number <= question.high:
            raise ValueError(f"a number from {question.low:g} to {question.high:g}")
        if question.kind == "percent" and 0 < number < 1:
            raise ValueError(f"a percentage, such as {100 * number:g} ({number:g} would be {number:g} %)")
        return number
    return text


def _number(text: str) -> float:
    """A number, with or without a percent sign; one beyond all limits for text that is none."""
    try:
        return float(text.rstrip("%").strip())
    except ValueError:
        return -math.inf


# What the answers of the sheet `start here` make of a plan and its tables.


OWN_STOP, OWN_SCENARIO = "own_stop", "own-stop"
"""Names of what the answers add."""
SAMPLE = {"scenarios": 40, "draws": 1000, "seed": 1}
"""Scenarios of a plan that drew none."""
PROMISED = 0.005
"""Probability of the scenario in which a promise is kept: it is there to be planned for, not to be expected."""
ENTERED = {"source": "sheet start here", "confidence": "estimate", "note": "entered by the planner"}
"""Provenance of rows that the answers add."""
RULES = ("days_of_cover", "service_levels", "diversification")
"""Sections of a plan whose rules are about one material."""
BUDGET = "budget a year (million USD)"
BEGINS = f"{PROMISE}: year of the stop"
PLACES = {
    "materials": "materials",
    "horizon.first_year": "first year",
    "horizon": "years",
    "budget": BUDGET,
    "instruments.price_floors": f"{FLOOR}: levels (USD/kg)",
    "service_levels": f"{PROMISE}: share served (%)",
    "scenarios": BEGINS,
}
"""Field of the plan -> question that fills it."""


def answered(plan: Plan, data: Dataset, answers: Answers) -> tuple[Plan, Dataset]:
    """Plan and tables with what was answered. Raises PlanError with the cell of an answer that names nothing that there is."""
    answers = _in_codes(data, answers)
    values = answers.values
    faults = [*answers.faults, *_unknown(plan, data, answers)]
    if faults:
        raise PlanError(faults)
    known = plan.to_toml_like()
    instruments = known.setdefault("instruments", {})
    if "materials" in values:
        _about_these(known, values["materials"])
    for question, place in (("first year", "first_year"), ("years", "years")):
        if question in values:
            known["horizon"][place] = int(values[question])
    _within(known)
    if BUDGET in values:
        known["budget"]["appropriation_musd"] = values[BUDGET]
    added: dict[str, dict[str, Any]] = {}
    if answers.uses(STOP):
        added["hazards"] = _hazard(plan, answers)
        _list(known.setdefault("sample", dict(SAMPLE, hazards=[])), "hazards", OWN_STOP)
    if answers.uses(MINE):
        added["projects"] = _project(plan, answers, known["horizon"]["first_year"])
        made = values[f"{MINE}: material"]
        added["yields"] = {"producer": OWN_PROJECT, "material": made, "yield_t_per_t": 1.0}
        _list(instruments, "project_list", OWN_PROJECT)
        instruments["projects"] = True
    if answers.uses(FLOOR):
        mine = answers.of(FLOOR)
        levels = {"levels_usd_per_kg": mine["levels (USD/kg)"], "term_years": mine["years"]}
        others = [menu for menu in instruments.get("price_floors", []) if menu["material"] != mine["material"]]
        instruments["price_floors"] = [*others, {"material": mine["material"], **levels}]
    if answers.uses(PROMISE):
        mine = answers.of(PROMISE)
        of = {"material": mine["material"], "segment": mine["user"]}
        level = {**of, "level": mine["share served (%)"], "scenarios": [OWN_SCENARIO]}
        known["scenarios"] = [*known.get("scenarios", []), _scenario(plan, answers)]
        known["service_levels"] = [*known.get("service_levels", []), level]
    try:
        asked = parse_plan(known, file=answers.place)
    except PlanError as error:
        raise PlanError([_placed(fault, answers) for fault in error.faults]) from None
    return asked, _with_rows(data, added)


def _list(section: dict[str, Any], field: str, name: str) -> None:
    """Add a name to a list of names, where this is not already one of all."""
    if "*" not in section.get(field, ["*"]):
        section[field] = [*section[field], name]


def _within(known: dict[str, Any]) -> None:
    """Years in which may be signed, without those outside the planned years; where none is left, any may be."""
    first, years = known["horizon"]["first_year"], known["horizon"]["years"]
    instruments = known["instruments"]
    for name in ("signing_years", "contract_years"):
        if instruments.get(name):
            kept = [year for year in instruments[name] if first <= year < first + years]
            instruments[name] = kept or None


def _about_these(known: dict[str, Any], materials: list[str]) -> None:
    """Put the materials that are asked for into a plan, and take out its rules about others."""
    known["materials"] = materials
    ruled = [(known, section) for section in RULES] + [(known["instruments"], "price_floors")]
    for around, section in ruled if "*" not in materials else ():
        around[section] = [rule for rule in around.get(section, []) if rule["material"] in materials]


def _in_codes(data: Dataset, answers: Answers) -> Answers:
    """Answers with codes where names were written, in whatever letters."""
    segments = {row.segment.casefold(): row.segment for row in data.rows("demand")}
    materials, countries = (
        {getattr(row, part).casefold(): getattr(row, code) for part in ("name", code) for row in data.rows(table)}
        for table, code in (("materials", "material"), ("countries", "country"))
    )
    of = {"material": materials, "materials": materials, "country": countries, "user": segments}
    values = dict(answers.values)
    for question, answer in values.items():
        codes = of.get(question.rpartition(": ")[2], {})
        if isinstance(answer, list):
            values[question] = [codes.get(str(name).casefold(), name) for name in answer]
        elif isinstance(answer, str):
            values[question] = codes.get(answer.casefold(), answer)
    return replace(answers, values=values)


def _unknown(plan: Plan, data: Dataset, answers: Answers) -> list[Fault]:
    """Faults of names that no table has, of materials that are not planned, and of a stop outside the planned years."""
    materials = {row.material for row in data.rows("materials")}
    countries = {row.country for row in data.rows("countries")}
    faults = []

    def check(question: str, known: Collection[str], what: str) -> None:
        answer = answers.values.get(question, [])
        for name in answer if isinstance(answer, list) else [answer]:
            if name not in known and not (name == "*" and isinstance(answer, list)):
                faults.append(answers.fault(question, f"'{name}'", f"{what}{near_miss(str(name), known)}"))

    check("materials", materials, "codes of the sheet materials")
    asked = answers.values.get("materials", list(plan.materials))
    planned = materials if "*" in asked else materials & {*asked}
    what = "one of the plan's materials" + (f": {', '.join(sorted(planned))}" if len(planned) <= MOST_NAMED else "")
    for block in (STOP, MINE, FLOOR, PROMISE):  # of one that is switched off there are no answers
        check(f"{block}: country", countries, "codes of the sheet countries")
        check(f"{block}: materials", planned, what)
        check(f"{block}: material", planned, what)
    if (material := answers.values.get(f"{PROMISE}: material")) in planned:
        segments = {row.segment for row in data.rows("demand") if row.material == material}
        check(f"{PROMISE}: user", segments, f"a segment with demand for {material}: {', '.join(sorted(segments))}")
    if (begins := answers.values.get(BEGINS)) is not None:
        first = answers.values.get("first year", plan.horizon.first_year)
        last = first + answers.values.get("years", plan.horizon.years) - 1
        if not first + 1 <= begins <= last:
            faults.append(answers.fault(BEGINS, f"{begins:g}", f"a year from {first + 1:g} to {last:g}"))
    return faults


MOST_NAMED = 12
"""Materials that a fault names."""


def _stop(plan: Plan, answers: Answers) -> dict[str, Any]:
    """What a stop does, as fields that an event and a hazard have in common."""
    mine = answers.of(STOP)
    materials = mine["materials"]
    return {
        "countries": " ".join(mine["country"]),
        "materials": " ".join(plan.materials if "*" in materials and "*" not in plan.materials else materials),
        "cut_share": mine["supply lost (%)"],
        "price_multiplier": mine["price multiple"],
    }


def _hazard(plan: Plan, answers: Answers) -> dict[str, Any]:
    """The stop as a hazard: at the rate at which one begins in a year with the chance that was answered, -ln(1 - chance)."""
    mine = answers.of(STOP)
    return {
        "hazard": OWN_STOP,
        "name": "Licence stop of the sheet start here",
        "kind": "licence",
        "rate_per_yr": -math.log(1 - mine["chance a year (%)"]),
        "duration_yr": mine["months"] / MONTHS_PER_YEAR,
        **_stop(plan, answers),
    }


def _project(plan: Plan, answers: Answers, first_year: int) -> dict[str, Any]:
    mine = answers.of(MINE)
    return {
        "project": OWN_PROJECT,
        "name": mine["name"],
        "country": mine["country"],
        "stage": "mine",
        "capacity_t_per_yr": mine["tonnes a year"],
        "capex_musd": mine["capital cost (million USD)"],
        "cash_usd_per_kg": mine["cash cost (USD/kg)"],
        "lead_yr": mine["years to build"],
        "life_yr": mine["years of life"],
        "hurdle_rate": mine["return asked (%)"],
        "earliest_signing": first_year,
        "money_year": plan.price_year,
    }


def _scenario(plan: Plan, answers: Answers) -> dict[str, Any]:
    """The scenario of the promise: one stop as described, beginning in its year."""
    years = answers.values[f"{STOP}: months"] / MONTHS_PER_YEAR
    event = {"start_year": answers.values[BEGINS], "duration_years": years, **_stop(plan, answers)}
    return {"name": OWN_SCENARIO, "probability": PROMISED, "design_basis": True, "events": [event]}


def _with_rows(data: Dataset, added: Mapping[str, Mapping[str, Any]]) -> Dataset:
    """Tables with a further row each, which stands in no cell of its sheet."""
    tables, book = dict(data.tables), data.book
    for table, cells in added.items():
        row = TABLES[table].model_validate({**cells, **ENTERED})
        tables[table] = (*(each for each in data.rows(table) if key_of(each) != key_of(row)), row)
    if book is not None:
        lines = {table: (*book.lines.get(table, ()), 0) for table in added}
        columns = {table: book.columns.get(table, ()) for table in added}
        book = replace(book, lines={**book.lines, **lines}, columns={**book.columns, **columns})
    return replace(data, tables=types.MappingProxyType(tables), book=book)


def _placed(fault: Fault, answers: Answers) -> Fault:
    """A fault of the plan with the cell of the answer that made it."""
    for field, question in PLACES.items():
        if re.match(rf"{re.escape(field)}\b", fault.column) and question in answers.values:
            return answers.fault(question, fault.found, fault.expected)
    return fault
