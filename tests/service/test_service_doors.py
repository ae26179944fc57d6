"""What other programs meet at the doors: turns, forms of answers, mounting, kept questions, what a full disk and a kill leave."""

import asyncio
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from conftest import until
from service.test_service_stores import job_of, put
from strategic_minerals.service import store as stores
from strategic_minerals.service.app import create_app
from strategic_minerals.service.auth import Turns, new_token
from strategic_minerals.service.dispatcher import Janitor, start
from strategic_minerals.service.job_folder import Folder, Reserve, own_alone, seldom
from strategic_minerals.service.records import AuditLogEntry, StoreError
from strategic_minerals.service.requests import ProblemError
from strategic_minerals.service.settings import Limits, Settings
from strategic_minerals.service.store import open_store
from support.served import QUICK, Obedient, client, ended, reported, served, settings, token

pytestmark = pytest.mark.long


def test_costly_requests_of_one_tenant_wait_for_each_other_and_for_nobody_else() -> None:
    """Proves R59: one of a tenant at a time, tenants in turn; too many that wait are refused; who gives up is passed over."""

    async def played() -> list[str]:
        turns, told = Turns(most=2, waiting_of_tenant=3), list[str]()

        async def ask(tenant: str, n: int) -> None:
            await turns.enter(tenant)
            told.append(f"{tenant}{n}")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            turns.leave(tenant)

        greedy = [asyncio.create_task(ask("greedy", n)) for n in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError) as refused:
            await turns.enter("greedy")
        assert refused.value.problem.type.endswith(":turn")
        greedy[1].cancel()
        modest = [asyncio.create_task(ask(name, 0)) for name in ("modest", "third")]
        await asyncio.gather(*greedy, *modest, return_exceptions=True)
        assert turns._busy == set()
        assert not any(turns._waiting.values())
        return told

    assert asyncio.run(played()) == ["greedy0", "modest0", "greedy2", "third0", "greedy3"]


def test_examining_holds_up_its_own_tenant_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R59: while a tenant's submission is examined, however long, others submit, and its own status is told."""
    from strategic_minerals.service import admission

    real, held = admission.look, [True]

    def slow(folder: Any, asked: Any, most_columns: int) -> None:
        while asked["label"] == "slow" and held[0]:
            time.sleep(0.01)
        real(folder, asked, most_columns)

    monkeypatch.setattr(admission, "look", slow)
    greedy, modest = token(tmp_path / "s", "greedy"), token(tmp_path / "s", "modest")
    asked = {**QUICK, "set": {"discount_rate": 0.02}}
    with TestClient(served(tmp_path / "s", Obedient())) as service, ThreadPoolExecutor(4) as pool:
        waiting = [
            pool.submit(service.post, "/v1/jobs", json={**asked, "label": "slow"}, headers=greedy) for _ in range(3)
        ]
        until(lambda: service.app.state.turns._busy)  # type: ignore[attr-defined]
        assert service.post("/v1/jobs", json=asked, headers=modest).status_code == 202
        assert service.get("/v1/jobs", headers=greedy).json()["jobs"] == []
        held[0] = False
        assert [one.result().status_code for one in waiting] == [202] * 3


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with client(tmp_path_factory.mktemp("doors") / "s", Obedient()) as found:
        yield found


@pytest.fixture(scope="module")
def done(service: TestClient) -> str:
    job = str(service.post("/v1/jobs", json=QUICK).json()["id"])
    ended(service, job)
    return job


def test_answers_come_in_the_form_that_is_wanted_or_not_at_all(service: TestClient, done: str) -> None:
    """Proves: a table as CSV, JSON or Parquet, by `Accept` with its weights or by name; else 406."""
    import io

    import pandas as pd

    at = f"/v1/jobs/{done}/tables/t"
    kinds = {"text/csv": "text/csv", "application/json;q=0.5, text/csv;q=0.1": "application/json", "*/*": "text/csv"}
    kinds |= {"*": "text/csv", "image/gif, *; q=.2": "text/csv", "text/csv;q=0.1, *": "application/json"}
    for accept, kind in kinds.items():
        assert service.get(at, headers={"Accept": accept}).headers["content-type"].startswith(kind)
    parquet = service.get(at, params={"format": "parquet"})
    assert parquet.headers["content-type"] == "application/vnd.apache.parquet"
    assert pd.read_parquet(io.BytesIO(parquet.content)).to_dict("records") == [{"a": 1, "b": "=x"}]
    ill = "application/problem+json"
    for path, accept in ((at, "image/png"), ("/v1/jobs", ill), (f"/v1/jobs/{done}/archive", "text/html;q=0.9")):
        refused = service.get(path, headers={"Accept": accept})
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (406, "not-acceptable")
        assert refused.headers["content-type"] == ill
    assert service.get("/v1/jobs", headers={"Accept": "text/csv, */*;q=0.1"}).status_code == 200


