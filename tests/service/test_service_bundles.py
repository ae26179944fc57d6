"""ZIPs that callers send: what they may hold, and that none of them fills a disk or writes elsewhere."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from strategic_minerals.service.bundles import names_in, unbundled

from strategic_minerals import InputError
from strategic_minerals.service import bundles


def bundle(place: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = place / "files.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_folder_around_all_files_is_left_out(tmp_path: Path) -> None:
    """Proves: a folder that was packed as a whole gives its files; one called `tables` stays, and so do several."""
    one = bundle(tmp_path, ("e/a.csv", b"1"), ("e/tables/b.csv", b"2"), ("e/", b""))
    assert unbundled(one, tmp_path / "one") == ["a.csv", "tables/b.csv"]
    assert (tmp_path / "one" / "tables" / "b.csv").read_bytes() == b"2"
    assert names_in(bundle(tmp_path, ("tables/a.csv", b"1"), ("tables/b.csv", b"2"))) == [
        "tables/a.csv",
        "tables/b.csv",
    ]
    assert names_in(bundle(tmp_path, ("x/a.csv", b"1"), ("y/a.csv", b"2"))) == ["x/a.csv", "y/a.csv"]


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", "C:\\x", "a\\b", "c:x", "x" * 201, "line\nend", "nul\x01"]
)
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    """Proves: nothing is written for a name outside, of another system, or that a terminal would take for a command."""
    with pytest.raises(InputError, match="file name"):
        unbundled(bundle(tmp_path, ("a.csv", b"1"), (name, b"2")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_names_twice_and_nothing_are_refused(tmp_path: Path) -> None:
    """Proves: a link, two files of one name (also where capitals alone differ), an empty ZIP, and what is none."""
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for members, said in (
        ([(link, b"/etc/passwd")], "a link"),
        ([("a.csv", b"1"), ("A.csv", b"2")], "same name"),
        ([], "no files"),
    ):
        with pytest.raises(InputError, match=said):
            names_in(bundle(tmp_path, *members))
    (tmp_path / "none.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match="no ZIP"):
        names_in(tmp_path / "none.zip")


def test_what_grows_when_it_is_unpacked_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: sizes that are stated, and sizes that come although others are stated, end at the limit; so do many files."""
    monkeypatch.setattr(bundles, "MOST_BYTES", 2**20)
    big = bundle(tmp_path, ("big.csv", b"0" * 2**21))
    with pytest.raises(InputError, match="larger unpacked"):
        names_in(big)
    with pytest.raises(InputError, match="larger unpacked"), zipfile.ZipFile(big) as archive:
        bundles._written(archive, "big.csv", tmp_path / "x", 2**20)
    assert (tmp_path / "x").stat().st_size <= 2**20
    monkeypatch.setattr(bundles, "MOST_FILES", 3)
    with pytest.raises(InputError, match="4 files"):
        names_in(bundle(tmp_path, *((f"{n}.csv", b"1") for n in range(4))))


def test_a_file_that_is_damaged_inside_is_told(tmp_path: Path) -> None:
    """Proves: a member whose bytes were changed is a fault, not an error of the service."""
    path = bundle(tmp_path, ("a.csv", b"some text that is packed" * 50))
    content = bytearray(path.read_bytes())
    content[40:48] = b"\xff" * 8
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be unpacked"):
        unbundled(path, tmp_path / "out")
