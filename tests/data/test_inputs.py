"""The shipped tables: they validate, say where each figure comes from, agree with each other and with public facts; what no longer
follows from its facts is told, and readers are told names and figures with units, not codes."""

import math
import re
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, Plan, check, load_plan, shipped, solve
from strategic_minerals.core.formats import digits
from strategic_minerals.question import estimates
from strategic_minerals.question import tables as rows
from strategic_minerals.question.base import grouped
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.estimates import allocated_loss, growth, magnet_demand
from strategic_minerals.question.names import Names, amount_in_words, range_in_words
from strategic_minerals.question.read_csv import shipped_tables
from strategic_minerals.question.recipes import CALL, outdated, recipes, recipes_of, stale, without_recipes
from strategic_minerals.studies.cases import complete
from strategic_minerals.world.build import build_instance
from strategic_minerals.world.loss_values import length_in_words, rate_in_words, span_in_words
from support.tiny import with_row

INPUTS = Path(__file__).resolve().parents[2] / "inputs"
PRICE_SETS = {"mcs2024", "mcs2025e", "quotes2026"}
FILES = sorted(INPUTS.rglob("*.csv"))
HOMES = sorted(each.name for each in (INPUTS / "homes").iterdir() if each.is_dir())


def table(name: str) -> tuple[Any, ...]:
    return shipped_tables().rows(name)


def key(name: str, row: Any) -> str:
    return "/".join(str(getattr(row, part)) for part in rows.TABLES[name].key)


@cache
def by_key(name: str) -> dict[str, Any]:
    return {key(name, row): row for row in table(name)}


# (a) form and provenance
def test_the_folders_hold_the_tables_of_the_schema_and_nothing_else() -> None:
    """Proves: every table is a file of the world or of a home, and no other file is there; what is a home's is in no world file."""
    world, usa = ({path.stem for path in folder.glob("*.csv")} for folder in (INPUTS, INPUTS / "homes" / "USA"))
    assert world | usa == set(rows.TABLES)
    assert {path.stem for path in FILES} == set(rows.TABLES)
    assert set(HOMES) == {row.home for row in table("homes")}


def test_every_row_says_where_it_comes_from() -> None:
    for name in rows.TABLES:
        for row in table(name):
            assert row.source, key(name, row)
            assert row.year is not None or "undated" in row.source, key(name, row)
            assert "confidence" in row.model_fields_set, key(name, row)


# (b) estimates
@pytest.mark.parametrize("home", HOMES)
def test_every_estimate_follows_from_the_figures_that_its_note_names(home: str) -> None:
    """Proves: value, low and high of every figure with a recipe are what the recipe gives on the tables of the home."""
    data = shipped_tables(home)
    assert [(str(one.recipe), one.recipe.table, one.recipe.key, one.why, one.stands) for one in stale(data)] == []
    assert len(list(recipes(data))) > (1000 if home == "USA" else 300)


def test_an_estimate_names_its_function() -> None:
    for name in (name for name in rows.TABLES if name not in rows.FACT_TABLES):
        for row in table(name):
            if row.confidence == "estimate":
                assert list(recipes_of(name, row)), f"{key(name, row)} names no function of estimates.py"


# (c) completeness
def test_every_material_has_a_price_in_every_set_and_a_loss_under_every_function_where_it_is_demanded() -> None:
    priced = {(row.price_set, row.material) for row in table("prices")}
    own = [name for name, row in by_key("materials").items() if row.qualified_of is None]
    assert priced == {(name, material) for name in PRICE_SETS for material in own}
    lost = {(row.loss_function, row.material) for row in table("loss_functions")}
    functions, demanded = {name for name, _ in lost}, {row.material for row in table("demand")}
    assert len(functions) == 7
    assert lost == {(name, material) for name in functions for material in demanded}


def capacity(activity: str, year: int) -> float:
    found = [c for c in table("capacities") if c.activity == activity and c.from_year <= year]
    return float(max(found, key=lambda c: c.from_year).capacity_t_per_yr)


def test_inputs_of_running_plants_are_covered_beside_demand() -> None:
    balance: dict[str, float] = defaultdict(float)
    for row in table("yields"):
        if row.producer in by_key("activities") and by_key("materials")[row.material].qualified_of is None:
            if "qualification" in row.producer:
                continue  # passes on what defence takes, which counts below
            balance[row.material] += row.yield_t_per_t * capacity(row.producer, 2028)
    for row in table("demand"):
        if row.from_year == 2028 or (row.from_year == 2026 and not row.material.startswith("ndfeb_magnet")):
            balance[row.material] -= row.demand_t_per_yr
    assert {material for material, tonnes in balance.items() if tonnes < -1e-6} == set()


