"""The service's API with real children: every kind of job, every form of an answer, every way to say no."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from conftest import until
from strategic_minerals import load_plan, load_result, shipped
from support.served import QUICK, Obedient, client, ended


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("service") / "s", workers=2) as found:
        yield found


ONE = {"set": {"materials": ["germanium"]}}
"""The quickstart cut to one mineral."""


@pytest.fixture(scope="module")
def solved(service: TestClient) -> str:
    job = service.post("/v1/jobs", json={**QUICK, **ONE, "label": "first"}).json()["id"]
    assert ended(service, job)["state"] == "succeeded"
    return str(job)


def test_a_solved_plan_comes_in_every_form(service: TestClient, solved: str, tmp_path: Path) -> None:
    """Proves: status, result with tables as records, CSV and JSON, a run folder that opens and passes the audit, a report that
    may not reach its own site, a log."""
    status = service.get(f"/v1/jobs/{solved}").json()
    assert status["label"] == "first"
    assert "worth" in status["headline"]
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
    assert load_result(tmp_path / "run").audit().passed
    page = service.get(status["links"]["report"])
    assert "What to do now" in page.text
    assert "sandbox allow-scripts" in page.headers["content-security-policy"]
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    assert "ended: succeeded" in service.get(status["links"]["log"]).text


@pytest.mark.slow
def test_studies_are_jobs_too(service: TestClient, solved: str) -> None:
    """Proves: stress test, explanation, comparison and sweep of jobs and plans; a report with the study beside the plan; a job that
    builds on another keeps what it needs when that one is deleted."""
    poor = {**QUICK, "set": {**ONE["set"], "budget.appropriation_musd": 10}, "label": "poor"}
    other = service.post("/v1/jobs", json=poor).json()["id"]
    assert ended(service, other)["state"] == "succeeded"
    asked = [
        {"kind": "stress", "of": solved, "scenarios": 20},
        {"kind": "explain", "of": solved, "item": "germanium_3", "gap": 0.05},
        {"kind": "compare", "of": [solved, other]},
        {
            "kind": "sweep",
            "shipped": "quickstart",
            **ONE,
            "study": {"kind": "grid", "axes": {"discount_rate": [0.02, 0.04]}},
        },
    ]
    jobs = {request["kind"]: service.post("/v1/jobs", json=request).json()["id"] for request in asked}
    assert service.delete(f"/v1/jobs/{other}").status_code == 204
    found = {kind: ended(service, job) for kind, job in jobs.items()}
    assert {kind: status["state"] for kind, status in found.items()} == dict.fromkeys(jobs, "succeeded"), found
    tables = {kind: set(service.get(f"/v1/jobs/{job}/result").json()["tables"]) for kind, job in jobs.items()}
    assert tables["stress"] >= {"figures", "scenarios"}
    assert tables["explain"] >= {"reasons", "break_evens"}
    assert tables["compare"] >= {"inputs", "outcome"}
    assert tables["sweep"] >= {"points"}
    assert 'id="comparison"' in service.get(f"/v1/jobs/{jobs['compare']}/report").text
    assert "Stress test" in service.get(f"/v1/jobs/{jobs['stress']}/report").text
    assert service.get(f"/v1/jobs/{jobs['sweep']}/report").status_code == 409


@pytest.mark.slow
def test_a_plan_comes_as_object_text_or_file_with_its_own_tables(service: TestClient, tmp_path: Path) -> None:
    """Proves: JSON, TOML in JSON, and files (TOML, xlsx; tables as CSV) ask the same question; a file's name is a label."""
    from strategic_minerals import load_dataset
    from strategic_minerals.question.read_csv import write_dataset
    from strategic_minerals.question.workbook import write_workbook

    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    plan = load_plan(shipped("models") / "quickstart.toml")
    write_workbook(plan, load_dataset(shipped("inputs")), tmp_path / "plan.xlsx")
    write_dataset(load_dataset(shipped("inputs")), tmp_path / "own")
    tables = [("tables", (f"C:\\x\\{path.name}", path.read_bytes())) for path in (tmp_path / "own").glob("*.csv")]
    options = {"options": '{"gap": 0.05}'}
    jobs = [
        service.post("/v1/jobs", json={"kind": "solve", "gap": 0.05, "plan": plan.to_toml_like()}),
        service.post("/v1/jobs", json={"kind": "solve", "gap": 0.05, "plan_toml": text}),
        service.post("/v1/jobs/upload", files=[("plan", ("../../etc/passwd", text)), *tables], data=options),
        service.post("/v1/jobs/upload", files={"plan": ("x", (tmp_path / "plan.xlsx").read_bytes())}, data=options),
    ]
    found = [ended(service, answer.json()["id"]) for answer in jobs]
    assert [status["state"] for status in found] == ["succeeded"] * 4, found
    assert len({status["headline"] for status in found}) == 1


