"""An answer when there is no plan: the least relaxation that helps, single changes that restore a plan, and what conflicts.

Elastic programs: every requirement of the plan may be missed at a price, and the least total is found (Chinneck, Feasibility and
Infeasibility in Optimization, 2008, chapter 6). Conflicts by deletion filtering (Chinneck and Dravnieks 1991) over requirements as
the planner knows them. Each single change is put into the plan, and the plan solved again, before it is listed."""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..answer.solving import Relax
from ..answer.study import Study
from ..core.errors import InfeasibleError, PlanError, StoppedError, UntrustedError
from ..core.frames import INF, Floats, Ints, rows_of
from ..core.runner import HERE, Runner, checkpoint, current
from ..core.stats import MUSD_PER_T, bracket
from ..core.verb import verb
from ..matrix.assembly import Assembly
from ..matrix.problem import Problem, prepare, with_columns, with_row
from ..model.values import branch_values
from ..question.base import gathered
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.names import Names, edited
from ..question.plan import Plan
from ..solver.highs import Model, UnsolvedRun, canary
from ..solver.lshaped.subproblems import master_alone
from ..solver.stages import with_reference

# What a plan asks for and limits, entry by entry as the planner wrote it: its rows in the model, and how it could be moved.
EMERGENCY = "emergency_money"
"""What a change of the money for disruptions is called."""
IN_DISRUPTIONS = frozenset({"service_level", "cvar_limit", "expected_loss_limit"})
"""Families of demands that ask something of the scenarios; the others ask it of commitments and of the course without events."""
FIRST_MUSD = 1.0
"""Emergency money with which a model has its rows."""
LOGIC_MUSD = 1e4
"""What an elastic program pays for a project without what it needs, or beside what it excludes."""


@dataclass(frozen=True)
class Requirement:
    """A requirement of the plan, or a limit that it sets: one entry of the plan file, in one year where it has several."""

    family: str
    """As in `solver.infeasibility.DEMANDS`."""
    item: str
    words: str
    rows: Ints
    natural: Floats
    """(rows,) tonnes, million USD or projects that one unit of each row stands for."""
    price: float
    """What missing one of them counts in an elastic program [million USD]."""
    unit: str
    places: tuple[str, ...] = ()
    """(rows,) where and when each row holds, in words; empty where the demand's own words say it."""
    owed: float | None = None
    """Of money: the limit in force, where that is what is owed already and not what the plan gives [million USD]."""


@dataclass(frozen=True)
class Change:
    """One entry of the plan that may be moved."""

    demand: str
    """Family of the rows that it makes room for, as in `infeasibility.DEMANDS`; `EMERGENCY`: of those of `IN_DISRUPTIONS`."""
    entry: str
    """What it is, without its value."""
    words: str
    """With {value} and {by} to be filled in."""
    base: float
    put: Callable[[float], Mapping[str, Any]]
    """Moved by so much -> values by address (`question.names`)."""
    rows: tuple[tuple[int, float], ...] = ()
    """(row, what its right-hand side gains per unit moved); empty: found by trying values of the plan."""
    unit: str = "million USD"
    sign: int = 1
    """+1: relaxed by a larger value; -1: by a smaller one."""
    most: float = INF
    """Of what it may be moved by."""
    widened: tuple[tuple[int, float], ...] = ()
    """(column, what its upper limit gains per unit moved)."""
    idle: tuple[tuple[int, float], ...] = ()
    """(row of `rows`, what has to be moved before its right-hand side gains): money up to what is owed already moves no limit."""
    within: Mapping[str, Any] = field(default_factory=dict)
    """Values by address that the plan needs before its model has these rows; they count for nothing."""


DEMANDING = (
    "service_level budget total_budget contingent_liability diversification days_of_cover cvar_limit expected_loss_limit "
    "project_logic"
).split()
"""Constraints that demands and limits of a plan are."""
OF_MATERIALS = ("service_level", "diversification", "days_of_cover")
"""Those of them that count tonnes of a material."""


