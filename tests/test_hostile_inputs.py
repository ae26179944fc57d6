"""Inputs that nobody means: each is a fault with its place and exit code 2, whatever the column, the kind of file and the size."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import test_faults
from conftest import ENTRY, environment
from strategic_minerals import Dataset, InputError, PlanError, load_dataset, load_plan, shipped
from strategic_minerals.checks.consistency import check_data
from strategic_minerals.cli import main as cli
from strategic_minerals.core.errors import FaultsError, near_miss
from strategic_minerals.data.addresses import edited
from strategic_minerals.data.load import overrides
from strategic_minerals.data.plan_file import parse_plan
from strategic_minerals.data.row_checks import required
from strategic_minerals.schemas.tables import TABLES
from test_faults import append, change, example, load_faults, numeric, table_faults, write_table

HOSTILE = {
    "nan": "nan",
    "infinity": "inf",
    "below zero": "-1",
    "beyond numbers": "1e300",
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
        return what in ("nan", "infinity", "beyond numbers", "date", "true") and not iso3
    return kind == "text" or (kind == "flag" and what == "true")


@pytest.mark.parametrize("table", TABLES)
def test_no_column_takes_nonsense(table: str, tmp_path: Path) -> None:
    """Proves: every column of every table x every kind of nonsense, more than 6,000 cells: a fault that names file, row and
    column, and what is taken is what the column holds: text in columns of text, names in columns of names."""
    good = example(table)
    base = load_dataset(write_table(tmp_path / "good", table, [good]))
    assert len(base.rows(table)) == 1
    cases = [(column, what) for column in TABLES[table].model_fields for what in HOSTILE]
    records = [{**good, column: HOSTILE[what]} for column, what in cases]
    faults = load_faults(write_table(tmp_path / "bad", table, records))
    assert {fault.file for fault in faults} == {f"{table}.csv"}
    found = {(fault.row, part) for fault in faults for part in fault.column.split(", ")}
    for line, (column, what) in enumerate(cases, start=2):
        alone = {(str(line), name) for name in (column, f"{column}_low", f"{column}_high")}
        odd = f"{table}.{column}: {what}"
        if admitted(table, column, what):
            continue
        assert found & alone, odd
    assert all(len(fault.found) <= 130 for fault in faults)


PLAN_ODD: dict[str, Any] = {
    "nan": math.nan,
    "infinity": math.inf,
    "below zero": -1,
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


@pytest.mark.parametrize(
    "path", [path for path, _ in test_faults.leaves(test_faults.full_plan())], ids=test_faults.dotted
)
def test_no_field_of_a_plan_takes_nonsense(path: tuple[Any, ...]) -> None:
    """Proves: every field of a plan x every kind of nonsense: a fault that names the field, or a value that the field holds
    (text where text is; a number where it allows the number), never another exception."""
    known = dict(test_faults.leaves(test_faults.full_plan()))[path]
    for what, value in PLAN_ODD.items():
        fits = {
            bool: what == "true",
            str: isinstance(value, str),
            float: what == "below zero",
            int: what == "below zero",
        }
        if fits.get(type(known), False) or what == "nothing":
            with contextlib.suppress(PlanError):
                parse_plan(test_faults.put(test_faults.full_plan(), path, value))
            continue
        faults = test_faults.plan_faults(test_faults.put(test_faults.full_plan(), path, value))
        assert all(len(str(fault)) < 1000 for fault in faults)
        named = test_faults.dotted(path)
        assert any(fault.column.startswith(named) or named.startswith(fault.column) for fault in faults), (
            f"{named}: {what}"
        )


ODD = [math.inf, -math.inf, True, dt.date(2026, 1, 1), 10**400, b"1", [1], {"a": 1}, complex(1, 1), "1_0_", object()]


@pytest.mark.parametrize("table", TABLES)
def test_no_number_in_memory_takes_a_value_of_another_kind(table: str) -> None:
    """Proves: frames and rows of other programs are held to the same: a truth value is no number, a date neither."""
    row = {column: cell for column, cell in example(table).items() if cell != ""}
    Dataset.from_tables({table: pd.DataFrame([row])})
    cases = [(column, value) for column in row if kind_of(table, column) == "number" for value in ODD]
    wrong = pd.DataFrame([{**row, column: value} for column, value in cases], dtype=object)
    with pytest.raises(InputError) as error:
        Dataset.from_tables({table: wrong})
    found = {(fault.row, fault.column) for fault in error.value.faults}
    for line, (column, value) in enumerate(cases, start=2):
        assert (str(line), column) in found, (column, value)


REFERENCES = [
    ("yields", "material", "galium", "gallium"),
    ("demand", "material", "Gallium", "gallium"),
    ("prices", "material", "Ga", "gallium"),
    ("loss_functions", "segment", "defense", "defence"),
    ("substitution", "segment", "essentials", "essential"),
    ("offers", "material", "NdPr", "ndpr_oxide"),
    ("stock", "material", "Neodymium", "ndpr_oxide"),
    ("capacities", "activity", "mp_mines", "mp_mine"),
    ("activities", "country", "Chnia", "CHN"),
    ("packages", "instrument", "grants", "grant"),
    ("hazards", "countries", "China", "CHN"),
    ("hazards", "materials", "Dysprosium", "dy_oxide"),
    ("hazards", "demand_multipliers", "defense=2", "defence"),
    ("hazards", "after", "pacific_wars", "pacific_war"),
    ("materials", "mineral", "galium", "gallium"),
    ("production", "mineral", "Cobolt", "cobalt"),
    ("production", "country", "CHX", "CHN"),
    ("reserves", "mineral", "lithum", "lithium"),
    ("import_shares", "country", "CHX", "CHN"),
    ("policy_events", "country", "CHX", "CHN"),
    ("tiers", "segment", "defense", "defence"),
    ("ramps", "project", "nolan", "nolans"),
    ("projects", "needs", "nolan", "nolans"),
    ("projects", "excludes", "dubo", "dubbo"),
    ("packages", "project", "nolan", "nolans"),
]


@pytest.fixture(scope="module")
def question() -> tuple[Any, Dataset]:
    return load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))


@pytest.mark.parametrize(("table", "column", "wrong", "right"), REFERENCES)
def test_a_name_that_no_table_defines_is_a_fault_with_what_was_meant(
    table: str, column: str, wrong: str, right: str, question: tuple[Any, Dataset]
) -> None:
    """Proves R53: a misspelt segment, material, mineral, country or producer in ANY table is a fault in its row; spellings of two
    countries, names of countries and elements, and symbols are understood."""
    plan, data = question
    first = data.rows(table)[0]
    row = first.model_copy(update={column: wrong, **({"material": "gallium"} if table == "tiers" else {})})
    faults = check_data(plan, Dataset({**data.tables, table: (row, *data.rows(table)[1:])}))
    mine = [fault for fault in faults if (fault.file, fault.column) == (f"{table}.csv", column)]
    assert len(mine) == 1, faults
    assert f"'{right}'" in mine[0].expected


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("defense", ["defence", "other"], "'defence'"),
        ("China", ["CHL", "CHN", "CAN"], "'CHN'"),
        ("South Korea", ["KOR", "PRK"], "'KOR'"),
        ("NdPr", ["ndpr_oxide", "dy_oxide"], "'ndpr_oxide'"),
        ("Neodymium", ["nd_other", "indium", "ndpr_oxide"], "'ndpr_oxide'"),
        ("Wolfram", ["tungsten", "tin"], "'tungsten'"),
        ("aluminum", ["aluminium", "alumina"], "'aluminium'"),
        ("neodymium magnets", ["ndfeb_magnet", "smco_magnet"], "'ndfeb_magnet'"),
        ("UK", ["UKR", "GBR"], "'GBR'"),
        ("Lithium", ["lithium_carbonate", "tin"], "'lithium_carbonate'"),
        ("licence stop", ["license_stop"], "'license_stop'"),
    ],
)
def test_a_near_miss_is_what_the_word_means_before_how_it_looks(word: str, known: list[str], meant: str) -> None:
    """Proves: meaning comes before letters; what is like nothing is told nothing."""
    assert meant in near_miss(word, known)
    assert near_miss("xyzzy", known) == ""
    assert near_miss("FRA", ["CHN", "USA"]) == ""  # another country, and no slip


def test_a_country_by_name_is_told_its_code_in_tables_and_plans(tmp_path: Path) -> None:
    """Proves: `China` where a code belongs proposes CHN, before any table of countries is known."""
    record = {**example("activities"), "country": "China"}
    assert "'CHN'" in load_faults(write_table(tmp_path, "activities", [record]))[0].expected
    (fault,) = test_faults.plan_faults({**test_faults.full_plan(), "home": "Japan"})
    assert "'JPN'" in fault.expected


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


@pytest.mark.parametrize("text", MULTIPLIERS)
def test_demand_multipliers_are_numbers_like_all_others(text: str, tmp_path: Path) -> None:
    """Proves R52: not finite, negative, huge, twice the same, half a pair: faults of their cell; commas and spaces around the
    sign are fine."""
    record = example("hazards")
    faults = load_faults(write_table(tmp_path / "bad", "hazards", [{**record, "demand_multipliers": text}]))
    assert [(fault.row, fault.column) for fault in faults] == [("2", "demand_multipliers")]
    folder = write_table(tmp_path / "good", "hazards", [{**record, "demand_multipliers": "defence = 1.5, other=0.8"}])
    assert load_dataset(folder).rows("hazards")[0].demand_multipliers == "defence=1.5 other=0.8"


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e300, True, "2"])
def test_demand_multipliers_of_a_plan_are_numbers_too(value: Any) -> None:
    """Proves R52: the same in a scenario of a plan."""
    path = ("scenarios", 0, "events", 0, "demand_multipliers")
    faults = test_faults.plan_faults(test_faults.put(test_faults.full_plan(), path, {"civil": value}))
    assert all(fault.column.startswith("scenarios.0.events.0.demand_multipliers") for fault in faults)


def test_lists_in_one_cell_may_have_commas(tmp_path: Path) -> None:
    """Proves: `gallium, germanium` in a column of names is two names."""
    record = {**example("hazards"), "materials": "gallium, germanium", "countries": "CHN,RUS", "after": "a;b"}
    row = load_dataset(write_table(tmp_path, "hazards", [record])).rows("hazards")[0]
    assert (row.materials, row.countries, row.after) == ("gallium germanium", "CHN RUS", "a b")


@pytest.mark.parametrize("name", ["demand.CSV", "Demand.csv", "demand.xlsx", "demand.csv.txt", "demand.tsv"])
def test_a_table_under_a_name_that_is_not_read_is_told(name: str, tmp_path: Path) -> None:
    """Proves R53: `demand.CSV` is not overlooked; a backup beside the table may stay."""
    write_table(tmp_path, "prices", [example("prices")])
    write_table(tmp_path, "demand", [example("demand")])
    (tmp_path / "demand.csv.bak").write_text("old", encoding="utf-8")
    (tmp_path / "README.md").write_text("about", encoding="utf-8")
    load_dataset(tmp_path)
    (tmp_path / "demand.csv.bak").unlink()
    (tmp_path / "demand.csv").rename(tmp_path / name)
    assert any("demand" in fault.expected for fault in load_faults(tmp_path))


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
    assert (code, "found no table `demand`" in said, "demand" in said) == (2, True, True), said


def test_a_missing_table_that_others_need_is_told_once() -> None:
    """Proves R53: no instruments beside packages, no materials, no countries beside foreign producers: one fault, not one a row."""
    for table, needed_by in (("instruments", "packages.csv"), ("materials", "planned"), ("countries", "producers")):
        for rows in ("gone", "empty"):

            def apply(frames: dict[str, pd.DataFrame], table: str = table, rows: str = rows) -> None:
                frame = frames.pop(table)
                if rows == "empty":
                    frames[table] = frame.head(0)

            faults = [fault for fault in table_faults(apply) if fault.file == f"{table}.csv"]
            assert len(faults) == 1
            assert needed_by in faults[0].expected


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


def test_no_project_excludes_or_needs_itself() -> None:
    """Proves: a project that needs or excludes itself, or excludes what it needs over two steps, can never stand."""
    plant = {
        name: value for name, value in test_faults.magnets()[1].frame("projects").iloc[0].items() if value is not None
    }
    for column in ("needs", "excludes"):
        assert [(f.row, f.column) for f in table_faults(change("projects", 0, **{column: "plant"}))] == [
            ("plant", column)
        ]
    more = [
        append("projects", **{**plant, "project": "two", "needs": "plant", "excludes": "three"}),
        append("projects", **{**plant, "project": "three", "needs": "two"}),
        append("yields", producer="two", material="magnet", yield_t_per_t=1.0),
        append("yields", producer="three", material="magnet", yield_t_per_t=1.0),
    ]
    assert {(f.row, f.column) for f in table_faults(*more)} == {("three", "needs")}
    circle = [
        change("projects", 0, needs="two"),
        append("projects", **{**plant, "project": "two", "needs": "plant"}),
        more[2],
    ]
    assert table_faults(*circle) == []  # built together, or not at all


@pytest.mark.parametrize(
    "pair",
    [
        f"budget.total_musd={'9' * 5000}",
        "budget.total_musd=1\nhome='JPN'",
        "=5",
        "  =5",
        "budget..total_musd=5",
        "scenarios.-1.name=x",
        "scenarios.²=x",
        "budget.total_musd=" + "[" * 3000,
        "sample.seed=0x" + "f" * 5000,
        "a" * 9000 + "=1",
    ],
)
def test_what_is_set_on_the_command_line_is_a_field_and_a_value(
    pair: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proves: five thousand digits, two lines, no field, an empty part, a place counted from the end, nesting without end:
    exit 2 and a few lines, never a traceback."""
    code, said = run(monkeypatch, capsys, "check", "quickstart", "--set", pair)
    assert code == 2
    assert "Traceback" not in said
    assert len(said) < 12_000


