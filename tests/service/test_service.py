"""The service's API with real children: every form of an answer, its description, its traces."""

import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from strategic_minerals import Result, load_dataset, load_plan, shipped
from strategic_minerals.core.logs import listening
from strategic_minerals.question.read_csv import write_dataset
from strategic_minerals.question.workbook import write_workbook
from strategic_minerals.service.app import create_app
from strategic_minerals.service.job_folder import LIMITS, RESULT, Folder, JsonLines
from support.served import QUICK, InProcess, Obedient, client, ended, served, settings, token

ONE = {**QUICK, "set": {"materials": ["germanium"]}}
"""The quickstart cut to one mineral."""
HOSTILE = "<script>document.title='caught'</script>"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("service") / "s", workers=2) as found:
        yield found


@pytest.fixture(scope="module")
def solved(service: TestClient) -> str:
    job = service.post("/v1/jobs", json={**ONE, "label": HOSTILE}).json()["id"]
    assert service.get(f"/v1/jobs/{job}/events").status_code == 200  # they end with the job
    return str(job)


@pytest.mark.slow
def test_a_solved_plan_comes_in_every_form(service: TestClient, solved: str, tmp_path: Path) -> None:
    """Proves: tables in three forms, a run folder that passes the audit, a report without reach, a log without the machine."""
    status = service.get(f"/v1/jobs/{solved}").json()
    assert (status["state"], status["label"]) == ("succeeded", HOSTILE)
    assert "million USD" in status["headline"]
    result = service.get(status["links"]["result"], params={"include": ["acquisitions"]}).json()
    assert result["facts"]["audit_passed"]
    assert result["included"]["acquisitions"][0]["acquired_t"] > 0
    assert result["tables"]["acquisitions"]["rows"] == len(result["included"]["acquisitions"])
    csv = service.get(result["tables"]["acquisitions"]["csv"])
    assert csv.headers["content-type"].startswith("text/csv")
    assert csv.text.startswith("fiscal_year,")
    assert service.get(result["tables"]["budget"]["csv"], params={"format": "json"}).json()[0]["outlay_musd"] >= 0
    with zipfile.ZipFile(io.BytesIO(service.get(status["links"]["archive"]).content)) as archive:
        archive.extractall(tmp_path / "run")
    assert Result.load(tmp_path / "run").audit().passed
    folder = Folder.of(service.app.state.settings.folder, solved)  # type: ignore[attr-defined]
    text = "What to do\nMore: --full.\n\nYOUR QUESTIONS"
    folder.write(RESULT, {**(folder.read(RESULT) or {}), "screen": text, "summary": text})
    shown = service.get(f"/jobs/{solved}", headers={"Accept": "text/html"}).text
    assert HOSTILE not in shown
    assert "--full" not in shown
    assert "YOUR QUESTIONS" in shown
    assert "Buys germanium" in service.get("/").text
    page = service.get(status["links"]["report"])
    assert "Evidence" in page.text
    assert "sandbox allow-scripts" in page.headers["content-security-policy"]
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    log = service.get(status["links"]["log"]).text
    assert log.count("ended: succeeded") == 1
    assert str(service.app.state.settings.folder) not in log + json.dumps(result)  # type: ignore[attr-defined]
    assert 'strategic_minerals_jobs{state="succeeded"}' in service.get("/metrics").text


@pytest.mark.slow
def test_a_study_keeps_what_it_builds_on_when_that_is_deleted(service: TestClient, solved: str) -> None:
    """Proves: a comparison ends well although one of its jobs was deleted meanwhile; its report has the study beside the plan."""
    other = service.post("/v1/jobs", json={**ONE, "label": "other"}).json()["id"]
    assert ended(service, other)["state"] == "succeeded"
    job = service.post("/v1/jobs", json={"kind": "compare", "of": [solved, other]}).json()["id"]
    assert service.delete(f"/v1/jobs/{other}").status_code == 204
    assert ended(service, job)["state"] == "succeeded"
    assert 'id="comparison"' in service.get(f"/v1/jobs/{job}/report").text


@pytest.mark.slow
def test_a_plan_comes_as_object_text_or_file_with_its_own_tables(service: TestClient, tmp_path: Path) -> None:
    """Proves: JSON, TOML in JSON, and files (TOML, xlsx; tables as CSV) ask the same question; a file's name is a label."""
    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    write_workbook(plan, data, tmp_path / "plan.xlsx")
    write_dataset(data, tmp_path / "own")
    tables = [("tables", (f"C:\\x\\{path.name}", path.read_bytes())) for path in (tmp_path / "own").glob("*.csv")]
    options = {"options": '{"gap": 0.05}'}
    jobs = [
        service.post("/v1/jobs", json={"kind": "solve", "gap": 0.05, "plan": plan.to_toml_like()}),
        service.post("/v1/jobs/upload", files=[("plan", ("../../etc/passwd", text)), *tables], data=options),
        service.post("/v1/jobs/upload", files={"plan": ("x", (tmp_path / "plan.xlsx").read_bytes())}, data=options),
    ]
    found = [ended(service, answer.json()["id"]) for answer in jobs]
    assert [status["state"] for status in found] == ["succeeded"] * 3, found
    assert len({status["headline"] for status in found}) == 1


@pytest.mark.slow
def test_a_plan_that_cannot_be_met_fails_and_says_so(service: TestClient) -> None:
    """Proves: infeasible ends as a failed job without a result."""
    infeasible = {"kind": "solve", "shipped": "defence-base-case", "gap": 0.05, "set": {"budget.appropriation_musd": 1}}
    job = service.post("/v1/jobs", json=infeasible).json()["id"]
    problem = ended(service, job)["problem"]
    assert problem["type"].endswith(":infeasible")
    assert service.get(f"/v1/jobs/{job}/result").status_code == 409


