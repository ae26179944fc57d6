"""The container's files: what they set exists, and nothing is open that need not be. `.ci/container.py` builds and runs them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from strategic_minerals.service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".github" / "container"
PREFIX = "STRATEGIC_MINERALS_"


def last(instruction: str) -> str:
    """What the Dockerfile says at last of something, in lines that may continue."""
    text = re.sub(r"\\\n\s*", " ", (PLACE / "Dockerfile").read_text(encoding="utf-8"))
    return str(re.findall(rf"^{instruction} +(.+)$", text, re.MULTILINE)[-1])


def test_the_image_runs_as_nobody_of_rank_with_settings_that_there_are() -> None:
    """Proves: it does not run as root, its variables are settings, its port and folder are those that it states."""
    assert last("USER") not in ("root", "0")
    given = dict(pair.split("=", 1) for pair in shlex.split(last("ENV")))
    names = {name.removeprefix(PREFIX).lower(): value for name, value in given.items()}
    assert set(names) <= set(Settings.model_fields)
    assert Settings(**names).port == int(last("EXPOSE"))  # type: ignore[arg-type]
    assert names["folder"] == last("VOLUME")


def test_compose_waits_for_its_database_and_keeps_what_matters() -> None:
    """Proves: the service starts when the database is well, both keep their data in volumes, the password comes from outside, and
    the port is published on this machine alone."""
    found: dict[str, Any] = yaml.safe_load((PLACE / "compose.yaml").read_text(encoding="utf-8"))
    planner, database = found["services"]["planner"], found["services"]["database"]
    assert (PLACE / planner["build"]["context"]).resolve() == ROOT
    assert (ROOT / planner["build"]["dockerfile"]).is_file()
    assert planner["depends_on"]["database"]["condition"] == "service_healthy"
    assert {one.partition(":")[0] for one in planner["volumes"] + database["volumes"]} == set(found["volumes"])
    assert f"jobs:{last('VOLUME')}" in planner["volumes"]
    for value in (database["environment"]["POSTGRES_PASSWORD"], *planner["environment"].values()):
        assert "${POSTGRES_PASSWORD:?" in value
    assert planner["ports"] == [f"127.0.0.1:{last('EXPOSE')}:{last('EXPOSE')}"]
    assert (planner["read_only"], planner["cap_drop"]) == (True, ["ALL"])
    user, name = (database["environment"][f"POSTGRES_{word}"] for word in ("USER", "DB"))
    assert re.fullmatch(f"postgresql://{user}:.+@database/{name}", planner["environment"][f"{PREFIX}DATABASE"])
