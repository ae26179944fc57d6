"""Inputs that nobody means: each is a fault with its place and exit code 2, whatever the column, the kind of file and the size."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import test_faults
from test_faults import example, load_faults, numeric, write_table

from conftest import ENTRY, environment
from strategic_minerals import Dataset, InputError, PlanError, load_dataset, load_plan, shipped
from strategic_minerals.cli import main as cli
from strategic_minerals.core import errors as names
from strategic_minerals.core.errors import FaultsError
from strategic_minerals.question import read_csv as csv_shape
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.dataset import MOST_ROWS, required
from strategic_minerals.question.load import find_plan, load_question, overrides
from strategic_minerals.question.names import edited
from strategic_minerals.question.read_toml import parse_plan, put
from strategic_minerals.question.tables import TABLES
from strategic_minerals.question.workbook import load_workbook, write_workbook

HOSTILE = {
    "nan": "nan",
    "infinity": "-Infinity",
    "below zero": "-1",
    "the limit": "1e12",
    "beyond numbers": "1e999",
    "empty": "",
    "text": "some text",
    "formula": "=1+1",
    "digits": "9" * 5000,
    "date": "2026-02-30",
    "true": "true",
    "unicode": "٣½Ⅷ",
    "two lines": "1\n2",
    "decimal comma": "1,5",
}


def kind_of(table: str, column: str) -> str:
    """`number`, `day`, `choice`, `flag`, `name` (letters without spaces) or `text`."""
    field = TABLES[table].model_fields[column]
    said = f"{field.annotation!r} {field.metadata!r}"
    if "bool" in said:
        return "flag"
    if "Literal" in said:
        return "choice"
    if "datetime.date" in said:
        return "day"
    if numeric(field.annotation):
        return "number"
    return "name" if "pattern" in said else "factors" if "_multipliers" in said else "text"


def admitted(table: str, column: str, what: str) -> bool:
    """Whether a row may hold the value: what names refer to is looked at later, with all tables."""
    kind, field = kind_of(table, column), TABLES[table].model_fields[column]
    if what == "empty":
        return column not in required(table)
    if what == "below zero" and kind == "number":
        return column.endswith(("_low", "_high")) or any(
            sign in repr(field.metadata) + repr(field.annotation) for sign in ("gt=-1", "ge=-5")
        )
    iso3 = "A-Z]{3}" in f"{field.annotation!r} {field.metadata!r}"
    if kind == "name":
        return what in ("nan", "the limit", "beyond numbers", "date", "true") and not iso3
    return kind == "text" or (kind == "flag" and what == "true")


def test_no_column_takes_nonsense(tmp_path: Path) -> None:
    """Proves R6, R7, R28: every column of every table x every kind of nonsense, more than 6,000 cells, NaN and what HiGHS takes for
    infinity among them: a fault that names file, row and column, and what is taken is what the column holds."""
    missed = []
    for table in TABLES:
        good = example(table)
        base = load_dataset(write_table(tmp_path / "good" / table, table, [good]))
        assert len(base.rows(table)) == 1
        cases = [(column, what) for column in TABLES[table].model_fields for what in HOSTILE]
        records = [{**good, column: HOSTILE[what]} for column, what in cases]
        faults = load_faults(write_table(tmp_path / table, table, records))
        assert all(fault.file == f"{table}.csv" and len(fault.found) <= 130 for fault in faults)
        found = {(fault.row, part) for fault in faults for part in fault.column.split(", ")}
        for line, (column, what) in enumerate(cases, start=2):
            alone = {(str(line), name) for name in (column, f"{column}_low", f"{column}_high")}
            if not admitted(table, column, what) and not found & alone:
                missed.append((table, column, what))
    assert missed == []


PLAN_ODD: dict[str, Any] = {
    "nan": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "below zero": -1,
    "the limit": 10**12,
    "beyond numbers": 1e300,
    "empty": "",
    "text": "some text",
    "formula": "=1+1",
    "digits": 10**400,
    "hex digits": 16**6000,
    "date": dt.date(2026, 1, 1),
    "true": True,
    "unicode": "٣½Ⅷ",
    "two lines": "1\n2",
    "list": [[[1]]],
    "table": {"a": {"b": 1}},
    "nothing": None,
}


def test_no_field_of_a_plan_takes_nonsense() -> None:
    """Proves R6, R7, R28, R30: every field of a plan x every kind of nonsense: a fault that names the field, or a value that the
    field holds (text where text is; a number where it allows the number), never another exception. A NaN cost would end as
    'optimal' with objective NaN; a seed may be any whole number."""
    missed = []
    for path, known in test_faults.leaves(test_faults.full_plan()):
        for what, value in PLAN_ODD.items():
            number = what == "below zero"
            fits = {bool: what == "true", str: isinstance(value, str), float: number, int: number}
            data = test_faults.put(test_faults.full_plan(), path, value)
            if fits.get(type(known), False) or what == "nothing" or (path[-1] == "seed" and what == "the limit"):
                with contextlib.suppress(PlanError):
                    parse_plan(data)
                continue
            faults, named = test_faults.plan_faults(data), test_faults.dotted(path)
            assert all(len(str(fault)) < 1000 for fault in faults)
            if not any(fault.column.startswith(named) or named.startswith(fault.column) for fault in faults):
                missed.append((named, what))
    assert missed == []


ODD = [math.inf, -math.inf, True, dt.date(2026, 1, 1), 10**400, b"1", [1], {"a": 1}, complex(1, 1), "1_0_", object()]


def test_no_number_in_memory_takes_a_value_of_another_kind() -> None:
    """Proves: frames and rows of other programs are held to the same: a truth value is no number, a date neither."""
    missed = []
    for table in TABLES:
        row = {column: cell for column, cell in example(table).items() if cell != ""}
        Dataset.from_tables({table: pd.DataFrame([row])})
        cases = [(column, value) for column in row if kind_of(table, column) == "number" for value in ODD]
        wrong = pd.DataFrame([{**row, column: value} for column, value in cases], dtype=object)
        with pytest.raises(InputError) as error:
            Dataset.from_tables({table: wrong})
        found = {(fault.row, fault.column) for fault in error.value.faults}
        missed += [
            (table, column, value)
            for line, (column, value) in enumerate(cases, start=2)
            if (str(line), column) not in found
        ]
    assert missed == []


REFERENCES = [
    ("yields", "material", "galium", "gallium"),
    ("demand", "material", "Gallium", "gallium"),
    ("loss_functions", "segment", "defense", "defence"),
    ("substitution", "segment", "essentials", "essential"),
    ("offers", "material", "NdPr", "ndpr_oxide"),
    ("capacities", "activity", "mp_mines", "mp_mine"),
    ("activities", "country", "Chnia", "CHN"),
    ("production", "country", "China", "CHN"),
    ("packages", "instrument", "grants", "grant"),
    ("hazards", "countries", "China", "CHN"),
    ("hazards", "materials", "Dysprosium", "dy_oxide"),
    ("hazards", "demand_multipliers", "defense=2", "defence"),
    ("hazards", "after", "pacific_wars", "pacific_war"),
    ("materials", "mineral", "galium", "gallium"),
    ("production", "mineral", "Cobolt", "cobalt"),
    ("reserves", "mineral", "lithum", "lithium"),
    ("tiers", "segment", "defense", "defence"),
    ("ramps", "project", "nolan", "nolans"),
    ("projects", "needs", "nolan", "nolans"),
    ("projects", "excludes", "dubo", "dubbo"),
    ("packages", "project", "nolan", "nolans"),
]


@pytest.fixture(scope="module")
def question() -> tuple[Any, Dataset]:
    return load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))


def test_a_name_that_no_table_defines_is_a_fault_with_what_was_meant(question: tuple[Any, Dataset]) -> None:
    """Proves R53: a misspelt segment, material, mineral, country or producer in ANY table is a fault in its row; spellings of two
    countries and names of countries are understood."""
    plan, data = question
    missed = []
    for table, column, wrong, right in REFERENCES:
        first = data.rows(table)[0]
        row = first.model_copy(update={column: wrong, **({"material": "gallium"} if table == "tiers" else {})})
        faults = check_data(plan, Dataset({**data.tables, table: (row, *data.rows(table)[1:])}))
        mine = [fault for fault in faults if (fault.file, fault.column) == (f"{table}.csv", column)]
        if len(mine) != 1 or f"'{right}'" not in mine[0].expected:
            missed.append((table, column, wrong, faults))
    assert missed == []


MULTIPLIERS = [
    "defence=nan",
    "defence=inf",
    "defence=-1",
    "defence=1e300",
    "defence=1 defence=2",
    "defence",
    "defence=",
    "=2",
    "defence=1,5",
]


def test_demand_multipliers_are_numbers_like_all_others(tmp_path: Path) -> None:
    """Proves R52: not finite, negative, huge, twice the same, half a pair: faults of their cell; commas and spaces around the
    sign are fine, and so are commas in a column of names."""
    record = example("hazards")
    rows = [{**record, "hazard": f"h{n}", "demand_multipliers": text} for n, text in enumerate(MULTIPLIERS)]
    faults = load_faults(write_table(tmp_path / "bad", "hazards", rows))
    assert {(fault.row, fault.column) for fault in faults} == {
        (str(n), "demand_multipliers") for n in range(2, len(MULTIPLIERS) + 2)
    }
    lists = {"demand_multipliers": "defence = 1.5, other=0.8", "materials": "gallium, germanium", "after": "a;b"}
    row = load_dataset(write_table(tmp_path / "good", "hazards", [{**record, **lists}])).rows("hazards")[0]
    assert (row.demand_multipliers, row.materials, row.after) == ("defence=1.5 other=0.8", "gallium germanium", "a b")


def test_a_table_under_a_name_that_is_not_read_is_told(tmp_path: Path) -> None:
    """Proves R53: `demand.CSV` is not overlooked; a backup beside the table may stay, and what macOS leaves there."""
    write_table(tmp_path, "prices", [example("prices")])
    write_table(tmp_path, "demand", [example("demand")])
    for beside in ("demand.csv.bak", "README.md", "._prices.csv"):
        (tmp_path / beside).write_text("old", encoding="utf-8")
    load_dataset(tmp_path)
    (tmp_path / "demand.csv.bak").unlink()
    before = tmp_path / "demand.csv"
    for name in ("demand.CSV", "Demand.csv", "demand.xlsx", "demand.csv.txt", "demand.tsv"):
        before = before.rename(tmp_path / name)
        assert any("demand" in fault.expected for fault in load_faults(tmp_path)), name


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and standard error of the command line, in this process."""
    monkeypatch.setattr(sys, "argv", ["strategic-minerals", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0), capsys.readouterr().err


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A plan of one's own without tables beside it."""
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "plan.toml"
    path.write_text((shipped("models") / "quickstart.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_a_plan_without_its_tables_is_a_fault(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves R53: a plan that has lost its folder of tables is not answered with the package's facts unasked; `--tables shipped`
    asks for them. Neither is a folder without demand."""
    code, said = run(monkeypatch, capsys, "check", mine)
    assert (code, "--tables shipped" in said) == (2, True), said
    assert run(monkeypatch, capsys, "check", mine, "--tables", "shipped")[0] == 0
    write_table(mine.parent / "tables", "prices", [example("prices")])
    code, said = run(monkeypatch, capsys, "check", mine)
    assert (code, "found no table" in said, "demand" in said) == (2, True, True), said


def test_the_home_of_a_plan_is_the_home_of_its_tables(question: tuple[Any, Dataset]) -> None:
    """Proves: `home = JPN` with tables of US demand is a fault that names the field, what was found and what was expected; tables
    that call Japan their home are answered; two homes, or none, are faults of the table."""
    plan, data = question
    asked = plan.model_copy(update={"home": "JPN"})
    (fault,) = check_data(asked, data)
    assert (fault.file, fault.column, fault.found, fault.expected[:5]) == ("plan", "home", "'JPN'", "'USA'")
    tiers = {"USA": "ally", "JPN": "home"}
    moved = [row.model_copy(update={"tier": tiers.get(row.country, row.tier)}) for row in data.rows("countries")]
    assert check_data(asked, Dataset({**data.tables, "countries": tuple(moved)})) == []
    for tier in ("home", "ally"):
        odd = [
            row.model_copy(update={"tier": tier if row.country in ("JPN", "USA") else row.tier})
            for row in data.rows("countries")
        ]
        assert {(f.file, f.column) for f in check_data(plan, Dataset({**data.tables, "countries": tuple(odd)}))} == {
            ("countries.csv", "tier")
        }


SETTINGS = [
    f"budget.total_musd={'9' * 5000}",
    "budget.total_musd=1\nhome='JPN'",
    "=5",
    "  =5",
    "discount_rate",
    "discount_rate=",
    "budget..total_musd=5",
    "scenarios.-1.name=x",
    "scenarios.²=x",
    "scenarios.9.probability=0.1",
    "budget.total_musd=" + "[" * 3000,
    "sample.seed=0x" + "f" * 5000,
    "a" * 9000 + "=1",
    "discount_rate=3%",
    "Budget.appropriation_musd=70",
    "materials=gallium",
    "nowhere=1",
]


def test_what_is_set_on_the_command_line_is_a_field_and_a_value() -> None:
    """Proves: five thousand digits, two lines, no field, no value, an empty part, a place counted from the end, nesting without
    end: a few lines that blame `--set`, never another exception; null empties a field."""
    plan = shipped("models") / "quickstart.toml"
    for pair in SETTINGS:
        with pytest.raises(PlanError) as error:
            load_plan(plan, overrides([pair]))
        assert {fault.file for fault in error.value.faults} == {"--set"}, pair
        assert len(str(error.value)) < 12_000
    with pytest.raises(PlanError, match="the field twice"):
        overrides(["discount_rate=0.1", "discount_rate=0.2"])
    assert load_plan(plan, overrides(["risk.cvar_limit_musd=null", "title=none"])).title == "none"


@pytest.mark.slow
def test_what_is_set_twice_is_refused_in_any_order(question: tuple[Any, Dataset], tmp_path: Path) -> None:
    """Proves: of two values of which one lies within the other neither wins unsaid, in a plan file and in a workbook; fields
    beside each other are set both."""
    file = shipped("models") / "quickstart.toml"
    write_workbook(*question, tmp_path / "plan.xlsx")
    for pairs in (
        ["budget.total_musd=5", "budget={appropriation_musd=7}"],
        ["scenarios.00.probability=0.2", "scenarios.0.probability=0.1"],
        ["scenarios.0.events.0.start_year=2029", "scenarios=[]"],
    ):
        for place, order in ((file, pairs), (file, pairs[::-1]), (tmp_path / "plan.xlsx", pairs)):
            with pytest.raises(PlanError) as refused:
                load_question(place, None, overrides(order))
            assert [(fault.file, fault.column) for fault in refused.value.faults] == [
                ("--set", pairs[0].partition("=")[0])
            ]
    both = load_question(file, None, overrides(["budget.total_musd=5", "budget.appropriation_musd=7"]))[0]
    assert (both.budget.total_musd, both.budget.appropriation_musd) == (5.0, 7.0)


def test_addresses_of_a_sweep_are_not_counted_from_the_end(question: tuple[Any, Dataset]) -> None:
    """Proves: -1 is no place in a list."""
    for address in ("scenarios.-1.name", "scenarios.-1.probability *", "scenarios.9.probability *", "materials.-1"):
        with pytest.raises(PlanError) as error:
            edited(*question, {address: 1.0})
        assert {fault.file for fault in error.value.faults} == {"axis"}


def test_control_characters_are_refused_in_every_text_of_a_plan() -> None:
    """Proves: what a terminal takes for a command is no text of a plan, and is told without being printed."""
    for field in ("title", "description", "name", "controls.0.materials", "scenarios.0.name"):
        for sign in ("\x1b", "\x07", "\x08", "\x7f", "\x9b", "\r", "\x00"):
            content = test_faults.full_plan()
            put(content, field, f"a{sign}[31mb", "plan")
            found = [fault for fault in test_faults.plan_faults(content) if fault.column == field]
            assert [fault.expected for fault in found] == ["text without control characters"]
            assert str(found[0]).isprintable()
    lines = parse_plan({**test_faults.full_plan(), "description": "two\r\nlines\tand a tab\n"})
    assert lines.description.startswith("two")


# --- files: kinds and sizes ---------------------------------------------------------------------------------


def bombs() -> dict[str, str]:
    """Texts that are small to write and dear to read."""
    many = 100_000
    return {
        "brackets": "a = " + "[" * many,
        "closed brackets": "a = " + "[" * many + "]" * many,
        "behind a comment": "# " + "]" * many + "\na = " + "[" * many + "]" * many,
        "behind a text": f'b = "{"]" * many}"\na = ' + "[" * many + "]" * many,
        "inline tables": "a = " + "{a = " * many,
        "dotted key": ".".join("a" * 20_000) + " = 1",
        "dotted in a section": "[budget]\n" + ".".join("a" * 20_000) + " = 1",
        "dotted header": "[" + ".".join("a" * 20_000) + "]",
        "unknown keys": "\n".join(f"k{n} = 1" for n in range(200_000)),
        "50 MB": "x" * 50_000_000,
        "50 MB of plan": 'name = "' + "x" * 50_000_000 + '"',
    }


def test_a_bomb_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R31: a plan of 50 MB, 100 000 nested brackets, 20 000 dots in a key, 200 000 unknown keys, 10 000 digits: a PlanError
    without a gigabyte, never a RecursionError. Looking for names that were meant takes long and is done for few."""
    looked = Counter[str]()
    monkeypatch.setattr(names, "get_close_matches", lambda word, *_, **__: looked.update([word]) or [])
    file = tmp_path / "plan.toml"
    for name, text in {**bombs(), "digits": f"a = {'9' * 10_000}"}.items():
        file.write_text(text, encoding="utf-8")
        looked.clear()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(PlanError) as error:
            load_plan(file)
        assert "int_max_str_digits" not in str(error.value)
        assert looked.total() <= 200, name
        assert len(error.value.faults) <= 200, name
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, name  # kB


def test_a_table_of_sixty_megabytes_is_refused_unread(tmp_path: Path) -> None:
    """Proves R31: the size is looked at before the file is read; a file with holes seems larger than any memory."""
    for size in (60_000_000, 10**12):
        with (tmp_path / "prices.csv").open("wb") as file:
            file.truncate(size)
        assert "at most" in load_faults(tmp_path)[0].expected


def test_places_that_do_not_exist_are_faults(tmp_path: Path) -> None:
    """Proves: a missing plan, a folder in its place, a missing or an empty folder of tables: each one fault."""
    for load, path in (
        (load_plan, tmp_path / "none.toml"),
        (load_plan, tmp_path),
        (load_dataset, tmp_path / "none"),
        (load_dataset, tmp_path),
    ):
        with pytest.raises(FaultsError) as error:
            load(path)
        assert len(error.value.faults) == 1


def special(folder: Path) -> Iterator[tuple[str, Path]]:
    """Things that are no regular files."""
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "full").symlink_to("/dev/full")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "gone").symlink_to(folder / "nowhere")
    yield from ((path.name, path) for path in sorted(folder.iterdir()))


@pytest.mark.timeout(60)
def test_pipes_devices_and_folders_are_no_plans_and_no_tables(tmp_path: Path) -> None:
    """Proves R57: a named pipe that nobody writes to, an endless device, a folder, a link to nothing, in place of a plan
    (TOML, JSON, xlsx) or of a table: a fault at once, nothing is opened and waited for."""
    for name, path in special(tmp_path / "odd"):
        plans = tmp_path / name
        plans.mkdir()
        for ending, load in (("toml", load_plan), ("json", load_plan), ("xlsx", load_workbook)):
            (plans / f"plan.{ending}").symlink_to(path)
            with pytest.raises(FaultsError):
                load(plans / f"plan.{ending}")
        tables = write_table(tmp_path / f"tables_{name}", "demand", [example("demand")])
        (tables / "prices.csv").symlink_to(path)
        assert {fault.file for fault in load_faults(tables)} == {"prices.csv"}, name


def test_a_link_that_leads_nowhere_is_called_one(tmp_path: Path) -> None:
    """Proves: a loop of links, and a link to nothing, as a plan, as a folder of tables and as a table."""
    loop, dangling = tmp_path / "loop.toml", tmp_path / "dangling.toml"
    loop.symlink_to(loop)
    dangling.symlink_to(tmp_path / "nothing.toml")
    tables = write_table(tmp_path / "tables", "demand", [example("demand")])
    (tables / "tiers.csv").symlink_to("tiers.csv")
    for link in (loop, dangling, tables):
        for act in (load_dataset,) if link == tables else (find_plan, load_plan, load_dataset):
            with pytest.raises(FaultsError) as error:
                act(link)
            assert [fault.found for fault in error.value.faults] == ["a link that leads nowhere"]


def test_a_pipe_on_the_command_line_is_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves R57: `solve pipe.toml` does not wait for a writer."""
    os.mkfifo(tmp_path / "plan.toml")
    for argument in (tmp_path / "plan.toml", "/dev/zero"):
        code, said = run(monkeypatch, capsys, "check", argument)
        assert (code, "regular file" in said) == (2, True)


def test_a_file_that_grows_while_it_is_read_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R57: what a file's size says is not trusted: no more than the limit is read."""
    from strategic_minerals.core import files

    path = tmp_path / "plan.toml"
    path.write_text("x" * 1000, encoding="utf-8")
    monkeypatch.setattr(files, "objection", lambda *_: None)
    found = files.read_bounded(path, 100, "a plan file")
    assert "at most 100 bytes" in str(found)


def test_a_hundred_thousand_bad_rows_are_a_hundred_lines_and_a_count(tmp_path: Path) -> None:
    """Proves: 100,000 rows with two wrong cells each are told as 200,000 faults in 102 lines, and no more than a thousand are
    kept."""
    lines = "".join(f"b,m{n},soon,-1,s,2024,reported\n" for n in range(100_000))
    (tmp_path / "prices.csv").write_text(
        f"price_set,material,from_year,price_usd_per_kg,source,year,confidence\n{lines}", encoding="utf-8"
    )
    with pytest.raises(InputError) as error:
        load_dataset(tmp_path)
    said = str(error.value).splitlines()
    assert (said[0], len(said), said[-1]) == ("200,000 faults", 102, "  and 199,900 more faults")
    assert len(error.value.faults) == 1001


def test_a_table_of_more_rows_than_a_sheet_may_have_is_refused_with_its_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: a CSV table has the bound of a sheet, counts only rows that hold something, and no row of a longer one is
    validated."""
    header = "price_set,material,from_year,price_usd_per_kg,source,year,confidence"
    row, path = "b,m,soon,-1,s,2024,reported", tmp_path / "prices.csv"
    path.write_text("\n".join([header, *[row] * (MOST_ROWS + 1), ""]), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_dataset(tmp_path)
    (fault,) = error.value.faults
    assert (fault.file, fault.found, fault.expected) == ("prices.csv", "200,001 rows", "at most 200,000")
    monkeypatch.setattr(csv_shape, "MOST_ROWS", 1)
    path.write_text(f"{header}\n{row.replace('soon,-1', '2024,1')}\n,,\n\n", encoding="utf-8")
    assert len(load_dataset(tmp_path).rows("prices")) == 1


def test_a_hundred_thousand_unknown_names_are_bounded_work(
    question: tuple[Any, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: suggestions are looked for where they are shown alone, a hundred times."""
    from strategic_minerals.core import errors

    looked: list[str] = []
    monkeypatch.setattr(errors, "meant", lambda word, known, called=None: looked.append(word) or [])
    plan, data = question
    first = data.rows("demand")[0]
    wrong = tuple(first.model_copy(update={"material": f"m{n}"}) for n in range(20_000))
    faults = check_data(plan, Dataset({**data.tables, "demand": (*data.rows("demand"), *wrong)}))
    assert (len(faults), faults[-1].found) == (1001, "19,000 more faults")
    assert len(looked) <= 100


def test_without_its_checks_the_package_does_not_start() -> None:
    """Proves: under -O assertions are gone, and the package says so in one sentence and ends with 2."""
    for option in ("-O", "-OO"):
        command = [sys.executable, option, "-c", ENTRY, "check", "quickstart"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "-OO" in done.stderr
