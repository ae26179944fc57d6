"""What every verb of the command line takes: -h, --quiet, --verbose, and --threads where a model is solved."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from strategic_minerals.core.parallel import at_most, cores, workforce

from conftest import Cli, environment
from strategic_minerals.cli.main import app
from strategic_minerals.solver.lshaped import subproblems as evaluator

PROGRAM = typer.main.get_command(app)


def verbs(group: Any = PROGRAM, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words of the verb, its command) of every verb of the application, those of groups too."""
    for name, command in group.commands.items():
        inside = getattr(command, "commands", None)
        if inside is None:
            yield (*before, name), command
        else:
            yield from verbs(command, (*before, name))


EVERY = dict(verbs())
SOLVING = {
    "alternatives", "controls", "diagnose", "explain", "frontier", "missing", "origins", "requirements", "roll", "rules",
    "simulate", "solve", "stress", "sweep", "together", "verify", "worth",
}  # fmt: skip
"""Verbs that solve a model, as somebody who reads them says."""
NOT_SOLVING = {
    "backup", "check", "compare", "create", "deals", "discover", "doctor", "init", "list", "losses", "migrate",
    "report", "reverse", "revoke", "scenarios", "schema", "serve",
}  # fmt: skip
"""Verbs that solve none."""


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_verb_shows_its_help_by_either_name(words: tuple[str, ...], flag: str, cli: Cli) -> None:
    """Proves: the short form does what the long one does, on every verb, and names the verb."""
    said = cli(*words, flag)
    assert (said.returncode, said.stderr) == (0, "")
    assert f"strategic-minerals {' '.join(words)}" in said.stdout
    assert re.search(r"--help\s+-h", said.stdout)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_program_shows_its_help_by_either_name(flag: str, cli: Cli) -> None:
    """Proves: without a verb the help lists the verbs, and groups of verbs take the short form too."""
    said = cli(flag)
    assert said.returncode == 0
    assert all(words[0] in said.stdout for words in EVERY)
    assert "create" in cli("token", flag).stdout


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_verb_takes_how_much_it_tells(words: tuple[str, ...], cli: Cli) -> None:
    """Proves: no verb refuses the flags, of which two exclude each other on every verb, with exit 2; what is missing beside them is
    what is missing without them."""
    both = cli(*words, "-q", "--verbose", *needed(EVERY[words]))
    assert (both.returncode, "exclude each other" in both.stderr) == (2, True)
    if needed(EVERY[words]):
        plain = cli(*words)
        assert "Missing" in plain.stderr
        assert [cli(*words, flag).stderr for flag in ("--quiet", "-vv")] == [plain.stderr] * 2


def needed(command: Any) -> list[str]:
    """Arguments that a verb cannot be called without."""
    required = [one for one in command.params if one.required]
    return [word for one in required for word in ([one.opts[0], "x"] if one.opts[0].startswith("-") else ["x"])]


def test_verbs_of_the_planner_list_the_flags_in_their_help() -> None:
    """Proves: who asks a verb for help is told of them, without asking the program."""
    for words, command in EVERY.items():
        if len(words) == 1 and words[0] != "serve":
            assert {"--quiet", "-q", "--verbose", "-v"} <= options(command), words


def test_verbs_that_solve_take_threads_and_the_others_do_not() -> None:
    """Proves: every verb is in one of two lists, and `--threads` is an option of exactly those of the first."""
    assert {words[-1] for words in EVERY} == SOLVING | NOT_SOLVING
    assert {words[-1] for words, command in EVERY.items() if "--threads" in options(command)} == SOLVING


@pytest.mark.parametrize(
    ("verb", "value", "expected"),
    [
        ("solve", "two", "an integer"),
        ("solve", "1.5", "an integer"),
        ("solve", "5000", "at most 1024"),
        *((verb, "-1", "at least 0") for verb in sorted(SOLVING)),
    ],
)
def test_a_number_of_threads_that_is_none_is_refused(verb: str, value: str, expected: str, cli: Cli) -> None:
    """Proves: nonsense is one fault that names the option, before anything is read."""
    said = cli(verb, *needed(EVERY[(verb,)]), f"--threads={value}")
    assert (said.returncode, said.stdout) == (2, "")
    assert "--threads" in said.stderr
    assert expected in said.stderr


@pytest.mark.parametrize("asked", [0, 1, 3])
def test_threads_reach_the_solve_and_leave_the_answer_alone(
    asked: int, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: a decomposed solve takes as many threads as were asked for, 0 one for each core; nothing stays afterwards."""
    seen: list[int] = []

    def counted() -> int:
        seen.append(cores())
        return seen[-1]

    monkeypatch.setattr(evaluator, "cores", counted)
    said = cli("solve", "quickstart", "--quick", "--method", "decomposed", f"--threads={asked}")
    assert said.returncode == 0, said.stderr
    assert set(seen) == {asked or cores()}
    plain = cli("solve", "quickstart", "--quick", "--method", "flat", "--threads=1")
    assert plain.stdout.splitlines()[0] == said.stdout.splitlines()[0]


@pytest.mark.slow
def test_processes_that_are_started_take_as_many_threads() -> None:
    """Proves: what was asked for holds in every process, and only as long as it was asked for."""
    with at_most(3), workforce(None, 2) as map_over:
        assert [*map_over(_cores, [0, 1])] == [3, 3]
    with workforce(None, 2) as map_over:
        assert [*map_over(_cores, [0])] == [cores()]


def _cores(_: int) -> int:
    return cores()


# --- as a module --------------------------------------------------------------------------------------------------------------


def as_module(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "strategic_minerals", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(),
        check=False,
    )


def test_the_package_runs_as_a_module_under_its_own_name(tmp_path: Path) -> None:
    """Proves: `python -m strategic_minerals` names itself so in help and in the commands that it shows, with the same exit codes
    and the same answer as the command."""
    assert "Usage: python -m strategic_minerals solve" in as_module("solve", "-h", cwd=tmp_path).stdout
    made = as_module("init", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "  python -m strategic_minerals check mine/plan.toml" in made.stdout
    assert as_module("check", "mine", cwd=tmp_path).returncode == 0
    wrong = as_module("check", "nowhere", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "no such file" in wrong.stderr


def test_the_command_names_itself(cli: Cli, tmp_path: Path) -> None:
    """Proves: what the installed command shows to be run next is the installed command."""
    assert "  strategic-minerals check" in cli("init", tmp_path / "mine").stdout


def test_a_verb_called_without_the_program_tells_as_much_as_it_is_asked(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves: the flags of the verb itself do what those of the program do, for whoever calls the application by itself."""
    with pytest.raises(SystemExit):
        app(["schema", "prices", "-v", "-q"])
    assert "exclude each other" in capsys.readouterr().err
    app(["schema", "prices", "-q"], standalone_mode=False)
    assert '"properties"' in capsys.readouterr().out
