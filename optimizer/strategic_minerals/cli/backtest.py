"""The verb that plays a past episode."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import Fault, InputError
from .common import COMMAND_LINE, Json, Workers, app, cores, counting, show


@app.command(solves=False)  # a process a plan, of one thread
def backtest(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder with the files of an episode, or the name of a shipped one such as backtest-2022."),
    ],
    workers: Workers = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Keep settings, plans, log, scores and tables in this folder; a second run into it is labelled `after looking`."
        ),
    ] = None,
    as_json: Json = False,
    set_: Annotated[
        list[str],
        typer.Option(
            "--set", help="State a setting otherwise, e.g. budgets_musd=[100] or sampling.seed=2; may be repeated."
        ),
    ] = [],  # noqa: B006
) -> None:
    """Play a past episode: plans made with what was known on each day, rivals, and scores against what happened."""
    from ..backtesting.run import backtest as play

    with counting("plans") as told:
        found = play(_shipped(folder), out=out, changes=_stated(set_), workers=cores(workers), on_progress=told)
    show(found, None, as_json)


def _shipped(folder: Path) -> Path:
    """A folder as it is named, else the shipped one of that name."""
    from ..core.shipped import shipped

    inside = shipped("models") / folder
    return inside if not folder.exists() and inside.is_dir() else folder


def _stated(pairs: list[str]) -> dict[str, Any]:
    """Settings by field, from lines such as `sampling.seed=2`. Raises InputError for one that is none."""
    try:
        return tomllib.loads("\n".join(pairs))
    except tomllib.TOMLDecodeError as error:
        expected = "FIELD=VALUE as in backtest.toml, each field once"
        raise InputError([Fault(COMMAND_LINE, "", "--set", f"{pairs[0]!r}: {error}", expected)]) from None
