"""Where each material comes from, now, later and in a crisis: shares along the chain, drawn as SVG, and maps of them."""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

import pandas as pd

from ..answer.result import Result
from ..core.formats import digits
from ..core.frames import rows_of
from ..core.stats import BASELINE_COURSE
from ..question.dataset import members
from ..question.names import UNSUPPORTED, Names
from ..question.references import qualified_forms
from .compare import capacities

RESERVE, SHORT, OTHERS = "releases from the reserve", "shortfall", "other countries"
UNNAMED = "OTH"
"""Code of all countries that the statistics give as one."""
MOST_MATERIALS = 12
SMALL_T = 1e-6
SMALL_SHARE = 0.03
"""Share up to which a country is drawn among `OTHERS`."""
SPARE = 1e-3
"""Spare capacity, as a share of what is made, up to which plants count as full."""
USERS, PLANTS, EXPORTS, LACKING = "users at home", "plants", "exports", "missing"
"""Where a material goes."""


# What is drawn: moments, who supplies what in each, and what plants make of it.


@dataclass(frozen=True)
class Moment:
    """Who supplies what, and who takes it, in a period of a scenario."""

    name: str
    parts: dict[str, dict[str, float]]
    """Material -> supplier (country, `RESERVE`, `SHORT`) -> tonnes."""
    taken: dict[tuple[str, str, str], float]
    """Feed, product, country of the plants -> tonnes of feed, an even part for each product that the plants make."""
    made: dict[tuple[str, str, str], float]
    """The same -> tonnes of product, an even part for each feed that the plants take."""
    exports: dict[Any, float]
    """Material -> tonnes."""
    full: frozenset[tuple[str, str]]
    """Material, country whose plants run at capacity while users would pay for one more tonne; known if no disruption occurs."""

    @classmethod
    def of(cls, name: str, scenario: str, period: str, result: Result) -> Moment:
        """Out of the tables of a result."""

        def here(table: str) -> pd.DataFrame:
            found = result.tables[table]
            return found[(found["scenario"] == scenario) & (found["period"] == period)]

        recipes: dict[str, dict[str, float]] = defaultdict(dict)
        for row in result.data.rows("yields"):
            recipes[row.producer][row.material] = row.yield_t_per_t
        able = capacities(result, int(period.split(".")[0])) if scenario == BASELINE_COURSE else {}
        parts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        taken, made, spare = (defaultdict[Any, float](float) for _ in range(3))
        for producer, (country, capacity) in able.items():
            for material in recipes[producer]:
                spare[material, country] += capacity * result.plan.horizon.period_months / 12
        for run in rows_of(here("operations")):
            total, country = run.output_t + run.reserve_output_t, run.country
            recipe = recipes[run.producer.removesuffix(UNSUPPORTED)]
            gives = {material: per_t for material, per_t in recipe.items() if per_t > 0}
            feeds = {material: -per_t for material, per_t in recipe.items() if per_t < 0 and total > SMALL_T}
            for material, per_t in gives.items():
                spare[material, country] -= total
                if run.output_t * per_t > SMALL_T:
                    parts[material][country] += run.output_t * per_t
                for feed, needs in feeds.items():
                    taken[feed, material, country] += total * needs / len(gives)
                    made[feed, material, country] += run.output_t * per_t / len(feeds)
        for table, column, who in (("flows", "released_t", RESERVE), ("shortfalls", "shortfall_t", SHORT)):
            for code, tonnes in here(table).groupby("material")[column].sum().items():
                if tonnes > SMALL_T:
                    parts[str(code)][who] = float(tonnes)
        exports = here("flows").groupby("material")["surplus_t"].sum().to_dict()
        prices = here("prices")
        wanted = set(prices[(prices["price"] == "supply") & (prices["value"] > 0)]["item"]) & set(parts)
        tight = [
            (code, who) for code in wanted for who, t in parts[code].items() if spare.get((code, who), t) <= SPARE * t
        ]
        return cls(name, parts, taken, made, exports, frozenset(tight if able else ()))

    def shares(self, material: str) -> dict[str, float]:
        """Supplier -> share of all supply of a material and of what is missing."""
        parts = self.parts.get(material, {})
        return {who: tonnes / sum(parts.values()) for who, tonnes in parts.items() if tonnes > SMALL_T}

    def amount(self, material: str, who: str) -> str:
        """Share and tonnes of a supplier, in words; empty where there are none."""
        share, full = self.shares(material).get(who, 0.0), ", at capacity" * ((material, who) in self.full)
        return f"{share:.0%} ({digits(self.parts[material][who])} t){full}" if share > 0 else ""

    def uses(self, material: str) -> dict[str, float]:
        """Where a material goes -> share of all supply and of what is missing."""
        parts = self.parts.get(material, {})
        total, lack = sum(parts.values()), parts.get(SHORT, 0.0)
        plants = min(total - lack, sum(tonnes for (feed, *_), tonnes in self.taken.items() if feed == material))
        exports = min(total - lack - plants, self.exports.get(material, 0.0))
        found = {USERS: total - lack - plants - exports, PLANTS: plants, EXPORTS: exports, LACKING: lack}
        return {who: tonnes / total for who, tonnes in found.items() if tonnes > SMALL_T}


