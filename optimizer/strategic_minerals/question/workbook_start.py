"""The sheet `start here` of a workbook: questions in plain words, whose answers fill the plan and add what is the planner's own.

A row is a question and its answer; what is left empty stays as the sheets `plan` and the tables have it. Blocks have a switch and a
column for each of several: disruptions, hazards, projects, price floors, promises. The first column stands ready with examples that
are no facts and are there to be replaced. What `--set` fills, no answer changes."""

import math
import re
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from ..core.errors import Fault, PlanError, near_miss, shown
from ..core.formats import listed
from ..core.stats import MONTHS_PER_YEAR
from .base import key_of
from .dataset import Cell, Dataset, PlanSheet, cell_name, home_row, validate_rows
from .plan import RULES, Plan
from .project_tables import HazardRow
from .read_toml import parse_plan, put
from .references import with_feeds

START = "start here"
YES, NO = "yes", "no"
SWITCHED = {YES: True, "y": True, "true": True, "1": True, NO: False, "n": False, "false": False, "0": False}
"""What a cell with a switch may hold."""
HEADS, MEANS = ("answer", "second", "third"), "what it means"
"""Columns after the questions; one that the planner inserts before the meaning is a fourth."""
STOP, HAZARD, MINE, FLOOR, PROMISE = "disruption", "hazard", "own project", "price floor", "promise"
USE = "use it (yes or no)"
CURRENCY, FEEDS, LEAVE_OUT = "currency", "add what their makers need (yes or no)", "rules to leave out"
ASKED = """
title | title | text | | | | Of the answer. If empty: {title}
currency | | choice | currencies | USD | |
    Of all money on this sheet. It becomes USD at the mean rate of {price_year} (sheet exchange_rates).
materials | | names | materials | | | If empty: as in the sheet plan. This home wants {codes}. Several with commas; * for all.
add what their makers need (yes or no) | | switch | | yes | |
    Their feed along the chain, and what is made together with it. Makers of which something is not planned are left out.
rules to leave out | | names | rules | | |
    Rules of the sheet plan by field, such as days_of_cover.0. Those about other materials go by themselves.
first year | horizon.first_year | whole | | | 1900 2200 | If empty: {first}.
years | horizon.years | whole | | | 1 60 | How many are planned. If empty: {years}.
budget a year (million) | budget.appropriation_musd | money | | | | In money of {price_year}. If empty: {money}.
total budget (million) | budget.total_musd | money | | | | At most, over all years, in money of {price_year}. If empty: {total}.
loss function | loss_function | choice | losses | | | What a missing tonne costs; it changes the answer most. If empty: {loss}.
disruption: use it (yes or no) | | switch | | no | | A country stops its exports now and then. {examples}
disruption: kind | kind | choice | kinds | licence | |
    A licence stop, an embargo and a war by one country over the same goods follow each other and never coincide.
disruption: country | countries | names | countries | CHN | | Three letters, or the name, as in the sheet countries.
disruption: materials | materials | names | materials | {chosen} | | Among those above; * for all of the plan.
disruption: chance a year (%) | rate_per_yr | chance | | 20 | 0 99 | That one begins within a year: 20, once in 4.5 years.
disruption: months | duration_yr | months | | 12 | 0.1 600 | How long it lasts, on average.
disruption: supply lost (%) | cut_share | percent | | 75 | 0 100 |
    Of what that country sells us. Meanwhile others serve their contracts first (kappa in the sheet activities).
disruption: price multiple | price_multiplier | number | | 2 | 0.01 1000 | Price while it lasts, over the usual one; 1: as usual.
hazard: use it (yes or no) | | switch | | no | |
    A hazard of the sheet hazards with figures of your own. What is empty stays as it is there.
hazard: name | hazard | choice | hazards | | | As in the sheet hazards.
hazard: chance a year (%) | rate_per_yr | chance? | | | 0 99 | That one begins within a year.
hazard: months | duration_yr | months? | | | 0.1 600 | How long it lasts, on average.
hazard: supply lost (%) | cut_share | percent? | | | 0 100 | In place of a recorded course (sheet hazard_profiles), too.
hazard: price multiple | price_multiplier | number? | | | 0.01 1000 |
    Price while it lasts, over the usual one; in place of recorded prices, too.
own project: use it (yes or no) | | switch | | no | |
    A mine or plant. Its owner builds it where it pays; where it does not, it may be supported. {examples}
own project: name | name | text | | Own mine | | As results call it; in commands it is own_project, the second own_project_2.
own project: stage | stage | text | stages | mine | | As in the list, or another word.
own project: country | country | choice | countries | {country} | | Three letters, or the name.
own project: material | material | choice | materials | {chosen} | | What it makes: one of those above.
own project: tonnes a year | capacity_t_per_yr | number | | {tonnes} | 1e-6 1e12 | Of that material, at full output.
own project: capital cost (million) | capex_musd | money | | 100 | | To build it, in money of {price_year}.
own project: cash cost (per kg) | cash_usd_per_kg | money | | {cash} | |
    To make a kg, without capital. The plan's price of {chosen} is {price:g} USD.
own project: years to build | lead_yr | number | | 3 | 0.25 30 | From signing to the first output.
own project: years of life | life_yr | number | | 20 | 1 100 | That it runs.
own project: return asked (%) | hurdle_rate | percent | | 12 | 0 100 | That its owner wants a year above inflation: 12 for 12 %.
price floor: use it (yes or no) | | switch | | no | |
    The budget tops up a low price, for projects that the plan supports; in place of its own floor on that material.
    {examples}
price floor: material | material | choice | materials | {chosen} | | One of those above.
price floor: levels (per kg) | levels_usd_per_kg | moneys | | {levels} | | To choose from, near the market price or above.
price floor: years | term_years | number | | 10 | 1 60 | From first output.
promise: use it (yes or no) | | switch | | no | |
    If a disruption as above begins in the year below, these users get this share. Where that cannot be, there is no plan.
    {examples}
promise: material | material | choice | materials | {chosen} | | One of those above.
promise: user | segment | choice | segments | {segment} | | A segment of the sheet demand.
promise: share served (%) | level | percent | | 80 | 0 100 | Of what they want while it lasts: 80 for 80 %.
promise: disruption | disruption | whole | | 1 | 1 9 |
    Which of those above: 1 in the first column, 2 in the next. It counts for the promise even if its own switch says no.
promise: year it begins | start_year | number | | {stop_year} | 1900 2200 | {second} or later.
promise: months | duration_years | months? | | | 0.1 600 | For which it holds. If empty: as long as the disruption.
"""
"""Question, field or column that it fills, kind of its answer (`?`: it may stay empty), list from which to choose, answer that
stands ready, limits, what it means; `{}`: a figure of the plan."""
EXAMPLES = "The answers below are examples, no facts: replace them."
"""At every switch: what stands ready under it, such as 20 % a year, has no source."""


