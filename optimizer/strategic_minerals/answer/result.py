"""The answer: outcome first, then tables, prices, objective parts, audit."""

from __future__ import annotations

import html
import math
import numbers
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from ..audit.audit import Audit, Residual, audit
from ..audit.figures import Figures
from ..core.errors import (
    Fault,
    InputError,
    Outcome,
    PlanError,
    Reason,
    UntrustedError,
    missing_part,
    shown,
)
from ..core.frames import Floats, plainly, records
from ..core.logs import logger_of
from ..core.runner import HERE, Runner, current
from ..core.stats import TOTAL
from ..matrix.named import IndexNames, Label, denominator, objective_costs
from ..matrix.own import WHOLE, OwnParts, own_parts, raise_first
from ..matrix.problem import Problem, prepare, structure_of
from ..matrix.solution import Solution
from ..matrix.template import PYOMO_LOCK
from ..model.catalogue import COMPONENTS
from ..model.sets import STAGES
from ..question.base import stem_and_unit
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..solver.highs import TOLERANCES, SolvedRun
from ..solver.optimise import Solved
from ..solver.stages import FlatModel, with_commitments, with_reference, with_tail
from .brief import Brief, brief_of
from .notes import ENDED, SETTLED, Basis, extended_by
from .prices import answer, bounds_of, read
from .summary import summarise
from .tables import RESULT_TABLES

# Tables of a result in words, for `help(Result)`.


def tables_in_words() -> str:
    """The tables as paragraphs: name, what it holds, columns with their units in brackets."""

    def with_unit(column: str) -> str:
        """`cost_musd [million USD]`; a column without a unit as it is."""
        _, unit = stem_and_unit(column)
        return f"{column} [{unit}]" if unit else column

    texts = [f"{name}: {of.what} {', '.join(map(with_unit, of.columns))}." for name, of in RESULT_TABLES.items()]
    return "\n\n".join("\n".join(wrap(text, 100, subsequent_indent="    ")) for text in texts)


# The road back from a Pyomo model that any solver has solved: decisions read, bounded, priced and audited like our own.


LOG = logger_of(__name__)
SAME = 1e-6
"""Difference of two objectives that is rounding, as a share of their size."""


def parts_of_model(plan: Plan, data: Dataset, model: Any, *, solver: str, bound_musd: float | None) -> dict[str, Any]:
    """Fields of a `Result`; as `Result.from_model`."""
    if bound_musd is not None and (
        not isinstance(bound_musd, numbers.Real) or isinstance(bound_musd, bool) or not math.isfinite(bound_musd)
    ):
        expected = "the lower bound that the solver proved  [million USD], or None"
        raise InputError([Fault("from_model", "", "bound_musd", shown(bound_musd), expected)])
    require(plan, data)
    begin = time.perf_counter()
    stages = STAGES[plan.objective.kind]
    if len(stages) > 1:
        expected = "a plan with one aim: of several, a model holds the first alone"
        raise PlanError([Fault("plan", "", "objective.kind", plan.objective.kind, expected)])
    problem, z0 = with_reference(prepare(plan, data), current().left())
    with PYOMO_LOCK:
        own = own_parts(problem, model, z0)
    x, z0 = _point(own), np.append(z0, np.zeros(len(own.added)))
    x = with_tail(own.problem.structure, own.problem.assembly, x)
    _require_rows(own, x)
    costs = objective_costs(own.problem)
    cost = costs[stages[0]]
    if bound_musd is None:
        bound = _relaxed(own, cost, current().left()) - float(cost @ z0)
    else:
        bound = float(bound_musd) - own.constant - float(own.cost @ z0)
    fixed = with_commitments(own.problem, cost, x, 0.0).run(time_limit_s=current().left(), phase="prices")
    if not isinstance(fixed, SolvedRun):
        raise UntrustedError(
            f"beside the whole decisions, rounded, there are no operations that keep all rules ({fixed.status})"
        )
    # prices are those of the best operations beside these decisions: worse ones have no prices
    stands, settled = float(cost @ x), float(fixed.objective)
    best = stands - settled <= WHOLE * (1 + abs(settled))

    def answered(at: Floats, found: str) -> dict[str, Any]:
        outcome = _outcome(problem, stages[0], cost, at, z0, bound)
        priced, duals = (fixed, fixed.duals) if best else (None, None)
        solved = Solved(own.problem, outcome, at, z0, priced, duals, costs, 0, 0, own.problem.seconds)
        asked = {"gap": outcome.relative_gap, "relax": False, "method": "flat"}
        return answer(read(solved, own, solver, found), {**asked, **TOLERANCES})

    again = with_tail(own.problem.structure, own.problem.assembly, fixed.x)
    if best and stands < settled - SAME * (1 + abs(settled)) and _whole(own, x):  # it gains by missing rows
        found = answered(again, SETTLED)
    else:
        try:
            found = answered(x, "")
        except UntrustedError as error:
            if not best or not _whole(own, x):
                raise
            LOG.info("the point of %s is settled again: %s", solver, error)
            found = answered(again, SETTLED)
    seconds = own.problem.seconds
    seconds.phases[TOTAL] = time.perf_counter() - begin
    return {**found, "seconds": dict(seconds.phases), "profile": seconds.frame()}


