"""The newsvendor as a plan."""

from __future__ import annotations

from support.tiny import cut, imported, offer


def newsvendor(**changes):
    """1000 t a month at risk; 0, 3, 6, 12 or 24 months lost; buy 60, carry 1, salvage 54, loss 160 k USD/t.

    Quarters. Material at 60 USD/kg is bought in 2027 alone, before the cuts, which all begin in the second quarter;
    carrying is paid up front, as a premium of 1/60. What is left is worth 0.9 * 60 = 54. A missing tonne costs
    60 + 100 = 160. A released tonne is paid by users to the authority, so it costs society nothing.
    """
    lengths = {3: 0.12, 6: 0.10, 12: 0.06, 24: 0.02}
    case = {
        "materials": {"a": {"haircut_share": 0.1}},
        "offers": {"spot": offer("a", 100.0, premium=1 / 60)},
        "scenarios": [cut(f"m{m}", share, 2027.25, m / 12) for m, share in lengths.items()],
        "months": 3,
        "years": 3,
        "money": {2027: 1e4, 2028: 0.0},
    }
    return imported(60.0, 12.0, **{**case, **changes})
