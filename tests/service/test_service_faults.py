"""What is wrong with a request is said at once, in plain words, by the field as it was sent; nothing twice is taken silently."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from strategic_minerals import PlanError, load_dataset, load_plan, shipped
from strategic_minerals.question.workbook import write_workbook
from strategic_minerals.service import authentication as submission
from strategic_minerals.service.app import create_app
from strategic_minerals.service.job_folder import Folder
from strategic_minerals.service.reading import look
from support.served import QUICK, Obedient, client, ended, records, token
from support.served import settings as service_settings

OTHERS_WORDS = re.compile(
    r"Unable to|discriminator|UploadFile|[Ii]nput should|Extra inputs|Field required|Here are|--set|(String|List|Value|Dictionary) "
    r"should|[Vv]alue error|Expecting|codec|function-|union_tag|valid (dictionary|string|integer|list)|Not Found|Method Not|"
    r"parsing|multipart\b.*(boundary\.|data\.)|Maximum number|python|pydantic|set_int_max|NoneType|\bNone\b|\bdict\b"
)
"""Words of those who validate, frame, parse."""
JOB = "0" * 32
TOML = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
JSON_HEAD = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("faults") / "s", Obedient(hold=True), most_queued=10_000) as found:
        yield found


def refused(answer: Any, status: int = 422) -> list[dict[str, str]]:
    """The faults of an answer that refuses, which is a problem in plain words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not OTHERS_WORDS.search(answer.text), answer.text
    return list(answer.json()["faults"])


def posted(service: TestClient, body: Any, path: str = "/v1/jobs") -> Any:
    text = body if isinstance(body, bytes | str) else json.dumps(body)
    return service.post(path, content=text, headers=JSON_HEAD)


def columns(faults: list[dict[str, str]]) -> set[str]:
    return {fault["column"] for fault in faults}


