"""Every error the package raises on purpose, in one tree.

ReserveError
 ├─ FaultsError            a file is wrong: its faults at once, each with its place    (.faults)
 │   ├─ PlanError          the plan asks for something impossible or misspelt
 │   └─ InputError         a table is wrong
 ├─ FormulationError       the mathematics cannot be compiled (a product of uncertain data, a tiny entry)
 ├─ SolveError             no answer                                                (.outcome)
 │   ├─ InfeasibleError    no plan meets the requirements                            (.culprits)
 │   └─ StoppedError       a limit was reached before any plan was found
 └─ UntrustedError         an answer exists and is not trusted: audit, solver self-test, status disagreement
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .names import meant

if TYPE_CHECKING:
    from .outcome import Outcome


CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
"""Characters that move the cursor, ring or begin commands of a terminal; tabs and ends of lines are none."""


def legible(text: str) -> str:
    """A text with escapes in place of control characters, fit for a terminal."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


@dataclass(frozen=True)
class Fault:
    """One wrong value: its place, what was found there and what was expected."""

    file: str
    row: str
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.row}" if self.row else self.file
        return legible(f"{place}  {self.column}  found {self.found}; expected {self.expected}")


@dataclass(frozen=True)
class MissingPart(Fault):
    """A library of an optional part of the package that is not installed; `file` names what needs it."""

    def __str__(self) -> str:
        module, _, command = self.expected.partition(": ")
        what = NEEDS_PART.get(self.file, f"`{self.file}`")
        return f"{what} needs {module}. Install it with: {command}"


NEEDS_PART = {
    "report": "The report",
    "serve": "The service",
    "parquet": "The export to Parquet",
    "workbook": "A workbook",
}
"""What needs an optional part, in words."""


@dataclass(frozen=True)
class MoreFaults(Fault):
    """Stands for faults that are counted and not listed."""

    @property
    def count(self) -> int:
        """Number of faults."""
        return int(self.found.split()[0].replace(",", ""))

    def __str__(self) -> str:
        return f"and {self.found}"


MOST_FAULTS = 1000
"""Number of faults that are stored; further ones are only counted."""
MOST_PRINTED = 100
"""Number of faults printed at once."""
LONGEST_SHOWN = 120
"""Number of characters shown of a wrong value."""


class Faults:
    """A collection of faults: the first thousand are stored, the rest are counted."""

    def __init__(self) -> None:
        self._kept: list[Fault] = []
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether a further fault is only counted."""
        return self.count >= MOST_FAULTS

    def add(self, *faults: Fault, unseen: int = 0) -> None:
        """Add faults; unseen: number of further faults that are only counted."""
        self._kept += faults[: MOST_FAULTS - len(self._kept)]
        self.count += len(faults) + unseen

    def extend(self, faults: Iterable[Fault]) -> None:
        """Add faults, including counts of unlisted ones."""
        for fault in faults:
            if isinstance(fault, MoreFaults):
                self.add(unseen=fault.count)
            else:
                self.add(fault)

    def told(self) -> list[Fault]:
        """The stored faults, and one that counts the rest."""
        rest = self.count - len(self._kept)
        return [*self._kept, *([more_faults(rest)] if rest else [])]

    def __bool__(self) -> bool:
        return self.count > 0


def more_faults(count: int) -> MoreFaults:
    """A fault that stands for those that are not listed."""
    return MoreFaults("", "", "", f"{count:,} more fault{'s' * (count != 1)}", "the first ones to be corrected")


def shown(value: object) -> str:
    """A wrong value as shown in a fault, shortened if necessary."""
    try:
        text = str(value) if hasattr(value, "isoformat") else _spelt(value)
    except (ValueError, RecursionError):  # more digits than Python prints, nested beyond measure
        return "a value too large to be shown"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _spelt(value: object) -> str:
    """A value in the notation of files, not of Python: null, true, { field = value }."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_spelt(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spelt, value))}]"
    return repr(value)


def near_miss(word: str, known: Iterable[str], called: Mapping[str, str] | None = None) -> str:
    """Suggestion to append to an expectation, e.g. `` (did you mean 'gallium'?)``, or an empty string.

    called: other names of known ones, e.g. {"China": "CHN"}.
    """
    return "".join(f" (did you mean {name!r}?)" for name in meant(word, known, called))


class Hints:
    """Suggestions for listed faults; counted ones need none."""

    def __init__(self, most: int = MOST_PRINTED) -> None:
        """most: largest number of suggestions."""
        self._most = most
        self._given = 0

    def near(self, word: str, known: Iterable[str], called: Mapping[str, str] | None = None) -> str:
        """As `near_miss`."""
        self._given += 1
        return near_miss(word, known, called) if self._given <= self._most else ""


def missing_part(where: str, module: str, extra: str) -> InputError:
    """The error for an optional part (extra) of the package that is not installed."""
    return InputError(
        [MissingPart(where, "", "", f"no {module}", f"{module}: pip install 'strategic-minerals[{extra}]'")]
    )


class MisplacedError(ValueError):
    """Fields of a record that contradict each other: (dotted path, found, expected) of each, raised during validation."""

    def __init__(self, *places: tuple[str, str, str]) -> None:
        self.places = places
        super().__init__("; ".join(f"{path}: {found}; expected {expected}" for path, found, expected in places))


class ReserveError(Exception):
    """Base of all errors that this package raises on purpose."""


class FaultsError(ReserveError):
    """A file is wrong. `faults` lists up to a thousand faults, then one that counts the rest; the text lists up to a hundred."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        found = Faults()
        found.extend(faults)
        self.faults = tuple(found.told())
        count = "1 fault" if found.count == 1 else f"{found.count:,} faults"
        told = [*self.faults[:MOST_PRINTED], *([more_faults(rest)] if (rest := found.count - MOST_PRINTED) > 0 else [])]
        if len(told) == 1 and isinstance(told[0], MissingPart):
            super().__init__(str(told[0]))
            return
        super().__init__("\n".join([count, *(f"  {fault}" for fault in told)]))

    def __reduce__(self) -> tuple[type[FaultsError], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


class PlanError(FaultsError):
    """The plan asks for something impossible, unknown or misspelt."""


class InputError(FaultsError):
    """A table is wrong."""


class FormulationError(ReserveError):
    """The model cannot be compiled or is numerically unstable."""


class SolveError(ReserveError):
    """The solve found no plan. `outcome` says why; it never carries values."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.outcome)


class InfeasibleError(SolveError):
    """No plan meets the requirements; `culprits` names the kinds of requirements that conflict."""

    def __init__(self, message: str, outcome: Outcome, culprits: Sequence[str] = ()) -> None:
        super().__init__(message, outcome)
        self.culprits = tuple(culprits)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.outcome, self.culprits)


class StoppedError(SolveError):
    """A time or memory limit, or an interrupt, stopped the solve before any plan was found."""


class UntrustedError(ReserveError):
    """An answer exists and must not be used: failed audit, failed solver self-test, or status disagreement."""