def _outcome(problem: Problem, aim: str, cost: Floats, x: Floats, z0: Floats, bound: float) -> Outcome:
    """How close a point is to a bound, both against doing nothing. Raises UntrustedError for a bound that lies above it."""
    nothing = float(cost @ z0)
    objective = float(cost @ x) - nothing
    if bound > objective + SAME * denominator(problem, objective):
        raise UntrustedError(f"the bound {bound:g} lies above the plan, {objective:g} million USD")
    bound = min(bound, objective)
    gap = (objective - bound) / denominator(problem, objective)
    reason: Reason = "optimal" if gap <= 1e-9 else "within_gap"
    return Outcome(reason, objective, bound, gap, nothing, False, ((aim, objective, bound, gap),), "flat")


def _require_rows(own: OwnParts, x: Floats) -> None:
    """Raise UntrustedError where a point breaks a row by more than rounding, which names the row."""
    assembly = own.problem.assembly
    row = np.repeat(np.arange(len(assembly.row_lower)), np.diff(assembly.start))
    terms = assembly.value * x[assembly.index]
    value = np.bincount(row, terms, len(assembly.row_lower))
    size = np.zeros(len(assembly.row_lower))
    np.maximum.at(size, row, np.abs(terms))
    beyond = np.maximum(assembly.row_lower - value, value - assembly.row_upper) / (1 + size)
    worst = int(beyond.argmax()) if len(beyond) else 0
    if not len(beyond) or beyond[worst] <= WHOLE:
        return
    missed = float(beyond[worst] * (1 + size[worst]))
    mine = next((one for one in own.rows if one.row == worst), None)
    if mine is not None:
        name, missed = mine.name, missed / mine.factor
    else:
        family, index, unit = next((*place, unit) for row, place, unit in own.named.rows() if row == worst)
        name, missed = f"{family}[{','.join(map(str, index))}] of the plan", missed * unit
    raise UntrustedError(f"the values of the model are no answer: the constraint {name} is broken by {missed:g}")


def _point(own: OwnParts) -> Floats:
    """(columns,) the values of a model's variables in the solver's units. Raises InputError where some have none."""
    tonnes = np.append(own.named.tonnes, np.ones(len(own.added)))
    faults, values = [], np.zeros(len(tonnes))
    whole = own.problem.assembly.integer
    for k, variable in enumerate(own.variables):
        value = variable.value
        if value is None or not math.isfinite(value):
            found = "no value" if value is None else f"{value}"
            faults.append(Fault("model", "", variable.name, found, "a solved model"))
            continue
        values[k] = value / tonnes[k]
        if whole[k] and abs(values[k] - round(values[k])) <= WHOLE:
            values[k] = round(values[k])
    raise_first(faults)
    return np.clip(values, own.problem.assembly.lower, own.problem.assembly.upper) if _close(own, values) else values


def _whole(own: OwnParts, x: Floats) -> bool:
    """Whether whole decisions are whole but for rounding, and all values within their bounds likewise."""
    decided = x[own.problem.assembly.integer]
    return bool((np.abs(decided - np.round(decided)) <= WHOLE).all()) and _close(own, x)


def _close(own: OwnParts, values: Floats) -> bool:
    """Whether values leave their bounds by no more than rounding."""
    lower, upper = own.problem.assembly.lower, own.problem.assembly.upper
    return bool((np.maximum(lower - values, values - upper) <= WHOLE * (1 + np.abs(values))).all())