def test_floors_in_force_are_on_ndpr_and_on_magnets_and_on_nothing_else() -> None:
    """Proves: 110 USD/kg lifts NdPr oxide. On lanthanum and cerium oxide, of which more is made, it would be worth 280 USD/kg."""
    instance = build_instance(load_plan(shipped("models") / "rare-earths.toml"), shipped_tables())
    agreed = {
        name: [(instance.materials[f.material], f.level * 1000) for f in floors]
        for name, floors in zip(instance.producers, instance.in_force, strict=True)
        if floors
    }
    assert set(agreed) == {"mp_separation", "mp_10x"}
    assert {material for material, _ in agreed["mp_10x"]} == {"ndfeb_magnet"}
    rise = (330.857 / 218.056) ** (1 / 16)  # 110 are not indexed: a year later they are worth less
    left = [110 / 1.027 / rise ** (year - 2025) for year in range(2027, 2036)]
    assert agreed["mp_separation"] == [("ndpr_oxide", pytest.approx(level, rel=1e-4)) for level in left]


# (e) magnets of home factories and inside imported goods: each tonne and each loss counts once
DIRECT, EMBEDDED = "ndfeb_magnet", "ndfeb_magnet_embedded"
TOTAL, DEFENCE = 20600.0, 407.0
YEARS = (2026, 2028, 2030, 2032, 2034, 2036)


def tonnes(material: str, year: int) -> dict[str, float]:
    rows = table("demand")
    return {r.segment: r.demand_t_per_yr for r in rows if (r.material, r.from_year) == (material, year)}


def test_direct_and_embedded_demand_add_up_to_the_published_total() -> None:
    """Direct: 7,000 to 10,000 t in 2025, 8,900 by customs; the table's year 2026 is 2^(1/10) of it."""
    for year in YEARS:
        direct, inside = tonnes(DIRECT, year), tonnes(EMBEDDED, year)
        assert set(inside) == {"essential", "other"}  # arms are made at home
        for segment, share in (("essential", 0.294), ("other", 0.686)):
            whole = magnet_demand(0, TOTAL, TOTAL, year, 0, share, 1).central
            assert direct[segment] + inside[segment] == pytest.approx(whole, rel=1e-4)
        assert sum(direct.values()) + sum(inside.values()) == pytest.approx(TOTAL * growth(year), rel=1e-3)
    assert sum(tonnes(DIRECT, 2026).values()) == pytest.approx(8900 * 2**0.1, rel=1e-3)


def test_a_published_loss_is_counted_once_over_both() -> None:
    """USGS: 4435 million USD are 265 thousand USD for each of 8,900 t of direct use and 7,833 t inside goods."""
    embedded = TOTAL * growth(2025) - 8900
    for name, musd, exposure in (
        ("usgs_2025", 4435, 1.0),
        ("ecb_2026", 202_500, 0.75 * 1.5),
        ("ecb_2026_extreme", 600_000, 1.0),
        ("imf_2026", 450_000, 0.8),
        ("oxford_2025", 300_000, 0.5 * 2),
    ):
        rows = table("loss_functions")
        per_t = {r.material: r.loss_usd_per_t for r in rows if r.loss_function == name}
        whole = (per_t[DIRECT] * 8900 + per_t[EMBEDDED] * embedded) * exposure / 1e6
        assert whole == pytest.approx(musd, rel=1e-4), name
    direct = allocated_loss(3437, 4435, 5433, 1, 8900, TOTAL, 38000, "direct")
    goods = allocated_loss(3437, 4435, 5433, 1, 8900, TOTAL, 38000, "embedded")
    assert direct.central == goods.central
    assert (direct.high, goods.low) == pytest.approx((5433e6 / 8900, 0.0))


# (f) which minerals of the official list can be planned: each has demand, a price and a loss, and can go short
AT_HOME = {"beryllium", "lithium", "zirconium"}
"""Minerals of which the United States makes what it uses (lithium once Thacker Pass runs): they go short if its own plants stop."""


def listed() -> list[str]:
    return [row.mineral for row in table("listed_minerals") if row.materials]


