"""Loss functions that survive the replay: what each would have said of the shortages of 2023 to 2026, beside what stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from ..checks.loss_replay import Replay, replays
from ..data.dataset import Dataset
from ..results.frames import frame
from ..results.study import StudyResult

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


@dataclass(frozen=True)
class LossReplay(StudyResult):
    """Verdicts on loss functions, by observed shortage."""

    kind: ClassVar[str] = "losses"
    titles: ClassVar[Mapping[str, str]] = {
        "functions": "Loss functions against what was seen",
        "episodes": "What each would have said",
    }
    functions: pd.DataFrame
    """Each loss function with its horizon, whether it passes, and why: by the episode that it fails most, or passes."""
    episodes: pd.DataFrame
    """What each function would have said of each episode, and what is known to have stopped."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """`functions` and `episodes`."""
        return {"functions": self.functions, "episodes": self.episodes}

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the test is."""
        return {"test": TEST}

    def summary(self) -> str:
        """Verdict and reason of each function, and what the test is."""
        lines = ["Loss functions against what is known to have stopped:"]
        if not len(self.functions):
            return "The tables have no observed shortage to replay (loss_replay.csv)."
        for row in self.functions.to_dict("records"):
            months = row["horizon_months"]
            horizon = f"stated for {months:g} months" if months > 0 else "no horizon stated"
            lines.append(f"  {row['loss_function']} ({row['case']}; {horizon}): {row['verdict']}. {row['reason']}")
        return "\n".join([*lines, TEST])


TEST = (
    "The test: a function's loss (tonnes not delivered times loss per tonne) is turned into weeks of plants as large as the one "
    "known to have stopped, at the output of an average worker. It fails where that is more than the stops known by name, repeated "
    "for every stop that the widest survey of firms counted or expected. No total of an observed loss is compared: none has been "
    "published. A function that passes is not contradicted by what was seen, at that depth and length; it is not proven."
)


def loss_replay(data: Dataset, functions: Sequence[str] | None = None) -> LossReplay:
    """What each named loss function would have said of the observed shortages of the home country, beside what is known to have
    stopped; with a verdict on depth and duration and its reason.

    functions: names; None: all of the tables. Raises nothing for tables that could be read: without observed shortages the study is
    empty.
    """
    found = replays(data, functions)
    return LossReplay(_functions(found), _episodes(found))


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
