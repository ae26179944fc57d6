"""The only file that has HiGHS solve a model: arrays in, a checked status and values out.

Every setter's status is checked, time is always finite, and values exist only where the status says that they may be used."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ..core.errors import Fault, OnProgress, PlanError, Progress, UntrustedError
from ..core.frames import Bools, Floats, Ints
from ..matrix.assembly import Assembly

# HiGHS instances, the release in use, and two tiny programs that tell whether it may be used.
OTHER_THREADS = (
    "HiGHS refused to run: something else in this process ran it with another number of threads; use a fresh process"
)

_FIRST = threading.Lock()
_greeted: list[bool] = []
"""One entry once HiGHS has printed its banner, which it does once in a process."""


def instance() -> Any:
    """A HiGHS instance with `FIXED` options; users do not see the banner that the first of a process prints."""
    with _FIRST:
        hidden = nullcontext() if _greeted else _stream_of_c_to_nowhere() if _is_glibc() else _descriptor_to_nowhere()
        with hidden:
            highs = highspy.Highs()
        _greeted.append(True)
    for name, value in FIXED.items():
        _check(highs.setOptionValue(name, value), f"option {name} = {value!r}")
    return highs


def _check(status: Any, what: str) -> None:
    if status != highspy.HighsStatus.kOk:
        raise UntrustedError(f"HiGHS answered {status.name} to {what}")


def _pass(
    highs: Any,
    offset: float,
    cost: Floats,
    limits: tuple[Floats, Floats, Floats, Floats],
    matrix: tuple[Ints, Ints, Floats],
    integer: Bools,
) -> None:
    """Load a model. limits: lower and upper of columns, then of rows; matrix: start, index, value by rows; integer: of columns."""
    columns, rows, (start, index, value) = len(cost), len(limits[2]), matrix
    entries = start.astype(np.int32), index.astype(np.int32), value
    status = highs.passModel(columns, rows, len(value), 2, 1, offset, cost, *limits, *entries, integer.astype(np.int32))
    _check(status, "passModel")


def _is_glibc() -> bool:
    """Whether `stdout` is a variable of the C library, as glibc has it."""
    try:
        return "CS_GNU_LIBC_VERSION" in os.confstr_names and bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, OSError, ValueError):  # another system
        return False


@contextmanager
def _stream_of_c_to_nowhere() -> Iterator[None]:
    """Have C's `stdout` be another stream for a moment: what other threads write through Python, and what processes that they start
    inherit, stays as it is. The other stream is never closed, since a thread of another library may have taken hold of it.
    """
    c = ctypes.CDLL(None)
    c.fopen.restype, c.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]
    c.fflush.argtypes = [ctypes.c_void_p]
    stdout, nowhere = ctypes.c_void_p.in_dll(c, "stdout"), c.fopen(os.devnull.encode(), b"w")
    kept = stdout.value
    if nowhere is not None:
        stdout.value = nowhere
    try:
        yield
    finally:
        stdout.value = kept
        c.fflush(nowhere)


@contextmanager
def _descriptor_to_nowhere() -> Iterator[None]:
    """Elsewhere the descriptor itself leads to nowhere for that moment, a millisecond, and so does what others write."""
    try:
        kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no standard output to protect
        yield
        return
    try:
        sys.stdout.flush()
        os.dup2(nowhere, 1)
        yield
        if os.name == "posix":
            ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def version() -> str:
    """Version of HiGHS."""
    return str(instance().version())


@cache
def canary() -> None:
    """Two mixed-integer programs of two variables that some HiGHS releases get wrong (HiGHS issues 2957, 3043).

    min 2x + 3z, x + z >= 4.5, z integer: 9.   min 2x + 1.4z, x + z >= 20.1, z integer: 28.2.
    Raises UntrustedError where the solver answers otherwise. Passed once, it is not repeated in a process."""
    for x_cost, z_cost, need, truth in ((2.0, 3.0, 4.5, 9.0), (2.0, 1.4, 20.1, 28.2)):
        answer = _micro_mip(x_cost, z_cost, need)
        if not abs(answer - truth) <= 1e-6:  # a NaN fails too
            raise UntrustedError(
                f"HiGHS {version()} answers {answer:g} to a two-variable test whose optimum is {truth:g}: it must not be used"
            )


def _micro_mip(x_cost: float, z_cost: float, need: float) -> float:
    """min x_cost*x + z_cost*z subject to x + z >= need, z integer."""
    highs = instance()
    highs.addConstr(highs.addVariable(obj=x_cost) + highs.addIntegral(obj=z_cost) >= need)
    if highs.run() != highspy.HighsStatus.kOk:
        raise UntrustedError(OTHER_THREADS)
    return float(highs.getInfo().objective_function_value)


# How a run ended: with a point or without one, its status, bound and effort.
SolvedStatus = Literal["optimal", "time_limit", "interrupted", "limit"]
"""Statuses beside which a point may be used."""
UnsolvedStatus = Literal[
    "time_limit",
    "infeasible",
    "unbounded",
    "infeasible_or_unbounded",
    "interrupted",
    "out_of_memory",
    "limit",
    "failed",
]
"""Statuses without a point: all but optimal."""
Status = SolvedStatus | UnsolvedStatus

STATUS_OF: dict[str, Status] = {
    "kModelEmpty": "optimal",
    "kOptimal": "optimal",
    "kInfeasible": "infeasible",
    "kUnboundedOrInfeasible": "infeasible_or_unbounded",
    "kUnbounded": "unbounded",
    "kObjectiveBound": "limit",
    "kObjectiveTarget": "limit",
    "kTimeLimit": "time_limit",
    "kIterationLimit": "limit",
    "kSolutionLimit": "limit",
    "kInterrupt": "interrupted",
    "kHighsInterrupt": "interrupted",
    "kMemoryLimit": "out_of_memory",
}
"""Statuses of HiGHS; any other, unknown among them, is a failure. A model without columns is trivially optimal."""


@dataclass(frozen=True)
class Duals:
    """Prices at the best point of a linear program."""

    row: Floats
    """(rows,) what the cost changes by with each right-hand side  [million USD by the row's own unit]."""
    column: Floats
    """(columns,) reduced costs, likewise; NaN where none is known."""


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """What every run tells."""

    bound: float
    """What every point costs at least, as far as known  [million USD]; -inf where nothing is."""
    seconds: float
    iterations: int = 0
    """Of the simplex method, those of all nodes."""
    nodes: int = 0


@dataclass(frozen=True, kw_only=True)
class SolvedRun(_Ended):
    """A run that ended with a feasible point."""

    status: SolvedStatus
    x: Floats
    """(columns,)"""
    objective: float
    """Cost of the point, with the model's offset  [million USD]."""
    duals: Duals | None = None
    """None where integers were sought, and where the solver vouches for none."""

    @property
    def prices(self) -> Duals:
        """Its duals. Raises UntrustedError where there are none: for linear programs, which have them."""
        if self.duals is None:
            raise UntrustedError("a linear program was solved without prices")
        return self.duals


@dataclass(frozen=True, kw_only=True)
class UnsolvedRun(_Ended):
    """A run without a point that may be used: no values, whatever the solver holds."""

    status: UnsolvedStatus


Run = SolvedRun | UnsolvedRun


def finite_or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) and abs(value) < 1e30 else None


