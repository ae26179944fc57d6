"""Every verb of a planner as a job, through the API, on questions small enough to answer in a second or two."""

from __future__ import annotations

import inspect
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from strategic_minerals.service.study_kinds import OF_QUESTION, OF_RUN, OTHERS

from strategic_minerals import Dataset, Plan, decide, load_result, sweep
from strategic_minerals.service.job_folder import NO_OPTIONS, asked_of
from strategic_minerals.service.requests import KINDS_OF_JOBS
from strategic_minerals.service.worker import ANSWERS
from support.drawn_cases import deciding
from support.one_mineral import one_mineral
from support.promising import promising
from support.served import client, ended


def sent(plan: Plan, data: Dataset) -> dict[str, Any]:
    """A plan and its tables as JSON has them."""
    rows = {name: [r.model_dump(mode="json", exclude_none=True) for r in data.rows(name)] for name in data.tables}
    return {"plan": plan.model_dump(mode="json", exclude_none=True), "tables": {n: r for n, r in rows.items() if r}}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Files as one ZIP."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("kinds") / "s", workers=2, requests_per_minute=10**6) as found:
        yield found


@pytest.fixture(scope="module")
def runs(service: TestClient) -> dict[str, str]:
    """Solved plans: one of a single mineral, one that draws scenarios."""
    asked = {"one": one_mineral(110.0), "drawn": deciding()}
    jobs = {
        name: service.post("/v1/jobs", json={"kind": "solve", "gap": 0.001, "label": name, **sent(*question)}).json()
        for name, question in asked.items()
    }
    found = {name: ended(service, job["id"]) for name, job in jobs.items()}
    assert {status["state"] for status in found.values()} == {"succeeded"}, found
    return {name: status["id"] for name, status in found.items()}


def doubted() -> dict[str, Any]:
    """A question with a control of which nobody knows whether it is in force."""
    asked = sent(*one_mineral(110.0))
    known = {"name": "quota", "countries": "CHN", "materials": "*", "cut_share": 0.1, "until_year": 2028.0}
    return {**asked, "plan": {**asked["plan"], "controls": [{**known, "probability": 0.5}]}}


def printed() -> dict[str, Any]:
    """A question with a shortfall that a report printed."""
    asked = sent(*one_mineral(110.0))
    material = asked["tables"]["materials"][0]["material"]
    row = {"report": 2013, "item": "one", "name": "One", "materials": material, "shortfall_t": 10.0}
    return {**asked, "tables": {**asked["tables"], "published_requirements": [row]}}


def two_homes() -> dict[str, Any]:
    """A plan of two homes with one mineral and one ban."""
    ban = {"hazard": "ga_ge_sb_ban", "start_year": 2028.0, "duration_years": 1.0, "cut_share": 1.0}
    members = [{"home": home, "money_share": 0.5} for home in ("USA", "JPN")]
    return {
        "name": "two",
        "price_year": 2024,
        "price_set": "mcs2024",
        "loss_function": "imf_2026",
        "discount_rate": 0.03,
        "materials": ["gallium"],
        "horizon": {"first_year": 2027, "years": 2, "tail_years": 1},
        "budget": {"appropriation_musd": 50},
        "instruments": {"packages": ["none"]},
        "together": {"members": members},
        "scenarios": [{"name": "ban", "probability": 0.2, "events": [ban]}],
    }


