"""Hostile callers cost others nothing: bodies that are all faults, sockets that say nothing, trickles, floods."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strategic_minerals import PlanError
from strategic_minerals.service import reading
from strategic_minerals.service.job_folder import Folder
from strategic_minerals.service.reading import bounded
from strategic_minerals.service.requests import MOST_FAULTS, ProblemError
from support.served import QUICK, Obedient, Server, client, records, token

PATIENT = 60.0
"""Seconds that a socket of a test waits at most: a guard against hanging, no claim."""


def many(item: str, n: int) -> str:
    return f"[{','.join([item] * n)}]"


def keys(value: str, n: int) -> str:
    return f"{{{','.join(f'{chr(34)}k{k}{chr(34)}:{value}' for k in range(n))}}}"


SHIPPED = '{"kind":"solve","shipped":"quickstart",'
FAULTY = {
    "rows that are numbers": SHIPPED + f'"tables":{{"demand":{many("0", 150_000)}}}}}',
    "more rows than are read": SHIPPED + f'"tables":{{"demand":{many("0", 500_000)}}}}}',
    "cells that are lists": SHIPPED + f'"tables":{{"demand":{many(json.dumps({"x": []}), 100_000)}}}}}',
    "columns without end": SHIPPED + f'"tables":{{"demand":[{keys("0", 100_000)}]}}}}',
    "tables without end": SHIPPED + f'"tables":{keys("[]", 100_000)}}}',
    "tables that are none": SHIPPED + f'"tables":{many("0", 500_000)}}}',
    "fields without end": keys("0", 100_000),
    "jobs that are numbers": f'{{"kind":"compare","of":{many("0", 500_000)}}}',
    "a plan of numbers": f'{{"kind":"solve","plan":{{"materials":{many("0", 500_000)}}}}}',
    "a study without end": f'{{"kind":"sweep","shipped":"quickstart","study":{{"a":{many("0", 500_000)}}}}}',
    "nesting": "[" * 1_000_000,
    "a name without end": f'{{"kind":"solve","shipped":"{"x" * 1_000_000}"}}',
    "a field's name without end": f'{{"kind":"solve","{"x" * 1_000_000}":1}}',
}


@pytest.mark.parametrize("what", FAULTY)
def test_a_body_that_is_all_faults_is_bounded_before_it_is_validated(
    what: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """Proves R43: whatever a large body has wrong, what validates is given no more faults to find than are told."""
    seen: list[int] = []

    class Counting:
        def __init__(self, adapter: Any) -> None:
            self._adapter = adapter

        def validate_python(self, raw: Any) -> Any:
            try:
                return self._adapter.validate_python(raw)
            except Exception as error:
                seen.append(error.error_count())  # type: ignore[attr-defined]
                raise

    monkeypatch.setattr(reading, "ADAPTERS", {form: Counting(adapter) for form, adapter in reading.ADAPTERS.items()})
    with pytest.raises((PlanError, ProblemError)) as caught:
        reading.read("job", FAULTY[what].encode(), Folder(tmp_path), 200_000, 10**6)
    error = caught.value
    told = error.problem if isinstance(error, ProblemError) else ProblemError("invalid", "", error.faults).problem
    assert all(count <= reading.MOST_FIELDS for count in seen)
    assert len(told.faults) <= MOST_FAULTS + 1
    assert len(told.model_dump_json()) < 100_000


def test_the_first_faults_say_where_they_stand() -> None:
    """Proves: what is bounded beforehand is told as everything else, by table, row and column."""
    rows = [{"material": "gallium"}, 7, {"material": ["gallium"]}]
    with pytest.raises(PlanError) as caught:
        bounded({"tables": {"demand": rows, "demnad": []}}, 100)
    assert [(fault.file, fault.row, fault.column) for fault in caught.value.faults] == [
        ("demand", "2", ""),
        ("demand", "3", "material"),
        ("tables", "", "table"),
    ]
    assert "did you mean 'demand'" in caught.value.faults[-1].expected


@pytest.mark.slow
def test_a_large_body_is_read_as_a_small_one_is(tmp_path: Path) -> None:
    """Proves: a process of its own reads a large request to the same job: same digest, so the same key is the same job; its faults
    come back; nothing but the question stays in the folder."""
    rows = [{**row, "note": "x" * 1000} for row in records("demand")]
    large = {**QUICK, "tables": {"demand": rows}, "on_top_of_shipped": True}
    with client(tmp_path / "s", Obedient(hold=True)) as service:
        first, again = (service.post("/v1/jobs", json=large, headers={"Idempotency-Key": "k"}) for _ in "ab")
        assert (first.status_code, again.status_code) == (202, 202), first.text
        assert first.json()["id"] == again.json()["id"]
        assert len(Folder.of(tmp_path / "s", first.json()["id"]).read("tables.json")["demand"]) == len(rows)  # type: ignore[index]
        assert not list((tmp_path / "s").rglob("body.json"))
        wrong = service.post("/v1/jobs", json={**large, "gapp": 1})
        assert wrong.status_code == 422
        assert wrong.json()["faults"][0]["column"] == "gapp"
        assert len(list((tmp_path / "s" / "jobs").iterdir())) == 1


def test_a_request_that_takes_too_much_to_read_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    """Proves R43: a process that reads and runs out of memory or time ends as a refusal, and nothing is kept."""
    from strategic_minerals.service import authentication as submission

    large = {**QUICK, "tables": {"demand": [{"note": "x" * 50}] * 3000}}
    with client(tmp_path / "s", Obedient(hold=True), memory_aside_mib=256) as service:
        plan = '{"kind":"solve","plan":{"materials":' + many("[[[]]]", 70_000) + "}}"
        refused = service.post("/v1/jobs", content=plan, headers={"Content-Type": "application/json"})
        assert refused.status_code in (413, 422)
        monkeypatch.setattr(submission, "READ_S", 0.01)
        late = service.post("/v1/jobs", json=large)
        assert late.status_code == 413
        assert "256 MiB" in late.json()["detail"]
        assert not list((tmp_path / "s" / "jobs").iterdir())


# --- a server of its own ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with short patience and few connections, and a token for it."""
    folder = tmp_path_factory.mktemp("hostile") / "s"
    headers = token(folder, "one")
    limits = {
        "header_s": "1",
        "body_s": "1",
        "answer_s": "1",
        "most_connections": "40",
        "most_connections_of_address": "30",
    }
    server = Server(folder, workers="1", requests_per_minute="100000", most_bodies_mib="12", **limits).ready()
    yield server, headers
    server.stop()


