"""Origins of each home's imports from a file of trade by weight: BACI (CEPII) or UN Comtrade, downloaded by a person.

BACI: columns t, i, j, k, v, q (year, exporter, importer, six digits of HS, value, tonnes), countries as numbers, which a file
`country_codes*.csv` of the same folder names (country_code, country_iso3). Comtrade: refYear, flowCode, reporterISO, partnerISO,
cmdCode, netWgt (kg). Shares are of all years in the file together; trade among members of a union is no import of it.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from strategic_minerals import load_dataset
from strategic_minerals.core.errors import Fault, InputError
from strategic_minerals.question.base import USA
from strategic_minerals.question.dataset import members
from strategic_minerals.question.read_csv import HOMES, homes_of
from table_files import READ, Row, Updated, number, read_rows, write_rows

BACI = ("t", "i", "j", "k", "v", "q")
COMTRADE = ("refYear", "flowCode", "reporterISO", "partnerISO", "cmdCode", "netWgt")
SOURCES: Mapping[str, Sequence[str]] = {"CEPII BACI": BACI, "UN Comtrade": COMTRADE}
"""Who publishes a file of trade -> its columns."""
SMALL = 0.02
"""Share of imports below which an origin is counted among others."""
OTHERS = "OTH"
ROUND_TO = 3
"""Decimals of a percent."""
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
    ("rhodium", "unwrought or powder"): {"711031": 1.0},
    ("barite", "natural"): {"251110": 1.0},
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
    """Flows of the codes in `HS`. Raises InputError for cells that are no numbers and countries that nobody names."""
    wanted = {code for codes in HS.values() for code in codes}
    with path.open(encoding=READ, newline="") as file:
        rows = csv.DictReader(file)
        return list((_baci if {*BACI} <= {*(rows.fieldnames or ())} else _comtrade)(path, rows, wanted))


def country_names(path: Path) -> dict[str, str]:
    """ISO3 code -> name of a country in the file beside one of BACI. Raises InputError where there is none."""
    with _codes(path).open(encoding=READ, newline="") as file:
        return {row["country_iso3"].strip(): row["country_name"].strip() for row in csv.DictReader(file)}


def _codes(path: Path) -> Path:
    """The file that names the countries of a file of BACI. Raises InputError where there is none."""
    named = sorted(path.parent.glob("country_codes*.csv"))
    if not named:
        expected = "country_codes*.csv of the same download beside it (country_code, country_iso3)"
        raise InputError([Fault(path.name, "", "", "no names of countries", expected)])
    return named[-1]


def _baci(path: Path, rows: Iterable[Mapping[str, str]], wanted: set[str]) -> Iterator[Flow]:
    named = _codes(path)
    with named.open(encoding=READ, newline="") as file:
        codes = {row["country_code"].strip(): row["country_iso3"].strip() for row in csv.DictReader(file)}
    for line, row in enumerate(rows, 2):
        code = row["k"].strip().zfill(6)
        if code in wanted and row["q"].strip() not in ("", "NA"):
            for column in ("i", "j"):
                if row[column].strip() not in codes:
                    raise InputError([Fault(path.name, str(line), column, row[column], f"a code of {named.name}")])
            origin, buyer = codes[row["i"].strip()], codes[row["j"].strip()]
            yield Flow(int(row["t"]), origin, buyer, code, number(path, line, "q", row["q"]))


def _comtrade(path: Path, rows: Iterable[Mapping[str, str]], wanted: set[str]) -> Iterator[Flow]:
    """Imports, as the buyer reports them; its sums over all partners are left out."""
    for line, row in enumerate(rows, 2):
        code, origin = row["cmdCode"].strip(), row["partnerISO"].strip()
        if code in wanted and row["flowCode"].strip() == "M" and origin not in ("W00", "") and row["netWgt"].strip():
            kilograms = number(path, line, "netWgt", row["netWgt"])
            year = int(number(path, line, "refYear", row["refYear"]))
            yield Flow(year, origin, row["reporterISO"].strip(), code, kilograms / 1000)


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


def update(path: Path, inputs: Path, source: str) -> Updated:
    """Write the origins of imports of every home of a folder anew, for the forms whose codes of trade are known (`HS`).

    source: who publishes the file. What is missing: forms that the file does not have, origins for which the home has no source.
    """
    flows = read_flows(path)
    missing: list[str] = []
    for home in homes_of(inputs) or [""]:
        place = inputs / HOMES / home / "import_shares.csv" if home else inputs / "import_shares.csv"
        if not place.is_file():
            continue
        data = load_dataset(inputs, home) if home else load_dataset(inputs)
        own = home or next((row.home for row in data.rows("homes")), USA)
        columns, rows = read_rows(place)
        for mineral, form in dict.fromkeys((row["mineral"], row["form"]) for row in rows):
            if (mineral, form) not in HS:
                continue
            shares = import_shares(flows, members(data, own), mineral, form)
            if shares is None:
                missing.append(f"{own}: {mineral}, {form}")
                continue
            before = {row["country"] for row in rows if (row["mineral"], row["form"]) == (mineral, form)}
            kept = [row for row in rows if (row["mineral"], row["form"]) != (mineral, form)]
            rows = [*kept, *share_rows(shares, f"{source} ({path.name})")]
            if strangers := sorted({*shares.by_origin} - before):
                missing.append(
                    f"{own}: a source for {mineral} from {', '.join(strangers)}, which is new (activities, capacities)"
                )
        write_rows(place, columns, rows)
    return Updated((), tuple(missing))


def share_rows(shares: Shares, source: str) -> Iterator[Row]:
    """Rows of `import_shares`."""
    period = str(shares.last) if shares.first == shares.last else f"{shares.first}-{shares.last % 100:02d}"
    for origin, share in shares.by_origin.items():
        yield {
            "mineral": shares.mineral,
            "form": shares.form,
            "country": origin,
            "import_share_pct": f"{round(share, ROUND_TO):g}",
            "period": period,
            "source": source,
            "year": str(shares.last),
            "confidence": "derived",
            "note": f"HS {', '.join(HS[shares.mineral, shares.form])}; {shares.tonnes:,.0f} t a year",
        }
