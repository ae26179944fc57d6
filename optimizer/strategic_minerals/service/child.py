"""What a job's process does: read the folder, answer, write the answer down, last of all that it has ended.

`python -m strategic_minerals.service.child FOLDER` answers; with `page` behind it, it writes the report of a job that has ended,
with `read` it reads a large request, with `canary` it has the solver answer its test programs.
It ends with `NO_ROOM` where the disk is full: then nothing was answered, and the job may run again.
It dies with whoever started it: its standard input is a pipe that closes then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FaultsError, FormulationError, InfeasibleError, PlanError, StoppedError, UntrustedError
from .files import ENDED, LIMITS, LOG, PROGRESS, REPORT, REQUEST, RESULT, Folder, write_whole
from .problems import Problem, problem
from .trouble import no_room

if TYPE_CHECKING:
    import pandas as pd

    from ..dataset import Dataset
    from ..plan import Plan
    from ..result import Result
    from ..solver import Progress

PACE_S = 0.3
"""Seconds between two words on progress."""
LONGEST_DIAGNOSIS_S = 120.0
SHARE_OF_DEADLINE = 0.9
"""Of the job's wall clock that the solver gets: what is left writes the best plan down."""
NEAR_LIMIT = 0.85
"""Share of the memory allowed from which a failure is put down to it: a large array is refused while so much is still free."""
MIB = 1024 * 1024
NO_ROOM = 75
"""How the process ends where the disk is full (EX_TEMPFAIL: try again)."""


@dataclass(frozen=True)
class Answer:
    """What a job found."""

    headline: str
    summary: str
    facts: dict[str, Any]
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Written below `out`; empty where a run folder holds the tables."""
    of_run: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables of the run folder that was written."""


