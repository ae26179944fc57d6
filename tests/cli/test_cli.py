"""The command line: every verb, every exit code, messages that say what to do, nothing else on the screen."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from conftest import ENTRY, PATIENCE_S, Cli, environment, python, until
from strategic_minerals import Plan, Result, load_dataset, load_plan, shipped
from strategic_minerals.question.read_csv import write_dataset
from strategic_minerals.question.tables import TABLES
from strategic_minerals.solver import highs as solver
from strategic_minerals.studies import solve as tested
from support.plan_text import toml_of
from support.promising import promising


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory, command: Cli) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run folder of the quickstart, and what the command said, as a process of its own."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    return folder, command("solve", "quickstart", "--out", folder)


def test_init_writes_a_plan_that_checks_and_is_independent_of_the_installation(tmp_path: Path, cli: Cli) -> None:
    """Proves: check finds what init wrote right, and uses the tables beside the plan: a misspelt column there is found."""
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


def test_init_does_not_write_over_anything(tmp_path: Path, cli: Cli) -> None:
    """Proves: a folder with files in it, and a plan that is not shipped, are exit 2; the file there is untouched."""
    (tmp_path / "kept.txt").write_text("mine", encoding="utf-8")
    assert cli("init", tmp_path).returncode == 2
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]
    assert cli("init", tmp_path / "small", "--home", "jpn").returncode == 0
    unknown = cli("init", tmp_path / "new", "--plan", "quikstart")
    assert unknown.returncode == 2
    assert "did you mean 'quickstart'" in unknown.stderr
    assert not (tmp_path / "new").exists()


def test_schemas_have_the_fields_of_plan_and_tables(cli: Cli) -> None:
    """Proves: a plan's schema has its fields, each explained, a table's its columns; an unknown table is refused."""
    schema = json.loads(cli("schema").stdout)
    assert set(schema["properties"]) == set(Plan.model_fields)
    assert "description" in schema["properties"]["loss_function"]
    assert set(json.loads(cli("schema", "prices").stdout)["properties"]) == set(TABLES["prices"].model_fields)
    unknown = cli("schema", "prise")
    assert unknown.returncode == 2
    assert "did you mean 'prices'" in unknown.stderr


def test_solve_prints_its_summary_alone_and_writes_it_with_the_run(solved: tuple[Path, Any]) -> None:
    """Proves: no banner, progress or escape codes where no terminal is; fiscal years read FY2027, never FY2027.0."""
    folder, said = solved
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.splitlines()[0] == load_plan(shipped("models") / "quickstart.toml").title
    assert re.search("no plan (clearly )?beats it in its scenarios", said.stdout)
    assert "USGS 2025" in said.stdout
    assert "\x1b" not in said.stdout
    assert "HiGHS 1" not in said.stdout.split("EVIDENCE")[0]
    assert re.search(r"FY20\d\d", said.stdout)
    assert not re.search(r"FY20\d\d\.0", said.stdout)
    result = Result.load(folder)
    assert result.summary().strip() in said.stdout
    assert (folder / "summary.txt").read_text(encoding="utf-8").strip() == result.summary(full=True).strip()


PARSERS_WORDS = re.compile(
    r"Input should be|Extra inputs|Field required|[Vv]alue error|type=|pydantic|valid (?:integer|number|string)|Traceback|<class"
)
WRONG = [
    ("solve nowhere.toml", "", "nowhere.toml"),
    ("check quikstart", "", "quikstart"),
    ("check", "plan", "Missing argument"),
    ("verify nowhere", "", "no such folder"),
    ("stress .", "", "a folder without manifest.json"),
    (f"explain {__file__}", "", "a file"),
    ("dance", "", "No such command"),
    ("solve quickstart --gapp 0.1", "--gapp", "No such option"),
    ("solve quickstart --gap nan", "gap", "nan"),
    ("solve quickstart --gap 5%", "--gap", "5%"),
    ("solve quickstart --deadline-s nan", "deadline_s", "nan"),
    ("stress r --scenarios 0", "scenarios", "0"),
    ("serve --port 1.5", "--port", "1.5"),
    ("check quickstart -v -q", "--verbose", "exclude each other"),
    ("check quickstart --set budget", "budget", "budget"),
    ("check quickstart --set budgett.x=1", "budgett", "budgett"),
    ("check quickstart --set scenarios.9.probability=1", "scenarios.9.probability", "no such field or entry"),
    ("check quickstart --set budget.appropriation_musd.2028=60", "budget.appropriation_musd.2028", "by year"),
    ("check quickstart --set budget.appropriation_musd=lots", "budget.appropriation_musd", "lots"),
    ("check quickstart --set loss_function=usgs", "loss_function", "usgs"),
    ("check quickstart --set name=a:new:[b]", "name", "a:new:[b]"),
    ("check quickstart --tables /nowhere", "", "/nowhere"),
    (f"solve quickstart --out {'x' * 300}", "", "File name too long"),
]
"""(command, column of its fault, what it is told to have found); text is printed as it stands, without emoji or markup."""


@pytest.mark.parametrize(("asked", "column", "found"), WRONG, ids=lambda part: part[:40])
def test_a_wrong_command_or_plan_is_exit_2_with_its_place(
    asked: str, column: str, found: str, cli: Cli, tmp_path: Path
) -> None:
    """Proves: one fault with its place, on stderr in plain words, which are no parser's, and as JSON where it is asked for."""
    said = cli(*asked.split(), cwd=tmp_path)
    assert (said.returncode, said.stdout) == (2, "")
    assert found in said.stderr
    assert not PARSERS_WORDS.search(said.stderr), said.stderr
    if asked.startswith("serve"):
        return  # prints no answer, and so none as JSON
    told = cli(*asked.split(), "--json", cwd=tmp_path)
    assert told.returncode == 2
    (fault,) = json.loads(told.stdout)["faults"]
    assert (fault["column"], found in " ".join(map(str, fault.values()))) == (column, True)


