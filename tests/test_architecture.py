"""The structure that the project promises: twenty-one rooms, arrows one way, one room for the solver, small modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from strategic_minerals.model.catalogue import COMPONENTS

PACKAGE = Path(__file__).resolve().parents[1] / "optimizer" / "strategic_minerals"

MAY_IMPORT: dict[str, str] = {
    "core": "",
    "schemas": "core",
    "data": "core schemas",
    "instance": "core schemas data",
    "scenarios": "core schemas data instance",
    "checks": "core schemas data scenarios",
    "finance": "core schemas instance scenarios",
    "formulation": "core schemas instance scenarios finance",
    "model": "core schemas data instance scenarios finance formulation",
    "highs": "core formulation model",
    "decomposition": "core formulation model highs",
    "optimization": "core schemas data scenarios checks formulation model highs decomposition",
    "audit": "core instance scenarios model",
    "results": "core schemas data instance scenarios checks finance formulation model highs optimization audit",
    "api": "core schemas data checks model highs optimization audit results",
    "evaluation": "core schemas data instance scenarios checks finance formulation model highs optimization audit results api",
    "analysis": (
        "core schemas data instance scenarios checks finance formulation "
        "model highs decomposition optimization audit results"
    ),
    "rolling": (
        "core schemas data instance scenarios finance formulation model highs optimization results api evaluation"
    ),
    "report": "core schemas data instance finance formulation model results rolling",
    "service": "core schemas data checks model highs results api evaluation analysis rolling report",
    "cli": "core schemas data highs results api evaluation analysis rolling report service",
}
"""Room -> rooms that it may import, and no other; imports for type checking count."""


def modules() -> dict[str, Path]:
    found = {str(p.relative_to(PACKAGE).with_suffix("")).replace("/", "."): p for p in PACKAGE.rglob("*.py")}
    return {name: path for name, path in found.items() if not name.endswith(("__init__", "__main__"))}


def imports(name: str, path: Path, known: Mapping[str, Path]) -> set[tuple[str, str]]:
    """(module of the package, name) that a module imports anywhere: at its top, for types alone, in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = name.split(".")[: -node.level] if node.level <= len(name.split(".")) else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            found |= {
                (base, alias.name) if base in known else (f"{base}.{alias.name}".strip("."), "") for alias in node.names
            }
    return {(module, what) for module, what in found if module in known}


KNOWN = modules()
ARROWS = {name: imports(name, path, KNOWN) for name, path in KNOWN.items()}


def room(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_module_imports_from_rooms_below_alone(name: str) -> None:
    assert room(name) in MAY_IMPORT, f"{name} has no room"
    allowed = {room(name), *MAY_IMPORT[room(name)].split()}
    assert {module for module, _ in ARROWS[name] if room(module) not in allowed} == set()


def test_rooms_and_files_make_no_circle() -> None:
    """Proves: rooms stand one above the other in the order of the table, and no file imports itself by way of others."""
    order = list(MAY_IMPORT)
    assert len(order) <= 22
    for name, below in MAY_IMPORT.items():
        assert all(order.index(other) < order.index(name) for other in below.split()), name
    left = {name: {module for module, _ in arrows} for name, arrows in ARROWS.items()}
    while free := {name for name, needs in left.items() if not needs & set(left)}:
        left = {name: needs for name, needs in left.items() if name not in free}
    assert left == {}


UPWARDS = {"answer.act_now": "charts"}
"""Module -> the public name through which it reaches a room above, as a user would: `plot` draws with what `report` knows. Such an
import loads when it is called, so that it makes no circle."""


def test_the_public_names_are_used_within_where_that_is_declared_alone() -> None:
    """Proves: no module goes around the table of rooms by way of the package itself, but for those that say so."""
    found = {}
    for name, path in KNOWN.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == len(name.split(".")) and node.module is None:
                names = {alias.name for alias in node.names if not (PACKAGE / alias.name).is_dir()}
                found |= {name: names} if names else {}
            absolute = isinstance(node, ast.ImportFrom) and not node.level and node.module == PACKAGE.name
            plain = isinstance(node, ast.Import) and any(alias.name == PACKAGE.name for alias in node.names)
            if absolute or plain:
                found[name] = {"the package"}
    assert found == {name: {public} for name, public in UPWARDS.items()}


def test_no_arrow_is_allowed_that_nobody_needs() -> None:
    needed = {(room(name), room(module)) for name, arrows in ARROWS.items() for module, _ in arrows}
    idle = {(a, b) for a, below in MAY_IMPORT.items() for b in below.split() if (a, b) not in needed}
    assert idle == set()


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_name_is_imported_from_where_it_is_defined(name: str) -> None:
    defined = {module: definitions(KNOWN[module]) for module, _ in ARROWS[name]}
    assert {(module, what) for module, what in ARROWS[name] if what and what not in defined[module]} == set()


def definitions(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {child.id for target in targets for child in ast.walk(target) if isinstance(child, ast.Name)}
    return found


def test_one_room_names_the_solver() -> None:
    naming = {name for name, path in KNOWN.items() if "highspy" in path.read_text(encoding="utf-8")}
    assert {name for name in naming if room(name) != "highs"} <= {"answer.prices"}  # it only prints its version
    assert "import highspy" not in KNOWN["answer.prices"].read_text(encoding="utf-8")


def test_pyomo_is_written_in_the_formulation_and_handed_out_by_name() -> None:
    writing = {n for n, p in KNOWN.items() if "pyomo" in p.read_text(encoding="utf-8")}
    told = {
        "matrix.template",
        "matrix.assembly",
        "matrix.named",
        "matrix.own",
        "answer.solving",
        "answer.prices",
    }  # compiled, written out by name and read back, its version
    assert {n for n in writing if room(n) != "formulation"} <= told


def test_the_audit_shares_no_computation_with_the_model():
    """Proves: of what the model is built from, the audit sees records and cost-free data alone."""
    forbidden = {"world.producers", "matrix.template", "matrix.assembly"}
    for name in (n for n in KNOWN if room(n) == "audit"):
        found = {module for module, _ in ARROWS[name]}
        assert not {f for f in found if f in forbidden or room(f) in ("formulation", "finance")}, name


def test_what_is_known_to_be_dangerous_is_not_used():
    """Proves R22, R41: HiGHS's scheduler is not reset where there are threads; nothing that a user can change is unpickled."""
    for name, path in KNOWN.items():
        text = path.read_text(encoding="utf-8")
        assert "resetGlobalScheduler" not in text, name
        assert "import pickle" not in text, name
        assert "joblib" not in text, name


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_module_stays_readable(name):
    """Split at about 400 lines; the row schemas and the estimates are lists and may be a little longer."""
    assert len(KNOWN[name].read_text(encoding="utf-8").splitlines()) <= 450


def test_component_names_are_unique_in_their_block():
    keys = [(c.block, c.kind, c.name) for c in COMPONENTS]
    assert len(set(keys)) == len(keys)


def test_help_loads_neither_pyomo_nor_the_solver():
    code = (
        "import sys\nfrom strategic_minerals.cli.main import app\nimport typer.main\ntyper.main.get_command(app)\n"
        "heavy = {'pyomo', 'highspy', 'pandas', 'scipy', 'numpy'} & set(sys.modules)\nsys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
