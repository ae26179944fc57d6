"""Scenario discovery: boxes that are known beforehand, figures counted by hand, noise without a box, words, refusals."""

import math
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from strategic_minerals import (
    FaultsError,
    InputError,
    PlanError,
    Result,
    Study,
    discover,
    latin_hypercube,
    solve,
    stress_test,
    sweep,
)
from strategic_minerals.studies.designs import Design, one_at_a_time, sobol
from strategic_minerals.studies.discovery import (
    LUCK,
    Limits,
    _peeled,
    cases_of_study,
    chance,
    event_features,
    find_box,
    quasi_p,
    roundest,
)
from support.drawn_cases import exposed
from support.tiny import cut, imported

LONGEST = 14.0
"""Months of a stop that are still borne."""


def random_rows(seed: int, rows: int = 600, inputs: int = 6) -> tuple[Any, Any]:
    """Uniform inputs, and failures where the first is over 0.6 and the second under 0.4."""
    values = np.random.default_rng(seed).random((rows, inputs))
    return values, (values[:, 0] > 0.6) & (values[:, 1] < 0.4)


@pytest.mark.parametrize("seed", range(3))
def test_a_known_box_is_found_to_the_grid_of_the_data(seed: int) -> None:
    """Proves: the ends lie between the last row outside the true box and the first one inside, all other inputs are left free,
    and every failure, nothing else, is in the box."""
    values, failed = random_rows(seed)
    found = find_box(values, failed)
    assert found.places == [(0, 0), (1, 1)]
    near = values[values[:, 1] < 0.4, 0], values[values[:, 0] > 0.6, 1]
    assert near[0][near[0] <= 0.6].max() < found.ends[0, 0] < near[0][near[0] > 0.6].min()
    assert near[1][near[1] < 0.4].max() < found.ends[1, 1] < near[1][near[1] >= 0.4].min()
    assert np.array_equal(found.hold(values), failed)


def test_peeling_is_patient() -> None:
    """Proves: a step takes at most one row in twenty, boxes lie within each other."""
    values, inside = random_rows(3)
    failed = np.random.default_rng(3).random(len(inside)) < np.where(inside, 0.9, 0.1)
    held = [box.hold(values) for box in _peeled(values, failed)]
    assert held[0].all()
    assert len(held) > 20
    for before, after in pairwise(held):
        assert (after <= before).all()
        assert 0 < before.sum() - after.sum() <= max(1, 0.05 * before.sum())
    assert held[-1].sum() >= 0.05 * len(failed) - 1


def test_quasi_p_is_the_binomial_tail_without_the_limit() -> None:
    """Proves: 8 of 10 fail within, 10 of 40 without the limit: the chance of 8 or more of 10 that fail by 1 in 4."""
    values = np.r_[np.ones(10), np.zeros(30)][:, None]
    failed = np.r_[np.ones(8), np.zeros(2), np.ones(2), np.zeros(28)].astype(bool)
    limits = Limits(np.array([[0.5], [np.nan]]))
    assert quasi_p(values, failed, limits, 0, 0) == pytest.approx(
        sum(binom.pmf(k, 10, 0.25) for k in (8, 9, 10)), rel=1e-12
    )
    assert chance(np.zeros(40, dtype=bool), failed) == 1.0


@pytest.mark.long
@pytest.mark.parametrize("count", [25, pytest.param(100, marks=pytest.mark.slow)])
def test_noise_has_no_box(count: int) -> None:
    """Proves: where failures hang on nothing, rows held out confirm no more boxes than luck allows, and that is said."""
    confirmed, told = 0, ""
    for seed in range(count):
        draw = np.random.default_rng(seed)
        frame = pd.DataFrame(draw.random((200, 6)), columns=list("abcdef"))
        found = discover(frame.assign(y=(draw.random(200) < 0.25).astype(float)), "y < 1", seed=seed)
        confirmed += len(confirmed_of(found))
        told = told or (found.summary() if found.tables["boxes"].empty else "")
    assert confirmed <= count * LUCK
    assert "NO RANGE of the 6 inputs tells where it fails:" in told


def confirmed_of(found: Study) -> pd.DataFrame:
    """The boxes that rows held out have confirmed."""
    boxes = found.tables["boxes"]
    return boxes[boxes["confirmed"].astype(bool)]


