"""What a backtest found: tables, figures and words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from ..results.study import StudyResult
from .settings import Settings
from .words import summary

TITLES: Mapping[str, str] = {
    "ranks": "Rank of the plan among its rivals under each loss function",
    "agreement": "How many loss functions prefer the plan to each rival",
    "net": "Net of every plan under each loss function",
    "accounts": "Money of every plan",
    "coverage": "Tonnes lost and covered",
    "by_material": "The plan by material",
    "calibration_counts": "How many forecasts held",
    "brier": "Brier scores of forecasts of controls",
    "probabilities": "Forecast probabilities of controls",
    "noise": "Availability of materials without a control",
    "spikes": "Price spikes",
    "apart": "Materials without a price series, by a stated estimate",
    "books": "",
    "materials": "",
    "calibration": "",
    "ledger": "",
    "plans": "",
}
"""Table -> its heading; empty: too long for a notebook."""


@dataclass(frozen=True)
class Backtest(StudyResult):
    """A past episode played again: plans made with what was known, rivals, and scores against what happened."""

    title: str
    label: str
    """`first run`, or that it is one after looking, where an earlier scoring stands in the same log."""
    settings: Mapping[str, Any]
    """All settings, as fixed before scoring."""
    whence: Mapping[str, str]
    """Where each setting is from."""
    functions: tuple[str, ...]
    with_values: tuple[str, ...]
    """Functions with a value of their own for a planned material of which tonnes were lost."""
    found: Mapping[str, pd.DataFrame]
    log: str
    """The log, a line of JSON for each thing that was fixed."""
    parts: Mapping[str, bool]
    """Whether the folder has a rolling file, and a file of policy."""

    kind: ClassVar[str] = "backtest"
    titles: ClassVar[Mapping[str, str]] = TITLES

    @classmethod
    def load(cls, out: Path) -> Backtest:
        """From the folder that a backtest was kept in."""
        settings = Settings.model_validate_json((out / "settings.json").read_text(encoding="utf-8"))
        scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
        index = json.loads((out / "plans.json").read_text(encoding="utf-8"))
        log = (out / "log.jsonl").read_text(encoding="utf-8")
        whence: dict[str, str] = next(
            (line["from"] for line in map(json.loads, log.splitlines()) if line["what"] == "settings"), {}
        )
        return cls.of(settings.model_dump(mode="json"), whence, scores, index, log)

    @classmethod
    def of(
        cls,
        settings: Mapping[str, Any],
        whence: Mapping[str, str],
        scores: Mapping[str, Any],
        index: Sequence[Mapping[str, Any]],
        log: str,
    ) -> Backtest:
        """From what the scorer wrote. settings: as JSON has them."""
        tables = {name: pd.DataFrame(scores["tables"].get(name, [])) for name in TITLES if name != "plans"}
        tables["plans"] = pd.DataFrame(list(index))
        return cls(
            str(settings["title"]),
            str(scores["label"]),
            settings,
            dict(whence),
            tuple(scores["functions"]),
            tuple(scores["functions_with_values"]),
            {name: table for name, table in tables.items() if len(table)},
            log,
            {"rolling": bool(scores["rolling"]), "policy": bool(scores["policy"])},
        )

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """As `titles` names them; one without rows is left out."""
        return self.found

    @property
    def facts(self) -> Mapping[str, Any]:
        """title, label, settings, whence, functions, with_values, parts."""
        return {
            "title": self.title,
            "label": self.label,
            "settings": self.settings,
            "whence": self.whence,
            "functions": list(self.functions),
            "with_values": list(self.with_values),
            "parts": self.parts,
        }

    def summary(self) -> str:
        """What was found, in plain words."""
        count = len(self.settings["runs"])
        head = f"{self.title}: {self.label}, {count} reading{'s' * (count != 1)} of what was known"
        return summary(head, self.parts, self.found)
