"""Interpret text as the number it was meant to be: thousands separators, decimal commas, percent signs, units, dates."""

from __future__ import annotations

import math
import re

from .letter_hints import digits_seen, letters_for_digits

SPACES = re.compile("[\u00a0\u2007\u2009\u202f]")
"""Spaces that are none of the keyboard's."""
DASHES = re.compile("[\u2010-\u2015\u2212]")
PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
DECIMAL_COMMA = re.compile(r"([-+]?)(0,\d+|\d+,(?:\d{1,2}|\d{4,}))", re.ASCII)
THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:([ ,.'\u2019])\d{3})(?:\1\d{3})*(?:[.,]\d+)?", re.ASCII)
UNDERSCORES = re.compile(r"[-+]?[\d_]*\d_\d[\d_]*(\.[\d_]*)?([eE][-+]?[\d_]+)?", re.ASCII)
PERCENT = re.compile(r"(?P<figure>\S+?)\s*(%|\u2030|percent|per cent|pct\.?)", re.IGNORECASE)
ABOUT = re.compile(
    r"(~|\u2248|<=?|>=?|\u2264|\u2265|c\.|ca\.?|circa|approx\.?|about|around|est\.?|up to|over)\s*(?P<figure>.+)",
    re.IGNORECASE,
)
SPAN = re.compile(r"(?P<low>\d[\d.]*)\s*(-|to|\.\.\.?|bis)\s*(?P<high>\d[\d.]*)", re.ASCII)
SCALED = re.compile(r"(?P<figure>[-+]?[\d.]+)\s*(?P<word>k|kt|m|mn|mio|bn|thousand|million|billion)\.?", re.IGNORECASE)
SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
WITH_UNIT = re.compile(
    r"(?P<before>[^\d.\s+=-]*)\s*(?P<figure>[-+]?\d[\d.,]*(?:[eE][-+]?\d+)?)\s*(?P<after>[^\d\s]\D*)?", re.ASCII
)
MONTH = r"(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sept?|oct|okt|nov|dec|dez)[a-z]*\.?"
SHORT_DATE = re.compile(rf"\d{{1,2}}[-./ ]{MONTH}|{MONTH}[-./ ]\d{{2,4}}", re.ASCII | re.IGNORECASE)
DATE = re.compile(
    rf"\d{{1,2}}[-./ ]{MONTH}[-./ ]\d{{2,4}}|\d{{4}}-\d{{2}}-\d{{2}}([T ].*)?|\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}",
    re.ASCII | re.IGNORECASE,
)
TWO_YEARS = re.compile(r"((?:19|20|21)\d\d)[/-](?:\d\d|(?:19|20|21)\d\d)", re.ASCII)
FRACTION = re.compile(r"(\d+)\s*/\s*(\d+)", re.ASCII)
ACCOUNTING = re.compile(r"\((?P<figure>[\d.,]+)\)", re.ASCII)
FOOTNOTED = re.compile(
    r"(?P<figure>[-+]?[\d.]*\d)\s*(?P<mark>[*\u2020\u2021\u00b9\u00b2\u00b3]+|\(\w\)|\[\w+\]|(?<=\d)[a-d])", re.ASCII
)
LETTERED = re.compile(r"[-+]?(?:\d[\d ,.'_]*|\.\d+)(?:[eE][-+]?\d+)?\s?%?", re.ASCII)
"""What is left of a figure with letters in place of digits when these are put right."""
UNFINISHED = re.compile(r"(?P<figure>[-+]?(?:\d[\d.,]*|\.\d+))\s?[eE][-+]?", re.ASCII)
POWER = re.compile(
    r"(?:(?P<figure>[-+]?\d[\d.,]*)\s*[xX*\u00d7\u00b7]\s*)?10\s*(?:\^|\*\*)\s*(?P<power>[-+]?\d\d?)"
    r"|(?P<spaced>[-+]?\d[\d.,]*)\s*[eE]\s*(?P<exponent>[-+]?\s*\d\d?)",
    re.ASCII,
)
AMOUNTS = (
    ("_t_per_t", ""),
    ("_per_yr", ""),
    ("_usd_per_kg", "USD/kg"),
    ("_usd_per_t", "USD/t"),
    ("_musd", "million USD"),
    ("_kt", "kt"),
    ("_kg", "kg"),
    ("_t", "t"),
    ("_yr", "years"),
    ("_years", "years"),
    ("_months", "months"),
    ("_days", "days"),
)
"""How names of columns end that hold an amount, and its unit; empty for what is a share or a ratio all the same."""
PER_YEAR = "_t_per_yr"
NOTHING_KNOWN = {
    "-",
    "--",
    "?",
    "??",
    "x",
    ".",
    "..",
    "...",
    "na",
    "n/a",
    "n.a.",
    "n.a",
    "n/d",
    "n.d.",
    "nd",
    "k.a.",
    "null",
    "none",
    "nil",
    "nan",
    "tbd",
    "tbc",
    "todo",
    "unknown",
    "not available",
    "not known",
    "withheld",
    "w",
    "missing",
    "*",
}
ERRORS = ("#ref!", "#n/a", "#div/0!", "#value!", "#name?", "#num!", "#null!", "#spill!")
LONGEST_READ = 40
"""Characters of a text beyond which no number is looked for in it."""
LARGEST_DENOMINATOR = 16
LARGEST_POWER = 15
"""Of ten, in a figure that is spelled out."""


def number_hint(text: str, column: str = "") -> str:
    """What to write in place of a text that is no plain number, in words; empty where nothing is near.

    column: where it stands; percentages stay as they are where its name ends in `_pct`, and are none of an amount.
    """
    said = DASHES.sub("-", SPACES.sub(" ", text)).strip()
    if not said or len(said) > LONGEST_READ:
        return ""
    if PLAIN.fullmatch(said):
        return _spelled(float(said)) if math.isfinite(float(said)) else ""
    if said.lower() in NOTHING_KNOWN:
        return "if it is not known, leave the cell empty"
    if said.lower() in ERRORS:
        return "the spreadsheet could not compute this: correct the formula, or enter the value"
    if said.lower() in ("true", "false", "yes", "no"):
        return "a number, not true or false"
    return next((found for rule in RULES if (found := rule(said, column))), "")


def _plain(figure: str) -> str:
    """A figure as a plain number, separators of thousands and decimal commas put right; empty where it is none."""
    figure = figure.strip()
    if PLAIN.fullmatch(figure):
        return _spelled(float(figure))
    found = DECIMAL_COMMA.fullmatch(figure)
    if found:
        return _spelled(float(figure.replace(",", ".")))
    if THOUSANDS.fullmatch(figure) and not figure.lstrip("+-").startswith("0"):
        return _spelled(float(_ungrouped(figure)))
    return ""


def _spelled(number: float) -> str:
    return f"{number:.12g}"


def _ungrouped(figure: str) -> str:
    """A figure with groups of three, as a plain one: what separates the groups goes, what else there is separates decimals."""
    separator = next(character for character in figure if not (character.isdigit() or character in "+-"))
    return figure.replace(separator, "").replace(",", ".")


def _grouped(said: str, _: str) -> str:
    """1,870 and 1 870 and 1.870,5 and 0,03 and 1_87."""
    if UNDERSCORES.fullmatch(said):
        return f"{said.replace('_', '')}, without underscores"
    if DECIMAL_COMMA.fullmatch(said):
        return f"{_plain(said)}, with a decimal point"
    if THOUSANDS.fullmatch(said) and _plain(said):
        single = re.fullmatch(r"[-+]?\d{1,3},\d{3}", said)
        other = f"; {_spelled(float(said.replace(',', '.')))} if it is a decimal comma" if single else ""
        return f"{_plain(said)}, without separators of thousands{other}"
    return ""


def _percentage(said: str, column: str) -> str:
    found = PERCENT.fullmatch(said)
    figure = _plain(found["figure"]) if found else ""
    if not found or not figure:
        return ""
    unit = amount_unit(column)
    if unit:
        return f"the amount in {unit}, not a percentage"
    per = 1000 if "\u2030" in said else 1 if column.endswith("_pct") else 100
    return f"{_spelled(float(figure) / per)}, without the percent sign"


def amount_unit(column: str) -> str:
    """Unit of a column that holds an amount, by its name; empty where it is a share, a ratio, or the name does not say."""
    name = f"_{re.sub(r'_(low|high)$', '', column)}"
    if name.endswith(PER_YEAR):
        return "t/yr"
    return next((unit for ending, unit in AMOUNTS if name.endswith(ending)), "")


def _lettered(said: str, column: str) -> str:
    """3oo and l50 and 1,5oo: letters, or digits of another script, where digits belong."""
    figure, space, unit = said.partition(" ")
    seen = digits_seen(figure)
    if seen != figure and unit.isalpha() and LETTERED.fullmatch(seen) and any(c.isdecimal() for c in figure):
        meant = number_hint(f"{seen}{space}{unit}", column)
        return f"{meant}; {letters_for_digits(figure)}" if meant else ""
    seen = digits_seen(said)
    if seen == said or not any(character.isdecimal() for character in said) or not LETTERED.fullmatch(seen):
        return ""
    figure = number_hint(seen, column)
    return f"{figure}; {letters_for_digits(said)}" if figure else ""


def _powered(said: str, _: str) -> str:
    """1e and 1.5E+, which end before their exponent; 1 e3 and 2x10^3."""
    unfinished, power = UNFINISHED.fullmatch(said), POWER.fullmatch(said)
    if unfinished and _plain(unfinished["figure"]):
        figure = _plain(unfinished["figure"])
        return f"{figure}, or an integer exponent after the e, such as {figure}e3"
    if not power:
        return ""
    exponent = int((power["power"] or power["exponent"]).replace(" ", ""))
    figure = _plain(power["figure"] or power["spaced"] or "1")
    return f"{_spelled(float(f'{figure}e{exponent}'))}" if figure and abs(exponent) <= LARGEST_POWER else ""


def _dated(said: str, _: str) -> str:
    if SHORT_DATE.fullmatch(said):
        return "the spreadsheet has turned it into a date: enter the figure, and format the cell as a number"
    return "a number, not a date" if DATE.fullmatch(said) else ""


def _about(said: str, _: str) -> str:
    found = ABOUT.fullmatch(said)
    figure = _plain(found["figure"]) if found else ""
    return f"{figure}; uncertainty belongs in `confidence` and in the columns _low and _high" if figure else ""


def _span(said: str, _: str) -> str:
    years, found = TWO_YEARS.fullmatch(said), SPAN.fullmatch(said)
    if years:
        return f"{years[1]}: one year, the first"
    return "one figure; the ends of a range belong in their own columns (_low, _high)" if found else ""


def _fraction(said: str, _: str) -> str:
    found = FRACTION.fullmatch(said)
    return (
        f"{int(found[1]) / int(found[2]):.6g}"
        if found and len(said) < 20 and 0 < int(found[2]) <= LARGEST_DENOMINATOR
        else ""
    )


def _scaled(said: str, column: str) -> str:
    found = SCALED.fullmatch(said)
    scale = SCALES.get(found["word"].lower(), 0.0) if found else 0.0
    figure = _plain(found["figure"]) if found else ""
    if not scale or not figure:
        return ""
    if "_musd" in column:
        scale /= SCALES["million"]
    return f"{_spelled(float(figure) * scale)} written out, in the unit of the column's name"


def _marked(said: str, _: str) -> str:
    accounting = ACCOUNTING.fullmatch(said)
    if accounting and _plain(accounting["figure"]):
        return f"-{_plain(accounting['figure'])} if brackets mean a negative number"
    found = FOOTNOTED.fullmatch(said)
    return (
        f"{_plain(found['figure'])}; marks and footnotes belong in `note`" if found and _plain(found["figure"]) else ""
    )


def _with_unit(said: str, _: str) -> str:
    found = WITH_UNIT.fullmatch(said)
    figure = _plain(found["figure"]) if found and (found["before"] or found["after"]) else ""
    return f"{figure} alone, without a unit" if figure and "%" not in said else ""


def _computed(said: str, _: str) -> str:
    return "the value of the formula" if said.startswith("=") else ""


def _unquoted(said: str, _: str) -> str:
    bare = said.strip("'\"\u2018\u2019\u201c\u201d`")
    return f"{_plain(bare)}, without quotation marks" if bare != said and _plain(bare) else ""


RULES = (
    _lettered,
    _powered,
    _grouped,
    _percentage,
    _dated,
    _about,
    _span,
    _fraction,
    _scaled,
    _marked,
    _unquoted,
    _computed,
    _with_unit,
)
"""Ways to read a figure, the surest first."""