@dataclass(frozen=True)
class Question:
    """A row of the sheet."""

    text: str
    """As written in the first column; answers are found by it."""
    fills: str
    """Field of the plan, or column of what its block adds; empty: neither."""
    kind: str
    """text, number, whole, money, moneys, percent (a share), chance (% a year, a rate), months (in years), names, choice, switch"""
    listed: str
    """List (`lists`) from which is chosen; empty: none."""
    ready: str
    """Answer that is there from the beginning; empty: none."""
    low: float
    high: float
    help: str
    optional: bool

    @property
    def block(self) -> str:
        """What its switch turns on; empty for what always counts."""
        return self.text.partition(": ")[0] if ": " in self.text else ""


def asked(**known: Any) -> list[Question]:
    """Rows of the sheet. known: figures of the plan that are in their words; none: for those who read answers alone."""
    found = []
    for line in ASKED.strip().replace("\n    ", " ").splitlines():
        parts = [part.strip() for part in line.split("|")]
        text, fills, kind, listed, ready, limits, meaning = (part.format(**known) for part in parts) if known else parts
        low, high = map(float, limits.split() or (0, 1e12))
        found.append(Question(text, fills, kind.rstrip("?"), listed, ready, low, high, meaning, kind.endswith("?")))
    return found


def questions(plan: Plan, data: Dataset) -> list[Question]:
    """Rows of the sheet, ready with figures of the plan's own materials: no facts, they are there to be replaced."""
    wanted = [row.material for row in data.rows("demand")]
    chosen = next((name for name in plan.materials if name in wanted), wanted[0] if wanted else "")
    prices = {(row.price_set, row.material): row.price_usd_per_kg for row in reversed(data.rows("prices"))}
    price = prices.get((plan.price_set, chosen), 100.0)
    first, money, row = plan.horizon.first_year, plan.budget.appropriation_musd, home_row(data, plan.home)
    return asked(
        title=plan.title or "none",
        examples=EXAMPLES,
        codes=", ".join(dict.fromkeys(wanted)),
        first=first,
        second=first + 1,
        stop_year=first + 3,
        years=plan.horizon.years,
        price_year=plan.price_year,
        money="by year, in the sheet plan" if isinstance(money, Mapping) else f"{money:g} million USD",
        total="none" if plan.budget.total_musd is None else f"{plan.budget.total_musd:g} million USD",
        loss=plan.loss_function,
        chosen=chosen,
        segment=next((row.segment for row in data.rows("demand") if row.material == chosen), ""),
        country=plan.home if row is None else row.members.split()[0],
        tonnes=f"{_round(_wanted_tonnes(data, chosen) / 10):g}",
        cash=f"{_round(price * 0.7):g}",
        price=price,
        levels=", ".join(f"{_round(price * factor):g}" for factor in (1.0, 1.2, 1.5)),
    )


