"""What a simulation says: worth of policies on the same paths, paired differences, strata, drawdown and refill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..core.frames import rows_of, typed
from ..core.sample_statistics import estimated
from ..instance.instance import Instance
from ..schemas.plan import Plan
from .living import IN_INTEGERS, NOTHING, REPLANNED, TWO_STAGE, Year
from .paths import Path

FEWEST = 3
"""Paths of a stratum from which its difference is told."""
REFILLED = 0.95
"""Share of the stock before an event from which it counts as refilled."""
POLICIES = dict.fromkeys(("policy",), "text") | dict.fromkeys(
    ("paths", "worth_musd", "error_musd", "low_musd", "high_musd", "worst_musd"), "number"
)
DIFFERENCES = {
    "of": "text",
    "policy": "text",
    "stratum": "text",
    "paths": "number",
    "difference_musd": "number",
    "error_musd": "number",
    "low_musd": "number",
    "high_musd": "number",
    "told": "text",
}
PATHS = {
    "path": "number",
    "struck": "text",
    "first_event": "number",
    "policy": "text",
    "cost_musd": "number",
    "worth_musd": "number",
}
YEARS = {
    "path": "number",
    "policy": "text",
    "fiscal_year": "number",
    "material": "text",
    "tight_share": "number",
    "short_t": "number",
    "released_t": "number",
    "opening_t": "number",
    "stock_t": "number",
    "bought_t": "number",
}
DRAWDOWN = {
    "material": "text",
    "years_tight": "number",
    "releases_share": "number",
    "of_stock": "number",
    "of_short": "number",
    "kept_share": "number",
    "events_over": "number",
    "refilled_1yr": "number",
    "refilled_3yr": "number",
    "peak_stock_t": "number",
}
REPLANS = {
    "plans": "number",
    "seconds": "number",
    "columns": "number",
    "mean_gap_musd": "number",
    "largest_gap_musd": "number",
}


TITLES = {
    "policies": "Worth of each policy on the same paths",
    "differences": "What planning again is worth beyond it",
    "drawdown": "When the reserve releases, and how it refills",
}
"""Headings of the short tables."""


def words_of_paths(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    """A simulation in plain words."""
    policies, differences = tables["policies"], tables["differences"]
    shown = (
        f"{facts['paths_drawn']} paths, the same for all; million USD, discounted; {facts['confidence']:.0%} intervals:"
    )
    lines = [_head(differences), shown]
    for row in rows_of(policies[policies.policy != IN_INTEGERS]):
        interval = f"({_musd(row.low_musd)} to {_musd(row.high_musd)})"
        lines.append(f"  {row.policy}: worth {_musd(row.worth_musd)} {interval}, at worst {_musd(row.worst_musd)}")
    for of in (REPLANNED, TWO_STAGE):
        mine = differences[(differences.of == of) & (differences.stratum == ALL)]
        others = [row for row in rows_of(mine) if row.policy != IN_INTEGERS]
        lines += [f"What '{of}' is worth beyond each:"] * bool(others)
        lines += [f"  {row.policy}: {_in_words(row)}" for row in others]
    return [*lines, *_form(tables["replans"], differences, facts["scenarios"]), *_released(tables["drawdown"])]


def _head(differences: pd.DataFrame) -> str:
    """Whether the plan is worth planning again, or is beaten by something simpler."""
    every = differences[differences.stratum == ALL]
    beaten = every[(every.of == TWO_STAGE) & (every.difference_musd < 0) & (every.told == "yes")]
    if len(beaten):
        worst = next(rows_of(beaten.sort_values("difference_musd")))
        by = _musd(-worst.difference_musd)
        return f"A SIMPLER RULE DOES BETTER than the plan as it was made: {worst.policy}, by {by} million USD."
    again = every[(every.of == REPLANNED) & (every.policy == TWO_STAGE)]
    row = next(rows_of(again))
    if row.told != "yes":
        return f"WHETHER PLANNING AGAIN EVERY YEAR PAYS cannot be told at {row.paths:.0f} paths."
    word = "IS WORTH" if row.difference_musd > 0 else "LOSES"
    by = _musd(abs(row.difference_musd))
    return f"PLANNING AGAIN EVERY YEAR {word} {by} million USD against the plan as it was made."


def _form(replans: pd.DataFrame, differences: pd.DataFrame, scenarios: int) -> list[str]:
    """How the years were planned."""
    lines = [
        f"Quick form: {row.plans:.0f} years planned on at most {scenarios} scenarios, {row.seconds:.1f} processor "
        f"seconds and {row.columns:,.0f} columns each; rounding what is signed costs {_musd(row.mean_gap_musd)} million USD "
        f"on average, {_musd(row.largest_gap_musd)} at most."
        for row in rows_of(replans)
    ]
    exact = differences[(differences.policy == IN_INTEGERS) & (differences.stratum == ALL)]
    return lines + [
        f"Against plans in integers on {row.paths:.0f} of the paths: {_in_words(row)}." for row in rows_of(exact)
    ]


def _released(drawdown: pd.DataFrame) -> list[str]:
    lines = []
    for row in rows_of(drawdown.head(8)):
        back = "" if pd.isna(row.refilled_3yr) else f"; {row.refilled_3yr:.0%} of stocks are back within three years"
        lines.append(
            f"  {row.material}: in short supply in {row.years_tight:.0f} years; the reserve releases in "
            f"{row.releases_share:.0%} of them, {row.of_stock:.0%} of its stock, {row.of_short:.0%} of what is short{back}"
        )
    return ["When the reserve releases:", *lines] if lines else []


def _in_words(row: Any) -> str:
    told = "" if row.told == "yes" else f": cannot be told at {row.paths:.0f} paths"
    interval = f"{_musd(row.low_musd)} to {_musd(row.high_musd)}"
    return f"{_musd(row.difference_musd)} (standard error {_musd(row.error_musd)}, {interval}){told}"


def _musd(value: float) -> str:
    """Million USD, to three digits where they are few."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


