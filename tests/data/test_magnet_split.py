"""Magnets of home factories and magnets inside imported goods: the shipped tables count each tonne and each loss once."""

import pytest

from strategic_minerals.question.estimates import allocated_loss, growth, magnet_demand
from strategic_minerals.question.read_csv import shipped_tables

DIRECT, EMBEDDED = "ndfeb_magnet", "ndfeb_magnet_embedded"
TOTAL, DEFENCE = 20600.0, 407.0
YEARS = (2026, 2028, 2030, 2032, 2034, 2036)


def tonnes(material: str, year: int) -> dict[str, float]:
    rows = shipped_tables().rows("demand")
    return {r.segment: r.demand_t_per_yr for r in rows if (r.material, r.from_year) == (material, year)}


def test_direct_and_embedded_demand_add_up_to_the_published_total() -> None:
    """Direct: 7,000 to 10,000 t in 2025, 8,900 by customs; the table's year 2026 is 2^(1/10) of it."""
    for year in YEARS:
        direct, inside = tonnes(DIRECT, year), tonnes(EMBEDDED, year)
        assert set(inside) == {"essential", "other"}  # arms are made at home
        for segment, share in (("essential", 0.294), ("other", 0.686)):
            whole = magnet_demand(0, TOTAL, TOTAL, year, 0, share, 1).central
            assert direct[segment] + inside[segment] == pytest.approx(whole, rel=1e-4)
        assert sum(direct.values()) + sum(inside.values()) == pytest.approx(TOTAL * growth(year), rel=1e-3)
    assert sum(tonnes(DIRECT, 2026).values()) == pytest.approx(8900 * 2**0.1, rel=1e-3)


def test_a_published_loss_is_counted_once_over_both() -> None:
    """USGS: 4435 million USD are 265 thousand USD for each of 8,900 t of direct use and 7,833 t inside goods."""
    embedded = TOTAL * growth(2025) - 8900
    for name, musd, exposure in (
        ("usgs_2025", 4435, 1.0),
        ("ecb_2026", 202_500, 0.75 * 1.5),
        ("ecb_2026_extreme", 600_000, 1.0),
        ("imf_2026", 450_000, 0.8),
        ("oxford_2025", 300_000, 0.5 * 2),
    ):
        rows = shipped_tables().rows("loss_functions")
        per_t = {r.material: r.loss_usd_per_t for r in rows if r.loss_function == name}
        whole = (per_t[DIRECT] * 8900 + per_t[EMBEDDED] * embedded) * exposure / 1e6
        assert whole == pytest.approx(musd, rel=1e-4), name
    direct = allocated_loss(3437, 4435, 5433, 1, 8900, TOTAL, 38000, "direct")
    goods = allocated_loss(3437, 4435, 5433, 1, 8900, TOTAL, 38000, "embedded")
    assert direct.central == goods.central
    assert (direct.high, goods.low) == pytest.approx((5433e6 / 8900, 0.0))
