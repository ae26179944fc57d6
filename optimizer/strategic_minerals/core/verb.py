"""Verbs: functions whose signature is the only statement of their options.

An option is a keyword with `Annotated[type, Field(ge=..., description=...)]` and a default. Limits hold for calls from Python as
for the command line and the service, which read the same signature."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

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
Confidence = Annotated[float, Field(gt=0, lt=1, description="Confidence of the intervals (0.95: 95 %).")]
Seed = Annotated[int, Field(ge=0, lt=2**32, description="Random seed.")]


MADE_BY = {
    "plan": ("Plan", "load_plan"),
    "data": ("Dataset", "load_dataset"),
    "result": ("Result", "load_result"),
    "run": ("Runner", "Runner"),
}
"""What verbs build on -> its kind, and what makes it."""


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """Check a function's options and run it under its `Runner`.

    Raises InputError for values outside the limits that the signature states, all at once."""

    every = inspect.signature(function).parameters.values()
    places = [one.name for one in every if one.kind is one.POSITIONAL_OR_KEYWORD]

    @functools.wraps(function)
    def called(*given: P.args, **options: P.kwargs) -> R:
        named: dict[str, Any] = dict(zip(places, given, strict=False))
        faults: list[Fault] = []
        for name, value in {**named, **options}.items():
            asked, (kind, maker) = function.__annotations__.get(name), MADE_BY.get(name, ("", ""))
            kinds = [one.__name__ for one in type(value).__mro__]
            if getattr(asked, "__name__", asked) == kind and kind not in kinds and (name, value) != ("run", None):
                stated = f"a {kind}: {maker}(...) makes one"
                faults.append(Fault(function.__name__, "", name, shown(value), stated))
        valid = checked(function, {**named, **options}, faults=faults)
        first: Any = [valid.pop(name, value) for name, value in named.items()]
        first += given[len(first) :]
        run: Any = options.get("run") or HERE
        with run.started():
            return function(*first, **{**options, **valid})

    return called


@functools.cache
def options_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Options by name: keywords with their annotation resolved; without the runner."""
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    return {
        one.name: one.replace(annotation=hints[one.name])
        for one in parameters
        if one.name != "run" and field_of(hints[one.name]) is not None
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
