"""What happens in the years ahead, drawn from hazards: when each strikes, for how long, how hard, and what follows.

A scenario is lived in order of time, so that events know of each other. A licence stop, an embargo and a war by one country over
the same materials are states of one relation: a harsher one ends a milder one, and none begins while one as harsh lasts. A hazard's
rate is itself uncertain: each scenario draws it from what the record leaves open."""

import heapq
import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import gammaincinv, ndtri

from ..core.frames import Floats
from ..core.runner import checkpoint
from ..core.stats import bracket
from ..question.estimates import LEVEL
from ..question.plan import Event
from .events import NORMAL_90, DisruptionEvent, HazardProfile, Steps, drawn_spreads, resolve_event

IN_FORCE = 1000
"""Number of the first stream of coordinates for what controls in force bring on; events of the span have those below it."""
SOBOL_EVENTS = 3
"""Events of a hazard in one scenario that have coordinates of the joint sequence; later ones are few and pseudo-random."""
REMAINDER_POINTS = 4096
POINTS = (np.arange(REMAINDER_POINTS) + 0.5) / REMAINDER_POINTS
JEFFREYS = 0.5
"""Onsets that a rate of which next to nothing is known stands for: as little as a rate can."""
SHAPES, PART = math.log(1e4), 1e-6
"""Logarithm of the largest shape that is looked for, and how closely."""
HARSHNESS = {"flood_squeeze": 1, "licence": 1, "embargo": 2, "war": 3}
"""States of a relation; a glut is milder than any until its export stop begins. Outages, surges, allies' limits are no states."""


@dataclass(frozen=True)
class Span:
    """When events may strike [decimal fiscal years]: from `begin` on, before `end`."""

    begin: float
    end: float


@dataclass(frozen=True)
class Lasting:
    """An event in force when a span begins, and the dates at which it ends."""

    event: DisruptionEvent
    ends: Floats
    """(scenarios,)"""


@dataclass(frozen=True)
class Exposure:
    """What a hazard had occasion for in one scenario, and what it did: no rate or chance looks at more."""

    onsets: int = 0
    """Times that it came by itself."""
    free: float = 0.0
    """Years in which it could have."""
    chances: int = 0
    """Events that might have brought it on."""
    taken: int = 0
    """Those that did."""