def alone(materials: str, countries: str) -> Plan:
    """A plan of a mineral alone: for three years nothing comes from the countries. Nothing may be bought, signed or supported."""
    stop = {"start_year": 2028.0, "duration_years": 3.0, "countries": countries, "materials": "*", "cut_share": 1.0}
    changes = {
        "materials": materials.split(),
        "horizon": {"first_year": 2027, "years": 5, "tail_years": 0},
        "budget": {"appropriation_musd": 0},
        "instruments": {"reserve": False, "packages": ["none"]},
        "scenarios": [{"name": "stop", "probability": 0.5, "events": [{**stop, "price_multiplier": 1.0}]}],
    }
    told = load_plan(shipped("models") / "quickstart.toml").to_toml_like()
    kept = ("name", "price_year", "price_set", "loss_function", "discount_rate")
    return Plan.model_validate({name: told[name] for name in kept} | changes)


def test_forty_nine_of_sixty() -> None:
    """Proves: 49 of the 60 minerals of the list can be planned; each of the others says why not, and where to look."""
    rows = table("listed_minerals")
    assert len(rows) == 60
    assert len(listed()) == 49
    told = {row.item for row in table("not_planned") if row.kind == "mineral"}
    assert told == {row.mineral for row in rows if not row.materials}
    assert all(row.why and row.next_source for row in table("not_planned"))


QUICK = ("beryllium", "gallium", "copper")
"""One of which home makes what it uses, one that controls have cut, one that a war alone would cut."""


@pytest.mark.parametrize(
    "mineral", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in listed()]
)
def test_a_mineral_that_is_planned_can_go_short(mineral: str) -> None:
    row = next(row for row in table("listed_minerals") if row.mineral == mineral)
    plan = alone(row.materials, "USA" if mineral in AT_HOME else "*")
    instance = build_instance(plan, shipped_tables())
    wanted = {instance.materials[i] for i in instance.demand_material}
    assert wanted & set(row.materials.split()), "demand"
    found = solve(plan, shipped_tables(), gap=1e-4, quick=True)
    assert found.tables["scenario_losses"].loss_without_plan_musd.max() > 0, "it goes short without a reserve"
    gaps = complete(plan, shipped_tables()).tables["gaps"]
    assert not {"demand", "prices", "loss_functions", "yields"} & set(gaps.table[gaps.material.isin(wanted)])


# (g) estimates live
def test_what_hangs_on_a_changed_fact_is_found_and_told() -> None:
    """Proves the case of the shipped tables: consumption of gallium doubled. Depths, capacities and flows do not follow; `check`
    says so, and nothing is said of the tables as they are."""
    data, plan = shipped_tables(), load_plan(shipped("models") / "quickstart.toml")
    assert outdated(data) == []
    changed = with_row(data, "minerals", "gallium", consumption_t=2.0 * by_key("minerals")["gallium"].consumption_t)
    places = {(one.recipe.table, one.recipe.key, one.recipe.column) for one in stale(changed)}
    assert {("offers", f"gallium_{n}", "depth_t_per_yr") for n in (1, 2, 3)} <= places
    assert {table for table, _, _ in places} >= {"offers", "capacities", "demand", "loss_functions"}
    assert all("gallium" in key for _, key, _ in places)
    (note,) = [note for note in check(plan, changed).notes if "no longer follow" in note]
    assert "17 estimates no longer follow" in note
    assert "capacities.csv can_gallium/2026 capacity_t_per_yr is 5.7596" in note
    withheld = with_row(data, "minerals", "gallium", consumption_t=None)
    (note,) = [note for note in outdated(withheld) if "cannot be worked out" in note]
    assert "minerals[gallium].consumption_t is not there" in note


STRANGE = [
    "depth_t_per_yr = offer_depth(minerals[nothing].consumption_t, 1, 1)",
    "depth_t_per_yr = hazard_rate(1e300, 0)",
    "depth_t_per_yr = offer_depth(" + "1, " * 500 + "1)",
    "depth_t_per_yr = __import__(os)",
    "source = offer_depth(1, 2, 3)",
]


def test_a_note_of_a_stranger_does_no_harm() -> None:
    """Proves: what cannot be worked out is no estimate: nothing is raised, nothing is written, no other code is run; words of a
    hundred thousand letters are looked at once, not from every letter on."""
    for note in STRANGE:
        odd = with_row(shipped_tables(), "offers", "gallium_1", note=note)
        assert [note for note in outdated(odd) if "nothing" not in note] == []
    assert CALL.findall("a" * 100_000 + "(") == []
    assert without_recipes("x = f(" + "1, " * 50_000, {"x"}).startswith("x = f(")


# (h) words
@pytest.fixture(scope="module")
def names() -> Names:
    return Names.of(shipped_tables())


