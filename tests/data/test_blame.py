"""The wrong value is what is blamed: its file, its line, and what it was meant to be; nothing that is right beside it.

Every case is one slip in files that are right. Nothing is solved.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import openpyxl
import pytest
import typer
from test_faulty_files import PARSERS_WORDS, small

from conftest import Cli
from strategic_minerals import Dataset, Plan, check, load_dataset
from strategic_minerals.analysis.sweep import sweep
from strategic_minerals.analysis.sweep_file import SweepFile, located
from strategic_minerals.cli.common import app
from strategic_minerals.cli.words import option_faults
from strategic_minerals.core.errors import Fault, FaultsError, PlanError, missing_part, shown
from strategic_minerals.core.names import meant
from strategic_minerals.core.shipped import shipped
from strategic_minerals.data.csv_files import write_dataset
from strategic_minerals.data.load import load_question, overrides
from strategic_minerals.data.plan_file import load_plan, read_as
from strategic_minerals.data.row_checks import validate_rows
from strategic_minerals.data.workbook import load_workbook, write_workbook
from strategic_minerals.data.workbook_plan import typed
from strategic_minerals.results.manifest import read_manifest
from strategic_minerals.schemas.tables import TABLES
from strategic_minerals.service import wording

QUICKSTART = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")


def faults_of(call: Callable[[], Any]) -> tuple[Fault, ...]:
    """Faults that a call raises, or that `check` finds of the question that it gives; none has a parser's words."""
    try:
        found = call()
    except FaultsError as error:
        faults = error.faults
    else:
        faults = check(*found).faults
    said = "\n".join(map(str, faults))
    assert not PARSERS_WORDS.search(said), said
    return faults


def asked(folder: Path, text: str, *pairs: str, name: str = "plan.toml") -> tuple[Fault, ...]:
    """Faults of a plan with the shipped tables, as `check FILE --tables shipped --set PAIR` tells them."""
    (folder / name).write_text(text, encoding="utf-8")

    def question() -> tuple[Plan, Dataset]:
        plan, place = read_as(Plan, folder / name, overrides(pairs))
        return plan, replace(facts(), asked=place)

    return faults_of(question)


@cache
def facts() -> Dataset:
    """The shipped tables."""
    return load_dataset(shipped("inputs"))


def line(text: str, part: str) -> str:
    """Number of the first line that has a part."""
    return next(str(n) for n, each in enumerate(text.splitlines(), start=1) if part in each)


# --- text without quotation marks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "before", "value"),
    [
        ("price_set", '"mcs2024"', "mcs2024"),
        ("loss_function", '"usgs_2025"', "usgs_2025"),
        ("name", '"war-2030"', "war-2030"),
        ("title", '"Gallium, germanium and antimony: how much to hold against another ban"', "Gallium 2030 study"),
        (
            "title",
            '"Gallium, germanium and antimony: how much to hold against another ban"',
            "Gallium, germanium: 2030 (draft)",
        ),
        ("title", '"Gallium, germanium and antimony: how much to hold against another ban"', "2030 study"),
        ("branch_money", '"appropriated"', "appropriated"),
        ("hazard", '"ga_ge_sb_ban"', "ban_2"),
        ("name", '"quickstart"', "yes"),
    ],
)
def test_text_without_quotation_marks_is_text_whatever_digits_it_has(
    field: str, before: str, value: str, tmp_path: Path
) -> None:
    """Proves: a field that holds text is told as text without quotation marks, whatever digits the text has."""
    text = QUICKSTART.replace(before, value, 1)
    (fault,) = asked(tmp_path, text)
    assert fault.row == line(text, f"= {value}")
    assert fault.expected == f'text in quotation marks: {field} = "{value}"'


def test_a_field_twice_is_told_as_such(tmp_path: Path) -> None:
    """Proves: a value that reads is no text without quotation marks, whatever the field holds."""
    (fault,) = asked(tmp_path, QUICKSTART.replace('name = "quickstart"', 'name = "quickstart"\nname = 5'))
    assert "once: it is already in line 5" in fault.expected


def test_a_figure_with_a_unit_is_a_number_still(tmp_path: Path) -> None:
    """Proves: a field that holds a number keeps the hint on numbers."""
    (fault,) = asked(tmp_path, QUICKSTART.replace("appropriation_musd = 60", "appropriation_musd = USD60"))
    assert "a number: 60" in fault.expected


