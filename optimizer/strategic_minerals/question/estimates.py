"""What no source publishes, as documented functions of what sources do publish.

One pure function per quantity, each returning a low, a central and a high value. The `note` of a row in
`inputs/` names the call that made its figure, e.g. `kappa = allied_kappa(partner)`; references such as
`minerals[gallium].consumption_t` are figures of the shipped tables, and a test evaluates every call again.
Bounds are judgement unless the docstring says where they come from: sweep them before believing a plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean

import pandas as pd
from scipy.special import betaincinv, gammaincinv

from ..core.stats import MEAN_DAYS_PER_YEAR
from .base import grouped
from .dataset import Dataset
from .references import REGIONS

# Rates of hazards from dated events: posteriors with credible intervals, not point estimates.
LEVEL = 0.9
"""Probability within the intervals."""


@dataclass(frozen=True)
class Estimate:
    """A value with the range it may lie in."""

    low: float
    central: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.central <= self.high:
            raise ValueError(f"low {self.low}, central {self.central}, high {self.high} are out of order")

    def times(self, factor: float) -> Estimate:
        """The same with all three multiplied."""
        return Estimate(self.low * factor, self.central * factor, self.high * factor)

    def plus(self, amount: float) -> Estimate:
        """The same with an amount added to all three."""
        return Estimate(self.low + amount, self.central + amount, self.high + amount)


def hazard_rate(events: float, years: float) -> Estimate:
    """Onsets per year after n in some years of record: Gamma(n + 1/2, years), its mean and 5 to 95 %."""
    shape, tail = int(events) + 0.5, (1 - LEVEL) / 2
    low, high = (float(gammaincinv(shape, point)) / years for point in (tail, 1 - tail))
    return Estimate(low, shape / years, high)


def calibrate(data: Dataset) -> pd.DataFrame:
    """Rates of every hazard from the policy events that it names.

    Events that never took effect are no onsets. Exposure is the calendar years of record, which begins with its first event: the
    first makes rates a little high, counting years that were cut a little low. rate_*: 5 % point, mean and 95 % point.
    """
    started = {row.event for row in data.rows("policy_events") if row.took_effect and row.effective is not None}
    rows = []
    for hazard in data.rows("hazards"):
        if hazard.observed_yr is not None:
            onsets = len(started & {*hazard.calibrated_on.split()}) + hazard.onsets_elsewhere
            rate = hazard_rate(onsets, hazard.observed_yr)
            rows.append((hazard.hazard, onsets, hazard.observed_yr, rate.low, rate.central, rate.high))
    return pd.DataFrame(rows, columns=["hazard", "onsets", "observed_yr", "rate_low", "rate_mean", "rate_high"])


# The reserve: selling, keeping, buying.
def haircut(price_cv: float) -> Estimate:
    """Share of the price lost when selling: 0.05 + 0.2 cv (at most 0.4), from half to double of it (0.5).

    No source prints a haircut; the variation of annual prices (USGS MCS 2026) says how thin a market is."""
    central = min(0.05 + 0.2 * price_cv, 0.4)
    return Estimate(central / 2, central, min(2 * central, 0.5))


def holding(price_usd_per_kg: float) -> Estimate:
    """Holding cost as a share of value per year: staff 0.86 % plus storage of 0.02 USD/kg (0.005-0.05).

    Staff: National Defense Stockpile 2010, 80 employees on USD 1.4bn (globalsecurity.org). Storage assumed."""
    low, central, high = (0.0086 + rent / price_usd_per_kg for rent in (0.005, 0.02, 0.05))
    return Estimate(low, central, max(high, 2 * central))


def bulk_holding(price_usd_per_kg: float) -> Estimate:
    """`holding` of what lies in heaps in the open (coal, rock, salts): a tenth of the rent of a warehouse. Assumed."""
    low, central, high = (0.0086 + rent / price_usd_per_kg for rent in (0.0005, 0.002, 0.005))
    return Estimate(low, central, max(high, 2 * central))


def disposal_ceiling(consumption_t: float) -> Estimate:
    """Tonnes a year that can be sold without moving the price: 5 % of home consumption (2-10)."""
    return Estimate(0.02, 0.05, 0.10).times(consumption_t)


def offer_depth(world_t: float, consumption_t: float, step: float) -> Estimate:
    """Tonnes a year that the reserve can buy: the smaller of 1 % of world output and 10 % of home consumption,
    times the step (1, 2, 3); from a third to three times of it. World output 0: not published.

    Scale: the orders of antimony in ten months, USD 57M, are 4-9 % of US consumption."""
    base = 0.10 * consumption_t if world_t == 0 else min(0.01 * world_t, 0.10 * consumption_t)
    return Estimate(1 / 3, 1.0, 3.0).times(base * step)


def seller_depth(world_t: float, step: float) -> Estimate:
    """Tonnes a year for sale to all homes together at step 1, 2, 3 of `offer_depth`: 1 % of world output times the step."""
    return Estimate(1 / 3, 1.0, 3.0).times(0.01 * world_t * step)


def offer_premium(step: float) -> Estimate:
    """Premium on the market price at step 1, 2, 3: 5, 15 and 45 %; from a third to double.

    Step 3 is what Rotterdam paid over China for gallium in October 2023 (425/285 USD/kg, Fastmarkets)."""
    central = 0.05 * 3 ** (step - 1)
    return Estimate(central / 3, central, 2 * central)


def crisis_availability(largest_t: float, world_t: float, kappa: float) -> Estimate:
    """Share of outside offers left while tight: output of all but the largest producer x kappa."""
    free = (1 - largest_t / world_t) * kappa
    return Estimate(free / 2, free, min(2 * free, 1.0))


# Existing sources.
def accessible_capacity(consumption_t: float, home_output_t: float, import_share: float) -> Estimate:
    """Tonnes that home users can buy from an origin: (consumption - home output) x share x 1.1 (1.0-1.3).

    Consumption and import shares of the United States are USGS MCS 2026; the headroom of a user who switches origin is assumed.
    """
    return Estimate(1.0, 1.1, 1.3).times(max(consumption_t - home_output_t, 0.0) * import_share)


def accessible_within(consumption_t: float, home_output_t: float, import_share: float, output_t: float) -> Estimate:
    """`accessible_capacity` of an origin that sells no more than it makes."""
    found = accessible_capacity(consumption_t, home_output_t, import_share)
    return Estimate(min(found.low, output_t), min(found.central, output_t), min(found.high, output_t))


def usual_flow(accessible_t: float) -> Estimate:
    """Tonnes that an origin sells in a usual year: what is accessible without the headroom of 1.1, which a disruption closes."""
    return Estimate(1.0, 1.0, 1.0).times(accessible_t / 1.1)


def market_origin(consumption_t: float, share: float) -> Estimate:
    """Tonnes a year of an origin of which nothing is published: share of consumption x 1.1 (0.5-2)."""
    return Estimate(0.5, 1.1, 2.0).times(consumption_t * share)


def open_capacity(capacity_t: float, tied_t: float) -> Estimate:
    """Tonnes of an allied plant that home users can buy: half (0.2-1.0) of what no published contract ties."""
    return Estimate(0.2, 0.5, 1.0).times(capacity_t - tied_t)


def allied_kappa(tier: str) -> Estimate:
    """Share that uncontracted home users still get while a material is tight, by tier of the country.

    Ally 0.66: what India left when it asked IREL to stop the third that goes to Japan (Reuters, June 2025);
    low, what Lynas leaves beside Japan. Others are judgement. Covered nations: hazards cut them instead."""
    values = {"home": (1.0, 1.0, 1.0), "ally": (0.4, 0.66, 0.95), "covered": (0.5, 1.0, 1.0)}
    return Estimate(*values.get(tier, (0.25, 0.5, 0.8)))


def contract_honoured(spare: str) -> Estimate:
    """Share of an allied contract that arrives while a material is tight, by whether the seller has capacity to spare.

    Of eleven sellers whose contracts with others are on record (allied_reliability), two broke them or were asked to since 2010:
    IREL (a third of its output, June 2025), Serra Verde (cut short, 2026): 9/11. Low, and without capacity to spare: as those
    without a contract (`allied_kappa`); that is known of those who have sold half of their output or more."""
    return {"spare": Estimate(0.66, 9 / 11, 1.0), "none": Estimate(0.4, 0.66, 0.95)}[spare]


def offtake_fee(price_usd_per_kg: float) -> Estimate:
    """Fee per kg reserved and year of an offtake option: 2 % of the price (0.5-5). No fee is published."""
    return Estimate(0.005, 0.02, 0.05).times(price_usd_per_kg)


def offtake_lot(capacity_t: float) -> Estimate:
    """Smallest offtake contract: a tenth of what is for sale (0.05-0.25)."""
    return Estimate(0.05, 0.10, 0.25).times(capacity_t)


# Rare-earth chain: yields, prices, costs.
def feed_price(*price_and_yield: float) -> Estimate:
    """Price of separation feed: payability 0.71 (0.6-0.8; 29 % goes to separation, Carina PFS) x value."""
    return Estimate(0.60, 0.71, 0.80).times(_value(*price_and_yield))


def separation_cash(*price_and_yield: float) -> Estimate:
    """Cash cost of separation: 60 % (40-100) of a charge of 29 % of product value; the rest pays its capital.

    Charge: Aclara Carina PFS. The split is assumed; no allied separator prints its operating cost."""
    return Estimate(0.4, 0.6, 1.0).times(0.29 * _value(*price_and_yield))


def tolled_cash(mine_usd_per_kg: float, *price_and_yield: float) -> Estimate:
    """Cash cost of a mine whose product is separated for 29 % (20-40) of its value (Aclara Carina PFS)."""
    return Estimate(0.20, 0.29, 0.40).times(_value(*price_and_yield)).plus(mine_usd_per_kg)


def separated_cash(mine_usd_per_kg: float, *price_and_yield: float) -> Estimate:
    """Cash cost of a mine with a separation plant of its own, whose capital is in the project's: mine and `separation_cash`."""
    return separation_cash(*price_and_yield).plus(mine_usd_per_kg)


