"""A wrong file is refused at the edge: every fault at once, each with its place, what was found and what was expected."""

from __future__ import annotations

import math
import re
import resource
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel

from strategic_minerals import (
    Dataset,
    Fault,
    InputError,
    Plan,
    PlanError,
    check,
    load_dataset,
    load_plan,
    shipped,
    solve,
)
from strategic_minerals.checks.consistency import check_data
from strategic_minerals.core import names
from strategic_minerals.core.errors import FaultsError
from strategic_minerals.data.csv_files import write_dataset
from strategic_minerals.data.plan_file import parse_plan
from strategic_minerals.schemas.tables import TABLES
from support.tiny import cut, offer, project, source, tiny

NOT_NUMBERS = ("nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1e999")
"""Texts that Python reads as a float and no planner means."""

PROVENANCE = {"source": "test", "year": "2024", "confidence": "estimate", "note": ""}


# --- plans and rows that are right --------------------------------------------------------------------------


def full_plan() -> dict[str, Any]:
    """A valid plan in which every section and every optional field is present."""
    return {
        "format": 2,
        "name": "full",
        "title": "t",
        "description": "d",
        "home": "USA",
        "price_year": 2026,
        "price_set": "base",
        "loss_function": "test",
        "loss_level": "central",
        "loss": {"spikes": False},
        "users_convenience_share": 0.05,
        "discount_rate": 0.03,
        "residual": 0.5,
        "price_gain": True,
        "tight_cut_share": 0.05,
        "materials": ["magnet"],
        "horizon": {"first_year": 2027, "years": 3, "tail_years": 1, "period_months": 12},
        "budget": {
            "appropriation_musd": 50.0,
            "carry_over_share": 0.5,
            "carried_in_musd": 2.0,
            "total_musd": 100.0,
            "liability_cap_musd": 9.0,
            "liability_quantile": 0.9,
            "emergency_musd": 1.0,
            "branch_money": "planned",
            "revolving": False,
        },
        "instruments": {
            "reserve": True,
            "offtake_contracts": True,
            "projects": True,
            "packages": ["*"],
            "project_list": ["*"],
            "signing_years": [2027],
            "contract_years": [2028],
            "partial_support": False,
            "trunk_release": False,
            "price_floors": [
                {
                    "material": "magnet",
                    "kind": "purchase",
                    "scope": "project",
                    "levels_usd_per_kg": [90.0],
                    "term_years": 3.0,
                    "upside_share": 0.1,
                    "take_share": 0.5,
                    "eligible": "allied",
                    "embedded_content": False,
                }
            ],
        },
        "risk": {"alpha": 0.9, "cvar_weight": 0.1, "cvar_limit_musd": 1e5, "expected_loss_limit_musd": 1e5},
        "objective": {"kind": "social_cost", "cvar_share": 0.5, "stage_slack": 0.01},
        "owners": {
            "expectation": "scenarios",
            "price_risk_premium": 0.02,
            "sample": 64,
            "seed": 3,
            "risk_charge": 0.1,
        },
        "controls": [
            {
                "name": "quota",
                "countries": "CHN",
                "materials": "magnet",
                "cut_share": 0.1,
                "cut_shares": {"magnet": 0.2},
                "feed_cut_share": 0.05,
                "price_multiplier": 1.1,
                "until_year": 2028.5,
                "in_force": True,
                "probability": 0.5,
            }
        ],
        "ongoing": [
            {
                "name": "licences",
                "hazard": "stop",
                "start_year": 2026.5,
                "duration_years": 1.0,
                "countries": "CHN",
                "materials": "magnet",
                "cut_share": 0.5,
                "price_multiplier": 2.0,
                "flood_years": 0.5,
                "flood_multiplier": 0.5,
                "third_country_cut_share": 0.1,
                "demand_multipliers": {"civil": 1.5},
                "severity": 1.5,
                "stretch": 0.5,
                "tight": True,
                "remaining_years": 1.5,
                "ended_year": 2027.5,
            }
        ],
        "procurement": {
            "law": True,
            "practice": True,
            "policy": True,
            "exclusions": [
                {
                    "countries": "CHN",
                    "materials": "magnet",
                    "from_year": 2028.5,
                    "reach_back": True,
                    "applies_to": ["purchases"],
                }
            ],
        },
        "scenarios": [
            {
                "name": "stop",
                "probability": 0.1,
                "design_basis": True,
                "events": [
                    {
                        "hazard": "stop",
                        "start_year": 2028.0,
                        "duration_years": 1.0,
                        "countries": "CHN",
                        "materials": "magnet",
                        "cut_share": 0.5,
                        "price_multiplier": 2.0,
                        "flood_years": 0.5,
                        "flood_multiplier": 0.5,
                        "third_country_cut_share": 0.1,
                        "demand_multipliers": {"civil": 1.5},
                        "severity": 1.5,
                        "stretch": 0.5,
                        "tight": True,
                    }
                ],
            }
        ],
        "sample": {
            "scenarios": 2,
            "draws": 4,
            "seed": 1,
            "hazards": ["*"],
            "quiet_probability": 0.02,
            "drawn_from_year": 2026,
            "events_per_hazard": 1,
        },
        "hazards": [
            {
                "hazard": "stop",
                "rate_per_yr": 0.2,
                "duration_yr": 1.0,
                "cut_share": 0.5,
                "price_multiplier": 2.0,
                "flood_yr": 0.5,
                "flood_multiplier": 0.5,
                "third_country_cut_share": 0.1,
                "element_share": 0.5,
                "after_probability": 0.1,
                "after_lag_yr": 0.1,
            }
        ],
        "service_levels": [
            {
                "material": "magnet",
                "segment": "civil",
                "level": 0.5,
                "scenarios": ["stop"],
                "per": "episode",
                "penalty_usd_per_kg": 5.0,
            }
        ],
        "diversification": [
            {
                "material": "magnet",
                "kind": "country_cap",
                "country": "CHN",
                "share": 0.5,
                "from_year": 2027,
                "penalty_usd_per_kg": 5.0,
                "hard": False,
            }
        ],
        "days_of_cover": [{"material": "magnet", "days": 5.0, "from_year": 2028}],
        "stock_rules": [
            {
                "material": "magnet",
                "from_lost_share": 0.1,
                "segments": ["civil"],
                "resale_share": 0.9,
                "refill_within_years": 2.0,
                "refill_share": 0.8,
            }
        ],
        "together": {
            "members": [
                {"home": "USA", "money_share": 0.5, "loss_function": "usgs_2025"},
                {"home": "JPN", "money_share": 0.5},
            ],
            "joint_stock": "by_share",
            "freight_usd_per_kg": 0.2,
        },
    }


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(path, value) of every scalar of nested data."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, (*path, key))
    else:
        yield path, node