SENT = '{"kind": "solve", "shipped": "quickstart", '
BODIES: dict[str, tuple[Any, str]] = {
    "no kind": ({"shipped": "quickstart"}, "kind"),
    "another kind": ({"kind": "slove", "shipped": "quickstart"}, "kind"),
    "a kind that is a list": ({"kind": ["solve"], "shipped": "quickstart"}, "kind"),
    "no plan": ({"kind": "solve"}, "plan"),
    "two plans": ({**QUICK, "plan": {}}, "shipped"),
    "a plan that is a text": ({"kind": "solve", "plan": "quickstart"}, "plan"),
    "a plan that is a number in TOML": ({"kind": "solve", "plan_toml": 5}, "plan_toml"),
    "a plan without fields": ({"kind": "solve", "plan": {}}, None),  # one fault that names all that are needed
    "a plan that is not there": ({"kind": "solve", "shipped": "quikstart"}, "shipped"),
    "a field that is none": ({**QUICK, "gapp": 0.1}, "gapp"),
    "a field in letters that look alike": ({**QUICK, "l\u0430bel": "x"}, '["l\\u0430bel"]'),
    "a gap that is a text": ({**QUICK, "gap": "0.05"}, "gap"),
    "a gap that is true": ({**QUICK, "gap": True}, "gap"),
    "a gap of one": ({**QUICK, "gap": 1}, "gap"),
    "a gap below nothing": ({**QUICK, "gap": -0.1}, "gap"),
    "a gap that is null": ({**QUICK, "gap": None}, "gap"),
    "a limit of no time": ({**QUICK, "deadline_s": 0}, "deadline_s"),
    "relax that is a number": ({**QUICK, "relax": 1}, "relax"),
    "relax that is a text": ({**QUICK, "relax": "yes"}, "relax"),
    "a method that is none": ({**QUICK, "method": "fast"}, "method"),
    "a label that is a number": ({**QUICK, "label": 7}, "label"),
    "a label that is too long": ({**QUICK, "label": "x" * 201}, "label"),
    "set that is a list": ({**QUICK, "set": ["budget"]}, "set"),
    "set that is null": ({**QUICK, "set": None}, "set"),
    "set of no field": ({**QUICK, "set": {"nothing.here": 1}}, "nothing"),
    "set of an empty name": ({**QUICK, "set": {"": 1}}, 'set[""]'),
    "set of half a name": ({**QUICK, "set": {"budget.": 1}}, 'set["budget."]'),
    "set too deep": ({**QUICK, "set": {".".join("abc" * 20): 1}}, None),
    "set of an impossible value": ({**QUICK, "set": {"discount_rate": 9}}, "discount_rate"),
    "set of another kind of value": ({**QUICK, "set": {"budget.appropriation_musd": [1]}}, None),
    "set of a choice that is none": ({**QUICK, "set": {"loss_level": "midle"}}, "loss_level"),
    "set through a value": ({**QUICK, "set": {"discount_rate.x": 1}}, "discount_rate.x"),
    "set a field twice": (
        {**QUICK, "set": {"budget": {"appropriation_musd": 5}, "budget.appropriation_musd": 20}},
        'set["budget.appropriation_musd"]',
    ),
    "set a place of a list twice": (
        {**QUICK, "set": {"materials.0": "gallium", "materials.00": "gallium"}},
        'set["materials.00"]',
    ),
    "tables that are a list": ({**QUICK, "tables": []}, "tables"),
    "a table that is none": ({**QUICK, "tables": {"demnad": []}}, "table"),
    "a table without rows": ({**QUICK, "tables": {"demand": []}}, ""),
    "a table of numbers": ({**QUICK, "tables": {"demand": [1]}}, ""),
    "a table that lacks columns": ({**QUICK, "tables": {"stock": [{"material": "gallium"}]}}, "opening_t"),
    "a number of 5000 digits": (SENT + f'"gap": {"9" * 5000}}}', None),
    "a whole number beyond all": ({**QUICK, "gap": 10**30}, "gap"),
    "text with a NUL": ({**QUICK, "label": "\x00"}, "label"),
    "half a character": (SENT + '"set": {"name": "\\ud800"}}', "set.name"),
    "a field twice": (SENT + '"gap": 0.1, "gap": 0.2}', "gap"),
    "a field twice, the same": (SENT + '"gap": 0.1, "gap": 0.1}', "gap"),
    "a field twice in set": (SENT + '"set": {"discount_rate": 0.03, "discount_rate": 0.05}}', "set.discount_rate"),
    "a field twice in a row": (
        SENT + '"tables": {"demand": [{"material": "a", "material": "b"}]}}',
        "tables.demand[0].material",
    ),
    "a field twice as it is escaped": (SENT + '"gap": 0.1, "g\\u0061p": 0.2}', "gap"),
    "nesting": ({**QUICK, "set": {"x": json.loads("[" * 60 + "]" * 60)}}, "set.x"),
    "a sweep without a study": ({"kind": "sweep", "shipped": "quickstart"}, "study"),
    "a study that is a list": ({"kind": "sweep", "shipped": "quickstart", "study": []}, "study"),
    "a stress test of nothing": ({"kind": "stress"}, "of"),
    "a stress test of another name": ({"kind": "stress", "of": "latest"}, "of"),
    "a stress test of half a scenario": ({"kind": "stress", "of": JOB, "scenarios": 10.5}, "scenarios"),
    "a stress test of few scenarios": ({"kind": "stress", "of": JOB, "scenarios": 5}, "scenarios"),
    "an explanation of a list": ({"kind": "explain", "of": [JOB]}, "of"),
    "an item that is a number": ({"kind": "explain", "of": JOB, "item": 5}, "item"),
    "a comparison of one": ({"kind": "compare", "of": [JOB]}, "of"),
    "a comparison of names that are none": ({"kind": "compare", "of": [JOB, "x"]}, "of[1]"),
    "a comparison of a text": ({"kind": "compare", "of": JOB}, "of"),
    "a list": ([QUICK], ""),
    "null": (None, ""),
}
UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n",
    "half": b'{"kind": "solve"',
    "a comma too many": SENT.encode() + b"}",
    "NaN": b'{"gap": NaN}',
    "infinity": b'{"gap": -Infinity}',
    "no UTF-8": b"\xff\xfe{}",
    "UTF-16": '{"kind": "solve"}'.encode("utf-16"),
    "a mark in front": b"\xef\xbb\xbf{}",
    "single quotes": b"{'kind': 'solve'}",
    "brackets": b"[" * 100_000,
    "two": b"{} {}",
    "a form": b"kind=solve",
}


