"""What users want of a mineral, what an origin can sell them and what a shortage costs, where no source says.

As `estimates`: pure functions of published figures, named in the notes of rows, recomputed by a test.
"""

from __future__ import annotations

from .estimates import Estimate, accessible_capacity, plant_conversion

DEFENCE = {"general": (0.01, 0.03, 0.1), "aerospace": (0.03, 0.1, 0.3), "rare_earth": (0.007, 0.02, 0.058)}
"""Kind of mineral -> low, central and high share of American use that is defence."""
CIVILIAN = {"essential": (0.15, 0.30, 0.50), "other": (0.50, 0.70, 0.85)}
"""Segment -> share of what is left."""


def segment_demand(total_t: float, segment: str, kind: str) -> Estimate:
    """Demand of a segment. Defence: 3 % (1-10) of `general` minerals, 10 % (3-30) of `aerospace` and
    electronics ones, 2.0 % (0.7-5.8) of rare earths; then 30 % (15-50) of civilian use is essential.

    Rare earths: DoD and Adamas figures in demand_segments; antimony's stockpile contract is 3 % of its use.
    No source splits essential from other civilian use: power, grids, medicine, telecoms, freight are meant.
    """
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

    Defence takes 30 %, essential civilian 20 %: aerospace, high temperatures.
    """
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

    US consumption is likely to double in a decade (Commerce Section 232 report, September 2022).
    """
    return float(2 ** ((year - 2028) / 10))


def magnet_demand(
    low_t: float, central_t: float, high_t: float, year: float, low: float, share: float, high: float
) -> Estimate:
    """Magnet demand of a segment: published total of 2028 x share x growth."""
    return Estimate(low_t * low, central_t * share, high_t * high).times(growth(year))


def civil_direct_share(direct_t: float, total_t: float, defence_t: float) -> float:
    """Part of civilian magnet use that is direct: (direct of 2025, grown to 2028, - defence)/(total - defence).

    Arms are made at home, so all of defence is direct. 8900 of 20600 t (16733 t in 2025): 0.52.
    """
    return (direct_t / growth(DIRECT_YEAR) - defence_t) / (total_t - defence_t)


def direct_demand(
    low_t: float,
    direct_t: float,
    high_t: float,
    total_t: float,
    defence_t: float,
    year: float,
    low: float,
    share: float,
    high: float,
) -> Estimate:
    """Magnets that home factories of a civilian segment use: its share of the published total x direct part x growth.

    With `embedded_demand` of the same segment it adds up to `magnet_demand` of the total.
    """
    shares = zip((low_t, direct_t, high_t), (low, share, high), strict=True)
    parts = (total_t * part * civil_direct_share(tonnes, total_t, defence_t) for tonnes, part in shares)
    return Estimate(*parts).times(growth(year))


def embedded_demand(
    direct_t: float,
    low_t: float,
    total_t: float,
    most_t: float,
    defence_t: float,
    year: float,
    low: float,
    share: float,
    high: float,
) -> Estimate:
    """Magnets inside imported goods that a civilian segment uses: its share of the published total x what is not direct x growth.

    Low: a total of direct imports alone leaves none. High: the largest published total.
    """
    totals = zip((low_t, total_t, most_t), (low, share, high), strict=True)
    parts = (tonnes * part * max(0.0, 1 - civil_direct_share(direct_t, tonnes, defence_t)) for tonnes, part in totals)
    return Estimate(*parts).times(growth(year))


def direct_origin(direct_t: float, year: float, home_t: float, share: float) -> Estimate:
    """Magnets that one origin sells to home factories in a year: accessible capacity at that year's direct use."""
    return accessible_capacity(direct_t * growth(year) / growth(DIRECT_YEAR), home_t, share)


def embedded_origin(direct_t: float, total_t: float, defence_t: float, year: float, share: float) -> Estimate:
    """Magnets inside goods of one origin in a year: accessible capacity at that year's embedded use, none of it made at home."""
    inside = (total_t - defence_t) * (1 - civil_direct_share(direct_t, total_t, defence_t))
    return accessible_capacity(inside * growth(year), 0.0, share)


def earnings_floor(guarantee_musd: float, output_t: float, *price_and_use: float) -> Estimate:
    """Price at which a magnet plant earns what it is guaranteed: guarantee per tonne, conversion from oxide, and feed.

    A guarantee of earnings is no price floor, but keeps a plant open in the same way. Feed at prices of the year of the agreement;
    range of the conversion cost as in `plant_conversion`.
    """
    feed = sum(price * use for price, use in zip(price_and_use[::2], price_and_use[1::2], strict=True))
    earned = guarantee_musd / output_t * 1000
    conversion = plant_conversion("oxide_to_magnet")
    return Estimate(*(earned + feed + cost for cost in (conversion.low, conversion.central, conversion.high)))


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
    of it falls on goods.
    """
    cut = growth(DIRECT_YEAR) * exposure_yr / 1e6
    central, highest = loss_musd / (total_t * cut), high_musd / (total_t * cut)
    if use == "embedded":
        return Estimate(0.0, central, highest)
    return Estimate(low_musd / (most_t * cut), central, 1e6 * high_musd / (direct_t * exposure_yr))