def put(data: Any, path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A deep copy of nested data with one value changed."""
    copy: Any = dict(data.items()) if isinstance(data, dict) else list(data)
    head, *rest = path
    copy[head] = put(copy[head], tuple(rest), value) if rest else value
    return copy


def dotted(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


PLAN_NUMBERS = [path for path, value in leaves(full_plan()) if is_number(value)]


def plan_faults(data: dict[str, Any]) -> tuple[Fault, ...]:
    with pytest.raises(PlanError) as error:
        parse_plan(data)
    return error.value.faults


@cache
def shipped_tables() -> Dataset:
    """The shipped tables, read once."""
    return load_dataset(shipped("inputs"))


@cache
def example(table: str) -> dict[str, str]:
    """A valid row of a table as CSV text with every column filled: the first shipped row, gaps filled by what fits."""
    frame = shipped_tables().frame(table)
    record: dict[str, str] = {}
    for column, field in TABLES[table].model_fields.items():
        known = frame[column].dropna() if len(frame) else frame[column]
        known = known[known.map(str) != ""]
        if column.endswith(("_low", "_high")):
            record[column] = ""
        elif len(known):
            record[column] = str(known.iloc[0])
        else:
            record[column] = FILL.get(column, "1" if numeric(field.annotation) else "")
    for column in TABLES[table].model_fields:
        base = column.removesuffix("_low").removesuffix("_high")
        if base != column:
            record[column] = record[base]
    return record


FILL = {
    "material": "gallium",
    "segment": "*",
    "year": "2026",
    "confidence": "estimate",
    "floor_kind": "contract",
    "floor_material": "gallium",
    "floor_until_year": "2030",
    "money_year": "2024",
    "project": "x",
    "commitment": "x",
    "kind": "contract",
    "item": "x",
    "producer": "x",
    "payment": "fee",
    "from_country": "AUS",
    "hazard": "x",
    **dict.fromkeys(("signed_year", "fiscal_year", "from_year", "until_year", "floor_from_year"), "2028"),
}


def numeric(annotation: Any) -> bool:
    """Whether a field holds a number (an optional, annotated one too)."""
    if annotation in (int, float):
        return True
    return any(numeric(part) for part in typing.get_args(annotation))


NUMERIC_COLUMNS = [
    (table, column)
    for table, model in TABLES.items()
    for column, field in model.model_fields.items()
    if numeric(field.annotation)
]


def write_table(folder: Path, table: str, records: list[dict[str, str]]) -> Path:
    """A CSV file of text cells."""
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(records).to_csv(folder / f"{table}.csv", index=False)
    return folder


def load_faults(folder: Path) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as error:
        load_dataset(folder)
    return error.value.faults


# --- R7, R28: NaN and infinity ------------------------------------------------------------------------------


def test_the_full_plan_is_valid_and_leaves_no_number_out() -> None:
    """Proves: the plan that the tests below break is right before, and holds every numeric field of the schema, so that
    a new field without a test is missed at once."""
    parse_plan(full_plan())
    reached = {tuple(part for part in path if isinstance(part, str)) for path in PLAN_NUMBERS}

    def fields(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, field in model.model_fields.items():
            inner = sections(field.annotation)
            if inner:
                yield from fields(inner, (*path, name))
            elif numeric(field.annotation):
                yield (*path, name)

    def sections(annotation: Any) -> type[BaseModel] | None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        return next((found for part in typing.get_args(annotation) if (found := sections(part))), None)

    missed = {path for path in fields(Plan, ()) if not any(known[: len(path)] == path for known in reached)}
    assert missed == set()


@pytest.mark.parametrize("path", PLAN_NUMBERS, ids=dotted)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_of_a_plan_may_be_nan_or_infinite(path: tuple[Any, ...], value: float) -> None:
    """Proves R7, R28: NaN or infinity in any numeric field of a plan is a fault that names the field. A NaN cost ends as
    'optimal' with objective NaN."""
    faults = plan_faults(put(full_plan(), path, value))
    name = dotted(path)
    assert any(fault.column == name or name.startswith(f"{fault.column}.") for fault in faults)
    assert any(fault.found == repr(value) or repr(value) in fault.found for fault in faults)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_toml_that_spells_nan_or_infinity_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    """Proves R7, R28: TOML allows `nan` and `inf` and reads 1e999 as infinity; the fault gives file, line and field."""
    file = tmp_path / "plan.toml"
    written = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    file.write_text(written.replace("appropriation_musd = 60 ", f"appropriation_musd = {text} "), encoding="utf-8")
    line = next(n for n, row in enumerate(written.splitlines(), 1) if row.startswith("appropriation_musd"))
    with pytest.raises(PlanError) as error:
        load_plan(file)
    assert {(f.file, f.row) for f in error.value.faults} == {("plan.toml", str(line))}
    assert all(f.column.startswith("budget.appropriation_musd") for f in error.value.faults)


@pytest.mark.parametrize("table", TABLES)
def test_no_number_of_a_table_may_be_nan_or_infinite(table: str, tmp_path: Path) -> None:
    """Proves R7, R28: each way to spell NaN or infinity in each numeric column is a fault that names line and column,
    all of them in one message; the row they were made from is right."""
    good = example(table)
    load_dataset(write_table(tmp_path / "good", table, [good]))
    columns = [column for name, column in NUMERIC_COLUMNS if name == table]
    assert columns
    broken = [(column, text) for column in columns for text in NOT_NUMBERS]
    faults = load_faults(write_table(tmp_path / "bad", table, [{**good, column: text} for column, text in broken]))
    places = {(fault.row, fault.column) for fault in faults}
    for line, (column, text) in enumerate(broken, start=2):
        assert (str(line), column) in places, f"{text} in {table}.{column}"
    assert all(fault.file == f"{table}.csv" for fault in faults)


@pytest.mark.parametrize("table", TABLES)
def test_infinity_in_a_data_frame_is_refused(table: str) -> None:
    """Proves R7, R28: tables made in memory are held to the same: infinity is a fault with its column (a missing value
    of pandas, NaN, is an empty cell there: the next test)."""
    frame = shipped_tables().frame(table)
    good = pd.DataFrame([example(table)]) if frame.empty else frame.head(1)
    Dataset.from_tables({table: good})
    for name, column in NUMERIC_COLUMNS:
        if name == table:
            for value in (math.inf, -math.inf):
                with pytest.raises(InputError) as error:
                    Dataset.from_tables({table: good.astype(object).assign(**{column: value})})
                assert column in {fault.column for fault in error.value.faults}


def test_a_missing_number_in_a_data_frame_is_an_empty_cell() -> None:
    """Proves R28: NaN in a required column of a frame is reported as an empty cell of that line, not solved with."""
    prices = pd.DataFrame(
        {"price_set": "b", "material": ["a", "b"], "from_year": 2027, "price_usd_per_kg": [1.0, math.nan]}
    )
    with pytest.raises(InputError) as error:
        Dataset.from_tables({"prices": prices})
    assert [(f.row, f.column, f.found) for f in error.value.faults] == [("3", "price_usd_per_kg", "an empty cell")]


# --- R6: sizes ----------------------------------------------------------------------------------------------

UNBOUNDED = [
    (table, column)
    for table, column in NUMERIC_COLUMNS
    if column
    not in ("year", "from_year", "tier", "step", "age_yr", "earliest_signing", "floor_until_year", "money_year")
]


@pytest.mark.parametrize("size", ["1e12", "1e15", "1e20", "1e25"])
@pytest.mark.parametrize("table", TABLES)
def test_numbers_that_the_solver_would_take_for_infinity_are_refused(table: str, size: str, tmp_path: Path) -> None:
    """Proves R6: from 1e12 on no column takes a number; HiGHS reads 1e20 as infinity, so that a demand of 1e25 t becomes
    no demand at all. Ranges of estimates (_low, _high) are held to it as well."""
    columns = [column for name, column in UNBOUNDED if name == table]
    if not columns:
        assert table == "policy_events" or all(column == "year" for name, column in NUMERIC_COLUMNS if name == table)
        return
    good = example(table)
    faults = load_faults(write_table(tmp_path, table, [{**good, column: size} for column in columns]))
    found = {(fault.row, fault.column) for fault in faults}
    assert found >= {(str(line), column) for line, column in enumerate(columns, start=2)}


def test_the_largest_number_that_is_taken() -> None:
    """Proves R6: 999 999 999 999 t of demand is taken, 1e12 t is not; no mineral comes near either."""
    row = {"material": "m", "segment": "civil", "from_year": 2027}
    Dataset.from_tables({"demand": pd.DataFrame([{**row, "demand_t_per_yr": 999_999_999_999.0}])})
    with pytest.raises(InputError):
        Dataset.from_tables({"demand": pd.DataFrame([{**row, "demand_t_per_yr": 1e12}])})


@pytest.mark.parametrize("path", PLAN_NUMBERS, ids=dotted)
def test_no_number_of_a_plan_may_be_huge(path: tuple[Any, ...]) -> None:
    """Proves R6: 1e12 and 1e25 are refused in every numeric field of a plan, with its name. (A seed may be any whole
    number.)"""
    for value in (10**12, 10**25):
        if path[-1] == "seed":
            continue
        faults = plan_faults(put(full_plan(), path, value))
        assert any(dotted(path).startswith(fault.column) for fault in faults)


@pytest.mark.parametrize(
    ("column", "extreme"),
    [("loss_usd_per_t_high", 1e25), ("loss_usd_per_t_high", math.inf), ("loss_usd_per_t_low", -5.0)],
)
def test_ranges_of_estimates_are_as_admissible_as_the_value(column: str, extreme: float) -> None:
    """Proves R6: loss_level = 'high' solves with `loss_usd_per_t_high`; 1e25 there would be an infinite cost."""
    row = {"loss_function": "test", "material": "m", "segment": "*", "loss_usd_per_t": 100.0, column: extreme}
    with pytest.raises(InputError) as error:
        Dataset.from_tables({"loss_functions": pd.DataFrame([row])})
    assert [fault.column for fault in error.value.faults] == [column]


def test_a_share_stays_a_share_over_its_whole_range() -> None:
    """Proves: cut_share_high = 5 would cut five times what a source makes in a sampled scenario, a negative availability."""
    row = {
        "hazard": "h",
        "name": "h",
        "kind": "embargo",
        "countries": "CHN",
        "materials": "*",
        "rate_per_yr": 0.1,
        "duration_yr": 1.0,
        "cut_share": 0.5,
        "cut_share_high": 5.0,
    }
    with pytest.raises(InputError) as error:
        Dataset.from_tables({"hazards": pd.DataFrame([row])})
    assert [fault.column for fault in error.value.faults] == ["cut_share_high"]


@pytest.mark.parametrize(("low", "high", "said"), [(12.0, None, "_low"), (None, 8.0, "_high")])
def test_low_central_and_high_come_in_order(low: float | None, high: float | None, said: str) -> None:
    """Proves: an estimate of 10 with low 12, or high 8, is a slip of columns."""
    row = {
        "price_set": "b",
        "material": "m",
        "from_year": 2027,
        "price_usd_per_kg": 10.0,
        "price_usd_per_kg_low": low,
        "price_usd_per_kg_high": high,
    }
    with pytest.raises(InputError) as error:
        Dataset.from_tables({"prices": pd.DataFrame([row])})
    assert [fault.column for fault in error.value.faults] == [f"price_usd_per_kg{said}"]


# --- R29: misspelt names ------------------------------------------------------------------------------------


def keys(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Path of every key of nested data that the schema names."""
    if isinstance(node, dict):
        for key, value in node.items():
            if path[-1:] not in (("demand_multipliers",), ("cut_shares",)):
                yield (*path, key)
            yield from keys(value, (*path, key))
    elif isinstance(node, list):
        for n, value in enumerate(node):
            yield from keys(value, (*path, n))


def renamed(data: Any, path: tuple[Any, ...], name: str) -> Any:
    """A copy with the key at the end of the path renamed."""
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    head, *rest = path
    if rest:
        copy[head] = renamed(copy[head], tuple(rest), name)
        return copy
    return {name if key == head else key: value for key, value in copy.items()}


MISSPELL: dict[str, Callable[[str], str]] = {
    "doubled": lambda key: key + key[-1],
    "dropped": lambda key: key[:-2] + key[-1],
    "changed": lambda key: key[: len(key) // 2] + "q" + key[len(key) // 2 + 1 :],
}


@pytest.mark.parametrize("path", list(keys(full_plan())), ids=dotted)
def test_a_misspelt_key_of_a_plan_is_refused_with_a_suggestion(path: tuple[Any, ...]) -> None:
    """Proves R29: each key of a plan with one letter doubled, dropped or changed is a fault, with the right key proposed
    for the doubled letter. Ignored, `emergency_musdd = 5` would plan without emergency money."""
    for how, change in MISSPELL.items():
        wrong = change(str(path[-1]))
        faults = plan_faults(renamed(full_plan(), path, wrong))
        mine = [f for f in faults if f.found == f"'{wrong}'"]
        assert len(mine) == 1, f"{how}: {faults}"
        assert mine[0].column == dotted((*path[:-1], wrong))
        assert mine[0].expected.startswith("a known field")
        if how == "doubled":
            assert f"did you mean '{path[-1]}'" in mine[0].expected


@pytest.mark.parametrize("table", TABLES)
def test_a_misspelt_column_is_refused_with_a_suggestion(table: str, tmp_path: Path) -> None:
    """Proves R29: each column of each table with one letter doubled, dropped or changed is a fault at the header line,
    with the right column proposed for the doubled letter."""
    good = example(table)
    for how, change in MISSPELL.items():
        for column in good:
            wrong = change(column)
            record = {wrong if key == column else key: value for key, value in good.items()}
            with pytest.raises(InputError) as error:
                Dataset.from_tables({table: pd.DataFrame([record])})
            mine = [f for f in error.value.faults if f.column == wrong]
            assert len(mine) == 1
            assert mine[0].row == "1"
            if how == "doubled":
                assert f"did you mean '{column}'" in mine[0].expected


def test_a_misspelt_table_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    """Proves R29: `prise.csv` among the tables, or a frame `demands`, is not overlooked."""
    write_table(tmp_path, "prices", [{**example("prices")}])
    (tmp_path / "prices.csv").rename(tmp_path / "prise.csv")
    assert "did you mean 'prices'" in load_faults(tmp_path)[0].expected
    with pytest.raises(InputError, match="did you mean 'demand'"):
        Dataset.from_tables({"demands": pd.DataFrame()})


# --- R30, R32: Norway, Namibia, types -----------------------------------------------------------------------


def countries(*codes: str) -> list[dict[str, str]]:
    return [{"country": code, "name": code, "tier": "ally", **PROVENANCE} for code in codes]


def test_norway_and_namibia_are_countries(tmp_path: Path) -> None:
    """Proves R30, R32: NOR and NAM are read as they stand; NO and NA (two letters) are faults that show 'NO' and 'NA',
    not False and not an empty cell."""
    data = load_dataset(write_table(tmp_path / "three", "countries", countries("NOR", "NAM")))
    assert [row.country for row in data.rows("countries")] == ["NOR", "NAM"]
    faults = load_faults(write_table(tmp_path / "two", "countries", countries("NO", "NA", "NOR")))
    assert [(f.row, f.column, f.found) for f in faults] == [("2", "country", "'NO'"), ("3", "country", "'NA'")]


@pytest.mark.parametrize("home", ["NO", "NA", "nor", "Norway", "", False, 47])
def test_a_home_country_is_three_capital_letters(home: Any) -> None:
    """Proves R30: Norway is NOR; anything else is a fault at `home`."""
    assert parse_plan({**full_plan(), "home": "NOR"}).home == "NOR"
    assert [fault.column for fault in plan_faults({**full_plan(), "home": home})] == ["home"]


NAMES = [
    "NA",
    "N/A",
    "nan",
    "null",
    "None",
    "NULL",
    "",
    "no",
    "true",
    "1",
    "1e3",
    "12:30",
    " padded ",
    "ünïcødé",
    'quo"te',
    "com,ma",
    "new\nline",
]


@pytest.mark.parametrize("name", NAMES)
def test_text_comes_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    """Proves R32: a country named NA, null, 12:30 or with a comma is written as CSV and read back the same; pandas alone
    would turn NA into NaN. (An empty text is an empty cell, which is the same text.)"""
    rows = [{"country": "NAM", "name": name, "tier": "ally", "source": name, "note": name}]
    data = Dataset.from_tables({"countries": pd.DataFrame(rows)})
    write_dataset(data, tmp_path)
    if name == "":
        with pytest.raises(InputError, match="an empty cell"):
            load_dataset(tmp_path)
        return
    assert load_dataset(tmp_path).rows("countries") == data.rows("countries")


@pytest.mark.parametrize(
    "name", ["=1+1", "@x", "-2+3", "+4", "\tx", "\rx", '=HYPERLINK("http://x")', "'=1", "'plain", "''=1"]
)
def test_formulas_are_text_in_files_and_themselves_again_after_reading(name: str, tmp_path: Path) -> None:
    """Proves R33: no cell of a written table starts like a formula, and reading gives the name back, also one that had
    an apostrophe of its own."""
    rows = [{"country": "NAM", "name": name, "tier": "ally", "note": name}]
    data = Dataset.from_tables({"countries": pd.DataFrame(rows)})
    write_dataset(data, tmp_path)
    cells = pd.read_csv(tmp_path / "countries.csv", dtype=str, keep_default_na=False)
    assert len(cells) == 1
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells.iloc[0])
    assert load_dataset(tmp_path).rows("countries") == data.rows("countries")


def test_negative_numbers_are_no_formulas(tmp_path: Path) -> None:
    """Proves R33: the guard is for text; a yield of -0.4 stays a number in the file."""
    rows = [{"producer": "p", "material": "m", "yield_t_per_t": -0.4}]
    data = Dataset.from_tables({"yields": pd.DataFrame(rows)})
    write_dataset(data, tmp_path)
    assert "p,m,-0.4," in (tmp_path / "yields.csv").read_text(encoding="utf-8")
    assert load_dataset(tmp_path).rows("yields") == data.rows("yields")


@pytest.mark.parametrize("table", TABLES)
def test_every_shipped_table_comes_back_as_it_was_written(table: str, tmp_path: Path) -> None:
    """Proves R32, R33: writing and reading changes no row of any table, dates, booleans and empty cells included."""
    data = shipped_tables()
    only = Dataset({table: data.rows(table)})
    write_dataset(only, tmp_path)
    again = load_dataset(tmp_path)
    assert again.rows(table) == data.rows(table)
    assert again.hashes()[table] == data.hashes()[table]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"\nname = "y"\n', "line 2"),
        ("[horizon]\nyears = 1\nyears = 2\n", "line 3"),
        ("[horizon]\nyears = 1\n[horizon]\n", "line 3"),
        ("a = \n", "line 1"),
        ("a = 01\n", "line 1"),
        ("\x00", "line 1"),
    ],
)
def test_a_key_given_twice_is_an_error_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    """Proves R30: TOML that gives a key twice (YAML would keep the last), or is no TOML, is refused with the line."""
    file = tmp_path / "plan.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as error:
        load_plan(file)
    assert said == f"line {error.value.faults[0].row}"
    assert error.value.faults[0].file == "plan.toml"


