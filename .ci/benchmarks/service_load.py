"""How the service bears load, kills and long use: one command prints a table.

    python .ci/benchmarks/service_load.py [--jobs 200] [--callers 20] [--kills 20]
    python .ci/benchmarks/service_load.py --crowd --minutes 3

A server of its own on loopback with two workers. First all jobs are submitted at once by all callers, while health is asked ten
times a second; then the server is killed at random moments and started again. Every answer stored is opened and audited.

`--crowd`: for so many minutes one tenant submits 500 jobs, one sixty sweeps of 300 points at once, one sends workbooks of 700,000
rows from six callers, one 5 MB of wrong rows from three; a fifth works as ever, and what it notices is told. `--full-disk`: the
disk is full for a third of the time."""

from __future__ import annotations

import argparse
import contextlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import xlsxwriter

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from strategic_minerals import Result
from strategic_minerals.service.client import Client, ServiceError
from strategic_minerals.service.store import open_store
from support.served import Server, token

SETTLED = 20
"""Jobs after which memory is looked at first: what is loaded once is loaded by then."""


def loaded(folder: Path, jobs: int, callers: int) -> list[tuple[str, str]]:
    """All at once, then until the last has ended."""
    text = token(folder, "load")["Authorization"].removeprefix("Bearer ")
    server = Server(folder, workers="2").ready()
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
    sound = sum(Result.load(folder / "jobs" / job / "run").audit().passed for job in accepted)
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
    last, resumed = dict[str, str](), set[str]()
    for job in accepted:  # a job that a killed server ran is found interrupted some time after the next one began
        last[job] = service.wait(job)["state"]
        if last[job] == "interrupted":
            service.resume(job)
            resumed.add(job)
            last[job] = service.wait(job)["state"]
    server.stop()
    sound = sum(
        Result.load(folder / "jobs" / job / "run").audit().passed for job in accepted if last[job] == "succeeded"
    )
    return [
        (
            f"{kills} kills at random moments: jobs accepted, interrupted and resumed, succeeded",
            f"{len(accepted)}, {len(resumed)}, {sum(state == 'succeeded' for state in last.values())}",
        ),
        ("answers that open and pass the audit after the kills", f"{sound} of {len(accepted)}"),
    ]


def throughput(folder: Path, seconds: float) -> list[tuple[str, str]]:
    """Quickstart jobs a minute on two workers, and the share of what the same solves take as bare commands, two at a time."""
    text = token(folder, "load")["Authorization"].removeprefix("Bearer ")
    server = Server(folder, workers="2").ready()
    service = Client(server.address, text)
    jobs = [service.submit("solve", shipped="quickstart", quick=True) for _ in range(int(seconds))]
    time.sleep(seconds)
    done = sum(service.status(job)["state"] == "succeeded" for job in jobs)
    for job in jobs:
        service.cancel(job)
    server.stop()
    bare, end = [0, 0], time.monotonic() + seconds

    def run(n: int) -> None:
        command = [sys.executable, "-m", "strategic_minerals", "solve", "quickstart", "--quick", "--quiet"]
        while time.monotonic() < end:
            subprocess.run([*command, "--out", str(folder / f"bare-{n}")], check=True, capture_output=True)
            bare[n] += time.monotonic() < end

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    figures = f"{60 * done / seconds:.0f}, {60 * sum(bare) / seconds:.0f} ({done / max(1, sum(bare)):.0%})"
    return [("quickstart jobs a minute: by the service, as two bare commands at a time", figures)]


JOBS, SWEEPS, POINTS, BOOKS, ROWS_OF_BOOK, LARGE_CALLERS, DISK_S = 500, 60, 300, 6, 700_000, 3, (20.0, 40.0)
LARGE = (
    b'{"kind":"solve","shipped":"quickstart","tables":{"demand":['
    + b",".join([b'{"x":1,"y":"zzzzzzzzzz"}'] * 190_000)
    + b"]}}"
)
STUDY = {"kind": "grid", "axes": {"budget.appropriation_musd": [10 + n / 10 for n in range(POINTS)]}}