def equivalent_cash(cash_usd_per_kg: float, price_usd_per_kg: float, *price_and_yield: float) -> Estimate:
    """Cash cost per kg of the main product where a study prints it per kg of equivalent, by-products counted by their value.

    Low: as if only the main product were counted. High: the same as central."""
    whole = cash_usd_per_kg * (1 + _value(*price_and_yield) / price_usd_per_kg)
    return Estimate(cash_usd_per_kg, whole, whole)


def oxide_per_metal(metal_share: float) -> Estimate:
    """Tonnes of oxide per tonne of metal: 1/metal share of the oxide, 2 % lost (0-5)."""
    return Estimate(1.0 / metal_share, 1 / 0.98 / metal_share, 1 / 0.95 / metal_share)


def metal_price(oxide_usd_per_kg: float, oxide_t_per_t: float, conversion_usd_per_kg: float) -> Estimate:
    """Price of a metal: its oxide plus a conversion charge (from half to double).

    USGS prints no NdPr or samarium metal price. Charges assumed: 6 USD/kg NdPr (electrolysis; enough to
    keep makers outside China open), 8 USD/kg Sm (reduction with lanthanum, then distillation)."""
    return Estimate(0.5, 1.0, 2.0).times(conversion_usd_per_kg).plus(oxide_usd_per_kg * oxide_t_per_t)


