"""The reference of the command line, generated from the application: every verb with its arguments and options.

`python -m strategic_minerals.cli.reference_page` writes it into a checkout; a test compares it with the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer.main

from ..report.reference_pages import filled
from . import main  # noqa: F401  (registers every verb)
from .common import app
from .verbs import EVERYWHERE

PAGE = Path(__file__).with_name("README.md")


def verbs() -> str:
    """A section for every verb, in alphabetical order; verbs of a group follow it."""
    found = []
    for name, command in sorted(typer.main.get_command(app).commands.items()):  # type: ignore[attr-defined]
        parts = getattr(command, "commands", None)
        found.append(_section(name, command) if parts is None else f"### {name}\n\n{_said(command)}")
        found += [_section(f"{name} {part}", of) for part, of in sorted((parts or {}).items())]
    return "\n\n".join(found)


def _section(name: str, command: Any) -> str:
    """One verb: its usage, what it does, a table of its arguments and options."""
    parameters = [p for p in command.params if "--help" not in p.opts and p.name not in EVERYWHERE]
    arguments = [p for p in parameters if not _option(p)]
    words = " ".join(["strategic-minerals", name, *map(_word, arguments), "[options]"])
    kinds = get_type_hints(command.callback)
    rows = [f"| {_names(p)} | {_said(p)}{_choices(kinds.get(p.name))}{_default(p)} |" for p in parameters]
    table = "\n".join(["| | |", "|---|---|", *rows])
    return f"### {name}\n\n```text\n{words}\n```\n\n{_said(command)}\n\n{table}"


def _option(parameter: Any) -> bool:
    return str(parameter.opts[0]).startswith("-")


def _word(argument: Any) -> str:
    """An argument in the usage line: optional ones in brackets, repeated ones with dots."""
    word = f"{argument.name.upper()}{'...' if argument.nargs == -1 else ''}"
    return word if argument.required else f"[{word}]"


def _names(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in (parameter.opts if _option(parameter) else [_word(parameter)]))


def _said(of: Any) -> str:
    return " ".join((of.help or "").split()).replace("|", "\\|")


def _choices(kind: Any) -> str:
    """The values that an option accepts, if they are few."""
    return f" One of {', '.join(map(str, get_args(kind)))}." if get_origin(kind) is Literal else ""


def _default(parameter: Any) -> str:
    """The default, if there is one to show: not the result of a function, an empty text or an empty list."""
    value = parameter.default
    plain = isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    return f" Default: {value}." if plain and "efault" not in _said(parameter) else ""


def page() -> str:
    """The command line's README with the verbs generated from the code."""
    return filled(PAGE.read_text(encoding="utf-8"), "verbs", verbs())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
