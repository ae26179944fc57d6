"""Every error the package raises on purpose, in one tree.

ReserveError
 ├─ FaultsError            a file is wrong: every fault at once, with its place      (.faults)
 │   ├─ PlanError          the plan asks for something impossible or misspelt
 │   └─ InputError         a table is wrong
 ├─ FormulationError       the mathematics cannot be compiled (a product of uncertain data, a tiny entry)
 ├─ SolveError             no answer                                                (.outcome)
 │   ├─ InfeasibleError    no plan meets the demands                                 (.culprits)
 │   └─ StoppedError       a limit was reached before any plan was found
 └─ UntrustedError         an answer exists and is not trusted: audit, canary, status disagreement
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .problem import Outcome


@dataclass(frozen=True)
class Fault:
    """One wrong value: where it stands, what was found there and what was expected."""

    file: str
    row: str
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.row}" if self.row else self.file
        return f"{place}  {self.column}  found {self.found}; expected {self.expected}"


def near_miss(word: str, known: Iterable[str]) -> str:
    """Suggestion to append to an expectation, e.g. `` (did you mean 'gallium'?)``, or an empty string."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def missing_part(where: str, module: str, extra: str) -> InputError:
    """What is raised where an optional part is not installed."""
    return InputError([Fault(where, "", "", f"{module} is not installed", f"{module}: pip install 'strategic-minerals[{extra}]'")])


class MisplacedError(ValueError):
    """Fields of a record that contradict each other: (dotted path, found, expected) of each, told while it is validated."""

    def __init__(self, *places: tuple[str, str, str]) -> None:
        self.places = places
        super().__init__("; ".join(f"{path}: {found}; expected {expected}" for path, found, expected in places))


class ReserveError(Exception):
    """Base of all errors that this package raises on purpose."""


class FaultsError(ReserveError):
    """A file is wrong. `faults` lists everything that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__("\n".join([count, *(f"  {fault}" for fault in self.faults)]))

    def __reduce__(self) -> tuple[type[FaultsError], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


class PlanError(FaultsError):
    """The plan asks for something impossible, unknown or misspelt."""


class InputError(FaultsError):
    """A table is wrong."""


class FormulationError(ReserveError):
    """The model cannot be compiled or is numerically unsafe."""


class SolveError(ReserveError):
    """The solve gave no plan. `outcome` says why; it never carries values."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.outcome)


class InfeasibleError(SolveError):
    """No plan meets the demands; `culprits` names the families of demands that conflict."""

    def __init__(self, message: str, outcome: Outcome, culprits: Sequence[str] = ()) -> None:
        super().__init__(message, outcome)
        self.culprits = tuple(culprits)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.outcome, self.culprits)


class StoppedError(SolveError):
    """A time or memory limit, or an interrupt, came before any plan was found."""


class UntrustedError(ReserveError):
    """An answer exists and must not be used: failed audit, solver canary or status disagreement."""
