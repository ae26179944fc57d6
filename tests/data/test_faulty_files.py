"""Files as planners, spreadsheets and other programs leave them: one clear message for each fault, in words for people.

Every case is a change of files that are right, and words that the message must have. Nothing is solved.
"""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import test_faults
from test_hostile_inputs import kind_of

from conftest import ENTRY, Cli, environment
from strategic_minerals import Dataset, Plan, check, load_dataset
from strategic_minerals.analysis.sweep import sweep
from strategic_minerals.analysis.sweep_file import SweepFile, located
from strategic_minerals.core.errors import Fault, FaultsError, PlanError
from strategic_minerals.core.number_hints import amount_unit, number_hint
from strategic_minerals.data.load import load_question, overrides
from strategic_minerals.data.plan_file import parse_plan
from strategic_minerals.data.row_checks import validate_rows
from strategic_minerals.data.workbook import load_workbook, write_workbook
from strategic_minerals.results.study_files import refuse_mixed
from strategic_minerals.schemas.descriptions import years_at
from strategic_minerals.schemas.tables import TABLES
from support.tiny import cut, offer, source, tiny

PARSERS_WORDS = re.compile(
    r"Unable to extract tag|Input should be|Extra inputs|Field required|value_error|Value error|Input tag|type=|pydantic|"
    r"String should|List should|Tuple should|valid (?:integer|number|boolean|string|dictionary)|Unnamed|"
    r"Expecting (?:value|property|',')|Invalid (?:value|statement)|Expected '='|Cannot overwrite|Cannot declare|Unclosed|"
    r"at line \d+, column|char \d+|tokeniz|Traceback|NoneType|<class|constrained-|\[key\]|codec|ParserError"
)
"""Words of validators and parsers."""


def in_words(faults: list[Fault] | tuple[Fault, ...]) -> str:
    """Faults as they are told. Each has a file, what was found and what was expected, and no word of a validator or parser."""
    for fault in faults:
        assert fault.file, fault
        assert fault.found, fault
        assert fault.expected, fault
    said = "\n".join(map(str, faults))
    assert not PARSERS_WORDS.search(said), said
    return said


def faults_of(call: Callable[[], Any]) -> tuple[Fault, ...]:
    """Faults that a call raises, or that `check` finds of the question that it gives."""
    try:
        found = call()
    except FaultsError as error:
        return error.faults
    return check(*found).faults


# --- a folder of tables and a plan file -----------------------------------------------------------------------


@cache
def small() -> tuple[Plan, Dataset]:
    """A question with two scenarios, small enough to check in a moment."""
    return tiny(
        {"a": 10.0, "b": 20.0},
        sources={"far": source("CHN", "a", 10.0), "near": source("USA", "b", 10.0)},
        demand={("a", "civil"): 10.0, ("b", "defence"): 1.0},
        offers={"spot": offer("a", 5.0)},
        scenarios=[cut("ban", 0.1, 2028.0, 1.0, "a"), cut("stop", 0.1, 2028.0, 1.0, "b", design_basis=True)],
    )


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small question as a folder: `plan.toml` and `tables`."""
    from strategic_minerals.data.csv_files import write_dataset

    plan, data = small()
    folder = tmp_path_factory.mktemp("right")
    (folder / "plan.toml").write_text(TOML, encoding="utf-8")
    write_dataset(data, folder / "tables")
    (folder / "tables" / "prices.csv").write_text(PRICES, encoding="utf-8")
    assert load_dataset(folder / "tables").rows("prices") == data.rows("prices")
    assert parse_plan(tomllib.loads(TOML)) == plan
    assert faults_of(lambda: load_question(folder / "plan.toml")) == ()
    return folder


PRICES = """price_set,material,from_year,price_usd_per_kg,source,year,confidence
base,a,2027,10.0,,,estimate
base,b,2027,20.0,,,estimate
"""
TOML = """name = "tiny"
price_year = 2026
price_set = "base"
loss_function = "test"
discount_rate = 0.0     # a year

[horizon]
first_year = 2027
years = 3
tail_years = 0

[budget]
appropriation_musd = 100000.0

[[scenarios]]
name = "ban"
probability = 0.1
[[scenarios.events]]
start_year = 2028.0
duration_years = 1.0
countries = "CHN"
materials = "a"
cut_share = 1.0

