"""Connections of the HTTP server: how many each address may hold, and how long each may keep the server waiting.

A connection waits for its caller until a request's header has come whole, and while its body comes. It has a time limit for the
header that no trickle puts off, the body has one of its own (`gate.Gate`), and so has an answer that is not taken. Where there
are too many, of one address or in all, the one that has kept the server waiting longest makes room for the new one; where all are
being answered, the new one is turned away after a moment. So sockets that say nothing cost others nothing.
"""

from __future__ import annotations

import asyncio
import json
import select
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .requests import MEDIA_TYPE, problem

MOST_HEADER_BYTES = 32 * 1024
MOST_HEADERS = 100
KNOCKS, KNOCK_S = 5, 0.02
"""How often, and after how many seconds each time, a connection asks for room before it is turned away."""
REFUSED_S, REFUSED_BYTES = 1.0, 1 << 20
"""Seconds for a caller to read that its request was refused, and to close; what it may send meanwhile, which nobody looks at."""
FREE_PIECES, BYTES_OF_PIECE = 1000, 256
"""A chunked body may come in so many pieces, and one more for every so many bytes: smaller ones cost more than they bring."""


@dataclass(frozen=True)
class Bounds:
    """Limits of connections: how many, in all and of one address; seconds for a header to come, and for an answer to be taken."""

    most: int
    most_of_address: int
    header_s: float
    answer_s: float