def test_faults_of_plan_and_tables_come_together(tmp_path: Path, cli: Cli) -> None:
    """Proves: check and solve list faults of the plan and of the tables in one run, each with file and line."""
    cli("init", tmp_path / "mine")
    plan, table = tmp_path / "mine" / "plan.toml", tmp_path / "mine" / "tables" / "countries.csv"
    plan.write_text(plan.read_text(encoding="utf-8") + "\n[risk]\nalfa = 0.5\n", encoding="utf-8")
    table.write_text(table.read_text(encoding="utf-8").replace(",ally,", ",friend,", 1), encoding="utf-8")
    plan_line, table_line = (
        next(n for n, row in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if word in row)
        for file, word in ((plan, "alfa"), (table, ",friend,"))
    )
    for verb in ("check", "solve"):
        said = cli(verb, plan)
        assert said.returncode == 2
        assert "2 faults" in said.stderr
        assert f"plan.toml:{plan_line}" in said.stderr
        assert "did you mean 'alpha'" in said.stderr
        assert f"countries.csv:{table_line}" in said.stderr


def test_an_infeasible_plan_is_exit_3_names_the_demand_and_gives_no_number(tmp_path: Path, cli: Cli) -> None:
    """Proves R13: a promise beyond the money: exit 3, the conflicting demands by name, no number; the folder keeps the question."""
    plan, data = promising()
    (tmp_path / "plan.toml").write_text(toml_of(plan), encoding="utf-8")
    write_dataset(data, tmp_path / "tables")
    out = tmp_path / "run"
    said = cli("solve", tmp_path / "plan.toml", "--out", out)
    assert said.returncode == 3, said.stderr
    assert said.stdout == ""
    assert said.stderr.startswith("Infeasible: no plan meets all requirements (double-checked without presolve)")
    assert "service levels" in said.stderr
    assert not re.search(r"\d", said.stderr)
    keeps_the_question(out, "infeasible", cli)
    assert "service_level" in json.loads((out / "manifest.json").read_text(encoding="utf-8"))["culprits"]


def keeps_the_question(folder: Path, reason: str, cli: Cli) -> None:
    """The run folder of a solve without a plan: plan, tables, reason; no table of results and no decision."""
    stated = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert stated["outcome"]["reason"] == reason
    assert stated["outcome"]["objective_musd"] is None
    assert not list((folder / "results").iterdir())
    kept = {"manifest.json", "plan.json", "tables", "results", "summary.txt", "log.txt"}
    assert {f.name for f in folder.iterdir()} == kept
    said = cli("verify", folder)
    assert said.returncode == 2
    assert stated["why"] in said.stderr


def ends(monkeypatch: pytest.MonkeyPatch, ended: Callable[[solver.Run], solver.Run]) -> None:
    """Lets the solve of the plan end otherwise than it did."""
    real = solver.Model.run

    def run(self: solver.Model, **options: Any) -> solver.Run:
        now = real(self, **options)
        return ended(now) if options.get("phase") == "social_cost" else now

    monkeypatch.setattr(solver.Model, "run", run)


