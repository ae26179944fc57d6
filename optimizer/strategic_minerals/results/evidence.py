"""What an answer rests on beside its own figures: facts and estimates of the inputs, how the solve ended, how large it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ..audit.audit import Audit, Residual
from ..checks.doubts import KIND as DOUBT
from ..core.frames import rows_of
from ..core.outcome import Outcome
from ..core.rounding import rounded_to_add_up
from ..core.units import SMALL_T
from ..data.column_words import range_in_words
from ..data.dataset import Dataset
from ..data.names import Names
from ..data.references import select_materials
from ..instance.instruments import floor_names
from ..schemas.plan import Plan
from .act_now import ActNow
from .home_words import HomeMoney, home_money
from .notes import AVERAGED, DEAR, EITHER, NEVER, REPLAYED, LossRange, other_losses, provenance
from .own_table import Extended, extended_by, own_said
from .readable import scenario_names

MOST_ESTIMATES = 6
"""Widest estimates that are named, one a quantity and item."""


class Answered(Protocol):
    """What is read of a result."""

    @property
    def plan(self) -> Plan: ...

    @property
    def data(self) -> Dataset: ...

    @property
    def outcome(self) -> Outcome: ...

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]: ...

    @property
    def audited(self) -> Audit: ...

    @property
    def seconds(self) -> Mapping[str, float]: ...

    @property
    def counts(self) -> Mapping[str, int]: ...

    @property
    def options(self) -> Mapping[str, Any]: ...

    @property
    def versions(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Basis:
    """All that a summary says beside the figures of the answer."""

    relaxed: bool
    reason: str
    """Why the solve ended, as `Outcome.reason`."""
    names: Names
    scenarios: Mapping[str, str]
    """Scenario -> what happens in it."""
    floors: Mapping[str, tuple[str, str]]
    """Price floor, as `figures` names it -> who has it and for which material."""
    other_losses: LossRange
    replayed: tuple[str, ...]
    """Observed shortages of which the plan's loss function says more than is known to have stopped, each with the comparison."""
    embedded: frozenset[str]
    """Materials that come only inside imported goods and that risk measures leave out."""
    facts: int
    estimates: int
    widest: tuple[str, ...]
    """The widest estimates behind what is at stake, each in words."""
    reluctant: tuple[str, ...]
    """Names of materials whose crisis price exceeds what the supply is worth to some users."""
    tied: tuple[str, ...]
    """Materials of which defence may run short in the place of others at the same cost, in words."""
    averaged: tuple[str, ...]
    """Disruptions whose deepest cuts last for less than a period, in words."""
    doubts: tuple[str, ...]
    """Figures that are probably not meant, each with what it was compared with."""
    owed: tuple[str, ...]
    """Years whose appropriation does not hold what is in store at the start, in words."""
    floors_asked: int
    """Price floors of the plan's menus."""
    floors_gone: tuple[str, ...]
    """Those of them that can never be chosen, each with its reason, in words."""
    out_of_reach: tuple[str, ...]
    """What else can never be chosen, likewise."""
    begin_later: tuple[str, ...]
    """Sources that give nothing in the first year and something later, whatever is decided, in words."""
    inverted: frozenset[str]
    """Border floors that products which contain the material escape, as `figures` names them."""
    audit_word: str
    worst: Residual
    counts: Mapping[str, int]
    seconds: float
    highs: str
    tolerance: float
    home: HomeMoney | None
    """Money and figures of the plan's home; None where no table names it."""
    act_now: ActNow | None
    """What other samples say of the plan; None where it was solved for its own scenarios alone."""
    own: tuple[str, ...] = ()
    """What a caller's own code has added, and what it came to."""
    extended: Extended = ""
    """What of it the proof has to tell."""


def basis_of(result: Answered) -> Basis:
    """Of a result: what it says of its inputs is worked out from plan and tables."""
    names = Names.of(result.data)
    counted, stake, noted = provenance(result.plan, result.data), _stakes(result), result.tables["notes"]
    floors, never = result.tables["floors"], noted[noted.kind == NEVER]
    asked = {f"floor {name}" for name in floor_names(result.plan).values()}
    of_floors = never.item.isin(asked)
    inverted = floors[floors.tariff_inversion.astype(bool)] if len(floors) else floors
    return Basis(
        relaxed=result.outcome.relaxed,
        reason=result.outcome.reason,
        names=names,
        scenarios=scenario_names(result.plan, result.tables["scenario_losses"], told=True),
        floors={f"{row.floor}, {row.start}": floor_in_words(row, names) for row in floors.itertuples()},
        other_losses=other_losses(result.plan, result.data),
        replayed=tuple(noted.note[noted.kind == REPLAYED]),
        embedded=frozenset(
            row.material for row in result.data.rows("materials") if row.embedded and not result.plan.risk.embedded
        ),
        facts=counted.facts,
        estimates=counted.estimates,
        widest=_widest(counted.widest, stake, names),
        reluctant=tuple(names.material(m) for m in sorted(set(noted.item[noted.kind == DEAR]) & set(stake))),
        floors_asked=len(asked),
        floors_gone=tuple(never.note[of_floors]),
        out_of_reach=tuple(never.note[~of_floors]),
        averaged=tuple(noted.note[noted.kind == AVERAGED]),
        tied=tuple(noted.note[noted.kind == EITHER]),
        doubts=tuple(noted.note[noted.kind == DOUBT]),
        owed=tuple(noted.note[noted.kind == "already owed"]),
        begin_later=_begin_later(result.plan, result.data, names),
        inverted=frozenset(f"{row.floor}, {row.start}" for row in inverted.itertuples()),
        audit_word=audit_word(result),
        worst=result.audited.worst(),
        counts=result.counts,
        seconds=float(result.seconds.get("total", 0.0)),
        highs=str(result.versions["highs"]),
        tolerance=float(result.options["primal_feasibility_tolerance"]),
        home=home_money(result.plan, result.data),
        act_now=ActNow.of(result.tables),
        own=tuple(own_said(result.tables)),
        extended=extended_by(result.tables),
    )


