"""How the rooms of the package depend on one another: one way, in files that can be read, the audit apart from the model."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


def house() -> ModuleType:
    """The counter of the house."""
    spec = importlib.util.spec_from_file_location("house", ROOT / ".ci" / "house.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module
    spec.loader.exec_module(module)
    return module


def arrows(at_once: bool) -> dict[str, set[str]]:
    """Module -> modules that it imports."""
    counter = house()
    known = counter.modules()
    return {
        name: set(counter.imports(name, ast.parse(path.read_text(encoding="utf-8")), known, at_once=at_once)) - {name}
        for name, path in known.items()
    }


@pytest.mark.long
def test_arrows_run_one_way_and_in_no_circles() -> None:
    """Proves: no room imports one above it, lazily or for types either; no modules import one another in a circle."""
    assert house().arrows_up() == []
    assert house().circles(arrows(at_once=True)) == []


@pytest.mark.long
def test_the_audit_shares_nothing_with_the_model() -> None:
    """Proves: the second evaluator imports neither the model, nor what support costs, nor any solver; of the matrix alone the
    question and the solution."""
    matrix = {"matrix.problem", "matrix.solution"}
    world = {"world.packages", "world.owners", "world.producers"}
    wrong = {
        f"{name} imports {other}"
        for name, others in arrows(at_once=False).items()
        if name.startswith("audit.")
        for other in others
        if other in world or other.split(".")[0] in ("matrix", "model", "solver", "answer", "studies")
        if other not in matrix
    }
    assert wrong == set()
