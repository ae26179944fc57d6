"""Origins of a home's imports from a file of trade by weight: BACI (CEPII) or UN Comtrade, downloaded by a person.

BACI: columns t, i, j, k, v, q (year, exporter, importer, six digits of HS, value, tonnes), countries as numbers, which a file
`country_codes*.csv` of the same folder names (country_code, country_iso3). Comtrade: refYear, flowCode, reporterISO, partnerISO,
cmdCode, netWgt (kg). Shares are of all years in the file together; trade among members of a union is no import of it.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.bounded_files import read_bounded
from ..core.errors import Fault, InputError

LARGEST_BYTES = 1_000_000_000
BACI = ("t", "i", "j", "k", "v", "q")
COMTRADE = ("refYear", "flowCode", "reporterISO", "partnerISO", "cmdCode", "netWgt")
SOURCES: Mapping[str, Sequence[str]] = {"CEPII BACI": BACI, "UN Comtrade": COMTRADE}
"""Who publishes a file of trade -> its columns."""
SMALL = 0.02
"""Share of imports below which an origin is counted among others."""
OTHERS = "OTH"
TO_CARBONATE = 0.8805
"""Tonnes of lithium carbonate equivalent in a tonne of hydroxide: 73.891 / (2 x 41.96)."""
HS: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("graphite", "powder or flakes"): {"250410": 1.0},
    ("lithium", "carbonate and hydroxide as carbonate"): {"283691": 1.0, "282520": TO_CARBONATE},
    ("cobalt", "intermediates and unwrought and scrap and powder"): {"810510": 1.0, "810520": 1.0},
    ("manganese", "ore"): {"260200": 1.0},
    ("platinum", "unwrought or powder"): {"711011": 1.0},
    ("palladium", "unwrought or powder"): {"711021": 1.0},
    ("bismuth", "unwrought and articles and scrap"): {"810600": 1.0, "810610": 1.0, "810690": 1.0},
    ("niobium", "ferroniobium"): {"720293": 1.0},
    ("fluorspar", "over 97 % CaF2"): {"252922": 1.0},
}
"""(mineral, form) of `import_shares` -> codes of HS, of its first edition and of later ones -> tonnes counted for one."""


@dataclass(frozen=True)
class Flow:
    """What one country bought of another in a year."""

    year: int
    origin: str
    buyer: str
    code: str
    tonnes: float


@dataclass(frozen=True)
class Shares:
    """Origins of a home's imports of one form."""

    mineral: str
    form: str
    first: int
    last: int
    tonnes: float
    """A year, on average."""
    by_origin: Mapping[str, float]
    """ISO3 code -> percent, the largest first; `OTH` last."""


def source_of(header: Sequence[str]) -> str:
    """Who publishes a file of trade with these columns (`SOURCES`); empty for a file of another form."""
    return next((source for source, columns in SOURCES.items() if {*columns} <= {*header}), "")


def read_flows(path: Path) -> list[Flow]:
    """Flows of the codes in `HS`. Raises InputError for another form, for cells that are no numbers and countries nobody names."""
    raw = read_bounded(path, LARGEST_BYTES, "a file of trade")
    if isinstance(raw, Fault):
        raise InputError([raw])
    reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig")))
    header = [name.strip() for name in reader.fieldnames or ()]
    wanted = {code for codes in HS.values() for code in codes}
    if set(BACI) <= {*header}:
        return list(_baci(path, reader, wanted))
    if set(COMTRADE) <= {*header}:
        return list(_comtrade(path, reader, wanted))
    expected = f"{', '.join(BACI)} (BACI) or {', '.join(COMTRADE)} (Comtrade)"
    raise InputError([Fault(path.name, "1", "", f"columns {', '.join(header[:6])}", expected)])


def _baci(path: Path, rows: Iterable[Mapping[str, str]], wanted: set[str]) -> Iterator[Flow]:
    named = sorted(path.parent.glob("country_codes*.csv"))
    if not named:
        expected = "country_codes*.csv of the same download beside it (country_code, country_iso3)"
        raise InputError([Fault(path.name, "", "", "no names of countries", expected)])
    with named[-1].open(encoding="utf-8-sig", newline="") as file:
        codes = {row["country_code"].strip(): row["country_iso3"].strip() for row in csv.DictReader(file)}
    for line, row in enumerate(rows, 2):
        code = row["k"].strip().zfill(6)
        if code in wanted and row["q"].strip() not in ("", "NA"):
            for column in ("i", "j"):
                if row[column].strip() not in codes:
                    raise InputError([Fault(path.name, str(line), column, row[column], f"a code of {named[-1].name}")])
            origin, buyer = codes[row["i"].strip()], codes[row["j"].strip()]
            yield Flow(int(row["t"]), origin, buyer, code, _number(path, line, "q", row["q"]))


def _comtrade(path: Path, rows: Iterable[Mapping[str, str]], wanted: set[str]) -> Iterator[Flow]:
    """Imports, as the buyer reports them; its sums over all partners are left out."""
    for line, row in enumerate(rows, 2):
        code, origin = row["cmdCode"].strip(), row["partnerISO"].strip()
        if code in wanted and row["flowCode"].strip() == "M" and origin not in ("W00", "") and row["netWgt"].strip():
            kilograms = _number(path, line, "netWgt", row["netWgt"])
            year = int(_number(path, line, "refYear", row["refYear"]))
            yield Flow(year, origin, row["reporterISO"].strip(), code, kilograms / 1000)


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError([Fault(path.name, str(line), column, f"'{text}'", "a number")]) from None


def import_shares(flows: Sequence[Flow], members: frozenset[str], mineral: str, form: str) -> Shares | None:
    """Shares of the origins of what a home buys of one form. members: its countries. None where no flow is of it.

    share[i] = tonnes from i outside the home / all tonnes from outside; below `SMALL` an origin is counted among others
    """
    counted = HS[mineral, form]
    mine = [f for f in flows if f.code in counted and f.buyer in members and f.origin not in members]
    by_origin: dict[str, float] = defaultdict(float)
    for flow in mine:
        by_origin[flow.origin] += flow.tonnes * counted[flow.code]
    total = sum(by_origin.values())
    if total <= 0:
        return None
    shares: dict[str, float] = {}
    small = 0.0
    for origin, tonnes in sorted(by_origin.items(), key=lambda item: -item[1]):
        if tonnes / total >= SMALL and origin != OTHERS:
            shares[origin] = 100 * tonnes / total
        else:
            small += 100 * tonnes / total
    years = sorted({flow.year for flow in mine})
    if small > 0:
        shares[OTHERS] = small
    return Shares(mineral, form, years[0], years[-1], total / len(years), shares)