def requirements(problem: Problem) -> Iterable[Requirement]:
    """Every requirement and limit that binds a plan hard, with its rows."""
    asked = _Asked(problem)
    for family, entry in asked.rows:
        if family == "project_logic":
            yield asked.of_logic(entry)
        elif family in OF_MATERIALS:
            yield from asked.of_material(family, entry)
        else:
            yield asked.of_money(family, entry)


class _Asked:
    """What a plan asks for, entry by entry: a level, a year, a rule, two projects; None where there is one of a family."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self._plan, self._n = problem, problem.natural.plan, problem.natural
        self._years, self._names = problem.natural.calendar.years, Names.of(problem.data)
        self.rows: dict[tuple[str, Any], list[int]] = {}
        """(constraint, entry) -> its rows."""
        self._where: dict[int, str] = {}
        """Row -> scenario or period, where its family has rows in several."""
        for family in DEMANDING:
            for row in problem.assembly.rows_of(family).tolist():
                self.rows.setdefault((family, self._placed(family, row)), []).append(row)

    def _placed(self, family: str, row: int) -> Any:
        """The entry of a row; the row's place is kept."""
        structure = self._problem.structure
        _, key, c, number = self._problem.assembly.row_name(row)
        if family == "service_level":
            scenario = structure.scenarios.names[structure.block_index[c].branches[number]]
            self._where[row] = scenario if key[1] < 0 else f"{scenario}, FY{self._years[key[1]]}"
            return key[0]
        if family in OF_MATERIALS:
            self._where[row] = self._n.calendar.period_label(int(structure.block_index[c].period[number]))
        if family == "days_of_cover":
            return self._plan.days_of_cover.index(structure.component_sets[c].cover[key][1])
        return key

    def of_logic(self, entry: Any) -> Requirement:
        """entry: (needs or excludes, two projects by number)."""
        kind, p, q = entry
        names = [self._names.producer(self._n.projects[k].name) for k in (p, q)]
        words = f"{names[0]} {'needs' if kind == 'needs' else 'excludes'} {names[1]}"
        rows = np.array(self.rows["project_logic", entry])
        return Requirement("project_logic", words, words, rows, np.ones(len(rows)), LOGIC_MUSD, "projects")

    def of_money(self, family: str, entry: Any) -> Requirement:
        """A limit of a fiscal year, by its place among all, or of the whole plan."""
        n, plan, owed = self._n, self._plan, None
        if family == "budget":
            year = self._years[entry]
            item = f"appropriation FY{year}{'' if year in n.calendar.planned_years else ' (after the planned years)'}"
            words = f"{item}: {n.appropriation[entry]:,.6g} million USD"
            owed = float(n.spendable[entry]) if n.owed_beyond[entry] > 0 else None
        elif family == "contingent_liability":
            item, words = (f"liability cap {of}FY{self._years[entry]}" for of in ("", "of "))
        else:
            item, amount = {
                "total_budget": ("total budget", plan.budget.total_musd),
                "cvar_limit": ("limit on CVaR", plan.risk.cvar_limit_musd),
                "expected_loss_limit": ("limit on expected loss", plan.risk.expected_loss_limit_musd),
            }[family]
            words = f"{item}: {amount or 0.0:,.4g} million USD"
            owed = n.spendable_in_all if family == "total_budget" and n.owed_beyond_in_all > 0 else None
        if owed is not None:
            words = f"{words} ({owed:,.6g} have to be paid to hold the opening stock)"
        rows = np.array(self.rows[family, entry])
        return Requirement(family, item, words, rows, np.ones(len(rows)), 1.0, "million USD", owed=owed)

    def of_material(self, family: str, entry: Any) -> Iterator[Requirement]:
        """A level or rule by its place in the plan; nothing where a penalty may be paid instead."""
        entries: dict[str, Sequence[Any]] = {
            "service_level": self._plan.service_levels,
            "diversification": self._plan.diversification,
            "days_of_cover": self._plan.days_of_cover,
        }
        rule = entries[family][entry]
        if getattr(rule, "penalty_usd_per_kg", None) is not None:
            return
        material = self._names.material(rule.material)
        if family == "service_level":
            item = f"{rule.segment} service level for {material}"
            words = f"{item}: {100 * rule.level:.6g}% in {', '.join(rule.scenarios)}"
        elif family == "diversification":
            item = f"diversification of {material} ({self._names.country(rule.country or rule.group or '')})"
            words = f"{item}: {100 * rule.share:.6g}% from FY{rule.from_year}"
        else:
            item = f"days of cover of {material}"
            words = f"{item}: {rule.days:g} from FY{rule.from_year}"
        rows, n = np.array(self.rows[family, entry]), self._n
        i = n.materials.index(rule.material)
        unit, price = float(self._problem.instance.material_unit[i]), max(float(n.price[i].max()), MUSD_PER_T)
        places = tuple(self._where[row] for row in rows.tolist())
        yield Requirement(family, item, words, rows, np.full(len(rows), unit), price, "t", places)