def _begin_later(plan: Plan, data: Dataset, names: Names) -> tuple[str, ...]:
    """Sources of the planned materials that begin within the planned years, each with its year; the soonest first."""
    chosen, horizon, made = set(select_materials(plan, data)), plan.horizon, defaultdict[str, set[str]](set)
    for row in data.rows("yields"):
        made[row.producer].add(row.material)
    series = defaultdict[str, list[tuple[int, float]]](list)
    for row in data.rows("capacities"):
        if made[row.activity] <= chosen:
            series[row.activity].append((row.from_year, row.capacity_t_per_yr))
    found = []
    for activity, steps in series.items():
        begun = [capacity for year, capacity in sorted(steps) if year <= horizon.first_year]
        later = [year for year, capacity in sorted(steps) if year > horizon.first_year and capacity > 0]
        if begun and begun[-1] == 0 and later and later[0] < horizon.first_year + horizon.years:
            found.append((later[0], f"{names.producer(activity)} (FY{later[0]})"))
    return tuple(text for _, text in sorted(found))


def floor_in_words(row: Any, names: Names) -> tuple[str, str]:
    """Who has a price floor, a row of the table `floors`, and for which material."""
    who = names.producer(row.floor.partition(": ")[0]) if row.scope == "project" else "the whole market"
    return who, names.material(row.material)


def whole_summands(total: float, parts: Sequence[float]) -> tuple[float, ...]:
    """Parts of a sum as whole numbers that add up to the total as it is printed; each rounded by itself where they are not its."""
    return rounded_to_add_up(total, parts, 0) or tuple(float(round(part)) for part in parts)


def audit_word(result: Answered) -> str:
    """How the audit ended: a relaxation leaves integers open, so that there is no plan to audit."""
    if result.audited.passed:
        return "passed"
    return "not applicable to a relaxation" if result.outcome.relaxed else "FAILED"


def _widest(wide: pd.DataFrame, stake: Mapping[str, float], names: Names) -> tuple[str, ...]:
    """The widest estimates of what the plan acts on: hazards first, then by what is at stake."""
    if wide.empty:
        return ()
    wide = wide.assign(
        of=wide.key.str.split("/").str[0],
        stake=[max((stake.get(part, 0.0) for part in key.split("/")), default=0.0) for key in wide.key],
    )
    wide = (
        wide[wide.stake > 0]
        .sort_values("stake", ascending=False, kind="stable")
        .drop_duplicates(["table", "column", "of"])
    )
    hazards = wide[wide.table == "hazards"].head(MOST_ESTIMATES // 2)
    chosen = pd.concat([hazards, wide[wide.table != "hazards"].head(MOST_ESTIMATES - len(hazards))])
    return tuple(range_in_words(row.key, row.column, row.low, row.value, row.high, names) for row in rows_of(chosen))


def _stakes(result: Answered) -> dict[str, float]:
    """What the plan acts on -> its share of the gross worth: materials, offers, projects, contracted sources, hazards."""
    value, held = result.tables["value"], result.tables["held_for_price"]
    names = set(held.material[held.expected_acquired_t.combine(held.at_undisturbed_prices_t, np.fmax) > SMALL_T])
    value = value[value.component != "commitments"]
    gross = value.shortage_avoided_musd.abs() + value.price_gain_musd.abs()
    total = max(float(gross.sum()), 1e-9)
    share: dict[str, float] = {}
    for materials, worth in zip(value.materials.str.split(), gross / total, strict=True):
        share |= {m: float(worth) for m in materials if m in names or worth > 0.05}
    bought, projects = result.tables["acquisitions"], result.tables["projects"]
    share |= {row.offer: share.get(row.material, 0.0) for row in rows_of(bought)}
    share |= dict.fromkeys(projects.project[projects.share > 1e-6], 0.5)
    share |= dict.fromkeys(result.tables["contracts"].activity, 0.5)
    struck = result.tables["scenario_losses"]
    avoided = struck.probability * (struck.loss_without_plan_musd - struck.loss_musd).clip(lower=0.0)
    for names_of, worth in avoided.groupby(struck.hazards).sum().items():
        for hazard in str(names_of).split():
            share[hazard] = share.get(hazard, 0.0) + 1.0 + float(worth) / total
    return share