@pytest.mark.parametrize("value", ["mcs2024", "2024mcs"])
def test_text_without_quotation_marks_is_text_in_json_too(value: str, tmp_path: Path) -> None:
    """Proves: the same in JSON, also where the text begins with a figure."""
    (fault,) = asked(tmp_path, f'{{"name": "x",\n "price_set": {value}}}', name="plan.json")
    assert (fault.row, fault.expected) == ("2", f'text in quotation marks: "price_set": "{value}"')


# --- places ------------------------------------------------------------------------------------------------------


def test_nothing_is_begun_inside_a_run_folder(tmp_path: Path, cli: Cli) -> None:
    """Proves: `init` refuses a place in a run folder, which would no longer verify, and leaves it as it was."""
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    said = cli("init", tmp_path / "sub")
    assert said.returncode == 2
    assert f"a place in the run folder {tmp_path}" in said.stderr
    assert not (tmp_path / "sub").exists()


# --- tables ------------------------------------------------------------------------------------------------------


def changed(folder: Path, table: str, change: Callable[[str], str]) -> Path:
    """The shipped tables with one of them changed."""
    tables = folder / "tables"
    write_dataset(facts(), tables)
    path = tables / f"{table}.csv"
    before = path.read_text(encoding="utf-8")
    assert change(before) != before
    path.write_text(change(before), encoding="utf-8")
    return tables


@pytest.mark.parametrize("column", ["money_year", "source", "price_usd_per_kg"])
def test_a_name_lost_from_the_header_is_one_fault_of_the_header(column: str, tmp_path: Path) -> None:
    """Proves: rows that agree with each other and not with the header are not blamed."""
    tables = changed(tmp_path, "prices", lambda text: text.replace(f",{column}", "", 1))
    (fault,) = faults_of(lambda: load_dataset(tables))
    assert (fault.file, fault.row) == ("prices.csv", "1")
    assert fault.found == "10 names in the header, but 11 cells in each of the 177 rows"
    assert column in fault.expected


@pytest.mark.parametrize(
    ("table", "before", "after", "place", "said"),
    [
        ("demand", "gallium,defence", "gallium,defense", "demand.csv:53", "did you mean 'defence'?"),
        ("countries", "\nCHN", "\nCHI", "countries.csv:24", "'CHN', which is used 195 times in activities.csv,"),
        ("countries", "\nAUS", "\nXQX", "countries.csv", "'AUS', which is used 89 times in"),
        ("materials", "\ngallium,", "\ngalium,", "materials.csv:16", "'gallium', which is used 61 times in"),
        (
            "projects",
            "\nnolans,",
            "\nnolansx,",
            "projects.csv:2",
            "'nolans', which is used 3 times in feed_origins.csv, packages.csv",
        ),
        ("activities", "\nmp_mine,", "\nmp_minex,", "activities.csv:2", "'mp_mine', which is used 3 times"),
    ],
)
def test_a_name_that_many_use_is_right_and_what_defines_it_is_wrong(
    table: str, before: str, after: str, place: str, said: str, tmp_path: Path
) -> None:
    """Proves: a slip where a name is defined is one fault there; rows that use the right name are not blamed."""
    tables = changed(tmp_path, table, lambda text: text.replace(before, after, 1))
    (fault,) = faults_of(lambda: load_question(shipped("models") / "quickstart.toml", tables))
    assert str(fault).startswith(f"{place}  ")
    assert said in fault.expected


def test_a_slip_in_the_tiers_is_told_of_the_tiers(tmp_path: Path) -> None:
    """Proves: where all the demand agrees and the tiers do not, the tiers are told."""
    tables = changed(tmp_path, "tiers", lambda text: text.replace("*,defence", "*,defense"))
    faults = faults_of(lambda: load_question(shipped("models") / "quickstart.toml", tables))
    assert {(fault.file, fault.found) for fault in faults} == {("tiers.csv", "'defense'")}


@pytest.mark.parametrize(
    ("value", "said"),
    [(17.0, "1.417, if it was given in months"), (5.0, "a value in that range, or"), (0.001, "1, if it was given")],
)
def test_a_value_outside_its_own_range_is_blamed_and_the_range_is_not(value: float, said: str) -> None:
    """Proves: where low and high agree with each other, what lies outside is the wrong figure."""
    (row,) = [row for row in facts().rows("hazards") if row.hazard == "ga_ge_sb_ban"]
    record = row.model_dump(exclude_none=True) | {
        "duration_yr": value,
        "duration_yr_low": 0.25,
        "duration_yr_high": 1.974,
    }
    _, (fault,) = validate_rows("hazards", [record], "hazards.csv", list(record))
    assert (fault.column, fault.found) == ("duration_yr", f"{value:g}, outside its own range 0.25 to 1.974")
    assert said in fault.expected


