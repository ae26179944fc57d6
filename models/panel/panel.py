"""A panel of 56 materials, 1998 to 2015: do price intervals hold what happened, and would rules of sale have paid?

python panel.py    prints the study in well under a minute and writes it as first-run.txt; README.md says what came out
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from bootstrap import common_share, effective, quantile, ratio, resamples
from numpy.typing import NDArray
from replay import COVER, EVEN, HOLD, SALES, WAYS, Sale, gain

HERE = Path(__file__).parent
Floats = NDArray[np.float64]

# --- settings, fixed before the held-back half was opened ---------------------------------------------------------------

ORIGINS = range(2003, 2015)  # five yearly changes are known at the first
FIRST_HALF = range(2003, 2009)  # the origins on which the price rule is chosen; their outcomes reach into 2011
HORIZONS = (1, 2, 3)  # years
COVERAGE = 0.90
FEWEST_CHANGES = 3  # known at the origin, or no forecast is made
WINDOW = 5  # yearly changes of today's rule: RECENT_YEARS of models/backtest-2022/episode.py
# degrees of freedom of Student's t -> its 95 % quantile, from tables; 0: normal. On the tuned half 4 was the best of 0, 8 and 4, so
# 3 and 2 were added before the other half was opened
QUANTILES_95 = {0: 1.6449, 8: 1.8595, 4: 2.1318, 3: 2.3534, 2: 2.9200}
MOST_PERSISTENCE = 0.8  # few years are known, and an estimate near 1 would be noise
REPLAY_ORIGINS = range(2003, 2011)
REPLAY_YEARS = 5
DRAWS, SEED = 20_000, 1
PRICE_BLOCK, REPLAY_BLOCK = 3, 5  # years of origin drawn together: as long as outcomes overlap

GROUPS = {
    "rare earths": "Ce,Dy,Er,Eu,Gd,Ho,La,Lu,Nd,Pr,Rare Earths,Sc,Sm,Tb,Tm,Y,Yb",  # one main supplier, list prices
    "base metals": "Al,Cr,Cu,Fe,Mn,Ni,Pb,Sn,Zn",  # mined in bulk for themselves; exchanges or contracts set prices
    "precious metals": "Ag,Au,Pd,Pt",  # stores of value, priced by the day
    "minor metals": "As,Be,Bi,Cd,Co,Ga,Hg,Mo,Nb,Re,Sb,Se,Ta,Te,Th,V,W",  # by-products or small mines; dealers quote them
    "industrial minerals": "B,Ba,Ca,I,K,Li,P,Ti,Zr",  # sold as minerals or salts, by contract or customs value
}
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names.split(",")}
LEFT_OUT = {"N": "times 600 in 2001", "S": "breaks of unit in 2008 to 2010", "He": "no price"}
LAST_YEAR = {"Mo": 2009}  # from 2010 on its figures are USD per pound: they halve while USGS told of rising prices

# --- the panel ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """Prices of materials, one row each, one column a year."""

    names: tuple[str, ...]
    first_year: int
    log_price: Floats
    """Logarithm of USD of 1998 per kg; NaN: no price."""

    @property
    def changes(self) -> Floats:
        """Log change from the year before, in the later year's column."""
        return np.diff(self.log_price, axis=1, prepend=np.nan)

    def only(self, keep: Callable[[str], bool]) -> Panel:
        """The panel of some materials."""
        rows = [i for i, name in enumerate(self.names) if keep(name)]
        return replace(self, names=tuple(self.names[i] for i in rows), log_price=self.log_price[rows])


def is_tuned(name: str) -> bool:
    """Whether rules may be chosen on a material: the first byte of its name's SHA-256 is even. The others are held back."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def load(path: Path = HERE / "prices.csv") -> Panel:
    """The panel without what has a break of unit."""
    rows = pd.read_csv(path, keep_default_na=False)
    last = rows["element"].map(LAST_YEAR).fillna(9999)
    rows = rows[~rows["element"].isin(list(LEFT_OUT)) & (rows["year"] <= last)]
    wide = rows.pivot_table(index="element", columns="year", values="usd_1998_per_kg")
    return Panel(tuple(map(str, wide.index)), int(wide.columns.min()), np.log(wide.to_numpy(dtype=float)))


# --- price rules --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """How wide the price may stray: mean square of yearly log changes, own and others', and what else is thought of."""

    name: str
    weight: float = 0.0
    """Of the others' mean square; the rest is the material's own."""
    pool: bool = False
    """Others are all materials; else those of the group."""
    cycle: bool = False
    """Whether a part of the change persists and is common to all."""
    dof: int = 0
    """Degrees of freedom of Student's t; 0: normal."""
    window: int | None = None
    """Own changes used, the latest; None: all known."""


