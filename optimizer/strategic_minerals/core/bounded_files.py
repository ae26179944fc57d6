"""Read files from outside safely: regular files of bounded size, checked before they are opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import Fault

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


NOWHERE = "a link that leads nowhere"


def objection(path: Path, most_bytes: int, wanted: str) -> Fault | None:
    """The fault of reading a path as a file; None if there is none. wanted: what it should be, e.g. `a plan file`.

    A pipe or a device may never end, and opening one may block: they are refused without opening them.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        why = NOWHERE if os.path.islink(path) else getattr(error, "strerror", None) or "no such file"
        return Fault(str(path), "", "", why, wanted)
    kind = next((name for is_kind, name in KINDS if is_kind(found.st_mode)), "")
    if kind:
        return Fault(str(path), "", "", kind, f"{wanted} (a regular file)")
    if found.st_size > most_bytes:
        return _too_large(path, found.st_size, most_bytes)
    return None


def read_bounded(path: Path, most_bytes: int, wanted: str) -> bytes | Fault:
    """The bytes of a regular file of at most so many bytes, or what is wrong with it."""
    wrong = objection(path, most_bytes, wanted)
    if wrong is not None:
        return wrong
    try:
        with os.fdopen(
            os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
        ) as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        return Fault(str(path), "", "", error.strerror or "unreadable", wanted)
    return content if len(content) <= most_bytes else _too_large(path, len(content), most_bytes)


def text_of(content: bytes, name: str, wanted: str) -> str | Fault:
    """Bytes as text, a byte order mark taken away, or what is wrong with them. wanted: what they should be, e.g. `a CSV table`."""
    kind = kind_of_file(content)
    kind = f"{kind}, not text" if kind and kind != UTF_16 else kind
    if not kind and len(content) > 3 and content[:200].count(0) > len(content[:200]) / 4:
        kind = UTF_16
    if kind:
        return Fault(name, "", "", kind, wanted)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = str(content.count(b"\n", 0, error.start) + 1)
        odd = f"byte {error.object[error.start]:#04x}, which is not valid UTF-8"
        return Fault(name, line, "", odd, f"{wanted} (save it as UTF-8 in the spreadsheet or editor)")


def kind_of_file(content: bytes) -> str:
    """What a file is by its first bytes; empty where they say nothing."""
    return next((words for start, words in STARTS if content.startswith(start)), "")


UTF_16 = "text in UTF-16"
STARTS = (
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"PK\x03\x04", "a workbook or another archive"),
    (b"\xd0\xcf\x11\xe0", "a workbook of the old kind (xls), or one with a password"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a compressed file"),
    (b"{\\rtf", "a document (RTF)"),
)
"""First bytes of files of other kinds, and their names."""


def _too_large(path: Path, size: int, most_bytes: int) -> Fault:
    return Fault(path.name, "", "", f"{size:,} bytes", f"at most {most_bytes:,} bytes")
