"""What to do first, and how sure that is: tables that lead an answer, their words, and what a reader can work out again.

They come from samples that the plan was not made with (`studies.solve`); a run that was solved for its own scenarios alone
has none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..audit.figures import Figures
from ..core.errors import Fault, InputError, near_miss
from ..core.formats import SMALL_MUSD, amount, musd
from ..core.frames import rows_of
from ..core.stats import estimated, gap_bound
from ..question.dataset import Dataset, home_row
from ..question.names import Names
from ..question.plan import Plan
from ..question.tables import HOME_TABLES

TABLES = ("sample_gap", "act_now", "later_years", "samples", "sample_acts", "settled_by")
"""One row of figures; acts of the first years; later years; tests; what each plan does; what would settle it."""
GAP, ACTS, SAMPLES = "sample_gap", "act_now", "samples"

ROUNDING = 1e-6
"""Relative difference of two figures that counts as none."""


@dataclass(frozen=True)
class ActNow:
    """What samples say of a plan and of its first years."""

    gap: pd.DataFrame
    """One row: why_not (why nothing could be tested, else empty), how the plan was chosen, the true gap and its limit, worth and
    losses in the tests with standard errors and intervals."""
    acts: pd.DataFrame
    later: pd.DataFrame
    samples: pd.DataFrame
    sample_acts: pd.DataFrame
    settles: pd.DataFrame

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame]) -> ActNow | None:
        """Out of the tables of a result; None where it was solved for its own scenarios alone."""
        return cls(*(tables.get(name, pd.DataFrame()) for name in TABLES)) if GAP in tables else None

    @classmethod
    def none(cls, gap: pd.DataFrame) -> ActNow:
        """Nothing could be bounded. gap: one row with `why_not`, and what was found in new scenarios."""
        return cls(gap, *(pd.DataFrame() for _ in TABLES[1:]))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """By name; what is not known has none."""
        frames = self.gap, self.acts, self.later, self.samples, self.sample_acts, self.settles
        return {name: frame for name, frame in zip(TABLES, frames, strict=True) if len(frame.columns)}

    @property
    def why_not(self) -> str:
        """Why nothing could be tested; empty where it was."""
        return str(self.gap.why_not.iloc[0])

    def figure(self, name: str) -> float:
        """A figure of the row of figures."""
        return float(self.gap[name].iloc[0])

    @property
    def money(self) -> tuple[float, float, float]:
        """(budget that the acts of the first years take by the end of the last of them, what of it the plans of all samples take,
        what is firm) [million USD]."""
        last = self.last[self.last.chosen > 0]
        common = last.budget_musd * (last.least_in_samples / last.chosen).clip(upper=1.0)
        return float(last.budget_musd.sum()), float(common.sum()), float(last.firm_musd.sum())

    @property
    def last(self) -> pd.DataFrame:
        """Acts up to the end of the last of the first years, those that the plan has first."""
        if self.acts.empty:
            return self.acts
        last: pd.DataFrame = self.acts[self.acts.through_year == self.acts.through_year.max()]
        return last

    def manifest(self) -> dict[str, Any]:
        """What a manifest says of it, JSON-ready."""
        figures = {name: _plain(value) for name, value in self.gap.iloc[0].items()}
        acts = [{str(k): _plain(v) for k, v in row.items()} for row in self.acts.to_dict("records")]
        return {**{str(k): v for k, v in figures.items()}, "acts": acts}

    def objections(self) -> Iterator[str]:
        """Where figures and acts do not follow from the samples and plans that stand beside them."""
        if self.why_not:
            return
        yield from self._misstated()
        for row in rows_of(self.samples):
            if abs(row.plan_musd - row.bound_musd - row.gap_musd) > ROUNDING * (1 + abs(row.plan_musd)):
                yield f"results/{SAMPLES}.csv: the gap of {row.sample} is not its cost less its bound"
        plans = self.sample_acts.groupby(["kind", "item", "through_year"]).amount.agg(["count", "min", "max"])
        of = int(self.figure("samples") + self.figure("plans"))
        for row in rows_of(self.acts):
            key = (row.kind, row.item, row.through_year)
            count = int(plans.loc[key, "count"]) if key in plans.index else 0
            least = float(plans.loc[key, "min"]) if count == of else 0.0
            if count != row.in_plans or row.firm > min(row.chosen, least, row.least) * (1 + ROUNDING) + ROUNDING:
                yield f"results/{ACTS}.csv: {row.kind} {row.item} is firmer than the plans of the samples allow"

    def _misstated(self) -> Iterator[str]:
        """Figures that are not those of the samples."""
        confidence, plans = self.figure("confidence"), int(self.figure("plans"))
        bound = gap_bound(self.samples.gap_musd.tolist(), confidence, plans)
        found = {"gap_musd": bound.mean, "gap_error_musd": bound.standard_error, "gap_limit_musd": bound.upper}
        for name, of in (("worth", plans), ("loss", plans), ("loss_without", 1)):
            one = estimated(self.samples[f"{name}_musd"].tolist(), confidence, of)
            figures = one.mean, one.standard_error, one.low, one.high
            ends = ("_musd", "_error_musd", "_low_musd", "_high_musd")
            found |= {f"{name}{end}": value for end, value in zip(ends, figures, strict=True)}
        found["gap_share"] = found["gap_limit_musd"] / max(abs(found["worth_musd"]), 1.0)
        for name, value in found.items():
            if abs(self.figure(name) - value) > ROUNDING * (1 + abs(value)):
                yield f"results/{GAP}.csv: {name} is stated as {self.figure(name):,.6g}, the samples say {value:,.6g}"


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return value.item() if hasattr(value, "item") else value


# What samples say of a plan and of its first years, in the words of a summary.


MOST_LINES, MOST_ACTS, MOST_LATER, MOST_SETTLED = 12, 14, 8, 4
"""Lines of a section, and of each kind, before the rest is counted."""
DOES = {"buy": "buy", "sell": "sell", "support": "support", "offtake": "sign an", "floor": "guarantee"}
UNITS = {"t": " t", "t/yr": " t a year"}


def verdict(of: ActNow, price_year: int) -> list[str]:
    """Worth, true gap and losses."""
    confidence = f"{of.figure('confidence'):.0%}"
    tested = int(of.figure("samples") * of.figure("scenarios"))
    return [
        f"The plan is worth {musd(of.figure('worth_musd'))} million USD (M) net compared with doing nothing, in {tested:,} new "
        f"scenarios ({confidence} interval {_interval(of, 'worth')}; {price_year} money, discounted, expected).",
        _gap(of),
        f"It lowers expected shortage losses from {musd(of.figure('loss_without_musd'))} M to {musd(of.figure('loss_musd'))} M "
        f"({confidence} interval {_interval(of, 'loss')}).",
    ]


def untested(of: ActNow) -> list[str]:
    """Why no gap of the sample is claimed, and what the plan is worth in new scenarios all the same."""
    lines = [f"No gap of the sample is claimed: {of.why_not}."]
    if of.figure("tried") > 0:
        lines.append(
            f"In {int(of.figure('tried')):,} new scenarios the plan is worth {musd(of.figure('worth_musd'))} M "
            f"({of.figure('confidence'):.0%} interval {_interval(of, 'worth')}); expected losses are "
            f"{musd(of.figure('loss_musd'))} M ({_interval(of, 'loss')}) instead of {musd(of.figure('loss_without_musd'))} M."
        )
    return lines


def _gap(of: ActNow) -> str:
    """The true gap in a sentence."""
    limit, mean, count = of.figure("gap_limit_musd"), of.figure("gap_musd"), int(of.figure("samples"))
    if mean < 0:
        return (
            f"The true gap is not known: in {count} samples the plan costs {musd(-mean)} M less than what every plan is said to "
            "cost at least. Such samples are not to be trusted."
        )
    return (
        f"True gap: no plan is worth over {musd(limit)} M more, {of.figure('gap_share'):.1%} of this one "
        f"({of.figure('confidence'):.0%} confidence; {musd(mean)} M on average of {count} samples, standard error "
        f"{musd(of.figure('gap_error_musd'))})."
    )


def first_years(of: ActNow, names: Names) -> list[list[str]]:
    """Sections: what to do first, what comes later, what would settle what is open."""
    return [part for part in (_now(of), _later(of), _settled(of, names)) if part]


def _now(of: ActNow) -> list[str]:
    """What to do in the first years."""
    if of.acts.empty:
        return ["ACT NOW: nothing is done in the first years, by this plan or any other of the samples."]
    years = sorted(of.acts.through_year.unique().tolist())
    (spent, common, firm), plans = of.money, int(of.acts.plans.iloc[0])
    shares = [f" ({part / spent:.0%})" if spent > 0 else "" for part in (firm, common)]
    lines = [
        f"ACT NOW in {' and '.join(f'FY{year}' for year in years)}: {musd(spent)} M of the budgets of these years, of which "
        f"{musd(firm)} M{shares[0]} is firm, and {musd(common)} M{shares[1]} is in all plans that were made.",
        f"  Firm: all {plans} plans do it that were made with different samples, and in the first test every plan that costs up to "
        f"{musd(of.figure('ranges_allow_musd'))} M more than its best. The rest is open: it is not shown to be needed.",
    ]
    by_act = of.acts.groupby(["kind", "item"], sort=False)
    lines += limited([_act(rows) for _, rows in by_act if rows.chosen.max() > 0], MOST_ACTS)
    others = of.last[of.last.chosen == 0]
    if len(others):
        what = ", ".join(f"{row.what} (in {row.in_plans} of {row.plans})" for row in rows_of(others.head(MOST_ACTS)))
        lines.append(f"  Not in this plan, but in plans of other samples: {what}.")
    return lines


def _act(rows: pd.DataFrame) -> str:
    """One act by the end of each year: its amounts, what is firm of it, in how many plans it stands."""
    last, chosen = rows.iloc[-1], rows[rows.chosen > 0]
    unit = UNITS.get(str(last.unit))
    if unit is None:
        begun = f"FY{int(chosen.through_year.min())}"
        amounts = f"in {begun}" if last.chosen == 1 else f"{last.chosen:.0%} of it, in {begun}"
        text = f"in {last.in_plans} of {last.plans} plans"
    else:
        same = chosen.chosen.nunique() == 1
        steps = rows_of(chosen.head(1) if same else chosen)
        amounts = ", ".join(f"{amount(row.chosen)}{unit} by FY{row.through_year}" for row in steps)
        alike = last.in_plans == last.plans and last.least_in_samples == last.most_in_samples
        span = f"{amount(last.least_in_samples)} to {amount(last.most_in_samples)}{unit}"
        text = f"in {last.in_plans} of {last.plans} plans{', as much' if alike else f', {span}'}"
        text += f"; nearly as good: {amount(last['least'])} to {amount(last['most'])}{unit}"
    later = f"; {musd(last.later_musd)} M later" if last.later_musd >= SMALL_MUSD else ""
    firm = {"firm": "FIRM", "open": "open"}.get(str(last.status), f"FIRM up to {amount(last.firm)}{unit}")
    return f"  {DOES[str(last.kind)]} {last.what}: {amounts}. {firm} ({text}{later})"


def _later(of: ActNow) -> list[str]:
    """Years after the first: on the course without a disruption, and over all scenarios."""
    if of.later.empty:
        return []
    lines = [
        f"  {row.kind} {row.what}: {amount(row.without_disruption)} t if nothing happens (probability {row.probability:.0%}); "
        f"{amount(row.expected)} t expected over all scenarios"
        for row in rows_of(of.later.sort_values("expected", ascending=False, kind="stable"))
    ]
    head = f"LATER: {of.later.years.iloc[0]}, a course for as long as nothing happens. Plan again each year, and after any event."
    return [head, *limited(lines, MOST_LATER)]


def _settled(of: ActNow, names: Names) -> list[str]:
    """What is worth knowing before what is open is decided."""
    if of.settles.empty:
        return []
    certain = of.settles[of.settles.certain.astype(bool)].drop_duplicates(["kind", "item"], keep="last")
    if certain.empty:
        return [
            "TO LEARN FIRST: the plans of the samples differ in what is open; so few samples do not show what it depends on."
        ]
    what = dict(zip(zip(of.acts.kind, of.acts.item, strict=True), of.acts.what, strict=True))
    lines = [
        "TO LEARN FIRST, before what is open is decided: how often this comes. Samples with more of it have other plans."
    ]
    for row in rows_of(certain.head(MOST_SETTLED)):
        known = pd.notna(row.rate_low) and pd.notna(row.rate_high)
        span = f"; the estimate ranges from {row.rate_low:.2g} to {row.rate_high:.2g}" if known else ""
        lines.append(
            f"  {names.hazard(str(row.hazard))}, {row.rate_per_yr:.2g} a year{span}: the more often, the "
            f"{'more' if row.correlation > 0 else 'less'} of {what.get((row.kind, row.item), row.item)}"
        )
    return lines


def limited(lines: list[str], most: int = MOST_LINES) -> list[str]:
    """The first lines, and how many more there are."""
    return lines if len(lines) <= most else [*lines[:most], f"  ... and {len(lines) - most} more in the tables"]


def _interval(of: ActNow, name: str) -> str:
    return f"{musd(of.figure(f'{name}_low_musd'))} to {musd(of.figure(f'{name}_high_musd'))}"


# A plan's home in words: its money beside the dollar, and how much of its figures somebody has published.


USD = "USD"
DIGITS = 3


@dataclass(frozen=True)
class HomeMoney:
    """The money and the figures of a home."""

    name: str
    currency: str
    per_usd: float
    """Mean of the price year, or of the last year before it that is known; NaN where none is."""
    rate_year: int
    reported: int
    derived: int
    estimated: int
    """Rows of the home's own tables."""