def by_hand(found: Study, frame: pd.DataFrame, failed: Any, number: int) -> tuple[float, float]:
    """Coverage and density of a box on the rows held out, from its printed limits and the rows themselves."""
    aside = found.tables["cases"]["held_out"].to_numpy(dtype=bool)
    inside = np.ones(len(frame), dtype=bool)
    for limit in found.tables["limits"][found.tables["limits"]["box"] == number].itertuples():
        values = frame[limit.input].to_numpy()
        inside &= values > limit.limit if limit.side == "over" else values < limit.limit
    inside &= ~found.tables["cases"]["box"].between(1, number - 1).to_numpy()
    hit = inside & aside & failed
    return hit.sum() / (aside & failed).sum(), hit.sum() / (inside & aside).sum()


def two_boxes(seed: int = 4) -> tuple[pd.DataFrame, Any]:
    """Rows that fail, with some luck, where x > 0.7 and y > 0.5, and where z < 0.1."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(draw.random((1500, 5)), columns=["x", "y", "z", "u", "v"])
    inside = ((frame.x > 0.7) & (frame.y > 0.5)) | (frame.z < 0.1)
    failed = draw.random(len(frame)) < np.where(inside, 0.95, 0.03)
    return frame, failed


def test_coverage_and_density_on_rows_held_out_are_counted_by_hand() -> None:
    """Proves: figures of both boxes on rows held out follow from the printed limits; the split keeps the share of failures; rows in
    the first box are not counted in the second; what is held out did not move the limits."""
    frame, failed = two_boxes()
    found = discover(frame.assign(loss_musd=np.where(failed, 2.0, 1.0)), "loss_musd <= 1.5", seed=7)
    assert list(confirmed_of(found)["box"]) == [1, 2]
    for box in confirmed_of(found).itertuples():
        coverage, density = by_hand(found, frame, failed, box.box)
        assert box.held_out_coverage == pytest.approx(coverage, rel=1e-12)
        assert box.held_out_density == pytest.approx(density, rel=1e-12)
    aside = found.tables["cases"]["held_out"].to_numpy(dtype=bool)
    assert aside.sum() == found.facts["held_out_rows"] == pytest.approx(0.3 * len(frame), abs=1)
    assert failed[aside].sum() == round(0.3 * failed.sum())
    lied = np.where(aside, 1.0, np.where(failed, 2.0, 1.0))
    lied[np.flatnonzero(aside)[: failed[aside].sum()]] = 2.0  # as many failures held out, elsewhere
    again = discover(
        frame.assign(loss_musd=np.where(aside, np.where(failed, 2.0, 1.0), lied)), "loss_musd <= 1.5", seed=7
    )
    assert again.tables["limits"]["limit"].tolist() == found.tables["limits"]["limit"].tolist()


def test_categories_and_yes_or_no_are_told_in_words() -> None:
    """Proves: they are told by what they are; text of many values is left aside."""
    draw = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "loss function": draw.choice(["low", "middle", "high"], 400),
            "switch": draw.random(400) < 0.5,
            "name": [f"row {n}" for n in range(400)],
            "s": np.where(draw.random(400) < 0.5, "one", "other"),
            "a": draw.random(400),
        }
    )
    frame["y"] = ((frame["loss function"] == "high") & ~frame["switch"]).astype(float)
    found = discover(frame, "y < 1")
    fails = found.tables["boxes"].iloc[0]["fails_when"]
    assert {*fails.split(" and ")} == {"loss function is high", "switch is false"}
    assert found.tables["boxes"].iloc[0]["held_out_density"] == 1.0
    assert any("name" in note and "more than 10 values" in note for note in found.facts["notes"])
    assert "s is one" in discover(frame.assign(y=(frame["s"] == "one").astype(float)), "y < 1").summary()
    with pytest.raises(InputError, match="no column of numbers 's'"):
        discover(frame, "s <= 5")


def test_limits_are_round_numbers_between_neighbours() -> None:
    """Proves: the roundest number is told, and whatever two neighbours are, it lies strictly between them."""
    for above, below, told in ((13.8, 14.3, 14.0), (0.0612, 0.0619, 0.0615), (0.0, 1.0, 0.5), (2033.7, np.inf, 2034.0)):
        assert roundest(above, below) == pytest.approx(told, abs=1e-12)
    draw = np.random.default_rng(0)
    for scale in (1e-9, 1e-3, 1.0, 1e3, 1e9) * 5:
        low, high = np.sort(scale * draw.normal(size=2))
        assert low < roundest(low, high) < high
    assert 1.0 < roundest(1.0, np.nextafter(np.nextafter(1.0, 2), 2)) < np.nextafter(np.nextafter(1.0, 2), 2)


def test_a_latin_hypercube_has_one_point_in_every_part_of_every_range() -> None:
    """Proves: of n equal parts of each range each holds one point; the same seed gives the same points, another does not."""
    ranges = {"discount_rate": (0.02, 0.05), "budget.appropriation_musd": (100.0, 900.0), "residual": (-1.0, 1.0)}
    design = latin_hypercube(ranges, 40, seed=3)
    assert design.kind == "latin_hypercube"
    assert len(design.points) == 40
    for address, (low, high) in ranges.items():
        share = (np.array([point[address] for point in design.points]) - low) / (high - low)
        assert sorted(np.floor(40 * share).astype(int)) == list(range(40))
    assert design.points == latin_hypercube(ranges, 40, seed=3).points
    assert design.points != latin_hypercube(ranges, 40, seed=4).points


def test_a_design_refuses_what_it_cannot_draw() -> None:
    """Proves: ranges, numbers of points and seeds that are none, too many points and an unknown kind are faults."""
    pairs: tuple[Any, ...] = ((0.05, 0.02), (0.1, 0.2, 0.3), 0.1, (0.1,), ("a", "b"), (0.1, math.inf), (0, 10**400))
    asked: list[tuple[Any, Any, Any]] = [({"discount_rate": pair}, 8, 1) for pair in pairs]
    sound = {"discount_rate": (0.02, 0.05)}
    for wrong, count, seed in [*asked, ({}, 8, 1), *((sound, n, 1) for n in (1, 2.5, "2", 2**30)), (sound, 2, -1)]:
        for design_of in (latin_hypercube, lambda of, n, *, seed: sobol(of, samples=n, seed=seed)):
            with pytest.raises(FaultsError):
                design_of(wrong, count, seed=seed)
    with pytest.raises(PlanError, match=r"200,001 points; expected at most 100,000"):
        one_at_a_time({f"x{n}": (0.0, 1.0) for n in range(100_000)})
    assert latin_hypercube(sound, np.int64(4), seed=np.int64(3)).points == latin_hypercube(sound, 4, seed=3).points
    with pytest.raises(PlanError, match="kind"):
        Design("foo", ({"discount_rate": 0.1},), {})  # type: ignore[arg-type]


def borne() -> Any:
    """10 kt a year from abroad, half of which a stop of a year takes away, and 4 kt in store: nothing else can be done."""
    return imported(
        10.0,
        loss=50.0,
        stock={"a": 4.0},
        scenarios=[cut("stop", 0.5, 2028, 1, share=0.5)],
        instruments={"reserve": False},
    )


FACTOR, CUT = "demand[a/civil/*].demand_t_per_yr *", "scenarios.0.events.0.cut_share"


@cache
def swept() -> Study:
    """A Latin hypercube over demand and depth of the cut."""
    plan, data = borne()
    design = latin_hypercube({FACTOR: (0.5, 1.0), CUT: (0.1, 0.9)}, 160, seed=2)
    return sweep(plan, data, design, relax=True, gap=0.0)


@pytest.mark.long
def test_a_sweep_fails_where_paper_says_it_does() -> None:
    """Proves: with probability .5 what is missing costs 60 a kg: demand of 10 f less 10 (1 - cut) that still comes and 4 in store;
    the expected loss is 30 max(0, 10 f - 10 (1 - c) - 4). Every point is that, and the box of losses over 30 is told with the name
    of the figure as a factor of the table; points of the design are the rows."""
    found = swept()
    f, c = found.tables["points"][FACTOR], found.tables["points"][CUT]
    known = 30 * np.maximum(0.0, 10 * f - 10 * (1 - c) - 4)
    assert found.tables["points"]["expected_loss_musd"].to_numpy() == pytest.approx(known.to_numpy(), abs=1e-6)
    told = discover(found, "expected_loss_musd <= 30", boxes=1)
    assert told.facts["rows"] == 160
    assert told.facts["failures"] == int((known > 30).sum())
    box = told.tables["boxes"].iloc[0]
    assert box["confirmed"]
    assert set(told.tables["limits"]["input"]) == {FACTOR, CUT}
    assert set(told.tables["limits"]["side"]) == {"over"}
    assert "demand of a, civil is over 0." in box["fails_when"]
    assert " times the table" in box["fails_when"]
    assert box["held_out_density"] > 2 * told.facts["failures"] / 160
    assert "expected loss is at most 30 million USD" in told.summary()


@pytest.mark.long
def test_points_without_an_answer_are_told() -> None:
    """Proves: a promise in full cannot be kept where demand is large: such points are left out, and told."""
    plan, data = borne()
    plan = type(plan).model_validate(
        plan.to_toml_like()
        | {
            "scenarios": [{**plan.to_toml_like()["scenarios"][0], "design_basis": True}],
            "service_levels": [{"material": "a", "segment": "civil", "level": 1.0, "scenarios": ["stop"]}],
        }
    )
    found = sweep(plan, data, latin_hypercube({FACTOR: (0.5, 1.3), "discount_rate": (0.0, 0.1)}, 60), relax=True)
    unsolved = found.tables["points"]["objective_musd"].isna()
    assert unsolved.tolist() == (found.tables["points"][FACTOR] > 0.9).tolist()
    left = discover(found, f"do_nothing_musd <= {found.tables['points'].do_nothing_musd.median()}")
    assert left.facts["rows"] == int((~unsolved).sum())
    assert left.facts["unsolved"] == int(unsolved.sum())
    assert any("without an answer were left out" in note for note in left.facts["notes"])


@cache
def stopped() -> Result:
    """Stops of random length: a year of one costs 600 million USD, whatever is planned, until the horizon ends with 2032."""
    return solve(
        *exposed(rate=0.4, duration_law="lognormal", duration_yr_low=0.3, duration_yr_high=3.0, name="Licence stop"),
        quick=True,
    )


@cache
def stressed() -> Study:
    return stress_test(stopped(), scenarios=600, seed=5)


def test_a_stress_test_fails_where_a_stop_lasts_too_long() -> None:
    """Proves: a loss over 700 needs a stop of over 14 months that begins 14 months before the end of the horizon (2031.83) at the
    latest: both are found to the grid of the scenarios, said by the hazard's name, and hold for scenarios held out."""
    found = discover(stressed(), f"loss_musd <= {600 * LONGEST / 12}")
    happened = event_features(stressed().tables)
    long, start = happened["stop.length_months"], happened["stop.start_year"]
    latest = 2033 - LONGEST / 12
    assert found.facts["failures"] == int(((long > LONGEST) & (start < latest)).sum())
    limits = {
        (row.input, row.side): row.limit
        for row in found.tables["limits"][found.tables["limits"]["box"] == 1].itertuples()
    }
    assert set(limits) == {("stop.length_months", "over"), ("stop.start_year", "under")}
    assert long[long <= LONGEST].max() <= limits["stop.length_months", "over"] + 0.5
    assert limits["stop.length_months", "over"] == pytest.approx(LONGEST, abs=0.5)
    assert start[(long > LONGEST) & (start < latest)].max() < limits["stop.start_year", "under"]
    assert limits["stop.start_year", "under"] < start[(long > LONGEST) & (start > latest)].min() + 0.1
    said = found.tables["boxes"].iloc[0]["fails_when"]
    assert said.startswith("longest cut by Licence stop is over 1")
    assert " months and begin of Licence stop (fiscal year) is before 2031." in said
    assert found.tables["boxes"].iloc[0]["held_out_coverage"] > 0.9
    assert found.tables["boxes"].iloc[0]["held_out_density"] > 0.9
    weights = stressed().tables["scenarios"]["probability"]
    assert found.tables["boxes"].iloc[0]["failing_probability"] == pytest.approx(
        float(weights[(found.tables["cases"]["box"] == 1) & found.tables["cases"]["failed"]].sum())
    )


