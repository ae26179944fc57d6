"""What was found of homes that plan together: tables, verdict, words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from ..core.frames import rows_of
from ..data.column_words import number_in_words
from ..results.study import StudyResult

EXISTS, NONE, OPEN = "exists", "none", "cannot be told"

HOMES = [
    "home",
    "alone_musd",
    "unopposed_musd",
    "before_payments_musd",
    "division_musd",
    "payment_musd",
    "shapley_musd",
    "loss_alone_musd",
    "loss_together_musd",
    "spends_alone_musd",
    "spends_together_musd",
    "stock_musd",
    "stock_share",
    "released_musd",
    "released_share",
]
COALITIONS = ["members", "size", "worth_musd", "open_musd", "apart_musd", "gain_musd", "division_musd"]
STOCKS = ["material", "home", "alone_t", "together_t"]


@dataclass(frozen=True)
class Coalitions(StudyResult):
    """Homes that plan together, and each against the others."""

    homes: pd.DataFrame
    """A row a home. Money in million USD, discounted and expected. alone_musd: what its own plan is worth while the others keep
    theirs; unopposed_musd: were they to plan nothing. before_payments_musd: what the joint plan gains it where nobody pays anybody;
    division_musd: what it keeps after payment_musd (received; negative: paid), missing where no division lasts; shapley_musd: its
    mean addition. loss_..., spends_...: expected shortage loss, and purchases if nothing happens. stock_musd: value of what is held
    in its name at the end of the planned years; released_musd: expected value, undiscounted, of what stock gives its users; shares
    of all."""
    coalitions: pd.DataFrame
    """A row a coalition. worth_musd: what its plan is worth while outsiders keep plans of their own; open_musd: by how much more it
    may be at most (gap); apart_musd: what its members' own plans are worth; gain_musd: the difference; division_musd: what the
    division of all gives its members together."""
    stocks: pd.DataFrame
    """Largest stock of each material on the baseline course: alone, together [t]."""
    names: Mapping[str, str]
    """Code -> name of homes and materials."""
    core: str
    """Whether a division exists that no coalition would leave: exists, none, or cannot be told at the gap."""
    paid_musd: float
    """What that division takes in payments between members; missing where there is none."""
    missing_musd: float
    """What somebody else would have to add for one to exist."""
    settled: bool
    """Whether the homes' own plans are answers to each other; otherwise they went on changing."""
    rounds: int
    scenarios: int
    gap: float

    kind: ClassVar[str] = "together"
    titles: ClassVar[Mapping[str, str]] = {"homes": "Homes", "coalitions": "Coalitions", "stocks": "Stocks"}

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """homes; coalitions; stocks."""
        return {"homes": self.homes, "coalitions": self.coalitions, "stocks": self.stocks}

    @property
    def facts(self) -> Mapping[str, Any]:
        """core, paid_musd, missing_musd; settled, rounds; scenarios, gap; names of the homes."""
        return {
            "core": self.core,
            "paid_musd": self.paid_musd,
            "missing_musd": self.missing_musd,
            "settled": self.settled,
            "rounds": self.rounds,
            "scenarios": self.scenarios,
            "gap": self.gap,
            "names": {home: self.names[home] for home in self.homes.home},
        }

    def summary(self) -> str:
        """In plain words."""
        return _told(self)


def _told(found: Coalitions) -> str:
    """Verdict, who gains, every coalition, the stocks."""
    lines = [*_verdict(found), "", *_homes(found), "", *_coalitions(found), "", *_stocks(found), "", *_basis(found)]
    return "\n".join(lines)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verdict(found: Coalitions) -> list[str]:
    whole = list(rows_of(found.coalitions))[-1]
    names = _and([found.names[home] for home in whole.members.split()])
    lines = [
        f"{names} planning together save {_musd(whole.worth_musd)}, {_musd(whole.gain_musd)} more than with plans of "
        f"their own ({_musd(whole.apart_musd)}; million USD against doing nothing, expected)."
    ]
    if found.core == "none":
        lines.append(
            f"No division of it lasts: whatever each gets, some of them would do better apart. {_musd(found.missing_musd)} from "
            "outside would mend that."
        )
        return lines
    said = (
        "A division exists that no member, pair or larger group would leave"
        if found.core == "exists"
        else "Whether a division exists that nobody would leave cannot be told at this gap; at the plans found there is one"
        if not math.isnan(found.paid_musd)
        else "Whether a division exists that nobody would leave cannot be told at this gap; at the plans found there is none, for "
        f"want of {_musd(found.missing_musd)}"
    )
    if math.isnan(found.paid_musd):
        return [*lines, f"{said}."]
    paid = [row for row in rows_of(found.homes) if abs(row.payment_musd) >= 0.5]
    if not paid:
        return [*lines, f"{said}, and it takes no payments: everybody keeps what the joint plan brings it."]
    told = "; ".join(
        f"{found.names[row.home]} {'receives' if row.payment_musd > 0 else 'pays'} {_musd(abs(row.payment_musd))}"
        for row in paid
    )
    return [*lines, f"{said}. The least payments between members that make one: {told}."]