def home_money(plan: Plan, data: Dataset) -> HomeMoney | None:
    """Of a plan's home; None where no table names it."""
    row = home_row(data, plan.home)
    if row is None:
        return None
    rates = {r.money_year: r.local_per_usd for r in data.rows("exchange_rates") if r.currency == row.currency}
    year = max((y for y in rates if y <= plan.price_year), default=0)
    kinds = Counter(each.confidence for table in HOME_TABLES for each in data.rows(table))
    counts = [kinds[kind] for kind in ("reported", "derived", "estimate")]
    return HomeMoney(row.name, row.currency, rates.get(year, math.nan), year, *counts)


def in_own_money(home: HomeMoney | None, figures: Figures, act_now: ActNow | None) -> list[str]:
    """Worth, losses and spending in the home's currency; nothing where that is the dollar or its rate is not known."""
    if home is None or home.currency == USD or math.isnan(home.per_usd):
        return []
    tested = act_now is not None and not act_now.why_not
    worth = act_now.figure("worth_musd") if tested and act_now is not None else figures.value("worth_musd")
    spent, given = figures.total("outlay_by_year_musd"), figures.total("appropriation_by_year_musd")
    return [
        f"In {home.currency} (million, {home.per_usd:,.6g} to the dollar in {home.rate_year}): worth {_local(worth, home)}, "
        f"spends {_local(spent, home)} of {_local(given, home)} appropriated."
    ]