class Connections:
    """Open connections by address."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._open: dict[str, dict[Connection, None]] = {}
        self._count = 0

    def enter(self, one: Connection) -> bool:
        """Whether there is room for one more; another one that only waits may have to go for it."""
        mine = self._open.get(one.address, {})
        if len(mine) >= self.bounds.most_of_address and not self._evict(mine):
            return False
        if self._count >= self.bounds.most and not self._evict(other for each in self._open.values() for other in each):
            return False
        self._open.setdefault(one.address, {})[one] = None
        self._count += 1
        return True

    def leave(self, one: Connection) -> None:
        """One less."""
        mine = self._open.get(one.address, {})
        if one in mine:
            del mine[one]
            self._count -= 1
            if not mine:
                del self._open[one.address]

    def _evict(self, among: Iterable[Connection]) -> bool:
        """Close the one that has waited longest for its caller; whether there was one. What a caller has sent and nobody has read
        yet is no silence: where many come at once, none is closed before it could be heard."""
        waiting = sorted((one for one in among if one.waits), key=lambda one: (one.receiving, one.since))
        longest = next((one for one in waiting if one.silent), None)
        if longest is None:
            return False
        self.leave(longest)
        longest.cut()
        return True


class Pieces(h11.Connection):
    """The state of a connection, which also counts the pieces of a body and the headers of a request."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, MOST_HEADER_BYTES)
        self._pieces = self._bytes = 0

    def next_event(self) -> Any:
        """The next event. Raises h11.RemoteProtocolError for what costs more than it brings."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = self._bytes = 0
            names = [name for name, _ in event.headers]
            size = len(event.target) + sum(len(name) + len(value) for name, value in event.headers)
            if len(names) > MOST_HEADERS or size > MOST_HEADER_BYTES:
                raise h11.RemoteProtocolError("too many or too large headers", 431)
            if (
                b"transfer-encoding" in names and b"content-length" in names
            ):  # a proxy in front may interpret it differently
                raise h11.RemoteProtocolError("a body with two lengths", 400)
        elif isinstance(event, h11.Data):
            self._pieces, self._bytes = self._pieces + 1, self._bytes + len(event.data)
            if self._pieces > FREE_PIECES + self._bytes / BYTES_OF_PIECE:
                raise h11.RemoteProtocolError("a body in pieces that are too small", 400)
        return event


class Connection(H11Protocol):
    """One connection, within limits."""

    def __init__(self, *given: Any, connections: Connections, **named: Any) -> None:
        super().__init__(*given, **named)
        self.conn = Pieces()
        self.address = ""
        self.since = 0.0
        """When it began to wait for its caller [s of the loop]."""
        self._all = connections
        self._late: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None
        self._refused = False
        """Whether an answer has refused the data as no valid request: further data is ignored."""
        self._unheard = 0
        """Bytes that came afterwards."""

    @property
    def _busy(self) -> bool:
        """Whether there is a request that has no whole answer yet."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def receiving(self) -> bool:
        """Whether a request's header has come, and its body has not."""
        return self._busy and self.cycle.more_body

    @property
    def waits(self) -> bool:
        """Whether it is the caller's turn."""
        return not self._busy or self.receiving

    @property
    def silent(self) -> bool:
        """Whether nothing of it waits to be read."""
        handle = self.transport.get_extra_info("socket").fileno()
        if handle < 0 or not hasattr(select, "poll"):
            return True
        look = select.poll()
        look.register(handle, select.POLLIN)
        return not look.poll(0)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, or turn it away."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if self._all.enter(self):
            self._wait()
        else:  # of those that are in, some may only look busy: what they sent has not been read yet
            transport.pause_reading()
            self.loop.call_later(KNOCK_S, self._knock, KNOCKS)

    def _knock(self, left: int) -> None:
        """Ask for room again, now that what others sent is read; be turned away where there is none after so many times."""
        if self.transport.is_closing():
            return
        if self._all.enter(self):
            self.transport.resume_reading()
            self._wait()
        elif left:
            self.loop.call_later(KNOCK_S, self._knock, left - 1)
        else:
            self._say(503, "The service has too many connections.", {"Retry-After": "5"})
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing of it is left."""
        self._all.leave(self)
        _off(self._late)
        _off(self._untaken)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """What came: it puts off no limit, but what begins a request ends the wait for it."""
        if self.transport.is_closing():
            return
        if self._refused:
            self._unheard += len(data)
            if self._unheard > REFUSED_BYTES:
                self.cut()
            return
        super().data_received(data)
        self._wait()

    def on_response_complete(self) -> None:
        """An answer is out: from here on the next request is waited for."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        """Begin to count the time until a request has come, or stop counting where one is being answered."""
        if self._refused:
            return
        loop = self.loop
        if self._busy:
            if self._late is not None:
                self.since = loop.time()
            _off(self._late)
            self._late = None
        elif self._late is None and not self.transport.is_closing():
            self.since = loop.time()
            spare = 0.0 if self.cycle is None else self.timeout_keep_alive  # between two requests it may rest
            self._late = loop.call_later(self._all.bounds.header_s + spare, self._too_late)

    def _too_late(self) -> None:
        if self.cycle is None:
            self._say(408, "The header of the request did not arrive in time.", {})
        self.cut()

    def cut(self) -> None:
        """Close it, whatever is on its way; the last answer is sent where the system takes it at once."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """The caller does not take its answer: not for ever."""
        super().pause_writing()
        if self._untaken is None:
            self._untaken = self.loop.call_later(self._all.bounds.answer_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It takes it."""
        super().resume_writing()
        _off(self._untaken)
        self._untaken = None

    def eof_received(self) -> None:
        """The caller has ended its side: a body that has not come whole will not come any more."""
        if self.receiving:
            self._refuse("The body ended before it had the stated length.")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or too much of it."""
        if self._busy:
            self._refuse("The chunks of the body are not valid HTTP, or too small.")
        else:
            self._refuse("The request is not valid HTTP, or its header is too large.")

    def _refuse(self, detail: str) -> None:
        """Answer 400 where no other answer has begun, send nothing else, and close when the caller has had time to read."""
        if self.transport.is_closing() or self._refused:
            return
        if self._busy and self.cycle.response_started:
            self.transport.close()
            return
        self._refused = True
        if self._busy or self.cycle is None or not self.cycle.more_body:  # else the request has had its answer
            self._say(400, detail, {})
        if self._busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        _off(self._late)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._late = self.loop.call_later(
            REFUSED_S, self.cut
        )  # closed with something unread, it would take the answer back

    def _say(self, status: int, detail: str, headers: dict[str, str]) -> None:
        """An answer that comes from no application: the problem, and that the connection ends."""
        kind = {400: "malformed", 408: "late", 503: "unavailable"}[status]
        body = json.dumps(problem(kind, detail).model_dump(exclude_none=True)).encode()
        given = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        if not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 {status} \r\n{lines}\r\n".encode() + body)


def _off(timer: asyncio.TimerHandle | None) -> None:
    """Stop a timer, where there is one."""
    if timer is not None:
        timer.cancel()
