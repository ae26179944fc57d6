"""Who writes, writes alone and whole: two writers of one run folder, killed ones, full disks under reports and workbooks."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import Cli, environment
from strategic_minerals import InputError, Result, solve
from strategic_minerals.answer import run_folder as runfolder
from strategic_minerals.answer.run_folder import is_run_folder
from strategic_minerals.answer.study import Study, store_study
from strategic_minerals.core.files import LOCK, one_writer, whole_file, write_whole
from strategic_minerals.question.read_csv import write_dataset
from strategic_minerals.question.workbook import write_workbook
from support.one_mineral import one_mineral


@cache
def solved(money: float = 110.0) -> Result:
    return solve(*one_mineral(money), gap=0.0, quick=True)


HOLDER = """
import sys, time
from pathlib import Path
from strategic_minerals.core.files import one_writer
with one_writer(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_second_writer_is_refused_after_a_while_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    """Proves R46: as long as a process holds the folder another is refused with a sentence and touches nothing; once that process
    is killed with -9 the next one writes, and no lock stays; one that stays where nobody writes again is not taken for a file."""
    folder = solved().save(tmp_path / "run")
    command = [sys.executable, "-c", HOLDER, str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    assert child.stdout.readline().strip() == "ready"
    with pytest.raises(InputError, match="another process that is writing to it"), one_writer(folder, wait_s=0.2):
        pytest.fail("two writers")
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert (folder / LOCK).exists()
    assert Result.load(folder).outcome == solved().outcome
    solved(70.0).save(folder)
    assert Result.load(folder).outcome == solved(70.0).outcome
    assert not (folder / LOCK).exists()


def test_a_lock_that_is_taken_away_lets_one_in_at_a_time(tmp_path: Path) -> None:
    """Proves R46: threads that wait for a folder while its lock file comes and goes are never inside together."""
    inside, left = threading.Lock(), threading.Lock()
    met: list[bool] = []

    def work(_: int) -> None:
        for _ in range(25):
            with one_writer(tmp_path / "run"):
                alone = inside.acquire(blocking=False)
                with left:
                    met.append(alone)
                if alone:
                    inside.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert met == [True] * 100


def test_a_reader_does_not_get_half_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R46: a run written anew after its hashes were looked at and before its tables are read is refused."""
    folder, real = solved().save(tmp_path / "run"), runfolder.read_decisions

    def late(path: Path) -> Any:
        found = real(path)
        solved(70.0).save(folder)
        return found

    monkeypatch.setattr(runfolder, "read_decisions", late)
    with pytest.raises(InputError, match="written anew while it was read"):
        Result.load(folder)


def test_a_folder_with_other_files_is_not_written_into(tmp_path: Path, cli: Cli) -> None:
    """Proves: a file that is none of a run is named, and neither it nor the run that is there is touched; the command asks before
    it solves. A report is not written into the folder of a run, which would then hold a file too many."""
    folder = solved().save(tmp_path / "run")
    assert cli("report", folder, "-o", folder / "report.html").returncode == 2
    (folder / "thesis.doc").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"thesis\.doc"):
        solved(70.0).save(folder)
    said = cli("solve", "quickstart", "--out", folder)
    assert (said.returncode, "thesis.doc" in said.stderr) == (2, True)
    (folder / "thesis.doc").unlink()
    assert Result.load(folder).outcome == solved().outcome


STUDY = Study("some", {"a": pd.DataFrame({"x": [1]}), "b": pd.DataFrame({"y": [2]})})
WRITERS: dict[str, Callable[[Path], Any]] = {
    "plan": lambda folder: write_workbook(solved().plan, solved().data, folder / "plan.xlsx"),
    "study": lambda folder: store_study(STUDY, folder),
    "page": lambda folder: write_whole(folder / "report.html", ["<p>", "new"]),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_leaves_the_old_files_as_they_were(kind: str, tmp_path: Path) -> None:
    """Proves R55: a report, a workbook, figures, tables: where the last of them cannot be written, all the old ones stand as they
    were, and nothing lies beside them."""
    real, write, count = os.fsync, WRITERS[kind], [0]

    def counted(handle: int) -> None:
        count[0] += 1
        if count[0] == full_at:
            raise OSError(28, "No space left on device")
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", counted)
        full_at = 0
        write(tmp_path)
        written = sorted(path.name for path in tmp_path.iterdir())
        assert count[0] == len(written)
        for name in written:
            (tmp_path / name).write_text(f"old {name}", encoding="utf-8")
        (tmp_path / written[0]).chmod(0o640)
        full_at = 2 * count[0]
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == written
    assert all((tmp_path / name).read_text(encoding="utf-8") == f"old {name}" for name in written)
    write(tmp_path)
    assert not any((tmp_path / name).read_bytes().startswith(b"old ") for name in written)
    assert (tmp_path / written[0]).stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_broken_off_is_not_there(tmp_path: Path) -> None:
    """Proves R55: an interrupt in the middle leaves the old file and no other; a link stays a link, a device a device."""
    path, link = tmp_path / "page.html", tmp_path / "link.html"
    path.write_text("old", encoding="utf-8")

    def half() -> None:
        with whole_file(path) as file:
            file.write(b"ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text(encoding="utf-8") == "old"
    link.symlink_to(path)
    write_whole(link, ["new"])
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == "new"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["link.html", "page.html"]
    write_whole(Path(os.devnull), ["nothing"])
    assert not Path(os.devnull).is_file()


def test_a_plan_beside_tables_is_a_planners_folder_and_no_run(tmp_path: Path) -> None:
    """Proves: a folder with a `plan.json`, its tables, notes and results of one's own may hold runs; it is not written over."""
    write_dataset(solved().data, tmp_path / "tables")
    text = json.dumps(solved().plan.to_toml_like())
    (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    (tmp_path / "log.txt").write_text("what I did\n", encoding="utf-8")
    assert not is_run_folder(tmp_path)
    assert Result.load(solved().save(tmp_path / "results" / "first")).plan == solved().plan
    with pytest.raises(InputError, match="a run folder with its own files alone"):
        solved().save(tmp_path)
    assert (tmp_path / "plan.json").read_text(encoding="utf-8") == text
