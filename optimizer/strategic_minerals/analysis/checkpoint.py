"""Rows of a long computation written down as they finish, so that one that was killed goes on where it stopped.

A folder holds `sweep.json`, which says of what question it is, and files of JSON lines, one for each stretch of work, to which only
one process appends. Every line carries a digest: a torn line is left out, a changed one is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.atomic_files import write_whole
from ..core.errors import Fault, InputError
from ..core.frames import records
from ..data.dataset import Dataset
from ..schemas.plan import Plan

NAME = "sweep.json"
DIGEST = "digest"
END = re.compile(rf'"{DIGEST}": "[0-9a-f]{{64}}"}}$')
"""How a whole line ends."""
Rows = list[dict[str, Any]]


class Checkpoint:
    """One folder."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Begin, or go on. Raises InputError where the folder holds something else, or rows of another question."""
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise InputError([Fault(str(place), "", "store", "a file", "a folder, or a new name")])
        mark = folder / NAME
        if mark.is_file() and (any(folder.glob("rows-*.jsonl")) or _marked(mark) is not None):
            if _marked(mark) != identity:
                expected = "the same plan, tables, points and options as when it was begun, or another folder"
                raise InputError([Fault(str(mark), "", "identity", "rows of another sweep", expected)])
        elif folder.exists() and any(path.name != NAME for path in folder.iterdir()):
            raise InputError(
                [Fault(str(folder), "", "store", "a folder with other files in it", "a new or an empty folder")]
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(mark, [json.dumps({"identity": identity}) + "\n"])
        self._folder, self._identity = folder, identity

    @classmethod
    def at(cls, folder: str) -> Checkpoint:
        """The journal of a folder that was begun. Raises InputError where the folder says no longer of what."""
        journal = cls.__new__(cls)
        mark = Path(folder) / NAME
        found = _marked(mark)
        if found is None:
            raise InputError(
                [Fault(str(mark), "", "identity", "none", "the mark that was written when the sweep began")]
            )
        journal._folder, journal._identity = Path(folder), found
        return journal

    def write(
        self,
        stretch: int,
        rows: Sequence[Mapping[str, Any]],
        decisions: Sequence[Mapping[str, Any]],
        checked: int = 0,
        disagreed: int = 0,
    ) -> None:
        """Append what a stretch has found, a line a row; later rows of a point stand in for earlier ones."""
        lines: list[dict[str, Any]] = [
            {"row": row, "decisions": [d for d in decisions if d["point"] == row["point"]]} for row in rows
        ]
        if checked or disagreed:
            lines.append({"checked": checked, "disagreed": disagreed})
        self._append(stretch, lines)

    def withdraw(self, stretch: int) -> None:
        """Let no row of a stretch count that has been written so far: its points are answered again."""
        self._append(stretch, [{"withdrawn": True}])

    def _append(self, stretch: int, lines: Sequence[Mapping[str, Any]]) -> None:
        text = "".join(f"\n{_line(line, self._identity)}\n" for line in lines)  # the last line may have been torn
        with self._file(stretch).open("a", encoding="utf-8") as file:
            file.write(text)

    def _file(self, stretch: int) -> Path:
        return self._folder / f"rows-{stretch:06d}.jsonl"

    def read(self) -> tuple[Rows, Rows, int, int]:
        """(rows, decisions, points checked, points that disagreed) of everything written so far.

        A line that was torn when its process was killed is left out: its point is answered again. Raises InputError for any other
        line that is not as it was written.
        """
        rows: dict[int, dict[str, Any]] = {}
        decisions: dict[int, Rows] = {}
        checked = disagreed = 0
        for file in sorted(self._folder.glob("rows-*.jsonl")):
            mine: set[int] = set()
            for found in self._lines(file):
                if "withdrawn" in found:
                    for point in mine:
                        del rows[point], decisions[point]
                    mine = set()
                elif "row" in found:
                    point = found["row"]["point"]
                    rows[point], decisions[point] = found["row"], found["decisions"]
                    mine.add(point)
                else:
                    checked, disagreed = checked + found["checked"], disagreed + found["disagreed"]
        return list(rows.values()), [d for lines in decisions.values() for d in lines], checked, disagreed

    def _lines(self, file: Path) -> Iterator[dict[str, Any]]:
        """Lines of a file that are whole."""
        for number, content in enumerate(file.read_bytes().split(b"\n"), start=1):
            text = content.decode(errors="replace")
            found = _loaded(text)
            if found is None and not END.search(text):
                continue  # the end of a line is what a killed process did not write
            if isinstance(found, dict) and text == _line(
                {k: v for k, v in found.items() if k != DIGEST}, self._identity
            ):
                yield found
                continue
            expected = "the line as it was written: take it away, and its point is answered again"
            raise InputError([Fault(str(file), str(number), "", "a row that differs from its digest", expected)])


def _marked(mark: Path) -> str | None:
    """The identity that a folder is marked with; None where there is none."""
    try:
        found = _loaded(mark.read_bytes().decode(errors="replace"))
    except OSError:
        return None
    held = found.get("identity") if isinstance(found, dict) else None
    return held if isinstance(held, str) else None


def _line(content: Mapping[str, Any], identity: str) -> str:
    """A line with the digest of its content, which hangs on the question, too: rows of another sweep do not fit."""
    text = json.dumps(content)
    return json.dumps({**content, DIGEST: hashlib.sha256(f"{identity}\n{text}".encode()).hexdigest()})


def _loaded(text: str) -> Any:
    """JSON, None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def identity(plan: Plan, data: Dataset, points: Sequence[Mapping[str, Any]], **options: Any) -> str:
    """Digest of a question, its tables, the points and the options that decide the answers."""
    tables = {name: records(data.frame(name)) for name in sorted(data.tables)}
    said = json.dumps([plan.to_toml_like(), tables, list(points), options], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()
