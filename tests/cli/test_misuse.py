"""The command line used wrongly: options in plain words, folders that hold something else, parts that are not installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import pytest
import typer

from conftest import ENTRY, Cli, environment
from strategic_minerals.answer.manifest import read_manifest
from strategic_minerals.answer.study import refuse_mixed
from strategic_minerals.cli.common import app
from strategic_minerals.cli.service import option_faults
from strategic_minerals.cli.studies import command_of
from strategic_minerals.core.errors import FaultsError, missing_part
from strategic_minerals.service import requests as wording
from strategic_minerals.verbs import VERBS

PARSERS_WORDS = re.compile(
    r"Input should be|Extra inputs|Field required|[Vv]alue error|type=|pydantic|valid (?:integer|number|boolean|string|dictionary)|"
    r"unable to parse|Traceback|NoneType|<class"
)
"""Words of validators and parsers."""


def test_nothing_is_begun_inside_a_run_folder(tmp_path: Path, cli: Cli) -> None:
    """Proves: `init` refuses a place in a run folder, which would no longer verify, and leaves it as it was."""
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    said = cli("init", tmp_path / "sub")
    assert said.returncode == 2
    assert f"a place in the run folder {tmp_path}" in said.stderr
    assert not (tmp_path / "sub").exists()


def options() -> list[tuple[tuple[str, ...], str, str]]:
    """(verb, option, a value that it does not take) of every numeric option and every choice."""
    groups: list[tuple[tuple[str, ...], typer.Typer]] = [((), app)]
    groups += [((str(group.name),), group.typer_instance) for group in app.registered_groups if group.typer_instance]
    found = []
    for before, group in groups:
        for command in group.registered_commands:
            assert command.callback is not None
            verb = command.name or command.callback.__name__.replace("_", "-")
            called = command_of(VERBS[verb]).callback if verb in VERBS else command.callback
            for name, hint in get_type_hints(called, include_extras=True).items():
                kind, *about = get_args(hint) if get_origin(hint) is Annotated else (hint,)
                if type(None) in get_args(kind):
                    kind = next(each for each in get_args(kind) if each is not type(None))
                if get_origin(kind) is list:
                    (kind,) = get_args(kind)
                said = [each.default for each in about] + [word for each in about for word in each.param_decls or ()]
                declared = [word for word in said if isinstance(word, str) and word.startswith("--")]
                option = declared[0] if declared else f"--{name.replace('_', '-')}"
                if kind in (int, float):
                    found.append(((*before, verb), option, "5%"))
                elif get_origin(kind) is Literal:
                    found.append(((*before, verb), option, "fast-one"))
    return found


def test_no_option_tells_the_words_of_what_parses_it(cli: Cli) -> None:
    """Proves: every numeric option and every choice of every verb says in plain words what it takes."""
    tried = options()
    assert {("solve", "--gap"), ("stress", "--scenarios"), ("serve", "--port"), ("report", "--format")} <= {
        (verb[-1], option) for verb, option, _ in tried
    }
    for verb, option, value in tried:
        said = cli(*verb, f"{option}={value}")
        assert said.returncode == 2, (verb, option, value)
        assert not PARSERS_WORDS.search(said.stderr), said.stderr
        assert option in said.stderr or "Missing argument" in said.stderr, said.stderr


OPTIONS = [
    (["solve", "quickstart", "--gap", "5%"], "'5%'; expected a plain number such as 374 or 0.5"),
    (["stress", "r", "--scenarios", "0"], "0; expected at least 10"),
    (["serve", "--port", "1.5"], "'1.5'; expected an integer"),
    (["report", "r", "--format", "excel"], "'excel'; expected one of html, md, xlsx, parquet"),
]


def test_an_option_says_what_it_takes(cli: Cli) -> None:
    """Proves: a value that an option does not take is told with what it takes; as JSON where JSON is asked for."""
    for words, found in OPTIONS:
        told = cli(*words)
        assert told.returncode == 2
        assert f"  {words[-2]}  found {found}" in told.stderr
    said = json.loads(cli("solve", "quickstart", "--json", "--gap", "5%").stdout)
    assert [fault["column"] for fault in said["faults"]] == ["--gap"]


def test_earlier_parsers_of_command_lines_are_understood() -> None:
    """Proves: the releases of the parser that word their errors themselves are told in the same words."""
    for message, expected in (
        ("'5%' is not a valid float.", "a plain number"),
        ("'x' is not a valid int.", "an integer"),
        ("'fast' is not one of 'auto', 'flat'.", "one of auto, flat"),
    ):
        error = SimpleNamespace(__cause__=None, message=message, param=SimpleNamespace(opts=["--gap"]))
        assert expected in option_faults(error)[0].expected


def test_a_manifest_that_was_changed_is_told_in_words(tmp_path: Path) -> None:
    """Proves: a flipped byte, and a manifest without its version, are no words of a parser."""
    for text, found in (('{"schema_version" 2}', "no JSON any more"), ("{}", "nothing")):
        (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
        with pytest.raises(FaultsError, match=found):
            read_manifest(tmp_path)


def test_a_plan_as_text_is_sent_as_such() -> None:
    """Proves: a request with the text of a TOML file under `plan` is told of `plan_toml`."""
    item = {"type": "dict_type", "loc": ("solve", "plan"), "msg": "", "input": 'name = "x"'}
    (fault,) = wording.faults_of([item], "request", kinds=["solve"])
    assert "`plan_toml`" in fault.expected


def test_a_store_that_is_not_there_is_not_made_by_reading_it(tmp_path: Path, cli: Cli) -> None:
    """Proves: `token list` and `token revoke` of a mistyped folder end with 7 and leave no folder behind."""
    for words in (["list"], ["revoke", "x"]):
        said = cli("token", *words, "--folder", tmp_path / "typo")
        assert said.returncode == 7
        assert "holds no store" in said.stderr
        assert not (tmp_path / "typo").exists()


def test_a_part_that_is_not_installed_is_named_with_the_command_that_installs_it() -> None:
    """Proves: what needs which library and how to install it is one sentence; as data it is a fault like any other."""
    error = missing_part("report", "altair", "report")
    assert str(error) == "The report needs altair. Install it with: pip install 'strategic-minerals[report]'"
    (fault,) = error.faults
    assert (fault.file, fault.expected) == ("report", "altair: pip install 'strategic-minerals[report]'")


OF_PLANS = ["scenarios", "worth", "frontier", "missing", "sweep"]
OF_RUNS = ["stress", "reverse", "explain", "alternatives", "compare"]


@pytest.mark.parametrize("verb", [*OF_PLANS, *OF_RUNS])
def test_no_study_is_written_among_files_of_others(verb: str, tmp_path: Path, cli: Cli) -> None:
    """Proves: whatever writes a folder refuses one with other files, and a file in its place, before it reads or solves anything,
    as `solve` does; tables of one's own are not overwritten by results of the same name."""
    (tmp_path / "study.toml").write_text('kind = "grid"\n[axes]\ndiscount_rate = [0.1]\n', encoding="utf-8")
    asked = ["quickstart"] if verb in OF_PLANS else [tmp_path / "run"] * (1 + (verb == "compare"))
    asked += [tmp_path / "study.toml"] * (verb == "sweep")
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("prices.csv", "materials.csv", "points.csv", "thesis.doc"):
        (mine / name).write_text("mine", encoding="utf-8")
    for out in (mine, mine / "thesis.doc"):
        said = cli(verb, *asked, "--out", out)
        assert said.returncode == 2, said.stderr
        assert ("a folder with other files in it" if out == mine else "found a file") in said.stderr
        assert "Traceback" not in said.stderr
    assert {file.read_text(encoding="utf-8") for file in mine.iterdir()} == {"mine"}


