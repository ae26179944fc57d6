"""The figures of a result or of a study as Altair charts, for scripts and notebooks, and the page as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.atomic_files import write_whole
from ..results.result import Result
from ..results.study import Study, tables_of
from .charts import figures
from .comparison import opened
from .page import read_analyses, report
from .study_figures import study_figures
from .subject import Subject


def charts(of: Result | Study) -> dict[str, Any]:
    """The report's figures as Altair charts, by name, in the order of the page; those with nothing to show are left out.

    of: a result (losses, timeline, stocks, supply-mix, value-chain, budget, liability) or a study (beside-rules-of-thumb of
    `value_of_planning`; ministries of `compare_rules`; policies of `simulate`; frontier; tornado of a one-at-a-time sweep;
    indices of a sweep by Morris or Sobol; what-items-bring of `explain`; stress-losses; origins; homes of `coalitions`;
    side-by-side of `compare`; where-it-fails-1 and further boxes, and path-of-the-search, of `discover`; others have none).

    Raises InputError where the extra `report` is not installed.
    """
    found = figures(of) if isinstance(of, Result) else study_figures(tables_of([of]), Subject.of(of))
    return {figure.name: figure.titled for figure in found}


def write_report(
    results: Result | Path | str | Sequence[Result | Path | str],
    path: Path | str,
    *,
    names: Sequence[str] | None = None,
    studies: Sequence[Study] = (),
) -> Path:
    """Write the report as one HTML file that fetches nothing from the network; gives its path.

    results: one, or several of which the first is shown and compared with the others; each as it was solved, or the run folder that
    holds it. path: the file, written whole or not at all. names: what several results are called; None: their plans' names.
    studies: shown beside the result, with those of its run folder where it was given as one.

    Raises InputError for a folder that is no run and where the extra `report` is not installed, ValueError without a result.
    """
    several = [results] if isinstance(results, Result | Path | str) else list(results)
    first = several[0] if several else None
    stored = {} if first is None or isinstance(first, Result) else read_analyses(Path(first))
    text = report(opened(several), names=names, analyses={**stored, **tables_of(studies)})
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, [text])
    return target
