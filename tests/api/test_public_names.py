"""The public API: sorted, complete, lazy, documented; what its functions take and give is itself public."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import strategic_minerals
from conftest import environment
from strategic_minerals import Dataset, Plan

PUBLIC = {name: getattr(strategic_minerals, name) for name in strategic_minerals.__all__}
FUNCTIONS = sorted(name for name, named in PUBLIC.items() if inspect.isfunction(named))
CLASSES = sorted(name for name, named in PUBLIC.items() if inspect.isclass(named))
QUESTION = (Plan, Dataset)
"""Their parts, fields of a plan and rows of tables, are described by the schemas, not by names."""


def parts(hint: Any) -> Iterator[Any]:
    """A type and the types inside it: of unions, collections, callables."""
    yield hint
    for inside in typing.get_args(hint):
        yield from (one for each in (inside if isinstance(inside, list) else [inside]) for one in parts(each))


def ours(hints: typing.Iterable[Any]) -> set[str]:
    """Names of the classes of this package among some types."""
    found = {one for hint in hints for one in parts(hint) if inspect.isclass(one)}
    return {one.__name__ for one in found if one.__module__.partition(".")[0] == "strategic_minerals"}


def members(named: type) -> Iterator[tuple[str, Any]]:
    """(name, function) of what a class of this package gives beside its fields; what it inherits from other packages left out."""
    for base in named.__mro__:
        if base.__module__.partition(".")[0] != "strategic_minerals":
            continue
        for name, value in vars(base).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if not name.startswith("_") and inspect.isfunction(function):
                yield name, function


def test_names_are_sorted_and_told_in_three_places_alike() -> None:
    """Proves: `__all__`, the table of lazy homes and what type checkers see are the same names, from the same modules."""
    package = Path(strategic_minerals.__file__)
    assert strategic_minerals.__all__ == sorted(set(strategic_minerals.__all__))
    assert list(strategic_minerals._HOME) == strategic_minerals.__all__
    checked = {
        alias.name: node.module
        for node in ast.walk(ast.parse(package.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert checked == strategic_minerals._HOME
    assert dir(strategic_minerals) == strategic_minerals.__all__
    assert {*FUNCTIONS, *CLASSES} == set(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_name_comes_from_where_it_is_said_to(name: str) -> None:
    assert PUBLIC[name].__module__ == f"strategic_minerals.{strategic_minerals._HOME[name]}"
    assert PUBLIC[name].__name__ == name


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Proves: names are there at once, what they need is loaded as they are used."""
    code = (
        "import sys, strategic_minerals as s\nassert 'solve' in dir(s)\nfrom strategic_minerals import Fault\n"
        "heavy = {'pyomo', 'highspy', 'pandas', 'scipy', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'solved'"):
        strategic_minerals.solved  # noqa: B018


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_public_function_takes_and_gives_is_public(name: str) -> None:
    hints = typing.get_type_hints(PUBLIC[name])
    assert set(hints) == {*inspect.signature(PUBLIC[name]).parameters, "return"}
    assert ours(hints.values()) <= set(PUBLIC)


@pytest.mark.parametrize("name", CLASSES)
def test_what_a_public_class_holds_is_public(name: str) -> None:
    """Proves: fields of what is given back, and what its methods take and give; the parts of a question apart."""
    named = PUBLIC[name]
    if named in QUESTION:
        return
    hints = list(typing.get_type_hints(named).values()) if dataclasses.is_dataclass(named) else []
    for _, function in members(named):
        hints += typing.get_type_hints(function).values()
    assert ours(hints) - {named.__name__} <= set(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_and_its_methods_are_documented(name: str) -> None:
    named = PUBLIC[name]
    told = inspect.getdoc(named) or ""
    assert told, name
    assert not told.startswith(f"{name}("), name  # what dataclasses write by themselves
    if inspect.isclass(named):
        assert [of for of, function in members(named) if not inspect.getdoc(function)] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_docstring_of_a_public_function_tells_its_options_and_errors(name: str) -> None:
    """Proves: every argument beside plan, tables and result has a sentence of its own (`gap: ...`), and every function says what it
    raises, or that it raises nothing."""
    told = inspect.getdoc(PUBLIC[name]) or ""
    for argument in inspect.signature(PUBLIC[name]).parameters:
        if argument not in ("plan", "data", "result"):
            assert re.search(rf"(?<![\w`]){argument}(, \w+)*:\s", told), argument
    assert re.search(r"\bRaises\b", told), name
