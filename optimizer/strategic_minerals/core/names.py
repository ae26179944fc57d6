"""Alternative names: British and American spellings, names of countries, names and symbols of elements."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache

from .letter_hints import latin
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

COUNTRIES_TOO = {
    "america": "USA",
    "us": "USA",
    "unitedstates": "USA",
    "unitedstatesofamerica": "USA",
    "uk": "GBR",
    "britain": "GBR",
    "greatbritain": "GBR",
    "england": "GBR",
    "russia": "RUS",
    "southkorea": "KOR",
    "korea": "KOR",
    "northkorea": "PRK",
    "vietnam": "VNM",
    "laos": "LAO",
    "drc": "COD",
    "congokinshasa": "COD",
    "democraticrepublicofthecongo": "COD",
    "ivorycoast": "CIV",
    "czechrepublic": "CZE",
    "turkey": "TUR",
    "bolivia": "BOL",
    "iran": "IRN",
    "burma": "MMR",
    "venezuela": "VEN",
    "tanzania": "TZA",
    "syria": "SYR",
    "moldova": "MDA",
    "holland": "NLD",
    "taiwan": "TWN",
    "cn": "CHN",
    "prc": "CHN",
    "jp": "JPN",
    "de": "DEU",
    "fr": "FRA",
    "au": "AUS",
    "ca": "CAN",
    "ru": "RUS",
    "gb": "GBR",
    "in": "IND",
    "br": "BRA",
    "za": "ZAF",
    "kr": "KOR",
    "my": "MYS",
    "vn": "VNM",
    "id": "IDN",
    "cl": "CHL",
    "no": "NOR",
    "na": "NAM",
}
"""Common names and two-letter codes of countries, as `plain` writes them -> ISO 3166 code of three letters."""

UNIONS = frozenset({"eu", "eur", "eu27", "eun", "europe", "europeanunion", "eurozone", "nato", "g7", "oecd", "asean"})
"""What is not one country, as `plain` writes it."""

ELEMENTS = {
    "ag": "silver",
    "al": "aluminium",
    "as": "arsenic",
    "au": "gold",
    "be": "beryllium",
    "bi": "bismuth",
    "ce": "cerium",
    "co": "cobalt",
    "cr": "chromium",
    "cs": "caesium",
    "cu": "copper",
    "dy": "dysprosium",
    "er": "erbium",
    "eu": "europium",
    "fe": "iron",
    "ga": "gallium",
    "gd": "gadolinium",
    "ge": "germanium",
    "hf": "hafnium",
    "ho": "holmium",
    "in": "indium",
    "ir": "iridium",
    "la": "lanthanum",
    "li": "lithium",
    "lu": "lutetium",
    "mg": "magnesium",
    "mn": "manganese",
    "mo": "molybdenum",
    "nb": "niobium",
    "nd": "neodymium",
    "ni": "nickel",
    "pb": "lead",
    "pd": "palladium",
    "pr": "praseodymium",
    "pt": "platinum",
    "rb": "rubidium",
    "re": "rhenium",
    "rh": "rhodium",
    "ru": "ruthenium",
    "sb": "antimony",
    "sc": "scandium",
    "si": "silicon",
    "sm": "samarium",
    "sn": "tin",
    "ta": "tantalum",
    "tb": "terbium",
    "te": "tellurium",
    "ti": "titanium",
    "tm": "thulium",
    "v": "vanadium",
    "w": "tungsten",
    "y": "yttrium",
    "yb": "ytterbium",
    "zn": "zinc",
    "zr": "zirconium",
}
"""Symbol -> name."""
PAIRED = {"nd": ("ndpr",), "pr": ("ndpr",)}
"""Elements that are traded together."""
ALSO = {"wolfram": "w", "didymium": "nd", "rareearthmagnet": "ndfeb", "neodymiummagnet": "ndfeb", "neomagnet": "ndfeb"}
FORMS = ("oxide", "metal", "magnet", "carbonate", "concentrate", "sponge", "flake")
EVERYTHING = ("all", "any", "every", "everything", "each", "world", "global", "worldwide")
"""Words that people write for all of something, where `*` stands for it."""
SORTS = ("material", "mineral", "countrie", "project", "package", "hazard", "segment")
"""What may stand behind `all`, without its s."""
MOST_NAMES = 2_000
"""Known names that are compared letter by letter."""
LONGEST = 60
"""Letters of a word for which a close name is looked for."""


def plain(word: str) -> str:
    """A word without case, spaces and punctuation, in British spelling."""
    bare = re.sub(r"[\W_]+", "", word.casefold())
    for american, british in SPELLINGS:
        bare = bare.replace(american, british)
    return bare


def in_ascii(word: str) -> str:
    """A word with the letters of ASCII that its own are written as where they are missing: Uebung, Orebro."""
    return (
        unicodedata.normalize("NFKD", word.translate(UMLAUTS)).encode("ascii", "ignore").decode()
        if not word.isascii()
        else word
    )


UMLAUTS = str.maketrans(
    {
        "\u00e4": "ae",
        "\u00f6": "oe",
        "\u00fc": "ue",
        "\u00c4": "Ae",
        "\u00d6": "Oe",
        "\u00dc": "Ue",
        "\u00df": "ss",
        "\u00e6": "ae",
        "\u00c6": "Ae",
        "\u00f8": "oe",
        "\u00d8": "Oe",
        "\u0142": "l",
        "\u0141": "L",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": "'",
        "\u201d": "'",
        "\u00a0": " ",
        "\u2013": "-",
        "\u2014": "-",
    }
)


@cache
def country_codes() -> Mapping[str, str]:
    """Plain name of a country -> ISO 3166 code of three letters: the shipped table `countries`, and common other names."""
    with (shipped("inputs") / "countries.csv").open(encoding="utf-8", newline="") as table:
        found = {plain(re.sub(r"\(.*?\)", "", row["name"])): row["country"] for row in csv.DictReader(table)}
    return found | {name: code for name, code in COUNTRIES_TOO.items() if code}


def meant(word: str, known: Iterable[str], called: Mapping[str, str] | None = None) -> list[str]:
    """What a word that is not known may have meant, best first; empty where nothing is near.

    called: other names of known ones, e.g. {"China": "CHN"}.
    """
    if not 0 < len(word) <= LONGEST:
        return []
    word = latin(word)
    names = sorted(known)[:MOST_NAMES]
    bare = plain(word)
    alike = [name for name in names if plain(name) == bare]
    other = {plain(name): key for name, key in (called or {}).items()}
    codes = bool(names) and all(len(name) == 3 and name.isupper() for name in names if name != "*")
    if codes:
        other = {name: code for name, code in country_codes().items() if code in names} | other
    if alike or other.get(bare) in names:
        return alike or [other[bare]]
    if codes and bare in UNIONS:
        return []
    if "*" in names and is_everything(word):
        return ["*"]
    plural = [] if codes else [name for name in names if plain(name).removesuffix("s") == bare.removesuffix("s")]
    if plural:
        return plural
    if not codes and (forms := _of_element(bare, names)):
        return forms
    if codes and word in country_codes().values():  # another country, not a slip
        return []
    if codes and len(word) > 4:  # a name, not a code with a slip in it
        near = get_close_matches(bare, list(other), n=1, cutoff=0.75)
        return [other[name] for name in near if other[name] in names]
    by_letters = {name.casefold(): name for name in reversed(names)}
    close = get_close_matches(word.casefold(), list(by_letters), n=1, cutoff=0.6)
    if close:
        return [by_letters[close[0]]]
    near = get_close_matches(bare, list(other), n=1, cutoff=0.8)
    return [other[name] for name in near if other[name] in names]


def is_everything(word: str) -> bool:
    """Whether a word is what people write for all of something: all, any, all materials."""
    bare = plain(word)
    return bare in EVERYTHING or (bare.startswith("all") and bare.removeprefix("all").removesuffix("s") in SORTS)


def _of_element(bare: str, names: Sequence[str]) -> list[str]:
    """Known materials of an element that is called by its name or symbol, with or without a form: `Neodymium`, `Dy metal`."""
    bare = bare.removesuffix("s") if bare.endswith(tuple(f"{form}s" for form in FORMS)) else bare
    form = next((form for form in FORMS if bare.endswith(form) and bare != form), "")
    for stem in (bare, bare.removesuffix(form)):
        symbol = ALSO.get(
            stem, stem if stem in ELEMENTS else next((s for s, name in ELEMENTS.items() if name == stem), "")
        )
        starts = {symbol, ELEMENTS.get(symbol, ""), *PAIRED.get(symbol, ()), stem} - {""}
        found = [name for name in names if "_" in name and name.split("_")[0] in starts]
        found += [name for name in names if name in starts]
        if form and stem != bare:
            found = [name for name in found if form in name]
        if found:
            return sorted(
                found, key=lambda name: (*(not name.endswith(f"_{form}") for form in ("oxide", "metal")), name)
            )[:3]
    return []
