"""A client of the service: submit, upload, wait, fetch, and webhooks read.

It needs no more than this package without extras. `AsyncClient` has the same methods for asyncio.

    client = Client("https://plans.example", token)
    job = client.submit("solve", shipped="rare-earths", set={"budget.appropriation_musd": 120}, key="budget-120")
    client.wait(job, on_progress=lambda status: print(status["state"]))
    frame = client.table(job, "acquisitions")"""

from __future__ import annotations

import asyncio
import hmac
import io
import json
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from ..core.errors import ReserveError
from .records import ENDED, State
from .webhooks import signature

if TYPE_CHECKING:
    import pandas as pd

PAUSE_S = 1.0
TRIES, LATE_S = 5, 300.0
KEPT = "/v1/questions/upload"


class ServiceError(ReserveError):
    """The service refused; `problem` holds its problem details (RFC 9457), `status` that of HTTP."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        stated = (f"{f['column']}: found {f['found']}, expected {f['expected']}" for f in problem.get("faults", []))
        faults = "; ".join(stated)
        super().__init__(f"{status} {problem.get('title', '')} {problem.get('detail', '')} {faults}".strip())


class _NoRedirect(urllib.request.HTTPRedirectHandler):  # never send the token to another server
    def redirect_request(self, *_: Any) -> None: ...


class Client:
    """One caller of one service. Raises ServiceError, and OSError where there is no service."""

    def __init__(self, address: str, token: str = "", timeout_s: float = 60.0) -> None:
        """address: with the path under which the service runs, if there is one."""
        self._address, self._timeout = address.rstrip("/"), timeout_s
        self._open = urllib.request.build_opener(_NoRedirect).open
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def submit(self, /, kind: str, *, key: str | None = None, **request: Any) -> str:
        """Submit a job; its identifier.

        kind: a verb. request: `plan`, `shipped` or `question`, and the verb's options; `of`, the identifier of a
        solved plan, for `stress`, `roll` and others. key: an idempotency key, by which you may send it again yourself.
        """
        return str(self._json("POST", "/v1/jobs", {"kind": kind, **request}, _key(key))["id"])

    def upload(
        self, /, plan: str | Path, tables: Sequence[str | Path] = (), *, key: str | None = None, **options: Any
    ) -> str:
        """Submit a plan file (TOML, JSON, xlsx) with tables of your own (`<table>.csv`); the job's identifier."""
        return str(self._form("/v1/jobs/upload", plan, tables, {"kind": "solve", **options}, _key(key))["id"])

    def keep(self, /, plan: str | Path, tables: Sequence[str | Path] = (), **options: Any) -> str:
        """Keep a plan file and its tables, with options such as `on_top_of_shipped`; what jobs name as `question`."""
        return str(self._form(KEPT, plan, tables, options, {})["id"])

    def check(self, /, **question: Any) -> dict[str, Any]:
        """Faults, doubtful figures and size of a question, without solving it."""
        return dict(self._json("POST", "/v1/check", question))

    def status(self, job: str) -> dict[str, Any]:
        """Status of a job: state, progress, problem."""
        return dict(self._json("GET", f"/v1/jobs/{job}"))

    def jobs(self, state: State | None = None) -> Iterator[dict[str, Any]]:
        """The tenant's jobs, the newest first."""
        path: str | None = f"/v1/jobs?limit=200{'' if state is None else f'&state={state}'}"
        while path:
            page = self._json("GET", path)
            yield from page["jobs"]
            path = page["next"] and f"/v1/jobs?{page['next'].partition('?')[2]}"

    def wait(
        self,
        job: str,
        on_progress: Callable[[dict[str, Any]], object] | None = None,
        timeout_s: float | None = None,
        pause_s: float = PAUSE_S,
    ) -> dict[str, Any]:
        """Wait for the end of a job; its status. Raises TimeoutError where it has not ended by then."""
        begin = time.monotonic()
        while not _is_over(found := self.status(job), on_progress, begin, timeout_s):
            time.sleep(pause_s)
        return found

    def result(self, job: str, *tables: str) -> dict[str, Any]:
        """Headline, figures and text, and the named tables as records under `included`."""
        query = urllib.parse.urlencode([("include", name) for name in tables])
        return dict(self._json("GET", f"/v1/jobs/{job}/result?{query}"))

    def table(self, job: str, name: str) -> pd.DataFrame:
        """One table of an answer, typed as the service describes its columns."""
        import pandas as pd

        from ..core.frames import typed
        from ..question.read_csv import unguarded

        known = self.result(job)["tables"]
        if name not in known:
            raise KeyError(f"{name}: the answer has the tables {', '.join(known)}")
        text = self._ask("GET", f"/v1/jobs/{job}/tables/{urllib.parse.quote(name)}?format=csv")
        frame = pd.read_csv(io.BytesIO(text), dtype=str, keep_default_na=False)
        return typed(unguarded(frame), known[name]["columns"])

    def download(self, job: str, what: str, file: str | Path) -> Path:
        """Write the `report` (a page), the `archive` (the run folder as a ZIP), the `log`, or `tables/<name>`: as CSV, or as the
        file's name ends, `.json` or `.parquet`."""
        form = Path(file).suffix.removeprefix(".")
        query = f"?format={form}" if what.startswith("tables/") and form in ("json", "parquet") else ""
        Path(file).write_bytes(self._ask("GET", f"/v1/jobs/{job}/{what}{query}"))
        return Path(file)

    def cancel(self, job: str) -> dict[str, Any]:
        """Stop a job."""
        return dict(self._json("POST", f"/v1/jobs/{job}/cancel"))

    def resume(self, job: str) -> dict[str, Any]:
        """Put a job that ended without an answer back into the queue."""
        return dict(self._json("POST", f"/v1/jobs/{job}/resume"))

    def delete(self, job: str) -> None:
        """Delete an ended job with all its files."""
        self._ask("DELETE", f"/v1/jobs/{job}")

    def _json(self, method: str, path: str, body: Any = None, extra: Mapping[str, str] | None = None) -> Any:
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        kind = {} if content is None else {"Content-Type": "application/json"}
        return json.loads(self._ask(method, path, content, {**kind, **(extra or {})}))

    def _form(
        self,
        path: str,
        plan: str | Path,
        tables: Sequence[str | Path],
        options: Mapping[str, Any],
        extra: Mapping[str, str],
    ) -> Any:
        """Send files as a form (RFC 7578)."""
        mark = f"----{secrets.token_hex(16)}"
        parts = [("options", "", json.dumps(options, allow_nan=False).encode())]
        parts += [
            (name, f'; filename="{Path(file).name}"', Path(file).read_bytes())
            for name, files in (("plan", [plan]), ("tables", tables))
            for file in files
        ]
        body = b"".join(
            f'--{mark}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
            for name, file, content in parts
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        return json.loads(self._ask("POST", path, body + f"--{mark}--\r\n".encode(), {**kind, **extra}))

    def _ask(self, method: str, path: str, data: bytes | None = None, extra: Mapping[str, str] | None = None) -> bytes:
        """Send a request; repeat it later if the service asks for that."""
        headers = {**self._headers, **(extra or {})}
        for attempt in range(1, TRIES + 1):
            request = urllib.request.Request(self._address + path, data, headers, method=method)
            try:
                with self._open(request, timeout=self._timeout) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                # of what is kept without a key, nobody knows after a proxy's 503 whether it was
                again = error.code == 429 or (error.code == 503 and path != KEPT)
                if not again or attempt == TRIES:
                    raise ServiceError(error.code, _problem(error.read())) from None
                time.sleep(min(60.0, float(error.headers.get("Retry-After", 2 ** (attempt - 1)))))
        raise AssertionError


P = ParamSpec("P")
R = TypeVar("R")


def _awaited(method: Callable[Concatenate[Client, P], R]) -> Callable[Concatenate[AsyncClient, P], Awaitable[R]]:
    """A method that is awaited, and runs in a thread."""

    async def called(self: AsyncClient, /, *given: P.args, **options: P.kwargs) -> R:
        return await asyncio.to_thread(method, self._client, *given, **options)

    called.__doc__ = method.__doc__
    return called


class AsyncClient:
    """`Client` for asyncio: each of its methods is awaited and runs in a thread; `jobs` gives a list."""

    def __init__(self, address: str, token: str = "", timeout_s: float = 60.0) -> None:
        self._client = Client(address, token, timeout_s)

    submit = _awaited(Client.submit)
    upload = _awaited(Client.upload)
    keep = _awaited(Client.keep)
    check = _awaited(Client.check)
    status = _awaited(Client.status)
    result = _awaited(Client.result)
    table = _awaited(Client.table)
    download = _awaited(Client.download)
    cancel = _awaited(Client.cancel)
    resume = _awaited(Client.resume)
    delete = _awaited(Client.delete)

    async def jobs(self, state: State | None = None) -> list[dict[str, Any]]:
        """The tenant's jobs, the newest first."""
        return await asyncio.to_thread(lambda: [*self._client.jobs(state)])

    async def wait(
        self,
        job: str,
        on_progress: Callable[[dict[str, Any]], object] | None = None,
        timeout_s: float | None = None,
        pause_s: float = PAUSE_S,
    ) -> dict[str, Any]:
        """Wait for the end of a job; its status. Raises TimeoutError where it has not ended by then."""
        begin = time.monotonic()
        while not _is_over(found := await self.status(job), on_progress, begin, timeout_s):
            await asyncio.sleep(pause_s)
        return found


def webhook(secret: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """What a webhook says, if the service signed it with the secret within five minutes (Standard Webhooks). Raises ValueError."""
    stated = {name.lower(): value for name, value in headers.items()}
    name, at, signed = (stated.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature"))
    right = signature(secret, name, int(at), body) if at.isdecimal() and abs(time.time() - int(at)) <= LATE_S else ""
    if not right or not any(hmac.compare_digest(right.encode(), one.encode()) for one in signed.split()):
        raise ValueError("not a webhook of the service: its signature is wrong, or it is too old")
    return dict(json.loads(body))


def _is_over(
    found: dict[str, Any], follow: Callable[[dict[str, Any]], object] | None, begin: float, timeout_s: float | None
) -> bool:
    """Pass a job's status on; whether it is the last. Raises TimeoutError where that takes longer than was allowed."""
    if follow is not None:
        follow(found)
    if found["state"] in ENDED:
        return True
    if timeout_s is not None and time.monotonic() - begin > timeout_s:
        raise TimeoutError(f"job {found['id']} has not ended after {timeout_s:g} s")
    return False


def _key(key: str | None) -> dict[str, str]:
    """A key of its own where none is given: a proxy's 503 does not say whether the service took what is then sent again."""
    return {"Idempotency-Key": secrets.token_hex(16) if key is None else key}


def _problem(content: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(content))
    except ValueError:
        return {
            "detail": "That is no answer of the service: is the address right, with the path under which it stands?"
        }
