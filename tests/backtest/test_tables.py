"""Files of an episode: found by the ends of their names, every fault told with file, row and column."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from episode import NAMES, QUICK, episode, write

from strategic_minerals import InputError
from strategic_minerals.backtesting.settings import load_settings
from strategic_minerals.backtesting.tables import KINDS, day_of, kind_of, last_year_of, read_tables


def test_the_longest_ending_says_what_a_file_is() -> None:
    assert kind_of("B_known.csv") == kind_of("known.csv") == "known"
    assert kind_of("x_events_known.csv") == "events"
    assert kind_of("x_rolling_known.csv") == "rolling"
    assert kind_of("unknown.csv") is None
    assert kind_of("A_realised.csv") == "realised"


def test_every_fault_of_all_files_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    tables = episode()
    tables["known"][0]["value"] = "many"
    tables["known"][3]["available_from"] = "20.6.2008"
    tables["score_inputs"][0]["loss_t_low"] = 900
    folder = write(tmp_path / "e", tables)
    with (folder / NAMES["events"]).open(encoding="utf-8", newline="") as file:
        header, *rest = list(csv.reader(file))
    with (folder / NAMES["events"]).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[*header, "colour"], *([*row, ""] for row in rest), ["A", "event"]])
    with pytest.raises(InputError) as error:
        read_tables(folder, tuple(KINDS))
    places = {(fault.file, fault.row, fault.column) for fault in error.value.faults}
    last = str(len(rest) + 2)
    assert places == {
        (NAMES["known"], "2", "value"),
        (NAMES["known"], "5", "available_from"),
        (NAMES["score_inputs"], "2", "loss_t_low"),
        (NAMES["events"], "1", "colour"),
        (NAMES["events"], last, ""),
    }


def test_needed_files_that_are_missing_are_told_together_and_others_may_be_missing(tmp_path: Path) -> None:
    folder = write(tmp_path / "e", episode())
    assert "rolling" not in read_tables(folder, tuple(KINDS))
    (folder / NAMES["realised"]).unlink()
    (folder / NAMES["events"]).unlink()
    with pytest.raises(InputError) as error:
        read_tables(folder, tuple(KINDS))
    assert [fault.expected.split()[-1] for fault in error.value.faults] == ["events_known.csv", "realised.csv"]


def test_two_files_of_a_kind_are_a_fault(tmp_path: Path) -> None:
    folder = write(tmp_path / "e", episode())
    (folder / "other_known.csv").write_text((folder / NAMES["known"]).read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(InputError, match="a second file of this kind"):
        read_tables(folder, ("known",))


def test_settings_follow_from_the_files_alone(tmp_path: Path) -> None:
    settings, whence = load_settings(write(tmp_path / "e", episode()))
    assert (settings.home, str(settings.freeze), str(settings.vintage_day)) == ("JPN", "2008-06-30", "2008-08-15")
    assert str(settings.end) == "2011-06-30"
    assert [str(day) for day in settings.replans] == ["2009-01-31", "2010-01-31", "2011-01-31"]
    assert settings.over_years == 3
    assert [run.name for run in settings.runs] == ["strict", "vintage"]
    assert whence["freeze"] == "the folder's files"
    assert whence["estimates"] == "default"


def test_what_the_command_line_states_counts_before_the_file_and_that_before_the_rules(tmp_path: Path) -> None:
    folder = write(tmp_path / "e", episode())
    (folder / "backtest.toml").write_text(
        "budgets_musd = [7]\ntail_years = 1\n[sampling]\nseed = 5\n", encoding="utf-8"
    )
    settings, whence = load_settings(folder, {**QUICK, "estimates": {"loss_multiple": {"value": 4}}})
    assert settings.budgets_musd == (3.0,)
    assert settings.tail_years == 1
    assert (settings.sampling.seed, settings.sampling.scenarios) == (5, 12)
    assert settings.estimates.loss_multiple.value == 4
    assert settings.estimates.premium.value == 0.05
    assert whence["budgets_musd"] == "command line"
    assert whence["tail_years"] == "backtest.toml"


def test_wrong_settings_are_faults(tmp_path: Path) -> None:
    folder = write(tmp_path / "e", episode())
    (folder / "backtest.toml").write_text('speed = 1\nend = "soon"\n', encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_settings(folder)
    assert {fault.column for fault in error.value.faults} >= {"speed", "end"}


def test_a_stated_end_leaves_the_files_of_the_scorer_closed(tmp_path: Path) -> None:
    """Proves: with the end stated, settings are complete before anybody has opened what happened."""
    folder = write(tmp_path / "e", episode())
    (folder / NAMES["realised"]).write_text("broken", encoding="utf-8")
    settings, _ = load_settings(folder, {"end": "2010-06-30"})
    assert settings.over_years == 2
    assert [str(day) for day in settings.replans] == ["2009-01-31", "2010-01-31"]


def test_periods_and_days_are_read_as_they_are_written() -> None:
    assert [last_year_of(text) for text in ("2018-21", "2018-2021", "2018", "early")] == [2021, 2021, 2018, None]
    assert [str(day_of(text)) for text in ("2010-05-03", "2010-05", "2010 mean", "")] == [
        "2010-05-03",
        "2010-05-01",
        "2010-07-01",
        "None",
    ]