class Teller:
    """Writes down how far a job is, now and then, and keeps its log."""

    def __init__(self, folder: Folder, limit_s: float | None) -> None:
        self._folder, self._limit = folder, limit_s
        self._begin, self._last, self._said = time.monotonic(), 0.0, ""
        self._first: tuple[int, float] | None = None

    def solving(self, found: Progress) -> None:
        """Of one solve."""
        seconds = time.monotonic() - self._begin
        left = None if self._limit is None else max(0.0, self._limit - seconds)
        self._write({"phase": found.phase.replace("_", " "), "seconds": seconds, "incumbent_musd": _finite(found.incumbent),
                     "bound_musd": _finite(found.bound), "gap": _finite(found.gap), "time_left_s": left})  # fmt: skip

    def counting(self, done: int, of: int) -> None:
        """Of many parts."""
        seconds = time.monotonic() - self._begin
        self._first = (done, seconds) if self._first is None else self._first
        pace = (seconds - self._first[1]) / (done - self._first[0]) if done > self._first[0] else None
        self._write({"phase": "counting", "seconds": seconds, "done": done, "of": of,
                     "time_left_s": None if pace is None else pace * (of - done)})  # fmt: skip

    def phase(self, name: str) -> None:
        """A part without figures of its own."""
        self._write({"phase": name, "seconds": time.monotonic() - self._begin}, at_once=True)

    def log(self, line: str) -> None:
        """A line of the job's log."""
        with contextlib.suppress(OSError), (self._folder.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")

    def _write(self, progress: dict[str, Any], *, at_once: bool = False) -> None:
        if progress["phase"] != self._said:
            self._said = progress["phase"]
            self.log(self._said)
        now = time.monotonic()
        if at_once or now - self._last >= PACE_S:
            self._last = now
            with contextlib.suppress(OSError):  # a full disk must not end a solve; the answer will say so
                self._folder.write(PROGRESS, progress)


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < 1e300 else None


def answer(folder: Folder) -> None:
    """Answer the request in a folder, whatever comes of it. Raises OSError where the disk is full: that is no answer."""
    request, limits = folder.read(REQUEST) or {}, folder.read(LIMITS) or {}
    teller = Teller(folder, request.get("time_limit_s"))
    teller.phase("reading")
    try:
        found = ANSWERS[request["kind"]](folder, request, limits, teller)
        stated = _written(folder, found)
        folder.write(RESULT, {"kind": request["kind"], "headline": found.headline, "summary": found.summary, "facts": found.facts,
                              "tables": stated})  # fmt: skip
        ended: dict[str, Any] = {"state": "succeeded", "headline": found.headline}
    except Exception as error:
        if any(no_room(one) for one in _chain(error)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        told = _failure(error, folder, request, teller)
        if told.type.endswith(":internal"):
            traceback.print_exc()
        teller.log(told.detail or told.title)
        ended = {"state": "failed", "problem": told.model_dump()}
    teller.log(f"ended: {ended['state']}")
    folder.write(ENDED, ended)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _failure(error: Exception, folder: Folder, request: Mapping[str, Any], teller: Teller) -> Problem:
    """What went wrong, as callers are told: nothing of this machine."""
    if isinstance(error, FaultsError):
        return problem("invalid", "", error.faults)
    if isinstance(error, InfeasibleError):
        return problem("infeasible", str(error), diagnosis=_diagnosed(folder, request, teller))
    if isinstance(error, StoppedError):
        return problem("out-of-memory" if error.outcome.reason == "out_of_memory" else "stopped", str(error))
    if isinstance(error, MemoryError) or _out_of_room():
        return problem("out-of-memory", "More memory was needed than a job may have.")
    if isinstance(error, UntrustedError | FormulationError):
        return problem("untrusted", str(error))
    return problem("internal", "The job met an error of the service's own; the server's files tell which.")


def _diagnosed(folder: Folder, request: Mapping[str, Any], teller: Teller) -> dict[str, Any] | None:
    from ..diagnosis import diagnose
    from ..errors import ReserveError

    teller.phase("no plan meets the demands: looking for what would help")
    try:
        plan, data = question(folder, request)
        return diagnose(plan, data, relax=request.get("relax", False), time_limit_s=LONGEST_DIAGNOSIS_S).to_dict()
    except ReserveError:
        return None


def _written(folder: Folder, found: Answer) -> dict[str, Any]:
    """Write tables; name -> file, rows, kind of each column."""
    from ..dataset import csv_text
    from ..frames import kinds_of, whole

    for name, frame in found.frames.items():
        (folder.path / "out").mkdir(exist_ok=True)
        write_whole(folder.path / "out" / f"{name}.csv", csv_text(whole(frame)).encode())
    places = {**dict.fromkeys(found.of_run, "run/results"), **dict.fromkeys(found.frames, "out")}
    return {
        name: {"file": f"{places[name]}/{name}.csv", "rows": len(frame), "kinds": kinds_of(frame)}
        for name, frame in {**found.of_run, **found.frames}.items()
    }


def question(folder: Folder, request: Mapping[str, Any]) -> tuple[Plan, Dataset]:
    """Plan and tables of a request."""
    from ..dataset import load_dataset
    from ..library import shipped
    from ..question import dataset_of, load_question

    uploads = [path for path in map(folder.path.joinpath, ("plan.toml", "plan.json", "plan.xlsx")) if path.is_file()]
    path = uploads[0] if uploads else shipped("models") / f"{request['shipped']}.toml"
    own = folder.path / "tables"
    tables = own if own.is_dir() else None if path.suffix == ".xlsx" else shipped("inputs")
    plan, data = load_question(path, tables, request.get("set"))
    base = load_dataset(shipped("inputs")) if request.get("on_top_of_shipped") else None
    if (stated := folder.read("tables.json")) is not None:
        data = dataset_of(stated, base)
    elif own.is_dir() and base is not None:
        data = type(data)({**base.tables, **data.tables})
    return plan, data


def _sized(plan: Plan, data: Dataset, limits: Mapping[str, Any]) -> None:
    """Refuse what is too large, before anything is built. Raises PlanError."""
    from ..checks import require
    from ..errors import Fault
    from ..problem import columns_at_most

    require(plan, data)
    most, found = int(limits.get("most_columns", 10**9)), columns_at_most(plan, data)
    if found > most:
        worlds = len(plan.scenarios) + (0 if plan.sample is None else plan.sample.worlds)
        said = f"about {found:,} columns ({worlds:,} worlds, {len(plan.materials)} entries of materials)"
        raise PlanError([Fault("plan", "", "sample.worlds", said, f"at most {most:,} columns")])


def _solve(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], teller: Teller) -> Answer:
    from ..result import solve
    from ..runfolder import write_run

    plan, data = question(folder, request)
    _sized(plan, data, limits)
    asked = {name: request[name] for name in ("gap", "time_limit_s", "relax", "method") if name in request}
    asked["time_limit_s"] = min(asked["time_limit_s"], SHARE_OF_DEADLINE * float(limits.get("deadline_s", 1e9)))
    result = solve(plan, data, threads=int(limits.get("threads", 1)), on_progress=teller.solving, **asked)
    teller.phase("writing")
    write_run(result, folder.path / "run")
    return Answer(_headline(result), result.summary(), _facts(result), of_run=result.tables)


def _headline(result: Result) -> str:
    lines = result.summary().split("\n\n")[0].splitlines()
    return " ".join(line.strip() for line in lines[1:3])


def _facts(result: Result) -> dict[str, Any]:
    from ..frames import plainly

    told = {"outcome": asdict(result.outcome), "audit_passed": result.audited.passed, "counts": dict(result.counts),
            "options": dict(result.options), "versions": dict(result.versions)}  # fmt: skip
    return dict(plainly(told))


def _of(folder: Folder, place: int = 0) -> Result:
    from ..runfolder import load_result

    return load_result(folder.path / "of" / str(place))


def _sweep(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], teller: Teller) -> Answer:
    from ..frames import plainly
    from ..plan_file import parse_as
    from ..sweep_file import SweepFile, in_words
    from ..sweeps import sweep

    plan, data = question(folder, request)
    _sized(plan, data, limits)
    asked = parse_as(SweepFile, request["study"], file="study")
    design = asked.design(plan, data)
    found = sweep(
        plan, data, design.points, gap=asked.gap, relax=asked.relax, method=asked.method, time_limit_s=asked.time_limit_s,
        store=folder.path / "rows", on_progress=teller.counting,
    )  # fmt: skip
    frames = {"points": found.points, "decisions": found.decisions, "chosen": found.chosen()}
    facts: dict[str, Any] = {"failed_share": found.failed, "checked": found.checked, "disagreed": found.disagreed}
    if design.kind in ("one_at_a_time", "morris", "sobol"):
        from ..designs import indices, left_out

        frames["indices"] = indices(design, found.points)
        facts["left_out_share"] = left_out(design, found.points, "objective_musd")
    words = in_words(design, found)
    return Answer(words.splitlines()[0], words, dict(plainly(facts)), frames)


