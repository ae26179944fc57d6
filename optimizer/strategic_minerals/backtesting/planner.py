"""One plan of a backtest, in a process of its own: `python -m strategic_minerals.backtesting.planner GATED STATE SETTINGS OUT`.

It sees the gated folder, the state of its own reserve and its settings, and nothing else of a backtest. What it writes is the
same byte by byte whenever these are: numbers in a fixed form, keys in order, no time and no path.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from ..api.solving import solve_once
from ..core.atomic_files import write_whole
from ..core.frames import rows_of
from .facts import Known, read_known
from .forecasts import control_probabilities, intervals
from .hazards import in_force, rates, severity
from .question import Depth, State, depth_of, haircut_of, holding_of, planned, question
from .settings import Planning
from .timeline import label

DIGITS = 9
"""Significant digits of every number that is written."""
LEAST_T = 1e-9
"""Tonnes below which nothing is bought or sold, as a share of normal use."""


def canonical(content: Any) -> str:
    """JSON of one form only: keys in order, numbers with a fixed number of digits, a line end."""
    return json.dumps(_plain(content), sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    rounded = float(f"{float(value):.{DIGITS}g}")
    return 0.0 if rounded == 0 else rounded


def plan_of(gated: Path, state: State, settings: Planning) -> dict[str, Any]:
    """What a plan decides and forecasts on its day, JSON-ready."""
    known = read_known(gated, settings, state.day)
    acts, sales, forecast = [], [], []
    if planned(known):
        plan, data = question(known, settings, state)
        result = solve_once(plan, data, gap=0.0, method="flat", threads=1)
        least = {facts.material: LEAST_T * (facts.normal_t or 0.0) for facts in planned(known)}
        acts = _purchases(result.tables["acquisitions"], least, state)
        sales = _sales(result.tables["stock"], least, state)
        forecast = intervals(plan, data, known, settings, state.first_quarter)
    return {
        "day": state.day.isoformat(),
        "purchases": acts,
        "sales": sales,
        "intervals": forecast,
        "controls": control_probabilities(known, settings, state.day),
        "materials": [_told(known, settings, state, name) for name in known.materials],
        "rates": [
            {"material": name, "country": country, "rate_per_yr": rate}
            for name, by_country in rates(known, settings, state.day).items()
            for country, rate in by_country.items()
        ],
        "severity": vars(severity(known, settings, state.day)),
        "in_force": [
            {"material": c.material, "country": c.country, "since": c.since.isoformat(), "cut_share": c.cut}
            for c in in_force(known, settings, state.day)
        ],
        "unreadable_countries": list(known.unnamed),
    }


def _purchases(table: pd.DataFrame, least: dict[str, float], state: State) -> list[dict[str, Any]]:
    """material, quarter, tonnes and million USD (premium included) on the course without a disruption."""
    tonnes: dict[tuple[str, int], float] = {}
    money: dict[tuple[str, int], float] = {}
    for row in rows_of(table):
        key = str(row.material), state.quarter(str(row.period))
        tonnes[key] = tonnes.get(key, 0.0) + float(row.acquired_t)
        money[key] = money.get(key, 0.0) + float(row.cost_musd)
    return [
        {"material": key[0], "quarter": label(key[1]), "tonnes": tonnes[key], "musd": money[key]}
        for key in sorted(tonnes)
        if tonnes[key] > least[key[0]]
    ]


def _sales(table: pd.DataFrame, least: dict[str, float], state: State) -> list[dict[str, Any]]:
    """material, quarter, tonnes."""
    sold: dict[tuple[str, int], float] = {}
    for row in rows_of(table):
        key = str(row.material), state.quarter(str(row.period))
        sold[key] = sold.get(key, 0.0) + float(row.sold_t)
    return [
        {"material": material, "quarter": label(quarter), "tonnes": tonnes}
        for (material, quarter), tonnes in sorted(sold.items())
        if tonnes > least[material]
    ]


def _told(known: Known, settings: Planning, state: State, name: str) -> dict[str, Any]:
    """What the plan took a material to be, and whether it could plan it."""
    facts, guess = known.materials[name], settings.estimates
    could = not facts.unplanned
    depth = depth_of(facts, guess) if could else Depth((), ())
    return {
        "material": name,
        "mineral": facts.mineral,
        "planned": could,
        "why_not": facts.unplanned,
        "stale": list(facts.stale),
        "use_t": facts.normal_t,
        "use_basis": facts.use_basis,
        "reliance": facts.reliance,
        "origins": facts.share_basis,
        "shares": facts.shares,
        "output_shares": facts.output_shares,
        "price_usd_per_kg": facts.price,
        "price_year": max(facts.prices) if facts.prices else None,
        "price_cv": facts.price_cv,
        "haircut_share": haircut_of(facts.price_cv, guess),
        "holding_share_per_yr": holding_of(facts.price, guess) if facts.price else None,
        "depth_t_per_yr": list(depth.t_per_yr),
        "premium_share": list(depth.premium),
    }


def main(arguments: Sequence[str]) -> int:
    """Make one plan from the files that are named."""
    gated, state, settings, out = (Path(argument) for argument in arguments)
    asked = TypeAdapter(State).validate_json(state.read_text(encoding="utf-8"))
    found = plan_of(gated, asked, Planning.model_validate_json(settings.read_text(encoding="utf-8")))
    write_whole(out, [canonical(found)])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
