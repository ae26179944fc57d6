"""Tolerances and sizes of the L-shaped method, each with what it means and, where it was measured, what was seen.

Rounds are *cheap* where the clusters' solvers stay in memory between rounds, and *expensive* where the model is too large for
that and every round makes them anew (`loaded_columns` decides).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchSettings:
    """All figures of the method that could be others. Shares are in 0..1; money is in million USD, time in seconds."""

    # How the model is taken apart

    clusters: int = 50
    """Clusters aimed at: each is one linear program; more of them are smaller and quicker, and keep more solvers."""
    most_scenarios_per_cluster: int = 4
    """Scenarios in one cluster: more of them take memory that is fetched and given back in every round (16: a fifth slower)."""
    loaded_columns: int = 1_500_000
    """Columns of the whole model up to which the clusters' solvers stay in memory, some 2 kB a column."""
    cut_groups: int = 16
    """Groups of clusters aimed at, each with one cut a round: more of them inform more and weigh on every solve of the master."""
    scenarios_per_group: int = 20
    """The same where rounds are expensive: a group for so many scenarios, within the two bounds below. Relaxations of 400 scenarios
    take 24 rounds in groups of 50, 13 in groups of 6; 1,000 scenarios with integers take 37 rounds in groups of 16 and 31 in groups
    of 4, in about the same time; 5,000 in groups of 78 and of 20 come about as far in the same time."""
    least_groups: int = 64
    most_groups: int = 250

    # Rounds on the linear relaxation

    in_out_step: float = 0.5
    """How far a round goes from the best point to the master's (in-out separation)."""
    most_rounds: int = 500
    linear_gap_share: float = 0.1
    """The linear phase of a mixed-integer problem ends at this share of the gap asked."""
    dear_gap_share: float = 0.3
    """That share and `fixed_integer_gap_share` at least, where rounds are expensive."""
    dear_group_share: float = 0.25
    """Share of the groups that is asked about a point whose cost is no matter, where rounds are expensive. Those that said most of
    late say half of what all would (at 1,000 scenarios)."""
    rounding: float = 1e-9
    """Difference of two sums, relative to the costs in them, that counts as none."""
    least_theta: float = -1e8
    """Lower bound of what a group of clusters costs, before its first cut [million USD]."""

    # Integers fixed

    fixed_integer_rounds: int = 40
    """Linear rounds that one choice of integers gets at most."""
    coarse_rounds: int = 3
    """The same where it is settled coarsely: poor plans are not worth more."""
    least_rounds: int = 1
    """Linear rounds that every choice gets, however poor."""
    fixed_integer_gap_share: float = 0.1
    """Share of the gap asked at which the linear rounds of one choice of integers end."""
    coarse_share: float = 0.1
    """Share of what lies between bound and plan that is close enough for one choice of integers, while it is more."""
    improvement_share: float = 0.1
    """What better integers must promise to improve the plan by, as a share of the gap asked."""
    integrality_tolerance: float = 1e-6
    """Distance from an integer, or beyond a bound or a row, that counts as none."""
    row_relaxation: float = 1e-6
    """Room in every row, in the solver's unit, where a point that another solve rounded leaves a cluster none."""
    row_tolerance: float = 1e-7
    """How far a plan may be beyond a row of the master before it is restored, relative to one more than the row's bound."""
    row_rounding: float = 1e-13
    """Of the terms that a row adds up, what rounding may leave."""
    restoration_factor: float = 2.0
    """How much tighter the row is held then, in units of how far the plan was beyond it."""
    most_restorations: int = 3
    """Times that a plan is restored whose integers, made exact, break a row."""

    # Branch and bound

    strong_branching_trials: int = 4
    """Branchings of a node of which both sides are tried before one is chosen, where too little is known of them yet."""
    strong_branching_trials_dear: int = 12
    """The same where rounds are expensive, which makes a better choice worth more than the master's time."""
    reliable_after: int = 1
    """Tries of a side after which its pseudo-cost is relied on."""
    least_pseudo_cost: float = 1e-6
    """Of a branching's two sides, so that one side alone counts for something [million USD]."""
    round_up_from: float = 0.35
    """Fraction from which the next integer above is tried first."""
    cut_rounds_at_node: int = 2
    """Rounds of cuts at the node that holds the bound down."""
    least_gain_of_round: float = 0.1
    """What such a round must bring for another one, as a share of what the node lacks to be pruned."""
    separation_depth: float = 0.75
    """How far they ask from the centre of the relaxation to the node's own point: cuts there are deeper (half as far, and all the
    way, take a quarter more solves of the master)."""
    heuristic_gap_factor: float = 5.0
    """Better plans are looked for where plan and bound are no farther apart than so many times the gap asked."""
    plunging_window: float = 0.3
    """Share of the way from the least bound to being pruned within which a node is plunged from, or further into."""

    # Cuts that are held

    idle_solves: int = 60
    """Solves without being tight after which a cut is taken out."""
    recently_tight_solves: int = 10
    """Solves without being tight after which a cut is not kept for the next search."""
    idle_cuts_one_in: int = 4
    """Idle cuts are left where not one in so many is idle: the next solve would have to factorise anew."""
    smallest_slope: float = 1e-9
    """Whoever makes a cut leaves smaller ones out, as HiGHS would, and lowers its right-hand side for them."""
    largest_value: float = 1e6
    """Value of a column without an upper bound that a cut allows for in slopes which it leaves out."""
    remembered_points: int = 3
    """Points asked about last at which cuts are found anew when figures change. Four answers of `rare-earths` with other loss
    values take 8.9 s with 2 or 3 of them, 10.3 with 4 and 10.8 with 8 (2026-11-28, two cores)."""

    # Clocks

    renew_cuts_s: float = 60.0
    """Seconds that finding cuts anew may take."""
    last_round_s: float = 3600.0
    """Seconds in which all clusters are sure to answer once."""
    least_solve_s: float = 0.05
    """Seconds that a solve gets at least."""

    # Subproblems elsewhere

    most_kept_columns: int = 1_500_000
    """Columns of the programs that a worker keeps between tasks."""
    tasks_at_once: int = 64
    """Tasks that are with an executor at once."""


SETTINGS = SearchSettings()