def test_files_come_whole_and_headers_bring_what_is_described(service: TestClient, done: str) -> None:
    """Proves: a part of a file that is asked for is the whole, as RFC 9110 lets a server do; headers sent twice, and text that is
    packed or in another alphabet, are answered by statuses that each operation declares."""
    job = f"/v1/jobs/{done}"
    reported(Folder.of(service.app.state.settings.folder, done)).communicate()  # type: ignore[attr-defined]
    for path, stated in product((f"{job}/tables/t", f"{job}/report"), ("bytes=0-1", "bytes=999-", "lines=1", "x")):
        answer, whole = service.get(path, headers={"Range": stated}), service.get(path)
        assert (answer.status_code, answer.content, "accept-ranges" in answer.headers) == (200, whole.content, False)
    told = [[(name, "x")] * 2 for name in ("Authorization", "Content-Type", "Idempotency-Key")]
    told += [[("Content-Encoding", "gzip")], [("Content-Type", "application/json; charset=latin-1")]]
    paths = service.get("/v1/openapi.json").json()["paths"]
    doors = [(path, method) for path in paths for method in paths[path]]
    for (path, method), headers in product(doors, told):
        place = path.format(job_id="0" * 32, name="t", question_id="0" * 32)
        answer = service.request(method, place, headers=headers)
        kind = answer.headers["content-type"].partition(";")[0]
        declared = paths[path][method]["responses"].get(str(answer.status_code), {"content": {}})
        assert kind in declared["content"], (method, path, headers, answer.status_code)


def test_head_is_get_without_a_body(service: TestClient, done: str) -> None:
    """Proves D15: the same status and headers, nothing else."""
    for path in ("/healthz", "/v1/jobs", f"/v1/jobs/{done}/tables/t", "/login"):
        whole, head = service.get(path), service.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        assert head.headers["content-type"] == whole.headers["content-type"]
    with pytest.MonkeyPatch.context() as patch:  # no room for a stream: none is opened
        patch.setattr(service.app.state.streams, "_in_all", 0)  # type: ignore[attr-defined]
        head, whole = service.head(f"/v1/jobs/{done}/events"), service.get(f"/v1/jobs/{done}/events")
    assert (head.status_code, whole.status_code) == (200, 429)
    assert head.headers["content-type"].startswith("text/event-stream")


def test_every_fault_of_a_body_is_told_at_once(service: TestClient) -> None:
    """Proves E5: an unknown field, a wrong number, a wrong address and a wrong table are four faults of one answer."""
    tables = {"demnad": [], "stock": [3]}
    wrong = {**QUICK, "gap": 7, "gapp": 1, "set": {"budget.": 1}, "tables": tables}
    found = service.post("/v1/jobs", json=wrong).json()
    assert {fault["column"] for fault in found["faults"]} >= {"gap", "gapp", 'set["budget."]', "table"}
    assert found["instance"].startswith("urn:strategic-minerals:request:")
    plan = {"materials": ["germanium"], "budget": {"appropriation_musd": -1}}
    rows = {"stock": [{"material": "germanium", "opening_t": "many"}]}
    found = service.post("/v1/jobs", json={"kind": "solve", "gap": 7, "plan": plan, "tables": rows}).json()
    places = {(fault["file"], fault["column"]) for fault in found["faults"]}
    assert {("body", "gap"), ("plan", "budget.appropriation_musd"), ("stock", "opening_t")} <= places
    sound = {"kind": "solve", "gap": 7, "shipped": "quickstart", "tables": rows}
    found = service.post("/v1/jobs", json=sound).json()
    assert {fault["column"] for fault in found["faults"]} == {"gap", "opening_t"}
    found = service.post("/v1/jobs", json={**QUICK, "set": {"budget.appropriation_musd": 5, "budget.": 1}}).json()
    assert [fault["column"] for fault in found["faults"]] == ['set["budget."]']


