"""What no source publishes, as documented functions of what sources do publish.

One pure function per quantity, each returning a low, a central and a high value. The `note` of a row in
`inputs/` names the call that made its figure, e.g. `kappa = allied_kappa(partner)`; references such as
`minerals[gallium].consumption_t` are figures of the shipped tables, and a test evaluates every call again.
Bounds are judgement unless the docstring says where they come from: sweep them before believing a plan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

from ..core.units import MEAN_DAYS_PER_YEAR
from .calibration import rate_posterior


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


# The reserve: selling, keeping, buying.


def haircut(price_cv: float) -> Estimate:
    """Share of the price lost when selling: 0.05 + 0.2 cv (at most 0.4), from half to double of it (0.5).

    No source prints a haircut; the variation of annual prices (USGS MCS 2026) says how thin a market is.
    """
    central = min(0.05 + 0.2 * price_cv, 0.4)
    return Estimate(central / 2, central, min(2 * central, 0.5))


def holding(price_usd_per_kg: float) -> Estimate:
    """Holding cost as a share of value per year: staff 0.86 % plus storage of 0.02 USD/kg (0.005-0.05).

    Staff: National Defense Stockpile 2010, 80 employees on USD 1.4bn (globalsecurity.org). Storage assumed.
    """
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

    Scale: the orders of antimony in ten months, USD 57M, are 4-9 % of US consumption.
    """
    base = 0.10 * consumption_t if world_t == 0 else min(0.01 * world_t, 0.10 * consumption_t)
    return Estimate(1 / 3, 1.0, 3.0).times(base * step)


def seller_depth(world_t: float, step: float) -> Estimate:
    """Tonnes a year for sale to all homes together at step 1, 2, 3 of `offer_depth`: 1 % of world output times the step."""
    return Estimate(1 / 3, 1.0, 3.0).times(0.01 * world_t * step)


def offer_premium(step: float) -> Estimate:
    """Premium on the market price at step 1, 2, 3: 5, 15 and 45 %; from a third to double.

    Step 3 is what Rotterdam paid over China for gallium in October 2023 (425/285 USD/kg, Fastmarkets).
    """
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
    return Estimate(*(min(tonnes, output_t) for tonnes in (found.low, found.central, found.high)))


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
    low, what Lynas leaves beside Japan. Others are judgement. Covered nations: hazards cut them instead.
    """
    values = {"home": (1.0, 1.0, 1.0), "ally": (0.4, 0.66, 0.95), "covered": (0.5, 1.0, 1.0)}
    return Estimate(*values.get(tier, (0.25, 0.5, 0.8)))


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

    Charge: Aclara Carina PFS. The split is assumed; no allied separator prints its operating cost.
    """
    return Estimate(0.4, 0.6, 1.0).times(0.29 * _value(*price_and_yield))


def tolled_cash(mine_usd_per_kg: float, *price_and_yield: float) -> Estimate:
    """Cash cost of a mine whose product is separated for 29 % (20-40) of its value (Aclara Carina PFS)."""
    return Estimate(*(mine_usd_per_kg + share * _value(*price_and_yield) for share in (0.20, 0.29, 0.40)))


def separated_cash(mine_usd_per_kg: float, *price_and_yield: float) -> Estimate:
    """Cash cost of a mine with a separation plant of its own, whose capital is in the project's: mine and `separation_cash`."""
    own = separation_cash(*price_and_yield)
    return Estimate(mine_usd_per_kg + own.low, mine_usd_per_kg + own.central, mine_usd_per_kg + own.high)


def equivalent_cash(cash_usd_per_kg: float, price_usd_per_kg: float, *price_and_yield: float) -> Estimate:
    """Cash cost per kg of the main product where a study prints it per kg of equivalent, by-products counted by their value.

    Low: as if only the main product were counted. High: the same as central.
    """
    whole = cash_usd_per_kg * (1 + _value(*price_and_yield) / price_usd_per_kg)
    return Estimate(cash_usd_per_kg, whole, whole)


def oxide_per_metal(metal_share: float) -> Estimate:
    """Tonnes of oxide per tonne of metal: 1/metal share of the oxide, 2 % lost (0-5)."""
    return Estimate(1.0 / metal_share, 1 / 0.98 / metal_share, 1 / 0.95 / metal_share)


def metal_price(oxide_usd_per_kg: float, oxide_t_per_t: float, conversion_usd_per_kg: float) -> Estimate:
    """Price of a metal: its oxide plus a conversion charge (from half to double).

    USGS prints no NdPr or samarium metal price. Charges assumed: 6 USD/kg NdPr (electrolysis; enough to
    keep makers outside China open), 8 USD/kg Sm (reduction with lanthanum, then distillation).
    """
    oxide = oxide_usd_per_kg * oxide_t_per_t
    return Estimate(*(oxide + factor * conversion_usd_per_kg for factor in (0.5, 1.0, 2.0)))


def magnet_price(conversion_usd_per_kg: float, *price_and_content: float) -> Estimate:
    """Price of a magnet: metals and oxides in it plus a conversion charge (from half to 1.75 times).

    No price series is published. NdFeB 20 USD/kg: the size of the tax credit asked for US magnets (bill of
    2021) and of the margin guaranteed to MP Materials for 10X. SmCo 40 USD/kg assumed, cobalt included.
    """
    content = _value(*price_and_content)
    return Estimate(*(content + factor * conversion_usd_per_kg for factor in (0.5, 1.0, 1.75)))