def possible_changes(problem: Problem) -> Iterable[Change]:
    """Every entry of the plan that could be moved to make room."""
    yield from _money_changes(problem)
    yield from _promise_changes(problem)
    yield from _rule_changes(problem)
    for family, words in (("cvar_limit", "limit on CVaR"), ("expected_loss_limit", "limit on expected loss")):
        rows, base = problem.assembly.rows_of(family).tolist(), getattr(problem.plan.risk, f"{family}_musd")
        if rows:
            text, put = f"{words} at {{value}} million USD (+ {{by}})", partial(_put, f"risk.{family}_musd", base, 1)
            yield Change(family, words, text, base, put, tuple((row, 1.0) for row in rows))


def _money_changes(problem: Problem) -> Iterable[Change]:
    """Appropriations year by year and of all years alike, the total, the liability cap.

    All by what the plan's own figure is moved: where more is owed already, its first part moves no limit."""
    assembly, n, budget = problem.assembly, problem.natural, problem.plan.budget
    years, share = n.calendar.years, budget.carry_over_share
    rows = {assembly.row_name(row).key: row for row in assembly.rows_of("budget").tolist()}
    root, beyond = assembly.commitments, n.owed_beyond.tolist()
    idle = {f: ((row, beyond[f]),) if beyond[f] > 0 else () for f, row in rows.items()}

    def carried(f: int) -> tuple[tuple[int, float], ...]:
        return ((int(root.columns("carry", f)[0]), share),) if share > 0 and f < len(years) - 1 else ()

    def raised(field: str, values: Floats, f: int | None) -> Callable[[float], Mapping[str, Any]]:
        series = dict(zip(years, values.tolist(), strict=True))
        return partial(_put_by_year, f"budget.{field}", series, None if f is None else years[f])

    for f, row in rows.items():
        if years[f] in n.calendar.planned_years:
            entry, words = (
                "the appropriation of a year",
                f"appropriation FY{years[f]} + {{by}} million USD (to {{value}})",
            )
            base, put = float(n.appropriation[f]), raised("appropriation_musd", n.appropriation, f)
            yield Change("budget", entry, words, base, put, ((row, 1.0),), widened=carried(f), idle=idle[f])
    if rows:
        entry = "every year's appropriation"
        base, put = float(n.appropriation.mean()), raised("appropriation_musd", n.appropriation, None)
        widened = tuple(pair for f in rows for pair in carried(f))
        every = tuple(pair for f in rows for pair in idle[f])
        gains = tuple((row, 1.0) for row in rows.values())
        words = f"{entry} + {{by}} million USD"
        yield Change("budget", entry, words, base, put, gains, widened=widened, idle=every)
    for row in assembly.rows_of("total_budget").tolist():
        total, words = float(budget.total_musd or 0.0), "total budget + {by} million USD (to {value})"
        put = partial(_put, "budget.total_musd", total, 1)
        owed = ((row, n.owed_beyond_in_all),) if n.owed_beyond_in_all > 0 else ()
        yield Change("total_budget", "total budget", words, total, put, ((row, 1.0),), idle=owed)
    caps = n.by_year(budget.liability_cap_musd or 0.0)
    for row in assembly.rows_of("contingent_liability").tolist():
        f = assembly.row_name(row).key
        entry, words = "the liability cap of a year", f"liability cap FY{years[f]} + {{by}} million USD (to {{value}})"
        put = raised("liability_cap_musd", caps, f)
        yield Change("contingent_liability", entry, words, float(caps[f]), put, ((row, 1.0),))


