"""Interpret text or a date as the year it was meant to be: fiscal years, months, quarters, dates of spreadsheets."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any, Literal

from .letter_hints import digits_seen
from .number_hints import DASHES, MONTH, PERCENT, SPACES, number_hint

YearKind = Literal["", "whole", "decimal"]
"""Whether a field holds no year, a whole one, or one with a fraction."""

LONGEST = 40
"""Characters of a text in which a year is looked for."""
FIRST, LAST = 1900, 2200
CENTURY, LATEST_SHORT = 2000, 99
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
OTHER_MONTHS = {"mai": 5, "okt": 10, "dez": 12, "m\u00e4r": 3}
SPREADSHEETS_DAY = datetime.date(1899, 12, 30)
"""Day 0 of a spreadsheet's calendar: a year in a cell that is formatted as a date becomes a day of 1905."""
YEAR = r"(?P<year>(?:19|20|21)\d\d)"
SHORT_OR_LONG = r"'?(?P<year>(?:19|20|21)\d\d|\d\d)"
NAMED_MONTH = rf"(?P<month>{MONTH}|m\u00e4r[a-z]*\.?)"
FISCAL = r"(?:f\.?\s?y\.?e?|c\.?y\.?|(?:fiscal|financial|calendar|budget)(?:\s+year)?|year)"
FLAGS = re.ASCII | re.IGNORECASE
FISCAL_YEAR = re.compile(rf"(?:{FISCAL})\s*-?\s*{SHORT_OR_LONG}(?:\s*[/-]\s*(?P<next>\d\d(?:\d\d)?))?", FLAGS)
FISCAL_BEHIND = re.compile(rf"{YEAR}\s*{FISCAL}", FLAGS)
TWO_YEARS = re.compile(rf"{YEAR}\s*[/-]\s*(?P<next>\d\d(?:\d\d)?)", FLAGS)
MONTH_OF = (
    re.compile(rf"{YEAR}\s*[-/]\s*(?P<month>\d\d?)", FLAGS),
    re.compile(rf"(?P<month>\d\d?)\s*[-/.]\s*{YEAR}", FLAGS),
    re.compile(rf"{NAMED_MONTH}\s*[-/., ]?\s*{SHORT_OR_LONG}", FLAGS),
    re.compile(rf"{YEAR}\s*[-/., ]?\s*{NAMED_MONTH}", FLAGS),
    re.compile(rf"(?P<day>\d\d?)(?:st|nd|rd|th|\.)?\s*[-/. ]?\s*{NAMED_MONTH}\s*[-/., ]?\s*{SHORT_OR_LONG}", FLAGS),
    re.compile(rf"{NAMED_MONTH}\s*(?P<day>\d\d?)(?:st|nd|rd|th)?,?\s+{YEAR}", FLAGS),
)
DAY_OF = re.compile(r"(?P<year>\d{4})[-/](?P<month>\d\d?)[-/](?P<day>\d\d?)(?:[T ].*)?", FLAGS)
EITHER_DAY = re.compile(rf"(?P<one>\d\d?)[./-](?P<other>\d\d?)[./-]{SHORT_OR_LONG}", FLAGS)
PART_OF = re.compile(
    r"(?:(?:FY\s*)?(?P<before>(?:19|20|21)\d\d)[ /-]*)?(?P<part>[QH])\s*(?P<number>[1-4])(?:[ /-]*(?:of\s+)?(?:FY\s*)?"
    r"(?P<behind>(?:19|20|21)\d\d))?",
    FLAGS,
)
ABOUT = re.compile(
    rf"(?P<when>early|start|beginning|mid(?:dle)?|late|end)(?:[ -]*(?:of|in))?[ -]*(?:FY\s*)?{YEAR}", FLAGS
)
PLAIN = re.compile(rf"{YEAR}(?P<rest>[.,]\d*)?", FLAGS)
GROUPED = re.compile(r"[12][., ']\d{3}", FLAGS)
FROM_JANUARY = ", if the fiscal year begins in January"
MADE_A_DATE = re.compile(rf"{MONTH}-\d\d", FLAGS)
"""How a spreadsheet shows what it takes for a month."""