def _wanted_tonnes(data: Dataset, material: str) -> float:
    """Tonnes a year that users want of a material at first; 100 where nobody does."""
    rows = sorted(data.rows("demand"), key=lambda row: -row.from_year)
    first = {row.segment: row.demand_t_per_yr for row in rows if row.material == material}
    return sum(first.values()) or 100.0


def _round(value: float) -> float:
    return float(f"{value:.2g}")


def lists(data: Dataset, price_year: int | None) -> dict[str, dict[str, str]]:
    """What may be chosen, by list: code -> name. Empty where the tables do not say. price_year: of which rates of currencies are
    taken; None: of any."""
    named = ("materials", "countries", "hazards")
    rates = [row.currency for row in data.rows("exchange_rates") if price_year in (None, row.money_year)]
    stages = {row.stage for table in ("materials", "activities") for row in data.rows(table)}
    plain = {
        "kinds": get_args(HazardRow.model_fields["kind"].annotation),
        "currencies": (USD, *rates),
        "stages": sorted({*stages, "mine", "recycling"} - {""}),
        "losses": [row.loss_function for row in data.rows("loss_functions")],
        "segments": [row.segment for row in data.rows("demand")],
    }
    found = {name: dict.fromkeys(codes, "") for name, codes in plain.items()}
    return found | {table: {key_of(row): row.name for row in data.rows(table)} for table in named}


USD = "USD"
QUESTIONS = {one.text: one for one in asked()}


# The answers of a sheet, read by themselves and then against the tables.
@dataclass(frozen=True)
class Answers:
    """What was answered, by question and column, and where."""

    place: str
    """Book and sheet, for faults."""
    values: Mapping[tuple[str, int], Any]
    """(Question, column from 1 on) -> number, text, list, or whether a switch is on; without what is empty and columns of blocks
    that are switched off."""
    rows: Mapping[str, int]
    faults: tuple[Fault, ...] = ()
    """What is wrong with them."""
    unused: tuple[str, ...] = ()
    """Switches above answers of the planner's own that are not on: cells."""

    def cell(self, question: str, n: int = 1) -> Cell:
        """The cell of an answer, given or not."""
        return Cell(self.place, cell_name(self.rows.get(question, 1), n), question)

    def fault(self, question: str, n: int, found: str, expected: str) -> Fault:
        """A fault at the cell of an answer."""
        return self.cell(question, n).placed(Fault("", "", "", found, expected))

    def get(self, question: str) -> Any:
        """The answer to a question of no block; None: there is none."""
        return self.values.get((question, 1))

    def used(self, block: str) -> list[int]:
        """Columns of a block whose switch is on."""
        return [n for (text, n), on in self.values.items() if text == f"{block}: {USE}" and on]

    def of(self, block: str, n: int = 1) -> dict[str, Any]:
        """Answers of a column of a block, or of no block, by what they fill."""
        return {one.fills: self.values[at] for one, at in self._filling(block, n)}

    def cells(self, block: str, n: int = 1) -> dict[str, Cell]:
        """The cells of these answers."""
        return {one.fills: self.cell(*at) for one, at in self._filling(block, n)}

    def _filling(self, block: str, n: int) -> list[tuple[Question, tuple[str, int]]]:
        mine = [one for one in QUESTIONS.values() if one.block == block and one.fills]
        return [(one, (one.text, n)) for one in mine if (one.text, n) in self.values]


