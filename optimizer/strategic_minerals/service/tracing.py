"""Trace context of requests (W3C `traceparent` and `tracestate`) and their own identifiers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
LONGEST_STATE = 512
"""Characters of `tracestate` that are passed on; a longer one is dropped, as the standard allows."""


@dataclass(frozen=True)
class Trace:
    """What a request is part of: the trace as its caller sent it, and an identifier of the request."""

    request: str = ""
    parent: str = ""
    """`traceparent`; empty: none, or one that is not valid."""
    state: str = ""
    """`tracestate`; empty without a parent."""

    @property
    def id(self) -> str:
        """The identifier of the trace; empty where there is none."""
        return self.parent.split("-")[1] if self.parent else ""

    def onward(self) -> dict[str, str]:
        """Headers for a request or an answer of ours: the same trace, a span of our own."""
        if not self.parent:
            return {}
        version, trace, _, flags = self.parent.split("-")[:4]
        del version
        headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-{flags}"}
        return {**headers, "tracestate": self.state} if self.state else headers


def trace_of(headers: Mapping[str, str], states: list[str]) -> Trace:
    """The trace that a request states. states: all its headers `tracestate`, in order."""
    given = headers.get("x-request-id", "")
    request = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    parent = headers.get("traceparent", "").strip()
    found = PARENT.fullmatch(parent)
    if found is None or found[1] == "ff" or not int(found[2], 16) or not int(found[3], 16):
        return Trace(request)
    if found[1] == "00" and found[5]:  # this version has four parts
        return Trace(request)
    state = ",".join(states).strip()
    fits = len(state) <= LONGEST_STATE and state.isascii() and state.isprintable()
    return Trace(request, f"00-{found[2]}-{found[3]}-{found[4]}", state if fits else "")
