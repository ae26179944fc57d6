"""A wrong plan or table is refused at the edge: every fault at once, each with its place, what was found and what was expected."""

from __future__ import annotations

import math
import re
import tomllib
import typing
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel

from strategic_minerals import Dataset, Fault, InputError, Plan, PlanError, check, load_dataset, shipped, solve
from strategic_minerals.core.errors import FaultsError, near_miss
from strategic_minerals.question.read_csv import write_dataset
from strategic_minerals.question.read_toml import parse_plan
from strategic_minerals.question.tables import TABLES
from support.tiny import cut, offer, project, source, tiny

PROVENANCE = {"source": "test", "year": "2024", "confidence": "estimate", "note": ""}


# --- plans and rows that are right --------------------------------------------------------------------------


def full_plan() -> dict[str, Any]:
    """A valid plan in which every section and every optional field is present."""
    return tomllib.loads((Path(__file__).parent / "full_plan.toml").read_text(encoding="utf-8"))


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


PLAN_NUMBERS = [
    path for path, value in leaves(full_plan()) if isinstance(value, int | float) and not isinstance(value, bool)
]


def plan_faults(data: dict[str, Any]) -> tuple[Fault, ...]:
    """Faults of a plan; none where it is right."""
    try:
        parse_plan(data)
    except PlanError as error:
        return error.faults
    return ()


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
    **dict.fromkeys(("material", "floor_material"), "gallium"),
    **dict.fromkeys(("project", "commitment", "item", "producer", "hazard"), "x"),
    **dict.fromkeys(("floor_kind", "kind"), "contract"),
    **dict.fromkeys(("signed_year", "fiscal_year", "from_year", "until_year", "floor_from_year"), "2028"),
    "segment": "*",
    "year": "2026",
    "confidence": "estimate",
    "floor_until_year": "2030",
    "money_year": "2024",
    "payment": "fee",
    "from_country": "AUS",
}


def numeric(annotation: Any) -> bool:
    """Whether a field holds a number (an optional, annotated one too)."""
    if annotation in (int, float):
        return True
    return any(numeric(part) for part in typing.get_args(annotation))


def write_table(folder: Path, table: str, records: list[dict[str, str]]) -> Path:
    """A CSV file of text cells."""
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(records).to_csv(folder / f"{table}.csv", index=False)
    return folder


def load_faults(folder: Path) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as error:
        load_dataset(folder)
    return error.value.faults


# --- numbers ------------------------------------------------------------------------------------------------


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


def test_a_missing_number_in_a_data_frame_is_an_empty_cell() -> None:
    """Proves R28: NaN in a required column of a frame is reported as an empty cell of that line, not solved with."""
    prices = pd.DataFrame([{**PRICE, "material": "a"}, {**PRICE, "price_usd_per_kg": math.nan}])
    with pytest.raises(InputError) as error:
        Dataset.from_tables({"prices": prices})
    assert [(f.row, f.column, f.found) for f in error.value.faults] == [("3", "price_usd_per_kg", "an empty cell")]


def test_the_largest_number_that_is_taken() -> None:
    """Proves R6: 999 999 999 999 t of demand is taken; no mineral comes near it."""
    row = {"material": "m", "segment": "civil", "from_year": 2027, "demand_t_per_yr": 999_999_999_999.0}
    Dataset.from_tables({"demand": pd.DataFrame([row])})


LOSS = {"loss_function": "test", "material": "m", "segment": "*", "loss_usd_per_t": 100.0}
PRICE = {"price_set": "b", "material": "m", "from_year": 2027, "price_usd_per_kg": 10.0}
HAZARD = {"hazard": "h", "name": "h", "kind": "embargo", "countries": "CHN", "materials": "*", "rate_per_yr": 0.1}


