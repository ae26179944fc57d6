"""The application: routes with store, dispatcher, gate, metrics and readiness of one server; every error is a problem response."""

import asyncio
import collections
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request
from fastapi import HTTPException as FrameworkError
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_fastapi_instrumentator import Instrumentator
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ..answer.prices import versions
from ..core.errors import MOST_FAULTS, Fault, FaultsError
from ..core.logs import about, logger_of
from .api import health, job_ended, job_status, router
from .auth import Guard, Turns
from .dispatcher import Deliveries, Dispatcher, JobRunner, OnEnd
from .job_folder import Reserve, write_whole
from .page import router as pages
from .page import wrong
from .records import Job, StoreError, in_words, no_room
from .requests import KINDS, MEDIA_TYPE, JobRequest, Problem, ProblemError, Question, faults_of, path_of, request_id
from .settings import Limits, Settings
from .store import RefusalError, Store, open_store

# Gate for all requests: bodies are bounded, HEAD is GET without a body, each answer has security headers and a line in the log.
logger = logger_of(__name__)

QUIET = ("/healthz", "/readyz", "/metrics", "/static/{name}")
"""Routes that are asked again and again."""
MOST_FORM_BYTES, MOST_OPEN_FORM_BYTES = 1024 * 1024, 10_000
"""Of a page's form that holds no file, for reading one costs more than reading JSON; of a form that anybody may send."""
OPEN_FORMS = ("/login", "/logout")
METHODS = ("GET", "POST", "DELETE")
"""Of all routes, beside HEAD."""
WORDS = (*METHODS, "PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT")
"""Methods that there are; any other word would be counted and kept."""
CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ONCE = ("authorization", "content-type", "idempotency-key")
"""Headers that mean two things where they are sent twice."""
RATE_POLICY = '"token";q={};w=60'


class BodyError(FrameworkError):
    """A body that is too large, in words of ours: the framework lets no other error through."""


class Gate:
    """ASGI middleware.

    prefix: path under which the service runs, where no application mounts it. most_bytes: of a body. doors: methods by path, of
    routes that are named whole: no other route's pattern stands for them. started: whether the background work runs. refuse: makes
    an answer of a problem."""

    def __init__(
        self,
        app: Any,
        prefix: str,
        most_bytes: int,
        doors: Mapping[str, list[str]],
        started: Callable[[], bool],
        refuse: Callable[[Request, ProblemError], Any],
    ) -> None:
        self._app, self._prefix, self._most, self._doors = app, prefix, most_bytes, doors
        self._started, self._refuse = started, refuse

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, head = time.perf_counter(), scope["method"] == "HEAD"
        name = request_id(Request(scope).headers)
        root = scope.get("root_path") or self._prefix
        scope = {**scope, "method": "GET" if head else scope["method"], "root_path": root}
        scope["state"] = {**scope.get("state", {}), "name": name, "begin": begin, "head": head}
        sent = {**SECURITY_HEADERS, "X-Request-Id": name}
        status, begun = 500, False

        async def with_headers(message: Any) -> None:
            nonlocal begun, status
            if message["type"] == "http.response.start":
                begun, status = True, message["status"]
                if (rate := scope["state"].get("rate")) is not None:
                    sent["RateLimit-Policy"] = RATE_POLICY.format(rate[0])
                    sent["RateLimit"] = f'"token";r={rate[1]};t=60'
                given = {name.lower() for name, _ in message.get("headers", [])}
                extra = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
                headers = [*message.get("headers", []), *(one for one in extra if one[0] not in given)]
                message = {**message, "headers": headers}
            elif head:
                message = {**message, "body": b""}
            await send(message)

        with about(request=name):
            try:
                if wrong := self._wrong(scope, Request(scope)):
                    await self._refuse(Request(scope), wrong)(scope, receive, with_headers)
                else:
                    await self._app(scope, self._bounded(scope, receive), with_headers)
            except Exception:
                # logged here, where request and tenant are known; the answer reveals nothing of this machine
                with about(**_whose(scope)):
                    logger.exception("%s %s failed", scope["method"], _route(scope))
                if begun:
                    raise
                problem = ProblemError("internal", "The server's log has the details.")
                await self._refuse(Request(scope), problem)(scope, receive, with_headers)
            finally:
                _log(scope, status, time.perf_counter() - begin)

    def _wrong(self, scope: Any, request: Request) -> ProblemError | None:
        """What can be refused by its header alone."""
        if not self._started():
            text = "The service has not been started: the application that mounts it runs its lifespan, as the documents show."
            return ProblemError("not-started", text)
        method = scope["method"]
        methods = self._doors.get(path_of(scope))
        if (methods is not None and method not in methods) or method not in WORDS:
            return not_allowed(method, methods or [*METHODS])
        for name in ONCE:
            if len(request.headers.getlist(name)) > 1:
                kind = "malformed" if method == "POST" else "unauthenticated" if name == "authorization" else "invalid"
                return ProblemError(kind, "", [Fault("header", "", name, "the header twice", "each header once")])
        if method != "POST":
            return None
        charset = re.search(r"charset\s*=\s*\"?([^\s;\"]*)", request.headers.get("content-type", ""), re.IGNORECASE)
        if charset is not None and charset[1].lower() not in ("utf-8", "utf8"):  # some take forever to decode
            return ProblemError("unsupported", "Send text in UTF-8.")
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            text = "Compressed bodies are not supported: send the body uncompressed."
            return ProblemError("unsupported", text, headers={"Accept-Encoding": "identity"})
        return None

    def _bounded(self, scope: Any, receive: Any) -> Any:
        """A body that ends with an error (413) where it is too large."""
        headers = dict(scope["headers"])
        path = path_of(scope)
        page = not path.startswith("/v1/") and path != "/upload"
        most = min(self._most, MOST_OPEN_FORM_BYTES if path in OPEN_FORMS else MOST_FORM_BYTES) if page else self._most
        stated, read = headers.get(b"content-length", b"0"), 0
        if stated.isdigit() and int(stated[:20]) > most:
            read = most  # the first part that is read is one too many

        async def bounded() -> Any:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise BodyError(413, f"The body is larger than {most:,} bytes.")
            return message

        return bounded


