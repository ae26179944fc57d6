"""Nobody gets in, nobody sees another's jobs, nothing that is sent breaks it: tokens, scopes, limits, hostile input, fuzzing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from conftest import PATIENCE_S, until
from strategic_minerals import PlanError
from strategic_minerals.core import errors as names
from strategic_minerals.service import authentication as security
from strategic_minerals.service.app import create_app
from strategic_minerals.service.authentication import Rates
from strategic_minerals.service.dispatcher import open_store
from strategic_minerals.service.reading import kind_of_plan, table_file
from strategic_minerals.service.requests import KINDS_OF_JOBS, Question, sanitise
from strategic_minerals.service.settings import Settings
from support.served import QUICK, Obedient, client, ended, running, token
from support.served import settings as service_settings

EVERY = [
    tuple(line.split())
    for line in """
    GET /v1/jobs
    POST /v1/jobs
    POST /v1/jobs/upload
    GET /v1/jobs/{job_id}
    GET /v1/jobs/{job_id}/events
    POST /v1/jobs/{job_id}/cancel
    POST /v1/jobs/{job_id}/resume
    DELETE /v1/jobs/{job_id}
    GET /v1/jobs/{job_id}/result
    GET /v1/jobs/{job_id}/tables/{name}
    GET /v1/jobs/{job_id}/archive
    GET /v1/jobs/{job_id}/report
    GET /v1/jobs/{job_id}/log
    GET /v1/jobs/{job_id}/webhook
    POST /v1/check
    GET /v1/plans
    GET /v1/plans/{name}
    GET /v1/schemas
    GET /v1/schemas/{name}
    GET /v1/audit-log
    GET /metrics
    GET /
    GET /edit
    POST /edit
    POST /upload
    GET /jobs/{job_id}
    POST /jobs/{job_id}/{action}
""".strip().splitlines()
]
"""Every door that a token opens."""
OPEN = [
    tuple(line.split())
    for line in """
    GET /healthz
    GET /readyz
    GET /login
    POST /login
    POST /logout
    GET /static/{name}
    GET /v1/openapi.json
    HEAD /v1/openapi.json
""".strip().splitlines()
]
"""Every door that is open."""


def filled(path: str, job: str) -> str:
    """A path with names put in."""
    return path.format(job_id=job, name="t", action="delete")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, dict[str, dict[str, str]], str]]:
    """A service with tokens of two tenants, and a job of the first."""
    folder = tmp_path_factory.mktemp("office") / "s"
    tokens = {
        "one": token(folder, "one"),
        "two": token(folder, "two"),
        "reader": token(folder, "one", "read"),
        "admin": token(folder, "one", "admin"),
    }
    with TestClient(create_app(service_settings(folder), runner=Obedient()), raise_server_exceptions=False) as service:
        job = service.post("/v1/jobs", json=QUICK, headers=tokens["one"]).json()["id"]
        ended(service, job, headers=tokens["one"])
        yield service, tokens, job


def test_every_door_needs_a_token_and_all_doors_are_listed(office: Any) -> None:
    """Proves: without a token, and with a wrong one, everything but health answers 401 (pages: the way to sign in)."""
    service, _, job = office
    doors = {(method, route.path) for route in routes(service.app) for method in route.methods}
    assert doors == {*EVERY, *OPEN}
    for method, path in EVERY:
        answer = service.request(method, filled(path, job), headers={"X-Forwarded-For": "9.9.9.9"})
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")


def routes(app: Any) -> list[Any]:
    """All of an application's, those of its routers too."""
    found: list[Any] = []
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            waiting += inner
        elif getattr(route, "methods", None):
            found.append(route)
    return found


def test_tenants_do_not_see_each_other(office: Any) -> None:
    """Proves: another tenant's job is not there, whichever way it is asked for; nor in a list, nor as what a study builds on."""
    service, tokens, job = office
    for method, path in EVERY:
        if "{job_id}" in path:
            answer = service.request(method, filled(path, job), headers=tokens["two"])
            assert answer.status_code in (404, 405), path
    assert service.get("/v1/jobs", headers=tokens["two"]).json()["jobs"] == []
    for request in (
        {"kind": "stress", "of": job},
        {"kind": "compare", "of": [job, job]},
        {"kind": "explain", "of": job},
    ):
        assert service.post("/v1/jobs", json=request, headers=tokens["two"]).status_code == 404
    assert service.get(f"/v1/jobs/{job}", headers=tokens["one"]).status_code == 200


