"""Every error the package raises on purpose, in one tree.

ReserveError
 ├─ FaultsError            a file is wrong: its faults at once, each with its place    (.faults)
 │   ├─ PlanError          the plan asks for something impossible or misspelt
 │   └─ InputError         a table is wrong
 ├─ FormulationError       the mathematics cannot be compiled (a product of uncertain data, a tiny entry)
 ├─ SolveError             no answer                                                (.outcome)
 │   ├─ InfeasibleError    no plan meets the requirements                            (.culprits)
 │   └─ StoppedError       a limit was reached before any plan was found
 └─ UntrustedError         an answer exists and is not trusted: audit, solver self-test, status disagreement"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

# Exit codes of the commands.
EXIT_OK, EXIT_INPUT, EXIT_INFEASIBLE, EXIT_STOPPED = 0, 2, 3, 4
EXIT_UNTRUSTED, EXIT_INTERNAL, EXIT_INTERRUPTED = 5, 70, 130
EXIT_START, EXIT_STORE = 6, 7
"""Of the service: it cannot start (port, folder, settings); its store cannot be used."""

# Where the shipped plans and tables lie: in the checkout where there is one, else inside the installed package.
PACKAGE = Path(__file__).resolve().parents[1]


def shipped(kind: Literal["models", "inputs"]) -> Path:
    """Folder `models` or `inputs`: the shipped plans, the shipped tables.

    kind: which of the two. A checkout's folder comes first: an editable install copies them, and copies age."""
    checkout = PACKAGE.parent.parent / kind
    beside = (PACKAGE.parent.parent / "pyproject.toml").is_file() and PACKAGE.parent.name == "optimizer"
    return checkout if beside and checkout.is_dir() else PACKAGE / "shipped_files" / kind


# How a solve ended: its reason, objective, bound and gap, and what is known while it runs.
Reason = Literal[
    "optimal",
    "within_gap",
    "time_limit",
    "stalled",
    "interrupted",
    "out_of_memory",
    "infeasible",
    "unbounded",
    "failed",
]
"""stalled: the search ended incomplete because the solver gave no answer for some parts of it."""


@dataclass(frozen=True)
class Outcome:
    """Why a solve ended and how good its answer is. Differences to the reference plan without action; negative is better."""

    reason: Reason
    objective_musd: float | None
    """Z - Z0 [million USD]; None without a plan."""
    best_bound_musd: float | None
    """Lower bound on Z - Z0 [million USD]."""
    relative_gap: float | None
    """(objective - bound) / max(|objective|, discounted appropriation, 1 million USD)."""
    do_nothing_musd: float | None
    """Z0 [million USD]."""
    relaxed: bool = False
    """True: the linear relaxation, a bound and not a plan."""
    stages: tuple[tuple[str, float, float, float], ...] = ()
    """(stage, objective, bound, relative gap) of each stage of the objective, each against its value in Z0."""
    method: str = "flat"
    """`flat`, one model for all scenarios; `decomposed`, master and clusters of scenarios."""


@dataclass(frozen=True)
class Progress:
    """What is known while a solve runs."""

    phase: str
    seconds: float
    incumbent: float | None = None
    bound: float | None = None
    gap: float | None = None
    done: int | None = None
    of: int | None = None
    """Of work in parts: parts done, and in all."""
    words: str = ""
    """What is known so far, for people."""


OnProgress = Callable[[Progress], Any]
"""Called now and then during the work. True stops a solve from within; who gives one to a `Runner` stops it by `cancelled`."""


# Near misses: names that are spelled almost like a word.
MOST_NAMES = 2_000
"""Known names that are compared letter by letter."""
LONGEST = 60
"""Letters of a word for which a close name is looked for."""


def plain(word: str) -> str:
    """A word without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", word.casefold())


def near_miss(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Suggestion to append to an expectation, e.g. `` (did you mean 'gallium'?)``, or an empty string.

    cutoff: likeness from which on names are near. Codes of three letters are always alike, and none is suggested."""
    names = sorted(known)[:MOST_NAMES]
    if len(word) > LONGEST or all(len(name) == 3 and name.isupper() for name in names if name != "*"):
        return ""
    alike = {plain(name): name for name in reversed(names)}
    return "".join(
        f" (did you mean {alike[near]!r}?)" for near in get_close_matches(plain(word), list(alike), 1, cutoff)
    )