def test_a_field_is_set_once() -> None:
    """Proves: of two values for one field none is taken silently."""
    with pytest.raises(PlanError, match="the field twice"):
        overrides(["discount_rate=0.1", "discount_rate=0.2"])


@pytest.mark.parametrize(
    "address", ["scenarios.-1.name", "scenarios.-1.probability *", "scenarios.9.probability *", "materials.-1"]
)
def test_addresses_of_a_sweep_are_not_counted_from_the_end(address: str, question: tuple[Any, Dataset]) -> None:
    """Proves: -1 is no place in a list."""
    with pytest.raises(PlanError) as error:
        edited(*question, {address: 1.0})
    assert {fault.file for fault in error.value.faults} == {"axis"}


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
    from strategic_minerals.data.workbook import load_workbook

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
    from strategic_minerals.core import bounded_files as files

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


@pytest.mark.parametrize("option", ["-O", "-OO"])
def test_without_its_checks_the_package_does_not_start(option: str) -> None:
    """Proves: under -O assertions are gone, and the package says so in one sentence and ends with 2."""
    command = [sys.executable, option, "-c", ENTRY, "check", "quickstart"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "-OO" in done.stderr


def test_dates_are_written_as_dates(tmp_path: Path) -> None:
    """Proves: digits alone are no date (they would be read as seconds since 1970), nor a year that no table knows."""
    for text in ("86400", "20250404", "0001-01-01", "9999-12-31", "2025-4-4", "04/04/2025", "٢٠٢٥-01-01"):
        record = {**example("policy_events"), "announced": text}
        assert [(f.row, f.column) for f in load_faults(write_table(tmp_path, "policy_events", [record]))] == [
            ("2", "announced")
        ], text