@pytest.mark.parametrize(
    ("word", "name"), [("price", "prices"), ("material", "materials"), ("country", "countries"), ("Offer", "offers")]
)
def test_a_singular_is_the_table_of_that_plural(word: str, name: str) -> None:
    """Proves: of several tables whose names begin alike, the plural of a word is what is suggested."""
    assert meant(word, TABLES) == [name]


# --- the command line --------------------------------------------------------------------------------------------


def options() -> list[tuple[tuple[str, ...], str, str]]:
    """(verb, option, a value that it does not take) of every numeric option and every choice."""
    groups: list[tuple[tuple[str, ...], typer.Typer]] = [((), app)]
    groups += [((str(group.name),), group.typer_instance) for group in app.registered_groups if group.typer_instance]
    found = []
    for before, group in groups:
        for command in group.registered_commands:
            assert command.callback is not None
            verb = command.name or command.callback.__name__.replace("_", "-")
            for name, hint in get_type_hints(command.callback, include_extras=True).items():
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
        assert "unable to parse" not in said.stderr, said.stderr
        assert option in said.stderr or "Missing argument" in said.stderr, said.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["solve", "quickstart", "--gap", "5%"], "a plain number: 0.05, without the percent sign"),
        (["solve", "quickstart", "--time-limit", "10s"], "a number of seconds: 10"),
        (["solve", "quickstart", "--time-limit", "10m"], "a number of seconds: 600"),
        (["solve", "quickstart", "--time-limit", "90 minutes"], "a number of seconds: 5400"),
        (["solve", "quickstart", "--time-limit", "500ms"], "a plain number: 500 alone, without a unit"),
        (["solve", "quickstart", "--time-limit", "0.5h"], "a number of seconds: 1800"),
        (["stress", "r", "--scenarios", "0"], "at least 10"),
        (["serve", "--port", "1.5"], "an integer"),
        (["report", "r", "--format", "excel"], "one of html, md, xlsx, parquet"),
    ],
)
def test_an_option_says_what_was_meant(words: list[str], said: str, cli: Cli) -> None:
    """Proves: a value that an option does not take is told with what it may have meant."""
    told = cli(*words)
    assert told.returncode == 2
    assert f"  {words[-2]}  found '{words[-1]}'; expected {said}" in told.stderr


def test_a_wrong_option_is_json_where_json_is_asked_for(cli: Cli) -> None:
    """Proves: a program that asks for JSON gets the fault of an option as JSON, as any other."""
    said = json.loads(cli("solve", "quickstart", "--json", "--gap", "5%").stdout)
    assert [fault["column"] for fault in said["faults"]] == ["--gap"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("'5%' is not a valid float.", "0.05"),
        ("'x' is not a valid int.", "an integer"),
        ("'fast' is not one of 'auto', 'flat'.", "one of auto, flat"),
    ],
)
def test_earlier_parsers_of_command_lines_are_understood(message: str, said: str) -> None:
    """Proves: the releases of the parser that word their errors themselves are told in the same words."""
    (fault,) = option_faults(SimpleNamespace(__cause__=None, message=message, param=SimpleNamespace(opts=["--gap"])))
    assert said in fault.expected


# --- workbooks ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first plan as a workbook, with two of its tables."""
    path = tmp_path_factory.mktemp("book") / "plan.xlsx"
    tables = {name: facts().rows(name) for name in ("materials", "prices")}
    write_workbook(load_plan(shipped("models") / "quickstart.toml"), Dataset(tables), path)
    return path


@pytest.mark.parametrize("field", ["discount_rate", "scenarios.0.probability", "horizon.years"])
def test_an_emptied_field_is_told_at_its_own_cell(field: str, book: Path, tmp_path: Path) -> None:
    """Proves: where the row of a field is there without a value, its empty cell is the fault."""
    content = openpyxl.load_workbook(book)
    (row,) = [cells[0].row for cells in content["plan"].iter_rows() if cells[0].value == field]
    content["plan"].cell(row, 2).value = None
    content.save(tmp_path / "plan.xlsx")
    (fault,) = faults_of(lambda: load_workbook(tmp_path / "plan.xlsx"))
    assert (fault.row, fault.column, fault.found) == (f"B{row}", field, "an empty cell")


