"""Slips of typing: years in other forms, letters for digits, letters of other alphabets, fields below the wrong table.

Every case is a small change of a question that is right, and the words that its one fault must have. Nothing is solved.
"""

from __future__ import annotations

import datetime
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from test_faulty_files import PRICES, TOML, faults_of, in_words, small

from strategic_minerals.core.errors import near_miss
from strategic_minerals.core.letter_hints import foreign, latin
from strategic_minerals.core.number_hints import number_hint
from strategic_minerals.core.year_hints import year_hint
from strategic_minerals.data.csv_files import load_dataset
from strategic_minerals.data.load import load_question, overrides
from strategic_minerals.data.row_checks import validate_rows
from strategic_minerals.data.workbook import load_workbook, write_workbook
from strategic_minerals.schemas.descriptions import years_at
from strategic_minerals.schemas.plan import Plan
from strategic_minerals.schemas.tables import TABLES

Change = Callable[[str], str]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from strategic_minerals.data.csv_files import write_dataset

    folder = tmp_path_factory.mktemp("right") / "tables"
    write_dataset(small()[1], folder)
    (folder / "prices.csv").write_text(PRICES, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("book") / "plan.xlsx"
    write_workbook(*small(), path)
    return path


def told(tables: Path, tmp_path: Path, text: str, name: str = "plan.toml") -> tuple[str, str]:
    """(line, words) of the one fault of a plan."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    faults = faults_of(lambda: load_question(tmp_path / name, tables))
    said = in_words(faults)
    assert len(faults) == 1, said
    return faults[0].row, said


def put(old: str, new: str) -> Change:
    assert old in TOML
    return lambda text: text.replace(old, new, 1)


# --- years ----------------------------------------------------------------------------------------------------

YEARS = {
    "2028-10": ("2028.75", "2028 alone"),
    "2028/10": ("2028.75", "2028 alone"),
    "10/2028": ("2028.75", "2028 alone"),
    "Oct 2028": ("2028.75", "2028 alone"),
    "Oct-28": ("2028.75", "2028 alone"),
    "October 2028": ("2028.75", "2028 alone"),
    "Okt 2028": ("2028.75", "2028 alone"),
    "1 October 2028": ("2028.75", "2028 alone"),
    "October 15, 2028": ("2028.7869", "2028 alone"),
    "2028-10-01": ("2028.75", "2028 alone"),
    "2028-07-01T00:00:00": ("2028.5", "2028 alone"),
    "15.10.2028": ("2028.7869", "2028"),
    "01/02/2028": ("2028.0833 or 2028.0027", "2028"),
    "FY27": ("2027 alone", "2027 alone"),
    "FY 2027": ("2027 alone (2027.5", "2027 alone"),
    "FY2027/28": ("2027: one year", "2027: one year"),
    "2027-28": ("2027: one year", "2027: one year"),
    "fiscal year 2027": ("2027 alone", "2027 alone"),
    "Q3 2028": ("2028.5", "2028 alone"),
    "H2 2028": ("2028.5", "2028 alone"),
    "mid-2028": ("2028.5", "2028 alone"),
    "end of 2028": ("2028.75", "2028 alone"),
    "2028,5": ("2028.5, with a decimal point", "2028: this must be a full year"),
    "2,028": ("2028, without", "2028, without"),
    "27": ("2027, with four", "2027, with four"),
    "1905-07-20": ("2028: the cell is formatted as a date", "2028: the cell is formatted as a date"),
    "2028": ("", ""),
    "2028.75": ("", "2028: this must be a full year"),
    "soon": ("", ""),
    "2028-13": ("", ""),
    "Q5 2028": ("", ""),
    "03-May": ("", ""),
}


@pytest.mark.parametrize("text", YEARS)
def test_a_year_in_another_form_is_read_as_it_is_meant(text: str) -> None:
    """Proves: months and days become the fraction of a year where a field has one, and the year alone where it has none."""
    decimal, whole = YEARS[text]
    for kind, said in (("decimal", decimal), ("whole", whole)):
        meant = year_hint(text, kind)  # type: ignore[arg-type]
        assert meant.startswith(said)
        assert bool(meant) == bool(said)


def test_which_fields_hold_which_kind_of_year_is_read_off_the_schema() -> None:
    """Proves: lengths in years are no years; every field of the plan and of the tables that is limited as a year is one."""
    assert years_at(Plan, "scenarios.0.events.0.start_year") == "decimal"
    assert years_at(Plan, "controls.0.until_year") == "decimal"
    assert years_at(Plan, "horizon.first_year") == "whole"
    assert years_at(Plan, "instruments.signing_years") == "whole"
    assert years_at(Plan, "instruments.signing_years.0") == "whole"
    assert years_at(TABLES["projects"], "earliest_signing") == "whole"
    lengths = ("horizon.years", "horizon.tail_years", "scenarios.0.events.0.duration_years", "name", "nowhere")
    assert {years_at(Plan, field) for field in lengths} == {""}


START, FIRST = "start_year = 2028.0", "first_year = 2027"
YEARS_IN_PLANS: dict[str, tuple[Change, str, str]] = {
    "a month": (put(START, "start_year = 2028-10"), "19", "2028.75, if the fiscal year begins in January"),
    "a date of TOML": (put(START, "start_year = 2028-10-01"), "19", "a number: 2028.75"),
    "a moment of TOML": (put(START, "start_year = 2028-10-01T00:00:00"), "19", "a number: 2028.75"),
    "a month by name": (put(START, "start_year = Oct 2028"), "19", "2028.75"),
    "a month as text": (put(START, 'start_year = "Oct 2028"'), "19", "2028.75"),
    "a fiscal year": (put(START, "start_year = FY28"), "19", "2028 alone (2028.5 is the middle"),
    "two figures": (put(START, "start_year = 28"), "19", "2028, with four digits"),
    "days of a spreadsheet": (put(START, "start_year = 46935"), "19", "2028.5, if it is a spreadsheet's number"),
    "a fiscal year, whole": (put(FIRST, "first_year = FY27"), "8", "2027 alone"),
    "two years, whole": (put(FIRST, 'first_year = "FY2027/28"'), "8", "2027: one year"),
    "a month, whole": (put(FIRST, "first_year = 2027-10"), "8", "2027 alone, without the month"),
    "a date, whole": (put(FIRST, "first_year = 2027-10-01"), "8", "2027 alone: a year, not a date"),
    "half a year, whole": (put(FIRST, "first_year = 2027.5"), "8", "2027: this must be a full year"),
    "a letter in it": (put(FIRST, "first_year = 2O27"), "8", "2027; 0 is written as the letter O"),
    "a list of fiscal years": (lambda t: f"{t}[instruments]\nsigning_years = [FY27, FY28]\n", "36", "[2027, 2028]"),
    "a list of texts": (lambda t: f'{t}[instruments]\nsigning_years = ["FY27", "FY28"]\n', "36", "[2027, 2028]"),
    "from one to another": (lambda t: f"{t}[instruments]\nsigning_years = 2027-2029\n", "36", "[2027, 2028, 2029]"),
    "of money": (
        put("appropriation_musd = 100000.0", "appropriation_musd = { FY27 = 5 }"),
        "13",
        "2027 alone before the equals sign",
    ),
}


@pytest.mark.parametrize("what", YEARS_IN_PLANS)
def test_a_year_in_a_plan_is_advised_as_its_field_takes_it(what: str, tables: Path, tmp_path: Path) -> None:
    """Proves: one fault with the line, and the year to write: decimal for onsets, whole for the horizon."""
    change, line, said = YEARS_IN_PLANS[what]
    row, words = told(tables, tmp_path, change(TOML))
    assert said in words
    assert row == line


def test_a_year_in_json_and_in_tables_is_advised_too(tables: Path, tmp_path: Path) -> None:
    """Proves: the same where the plan is JSON, by `--set`, and in cells of tables."""
    plan = json.dumps(tomllib.loads(TOML), indent=1)
    assert "2028.75" in told(tables, tmp_path, plan.replace("2028.0", "2028-10", 1), "plan.json")[1]
    assert "2028 alone" in told(tables, tmp_path, plan.replace("2028.0", '"FY28"', 1), "plan.json")[1]
    (tmp_path / "plan.toml").write_text(TOML, encoding="utf-8")
    faults = faults_of(lambda: load_question(tmp_path / "plan.toml", tables, overrides(["horizon.first_year=FY27"])))
    assert "2027 alone" in in_words(faults)
    rows = [{"price_set": "base", "material": "a", "from_year": text, "price_usd_per_kg": "1"} for text in YEARS]
    _, faults = validate_rows("prices", rows, "prices.csv", list(rows[0]))
    found = {fault.found: fault.expected for fault in faults}
    for text, (_, whole) in YEARS.items():
        assert whole in found.get(repr(text), "")


@pytest.mark.parametrize(
    ("field", "value", "shown_as", "said"),
    [
        ("scenarios.0.events.0.start_year", datetime.datetime(2028, 10, 1), "", "2028.75"),
        ("scenarios.0.events.0.start_year", 2028, "yyyy-mm-dd", "2028: the cell is formatted as a date"),
        ("horizon.first_year", 2027, "yyyy-mm-dd", "2027: the cell is formatted as a date"),
        ("horizon.first_year", datetime.datetime(2027, 10, 1), "", "2027 alone"),
        ("horizon.first_year", "FY27", "", "2027 alone"),
        ("scenarios.0.events.0.start_year", "Oct 2028", "", "2028.75"),
    ],
)
def test_a_year_in_a_cell_that_is_a_date_is_told(
    field: str, value: Any, shown_as: str, said: str, book: Path, tmp_path: Path
) -> None:
    """Proves: dates of spreadsheets, and years in cells that are formatted as dates, one fault with the cell."""
    content = openpyxl.load_workbook(book)
    cell = next(row[1] for row in content["plan"].iter_rows() if row[0].value == field)
    cell.value = value
    if shown_as:
        cell.number_format = shown_as
    content.save(tmp_path / "mine.xlsx")
    (fault,) = faults_of(lambda: load_workbook(tmp_path / "mine.xlsx"))
    assert said in in_words([fault])
    assert fault.row == cell.coordinate


# --- figures --------------------------------------------------------------------------------------------------

FIGURES = {
    "3oo": "300; 0 is written as the letter o",
    "l50": "150; 1 is written as the letter l",
    "I50": "150; 1 is written as the letter I",
    "1,5oo": "1500, without separators of thousands; 1.5 if",
    "O.5": "0.5; 0 is written as the letter O",
    "1o.5": "10.5; 0",
    "1O0,5": "100.5, with a decimal point; 0",
    "|00": "100; 1 is written as a bar",
    "1oo t": "100 alone, without a unit; 0",
    "1\u041e0": "100; 0 is written as the Cyrillic letter",
    "\uff11\uff12": "12; \uff11 is a digit from another script",
    "\u0663\u0664": "34; ",
    "1e": "1, or an integer exponent",
    "2.5E-": "2.5, or an integer exponent",
    "1e+": "1, or an integer exponent",
    "1 e3": "1000",
    "2x10^3": "2000",
    "10^6": "1000000",
    "100 l": "100 alone, without a unit",
    "5 l": "5 alone, without a unit",
    "oo": "",
    "oil": "",
    "0x10": "",
    "1.5.2": "",
}


@pytest.mark.parametrize("text", FIGURES)
def test_letters_for_digits_and_unfinished_exponents_are_told(text: str, tables: Path, tmp_path: Path) -> None:
    """Proves: what was meant, and which letter stands for which digit; in a plan's line as in a cell."""
    said = FIGURES[text]
    meant = number_hint(text)
    assert meant.startswith(said)
    assert bool(meant) == bool(said)
    if said:
        changed = TOML.replace("appropriation_musd = 100000.0", f'appropriation_musd = "{text}"')
        assert said in told(tables, tmp_path, changed)[1]


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("opening_t", "the amount in t, not a percentage"),
        ("demand_t_per_yr", "the amount in t/yr"),
        ("depth_t_per_yr_low", "the amount in t/yr"),
        ("price_usd_per_kg", "the amount in USD/kg"),
        ("appropriation_musd", "the amount in million USD"),
        ("life_yr", "the amount in years"),
        ("months", "the amount in months"),
        ("yield_t_per_t", "0.05"),
        ("decay_share_per_yr", "0.05"),
        ("rate_per_yr", "0.05"),
        ("cut_share", "0.05"),
        ("probability", "0.05"),
        ("import_share_pct", "5,"),
    ],
)
def test_a_percentage_is_a_share_and_no_amount(column: str, meant: str) -> None:
    """Proves: nobody is advised to divide a percentage of tonnes, money or years by a hundred."""
    assert number_hint("5%", column).startswith(meant)
    assert number_hint("5 percent", column).startswith(meant)


