"""Whom an event or a measure touches: materials that a list names, producers in countries that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..core.arrays import Bools, Floats


def touched_producers(
    country: Sequence[str], yields: Floats, home: Bools, countries: str, touched: Bools, *, spares_home: bool = False
) -> tuple[Bools, Bools]:
    """(J,) producers in the named countries, and other foreign ones, that make a touched material.

    home: (J,) whether each is at home; `*` names all that are not. spares_home: none that is at home is struck, though its country
    is named.
    """
    named = set(countries.split())
    makes = (yields[:, touched] > 0).any(axis=1)
    inside = np.array([c in named for c in country], dtype=bool) | (("*" in named) & ~home)
    inside &= ~(home & spares_home)
    return makes & inside, makes & ~home & ~inside


def named_materials(names: str, materials: Mapping[str, int]) -> Bools:
    """(I,) materials that a space-separated list names; `*`: all."""
    chosen = set(names.split())
    return np.array(["*" in chosen or name in chosen for name in materials], dtype=bool)