def test_a_question_is_looked_at_before_a_model_is_built(tmp_path: Path) -> None:
    """Proves R26: check tells faults or the size; too large a model ends at submission, or in the job."""
    here = InProcess()
    headers = token(tmp_path / "s", "one")
    with TestClient(served(tmp_path / "s", here, here, columns=1000), headers=headers) as service:
        fine = service.post("/v1/check", json={"shipped": "quickstart"}).json()
        assert (fine["faults"], fine["columns_at_most"] > 1000) == ([], True)
        wrong = service.post("/v1/check", json={"shipped": "quickstart", "set": {"price_set": "nowhere"}}).json()
        assert "price_set" in json.dumps(wrong["faults"])
        huge = {"kind": "solve", "shipped": "rare-earths", "set": {"sample.scenarios": 900, "sample.draws": 900}}
        answer = service.post("/v1/jobs", json=huge)
        assert answer.status_code == 422
        assert "scenarios" in answer.json()["faults"][0]["found"]
        assert not list((tmp_path / "s" / "jobs").iterdir())
        job = service.post("/v1/jobs", json={"kind": "solve", "shipped": "quickstart"}).json()["id"]
        assert "columns" in ended(service, job)["problem"]["faults"][0]["found"]


def test_events_follow_a_job_to_its_end(tmp_path: Path) -> None:
    """Proves: server-sent events carry the status at each change, with phase, incumbent, bound and gap, and end with the job."""
    runner, told = Obedient(hold=True), []
    with client(tmp_path / "s", runner) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        with service.stream("GET", f"/v1/jobs/{job}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    told.append(json.loads(line.removeprefix("data: ")))
                    runner.go.set()
    assert told[-1]["state"] == "succeeded"
    assert any(event["progress"] and event["progress"]["bound_musd"] == -2.0 for event in told)


JSON = "application/json"


@cache
def described() -> dict[str, Any]:
    """As a server with tokens describes itself."""
    return dict(create_app(settings(Path("not-made")), store=object()).openapi())  # type: ignore[arg-type]


def valid(schema: dict[str, Any], value: Any) -> None:
    """Raises where a value has not the schema, which may name others of the description."""
    Draft202012Validator({**schema, "components": described()["components"]}).validate(value)


def test_every_operation_has_a_name_and_examples_that_fit_its_schemas() -> None:
    """Proves: ids begin with a verb; each body and each answer with a body has examples, which validate; of submitting and listing
    the headers and statuses that occur are declared (E6), and so is the webhook."""
    operations = [one for methods in described()["paths"].values() for one in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) > 20
    for operation in operations:
        assert re.fullmatch(
            "(get|list|submit|cancel|resume|delete|check|stream|keep)(_[a-z]+)+", operation["operationId"]
        )
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            assert content["examples"], operation["operationId"]
            for example in content["examples"].values():
                if media == JSON:
                    valid(content["schema"], example["value"])
        good = next(answer for code, answer in operation["responses"].items() if code.startswith("2"))
        shown = {media: content for media, content in good.get("content", {}).items() if "example" in content}
        assert bool(shown) == (not operation["operationId"].startswith("delete_")), operation["operationId"]
        pages = [media for media, content in shown.items() if str(content["example"]).startswith("<!doctype")]
        assert pages in ([], ["text/html"]), operation["operationId"]
        if JSON in shown:
            valid(shown[JSON]["schema"], shown[JSON]["example"])
    listed, submit = (described()["paths"]["/v1/jobs"][method]["responses"] for method in ("get", "post"))
    assert set(submit["202"]["headers"]) >= {"Location", "Retry-After", "X-Request-Id", "RateLimit"}
    assert {"413", "415", "507", "409"} & set(listed) == set()
    assert {"413", "415", "507", "409", "429"} <= set(submit)
    assert "job.ended" in described()["webhooks"]
    assert "HTTPValidationError" not in json.dumps(described())


@contextmanager
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the server writes meanwhile, as JSON."""
    text, found = io.StringIO(), list[dict[str, Any]]()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    with listening(handler, logging.INFO):
        yield found
    found += [json.loads(line) for line in text.getvalue().splitlines()]


def test_each_request_is_a_line_that_names_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: the line of a request names its job; a refusal has no tenant; an error of ours is told once."""

    def broken(*_: Any) -> None:
        raise RuntimeError("a secret place")

    with lines() as told, client(tmp_path / "s", Obedient()) as service:
        answer = service.post("/v1/jobs", json=QUICK, headers={"x-request-id": "mine-1"})
        job = answer.json()["id"]
        assert answer.headers["x-request-id"] == "mine-1"
        assert ended(service, job)["state"] == "succeeded"
        assert (Folder.of(tmp_path / "s", job).read(LIMITS) or {})["job"] == job
        service.get("/healthz")
        service.post("/v1/jobs", json=QUICK, headers={"Authorization": "Bearer x"})
        monkeypatch.setattr(service.app.state.store, "jobs", broken)  # type: ignore[attr-defined]
        failed = service.get("/v1/jobs", headers={"X-Request-Id": "asked-1"})
    assert (failed.status_code, failed.headers["content-type"]) == (500, "application/problem+json")
    assert "secret place" not in failed.text
    (error,) = (line for line in told if line["level"] == "ERROR")
    assert (error["request"], "secret place" in error["error"]) == ("asked-1", True)
    asked, refused = (line for line in told if line.get("method") == "POST")
    expected = {"request": "mine-1", "tenant": "local", "route": "/v1/jobs", "status": 202, "job": job}
    assert expected.items() <= asked.items()
    assert (refused["status"], "tenant" in refused) == (401, False)
    assert "/healthz" not in {line.get("route") for line in told}
