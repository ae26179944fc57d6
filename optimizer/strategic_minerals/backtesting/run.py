"""The verb: gate, plan, fix, score. Plans and scores are made by processes of their own, which are told paths and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError
from ..core.logs import logger_of
from ..data.csv_files import csv_text
from .acts import Answer, budget_quarters, state_of
from .facts import Known, read_known
from .gate import write_gated
from .journal import LOG, digest, fix
from .planner import canonical
from .result import Backtest
from .scorer import INDEX, SCORES, SETTINGS
from .settings import Run, Settings, load_settings
from .timeline import ONE_DAY, quarter_of

LOGGER = logger_of(__name__)
PLANS, TABLES = "plans", "tables"
MODULE = "strategic_minerals.backtesting"

OnDone = Callable[[int, int], Any]
Ask = Callable[[Path, Path, Path, Path], None]


def backtest(
    folder: str | Path,
    *,
    out: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    workers: int = 1,
    on_progress: OnDone | None = None,
) -> Backtest:
    """Play a past episode: plans made with what was known on each day, then scored against what happened.

    folder: the files of the episode, and `backtest.toml` where its settings are stated. out: where settings, plans, log, scores and
    tables are kept; a second run into the same folder is labelled as one after looking; None: nowhere. changes: settings stated
    otherwise, by field. workers: plans that are made at once, each in a process of its own. on_progress: called with plans done,
    and in all.

    Raises InputError with every fault of the files.
    """
    source = Path(folder)
    settings, whence = load_settings(source, changes)
    with ExitStack() as stack:
        kept = Path(stack.enter_context(tempfile.TemporaryDirectory())) if out is None else Path(out)
        _require_own(kept)
        kept.mkdir(parents=True, exist_ok=True)
        for stale in (PLANS, TABLES):
            shutil.rmtree(kept / stale, ignore_errors=True)
        (kept / PLANS).mkdir()
        _write(kept, SETTINGS, canonical(settings.model_dump(mode="json")), "settings", {"from": whence})
        index = _plans(source, kept, settings, workers, on_progress)
        for line in index:
            content = (kept / line["file"]).read_bytes()
            fix(kept, "plan", {**line, "sha256": digest(content)})
        _write(kept, INDEX, canonical(index), "plans", {})
        _process("scorer", source.resolve(), kept.resolve())
        found = json.loads((kept / SCORES).read_text(encoding="utf-8"))
        answer = Backtest.of(
            settings.model_dump(mode="json"), whence, found, index, (kept / LOG).read_text(encoding="utf-8")
        )
        (kept / TABLES).mkdir()
        for name, table in answer.tables.items():
            write_whole(kept / TABLES / f"{name}.csv", [csv_text(table)])
    return answer


def _require_own(out: Path) -> None:
    """Raise InputError where a folder holds something else than an earlier backtest."""
    if out.exists() and not out.is_dir():
        raise InputError([Fault(str(out), "", "--out", "a file", "a folder, or a new name")])
    if out.is_dir() and any(out.iterdir()) and not (out / LOG).is_file():
        expected = "a new or an empty folder, or one with an earlier backtest"
        raise InputError([Fault(str(out), "", "--out", "a folder with other files in it", expected)])


def _write(kept: Path, name: str, text: str, what: str, more: Mapping[str, Any]) -> None:
    write_whole(kept / name, [text])
    fix(kept, what, {"file": name, "sha256": digest(text.encode()), **more})


def _plans(
    folder: Path, kept: Path, settings: Settings, workers: int, on_progress: OnDone | None
) -> list[dict[str, Any]]:
    """Every plan of every run and budget; equal questions are asked once. One line each: run, budget, day, file."""
    asked = [(run, budget) for run in settings.runs for budget in settings.budgets_musd]
    total = sum(len(_days(settings, run)) for run, _ in asked)
    done: list[int] = []

    def told() -> None:
        done.append(1)
        if on_progress is not None:
            on_progress(len(done), total)

    with tempfile.TemporaryDirectory() as scratch:
        desk = Desk(folder, Path(scratch), settings)
        with ThreadPoolExecutor(max(1, workers)) as pool:
            courses = list(pool.map(lambda one: desk.course(one[0], one[1], told), asked))
    index = []
    for n, ((run, budget), course) in enumerate(zip(asked, courses, strict=True)):
        for day, text in course:
            name = f"{PLANS}/{n:03d}-{day.isoformat()}.json"
            write_whole(kept / name, [text])
            index.append({"run": run.name, "budget_musd": budget, "day": day.isoformat(), "file": name})
    return index


def _days(settings: Settings, run: Run) -> list[dt.date]:
    """Days of a run's plans on which a quarter is left to buy in."""
    last = budget_quarters(settings)[-1]
    return [day for day in settings.plan_days(run) if quarter_of(day + ONE_DAY) <= last]


class Desk:
    """Where plans are asked for: gated folders by run and day, answers by question."""

    def __init__(self, folder: Path, scratch: Path, settings: Settings, ask: Ask | None = None) -> None:
        """ask: makes a plan from the paths of a gated folder, a state and settings, at a fourth; None: the planner's process."""
        self._scratch, self._settings, self._ask = scratch, settings, ask or _planner
        self._gated: dict[tuple[str, dt.date], tuple[Path, Known]] = {}
        self._answers: dict[str, str] = {}
        self._settings_file = scratch / SETTINGS
        self._settings_file.write_text(canonical(settings.for_planner()), encoding="utf-8")
        for run in settings.runs:
            for n, day in enumerate(_days(settings, run)):
                path = scratch / f"gated-{len(self._gated)}"
                write_gated(folder, path, day, run, replan=n > 0)
                self._gated[run.name, day] = path, read_known(path, settings, day)

    def course(self, run: Run, budget_musd: float, told: Callable[[], None]) -> list[tuple[dt.date, str]]:
        """The plans of a run at a budget, one after the other, each with the state that the ones before left on the books."""
        answers: list[Answer] = []
        found = []
        for day in _days(self._settings, run):
            gated, known = self._gated[run.name, day]
            state = canonical(state_of(answers, known, day, self._settings, budget_musd).to_dict())
            text = self._asked(gated, state)
            answers.append(Answer(day, json.loads(text)))
            found.append((day, text))
            told()
        return found

    def _asked(self, gated: Path, state: str) -> str:
        """The planner's answer to a question; one that was asked before has its answer."""
        key = digest(b"\0".join([*(f.read_bytes() for f in sorted(gated.iterdir())), state.encode()]))
        if key not in self._answers:
            with tempfile.TemporaryDirectory(dir=self._scratch) as place:
                question, answer = Path(place) / "state.json", Path(place) / "plan.json"
                question.write_text(state, encoding="utf-8")
                self._ask(gated, question, self._settings_file, answer)
                self._answers[key] = answer.read_text(encoding="utf-8")
        return self._answers[key]


def _planner(*paths: Path) -> None:
    _process("planner", *paths)


def _process(module: str, *paths: Path) -> None:
    """Run a module of this room in a process of its own. Raises InputError with what it says where it fails."""
    package = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(package), *([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])])
    command: Sequence[str] = [sys.executable, "-m", f"{MODULE}.{module}", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise InputError([Fault(f"backtest {module}", "", "", said[-1], "a process that ends well")])
    LOGGER.info("backtest: %s has ended", module)