def ask(server: Server, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> tuple[int, Any]:
    """(status, answer) of one request on a connection of its own."""
    request = urllib.request.Request(server.address + path, body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENT) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture
def dial(office: Any) -> Iterator[Any]:
    """Open sockets to the server and say something; all are closed in the end."""
    found: list[socket.socket] = []

    def dialled(text: bytes = b"") -> socket.socket:
        one = socket.create_connection(("127.0.0.1", office[0].port), timeout=PATIENT)
        found.append(one)
        with contextlib.suppress(ConnectionError):
            one.sendall(text)
        return one

    yield dialled
    for one in found:
        one.close()


def rest(one: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := one.recv(1 << 16):
            found += part
    return found


def sent_until_cut(one: socket.socket, text: bytes, times: int = 100_000) -> bool:
    """Send the same again and again; whether the other side cut the connection."""
    for _ in range(times):
        try:
            one.sendall(text)
        except ConnectionError:
            return True
    return False


@pytest.mark.slow
def test_health_answers_while_large_bodies_are_read(office: Any) -> None:
    """Proves R43: 3 MB of wrong rows leave the server small and answering; what it says of them is short."""
    server, headers = office
    body = (SHIPPED + f'"tables":{{"demand":{many(json.dumps({"x": 1, "y": "zzzzzzzzzz"}), 120_000)}}}}}').encode()
    said: list[Any] = []

    def send() -> None:
        said.append(ask(server, "/v1/jobs", {**headers, "Content-Type": "application/json"}, body))

    sending = [threading.Thread(target=send) for _ in range(3)]
    for one in sending:
        one.start()
    while any(one.is_alive() for one in sending):
        assert ask(server, "/healthz")[0] == 200
    assert {status for status, _ in said} <= {202, 422, 429}
    assert all(len(answer) < 100_000 for _, answer in said)
    assert server.memory_mib < 400


def test_sockets_that_say_nothing_cost_others_nothing(office: Any, dial: Any) -> None:
    """Proves R47: ten times as many idle sockets as one address may hold, some with half a header: a request is answered all the
    same, the oldest ones made room, and those that are left are closed when their time is up."""
    server, _ = office
    idle = [dial(b"" if n % 2 else b"GET /healthz HTTP/1.1\r\nHost: x\r\n") for n in range(300)]
    assert ask(server, "/healthz")[0] == 200
    assert rest(idle[0]) == b""
    last = rest(idle[-1])
    assert last.startswith(b"HTTP/1.1 408") or last == b""
    assert ask(server, "/healthz")[0] == 200


def test_a_header_that_trickles_is_not_waited_for(dial: Any) -> None:
    """Proves R47: a byte now and then puts the limit off by nothing."""
    one, answer = dial(), b""
    one.settimeout(0.1)
    for letter in b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"a" * 2000:
        try:
            one.sendall(bytes([letter]))
            answer = one.recv(1000)
            break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        raise AssertionError("it was waited for")
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
    if answer:
        assert b"application/problem+json" in answer


@pytest.mark.parametrize("how", ["stated length", "pieces", "a form that anybody may send"])
def test_a_body_that_trickles_is_not_waited_for(office: Any, dial: Any, how: str) -> None:
    """Proves R47: a body has a time limit of its own, however it comes; 408, and the connection ends."""
    server, headers = office
    path, kind = (
        ("/login", "application/x-www-form-urlencoded")
        if how.startswith("a form")
        else ("/v1/jobs", "application/json")
    )
    length = "Transfer-Encoding: chunked" if how == "pieces" else "Content-Length: 5000"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: {headers['Authorization']}\r\n"
    one = dial(f"{head}Content-Type: {kind}\r\n{length}\r\n\r\n".encode())
    one.sendall(b"1\r\n{\r\n" if how == "pieces" else b"{")
    answer = rest(one)
    assert answer.startswith(b"HTTP/1.1 408"), answer[:200]
    assert b'"status":408' in answer


def test_an_answer_that_nobody_takes_is_not_held(office: Any, dial: Any) -> None:
    """Proves: whoever asks again and again and reads nothing is cut off."""
    server, _ = office
    one = dial()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.settimeout(PATIENT)
    assert sent_until_cut(one, b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    assert ask(server, "/healthz")[0] == 200


def test_bodies_in_tiny_pieces_are_refused(office: Any, dial: Any) -> None:
    """Proves: a body of a million one-byte pieces is not worked through."""
    server, headers = office
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    ).encode()
    one = dial(head)
    assert sent_until_cut(one, b"1\r\n \r\n" * 1000)
    assert ask(server, "/healthz")[0] == 200


PIECES = {
    "a size that is none": b"zz\r\n{}\r\n0\r\n\r\n",
    "a size below nothing": b"-5\r\n{}\r\n0\r\n\r\n",
    "a size beyond all": b"F" * 40 + b"\r\n{}",
    "a size of words": b"0x5\r\n{}",
    "no size": b"\r\n\r\n",
    "a piece longer than its size": b"1\r\n{}{}{}\r\n0\r\n\r\n",
    "a wrong one after a right one": b"2\r\n{}\r\nq\r\n",
    "an extension without end": b"2;" + b"a" * 100_000,
}


@pytest.mark.parametrize("what", PIECES)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/check", "/v1/jobs/upload", "/login"])
def test_pieces_that_are_none_are_answered(office: Any, dial: Any, what: str, path: str) -> None:
    """Proves: a wrong size of a chunk ends in 400 with a problem, once, and then the connection ends."""
    server, headers = office
    kind = {"/v1/jobs/upload": "multipart/form-data; boundary=b", "/login": "application/x-www-form-urlencoded"}
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: {headers['Authorization']}\r\n"
        f"Content-Type: {kind.get(path, 'application/json')}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    answer = rest(dial(head + PIECES[what]))
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert answer.count(b"HTTP/1.1") == 1
    assert b"application/problem+json" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]


def test_a_request_has_one_answer(office: Any, dial: Any) -> None:
    """Proves: where a request is refused before its body has come, what is wrong with the body brings no second answer."""
    one = dial(
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = one.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 401 ")
    with contextlib.suppress(ConnectionError):
        one.sendall(b"zz\r\n")
    assert b"HTTP/1.1" not in rest(one)


@pytest.mark.parametrize("length", ["Content-Length: 50", "Transfer-Encoding: chunked"])
def test_a_body_that_ends_early_is_answered(office: Any, dial: Any, length: str) -> None:
    """Proves: whoever stops sending before the stated end, and still listens, is told."""
    _, headers = office
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\nContent-Type: application/json\r\n"
        f"{length}\r\n\r\n"
    ).encode()
    one = dial(head + b"2\r\n{}")
    one.shutdown(socket.SHUT_WR)
    answer = rest(one)
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert b"ended" in answer


@pytest.mark.parametrize("length", ["5, 6", "-1", "x", "1e3", "0x10", "+5", "9" * 400, ""])
def test_a_length_that_is_none_is_answered(office: Any, dial: Any, length: str) -> None:
    """Proves: 4xx with a problem before a body is waited for."""
    _, headers = office
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()
    answer = rest(dial(head + b"{}"))
    assert answer.split(b" ")[1] in (b"400", b"413"), answer[:200]
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("".join(f"X-{n}: 1\r\n" for n in range(500)), b"400"),
        (f"X-Long: {'a' * 100_000}\r\n", b"400"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"4"),
        ("Bad Header\r\n", b"400"),
        ("Host: y\r\n", b"400"),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n", b"200"),
    ],
)
def test_headers_are_bounded_and_well_formed(office: Any, dial: Any, lines: str, status: bytes) -> None:
    """Proves: floods of headers, and headers that mean two things, end in 4xx with a problem; nothing is upgraded."""
    server, _ = office
    one = dial()
    with contextlib.suppress(ConnectionError):
        one.sendall(f"GET /healthz HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n".encode())
    answer = rest(one)
    assert answer == b"" or answer.split(b" ")[1].startswith(status), answer[:100]
    assert ask(server, "/healthz")[0] == 200


