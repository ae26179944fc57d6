"""No later row reaches a plan: each is the same byte by byte when later rows are deleted, and when they are multiplied by 7."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from episode import QUICK, episode, figures, write

from strategic_minerals import shipped
from strategic_minerals.backtesting.gate import write_gated
from strategic_minerals.backtesting.planner import main
from strategic_minerals.backtesting.run import Desk
from strategic_minerals.backtesting.settings import Run, load_settings

SHIPPED = shipped("models") / "backtest-2022"
Cells = dict[str, str]


def deleted(_: Cells) -> Cells | None:
    return None


def times_seven(row: Cells) -> Cells:
    """Every figure of a row multiplied by 7."""
    told = {}
    for name, cell in row.items():
        try:
            told[name] = f"{7 * float(cell):g}" if name not in ("year", "period", "fiscal_year") else cell
        except ValueError:
            told[name] = cell
    return told


def without_later(folder: Path, out: Path, day: dt.date, change: Callable[[Cells], Cells | None]) -> Path:
    """A copy of a folder in which every row that cannot be read on a day is changed, in every file."""
    shutil.copytree(folder, out)
    changed = 0
    for file in sorted(out.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as text:
            reader = csv.DictReader(text)
            columns, rows = list(reader.fieldnames or ()), list(reader)
        kept: list[Cells] = []
        for row in rows:
            if row["available_from"] and dt.date.fromisoformat(row["available_from"]) <= day:
                kept.append(row)
                continue
            changed += 1
            other = change(row)
            if other is not None:
                kept.append(other)
        with file.open("w", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
    assert changed > 0
    return out


def ask(*paths: Path) -> None:
    """The planner, in this process."""
    main([str(path) for path in paths])


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture
def rolling(tmp_path: Path) -> Path:
    """An episode with rows for re-plans: use, prices, a control."""
    tables = episode()
    late = {"edition": "Y2010", "published": "2010-01-20", "gate": "replan_2010", "available_from": "2010-01-20"}
    tables["rolling"] = [
        *figures("zink", "consumption", {2008: 900.0, 2009: 1100.0}, **late),
        *figures("zink", "price", {2008: 12.0, 2009: 18.0}, **late),
        *figures(
            "brom", "price", {2008: 5.0, 2009: 6.0}, **late | {"available_from": "2011-01-20", "gate": "replan_2011"}
        ),
    ]
    return write(tmp_path / "episode", tables)


@pytest.mark.parametrize("change", [deleted, times_seven])
def test_each_plan_is_the_same_byte_by_byte_without_later_rows_and_with_others(
    rolling: Path, tmp_path: Path, change: Callable[[Cells], Cells | None]
) -> None:
    """Proves: through gate, books, state and planner nothing passes that is later than the day of the plan; nor does what is
    never to be read."""
    settings, _ = load_settings(
        rolling, {**QUICK, "runs": [{"name": "strict", "first": "strict"}], "replans": ["2009-01-31", "2011-01-31"]}
    )
    run, budget = settings.runs[0], settings.budgets_musd[0]
    told: list[int] = []
    whole = dict(Desk(rolling, _made(tmp_path / "whole"), settings, ask).course(run, budget, lambda: told.append(1)))
    assert len(whole) == len(told) == 3
    assert len(set(whole.values())) == 3
    for n, day in enumerate(whole):
        other = without_later(rolling, tmp_path / f"copy-{n}", day, change)
        until = settings.model_copy(update={"replans": tuple(d for d in settings.replans if d <= day)})
        found = dict(Desk(other, _made(tmp_path / f"desk-{n}"), until, ask).course(run, budget, lambda: None))
        assert found[day].encode() == whole[day].encode()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("change", [deleted, times_seven])
def test_of_the_shipped_files_every_day_reads_the_same_bytes_without_later_rows(
    tmp_path: Path, change: Callable[[Cells], Cells | None]
) -> None:
    settings, _ = load_settings(SHIPPED)
    run = next(run for run in settings.runs if run.proxies and run.first == "vintage" and run.controls == "available")
    for n, day in enumerate(settings.plan_days(run)):
        other = without_later(SHIPPED, tmp_path / f"copy-{n}", day, change)
        for name, folder in (("own", SHIPPED), ("other", other)):
            write_gated(folder, tmp_path / f"{name}-{n}", day, run, replan=n > 0)
        assert content(tmp_path / f"own-{n}") == content(tmp_path / f"other-{n}")
        assert "known.csv" in content(tmp_path / f"own-{n}")


def test_a_control_known_from_its_day_of_effect_says_neither_how_deep_it_was_nor_when_it_ended(tmp_path: Path) -> None:
    settings, _ = load_settings(SHIPPED)
    run = next(run for run in settings.runs if run.controls == "effective")
    day = settings.replans[-2]
    write_gated(SHIPPED, tmp_path / "gated", day, run, replan=True)
    with (tmp_path / "gated" / "realised.csv").open(encoding="utf-8", newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["metric"].startswith("control:")]
    assert rows
    for row in rows:
        assert dt.date.fromisoformat(row["period_start"]) <= day
        assert not row["period_end"] or dt.date.fromisoformat(row["period_end"]) <= day
        if not row["available_from"] or dt.date.fromisoformat(row["available_from"]) > day:
            assert row["value"] == row["note"] == row["source"] == ""


def test_the_first_plan_reads_no_realised_row(tmp_path: Path) -> None:
    settings, _ = load_settings(SHIPPED)
    for run in settings.runs:
        counts = write_gated(SHIPPED, tmp_path / run.name, settings.first_day(run), run, replan=False)
        assert counts["rolling"] == counts["realised"] == 0
        assert counts["known"] > 0


def test_a_gated_folder_begins_empty(tmp_path: Path) -> None:
    settings, _ = load_settings(SHIPPED)
    (tmp_path / "rest.csv").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match="not empty"):
        write_gated(SHIPPED, tmp_path, settings.freeze, Run(name="x", first="strict"), replan=False)