ALL = "all paths"


def tables_of_paths(
    plan: Plan,
    n: Instance,
    drawn: Sequence[Path],
    lived: Mapping[tuple[int, str], list[Year]],
    names: Sequence[str],
    confidence: float,
) -> dict[str, pd.DataFrame]:
    """All tables of a simulation."""
    rate, first = plan.discount_rate, plan.horizon.first_year
    cost = {key: path_cost(years, rate) for key, years in lived.items()}
    policies = [*names, *sorted({name for _, name in lived} - set(names))]
    rows: list[dict[str, Any]] = []
    for path in drawn:
        begins = min((event.begin for event in path.events), default=float("nan"))
        for name in policies:
            if (path.number, name) in cost:
                value = cost[path.number, name]
                worth = cost[path.number, NOTHING] - value
                rows.append(
                    {
                        "path": path.number,
                        "struck": path.struck,
                        "first_event": begins,
                        "policy": name,
                        "cost_musd": value,
                        "worth_musd": worth,
                    }
                )
    table = typed(pd.DataFrame(rows, columns=list(PATHS)), PATHS)
    years = _years(lived, drawn, first)
    return {
        "policies": _policies(table, [p for p in policies if p != NOTHING], confidence),
        "differences": _differences(table, policies, confidence),
        "paths": table,
        "years": years,
        "drawdown": drawdown(years[years.policy == REPLANNED]),
        "replans": _replans(lived),
    }


def path_cost(years: Sequence[Year], rate: float) -> float:
    """Discounted cost of a path: its years as they were lived, and what is expected after the last [million USD]."""
    total = sum(year.cost * (1 + rate) ** -k for k, year in enumerate(years))
    return float(total + years[-1].rest * (1 + rate) ** -(len(years) - 1))


def _policies(table: pd.DataFrame, names: Sequence[str], confidence: float) -> pd.DataFrame:
    rows = []
    for name in names:
        worth = table[table.policy == name].worth_musd.tolist()
        if worth:
            found = estimated(worth, confidence)
            rows.append([name, len(worth), found.mean, found.standard_error, found.low, found.high, min(worth)])
    return typed(pd.DataFrame(rows, columns=list(POLICIES)), POLICIES)