def emergency_change(problem: Problem) -> Change | None:
    """Emergency money of every year alike; None where nothing could be bought in a disruption. Its rows: `emergency_rows`."""
    n = problem.natural
    if not len(problem.assembly.rows_of("branch_purchases")):
        return None
    most = n.by_year(problem.plan.budget.emergency_musd)
    put = partial(_put_by_year, "budget.emergency_musd", dict(zip(n.calendar.years, most.tolist(), strict=True)), None)
    words = "emergency money of every year + {by} million USD"
    return Change(EMERGENCY, "emergency money", words, float(most.mean()), put, within=put(FIRST_MUSD))


def emergency_rows(problem: Problem) -> tuple[tuple[int, float], ...]:
    """(row, 1) of the rows that grow with emergency money, of a problem whose plan gives some."""
    families = ("shared_money", "calm_purchases")
    return tuple((row, 1.0) for family in families for row in problem.assembly.rows_of(family).tolist())


def _promise_changes(problem: Problem) -> Iterable[Change]:
    """Service levels."""
    assembly, names = problem.assembly, Names.of(problem.data)
    by_level = gathered((assembly.row_name(row).key[0], (row, served)) for row, served in _promised(problem))
    for k, rows in by_level.items():
        level = problem.plan.service_levels[k]
        if level.penalty_usd_per_kg is None:
            name = f"{level.segment} service level for {names.material(level.material)}"
            yield _lowered("service_level", name, level.level, f"service_levels.{k}.level", rows, "share")


def _lowered(family: str, name: str, base: float, at: str, rows: Sequence[tuple[int, float]], unit: str) -> Change:
    """A demand that may be lowered down to nothing."""
    put, words = partial(_put, at, base, -1), f"{name} at {{value}} (- {{by}})"
    return Change(family, name, words, base, put, tuple(rows), unit=unit, sign=-1, most=base)


def _promised(problem: Problem) -> Iterable[tuple[int, float]]:
    """(row, demand that its promise is a share of [model units]) of every service level."""
    assembly, structure = problem.assembly, problem.structure
    values: dict[int, tuple[Any, Floats]] = {}
    for c, branch in assembly.branches.items():
        shape = structure.component_sets[c]
        at_zero = replace(shape, services=tuple((k, s.model_copy(update={"level": 0.0})) for k, s in shape.services))
        terms = [key for family, key in branch.template.rows if family == "service_level"]
        if terms:
            wanted = branch_values(structure, at_zero, structure.block_index[c])["service_allowance"]
            values[c] = terms, wanted
    for row in assembly.rows_of("service_level").tolist():
        _, key, c, number = assembly.row_name(row)
        terms, wanted = values[c]
        yield row, float(wanted[number, terms.index(key)])


def _rule_changes(problem: Problem) -> Iterable[Change]:
    """Diversification shares, by trying, and days of cover."""
    plan, assembly, names = problem.plan, problem.assembly, Names.of(problem.data)
    ruled = {assembly.row_name(row).key for row in assembly.rows_of("diversification").tolist()}
    for k, rule in enumerate(plan.diversification):
        if k in ruled and rule.penalty_usd_per_kg is None:
            sign = 1 if rule.kind == "country_cap" else -1
            most = 1 - rule.share if sign > 0 else rule.share
            name = f"diversification of {names.material(rule.material)} ({names.country(rule.country or rule.group or '')})"
            put, words = partial(_put, f"diversification.{k}.share", rule.share, sign, most=1.0), f"{name} at {{value}}"
            yield Change("diversification", name, words, rule.share, put, unit="share", sign=sign, most=most)
    rows_of: dict[int, list[tuple[int, float]]] = {}
    for row in assembly.rows_of("days_of_cover").tolist():
        _, key, c, _ = assembly.row_name(row)
        rule_of = problem.structure.component_sets[c].cover[key][1]
        if rule_of.days > 0:
            per_day = float(assembly.row_lower[row]) / rule_of.days
            rows_of.setdefault(plan.days_of_cover.index(rule_of), []).append((row, -per_day))
    for k, rows in rows_of.items():
        cover = plan.days_of_cover[k]
        name = f"days of cover of {names.material(cover.material)}"
        yield _lowered("days_of_cover", name, cover.days, f"days_of_cover.{k}.days", rows, "days")