def test_more_bodies_at_once_than_memory_are_put_off(office: Any) -> None:
    """Proves: bodies that are being read share a bound in bytes: beyond it 429, and then there is room again."""
    server, headers = office
    head = {**headers, "Content-Type": "application/json"}
    held = []
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENT)
        connection.putrequest("POST", "/v1/jobs")
        for name, value in {**head, "Content-Length": "9000000"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(b" " * 8_000_000)
        held.append(connection)
    answers = {one.getresponse().status for one in held}
    assert answers <= {408, 429}
    for one in held:
        one.close()
    until = time.monotonic() + PATIENT
    while ask(server, "/v1/jobs", head, b"{}")[0] == 429 and time.monotonic() < until:
        time.sleep(0.05)
    assert ask(server, "/v1/jobs", head, b"{}")[0] == 422


# --- what comes in one piece ------------------------------------------------------------------------------------------------


def test_packed_bodies_and_other_types_are_not_read(tmp_path: Path) -> None:
    """Proves: a gzip bomb is not unpacked, and what is no JSON is not taken for it: 415."""
    with client(tmp_path / "s", Obedient()) as service:
        packed = gzip.compress(b" " * 10_000_000)
        kind = {"Content-Type": "application/json"}
        answer = service.post("/v1/jobs", content=packed, headers={**kind, "Content-Encoding": "gzip"})
        assert answer.status_code == 415
        assert answer.headers["accept-encoding"] == "identity"
        assert service.post("/v1/jobs", content=packed, headers=kind).status_code == 400
        for other in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
            assert service.post("/v1/jobs", content=b"{}", headers=other).status_code == 415
        assert (
            service.post("/v1/check", content=b"{}", headers={"Content-Type": "application/problem+json"}).status_code
            == 422
        )


def test_queries_are_bounded(tmp_path: Path) -> None:
    """Proves: thousands of parameters are refused before they are read."""
    with client(tmp_path / "s", Obedient()) as service:
        assert service.get("/v1/jobs?" + "a=1&" * 5000).status_code == 413
        answer = service.get("/v1/jobs?" + "".join(f"a{n}=1&" for n in range(50)))
        assert answer.status_code == 422
        assert len(answer.json()["faults"]) == 50


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/jobs/upload", "POST"),
        ("DELETE", "/v1/jobs/upload", "POST"),
        ("PUT", "/v1/jobs", "GET, POST"),
        ("PATCH", f"/v1/jobs/{'0' * 32}", "DELETE, GET"),
        ("POST", "/healthz", "GET"),
        ("TRACE", "/v1/plans", "GET"),
        ("GET", "/logout", "POST"),
        ("HEAD", "/v1/jobs", "GET, POST"),
        ("OPTIONS", "/v1/check", "POST"),
    ],
)
def test_what_is_not_done_somewhere_is_405_and_says_what_is(
    tmp_path: Path, method: str, path: str, allowed: str
) -> None:
    """Proves: 405 with `Allow`, which names every method of the place, and a problem as the body."""
    with client(tmp_path / "s", Obedient()) as service:
        answer = service.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == allowed
        assert method == "HEAD" or answer.headers["content-type"] == "application/problem+json"


def test_streams_of_all_tenants_are_bounded_too(tmp_path: Path) -> None:
    """Proves: tenants with few streams each cannot hold more than the service bears."""
    from strategic_minerals.service.app import Streams

    streams = Streams()
    assert all(streams.enter(f"t{n}", 2, 5) for n in range(5))
    assert not streams.enter("another", 2, 5)
    streams.leave("t0")
    assert streams.enter("another", 2, 5)
