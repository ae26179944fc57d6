"""How the service bears load, kills and long use: one command prints a table.

    python tests/benchmarks/service_load.py [--jobs 200] [--callers 20] [--kills 20]

A server of its own on loopback with two workers. First all jobs are submitted at once by all callers, while health is asked ten
times a second; then the server is killed at random moments and started again. Every answer stored is opened and audited.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from served import Server, token
from strategic_minerals import load_result
from strategic_minerals.service.client import Client, ServiceError
from strategic_minerals.service.databases import open_store

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
    while (ended := sum(store.counts()[state] for state in ("succeeded", "failed", "cancelled", "interrupted"))) < len(accepted):
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
        ("health meanwhile: median, 99 %, slowest", f"{1e3 * statistics.median(waits):.0f}, "
         f"{1e3 * statistics.quantiles(waits, n=100)[98]:.0f}, {1e3 * max(waits):.0f} ms"),
        (f"server's memory after {SETTLED} jobs and after {len(accepted)}", f"{early:.0f}, {memory[-1][1]:.0f} MiB "
         f"({memory[-1][1] / early - 1:+.1%})"),
    ]  # fmt: skip


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
    sound = sum(load_result(folder / "jobs" / job / "run").audit().passed for job in accepted if last[job] == "succeeded")
    interrupted = sum(state == "interrupted" for state in first.values())
    return [
        (f"{kills} kills at random moments: jobs accepted, interrupted and resumed, succeeded",
         f"{len(accepted)}, {interrupted}, {sum(state == 'succeeded' for state in last.values())}"),
        ("answers that open and pass the audit after the kills", f"{sound} of {len(accepted)}"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--callers", type=int, default=20)
    parser.add_argument("--kills", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = [*loaded(Path(place) / "load", asked.jobs, asked.callers), *killed(Path(place) / "kill", asked.kills)]
    print("| | |\n|---|---|")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
