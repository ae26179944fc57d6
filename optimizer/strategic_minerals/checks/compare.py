"""Compare figures with each other, and decide which of several that disagree is doubtful.

A comparison sets a figure beside others that say how large it should be: a price beside the same price in another set, a capital
cost beside the yearly value of the output. If comparisons fail, some figure is wrong, but a single failing comparison does not
show which. The figure whose correction resolves most disagreements and creates fewest is doubted first; then the next.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

Figure = tuple[str, str, str]
"""Table, key of the row, column; for the plan: `plan`, an empty key, the dotted field."""
Get = Callable[[Figure], float]
Term = tuple[float, tuple[Figure, ...]]
"""A factor, and figures that it multiplies."""

Rank = tuple[float, float, float, int, float]
"""How well a correction explains what fails: comparisons mended less twice those broken, how much nearer all ratios come to what
they mostly are, share of its comparisons that fail, how little its table is trusted, nearness of the factor to what the failing
ones suggest."""

UNITS = (1e3, 1e-3, 1e6, 1e-6)
"""What figures in another unit are off by: kg for t, USD/t for USD/kg, thousands or single USD for millions."""
EXACT = (12.0, 1 / 12, 365.0, 1 / 365, 365.25, 1 / 365.25, 2.20462, 1 / 2.20462)
"""Months and days for years, pounds for kilograms: a ratio that should be 1 and is one of these is no opinion, however near."""
DIGITS = 2e-3
"""Relative difference within which a ratio is one of `EXACT`."""
PLAN = "plan"
"""In place of a table, of figures that the plan states."""
MOST_DOUBTS = 50
MOST_SHOWN = 3
"""Comparisons that are named for one figure."""
MOST_NAMED = 2
"""Figures that are named of one comparison."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratio of two sums of products of figures, and the range in which it is not odd."""

    label: str
    """What the doubtful figure is compared with, in words."""
    above: tuple[Term, ...]
    below: tuple[Term, ...]
    low: float
    high: float
    usual: float = 1.0
    """What the ratio mostly is, within the range."""
    impossible: bool = False
    """True: a ratio outside the range is no opinion, but another unit."""
    kind: str = ""
    """Comparisons of one kind are also looked at together, see `checks.pools`."""

    @property
    def figures(self) -> set[Figure]:
        """All figures that it depends on."""
        return {figure for _, product in (*self.above, *self.below) for figure in product}

    @property
    def set_beside(self) -> set[Figure]:
        """Figures named by the label: if one of them is doubtful, the others are the evidence."""
        return {figure for _, product in self.below for figure in product}

    def ratio(self, get: Get) -> float:
        """The ratio; NaN where one side is nothing."""
        above, below = _sum(self.above, get), _sum(self.below, get)
        return above / below if above > 0 and below > 0 else math.nan

    def off(self, get: Get) -> float:
        """How many times the ratio is outside its range, at least 1; 1 where there is no ratio."""
        return outside(self.ratio(get), self.low, self.high)


@dataclass(frozen=True)
class Computed:
    """A figure and the value of a documented function of other figures: equal up to rounding, unless it was changed."""

    label: str
    figure: Figure
    others: tuple[Figure, ...]
    compute: Callable[[Get], float]
    low: float
    high: float
    usual: float = 1.0
    impossible: bool = False
    kind: str = ""
    exact: bool = True
    """False: computed and value are of one size and no more."""

    @property
    def figures(self) -> set[Figure]:
        """All figures that it depends on."""
        return {self.figure, *self.others}

    @property
    def set_beside(self) -> set[Figure]:
        """Figures that the label names."""
        return set(self.others)

    def ratio(self, get: Get) -> float:
        """Value over what was computed; NaN where nothing can be."""
        value, computed = get(self.figure), self.compute(get)
        return value / computed if value > 0 and computed > 0 and math.isfinite(computed) else math.nan

    def off(self, get: Get) -> float:
        """How many times the ratio is outside its range, or the factor of the other unit that it is to the last digit; else 1."""
        ratio = self.ratio(get)
        worst = outside(ratio, self.low, self.high)
        return (
            max(worst, *(max(unit, 1 / unit) for unit in EXACT if abs(ratio / unit - 1) < DIGITS), 1.0)
            if self.exact
            else worst
        )


