"""What all kinds of job share: the answer, the options of a request, a run folder that is written or read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .job_folder import Folder
from .progress import ProgressReporter

if TYPE_CHECKING:
    import pandas as pd

    from ..results.result import Result
    from ..results.study import Study

SHARE_OF_DEADLINE = 0.9
"""Share of the job's time limit for the solver; the rest is for writing the best plan."""
NO_OPTIONS = (
    *("kind", "label", "labels", "webhook", "of", "shipped", "plan", "plan_toml", "tables", "on_top_of_shipped", "set"),
    *("facts", "done", "happened", "changes"),
)
"""Fields of a request that say what it is about, or that are read elsewhere."""


@dataclass(frozen=True)
class Answer:
    """The answer of a job."""

    headline: str
    summary: str
    facts: dict[str, Any]
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Written below `out`; empty where a run folder holds the tables."""
    of_run: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables of the run folder that was written."""


def asked_of(request: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a request by name; a time limit leaves time to write the answer before the job's own."""
    from ..core.units import LEAST_TIME_LIMIT_S

    options = {name: value for name, value in request.items() if name not in NO_OPTIONS}
    if "time_limit_s" in options:
        most_s = max(LEAST_TIME_LIMIT_S, SHARE_OF_DEADLINE * float(limits.get("deadline_s", 1e9)))
        options["time_limit_s"] = min(options["time_limit_s"], most_s)
    return options


MOST_HEADLINE = 300
"""Letters of a headline."""


def headline_of(words: str) -> str:
    """The first sentence of a study's words; a title that ends with a colon together with what stands below it."""
    first, *rest = [line.strip().replace("`", "") for line in words.splitlines() if line.strip()] or [""]
    found = f"{first} {rest[0]}" if first.endswith(":") and rest else first
    return found if len(found) <= MOST_HEADLINE else f"{found[: MOST_HEADLINE - 4].rsplit(' ', 1)[0]} ..."


def told(found: Study) -> Answer:
    """What a study found, as a job's answer."""
    from ..core.frames import plainly

    words = found.summary()
    return Answer(headline_of(words), words, dict(plainly(found.facts)), found.tables)


def run_of(folder: Folder, place: int = 0) -> Result:
    """A solved plan that a job builds on. Raises InputError for a folder that is none."""
    from ..results.run_folder import load_result

    return load_result(folder.path / "of" / str(place))


def written_run(result: Result, folder: Folder, reporter: ProgressReporter, log: str) -> Mapping[str, pd.DataFrame]:
    """Write a plan's run folder; its tables."""
    from ..results.run_folder import write_run

    reporter.phase("writing")
    write_run(result, folder.path / "run", log=log)
    return result.tables
