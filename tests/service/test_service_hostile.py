"""Hostile callers cost others nothing: bodies that are all faults, sockets that say nothing, trickles, floods."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import until
from strategic_minerals import PlanError
from strategic_minerals.core import errors
from strategic_minerals.service import authentication as submission
from strategic_minerals.service import reading
from strategic_minerals.service.job_folder import Folder
from strategic_minerals.service.requests import MOST_FAULTS, ProblemError
from support.served import QUICK, Obedient, Server, client, records, token

PATIENT = 60.0
"""Seconds that a socket of a test waits at most: a guard against hanging, no claim."""


def many(item: str, n: int) -> str:
    return f"[{','.join([item] * n)}]"


SHIPPED = '{"kind":"solve","shipped":"quickstart",'
FAULTY = {
    "rows that are numbers": SHIPPED + f'"tables":{{"demand":{many("0", 150_000)}}}}}',
    "tables without end": SHIPPED + f'"tables":{json.dumps({f"k{n}": [] for n in range(100_000)})}}}',
    "fields without end": json.dumps({f"k{n}": 0 for n in range(100_000)}),
    "jobs that are numbers": f'{{"kind":"compare","of":{many("0", 500_000)}}}',
    "a field's name without end": f'{{"kind":"solve","{"x" * 1_000_000}":1}}',
}


@pytest.mark.parametrize("what", FAULTY)
def test_a_body_that_is_all_faults_is_bounded_before_it_is_validated(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R43: what validates finds no more faults than are told, and few names that were meant are looked for."""
    seen, looked = list[int](), list[str]()
    real = errors.get_close_matches
    monkeypatch.setattr(errors, "get_close_matches", lambda word, *a, **b: looked.append(word) or real(word, *a, **b))

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
    assert len(looked) <= 200
    assert len(told.faults) <= MOST_FAULTS + 1
    assert len(told.model_dump_json()) < 100_000


@pytest.mark.slow
def test_a_large_body_is_read_as_a_small_one_is(tmp_path: Path) -> None:
    """Proves: a process of its own finds the same digest and faults, and leaves nothing but the question."""
    rows = [{**row, "note": "x" * 1000} for row in records("demand")]
    large = {**QUICK, "tables": {"demand": rows}, "on_top_of_shipped": True}
    assert len(json.dumps(large)) > submission.SMALL_BYTES
    with client(tmp_path / "s", Obedient(hold=True)) as service:
        first, again = (service.post("/v1/jobs", json=large, headers={"Idempotency-Key": "k"}) for _ in "ab")
        assert (first.status_code, again.status_code) == (202, 202), first.text
        assert first.json()["id"] == again.json()["id"]
        assert len(Folder.of(tmp_path / "s", first.json()["id"]).read("tables.json")["demand"]) == len(rows)  # type: ignore[index]
        assert not list((tmp_path / "s").rglob("body.json"))
        unknown = {"tables": {"demand": [*rows, {**rows[0], "material": "unobtainium"}]}}
        for wrong, column in (({"gapp": 1}, "gapp"), (unknown, "material")):
            answer = service.post("/v1/jobs", json={**large, **wrong})
            assert answer.status_code == 422
            assert {fault["column"] for fault in answer.json()["faults"]} == {column}
        assert len(list((tmp_path / "s" / "jobs").iterdir())) == 1


@pytest.mark.slow
def test_a_request_that_takes_too_much_memory_to_read_is_refused(tmp_path: Path) -> None:
    """Proves R43: a process that reads and runs out of memory ends as a refusal, and nothing is kept."""
    with client(tmp_path / "s", Obedient(hold=True), memory_aside_mib=256) as service:
        plan = '{"kind":"solve","plan":{"materials":' + many("[[[]]]", 70_000) + "}}"
        refused = service.post("/v1/jobs", content=plan, headers={"Content-Type": "application/json"})
        assert refused.status_code in (413, 422)
        assert not list((tmp_path / "s" / "jobs").iterdir())