@dataclass(frozen=True)
class Pooled:
    """Comparisons of one kind, of many rows: their middle says of a whole column what one row says of itself less surely."""

    label: str
    members: tuple[Comparison | Computed, ...]
    low: float
    high: float
    usual: float = 1.0
    impossible: bool = False
    exact: bool = False
    """True: most ratios should be 1."""

    @property
    def figures(self) -> set[Figure]:
        """All figures that it depends on."""
        return {figure for member in self.members for figure in member.figures}

    @property
    def set_beside(self) -> set[Figure]:
        """Figures that the label names: none, it counts rows."""
        return set()

    def ratio(self, get: Get) -> float:
        """The middle of the ratios; NaN where none is."""
        found = [ratio for member in self.members if not math.isnan(ratio := member.ratio(get))]
        return median(found) if found else math.nan

    def off(self, get: Get) -> float:
        """How many times the middle is outside its range, or the factor of the other unit in which most rows are to the last digit;
        else 1."""
        found = [ratio for member in self.members if not math.isnan(ratio := member.ratio(get))]
        if not found:
            return 1.0
        worst = outside(median(found), self.low, self.high)
        for unit in EXACT if self.exact else ():
            if 2 * sum(abs(ratio / unit - 1) < DIGITS for ratio in found) > len(found):
                worst = max(worst, unit, 1 / unit)
        return worst


Evidence = Comparison | Computed | Pooled


def outside(ratio: float, low: float, high: float) -> float:
    """How many times a ratio is outside a range, as a factor of at least 1; 1 within it, and where there is no ratio."""
    return 1.0 if math.isnan(ratio) else max(1.0, ratio / high, low / ratio)


def off(each: Evidence, get: Get) -> float:
    """How far a comparison fails, as a factor of at least 1; 1 where it does not."""
    return each.off(get)


@dataclass(frozen=True)
class Doubt:
    """A figure that contradicts what is known."""

    figure: Figure
    value: float
    factor: float
    """How many times too large it seems (above 1) or what part of its right size (below 1)."""
    beside: tuple[str, ...]
    """What it was compared with, and the size that this suggests."""
    impossible: bool
    others: tuple[Figure, ...] = ()
    """Further figures of the column that are off by the same factor."""
    rows: int = 0
    """Figures of the column in all."""


@dataclass
class _Search:
    """Comparisons that still count."""

    values: Mapping[Figure, float]
    trusted: Collection[str]
    published: Published
    of: dict[Figure, list[Evidence]] = field(default_factory=lambda: defaultdict(list))

    def get(self, figure: Figure) -> float:
        """The value of a figure."""
        return self.values.get(figure, 0.0)

    def row_of(self, figure: Figure) -> tuple[Figure, ...]:
        """A figure with the ends of its range, which are written down in the same unit; an end alone."""
        table, key, column = figure
        ends = ((table, key, f"{column}_low"), (table, key, f"{column}_high"))
        return (figure, *(end for end in ends if end in self.values))

    def suspicion(self, figure: Figure) -> int:
        """What a planner states is doubted before a table, a table before one that is trusted."""
        return 2 if figure[0] == PLAN else int(figure[0] not in self.trusted)

    def touching(self, figures: Sequence[Figure]) -> list[Evidence]:
        """Comparisons that depend on any of the figures."""
        return list({id(each): each for figure in figures for each in self.of[figure]}.values())


@dataclass(frozen=True)
class Published:
    """What was published, and is doubted for what else was published alone: what a planner says never outvotes it."""

    tables: Collection[str] = ()
    """Tables that hold nothing else."""
    rows: Collection[tuple[str, str]] = ()
    """(table, key) of rows of other tables that hold a published figure; they may be doubted as any other."""

    def says(self, each: Evidence) -> bool:
        """Whether a comparison depends only on published figures."""
        return all(figure[0] in self.tables or figure[:2] in self.rows for figure in each.figures)


def doubts(
    values: Mapping[Figure, float],
    evidence: Iterable[Evidence],
    trusted: Collection[str] = (),
    published: Published = Published(),
) -> Iterator[Doubt]:
    """Figures that do not fit, the one first whose correction reconciles most.

    values: figure -> value, of those that are known; trusted: tables whose figures are doubted last where two may be wrong;
    published: figures that are doubted for others that were published alone.
    """
    search, all_of_it = _Search(values, trusted, published), list(evidence)
    failing = [each for each in all_of_it if off(each, search.get) > 1]
    for each in all_of_it if failing else ():
        for figure in each.figures:
            search.of[figure].append(each)
    ranks: dict[Figure, tuple[Rank, float]] = {}
    changed = {figure for each in failing for figure in each.figures}
    for _ in range(MOST_DOUBTS):
        if not failing:
            return
        for figure in changed:
            ranks.pop(figure, None)
            if search.get(figure) > 0 and (found := _help(search, figure)) is not None:
                ranks[figure] = found
        if not ranks:
            return
        figure = max(sorted(ranks), key=lambda each: ranks[each][0])
        factor = ranks[figure][1]
        gone = set(search.row_of(figure))
        settled = {id(each): each for each in search.touching(tuple(gone))}
        yield _doubt(search, figure, factor, [each for each in failing if id(each) in settled])
        changed = {other for each in settled.values() for other in each.figures}
        for other in changed:
            search.of[other] = [kept for kept in search.of[other] if id(kept) not in settled]
        failing = [each for each in failing if id(each) not in settled]