def answer_columns(head: Sequence[Any]) -> int:
    """How many columns of the sheet hold answers: those between the question and what it means."""
    names = [_plain(str(cell)) for cell in head]
    return max(1, names.index(MEANS) - 1) if MEANS in names else 1


def read_answers(place: str, cells: Sequence[Sequence[str]]) -> Answers:
    """The answers of a sheet: questions in the first column, answers in the next ones."""
    every = {_plain(text): text for text in QUESTIONS}
    rows: dict[str, int] = {}
    given: dict[tuple[str, int], str] = {}
    faults = list[Fault]()
    columns = range(1, 1 + answer_columns(cells[0] if cells else ()))
    for number, row in enumerate(cells[1:], start=2):
        text, *answers = (str(part).strip() for part in row[: 1 + len(columns)])
        filled = {n: answer for n, answer in enumerate(answers, start=1) if answer}
        question = every.get(_plain(text))
        if question is None and text and filled:
            expected = f"a question of this sheet as it was written{near_miss(text, QUESTIONS)}"
            faults.append(Fault(place, cell_name(number, 0), text, "another question", expected))
        elif question in rows:
            expected = f"each question once: it is also in {cell_name(rows[question], 0)}"
            faults.append(Fault(place, cell_name(number, 0), question, "the question twice", expected))
        elif question is not None:
            rows[question] = number
            given |= {(question, n): answer for n, answer in filled.items()}
    at = Answers(place, {}, rows)
    switches = [at for at, answer in given.items() if at[0].endswith(f": {USE}") and SWITCHED.get(_plain(answer))]
    on = {(QUESTIONS[text].block, n) for text, n in switches}
    answered = {(QUESTIONS[text].block, n) for text, n in given if QUESTIONS[text].kind != "switch"}
    for n in [n for block, n in on if block == PROMISE]:  # it is kept in the disruption that it names, drawn or not
        which = given.get((WHICH, n), "")
        if which in tuple("123456789") and (STOP, int(which)) not in answered:
            faults.append(at.fault(WHICH, n, f"'{which}'", f"the number of a column with answers about a {STOP}"))
        on |= {(STOP, k) for k in columns if (STOP, k) in answered and str(k) == which}
    for block, n in sorted(on - answered):
        faults.append(at.fault(f"{block}: {USE}", n, f"'{YES}' and no answer below", f"answers below it, or '{NO}'"))
    values: dict[tuple[str, int], Any] = {}
    for one in QUESTIONS.values():
        for n in columns:
            answer, counts = given.get((one.text, n), ""), (one.block, n) in on & answered
            if answer and not one.block and n > 1:
                faults.append(at.fault(one.text, n, shown(answer), f"one answer, in {at.cell(one.text).at}"))
            elif answer and (counts or not one.block or one.kind == "switch"):
                try:
                    values[one.text, n] = _meant(one, answer)
                except ValueError as error:
                    faults.append(at.fault(one.text, n, shown(answer), str(error)))
            elif counts and not one.optional and not answer and one.text in rows and one.kind != "switch":
                faults.append(at.fault(one.text, n, "an empty cell", f"an answer, or '{NO}' at '{USE}' above"))
            elif counts and not one.optional and not answer and one.text not in rows:
                faults.append(at.fault(f"{one.block}: {USE}", n, f"no row '{one.text}'", "that row as it was"))
    own = {
        (QUESTIONS[text].block, n)
        for (text, n), answer in given.items()
        if QUESTIONS[text].kind != "switch"
        and (n > 1 or not ("{" in (ready := QUESTIONS[text].ready) or answer == ready))
    }
    unused = [at.cell(f"{block}: {USE}", n).at for block, n in sorted(own - on) if block]
    return Answers(place, values, rows, tuple(faults), tuple(unused))


WHICH = f"{PROMISE}: disruption"


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip().casefold())


