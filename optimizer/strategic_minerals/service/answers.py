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
    study: str = ""
    """What `study.json` says of the tables; empty where they are no study."""


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
    return Answer(headline_of(words), words, dict(plainly(found.facts)), found.tables, study=found.stated())


def run_of(folder: Folder, place: int = 0) -> Result:
    """A solved plan that a job builds on. Raises InputError for a folder that is none."""
    from ..results.run_folder import load_result

    return load_result(folder.path / "of" / str(place))


def labels_of(request: Mapping[str, Any]) -> list[str] | None:
    """What the solved plans that a job builds on are called; None: it builds on none."""
    found: list[str] | None = request.get("labels")
    return found


def written_run(result: Result, folder: Folder, reporter: ProgressReporter, log: str) -> Mapping[str, pd.DataFrame]:
    """Write a plan's run folder; its tables."""
    from ..results.run_folder import write_run

    reporter.phase("writing")
    write_run(result, folder.path / "run", log=log)
    return result.tables
