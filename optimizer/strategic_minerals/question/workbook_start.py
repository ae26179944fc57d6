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
from .dataset import Dataset, cell_name, home_row
from .plan import Plan
from .read_toml import parse_plan
from .tables import TABLES

START = "start here"
YES, NO = "yes", "no"
ON, OFF = ("yes", "y", "true", "1"), ("no", "n", "false", "0")
STOP, MINE, FLOOR, PROMISE = "licence stop", "own project", "price floor", "promise"
USE = "use it (yes or no)"
EXAMPLES = "The answers below are examples, no facts: replace them."
"""Said at every switch: what stands ready under it, such as 20 % a year, has no source."""
OWN_PROJECT = "own_project"
"""Code of the project that the answers add."""


@dataclass(frozen=True)
class Question:
    """A row of the sheet."""

    text: str
    """As it stands in the first column; answers are found by it."""
    help: str
    ready: Any = None
    """Answer that stands there from the beginning; None: empty."""
    kind: str = "text"
    """text, number, percent, names, numbers, switch."""
    low: float = 0.0
    high: float = 1e12

    @property
    def block(self) -> str:
        """What its switch turns on; empty for what always counts."""
        return self.text.partition(": ")[0] if ": " in self.text else ""


def questions(plan: Plan, data: Dataset) -> list[Question]:
    """Rows of the sheet, ready with figures of the plan's own materials: no facts, they stand there to be replaced."""
    wanted = [row.material for row in data.rows("demand")]
    chosen = next((name for name in plan.materials if name in wanted), wanted[0] if wanted else "")
    segment = next((row.segment for row in data.rows("demand") if row.material == chosen), "")
    price = next(
        (r.price_usd_per_kg for r in data.rows("prices") if (r.price_set, r.material) == (plan.price_set, chosen)),
        100.0,
    )
    first, money = plan.horizon.first_year, plan.budget.appropriation_musd
    codes = ", ".join(dict.fromkeys(wanted))
    row = home_row(data, plan.home)
    members = [plan.home] if row is None else row.members.split()

    def levels(*factors: float) -> str:
        return ", ".join(f"{float(f'{price * factor:.2g}'):g}" for factor in factors)

    return [
        Question("materials", f"If empty: as in the sheet plan. This home wants {codes}. * for all.", kind="names"),
        Question("first year", f"If empty: {first}.", kind="number", low=1900, high=2200),
        Question("years", f"How many are planned. If empty: {plan.horizon.years}.", kind="number", low=1, high=60),
        Question(
            "budget a year (million USD)", f"In money of {plan.price_year}. If empty: {_money(money)}.", kind="number"
        ),
        Question(f"{STOP}: {USE}", f"A country stops or licenses its exports now and then. {EXAMPLES}", NO, "switch"),
        Question(f"{STOP}: country", "Three letters, or the name, as in the sheet countries.", "CHN", "names"),
        Question(f"{STOP}: materials", "Among those above; * for all of the plan.", chosen, "names"),
        Question(
            f"{STOP}: chance a year (%)",
            "That one begins within a year: 20, once in 4.5 years.",
            20,
            "percent",
            0,
            99,
        ),
        Question(f"{STOP}: months", "How long it lasts, on average.", 12, "number", 0.1, 600),
        Question(
            f"{STOP}: supply lost (%)",
            "Of what that country sells us. Meanwhile others serve their contracts first (kappa in the sheet activities).",
            75,
            "percent",
            0,
            100,
        ),
        Question(
            f"{STOP}: price multiple", "Price while it lasts, over the usual one; 1: as usual.", 2, "number", 0.01, 1000
        ),
        Question(
            f"{MINE}: {USE}",
            f"A mine or plant. Its owner builds it where it pays; where it does not, it may be supported. {EXAMPLES}",
            NO,
            "switch",
        ),
        Question(f"{MINE}: name", f"As results call it; in commands it is {OWN_PROJECT}.", "Own mine"),
        Question(f"{MINE}: country", "Three letters, or the name.", members[0]),
        Question(f"{MINE}: material", "What it makes: one of those above.", chosen),
        Question(
            f"{MINE}: tonnes a year",
            "Of that material, at full output.",
            _round(wanted_tonnes(data, chosen) / 10),
            "number",
            1e-6,
        ),
        Question(f"{MINE}: capital cost (million USD)", f"To build it, in money of {plan.price_year}.", 100, "number"),
        Question(
            f"{MINE}: cash cost (USD/kg)",
            f"To make a kg, without capital. The plan's price of {chosen} is {price:g}.",
            _round(price * 0.7),
            "number",
        ),
        Question(f"{MINE}: years to build", "From signing to the first output.", 3, "number", 0.25, 30),
        Question(f"{MINE}: years of life", "That it runs.", 20, "number", 1, 100),
        Question(
            f"{MINE}: return asked (%)",
            "That its owner wants a year above inflation: 12 for 12 %.",
            12,
            "percent",
            0,
            100,
        ),
        Question(
            f"{FLOOR}: {USE}",
            "The budget tops up a low price, for projects that the plan supports; in place of its own floor on that material. "
            f"{EXAMPLES}",
            NO,
            "switch",
        ),
        Question(f"{FLOOR}: material", "One of those above.", chosen),
        Question(
            f"{FLOOR}: levels (USD/kg)",
            "To choose from, near the market price or above.",
            levels(1.0, 1.2, 1.5),
            "numbers",
        ),
        Question(f"{FLOOR}: years", "From first output.", 10, "number", 1, 60),
        Question(
            f"{PROMISE}: {USE}",
            "If a stop as above begins in the year below, these users get this share. Where that cannot be, there is no plan. "
            f"{EXAMPLES}",
            NO,
            "switch",
        ),
        Question(f"{PROMISE}: material", "One of those above.", chosen),
        Question(f"{PROMISE}: user", "A segment of the sheet demand.", segment),
        Question(
            f"{PROMISE}: share served (%)", "Of what they want while it lasts: 80 for 80 %.", 80, "percent", 0, 100
        ),
        Question(
            f"{PROMISE}: year of the stop",
            f"In which it begins, {first + 1} or later.",
            first + 3,
            "number",
            1900,
            2200,
        ),
    ]


