"""Run folders: plan, tables used, results, log and, last of all, `manifest.json`. A folder without it is not finished.

The manifest has the hash of every file, taken from what was written, and a digest over its own content (`manifest`). A
folder has one writer at a time (`core.files`). What other verbs find out about a run is under `analyses` (`answer.study`)."""

import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import FORMAT, Fault, InfeasibleError, InputError, SolveError, missing_part
from ..core.files import LOCK, PART, Staged, make_folder, one_writer, whole_file
from ..core.frames import kinds_of
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..question.read_csv import load_dataset
from ..question.read_toml import parse_plan
from .act_now import ActNow
from .manifest import (
    ANALYSES,
    DECISIONS,
    DICTIONARY,
    LOG_FILE,
    MANIFEST,
    PLAN,
    SUMMARY,
    TABLE_FOLDERS,
    answer_texts,
    digest_of_file,
    is_study_file,
    names_in,
    packed_decisions,
    question_texts,
    read_decisions,
    read_json,
    read_manifest,
    read_table,
    remove_studies,
    result_file,
    schema_faults,
    seal_faults,
    sealed,
    spelled,
)
from .prices import versions
from .record import R, Record, restored
from .year import NOTED

BEGUN = f"{MANIFEST}{PART}"
"""What a writer puts first of all into a folder and turns into the manifest last of all: a run without it has not ended."""
UNLISTED = (MANIFEST, LOCK)
"""Files that a manifest does not list: itself, and the lock of a writer, which stays where one was killed."""


def write_run(result: Record, folder: str | Path, *, log: str = "") -> Path:
    """Write a run folder. Every file appears whole under its name; the manifest comes last.

    folder: new, empty or an earlier run, which is replaced; another writer of the same folder is waited for. log: what the
    solve logged, kept as `log.txt`; empty by default. Returns the folder.

    Raises InputError where another writer does not end, and where the folder has files that no run has: nothing is
    touched then. Raises OSError where the disk cannot be written."""
    folder = Path(folder)
    with _writing(folder) as new:
        new.question(result.plan, result.data)
        for name, pieces in answer_texts(result):
            new.put(name, pieces)
        new.put(DECISIONS, [packed_decisions({"solution": result.solution, "reference": result.reference})])
        new.put(LOG_FILE, [log])
        new.manifest = manifest(result, new.digests)
    return folder


def write_unanswered(
    plan: Plan, data: Dataset, error: SolveError, folder: str | Path, *, options: Mapping[str, Any], log: str = ""
) -> Path:
    """Write the run folder of a solve that gave no plan: the question, why there is no answer, and no numbers of a plan.

    Raises as `write_run` does."""
    folder = Path(folder)
    with _writing(folder) as new:
        new.question(plan, data)
        new.put(SUMMARY, [f"{error}\n"])
        new.put(LOG_FILE, [log])
        new.manifest = {
            **question_of(plan, data, new.digests),
            "outcome": asdict(error.outcome),
            "why": str(error),
            "culprits": list(error.culprits) if isinstance(error, InfeasibleError) else [],
            "options": dict(options),
            "versions": versions(),
        }
    return folder


class _New:
    """The files of a run on their way, none of which has its name yet."""

    def __init__(self, folder: Path, files: Staged) -> None:
        self._folder, self._files = folder, files
        self.digests: dict[str, str] = {}
        """SHA-256 of each, by name."""
        self.manifest: Mapping[str, Any] = {}

    def put(self, name: str, pieces: Iterable[str | bytes]) -> None:
        """Write a file, piece by piece."""
        digest, path = hashlib.sha256(), self._folder / name
        path.parent.mkdir(exist_ok=True)
        with self._files.file(path) as file:
            for piece in pieces:
                content = piece.encode() if isinstance(piece, str) else piece
                digest.update(content)
                file.write(content)
        self.digests[name] = digest.hexdigest()

    def question(self, plan: Plan, data: Dataset) -> None:
        """Write plan and tables."""
        for part in TABLE_FOLDERS:
            (self._folder / part).mkdir(exist_ok=True)
        for name, pieces in question_texts(plan, data):
            self.put(name, pieces)


@contextmanager
def _writing(folder: Path) -> Iterator[_New]:
    """Hold a folder for one writer. An earlier run stays whole until all of the new one is written; then it gives way."""
    refuse_foreign(folder)
    with one_writer(folder):
        _refuse_noted(folder)
        for unfinished in folder.rglob(f"*{PART}"):  # of a writer that was killed
            unfinished.unlink()
        files = Staged()
        try:
            new = _New(folder, files)
            yield new
            content = spelled(sealed(new.manifest)).encode()
            (folder / BEGUN).touch()
            _clear(folder)
            files.publish()
            with (folder / BEGUN).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(folder / BEGUN, folder / MANIFEST)
        finally:
            files.discard()