def not_allowed(method: str, methods: list[str]) -> ProblemError:
    done = ", ".join(methods)
    return ProblemError("method", f"{method} is not allowed here; allowed: {done}.", headers={"Allow": done})


def _whose(scope: Any) -> dict[str, str]:
    """Tenant and job of a request, as far as they are known."""
    caller = scope["state"].get("caller")
    job = scope["state"].get("job") or scope.get("path_params", {}).get("job_id", "")
    return {"tenant": "" if caller is None else caller.tenant, "job": job}


def _route(scope: Any) -> str:
    """The route of a request: its path may hold a token."""
    return getattr(scope.get("route"), "path", "") or "other"


def _log(scope: Any, status: int, seconds: float) -> None:
    """A line for each request; those of load balancers and of collectors of metrics are for whoever looks closely."""
    route = _route(scope)
    level = logging.DEBUG if (route in QUIET or path_of(scope) in QUIET) and status < 400 else logging.INFO
    facts = {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 4)}
    with about(**_whose(scope)):
        logger.log(level, "%s %s %d", scope["method"], route, status, extra={"http": facts})


TROUBLE_RETRY_S, QUEUE_RETRY_S, QUOTA_RETRY_S = 30.0, 10.0, 1800.0
"""Until a caller should ask again: after trouble, for room in the queue, who has used up a quota of 24 hours."""
KIND_OF_STATUS = {status: kind for kind, (status, _) in reversed(KINDS.items())}
"""Of kinds with the same status, the first."""

NOT_OURS = {
    "not-found": "There is no such address; /v1/openapi.json lists all addresses. No address ends with a slash.",
    "malformed": "The body cannot be read as the form stated in `Content-Type`.",
}
"""Messages that replace those of the framework."""

DESCRIPTION = """Plan strategic mineral reserves: submit a plan as a job, follow bound and gap, fetch tables, report and run folder.

Errors are problem details (RFC 9457) with the same faults as on the command line. Times are in UTC. Within version 1 only fields,
operations and kinds are added; what is to go is announced in a header `Deprecation` (RFC 9745) a release before."""


