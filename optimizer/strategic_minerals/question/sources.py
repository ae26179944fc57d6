"""Loss functions replayed on what was seen: what each would have estimated for an observed shortage, beside what stopped.

A function is tested on a shortage of about the length for which it is stated alone: users live for months on what they hold, so a
loss of a year says nothing of a quarter, and the other way round.

No total of an observed loss has been published, so none is compared. What a function says is turned into what would have had to
stand still: its loss as a share of a year's output, times the persons employed, are weeks of work; divided by the workers of the
plant that is known to have stopped, weeks of such plants. The same count on the other side: the weeks for which plants are known by
name to have stopped, once for each stop that the widest survey of firms counted or expected, as if each of them had been a plant
as large, stopped for as long. A function whose loss takes more fails: more plants for longer (depth and duration) than could have
gone unnamed. Passing says only that nothing observed speaks against it at that depth and length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..core.formats import amount, digits
from ..core.stats import USD_PER_MUSD
from .dataset import Dataset
from .plan import Plan
from .references import select_materials

WEEKS_PER_YEAR = 52

Range = tuple[float, float, float]
"""Low, central, high."""
Verdict = Literal["far too high", "too high", "plausible", "not comparable", "nothing was missing", "not testable"]
FAILED = ("far too high", "too high")
LIKE_LENGTH = 2.0
"""Ratio of a function's horizon to an episode's trough up to which, either way, they are alike: an estimate (1.5 to 3)."""


@dataclass(frozen=True)
class Episode:
    """An observed shortage of one material in one country."""

    event: str
    country: str
    material: str
    tonnes: Range
    """What did not arrive [t]."""
    depth: float | None
    """Largest share of normal supply lost in a month."""
    mean_depth: float | None
    """The same over the year."""
    months: float | None
    """Length of the trough."""
    stopped_weeks: float
    """Weeks for which plants are known by name to have stopped; 0: none is known."""
    surveyed: float
    """Stops that the widest survey of firms counted or expected, anywhere."""
    workers: float | None
    """Workers of a plant that stopped."""
    output: float | None
    """Of a year [million USD]."""
    employed: float | None

    @property
    def most_weeks(self) -> float | None:
        """Weeks of plants that may have stopped unnamed; None where too little is known of the stops to say."""
        known = self.stopped_weeks > 0 and self.workers and self.output and self.employed
        return self.stopped_weeks * max(1.0, self.surveyed) if known else None

    def weeks(self, loss: float) -> float:
        """Weeks of such plants that a loss [million USD] stands for. ValueError where too little is known."""
        if not (self.workers and self.output and self.employed):
            raise ValueError("an episode without workers, output and employment")
        return loss / self.output * WEEKS_PER_YEAR * self.employed / self.workers


@dataclass(frozen=True)
class Replay:
    """What one loss function would have estimated for one episode."""

    episode: Episode
    function: str
    case: str
    """The case that its study estimated."""
    horizon_months: float | None
    per_tonne: Range
    """[USD/t]"""

    @property
    def loss(self) -> Range:
        """Tonnes not delivered times loss per tonne [million USD]."""
        (a, b, c), (x, y, z) = self.episode.tonnes, self.per_tonne
        return a * x / USD_PER_MUSD, b * y / USD_PER_MUSD, c * z / USD_PER_MUSD

    @property
    def weeks(self) -> Range | None:
        """The same in weeks of plants; None where they are not known."""
        if self.episode.most_weeks is None:
            return None
        low, central, high = map(self.episode.weeks, self.loss)
        return low, central, high

    @property
    def differs(self) -> str:
        """Why the function cannot be compared with the episode; empty where both are of about one length."""
        months, horizon = self.episode.months, self.horizon_months
        if months is None:
            return "how long it lasted is not known"
        seen = f"{months:g} months were seen, through which users could live on what they held"
        if horizon is None:
            return f"no length is stated for which it holds; {seen}"
        if 1 / LIKE_LENGTH <= horizon / months <= LIKE_LENGTH:
            return ""
        return f"it is stated for {horizon:g} months; {seen}"

    @property
    def verdict(self) -> Verdict:
        """Whether what is known to have stopped allows for it."""
        if self.episode.tonnes[2] <= 0:
            return "nothing was missing"
        weeks, most = self.weeks, self.episode.most_weeks
        if weeks is None or most is None:
            return "not testable"
        if self.differs:
            return "not comparable"
        return "far too high" if weeks[0] > most else "too high" if weeks[1] > most else "plausible"

    @property
    def failed(self) -> bool:
        """Whether it is higher than what is known allows for."""
        return self.verdict in FAILED

    def reason(self) -> str:
        """The verdict in words, with the comparison."""
        e, (low, central, high) = self.episode, self.loss
        if self.verdict == "nothing was missing":
            return "as much arrived as usual, so that no loss per tonne is tested"
        short = digits(e.tonnes[1], 4)
        cost = f"{short} t short would have cost {amount(central)} million USD ({amount(low)} to {amount(high)})"
        weeks, most = self.weeks, e.most_weeks
        if weeks is None or most is None:
            return f"{cost}; how much stopped is not known, so that nothing is tested"
        share = f"{100 * central / (e.output or 1.0):.2g} % of a year's output"
        depth = f"{weeks[1]:,.0f} weeks of a plant with {e.workers:,.0f} workers ({weeks[0]:,.0f} to {weeks[2]:,.0f})"
        known = f"Known by name is a stop of {e.stopped_weeks:g} {'week' if e.stopped_weeks == 1 else 'weeks'}"
        if e.surveyed > 1:
            survey = f"if each of the {e.surveyed:g} stops of a survey was as long and the plant as large"
            known += f"; {most:,.0f} at most can be inferred, {survey}"
        differs = f": {self.differs}" if self.verdict == "not comparable" else ""
        return f"{cost}, {share}. That equals {depth}. {known}. Verdict: {self.verdict}{differs}"


def episodes(data: Dataset) -> list[Episode]:
    """Observed shortages of the table `loss_replay` in the home country of the tables, in the order of the table."""
    rows = data.rows("loss_replay")
    homes = {row.country for row in data.rows("countries") if row.tier == "home"}
    found = []
    for row in rows:
        if row.role != "undelivered" or row.material is None or row.country not in homes or row.central is None:
            continue
        here = [r for r in rows if (r.control_event, r.country) == (row.control_event, row.country)]
        about = [r for r in here if r.material in (None, row.material)]
        anywhere = [r for r in rows if r.role == "surveyed" and r.control_event == row.control_event]
        in_country = [r for r in rows if r.country == row.country]
        found.append(
            Episode(
                row.control_event,
                row.country,
                row.material,
                _range(row),
                _central(about, "depth"),
                _central(about, "mean_depth"),
                _central(about, "lasted"),
                sum(r.central or 0.0 for r in about if r.role == "stopped"),
                sum(r.central or 0.0 for r in anywhere),
                _central(about, "workers"),
                _central(in_country, "output"),
                _central(in_country, "employed"),
            )
        )
    return found


def replays(data: Dataset, functions: Sequence[str] | None = None) -> list[Replay]:
    """Every named loss function on every episode whose material it has; of several segments the largest loss per tonne counts.

    functions: names; None: all of the tables."""
    found = []
    for episode in episodes(data):
        rows = [row for row in data.rows("loss_functions") if row.material == episode.material]
        for name in dict.fromkeys(row.loss_function for row in rows):
            if functions is None or name in functions:
                most = max((row for row in rows if row.loss_function == name), key=lambda row: row.loss_usd_per_t)
                per_tonne = _range(most, "loss_usd_per_t_low", "loss_usd_per_t", "loss_usd_per_t_high")
                found.append(Replay(episode, name, most.event or "none stated", most.horizon_months, per_tonne))
    return found


def objections(plan: Plan, data: Dataset) -> Iterator[tuple[str, str]]:
    """(material, text) of planned materials on which the plan's loss function says more than was seen."""
    chosen = set(select_materials(plan, data))
    for replay in replays(data, [plan.loss_function]):
        if replay.failed and replay.episode.material in chosen:
            e = replay.episode
            yield e.material, f"loss function {replay.function}, {e.material}, event {e.event}: {replay.reason()}"


