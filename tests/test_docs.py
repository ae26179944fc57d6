"""The documents cannot drift: commands exist, names are those of the code, examples run, links lead somewhere."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

import strategic_minerals
from strategic_minerals import diagnose, load_dataset, load_plan, shipped
from strategic_minerals.cli.main import app
from strategic_minerals.model.catalogue import COMPONENTS
from strategic_minerals.question.tables import FACT_TABLES, TABLES
from strategic_minerals.studies.sweep_file import SweepFile
from support.documents import (
    ASKING,
    DOCUMENTS,
    PACKAGE,
    README,
    ROOT,
    SERVICE,
    anchors,
    blocks,
    command_lines,
    links,
    text,
    the_block,
)

BENCHMARKS = ROOT / "tests" / "benchmarks"
PROGRAM = typer.main.get_command(app)
COMMANDS = sorted(PROGRAM.commands)  # type: ignore[attr-defined]
FORMULATION, INPUTS = "models/FORMULATION.md", "inputs/README.md"


def module(path: Path) -> ModuleType:
    """A file of the checkout that belongs to no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def section(page: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


# --- what is shown can be done ------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented_and_has_help(command: str) -> None:
    shown = "\n".join(line for name in (README, ASKING, SERVICE) for line in command_lines(name, "strategic-minerals"))
    assert f"strategic-minerals {command}" in shown
    assert PROGRAM.commands[command].help  # type: ignore[attr-defined]


SHOWN = [(name, line) for name in DOCUMENTS for line in command_lines(name, "strategic-minerals")]


@pytest.mark.parametrize(("document", "line"), SHOWN, ids=[f"{name}: {line[:70]}" for name, line in SHOWN])
def test_every_command_line_of_every_document_is_one_that_the_program_takes(document: str, line: str) -> None:
    """Proves: verb, arguments, options and their values are read without a complaint. Placeholders in capitals stand for any."""
    _, *words = shlex.split(line, comments=True)
    if not words or words[0] == "VERB" or "[options]" in words:
        return  # a form, of which the page of the command line is made
    if words[0].startswith("--"):
        assert words[0] in {option for p in PROGRAM.params for option in p.opts}, document
        return
    command = PROGRAM
    while words and (inner := getattr(command, "commands", {}).get(words[0])) is not None:
        command, words = inner, words[1:]
    assert command is not PROGRAM, f"{document}: no verb {words[0]}"
    if getattr(command, "commands", None):
        assert not words, f"{document}: no verb {words[0]}"
    else:
        command.make_context(
            "strategic-minerals", words, resilient_parsing=not words
        )  # a verb alone is mentioned, not called


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_python_line_of_a_document_names_a_file_or_module_with_these_options(document: str) -> None:
    for line in command_lines(document, "python"):
        _, *words = shlex.split(line, comments=True)
        if words[:1] == ["-m"]:
            inside = words[1].split(".")
            if inside[0] == "strategic_minerals":
                path = ROOT / "optimizer" / Path(*inside)
                assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), line
            else:
                assert words[1] in ("pytest", "venv", "build", "twine"), line
        elif words:
            source = (ROOT / words[0]).read_text(encoding="utf-8")
            for option in re.findall(r"--[a-z-]+", " ".join(words[1:])):
                assert f'"{option}"' in source, line


def test_both_set_up_commands_of_the_readme_stand_for_a_fresh_machine() -> None:
    lines = [block.text.strip() for block in blocks(README, "sh")]
    assert len(lines) == 2
    assert all(line.startswith("python3 -m venv .venv && .venv/bin/pip install --quiet ") for line in lines)
    assert ".venv/bin/strategic-minerals solve rare-earths " in lines[0]
    assert lines[1].endswith(".venv/bin/python -m pytest -q -n auto")


def test_the_readme_is_short_and_shows_ten_commands_and_one_picture() -> None:
    assert len(text(README).splitlines()) <= 150
    assert len(re.findall(r"^\| `strategic-minerals ", text(README), re.MULTILINE)) == 10
    assert len(re.findall(r"!\[", text(README))) == 1