def create_app(
    settings: Settings,
    limits: Limits | None = None,
    store: Store | None = None,
    runner: JobRunner | None = None,
    checker: JobRunner | None = None,
) -> FastAPI:
    """The application of a server; its lifespan runs the jobs. limits: of callers; None, the usual ones. store: None, that of the
    settings. runner: of jobs, checker: of questions that are not jobs; None, children of this process.

    An application that mounts it runs its lifespan, as the service's README shows."""
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

    works = Works(settings, limits, kept, runner or JobRunner(), metrics.ended)
    app = FastAPI(
        title="strategic-minerals",
        version=versions()["strategic-minerals"],
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
    app.state.checker = checker or JobRunner()
    app.state.turns = Turns(limits.costly, limits.waiting_of_tenant)
    app.state.streams = Streams(limits.streams_of_tenant, limits.streams)
    app.state.guard = Guard(kept, limits.requests_per_minute, settings.public_url)
    metrics.count_requests_of(app)
    doors: dict[str, list[str]] = {}
    given: dict[str, Any] = {"prefix": settings.prefix, "most_bytes": limits.body_bytes, "doors": doors}
    app.add_middleware(Gate, **given, started=lambda: works.started, refuse=_answer)
    for part in (health, router, pages):
        app.include_router(part)
    again: dict[int | str, Any] = {"default": {"description": "Anything but 2xx: it is sent again, for 20 hours"}}
    app.webhooks.post("job.ended", operation_id="job_ended", status_code=204, responses=again)(job_ended)
    for route in leaves(app.routes):
        if "{" not in route.path:
            doors[route.path] = _with_head({*doors.get(route.path, ()), *route.methods})
    app.openapi = lambda: describe(app, settings)  # type: ignore[method-assign]
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(StoreError, _trouble)
    app.add_exception_handler(OSError, _trouble)
    app.add_exception_handler(FaultsError, _problem)
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    return app


class Works:
    """Background work of a server: running jobs and sending webhooks."""

    def __init__(self, settings: Settings, limits: Limits, store: Store, runner: JobRunner, on_end: OnEnd) -> None:
        self._settings, self._limits, self._store = settings, limits, store
        self._runner, self._on_end = runner, on_end
        self._parts: tuple[Deliveries, Dispatcher] | None = None
        """In the order in which they are stopped."""

    @property
    def started(self) -> bool:
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
        self._parts = (deliveries, dispatcher)
        app.state.dispatcher = dispatcher
        app.state.readiness = Readiness(app.state)

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
        self._open -= collections.Counter([tenant])


def _answer(request: Request, error: ProblemError) -> Response:
    """A problem: as JSON for programs, as a page for people."""
    error.problem.instance = f"urn:strategic-minerals:request:{request.state.name}"
    found = error.problem
    if path_of(request.scope).startswith("/v1") or "text/html" not in request.headers.get("accept", ""):
        return Response(found.model_dump_json(exclude_none=True), found.status, error.headers, MEDIA_TYPE)
    answer = wrong(request, found)
    answer.headers.update(error.headers)
    return answer


async def _problem(request: Request, error: Any) -> Response:
    faulty = isinstance(error, FaultsError)
    return _answer(request, ProblemError("invalid", "", error.faults) if faulty else error)


async def _refused(request: Request, error: Any) -> Response:
    """What the store refuses; waiting helps, but for a quota of bytes."""
    wait = {"queue-full": QUEUE_RETRY_S, "quota": QUOTA_RETRY_S}.get(error.kind)
    headers = {} if wait is None else {"Retry-After": f"{wait:.0f}"}
    return _answer(request, ProblemError(error.kind, str(error), headers=headers))


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
        raise error
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
    found, waiting = list[Any](), list(routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            waiting += inner
        elif getattr(route, "methods", None):
            found.append(route)
    return found


# Metrics in Prometheus format, one registry per server; the instrumentator counts requests.
JOB_SECONDS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        name = "strategic_minerals_"
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

    def ended(self, job: Job, state: str, seconds: float) -> None:
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


class Readiness:
    """Looks at store, folder and queue, one look at a time. `state` is the application's."""

    def __init__(self, state: Any) -> None:
        self._state, self._lock = state, asyncio.Lock()
        self._checks: dict[str, str] = {}
        self._at = float("-inf")

    async def look(self) -> dict[str, str]:
        """Check -> `ok` or what was found."""
        async with self._lock:
            if time.monotonic() - self._at > FRESH_S:
                queue = self._state.dispatcher
                status = str(queue.trouble or "ok") if queue.alive else "not served"
                self._checks = {**await run_in_threadpool(self._written), "queue": status}
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


# The OpenAPI description: the framework's own, completed with bodies that are read elsewhere, statuses, headers and webhooks.
REF = "#/components/schemas/{model}"
SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Create one with `strategic-minerals token create OFFICE`.",
    }
}
OPEN = ("get_liveness", "get_readiness")
"""What anybody may ask."""
EXTRA = {
    **dict.fromkeys(("submit_job", "submit_upload"), "state key-reused storage"),
    **dict.fromkeys(("delete_job", "get_result", "get_table", "get_archive", "get_report"), "state"),
    "resume_job": "state storage",
}
"""Operation -> kinds of problems that no other signs tell."""
TEXT = {"schema": {"type": "string"}}
BYTES = {"schema": {"type": "string", "format": "binary"}}
CONTENTS: dict[str, dict[str, Any]] = {
    "stream_job_events": {"text/event-stream": {}},
    "get_table": {"text/csv": TEXT, "application/json": {}, "application/vnd.apache.parquet": BYTES},
    "get_archive": {"application/zip": BYTES},
    "get_report": {"text/html": TEXT},
}
"""Operation -> content of its good answer, where the framework does not know it."""
HEADERS = {
    "X-Request-Id": "Identifier of the request, as the logs name it.",
    "RateLimit": "How many more requests the token may send at once.",
    "RateLimit-Policy": "How many it may send in a minute.",
    "Location": "Where what was made is found.",
    "Retry-After": "Seconds after which it is worth asking again.",
}