def worst_without(result: Result) -> str:
    """The scenario with the largest loss without the plan."""
    losses = result.tables["scenario_losses"].set_index("scenario")["loss_without_plan_musd"]
    return str(losses.idxmax())


def moments(result: Result) -> list[Moment]:
    """Now and at the end of the plan without a disruption, and the period with the largest loss of the scenario with the largest
    loss without the plan."""
    short, worst = result.tables["shortfalls"], worst_without(result)
    planned = list(dict.fromkeys(result.tables["stock"]["period"]))
    planned = planned or sorted(set(result.tables["operations"].query("not tail")["period"]))
    loss = short[(short["scenario"] == worst) & ~short["tail"]].groupby("period")["loss_musd"].sum()
    hit = str(loss.idxmax()) if len(loss) and loss.max() > 0 else planned[-1]
    at = {
        f"Now, FY{planned[0]}": (BASELINE_COURSE, planned[0]),
        f"End of plan, FY{planned[-1]}": (BASELINE_COURSE, planned[-1]),
        f"Worst year, FY{hit}": (worst, hit),
    }
    return [Moment.of(name, *place, result) for name, place in at.items()]


def most_at_stake(result: Result) -> list[str]:
    """Materials with demand, those first whose shortfalls cost most with the plan on average; what comes
    inside imported goods, which no plan can replace, last."""
    short, losses = result.tables["shortfalls"], result.tables["scenario_losses"].set_index("scenario")
    cost = (short["loss_musd"] * short["scenario"].map(losses["probability"])).groupby(short["material"]).sum()
    inside = {row.material for row in result.data.rows("materials") if row.embedded}
    forms = qualified_forms(result.plan, result.data)
    wanted = dict.fromkeys(forms.demand(row.material, row.segment)[0] for row in result.data.rows("demand"))
    return sorted(wanted, key=lambda code: (code in inside, -float(cost.get(code, 0.0))))


def supply(result: Result, colours: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, list[str]], str]:
    """(table, pictures, who gives most in words) of the materials that are most at stake.

    colours: of countries, by code. Table: material, supplier, then a column a moment with share and tonnes in words, for every step
    of the chains. Pictures: by name of a material, one SVG a moment, `WIDE` wide, which need `definitions` in the same document.
    """
    names, found = Names.of(result.data), moments(result)
    stages = {row.material: row.stage for row in result.data.rows("materials")}
    chosen = [code for code in most_at_stake(result) if any(moment.shares(code) for moment in found)]
    chains = {code: chain(code, found, stages) for code in chosen[:MOST_MATERIALS]}
    rows = [
        (names.material(step), names.country(who), *(moment.amount(step, who) for moment in found))
        for step in dict.fromkeys(step for rows in chains.values() for row in reversed(rows) for step in row)
        for who in ordered(step, found)
    ]
    table = pd.DataFrame(rows, columns=["material", "supplier", *(moment.name for moment in found)])
    land, home = outlines()["countries"], members(result.data, result.plan.home)
    pictures, told = {}, []
    for code, steps in chains.items():
        drawn = [Panel(steps, moment, found, names, colours, land, home).svg for moment in found]
        pictures[names.material(code)] = drawn
        most = [max(moment.shares(code).items(), key=lambda pair: pair[1], default=("nobody", 0.0)) for moment in found]
        told.append(f"{names.material(code)}: {', '.join(f'{names.country(who)} {share:.0%}' for who, share in most)}")
    return table, pictures, f"Top share: {'; '.join(moment.name for moment in found)}. {'. '.join(told)}."


