"""Nobody gets in, nobody sees another's jobs, nothing that is sent breaks it: tokens, scopes, limits, fuzzing."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import schemathesis
from fastapi.testclient import TestClient
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from conftest import PATIENCE_S, until
from strategic_minerals.service import auth as security
from strategic_minerals.service.app import leaves
from support.served import QUICK, Obedient, ended, reported, running, served, token

pytestmark = pytest.mark.long

Office = tuple[TestClient, dict[str, dict[str, str]], str]
"""A service, headers of its callers, a job of the first tenant."""
DOORS = {
    "open GET": "/healthz /readyz /login /docs /shared/{token} /static/{name} /v1/openapi.json",
    "open HEAD": "/v1/openapi.json",
    "open POST": "/login /logout",
    "read GET": """
        /v1/jobs /v1/jobs/{job_id} /v1/jobs/{job_id}/events /v1/jobs/{job_id}/result /v1/jobs/{job_id}/tables/{name}
        /v1/jobs/{job_id}/archive /v1/jobs/{job_id}/report /v1/jobs/{job_id}/log
        /v1/schemas/{name} /v1/questions /v1/questions/{question_id} /v1/usage / /jobs/{job_id}""",
    "submit GET": "/edit",
    "submit POST": """
        /v1/jobs /v1/jobs/upload /v1/jobs/{job_id}/cancel /v1/jobs/{job_id}/resume /v1/check
        /v1/questions /v1/questions/upload
        /edit /upload /jobs/{job_id}/cancel /jobs/{job_id}/resume /jobs/{job_id}/delete /jobs/{job_id}/{action}""",
    "submit DELETE": "/v1/jobs/{job_id} /v1/questions/{question_id}",
    "admin GET": "/metrics /v1/audit-log",
}
"""Every door of the service: the scope that it needs and the method, and its paths."""
TABLE = [(*needed.split(), path) for needed, paths in DOORS.items() for path in paths.split()]
REFUSED = {"nobody": 401, "a wrong token": 401, "reader": 403, "one": 403, "two": 403}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A service with tokens of two tenants, and an ended job of the first."""
    folder = tmp_path_factory.mktemp("office") / "s"
    tokens = {
        "nobody": {},
        "a wrong token": {"Authorization": "Bearer sm_wrong"},
        "one": token(folder, "one"),
        "two": token(folder, "two"),
        "reader": token(folder, "one", "read"),
        "admin": token(folder, "one", "admin"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(security, "FAILURES_PER_MINUTE", 1000)
        app = served(folder, Obedient())
    with TestClient(app, raise_server_exceptions=False) as service:
        job = service.post("/v1/jobs", json=QUICK, headers=tokens["one"]).json()["id"]
        ended(service, job, headers=tokens["one"])
        yield service, tokens, job


def test_every_door_opens_to_those_who_may_and_to_nobody_else(office: Office) -> None:
    """Proves: all routes times all callers: 401, 403, another tenant's 404, or let in; the table has every route."""
    service, tokens, job = office
    known = {(method, route.path) for route in leaves(service.app.routes) for method in route.methods}
    assert {door[1:] for door in TABLE} == known
    holds = {
        "reader": {"read"},
        "one": {"read", "submit"},
        "two": {"read", "submit"},
        "admin": {"read", "submit", "admin"},
    }
    tried = {"open": "nobody", "read": "reader", "submit": "one", "admin": "admin"}
    wrong = list[tuple[str, str, str, int]]()
    for scope, method, path in TABLE:
        for caller, headers in tokens.items():
            let_in = scope == "open" or scope in holds.get(caller, ())
            others = caller == "two" and "{job_id}" in path
            elsewhere = method == "DELETE" or path.endswith(
                ("/report", "/readyz", "/delete")
            )  # the job stays; or it takes long
            if let_in and not others and (caller != tried[scope] or elsewhere):
                continue  # one who may is enough
            asked = {"json": QUICK} if path in ("/v1/jobs", "/v1/check", "/v1/questions") and method == "POST" else {}
            place = path.format(job_id=job, name="t", action="explain", question_id="0" * 32, token="none")
            status = service.request(method, place, headers=headers, follow_redirects=False, **asked).status_code
            if not let_in:
                right = status == REFUSED[caller]
            elif others:
                right = status == 404
            else:
                right = status not in (401, 403) and status < 500
            wrong += [] if right else [(caller, method, path, status)]
    assert wrong == []
    assert service.get(f"/v1/jobs/{job}", headers=tokens["one"]).status_code == 200


def test_tenants_do_not_see_each_other(office: Office) -> None:
    """Proves: another tenant's job is not in a list, nor in what a study builds on; who administers sees who did what."""
    service, tokens, _ = office
    one, two = tokens["one"], tokens["two"]
    job = service.post("/v1/jobs", json=QUICK, headers=one).json()["id"]
    ended(service, job, headers=one)
    service.post("/v1/jobs", json={"kind": "solve"}, headers=one)
    assert service.get("/v1/jobs", headers=two).json()["jobs"] == []
    for request in ({"kind": "stress", "of": job}, {"kind": "compare", "of": [job, job]}):
        assert service.post("/v1/jobs", json=request, headers=two).status_code == 404
    assert service.delete(f"/v1/jobs/{job}", headers=one).status_code == 204
    found = service.get("/v1/audit-log", headers=tokens["admin"]).json()[:2]
    assert [(entry["action"], entry["job"]) for entry in found] == [("delete", job), ("submit solve", job)]
    kept = service.app.state.store.tokens()  # type: ignore[attr-defined]
    (mine,) = (token.id for token in kept if (token.tenant, token.scopes) == ("one", ("read", "submit")))
    assert {(entry["tenant"], entry["token"]) for entry in found} == {("one", mine)}


def test_a_token_comes_as_a_bearer_in_no_other_way_and_is_kept_as_a_hash(office: Office) -> None:
    """Proves: other schemes, a token in the query and an empty one are 401; no file of the service has it."""
    service, tokens, _ = office
    text = tokens["one"]["Authorization"].removeprefix("Bearer ")
    for scheme in (f"Basic {text}", text, "Bearer ", f"Bearer {text} {text}"):
        assert service.get("/v1/jobs", headers={"Authorization": scheme}).status_code == 401
    assert service.get(f"/v1/jobs?token={text}").headers["www-authenticate"].startswith("Bearer")
    assert service.get("/v1/jobs", headers={"Authorization": f"bearer {text}"}).status_code == 200
    files = [path for path in service.app.state.settings.folder.rglob("*") if path.is_file()]  # type: ignore[attr-defined]
    assert [path for path in files if text.encode() in path.read_bytes()] == []


def test_a_cookie_comes_from_our_own_pages_alone(office: Office) -> None:
    """Proves: other sites and pages without an origin are refused, signing in and out too; scripts cannot read it."""
    service, tokens, job = office
    text = tokens["one"]["Authorization"].removeprefix("Bearer ")
    signed = service.post("/login", data={"token": text}, follow_redirects=False)
    cookie = signed.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    service.cookies.set("strategic_minerals", text)
    try:
        assert service.get("/v1/jobs", headers={"Authorization": "Bearer x"}).status_code == 401
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert service.post(f"/v1/jobs/{job}/cancel", headers=headers).status_code == 403, headers
        assert service.post(f"/v1/jobs/{job}/cancel", headers={"Origin": "http://testserver"}).status_code == 200
    finally:
        service.cookies.clear()
    for path in ("/login", "/logout"):
        answer = service.post(path, data={"token": text}, headers={"Origin": "http://["}, follow_redirects=False)
        assert answer.status_code == 403


def test_rates_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: who asks too often and who guesses tokens has to wait until time has gone by, on a clock that stands still."""
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter, time=time.time)
    monkeypatch.setattr(security, "time", clock)
    headers = token(tmp_path / "s", "one")
    with TestClient(served(tmp_path / "s", Obedient(), requests_per_minute=5)) as service:
        ask = lambda **given: service.get("/v1/jobs", headers={**headers, **given}).status_code  # noqa: E731
        assert [ask() for _ in range(7)] == [200] * 5 + [429] * 2
        now[0] += 12.0
        assert [ask() for _ in range(2)] == [200, 429]
        codes = [ask(Authorization=f"Bearer {n}") for n in range(40)]
        assert (codes[0], codes[-1]) == (401, 429)


def test_a_tenants_streams_are_limited_and_end_with_their_token(tmp_path: Path) -> None:
    """Proves: a tenant cannot hold more event streams open than allowed; revoking a token takes effect at once, for what is open
    too, although the job goes on; a closed stream makes room."""
    folder, runner, closed = tmp_path / "s", Obedient(hold=True), threading.Event()
    headers, others = token(folder, "one"), token(folder, "one", "read")
    app = served(folder, runner, streams_of_tenant=1)
    with TestClient(app) as service:
        events_of = f"/v1/jobs/{service.post('/v1/jobs', json=QUICK, headers=headers).json()['id']}/events"

        def listen() -> None:
            with service.stream("GET", events_of, headers=headers) as stream:
                for _ in stream.iter_lines():
                    pass
            closed.set()

        threading.Thread(target=listen, daemon=True).start()
        until(lambda: app.state.streams._open)
        assert service.get(events_of, headers=others).status_code == 429
        assert not closed.is_set()
        store = app.state.store
        assert store.revoke(next(kept.id for kept in store.tokens() if "submit" in kept.scopes))
        assert closed.wait(PATIENCE_S)
        assert service.get(events_of, headers=headers).status_code == 401
        runner.go.set()
        assert service.get(events_of, headers=others).status_code == 200


CHECKS = set(
    """
    status_code_conformance content_type_conformance response_schema_conformance negative_data_rejection positive_data_acceptance
    unsupported_method allow_header_conformance ignored_auth not_a_server_error
""".split()
)
"""What is checked of every answer."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_the_api_is_as_it_describes_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: all of schemathesis's checks in all of its phases, seeded: statuses, content types, headers and schemas as described;
    data against the schema refused, methods that are not there 405 with the right Allow, no answer without a token, nothing used
    after it is gone, no 5xx. What the schema lets through may still be wrong as a plan: 422 is right for that."""

    monkeypatch.setattr("strategic_minerals.service.api.start", reported)
    folder, runner = tmp_path / "s", Obedient()
    headers = token(folder, "one", "read", "submit", "admin")
    limits = ("requests_per_minute", "queued", "queued_of_tenant", "jobs_of_tenant")
    free = dict.fromkeys(limits, 10**6)
    app = served(folder, runner, runner, **free)
    config = SchemathesisConfig.from_str(f"""
        seed = 1
        continue-on-failure = true
        request-timeout = 500
        suppress-health-check = ["all"]
        headers = {{ Authorization = "{headers["Authorization"]}" }}
        [generation]
        max-examples = 8
        [checks.positive_data_acceptance]
        expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429]
        [checks.negative_data_rejection]
        expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]
    """)
    checked, wrong = set[str](), list[str]()
    with TestClient(app):
        schema = schemathesis.openapi.from_asgi("/v1/openapi.json", running(app), config=config)
        found = list(from_schema(schema).execute())
    for event in found:
        assert not isinstance(event, events.NonFatalError), str(event.info)
        assert not isinstance(event, events.FatalError), repr(event.exception)
        if isinstance(event, events.ScenarioFinished):
            for case, checks in event.recorder.checks.items():
                checked |= {check.name for check in checks}
                asked = event.recorder.cases[case].value.operation.label
                failed = [check for check in checks if check.failure_info is not None]
                wrong += [f"{asked}: {check.name}: {check.failure_info.failure.message}" for check in failed]
    assert not wrong, "\n".join(sorted(set(wrong)))
    assert checked >= CHECKS
