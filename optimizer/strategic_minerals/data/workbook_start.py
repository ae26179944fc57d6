"""The sheet `start here` of a workbook: questions in plain words, whose answers fill the plan and add what is the planner's own.

A row is a question and its answer; what is left empty stays as the sheets `plan` and the tables have it. Blocks have a switch: a
licence stop, a project, a price floor, a promise, each ready with figures that may be changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import Fault, Faults, PlanError, near_miss
from ..schemas.plan import Plan
from .dataset import Dataset
from .workbook_places import cell_name

START = "start here"
YES, NO = "yes", "no"
STOP, MINE, FLOOR, PROMISE = "licence stop", "own project", "price floor", "promise"
USE = "use it (yes or no)"


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
    """Rows of the sheet, ready with figures of the plan's own materials: no facts, they stand there to be changed."""
    wanted = [row.material for row in data.rows("demand")]
    chosen = next((name for name in plan.materials if name in wanted), wanted[0] if wanted else "")
    segment = next((row.segment for row in data.rows("demand") if row.material == chosen), "")
    price = next(
        (r.price_usd_per_kg for r in data.rows("prices") if (r.price_set, r.material) == (plan.price_set, chosen)),
        100.0,
    )
    first, money = plan.horizon.first_year, plan.budget.appropriation_musd
    codes = ", ".join(dict.fromkeys(wanted))

    def levels(*factors: float) -> str:
        return ", ".join(f"{float(f'{price * factor:.2g}'):g}" for factor in factors)

    return [
        Question(
            "materials", f"With commas; * for all. Empty: as in the sheet plan. Wanted are {codes}.", kind="names"
        ),
        Question("first year", f"Now: {first}.", kind="number", low=1900, high=2200),
        Question("years", f"How many are planned. Now: {plan.horizon.years}.", kind="number", low=1, high=60),
        Question("budget a year (million USD)", f"Of {plan.price_year}. Now: {_money(money)}.", kind="number"),
        Question(f"{STOP}: {USE}", "A country stops or licenses its exports now and then.", NO, "switch"),
        Question(f"{STOP}: country", "Three letters, as in the sheet countries; several with spaces.", "CHN"),
        Question(f"{STOP}: materials", "Codes, with commas; * for all of the plan.", chosen, "names"),
        Question(
            f"{STOP}: chance a year (%)", "That one begins in a year; 20: once in five years.", 20, "percent", 0, 99
        ),
        Question(f"{STOP}: months", "How long it lasts, on average.", 12, "number", 0.1, 600),
        Question(f"{STOP}: supply lost (%)", "Share of what that country sells.", 75, "percent", 0, 100),
        Question(
            f"{STOP}: price multiple", "Price while it lasts, over the usual one; 1: none.", 2, "number", 0.01, 1000
        ),
        Question(f"{MINE}: {USE}", "A mine or plant that could be built with support.", NO, "switch"),
        Question(f"{MINE}: name", "For people.", "Own mine"),
        Question(f"{MINE}: country", "Where it stands.", "AUS"),
        Question(f"{MINE}: material", "What it makes: a code of the sheet materials.", chosen),
        Question(f"{MINE}: tonnes a year", "At full output.", _round(wanted_tonnes(data, chosen) / 10), "number", 1e-6),
        Question(f"{MINE}: capital cost (million USD)", "To build it.", 100, "number"),
        Question(f"{MINE}: cash cost (USD/kg)", "To make a kg, without capital.", _round(price * 0.7), "number"),
        Question(f"{MINE}: years to build", "From signing to the first output.", 3, "number", 0.25, 30),
        Question(f"{MINE}: years of life", "That it runs.", 20, "number", 1, 100),
        Question(f"{MINE}: return asked (%)", "Real, a year: what its owner wants to earn.", 12, "percent", 0, 100),
        Question(
            f"{FLOOR}: {USE}", "The budget tops up the market price to a floor, as part of support.", NO, "switch"
        ),
        Question(f"{FLOOR}: material", "A code.", chosen),
        Question(
            f"{FLOOR}: levels (USD/kg)", "The plan picks one or none; with commas.", levels(1.0, 1.2, 1.5), "numbers"
        ),
        Question(f"{FLOOR}: years", "From first output.", 10, "number", 1, 60),
        Question(
            f"{PROMISE}: {USE}",
            "Users are supplied in a stop as described above, whether it is drawn or not.",
            NO,
            "switch",
        ),
        Question(f"{PROMISE}: material", "A code.", chosen),
        Question(f"{PROMISE}: user", "A segment of the sheet demand.", segment),
        Question(f"{PROMISE}: share served (%)", "Of what they want while it lasts.", 80, "percent", 0, 100),
        Question(f"{PROMISE}: year of the stop", "In which it begins.", first + 3, "number", 1900, 2200),
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

    def fault(self, question: str, found: str, expected: str) -> Fault:
        """A fault at the cell of an answer."""
        return Fault(self.place, cell_name(self.rows.get(question, 1), 1), question, found, expected)


def read_answers(place: str, cells: Sequence[Sequence[Any]], asked: Sequence[Question]) -> Answers:
    """The answers of a sheet: questions in the first column, answers in the second. Raises PlanError with every fault's cell."""
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
    used = {
        one.block
        for one in asked
        if one.kind == "switch" and _plain(str(given.get(one.text, NO))) in (YES, "true", "1")
    }
    used |= {STOP} if PROMISE in used else set()  # a promise is kept in the stop that is described there, drawn or not
    values: dict[str, Any] = {}
    for one in asked:
        if one.text in given and (one.block in used or not one.block or one.kind == "switch"):
            value = _meant(one, given[one.text])
            if isinstance(value, str) and value.startswith("\0"):
                faults.add(answers.fault(one.text, f"'{given[one.text]}'", value[1:]))
            values[one.text] = value
        elif one.block in used:
            faults.add(answers.fault(one.text, "an empty cell", "an answer, or 'no' at the switch above"))
    if faults:
        raise PlanError(faults.told())
    return Answers(place, values, rows)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip().casefold())


def _meant(question: Question, answer: Any) -> Any:
    """An answer in its kind; text that begins with a zero byte says what is expected instead."""
    text = str(answer).strip()
    if question.kind == "switch":
        return text if _plain(text) in (YES, NO, "true", "false", "1", "0") else f"\0{YES} or {NO}"
    if question.kind == "names":
        return re.split(r"[\s,;]+", text)
    if question.kind == "numbers":
        numbers = [_number(part) for part in re.split(r"[\s,;]+", text) if part]
        return (
            numbers if numbers and all(n is not None and n > 0 for n in numbers) else "\0numbers above 0, with commas"
        )
    if question.kind in ("number", "percent"):
        number = _number(text)
        if number is None or not question.low <= number <= question.high:
            return f"\0a number from {question.low:g} to {question.high:g}"
        return number
    return text


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%").strip())
    except ValueError:
        return None