def magnet_price(conversion_usd_per_kg: float, *price_and_content: float) -> Estimate:
    """Price of a magnet: metals and oxides in it plus a conversion charge (from half to 1.75 times).

    No price series is published. NdFeB 20 USD/kg: the size of the tax credit asked for US magnets (bill of
    2021) and of the margin guaranteed to MP Materials for 10X. SmCo 40 USD/kg assumed, cobalt included."""
    return Estimate(0.5, 1.0, 1.75).times(conversion_usd_per_kg).plus(_value(*price_and_content))


def plant_conversion(step: str) -> Estimate:
    """Cash cost of conversion outside China, USD/kg of product, feed excluded. None is published.

    Magnets 15 (10-20): below the 20 USD/kg in the price, so that a plant at Chinese prices pays its cash cost
    but hardly its capital, as the 10X guarantee of 20 USD/kg (its capital charge) implies. `oxide_to_magnet`
    adds 0.3 kg of metal making to it, `monazite_to_metal` adds separation to metal making."""
    values = {
        "magnet": (10, 15, 20),
        "oxide_to_magnet": (10.9, 16.5, 23),
        "smco_magnet": (20, 30, 38),
        "metal": (3.0, 5.0, 10.0),
        "monazite_to_metal": (10.0, 17.0, 27.0),
        "sm_metal": (4.0, 7.0, 8.0),
    }
    return Estimate(*values[step])


def heavy_content(total_low_t: float, total_high_t: float, magnets_t: float) -> Estimate:
    """Dy or Tb oxide per tonne of magnet: US need (Energy Fuels BFS, 2026) over US magnets incl. embedded."""
    return Estimate(total_low_t, (total_low_t + total_high_t) / 2, total_high_t).times(1 / magnets_t)


def magnet_content(metal: str) -> Estimate:
    """Rare-earth metal per tonne of magnet: NdPr 0.30 (0.28-0.32), Sm from Sm2Co17 (0.25) to SmCo5 (0.36)."""
    return {"ndpr": Estimate(0.28, 0.30, 0.32), "sm": Estimate(0.25, 0.30, 0.36)}[metal]


def magnet_oxide(metal_share: float) -> Estimate:
    """NdPr oxide per tonne of magnet where one plant makes metal and magnet: content x oxide per metal."""
    content, oxide = magnet_content("ndpr"), oxide_per_metal(metal_share)
    return Estimate(content.low * oxide.low, content.central * oxide.central, content.high * oxide.high)


def ore_yield(body: str, element: str) -> Estimate:
    """Oxide won per tonne of feed; beside one tonne of Dy oxide for `xenotime`, of NdPr for `magnet_reo`.

    `clay`, ionic-clay carbonate: NdPr 0.235 at Caldeira (63899 t of 271687 t REO), high 0.363 at Ema
    (6.15/16.95). Dy and Tb together 0.010 (0.006-0.033, high: 191 t by 1350 t NdPr at Carina), split as at
    Dubbo (72:13). `segh`, Lynas feed of Sm, Eu, Gd and on; `xenotime`, Browns Range; `magnet_reo`, of which
    only a total is printed, Dy + Tb 4 % of it (2-6). All others are the usual order of such ores."""
    values = {
        "clay": {
            "ndpr": (0.20, 0.235, 0.363),
            "dy": (0.005, 0.0085, 0.028),
            "tb": (0.001, 0.0015, 0.005),
            "sm": (0.010, 0.020, 0.035),
            "gd": (0.008, 0.015, 0.030),
            "y": (0.030, 0.060, 0.200),
            "rest": (0.30, 0.50, 0.60),
        },
        "segh": {
            "dy": (0.03, 0.055, 0.09),
            "tb": (0.006, 0.012, 0.02),
            "sm": (0.30, 0.45, 0.60),
            "gd": (0.10, 0.20, 0.30),
            "y": (0.05, 0.10, 0.20),
        },
        "xenotime": {"tb": (0.12, 13 / 72, 0.22), "y": (4.0, 5.5, 7.0)},
        "magnet_reo": {"dy": (0.0173, 0.0353, 0.0541), "tb": (0.0031, 0.0064, 0.0098)},
    }
    return Estimate(*values[body][element])


def study_overrun(capex_musd: float) -> Estimate:
    """Capex of a company study of 2022 or before that led to no decision: 1.52 times it (1.27-1.73).

    Rises from study to decision since: Thacker Pass 1.27, Nolans 1.51, Eneabba 1.58, Stibnite 1.73; mean 1.52."""
    return Estimate(1.27, 1.52, 1.73).times(capex_musd)


def recovery_cash(price_usd_per_kg: float) -> Estimate:
    """Cash cost of a trace metal from a refinery stream: 30 % of its price (15-50). None is published."""
    return Estimate(0.15, 0.30, 0.50).times(price_usd_per_kg)


def tier_share(tier: float) -> Estimate:
    """Tiers of a segment, from least to most painful: half, three tenths, one fifth of its demand."""
    return Estimate(1.0, 1.0, 1.0).times({1: 0.5, 2: 0.3, 3: 0.2}[int(tier)])


