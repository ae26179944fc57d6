"""Rows of a long computation written down as they finish, so that one that was killed goes on where it stopped.

A folder holds `sweep.json`, which says of what question it is, and files of JSON lines, one for each stretch of work, to which only
one process appends; a torn last line is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .dataset import Dataset
from .errors import Fault, InputError
from .frames import records
from .plan import Plan

NAME = "sweep.json"
Rows = list[dict[str, Any]]


class Journal:
    """One folder."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Begin, or go on. Raises InputError where the folder holds something else, or rows of another question."""
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise InputError([Fault(str(place), "", "store", "a file", "a folder, or a new name")])
        mark = folder / NAME
        if mark.is_file() and (any(folder.glob("rows-*.jsonl")) or _loaded(mark.read_text(encoding="utf-8")) is not None):
            found = _loaded(mark.read_text(encoding="utf-8"))
            if found is None or found.get("identity") != identity:
                expected = "the same plan, tables, points and options as when it was begun, or another folder"
                raise InputError([Fault(str(mark), "", "identity", "rows of another sweep", expected)])
        elif folder.exists() and any(path.name != NAME for path in folder.iterdir()):
            raise InputError([Fault(str(folder), "", "store", "a folder with other files in it", "a new or an empty folder")])
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"{NAME}.part"
        fresh.write_text(json.dumps({"identity": identity}) + "\n", encoding="utf-8")
        os.replace(fresh, mark)
        self._folder = folder

    @classmethod
    def at(cls, folder: str) -> Journal:
        """The journal of a folder that was begun."""
        journal = cls.__new__(cls)
        journal._folder = Path(folder)
        return journal

    def write(self, stretch: int, rows: Sequence[Mapping[str, Any]], decisions: Sequence[Mapping[str, Any]], checked: int = 0,
              disagreed: int = 0) -> None:  # fmt: skip
        """Append what a stretch has found; later rows of a point stand in for earlier ones."""
        line = json.dumps({"rows": rows, "decisions": decisions, "checked": checked, "disagreed": disagreed})
        with (self._folder / f"rows-{stretch:06d}.jsonl").open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # the last line may have been torn

    def read(self) -> tuple[Rows, Rows, int, int]:
        """(rows, decisions, points checked, points that disagreed) of everything written so far."""
        rows: dict[int, dict[str, Any]] = {}
        decisions: dict[int, Rows] = {}
        checked = disagreed = 0
        for file in sorted(self._folder.glob("rows-*.jsonl")):
            for text in file.read_text(encoding="utf-8").splitlines():
                found = _loaded(text)
                if found is None:
                    continue
                checked, disagreed = checked + found["checked"], disagreed + found["disagreed"]
                for row in found["rows"]:
                    rows[row["point"]] = row
                    decisions[row["point"]] = [d for d in found["decisions"] if d["point"] == row["point"]]
        return list(rows.values()), [d for lines in decisions.values() for d in lines], checked, disagreed


def _loaded(text: str) -> Any:
    """JSON, None where a line was torn."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def identity(plan: Plan, data: Dataset, points: Sequence[Mapping[str, Any]], **options: Any) -> str:
    """Digest of a question, its tables, the points and the options that decide the answers."""
    tables = {name: records(data.frame(name)) for name in sorted(data.tables)}
    said = json.dumps([plan.to_toml_like(), tables, list(points), options], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()
