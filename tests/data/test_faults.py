"""A wrong plan or table is refused at the edge: every fault at once, each with its place, what was found and what was expected."""

import math
import re
import tomllib
import typing
from collections.abc import Callable, Iterator
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel

from strategic_minerals import Dataset, Fault, InputError, Plan, PlanError, check, load_dataset, solve
from strategic_minerals.core.errors import FaultsError
from strategic_minerals.question.read_csv import shipped_tables, write_dataset
from strategic_minerals.question.read_toml import parse_plan
from strategic_minerals.question.tables import TABLES
from support.plan_text import leaves
from support.tiny import cut, offer, project, source, tiny


def full_plan() -> dict[str, Any]:
    """A valid plan in which every section and every optional field is present."""
    return tomllib.loads((Path(__file__).parent / "full_plan.toml").read_text(encoding="utf-8"))


def dotted(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def plan_faults(data: dict[str, Any]) -> tuple[Fault, ...]:
    """Faults of a plan; none where it is right."""
    try:
        parse_plan(data)
    except PlanError as error:
        return error.faults
    return ()


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


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """All models of sections within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for part in typing.get_args(annotation):
        yield from models(part)


def test_the_full_plan_is_valid_and_leaves_no_number_out() -> None:
    """Proves: the plan that tests break is right before, and a new number without a test is missed at once."""
    parse_plan(full_plan())
    reached = {part for path, _ in leaves(full_plan()) for part in path}
    numbers = {n for model in models(Plan) for n, field in model.model_fields.items() if numeric(field.annotation)}
    assert numbers - reached == set()


PRICE = {"price_set": "b", "material": "m", "from_year": 2027, "price_usd_per_kg": 10.0}
HAZARD = {"hazard": "h", "name": "h", "kind": "embargo", "countries": "CHN", "materials": "*", "rate_per_yr": 0.1}


def test_ends_of_a_range_are_as_admissible_as_the_value_and_in_order() -> None:
    """Proves R6, R28: cut_share_high = 5 would cut five times what a source makes; an estimate of 10 with low 12, or high 8, is a
    slip of columns; NaN is an empty cell. A fault is one line with file, line, column, found and expected."""
    for table, row, column, value in (
        ("hazards", HAZARD | {"duration_yr": 1.0, "cut_share": 0.5}, "cut_share_high", 5.0),
        ("prices", PRICE, "price_usd_per_kg_low", -5.0),
        ("prices", PRICE, "price_usd_per_kg_low", 12.0),
        ("prices", PRICE, "price_usd_per_kg_high", 8.0),
        ("prices", PRICE, "price_usd_per_kg", math.nan),
    ):
        with pytest.raises(InputError) as error:
            Dataset.from_tables({table: pd.DataFrame([{**row, column: value}])})
        assert [(fault.row, fault.column) for fault in error.value.faults] == [("2", column)]
    assert error.value.faults[0].found == "an empty cell"
    with pytest.raises(InputError) as error:
        Dataset.from_tables({"prices": pd.DataFrame([{**PRICE, "price_usd_per_kg": -1.0}])})
    head, line = str(error.value).splitlines()
    assert head == "1 fault"
    assert re.fullmatch(r"\s+prices:2  price_usd_per_kg  found -1\.0; expected more than 0", line)


def test_a_misspelt_key_of_a_plan_is_refused_with_a_suggestion() -> None:
    """Proves R29: each key of a plan with one letter doubled is a fault, with the right key proposed. Ignored,
    `emergency_musdd = 5` would plan without emergency money."""
    missed = []
    for path in {whole[:n] for whole, _ in leaves(full_plan()) for n in range(1, len(whole) + 1)}:
        *place, key = path
        if isinstance(key, int) or place[-1:] in (["demand_multipliers"], ["cut_shares"]):
            continue
        section: Any = reduce(getitem, place, wrong := full_plan())
        section[f"{key}{key[-1]}"] = section.pop(key)
        mine = [f for f in plan_faults(wrong) if f.column == f"{dotted(path)}{key[-1]}"]
        if len(mine) != 1 or f"(did you mean '{key}'?)" not in mine[0].expected:
            missed.append((dotted(path), mine))
    assert missed == []


def test_a_misspelt_table_or_column_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    """Proves R29: each column of each table with one letter doubled is a fault at the header line, with the right column proposed;
    a unit that is another one too; `prise.csv` among the tables, or a frame `demands`, is not overlooked."""
    missed = []
    cases = [(table, {column: column + column[-1] for column in example(table)}) for table in TABLES]
    for table, wrong in [*cases, ("prices", {"price_usd_per_kg": "price_usd_per_t"})]:
        record = {wrong.get(key, key): value for key, value in example(table).items()}
        with pytest.raises(InputError) as error:
            Dataset.from_tables({table: pd.DataFrame([record])})
        for column, slip in wrong.items():
            mine = [f for f in error.value.faults if f.column == slip]
            if [f.row for f in mine] != ["1"] or f"did you mean '{column}'" not in mine[0].expected:
                missed.append((table, column, mine))
    assert missed == []
    write_table(tmp_path, "prices", [{**example("prices")}])
    (tmp_path / "prices.csv").rename(tmp_path / "prise.csv")
    assert "did you mean 'prices'" in load_faults(tmp_path)[0].expected
    with pytest.raises(InputError, match="did you mean 'demand'"):
        Dataset.from_tables({"demands": pd.DataFrame()})
    row = pd.DataFrame([example("prices")])
    with pytest.raises(InputError, match="price_usd_per_kg  found the column twice"):
        Dataset.from_tables({"prices": pd.concat([row, row[["price_usd_per_kg"]]], axis=1)})
    with pytest.raises(InputError, match=r"frames\['prices'\]  found null; expected a data frame"):
        Dataset.from_tables({"prices": None})  # type: ignore[dict-item]


TEXTS = ["NA", "null", "no", "1e3", "12:30", " padded ", 'quo"te', "com,ma", "new\nline", "=1+1", "-2+3", "\tx", "'=1"]


def test_norway_and_namibia_are_countries(tmp_path: Path) -> None:
    """Proves R30, R32: NOR and NAM are read as they stand; NO and NA (two letters) are faults that show 'NO' and 'NA',
    not False and not an empty cell; a home is three capital letters too."""
    codes = [{**example("countries"), "country": code, "tier": "ally"} for code in ("NOR", "NAM", "NO", "NA")]
    data = load_dataset(write_table(tmp_path / "three", "countries", codes[:2]))
    assert [row.country for row in data.rows("countries")] == ["NOR", "NAM"]
    faults = load_faults(write_table(tmp_path / "two", "countries", codes))
    assert [(f.row, f.column, f.found) for f in faults] == [("4", "country", "'NO'"), ("5", "country", "'NA'")]
    for home in ("NO", "nor", "Norway", "", False):
        assert [fault.column for fault in plan_faults({**full_plan(), "home": home})] == ["home"], home


def test_text_comes_back_as_it_was_written_and_no_formula_is_written(tmp_path: Path) -> None:
    """Proves R32, R33: a country named NA, null, 12:30 or with a comma is written as CSV and read back the same, and so is text
    that a spreadsheet would run, although no cell of the file starts like a formula; so is every shipped table, where a yield of
    -0.4 stays a number in the file."""
    rows = [
        {"country": f"A{n:c}A", "name": text, "tier": "ally", "note": text} for n, text in enumerate(TEXTS, ord("A"))
    ]
    data = Dataset.from_tables({"countries": pd.DataFrame(rows)})
    write_dataset(data, tmp_path)
    cells = pd.read_csv(tmp_path / "countries.csv", dtype=str, keep_default_na=False)
    assert not cells.map(lambda cell: cell.startswith(("=", "+", "-", "@", "\t", "\r"))).any(axis=None)
    assert load_dataset(tmp_path).rows("countries") == data.rows("countries")
    write_dataset(shipped_tables(), tmp_path)
    again = load_dataset(tmp_path)
    assert all(again.rows(table) == shipped_tables().rows(table) for table in shipped_tables().tables)
    assert ",-" in (tmp_path / "yields.csv").read_text(encoding="utf-8")


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


LATE = {"material": "magnet", "segment": "civil", "from_year": 2027, "demand_t_per_yr": 9.0}
OXIDE = {"material": "oxide", "segment": "defence", "from_year": 2027, "demand_t_per_yr": 1.0}
TIER = {"material": "*", "segment": "civil", "tier": 2, "share": 0.5, "loss_multiplier": 0.5}
SOFT = {"instrument": "soft", "kind": "loan", "score": 0.2, "max_share_of_capex": 0.5, "tenor_yr": 2.5, "grace_yr": 2.0}
WRONG: list[tuple[Change, str, str]] = [
    (change("materials", 0, haircut_share=10), "materials haircut_share", "less than 1 (a share: 3 % is 0.03)"),
    (append("demand", **LATE), "demand material, segment, from_year", "line 2"),
    (change("activities", 0, country="XXX"), "activities country", "countries.csv"),
    (change("yields", 0, material="magnets"), "yields material", "did you mean 'magnet'"),
    (change("offers", 0, source_producer="outsid"), "offers source_producer", "did you mean 'outside'"),
    (append("tiers", **TIER), "tiers loss_multiplier", "at least 1"),
    (change("price_states", 0, factor=0.6), "price_states factor", "mean of 1"),
    (change("offers", 0, premium_share=-0.11), "offers premium_share", "risk-free profit"),
    (change("offers", 0, crisis_availability=None), "offers crisis_availability", "mandatory"),
    (change("offers", 0, source_producer="mine"), "offers material", "an output of mine"),
    (append("activities", activity="new", name="n", country="USA", stage="x"), "activities activity", "capacities.csv"),
    (append("demand", **OXIDE), "tiers share", "tiers for the segment"),
    (change("projects", 0, needs="plant"), "projects needs", ""),
    (append("instruments", **SOFT), "instruments grace_yr", "in whole years"),
]


def test_a_value_that_cannot_be_meant_is_named() -> None:
    """Proves: the fault names the table, the column, and what was expected there."""
    assert table_faults() == []
    missed = []
    for n, (apply, place, expected) in enumerate(WRONG):
        faults = table_faults(apply)
        hits = [f for f in faults if f"{f.file.removesuffix('.csv')} {f.column}" == place]
        if not any(expected in f.expected for f in hits):
            missed.append((n, place, faults))
    assert missed == []


def test_no_project_needs_what_excludes_it() -> None:
    """Proves: a project that excludes what it needs over two steps can never stand; two that need each other are built together."""
    plant = {name: value for name, value in magnets()[1].frame("projects").iloc[0].items() if value is not None}
    two = append("projects", **{**plant, "project": "two", "needs": "plant"})
    yields = [append("yields", producer=name, material="magnet", yield_t_per_t=1.0) for name in ("two", "three")]
    three = append("projects", **{**plant, "project": "three", "needs": "two"})
    chain = [append("projects", **{**plant, "project": "two", "needs": "plant", "excludes": "three"}), three, *yields]
    assert {(f.row, f.column) for f in table_faults(*chain)} == {("three", "needs")}
    assert table_faults(change("projects", 0, needs="two"), two, yields[0]) == []


def test_a_date_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """Proves: 30 February, digits alone (they would be read as seconds since 1970) and years that no table knows are faults."""
    record = {**example("policy_events"), "effective": "", "end_or_review": "", "country": "CHN"}
    for text in ("2025-02-30", "86400", "20250404", "0001-01-01", "04/04/2025"):
        faults = load_faults(write_table(tmp_path, "policy_events", [{**record, "announced": text}]))
        assert [(f.row, f.column, f.found) for f in faults] == [("2", "announced", repr(text))]


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


BY_YEAR, BASIS = {"2026": 9, "2029": 99}, scenario(name="b", design_basis=True)
LOAN = {"interest": 0.1, "term_years": 2, "owed_musd": 1, "due_year": 2026}
ASKS: list[tuple[dict[str, Any], str, str]] = [
    (struck(start_year=2030.0), "scenarios.0.events.0.start_year", "to the end of the tail"),
    (struck(demand_multipliers={"civl": 2.0}), "scenarios.0.events.0.demand_multipliers.civl", "did you mean 'civil'"),
    ({"loss_function": "tests"}, "loss_function", "did you mean 'test'"),
    ({"sample": {"scenarios": 1, "seed": 1, "hazards": ["war"]}}, "sample.hazards.0", "a hazard"),
    ({"controls": [CONTROL]}, "controls.0.countries", "countries.csv"),
    ({"budget": {"appropriation_musd": 9, "carried_in_musd": -9.1}}, "budget.carried_in_musd", "at least -9"),
    ({"budget": {"appropriation_musd": BY_YEAR, "carried_in_musd": -9.1}}, "budget.carried_in_musd", "-9"),
    ({"budget": {"appropriation_musd": 9, "loan": LOAN}}, "budget.loan.due_year", "2027 or later"),
    ({"stock_rules": [{"material": "oxide", "segments": ["civil"]}]}, "stock_rules.0.segments", "that wants oxide"),
    (promise("b", segment="defence") | {"scenarios": [BASIS]}, "service_levels.0", "demand.csv"),
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
    ({"scenarios": [scenario({"start_year": 2028.0})]}, "needs duration_years"),
    (promise("stp"), "did you mean 'stop'"),
    (promise("stop"), "design_basis = true"),
    ({"instruments": {"signing_years": [2026]}}, "years of the horizon, 2027-2029"),
    (floor(kind="purchase", scope="market"), "'project': a purchase floor"),
    (limit(kind="least_share", group="home", country="CHN", hard=True), "and only there"),
]


def test_a_plan_that_contradicts_itself_is_refused() -> None:
    """Proves: probabilities above one, a promise in an unlisted or ordinary scenario, an event without what it needs, floors and
    limits whose fields exclude each other: one fault, which names a field."""
    question, _ = magnets()
    for wrong, expected in CONTRADICTIONS:
        (fault,) = plan_faults({**question.to_toml_like(), **wrong})
        assert expected in fault.expected
        assert fault.column


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    """Proves: wrong cells of several files, wrong fields of a plan, unknown names across tables and plan: each collected in one
    error, not reported one a run; a file without provenance is three faults at its header: facts have sources."""
    price = example("prices")
    wrong = [{**price, "price_usd_per_kg": "-1"}, price, {**price, "from_year": "soon"}]
    write_table(tmp_path, "prices", wrong)
    bare = {key: value for key, value in example("demand").items() if key not in ("source", "year", "confidence")}
    write_table(tmp_path, "demand", [bare])
    places = {f"{f.file}:{f.row} {f.column}" for f in load_faults(tmp_path)}
    header = {f"demand.csv:1 {column}" for column in ("source", "year", "confidence")}
    assert places == header | {"prices.csv:2 price_usd_per_kg", "prices.csv:4 from_year"}
    data = full_plan()
    data["horizon"]["yeers"] = 3
    data["budget"]["total_musd"] = -1
    del data["price_set"]
    assert {f.column for f in plan_faults(data)} == {"horizon.yeers", "budget.total_musd", "price_set"}
    unknown = [change("yields", 0, material="magnets"), change("offers", 0, source_producer="outsid")]
    faults = {f"{f.file} {f.column}" for f in table_faults(*unknown, plan={"loss_function": "tests"})}
    assert faults == {"yields.csv material", "offers.csv source_producer", "plan loss_function"}
