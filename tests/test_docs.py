"""Documents cannot drift: links lead somewhere, commands exist, the formulation names its families, and all of it stays short."""

import re
import shlex

import typer.main

from strategic_minerals import load_dataset, load_plan, shipped, solve
from strategic_minerals.cli.main import app, command_of
from strategic_minerals.model.catalogue import COMPONENTS
from strategic_minerals.verbs import VERBS
from support.documents import DOCUMENTS, README, ROOT, anchors, command_lines, links, text, the_block

MOST_LINES, MOST_WORDS = 90, 15_000
COMMANDS = {
    **typer.main.get_command(app).commands,  # type: ignore[attr-defined]
    **{name: command_of(verb) for name, verb in VERBS.items()},
}


def test_every_link_leads_to_a_file_and_to_a_heading_of_it() -> None:
    wrong = []
    for name in DOCUMENTS:
        for target in links(name):
            path, _, heading = target.partition("#")
            led = ((ROOT / name).parent / path).resolve() if path else ROOT / name
            if not led.is_file() or (heading and heading not in anchors(str(led.relative_to(ROOT)))):
                wrong.append(f"{name}: {target}")
    assert wrong == []


def test_every_command_line_is_one_that_the_program_takes_and_every_verb_is_shown() -> None:
    """Proves: verb, arguments, options and values are read without a complaint. Names in capitals stand for any."""
    shown = set()
    for name in DOCUMENTS:
        for line in command_lines(name, COMMANDS):
            verb, *words = shlex.split(line, comments=True)
            assert verb in COMMANDS, f"{name}: {line}"
            shown.add(verb)
            command = COMMANDS[verb]
            while words and words[0] in getattr(command, "commands", {}):
                command = command.commands[words.pop(0)]
            if words and not words[0].startswith("-"):
                command.make_context("strategic-minerals", words)
            else:  # it is mentioned, not called
                known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
                assert {word for word in words if word.startswith("-")} <= known, f"{name}: {line}"
    assert set(COMMANDS) - shown == set()


def test_the_readme_is_one_page_and_all_documents_are_short() -> None:
    assert len(text(README).splitlines()) <= MOST_LINES
    assert sum(len(text(name).split()) for name in DOCUMENTS) <= MOST_WORDS


def test_the_readme_shows_what_quickstart_answers() -> None:
    """Proves: between the dots, what the README shows stands in the answer, in order, but for where lines are broken."""
    answer = " ".join(solve(load_plan("quickstart"), load_dataset(shipped("inputs"))).summary().split())
    shown = " ".join(the_block(README, "", "SIGN AND BUY in FY2027").split())
    found = 0
    for piece in filter(None, (piece.strip() for piece in shown.split("..."))):
        found = answer.find(piece, found)
        assert found >= 0, piece


def test_the_formulation_names_the_families_and_variables_of_the_catalogue() -> None:
    """Proves: each constraint family of the catalogue begins one line of equations, each variable is in the table."""
    page = text("models/FORMULATION.md")
    constraints, decisions = (
        page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] for heading in ("Constraints", "Decisions")
    )
    equations = "".join(re.findall(r"```text\n(.*?)```", constraints, re.DOTALL))
    families = re.findall(r"^(\w+)  ", equations, re.MULTILINE)
    variables = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| [^|]+ \| ([^|]+) \|$", decisions, re.MULTILINE)))
    assert sorted(families) == sorted(c.name for c in COMPONENTS if c.kind == "constraint")
    assert sorted(variables) == sorted(c.name for c in COMPONENTS if c.kind == "variable")