# Options of HiGHS, and the tolerances by which its answers are read, each with what it was measured at.
TOLERANCES = {
    "primal_feasibility_tolerance": 1e-7,
    "dual_feasibility_tolerance": 1e-7,
    "mip_feasibility_tolerance": 1e-7,
}
"""At HiGHS's own 1e-6 for integers, a big-M row lets its bound rise above the cost of a plan (by 1.6e-4 of it, measured)."""

FIXED = {"output_flag": False, "threads": 1, "parallel": "off", "random_seed": 0, **TOLERANCES}
"""Options of every instance. One value of threads in a process: a second one makes the next solve fail (HiGHS issue 715)."""

INTEGER_SEARCH = {"mip_heuristic_run_rins": False, "mip_heuristic_run_rens": False}
"""Options of a search for integers beside HiGHS's own settings: no heuristics that solve a smaller problem of the kind.
`rare-earths` takes 22 s of processor time where it took 54 at 25 scenarios, and 12 to 13 s either way at 40; `critical-minerals`
and `vault` take as long as before. Without restarts, and with pseudo-costs relied on after two tries, it takes 29 s (2026-11-28,
HiGHS 1.16.0, one core)."""

_PLACE = highspy.HighsBasisStatus
BASES = (_PLACE.kLower, _PLACE.kBasic, _PLACE.kUpper, _PLACE.kZero, _PLACE.kNonbasic)
"""Statuses of a basis in HiGHS's own order: what `basis` and `set_basis` count."""

