"""What figures of a study are about: money, risk and names, as its result or the study itself states them."""

from __future__ import annotations

from dataclasses import dataclass

from ..data.names import UNNAMED, Names
from ..results.result import Result
from ..results.study import Study


@dataclass(frozen=True)
class Subject:
    """What a study's figures call things."""

    money: str = "million USD"
    """Unit of money, with its year where that is known."""
    tail: str = ""
    """Share of the worst scenarios over which CVaR is the mean, `10%`; empty where it is not known."""
    names: Names = UNNAMED
    scenarios: tuple[str, ...] = ()
    """Names of the scenarios that the plan lists, in order."""

    @classmethod
    def of(cls, about: Result | Study) -> Subject:
        """As a result states it; of a study, as far as the study does."""
        if isinstance(about, Result):
            listed = tuple(scenario.name for scenario in about.plan.scenarios)
            tail = f"{100 * (1 - about.plan.risk.alpha):.3g}%"
            return cls(f"million USD of {about.plan.price_year}", tail, Names.of(about.data), listed)
        year, alpha, names = (getattr(about, name, None) for name in ("price_year", "alpha", "names"))
        return cls(
            f"million USD of {year}" if isinstance(year, int) else "million USD",
            f"{100 * (1 - alpha):.3g}%" if isinstance(alpha, float) else "",
            names if isinstance(names, Names) else UNNAMED,
        )

    @property
    def cvar(self) -> str:
        """What CVaR is, in words."""
        return (
            f"CVaR (mean loss of the worst {self.tail} of scenarios)" if self.tail else "CVaR (mean loss of the worst)"
        )