ONE, DRAWN = "one", "drawn"
Asked = Callable[[], dict[str, Any]]
OF_PLAN: dict[str, Asked] = {
    "solve": lambda: sent(*one_mineral(110.0)),
    "decide": lambda: {**sent(*deciding()), "samples": 2, "scenarios": 10, "candidates": 1},
    "sweep": lambda: {
        **sent(*one_mineral(110.0)),
        "study": {"kind": "grid", "relax": True, "axes": {"discount_rate": [0.0, 0.05]}},
    },
    "frontier": lambda: {**sent(*one_mineral(110.0)), "factors": [0.5, 1.0], "tolerance": 0.5, "relax": True},
    "worth": lambda: {**sent(*deciding()), "fresh": 10, "gap": 0.01},
    "diagnose": lambda: sent(*promising()),
    "origins": lambda: {**sent(*one_mineral(110.0)), "gap": 0.01},
    "controls": lambda: {**doubted(), "gap": 0.01},
    "requirements": printed,
    "losses": lambda: {"shipped": "quickstart"},
    "scenarios": lambda: {**sent(*deciding()), "scenarios": 50},
    "missing": lambda: {"shipped": "quickstart"},
    "deals": lambda: {"shipped": "rare-earths", "set": {"owners.sample": 16}, "beliefs": False},
}
OF_SOLVED: dict[str, tuple[str, dict[str, Any]]] = {
    "stress": (DRAWN, {"scenarios": 20}),
    "reverse": (ONE, {"longest_yr": 1.0}),
    "explain": (ONE, {"gap": 0.0}),
    "alternatives": (ONE, {"count": 1, "slack": 0.3}),
    "rules": (DRAWN, {"samples": 2, "scenarios": 10}),
    "simulate": (DRAWN, {"paths": 3, "exact": 1, "rules": [], "grid_months": 12}),
    "verify": (ONE, {}),
    "roll": (ONE, {"learning": False, "gap": 0.0}),
}
SLOW = {"deals", "origins", "controls", "requirements", "losses", "rules", "simulate", "verify"}
OTHERWISE = {"compare", "discover", "refresh", "together"}
"""Kinds with a test of their own below."""


def done(service: TestClient, answer: Any) -> tuple[str, dict[str, Any]]:
    """(job, result) of a job that succeeded, its tables included."""
    assert answer.status_code == 202, answer.text
    status = ended(service, answer.json()["id"])
    assert status["state"] == "succeeded", str(status["problem"])
    result = service.get(status["links"]["result"]).json()
    included = service.get(status["links"]["result"], params={"include": list(result["tables"])})
    assert included.status_code == 200, included.text
    assert ("report" in status["links"]) == KINDS_OF_JOBS[status["kind"]].has_report
    page = service.get(f"/jobs/{status['id']}", headers={"Accept": "text/html"})
    assert page.status_code == 200, page.text
    declared = service.get("/v1/openapi.json").json()["components"]["schemas"]
    schema = {"$ref": f"#/components/schemas/{status['kind'].capitalize()}Result", "components": {"schemas": declared}}
    Draft202012Validator(schema).validate(included.json())
    return status["id"], dict(included.json())


def test_every_kind_has_an_answer_and_a_test() -> None:
    """Proves: what can be asked can be answered, and every kind is run through the API in this file."""
    assert set(KINDS_OF_JOBS) | {"check"} == set(ANSWERS)
    assert set(OF_PLAN) | set(OF_SOLVED) | OTHERWISE == set(KINDS_OF_JOBS)


def test_a_request_has_options_beside_what_it_is_about() -> None:
    """Proves: labels and webhooks are no options; a time limit leaves time to write the answer."""
    asked = {"kind": "reverse", "label": "", "of": "a" * 32, "names": ["ban"], "labels": ["first"], "webhook": None}
    assert asked_of(asked, {}) == {"names": ["ban"]}
    assert asked_of({"kind": "solve", "time_limit_s": 3600.0}, {"deadline_s": 100.0}) == {"time_limit_s": 90.0}


@pytest.mark.parametrize("kind", sorted({**OF_QUESTION, **OF_RUN, **OTHERS, "decide": None, "sweep": None}))
def test_options_have_the_names_and_defaults_of_the_function(kind: str) -> None:
    """Proves: a request's options are parameters of the function that answers it, with the same defaults."""
    verbs = {**OF_QUESTION, **OF_RUN, **OTHERS}
    function: Any = {"decide": decide, "sweep": sweep}.get(kind) or verbs[kind].load()
    parameters = inspect.signature(function).parameters
    fields = KINDS_OF_JOBS[kind].request.model_fields
    options = {name: field for name, field in fields.items() if name not in (*NO_OPTIONS, "study")}
    assert set(options) <= set(parameters)
    for name, field in options.items():
        default = parameters[name].default
        stated = field.get_default(call_default_factory=True)
        assert stated == (list(default) if isinstance(default, tuple) else default), name


