"""Disruptions as they were observed: the facts add up, and what hazards of a kind share follows from them."""

import math
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, load_plan, shipped
from strategic_minerals.question import estimates
from strategic_minerals.question.base import grouped
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.read_csv import shipped_tables

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
    for rows in grouped(shipped_tables().rows("observed_profiles"), "profile").values():
        assert len({tuple(getattr(row, column) for column in alike) for row in rows}) == 1
        ordered = sorted(rows, key=lambda row: row.month_from)
        assert all(row.month_from < row.month_to for row in ordered)
        assert all(first.month_to <= second.month_from for first, second in pairwise(ordered))
        for row in rows:
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
