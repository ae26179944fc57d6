"""Loss functions that survive the replay: what each would have said of the shortages of 2023 to 2026, beside what stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import pandas as pd
from pydantic import Field

from ..checks.loss_replay import Replay, replays
from ..core.runner import HERE, Runner
from ..core.verb import verb
from ..data.dataset import Dataset
from ..results.frames import frame
from ..results.study import Study
from ..schemas.plan import Plan

EPISODE_COLUMNS = [
    "control_event",
    "country",
    "material",
    "loss_function",
    "undelivered_t",
    "undelivered_t_low",
    "undelivered_t_high",
    "mean_depth_share",
    "depth_share",
    "trough_months",
    "loss_musd",
    "loss_musd_low",
    "loss_musd_high",
    "plant_weeks",
    "plant_weeks_low",
    "plant_weeks_high",
    "plant_weeks_known",
    "plant_weeks_most",
    "verdict",
    "reason",
]
TESTED = ("far too high", "too high", "plausible")
"""Verdicts of episodes that say something of a function."""
TEST = (
    "The test: a function's loss (tonnes not delivered times loss per tonne) is turned into weeks of plants as large as the one "
    "known to have stopped, at the output of an average worker. It fails where that is more than the stops known by name, repeated "
    "for every stop that the widest survey of firms counted or expected. No total of an observed loss is compared: none has been "
    "published. A function that passes is not contradicted by what was seen, at that depth and length; it is not proven."
)
TITLES = {"functions": "Loss functions against what was seen", "episodes": "What each would have said"}


@verb
def loss_replay(
    plan: Plan,
    data: Dataset,
    *,
    functions: Annotated[
        Sequence[str] | None,
        Field(min_length=1, max_length=200, description="Names of loss functions. Default: all of the tables."),
    ] = None,
    run: Runner = HERE,
) -> Study:
    """Test the loss functions on observed shortages: what each would have said, beside what is known to have stopped.

    The shortages are those of the home country of the tables; nothing else of the plan counts. Tables: functions: each with its
    horizon, whether it passes, and why, by the episode that it fails most, or passes; episodes: what each function would have said
    of each episode, and what is known to have stopped. Fact `test`: what the test is.

    Raises nothing for tables that could be read: without observed shortages the study is empty.
    """
    found = replays(data, functions)
    tables = {"functions": _functions(found), "episodes": _episodes(found)}
    return Study("losses", tables, _words(tables["functions"]), {"test": TEST}, TITLES)


def _words(functions: pd.DataFrame) -> list[str]:
    """Verdict and reason of each function, and what the test is."""
    if not len(functions):
        return ["The tables have no observed shortage to replay (loss_replay.csv)."]
    lines = ["Loss functions against what is known to have stopped:"]
    for row in functions.to_dict("records"):
        months = row["horizon_months"]
        horizon = f"stated for {months:g} months" if months > 0 else "no horizon stated"
        lines.append(f"  {row['loss_function']} ({row['case']}; {horizon}): {row['verdict']}. {row['reason']}")
    return [*lines, TEST]


def _functions(found: Sequence[Replay]) -> pd.DataFrame:
    """One row a loss function."""
    rows = []
    for name in dict.fromkeys(replay.function for replay in found):
        mine = [r for r in found if r.function == name]
        tested = [r for r in mine if r.verdict in TESTED]
        deciding = min(tested, key=lambda r: TESTED.index(r.verdict)) if tested else mine[0]
        rows.append(
            {
                "loss_function": name,
                "horizon_months": _or_nan(deciding.horizon_months),
                "case": deciding.case,
                "passes": not deciding.failed,
                "tested_on": len(tested),
                "verdict": deciding.verdict if tested else "not tested",
                "reason": deciding.reason(),
            }
        )
    return frame(rows, ["loss_function", "horizon_months", "case", "passes", "tested_on", "verdict", "reason"])


def _episodes(found: Sequence[Replay]) -> pd.DataFrame:
    """One row a loss function and episode."""
    rows = []
    for r in found:
        e, none = r.episode, float("nan")
        weeks = r.weeks or (none, none, none)
        rows.append(
            {
                "control_event": e.event,
                "country": e.country,
                "material": e.material,
                "loss_function": r.function,
                "undelivered_t": e.tonnes[1],
                "undelivered_t_low": e.tonnes[0],
                "undelivered_t_high": e.tonnes[2],
                "mean_depth_share": _or_nan(e.mean_depth),
                "depth_share": _or_nan(e.depth),
                "trough_months": _or_nan(e.months),
                "loss_musd": r.loss[1],
                "loss_musd_low": r.loss[0],
                "loss_musd_high": r.loss[2],
                "plant_weeks": weeks[1],
                "plant_weeks_low": weeks[0],
                "plant_weeks_high": weeks[2],
                "plant_weeks_known": e.stopped_weeks,
                "plant_weeks_most": _or_nan(e.most_weeks),
                "verdict": r.verdict,
                "reason": r.reason(),
            }
        )
    return frame(rows, EPISODE_COLUMNS)


def _or_nan(value: float | None) -> float:
    """A figure, or that it is not known."""
    return float("nan") if value is None else value
