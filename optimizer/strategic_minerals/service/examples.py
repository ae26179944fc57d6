"""Examples of the API's description: a request where an operation takes one, and an answer, for every operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    "schema_version": 1,
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
    "decide": {"shipped": "rare-earths", "samples": 10, "scenarios": 200},
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
    "backtest": {"shipped": "backtest-2022"},
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