# --- letters --------------------------------------------------------------------------------------------------

NAMES = {
    "g\u0430llium": "'gallium'? character 2 is the Cyrillic letter \u0430",
    "gall\u0131um": "'gallium'? character 5 is an i without a dot",
    "GALL\u0130UM": "'gallium'? character 5 is an I with a dot",
    "g\u03b1llium": "'gallium'? character 2 is the Greek letter",
    "gallium\u200b": "'gallium'? character 8 is a zero-width space",
    "gal\u00adlium": "'gallium'? character 4 is a soft hyphen",
    "\uff47allium": "'gallium'? character 1 is \uff47",
    "\ufb02uorspar": "'fluorspar'? character 1 is \ufb02",
    "g\u0430lium": "'gallium'? character 2 is the Cyrillic letter",
    "\u0433\u0430\u043b\u043b\u0438\u0439": "it contains Cyrillic letters",
    "gallium\u00e4": "'gallium'?)",
    "galium": "'gallium'?)",
    "all": "'*', which means all",
    "ALL": "'*', which means all",
    "all materials": "'*', which means all",
    "everything": "'*', which means all",
}


@pytest.mark.parametrize("word", NAMES)
def test_a_letter_of_another_alphabet_is_named_with_the_name_that_was_meant(word: str) -> None:
    """Proves: what looks right and is not says which character is foreign; names with letters of their own are no such case."""
    assert NAMES[word] in near_miss(word, ["gallium", "germanium", "fluorspar", "*"])
    assert foreign("Uebung") == foreign("\u00dcbung") == foreign("Bor\u00e5s") == ""
    assert latin("\u00dcbung") == "\u00dcbung"


