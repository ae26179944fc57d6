"""What countries without a folder of their own buy, from the same file of trade as `trade.py`: `homes/<TABLE>.csv`.

These files hold rows of many homes, named in a column `home` in front. A member of a union with tables gets its part of what the
union uses, any other country its net imports, both with their smallest and largest year. The origins are written of the latter
alone: a member buys in the union's market. No figure is written of what a country sells more of than it buys in some year.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from strategic_minerals import load_dataset
from strategic_minerals.question.dataset import members
from strategic_minerals.question.read_csv import CODE, HOMES, homes_of
from table_files import Row, write_rows
from trade import HS, OTHERS, Flow, Shares, country_names, import_shares, read_flows, share_rows

SOURCE = "CEPII BACI"
"""Who publishes files of trade that these tables are made of."""
SMALLEST = 0.002
"""Share of the world's imports below which a country gets no figure of a form."""
SOLD = "in some year of the trade data the country sold as much as it bought, or it buys too little"
UNKNOWN = "the trade data do not tell it apart"
"""Why a material has no figure: what stands in `not_planned`."""
LEAST_OTHERS = 1
"""Percent of imports below which others are no source."""
FEWEST_FORMS = 3
"""Forms whose parts are known before their median stands for the others."""


@dataclass(frozen=True)
class Form:
    """How trade of a form counts as tonnes of a material."""

    material: str
    content: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Tonnes of the material in a tonne: low, central, high."""
    output: str = ""
    """Stage of `production` that is of the same form, so that use is net imports and output; empty: none."""
    about: str = ""


FORMS: Mapping[tuple[str, str], Form] = {
    ("graphite", "powder or flakes"): Form("graphite_flake", output="mine"),
    ("lithium", "carbonate and hydroxide as carbonate"): Form("lithium_carbonate", about="lithium in ore not included"),
    ("cobalt", "intermediates and unwrought and scrap and powder"): Form(
        "cobalt", (0.3, 1.0, 1.0), about="gross weight; low: as if all were hydroxide with 30 % of cobalt (assumed)"
    ),
    ("manganese", "ore"): Form(
        "manganese", (0.35, 0.40, 0.45), "mine", "content of ore assumed; alloys not included: a lower bound"
    ),
    ("platinum", "unwrought or powder"): Form("platinum", output="mine", about="recycling at home not included"),
    ("palladium", "unwrought or powder"): Form("palladium", output="mine", about="recycling at home not included"),
    ("rhodium", "unwrought or powder"): Form("rhodium", output="mine", about="recycling at home not included"),
    ("bismuth", "unwrought and articles and scrap"): Form("bismuth", output="refined"),
    ("niobium", "ferroniobium"): Form("niobium", (0.65, 0.65, 0.65), about="0.65 Nb in ferroniobium (standard grade)"),
    ("fluorspar", "over 97 % CaF2"): Form("fluorspar", output="mine", about="metallurgical grade not included"),
    ("barite", "natural"): Form("barite", output="mine"),
}
"""(mineral, form) of `HS` -> what it is in these tables. Output of niobium is that of the alloy's makers, which trade shows."""
OTHER_HS: Mapping[str, str] = {
    "ndfeb_magnet": "850511",
    "smco_magnet": "850511",
    "ndpr_oxide": "284690",
    "dy_oxide": "284690",
    "tb_oxide": "284690",
    "y_oxide": "284690",
    "gallium": "811292",
    "germanium": "811292",
    "indium": "811292",
    "antimony": "811010, 282580",
    "tungsten": "284180, 261100",
    "magnesium": "810411",
    "titanium_sponge": "810820",
    "silicon": "280461, 280469",
    "tantalum": "810320",
    "vanadium": "282530, 720292",
    "chromium": "720241",
    "molybdenum": "261310, 261390",
    "nickel": "750210",
    "tin": "800110",
    "zinc": "790111",
    "copper": "740311",
    "lead": "780110",
    "aluminum": "760110, 760120",
    "zirconium": "261510",
    "beryllium": "811212",
    "arsenic": "280480",
    "tellurium": "280450",
    "boron": "284011, 281000",
    "phosphate": "251010, 251020",
    "potash": "310420",
    "silver": "710691",
    "uranium": "284410",
    "metallurgical_coal": "270112",
}
"""Materials of no form above -> codes of HS under which their trade is reported: where to look next."""
UNCOUNTED = ("niobium",)
"""Materials whose parts follow few buyers of one alloy: they are left out of the median that stands for others."""