def quicker(kinds: Any) -> list[Any]:
    """Kinds, with the marks of those that a quicker test tries too, in another way."""
    return [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in sorted(kinds)]


@pytest.mark.parametrize("kind", quicker(OF_PLAN))
def test_what_asks_about_a_plan_is_a_job(service: TestClient, kind: str) -> None:
    """Proves: each verb of a question ends with words, facts and tables that hold what they say."""
    _, result = done(service, service.post("/v1/jobs", json={"kind": kind, **OF_PLAN[kind]()}))
    assert result["kind"] == kind
    assert result["summary"].strip()
    assert {name: table["rows"] for name, table in result["tables"].items()} == {
        name: len(rows) for name, rows in result["included"].items()
    }
    assert any(result["included"].values())


@pytest.mark.parametrize("kind", quicker(OF_SOLVED))
def test_what_builds_on_a_solved_plan_is_a_job(service: TestClient, runs: dict[str, str], kind: str) -> None:
    """Proves: each verb of a run ends with words, facts and tables."""
    place, options = OF_SOLVED[kind]
    _, result = done(service, service.post("/v1/jobs", json={"kind": kind, "of": runs[place], **options}))
    assert result["kind"] == kind
    assert result["summary"].strip()
    if kind == "verify":
        assert result["facts"]["verified"] is True


def test_a_year_that_passed_leaves_a_plan_to_build_on(
    service: TestClient, runs: dict[str, str], tmp_path: Path
) -> None:
    """Proves: `roll` takes what was done, gives a run folder that opens, begins a year later with that stock, and can be compared
    with the plan before; its faults name row and column of what was sent."""
    item = (
        "gallium"
        if "gallium" in str(one_mineral(110.0)[0].materials)
        else one_mineral(110.0)[1].rows("materials")[0].material
    )
    asked = {"kind": "roll", "of": runs[ONE], "learning": False, "gap": 0.0}
    job, result = done(
        service, service.post("/v1/jobs", json={**asked, "done": [{"kind": "stock", "item": item, "amount": 5}]})
    )
    with zipfile.ZipFile(io.BytesIO(service.get(f"/v1/jobs/{job}/archive").content)) as archive:
        archive.extractall(tmp_path / "run")
    after = load_result(tmp_path / "run")
    assert after.plan.horizon.first_year == one_mineral(110.0)[0].horizon.first_year + 1
    assert {"why", "state"} <= set(result["tables"])
    assert any(row["kind"] == "stock" and row["amount"] == 5 for row in result["included"]["state"])
    _, compared = done(service, service.post("/v1/jobs", json={"kind": "compare", "of": [runs[ONE], job]}))
    assert compared["tables"]
    wrong = service.post("/v1/jobs", json={**asked, "done": [{"kind": "stokc", "amount": 5}], "happened": [{"x": 1}]})
    assert wrong.status_code == 422
    assert {(f["file"], f["column"]) for f in wrong.json()["faults"]} >= {("done", "kind"), ("happened", "x")}


@pytest.mark.slow
def test_homes_plan_together(service: TestClient) -> None:
    """Proves: a plan of two homes is played for every coalition; one of a single home is refused at once, and so are own tables."""
    _, result = done(service, service.post("/v1/jobs", json={"kind": "together", "gap": 0.1, "plan": two_homes()}))
    assert [row["home"] for row in result["included"]["homes"]] == ["USA", "JPN"]
    own = {"tables": {"prices": sent(*one_mineral(110.0))["tables"]["prices"]}}
    refused = service.post("/v1/jobs", json={"kind": "together", "plan": two_homes(), **own})
    assert refused.json()["faults"][0]["column"] == "tables"
    single = service.post("/v1/jobs", json={"kind": "together", "shipped": "quickstart"})
    assert single.json()["faults"][0]["column"] == "together"


