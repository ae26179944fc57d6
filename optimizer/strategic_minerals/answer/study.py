"""What a study gives, whatever it is about, and studies as folders: written whole, sealed where they belong to a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..core.errors import FORMAT, Fault, InputError, format_fault
from ..core.files import LOCK, PART, one_writer, staged, whole_file
from ..core.frames import Frames, in_form, kinds_of, notebook_html, plainly, records
from ..core.verb import verb
from ..question.read_csv import csv_text
from .manifest import (
    ANALYSES,
    DIGEST,
    MANIFEST,
    RESUMED,
    SEAL,
    STUDY,
    digest_of_file,
    is_litter,
    names_in,
    read_manifest,
    read_table,
    seal_faults,
    sealed,
    spelled,
)

if TYPE_CHECKING:
    from .result import Result


# What every study gives: tables by the names of their files, figures beside them, words, JSON, a view for notebooks.
LONGEST_LINE = 160
"""Letters of a study's first line that `repr` shows."""


@dataclass(frozen=True, repr=False, eq=False)
class Study:
    """What a study found, whatever it was about."""

    kind: str
    """The verb that makes it, e.g. `stress`."""
    tables: Mapping[str, pd.DataFrame]
    """Tables by name, which is that of their CSV file. Cells are numbers and text; one that does not apply is left out."""
    words: Sequence[str] = ()
    """The answer in plain words, a line each."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Single figures and options that belong to the tables, JSON-ready."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Tables that are short enough for a notebook -> their headings."""
    result: Result | None = None
    """The plan that a study made, of those that make one."""

    def __post_init__(self) -> None:
        """Tables have the form in which they are read again; what is done to one that was asked for is done to a copy."""
        object.__setattr__(self, "tables", Frames({name: in_form(table) for name, table in self.tables.items()}))

    def __eq__(self, other: object) -> bool:
        """Whether kind, facts and tables are the same."""
        if not isinstance(other, Study):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def summary(self) -> str:
        """The answer in plain words."""
        return "\n".join(self.words)

    def __repr__(self) -> str:
        """Kind and the first line of the answer."""
        first = self.words[0] if self.words else ""
        return f"<Study {self.kind}: {first[:LONGEST_LINE]}{'...' if len(first) > LONGEST_LINE else ''}>"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: `schema_version`, `kind`, the facts, and each table by its name as a list of records. Missing values and
        numbers that are not finite are None."""
        tables = {name: records(table) for name, table in self.tables.items()}
        return {"schema_version": FORMAT, "kind": self.kind, **plainly(self.facts), **tables}

    @verb
    def save(self, folder: str | Path) -> None:
        """Write the study into a folder: each table as CSV, and `study.json`. In `analyses` of a run folder it is sealed.

        Raises InputError for a folder that holds files of others."""
        refuse_mixed(Path(folder), self.kind)
        store_study(self, Path(folder))

    @classmethod
    @verb
    def load(cls, folder: str | Path) -> Study:
        """A study that `save` wrote. Raises InputError for a folder that holds none, or whose files have changed since."""
        return open_study(Path(folder))

    def stated(self) -> str:
        """What `study.json` says: everything but the tables, of which it names the columns and their kinds."""
        content = {
            "schema_version": FORMAT,
            "kind": self.kind,
            "words": list(self.words),
            "facts": plainly(self.facts),
            "titles": dict(self.titles),
            "columns": {name: kinds_of(table.infer_objects()) for name, table in self.tables.items()},
        }
        return json.dumps(content, indent=1) + "\n"

    def _repr_html_(self) -> str:
        """As notebooks show it: a warning or the first line, then the tables that have a heading."""
        headed = {title: self.tables[name] for name, title in self.titles.items() if title and name in self.tables}
        return notebook_html("\n".join([*self.facts.get("warnings", ()), *self.words]), headed)


def tables_of(studies: Iterable[Study]) -> dict[str, pd.DataFrame]:
    """Tables by `kind/table`, as a run folder names them under `analyses`; of several studies of a kind, those of the last one."""
    return {f"{study.kind}/{name}": table for study in studies for name, table in study.tables.items()}


def listed(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A table whose column of names is text: separated by semicolons, as files and records hold it."""
    return table.assign(**{column: ["; ".join(names) for names in table[column]]})


# Studies of a run, under `analyses` of its folder: tables of other verbs, sealed together and bound to the run.
KEYS = {"schema_version", "run", "files", DIGEST}


def store_study(study: Study, out: Path) -> None:
    """Write a study into a folder, all of it or none; sealed where the folder is a study of a run."""
    texts = {f"{name}.csv": csv_text(table) for name, table in study.tables.items()}
    texts[STUDY] = study.stated()
    out.mkdir(parents=True, exist_ok=True)
    run = run_of(out)
    if run is None:
        _write(texts, out)
        return
    with one_writer(run):
        (out / SEAL).unlink(missing_ok=True)
        for stale in out.glob("*.csv"):  # of an earlier study of the same name
            if stale.name not in texts:
                stale.unlink()
        _write(texts, out)
        seal(run, out)


