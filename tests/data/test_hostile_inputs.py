"""Inputs that nobody means: each is a fault with its place and exit code 2, whatever the column, the kind of file and the size."""

import contextlib
import datetime as dt
import math
import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_faults import dotted, example, full_plan, load_faults, numeric, plan_faults, write_table

from conftest import ENTRY, environment
from strategic_minerals import Dataset, InputError, PlanError, load_dataset, load_plan, shipped
from strategic_minerals.core import errors as names
from strategic_minerals.core.errors import FaultsError
from strategic_minerals.question import read_csv as csv_shape
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.dataset import required
from strategic_minerals.question.load import load_question, overrides
from strategic_minerals.question.read_toml import parse_plan
from strategic_minerals.question.tables import TABLES
from strategic_minerals.question.workbook import load_workbook
from support.plan_text import leaves, put

pytestmark = pytest.mark.long

HOSTILE = {
    "nan": "nan",
    "infinity": "-Infinity",
    "below zero": "-1",
    "the limit": "1e12",
    "empty": "",
    "text": "some text",
    "date": "2026-02-30",
    "true": "true",
    "two lines": "1\n2",
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
        return what in ("nan", "the limit", "date", "true") and not iso3
    return kind == "text" or (kind == "flag" and what == "true")


def test_no_column_takes_nonsense(tmp_path: Path) -> None:
    """Proves R6, R7, R28: every column of every table x every kind of nonsense, NaN and what HiGHS takes for infinity among
    them: a fault that names file, row and column, and what is taken is what the column holds."""
    missed = []
    for table in TABLES:
        good = example(table)
        assert len(load_dataset(write_table(tmp_path / "good" / table, table, [good])).rows(table)) == 1
        for column in TABLES[table].model_fields:
            faults = load_faults(write_table(tmp_path / table, table, [{**good, column: HOSTILE[w]} for w in HOSTILE]))
            assert all(fault.file == f"{table}.csv" and len(fault.found) <= 130 for fault in faults)
            found = {(fault.row, part) for fault in faults for part in fault.column.split(", ")}
            for line, what in enumerate(HOSTILE, start=2):
                alone = {(str(line), name) for name in (column, f"{column}_low", f"{column}_high")}
                if not admitted(table, column, what) and not found & alone:
                    missed.append((table, column, what))
    assert missed == []


PLAN_ODD: dict[str, Any] = {
    "nan": math.nan,
    "infinity": math.inf,
    "below zero": -1,
    "the limit": 10**12,
    "empty": "",
    "date": dt.date(2026, 1, 1),
    "true": True,
    "two lines": "1\n2",
    "list": [[[1]]],
    "nothing": None,
}


def test_no_field_of_a_plan_takes_nonsense() -> None:
    """Proves R6, R7, R28, R30: every field of a plan x every kind of nonsense: a fault that names the field, or a value that the
    field holds (text where text is; a number where it allows the number), never another exception. A NaN cost would end as
    'optimal' with objective NaN; a seed may be any whole number."""
    missed = []
    full, tried = full_plan(), set[str]()
    for path, known in leaves(full):
        field = ".".join("*" if isinstance(part, int) else part for part in path)
        if field in tried:
            continue  # in another entry of its list
        tried.add(field)
        for what, value in PLAN_ODD.items():
            number = what == "below zero"
            fits = {bool: what == "true", str: isinstance(value, str), float: number, int: number}
            data = put(full, path, value)
            if fits.get(type(known), False) or what == "nothing" or (path[-1] == "seed" and what == "the limit"):
                with contextlib.suppress(PlanError):
                    parse_plan(data)
                continue
            faults, named = plan_faults(data), dotted(path)
            assert all(len(str(fault)) < 1000 for fault in faults)
            if not any(fault.column.startswith(named) or named.startswith(fault.column) for fault in faults):
                missed.append((named, what))
    assert missed == []


def test_no_number_in_memory_takes_a_value_of_another_kind() -> None:
    """Proves: frames and rows of other programs are held to the same: a truth value is no number, a date neither."""
    missed = []
    for table in TABLES:
        row = {column: cell for column, cell in example(table).items() if cell != ""}
        odd = (math.inf, True, dt.date(2026, 1, 1), 10**400, b"1", [1], complex(1, 1), object())
        for column in (column for column in row if kind_of(table, column) == "number"):
            wrong = pd.DataFrame([{**row, column: value} for value in odd], dtype=object)
            with pytest.raises(InputError) as error:
                Dataset.from_tables({table: wrong})
            found = {(fault.row, fault.column) for fault in error.value.faults}
            missed += [(table, column, value) for n, value in enumerate(odd, start=2) if (str(n), column) not in found]
    assert missed == []


REFERENCES = [
    ("yields", "material", "galium", "gallium"),
    ("loss_functions", "segment", "defense", "defence"),
    ("packages", "instrument", "grants", "grant"),
    ("surges", "segment", "defense", "defence"),
    ("hazards", "after", "pacific_wars", "pacific_war"),
    ("materials", "mineral", "galium", "gallium"),
    ("packages", "project", "nolan", "nolans"),
]


@pytest.fixture(scope="module")
def question() -> tuple[Any, Dataset]:
    return load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))