FOREIGN: dict[str, tuple[Change, str, str]] = {
    "a key": (put("discount_rate", "dis\u0441ount_rate"), "5", "discount_rate = 0.0, in ordinary letters"),
    "a quoted key": (put("discount_rate", '"dis\u0441ount_rate"'), "5", "'discount_rate'? character 4 is the Cyrillic"),
    "a table": (put("[horizon]", "[h\u043erizon]"), "7", "[horizon], in ordinary letters: character 2"),
    "a key in Turkish": (put("tail_years", "ta\u0131l_years"), "10", "tail_years = 0, in ordinary letters"),
    "a name": (put('"tiny"', '"t\u0456ny"'), "1", "such as 'tiny' (character 2 is the Cyrillic letter"),
    "a material": (put('materials = "a"', 'materials = "\u0430"'), "22", "'a'? character 1 is the Cyrillic letter"),
    "a country": (put('"CHN"', '"\u0421HN"'), "21", "'CHN'? character 1 is the Cyrillic letter"),
    "a planned material": (
        put("[horizon]", 'materials = ["\u0430"]\n[horizon]'),
        "7",
        "'a'? character 1 is the Cyrillic letter",
    ),
    "no list": (put("[horizon]", 'materials = "\u0430"\n[horizon]'), "7", 'a list: ["a"] (character 1'),
    "all as text": (put("[horizon]", 'materials = "all"\n[horizon]'), "7", 'a list: ["*"], which means all'),
    "all in a list": (put("[horizon]", 'materials = ["all"]\n[horizon]'), "7", "'*', which means all"),
    "all without quotes": (
        put("[horizon]", "materials = all\n[horizon]"),
        "7",
        'materials = ["*"], which means all',
    ),
    "all that an event strikes": (put('materials = "a"', 'materials = "all"'), "22", "'*', which means all"),
    "all countries": (put('countries = "CHN"', 'countries = "all"'), "21", "'*', which means all"),
    "all packages": (lambda t: f'{t}[instruments]\npackages = "all"\n', "36", 'a list: ["*"], which means all'),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_foreign_letters_and_all_are_told_in_a_plan(what: str, tables: Path, tmp_path: Path) -> None:
    """Proves: one fault with the line wherever a name stands; what a plan takes for all is `*`."""
    change, line, said = FOREIGN[what]
    row, words = told(tables, tmp_path, change(TOML))
    assert said in words
    assert row == line


def test_foreign_letters_are_told_in_tables(tables: Path, tmp_path: Path) -> None:
    """Proves: the same of a header and of a key in a table; what macOS leaves beside one is no table."""
    for file in tables.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "._prices.csv").write_bytes(b"\x00\x05\x16\x07")
    assert load_dataset(tmp_path).rows("prices") == small()[1].rows("prices")
    for old, new, said in (
        ("material", "m\u0430terial", "'material'? character 2"),
        ("base,a,", "base,\u0430,", "such as 'a' (character 1"),
    ):
        (tmp_path / "prices.csv").write_text(PRICES.replace(old, new, 1), encoding="utf-8")
        faults = faults_of(lambda: load_dataset(tmp_path))
        assert said in in_words(faults)
        assert len(faults) == 1


