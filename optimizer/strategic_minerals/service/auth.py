"""Who asks: tokens, scopes, rates of callers, and the turns in which their costly requests are served."""

import asyncio
import hashlib
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from ..core.errors import MOST_FAULTS, Fault, PlanError, near_miss
from .records import Scope, Token
from .requests import ProblemError, path_of, place, spelt
from .store import Store

PREFIX = "sm_"
"""Prefix of tokens, so that secret scanners recognise them."""
COOKIE = "strategic_minerals"
FAILURES_PER_MINUTE = 30
"""Wrong tokens from one address before it must wait."""
MOST_BUCKETS = 10_000
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
DAY_S = 86_400.0
TURN_S = 60.0
"""Seconds that a costly request may wait for others of its tenant."""


def new_token(
    tenant: str, scopes: tuple[Scope, ...], note: str = "", days: float | None = None
) -> tuple[str, Token, str]:
    """(the token, to be shown once; what is kept of it; its hash). 256 random bits: no salt is needed. days: until it expires."""
    text, now = f"{PREFIX}{secrets.token_urlsafe(32)}", time.time()
    expires = None if days is None else now + days * DAY_S
    return text, Token(secrets.token_hex(6), tenant, scopes, now, expires, None, note), digest_of(text)


def digest_of(text: str) -> str:
    """The hash under which a token is stored: reading the database does not reveal the token."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Caller:
    tenant: str
    token: str
    scopes: tuple[Scope, ...]
    address: str

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class Rates:
    """Rate limit per name and minute: a token bucket."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute, self._lock = per_minute, threading.Lock()
        self._buckets = dict[str, tuple[float, float]]()

    def take(self, name: str) -> tuple[float, float]:
        """(seconds to wait, 0 where one may; how many more may come at once)."""
        most, now = float(self.per_minute), time.monotonic()
        with self._lock:
            if len(self._buckets) >= MOST_BUCKETS:
                # full ones say nothing; of the others the older half is forgiven
                fresh = {key: held for key, held in self._buckets.items() if now - held[1] < 60.0}
                self._buckets = dict(list(fresh.items())[-MOST_BUCKETS // 2 :])
            left, since = self._buckets.get(name, (most, now))
            left = min(most, left + (now - since) * most / 60.0)
            taken = 1.0 if left >= 1.0 else 0.0
            self._buckets[name] = (left - taken, now)
            return (0.0, left - 1.0) if taken else ((1.0 - left) * 60.0 / most, 0.0)


class Guard:
    """Knows callers by their tokens."""

    def __init__(self, store: Store, requests_per_minute: int, public_url: str = "") -> None:
        self._store, self._public = store, urlsplit(public_url).netloc.lower()
        self._rates, self._failures = Rates(requests_per_minute), Rates(FAILURES_PER_MINUTE)

    def caller(self, request: Request) -> Caller:
        """Who asks, within their rate. Raises ProblemError."""
        address = address_of(request)
        text = _bearer(request)
        if text is None and request.method not in SAFE_METHODS:
            self.same_origin(request)
        found = self._known(request, text or request.cookies.get(COOKIE), address)
        self.take(request, found.token)
        return found

    def take(self, request: Request, token: str) -> None:
        """Count a request of a token. Raises ProblemError where there were too many."""
        wait, left = self._rates.take(token)
        request.state.rate = (self._rates.per_minute, int(left))
        if wait > 0:
            raise later("rate", "This token has made too many requests in a minute.", wait)

    def still(self, caller: Caller) -> bool:
        """Whether a caller, known before, still is one."""
        return self._store.in_force(caller.token)

    def same_origin(self, request: Request) -> None:
        """A browser that sends a form or a cookie must have been sent by a page of ours. Raises ProblemError."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        ours = {request.headers.get("host", ""), self._public} - {""}
        if site not in (None, "same-origin", "none") or (origin is not None and _host(origin) not in ours):
            raise ProblemError("forbidden", "The request comes from another site, or from a page without an origin.")

    def failed(self, request: Request) -> None:
        """A wrong token was sent. Raises ProblemError where that happened too often."""
        wait, _ = self._failures.take(address_of(request))
        if wait > 0:
            raise later("rate", "Too many wrong tokens from this address.", wait)

    def _known(self, request: Request, text: str | None, address: str) -> Caller:
        challenge = {"WWW-Authenticate": 'Bearer realm="strategic-minerals"'}
        other = request.headers.get("authorization", "").strip()
        if text is None or (other and _bearer(request) is None):  # what else it says is not passed over for a cookie
            raise ProblemError("unauthenticated", "Send a token: `Authorization: Bearer <token>`.", headers=challenge)
        token = self._store.token(digest_of(text))
        if token is None:
            self.failed(request)
            raise ProblemError(
                "unauthenticated", "The token is unknown, has expired or was revoked.", headers=challenge
            )
        return Caller(token.tenant, token.id, token.scopes, address)


def address_of(request: Request) -> str:
    """The caller's address: of a trusted proxy's header where there is one."""
    return request.client.host if request.client is not None else ""


def needs(scope: Scope) -> Callable[[Request], Caller]:
    """A dependency: the caller, who holds a scope."""

    def found(request: Request) -> Caller:
        known: Caller | None = getattr(request.state, "caller", None)
        caller = known or request.app.state.guard.caller(request)
        request.state.caller = caller  # the log says whose request it was
        if not caller.may(scope):
            scopes = ", ".join(caller.scopes)
            raise ProblemError("forbidden", f"The token has the scopes {scopes}; this request needs {scope}.")
        if path_of(request.scope).startswith("/v1/"):
            known_query(request)
        return caller

    return found


Reader = Annotated[Caller, Depends(needs("read"))]
Submitter = Annotated[Caller, Depends(needs("submit"))]
Admin = Annotated[Caller, Depends(needs("admin"))]


def known_query(request: Request) -> None:
    """Check that each query parameter is known and occurs once. Raises PlanError."""
    fields = {one.alias: one.field_info.annotation for one in request.scope["route"].dependant.query_params}
    faults = []
    for name, value in Counter(name for name, _ in request.query_params.multi_items()).most_common(MOST_FAULTS):
        if name not in fields:
            expected = "a known parameter" + (near_miss(name[:100], fields) or f": {', '.join(fields) or 'none'}")
            faults.append(Fault("query", "", place([name]), spelt(name), expected))
        elif value > 1 and "list[" not in str(fields[name]):
            faults.append(Fault("query", "", name, f"{value} values", "one value"))
    if faults:
        raise PlanError(faults)


def later(kind: str, detail: str, wait_s: float) -> ProblemError:
    """Too much of something; try again after the given time."""
    return ProblemError(kind, detail, headers={"Retry-After": str(max(1, round(wait_s + 0.5)))})


class Turns:
    """Costly requests: one of a tenant at a time and so many in all; tenants that wait are served in turn.

    For requests that may take more than about 50 ms: submitting, examining, reading uploads, reports, archives, large tables.
    Whoever sends many waits for the own ones alone. Used on the event loop only."""

    def __init__(self, most: int, waiting_of_tenant: int) -> None:
        self._most, self._most_waiting = most, waiting_of_tenant
        self._busy = set[str]()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._served, self._count = dict[str, int](), 0
        """When tenants that are not done yet last had their turn."""

    async def enter(self, tenant: str) -> None:
        """Wait for the tenant's turn. Raises ProblemError where too many wait, or for too long."""
        queue = self._waiting.setdefault(tenant, deque())
        self._served.setdefault(tenant, self._count)  # a new caller is behind those that wait
        if len(queue) >= self._most_waiting:
            raise later("turn", f"{len(queue)} of your requests that take long are waiting already.", 5.0)
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._next()
        try:
            await asyncio.wait_for(asyncio.shield(turn), TURN_S)
        except BaseException as error:
            if turn.done():
                self.leave(tenant)
            else:
                self._waiting[tenant].remove(turn)
            if isinstance(error, TimeoutError):
                whose = "Your other requests take" if tenant in self._busy else "Requests of others take"
                raise later("turn", f"{whose} too long.", TURN_S) from None
            raise

    def leave(self, tenant: str) -> None:
        """The request is done."""
        self._busy.discard(tenant)
        self._next()

    def _next(self) -> None:
        """Begin what may begin: the tenant that was served longest ago goes first."""
        for tenant in sorted(self._waiting, key=lambda one: self._served.get(one, 0)):
            queue = self._waiting[tenant]
            if queue and tenant not in self._busy and len(self._busy) < self._most:
                self._count += 1
                self._busy.add(tenant)
                self._served[tenant] = self._count
                queue.popleft().set_result(None)
            elif not queue and tenant not in self._busy:
                del self._waiting[tenant]
                self._served.pop(tenant, None)


async def _turn(request: Request) -> AsyncIterator[None]:
    turns: Turns = request.app.state.turns
    tenant = request.state.caller.tenant
    await turns.enter(tenant)
    try:
        yield
    finally:
        turns.leave(tenant)


Turn = Annotated[None, Depends(_turn, scope="function")]
"""A costly request's turn. It comes last among a route's parameters, for whoever waits has sent a whole body."""


def _bearer(request: Request) -> str | None:
    kind, _, text = request.headers.get("authorization", "").strip().partition(" ")
    return text.strip() if kind.lower() == "bearer" and text.strip() else None


def _host(address: str) -> str:
    """The host of an address, as it is written; nothing of what is none."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""