def _put(at: str, base: float, sign: int, by: float, most: float = INF) -> Mapping[str, Any]:
    """A value moved by so much, not below 0."""
    return {at: min(most, max(0.0, base + sign * by))}


def _put_by_year(at: str, values: Mapping[int, float], year: int | None, by: float) -> Mapping[str, Any]:
    """A series by year with one year raised by so much; None: every year."""
    return {at: {str(y): value + (by if year in (None, y) else 0.0) for y, value in values.items()}}


ROOM = 1e-6
"""What a change gets beyond the least that was found, relative to it, against rounding."""
SMALL = 1e-6
"""Tonnes, million USD or share below which nothing is missed."""
MISSED = ["demand", "item", "place", "amount", "unit", "sentence"]
CHANGES = ["change", "unit", "base", "value", "by", "verified", "put", "sentence"]
TRIES = 20
"""Halvings of a share that cannot be read off one linear program."""


@dataclass
class Case:
    """A problem with the limits of its reference in place."""

    problem: Problem
    """Once there is no plan: without the scenarios in which operations are free to go short."""
    relax: bool
    requirements: list[Requirement] = field(default_factory=list)

    def left(self) -> float:
        """Seconds left. Raises StoppedError where none are."""
        call = current()
        call.check()
        return call.left()

    def feasible(self, assembly: Assembly, *, relax: bool | None = None, presolve: bool = True) -> bool:
        """Whether a model has any plan. Raises StoppedError, and UntrustedError without a verdict."""
        model = Model(assembly, np.zeros_like(assembly.lower), integer=not (self.relax if relax is None else relax))
        run = model.run(time_limit_s=self.left(), presolve=presolve)
        if run.status in ("optimal", "infeasible", "infeasible_or_unbounded"):
            return run.status == "optimal"
        self.left()
        raise UntrustedError(f"the solver came to no verdict: {run.status}")


@verb
def diagnose(plan: Plan, data: Dataset, *, relax: Relax = False, run: Runner = HERE) -> Study:
    """Show why no plan meets the requirements, and which changes restore one. Exit code 3: no plan; 0: there is a plan.

    Tables: `missed`, demand, item, place, amount, unit, sentence: the least total relaxation, tonnes weighed at their market price.
    `changes`, change, unit, base, value, by, verified, put, sentence: each alone restores a plan; `put` holds values by address, as
    JSON. Facts: possible (the requirements can be met; everything else is empty then), fractions (they could be met if projects
    could be supported in part), conflict (requirements that cannot be met together, and can without any one of them), missed_musd
    (what the relaxation weighs [million USD]), missed_verified (the model has a plan once it is granted), seconds, complete
    (false: the deadline came before everything was examined), tried (entries of the plan that were moved, each alone).

    Raises PlanError and InputError as `solve_once`, StoppedError where the deadline comes before the least relaxation,
    UntrustedError where the solver contradicts itself with presolve and without."""
    begin = time.perf_counter()
    require(plan, data)
    canary()
    checkpoint("diagnosis: whether a plan exists")
    problem = prepare(plan, data)
    # where even doing nothing is impossible, the limits of diversification rules on baseline shortfalls are unknown and left open
    with suppress(InfeasibleError):
        problem, _ = with_reference(problem, current().left())
    case = Case(problem, relax)
    if case.feasible(problem.assembly):
        return _study(True, begin, pd.DataFrame(columns=MISSED), pd.DataFrame(columns=CHANGES))
    if case.feasible(problem.assembly, presolve=False):
        raise UntrustedError("the solver called the plan infeasible with presolve but feasible without: not trusted")
    fractions = not relax and case.feasible(problem.assembly, relax=True)
    case.problem = replace(problem, assembly=master_alone(problem.structure, problem.assembly))
    case.requirements = list(requirements(case.problem))
    checkpoint("diagnosis: the smallest relaxation")
    missed, weight, granted = _least_relaxation(case)
    conflict: list[Requirement] = []
    changes, complete, tried = pd.DataFrame(columns=CHANGES), True, dict[str, None]()
    try:
        checkpoint("diagnosis: conflicts")
        conflict = _conflict(case)
        for change in _changes(case, {demand.family for demand in conflict}):
            checkpoint(f"diagnosis: single changes: {change.words.split('{')[0].strip()}")
            row = _single_change(case, plan, data, change)
            tried[change.entry] = None
            if row is not None:
                changes.loc[len(changes)] = row
    except StoppedError as error:
        if error.outcome.reason == "interrupted":
            raise
        complete = False
    facts = {
        "fractions": fractions,
        "conflict": tuple(demand.words for demand in conflict),
        "missed_musd": weight,
        "missed_verified": granted,
        "complete": complete,
        "tried": tuple(tried),
    }
    return _study(False, begin, missed, changes, **facts)


