"""Comparisons of one kind pooled: limits on the median of many rows, which are narrower than those of a single row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from .compare import Comparison, Computed, Evidence, Pooled

LEAST = 4
"""Fewest rows whose median is checked."""
SAME = frozenset({"published-price", "set-price", "published use", "import reliance"})
"""Kinds of which most ratios are 1."""

MIDDLE: dict[str, tuple[float, float]] = {
    "published-price": (0.2, 6),
    "set-price": (0.1, 10),
    "published use": (0.15, 7),
    "world output": (3e-4, 1),
    "flows": (0.02, 8),
    "offers": (0.004, 4),
    "activities market": (0.002, 10),
    "projects market": (0.002, 10),
    "activities world output": (2e-5, 1),
    "projects world output": (2e-5, 1),
    "value added": (0.4, 20),
    "take": (0.02, 2),
    "lots": (0.01, 1),
    "capex": (0.3, 25),
    "activities cash_usd_per_kg": (0.03, 3),
    "projects cash_usd_per_kg": (0.03, 3),
    "activities fee_usd_per_kg": (0.001, 0.3),
    "substitution": (0.5, 15),
    "storage_t": (0.02, 20),
    "drawdown_t_per_yr": (0.02, 20),
    "disposal_t_per_yr": (0.002, 1),
    "losses": (0.1, 1500),
    "rank": (1 / 30, 400),
    "note": (0.25, 4),
    "record": (0.25, 4),
    "minerals.consumption_t": (2e-4, 1),
    "minerals.imports_t": (2e-4, 1),
    "minerals.primary_t": (2e-5, 1),
    "minerals.exports_t": (2e-6, 1),
    "minerals.secondary_t": (2e-6, 1),
    "materials.resale_share": (0.05, 1),
    "materials.salvage_share": (0.05, 1),
    "offers.crisis_availability": (0.03, 1),
    "import reliance": (0.2, 5),
    "materials.haircut_share": (0.02, 0.5),
    "materials.holding_share_per_yr": (0.0015, 0.1),
    "materials.decay_share_per_yr": (0.001, 0.3),
    "activities.kappa": (0.05, 1),
    "activities.term_yr": (1, 30),
    "activities.restart_yr": (0.1, 12),
    "activities.premium_share": (0.004, 1.5),
    "offers.premium_share": (0.004, 1.5),
    "projects.premium_share": (0.004, 1.5),
    "projects.lead_yr": (0.4, 12),
    "projects.life_yr": (4, 80),
    "projects.hurdle_rate": (0.02, 0.4),
    "projects.kappa": (0.05, 1),
    "projects.financed_share": (0.03, 1),
    "projects.restart_yr": (0.1, 12),
    "ramps.ramp_share": (0.05, 1),
    "packages.offtake_fee_share": (0.002, 0.25),
    "packages.offtake_share": (0.05, 1),
    "packages.upside_share": (0.03, 1),
    "packages.floor_term_yr": (1, 30),
    "instruments.max_share_of_capex": (0.05, 1),
    "instruments.rate": (0.005, 0.25),
    "instruments.tenor_yr": (1, 35),
    "tiers.loss_multiplier": (0.15, 30),
    "tiers.share": (0.01, 1),
    "substitution.limit_share": (0.002, 0.6),
    "hazards.rate_per_yr": (0.003, 2.5),
    "hazards.duration_yr": (0.07, 8),
    "hazards.cut_share": (0.03, 1),
    "hazards.price_multiplier": (0.3, 25),
    "hazards.observed_yr": (2, 150),
    "yields.yield_t_per_t": (0.02, 8),
    "price_states.factor": (0.3, 3),
}
"""Kind, or the first word of it -> what the middle of its ratios lies between."""


def pooled(evidence: Iterable[Evidence]) -> Iterator[Pooled]:
    """The kinds of which there are enough rows, each together."""
    kinds: dict[str, list[Comparison | Computed]] = defaultdict(list)
    for each in evidence:
        if not isinstance(each, Pooled) and each.kind:
            kinds[each.kind].append(each)
    for kind, members in kinds.items():
        limits = MIDDLE.get(kind, MIDDLE.get(kind.split()[0]))
        if limits is not None and len(members) >= LEAST:
            exact = kind in SAME or kind.split()[0] in SAME or kind.startswith(("note ", "record"))
            label = (
                f"{len(members)} rows, whose median should be {limits[0]:g} to {limits[1]:g} times the compared figures"
            )
            yield Pooled(label, tuple(members), *limits, usual=members[0].usual, exact=exact)