# --- fields below the wrong table, comments that go on ----------------------------------------------------------

RATE = "discount_rate = 0.0     # a year\n"
PROBABILITY, DESIGN = 'name = "stop"\nprobability = 0.1\n', "design_basis = true\n"


def moved(line: str, behind: str) -> Change:
    assert line in TOML
    return lambda text: text.replace(line, "", 1).replace(behind, behind + line, 1)


MISPLACED: dict[str, tuple[Change, str, str]] = {
    "below [budget]": (moved(RATE, "[budget]\n"), "12", "discount_rate above the first [table]"),
    "below [horizon]": (
        moved(RATE, "[horizon]\n"),
        "7",
        "discount_rate above the first [table]: [horizon] has no such field",
    ),
    "at the end": (
        lambda t: t.replace(RATE, "") + RATE,
        "34",
        "discount_rate above the first [table]: [[scenarios.events]] has no such field",
    ),
    "what may be left out": (
        put("[budget]\n", '[budget]\nmaterials = ["a"]\n'),
        "13",
        "materials above the first",
    ),
    "below the events": (
        lambda t: t.replace(DESIGN, "") + DESIGN,
        "34",
        "design_basis below [[scenarios]] and above [[scenarios.events]]",
    ),
    "needed, below the events": (
        lambda t: t.replace(PROBABILITY, 'name = "stop"\n') + "probability = 0.1\n",
        "34",
        "probability below [[scenarios]]",
    ),
    "of another table": (put("years = 3", "years = 3\ntotal_musd = 5"), "10", "it belongs in [budget]"),
    "of a table, above all": (lambda t: f"alpha = 0.9\n{t}", "1", "it belongs in [risk]"),
    "needed, above all": (lambda t: "years = 3\n" + t.replace("years = 3\n", "", 1), "1", "it belongs in [horizon]"),
    "of a table that is not there": (lambda t: f"{t}[risk]\nseed = 1\n", "35", "it belongs in [owners] or [sample]"),
    "of one of several": (
        put(DESIGN, f"{DESIGN}start_year = 2028.0\n"),
        "29",
        "it belongs in [[ongoing]] or [[scenarios.events]]",
    ),
    "of one of two": (
        put("years = 3", "years = 3\npenalty_usd_per_kg = 5.0"),
        "10",
        "[[service_levels]] or [[diversification]]",
    ),
    "a table in a table": (
        lambda t: t.replace("[horizon]\nfirst_year", "[budget.horizon]\nfirst_year", 1),
        "7",
        "[horizon] as a table of its own",
    ),
    "tables in tables": (
        lambda t: f'{t}[[scenarios.controls]]\nname = "x"\n',
        "34",
        "[[controls]] as tables of their own",
    ),
    "a slip where it stands": (put("tail_years", "tail_yeers"), "10", "did you mean 'tail_years'"),
}