def test_a_name_that_no_table_defines_is_a_fault_with_what_was_meant(question: tuple[Any, Dataset]) -> None:
    """Proves R53: a misspelt segment, material, mineral, country or producer in ANY table is a fault in its row."""
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


def test_a_plan_without_its_tables_is_a_fault(tmp_path: Path) -> None:
    """Proves R53: a plan that has lost its folder of tables is not answered with the package's facts unasked."""
    path = tmp_path / "plan.toml"
    path.write_text((shipped("models") / "quickstart.toml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(PlanError, match="--tables shipped"):
        load_question(path)


def test_a_table_under_a_name_that_is_not_read_is_told(tmp_path: Path) -> None:
    """Proves R53: `demand.CSV` is not overlooked; a backup beside the table may stay, and what macOS leaves there."""
    write_table(tmp_path, "prices", [example("prices")])
    write_table(tmp_path, "demand", [example("demand")])
    for beside in ("demand.csv.bak", "README.md", "._prices.csv"):
        (tmp_path / beside).write_text("old", encoding="utf-8")
    load_dataset(tmp_path)
    (tmp_path / "demand.csv").rename(tmp_path / "demand.CSV")
    assert any("demand" in fault.expected for fault in load_faults(tmp_path))


SETTINGS = [
    f"budget.total_musd={'9' * 5000}",
    "=5",
    "scenarios.-1.name=x",
    "budget.total_musd=" + "[" * 3000,
    "discount_rate=3%",
]


def test_what_is_set_on_the_command_line_is_a_field_and_a_value() -> None:
    """Proves: five thousand digits, no field, a place counted from the end, nesting without end: a few lines that blame `--set`,
    never another exception; of two values of which one lies within the other neither wins unsaid; numbers, texts and lists
    arrive at their dotted path."""
    plan = shipped("models") / "quickstart.toml"
    for pair in SETTINGS:
        with pytest.raises(PlanError) as error:
            load_plan(plan, overrides([pair]))
        assert {fault.file for fault in error.value.faults} == {"overrides"}, pair
        assert len(str(error.value)) < 12_000
    for pairs in (["discount_rate=0.1", "discount_rate=0.2"], ["budget={appropriation_musd=7}", "budget.total_musd=5"]):
        with pytest.raises(PlanError) as error:
            load_plan(plan, overrides(pairs))
        assert {fault.file for fault in error.value.faults} == {"overrides"}, pairs
    fields = ["risk.cvar_limit_musd=null", "title=none", "scenarios.0.probability=0.25", 'materials=["gallium"]']
    told = load_plan(plan, overrides([*fields, "budget.appropriation_musd=12.5"]))
    assert (told.title, told.materials, told.scenarios[0].probability) == ("none", ("gallium",), 0.25)
    assert told.budget.appropriation_musd == 12.5


MANY = 100_000
BOMBS = {
    "brackets": "a = " + "[" * MANY,
    "dotted key": ".".join("a" * 20_000) + " = 1",
    "unknown keys": "\n".join(f"k{n} = 1" for n in range(20_000)),
    "50 MB": 'name = "' + "x" * 50_000_000 + '"',
}
"""Texts that are small to write and dear to read."""


def test_a_bomb_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R31: each is a PlanError without a gigabyte, never a RecursionError. Looking for names that were meant takes long and
    is done for few. The size of a table is looked at before it is read; one with holes seems larger than any memory."""
    looked = Counter[str]()
    monkeypatch.setattr(names, "get_close_matches", lambda word, *_, **__: looked.update([word]) or [])
    file = tmp_path / "plan.toml"
    for name, text in BOMBS.items():
        file.write_text(text, encoding="utf-8")
        looked.clear()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(PlanError) as error:
            load_plan(file)
        assert "int_max_str_digits" not in str(error.value)
        assert looked.total() <= 200, name
        assert len(error.value.faults) <= 200, name
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, name  # kB
    with (tmp_path / "prices.csv").open("wb") as table:
        table.truncate(10**12)
    assert "at most" in load_faults(tmp_path)[0].expected


@pytest.mark.timeout(60)
def test_pipes_devices_and_folders_are_no_plans_and_no_tables(tmp_path: Path) -> None:
    """Proves R57: a named pipe that nobody writes to, an endless device, a folder, a link to nothing, in place of a plan
    (TOML, JSON, xlsx) or of a table: a fault at once, nothing is opened and waited for."""
    odd = tmp_path / "odd"
    odd.mkdir()
    os.mkfifo(odd / "pipe")
    (odd / "folder").mkdir()
    for name, target in (("zero", "/dev/zero"), ("loop", odd / "loop"), ("gone", odd / "nowhere")):
        (odd / name).symlink_to(target)
    for path in sorted(odd.iterdir()):
        plans = tmp_path / path.name
        plans.mkdir()
        for ending, load in (("toml", load_plan), ("json", load_plan), ("xlsx", load_workbook)):
            (plans / f"plan.{ending}").symlink_to(path)
            with pytest.raises(FaultsError):
                load(plans / f"plan.{ending}")
        tables = write_table(tmp_path / f"tables_{path.name}", "demand", [example("demand")])
        (tables / "prices.csv").symlink_to(path)
        (fault,) = load_faults(tables)
        assert fault.file == "prices.csv"
    for load, path in ((load_plan, tmp_path / "none.toml"), (load_plan, tmp_path), (load_dataset, tmp_path / "none")):
        with pytest.raises(FaultsError) as error:
            load(path)
        assert len(error.value.faults) == 1


def test_thousands_of_bad_rows_are_a_hundred_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: of 2,000 rows with two wrong cells each a hundred faults are told, and that there are more; of a table beyond the
    bound of a sheet no row is validated, and only rows that hold something count."""
    header = "price_set,material,from_year,price_usd_per_kg,source,year,confidence"
    path = tmp_path / "prices.csv"
    path.write_text("\n".join([header, *(f"b,m{n},soon,-1,s,2024,reported" for n in range(2_000)), ""]), "utf-8")
    with pytest.raises(InputError) as error:
        load_dataset(tmp_path)
    said = str(error.value).splitlines()
    assert (said[0], len(said)) == ("more than 100 faults", 101)
    assert (len(error.value.faults), error.value.faults[-1].found) == (101, "more faults")
    monkeypatch.setattr(csv_shape, "MOST_ROWS", 1)
    (fault,) = load_faults(tmp_path)
    assert (fault.file, fault.found) == ("prices.csv", "2,000 rows")
    path.write_text(f"{header}\nb,m,2024,1,s,2024,reported\n,,\n\n", encoding="utf-8")
    assert len(load_dataset(tmp_path).rows("prices")) == 1


def test_without_its_checks_the_package_does_not_start() -> None:
    """Proves: under -O assertions are gone, and the package says so in one sentence and ends with 2."""
    command = [sys.executable, "-O", "-c", ENTRY, "check", "quickstart"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n"), "-OO" in done.stderr) == (2, 1, True)
