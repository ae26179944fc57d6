"""A sample of the clusters searched first: what it finds out costs little, and most of it holds for all of them.

The first cluster is always in it: scenarios that the plan lists are there.

With thousands of worlds a round is dear and the master is not. So the whole search, branching included, is run over a sample of
clusters that stand for their neighbours. All clusters are then asked at the points whose cuts held the sample's bounds up, and the
search over all of them begins with these cuts and with the sample's plan. Nothing of the sample is believed: its bounds and costs
are forgotten, and what the clusters say at its points is true of them. (Sampling as a start: compare sample average approximation,
Kleywegt, Shapiro and Homem-de-Mello 2002.)
"""

from __future__ import annotations

import copy
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .clusters import OutOfTimeError
from .cuts import Pool
from .errors import UntrustedError
from .instance import Floats
from .solver import OnProgress, Progress

if TYPE_CHECKING:
    from .decompose import Decomposition, Evaluated
    from .rounds import Search

LEAST_CLUSTERS = 60
"""From which sampling them pays."""
POINTS = 12
"""At which all clusters are asked, at most: the sample's points whose cuts were tight most often."""
LINEAR_POINTS = 6
"""The same for a relaxation."""
COARSE = 3.0
"""Gaps asked of a sample against that of all clusters: what it proves is not used."""
SHARE_OF_TIME = 0.15
"""Of the time left, that the sample may take."""


def pays(of: Decomposition) -> bool:
    """Whether to scout: there are many clusters, and nobody has."""
    return not of.scouted and len(of.parts.clusters) >= LEAST_CLUSTERS


def sampled(of: Decomposition) -> Decomposition:
    """The same master with one cluster for each of its groups, in place of a stretch of neighbours, which share its basis."""
    count = len(of.parts.clusters)
    stretches = [np.zeros(1, dtype=np.int64), *np.array_split(np.arange(1, count), len(of.groups) - 1)]
    sample = copy.copy(of)
    sample.parts = replace(of.parts, clusters=tuple(of.parts.clusters[int(s[len(s) // 2])] for s in stretches))
    sample.groups = [np.array([k]) for k in range(len(stretches))]
    sample.weights = np.array([float(len(s)) for s in stretches])
    sample.pool, sample.asked = Pool(), deque()  # all points are remembered
    return sample


def scout(search: Search, start: Floats) -> Evaluated:
    """Teach the clusters' cuts at points that matter, settle the sample's whole numbers, and find the best point to go on from,
    whole or not.

    start: allowed. Raises OutOfTimeError, UntrustedError, and StoppedByCallerError where the caller wants no more.
    """
    of, left = search.of, search.left()
    of.scouted = True
    best, _ = search.evaluate(of.point(start), answer=True)  # whatever comes now, there is a plan
    some = sampled(of)
    nothing = some.evaluate(of.point(start), search.cost, search.offset, search.deadline).total
    sample = replace(  # counted from the start: gaps are shares of what is gained, not of what a sample happens to cost
        search, of=some, offset=search.offset - nothing, deadline=search.deadline - (1 - SHARE_OF_TIME) * left,
        phase=f"{search.phase}, a sample of worlds", gap=COARSE * search.gap, absolute_gap=COARSE * search.absolute_gap,
        on_progress=None if search.on_progress is None else partial(_tell, search.on_progress), best=None,
    )  # fmt: skip
    with suppress(OutOfTimeError, UntrustedError):  # what fails in a sample need not in the search of all
        sample.phases(start)
    search.iterations += sample.iterations
    tight = sample.master.tight
    worth = np.array([sum(tight[cut] for cut in cuts) for _, cuts in some.asked])
    order = np.argsort(worth, kind="stable")[::-1][: POINTS if len(of.decisions) else LINEAR_POINTS]
    points = [some.asked[k][0] for k in order[worth[order] > 0].tolist()]
    for y in points if sample.best is None else [sample.best.y, *points]:
        found, _ = search.evaluate(y, answer=of.allowed(y))
        best = min(best, found, key=lambda evaluated: evaluated.total)
        search.tell()
    if len(of.decisions) and sample.best is not None:
        search.settle(sample.best.y[of.decisions], exact=False)
        search.open()
    return best if search.best is None else min(best, search.best, key=lambda evaluated: evaluated.total)


def _tell(on_progress: OnProgress, told: Progress) -> Any:
    """What a sample costs is said of nothing else."""
    return on_progress(replace(told, incumbent=None, bound=None, gap=None))