def figure_hint(text: str, column: str, years: YearKind) -> str:
    """As `number_hint`, of a field that may hold a year."""
    if years and PERCENT.fullmatch(text.strip()):
        return "a year such as 2027, not a percentage"
    return (year_hint(text, years) if years else "") or number_hint(text, column)


def year_hint(value: Any, years: YearKind) -> str:
    """What year to write in place of a value that is none, in words; empty where none is near, or the value is one already."""
    if isinstance(value, datetime.date):
        return _of_day(value.year, value.month, value.day, years)
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return _of_number(value, years)
    said = DASHES.sub("-", SPACES.sub(" ", value)).strip(" \t\"'\u2018\u2019") if isinstance(value, str) else ""
    return next((found for rule in RULES if (found := rule(said, years))), "") if 0 < len(said) <= LONGEST else ""


def year_list(entries: Sequence[Any], years: YearKind) -> str:
    """A list of years in place of one of texts or dates that mean years; empty where one of them means none."""
    meant = [re.match(r"\d{4}(\.\d+)?", year_hint(entry, years) or _figure(entry)) for entry in entries]
    found = [figure[0] for figure in meant if figure]
    return f"a list: [{', '.join(found)}]" if found and len(found) == len(entries) <= MOST_LISTED else ""


def _figure(entry: Any) -> str:
    """An entry as text; empty for a number that is no year by far, whose digits may be too many to be written."""
    return "" if isinstance(entry, int) and abs(entry) > NO_YEAR else str(entry)


MOST_LISTED = 60
NO_YEAR = 10**9


def _of_number(value: float, years: YearKind) -> str:
    """A year of two figures, with a fraction where none belongs, or as a spreadsheet counts days."""
    if 0 <= value <= LATEST_SHORT and value == int(value):
        return f"{CENTURY + int(value)}, with four digits"
    if FIRST <= value <= LAST:
        return f"{int(value)}: this must be a full year" if years == "whole" and value != int(value) else ""
    first, last = ((datetime.date(year, 1, 1) - SPREADSHEETS_DAY).days for year in (FIRST + 50, LAST))
    if not first <= value < last:
        return ""
    day = SPREADSHEETS_DAY + datetime.timedelta(days=int(value))
    return f"{_fraction(day.year, day.month, day.day, years)}, if it is a spreadsheet's number for the date {day}"


def _fiscal(said: str, years: YearKind) -> str:
    """FY27, FY2027, FY2027/28, 2027/28."""
    found = FISCAL_YEAR.fullmatch(said) or FISCAL_BEHIND.fullmatch(said) or TWO_YEARS.fullmatch(said)
    if not found:
        return ""
    first, following = _four_figures(found["year"]), found.groupdict().get("next")
    if following and int(following) % 100 != (first + 1) % 100:
        return ""  # a month, or a span of years
    if following:
        return f"{first}: one year, the first"
    middle = f" ({first}.5 is the middle of it)" if years == "decimal" else ""
    return f"{first} alone{middle}"


def _dated(said: str, years: YearKind) -> str:
    """A day: 2028-10-15, 15.10.2028, 10/15/28."""
    found = DAY_OF.fullmatch(said)
    if found:
        return _of_day(int(found["year"]), int(found["month"]), int(found["day"]), years)
    found = EITHER_DAY.fullmatch(said)
    if not found:
        return ""
    year, one, other = _four_figures(found["year"]), int(found["one"]), int(found["other"])
    days = [(m, d) for m, d in dict.fromkeys([(other, one), (one, other)]) if _day(year, m, d)]
    if not days:
        return ""
    meant = dict.fromkeys(_fraction(year, month, day, years) for month, day in days)
    which = ", depending on which number is the month" if len(meant) > 1 else ""
    return f"{' or '.join(meant)}{which}{_counted(years)}: a year, not a date"


