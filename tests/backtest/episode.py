"""Small episodes made in memory, with materials, years and a home country that no shipped one has."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from strategic_minerals.backtesting.tables import KINDS

NAMES = {
    "known": "Q_known.csv",
    "events": "Q_events_known.csv",
    "rolling": "Q_rolling_known.csv",
    "realised": "Q_realised.csv",
    "policy": "Q_actual_policy.csv",
    "score_inputs": "Q_score_inputs.csv",
}
Rows = list[dict[str, Any]]


def figures(material: str, statistic: str, values: Mapping[int, float], **more: Any) -> Rows:
    """Rows of one yearly series of the home country."""
    base = {
        "table_target": "minerals",
        "mineral": material,
        "material": material,
        "form": statistic,
        "statistic": statistic,
        "country": "JPN",
        "unit": "t",
        "edition": "Y2008",
        "published": "2008-06-20",
        "gate": "strict",
        "available_from": "2008-06-20",
    }
    return [{**base, "period": str(year), "value": value, **more} for year, value in values.items()]


def output(material: str, by_country: Mapping[str, float], year: int = 2007, **more: Any) -> Rows:
    """World output of a year by country."""
    return [
        row
        for code, tonnes in by_country.items()
        for row in figures(material, "world_production", {year: tonnes}, country=code, **more)
    ]


YEARS = range(2003, 2008)


def episode() -> dict[str, Rows]:
    """Two materials of a restricting country, one without a control, one that cannot be planned; gaps; no rolling rows, no policy.

    Frozen on 2008-06-30, played to 2011-06-30. Zink: 1,000 t a year, all imported, three quarters from Chile, at 10 USD/kg.
    """
    known: Rows = []
    for name, use, price, origin in (
        ("zink", 1000.0, 10.0, "CHL"),
        ("brom", 500.0, 4.0, "CHL"),
        ("talk", 800.0, 1.0, "ZAF"),
    ):
        known += figures(name, "consumption", dict.fromkeys(YEARS, use))
        known += figures(name, "price", {year: price * (1 + 0.05 * (year % 2)) for year in YEARS} | {2007: price})
        known += figures(name, "net_import_reliance_pct", dict.fromkeys(YEARS, 100.0))
        known += output(name, {origin: 75_000.0, "NOR": 25_000.0})
    known += figures("jod", "price", dict.fromkeys(YEARS, 20.0))
    known += figures("brom", "consumption", {2008: 500.0}, gate="vintage", edition="Y2009", available_from="2008-08-15")
    events: Rows = [
        {
            "kind": "event",
            "event": "e1",
            "effective": "2001-01-01",
            "end": "2003-01-01",
            "country": "CHL",
            "minerals": "zink",
            "took_effect": "true",
            "export_cut_share": 0.8,
            "count_in_hazard": "true",
            "available_from": "2001-01-01",
        },
        *(
            {
                "kind": "count",
                "event": f"c_{name}",
                "country": "CHL",
                "minerals": name,
                "observed_effect": f"{starts} starts in 20 years",
                "count_in_hazard": "yes",
                "rate_per_yr": (starts + 0.5) / 20,
                "available_from": "2008-06-30",
            }
            for name, starts in (("zink", 3), ("brom", 1))
        ),
        {
            "kind": "count",
            "event": "c_pooled",
            "instrument": "starts, pooled",
            "country": "CHL",
            "observed_effect": "4 starts in 60 material-years",
            "rate_per_yr": 4.5 / 60,
            "available_from": "2008-06-30",
        },
    ]
    realised: Rows = [
        {
            "material": "zink",
            "mineral": "zink",
            "metric": "tonnes lost to the control (attributed)",
            "market": "JPN",
            "period_start": "2009-07-01",
            "period_end": "2010-06-30",
            "value": 400,
            "value_low": 200,
            "value_high": 600,
        },
        {
            "material": "zink",
            "mineral": "zink",
            "metric": "control: licence",
            "market": "CHL > world",
            "period_start": "2009-05-10",
            "available_from": "2009-05-10",
        },
        {
            "material": "zink",
            "mineral": "zink",
            "metric": "price",
            "market": "JPN",
            "frequency": "annual",
            "period_start": "2008-01-01",
            "period_end": "2008-12-31",
            "value": 12,
            "unit": "USD/kg",
            "available_from": "2009-06-20",
        },
        {"material": "brom", "metric": "price", "period_end": "2011-06-30", "frequency": "gap", "confidence": "gap"},
    ]
    for name, share in (("zink", 0.6), ("talk", 0.9)):
        realised += [
            {
                "material": name,
                "mineral": name,
                "metric": "availability share of normal (annual)",
                "market": "JPN",
                "period_start": f"{year}-01-01",
                "period_end": f"{year}-12-31",
                "frequency": "annual",
                "value": share,
            }
            for year in (2009, 2010)
        ]
    scores: Rows = [
        {
            "material": "zink",
            "normal_t_per_yr": 1000,
            "price_freeze_usd_per_kg": 10,
            "price_y1": 12,
            "price_y2": 20,
            "price_y3": 30,
            "price_end_usd_per_kg": 25,
            "price_end_low": 20,
            "price_end_high": 30,
            "price_peak_usd_per_kg": 40,
            "peak_date": "2010-05",
            "control_in_force": "2009-05-10",
            "outcome_3yr": 1,
            "loss_t_attributed": 400,
            "loss_t_low": 200,
            "loss_t_high": 600,
        },
        {
            "material": "talk",
            "normal_t_per_yr": 800,
            "price_freeze_usd_per_kg": 1,
            "price_y1": 1,
            "price_y2": 1,
            "price_y3": 1,
            "price_end_usd_per_kg": 1,
            "outcome_3yr": 0,
            "loss_t_attributed": 0,
            "loss_t_low": 0,
            "loss_t_high": 0,
        },
        {"material": "brom", "normal_t_per_yr": 500, "price_freeze_usd_per_kg": 4, "outcome_3yr": 0},
    ]
    return {"known": known, "events": events, "realised": realised, "score_inputs": scores}


def write(folder: Path, tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> Path:
    """The files of an episode."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, rows in tables.items():
        columns = list(KINDS[kind].row.model_fields)
        with (folder / NAMES[kind]).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return folder


QUICK = {"sampling": {"scenarios": 12, "draws": 60, "outlook": 60}, "budgets_musd": [3.0]}
"""Settings of a quick run."""