def ordered(material: str, found: Iterable[Moment]) -> list[str]:
    """Suppliers of a material, the largest over some moments first; then those without a name, the reserve, what is missing."""
    weight: dict[str, float] = defaultdict(float)
    for moment in found:
        for who, share in moment.shares(material).items():
            weight[who] += share
    last = [UNNAMED, OTHERS, RESERVE, SHORT]
    return sorted(weight, key=lambda who: (last.index(who) if who in last else -1, -weight[who], who))


def chain(product: str, found: Iterable[Moment], stages: Mapping[str, str]) -> list[list[str]]:
    """Rows of materials from the first feed to a product: a feed stands above all that is made of it, and beside those of its
    stage. stages: of every material, in the order in which a row shows them."""
    arrows = sorted({(feed, made) for moment in found for feed, made, _ in moment.taken if feed != made})
    level = {product: 0}
    for _ in range(len(arrows) + 1):  # as many times as a chain without a circle can be long
        for feed, made in arrows:
            if made in level and level.get(feed, 0) <= level[made] < len(arrows):
                level[feed] = level[made] + 1
        for code in level:
            level[code] = max(n for other, n in level.items() if stages[other] == stages[code])
    return [[code for code in stages if level.get(code) == n] for n in sorted(set(level.values()), reverse=True)]


# How it is drawn: a map above, the steps of the chain below, bands between them.


WIDE, MAP_TALL, GAP, BAR, HEAD = 340.0, 158.0, 10.0, 24.0, 15.0
"""Pixels: of a picture, of its map, between bars of a row, of a bar, of the words above it."""
ROW = 84.0
"""Pixels from a row of bars to the next one."""
LETTER = 6.1
"""Pixels of a letter, at most on average."""
CLASSES = {0.05: "#dbe7f0", 0.2: "#a9c6dc", 0.5: "#6699bf", 0.8: "#2b6a99", 1.01: "#0a3a5c"}
"""Share below which a country has a shade: lightness alone tells them apart."""
SHARES = ("0–5", "5–20", "20–50", "50–80", "80–100")
LINE, INK = "#b9bcc2", "#111827"
HALO = 'stroke="#fff" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke"'
MIDDLE = 'text-anchor="middle"'
FIXED = {OTHERS: "#d3d7dd", RESERVE: INK, SHORT: "url(#missing)", LACKING: "url(#missing)"}
FIXED |= {USERS: "#374151", PLANTS: "#8a92a0", EXPORTS: "#d3d7dd"}
SPOKEN = {RESERVE: "reserve", SHORT: "missing", OTHERS: "others"}