def loss_multiplier(segment: str, tier: float) -> Estimate:
    """Loss per tonne over the loss function's average: 0.4, 1.0, 2.5 within a segment (mean 1), times 10 for
    defence, 1.4 for essential, 0.57 for other civilian demand, which average 1 at 2, 29 and 69 % of demand.

    The first tonnes unmet cost less than the average of an event, the last more. No source splits the losses.
    Defence comes before all others, as rated orders do in law (15 CFR 700): its least tier counts more than the
    last tier of the rest."""
    values = {"defence": (3.0, 10.0, 30.0), "essential": (1.0, 1.4, 3.0), "other": (0.4, 0.57, 1.0)}
    return Estimate(*values[segment]).times({1: 0.4, 2: 1.0, 3: 2.5}[int(tier)])


def loss_split(segment: str, tier: float, defence_share: float, essential_share: float) -> Estimate:
    """`loss_multiplier` of a material whose users are others than those for which it averages 1, so that all its demand together
    loses what the study says: over the mean at its own shares of demand."""
    share = {"defence": defence_share, "essential": essential_share, "other": 1 - defence_share - essential_share}
    mean = sum(loss_multiplier(name, 2).central * part for name, part in share.items())
    return loss_multiplier(segment, tier).times(1 / mean)


def substitution_limit(segment: str, step: float) -> Estimate:
    """Share of a segment that can do without: other civilian 5 and 10 % at steps 1 and 2, essential half.

    IMF WP/26/073: losses fade once substitution has had a year; nothing published gives shares."""
    central = 0.05 * step * {"defence": 0.0, "essential": 0.5, "other": 1.0}[segment]
    return Estimate(central / 3, central, 2 * central)


def substitution_cost(price_usd_per_kg: float, step: float) -> Estimate:
    """All-in cost of meeting a kg of demand otherwise: its price, and once more at step 1, five times at step 2.

    It takes the place of the price, so that nobody substitutes while the market supplies."""
    return Estimate(0.5, 1.0, 3.0).times({1: 1.0, 2: 5.0}[int(step)]).plus(1).times(price_usd_per_kg)


def restart_time(idle_yr: float) -> Estimate:
    """Years from recovered prices to output of a shut plant: two thirds of an observed idle time (a third to four thirds).

    Observed: Idaho Cobalt, suspended in March 2023 (miningweekly 2023-10-03), was still idle three years later."""
    return Estimate(1 / 3, 2 / 3, 4 / 3).times(idle_yr)


RANKED_LOSSES = ((1, 4498.0), (3, 2059.0), (4, 1809.0), (5, 1624.0), (6, 1000.0), (54, 2.0))
"""Modelled US GDP loss in million USD by rank: Sm, Lu, Tb, Dy, `six above 1 billion`, the list's cut-off."""


def rank_loss(rank: float, consumption_t: float) -> Estimate:
    """Loss in USD per tonne: USGS OFR 2025-1047 loss at the mineral's rank over US consumption, log-linear
    between published ranks.

    Up to rank 6 low is half (half is higher prices) and high 1.5 times the central; beyond, low is log-log
    interpolation and high double the central, at most the bound of 1 billion. Rank 0 (none): 45 million, the
    geometric mean of the bounds 2 and 1000."""
    per_t = 1e6 / consumption_t
    if rank == 0:
        return Estimate(2.0, math.sqrt(2000.0), 1000.0).times(per_t)
    (r0, l0), (r1, l1) = next(pair for pair in pairwise(RANKED_LOSSES) if pair[0][0] <= rank <= pair[1][0])
    central = l0 * (l1 / l0) ** ((rank - r0) / (r1 - r0))
    if rank <= 6:
        return Estimate(central / 2, central, 1.5 * central).times(per_t)
    steep = l0 * (l1 / l0) ** (math.log(rank / r0) / math.log(r1 / r0))
    return Estimate(min(steep, central), central, max(central, min(2 * central, 1000.0))).times(per_t)


def market_loss(
    rank: float,
    consumption_t: float,
    price_usd_per_kg: float,
    multiplier: float,
    multiplier_low: float,
    multiplier_high: float,
) -> Estimate:
    """Loss in USD per tonne: `rank_loss`, but no less than the price rise that buyers have paid or would pay.

    A study's loss over all consumption is small where only a part of it was cut; yet nobody goes short of what others
    buy at a multiple of the price. low, central, high >= (multiplier - 1) * price of the worst hazard, at its low, central and high
    multiple. Where the rise is the larger one no study stands behind the figure: the row's event says `price_rule`."""
    by_rank, per_t = rank_loss(rank, consumption_t), price_usd_per_kg * 1000
    low, rise, high = ((of - 1) * per_t for of in (multiplier_low, multiplier, multiplier_high))
    return Estimate(max(by_rank.low, low), max(by_rank.central, rise), max(by_rank.high, high))


SUBSTITUTION = {
    "none": Estimate(0.1, 0.15, 0.25),
    "partial": Estimate(0.15, 0.25, 0.4),
    "ready": Estimate(0.25, 0.5, 1.0),
}
"""Elasticity of substitution within a year, by what is published of substitutes. By judgement; 0.14 gives the loss that IMF
WP/26/073 prints for rare earths, 80 % of them cut, within a year."""


