"""Formats of plans, tables and workbooks: what is older is lifted and gives the same answer, what is newer is refused."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from conftest import Cli
from strategic_minerals import InputError, Plan, PlanError, load_dataset, load_plan, shipped, solve
from strategic_minerals.data.format_stamp import STAMP, STAMP_TEXT, stamped
from strategic_minerals.data.migration import lifted_text, migrate
from strategic_minerals.data.migration_steps import PLAN_STEPS, STEPPED, TABLE_STEPS, TextTable
from strategic_minerals.data.workbook import load_workbook, write_workbook
from strategic_minerals.schemas.formats import FORMER_COLUMNS, FORMER_FIELDS, PLAN_FORMAT, TABLES_FORMAT
from strategic_minerals.schemas.tables import TABLES

OLD = Path(__file__).parent / "formats"
"""Plans and tables as they were written before, each with the answer that the package of its day gave."""
ANSWERS = {"worlds": -276.049512575414, "fiscal_years": -2.563771361457455}
"""Objective against doing nothing [million USD, 2024], worked out by the package as it was when the folder was written."""


@pytest.fixture(params=sorted(ANSWERS))
def lifted(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, tuple[str, ...]]:
    """An older folder, where it was lifted to, and what changed."""
    found = migrate(OLD / request.param, tmp_path / "new")
    return request.param, tmp_path / "new", found.changes


def test_an_older_question_gives_the_answer_of_its_day(lifted: tuple[str, Path, tuple[str, ...]]) -> None:
    """Proves: plan and tables of before, lifted, are solved to the very figure that the package gave when they were written."""
    name, new, _ = lifted
    found = solve(load_plan(new / "plan.toml"), load_dataset(new / "tables"), gap=0.0)
    assert found.outcome.objective_musd == pytest.approx(ANSWERS[name], abs=1e-6)


def test_lifting_changes_what_it_names_and_nothing_else(lifted: tuple[str, Path, tuple[str, ...]]) -> None:
    """Proves: files without anything of before are the same bytes; of a table that changes, other cells and their order stay."""
    name, new, changes = lifted
    old = OLD / name / "tables"
    for file in sorted(old.iterdir()):
        if file.stem != "countries":
            assert (new / "tables" / file.name).read_bytes() == file.read_bytes()
    before, after = (
        list(csv.DictReader((at / "countries.csv").read_text(encoding="utf-8").splitlines()))
        for at in (old, new / "tables")
    )
    gone = {"us_fta", "fiscal_year_month"} & set(before[0])
    assert after == [{column: cell for column, cell in row.items() if column not in gone} for row in before]
    assert list(after[0]) == [column for column in before[0] if column not in gone]
    assert {column for column in gone if any(column in change for change in changes)} == gone
    assert (new / "tables" / STAMP).read_text(encoding="utf-8") == STAMP_TEXT


def test_the_fiscal_year_of_the_home_moves_to_the_table_of_homes(tmp_path: Path) -> None:
    """Proves: the month of the home stays what it was; those of other countries, which nothing read, are not made homes."""
    migrate(OLD / "fiscal_years", tmp_path / "new")
    (home,) = load_dataset(tmp_path / "new" / "tables").rows("homes")
    assert (home.home, home.members, home.fiscal_year_month, home.currency) == ("USA", "USA", 10, "USD")


def test_a_plan_keeps_its_comments_and_its_order(tmp_path: Path) -> None:
    """Proves: of the text, the field that has another name and the line of the format are all that is otherwise."""
    migrate(OLD / "worlds" / "plan.toml", tmp_path / "plan.toml")
    old = (OLD / "worlds" / "plan.toml").read_text(encoding="utf-8")
    new = (tmp_path / "plan.toml").read_text(encoding="utf-8")
    assert new == old.replace("\nworlds = 6", "\nscenarios = 6").replace(
        '\nname = "g', f'\nformat = {PLAN_FORMAT}\nname = "g'
    )
    sample = load_plan(tmp_path / "plan.toml").sample
    assert sample is not None
    assert sample.scenarios == 6


@pytest.mark.parametrize(
    ("text", "kind", "wanted"),
    [
        ("sample.worlds = 3 # worlds = 4\n", "TOML", "format = 2\nsample.scenarios = 3 # worlds = 4\n"),
        ('a = "worlds = 3"\nsample = {worlds = 3}\n', "TOML", 'format = 2\na = "worlds = 3"\nsample = {scenarios = 3}\n'),
        ('format = 1\n[sample]\n"worlds" = 3', "TOML", "format = 2\n[sample]\nscenarios = 3"),
        ('[other]\nworlds = 1\n[sample]\nworlds = 1', "TOML", "format = 2\n[other]\nworlds = 1\n[sample]\nscenarios = 1"),
        ('{\n "n": "worlds",\n "sample": {"worlds": 3}\n}', "JSON",
         '{\n "format": 2,\n "n": "worlds",\n "sample": {"scenarios": 3}\n}'),
        ('{"sample":{"worlds":3},"format":1}', "JSON", '{"sample":{"scenarios":3},"format":2}'),
    ],
)  # fmt: skip
def test_a_field_is_renamed_where_it_is_one(text: str, kind: Any, wanted: str) -> None:
    """Proves: in every way of writing it the field is found, and the same word in a comment, a text or another table is not."""
    assert lifted_text(text, kind, "plan")[0] == wanted


def test_what_is_current_is_left_alone(tmp_path: Path, cli: Cli) -> None:
    """Proves: plans and tables of the present format, with or without a stamp, are told to be so, and nothing is written."""
    made = tmp_path / "mine"
    assert cli("init", made).returncode == 0
    assert f"format = {PLAN_FORMAT}" in (made / "plan.toml").read_text(encoding="utf-8")
    assert (made / "tables" / STAMP).is_file()
    bare = tmp_path / "bare.toml"
    shutil.copyfile(shipped("models") / "quickstart.toml", bare)
    for path, out in ((made, "x"), (made / "tables", "x"), (made / "plan.toml", "x.toml"), (bare, "x.toml")):
        said = cli("migrate", path, "--out", tmp_path / out)
        assert (said.returncode, "nothing was written" in said.stdout) == (0, True)
        assert not (tmp_path / out).exists()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bare.toml", "mine"]


def test_a_number_alone_is_brought_up_to_date(tmp_path: Path) -> None:
    """Proves: what states an earlier format and has nothing of it gets the present number, so that it is not asked about again."""
    migrate(OLD / "worlds", tmp_path / "once")
    (tmp_path / "once" / "tables" / STAMP).write_text("format = 3\n", encoding="utf-8")
    found = migrate(tmp_path / "once" / "tables", tmp_path / "twice")
    assert found.changes == (f"{STAMP}: format = {TABLES_FORMAT}",)
    assert migrate(tmp_path / "twice", tmp_path / "thrice").changes == ()


# --- what cannot be read ------------------------------------------------------------------------------------------------------


def test_a_plan_of_a_newer_version_is_refused_with_one_fault(tmp_path: Path, cli: Cli) -> None:
    """Proves: a format to come is told as such with its line, and not as fields that are none; in a dictionary too."""
    file = tmp_path / "plan.toml"
    file.write_text('name = "x"\nformat = 9\nwhatever_comes = 1\n', encoding="utf-8")
    with pytest.raises(PlanError) as error:
        load_plan(file)
    (fault,) = error.value.faults
    assert (fault.file, fault.row, fault.column, fault.found) == ("plan.toml", "2", "format", "9")
    assert f"made by a newer version of strategic-minerals; this one reads up to format {PLAN_FORMAT}" in fault.expected
    for verb in (["check", file, "--tables", "shipped"], ["migrate", file, "--out", tmp_path / "new.toml"]):
        said = cli(*verb)
        assert (said.returncode, "newer version" in said.stderr) == (2, True)
    assert not (tmp_path / "new.toml").exists()
    with pytest.raises(ValueError, match="less than or equal to 2"):
        Plan.model_validate({**load_plan(shipped("models") / "quickstart.toml").to_toml_like(), "format": 3})


@pytest.mark.parametrize("stated", ["0", "-1", "1.5", '"two"', "true"])
def test_a_format_that_is_no_number_is_a_fault(stated: str, tmp_path: Path) -> None:
    """Proves: nonsense in place of the number is refused, of plans and of tables."""
    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    (tmp_path / "plan.toml").write_text(f"format = {stated}\n{text}", encoding="utf-8")
    with pytest.raises(PlanError, match="format"):
        load_plan(tmp_path / "plan.toml")
    with pytest.raises(PlanError, match="a whole number from 1"):
        migrate(tmp_path / "plan.toml", tmp_path / "lifted.toml")
    assert not (tmp_path / "lifted.toml").exists()
    migrate(OLD / "worlds", tmp_path / "new")
    (tmp_path / "new" / "tables" / STAMP).write_text(f"# one\nformat = {stated}\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_dataset(tmp_path / "new" / "tables")
    (fault,) = error.value.faults
    assert (fault.file, fault.row, fault.column) == (STAMP, "2", "format")


def test_tables_of_a_newer_version_are_refused_with_one_fault(tmp_path: Path, cli: Cli) -> None:
    """Proves: tables of a format to come are told as such, whatever columns they have, to whoever reads or lifts them."""
    migrate(OLD / "worlds", tmp_path / "new")
    tables = tmp_path / "new" / "tables"
    (tables / STAMP).write_text(f"format = {TABLES_FORMAT + 1}\n", encoding="utf-8")
    (tables / "prices.csv").write_text("what,comes\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_dataset(tables)
    (fault,) = error.value.faults
    assert (fault.file, fault.found) == (STAMP, str(TABLES_FORMAT + 1))
    assert "the tables were made by a newer version" in fault.expected
    with pytest.raises(InputError, match="newer version"):
        migrate(tables, tmp_path / "other")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nowhere", "a plan file"),
        ("notes.toml", "faults"),
        ("empty", "a folder without a plan and without tables"),
        ("data.bin", "not valid UTF-8"),
    ],
)
def test_what_is_neither_plan_nor_tables_is_refused(what: str, said: str, tmp_path: Path, cli: Cli) -> None:
    """Proves: other files and folders are refused with exit 2, and nothing is left where something would have been written."""
    (tmp_path / "notes.toml").write_text('[tool]\nworlds = "a"\n', encoding="utf-8")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*"))
    found = cli("migrate", tmp_path / what, "--out", tmp_path / f"new{Path(what).suffix}")
    assert (found.returncode, found.stdout, said in found.stderr) == (2, "", True), found.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_faults_of_what_was_lifted_leave_nothing_behind(tmp_path: Path) -> None:
    """Proves: tables that do not read for another reason are told with file and line, and are not written half right."""
    shutil.copytree(OLD / "worlds", tmp_path / "old")
    prices = tmp_path / "old" / "tables" / "prices.csv"
    prices.write_text(prices.read_text(encoding="utf-8").replace("mcs2024,gallium,", "mcs2024,,"), encoding="utf-8")
    with pytest.raises(InputError) as error:
        migrate(tmp_path / "old", tmp_path / "new")
    assert {fault.file for fault in error.value.faults} == {"prices.csv"}
    assert [file.name for file in tmp_path.iterdir()] == ["old"]


def test_places_that_are_taken_are_refused(tmp_path: Path, cli: Cli) -> None:
    """Proves: neither a file nor a folder with something in it is written over, and a plan keeps its kind."""
    plan = OLD / "worlds" / "plan.toml"
    (tmp_path / "there.toml").write_text("mine", encoding="utf-8")
    for path, out, said in (
        (plan, tmp_path / "there.toml", "a file that is there already"),
        (OLD / "worlds", tmp_path, "a folder that is there already"),
        (plan, tmp_path / "plan.json", "a name that ends in .toml"),
    ):
        found = cli("migrate", path, "--out", out)
        assert (found.returncode, said in found.stderr) == (2, True), found.stderr
    assert (tmp_path / "there.toml").read_text(encoding="utf-8") == "mine"


# --- what is told -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "column"), sorted(FORMER_COLUMNS))
def test_a_column_of_before_leads_to_what_lifts_it(table: str, column: str, tmp_path: Path) -> None:
    """Proves: every column that was given up is told as such, with what is in its place, and is none of the present ones."""
    assert column not in TABLES[table].model_fields
    migrate(OLD / "worlds", tmp_path / "new")
    file = tmp_path / "new" / "tables" / f"{table}.csv"
    if not file.is_file():
        file.write_text(",".join([*TABLES[table].key, "source", "year", "confidence"]) + "\n", encoding="utf-8")
    header, _, rest = file.read_text(encoding="utf-8").partition("\n")
    file.write_text(f"{column},{header}\n" + "".join(f",{line}\n" for line in rest.splitlines()), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_dataset(tmp_path / "new" / "tables")
    told = [fault for fault in error.value.faults if fault.column == column]
    assert [(fault.file, FORMER_COLUMNS[table, column] in fault.expected) for fault in told] == [(f"{table}.csv", True)]
    assert "strategic-minerals migrate" in told[0].expected


def test_a_former_name_of_a_field_is_warned_of_and_told(tmp_path: Path, cli: Cli) -> None:
    """Proves: Python warns, the command line names the line and what writes the plan anew; --quiet does not; the answer stays."""
    with pytest.warns(DeprecationWarning, match=r"`sample.worlds` is the former name of `sample.scenarios`"):
        load_plan(OLD / "worlds" / "plan.toml")
    migrate(OLD / "worlds", tmp_path / "new")
    shutil.copyfile(OLD / "worlds" / "plan.toml", tmp_path / "new" / "plan.toml")
    with pytest.warns(DeprecationWarning, match="sample.worlds"):
        said, quiet = (cli(*words, "check", tmp_path / "new") for words in ((), ("-q",)))
    assert "plan.toml, line 31: `sample.worlds` is the former name of `sample.scenarios`" in said.stderr
    assert "strategic-minerals migrate" in said.stderr
    assert (quiet.stderr, quiet.stdout) == ("", said.stdout)


def test_what_was_lifted_is_told_as_json(tmp_path: Path, cli: Cli) -> None:
    """Proves: a program learns what changed and what was written."""
    told = json.loads(cli("migrate", OLD / "worlds", "--out", tmp_path / "new", "--json").stdout)
    assert told["formats"] == {"plan": PLAN_FORMAT, "tables": TABLES_FORMAT}
    assert told["changes"][0] == "plan.toml: sample.worlds -> sample.scenarios"
    assert told["wrote"] == [str(tmp_path / "new")]


# --- the list of changes ------------------------------------------------------------------------------------------------------


def test_steps_stand_in_the_order_of_their_formats_and_reach_the_present_one() -> None:
    """Proves: no step leads beyond the present format, the last leads to it, and every former name is lifted by one of them."""
    for steps, present in ((PLAN_STEPS, PLAN_FORMAT), (TABLE_STEPS, TABLES_FORMAT)):
        numbers = [number for number, _ in steps]
        assert numbers == sorted(numbers)
        assert (numbers[0], numbers[-1]) == (2, present)
    for former, name in FORMER_FIELDS.items():
        section, _, field = former.partition(".")
        plan: dict[str, Any] = {section: {field: 1}}
        assert [each for _, step in PLAN_STEPS for each in step(plan)] == [(former, name)]
    for table, column in FORMER_COLUMNS:
        tables = {table: TextTable(["x", column], [{"x": "1", column: "2"}])}
        assert table in STEPPED
        assert [each for _, step in TABLE_STEPS for each in step(tables)] != []
        assert column not in tables[table].columns


def row(**cells: str) -> dict[str, str]:
    return {**cells, "source": "s", "year": "2026", "confidence": "estimate"}


def test_each_table_step_by_hand() -> None:
    """Proves: what a step moves arrives where it belongs, with where it comes from; a table without anything of before is left."""
    tables = {
        "activities": TextTable(
            ["activity", "feed_origins"], [row(activity="mill", feed_origins="AUS CAN"), row(activity="mine")]
        ),
        "hazards": TextTable(["hazard", "severity_low", "stretch_high"], [row(hazard="h", severity_low="0.5")]),
        "materials": TextTable(
            ["material", "pooled"], [row(material="a", pooled="always"), row(material="b", pooled="calm")]
        ),
        "stock_origins": TextTable(["material", "origin"], [row(material="a", origin="CAN"), row(material="b")]),
    }
    told = [each for _, step in TABLE_STEPS for each in step(tables)]
    assert tables["activities"].columns == ["activity"]
    assert tables["feed_origins"].records == [row(producer="mill", origins="AUS CAN")]
    assert tables["hazards"].records == [row(hazard="h", severity_p05="0.5")]
    assert tables["hazards"].columns == ["hazard", "severity_p05", "stretch_p95"]
    assert [record["pooled"] for record in tables["materials"].records] == ["struck", "calm"]
    assert tables["stock_origins"].records[0]["from_country"] == "CAN"
    assert len(told) == 5
    assert [each for _, step in TABLE_STEPS for each in step(tables)] == []


def test_a_column_under_both_names_is_a_fault() -> None:
    """Proves: nobody guesses which of two columns was meant."""
    both = {"stock_origins": TextTable(["material", "origin", "from_country"], [])}
    with pytest.raises(InputError, match="both columns"):
        [step(both) for _, step in TABLE_STEPS]


def test_a_stamp_says_the_same_plan(tmp_path: Path) -> None:
    """Proves: every shipped plan can be stamped, and is the same plan with it."""
    for file in sorted(shipped("models").glob("*.toml")):
        (tmp_path / file.name).write_text(stamped(file.read_text(encoding="utf-8")), encoding="utf-8")
        assert load_plan(tmp_path / file.name) == load_plan(file)


# --- workbooks ----------------------------------------------------------------------------------------------------------------


def old_book(path: Path, tables_format: int | None) -> None:
    """The question of 27 November as a workbook of its day: former names, no stamp, a sheet of the planner's own."""
    openpyxl = pytest.importorskip("openpyxl")
    new = path.parent / "for-the-book"
    migrate(OLD / "worlds", new)
    write_workbook(load_plan(new / "plan.toml"), load_dataset(new / "tables"), path)
    book = openpyxl.load_workbook(path)
    plan = book["plan"]
    for cells in plan.iter_rows():
        if cells[0].value == "sample.scenarios":
            cells[0].value = "sample.worlds"
        if cells[0].value == "format" and tables_format is None:
            plan.delete_rows(cells[0].row)
    countries = book["countries"]
    width = countries.max_column + 1
    countries.cell(1, width, "us_fta")
    countries.cell(2, width, True)
    book.create_sheet("sums of mine")["A1"] = 1
    names = [one.name for one in book.custom_doc_props.props]
    for name in names:
        del book.custom_doc_props[name]
    if tables_format is not None:
        prop = openpyxl.packaging.custom.IntProperty(name="strategic_minerals_tables_format", value=tables_format)
        book.custom_doc_props.append(prop)
        for cells in plan.iter_rows():
            if cells[0].value == "format":
                cells[1].value = 1
    book.save(path)


