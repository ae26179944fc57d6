"""Next year's plan from last year's, and why it differs: one cause after the other, each solved for.

The causes come in a fixed order: a year passes as planned; then what was really done and what happened; then the facts of the year;
then what the year has shown of the hazards. A cause that changes nothing in the question changes nothing in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from ..api.solving import solve_once
from ..core.errors import Fault, PlanError
from ..core.frames import typed
from ..core.runner import HERE, Runner, checkpoint
from ..core.units import SMALL_T
from ..core.verb import FromFile, Gap, verb
from ..data.csv_files import load_dataset
from ..data.dataset import Dataset
from ..model.problem import structure_of
from ..results.result import Result
from ..results.study import Study
from ..schemas.plan import Plan
from .files import DoneRow, HappenedRow, read_noted
from .next_plan import Horizon, NextQuestion, next_question
from .rolled import AS_PLANNED, EVIDENCE, FACTS, STATE, STATE_COLUMNS, WHY_COLUMNS, rolled
from .state import Question, State, as_done, as_planned

Tell = Callable[[str], Any]


def question_of(result: Result) -> Question:
    """What a solved plan leaves its state to."""
    structure, natural = structure_of(result.plan, result.data)
    return Question(structure, natural, result.solution)


@verb
def roll(
    result: Result,
    *,
    done: Annotated[
        Sequence[DoneRow],
        FromFile(partial(read_noted, kind=DoneRow)),
        Field(description="Table (CSV) of what was done otherwise than planned: kind, item, detail, amount."),
    ] = (),
    happened: Annotated[
        Sequence[HappenedRow],
        FromFile(partial(read_noted, kind=HappenedRow)),
        Field(
            description="Table (CSV) of events: event, status (in force, announced, suspended, ended), hazard, from_year, ..."
        ),
    ] = (),
    facts: Annotated[
        Dataset | Path | None,
        FromFile(Path),
        Field(description="Folder of new tables, or of a few rows of them: rows of a known key are replaced."),
    ] = None,
    years: Annotated[int, Field(ge=1, le=40, description="Fiscal years that have passed.")] = 1,
    horizon: Annotated[
        Horizon,
        Field(description="fixed: the end year stays; rolling: as many years as before, series hold their last value."),
    ] = "fixed",
    learning: Annotated[bool, Field(description="Whether the years change what is believed of the hazards.")] = True,
    fresh_draws: Annotated[
        bool, Field(description="Draw scenarios anew; else last year's, as far as nothing has happened in them.")
    ] = True,
    gap: Gap = 1e-3,
    run: Runner = HERE,
) -> Study:
    """Plan again after a year: the state that it left, what happened, new facts; with what each changed.

    result: last year's plan, as it was solved. The study carries the new plan in `result`. Tables: `why`, a row a cause, in order;
    each adds to those above it: changed (whether it changes the question), worth_musd of the plan then, difference_musd to the row
    above, gap_share, expected_loss_musd, outlay_musd of the planned years, bought and supported. `state`, what the new plan starts
    with: kind (stock, stock_origin, users_missing, package, contract, market_floor, payment_due, closed, event, evidence,
    money_kept), item, detail, amount, unit.

    Raises PlanError where nothing would be left to plan, InputError for rows that do not fit the plan, and as `solve_once`.
    """
    new = load_dataset(facts, result.plan.home) if isinstance(facts, Path) else facts
    left = len(question_years(result.plan)) - 1
    if not 1 <= years <= left:
        expected = f"1 to {left}: a year at least is left to plan" if left else "a plan of more than one year"
        raise PlanError([Fault("plan", "", "years", str(years), expected)])
    question = question_of(result)
    planned = as_planned(question, years)
    reached = as_done(question, planned, done)
    asked: dict[str, Any] = {"horizon": horizon, "fresh_draws": fresh_draws}

    def step(state: State, events: Sequence[HappenedRow], known: Dataset | None, learns: bool) -> NextQuestion:
        return next_question(question, result.plan, result.data, state, events, _rows(known), learning=learns, **asked)

    steps = [
        (AS_PLANNED, step(planned, (), None, False)),
        (STATE, step(reached, happened, None, False)),
        (FACTS, step(reached, happened, new, False)),
        (EVIDENCE, step(reached, happened, new, learning)),
    ]
    solved: list[Result] = []
    rows = [_row("", None, result)]
    for n, (cause, asked_now) in enumerate(steps):
        same = n > 0 and _same(asked_now, steps[n - 1][1])
        checkpoint(f"planning again: {cause}")
        solved.append(solved[-1] if same else solve_once(asked_now.plan, asked_now.data, gap=gap))
        rows.append(_row(cause, not same, solved[-1]))
    why = typed(pd.DataFrame(_with_differences(rows), columns=list(WHY_COLUMNS)), WHY_COLUMNS)
    return rolled(solved[-1], result.plan, why, _state_table(question, reached, steps[-1][1]), horizon, learning)


def question_years(plan: Plan) -> range:
    """Planned fiscal years of a plan."""
    return range(plan.horizon.first_year, plan.horizon.first_year + plan.horizon.years)


def _rows(facts: Dataset | None) -> Mapping[str, Sequence[Any]]:
    return {} if facts is None else {name: rows for name, rows in facts.tables.items() if rows}


def _same(one: NextQuestion, other: NextQuestion) -> bool:
    """Whether two questions are the same, whatever is told of the hazards' evidence."""

    def tables(question: NextQuestion) -> dict[str, str]:
        return {name: digest for name, digest in question.data.hashes().items() if name != "hazard_evidence"}

    return one.plan == other.plan and tables(one) == tables(other)