[[scenarios]]
name = "stop"
probability = 0.1
design_basis = true
[[scenarios.events]]
start_year = 2028.0
duration_years = 1.0
countries = "CHN"
materials = "b"
cut_share = 1.0
"""


def with_table(right: Path, tmp_path: Path, table: str, content: bytes) -> tuple[Fault, ...]:
    """Faults of the small question with one table exchanged."""
    for file in (right / "tables").iterdir():
        (tmp_path / file.name).write_bytes(content if file.stem == table else file.read_bytes())
    return faults_of(lambda: load_question(right / "plan.toml", tmp_path))


def lines_of(text: str) -> list[str]:
    return text.rstrip("\n").split("\n")


def each_line(text: str, change: Callable[[str], str]) -> str:
    return "".join(f"{change(line)}\n" for line in lines_of(text))


WHOLE_TABLES: dict[str, tuple[Callable[[str], str | bytes], str, str]] = {
    "blank lines above": (lambda t: f"\n\n{t}", "1", "an empty line; expected the header, which is in line 3"),
    "a row of empty cells above": (lambda t: f",,,,\n{t}", "1", "which is in line 2"),
    "a title above": (
        lambda t: f"Prices 2026,,\n{t}",
        "1",
        "'Prices 2026,,'; expected the header, which is in line 2",
    ),
    "a comment above": (lambda t: f"# mine\n{t}", "1", "delete the lines above"),
    "Excel's separator line": (lambda t: "sep=;\n" + t.replace(",", ";"), "1", "commas, not by semicolons"),
    "Excel's separator line, commas": (lambda t: f"sep=,\n{t}", "1", "a line that only Excel understands"),
    "semicolons": (lambda t: t.replace(",", ";"), "1", "columns separated by commas, and a decimal point in numbers"),
    "semicolons and decimal commas": (lambda t: t.replace(",", ";").replace(".", ","), "1", "separated by semicolons"),
    "tabs": (lambda t: t.replace(",", "\t"), "1", "separated by tabs"),
    "bars": (lambda t: t.replace(",", "|"), "1", "separated by bars"),
    "UTF-16": (lambda t: t.encode("utf-16"), "", "text in UTF-16"),
    "UTF-16 without a mark": (lambda t: t.encode("utf-16-le"), "", "text in UTF-16"),
    "Latin 1": (lambda t: t.replace("base", "b\u00e4se", 1).encode("latin-1"), "2", "not valid UTF-8"),
    "zero bytes": (lambda t: t.replace("base", "ba\0se", 1), "2", "a zero byte"),
    "a workbook": (lambda t: b"PK\x03\x04" + t.encode(), "", "a workbook or another archive"),
    "an old workbook": (lambda t: b"\xd0\xcf\x11\xe0" + t.encode(), "", "a workbook of the old kind"),
    "nothing": (lambda t: "", "", "an empty file; expected a header"),
    "no header": (lambda t: t.split("\n", 1)[1], "1", "expected the header: price_set, material, from_year"),
    "JSON": (lambda t: '[{"price_set": "base"}]', "1", "expected the header"),
    "a page": (lambda t: "<html><body>Not found</body></html>", "1", "expected the header"),
    "whole lines quoted": (lambda t: each_line(t, lambda line: f'"{line}"'), "1", "a whole line in quotation marks"),
    "conflict markers": (
        lambda t: t.replace("\n", "\n<<<<<<< HEAD\n", 1) + "=======\n>>>>>>> theirs\n",
        "2",
        "a merge conflict marker, 3 in all",
    ),
    "a Git LFS pointer": (
        lambda t: "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "1",
        "git lfs pull",
    ),
    "curly quotation marks": (
        lambda t: lines_of(t)[0] + "\n" + lines_of(t)[1] + ",\u201ca, b\u201d\n",
        "2",
        "a curly quotation mark",
    ),
    "an open quotation mark": (lambda t: t.replace("\n", '\n"', 1), "2", "an opening quotation mark without"),
    "a header in capitals": (lambda t: t.replace("price_set", "PRICE_SET", 1), "1", "did you mean 'price_set'"),
    "a header with spaces": (lambda t: t.replace("from_year", "From year", 1), "1", "did you mean 'from_year'"),
    "a padded header": (lambda t: t.replace(",material", ", material", 1), "1", "did you mean 'material'"),
    "the column twice": (lambda t: each_line(t, lambda line: f"{line},{line.split(',')[1]}"), "1", "the column twice"),
    "a column without a name": (lambda t: t.replace(",material", ",", 1), "1", "no name for column 2"),
    "a column of one's own": (
        lambda t: each_line(t, lambda line: f"{line},x").replace(",x", ",mine", 1),
        "1",
        "a known column",
    ),
    "values under no header": (lambda t: each_line(t, lambda n: f"{n},7").replace(",7\n", "\n", 1), "2", "cells"),
    "the header again": (lambda t: f"{t}{t.splitlines()[0]}\n", "4", "the header again; expected only rows of data"),
    "a line of units": (
        lambda t: t.replace("\n", "\n,,,USD/kg,,,\n", 1),
        "2",
        "a row without a name or number",
    ),
    "a line of totals": (lambda t: f"{t}Total,,,30.0,,,\n", "4", "a totals row ('Total')"),
    "a short line of totals": (lambda t: f"{t}Total,,,30.0\n", "4", "a totals row ('Total')"),
    "a nameless line of totals": (lambda t: f"{t},,,30.0,,,\n", "4", "a row without a name or number"),
    "a line that was cut": (lambda t: t.rstrip("\n").rsplit(",", 3)[0] + "\n", "3", "was the line cut off?"),
    "a row twice": (lambda t: t + lines_of(t)[-1] + "\n", "4", "a unique key (line 3 has the same)"),
}


@pytest.mark.parametrize("what", WHOLE_TABLES)
def test_a_table_that_a_spreadsheet_left_otherwise_is_one_fault(what: str, right: Path, tmp_path: Path) -> None:
    """Proves: whatever is wrong with a file as a whole is one message with the line, and not one for each of its rows."""
    change, line, said = WHOLE_TABLES[what]
    text = (right / "tables" / "prices.csv").read_text(encoding="utf-8")
    content = change(text)
    faults = with_table(right, tmp_path, "prices", content if isinstance(content, bytes) else content.encode())
    assert said in in_words(faults)
    assert {(fault.file, fault.row) for fault in faults} <= {("prices.csv", line), ("prices.csv", "3")}
    assert len(faults) == 1 + (what == "values under no header")


HARMLESS: dict[str, Callable[[str], bytes]] = {
    "a byte order mark": lambda t: b"\xef\xbb\xbf" + t.encode(),
    "line ends of Windows": lambda t: t.replace("\n", "\r\n").encode(),
    "line ends of old Macs": lambda t: t.replace("\n", "\r").encode(),
    "commas at the end of every line": lambda t: each_line(t, lambda line: f"{line},,").encode(),
    "commas at the end of every row": lambda t: (
        lines_of(t)[0] + "\n" + "".join(f"{n},\n" for n in lines_of(t)[1:])
    ).encode(),
    "empty lines between and below": lambda t: t.replace("\n", "\n\n").encode() + b"\n,,\n\n",
    "every cell quoted": lambda t: each_line(
        t, lambda line: ",".join(f'"{cell}"' for cell in line.split(","))
    ).encode(),
    "an exponent": lambda t: t.replace("10.0", "1e1").encode(),
    "no end of the last line": lambda t: t.rstrip("\n").encode(),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_changes_no_value_is_read(what: str, right: Path, tmp_path: Path) -> None:
    """Proves: byte order marks, line ends, empty cells without a name: the same table, without a word."""
    text = (right / "tables" / "prices.csv").read_text(encoding="utf-8")
    assert with_table(right, tmp_path, "prices", HARMLESS[what](text)) == ()
    assert load_dataset(tmp_path).rows("prices") == small()[1].rows("prices")


# --- every kind of column x every kind of bad cell -------------------------------------------------------------

NUMBERS = {
    "1,870": "1870",
    "1 870": "1870",
    "1\u202f870": "1870",
    "1'870": "1870",
    "1.870,5": "1870.5",
    "1,870.5": "1870.5",
    "1.870.000": "1870000",
    "0,03": "0.03",
    "12,5": "12.5",
    "1_87": "187",
    "3%": "0.03",
    "3 %": "0.03",
    "3,5%": "0.035",
    "n/a": "leave the cell empty",
    "-": "leave the cell empty",
    "\u2013": "leave the cell empty",
    "?": "leave the cell empty",
    "null": "leave the cell empty",
    "TBD": "leave the cell empty",
    "~120": "120",
    "ca. 120": "120",
    "<100": "100",
    "100-120": "one figure",
    "120 t": "120 alone, without a unit",
    "USD 120": "120 alone, without a unit",
    "$120": "120 alone, without a unit",
    "120 USD/kg": "120 alone, without a unit",
    "FY2027": "2027 alone",
    "2027/28": "2027",
    "5k": "written out",
    "1.2M": "",
    "03-May": "the spreadsheet has turned it into a date",
    "May-24": "the spreadsheet has turned it into a date",
    "2024-01-01": "a date",
    "01/02/2024": "a date",
    "TRUE": "true or false",
    "#REF!": "could not compute",
    "#N/A": "could not compute",
    "1/2": "0.5",
    "(120)": "-120",
    "120*": "120;",
    "=1+1": "the formula",
    "'5'": "without quotation marks",
    "soon": "",
    "0x10": "",
    "\u0663": "",
    "1e400": "",
    "nan": "",
}
OTHERS = {
    "day": {
        "04/04/2025": "a date such as",
        "2025-02-30": "a date such as",
        "2025": "a date such as",
        "soon": "a date such as",
    },
    "choice": {"xyzzy": "one of", "REPORTED": "one of", "repotred": "one of"},
    "flag": {"ja": "true or false", "2": "true or false", "TRUE.": "true or false"},
    "name": {
        "two words": "'two_words'",
        " x": "without the space",
        "x ": "without the space",
        "\u201cx\u201d": "'x'",
        "\u00e4": "a name",
    },
}


def cases_of(kind: str) -> dict[str, str]:
    return NUMBERS if kind == "number" else OTHERS.get(kind, {})


@pytest.mark.parametrize("kind", ["number", *OTHERS])
@pytest.mark.parametrize("table", TABLES)
def test_every_column_tells_what_a_bad_cell_was_meant_to_be(table: str, kind: str) -> None:
    """Proves: every column of a kind x every bad cell of that kind: one fault at its row and column, with what was found as it
    stands there, and what to write instead where that can be known."""
    good = {column: cell for column, cell in test_faults.example(table).items() if cell != ""}
    columns = [column for column in good if kind_of(table, column) == kind and not column.endswith(("_low", "_high"))]
    cases = [(column, bad, said) for column in columns for bad, said in cases_of(kind).items()]
    cases = [case for case in cases if case[0] not in ("country", "home", "currency")]
    records: list[dict[str, Any]] = [{**good, column: bad} for column, bad, _ in cases]
    _, faults = validate_rows(table, records, f"{table}.csv", list(good))
    in_words(faults)
    found = {(fault.row, fault.column): fault for fault in faults}
    assert len(found) == len(faults)
    for line, (column, bad, said) in enumerate(cases, start=2):
        fault = found.get((str(line), column))
        assert fault is not None, (table, column, bad)
        if "%" in bad and (amount_unit(column) or years_at(TABLES[table], column)):
            said = "not a percentage"
            assert "0.0" not in fault.expected
        assert said in fault.expected or column.endswith("_pct"), (table, column, bad, fault)
        assert repr(bad)[1:-1] in fault.found


@pytest.mark.parametrize(
    ("text", "column", "meant"),
    [
        ("3%", "import_share_pct", "3,"),
        ("5 M", "capex_musd", "5 "),
        ("60 million", "appropriation_musd", "60 "),
        (".03", "", "0.03"),
        ("\u221260", "", "-60"),
        ("1,870", "", "1.87 if it is a decimal comma"),
        ("0,030", "", "0.03"),
        ("x" * 50, "", ""),
        ("1e3", "", "1000"),
    ],
)
def test_what_a_number_was_meant_to_be_depends_on_where_it_stands(text: str, column: str, meant: str) -> None:
    """Proves: percent in columns of percent, millions in columns of millions; what is like nothing is told nothing."""
    said = number_hint(text, column)
    assert said.startswith(meant) or meant in said
    assert bool(said) == bool(meant)


# --- a plan file ----------------------------------------------------------------------------------------------


def put(old: str, new: str) -> Callable[[str], str]:
    assert old in TOML
    return lambda text: text.replace(old, new, 1)


RATE, YEARS, MONEY = "discount_rate = 0.0 ", "years = 3", "appropriation_musd = 100000.0"
PLAN_TEXTS: dict[str, tuple[Callable[[str], str | bytes], str, str]] = {
    "decimal comma": (put(RATE, "discount_rate = 0,03 "), "5", "found discount_rate = 0,03; expected a number: 0.03"),
    "percent": (put(RATE, "discount_rate = 3% "), "5", "a number: 0.03"),
    "percent, spaced": (put(RATE, "discount_rate = 3 % "), "5", "a number: 0.03"),
    "no figure before the point": (put(RATE, "discount_rate = .03 "), "5", "discount_rate = 0.03"),
    "no figure behind the point": (put(RATE, "discount_rate = 3. "), "5", "discount_rate = 3"),
    "smart quotes": (put('"tiny"', "\u201ctiny\u201d"), "1", 'straight quotation marks: name = "tiny"'),
    "no quotes": (put('"tiny"', "tiny"), "1", 'text in quotation marks: name = "tiny"'),
    "no closing quote": (put('"tiny"', '"tiny'), "1", 'a quotation mark on both sides of the text: name = "tiny"'),
    "no opening quote": (put('"base"', 'base"'), "3", 'price_set = "base"'),
    "the field twice": (put(YEARS, f"{YEARS}\nyears = 4"), "10", "the field 'years' once: it is already in line 9"),
    "a table twice": (lambda t: f"{t}\n[budget]\n", "36", "the table 'budget' once: it is already in line 12"),
    "a colon": (put(YEARS, "years: 3"), "9", "an equals sign: years = 3"),
    "a colon and an equals sign": (put(YEARS, "years := 3"), "9", "an equals sign: years = 3"),
    "two equals signs": (put(YEARS, "years == 3"), "9", "one equals sign: years = 3"),
    "no equals sign": (put(YEARS, "years 3"), "9", "an equals sign: years = 3"),
    "no value": (put(YEARS, "years ="), "9", "a value after the equals sign"),
    "nothing meant": (put(YEARS, "years = null"), "9", "a value; if there is none, delete the line with years"),
    "a semicolon": (put(YEARS, "years = 3;"), "9", "nothing after the value: years = 3"),
    "a comma": (put(YEARS, "years = 3,"), "9", "nothing after the value: years = 3"),
    "a leading nought": (put(YEARS, "years = 03"), "9", "years = 3"),
    "thousands": (put(MONEY, "appropriation_musd = 100,000"), "13", "a number: 100000"),
    "a unit": (put(MONEY, "appropriation_musd = 100 MUSD"), "13", "a number: 100 alone, without a unit"),
    "millions": (put(MONEY, "appropriation_musd = 100 M"), "13", "a number: 100 written out"),
    "a currency": (put(MONEY, "appropriation_musd = $100"), "13", "a number: 100 alone, without a unit"),
    "a name with a space": (put("discount_rate", "discount rate"), "5", "a name without spaces: discount_rate = 0.0"),
    "truth in capitals": (put("design_basis = true", "design_basis = True"), "28", "design_basis = true"),
    "truth in words": (put("design_basis = true", "design_basis = yes"), "28", "design_basis = true"),
    "an open bracket": (put("[budget]", "[budget"), "12", "[budget]"),
    "no opening bracket": (put("[budget]", "budget]"), "12", "[budget]"),
    "brackets of two kinds": (put("[[scenarios.events]]", "[[scenarios.events]"), "18", "[[scenarios.events]]"),
    "a strange letter": (
        put("tail_years", "tail_yea%rs"),
        "10",
        "a name of letters, digits and _ before the equals sign",
    ),
    "a table misspelt": (lambda t: f"{t}\n[[controlls]]\nname = 'x'\n", "36", "did you mean 'controls'"),
    "a stray word": (put(YEARS, f"{YEARS}\nstray"), "10", "field = value, [table], or a comment after #"),
    "a stray bracket": (put("[[scenarios.events]]", "scenarios.events]]"), "18", "[[scenarios.events]]"),
    "an open list": (put("[horizon]", 'materials = ["a", "b"\n[horizon]'), "7", "] at the end"),
    "a list without commas": (put("[horizon]", 'materials = ["a" "b"]\n[horizon]'), "7", 'materials = ["a", "b"]'),
    "a list without quotes": (put("[horizon]", "materials = [a, b]\n[horizon]"), "7", 'materials = ["a", "b"]'),
    "another comment": (put("name =", "// mine\nname ="), "1", "a comment that begins with #"),
    "a space of another kind": (put(YEARS, "years\u00a0= 3"), "9", "ordinary spaces"),
    "a control character": (put(YEARS, "years = 3\x00"), "9", "text without control characters"),
    "a backslash": (put('"tiny"', '"C:\\quick"'), "1", "single quotation marks"),
    "conflict markers": (put("[horizon]", "<<<<<<< HEAD\n[horizon]"), "7", "without merge conflict markers"),
    "YAML": (lambda t: "name: tiny\nhorizon:\n  years: 3\n", "1", "this looks like YAML"),
    "YAML with dashes": (lambda t: "---\nname: tiny\nmaterials:\n  - a\n", "1", "this looks like YAML"),
    "JSON": (lambda t: json.dumps(tomllib.loads(t), indent=1), "1", "this looks like JSON"),
    "a table": (lambda t: "price_set,material\nbase,a\n", "1", "tables belong in the folder `tables`"),
    "a page": (lambda t: "<!DOCTYPE html>\n<html></html>", "1", "a page of HTML"),
    "UTF-16": (lambda t: t.encode("utf-16"), "", "text in UTF-16"),
    "Latin 1": (lambda t: t.replace("a year", "j\u00e4hrlich").encode("latin-1"), "5", "not valid UTF-8"),
    "a workbook": (lambda t: b"PK\x03\x04" + t.encode(), "", "a workbook"),
    "nothing": (lambda t: "", "", "no fields; expected the fields name, price_year"),
    "comments alone": (lambda t: "# to do\n", "", "no fields; expected the fields name, price_year"),
    "text for a number": (put(RATE, 'discount_rate = "3%" '), "5", "a number, not text: 0.03"),
    "a comma in text": (put(RATE, 'discount_rate = "0,03" '), "5", "a number, not text: 0.03"),
    "a word for a number": (put(YEARS, 'years = "three"'), "9", "a number, not text"),
    "a date for a number": (put("start_year = 2028.0", "start_year = 2028-06-01"), "19", "a number"),
    "half a year": (put(YEARS, "years = 3.5"), "9", "an integer"),
    "below zero": (put(MONEY, "appropriation_musd = -1"), "13", "at least 0"),
    "a share in percent": (put("probability = 0.1", "probability = 10"), "17", "3 % is 0.03"),
    "infinity": (put(MONEY, "appropriation_musd = inf"), "13", "a finite number"),
    "a list for a number": (
        put(MONEY, "appropriation_musd = [60, 60]"),
        "13",
        "a number or a table, such as { 2027 = 100 }",
    ),
    "a name for a year": (put(MONEY, "appropriation_musd = { y2027 = 60 }"), "13", "a year such as 2027"),
    "two figures of a year": (put(MONEY, "appropriation_musd = { 27 = 60 }"), "13", "at least 1900"),
    "a list as text": (put("[horizon]", 'materials = "a, b"\n[horizon]'), "7", 'a list: ["a", "b"]'),
    "another choice": (put(MONEY, f'{MONEY}\nbranch_money = "approp"'), "14", "did you mean 'appropriated'"),
    "a field in capitals": (put("discount_rate", "Discount_Rate"), "5", "did you mean 'discount_rate'"),
    "a field misspelt": (put("tail_years", "tial_years"), "10", "did you mean 'tail_years'"),
    "a needed field misspelt": (put(YEARS, "yeers = 3"), "9", "did you mean 'years'"),
    "a field of another table": (put(YEARS, f"{YEARS}\ntotal_musd = 5"), "10", "did you mean 'budget.total_musd'"),
    "one bracket for two": (put("[[scenarios.events]]", "[scenarios.events]"), "15", "of tables: [[...]]"),
    "a number for a table": (put("[horizon]", "horizon = 5\n[horizn]"), "7", "a table with fields"),
    "no events": (lambda t: f'{t}\n[[scenarios]]\nname = "x"\nprobability = 0.1\n', "36", "a value"),
    "an unknown material": (put('materials = "a"', 'materials = "zz"'), "22", "materials of materials.csv"),
    "an unknown country": (put('countries = "CHN"', 'countries = "CUB"'), "21", "ISO3 codes of countries.csv"),
    "an unknown set of prices": (put('"base"', '"bas"'), "3", "did you mean 'base'"),
    "an unknown loss function": (put('"test"', '"tset"'), "4", "did you mean 'test'"),
    "an unknown hazard": (put("cut_share = 1.0", 'cut_share = 1.0\nhazard = "war"'), "24", "a hazard of hazards.csv"),
    "an unknown planned material": (
        put("[horizon]", 'materials = ["a", "c"]\n[horizon]'),
        "7",
        "a material of materials.csv",
    ),
    "a date beyond the end": (put("start_year = 2028.0", "start_year = 2068.0"), "19", "a date from the second period"),
    "a year far off": (put("first_year = 2027", "first_year = 2127"), "8", "the years 2027 to 2027"),
    "a year long ago": (put("first_year = 2027", "first_year = 1927"), "8", "the years 2027 to 2027"),
}


@pytest.mark.parametrize("what", PLAN_TEXTS)
def test_a_slip_in_a_plan_file_is_told_with_its_line(what: str, right: Path, tmp_path: Path) -> None:
    """Proves: one fault with the line; where the file does not read at all, with the text of the line and what to write instead;
    faults against the tables too, with the line of the plan."""
    change, line, said = PLAN_TEXTS[what]
    content = change(TOML)
    path = tmp_path / "plan.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    faults = faults_of(lambda: load_question(path, right / "tables"))
    assert said in in_words(faults)
    assert (faults[0].file, faults[0].row) == ("plan.toml", line)
    assert len(faults) == (2 if what == "a number for a table" else 1)


JSON_TEXTS: dict[str, tuple[Callable[[str], str], str, str]] = {
    "two commas": (lambda t: t.replace(",", ",,", 1), "2", "one comma between two entries"),
    "a comma at the end": (lambda t: t.rstrip("\n }") + ",\n}", "", ""),
    "single quotes": (lambda t: t.replace('"name"', "'name'", 1), "2", "double quotation marks"),
    "capital truth": (lambda t: t.replace(": true", ": True"), "32", "true, in this spelling"),
    "no value": (lambda t: t.replace("2026", "None"), "3", "null, in this spelling"),
    "percent": (lambda t: t.replace('"discount_rate": 0.0', '"discount_rate": 3%'), "6", "a number: 0.03"),
    "decimal comma": (lambda t: t.replace('"discount_rate": 0.0', '"discount_rate": 0,03'), "6", ""),
    "no comma": (lambda t: t.replace("2026,", "2026"), "3", "a comma after this entry"),
    "a comment": (lambda t: t.replace('"name"', '// mine\n "name"', 1), "2", "no comments"),
    "cut short": (lambda t: t[:200], "", "the rest of the file"),
    "TOML": (lambda t: TOML, "1", "JSON, which begins with {"),
    "a list": (lambda t: f"[{t}]", "1", "an object"),
    "the field twice": (lambda t: t.replace('"name"', '"name": "x",\n "name"', 1), "3", "'name' occurs twice"),
    "not finite": (lambda t: t.replace('"discount_rate": 0.0', '"discount_rate": NaN'), "6", "finite"),
    "a field misspelt": (lambda t: t.replace('"years"', '"yeers"'), "9", "did you mean 'years'"),
    "an unknown set of prices": (lambda t: t.replace('"base"', '"bas"'), "4", "did you mean 'base'"),
    "an unknown material": (
        lambda t: t.replace('"materials": "a"', '"materials": "zz"'),
        "24",
        "materials of materials.csv",
    ),
}


@pytest.mark.parametrize("what", JSON_TEXTS)
def test_a_slip_in_a_json_plan_is_told_with_its_line(what: str, right: Path, tmp_path: Path) -> None:
    """Proves: the same of plans in JSON."""
    change, line, said = JSON_TEXTS[what]
    path = tmp_path / "plan.json"
    path.write_text(change(json.dumps(tomllib.loads(TOML), indent=1)), encoding="utf-8")
    faults = faults_of(lambda: load_question(path, right / "tables"))
    assert said in in_words(faults)
    assert faults[0].file == "plan.json"
    assert faults[0].row == line or (line == "" and faults[0].row)


WRONG_KINDS: dict[str, Any] = {
    "text": "some text",
    "percent": "3%",
    "comma": "0,03",
    "empty text": "",
    "truth": True,
    "number": 7,
    "below zero": -1.5,
    "list": [[1]],
    "two numbers": [60, 60],
    "table": {"a": {"b": 1}},
    "nothing": None,
    "huge": 1e300,
}


@pytest.mark.parametrize("kind", WRONG_KINDS)
def test_no_field_of_a_plan_tells_a_validators_words(kind: str) -> None:
    """Proves: every field of a plan x every wrong kind, range or name: whatever is told is told in plain words, and of one field
    once."""
    for path, _ in test_faults.leaves(test_faults.full_plan()):
        try:
            parse_plan(test_faults.put(test_faults.full_plan(), path, WRONG_KINDS[kind]))
        except PlanError as error:
            in_words(error.faults)
            own = [fault.column for fault in error.faults].count(test_faults.dotted(path))
            assert own <= 1, path


def test_no_missing_field_and_no_strange_key_tells_a_validators_words() -> None:
    """Proves: the same of what is not there, and of what nobody knows."""
    for path, _ in test_faults.leaves(test_faults.full_plan()):
        for name in ("zzz", f"{path[-1]}s"):
            *around, _last = path
            data = test_faults.put(test_faults.full_plan(), (*around, name), 1) if isinstance(path[-1], str) else {}
            try:
                parse_plan(data)
            except PlanError as error:
                in_words(error.faults)


SETS = {
    "discount_rate=.03": "0.03",
    "discount_rate=0,03": "0.03",
    "discount_rate=3%": "0.03",
    "discount_rate=": "no value",
    "discount_rate==0.03": "two equals signs",
    "discount_rate:0.03": "no '='",
    "=5": "no field",
    "Discount_rate=0.03": "'discount_rate'",
    "horizon.first_year=2127": "the years 2027 to 2027",
    "horizon.years=five": "a number",
    "horizon=5": "a table with fields",
    "budget.appropriation_musd=[60, 60]": "a number or a table",
    "budget.appropriation_musd=60,000": "60000",
    "budget.appropriation_musd=60 M": "60 written out",
    "budget.appropriation_musd.2027=5": "its value 100000.0 has no parts",
    "materials=a": '["a"]',
    "materials=a,b": '["a", "b"]',
    "materials=[a]": '["a"]',
    "home=China": "'CHN'",
    "scenarios.9.probability=0.1": "a number from 0 to 1",
    "scenarios.a.probability=0.1": "a number from 0 to 1",
    "instruments.reserve=yes": "true or false, not text: true",
    "price_set=bas": "'base'",
    "nowhere=1": "a known field",
}


@pytest.mark.parametrize("text", SETS)
def test_a_wrong_setting_is_one_fault_of_the_command_line(text: str, right: Path) -> None:
    """Proves: what `--set` says wrongly is told of `--set`, once, with what was meant; not of rows that it collides with."""
    faults = faults_of(lambda: load_question(right / "plan.toml", None, overrides([text])))
    assert SETS[text] in in_words(faults)
    assert [fault.file for fault in faults] == ["--set"]


# --- sweep files ----------------------------------------------------------------------------------------------

SWEEPS = {
    'kind = "grid"\n[axes]\ndiscount_rate = [0.02, "3%"]\n': ("3", "a number, not text: 0.03"),
    'kind = "grid"\n[axes]\ndiscount_rate = [0.02, 7]\n': ("3", "at most 0.5"),
    'kind = "grid"\n[axes]\n"budget.apropriation_musd" = [1, 2]\n': ("3", "did you mean"),
    'kind = "grid"\n[axes]\n"prices[base/c/*].price_usd_per_kg" = [1, 2]\n': ("3", "a key of prices"),
    'kind = "grid"\n[axes]\n"prices[base/a/*].price" = [1, 2]\n': ("3", "a column of prices"),
    'kind = "grid"\n[axes]\n"prices[base/a/2027].price_usd_per_kg" = [-1]\n': ("3", "more than 0"),
    'kind = "points"\n[[points]]\ndiscount_rate = 0.1\n[[points]]\ndiscount_rate = 9\n': ("5", "at most 0.5"),
    'kind = "one_at_a_time"\n[ranges]\ndiscount_rate = [0,02, 0,05]\n': ("3", "discount_rate = [0.02, 0.05]"),
    'kind = "sobol"\nsamples = 3\n[ranges]\ndiscount_rate = [0.1, 0.2]\n': ("2", "a power of two"),
    'kind = "grid"\n[axes]\n': ("2", "at least one point"),
    'kind = "gird"\n': ("1", "did you mean 'grid'"),
    "kind = grid\n": ("1", 'kind = "grid"'),
    "": ("", "no field"),
}


@pytest.mark.parametrize("text", SWEEPS)
def test_a_slip_in_a_sweep_file_is_told_of_that_file(text: str, tmp_path: Path) -> None:
    """Proves: addresses and values of a sweep are faults of the sweep file with their line: never of `--set`, which nobody used,
    nor several lines in one."""
    from strategic_minerals.data.plan_file import read_as

    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    plan, data = small()

    def run() -> Any:
        asked, place = read_as(SweepFile, path)
        try:
            return sweep(plan, data, asked.design(plan, data).points)
        except PlanError as error:
            raise located(place, error) from None

    faults = faults_of(run)
    line, said = SWEEPS[text]
    assert said in in_words(faults)
    assert [(fault.file, fault.row) for fault in faults] == [("study.toml", line)]
    assert "--set" not in in_words(faults)
    assert all("\n" not in str(fault) for fault in faults)


# --- what is not there ----------------------------------------------------------------------------------------


NEEDED = ["prices", "materials", "activities", "yields", "capacities", "tiers", "loss_functions", "countries"]


@pytest.mark.parametrize("table", NEEDED)
def test_a_table_that_is_not_there_is_named_with_those_that_are(table: str, right: Path, tmp_path: Path) -> None:
    """Proves: one fault that names the table and says what it would hold, not one for what misses it."""
    for file in (right / "tables").iterdir():
        if file.stem != table:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    faults = [
        fault
        for fault in faults_of(lambda: load_question(right / "plan.toml", tmp_path))
        if fault.found == "no such file"
    ]
    assert [fault.file for fault in faults] == [f"{table}.csv"]
    assert "there are" in in_words(faults)


# --- workbooks ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small question as a workbook."""
    path = tmp_path_factory.mktemp("book") / "plan.xlsx"
    write_workbook(*small(), path)
    return path


