"""A plan of 2022, played to 2026: make the plans, then open what happened, and score. Frozen; README.md says how to run it.

python models/backtest-2022/backtest.py OUT [--readings N ...] [--budgets MUSD ...]
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import pandas as pd
from episode import BUDGETS_MUSD, HERE, READINGS, Reading, days_of, known_on
from plan import Answer, plan_on, state_of
from score import Rows, score, score_forecasts

CAVEATS = (
    "Few notices stand behind all outcomes, so that no rank is significant.",
    "Losses by price outweigh losses of tonnes.",
    "Who put the data together knew the outcomes: only an episode that was held back is a blind test.",
)


class Desk:
    """Makes the plans of readings and budgets, and keeps each as a file; an equal question is answered once."""

    def __init__(self, out: Path) -> None:
        """out: an empty folder."""
        self._out = out
        self._answers: dict[str, str] = {}
        log = (HERE / "first-run.jsonl").read_text(encoding="utf-8").splitlines()
        lines = [line for line in map(json.loads, log) if line["what"] == "plan"]
        self._first_run = {(line["run"], line["budget_musd"], line["day"]): line["sha256"] for line in lines}
        self.equal = self.made = 0

    def course(self, reading: Reading, budget_musd: float) -> list[Answer]:
        """The plans of a reading at a budget, one after the other, each with the state that those before left on the books."""
        answers: list[Answer] = []
        for day in days_of(reading):
            known = known_on(reading, day)
            state = state_of(answers, known, budget_musd)
            question = repr((known, state))
            if question not in self._answers:
                self._answers[question] = plan_on(known, state)
            text = self._answers[question]
            answers.append(Answer(day, json.loads(text)))
            (self._out / f"{reading.name}, {budget_musd:g}, {day}.json").write_text(text, encoding="utf-8")
            self.made += 1
            self.equal += (
                hashlib.sha256(text.encode()).hexdigest() == self._first_run[reading.name, budget_musd, str(day)]
            )
            print(f"{reading.name}, {budget_musd:g} million USD: planned on {day}", flush=True)
        return answers


def summary(rows: Rows) -> str:
    """Ranks and forecasts in words."""
    ranks, lines = pd.DataFrame(rows["ranks"]), []
    for (reading, budget, plan), own in ranks.groupby(["reading", "budget_musd", "plan"], sort=False):
        lines.append(
            f"{reading}, {budget:,.0f} million USD, {plan}: rank {own['rank'].min()} to {own['rank'].max()} of {own.of.max()}, net "
            f"{own.net_musd.min():,.1f} to {own.net_musd.max():,.1f} million USD under {len(own)} loss functions"
        )
    lines += [f"{row['reading']}: Brier score {row['score']:.3f}" for row in rows["brier"] if row["forecast"] == "plan"]
    lines += [
        f"{row['reading']}: {row['central_inside']} of {row['forecasts']} forecasts of {row['quantity']} inside 5-95 % "
        f"(expected {row['expected_low']} to {row['expected_high']})"
        for row in rows["calibration"]
    ]
    return "\n".join([*lines, "", *CAVEATS])


def main() -> None:
    """Make every plan first; score only then."""
    parser = argparse.ArgumentParser(description="A plan of 2022, played to 2026.")
    parser.add_argument("out", type=Path, help="new folder for plans and tables of scores")
    parser.add_argument("--readings", type=int, nargs="+", default=range(len(READINGS)), help="0 to 4; default: all")
    parser.add_argument(
        "--budgets", type=float, nargs="+", choices=BUDGETS_MUSD, default=BUDGETS_MUSD, help="million USD"
    )
    asked = parser.parse_args()
    asked.out.mkdir(parents=True)
    (asked.out / "plans").mkdir()
    desk = Desk(asked.out / "plans")
    readings = [READINGS[n] for n in asked.readings]
    courses = {(reading, budget): desk.course(reading, budget) for reading in readings for budget in asked.budgets}
    print(f"{desk.equal} of {desk.made} plans are those of the first run, byte by byte\n")
    rows: Rows = {}
    for (reading, budget), answers in courses.items():
        score(rows, reading.name, budget, answers)
    for reading in readings:
        score_forecasts(rows, reading.name, courses[reading, asked.budgets[0]])
    for name, table in rows.items():
        pd.DataFrame(table).to_csv(asked.out / f"{name}.csv", index=False)
    print(summary(rows))


if __name__ == "__main__":
    main()
