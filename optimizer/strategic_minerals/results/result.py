"""The answer: outcome first, then tables, prices, objective parts, audit. Knows how to become JSON and come back."""

from __future__ import annotations

import html
import platform
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd

from ..audit.accounts import social_cost
from ..audit.audit import Audit, Residual, audit
from ..audit.figures import Figures, figures_of
from ..checks.consistency import require
from ..core.errors import Fault, InputError, UntrustedError
from ..core.frames import kinds_of, records, typed, whole
from ..core.timing import TOTAL
from ..data.dataset import Dataset
from ..data.plan_file import parse_plan
from ..highs.runtime import version as highs_version
from ..highs.solver import TOLERANCES, OnProgress
from ..instance.instance import Floats
from ..model.problem import Outcome, Problem, prepare
from ..model.solution import Solution, extract, signatures
from ..optimization.optimise import Solved, optimise
from ..optimization.stages import Method, chosen_method
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .evidence import basis_of
from .prices import price_table
from .summary import summarise
from .tables import build_tables, with_residual_at_zero

SCHEMA_VERSION = 2
"""Of `Result.to_dict` and of run folders."""


@dataclass(frozen=True)
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

    @property
    def prices(self) -> pd.DataFrame:
        """Shadow prices of the linear program with commitments fixed, in economic sign (see `prices.MEANING`)."""
        return self.tables["prices"]

    def audit(self) -> Audit:
        """Recompute every constraint and objective part from plan, data and decisions alone."""
        problem = prepare(self.plan, self.data)
        return audit(problem, self.solution, z0=self.reference, stated=self.figures, bounds=bounds_of(self.outcome))

    @property
    def figures(self) -> Figures:
        """Everything that the summary says in numbers, as named records."""
        return Figures.of(self.tables["figures"])

    def summary(self) -> str:
        """The answer in plain words."""
        return summarise(self.figures, self.plan, basis_of(self))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready and complete: `Result.from_dict` takes it back without solving."""
        return {
            "schema_version": SCHEMA_VERSION,
            "plan": self.plan.to_toml_like(),
            "data": {name: records(self.data.frame(name)) for name in self.data.tables},
            "data_name": self.data.name,
            "outcome": asdict(self.outcome),
            "solution": pack(self.solution),
            "reference": pack(self.reference),
            "tables": {name: {"kinds": kinds_of(t), "rows": records(t)} for name, t in self.tables.items()},
            "objective_parts": dict(self.objective_parts),
            "reference_parts": dict(self.reference_parts),
            "audit": asdict(self.audited),
            "seconds": dict(self.seconds),
            "profile": records(self.profile),
            "counts": dict(self.counts),
            "options": dict(self.options),
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, payload: Mapping[str, Any]) -> Result:
        """Take back what `to_dict` gave. Raises InputError for another schema version or a payload that is none."""
        found = payload.get("schema_version")
        if found != SCHEMA_VERSION:
            raise InputError([Fault("result", "", "schema_version", repr(found), str(SCHEMA_VERSION))])
        try:
            frames = {
                name: pd.DataFrame(rows, columns=list(TABLES[name].model_fields))
                for name, rows in payload["data"].items()
            }
            data = Dataset.from_tables(frames, name=payload["data_name"])
            tables = {
                name: typed(pd.DataFrame(table["rows"], columns=list(table["kinds"])), table["kinds"])
                for name, table in payload["tables"].items()
            }
            return restored(
                parse_plan(payload["plan"]), data, unpack(payload["solution"]), unpack(payload["reference"]), tables, payload
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                [Fault("result", "", "", f"{type(error).__name__}: {error}", "what to_dict gave")]
            ) from None

    def _repr_html_(self) -> str:
        """Verdict, what to do and what it costs, as notebooks show it."""
        first, *rest = self.summary().split("\n\n")
        title, *verdict = first.splitlines()
        parts = [f"<h3>{html.escape(title)}</h3>", *(f"<p>{html.escape(line)}</p>" for line in verdict)]
        heads = {"acquisitions": "Purchases", "projects": "Projects", "contracts": "Contracts", "budget": "Money"}
        for name, head in heads.items():
            table = self.tables[name]
            if name == "acquisitions" and len(table):
                table = table.groupby("material", sort=False)[["acquired_t", "cost_musd"]].sum().reset_index()
            elif name == "projects":
                table = table[table["share"] > 0][["project", "package", "signed", "first_output", "support_cost_musd"]]
            if len(table):
                shown = table.to_html(index=False, float_format="{:,.4g}".format, border=0, escape=True)
                parts.append(f"<h4>{head}</h4>{shown}")
        words = html.escape("\n\n".join(rest))
        return "".join([*parts, f"<details><summary>All in words</summary><pre>{words}</pre></details>"])


def solve(
    plan: Plan, data: Dataset, *, gap: float = 1e-3, time_limit_s: float = 3600.0, relax: bool = False, method: Method = "auto",
    threads: int = 0, executor: Executor | None = None, on_progress: OnProgress | None = None,
) -> Result:  # fmt: skip
    """Decide stockpiles, friend-shored sources and price floors together.

    gap: relative optimality gap to stop at (see `Outcome.relative_gap`). time_limit_s: wall-clock seconds, finite.
    relax: solve the linear relaxation instead, a bound on the answer. method: `flat`, one model for all worlds; `decomposed`,
    master and clusters of worlds; `auto`, whichever is expected to be faster. threads: for clusters of worlds; 0, one for each
    core that the process may use.
    executor: answers the clusters in place of threads; a flat solve runs as a whole in one of its workers (then on_progress is
    called there, and has to be picklable for another process). on_progress: called with `Progress`; returning True cancels.

    Raises ValueError for a gap outside [0, 1), PlanError and InputError (faults, all at once; also a method that the plan's aim
    rules out), InfeasibleError, StoppedError and UntrustedError. A pure function of its arguments, safe from many threads.
    """
    if not 0 <= gap < 1:
        raise ValueError(f"gap must be in [0, 1), not {gap}")
    require(plan, data)
    begin = time.perf_counter()
    problem = prepare(plan, data)
    if executor is not None and chosen_method(problem, method, integer=not relax) == "flat":
        told: dict[str, Any] = {} if on_progress is None else {"on_progress": on_progress}
        return executor.submit(solve, plan, data, gap=gap, time_limit_s=time_limit_s, relax=relax, method="flat", **told).result()
    solved = optimise(
        problem, gap=gap, time_limit_s=time_limit_s, relax=relax, method=method, threads=threads, executor=executor,
        on_progress=on_progress,
    )  # fmt: skip
    options = {"gap": gap, "time_limit_s": time_limit_s, "relax": relax, "method": method, **TOLERANCES}
    read = _read(solved)
    del problem, solved
    result = _result(read, options)
    seconds = read.problem.seconds
    seconds.phases[TOTAL] = time.perf_counter() - begin
    return replace(result, seconds=dict(seconds.phases), profile=seconds.frame())


@dataclass(frozen=True)
class _Read:
    """What a solve found, once its matrix is gone: with many worlds that is most of the memory, and what follows needs some too."""

    problem: Problem
    """Without its matrix."""
    outcome: Outcome
    points: list[Floats | None]
    """(columns,) the plan, the do-nothing reference, the plan's operations at undisturbed prices; taken out as they are read."""
    signed_without_residual: Floats | None
    """(options,)"""
    prices: pd.DataFrame
    stated: float
    """Social cost, as the solver has it [million USD]."""
    stages: dict[str, tuple[float, float]]
    """Aim -> its figure with the plan and without, penalties left out, as the solver has them [million USD]."""
    counts: dict[str, int]


