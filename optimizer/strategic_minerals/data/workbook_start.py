"""The sheet `start here` of a workbook: questions in plain words, whose answers fill the plan and add what is the planner's own.

A row is a question and its answer; what is left empty stays as the sheets `plan` and the tables have it. Blocks have a switch: a
licence stop, a project, a price floor, a promise, each ready with examples that are no facts and stand there to be replaced.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import Fault, Faults, near_miss
from ..schemas.plan import Plan
from .dataset import Dataset
from .homes import home_row
from .workbook_places import cell_name

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
