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

from ..core.errors import FORMAT

# Examples of the API's description: a request where an operation takes one, and an answer, for every operation.


JOB = "3f0c6b1e9d2a4c58b7e6f1a2d3c4b5a6"
OTHER = "0123456789abcdef0123456789abcdef"
AT = "2026-11-27T15:11:54.259000Z"
QUICK = {"shipped": "quickstart"}
OF = {"of": JOB}

STATUS: dict[str, Any] = {
    "id": JOB,
    "kind": "solve",
    "label": "budget 120",
    "state": "running",
    "submitted": AT,
    "started": AT,
    "ended": None,
    "stopping": False,
    "position": None,
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "progress": {
        "phase": "social cost",
        "seconds": 2.4,
        "incumbent_musd": -310.2,
        "bound_musd": -318.9,
        "gap": 0.027,
        "done": None,
        "of": None,
        "time_left_s": 3597.6,
    },
    "headline": None,
    "problem": None,
    "links": {"self": f"/v1/jobs/{JOB}", "events": f"/v1/jobs/{JOB}/events", "log": f"/v1/jobs/{JOB}/log"},
}
QUEUED = {**STATUS, "state": "queued", "started": None, "position": 1, "progress": None}
RESULT: dict[str, Any] = {
    "schema_version": FORMAT,
    "id": JOB,
    "kind": "frontier",
    "headline": "BUDGETS of 'quickstart': the portfolio switches at 0.41 times its budget.",
    "summary": "BUDGETS of 'quickstart': the portfolio switches at 0.41 times its budget.",
    "facts": {"gap": 0.001, "tolerance": 0.01, "tail_counts": False},
    "tables": {
        "points": {
            "rows": 1,
            "csv": f"/v1/jobs/{JOB}/tables/points",
            "columns": {"factor": "number", "worth_musd": "number"},
        }
    },
    "included": {"points": [{"factor": 1.0, "worth_musd": 318.9}]},
}
CHECKED = {
    "faults": [],
    "notes": ["gallium: price of a single quote"],
    "facts": 812,
    "estimates": 164,
    "columns_at_most": 18_240,
}
REQUESTS_OF_JOBS: Mapping[str, dict[str, Any]] = {
    "solve": {**QUICK, "gap": 0.001, "set": {"budget.appropriation_musd": 120}, "label": "budget 120"},
    "sweep": {**QUICK, "study": {"kind": "grid", "axes": {"budget.appropriation_musd": [10, 20]}}},
    "frontier": {**QUICK, "factors": [0.5, 1.0, 1.5]},
    "worth": {"shipped": "rare-earths", "fresh": 1000},
    "diagnose": {"shipped": "defence-base-case", "set": {"budget.appropriation_musd": 1}},
    "origins": QUICK,
    "controls": QUICK,
    "together": {"shipped": "allies"},
    "requirements": {"shipped": "stockpile-requirements-2013"},
    "deals": {"shipped": "rare-earths", "beliefs": False},
    "losses": QUICK,
    "scenarios": {"shipped": "rare-earths", "scenarios": 2000},
    "missing": {**QUICK, "estimates": 5},
    "stress": {**OF, "scenarios": 1000},
    "reverse": {**OF, "promises": ["gallium:civil:0.8"]},
    "explain": {**OF, "item": None},
    "alternatives": {**OF, "count": 3},
    "rules": OF,
    "simulate": {**OF, "paths": 50},
    "verify": OF,
    "roll": {**OF, "done": [{"kind": "stock", "item": "gallium", "amount": 12.5}]},
    "compare": {"of": [JOB, OTHER]},
    "discover": {**OF, "promise": "loss_musd <= 500"},
}
"""Kind -> the rest of a request of it."""

REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "submit_job": {kind: {"kind": kind, **rest} for kind, rest in REQUESTS_OF_JOBS.items()},
    "submit_upload": {
        "plan": {"plan": 'name = "own"\n...', "options": '{"kind": "solve", "gap": 0.01}'},
    },
    "check_question": {"shipped": {"shipped": "quickstart", "set": {"budget.appropriation_musd": 120}}},
}
"""Operation -> examples of its body by name."""

JSON = "application/json"
ANSWERS: Mapping[str, tuple[str, str, Any]] = {
    "get_liveness": ("200", JSON, {"status": "ok"}),
    "get_readiness": (
        "200",
        JSON,
        {"ready": True, "checks": {"store": "ok", "folder": "ok", "queue": "ok", "solver": "ok"}},
    ),
    "get_metrics": ("200", "text/plain", 'strategic_minerals_jobs{state="queued"} 3.0\n'),
    "submit_job": ("202", JSON, QUEUED),
    "submit_upload": ("202", JSON, QUEUED),
    "list_jobs": ("200", JSON, {"jobs": [STATUS], "next": None}),
    "get_job": ("200", JSON, STATUS),
    "stream_job_events": ("200", "text/event-stream", {"event": "status", "data": '{"id": "...", "state": "running"}'}),
    "get_webhook": (
        "200",
        JSON,
        {
            "host": "plans.example",
            "state": "sending",
            "tries": 2,
            "next": AT,
            "delivered": None,
            "said": "status 503",
        },
    ),
    "cancel_job": ("200", JSON, {**STATUS, "stopping": True}),
    "resume_job": ("200", JSON, QUEUED),
    "check_question": ("200", JSON, CHECKED),
    "list_plans": ("200", JSON, {"quickstart": "Gallium, germanium and antimony"}),
    "get_plan": ("200", JSON, {"name": "quickstart", "price_year": 2024, "materials": ["gallium"]}),
    "list_schemas": ("200", JSON, ["plan", "materials", "prices"]),
    "get_schema": ("200", JSON, {"title": "Plan", "type": "object", "properties": {"name": {"type": "string"}}}),
    "list_audit_log": (
        "200",
        JSON,
        [
            {
                "at": 1795792314.3,
                "tenant": "my-office",
                "token": "a1b2c3d4e5f6",
                "address": "192.0.2.7",
                "action": "submit solve",
                "job": JOB,
            }
        ],
    ),
    "get_result": ("200", JSON, RESULT),
    "get_table": ("200", "text/csv", "factor,worth_musd\n1.0,318.9\n"),
    "get_archive": ("200", "application/zip", "(a ZIP: manifest.json, plan.json, results/*.csv and so on)"),
    "get_report": ("200", "text/html", "<!doctype html><title>quickstart</title>..."),
    "get_log": ("200", "text/plain", "2026-11-27T15:11:54Z reading\n2026-11-27T15:11:58Z ended: succeeded\n"),
}
"""Operation -> (status, media type, example) of an answer; `delete_job` has none."""


def put_in(operation: dict[str, Any]) -> None:
    """Put the examples of an operation into its description."""
    name = operation["operationId"]
    if name in REQUESTS:
        for content in operation["requestBody"]["content"].values():
            content["examples"] = {one: {"value": value} for one, value in REQUESTS[name].items()}
    if name in ANSWERS:
        status, media, value = ANSWERS[name]
        operation["responses"][status].setdefault("content", {}).setdefault(media, {})["example"] = value


ENDED = ("succeeded", "failed", "cancelled", "interrupted")
PAUSE_S = 1.0
TRIES = 5


class _NoRedirect(urllib.request.HTTPRedirectHandler):  # never send the token to another server
    def redirect_request(self, *_: Any) -> None: ...


class ServiceError(Exception):
    """The service refused; `problem` holds its problem details (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        faults = "; ".join(
            f"{f['column']}: found {f['found']}, expected {f['expected']}" for f in problem.get("faults", [])
        )
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
