"""What is wrong with a request is said at once, in plain words, by the field as it was sent; nothing twice is taken silently."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from strategic_minerals import PlanError, load_dataset, load_plan, shipped
from strategic_minerals.service import admission as submission
from strategic_minerals.service import reading
from strategic_minerals.service.api import MOST_FILES, MOST_TEXTS
from strategic_minerals.studies import sweep
from support.served import QUICK, Obedient, client, records

OTHERS_WORDS = re.compile(
    r"Unable to|discriminator|UploadFile|[Ii]nput should|Extra inputs|Field required|--set|should be a valid|[Vv]alue error|"
    r"Expecting|codec|function-|union_tag|Not Found|Method Not|parsing|python|pydantic|NoneType|\bNone\b|\bdict\b"
)
"""Words of those who validate, frame, parse."""
JOB = "0" * 32
TOML = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
DEMAND = (shipped("inputs") / "homes" / "USA" / "demand.csv").read_bytes()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("faults") / "s", Obedient(hold=True), queued=10_000) as found:
        yield found


def refused(answer: Any, status: int = 422) -> list[dict[str, str]]:
    """The faults of an answer that refuses, which is a problem in plain words (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["type"][:4], bool(problem["detail"])) == (status, "urn:", True)
    assert not OTHERS_WORDS.search(answer.text), answer.text
    assert all(fault["found"] and fault["expected"] for fault in problem["faults"])
    return list(problem["faults"])


def posted(service: TestClient, body: Any, path: str = "/v1/jobs") -> Any:
    text = body if isinstance(body, bytes | str) else json.dumps(body)
    return service.post(path, content=text, headers={"Content-Type": "application/json"})


def kept(service: TestClient) -> int:
    """The number of jobs' folders."""
    return len(list((service.app.state.settings.folder / "jobs").iterdir()))  # type: ignore[attr-defined]


def columns(faults: list[dict[str, str]]) -> set[str]:
    return {fault["column"] for fault in faults}


SENT = '{"kind": "solve", "shipped": "quickstart", '
BODIES: list[tuple[Any, str]] = [
    ({"shipped": "quickstart"}, "kind"),
    ({"kind": "solve"}, "plan"),
    ({"kind": "solve", "plan": {"nmae": "x"}}, "nmae"),
    ({"kind": "solve", "shipped": "../../etc/passwd"}, "shipped"),
    ({**QUICK, "gapp": 0.1}, "gapp"),
    ({**QUICK, "l\u0430bel": "x"}, '["l\\u0430bel"]'),
    ({**QUICK, "gap": 10**30}, "gap"),
    ({**QUICK, "label": "\x00"}, "label"),
    ({**QUICK, "set": {"nothing.here": 1}}, "nothing"),
    ({**QUICK, "set": {"budget.": 1}}, 'set["budget."]'),
    ({**QUICK, "set": {"discount_rate": 9}}, "discount_rate"),
    ({**QUICK, "set": {"x": json.loads("[" * 60 + "]" * 60)}}, "set.x"),
    ({**QUICK, "set": {"risk": {"alpha": 0.5}, "risk.alpha": 0.9}}, 'set["risk.alpha"]'),
    ({**QUICK, "set": {"materials.0": "gallium", "materials.00": "gallium"}}, 'set["materials.00"]'),
    ({**QUICK, "tables": {"demnad": []}}, "table"),
    ({**QUICK, "tables": {"stock": [{"material": "gallium"}]}}, "opening_t"),
    (SENT + '"set": {"name": "\\ud800"}}', "set.name"),
    (SENT + '"gap": NaN}', "gap"),
    (SENT + '"gap": 0.1, "g\\u0061p": 0.2}', "gap"),
    (SENT + '"tables": {"demand": [{"material": "a", "material": "b"}]}}', "material"),
    ({"kind": "stress", "of": "../../../etc"}, "of"),
    ({"kind": "compare", "of": [JOB, "x"]}, "of[1]"),
    ({"kind": "x", "shipped": 5, "tables": [1]}, "kind"),
    (SENT + '"label": "\\u0000", "set": 5, "plan": {"name": "\\ud800"}}', "label"),
    (None, ""),
]


def test_a_faulty_body_is_refused_in_plain_words_with_the_field(service: TestClient) -> None:
    """Proves: each names the field as it was sent, in a check as in a job; nothing is kept."""
    before, wrong = kept(service), []
    for body, column in BODIES:
        faults = refused(posted(service, body))
        right = column in columns(faults)
        if isinstance(body, dict) and "set" in body:
            checked = refused(posted(service, {"shipped": "quickstart", "set": body["set"]}, "/v1/check"))
            right &= column in columns(checked) and all(
                fault["file"].startswith(("set", "body")) for fault in checked + faults
            )
        wrong += [] if right else [(body, faults)]
    assert wrong == []
    assert kept(service) == before


