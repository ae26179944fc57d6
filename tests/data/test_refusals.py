"""What a plan may not hold: the plan is blamed for its own names, and what is refused is told in its place and in plain words."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from test_blame import QUICKSTART, asked, facts, line

from strategic_minerals import PlanError, load_plan, shipped
from strategic_minerals.analysis.sweep_file import SweepFile
from strategic_minerals.core.errors import Fault
from strategic_minerals.data.load import load_question, overrides
from strategic_minerals.data.plan_file import parse_plan, put, read_as
from strategic_minerals.data.workbook import write_workbook

# --- names of the plan alone -------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, 6])
@pytest.mark.parametrize(
    ("name", "slip", "text"),
    [
        (
            "ga_ge_sb_ban",
            "ga_ge_ban",
            '[[hazards]]\nhazard = "ga_ge_ban"\n{n}\n',
        ),
        (
            "gallium",
            "galium",
            '[[diversification]]\nmaterial = "galium"\nkind = "least_share"\ngroup = "home"\nshare = 0.1\n'
            "from_year = 2028\nhard = true\n",
        ),
    ],
    ids=["a hazard", "a material"],
)
def test_a_name_that_the_plan_alone_uses_is_a_fault_of_the_plan(
    name: str, slip: str, text: str, times: int, tmp_path: Path
) -> None:
    """Proves: however often a plan writes a name wrongly, its lines are blamed, each with the name that is near, and no table."""
    own = ["rate_per_yr = 0.1", "cut_share = 0.5", "flood_yr = 1", "duration_yr = 1", "after_lag_yr = 1"]
    parts = [text.replace("{n}", own[n % len(own)]) for n in range(times)]
    found = asked(tmp_path, QUICKSTART + "\n" + "\n".join(parts))
    assert len(found) == times
    for fault in found:
        assert fault.file == "plan.toml"
        assert fault.found == f"'{slip}'"
        assert f"did you mean '{name}'" in fault.expected


# --- fields that are set twice -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pairs", "blamed"),
    [
        (["budget.total_musd=5", "budget={appropriation_musd=7}"], "budget.total_musd"),
        (["scenarios.0.probability=0.1", "scenarios.00.probability=0.2"], "scenarios.00.probability"),
        (["scenarios.0.events.0.start_year=2029", "scenarios=[]"], "scenarios.0.events.0.start_year"),
    ],
)
@pytest.mark.parametrize("kind", ["toml", "xlsx"])
def test_what_is_set_twice_is_refused_in_any_order(pairs: list[str], blamed: str, kind: str, tmp_path: Path) -> None:
    """Proves: of two values of which one lies within the other neither wins unsaid, in a plan file and in a workbook; fields
    beside each other are set both."""
    file = shipped("models") / "quickstart.toml"
    if kind == "xlsx":
        write_workbook(load_plan(file), facts(), tmp_path / "plan.xlsx")
        file = tmp_path / "plan.xlsx"
    for order in (pairs, pairs[::-1]):
        with pytest.raises(PlanError) as refused:
            load_question(file, None, overrides(order))
        assert [(fault.file, fault.column) for fault in refused.value.faults] == [("--set", blamed)]
        assert "which is also set" in refused.value.faults[0].found
    both = load_question(file, None, overrides(["budget.total_musd=5", "budget.appropriation_musd=7"]))[0]
    assert (both.budget.total_musd, both.budget.appropriation_musd) == (5.0, 7.0)


# --- sections that contradict themselves -------------------------------------------------------------------------

FLOOR = '\n[[instruments.price_floors]]\nmaterial = "gallium"\nlevels_usd_per_kg = [1, 2]\nterm_years = 5\n'
LIMIT = '\n[[diversification]]\nmaterial = "gallium"\nshare = 0.5\nfrom_year = 2028\n'


@pytest.mark.parametrize(
    ("more", "column", "found", "expected"),
    [
        (
            '\n[[scenarios]]\nname = "x"\nprobability = 0.01\n[[scenarios.events]]\nstart_year = 2029\ncut_share = 0.5\n',
            "scenarios.3.events.0",
            "no hazard",
            "needs duration_years, countries, materials",
        ),
        (FLOOR + 'kind = "border"\n', "instruments.price_floors.0.scope", "'project'", "'market': a border floor"),
        (
            FLOOR + 'kind = "purchase"\nscope = "market"\n',
            "instruments.price_floors.0.scope",
            "'market'",
            "'project': a purchase floor",
        ),
        (
            FLOOR + 'kind = "border"\nscope = "market"\nupside_share = 0.3\n',
            "instruments.price_floors.0.upside_share",
            "0.3",
            "0: a border floor has no upside share",
        ),
        (
            FLOOR.replace("[1, 2]", "[2, 2]"),
            "instruments.price_floors.0.levels_usd_per_kg",
            "[2.0, 2.0]",
            "levels that differ",
        ),
        (
            LIMIT + 'kind = "country_cap"\nhard = true\n',
            "diversification.0.country",
            "nothing",
            "country must be given",
        ),
        (
            LIMIT + 'kind = "least_share"\ngroup = "home"\ncountry = "CHN"\nhard = true\n',
            "diversification.0.country",
            "'CHN'",
            "and only there",
        ),
        (LIMIT + 'kind = "least_share"\nhard = true\n', "diversification.0.group", "nothing", "group must be given"),
        (
            LIMIT + 'kind = "least_share"\ngroup = "home"\n',
            "diversification.0",
            "neither a penalty nor hard = true",
            "either penalty_usd_per_kg (soft) or hard = true",
        ),
    ],
)
def test_a_section_that_contradicts_itself_names_the_field(
    more: str, column: str, found: str, expected: str, tmp_path: Path
) -> None:
    """Proves: the field is named with its line and its value, in place of the whole section."""
    text = QUICKSTART + more
    (fault,) = asked(tmp_path, text)
    assert (fault.column, fault.found) == (column, found)
    assert expected in fault.expected
    assert int(fault.row) > int(line(text, QUICKSTART.splitlines()[-1]))


# --- numbers beyond reading, and text that is none ---------------------------------------------------------------

LONG = "9" * 10_000
MONEY = "appropriation_musd = "


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("kind", ["toml", "json"])
def test_a_number_of_very_many_digits_is_told_by_its_length(kind: str, sign: str, tmp_path: Path) -> None:
    """Proves: line and field are named, digits in a comment or in text before it are passed over, and nothing of Python is said."""
    if kind == "toml":
        before, _, after = QUICKSTART.partition(MONEY)
        text = f"# {LONG}\n{before}{MONEY}{sign}{LONG}\n{after.partition(chr(10))[2]}"
    else:
        content = tomllib.loads(QUICKSTART)
        content["description"] = LONG
        content["budget"]["appropriation_musd"] = "HERE"
        text = json.dumps(content, indent=1).replace('"HERE"', f"{sign}{LONG}")
    (fault,) = asked(tmp_path, text, name=f"plan.{kind}")
    assert fault.column == "budget.appropriation_musd"
    assert fault.row == line(text, f"appropriation_musd{' = ' if kind == 'toml' else chr(34) + ': '}")
    assert (fault.found, fault.expected) == ("a number of 10,000 digits", "a number of at most 1e12")


def test_a_number_of_very_many_digits_is_told_wherever_it_is_set(tmp_path: Path) -> None:
    """Proves: `--set` and a sweep file tell it as a plan does; a number that reads and is too large for any field is told alike."""
    (fault,) = asked_quickly(f"budget.total_musd={LONG}")
    assert (fault.file, fault.column) == ("--set", "budget.total_musd")
    assert (fault.found, fault.expected) == ("a number of 10,000 digits", "a number of at most 1e12")
    (fault,) = asked_quickly(f"budget.total_musd={'9' * 1000}")
    assert fault.expected == "a number of at most 1e12"
    study = tmp_path / "study.toml"
    study.write_text(f'kind = "grid"\n[axes]\n"budget.total_musd" = [{LONG}, 5]\n', encoding="utf-8")
    with pytest.raises(PlanError) as refused:
        read_as(SweepFile, study)
    (fault,) = refused.value.faults
    assert (fault.row, fault.found) == ("3", "a number of 10,000 digits")


def asked_quickly(pair: str) -> tuple[Fault, ...]:
    """Faults of the shipped quickstart with one field set."""
    with pytest.raises(PlanError) as refused:
        load_plan(shipped("models") / "quickstart.toml", overrides([pair]))
    return refused.value.faults


@pytest.mark.parametrize("sign", ["\x1b", "\x07", "\x08", "\x7f", "\x9b", "\r", "\x00"])
@pytest.mark.parametrize("field", ["title", "description", "name", "controls.0.materials", "scenarios.0.name"])
def test_control_characters_are_refused_in_every_text_of_a_plan(field: str, sign: str) -> None:
    """Proves: what a terminal takes for a command is no text of a plan, and is told without being printed."""
    content = tomllib.loads(QUICKSTART)
    content["controls"] = [
        {"name": "x", "countries": "CHN", "materials": "gallium", "cut_share": 0.1, "until_year": 2029}
    ]
    put(content, field, f"a{sign}[31mb", "plan")
    with pytest.raises(PlanError) as refused:
        parse_plan(content)
    (fault,) = refused.value.faults
    assert (fault.column, fault.expected) == (field, "text without control characters")
    assert str(fault).isprintable()
    with pytest.raises(PlanError):
        load_plan(shipped("models") / "quickstart.toml", {"title": f"a{sign}b"})
    lines = parse_plan({**tomllib.loads(QUICKSTART), "description": "two\r\nlines\tand a tab\n"})
    assert lines.description.startswith("two")
