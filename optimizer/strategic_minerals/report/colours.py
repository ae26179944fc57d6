"""Colours of the figures: those of countries are the same in every figure, whatever else is shown beside them."""

from __future__ import annotations

from collections.abc import Iterable

PALETTE = ["#0b5c8a", "#b45309", "#2f7a52", "#8b3a62", "#5f6773", "#8a6100", "#4c51bf", "#0f766e", "#9b2c2c", "#475569"]
"""Colours that keep apart in print and for the colour-blind, each at least 4.5 : 1 on white."""
GREY = "#6b7280"
INK = "#111827"
RESERVE_COLOUR, SHORT_COLOUR, REST_COLOUR = "#111827", "#d11a2a", "#c3c9d2"
"""What the reserve gives, what is missing, all other countries together."""

KNOWN = {
    "CHN": "#8c2d04",
    "USA": "#0b5c8a",
    "AUS": "#2f7a52",
    "CAN": "#7aa6c9",
    "JPN": "#8b3a62",
    "KOR": "#c78bb0",
    "DEU": "#5b7a1f",
    "FRA": "#4c51bf",
    "GBR": "#6a86d8",
    "BEL": "#a7a02b",
    "EST": "#3f9aa0",
    "MYS": "#d99a1c",
    "RUS": "#6d5a8c",
    "BRA": "#79b26b",
    "ZAF": "#a8763e",
    "CHL": "#c26a4a",
    "COD": "#e0b27a",
    "IND": "#e07b39",
    "IDN": "#b8860b",
    "KAZ": "#5aa9a0",
    "TUR": "#b06a6a",
    "VNM": "#9a8f3c",
}
"""Countries that supply much of some mineral -> their colour in every report."""
FURTHER = ["#547f8e", "#93a8ac", "#7d6b91", "#b59a74", "#6b8f71", "#c08497", "#8d8d5a", "#5e7ce2", "#bf8b5e", "#4f6d7a"]
"""Of all others: each has the one that its code picks, or the next that is free."""


def country_colours(codes: Iterable[str]) -> dict[str, str]:
    """Code of a country -> its colour. Codes of one result give the same colours in every figure, in whatever order they come; no
    two are alike while there are colours left."""
    wanted = sorted(set(codes))
    found = {code: KNOWN[code] for code in wanted if code in KNOWN}
    free = [True] * len(FURTHER)
    for code in (code for code in wanted if code not in KNOWN):
        first = sum(ord(letter) * (n + 1) for n, letter in enumerate(code)) % len(FURTHER)
        places = [(first + step) % len(FURTHER) for step in range(len(FURTHER))]
        place = next((place for place in places if free[place]), first)
        free[place] = False
        found[code] = FURTHER[place]
    return found
