"""The container's files: what they install, set and run exists, and their commands do what they are there for."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from conftest import ENTRY, environment, until
from service.test_service_stores import needs_postgres, postgres  # noqa: F401  (a server of our own)
from strategic_minerals.cli.main import app
from strategic_minerals.service.settings import Settings
from support.served import Server

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".github" / "container"
PREFIX = "STRATEGIC_MINERALS_"


def steps() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, with lines that continue joined and comments left out."""
    text = (PLACE / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


def last(instruction: str) -> str:
    return [rest for word, rest in steps() if word == instruction][-1]


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((PLACE / "compose.yaml").read_text(encoding="utf-8")))


def health() -> list[str]:
    """The command that says whether the container is well."""
    return list(json.loads(last("HEALTHCHECK").partition("CMD ")[2]))


def test_the_image_is_built_from_what_a_checkout_has() -> None:
    """Proves: files that are copied are there and let in by the ignore file, extras that are installed are declared, and every
    instruction is one that there is."""
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert {word for word, _ in steps()} == known
    allowed = (PLACE / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    for word, rest in steps():
        if word == "COPY" and not rest.startswith("--from"):
            for name in rest.split()[:-1]:
                assert (ROOT / name).exists(), name
                assert f"!{name}" in allowed
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    hook = stated["tool"]["hatch"]["metadata"]["hooks"]["custom"]["path"]
    assert hook in {name for word, rest in steps() if word == "COPY" for name in rest.split()}
    project = stated["project"]
    extras = {name for _, rest in steps() for found in re.findall(r"\[([a-z,]+)\]", rest) for name in found.split(",")}
    assert {"service", "postgres"} <= extras
    assert extras - {"python"} <= set(project["optional-dependencies"]) | {"CMD"}
    assert project["scripts"]["strategic-minerals"]


def test_the_image_runs_a_command_that_there_is_as_nobody_of_rank() -> None:
    """Proves: its command is a verb of the program, its variables are settings, it does not run as root, and its port is the one
    that is published on this machine alone."""
    order = [word for word, _ in steps()]
    assert last("USER") not in ("root", "0")
    assert order.index("USER") < order.index("CMD")
    program, verb, *options = json.loads(last("CMD"))
    assert program == "strategic-minerals"
    assert verb in typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert not options
    given = dict(pair.split("=", 1) for pair in shlex.split(last("ENV")))
    names = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
    assert set(names) <= set(Settings.model_fields)
    assert Settings(**names).port == int(last("EXPOSE"))  # type: ignore[arg-type]
    assert names["folder"] == last("VOLUME")
    (port,) = compose()["services"]["planner"]["ports"]
    assert port == f"127.0.0.1:{last('EXPOSE')}:{last('EXPOSE')}"


def test_compose_waits_for_its_database_and_keeps_what_matters() -> None:
    """Proves: the build finds its files, the service starts when the database is well, both keep their data in volumes, the
    password comes from outside, and the commands of the head exist."""
    found = compose()
    planner, database = found["services"]["planner"], found["services"]["database"]
    context = (PLACE / planner["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / planner["build"]["dockerfile"]).is_file()
    assert planner["depends_on"]["database"]["condition"] == "service_healthy"
    assert database["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    kept = {volume.partition(":")[0] for one in (planner, database) for volume in one["volumes"]}
    assert kept == set(found["volumes"])
    assert f"jobs:{last('VOLUME')}" in planner["volumes"]
    for value in (database["environment"]["POSTGRES_PASSWORD"], *planner["environment"].values()):
        assert "${POSTGRES_PASSWORD:?" in value
    assert {name.removeprefix(PREFIX).lower() for name in planner["environment"]} <= set(Settings.model_fields)
    assert planner["read_only"]
    assert planner["cap_drop"] == ["ALL"]
    user, name = (database["environment"][f"POSTGRES_{word}"] for word in ("USER", "DB"))
    address = planner["environment"][f"{PREFIX}DATABASE"]
    assert address.startswith(f"postgresql://{user}:")
    assert address.endswith(f"@database/{name}")


@needs_postgres
@pytest.mark.parametrize("shared", [False, True])
def test_the_commands_of_the_container_do_what_they_are_there_for(
    shared: bool,
    postgres: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Proves: a token is made and the service starts as in the container, with SQLite and with PostgreSQL; the health check passes
    while it runs, and fails when it has gone."""
    names = {"database": postgres} if shared else {}
    given = {**environment(), f"{PREFIX}FOLDER": str(tmp_path / "data")}
    given |= {f"{PREFIX}{name.upper()}": value for name, value in names.items()}
    made = subprocess.run(
        [sys.executable, "-c", ENTRY, "token", "create", "my-office"],
        env=given,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.startswith("sm_")
    server = Server(tmp_path / "data", **names).ready()
    program, *arguments = health()
    assert program == "python"

    def well() -> bool:
        port = {f"{PREFIX}PORT": str(server.port)}
        done = subprocess.run(
            [sys.executable, *arguments], env={**environment(), **port}, capture_output=True, check=False
        )
        return done.returncode == 0

    until(well)
    server.stop()
    assert not well()
