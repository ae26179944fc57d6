"""From the answers of a run's plans to orders: which plan is in force when, what it orders, and what the books say meanwhile.

A plan decides from the day after its own until the day of the next; the first one has its whole first quarter. Of a quarter in
which plans change each has the share of days for which it is in force. Nothing is bought after the end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .execution import Entry, Order, Sale, Terms, execute, held_at, spent_in
from .facts import Known
from .hazards import controls_on, supplier_of
from .question import State
from .settings import Settings
from .timeline import ONE_DAY, PER_YEAR, first_day, quarter_of, quarters_between, share_within


@dataclass(frozen=True)
class Answer:
    """What a plan said on its day."""

    day: dt.date
    content: Mapping[str, Any]


def budget_quarters(settings: Settings) -> range:
    """Quarters in which a budget may be spent: whole years after the freeze."""
    first = quarter_of(settings.freeze + ONE_DAY)
    return range(first, first + PER_YEAR * settings.over_years)


def played(settings: Settings) -> range:
    """Quarters from the day after the freeze to the end."""
    return quarters_between(settings.freeze + ONE_DAY, settings.end)


def orders_of(answers: Sequence[Answer], end: dt.date) -> tuple[list[Order], list[Sale]]:
    """Orders and sales of a run's plans, the oldest first, up to a last day."""
    orders, sales = [], []
    for n, answer in enumerate(answers):
        begin = answer.day + ONE_DAY if n else first_day(quarter_of(answer.day + ONE_DAY))
        until = min(end, answers[n + 1].day) if n + 1 < len(answers) else end
        for act in answer.content["purchases"]:
            quarter = number_of(act["quarter"])
            share = share_within(quarter, begin, until)
            if share > 0:
                orders.append(Order(act["material"], quarter, musd=act["musd"] * share))
        for act in answer.content["sales"]:
            quarter = number_of(act["quarter"])
            share = share_within(quarter, begin, until)
            if share > 0:
                sales.append(Sale(act["material"], quarter, act["tonnes"] * share))
    return orders, sales


def number_of(name: str) -> int:
    """The quarter that is written as `2023Q1`."""
    year, _, quarter = name.partition("Q")
    return PER_YEAR * int(year) + int(quarter) - 1


def terms_of(answers: Iterable[Answer]) -> dict[str, Terms]:
    """Terms of each material by the first plan that could plan it."""
    found: dict[str, Terms] = {}
    for answer in answers:
        for row in answer.content["materials"]:
            if row["planned"] and row["material"] not in found:
                found[row["material"]] = Terms(
                    tuple(row["depth_t_per_yr"]),
                    tuple(row["premium_share"]),
                    row["haircut_share"],
                    row["holding_share_per_yr"],
                    row["output_shares"] or row["shares"],
                )
    return found


@dataclass(frozen=True)
class BookMarket:
    """Prices and controls as a day knows them: a quarter whose price is not out yet has the last one that is."""

    known: Known
    day: dt.date
    home: str

    def price(self, material: str, quarter: int) -> float | None:
        """The annual mean of the quarter's year, or of the last year known before it."""
        facts = self.known.materials.get(material)
        years = [] if facts is None else [year for year in facts.prices if year <= quarter // PER_YEAR]
        return None if facts is None or not years else facts.prices[max(years)]

    def closed(self, material: str, quarter: int, terms: Terms) -> float:
        """By days of the controls that are known."""
        facts = self.known.materials.get(material)
        spans: dict[str, tuple[dt.date, dt.date]] = {}
        for row in [] if facts is None else controls_on(self.known.controls, facts, self.home):
            if row.period_start is None or row.period_start > self.day:
                continue
            country, end = supplier_of(row), row.period_end or self.day
            begin, last = spans.get(country, (row.period_start, end))
            spans[country] = (min(begin, row.period_start), max(last, end))
        return min(1.0, sum(terms.shares.get(c, 0.0) * share_within(quarter, *span) for c, span in spans.items()))


def books(answers: Sequence[Answer], known: Known, day: dt.date, settings: Settings, budget_musd: float) -> list[Entry]:
    """The ledger of a reserve up to a day, from what is known on it: no release is on it, since no loss is known."""
    orders, sales = orders_of(answers, day)
    quarters = [quarter for quarter in budget_quarters(settings) if first_day(quarter) <= day]
    return execute(
        orders, sales, BookMarket(known, day, settings.home), terms_of(answers), quarters, budget_musd=budget_musd
    )


def state_of(answers: Sequence[Answer], known: Known, day: dt.date, settings: Settings, budget_musd: float) -> State:
    """What a plan is told of its reserve on its day; the first one starts with nothing and may not sell."""
    ledger = books(answers, known, day, settings, budget_musd) if answers else []
    quarter = quarter_of(day)
    held = {name: tonnes for name, tonnes in sorted(held_at(ledger, quarter).items()) if tonnes > 0}
    spent = spent_in(ledger)
    return State(
        day,
        quarter_of(day + ONE_DAY),
        budget_quarters(settings)[-1],
        max(0.0, budget_musd - spent),
        held,
        bool(answers),
    )