def test_ends_of_a_range_are_as_admissible_as_the_value_and_in_order() -> None:
    """Proves R6: loss_level = 'high' solves with `loss_usd_per_t_high`; cut_share_high = 5 would cut five times what a source
    makes; an estimate of 10 with low 12, or high 8, is a slip of columns."""
    for table, row, column, bound in (
        ("loss_functions", LOSS, "loss_usd_per_t_high", 1e25),
        ("loss_functions", LOSS, "loss_usd_per_t_low", -5.0),
        ("hazards", HAZARD | {"duration_yr": 1.0, "cut_share": 0.5}, "cut_share_high", 5.0),
        ("prices", PRICE, "price_usd_per_kg_low", 12.0),
        ("prices", PRICE, "price_usd_per_kg_high", 8.0),
    ):
        with pytest.raises(InputError) as error:
            Dataset.from_tables({table: pd.DataFrame([{**row, column: bound}])})
        assert [fault.column for fault in error.value.faults] == [column]


# --- misspelt names (R29) -----------------------------------------------------------------------------------


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


def test_a_misspelt_key_of_a_plan_is_refused_with_a_suggestion() -> None:
    """Proves R29: each key of a plan with one letter doubled, dropped or changed is a fault, with the right key proposed
    for the doubled letter. Ignored, `emergency_musdd = 5` would plan without emergency money."""
    missed = []
    for path in keys(full_plan()):
        for how, change in MISSPELL.items():
            wrong = change(str(path[-1]))
            mine = [f for f in plan_faults(renamed(full_plan(), path, wrong)) if f.found == f"'{wrong}'"]
            near = f" (did you mean '{path[-1]}'?)" if how == "doubled" else ""
            if [f.column for f in mine] != [dotted((*path[:-1], wrong))] or near not in mine[0].expected:
                missed.append((dotted(path), how, mine))
    assert missed == []


def test_a_misspelt_column_is_refused_with_a_suggestion() -> None:
    """Proves R29: each column of each table with one letter doubled, dropped or changed is a fault at the header line,
    with the right column proposed for the doubled letter; a unit that is another one too."""
    missed = []
    cases = [
        (table, column, how, change(column))
        for table in TABLES
        for column in example(table)
        for how, change in MISSPELL.items()
    ]
    cases.append(("prices", "price_usd_per_kg", "doubled", "price_usd_per_t"))
    for table, column, how, wrong in cases:
        record = {wrong if key == column else key: value for key, value in example(table).items()}
        with pytest.raises(InputError) as error:
            Dataset.from_tables({table: pd.DataFrame([record])})
        mine = [f for f in error.value.faults if f.column == wrong]
        near = f"did you mean '{column}'" if how == "doubled" else ""
        if [f.row for f in mine] != ["1"] or near not in mine[0].expected:
            missed.append((table, column, how, mine))
    assert missed == []


def test_a_misspelt_table_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    """Proves R29: `prise.csv` among the tables, or a frame `demands`, is not overlooked."""
    write_table(tmp_path, "prices", [{**example("prices")}])
    (tmp_path / "prices.csv").rename(tmp_path / "prise.csv")
    assert "did you mean 'prices'" in load_faults(tmp_path)[0].expected
    with pytest.raises(InputError, match="did you mean 'demand'"):
        Dataset.from_tables({"demands": pd.DataFrame()})


WORDS = [
    ("defense", ["defence", "other"], "'defence'"),
    ("China", ["CHL", "CHN", "CAN"], "'CHN'"),
    ("South Korea", ["KOR", "PRK"], "'KOR'"),
    ("UK", ["UKR", "GBR"], "'GBR'"),
    ("aluminum", ["aluminium", "alumina"], "'aluminium'"),
    ("licence stop", ["license_stop"], "'license_stop'"),
    ("price", list(TABLES), "'prices'"),
    ("country", list(TABLES), "'countries'"),
    ("xyzzy", ["defence", "other"], ""),
    ("FRA", ["CHN", "USA"], ""),
    ("EU", ["ECU", "PER", "RUS"], ""),
]


def test_a_near_miss_is_a_name_spelled_alike_or_the_code_of_a_country() -> None:
    """Proves: spellings of two countries, capitals and spaces, plurals, names of countries; no code is a slip of another."""
    found = [(word, near_miss(word, known)) for word, known, _ in WORDS]
    assert found == [(word, f" (did you mean {near}?)" if near else "") for word, _, near in WORDS]