def net_imports(flows: Sequence[Flow], form: tuple[str, str]) -> dict[str, dict[int, float]]:
    """Country -> year -> tonnes bought less tonnes sold, of a form; 0 in a year of the file without either."""
    counted = HS[form]
    years = sorted({flow.year for flow in flows})
    found: defaultdict[str, dict[int, float]] = defaultdict(lambda: dict.fromkeys(years, 0.0))
    for flow in flows:
        tonnes = flow.tonnes * counted.get(flow.code, 0.0)
        found[flow.buyer][flow.year] += tonnes
        found[flow.origin][flow.year] -= tonnes
    return dict(found)


def update(path: Path, inputs: Path, source: str) -> None:
    """Write the files of a folder with homes anew from a file of BACI, which holds what everybody buys of everybody."""
    flows = read_flows(path)
    if homes_of(inputs) and flows:
        write(flows, country_names(path), inputs, f"{source} (Etalab Open Licence 2.0, {path.name})")


def write(flows: Sequence[Flow], names: Mapping[str, str], inputs: Path, source: str) -> None:
    """Write `demand_segments`, `import_shares`, `countries` and `not_planned` of `homes/` anew.

    names: ISO3 code -> name, for countries that the table `countries` lacks.
    """
    own = homes_of(inputs)
    data = load_dataset(inputs, own[0])
    unions = {home: members(data, home) for home in own if len(members(data, home)) > 1}
    known = {row.country for row in data.rows("countries")}
    made = {
        (row.mineral, row.country, row.stage): row.production_t
        for row in sorted(data.rows("production"), key=lambda row: (row.year or 0, row.edition))
        if row.year == max(flow.year for flow in flows)
    }
    use: list[Row] = []
    origins: list[Row] = []
    parts: defaultdict[str, dict[str, tuple[float, float, float]]] = defaultdict(dict)
    for (mineral, shape), form in FORMS.items():
        bought = net_imports(flows, (mineral, shape))
        world = sum(f.tonnes * HS[mineral, shape].get(f.code, 0.0) for f in flows) / len(_years(flows))
        for inside in unions.values():
            for country, part in _parts(bought, inside, mineral, form, made).items():
                parts[country][form.material] = part
        for country in sorted(set(bought) - {*own}.union(*unions.values())):
            tonnes = bought[country].values()
            shares = import_shares(flows, frozenset({country}), mineral, shape)
            if (
                min(tonnes) <= 0
                or fmean(tonnes) < SMALLEST * world
                or shares is None
                or country not in names
                or not CODE.fullmatch(country)
            ):
                continue
            output = made.get((mineral, country, form.output), 0.0)
            bounds = min(tonnes), fmean(tonnes), max(tonnes)
            figure = [t * c + output for t, c in zip(bounds, form.content, strict=True)]
            about = f"net imports, HS {', '.join(HS[mineral, shape])}{', and output at home' if output else ''}"
            note = f"{about}; mean, smallest and largest year; {form.about}".strip(" ;")
            use.append(
                _figure(
                    country, f"{form.material}.use.annual_demand", form.material, figure, "t/y", source, flows, note
                )
            )
            if output:
                note = f"stage {form.output} of the table production"
                use.append(
                    _figure(
                        country, f"{form.material}.home.output", form.material, [output] * 3, "t/y", source, flows, note
                    )
                )
            origins += [{"home": country, **row, "note": ""} for row in share_rows(_among(shares, known), source)]
    for country, found in sorted(parts.items()):
        for material, part in found.items():
            note = "its use (net imports and output) over that of all members that use some; mean, smallest and largest year"
            record = f"{material}.use.part_of_union"
            use.append(_figure(country, record, material, part, "% of the union", source, flows, note))
        known_parts = [part[1] for material, part in found.items() if material not in UNCOUNTED]
        if len(known_parts) >= FEWEST_FORMS:
            part = min(known_parts), median(known_parts), max(known_parts)
            note = f"assumed: median, smallest and largest of {len(known_parts)} materials whose trade is known"
            use.append(_figure(country, "other.use.part_of_union", "*", part, "% of the union", source, flows, note))
    use.sort(key=lambda row: row["home"])
    origins.sort(key=lambda row: row["home"])
    strangers = sorted({row["home"] for row in use} - known)
    called = [
        {
            "home": code,
            "country": code,
            "name": names[code],
            "source": source,
            "year": str(max(_years(flows))),
            "confidence": "reported",
        }
        for code in strangers
    ]
    where = {form.material: ", ".join(HS[key]) for key, form in FORMS.items()} | dict(OTHER_HS)
    traded = {form.material for form in FORMS.values()}
    absent = [
        {
            "home": "*",
            "kind": "mineral",
            "item": row.material,
            "name": row.name,
            "why": SOLD if row.material in traded else UNKNOWN,
            "next_source": f"UN Comtrade, HS {where[row.material]}",
            "source": "Harmonized System of the World Customs Organization",
            "year": str(max(_years(flows))),
            "confidence": "reported",
        }
        for row in data.rows("materials")
        if row.material in where
    ]
    beside = ["source", "year", "confidence", "note"]
    for table, columns, rows in (
        ("demand_segments", ["record", "material", "segment", "metric", "low", "central", "high", "unit"], use),
        ("import_shares", ["mineral", "form", "country", "import_share_pct", "period"], origins),
        ("countries", ["country", "name"], called),
        ("not_planned", ["kind", "item", "name", "why", "next_source"], absent),
    ):
        write_rows(inputs / HOMES / f"{table}.csv", ["home", *columns, *beside], rows)


