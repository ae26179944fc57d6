"""Atomic files: written under temporary names, synchronised, and renamed when all of them are complete."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

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
        if target.exists() and not target.is_file() and not target.is_dir():
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


def write_whole(path: Path, pieces: Iterable[str]) -> str:
    """Write text atomically; the SHA-256 of the text (not read back from the disk)."""
    digest = hashlib.sha256()
    with whole_file(path) as file:
        for piece in pieces:
            content = piece.encode()
            digest.update(content)
            file.write(content)
    return digest.hexdigest()


def digest_of(pieces: Iterable[str]) -> str:
    """SHA-256 that `write_whole` would return."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.encode())
    return digest.hexdigest()