def _of_day(year: int, month: int, day: int, years: YearKind) -> str:
    there = _day(year, month, day)
    if not there:
        return ""
    serial = (there - SPREADSHEETS_DAY).days
    if FIRST <= serial <= LAST:
        return f"{serial}: the cell is formatted as a date; format it as a number"
    if not FIRST <= year <= LAST:
        return ""
    alone = " alone" if years == "whole" else ""
    return f"{_fraction(year, month, day, years)}{alone}{_counted(years)}: a year, not a date"


def _month(said: str, years: YearKind) -> str:
    """2028-10, 10/2028, Oct 2028, October 15, 2028."""
    for pattern in MONTH_OF:
        found = pattern.fullmatch(said)
        if not found:
            continue
        parts = found.groupdict()
        year, month, day = _four_figures(parts["year"]), _number_of(parts["month"]), int(parts.get("day") or 1)
        if not _day(year, month, day):
            continue
        made = (
            "; if something else was typed, the spreadsheet has turned it into a date"
            if MADE_A_DATE.fullmatch(said)
            else ""
        )
        alone = " alone, without the month" if years == "whole" else ""
        return f"{_fraction(year, month, day, years)}{alone}{_counted(years)}{made}"
    return ""


def _part(said: str, years: YearKind) -> str:
    """Q3 2028, 2028H2, mid-2028, end of 2028."""
    found = PART_OF.fullmatch(said)
    if found and bool(found["before"]) != bool(found["behind"]):
        year, parts = int(found["before"] or found["behind"]), 4 if found["part"] in "Qq" else 2
        if int(found["number"]) > parts:
            return ""
        begins = year + (int(found["number"]) - 1) / parts
        return f"{year} alone" if years == "whole" else f"{begins:.6g}: the year as a decimal number"
    about = ABOUT.fullmatch(said)
    if not about:
        return ""
    year, when = int(about["year"]), about["when"].lower()
    if years == "whole":
        return f"{year} alone"
    if when in ("late", "end"):
        return f"{year}.75 for its last quarter, {year + 1} for its end"
    return f"{year}.5" if when.startswith("mid") else f"{year}"


def _written_otherwise(said: str, years: YearKind) -> str:
    """2028.5 where years are whole, 2028,5, 2,028, 27, 2O28."""
    found = PLAIN.fullmatch(said)
    if found and (found["rest"] or "").strip(".,0"):
        if years == "whole":
            return f"{found['year']}: this must be a full year"
        return f"{said.replace(',', '.')}, with a decimal point" if "," in said else ""
    if found and found["rest"]:
        return f"{found['year']} alone"
    if GROUPED.fullmatch(said) and FIRST <= int(re.sub(r"\D", "", said)) <= LAST:
        return f"{re.sub(r'[^0-9]', '', said)}, without separators of thousands"
    if re.fullmatch(r"\d\d", said, re.ASCII):
        return f"{_four_figures(said)}, with four digits"
    seen = digits_seen(said)
    return year_hint(seen, years) if seen != said and not PLAIN.fullmatch(seen) and seen.isascii() else ""


def _counted(years: YearKind) -> str:
    return FROM_JANUARY if years == "decimal" else ""


def _four_figures(year: str) -> int:
    return int(year) + (CENTURY if len(year) == 2 else 0)


def _number_of(month: str) -> int:
    """1 to 12 of a month by number or by name; 0 for anything else."""
    if month.isdigit():
        return int(month)
    begin = month[:3].lower()
    return MONTHS.index(begin) + 1 if begin in MONTHS else OTHER_MONTHS.get(begin, 0)


def _day(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def _fraction(year: int, month: int, day: int, years: YearKind) -> str:
    """A day of the calendar as a year: the first of a month by twelfths, any other by days."""
    if years == "whole":
        return str(year)
    if day == 1:
        return f"{round(year + (month - 1) / 12, 4):.8g}"
    length = (datetime.date(year + 1, 1, 1) - datetime.date(year, 1, 1)).days
    over = (datetime.date(year, month, day) - datetime.date(year, 1, 1)).days
    return f"{round(year + over / length, 4):.8g}"


RULES = (_fiscal, _dated, _month, _part, _written_otherwise)
"""Ways to read a year, the surest first."""
