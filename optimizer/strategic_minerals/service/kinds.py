"""Answers of each kind of job: text, figures and tables from the question in the job's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.errors import FaultsError
from .addresses import as_sent
from .answers import Answer, asked_of, run_of, told, written_run
from .job_folder import REPORT, RESULT, ROWS, Folder, write_whole
from .kind_table import KINDS
from .plan_form import SEEN, lists_of, raw_values, values_of
from .problem_details import problem
from .progress import ProgressReporter
from .questions import question, sized, testable
from .study_kinds import STUDIES, Answering

if TYPE_CHECKING:
    import pandas as pd

    from ..results.result import Result


def _solve(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter) -> Answer:
    from ..api.solving import solve
    from ..checks.consistency import require
    from ..core.logs import kept

    plan, data = question(folder, request)
    require(plan, data)
    sized(plan, data, int(limits.get("most_columns", 10**9)))
    with kept(plan.name) as log:
        threads = int(limits.get("threads", 1))
        result = solve(plan, data, threads=threads, on_progress=reporter.solving, **asked_of(request, limits))
    tables = written_run(result, folder, reporter, log.text())
    return Answer(_headline(result), result.summary(), result.facts, of_run=tables)


def _decide(
    folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter
) -> Answer:
    from ..checks.consistency import require
    from ..core.logs import kept
    from ..evaluation.decide import decide

    plan, data = question(folder, request)
    require(plan, data)
    sized(plan, data, int(limits.get("most_columns", 10**9)))
    with kept(plan.name) as log:
        result = decide(plan, data, on_progress=reporter.solving, **asked_of(request, limits))
    tables = written_run(result, folder, reporter, log.text())
    return Answer(_headline(result), result.summary(), result.facts, of_run=tables)


def _headline(result: Result) -> str:
    lines = result.summary().split("\n\n")[0].splitlines()
    return " ".join(line.strip() for line in lines[1:3])


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
        store=folder.path / ROWS,
        on_progress=reporter.counting,
    )
    return told(found)


def _stress(
    folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter
) -> Answer:
    from ..evaluation.stress_test import stress_test

    result = run_of(folder)
    testable(result.plan)
    return told(stress_test(result, on_progress=reporter.counting, **asked_of(request, limits)))


def _explain(
    folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter
) -> Answer:
    from ..analysis.explain import explain

    return told(explain(run_of(folder), on_progress=reporter.counting, **asked_of(request, limits)))


def _compare(
    folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter
) -> Answer:
    from ..report.comparison import compare

    return told(compare([run_of(folder, n) for n in range(len(request["of"]))], request.get("labels")))


def _check(folder: Folder, request: Mapping[str, Any], limits: Mapping[str, Any], reporter: ProgressReporter) -> Answer:
    from ..checks.consistency import check_data
    from ..model.problem import columns_at_most
    from ..results.notes import doubtful, provenance

    facts: dict[str, Any] = {"faults": [], "notes": [], "facts": 0, "estimates": 0, "columns_at_most": 0}
    uploads = [path for name in ("plan.toml", "plan.json") if (path := folder.path / name).is_file()]
    seen: dict[str, Any] = {"values": raw_values(uploads[0]) if uploads else {}, "title": "", "lists": {}}
    try:
        plan, data = question(folder, request)
        seen = {
            "values": values_of(plan.model_dump(mode="json")),
            "title": plan.title or plan.name,
            "lists": lists_of(data),
        }
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
    said = f"{len(faults) or 'no'} fault{'s' * (len(faults) != 1)}"
    return Answer(
        said, said, {**facts, SEEN: seen, "faults": [vars(fault) for fault in problem("invalid", "", faults).faults]}
    )


ANSWERS: Mapping[str, Answering] = {
    "solve": _solve,
    "decide": _decide,
    "sweep": _sweep,
    "stress": _stress,
    "explain": _explain,
    "compare": _compare,
    "check": _check,
    **STUDIES,
}


def page(folder: Folder, request: Mapping[str, Any]) -> None:
    """Write the report of a job: its own run, or the first that it builds on with its tables beside."""
    from ..report.page import report
    from ..results.run_folder import load_result

    if KINDS[request["kind"]].makes_plan:
        text = report(load_result(folder.path / "run"), analyses=_analyses(folder, request["kind"]))
    else:
        results = [run_of(folder, n) for n in range(len(list((folder.path / "of").iterdir())))]
        text = report(results, names=request.get("labels"), analyses=_analyses(folder, request["kind"]))
    write_whole(folder.path / REPORT, text.encode())


def _analyses(folder: Folder, kind: str) -> dict[str, pd.DataFrame]:
    from ..results.run_contents import read_table

    stated = (folder.read(RESULT) or {}).get("tables", {})
    found = {name: folder.table(name) for name, table in stated.items() if table["file"].startswith("out/")}
    return {f"{kind}/{name}": read_table(*place) for name, place in found.items() if place is not None}
