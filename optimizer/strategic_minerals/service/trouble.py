"""Why the service cannot write, in words: a full disk, or a store that is unavailable, damaged or of another version."""

from __future__ import annotations

import errno
from typing import Literal

NO_ROOM = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO") if hasattr(errno, name)
)
"""Errors of the system that say: this place cannot be written now. Waiting may help, and nothing in the request would."""

Kind = Literal["full", "away", "damaged", "version"]


class StoreError(Exception):
    """The store cannot be used now: `kind` says why, the text tells people, without places or passwords.

    kind: `full`, nothing can be written; `away`, the database does not answer; `damaged`, its content is not what was written;
    `version`, it was of another format or of another program.
    """

    def __init__(self, kind: Kind, text: str) -> None:
        self.kind = kind
        super().__init__(text)


def no_room(error: BaseException | None) -> bool:
    """Whether an error says that the disk takes nothing more."""
    if isinstance(error, StoreError):
        return error.kind == "full"
    return isinstance(error, OSError) and error.errno in NO_ROOM


def in_words(error: BaseException) -> str:
    """Why something could not be written, for `/readyz`: nothing of the machine but the kind of trouble."""
    if isinstance(error, StoreError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"not writable: {error.strerror} ({type(error).__name__})"
    return f"not writable: {type(error).__name__}"
