"""The process of a job: read the folder, compute the answer, write it, and finally record that the job has ended.

`python -m strategic_minerals.service.worker FOLDER` answers; with `page` behind it, it writes the report of a job that has ended,
with `read` it reads a large request, with `look` it looks at a job that is about to be accepted.
It ends with `NO_ROOM` where the disk is full: then nothing was answered, and the job may run again.
It ends with its parent process: its standard input is a pipe that closes then."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import FaultsError, FormulationError, InfeasibleError, StoppedError, UntrustedError
from ..core.logs import logger_of
from ..core.runner import LONGEST_S, Runner
from ..core.verb import checked
from ..verbs import VERBS, Verb
from .job_folder import (
    ADMISSION,
    ENDED_FILE,
    LIMITS,
    READ,
    REPORT,
    REQUEST,
    RESULT,
    ROWS,
    Folder,
    ProgressReporter,
    job_log,
)
from .reading import SEEN, form_of, look, members_of, new_facts, noted_rows, question, read_in, sized
from .records import no_room
from .requests import Problem, as_sent, problem, problem_of

if TYPE_CHECKING:
    import pandas as pd

    from ..answer.result import Result
    from ..answer.study import Study


@dataclass(frozen=True)
class Answer:
    headline: str
    summary: str
    facts: dict[str, Any]
    of_run: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables of the run folder that was written."""
    screen: str = ""
    """What of the summary comes first; empty where it is short."""
    study: Study | None = None
    """Written into `out`."""


MOST_HEADLINE = 300
"""Letters of a headline."""


def headline_of(words: str) -> str:
    """The first sentence of a study's words; a title that ends with a colon together with what is below it."""
    first, *rest = [line.strip().replace("`", "") for line in words.splitlines() if line.strip()] or [""]
    found = f"{first} {rest[0]}" if first.endswith(":") and rest else first
    return found if len(found) <= MOST_HEADLINE else f"{found[: MOST_HEADLINE - 4].rsplit(' ', 1)[0]} ..."


def answer_of_study(found: Study) -> Answer:
    """A study as a job's answer."""
    from ..core.frames import plainly

    words = found.summary()
    return Answer(headline_of(words), words, dict(plainly(found.facts)), study=found)


def run_of(folder: Folder, place: int = 0) -> Result:
    """A solved plan that a job builds on. Raises InputError for a folder without one."""
    from ..answer.result import Result
    from ..answer.run_folder import load_run

    return load_run(folder.before(place), Result)


# Answers of jobs: a verb called with what its folder holds, and the look at a question without solving it.
Given = Mapping[str, Any]
SHARE_OF_DEADLINE = 0.9
"""Share of the job's time limit for the work; the rest is for writing the answer."""