@pytest.mark.slow
def test_a_study_of_a_job_that_cannot_be_made_is_refused_at_once(service: TestClient, solved: str) -> None:
    """Proves: an item that is none, and one of a relaxation: 422, and no job that fails; right ones are accepted."""
    before = len(service.get("/v1/jobs", params={"limit": 200}).json()["jobs"])
    answer = service.post("/v1/jobs", json={"kind": "explain", "of": solved, "item": "germaniun_3"})
    assert answer.status_code == 422
    (fault,) = answer.json()["faults"]
    assert (fault["file"], fault["column"], fault["found"]) == ("body", "item", "'germaniun_3'")
    assert "did you mean 'germanium_3'" in fault["expected"]
    assert len(service.get("/v1/jobs", params={"limit": 200}).json()["jobs"]) == before
    relaxed = service.post("/v1/jobs", json={**QUICK, **ONE, "relax": True}).json()["id"]
    assert ended(service, relaxed)["state"] == "succeeded"
    for item in (None, "germanium_3"):
        answer = service.post("/v1/jobs", json={"kind": "explain", "of": relaxed, "item": item})
        assert answer.status_code == 422
        assert answer.json()["faults"][0]["column"] == "of"
    assert service.post("/v1/jobs", json={"kind": "explain", "of": solved, "item": "germanium_3"}).status_code == 202
    assert service.post("/v1/jobs", json={"kind": "stress", "of": solved, "scenarios": 10}).status_code == 202


@pytest.mark.parametrize(
    ("request_", "column"),
    [
        ({"kind": "solve", "shipped": "quickstart", "set": {"discount_rate": 7}}, "discount_rate"),
        ({"kind": "solve", "shipped": "quikstart"}, "shipped"),
        ({"kind": "solve", "plan": {"nmae": "x"}}, "nmae"),
        ({"kind": "solve", "shipped": "quickstart", "gapp": 1}, "gapp"),
        ({"kind": "solve"}, "plan"),
    ],
)
def test_what_is_wrong_is_said_at_once_as_the_command_line_says_it(
    service: TestClient, request_: Any, column: str
) -> None:
    """Proves: 422 with problem details and the faults of the command line; nothing is kept."""
    before = len(service.get("/v1/jobs", params={"limit": 200}).json()["jobs"])
    answer = service.post("/v1/jobs", json=request_)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert column in {fault["column"] for fault in answer.json()["faults"]}
    assert len(service.get("/v1/jobs", params={"limit": 200}).json()["jobs"]) == before


@pytest.mark.slow
def test_what_only_solving_shows_fails_the_job_with_a_diagnosis(service: TestClient) -> None:
    """Proves: a fault across plan and tables is told at once; a plan that cannot be met ends as a failed job with a diagnosis."""
    unknown = service.post("/v1/jobs", json={**QUICK, "set": {"price_set": "nowhere"}})
    assert unknown.status_code == 422
    assert "price_set" in json.dumps(unknown.json()["faults"])
    infeasible = {"kind": "solve", "shipped": "defence-base-case", "gap": 0.05, "set": {"budget.appropriation_musd": 1}}
    impossible = service.post("/v1/jobs", json=infeasible).json()["id"]
    none = ended(service, impossible)
    assert none["problem"]["type"].endswith(":infeasible")
    assert none["problem"]["diagnosis"]["changes"]
    assert service.get(f"/v1/jobs/{impossible}/result").status_code == 409