def test_a_stream_goes_on_after_the_last_event(service: TestClient, done: str) -> None:
    """Proves: events have identifiers and a time after which to ask again; who names the last one hears nothing twice."""
    first = service.get(f"/v1/jobs/{done}/events").text
    assert first.startswith("retry: ")
    (name,) = [line.removeprefix("id: ") for line in first.splitlines() if line.startswith("id: ")]
    assert service.get(f"/v1/jobs/{done}/events", headers={"Last-Event-ID": name}).status_code == 204
    assert "data:" in service.get(f"/v1/jobs/{done}/events", headers={"Last-Event-ID": "other"}).text


def test_usage_and_rates_are_told(service: TestClient, done: str, tmp_path: Path) -> None:
    """Proves: what a tenant has used stands beside its quotas, and each answer says how many requests are left."""
    with client(tmp_path / "s", Obedient(), requests_per_minute=3) as few:
        answers = [few.get("/v1/usage") for _ in range(4)]
    assert [one.headers["ratelimit"] for one in answers] == [f'"token";r={n};t=60' for n in (2, 1, 0, 0)]
    assert answers[0].headers["ratelimit-policy"] == '"token";q=3;w=60'
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    used = service.get("/v1/usage").json()
    assert (used["jobs"] >= 1, used["most_jobs"]) == (True, Limits().jobs_of_tenant)
    accepted = service.post("/v1/jobs", json=QUICK)
    assert int(accepted.headers["retry-after"]) >= 1


def test_a_question_that_is_kept_is_asked_again_and_again(service: TestClient, tmp_path: Path) -> None:
    """Proves: a plan sent once is named by jobs, with changes of their own; a deleted one is gone."""
    kept = service.post("/v1/questions", json={"shipped": "quickstart", "set": {"discount_rate": 0.02}})
    assert kept.status_code == 201
    name = kept.json()["id"]
    plan = b'name = "own"\n'
    for path, given in (
        ("/v1/questions", {"json": {"plan": {"name": "own"}}}),
        ("/v1/questions/upload", {"files": {"plan": plan}}),
    ):
        assert service.post(path, **given).status_code == 422  # it is a plan that lacks nearly everything
    asked = {"kind": "solve", "quick": True, "question": name, "set": {"budget.appropriation_musd": 9}}
    job = service.post("/v1/jobs", json=asked).json()["id"]
    stated = Folder.of(service.app.state.settings.folder, job).read("request.json") or {}  # type: ignore[attr-defined]
    assert stated["shipped"] == "quickstart"
    assert stated["set"] == {"discount_rate": 0.02, "budget.appropriation_musd": 9}
    assert [one["id"] for one in service.get("/v1/questions").json()] == [name]
    assert service.get(f"/v1/questions/{name}").json()["id"] == name
    assert service.delete(f"/v1/questions/{name}").status_code == 204
    assert service.get(f"/v1/questions/{name}").status_code == 404
    assert service.post("/v1/jobs", json=asked).status_code == 404


def test_answers_to_plain_questions_make_a_plan(service: TestClient) -> None:
    """Proves: what the sheet `start here` asks may be answered in a request; a fault names its question and column."""
    asked = {**QUICK, "answers": {"years": ["4"], "budget a year (million)": ["25"]}}
    assert service.post("/v1/jobs", json=asked).status_code == 202
    wrong = {**QUICK, "answers": {"years": ["4000"], "yeers": ["4"], "disruption: use it (yes or no)": ["no", "yes"]}}
    faults = service.post("/v1/jobs", json=wrong).json()["faults"]
    assert {(fault["column"], fault["row"][0]) for fault in faults} >= {("years", "B"), ("yeers", "A")}
    assert any(fault["row"].startswith("C") for fault in faults)


