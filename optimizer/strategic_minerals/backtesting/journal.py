"""The log of a backtest: one line of JSON for each thing that was fixed, with the hash of what it says and of the line before.

Settings and the acts of every plan stand in it before the files of the scorer are opened; a scoring refuses where a file is no
longer what the log says, and is labelled as one after looking where an earlier one stands in the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import Fault, InputError

LOG = "log.jsonl"
SCORED = "scored"
FIRST, AFTER = "first run", "after looking"
AGAIN = "after looking: scored again, the plans unchanged"


def digest(content: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(content).hexdigest()


def lines(out: Path) -> list[dict[str, Any]]:
    """The lines of a folder's log. Raises InputError where the chain is broken."""
    file = out / LOG
    if not file.is_file():
        return []
    found: list[dict[str, Any]] = []
    before = ""
    for n, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            said = line.pop("hash")
        except (ValueError, KeyError, AttributeError):
            raise InputError([Fault(LOG, str(n), "", "a line that is none", "a line of this log")]) from None
        if line.get("before") != before or said != _hash(line):
            raise InputError([Fault(LOG, str(n), "hash", "another content", "the log as it was written")])
        before = said
        found.append(line | {"hash": said})
    return found


def fix(out: Path, what: str, content: Mapping[str, Any]) -> None:
    """Add a line."""
    known = lines(out)
    line = {"what": what, **content, "before": known[-1]["hash"] if known else ""}
    with (out / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line | {"hash": _hash(line)}, sort_keys=True, ensure_ascii=False) + "\n")


def _hash(line: Mapping[str, Any]) -> str:
    return digest(json.dumps(dict(line), sort_keys=True, ensure_ascii=False).encode())


def fixed_files(out: Path) -> dict[str, str]:
    """File -> the hash of it that the log has, of the latest run."""
    known = lines(out)
    begin = max((n for n, line in enumerate(known) if line["what"] == "settings"), default=0)
    return {line["file"]: line["sha256"] for line in known[begin:] if "file" in line}


def require_unchanged(out: Path) -> None:
    """Raise InputError with every file that is not what the log says."""
    faults = []
    fixed = fixed_files(out)
    if not fixed:
        faults.append(Fault(LOG, "", "", "nothing fixed", "settings and plans, fixed before scoring"))
    for name, said in fixed.items():
        file = out / name
        found = digest(file.read_bytes()) if file.is_file() else "no file"
        if found != said:
            faults.append(Fault(name, "", "sha256", found[:16], f"{said[:16]}, as fixed before scoring"))
    if faults:
        raise InputError(faults)


def label(out: Path) -> str:
    """What the next scoring is: the first run, or one after looking, of other plans or of the same."""
    whats = [line["what"] for line in lines(out)]
    if SCORED not in whats:
        return FIRST
    return AFTER if "settings" in whats[whats.index(SCORED) :] else AGAIN