@pytest.mark.parametrize("what", MISPLACED)
def test_a_field_below_the_wrong_table_is_told_where_it_belongs(what: str, tables: Path, tmp_path: Path) -> None:
    """Proves: one fault at the line where it stands, with the place where it belongs; not another one for its absence there."""
    change, line, said = MISPLACED[what]
    row, words = told(tables, tmp_path, change(TOML))
    assert said in words
    assert row in (line, str(int(line) + 1))


def test_a_misplaced_field_is_told_in_the_words_of_its_file(tables: Path, tmp_path: Path) -> None:
    """Proves: JSON and `--set` have no lines above a first table: they are told otherwise."""
    plan = tomllib.loads(TOML)
    plan["budget"]["discount_rate"] = plan.pop("discount_rate")
    words = told(tables, tmp_path, json.dumps(plan, indent=1), "plan.json")[1]
    assert "discount_rate next to 'budget', not inside it" in words
    (tmp_path / "plan.toml").write_text(TOML, encoding="utf-8")
    asked = overrides(["budget.discount_rate=0.1"])
    (fault,) = faults_of(lambda: load_question(tmp_path / "plan.toml", tables, asked))
    assert (fault.file, fault.expected) == ("--set", "a known field (did you mean 'discount_rate'?)")


GOES_ON = "this line continues the comment above"
WRAPPED = {
    "advises for long projects": GOES_ON,
    "rate": GOES_ON,
    "of 3 % a year": GOES_ON,
    "as in budget = 5": GOES_ON,
    "see: the treasury": GOES_ON,
    "(real, before tax)": GOES_ON,
    "treasury's own": GOES_ON,
    "horizon": GOES_ON,
    "\u00fcber alle Jahre": GOES_ON,
    "3 % a year": GOES_ON,
    "and so on [see there]": GOES_ON,
    "materials: 5": "an equals sign: materials = 5",
    "residual 0.5": "an equals sign: residual = 0.5",
    "loss level = 5 %": "a name without spaces: loss_level",
    "// another": "a comment that begins with #",
}


@pytest.mark.parametrize("line", WRAPPED)
def test_a_comment_that_was_wrapped_is_told_as_one(line: str, tables: Path, tmp_path: Path) -> None:
    """Proves: the second line of a comment is no field without an equals sign; a field below a comment still is."""
    row, words = told(tables, tmp_path, TOML.replace("# a year\n", f"# a year, as the\n{line}\n"))
    assert WRAPPED[line] in words
    assert row == "6"


def test_a_list_with_comments_is_no_comment_that_goes_on(tables: Path, tmp_path: Path) -> None:
    """Proves: entries of an open list stay entries, whatever is noted beside them."""
    for entries in ('"a", # one\n b]', '# one\n "a"\n "b"]'):
        row, words = told(tables, tmp_path, TOML.replace("[horizon]", f"materials = [{entries}\n[horizon]"))
        assert "entries with commas between them" in words
        assert row == "7"
