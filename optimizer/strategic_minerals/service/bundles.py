"""Files that came as one ZIP: what it may hold, and how it is taken apart within limits."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..core.errors import Fault, InputError

BUNDLE = "files.zip"
MOST_FILES = 500
MOST_BYTES = 200 * 2**20
"""Of all files together, unpacked."""
PIECE_BYTES = 1 << 20
EXPECTED = "a ZIP with the files, as the service's README says"


def names_in(path: Path) -> list[str]:
    """Names of the files in a ZIP, without a folder that holds all of them. Raises InputError with every fault."""
    with _opened(path) as archive:
        return sorted(_places(archive).values())


def unbundled(path: Path, target: Path) -> list[str]:
    """Write the files of a ZIP below a folder that is made; their names. Raises InputError, and OSError where the disk is full."""
    with _opened(path) as archive:
        places = _places(archive)
        left = MOST_BYTES
        for name, inside in places.items():
            file = target / inside
            file.parent.mkdir(parents=True, exist_ok=True)
            left = _written(archive, name, file, left)
    return sorted(places.values())


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise InputError([Fault("files", "", "", "no ZIP, or one that is damaged", EXPECTED)]) from None


def _places(archive: zipfile.ZipFile) -> dict[str, str]:
    """Name in the archive -> place below the folder. Raises InputError."""
    members = [item for item in archive.infolist() if not item.is_dir()]
    faults = [fault for item in members[: MOST_FILES + 1] for fault in _odd(item)]
    if len(members) > MOST_FILES:
        faults.append(Fault("files", "", "", f"{len(members):,} files", f"at most {MOST_FILES:,}"))
    if sum(item.file_size for item in members) > MOST_BYTES:
        faults.append(Fault("files", "", "", "files that are larger unpacked", f"at most {MOST_BYTES // 2**20:,} MiB"))
    if not members:
        faults.append(Fault("files", "", "", "no files", EXPECTED))
    names = [item.filename for item in members]
    if len({name.casefold() for name in names}) < len(names):
        faults.append(Fault("files", "", "", "two files of the same name", "each file once"))
    if faults:
        raise InputError(faults)
    parts = [PurePosixPath(name).parts for name in names]
    outer = all(len(each) > 1 and each[0] == parts[0][0] for each in parts) and parts[0][0] != "tables"
    return {name: PurePosixPath(*each[1 if outer else 0 :]).as_posix() for name, each in zip(names, parts, strict=True)}


def _odd(item: zipfile.ZipInfo) -> Iterator[Fault]:
    """What no file of a bundle is."""
    name = PurePosixPath(item.filename)
    odd = name.is_absolute() or ".." in name.parts or "\\" in item.filename or ":" in item.filename
    if odd or not item.filename.isprintable() or len(item.filename) > 200:
        yield Fault(
            "files", "", "file name", repr(item.filename[:100]), "a name within the ZIP, such as tables/offers.csv"
        )
    if stat.S_ISLNK(item.external_attr >> 16):
        yield Fault("files", "", item.filename[:100], "a link", "a file")
    if item.flag_bits & 1:
        yield Fault("files", "", item.filename[:100], "an encrypted file", "a file without a password")


def _written(archive: zipfile.ZipFile, name: str, file: Path, left: int) -> int:
    """Unpack one file, whatever size it states; bytes that may still come. Raises InputError."""
    try:
        with archive.open(name) as source, file.open("wb") as target:
            while piece := source.read(PIECE_BYTES):
                left -= len(piece)
                if left < 0:
                    most = f"at most {MOST_BYTES // 2**20:,} MiB"
                    raise InputError([Fault("files", "", "", "files that are larger unpacked", most)])
                target.write(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise InputError([Fault("files", "", name[:100], "a file that cannot be unpacked", EXPECTED)]) from None
    return left