def _range(row: Any, low: str = "low", central: str = "central", high: str = "high") -> Range:
    """Low, central and high of a row; an end that is empty is the centre."""
    middle = float(getattr(row, central))
    ends = [getattr(row, name) for name in (low, high)]
    return middle if ends[0] is None else float(ends[0]), middle, middle if ends[1] is None else float(ends[1])


def _central(rows: Sequence[Any], role: str) -> float | None:
    """The central figure of the first row of a role; None without one."""
    return next((float(row.central) for row in rows if row.role == role and row.central is not None), None)


# Materials under a control with a market of its own outside, of which nobody quotes a price there.
def unquoted(plan: Plan, data: Dataset) -> Iterator[tuple[str, str]]:
    """(material, text) of such planned materials: their price is taken to be the same everywhere."""
    chosen = set(select_materials(plan, data))
    for control in plan.controls:
        held = control.until_year > plan.horizon.first_year and (control.in_force or control.probability is not None)
        if not (held and control.outside_prices):
            continue
        named, countries = set(control.materials.split()), set(control.countries.split())
        quoted = {row.material for row in data.rows("price_gaps") if row.country in countries}
        for material in sorted((chosen if "*" in named else chosen & named) - quoted):
            why = f"price_gaps.csv has no quote of {material} outside {control.countries}"
            yield material, f"control {control.name}: {why}: it is taken to cost the same everywhere"