def _study(possible: bool, begin: float, missed: pd.DataFrame, changes: pd.DataFrame, **more: Any) -> Study:
    """A diagnosis as a study. begin: when it began; more: facts of a question without a plan."""
    nothing: dict[str, Any] = {"fractions": False, "conflict": (), "missed_musd": 0.0, "missed_verified": False}
    facts = {"possible": possible, **nothing, "complete": True, "tried": (), **more}
    facts["seconds"] = time.perf_counter() - begin
    changes = changes.assign(put=pd.Series([json.dumps(put) for put in changes["put"]], dtype=object))
    titles = {"changes": "Any one of these restores a plan"}
    return Study("diagnose", {"missed": missed, "changes": changes}, _words(facts, missed, changes), facts, titles)


def _words(facts: Mapping[str, Any], missed: pd.DataFrame, changes: pd.DataFrame) -> list[str]:
    if facts["possible"]:
        return ["All requirements of this plan can be met: `solve` finds a plan."]
    lines = ["No plan meets all requirements (double-checked with the solver's presolve off)."]
    if facts["fractions"]:
        lines.append("  There would be a plan if projects could be supported in part.")
    if facts["conflict"]:
        lines.append("IN CONFLICT: these cannot all be met; without any one of them, the others can:")
        lines += [f"  {words}" for words in facts["conflict"]]
    if len(missed):
        verified = "with it, a plan exists" if facts["missed_verified"] else "NOT confirmed by a solve"
        lines.append(
            f"LEAST RELAXATION: what must give way at least ({facts['missed_musd']:,.4g} million USD in all, tonnes at "
            f"market price; {verified}):"
        )
        lines += [f"  {row.sentence}" for row in rows_of(missed)]
    helping = changes[changes["verified"].astype(bool)] if len(changes) else changes
    if len(helping):
        lines.append("ANY ONE OF THESE CHANGES RESTORES A PLAN (each was tried):")
        lines += [f"  {row.sentence}" for row in rows_of(helping)]
    elif facts["complete"]:
        lines.append(
            "NONE OF THESE RESTORES A PLAN when changed alone (grant the relaxation above, or change several):"
        )
        lines += [f"  {entry}" for entry in facts["tried"]]
    if not facts["complete"]:
        lines.append("The time limit was reached before everything was examined: give `diagnose` a longer deadline.")
    return lines


