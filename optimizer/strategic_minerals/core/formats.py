"""Figures for people: how many digits a number, money, tonnes and shares are written with."""

from collections.abc import Iterable, Sequence

SMALL_MUSD = 0.05
"""Million USD below which money counts as none."""


def digits(value: float, figures: int = 3) -> str:
    """So many figures, or all before the point where there are more; without an exponent from 0.0001 on."""
    return f"{value:,.0f}" if abs(value) >= 10**figures - 0.5 else f"{value:,.{figures}g}"


def amount(value: float, figures: int = 3) -> str:
    """From 100 on so many figures, and zeros after them: 31,500 for 31,490; three figures below."""
    return f"{float(f'{value:.{figures}g}'):,.0f}" if abs(value) >= 100 else f"{value:.3g}"


NAMED = 2
"""Names in a sentence before the others are counted."""


def some(names: Sequence[str], most: int = NAMED) -> str:
    """Names in a sentence, the first ones where there are many."""
    shown = [*names] if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} others"]
    return "".join(shown) if len(shown) < 2 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def listed(names: Iterable[str], most: int = 12) -> str:
    """The first names, and how many more there are."""
    every = [*names]
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more if every else "none"


def lower(name: str) -> str:
    """A name within a sentence: germanium, NdFeB magnets."""
    first, _, _ = name.partition(" ")
    return name[:1].lower() + name[1:] if first[1:].islower() else name


def in_tonnes(value: float) -> str:
    """Tonnes with three figures, large ones with four: 31,490 t, 92.4 t, 0.0512 t."""
    return f"{amount(value, 4)} t"


def fiscal_years(first: int | str, last: int | str) -> str:
    """FY2027, or FY2027-2031."""
    return f"FY{first}" if first == last else f"FY{first}-{last}"


def musd(value: float) -> str:
    """Million USD with about three figures, never -0 and never a trace."""
    return digits(value) if abs(value) >= SMALL_MUSD else "0"


def tenths(value: float) -> str:
    """Million USD with one decimal, as parts that have to add up are printed; small sums with two figures."""
    return f"{value:,.1f}" if value >= SMALL_MUSD else f"{value:,.2g}"


def in_musd(value: float) -> str:
    """Million USD as `musd`, with the unit; small sums as such."""
    return f"{'under 0.1' if 0 < value < SMALL_MUSD else musd(value)} million USD"


def percent(share: float) -> str:
    """A share with three figures: 3.5%, 1,400%."""
    return f"{digits(100 * share)}%"


def chance(share: float) -> str:
    """A probability with two figures: 3.5%, 12%; never 0% of what can happen."""
    return percent(float(f"{share:.2g}"))


LEAST_ODDS, MOST_ODDS = 1e-3, 0.2


def odds(share: float) -> str:
    """A probability as ministers hear it: one future in 16."""
    if share < LEAST_ODDS:
        return f"under 1 future in {1 / LEAST_ODDS:,.0f}"
    return f"1 future in {1 / share:.0f}" if share <= MOST_ODDS else f"{chance(share)} of futures"


def capital(text: str) -> str:
    """A text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def rounded(value: float, spread: float = 0.0) -> str:
    """Two figures, three where the spread around the value is narrower than one of a hundred: 450 for 449.6, 1,200 for 1,230.

    spread: width of the interval around the value, in its unit."""
    if abs(value) < SMALL_MUSD:
        return "0"
    figures = 3 if 0 < spread < abs(value) / 100 else 2
    short = float(f"{value:.{figures}g}")
    return f"{short:,.0f}" if abs(short) >= 10 ** (figures - 1) else f"{short:.{figures}g}"


LEAST_SHOWN = 0.095
"""Million USD from which on a sum is written out."""


def money(musd: float, under: str = "under") -> str:
    """Million USD in two figures, small sums as such. under: the word before the least amount that is shown."""
    return f"{under} 0.1" if 0 < musd < LEAST_SHOWN else rounded(musd)


def within(value: float, limit: float) -> str:
    """A value in two figures, or in as many as do not show one that keeps a limit above it: 31.96 of 32 is no 32.0 of 31.96."""
    for figures in (2, 3, 4, 5, 6):
        short = float(f"{value:.{figures}g}")
        if (short <= limit) == (value <= limit):
            break
    return digits(short, figures)