# Dotted addresses of fields, e.g. `scenarios.0.probability`: which of several set the same value.
DEEPEST_ADDRESS = 40
"""Parts of an address that are read."""


def overlapping(addresses: Iterable[str]) -> list[tuple[str, str]]:
    """(outer, inner) pairs of which the second is, or lies within, what the first sets; the order tells nothing of which wins."""
    known: dict[tuple[str, ...], str] = {}
    pairs = sorted((path_of(address), address) for address in addresses)  # what contains another comes before it
    found = []
    for path, address in pairs:
        outer = next((known[path[:n]] for n in range(1, len(path) + 1) if path[:n] in known), None)
        if outer is None:
            known[path] = address
        else:
            found.append((outer, address))
    return found


def path_of(address: str) -> tuple[str, ...]:
    """An address in parts; places in lists as numbers without noughts in front. Deeper parts than are read do not count."""
    parts = address.split(".", DEEPEST_ADDRESS)
    return tuple((part.lstrip("0") or "0") if part.isascii() and part.isdigit() else part for part in parts)


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


class UnfitRule(Fault):
    """A rule of a plan that its materials cannot keep."""


MOST_FAULTS = 100
"""Faults of a file, of a table or of a question that are listed; whoever looks for them stops there."""
MORE = Fault("", "", "", "more faults", "the first ones to be corrected")
"""Stands for those that are not listed."""


def first_of(faults: Iterable[Fault]) -> list[Fault]:
    """The first faults, and one that says so where there are more."""
    found, more = list[Fault](), False
    for fault in faults:
        more = more or fault == MORE or len(found) == MOST_FAULTS
        if len(found) == MOST_FAULTS:
            break
        found += [fault] if fault != MORE else []
    return [*found, MORE] if more else found


LONGEST_SHOWN = 120
"""Number of characters shown of a wrong value."""


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


def missing_part(where: str, module: str, extra: str) -> InputError:
    """The error for an optional part (extra) of the package that is not installed."""
    return InputError([Fault(where, "", "", f"no {module}", f"it: pip install 'strategic-minerals[{extra}]'")])


EXPECTED = {
    "missing": "a value",
    "extra_forbidden": "a known field",
    "greater_than": "more than {gt:.12g}",
    "greater_than_equal": "at least {ge:.12g}",
    "less_than": "less than {lt:.12g}",
    "less_than_equal": "at most {le:.12g}",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "float_parsing": "a plain number such as 374 or 0.5",
    "float_type": "a number",
    "int_parsing": "an integer",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of at most 18 digits",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "date_type": "a date such as 2026-11-25",
    "date_parsing": "a date such as 2026-11-25",
    "date_from_datetime_parsing": "a date such as 2026-11-25",
    "date_from_datetime_inexact": "a date such as 2026-11-25, without a time",
    "literal_error": "one of {expected}",
    "tuple_type": 'a list, such as [2027] or ["gallium"]',
    "list_type": 'a list, such as [2027] or ["gallium"]',
    "too_short": "a list of at least {min_length} (this has {actual_length})",
    "too_long": "a list of at most {max_length} (this has {actual_length})",
    "dict_type": "a table with fields",
    "model_type": "a table with fields",
    "model_attributes_type": "a table with fields",
    "union_tag_invalid": "one of {expected_tags}",
    "union_tag_not_found": "a field {discriminator} that states its kind",
    "is_instance_of": "a {class}",
    "invalid_key": "names that are text",
    "value_error": "{error}",
}
"""Kind of error of pydantic -> what was expected, with what the error knows about it."""
PATTERNS = {
    "^[A-Z]{3}$": "three capital letters, an ISO 3166 code such as AUS",
    "^[A-Z][A-Z]{2}$": "three capital letters, an ISO 4217 code of money such as JPY",
    "^(\\*|[A-Za-z0-9][A-Za-z0-9_.+-]*)$": "`*`, or a name of letters, digits and _ . + - without spaces",
    "^[A-Za-z0-9][A-Za-z0-9_.+-]*$": "a name of letters, digits and _ . + - without spaces",
}
"""Pattern -> what has it, in words."""
SHARE = " (a share: 3 % is 0.03)"
SHARES_END = (0.5, 1)
"""Upper limits of shares and rates."""