WRONG_TYPES = [
    (("price_year",), "2026"),
    (("price_year",), 2026.5),
    (("price_year",), True),
    (("discount_rate",), "0.03"),
    (("discount_rate",), False),
    (("residual",), True),
    (("price_gain",), "no"),
    (("price_gain",), 1),
    (("name",), 5),
    (("name",), ["x"]),
    (("materials",), "magnet"),
    (("materials",), []),
    (("materials",), [7]),
    (("horizon",), 5),
    (("horizon", "years"), "five"),
    (("horizon", "years"), True),
    (("horizon", "period_months"), 7),
    (("budget", "appropriation_musd"), "60"),
    (("budget", "appropriation_musd"), [60]),
    (("budget", "revolving"), "false"),
    (("scenarios",), {"name": "x"}),
    (("scenarios", 0, "events"), []),
    (("scenarios", 0, "events", 0, "start_year"), "2028"),
    (("instruments", "signing_years"), 2027),
    (("instruments", "signing_years"), ["2027.5"]),
    (("sample", "seed"), 1.5),
    (("service_levels", 0, "penalty_usd_per_kg"), "5 USD"),
    (("days_of_cover", 0, "from_year"), "soon"),
]


@pytest.mark.parametrize(("path", "value"), WRONG_TYPES, ids=lambda part: repr(part)[:40])
def test_a_value_of_another_type_is_an_error_with_its_place(path: tuple[Any, ...], value: Any) -> None:
    """Proves R30: TOML is typed. Text for a number, a number for a choice, `price_gain = "no"` are faults at the field,
    not converted: `years = true` is no plan for one year."""
    faults = plan_faults(put(full_plan(), path, value))
    assert all(fault.column.startswith(dotted(path)) or dotted(path).startswith(fault.column) for fault in faults)


