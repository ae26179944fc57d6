"""Who writes, writes alone and whole: two writers of one run folder, killed ones, full disks under reports and workbooks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import Cli, environment
from strategic_minerals import InputError, Result, load_result, solve, write_run
from strategic_minerals.answer import run_folder as runfolder
from strategic_minerals.answer.run_folder import is_run_folder, write_parquet, write_results
from strategic_minerals.answer.study import Study, store_study
from strategic_minerals.core.files import LOCK, one_writer, staged, whole_file, write_whole
from strategic_minerals.page.page import save_figures
from strategic_minerals.question.workbook import write_workbook
from support.one_mineral import one_mineral


@cache
def solved(money: float = 110.0) -> Result:
    return solve(*one_mineral(money), gap=0.0, quick=True)


WRITER = """
import sys
from pathlib import Path
from test_writers import solved
from strategic_minerals import write_run
one = solved(float(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    write_run(one, Path(sys.argv[1]), log=f"{sys.argv[2]}\\n")
"""
HOLDER = """
import sys, time
from pathlib import Path
from strategic_minerals.core.files import one_writer
with one_writer(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


def started(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A child that has said that it is ready."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    return child


# --- one writer ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_writers_never_mix(tmp_path: Path) -> None:
    """Proves R46: two processes that write different runs into one folder, six times each, leave the run of one of them, whole;
    whoever reads meanwhile gets a whole run of one of them, or is told that there is none yet."""
    folder, times = tmp_path / "run", 6
    children = [started(WRITER, folder, money, times) for money in (110.0, 70.0)]
    objectives = {f"{money}\n": solved(money).outcome.objective_musd for money in (110.0, 70.0)}
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.close()
    read = 0
    while any(child.poll() is None for child in children):
        try:
            found = load_result(folder)
        except InputError:
            continue
        read += 1
        money = {r.outcome.objective_musd: r.plan.budget for r in (solved(110.0), solved(70.0))}
        assert found.plan.budget == money[found.outcome.objective_musd]
    assert [child.wait() for child in children] == [0, 0]
    assert objectives[(folder / "log.txt").read_text(encoding="utf-8")] == load_result(folder).outcome.objective_musd
    assert not (folder / LOCK).exists()
    assert not list(folder.rglob("*.part"))
    for child in children:
        assert child.stdout is not None
        child.stdout.close()


def test_a_second_writer_is_refused_after_a_while_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    """Proves R46: as long as a process holds the folder another is refused with a sentence and touches nothing; once that process
    is killed with -9 the next one writes, and no lock stays; one that stays where nobody writes again is not taken for a file."""
    folder = write_run(solved(), tmp_path / "run")
    child = started(HOLDER, folder)
    with pytest.raises(InputError, match="another process that is writing to it"), one_writer(folder, wait_s=0.2):
        pytest.fail("two writers")
    assert load_result(folder).outcome == solved().outcome
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert (folder / LOCK).exists()
    assert load_result(folder).outcome == solved().outcome
    write_run(solved(70.0), folder)
    assert load_result(folder).outcome == solved(70.0).outcome
    assert not (folder / LOCK).exists()


def test_a_lock_that_is_taken_away_lets_one_in_at_a_time(tmp_path: Path) -> None:
    """Proves R46: threads that wait for a folder while its lock file comes and goes are never inside together."""
    inside, most, left = 0, [0], threading.Lock()

    def work() -> None:
        nonlocal inside
        for _ in range(25):
            with one_writer(tmp_path / "run"):
                with left:
                    inside += 1
                    most[0] = max(most[0], inside)
                with left:
                    inside -= 1

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == [1]


def test_hashes_are_those_of_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R46: a file that somebody changes before the manifest is there does not get a hash that fits."""
    real = runfolder.manifest

    def changed(result: Result, files: Any) -> dict[str, Any]:
        (tmp_path / "run" / "summary.txt").write_text("all is well\n", encoding="utf-8")
        return real(result, files)

    monkeypatch.setattr(runfolder, "manifest", changed)
    write_run(solved(), tmp_path / "run")
    with pytest.raises(InputError, match=r"summary\.txt.*differs from the manifest"):
        load_result(tmp_path / "run")


def test_a_reader_does_not_get_half_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R46: a run written anew after its hashes were looked at and before its tables are read is refused."""
    folder, real = write_run(solved(), tmp_path / "run"), runfolder.read_decisions

    def late(path: Path) -> Any:
        found = real(path)
        write_run(solved(70.0), folder)
        return found

    monkeypatch.setattr(runfolder, "read_decisions", late)
    with pytest.raises(InputError, match="written anew while it was read"):
        load_result(folder)


def test_a_folder_with_other_files_is_not_written_into(tmp_path: Path, cli: Cli) -> None:
    """Proves: a file that is none of a run is named, and neither it nor the run that is there is touched; the command asks before
    it solves. A report is not written into the folder of a run, which would then hold a file too many."""
    folder = write_run(solved(), tmp_path / "run")
    said = cli("report", folder, "--format", "md", "-o", folder / "report.md")
    assert said.returncode == 2
    assert "a path inside the run folder" in said.stderr
    (folder / "thesis.doc").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"thesis\.doc"):
        write_run(solved(70.0), folder)
    said = cli("solve", "quickstart", "--out", folder)
    assert said.returncode == 2
    assert "thesis.doc" in said.stderr
    (folder / "thesis.doc").unlink()
    assert load_result(folder).outcome == solved().outcome


# --- whole files ---------------------------------------------------------------------------------------------


def accounts(folder: Path) -> None:
    write_results(solved(), folder / "results.xlsx")


def plans(folder: Path) -> None:
    write_workbook(solved().plan, solved().data, folder / "plan.xlsx")


def parquets(folder: Path) -> None:
    write_parquet(solved(), folder)


def pictures(folder: Path) -> None:
    save_figures(solved(), folder)


def studies(folder: Path) -> None:
    store_study(Study("some", {"a": pd.DataFrame({"x": [1]}), "b": pd.DataFrame({"y": [2]})}), folder)


def pages(folder: Path) -> None:
    write_whole(folder / "report.html", ["<p>", "new"])


WRITERS: list[Callable[[Path], None]] = [accounts, plans, parquets, pictures, studies, pages]


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_the_old_files_as_they_were(write: Callable[[Path], None], tmp_path: Path) -> None:
    """Proves R55: a report, a workbook, figures, tables: where the last of them cannot be written, all the old ones stand as they
    were, and nothing lies beside them."""
    real, count = os.fsync, [0]

    def counted(handle: int) -> None:
        count[0] += 1
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", counted)
        write(tmp_path)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert count[0] == len(written)
    for name in written:
        (tmp_path / name).write_text(f"old {name}", encoding="utf-8")
    (tmp_path / written[0]).chmod(0o640)
    left = [count[0]]

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == written
    assert all((tmp_path / name).read_text(encoding="utf-8") == f"old {name}" for name in written)
    write(tmp_path)
    assert not any((tmp_path / name).read_bytes().startswith(b"old ") for name in written)
    assert (tmp_path / written[0]).stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_broken_off_is_not_there(tmp_path: Path) -> None:
    """Proves R55: an error in the middle, an interrupt too, leaves the old file and no other; a link stays a link; what is no file
    is written to as it is."""
    path = tmp_path / "page.html"
    path.write_text("old", encoding="utf-8")

    def half(error: type[BaseException]) -> None:
        with whole_file(path) as file:
            file.write(b"ne")
            raise error

    def one_of_two(error: type[BaseException]) -> None:
        with staged() as files:
            with files.file(path) as file:
                file.write(b"new")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        for broken_off in (half, one_of_two):
            with pytest.raises(error):
                broken_off(error)
    assert path.read_text(encoding="utf-8") == "old"
    (tmp_path / "link.html").symlink_to(path)
    write_whole(tmp_path / "link.html", ["new"])
    assert (tmp_path / "link.html").is_symlink()
    assert path.read_text(encoding="utf-8") == "new"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["link.html", "page.html"]
    write_whole(Path(os.devnull), ["nothing"])
    assert not Path(os.devnull).is_file()


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path: Path, cli: Cli) -> None:
    """Proves R55: `report` over an older page, from a folder that does not load, leaves that page."""
    folder = write_run(solved(), tmp_path / "run")
    page = tmp_path / "page.md"
    assert cli("report", folder, "--format", "md", "-o", page).returncode == 0
    before = page.read_bytes()
    with (folder / "results" / "budget.csv").open("a", encoding="utf-8") as file:
        file.write("x")
    assert cli("report", folder, "--format", "md", "-o", page).returncode == 2
    assert page.read_bytes() == before
    assert sorted(found.name for found in tmp_path.iterdir()) == ["page.md", "run"]


def test_a_plan_beside_tables_is_a_planners_folder_and_no_run(tmp_path: Path, cli: Cli) -> None:
    """Proves: a folder with a `plan.json`, its tables, notes and results of one's own may hold runs; it is not written over."""
    from strategic_minerals.question.read_csv import write_dataset

    mine = tmp_path / "my"
    write_dataset(solved().data, mine / "tables")
    text = json.dumps(solved().plan.to_toml_like())
    (mine / "plan.json").write_text(text, encoding="utf-8")
    (mine / "log.txt").write_text("what I did\n", encoding="utf-8")
    assert not is_run_folder(mine)
    said = cli("solve", mine / "plan.json", "--tables", mine / "tables", "--out", mine / "results" / "first")
    assert said.returncode == 0, said.stderr
    assert load_result(mine / "results" / "first").plan == solved().plan
    said = cli("report", mine / "results" / "first", "--format", "md", "-o", mine / "report.md")
    assert said.returncode == 0, said.stderr
    said = cli("solve", mine / "plan.json", "--tables", mine / "tables", "--out", mine)
    assert said.returncode == 2
    assert "a folder with other files in it" in said.stderr
    assert (mine / "plan.json").read_text(encoding="utf-8") == text


def test_a_run_that_was_cut_short_stays_a_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: after a full disk before the plan, at the first table or at the manifest, and where the manifest alone was taken
    away, nothing is written into the folder but the next run; once that is there no trace of the other is left."""
    real, folder = runfolder.write_whole, tmp_path / "run"
    for full in ("plan.json", "prices.csv", "log.txt"):

        def write(path: Path, pieces: Any, at: str = full) -> str:
            if path.name == at:
                raise OSError(28, "No space left on device")
            return real(path, pieces)

        with monkeypatch.context() as patch:
            patch.setattr(runfolder, "write_whole", write)
            with pytest.raises(OSError, match="No space"):
                write_run(solved(), folder)
        assert not (folder / "manifest.json").exists()
        assert is_run_folder(folder), full
        write_run(solved(), folder)
        assert not list(folder.rglob("*.part"))
        assert load_result(folder).outcome == solved().outcome
    (folder / "manifest.json").unlink()
    assert is_run_folder(folder)
    shutil.rmtree(folder)
    assert not is_run_folder(folder)