def outlines() -> dict[str, Any]:
    """The file of outlines: source, licence, and of each country its middle and its path."""
    text = resources.files("strategic_minerals").joinpath("page", "outlines.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def definitions() -> str:
    """What the pictures of a document share: outlines of countries, and hatching."""
    paths = "".join(f'<path id="of-{code}" d="{one["path"]}"/>' for code, one in outlines()["countries"].items())
    hatch = '<pattern id="missing" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    hatch += '<rect width="7" height="7" fill="#fff"/><rect width="1.6" height="7" fill="#b91c1c"/></pattern>'
    return f'<defs><g id="land">{paths}</g>{hatch}</defs>'


def standing_alone(pictures: Iterable[str]) -> tuple[str, float, float]:
    """(SVG, width, height) of pictures side by side, which needs nothing else."""
    shown = list(pictures)
    tall = max(float(picture.split('height="', 1)[1].split('"', 1)[0]) for picture in shown)
    placed = [picture.replace("<svg ", f'<svg x="{n * (WIDE + 20)}" ', 1) for n, picture in enumerate(shown)]
    wide = len(shown) * (WIDE + 20) - 20
    size = f'width="{wide:g}" height="{tall:g}" viewBox="0 0 {wide:g} {tall:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{definitions()}{"".join(placed)}</svg>', wide, tall


@dataclass(frozen=True)
class Span:
    """A part of a bar."""

    who: str
    share: float
    left: float
    right: float
    top: float
    """Upper edge of its bar."""


@dataclass(frozen=True)
class Panel:
    """The picture of one material at one moment."""

    rows: list[list[str]]
    """Materials of the chain, the one of the picture last."""
    moment: Moment
    found: list[Moment]
    """All moments, whose pictures have the same rows and the same order of suppliers."""
    names: Names
    colours: Mapping[str, str]
    land: Mapping[str, Any]
    """Outlines of countries."""
    home: frozenset[str]

    @property
    def material(self) -> str:
        """The last one of the chain."""
        return self.rows[-1][0]

    @property
    def svg(self) -> str:
        """The whole."""
        tall = 20 + MAP_TALL + 34 + ROW * len(self.rows) + HEAD + BAR + 2
        title = words(0, 12, self.moment.name, 'font-size="13" font-weight="700"')
        drawn = "".join([title, *self._map(20.0), *self._chain(20 + MAP_TALL + 34)])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="panel" width="{WIDE:g}" height="{tall:g}" '
            f'viewBox="0 0 {WIDE:g} {tall:g}" fill="{INK}" font-family="system-ui, sans-serif" font-size="10">{drawn}</svg>'
        )

    def _map(self, top: float) -> Iterator[str]:
        """Countries by their share, with a key below."""
        across = WIDE / 1440  # the outlines count quarters of a degree
        up = across * 1.2  # at 34 degrees countries keep their shape
        zero = top + 84 * 4 * up
        shares = sorted(self.moment.shares(self.material).items(), key=lambda pair: (-pair[1], pair[0]))
        placed = [(who, share, *self.land[who]["middle"]) for who, share in shares if who in self.land]
        line = f'stroke-width="2" stroke="{LINE}"'
        yield f'<g transform="translate({WIDE / 2:g} {zero:.1f}) scale({across:.5f} {up:.5f})" stroke-linejoin="round">'
        yield f'<use href="#land" fill="#f1f1ee" {line}/>'
        for who, share, *_ in placed:
            shade = next(shade for limit, shade in CLASSES.items() if share < limit)
            told = f"<title>{escape(self.names.country(who))} {share:.0%}</title>"
            yield f'<use href="#of-{who}" fill="{shade}" {line}>{told}</use>'
        for who in sorted(self.home & set(self.land)):
            yield f'<use href="#of-{who}" fill="none" stroke-width="3" stroke="{INK}"/>'
        yield "</g>"
        taken: list[tuple[float, float, float]] = []
        for who, share, east, south in placed:
            x, y, text = WIDE / 2 + east * across, zero + south * up, f"{self.names.country(who)} {share:.0%}"
            half = len(text) * LETTER / 2
            at = min(max(x, half), WIDE - half)
            if share >= SMALL_SHARE and all(abs(y - b) > 11 or abs(at - a) > half + other for a, b, other in taken):
                taken.append((at, y, half))
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{INK}" stroke="#fff" stroke-width="0.7"/>'
                yield words(at, y - 4, text, HALO, MIDDLE)
        yield words(0, top + MAP_TALL + 11, "Share, %")
        for n, (shade, text) in enumerate(zip(CLASSES.values(), SHARES, strict=True)):
            box = f'x="{56 + 57 * n}" y="{top + MAP_TALL + 2:g}" width="9" height="9" fill="{shade}" stroke="{LINE}"'
            yield f"<rect {box}/>" + words(68 + 57 * n, top + MAP_TALL + 11, text)

    def _drawn(self, material: str) -> dict[str, float]:
        """Supplier -> share, as drawn: small countries together."""
        least = {who for moment in self.found for who, share in moment.shares(material).items() if share > SMALL_SHARE}
        shares: dict[str, float] = defaultdict(float)
        for who, share in self.moment.shares(material).items():
            kept = who in (RESERVE, SHORT) or (who in least and who != UNNAMED)
            shares[who if kept else OTHERS] += share
        order = ordered(material, self.found)
        last = [OTHERS, RESERVE, SHORT]
        return {who: shares[who] for who in (*(who for who in order if who not in last), *last) if who in shares}

    def _chain(self, top: float) -> Iterator[str]:
        """Bars of every step and of the uses, with bands between."""
        bars: dict[str, dict[str, Span]] = {}
        heads: list[str] = []
        for n, row in enumerate(self.rows):
            wide = (WIDE - GAP * (len(row) - 1)) / len(row)
            for k, material in enumerate(row):
                left, upper, parts = k * (wide + GAP), top + n * ROW + HEAD, self.moment.parts.get(material, {})
                made = f"{digits(sum(parts.values()) - parts.get(SHORT, 0.0))}\u00a0t" if parts else "none"
                name = f"{self.names.material(material)}, {made}"
                lines = textwrap.wrap(name, int(wide / LETTER), max_lines=2, placeholder="…")
                for line, text in enumerate(reversed(lines)):
                    heads.append(words(left, upper - 4 - 11 * line, text, HALO, 'font-weight="600"'))
                bars[material] = spans(self._drawn(material), left, wide, upper)
        bars[""] = spans(self.moment.uses(self.material), 0.0, WIDE, top + len(self.rows) * ROW + HEAD)
        yield from self._bands(bars)
        yield from heads
        for material, spanned in bars.items():
            for span in spanned.values():
                yield self._part(span, (material, span.who) in self.moment.full)

    def _links(self) -> Iterator[tuple[str, str, str, float, float]]:
        """Feed, product (none: uses), whose part of its bar, share of the feed's supply that goes there, share that it is of the
        bar."""
        for (feed, product, country), tonnes in sorted(self.moment.taken.items()):
            parts, bar = self.moment.parts.get(feed, {}), self.moment.parts.get(product, {})
            supply = sum(parts.values()) - parts.get(SHORT, 0.0)
            if supply > SMALL_T and sum(bar.values()) > SMALL_T:
                made = self.moment.made[feed, product, country] / sum(bar.values())
                yield feed, product, country, min(1.0, tonnes / supply), made
        uses = self.moment.uses(self.material)
        for who, share in uses.items():
            yield self.material, "", who, 1.0 if who == LACKING else share / (1 - uses.get(LACKING, 0.0)), share

    def _bands(self, bars: dict[str, dict[str, Span]]) -> Iterator[str]:
        """From suppliers to the plants and users that take from them, each in proportion."""
        ends: dict[tuple[str, str, bool], float] = {}
        for feed in bars:
            for one, product, who, given, made in self._links():
                to = bars.get(product, {}).get(who) or bars.get(product, {}).get(OTHERS)
                if one != feed or to is None:
                    continue
                givers = [span for span in bars[feed].values() if (span.who == SHORT) == (who == LACKING)]
                wide = made * sum(span.right - span.left for span in bars[product].values())
                for span in givers:
                    start, end = (feed, span.who, False), (product, to.who, True)
                    a, c = ends.get(start, span.left), ends.get(end, to.left)
                    ends[start] = a + given * (span.right - span.left)
                    ends[end] = c + wide * span.share / sum(giver.share for giver in givers)
                    yield ribbon((a, ends[start], span.top + BAR), (c, ends[end], to.top), self._fill(span))

    def _part(self, span: Span, full: bool) -> str:
        """A part of a bar with its name where there is room."""
        wide, share, fill = span.right - span.left, f"{span.share:.0%}", self._fill(span)
        name = SPOKEN.get(span.who, span.who if span.who in FIXED else self.names.country(span.who))
        short = [name, name.split()[0]] if span.who in FIXED else [f"{span.who} {share}", span.who]
        told = next((text for text in (f"{name} {share}", *short) if len(text) * LETTER + 4 <= wide), "")
        ink = HALO if fill.startswith("url") else 'fill="#fff"' if dark(fill) else ""
        at = f'<rect x="{span.left:.1f}" width="{max(wide, 0.4):.1f}"'
        box = f'{at} y="{span.top:g}" height="{BAR:g}" fill="{fill}" stroke="#fff" stroke-width="0.8">'
        under = f'{at} y="{span.top + BAR:g}" height="3.5" fill="{INK}"/>' * full
        text = words((span.left + span.right) / 2, span.top + 15.5, told, ink, MIDDLE) if told else ""
        return f"{box}<title>{escape(name)} {share}</title></rect>{under}{text}"

    def _fill(self, span: Span) -> str:
        """The colour of a part."""
        return FIXED.get(span.who) or self.colours.get(span.who, FIXED[OTHERS])


def words(x: float, y: float, text: str, *style: str) -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" {" ".join(style)}>{escape(text)}</text>'


def spans(shares: Mapping[str, float], left: float, wide: float, top: float) -> dict[str, Span]:
    """Parts of a bar, by whose they are. shares: add up to one, or none."""
    found: dict[str, Span] = {}
    for who, share in shares.items():
        found[who] = Span(who, share, left, left + share * wide, top)
        left += share * wide
    return found


def ribbon(start: tuple[float, float, float], end: tuple[float, float, float], fill: str) -> str:
    """A band between two edges, each from left to right at a height."""
    (a, b, upper), (c, d, lower) = start, end
    half = (upper + lower) / 2
    path = f"M{a:.1f} {upper:g}C{a:.1f} {half:g} {c:.1f} {half:g} {c:.1f} {lower:g}H{d:.1f}"
    path += f"C{d:.1f} {half:g} {b:.1f} {half:g} {b:.1f} {upper:g}z"
    return f'<path d="{path}" fill="{fill}" fill-opacity="0.4"/>'


def dark(colour: str) -> bool:
    """Whether white reads better on a colour than black, by its luminance."""
    red, green, blue = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return bool(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 < 0.18)
