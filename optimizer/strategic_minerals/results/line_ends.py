"""Files of which nothing but the line ends was changed, as by git with `core.autocrlf`: told once, and not as so many forgeries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..core.errors import Fault

CRLF, LF, CR = b"\r\n", b"\n", b"\r"
PIECE = 1 << 20
"""Bytes that are read at once."""
EXPECTED = (
    "line ends as they were written (LF): in git, a line `* -text` in .gitattributes and the folder checked out anew; "
    "elsewhere, a copy made byte by byte"
)


class LineEnds(Fault):
    """A file that is as it was written but for its line ends."""


def of_file(name: str) -> LineEnds:
    """The fault of a file whose line ends were changed, and nothing else."""
    return LineEnds(name, "", "", "line ends of Windows (CR LF), and otherwise what was written", EXPECTED)


def are_all(path: Path, digest: object) -> bool:
    """Whether a file has the SHA-256 `digest` once its line ends are those of Unix."""
    found, held = hashlib.sha256(), b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            whole = held + piece
            held = CR if whole.endswith(CR) else b""  # its line feed may begin the next piece
            found.update(whole[: len(whole) - len(held)].replace(CRLF, LF))
    found.update(held)
    return found.hexdigest() == digest


def are_all_of_text(text: str, written: str) -> bool:
    """The same of a text."""
    return text != written and text.replace("\r\n", "\n") == written


def faults_once(place: str, faults: Sequence[Fault]) -> list[Fault]:
    """Faults in order, with one in place of those that tell of line ends. place: where the files are."""
    changed = [fault for fault in faults if isinstance(fault, LineEnds)]
    if len(changed) < 2:
        return [*faults]
    found = f"line ends of Windows (CR LF) in {len(changed)} files, which are otherwise what was written"
    one = replace(changed[0], file=place, found=found)
    return [one, *(fault for fault in faults if not isinstance(fault, LineEnds))]