def test_a_lost_header_cell_is_one_fault_of_the_header(book: Path, tmp_path: Path) -> None:
    """Proves: many values under no name are one fault, at the cell where the name was."""
    content = openpyxl.load_workbook(book)
    (head,) = [cell for cell in content["prices"][1] if cell.value == "money_year"]
    head.value = None
    content.save(tmp_path / "plan.xlsx")
    (fault,) = faults_of(lambda: load_workbook(tmp_path / "plan.xlsx"))
    assert fault.row == head.coordinate
    assert fault.found.startswith("no name above ")


def test_a_workbook_that_was_cut_is_a_damaged_file(book: Path, tmp_path: Path) -> None:
    """Proves: what readers of archives say is not told; that the file is damaged is."""
    (tmp_path / "plan.xlsx").write_bytes(book.read_bytes()[:3000])
    (fault,) = faults_of(lambda: load_workbook(tmp_path / "plan.xlsx"))
    assert fault.found == "a damaged file: it was cut off or changed in transfer"


# --- settings of the command line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("Budget.appropriation_musd=70", "did you mean 'budget'?"),
        ("scenarios[0].probability=0.2", "scenarios.0.probability"),
        ("sample.scenarios=5", "a value"),
        ("prices[mcs2024/gallium/2024].price_usd_per_kg=500", "edit tables in their files"),
        ("a.b=1", "a known field"),
        ("budget.foo.bar=1", "a known field"),
        ("name=null", "text; the field must have a value"),
        ("budget.total_musd=", "budget.total_musd=null clears an optional field"),
    ],
)
@pytest.mark.parametrize("kind", ["text", "book"])
def test_what_the_command_line_set_is_told_of_it(pair: str, said: str, kind: str, book: Path, tmp_path: Path) -> None:
    """Proves: a section that `--set` made, or one that it made anew, is no fault of the plan's file."""
    if kind == "text":
        faults = asked(tmp_path, QUICKSTART, pair)
    else:
        faults = faults_of(lambda: load_question(book, None, overrides([pair])))
    assert {fault.file for fault in faults} == {"--set"}
    assert said in faults[0].expected


def test_null_empties_a_field(tmp_path: Path) -> None:
    """Proves: `--set FIELD=null` takes the value of a field away that may be empty, whatever the file says."""
    (tmp_path / "plan.toml").write_text(QUICKSTART.replace("[budget]", "[budget]\ntotal_musd = 1"), encoding="utf-8")
    for word in ("null", "none", " NULL "):
        assert load_plan(tmp_path / "plan.toml", overrides([f"budget.total_musd={word}"])).budget.total_musd is None
    assert overrides(["title=none"]) == {"title": "none"}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('kind = "grid"\n[axes]\n"prices.price_usd_per_kg" = [1]\n', "3", "prices[*/*/*].price_usd_per_kg"),
        ('kind = "grid"\n[axes]\n"price.price_usd_per_kg" = [1]\n', "3", "prices[*/*/*].price_usd_per_kg"),
        ('kind = "grid"\n[axes]\nbudget.appropriation_musd = [50]\n', "3", '"budget.appropriation_musd" = '),
    ],
)
def test_an_address_of_a_study_is_told_with_its_line(text: str, line: str, said: str, tmp_path: Path) -> None:
    """Proves: an address without a key, and one without quotation marks, are told where they stand."""
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")

    def design() -> Any:
        study, place = read_as(SweepFile, tmp_path / "study.toml")
        try:
            return sweep(*small(), study.design(*small()).points)
        except PlanError as error:
            raise located(place, error) from None

    (fault,) = faults_of(design)
    assert (fault.file, fault.row) == ("study.toml", line)
    assert said in fault.expected


# --- found, in the words of files --------------------------------------------------------------------------------


def test_what_was_found_is_spelt_as_files_spell_it(tmp_path: Path) -> None:
    """Proves: null, truth values and tables are not told in the words of the program."""
    assert shown({"hard": True, "days": [None, 1]}) == "{hard = true, days = [null, 1]}"
    faults = asked(tmp_path, '{"name": null, "horizon": {}, "budget": {}}', name="plan.json")
    assert ("name", "null") in {(fault.column, fault.found) for fault in faults}


