"""Verbs that show results and the installation: report, compare, doctor."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError
from .common import (
    EXIT_INPUT,
    EXIT_UNTRUSTED,
    app,
    refuse_inside_runs,
    refuse_others,
    standard_output,
)


@app.command()
def report(
    directories: Annotated[
        list[Path], typer.Argument(help="Run folders; the report shows the first and compares the others with it.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write. Default: report.html, report.md and so on.")
    ] = None,
    form: Annotated[
        Literal["html", "md", "xlsx", "parquet"],
        typer.Option(
            "--format",
            help="html: one page; md: its text; xlsx: a workbook of all tables; parquet: a folder of Parquet files.",
        ),
    ] = "html",
    figures: Annotated[
        Path | None, typer.Option(help="Also write each figure as a file of its own into this folder.")
    ] = None,
    image: Annotated[
        Literal["svg", "png", "html", "json"],
        typer.Option(help="Format of these files; html: pages that one can hover over; json: Vega-Lite."),
    ] = "svg",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a self-contained report of a result: what to do, what it protects, what it is based on; or compare several."""
    from ..data.workbook_limits import is_plan_workbook
    from ..report.page import markdown, read_analyses, save_figures
    from ..report.page import report as page
    from ..results.run_folder import load_result

    results = [load_result(directory) for directory in directories]
    if form in ("xlsx", "parquet") and (len(results) > 1 or figures is not None):
        found = f"{len(results)} run folders" if len(results) > 1 else "--figures"
        raise InputError(
            [Fault("report", "", "--format", found, f"one run folder, without --figures, for the format {form}")]
        )
    target = Path("tables" if form == "parquet" else f"report.{form}") if out is None else out
    ending = target.suffix.lower().removeprefix(".")
    if form != "parquet" and (ending not in ("", form) or (ending == "" and target.is_file())):
        also = f", or --format {ending}" if ending in ("html", "md", "xlsx") else ""
        found = f"a name that ends in .{ending}" if ending else "a file of another kind"
        raise InputError([Fault(str(target), "", "--out", found, f"a name that ends in .{form}{also}")])
    if form == "xlsx" and target.is_file() and is_plan_workbook(target):
        raise InputError(
            [Fault(str(target), "", "--out", "a workbook with a plan in it", "a new name, or an earlier report")]
        )
    for place in (target, *([] if figures is None else [figures / "figure"])):
        refuse_inside_runs(place, "--out")
    refuse_others(figures, f".{image}", "--figures")
    if form == "parquet":
        from ..results.exports import write_parquet

        refuse_others(target, ".parquet", "--out")
        _wrote(write_parquet(results[0], target), as_json)
        return
    if target.is_dir():
        raise InputError([Fault(str(target), "", "--out", "a folder", "a file name, e.g. report.html")])
    if form == "xlsx":
        from ..results.exports import write_results

        target.parent.mkdir(parents=True, exist_ok=True)
        write_results(results[0], target)
        _wrote([target], as_json)
        return
    names = [directory.resolve().name for directory in directories]
    analyses = read_analyses(directories[0])
    text = (markdown if form == "md" else page)(results, names=names, analyses=analyses)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, [text])
    drawn = [] if figures is None else save_figures(results, figures, image, names=names, analyses=analyses)
    _wrote([target, *drawn], as_json)


def _size(count: int) -> str:
    """Bytes in a unit that reads well."""
    return f"{count / 1e6:,.2g} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _wrote(files: list[Path], as_json: bool) -> None:
    """Print what was written."""
    if as_json:
        typer.echo(json.dumps({"wrote": [str(file) for file in files]}, indent=1))
        return
    console = standard_output()
    for folder, inside in groupby(files, key=lambda file: file.parent):
        first, *others = inside
        size = _size(first.stat().st_size)
        console.print(
            f"Wrote {len(others) + 1} files into {folder}." if others else f"Wrote {first} ({size}).", markup=False
        )


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Check the installation: versions, the solver self-test, write access, optional parts."""
    from .doctor import examine

    found = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        console = standard_output()
        for finding in found:
            mark = "ok  " if finding.fine else "FAIL" if finding.needed else "-   "
            console.print(f"{mark} {finding.check}: {finding.found}", markup=False)
    wrong = [finding.check for finding in found if finding.needed and not finding.fine]
    if wrong:  # a faulty installation cannot be trusted; a folder without write access is for the user to change
        raise typer.Exit(EXIT_INPUT if all(check.startswith("write access to") for check in wrong) else EXIT_UNTRUSTED)
