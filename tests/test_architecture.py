"""The structure that the project promises: arrows one way, one room for the solver, small modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from strategic_minerals.components import COMPONENTS
from strategic_minerals.formulation import branch, commitments, period

PACKAGE = Path(__file__).resolve().parents[1] / "optimizer" / "strategic_minerals"
LAYERS = [
    {"units"},
    {"errors", "components", "library", "frames", "meanings", "meant_numbers",
     "meant_shapes", "names", "files", "places", "plan_lines", "atomic"},
    {"row_types", "one_writer"},
    {"fact_rows", "project_rows"},
    {"rows", "plan"},
    {"dataset", "csv_table", "plan_file", "plan_syntax", "workbook_guard", "workbook_plan", "validation"},
    {"axes"},
    {"calibration"},
    {"estimates"},
    {"instance", "deflate"},
    {"menu", "price_support", "scaling"},
    {"align"},
    {"strikes"},
    {"worlds", "sampling", "references", "plausibility"},
    {"plausibility_figures", "plausibility_pools", "plausibility_columns", "plausibility_words"},
    {"plausibility_notes", "plausibility_published"},
    {"plausibility_facts"},
    {"plausibility_plan", "idle"},
    {"doubtful", "unused"},
    {"checks"},
    {"reduction", "promises"},
    {"disruptions"},
    {"floor_money", "outlook", "unread"},
    {"market_support"},
    {"owners"},
    {"support"},
    {"items"},
    {"review", "commitment_money"},
    {"layout"},
    {"aims"},
    {"formulation.branch", "formulation.period", "formulation.risk"},
    {"formulation.commitments"},
    {"compile", "stamp_data"},
    {"assembly"},
    {"formulation.model", "stamp", "highs"},
    {"solver_units"},
    {"solver", "solution"},
    {"profile", "warm", "workforce", "clusters", "cuts", "canonical"},
    {"decompose", "rounds", "branching", "errands"},
    {"reuse", "origins"},
    {"problem"},
    {"infeasibility", "carry", "forcing", "demands", "explain_figures", "standing", "intervals"},
    {"stages"},
    {"optimize"},
    {"session"},
    {"figures"},
    {"audit", "audit_facts", "audit_money", "audit_operations", "audit_statements", "prices", "tables"},
    {"recourse"},
    {"myopic"},
    {"basis"},
    {"summary", "result"},
    {"stress", "reverse", "journal", "price_words", "diagnosis", "break_even"},
    {"switch_words"},
    {"sweeps", "reasons", "designs"},
    {"sweep_file", "tradeoff", "near_optimal", "completeness"},
    {"information", "rules_of_thumb"},
    {"worth", "bounds"},
    {"manifest", "run_contents"},
    {"study_files"},
    {"runfolder"},
    {"recomputation"},
    {"verification"},
    {"api", "documentation"},
    {"report.facts", "report.policy", "report.compared", "doctor", "workbook", "parquet"},
    {"report.charts", "question"},
    {"report.studies"},
    {"report.page"},
    {"cli_base", "cli_words"},
    {"service.wording"},
    {"service.records", "service.problems", "service.settings", "service.client", "service.migrations", "service.trouble"},
    {"service.files", "service.addresses"},
    {"service.base_store", "service.messages", "service.connections", "service.readiness", "service.progress"},
    {"service.token_store", "service.reading", "service.described", "service.studies"},
    {"service.queue_store", "service.questions"},
    {"service.kinds"},
    {"service.child"},
    {"service.store"},
    {"service.databases", "service.runners", "service.security", "service.metrics"},
    {"service.gate", "service.retention", "service.submission", "service.answers"},
    {"service.dispatcher", "service.forms"},
    {"service.routes", "service.results"},
    {"service.web"},
    {"service.app"},
    {"cli_analyses", "cli_report", "cli_sensitivity", "cli_service"},
    {"cli"},
]
"""From the ground up: a module imports from its own layer or from lower ones."""


def modules() -> dict[str, Path]:
    found = {str(p.relative_to(PACKAGE).with_suffix("")).replace("/", "."): p for p in PACKAGE.rglob("*.py")}
    return {name: path for name, path in found.items() if not name.endswith("__init__")}


def imports(name: str, path: Path) -> set[str]:
    """Modules of the package that a module imports while it is loaded; type-checking imports do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        child for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }  # fmt: skip
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in guarded:
            parts = name.split(".")[: -node.level] if node.level <= len(name.split(".")) else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            found |= {base} if base in modules() else {f"{base}.{alias.name}".strip(".") for alias in node.names}
    return found & set(modules())


@pytest.mark.parametrize("name", sorted(modules()))
def test_arrows_point_one_way(name):
    level = {module: n for n, layer in enumerate(LAYERS) for module in layer}
    assert name in level, f"{name} has no layer"
    wrong = {other for other in imports(name, modules()[name]) if level[other] > level[name]}
    assert not wrong


def test_only_two_modules_name_the_solver():
    naming = {name for name, path in modules().items() if "highspy" in path.read_text(encoding="utf-8")}
    assert naming <= {"highs", "solver", "result"}  # result only prints its version
    assert "import highspy" not in modules()["result"].read_text(encoding="utf-8")


def test_pyomo_is_written_in_the_formulation_alone():
    writing = {n for n, p in modules().items() if "pyomo" in p.read_text(encoding="utf-8")}
    assert {n for n in writing if not n.startswith("formulation.")} <= {"compile", "stamp", "api", "result"}


def test_the_audit_shares_no_computation_with_the_model():
    forbidden = {"support", "market_support", "floor_money", "price_support", "compile", "stamp", "stamp_data"}
    for name in (n for n in modules() if n.startswith("audit")):
        found = imports(name, modules()[name])
        assert not {f for f in found if f in forbidden or f.startswith("formulation")}, name


def test_what_is_known_to_be_dangerous_is_not_used():
    """Proves R22, R41: HiGHS's scheduler is not reset where there are threads; nothing that a user can change is unpickled."""
    for name, path in modules().items():
        text = path.read_text(encoding="utf-8")
        assert "resetGlobalScheduler" not in text, name
        assert "import pickle" not in text, name
        assert "joblib" not in text, name


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_stays_readable(name):
    """Split at about 400 lines; the row schemas and the estimates are lists and may be a little longer."""
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= 450


def test_component_names_are_unique_in_their_block():
    keys = [(c.block, c.kind, c.name) for c in COMPONENTS]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("block", "module"), [("commitments", commitments), ("period", period), ("branch", branch)])
def test_every_param_is_declared(block, module):
    """Proves: the table that the formulation page shows has the mutable Params of each block, all of them and no other."""
    declared = {c.name for c in COMPONENTS if (c.kind, c.block) == ("parameter", block)}
    assert declared == set(module.PARAMS)


def test_help_loads_neither_pyomo_nor_the_solver():
    code = (
        "import sys\nfrom strategic_minerals.cli import app\nimport typer.main\ntyper.main.get_command(app)\n"
        "heavy = {'pyomo', 'highspy', 'pandas', 'scipy', 'numpy'} & set(sys.modules)\nsys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
