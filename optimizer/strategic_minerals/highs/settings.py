"""What HiGHS is told, and the tolerances by which its answers are read, each with what it was measured at."""

from __future__ import annotations

import highspy

TOLERANCES = {
    "primal_feasibility_tolerance": 1e-7,
    "dual_feasibility_tolerance": 1e-7,
    "mip_feasibility_tolerance": 1e-7,
}
"""At HiGHS's own 1e-6 for integers, a big-M row lets its bound rise above the cost of a plan (by 1.6e-4 of it, measured)."""

INTEGER_SEARCH = {"mip_heuristic_run_rins": False, "mip_heuristic_run_rens": False}
"""What a search for integers is told beside HiGHS's own settings: no heuristics that solve a smaller problem of the kind.
`rare-earths` takes 22 s of processor time where it took 54 at 25 scenarios, and 12 to 13 s either way at 40; `critical-minerals`
and `vault` take as long as before. Without restarts, and with pseudo-costs relied on after two tries, it takes 29 s (2026-11-28,
HiGHS 1.16.0, one core)."""

OPTIONS = frozenset(
    {
        "output_flag",
        "threads",
        "parallel",
        "time_limit",
        "mip_rel_gap",
        "mip_abs_gap",
        "presolve",
        "solver",
        "random_seed",
        "simplex_strategy",
        "simplex_scale_strategy",
        "simplex_dual_edge_weight_strategy",
        "simplex_iteration_limit",
        "dual_simplex_cost_perturbation_multiplier",
        *INTEGER_SEARCH,
        *TOLERANCES,
    }
)
"""Options that this package sets; anything else is a programming error."""

BASES = (
    highspy.HighsBasisStatus.kLower,
    highspy.HighsBasisStatus.kBasic,
    highspy.HighsBasisStatus.kUpper,
    highspy.HighsBasisStatus.kZero,
    highspy.HighsBasisStatus.kNonbasic,
)
"""Statuses of a basis in HiGHS's own order: what `basis` and `set_basis` count."""

AT_LOWER, BASIC = 0, 1
"""Places in `BASES`."""

MOST_IN_ONE_SOLVER = 4_000_000
"""Columns that one solver is given: it takes some 2 kB for each."""

LITTLE, NO_LIMIT = 1000, 2**31 - 1
"""Iterations, as HiGHS counts them."""

ERROR = highspy.HighsStatus.kError
"""What a run returns that went wrong."""
FEASIBLE = 2
"""`primal_solution_status` of a point that keeps every row (HiGHS's kSolutionStatusFeasible)."""
ASTRAY = (highspy.HighsModelStatus.kUnknown, highspy.HighsModelStatus.kIterationLimit)
"""How a hot start gone astray ends."""

SMALLEST_MOVE = 1e-11
"""Moves of a basic variable with a right-hand side below this are rounding."""

SAME_OBJECTIVE = 1e-6
"""Of the terms of an objective, how far what the solver says of a point may lie from it: points are told after its tolerances."""

SMALLEST_ENTRY = 1e-9
"""Coefficients below are none, such as a probability of 1e-16 that rounding has left in a row."""

DUAL, PRIMAL = 1, 4
"""Strategies of the simplex method, as HiGHS counts them."""

UNSCALED, SCALED = 0, 2
"""No scaling of the matrix, and HiGHS's own."""

DEVEX, EXACT = 1, -1
"""Weights of rows that begin at one (Harris 1973), and what HiGHS chooses itself, exact ones where it can."""
