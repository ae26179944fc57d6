"""Every error the package raises on purpose, in one tree.

ReserveError
 ├─ FaultsError            a file is wrong: its faults at once, each with its place    (.faults)
 │   ├─ PlanError          the plan asks for something impossible or misspelt
 │   └─ InputError         a table is wrong
 ├─ FormulationError       the mathematics cannot be compiled (a product of uncertain data, a tiny entry)
 ├─ SolveError             no answer                                                (.outcome)
 │   ├─ InfeasibleError    no plan meets the demands                                 (.culprits)
 │   └─ StoppedError       a limit was reached before any plan was found
 └─ UntrustedError         an answer exists and is not trusted: audit, canary, status disagreement
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .meant_letters import foreign
from .names import meant

if TYPE_CHECKING:
    from .outcome import Outcome


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


@dataclass(frozen=True)
class MoreFaults(Fault):
    """Faults that are only counted."""

    @property
    def count(self) -> int:
        """How many."""
        return int(self.found.split()[0].replace(",", ""))

    def __str__(self) -> str:
        return f"and {self.found}"


MOST_FAULTS = 1000
"""Faults that are kept; what is beyond them is counted."""
MOST_PRINTED = 100
"""Faults told in words at once."""
LONGEST_SHOWN = 120
"""Characters of a wrong value that are shown."""


class Faults:
    """Faults as they are found: the first thousand are kept, the rest are counted."""

    def __init__(self) -> None:
        self._kept: list[Fault] = []
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether a further fault is only counted."""
        return self.count >= MOST_FAULTS

    def add(self, *faults: Fault, unseen: int = 0) -> None:
        """More faults; unseen: how many more there are that nobody has written down."""
        self._kept += faults[: MOST_FAULTS - len(self._kept)]
        self.count += len(faults) + unseen

    def extend(self, faults: Iterable[Fault]) -> None:
        """Faults from wherever they come; sums of others keep their count."""
        for fault in faults:
            if isinstance(fault, MoreFaults):
                self.add(unseen=fault.count)
            else:
                self.add(fault)

    def told(self) -> list[Fault]:
        """What was kept, and one that counts the rest."""
        rest = self.count - len(self._kept)
        return [*self._kept, *([more_faults(rest)] if rest else [])]

    def __bool__(self) -> bool:
        return self.count > 0


def more_faults(count: int) -> MoreFaults:
    """A fault that stands for those which are not listed."""
    return MoreFaults("", "", "", f"{count:,} more fault{'s' * (count != 1)}", "the first ones mended")


def shown(value: object) -> str:
    """A wrong value as it stands in a fault: short, whatever it is."""
    try:
        text = str(value) if hasattr(value, "isoformat") else _spelt(value)
    except (ValueError, RecursionError):  # more digits than Python prints, nested beyond measure
        return "a value too large to be shown"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _spelt(value: object) -> str:
    """A value as files spell it, not as the program does: null, true, { field = value }."""
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

    called: other names of known ones, e.g. {"China": "CHN"}. Letters of other alphabets that look like its own are named.
    """
    close, odd = meant(word, known, called), foreign(word[:LONGEST_SHOWN])
    if not close:
        return f" ({odd})" if odd else ""
    every = ", which stands for all" if close == ["*"] else ""
    return f" (did you mean {' or '.join(repr(name) for name in close)}{every}?{f' {odd}' if odd else ''})"


class Hints:
    """Suggestions for the faults that are listed; those that are only counted need none."""

    def __init__(self, most: int = MOST_PRINTED) -> None:
        """most: suggestions that are given at all."""
        self._most = most
        self._given = 0

    def near(self, word: str, known: Iterable[str], called: Mapping[str, str] | None = None) -> str:
        """As `near_miss`."""
        self._given += 1
        return near_miss(word, known, called) if self._given <= self._most else ""


def missing_part(where: str, module: str, extra: str) -> InputError:
    """What is raised where an optional part is not installed."""
    return InputError(
        [Fault(where, "", "", f"{module} is not installed", f"{module}: pip install 'strategic-minerals[{extra}]'")]
    )


class MisplacedError(ValueError):
    """Fields of a record that contradict each other: (dotted path, found, expected) of each, told while it is validated."""

    def __init__(self, *places: tuple[str, str, str]) -> None:
        self.places = places
        super().__init__("; ".join(f"{path}: {found}; expected {expected}" for path, found, expected in places))


class ReserveError(Exception):
    """Base of all errors that this package raises on purpose."""


class FaultsError(ReserveError):
    """A file is wrong. `faults` lists what is wrong with it, a thousand at most, then one that counts the rest; a hundred are told
    in words."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        found = Faults()
        found.extend(faults)
        self.faults = tuple(found.told())
        count = "1 fault" if found.count == 1 else f"{found.count:,} faults"
        told = [*self.faults[:MOST_PRINTED], *([more_faults(rest)] if (rest := found.count - MOST_PRINTED) > 0 else [])]
        super().__init__("\n".join([count, *(f"  {fault}" for fault in told)]))

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