def _meant(question: Question, text: str) -> Any:
    """An answer in its kind. ValueError says what is expected instead."""
    kind = question.kind
    if kind == "switch":
        if _plain(text) not in SWITCHED:
            raise ValueError(f"{YES} or {NO}")
        return SWITCHED[_plain(text)]
    if kind == "names":
        return [part.strip() for part in re.split(r"[,;\n]+", text) if part.strip()]
    if kind == "moneys":
        numbers = [_number(part) for part in re.split(r";|,\s|\s", text) if part]
        if not numbers or min(numbers) <= 0:
            raise ValueError("numbers above 0, with a comma and a blank between them, such as 80, 110.5")
        return numbers
    if kind in ("text", "choice"):
        if "\n" in text:
            raise ValueError("one line")
        return text
    share = kind in ("percent", "chance")
    number, limits = _number(text.rstrip("%") if share else text), f"from {question.low:g} to {question.high:g}"
    if not question.low <= number <= question.high or (kind == "whole" and not number.is_integer()):
        raise ValueError(f"a {'whole ' * (kind == 'whole')}number {limits}")
    # a cell formatted as a percentage reads as a share: 20 % as 0.2, 100 % as 1
    if share and "%" not in text and (0 < number < 1 or (number == 1 and kind == "percent")):
        raise ValueError(f"a percentage, such as {100 * number:g} (for {number:g} %, type '{number:g}% as text)")
    if kind == "chance":  # the rate at which one begins in a year with that chance
        return -math.log(1 - number / 100)
    return {"whole": int(number), "percent": number / 100, "months": number / MONTHS_PER_YEAR}.get(kind, number)


def _number(text: str) -> float:
    """A number; one beyond all limits for text that is no number."""
    try:
        return -math.inf if "_" in text else float(text)
    except ValueError:
        return -math.inf


def checked(plan: Plan | None, sheet: PlanSheet | None, data: Dataset, answers: Answers) -> Answers:
    """Answers with codes where names were written, in whatever letters, money in USD, and every fault that the tables show.

    plan, sheet, data: as far as they could be read; what they do not say is not asked, so that one fault is reported once.
    """
    year, values, faults = None if plan is None else plan.price_year, dict(answers.values), [*answers.faults]
    known = {name: codes for name, codes in lists(data, year).items() if codes}
    if plan is not None:
        known["rules"] = {rule: "" for rule, *_ in _rules(plan.to_toml_like(), sheet)}
    rates = {row.currency: row.local_per_usd for row in data.rows("exchange_rates") if row.money_year == year}
    for (question, n), answer in answers.values.items():
        one = QUESTIONS[question]
        codes, several = known.get(one.listed), isinstance(answer, list)
        if one.kind in ("names", "choice") and codes is not None:
            called = {called.casefold(): code for code, name in codes.items() for called in (name, code) if called}
            whole = (
                [[part] if part.casefold() in called else part.split() for part in answer] if several else [[answer]]
            )
            names = [called.get(word.casefold(), word) for words in whole for word in words]
            values[question, n] = names if several else names[0]
            for name in names:
                if name not in codes and not (several and name == "*" and one.listed in ("materials", "countries")):
                    wanted = f"one of {listed(sorted(codes))}{near_miss(name, codes)}"
                    faults.append(
                        answers.fault(question, n, f"'{name}'", wanted if codes else "an empty cell: the plan has none")
                    )
    for at, value in values.items():
        if QUESTIONS[at[0]].kind in ("money", "moneys"):
            rate = rates.get(values.get((CURRENCY, 1)), 1.0)
            values[at] = [each / rate for each in value] if isinstance(value, list) else value / rate
    answers = replace(answers, values=values)
    wrong = {(fault.row, fault.column) for fault in faults}
    return replace(answers, faults=(*faults, *_unfit(plan, data, answers, wrong)))