def answer_of(folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    """The answer of a job. Raises what its verb raises."""
    if request["kind"] == "check":
        return _check(folder, request)
    from ..answer.result import Result
    from ..answer.run_folder import write_run
    from ..answer.study import store_study
    from ..core.logs import kept

    verb = VERBS[request["kind"]]
    with runner_of(request, limits, reporter, folder).started():
        first = _first(verb, folder, request, limits)
        options = _options(verb, folder, request)
        run = {"run": runner_of(request, limits, reporter, folder)} if verb.long else {}
        name = getattr(first[0], "name", None) or getattr(getattr(first[0], "plan", None), "name", verb.name)
        with kept(str(name)) as log:
            found = verb.function(*first, **options, **run)
    if not verb.makes_plan:
        return answer_of_study(found)
    result = found if isinstance(found, Result) else found.result
    if result is None:
        return answer_of_study(found)
    reporter.phase("writing")
    write_run(result, folder.path / "run", log=log.text())
    if isinstance(found, Result):
        words = result.summary(full=True)
        if result.brief is not None:
            return Answer(
                result.brief.recommendation, words, result.facts, of_run=result.tables, screen=result.summary()
            )
        bound = " ".join(line.strip() for line in words.split("\n\n")[0].splitlines()[1:3])
        return Answer(bound, words, result.facts, of_run=result.tables)
    store_study(found, folder.path / "run" / "analyses" / found.kind)
    return replace(answer_of_study(found), of_run=result.tables)


def runner_of(request: Given, limits: Given, reporter: ProgressReporter, folder: Folder) -> Runner:
    """How a job runs: in this process, with what its time limits, which begin where the process does, leave for the work."""
    most_s = max(1.0, SHARE_OF_DEADLINE * float(limits.get("deadline_s", LONGEST_S)))
    asked_s = float(LONGEST_S if request.get("deadline_s") is None else request["deadline_s"])
    gone_s = time.monotonic() - float(limits.get("begin", time.monotonic()))
    return Runner(
        threads=int(limits.get("threads", 1)),
        deadline_s=max(0.0, min(asked_s, most_s) - gone_s),
        on_progress=reporter.report,
        store=folder.path / ROWS if VERBS[request["kind"]].resumes else None,
    )


def _first(verb: Verb, folder: Folder, request: Given, limits: Given) -> tuple[Any, ...]:
    """What a verb builds on. Raises PlanError and InputError."""
    from ..answer.study import Study
    from ..question.consistency import require

    if verb.of in ("plan", "homes"):
        plan, data = question(folder, request)
        if verb.checked:
            require(plan, data)
        sized(plan, data, int(limits.get("most_columns", 10**9)))
        return (plan, data) if verb.of == "plan" else members_of(folder, request)
    if verb.of == "run":
        return (run_of(folder),)
    if verb.of == "folder":
        return (folder.before(),)
    if verb.of == "rows":
        return (Study.load(folder.before() / "out"),)
    return ([folder.before(n) for n in range(len(request["of"]))], request.get("labels"))


def _options(verb: Verb, folder: Folder, request: Given) -> dict[str, Any]:
    """Options of a request as the function takes them. Raises InputError with every fault."""
    asked = {name: request[name] for name in verb.options if name in request}
    if verb.of == "rows":
        before = Folder(folder.before())
        about = before.read(REQUEST) or {}
        if VERBS[about["kind"]].asks:
            asked["plan"], asked["data"] = question(before, about)
        else:
            solved = run_of(before)
            asked["plan"], asked["data"] = solved.plan, solved.data
    if verb.name == "roll":
        asked["acts"], asked["news"] = noted_rows(request)
        if (facts := new_facts(folder)) is not None:
            asked["facts"] = facts
    return asked | checked(verb.function, asked, "body")


def _check(folder: Folder, request: Given) -> Answer:
    from ..answer.notes import doubtful, provenance
    from ..matrix.problem import columns_at_most
    from ..question.consistency import check_data

    facts: dict[str, Any] = {"faults": [], "notes": [], "facts": 0, "estimates": 0, "columns_at_most": 0}
    seen: dict[str, Any] = {}
    try:
        plan, data = question(folder, request)
        seen = form_of(plan, data)
        faults = [as_sent(fault, request.get("set")) for fault in check_data(plan, data)]
        if not faults:
            counted = provenance(plan, data)
            facts |= {
                "notes": doubtful(plan, data),
                "facts": counted.facts,
                "estimates": counted.estimates,
                "columns_at_most": columns_at_most(plan, data),
            }
    except FaultsError as error:
        faults = list(error.faults)
    text = f"{len(faults) or 'no'} fault{'s' * (len(faults) != 1)}"
    stated = [vars(fault) for fault in problem("invalid", "", faults).faults]
    return Answer(text, text, {**facts, SEEN: seen, "faults": stated})


def page(folder: Folder, request: Given) -> None:
    """Write the report of a job: its own run, or the first that it builds on with its tables beside."""
    from ..answer.study import Study
    from ..page.page import write_report

    own = VERBS[request["kind"]].makes_plan
    runs = (
        [folder.path / "run"] if own else [folder.before(n) for n in range(len(list(folder.before().parent.iterdir())))]
    )
    studies = [Study.load(out)] if (out := folder.path / "out").is_dir() else []
    write_report(runs, folder.path / REPORT, names=request.get("labels"), studies=studies)


LOG = logger_of("strategic_minerals.service.worker")  # also where it is run as `__main__`

NEAR_LIMIT = 0.85
"""Share of the memory allowed from which a failure is put down to it: a large array is refused while so much is still free."""
MIB = 1024 * 1024
NO_ROOM = 75
"""How the process ends where the disk is full (EX_TEMPFAIL: try again)."""


def answer(folder: Folder) -> None:
    """Answer the request in a folder, whatever comes of it. Raises OSError where the disk is full: that is no answer."""
    limits = folder.read(LIMITS) or {}
    with job_log(folder, **{name: str(limits.get(name, "")) for name in ("job", "tenant")}):
        _answer(folder, limits)


def _answer(folder: Folder, limits: Mapping[str, Any]) -> None:
    request = folder.read(REQUEST) or {}
    reporter = ProgressReporter(folder)
    reporter.phase("reading")
    try:
        found = answer_of(folder, request, limits, reporter)
        texts = {"kind": request["kind"], "headline": found.headline, "summary": found.summary, "screen": found.screen}
        folder.write(RESULT, {**texts, "facts": found.facts, "tables": _written(folder, found)})
        ended: dict[str, Any] = {"state": "succeeded", "headline": found.headline}
    except Exception as error:
        if any(no_room(one) for one in _chain(error)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        wrong = _failure(error)
        if wrong.type.endswith(":internal"):
            LOG.exception("the job met an error of the service's own")
        LOG.info("%s", wrong.detail or wrong.title)
        ended = {"state": "failed", "problem": wrong.model_dump()}
    LOG.info("ended: %s", ended["state"])
    folder.write(ENDED_FILE, ended)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _failure(error: Exception) -> Problem:
    """What went wrong, in the form of the API and without details of this machine."""
    if isinstance(error, FaultsError):
        return problem_of(error)
    if isinstance(error, InfeasibleError):
        return problem("infeasible", f"{error} A job of kind diagnose says which changes restore a plan.")
    if isinstance(error, StoppedError):
        kinds = {"out_of_memory": "out-of-memory", "time_limit": "deadline"}
        return problem(kinds.get(error.outcome.reason, "stopped"), str(error))
    if isinstance(error, MemoryError) or _out_of_room():
        return problem("out-of-memory", "The job needs more memory than it is allowed.")
    if isinstance(error, UntrustedError | FormulationError):
        return problem("untrusted", str(error))
    return problem(
        "internal",
        "The job failed because of an internal error; `log.jsonl` in the job's folder on the server has the details.",
    )


def _written(folder: Folder, found: Answer) -> dict[str, Any]:
    """Write the study; of every table name -> file, rows, kind of each column."""
    from ..answer.study import store_study
    from ..core.frames import kinds_of

    tables = {name: ("run/results", frame) for name, frame in found.of_run.items()}
    if found.study is not None:
        store_study(found.study, folder.path / "out")
        tables |= {name: ("out", frame.infer_objects()) for name, frame in found.study.tables.items()}
    return {
        name: {"file": f"{place}/{name}.csv", "rows": len(frame), "kinds": kinds_of(frame)}
        for name, (place, frame) in tables.items()
    }


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
    """End when standard input ends: the parent process is gone."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(0, 1):
            pass
    os._exit(1)


def _looked(folder: Folder) -> dict[str, Any]:
    """The problem that a job would fail with, where it is quickly seen; else nothing."""
    try:
        look(folder, folder.read(REQUEST) or {}, int((folder.read(LIMITS) or {}).get("most_columns", 10**9)))
    except FaultsError as error:
        return {"problem": problem_of(error).model_dump()}
    return {}


def _work(folder: Folder, arguments: list[str]) -> None:
    if arguments == ["page"]:
        page(folder, folder.read(REQUEST) or {})
    elif arguments == ["look"]:
        folder.write(ADMISSION, _looked(folder))
    elif arguments == ["read"]:
        folder.write(READ, {"found": read_in(folder, folder.read(READ) or {})})
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