Statuses = npt.NDArray[np.int8]
"""One status a column, or row, as `BASES` counts them."""
BASIC = 1
"""Place in `BASES`."""

MOST_IN_ONE_SOLVER = 4_000_000
"""Columns that one solver is given: it takes some 2 kB for each."""

BRIEF, BRIEF_HOT = 5_000, 20_000
"""Columns of a linear program that is solved in moments, from nothing and from a basis, where iterations are limited."""

LITTLE, NO_LIMIT = 1000, 2**31 - 1
"""Iterations, as HiGHS counts them."""
LONG_S, LONG_TIMES = 5.0, 3.0
"""Seconds, and times what a start from nothing takes, after which a start near the end is given up: on a program without a point
HiGHS 1.16 has made 1,500 iterations in 250 s, and from nothing finds in 0.4 s that there is none."""

ERROR = highspy.HighsStatus.kError
"""What a run returns that went wrong."""
FEASIBLE = 2
"""`primal_solution_status` of a point that keeps every row (HiGHS's kSolutionStatusFeasible)."""
ASTRAY = (highspy.HighsModelStatus.kUnknown, highspy.HighsModelStatus.kIterationLimit)
"""How a hot start gone astray ends."""

SAME_OBJECTIVE = 1e-6
"""Of the terms of an objective, how far what the solver reports of a point may lie from it: points have its tolerances."""

SMALLEST_ENTRY = 1e-9
"""Coefficients below count as zero, such as a probability of 1e-16 that rounding has left in a row."""

DUAL, PRIMAL = 1, 4
"""Strategies of the simplex method, as HiGHS counts them."""

UNSCALED, SCALED = 0, 2
"""No scaling of the matrix, and HiGHS's own."""

DEVEX, EXACT = 1, -1
"""Weights of rows that begin at one (Harris 1973), and what HiGHS chooses itself, exact ones where it can."""


# Between a model's own units and those in which the solver counts: money alone differs (`assembly.Money`).
@dataclass
class SolverUnits:
    """Units of one loaded model. `rows` grows and shrinks with the model's own."""

    money: float
    """Million USD that the solver counts as one."""
    rows: Floats
    """(rows,) what a unit of the solver's is worth in a row's own."""
    columns: Floats
    """(columns,) likewise."""

    @classmethod
    def of(cls, assembly: Assembly) -> SolverUnits:
        """Of a model that is being loaded."""
        return cls(assembly.money.unit, assembly.row_unit, assembly.column_unit)

    def matrix(self, assembly: Assembly) -> Floats:
        """(entries,) of the matrix, as the solver has them."""
        return assembly.value * self.columns[assembly.index] / np.repeat(self.rows, np.diff(assembly.start))

    def cost(self, cost: Floats) -> Floats:
        """(columns,) a cost in million USD, as the solver has it."""
        return cost * (self.columns / self.money)

    def added(
        self, lower: Floats, upper: Floats, index: Ints, factors: Floats, *, money: bool
    ) -> tuple[Floats, Floats, Floats]:
        """(lower, upper, factors) of rows that are appended now, as the solver has them. money: they count million USD."""
        unit = self.money if money else 1.0
        self.rows = np.append(self.rows, np.full(len(lower), unit))
        return lower / unit, upper / unit, factors * self.columns[index] / unit


def _bound(value: float) -> float:
    """A bound as the solver states it; -inf where it states none."""
    return value if math.isfinite(value) else -math.inf


