"""What no source publishes of homes: how a use is split, what an origin can sell, what a shortage costs.

As `estimates`: pure functions of published figures, named in the notes of rows, recomputed by a test. They take the home's own
figures alone.
"""

from __future__ import annotations

from .demand_estimates import CIVILIAN, DEFENCE
from .estimates import Estimate, accessible_capacity

DEFENCE_SHARE = 3.4
"""Per cent of gross product that the United States spend on defence (SIPRI, 2024): what `demand_estimates.DEFENCE` was found at."""
SPREAD = 3.0
"""A share of defence may be a third to three times as high: no government prints one."""


def home_segment(low_t: float, total_t: float, high_t: float, segment: str, kind: str, defence_pct: float) -> Estimate:
    """A home's demand by segment, where no source splits it. Defence: its share for the kind of mineral at 3.4 % of gross product,
    in proportion to what the home spends (`defence_pct`), from a third to three times; then 30 % (15-50) of civilian use is
    essential. Low and high are those of the total times those of the share."""
    share = DEFENCE[kind][1] * defence_pct / DEFENCE_SHARE
    least, most = share / SPREAD, share * SPREAD
    if segment == "defence":
        return Estimate(low_t * least, total_t * share, high_t * most)
    low, mid, high = CIVILIAN[segment]
    return Estimate(low_t * low * (1 - most), total_t * mid * (1 - share), high_t * high * (1 - least))


def origin_capacity(use_t: float, home_output_t: float, import_share_pct: float) -> Estimate:
    """Tonnes a year that a home's users can buy from an origin: what they import times its share times 1.1 (1.0-1.3), as
    `accessible_capacity`."""
    return accessible_capacity(use_t, home_output_t, import_share_pct / 100)


def home_output(output_t: float) -> Estimate:
    """What plants at home make for home users: their output; from four fifths of it to a tenth more, as tables of one year err."""
    return Estimate(0.8, 1.0, 1.1).times(output_t)


def price_loss(price_usd_per_kg: float, multiplier_low: float, multiplier: float, multiple_high: float) -> Estimate:
    """Loss in USD per tonne that is missed, where the home has no study of its own: what its buyers would rather pay than go
    without, the rise of the price in the worst disruption (`multiplier` of the table `hazards`; low: its lower end). High: a
    multiple of the price, by judgement: studies of single materials imply from less than twice to several hundred times."""
    per_t = price_usd_per_kg * 1000
    least, rise = (multiplier_low - 1) * per_t, (multiplier - 1) * per_t
    return Estimate(min(least, rise), rise, max(rise, multiple_high * per_t))


def study_loss(low_musd: float, loss_musd: float, high_musd: float, missed_t: float) -> Estimate:
    """Loss in USD per tonne: that of a study over the tonnes that go missing in it."""
    return Estimate(low_musd, loss_musd, high_musd).times(1e6 / missed_t)


def contained_loss(low_musd: float, loss_musd: float, high_musd: float, missed_t: float, content: float) -> Estimate:
    """`study_loss` of a product by what is in it: content in tonnes per tonne."""
    return study_loss(low_musd, loss_musd, high_musd, missed_t).times(content)


def feed_origin(plant_t: float, feed_t_per_t: float, share_pct: float) -> Estimate:
    """Tonnes of feed that a plant at home can buy from an origin: what it needs times the share times 1.1 (1.0-1.3)."""
    return accessible_capacity(plant_t * feed_t_per_t, 0.0, share_pct / 100)


def days_held(use_t: float, days: float, days_low: float, days_high: float) -> Estimate:
    """Tonnes of a stock that is known in days of use."""
    return Estimate(days_low, days, days_high).times(use_t / 365)