TODAY = Rule("today", window=WINDOW)
"""The backtest's: root mean square of the last five changes, no drift, normal, times the root of the years ahead."""


def candidates() -> list[Rule]:
    """Every rule tried, plain ones first, so that a tie goes to the plainer."""
    spreads = [Rule("own sigma"), *(Rule(f"group {w:.2f}", w) for w in (0.25, 0.5, 0.75, 1.0)), Rule("pool", 1.0, True)]
    return [
        replace(
            rule, name=rule.name + (", cycle" if cycle else "") + (f", t{dof}" if dof else ""), cycle=cycle, dof=dof
        )
        for rule, cycle, dof in product(spreads, (False, True), QUANTILES_95)
    ]


def mean_squares(known: Floats, window: int | None = None) -> Floats:
    """Of each row, over the latest changes known; NaN where there are too few."""
    rows = [row[~np.isnan(row)] for row in known]
    return np.array([np.mean(row[-(window or 0) :] ** 2) if len(row) >= FEWEST_CHANGES else np.nan for row in rows])


def variances(names: Sequence[str], known: Floats, rule: Rule) -> Floats:
    """One year's variance of each material's log change under a rule, from the changes known at the origin."""
    labels = np.array(["all" if rule.pool else GROUP_OF[name] for name in names])
    others = np.full(len(names), np.nan)
    for label in set(labels):
        others[labels == label] = np.nanmean(known[labels == label] ** 2)
    return (1 - rule.weight) * mean_squares(known, rule.window) + rule.weight * others


@dataclass(frozen=True)
class Cycle:
    """The common part of yearly changes, as far as it is known at an origin."""

    share: float
    """Of the variance of a yearly change."""
    persistence: float
    """Of the common change from one year to the next."""
    state: float
    """The last common change over the root mean square of all changes."""


def cycle_of(known: Floats) -> Cycle:
    """Moments of the mean change of all materials; what chance adds to the square of a mean is taken off."""
    known = known[:, ~np.isnan(known).all(axis=0)]
    common, total = np.nanmean(known, axis=0), float(np.nanmean(known**2))
    noise = float(np.mean(np.nanvar(known, axis=0) / np.sum(~np.isnan(known), axis=0)))
    share = (float(np.mean(common**2)) - noise) / total
    persistence = float(common[1:] @ common[:-1] / (common[:-1] @ common[:-1]))
    return Cycle(
        min(max(share, 0.0), 1.0), min(max(persistence, 0.0), MOST_PERSISTENCE), float(common[-1] / total**0.5)
    )


def ahead(variance: Floats, horizon: int, cycle: Cycle | None) -> tuple[Floats, Floats]:
    """Centre and scale of the log change over some years; without a cycle a random walk without drift.

    With one, the common part follows a first-order autoregression and weighs on a material as its sigma does.
    """
    if cycle is None:
        return np.zeros_like(variance), np.sqrt(variance * horizon)
    p, years = cycle.persistence, range(1, horizon + 1)
    common = (1 - p**2) * sum(((1 - p**j) / (1 - p)) ** 2 for j in years)
    centre = np.sqrt(variance) * cycle.state * sum(p**j for j in years)
    return centre, np.sqrt(variance * ((1 - cycle.share) * horizon + cycle.share * common))


