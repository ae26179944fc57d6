"""Days and quarters of a backtest: a quarter is one number, four times its year plus 0 to 3."""

from __future__ import annotations

import calendar
import datetime as dt

from ..core.units import MEAN_DAYS_PER_YEAR

PER_YEAR = 4
MONTHS = 3
ONE_DAY = dt.timedelta(days=1)


def quarter_of(day: dt.date) -> int:
    """The quarter that a day lies in."""
    return PER_YEAR * day.year + (day.month - 1) // MONTHS


def first_day(quarter: int) -> dt.date:
    """The first day of a quarter."""
    return dt.date(quarter // PER_YEAR, 1 + MONTHS * (quarter % PER_YEAR), 1)


def last_day(quarter: int) -> dt.date:
    """The last day of a quarter."""
    day = first_day(quarter)
    month = day.month + MONTHS - 1
    return dt.date(day.year, month, calendar.monthrange(day.year, month)[1])


def label(quarter: int) -> str:
    """A quarter as people write it."""
    return f"{quarter // PER_YEAR}Q{1 + quarter % PER_YEAR}"


def days_within(quarter: int, begin: dt.date, end: dt.date) -> int:
    """Days of a quarter from a first to a last day, both counted."""
    return max(0, (min(end, last_day(quarter)) - max(begin, first_day(quarter))).days + 1)


def share_within(quarter: int, begin: dt.date, end: dt.date) -> float:
    """Share of a quarter's days from a first to a last day, both counted."""
    return days_within(quarter, begin, end) / days_within(quarter, first_day(quarter), last_day(quarter))


def quarters_between(begin: dt.date, end: dt.date) -> range:
    """Quarters that a span of days touches."""
    return range(quarter_of(begin), quarter_of(end) + 1)


def years_between(begin: dt.date, end: dt.date) -> float:
    """Years from one day to another."""
    return (end - begin).days / MEAN_DAYS_PER_YEAR


def middle_of(quarter: int) -> dt.date:
    """The day in the middle of a quarter, on which its purchases are taken to fall."""
    return first_day(quarter) + (last_day(quarter) - first_day(quarter)) / 2


def decimal_year(day: dt.date) -> float:
    """A day as a decimal year."""
    return day.year + (day - dt.date(day.year, 1, 1)).days / (366 if calendar.isleap(day.year) else 365)