@pytest.mark.parametrize("what", BODIES)
def test_a_faulty_body_is_refused_in_plain_words_with_the_field(service: TestClient, what: str) -> None:
    """Proves: each names the field as it was sent, what was found and what is expected; nothing is kept."""
    body, column = BODIES[what]
    number = len(service.get("/v1/jobs").json()["jobs"])
    answer = posted(service, body)
    malformed = answer.status_code == 400 and column is None
    faults = refused(answer, 400 if malformed else 422)
    assert faults
    assert all(fault["found"] and fault["expected"] for fault in faults)
    assert column is None or column in columns(faults), faults
    assert len(service.get("/v1/jobs").json()["jobs"]) == number


@pytest.mark.parametrize(
    "what", [name for name, (body, _) in BODIES.items() if isinstance(body, dict) and "set" in body]
)
def test_a_check_refuses_what_a_job_refuses(service: TestClient, what: str) -> None:
    """Proves: the same faults, whichever way a question comes."""
    body, column = BODIES[what]
    faults = refused(
        posted(
            service, {name: value for name, value in body.items() if name not in ("kind", "gap", "quick")}, "/v1/check"
        )
    )
    assert column is None or column in columns(faults)


@pytest.mark.parametrize("what", UNREADABLE)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/check"])
def test_what_is_no_json_is_said_so(service: TestClient, what: str, path: str) -> None:
    """Proves: 400, with what stands there in place of JSON."""
    faults = refused(posted(service, UNREADABLE[what], path), 400)
    assert faults[0]["expected"] == "JSON in UTF-8"
    assert faults[0]["found"]


def test_a_fault_of_a_value_that_was_set_stands_at_set(service: TestClient) -> None:
    """Proves: callers of the API have a field `set`, and no option of a command line."""
    for given in (
        {"discount_rate": 9},
        {"budget": {"appropriation_musd": -1}},
        {"budget.appropriation_musd": "much"},
        {"nothing.here": 1},
        {"discount_rate.x": 1},
        {"scenarios.99.probability": 0.1},
    ):
        for path, body in (
            ("/v1/jobs", {**QUICK, "set": given}),
            ("/v1/check", {"shipped": "quickstart", "set": given}),
        ):
            answer = posted(service, body, path)
            faults = refused(answer)
            assert {fault["file"] for fault in faults} == {
                f'set["{name}"]' if "." in name else f"set.{name}" for name in given
            }
            assert all(fault["column"].partition(".")[0] in str(given) for fault in faults)


# --- what is seen at once ----------------------------------------------------------------------------------------------------