def _relaxed(own: OwnParts, cost: Floats, time_limit_s: float) -> float:
    """Least cost of the linear relaxation [million USD]."""
    run = FlatModel(own.problem.assembly, cost, integer=False).minimise(
        cost, None, gap=0.0, absolute_gap=0.0, time_limit_s=time_limit_s, phase="relaxation"
    )
    if not isinstance(run, SolvedRun):
        raise UntrustedError(f"the linear relaxation, which bounds the plan, has no answer ({run.status})")
    return float(run.bound)


# Decisions of a plan as labelled arrays: every axis with its names, every array with its unit.


AXES: Mapping[str, tuple[str, ...]] = {
    "sign": ("option",),
    "contract": ("offtake_contract",),
    "floor": ("market_floor",),
    "carry": ("year",),
    "unspent": ("year",),
    **dict.fromkeys(("output", "reserve_output", "clean_output"), ("course", "producer", "period")),
    "acquisition": ("course", "offer", "period"),
    **dict.fromkeys(("release", "disposal", "stock", "sent", "received", "surplus"), ("course", "material", "period")),
    "substitute": ("course", "step", "period"),
    "shortfall": ("course", "tier", "period"),
    "excess": ("course", "rule", "period"),
    **dict.fromkeys(("users_pull", "users_refill", "users_missing"), ("course", "users_stock", "period")),
    "shared_money": ("scenario", "component", "year"),
    "short_of_promise": ("scenario", "service_level", "year_or_episode"),
}
"""Array of `Solution` -> its axes."""
PARTS = {
    "option": ("project", "package", "date"),
    "offtake_contract": ("producer", "start"),
    "step": ("material", "segment", "number"),
    "tier": ("material", "segment", "number"),
    "rule": ("material", "group", "number"),
    "users_stock": ("material", "segment"),
    "service_level": ("material", "segment", "number"),
}
"""Axis -> what its names consist of; each is a coordinate of its own."""
COPY_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3
"""Whether a copy of a frame costs nothing until it is written to."""
ROUNDING = 1e-9
"""Tonnes, shares or million USD that count as 0."""
MEANING = {c.name: (c.text, c.unit) for c in COMPONENTS if c.kind == "variable"}
UNITS = {"-": "share", "unit": "t", "unit/period": "t per period"}
"""Unit in the catalogue -> that of an array."""


def labelled(plan: Plan, data: Dataset, solution: Solution, status: str) -> Any:
    """As `Result.to_xarray`."""
    try:
        import xarray as xr
    except ModuleNotFoundError:
        raise missing_part("to_xarray", "xarray", "arrays") from None
    structure, natural = structure_of(plan, data)
    names = IndexNames(structure, natural)
    words = "option market_floor year producer material step tier rule users_stock component service_level".split()
    axes: dict[str, list[Label]] = {word: names.labels(word) for word in words}
    axes["offtake_contract"] = names.labels("contract")
    axes["course"] = [(course,) for course in (names.base, *names.courses)]
    axes["scenario"] = [(course,) for course in names.courses]
    axes["period"] = [(period,) for period in names.periods]
    axes["offer"] = [(name,) for name in solution.purchases]
    axes["year_or_episode"] = [(str(year),) for (year,) in axes["year"]] + [("episode",)]
    arrays = {}
    for name, of in AXES.items():
        values, (text, unit) = getattr(solution, name), MEANING[name]
        values = np.where(np.abs(values) < ROUNDING, 0.0, values)  # without the solver's rounding below nothing
        arrays[name] = (of, values, {"long_name": text, "units": UNITS.get(unit, unit)})
    used = {axis for of, values, _ in arrays.values() if values.size for axis in of}
    coordinates: dict[str, Any] = {}
    for axis in sorted(used):
        labels = axes[axis]
        whole = [label[0] if len(label) == 1 else ", ".join(map(str, label)) for label in labels]
        coordinates[axis] = (axis, np.array(whole, dtype=object) if isinstance(whole[0], str) else np.array(whole))
        for k, part in enumerate(PARTS.get(axis, ())):
            values = [label[k] if k < len(label) else 1 for label in labels]
            coordinates[f"{axis}_{part}"] = (axis, pd.Series(values).to_numpy())
    if "course" in used:
        coordinates["probability"] = ("course", np.append(np.nan, structure.scenarios.probability))
    kept = {name: array for name, array in arrays.items() if array[1].size}
    about = {"plan": plan.name, "status": status, "home": plan.home}
    return xr.Dataset(kept, coords=coordinates, attrs=about)