def _unfit(plan: Plan | None, data: Dataset, answers: Answers, wrong: Collection[tuple[str, str]]) -> Iterable[Fault]:
    """Faults of answers that do not fit each other: materials that are not planned, years outside the plan.

    wrong: cells with a fault already, of which, and by which, nothing more is reported."""

    def fine(question: str, n: int = 1) -> bool:
        return (answers.cell(question, n).at, question) not in wrong

    defined = {row.material for row in data.rows("materials")}
    chosen = answers.get("materials") or (["*"] if plan is None else plan.materials)
    planned = {*_chosen(chosen, data, answers)} if fine("materials") and "*" not in chosen else defined
    for (question, n), answer in answers.values.items():
        if QUESTIONS[question].block and QUESTIONS[question].listed == "materials" and defined and fine(question, n):
            for name in [answer] if isinstance(answer, str) else answer:
                if name not in planned and name != "*":
                    yield answers.fault(
                        question, n, f"'{name}'", f"one of the plan's materials: {listed(sorted(planned))}"
                    )
    for n in answers.used(PROMISE):
        begins, horizon = answers.of(PROMISE, n).get("start_year"), None if plan is None else plan.horizon
        first = answers.get("first year") or (math.nan if horizon is None else horizon.first_year)
        last = first + (answers.get("years") or (math.nan if horizon is None else horizon.years)) - 1
        if begins and (begins < first + 1 or begins > last) and fine("first year") and fine("years"):
            yield answers.fault(
                f"{PROMISE}: year it begins", n, f"{begins:g}", f"a year from {first + 1:g} to {last:g}"
            )


def _chosen(materials: Iterable[str], data: Dataset, answers: Answers) -> list[str]:
    """Materials, and their feeds where these are asked for."""
    return list(dict.fromkeys(materials)) if answers.get(FEEDS) is False else with_feeds(materials, data)


# What the answers of the sheet `start here` make of a plan and its tables.
SAMPLE = {"scenarios": 40, "draws": 1000, "seed": 1}
"""Scenarios of a plan that drew none."""
PROMISED = 0.005
"""Probability of the scenario in which a promise is kept: it is there to be planned for, not to be expected."""
ENTERED = {"source": "sheet start here", "confidence": "estimate", "note": "entered by the planner"}
"""Provenance of rows that the answers add."""
FLOORS = "instruments.price_floors"


def answered(plan: Plan, sheet: PlanSheet, data: Dataset, answers: Answers) -> tuple[Plan, PlanSheet, Dataset]:
    """Plan and tables with what was answered, and its places. Raises PlanError with the cells of answers that do not fit.

    sheet: places of the plan's fields, and which were set elsewhere: these stay. answers: `checked`, faultless."""
    return _Filling(plan, sheet, data, answers).done()


def from_answers(
    plan: Plan, data: Dataset, given: Mapping[str, Sequence[str]], overrides: Iterable[str] = ()
) -> tuple[Plan, Dataset]:
    """Plan and tables with answers without a sheet. given: answers by question, one a column. overrides: fields set elsewhere.

    Raises PlanError; a fault names its question, and the column of the answer as a sheet would (`B3`: the first)."""
    columns = max((len(answers) for answers in given.values()), default=1)
    head = ["question", *(f"answer {n}" for n in range(1, 1 + columns)), MEANS]
    cells = [head, *([text, *answers, *[""] * (columns - len(answers))] for text, answers in given.items())]
    sheet = PlanSheet("answers", {}, {}, tuple(overrides), 0)
    answers = checked(plan, sheet, data, read_answers(sheet.place, cells))
    if answers.faults:
        raise PlanError(answers.faults)
    plan, _, data = answered(plan, sheet, data, answers)
    return plan, data


