"""Decisions as labelled arrays: names on every axis, units, the same numbers."""

import numpy as np
import pytest

from formulation.test_golden_lp import everything
from strategic_minerals import solve


def test_every_decision_is_found_by_its_names() -> None:
    """Proves: arrays are those of the solution, axes have names, units are told, and courses their probability."""
    result = solve(*everything(), gap=0.0, quick=True)
    arrays = result.to_xarray()
    for name in ("sign", "stock", "output", "acquisition", "shortfall", "substitute", "carry"):
        np.testing.assert_allclose(arrays[name].to_numpy(), getattr(result.solution, name), rtol=0, atol=1e-9)
        assert arrays[name].attrs["units"]
    stock = arrays.stock.sel(course="base", material="magnet")
    table = result.tables["stock"]
    told = table[table.material == "magnet"].set_index("fiscal_year").stock_t
    for year, tonnes in told.items():
        assert float(stock.sel(period=year)) == pytest.approx(tonnes, abs=1e-9)
    assert float(arrays.probability.sel(course="squeeze")) == 0.25
    civil = arrays.shortfall.where(arrays.tier_segment == "civil", drop=True)
    assert set(civil.tier_material.to_numpy()) <= {"oxide", "magnet"}
    assert arrays.attrs["plan"] == result.plan.name
    nothing = result.to_xarray(doing_nothing=True)
    np.testing.assert_allclose(nothing.shortfall.to_numpy(), result.reference.shortfall, rtol=0, atol=1e-9)