def test_what_is_no_json_is_said_so(service: TestClient) -> None:
    """Proves: 400, with what stands there in place of JSON; numbers and nesting beyond all are no server error."""
    for body in (b"", b'{"kind": "solve"', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"[" * 10_000, b"{} {}"):
        assert refused(posted(service, body), 400)[0]["expected"] == "JSON in UTF-8"
    assert refused(posted(service, b"{", "/v1/check"), 400)
    for text, column in ((f'"gap": -{"9" * 5000}}}', "gap"), ('"set":{"discount_rate":1e999}}', "set.discount_rate")):
        assert columns(refused(posted(service, SENT + text))) == {column}


def test_rows_sent_as_json_are_counted_from_one(service: TestClient) -> None:
    """Proves: a fault of a cell names the row of the list."""
    rows = records("stock")
    tables = {"stock": [*rows, {**rows[0], "opening_t": -1}]}
    (fault,) = refused(posted(service, {**QUICK, "tables": tables, "on_top_of_shipped": True}))
    assert (fault["file"], fault["row"], fault["column"]) == ("stock", str(len(rows) + 1), "opening_t")


STUDIES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "grid", "axes": {"discount_rate": []}}, "axes"),
    ({"kind": "grid", "axes": {"stock[nothing].opening_t": [1]}}, "stock[nothing].opening_t"),
    ({"kind": "grid", "axes": {"discount_rate": [0.02, 9]}}, "discount_rate"),
    ({"kind": "grid", "axes": {"discount_rate": [0.02], "discount_rate *": [1.1]}}, "discount_rate *"),
    ({"kind": "grid", "axes": {"risk": [1], "risk.alpha": [0.5]}}, "risk.alpha"),
    ({"kind": "one_at_a_time", "ranges": {"discount_rate": [0.05, 0.02]}}, "discount_rate"),
    ({"kind": "grid", "axes": {"discount_rate": [0.02] * 1000, "risk.alpha": [0.9] * 1000}}, "axes"),
    ({"kind": "sobol", "samples": 65_536, "ranges": {"discount_rate": [0.02, 0.05]}}, "samples"),
]


@pytest.mark.long
def test_a_study_that_varies_nothing_or_what_is_not_there_is_refused_at_once(service: TestClient) -> None:
    """Proves: 422 with the place in the study, not a job that fails."""
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    for study, column in STUDIES:
        with pytest.raises(PlanError) as found:
            reading.look_at_study(study, plan, data)
        assert column in {fault.column for fault in found.value.faults}
    (study, column) = STUDIES[1]
    faults = refused(posted(service, {"kind": "sweep", "shipped": "quickstart", "study": study}))
    assert column in columns(faults), faults
    assert all(fault["file"].startswith("study") for fault in faults)