class _Filling:
    """A plan and its tables while answers fill them, with the cell of each field and row that one filled."""

    def __init__(self, plan: Plan, sheet: PlanSheet, data: Dataset, answers: Answers) -> None:
        self.plan, self.sheet, self.data, self.answers = plan, sheet, data, answers
        self.known: Any = plan.to_toml_like()
        self.cells: dict[str, Cell] = {}
        self.notes: list[str] = []
        self.faults: list[Fault] = []

    def done(self) -> tuple[Plan, PlanSheet, Dataset]:
        """Everything filled in."""
        answers, drawn = self.answers, list[str]()
        self._materials()
        cells = answers.cells("")
        for field, value in answers.of("").items():
            self._fill(field, value, cells[field])
        _within(self.known)
        for n in answers.used(STOP):
            drawn.append(_numbered("own_disruption", n))
            row = {"hazard": drawn[-1], "name": f"Disruption {n} of the sheet {START}", **self._stop(n)}
            self._row("hazards", STOP, n, row)
        drawn += [name for n in answers.used(HAZARD) if not self.plan.uses_hazard(name := self._hazard(n))]
        for hazard in drawn:
            _list(self.known.setdefault("sample", dict(SAMPLE, hazards=[])), "hazards", hazard)
        for n in answers.used(MINE):
            self._project(n)
        for n in answers.used(FLOOR):
            self._add("instruments.price_floors", answers.of(FLOOR, n), answers.cells(FLOOR, n))
        for n in answers.used(PROMISE):
            self._promise(n)
        if self.faults:
            raise PlanError(self.faults)
        narrowed = answers.cell(LEAVE_OUT) if "materials" in self.cells else None
        self.sheet = replace(self.sheet, answers=self.cells, notes=tuple(self.notes), narrowed=narrowed)
        try:
            return parse_plan(self.known, file=answers.place), self.sheet, self.data
        except PlanError as error:
            raise PlanError([self._placed(fault) for fault in error.faults]) from None

    def _fill(self, field: str, value: Any, cell: Cell) -> None:
        """Fill a field, unless the command line has."""
        if not any(
            f"{a}.".startswith(f"{b}.") for own in self.sheet.overrides for a, b in ((own, field), (field, own))
        ):
            put(self.known, field, value, self.answers.place)
            self.cells[field] = cell

    def _add(self, section: str, entry: Any, cells: Mapping[str, Cell]) -> None:
        """Add an entry to a list of the plan. cells: those of its fields; the first stands for the rest."""
        entries = _section(self.known, section)
        entries.append(entry)
        at = f"{section}.{len(entries) - 1}"
        self.cells |= {at: next(iter(cells.values())), **{f"{at}.{field}": cell for field, cell in cells.items()}}

    def _materials(self) -> None:
        """The materials that are asked for, with their feeds, and no rules about others, nor those that are to be left out."""
        answers, named, others = self.answers, {*(self.answers.get(LEAVE_OUT) or ())}, list[str]()
        if wanted := answers.get("materials"):
            planned = wanted if "*" in wanted else _chosen(wanted, self.data, answers)
            self._fill("materials", planned, answers.cell("materials"))
            if added := planned[len({*wanted}) :]:
                self.notes.append(
                    f"materials: {', '.join(added)} added, which makers of {', '.join(wanted)} use or make; "
                    f"'{NO}' at '{FEEDS}' ({answers.cell(FEEDS).at} of the sheet {START}) plans without them"
                )
        planned, rules = self.known["materials"], _rules(self.known, self.sheet)
        floors = {answers.of(FLOOR, n)["material"] for n in answers.used(FLOOR)}
        defined = {row.material for row in self.data.rows("materials")}
        for rule, section, entry in rules:
            if "materials" in self.cells and entry["material"] in defined and not {entry["material"], "*"} & {*planned}:
                others.append(f"{rule} ({entry['material']})")
                named.add(rule)
            elif section == FLOORS and entry["material"] in floors:
                named.add(rule)
        if others:
            self.notes.append(f"rules left out, as their materials are not planned: {listed(sorted(others))}")
        if answers.unused:
            self.notes.append(
                f"sheet {START}: answers below {listed(answers.unused)} are not used; '{YES}' there would use them"
            )
        numbers = dict(self.sheet.numbers)
        for section in (*RULES, FLOORS):
            kept = [(rule, entry) for rule, of, entry in rules if of == section and rule not in named]
            _section(self.known, section)[:] = [entry for _, entry in kept]
            numbers[section] = tuple(int(rule.rpartition(".")[2]) for rule, _ in kept)
        self.sheet = replace(self.sheet, numbers=numbers)

    def _stop(self, n: int) -> dict[str, Any]:
        """What a disruption does, as columns of a hazard."""
        mine, planned = self.answers.of(STOP, n), self.known["materials"]
        materials = planned if "*" in mine["materials"] else mine["materials"]
        return {**mine, "countries": " ".join(mine["countries"]), "materials": " ".join(materials)}

    def _hazard(self, n: int) -> str:
        """Put the planner's figures of a hazard into the plan's own assumptions about it; its name."""
        mine, cells = self.answers.of(HAZARD, n), self.answers.cells(HAZARD, n)
        name = str(mine.pop("hazard"))
        names = [own["hazard"] for own in _section(self.known, "hazards")]
        if name not in names:
            self._add("hazards", {"hazard": name}, cells)
            names.append(name)
        for column, value in mine.items():
            self._fill(f"hazards.{names.index(name)}.{column}", value, cells[column])
        return name

    def _project(self, n: int) -> None:
        mine, project, instruments = self.answers.of(MINE, n), _numbered("own_project", n), self.known["instruments"]
        makes = {"producer": project, "material": mine.pop("material"), "yield_t_per_t": 1.0}
        dates = {"earliest_signing": self.known["horizon"]["first_year"], "money_year": self.plan.price_year}
        self._row("projects", MINE, n, {"project": project, **mine, **dates})
        self._row("yields", MINE, n, makes)
        _list(instruments, "project_list", project)
        instruments["projects"] = True

    def _promise(self, n: int) -> None:
        """A promise and the scenario in which it is kept: one disruption as described, beginning in its year."""
        mine, cells = self.answers.of(PROMISE, n), self.answers.cells(PROMISE, n)
        name, which = _numbered("own-promise", n, "-"), mine["disruption"]
        stop, stops = self._stop(which), self.answers.cells(STOP, which)
        event = {column: stop[column] for column in ("countries", "materials", "cut_share", "price_multiplier")}
        event |= {"start_year": mine["start_year"], "duration_years": mine.get("duration_years", stop["duration_yr"])}
        at = {f"events.0.{column}": {**stops, **cells}[column] for column in event if column in {**stops, **cells}}
        scenario = {"name": name, "probability": PROMISED, "design_basis": True, "events": [event]}
        self._add("scenarios", scenario, {"events.0": cells["start_year"], **at})
        level = {field: mine[field] for field in ("level", "material", "segment")}
        self._add("service_levels", {**level, "scenarios": [name]}, {field: cells[field] for field in level})

    def _row(self, table: str, block: str, n: int, record: dict[str, Any]) -> None:
        """Add a row to a table; it has the cells of its answers, and that of the switch for the rest."""
        cells = {"": self.answers.cell(f"{block}: {USE}", n), **self.answers.cells(block, n)}
        found, faults = validate_rows(table, [{**record, **ENTERED}], self.answers.place, [*record, *ENTERED])
        self.faults += [cells.get(fault.column, cells[""]).placed(fault) for fault in faults]
        rows, book = self.data.rows(table), self.data.book
        kept = [k for k, row in enumerate(rows) if key_of(row) not in {key_of(own) for own in found}]
        tables = {**self.data.tables, table: (*(rows[k] for k in kept), *found)}
        if book is not None and found:
            lines = (*(book.lines[table][k] for k in kept), 0)
            added = {**book.answers, (table, key_of(found[0])): cells}
            columns = {table: (), **book.columns}
            book = replace(book, lines={**book.lines, table: lines}, columns=columns, answers=added)
        self.data = replace(self.data, tables=types.MappingProxyType(tables), book=book)

    def _placed(self, fault: Fault) -> Fault:
        """A fault of the plan, which had none before, at the answer that made it: of its field, one around it, or one inside."""
        inside = [cell for field, cell in self.cells.items() if field.startswith(f"{fault.column}.")]
        return inside[0].placed(fault) if inside and fault.column not in self.cells else self.sheet.placed(fault)


def _numbered(code: str, n: int, between: str = "_") -> str:
    """The code of what a column of a block adds."""
    return code if n == 1 else f"{code}{between}{n}"


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


def _section(known: Any, section: str) -> list[Any]:
    """A list of a plan by its dotted field, made where there is none."""
    *around, last = section.split(".")
    entries: list[Any] = (known.setdefault(around[0], {}) if around else known).setdefault(last, [])
    return entries


def _rules(known: Any, sheet: PlanSheet | None) -> list[tuple[str, str, Any]]:
    """(field as the sheet numbers it, section, content) of the plan's rules about one material."""
    found = [
        (f"{section}.{n}", section, entry)
        for section in (*RULES, FLOORS)
        for n, entry in enumerate(_section(known, section))
    ]
    return [(rule if sheet is None else sheet.named(rule), section, entry) for rule, section, entry in found]