def _years(flows: Sequence[Flow]) -> list[int]:
    return sorted({flow.year for flow in flows})


def _parts(
    bought: Mapping[str, Mapping[int, float]],
    inside: frozenset[str],
    mineral: str,
    form: Form,
    made: Mapping[tuple[str, str, str], float],
) -> dict[str, tuple[float, float, float]]:
    """Member -> percent of what the members use that use some: smallest year, mean, largest."""
    content = form.content[1]
    used: dict[str, dict[int, float]] = {}
    for country in inside & bought.keys():
        output = made.get((mineral, country, form.output), 0.0)
        used[country] = {year: tonnes * content + output for year, tonnes in bought[country].items()}
    whole = {year: sum(max(by_year[year], 0.0) for by_year in used.values()) for year in next(iter(used.values()), {})}
    return {
        country: (min(each), fmean(each), max(each))
        for country, by_year in used.items()
        if min(each := [100 * tonnes / (whole[year] or 1.0) for year, tonnes in by_year.items()]) > 0
    }


def _among(shares: Shares, known: set[str]) -> Shares:
    """Shares with origins that have no row in `countries` counted among others."""
    by_origin = {origin: share for origin, share in shares.by_origin.items() if origin in known and origin != OTHERS}
    rest = 100 - sum(by_origin.values())
    if rest >= LEAST_OTHERS:
        by_origin[OTHERS] = rest
    return Shares(shares.mineral, shares.form, shares.first, shares.last, shares.tonnes, by_origin)


def _figure(
    home: str,
    record: str,
    material: str,
    figure: Sequence[float],
    unit: str,
    source: str,
    flows: Sequence[Flow],
    note: str,
) -> Row:
    low, central, high = (f"{value:.5g}" for value in figure)
    return {
        "home": home,
        "record": record,
        "material": material,
        "segment": "all users",
        "metric": "annual use",
        "low": low,
        "central": central,
        "high": high,
        "unit": unit,
        "source": source,
        "year": str(max(_years(flows))),
        "confidence": "estimate",
        "note": note,
    }
