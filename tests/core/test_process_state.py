"""What a process shares between solves: nothing that one solve does is seen by another."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from conftest import environment
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.page.charts import all_rows
from strategic_minerals.solver import highs as runtime
from strategic_minerals.solver.optimise import optimise
from strategic_minerals.solver.stages import with_reference
from support.tiny import offer, source, tiny


def diversified() -> tuple[Any, Any]:
    """Half of the demand has to come from home, which makes next to nothing: the reference caps shortfall on the trunk."""
    return tiny(
        {"x": 60.0},
        sources={"far": source("CHN", "x", 6.0), "near": source("USA", "x", 2.0)},
        demand={"x": 10.0},
        loss=340.0,
        offers={"spot": offer("x", 3.0)},
        diversification=[
            {
                "material": "x",
                "kind": "least_share",
                "group": "home",
                "share": 0.2,
                "from_year": 2027,
                "penalty_usd_per_kg": 5.0,
            }
        ],
    )


def test_a_problem_that_was_solved_is_as_it_was_before() -> None:
    """Proves: limits that are measured against the reference stand in a problem of their own; the frozen one keeps its arrays, so
    that two threads may solve it, and a second solve finds what the first one found."""
    problem = prepare(*diversified())
    arrays = {name: held for name, held in vars(problem.assembly).items() if isinstance(held, np.ndarray)}
    before = {name: held.copy() for name, held in arrays.items()}
    limited, z0 = with_reference(problem, 60.0)
    assert not np.array_equal(limited.assembly.row_upper, before["row_upper"])
    assert limited.assembly.value is problem.assembly.value  # a copy of one array, not of the matrix
    first, second = (optimise(problem, gap=0.0, time_limit_s=60.0) for _ in range(2))
    assert all(getattr(problem.assembly, name) is held for name, held in arrays.items())
    assert all(np.array_equal(before[name], held) for name, held in arrays.items())
    assert np.array_equal(first.z0, z0)
    assert np.array_equal(first.x, second.x)


def test_the_banner_is_kept_and_what_others_write_meanwhile_is_not() -> None:
    """Proves: while the first HiGHS of a process prints its banner, what other threads write and what processes that they start
    write comes through, and C's standard output is there again afterwards."""
    code = (
        "import ctypes, os, subprocess, highspy\nfrom strategic_minerals.solver import highs as runtime\n"
        "c, real = ctypes.CDLL(None), highspy.Highs\n"
        "def first():\n"
        "    os.write(1, b'mine\\n')\n"
        "    subprocess.run(['echo', 'child'], check=True)\n"
        "    return real()\n"
        "runtime.highspy.Highs = first\n"
        "runtime.instance()\nruntime.highspy.Highs = real\nruntime.instance()\n"
        "c.printf(b'after\\n'); c.fflush(None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout.splitlines() == ["mine", "child", "after"]


def test_elsewhere_the_banner_is_kept_too(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Proves: where C's standard output is no variable, the descriptor is put back after the first instance."""
    monkeypatch.setattr(runtime, "_greeted", [])
    monkeypatch.setattr(runtime, "_is_glibc", lambda: False)
    before = os.fstat(1).st_ino
    runtime.instance()
    assert os.fstat(1).st_ino == before
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "after\n"


def test_a_report_leaves_altairs_limit_as_it_was() -> None:
    """Proves: an application with charts of its own keeps the limit of rows that it has."""
    import altair
    import pandas as pd

    before = altair.data_transformers.active, dict(altair.data_transformers.options)
    chart = altair.Chart(pd.DataFrame({"a": range(6000)})).mark_point().encode(x="a:Q")
    with all_rows():
        assert len(next(iter(chart.to_dict()["datasets"].values()))) == 6000
    assert (altair.data_transformers.active, dict(altair.data_transformers.options)) == before
    with pytest.raises(altair.MaxRowsError):
        chart.to_dict()