def test_where_a_promise_fails_is_looked_for_in_rows_of_another_job(service: TestClient, runs: dict[str, str]) -> None:
    """Proves: `discover` takes the rows of a stress test and of a sweep, and finds the limit that they were made with; promises of
    another form, columns that are none and jobs without rows are refused with their reason."""
    stress, drawn = done(service, service.post("/v1/jobs", json={"kind": "stress", "of": runs[DRAWN], "scenarios": 60}))
    losses = sorted(row["loss_musd"] for row in drawn["included"]["scenarios"])
    promise = f"loss_musd <= {losses[len(losses) // 2]}"
    _, found = done(service, service.post("/v1/jobs", json={"kind": "discover", "of": stress, "promise": promise}))
    assert found["facts"]["rows"] == len(losses)
    assert found["facts"]["failures"] == sum(loss > losses[len(losses) // 2] for loss in losses)

    rates = [n / 200 for n in range(60)]
    study = {"kind": "grid", "relax": True, "axes": {"discount_rate": rates}}
    sweep, rows = done(
        service, service.post("/v1/jobs", json={"kind": "sweep", "study": study, **sent(*one_mineral(110.0))})
    )
    cost = {row["discount_rate"]: row["objective_musd"] for row in rows["included"]["points"]}
    asked = {"kind": "discover", "of": sweep, "promise": f"objective_musd <= {cost[0.1]}", "held_out": 0.0}
    _, found = done(service, service.post("/v1/jobs", json=asked))
    assert found["facts"]["failures"] == sum(one > cost[0.1] for one in cost.values()) > 10
    limit = found["included"]["limits"][0]
    assert limit["input"] == "discount_rate"
    assert 0.1 <= limit["limit"] <= 0.105

    unread = service.post("/v1/jobs", json={**asked, "promise": "objective_musd"})
    assert unread.json()["faults"][0]["column"] == "promise"
    job = service.post("/v1/jobs", json={**asked, "promise": "objectvie_musd >= 1"}).json()["id"]
    assert "objective_musd" in ended(service, job)["problem"]["faults"][0]["expected"]
    planless = service.post("/v1/jobs", json={**asked, "of": runs[ONE]})
    assert planless.status_code == 409
    assert "sweep or stress" in planless.json()["detail"]


def test_a_form_without_a_sound_zip_is_refused_at_once(service: TestClient) -> None:
    """Proves: what is no ZIP, a name outside of it, no files, and files for a kind that reads none are refused with their place."""

    def post(content: bytes, kind: str = "refresh") -> Any:
        told = {"options": json.dumps({"kind": kind})}
        return service.post("/v1/jobs/upload", files={"files": ("f.zip", content)}, data=told)

    assert post(b"PK no zip").json()["faults"][0]["file"] == "files"
    assert post(zipped({"../x.csv": b"a"})).json()["faults"][0]["column"] == "file name"
    assert post(zipped({"x.csv": b"a"}), kind="frontier").status_code == 422
    assert service.post("/v1/jobs", json={"kind": "refresh"}).json()["faults"][0]["column"] == "files"


def test_options_that_are_none_are_refused(service: TestClient, runs: dict[str, str]) -> None:
    """Proves: unknown options, figures beyond their bounds and promises of another form are faults with their place."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"kind": "frontier", "shipped": "quickstart", "factor": [1]}, "factor"),
        ({"kind": "frontier", "shipped": "quickstart", "factors": [-1]}, "factors[0]"),
        ({"kind": "worth", "shipped": "quickstart", "fresh": 10**7}, "fresh"),
        ({"kind": "reverse", "of": runs[ONE], "promises": ["gallium:civil"]}, "promises[0]"),
        ({"kind": "simulate", "of": runs[ONE], "paths": 1}, "paths"),
        ({"kind": "scenarios", "shipped": "quickstart", "set": {"price_set": "nowhere"}}, "price_set"),
    ]
    for request, column in wrong:
        answer = service.post("/v1/jobs", json=request)
        assert answer.status_code == 422, answer.text
        assert column in {fault["column"] for fault in answer.json()["faults"]}, answer.text