def edited(book: Path, tmp_path: Path, change: Callable[[Any], None]) -> Path:
    content = openpyxl.load_workbook(book)
    change(content)
    content.save(tmp_path / "mine.xlsx")
    return tmp_path / "mine.xlsx"


def cell_of(sheet: Any, column: str, row: int = 2) -> Any:
    """A cell under a header."""
    return next(sheet.cell(row, k) for k, head in enumerate(sheet[1], start=1) if head.value == column)


@pytest.mark.parametrize("bad", ["1,870", "1 870", "3%", "n/a", "-", "~120", "120 t", "03-May", "1_87", "TRUE"])
def test_text_in_a_column_of_numbers_is_told_with_its_cell(bad: str, book: Path, tmp_path: Path) -> None:
    """Proves: the same hints in workbooks, with sheet and cell."""

    def change(content: Any) -> None:
        cell_of(content["prices"], "price_usd_per_kg").value = bad

    path = edited(book, tmp_path, change)
    (fault,) = faults_of(lambda: load_workbook(path))
    assert fault.file == "mine.xlsx, sheet prices"
    assert fault.row == cell_of(openpyxl.load_workbook(path)["prices"], "price_usd_per_kg").coordinate
    assert ("not a percentage" if bad == "3%" else NUMBERS[bad]) in in_words([fault])