def use_loss(price_usd_per_kg: float, low: float, multiplier: float, high: float, *uses: float | str) -> Estimate:
    """Loss in USD per tonne while half of a year's use is missing: what the using industries lose of their value added, and no less
    than the rise of the price in the worst hazard, which buyers have paid or would pay (low, multiplier, high; `market_loss`).

    uses: tonnes a year, value added [million USD], share of the material in the value of output, substitutes; for each use. An
    industry loses VA (1 - (1 - c + c 2^((1-s)/s))^(-s/(1-s))), c the share, s the elasticity of substitution; low with easy, high
    with hard substitution. BEA supply-use tables; USGS Mineral Commodity Summaries 2026."""
    rows = [(float(t), float(v), float(c), str(how)) for t, v, c, how in zip(*[iter(uses)] * 4, strict=True)]
    half = sum(tonnes for tonnes, *_ in rows) / 2

    def lost(value_added: float, share: float, s: float) -> float:
        if s == 1:
            return value_added * (1 - math.pow(0.5, share))
        return value_added * (1 - math.pow(1 - share + share * math.pow(2.0, (1 - s) / s), -s / (1 - s)))

    ends = [
        sum(lost(value_added, share, getattr(SUBSTITUTION[how], end)) for _, value_added, share, how in rows)
        for end in ("high", "central", "low")
    ]
    found, per_t = Estimate(*ends).times(1e6 / half), price_usd_per_kg * 1000
    rise = [(of - 1) * per_t for of in (low, multiplier, high)]
    return Estimate(max(found.low, rise[0]), max(found.central, rise[1]), max(found.high, rise[2]))


def stock_ordered(ordered_musd: float, usd_per_kg: float) -> Estimate:
    """Tonnes that an order of so much money is for at a price; low: none of it delivered; high: a tenth more. Prices and tonnes of
    orders of the stockpile are not published, but for the first of antimony."""
    tonnes = ordered_musd / usd_per_kg * 1000
    return Estimate(0.0, tonnes, 1.1 * tonnes)


def loss_fading(month: float) -> Estimate:
    """Loss of civilian users per tonne of rare earths after so many months of a disruption, over that of its first year.

    A straight recovery over 24 months, as after 2010 (Sprecher et al. 2017), leaves 0.25 in the second year of 0.75 in the first;
    after that next to nothing (IMF WP/26/073, without a figure). Low of the second year: nothing already; high: no fading (ECB 2026
    finds 0.3 to 0.6 % of output over 18 months). Beyond, one constant elasticity of substitution at 0.19 to 0.34 instead of 0.14.
    """
    return {12: Estimate(0.05, 0.33, 1.0), 24: Estimate(0.02, 0.1, 0.33)}[int(month)]


def outside_trade(largest_t: float, world_t: float) -> Estimate:
    """Tonnes a year that the rest of the world can buy: what is made outside the largest country, at least a quarter of all, since
    the largest exports; from half of that to all that the world makes. largest_t: 0 where that controls none."""
    outside = max(world_t - largest_t, 0.25 * world_t)
    return Estimate(0.5 * outside, outside, world_t)


def export_trade(known_t: float) -> Estimate:
    """The same where exports of the largest country, or a few makers elsewhere, are all that is known: a fifth more, which others
    make; from seven tenths to half as much again."""
    return Estimate(0.7, 1.2, 1.5).times(known_t)


SUPPLY_ELASTICITIES = {
    "copper": Estimate(0.2, 0.35, 0.5),
    "nickel": Estimate(0.4, 0.71, 1.0),
    "cobalt": Estimate(0.15, 0.32, 0.6),
    "lithium": Estimate(0.8, 1.69, 2.5),
    "mined": Estimate(0.15, 0.35, 0.7),
    "smelted": Estimate(0.3, 0.7, 1.2),
    "by_product": Estimate(0.05, 0.2, 0.5),
}


def supply_elasticity(kind: str) -> Estimate:
    """Of output within a year. Copper, nickel, cobalt and lithium: 3.5, 7.1, 3.2 and 16.9 % more for a price 10 % higher (Boer,
    Pescatori and Stuermer, IMF WP/21/243, as quoted: the paper was not read in full). Others are judged by them: a mine like
    copper, a smelter with idle lines like nickel, a by-product less than any."""
    return SUPPLY_ELASTICITIES[kind]


def later_supply_elasticity(kind: str) -> Estimate:
    """The same after three years: twice as much, from no more to three times."""
    first = SUPPLY_ELASTICITIES[kind]
    return Estimate(first.central, 2 * first.central, 3 * first.central)


def demand_elasticity(kind: str) -> Estimate:
    """Of demand within a year, as a positive number: assumed. A metal is a small part of what it goes into."""
    return {"metal": Estimate(0.05, 0.15, 0.3)}[kind]


def war_demand(kind: str, month: float) -> Estimate:
    """What defence uses in a war against peace, from a month of it on. No source gives tonnes by material.

    munitions: their output has grown by 26 to 36 % a year (155 mm 2022-25, PAC-3): means of the years at 31 %, and the 2 to 4.2
    times at which programmes of 2026 aim within four to seven years as the high end; twice in the first year where makers hoard
    inputs. It is taken for all defence use of a material: what part of it munitions are is not published. platforms: the stockpile
    study of 1985 reckoned with 50 % more (GAO T-NSIAD-87-18); they are built over years."""
    munitions = {
        0: Estimate(1.0, 1.15, 2.0),
        12: Estimate(1.2, 1.5, 2.5),
        24: Estimate(1.4, 2.0, 3.3),
        36: Estimate(1.6, 2.6, 4.0),
    }
    return (munitions if kind == "munitions" else {0: Estimate(1.0, 1.1, 1.5), 12: Estimate(1.0, 1.3, 1.5)})[int(month)]