# --- text and types (R30, R32, R33) -------------------------------------------------------------------------


def test_norway_and_namibia_are_countries(tmp_path: Path) -> None:
    """Proves R30, R32: NOR and NAM are read as they stand; NO and NA (two letters) are faults that show 'NO' and 'NA',
    not False and not an empty cell; a home is three capital letters too."""
    codes = [{"country": code, "name": code, "tier": "ally", **PROVENANCE} for code in ("NOR", "NAM", "NO", "NA")]
    data = load_dataset(write_table(tmp_path / "three", "countries", codes[:2]))
    assert [row.country for row in data.rows("countries")] == ["NOR", "NAM"]
    faults = load_faults(write_table(tmp_path / "two", "countries", codes))
    assert [(f.row, f.column, f.found) for f in faults] == [("4", "country", "'NO'"), ("5", "country", "'NA'")]
    for home in ("NO", "NA", "nor", "Norway", "", False, 47):
        assert [fault.column for fault in plan_faults({**full_plan(), "home": home})] == ["home"], home
    assert "'JPN'" in plan_faults({**full_plan(), "home": "Japan"})[0].expected


TEXTS = ["NA", "N/A", "nan", "null", "None", "NULL", "no", "true", "1", "1e3", "12:30", " padded ", "ünïcødé", 'quo"te']
TEXTS += [
    "com,ma",
    "new\nline",
    "=1+1",
    "@x",
    "-2+3",
    "+4",
    "\tx",
    "\rx",
    '=HYPERLINK("http://x")',
    "'=1",
    "'plain",
    "''=1",
]


def test_text_comes_back_as_it_was_written_and_no_formula_is_written(tmp_path: Path) -> None:
    """Proves R32, R33: a country named NA, null, 12:30 or with a comma is written as CSV and read back the same, and so is text
    that a spreadsheet would run, although no cell of the file starts like a formula. (An empty text is an empty cell.)"""
    for text in TEXTS:
        row = {"country": "NAM", "name": text, "tier": "ally", "source": text, "note": text}
        data = Dataset.from_tables({"countries": pd.DataFrame([row])})
        write_dataset(data, tmp_path)
        cells = pd.read_csv(tmp_path / "countries.csv", dtype=str, keep_default_na=False)
        assert not any(str(cell).startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells.iloc[0])
        assert load_dataset(tmp_path).rows("countries") == data.rows("countries"), text