def plant_conversion(step: str) -> Estimate:
    """Cash cost of conversion outside China, USD/kg of product, feed excluded. None is published.

    Magnets 15 (10-20): below the 20 USD/kg in the price, so that a plant at Chinese prices pays its cash cost
    but hardly its capital, as the 10X guarantee of 20 USD/kg (its capital charge) implies. `oxide_to_magnet`
    adds 0.3 kg of metal making to it, `monazite_to_metal` adds separation to metal making.
    """
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
    only a total is printed, Dy + Tb 4 % of it (2-6). All others are the usual order of such ores.
    """
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

    Rises from study to decision since: Thacker Pass 1.27, Nolans 1.51, Eneabba 1.58, Stibnite 1.73; mean 1.52.
    """
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
    last tier of the rest.
    """
    values = {"defence": (3.0, 10.0, 30.0), "essential": (1.0, 1.4, 3.0), "other": (0.4, 0.57, 1.0)}
    return Estimate(*values[segment]).times({1: 0.4, 2: 1.0, 3: 2.5}[int(tier)])


def substitution_limit(segment: str, step: float) -> Estimate:
    """Share of a segment that can do without: other civilian 5 and 10 % at steps 1 and 2, essential half.

    IMF WP/26/073: losses fade once substitution has had a year; nothing published gives shares.
    """
    central = 0.05 * step * {"defence": 0.0, "essential": 0.5, "other": 1.0}[segment]
    return Estimate(central / 3, central, 2 * central)


def substitution_cost(price_usd_per_kg: float, step: float) -> Estimate:
    """All-in cost of meeting a kg of demand otherwise: its price, and once more at step 1, five times at step 2.

    It takes the place of the price, so that nobody substitutes while the market supplies.
    """
    extra = Estimate(0.5, 1.0, 3.0).times({1: 1.0, 2: 5.0}[int(step)])
    return Estimate(1 + extra.low, 1 + extra.central, 1 + extra.high).times(price_usd_per_kg)


def restart_time(idle_yr: float) -> Estimate:
    """Years from recovered prices to output of a shut plant: two thirds of an observed idle time (a third to four thirds).

    Observed: Idaho Cobalt, suspended in March 2023 (miningweekly 2023-10-03), was still idle three years later.
    """
    return Estimate(1 / 3, 2 / 3, 4 / 3).times(idle_yr)


RANKED_LOSSES = ((1, 4498.0), (3, 2059.0), (4, 1809.0), (5, 1624.0), (6, 1000.0), (54, 2.0))
"""Modelled US GDP loss in million USD by rank: Sm, Lu, Tb, Dy, `six above 1 billion`, the list's cut-off."""


def rank_loss(rank: float, consumption_t: float) -> Estimate:
    """Loss in USD per tonne: USGS OFR 2025-1047 loss at the mineral's rank over US consumption, log-linear
    between published ranks.

    Up to rank 6 low is half (half is higher prices) and high 1.5 times the central; beyond, low is log-log
    interpolation and high double the central, at most the bound of 1 billion. Rank 0 (none): 45 million, the
    geometric mean of the bounds 2 and 1000.
    """
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
    rank: float, consumption_t: float, price_usd_per_kg: float, multiplier: float, multiplier_low: float
) -> Estimate:
    """Loss in USD per tonne: `rank_loss`, but no less than the price rise that buyers have paid or would pay.

    A study's loss over all consumption is small where only a part of it was cut; yet nobody goes short of what others
    buy at a multiple of the price. central and high >= (multiplier - 1) * price of the worst hazard, low by its low multiple.
    """
    by_rank, per_t = rank_loss(rank, consumption_t), price_usd_per_kg * 1000
    rise, least = (multiplier - 1) * per_t, (multiplier_low - 1) * per_t
    return Estimate(max(by_rank.low, least), max(by_rank.central, rise), max(by_rank.high, rise))


# Hazards, prices, finance.


def hazard_rate(events: float, years: float) -> Estimate:
    """Onsets per year after n in some years of record: Gamma(n + 1/2, years), its mean and 5 to 95 % (`calibration`)."""
    found = rate_posterior(int(events), years)
    return Estimate(found.low, found.mean, found.high)


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


def price_factor(state: float, states: float, price_cv: float) -> Estimate:
    """Mean of one of some equally likely slices of a lognormal factor with mean 1 and variation `price_cv`
    (0.285: NdPr oxide 2021-25)."""
    sigma, n, normal = math.sqrt(math.log(1 + price_cv**2)), int(states), NormalDist()
    below = [0.0, *(normal.cdf(normal.inv_cdf(k / n) - sigma) for k in range(1, n)), 1.0]
    factor = n * (below[int(state)] - below[int(state) - 1])
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
    risk than the average federal loan (CBO fair value). How Congress scores equity is not settled.
    """
    return {"loan": Estimate(0.05, 0.10, 0.15), "equity": Estimate(0.2, 0.5, 0.8)}[kind]


def _value(*pairs: float) -> float:
    return sum(a * b for a, b in zip(pairs[::2], pairs[1::2], strict=True))
