"""Plan a strategic mineral reserve: stockpiles, friend-shored sources and price floors, decided together.

The public names load on first use, so that importing the package stays quick."""

import ast
import logging
import sys
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from typing import Any

if not __debug__:
    sys.stderr.write(
        "strategic-minerals does not run under python -O, -OO or PYTHONOPTIMIZE, which take its own checks away.\n"
    )
    raise SystemExit(2)

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent unless whoever calls listens

_HOMES = {
    one.name: f".{line.module}"
    for line in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(line, ast.ImportFrom)
    for one in line.names
}
"""Public name -> the module that defines it."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(import_module(_HOMES[name], __name__), name)
        if isfunction(found) and not hasattr(found, "__wrapped__"):  # a verb checks by itself what it is given
            found = globals()[name] = import_module(".core.verb", __name__).verb(found)
            found.__module__ = __name__  # where other processes find it
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
