"""Check the installation: versions, the solver self-test, write access, optional parts."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..answer.prices import versions
from ..core.errors import ReserveError, shipped
from ..solver.highs import canary

EXTRAS = {
    "arrays": ("xarray",),
    "cluster": ("distributed",),
    "sensitivity": ("SALib",),
    "report": ("jinja2", "altair", "vl_convert"),
    "excel": ("xlsxwriter", "python_calamine"),
    "parquet": ("pyarrow",),
    "service": ("fastapi", "uvicorn", "multipart", "pydantic_settings", "prometheus_client"),
    "postgres": ("psycopg",),
}
"""Modules that each optional part (extra) needs."""
LOWEST_PYTHON = (3, 11)
REFUSED_HIGHS = "1.14."
"""Releases of HiGHS that solve certain two-variable programs wrongly (HiGHS issues 2957, 3043)."""


@dataclass(frozen=True)
class Finding:
    """One check and its result."""

    check: str
    fine: bool
    needed: bool
    """False: the package works even if this check fails."""
    found: str


def examine(folder: Path | None = None) -> list[Finding]:
    """Run all checks. folder: where results would be written; None: the current folder."""
    stated = versions()
    found = [
        Finding("python", sys.version_info >= LOWEST_PYTHON, True, stated["python"]),
        Finding("HiGHS release", not stated["highs"].startswith(REFUSED_HIGHS), True, stated["highs"]),
        _solver(),
        _shipped(),
        _writable(Path.cwd() if folder is None else folder),
        _writable(Path(tempfile.gettempdir())),
    ]
    found += [
        Finding(
            f"library {name}", number != "not installed", name != "strategic-minerals", number
        )  # the package may run from its source
        for name, number in stated.items()
        if name not in ("python", "highs")
    ]
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        text = (
            f"not installed: {', '.join(missing)}. Install with: pip install 'strategic-minerals[{extra}]'"
            if missing
            else "installed"
        )
        found.append(Finding(f"optional part {extra}", not missing, False, text))
    return found


def _solver() -> Finding:
    try:
        canary()
    except ReserveError as error:
        return Finding("solver self-test", False, True, str(error))
    return Finding("solver self-test", True, True, "two mixed-integer programs answered correctly")


def _shipped() -> Finding:
    plans = sorted(path.stem for path in shipped("models").glob("*.toml"))
    tables = len({file.stem for file in shipped("inputs").rglob("*.csv")})
    return Finding("shipped plans and tables", bool(plans and tables), True, f"{', '.join(plans)}; {tables} tables")


def _writable(folder: Path) -> Finding:
    """Whether a file can be written and read back."""
    try:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            file = Path(place) / "file"
            with file.open("wb") as opened:
                opened.write(b"reserve")
                opened.flush()
                os.fsync(opened.fileno())
            fine = file.read_bytes() == b"reserve"
    except OSError as error:
        return Finding(f"write access to {folder}", False, True, error.strerror or "cannot be written")
    return Finding(f"write access to {folder}", fine, True, "works")
