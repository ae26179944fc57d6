"""What samples say of a plan and of its first years, in the words of a summary."""

from __future__ import annotations

import pandas as pd

from ..core.frames import rows_of
from ..data.names import Names
from .act_now import ActNow

MOST_ACTS, MOST_LATER, MOST_SETTLED = 14, 8, 4
"""Lines of each kind before the rest is counted."""
LEAST_MUSD = 0.05
"""Million USD below which nothing is said of later money."""
DOES = {"buy": "buy", "sell": "sell", "support": "support", "offtake": "sign an", "floor": "guarantee"}
UNITS = {"t": " t", "t/yr": " t a year"}


def verdict(of: ActNow, price_year: int) -> list[str]:
    """Worth, true gap and losses."""
    confidence = f"{of.figure('confidence'):.0%}"
    tested = int(of.figure("samples") * of.figure("scenarios"))
    return [
        f"The plan is worth {_musd(of.figure('worth_musd'))} million USD (M) net compared with doing nothing, in {tested:,} new "
        f"scenarios ({confidence} interval {_interval(of, 'worth')}; {price_year} money, discounted, expected).",
        gap_said(of),
        f"It lowers expected shortage losses from {_musd(of.figure('loss_without_musd'))} M to {_musd(of.figure('loss_musd'))} M "
        f"({confidence} interval {_interval(of, 'loss')}).",
    ]


def untested(of: ActNow) -> list[str]:
    """Why no gap of the sample is claimed, and what the plan is worth in new scenarios all the same."""
    said = [f"No gap of the sample is claimed: {of.why_not}."]
    if of.figure("tried") > 0:
        said.append(
            f"In {int(of.figure('tried')):,} new scenarios the plan is worth {_musd(of.figure('worth_musd'))} M "
            f"({of.figure('confidence'):.0%} interval {_interval(of, 'worth')}); expected losses are "
            f"{_musd(of.figure('loss_musd'))} M ({_interval(of, 'loss')}) instead of {_musd(of.figure('loss_without_musd'))} M."
        )
    return said


def gap_said(of: ActNow) -> str:
    """The true gap in a sentence."""
    limit, mean, count = of.figure("gap_limit_musd"), of.figure("gap_musd"), int(of.figure("samples"))
    if mean < 0:
        return (
            f"The true gap is not known: in {count} samples the plan costs {_musd(-mean)} M less than what every plan is said to "
            "cost at least. Such samples are not to be trusted."
        )
    return (
        f"True gap: no plan is worth over {_musd(limit)} M more, {of.figure('gap_share'):.1%} of this one "
        f"({of.figure('confidence'):.0%} confidence; {_musd(mean)} M on average of {count} samples, standard error "
        f"{_musd(of.figure('gap_error_musd'))})."
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
        f"ACT NOW in {' and '.join(f'FY{year}' for year in years)}: {_musd(spent)} M of the budgets of these years, of which "
        f"{_musd(firm)} M{shares[0]} is firm, and {_musd(common)} M{shares[1]} is in all plans that were made.",
        f"  Firm: all {plans} plans do it that were made with different samples, and in the first test every plan that costs up to "
        f"{_musd(of.figure('ranges_allow_musd'))} M more than its best. The rest is open: it is not shown to be needed.",
    ]
    by_act = of.acts.groupby(["kind", "item"], sort=False)
    lines += _cut([_act(rows) for _, rows in by_act if rows.chosen.max() > 0], MOST_ACTS)
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
        said = f"in {last.in_plans} of {last.plans} plans"
    else:
        same = chosen.chosen.nunique() == 1
        told = rows_of(chosen.head(1) if same else chosen)
        amounts = ", ".join(f"{_amount(row.chosen)}{unit} by FY{row.through_year}" for row in told)
        alike = last.in_plans == last.plans and last.least_in_samples == last.most_in_samples
        span = f"{_amount(last.least_in_samples)} to {_amount(last.most_in_samples)}{unit}"
        said = f"in {last.in_plans} of {last.plans} plans{', as much' if alike else f', {span}'}"
        said += f"; nearly as good: {_amount(last['least'])} to {_amount(last['most'])}{unit}"
    later = f"; {_musd(last.later_musd)} M later" if last.later_musd >= LEAST_MUSD else ""
    firm = {"firm": "FIRM", "open": "open"}.get(str(last.status), f"FIRM up to {_amount(last.firm)}{unit}")
    return f"  {DOES[str(last.kind)]} {last.what}: {amounts}. {firm} ({said}{later})"


def _later(of: ActNow) -> list[str]:
    """Years after the first: on the course without a disruption, and over all scenarios."""
    if of.later.empty:
        return []
    told = [
        f"  {row.kind} {row.what}: {_amount(row.without_disruption)} t if nothing happens (probability {row.probability:.0%}); "
        f"{_amount(row.expected)} t expected over all scenarios"
        for row in rows_of(of.later.sort_values("expected", ascending=False, kind="stable"))
    ]
    head = f"LATER: {of.later.years.iloc[0]}, a course for as long as nothing happens. Plan again each year, and after any event."
    return [head, *_cut(told, MOST_LATER)]


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


def _cut(lines: list[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    return lines if len(lines) <= most else [*lines[:most], f"  ... and {len(lines) - most} more in the tables"]


def _interval(of: ActNow, name: str) -> str:
    return f"{_musd(of.figure(f'{name}_low_musd'))} to {_musd(of.figure(f'{name}_high_musd'))}"


def _musd(value: float) -> str:
    """Million USD with about three figures, never -0."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= LEAST_MUSD else "0"


def _amount(value: float) -> str:
    """Tonnes with about three figures."""
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 100 else f"{value:.3g}"