STUDIES: dict[str, tuple[dict[str, Any], str]] = {
    "no axes": ({"kind": "grid", "axes": {}}, "axes"),
    "an axis without values": ({"kind": "grid", "axes": {"discount_rate": []}}, "axes"),
    "no points": ({"kind": "points", "points": []}, "points"),
    "no ranges": ({"kind": "one_at_a_time"}, "ranges"),
    "no ranges to sample from": ({"kind": "sobol"}, "ranges"),
    "no ranges to spread points over": ({"kind": "latin_hypercube"}, "ranges"),
    "an unknown kind": ({"kind": "grdi", "axes": {}}, "kind"),
    "a field that is none": ({"kind": "grid", "axis": {}}, "axis"),
    "an unknown field of the plan": ({"kind": "grid", "axes": {"discount_rat": [0.02]}}, "discount_rat"),
    "an unknown table": ({"kind": "grid", "axes": {"prics[a].b": [1]}}, "prics[a].b"),
    "a cell that is not there": (
        {"kind": "grid", "axes": {"stock[nothing].opening_t": [1]}},
        "stock[nothing].opening_t",
    ),
    "a value that is not allowed": ({"kind": "grid", "axes": {"discount_rate": [0.02, 9]}}, "discount_rate"),
    "the same twice": (
        {"kind": "grid", "axes": {"discount_rate": [0.02], "discount_rate *": [1.1]}},
        "discount_rate *",
    ),
    "one within another": ({"kind": "grid", "axes": {"risk": [1], "risk.alpha": [0.5]}}, "risk.alpha"),
    "a range upside down": ({"kind": "one_at_a_time", "ranges": {"discount_rate": [0.05, 0.02]}}, "discount_rate"),
    "a range of three": ({"kind": "morris", "ranges": {"discount_rate": [0.01, 0.02, 0.03]}}, "ranges.discount_rate"),
    "too many points": ({"kind": "grid", "axes": {"discount_rate": [0.02] * 1000, "risk.alpha": [0.9] * 1000}}, "axes"),
}


@pytest.mark.parametrize("what", STUDIES)
def test_a_study_that_varies_nothing_or_what_is_not_there_is_refused_at_once(service: TestClient, what: str) -> None:
    """Proves: 422 with the place in the study, not a job that fails."""
    study, column = STUDIES[what]
    faults = refused(posted(service, {"kind": "sweep", "shipped": "quickstart", "study": study}))
    assert column in columns(faults), faults
    assert all(fault["file"].startswith("study") for fault in faults)


