"""Dotted addresses of fields, e.g. `scenarios.0.probability`: which of several set the same value."""

from __future__ import annotations

from collections.abc import Iterable

DEEPEST_ADDRESS = 40
"""Parts of an address that are read."""


def overlapping(addresses: Iterable[str]) -> list[tuple[str, str]]:
    """(outer, inner) pairs of which the second is, or lies within, what the first sets; the order tells nothing of which wins."""
    known: dict[tuple[str, ...], str] = {}
    pairs = sorted((path_of(address), address) for address in addresses)  # what holds another comes before it
    found = []
    for path, address in pairs:
        outer = next((known[path[:n]] for n in range(1, len(path) + 1) if path[:n] in known), None)
        if outer is None:
            known[path] = address
        else:
            found.append((outer, address))
    return found


def path_of(address: str) -> tuple[str, ...]:
    """An address in parts; places in lists as numbers without noughts in front. Deeper parts than are read do not count."""
    parts = address.split(".", DEEPEST_ADDRESS)
    return tuple((part.lstrip("0") or "0") if part.isascii() and part.isdigit() else part for part in parts)