def cases(panel: Panel, rule: Rule, origins: Iterable[int]) -> pd.DataFrame:
    """One row for each material, origin and horizon whose outcome is known: what was forecast, and the log change seen."""
    parts = []
    for origin in origins:
        at = origin - panel.first_year
        known = panel.changes[:, : at + 1]
        variance = np.where(np.isnan(mean_squares(known)), np.nan, variances(panel.names, known, rule))
        cycle = cycle_of(known) if rule.cycle else None
        for horizon in (h for h in HORIZONS if at + h < panel.log_price.shape[1]):
            centre, scale = ahead(variance, horizon, cycle)
            columns = {"name": panel.names, "origin": origin, "horizon": horizon, "centre": centre, "scale": scale}
            parts.append(pd.DataFrame({**columns, "seen": panel.log_price[:, at + horizon] - panel.log_price[:, at]}))
    rows = pd.concat(parts, ignore_index=True).dropna()
    reach = QUANTILES_95[rule.dof] * rows["scale"]
    rows["low"], rows["high"], rows["width"] = rows["centre"] - reach, rows["centre"] + reach, 2 * reach
    rows["below"], rows["above"] = 1.0 * (rows["seen"] < rows["low"]), 1.0 * (rows["seen"] > rows["high"])
    rows["stretch"] = (rows["seen"] - rows["centre"]).abs() / reach
    rows["inside"] = 1 - rows["below"] - rows["above"]
    over = np.maximum(rows["low"] - rows["seen"], 0) + np.maximum(rows["seen"] - rows["high"], 0)
    # the interval score of Gneiting and Raftery (2007): a proper one, in log units, less is better
    rows["score"] = rows["width"] + 2 / (1 - COVERAGE) * over
    return rows.assign(group=rows["name"].map(GROUP_OF), one=1.0)


def price_scores(panel: Panel, origins: Iterable[int]) -> dict[str, float]:
    """Rule -> mean interval score over all horizons, of the tuned materials alone, read by themselves."""
    tuned = panel.only(is_tuned)
    return {rule.name: float(cases(tuned, rule, origins)["score"].mean()) for rule in [*candidates(), TODAY]}


def choose_rule(panel: Panel, origins: Iterable[int] = FIRST_HALF) -> Rule:
    """The candidate of the least mean interval score."""
    scores = price_scores(panel, origins)
    return min(candidates(), key=lambda rule: scores[rule.name])


# --- did the price double? ----------------------------------------------------------------------------------------------


def walks(dof: int) -> Floats:
    """Draws of a random walk over the horizons, each year's sum over its standard deviation; one row a draw.

    A cycle's centre and scale are laid on the same draws: what it does to the correlation of two years is left out.
    """
    rng = np.random.default_rng(SEED)
    sums = rng.standard_normal((DRAWS, len(HORIZONS))).cumsum(axis=1) / np.sqrt(HORIZONS)
    # one draw widens or narrows a whole walk, so that each year has its Student's t
    return sums / np.sqrt(rng.chisquare(dof, (DRAWS, 1)) / dof) if dof else sums


def chance(centre: Floats, scale: Floats, drawn: Floats) -> float:
    """That the price of some year is at least twice the origin's."""
    return float(np.mean((centre + scale * drawn >= np.log(2)).any(axis=1)))


def doublings(panel: Panel, rule: Rule, origins: Iterable[int]) -> pd.DataFrame:
    """Cases with three years known: whether a yearly mean reached twice the origin's, and the chance that a rule gave it.

    `base` is the share of doublings in all windows of three years that had ended by the origin, half a case added to each side.
    """
    wide = cases(panel, rule, origins).pivot(
        index=["name", "origin"], columns="horizon", values=["seen", "centre", "scale"]
    )
    wide, drawn = wide.dropna(), walks(rule.dof)
    chances = [chance(c, s, drawn) for c, s in zip(wide["centre"].to_numpy(), wide["scale"].to_numpy(), strict=True)]
    doubled = 1.0 * (wide["seen"].to_numpy() >= np.log(2)).any(axis=1)
    rows = pd.DataFrame({"chance": chances, "doubled": doubled}, wide.index).reset_index()
    rows["base"] = rows["origin"].map({origin: _base_rate(panel, origin) for origin in rows["origin"].unique()})
    rows["brier"], rows["base_brier"] = ((rows[column] - rows["doubled"]) ** 2 for column in ("chance", "base"))
    more = rows["brier"] - rows["base_brier"]
    return rows.assign(group=rows["name"].map(GROUP_OF), one=1.0, horizon=max(HORIZONS), more=more)


def _base_rate(panel: Panel, origin: int) -> float:
    known = panel.log_price[:, : origin - panel.first_year + 1]
    gains = np.stack([known[:, h : known.shape[1] - 3 + h] - known[:, :-3] for h in HORIZONS])
    whole = ~np.isnan(gains).any(axis=0)
    return float((np.sum((gains.max(axis=0) >= np.log(2)) & whole) + 0.5) / (np.sum(whole) + 1))


# --- buying, holding, selling -------------------------------------------------------------------------------------------


