"""Files as spreadsheets and editors leave them: a fault names file, line and what was found; what changes no value is read."""

import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from strategic_minerals import Dataset, Plan, check, load_dataset, shipped
from strategic_minerals.core.errors import Fault, FaultsError, PlanError
from strategic_minerals.question.load import load_question
from strategic_minerals.question.read_csv import STAMP, write_dataset
from strategic_minerals.question.read_toml import parse_plan, read_as
from strategic_minerals.studies.sweep import sweep
from strategic_minerals.studies.sweep_file import SweepFile, located
from support.tiny import cut, offer, source, tiny


def faults_of(call: Callable[[], Any]) -> tuple[Fault, ...]:
    """Faults that a call raises, or that `check` finds of the question that it gives; each has all its parts."""
    try:
        faults = check(*call()).faults
    except FaultsError as error:
        faults = error.faults
    assert all(fault.file and fault.found and fault.expected for fault in faults)
    return faults


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
    plan, data = small()
    folder = tmp_path_factory.mktemp("right")
    (folder / "plan.toml").write_text(TOML, encoding="utf-8")
    write_dataset(data, folder / "tables")
    (folder / "tables" / "prices.csv").write_text(PRICES, encoding="utf-8")
    assert load_dataset(folder / "tables").rows("prices") == data.rows("prices")
    assert parse_plan(tomllib.loads(TOML)) == plan.model_copy(update={"policy": "targets"})
    assert faults_of(lambda: load_question(folder / "plan.toml")) == ()
    return folder


PRICES = """price_set,material,from_year,price_usd_per_kg,source,year,confidence
base,a,2027,10.0,,,estimate
base,b,2027,20.0,,,estimate
"""
TOML = (Path(__file__).parent / "small_plan.toml").read_text(encoding="utf-8")


