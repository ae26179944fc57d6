"""The OpenAPI description: the framework's own, completed with bodies that are read elsewhere, statuses, headers and webhooks."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from .requests import KINDS, MEDIA_TYPE, JobRequest, JobStatus, Problem, Question
from .settings import Settings

REF = "#/components/schemas/{model}"
SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Create one with `strategic-minerals token create OFFICE`.",
    },
}
OPEN = ("get_liveness", "get_readiness")
"""What anybody may ask."""
EXTRA = {
    "submit_job": "state key-reused storage",
    "submit_upload": "state key-reused storage",
    "resume_job": "state storage",
    "delete_job": "state",
    "get_result": "state",
    "get_table": "state",
    "get_archive": "state",
    "get_report": "state",
}
"""Operation -> kinds of problems that no other signs tell."""
TEXT = {"schema": {"type": "string"}}
BYTES = {"schema": {"type": "string", "format": "binary"}}
EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"const": "status"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": REF.format(model="JobStatus")},
        },
    },
}
CONTENTS: dict[str, dict[str, Any]] = {
    "stream_job_events": {"text/event-stream": {"itemSchema": EVENT}},
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
EVENT_OF_JOB = {
    "type": "object",
    "required": ["type", "timestamp", "tenant", "data"],
    "properties": {
        "type": {"const": "job.ended"},
        "timestamp": {"type": "string", "format": "date-time"},
        "tenant": {"type": "string"},
        "data": {"$ref": REF.format(model="JobStatus")},
    },
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
        )
        found["servers"] = [{"url": settings.public_url or settings.prefix or "/"}]
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        bodies: dict[str, TypeAdapter[Any]] = {
            "JobRequest": TypeAdapter(JobRequest),
            "Question": TypeAdapter(Question),
            "Problem": TypeAdapter(Problem),
            "JobStatus": TypeAdapter(JobStatus),
        }
        for name, adapter in bodies.items():
            schema = adapter.json_schema(ref_template=REF)
            schemas |= schema.pop("$defs", {})
            schemas[name] = schema
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        found["components"]["schemas"] = without_null_defaults(schemas)
        needs_token = not settings.open_on_loopback
        if needs_token:
            found["components"]["securitySchemes"] = SECURITY
        text = resources.files("strategic_minerals.service").joinpath("web_files", "examples.json").read_text("utf-8")
        examples = json.loads(text)
        for path, operations in found["paths"].items():
            for method, operation in operations.items():
                _complete(path, method, operation, examples, needs_token=needs_token)
        found["webhooks"] = {"job.ended": {"post": _webhook()}}
        app.openapi_schema = found
    return app.openapi_schema


def _complete(
    path: str, method: str, operation: dict[str, Any], examples: dict[str, Any], *, needs_token: bool
) -> None:
    """Add to an operation what the framework does not know."""
    name = operation["operationId"]
    operation["summary"] = name.replace("_", " ").capitalize()
    guarded = name not in OPEN
    if needs_token and guarded:
        operation["security"] = [{"token": []}]
    good = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
    if name in CONTENTS:
        good["content"] = CONTENTS[name]
    made = [one for one in ("Location", "Retry-After") if name in ("submit_job", "submit_upload")]
    made += ["Location"] if name.startswith("keep_") else []
    shown = ["X-Request-Id", *(("RateLimit", "RateLimit-Policy") if guarded else ()), *made]
    good["headers"] = {one: {"description": HEADERS[one], "schema": {"type": "string"}} for one in shown}
    kinds = [*EXTRA.get(name, "").split(), "internal", "unavailable"]
    kinds += ["unauthenticated", "forbidden", "rate"] if guarded else []
    kinds += ["not-found"] if "{" in path else []
    kinds += ["not-acceptable"] if path.startswith("/v1/") and method != "delete" else []
    kinds += ["invalid"] if guarded else []
    if "requestBody" in operation:
        kinds += ["malformed", "too-large", "unsupported", "not-found"]
    operation["responses"].pop("422", None)
    for status in sorted({KINDS[kind][0] for kind in kinds}):
        titles = dict.fromkeys(KINDS[kind][1] for kind in kinds if KINDS[kind][0] == status)
        content = {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}
        operation["responses"].setdefault(str(status), {"description": "; ".join(titles), "content": content})
    if name in examples["requests"]:
        stated = {one: {"value": value} for one, value in examples["requests"][name].items()}
        for content in operation["requestBody"]["content"].values():
            content["examples"] = stated
    if name in examples["answers"]:
        answer = examples["answers"][name]
        contents = operation["responses"][answer["status"]].setdefault("content", {})
        contents.setdefault(answer["media"], {})["example"] = answer["example"]


def _webhook() -> dict[str, Any]:
    """What is sent at the end of a job that named a webhook."""
    signed = {
        "webhook-id": "The same for every try of one end of a job.",
        "webhook-timestamp": "Seconds since 1970, UTC.",
        "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` (Standard Webhooks).",
    }
    parameters = [
        {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in signed.items()
    ]
    return {
        "operationId": "job_ended",
        "summary": "A job has ended",
        "parameters": parameters,
        "requestBody": {"content": {"application/json": {"schema": EVENT_OF_JOB}}},
        "responses": {"2XX": {"description": "Taken; anything else is sent again, for 20 hours"}},
    }
