"""Answers of jobs: a verb called with what its folder holds, and the look at a question without solving it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.errors import FaultsError
from ..core.runner import LONGEST_S, Runner
from ..core.verb import checked
from ..verbs import VERBS, Verb
from .addresses import as_sent
from .answers import Answer, labels_of, run_of, told, written_run
from .job_folder import REPORT, REQUEST, RESULT, ROWS, Folder, write_whole
from .kind_table import KINDS
from .plan_form import SEEN, lists_of, raw_values, values_of
from .problem_details import problem
from .progress import ProgressReporter
from .questions import first_of, members_of, new_facts, noted_rows, question, sized

if TYPE_CHECKING:
    import pandas as pd

    from ..results.result import Result

Given = Mapping[str, Any]
SHARE_OF_DEADLINE = 0.9
"""Share of the job's time limit for the work; the rest is for writing the answer."""


def answer_of(folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    """The answer of a job. Raises what its verb raises."""
    if request["kind"] == "check":
        return _check(folder, request)
    from ..core.logs import kept
    from ..results.result import Result
    from ..results.study_files import store_study

    verb = VERBS[request["kind"]]
    with runner_of(request, limits, reporter, folder).started():
        first = _first(verb, folder, request, limits)
        options = _options(verb, folder, request)
        run = {"run": runner_of(request, limits, reporter, folder)} if verb.long else {}
        name = getattr(first[0], "name", None) or getattr(getattr(first[0], "plan", None), "name", verb.name)
        with kept(str(name)) as log:
            found = verb.function(*first, **options, **run)
    if not verb.makes_plan:
        return told(found)
    result = found if isinstance(found, Result) else found.result
    tables = written_run(result, folder, reporter, log.text())
    if isinstance(found, Result):
        return Answer(_headline(result), result.summary(), result.facts, of_run=tables)
    store_study(found, folder.path / "run" / "analyses" / found.kind)
    return replace(told(found), of_run=tables)


def runner_of(request: Given, limits: Given, reporter: ProgressReporter, folder: Folder) -> Runner:
    """How a job runs: in this process, with what its time limit leaves for the work."""
    most_s = max(1.0, SHARE_OF_DEADLINE * float(limits.get("deadline_s", LONGEST_S)))
    asked_s = request.get("deadline_s") or LONGEST_S
    return Runner(
        threads=int(limits.get("threads", 1)),
        deadline_s=min(asked_s, most_s),
        on_progress=reporter.report,
        store=folder.path / ROWS if VERBS[request["kind"]].resumes else None,
    )


def _first(verb: Verb, folder: Folder, request: Given, limits: Given) -> tuple[Any, ...]:
    """What a verb builds on. Raises PlanError and InputError."""
    from ..checks.consistency import require
    from ..results.study import Study

    if verb.of in ("plan", "homes"):
        plan, data = question(folder, request)
        if verb.checked:
            require(plan, data)
        sized(plan, data, int(limits.get("most_columns", 10**9)))
        return (plan, data) if verb.of == "plan" else members_of(folder, request)
    if verb.of == "run":
        return (run_of(folder),)
    if verb.of == "folder":
        return (first_of(folder),)
    if verb.of == "rows":
        return (Study.load(first_of(folder) / "out"),)
    return ([folder.path / "of" / str(n) for n in range(len(request["of"]))], labels_of(request))


def _options(verb: Verb, folder: Folder, request: Given) -> dict[str, Any]:
    """Options of a request as the function takes them. Raises InputError with every fault."""
    asked = {name: request[name] for name in verb.options if name in request}
    if verb.of == "rows":
        before = Folder(first_of(folder))
        about = before.read(REQUEST) or {}
        if KINDS[about["kind"]].asks:
            asked["plan"], asked["data"] = question(before, about)
        else:
            solved = run_of(before)
            asked["plan"], asked["data"] = solved.plan, solved.data
    if verb.name == "roll":
        asked["done"], asked["happened"] = noted_rows(request)
        if (facts := new_facts(folder)) is not None:
            asked["facts"] = facts
    return asked | checked(verb.function, asked, "body")


def _headline(result: Result) -> str:
    lines = result.summary().split("\n\n")[0].splitlines()
    return " ".join(line.strip() for line in lines[1:3])


def _check(folder: Folder, request: Given) -> Answer:
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


def page(folder: Folder, request: Given) -> None:
    """Write the report of a job: its own run, or the first that it builds on with its tables beside."""
    from ..report.page import report
    from ..results.run_folder import load_result

    if KINDS[request["kind"]].verb.makes_plan:
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