def without_null_defaults(described: Any) -> Any:
    """A description in which what may be left out has no `default: null`: generated types would ask for it in every request."""
    if isinstance(described, dict):
        kept = {key: without_null_defaults(value) for key, value in described.items()}
        return {key: value for key, value in kept.items() if not (key == "default" and value is None)}
    return [without_null_defaults(each) for each in described] if isinstance(described, list) else described


def describe(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The description, made once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            description=app.description,
            routes=app.routes,
            webhooks=app.webhooks.routes,
        )
        found["servers"] = [{"url": settings.public_url or settings.prefix or "/"}]
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        for name, model in (("JobRequest", JobRequest), ("Question", Question), ("Problem", Problem)):
            schema = TypeAdapter[Any](model).json_schema(ref_template=REF)
            schemas |= schema.pop("$defs", {})
            schemas[name] = schema
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        found["components"]["schemas"] = without_null_defaults(schemas)
        found["components"]["securitySchemes"] = SECURITY
        text = resources.files("strategic_minerals.service").joinpath("web_files", "examples.json").read_text("utf-8")
        examples = json.loads(text)
        for path, operations in found["paths"].items():
            for method, operation in operations.items():
                _complete(path, method, operation, examples)
        app.openapi_schema = found
    return app.openapi_schema


def _complete(path: str, method: str, operation: dict[str, Any], examples: dict[str, Any]) -> None:
    """Add to an operation what the framework does not know."""
    name = operation["operationId"]
    operation["summary"] = name.replace("_", " ").capitalize()
    guarded = name not in OPEN
    if guarded:
        operation["security"] = [{"token": []}]
    good = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    if name in CONTENTS:
        good["content"] = deepcopy(CONTENTS[name])
    made = [one for one in ("Location", "Retry-After") if name in ("submit_job", "submit_upload")]
    made += ["Location"] if name.startswith("keep_") else []
    shown = ["X-Request-Id", *(("RateLimit", "RateLimit-Policy") if guarded else ()), *made]
    good["headers"] = {one: {"description": HEADERS[one], "schema": {"type": "string"}} for one in shown}
    # a header that is sent twice is refused before anybody looks who asks
    kinds = [*EXTRA.get(name, "").split(), "internal", "unavailable", "not-started", "unauthenticated", "invalid"]
    kinds += ["forbidden", "rate"] if guarded else []
    kinds += ["not-found"] if "{" in path else []
    kinds += ["not-acceptable"] if path.startswith("/v1/") and method != "delete" else []
    kinds += ["malformed", "unsupported"] if method == "post" else []
    kinds += ["too-large", "not-found"] if "requestBody" in operation else []
    operation["responses"].pop("422", None)
    for status in sorted({KINDS[kind][0] for kind in kinds}):
        titles = dict.fromkeys(KINDS[kind][1] for kind in kinds if KINDS[kind][0] == status)
        answer = operation["responses"].setdefault(str(status), {"description": "; ".join(titles)})
        answer.setdefault("content", {})[MEDIA_TYPE] = {"schema": {"$ref": REF.format(model="Problem")}}
    if name in examples["requests"]:
        stated = {one: {"value": value} for one, value in examples["requests"][name].items()}
        for content in operation["requestBody"]["content"].values():
            content["examples"] = stated
    if name in examples["answers"]:
        answer = examples["answers"][name]
        contents = operation["responses"][answer["status"]].setdefault("content", {})
        contents.setdefault(answer["media"], {})["example"] = answer["example"]