def test_a_number_stored_as_text_is_that_number(book: Path, tmp_path: Path) -> None:
    """Proves: Excel's green corner changes no value; a name with a space behind it is told."""

    def change(content: Any) -> None:
        cell_of(content["prices"], "price_usd_per_kg").value = "10"

    assert load_workbook(edited(book, tmp_path, change))[1].rows("prices") == small()[1].rows("prices")

    def spaced(content: Any) -> None:
        cell_of(content["prices"], "material").value = "a "

    assert "without the space" in in_words(faults_of(lambda: load_workbook(edited(book, tmp_path, spaced))))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"\xd0\xcf\x11\xe0" + bytes(600),
            "a workbook of the old kind (xls), or one with a password; expected a workbook (xlsx",
        ),
        (b"field,value\nname,tiny\n", "a file of another kind; expected a workbook (xlsx"),
        (b"%PDF-1.7", "a PDF; expected"),
    ],
)
def test_what_is_called_a_workbook_and_is_none_is_told(content: bytes, said: str, tmp_path: Path) -> None:
    """Proves: an old workbook, one with a password, a table under the wrong name: told as what they are."""
    (tmp_path / "plan.xlsx").write_bytes(content)
    assert said in in_words(faults_of(lambda: load_workbook(tmp_path / "plan.xlsx")))
    (tmp_path / "plan.xls").write_bytes(content)
    in_words(faults_of(lambda: load_question(tmp_path / "plan.xls", tmp_path)))