def test_scopes_hold(office: Any) -> None:
    """Proves: reading is not submitting, submitting is not administering."""
    service, tokens, job = office
    assert service.get(f"/v1/jobs/{job}", headers=tokens["reader"]).status_code == 200
    assert service.post("/v1/jobs", json=QUICK, headers=tokens["reader"]).status_code == 403
    assert service.delete(f"/v1/jobs/{job}", headers=tokens["reader"]).status_code == 403
    assert service.get("/v1/audit-log", headers=tokens["one"]).status_code == 403
    assert service.get("/v1/audit-log", headers=tokens["admin"]).json()[-1]["tenant"] == "one"


def test_a_cookie_comes_from_our_own_pages_alone(office: Any) -> None:
    """Proves: what a browser sends with a cookie from another site, or from a page without an origin such as a report, is refused;
    the cookie cannot be read by scripts nor sent by other sites."""
    service, tokens, job = office
    text = tokens["one"]["Authorization"].removeprefix("Bearer ")
    signed = service.post("/login", data={"token": text}, follow_redirects=False)
    cookie = signed.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    service.cookies.set("strategic_minerals", text)
    try:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert service.post(f"/v1/jobs/{job}/cancel", headers=headers).status_code == 403, headers
        assert service.post(f"/v1/jobs/{job}/cancel", headers={"Origin": "http://testserver"}).status_code == 200
    finally:
        service.cookies.clear()


def test_without_tokens_only_this_machine_is_answered(tmp_path: Path) -> None:
    """Proves: open service on another address is refused by the settings; a name that was made to point here is refused too."""
    with pytest.raises(ValidationError, match="other machines can reach"):
        Settings(folder=tmp_path, host="0.0.0.0", open_on_loopback=True)
    with client(tmp_path / "s", Obedient()) as service:
        assert service.get("/v1/jobs").status_code == 200
        assert service.get("/v1/jobs", headers={"Host": "evil.example"}).status_code == 403
        assert service.post("/v1/jobs", json=QUICK, headers={"Origin": "http://evil.example"}).status_code == 403