def _row(cause: str, changed: bool | None, result: Result) -> dict[str, Any]:
    """What a step comes to."""
    figures, projects = result.figures, result.tables["projects"]
    signed = projects[(projects.share > 0) & (projects.package != "none")]
    bought = {str(item): float(tonnes) for item, tonnes in figures.items("bought_t").items() if float(tonnes) > SMALL_T}
    return {
        "cause": cause,
        "changed": "" if changed is None else "yes" if changed else "no",
        "worth_musd": figures.value("worth_musd"),
        "gap_share": result.outcome.relative_gap,
        "expected_loss_musd": figures.value("expected_loss_musd"),
        "outlay_musd": figures.total("outlay_by_year_musd"),
        "bought": "; ".join(f"{name} {tonnes:,.4g} t" for name, tonnes in sorted(bought.items())),
        "supported": "; ".join(sorted(set(signed.project))),
    }


def _with_differences(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Steps with what each changes of the worth; none for the plan that was made before."""
    found = []
    for n, row in enumerate(rows):
        change = None if n < 2 else row["worth_musd"] - rows[n - 1]["worth_musd"]
        found.append({**row, "difference_musd": change})
    return found[1:]


def _state_table(question: Question, state: State, now: NextQuestion) -> pd.DataFrame:
    """What the next plan starts with, item by item."""
    rows: list[tuple[str, str, str, float, str]] = []
    rows += [("stock", material, "", tonnes, "t") for material, tonnes in state.stock.items() if tonnes > SMALL_T]
    rows += [
        ("stock_origin", row.material, row.from_country, row.stock_t, "t") for row in now.data.rows("stock_origins")
    ]
    rows += [
        ("users_missing", material, segment, share, "share")
        for (material, segment), share in state.users_missing.items()
        if share > 0
    ]
    rows += [
        ("package", question.natural.projects[option.project].name, option.package.name, share, "share")
        for option, share in state.packages
    ]
    rows += [
        (
            "contract",
            question.natural.producers[c.source],
            _since(question, c.start),
            tonnes / question.natural.calendar.step,
            "t/yr",
        )
        for c, tonnes in state.contracts
    ]
    rows += [("market_floor", question.structure.support.markets[m].floor.name, "", 1.0, "share") for m in state.floors]
    rows += [
        ("payment_due", row.commitment, f"FY{row.fiscal_year} {row.payment}", row.amount_musd, "million USD")
        for row in now.data.rows("payments_due")
    ]
    rows += [("closed", source, "until", date, "date") for source, date in state.closed.items()]
    rows += [("event", event.name, event.hazard or "", event.start_year, "since") for event in now.plan.ongoing]
    rows += [
        ("evidence", row.hazard, f"{row.onsets} onsets", row.exposure_yr, "years")
        for row in now.data.rows("hazard_evidence")
    ]
    rows.append(("money_kept", "", "", state.kept_musd, "million USD"))
    return typed(pd.DataFrame(rows, columns=list(STATE_COLUMNS)), STATE_COLUMNS)


def _since(question: Question, period: int) -> str:
    """Fiscal year of a period, in words."""
    return f"since FY{question.natural.calendar.period_label(period)}"