class Frames(Mapping[str, pd.DataFrame]):
    """Tables by name; each that is asked for is a copy, which costs nothing until it is written to (copy on write)."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables: dict[str, pd.DataFrame] = dict(tables._tables if isinstance(tables, Frames) else tables)

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self._tables[name].copy(deep=not COPY_ON_WRITE)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frames) or self._tables.keys() != other._tables.keys():
            return False
        return all(table.equals(other._tables[name]) for name, table in self._tables.items())

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Result:
    """A solved plan. Values exist only where `outcome` allows them."""

    plan: Plan
    data: Dataset
    outcome: Outcome
    solution: Solution
    reference: Solution
    """The do-nothing reference Z0."""
    tables: Mapping[str, pd.DataFrame]
    """Tidy tables by name, `prices` included."""
    objective_parts: Mapping[str, float]
    """Parts of the social cost [million USD, discounted expectation], recomputed by the audit's evaluator."""
    reference_parts: Mapping[str, float]
    """The same parts of the do-nothing reference."""
    audited: Audit
    seconds: Mapping[str, float]
    """Wall-clock seconds by phase."""
    profile: pd.DataFrame
    """phase, seconds, share, highs_seconds, iterations, peak_memory_mib; the total last."""
    counts: Mapping[str, int]
    options: Mapping[str, Any]
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        """What is done to a table that was asked for is done to a copy."""
        object.__setattr__(self, "tables", Frames(self.tables))

    def __eq__(self, other: object) -> bool:
        """Whether plan, tables of the question, outcome and answer are the same, whatever time it took and wherever."""
        if not isinstance(other, Result):
            return NotImplemented
        same = (self.plan, self.data, self.outcome.objective_musd) == (
            other.plan,
            other.data,
            other.outcome.objective_musd,
        )
        return same and self.tables == other.tables

    __hash__ = None  # type: ignore[assignment]

    @property
    def prices(self) -> pd.DataFrame:
        """Shadow prices of the linear program with commitments fixed, in economic sign (see `prices.MEANING`)."""
        return self.tables["prices"]

    def audit(self) -> Audit:
        """Recompute every constraint and objective part from plan, data and decisions alone."""
        problem = prepare(self.plan, self.data)
        return audit(problem, self.solution, z0=self.reference, stated=self.figures, bounds=bounds_of(self.outcome))

    def to_xarray(self, *, doing_nothing: bool = False) -> Any:
        """Every decision as an `xarray.Dataset` (extra `arrays`): `stock.sel(course="base", material="gallium")`.

        doing_nothing: the decisions of the do-nothing reference. Axes have names - course (`base`, then the scenarios with their
        `probability`), material, producer, offer, tier, period ... - and what a name consists of is a coordinate too, such as
        `tier_segment`; `units` and `long_name` stand in each array's attributes. Axes without members are left out.

        Raises InputError where xarray is not installed.
        """
        chosen = self.reference if doing_nothing else self.solution
        return labelled(self.plan, self.data, chosen, self.outcome.reason)

    @classmethod
    def from_model(
        cls,
        plan: Plan,
        data: Dataset,
        model: Any,
        *,
        solver: str = "another solver",
        bound_musd: float | None = None,
        run: Runner = HERE,
    ) -> Result:
        """The audited answer in a model from `build_model` that any Pyomo solver has solved, as it is or extended.

        solver: what it is called in the answer. bound_musd: the lower bound that it proved for the model's objective; None: that of
        the linear relaxation, which is solved here and is weaker. run: how long the solves here may take (doing nothing, bound,
        prices).

        Prices are those of the best operations beside the whole decisions; where the model's are worse, there are none.

        Raises InputError for a model that is not this plan's, has no values, or holds what is not linear, PlanError for a plan with
        several aims in turn, UntrustedError where the audit objects.
        """
        with run.started():
            return cls(**parts_of_model(plan, data, model, solver=solver, bound_musd=bound_musd))

    @property
    def figures(self) -> Figures:
        """Everything that the summary says in numbers, as named records."""
        return Figures.of(self.tables["figures"])

    @property
    def facts(self) -> dict[str, Any]:
        """How it ended and by what means, JSON-ready: outcome, audit_passed, counts, options, versions."""
        entry = {
            "outcome": asdict(self.outcome),
            "audit_passed": self.audited.passed,
            "counts": self.counts,
            "options": self.options,
            "versions": self.versions,
        }
        return dict(plainly(entry))

    def __repr__(self) -> str:
        """Plan, how the solve ended, worth and gap, in one line."""
        outcome, unit = self.outcome, f"million USD of {self.plan.price_year}"
        lines = [f"plan {self.plan.name!r}", ENDED.get(outcome.reason, outcome.reason)]
        extended = extended_by(self.tables)
        if extended:
            lines[1] += " with the terms of own code" if extended == "terms" else " with the constraints of own code"
        if outcome.objective_musd is not None:
            meaning = "at most worth" if outcome.relaxed and extended != "terms" else "worth"
            lines.append(f"{meaning} {0.0 - outcome.objective_musd:,.4g} {unit} beyond doing nothing")
        if outcome.relative_gap is not None:
            lines.append(f"gap {outcome.relative_gap:.2%}")
        return f"<Result: {', '.join(lines)}; {len(self.tables)} tables>"

    @cached_property
    def _basis(self) -> Basis:
        return Basis(self)

    @cached_property
    def brief(self) -> Brief | None:
        """What the answer says first; None of a relaxation, which is no plan."""
        if self.outcome.relaxed:
            return None
        return brief_of(self.plan, self.figures, self.tables, self._basis)

    def summary(self, *, full: bool = False) -> str:
        """The answer in plain words: one screen. full: with all that it rests on."""
        if self.brief is None:
            return self.details()
        return "\n\n".join([self.brief.text(), *([self.details().partition("\n")[2]] * full)])

    def details(self) -> str:
        """All that the answer rests on, in sections with a blank line between: title and verdict first."""
        return summarise(self.figures, self.plan, self._basis)

    def stated(self) -> dict[str, Any]:
        """JSON-ready, what a manifest states beside question, decisions and tables; `restored` takes it back."""
        return {
            "outcome": asdict(self.outcome),
            "seconds": dict(self.seconds),
            "profile": records(self.profile),
            "counts": dict(self.counts),
            "audit": asdict(self.audited),
            "objective_parts": dict(self.objective_parts),
            "reference_parts": dict(self.reference_parts),
            "options": dict(self.options),
            "versions": dict(self.versions),
        }

    def _repr_html_(self) -> str:
        """The brief, as notebooks show it."""
        if self.brief is None:
            return f"<pre>{html.escape(self.summary())}</pre>"
        parts = [f"<h3>{html.escape(self.brief.title)}</h3>", f"<p>{html.escape(self.brief.recommendation)}</p>"]
        for head, table in self.brief.tables().items():
            parts.append(f"<h4>{html.escape(head)}</h4>{table.to_html(index=False, border=0, escape=True)}")
        parts += [f"<p><b>{html.escape(name)}</b> {html.escape(text)}</p>" for name, text in self.brief.points]
        text = html.escape(self.summary(full=True))
        return "".join([*parts, f"<details><summary>All in words</summary><pre>{text}</pre></details>"])


Result.__doc__ = f"""{(Result.__doc__ or "").rstrip()}

`tables` has these data frames; units in brackets, shares as fractions of one:

{tables_in_words()}
"""


def restored(
    plan: Plan,
    data: Dataset,
    solution: Solution,
    reference: Solution,
    tables: Mapping[str, pd.DataFrame],
    stated: Mapping[str, Any],
) -> Result:
    """A result from its stored parts; `stated` holds outcome, audit, parts, seconds, counts, options and versions."""
    outcome, audited = stated["outcome"], stated["audit"]
    return Result(
        plan,
        data,
        Outcome(**{**outcome, "stages": tuple(tuple(stage) for stage in outcome["stages"])}),
        solution,
        reference,
        tables,
        objective_parts=stated["objective_parts"],
        reference_parts=stated["reference_parts"],
        audited=Audit(**{**audited, "residuals": tuple(Residual(**r) for r in audited["residuals"])}),
        seconds=stated["seconds"],
        profile=pd.DataFrame(stated.get("profile", [])),
        counts=stated["counts"],
        options=stated["options"],
        versions=stated["versions"],
    )