def test_kept_questions_and_shared_reports_are_a_tenants_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: another tenant neither lists, deletes, checks, opens nor asks one's question, nor copies one's run; a shared link
    shows one report, is no token, ends with the next one and with the run; an ordinary token opens no shared report."""
    one, two = token(tmp_path / "s", "one"), token(tmp_path / "s", "two")
    monkeypatch.setattr("strategic_minerals.service.api.start", reported)
    with TestClient(served(tmp_path / "s", Obedient(), checker=Obedient())) as service:
        name = service.post("/v1/questions", json={"shipped": "quickstart"}, headers=one).json()["id"]
        asked = {"question": name}
        job = service.post("/v1/jobs", json={**QUICK, "shipped": None, **asked}, headers=one).json()["id"]
        ended(service, job, headers=one)
        assert service.get("/v1/questions", headers=two).json() == []
        tries = [
            service.delete(f"/v1/questions/{name}", headers=two),
            service.post("/v1/check", json=asked, headers=two),
            service.post("/v1/jobs", json={"kind": "solve", **asked}, headers=two),
            service.get("/edit", params=asked, headers=two),
            service.get("/edit", params={"copy": job}, headers=two),
            service.post(f"/jobs/{job}/share", headers=two, follow_redirects=False),
        ]
        assert [one.status_code for one in tries] == [404] * len(tries)
        assert service.get("/edit", params={"copy": job}, headers=one).status_code == 200
        links = []
        for _ in "ab":
            page = service.post(f"/jobs/{job}/share", headers=one)
            links.append(page.text.partition("/shared/")[2].partition('"')[0])
        assert service.get(f"/shared/{links[0]}").status_code == 404
        assert service.get(f"/shared/{links[1]}").text == "<p>report"
        assert service.get("/v1/jobs", headers={"Authorization": f"Bearer {links[1]}"}).status_code == 403
        assert service.post("/login", data={"token": links[1]}, follow_redirects=False).status_code == 401
        ordinary = one["Authorization"].removeprefix("Bearer ")
        assert service.get(f"/shared/{ordinary}").status_code == 404
        assert service.delete(f"/v1/jobs/{job}", headers=one).status_code == 204
        assert service.get(f"/shared/{links[1]}").status_code == 404


def test_tables_beside_a_question_and_questions_of_questions_are_refused(service: TestClient) -> None:
    """Proves: nothing that a job sends is replaced in silence by what the question has."""
    name = service.post("/v1/questions", json={"shipped": "quickstart"}).json()["id"]
    wrong = (
        {"kind": "solve", "question": name, "tables": {"stock": [{"material": "gallium", "opening_t": 1}]}},
        {"kind": "solve", "question": name, "on_top_of_shipped": True},
        {"kind": "solve", "question": name, "shipped": "quickstart"},
    )
    assert [service.post("/v1/jobs", json=one).status_code for one in wrong] == [422] * 3
    assert service.post("/v1/questions", json={"question": name}).status_code == 422


def test_text_that_takes_forever_to_decode_and_words_that_are_no_methods_are_refused(service: TestClient) -> None:
    """Proves: another charset than UTF-8 is not decoded, forms of pages are small, and unknown methods are not counted."""
    kind = {"Content-Type": "multipart/form-data; boundary=b; charset=punycode"}
    assert service.post("/login", content=b"--b--", headers=kind).status_code == 415
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert service.post("/login", content=b"token=" + b"x" * 20_000, headers=form).status_code == 413
    before = len(service.get("/metrics").text)
    assert [service.request(f"WORD{n}", "/x").status_code for n in range(50)] == [405] * 50
    assert len(service.get("/metrics").text) - before < 2000


def test_an_application_mounts_the_service_and_runs_its_lifespan(tmp_path: Path) -> None:
    """Proves E2: links and page stand under the path; without the lifespan a sentence says what is missing."""
    minerals = create_app(Settings(folder=tmp_path / "s"), runner=Obedient())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        async with minerals.router.lifespan_context(minerals):
            yield

    office = FastAPI(lifespan=lifespan)
    office.mount("/minerals", minerals)
    with TestClient(office, headers=token(tmp_path / "s", "one")) as service:
        job = service.post("/minerals/v1/jobs", json=QUICK)
        assert job.headers["location"] == f"/minerals/v1/jobs/{job.json()['id']}"
        assert until(lambda: service.get(job.json()["links"]["self"]).json()["state"] == "succeeded")
        assert 'href="/minerals/static/page.css"' in service.get("/minerals/").text
        assert service.put("/minerals/v1/jobs").headers["allow"] == "GET, HEAD, POST"
    told = create_app(Settings(folder=tmp_path / "u", public_url="https://gw.example/api/minerals"), runner=Obedient())
    gateway = FastAPI(lifespan=lambda _: told.router.lifespan_context(told))
    gateway.mount("/minerals", told)
    with TestClient(gateway, headers=token(tmp_path / "u", "one")) as service:
        job = service.post("/minerals/v1/jobs", json=QUICK)
        assert job.headers["location"] == f"/api/minerals/v1/jobs/{job.json()['id']}"
        assert job.json()["links"]["self"] == job.headers["location"]
    forgetful = FastAPI()
    other = create_app(Settings(folder=tmp_path / "t"), runner=Obedient())
    forgetful.mount("/minerals", other)
    with TestClient(forgetful) as service:
        answer = service.post("/minerals/v1/jobs", json=QUICK)
    other.state.store.close()
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "not-started")
    assert "lifespan" in answer.json()["detail"]


def test_a_service_that_others_can_reach_stands_behind_a_proxy(tmp_path: Path) -> None:
    """Proves: another host than this machine's own needs the proxy's address; what is no address is refused."""
    for wrong in ({"host": "0.0.0.0"}, {"trusted_proxies": "nginx"}, {"public_url": "plans.example"}):
        with pytest.raises(ValueError, match=r"trusted_proxies|10\.0\.0\.5|https://"):
            Settings(folder=tmp_path, **wrong)  # type: ignore[arg-type]
    found = Settings(host="0.0.0.0", trusted_proxies="10.0.0.0/24, ::1", public_url="https://office.example/minerals/")
    assert found.prefix == "/minerals"


def test_a_token_ends_when_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a token has an end; one that is over is known no more."""
    with closing(open_store(tmp_path, None)) as store:
        _, kept, digest = new_token("t", ("read",), days=1.0)
        store.keep_token(kept, digest)
        assert store.token(digest) == kept
        real = time.time
        monkeypatch.setattr(stores.time, "time", lambda: real() + 86_401)
        assert store.token(digest) is None
        assert not store.in_force(kept.id)


