"""The application: routes with store, dispatcher, gate, metrics and readiness of one server; every error is a problem response."""

from __future__ import annotations

import asyncio
import collections
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ..core.errors import Fault, FaultsError
from ..core.logs import logger_of
from .api import health, job_status, router
from .auth import Guard, Turns
from .described import describe
from .dispatcher import Deliveries, Dispatcher, OnEnd
from .gate import BodyError, Gate, not_allowed
from .job_folder import Folder, Reserve, write_whole
from .job_runners import LocalRunner, Runner, end, start
from .page import router as pages
from .page import wrong
from .records import Job, StoreError, in_words, no_room
from .requests import KINDS, MEDIA_TYPE, MOST_FAULTS, ProblemError, faults_of, path_of
from .settings import Limits, Settings
from .store import Store, open_store

CANARY_S = 3600.0
"""Seconds between two solver self-tests."""
CANARY_LIMIT_S = 60.0
"""Time limit of the self-test [s]: milliseconds of work, plus starting a process on a busy machine."""
RETRY_S = 30.0
"""Seconds between two self-tests while they fail."""
POLL_S, GRACE_S = 0.1, 1.0
TROUBLE_RETRY_S = 30.0
KIND_OF_STATUS = {status: kind for kind, (status, _) in reversed(KINDS.items())}
"""Of kinds with the same status, the first."""

NOT_OURS = {
    "not-found": "There is no such address; /v1/openapi.json lists all addresses. No address ends with a slash.",
    "malformed": "The body cannot be read as the form stated in `Content-Type`.",
}
"""Messages that replace those of the framework."""

logger = logger_of(__name__)

DESCRIPTION = """Plan strategic mineral reserves: submit a plan as a job, follow bound and gap, fetch tables, report and run folder.

Errors are problem details (RFC 9457) with the same faults as on the command line. Times are in UTC. Within version 1 only fields,
operations and kinds are added; what is to go is announced in a header `Deprecation` (RFC 9745) a release before."""


class Canary:
    """Solver self-test, repeated from time to time in a separate process."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._stop, self._lock = settings, threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._found = ""

    def word(self) -> str:
        """`ok`, or what is wrong, as last found; empty until the first result. The first call starts the self-tests."""
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="canary", daemon=True)
                thread.start()
                self._thread = thread
        return self._found

    def stop(self) -> None:
        """Stop the self-tests."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._found = self._look()
            except Exception as error:
                self._found = f"the solver self-test could not run: {type(error).__name__}"
            self._stop.wait(CANARY_S if self._found == "ok" else RETRY_S)

    def _look(self) -> str:
        folder = Folder(self._settings.folder / "canary")
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.clear_answers()
        process, latest = start(folder, "canary"), time.monotonic() + CANARY_LIMIT_S
        try:
            while process.poll() is None and time.monotonic() < latest and not self._stop.wait(POLL_S):
                pass
            if process.returncode is None:
                return "the solver self-test hangs"
            return "ok" if process.returncode == 0 else "the solver self-test fails"
        finally:
            end(process, GRACE_S)


