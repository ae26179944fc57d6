"""The verb that writes plans and tables of earlier formats anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import Fault, InputError
from .common import Json, app, standard_output


@app.command()
def migrate(
    path: Annotated[
        Path,
        typer.Argument(help="A plan file, a workbook, a folder of tables, or a folder with a plan and its tables."),
    ],
    out: Annotated[Path, typer.Option(help="New file or folder to write; the old one stays as it is.")],
    as_json: Json = False,
) -> None:
    """Write a plan or tables of an earlier format anew in the present one; what is current is left alone."""
    from ..data.migration import migrate as lift
    from ..results.run_folder import is_run_folder, refuse_inside
    from ..schemas.formats import PLAN_FORMAT, TABLES_FORMAT

    if is_run_folder(path):
        expected = (
            "a plan or tables: a run folder has a version of its own, and is solved again from its plan.json and tables"
        )
        raise InputError([Fault(str(path), "", "", "a run folder", expected)])
    refuse_inside(out, "--out")
    found = lift(path, out)
    if as_json:
        told = {"changes": list(found.changes), "lost": list(found.lost), "wrote": [str(out)] if found.changes else []}
        typer.echo(json.dumps({"formats": {"plan": PLAN_FORMAT, "tables": TABLES_FORMAT}, **told}, indent=1))
        return
    console = standard_output()
    if not found.changes:
        console.print(
            f"{path} is in the present format (plans {PLAN_FORMAT}, tables {TABLES_FORMAT}): nothing was written."
        )
        return
    for line in (*found.changes, *found.lost):
        console.print(line)
    console.print(f"Wrote {out}; {path} is as it was.")
