"""Every part of an installed package a little, in the current folder: python parts.py.

Raises where a command ends otherwise than it should, or a part gives no answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("strategic-minerals"))
PATIENCE_S = 300.0
STUDY = """
kind = "sobol"
relax = true
samples = 4
[ranges]
discount_rate = [0.02, 0.05]
"scenarios.0.probability" = [0.05, 0.2]
"""


def run(*arguments: str, code: int = 0, **settings: str) -> str:
    """What a command prints. Raises where it ends with another code."""
    found = subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **settings}
    )
    if found.returncode != code:
        raise SystemExit(f"{' '.join(arguments)} ended with {found.returncode}\n{found.stdout}\n{found.stderr}")
    return found.stdout


def core() -> None:
    """The quickstart, solved, solved again from its folder, and checked."""
    assert "solve" in run("--help")
    assert json.loads(run("solve", "quickstart", "--json", "--out", "run"))["audit_passed"]
    assert "verified" in run("verify", "run")
    run("check", "quickstart")


def report() -> None:
    """The page."""
    run("report", "run", "-o", "report.html")
    assert Path("report.html").stat().st_size > 500_000


def excel() -> None:
    """A workbook that is written, read and solved."""
    run("init", "book", "--excel")
    run("solve", "book", "--gap", "0.05")


def sensitivity() -> None:
    """Sobol."""
    Path("sobol.toml").write_text(STUDY, encoding="utf-8")
    run("sweep", "quickstart", "sobol.toml", "--out", "sobol")
    assert Path("sobol", "indices.csv").is_file()


def cluster() -> None:
    """A stress test on a worker of a cluster."""
    import distributed

    from strategic_minerals import Result, Runner, stress_test

    result = Result.load("run")
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as here,
        distributed.Client(here) as client,
    ):
        there = stress_test(result, scenarios=20, seed=1, run=Runner(executor=client.get_executor()))
    assert there.tables["figures"].equals(stress_test(result, scenarios=20, seed=1).tables["figures"])


def service() -> None:
    """A server that takes a job, an upload, and shows its page."""
    from strategic_minerals import shipped
    from strategic_minerals.service.client import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    create = (COMMAND, "token", "create", "one", "--scope", "admin", "--folder", "store")
    made = subprocess.run(create, check=True, capture_output=True)
    token = made.stdout.decode().strip()
    server = subprocess.Popen([COMMAND, "serve", "--folder", "store", "--port", str(port)])
    try:
        await_port(port)
        caller = Client(address, token)
        job = caller.submit("solve", shipped="quickstart", gap=0.05)
        assert caller.wait(job)["state"] == "succeeded"
        assert caller.result(job, "budget")["included"]["budget"]
        pages = ("/", "/edit?shipped=quickstart", "/docs", f"/jobs/{job}", f"/v1/jobs/{job}/report")
        for path in (*pages, "/metrics", "/v1/openapi.json"):
            request = urllib.request.Request(address + path, headers={"Authorization": f"Bearer {token}"})
            assert urllib.request.urlopen(request).status == 200, path
        assert caller.wait(caller.upload(shipped("models") / "quickstart.toml", quick=True))["state"] == "succeeded"
        assert len(caller.table(job, "budget"))
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def await_port(port: int) -> None:
    """Until somebody answers there."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the server does not answer")


def postgres() -> None:
    """A driver that is there; a database that is not is a fault and no traceback."""
    import psycopg

    assert psycopg.connect
    run("token", "list", code=7, STRATEGIC_MINERALS_DATABASE="postgresql://nobody@127.0.0.1:1/none")


if __name__ == "__main__":
    for part in (core, report, excel, sensitivity, cluster, service, postgres):
        part()
