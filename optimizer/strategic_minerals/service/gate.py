"""Gate for all requests: no body is read before the caller is known, nor one that is too large, too slow or compressed;
unsupported methods are refused with those allowed; every response has security headers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from ..core.errors import Fault
from ..core.logs import about, logger_of
from .authentication import SAFE_METHODS, Guard, busy
from .job_folder import StoreError
from .requests import ProblemError, trace_of

logger = logger_of(__name__)

QUIET = ("/healthz", "/readyz", "/metrics", "/static/{name}")
"""Routes that are asked again and again."""
OPEN_FORMS = ("/login", "/logout")
MOST_OPEN_FORM_BYTES = 10_000
"""Of what anybody may send."""
MOST_FORM_BYTES = 1024 * 1024
"""Of a form that holds no file: reading one costs more than reading JSON."""
MOST_PARAMETERS = 200
"""Of a query."""
PART_BYTES = 16 * 1024
"""What of a form is handed on at once: the framework reads forms where everybody waits."""

CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SENT_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


UNSAFE_CONDITIONS = ("if-match", "if-unmodified-since")
"""What asks to change something only where it is as the caller knows it."""
ONCE = ("authorization", "content-type", "idempotency-key")
"""Headers that mean two things where they stand twice."""
IGNORED = (b"range", b"if-range")
"""Answers are sent whole."""


class BodyError(HTTPException):
    """A body that is too large, too slow, or one too many, in words of ours."""


@dataclass(frozen=True)
class BodyBounds:
    """Limits of bodies: bytes of one, bytes of all that are being read, seconds for one to come."""

    most_bytes: int
    most_held_bytes: int
    seconds: float


class Gate:
    """ASGI middleware. `routes`: all of the application; `observe` counts every answer, `refuse` makes one of a problem."""

    def __init__(
        self,
        app: Any,
        guard: Guard,
        bodies: BodyBounds,
        routes: list[Any],
        observe: Callable[[str, str, int, float], None],
        refuse: Callable[[Request, ProblemError | StoreError], Any],
    ) -> None:
        self._app, self._guard, self._bodies, self._routes = app, guard, bodies, routes
        self._observe, self._refuse = observe, refuse
        self._held = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "headers": [header for header in scope["headers"] if header[0] not in IGNORED]}
        begin, status = time.perf_counter(), [500]
        asked = Request(scope).headers
        trace = trace_of(asked, asked.getlist("tracestate"))
        scope["state"] = {**scope.get("state", {}), "trace": trace}
        named = {"X-Request-Id": trace.request, **trace.onward()}
        sent = [*SENT_HEADERS, *((name.lower().encode(), value.encode()) for name, value in named.items())]

        begun = False

        async def with_headers(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                status[0] = message["status"]
                given = {name.lower() for name, _ in message.get("headers", [])}
                extra = [header for header in sent if header[0] not in given]
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        body = _Body(self, scope, receive)
        with about(request=trace.request, trace=trace.id):
            try:
                await self._answer(scope, body, with_headers)
            except Exception:
                # logged here, where request and tenant are known; the answer reveals nothing about this machine
                with about(**_whose(scope)):
                    logger.exception("%s %s failed", scope["method"], scope["path"])
                if begun:
                    raise
                problem = ProblemError("internal", "The server's log has the details.")
                await self._refuse(Request(scope), problem)(scope, body.receive, with_headers)
            finally:
                self._held -= body.held
                route = getattr(scope.get("route"), "path", "") or route_at(self._routes, scope) or "other"
                seconds = time.perf_counter() - begin
                self._observe(scope["method"], route, status[0], seconds)
                _log(scope, route, status[0], seconds)

    async def _answer(self, scope: Any, body: _Body, send: Any) -> None:
        """Let a request in, or refuse it."""
        request = Request(scope)
        try:
            self._look(scope, request)
            if scope["method"] not in SAFE_METHODS and scope["path"] not in OPEN_FORMS:
                scope["state"]["caller"] = await run_in_threadpool(self._guard.caller, request)
        except (ProblemError, StoreError) as error:
            await self._refuse(request, error)(scope, body.receive, send)
            return
        await self._app(scope, body.receive, send)

    def _look(self, scope: Any, request: Request) -> None:
        """What can be refused by its header alone. Raises ProblemError."""
        there = methods_at(self._routes, scope)
        if there and scope["method"] not in there:
            done = ", ".join(there)
            raise ProblemError(
                "method", f"{scope['method']} is not allowed here; allowed: {done}.", headers={"Allow": done}
            )
        for name in ONCE:
            if len(request.headers.getlist(name)) > 1:
                raise ProblemError("malformed", "", [Fault("header", "", name, "the header twice", "each header once")])
        conditions = [name for name in UNSAFE_CONDITIONS if request.headers.get(name, "*").strip() != "*"]
        if conditions and scope["method"] not in SAFE_METHODS:
            raise ProblemError(
                "condition",
                "Nothing was changed: conditional requests are not supported, because jobs have no versions.",
                [Fault("header", "", conditions[0], "a conditional header", "a request without this header")],
            )
        if scope["query_string"].count(b"&") >= MOST_PARAMETERS:
            raise ProblemError("too-large", f"The query has more than {MOST_PARAMETERS} parameters.")
        packed = request.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("", "identity"):
            raise ProblemError(
                "unsupported",
                "Compressed bodies are not supported: send the body uncompressed.",
                headers={"Accept-Encoding": "identity"},
            )

    def most(self, scope: Any) -> int:
        """Bytes that a body may have."""
        if scope["path"] in OPEN_FORMS:
            return MOST_OPEN_FORM_BYTES
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        form = kind.lower().startswith(b"application/x-www-form-urlencoded")
        return min(MOST_FORM_BYTES, self._bodies.most_bytes) if form else self._bodies.most_bytes

    def hold(self, size: int) -> bool:
        """Take so many bytes into memory; whether there is room."""
        self._held += size
        return self._held <= self._bodies.most_held_bytes

    @property
    def patience_s(self) -> float:
        """Seconds for a body to come."""
        return self._bodies.seconds


class _Body:
    """A request's body on its way: counted, timed, and reported to the gate while it is held."""

    def __init__(self, gate: Gate, scope: Any, receive: Any) -> None:
        self._gate, self._receive, self._most = gate, receive, gate.most(scope)
        self._read, self._whole, self.held = 0, False, 0
        self._until: float | None = None
        self._rest: Any = None
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        self._form = kind.lower().startswith((b"multipart/", b"application/x-www-form-urlencoded"))
        stated = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if stated.isdigit() and int(stated[:20]) > self._most:
            self._read = self._most  # the first part that is read is one too many

    async def receive(self) -> Any:
        """The next part, of a form a small one. Raises BodyError (408, 413, 429): the framework lets no other error through."""
        message = self._rest or await self._next()
        self._rest = None
        body = message.get("body", b"") if self._form else b""
        if len(body) > PART_BYTES:
            self._rest = {**message, "body": body[PART_BYTES:]}
            message = {**message, "body": body[:PART_BYTES], "more_body": True}
            await asyncio.sleep(0)
        return message

    async def _next(self) -> Any:
        if self._whole:  # what comes now is that the caller hangs up
            return await self._receive()
        now = time.monotonic()
        self._until = now + self._gate.patience_s if self._until is None else self._until
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until - now))
        except TimeoutError:
            raise BodyError(408, "The body did not arrive in time.", {"Connection": "close"}) from None
        part = len(message.get("body", b""))
        self._read, self._whole = self._read + part, not message.get("more_body", False)
        if self._read > self._most:
            raise BodyError(413, f"The body is larger than {self._most:,} bytes.")
        self.held += part
        if not self._gate.hold(part):
            wait = busy("", 5.0)
            raise BodyError(
                429, "Too many request bodies are being read at the same time; try again later.", wait.headers
            )
        return message