def test_features_are_what_the_events_say() -> None:
    """Proves: two events of which the second begins within the first: number, first start, longest cut, deepest, months of either;
    a material that none of them touches has none; a scenario without events begins never."""
    event = {"scenario": "both", "replicate": 1, "name": "", "flood_yr": 0.0, "hazard": "stop"}
    first = {"materials": "a", "start_year": 2028.0, "duration_yr": 1.0, "cut_share": 0.4}
    second = {"materials": "a b", "start_year": 2028.5, "duration_yr": 2.0, "cut_share": 0.3}
    tables = {
        "scenarios": pd.DataFrame({"scenario": ["calm", "both"], "replicate": [1, 1]}),
        "events": pd.DataFrame([event | first, event | second]),
        "materials": pd.DataFrame({"material": ["a", "b", "c"]}),
    }
    calm, both = event_features(tables).to_dict("records")
    assert both == pytest.approx(
        {
            "stop.strikes": 2.0,
            "stop.start_year": 2028.0,
            "stop.length_months": 24.0,
            "stop.cut_share": 0.4,
            "*.strikes": 2.0,
            "*.disrupted_months": 30.0,
            "a.disrupted_months": 30.0,
            "b.disrupted_months": 24.0,
            "c.disrupted_months": 0.0,
        }
    )
    assert calm == {**dict.fromkeys(both, 0.0), "stop.start_year": np.inf}


