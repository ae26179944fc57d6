"""Atomic files: written under temporary names, synchronised, and renamed when all of them are complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from filelock import FileLock, Timeout

from .errors import Fault, InputError, missing_part

if TYPE_CHECKING:
    import jinja2


# Read files from outside safely: regular files of bounded size, checked before they are opened.
def objection(path: Path, most_bytes: int, wanted: str) -> Fault | None:
    """The fault of reading a path as a file; None if there is none. wanted: what it should be, e.g. `a plan file`.

    A pipe or a device may never end, and opening one may block: they are refused without opening them."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        return Fault(str(path), "", "", getattr(error, "strerror", None) or "no such file", wanted)
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
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
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
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


PART = ".part"
"""Ending of temporary names."""


class Staged:
    """Files on their way: none has its name yet."""

    def __init__(self) -> None:
        self._moves: list[tuple[Path, Path]] = []

    @contextmanager
    def file(self, path: Path) -> Iterator[BinaryIO]:
        """A file to write bytes into, on disk under a temporary name when the block ends.

        What a link points to is what is written. Something that is no file, such as a terminal, is written to as it is.
        """
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise InputError([Fault(str(path), "", "", "a folder", "the name of a file")])
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                yield stream
            return
        temporary = target.with_name(f"{target.name[:100]}.{uuid.uuid4().hex}{PART}")
        self._moves.append((temporary, target))
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.is_file():
            shutil.copymode(target, temporary)

    def publish(self) -> None:
        """Give every file its name, in the order in which they were written."""
        for temporary, target in self._moves:
            os.replace(temporary, target)

    def discard(self) -> None:
        """Leave nothing behind that has no name yet."""
        for temporary, _ in self._moves:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def staged() -> Iterator[Staged]:
    """Several files that get their names together at the end of the block; after an error the old ones remain unchanged."""
    files = Staged()
    try:
        yield files
        files.publish()
    finally:
        files.discard()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """One file, complete at the end of the block; after an error the old one remains unchanged."""
    with ExitStack() as stack:
        files = stack.enter_context(staged())
        yield stack.enter_context(files.file(path))


def write_whole(path: Path, pieces: Iterable[str]) -> None:
    """Write text atomically."""
    with whole_file(path) as file:
        file.writelines(piece.encode() for piece in pieces)


def digest_of(pieces: Iterable[str]) -> str:
    """SHA-256 of a text in pieces."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.encode())
    return digest.hexdigest()


# Parts of a long computation are kept as they finish, so that one that was killed goes on where it stopped.
@dataclass(frozen=True)
class Kept:
    """A folder of finished parts, a file each, called by the digest of its content and of the question that it is a part of."""

    folder: Path
    question: str
    """Digest of all that the parts hang on."""

    def begin(self) -> FileLock:
        """Take the folder for as long as the lock lives. Raises InputError where another process writes in it."""
        make_folder(self.folder, "store")
        return _locked(self.folder, 0.0)

    def write(self, content: Any) -> Path:
        """Keep a part."""
        text = json.dumps(content)
        path = self.folder / self._name(text)
        write_whole(path, [text])
        return path

    def read(self) -> Iterator[Any]:
        """Every part. Raises InputError for files that are no parts, or of another question or not as they were written."""
        for path in sorted(self.folder.iterdir()):
            if path.name == LOCK or path.name.endswith(PART):
                continue
            text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
            if path.name != self._name(text):
                found = "no part of this question, or one that is not as it was written"
                expected = "the plan, tables and options as when the folder was begun, or a new or an empty folder"
                raise InputError([Fault(str(path), "", "store", found, expected)])
            yield json.loads(text)

    def _name(self, text: str) -> str:
        return f"{digest_of([self.question, text])}.json"


def make_folder(folder: Path, column: str = "") -> None:
    """Make a folder where it is not there. column: of the fault. Raises InputError where a file has its name, or one above it."""
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InputError([Fault(str(place), "", column, "a file", "a folder, or a new name")])
    folder.mkdir(parents=True, exist_ok=True)


# A folder has one writer at a time, also of several processes; a writer that is killed leaves nothing that blocks the next.
LOCK = ".lock"
"""The file whose lock a writer holds; the writer removes it. One that was left behind by a killed process holds nothing."""

LONGEST_WAIT_S = 300.0
"""Seconds that a writer waits for another. Writing the largest runs takes about a minute."""


@contextmanager
def one_writer(folder: Path, *, wait_s: float = LONGEST_WAIT_S) -> Iterator[None]:
    """Hold a folder for writing; it is made where it is not there.

    Raises InputError where another writer does not end within `wait_s` seconds."""
    make_folder(folder)
    lock = _locked(folder, wait_s)
    try:
        yield
    finally:
        with suppress(OSError):  # before it is let go: who waits for this file sees that it is gone and takes a new one
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()


def _locked(folder: Path, wait_s: float) -> FileLock:
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        expected = "only one process that writes at a time: try again when it has finished, or choose another folder"
        raise InputError([Fault(str(folder), "", "", "another process that is writing to it", expected)]) from None
    return lock


# Templates of pages.
def templates(folder: str, where: str, extra: str) -> jinja2.Environment:
    """The templates in a folder of the package; what is put into them is text. Raises InputError where `extra` is not installed."""
    try:
        import jinja2
    except ImportError:
        raise missing_part(where, "jinja2", extra) from None
    return jinja2.Environment(
        loader=jinja2.PackageLoader("strategic_minerals", folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
