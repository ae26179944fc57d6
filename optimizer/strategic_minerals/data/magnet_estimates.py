"""NdFeB magnets that home factories use, and those that come inside imported goods: demand, sources, losses.

As `estimates`: pure functions of published figures, named in the notes of rows, recomputed by a test. Two totals are published:
what home factories use (about 2025), and all use with the magnets inside imported goods (2028). A reserve or a plant can supply
the first alone.
"""

from __future__ import annotations

from .estimates import Estimate, accessible_capacity, plant_conversion

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
