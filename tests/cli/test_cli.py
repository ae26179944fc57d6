"""The command line: every verb, every exit code, messages that say what to do, nothing else on the screen."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import ENTRY, PATIENCE_S, Cli, environment
from strategic_minerals import Plan, load_dataset, load_plan, load_result, shipped
from strategic_minerals.cli import common as cli_base
from strategic_minerals.cli import main as cli
from strategic_minerals.question.tables import TABLES
from strategic_minerals.solver import highs as solver
from support.documents import ASKING, text


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory, command: Cli) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run folder of the quickstart, and what the command said, as a process of its own."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    return folder, command("solve", "quickstart", "--out", folder)


def written(folder: Path, change: str = "", *, name: str = "plan.toml") -> Path:
    """The shipped quickstart with lines added at the end."""
    file = folder / name
    file.write_text(
        (shipped("models") / "quickstart.toml").read_text(encoding="utf-8") + "\n" + change, encoding="utf-8"
    )
    return file


PROMISE = """
[[scenarios]]
name = "worst"
probability = 0.01
design_basis = true
[[scenarios.events]]
hazard = "ga_ge_sb_ban"
start_year = 2028.0
duration_years = 2.0
""" + "".join(
    f"""
[[service_levels]]
material = "antimony"
segment = "{segment}"
level = 1.0
scenarios = ["worst"]
"""
    for segment in ("defence", "essential", "other")
)
"""All antimony that anybody wants, through a ban; without money it cannot be kept."""


# --- 0: verbs that work -------------------------------------------------------------------------------------


def test_help_names_every_verb(cli: Cli) -> None:
    """Proves: `--help` ends with 0 and lists init, check, solve, verify and schema, each with a line of help."""
    said = cli("--help")
    assert said.returncode == 0
    for verb in ("init", "check", "solve", "verify", "schema"):
        assert re.search(rf"\b{verb}\b +\w+ \w+", said.stdout)


def test_init_writes_a_plan_that_checks_and_is_independent_of_the_installation(tmp_path: Path, cli: Cli) -> None:
    """Proves: init writes plan and tables; check finds them right; the tables beside the plan are the ones used: a
    misspelt column there is found."""
    said = cli("init", tmp_path / "mine")
    assert said.returncode == 0
    assert "strategic-minerals check" in said.stdout
    assert load_plan(tmp_path / "mine" / "plan.toml") == load_plan(shipped("models") / "quickstart.toml")
    assert load_dataset(tmp_path / "mine" / "tables").hashes() == load_dataset(shipped("inputs")).hashes()
    right = cli("check", tmp_path / "mine" / "plan.toml")
    assert right.returncode == 0
    assert "no fault" in right.stdout
    table = tmp_path / "mine" / "tables" / "prices.csv"
    table.write_text(
        table.read_text(encoding="utf-8").replace("price_usd_per_kg,", "price_usd_per_kgg,", 1), encoding="utf-8"
    )
    wrong = cli("check", tmp_path / "mine" / "plan.toml")
    assert wrong.returncode == 2
    assert "prices.csv:1" in wrong.stderr
    assert "did you mean 'price_usd_per_kg'" in wrong.stderr


def test_init_of_several_homes_writes_a_folder_for_each(tmp_path: Path, cli: Cli) -> None:
    """Proves: the plan is checked with the tables of all its members, which no workbook holds."""
    assert cli("init", tmp_path / "mine", "--plan", "allies").returncode == 0
    assert {path.name for path in (tmp_path / "mine" / "tables" / "homes").iterdir()} >= {"USA", "JPN", "EUU", "KOR"}
    assert cli("check", tmp_path / "mine").returncode == 0
    refused = cli("init", tmp_path / "book", "--plan", "allies", "--excel")
    assert refused.returncode == 2
    assert "a workbook holds the tables of one" in refused.stderr


def test_init_does_not_write_over_anything(tmp_path: Path, cli: Cli) -> None:
    """Proves: a folder with files in it, and a plan that is not shipped, are exit 2; the file there is untouched."""
    (tmp_path / "kept.txt").write_text("mine", encoding="utf-8")
    assert cli("init", tmp_path).returncode == 2
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]
    unknown = cli("init", tmp_path / "new", "--plan", "quikstart")
    assert unknown.returncode == 2
    assert "did you mean 'quickstart'" in unknown.stderr
    assert not (tmp_path / "new").exists()


def test_schema_is_json_with_every_field_explained(cli: Cli) -> None:
    """Proves: the plan's schema is JSON Schema whose top-level fields are those of a plan; a table's has its columns;
    an unknown table is exit 2 with a suggestion."""
    said = cli("schema")
    assert said.returncode == 0
    schema = json.loads(said.stdout)
    assert set(schema["properties"]) == set(Plan.model_fields)
    assert "description" in schema["properties"]["loss_function"]
    rows = cli("schema", "prices")
    assert set(json.loads(rows.stdout)["properties"]) == set(TABLES["prices"].model_fields)
    unknown = cli("schema", "prise")
    assert unknown.returncode == 2
    assert "did you mean 'prices'" in unknown.stderr


def test_check_tells_facts_from_estimates_and_shows_ranges(cli: Cli) -> None:
    """Proves: check counts reported rows and estimates; --ranges shows smallest, median and largest of each column, where
    a unit slip sticks out."""
    said = cli("check", "quickstart", "--ranges")
    assert said.returncode == 0
    assert re.search(r"no fault\. \d+ reported or derived rows, \d+ estimates", said.stdout)
    assert re.search(r"prices\.price_usd_per_kg: [\d.e+-]+, [\d.e+-]+, [\d.e+-]+", said.stdout)


def test_solve_answers_in_words_and_writes_a_run_folder(solved: tuple[Path, Any]) -> None:
    """Proves: solve ends with 0, prints the verdict with its gap and loss function, and writes a folder that opens to
    the same summary."""
    folder, said = solved
    assert said.returncode == 0, said.stderr
    assert "Proven best in its scenarios, within 0.00%" in said.stdout
    assert "usgs_2025" in said.stdout
    result = load_result(folder)
    assert result.summary().strip() in said.stdout
    assert (folder / "results" / "acquisitions.csv").is_file()
    assert (folder / "summary.txt").read_text(encoding="utf-8").strip() == result.summary().strip()


def test_nothing_else_is_printed_where_no_terminal_is(solved: tuple[Path, Any]) -> None:
    """Proves: stdout begins with the plan's title (no banner of the solver), stderr is empty (no progress line), and no
    escape codes are in either."""
    _, said = solved
    title = load_plan(shipped("models") / "quickstart.toml").title
    assert said.stdout.splitlines()[0] == title
    assert said.stderr == ""
    assert "\x1b" not in said.stdout
    assert "HiGHS 1" not in said.stdout.split("EVIDENCE")[0]


def test_years_are_whole_numbers_in_the_summary(solved: tuple[Path, Any]) -> None:
    """Proves: fiscal years read FY2027, never FY2027.0."""
    assert re.search(r"FY20\d\d", solved[1].stdout)
    assert not re.search(r"FY20\d\d\.0", solved[1].stdout)


def test_relax_says_that_it_is_a_bound_and_no_plan(cli: Cli, tmp_path: Path, solved: tuple[Path, Any]) -> None:
    """Proves: --relax prints LINEAR RELAXATION, gives no BUY or SIGN list, and is marked in the folder; its worth is
    no less than the plan's."""
    said = cli("solve", "quickstart", "--relax", "--out", tmp_path / "run")
    assert said.returncode == 0
    assert "LINEAR RELAXATION: a bound" in said.stdout
    assert "not a plan to carry out" in said.stdout
    relaxed, whole = load_result(tmp_path / "run"), load_result(solved[0])
    assert relaxed.outcome.relaxed
    assert relaxed.prices.empty
    assert relaxed.outcome.objective_musd is not None
    assert whole.outcome.best_bound_musd is not None
    assert relaxed.outcome.objective_musd <= whole.outcome.objective_musd + 1e-6  # type: ignore[operator]