# Hazards, prices, finance.
def geometric_range(*observed: float) -> Estimate:
    """Range and geometric mean of what was observed (price multiples)."""
    low, high = min(observed), max(observed)
    mean = math.exp(sum(map(math.log, observed)) / len(observed))
    return Estimate(low, min(max(mean, low), high), high)


def hazard_years(*days: float) -> Estimate:
    """Mean duration in years of a lognormal law whose 5 % and 95 % points are the shortest and the longest length observed, in
    days; low and high are these points."""
    shortest, longest = min(days) / MEAN_DAYS_PER_YEAR, max(days) / MEAN_DAYS_PER_YEAR
    sigma = math.log(longest / shortest) / (2 * NormalDist().inv_cdf(0.95))
    return Estimate(shortest, math.sqrt(shortest * longest) * math.exp(sigma**2 / 2), longest)


def cut_share(observed: float) -> Estimate:
    """Share of output that stops: as observed, from two thirds of it to half as much again (at most all)."""
    return Estimate(observed * 2 / 3, observed, min(1.5 * observed, 1.0))


def price_state(state: float, states: float, *prices: float) -> Estimate:
    """Mean of one of some equally likely slices of past years' prices, in one year's money, over that of all; 1: the lowest."""
    ordered, n, mean = sorted(prices), int(states), sum(prices) / len(prices)
    first, last = (int(state) - 1) * len(ordered) / n, int(state) * len(ordered) / n
    inside = (price * max(0.0, min(k + 1, last) - max(k, first)) for k, price in enumerate(ordered))
    factor = sum(inside) / (last - first) / mean
    return Estimate(factor, factor, factor)


def index_ahead(price_index: float, years: float) -> Estimate:
    """Consumer prices some years after the last annual average: 2.7 % a year (2.0-3.5)."""
    return Estimate(1.02**years, 1.027**years, 1.035**years).times(price_index)


def hurdle(kind: str) -> Estimate:
    """Real return that owners ask: rare earths 15 % (Benchmark's screen, CIM), other specialty minerals 12.5
    (CIM), lithium, graphite and cobalt 10 % (CIM base metals; low, the rate of studies)."""
    values = {"rare_earth": (12.5, 15.0, 15.0), "specialty": (12.0, 12.5, 13.0), "battery": (8.0, 10.0, 12.5)}
    return Estimate(*values[kind]).times(0.01)


def ramp_share(age_yr: float) -> Estimate:
    """Share of capacity in year 0, 1, 2, 3 after start; Mountain Pass was at 0.43 of design in year 2."""
    return Estimate(1.0, 1.0, 1.0).times({0: 0.3, 1: 0.6, 2: 0.85, 3: 1.0}[int(age_yr)])


def capital_score(kind: str) -> Estimate:
    """Budget cost: credit subsidy of a mining loan 10 % (5-15), equity 1 - expected recovery 50 % (20-80).

    The statutory minimum behind OSC's loans is 0.5 %; no rate per loan is published, and mining carries more
    risk than the average federal loan (CBO fair value). How Congress scores equity is not settled."""
    return {"loan": Estimate(0.05, 0.10, 0.15), "equity": Estimate(0.2, 0.5, 0.8)}[kind]


def _value(*pairs: float) -> float:
    return sum(a * b for a, b in zip(pairs[::2], pairs[1::2], strict=True))


# What users want of a mineral, what an origin can sell them and what a shortage costs, where no source says.
DEFENCE = {"general": (0.01, 0.03, 0.1), "aerospace": (0.03, 0.1, 0.3), "rare_earth": (0.007, 0.02, 0.058)}
"""Kind of mineral -> low, central and high share of American use that is defence."""
CIVILIAN = {"essential": (0.15, 0.30, 0.50), "other": (0.50, 0.70, 0.85)}
"""Segment -> share of what is left."""


def segment_demand(total_t: float, segment: str, kind: str) -> Estimate:
    """Demand of a segment. Defence: 3 % (1-10) of `general` minerals, 10 % (3-30) of `aerospace` and
    electronics ones, 2.0 % (0.7-5.8) of rare earths; then 30 % (15-50) of civilian use is essential.

    Rare earths: DoD and Adamas figures in demand_segments; antimony's stockpile contract is 3 % of its use.
    No source splits essential from other civilian use: power, grids, medicine, telecoms, freight are meant."""
    low, mid, high = DEFENCE[kind]
    if segment == "defence":
        return Estimate(low, mid, high).times(total_t)
    shares = CIVILIAN[segment]
    return Estimate(shares[0] * (1 - high), shares[1] * (1 - mid), shares[2] * (1 - low)).times(total_t)


def known_use(total_t: float, segment: str, essential_share: float) -> Estimate:
    """Demand of a segment where a source prints the share of a use that is essential (fertiliser, batteries, coke): defence 3 %
    (1-10) as for general minerals, and of the rest that share."""
    share = {"essential": essential_share, "other": 1 - essential_share}.get(segment)
    if share is None:
        return Estimate(0.01, 0.03, 0.10).times(total_t)
    return Estimate(0.90, 0.97, 0.99).times(total_t * share)


def one_of_seven(total_t: float) -> Estimate:
    """Use of one of the seven heavy rare earths that are printed together: a seventh of it (a fiftieth, all)."""
    return Estimate(1 / 50, 1 / 7, 1.0).times(total_t)


def direct_oxide_demand(total_t: float, share: float) -> Estimate:
    """Use of an oxide outside magnets, which USGS does not print: share of a total, a third to double."""
    return Estimate(1 / 3, 1.0, 2.0).times(total_t * share)


