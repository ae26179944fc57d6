"""Behind nginx, as the container has it, under a path: hostile connections cost others nothing, callers keep their address."""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import until
from support.served import QUICK, Server, token

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
pytestmark = [pytest.mark.long, pytest.mark.skipif(NGINX is None, reason="nginx is not installed")]
CONF = Path(__file__).resolve().parents[2] / ".github" / "container" / "nginx.conf"
PATIENT = 60.0
"""Seconds that a socket of a test waits at most: a guard against hanging, no claim."""
IDLE = 120


class Office:
    """A service with few file descriptors behind nginx with short patience, a token for it, and sockets to it."""

    def __init__(self, folder: Path) -> None:
        self.headers = token(folder / "s", "one", "read", "submit", "admin")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        address = f"http://127.0.0.1:{self.port}/minerals"
        self.server = Server(
            folder / "s", descriptors=100, workers="1", public_url=address, trusted_proxies="127.0.0.1"
        ).ready()
        changed = {
            "listen 8080": f"listen 127.0.0.1:{self.port}",
            "location / {": "location /minerals/ {",
            "http://planner:8000": self.server.address,
            "client_header_timeout 10s": "client_header_timeout 1s",
            "client_body_timeout 20s": "client_body_timeout 1s",
            "http {": f"error_log {folder}/error.log; pid {folder}/nginx.pid; daemon off;\nhttp {{",
        }
        text = CONF.read_text(encoding="utf-8")
        for before, after in changed.items():
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            text = text.replace("server_tokens off;", f"server_tokens off;\n    {name}_temp_path {folder}/{name};")
        (folder / "nginx.conf").write_text(text, encoding="utf-8")
        self.proxy = subprocess.Popen([str(NGINX), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
        self.address = address
        self.sockets: list[socket.socket] = []
        until(lambda: self.ask("/healthz")[0] == 200)

    def stop(self) -> None:
        for one in self.sockets:
            one.close()
        self.proxy.terminate()
        self.proxy.wait()
        self.server.stop()

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """(status, answer) of one request on a connection of its own."""
        head = {**self.headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, body, head)
        try:
            with urllib.request.urlopen(request, timeout=PATIENT) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def answer(self, path: str) -> bytes:
        """What is answered once the proxy lets it through."""
        return bytes(until(lambda: (found := self.ask(path))[0] == 200 and found[1]))

    def dial(self, text: bytes = b"") -> socket.socket:
        """An open socket, on which something was said."""
        one = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENT)
        self.sockets.append(one)
        with contextlib.suppress(ConnectionError):
            one.sendall(text)
        return one

    def post(self, lines: str, body: bytes = b"") -> socket.socket:
        """A socket on which the head of a request and some of its body were sent."""
        head = f"POST /minerals/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
        return self.dial(f"{head}Authorization: {self.headers['Authorization']}\r\n{lines}\r\n\r\n".encode() + body)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    found = Office(tmp_path_factory.mktemp("proxy"))
    yield found
    found.stop()


def rest(one: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := one.recv(1 << 16):
            found += part
    return found


def test_sockets_that_say_nothing_or_trickle_cost_others_nothing(office: Office) -> None:
    """Proves R47, R63: idle sockets and headers that never end, many more than the service has file descriptors: others are
    answered meanwhile, the idle ones are closed in time, and the log stays short."""
    said = b"GET /minerals/healthz HTTP/1.1\r\nHost: x\r\n"
    idle = [office.dial(b"" if n % 2 else said) for n in range(IDLE)]
    assert office.ask("/healthz")[0] == 200
    slow = office.post("Content-Length: 5000", b"{")
    answers = [rest(one) for one in (*idle, slow)]
    assert all(answer == b"" or b" 408 " in answer for answer in answers)
    log = office.server.folder.parent / f"{office.server.folder.name}.log"
    assert log.stat().st_size < 100_000


def test_what_is_too_large_or_no_http_is_refused_before_the_service(office: Office) -> None:
    """Proves: headers, bodies and framing that are none have one answer, and a flood of requests is slowed down."""
    assert b" 413 " in rest(office.post("Content-Length: 20000000", b"{"))
    for lines in (f"X-Long: {'a' * 100_000}", "Content-Length: -1", "Content-Length: 5, 6"):
        answer = rest(office.post(lines))
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"414"), answer[:100]
    assert b" 400 " in rest(office.post("Transfer-Encoding: chunked\r\nContent-Length: 5", b"2\r\n{}\r\n0\r\n\r\n"))
    flood, heard = office.dial(b"GET /minerals/healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 600), b""
    while b" 429 " not in heard:
        part = flood.recv(1 << 16)
        assert part, heard[-200:]
        heard += part
    until(lambda: office.ask("/healthz")[0] == 200)


def test_links_stand_under_the_path_and_the_log_names_the_caller(office: Office) -> None:
    """Proves: links, `Location`, page and description stand under the path of the public address; the audit log has the caller's
    address and not that of the proxy, whatever the caller says of itself."""

    def submitted() -> bytes | None:
        """A job from another address than the proxy's."""
        caller = http.client.HTTPConnection("127.0.0.1", office.port, PATIENT, source_address=("127.0.0.5", 0))
        headers = {**office.headers, "Content-Type": "application/json", "X-Forwarded-For": "192.0.2.99"}
        caller.request("POST", "/minerals/v1/jobs", json.dumps(QUICK), headers)
        with contextlib.closing(caller), caller.getresponse() as answer:
            return answer.read() if answer.status == 202 else None

    job = json.loads(until(submitted))
    assert job["links"]["self"] == f"/minerals/v1/jobs/{job['id']}"
    origin = office.address.removesuffix("/minerals")
    with urllib.request.urlopen(
        urllib.request.Request(origin + job["links"]["self"], headers=office.headers), timeout=PATIENT
    ) as answer:
        assert json.loads(answer.read())["id"] == job["id"]
    assert json.loads(office.answer("/v1/openapi.json"))["servers"] == [{"url": office.address}]
    page = office.answer("/").decode()
    assert 'href="/minerals/static/page.css"' in page
    assert office.answer("/static/page.css")
    (entry,) = [one for one in json.loads(office.answer("/v1/audit-log")) if one["job"] == job["id"]]
    assert entry["address"] == "127.0.0.5"


def test_a_service_that_is_away_has_an_answer_that_clients_wait_for(office: Office) -> None:
    """Proves: the proxy itself answers with a problem, and with the seconds after which to ask again."""
    office.server.stop()
    caller = http.client.HTTPConnection("127.0.0.1", office.port, PATIENT)
    caller.request("GET", "/minerals/healthz")
    with contextlib.closing(caller), caller.getresponse() as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert json.loads(answer.read())["type"].endswith(":unavailable")
