"""From rows to facts, hazards and forecasts: each rule by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from episode import QUICK, episode, figures, output, write

from strategic_minerals import check
from strategic_minerals.backtesting.acts import Answer, BookMarket, state_of, terms_of
from strategic_minerals.backtesting.calibration import counted, pinball
from strategic_minerals.backtesting.facts import Known, country_of, read_known
from strategic_minerals.backtesting.forecasts import control_probabilities
from strategic_minerals.backtesting.gate import write_gated
from strategic_minerals.backtesting.hazards import controls_on, in_force, is_named, rates, severity
from strategic_minerals.backtesting.question import State, depth_of, haircut_of, holding_of, question
from strategic_minerals.backtesting.settings import Run, Settings, load_settings
from strategic_minerals.backtesting.timeline import quarter_of

STRICT = Run(name="strict", first="strict")
FREEZE = dt.date(2008, 6, 30)


def known_of(
    tmp_path: Path,
    rows: list[dict[str, Any]],
    *,
    day: dt.date = FREEZE,
    more: dict[str, Any] | None = None,
    **changes: Any,
) -> tuple[Known, Settings]:
    """Facts of an episode with these rows of what was known (and more tables) on a day."""
    tables = episode() | {"known": rows} | (more or {})
    folder = write(tmp_path / "e", tables)
    settings, _ = load_settings(folder, {**QUICK, "home": "JPN", **changes})
    write_gated(folder, tmp_path / "g", day, STRICT, replan=day > FREEZE)
    return read_known(tmp_path / "g", settings, day), settings


def test_use_is_apparent_consumption_of_the_last_years_and_later_prints_count(tmp_path: Path) -> None:
    rows = [
        *figures("zink", "consumption", {2002: 1.0, 2003: 90.0, 2004: 110.0}, form="Reported"),
        *figures("zink", "consumption", {2002: 1.0, 2003: 100.0, 2004: 120.0}, form="Apparent"),
        *figures("zink", "consumption", {2004: 140.0}, form="Apprnt_t", edition="Y2007", available_from="2008-06-25"),
    ]
    known, _ = known_of(tmp_path, rows, recent_years=2)
    facts = known.materials["zink"]
    assert facts.use == {2002: 1, 2003: 100, 2004: 140}
    assert facts.normal_t == 120
    assert facts.use_cv == pytest.approx(20 / 120)
    assert "no price" in facts.unplanned


def test_withheld_use_is_output_and_imports_less_exports(tmp_path: Path) -> None:
    rows = [
        *figures("zink", "imports", {2006: 50.0, 2007: 60.0}, form="ore"),
        *figures("zink", "imports", {2006: 10.0, 2007: 10.0}, form="metal"),
        *figures("zink", "exports", {2006: 20.0, 2007: 30.0}),
        *figures("zink", "production", {2007: 5.0}),
    ]
    facts = known_of(tmp_path, rows)[0].materials["zink"]
    assert facts.use == {2006: 40, 2007: 45}
    assert facts.use_basis == "output + imports - exports"


def test_a_total_is_not_counted_twice(tmp_path: Path) -> None:
    rows = [
        *figures("zink", "imports", {2007: 4.0}, form="ore"),
        *figures("zink", "imports", {2007: 10.0}, form="Total"),
    ]
    assert known_of(tmp_path, rows)[0].materials["zink"].use == {2007: 10}


def test_reliance_is_a_mean_and_a_bound_is_midway_to_all(tmp_path: Path) -> None:
    rows = [
        *figures("zink", "net_import_reliance_pct", {2006: 60.0}),
        *figures("zink", "net_import_reliance_pct", {2007: 50.0}, flag=">"),
    ]
    assert known_of(tmp_path, rows)[0].materials["zink"].reliance == pytest.approx((0.6 + 0.75) / 2)


def test_a_factor_turns_what_is_printed_into_the_material(tmp_path: Path) -> None:
    factor = {"material": "zink", "statistics": ["consumption"], "factor": 5.0, "reason": "content"}
    rows = figures("zink", "consumption", {2007: 10.0})
    assert known_of(tmp_path, rows, factors=[factor])[0].materials["zink"].normal_t == 50


SHARES = [
    *figures("zink", "import_share_pct", {2007: 60.0}, form="metal", country="CHL"),
    *figures("zink", "import_share_pct", {2007: 20.0}, form="metal", country="NOR"),
    *figures("zink", "import_share_pct", {2007: 100.0}, form="ore", country="CHL"),
]
ORDER = figures("zink", "major_import_sources_in_order", {2007: ""}, flag="Chile, Norway, Republic of Korea")
OUTPUT = output("zink", {"CHL": 60.0, "JPN": 20.0, "WLD": 100.0})


@pytest.mark.parametrize(
    ("rows", "shares", "basis"),
    [
        (SHARES + ORDER + OUTPUT, {"CHL": 0.8, "NOR": 0.1, "OTH": 0.1}, "shares of imports"),
        (ORDER + OUTPUT, {"CHL": 6 / 11, "NOR": 3 / 11, "KOR": 2 / 11}, "order of origins"),
        (OUTPUT, {"CHL": 0.75, "OTH": 0.25}, "world output"),
    ],
)
def test_origins_are_shares_else_an_order_else_output_elsewhere(
    tmp_path: Path, rows: list[dict[str, Any]], shares: dict[str, float], basis: str
) -> None:
    facts = known_of(tmp_path, rows)[0].materials["zink"]
    assert facts.shares == pytest.approx(shares)
    assert facts.share_basis == basis
    if rows[-1] in OUTPUT:
        assert facts.world_t == 100
        assert facts.output_shares == pytest.approx({"CHL": 0.6, "JPN": 0.2, "OTH": 0.2})


def test_the_price_is_the_first_series_of_the_latest_year_or_the_one_that_is_named(tmp_path: Path) -> None:
    rows = [
        *figures("zink", "price", {2005: 1.0, 2006: 1.0}, form="Old_d"),
        *figures("zink", "price", {2006: 8.0, 2007: 12.0}, form="High-grade_d"),
        *figures("zink", "price", {2006: 4.0, 2007: 6.0}, form="Low-grade_d"),
    ]
    assert known_of(tmp_path / "a", rows)[0].materials["zink"].price == 12
    named = [{"material": "zink", "form": "low grade", "reason": "traded"}]
    facts = known_of(tmp_path / "b", rows, series=named)[0].materials["zink"]
    assert (facts.price, facts.price_cv) == (6, pytest.approx(0.2))


def test_a_material_that_cannot_be_planned_has_every_reason_told(tmp_path: Path) -> None:
    rows = [*figures("odd name", "price", {2007: 0.0}), *figures("odd name", "consumption", {2007: 0.0})]
    said = known_of(tmp_path, rows)[0].materials["odd name"].unplanned
    assert len(said.split("; ")) == 4
    for part in ("other signs", "use is not above zero", "price is not above zero", "no origins"):
        assert part in said


def test_names_of_countries_are_read_as_sources_write_them() -> None:
    odd: set[str] = set()
    said = ["NOR", "Norway", "Korea, Republic ofe", "Republic of Korea", "Russiae", "Other countries4", "Atlantis"]
    assert [country_of(name, odd) for name in said] == ["NOR", "NOR", "KOR", "KOR", "RUS", "OTH", "OTH"]
    assert odd == {"Atlantis"}


# --- hazards ------------------------------------------------------------------------------------------------------------------


def test_rates_are_posteriors_of_counts_and_later_starts_count(tmp_path: Path) -> None:
    """Proves: 3 starts in 20 years give 3.5/20; a control known 1.6 years after the freeze makes it 4.5/21.6. A country that
    restricts has the pooled rate for a material without a row of its own; one without a record has none."""
    known, settings = known_of(tmp_path / "a", episode()["known"])
    assert rates(known, settings, FREEZE) == {
        "zink": {"CHL": pytest.approx(3.5 / 20)},
        "brom": {"CHL": pytest.approx(1.5 / 20)},
        "jod": {"CHL": pytest.approx(4.5 / 60)},  # of which nobody knows who supplies it
    }
    rows = [*episode()["known"], *output("talk", {"CHL": 10.0, "ZAF": 90.0}, edition="Y2010")]
    day = dt.date(2010, 1, 31)
    later, settings = known_of(tmp_path / "b", rows, day=day)
    found = rates(later, settings, day)
    years = (day - FREEZE).days / 365.25
    assert found["zink"]["CHL"] == pytest.approx(4.5 / (20 + years), rel=1e-3)
    assert set(found["talk"]) == {"CHL"}
    assert found["talk"]["CHL"] == pytest.approx(0.5 / (0.5 / (4.5 / 60) + years), rel=1e-3)


def test_cut_and_length_are_pooled_over_severe_events(tmp_path: Path) -> None:
    def event(name: str, cut: float, begin: str, end: str, **more: str) -> dict[str, Any]:
        base = {
            "kind": "event",
            "country": "CHL",
            "took_effect": "true",
            "count_in_hazard": "true",
            "available_from": begin,
        }
        return base | {"event": name, "export_cut_share": cut, "effective": begin, "end": end} | more

    events = [
        event("a", 0.5, "2001-01-01", "2002-01-01"),
        event("b", 0.9, "2006-06-30", ""),
        event("small", 0.1, "2001-01-01", "2001-02-01"),
        event("threat", 1.0, "2001-01-01", "2001-02-01", took_effect="false"),
        event("chronic", 1.0, "2001-01-01", "2001-02-01", count_in_hazard="false (chronic)"),
    ]
    known, settings = known_of(
        tmp_path, episode()["known"], more={"events": events}, freeze="2008-06-30", vintage_day="2008-06-30"
    )
    found = severity(known, settings, FREEZE)
    assert (found.cut, found.cut_low, found.cut_high, found.events) == (0.7, 0.5, 0.9, 2)
    assert found.duration_yr == pytest.approx(3.0, rel=1e-2)


def test_without_severe_events_the_estimates_stand(tmp_path: Path) -> None:
    counts = [row for row in episode()["events"] if row["kind"] == "count"]
    known, settings = known_of(tmp_path, episode()["known"], more={"events": counts})
    found = severity(known, settings, FREEZE)
    assert (found.cut, found.duration_yr, found.events) == (0.5, 1.0, 0)


def test_a_control_that_is_known_is_in_force_and_certain(tmp_path: Path) -> None:
    day = dt.date(2010, 1, 31)
    known, settings = known_of(tmp_path, episode()["known"], day=day)
    (control,) = in_force(known, settings, day)
    assert (control.country, control.material, str(control.since)) == ("CHL", "zink", "2009-05-10")
    chances = {row["material"]: row["probability"] for row in control_probabilities(known, settings, day)}
    assert chances["zink"] == 1
    assert 0 < chances["brom"] < 0.3
    assert chances["talk"] == 0


def test_controls_that_bind_others_or_never_took_effect_hold_nothing_back(tmp_path: Path) -> None:
    day = dt.date(2010, 1, 31)
    base = {"material": "zink", "metric": "control: ban", "period_start": "2009-05-10", "available_from": "2009-05-10"}
    rows = [
        base | {"market": "CHL > world"},
        base | {"market": "CHL > JPN"},
        base | {"market": "CHL > Peru military"},
        base | {"market": "JPN > world"},
        base | {"market": "CHL > world", "metric": "control: suspension of ban"},
        base | {"market": "CHL > world", "period_end": "2009-05-01"},
        base | {"market": "CHL > world", "material": "brom"},
    ]
    known, settings = known_of(
        tmp_path,
        episode()["known"],
        day=day,
        more={"realised": [*rows, {"material": "x", "metric": "y", "period_end": "2011-06-30"}]},
    )
    assert len(known.controls) == 7
    assert [row.market for row in controls_on(known.controls, known.materials["zink"], settings.home)] == [
        "CHL > world",
        "CHL > JPN",
    ]


def test_a_text_names_a_material_by_its_words_or_its_mineral(tmp_path: Path) -> None:
    rows = figures("y_oxide", "price", {2007: 1.0}, mineral="rare_earths")
    facts = known_of(tmp_path, rows)[0].materials["y_oxide"]
    assert is_named(facts, "rare_earth group (Dy, Y oxide)")
    assert is_named(facts, "La oxide, Y oxide")
    assert not is_named(facts, "dy_oxide")
    assert not is_named(facts, "other earths")


# --- the question and the books -----------------------------------------------------------------------------------------------


def test_the_question_is_an_ordinary_one_without_faults(tmp_path: Path) -> None:
    known, settings = known_of(tmp_path, episode()["known"])
    state = State(FREEZE, quarter_of(dt.date(2008, 7, 1)), quarter_of(dt.date(2011, 4, 1)), 6.0, {"zink": 5.0}, True)
    plan, data = question(known, settings, state)
    assert plan.materials == ("zink", "brom", "talk")
    assert plan.budget.appropriation_musd == {2008: 2, 2009: 2, 2010: 2, 2011: 0}
    report = check(plan, data)
    assert not report.faults
    assert {row.hazard for row in data.rows("hazards")} == {"CHL_zink", "CHL_brom"}
    assert [row.opening_t for row in data.rows("stock")] == [5]
    assert (state.quarter("2008.1"), state.quarter("2011.4")) == (state.first_quarter, state.last_quarter)
    zink = known.materials["zink"]
    assert depth_of(zink, settings.estimates).t_per_yr == pytest.approx((100, 200, 300))
    assert depth_of(zink, settings.estimates).premium == pytest.approx((0.05, 0.15, 0.45))
    assert haircut_of(0.5, settings.estimates) == pytest.approx(0.15)
    assert holding_of(10.0, settings.estimates) == pytest.approx(0.0106)


def test_books_rest_on_prices_that_are_out_and_on_no_release(tmp_path: Path) -> None:
    """Proves: a re-plan is told tonnes at the last known price, what is left of the money, and nothing of the tonnes released."""
    day = dt.date(2010, 1, 31)
    known, settings = known_of(tmp_path, episode()["known"], day=day)
    acts = [
        {"material": "zink", "quarter": f"{year}Q{n}", "musd": 0.1} for year in (2008, 2009, 2010) for n in (1, 2, 3, 4)
    ]
    told = {
        "material": "zink",
        "planned": True,
        "depth_t_per_yr": [1000.0],
        "premium_share": [0.0],
        "haircut_share": 0.1,
        "holding_share_per_yr": 0.01,
        "output_shares": {},
        "shares": {"CHL": 0.5},
    }
    answer = Answer(FREEZE, {"purchases": acts, "sales": [], "materials": [told]})
    state = state_of([answer], known, day, settings, 1.0)
    bought = 2 + 4 + 31 / 90
    assert BookMarket(known, day, "JPN").price("zink", quarter_of(day)) == 10
    assert state.money_musd == pytest.approx(1 - 0.1 * bought)
    assert state.stock_t == {"zink": pytest.approx(10 * bought)}
    assert state.may_sell
    assert terms_of([answer])["zink"].shares == {"CHL": 0.5}
    assert BookMarket(known, day, "JPN").closed("zink", quarter_of(day), terms_of([answer])["zink"]) == pytest.approx(
        0.5 * 31 / 90
    )
    first = state_of([], known, FREEZE, settings, 1.0)
    assert (first.money_musd, first.stock_t, first.may_sell) == (1.0, {}, False)


def test_calibration_counts_three_ways_and_pinball_is_the_quantile_loss() -> None:
    assert pinball(1.0, 3.0, 0.95) == pytest.approx(1.9)
    assert pinball(3.0, 1.0, 0.95) == pytest.approx(0.1)
    row = {"quantity": "price", "central_inside": True, "band_inside": False, "band_overlaps": True}
    row |= {"pinball_p05": 1.0, "pinball_p50": 2.0, "pinball_p95": 3.0}
    (found,) = counted([row] * 20)
    assert (found["central_inside"], found["band_inside"], found["band_overlaps"]) == (20, 0, 20)
    assert (found["expected_low"], found["expected_high"]) == (16, 20)
