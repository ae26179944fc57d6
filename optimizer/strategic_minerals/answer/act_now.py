"""What to do first, and how sure that is: tables that lead an answer, and what a reader can work out again.

They come from samples that the plan was not made with (`studies.solve`), or from the scenarios of a plan that draws none, as they
were lived (`ActNow.fresh` tells). What was solved once (`quick`) has none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from ..core.formats import SMALL_MUSD, chance
from ..core.frames import rows_of
from ..core.stats import estimated, gap_bound
from ..question.names import Names, amount_in_words, column_in_words
from ..world.loss_values import rate_in_words

GAP, ACTS, SAMPLES = "sample_gap", "act_now", "samples"
NAMED = {"gap": GAP, "acts": ACTS, "rules": "release_rules"}
"""Field of `ActNow` -> name of its table, where that is another."""
BESIDE = ("depends", "own_questions")
"""Tables that answers have which no sample has tested, too."""
ROUNDING = 1e-6
"""Relative difference of two figures that counts as none."""


@dataclass(frozen=True)
class ActNow:
    """What samples say of a plan and of its first years."""

    gap: pd.DataFrame
    """One row: why_not (why nothing could be tested, else empty), how the plan was chosen, the true gap and its limit, worth and
    losses as the tests were lived with standard errors and intervals, `modelled_musd`, the worth by the model of the plan, in
    which the further course of a disruption is known, and `most_musd`, the most that any policy could be worth which signs on the
    same dates, with its limit; `most_says`: it is near enough to say something."""
    acts: pd.DataFrame
    samples: pd.DataFrame
    sample_acts: pd.DataFrame
    left_out: pd.DataFrame
    release: pd.DataFrame
    rules: pd.DataFrame
    money_by_year: pd.DataFrame
    band: pd.DataFrame
    stock_by_year: pd.DataFrame
    remaining: pd.DataFrame
    loss_curve: pd.DataFrame
    depends: pd.DataFrame

    @classmethod
    def names(cls) -> list[str]:
        """Of its tables, in the order of its fields; `tables.RESULT_TABLES` says what each holds."""
        return [NAMED.get(one.name, one.name) for one in fields(cls)]

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame]) -> ActNow | None:
        """Out of the tables of a result; None where it was solved once."""
        return cls(*(tables.get(name, pd.DataFrame()) for name in cls.names())) if GAP in tables else None

    @classmethod
    def none(cls, gap: pd.DataFrame) -> ActNow:
        """Nothing could be bounded. gap: one row with `why_not`, and what was found in new scenarios."""
        return cls(gap, *(pd.DataFrame() for _ in cls.names()[1:]))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """By name; what is not known has none."""
        return {name: of for name, of in zip(self.names(), vars(self).values(), strict=True) if len(of.columns)}

    @property
    def why_not(self) -> str:
        """Why nothing could be tested; empty where it was."""
        return str(self.gap.why_not.iloc[0])

    @property
    def lived(self) -> bool:
        """Whether it says what the plan comes to without foresight."""
        return len(self.loss_curve) > 0

    @property
    def fresh(self) -> bool:
        """Whether that was in new futures; else in the plan's own scenarios."""
        return self.lived and self.figure("tried") > 0

    @property
    def whole(self) -> float:
        """Factor by which what was measured in some scenarios is the same share of the worth in all."""
        plan = self.depends[self.depends.kind == "plan"] if len(self.depends) else self.depends
        there, worth = float(plan.worth_musd.iloc[0]) if len(plan) else 0.0, self.figure("worth_musd")
        return worth / there if min(there, worth) >= SMALL_MUSD else 1.0

    def figure(self, name: str) -> float:
        """A figure of the row of figures."""
        return float(self.gap[name].iloc[0])

    def manifest(self) -> dict[str, Any]:
        """What a manifest says of it, JSON-ready."""
        figures = {str(name): _plain(value) for name, value in self.gap.iloc[0].items()}
        acts = [{str(k): _plain(v) for k, v in row.items()} for row in self.acts.to_dict("records")]
        return {**figures, "acts": acts}

    def objections(self) -> Iterator[str]:
        """Where figures and acts do not follow from the samples and plans that are shown with them."""
        if len(self.samples):
            yield from self._misstated()
        if self.why_not:
            return
        for row in rows_of(self.samples.dropna(subset=["gap_musd"])):
            if abs(row.plan_musd - row.bound_musd - row.gap_musd) > ROUNDING * (1 + abs(row.plan_musd)):
                yield f"results/{SAMPLES}.csv: the gap of {row.sample} is not its cost less its bound"
        plans = self.sample_acts.groupby(["kind", "item", "through_year"]).amount.agg(["count", "min", "max"])
        of = int(self.figure("searched") + self.figure("plans"))
        for row in rows_of(self.acts):
            key = (row.kind, row.item, row.through_year)
            count = int(plans.loc[key, "count"]) if key in plans.index else 0
            least = float(plans.loc[key, "min"]) if count == of else 0.0
            if count != row.in_plans or abs(row.least_in_samples - least) > ROUNDING * (1 + least):
                yield f"results/{ACTS}.csv: {row.kind} {row.item} is not in as many plans of the samples, or not as much"
        for row in rows_of(self.left_out[self.left_out.why_not == ""]):
            if bool(row.needed) != (row.cost_low_musd > 0):
                yield f"results/left_out.csv: {row.kind} {row.item} is called needed otherwise than its interval says"

    def _misstated(self) -> Iterator[str]:
        """Figures that are not those of the samples."""
        confidence, plans = self.figure("confidence"), int(self.figure("plans"))
        found = {} if self.why_not else self._bounds(confidence, plans)
        for name, of in (("worth", plans), ("loss", plans), ("loss_without", 1)):
            figures = estimated(self.samples[f"{name}_musd"].tolist(), confidence, of)
            ends = ("_musd", "_error_musd", "_low_musd", "_high_musd")
            found |= {f"{name}{end}": value for end, value in zip(ends, figures, strict=True)}
        for name, value in found.items():
            if abs(self.figure(name) - value) > ROUNDING * (1 + abs(value)):
                yield f"results/{GAP}.csv: {name} is stated as {self.figure(name):,.6g}, the samples say {value:,.6g}"

    def _bounds(self, confidence: float, plans: int) -> dict[str, float]:
        """Figures of the gap and of the bound on all policies, out of the samples."""
        bound = gap_bound(self.samples.gap_musd.dropna().tolist(), confidence, plans)
        found = {"gap_musd": bound.mean, "gap_error_musd": bound.standard_error, "gap_limit_musd": bound.upper}
        found["modelled_musd"] = float(self.samples.modelled_musd.mean())
        asked = self.samples.most_musd.notna()
        if asked.sum() > 1:
            beyond = (self.samples.most_musd - self.samples.worth_musd)[asked]
            found["most_musd"] = float(self.samples.worth_musd.mean() + beyond.mean())
        found["gap_share"] = found["gap_limit_musd"] / max(abs(found["modelled_musd"]), 1.0)
        return found


