"""Rows on origin: rules on where material may come from, and what producers declare of their feed."""

from __future__ import annotations

from typing import ClassVar, Literal

from .base import Day, Key, Names, Row


class OriginRuleRow(Row):
    """A law, a practice of suppliers or a policy on where material may come from that the authority buys, reserves or supports."""

    key: ClassVar[tuple[str, ...]] = ("rule",)
    rule: Key
    authority: str
    """Statute, regulation or practice."""
    switch: Literal["law", "practice", "policy", "none"]
    """Switch of a plan's `procurement` that turns the rule on; `none`: for information, no plan applies it."""
    binds: Names = "*"
    """Homes whose authority it binds, ISO3 codes separated by spaces; `*`: every home."""
    applies_to: Names = ""
    """What it closes, separated by spaces: `purchases` of the reserve, `support` of projects, `offtake` contracts."""
    materials: Names = ""
    """Materials, separated by spaces; `*`: all."""
    countries: Names = ""
    """Excluded origins, ISO3 codes separated by spaces; `covered`: every country of that tier."""
    reach_back: bool = False
    """True: the rule follows the feed back to the mine; feed of excluded or unpublished origin excludes as well."""
    from_date: Day | None = None
    """First day of deliveries (purchases), or of signatures and contracts (support, offtake), to which it applies; empty: long in
    force."""
    to_date: Day | None = None
    """Day from which it applies no more; empty: no end is known."""
    forms: str = ""
    """Forms of material as the source words them."""
    requires: str = ""
    """What it forbids or requires."""
    exceptions: str = ""


class FeedOriginRow(Row):
    """Where the feed of a producer comes from, as it declares or as is published; not traced."""

    key: ClassVar[tuple[str, ...]] = ("producer",)
    producer: Key
    """An activity or a project."""
    origins: Names
    """ISO3 codes separated by spaces; `modelled`: material of these tables. Rules of origin with reach-back exclude producers
    without a row."""
