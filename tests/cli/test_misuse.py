"""The command line used wrongly: options in plain words, folders that hold something else, parts that are not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ENTRY, PATIENCE_S, Cli, environment
from strategic_minerals.answer.study import refuse_mixed
from strategic_minerals.core.errors import FaultsError


def test_nothing_is_begun_inside_a_run_folder(tmp_path: Path, cli: Cli) -> None:
    """Proves: `init` refuses a place in a run folder, which would no longer verify, and leaves it as it was."""
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    said = cli("init", tmp_path / "sub")
    assert said.returncode == 2
    assert f"a place in the run folder {tmp_path}" in said.stderr
    assert not (tmp_path / "sub").exists()


def test_a_store_that_is_not_there_is_not_made_by_reading_it(tmp_path: Path, cli: Cli) -> None:
    """Proves: `token list` and `token revoke` of a mistyped folder end with 7 and leave no folder behind."""
    for words in (["list"], ["revoke", "x"]):
        said = cli("token", *words, "--folder", tmp_path / "typo")
        assert said.returncode == 7
        assert "holds no store" in said.stderr
        assert not (tmp_path / "typo").exists()


OF_PLANS = ["solve", "scenarios", "frontier", "missing", "sweep"]
OF_RUNS = ["stress", "reverse", "explain", "compare"]


@pytest.mark.parametrize("verb", [*OF_PLANS, *OF_RUNS])
def test_nothing_is_written_among_files_of_others(verb: str, tmp_path: Path, cli: Cli) -> None:
    """Proves: a folder with other files, and a file in its place, are refused before anything is read or solved."""
    (tmp_path / "study.toml").write_text('kind = "grid"\n[axes]\ndiscount_rate = [0.1]\n', encoding="utf-8")
    asked = ["quickstart"] if verb in OF_PLANS else [tmp_path / "run"] * (1 + (verb == "compare"))
    asked += [tmp_path / "study.toml"] * (verb == "sweep")
    mine = tmp_path / "mine"
    mine.mkdir()
    names = {"prices.csv", "points.csv", "thesis.doc"}
    for name in names:
        (mine / name).write_text("mine", encoding="utf-8")
    for out in (mine, mine / "thesis.doc"):
        said = cli(verb, *asked, "--out", out)
        assert said.returncode == 2, said.stderr
        assert str(out) in said.stderr.replace("\n", "")
        assert "Traceback" not in said.stderr
    assert {file.name: file.read_text(encoding="utf-8") for file in mine.iterdir()} == dict.fromkeys(names, "mine")


def test_a_study_goes_into_a_run_folder_as_a_study_of_it_alone(tmp_path: Path) -> None:
    """Proves: tables beside the files of a run, which it would no longer be read with, are refused; `analyses/<name>` is theirs."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text("{}", encoding="utf-8")
    for out in (run, run / "results", run / "new", run / "analyses", run / "analyses" / "a" / "b"):
        with pytest.raises(FaultsError, match="a place in the run folder"):
            refuse_mixed(out, "frontier")
    refuse_mixed(run / "analyses" / "frontier", "frontier")
    (tmp_path / "points.csv").write_text("x", encoding="utf-8")
    (tmp_path / "study.json").write_text('{"kind": "sweep"}', encoding="utf-8")
    (tmp_path / "rows").mkdir()
    (run / "manifest.json").rename(tmp_path / "rows" / "sweep.json")
    refuse_mixed(tmp_path, "sweep")
    with pytest.raises(FaultsError, match=r"points\.csv and 1 more"):
        refuse_mixed(tmp_path, "frontier")


def test_an_output_that_is_full_is_one_sentence() -> None:
    """Proves: where standard output cannot be written, the exit code is 2 with one sentence, and no word of Python's."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        asked = [sys.executable, "-c", ENTRY, "schema"]
        done = subprocess.run(
            asked, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), timeout=PATIENCE_S, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "the output could not be written: No space left on device\n"
