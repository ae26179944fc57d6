"""The section of a plan that is made for several homes."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..core.errors import MisplacedError
from .base import Iso3, Key, NonNegative, Section, Share
from .columns import Column


class Member(Section):
    """A home that plans with others."""

    home: Iso3
    """A home with tables of its own (`homes/`)."""
    money_share: Annotated[Share, Column(low=0.01)]
    """Its part of every amount of the plan's budget: what it has when it plans alone."""
    loss_function: Key | None = None
    """Named loss function of its tables; unset: that of the plan."""


class Together(Section):
    """Homes that plan together. Materials, projects and rules of the plan are called as in the tables of each home and hold for
    every member that has them; `JPN.gallium` is Japan's alone."""

    members: Annotated[tuple[Member, ...], Field(min_length=1)]
    joint_stock: Literal["by_need", "by_share", "none"] = "by_need"
    """`by_need`: in a disruption the stock goes to whom a tonne spares most. `by_share`: it is bought together and divided before;
    in a disruption each draws on its share. `none`: each keeps what it buys."""
    freight_usd_per_kg: NonNegative = 0.2
    """Cost of moving a kg of stock from one member to another; an estimate (0.05 to 1): containers by sea to freight by air."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        homes = [member.home for member in self.members]
        for n, home in enumerate(homes):
            if home in homes[:n]:
                raise MisplacedError((f"members.{n}.home", f"'{home}'", "each home once"))
        total = sum(member.money_share for member in self.members)
        if abs(total - 1) > 1e-6:
            raise MisplacedError(("members", f"shares of money that add up to {total:g}", "shares that add up to 1"))
        return self
