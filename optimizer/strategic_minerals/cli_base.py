"""What all verbs share: the application, its options, finding and loading plans and tables, a line of progress."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import Fault, FaultsError, PlanError

if TYPE_CHECKING:
    from rich.console import Console

    from .dataset import Dataset
    from .optimize import Progress
    from .plan import Plan

app = typer.Typer(
    name="strategic-minerals", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False,
    help="Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together.",
)  # fmt: skip

Tables = Annotated[Path | None, typer.Option("--tables", help="Folder of tables (CSV). Default: the folder `tables` or `inputs` "
                                                              "beside the plan, else the shipped ones.")]  # fmt: skip
PlanFile = Annotated[Path, typer.Argument(help="Plan file (TOML), or the name of a shipped plan such as rare-earths.")]


def standard_output() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def find_plan(path: Path) -> Path:
    from .library import shipped

    named = shipped("models") / f"{path.name.removesuffix('.toml')}.toml"
    return named if not path.is_file() and len(path.parts) == 1 and named.is_file() else path


def find_tables(plan: Path, tables: Path | None) -> Path:
    from .library import shipped

    if tables is not None:
        return tables
    for name in ("tables", "inputs"):
        if (plan.parent / name).is_dir():
            return plan.parent / name
    return shipped("inputs")


def load(plan: Path, tables: Path | None, pairs: list[str]) -> tuple[Path, Plan, Dataset]:
    """Plan and tables, the faults of both at once."""
    from .dataset import load_dataset
    from .plan_file import load_plan

    path = find_plan(plan)
    faults: list[Fault] = []
    loaded, data = None, None
    try:
        loaded = load_plan(path, overrides(pairs))
    except FaultsError as error:
        faults += error.faults
    try:
        data = load_dataset(find_tables(path, tables))
    except FaultsError as error:
        faults += error.faults
    if loaded is None or data is None:
        raise PlanError(faults)
    return path, loaded, data


def overrides(pairs: list[str]) -> dict[str, Any]:
    """`key=value` texts; values are read as TOML, and as plain text where they are not."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise PlanError([Fault("--set", "", pair, "no '='", "key=value, e.g. budget.total_musd=500")])
        try:
            found[key.strip()] = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = value.strip()
    return found


@contextmanager
def progress(log: list[str]) -> Iterator[Any]:
    """A line of progress on a terminal, silence elsewhere; what changes goes to the log of the run."""
    last: list[Any] = [None]

    def note(progress: Progress) -> None:
        known = (progress.phase, progress.incumbent)
        if known != last[0]:
            last[0] = known
            log.append(words(progress))

    if not sys.stderr.isatty():
        yield note
        return
    from rich.console import Console

    with Console(stderr=True).status("building the model") as status:

        def show(progress: Progress) -> None:
            note(progress)
            status.update(words(progress))

        yield show


def words(progress: Progress) -> str:
    parts = [f"{progress.phase.replace('_', ' ')}, {progress.seconds:.0f} s"]
    if progress.incumbent is not None:
        parts.append(f"best plan {progress.incumbent:,.0f} M")
    if progress.bound is not None:
        parts.append(f"bound {progress.bound:,.0f} M")
    if progress.gap is not None and progress.gap < 10:
        parts.append(f"gap {progress.gap:.2%}")
    return ", ".join(parts)


@contextmanager
def counting(what: str) -> Iterator[Any]:
    """A line that counts parts done on a terminal, silence elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield lambda done, of: status.update(f"{what}: {done} of {of} parts")