def test_looking_at_a_study_is_bounded(service: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: however many values a study has, only so many are put into the question before it is accepted or refused."""
    from strategic_minerals.question import names as axes

    put = list[int]()
    real = axes.edited
    monkeypatch.setattr(axes, "edited", lambda plan, data, point: put.append(len(point)) or real(plan, data, point))
    many = {f"prices[*/*/{n}].price_usd_per_kg *": [1, 2] for n in range(16)}
    wide = {f"prices[*/*/{n}].price_usd_per_kg *": [1] for n in range(1000)}
    right = {"discount_rate": [0.01 + n / 1e5 for n in range(2000)]}
    for given, status in ((many, 422), (wide, 202), (right, 202)):
        put.clear()
        answer = posted(service, {"kind": "sweep", "shipped": "quickstart", "study": {"kind": "grid", "axes": given}})
        assert answer.status_code == status, answer.text
        assert sum(put) <= 300


def test_right_studies_are_accepted(service: TestClient) -> None:
    """Proves: looking refuses nothing that a sweep would answer, values that only hold together among them."""
    for study in (
        {
            "kind": "grid",
            "axes": {"discount_rate": [0.02, 0.04], "prices[mcs2024/gallium/*].price_usd_per_kg *": [0.5, 2]},
        },
        {"kind": "loss_functions"},
        {"kind": "one_at_a_time", "estimates": 5},
        {"kind": "morris", "estimates": 3},
        {"kind": "sobol", "ranges": {"discount_rate": [0.02, 0.05]}},
        {"kind": "points", "points": [{}, {"discount_rate": 0.02}]},
    ):
        answer = posted(service, {"kind": "sweep", "shipped": "quickstart", "study": study})
        assert answer.status_code == 202, (study, answer.text)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("book") / "plan.xlsx"
    write_workbook(load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs")), path)
    return path.read_bytes()


DEMAND = (shipped("inputs") / "homes" / "USA" / "demand.csv").read_bytes()
FORMS: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "a part that is none": ([("plan", ("p", TOML)), ("gap", (None, "0.1"))], "gap"),
    "a misspelt part": ([("plan", ("p", TOML)), ("table", ("demand.csv", DEMAND))], "table"),
    "two plans": ([("plan", ("p", TOML)), ("plan", ("q", TOML))], "plan"),
    "two options": ([("plan", ("p", TOML)), ("options", (None, "{}")), ("options", (None, "{}"))], "options"),
    "a table twice": (
        [("plan", ("p", TOML)), ("tables", ("demand.csv", DEMAND)), ("tables", ("x/demand.csv", DEMAND))],
        "tables",
    ),
    "no plan": ([("options", (None, "{}"))], "plan"),
    "a plan that is no file": ([("plan", (None, TOML))], "plan"),
    "an empty plan": ([("plan", ("p", b""))], "plan"),
    "options that are a file": ([("plan", ("p", TOML)), ("options", ("o.json", "{}"))], "options"),
    "options that are no JSON": ([("plan", ("p", TOML)), ("options", (None, "gap=1"))], ""),
    "options with a field twice": ([("plan", ("p", TOML)), ("options", (None, '{"gap": 0.1, "gap": 0.2}'))], "gap"),
    "options that are none": ([("plan", ("p", TOML)), ("options", (None, '{"gapp": 0.1}'))], "gapp"),
    "options of another kind": ([("plan", ("p", TOML)), ("options", (None, '{"kind": "stress"}'))], "kind"),
    "options with a plan": ([("plan", ("p", TOML)), ("options", (None, '{"shipped": "quickstart"}'))], "shipped"),
    "set twice": (
        [("plan", ("p", TOML)), ("options", (None, '{"set": {"budget": {}, "budget.total_musd": 5}}'))],
        'set["budget.total_musd"]',
    ),
    "a table of no name": ([("plan", ("p", TOML)), ("tables", ("demnad.csv", DEMAND))], "file name"),
    "a name in letters that look alike": (
        [("plan", ("p", TOML)), ("tables", ("d\u0435mand.csv", DEMAND))],
        "file name",
    ),
    "a plan that is no text": ([("plan", ("p", b"\xd0\xcf\x11\xe0" * 50))], ""),
}


@pytest.mark.parametrize("what", FORMS)
def test_an_upload_takes_each_part_once_and_no_other(service: TestClient, what: str) -> None:
    """Proves: extra parts and doubled ones, and what is wrong in a part, are 422 and name the part."""
    parts, column = FORMS[what]
    faults = refused(service.post("/v1/jobs/upload", files=parts))
    assert column in columns(faults), faults


def test_an_upload_that_is_no_form_is_refused(service: TestClient) -> None:
    """Proves: another content type is 415, a form whose parts cannot be told apart 400, too many parts 413: as problems of ours."""
    for kind in ("application/json", "application/x-www-form-urlencoded", ""):
        refused(service.post("/v1/jobs/upload", content=b"plan=x", headers={"Content-Type": kind}), 415)
    part = '--b\r\nContent-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n{}\r\n'
    plan, table = part.format("plan", "p", TOML), part.format("tables", "demand.csv", DEMAND.decode())
    for kind, body in (
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", f"{plan}{table[:3000]}".encode()),
        ("multipart/form-data; boundary=b", plan.encode()),
        ("multipart/form-data; boundary=b", f"{plan}--b--\r\n{table}".encode()),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
    ):
        refused(service.post("/v1/jobs/upload", content=body, headers={"Content-Type": kind}), 400)
    refused(service.post("/v1/jobs/upload", files=[("plan", ("p", TOML))] + [("x", ("y", b"z"))] * 200), 413)
    refused(service.post("/v1/jobs/upload", files=[("plan", ("p", TOML))] + [("x", (None, b"z"))] * 200), 413)


@pytest.mark.slow
def test_a_damaged_file_is_told_at_once_as_a_check_tells_it(service: TestClient, book: bytes, tmp_path: Path) -> None:
    """Proves: a cut workbook, a CSV with semicolons, a plan and tables that do not fit: 422 and no job; a workbook is opened in a
    process with limits, never here; the whole one is accepted."""
    for content in (book[: len(book) // 2], b"PK\x03\x04"):
        assert refused(service.post("/v1/jobs/upload", files={"plan": ("plan.xlsx", content)}))
    assert service.post("/v1/jobs/upload", files={"plan": ("plan.xlsx", book)}).status_code == 202
    options = {"options": '{"on_top_of_shipped": true}'}
    semicolons = DEMAND.replace(b",", b";")
    for table in (semicolons, DEMAND.replace(b"\n", b"\n\x00", 1), DEMAND[:2000]):
        answer = service.post(
            "/v1/jobs/upload", files=[("plan", ("p", TOML)), ("tables", ("demand.csv", table))], data=options
        )
        assert {fault["file"] for fault in refused(answer)} == {"demand.csv"}
    alone = service.post("/v1/jobs/upload", files=[("plan", ("p", TOML)), ("tables", ("demand.csv", DEMAND))])
    assert refused(alone)
    whole = service.post(
        "/v1/jobs/upload", files=[("plan", ("p", TOML)), ("tables", ("demand.csv", DEMAND))], data=options
    )
    assert whole.status_code == 202, whole.text
    folders = list((service.app.state.settings.folder / "jobs").iterdir())  # type: ignore[attr-defined]
    assert not [
        path for folder in folders for path in folder.iterdir() if path.name in ("admission.json", "errors.txt")
    ]


def test_no_workbook_is_opened_in_the_process_that_answers(service: TestClient, book: bytes, monkeypatch: Any) -> None:
    """Proves: where there is no room for one more process, or it takes too long, the job is accepted and finds its faults."""
    monkeypatch.setattr("strategic_minerals.question.workbook.load_workbook", pytest.fail)
    cut = book[: len(book) // 2]
    with monkeypatch.context() as patch:
        patch.setattr(submission, "POLL_S", 0.0)
        assert service.post("/v1/jobs/upload", files={"plan": ("plan.xlsx", cut)}).status_code == 202
    room = service.app.state.checks  # type: ignore[attr-defined]
    held = 0
    while room.acquire(blocking=False):
        held += 1
    try:
        assert service.post("/v1/jobs/upload", files={"plan": ("plan.xlsx", cut)}).status_code == 202
    finally:
        room.release(held)


def test_a_plan_with_a_byte_order_mark_is_read_as_what_it_is(service: TestClient) -> None:
    """Proves: editors that put a mark in front of JSON or TOML change nothing."""
    plan = load_plan(shipped("models") / "quickstart.toml").to_toml_like()
    for text in (json.dumps(plan), TOML):
        assert (
            service.post("/v1/jobs/upload", files={"plan": ("p", b"\xef\xbb\xbf" + text.encode())}).status_code == 202
        )


def test_a_plan_that_leaves_nothing_to_draw_is_not_stress_tested(tmp_path: Path) -> None:
    """Proves: what a stress test would end with is seen in the plan of the job that it builds on."""
    plan = load_plan(shipped("models") / "defence-base-case.toml").to_toml_like() | {"service_levels": []}
    run = tmp_path / "of" / "0"
    run.mkdir(parents=True)
    for probability in (0.5, 1.0):
        plan["scenarios"] = [{**plan["scenarios"][0], "probability": probability}]
        Folder(run).write("plan.json", plan)
        if probability < 1:
            look(Folder(tmp_path), {"kind": "stress"})
            continue
        with pytest.raises(PlanError, match="leave some for random scenarios"):
            look(Folder(tmp_path), {"kind": "stress"})


@pytest.mark.slow
def test_a_large_question_is_looked_at_where_it_is_read(service: TestClient) -> None:
    """Proves: faults across tables of a request that is read in a process of its own are told at once, by one process."""
    rows = [{**row, "note": "x" * 600} for row in records("demand")]
    for given in ({"material": "unobtainium"}, {"demand_t_per_yr": -1}):
        question = {
            "shipped": "quickstart",
            "tables": {"demand": [*rows, {**rows[0], **given}]},
            "on_top_of_shipped": True,
        }
        assert len(json.dumps(question)) > submission.SMALL_BYTES
        faults = refused(posted(service, {"kind": "solve", **question}))
        assert {fault["column"] for fault in faults} == set(given)


def test_rows_sent_as_json_are_counted_from_one(service: TestClient) -> None:
    """Proves: a fault of a cell names the row of the list, in a job as in a check."""
    rows = records("stock")
    question = {
        "shipped": "quickstart",
        "tables": {"stock": [*rows, {**rows[0], "opening_t": -1}]},
        "on_top_of_shipped": True,
    }
    (fault,) = refused(posted(service, {"kind": "solve", **question}))
    assert (fault["file"], fault["row"], fault["column"]) == ("stock", str(len(rows) + 1), "opening_t")


# --- around the body -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("limit=1&limit=2", "limit"),
        ("state=failed&state=queued", "state"),
        ("stat=failed", "stat"),
        ("limit=", "limit"),
        ("limit=0", "limit"),
        ("limit=1e3", "limit"),
        ("limit=NaN", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("state=done", "state"),
        ("before=yesterday", "before"),
        ("before=1-x", "before"),
        ("l%69mit=5&limit=6", "limit"),
        ("%00=1", '["\\u0000"]'),
        ("limit%5B%5D=5", '["limit[]"]'),
        ("&=", None),
    ],
)
def test_a_query_says_each_thing_once_and_nothing_unknown(service: TestClient, query: str, column: str | None) -> None:
    """Proves: a filter that is misspelt or doubled is not passed over."""
    answer = service.get(f"/v1/jobs?{query}")
    if column is None:
        assert answer.status_code in (200, 422)
        return
    assert column in columns(refused(answer))


def test_other_routes_refuse_in_plain_words_too(service: TestClient) -> None:
    """Proves: names with odd characters, slashes, addresses and methods that are none: 4xx in words of ours."""
    for name in ("latest", "%00", "A" * 32, "..%2f..%2fetc", "0" * 31, "%F0%9F%98%80", "0" * 32 + "%0a"):
        for path in (f"/v1/jobs/{name}", f"/v1/jobs/{name}/result", f"/v1/jobs/{name}/events", f"/v1/jobs/{name}/log"):
            answer = service.get(path)
            refused(answer, answer.status_code)
            assert answer.status_code in (404, 422), path
    for path in (
        "/v1/jobs/",
        "/v1/check/",
        "/v1/plans/quickstart/",
        "/v1",
        "/v1/plans/a%2Fb",
        "/v1/schemas/%00",
        "/v2/jobs",
    ):
        refused(service.get(path, follow_redirects=False), 404)
    for method, path in (
        ("PUT", "/v1/jobs"),
        ("PATCH", f"/v1/jobs/{JOB}"),
        ("OPTIONS", "/v1/check"),
        ("TRACE", "/v1/plans"),
    ):
        answer = service.request(method, path)
        refused(answer, 405)
        assert method in answer.json()["detail"]
    assert service.post(f"/v1/jobs/{JOB}/cancel", params={"force": "1"}).status_code == 422


def test_headers_that_mean_two_things_are_refused(service: TestClient) -> None:
    """Proves: a key or a content type twice, a key that is none, a condition that nobody looks at: 4xx; a key reused is 409."""
    two = [("Content-Type", "application/json"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert (
        refused(service.post("/v1/jobs", content=json.dumps(QUICK), headers=two), 400)[0]["column"] == "idempotency-key"
    )
    kinds = [("Content-Type", "application/json"), ("Content-Type", "text/plain")]
    refused(service.post("/v1/jobs", content=json.dumps(QUICK), headers=kinds), 400)
    for key in ("", "a b", "x" * 201, "\xe4"):
        head = {"Idempotency-Key": key.encode("latin-1")}
        faults = refused(service.post("/v1/jobs", json=QUICK, headers=head))  # type: ignore[arg-type]
        assert columns(faults) == {"Idempotency-Key"}
    assert service.post("/v1/jobs", json=QUICK, headers={"Idempotency-Key": "one"}).status_code == 202
    for other in ({**QUICK, "label": "y"}, {**QUICK, "set": {"discount_rate": 0.02}}):
        refused(service.post("/v1/jobs", json=other, headers={"Idempotency-Key": "one"}), 409)
    file = {"plan": ("p", TOML)}
    refused(service.post("/v1/jobs/upload", files=file, headers={"Idempotency-Key": "one"}), 409)
    refused(service.post("/v1/jobs", json=QUICK, headers={"If-Match": '"1"'}), 412)
    refused(service.delete(f"/v1/jobs/{JOB}", headers={"If-Unmodified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"}), 412)
    assert service.post("/v1/jobs", json=QUICK, headers={"If-Match": "*"}).status_code == 202


def test_a_part_of_an_answer_is_never_sent(tmp_path: Path) -> None:
    """Proves: ranges, right ones and wrong ones, bring the whole table: no answer outside the description."""
    with client(tmp_path / "s", Obedient()) as service:
        job = service.post("/v1/jobs", json=QUICK).json()["id"]
        ended(service, job)
        for asked in ("bytes=0-1", "bytes=9-2", "bytes=999999-", "lines=1-2", "bytes=" + "0-1," * 500):
            answer = service.get(f"/v1/jobs/{job}/tables/t", headers={"Range": asked})
            assert (answer.status_code, answer.text) == (200, "a,b\n1,'=x\n")
            assert answer.headers["accept-ranges"] == "none"


def test_a_token_comes_as_a_bearer_and_in_no_other_way(tmp_path: Path) -> None:
    """Proves: other schemes, a token in the query and an empty one are 401 in plain words, whatever cookie comes with them."""
    headers = token(tmp_path / "s", "one")
    text = headers["Authorization"].removeprefix("Bearer ")
    with TestClient(create_app(service_settings(tmp_path / "s"), runner=Obedient())) as service:
        service.cookies.set("strategic_minerals", text)
        for scheme in (
            f"Basic {text}",
            f"Token {text}",
            text,
            "Bearer",
            "Bearer ",
            f"Bearer {text} {text}",
            f"Bearer,{text}",
        ):
            refused(service.get("/v1/jobs", headers={"Authorization": scheme}), 401)
        assert service.get("/v1/jobs").status_code == 200
        service.cookies.clear()
        refused(service.get(f"/v1/jobs?token={text}"), 401)
        for scheme in ("Bearer", "bearer", "BEARER"):
            assert service.get("/v1/jobs", headers={"Authorization": f"{scheme} {text}"}).status_code == 200


def test_pages_say_what_is_wrong_in_plain_words(service: TestClient) -> None:
    """Proves: the forms of the page refuse in words of ours, as a page and as a problem."""
    for path, data in (
        ("/upload", {"plan": "text"}),
        ("/upload", {}),
        ("/login", {}),
        (f"/jobs/{JOB}/compare", {"other": "x"}),
    ):
        for accept in ("application/json", "text/html"):
            answer = service.post(path, data=data, headers={"Accept": accept})
            assert answer.status_code in (400, 404, 415, 422), (path, answer.text)
            assert not OTHERS_WORDS.search(answer.text), answer.text
    part = '--b\r\nContent-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n{}\r\n'
    form = f"{part.format('plan', 'my plan.toml', TOML)}{part.format('tables', '', '')}--b--\r\n"  # no table was chosen
    kept = service.post(
        "/upload",
        content=form.encode(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
        follow_redirects=False,
    )
    twice = [("tables", ("demand.csv", DEMAND)), ("tables", ("demand.csv", DEMAND))]
    assert kept.status_code == 303
    assert "<h1>" in service.get(kept.headers["location"]).text
    refused(service.post("/upload", files=[("plan", ("p", TOML)), *twice]))
    edited = service.post(
        "/edit", data={"shipped_plan": "quickstart", "action": "run", "discount_rate": "9", "gap": "x"}
    )
    assert edited.status_code == 422
    assert not OTHERS_WORDS.search(edited.text)