def _plain(value: Any) -> Any:
    """A value as JSON has it; null where there is none."""
    plain = value.item() if hasattr(value, "item") else value
    return None if plain != plain else plain


# The figures that an answer depends on, in words.
OF_SOURCES = ("capacity_t_per_yr", "kappa", "honoured_share")
"""Figures of a source on which an offtake contract rests."""
STOPS, BEGINS = "stops paying if", "would pay only if"
LEAST_FLIP = 1e-6
"""Share of a figure below which it would have to be next to nothing: that is no flip."""


def scenario_in_words(code: str, scenarios: Mapping[str, str]) -> str:
    """What happens in a listed scenario."""
    return scenarios.get(code, code).removeprefix(f"{code} (").removesuffix(")")


def flip_in_words(row: Any, names: Names, scenarios: Mapping[str, str]) -> str:
    """Where a part of an answer stops paying, or begins to, and how far that is. row: of the table `depends`; scenarios: what those
    that the plan lists are called."""
    name, low, high = names.hazard(str(row.hazard)), float(row.low), float(row.high)
    less = row.flips_at < row.value
    if row.figure == "loss":
        span = f" (others say {low:.2g} to {high:.3g} times it)" if high > low else ""
        sign = "under" if less else "over"
        return f"a missing tonne costs, beyond its price, {sign} {chance(row.flips_at)} of what is assumed{span}"
    if row.figure == "probability":
        one = f"'{scenario_in_words(str(row.hazard), scenarios)}' is"
        what = "the scenarios that the plan lists are together" if row.hazard == "*" else one
        there = "saves more than it costs" if less == (row.worth_musd > 0) else "costs more than it saves"
        change = f"{'less' if less else 'more'} likely than {chance(row.flips_at)}"
        when = "they come" if row.hazard == "*" else "it comes"
        return f"{what} {change} (assumed {chance(row.value)}; when {when}, this {there})"
    if row.figure in OF_SOURCES:
        ends = [amount_in_words(row.figure, value) for value in (row.flips_at, row.value, low, high)]
        what = f"{names.producer(str(row.hazard))}: {column_in_words(row.figure)} is {'under' if less else 'over'}"
        return f"{what} {ends[0]} (assumed {ends[1]}; range {ends[2]} to {ends[3]})"
    every = (row.flips_at, row.value, low, high)
    if row.figure == "rate_per_yr":
        in_words = [rate_in_words(value) for value in every]
        text = f"'{name}' comes {'less' if less else 'more'} often than"
    else:
        in_words = [chance(value) for value in every]
        text = f"'{name}' follows others with a chance {'below' if less else 'above'}"
    span = "" if math.isnan(low) or math.isnan(high) else f"; range {in_words[2]} to {in_words[3]}"
    return f"{text} {in_words[0]} (assumed {in_words[1]}{span})"


def flipping(table: pd.DataFrame) -> list[Any]:
    """Rows of figures at which something flips."""
    return [row for row in rows_of(table) if row.flips_at > LEAST_FLIP * row.value]
