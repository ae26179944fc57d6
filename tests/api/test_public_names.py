"""The public names: each loads from where the stub says, and importing the package alone loads nothing heavy."""

import inspect
import subprocess
import sys

import pytest

import strategic_minerals
from conftest import environment


def test_every_public_name_loads_and_says_what_it_is() -> None:
    """Proves: names of the stub exist where it says, have a docstring, and functions state the kind of each parameter."""
    silent = []
    for name in strategic_minerals.__all__:
        found = getattr(strategic_minerals, name)
        if not inspect.getdoc(found):
            silent.append(name)
        if inspect.isfunction(found):
            unstated = [p.name for p in inspect.signature(found).parameters.values() if p.annotation is p.empty]
            silent += [f"{name}({parameter})" for parameter in unstated]
    assert silent == []
    assert dir(strategic_minerals) == sorted(strategic_minerals.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = strategic_minerals.nothing


def test_importing_the_package_is_quick() -> None:
    """Proves: neither pandas nor Pyomo nor the solver is loaded before a name is used."""
    script = "import sys, strategic_minerals; print([m for m in ('pandas', 'pyomo', 'highspy', 'typer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.strip() == "[]"
