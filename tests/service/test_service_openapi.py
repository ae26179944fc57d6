"""The API's description: names, examples and schemas that a generator of clients can rely on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from strategic_minerals.service.app import create_app
from strategic_minerals.service.requests import KINDS_OF_JOBS
from support.served import settings


@cache
def described() -> dict[str, Any]:
    """As a server with tokens describes itself."""
    return dict(create_app(settings(Path("not-made")), store=object()).openapi())  # type: ignore[arg-type]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, operation) of the description."""
    for path, methods in described()["paths"].items():
        yield from ((path, operation) for operation in methods.values())


def valid(schema: dict[str, Any], value: Any) -> None:
    """Raises where a value has not the schema, which may name others of the description."""
    Draft202012Validator({**schema, "components": described()["components"]}).validate(value)


def test_operations_have_names_that_read_well() -> None:
    """Proves: every operation has an id of its own that begins with a verb, a summary that is the id in words, a description."""
    names = [operation["operationId"] for _, operation in operations()]
    assert len(set(names)) == len(names) > 20
    verbs = "get|list|submit|cancel|resume|delete|check|stream"
    for _, operation in operations():
        assert re.fullmatch(rf"({verbs})(_[a-z]+)+", operation["operationId"])
        assert operation["summary"] == operation["operationId"].replace("_", " ").capitalize()
        assert len(operation["description"]) > 10


def test_every_operation_has_examples_that_fit_its_schemas() -> None:
    """Proves: each body has a named example and each answer with a body one; JSON ones validate against the schema beside them."""
    for path, operation in operations():
        bodies = operation.get("requestBody", {}).get("content", {})
        for media, content in bodies.items():
            assert content["examples"], path
            for example in content["examples"].values():
                if media == "application/json":
                    valid(content["schema"], example["value"])
        good = next(answer for code, answer in operation["responses"].items() if code.startswith("2"))
        shown = [content for content in good.get("content", {}).values() if "example" in content]
        assert bool(shown) == (operation["operationId"] != "delete_job"), path
        for content in shown:
            if "application/json" in good["content"] and content is good["content"]["application/json"]:
                valid(content["schema"], content["example"])


def test_every_kind_has_an_example_and_a_result_of_its_own() -> None:
    """Proves: requests and results are chosen by `kind`, and each kind stands in both, with its fields."""
    schemas = described()["components"]["schemas"]
    answer = described()["paths"]["/v1/jobs/{job_id}/result"]["get"]["responses"]["200"]["content"]["application/json"]
    assert set(answer["schema"]["discriminator"]["mapping"]) == set(KINDS_OF_JOBS)
    assert set(schemas["JobRequest"]["discriminator"]["mapping"]) == set(KINDS_OF_JOBS)
    body = described()["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["examples"]) == set(KINDS_OF_JOBS)
    for name in KINDS_OF_JOBS:
        result = schemas[f"{name.capitalize()}Result"]
        assert result["properties"]["kind"]["const"] == name
        assert {"schema_version", "facts", "summary", "tables", "included"} <= set(result["required"])
