"""The documents cannot drift: commands exist, generated pages are current, examples run, nothing names a machine."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from strategic_minerals import diagnose, load_dataset, load_plan, shipped
from strategic_minerals.analysis.sweep_file import SweepFile
from strategic_minerals.cli.main import app
from strategic_minerals.report.reference_pages import formulation_page, inputs_page

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(typer.main.get_command(app).commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented_and_has_help(command):
    assert f"strategic-minerals {command}" in README
    assert typer.main.get_command(app).commands[command].help


def test_every_command_in_the_readme_exists():
    assert set(re.findall(r"strategic-minerals ([a-z]+)", README)) <= {*COMMANDS}


def test_the_formulation_page_is_what_the_code_says():
    assert (shipped("models") / "FORMULATION.md").read_text(encoding="utf-8") == formulation_page()


def test_the_dictionary_of_the_tables_is_what_the_schemas_say():
    assert (shipped("inputs") / "README.md").read_text(encoding="utf-8") == inputs_page()


def test_the_python_example_of_the_readme_runs(capsys):
    answer, study = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[:2]
    exec(compile(f"{answer}\n{study}", "README.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "BUY for the reserve" in shown
    assert "one more tonne put in store" in shown or "USD/t" in shown


def test_the_sweep_file_of_the_readme_asks_for_points():
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    study = SweepFile.model_validate(tomllib.loads(block[1]))
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    assert len(study.design(plan, data).points) == 1 + 2 * len(study.ranges)


LONG = ("bounds",)
"""Verbs whose line in the README takes minutes; their own tests run them."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_commands_of_the_readme_run_one_after_the_other(tmp_path: Path, cli: Any) -> None:
    """Proves: who types the README's commands from top to bottom in an empty folder gets an answer from each, and the report of the
    run shows what the commands before wrote. The plan that `init` writes is cut to one mineral."""
    block = re.search(r"## Ask your own question\n\n```sh\n(.*?)```", README, re.DOTALL)
    study = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    assert study is not None
    (tmp_path / "study.toml").write_text(study[1], encoding="utf-8")
    for line in block[1].strip().splitlines():
        program, verb, *arguments = shlex.split(line, comments=True)
        assert program == "strategic-minerals"
        if verb in LONG:
            continue
        found = cli(verb, *arguments, cwd=tmp_path)
        assert found.returncode == 0, f"{line}\n{found.stdout}\n{found.stderr}"
        if (verb, *arguments) == ("init", "my-plan"):
            plan = tmp_path / "my-plan" / "plan.toml"
            whole = plan.read_text(encoding="utf-8")
            plan.write_text(whole.replace('["gallium", "germanium", "antimony"]', '["gallium"]'), encoding="utf-8")
            assert load_plan(plan).materials == ("gallium",)
    assert (tmp_path / "report.html").stat().st_size > 500_000
    assert (tmp_path / "my-study" / "indices.csv").is_file()


def test_a_hazard_of_ones_own_takes_effect_as_the_documents_say(tmp_path: Path, cli: Any) -> None:
    """Proves: a row in `hazards.csv` and the scenario block of models/README.md, put into what `init` writes, is a scenario of the
    answer."""
    block = re.search(r"```toml\n(.*?)```", (ROOT / "models" / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    assert cli("init", tmp_path / "mine").returncode == 0
    table = tmp_path / "mine" / "tables" / "hazards.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    mine = next(row for row in rows if row.startswith("ga_ge_sb_ban,")).replace("ga_ge_sb_ban", "my_hazard", 1)
    table.write_text("\n".join([header, *rows, mine]) + "\n", encoding="utf-8")
    plan = tmp_path / "mine" / "plan.toml"
    plan.write_text(f"{plan.read_text(encoding='utf-8')}\n{block[1]}", encoding="utf-8")
    found = cli("solve", tmp_path / "mine", "--json")
    assert found.returncode == 0, found.stderr
    assert "port-closed" in {row["scenario"] for row in json.loads(found.stdout)["scenario_losses"]}


def test_the_diagnosis_of_the_readme_is_what_the_verb_says():
    block = re.search(r"```\n\$ strategic-minerals diagnose (\S+) --set (\S+)=(\S+)\n(.*?)```", README, re.DOTALL)
    assert block is not None
    plan = load_plan(shipped("models") / f"{block[1]}.toml", {block[2]: float(block[3])})
    said = diagnose(plan, load_dataset(shipped("inputs"))).summary()
    for line in block[4].strip().splitlines():
        assert line in said


def test_every_shipped_plan_is_in_the_documents():
    pages = README + (ROOT / "models" / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "models").glob("*.toml"):
        assert f"`{path.stem}" in pages


def test_the_exit_codes_of_the_readme_are_those_of_the_command_line():
    from strategic_minerals.cli import common as cli_base

    codes = {value for name, value in vars(cli_base).items() if name.startswith("EXIT_")}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)} == codes