def above(sheet: str, *cells: Any) -> Callable[[Any], None]:
    """Put a row above all others of a sheet."""

    def change(content: Any) -> None:
        content[sheet].insert_rows(1)
        for k, value in enumerate(cells, start=1):
            content[sheet].cell(1, k).value = value

    return change


def below(sheet: str, *cells: Any) -> Callable[[Any], None]:
    """Add a row at the end of a sheet."""
    return lambda content: content[sheet].append(cells)


def broken(content: Any) -> None:
    cell = cell_of(content["prices"], "price_usd_per_kg")
    cell.value, cell.data_type = "#DIV/0!", "e"


def dated(content: Any) -> None:
    cell_of(content["prices"], "price_usd_per_kg").value = datetime.datetime(2026, 5, 3)


BOOKS: dict[str, tuple[Callable[[Any], None], str, str, str]] = {
    "a title above a table": (above("prices", "Our prices"), "prices", "row 1", "the header, which is in row 2"),
    "an empty row above a table": (
        above("prices"),
        "prices",
        "row 1",
        "an empty row; expected the header, which is in row 2",
    ),
    "a title above the plan": (
        above("plan", "Our plan"),
        "plan",
        "A1",
        "found Our plan; expected the header (field, value)",
    ),
    "no header above the plan": (lambda book: book["plan"].delete_rows(1), "plan", "A1", "a field in the first row"),
    "a line of totals": (below("prices", "Total", None, None, 30), "prices", "row 4", "a totals row ('Total')"),
    "a sum alone": (
        below("prices", None, None, None, 30),
        "prices",
        "row 4",
        "a row without a name or number",
    ),
    "an empty sheet": (
        lambda book: book["prices"].delete_rows(1, 9),
        "prices",
        "",
        "an empty sheet; expected a header",
    ),
    "an error": (broken, "prices", "price_usd_per_kg", "an error such as #DIV/0!"),
    "a date": (dated, "prices", "price_usd_per_kg", "a number, not a date"),
    "a part beside the whole": (
        below("plan", "budget.appropriation_musd.2028", 5),
        "plan",
        "A",
        "one row for the field, or one row",
    ),
    "a field misspelt": (below("plan", "budget.totl_musd", 5), "plan", "B", "did you mean 'total_musd'"),
}


