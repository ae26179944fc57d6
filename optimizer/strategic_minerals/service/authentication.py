"""Authentication: tokens, scopes and rate limits of callers."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request

from ..core.errors import Fault, PlanError, near_miss
from .entities import SCOPES, Scope, Token
from .problem_details import ProblemError
from .store import Store
from .wording import place, spelt

PREFIX = "sm_"
"""Prefix of tokens, so that secret scanners recognise them."""
COOKIE = "strategic_minerals"
FAILURES_PER_MINUTE = 30
"""Wrong tokens from one address before it must wait."""
MOST_BUCKETS = 10_000
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def new_token(tenant: str, scopes: tuple[Scope, ...], note: str = "") -> tuple[str, Token, str]:
    """(the token, to be shown once; what is kept of it; its hash). 256 random bits: no salt is needed."""
    text = f"{PREFIX}{secrets.token_urlsafe(32)}"
    return text, Token(secrets.token_hex(6), tenant, scopes, time.time(), None, note), digest_of(text)


def digest_of(text: str) -> str:
    """The hash under which a token is stored: reading the database does not reveal the token."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    tenant: str
    token: str
    scopes: tuple[Scope, ...]
    address: str

    def may(self, scope: Scope) -> bool:
        """Whether a scope is held."""
        return scope in self.scopes or "admin" in self.scopes


class Rates:
    """Rate limit per name and minute: a token bucket."""

    def __init__(self, per_minute: int) -> None:
        self._most, self._buckets, self._lock = per_minute, dict[str, tuple[float, float]](), threading.Lock()

    def take(self, name: str) -> float:
        """Seconds to wait; 0 where one may."""
        now = time.monotonic()
        with self._lock:
            if (
                len(self._buckets) >= MOST_BUCKETS
            ):  # those that are full again say nothing; of others the older half is forgiven
                fresh = {key: held for key, held in self._buckets.items() if now - held[1] < 60.0}
                self._buckets = dict(list(fresh.items())[-MOST_BUCKETS // 2 :])
            left, since = self._buckets.get(name, (float(self._most), now))
            left = min(float(self._most), left + (now - since) * self._most / 60.0)
            if left < 1.0:
                self._buckets[name] = (left, now)
                return (1.0 - left) * 60.0 / self._most
            self._buckets[name] = (left - 1.0, now)
            return 0.0


class Guard:
    """Knows callers by their tokens."""

    def __init__(self, store: Store, *, open_on_loopback: bool, requests_per_minute: int, public_url: str = "") -> None:
        self._store, self._open, self._public = store, open_on_loopback, urlsplit(public_url).netloc
        self._rates, self._failures = Rates(requests_per_minute), Rates(FAILURES_PER_MINUTE)

    def caller(self, request: Request) -> Caller:
        """Who asks, within their rate. Raises ProblemError."""
        address = request.client.host if request.client is not None else ""
        text = _bearer(request)
        if text is None and request.method not in SAFE_METHODS:
            self.same_origin(request)
        if self._open:
            if _parts(f"//{request.headers.get('host', '')}")[0] not in LOOPBACK_NAMES:
                raise ProblemError(
                    "forbidden",
                    "Without tokens the service accepts only requests addressed to this machine's own name.",
                )
            found = Caller("local", "local", SCOPES, address)
        else:
            found = self._known(request, text or request.cookies.get(COOKIE), address)
        if (wait := self._rates.take(found.token)) > 0:
            raise busy("This token has made too many requests in a minute.", wait)
        return found

    def still(self, caller: Caller) -> bool:
        """Whether a caller, known before, still is one."""
        return self._open or self._store.in_force(caller.token)

    def same_origin(self, request: Request) -> None:
        """A browser that sends a form or a cookie must have been sent by a page of ours. Raises ProblemError."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        ours = {request.headers.get("host", ""), self._public} - {""}
        if site not in (None, "same-origin", "none") or (origin is not None and _parts(origin)[1] not in ours):
            raise ProblemError("forbidden", "The request comes from another site, or from a page without an origin.")

    def failed(self, request: Request) -> None:
        """A wrong token was sent. Raises ProblemError where that happened too often."""
        address = request.client.host if request.client is not None else ""
        if (wait := self._failures.take(address)) > 0:
            raise busy("Too many wrong tokens from this address.", wait)

    def _known(self, request: Request, text: str | None, address: str) -> Caller:
        challenge = {"WWW-Authenticate": 'Bearer realm="strategic-minerals"'}
        other = request.headers.get("authorization", "").strip()
        if text is None or (other and _bearer(request) is None):  # what else it says is not passed over for a cookie
            raise ProblemError("unauthenticated", "Send a token: `Authorization: Bearer <token>`.", headers=challenge)
        token = self._store.token(digest_of(text))
        if token is None:
            self.failed(request)
            raise ProblemError("unauthenticated", "The token is unknown or was revoked.", headers=challenge)
        return Caller(token.tenant, token.id, token.scopes, address)


def needs(scope: Scope) -> Callable[[Request], Caller]:
    """A dependency: the caller, who holds a scope."""

    def found(request: Request) -> Caller:
        guard: Guard = request.app.state.guard
        caller: Caller = getattr(request.state, "caller", None) or guard.caller(request)
        request.state.caller = caller  # the log says whose request it was
        if not caller.may(scope):
            raise ProblemError(
                "forbidden", f"The token has the scopes {', '.join(caller.scopes)}; this request needs {scope}."
            )
        if request.url.path.startswith("/v1/"):
            known_query(request)
        return caller

    return found


def known_query(request: Request) -> None:
    """Check that each query parameter is known and occurs once. Raises PlanError."""
    route = request.scope.get("route")
    fields = {} if route is None else {one.alias: one.field_info.annotation for one in route.dependant.query_params}
    faults = []
    for name, value in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in fields:
            expected = "a known parameter" + (near_miss(name[:100], fields) or f": {', '.join(fields) or 'none'}")
            faults.append(Fault("query", "", place([name]), spelt(name), expected))
        elif value > 1 and "list[" not in str(fields[name]):
            faults.append(Fault("query", "", name, f"{value} values", "one value"))
    if faults:
        raise PlanError(faults)


def busy(detail: str, wait_s: float) -> ProblemError:
    """Too many requests; try again after the given time."""
    return ProblemError("busy", detail, headers={"Retry-After": str(max(1, round(wait_s + 0.5)))})


def _bearer(request: Request) -> str | None:
    kind, _, text = request.headers.get("authorization", "").strip().partition(" ")
    return text.strip() if kind.lower() == "bearer" and text.strip() else None


def _parts(address: str) -> tuple[str | None, str]:
    """(host's name, host as it is written) of an address; (None, "") of what is none."""
    try:
        found = urlsplit(address)
        return found.hostname, found.netloc
    except ValueError:
        return None, ""
