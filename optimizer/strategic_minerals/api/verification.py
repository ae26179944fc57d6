"""A stored run compared with what can be worked out again: from its plan, tables and decisions alone, and by solving once more.

Recomputed are the audit, the parts of both objectives, every table, the words, sizes and names (`against`), and then the proof:
the bound, the gap, the do-nothing reference, the aims in turn, prices (`against_another`). What nothing can tell again, wall clock,
versions, the log and what a caller asked for, is guarded by the digest of the manifest alone (`DIGEST_ALONE`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..audit.audit import Audit
from ..core.atomic_files import digest_of
from ..core.errors import FormulationError, SolveError, UntrustedError
from ..core.format import FORMAT
from ..core.frames import plainly
from ..core.units import LEAST_TIME_LIMIT_S
from ..model.solution import Solution
from ..results.own_table import is_extended
from ..results.recomputation import (
    FINISHED,
    FROM_SOLVES,
    ROUNDING,
    VERIFY_TOLERANCE,
    against,
    misstated,
    number_objections,
    recompute,
    table_objections,
)
from ..results.result import Result
from ..results.run_contents import answer_texts, litter_in, question_texts
from ..results.run_folder import open_run
from ..results.study_files import study_faults
from .solving import solve

BETWEEN = ("carry", "unspent", "excess", "shared_money", "short_of_promise")
"""Arrays of a solution that say how money or a promise is used up: several may go with the same plan."""

DIGEST_ALONE = {
    "seconds": "wall clock of that solve",
    "profile": "wall clock and memory of that solve",
    "versions": "what was installed then",
    "options.gap": "what was asked; a stated answer is held against it",
    "options.method": "what was asked; the method that was taken goes with it",
    "options.time_limit_s": "what was asked; a solve that ended earlier leaves no trace of it",
    "log.txt": "what that solve told on its way",
    "analyses": "what other verbs found, each with many solves; their seals are bound to the manifest",
}
"""What cannot be worked out again -> why. A change of it is found by the manifest's digest, unless that was forged as well."""


@dataclass(frozen=True)
class Verification:
    """A stored result compared with a second audit and a second solve."""

    audited: Audit
    stated: tuple[float, float]
    """(bound, objective) of the plan's main aim as stored [million USD]."""
    again: tuple[float, float] | None
    """The same, solved again; None where that gave no plan."""
    objections: tuple[str, ...]
    uncompared: tuple[str, ...] = ()
    """What was not held against the second solve, because that found other decisions or was stopped, and why."""
    beside: tuple[str, ...] = ()
    """Files in the folder that other programs left, such as .gitignore: no part of the run, and not read."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: schema_version, kind, audit_passed, stated_musd and again_musd (bound, objective), what is otherwise."""
        told = {
            "schema_version": FORMAT,
            "kind": "verify",
            "audit_passed": self.audited.passed,
            "stated_musd": self.stated,
            "again_musd": self.again,
            "objections": self.objections,
            "not_compared": self.uncompared,
            "not_of_the_run": self.beside,
        }
        return dict(plainly(told))


def verify(stored: Result | str | Path, *, again: Result | None = None) -> Verification:
    """Work out again what a run states, and list every difference.

    stored: a run folder, or a result; of a folder, its files are held against its manifest, their text against their
    content, and its studies against their seals. again: the same question solved before, in place of solving it here; None:
    it is solved here.

    Raises InputError and PlanError, with every fault, where files are changed or what they hold is no run at all, and
    SolveError where the second solve is interrupted.
    """
    if isinstance(stored, Result):
        return _verified(stored, again, [])
    opened = open_run(stored)
    result = opened.result
    objections = [str(fault) for fault in (*opened.faults, *study_faults(Path(stored), opened.stated))]
    objections += [*misstated(result, opened.stated), *_misfiled(result, opened.stated["files"])]
    return replace(_verified(result, again, objections), beside=tuple(litter_in(Path(stored))))


def _misfiled(result: Result, files: Mapping[str, str]) -> Iterator[str]:
    """Files of text that do not follow from what the folder holds. files: their hashes, which they have."""
    for name, pieces in (*question_texts(result.plan, result.data), *answer_texts(result)):
        if digest_of(pieces) != files.get(name):
            yield f"{name}: its text is not the one that goes with what the folder holds"


def _verified(stored: Result, again: Result | None, objections: list[str]) -> Verification:
    found = recompute(stored)
    objections += against(stored, found)
    _, z, low, _ = stored.outcome.stages[0]
    if is_extended(stored.tables):
        left = "bound and prices: the plan was made with constraints or terms of a caller's own code, which no folder holds"
        return Verification(found.audited, (low, z), None, tuple(objections), (left,))
    try:
        second = _again(stored) if again is None else again
    except SolveError as error:
        if error.outcome.reason == "interrupted":
            raise
        return Verification(found.audited, (low, z), None, (*objections, f"solved again, it has no plan: {error}"))
    except (UntrustedError, FormulationError) as error:
        return Verification(found.audited, (low, z), None, (*objections, f"solved again, it is not trusted: {error}"))
    more, uncompared = against_another(stored, second)
    _, z_again, low_again, _ = second.outcome.stages[0]
    return Verification(found.audited, (low, z), (low_again, z_again), (*objections, *more), tuple(uncompared))