def _stress(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], teller: Teller) -> Answer:
    from ..errors import Fault
    from ..stress import refused, stress_test

    result = _of(folder)
    if reason := refused(result.plan):
        raise PlanError([Fault("of", "", "plan", result.plan.name, reason)])
    asked = {name: request[name] for name in ("scenarios", "seed", "myopic")}
    found = stress_test(result, on_progress=teller.counting, **asked)
    words = found.summary()
    frames = {"figures": found.figures, "materials": found.materials, "worst": found.worst, "worlds": found.worlds}
    return Answer(words.splitlines()[0], words, {"seed": found.seed, "confidence": found.confidence}, frames)


def _explain(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], teller: Teller) -> Answer:
    from ..reasons import explain

    asked = {name: request[name] for name in ("item", "gap", "time_limit_s")}
    found = explain(_of(folder), on_progress=teller.counting, **asked)
    words = found.summary()
    frames = {"prices": found.prices, "reasons": found.reasons, "break_evens": found.break_evens, "intervals": found.intervals}
    kept = {name: frame for name, frame in frames.items() if len(frame)}
    return Answer(words.splitlines()[0], words, {"gap": found.gap, "aim": found.aim}, kept)


def _compare(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], teller: Teller) -> Answer:
    from ..report.compared import compare

    found = compare([_of(folder, n) for n in range(len(request["of"]))], request["names"])
    lines = found.lines()
    frames = {"inputs": found.inputs, "outcome": found.outcome.astype(object), "plan": found.plan.astype(object)}
    return Answer(lines[0], "\n".join(lines), {"names": list(found.names)}, frames)