def _differences(table: pd.DataFrame, policies: Sequence[str], confidence: float) -> pd.DataFrame:
    """Paired differences, over all paths and by which hazards strike."""
    worth = table.pivot(index="path", columns="policy", values="worth_musd")
    struck = table.drop_duplicates("path").set_index("path").struck
    common = struck.value_counts()
    stratum = struck.where(struck.map(common) >= FEWEST, "others")
    pairs = [(REPLANNED, name) for name in policies if name not in (NOTHING, REPLANNED)]
    pairs += [(TWO_STAGE, name) for name in policies if name not in (NOTHING, REPLANNED, TWO_STAGE, IN_INTEGERS)]
    rows = []
    for of, name in pairs:
        both = worth[[of, name]].dropna()
        difference = both[of] - both[name]
        groups = {ALL: difference, **{str(k): part for k, part in difference.groupby(stratum.loc[difference.index])}}
        for group, values in groups.items():
            found = estimated(values.tolist(), confidence)
            told = "yes" if len(values) > 1 and not found.low <= 0 <= found.high else "cannot be told"
            rows.append([of, name, group, len(values), found.mean, found.standard_error, found.low, found.high, told])
    return typed(pd.DataFrame(rows, columns=list(DIFFERENCES)), DIFFERENCES)


def _years(lived: Mapping[tuple[int, str], list[Year]], drawn: Sequence[Path], first: int) -> pd.DataFrame:
    rows = []
    for path in drawn:
        for name in (REPLANNED, TWO_STAGE):
            for k, year in enumerate(lived.get((path.number, name), ())):
                rows += [
                    {
                        "path": path.number,
                        "policy": name,
                        "fiscal_year": first + k,
                        "material": flow["material"],
                        "tight_share": flow["tight"],
                        **{key: flow[key] for key in ("short_t", "released_t", "opening_t", "stock_t", "bought_t")},
                    }
                    for flow in year.flows
                ]
    return typed(pd.DataFrame(rows, columns=list(YEARS)), YEARS)


def drawdown(years: pd.DataFrame) -> pd.DataFrame:
    """When each material's stock is released and how it refills, over all paths.

    An event over: a year without short supply after one with it; the stock it has to come back to is that before the first of the
    years in short supply.
    """
    rows = []
    for material, mine in years.groupby("material", sort=True):
        tight = mine[mine.tight_share > 0]
        peak = float(mine.stock_t.max())
        if not len(tight) or peak <= 0:
            continue
        held = tight[tight.opening_t > 0]
        released = held.released_t > 0
        firsts: list[float] = []
        back: dict[int, list[bool]] = defaultdict(list)
        for _, path in mine.groupby("path"):
            course = path.sort_values("fiscal_year")
            is_tight, opening, stock = (course[c].to_numpy() for c in ("tight_share", "opening_t", "stock_t"))
            before = None
            for k in range(len(course)):
                begins = is_tight[k] > 0 and (k == 0 or is_tight[k - 1] == 0)
                if begins:
                    before = opening[k]
                    if before > 0:
                        firsts.append(float(min(1.0, stock[k] / before)))
                ends = is_tight[k] > 0 and k + 1 < len(course) and is_tight[k + 1] == 0
                if ends and before:
                    for within in (1, 3):
                        if k + within < len(course):
                            back[within].append(bool((stock[k + 1 : k + 1 + within] >= REFILLED * before).any()))
        short = float((tight.short_t + tight.released_t).sum())
        rows.append(
            [
                material,
                len(tight),
                float(released.mean()) if len(held) else float("nan"),
                float(held.released_t.sum() / held.opening_t.sum()) if len(held) else float("nan"),
                float(tight.released_t.sum() / short) if short > 0 else float("nan"),
                float(np.mean(firsts)) if firsts else float("nan"),
                len(back[1]),
                float(np.mean(back[1])) if back[1] else float("nan"),
                float(np.mean(back[3])) if back[3] else float("nan"),
                peak,
            ]
        )
    return typed(pd.DataFrame(rows, columns=list(DRAWDOWN)), DRAWDOWN)


def _replans(lived: Mapping[tuple[int, str], list[Year]]) -> pd.DataFrame:
    again = [year for (_, name), years in lived.items() if name == REPLANNED for year in years if year.planned]
    if not again:
        return typed(pd.DataFrame(columns=list(REPLANS)), REPLANS)
    gaps = [year.gap for year in again]
    row = [
        len(again),
        float(np.mean([year.seconds for year in again])),
        float(np.mean([year.columns for year in again])),
        float(np.mean(gaps)),
        max(gaps),
    ]
    return typed(pd.DataFrame([row], columns=list(REPLANS)), REPLANS)
