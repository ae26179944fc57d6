"""What the source and binary packages contain, looked at by name: python contents.py FOLDER.

Raises where a package lacks what it should have, or has what it should not."""

from __future__ import annotations

import ast
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
NEVER = ("__pycache__", ".git", ".venv", "runs")
ASIDE = ("models/backtest-2022/", "models/panel/", "inputs/build/")
"""Two studies and a maintainers' tool: the source package has them, and the wheel has not."""


def here(*places: str) -> set[str]:
    """Files of the checkout, by their paths from its root."""
    found = {path.relative_to(ROOT).as_posix() for place in places for path in ROOT.glob(place) if path.is_file()}
    return {name for name in found if not set(PurePosixPath(name).parts) & set(NEVER)}


def wanted_in_wheel() -> set[str]:
    """The package with its READMEs and the page's files; plans and tables inside it."""
    package = {name.removeprefix("optimizer/") for name in here("optimizer/strategic_minerals/**/*")}
    shipped = {name for name in here("models/**/*", "inputs/**/*") if not name.startswith(ASIDE)}
    return package | {f"strategic_minerals/shipped_files/{name}" for name in shipped}


def wanted_in_sdist() -> set[str]:
    """Everything that building, testing and reading take."""
    single = here("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
    return single | here("optimizer/**/*", "models/**/*", "inputs/**/*", "tests/**/*", ".github/**/*", ".ci/*")


def compare(what: str, wanted: set[str], found: set[str]) -> None:
    """Raise SystemExit where a package differs from what it should be."""
    lacking = sorted(wanted - found)
    aside = tuple(f"strategic_minerals/shipped_files/{place}" for place in ASIDE)
    wrong = sorted(name for name in found if set(PurePosixPath(name).parts) & set(NEVER) or name.startswith(aside))
    if lacking or wrong:
        raise SystemExit(f"{what}: lacks {lacking}; should not have {wrong}")
    sys.stdout.write(f"{what}: {len(found)} files, all that there should be\n")


def public_names() -> set[str]:
    """Public names of the package, as its stub lists them."""
    stub = ast.parse((ROOT / "optimizer/strategic_minerals/__init__.pyi").read_text())
    return {one.name for line in stub.body if isinstance(line, ast.ImportFrom) for one in line.names}


def main() -> None:
    """Look at the one wheel and the one source package of a folder."""
    (wheel,) = Path(sys.argv[1]).glob("*.whl")
    (sdist,) = Path(sys.argv[1]).glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    compare(wheel.name, wanted_in_wheel(), names)
    folders = {PurePosixPath(name).parts[1] for name in names if name.count("/") > 1}
    hidden = folders & public_names()
    if hidden:
        raise SystemExit(f"{wheel.name}: folders {sorted(hidden)} would hide public names once they are imported")
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    compare(sdist.name, wanted_in_sdist(), members)


if __name__ == "__main__":
    main()