def test_figures_in_words_have_the_right_unit(names: Names) -> None:
    """Proves: months up to two years, rates as how often, numbers without an exponent."""
    assert [
        length_in_words(years) for years in (0.01, 14 / 12, 2.0, 4.31)
    ] == "1 month,14 months,2 years,4.3 years".split(",")
    assert span_in_words(0.25, 23 / 12, 0.75) == "3 months to 23 months, on average 9 months"
    assert span_in_words(0.3, 4.3, 1.5) == "4 months to 4.3 years, on average 18 months"
    assert span_in_words(float("nan"), 4.0, 1.5) == "18 months on average"
    assert [rate_in_words(rate) for rate in (0.15625, 1.0, 2.5, 0.0)] == [
        "once in 6.4 years", "once a year", "2.5 times a year", "never",
    ]  # fmt: skip
    numbers = [(12345.0, 3), (999.7, 3), (-12345.6, 4), (9999.7, 4), (0.00012, 3), (1.2345, 4)]
    assert [digits(*number) for number in numbers] == "12,345 1,000 -12,346 10,000 0.00012 1.234".split()
    assert amount_in_words("loss_usd_per_t", 13_333_000.0) == "13,333,000 USD/t"
    assert range_in_words("gallium/defence/2026", "demand_t_per_yr", 0.561, 1.87, 5.61, names) == (
        "Gallium, defence, 2026: demand 1.87 t/yr (0.561 to 5.61)"
    )
    assert range_in_words("ga_ge_sb_ban", "rate_per_yr", 4e-5, 0.01, 0.04, names).endswith(
        "once in 100 years (25 to 25,000)"
    )
    assert range_in_words("gallium_3", "premium_share", 0.15, 0.45, 0.9, names) == (
        "Gallium (Canada): premium over the market price 45% (15% to 90%)"
    )


# (i) disruptions as they were observed, and what hazards of a kind share follows from them
PUBLISHED = {
    # profile: peak, gross year-equivalents, as the compiler of the record worked them out
    "mag25_all": (0.745, 0.131),
    "ge23_all": (0.84, 1.1),
    "sb24_all": (0.74, 0.37),
    "in25_usa_effective": (0.0, 0.0),
    "gr23_flake": (0.87, 0.196),
    "co25_all": (1.0, 1.405),
}


def courses() -> pd.DataFrame:
    """Of each profile since its onset: the largest share lost (peak), and the years of normal supply lost (gross). Months above
    normal give nothing back, as they only refill users' stocks."""
    rows = shipped_tables().frame("observed_profiles").query("month_to > 0 and loss_share.notna()")
    share = rows.loss_share.clip(0, 1)
    rows = rows.assign(peak=share, gross=share * (rows.month_to - rows.month_from.clip(lower=0)) / 12)
    by = ["profile", "control_event", "materials", "destination", "flow"]
    return rows.groupby(by, as_index=False).agg({"peak": "max", "gross": "sum"})


def test_year_equivalents_of_profiles_are_those_published() -> None:
    """Proves: peak and gross year-equivalents to the three digits printed."""
    found = courses().set_index("profile")
    for name, published in PUBLISHED.items():
        assert found.loc[name, ["peak", "gross"]].tolist() == pytest.approx(published, abs=1.1e-3), name


def test_the_record_adds_up() -> None:
    """Proves of the shipped facts: periods of a profile have a length and follow each other, its rows are of one flow, a loss is
    1 - observed/normal; quotes lie in the range that was printed."""
    alike = ("control_event", "materials", "form", "destination", "flow", "onset", "running")
    for profile in grouped(table("observed_profiles"), "profile").values():
        assert len({tuple(getattr(row, column) for column in alike) for row in profile}) == 1
        ordered = sorted(profile, key=lambda row: row.month_from)
        assert all(row.month_from < row.month_to for row in ordered)
        assert all(first.month_to <= second.month_from for first, second in pairwise(ordered))
        for row in profile:
            if row.loss_share is not None and row.normal_per_month and row.observed_per_month is not None:
                share = 1 - row.observed_per_month / row.normal_per_month
                assert row.loss_share == pytest.approx(share, rel=0.005, abs=0.005), row
    for row in shipped_tables().rows("price_gaps"):
        assert row.ratio == pytest.approx(row.outside_usd_per_kg / row.inside_usd_per_kg, rel=0.005), row
    for row in shipped_tables().rows("policy_events"):
        dates = [row.announced, row.effective, row.end_or_review if row.took_effect else None]
        assert sorted(filter(None, dates)) == [*filter(None, dates)], row
        assert not (row.took_effect and row.status == "announced"), row
    for row in shipped_tables().rows("market_quotes"):
        assert row.printed_from <= row.printed_to
        if row.printed_unit == "USD/kg":
            assert 0.995 * row.printed_from <= row.usd_per_kg <= 1.005 * row.printed_to, row