def shape_of(row: Any) -> float:
    """Onsets that a row's rate stands for, the shape of its gamma law: those on record and a half (Jeffreys' prior); without one,
    as many as make its range the 5 and 95 % points; without a range too, infinitely many: the rate is as stated."""
    if row.observed_yr is not None:
        return float(len(row.calibrated_on.split()) + row.onsets_elsewhere) + JEFFREYS
    rate = row.rate_per_yr
    low, high = (rate if end is None else end for end in (row.rate_per_yr_low, row.rate_per_yr_high))
    if not 0 < low < high:
        return math.inf if low == high else JEFFREYS

    def narrower(log_shape: float) -> bool:
        least, most = gammaincinv(math.exp(log_shape), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return bool(most < high / low * least)

    if narrower(-SHAPES):
        return JEFFREYS
    return math.exp(bracket(narrower, -SHAPES, SHAPES, narrow=lambda a, b: b - a < PART)[1])


def draw(
    rows: Sequence[Any],
    table: Sequence[Any],
    span: Span,
    *,
    scenarios: int,
    seed: int,
    events: int | None = None,
    shapes: Mapping[str, float] | None = None,
    profiles: Mapping[str, HazardProfile] | None = None,
    in_force: Collection[str] = (),
    alike: Mapping[str, str] | None = None,
    lasting: Sequence[Lasting] = (),
    grid: float | None = None,
) -> list[tuple[tuple[DisruptionEvent, ...], Mapping[str, Exposure]]]:
    """(scenarios,) strikes of the hazards `rows`, in order of time, with what each hazard had occasion for.

    `table` is the whole table of hazards: it fixes each one's coordinates. A hazard strikes again and again until the end of the
    span (`events`: at most so often by itself), gaps being exponential at its rate; the time in which it cannot begin, because an
    event of its own or a state as harsh lasts, is no part of a gap. shapes: hazard -> shape of the gamma law with the row's rate as
    its mean from which each scenario draws the rate; a hazard that is not named has its rate in every scenario. Where a hazard
    follows another (`after`), every event of the other may bring it on, by a coin and after an exponential lag, unless it cannot
    begin then. Events that cut nothing, `on_off` ones that are off, are left out. Events of a hazard with a profile (`profiles`)
    draw its severity and stretch in place of a cut and a duration, at the same coordinates. in_force: hazards of which a control is
    in force when the span begins; they may bring on others from then on. alike: material -> what it is, where several homes have
    it: one event touches that of all. lasting: events in force when the span begins; they come first in each scenario. grid: step
    of all dates [years]; an event begins with the step in which it comes and lasts whole steps, one at least. None: any date.
    """
    drawn = _Draws(rows, table, span, scenarios, seed, events, shapes or {}, profiles or {}, alike or {}, grid)
    known = {row.hazard: row for row in table}
    relations = _relations([*rows, *(known[one.event.label] for one in lasting if one.event.label in known)])
    found = []
    for n in range(scenarios):
        if n % 256 == 0:
            checkpoint()
        course = _Course(drawn, relations, n, in_force, lasting)
        found.append((course.lived(), course.exposure()))
    return found


def _relations(rows: Sequence[Any]) -> frozenset[tuple[str, str]]:
    """Pairs of hazards that are states of one relation: a country and a material in common."""
    states = {row.hazard: row for row in rows if row.kind in HARSHNESS}
    names = {name: ({*row.countries.split()}, {*row.materials.split()}) for name, row in states.items()}
    return frozenset(
        (a, b)
        for a, (countries, materials) in names.items()
        for b, (others, theirs) in names.items()
        if a != b and countries & others and (materials & theirs or "*" in materials | theirs)
    )


class _Draws:
    """Coordinates of all scenarios, hazard by hazard, and the events that they make."""

    def __init__(
        self,
        rows: Sequence[Any],
        table: Sequence[Any],
        span: Span,
        scenarios: int,
        seed: int,
        events: int | None,
        shapes: Mapping[str, float],
        profiles: Mapping[str, HazardProfile],
        alike: Mapping[str, str],
        grid: float | None,
    ) -> None:
        self._table = {row.hazard: row for row in table}
        self.rows = {row.hazard: row for row in sorted(rows, key=lambda row: row.hazard)}
        self.span, self.grid, self.limit = span, grid, events
        self._scenarios, self._seed = scenarios, seed
        self._shapes, self._profiles, self._alike = shapes, profiles, alike
        self._points = _points(table, scenarios, seed, events or SOBOL_EVENTS, alike)
        self._more: dict[tuple[str, int], Iterator[Floats]] = {}
        self._known: dict[tuple[str, int, int], Floats] = {}
        self._made: dict[tuple[str, int, int], tuple[Any, ...]] = {}
        self._base = {
            name: resolve_event(Event(hazard=name, start_year=2000.0), row, profiles.get(name))
            for name, row in self.rows.items()
        }
        self.mean_gap = {name: self._mean_gaps(row) for name, row in self.rows.items()}
        """(scenarios,) years between onsets by itself, by hazard."""

    def _mean_gaps(self, row: Any) -> Floats:
        u, _ = self._points[row.hazard]
        rate: Floats = np.full(self._scenarios, float(row.rate_per_yr))
        if row.hazard in self._shapes:
            shape = self._shapes[row.hazard]
            rate = rate * gammaincinv(shape, u) / shape
        with np.errstate(divide="ignore"):
            return np.asarray(1 / rate)

    def coordinates(self, hazard: str, stream: int, k: int) -> Floats:
        """(scenarios, coordinates) of the k-th event of a stream: 0 those by itself, 1 and on those after each parent."""
        key = hazard, stream, k
        if key not in self._known:
            _, streams = self._points[hazard]
            if stream < len(streams) and k < len(streams[stream]):
                self._known[key] = streams[stream][k]
            else:  # in order, for each stream goes on without end
                more = self._more.setdefault((hazard, stream), self._beyond(hazard, stream))
                self._known[key] = next(more)
        return self._known[key]

    def _beyond(self, hazard: str, stream: int) -> Iterator[Floats]:
        """Coordinates of later events, without end: pseudo-random ones from a stream of the hazard's own."""
        rng = np.random.default_rng([self._seed, zlib.crc32(hazard.encode()), stream])
        columns = len(_kinds(self.rows[hazard], self._alike)) + (3 if stream == 0 else 4)
        while True:
            yield np.clip(rng.random((self._scenarios, columns)), 2.0**-40, 1 - 2.0**-40)

    def _laws(self, hazard: str, stream: int, k: int) -> tuple[Any, ...]:
        """(scenarios,) of the k-th events of a stream: years and share of the cut, or years, severity, stretch and whether felt."""
        key = hazard, stream, k
        if key not in self._made:
            row, u = self.rows[hazard], self.coordinates(hazard, stream, k)[:, 1 if stream == 0 else 2 :]
            profile = self._profiles.get(hazard)
            if profile is None:
                self._made[key] = durations(row, u[:, 0]), severities(row, u[:, 1])
            else:
                severity, stretch, felt = drawn_spreads(row, u[:, :2])
                self._made[key] = profile.length * stretch, severity, stretch, felt
        return self._made[key]

    def event(self, hazard: str, stream: int, k: int, n: int, start: float) -> DisruptionEvent:
        """The k-th event of a stream in scenario n, from `start` on."""
        row, profile, laws = self.rows[hazard], self._profiles.get(hazard), self._laws(hazard, stream, k)
        u = self.coordinates(hazard, stream, k)[n, (3 if stream == 0 else 4) :]
        length = float(laws[0][n])
        if self.grid is not None:
            whole = max(1, round((row.flood_yr + length) / self.grid)) * self.grid
            length = max(self.grid, whole - row.flood_yr)
        stated: dict[str, Any] = {"start": start, "duration": length, "materials": elements(row, u, self._alike)}
        stated["brought_on"] = stream > 0
        if profile is None:
            return replace(self._base[hazard], cut=float(laws[1][n]), **stated)
        x, felt = float(laws[1][n]), bool(laws[3][n])
        return replace(
            self._base[hazard],
            cut=min(1.0, x * profile.deepest) if felt else 0.0,
            severity=x if felt else 0.0,
            direct_severity=x,
            stretch=length / profile.length,
            **stated,
        )

    def harshness(self, hazard: str, *, begins: bool = False) -> int:
        """Of a hazard's events: 0 of what is no state, and of a glut as it begins."""
        row = self._table.get(hazard)
        return 0 if row is None or (begins and row.flood_yr > 0) else HARSHNESS.get(row.kind, 0)

    def on_grid(self, date: float) -> float:
        """The date, or the step in which it lies."""
        if self.grid is None:
            return date
        return self.span.begin + math.floor((date - self.span.begin) / self.grid + 1e-9) * self.grid


@dataclass
class _Clock:
    """The gap before a hazard comes by itself next."""

    k: int = 0
    """Events that have come by itself."""
    since: float = 0.0
    """Date from which it counts."""
    gap: float = math.inf
    """Years in which the hazard could begin that it takes."""


class _Course:
    """One scenario, lived in order of time."""

    def __init__(
        self,
        drawn: _Draws,
        relations: frozenset[tuple[str, str]],
        n: int,
        in_force: Collection[str],
        lasting: Sequence[Lasting],
    ) -> None:
        self._drawn, self._relations, self._n = drawn, relations, n
        self._events: list[DisruptionEvent] = []
        self._ends: list[float] = []
        self._of: dict[str, list[int]] = {}
        """Hazard -> places of its events."""
        self._clocks = {name: _Clock() for name in drawn.rows}
        self._next: list[tuple[float, str, int, int, float]] = []
        """Candidates: date, hazard, stream, number in the stream, date off the grid."""
        self._free = dict.fromkeys(drawn.rows, 0.0)
        """Hazard -> years in which it could begin, in gaps that are over."""
        self._chances = dict.fromkeys(drawn.rows, 0)
        self._taken = dict.fromkeys(drawn.rows, 0)
        for one in lasting:
            self._record(one.event, float(one.ends[n]))
        self._given = len(lasting)
        begin = drawn.span.begin
        for name in drawn.rows:
            self._gap(name, begin)
        for parent in sorted({*in_force}):
            self._followers(parent, begin, None)

    def lived(self) -> tuple[DisruptionEvent, ...]:
        """All events, those in force at the start first, each with the end that it came to."""
        while self._next:
            date, hazard, stream, k, due = heapq.heappop(self._next)
            if date >= self._drawn.span.end:
                break
            bar = next((place for begin, end, place in self._bars(hazard) if begin <= date < end), None)
            if stream > 0:
                if bar is None:
                    self._begin(hazard, stream, k, date)
                continue
            clock = self._clocks[hazard]
            left = clock.gap - (due - clock.since - self._shut(hazard, clock.since, due))
            if bar is None and left <= 1e-9:
                self._begin(hazard, 0, k, date)
            else:  # the gap stops while the hazard cannot begin
                over = -math.inf if bar is None else self._ends[bar]
                self._push(max(due, over) + max(0.0, left), hazard, 0, k, over)
        new = [k for k in range(self._given, len(self._events)) if self._ends[k] > self._events[k].start]
        given = [self._over(k) for k in range(self._given)]
        return (*given, *sorted(map(self._over, new), key=lambda event: event.start))

    def exposure(self) -> Mapping[str, Exposure]:
        """What each hazard had occasion for in the life that was lived."""
        drawn, found = self._drawn, {}
        for hazard, clock in self._clocks.items():
            limited = drawn.limit is not None and clock.k >= drawn.limit
            since = max(clock.since, drawn.span.begin)
            still = 0.0 if limited else max(0.0, drawn.span.end - since - self._shut(hazard, since, drawn.span.end))
            free = self._free[hazard] + still
            found[hazard] = Exposure(clock.k, free, self._chances[hazard], self._taken[hazard])
        return found

    def _record(self, event: DisruptionEvent, end: float) -> None:
        self._of.setdefault(event.label, []).append(len(self._events))
        self._events.append(event)
        self._ends.append(end)

    def _push(self, due: float, hazard: str, stream: int, k: int, earliest: float = -math.inf) -> None:
        if due < self._drawn.span.end:
            heapq.heappush(self._next, (max(earliest, self._drawn.on_grid(due)), hazard, stream, k, due))

    def _gap(self, hazard: str, since: float) -> None:
        """A new gap before a hazard comes by itself."""
        clock, drawn = self._clocks[hazard], self._drawn
        mean = float(drawn.mean_gap[hazard][self._n])
        if math.isfinite(mean) and (drawn.limit is None or clock.k < drawn.limit):
            u = drawn.coordinates(hazard, 0, clock.k)[self._n, 0]
            clock.since, clock.gap = since, float(-np.log1p(-u)) * mean
            self._push(since + clock.gap, hazard, 0, clock.k)

    def _followers(self, parent: str, start: float, number: int | None) -> None:
        """What an event of a parent brings on; number None: a control in force."""
        drawn = self._drawn
        for name, row in drawn.rows.items():
            parents = row.after.split()
            if parent in parents:
                stream = 1 + parents.index(parent) if number is not None else IN_FORCE + zlib.crc32(parent.encode())
                k = 0 if number is None else number
                if number is not None and drawn.limit is not None and k >= drawn.limit:
                    continue
                u = drawn.coordinates(name, stream, k)[self._n]
                self._chances[name] += 1
                if u[0] < row.after_probability:
                    self._taken[name] += 1
                    lag = float(-np.log1p(-u[1])) * row.after_lag_yr
                    self._push(start + lag, name, stream, k, start + (drawn.grid or 0.0))

    def _bars(self, hazard: str) -> Iterator[tuple[float, float, int]]:
        """Begin, end and place of what does not let a hazard begin: its own events, and states of the relation that are as harsh. A
        glut is none until its export stop begins, but for other gluts."""
        drawn = self._drawn
        begins = drawn.harshness(hazard, begins=True)
        for other, places in self._of.items():
            if other == hazard or ((hazard, other) in self._relations and drawn.harshness(other) >= begins):
                for place in places:
                    event = self._events[place]
                    waits = event.flood if other != hazard and begins > 0 else 0.0
                    yield event.start + waits, self._ends[place], place

    def _shut(self, hazard: str, since: float, until: float) -> float:
        """Years between two dates in which a hazard could not begin."""
        total, reached = 0.0, since
        for begin, end, _ in sorted(self._bars(hazard)):
            total += max(0.0, min(end, until) - max(begin, reached))
            reached = max(reached, min(end, until))
        return total

    def _begin(self, hazard: str, stream: int, k: int, date: float) -> None:
        """An event begins: milder states of the relation are over, and others may follow."""
        drawn, clock = self._drawn, self._clocks[hazard]
        event = drawn.event(hazard, stream, k, self._n, date)
        end = date + event.flood + event.duration
        if event.cut > 0 or event.profile is not None or drawn.rows[hazard].cut_law != "on_off":
            for other, places in self._of.items():
                for place in places:
                    if (hazard, other) in self._relations and self._ends[place] > date:
                        self._ends[place] = date
            number = sum(place >= self._given for place in self._of.get(hazard, ()))
            self._record(event, end)
            self._followers(hazard, date, number)
        else:
            date = end  # one that is off takes its time too
        if stream == 0:
            clock.k += 1
            self._free[hazard] += clock.gap
            self._gap(hazard, date)

    def _over(self, place: int) -> DisruptionEvent:
        """An event with the end that it came to."""
        event, end = self._events[place], self._ends[place]
        if place < self._given:
            return lasting_until(event, end)
        return event if end >= event.start + event.flood + event.duration else ended(event, end)


def ended(event: DisruptionEvent, end: float) -> DisruptionEvent:
    """An event that something harsher ends at a date; in its flood: no cut follows."""
    length = end - event.start - event.flood
    if length <= 0:
        return replace(event, flood=end - event.start, duration=0.0, cut=0.0, profile=None)
    if event.profile is None:
        return replace(event, duration=length)
    return replace(event, duration=length, profile=held(event.profile, length / event.stretch))


def lasting_until(event: DisruptionEvent, end: float) -> DisruptionEvent:
    """An event in force that ends at a date: its profile at the stated stretch, its last cut holding until then."""
    length = end - event.start - event.flood
    if event.profile is None or length <= 0:
        return replace(event, duration=max(0.0, length), begun=event)
    return replace(event, duration=length, profile=held(event.profile, length / event.stretch), begun=event)


def held(profile: HazardProfile, length: float) -> HazardProfile:
    """A profile that lasts so long: cut off there, or its last step drawn out [years of the profile's own time]."""
    changed: dict[str, Any] = {
        part: tuple((name, _stretched(steps, profile.length, length)) for name, steps in getattr(profile, part))
        for part in ("effective", "direct", "inside", "outside")
    }
    return replace(profile, **changed)


def _stretched(steps: Steps, last: float, length: float) -> Steps:
    """Steps up to a length: of those that reach the profile's end the last one holds until then."""
    kept = [(begin, min(end, length), share) for begin, end, share in sorted(steps) if begin < min(last, length)]
    if kept and kept[-1][1] >= last - 1e-9 and length > last:
        begin, _, share = kept[-1]
        kept[-1] = (begin, length, share)
    return tuple(kept)


def _points(
    table: Sequence[Any], scenarios: int, seed: int, events: int, alike: Mapping[str, str]
) -> dict[str, tuple[Floats, list[list[Floats]]]]:
    """Scrambled Sobol points in (0, 1) by hazard: (scenarios,) of its rate; of its own events, then of those that each parent may
    bring on: (scenarios, coordinates) for each of the first `events` events.

    Own events: gap, duration, severity, then one a material, or one for those that are alike. Followers of each parent's events:
    coin, lag and the same.
    The balance is best at powers of two."""
    from scipy.stats import qmc  # half a second, which plans without a sample are spared

    sizes = {
        row.hazard: [
            1,
            *[3 + len(_kinds(row, alike))] * events,
            *[4 + len(_kinds(row, alike))] * (events * len(row.after.split())),
        ]
        for row in sorted(table, key=lambda row: row.hazard)
    }
    engine = qmc.Sobol(max(1, sum(map(sum, sizes.values()))), scramble=True, rng=np.random.default_rng(seed))
    drawn = engine.random_base2(math.ceil(math.log2(max(1, scenarios))))[:scenarios]
    drawn = np.clip(drawn, 2.0**-40, 1 - 2.0**-40)
    found: dict[str, tuple[Floats, list[list[Floats]]]] = {}
    at = 0
    for name, parts in sizes.items():
        rate, *each = [drawn[:, at + sum(parts[:k]) : at + sum(parts[: k + 1])] for k in range(len(parts))]
        found[name] = rate[:, 0], [each[k : k + events] for k in range(0, len(each), events)]
        at += sum(parts)
    return found


def durations(row: Any, u: Floats) -> Floats:
    """Years of the cut by the hazard's law: exponential or fixed at the mean, or lognormal with that mean, its 95 % point as
    many times its 5 % point as the row's high is of its low."""
    if row.duration_law == "fixed":
        return np.full(len(u), row.duration_yr)
    if row.duration_law == "exponential":
        return np.asarray(-np.log1p(-u) * row.duration_yr)
    sigma = math.log(row.duration_yr_high / row.duration_yr_low) / (2 * NORMAL_90)
    return np.asarray(np.exp(math.log(row.duration_yr) - sigma**2 / 2 + sigma * ndtri(u)))


def mean_remainder(row: Any, lasted: float) -> float:
    """Years that a cut goes on, on average, once it has lasted so long: E[D - a | D > a] by the hazard's law.

    Taken over `REMAINDER_POINTS` equally likely durations, exactly for the exponential, which has no memory. A cut that has
    outlasted all of them is believed to end within a month."""
    if row.duration_law == "exponential":
        return float(row.duration_yr)
    every = durations(row, POINTS)
    longer = every[every > lasted]
    return float(longer.mean()) - lasted if len(longer) else 1 / 12


def severities(row: Any, u: Floats) -> Floats:
    """Share cut by the hazard's law: triangular between low and high with its peak at the value; fixed; or `on_off`: all
    with the value as its probability, else the low end."""
    value = row.cut_share
    low = value if row.cut_share_low is None else row.cut_share_low
    high = value if row.cut_share_high is None else row.cut_share_high
    if row.cut_law == "on_off":
        return np.where(u < value, 1.0, 0.0 if row.cut_share_low is None else low)
    if row.cut_law == "fixed" or low >= high:
        return np.full(len(u), value)
    peak = (value - low) / (high - low)
    rising = low + np.sqrt(u * (high - low) * (value - low))
    falling = high - np.sqrt((1 - u) * (high - low) * (high - value))
    return np.asarray(np.where(u < peak, rising, falling))


def _kinds(row: Any, alike: Mapping[str, str]) -> list[str]:
    """What a hazard names, those that are alike once."""
    return list(dict.fromkeys(alike.get(name, name) for name in row.materials.split()))


def elements(row: Any, u: Floats, alike: Mapping[str, str] | None = None) -> str:
    """Which of the hazard's materials an event touches: each with `element_share`, one at least; all that are alike, or none."""
    alike = alike or {}
    kinds = _kinds(row, alike)
    if row.element_share >= 1 or len(kinds) < 2:
        return str(row.materials)
    hit = {kind for kind, v in zip(kinds, u, strict=True) if v < row.element_share} or {kinds[int(np.argmin(u))]}
    return " ".join(name for name in row.materials.split() if alike.get(name, name) in hit)


def felt_share(row: Any, shaped: bool, alike: Mapping[str, str] | None = None) -> float:
    """Share of a hazard's onsets in which a material that it names is cut, on average over these. shaped: by a profile."""
    kinds, share = len(_kinds(row, alike or {})), row.element_share
    touched = 1.0 if kinds < 2 else share + (1 - share) ** kinds / kinds  # one at least
    if shaped:
        return float(touched * (1 - row.no_loss_share))
    return float(touched * (row.cut_share if row.cut_law == "on_off" else 1.0))