def test_a_question_is_looked_at_without_a_job(service: TestClient) -> None:
    """Proves: check gives faults of plan and tables together, or notes and size."""
    fine = service.post("/v1/check", json={"shipped": "quickstart"}).json()
    assert fine["faults"] == []
    assert fine["columns_at_most"] > 1000
    wrong = service.post("/v1/check", json={"shipped": "quickstart", "set": {"price_set": "nowhere"}}).json()
    assert wrong["faults"]
    several = service.post("/v1/check", json={"shipped": "allies", "set": {"sample.scenarios": 2}}).json()
    assert several["faults"] == []
    rows = {"tables": {"prices": [{"material": "gallium", "price_usd_per_kg": "dear"}]}, "on_top_of_shipped": True}
    assert service.post("/v1/check", json={"shipped": "quickstart", **rows}).json()["faults"]


def test_the_rest_of_the_api_answers(service: TestClient) -> None:
    """Proves: health, readiness with the solver's test programs, metrics, shipped plans, schemas, OpenAPI with examples."""
    assert service.get("/healthz").json() == {"status": "ok"}
    until(lambda: service.get("/readyz").json()["ready"])
    assert service.get("/readyz").json()["checks"] == {"store": "ok", "folder": "ok", "queue": "ok", "solver": "ok"}
    assert 'strategic_minerals_jobs{state="succeeded"}' in service.get("/metrics").text
    assert "quickstart" in service.get("/v1/plans").json()
    assert service.get("/v1/plans/quickstart").json()["name"] == "quickstart"
    assert service.get("/v1/schemas/plan").json()["properties"]["budget"]
    assert set(service.get("/v1/schemas").json()) >= {"plan", "projects"}
    described = service.get("/v1/openapi.json").json()
    assert described["paths"]["/v1/jobs"]["post"]["responses"]["202"]
    job = service.post("/v1/jobs", json=QUICK).json()["id"]
    service.post(f"/v1/jobs/{job}/cancel")
    assert ("submit solve", job) in {(entry["action"], entry["job"]) for entry in service.get("/v1/audit-log").json()}


def test_too_large_a_model_is_refused_before_it_is_built(tmp_path: Path) -> None:
    """Proves R26: at submission where the plan alone says so, in the job with counts where the tables do; nothing of what was
    refused at once is kept, and so nothing is built."""
    with client(tmp_path / "s", most_columns=1000) as service:
        huge = {"kind": "solve", "shipped": "rare-earths", "set": {"sample.scenarios": 900, "sample.draws": 900}}
        answer = service.post("/v1/jobs", json=huge)
        assert answer.status_code == 422
        assert "scenarios" in answer.json()["faults"][0]["found"]
        assert not list((tmp_path / "s" / "jobs").iterdir())
        job = service.post("/v1/jobs", json={"kind": "solve", "shipped": "quickstart"}).json()["id"]
        problem = ended(service, job)["problem"]
        assert "columns" in problem["faults"][0]["found"]


def test_events_follow_a_job_to_its_end(tmp_path: Path) -> None:
    """Proves: server-sent events carry the status at each change, with phase, incumbent, bound and gap, and end with the job."""
    runner = Obedient(hold=True)
    with client(tmp_path / "s", runner) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        told = []
        with service.stream("GET", f"/v1/jobs/{job}/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    told.append(json.loads(line.removeprefix("data: ")))
                    runner.go.set()
        assert told[-1]["state"] == "succeeded"
        assert any(event["progress"] and event["progress"]["bound_musd"] == -2.0 for event in told)
