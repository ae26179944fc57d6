"""How the service bears load, kills and long use: one command prints a table.

    python .ci/benchmarks/service_load.py [--jobs 200] [--callers 20] [--kills 20]
    python .ci/benchmarks/service_load.py --hostile --minutes 3

A server of its own on loopback with two workers. First all jobs are submitted at once by all callers, while health is asked ten
times a second; then the server is killed at random moments and started again. Every answer stored is opened and audited.

`--hostile`: for so many minutes 500 sockets that say nothing or half a header, callers who send 5 MB of wrong rows, one tenant that
keeps thirty long jobs waiting, event streams, and a disk that is full for a third of the time; another tenant works as ever, and a
process of its own asks for health ten times a second. Sockets that are closed are opened again, up to 200 a second.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import random
import resource
import socket
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))


from strategic_minerals import load_result
from strategic_minerals.service.client import Client, ServiceError
from strategic_minerals.service.dispatcher import open_store
from support.served import Server, token

SETTLED = 20
"""Jobs after which memory is looked at first: what is loaded once is loaded by then."""


def loaded(folder: Path, jobs: int, callers: int) -> list[tuple[str, str]]:
    """All at once, then until the last has ended."""
    text = token(folder, "load")["Authorization"].removeprefix("Bearer ")
    server = Server(folder, workers="2", requests_per_minute="100000").ready()
    waits: list[float] = []
    done = threading.Event()

    def ask() -> None:
        service = Client(server.address)
        while not done.wait(0.1):
            begin = time.perf_counter()
            service._ask("GET", "/healthz")
            waits.append(time.perf_counter() - begin)

    asking = threading.Thread(target=ask)
    asking.start()
    begin = time.perf_counter()

    def submit(n: int) -> list[str]:
        service = Client(server.address, text)
        names = [f"{n}-{k}" for k in range(jobs // callers)]
        return [service.submit("solve", key=name, shipped="quickstart", gap=0.05, label=name) for name in names]

    with ThreadPoolExecutor(callers) as pool:
        accepted = [job for mine in pool.map(submit, range(callers)) for job in mine]
    submitting = time.perf_counter() - begin
    store, memory = open_store(folder, None), list[tuple[int, float]]()
    while (ended := sum(store.counts()[state] for state in ("succeeded", "failed", "cancelled", "interrupted"))) < len(
        accepted
    ):
        memory.append((ended, server.memory_mib))
        time.sleep(1.0)
    took = time.perf_counter() - begin
    memory.append((ended, server.memory_mib))
    done.set()
    asking.join()
    counts = store.counts()
    store.close()
    server.stop()
    sound = sum(load_result(folder / "jobs" / job / "run").audit().passed for job in accepted)
    early = [mib for n, mib in memory if n <= SETTLED][-1]
    return [
        (f"{len(accepted)} jobs submitted at once by {callers} callers, all accepted in", f"{submitting:.1f} s"),
        ("lost, doubled", f"{len(accepted) - counts['succeeded']}, {len(accepted) - len(set(accepted))}"),
        ("answers that open and pass the audit", f"{sound} of {len(accepted)}"),
        ("all answered by two workers in", f"{took:.0f} s"),
        (
            "health meanwhile: median, 99 %, slowest",
            f"{1e3 * statistics.median(waits):.0f}, "
            f"{1e3 * statistics.quantiles(waits, n=100)[98]:.0f}, {1e3 * max(waits):.0f} ms",
        ),
        (
            f"server's memory after {SETTLED} jobs and after {len(accepted)}",
            f"{early:.0f}, {memory[-1][1]:.0f} MiB ({memory[-1][1] / early - 1:+.1%})",
        ),
    ]


def killed(folder: Path, kills: int) -> list[tuple[str, str]]:
    """Killed again and again while jobs wait, run and end."""
    text = token(folder, "kill")["Authorization"].removeprefix("Bearer ")
    chance, accepted = random.Random(1), list[str]()
    for _ in range(kills):
        server = Server(folder, workers="2").ready()
        service = Client(server.address, text)
        with contextlib.suppress(OSError, ServiceError):
            for _ in range(2):
                accepted.append(service.submit("solve", shipped="quickstart", gap=0.05))
        time.sleep(chance.uniform(0.0, 6.0))
        server.kill()
    server = Server(folder, workers="2").ready()
    service = Client(server.address, text)
    first = {job: service.status(job)["state"] for job in accepted}
    for job in accepted:
        if first[job] == "interrupted":
            service._ask("POST", f"/v1/jobs/{job}/resume")
    last = {job: service.wait(job)["state"] for job in accepted}
    server.stop()
    sound = sum(
        load_result(folder / "jobs" / job / "run").audit().passed for job in accepted if last[job] == "succeeded"
    )
    interrupted = sum(state == "interrupted" for state in first.values())
    return [
        (
            f"{kills} kills at random moments: jobs accepted, interrupted and resumed, succeeded",
            f"{len(accepted)}, {interrupted}, {sum(state == 'succeeded' for state in last.values())}",
        ),
        ("answers that open and pass the audit after the kills", f"{sound} of {len(accepted)}"),
    ]


def healthy(address: str, seconds: float, told: Any) -> None:
    """In a process of its own, which nothing else keeps waiting: ask for health, tell (seconds, or what went wrong) of each."""
    service, end = Client(address, timeout_s=30.0), time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        try:
            service._ask("GET", "/healthz")
            told.put(time.perf_counter() - begin)
        except ERRORS as error:
            told.put(f"{type(error).__name__} {error}")
        time.sleep(0.1)


IDLE, LARGE_CALLERS, STREAMS, LONG_JOBS = 500, 3, 5, 30
AT_ONCE = 40
"""Sockets opened every 0.2 s at most: 200 a second."""
FULL_S, ROOM_S = 20.0, 40.0
"""The disk is full for so long, then it is not."""
LARGE = (
    b'{"kind":"solve","shipped":"quickstart","tables":{"demand":['
    + b",".join([b'{"x":1,"y":"zzzzzzzzzz"}'] * 190_000)
    + b"]}}"
)
LONG = {"shipped": "critical-minerals", "gap": 0.0, "deadline_s": 60}
ERRORS = (OSError, ServiceError, http.client.HTTPException)


class Hostile:
    """Everything at once against one server, and what came of it."""

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.end = folder, time.monotonic() + 60 * minutes
        self.tokens = {
            name: token(folder, name)["Authorization"].removeprefix("Bearer ") for name in ("bad", "greedy", "modest")
        }
        self.server = Server(folder, workers="2", requests_per_minute="100000").ready()
        self.waits: list[float] = []
        self.missed: list[str] = []
        self.refused: dict[str, int] = {}
        self.accepted: list[str] = []
        self.peak_mib = 0.0
        self.sockets = 0

    @property
    def on(self) -> bool:
        return time.monotonic() < self.end

    def client(self, name: str, timeout_s: float = 60.0) -> Client:
        return Client(self.server.address, self.tokens[name], timeout_s)

    def health(self) -> None:
        context = multiprocessing.get_context("spawn")
        told = context.SimpleQueue()
        asking = context.Process(target=healthy, args=(self.server.address, self.end - time.monotonic(), told))
        asking.start()
        while asking.is_alive() or not told.empty():
            while not told.empty():
                found = told.get()
                (self.waits if isinstance(found, float) else self.missed).append(found)
            self.peak_mib = max(self.peak_mib, self.server.memory_mib)
            time.sleep(0.1)

    def idle(self) -> None:
        """As many sockets as there should be, opened again as they are closed."""
        held: list[socket.socket] = []
        while self.on:
            for _ in range(min(IDLE - len(held), AT_ONCE)):
                with contextlib.suppress(OSError):
                    one = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
                    one.setblocking(False)
                    held.append(one)
                    self.sockets += 1
                    if len(held) % 2:
                        one.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-")
            time.sleep(0.2)
            held = [one for one in held if self._open(one)]
        for one in held:
            one.close()

    def _open(self, one: socket.socket) -> bool:
        try:
            if one.recv(1000):
                return True
        except BlockingIOError:
            return True
        except OSError:
            pass
        one.close()
        return False

    def large(self) -> None:
        head = {"Authorization": f"Bearer {self.tokens['bad']}", "Content-Type": "application/json"}
        for path in ("/v1/check", "/v1/jobs") * 10**6:
            if not self.on:
                return
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
                connection.request("POST", path, LARGE, head)
                said = str(connection.getresponse().status)
                connection.close()
            except ERRORS as error:
                said = type(error).__name__
            self.refused[said] = self.refused.get(said, 0) + 1

    def greedy(self) -> None:
        """Keeps long jobs waiting."""
        service = self.client("greedy")
        while self.on:
            with contextlib.suppress(*ERRORS):
                waiting = json.loads(service._ask("GET", "/v1/jobs?state=queued&limit=50"))["jobs"]
                for _ in range(LONG_JOBS - len(waiting)):
                    service.submit("solve", **LONG)
            time.sleep(1.0)

    def streams(self) -> None:
        service = self.client("greedy")
        while self.on:
            with contextlib.suppress(*ERRORS, IndexError):
                job = json.loads(service._ask("GET", "/v1/jobs?limit=1"))["jobs"][0]["id"]
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
                connection.request(
                    "GET", f"/v1/jobs/{job}/events", headers={"Authorization": f"Bearer {self.tokens['greedy']}"}
                )
                answer = connection.getresponse()
                while self.on and answer.read1(1000):
                    pass
                connection.close()
            time.sleep(0.5)

    def modest(self) -> None:
        """Somebody who works as ever."""
        service = self.client("modest")
        while self.on:
            with contextlib.suppress(*ERRORS):
                job = service.submit("solve", shipped="quickstart", gap=0.05)
                self.accepted.append(job)
                while self.on and service.status(job)["state"] in ("queued", "running"):
                    time.sleep(0.5)
            time.sleep(0.5)

    def disk(self) -> None:
        """Full, and not, and full again; in the end not."""
        while self.on:
            for size, seconds in ((0, FULL_S), (resource.RLIM_INFINITY, ROOM_S)):
                resource.prlimit(self.server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
                until = min(self.end, time.monotonic() + seconds)
                while time.monotonic() < until:
                    time.sleep(0.1)
        resource.prlimit(
            self.server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )

    def run(self) -> list[tuple[str, str]]:
        """All of it, then what was left behind."""
        works = [self.health, self.idle, self.greedy, self.modest, self.disk, *[self.large] * LARGE_CALLERS]
        threads = [threading.Thread(target=work) for work in (*works, *[self.streams] * STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        service = self.client("modest")
        greedy = self.client("greedy")
        for state in ("queued", "running"):
            for job in json.loads(greedy._ask("GET", f"/v1/jobs?state={state}&limit=200"))["jobs"]:
                greedy.cancel(job["id"])
        ends = [service.wait(job)["state"] for job in self.accepted]
        self.server.stop()
        audited = sum(load_result(self.folder / "jobs" / job / "run").audit().passed for job in self.accepted)
        refused = ", ".join(f"{count} x {said}" for said, count in sorted(self.refused.items()))
        return [
            ("health asked, not answered", f"{len(self.waits)}, {len(self.missed)} {'; '.join(self.missed[:2])}"),
            (
                "health: median, 99 %, slowest",
                f"{1e3 * statistics.median(self.waits):.0f}, "
                f"{1e3 * statistics.quantiles(self.waits, n=100)[98]:.0f}, {1e3 * max(self.waits):.0f} ms",
            ),
            ("sockets that said nothing: at once, in all", f"{IDLE}, {self.sockets}"),
            (f"bodies of {len(LARGE) / 1e6:.1f} MB answered", refused),
            (
                "the other tenant's jobs: accepted, ended well, audited",
                f"{len(ends)}, {ends.count('succeeded')}, {audited}",
            ),
            ("server's memory at its largest", f"{self.peak_mib:.0f} MiB"),
            ("files left half written", f"{len(list(self.folder.rglob('*.part')))}"),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--callers", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--minutes", type=float, default=3.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if asked.hostile:
            rows = Hostile(Path(place) / "hostile", asked.minutes).run()
        else:
            rows = [
                *loaded(Path(place) / "load", asked.jobs, asked.callers),
                *killed(Path(place) / "kill", asked.kills),
            ]
    print("| | |\n|---|---|")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