def _help(search: _Search, figure: Figure) -> tuple[Rank, float] | None:
    """How much it reconciles to correct a figure, and by which factor it is off; None where nothing that it is in fails."""
    moved = search.row_of(figure)
    mine = search.touching(moved)
    now = [off(each, search.get) > 1 for each in mine]
    if not any(now):
        return None
    guess = residual(search.get, moved, [each for each, failed in zip(mine, now, strict=True) if failed])
    found = []
    for factor in dict.fromkeys((*UNITS, guess)):
        by = corrected(search.get, moved, factor)
        then = [off(each, by) > 1 for each in mine]
        if figure[0] in search.published.tables and _agreed(search, mine, now, then) <= 0:
            continue
        mended = sum(before and not after for before, after in zip(now, then, strict=True))
        broken = sum(after and not before for before, after in zip(now, then, strict=True))
        distance = abs(math.log(factor / guess))
        nearer = _nearer(mine, search.get, by)
        found.append(((mended - 2 * broken, nearer, sum(now) / len(mine), search.suspicion(figure), -distance), factor))
    return max(found) if found else None


def _nearer(mine: Sequence[Evidence], before: Get, after: Get) -> float:
    """By how many factors of ten all ratios together come nearer to what they mostly are."""
    pairs = [(each.ratio(before) / each.usual, each.ratio(after) / each.usual) for each in mine]
    return round(sum(abs(math.log10(old)) - abs(math.log10(new)) for old, new in pairs if old > 0 and new > 0))


def _agreed(search: _Search, mine: Sequence[Evidence], now: Sequence[bool], then: Sequence[bool]) -> int:
    """Comparisons among published figures that a correction reconciles, minus twice those that it breaks."""
    said = [search.published.says(each) for each in mine]
    told = [(before, after) for before, after, heard in zip(now, then, said, strict=True) if heard]
    return sum((before and not after) - 2 * (after and not before) for before, after in told)


def corrected(get: Get, moved: Collection[Figure], factor: float) -> Get:
    """Values with some figures divided by a factor."""
    changed = {figure: get(figure) / factor for figure in moved}
    return lambda asked: changed[asked] if asked in changed else get(asked)


def residual(get: Get, moved: Collection[Figure], failed: Sequence[Evidence]) -> float:
    """By what factor the failing comparisons have some figures too large, in the middle of them."""
    found, twice = [], corrected(get, moved, 0.5)
    for each in failed:
        ratio, doubled = each.ratio(get), each.ratio(twice)
        if doubled == ratio:
            continue
        rises = doubled > ratio
        found.append(math.log(ratio / each.usual) * (1 if rises else -1))
    return math.exp(min(max(median(found), -60.0), 60.0)) if found else 1.0


def _doubt(search: _Search, figure: Figure, factor: float, against: Sequence[Evidence]) -> Doubt:
    strongest = sorted(against, key=lambda each: (not each.impossible, -off(each, search.get)))
    labels = speaking(strongest, set(search.row_of(figure)), search.get)
    return Doubt(figure, search.get(figure), factor, labels, any(each.impossible for each in against))


def speaking(against: Iterable[Evidence], doubted: Collection[Figure], get: Get) -> tuple[str, ...]:
    """What speaks against figures in doubt, in words, the first few: what a comparison sets them beside, or, where that is in doubt
    itself, what was set beside it, as it stands. One of nothing but figures in doubt says nothing, unless there is no other."""
    told, fallback = dict[str, None](), ""
    for each in against:
        if each.set_beside.isdisjoint(doubted):
            told.setdefault(each.label)
        elif others := sorted(each.figures - set(doubted), key=lambda figure: (figure in each.set_beside, figure)):
            mine = [figure for figure in others if figure not in each.set_beside] or others
            more = f" and {len(mine) - MOST_NAMED:,} more" if len(mine) > MOST_NAMED else ""
            told.setdefault(f"{', '.join(named(figure, get(figure)) for figure in mine[:MOST_NAMED])}{more}")
        else:
            fallback = fallback or "other figures of the same column"
        if len(told) == MOST_SHOWN:
            break
    return tuple(told) or ((fallback,) if fallback else ())


def named(figure: Figure, value: float) -> str:
    """A figure with its place."""
    table, key, column = figure
    return f"{column} {value:,g} of the plan" if table == PLAN else f"{column} {value:,g} of {key} ({table}.csv)"


def _sum(terms: Iterable[Term], get: Get) -> float:
    total = 0.0
    for factor, figures in terms:
        for figure in figures:
            factor *= get(figure)
        total += factor
    return total