class Model:
    """One model in one HiGHS instance; bounds and costs can change between runs.

    Everything that goes in and comes out is in the model's own units; the solver counts money as `Assembly.money` says.

    integer: False relaxes it. PlanError for more than `MOST_IN_ONE_SOLVER`."""

    def __init__(self, assembly: Assembly, cost: Floats, *, integer: bool, offset: float = 0.0) -> None:
        self._highs = instance()
        self._raised: list[BaseException] = []
        """What the progress callback raised during the run."""
        for name, value in INTEGER_SEARCH.items():
            self._set(name, value)
        self._integer = integer
        self._hasty = False
        """Whether starts are expected to be near their ends (`configure_hot_start`)."""
        self._cold_s = 0.0
        """The longest that a start from nothing has taken."""
        self._pass(assembly, cost, offset)

    def load(self, assembly: Assembly, cost: Floats, offset: float = 0.0) -> None:
        """Another model in the place of this one; a linear one of the same size starts from the basis of the last run.

        Where nothing moves but costs, that basis stays feasible and the primal simplex goes on from it; elsewhere the dual, with
        rough weights (`configure_hot_start`), which stay until the next model."""
        highs = self._highs
        size = (highs.getNumCol(), highs.getNumRow())
        basis = highs.getBasis() if size == (len(cost), len(assembly.row_lower)) else None
        usable = basis is not None and basis.valid and not self._mip and not (self._integer and assembly.integer.any())
        names = ("lower", "upper", "row_lower", "row_upper", "start", "index", "value")
        same = usable and all(np.array_equal(getattr(self._assembly, name), getattr(assembly, name)) for name in names)
        self._pass(assembly, cost, offset)
        self._set("simplex_strategy", PRIMAL if same else DUAL)
        self._configure_cold_start()
        if usable:
            _check(highs.setBasis(basis), "setBasis")
            self.configure_hot_start(scaled=True)

    def _pass(self, assembly: Assembly, cost: Floats, offset: float) -> None:
        if len(cost) > MOST_IN_ONE_SOLVER:
            most = (
                f"at most {MOST_IN_ONE_SOLVER:,} where scenarios are solved as one: fewer scenarios, or method 'decomposed' where"
                " there is one aim and no limit on losses"
            )
            raise PlanError([Fault("plan", "", "sample.scenarios", f"{len(cost):,} columns in one model", most)])
        self._assembly, self._columns, self._cost, self._offset = assembly, len(cost), cost, offset
        self._units = units = SolverUnits.of(assembly)
        self._mip = bool(self._integer and assembly.integer.any())
        limits = assembly.lower / units.columns, assembly.upper / units.columns
        of_rows = assembly.row_lower / units.rows, assembly.row_upper / units.rows
        matrix = assembly.start, assembly.index, units.matrix(assembly)
        whole: Bools = assembly.integer & self._mip
        _pass(self._highs, offset / units.money, units.cost(cost), (*limits, *of_rows), matrix, whole)

    def set_bounds(self, columns: Ints, lower: Floats, upper: Floats) -> None:
        """Change the bounds of some columns."""
        if len(columns):
            chosen = columns.astype(np.int32)
            unit = self._units.columns[columns]
            _check(self._highs.changeColsBounds(len(chosen), chosen, lower / unit, upper / unit), "changeColsBounds")

    def set_row_bounds(self, rows: Ints, lower: Floats, upper: Floats) -> None:
        """Change the bounds of some rows."""
        if len(rows):
            chosen = rows.astype(np.int32)
            unit = self._units.rows[rows]
            _check(self._highs.changeRowsBounds(len(chosen), chosen, lower / unit, upper / unit), "changeRowsBounds")

    @property
    def linear(self) -> bool:
        """Whether it has no integers to find, and so a basis."""
        return not self._mip

    def set_cost(self, cost: Floats, offset: float = 0.0) -> None:
        """Change the objective."""
        columns = np.arange(self._columns, dtype=np.int32)
        _check(self._highs.changeColsCost(self._columns, columns, self._units.cost(cost)), "changeColsCost")
        _check(self._highs.changeObjectiveOffset(offset / self._units.money), "changeObjectiveOffset")
        self._cost, self._offset = cost, offset

    def add_row(self, columns: Ints, values: Floats, lower: float, upper: float, *, money: bool = False) -> None:
        """Append a row."""
        self.add_rows([columns], [values], np.array([lower]), np.array([upper]), money=money)

    def add_rows(
        self, columns: Sequence[Ints], values: Sequence[Floats], lower: Floats, upper: Floats, *, money: bool = False
    ) -> None:
        """Append rows, each with its columns and their factors, all at once. money: they count million USD."""
        if len(columns):
            index, factors = np.concatenate(columns).astype(np.int32), np.concatenate(values)
            low, high, factors = self._units.added(lower, upper, index, factors, money=money)
            large = np.abs(factors) > SMALLEST_ENTRY  # HiGHS drops the others itself, with a warning
            starts = np.concatenate([[0], np.cumsum(large)])[np.cumsum([0, *map(len, columns)])].astype(np.int32)
            index, factors = index[large], factors[large]
            status = self._highs.addRows(len(low), low, high, len(index), starts[:-1], index, factors)
            _check(status, "addRows")

    def remove_rows(self, rows: Ints) -> None:
        """Take rows out; later ones move up."""
        if len(rows):
            _check(self._highs.deleteRows(len(rows), rows.astype(np.int32)), "deleteRows")
            self._units.rows = np.delete(self._units.rows, rows)

    def set_basis(self, columns: Any, rows: Any) -> None:
        """Start the next run from a basis, (columns,) and (rows,) indices of `BASES`; it may be a guess, HiGHS completes it."""
        basis = highspy.HighsBasis()
        basis.col_status = [BASES[k] for k in columns.tolist()]
        basis.row_status = [BASES[k] for k in rows.tolist()]
        basis.valid = basis.alien = True
        _check(self._highs.setBasis(basis), "setBasis")

    def save_basis(self) -> Any:
        """The basis that the last run ended with, for `restore_basis` while columns and rows stay as many."""
        return self._highs.getBasis()

    def restore_basis(self, basis: Any) -> None:
        """Start the next run from a basis that `save_basis` gave."""
        _check(self._highs.setBasis(basis), "setBasis")

    def basis(self) -> tuple[Any, Any]:
        """The basis that the last run ended with, as `set_basis` takes it."""
        found = self._highs.getBasis()
        return np.array(found.col_status, dtype=np.int8), np.array(found.row_status, dtype=np.int8)

    def configure_hot_start(self, *, scaled: bool) -> None:
        """Prepare less before the first iteration, where starts are near their ends.

        Weights of rows are rough: exact ones are worked out anew, row by row, wherever a basis was set or rows came or went, which
        takes longer than the iterations that they save (a sixth to a quarter of the time of re-solves and masters, measured).
        scaled: False leaves the matrix as it is, too (with the weights, half of the time of a small program made anew); where that
        changes, all of the last run but its basis is forgotten.

        From a basis, costs are not perturbed for the dual simplex, which would have to be mended at the end (an eighth of the time
        of small programs, a fifth of that of re-solves at other budgets). A run that takes more iterations than half of the rows
        and `LITTLE`, or longer than `LONG_S` and `LONG_TIMES` allow, is begun again from nothing, scaled and with care, since some
        states of the simplex method lead nowhere (tens of thousands of iterations where others take 400, seen in a master)."""
        self._hasty = True
        self._scale(SCALED if scaled else UNSCALED)
        self._set("simplex_dual_edge_weight_strategy", DEVEX)

    def configure_feasible_start(self) -> None:
        """Go on with the primal simplex in the next run: the last basis is a point of the model, and no longer the best one."""
        self._set("simplex_strategy", PRIMAL)

    def _configure_cold_start(self) -> None:
        """Prepare in full, for a start from nothing."""
        self._hasty = False
        self._scale(SCALED)
        self._set("simplex_dual_edge_weight_strategy", EXACT)

    def _limited(self, hasty: bool) -> None:
        """Whether the next run is one of few iterations on costs as they are."""
        self._set("simplex_iteration_limit", LITTLE + self._highs.getNumRow() // 2 if hasty else NO_LIMIT)
        self._set("dual_simplex_cost_perturbation_multiplier", 0.0 if hasty else 1.0)

    def _scale(self, strategy: int) -> None:
        """Scale the matrix otherwise from now on: the basis stays, whatever else is known of a solution does not.

        HiGHS 1.16 goes on from the factors that it has, scaled as they were, and calls what it finds optimal (found on a plan of
        one material: a bound of -9 where the optimum is -20)."""
        highs = self._highs
        if highs.getOptionValue("simplex_scale_strategy")[1] == strategy:
            return
        basis = highs.getBasis()
        _check(highs.clearSolver(), "clearSolver")
        self._set("simplex_scale_strategy", strategy)
        if basis.valid:
            self.restore_basis(basis)

    def run(
        self,
        *,
        time_limit_s: float,
        gap: float = 0.0,
        absolute_gap: float = 0.0,
        presolve: bool = True,
        phase: str = "solve",
        on_progress: OnProgress | None = None,
    ) -> Run:
        """Solve. `gap` is relative to |objective| and `absolute_gap` in its unit; either one stops a mixed-integer run."""
        if not (time_limit_s > 0 and math.isfinite(time_limit_s)):
            raise ValueError(f"time_limit_s must be positive and finite, not {time_limit_s}")
        highs = self._highs
        self._set("mip_rel_gap", float(gap))
        self._set("mip_abs_gap", float(absolute_gap) / self._units.money)
        self._set("presolve", "choose" if presolve else "off")
        # a point that it knows, even one of its own, has come back as optimal with an objective that is not its own
        if self._mip:
            _check(highs.clearSolver(), "clearSolver")
        # of linear runs HiGHS counts the instance's whole life, of searches each
        spent = 0.0 if self._mip else highs.getRunTime()
        hot = self._hasty and not self._mip and highs.getBasis().valid
        enough = min(time_limit_s, max(LONG_S, LONG_TIMES * self._cold_s)) if hot else time_limit_s
        self._set("time_limit", spent + enough)
        self._limited(hot)
        before = anew = highs.getRunTime()
        hasty, wasted = self._hasty, 0
        if on_progress is not None:
            self._watch(on_progress, phase)
        try:
            status = self._run()
            ended = highs.getModelStatus()
            lost = ended == highspy.HighsModelStatus.kTimeLimit and enough < time_limit_s
            if not self._mip and (lost or ended in ASTRAY):
                hot, wasted = False, int(highs.getInfo().simplex_iteration_count)
                self._set("time_limit", spent + time_limit_s)
                _check(highs.clearSolver(), "clearSolver")
                self._configure_cold_start()
                self._limited(False)
                self._set("simplex_strategy", DUAL)
                anew = highs.getRunTime()
                status = self._run()
            if not hot:
                self._cold_s = max(self._cold_s, highs.getRunTime() - anew)
        finally:
            # the next start is near its end again; another scale would forget this answer
            if hasty and not self._hasty:
                self.configure_hot_start(scaled=True)
            if on_progress is not None:
                highs.clearCallbacks()
            self._set("simplex_strategy", DUAL)  # what changes next may be bounds again
        if self._raised:
            raise self._raised.pop()
        return self._read(status, highs.getRunTime() - before, wasted)

    def _run(self) -> Any:
        """Run HiGHS; in the main thread so that an interrupt from the keyboard cancels it within a moment, unless the run is
        brief itself: a thread for each takes longer than a cluster's start from its last basis."""
        highs = self._highs
        if threading.current_thread() is not threading.main_thread() or self._is_brief():
            return highs.run()
        answer: list[Any] = []
        highs.HandleUserInterrupt = True
        here = copy_context()  # callers to which progress is reported find their context variables in that thread
        worker = threading.Thread(
            target=here.run, args=(lambda: answer.append(highs.run()),), name="highs", daemon=True
        )
        worker.start()
        try:
            while worker.is_alive():
                worker.join(0.1)
        except KeyboardInterrupt:
            highs.cancelSolve()
            worker.join()
            raise
        return answer[0] if answer else highspy.HighsStatus.kError

    def _is_brief(self) -> bool:
        """Whether the next run takes moments."""
        hot = self._hasty and self._highs.getBasis().valid
        return self.linear and self._columns <= (BRIEF_HOT if hot else BRIEF)

    def _watch(self, on_progress: OnProgress, phase: str) -> None:
        begin, unit = time.perf_counter(), self._units.money

        def ask(event: Any, progress: Progress) -> None:
            """Tell the caller, stop where it says so, and keep what it raises until HiGHS has returned."""
            try:
                stop = on_progress(progress) is True
            except BaseException as error:
                self._raised.append(error)
                stop = True
            if stop:
                event.data_in.user_interrupt = True

        def tell(event: Any) -> None:
            out = event.data_out
            incumbent, bound = finite_or_none(out.mip_primal_bound * unit), finite_or_none(out.mip_dual_bound * unit)
            gap = None if incumbent is None or bound is None else abs(incumbent - bound) / max(1e-9, abs(incumbent))
            ask(event, Progress(phase, time.perf_counter() - begin, incumbent, bound, gap))

        self._highs.cbMipInterrupt += tell
        self._highs.cbSimplexInterrupt += lambda event: ask(event, Progress(phase, time.perf_counter() - begin))

    def _read(self, answered: Any, seconds: float, wasted: int) -> Run:
        """How a run ended: values only where its status says that they may be used. answered: what HiGHS returned; wasted:
        iterations of a start that led nowhere."""
        highs, units = self._highs, self._units
        name = highs.getModelStatus().name
        if answered == ERROR and name != "kMemoryLimit":  # nothing of it is believed
            return UnsolvedRun(status="failed", bound=-math.inf, seconds=seconds, iterations=wasted)
        status, info = STATUS_OF.get(name, "failed"), highs.getInfo()
        common: dict[str, Any] = {"seconds": seconds, "iterations": wasted + int(info.simplex_iteration_count)}
        objective = float(info.objective_function_value) * units.money
        if self._mip:  # its best point where it ended or a limit stopped it
            common |= {
                "bound": _bound(float(info.mip_dual_bound) * units.money),
                "nodes": int(max(0, info.mip_node_count)),
            }
            incumbent = info.primal_solution_status == FEASIBLE
            if status != "optimal" and not (incumbent and status in ("time_limit", "limit", "interrupted")):
                return UnsolvedRun(status=status, **common)
            x = np.array(highs.getSolution().col_value, dtype=float) * units.columns
            if not self._is_of(objective, x):
                return UnsolvedRun(status="failed", bound=-math.inf, seconds=seconds, iterations=wasted)
            return SolvedRun(status=status, x=x, objective=objective, **common)
        if status != "optimal":  # a linear program that was stopped has no vertex
            return UnsolvedRun(status=status, bound=-math.inf, **common)
        solution, duals = highs.getSolution(), None
        if solution.dual_valid:
            rows, columns = np.array(solution.row_dual, dtype=float), np.array(solution.col_dual, dtype=float)
            duals = Duals(rows * (units.money / units.rows), columns * (units.money / units.columns))
        x = np.array(solution.col_value, dtype=float) * units.columns
        return SolvedRun(status="optimal", x=x, objective=objective, bound=_bound(objective), duals=duals, **common)

    def _is_of(self, objective: float, x: Floats) -> bool:
        """Whether an objective is that of a point, but for the solver's tolerances."""
        terms = self._cost * x
        room = SAME_OBJECTIVE * (self._units.money + abs(self._offset) + float(np.abs(terms).sum()))
        return abs(objective - self._offset - float(terms.sum())) <= room

    def _set(self, name: str, value: Any) -> None:
        _check(self._highs.setOptionValue(name, value), f"option {name} = {value!r}")


class SmallProgram:
    """A linear program of a few hundred columns that is solved thousands of times with other bounds and costs, each time from the
    last basis: no thread watches it and no duals are read."""

    def __init__(self, columns: int, rows: int, row: Ints, column: Ints, value: Floats) -> None:
        """row, column, value: entries of the matrix."""
        self._matrix = sp.csr_array((value, (row, column)), shape=(rows, columns))
        self._highs = instance()
        _check(self._highs.setOptionValue("presolve", "off"), "option presolve = 'off'")
        self._columns, self._rows = np.arange(columns, dtype=np.int32), np.arange(rows, dtype=np.int32)
        none = np.zeros(columns)
        free, matrix = np.full(rows, np.inf), (self._matrix.indptr, self._matrix.indices, self._matrix.data)
        _pass(self._highs, 0.0, none, (none, none, -free, free), matrix, none > 0)

    def solve(self, lower: Floats, upper: Floats, cost: Floats, row_lower: Floats, row_upper: Floats) -> Floats | None:
        """(columns,) the optimum; None where the solver finds none."""
        highs, n, m = self._highs, len(self._columns), len(self._rows)
        _check(highs.changeColsBounds(n, self._columns, lower, upper), "changeColsBounds")
        _check(highs.changeColsCost(n, self._columns, cost), "changeColsCost")
        _check(highs.changeRowsBounds(m, self._rows, row_lower, row_upper), "changeRowsBounds")
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            highs.clearSolver()
            highs.run()
            if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                highs.clearSolver()
                return None
        return np.array(highs.getSolution().col_value, dtype=float)

    def activity(self, x: Floats) -> Floats:
        """(rows,) of a point."""
        return np.asarray(self._matrix @ x)
