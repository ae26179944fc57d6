"""What was written in place of something else: the fault says what was meant, in the words of its file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strategic_minerals import load_dataset, load_plan, shipped
from strategic_minerals.checks.consistency import check_data
from strategic_minerals.core.errors import Fault, FaultsError
from strategic_minerals.data.csv_files import write_dataset
from strategic_minerals.data.load import find_plan, load_question
from strategic_minerals.data.plan_file import parse_plan
from strategic_minerals.data.workbook import load_workbook


def stated(**changes: Any) -> dict[str, Any]:
    """The quickstart plan as plain data, with fields replaced."""
    return {**load_plan(shipped("models") / "quickstart.toml").to_toml_like(), **changes}


def faults_of(act: Callable[[], object]) -> list[Fault]:
    """The faults with which something ends."""
    with pytest.raises(FaultsError) as error:
        act()
    return list(error.value.faults)


def asked(folder: Path, **changes: Any) -> list[Fault]:
    """Faults of a plan in JSON with the shipped tables, as `check` finds them."""
    (folder / "plan.json").write_text(json.dumps(stated(**changes)), encoding="utf-8")
    try:
        return check_data(*load_question(folder / "plan.json", shipped("inputs")))
    except FaultsError as error:
        return list(error.faults)


@pytest.mark.parametrize("name", ["last_year", "end_year"])
def test_a_last_year_is_a_number_of_years(name: str) -> None:
    """Proves: one fault, which names the field and the number that it would have; first_year is not proposed."""
    horizon = {"first_year": 2027, name: 2031}
    (fault,) = faults_of(lambda: parse_plan(stated(horizon=horizon)))
    assert (fault.column, fault.found) == (f"horizon.{name}", f"'{name}'")
    assert fault.expected == "'horizon.years', the number of planned years: 5 for 2027 to 2031"


def test_a_last_year_without_a_first_one_is_told_without_a_number() -> None:
    """Proves: where nothing can be counted, the field is named all the same."""
    (fault,) = faults_of(lambda: parse_plan(stated(last_year=2031.5)))
    assert fault.expected == "'horizon.years', the number of planned years"


EVENT = {"name": "war", "probability": 0.1, "events": [{"hazard": "War in the Pacific", "start_year": 2028.0}]}


@pytest.mark.parametrize(
    ("changes", "meant"),
    [
        ({"scenarios": [EVENT]}, "'pacific_war'"),
        ({"price_set": "MCS 2024"}, "'mcs2024'"),
        ({"price_set": "MCS2024"}, "'mcs2024'"),
        ({"loss_function": "USGS 2025"}, "'usgs_2025'"),
        ({"sample": {"scenarios": 4, "seed": 1, "hazards": ["War in the Pacific"]}}, "'pacific_war'"),
    ],
)
def test_the_name_of_a_row_for_people_is_told_with_its_key(changes: dict[str, Any], meant: str, tmp_path: Path) -> None:
    """Proves: spaces, case and punctuation do not hide which row was meant, nor does the name that its table gives it."""
    names = {row.hazard: row.name for row in load_dataset(shipped("inputs")).rows("hazards")}
    said = json.loads(json.dumps(changes).replace("War in the Pacific", names["pacific_war"]))
    (fault,) = asked(tmp_path, **said)
    assert f"(did you mean {meant}?)" in fault.expected, fault


def test_a_year_of_an_amount_is_advised_in_the_words_of_its_file(tmp_path: Path) -> None:
    """Proves: there are no equals signs in JSON, nor in what a service is told."""
    money = {"appropriation_musd": {"2027/28": 60}}
    (fault,) = asked(tmp_path, budget=money)
    assert fault.expected.endswith("as the year of the amount")
    quick = shipped("models") / "quickstart.toml"
    (fault,) = faults_of(lambda: load_plan(quick, {"budget.appropriation_musd": money["appropriation_musd"]}))
    assert "equals" not in fault.expected


@pytest.mark.parametrize("name", [".", "-gallium", "_a"])
def test_a_name_begins_with_a_letter_or_digit(name: str) -> None:
    """Proves: of a name whose characters are all allowed it is said which of them may not come first."""
    (fault,) = faults_of(lambda: parse_plan(stated(price_set=name)))
    assert "which begins with a letter or a digit" in fault.expected
    (fault,) = faults_of(lambda: parse_plan(stated(price_set="a b")))
    assert "begins" not in fault.expected


def test_a_link_that_leads_nowhere_is_called_one(tmp_path: Path) -> None:
    """Proves: a loop of links, and a link to nothing, as a plan, as a folder of tables and as a table."""
    loop, dangling = tmp_path / "loop.toml", tmp_path / "dangling.toml"
    loop.symlink_to(loop)
    dangling.symlink_to(tmp_path / "nothing.toml")
    for link in (loop, dangling):
        for act in (lambda: find_plan(link), lambda: load_plan(link), lambda: load_dataset(link)):  # noqa: B023
            assert [fault.found for fault in faults_of(act)] == ["a link that leads nowhere"]
    write_dataset(load_dataset(shipped("inputs")), tmp_path / "tables")
    (tmp_path / "tables" / "tiers.csv").unlink()
    (tmp_path / "tables" / "tiers.csv").symlink_to("tiers.csv")
    assert [fault.found for fault in faults_of(lambda: load_dataset(tmp_path / "tables"))] == [
        "a link that leads nowhere"
    ]


def test_what_holds_no_workbook_is_told_as_that(tmp_path: Path) -> None:
    """Proves: an empty file, an empty archive and an archive of other files are no books that were cut on the way."""
    (tmp_path / "empty.xlsx").write_bytes(b"")
    for name, parts in (("bare.xlsx", []), ("other.xlsx", ["notes.txt"])):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for part in parts:
                archive.writestr(part, "text")
    for name, why in (("empty", "an empty file"), ("bare", "an archive"), ("other", "an archive of other files")):
        (fault,) = faults_of(lambda: load_workbook(tmp_path / f"{name}.xlsx"))  # noqa: B023
        assert fault.found.startswith(f"no workbook: {why}")


def test_a_percentage_is_explained_once() -> None:
    """Proves: the example is not repeated as the reading of the same figure; others are read."""
    (fault,) = faults_of(lambda: parse_plan(stated(discount_rate=3)))
    assert fault.expected.count("3 % is 0.03") == 1
    (fault,) = faults_of(lambda: parse_plan(stated(discount_rate=4)))
    assert "4 % is 0.04" in fault.expected


@pytest.mark.parametrize("name", ["EU", "EUR", "Europe"])
def test_a_union_is_no_country(name: str, tmp_path: Path) -> None:
    """Proves: no country is proposed that only looks like it; the code of the union is."""
    (fault,) = asked(tmp_path, home=name)
    assert "did you mean" not in fault.expected
    assert "EUU for" in fault.expected
