"""Verbs of the planning service, serve and token; and faults of all verbs in print."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..core.errors import (
    EXIT_INPUT,
    EXIT_START,
    EXIT_STORE,
    OVERRIDES,
    Fault,
    FaultsError,
    InputError,
    expected,
    legible,
    missing_part,
    shown,
)
from .common import COMMAND_LINE, app, log_level, standard_error, standard_output

if TYPE_CHECKING:
    from rich.console import Console

    from ..service.settings import Settings
    from ..service.store import Store


Folder = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the jobs' files and the database. Default: STRATEGIC_MINERALS_FOLDER, else `service`."
    ),
]

BACKLOG, MOST_AT_ONCE, MOST_HEADER_BYTES = 128, 1000, 32 * 1024
"""Connections that may wait to be accepted, and that are accepted in one go; requests and connections at once; bytes of a header.
How long a client may take, and how many connections one address may hold, is the proxy's to limit."""

token = typer.Typer(no_args_is_help=True, help="Create, list and revoke access tokens of the service.")
app.add_typer(token, name="token")


@app.command()
def serve(
    folder: Folder = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on. Default: STRATEGIC_MINERALS_PORT, else 8000."),
    ] = None,
) -> None:
    """Run the planning service: an HTTP API and web pages. All other settings are environment variables (see the README)."""
    with _starting():
        settings = _settings(folder=folder, port=port)
        from ..service.job_folder import server_log

        with server_log(log_level()):
            _serve(settings)