def _whose(scope: Any) -> dict[str, str]:
    """Tenant and job of a request, as far as they are known."""
    caller = scope["state"].get("caller")
    job = scope["state"].get("job") or scope.get("path_params", {}).get("job_id", "")
    return {"tenant": "" if caller is None else caller.tenant, "job": job}


def _log(scope: Any, route: str, status: int, seconds: float) -> None:
    """A line for each request; those of load balancers and of collectors of metrics are for whoever looks closely."""
    level = logging.DEBUG if route in QUIET and status < 400 else logging.INFO
    facts = {"method": scope["method"], "route": route, "status": status, "seconds": round(seconds, 4)}
    with about(**_whose(scope)):
        logger.log(level, "%s %s %d", scope["method"], route, status, extra={"http": facts})


def route_at(routes: list[Any], scope: Any) -> str:
    """The route of a path that was refused before it was routed; one that a route names whole is no other route's. Empty: none."""
    found = [route.path for route in routes if route.path_regex.match(scope["path"])]
    return min(found, key=lambda path: "{" in path, default="")


def methods_at(routes: list[Any], scope: Any) -> list[str]:
    """Methods of the resource at a path, sorted; a path that a route names whole is no other route's. Empty: no resource."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for route in routes:
        if route.path_regex.match(scope["path"]):
            found["{" not in route.path] |= set(route.methods or ())
    return sorted(found[True] or found[False])


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
