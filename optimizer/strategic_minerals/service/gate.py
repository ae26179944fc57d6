"""Gate for all requests: bodies are bounded, HEAD is GET without a body, each answer has security headers and a line in the log."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import HTTPException, Request

from ..core.errors import Fault
from ..core.logs import about, logger_of
from .requests import ProblemError, path_of, request_id

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
MOST_PARAMETERS = 200
"""Of a query."""
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
ONCE = ("authorization", "content-type", "idempotency-key")
"""Headers that mean two things where they stand twice."""
RATE_POLICY = '"token";q={};w=60'


class BodyError(HTTPException):
    """A body that is too large, in words of ours: the framework lets no other error through."""


class Gate:
    """ASGI middleware.

    prefix: path under which the service stands, where no application mounts it. most_bytes: of a body. doors: methods by path, of
    routes that are named whole: no other route's pattern stands for them. started: whether the background work runs. refuse: makes
    an answer of a problem.
    """

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
        scope["state"] = {**scope.get("state", {}), "name": name, "begin": begin}
        sent = {**HEADERS, "X-Request-Id": name}
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
                # logged here, where request and tenant are known; the answer reveals nothing about this machine
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
        if scope["query_string"].count(b"&") >= MOST_PARAMETERS:
            fault = Fault("query", "", "", "too many parameters", f"at most {MOST_PARAMETERS}")
            return ProblemError("invalid", "", [fault])
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
    """405, with what is allowed."""
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
