"""Answers of each kind of job: text, figures and tables from the question in the job's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.errors import FaultsError
from .addresses import as_sent
from .job_folder import REPORT, RESULT, Folder, write_whole
from .problem_details import problem
from .progress import ProgressReporter
from .questions import question, sized, testable

if TYPE_CHECKING:
    import pandas as pd

    from ..results.result import Result
    from ..results.study import Study

SHARE_OF_DEADLINE = 0.9
"""Share of the job's time limit for the solver; the rest is for writing the best plan."""


@dataclass(frozen=True)
class Answer:
    """The answer of a job."""

    headline: str
    summary: str
    facts: dict[str, Any]
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Written below `out`; empty where a run folder holds the tables."""
    of_run: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables of the run folder that was written."""


def _solve(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter) -> Answer:
    from ..api.solving import solve
    from ..checks.consistency import require
    from ..core.logs import kept
    from ..core.units import LEAST_TIME_LIMIT_S
    from ..results.run_folder import write_run

    plan, data = question(folder, request)
    require(plan, data)
    sized(plan, data, int(limits.get("most_columns", 10**9)))
    asked = {name: request[name] for name in ("gap", "time_limit_s", "relax", "method") if name in request}
    most_s = max(LEAST_TIME_LIMIT_S, SHARE_OF_DEADLINE * float(limits.get("deadline_s", 1e9)))
    asked["time_limit_s"] = min(asked["time_limit_s"], most_s)
    with kept(plan.name) as log:
        result = solve(plan, data, threads=int(limits.get("threads", 1)), on_progress=reporter.solving, **asked)
    reporter.phase("writing")
    write_run(result, folder.path / "run", log=log.text())
    return Answer(_headline(result), result.summary(), result.facts, of_run=result.tables)


def _told(found: Study) -> Answer:
    """What a study found, as a job's answer."""
    from ..core.frames import plainly

    words = found.summary()
    return Answer(words.splitlines()[0], words, dict(plainly(found.facts)), found.tables)


def _headline(result: Result) -> str:
    lines = result.summary().split("\n\n")[0].splitlines()
    return " ".join(line.strip() for line in lines[1:3])


def run_of(folder: Folder, place: int = 0) -> Result:
    from ..results.run_folder import load_result

    return load_result(folder.path / "of" / str(place))


def _sweep(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter) -> Answer:
    from ..analysis.sweep import sweep
    from ..analysis.sweep_file import SweepFile
    from ..checks.consistency import require
    from ..data.plan_file import parse_as

    plan, data = question(folder, request)
    require(plan, data)
    sized(plan, data, int(limits.get("most_columns", 10**9)))
    asked = parse_as(SweepFile, request["study"], file="study")
    found = sweep(
        plan,
        data,
        asked.design(plan, data),
        gap=asked.gap,
        relax=asked.relax,
        method=asked.method,
        time_limit_s=asked.time_limit_s,
        fresh_scenarios=asked.fresh_scenarios,
        store=folder.path / "rows",
        on_progress=reporter.counting,
    )
    return _told(found)


def _stress(
    folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter
) -> Answer:
    from ..evaluation.stress_test import stress_test

    result = run_of(folder)
    testable(result.plan)
    asked = {name: request[name] for name in ("scenarios", "seed", "myopic")}
    return _told(stress_test(result, on_progress=reporter.counting, **asked))


def _explain(
    folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter
) -> Answer:
    from ..analysis.explain import explain

    asked = {name: request[name] for name in ("item", "gap", "time_limit_s")}
    return _told(explain(run_of(folder), on_progress=reporter.counting, **asked))


def _compare(
    folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter
) -> Answer:
    from ..report.comparison import compare

    return _told(compare([run_of(folder, n) for n in range(len(request["of"]))], request["names"]))


def _check(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter) -> Answer:
    from ..checks.consistency import check_data
    from ..model.problem import columns_at_most
    from ..results.notes import doubtful, provenance

    facts: dict[str, Any] = {"faults": [], "notes": [], "facts": 0, "estimates": 0, "columns_at_most": 0}
    try:
        plan, data = question(folder, request)
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
    told = f"{len(faults) or 'no'} fault{'s' * (len(faults) != 1)}"
    return Answer(told, told, {**facts, "faults": [vars(fault) for fault in problem("invalid", "", faults).faults]})


ANSWERS: dict[str, Callable[[Folder, Mapping[str, Any], Mapping[str, Any], ProgressReporter], Answer]] = {
    "solve": _solve,
    "sweep": _sweep,
    "stress": _stress,
    "explain": _explain,
    "compare": _compare,
    "check": _check,
}


def page(folder: Folder, request: Mapping[str, Any]) -> None:
    """Write the report of a job: its own run, or the first that it builds on with its tables beside."""
    from ..report.page import report
    from ..results.run_folder import load_result

    if request["kind"] == "solve":
        text = report(load_result(folder.path / "run"))
    else:
        results = [run_of(folder, n) for n in range(len(list((folder.path / "of").iterdir())))]
        text = report(results, names=request.get("names"), analyses=_analyses(folder, request["kind"]))
    write_whole(folder.path / REPORT, text.encode())


def _analyses(folder: Folder, kind: str) -> dict[str, pd.DataFrame]:
    from ..results.run_contents import read_table

    names = (folder.read(RESULT) or {}).get("tables", {})
    found = {name: folder.table(name) for name in names}
    return {f"{kind}/{name}": read_table(*place) for name, place in found.items() if place is not None}