def _read(solved: Solved) -> _Read:
    """Read what takes the matrix: duals, sizes, the aim."""
    problem, worlds, other = solved.problem, solved.problem.layout.worlds, solved.without_residual
    with problem.seconds.measure("extract"):
        prices = price_table(solved)
    rows, columns, nonzeros = problem.assembly.shape
    counts = {
        "columns": columns, "rows": rows, "nonzeros": nonzeros, "binaries": int(problem.assembly.integer.sum()),
        "scenarios": len(worlds.names), "periods": problem.natural.calendar.periods, "materials": len(problem.natural.materials),
        "iterations": solved.iterations, "nodes": solved.nodes,
    }  # fmt: skip
    bare = replace(problem, assembly=problem.assembly.without_matrix())
    stated = float(solved.costs["social_cost"] @ solved.x)
    signed = None if other is None else signatures(problem.assembly, other)
    points: list[Floats | None] = [solved.x, solved.z0, solved.undisturbed]
    return _Read(bare, solved.outcome, points, signed, prices, stated, _stages(solved), counts)


def _stages(solved: Solved) -> dict[str, tuple[float, float]]:
    """Aim -> (with the plan, without), penalties left out."""
    costs, penalty = solved.costs, solved.problem.assembly.costs.get("penalty")
    fined = 0.0 if penalty is None else float(penalty @ solved.x)
    return {name: (float(costs[name] @ solved.x) - fined, float(costs[name] @ solved.z0)) for name, *_ in solved.outcome.stages}


