"""The application: routes with store, dispatcher, gate and metrics of one server; every error is a problem response."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from ..core.errors import Fault, FaultsError
from ..core.logs import logger_of
from .authentication import Guard, job_status
from .authentication import router as results
from .described import describe
from .dispatcher import Dispatcher, OnEnd, open_store
from .gate import BodyBounds, BodyError, Gate, leaves
from .job_folder import Folder, Job, StoreError, no_room
from .job_runners import LocalRunner, Runner, end, start
from .metrics import Metrics
from .readiness import Readiness
from .requests import KINDS, MEDIA_TYPE, MOST_FAULTS, ProblemError, faults_of
from .settings import Settings
from .store import Deliveries, Store
from .web import health, router, wrong
from .web import page_router as pages

MOST_ASIDE = 4
"""Checks and reports at the same time, each in a process."""
CANARY_S = 3600.0
"""Seconds between two solver self-tests."""
CANARY_LIMIT_S = 60.0
"""Time limit of the self-test [s]: milliseconds of work, plus starting a process on a busy machine."""
RETRY_S = 30.0
"""Seconds between two self-tests while they fail."""
POLL_S, GRACE_S = 0.1, 1.0
TROUBLE_RETRY_S = 30.0
MIB = 2**20
KIND_OF_STATUS = {status: kind for kind, (status, _) in reversed(KINDS.items())}
"""Of kinds with the same status, the first."""

NOT_OURS = {
    "not-found": "There is no such address; /v1/openapi.json lists all addresses. No address ends with a slash.",
    "malformed": "The body cannot be read as the form stated in `Content-Type`.",
}
"""Messages that replace those of the framework."""

logger = logger_of(__name__)

DESCRIPTION = """Plan strategic mineral reserves: submit a plan as a job, follow bound and gap, fetch tables, report and run folder.

Errors are problem details (RFC 9457) with the same faults as on the command line. Times are in UTC."""


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
    settings: Settings, store: Store | None = None, runner: Runner | None = None, checker: Runner | None = None
) -> FastAPI:
    """The application of a server; it runs jobs from startup on. store: None, that of the settings. runner: of jobs, checker: of
    questions that are not jobs; None, children of this process.
    """
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

    works = Works(settings, kept, runner or LocalRunner(), metrics.ended)
    app = FastAPI(
        title="strategic-minerals",
        version=_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings, app.state.store, app.state.metrics, app.state.works = settings, kept, metrics, works
    app.state.checker = checker or LocalRunner()
    app.state.checks, app.state.streams = threading.BoundedSemaphore(MOST_ASIDE), Streams()
    app.state.guard = Guard(
        kept,
        open_on_loopback=settings.open_on_loopback,
        requests_per_minute=settings.requests_per_minute,
        public_url=settings.public_url,
    )
    doors: list[Any] = []
    bodies = BodyBounds(settings.most_body_bytes, settings.most_bodies_mib * MIB, settings.body_s)
    app.add_middleware(
        Gate, guard=app.state.guard, bodies=bodies, routes=doors, observe=metrics.request, refuse=_refusal
    )
    for part in (health, router, results, pages):
        app.include_router(part)
    doors += leaves(app.routes)
    app.openapi = lambda: describe(app, needs_token=not settings.open_on_loopback)  # type: ignore[method-assign]
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

    def __init__(self, settings: Settings, store: Store, runner: Runner, on_end: OnEnd) -> None:
        self._settings, self._store, self._runner, self._on_end = settings, store, runner, on_end
        self._parts: tuple[Canary, Deliveries, Dispatcher] | None = None
        """In the order in which they are stopped."""

    def start(self, app: FastAPI) -> None:
        """Start, unless already started. Raises InputError, OSError and StoreError."""
        if self._parts is not None:
            return
        deliveries = Deliveries(self._settings, self._store, job_status)

        def ended(job: Job, state: str, seconds: float) -> None:
            self._on_end(job, state, seconds)
            deliveries.wake()

        dispatcher = Dispatcher(self._settings, self._store, self._runner, ended)
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

    def __init__(self) -> None:
        self._open = Counter[str]()

    def enter(self, tenant: str, most: int, in_all: int) -> bool:
        """Add one, if there is room."""
        if self._open[tenant] >= most or self._open.total() >= in_all:
            return False
        self._open[tenant] += 1
        return True

    def leave(self, tenant: str) -> None:
        """Remove one."""
        self._open -= Counter([tenant])


def _answer(request: Request, error: ProblemError) -> Response:
    """A problem: as JSON for programs, as a page for people."""
    found = error.problem
    if request.url.path.startswith("/v1") or "text/html" not in request.headers.get("accept", ""):
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


def _refusal(request: Request, error: ProblemError | StoreError) -> Response:
    """A refusal by the gate."""
    return _answer(request, error) if isinstance(error, ProblemError) else _unavailable(request, error)


async def _trouble(request: Request, error: Any) -> Response:
    """The disk is full, or the store is not available."""
    if not isinstance(error, StoreError) and not no_room(error):
        return await _internal(request, error)
    return _unavailable(request, error)


def _unavailable(request: Request, error: BaseException) -> Response:
    """Nothing was changed, and trying again later may help."""
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    text = "The disk is full" if no_room(error) else "The store cannot be used"
    again = {"Retry-After": f"{TROUBLE_RETRY_S:.0f}"}
    return _answer(request, ProblemError("unavailable", f"{text}: nothing was stored. Try again later.", headers=again))


async def _http(request: Request, error: Any) -> Response:
    if no_room(error.__cause__):  # the framework reads forms, and puts files down
        return _unavailable(request, error.__cause__)
    kind = KIND_OF_STATUS.get(error.status_code, "internal" if error.status_code >= 500 else "malformed")
    text = str(error.detail) if isinstance(error, BodyError) else NOT_OURS.get(kind, "")
    return _answer(request, ProblemError(kind, text, headers=dict(error.headers or {})))


async def _internal(request: Request, error: Any) -> Response:
    """The response reveals nothing about this machine: details are in the log."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(request, ProblemError("internal", "The server's log has the details."))
