"""Figures that are off together: a column, a file, the rows of some materials in another unit.

One figure that slipped disagrees with all around it. Where a whole column slipped, each of its rows may be outvoted by what stands
beside it in one. So sets of figures are corrected together, by one factor, and the set is doubted whose correction reconciles more
than correcting any one figure that it touches would. Candidates are the columns of one unit in every combination (tonnes of demand,
capacities and offers come from one file), over all rows, over the planned materials, over those of one material, then the rows of a
column that share a part of their key, then those that disagree by the same factor, each by itself.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations

from .compare import UNITS, Computed, Doubt, Evidence, Figure, Pooled, Published, corrected, off, residual, speaking

Column = tuple[str, str]
"""Table, column."""
Signature = frozenset[Column]

POOL = 3
"""Comparisons of single rows that one of a whole column counts for."""
MOST_JOINT = 9
"""Columns of one unit that are tried in every combination."""
MOST_GROUPS = 12
UNITS_OF = (("_t_per_yr", "t"), ("_t", "t"), ("_usd_per_kg", "USD/kg"), ("_musd", "million USD"))
"""Ends of column names, and the unit they are in: what one file may have in another."""
TYPICAL = (1000.0, 1e6, 100.0, 12.0, 365.0, 2.20462)
"""What columns in another unit are off by, and one over it."""
NEAR = {365.0: 1.002, 2.20462: 1.02, 1000.0: 2.8}
"""Tolerance for some of them: a factor of several hundred usually means a thousand."""
LOOSELY = 1.8
"""How near to a typical factor one may be that was guessed from sizes alone."""


@dataclass(frozen=True, order=True)
class _Rank:
    """How well a correction explains what fails. net: comparisons mended less twice those broken."""

    net: int
    columns: int
    """Minus how many columns it changes."""
    size: float
    """Rows that it changes, where most of them disagree with something; else minus the rows."""
    trust: int
    near: float
    """Minus how far the factor is from what failing comparisons suggest, or from the typical one near to it."""


@dataclass(frozen=True)
class _Group:
    """Figures of one or more columns, all divided by one factor."""

    figures: frozenset[Figure]
    columns: Signature
    factor: float
    rank: _Rank


@dataclass
class Together:
    """The search for figures that are off together; what is left of the evidence afterwards is for single figures."""

    values: Mapping[Figure, float]
    evidence: list[Evidence]
    trusted: Collection[str]
    published: Published
    scopes: Sequence[Collection[tuple[str, str]]] = ()
    """Sets of (table, key), wide ones first: rows of the planned materials, rows of one material."""
    touches: dict[int, frozenset[Figure]] = field(default_factory=dict)
    of: dict[Figure, list[Evidence]] = field(default_factory=lambda: defaultdict(list))
    columns: dict[Column, list[Figure]] = field(default_factory=lambda: defaultdict(list))
    failing: dict[int, Evidence] = field(default_factory=dict)

    def get(self, figure: Figure) -> float:
        """The value of a figure."""
        return self.values.get(figure, 0.0)

    def column(self, figure: Figure) -> Column:
        """The column of a figure; for an end of a range, that of the value."""
        table, key, name = figure
        base = name.removesuffix("_low").removesuffix("_high")
        return table, base if base != name and (table, key, base) in self.values else name

    def doubts(self) -> Iterator[Doubt]:
        """Columns that are off, and of each the rows; what they explain is taken out of the evidence."""
        self.failing = {id(each): each for each in self.evidence if off(each, self.get) > 1}
        if not self.failing:
            return
        for each in self.evidence:
            self.touches[id(each)] = frozenset(each.figures)
            for figure in self.touches[id(each)]:
                self.of[figure].append(each)
        for figure, value in self.values.items():
            if value > 0 and figure in self.of:
                self.columns[self.column(figure)].append(figure)
        for _ in range(MOST_GROUPS):
            group = next((found for stage in self._stages() if (found := self._best(stage)) is not None), None)
            if group is None:
                return
            yield from self._told(group)
            settled = {id(each) for figure in group.figures for each in self.of[figure]}
            self.evidence = [each for each in self.evidence if id(each) not in settled]
            self.failing = {key: each for key, each in self.failing.items() if key not in settled}
            for figure in {figure for key in settled for figure in self.touches[key]}:
                self.of[figure] = [each for each in self.of[figure] if id(each) not in settled]
            if not self.failing:
                return

    # What is tried.

    def _stages(self) -> Iterator[Iterable[_Group]]:
        """Candidates, the wide ones first; the next are made only where those before explain nothing."""
        whole = [None, *self.scopes[:1]]
        yield chain(self._by_key(), *(self._joint(scope) for scope in whole))
        yield chain.from_iterable(self._joint(scope) for scope in self.scopes[1:])
        yield self._alike()

    def _best(self, candidates: Iterable[_Group]) -> _Group | None:
        """The best of some candidates that explain more than any figure by itself does."""
        for group in sorted(candidates, key=lambda group: group.rank, reverse=True):
            if group.rank.net > 0 and len(group.figures) > 1 and group.rank.net > self._single(group):
                return group
        return None

    def _joint(self, scope: Collection[tuple[str, str]] | None) -> Iterator[_Group]:
        """Columns of one unit in every combination, within a scope; one column at its own factor as well."""
        inside = {
            column: found
            for column, figures in self.columns.items()
            if (found := [each for each in figures if scope is None or each[:2] in scope])
        }
        members = {figure: column for column, figures in inside.items() for figure in figures}
        touched = Counter(members[f] for key in self.failing for f in self.touches[key] if f in members)
        families: dict[str, list[Column]] = defaultdict(list)
        for column in inside:
            families[self._unit(column)].append(column)
        for family in families.values():
            hit = sorted((column for column in family if column in touched), key=lambda column: -touched[column])
            if not hit:
                continue
            trial = _Trial(self, {f: c for f, c in members.items() if c in family})
            guesses = {column: trial.guess(column) for column in hit}
            for column, guess in guesses.items():
                for factor in dict.fromkeys((guess, typical(guess))):
                    yield trial.group(frozenset({column}), factor, guess)
            if len(family) > 1:
                joint = sorted(family, key=lambda column: -touched[column])[:MOST_JOINT]
                near = (typical(guess) for guess in guesses.values())
                for factor in dict.fromkeys(unit for unit in near if unit in UNITS):
                    for size in range(2, len(joint) + 1):
                        for columns in combinations(joint, size):
                            yield trial.group(frozenset(columns), factor, factor)

    def _by_key(self) -> Iterator[_Group]:
        """Rows of one column that share a part of their key."""
        for column in self._hit():
            parts: dict[tuple[int, str], list[Figure]] = defaultdict(list)
            for figure in self.columns[column]:
                for place, part in enumerate(figure[1].split("/")):
                    parts[place, part].append(figure)
            for figures in parts.values():
                if len({figure[1] for figure in figures}) > 1 and len(figures) < len(self.columns[column]):
                    yield from self._rows(column, figures)

    def _alike(self) -> Iterator[_Group]:
        """Rows of one column that disagree by one factor, each by itself or with the others of its material."""
        for column in self._hit():
            alike: dict[float, set[Figure]] = defaultdict(set)
            blocks: dict[str, list[Figure]] = defaultdict(list)
            for figure in self.columns[column]:
                blocks[figure[1]].append(figure)
                blocks[f"{figure[1].split('/')[0]}/"].append(figure)
            for figures in blocks.values():
                for group in self._rows(column, figures):
                    if group.rank.net > 0:
                        alike[typical(group.factor, 3.0)] |= group.figures
            for together in alike.values():
                if len({figure[1] for figure in together}) > 1:
                    yield from self._rows(column, sorted(together))

    def _rows(self, column: Column, figures: Sequence[Figure]) -> Iterator[_Group]:
        """Some rows of a column, at the factor that they suggest and at the typical one near it."""
        trial = _Trial(self, dict.fromkeys(figures, column), pools=2 * len(figures) >= len(self.columns[column]))
        if trial.failed:
            guess = trial.guess(column)
            for factor in dict.fromkeys((guess, typical(guess))):
                yield trial.group(frozenset({column}), factor, guess)

    def _hit(self) -> list[Column]:
        """Columns that something fails of."""
        found = {self.column(figure) for key in self.failing for figure in self.touches[key]}
        return sorted(column for column in found if column in self.columns)

    def _unit(self, column: Column) -> str:
        """The unit that a file may have all its columns in; a column of another by itself."""
        if column[0] not in self.published.tables:
            for end, unit in UNITS_OF:
                if column[1].endswith(end):
                    return unit
        return ".".join(column)

    def _single(self, group: _Group) -> int:
        """The best score of correcting a single figure, among those in comparisons that the group reconciles."""
        mended = self._mended(group)
        near = {f for key, each in mended.items() if not isinstance(each, Pooled) for f in self.touches[key]}
        rows = {figure: self._row(figure) for figure in near if self.get(figure) > 0}
        best = 0
        for figure, moved in rows.items():
            trial = _Trial(self, dict.fromkeys(moved, self.column(figure)), pools=False)
            if trial.most() > best:
                guess = trial.guess(self.column(figure))
                columns = frozenset({self.column(figure)})
                best = max(
                    best, *(trial.group(columns, factor, guess).rank.net for factor in dict.fromkeys((*UNITS, guess)))
                )
        return best

    def _mended(self, group: _Group) -> dict[int, Evidence]:
        """Comparisons that fail and that a group reconciles."""
        by = corrected(self.get, group.figures, group.factor)
        touched = {id(each): each for figure in group.figures for each in self.of[figure] if id(each) in self.failing}
        return {key: each for key, each in touched.items() if off(each, by) == 1}

    def _row(self, figure: Figure) -> list[Figure]:
        """A figure with the ends of its range."""
        ends = [(*figure[:2], figure[2] + end) for end in ("", "_low", "_high")]
        return [end for end in ends if end in self.values]

    # What is reported.

    def _told(self, group: _Group) -> Iterator[Doubt]:
        """A doubt for each column of a group, at the row with the strongest evidence."""
        mended = self._mended(group)
        for column in sorted(group.columns):
            rows = [figure for figure in self.columns[column] if figure in group.figures and figure[2] == column[1]]
            rows = rows or [figure for figure in self.columns[column] if figure in group.figures]
            against = {f: [each for each in self.of[f] if id(each) in mended] for f in rows}
            first = max(rows, key=lambda f: (sum(not isinstance(each, Pooled) for each in against[f]), self.get(f)))
            labels = speaking(sorted(against[first], key=self._telling), group.figures, self.get)
            impossible = any(each.impossible for found in against.values() for each in found)
            others = tuple(sorted(figure for figure in rows if figure != first))
            whole = {figure[1] for figure in self.columns[column] if figure[2] == column[1]}
            beside = labels or ("the other columns of its unit",)
            yield Doubt(first, self.get(first), group.factor, beside, impossible, others, len(whole))

    def _telling(self, each: Evidence) -> tuple[bool, bool, bool, float]:
        """Order in which comparisons are reported: published figures, then impossible ones, then the largest deviations."""
        published = any(figure[0] in self.published.tables for figure in self.touches[id(each)])
        return isinstance(each, Pooled), not published, not each.impossible, -off(each, self.get)


class _Trial:
    """Corrections of figures by column: comparisons that each reconciles and breaks, counted once per set of columns."""

    def __init__(self, search: Together, members: Mapping[Figure, Column], pools: bool = True) -> None:
        self.search, self.members = search, members
        touched = {
            id(each): each for figure in members for each in search.of[figure] if pools or not isinstance(each, Pooled)
        }
        self.failed = [each for key, each in touched.items() if key in search.failing]
        self.precise = any(isinstance(each, Computed) and each.exact for each in self.failed)
        self.by_columns: dict[Signature, list[Evidence]] = defaultdict(list)
        for key, each in touched.items():
            self.by_columns[frozenset(members[f] for f in search.touches[key] if f in members)].append(each)
        self.known: dict[tuple[Signature, Signature, float], tuple[int, int]] = {}
        self.figures: dict[Column, set[Figure]] = defaultdict(set)
        for figure, column in members.items():
            self.figures[column].add(figure)
        single = [each for each in self.failed if not isinstance(each, Pooled)]
        self.failing_rows = {figure for each in single for figure in search.touches[id(each)] if figure in members}

    def most(self) -> int:
        """Upper bound on the comparisons that a correction can reconcile."""
        return sum(weight(each) for each in self.failed)

    def guess(self, column: Column) -> float:
        """By what factor the failing comparisons have a column too large. Of single rows only the outermost fail where their range
        is wide: the middle of all rows is asked where that fails, unless rows say it to the last digit."""
        figures = self.figures[column]
        failed = [each for each in self.failed if not figures.isdisjoint(self.search.touches[id(each)])]
        middle = [each for each in failed if isinstance(each, Pooled)]
        return residual(self.search.get, figures, failed if self.precise or not middle else middle)

    def group(self, columns: Signature, factor: float, guess: float) -> _Group:
        """Some of the columns divided by a factor."""
        net = agreed = 0
        for signature in self.by_columns:
            if changed := signature & columns:
                whole, heard = self._effect(signature, frozenset(changed), factor)
                net, agreed = net + whole, agreed + heard
        figures = frozenset(f for column in columns for f in self.figures[column])
        if agreed <= 0 and any(column[0] in self.search.published.tables for column in columns):
            net = 0
        hit = len(figures & self.failing_rows)
        trust = -sum(column[0] in self.search.trusted for column in columns)
        size = float(len(figures) if 2 * hit >= len(figures) else -len(figures))
        meant = guess if self.precise else typical(guess, LOOSELY)
        rank = _Rank(net, -len(columns), size, trust, -abs(math.log(factor / meant)))
        return _Group(figures, columns, factor, rank)

    def _effect(self, signature: Signature, changed: Signature, factor: float) -> tuple[int, int]:
        """(of all comparisons, of those among published figures) of the same columns: mended less twice those broken."""
        if (signature, changed, factor) not in self.known:
            search, net, heard = self.search, 0, 0
            by = corrected(search.get, set().union(*(self.figures[column] for column in changed)), factor)
            for each in self.by_columns[signature]:
                before, after = id(each) in search.failing, off(each, by) > 1
                if before != after:
                    score = weight(each) * (1 if before else -2)
                    net += score
                    heard += score if search.published.says(each) else 0
            self.known[signature, changed, factor] = net, heard
        return self.known[signature, changed, factor]


def weight(each: Evidence) -> int:
    """Comparisons of single rows that one counts for."""
    return POOL if isinstance(each, Pooled) else 1


def typical(factor: float, within: float = 2.5) -> float:
    """The usual factor of another unit that one is near to; itself where it is near to none. within: how near."""
    far = {unit: abs(math.log(factor / unit)) for each in TYPICAL for unit in (each, 1 / each)}
    near = [
        unit for unit, distance in far.items() if distance <= math.log(NEAR.get(round(max(unit, 1 / unit), 5), within))
    ]
    return min(near, key=far.__getitem__, default=factor)