def bounds_of(outcome: Outcome) -> dict[str, float]:
    """Aim -> bound of its difference to doing nothing, the last aim last."""
    return {name: bound for name, _, bound, _ in outcome.stages}


def _result(read: _Read, options: Mapping[str, Any]) -> Result:
    """Audit the solution and make the tables. Raises UntrustedError where the audit objects."""
    problem, stated = read.problem, read.stated

    def taken() -> Solution | None:
        x = read.points.pop(0)
        return None if x is None else extract(problem.layout, problem.assembly, x)

    with problem.seconds.measure("extract"):
        solution, reference, other = taken(), taken(), taken()
        assert solution is not None
        assert reference is not None
    with problem.seconds.measure("tables"):
        tables = build_tables(problem, solution, reference, other)
        tables["projects"] = with_residual_at_zero(problem, tables["projects"], read.signed_without_residual)
        tables["prices"] = read.prices
    with problem.seconds.measure("audit"):
        before = social_cost(problem, reference)
        figures = figures_of(
            tables, read.outcome, read.stages, social_cost(problem, solution), before,
            problem.plan.horizon.first_year + problem.plan.horizon.years,
        )
        audited = audit(problem, solution, z0=reference, stated=figures, bounds=bounds_of(read.outcome))
    if not read.outcome.relaxed and not audited.passed:
        raise UntrustedError(f"the audit objects: {audited.worst()}")
    if abs(audited.objective - stated) > 1e-7 * max(1.0, abs(stated)):
        raise UntrustedError(
            f"the audit finds {audited.objective:.6f} million USD where the solver states {stated:.6f}"
        )
    with problem.seconds.measure("tables"):
        tables["figures"] = figures.frame()
        tables["objective"] = pd.DataFrame({"part": list(audited.parts), "plan_musd": list(audited.parts.values())})
        tables["objective"]["do_nothing_musd"] = [before[name] for name in audited.parts]
        for name in list(tables):  # one at a time: the longest have a row for every producer, period and world
            tables[name] = whole(tables.pop(name))
    return Result(
        plan=problem.plan, data=problem.data, outcome=read.outcome, solution=solution, reference=reference, tables=tables,
        objective_parts=audited.parts, reference_parts=before, audited=audited, seconds={}, profile=pd.DataFrame(),
        counts=read.counts, options=options, versions=versions(),
    )  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of what made the answer."""
    found = {"python": platform.python_version(), "highs": highs_version()}
    for name in ("strategic-minerals", "pyomo", "highspy", "numpy", "scipy", "pandas", "pydantic"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def pack(solution: Solution) -> dict[str, Any]:
    """Arrays as nested lists."""
    return {f.name: _plain(getattr(solution, f.name)) for f in fields(solution)}


def unpack(payload: Mapping[str, Any]) -> Solution:
    """Nested lists as arrays; an empty axis keeps its place through the stored shape."""
    values: dict[str, Any] = {}
    for f in fields(Solution):
        value = payload[f.name]
        values[f.name] = tuple(value) if f.name == "purchases" else np.array(value["values"]).reshape(value["shape"])
    return Solution(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "values": value.ravel().tolist()}
    return list(value)


def restored(
    plan: Plan, data: Dataset, solution: Solution, reference: Solution,
    tables: Mapping[str, pd.DataFrame], stated: Mapping[str, Any],
) -> Result:  # fmt: skip
    """A result from its stored parts; `stated` holds outcome, audit, parts, seconds, counts, options and versions."""
    outcome, audited = stated["outcome"], stated["audit"]
    return Result(
        plan=plan, data=data, outcome=Outcome(**{**outcome, "stages": tuple(tuple(stage) for stage in outcome["stages"])}),
        solution=solution, reference=reference, tables=tables,
        objective_parts=stated["objective_parts"], reference_parts=stated["reference_parts"],
        audited=Audit(**{**audited, "residuals": tuple(Residual(**r) for r in audited["residuals"])}),
        seconds=stated["seconds"], profile=pd.DataFrame(stated.get("profile", [])), counts=stated["counts"],
        options=stated["options"], versions=stated["versions"],
    )  # fmt: skip