def smco_demand(ndfeb_t: float, segment: str) -> Estimate:
    """US demand for SmCo magnets: 1 % of NdFeB (0.2-2.0; the world's share is under 2 %, Binnemans).

    Defence takes 30 %, essential civilian 20 %: aerospace, high temperatures."""
    share = {"defence": 0.3, "essential": 0.2, "other": 0.5}[segment]
    return Estimate(0.002, 0.01, 0.02).times(ndfeb_t * share)


def anode_demand(planned_t: float, sold_t: float, segment: str) -> Estimate:
    """US demand for natural-graphite anode material, unpublished: Vidalia's planned capacity, sized to its US
    customers; low: what it has sold (Tesla), high: double the plan."""
    share = {"defence": 0.01, "essential": 0.29, "other": 0.70}[segment]
    return Estimate(sold_t, planned_t, 2 * planned_t).times(share)


# Of homes, from their own figures alone.
DEFENCE_SHARE = 3.4
"""Per cent of gross product that the United States spend on defence (SIPRI, 2024): what `DEFENCE` was found at."""
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


def part_of(low_t: float, whole_t: float, high_t: float, low_pct: float, part_pct: float, high_pct: float) -> Estimate:
    """Tonnes of a member of a union: its part in percent of what the union's tables have, low by low and high by high."""
    return Estimate(low_t * low_pct / 100, whole_t * part_pct / 100, high_t * high_pct / 100)


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


# NdFeB magnets: those that home factories use, and those inside imported goods. Two totals are published: what home factories use
# (about 2025), and all use with the magnets inside imported goods (2028). A reserve or a plant can supply the first alone.
DIRECT_YEAR = 2025
"""Year of the published figures of direct use, and of the studies of losses."""


def growth(year: float) -> float:
    """Factor on the magnet demand of 2028: 2^((year - 2028)/10).

    US consumption is likely to double in a decade (Commerce Section 232 report, September 2022)."""
    return float(2 ** ((year - 2028) / 10))


def magnet_demand(
    low_t: float, central_t: float, high_t: float, year: float, low: float, share: float, high: float
) -> Estimate:
    """Magnet demand of a segment: published total of 2028 x share x growth."""
    return Estimate(low_t * low, central_t * share, high_t * high).times(growth(year))


def civil_direct_share(direct_t: float, total_t: float, defence_t: float) -> float:
    """Part of civilian magnet use that is direct: (direct of 2025, grown to 2028, - defence)/(total - defence).

    Arms are made at home, so all of defence is direct. 8900 of 20600 t (16733 t in 2025): 0.52."""
    return (direct_t / growth(DIRECT_YEAR) - defence_t) / (total_t - defence_t)


def direct_demand(
    low_t: float, direct_t: float, high_t: float, total_t: float, defence_t: float, year: float, *shares: float
) -> Estimate:
    """Magnets that home factories of a civilian segment use: its share of the published total x direct part x growth.

    With `embedded_demand` of the same segment it adds up to `magnet_demand` of the total. shares: low, central, high.
    """
    pairs = zip((low_t, direct_t, high_t), shares, strict=True)
    parts = (total_t * part * civil_direct_share(tonnes, total_t, defence_t) for tonnes, part in pairs)
    return Estimate(*parts).times(growth(year))


def embedded_demand(
    direct_t: float, low_t: float, total_t: float, most_t: float, defence_t: float, year: float, *shares: float
) -> Estimate:
    """Magnets inside imported goods that a civilian segment uses: its share of the published total x what is not direct x growth.

    Low: a total of direct imports alone leaves none. High: the largest published total. shares: low, central, high."""
    totals = zip((low_t, total_t, most_t), shares, strict=True)
    parts = (tonnes * part * max(0.0, 1 - civil_direct_share(direct_t, tonnes, defence_t)) for tonnes, part in totals)
    return Estimate(*parts).times(growth(year))


def direct_origin(direct_t: float, year: float, home_t: float, share: float) -> Estimate:
    """Magnets that one origin sells to home factories in a year: accessible capacity at that year's direct use."""
    return accessible_capacity(direct_t * growth(year) / growth(DIRECT_YEAR), home_t, share)


def embedded_origin(direct_t: float, total_t: float, defence_t: float, year: float, share: float) -> Estimate:
    """Magnets inside goods of one origin in a year: accessible capacity at that year's embedded use, none of it made at home."""
    inside = (total_t - defence_t) * (1 - civil_direct_share(direct_t, total_t, defence_t))
    return accessible_capacity(inside * growth(year), 0.0, share)


def allocated_loss(
    low_musd: float,
    loss_musd: float,
    high_musd: float,
    exposure_yr: float,
    direct_t: float,
    total_t: float,
    most_t: float,
    use: str,
) -> Estimate:
    """Loss in USD per tonne: a published loss, counted once over direct and embedded magnets of 2025 that were cut.

    exposure_yr: share cut x years. No source splits the loss, so a tonne counts alike whichever way it comes: the two losses add up
    to the published one. `direct`, low over the largest total, high if all of it falls on home factories; `embedded`, low if none
    of it falls on goods."""
    cut = growth(DIRECT_YEAR) * exposure_yr / 1e6
    central, highest = loss_musd / (total_t * cut), high_musd / (total_t * cut)
    if use == "embedded":
        return Estimate(0.0, central, highest)
    return Estimate(low_musd / (most_t * cut), central, 1e6 * high_musd / (direct_t * exposure_yr))