def _least_relaxation(case: Case) -> tuple[pd.DataFrame, float, bool]:
    """(what is missed, its weight [million USD], whether granting it was confirmed by a solve)."""
    assembly = case.problem.assembly
    flat = [(d, k, row) for d, demand in enumerate(case.requirements) for k, row in enumerate(demand.rows.tolist())]
    relaxing = [[(row, -1.0 if math.isinf(assembly.row_lower[row]) else 1.0)] for _, _, row in flat]
    elastic = with_columns(assembly, relaxing, np.full(len(flat), INF))
    cost = np.zeros_like(elastic.lower)
    first = len(assembly.lower)
    cost[first:] = [case.requirements[d].price * case.requirements[d].natural[k] for d, k, _ in flat]
    run = Model(elastic, cost, integer=not case.relax).run(time_limit_s=case.left(), gap=1e-6, phase="least relaxation")
    if isinstance(run, UnsolvedRun):
        return pd.DataFrame(columns=MISSED), math.nan, False
    slack = np.maximum(0.0, run.x[first:])
    rows = []
    for n, (d, k, _) in enumerate(flat):
        demand, amount = case.requirements[d], float(slack[n] * case.requirements[d].natural[k])
        if amount > SMALL:
            place = demand.places[k] if demand.places else ""
            rows.append([demand.family, demand.item, place, amount, demand.unit, _missed(demand, place, amount)])
    row_lower, row_upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    rows_at, room = np.array([row for _, _, row in flat], dtype=np.int64), slack * (1 + ROOM) + 1e-9
    np.subtract.at(row_lower, rows_at, room)
    np.add.at(row_upper, rows_at, room)
    granted = replace(assembly, row_lower=row_lower, row_upper=row_upper)
    return pd.DataFrame(rows, columns=MISSED), float(cost[first:] @ slack), case.feasible(granted)


def _missed(demand: Requirement, place: str, amount: float) -> str:
    """What is missed of a requirement, in words."""
    where = f" in {place}" if place else ""
    if demand.unit == "t":
        verb = "exceeded by" if demand.family == "diversification" else "short by"
        return f"{demand.item}{where}: {verb} {amount:,.4g} t"
    if demand.unit == "projects":
        return f"{demand.item}: not respected"
    if demand.owed is not None:
        owed = f"the {demand.owed:,.6g} that holding the opening stock costs"
        return f"{demand.item}: {amount:,.4g} million USD more than {owed} ({demand.owed + amount:,.6g} in all)"
    return f"{demand.item}: {amount:,.4g} million USD more"


def _conflict(case: Case) -> list[Requirement]:
    """Requirements that cannot be met together, and can without any one of them; the first ones are tried first to be left out."""
    core = list(case.requirements)
    size = len(core)
    while size >= 1:  # whole blocks first: most requirements take no part
        k = 0
        while k < len(core):
            rest = core[:k] + core[k + size :]
            if rest and not case.feasible(_without(case, rest)):
                core = rest
            else:
                k += size
        size //= 2
    return core


def _without(case: Case, kept: Sequence[Requirement]) -> Assembly:
    """The model with some requirements alone."""
    assembly = case.problem.assembly
    every, staying = ({row for demand in of for row in demand.rows.tolist()} for of in (case.requirements, kept))
    rows = np.array(sorted(every - staying), dtype=np.int64)
    lower, upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    lower[rows], upper[rows] = -INF, INF
    return replace(assembly, row_lower=lower, row_upper=upper)


def _changes(case: Case, families: set[str]) -> Iterator[Change]:
    """Changes that could make room in a conflict of some families: what restores a plan has to make some in every conflict."""
    yield from (change for change in possible_changes(case.problem) if change.demand in families)
    if families & IN_DISRUPTIONS and (emergency := emergency_change(case.problem)) is not None:
        yield emergency


def _single_change(case: Case, plan: Plan, data: Dataset, change: Change) -> list[Any] | None:
    """A change of one entry that restores a plan, as a row of `CHANGES`; None where it does not.

    Moves are rounded outward to the figures shown before they are put into the plan: the row states what was tried."""
    least = _least_move(case, plan, data, change)
    if least is None:
        return None
    by = min(change.most, _outward(least * (1 + ROOM) + ROOM * max(1e-3, abs(change.base) * 1e-3)))
    put = dict(change.put(by))
    value = change.base + change.sign * by
    sentence = change.words.format(value=f"{value:,.10g}", by=f"{by:,.10g}")
    verified = _restored(case, plan, data, put, whole=True)
    return [change.demand, change.unit, change.base, value, by, verified, put, sentence]


