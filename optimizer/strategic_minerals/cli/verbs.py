"""The application and what every verb of it takes: `-h`, `--quiet`, `--verbose`, and `--threads` where a model is solved."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ..core.runner import Runner
from .verbosity import tell

PROGRAM = "strategic-minerals"
"""The command that an installation brings."""
SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "context_settings": {"help_option_names": ["-h", "--help"]},
    "pretty_exceptions_enable": False,
}
"""Of the application and of each verb."""
MOST_THREADS = 1024

Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, help="Report on standard error what is done, with seconds; -vv: every round."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer alone, without progress or notes.")]
Threads = Annotated[
    int,
    typer.Option(
        min=0,
        max=MOST_THREADS,
        help="Threads of each process, for the scenarios of decomposed solves; 0: one per core.",
    ),
]


def program() -> str:
    """How this program was called, for commands that are shown to its user."""
    return f"python -m {__name__.partition('.')[0]}" if Path(sys.argv[0]).name == "__main__.py" else PROGRAM


class Verbs(typer.Typer):
    """An application whose verbs take, beside their own options, what all of them share."""

    def command(  # type: ignore[override]  # one option more, the rest as it is
        self, name: str | None = None, *, solves: bool = False, **settings: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a verb. solves: whether it takes `--threads`."""
        register = super().command(name, **settings)

        def registered(verb: Callable[..., Any]) -> Callable[..., Any]:
            register(_with_common(verb, solves))
            return verb

        return registered


def _with_common(verb: Callable[..., Any], solves: bool) -> Callable[..., Any]:
    """A verb with the options that all verbs share, which are taken from it before it is called."""
    hints = get_type_hints(verb, include_extras=True)
    own = inspect.signature(verb).parameters
    added: dict[str, tuple[Any, Any]] = {"verbose": (Verbose, 0), "quiet": (Quiet, False)}
    if solves:
        added["threads"] = (Threads, 0)

    def called(typer_context: typer.Context, **given: Any) -> Any:
        shared = {name: given.pop(name) for name in added}
        if shared["verbose"] or shared["quiet"]:
            tell(typer_context, verbose=shared["verbose"], quiet=shared["quiet"])
        with Runner(threads=shared.get("threads", 0)).started():
            return verb(**given)

    context = inspect.Parameter("typer_context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in added.items()
    ]
    parameters = [one.replace(kind=one.KEYWORD_ONLY, annotation=hints[name]) for name, one in own.items()]
    functools.update_wrapper(called, verb, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    del called.__dict__["__wrapped__"]
    called.__dict__["__signature__"] = inspect.Signature([context, *parameters, *more])
    called.__annotations__ = {
        "typer_context": typer.Context,
        **hints,
        **{name: kind for name, (kind, _) in added.items()},
    }
    return called
