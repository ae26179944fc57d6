"""What is told of the work: by the library only to who listens, on the command line as asked, in run folders, by the service."""

import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import python
from strategic_minerals import Runner, solve
from strategic_minerals.core.logs import PACKAGE, about, kept, listening, logger_of
from strategic_minerals.question.read_csv import write_dataset
from strategic_minerals.service import job_folder
from strategic_minerals.service.job_folder import LOG_FILE, RECORDS, Folder, JsonLines, job_log
from strategic_minerals.service.worker import answer
from support.instances import random_case
from support.served import QUICK

LINE = re.compile(r" *\d+\.\d{3} s  \S.*")
"""Of a run's log: seconds since it began, then what was done."""


class Heard(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def said(self, level: int = logging.DEBUG) -> str:
        return "\n".join(record.getMessage() for record in self.records if record.levelno >= level)


def solved(seed: int = 1, on_progress: Any = None, **asked: Any) -> Any:
    run = Runner(threads=1, on_progress=on_progress)
    return solve(*random_case(seed), gap=0.0, **asked, quick=True, run=run)


def written(folder: Path, plan: Any, data: Any) -> Path:
    """A plan file with its tables beside."""
    (folder / "plan.json").write_text(json.dumps(plan.to_toml_like()), encoding="utf-8")
    write_dataset(data, folder / "tables")
    return folder / "plan.json"


@pytest.mark.long
def test_a_process_that_asks_for_nothing_is_told_nothing() -> None:
    """Proves: without a handler neither stream has a word, not even of what would be a warning; the root logger is left alone."""
    code = (
        "import logging\nfrom support.instances import random_case\nfrom strategic_minerals import solve\n"
        "solve(*random_case(1), gap=0.0)\nfrom strategic_minerals.core.logs import logger_of\n"
        "logger_of('strategic_minerals.solver').warning('unheard')\n"
        "assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING\n"
        "assert [type(one) for one in logging.getLogger('strategic_minerals').handlers] == [logging.NullHandler]\n"
        "assert logging.getLogger('strategic_minerals').level == logging.NOTSET"
    )
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_solves_at_once_are_told_apart_and_each_keeps_its_own_log() -> None:
    """Proves: of solves in threads every record has the run that it is of, with the plan's name, and each log that is kept is one
    whole story, in lines that begin with the seconds since it was begun; whoever listens at INFO hears nothing below."""

    def story(seed: int) -> tuple[str, str]:
        plan, data = random_case(seed)
        with kept(plan.name) as log:
            solve(plan, data, gap=0.0, quick=True, run=Runner(threads=1))
        return plan.name, log.text()

    handler = Heard()
    with listening(handler, logging.INFO), ThreadPoolExecutor(4) as pool:
        stories = list(pool.map(story, [1, 2, 5, 1]))
    for name, told in stories:
        lines = told.splitlines()
        assert all(LINE.fullmatch(line) for line in lines)
        assert [line.split("s  ")[1].split(":")[0] for line in lines if "  plan " in line] == [f"plan {name}"]
        assert told.count("audit: passed") == 1
        seconds = [float(line.split(" s  ")[0]) for line in lines]
        assert seconds == sorted(seconds)
        assert re.search(r"after \d+\.\d{3} s: objective", lines[-1])
    runs = {record.run for record in handler.records}
    assert sorted(run.rsplit("-", 1)[0] for run in runs) == sorted(name for name, _ in stories)
    for run in runs:
        own = [record.getMessage() for record in handler.records if record.run == run]
        assert run.startswith(own[0].removeprefix("plan ").partition(":")[0] + "-")
        assert sum(line.startswith("audit: passed") for line in own) == 1
    assert all(record.levelno >= logging.INFO for record in handler.records)
    assert logging.getLogger(PACKAGE).level == logging.NOTSET
    assert len(logging.getLogger(PACKAGE).handlers) == 1


def test_a_record_of_the_service_is_one_object_on_one_line() -> None:
    """Proves: time in UTC, level, logger and message are always there, job and tenant where they are known; line ends, quotes and
    a traceback stay within the line."""
    handler, log = Heard(), logger_of(f"{PACKAGE}.service.tried")
    with listening(handler, logging.INFO):
        log.warning('two\nlines, "%s"\u2028', "quoted")
        with about(job="0123", tenant="office"):
            try:
                raise ValueError("why")
            except ValueError:
                log.exception("it failed")
    plain, failed = (JsonLines().format(record) for record in handler.records)
    assert len((plain + failed).splitlines()) == 1
    told = json.loads(plain)
    assert list(told) == ["time", "level", "logger", "message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"])
    assert told["message"] == 'two\nlines, "quoted"\u2028'
    assert (told["level"], told["logger"]) == ("WARNING", f"{PACKAGE}.service.tried")
    told = json.loads(failed)
    assert (told["job"], told["tenant"]) == ("0123", "office")
    assert told["error"].endswith("ValueError: why")


def test_a_job_logs_to_its_owner_and_to_whoever_runs_the_service(tmp_path: Path) -> None:
    """Proves: the job's folder has every record as JSON with job, tenant and run, its owner's log the phases alone, and the run
    folder the log of the solve; none of them names a place on this machine."""
    folder = Folder(tmp_path / "job")
    folder.path.mkdir()
    folder.write("request.json", {**QUICK, "deadline_s": 600.0})
    folder.write("limits.json", {"threads": 1, "job": "0123", "tenant": "office"})
    answer(folder)
    records, owners, run = (
        (folder.path / name).read_text(encoding="utf-8") for name in (RECORDS, LOG_FILE, "run/log.txt")
    )
    lines = [json.loads(line) for line in records.splitlines()]
    assert {(line.get("job"), line.get("tenant")) for line in lines} == {("0123", "office")}, lines
    assert {line["logger"] for line in lines} >= {
        f"{PACKAGE}.{name}" for name in ("service.worker", "service.job_folder", "answer.solving", "core.stats")
    }
    runs = {line["run"].rsplit("-", 1)[0] for line in lines if line["logger"].startswith(f"{PACKAGE}.answer")}
    assert runs == {"quickstart"}
    assert owners.splitlines()[-1].endswith(" ended: succeeded")
    assert "compile" not in owners
    assert all(LINE.fullmatch(line) for line in (owners + run).splitlines())
    assert "audit: passed" in run
    assert str(tmp_path) not in records + owners + run
    assert logging.getLogger(PACKAGE).level == logging.NOTSET


def test_the_log_of_a_job_is_bounded_and_ends_no_job_on_a_full_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: a study of many points fills no disk, and a disk that takes nothing costs records, no more."""
    monkeypatch.setattr(job_folder, "MOST_LOG_BYTES", 1000)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    for folder in (Folder(tmp_path), Folder(tmp_path / "nowhere")):
        with job_log(folder, job="0123", tenant="office"):
            for _ in range(100):
                logger_of(f"{PACKAGE}.service.worker").info("a record")
    assert 0 < sum(file.stat().st_size for file in tmp_path.glob(f"{RECORDS}*")) <= 2000
    assert capsys.readouterr() == ("", "")