def _check(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], teller: Teller) -> Answer:
    from ..checks import check_data
    from ..problem import columns_at_most
    from ..review import doubtful, provenance

    facts: dict[str, Any] = {"faults": [], "notes": [], "facts": 0, "estimates": 0, "columns_at_most": 0}
    try:
        plan, data = question(folder, request)
        faults = check_data(plan, data)
        if not faults:
            counted = provenance(plan, data)
            facts |= {"notes": doubtful(plan, data), "facts": counted.facts, "estimates": counted.estimates,
                      "columns_at_most": columns_at_most(plan, data)}  # fmt: skip
    except FaultsError as error:
        faults = list(error.faults)
    told = f"{len(faults)} faults" if faults else "no fault"
    return Answer(told, told, {**facts, "faults": [vars(fault) for fault in problem("invalid", "", faults).faults]})


ANSWERS: dict[str, Callable[[Folder, Mapping[str, Any], Mapping[str, Any], Teller], Answer]] = {
    "solve": _solve, "sweep": _sweep, "stress": _stress, "explain": _explain, "compare": _compare, "check": _check,
}  # fmt: skip


def page(folder: Folder) -> None:
    """Write the report of a job: its own run, or the first that it builds on with its tables beside."""
    from ..report.page import report
    from ..runfolder import load_result

    request = folder.read(REQUEST) or {}
    if request["kind"] == "solve":
        text = report(load_result(folder.path / "run"))
    else:
        results = [_of(folder, n) for n in range(len(list((folder.path / "of").iterdir())))]
        text = report(results, names=request.get("names"), analyses=_analyses(folder, request["kind"]))
    write_whole(folder.path / REPORT, text.encode())


def _analyses(folder: Folder, kind: str) -> dict[str, pd.DataFrame]:
    from ..runfolder import read_table

    names = (folder.read(RESULT) or {}).get("tables", {})
    found = {name: folder.table(name) for name in names}
    return {f"{kind}/{name}": read_table(*place) for name, place in found.items() if place is not None}


def _limit(limits: Mapping[str, Any]) -> None:
    """Take no more memory, and no more of the machine's time, than allowed; where the system can tell a process so."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(int(limits.get("niceness", 0)))
    try:
        import resource
    except ImportError:  # Windows
        return
    most = int(limits.get("memory_mib", 0)) * MIB
    if most:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _out_of_room() -> bool:
    """Whether this process came near its limit: a solver that is refused memory fails in many ways and does not say why."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except (ImportError, OSError):  # no such limit, or a system that does not tell
        return False
    peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmPeak:")), 0)
    return most != resource.RLIM_INFINITY and peak * 1024 > NEAR_LIMIT * most


def _die_with_parent() -> None:
    """End where standard input does: whoever started this process is gone."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(0, 1):
            pass
    os._exit(1)


def _work(folder: Folder, arguments: list[str]) -> None:
    if arguments == ["canary"]:
        from ..highs import canary

        canary()
    elif arguments == ["page"]:
        page(folder)
    elif arguments == ["read"]:
        from .reading import read_in

        read_in(folder)
    else:
        answer(folder)


def main(arguments: list[str]) -> None:
    """Entry point of the process."""
    folder = Folder(Path(arguments[0]))
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _limit(folder.read(LIMITS) or {})
    try:
        _work(folder, arguments[1:])
    except OSError as error:
        if not no_room(error):
            raise
        os._exit(NO_ROOM)
    sys.stdout.flush()
    os._exit(0)  # nothing of value is left to do, and libraries' destructors have crashed before


if __name__ == "__main__":
    main(sys.argv[1:])
