"""A basis of one problem as a guess for another that has lost or gained options: columns and rows matched by what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formulation.structure import Structure
from ..model.problem import Problem
from .basis import Statuses, block_name
from .settings import AT_LOWER, BASIC


def transfer_basis(old: Problem, new: Problem, columns: Statuses, rows: Statuses) -> tuple[Statuses, Statuses]:
    """(columns, rows) statuses for the new problem: those of the old where it has the same column or row, else none is basic."""
    place_of, row_of = _columns(old), _rows(old)
    found_columns = np.full(len(new.assembly.lower), AT_LOWER, dtype=np.int8)
    found_rows = np.full(len(new.assembly.row_lower), BASIC, dtype=np.int8)
    for into, known, wanted, status in (
        (found_columns, place_of, _columns(new), columns),
        (found_rows, row_of, _rows(new), rows),
    ):
        for meaning, where in wanted.items():
            before = known.get(meaning)
            if before is not None and len(before) == len(where):
                kept = (before >= 0) & (where >= 0)
                into[where[kept]] = status[before[kept]]
    return found_columns, found_rows


def _columns(problem: Problem) -> dict[Any, Any]:
    """(block, variable, what its key means) -> (instances,) columns."""
    meant = _meanings(problem.structure)
    return {
        (block_name(problem.structure, part), name, meant.get((name, key), key)): part.first_column
        + k
        + part.width * np.arange(part.count)
        for part in problem.assembly.blocks
        for k, (name, key) in enumerate(part.template.columns)
    }


def _rows(problem: Problem) -> dict[Any, Any]:
    """(block, constraint, what its key means) -> (instances,) rows, -1 where an instance has none."""
    meant, assembly = _meanings(problem.structure), problem.assembly
    found: dict[Any, Any] = {}
    for p, part in enumerate(assembly.blocks):
        table = np.full((len(part.template.rows), part.count), -1, dtype=np.int64)
        mine = np.flatnonzero(assembly.row_block == p)
        table[assembly.row_local[mine], assembly.row_instance[mine]] = mine
        for k, (name, key) in enumerate(part.template.rows):
            found[block_name(problem.structure, part), name, meant.get((name, key), key)] = table[k]
    return found


def _meanings(structure: Structure) -> dict[tuple[str, Any], Any]:
    """(variable or constraint, key) -> what its number stands for, where numbers move as options come and go."""
    options = structure.support.options
    meant: dict[tuple[str, Any], Any] = {}
    for o, option in enumerate(options):
        what = (option.project, option.package.name, option.market, option.signed)
        meant["sign", o] = what
        meant.setdefault(("operating", option.output_class), what)
        meant.setdefault(("operating_sum", option.output_class), what)
    return meant