def test_every_shipped_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Proves R32, R33: writing and reading changes no row of any table, dates, booleans and empty cells included; the guard is for
    text, and a yield of -0.4 stays a number in the file."""
    data = shipped_tables()
    write_dataset(data, tmp_path)
    again = load_dataset(tmp_path)
    assert again.hashes() == data.hashes()
    assert all(again.rows(table) == data.rows(table) for table in data.tables)
    assert ",-" in (tmp_path / "yields.csv").read_text(encoding="utf-8")


def test_years_of_a_series_are_text_in_toml_and_years_in_a_plan() -> None:
    """Proves: keys of a TOML table are text; `[budget.appropriation_musd] 2027 = 5` is the series {2027: 5}; a key that is no
    year is a fault."""
    plan = parse_plan(put(full_plan(), ("budget", "appropriation_musd"), {"2027": 5, "2029": 7}))
    assert plan.budget.appropriation_musd == {2027: 5.0, 2029: 7.0}
    assert plan_faults(put(full_plan(), ("budget", "appropriation_musd"), {"first": 5}))


# --- values that cannot be meant ----------------------------------------------------------------------------


def magnets() -> tuple[Plan, Dataset]:
    """Magnets from home and China, a project and offers: right before they are broken."""
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
    )


Change = Callable[[dict[str, pd.DataFrame]], None]


def change(table: str, row: int, **cells: Any) -> Change:
    """Put values into a row of a table."""

    def apply(frames: dict[str, pd.DataFrame]) -> None:
        frames[table] = frames[table].astype(object)
        for column, value in cells.items():
            frames[table].loc[row, column] = value

    return apply


def append(table: str, **cells: Any) -> Change:
    """Add a row to a table."""

    def apply(frames: dict[str, pd.DataFrame]) -> None:
        rows = [frames[table].astype(object), pd.DataFrame([cells]).astype(object)]
        frames[table] = pd.concat(rows, ignore_index=True)

    return apply


def table_faults(*changes: Change, plan: dict[str, Any] | None = None) -> list[Fault]:
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


NEW = {"material": "new", "name": "n", "mineral": "n", "stage": "oxide", "basis": "t", "haircut_share": 0.1}
LATE = {"material": "magnet", "segment": "civil", "from_year": 2027, "demand_t_per_yr": 9.0}
OXIDE = {"material": "oxide", "segment": "defence", "from_year": 2027, "demand_t_per_yr": 1.0}
LOAN = {"instrument": "loan", "kind": "loan", "score": 0.1, "max_share_of_capex": 0.5}
TIER = {"material": "*", "segment": "civil", "tier": 2, "share": 0.5, "loss_multiplier": 0.5}
WRONG: list[tuple[Change, str, str]] = [
    (change("demand", 0, demand_t_per_yr=-1.0), "demand demand_t_per_yr", "at least 0"),
    (change("capacities", 0, capacity_t_per_yr=-1.0), "capacities capacity_t_per_yr", "at least 0"),
    (change("prices", 0, price_usd_per_kg=0.0), "prices price_usd_per_kg", "more than 0"),
    (change("activities", 1, kappa=1.2), "activities kappa", "at most 1"),
    (change("materials", 0, haircut_share=10), "materials haircut_share", "less than 1 (a share: 3 % is 0.03)"),
    (change("countries", 1, tier="friend"), "countries tier", "'ally'"),
    (change("prices", 0, price_usd_per_kg="60 USD"), "prices price_usd_per_kg", "a plain number"),
    (change("prices", 0, price_usd_per_kg="60,5"), "prices price_usd_per_kg", "a plain number"),
    (change("prices", 0, from_year=2027.5), "prices from_year", "an integer"),
    (change("yields", 0, yield_t_per_t=None), "yields yield_t_per_t", "a value"),
    (append("demand", **LATE), "demand material, segment, from_year", "line 2"),
    (change("activities", 0, country="XXX"), "activities country", "countries.csv"),
    (change("yields", 0, material="magnets"), "yields material", "did you mean 'magnet'"),
    (append("yields", producer="hom", material="oxide", yield_t_per_t=1.0), "yields producer", "did you mean 'home'"),
    (change("offers", 0, source_producer="outsid"), "offers source_producer", "did you mean 'outside'"),
    (change("packages", 0, instrument="gran"), "packages instrument", "did you mean 'grant'"),
    (append("capacities", activity="chin", from_year=2027, capacity_t_per_yr=1.0), "capacities activity", "'china'"),
    (change("projects", 0, needs="plan"), "projects needs", "did you mean 'plant'"),
    (append("yields", producer="home", material="none", yield_t_per_t=1.0), "yields material", "materials.csv"),
    (change("tiers", 0, share=0.9), "tiers share", "at least 1"),
    (append("tiers", **TIER), "tiers loss_multiplier", "at least 1"),
    (change("price_states", 0, factor=0.6), "price_states factor", "mean of 1"),
    (change("price_states", 0, probability=0.4), "price_states probability", "add to 1"),
    (change("activities", 0, premium_share=-0.11), "activities premium_share", "risk-free profit"),
    (change("offers", 0, premium_share=-0.11), "offers premium_share", "risk-free profit"),
    (change("materials", 1, salvage_share=0.8), "materials salvage_share", "1 - haircut_share"),
    (change("offers", 0, crisis_availability=None), "offers crisis_availability", "mandatory"),
    (change("offers", 0, source_producer="mine"), "offers material", "an output of mine"),
    (append("activities", activity="new", name="n", country="USA", stage="x"), "activities activity", "capacities.csv"),
    (change("packages", 0, floor_material="magnet"), "packages floor_material", "all or none"),
    (append("instruments", **LOAN), "instruments tenor_yr", "years"),
    (append("materials", **NEW, holding_share_per_yr=0.0), "prices price_usd_per_kg", "a price in set"),
    (append("demand", **OXIDE), "tiers share", "tiers for the segment"),
    (change("projects", 0, needs="plant"), "projects needs", ""),
    (change("projects", 0, excludes="plant"), "projects excludes", ""),
]


def test_a_value_that_cannot_be_meant_is_named() -> None:
    """Proves: the fault names the table, the column, and what was expected there."""
    missed = []
    for n, (apply, place, expected) in enumerate(WRONG):
        faults = table_faults(apply)
        hits = [f for f in faults if f"{f.file.removesuffix('.csv')} {f.column}" == place]
        if not any(expected in f.expected for f in hits):
            missed.append((n, place, faults))
    assert missed == []


def test_a_missing_table_that_others_need_is_told_once() -> None:
    """Proves R53: no instruments beside packages, no materials, no countries beside foreign producers: one fault, not one a row."""
    for table, needed_by in (("instruments", "packages.csv"), ("materials", "planned"), ("countries", "producers")):
        for gone in (True, False):

            def apply(frames: dict[str, pd.DataFrame], table: str = table, gone: bool = gone) -> None:
                frame = frames.pop(table)
                frames.update({} if gone else {table: frame.head(0)})

            (fault,) = [fault for fault in table_faults(apply) if fault.file == f"{table}.csv"]
            assert needed_by in fault.expected


def test_no_project_needs_what_excludes_it() -> None:
    """Proves: a project that excludes what it needs over two steps can never stand; two that need each other are built together."""
    plant = {name: value for name, value in magnets()[1].frame("projects").iloc[0].items() if value is not None}
    two = append("projects", **{**plant, "project": "two", "needs": "plant"})
    yields = [append("yields", producer=name, material="magnet", yield_t_per_t=1.0) for name in ("two", "three")]
    three = append("projects", **{**plant, "project": "three", "needs": "two"})
    chain = [append("projects", **{**plant, "project": "two", "needs": "plant", "excludes": "three"}), three, *yields]
    assert {(f.row, f.column) for f in table_faults(*chain)} == {("three", "needs")}
    assert table_faults(change("projects", 0, needs="two"), two, yields[0]) == []


DATES = ("2025-02-30", "2025-13-01", "yesterday", "86400", "20250404", "0001-01-01", "9999-12-31", "04/04/2025")


def test_a_date_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """Proves: 30 February, digits alone (they would be read as seconds since 1970) and years that no table knows are faults of
    their cell; 28 February is a date; a measure in force before it was announced, or over before it began, is a slip."""
    record = {**example("policy_events"), "effective": "", "end_or_review": ""}
    for text in DATES:
        faults = load_faults(write_table(tmp_path, "policy_events", [{**record, "announced": text}]))
        assert [(f.row, f.column, f.found) for f in faults] == [("2", "announced", repr(text))]
    folder = write_table(tmp_path, "policy_events", [{**record, "announced": "2025-02-28"}])
    assert load_dataset(folder).rows("policy_events")[0].announced.isoformat() == "2025-02-28"
    plan, data = magnets()
    for column, day in (("effective", "2025-02-27"), ("end_or_review", "2025-02-27")):
        event = record | {"announced": "2025-02-28", "effective": "2025-02-28", "country": "CHN", column: day}
        rows = pd.DataFrame([{name: value for name, value in event.items() if value != ""}])
        faults = check(plan, data.replace(policy_events=rows)).faults
        assert [(f.file, f.column) for f in faults] == [("policy_events.csv", column)]


EVENT = {"start_year": 2028.0, "duration_years": 1.0, "countries": "CHN", "materials": "magnet", "cut_share": 1.0}
CONTROL = {"name": "c", "countries": "XXX", "materials": "*", "cut_share": 0.1, "until_year": 2028}


def scenario(*events: dict[str, Any], name: str = "w", **more: Any) -> dict[str, Any]:
    return {"name": name, "probability": 0.1, "events": list(events) or [EVENT], **more}


def struck(**event: Any) -> dict[str, Any]:
    return {"scenarios": [scenario({**EVENT, **event})]}


def promise(*named: str, segment: str = "s") -> dict[str, Any]:
    level = {"material": "magnet", "segment": segment, "level": 0.5, "scenarios": [*named]}
    return {"service_levels": [level]}


def floor(**more: Any) -> dict[str, Any]:
    return {"instruments": {"price_floors": [{"material": "m", "levels_usd_per_kg": [1, 2], "term_years": 5, **more}]}}


def limit(**more: Any) -> dict[str, Any]:
    return {"diversification": [{"material": "m", "share": 0.5, "from_year": 2028, **more}]}


ASKS: list[tuple[dict[str, Any], str, str]] = [
    (struck(start_year=2027.0), "scenarios.0.events.0.start_year", "second period"),
    (struck(start_year=2030.0), "scenarios.0.events.0.start_year", "to the end of the tail"),
    (struck(countries="CHN XXX"), "scenarios.0.events.0.countries", "countries.csv"),
    (struck(materials="magnets"), "scenarios.0.events.0.materials", "did you mean 'magnet'"),
    (struck(hazard="stopp"), "scenarios.0.events.0.hazard", "a hazard"),
    (struck(demand_multipliers={"civl": 2.0}), "scenarios.0.events.0.demand_multipliers", "did you mean 'civil'"),
    ({"price_set": "bas"}, "price_set", "did you mean 'base'"),
    ({"loss_function": "tests"}, "loss_function", "did you mean 'test'"),
    ({"materials": ["magnet", "oxid"]}, "materials.1", "did you mean 'oxide'"),
    ({"home": "USB"}, "home", "a country"),
    ({"instruments": {"project_list": ["plnt"]}}, "instruments.project_list.0", "did you mean 'plant'"),
    ({"instruments": {"packages": ["grants"]}}, "instruments.packages.0", "did you mean 'grant'"),
    ({"days_of_cover": [{"material": "m", "days": 1, "from_year": 2027}]}, "days_of_cover.0.material", "a material"),
    ({"sample": {"scenarios": 1, "seed": 1, "hazards": ["war"]}}, "sample.hazards.0", "a hazard"),
    ({"controls": [CONTROL]}, "controls.0.countries", "countries.csv"),
    (
        promise("b", segment="defence") | {"scenarios": [scenario(name="b", design_basis=True)]},
        "service_levels.0",
        "demand.csv",
    ),
]


def test_a_plan_that_asks_for_what_the_tables_do_not_have_is_refused() -> None:
    """Proves: unknown names and dates outside the horizon are faults of the plan at their place, in `check` and in
    `solve` alike; nothing is solved without them."""
    question, data = magnets()
    for plan, column, expected in ASKS:
        faults = table_faults(plan=plan)
        assert [fault.column for fault in faults] == [column]
        assert expected in faults[0].expected, column
        with pytest.raises(PlanError) as error:
            solve(parse_plan({**question.to_toml_like(), **plan}), data)
        assert [fault.column for fault in error.value.faults] == [column]


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"scenarios": [scenario(name="a", probability=0.6), scenario(name="b", probability=0.5)]}, "at most 1"),
    ({"scenarios": [scenario(), scenario()]}, "a unique name"),
    ({"scenarios": [scenario(name="sample-1")], "sample": {"scenarios": 2, "seed": 1}}, "sampled scenarios are called"),
    ({"scenarios": [scenario({"start_year": 2028.0})]}, "needs duration_years"),
    (promise("stp"), "did you mean 'stop'"),
    (promise("stop"), "design_basis = true"),
    ({"instruments": {"signing_years": [2026]}}, "years of the horizon, 2027-2029"),
    (floor(kind="border"), "'market': a border floor"),
    (floor(kind="purchase", scope="market"), "'project': a purchase floor"),
    (floor(kind="border", scope="market", upside_share=0.3), "0: a border floor has no upside share"),
    (floor(levels_usd_per_kg=[2, 2]), "levels that differ"),
    (limit(kind="country_cap", hard=True), "country must be given"),
    (limit(kind="country_cap", country="CHN"), "either penalty_usd_per_kg"),
    (limit(kind="least_share", group="home", country="CHN", hard=True), "and only there"),
    (limit(kind="least_share", hard=True), "group must be given"),
]


def test_a_plan_that_contradicts_itself_is_refused() -> None:
    """Proves: probabilities above one, a promise in an unlisted or ordinary scenario, an event without what it needs, floors and
    limits whose fields exclude each other: one fault, which names a field."""
    question, _ = magnets()
    for wrong, expected in CONTRADICTIONS:
        (fault,) = plan_faults({**question.to_toml_like(), **wrong})
        assert expected in fault.expected
        assert fault.column


# --- all at once --------------------------------------------------------------------------------------------


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    """Proves: wrong cells of several files, wrong fields of a plan, unknown names across tables and plan: each collected in one
    error, not reported one a run; a file without provenance is three faults at its header: facts have sources."""
    price = example("prices")
    wrong = [{**price, "price_usd_per_kg": "-1"}, price, {**price, "from_year": "soon"}, {**price, "material": "a b"}]
    write_table(tmp_path, "prices", wrong)
    write_table(tmp_path, "yields", [{**example("yields"), "yield_t_per_t": ""}])
    write_table(tmp_path, "countries", [{**example("countries"), "tier": "friend"}])
    bare = {key: value for key, value in example("demand").items() if key not in ("source", "year", "confidence")}
    write_table(tmp_path, "demand", [bare])
    places = {f"{f.file}:{f.row} {f.column}" for f in load_faults(tmp_path)}
    header = {f"demand.csv:1 {column}" for column in ("source", "year", "confidence")}
    cells = {"prices.csv:2 price_usd_per_kg", "prices.csv:4 from_year", "prices.csv:5 material"}
    assert places == cells | header | {"yields.csv:2 yield_t_per_t", "countries.csv:2 tier"}
    data = full_plan()
    data["horizon"]["yeers"] = 3
    data["budget"]["total_musd"] = -1
    data["loss_level"] = "medium"
    del data["price_set"]
    assert {f.column for f in plan_faults(data)} == {"horizon.yeers", "budget.total_musd", "loss_level", "price_set"}
    unknown = [change("yields", 0, material="magnets"), change("offers", 0, source_producer="outsid")]
    faults = table_faults(*unknown, plan={"loss_function": "tests"})
    assert {f"{f.file} {f.column}" for f in faults} == {
        "yields.csv material",
        "offers.csv source_producer",
        "plan loss_function",
    }


def test_a_unit_slip_shows_in_the_ranges() -> None:
    """Proves: a price of 100 USD/kg typed as 100 000 USD/t is legal and sticks out: the largest price is 1000 times
    the median of the table."""
    plan, data = magnets()
    prices = data.frame("prices")
    prices.loc[1, "price_usd_per_kg"] *= 1000
    slipped = data.replace(prices=pd.concat([prices, prices.head(1).assign(from_year=2028)], ignore_index=True))
    row = check(plan, slipped).ranges.set_index(["table", "column"]).loc[("prices", "price_usd_per_kg")]
    assert (row.smallest, row["median"], row.largest) == (60.0, 60.0, 100_000.0)


def test_a_fault_reads_as_a_sentence() -> None:
    """Proves: file, line, column, found, expected in one line; the error counts them."""
    with pytest.raises(InputError) as error:
        Dataset.from_tables({"prices": pd.DataFrame([{**PRICE, "price_usd_per_kg": -1.0}])})
    head, line = str(error.value).splitlines()
    assert head == "1 fault"
    assert re.fullmatch(r"\s+prices:2  price_usd_per_kg  found -1\.0; expected more than 0", line)