def test_the_python_example_of_the_package_runs(capsys: pytest.CaptureFixture[str]) -> None:
    answer, study = (the_block(PACKAGE, "python", holds) for holds in ("print(result.summary())", "import sweep"))
    exec(compile(f"{answer}\n{study}", PACKAGE, "exec"), {})
    shown = capsys.readouterr().out
    assert "BUY for the reserve" in shown
    assert "one more tonne put in store" in shown or "USD/t" in shown


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_example_in_python_toml_or_json_can_be_read(document: str) -> None:
    for block in blocks(document):
        if block.language == "python":
            compile(block.text, document, "exec")
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)


def test_the_sweep_file_of_the_documents_asks_for_points() -> None:
    """Proves: the one that varies a figure at a time, and the Latin hypercube, stand for as many points as they say."""
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    one, all_at_once = (
        SweepFile.model_validate(tomllib.loads(the_block(ASKING, "toml", f'kind = "{kind}"')))
        for kind in ("one_at_a_time", "latin_hypercube")
    )
    assert len(one.design(plan, data).points) == 1 + 2 * len(one.ranges)
    assert len(all_at_once.design(plan, data).points) == all_at_once.samples


LONG = ("rules",)
"""Verbs whose line takes minutes; their own tests run them."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_commands_of_the_documents_run_one_after_the_other(tmp_path: Path, cli: Any) -> None:
    """Proves: who types the commands from top to bottom in an empty folder gets an answer from each, and the report of the run
    shows what the commands before wrote. The plan that `init` writes is cut to one mineral."""
    walk = the_block(ASKING, "sh", "strategic-minerals init my-plan ").strip().splitlines()
    verbs, served = (
        {shlex.split(line, comments=True)[1] for line in lines}
        for lines in (walk, command_lines(SERVICE, "strategic-minerals"))
    )
    assert verbs == {*COMMANDS} - served
    (tmp_path / "study.toml").write_text(the_block(ASKING, "toml", 'kind = "one_at_a_time"'), encoding="utf-8")
    for line in walk:
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
    block = the_block(ASKING, "toml", "[[scenarios]]")
    assert cli("init", tmp_path / "mine").returncode == 0
    table = tmp_path / "mine" / "tables" / "hazards.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    mine = next(row for row in rows if row.startswith("ga_ge_sb_ban,")).replace("ga_ge_sb_ban", "my_hazard", 1)
    table.write_text("\n".join([header, *rows, mine]) + "\n", encoding="utf-8")
    plan = tmp_path / "mine" / "plan.toml"
    plan.write_text(f"{plan.read_text(encoding='utf-8')}\n{block}", encoding="utf-8")
    found = cli("solve", tmp_path / "mine", "--json")
    assert found.returncode == 0, found.stderr
    assert "port-closed" in {row["scenario"] for row in json.loads(found.stdout)["scenario_losses"]}


def test_the_diagnosis_of_the_documents_is_what_the_verb_says() -> None:
    block = re.search(r"```\n\$ strategic-minerals diagnose (\S+) --set (\S+)=(\S+)\n(.*?)```", text(ASKING), re.DOTALL)
    assert block is not None
    plan = load_plan(shipped("models") / f"{block[1]}.toml", {block[2]: float(block[3])})
    said = diagnose(plan, load_dataset(shipped("inputs"))).summary()
    for line in block[4].strip().splitlines():
        assert line in said


# --- what is said is so -------------------------------------------------------------------------------------


def test_the_formulation_page_names_the_families_and_variables_of_the_catalogue() -> None:
    """Proves: each constraint family of the catalogue begins one line of equations, each variable stands in the table."""
    page = text(FORMULATION)
    equations = "".join(re.findall(r"```text\n(.*?)```", section(page, "Constraints"), re.DOTALL))
    assert sorted(re.findall(r"^(\w+)  ", equations, re.MULTILINE)) == sorted(
        c.name for c in COMPONENTS if c.kind == "constraint"
    )
    table = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", section(page, "Decisions"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", "".join(table))) == sorted(c.name for c in COMPONENTS if c.kind == "variable")
    assert len(page.split()) <= 1500


def test_the_page_of_the_tables_names_all_of_them() -> None:
    """Proves: tables that plans use stand in one list, facts in the other, in the order of the code."""
    plans, facts = (found.split() for found in re.findall(r"`([a-z_]+(?:\s[a-z_]+){5,})`", text(INPUTS)))
    assert plans == [name for name in TABLES if name not in FACT_TABLES]
    assert facts == [name for name in TABLES if name in FACT_TABLES]
    assert len(text(INPUTS).split()) <= 400


def test_every_public_name_has_a_docstring() -> None:
    for name in strategic_minerals.__all__:
        assert inspect.getdoc(getattr(strategic_minerals, name)), name


def test_every_shipped_plan_is_in_the_documents() -> None:
    for path in (ROOT / "models").glob("*.toml"):
        assert f"`{path.stem}`" in text(ASKING)


def test_the_rooms_of_the_documents_are_those_of_the_code_in_their_order() -> None:
    from test_architecture import MAY_IMPORT

    rooms = text(PACKAGE).partition("## Rooms")[2].partition("###")[0]
    assert re.findall(r"^\| `(\w+)` \|", rooms, re.MULTILINE) == list(MAY_IMPORT)


def test_the_requests_of_the_documents_are_those_of_the_service() -> None:
    """Proves: every route of the API stands in the service's README, and no other."""
    from strategic_minerals.service import authentication as results
    from strategic_minerals.service import web as routes

    table = text(SERVICE).partition("## API")[2].partition("\n## ")[0]
    shown = set(re.findall(r"`(GET|POST|DELETE) (/[^`]*)`", table))
    there = {
        (method, route.path)
        for router in (routes.health, routes.router, results.router)
        for route in router.routes
        for method in route.methods
    }
    assert shown == {(method, path) for method, path in there if path != "/v1/openapi.json"}


