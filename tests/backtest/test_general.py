"""The code of the backtest knows no material, date or country; the shipped episode gives the references that were stated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import strategic_minerals
from strategic_minerals import shipped
from strategic_minerals.backtesting.calibration import brier, by_notice, outcomes, references
from strategic_minerals.backtesting.realised import Realised
from strategic_minerals.backtesting.run import backtest
from strategic_minerals.backtesting.scorer import minerals_of
from strategic_minerals.backtesting.settings import load_settings
from strategic_minerals.backtesting.tables import KINDS, read_tables

ROOM = Path(strategic_minerals.__file__).parent / "backtesting"
EPISODE = shipped("models") / "backtest-2022"
PLACEHOLDERS = {"OTH", "WLD", "USD"}
"""Codes of no country: others, all of them, and money."""


def code() -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(ROOM.glob("*.py"))}


def test_no_date_stands_in_the_code() -> None:
    for name, text in code().items():
        assert not re.search(r"\b\d{4}-\d\d-\d\d\b", text), name
        assert not re.search(r"\bdate\((19|20)\d\d", text), name


def test_no_country_stands_in_the_code() -> None:
    table = (shipped("inputs") / "countries.csv").read_text(encoding="utf-8").splitlines()[1:]
    codes = {line.partition(",")[0] for line in table} - PLACEHOLDERS
    names = {line.split(",")[1] for line in table if len(line.split(",")[1]) > 4} - {"World"}
    for name, text in code().items():
        assert not codes & set(re.findall(r"\b[A-Z]{3}\b", text)), name
        assert not [country for country in names if re.search(rf"\b{re.escape(country)}\b", text)], name


def test_no_material_stands_in_the_code() -> None:
    tables = read_tables(EPISODE, ("known", "rolling", "score_inputs"))
    names = {row.material for table in tables.values() for row in table.rows}
    names |= {row.mineral for row in tables["known"].rows}
    words = {name.lower() for name in names if re.fullmatch(r"[a-z_]{4,}", name)} - {"all"}
    assert {"gallium", "tungsten", "graphite_flake", "rare_earths"} <= words
    for name, text in code().items():
        assert not [word for word in words if re.search(rf"\b{word.replace('_', '[ _]')}\b", text.lower())], name


def test_the_shipped_settings_state_every_field_that_follows_from_the_files_as_the_rules_would() -> None:
    """Proves: dates of freeze, vintage, re-plans and end, home and years are those that the rules find without `backtest.toml`."""
    from strategic_minerals.backtesting.settings import _derived

    settings, whence = load_settings(EPISODE)
    by_rule = _derived(EPISODE, {})
    for name in ("freeze", "vintage_day", "replans", "end", "home", "over_years"):
        assert getattr(settings, name) == by_rule[name], name
        assert whence[name] == "backtest.toml"
    assert [run.name for run in settings.runs][:4] == [
        run["name"] for run in sorted(by_rule["runs"], key=lambda r: r["first"])
    ]


def test_the_references_of_the_brier_score_are_those_of_the_readme() -> None:
    settings, _ = load_settings(EPISODE)
    tables = read_tables(EPISODE, tuple(KINDS))
    history = Realised.of(tables, settings)
    minerals = dict(history.minerals) | minerals_of(tables["known"].rows)
    happened = outcomes(history)
    assert len(happened) == 17
    found = {
        name: brier(p, happened) for name, p in references(history, tables["events"].rows, minerals, settings).items()
    }
    wide = found.pop("own counts, small and standing quotas counted")
    assert {name: round(score, 3) for name, score in found.items()} == {
        "never": 0.765,
        "pooled counts": 0.659,
        "own counts": 0.560,
        "even odds": 0.250,
        "base rate in hindsight": 0.180,
    }
    assert wide < 0.560
    notices, _ = by_notice(dict.fromkeys(happened, 0.5), history)
    assert notices == 6


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_shipped_episode_comes_out_as_published() -> None:
    """Proves: plans of one reading at one budget, made again from the shipped files alone, have the ranks and the net that the page
    states. (All readings and budgets take a quarter of an hour: `backtest backtest-2022`.)"""
    from strategic_minerals.backtesting.page import page

    reading = {"name": "vintage, proxies", "first": "vintage", "proxies": True}
    found = backtest(EPISODE, changes={"budgets_musd": [500], "runs": [reading]}, workers=2)
    published = (shipped("models") / "BACKTEST.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in page(found).splitlines() if line.startswith("| vintage, proxies | 500 |")]
    assert len(rows) >= 2
    assert [row for row in rows if row not in published] == []
