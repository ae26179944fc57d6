"""The structure that the project promises: arrows one way, one room for the solver, small modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from strategic_minerals.formulation import branch, commitments
from strategic_minerals.formulation import operations as period
from strategic_minerals.formulation.catalogue import COMPONENTS

PACKAGE = Path(__file__).resolve().parents[1] / "optimizer" / "strategic_minerals"
LAYERS = [
    {"core.units"},
    {"core.errors", "formulation.catalogue", "core.shipped", "core.frames", "schemas.descriptions", "core.meant_numbers",
     "core.meant_shapes", "core.names", "core.bounded_files", "data.workbook_places", "data.plan_lines", "core.atomic_files"},
    {"schemas.base", "core.folder_lock"},
    {"schemas.fact_tables", "schemas.project_tables"},
    {"schemas.tables", "schemas.plan"},
    {"data.dataset", "data.csv_shape", "data.plan_file", "data.plan_syntax", "data.workbook_limits", "data.workbook_plan", "data.row_checks"},
    {"data.addresses"},
    {"data.calibration"},
    {"data.estimates"},
    {"instance.instance", "data.deflation"},
    {"instance.instruments", "instance.producer_economics", "instance.scaling"},
    {"instance.build"},
    {"scenarios.events"},
    {"scenarios.scenario_set", "scenarios.sampling", "data.references", "checks.compare"},
    {"checks.figures", "checks.pools", "checks.columns", "checks.words"},
    {"checks.noted_functions", "checks.published"},
    {"checks.facts"},
    {"checks.plan_sizes", "checks.idle"},
    {"checks.doubtful", "checks.unused"},
    {"checks.consistency"},
    {"scenarios.reduction", "scenarios.promises"},
    {"scenarios.build"},
    {"finance.floor_costs", "evaluation.scenario_outlook", "analysis.unread"},
    {"finance.market_floors"},
    {"finance.owner_value"},
    {"finance.packages"},
    {"finance.items"},
    {"results.notes", "finance.commitment_costs"},
    {"formulation.structure"},
    {"formulation.aims"},
    {"formulation.branch", "formulation.operations", "formulation.scenario"},
    {"formulation.commitments"},
    {"model.template", "formulation.parameters"},
    {"model.assembly"},
    {"formulation.flat", "model.instantiate", "highs.runtime"},
    {"highs.units"},
    {"highs.solver", "model.solution"},
    {"core.timing", "highs.basis", "core.parallel", "decomposition.subproblems", "decomposition.master", "optimization.reference_ties"},
    {"decomposition.evaluator", "decomposition.search", "decomposition.branch_and_bound", "decomposition.remote"},
    {"model.reuse", "model.origins"},
    {"model.problem"},
    {"optimization.infeasibility", "highs.basis_transfer", "model.decisions", "analysis.requirements", "analysis.explain_figures", "analysis.standing", "analysis.intervals"},
    {"optimization.stages"},
    {"optimization.optimise"},
    {"optimization.session"},
    {"audit.figures"},
    {"audit.audit", "audit.scenario_data", "audit.accounts", "audit.operations", "audit.statements", "results.prices", "results.tables"},
    {"evaluation.recourse"},
    {"evaluation.myopic"},
    {"results.evidence"},
    {"results.summary", "results.result"},
    {"evaluation.stress_test", "evaluation.reverse_stress", "analysis.checkpoint", "analysis.price_ranging", "analysis.diagnosis", "analysis.break_even"},
    {"analysis.switch_words"},
    {"analysis.sweep", "analysis.explain", "analysis.designs"},
    {"analysis.sweep_file", "analysis.frontier", "analysis.alternatives", "analysis.completeness"},
    {"evaluation.wait_and_see", "evaluation.rules_of_thumb"},
    {"evaluation.value_of_planning", "evaluation.sampling_gap"},
    {"results.manifest", "results.run_contents"},
    {"results.study_files"},
    {"results.run_folder"},
    {"results.recomputation"},
    {"api.verification"},
    {"api.checking", "report.reference_pages"},
    {"report.figure_data", "report.content_policy", "report.comparison", "cli.doctor", "data.workbook", "results.exports"},
    {"report.charts", "data.load"},
    {"report.study_charts"},
    {"report.page"},
    {"cli.common", "cli.words"},
    {"service.wording"},
    {"service.entities", "service.problem_details", "service.settings", "service.client", "service.migrations", "service.trouble"},
    {"service.job_folder", "service.addresses"},
    {"service.base_store", "service.api_schemas", "service.connections", "service.readiness", "service.progress"},
    {"service.token_store", "service.reading", "service.described", "service.studies"},
    {"service.queue_store", "service.questions"},
    {"service.kinds"},
    {"service.worker"},
    {"service.store"},
    {"service.databases", "service.job_runners", "service.authentication", "service.metrics"},
    {"service.gate", "service.retention", "service.submission", "service.dependencies"},
    {"service.dispatcher", "service.forms"},
    {"service.routes", "service.results"},
    {"service.web"},
    {"service.app"},
    {"cli.evaluation", "cli.report", "cli.analysis", "cli.service"},
    {"cli.main"},
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
    assert naming <= {"highs.runtime", "highs.solver", "results.result"}  # result only prints its version
    assert "import highspy" not in modules()["results.result"].read_text(encoding="utf-8")


def test_pyomo_is_written_in_the_formulation_alone():
    writing = {n for n, p in modules().items() if "pyomo" in p.read_text(encoding="utf-8")}
    assert {n for n in writing if not n.startswith("formulation.")} <= {"model.template", "model.instantiate", "api.checking", "results.result"}


def test_the_audit_shares_no_computation_with_the_model():
    forbidden = {"finance.packages", "finance.market_floors", "finance.floor_costs", "instance.producer_economics", "model.template", "model.instantiate", "formulation.parameters"}
    for name in (n for n in modules() if n.startswith("audit.audit")):
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
        "import sys\nfrom strategic_minerals.cli.main import app\nimport typer.main\ntyper.main.get_command(app)\n"
        "heavy = {'pyomo', 'highspy', 'pandas', 'scipy', 'numpy'} & set(sys.modules)\nsys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