def test_a_missing_section_is_told_by_its_name_and_where_it_could_stand(tmp_path: Path) -> None:
    """Proves: a plan without its budget is told what to write, and the line below which it can stand."""
    before, _, after = QUICKSTART.partition("[budget]")
    (fault,) = asked(tmp_path, before + after[after.index("[instruments]") :])
    assert fault.row
    assert fault.expected.startswith("a table [budget] with fields such as appropriation_musd")


@pytest.mark.parametrize(("text", "said"), [('{"schema_version" 2}', "no JSON any more"), ("{}", "nothing")])
def test_a_manifest_that_was_changed_is_told_in_words(text: str, said: str, tmp_path: Path) -> None:
    """Proves: a flipped byte, and a manifest without its version, are no words of a parser."""
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    (fault,) = faults_of(lambda: read_manifest(tmp_path))
    assert said in fault.found


# --- what was meant ----------------------------------------------------------------------------------------------

EVENT = "duration_years = 1.0           # overrides the row\n"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (EVENT, EVENT + 'demand_multipliers = "defence=1.5"\n', "a table: { defence = 1.5 }"),
        (EVENT, EVENT + 'demand_multipliers = "defence 1.5, other: 0.8"\n', "a table: { defence = 1.5, other = 0.8 }"),
        ("packages = [", 'signing_years = "2027-2029"\npackages = [', "a list: [2027, 2028, 2029]"),
        ("packages = [", "signing_years = 2027\npackages = [", "a list: [2027]"),
        ("packages = [", 'signing_years = "2027, 2029"\npackages = [', "a list: [2027, 2029]"),
        (
            '["gallium", "germanium", "antimony"]',
            '["gallium, germanium"]',
            'each as a separate text, "gallium", "germanium"',
        ),
        (EVENT, EVENT + 'countries = ["CHN"]\n', 'text: "CHN"'),
        (EVENT, EVENT + 'countries = ["CHN", "RUS"]\n', 'text: "CHN RUS"'),
        ('name = "quickstart"', 'name = "Rohstoff-\u00dcbung"', "such as 'Rohstoff-Uebung'"),
        ('name = "quickstart"', 'name = "quickstart"\n_comment = "mine"', "notes belong in the title"),
    ],
)
def test_a_value_of_another_shape_is_told_with_what_was_meant(
    before: str, after: str, said: str, tmp_path: Path
) -> None:
    """Proves: text in place of a list or a table, a list in place of text, names in one text: told as they should stand."""
    assert before in QUICKSTART
    (fault,) = asked(tmp_path, QUICKSTART.replace(before, after, 1))
    assert said in fault.expected


def test_a_json_plan_may_say_what_its_schema_is(tmp_path: Path) -> None:
    """Proves: `$schema`, which editors put into JSON, is read over, at the top alone."""
    content = {"$schema": "plan.json", **tomllib.loads(QUICKSTART)}
    assert asked(tmp_path, json.dumps(content), name="plan.json") == ()
    (fault,) = asked(
        tmp_path, json.dumps({**content, "budget": {**content["budget"], "$schema": "x"}}), name="plan.json"
    )
    assert fault.column == "budget.$schema"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("price_year", "2024", 2024),
        ("discount_rate", " 0.04 ", 0.04),
        ("instruments.reserve", "yes", True),
        ("instruments.partial_support", "No", False),
        ("scenarios.0.probability", "0.2", 0.2),
    ],
)
def test_the_plan_sheet_reads_text_as_the_tables_do(field: str, text: str, value: object) -> None:
    """Proves: a number stored as text, yes and no are what they mean where a field takes no text; elsewhere text stays."""
    assert typed(text, field) == value
    assert typed("2024", "title") == "2024"


def test_a_plan_as_text_is_sent_as_such() -> None:
    """Proves: a request with the text of a TOML file under `plan` is told of `plan_toml`."""
    item = {"type": "dict_type", "loc": ("solve", "plan"), "msg": "", "input": 'name = "x"'}
    (fault,) = wording.faults_of([item], "request", kinds=["solve"])
    assert "`plan_toml`" in fault.expected


@pytest.mark.parametrize("words", [["list"], ["revoke", "x"]])
def test_a_store_that_is_not_there_is_not_made_by_reading_it(words: list[str], tmp_path: Path, cli: Cli) -> None:
    """Proves: `token list` and `token revoke` of a mistyped folder end with 7 and leave no folder behind."""
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
