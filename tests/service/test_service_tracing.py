"""Traces and logs: one line of JSON for each request and each step of a job, in the trace that a caller states."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from strategic_minerals.core.logs import listening
from strategic_minerals.service.job_folder import LIMITS, RECORDS, Folder, JsonLines
from strategic_minerals.service.requests import trace_of
from support.served import QUICK, Obedient, client, ended

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@contextmanager
def lines(level: int = logging.INFO) -> Iterator[list[dict[str, Any]]]:
    """What the server writes meanwhile, as JSON."""
    text, found = io.StringIO(), list[dict[str, Any]]()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    with listening(handler, level):
        yield found
    found += [json.loads(line) for line in text.getvalue().splitlines()]


def test_each_request_and_each_step_of_its_job_is_a_line_in_its_trace(tmp_path: Path) -> None:
    """Proves: request, tenant, trace, route, status and seconds of the request; job, tenant and trace of every step of the job; the
    job's record and what its process is given have the trace; headers come back with a span of the service's own."""
    with lines() as told, client(tmp_path / "s", Obedient()) as service:
        headers = {"traceparent": PARENT, "tracestate": "vendor=1", "x-request-id": "mine-1"}
        answer = service.post("/v1/jobs", json=QUICK, headers=headers)
        job = answer.json()["id"]
        assert answer.json()["trace_id"] == TRACE
        assert answer.headers["x-request-id"] == "mine-1"
        assert answer.headers["traceparent"].split("-")[1] == TRACE
        assert answer.headers["traceparent"] != PARENT
        assert answer.headers["tracestate"] == "vendor=1"
        assert ended(service, job)["trace_id"] == TRACE
        service.get(f"/v1/jobs/{job}")
        given = Folder.of(tmp_path / "s", job).read(LIMITS)
        assert given is not None
        assert given["trace"] == TRACE
    (asked,) = [line for line in told if line.get("method") == "POST"]
    expected = {"request": "mine-1", "tenant": "local", "trace": TRACE, "route": "/v1/jobs", "status": 202}
    assert expected.items() <= asked.items()
    assert asked["seconds"] >= 0
    steps = [line for line in told if line["logger"].endswith(".dispatcher") and line.get("job") == job]
    assert [line["message"].split(" after")[0] for line in steps] == ["solve begins", "solve has ended: succeeded"]
    assert all((line["tenant"], line["trace"]) == ("local", TRACE) for line in steps)
    looked = [line for line in told if line.get("route") == "/v1/jobs/{job_id}" and line["method"] == "GET"][-1]
    assert looked["job"] == job
    assert looked["tenant"] == "local"
    assert "trace" not in looked


def test_the_process_of_a_job_writes_the_trace(tmp_path: Path) -> None:
    """Proves: the log of a real job's process has its job, tenant and trace in every line."""
    with client(tmp_path / "s") as service:
        job = service.post("/v1/jobs", json={**QUICK, "relax": True}, headers={"traceparent": PARENT}).json()["id"]
        assert ended(service, job)["state"] == "succeeded"
        text = (Folder.of(tmp_path / "s", job).path / RECORDS).read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    assert found
    assert {(line["job"], line["tenant"], line["trace"]) for line in found} == {(job, "local", TRACE)}


def test_what_is_asked_again_and_again_is_a_line_only_in_detail_or_where_it_fails(tmp_path: Path) -> None:
    """Proves: liveness is no line at INFO and one at DEBUG; a refusal is one, with its status and without a tenant."""
    with client(tmp_path / "s", Obedient()) as service:
        with lines() as told:
            service.get("/healthz")
            service.post("/v1/jobs", json=QUICK, headers={"host": "elsewhere.example"})
        assert [(line["route"], line["status"]) for line in told if "route" in line] == [("/v1/jobs", 403)]
        assert "tenant" not in told[0]
        with lines(logging.DEBUG) as detailed:
            service.get("/healthz")
        assert [line["route"] for line in detailed if "route" in line] == ["/healthz"]


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00-0-0-00",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"{PARENT}-more",
        f"{PARENT}\nx",
    ],
)
def test_a_trace_that_is_none_is_not_passed_on(parent: str) -> None:
    """Proves: headers that break the standard start no trace, and neither does what comes with them."""
    found = trace_of({"traceparent": parent, "x-request-id": "a b\n"}, ["a=1"])
    assert (found.id, found.state, found.onward()) == ("", "", {})
    assert len(found.request) == 16


def test_a_later_version_of_the_standard_is_read_as_this_one() -> None:
    """Proves: of a version to come the known parts are taken; several headers of state are one; a long one is dropped."""
    found = trace_of({"traceparent": f"cc-{TRACE}-00f067aa0ba902b7-01-what-else"}, ["a=1", "b=2"])
    assert found.parent == PARENT
    assert found.onward()["tracestate"] == "a=1,b=2"
    assert trace_of({"traceparent": PARENT}, ["a=" + "x" * 600]).state == ""


def test_an_error_of_ours_is_a_line_with_request_and_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: what goes wrong inside is answered without details, and logged once with the request and the error; a line of a
    submission has its job."""
    with client(tmp_path / "s", Obedient()) as service:
        with lines() as told:
            job = service.post("/v1/jobs", json=QUICK).json()["id"]
        (line,) = [line for line in told if line.get("method") == "POST"]
        assert line["job"] == job

        def broken(*_: Any) -> None:
            raise RuntimeError("a secret place")

        monkeypatch.setattr(service.app.state.store, "jobs", broken)
        with lines() as told:
            answer = service.get("/v1/jobs", headers={"X-Request-Id": "asked-1"})
        assert answer.status_code == 500
        assert "secret place" not in answer.text
        (error,) = [line for line in told if line["level"] == "ERROR"]
        assert error["request"] == "asked-1"
        assert "secret place" in error["error"]