# How long the ore of a country lasts at today's output.
TOGETHER = "all "
"""How the basis of reserves begins that several metals share, such as the platinum group's: no one metal's output uses them up."""
DUG = ("mine", "ore", "concentrate", "primary")
"""Stages of an activity that its own country's ore feeds: smelters and refineries buy theirs where they find it."""


def ore_ends(data: Dataset) -> dict[str, float]:
    """Activity -> calendar date at which its country's reserves of what it makes are mined, of several minerals the first.

    Reserves are counted at the end of a year; of several editions of them and of mine output the latest counts."""
    reserves, production = (
        sorted(data.rows(name), key=lambda row: row.year or 0) for name in ("reserves", "production")
    )
    held = {(row.mineral, row.country): row for row in reserves}
    mined = {(row.mineral, row.country): row.production_t for row in production if row.stage == "mine"}
    dates = {
        key: int(row.year or 0) + 1 + row.reserves_t / mined[key]
        for key, row in held.items()
        if key[1] not in REGIONS and row.reserves_t > 0 and mined.get(key) and not row.basis.startswith(TOGETHER)
    }
    of = {row.material: row.mineral for row in data.rows("materials")}
    made = grouped((row for row in data.rows("yields") if row.yield_t_per_t > 0 and row.material in of), "producer")
    found = {}
    for row in data.rows("activities"):
        keys = [(of[y.material], row.country) for y in made[row.activity]]
        known = [dates[key] for key in keys if key in dates]
        if known and row.stage in DUG:
            found[row.activity] = min(known)
    return found


# What observed losses say of a disruption yet to come: functions that notes of tables name, beside those of `estimates`.
NORMAL_POINT = NormalDist().inv_cdf((1 + LEVEL) / 2)
"""Standard deviations from the median to the 95 % point."""


def clipped(share: float) -> float:
    """A share of supply that can be lost: between 0 and 1."""
    return min(max(share, 0.0), 1.0)


def observed_loss(normal: float, observed: float, observed_low: float, observed_high: float) -> Estimate:
    """Share lost of a normal flow, of which what was observed lies within a range; same unit for all four."""
    return Estimate(1 - observed_high / normal, 1 - observed / normal, 1 - observed_low / normal)


def loss_of_normal(observed: float, normal: float, normal_low: float, normal_high: float) -> Estimate:
    """Share lost of a normal flow that itself lies within a range; same unit for all four."""
    return Estimate(1 - observed / normal_low, 1 - observed / normal, 1 - observed / normal_high)


def profile_share(loss: float, low: float | None = None, high: float | None = None) -> Estimate:
    """Cut of a profile: an observed share of loss, flows above normal being no cut; its range where one is given."""
    return Estimate(*(clipped(loss if value is None else value) for value in (low, loss, high)))


def quoted_multiple(base: float, first: float, last: float | None = None) -> Estimate:
    """Multiple of a price from one quote to the next (or of one quote), against the quote before the event; same unit for all.

    The mean of the two, each of which may have held throughout; a price that fell counts as unchanged, for a control is no glut.
    """
    ends = [first, first if last is None else last]
    return Estimate(*(max(1.0, price / base) for price in (min(ends), fmean(ends), max(ends))))


def log_spread(*observed: float) -> float:
    """Standard deviation of the log ratio of a new event to the geometric mean of n observed ones: s*sqrt(1 + 1/n), s with n - 1
    in its denominator. The second part is the error of the mean; 0 for equal values. Raises ValueError for fewer than two."""
    logs = [math.log(value) for value in observed]
    if len(logs) < 2:
        raise ValueError("a spread needs two events or more")
    centre = fmean(logs)
    return math.sqrt(sum((each - centre) ** 2 for each in logs) / (len(logs) - 1) * (1 + 1 / len(logs)))


def spread_low(*observed: float) -> Estimate:
    """5 % point of a lognormal factor with median 1 that takes the geometric mean of observed events to a new one."""
    point = math.exp(-NORMAL_POINT * log_spread(*observed))
    return Estimate(point, point, point)


def spread_high(*observed: float) -> Estimate:
    """95 % point of the factor of `spread_low`."""
    point = math.exp(NORMAL_POINT * log_spread(*observed))
    return Estimate(point, point, point)


def no_loss(without: float, events: float) -> Estimate:
    """Probability that an event has no effective loss, after `events` of which `without` had none (an event that hit several
    materials counts once, with the share of them that lost nothing): Beta(k + 1/2, n - k + 1/2), mean and 5 to 95 %."""
    a, b, tail = without + 0.5, events - without + 0.5, (1 - LEVEL) / 2
    return Estimate(float(betaincinv(a, b, tail)), a / (a + b), float(betaincinv(a, b, 1 - tail)))


def escalation(followed: float, controls: float) -> Estimate:
    """Probability that a control brings on one with a wider list, after `controls` of which so many were followed by one that took
    effect: Beta(k + 1/2, n - k + 1/2), mean and 5 to 95 %."""
    return no_loss(followed, controls)


def rate_apart(events: float, years: float, rate_before: float, brought_on: float) -> Estimate:
    """Onsets a year that nothing brings on: of `hazard_rate`, less those that follow another hazard; at least a twelfth of all.

    So the hazard strikes as often as the record says, but mostly after the other. rate_before: of the other hazard [1/yr].
    brought_on: probability that one of its events brings this one on. High: none is brought on."""
    every = hazard_rate(events, years)
    central = max(every.central / 12, every.central - rate_before * brought_on)
    return Estimate(min(every.low, central), central, every.high)