def _money(amount: float | Mapping[int, float]) -> str:
    return "by year, in the sheet plan" if isinstance(amount, Mapping) else f"{amount:g}"


def wanted_tonnes(data: Dataset, material: str) -> float:
    """Tonnes a year that users want of a material at first."""
    first: dict[str, tuple[int, float]] = {}
    for row in data.rows("demand"):
        if row.material == material and row.from_year < first.get(row.segment, (10_000, 0.0))[0]:
            first[row.segment] = row.from_year, row.demand_t_per_yr
    return sum(tonnes for _, tonnes in first.values()) or 100.0


def _round(value: float) -> float:
    return float(f"{value:.2g}")


@dataclass(frozen=True)
class Answers:
    """What was answered, by question, and where."""

    place: str
    """Book and sheet, for faults."""
    values: Mapping[str, Any]
    """Question -> number, text, or list; what is empty, and blocks that are switched off, are left out."""
    rows: Mapping[str, int]
    faults: tuple[Fault, ...] = ()
    """What is wrong with them by themselves."""

    def fault(self, question: str, found: str, expected: str) -> Fault:
        """A fault at the cell of an answer."""
        return Fault(self.place, cell_name(self.rows.get(question, 1), 1), question, found, expected)


def read_answers(place: str, cells: Sequence[Sequence[Any]], asked: Sequence[Question]) -> Answers:
    """The answers of a sheet: questions in the first column, answers in the second."""
    known = {_plain(one.text): one for one in asked}
    rows: dict[str, int] = {}
    given: dict[str, Any] = {}
    faults = Faults()
    for number, row in enumerate(cells[1:], start=2):
        text = str(row[0]).strip() if row else ""
        answer = row[1] if len(row) > 1 else ""
        if isinstance(answer, str):
            answer = answer.strip()
        question = known.get(_plain(text))
        if question is None:
            if text and answer != "":
                expected = f"a question of this sheet as it was written{near_miss(text, [one.text for one in asked])}"
                faults.add(Fault(place, cell_name(number, 0), text, "another question", expected))
            continue
        rows[question.text] = number
        if answer != "":
            given[question.text] = answer
    answers = Answers(place, given, rows)
    used = {one.block for one in asked if one.kind == "switch" and _plain(str(given.get(one.text, NO))) in ON}
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