def test_the_settings_of_the_documents_are_those_of_the_service() -> None:
    from strategic_minerals.service.settings import Settings

    table = text(SERVICE).partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.partition("|")[2].partition("|")[0] for line in table.splitlines() if line.startswith("| `")]
    shown = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert sorted(shown) == sorted(name.upper() for name in Settings.model_fields)


def test_the_workflow_does_what_the_checkout_does_by_itself() -> None:
    """Proves: every push and pull request runs `.ci/run all` with Python 3.11, and that builds packages and site."""
    workflow, steps = text(".github/workflows/ci.yml"), text(".ci/run")
    assert "\n  push:\n  pull_request:\n" in workflow
    assert "python:3.11" in workflow
    assert re.findall(r"- run: (.*)", workflow) == [".ci/run all"]
    assert ".ci/contents.py" in steps
    assert "mkdocs" in steps
    assert "--strict" in steps


def test_every_test_file_is_one_that_there_is() -> None:
    for name in re.findall(r"`(\w+\.py)`", text("tests/README.md")):
        assert list((ROOT / "tests").rglob(name)), name


# --- documents among themselves -----------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    """Proves: each relative link is a file of the checkout, not a bare folder, and its heading is one of that document."""
    for target in links(document):
        path, _, heading = target.partition("#")
        led = ((ROOT / document).parent / path).resolve() if path else ROOT / document
        assert led.is_file(), target
        name = str(led.relative_to(ROOT))
        if heading:
            assert heading in anchors(name), target


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, new = set[str](), {README}
    while new:
        reached |= new
        found = {
            str(((ROOT / name).parent / target.partition("#")[0]).resolve().relative_to(ROOT))
            for name in new
            for target in links(name)
            if target.partition("#")[0].endswith(".md")
        }
        new = found - reached
    assert {name for name in DOCUMENTS if not name.startswith(".github/site/")} <= reached


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_use_the_words_of_the_field(document: str) -> None:
    """Proves: what people wrote says scenario, reference plan and integer; parts that come from the code are left out."""
    page = re.sub(r"<!-- (\w+): written from the code -->.*?<!-- \1: end -->", "", text(document), flags=re.DOTALL)
    for word in (r"\bworlds?\b(?!'| Bank)", r"\bZ0\b", r"\bwhole numbers?\b", r"\bstamp(s|ed)?\b", r"\berrands?\b"):
        assert not re.search(word, page, re.IGNORECASE), word


