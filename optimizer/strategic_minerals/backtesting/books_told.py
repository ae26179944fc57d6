"""What each re-plan was told of its reserve, beside what the same purchases came to: books know no price that was not out, and no
release."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .acts import Answer, orders_of, state_of
from .execution import held_at, spent_in
from .facts import Known, read_known
from .gate import write_gated
from .scores import Scorer
from .settings import Run, Settings
from .timeline import quarter_of


def known_on(folder: Path, settings: Settings, run: Run, days: Sequence[dt.date]) -> dict[dt.date, Known]:
    """What each re-plan of a run knew, read through the gate again."""
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for n, day in enumerate(days):
            write_gated(folder, Path(scratch) / str(n), day, run, replan=True)
            found[day] = read_known(Path(scratch) / str(n), settings, day)
    return found


def book_rows(
    answers: Sequence[Answer], known: dict[dt.date, Known], settings: Settings, budget_musd: float, scorer: Scorer
) -> list[dict[str, Any]]:
    """Rows: day, material, tonnes on the books and in the store, money left by the books and in truth."""
    rows = []
    for n, answer in enumerate(answers[1:], start=1):
        told = state_of(answers[:n], known[answer.day], answer.day, settings, budget_musd)
        orders, sales = orders_of(answers[:n], answer.day)
        quarters = [quarter for quarter in scorer.quarters if quarter <= quarter_of(answer.day)]
        ledger = scorer.ledger(orders, sales, "central", budget_musd, quarters)
        held = held_at(ledger, quarters[-1])
        for material in sorted({*told.stock_t, *(name for name, tonnes in held.items() if tonnes > 0)}):
            rows.append(
                {
                    "day": answer.day.isoformat(),
                    "material": material,
                    "book_t": told.stock_t.get(material, 0.0),
                    "held_t": held.get(material, 0.0),
                    "book_left_musd": told.money_musd,
                    "left_musd": budget_musd - spent_in(ledger),
                }
            )
    return rows