@pytest.mark.parametrize("stated", [None, 1, 2])
def test_an_older_workbook_is_lifted(stated: int | None, tmp_path: Path, cli: Cli) -> None:
    """Proves: a book of before becomes one with the same plan and the same tables as the folder of its day; what of it is not in
    the new one is told."""
    old_book(tmp_path / "old.xlsx", stated)
    with pytest.warns(DeprecationWarning, match="sample.worlds"), pytest.raises(PlanError, match="us_fta"):
        load_workbook(tmp_path / "old.xlsx")
    said = cli("migrate", tmp_path / "old.xlsx", "--out", tmp_path / "new.xlsx")
    assert said.returncode == 0, said.stderr
    assert "sums of mine" in said.stdout
    plan, data = load_workbook(tmp_path / "new.xlsx")
    assert plan == load_plan(tmp_path / "for-the-book" / "plan.toml")
    folder = load_dataset(tmp_path / "for-the-book" / "tables")
    assert {name: data.rows(name) for name in folder.tables} == {name: folder.rows(name) for name in folder.tables}
    assert "nothing was written" in cli("migrate", tmp_path / "new.xlsx", "--out", tmp_path / "x.xlsx").stdout


def test_a_workbook_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """Proves: the property of the document is read, and a book of a format to come is one fault."""
    old_book(tmp_path / "new.xlsx", TABLES_FORMAT + 1)
    with pytest.raises(InputError) as error:
        load_workbook(tmp_path / "new.xlsx")
    (fault,) = error.value.faults
    assert (fault.column, fault.found) == ("format", str(TABLES_FORMAT + 1))
    assert "newer version" in fault.expected