def test_jobs_are_deleted_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R61: the reserve is given up for a delete that finds no room, and taken again later."""
    with client(tmp_path / "s", Obedient()) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, job)
        reserve = tmp_path / "s" / "reserve"
        until(reserve.is_file)
        store = service.app.state.store  # type: ignore[attr-defined]
        real = store.delete

        def crowded(*given: Any) -> Any:
            if reserve.is_file():
                raise StoreError("full", "the store cannot be written")
            return real(*given)

        monkeypatch.setattr(store, "delete", crowded)
        assert service.delete(f"/v1/jobs/{job}").status_code == 204
        assert not reserve.exists()
        assert not (tmp_path / "s" / "jobs" / job).exists()
        Reserve(tmp_path / "s").fill()
        assert reserve.stat().st_size >= 2**20


def test_an_act_and_its_line_in_the_log_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R62: where the line cannot be written, nothing is deleted, cancelled or resumed; a kill between row and folder leaves
    a tombstone, and the folder goes with it."""
    with closing(open_store(tmp_path, None)) as store:
        done, waiting = put(store, job_of(submitted=1.0)), put(store, job_of(submitted=2.0))
        assert store.claim("s", Limits()) is not None
        store.finish(done.id, "s", "succeeded", {})
        entry = AuditLogEntry(time.time(), "t", "k", "", "delete", done.id)
        with monkeypatch.context() as patch:
            patch.setattr(stores, "_log", lambda *_: (_ for _ in ()).throw(KeyError("killed")))
            for act in (
                lambda: store.delete(done.id, entry),
                lambda: store.cancel(waiting.id, entry),
                lambda: store.put_back(done.id, ("succeeded",), entry=entry),
            ):
                with pytest.raises(KeyError):
                    act()
        assert [store.job(one.id).state for one in (done, waiting)] == ["succeeded", "queued"]  # type: ignore[union-attr]
        folder = Folder.of(tmp_path, done.id)
        folder.path.mkdir(parents=True)
        folder.write("ended.json", {"state": "succeeded"})
        assert store.delete(done.id, entry)  # and here comes the kill
        janitor = Janitor(settings(tmp_path), Limits(), store)
        janitor.tidy()
        assert (tmp_path / "reserve").is_file(), "room is kept from the first second on"
        assert not folder.path.exists()
        janitor.beat()
        janitor.tidy()
        assert store.deleted() == []
        assert [one.action for one in store.log_entries()].count("delete") == 1