@pytest.mark.parametrize("what", BOOKS)
def test_a_sheet_that_was_left_otherwise_is_one_fault_with_its_cell(what: str, book: Path, tmp_path: Path) -> None:
    """Proves: titles, totals, errors, dates: one fault with sheet and cell, and not one for each cell of the sheet."""
    change, sheet, at, said = BOOKS[what]
    path = edited(book, tmp_path, change)
    (fault,) = faults_of(lambda: load_workbook(path))
    assert said in in_words([fault])
    assert fault.file == f"mine.xlsx, sheet {sheet}"
    if "_" in at:
        at = cell_of(openpyxl.load_workbook(path)[sheet], at).coordinate
    assert fault.row == at or (len(at) == 1 and fault.row.startswith(at))


def test_hidden_rows_and_sheets_are_read_and_said_to_be(book: Path, tmp_path: Path) -> None:
    """Proves: rows that were filtered away and sheets that are hidden count, and a note of `check` says so; those of one's own do
    not matter."""

    def change(content: Any) -> None:
        content["prices"].row_dimensions[3].hidden = True
        content["demand"].sheet_state = "hidden"
        content["tiers"].column_dimensions["B"].hidden = True
        content["plan"].column_dimensions["C"].hidden = True
        content.create_sheet("mine").sheet_state = "hidden"

    assert not any("hidden" in note for note in check(*load_workbook(book)).notes)
    notes = [note for note in check(*load_workbook(edited(book, tmp_path, change))).notes if "hidden" in note]
    assert len(notes) == 3
    assert any("sheet tiers: column B is hidden" in note for note in notes)
    assert any("sheet prices: row 3 is hidden or filtered out, but read anyway" in note for note in notes)
    assert any("sheet demand: it is hidden" in note for note in notes)