def test_events_of_a_stress_test_agree_with_its_scenarios() -> None:
    """Proves: each event of the table is told in the words of its scenario."""
    found = stressed()
    told = found.tables["scenarios"].set_index(["scenario", "replicate"])
    for event in found.tables["events"].head(50).itertuples():
        assert f"{event.name} from {event.start_year:.1f}" in told.loc[(event.scenario, event.replicate), "events"]


@pytest.mark.long
def test_questions_that_have_no_answer_are_refused(tmp_path: Path) -> None:
    """Proves: promises that are none or that part nothing, inputs that never vary, and folders that are none, are faults."""
    flat = pd.DataFrame({"x": [1.0] * 20, "half": [np.nan, 1.0] * 10, "y": [0.0, 1.0] * 10})
    kept = "expected_loss_musd <= 30"
    cases: list[tuple[Any, str, dict[str, Any], str]] = [
        (swept(), "expected_los_musd <= 30", {}, "did you mean 'expected_loss_musd'"),
        (swept(), "expected_loss_musd <= nan", {}, "a column, a sign and a number"),
        (swept(), "a:civil:0.4", {}, "a column, a sign and a number"),
        (swept(), "expected_loss_musd <= 1.2.3", {}, "a column, a sign and a number"),
        (swept(), "expected_loss_musd <= 1e9", {}, "fails in none of 160 points"),
        (swept(), "expected_loss_musd <= -1", {}, "expected_loss_musd goes from 0 to "),
        (swept(), kept, {"held_out": 0.95}, "discover  held_out"),
        (flat, "y < 1", {}, "at least one input that varies"),
        (flat.set_axis(["x", "x", "y"], axis=1), "y < 1", {}, "two columns 'x'"),
        (discover(swept(), kept), "coverage <= 1", {}, "the tables of a sweep, or of a stress test"),
        (tmp_path, "y < 1", {}, "found no study"),
    ]
    for rows, promise, options, told in cases:
        with pytest.raises(InputError) as refused:
            discover(rows, promise, **options)
        assert told in str(refused.value)


