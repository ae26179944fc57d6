"""From a request to a job: checked as far as that is quick, its folder written, then kept in the store."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import Fault, PlanError, near_miss
from ..library import shipped
from ..plan import Plan
from ..plan_file import load_plan, parse_plan
from ..rows import TABLES
from .files import REQUEST, Folder, new_id
from .messages import CompareRequest, ExplainRequest, Question, SolveRequest, StressRequest, SweepRequest, tame
from .problems import ProblemError
from .records import Deed, Job
from .security import Caller, busy
from .settings import Settings
from .store import FullError, KeyTakenError, Store

Request = SolveRequest | SweepRequest | StressRequest | ExplainRequest | CompareRequest
RETRY_S = 10.0


def shipped_plans() -> list[str]:
    """Names of the plans that come with the package."""
    return sorted(path.stem for path in shipped("models").glob("*.toml"))


def submit(
    request: Request, files: Mapping[str, bytes], caller: Caller, key: str | None, settings: Settings, store: Store
) -> tuple[Job, bool]:
    """A request, and files that came with it under names that were made here, as a job that will run; whether it is a new one.

    Raises ProblemError; PlanError and InputError where plan or tables are wrong. Then nothing is kept.
    """
    plainly(request)
    digest = _digest(request, files)
    with _told():
        known = None if key is None else store.by_key(caller.tenant, key, digest)
    if known is not None:
        return known, False
    folder = Folder.of(settings.folder, new_id())
    folder.path.mkdir(parents=True)
    try:
        asked = written(request, files, folder, settings)
        names = _lend(request, folder, caller, settings, store)
        folder.write(REQUEST, {**asked, **names})
        job = Job(folder.path.name, caller.tenant, request.kind, request.label, "queued", time.time(), None, None, None,
                  digest, False, {}, {})  # fmt: skip
        folder.sync()
        deed = Deed(job.submitted, caller.tenant, caller.token, caller.address, f"submit {request.kind}", job.id)
        with _told():
            kept = store.submit(job, key, settings.most_queued, settings.most_queued_of_tenant, deed)
    except BaseException:
        folder.delete()
        raise
    if kept.id != job.id:
        folder.delete()
    return kept, kept.id == job.id


@contextmanager
def _told() -> Iterator[None]:
    """What the store refuses, as a problem."""
    try:
        yield
    except FullError as error:
        raise busy(f"The queue is full: {error}.", RETRY_S) from None
    except KeyTakenError:
        raise ProblemError("conflict", "The idempotency key was used for another request.") from None


def plainly(request: Request | Question) -> None:
    """Raises PlanError for numbers that are none, text that is none, nesting, cells that are no single values, unknown tables."""
    try:
        tame(request.model_dump())
    except ValueError as error:
        raise PlanError([Fault("request", "", "", str(error), "plain data")]) from None
    tables = (request.tables if isinstance(request, Question) else None) or {}
    unknown = next((name for name in tables if name not in TABLES), None)
    if unknown is not None:
        raise PlanError([Fault("tables", "", "table", repr(unknown[:100]), f"a table name{near_miss(unknown[:100], TABLES)}")])
    for name, rows in tables.items():
        for n, row in enumerate(rows):
            odd = next((column for column, value in row.items() if isinstance(value, dict | list)), None)
            if odd is not None:
                raise PlanError([Fault(name, str(n + 1), odd[:100], "an object or a list", "a single value")])


def written(request: Request | Question, files: Mapping[str, bytes], folder: Folder, settings: Settings) -> dict[str, Any]:
    """Write a question's plan and tables into a folder; what is left of the request. Raises PlanError and ProblemError."""
    asked = request.model_dump(exclude={"plan", "plan_toml", "tables"})
    if not isinstance(request, Question):
        return asked
    rows = sum(content.count(b"\n") for name, content in files.items() if name.startswith("tables/"))
    rows += sum(len(table) for table in (request.tables or {}).values())
    if rows > settings.most_rows:
        raise ProblemError("too-large", f"{rows:,} rows of tables; at most {settings.most_rows:,}.")
    for name, content in files.items():
        folder.keep(name, content)
    if request.plan is not None:
        parse_plan(request.plan)
        folder.write("plan.json", request.plan)
    if request.plan_toml is not None:
        folder.keep("plan.toml", request.plan_toml.encode())
    if request.tables is not None:
        folder.write("tables.json", request.tables)
    uploaded = [path for path in folder.path.glob("plan.*") if path.suffix in (".toml", ".json")]
    if request.shipped is not None:
        known = shipped_plans()
        if request.shipped not in known:
            expected = f"one of {', '.join(known)}{near_miss(request.shipped, known)}"
            raise PlanError([Fault("request", "", "shipped", repr(request.shipped), expected)])
        uploaded = [shipped("models") / f"{request.shipped}.toml"]
    if uploaded:
        _quick_look(load_plan(uploaded[0], request.set), settings)
    elif not (folder.path / "plan.xlsx").is_file():
        raise PlanError([Fault("request", "", "plan", "none", "one of plan, plan_toml, shipped, or an uploaded file")])
    return asked


def _quick_look(plan: Plan, settings: Settings) -> None:
    """Refuse what is too large whatever its tables say. Raises PlanError."""
    worlds = len(plan.scenarios) + (0 if plan.sample is None else plan.sample.worlds)
    periods = plan.horizon.years * 12 // plan.horizon.period_months
    if worlds * periods > settings.most_columns:
        found = f"{worlds:,} worlds, {periods:,} periods"
        raise PlanError([Fault("plan", "", "sample.worlds", found, f"at most {settings.most_columns:,} columns in all")])


def _lend(request: Request, folder: Folder, caller: Caller, settings: Settings, store: Store) -> dict[str, Any]:
    """Take over the run folders that a request builds on. Raises ProblemError."""
    if isinstance(request, Question):
        return {}
    of = request.of if isinstance(request.of, list) else [request.of]
    names = []
    for place, name in enumerate(of):
        job = store.job(name, caller.tenant)
        if job is None:
            raise ProblemError("not-found", f"of: there is no job {name}.")
        if job.kind != "solve" or job.state != "succeeded":
            raise ProblemError("conflict", f"of: job {name} is no plan that was solved ({job.kind}, {job.state}).")
        names.append(job.label or name[:8])
        try:
            folder.lend(Folder.of(settings.folder, name), place)
        except OSError:  # deleted just now
            raise ProblemError("not-found", f"of: there is no job {name}.") from None
    return {"names": names}


def kind_of_plan(content: bytes) -> str:
    """The name under which an uploaded plan is kept, by what it holds: a caller's file name says nothing."""
    if content[:2] == b"PK":
        return "plan.xlsx"
    return "plan.json" if content.lstrip()[:1] == b"{" else "plan.toml"


def table_file(label: str) -> str:
    """The name under which an uploaded table is kept. Raises PlanError where it is no table's."""
    stem = label.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".csv")
    if stem not in TABLES:
        raise PlanError([Fault("tables", "", "file name", repr(label[:100]), f"<table>.csv{near_miss(stem[:100], TABLES)}")])
    return f"tables/{stem}.csv"


def _digest(request: Request, files: Mapping[str, bytes]) -> str:
    """Two submissions with the same one are the same."""
    digest = hashlib.sha256(json.dumps(request.model_dump(mode="json"), sort_keys=True).encode())
    for name, content in sorted(files.items()):
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