@pytest.mark.parametrize("page", ["columns", "command_line"])
def test_pages_written_from_the_code_use_the_words_of_the_field(page: str) -> None:
    """Proves: help texts and descriptions of columns speak of scenarios, integers, block instances and the baseline course; names
    of the code stand in code marks."""
    hooks = module(ROOT / ".github" / "mkdocs_hooks.py")
    prose = re.sub(r"```.*?```|`[^`]*`", "", getattr(hooks, page)(), flags=re.DOTALL)
    for word in (
        r"\bworlds\b",
        r"\bwhole numbers?\b",
        r"\bstamp(s|ed)?\b",
        r"\berrands?\b",
        r"\bcanary\b",
        r"\bstrikes?\b",
    ):
        assert not re.search(word, prose, re.IGNORECASE), word


def test_the_changelog_has_the_headings_that_readers_know() -> None:
    """Proves: versions first, the newest above; under each only the kinds of change of Keep a Changelog, each once."""
    versions = re.split(r"^## ", text("CHANGELOG.md"), flags=re.MULTILINE)[1:]
    assert versions[0].startswith(tomllib.loads(text("pyproject.toml"))["project"]["version"])
    for version in versions:
        kinds = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert len(set(kinds)) == len(kinds)
        assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


# --- the tables of the benchmarks ---------------------------------------------------------------------------


def test_a_benchmark_writes_its_own_table_and_nothing_else() -> None:
    """Proves: what stands between the marks of a name is replaced, with where it comes from; the rest stays; no marks, no table."""
    record = module(BENCHMARKS / "record.py")
    page = "a\n<!-- x: written by a benchmark -->\nold\n<!-- x: end -->\nb\n"
    new = record.replaced(page, "x", ["| n |", "|---|", r"| \1 |"], "today")
    assert new == "a\n<!-- x: written by a benchmark -->\n*today*\n\n| n |\n|---|\n| \\1 |\n<!-- x: end -->\nb\n"
    assert record.replaced(new, "x", ["| n |", "|---|", r"| \1 |"], "today") == new
    with pytest.raises(ValueError, match="once"):
        record.replaced(page, "y", [], "today")
    assert re.match(r"\d{4}-\d\d-\d\d, commit \S+( with changes)?; .+ cores, Python 3", record.origin())


def test_every_table_of_the_benchmarks_has_its_day_and_a_script_that_writes_it() -> None:
    page = text("tests/benchmarks/README.md")
    names = re.findall(r"<!-- (.+): written by a benchmark -->\n\*(\d{4}-\d\d-\d\d, commit \w+.*)\*\n", page)
    assert len(names) == page.count("written by a benchmark -->")
    sources = "".join(path.read_text(encoding="utf-8") for path in BENCHMARKS.glob("*.py"))
    for name, _ in names:
        assert f'"{name}"' in sources, name


# --- the site -----------------------------------------------------------------------------------------------


def test_pages_of_the_site_link_as_the_documents_do() -> None:
    """Proves: folders that begin with a dot get another name, links follow, other files and headings stay as they are."""
    hooks = module(ROOT / ".github" / "mkdocs_hooks.py")
    assert hooks.site_path(".github/CONTRIBUTING.md") == "project/CONTRIBUTING.md"
    assert hooks.site_path("models/README.md") == "models/README.md"
    assert hooks.relinked("[a](../.github/SECURITY.md#x)", "models/README.md") == "[a](../project/SECURITY.md#x)"
    assert hooks.relinked("![a](.github/report.png)", "README.md") == "![a](project/report.png)"
    same = "[a](#x) [b](https://example.org/) [c](FORMULATION.md) `[d](.github/x)`"
    assert hooks.relinked(same, "models/README.md") == same
    found = hooks.collected()
    assert {str(path.relative_to(ROOT)) for path in found if path.suffix == ".md"} == {
        name for name in DOCUMENTS if not name.startswith(".github/site/")
    }
    assert sys.modules.get("mkdocs") is None  # links can be looked at without the site's generator
