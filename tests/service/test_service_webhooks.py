"""The end of a job is told to another system: signed, again until it is accepted, and to nobody's own network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import until
from service.test_service_stores import run
from strategic_minerals.core.errors import MisplacedError
from strategic_minerals.service import dispatcher, webhooks
from strategic_minerals.service.client import Client, ServiceError, webhook
from strategic_minerals.service.store import open_store
from strategic_minerals.service.webhooks import RefusedError, Target, checked_address, is_public, send, target_of
from support.served import QUICK, Obedient, client

pytestmark = pytest.mark.long

SECRET = "a secret of a test"


class Receiver:
    """A server that keeps what it is sent, and answers as it is told, in turn; the last answer stays."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[tuple[dict[str, str], bytes, str]] = []
        left, got = list(statuses), self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got.append(({name.lower(): value for name, value in self.headers.items()}, body, self.path))
                self.send_response(left.pop(0) if len(left) > 1 else left[0])
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/hook?to=me"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()


def verified(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """As the service's README tells receivers to: over identifier, time and body; not older than five minutes."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh and hmac.compare_digest(expected, headers["webhook-signature"])


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[str], bool]:
    """Whether the log of the service says something."""
    caplog.set_level(logging.DEBUG, "strategic_minerals")
    return lambda text: text in caplog.text


def test_the_end_of_a_job_is_told_and_signed(tmp_path: Path, said: Callable[[str], bool]) -> None:
    """Proves: once; the secret stands in no answer, no log and no file."""
    with Receiver(204) as there, client(tmp_path / "s", Obedient(), webhook_hosts=there.host) as service:
        asked = {**QUICK, "label": "told", "webhook": {"url": there.url, "secret": SECRET}}
        answer = service.post("/v1/jobs", json=asked)
        job = answer.json()["id"]
        until(lambda: said("webhook delivered"))
        ((headers, body, path),) = there.got
        assert path == "/hook?to=me"
        assert headers["host"] == there.host
        assert verified(headers, body, SECRET)
        assert not verified(headers, body.replace(b"told", b"t0ld"), SECRET)
        sent = webhook(SECRET, headers, body)
        with pytest.raises(ValueError, match="signature"):
            webhook(f"{SECRET}!", headers, body)
        assert (sent["type"], sent["tenant"]) == ("job.ended", "local")
        assert sent["data"] == service.get(f"/v1/jobs/{job}").json()
        assert sent["data"]["state"] == "succeeded"
        kept = b"".join(path.read_bytes() for path in (tmp_path / "s" / "jobs").rglob("*") if path.is_file())
        assert not said(SECRET)
        assert SECRET not in answer.text
        assert SECRET.encode() not in kept


def test_what_was_not_accepted_is_sent_again_after_a_restart_too(tmp_path: Path, said: Callable[[str], bool]) -> None:
    """Proves: it keeps its identifier; a redirect is not followed; once accepted it is over."""
    with Receiver(500, 302, 200) as there:
        names = {"webhook_hosts": there.host}
        with client(tmp_path / "s", Obedient(), **names) as service:
            service.post("/v1/jobs", json={**QUICK, "webhook": {"url": there.url, "secret": SECRET}})
            until(lambda: said("to be sent again at try 1: status 500"))
        with closing(open_store(tmp_path / "s", None)) as store:
            run(store, "UPDATE webhooks SET due = 1")  # the wait is over
        with client(tmp_path / "s", Obedient(), **names) as service:
            until(lambda: said("at try 2: status 302: redirects are not followed"))
            run(service.app.state.store, "UPDATE webhooks SET due = 1")  # type: ignore[attr-defined]
            until(lambda: said("webhook delivered at try 3"))
        assert len(there.got) == 3
        assert len({headers["webhook-id"] for headers, _, _ in there.got}) == 1
        assert all(verified(headers, body, SECRET) for headers, body, _ in there.got)


def test_what_nobody_accepts_is_given_up(tmp_path: Path, said: Callable[[str], bool]) -> None:
    """Proves: waits grow, after the last try it is over; a job that is resumed and ends again is told anew."""
    assert list(dispatcher.WAITS_S) == sorted(dispatcher.WAITS_S)
    runner = Obedient(hold=True)
    with Receiver(503) as there, client(tmp_path / "s", runner, webhook_hosts=there.host) as service:
        asked = {**QUICK, "webhook": {"url": there.url, "secret": SECRET}}
        job = service.post("/v1/jobs", json=asked).json()["id"]
        until(lambda: runner.seen)
        service.post(f"/v1/jobs/{job}/cancel")
        store, works = service.app.state.store, service.app.state.works  # type: ignore[attr-defined]

        def hurried() -> bool:
            run(store, "UPDATE webhooks SET due = 1 WHERE tries > 0")
            works._parts[0].wake()
            return said("webhook given up at try 8")

        until(hurried)
        runner.go.set()
        service.post(f"/v1/jobs/{job}/resume")
        until(lambda: json.loads(there.got[-1][1])["data"]["state"] == "succeeded")  # tries of before may still come in
        assert there.got[-1][0]["webhook-id"] != there.got[0][0]["webhook-id"]
        assert service.delete(f"/v1/jobs/{job}").status_code == 204
        with store.engine.begin() as ask:
            assert ask.exec_driver_sql("SELECT count(*) FROM webhooks").all() == [(0,)]


FORBIDDEN = """
    http://plans.example/hook https://127.0.0.1/hook https://[::1]/hook https://localhost/hook
    https://169.254.169.254/latest/meta-data https://10.0.0.8/ https://100.100.100.200/ https://[fd00:ec2::254]/
    https://[::ffff:127.0.0.1]/ https://[64:ff9b::a00:1]/ https://0.0.0.0/ https://127.1/ https://2130706433/
    https://0x7f.1/ https://0177.0.0.1./ https://user:word@plans.example/ file:///etc/passwd https:///hook
    https://plans.example:99999/
"""
PUBLIC = "93.184.216.34 2606:2800:220:1::1 ::ffff:93.184.216.34 64:ff9b::5db8:d822"
PRIVATE = "127.0.0.2 172.16.0.1 224.0.0.1 255.255.255.255 :: fe80::1 2002:7f00:1:: ff02::1 fec0::1"


def test_addresses_that_nothing_may_be_sent_to_are_refused_at_once(tmp_path: Path) -> None:
    """Proves: 422 with the field, and no job; so are secrets that are none, which are not shown."""
    for url in FORBIDDEN.split():
        with pytest.raises(MisplacedError):
            target_of(url, frozenset())
    assert all(is_public(ipaddress.ip_address(text)) for text in PUBLIC.split())
    assert not any(is_public(ipaddress.ip_address(text)) for text in PRIVATE.split())
    hooks = [({"url": url, "secret": SECRET}, "webhook.url") for url in FORBIDDEN.split()[:2]]
    secrets: list[dict[str, Any]] = [
        {"secret": "hush"},
        {"secret": ["hush" * 5]},
        {"secret": "whsec_hush-hush-hush!"},
        {},
    ]
    hooks += [({"url": "https://plans.example/", **secret}, "webhook.secret") for secret in secrets]
    with client(tmp_path / "s", Obedient()) as service:
        for hook, column in hooks:
            answer = service.post("/v1/jobs", json={**QUICK, "webhook": hook})
            assert answer.status_code == 422
            assert answer.json()["faults"][0]["column"] == column
            assert "hush" not in answer.text
        assert not list((tmp_path / "s" / "jobs").iterdir())


def test_a_name_with_one_private_address_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: every address of a name is looked at, and the one that was checked is called; settings may allow a host."""
    answers = [["93.184.216.34", "10.0.0.1"], ["93.184.216.34"], ["192.168.0.1"]]
    asked: list[str] = []

    def resolved(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers[len(asked) - 1]]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    target = target_of("https://plans.example/hook", frozenset())
    with pytest.raises(RefusedError, match="private"):
        checked_address(target, frozenset())
    assert checked_address(target, frozenset()) == ("93.184.216.34", 443)
    assert checked_address(target, frozenset({"plans.example"})) == ("192.168.0.1", 443)
    called: list[Any] = []

    def connected(place: Any, timeout: float) -> Any:
        called.append(place)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connected)
    with pytest.raises(RefusedError, match="no connection"):
        send(target, ("93.184.216.34", 443), {}, b"")
    assert called == [("93.184.216.34", 443)]
    assert asked == ["plans.example"] * 3


def test_what_a_client_sends_again_has_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where a proxy says 503 for a service that may have taken a job, repeating the request makes no second one."""
    paused = list[float]()
    monkeypatch.setattr(time, "sleep", paused.append)
    with Receiver(503) as there, pytest.raises(ServiceError, match="503"):
        Client(f"http://{there.host}").submit("solve", shipped="quickstart")
    assert len({headers["idempotency-key"] for headers, _, _ in there.got}) == 1 < len(there.got)
    assert sum(paused) > 10  # a server that starts anew is waited for


def test_a_receiver_that_says_nothing_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: delivery ends by a limit; an answer may take longer than connecting."""
    monkeypatch.setattr(webhooks, "CONNECT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]

        def answer() -> None:
            taken, _ = there.accept()
            with taken:
                taken.recv(10_000)
                time.sleep(0.3)
                taken.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        threading.Thread(target=answer).start()
        assert send(Target(False, "127.0.0.1", port, "/"), ("127.0.0.1", port), {}, b"{}") == 204
        monkeypatch.setattr(webhooks, "LIMIT_S", 0.3)
        with pytest.raises(RefusedError):
            send(Target(False, "127.0.0.1", port, "/"), ("127.0.0.1", port), {}, b"{}")
