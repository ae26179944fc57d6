"""The gate, rule by rule."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from episode import episode, figures, write

from strategic_minerals.backtesting.gate import write_gated
from strategic_minerals.backtesting.settings import Run

DAY = dt.date(2010, 1, 31)
STRICT = Run(name="strict", first="strict")


def passed(tmp_path: Path, kind: str, rows: list[dict[str, Any]], day: dt.date, run: Run, *, replan: bool) -> list[str]:
    """Notes of the rows of a file that pass."""
    tables = episode()
    tables[kind] = rows
    write_gated(write(tmp_path / "e", tables), tmp_path / "g", day, run, replan=replan)
    name = {
        "known": "known.csv",
        "events": "events_known.csv",
        "rolling": "rolling_known.csv",
        "realised": "realised.csv",
    }[kind]
    if not (tmp_path / "g" / name).is_file():
        return []
    with (tmp_path / "g" / name).open(encoding="utf-8", newline="") as file:
        return [row["note"] for row in csv.DictReader(file)]


KNOWN = [
    *figures("zink", "price", {2007: 1.0}, note="on its day", available_from=str(DAY)),
    *figures("zink", "price", {2007: 1.0}, note="a day late", available_from="2010-02-01"),
    *figures("zink", "price", {2007: 1.0}, note="never", available_from=""),
    *figures("zink", "price", {2007: 1.0}, note="vintage", gate="vintage"),
    *figures("zink", "price", {2007: 1.0}, note="proxy", gate="proxy"),
    *figures("zink", "price", {2007: 1.0}, note="no", gate="no"),
    *figures("zink", "price", {2007: ""}, note="gap", gate="gap"),
    *figures("zink", "price", {2009: 1.0}, note="re-plan", gate="replan_2010"),
]


@pytest.mark.parametrize("proxies", [False, True])
def test_of_what_was_known_the_gates_and_the_day_decide(tmp_path: Path, proxies: bool) -> None:
    run = Run(name="x", first="strict", proxies=proxies)
    found = passed(tmp_path, "known", KNOWN, DAY, run, replan=True)
    assert found == ["on its day", "vintage", *(["proxy"] if proxies else [])]


@pytest.mark.parametrize("replan", [False, True])
def test_rows_for_replans_wait_for_one(tmp_path: Path, replan: bool) -> None:
    assert passed(tmp_path, "rolling", KNOWN, DAY, STRICT, replan=replan) == (["re-plan"] if replan else [])


def test_of_events_gaps_and_what_is_later_do_not_pass_nor_does_an_end_that_nobody_knew(tmp_path: Path) -> None:
    rows = [
        {"kind": "event", "event": "a", "note": "event", "end": "2012-01-01", "available_from": "2009-01-01"},
        {"kind": "count", "event": "b", "note": "count", "available_from": "2010-01-31"},
        {"kind": "event", "event": "c", "note": "late", "available_from": "2010-03-01"},
        {"kind": "gap", "event": "d", "note": "gap", "available_from": "2009-01-01"},
    ]
    assert passed(tmp_path, "events", rows, DAY, STRICT, replan=False) == ["event", "count"]
    text = (tmp_path / "g" / "events_known.csv").read_text(encoding="utf-8")
    assert "2012-01-01" not in text


REALISED = [
    {"metric": "price", "note": "price", "period_end": "2009-12-31", "value": 1, "available_from": "2010-01-14"},
    {
        "metric": "price (first print Y2010)",
        "note": "print",
        "period_end": "2009-12-31",
        "value": 1,
        "available_from": "2010-01-14",
    },
    {"metric": "price", "note": "not over yet", "period_end": "2010-03-31", "value": 1, "available_from": "2010-01-14"},
    {"metric": "price", "note": "late", "period_end": "2009-12-31", "value": 1, "available_from": "2010-02-14"},
    {
        "metric": "annual price over 2008",
        "note": "derived",
        "period_end": "2009-12-31",
        "value": 1,
        "available_from": "2010-01-01",
    },
    {
        "metric": "availability share of normal (annual)",
        "note": "derived",
        "period_end": "2009-12-31",
        "available_from": "2010-01-01",
    },
    {
        "metric": "outcome: control",
        "note": "derived",
        "period_end": "2009-12-31",
        "value": 1,
        "available_from": "2010-01-01",
    },
    {"metric": "tonnes lost to the control (attributed)", "note": "derived", "available_from": "2010-01-01"},
    {"metric": "price", "note": "gap", "confidence": "gap", "period_end": "2009-12-31", "available_from": "2010-01-01"},
    {"metric": "control: ban", "note": "ban", "period_start": "2009-11-01", "available_from": "2009-11-15"},
    {"metric": "control: licence", "note": "undated", "period_start": "2009-12-01", "value": 0.7},
    {"metric": "control: licence", "note": "to come", "period_start": "2010-06-01", "value": 0.7},
]


def realised() -> list[dict[str, Any]]:
    return [{"material": "zink", "market": "JPN", **row} for row in REALISED]


def test_a_replan_reads_what_was_measured_or_announced_and_nothing_worked_out_afterwards(tmp_path: Path) -> None:
    assert passed(tmp_path, "realised", realised(), DAY, STRICT, replan=True) == ["price", "print", "ban"]


def test_the_first_plan_reads_none_of_it(tmp_path: Path) -> None:
    assert passed(tmp_path, "realised", realised(), DAY, STRICT, replan=False) == []


def test_controls_may_be_known_from_their_day_but_then_not_what_came_of_them(tmp_path: Path) -> None:
    run = Run(name="x", first="strict", controls="effective")
    assert passed(tmp_path, "realised", realised(), DAY, run, replan=True) == ["price", "print", "ban", ""]
    with (tmp_path / "g" / "realised.csv").open(encoding="utf-8", newline="") as file:
        assert [row["value"] for row in csv.DictReader(file)][-1] == ""