def test_rates_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a token that asks too often, and an address that guesses tokens, have to wait, until time has gone by. The clock
    stands still, so that a slow machine asks no less often."""
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter, time=time.time)
    monkeypatch.setattr(security, "time", clock)
    with client(tmp_path / "s", Obedient(), requests_per_minute=5) as service:
        codes = [service.get("/v1/jobs").status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        now[0] += 12.0
        assert [service.get("/v1/jobs").status_code for _ in range(2)] == [200, 429]
    folder = tmp_path / "t"
    token(folder, "one")
    with TestClient(create_app(service_settings(folder), runner=Obedient())) as service:
        codes = [service.get("/v1/jobs", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(40)]
        assert codes[0] == 401
        assert codes[-1] == 429
    rates = Rates(60)
    assert all(rates.take("a") == 0 for _ in range(60))
    assert rates.take("a") == 1.0
    assert rates.take("b") == 0
    now[0] += 1.0
    assert rates.take("a") == 0


def test_secrets_and_places_stand_in_no_answer_and_no_database(office: Any, tmp_path: Path) -> None:
    """Proves: the database holds hashes; an answer that failed tells nothing of the machine."""
    service, tokens, _ = office
    folder = service.app.state.settings.folder
    text = tokens["one"]["Authorization"].removeprefix("Bearer ").encode()
    for path in folder.rglob("*"):
        if path.is_file():
            assert text not in path.read_bytes(), path
    with client(tmp_path / "s", Obedient()) as broken:
        broken.app.state.store.close()  # type: ignore[attr-defined]
        answer = broken.get("/v1/jobs")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "sqlite" not in answer.text.lower()
        assert "/" not in answer.json()["detail"]
        assert broken.get("/readyz").status_code == 503


def test_a_body_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    """Proves R36: with a length or without, a body that is too large ends in 413 before it is in memory."""
    with client(tmp_path / "s", Obedient(), most_body_bytes=100_000) as service:
        head = {"Content-Type": "application/json"}
        sent = []

        def pieces() -> Iterator[bytes]:
            for _ in range(1000):
                sent.append(1)
                yield b" " * 10_000

        assert service.post("/v1/jobs", content=b" " * 200_000, headers=head).status_code == 413
        assert service.post("/v1/jobs", content=pieces(), headers=head).status_code == 413
        assert service.post("/v1/jobs/upload", files={"plan": b"x" * 200_000}).status_code == 413


SOLVE = b'{"kind":"solve","shipped":"quickstart",'
HOSTILE: list[bytes] = [
    b"[" * 100_000,
    b'{"kind":"solve","plan":' + b'{"a":' * 3000 + b"1" + b"}" * 3001,
    b'{"kind":"solve","shipped":NaN}',
    SOLVE + b'"gap":Infinity}',
    SOLVE + b'"set":{"discount_rate":1e999}}',
    SOLVE + b'"set":{"' + b"a." * 3000 + b'b":1}}',
    SOLVE + b'"label":"\\u0000"}',
    SOLVE + b'"tables":{"prices":[{"a":[1]}]}}',
    SOLVE + b'"tables":{"t":[' + b'{"a":[]},' * 100_000 + b"{}]}}",
    SOLVE + b'"tables":{' + b",".join(b'"t%d":[]' % n for n in range(30_000)) + b"}}",
    b'{"kind":"solve","plan":{"name":"\\ud800"}}',
    b'{"kind":"solve","plan":{"name":' + b"9" * 5000 + b"}}",
    b'{"kind":"solve","plan_toml":"' + b"[" * 5000 + b'"}',
    b'{"kind":"solve","shipped":"../../etc/passwd"}',
    b'{"kind":"stress","of":"../../../etc"}',
    b'{"kind":"explode"}',
    b"\xff\xfe",
    b"null",
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies_are_refused_and_nothing_more(office: Any, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R28, R31, R35: numbers that are none, nesting, half characters, paths: 4xx with problem details. What takes long,
    looking for names that were meant, is done for few, and the answer is short."""
    service, tokens, _ = office
    looked = Counter[str]()
    real = names.get_close_matches
    monkeypatch.setattr(
        names, "get_close_matches", lambda word, *rest, **how: looked.update([word]) or real(word, *rest, **how)
    )
    answer = service.post("/v1/jobs", content=body, headers={**tokens["one"], "Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    json.loads(answer.text, parse_constant=pytest.fail)
    assert len(answer.content) < 100_000
    assert looked.total() <= 200


def test_what_a_browser_may_be_made_to_send_breaks_nothing(office: Any) -> None:
    """Proves: hosts and origins that are none, names that are none, nesting in a form: 4xx, never 5xx; signing in and out from
    another site is refused."""
    service, tokens, job = office
    mine = tokens["one"]
    assert service.post("/v1/jobs", json=QUICK, headers={"Origin": "http://["}).status_code == 403
    for other in ("", "x", "../.."):
        assert service.post(f"/jobs/{job}/compare", data={"other": other}, headers=mine).status_code in (404, 422), (
            other
        )
    nested = {"shipped_plan": "quickstart", "budget.appropriation_musd": "[" * 100_000, "action": "check", "gap": "0.1"}
    assert service.post("/edit", data=nested, headers=mine).status_code == 422
    for path in ("/login", "/logout"):
        answer = service.post(
            path, data={"token": "x"}, headers={"Origin": "https://evil.example"}, follow_redirects=False
        )
        assert answer.status_code == 403
    twice = b'{"name": "x", ' + b'"k": 1, ' * 15_000 + b'"k": 2}'
    assert service.post("/v1/jobs/upload", files={"plan": twice}, headers=mine).status_code == 422


def test_a_strangers_body_is_not_read(tmp_path: Path) -> None:
    """Proves: without a token the answer comes before the body."""
    folder = tmp_path / "s"
    token(folder, "one")
    with TestClient(create_app(service_settings(folder), runner=Obedient())) as service:
        sent = []

        def pieces() -> Iterator[bytes]:
            for _ in range(100):
                sent.append(1)
                yield b" " * 100_000

        assert (
            service.post("/v1/jobs", content=pieces(), headers={"Content-Type": "application/json"}).status_code == 401
        )


def test_a_revoked_token_loses_its_open_streams(tmp_path: Path) -> None:
    """Proves: revoking takes effect at once, for what is open too."""
    folder, runner = tmp_path / "s", Obedient(hold=True)
    headers = token(folder, "one")
    app = create_app(service_settings(folder), runner=runner)
    with TestClient(app) as service:
        job = service.post("/v1/jobs", json=QUICK, headers=headers).json()["id"]
        store = app.state.store
        threading.Timer(1.0, lambda: store.revoke(store.tokens()[0].id)).start()
        with service.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as stream:
            for _ in stream.iter_lines():  # it ends although the job does not
                pass
        runner.go.set()


def test_the_password_of_the_database_is_not_printed(tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: wrong settings and a database that is not there are told without the password, each with an exit code of its own."""
    for address in ("postgresql://u:secretpw@127.0.0.1:1/x", "postgresqll://u:secretpw@h/x"):
        monkeypatch.setenv("STRATEGIC_MINERALS_DATABASE", address)
        for code, arguments in ((6, ["serve", "--host", "0.0.0.0", "--open-on-loopback"]), (7, ["token", "list"])):
            found = cli(*arguments)
            assert found.returncode == code, found.stderr
            assert "secretpw" not in found.stdout + found.stderr


@pytest.mark.parametrize(
    "path", ["/v1/jobs/..%2f..%2fetc", "/v1/jobs/%00", "/v1/jobs/%2e%2e/log", "/static/..%2fapp.py", "/jobs/x/delete"]
)
def test_paths_lead_nowhere_else(office: Any, path: str) -> None:
    """Proves R35: a job's name is 32 hexadecimal digits and nothing else, a static file one of two."""
    service, tokens, _ = office
    assert service.get(path, headers=tokens["one"]).status_code in (400, 404, 405, 422)


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_a_tables_file_name_is_one_of_the_tables_or_refused(label: str) -> None:
    """Proves R35: whatever a caller calls a file, the name it gets is ours."""
    try:
        name = table_file(label)
    except PlanError:
        return
    assert re.fullmatch(r"tables/[a-z_]+\.csv", name)


@given(st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_uploads_of_anything_are_refused_or_kept(office: Any, content: bytes) -> None:
    """Proves: whatever bytes come as a plan, the answer is 202, or 4xx with problem details; workbooks are left to the job."""
    service, tokens, _ = office
    answer = service.post("/v1/jobs/upload", files={"plan": ("p", content)}, headers=tokens["one"])
    assert answer.status_code in (202, 400, 422, 429), answer.text
    assert (answer.status_code == 202) <= (kind_of_plan(content) == "plan.xlsx")


LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers()


@given(
    st.recursive(
        LEAVES, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=5), s, max_size=3), max_leaves=20
    )
)
@settings(max_examples=200)
def test_plain_data_is_tame_or_refused(value: Any) -> None:
    """Proves: what passes into a question can be written as strict JSON and as UTF-8."""
    try:
        found = sanitise(Question(plan={"x": value}).model_dump())
    except ValueError:
        return
    json.dumps(found, allow_nan=False, ensure_ascii=False).encode()


def test_a_request_says_what_it_does_not_know() -> None:
    """Proves R29: a misspelt field is an error."""
    with pytest.raises(ValidationError, match="gapp"):
        KINDS_OF_JOBS["solve"].request.model_validate({"kind": "solve", "shipped": "quickstart", "gapp": 0.1})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_whole_api_withstands_a_fuzzer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: requests made from the OpenAPI description, one after the other as links lead: no 5xx, every answer as described."""
    runner = Obedient()
    quick = lambda *_: subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)  # noqa: E731
    monkeypatch.setattr("strategic_minerals.service.authentication.start", quick)  # reports: none is made
    monkeypatch.setattr("strategic_minerals.service.app.start", quick)  # the solver's test programs
    free = {"requests_per_minute": 10**6, "most_queued": 10**6, "most_queued_of_tenant": 10**6}
    app = create_app(service_settings(tmp_path / "s", open_on_loopback=True, **free), runner=runner, checker=runner)
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app)  # it starts the application itself
    machine = schema.as_state_machine()

    def checked(self: Any, response: Any, case: Any, **given: Any) -> None:
        assert response.status_code < 500 or response.status_code == 503, response.text
        case.validate_response(
            response, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
        )

    machine.validate_response = checked  # type: ignore[method-assign, assignment]
    every = list(HealthCheck)
    machine.run(settings=settings(max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=every))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_the_api_is_as_it_describes_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: all of schemathesis's checks in all of its phases, seeded: statuses, content types, headers and schemas as described;
    data against the schema refused, methods that are not there 405 with the right Allow, no answer without a token, nothing used
    after it is gone, no 5xx. What the schema lets through may still be wrong as a plan: 422 is right for that."""

    def reported(folder: Any, *_: Any) -> Any:
        (folder.path / "report.html").write_text("<p>report", encoding="utf-8")
        return subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)

    monkeypatch.setattr("strategic_minerals.service.authentication.start", reported)
    monkeypatch.setattr("strategic_minerals.service.app.Canary._look", lambda self: "ok")
    folder, runner = tmp_path / "s", Obedient()
    headers = token(folder, "one", "read", "submit", "admin")
    free = {
        "requests_per_minute": 10**6,
        "most_queued": 10**6,
        "most_queued_of_tenant": 10**6,
        "most_jobs_of_tenant": 10**6,
    }
    app = create_app(service_settings(folder, **free), runner=runner, checker=runner)
    config = SchemathesisConfig.from_str(f"""
        seed = 1
        continue-on-failure = true
        suppress-health-check = ["all"]
        headers = {{ Authorization = "{headers["Authorization"]}" }}
        [generation]
        max-examples = 8
        [checks.positive_data_acceptance]
        expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422, 429]
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
                failed = [check for check in checks if check.failure_info is not None]
                wrong += [
                    f"{event.recorder.cases[case].value.operation.label}: {check.name}: "
                    f"{check.failure_info.failure.message}"
                    for check in failed
                ]
    assert not wrong, "\n".join(sorted(set(wrong)))
    assert checked >= {
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "positive_data_acceptance",
        "unsupported_method",
        "allow_header_conformance",
        "ignored_auth",
        "not_a_server_error",
    }


def test_the_audit_log_names_who_did_what(tmp_path: Path) -> None:
    """Proves: submitting, cancelling and deleting stand there with tenant, token and address, refused ones do not."""
    folder = tmp_path / "s"
    headers = token(folder, "one")
    with TestClient(create_app(service_settings(folder), runner=Obedient())) as service:
        job = service.post("/v1/jobs", json=QUICK, headers=headers).json()["id"]
        ended(service, job, headers=headers)
        service.post("/v1/jobs", json={"kind": "solve"}, headers=headers)
        service.delete(f"/v1/jobs/{job}", headers=headers)
    store = open_store(folder, None)
    found = store.log_entries()
    (one,) = store.tokens()
    store.close()
    assert [(entry.action, entry.job) for entry in found] == [("delete", job), ("submit solve", job)]
    assert {(entry.tenant, entry.token) for entry in found} == {("one", one.id)}


def test_streams_are_limited(tmp_path: Path) -> None:
    """Proves: a tenant cannot hold more event streams open than allowed, and a closed one makes room."""
    runner = Obedient(hold=True)
    with client(tmp_path / "s", runner, most_streams=1) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        done = threading.Event()

        def listen() -> None:
            with service.stream("GET", f"/v1/jobs/{job}/events") as stream:
                for _ in stream.iter_lines():
                    pass
            done.set()

        threading.Thread(target=listen, daemon=True).start()
        until(lambda: service.app.state.streams._open)  # type: ignore[attr-defined]
        assert service.get(f"/v1/jobs/{job}/events").status_code == 429
        runner.go.set()
        assert done.wait(PATIENCE_S)
        assert service.get(f"/v1/jobs/{job}/events").status_code == 200