def episodes(panel: Panel, late: bool = False) -> pd.DataFrame:
    """One row for each material and origin with five prices after it; a column of gains for each way of buying and selling."""
    rows, prices = [], np.exp(panel.log_price)
    for (i, name), origin in product(enumerate(panel.names), REPLAY_ORIGINS):
        at = origin - panel.first_year + 1
        own = prices[i, at : at + REPLAY_YEARS]
        if not np.isnan(own).any():
            gains = {way: gain(own, buying, sale, late) for way, (buying, sale) in WAYS.items()}
            rows.append({"name": name, "group": GROUP_OF[name], "origin": origin, **gains})
    return pd.DataFrame(rows).assign(horizon=REPLAY_YEARS, one=1.0)


def sale_scores(panel: Panel) -> dict[str, float]:
    """Rule of sale -> mean gain on even money, of the tuned materials alone."""
    tuned = episodes(panel.only(is_tuned))
    return {sale.name: float(tuned[f"{EVEN}, {sale.name}"].mean()) for sale in SALES}


def choose_sale(panel: Panel) -> Sale:
    """The rule of sale with the largest mean gain."""
    scores = sale_scores(panel)
    return max(SALES, key=lambda sale: scores[sale.name])


# --- the study ----------------------------------------------------------------------------------------------------------

Measures = Mapping[str, tuple[str, str | float]]
"""Name -> two columns of `ratio`, or column and level of `quantile`."""
Row = dict[str, str | float]
"""One result: part, half, subject, group, horizon [years], measure, value, low, high, cases."""


def results(part: str, subject: str, rows: pd.DataFrame, measures: Measures, block: int = PRICE_BLOCK) -> list[Row]:
    """Measures by half, horizon and group."""
    held, late = ~rows["name"].map(is_tuned), ~rows["origin"].isin(list(FIRST_HALF))
    halves = {"held back": held, "held back, origins 2009-": held & late, "tuned": ~held, "all": held | True}
    found: list[Row] = []
    for (half, mask), horizon, group in product(halves.items(), rows["horizon"].unique(), ("all", *GROUPS)):
        own = rows[mask & (rows["horizon"] == horizon) & ((rows["group"] == group) | (group == "all"))]
        if own["origin"].nunique() <= block:  # every draw of a block would have all origins
            continue
        where: Row = {"part": part, "half": half, "subject": subject, "group": group, "horizon": int(horizon)}
        weights = resamples(own, block)
        for measure, (over, under) in measures.items():
            ends = ratio(own, over, under, weights) if isinstance(under, str) else quantile(own, over, under, weights)
            value, low, high = ends
            found.append({**where, "measure": measure, "value": value, "low": low, "high": high, "cases": len(own)})
    return found


def choice_rows(panel: Panel) -> list[Row]:
    """What each rule scored where rules were chosen."""
    both = {"interval score": price_scores(panel, FIRST_HALF), "mean gain": sale_scores(panel)}
    where: Row = {"part": "choice", "half": "tuned", "group": "all"}
    return [
        {**where, "subject": x, "measure": y, "value": value} for y, rules in both.items() for x, value in rules.items()
    ]


def price_rows(panel: Panel, rule: Rule) -> list[Row]:
    """Coverage, misses and width of the chosen rule and of today's."""
    today = cases(panel, TODAY, ORIGINS)
    means: Measures = {what: (what, "one") for what in ("inside", "below", "above", "score")}
    measures: Measures = {**means, "width": ("width", "today"), "stretch": ("stretch", COVERAGE)}
    tables = [(own.name, cases(panel, own, ORIGINS).assign(today=today["width"])) for own in (TODAY, rule)]
    return [row for name, table in tables for row in results("price interval", name, table, measures)]


def doubling_rows(panel: Panel, rule: Rule) -> list[Row]:
    """Brier scores of a doubling within three years, and how far they are above the base rate's."""
    found: list[Row] = []
    for own in (TODAY, rule):
        rows = doublings(panel, own, ORIGINS)
        found += results("doubling", own.name, rows, {"Brier": ("brier", "one"), "above base rate": ("more", "one")})
        if own is TODAY:
            found += results(
                "doubling", "base rate", rows, {"Brier": ("base_brier", "one"), "doubled": ("doubled", "one")}
            )
    return found