def _homes(found: Coalitions) -> list[str]:
    lines = ["WHO GAINS [M]: alone, with the others at plans of their own -> together before payments -> after them"]
    for row in rows_of(found.homes):
        after = "" if math.isnan(row.division_musd) else f" -> {_number(row.division_musd)}"
        lines.append(
            f"  {found.names[row.home]}: {_number(row.alone_musd)} -> {_number(row.before_payments_musd)}{after}; expected "
            f"loss {_number(row.loss_alone_musd)} -> {_number(row.loss_together_musd)}{_shares(row)}"
        )
    opposed = [row for row in rows_of(found.homes) if row.unopposed_musd - row.alone_musd >= 0.5]
    if opposed:
        said = "; ".join(f"{found.names[row.home]} {_number(row.unopposed_musd - row.alone_musd)}" for row in opposed)
        lines.append(f"  Planning against the others instead of by itself costs [M]: {said}")
    return lines


def _shares(row: Any) -> str:
    """Its part of the joint stock."""
    parts = []
    if not math.isnan(row.stock_share):
        parts.append(f"holds {row.stock_share:.0%} of the joint stock")
    if not math.isnan(row.released_share):
        parts.append(f"is given {row.released_share:.0%} of what it releases")
    return f"; {', '.join(parts)}" if parts else ""


def _coalitions(found: Coalitions) -> list[str]:
    lines = ["WHAT EACH COALITION CAN GET [M], outsiders at plans of their own:"]
    for row in rows_of(found.coalitions):
        if row.size > 1:
            names = _and([found.names[home] for home in row.members.split()])
            divided = (
                ""
                if math.isnan(row.division_musd)
                else f"; the division gives its members {_number(row.division_musd)}"
            )
            lines.append(
                f"  {names}: {_number(row.worth_musd)} (open: {_number(row.open_musd)}), {_number(row.gain_musd)} more than "
                f"apart{divided}"
            )
    return lines


def _stocks(found: Coalitions) -> list[str]:
    rows = list(rows_of(found.stocks))
    if not rows:
        return ["No stock is held, alone or together."]
    lines = ["LARGEST STOCKS [t] if nothing happens: alone -> together"]
    for material in dict.fromkeys(row.material for row in rows):
        mine = [row for row in rows if row.material == material]
        said = ", ".join(
            f"{row.home} {number_in_words(row.alone_t, 3)} -> {number_in_words(row.together_t, 3)}" for row in mine
        )
        alone, joint = sum(row.alone_t for row in mine), sum(row.together_t for row in mine)
        lines.append(
            f"  {found.names.get(material, material)}: {number_in_words(alone, 3)} -> {number_in_words(joint, 3)} ({said})"
        )
    return lines


def _basis(found: Coalitions) -> list[str]:
    settled = (
        f"Plans of their own answer each other after {found.rounds} rounds."
        if found.settled
        else f"Plans of their own had not stopped answering each other after {found.rounds} rounds; the last ones are taken."
    )
    return [
        f"BASED ON {found.scenarios} scenarios, the same for all; each plan solved to a gap of {found.gap:.1%}. {settled}",
        "  Outsiders keep what their own plan does on the baseline course. Losses of homes may come from different studies: who "
        "gains hangs on them.",
    ]


def _musd(value: float) -> str:
    return f"{value:,.0f} M"


def _number(value: float) -> str:
    return f"{value:,.0f}"