def create_app(
    settings: Settings,
    limits: Limits | None = None,
    store: Store | None = None,
    runner: Runner | None = None,
    checker: Runner | None = None,
) -> FastAPI:
    """The application of a server; its lifespan runs the jobs. limits: of callers; None, the usual ones. store: None, that of the
    settings. runner: of jobs, checker: of questions that are not jobs; None, children of this process.

    To mount it in an application of your own, run its lifespan within yours and tell it where it stands:

        minerals = create_app(Settings(public_url="https://office.example/minerals"))

        @asynccontextmanager
        async def lifespan(app):
            async with minerals.router.lifespan_context(minerals):
                yield

        app = FastAPI(lifespan=lifespan)
        app.mount("/minerals", minerals)
    """
    limits = replace(limits or Limits(), job_s=settings.deadline_s)
    kept = store or open_store(settings.folder, settings.address)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        works.start(app)
        try:
            yield
        finally:
            works.stop()
            if store is None:
                kept.close()

    works = Works(settings, limits, kept, runner or LocalRunner(), metrics.ended)
    app = FastAPI(
        title="strategic-minerals",
        version=_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
        root_path_in_servers=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings, app.state.limits, app.state.store = settings, limits, kept
    app.state.metrics, app.state.works, app.state.reserve = metrics, works, Reserve(settings.folder)
    app.state.checker = checker or LocalRunner()
    app.state.turns = Turns(limits.costly, limits.waiting_of_tenant)
    app.state.streams = Streams(limits.streams_of_tenant, limits.streams)
    app.state.guard = Guard(
        kept,
        open_on_loopback=settings.open_on_loopback,
        requests_per_minute=limits.requests_per_minute,
        public_url=settings.public_url,
    )
    metrics.count_requests_of(app)
    doors: dict[str, list[str]] = {}
    given: dict[str, Any] = {"prefix": settings.prefix, "most_bytes": limits.body_bytes, "doors": doors}
    app.add_middleware(Gate, **given, started=lambda: works.started, refuse=_answer)
    for part in (health, router, pages):
        app.include_router(part)
    for route in leaves(app.routes):
        if "{" not in route.path:
            doors[route.path] = _with_head({*doors.get(route.path, ()), *route.methods})
    app.openapi = lambda: describe(app, settings)  # type: ignore[method-assign]
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(StoreError, _trouble)
    app.add_exception_handler(OSError, _trouble)
    app.add_exception_handler(FaultsError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)
    return app


def _version() -> str:
    try:
        return version("strategic-minerals")
    except PackageNotFoundError:  # run from a checkout
        return "0"


class Works:
    """Background work of a server: running jobs and the solver self-test."""

    def __init__(self, settings: Settings, limits: Limits, store: Store, runner: Runner, on_end: OnEnd) -> None:
        self._settings, self._limits, self._store = settings, limits, store
        self._runner, self._on_end = runner, on_end
        self._parts: tuple[Canary, Deliveries, Dispatcher] | None = None
        """In the order in which they are stopped."""

    @property
    def started(self) -> bool:
        """Whether it runs."""
        return self._parts is not None

    def start(self, app: FastAPI) -> None:
        """Start, unless already started. Raises InputError, OSError and StoreError."""
        if self._parts is not None:
            return
        prefix = self._settings.prefix
        deliveries = Deliveries(self._settings, self._store, lambda job: job_status(job, prefix))

        def ended(job: Job, state: str, seconds: float) -> None:
            self._on_end(job, state, seconds)
            deliveries.wake()

        dispatcher = Dispatcher(self._settings, self._limits, self._store, self._runner, ended)
        dispatcher.start()
        deliveries.start()
        canary = Canary(self._settings)
        self._parts = (canary, deliveries, dispatcher)
        app.state.dispatcher = dispatcher
        app.state.readiness = Readiness(app.state, canary.word)

    def stop(self) -> None:
        """Stop, unless already stopped."""
        for part in self._parts or ():
            part.stop()
        self._parts = None


class Streams:
    """Open event streams by tenant."""

    def __init__(self, most: int, in_all: int) -> None:
        self._most, self._in_all, self._open = most, in_all, collections.Counter[str]()

    def enter(self, tenant: str) -> bool:
        """Add one, if there is room."""
        if self._open[tenant] >= self._most or self._open.total() >= self._in_all:
            return False
        self._open[tenant] += 1
        return True

    def leave(self, tenant: str) -> None:
        """Remove one."""
        self._open -= collections.Counter([tenant])


def _answer(request: Request, error: ProblemError) -> Response:
    """A problem: as JSON for programs, as a page for people."""
    error.problem.instance = f"urn:strategic-minerals:request:{request.state.name}"
    found = error.problem
    if path_of(request.scope).startswith("/v1") or "text/html" not in request.headers.get("accept", ""):
        return Response(found.model_dump_json(exclude_none=True), found.status, error.headers, MEDIA_TYPE)
    answer = wrong(request, found)
    for name, value in error.headers.items():
        answer.headers[name] = value
    return answer


async def _problem(request: Request, error: Any) -> Response:
    faulty = isinstance(error, FaultsError)
    return _answer(request, ProblemError("invalid", "", error.faults) if faulty else error)


async def _invalid(request: Request, error: Any) -> Response:
    """A request in the wrong form, with faults as for a file."""
    faults: list[Fault] = []
    for item in error.errors()[:MOST_FAULTS]:
        where, *path = item["loc"]
        faults += faults_of([{**item, "loc": path}], "form" if where == "body" else str(where))
    return _answer(request, ProblemError("invalid", "", faults))


async def _trouble(request: Request, error: Any) -> Response:
    """The disk is full, or the store is not available."""
    if not isinstance(error, StoreError) and not no_room(error):
        return await _internal(request, error)
    return _unavailable(request, error)


def _unavailable(request: Request, error: BaseException) -> Response:
    """Nothing was changed, and trying again later may help."""
    logger.warning("%s %s: %s", request.method, getattr(request.scope.get("route"), "path", "other"), error)
    text = "The disk is full" if no_room(error) else "The store cannot be used"
    again = {"Retry-After": f"{TROUBLE_RETRY_S:.0f}"}
    return _answer(request, ProblemError("unavailable", f"{text}: nothing was stored. Try again later.", headers=again))


async def _http(request: Request, error: Any) -> Response:
    if no_room(error.__cause__):  # the framework reads forms, and puts files down
        return _unavailable(request, error.__cause__)
    kind = KIND_OF_STATUS.get(error.status_code, "internal" if error.status_code >= 500 else "malformed")
    text = str(error.detail) if isinstance(error, BodyError) else NOT_OURS.get(kind, "")
    headers = dict(error.headers or {})
    if kind == "method":
        inside = [route for route in leaves(request.app.routes) if route.matches(request.scope)[0] is not Match.NONE]
        return _answer(
            request, not_allowed(request.method, _with_head({one for route in inside for one in route.methods}))
        )
    return _answer(request, ProblemError(kind, text, headers=headers))


def _with_head(methods: set[str]) -> list[str]:
    """Methods, sorted: where GET is, HEAD is."""
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def leaves(routes: list[Any]) -> list[Any]:
    """All routes of an application, those of its routers too."""
    found: list[Any] = []
    waiting = list(routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            waiting += inner
        elif getattr(route, "methods", None):
            found.append(route)
    return found


async def _internal(request: Request, error: Any) -> Response:
    """The response reveals nothing about this machine: details are in the log."""
    logger.error("%s %s failed", request.method, getattr(request.scope.get("route"), "path", "other"), exc_info=error)
    return _answer(request, ProblemError("internal", "The server's log has the details."))


# Metrics in Prometheus format, one registry per server; the instrumentator counts requests.


JOB_SECONDS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        name = "strategic_minerals_"
        self._submitted = Counter(f"{name}jobs_submitted", "Jobs accepted", ["kind"], registry=self._registry)
        self._ended = Histogram(
            f"{name}job_seconds",
            "Jobs that ended here, from start to end",
            ["kind", "state"],
            buckets=JOB_SECONDS,
            registry=self._registry,
        )
        self._jobs = Gauge(f"{name}jobs", "Jobs in the store", ["state"], registry=self._registry)

    def count_requests_of(self, app: FastAPI) -> None:
        """Requests by method, route and status, and how long they take."""
        Instrumentator(should_group_status_codes=False, registry=self._registry).instrument(app)

    def submitted(self, kind: str) -> None:
        """A job was accepted."""
        self._submitted.labels(kind).inc()

    def ended(self, job: Job, state: str, seconds: float) -> None:
        """A job ended."""
        self._ended.labels(job.kind, state).observe(seconds)

    def text(self, store: Store) -> bytes:
        """Everything, as Prometheus reads it."""
        for state, count in store.counts().items():
            self._jobs.labels(state).set(count)
        return generate_latest(self._registry)


# Readiness: whether the service can accept jobs, and if not, why.


FRESH_S = 0.25
"""Seconds for which a result is reused, so that frequent requests do not cause frequent writes."""
PROBE_BYTES = 64 * 1024
WAIT_S = 0.05


class Readiness:
    """Looks at store, folder, queue and solver, one look at a time. `state` is the application's; `solver` says what is wrong with
    the solver, or nothing while that is not known yet."""

    def __init__(self, state: Any, solver: Callable[[], str]) -> None:
        self._state, self._solver, self._lock = state, solver, asyncio.Lock()
        self._checks: dict[str, str] = {}
        self._at = float("-inf")

    async def look(self) -> dict[str, str]:
        """Check -> `ok` or what was found. Waits for the solver's first answer."""
        async with self._lock:
            if time.monotonic() - self._at > FRESH_S:
                while not (solver := self._solver()):
                    await asyncio.sleep(WAIT_S)
                self._checks = {**await run_in_threadpool(self._written), "queue": self._queue(), "solver": solver}
                self._at = time.monotonic()
            return self._checks

    def _written(self) -> dict[str, str]:
        found, folder = {}, self._state.settings.folder
        for name, write in (
            ("store", self._state.store.writable),
            ("folder", lambda: write_whole(folder / "probe", bytes(PROBE_BYTES))),
        ):
            try:
                write()
                found[name] = "ok"
            except Exception as error:
                found[name] = in_words(error)
        return found

    def _queue(self) -> str:
        dispatcher = self._state.dispatcher
        return str(dispatcher.trouble or "ok") if dispatcher.alive else "not served"
