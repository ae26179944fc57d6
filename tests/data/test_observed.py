"""Disruptions as they were observed: the facts add up, events are put together, kinds are fitted."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, load_dataset, load_plan, shipped
from strategic_minerals.question import estimates
from strategic_minerals.question.base import grouped
from strategic_minerals.question.consistency import check_data
from support.observed_kinds import Course, ObservedEvent, courses, fit_kind, observed_events

PUBLISHED = {
    # profile: peak, gross, net, months known, months covered, as the compiler of the record worked them out
    "mag25_all": (0.745, 0.131, 0.0, 12, 12),
    "ge23_all": (0.84, 1.1, 1.1, 20, 26),
    "sb24_all": (0.74, 0.37, 0.37, 6, 13.5),
    "in25_usa_effective": (0.0, 0.0, 0.0, 12, 12),
    "gr23_flake": (0.87, 0.196, 0.009, 3, 3),
    "co25_all": (1.0, 1.405, 1.405, 20.3, 20.3),
}


@cache
def facts() -> Dataset:
    return load_dataset(shipped("inputs"))


def profile(name: str, *losses: float | None, months: float = 12.0, **given: Any) -> list[dict[str, Any]]:
    """Rows of a made-up profile, each of the same length."""
    common = {"profile": name, "control_event": "E14", "materials": "dy_oxide", "destination": "USA", "flow": "direct"}
    common |= {"onset": "2025-01-01", "unit": "t", "running": False, "source": "made up", "year": 2025, **given}
    return [
        {
            **common,
            "period": f"part {n}",
            "month_from": n * months,
            "month_to": (n + 1) * months,
            "loss_share": loss,
        }
        for n, loss in enumerate(losses)
    ]


def made(*profiles: list[dict[str, Any]]) -> tuple[Any, ...]:
    frame = pd.DataFrame([row for rows in profiles for row in rows])
    return Dataset.from_tables({"observed_profiles": frame}).rows("observed_profiles")


def course(*losses: float | None, **given: Any) -> Course:
    return courses(made(profile("p", *losses, **given)))[0]


def event(peak: float, width: float, kind: str = "licence", **given: Any) -> ObservedEvent:
    told = {"event": f"{peak}/{width}", "materials": ("m",), "running": False, "without_loss": None, **given}
    return ObservedEvent(kind=kind, peak=peak, width=width, **told)


# --- the facts ---------------------------------------------------------------------------------------------------


def test_year_equivalents_of_profiles_are_those_published() -> None:
    """Proves: peak, gross and net year-equivalents (buying ahead included) and months known, to the three digits printed."""
    found = {one.profile: one for one in courses(facts().rows("observed_profiles"))}
    for name, published in PUBLISHED.items():
        one = found[name]
        assert (one.peak, one.gross, one.net, *one.months) == pytest.approx(published, abs=1.1e-3), name


def test_the_record_adds_up() -> None:
    """Proves of the shipped facts: periods of a profile have a length and follow each other, its rows are of one flow, a loss is
    1 - observed/normal; quotes lie in the range that was printed."""
    alike = ("control_event", "materials", "form", "destination", "flow", "onset", "running")
    for rows in grouped(facts().rows("observed_profiles"), "profile").values():
        assert len({tuple(getattr(row, column) for column in alike) for row in rows}) == 1
        ordered = sorted(rows, key=lambda row: row.month_from)
        assert all(row.month_from < row.month_to for row in ordered)
        assert all(first.month_to <= second.month_from for first, second in pairwise(ordered))
        for row in rows:
            if row.loss_share is not None and row.normal_per_month and row.observed_per_month is not None:
                share = 1 - row.observed_per_month / row.normal_per_month
                assert row.loss_share == pytest.approx(share, rel=0.005, abs=0.005), row
    for row in facts().rows("market_quotes"):
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
    ("price_gaps", 0, "ratio", 5.0, "outside/inside (1.221)"),
]


def test_a_slip_in_the_record_is_named_where_it_stands() -> None:
    """Proves: faults of the fact tables name table, column and what was expected; no loss is of more than everything."""
    plan = load_plan(shipped("models") / "quickstart.toml")
    for table, row, column, value, expected in SLIPS:
        frame = facts().frame(table)
        frame.loc[row, column] = value
        faults = check_data(plan, facts().replace(**{table: frame}))
        mine = [fault for fault in faults if (fault.file, fault.column) == (f"{table}.csv", column)]
        assert any(expected in fault.expected for fault in mine), faults
    with pytest.raises(InputError, match="loss_share"):
        made(profile("p", 1.2))


# --- one disruption ----------------------------------------------------------------------------------------------


def test_a_disruption_is_counted_in_years_of_supply() -> None:
    """Proves: a half lost for two years is one; what came above normal counts in net alone, as gross clips every period by itself;
    unknown periods lose nothing and are counted as unknown."""
    one = course(0.5, 0.5)
    assert (one.peak, one.gross, one.net) == (0.5, 1.0, 1.0)
    one = course(1.0, -1.0, 0.04)
    assert (one.gross, one.net) == pytest.approx((1.04, 0.04))
    one = course(1.0, None)
    assert (one.gross, one.months) == (1.0, (12.0, 24.0))


def test_an_event_counts_once_whatever_was_recorded_of_it() -> None:
    """Proves: one event in five records: home before the world, forms and materials averaged, effective flows for no loss."""
    rows = made(
        profile("home", 0.4, materials="dy_oxide"),
        profile("world", 0.9, materials="dy_oxide", destination="WLD"),
        profile("apt", 0.8, materials="tungsten", destination="WLD"),
        profile("powder", 0.2, materials="tungsten", destination="WLD", running=True),
        profile("all_routes", -0.3, materials="tungsten", flow="effective"),
    )
    (found,) = observed_events(rows, {row.event: row for row in facts().rows("policy_events")}, "USA")
    assert found.materials == ("dy_oxide", "tungsten")
    assert found.peak == pytest.approx(0.4)  # sqrt(0.4*sqrt(0.8*0.2))
    assert found.gross == pytest.approx(0.4)
    assert found.running
    assert found.without_loss == 1.0


# --- kinds -------------------------------------------------------------------------------------------------------


def test_the_spread_of_a_new_event_is_that_of_the_observed_and_of_their_mean() -> None:
    """Proves: of 1/e and e the deviation is sqrt(2), that of a new event sqrt(2*(1 + 1/2))."""
    assert estimates.log_spread(math.exp(-1), math.exp(1)) == pytest.approx(math.sqrt(3.0))
    assert estimates.log_spread(0.5, 0.5, 0.5) == 0.0
    low, high = estimates.spread_low(0.2, 0.4).central, estimates.spread_high(0.2, 0.4).central
    assert low * high == pytest.approx(1.0)
    with pytest.raises(ValueError, match="two events"):
        estimates.log_spread(0.5)
    assert estimates.no_loss(2 / 3, 1).central == pytest.approx((2 / 3 + 0.5) / 2)


def test_the_fit_finds_the_law_that_events_were_drawn_from() -> None:
    """Proves: from 4000 drawn events the medians and the 5 and 95 % points come back; two per cent is sampling."""
    rng = np.random.default_rng(11)
    x, z = np.exp(0.3 * rng.standard_normal(4000)), np.exp(0.8 * rng.standard_normal(4000))
    fit = fit_kind("licence", [event(0.1 * a, 0.5 * b) for a, b in zip(x, z, strict=True)])
    assert (fit.peak, fit.width) == pytest.approx((0.1, 0.5), rel=0.04)
    assert fit.severity == pytest.approx((math.exp(-1.645 * 0.3), math.exp(1.645 * 0.3)), rel=0.04)
    assert fit.stretch == pytest.approx((math.exp(-1.645 * 0.8), math.exp(1.645 * 0.8)), rel=0.06)


def test_the_shipped_record_gives_the_points_that_hazards_of_a_kind_share() -> None:
    """Proves: 5 and 95 % points of severity and stretch and the chance of no effective loss, by kind, from the record as it is."""
    events = {row.event: row for row in facts().rows("policy_events")}
    found = observed_events(facts().rows("observed_profiles"), events, "USA")
    assert [one.event for one in found if one.kind == "embargo"] == ["E10", "E12 E13", "E21"]
    licence, embargo = fit_kind("licence", found), fit_kind("embargo", found)
    assert (*licence.severity, *licence.stretch) == pytest.approx((0.4932, 2.0275, 0.3751, 2.6659), rel=1e-3)
    assert (*embargo.severity, *embargo.stretch) == pytest.approx((1.0, 1.0, 0.1813, 5.5156), rel=1e-3)
    assert licence.no_loss is not None
    assert embargo.no_loss is not None
    assert (licence.no_loss.central, embargo.no_loss.central) == pytest.approx((5 / 12, 7 / 12))
    assert {one.event: one.without_loss for one in found if one.without_loss is not None} == pytest.approx(
        {"E10": 2 / 3, "E11": 1 / 3}
    )
