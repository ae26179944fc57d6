"""Scenario discovery: which ranges of which inputs make a plan fail a promise (Bryant and Lempert 2010).

Rows of a sweep or of a stress test are split by a seed. On one part a box is searched (`prim`). On the other, which the search
never sees, it is told how many of the failures lie in it (coverage) and how many of its rows fail (density). A box that rows held
out do not confirm is none. Rows in a box are then set aside, and the next one is searched in the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..core.arrays import Bools, Floats
from ..core.errors import Fault, InputError, MisplacedError, near_miss
from ..core.frames import rows_of
from ..core.verb import Seed, verb
from ..data.dataset import Dataset
from ..data.names import UNNAMED, Names
from ..data.promises import Promise
from ..results.run_folder import load_result
from ..results.study import Study
from ..results.study_files import run_of
from ..schemas.plan import Plan
from .discovery_result import BOXES, LIMITS, TITLES, TRAJECTORY, words_of
from .discovery_rows import DISCOVER, POINTS, Cases, cases_of_frame, cases_of_study, chosen_inputs, require_other_names
from .discovery_search import Search, boxes_of, row_table
from .discovery_words import Column, InputWords, Threshold
from .prim import Measure

FEW_ROWS = 50
"""Rows below which the summary warns."""
FEW_FAILURES = 10
"""Failures, and rows that do not fail, below which it does."""
MOST_CATEGORIES = 10
"""Different texts of an input up to which each is tried as a category."""
MOST_BOXES = 10
HARMONIC = "best harmonic mean of coverage and density"


@verb
def discover(
    study: Study | pd.DataFrame | Path | str,
    promise: Annotated[
        str,
        Field(
            max_length=300,
            description="What is promised: a column of the study, a sign and a number, in the column's unit, e.g. "
            "'loss_musd <= 500'; of "
            "a stress test also material:segment:level, e.g. ndfeb_magnet:civil:0.8.",
        ),
    ],
    *,
    inputs: Annotated[
        Sequence[str] | None, Field(description="Inputs that may explain failures. Default: all of the study.")
    ] = None,
    held_out: Annotated[
        float, Field(ge=0, lt=0.9, description="Share of the rows that the search does not see.")
    ] = 0.3,
    seed: Seed = 0,
    boxes: Annotated[int, Field(ge=1, le=MOST_BOXES, description="Most boxes looked for.")] = 3,
    coverage: Annotated[
        float | None,
        Field(
            gt=0,
            le=1,
            description="Share of the failures that a box covers at least; the densest such box is taken. Default: the best "
            "harmonic mean of coverage and density.",
        ),
    ] = None,
    unsolved_fail: Annotated[bool, Field(description="Count points without an answer as failures.")] = False,
    data: Dataset | None = None,
    plan: Plan | None = None,
) -> Study:
    """Find which ranges of which inputs make a plan fail a promise, from the rows of a sweep or a stress test.

    study: a sweep, whose varied addresses are the inputs; a stress test, with what happens in its scenarios (`event_features`);
    the folder in which either was stored; or a data frame, a row a case. data: tables that name what codes mean. plan: names the
    scenarios and events that addresses number. None: those of the run that a folder belongs to, else codes and numbers stand.

    Tables: `boxes`, one row a box, in the order found: promised and fails_when (words), confirmed (by rows held out), limits (how
    many); rows, failures, coverage (share of all failures) and density (share that fails) on the rows searched; the same on rows
    held out. Each box is without the rows of earlier ones. luck: probability that as many rows, picked blindly from those held
    out, fail as often; of a stress test, probability of the box and of failing in it. `limits`, one row a limit: box, input,
    called (in words), category (where it is one of several), side (over, under; is, is not), limit, quasi_p (that luck explains
    it, on the rows searched and on those held out), density_without (in the box without this limit). `trajectory`, one row a box
    on the path of peeling: what was peeled last, from which side, number of limits, rows, failures, coverage and density on the
    rows searched, the last two on those held out, whether it was chosen. `cases`, one row a row of the study that has an answer:
    row (its place, from 0), failed, held_out, box (0: none), value (what is promised), and the inputs that some box limits; empty
    where an event does not occur. Facts: promise, promised (in words), called (what the rows are), rows, failures, held_out_rows,
    held_out_failures, inputs (searched), unsolved (left out, or counted as failures), seed, measure (how a box was chosen), notes.

    Raises InputError for a promise that is none or names no column, for inputs that are none, for rows of which none or all fail,
    and for a folder without such tables.
    """
    if isinstance(study, Path | str) and (run := run_of(Path(study))) is not None and plan is None and data is None:
        result = load_result(run)
        plan, data = result.plan, result.data
    cases = _cases(study)
    names = UNNAMED if data is None else Names.of(data)
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
    tables = {
        "boxes": pd.DataFrame(boxes_found, columns=BOXES),
        "limits": pd.DataFrame(limits, columns=LIMITS),
        "trajectory": pd.DataFrame(path, columns=TRAJECTORY),
        "cases": row_table(search, which, np.flatnonzero(answered), told.values[answered], chosen[answered], limits),
    }
    facts = {
        "promise": promise,
        "promised": told.words,
        "called": cases.called,
        **counts,
        "seed": seed,
        "measure": measured,
        "notes": tuple(notes),
    }
    return Study("discover", tables, words_of(facts, tables["boxes"]), facts, TITLES)


def _cases(study: Study | pd.DataFrame | Path | str) -> Cases:
    if isinstance(study, pd.DataFrame):
        return cases_of_frame(study)
    found = study if isinstance(study, Study) else Study.load(study)
    return cases_of_study(found.tables, int(found.facts.get("block", 1)))


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