def open_study(folder: Path) -> Study:
    """A stored study, its seal checked where it belongs to a run.

    Raises InputError for a folder that holds none, for a study that is not as it was written, and for a file that is no table.
    """
    written = "the folder that a study was written into"
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "", "", "no folder", written)])
    folder = folder.resolve()
    run = run_of(folder)
    faults = [] if run is None else _faults_of(run, folder, read_manifest(run)[1].get(DIGEST))
    if faults:
        raise InputError(faults)
    try:
        stated = json.loads((folder / STUDY).read_text(encoding="utf-8"))
        other_format = format_fault(str(folder / STUDY), "", "schema_version", stated["schema_version"])
        if other_format is not None:
            raise InputError([other_format])
        kept = {name: stated[name] for name in ("kind", "words", "facts", "titles")}
        tables = {name: read_table(folder / f"{name}.csv", kinds) for name, kinds in stated["columns"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found = "no study" if isinstance(error, FileNotFoundError) else f"a damaged study: {error}"
        raise InputError([Fault(str(folder), "", "", found, written)]) from None
    return Study(tables=tables, **kept)


def refuse_mixed(out: Path, kind: str, option: str = "") -> None:
    """Raise InputError where a study would be written beside files of others, or into a run folder other than as a study of it.

    kind: of the study; an earlier one of that kind is replaced, and rows from which it goes on may lie there. option: of the
    command line that names the folder."""
    run = next((folder for folder in (out.resolve(), *out.resolve().parents) if (folder / MANIFEST).is_file()), None)
    if run is not None and out.resolve().parent != run / ANALYSES:
        expected = f"a folder of its own under {run / ANALYSES}, or a place outside"
        raise InputError([Fault(str(out), "", option, f"a place in the run folder {run}", expected)])
    there = names_in(out) if out.is_dir() else []
    earlier = _kind_in(out) == kind
    foreign = [
        name
        for name in there
        if not name.startswith(f"{RESUMED}/")
        and not name.endswith(PART)
        and name not in (SEAL, LOCK)
        and not (earlier and (name == STUDY or name.endswith(".csv")))
    ]
    if out.exists() and not out.is_dir():
        raise InputError([Fault(str(out), "", option, "a file", "a folder, or a new name")])
    if foreign and run is None:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        found = f"a folder with other files in it: {foreign[0]}{more}"
        expected = "a new or an empty folder, or one with an earlier such study"
        raise InputError([Fault(str(out), "", option, found, expected)])


def _kind_in(folder: Path) -> str:
    """Kind of the study that a folder holds; empty where it holds none."""
    try:
        return str(json.loads((folder / STUDY).read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def seal(run: Path, out: Path) -> None:
    """Seal the files of a study."""
    digest = read_manifest(run)[1].get(DIGEST)
    files = {name: digest_of_file(out / name) for name in _files(out)}
    content = sealed({"schema_version": FORMAT, "run": digest, "files": files})
    with whole_file(out / SEAL) as file:
        file.write(spelled(content).encode())


def _write(texts: Mapping[str, str], out: Path) -> None:
    with staged() as files:
        for name, text in texts.items():
            with files.file(out / name) as file:
                file.write(text.encode())


def run_of(out: Path) -> Path | None:
    """The run folder that a folder is a study of, if it is one."""
    run = out.resolve().parent.parent
    return run if out.resolve().parent.name == ANALYSES and (run / MANIFEST).is_file() else None


def _files(study: Path) -> list[str]:
    """Everything in a study but its seal, by path from there."""
    return [name for name in names_in(study) if name != SEAL]


def study_faults(run: Path, stated: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the studies of a run: files changed, missing or too many, studies of other runs. stated: its manifest."""
    folder, faults = run / ANALYSES, list[Fault]()
    for path in sorted(folder.glob("*")):
        if is_litter(path):
            continue
        if path.is_symlink() or not path.is_dir():
            name = path.relative_to(run).as_posix()
            faults.append(Fault(name, "", "", "a file beside the studies", "folders with tables of other verbs"))
        else:
            faults += _faults_of(run, path, stated.get(DIGEST))
    return faults


def _faults_of(run: Path, study: Path, digest: Any) -> list[Fault]:
    place = (study / SEAL).relative_to(run).as_posix()
    again = "write the study again, or take its folder away"
    try:
        text = (study / SEAL).read_bytes().decode()
        content = json.loads(text)
    except OSError:
        return [Fault(place, "", "", "no seal", f"the seal that is written last: {again}")] if _files(study) else []
    except (ValueError, RecursionError):
        found = "no JSON any more: a byte was changed, or the file was cut"
        return [Fault(place, "", "", found, f"the seal as it was written: {again}")]
    if not isinstance(content, dict) or set(content) != KEYS or not isinstance(content["files"], dict):
        return [Fault(place, "", "", "another content", f"a seal: {again}")]
    other_format = format_fault(place, "", "schema_version", content["schema_version"])
    if other_format is not None:
        return [other_format]
    faults = seal_faults(place, content, text)
    if content["run"] != digest:
        faults.append(Fault(place, "", "run", "a study of another run", f"a study of this one: {again}"))
    stated, there = content["files"], _files(study)
    for name in sorted({*stated, *there}):
        where = f"{study.relative_to(run).as_posix()}/{name}"
        if name not in there:
            faults.append(Fault(where, "", "", "no file", "the file that the seal lists"))
        elif name not in stated:
            faults.append(Fault(where, "", "", "a file that the seal does not list", "only files of this study"))
        elif digest_of_file(study / name) != stated[name]:
            changed = "content that differs from the seal's hash"
            faults.append(Fault(where, "", "", changed, "the file as it was written"))
    return faults