@pytest.mark.long
def test_blocks_of_a_design_are_held_out_as_a_whole(tmp_path: Path) -> None:
    """Proves: points that share values with neighbours are searched or held out together, as read from stored tables too."""
    pytest.importorskip("SALib")
    ranges = {FACTOR: (0.5, 1.0), CUT: (0.1, 0.9), "discount_rate": (0.0, 0.1)}
    plan, data = borne()
    answered = sweep(plan, data, sobol(ranges, samples=8), relax=True, gap=0.0)
    found = discover(answered, "expected_loss_musd <= 20")
    assert (found.tables["cases"].groupby(found.tables["cases"]["row"] // 5)["held_out"].nunique() == 1).all()
    assert any("blocks of 5 points" in note for note in found.facts["notes"])
    assert cases_of_study(answered.tables, answered.facts["block"]).block == 5
    assert cases_of_study(swept().tables, swept().facts["block"]).block == 1


def test_a_stored_study_is_read_as_it_was_given(tmp_path: Path) -> None:
    """Proves: from the folder of its tables the same boxes come as from the study itself."""
    for study, promise in ((stressed(), "loss_musd <= 700"), (swept(), "expected_loss_musd <= 30")):
        study.save(tmp_path / study.kind)
        given, read = (discover(rows, promise).tables for rows in (study, tmp_path / study.kind))
        assert given["limits"].drop(columns="called").equals(read["limits"].drop(columns="called"))
        pd.testing.assert_frame_equal(given["cases"], read["cases"])
