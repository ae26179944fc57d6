"""Verbs: functions whose signature is the only statement of their options.

An option is a keyword with `Annotated[type, Field(ge=..., description=...)]` and a default. Limits hold for calls from Python as
for the command line and the service, which read the same signature."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .errors import Fault, InputError, expected, shown
from .runner import HERE

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class FromFile:
    """Marks an option that the command line takes as the path of a file. read: its content as a value of the option. beside: the
    file of the run folder that it is where none is named; empty: none."""

    read: Callable[[Path], Any]
    beside: str = ""


Gap = Annotated[float, Field(ge=0, lt=1, description="Relative optimality gap of every solve (0.001: 0.1 %).")]
GAP = 1e-3
"""Gap where none is asked for."""
Confidence = Annotated[float, Field(gt=0, lt=1, description="Confidence of the intervals (0.95: 95 %).")]
Seed = Annotated[int, Field(ge=0, lt=2**32, description="Random seed.")]

MADE_BY = {"Plan": "load_plan", "Dataset": "load_dataset", "Result": "Result.load", "Runner": "Runner"}
"""Kind of what functions build on -> what makes it."""
WORDS = {"str": "text", "int": "an integer", "float": "a number", "Path": "a path", "DataFrame": "a data frame"}
WORDS |= {"Callable": "a function", "NoneType": "none", "Sequence": "a list", "Mapping": "values by name (text)"}
"""Kind of value -> what faults call it."""
WIDER: dict[Any, Any] = {Path: PathLike, int: Integral, float: Real, tuple: Sized, bool: (bool, np.bool_)}
"""Kind that signatures state -> what does as well."""
HINTS = functools.cache(functools.partial(get_type_hints, include_extras=True))
"""Kinds that a function's signature states, by parameter."""


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the kind that a signature states, with the entries of lists and mappings. An array is a list, too."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Sequence:
        listed = (
            isinstance(value, Sized) and getattr(value, "ndim", 1) > 0 and not isinstance(value, str | bytes | Mapping)
        )
        return listed and (parts[0] is Any or all(fits(one, parts[0]) for one in iter(value)))
    if origin is Mapping:
        return isinstance(value, Mapping) and all(fits(k, parts[0]) and fits(v, parts[1]) for k, v in value.items())
    plain = WIDER.get(origin or kind, origin or kind)
    return plain is Any or not isinstance(plain, type | tuple) or isinstance(value, plain)


def in_words(kind: Any) -> str:
    """A kind as faults state it, with what makes one."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(map(in_words, parts))
    name = (origin or kind).__name__
    inner = f", each {in_words(parts[-1])}" if origin in (Sequence, Mapping) and parts[-1] is not Any else ""
    made = f" ({MADE_BY[name]}(...) makes one)" if name in MADE_BY else ""
    return f"{WORDS.get(name, f'a {name}')}{inner}{made}"


def kind_faults(function: Callable[..., Any], given: Mapping[str, Any]) -> list[Fault]:
    """Faults of arguments that are of another kind than the signature states; options have limits of their own (`checked`)."""
    asked = {name: kind for name, kind in HINTS(function).items() if name in given and field_of(kind) is None}
    wrong: list[tuple[str, Any, Any]] = []
    for name, kind in asked.items():
        value, of = given[name], get_args(kind)[-1:] if get_origin(kind) is Mapping else ()
        entries = value.items() if of and isinstance(value, Mapping) else ()
        of_entries = [(f"{name}[{shown(key)}]", entry, *of) for key, entry in entries if not fits(entry, *of)]
        wrong += of_entries or [(name, value, kind)] * (not fits(value, kind))
    return [Fault(function.__name__, "", place, shown(value), in_words(kind)) for place, value, kind in wrong]


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """Check a function's options and run it under its `Runner`.

    Raises InputError for values outside the limits that the signature states, all at once."""

    parameters = inspect.signature(function).parameters.values()
    places = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]

    @functools.wraps(function)
    def called(*given: P.args, **options: P.kwargs) -> R:
        named: dict[str, Any] = dict(zip(places, given, strict=False))
        if options.get("run", HERE) is None:
            del options["run"]
        every = {**named, **options}
        valid = checked(function, every, faults=kind_faults(function, every))
        first: Any = [valid.pop(name, value) for name, value in named.items()]
        first += given[len(first) :]
        run: Any = options.get("run", HERE) if "run" in HINTS(function) else HERE  # `in_child` passes one on
        with run.started():
            return function(*first, **{**options, **valid})

    return called


@functools.cache
def options_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Options by name: keywords with their annotation resolved; without the runner."""
    hints = HINTS(function)
    parameters = inspect.signature(function).parameters.values()
    return {
        one.name: one.replace(annotation=hints[one.name])
        for one in parameters
        if one.name != "run" and field_of(hints.get(one.name)) is not None
    }


def field_of(annotation: Any) -> FieldInfo | None:
    """What an annotation states of an option; None where it states nothing."""
    if get_origin(annotation) is not Annotated:
        return None
    return next((one for one in get_args(annotation) if isinstance(one, FieldInfo)), None)


def checked(
    function: Callable[..., Any], given: Mapping[str, Any], where: str = "", faults: Iterable[Fault] = ()
) -> dict[str, Any]:
    """Options with their values validated. where: what the faults name as their place; the function's name if empty. faults: those
    that are known already.

    Raises InputError with a fault for each value outside its limits."""
    found: dict[str, Any] = {}
    faults = [*faults]
    for name, option in options_of(inspect.unwrap(function)).items():
        if name not in given:
            continue
        try:
            found[name] = _adapter(function, name, option.annotation).validate_python(given[name])
        except ValidationError as error:
            for one in error.errors(include_url=False):
                place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in one["loc"])
                faults.append(Fault(where or function.__name__, "", name + place, shown(one["input"]), expected(one)))
    if faults:
        raise InputError(faults)
    return found


_ADAPTERS: dict[tuple[Any, str], TypeAdapter[Any]] = {}


def _adapter(function: Callable[..., Any], name: str, annotation: Any) -> TypeAdapter[Any]:
    key = (inspect.unwrap(function), name)
    if key not in _ADAPTERS:
        plain = get_args(annotation)[0]
        has_own = isinstance(plain, type) and issubclass(plain, BaseModel)  # pydantic refuses a second configuration
        _ADAPTERS[key] = TypeAdapter(annotation, config=None if has_own else ConfigDict(arbitrary_types_allowed=True))
    return _ADAPTERS[key]