def test_set_changes_a_field_and_is_kept_in_the_folder(cli: Cli, tmp_path: Path) -> None:
    """Proves: --set takes numbers, texts and lists by dotted path; the run folder holds the plan as it was solved."""
    said = cli(
        "solve",
        "quickstart",
        "--set",
        "budget.appropriation_musd=12.5",
        "--set",
        "title=Small money",
        "--set",
        'materials=["gallium"]',
        "--set",
        "scenarios.0.probability=0.2",
        "--out",
        tmp_path / "run",
    )
    assert said.returncode == 0, said.stderr
    plan = load_result(tmp_path / "run").plan
    assert plan.budget.appropriation_musd == 12.5
    assert plan.title == "Small money"
    assert plan.materials == ("gallium",)
    assert plan.scenarios[0].probability == 0.2
    assert said.stdout.startswith("Small money")


# --- 2: wrong input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["solve", "nowhere.toml"], "nowhere.toml"),
        (["solve"], "Missing argument"),
        (["dance"], "No such command"),
        (["solve", "quickstart", "--gapp", "0.1"], "No such option"),
        (["solve", "quickstart", "--gap", "2"], "--gap  found 2.0; expected less than 1"),
        (["solve", "quickstart", "--gap", "nan"], "--gap  found nan; expected less than 1"),
        (["solve", "quickstart", "--time-limit", "0.001"], "--time-limit  found '0.001'; expected at least 1"),
        (["solve", "quickstart", "--time-limit", "inf"], "--time-limit  found 'inf'; expected at most 1000000000"),
        (["solve", "quickstart", "--gap", "x"], "--gap"),
        (["solve", "quickstart", "--set", "budget"], "one line key=value"),
        (["solve", "quickstart", "--set", "budgett.x=1"], "did you mean 'budget'"),
        (["solve", "quickstart", "--set", "scenarios.9.probability=1"], "no such field or entry"),
        (["solve", "quickstart", "--set", "budget.appropriation_musd=lots"], "budget.appropriation_musd"),
        (["solve", "quickstart", "--set", "loss_function=usgs"], "a loss function of loss_functions.csv"),
        (["solve", "quickstart", "--set", "scenarios.0.events.0.start_year=2050"], "second period"),
        (["solve", "quickstart", "--tables", "/nowhere"], "a folder of tables"),
        (["check", "nowhere.toml"], "nowhere.toml"),
        (["verify", "/nowhere"], "a finished run folder"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_wrong_command_or_plan_is_exit_2_and_says_what_was_expected(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves: faults of the command line, the plan and the tables: exit 2, the reason on stderr, no traceback, nothing
    on stdout."""
    monkeypatch.setattr(sys, "argv", ["strategic-minerals", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert stop.value.code == 2, err
    assert said in err
    assert "Traceback" not in err
    assert out == ""


def test_faults_of_plan_and_tables_come_together(tmp_path: Path, cli: Cli) -> None:
    """Proves: check lists the plan's and the tables' faults in one run, each with file and line."""
    cli("init", tmp_path / "mine")
    plan, table = tmp_path / "mine" / "plan.toml", tmp_path / "mine" / "tables" / "countries.csv"
    plan.write_text(plan.read_text(encoding="utf-8") + "\n[risk]\nalfa = 0.5\n", encoding="utf-8")
    table.write_text(table.read_text(encoding="utf-8").replace(",ally,", ",friend,", 1), encoding="utf-8")
    line = next(n for n, row in enumerate(plan.read_text(encoding="utf-8").splitlines(), 1) if row.startswith("alfa"))
    said = cli("check", plan)
    assert said.returncode == 2
    assert "2 faults" in said.stderr
    assert f"plan.toml:{line}" in said.stderr
    assert "did you mean 'alpha'" in said.stderr
    assert "countries.csv:" in said.stderr


def test_a_folder_with_other_files_is_not_written_into(tmp_path: Path, cli: Cli) -> None:
    """Proves: --out refuses a folder that is no run folder before it solves, and a file in its place."""
    (tmp_path / "thesis.doc").write_text("mine", encoding="utf-8")
    for out in (tmp_path, tmp_path / "thesis.doc"):
        said = cli("solve", "quickstart", "--out", out)
        assert said.returncode == 2, said.stderr
        assert "Traceback" not in said.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.doc"]
    assert (tmp_path / "thesis.doc").read_text(encoding="utf-8") == "mine"


def test_faults_of_the_plan_and_of_the_tables_come_together(tmp_path: Path, cli: Cli) -> None:
    """Proves: a misspelt field of the plan and a wrong cell of a table are both named by one `solve`, as by one `check`."""
    cli("init", tmp_path / "mine")
    plan, table = tmp_path / "mine" / "plan.toml", tmp_path / "mine" / "tables" / "prices.csv"
    plan.write_text(plan.read_text(encoding="utf-8").replace("discount_rate", "discount_ratte", 1), encoding="utf-8")
    wrong = table.read_text(encoding="utf-8").replace("mcs2024,gallium,2024,439", "mcs2024,gallium,2024,-439")
    table.write_text(wrong, encoding="utf-8")
    for verb in ("check", "solve"):
        said = cli(verb, plan)
        assert said.returncode == 2
        assert "discount_ratte" in said.stderr
        assert "-439" in said.stderr


# --- 3: infeasible ------------------------------------------------------------------------------------------


def test_an_infeasible_plan_is_exit_3_names_the_demand_and_gives_no_number(tmp_path: Path, cli: Cli) -> None:
    """Proves R13: a promise without money: exit 3, the conflicting demands by name, no number; the folder keeps the question."""
    plan = written(tmp_path, PROMISE)
    out = tmp_path / "run"
    said = cli("solve", plan, "--tables", shipped("inputs"), "--set", "budget.appropriation_musd=0", "--out", out)
    assert said.returncode == 3, said.stderr
    assert said.stderr.startswith("Infeasible: no plan meets all requirements (double-checked without presolve)")
    assert "service levels" in said.stderr
    assert not re.search(r"\d", said.stderr)
    assert said.stdout.startswith("No plan meets all requirements")
    assert "ANY ONE OF THESE CHANGES RESTORES A PLAN" in said.stdout
    assert "worth" not in said.stdout
    keeps_the_question(out, "infeasible", cli, "diagnosis.json")
    assert "service_level" in json.loads((out / "manifest.json").read_text(encoding="utf-8"))["culprits"]


def keeps_the_question(folder: Path, reason: str, cli: Cli, *more: str) -> None:
    """The run folder of a solve without a plan: plan, tables, reason; no table of results and no decision."""
    stated = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert stated["outcome"]["reason"] == reason
    assert stated["outcome"]["objective_musd"] is None
    assert not list((folder / "results").iterdir())
    always = {"manifest.json", "plan.json", "tables", "results", "summary.txt", "log.txt"}
    assert {f.name for f in folder.iterdir()} == {*always, *more}
    said = cli("verify", folder)
    assert said.returncode == 2
    assert stated["why"] in said.stderr


# --- 4: stopped ---------------------------------------------------------------------------------------------


def test_a_limit_before_any_plan_is_exit_4_without_numbers(tmp_path: Path, cli: Cli) -> None:
    """Proves R8: a second is too little for 13 materials: exit 4, 'Stopped', no summary; the folder keeps the
    question."""
    out = tmp_path / "run"
    frozen = Path(__file__).parents[1] / "frozen"
    question = frozen / "models" / "rare-earths.toml", "--tables", frozen / "inputs"
    said = cli("solve", *question, "--time-limit", "1", "--gap", "0", "--out", out)
    assert said.returncode == 4, said.stderr
    assert said.stdout == ""
    assert said.stderr.startswith("Stopped: the deadline was reached")
    keeps_the_question(out, "time_limit", cli)


@pytest.mark.parametrize(("status", "code"), [("time_limit", 4), ("limit", 4), ("interrupted", 130)])
def test_a_plan_that_was_stopped_is_shown_and_the_exit_code_says_so(
    status: Any, code: int, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R9: a plan found before the limit is printed as NOT proven with its gap, written, and the exit code is 4
    (130 after an interrupt), not 0."""
    real = solver.Model.run

    def run(self: solver.Model, **options: Any) -> solver.Run:
        now = real(self, **options)
        return (
            now
            if options.get("phase") != "social_cost"
            else replace(now, status=status, bound=(now.objective or 0.0) - 5)
        )

    monkeypatch.setattr(solver.Model, "run", run)
    said = cli("solve", "quickstart", "--out", tmp_path / "run")
    assert said.returncode == code, said.stderr
    assert "NOT proven best" in said.stdout
    outcome = load_result(tmp_path / "run").outcome
    assert outcome.reason == ("stalled" if status == "limit" else status)
    assert outcome.relative_gap is not None
    assert outcome.relative_gap > 0.001


# --- 5: not trusted -----------------------------------------------------------------------------------------


def test_verify_solves_again_and_agrees(solved: tuple[Path, Any], cli: Cli) -> None:
    """Proves: verify needs the folder alone, audits the stored decisions, solves again and agrees."""
    said = cli("verify", solved[0])
    assert said.returncode == 0, said.stderr
    assert "audit of the stored decisions: passed" in said.stdout
    assert said.stdout.startswith("verified\n")


def copied(folder: Path, to: Path) -> Path:
    import shutil

    return Path(shutil.copytree(folder, to))


def rehash(folder: Path) -> None:
    """Make the manifest's hashes those of the files as they are: a forger who knows how."""
    import hashlib

    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["plan.json", "decisions.npz", "tables/prices.csv", "results/acquisitions.csv", "summary.txt"]
)
def test_a_changed_file_of_a_run_folder_is_refused(
    name: str, solved: tuple[Path, Any], tmp_path: Path, cli: Cli
) -> None:
    """Proves: one byte more in any file: exit 2 and the name of the file."""
    folder = copied(solved[0], tmp_path / "run")
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(" ")
    said = cli("verify", folder)
    assert said.returncode == 2
    assert name in said.stderr
    assert "differs from the manifest's hash" in said.stderr


@pytest.mark.slow
def test_forged_decisions_and_objectives_do_not_verify(solved: tuple[Path, Any], tmp_path: Path, cli: Cli) -> None:
    """Proves: with hashes forged as well, more tonnes bought than paid for fail the audit, and a better objective than
    the second solve finds fails the comparison: exit 5 both."""
    bought = copied(solved[0], tmp_path / "bought")
    with np.load(bought / "decisions.npz") as held:
        decisions = {name: held[name] for name in held.files}
    np.savez_compressed(bought / "decisions.npz", **{**decisions, "solution.stock": decisions["solution.stock"] + 50.0})
    rehash(bought)
    better = copied(solved[0], tmp_path / "better")
    manifest = json.loads((better / "manifest.json").read_text(encoding="utf-8"))
    manifest["outcome"]["objective_musd"] *= 1.5
    (better / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for folder, word in ((bought, "FAILED"), (better, "passed")):
        said = cli("verify", folder)
        assert said.returncode == 5, said.stdout + said.stderr
        assert f"audit of the stored decisions: {word}" in said.stdout
        assert "the run does not reproduce" in said.stdout
        assert "verified" not in said.stdout


def test_a_failed_canary_is_exit_5(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Proves R1: a solver release that answers wrongly ends the command with 5 before anything is planned."""
    from strategic_minerals.solver import highs

    monkeypatch.setattr(highs, "_canary_passed", [])
    monkeypatch.setattr(highs, "_micro_mip", lambda x_cost, z_cost, need: 15.0)
    monkeypatch.setattr(sys, "argv", ["strategic-minerals", "solve", "quickstart"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert stop.value.code == 5
    assert out == ""
    assert "must not be used" in err


# --- 70 and 130 ---------------------------------------------------------------------------------------------


def test_an_internal_error_is_exit_70_with_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves: what nobody foresaw is not called the planner's fault: exit 70, a traceback to report."""
    from strategic_minerals.studies import solve as tested

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(tested, "solve_once", broken)
    monkeypatch.setattr(sys, "argv", ["strategic-minerals", "solve", "quickstart"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 70
    assert "ZeroDivisionError: unforeseen" in capsys.readouterr().err


ANNOUNCED = f"""
import sys
import time
from strategic_minerals.solver import highs as solver
real = solver.Model.run
def run(self, **options):
    if options.get("phase") == "social_cost":
        print("solving", file=sys.stderr, flush=True)
    return real(self, **options)
solver.Model.run = run
{ENTRY}
"""
"""The command, saying when the mixed-integer solve begins."""


@pytest.mark.slow
def test_an_interrupt_ends_a_solve_at_once_without_a_half_written_folder(tmp_path: Path) -> None:
    """Proves R23: SIGINT in the middle of the mixed-integer solve of a plan that takes long: exit 130, 'interrupted', no
    answer and nothing that looks like a run. Left to the solver it would have gone on to its end."""
    out = tmp_path / "run"
    command = [sys.executable, "-c", ANNOUNCED, "solve", "rare-earths", "--quick", "--gap", "0", "--out", str(out)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job is born deaf to it
    ) as child:
        try:
            assert child.stderr is not None
            assert child.stderr.readline().strip() == "solving"
            child.send_signal(signal.SIGINT)
            said, errors = child.communicate(timeout=PATIENCE_S)
        finally:
            child.kill()
    assert child.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert said == ""
    assert not (out / "manifest.json").exists()
    assert not list(tmp_path.rglob("*.part"))


def gone(group: int) -> bool:
    """Whether no process of a group is left, after a second's patience."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    time.sleep(1.0)
    return False


def test_an_interrupt_ends_tests_in_other_samples_too(tmp_path: Path) -> None:
    """Proves: Ctrl-C while plans are solved in other processes: exit 130, 'interrupted', no answer, no run, and no process left."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "strategic_minerals", "solve", "rare-earths", "-v", "--out", str(out)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as child:
        try:
            assert child.stderr is not None
            assert "tables" in child.stderr.readline()
            os.killpg(child.pid, signal.SIGINT)
            said, errors = child.communicate(timeout=PATIENCE_S)
        finally:
            child.kill()
    assert child.returncode == 130, errors
    assert "interrupted" in errors
    assert said == ""
    assert not (out / "manifest.json").exists()
    assert any(gone(child.pid) for _ in range(int(PATIENCE_S)))


def test_answers_come_as_json_too(tmp_path: Path, cli: Cli) -> None:
    """Proves: check, solve and verify print strict JSON and nothing else."""
    checked = json.loads(cli("check", "quickstart", "--json").stdout, parse_constant=pytest.fail)
    assert checked["facts"] > 0
    solved = json.loads(
        cli("solve", "quickstart", "--json", "--out", tmp_path / "run").stdout, parse_constant=pytest.fail
    )
    assert solved["outcome"]["reason"] in ("optimal", "within_gap")
    assert solved["audit_passed"]
    verified = json.loads(cli("verify", tmp_path / "run", "--json").stdout, parse_constant=pytest.fail)
    assert verified["objections"] == []


def test_faults_come_as_json_where_json_is_asked_for(tmp_path: Path, cli: Cli) -> None:
    """Proves: who reads JSON gets the faults as JSON, with the exit code of the words."""
    (tmp_path / "plan.toml").write_text('nmae = "x"\n', encoding="utf-8")
    for verb in ("check", "solve"):
        found = cli(verb, tmp_path / "plan.toml", "--json")
        assert found.returncode == 2
        assert "nmae" in {fault["column"] for fault in json.loads(found.stdout)["faults"]}
    assert json.loads(cli("init", tmp_path / "new", "--json").stdout)["wrote"]


@pytest.mark.slow
def test_a_pipe_gets_text_and_nothing_else(cli: Cli, command: Cli) -> None:
    """Proves: no colour, no cursor movement where output is no terminal; versions are told."""
    here = [(cli, ["check", "quickstart"]), (cli, ["--help"])]
    for run, arguments in (*here, (command, ["doctor"]), (command, ["solve", "--help"])):
        found = run(*arguments)
        assert found.returncode == 0
        assert "\x1b" not in found.stdout + found.stderr, arguments
    assert "highs 1." in cli("--version").stdout


@pytest.mark.slow
def test_a_reader_that_has_read_enough_is_no_error(tmp_path: Path) -> None:
    """Proves: `| head -1` ends well, and what was asked for is written all the same."""
    for rest in (f"solve quickstart --gap 0.05 --out {tmp_path / 'run'}", "schema", "check quickstart --json"):
        shell = f'set -o pipefail; {sys.executable} -c "{ENTRY}" {rest} | head -1'
        found = subprocess.run(
            ["bash", "-c", shell], capture_output=True, text=True, env=environment(), timeout=PATIENCE_S, check=False
        )
        assert (found.returncode, found.stderr) == (0, ""), rest
    assert (tmp_path / "run" / "manifest.json").is_file()


def test_a_folder_a_json_file_and_a_near_miss_are_understood(tmp_path: Path, cli: Cli) -> None:
    """Proves: a folder stands for the plan in it, JSON is read as TOML is, a key twice is an error, a near miss is put right."""
    assert cli("init", tmp_path / "mine").returncode == 0
    told = cli("check", tmp_path / "mine").stdout
    assert str(tmp_path / "mine" / "tables") in told
    plan = tomllib.loads((tmp_path / "mine" / "plan.toml").read_text(encoding="utf-8"))
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    assert "those shipped with the package" in cli("check", tmp_path / "plan.json", "--tables", "shipped").stdout
    (tmp_path / "twice.json").write_text('{"name": "a", "name": "b"}', encoding="utf-8")
    assert "occurs twice" in cli("check", tmp_path / "twice.json").stderr
    assert "did you mean 'quickstart'" in cli("check", "quikstart").stderr
    assert cli("solve", "quickstart", "--out", tmp_path / "plan.json" / "run").returncode == 2


# --- documents ----------------------------------------------------------------------------------------------


def test_exit_codes_in_the_documents_are_those_of_the_code() -> None:
    """Proves: the table of exit codes lists exactly what the command can return."""
    table = text(ASKING).partition("| exit code |")[2].partition("\n\n")[0]
    stated = ",".join(re.findall(r"^\| ([\d, ]+) \|", table, flags=re.MULTILINE)).split(",")
    codes = [value for name, value in vars(cli_base).items() if name.startswith("EXIT_")]
    assert sorted(map(int, stated)) == sorted(codes)


@pytest.mark.parametrize(
    ("arguments", "column", "found"),
    [
        (["solve", "quickstart", "--gap", "nan"], "--gap", "nan"),
        (["solve", "quickstart", "--time-limit", "0"], "--time-limit", "0"),
        (["solve", "quickstart", "--gapp", "0.1"], "--gapp", "No such option"),
        (["check"], "plan", "Missing argument"),
        (["dance"], "", "No such command"),
        (["check", "quickstart", "-v", "-q"], "--verbose", "exclude each other"),
        (["solve", "quickstart", "--out", "x" * 300], "", "File name too long"),
    ],
    ids=lambda part: " ".join(part)[:40] if isinstance(part, list) else "",
)
def test_what_is_asked_for_wrongly_is_json_where_json_is_asked_for(
    arguments: list[str], column: str, found: str, cli: Cli, tmp_path: Path
) -> None:
    """Proves: a program that asks for JSON gets every fault of its command as JSON, and people the same words as ever."""
    said = cli(*arguments, "--json", cwd=tmp_path)
    assert said.returncode == 2
    (fault,) = json.loads(said.stdout)["faults"]
    assert (fault["column"], found in fault["found"]) == (column, True)
    assert found in said.stderr
    assert cli(*arguments, cwd=tmp_path).stdout == ""


def test_text_is_printed_as_it_stands(tmp_path: Path, cli: Cli) -> None:
    """Proves: colons, brackets and escapes in what was found are printed as text: no emoji, no markup, no command of a terminal."""
    said = cli("check", "quickstart", "--set", "name=a:new:[b]")
    assert "found 'a:new:[b]'" in said.stderr
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'"\\u001b[31m:new:[red]" = 1\n{(shipped("models") / "quickstart.toml").read_text(encoding="utf-8")}'
    )
    said = cli("check", plan, "--tables", "shipped")
    assert said.returncode == 2
    assert "\x1b" not in said.stdout + said.stderr
    assert ":new:[red]" in said.stderr
