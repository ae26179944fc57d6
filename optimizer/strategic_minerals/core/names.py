"""Near misses: names that are spelled almost like a word, in British or American spelling, and names of countries."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache

from .shipped import shipped

SPELLINGS = (
    ("defense", "defence"),
    ("license", "licence"),
    ("aluminum", "aluminium"),
    ("sulfur", "sulphur"),
    ("cesium", "caesium"),
    ("center", "centre"),
    ("labor", "labour"),
    ("color", "colour"),
    ("ization", "isation"),
    ("izing", "ising"),
)
"""American, British."""
COUNTRIES_TOO = """
america=USA us=USA unitedstates=USA unitedstatesofamerica=USA uk=GBR britain=GBR greatbritain=GBR england=GBR russia=RUS
southkorea=KOR korea=KOR northkorea=PRK vietnam=VNM laos=LAO drc=COD congokinshasa=COD democraticrepublicofthecongo=COD
ivorycoast=CIV czechrepublic=CZE turkey=TUR bolivia=BOL iran=IRN burma=MMR venezuela=VEN tanzania=TZA syria=SYR moldova=MDA
holland=NLD taiwan=TWN cn=CHN prc=CHN jp=JPN de=DEU fr=FRA au=AUS ca=CAN ru=RUS gb=GBR in=IND br=BRA za=ZAF kr=KOR my=MYS
vn=VNM id=IDN cl=CHL no=NOR na=NAM
"""
"""Common names and two-letter codes of countries, as `plain` writes them, with the ISO 3166 code of three letters."""
MOST_NAMES = 2_000
"""Known names that are compared letter by letter."""
LONGEST = 60
"""Letters of a word for which a close name is looked for."""
LIKENESS, LIKENESS_OF_COUNTRIES = 0.6, 0.75
"""Of two spellings from which on one is taken for a slip of the other (`difflib`)."""


def plain(word: str) -> str:
    """A word without case, spaces and punctuation, in British spelling."""
    bare = re.sub(r"[\W_]+", "", word.casefold())
    for american, british in SPELLINGS:
        bare = bare.replace(american, british)
    return bare


@cache
def country_codes() -> Mapping[str, str]:
    """Plain name of a country -> ISO 3166 code of three letters: the shipped table `countries`, and common other names."""
    with (shipped("inputs") / "countries.csv").open(encoding="utf-8", newline="") as table:
        found = {plain(re.sub(r"\(.*?\)", "", row["name"])): row["country"] for row in csv.DictReader(table)}
    return found | dict(pair.split("=") for pair in COUNTRIES_TOO.split())


def meant(word: str, known: Iterable[str], called: Mapping[str, str] | None = None) -> list[str]:
    """The known name that is nearest to a word that is not known; empty where none is near.

    called: other names of known ones, e.g. {"China": "CHN"}. Where known names are codes of countries, names of countries stand
    for them: two codes of three letters are always alike.
    """
    if not 0 < len(word) <= LONGEST:
        return []
    names = sorted(known)[:MOST_NAMES]
    spelled = {plain(name): key for name, key in (called or {}).items() if key in names}
    alike = {plain(name): name for name in reversed(names)}
    if plain(word) in alike:
        return [alike[plain(word)]]
    codes = bool(names) and all(len(name) == 3 and name.isupper() for name in names if name != "*")
    spelled |= {name: code for name, code in country_codes().items() if code in names} if codes else alike
    cutoff = LIKENESS_OF_COUNTRIES if codes else LIKENESS
    return [spelled[bare] for bare in get_close_matches(plain(word), list(spelled), n=1, cutoff=cutoff)]