def test_a_sheet_that_is_not_there_is_named_with_those_that_are(book: Path, tmp_path: Path) -> None:
    """Proves: a missing sheet `prices` is told plainly, with the sheets that are there and the one that it may be; so is `plan`."""

    def change(content: Any) -> None:
        content["prices"].title = "Our prices 2026"
        for row in content["Our prices 2026"].iter_rows(min_row=1, max_row=1):
            row[0].value = "set of prices"

    (fault,) = faults_of(lambda: load_workbook(edited(book, tmp_path, change)))
    assert (fault.file, fault.column, fault.found) == ("mine.xlsx", "prices", "no such sheet")
    assert "if it is 'Our prices 2026', rename it" in fault.expected
    assert "materials" in fault.expected

    def no_plan(content: Any) -> None:
        del content["plan"]

    (fault,) = faults_of(lambda: load_workbook(edited(book, tmp_path, no_plan)))
    assert fault.found == "no such sheet"
    assert "prices" in fault.expected


# --- the command line -----------------------------------------------------------------------------------------

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
            refuse_mixed(out, ["points"])
    refuse_mixed(run / "analyses" / "frontier", ["points"])
    (tmp_path / "points.csv").write_text("x", encoding="utf-8")
    (tmp_path / "rows").mkdir()
    (run / "manifest.json").rename(tmp_path / "rows" / "sweep.json")
    refuse_mixed(tmp_path, ["points"], resumed=True)
    with pytest.raises(FaultsError, match=r"sweep\.json"):
        refuse_mixed(tmp_path, ["points"])


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
