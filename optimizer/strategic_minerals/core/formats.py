"""Figures for people: how many digits a number, money, tonnes and shares are written with."""

from __future__ import annotations

SMALL_MUSD = 0.05
"""Million USD below which money counts as none."""


def digits(value: float, figures: int = 3) -> str:
    """So many figures, or all before the point where there are more; without an exponent from 0.0001 on."""
    return f"{value:,.0f}" if abs(value) >= 10**figures - 0.5 else f"{value:,.{figures}g}"


def amount(value: float, figures: int = 3) -> str:
    """From 100 on so many figures, and zeros after them: 31,500 for 31,490; three figures below."""
    return f"{float(f'{value:.{figures}g}'):,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def in_tonnes(value: float) -> str:
    """Tonnes with three figures, large ones with four: 31,490 t, 92.4 t, 0.0512 t."""
    return f"{amount(value, 4)} t"


def musd(value: float) -> str:
    """Million USD with about three figures, never -0 and never a trace."""
    return digits(value) if abs(value) >= SMALL_MUSD else "0"


def percent(share: float) -> str:
    """A share with three figures: 3.5%."""
    return f"{100 * share:.3g}%"


def capital(text: str) -> str:
    """A text that begins with a capital letter."""
    return text[:1].upper() + text[1:]