def test_years_of_a_series_are_text_in_toml_and_years_in_a_plan(tmp_path: Path) -> None:
    """Proves: keys of a TOML table are text; `[budget.appropriation_musd] 2027 = 5` is the series {2027: 5}; a key that
    is no year is a fault."""
    plan = parse_plan(put(full_plan(), ("budget", "appropriation_musd"), {"2027": 5, "2029": 7}))
    assert plan.budget.appropriation_musd == {2027: 5.0, 2029: 7.0}
    assert plan_faults(put(full_plan(), ("budget", "appropriation_musd"), {"first": 5}))


# --- R31: bombs ---------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("name", list(bombs()))
def test_a_bomb_is_refused_at_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves R31: a plan of 50 MB, 100 000 nested brackets, 20 000 dots in a key, 200 000 unknown keys: a PlanError
    without a gigabyte, never a RecursionError. What takes long, looking for names that were meant, is done for few."""
    looked = Counter[str]()
    monkeypatch.setattr(names, "get_close_matches", lambda word, *_, **__: looked.update([word]) or [])
    file = tmp_path / "plan.toml"
    file.write_text(bombs()[name], encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PlanError) as error:
        load_plan(file)
    str(error.value)
    assert looked.total() <= 200
    assert len(error.value.faults) <= 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_a_table_of_sixty_megabytes_is_refused_unread(tmp_path: Path) -> None:
    """Proves R31: the size is looked at before the file is read; a file with holes seems larger than any memory."""
    for size in (60_000_000, 10**12):
        with (tmp_path / "prices.csv").open("wb") as file:
            file.truncate(size)
        assert "at most" in load_faults(tmp_path)[0].expected


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00", b'a,b\n"1,2\n', b"a,b\n1,2,3\n", b"\x00\x01\x02"])
def test_a_file_that_is_no_table_is_a_fault(content: bytes, tmp_path: Path) -> None:
    """Proves: empty, binary, unclosed or ragged files are faults of that file, not tracebacks."""
    (tmp_path / "prices.csv").write_bytes(content)
    assert {fault.file for fault in load_faults(tmp_path)} == {"prices.csv"}


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


# --- values that cannot be meant ----------------------------------------------------------------------------


def magnets(**more: Any) -> tuple[Plan, Dataset]:
    """Magnets from home and China, a project and offers: right as it stands."""
    return tiny(
        {"oxide": 60.0, "magnet": 100.0},
        materials={"magnet": {"haircut_share": 0.1}},
        sources={
            "home": source("USA", {"magnet": 1.0, "oxide": -0.4}, 2.0),
            "mine": source("AUS", "oxide", 3.0, kappa=0.5),
            "china": source("CHN", "magnet", 3.0),
        },
        demand={"magnet": 4.0},
        offers={"outside": offer("magnet", 1.0)},
        projects={"plant": project("magnet", 1.0, capex_musd=10.0)},
        packages={"grant": {"instrument": "grant"}},
        states=[(0.5, 0.5), (1.5, 0.5)],
        scenarios=[cut("stop", 0.1, 2028.0, 1.0)],
        **more,
    )


def change(table: str, row: int, **cells: Any) -> Callable[[dict[str, pd.DataFrame]], None]:
    """Put values into a row of a table."""

    def apply(frames: dict[str, pd.DataFrame]) -> None:
        frame = frames[table].astype(object)
        for column, value in cells.items():
            frame.loc[row, column] = value
        frames[table] = frame

    return apply


def append(table: str, **cells: Any) -> Callable[[dict[str, pd.DataFrame]], None]:
    """Add a row to a table."""

    def apply(frames: dict[str, pd.DataFrame]) -> None:
        frames[table] = pd.concat(
            [frames[table].astype(object), pd.DataFrame([cells]).astype(object)], ignore_index=True
        )

    return apply


def table_faults(
    *changes: Callable[[dict[str, pd.DataFrame]], None], plan: dict[str, Any] | None = None
) -> list[Fault]:
    """Faults of the magnet problem after changes, whether rows, references or meaning are wrong."""
    question, data = magnets()
    if plan:
        question = parse_plan({**question.to_toml_like(), **plan})
    frames = {name: data.frame(name) for name in data.tables}
    for apply in changes:
        apply(frames)
    try:
        return list(check(question, Dataset.from_tables(frames)).faults)
    except FaultsError as error:
        return list(error.faults)


def test_the_problem_that_is_broken_below_is_right() -> None:
    """Proves: without a change there is no fault, and there is a plan."""
    assert table_faults() == []
    assert solve(*magnets(), quick=True).outcome.objective_musd is not None


HOME = {"material": "magnet", "segment": "civil", "from_year": 2030}
WRONG = {
    "negative tonnes": (
        change("demand", 0, demand_t_per_yr=-1.0),
        "demand",
        "demand_t_per_yr",
        "at least 0",
    ),
    "negative capacity": (
        change("capacities", 0, capacity_t_per_yr=-1.0),
        "capacities",
        "capacity_t_per_yr",
        "at least 0",
    ),
    "a price of nothing": (change("prices", 0, price_usd_per_kg=0.0), "prices", "price_usd_per_kg", "more than 0"),
    "a share above one": (change("activities", 1, kappa=1.2), "activities", "kappa", "at most 1"),
    "a percentage for a share": (change("materials", 0, haircut_share=10), "materials", "haircut_share", "less than 1"),
    "an unknown tier": (change("countries", 1, tier="friend"), "countries", "tier", "'ally'"),
    "a unit in a number": (
        change("prices", 0, price_usd_per_kg="60 USD"),
        "prices",
        "price_usd_per_kg",
        "a plain number",
    ),
    "a comma for a point": (
        change("prices", 0, price_usd_per_kg="60,5"),
        "prices",
        "price_usd_per_kg",
        "a plain number",
    ),
    "half a year": (change("prices", 0, from_year=2027.5), "prices", "from_year", "an integer"),
    "an empty cell": (change("yields", 0, yield_t_per_t=None), "yields", "yield_t_per_t", "a value"),
    "a key used twice": (
        append("demand", **HOME | {"from_year": 2027}, demand_t_per_yr=9.0),
        "demand",
        "material, segment, from_year",
        "line 2",
    ),
    "an unknown country": (change("activities", 0, country="XXX"), "activities", "country", "countries.csv"),
    "an unknown material": (change("yields", 0, material="magnets"), "yields", "material", "did you mean 'magnet'"),
    "an unknown producer": (
        append("yields", producer="hom", material="oxide", yield_t_per_t=1.0),
        "yields",
        "producer",
        "did you mean 'home'",
    ),
    "an unknown source": (
        change("offers", 0, source_producer="outsid"),
        "offers",
        "source_producer",
        "did you mean 'outside'",
    ),
    "an unknown instrument": (
        change("packages", 0, instrument="gran"),
        "packages",
        "instrument",
        "did you mean 'grant'",
    ),
    "an unknown activity": (
        append("capacities", activity="chin", from_year=2027, capacity_t_per_yr=1.0),
        "capacities",
        "activity",
        "'china'",
    ),
    "an unknown project": (change("projects", 0, needs="plan"), "projects", "needs", "did you mean 'plant'"),
    "a name for two producers": (
        append("yields", producer="home", material="nothing", yield_t_per_t=1.0),
        "yields",
        "material",
        "materials.csv",
    ),
    "tiers that do not cover demand": (change("tiers", 0, share=0.9), "tiers", "share", "at least 1"),
    "a tier that hurts less": (
        append("tiers", material="*", segment="civil", tier=2, share=0.5, loss_multiplier=0.5),
        "tiers",
        "loss_multiplier",
        "at least 1",
    ),
    "price states of another mean": (change("price_states", 0, factor=0.6), "price_states", "factor", "mean of 1"),
    "price states that do not add up": (
        change("price_states", 0, probability=0.4),
        "price_states",
        "probability",
        "add to 1",
    ),
    "a discount beyond the haircut": (
        change("activities", 0, premium_share=-0.11),
        "activities",
        "premium_share",
        "risk-free profit",
    ),
    "an offer cheaper than a sale": (
        change("offers", 0, premium_share=-0.11),
        "offers",
        "premium_share",
        "risk-free profit",
    ),
    "salvage below a sale": (
        change("materials", 1, salvage_share=0.8),
        "materials",
        "salvage_share",
        "1 - haircut_share",
    ),
    "an outside offer without availability": (
        change("offers", 0, crisis_availability=None),
        "offers",
        "crisis_availability",
        "mandatory",
    ),
    "an offer of what its source does not make": (
        change("offers", 0, source_producer="mine"),
        "offers",
        "material",
        "an output of mine",
    ),
    "an activity without capacity": (
        append("activities", activity="new", name="n", country="USA", stage="x"),
        "activities",
        "activity",
        "capacities.csv",
    ),
    "half a floor": (change("packages", 0, floor_material="magnet"), "packages", "floor_material", "all or none"),
    "a loan without a term": (
        append("instruments", instrument="loan", kind="loan", score=0.1, max_share_of_capex=0.5),
        "instruments",
        "tenor_yr",
        "years",
    ),
    "a material without a price": (
        append(
            "materials",
            material="new",
            name="n",
            mineral="n",
            stage="oxide",
            basis="t",
            haircut_share=0.1,
            holding_share_per_yr=0.0,
        ),
        "prices",
        "price_usd_per_kg",
        "a price in set",
    ),
    "demand without a loss": (
        append("demand", material="oxide", segment="defence", from_year=2027, demand_t_per_yr=1.0),
        "tiers",
        "share",
        "tiers for the segment",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_value_that_cannot_be_meant_is_named(what: str) -> None:
    """Proves: the fault names the table, the column, and what was expected there."""
    apply, table, column, expected = WRONG[what]
    faults = table_faults(apply)
    hits = [f for f in faults if f.file.removesuffix(".csv") == table and f.column == column]
    assert hits, faults
    assert any(expected in f.expected for f in hits), hits


@pytest.mark.parametrize(
    ("text", "right"), [("2025-02-30", False), ("2025-13-01", False), ("yesterday", False), ("2025-02-28", True)]
)
def test_a_date_that_does_not_exist_is_refused(text: str, right: bool, tmp_path: Path) -> None:
    """Proves: 30 February is a fault of its cell; 28 February is a date."""
    record = {**example("policy_events"), "announced": text, "effective": "", "end_or_review": ""}
    folder = write_table(tmp_path, "policy_events", [record])
    if right:
        assert load_dataset(folder).rows("policy_events")[0].announced.isoformat() == text
    else:
        assert [(f.row, f.column, f.found) for f in load_faults(folder)] == [("2", "announced", f"'{text}'")]


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"announced": "2025-04-04", "effective": "2025-04-03", "end_or_review": None}, "effective"),
        ({"announced": "2025-04-04", "effective": "2025-04-04", "end_or_review": "2025-04-03"}, "end_or_review"),
    ],
)
def test_a_measure_does_not_end_before_it_begins(cells: dict[str, Any], column: str) -> None:
    """Proves: a measure in force before it was announced, or over before it began, is a slip of columns."""
    plan, data = magnets()
    event = {
        "event": "e",
        "country": "CHN",
        "target": "USA",
        "instrument": "licence",
        "minerals": "Dy",
        "status": "in force",
        "took_effect": True,
        "severity": "high",
        **cells,
    }
    faults = check(plan, data.replace(policy_events=pd.DataFrame([event]))).faults
    assert [(f.file, f.column) for f in faults] == [("policy_events.csv", column)]


EVENT = {"start_year": 2028.0, "duration_years": 1.0, "countries": "CHN", "materials": "magnet", "cut_share": 1.0}


def scenario(**event: Any) -> dict[str, Any]:
    return {"scenarios": [{"name": "w", "probability": 0.1, "events": [{**EVENT, **event}]}]}


@pytest.mark.parametrize(
    ("plan", "column", "expected"),
    [
        (scenario(start_year=2027.0), "scenarios.0.events.0.start_year", "second period"),
        (scenario(start_year=2030.0), "scenarios.0.events.0.start_year", "to the end of the tail"),
        (scenario(countries="CHN XXX"), "scenarios.0.events.0.countries", "ISO3"),
        (scenario(materials="magnets"), "scenarios.0.events.0.materials", "did you mean 'magnet'"),
        (scenario(hazard="stopp"), "scenarios.0.events.0.hazard", "a hazard"),
        (scenario(demand_multipliers={"civl": 2.0}), "scenarios.0.events.0.demand_multipliers", "did you mean 'civil'"),
        ({"price_set": "bas"}, "price_set", "did you mean 'base'"),
        ({"loss_function": "tests"}, "loss_function", "did you mean 'test'"),
        ({"materials": ["magnet", "oxid"]}, "materials.1", "did you mean 'oxide'"),
        ({"home": "USB"}, "home", "a country"),
        ({"instruments": {"project_list": ["plnt"]}}, "instruments.project_list.0", "did you mean 'plant'"),
        ({"instruments": {"packages": ["grants"]}}, "instruments.packages.0", "did you mean 'grant'"),
        (
            {"days_of_cover": [{"material": "m", "days": 1, "from_year": 2027}]},
            "days_of_cover.0.material",
            "a material",
        ),
        ({"sample": {"scenarios": 1, "seed": 1, "hazards": ["war"]}}, "sample.hazards.0", "a hazard"),
        (
            {"controls": [{"name": "c", "countries": "XXX", "materials": "*", "cut_share": 0.1, "until_year": 2028}]},
            "controls.0.countries",
            "ISO3",
        ),
        (
            {
                "service_levels": [{"material": "magnet", "segment": "defence", "level": 0.5, "scenarios": ["b"]}],
                "scenarios": [{"name": "b", "probability": 0.1, "design_basis": True, "events": [EVENT]}],
            },
            "service_levels.0",
            "demand.csv",
        ),
    ],
)
def test_a_plan_that_asks_for_what_the_tables_do_not_have_is_refused(
    plan: dict[str, Any], column: str, expected: str
) -> None:
    """Proves: unknown names and dates outside the horizon are faults of the plan at their place, in `check` and in
    `solve` alike; nothing is solved without them."""
    faults = table_faults(plan=plan)
    assert [fault.column for fault in faults] == [column]
    assert expected in faults[0].expected
    question, data = magnets()
    with pytest.raises(PlanError) as error:
        solve(parse_plan({**question.to_toml_like(), **plan}), data, quick=True)
    assert [fault.column for fault in error.value.faults] == [column]


@pytest.mark.parametrize(
    ("change_", "expected"),
    [
        (
            {
                "scenarios": [
                    {"name": "a", "probability": 0.6, "events": [EVENT]},
                    {"name": "b", "probability": 0.5, "events": [EVENT]},
                ]
            },
            "at most 1",
        ),
        (
            {"scenarios": [{"name": "a", "probability": 0.1, "events": [EVENT]}] * 2},
            "a unique name",
        ),
        (
            {
                "scenarios": [{"name": "sample-1", "probability": 0.1, "events": [EVENT]}],
                "sample": {"scenarios": 2, "seed": 1},
            },
            "sampled scenarios are called",
        ),
        (
            {"scenarios": [{"name": "a", "probability": 0.1, "events": [{"start_year": 2028.0}]}]},
            "needs duration_years",
        ),
        (
            {"service_levels": [{"material": "m", "segment": "s", "level": 0.5, "scenarios": ["stp"]}]},
            "did you mean 'stop'",
        ),
        (
            {"service_levels": [{"material": "m", "segment": "s", "level": 0.5, "scenarios": ["stop"]}]},
            "design_basis = true",
        ),
        ({"instruments": {"signing_years": [2026]}}, "years of the horizon, 2027-2029"),
        (
            {
                "instruments": {
                    "price_floors": [{"material": "m", "kind": "border", "levels_usd_per_kg": [1], "term_years": 1}]
                }
            },
            "market-wide",
        ),
        (
            {
                "diversification": [
                    {"material": "m", "kind": "country_cap", "share": 0.5, "from_year": 2027, "hard": True}
                ]
            },
            "country must be given",
        ),
        (
            {
                "diversification": [
                    {"material": "m", "kind": "country_cap", "country": "CHN", "share": 0.5, "from_year": 2027}
                ]
            },
            "either penalty_usd_per_kg",
        ),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(change_: dict[str, Any], expected: str) -> None:
    """Proves: probabilities above one, a promise in an unlisted or ordinary scenario, an event without what it needs."""
    question, _ = magnets()
    faults = plan_faults({**question.to_toml_like(), **change_})
    assert len(faults) == 1
    assert expected in faults[0].expected


# --- all at once --------------------------------------------------------------------------------------------


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    """Proves: three faults in one table and one each in two others are five faults in one error, in place: a planner
    corrects a file once, not five times."""
    price = example("prices")
    wrong = [{**price, "price_usd_per_kg": "-1"}, price, {**price, "from_year": "soon"}, {**price, "material": "a b"}]
    write_table(tmp_path, "prices", wrong)
    write_table(tmp_path, "yields", [{**example("yields"), "yield_t_per_t": ""}])
    write_table(tmp_path, "countries", [{**example("countries"), "tier": "friend"}])
    places = {(f.file, f.row, f.column) for f in load_faults(tmp_path)}
    assert places == {
        ("prices.csv", "2", "price_usd_per_kg"),
        ("prices.csv", "4", "from_year"),
        ("prices.csv", "5", "material"),
        ("yields.csv", "2", "yield_t_per_t"),
        ("countries.csv", "2", "tier"),
    }


def test_all_faults_of_a_plan_come_at_once() -> None:
    """Proves: a misspelt key, a negative budget, an unknown choice and a missing field are four faults in one error."""
    data = full_plan()
    data["horizon"]["yeers"] = 3
    data["budget"]["total_musd"] = -1
    data["loss_level"] = "medium"
    del data["price_set"]
    found = {fault.column for fault in plan_faults(data)}
    assert found == {"horizon.yeers", "budget.total_musd", "loss_level", "price_set"}


def test_all_unknown_names_come_at_once() -> None:
    """Proves: references across tables and plan are collected, not reported one a run."""
    faults = table_faults(
        WRONG["an unknown material"][0],
        WRONG["an unknown source"][0],
        WRONG["an unknown country"][0],
        plan={"loss_function": "tests"},
    )
    assert {(f.file, f.column) for f in faults} == {
        ("yields.csv", "material"),
        ("offers.csv", "source_producer"),
        ("activities.csv", "country"),
        ("plan", "loss_function"),
    }


def test_columns_of_provenance_belong_to_every_file(tmp_path: Path) -> None:
    """Proves: a file without source, year and confidence is three faults at its header: facts have sources."""
    record = {key: value for key, value in example("prices").items() if key not in ("source", "year", "confidence")}
    faults = load_faults(write_table(tmp_path, "prices", [record]))
    assert [(f.row, f.column) for f in faults] == [("1", "source"), ("1", "year"), ("1", "confidence")]


def test_a_unit_slip_shows_in_the_ranges() -> None:
    """Proves: a price of 100 USD/kg typed as 100 000 USD/t is legal and sticks out: the largest price is 1000 times
    the median of the table."""
    plan, data = magnets()
    prices = data.frame("prices")
    prices.loc[1, "price_usd_per_kg"] *= 1000
    extra = prices.head(1).assign(from_year=2028)
    slipped = data.replace(prices=pd.concat([prices, extra], ignore_index=True))
    table = check(plan, slipped).ranges.set_index(["table", "column"])
    row = table.loc[("prices", "price_usd_per_kg")]
    assert (row.smallest, row["median"], row.largest) == (60.0, 60.0, 100_000.0)


@pytest.mark.parametrize(
    ("table", "column", "key", "slip"),
    [
        ("prices", "price_usd_per_kg", "material", 1e3),
        ("activities", "cash_usd_per_kg", "activity", 1e3),
        ("demand", "demand_t_per_yr", "material", 1e3),
        ("offers", "depth_t_per_yr", "offer", 1e4),
        ("projects", "capex_musd", "project", 1e3),
    ],
)
def test_a_figure_in_another_unit_is_doubted(table: str, column: str, key: str, slip: float) -> None:
    """Proves: a price in USD/t, tonnes in kg, a capex in thousands of USD are each one fault, in their row: a thousand times
    their size. A price is doubted against the set that the plan uses; an offer against its market, a part of which it is.
    """
    data = load_dataset(shipped("inputs"))
    plan = load_plan(shipped("models") / "rare-earths.toml")
    frame = data.frame(table)
    mine = frame[frame["price_set"] != plan.price_set] if table == "prices" else frame
    row = mine[column].idxmax()
    frame.loc[row, [name for name in frame if name.startswith(column)]] *= slip
    faults = check_data(plan, data.replace(**{table: frame}))
    assert [fault.column for fault in faults] == [column]
    assert frame.loc[row, key] in faults[0].row


def test_a_fault_reads_as_a_sentence() -> None:
    """Proves: file, line, column, found, expected in one line; the error counts them."""
    with pytest.raises(InputError) as error:
        Dataset.from_tables(
            {"prices": pd.DataFrame([{"price_set": "b", "material": "m", "from_year": 2027, "price_usd_per_kg": -1.0}])}
        )
    head, line = str(error.value).splitlines()
    assert head == "1 fault"
    assert re.fullmatch(r"\s+prices:2  price_usd_per_kg  found -1\.0; expected more than 0", line)