def test_a_study_goes_into_a_run_folder_as_a_study_of_it_alone(tmp_path: Path) -> None:
    """Proves: tables beside the files of a run, which it would no longer be read with, are refused; `analyses/<name>` is theirs."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text("{}", encoding="utf-8")
    for out in (run, run / "results", run / "new", run / "analyses", run / "analyses" / "a" / "b"):
        with pytest.raises(FaultsError, match="a place in the run folder"):
            refuse_mixed(out, "frontier")
    refuse_mixed(run / "analyses" / "frontier", "frontier")
    (tmp_path / "points.csv").write_text("x", encoding="utf-8")
    (tmp_path / "study.json").write_text('{"kind": "sweep"}', encoding="utf-8")
    (tmp_path / "rows").mkdir()
    (run / "manifest.json").rename(tmp_path / "rows" / "sweep.json")
    refuse_mixed(tmp_path, "sweep")
    with pytest.raises(FaultsError, match=r"points\.csv and 1 more"):
        refuse_mixed(tmp_path, "frontier")


@pytest.mark.parametrize("verb", ["verify", "report", "explain", "stress", "reverse", "alternatives"])
def test_what_is_no_run_folder_is_said_plainly(verb: str, tmp_path: Path, cli: Cli) -> None:
    """Proves: no such folder, a file, an empty folder, a folder with other things: each told as what it is."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("mine", encoding="utf-8")
    found = {
        "nowhere": "no such folder",
        "other/thesis.doc": "a file",
        "empty": "an empty folder and no manifest.json",
        "other": "a folder with thesis.doc in it and no manifest.json",
    }
    for name, words in found.items():
        said = cli(verb, tmp_path / name)
        assert said.returncode == 2, said.stderr
        assert f"found {words}; expected a finished run folder" in said.stderr


def test_an_output_that_is_full_is_one_sentence() -> None:
    """Proves: where standard output cannot be written, the exit code is 2 with one sentence, and no word of Python's."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        asked = [sys.executable, "-c", ENTRY, "schema"]
        done = subprocess.run(
            asked, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), timeout=60, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "the output could not be written: No space left on device\n"