def test_a_request_that_takes_too_long_to_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R43: a process that reads and runs out of time ends as a refusal, and nothing is kept."""
    monkeypatch.setattr(submission, "READ_S", 0.01)
    with client(tmp_path / "s", Obedient(hold=True), memory_aside_mib=256) as service:
        late = service.post("/v1/jobs", json={**QUICK, "tables": {"demand": [{"note": "x" * 50}] * 3000}})
        assert (late.status_code, "256 MiB" in late.json()["detail"]) == (413, True)
        assert not list((tmp_path / "s" / "jobs").iterdir())


# --- a server of its own ---------------------------------------------------------------------------------------------------


FORM = "application/x-www-form-urlencoded"


class Office:
    """A server with short patience and few connections, a token for it, and sockets to it."""

    def __init__(self, folder: Path) -> None:
        self.headers = token(folder, "one")
        seconds = {"header_s": "1", "body_s": "1", "answer_s": "1"}
        limits = {"most_connections": "40", "most_connections_of_address": "30", "most_bodies_mib": "12", **seconds}
        self.server = Server(folder, workers="1", requests_per_minute="100000", **limits).ready()
        self.sockets: list[socket.socket] = []

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """(status, answer) of one request on a connection of its own."""
        head = {**self.headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self.server.address + path, body, head)
        try:
            with urllib.request.urlopen(request, timeout=PATIENT) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def dial(self, text: bytes = b"") -> socket.socket:
        """An open socket to the server, on which something was said."""
        one = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENT)
        self.sockets.append(one)
        with contextlib.suppress(ConnectionError):
            one.sendall(text)
        return one

    def post(
        self, lines: str, body: bytes = b"", path: str = "/v1/jobs", kind: str = "application/json"
    ) -> socket.socket:
        """A socket on which the head of a request and some of its body were sent."""
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.server.port}\r\nContent-Type: {kind}\r\n"
        return self.dial(f"{head}Authorization: {self.headers['Authorization']}\r\n{lines}\r\n\r\n".encode() + body)


@pytest.fixture(scope="module")
def one_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    found = Office(tmp_path_factory.mktemp("hostile") / "s")
    yield found
    found.server.stop()


@pytest.fixture
def office(one_office: Office) -> Iterator[Office]:
    """It answers after each test as before, and all sockets are closed."""
    yield one_office
    assert one_office.ask("/healthz")[0] == 200
    while one_office.sockets:
        one_office.sockets.pop().close()


def rest(one: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := one.recv(1 << 16):
            found += part
    return found


def sent_until_cut(one: socket.socket, text: bytes) -> bool:
    """Send the same again and again; whether the other side cut the connection."""
    for _ in range(100_000):
        try:
            one.sendall(text)
        except ConnectionError:
            return True
    return False


@pytest.mark.long
def test_sockets_that_say_nothing_cost_others_nothing(office: Office) -> None:
    """Proves R47: ten times as many as one address may hold: the oldest make room, the others are closed in time."""
    idle = [office.dial(b"" if n % 2 else b"GET /healthz HTTP/1.1\r\nHost: x\r\n") for n in range(300)]
    assert office.ask("/healthz")[0] == 200
    assert rest(idle[0]) == b""
    last = rest(idle[-1])
    assert last.startswith(b"HTTP/1.1 408") or last == b""


def test_what_trickles_is_not_waited_for(office: Office) -> None:
    """Proves R47: a byte now and then puts off no limit of header or body, in pieces or not, signed in or not."""
    bodies = [
        office.post("Content-Length: 5000", b"{"),
        office.post("Transfer-Encoding: chunked", b"1\r\n{\r\n"),
        office.post("Content-Length: 5000", b"t", "/login", FORM),
    ]
    slow = office.dial(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
    slow.settimeout(0.1)

    def cut() -> bool:
        """Whether one more byte finds that the header was given up."""
        try:
            slow.sendall(b"a")
            answer = slow.recv(1000)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
        return True

    until(cut)
    for one in bodies:
        assert rest(one).startswith(b"HTTP/1.1 408")


def test_floods_are_cut_off(office: Office) -> None:
    """Proves: whoever asks again and again and reads nothing is cut off; a million pieces of a byte are not worked through."""
    one = office.dial()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    assert sent_until_cut(one, b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    assert sent_until_cut(office.post("Transfer-Encoding: chunked"), b"1\r\n \r\n" * 1000)


def test_a_body_that_is_none_has_one_answer(office: Office) -> None:
    """Proves: 4xx with a problem, once, then the end; what was refused before its body came gets no second answer."""
    chunked, form = "Transfer-Encoding: chunked", "multipart/form-data; boundary=b"
    pieces = [
        office.post(chunked, b"zz\r\n{}\r\n0\r\n\r\n"),
        office.post(chunked, b"2\r\n{}\r\nq\r\n", "/v1/jobs/upload", form),
        office.post(chunked, b"1\r\n{}{}{}\r\n0\r\n\r\n", "/login", FORM),
        office.post(chunked, b"2;" + b"a" * 100_000, "/v1/check"),
    ]
    lengths = [office.post(f"Content-Length: {length}", b"{}") for length in ("5, 6", "-1", "0x10", "9" * 400, "")]
    for one in (*pieces, *lengths):
        answer = rest(one)
        assert answer.split(b" ")[1] in ((b"400",) if one in pieces else (b"400", b"413")), answer[:200]
        assert b"application/problem+json" in answer
        assert answer.count(b"HTTP/1.1") == 1
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
    for lines in ("\r\n".join(f"X-{n}: 1" for n in range(500)), f"X-Long: {'a' * 100_000}", "Host: y"):
        answer = rest(office.post(lines))
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer[:100]
    both = rest(office.post(f"{chunked}\r\nContent-Length: 5", b"2\r\n{}\r\n0\r\n\r\n"))
    assert both.split(b" ")[1].startswith(b"4"), both[:100]
    for line in ("Content-Length: 50", chunked):
        one = office.post(line, b"2\r\n{}")
        one.shutdown(socket.SHUT_WR)
        assert rest(one).startswith(b"HTTP/1.1 400 ")
    one = office.dial(f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\n{chunked}\r\n\r\n".encode())
    assert one.recv(1 << 16).startswith(b"HTTP/1.1 401 ")
    with contextlib.suppress(ConnectionError):
        one.sendall(b"zz\r\n")
    assert b"HTTP/1.1" not in rest(one)


@pytest.mark.long
def test_more_bodies_at_once_than_memory_are_put_off(office: Office) -> None:
    """Proves: bodies that are being read share a bound in bytes: beyond it 429, and then there is room again."""
    held = [office.post("Content-Length: 9000000", b" " * 8_000_000) for _ in range(2)]
    assert {rest(one).split(b" ")[1] for one in held} <= {b"408", b"429"}
    assert until(lambda: (found := office.ask("/v1/jobs", b"{}")[0]) != 429 and found) == 422


# --- what comes in one piece ------------------------------------------------------------------------------------------------


def test_bodies_that_are_packed_too_large_or_of_another_type_are_not_read(tmp_path: Path) -> None:
    """Proves R36: no gzip bomb is unpacked, and most of a body that is too large is never taken."""
    with client(tmp_path / "s", Obedient(), most_body_bytes=100_000) as service:
        packed, kind = gzip.compress(b" " * 10_000_000), {"Content-Type": "application/json"}
        answer = service.post("/v1/jobs", content=packed, headers={**kind, "Content-Encoding": "gzip"})
        assert answer.status_code == 415
        assert service.post("/v1/jobs", content=packed, headers=kind).status_code == 400
        for other in ({}, {"Content-Type": "text/plain"}):
            assert service.post("/v1/jobs", content=b"{}", headers=other).status_code == 415
        assert service.post("/v1/jobs", content=b" " * 200_000, headers=kind).status_code == 413
        assert service.post("/v1/jobs", content=(b" " * 10_000 for _ in range(1000)), headers=kind).status_code == 413
        assert service.post("/v1/jobs/upload", files={"plan": b"x" * 200_000}).status_code == 413
