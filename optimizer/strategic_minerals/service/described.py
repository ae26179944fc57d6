"""The OpenAPI description: the framework's own, completed with bodies that are read elsewhere and with authentication."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from .requests import JobRequest, Question

REF = "#/components/schemas/{model}"
SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Create one with `strategic-minerals token create OFFICE`.",
    },
}
OPEN_TAG = "health"
"""What anybody may ask."""


def without_null_defaults(described: Any) -> Any:
    """A description in which what may be left out has no `default: null`: generated types would ask for it in every request."""
    if isinstance(described, dict):
        kept = {key: without_null_defaults(value) for key, value in described.items()}
        return {key: value for key, value in kept.items() if not (key == "default" and value is None)}
    return [without_null_defaults(each) for each in described] if isinstance(described, list) else described


def describe(app: FastAPI, *, needs_token: bool) -> dict[str, Any]:
    """The description, made once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            description=app.description,
            routes=app.routes,
        )
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        bodies: dict[str, TypeAdapter[Any]] = {"JobRequest": TypeAdapter(JobRequest), "Question": TypeAdapter(Question)}
        for name, adapter in bodies.items():
            schema = adapter.json_schema(ref_template=REF)
            schemas |= schema.pop("$defs", {})
            schemas[name] = schema
        found["components"]["schemas"] = without_null_defaults(schemas)
        if needs_token:
            found["components"]["securitySchemes"] = SECURITY
        text = resources.files("strategic_minerals.service").joinpath("web_files", "examples.json").read_text("utf-8")
        examples = json.loads(text)
        for path, operations in found["paths"].items():
            for operation in operations.values():
                name = operation["operationId"]
                operation["summary"] = name.replace("_", " ").capitalize()
                if needs_token and (OPEN_TAG not in operation.get("tags", ()) or path == "/metrics"):
                    operation["security"] = [{"token": []}]
                if name in examples["requests"]:
                    stated = {one: {"value": value} for one, value in examples["requests"][name].items()}
                    for content in operation["requestBody"]["content"].values():
                        content["examples"] = stated
                if name in examples["answers"]:
                    answer = examples["answers"][name]
                    contents = operation["responses"][answer["status"]].setdefault("content", {})
                    contents.setdefault(answer["media"], {})["example"] = answer["example"]
        app.openapi_schema = found
    return app.openapi_schema