def _serve(settings: Settings) -> None:
    """Serve until stopped. Raises InputError, OSError and StoreError if the service cannot start."""
    import uvicorn

    from ..service.app import create_app
    from ..service.dispatcher import lock_folder
    from ..service.job_folder import own_alone

    own_alone(settings.folder)
    if settings.database is None:  # a folder in use by another server is reported before anything is opened or started
        lock_folder(settings.folder).release()
    tokens = _with_store(settings, lambda store: store.tokens())
    if not any(known.holds(time.time()) for known in tokens):
        expected = "one: strategic-minerals token create OFFICE"
        raise InputError([Fault("serve", "", "tokens", "none", expected)])
    most = _descriptors()
    _listening(settings).close()  # a port in use is reported before anything is started
    served = create_app(settings)
    config = uvicorn.Config(
        served,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=5,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=BACKLOG,
        limit_concurrency=max(8, most // 2),
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        ws="none",
        http="h11",
    )
    try:
        served.state.works.start(served)
        with _listening(settings) as listener:  # from here on the service answers
            where = f"http://{settings.host}:{listener.getsockname()[1]}"
            public = settings.public_url or where
            text = f"Serving {where} from {settings.folder}; the API is at {public}/docs. Ctrl-C stops."
            with suppress(OSError):  # even if the disk of the log is full
                standard_output().print(text, markup=False)
            uvicorn.Server(config).run([listener])
    finally:
        served.state.works.stop()


def _descriptors() -> int:
    """Have as many file descriptors as the system allows; how many."""
    try:
        import resource
    except ImportError:  # Windows
        return 2 * MOST_AT_ONCE
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MOST_AT_ONCE if most == resource.RLIM_INFINITY else min(most, 4 * MOST_AT_ONCE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 2 * MOST_AT_ONCE)


def _listening(settings: Settings) -> socket.socket:
    """A listening socket. Raises InputError if the address is not available."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        found_there = f"{settings.host}:{settings.port}: {error.strerror or error}"
        expected = "an address of this machine and a free port"
        raise InputError([Fault("serve", "", "port", found_there, expected)]) from None


@contextmanager
def _starting() -> Iterator[None]:
    """End the program with its own exit code and no traceback if the service or its store cannot work."""
    from ..service.records import StoreError

    try:
        yield
    except FaultsError as error:
        _leave(str(error), EXIT_START)
    except StoreError as error:
        _leave(f"The store cannot be used: {error}", EXIT_STORE)
    except OSError as error:
        _leave(f"{error.filename or 'serve'}: {error.strerror or error}", EXIT_START)


def _leave(text: str, code: int) -> NoReturn:
    """Print the reason and end with an exit code, even if the reason cannot be printed."""
    try:
        standard_error().print(text)
        sys.stderr.flush()
    except OSError:
        os._exit(code)
    raise typer.Exit(code) from None


@token.command("create")
def token_create(
    tenant: Annotated[str, typer.Argument(help="The tenant whose jobs the token can see: an office, a system.")],
    scope: Annotated[list[str], typer.Option(help="read, submit or admin; may be repeated.")] = ["read", "submit"],  # noqa: B006
    note: Annotated[str, typer.Option(help="Note on who uses the token.")] = "",
    days: Annotated[float, typer.Option(min=0.01, max=3650, help="Days until it expires.")] = 365,
    folder: Folder = None,
) -> None:
    """Create a token and print it once; only its hash is stored."""
    from ..service.auth import new_token
    from ..service.records import SCOPES

    if wrong := [name for name in scope if name not in SCOPES]:
        raise InputError([Fault("token", "", "scope", wrong[0], ", ".join(SCOPES))])
    if not tenant.isprintable() or not 1 <= len(tenant) <= 100:
        raise InputError([Fault("token", "", "tenant", repr(tenant), "a name of 1 to 100 printable characters")])
    text, kept, digest = new_token(tenant, tuple(known for known in SCOPES if known in scope), note, days)
    with _starting():
        _with_store(_settings(folder=folder), lambda store: store.keep_token(kept, digest))
    typer.echo(text)


@token.command("list")
def token_list(folder: Folder = None) -> None:
    """List the names of tokens, never the tokens themselves."""
    from datetime import UTC, datetime

    with _starting():
        found = _with_store(_settings(folder=folder), lambda store: store.tokens(), made=True)
    console = standard_output()
    for known in found:
        since, until = (
            "never" if at is None else datetime.fromtimestamp(at, UTC).date() for at in (known.created, known.expires)
        )
        state = f"expires {until}" if known.holds(time.time()) else f"expired {until}"
        if known.revoked is not None:
            state = f"revoked {datetime.fromtimestamp(known.revoked, UTC).date()}"
        text = f"{known.id}  {known.tenant}  {','.join(known.scopes)}  since {since}  {state}  {known.note}"
        console.print(text.rstrip(), markup=False)
    if not found:
        console.print("No tokens.")


@token.command("revoke")
def token_revoke(
    name: Annotated[str, typer.Argument(help="Name of the token, as `token list` shows it.")], folder: Folder = None
) -> None:
    """Revoke a token immediately."""
    with _starting():
        revoked = _with_store(_settings(folder=folder), lambda store: store.revoke(name), made=True)
    if not revoked:
        expected = "the name of an active token: strategic-minerals token list"
        raise InputError([Fault("token", "", "name", f"'{name}'", expected)])
    standard_output().print(f"Revoked {name}.", markup=False)


def _settings(**given: Any) -> Settings:
    """Settings from the environment and the command line. Raises InputError with all faults, and if the extra is missing."""
    try:
        for part in ("fastapi", "prometheus_fastapi_instrumentator", "pythonjsonlogger", "sqlalchemy", "uvicorn"):
            import_module(part)
        from ..service.settings import Settings
    except ImportError as error:
        raise missing_part("serve", str(error.name), "service") from None
    from pydantic import ValidationError

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = []
        for item in error.errors():  # what may be secret, and a combination of values, is not shown
            found = "these settings" if item["loc"] in ((), ("database",)) else repr(item["input"])[:80]
            faults.append(Fault("settings", "", ".".join(map(str, item["loc"])) or "settings", found, expected(item)))
        raise InputError(faults) from None


def _with_store(settings: Settings, work: Any, *, made: bool = False) -> Any:
    """Open the store, work with it, close it. made: it must exist already, else StoreError."""
    from ..service.records import StoreError
    from ..service.store import file_of, open_store

    if made and settings.database is None and not file_of(settings.folder).is_file():
        advice = "choose another with --folder; `token create` makes one"
        raise StoreError("away", f"the folder {settings.folder} holds no store ({advice})")
    store: Store = open_store(settings.folder, settings.address)
    try:
        return work(store)
    finally:
        store.close()


# Faults of options and arguments in plain words; the parser's own messages are for programmers.
def say(errors: Console, text: str) -> None:
    """Print a line on standard error, if it can be written to."""
    with suppress(OSError):
        errors.print(legible(text), markup=False)


def print_misuse(errors: Console, error: Any) -> int:
    """Print what is wrong with the command line; the exit code."""
    wrong = option_faults(error)
    if wrong:
        return print_faults(errors, InputError(wrong))
    text = str(error.format_message())
    print_json([Fault(COMMAND_LINE, "", _blamed(error), text, "a command as --help shows")])
    say(errors, f"Error: {text}")
    return EXIT_INPUT


def print_unwritten(errors: Console, error: OSError) -> int:
    """Print that a file or a folder could not be written or read; the exit code."""
    reason = error.strerror or str(error)
    where = "the output could not be written" if error.filename is None else str(error.filename)
    print_json([Fault(where, "", "", reason, "a file or folder that can be written")])
    say(errors, f"{where}: {reason}")
    return EXIT_INPUT


def print_json(faults: Sequence[Fault]) -> None:
    """Print faults as JSON, if it is asked for and standard output can be written to."""
    if "--json" in sys.argv:
        with suppress(OSError):
            typer.echo(json.dumps({"faults": [vars(fault) for fault in faults]}, indent=1))


def _blamed(error: Any) -> str:
    """The option or argument of which the parser complains; empty where it names none."""
    named = getattr(error, "option_name", None)
    parameter = getattr(error, "param", None)
    first = getattr(parameter, "opts", None) or [""]
    flag = re.match(r"--[a-z][a-z-]*", str(getattr(error, "message", "")))
    return str(named or next((name for name in first if name.startswith("--")), first[0]) or (flag[0] if flag else ""))


def print_faults(errors: Console, error: FaultsError) -> int:
    """Print faults, also as JSON if asked for; the exit code."""
    stated = [replace(fault, file="--set") if fault.file == OVERRIDES else fault for fault in error.faults]
    error = error if stated == list(error.faults) else type(error)(stated)
    print_json(error.faults)
    say(errors, str(error))
    return EXIT_INPUT


def option_faults(error: Any) -> list[Fault]:
    """Faults of values that options and arguments do not accept; empty for any other error of the command line's parser."""
    from pydantic import ValidationError

    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return []
    items: list[Any] = cause.errors(include_url=False)
    return [Fault(COMMAND_LINE, "", _blamed(error), shown(item["input"]), expected(item)) for item in items]
