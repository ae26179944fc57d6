"""Settings of the L-shaped method tried otherwise in one test."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import pytest


def set_search(monkeypatch: pytest.MonkeyPatch, module: str, **changes: Any) -> None:
    """Let one module of `decomposition` see other `SearchSettings`; changes of one test add up."""
    of = importlib.import_module(f"strategic_minerals.solver.lshaped.{module}")
    monkeypatch.setattr(of, "SETTINGS", replace(of.SETTINGS, **changes))