def _meant(question: Question, answer: Any) -> Any:
    """An answer in its kind. ValueError says what is expected instead."""
    text = str(answer).strip()
    if question.kind == "switch":
        if _plain(text) not in (*ON, *OFF):
            raise ValueError(f"{YES} or {NO}")
        return text
    if question.kind == "names":
        return re.split(r"[\s,;]+", text)
    if question.kind == "numbers":
        numbers = [_number(part) for part in re.split(r"[\s,;]+", text) if part]
        if not numbers or not all(number > 0 for number in numbers):
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
SOURCE = "sheet start here"
RULES = ("days_of_cover", "service_levels", "diversification")
"""Sections of a plan whose rules are about one material."""
PLACES = {
    "materials": "materials",
    "horizon.first_year": "first year",
    "horizon": "years",
    "budget": "budget a year (million USD)",
    "instruments.price_floors": f"{FLOOR}: levels (USD/kg)",
    "service_levels": f"{PROMISE}: share served (%)",
    "scenarios": f"{PROMISE}: year of the stop",
}
"""Field of the plan -> question that fills it."""


def answered(plan: Plan, data: Dataset, answers: Answers) -> tuple[Plan, Dataset]:
    """Plan and tables with what was answered. Raises PlanError with the cell of an answer that names nothing that there is."""
    answers = _in_codes(data, answers)
    values = answers.values
    known = plan.to_toml_like()
    faults = [*answers.faults, *_unknown(plan, data, answers)]
    if faults:
        raise PlanError(faults)
    if "materials" in values:
        known |= _about_these(known, values["materials"])
    for question, place in (("first year", "first_year"), ("years", "years")):
        if question in values:
            known["horizon"][place] = int(values[question])
    _within(known)
    if (money := values.get("budget a year (million USD)")) is not None:
        known["budget"]["appropriation_musd"] = money
    added: dict[str, list[Any]] = {}
    if _used(answers, STOP):
        added["hazards"] = [_hazard(plan, answers)]
        sample = known.setdefault("sample", dict(SAMPLE, hazards=[]))
        if "*" not in sample.get("hazards", ["*"]):
            sample["hazards"] = [*sample["hazards"], OWN_STOP]
    if _used(answers, MINE):
        first = known["horizon"]["first_year"]
        added["projects"] = [_project(plan, answers, first)]
        makes = {"producer": OWN_PROJECT, "material": values[f"{MINE}: material"], "yield_t_per_t": 1.0, **_said()}
        added["yields"] = [TABLES["yields"].model_validate(makes)]
        instruments = known.setdefault("instruments", {})
        if "*" not in instruments.get("project_list", ["*"]):
            instruments["project_list"] = [*instruments["project_list"], OWN_PROJECT]
        instruments["projects"] = True
    if _used(answers, FLOOR):
        floor = {
            "material": values[f"{FLOOR}: material"],
            "levels_usd_per_kg": values[f"{FLOOR}: levels (USD/kg)"],
            "term_years": values[f"{FLOOR}: years"],
        }
        menus = known.setdefault("instruments", {}).get("price_floors", [])
        known["instruments"]["price_floors"] = [*(m for m in menus if m["material"] != floor["material"]), floor]
    if _used(answers, PROMISE):
        known["scenarios"] = [*known.get("scenarios", []), _scenario(plan, answers)]
        level = {
            "material": values[f"{PROMISE}: material"],
            "segment": values[f"{PROMISE}: user"],
            "level": values[f"{PROMISE}: share served (%)"] / 100,
            "scenarios": [OWN_SCENARIO],
        }
        known["service_levels"] = [*known.get("service_levels", []), level]
    try:
        asked = parse_plan(known, file=answers.place)
    except PlanError as error:
        raise PlanError([_placed(fault, answers) for fault in error.faults]) from None
    return asked, _with_rows(data, added)