def refuse_foreign(folder: Path) -> None:
    """Raise InputError where a folder has files that no run has: a run folder holds only its own and what killed writers left."""
    names = [name for name in names_in(folder) if name != LOCK and not name.endswith(PART)]
    foreign = [name for name in names if not _of_a_run(name)] if is_run_folder(folder) else names
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        expected = "a folder that is new, empty, or a run folder with its own files alone"
        raise InputError([Fault(str(folder), "", "", f"a folder with other files in it: {foreign[0]}{more}", expected)])


def _refuse_noted(folder: Path) -> None:
    """Raise InputError where a planner has filled in a file about the year of the run that would be replaced."""
    try:
        written = read_manifest(folder)[1].get("files", {})
    except InputError:  # no run that anybody could have noted anything about
        return
    for name in (name for name in NOTED if (folder / name).is_file()):
        if digest_of_file(folder / name) != written.get(name):
            found = "notes of a year, which a new run would overwrite"
            raise InputError([Fault(str(folder / name), "", "", found, "another folder, or the file moved elsewhere")])


def is_run_folder(folder: Path) -> bool:
    """Whether a run was written here: it has its manifest, or what a writer leaves that was cut short.

    A plan beside tables alone is no run: planners keep theirs so, with folders and notes of their own."""
    return (folder / MANIFEST).is_file() or (folder / BEGUN).is_file()


def refuse_inside(place: Path, option: str) -> None:
    """Raise InputError where something would be written into a run folder, which would no longer be what its manifest says."""
    run = next((folder for folder in place.resolve().parents if is_run_folder(folder)), None)
    if run is not None:
        raise InputError([Fault(str(place), "", option, f"a place in the run folder {run}", "a place outside of it")])


def _of_a_run(name: str) -> bool:
    """Whether a file has a name that writers of run folders give."""
    top, _, rest = name.partition("/")
    if name in (PLAN, SUMMARY, LOG_FILE, DECISIONS, *NOTED, *UNLISTED):
        return True
    if top == ANALYSES:
        return is_study_file(rest)
    return top in TABLE_FOLDERS and "/" not in rest and rest.endswith(".csv")