SLIPS: list[tuple[str, int, str, Any, str]] = [
    ("observed_profiles", 1, "control_event", "E99", "an event of policy_events.csv"),
    (
        "policy_events",
        37,
        "producers",
        "mp_mine mp_seperation",
        "an activity or project (did you mean 'mp_separation'?)",
    ),
]


def test_a_slip_in_the_record_is_named_where_it_stands() -> None:
    """Proves: faults of the fact tables name table, column and what was expected; no loss is of more than everything."""
    plan = load_plan(shipped("models") / "quickstart.toml")
    for table, row, column, value, expected in SLIPS:
        frame = shipped_tables().frame(table)
        frame.loc[row, column] = value
        faults = check_data(plan, shipped_tables().replace(**{table: frame}))
        mine = [fault for fault in faults if (fault.file, fault.column) == (f"{table}.csv", column)]
        assert any(expected in fault.expected for fault in mine), faults
    frame = shipped_tables().frame("observed_profiles").assign(loss_share=1.2)
    with pytest.raises(InputError, match="loss_share"):
        Dataset.from_tables({"observed_profiles": frame})


def test_the_spread_of_a_new_event_is_that_of_the_observed_and_of_their_mean() -> None:
    """Proves: of 1/e and e the deviation is sqrt(2), that of a new event sqrt(2*(1 + 1/2))."""
    assert estimates.log_spread(math.exp(-1), math.exp(1)) == pytest.approx(math.sqrt(3.0))
    assert estimates.log_spread(0.5, 0.5, 0.5) == 0.0
    low, high = estimates.spread_low(0.2, 0.4).central, estimates.spread_high(0.2, 0.4).central
    assert low * high == pytest.approx(1.0)
    with pytest.raises(ValueError, match="two events"):
        estimates.log_spread(0.5)
    assert estimates.no_loss(2 / 3, 1).central == pytest.approx((2 / 3 + 0.5) / 2)


def test_hazards_of_a_kind_share_the_peaks_and_widths_of_the_record() -> None:
    """Proves: an event counts once whatever was recorded of it. A material counts by its flow to the home country, else by that to
    the world, else by the others; forms, then materials that lost something, are averaged (geometric). Notes of hazards name
    these peaks and widths (years), and the share of materials of which no less arrived by all routes."""
    every = courses().assign(material=lambda rows: rows.materials.str.split()).explode("material")
    of = ["control_event", "material"]
    direct = every[every.flow == "direct"].assign(rank=lambda r: r.destination.map({"USA": 0, "WLD": 1}).fillna(2))
    lost = direct[(direct["rank"] == direct.groupby(of)["rank"].transform("min")) & (direct.peak > 0)]
    logs = np.log(lost.assign(width=lost.gross / lost.peak).set_index(of)[["peak", "width"]])
    found = np.exp(logs.groupby(of).mean().groupby("control_event").mean())
    told = 0
    for row in shipped_tables().rows("hazards"):
        if named := re.search(r"controlled flow in ([^;]+), of which", row.note):
            events = found.loc[named[1].split(", ")]
            for figure, column in (("severity", "peak"), ("stretch", "width")):
                stated = re.findall(rf"{figure}_p(?:05|95) = spread_\w+\(([^)]*)\)", row.note)
                assert len(stated) == 2
                for figures in stated:
                    assert [float(each) for each in figures.split(",")] == pytest.approx(
                        events[column].tolist(), rel=1e-4
                    )
            told += 1
    assert told == 5
    unhurt = every[every.flow == "effective"].groupby(of).gross.max().eq(0).groupby("control_event").mean()
    assert unhurt.to_dict() == pytest.approx({"E10": 2 / 3, "E11": 1 / 3})


def test_a_default_is_of_the_kind_of_its_column() -> None:
    """Proves: no column of decimals has a whole number as its default: a run folder would not hold what the run had."""
    fields = [(name, key, of) for name, table in rows.TABLES.items() for key, of in table.model_fields.items()]
    wrong = [(name, key) for name, key, of in fields if type(of.default) is int and of.annotation is not int]
    assert wrong == []
