"""A whole backtest of an episode with other materials, years and another home, from its files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from episode import NAMES, QUICK, episode, write

from conftest import Cli
from strategic_minerals import Backtest, InputError, Study
from strategic_minerals.backtesting.journal import LOG, fix, fixed_files, label, lines, require_unchanged
from strategic_minerals.backtesting.page import BEGIN, END, main, page, written
from strategic_minerals.backtesting.run import backtest
from strategic_minerals.backtesting.scorer import scored

ONE = {**QUICK, "runs": [{"name": "strict", "first": "strict"}], "replans": ["2010-01-31"]}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Backtest]:
    """The files, the folder that the backtest was kept in, and what it found."""
    place = tmp_path_factory.mktemp("backtest")
    folder = write(place / "episode", episode())
    return folder, place / "out", backtest(folder, out=place / "out", changes=ONE, workers=2)


def test_files_alone_are_enough(kept: tuple[Path, Path, Backtest]) -> None:
    """Proves: no `backtest.toml`, no rolling rows, no policy: two plans, every score, and what is missing is told."""
    _, out, found = kept
    assert isinstance(found, Study)
    assert found.tables["plans"].day.tolist() == ["2008-06-30", "2010-01-31"]
    said = found.summary()
    assert "first run" in said
    assert "The folder has no rows for re-plans." in said
    assert "The folder has no rival from history." in said
    assert "only an episode that was held back is a blind test" in said
    assert found.to_dict()["kind"] == "backtest"
    json.dumps(found.to_dict(), allow_nan=False)
    assert {file.stem for file in (out / "tables").iterdir()} == set(found.tables)


def test_each_material_is_planned_or_has_its_reason(kept: tuple[Path, Path, Backtest]) -> None:
    told = kept[2].tables["materials"].query("day == '2008-06-30'").set_index("material")
    assert told.planned.to_dict() == {"zink": True, "brom": True, "talk": True}
    plan = json.loads((kept[1] / kept[2].tables["plans"].file[0]).read_text(encoding="utf-8"))
    (left,) = [row for row in plan["materials"] if not row["planned"]]
    assert left["material"] == "jod"
    assert "no figure of its use" in left["why_not"]


def test_the_plan_buys_what_is_at_risk_and_its_money_is_kept(kept: tuple[Path, Path, Backtest]) -> None:
    tables = kept[2].tables
    bought = tables["by_material"]
    assert set(bought[bought.spent_musd > 0].material) <= {"zink", "brom"}
    assert (bought.groupby("plan").spent_musd.sum() <= 3.0 + 1e-9).all()
    cover = tables["coverage"].set_index(["plan", "material"])
    assert cover.loc[("plan, static", "zink"), "covered_t"] > 0
    assert cover.loc[("plan, static", "talk"), "says"] == "no physical loss"
    assert cover.loc[("plan, static", "brom"), "says"] == "gap"


def test_nothing_is_worth_nothing_and_foresight_bounds_every_ranked_plan(kept: tuple[Path, Path, Backtest]) -> None:
    net = kept[2].tables["net"]
    assert (net[net.plan == "nothing"].net_musd == 0).all()
    for _, own in net.groupby("function"):
        best = float(own[own.plan == "perfect foresight"].net_musd.iloc[0])
        assert (own[own.ranked.astype(bool)].net_musd <= best + 1e-6).all()


def test_what_the_replan_was_told_of_its_reserve_stands_beside_what_it_held(kept: tuple[Path, Path, Backtest]) -> None:
    """Proves: the books have the price of the freeze and no release; in truth the price had risen and tonnes were released."""
    books = kept[2].tables["books"].set_index("material")
    assert set(books.day) == {"2010-01-31"}
    assert books.loc["zink", "book_t"] > books.loc["zink", "held_t"]
    assert books.loc["zink", "book_left_musd"] == pytest.approx(books.loc["zink", "left_musd"], rel=0.2)


def test_ranks_count_the_rivals_that_are_better(kept: tuple[Path, Path, Backtest]) -> None:
    tables = kept[2].tables
    for row in tables["ranks"].itertuples():
        own = tables["net"].query("function == @row.function and ranked and not plan.str.startswith('plan,')")
        assert row.rank == 1 + int((own.net_musd > row.net_musd + 1e-9).sum())
        assert row.of == 1 + len(own)


def test_settings_and_plans_stand_in_the_log_before_the_scores(kept: tuple[Path, Path, Backtest]) -> None:
    _, out, found = kept
    whats = [line["what"] for line in lines(out)]
    assert whats[0] == "settings"
    assert whats[-1] == "scored"
    assert "scored" not in whats[:-1]
    assert set(fixed_files(out)) == {"settings.json", "plans.json", *found.tables["plans"].file}


def test_the_scorer_refuses_changed_plans_settings_and_logs(kept: tuple[Path, Path, Backtest], tmp_path: Path) -> None:
    folder, out, found = kept
    shutil.copytree(out, tmp_path / "copy")
    plan = tmp_path / "copy" / str(found.tables["plans"].file[0])
    plan.write_text(plan.read_text(encoding="utf-8").replace('"musd"', '"musd" '), encoding="utf-8")
    with pytest.raises(InputError, match="as fixed before scoring"):
        scored(folder, tmp_path / "copy")
    log = tmp_path / "copy" / LOG
    log.write_text(log.read_text(encoding="utf-8").replace("settings", "setting5", 1), encoding="utf-8")
    with pytest.raises(InputError, match="the log as it was written"):
        require_unchanged(tmp_path / "copy")


def test_a_scoring_after_another_says_that_it_is(kept: tuple[Path, Path, Backtest], tmp_path: Path) -> None:
    folder, out, found = kept
    assert found.label == "first run"
    assert label(out) == "after looking: scored again, the plans unchanged"
    assert scored(folder, out)["label"] == label(out)
    for what, said in (("settings", "first run"), ("scored", label(out)), ("settings", "after looking")):
        fix(tmp_path, what, {})
        assert label(tmp_path) == said


def test_the_page_is_written_between_its_marks_from_the_folder_alone(
    kept: tuple[Path, Path, Backtest], tmp_path: Path
) -> None:
    _, out, found = kept
    assert Backtest.load(out).summary() == found.summary()
    file = tmp_path / "page.md"
    file.write_text(f"# Head\n\n{BEGIN}\nwhat stood there\n{END}\n\nrest\n", encoding="utf-8")
    assert main([str(out), str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert page(found) in text
    assert "what stood there" not in text
    assert text.startswith("# Head")
    assert text.endswith("rest\n")
    for said in (
        "This is the first run",
        "no rank is significant",
        "not projects and not price floors",
        "rank",
        "Brier",
    ):
        assert said in text
    file.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="once each"):
        written(file, "x")


def test_a_folder_with_other_files_is_not_written_into(kept: tuple[Path, Path, Backtest], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="other files"):
        backtest(kept[0], out=tmp_path, changes=ONE)


def test_the_command_tells_faults_of_settings_and_files(cli: Cli, tmp_path: Path) -> None:
    folder = write(tmp_path / "e", episode())
    (folder / NAMES["score_inputs"]).unlink()
    found = cli("backtest", folder, "--set", "end=")
    assert found.returncode == 2
    assert "--set" in found.stderr
    found = cli("backtest", tmp_path / "none")
    assert found.returncode == 2
    assert "not a folder" in found.stderr