def _clear(folder: Path) -> None:
    """Take away the earlier run; the manifest goes first."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for answer in (DECISIONS, SUMMARY, LOG_FILE, *NOTED):
        (folder / answer).unlink(missing_ok=True)
    for part in TABLE_FOLDERS:
        for stale in (folder / part).glob("*.csv"):
            stale.unlink()
    remove_studies(folder / ANALYSES)  # of the plan that was here


def question_of(plan: Plan, data: Dataset, files: Mapping[str, str]) -> dict[str, Any]:
    """What was asked, with the hash of every file; no pricing sample where owners look at the baseline course."""
    owners = plan.owners
    return {
        "schema_version": FORMAT,
        "plan": plan.name,
        "loss_function": plan.loss_function,
        "price_set": plan.price_set,
        "price_year": plan.price_year,
        "input_hashes": data.hashes(),
        "plan_hash": hashlib.sha256(plan.model_dump_json().encode()).hexdigest(),
        "seed": plan.sample.seed if plan.sample is not None else None,
        "pricing_sample": None if owners.expectation == "trunk" else {"scenarios": owners.sample, "seed": owners.seed},
        "files": dict(sorted(files.items())),
    }


def manifest(result: Record, files: Mapping[str, str]) -> dict[str, Any]:
    """What was asked, what to do first where other samples have tested the plan, how it ended, and the hash of every file."""
    sampled = ActNow.of(result.tables)
    return {
        **({} if sampled is None else {"act_now": sampled.manifest()}),
        **question_of(result.plan, result.data, files),
        **result.stated(),
        "columns": {name: kinds_of(table) for name, table in result.tables.items()},
    }


ARRAYS, WITHIN = ".nc", "run_folder"
"""End of the name of a netCDF file, and its variable that holds the run folder."""


def write_arrays(result: Record, file: str | Path) -> Path:
    """Write a netCDF file: every decision as `Result.to_xarray` has it, and the run folder within, as an archive.

    Raises InputError where xarray is not installed or a file has the name of a folder, OSError where the disk cannot be written."""
    make_folder(Path(file).parent)
    arrays, packed = result.to_xarray(), io.BytesIO()
    with tempfile.TemporaryDirectory() as place:
        folder = write_run(result, Path(place) / "run")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names_in(folder):
                archive.write(folder / name, name)
    content = np.frombuffer(packed.getvalue(), dtype=np.int8)
    arrays[WITHIN] = (f"{WITHIN}_byte", content, {"long_name": "the run folder, a ZIP archive"})
    with whole_file(Path(file)) as written:
        written.write(bytes(arrays.to_netcdf(engine="scipy")))
    return Path(file)


def _of_arrays(file: Path, kind: type[R]) -> R:
    """What `write_arrays` wrote. Raises InputError as `Result.load`."""
    try:
        import xarray as xr
    except ImportError:
        raise missing_part("Result.load", "xarray", "arrays") from None
    with tempfile.TemporaryDirectory() as place:
        try:
            with xr.open_dataset(file, engine="scipy") as arrays:
                content = arrays[WITHIN].to_numpy().astype(np.int8).tobytes()
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(place)
        except Exception as error:  # whatever xarray, scipy, zipfile and zlib raise for another or a damaged file
            expected = "a netCDF file that `Result.save` wrote"
            raise InputError([Fault(str(file), "", "", f"{type(error).__name__}: {error}", expected)]) from None
        return load_run(place, kind)


def load_run(folder: str | Path, kind: type[R]) -> R:
    """Open a run folder, or a netCDF file with one in it. kind: of what comes back. Raises as `Result.load`."""
    if Path(folder).suffix == ARRAYS and not Path(folder).is_dir():
        return _of_arrays(Path(folder), kind)
    result, _, faults = open_run(folder, kind)
    if faults:
        raise InputError(faults)
    return result


def open_run(folder: str | Path, kind: type[R]) -> tuple[R, Mapping[str, Any], list[Fault]]:
    """(result, manifest, why that is not what was written) of a run folder, whatever its manifest claims, if only its files are
    those that the manifest lists and can be read.

    Raises InputError with every fault that is found."""
    folder = Path(folder)
    text, stated = read_manifest(folder)
    try:
        return _opened(folder, text, stated, kind)
    finally:  # whatever was read or was not there, it may be due to a writer who came in between
        if not _stands(folder, text):
            expected = "a run that stays: read it again"
            raise InputError([Fault(str(folder), "", "", "a run written anew while it was read", expected)])


def _stands(folder: Path, text: str) -> bool:
    """Whether the manifest is the one that was read: whoever writes takes it away before anything else."""
    try:
        return (folder / MANIFEST).read_bytes() == text.encode()
    except OSError:
        return False


def _opened(
    folder: Path, text: str, stated: Mapping[str, Any], kind: type[R]
) -> tuple[R, Mapping[str, Any], list[Fault]]:
    """Open a run folder whose manifest was read before."""
    changed = seal_faults(MANIFEST, stated, text)
    faults = schema_faults(stated) or _file_faults(folder, stated)
    if "why" in stated:
        faults.append(Fault(MANIFEST, "", "outcome", str(stated["why"]), "a run that found a plan"))
    if faults:
        raise InputError([*changed, *faults])
    try:
        decisions = read_decisions(folder / DECISIONS)
        tables = {name: read_table(folder / result_file(name), kinds) for name, kinds in stated["columns"].items()}
        plan = parse_plan(read_json(folder / PLAN)[1], file=PLAN)
        data = load_dataset(folder / "tables")
        result = restored(kind, plan, data, decisions["solution"], decisions["reference"], tables, stated)
    except InputError as error:
        raise InputError([*changed, *error.faults]) from None
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        found = f"{type(error).__name__}: {error}"
        raise InputError([*changed, Fault(str(folder), "", "", found, "a run folder as it was written")]) from None
    return result, stated, changed


def _file_faults(folder: Path, stated: Mapping[str, Any]) -> list[Fault]:
    """Files that are missing, changed, outside the folder, or not of this run."""
    files = stated["files"]
    own = {name: digest for name, digest in files.items() if name not in NOTED}  # which a planner fills in
    faults = [fault for name, digest in own.items() for fault in _faults_of_file(folder, name, digest)]
    found = {name for name in names_in(folder) if not name.startswith(f"{ANALYSES}/")}
    extra = sorted(found - set(files) - set(UNLISTED))
    unlisted = "a file that the manifest does not list"
    faults += [Fault(name, "", "", unlisted, "only files of this run") for name in extra]
    needed = {PLAN, SUMMARY, LOG_FILE, *(f"tables/{name}.csv" for name in stated["input_hashes"])}
    optional = set[str]() if "why" in stated else set(NOTED)
    if "why" not in stated:
        needed |= {DECISIONS, result_file(DICTIONARY), *map(result_file, stated["columns"])}
    missing, foreign = sorted(needed - set(files)), sorted(set(files) - needed - optional)
    faults += [Fault(MANIFEST, "", "files", f"no {name}", "every file of a run") for name in missing]
    return faults + [Fault(MANIFEST, "", "files", repr(name), "files of a run") for name in foreign]


def _faults_of_file(folder: Path, name: str, digest: Any) -> Iterator[Fault]:
    """Whether a file that a manifest lists is there and as it was."""
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            yield Fault(MANIFEST, "", "files", repr(name), "a file inside the run folder")
        elif not path.is_file():
            yield Fault(name, "", "", "no file", "the file that the manifest lists")
        elif digest_of_file(path) != digest:
            yield Fault(name, "", "", "content that differs from the manifest's hash", "the file as it was written")
    except (OSError, ValueError) as error:  # no name that a file can have, or a file that may not be read
        yield Fault(MANIFEST, "", "files", f"{name!r}: {error}", "a file inside the run folder")