def replay_rows(panel: Panel) -> list[Row]:
    """Gains of every way of buying and selling, also over the two rules of ministries, which hold what they bought."""
    found: list[Row] = []
    for part, late in (("replay", False), ("replay, sold a year late", True)):
        table = episodes(panel, late)
        for way in WAYS:
            own, hold, cover = (table[x] for x in (way, f"{EVEN}, {HOLD.name}", f"{COVER}, {HOLD.name}"))
            rows = table.assign(gain=own, loss=1.0 * (own < 0), more=own - hold, over=own - cover)
            means: Measures = {"mean": ("gain", "one"), "losses": ("loss", "one")}
            means = {**means, "over holding": ("more", "one"), "over equal tonnes": ("over", "one")}
            found += results(part, way, rows, {**means, "median": ("gain", 0.5)}, REPLAY_BLOCK)
    return found


def effective_rows(panel: Panel) -> list[Row]:
    """The common share of variance, and how many independent cases stand behind each part."""
    found: list[Row] = []
    held = panel.only(lambda name: not is_tuned(name))
    for half, own in (("held back", held), ("tuned", panel.only(is_tuned)), ("all", panel)):
        share, prices = common_share(own.changes), cases(own, TODAY, ORIGINS)
        where: Row = {"part": "effective cases", "half": half, "group": "all"}
        found.append({**where, "subject": "yearly changes", "measure": "common share", "value": share})
        for what, rows, length in (
            ("yearly changes", prices[prices["horizon"] == 1], 1),
            ("three-year intervals", prices[prices["horizon"] == 3], 3),
            ("five-year replays", episodes(own), REPLAY_YEARS),
        ):
            origins = rows["origin"].nunique()
            count = effective(len(rows) / origins, (origins + length - 1) / length, share)
            found.append({**where, "subject": what, "measure": "independent cases", "value": count, "cases": len(rows)})
    return found


def _cell(row: pd.Series) -> str:
    return f"{row['value']:.2f}" + ("" if np.isnan(row["low"]) else f" ({row['low']:.2f} to {row['high']:.2f})")


def table_of(rows: pd.DataFrame, index: list[str]) -> str:
    """Results as text, in the order of the rows."""
    own = rows.assign(cell=rows.apply(_cell, axis=1))
    own[["cases", "horizon"]] = own[["cases", "horizon"]].fillna(0).astype(int)
    wide = own.pivot_table(index=index, columns="measure", values="cell", aggfunc="first", sort=False)
    return str(wide.to_string(na_rep=""))


def text_of(found: pd.DataFrame, heading: str) -> str:
    """What is printed."""
    by_part = dict(list(found[found["measure"] != "score"].groupby("part", sort=False)))
    prices = by_part["price interval"]
    tables = {
        "Price intervals of 90 %; width: over today's; stretch: by what they are too narrow to hold 90 %": (
            prices.query("group == 'all'"),
            ["half", "horizon", "subject"],
        ),
        "The same over three years, by group": (
            prices.query("horizon == 3 and group != 'all' and half != 'tuned'"),
            ["half", "group", "cases", "subject"],
        ),
        "Doubled within three years": (by_part["doubling"].query("group == 'all'"), ["half", "cases", "subject"]),
    }
    for part in ("replay", "replay, sold a year late"):
        own = by_part[part].query("group == 'all' and half != 'tuned'")
        tables[f"{part.capitalize()}: gain per unit of money; nothing gains 0"] = (own, ["half", "cases", "subject"])
    tables["Effective cases"] = (by_part["effective cases"], ["half", "subject"])
    return "\n\n".join([heading, *(f"{title}\n{table_of(*table)}" for title, table in tables.items())]) + "\n"


def study(panel: Panel) -> tuple[pd.DataFrame, str]:
    """Choose on the tuned half, then score both: all results, and what is printed."""
    rule, sale = choose_rule(panel), choose_sale(panel)
    strict = choose_rule(panel, range(FIRST_HALF.start, FIRST_HALF.stop - max(HORIZONS)))
    heading = (
        f"Chosen on the tuned half: intervals by `{rule.name}` (by outcomes until 2008 alone: `{strict.name}`), sale by\n"
        f"`{sale.name}`. In brackets the 5 and 95 % points of resamples."
    )
    parts = [
        choice_rows(panel),
        price_rows(panel, rule),
        doubling_rows(panel, rule),
        replay_rows(panel),
        effective_rows(panel),
    ]
    found = pd.DataFrame([row for part in parts for row in part])
    return found, text_of(found, heading)


def main() -> None:
    """Write and print the study."""
    _, text = study(load())
    (HERE / "first-run.txt").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
