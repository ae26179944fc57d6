"""Scenario discovery: which ranges of which inputs make a plan fail a promise (Bryant and Lempert 2010).

Rows of a sweep or of a stress test are split by a seed. On one part a box is searched (`prim`). On the other, which the search
never sees, it is told how many of the failures lie in it (coverage) and how many of its rows fail (density). A box that rows held
out do not confirm is none. Rows in a box are then set aside, and the next one is searched in the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.arrays import Bools, Floats
from ..core.errors import Fault, InputError, MisplacedError, near_miss
from ..core.frames import rows_of
from ..data.dataset import Dataset
from ..data.names import UNNAMED, Names
from ..data.promises import Promise
from ..results.study import Study
from ..results.study_files import read_study
from ..schemas.plan import Plan
from .discovery_result import BOXES, LIMITS, TRAJECTORY, Discovery
from .discovery_rows import DISCOVER, POINTS, Cases, cases_of_frame, cases_of_study, chosen_inputs, require_other_names
from .discovery_search import Search, boxes_of, row_table
from .discovery_words import Column, InputWords, Threshold
from .prim import Measure
from .sweep_result import Sweep

FEW_ROWS = 50
"""Rows below which the summary warns."""
FEW_FAILURES = 10
"""Failures, and rows that do not fail, below which it does."""
MOST_CATEGORIES = 10
"""Different texts of an input up to which each is tried as a category."""
MOST_BOXES = 10
HARMONIC = "best harmonic mean of coverage and density"


def discover(
    study: Study | pd.DataFrame | Path | str,
    promise: str,
    *,
    inputs: Sequence[str] | None = None,
    held_out: float = 0.3,
    seed: int = 0,
    boxes: int = 3,
    coverage: float | None = None,
    unsolved_fail: bool = False,
    data: Dataset | None = None,
    plan: Plan | None = None,
) -> Discovery:
    """Find the ranges of inputs in which a promise fails, among the rows of a study.

    study: a sweep, whose varied addresses are the inputs; a stress test, with what happens in its scenarios (`event_features`);
    the folder in which the tables of either were stored; or a data frame, a row a case. promise: a column with a threshold, such
    as `expected_loss_musd <= 500` or `defence_short <= 0.05`, in the unit of the column; for a stress test also
    `material:segment:level` (share of demand served while a scenario's disruptions last). inputs: columns that may explain
    failures; None: all. held_out: share of the rows that the search does not see, below 0.9; 0: none. seed: of the split. boxes:
    how many at most. coverage: None: the box with the best harmonic mean of coverage and density; a share: the densest that covers
    so much of the failures. unsolved_fail: whether points without an answer count as failures; else they are left out, and told.
    data: tables that name what codes mean; None: the study's own names, where it has them. plan: names the scenarios and events
    that addresses number; None: they keep their numbers.

    Raises InputError for a promise that is none or names no column, for inputs that are none, for rows of which none or all fail,
    and for a folder without such tables; ValueError for options that are none.
    """
    if not (0 <= held_out < 0.9 and 1 <= boxes <= MOST_BOXES and (coverage is None or 0 < coverage <= 1)):
        raise ValueError(
            f"held_out must be in [0, 0.9), boxes from 1 to {MOST_BOXES} and coverage in (0, 1], not {held_out}, {boxes}, "
            f"{coverage}"
        )
    cases = _cases(study)
    names = Names.of(data) if data is not None else getattr(study, "names", UNNAMED)
    words = InputWords(names, cases.hazards, plan, cases.called == POINTS)
    told = _promised(cases, promise, words.names)
    chosen = chosen_inputs(cases, inputs, told.column)
    require_other_names(list(map(str, chosen)))
    answered, failed = _judged(told, unsolved_fail=unsolved_fail)
    _require_both(told, failed[answered], cases.called)
    columns, notes = _columns(chosen[answered])
    if not columns:
        known = ", ".join(map(str, chosen)) or "no columns"
        raise InputError([Fault(DISCOVER, "", "inputs", known, "at least one input that varies, stated in every row")])
    values, bad = np.stack([column.values for column in columns], axis=1), failed[answered]
    aside = _split(bad, held_out, np.random.default_rng(seed), np.flatnonzero(answered) // cases.block)
    measure = Measure(coverage)
    search = Search(columns, values, bad, aside, words, measure)
    weights = None if cases.weights is None else cases.weights[answered]
    boxes_found, limits, path, which = boxes_of(search, boxes, weights, told.words)
    unsolved = int(np.isnan(told.values).sum())
    counts = {
        "rows": len(bad),
        "failures": int(bad.sum()),
        "held_out_rows": int(aside.sum()),
        "held_out_failures": int(bad[aside].sum()),
        "inputs": len({column.name for column in columns}),
        "unsolved": unsolved,
    }
    notes = [*_warnings(counts, cases, told, unsolved_fail=unsolved_fail), *notes]
    measured = (
        f"highest density of boxes that cover {coverage:.0%} of the failures" if coverage is not None else HARMONIC
    )
    return Discovery(
        promise,
        told.words,
        pd.DataFrame(boxes_found, columns=BOXES),
        pd.DataFrame(limits, columns=LIMITS),
        pd.DataFrame(path, columns=TRAJECTORY),
        row_table(search, which, np.flatnonzero(answered), told.values[answered], chosen[answered], limits),
        cases.called,
        counts,
        seed,
        measured,
        tuple(notes),
    )


def _cases(study: Study | pd.DataFrame | Path | str) -> Cases:
    if isinstance(study, pd.DataFrame):
        return cases_of_frame(study)
    if isinstance(study, Path | str):
        return cases_of_study(read_study(Path(study)))
    return cases_of_study(study.tables, study.design if isinstance(study, Sweep) else None)


@dataclass(frozen=True)
class _Promised:
    """A promise held against rows."""

    column: str
    """Empty: none of the inputs' table."""
    words: str
    values: Floats
    """(rows,) NaN where there is no answer."""
    threshold: Threshold


def _promised(cases: Cases, promise: str, names: Names) -> _Promised:
    """What is promised, by row. Raises InputError where the rows do not tell it."""
    if promise.count(":") == 2 and cases.shortfalls is not None:
        return _served(cases, cases.shortfalls, promise, names)
    threshold = Threshold.parse(promise)
    known = [str(name) for name in cases.outcomes]
    if threshold.column not in known:
        expected = f"one of {', '.join(known)}{near_miss(threshold.column, known)}" if known else "a column of numbers"
        if threshold.column in cases.inputs:
            text = not pd.api.types.is_numeric_dtype(cases.inputs[threshold.column])
            found = f"'{threshold.column}', which is {'text' if text else 'an input that was varied'}"
            raise InputError([Fault(DISCOVER, "", "promise", found, expected)])
        raise InputError([Fault(DISCOVER, "", "promise", f"no column '{threshold.column}'", expected)])
    values = cases.outcomes[threshold.column].to_numpy(dtype=float)
    return _Promised(threshold.column, threshold.in_words(), values, threshold)


def _served(cases: Cases, shortfalls: pd.DataFrame, promise: str, names: Names) -> _Promised:
    """A share of a demand that is to be served, in every scenario of a stress test."""
    try:
        asked = Promise.parse(promise)
    except MisplacedError as error:
        raise InputError([Fault(DISCOVER, "", "promise", found, wanted) for _, found, wanted in error.places]) from None
    mine = (shortfalls["material"] == asked.material) & (shortfalls["segment"] == asked.segment)
    if not mine.any():
        known = sorted({f"{row.material}:{row.segment}" for row in rows_of(shortfalls)})
        near = near_miss(f"{asked.material}:{asked.segment}", known)
        expected = f"one that goes short in some scenario: {', '.join(known) or 'there is none'}{near}"
        found = f"no scenario in which {asked.material}:{asked.segment} goes short"
        raise InputError([Fault(DISCOVER, "", "promise", found, expected)])
    values = np.ones(len(cases.outcomes))
    values[shortfalls.loc[mine, "row"].to_numpy(dtype=int)] = shortfalls.loc[mine, "served_share"].to_numpy(dtype=float)
    level = "in full" if asked.level == 1 else f"at {100 * asked.level:.4g}% or more"
    words = f"{names.material(asked.material)}, {asked.segment} is served {level}"
    return _Promised("", words, values, Threshold("served_share", ">=", asked.level - 1e-6))


def _judged(told: _Promised, *, unsolved_fail: bool) -> tuple[Bools, Bools]:
    """(rows,) which rows count, and which fail."""
    missing = np.isnan(told.values)
    failed = told.threshold.fails(told.values) & ~missing
    return (np.ones_like(missing), failed | missing) if unsolved_fail else (~missing, failed)


def _require_both(told: _Promised, failed: Bools, called: str) -> None:
    """Raise InputError where nothing fails, or everything does: there is nothing to tell apart."""
    if 0 < failed.sum() < len(failed):
        return
    values = told.values[~np.isnan(told.values)]
    between = f"; {told.threshold.column} goes from {values.min():,.4g} to {values.max():,.4g}" if len(values) else ""
    which = (
        "fails in none" if len(failed) and not failed.any() else "fails in all" if len(failed) else "is told by none"
    )
    raise InputError(
        [
            Fault(
                DISCOVER,
                "",
                "promise",
                f"one that {which} of {len(failed):,} {called}",
                f"one that fails in some of them and not in others{between}",
            )
        ]
    )


def _columns(inputs: pd.DataFrame) -> tuple[list[Column], list[str]]:
    """Inputs as the search takes them, and what is to be said of those left aside.

    Inputs that do not vary, and those that order the rows as an earlier one does, tell nothing more.
    """
    found: list[Column] = []
    empty, many = [], []
    for name in map(str, inputs):
        values = inputs[name]
        if values.isna().any():
            empty.append(name)
        elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            found.append(Column(name, values.to_numpy(dtype=float)))
        else:
            texts = values.map(lambda value: str(value).lower() if isinstance(value, bool | np.bool_) else str(value))
            known = sorted(texts.unique())
            if len(known) > MOST_CATEGORIES:
                many.append(name)
                continue
            two = len(known) == 2
            which, otherwise = (known[-1:], known[0]) if two else (known, "")
            found += [Column(name, (texts == text).to_numpy(dtype=float), text, otherwise) for text in which]
    kept: dict[bytes, Column] = {}
    same = []
    for column in found:
        known_values, ranks = np.unique(column.values, return_inverse=True)
        if len(known_values) > 1:
            first = kept.setdefault(ranks.astype(np.int64).tobytes(), column)
            if first.name != column.name:
                what = f"{column.name} is {column.category}" if column.category else column.name
                same.append(f"{what} (as {first.name})")
    notes = []
    if same:
        notes.append(f"left aside because they order the rows as another input does: {', '.join(same)}")
    if empty:
        notes.append(f"left aside because they are empty in some rows: {', '.join(empty)}")
    if many:
        notes.append(f"left aside because they are text with more than {MOST_CATEGORIES} values: {', '.join(many)}")
    return list(kept.values()), notes


def _split(failed: Bools, share: float, draw: np.random.Generator, groups: Any) -> Bools:
    """(rows,) which are held out: a share of the groups with failures, and of those without. groups: (rows,) what belongs
    together."""
    known, at = np.unique(groups, return_inverse=True)
    bad = np.bincount(at, weights=failed) > 0
    aside = np.zeros(len(known), dtype=bool)
    for part in (np.flatnonzero(bad), np.flatnonzero(~bad)):
        aside[draw.permutation(part)[: round(share * len(part))]] = True
    return np.asarray(aside[at])


def _warnings(counts: Mapping[str, int], cases: Cases, told: _Promised, *, unsolved_fail: bool) -> Iterator[str]:
    """What makes the answer weak."""
    rows, failures = counts["rows"], counts["failures"]
    if rows < FEW_ROWS:
        yield f"only {rows} {cases.called}: too few to tell ranges from luck; {FEW_ROWS} are little, hundreds are better"
    if min(failures, rows - failures) < FEW_FAILURES:
        few, which = min((failures, "fail"), (rows - failures, "do not fail"))
        yield f"only {few} {cases.called} {which}: ranges found among so few hang on single ones"
    if failures > rows / 2 and told.column:
        yield (
            f"most {cases.called} fail: a box of nearly all of them says little; the promise `{told.threshold.opposite}` fails "
            f"where this one is kept"
        )
    if counts["unsolved"]:
        done = "count as failures" if unsolved_fail else "were left out"
        yield f"{counts['unsolved']} {cases.called} without an answer {done}"
    if cases.block > 1:
        yield (
            f"the design moves one figure at a time within blocks of {cases.block} points: whole blocks were held out, and the "
            f"probabilities by luck, which take rows as independent, are too small; a Latin hypercube suits better"
        )