def test_a_question_and_its_line_in_the_log_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R62 of kept questions: where the line cannot be written, none is kept and none is deleted."""
    with client(tmp_path / "s", Obedient(), checker=Obedient()) as service:
        name = service.post("/v1/questions", json={"shipped": "quickstart"}).json()["id"]

        def full(*_: Any) -> None:
            raise StoreError("full", "the store cannot be written")

        with monkeypatch.context() as patch:
            patch.setattr(service.app.state.store, "log", full)  # type: ignore[attr-defined]
            assert service.post("/v1/questions", json={"shipped": "quickstart"}).status_code == 503
            assert service.delete(f"/v1/questions/{name}").status_code == 503
        assert [one["id"] for one in service.get("/v1/questions").json()] == [name]
        assert service.delete(f"/v1/questions/{name}").status_code == 204


def test_a_report_counts_among_what_a_tenant_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves D10: the bytes of a report that is made on request are the job's; what has none says where its tables are."""
    monkeypatch.setattr("strategic_minerals.service.api.start", partial(reported, text="x" * 500_000))
    with client(tmp_path / "s", Obedient()) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, job)
        before = service.get("/v1/usage").json()["mib"]
        assert service.get(f"/v1/jobs/{job}/report").status_code == 200
        assert service.get("/v1/usage").json()["mib"] > before + 0.4
        job = service.post("/v1/jobs", json={"kind": "scenarios", "shipped": "quickstart"}).json()["id"]
        ended(service, job)
        assert "are in `result`" in service.get(f"/v1/jobs/{job}/report").json()["detail"]


def test_a_file_beside_the_server_takes_the_place_of_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R60: `fractions.py` in the server's folder, or in the job's, is not what a job imports."""
    monkeypatch.chdir(tmp_path)
    job = Folder(tmp_path / "job")
    job.path.mkdir()
    for place in (tmp_path, job.path):
        (place / "fractions.py").write_text("raise SystemExit('mine')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "job", os.environ.get("PYTHONPATH", "")]))
    job.write("request.json", {**QUICK, "set": {}})
    process = start(job, "look")
    assert process.wait(120) == 0, (job.path / "errors.txt").read_text()
    process.stdin.close()


def test_nobody_else_reads_a_store_whose_folder_was_there(tmp_path: Path) -> None:
    """Proves R64: a folder that others could read is closed to them before anything is written."""
    place, before = tmp_path / "s", os.umask(0o022)
    try:
        place.mkdir(mode=0o755)
        own_alone(place)
        (place / "x").write_text("x", encoding="utf-8")
        assert (place.stat().st_mode & 0o077, (place / "x").stat().st_mode & 0o077) == (0, 0)
    finally:
        os.umask(before)


def test_the_log_is_not_flooded() -> None:
    """Proves R63: what one place says again and again is written once in a while."""
    record, filtered = logging.makeLogRecord({"pathname": "a.py", "lineno": 3}), seldom(every_s=3600.0)
    assert [filtered(record) for _ in range(3)] == [True, False, False]
    assert filtered(logging.makeLogRecord({"pathname": "a.py", "lineno": 4}))


def test_health_is_a_request_of_its_own(tmp_path: Path) -> None:
    """Proves R59: it says how long a request takes that needs a thread and the store, and is not a constant."""
    with client(tmp_path / "s", Obedient()) as service:
        assert service.get("/healthz").json()["seconds"] >= 0.0
        store = service.app.state.store  # type: ignore[attr-defined]
        real = store.job
        store.job = lambda *given: time.sleep(0.3) or real(*given)
        assert service.get("/healthz").json()["seconds"] >= 0.3
