"""Editions of what planners keep: the fields of plans and the columns of tables, and what was called otherwise before.

A number goes up when something that a planner may have written is no longer read as it stands; a field or a column more changes
nothing. What lifts older ones is `data/migration_steps.py`.
"""

from __future__ import annotations

PLAN_FORMAT = 2
"""Edition of plan files. 1: until 27 November 2026, with `sample.worlds`."""
TABLES_FORMAT = 4
"""Edition of the tables. 1: origins of feed in columns of producers; 2: until 28 November 2026, with fiscal years in `countries`;
3: with `stock_origins.origin`."""

FORMER_FIELDS = {"sample.worlds": "sample.scenarios"}
"""Former names of a plan's fields, by their present name: both are read."""
FORMER_COLUMNS = {
    ("activities", "feed_origins"): "a row of the table feed_origins",
    ("projects", "feed_origins"): "a row of the table feed_origins",
    ("hazards", "severity_low"): "severity_p05",
    ("hazards", "severity_high"): "severity_p95",
    ("hazards", "stretch_low"): "stretch_p05",
    ("hazards", "stretch_high"): "stretch_p95",
    ("countries", "fiscal_year_month"): "a column of the table homes",
    ("countries", "us_fta"): "no column any more: nothing read it",
    ("stock_origins", "origin"): "from_country",
}
"""Former columns by table and name -> what is in their place. They are not read: `migrate` writes them anew."""


def made_by_newer(what: str, known: int) -> str:
    """What is expected in place of a format that is not known yet. what: `the plan`, `the tables`."""
    return f"at most {known}: {what} made by a newer version of strategic-minerals; this one reads up to format {known}"