def _outward(value: float) -> float:
    """A positive number rounded up to four figures."""
    digit = 10.0 ** (math.floor(math.log10(value)) - 3)
    return float(f"{math.ceil(value / digit * (1 - 1e-12)) * digit:.10g}")


def _least_move(case: Case, plan: Plan, data: Dataset, change: Change) -> float | None:
    """What an entry has to be moved by at least; None where moving it alone does not help."""
    assembly = case.problem.assembly
    if change.demand == EMERGENCY:
        changed = _changed(case, plan, data, change.within)
        if changed is None:
            return None
        assembly = master_alone(changed.structure, changed.assembly)
        change = replace(change, rows=emergency_rows(replace(changed, assembly=assembly)))
        assembly = _raised(assembly, [(row, -FIRST_MUSD * gain) for row, gain in change.rows])
    elif not change.rows:
        return _least_by_trying(case, plan, data, change)
    ends = sorted({0.0, *(start for _, start in change.idle), change.most})
    for low, high in pairwise(ends):  # in each stretch every right-hand side gains evenly; more never takes room away
        least = _least_within(case, assembly, change, low, high)
        if least is not None:
            return least
    return None


def _least_within(case: Case, assembly: Assembly, change: Change, low: float, high: float) -> float | None:
    """The least move from `low` to `high` that gives a plan, counted from 0; None where none does."""
    start = dict(change.idle)
    rows = [(row, gain) for row, gain in change.rows if start.get(row, 0.0) <= low]
    moved = _raised(assembly, [(row, -gain * start.get(row, 0.0)) for row, gain in rows])
    moved = with_columns(moved, [[(row, -gain) for row, gain in rows]], np.array([high]))
    column = len(assembly.lower)
    lower, upper = moved.lower.copy(), moved.upper.copy()
    lower[column] = low
    upper[[wide for wide, _ in change.widened]] = INF
    limits = [float(moved.upper[wide]) for wide, _ in change.widened]
    moved = replace(moved, lower=lower, upper=upper)
    for (wide, gain), limit in zip(change.widened, limits, strict=True):
        counted = bool(moved.column_unit[wide] != 1.0)
        moved = with_row(moved, np.array([wide, column]), np.array([1.0, -gain]), -INF, limit, money=counted)
    cost = np.zeros_like(moved.lower)
    cost[column] = 1.0
    run = Model(moved, cost, integer=not case.relax).run(time_limit_s=case.left(), gap=1e-6, phase="single changes")
    return None if isinstance(run, UnsolvedRun) else max(0.0, float(run.x[column]))


def _raised(assembly: Assembly, by: Sequence[tuple[int, float]]) -> Assembly:
    """The model with some right-hand sides raised."""
    lower, upper = assembly.row_lower.copy(), assembly.row_upper.copy()
    for row, amount in by:
        lower[row] += amount
        upper[row] += amount
    return replace(assembly, row_lower=lower, row_upper=upper)


def _least_by_trying(case: Case, plan: Plan, data: Dataset, change: Change) -> float | None:
    """The same for an entry that multiplies what is decided."""
    if not _restored(case, plan, data, change.put(change.most), whole=False):
        return None
    restored = partial(_restored, case, plan, data, whole=False)
    return bracket(lambda by: restored(change.put(by)), 0.0, change.most, halvings=TRIES)[1]


def _restored(case: Case, plan: Plan, data: Dataset, put: Mapping[str, Any], *, whole: bool) -> bool:
    """Whether the plan with some values in place has an answer: built and solved from nothing, do-nothing reference included.

    whole: in all scenarios, in place of those that promises name."""
    changed = _changed(case, plan, data, put)
    if changed is None:
        return False
    return case.feasible(changed.assembly if whole else master_alone(changed.structure, changed.assembly))


def _changed(case: Case, plan: Plan, data: Dataset, put: Mapping[str, Any]) -> Problem | None:
    """The problem of the plan with some values in place, with its do-nothing limits; None where there is none."""
    try:
        changed = prepare(*edited(plan, data, put), None, case.problem.structure.scenarios.drawn)
        changed, _ = with_reference(changed, case.left())
    except (PlanError, InfeasibleError):
        return None
    return changed
