"""The only file that has HiGHS solve a model: arrays in, a checked status and values out.

Every setter's status is checked, options come from a closed list, time is always finite, and values exist only where
the status says that they may be used.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

import highspy
import numpy as np

from ..core.arrays import Floats, Ints
from ..core.errors import Fault, PlanError, UntrustedError
from ..core.outcome import OnProgress, Progress
from ..model.assembly import Assembly
from .reading import Ended, read_brief, read_linear, read_search
from .run import BriefRun, Run, UnsolvedRun, finite_or_none
from .runtime import instance
from .settings import (
    ASTRAY,
    BASES,
    DEVEX,
    DUAL,
    EXACT,
    INTEGER_SEARCH,
    LITTLE,
    MOST_IN_ONE_SOLVER,
    NO_LIMIT,
    OPTIONS,
    PRIMAL,
    SAME_OBJECTIVE,
    SCALED,
    SMALLEST_ENTRY,
    SMALLEST_MOVE,
    TOLERANCES,
    UNSCALED,
)
from .units import SolverUnits


class Model:
    """One model in one HiGHS instance; bounds and costs can change between runs.

    Everything that goes in and comes out is in the model's own units; the solver counts money as `Assembly.money` says.

    integer: False relaxes it. PlanError for more than `MOST_IN_ONE_SOLVER`.
    """

    def __init__(self, assembly: Assembly, cost: Floats, *, integer: bool, offset: float = 0.0) -> None:
        self._highs = instance()
        self._raised: list[BaseException] = []
        """What the progress callback raised during the run."""
        self._set("output_flag", False)
        # one value of threads for the whole process: a second value makes the next solve fail (HiGHS issue 715)
        fixed = {"threads": 1, "parallel": "off", "random_seed": 0, **TOLERANCES, **INTEGER_SEARCH}
        for name, value in fixed.items():
            self._set(name, value)
        self._integer = integer
        self._hasty = False
        """Whether starts are expected to be near their ends (`configure_hot_start`)."""
        self._pass(assembly, cost, offset)

    def load(self, assembly: Assembly, cost: Floats, offset: float = 0.0) -> None:
        """Another model in the place of this one; a linear one of the same size starts from the basis of the last run.

        Where nothing moves but costs, that basis stays feasible and the primal simplex goes on from it; elsewhere the dual, with
        rough weights (`configure_hot_start`), which stay until the next model.
        """
        highs = self._highs
        size = (highs.getNumCol(), highs.getNumRow())
        basis = highs.getBasis() if size == (len(cost), len(assembly.row_lower)) else None
        usable = basis is not None and basis.valid and not self._mip and not (self._integer and assembly.integer.any())
        names = ("lower", "upper", "row_lower", "row_upper", "start", "index", "value")
        held = usable and all(np.array_equal(getattr(self._assembly, name), getattr(assembly, name)) for name in names)
        self._pass(assembly, cost, offset)
        self._set("simplex_strategy", PRIMAL if held else DUAL)
        self._configure_cold_start()
        if usable:
            self._check(highs.setBasis(basis), "setBasis")
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
        integrality = assembly.integer.astype(np.int32) if self._mip else np.zeros(len(cost), dtype=np.int32)
        status = self._highs.passModel(
            len(cost),
            len(assembly.row_lower),
            len(assembly.index),
            2,
            1,
            offset / units.money,
            units.cost(cost),
            units.of_columns(assembly.lower),
            units.of_columns(assembly.upper),
            units.of_rows(assembly.row_lower),
            units.of_rows(assembly.row_upper),
            assembly.start.astype(np.int32),
            assembly.index.astype(np.int32),
            units.matrix(assembly),
            integrality,
        )
        self._check(status, "passModel")

    def set_bounds(self, columns: Ints, lower: Floats, upper: Floats) -> None:
        """Change the bounds of some columns."""
        if len(columns):
            chosen = columns.astype(np.int32)
            low, high = self._units.of_columns(lower, columns), self._units.of_columns(upper, columns)
            self._check(self._highs.changeColsBounds(len(chosen), chosen, low, high), "changeColsBounds")

    def set_row_bounds(self, rows: Ints, lower: Floats, upper: Floats) -> None:
        """Change the bounds of some rows."""
        if len(rows):
            chosen = rows.astype(np.int32)
            low, high = self._units.of_rows(lower, rows), self._units.of_rows(upper, rows)
            self._check(self._highs.changeRowsBounds(len(chosen), chosen, low, high), "changeRowsBounds")

    @property
    def linear(self) -> bool:
        """Whether it has no integers to find, and so a basis."""
        return not self._mip

    def set_cost(self, cost: Floats, offset: float = 0.0) -> None:
        """Change the objective."""
        columns = np.arange(self._columns, dtype=np.int32)
        self._check(self._highs.changeColsCost(self._columns, columns, self._units.cost(cost)), "changeColsCost")
        self._check(self._highs.changeObjectiveOffset(offset / self._units.money), "changeObjectiveOffset")
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
            self._check(status, "addRows")

    def remove_rows(self, rows: Ints) -> None:
        """Take rows out; later ones move up."""
        if len(rows):
            self._check(self._highs.deleteRows(len(rows), rows.astype(np.int32)), "deleteRows")
            self._units.removed(rows)

    def set_basis(self, columns: Any, rows: Any) -> None:
        """Start the next run from a basis, (columns,) and (rows,) indices of `BASES`; it may be a guess, HiGHS completes it."""
        basis = highspy.HighsBasis()
        basis.col_status = [BASES[k] for k in columns.tolist()]
        basis.row_status = [BASES[k] for k in rows.tolist()]
        basis.valid = basis.alien = True
        self._check(self._highs.setBasis(basis), "setBasis")

    def save_basis(self) -> Any:
        """The basis that the last run ended with, for `restore_basis` while columns and rows stay as many."""
        return self._highs.getBasis()

    def restore_basis(self, basis: Any) -> None:
        """Start the next run from a basis that `save_basis` gave."""
        self._check(self._highs.setBasis(basis), "setBasis")

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
        and `LITTLE` is begun again from nothing, scaled and with care, since some states of the simplex method lead nowhere (tens
        of thousands of iterations where another start takes 400, seen once in a master).
        """
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
        one material: a bound of -9 where the optimum is -20).
        """
        highs = self._highs
        if highs.getOptionValue("simplex_scale_strategy")[1] == strategy:
            return
        basis = highs.getBasis()
        self._check(highs.clearSolver(), "clearSolver")
        self._set("simplex_scale_strategy", strategy)
        if basis.valid:
            self.restore_basis(basis)

    def rhs_ranging(self, rows: Sequence[int]) -> list[tuple[float, float]]:
        """(down, up) how far the right-hand side of each row that binds may move before the basis of the last run changes.

        inf where it never does; 0 where the basis is degenerate, which says nothing of the price. Linear models after an optimal
        run; the rows must not be basic.
        """
        highs = self._highs
        lp, solution = highs.getLp(), highs.getSolution()
        status, basic = highs.getBasicVariables()
        self._check(status, "getBasicVariables")
        basic = np.asarray(basic)
        columns = basic >= 0

        def of_basis(of_columns: Any, of_rows: Any) -> Floats:
            both = np.empty(len(basic))
            both[columns] = np.asarray(of_columns)[basic[columns]]
            both[~columns] = np.asarray(of_rows)[-basic[~columns] - 1]  # how HiGHS names the variables of rows
            return both

        at = of_basis(solution.col_value, solution.row_value)
        below = np.maximum(0.0, at - of_basis(lp.col_lower_, lp.row_lower_))
        above = np.maximum(0.0, of_basis(lp.col_upper_, lp.row_upper_) - at)
        found = []
        for row in rows:
            unit = np.zeros(len(basic))
            unit[row] = 1.0
            status, moves = highs.getBasisSolve(unit)
            self._check(status, "getBasisSolve")
            step = np.where(columns, moves, -np.asarray(moves))  # variables of rows enter with the opposite sign
            rises, falls = step > SMALLEST_MOVE, step < -SMALLEST_MOVE
            up = np.concatenate([above[rises] / step[rises], below[falls] / -step[falls]])
            down = np.concatenate([below[rises] / step[rises], above[falls] / -step[falls]])
            own = self._units.row_unit(row)
            found.append((own * float(down.min(initial=math.inf)), own * float(up.min(initial=math.inf))))
        return found

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
        return self._read(*self._solve(time_limit_s, gap, absolute_gap, presolve, phase, on_progress))

    def run_brief(self, *, time_limit_s: float, phase: str = "solve") -> BriefRun | UnsolvedRun:
        """Solve a linear program, and tell its objective and reduced costs alone: reading all values of a large one takes a while.

        ValueError for a model with integers.
        """
        if self._mip:
            raise ValueError("only a linear program has reduced costs")
        answered, seconds, wasted = self._solve(time_limit_s, 0.0, 0.0, True, phase, None)
        return read_brief(Ended(self._highs, self._units, answered, seconds, wasted))

    def _solve(
        self,
        time_limit_s: float,
        gap: float,
        absolute_gap: float,
        presolve: bool,
        phase: str,
        on_progress: OnProgress | None,
    ) -> tuple[Any, float, int]:
        """(what HiGHS answered, seconds, iterations of a start that led nowhere) of one run."""
        if not (time_limit_s > 0 and math.isfinite(time_limit_s)):
            raise ValueError(f"time_limit_s must be positive and finite, not {time_limit_s}")
        highs = self._highs
        self._set("mip_rel_gap", float(gap))
        self._set("mip_abs_gap", float(absolute_gap) / self._units.money)
        self._set("presolve", "choose" if presolve else "off")
        if (
            self._mip
        ):  # a point that it knows, even one of its own, has come back as optimal with an objective that is not its own
            self._check(highs.clearSolver(), "clearSolver")
        spent = (
            0.0 if self._mip else highs.getRunTime()
        )  # of linear runs HiGHS counts the instance's whole life, of searches each
        self._set("time_limit", spent + time_limit_s)
        self._limited(self._hasty and highs.getBasis().valid)
        before, hasty, wasted = highs.getRunTime(), self._hasty, 0
        if on_progress is not None:
            self._watch(on_progress, phase)
        try:
            status = self._run()
            if not self._mip and highs.getModelStatus() in ASTRAY:
                wasted = int(highs.getInfo().simplex_iteration_count)
                self._check(highs.clearSolver(), "clearSolver")
                self._configure_cold_start()
                self._limited(False)
                self._set("simplex_strategy", DUAL)
                status = self._run()
        finally:
            if (
                hasty and not self._hasty
            ):  # the next start is near its end again; another scale would forget this answer
                self.configure_hot_start(scaled=True)
            if on_progress is not None:
                highs.clearCallbacks()
            self._set("simplex_strategy", DUAL)  # what changes next may be bounds again
        if self._raised:
            raise self._raised.pop()
        return status, highs.getRunTime() - before, wasted

    def _run(self) -> Any:
        """Run HiGHS; in the main thread so that an interrupt from the keyboard cancels it within a moment."""
        highs = self._highs
        if threading.current_thread() is not threading.main_thread():
            return highs.run()
        answer: list[Any] = []
        highs.HandleUserInterrupt = True
        here = copy_context()  # callers that are told of progress find their context variables in that thread
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

    def _read(self, answered: Any, seconds: float, wasted: int = 0) -> Run:
        """How a run ended. wasted: iterations of a start that led nowhere."""
        end = Ended(self._highs, self._units, answered, seconds, wasted)
        return read_search(end, self._is_of) if self._mip else read_linear(end)

    def _is_of(self, objective: float, x: Floats) -> bool:
        """Whether an objective is that of a point, but for the solver's tolerances."""
        terms = self._cost * x
        room = SAME_OBJECTIVE * (self._units.money + abs(self._offset) + float(np.abs(terms).sum()))
        return abs(objective - self._offset - float(terms.sum())) <= room

    def _set(self, name: str, value: Any) -> None:
        if name not in OPTIONS:
            raise ValueError(f"unknown solver option {name!r}")
        self._check(self._highs.setOptionValue(name, value), f"option {name} = {value!r}")

    @staticmethod
    def _check(status: Any, what: str) -> None:
        if status != highspy.HighsStatus.kOk:
            raise UntrustedError(f"HiGHS answered {status.name} to {what}")