def with_prices(right: Path, folder: Path, content: str | bytes, stamp: str = "format = 1") -> tuple[Fault, ...]:
    """Faults of the small question with another table of prices."""
    shutil.copytree(right / "tables", folder, dirs_exist_ok=True)
    (folder / STAMP).write_text(stamp, encoding="utf-8")
    (folder / "prices.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return faults_of(lambda: load_question(right / "plan.toml", folder))


HEAD, BODY = PRICES.split("\n", 1)
TABLES: list[tuple[str | bytes, str, str]] = [
    (f"Prices 2026,,\n{PRICES}", "1", "a header of the columns price_set, material, from_year"),
    (PRICES.replace(",", ";").replace(".", ","), "1", "separated by commas"),
    (PRICES.replace("base", "b\u00e4se", 1).encode("latin-1"), "2", "not valid UTF-8"),
    (b"PK\x03\x04" + PRICES.encode(), "", "a workbook or another archive"),
    (f"{HEAD}\n<<<<<<< HEAD\n{BODY}", "2", "1 cells; expected 7, as in the header"),
    (PRICES.replace("price_usd_per_kg", "price_usd_per_t", 1), "1", "did you mean 'price_usd_per_kg'"),
    (PRICES.replace(",estimate", ",estimate,7", 1), "2", "8 cells; expected 7"),
    (PRICES + "base,b,2027,20.0,,,estimate\n", "4", "a unique key (line 3 has the same)"),
    (PRICES.replace("10.0", '"1,870"'), "2", "a plain number such as 374 or 0.5"),
]


def test_a_table_that_does_not_read_is_a_fault_with_its_line(right: Path, tmp_path: Path) -> None:
    """Proves: whatever a spreadsheet did to a table, the first fault names the file, the line and what was expected there."""
    for content, line, expected in TABLES:
        faults = with_prices(right, tmp_path, content)
        assert {fault.file for fault in faults} == {"prices.csv"}, content
        assert expected in " ".join(map(str, faults)), faults
        assert line in {fault.row for fault in faults}, faults


def test_what_changes_no_value_is_read(right: Path, tmp_path: Path) -> None:
    """Proves: byte order marks, line ends, empty cells without a name, quoted cells: the same table, without a word."""
    lines = PRICES.rstrip("\n").split("\n")
    for content in (
        b"\xef\xbb\xbf" + PRICES.encode(),
        PRICES.replace("\n", "\r\n"),
        "".join(f"{line},,\n" for line in lines),
        "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in lines),
    ):
        assert with_prices(right, tmp_path, content) == (), content
        assert load_dataset(tmp_path).rows("prices") == small()[1].rows("prices")


def test_a_table_that_is_not_there_is_named_with_those_that_are(right: Path, tmp_path: Path) -> None:
    """Proves: one fault that names the table and says what it would hold, not one for what misses it."""
    for table in ("prices", "materials", "capacities", "countries"):
        shutil.copytree(right / "tables", tmp_path, dirs_exist_ok=True)
        (tmp_path / f"{table}.csv").unlink()
        faults = faults_of(lambda: load_question(right / "plan.toml", tmp_path))
        missing = [fault for fault in faults if fault.found == "no such file"]
        assert [fault.file for fault in missing] == [f"{table}.csv"]
        assert "there are" in missing[0].expected


def test_anything_but_the_format_is_refused(right: Path, tmp_path: Path) -> None:
    """Proves: of plans and of tables, another number and no number are one fault with its line; no other field is blamed."""
    for stated in ("2", "1.5", '"one"', "true"):
        (tmp_path / "plan.toml").write_text(f'name = "x"\nformat = {stated}\nwhatever_comes = 1\n', encoding="utf-8")
        (fault,) = faults_of(lambda: read_as(Plan, tmp_path / "plan.toml"))
        assert (fault.file, fault.row, fault.column) == ("plan.toml", "2", "format")
        (fault,) = with_prices(right, tmp_path, "what,comes\n1,2\n", stamp=f"# one\nformat = {stated}\n")
        assert (fault.file, fault.row, fault.column) == (STAMP, "2", "format")
        assert fault.expected == "format 1, the only one that this version reads"


RATE, YEARS, MONEY = "discount_rate = 0.0 ", "years = 3", "appropriation_musd = 100000.0"
PLANS: list[tuple[str, str, str, str]] = [
    (RATE, "discount_rate = 0,03 ", "5", "expected valid TOML (Expected newline"),
    ('"tiny"', "\u201ctiny\u201d", "1", "valid TOML"),
    (YEARS, f"{YEARS}\nyears = 4", "10", "Cannot overwrite a value"),
    ("probability = 0.1", "probability = 10", "17", "at most 1 (a share: 3 % is 0.03)"),
    (YEARS, "yeers = 3", "9", "did you mean 'years'"),
    ("[budget]\n", '[budget]\nmaterials = ["a"]\n', "13", "did you mean 'materials' above the first table"),
    ('materials = "a"', 'materials = "zz"', "22", "a material of materials.csv, or '*'"),
    ('"base"', '"bas"', "3", "did you mean 'base'"),
    ("cut_share = 1.0", 'cut_share = 1.0\nhazard = "war"', "24", "a hazard of hazards.csv (the table is missing"),
]


def test_a_slip_in_a_plan_file_is_told_with_its_line(right: Path, tmp_path: Path) -> None:
    """Proves: where the file does not read, the line with what the parser says; wrong fields and names, found with the tables too,
    with the line of the plan."""
    path = tmp_path / "plan.toml"
    for old, new, line, expected in PLANS:
        assert old in TOML
        path.write_text(TOML.replace(old, new, 1), encoding="utf-8")
        faults = faults_of(lambda: load_question(path, right / "tables"))
        assert (faults[0].file, faults[0].row) == ("plan.toml", line), faults
        assert expected in str(faults[0])
    for content, expected in ((TOML.encode("utf-16"), "UTF-16"), (b"PK\x03\x04", "a workbook"), (b"# no\n", "nothing")):
        path.write_bytes(content)
        assert expected in faults_of(lambda: load_question(path, right / "tables"))[0].found


def test_a_name_that_the_plan_alone_uses_is_a_fault_of_the_plan(tmp_path: Path) -> None:
    """Proves: however often a plan writes a name wrongly, its lines are blamed, each with the name that is near, and no table."""
    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    entry = '[[days_of_cover]]\nmaterial = "galium"\ndays = 5\nfrom_year = 2028\n'
    (tmp_path / "plan.toml").write_text(text + 6 * entry, encoding="utf-8")

    def question() -> tuple[Plan, Dataset]:
        plan, place = read_as(Plan, tmp_path / "plan.toml")
        return plan, replace(load_dataset(shipped("inputs")), asked=place)

    found = faults_of(question)
    assert len(found) == 6
    assert {(fault.file, fault.found, "did you mean 'gallium'" in fault.expected) for fault in found} == {
        ("plan.toml", "'galium'", True)
    }


SWEEPS = {
    'kind = "grid"\n[axes]\ndiscount_rate = [0.02, "3%"]\n': ("3", "a number, not text"),
    'kind = "grid"\n[axes]\n"budget.apropriation_musd" = [1, 2]\n': ("3", "did you mean"),
    'kind = "grid"\n[axes]\n"prices[base/c/*].price_usd_per_kg" = [1, 2]\n': ("3", "a key of prices"),
    'kind = "points"\n[[points]]\ndiscount_rate = 0.1\n[[points]]\ndiscount_rate = 9\n': ("5", "at most 0.5"),
    'kind = "sobol"\nsamples = 3\n[ranges]\ndiscount_rate = [0.1, 0.2]\n': ("2", "a power of two"),
    "kind = grid\n": ("1", "valid TOML"),
}


def test_a_slip_in_a_sweep_file_is_told_of_that_file(tmp_path: Path) -> None:
    """Proves: addresses and values of a sweep are faults of the sweep file with their line: never of `--set`, which nobody used,
    nor several lines in one."""
    path = tmp_path / "study.toml"
    plan, data = small()

    def run() -> Any:
        asked, place = read_as(SweepFile, path)
        try:
            return sweep(plan, data, asked.design(plan, data).points)
        except PlanError as error:
            raise located(place, error) from None

    for text, (line, expected) in SWEEPS.items():
        path.write_text(text, encoding="utf-8")
        (fault,) = faults_of(run)
        assert (fault.file, fault.row) == ("study.toml", line)
        assert expected in fault.expected
        assert "\n" not in str(fault)
