"""A client of the service that needs only the standard library: submit, wait, fetch."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ENDED = ("succeeded", "failed", "cancelled", "interrupted")
PAUSE_S = 1.0
TRIES = 5


class _NoRedirect(urllib.request.HTTPRedirectHandler):  # never send the token to another server
    def redirect_request(self, *_: Any) -> None: ...


class ServiceError(Exception):
    """The service refused; `problem` holds its problem details (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        stated = (f"{f['column']}: found {f['found']}, expected {f['expected']}" for f in problem.get("faults", []))
        faults = "; ".join(stated)
        super().__init__(f"{status} {problem.get('title', '')} {problem.get('detail', '')} {faults}".strip())


class Client:
    """One caller of one service. Raises ServiceError, and OSError where there is no service."""

    def __init__(self, address: str, token: str = "", timeout_s: float = 60.0) -> None:
        self._address, self._timeout = address.rstrip("/"), timeout_s
        self._open = urllib.request.build_opener(_NoRedirect).open
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def submit(self, kind: str, *, key: str | None = None, **request: Any) -> str:
        """Submit a job (`solve`, `frontier` and others with `plan`, `plan_toml` or `shipped`; `stress`, `roll` and others with
        `of`, the identifier of a solved plan); its identifier.

        key: an idempotency key; with one, a request whose answer was lost may be sent again.
        """
        extra = {} if key is None else {"Idempotency-Key": key}
        return str(json.loads(self._ask("POST", "/v1/jobs", {"kind": kind, **request}, extra))["id"])

    def status(self, job: str) -> dict[str, Any]:
        """Status of a job: state, progress, problem."""
        return dict(json.loads(self._ask("GET", f"/v1/jobs/{job}")))

    def wait(self, job: str, on_progress: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Wait for the end of a job; its status."""
        while True:
            found = self.status(job)
            if on_progress is not None:
                on_progress(found)
            if found["state"] in ENDED:
                return found
            time.sleep(PAUSE_S)

    def result(self, job: str, *tables: str) -> dict[str, Any]:
        """Headline, figures and text, and the named tables as records under `included`."""
        query = urllib.parse.urlencode([("include", name) for name in tables])
        return dict(json.loads(self._ask("GET", f"/v1/jobs/{job}/result?{query}")))

    def download(self, job: str, what: str, file: str | Path) -> Path:
        """Write the `report` (a page), the `archive` (the run folder as a ZIP), the `log`, or `tables/<name>` (CSV)."""
        Path(file).write_bytes(self._ask("GET", f"/v1/jobs/{job}/{what}"))
        return Path(file)

    def cancel(self, job: str) -> dict[str, Any]:
        """Stop a job."""
        return dict(json.loads(self._ask("POST", f"/v1/jobs/{job}/cancel")))

    def delete(self, job: str) -> None:
        """Delete an ended job with all its files."""
        self._ask("DELETE", f"/v1/jobs/{job}")

    def _ask(self, method: str, path: str, body: Any = None, extra: Mapping[str, str] | None = None) -> bytes:
        """Send a request; repeat it later if the service asks for that."""
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        headers = {**self._headers, **(extra or {}), **({} if data is None else {"Content-Type": "application/json"})}
        for attempt in range(1, TRIES + 1):
            request = urllib.request.Request(self._address + path, data, headers, method=method)
            try:
                with self._open(request, timeout=self._timeout) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                if error.code != 429 or attempt == TRIES:
                    raise ServiceError(error.code, _problem(error.read())) from None
                time.sleep(float(error.headers.get("Retry-After", 1)))
        raise AssertionError


def _problem(content: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(content))
    except ValueError:
        return {"title": content[:200].decode(errors="replace")}