def expected(item: Mapping[str, Any]) -> str:
    """What one error of pydantic expected, in plain words, with the choice that is near to what was found."""
    kind, value, about = str(item["type"]), item.get("input"), item.get("ctx", {})
    kind = "list_type" if kind == "is_instance_of" and about["class"] == "Sequence" else kind
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(about["pattern"], "text in another form")
    words = EXPECTED[kind].format(**about) if kind in EXPECTED else str(item["msg"])
    if kind == "literal_error" and isinstance(value, str):
        words += near_miss(value, re.findall(r"'([^']*)'", about["expected"]))
    return words + (SHARE if kind.startswith("less_than") and next(iter(about.values())) in SHARES_END else "")


class MisplacedError(ValueError):
    """Fields of a record that contradict each other: (dotted path, found, expected) of each, raised during validation."""

    def __init__(self, *places: tuple[str, str, str]) -> None:
        self.places = places
        super().__init__("; ".join(f"{path}: {found}; expected {expected}" for path, found, expected in places))


class ReserveError(Exception):
    """Base of all errors that this package raises on purpose."""


BESIDE_THE_ANSWER = (ReserveError, ArithmeticError, LookupError, ValueError)
"""What may go wrong in a table beside an answer: the answer is valid without it."""


class FaultsError(ReserveError):
    """A file is wrong. `faults` lists up to a hundred faults, and that there are more."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(first_of(faults))
        listed = [fault for fault in self.faults if fault != MORE]
        more = len(listed) < len(self.faults)
        count = f"more than {len(listed)} faults" if more else f"{len(listed)} fault{'s' * (len(listed) != 1)}"
        super().__init__("\n".join([count, *(f"  {fault}" for fault in listed)]))

    def __reduce__(self) -> tuple[type[FaultsError], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


@contextmanager
def gathering(faults: list[Fault]) -> Iterator[None]:
    """Put the faults that some work ends with into a list, so that the next work is looked at too."""
    try:
        yield
    except FaultsError as error:
        faults += error.faults


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
    """Something stopped the work before there was an answer: base of DeadlineError, CancelledError and MemoryLimitError."""


class DeadlineError(StoppedError):
    """The deadline came before there was an answer; `outcome.reason` is `time_limit`."""


class CancelledError(StoppedError):
    """Somebody cancelled the work; `outcome.reason` is `interrupted`."""


class MemoryLimitError(StoppedError):
    """The work needed more memory than it was allowed; `outcome.reason` is `out_of_memory`."""


STOPPED: Mapping[str, type[StoppedError]] = {
    "time_limit": DeadlineError,
    "interrupted": CancelledError,
    "out_of_memory": MemoryLimitError,
}


def stopped(message: str, outcome: Outcome) -> StoppedError:
    """The error of work that something has ended, by the reason."""
    return STOPPED.get(outcome.reason, StoppedError)(message, outcome)


OVERRIDES = "overrides"
"""File of the fault of a value that was put into a plan; the command line calls it `--set`."""


class UntrustedError(ReserveError):
    """An answer exists and must not be used: failed audit, failed solver self-test, or status disagreement."""


# The one format of what the package writes and reads again: plans, tables, run folders, studies, the service's store.
FORMAT = 1


def format_fault(file: str, row: str, column: str, stated: object) -> Fault | None:
    """The fault of a file of another format; None where it is of this one. stated: what the file says; None: nothing."""
    if type(stated) is int and stated == FORMAT:
        return None
    found = "nothing" if stated is None else f"format {shown(stated)}"
    return Fault(file, row, column, found, f"format {FORMAT}, the only one that this version reads")
