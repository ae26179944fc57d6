"""Verbs for the tables themselves: brought up to date from a release, estimates written anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import Fault, InputError
from .common import app, plan_names, progress, standard_output

if TYPE_CHECKING:
    import pandas as pd

    from ..data.recipes import Stale
    from ..data.refreshing import Refreshed
    from ..data.renewal import Renewed
    from ..results.result import Result

MOST_CHANGES = 20
"""Changes of each kind that are printed."""


@app.command(solves=True)
def refresh(
    tables: Annotated[Path, typer.Argument(help="A folder of tables, with or without folders of homes.")],
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A downloaded file: a USGS data release (MCS2026_Commodities_Data.csv or later, or a folder of files of 2022 to "
            "2025), prices of the World Bank (Pink Sheet as CSV), or trade (BACI, UN Comtrade).",
        ),
    ] = None,
    edition: Annotated[
        str | None,
        typer.Option(
            help="Edition of a release whose checksum is not known yet, such as MCS2027; or the name of a price set."
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(help="A plan: solved before and after, and what moved in it is told.", autocompletion=plan_names),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Bring tables up to date: facts from a release, then the estimates that no longer follow from their facts. The tables as they
    were stay in a folder beside."""
    from ..data.refreshing import refresh as run_refresh
    from ..results.run_folder import refuse_inside

    if not tables.is_dir():
        raise InputError([Fault(str(tables), "", "", "not a folder", "a folder of tables (CSV)")])
    if edition is not None and from_ is None:
        raise InputError([Fault("--edition", "", "", f"'{edition}'", "a release beside it: --from FILE")])
    if plan is not None and dry_run:
        raise InputError(
            [Fault("--plan", "", "", "--dry-run beside it", "one of the two: a plan needs the tables written")]
        )
    refuse_inside(tables, "tables")
    before = None if plan is None else _solved(plan, tables)
    found = run_refresh(tables, from_, edition=edition, write=not dry_run)
    estimates = [_estimate(home, one) for home, one in found.estimates]
    moved = [] if before is None or plan is None or found.kept is None else _moved(plan, before, _solved(plan, tables))
    if as_json:
        told = {
            "revised": [vars(one) for one in found.revisions],
            "rows_added": found.added,
            "rows_gone": found.gone,
            "estimates": estimates,
            "cannot_be_worked_out": [
                {"home": home, "figure": _place_of(one), "why": one.why} for home, one in found.lost
            ],
            "left_out": found.left_out,
            "missing": found.missing,
            "sums": found.sums,
            "written": found.kept is not None,
            "kept": str(found.kept or ""),
            "plan": moved,
        }
        typer.echo(json.dumps(told, indent=1))
        return
    _print(found, estimates, tables, from_ is not None)
    for line in moved:
        standard_output().print(line, markup=False)


def _place_of(one: Stale) -> str:
    return f"{one.recipe.table}.csv {one.recipe.key} {one.recipe.column}"


def _solved(plan: str, tables: Path) -> Result:
    """A plan with the tables as they are."""
    from ..api.solving import solve_once
    from ..data.load import find_plan, load_question

    asked = load_question(find_plan(Path(plan)), tables)
    with progress():
        return solve_once(*asked)


def _estimate(home: str, one: Renewed) -> dict[str, Any]:
    recipe = one.recipe
    place = {"home": home, "table": recipe.table, "key": recipe.key, "column": recipe.column}
    return {**place, "was": one.was[1], "now": one.now[1], "recipe": str(recipe)}


def _moved(plan: str, before: Result, after: Result) -> list[str]:
    """What a plan's answer is with the tables of before and with those of now: both on the same draws."""
    from ..report.comparison import compare

    found = compare([before, after], ["before", "after"])
    lines = ["", f"WHAT MOVED in {plan} (before | after, the same draws):"]
    for title, table in found.parts()[1:]:
        lines += [f"{title}:" if len(table) else f"{title}: nothing", *(f"  {line}" for line in found.told(table))]
    return [*lines, *_behind(after, found.inputs)]


def _behind(result: Result, inputs: pd.DataFrame) -> list[str]:
    """Figures of the plan's own materials and producers that are not what they were."""
    from ..core.frames import rows_of
    from ..data.references import select_materials

    data = result.data
    materials = {*select_materials(result.plan, data)}
    makers = {row.producer for row in data.rows("yields") if row.material in materials}
    minerals = {row.mineral for row in data.rows("materials") if row.material in materials}
    used = materials | makers | minerals | {row.offer for row in data.rows("offers") if row.material in materials}
    told = []
    for row in rows_of(inputs):
        key, _, column = str(row.field).partition("[")[2].partition("].")
        if used & set(key.split("/")) and column not in ("source", "year", "note", "confidence"):
            told.append(f"  {row.field}: {row.before} -> {row.after}")
    more = [f"  ... and {len(told) - MOST_CHANGES:,} more"] if len(told) > MOST_CHANGES else []
    return ["Figures of its materials and producers that changed:", *told[:MOST_CHANGES], *more] if told else []


def _print(found: Refreshed, estimates: list[dict[str, Any]], tables: Path, released: bool) -> None:
    console = standard_output()

    def told(title: str, lines: list[str]) -> None:
        if lines:
            console.print(f"{title}:", markup=False)
        for line in lines[:MOST_CHANGES]:
            console.print(f"  {line}", markup=False)
        if len(lines) > MOST_CHANGES:
            console.print(f"  ... and {len(lines) - MOST_CHANGES:,} more (--json lists all)", markup=False)

    def number(value: float | None) -> str:
        return "empty" if value is None else f"{value:,g}"

    def place(home: str) -> str:
        return f"homes/{home}/" if home else ""

    def revised(of_output: bool) -> list[str]:
        return [
            f"{place(r.home)}{r.table}.csv {r.key} {r.column}: {number(r.was)} -> {number(r.now)}"
            for r in found.revisions
            if (r.table == "production") == of_output
        ]

    told("Published figures revised", revised(False))
    told("Output of years that the edition before printed otherwise", revised(True))
    told("Rows added", [f"{table}.csv {key}" for table, key in found.added])
    told("Rows gone", [f"{table}.csv {key}" for table, key in found.gone])
    told(
        "Estimates written anew",
        [
            f"{place(e['home'])}{e['table']}.csv {e['key']} {e['column']}: {number(e['was'])} -> {number(e['now'])}"
            for e in estimates
        ],
    )
    lost = [f"{place(home)}{_place_of(one)}: {one.why}" for home, one in found.lost]
    told("Cannot be worked out any more, and stand as they were", lost)
    told("Countries do not add up to the total that is printed", list(found.sums))
    told("The release does not have", list(found.missing))
    if found.left_out:
        console.print(
            f"Left out, as these are not the tables of the United States or of this edition: {'; '.join(found.left_out)}.",
            markup=False,
        )
    count = len(found.revisions) + len(found.added) + len(found.gone) + len(estimates)
    if found.kept is not None:
        said = f"Written: {tables}. The tables as they were: {found.kept}."
    elif count:
        said = "Nothing was written."
    elif released:
        said = "The tables are those of the release, and no estimate is to be written anew."
    else:
        said = "No estimate is to be written anew."
    console.print(said, markup=False)