def test_a_limit_before_any_plan_is_exit_4_without_numbers(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R8: a second is too little for 13 materials: 'Stopped', no summary; the folder keeps the question."""
    ends(monkeypatch, lambda now: solver.UnsolvedRun(status="time_limit", bound=-math.inf, seconds=now.seconds))
    out = tmp_path / "run"
    said = cli("solve", "quickstart", "--quick", "--out", out)
    assert (said.returncode, said.stdout) == (4, "")
    assert said.stderr.startswith("Stopped: ")
    assert not re.search(r"\d", said.stderr)
    keeps_the_question(out, "time_limit", cli)


@pytest.mark.long
@pytest.mark.parametrize(("status", "code"), [("time_limit", 4), ("limit", 4), ("interrupted", 130)])
def test_a_plan_that_was_stopped_is_shown_and_the_exit_code_says_so(
    status: Any, code: int, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R9: a plan found before the limit is printed as NOT proven with its gap, and written."""
    ends(monkeypatch, lambda now: replace(now, status=status, bound=(now.objective or 0.0) - 5))
    said = cli("solve", "quickstart", "--quick", "--out", tmp_path / "run")
    assert said.returncode == code, said.stderr
    assert "NOT PROVEN BEST" in said.stdout
    outcome = Result.load(tmp_path / "run").outcome
    assert outcome.reason == ("stalled" if status == "limit" else status)
    assert outcome.relative_gap > 0.001


def test_a_failed_canary_is_exit_5_and_an_internal_error_70(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """Proves R1: a solver that answers wrongly ends the command before anything is planned; the unforeseen has a traceback."""
    with monkeypatch.context() as patch:
        solver.canary.cache_clear()
        patch.setattr(solver, "_micro_mip", lambda x_cost, z_cost, need: 15.0)
        refused = cli("solve", "quickstart")
    assert (refused.returncode, refused.stdout) == (5, "")
    assert "Not trusted" in refused.stderr
    assert "must not be used" in refused.stderr
    monkeypatch.setattr(tested, "solved", Mock(side_effect=ZeroDivisionError("unforeseen")))
    broken = cli("solve", "quickstart")
    assert broken.returncode == 70
    assert "ZeroDivisionError: unforeseen" in broken.stderr


ANNOUNCED = f"""
import sys
import time
from strategic_minerals.solver import highs as solver
from strategic_minerals.studies import solve as tested
real = solver.Model.run
def run(self, **options):
    if options.get("phase") == "social_cost":
        print("solving", file=sys.stderr, flush=True)
    return real(self, **options)
solver.Model.run = run
{ENTRY}
"""
"""The command, saying when the mixed-integer solve begins."""


def interrupted(program: list[str], ready: str, out: Path) -> int:
    """Interrupts a command once it says that it is ready, sees that it leaves no answer and no run, and gives its process group."""
    with subprocess.Popen(
        [sys.executable, *program, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job is born deaf to it
    ) as child:
        try:
            assert ready in child.stderr.readline()
            os.killpg(child.pid, signal.SIGINT)
            said, errors = child.communicate(timeout=PATIENCE_S)
        finally:
            child.kill()
    assert child.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert said == ""
    assert not (out / "manifest.json").exists()
    assert not list(out.parent.rglob("*.part"))
    return child.pid


@pytest.mark.slow
def test_an_interrupt_ends_a_solve_at_once_without_a_half_written_folder(tmp_path: Path) -> None:
    """Proves R23: SIGINT in the middle of the mixed-integer solve of a plan that takes long; the solver would have gone on."""
    asked = ["-c", ANNOUNCED, "solve", "rare-earths", "--quick", "--gap", "0"]
    interrupted(asked, "solving", tmp_path / "run")


@pytest.mark.long
def test_an_interrupt_ends_tests_in_other_samples_too(tmp_path: Path) -> None:
    """Proves: Ctrl-C while plans are solved in other processes leaves no process behind."""
    group = interrupted(["-m", "strategic_minerals", "solve", "rare-earths", "-v"], "tables", tmp_path / "run")

    def gone() -> bool:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    assert until(gone)


@pytest.mark.long
def test_a_closed_output_and_an_interrupt_while_it_begins_end_without_a_traceback(tmp_path: Path) -> None:
    """Proves D13: a standard output that was closed is no error, and Ctrl-C while modules are read is exit 130."""
    code = f"import os, sys; sys.stdout = None; sys.argv[1:] = ['init', {str(tmp_path / 'x')!r}]; {ENTRY}"
    closed = python(code)
    assert (closed.returncode, closed.stderr) == (0, "")
    assert (tmp_path / "x" / "plan.toml").is_file()
    halt = "import strategic_minerals.cli, builtins\nreal = builtins.__import__\n"
    halt += "def stopped(name, *rest):\n    if name.endswith('main'):\n        raise KeyboardInterrupt\n"
    halt += "    return real(name, *rest)\n"
    halt += "builtins.__import__ = stopped\nstrategic_minerals.cli.main()"
    stopped = python(halt)
    assert (stopped.returncode, stopped.stderr) == (130, "")


def test_escapes_in_a_plan_are_no_commands_of_the_terminal(tmp_path: Path, cli: Cli) -> None:
    """Proves: brackets and escapes in what was found are printed as text."""
    plan = tmp_path / "plan.toml"
    quickstart = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    plan.write_text(f'"\\u001b[31m:new:[red]" = 1\n{quickstart}', encoding="utf-8")
    said = cli("check", plan, "--tables", "shipped")
    assert said.returncode == 2
    assert "\x1b" not in said.stdout + said.stderr
    assert ":new:[red]" in said.stderr