@pytest.mark.long
def test_looking_at_a_study_is_bounded(service: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: however many points a study has, only so many are put into the question before it is accepted or refused."""
    put = list[int]()
    real = sweep.edited
    monkeypatch.setattr(sweep, "edited", lambda plan, data, point: put.append(len(point)) or real(plan, data, point))
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    reading.look_at_study(
        {"kind": "grid", "axes": {"discount_rate": [0.01 + n / 1e5 for n in range(2000)]}}, plan, data
    )
    assert len(put) == reading.MOST_PUT
    many = {f"prices[*/*/{n}].price_usd_per_kg *": [1, 2] for n in range(16)}
    wide = {f"prices[*/*/{n}].price_usd_per_kg *": [1] for n in range(1000)}
    with pytest.raises(PlanError) as found:
        reading.look_at_study({"kind": "grid", "axes": many}, plan, data)
    sent = {"kind": "sweep", "shipped": "quickstart", "study": {"kind": "grid", "axes": wide}}
    for faults in (found.value.faults, refused(posted(service, sent))):
        assert len(faults) <= 101


PLAN = ("plan", ("p", TOML))
FORMS: list[tuple[list[tuple[str, Any]], str]] = [
    ([PLAN, ("gap", (None, "0.1"))], "gap"),
    ([PLAN, ("options", (None, "{}")), ("options", (None, "{}"))], "options"),
    ([PLAN, ("tables", ("demand.csv", DEMAND)), ("tables", ("x/demand.csv", DEMAND))], "tables"),
    ([("options", (None, "{}"))], "plan"),
    ([PLAN, ("options", (None, '{"gap": 0.1, "gap": 0.2}'))], "gap"),
    ([PLAN, ("options", (None, '{"shipped": "quickstart"}'))], "shipped"),
    ([PLAN, ("tables", ("d\u0435mand.csv", DEMAND))], "file name"),
    ([("plan", ("p", b"\xd0\xcf\x11\xe0" * 50))], ""),
]


def test_an_upload_takes_each_part_once_and_no_other(service: TestClient) -> None:
    """Proves: what is wrong in a part names it; other types 415, parts not told apart and too many 400; a mark is no fault."""
    for parts, column in FORMS:
        faults = refused(service.post("/v1/jobs/upload", files=parts))
        assert column in columns(faults), faults
    refused(service.post("/v1/jobs/upload", content=b"plan=x", headers={"Content-Type": "application/json"}), 415)
    part = f'--b\r\nContent-Disposition: form-data; name="plan"; filename="p"\r\n\r\n{TOML}\r\n'
    for body in ("", "x", part, f"{part}--b--\r\n{part}"):
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        refused(service.post("/v1/jobs/upload", content=body.encode(), headers=kind), 400)
    for part, most in ((("tables", ("y", b"z")), MOST_FILES), (("options", (None, "{}")), MOST_TEXTS)):
        answer = service.post("/v1/jobs/upload", files=[PLAN, *[part] * 130])
        assert refused(answer, 400) == []
        assert "too many parts" in answer.json()["detail"]
        assert str(most) in answer.json()["detail"]
    marked = {"plan": ("p", b"\xef\xbb\xbf" + TOML.encode())}
    assert service.post("/v1/jobs/upload", files=marked).status_code == 202


def test_no_workbook_is_opened_in_the_process_that_answers(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: where it takes too long, the job is accepted and finds its faults."""
    monkeypatch.setattr("strategic_minerals.question.workbook.load_workbook", pytest.fail)
    cut = {"plan": ("plan.xlsx", b"PK\x03\x04" + b"cut short" * 1000)}
    monkeypatch.setattr(submission, "LOOK_S", 0.0)
    assert service.post("/v1/jobs/upload", files=cut).status_code == 202


def test_other_routes_refuse_in_plain_words_too(service: TestClient) -> None:
    """Proves: 404 or 422 for names that are none, 405 with what is allowed; no filter is passed over."""
    for name in ("latest", "%00", "..%2f..%2fetc", "0" * 31, "0" * 32 + "%0a"):
        answer = service.get(f"/v1/jobs/{name}/log")
        assert answer.status_code in (404, 422), name
        refused(answer, answer.status_code)
    for query in ("limit=1&limit=2", "limit=" + "9" * 5000, "l%69mit=5&limit=6"):
        assert columns(refused(service.get(f"/v1/jobs?{query}"))) == {"limit"}, query
    assert columns(refused(service.get("/v1/jobs?stat=failed"))) == {"stat"}
    assert service.get("/v1/jobs?" + "a=1&" * 5000).status_code == 422
    for path in ("/v1/jobs/", "/v1/schemas/a%2Fb", "/v2/jobs", "/static/..%2fapp.py"):
        refused(service.get(path, follow_redirects=False), 404)
    for method, path, allowed in (
        ("PUT", "/v1/jobs", "GET, HEAD, POST"),
        ("PATCH", f"/v1/jobs/{JOB}", "DELETE, GET, HEAD"),
    ):
        answer = service.request(method, path)
        refused(answer, 405)
        assert answer.headers["allow"] == allowed


def test_headers_that_mean_two_things_are_refused(service: TestClient) -> None:
    """Proves: a key or a content type twice, a key that is none: 4xx."""
    kind, key = ("Content-Type", "application/json"), ("Idempotency-Key", "one")
    for two in ([kind, key, key], [kind, ("Content-Type", "text/plain")]):
        refused(service.post("/v1/jobs", content=json.dumps(QUICK), headers=two), 400)
    for wrong in ("", "a b", "x" * 201):
        faults = refused(service.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": wrong}))
        assert columns(faults) == {"Idempotency-Key"}


def test_a_key_sent_again_is_one_job(service: TestClient) -> None:
    """Proves R39: also from eight threads at once; with another request it is a conflict; nothing more is kept."""
    before, key = kept(service), {"Idempotency-Key": "once"}
    bodies = [QUICK, dict(reversed(QUICK.items()))] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda body: service.post("/v1/jobs", json=body, headers=key), bodies)
    assert len({answer.json()["id"] for answer in answers}) == 1
    refused(service.post("/v1/jobs", json={**QUICK, "set": {"discount_rate": 0.02}}, headers=key), 409)
    refused(service.post("/v1/jobs/upload", files=[PLAN], headers=key), 409)
    assert kept(service) == before + 1