class Crowd:
    """Five tenants at once against one server: what the others do, and what one that works as ever notices of it."""

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.end = folder, time.monotonic() + 60 * minutes
        names = ("many", "sweeps", "books", "bodies", "modest")
        self.tokens = {name: token(folder, name)["Authorization"].removeprefix("Bearer ") for name in names}
        self.server = Server(folder, workers="2").ready()
        self.waits = {name: list[float]() for name in ("status", "submission", "first run", "health")}
        self.answers, self.accepted = Counter[str](), list[str]()
        self.memory: list[float] = []
        self.book = folder.parent / "book.xlsx"
        book = xlsxwriter.Workbook(self.book, {"constant_memory": True})
        for name in ("plan", "demand"):
            sheet = book.add_worksheet(name)
            for row in range(ROWS_OF_BOOK if name == "demand" else 1):
                sheet.write_number(row, 0, row)
        book.close()

    @property
    def on(self) -> bool:
        return time.monotonic() < self.end

    def client(self, name: str) -> Client:
        return Client(self.server.address, self.tokens[name], 180.0)

    def told(self, name: str, work: Callable[[], Any]) -> None:
        try:
            work()
            self.answers[f"{name} accepted"] += 1
        except ServiceError as error:
            self.answers[f"{name} {error.status}"] += 1

    def many(self) -> None:
        service = self.client("many")
        for n in range(JOBS):
            self.told(
                "jobs", partial(service.submit, "solve", shipped="quickstart", set={"discount_rate": 0.02 + n / 1e5})
            )

    def sweeps(self) -> None:
        service = self.client("sweeps")

        def one(n: int) -> None:
            self.told("sweeps", lambda: service.submit("sweep", shipped="quickstart", study=STUDY, label=str(n)))

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(one, range(SWEEPS)))

    def books(self) -> None:
        service = self.client("books")
        while self.on:
            self.told("workbooks", lambda: service.upload(self.book))

    def bodies(self) -> None:
        service = self.client("bodies")
        while self.on:
            self.told("bodies", lambda: service._ask("POST", "/v1/check", LARGE, {"Content-Type": "application/json"}))

    def modest(self) -> None:
        service = self.client("modest")
        time.sleep(5.0)  # until the others have begun
        while self.on:
            begin = time.perf_counter()
            job = service.submit("solve", shipped="quickstart", quick=True, set={"discount_rate": 0.02})
            self.waits["submission"].append(time.perf_counter() - begin)
            self.accepted.append(job)
            state = "queued"
            while self.on and state in ("queued", "running"):
                asked = time.perf_counter()
                found = service.status(job)["state"]
                self.waits["status"].append(time.perf_counter() - asked)
                if state == "queued" and found != "queued":
                    self.waits["first run"].append(time.perf_counter() - begin)
                state = found
                time.sleep(0.1)

    def health(self) -> None:
        service = Client(self.server.address)
        while self.on:
            begin = time.perf_counter()
            service._ask("GET", "/healthz")
            self.waits["health"].append(time.perf_counter() - begin)
            self.memory.append(self.server.memory_mib)
            time.sleep(0.1)

    def disk(self) -> None:
        """Full, and not, and full again; in the end not."""
        free, process = resource.RLIM_INFINITY, self.server.process.pid
        while self.on:
            for size, seconds in ((free, DISK_S[1]), (0, DISK_S[0])):
                resource.prlimit(process, resource.RLIMIT_FSIZE, (size, free))
                while self.on and (seconds := seconds - 0.1) > 0:
                    time.sleep(0.1)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (free, free))

    def run(self, *, full_disk: bool) -> list[tuple[str, str]]:
        """All of it, then what was left behind."""
        works = [
            self.many,
            self.sweeps,
            self.modest,
            self.health,
            *[self.books] * BOOKS,
            *[self.bodies] * LARGE_CALLERS,
        ]
        threads = [threading.Thread(target=work) for work in (*works, *([self.disk] if full_disk else []))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        service = self.client("modest")
        for name in ("many", "sweeps"):
            for job in self.client(name).jobs("queued"):
                self.client(name).cancel(job["id"])
        ends = [service.wait(job)["state"] for job in self.accepted]
        files = len(list(Path(f"/proc/{self.server.process.pid}/fd").iterdir()))
        self.server.stop()
        figures = {
            name: f"{statistics.median(waits):.3f}, {sorted(waits)[int(0.99 * len(waits))]:.3f}, {max(waits):.3f}"
            for name, waits in self.waits.items()
            if waits
        }
        return [
            ("the others", ", ".join(f"{count} {said}" for said, count in sorted(self.answers.items()))),
            *((f"{name} of another tenant, s: median, 99 %, slowest", told) for name, told in figures.items()),
            ("its jobs: accepted, ended well", f"{len(ends)}, {ends.count('succeeded')}"),
            ("server's memory: early, late", f"{self.memory[len(self.memory) // 10]:.0f}, {self.memory[-1]:.0f} MiB"),
            ("open files at the end; files left half written", f"{files}; {len(list(self.folder.rglob('*.part')))}"),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--callers", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--crowd", action="store_true")
    parser.add_argument("--full-disk", action="store_true")
    parser.add_argument("--minutes", type=float, default=3.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if asked.crowd:
            rows = Crowd(place / "crowd", asked.minutes).run(full_disk=asked.full_disk)
        else:
            rows = [
                *loaded(place / "load", asked.jobs, asked.callers),
                *throughput(place / "throughput", 60 * asked.minutes),
                *killed(place / "kill", asked.kills),
            ]
    print("| | |\n|---|---|")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
