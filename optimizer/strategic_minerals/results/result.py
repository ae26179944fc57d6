"""The answer: outcome first, then tables, prices, objective parts, audit. Knows how to become JSON and come back."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from ..audit.audit import Audit, Residual, audit
from ..audit.figures import Figures
from ..core.errors import Fault, InputError
from ..core.format import FORMAT, format_fault
from ..core.frames import kinds_of, plainly, records, typed
from ..core.outcome import Outcome
from ..core.runner import HERE, Runner
from ..data.dataset import Dataset
from ..data.names import Names
from ..data.plan_file import parse_plan
from ..model.problem import prepare
from ..model.solution import Solution
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .answer_parts import bounds_of
from .evidence import basis_of
from .from_model import parts_of_model
from .labelled import labelled
from .own_table import extended_by
from .plotting import Plotted
from .readable import ENDED
from .summary import summarise
from .table_catalogue import told_tables


@dataclass(frozen=True)
class Result(Plotted):
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
        told = {
            "outcome": asdict(self.outcome),
            "audit_passed": self.audited.passed,
            "counts": self.counts,
            "options": self.options,
            "versions": self.versions,
        }
        return dict(plainly(told))

    def __repr__(self) -> str:
        """Plan, how the solve ended, worth and gap, in one line."""
        outcome, unit = self.outcome, f"million USD of {self.plan.price_year}"
        said = [f"plan {self.plan.name!r}", ENDED.get(outcome.reason, outcome.reason)]
        extended = extended_by(self.tables)
        if extended:
            said[1] += " with the terms of own code" if extended == "terms" else " with the constraints of own code"
        if outcome.objective_musd is not None:
            meaning = "at most worth" if outcome.relaxed and extended != "terms" else "worth"
            said.append(f"{meaning} {0.0 - outcome.objective_musd:,.4g} {unit} beyond doing nothing")
        if outcome.relative_gap is not None:
            said.append(f"gap {outcome.relative_gap:.2%}")
        return f"<Result: {', '.join(said)}; {len(self.tables)} tables>"

    def summary(self) -> str:
        """The answer in plain words."""
        return summarise(self.figures, self.plan, basis_of(self))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready and complete: `Result.from_dict` takes it back without solving."""
        return {
            "schema_version": FORMAT,
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
        """Take back what `to_dict` gave. Raises InputError for another format or a payload that is none."""
        fault = format_fault("result", "", "schema_version", payload.get("schema_version"))
        if fault is not None:
            raise InputError([fault])
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
                parse_plan(payload["plan"]),
                data,
                unpack(payload["solution"]),
                unpack(payload["reference"]),
                tables,
                payload,
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
        names = Names.of(self.data)
        told = {
            "material": names.material,
            "project": names.producer,
            "activity": names.producer,
            "country": names.country,
        }
        for name, head in heads.items():
            table = self.tables[name]
            if name == "acquisitions" and len(table):
                table = table.groupby("material", sort=False)[["acquired_t", "cost_musd"]].sum().reset_index()
            elif name == "projects":
                table = table[table["share"] > 0][["project", "package", "signed", "first_output", "support_cost_musd"]]
            if len(table):
                table = table.assign(**{column: table[column].map(told[column]) for column in told if column in table})
                shown = table.to_html(index=False, float_format="{:,.4g}".format, border=0, escape=True)
                parts.append(f"<h4>{head}</h4>{shown}")
        words = html.escape("\n\n".join(rest))
        return "".join([*parts, f"<details><summary>All in words</summary><pre>{words}</pre></details>"])


Result.__doc__ = f"""{(Result.__doc__ or "").rstrip()}

`tables` has these data frames; units in brackets, shares as fractions of one:

{told_tables()}
"""


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
        plan=plan,
        data=data,
        outcome=Outcome(**{**outcome, "stages": tuple(tuple(stage) for stage in outcome["stages"])}),
        solution=solution,
        reference=reference,
        tables=tables,
        objective_parts=stated["objective_parts"],
        reference_parts=stated["reference_parts"],
        audited=Audit(**{**audited, "residuals": tuple(Residual(**r) for r in audited["residuals"])}),
        seconds=stated["seconds"],
        profile=pd.DataFrame(stated.get("profile", [])),
        counts=stated["counts"],
        options=stated["options"],
        versions=stated["versions"],
    )