def _within(known: dict[str, Any]) -> None:
    """Years in which may be signed, without those outside the planned years; where none is left, any may be."""
    first, years = known["horizon"]["first_year"], known["horizon"]["years"]
    instruments = known.get("instruments", {})
    for name in ("signing_years", "contract_years"):
        if instruments.get(name):
            kept = [year for year in instruments[name] if first <= year < first + years]
            instruments |= {name: kept or None}


def _about_these(known: Mapping[str, Any], materials: list[str]) -> dict[str, Any]:
    """The materials that are asked for, and the plan's rules without those about others."""
    found: dict[str, Any] = {"materials": materials}
    if "*" in materials:
        return found
    for section in RULES:
        if section in known:
            found[section] = [rule for rule in known[section] if rule["material"] in materials]
    if menus := known.get("instruments", {}).get("price_floors"):
        kept = [menu for menu in menus if menu["material"] in materials]
        found["instruments"] = {**known["instruments"], "price_floors": kept}
    return found


def _used(answers: Answers, block: str) -> bool:
    return str(answers.values.get(f"{block}: {USE}", "")).strip().casefold() in ON


def _said() -> dict[str, str]:
    return {"source": SOURCE, "confidence": "estimate", "note": "entered by the planner"}


def _in_codes(data: Dataset, answers: Answers) -> Answers:
    """Answers with codes where names were written, in whatever letters."""
    materials = {r.name.casefold(): r.material for r in data.rows("materials")}
    materials |= {r.material.casefold(): r.material for r in data.rows("materials")}
    countries = {r.name.casefold(): r.country for r in data.rows("countries")}
    countries |= {r.country.casefold(): r.country for r in data.rows("countries")}
    segments = {r.segment.casefold(): r.segment for r in data.rows("demand")}
    of = {"material": materials, "materials": materials, "country": countries, "user": segments}
    values = dict(answers.values)
    for question, answer in values.items():
        codes = of.get(question.rpartition(": ")[2])
        if codes is not None:
            named = [
                codes.get(str(name).casefold(), name) for name in (answer if isinstance(answer, list) else [answer])
            ]
            values[question] = named if isinstance(answer, list) else named[0]
    return replace(answers, values=values)


def _unknown(plan: Plan, data: Dataset, answers: Answers) -> list[Fault]:
    """Faults of names that no table has, of materials that are not planned, and of a stop outside the planned years."""
    materials = {row.material for row in data.rows("materials")}
    countries = {row.country for row in data.rows("countries")}
    faults = []

    def check(question: str, known: Collection[str], what: str) -> None:
        answer = answers.values.get(question)
        several = isinstance(answer, list)
        names = answer if isinstance(answer, list) else [answer]
        for name in names if answer is not None else ():
            if name not in known and not (name == "*" and several):
                faults.append(answers.fault(question, f"'{name}'", f"{what}{near_miss(str(name), known)}"))

    check("materials", materials, "codes of the sheet materials")
    asked = answers.values.get("materials", list(plan.materials))
    planned = materials if "*" in asked else materials & {*asked}
    what = "one of the plan's materials" + (f": {', '.join(sorted(planned))}" if len(planned) <= MOST_NAMED else "")
    used = [block for block in (STOP, MINE, FLOOR, PROMISE) if _used(answers, block)]
    for block in dict.fromkeys([*([STOP] if PROMISE in used else []), *used]):
        check(f"{block}: country", countries, "codes of the sheet countries")
        check(f"{block}: materials", planned, what)
        check(f"{block}: material", planned, what)
    if PROMISE in used and (material := answers.values.get(f"{PROMISE}: material")) in planned:
        segments = {row.segment for row in data.rows("demand") if row.material == material}
        check(f"{PROMISE}: user", segments, f"a segment with demand for {material}: {', '.join(sorted(segments))}")
    begins = answers.values.get(f"{PROMISE}: year of the stop")
    if PROMISE in used and begins is not None:
        first = answers.values.get("first year", plan.horizon.first_year)
        last = first + answers.values.get("years", plan.horizon.years) - 1
        if not first + 1 <= begins <= last:
            place, said = f"{PROMISE}: year of the stop", f"a year from {first + 1:g} to {last:g}"
            faults.append(answers.fault(place, f"{begins:g}", said))
    return faults