def confidence_said(home: HomeMoney | None) -> list[str]:
    """How many of the home's own rows are reported, derived and estimated."""
    if home is None:
        return []
    return [
        f"  Of the home's own figures ({home.name}) {home.reported:,} rows are reported, {home.derived:,} derived and "
        f"{home.estimated:,} estimated."
    ]


def _local(musd: float, home: HomeMoney) -> str:
    value = musd * home.per_usd
    size = 10 ** max(0, math.floor(math.log10(abs(value))) + 1 - DIGITS) if value else 1
    return f"{round(value / size) * size:,.0f}"


# How results and studies come to their figures, which a room above draws.


class Plotted:
    """What has figures. The room `page`, which draws them, stands above this one: `plot` reaches it through the public names of
    the package, as a user does."""

    def plot(self, name: str | None = None) -> Any:
        """A figure of the report as an Altair chart, or all of them by name.

        name: of a result losses, timeline, stocks, supply-mix, value-chain, budget or liability, as far as it has something to show
        there; of a study as `charts` lists them. None: every one, as a dictionary in the order of the page.

        Raises InputError for a name that is none of them, and where the extra `report`, which holds Altair, is not installed.
        """
        from .. import charts

        found = charts(self)  # type: ignore[arg-type]
        if name is None:
            return found
        if name not in found:
            names = f"one of {', '.join(found)}{near_miss(name, found)}"
            known = names if found else "no name: there is nothing to draw"
            raise InputError([Fault("plot", "", "name", repr(name), known)])
        return found[name]