def _again(stored: Result) -> Result:
    options = stored.options
    return solve(
        stored.plan,
        stored.data,
        gap=options["gap"],
        time_limit_s=max(LEAST_TIME_LIMIT_S, options["time_limit_s"]),
        relax=options["relax"],
        method=options["method"],
    )


# --- from solving once more ------------------------------------------------------------------------------------


def against_another(stored: Result, again: Result) -> tuple[list[str], list[str]]:
    """(objections, what was not compared and why) of a stored run against the same question solved again.

    Both solves state an interval, [bound, objective], in which the optimum lies: the two must overlap. Where the second one came to
    the same decisions by the same versions of everything, it must have come to the same figures, too.
    """
    one, two = stored.outcome, again.outcome
    (_, z, low, _), (_, z_again, low_again, _) = one.stages[0], two.stages[0]
    found = []
    nothing, nothing_again = one.do_nothing_musd or 0.0, two.do_nothing_musd or 0.0
    room = VERIFY_TOLERANCE * max(abs(z), abs(z_again), abs(nothing_again), 1.0)
    if max(low, low_again) > min(z, z_again) + room:
        found.append("one solve's bound lies above the other's objective")
    found += number_objections("outcome.do_nothing_musd", nothing, nothing_again, room)
    if one.reason not in FINISHED or two.reason not in FINISHED:
        if _agree(stored, again) and two.reason in FINISHED and _same_stages(stored, again):
            found.append(f"outcome.reason: {one.reason}; solved again, the same figures are {two.reason}")
        return found, [
            f"a solve that was stopped ({one.reason} as stored, {two.reason} again) cannot be repeated: {PROOF}"
        ]
    if not _agree(stored, again):
        return found, [f"solving again found other decisions that are as good: {PROOF}"]
    found += _of_further_solves(stored, again)
    searches = [{name: of.counts[name] for name in SEARCH} for of in (stored, again)]
    elsewhere = dict(stored.versions) != dict(again.versions)
    if elsewhere or (one.method == "decomposed" and searches[0] != searches[1]):  # which hangs on the threads, too
        why = "by other versions" if elsewhere else "by clusters of scenarios in another number of threads"
        return found, [f"solved {why}: how closely the bound was proven, and the iterations that it took"]
    if one.reason != two.reason:
        found.append(f"outcome.reason: {one.reason}; solved again it is {two.reason}")
    if not _same_stages(stored, again):
        found.append(f"outcome: {_proof(stored)}; solved again {_proof(again)}")
    for name in _differing(stored, again, BETWEEN):
        found.append(f"decisions.npz {name}: not what solving again gives")
    for name in SEARCH:
        if searches[0][name] != searches[1][name]:
            found.append(f"counts.{name}: {searches[0][name]}; solved again {searches[1][name]}")
    return found, []


SEARCH = ("iterations", "nodes")
"""Counts of the search; where they are the same, so was its course."""
PROOF = "the bound beyond the overlap of both, prices, what further solves gave"


def _agree(stored: Result, again: Result) -> bool:
    """Whether two solves came to the same plan and the same reference; what only lies between decisions and limits apart."""
    return not any(True for _ in _differing(stored, again, [f.name for f in fields(Solution) if f.name not in BETWEEN]))


def _differing(stored: Result, again: Result, names: Sequence[str]) -> Iterator[str]:
    """Arrays of two solves that differ by more than rounding."""
    for which, one, two in (
        ("solution", stored.solution, again.solution),
        ("reference", stored.reference, again.reference),
    ):
        for name in names:
            a, b = getattr(one, name), getattr(two, name)
            if name == "purchases":
                same = a == b
            else:
                room = ROUNDING * (1.0 + np.abs(b).max(initial=0.0))
                same = a.shape == b.shape and np.allclose(a, b, rtol=ROUNDING, atol=room)
            if not same:
                yield f"{which}.{name}"


def _same_stages(stored: Result, again: Result) -> bool:
    one, two = stored.outcome.stages, again.outcome.stages
    if [name for name, *_ in one] != [name for name, *_ in two]:
        return False
    pairs = ((a, b) for said, true in zip(one, two, strict=True) for a, b in zip(said[1:], true[1:], strict=True))
    return all(a == b or abs(a - b) <= ROUNDING * max(1.0, abs(b)) for a, b in pairs)


def _proof(result: Result) -> str:
    return "; ".join(f"{name} {z:,.6f} with bound {low:,.6f}" for name, z, low, _ in result.outcome.stages)


def _of_further_solves(stored: Result, again: Result) -> Iterator[str]:
    """Prices, and columns of tables that further solves gave."""
    if "prices" in stored.tables:
        yield from table_objections("prices", stored.tables["prices"], again.tables["prices"], VERIFY_TOLERANCE)
    for name, columns in FROM_SOLVES.items():
        if name not in stored.tables or len(stored.tables[name]) != len(again.tables[name]):
            continue
        said, true = stored.tables[name], again.tables[name]
        for column in columns:
            if column in said and column in true and not said[column].isna().all() and not true[column].isna().all():
                yield from table_objections(name, said[[column]], true[[column]], VERIFY_TOLERANCE)