MOST_NAMED = 12
"""Materials that a fault names."""


def _stop(plan: Plan, answers: Answers) -> dict[str, Any]:
    """What a stop does, as fields of an event: as answered, or as the ready rows have it where the stop itself is not drawn."""
    values = answers.values
    materials = values[f"{STOP}: materials"]
    return {
        "countries": " ".join(values[f"{STOP}: country"]),
        "materials": " ".join(plan.materials if "*" in materials and "*" not in plan.materials else materials),
        "cut_share": values[f"{STOP}: supply lost (%)"] / 100,
        "price_multiplier": values[f"{STOP}: price multiple"],
        "years": values[f"{STOP}: months"] / MONTHS_PER_YEAR,
    }


def _hazard(plan: Plan, answers: Answers) -> Any:
    """The stop as a hazard: at the rate at which one begins in a year with the chance that was answered, -ln(1 - chance)."""
    stop = _stop(plan, answers)
    chance = answers.values[f"{STOP}: chance a year (%)"] / 100
    row = {
        "hazard": OWN_STOP,
        "name": "Licence stop of the sheet start here",
        "kind": "licence",
        "countries": stop["countries"],
        "materials": stop["materials"],
        "rate_per_yr": -math.log(1 - chance),
        "duration_yr": stop["years"],
        "cut_share": stop["cut_share"],
        "price_multiplier": stop["price_multiplier"],
        **_said(),
    }
    return TABLES["hazards"].model_validate(row)


def _project(plan: Plan, answers: Answers, first_year: int) -> Any:
    values = answers.values
    row = {
        "project": OWN_PROJECT,
        "name": values[f"{MINE}: name"],
        "country": values[f"{MINE}: country"],
        "stage": "mine",
        "capacity_t_per_yr": values[f"{MINE}: tonnes a year"],
        "capex_musd": values[f"{MINE}: capital cost (million USD)"],
        "cash_usd_per_kg": values[f"{MINE}: cash cost (USD/kg)"],
        "lead_yr": values[f"{MINE}: years to build"],
        "life_yr": values[f"{MINE}: years of life"],
        "hurdle_rate": values[f"{MINE}: return asked (%)"] / 100,
        "earliest_signing": first_year,
        "money_year": plan.price_year,
        **_said(),
    }
    return TABLES["projects"].model_validate(row)


def _scenario(plan: Plan, answers: Answers) -> dict[str, Any]:
    """The scenario of the promise: one stop as described, beginning in its year."""
    stop = _stop(plan, answers)
    years = stop.pop("years")
    event = {"start_year": answers.values[f"{PROMISE}: year of the stop"], "duration_years": years, **stop}
    return {"name": OWN_SCENARIO, "probability": PROMISED, "design_basis": True, "events": [event]}


def _with_rows(data: Dataset, added: Mapping[str, list[Any]]) -> Dataset:
    """Tables with further rows, which stand in no cell of their sheets."""
    tables = dict(data.tables)
    for table, rows in added.items():
        keys = {tuple(getattr(row, part) for part in type(row).key) for row in rows}
        kept = [r for r in data.rows(table) if tuple(getattr(r, part) for part in type(r).key) not in keys]
        tables[table] = (*kept, *rows)
    book = data.book
    if book is not None and added:
        lines = {t: (*book.lines.get(t, ()), *(0 for _ in rows)) for t, rows in added.items()}
        columns = {t: book.columns.get(t, ()) for t in added}
        book = replace(book, lines={**book.lines, **lines}, columns={**book.columns, **columns})
    return replace(data, tables=types.MappingProxyType(tables), book=book)


def _placed(fault: Fault, answers: Answers) -> Fault:
    """A fault of the plan with the cell of the answer that made it."""
    for field, question in PLACES.items():
        if re.match(rf"{re.escape(field)}\b", fault.column) and question in answers.values:
            return answers.fault(question, fault.found, fault.expected)
    return fault
