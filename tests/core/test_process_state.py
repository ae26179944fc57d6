"""What a process shares between solves: nothing that one solve does is seen by another, and what stays is listed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strategic_minerals
from conftest import environment
from strategic_minerals.matrix.assembly import Assembly
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


# --- what is of the whole process is listed -----------------------------------------------------------------------------------

PACKAGE = Path(strategic_minerals.__file__).parent
CHANGING = re.compile(
    r"append(left)?|add|pop(left|item)?|update|setdefault|clear|extend|remove|insert|discard|move_to_end"
)
CONTAINERS = re.compile(r"list|dict|set|OrderedDict|defaultdict|deque|Counter|ChainMap|Weak(Key|Value)Dictionary|count")
SHARED = re.compile(r"R?Lock|(Bounded)?Semaphore|Condition|Event|local|ContextVar|Typer|Verbs|.*[dD]ispatch.*")
MODULES = {"gc", "signal", "warnings", "ctypes", "atexit", "locale", "faulthandler", "tracemalloc"}
"""Whatever of these is used is of the process."""
CALLS = re.compile(
    r"os\.(dup2?|putenv|unsetenv|umask|chdir|nice|_exit|environb?)|resource\.setrlimit|sys\.setrecursionlimit"
    r"|csv\.field_size_limit|(np\.)?random\.seed|np\.(seterr|set_printoptions)|pd\.set_option|object\.__setattr__"
    r"|logging\.(basicConfig|disable|setLogRecordFactory|captureWarnings)"
)
METHODS = {"addHandler", "setLevel", "data_transformers", "renderers"}
ARRAYS = {f.name for f in fields(Assembly)} | {"assembly", "structure", "instance", "scenarios", "plan", "data"}
"""What a frozen problem is made of: nobody writes into it."""


def dotted(node: ast.AST | None) -> list[str]:
    """The names of a dotted one from its root on, without subscripts and arguments."""
    names: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        names += [node.attr] if isinstance(node, ast.Attribute) else []
        node = node.func if isinstance(node, ast.Call) else node.value
    return [node.id if isinstance(node, ast.Name) else "", *reversed(names)]


def targets(node: ast.AST) -> list[ast.expr]:
    found = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return [child for target in found if target is not None for child in getattr(target, "elts", [target])]


def assigned(body: list[ast.stmt]) -> dict[str, ast.expr | None]:
    """Name -> value of the assignments of a module or a class."""
    nodes = [node for node in body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return {dotted(target)[-1]: node.value for node in nodes for target in targets(node)}


def is_held(name: str, value: ast.expr | None) -> bool:
    """Whether a value is there to be changed: an empty container, a lock, a context variable, a dispatcher."""
    if isinstance(value, ast.Call):
        made = dotted(value.func)[-1]
        if SHARED.fullmatch(made) or (CONTAINERS.fullmatch(made) and not value.args):
            return True
    filled = getattr(value, "elts", None) or getattr(value, "keys", None)
    empty = isinstance(value, ast.List | ast.Dict | ast.Set) and not filled
    return empty or (value is not None and "dispatcher" in name)


def unbounded(decorator: ast.expr) -> bool:
    """Whether it caches without a bound."""
    name = dotted(decorator)[-1]
    sizes = [] if not isinstance(decorator, ast.Call) else [*decorator.args, *(w.value for w in decorator.keywords)]
    return name == "cache" or (
        name == "lru_cache" and any(isinstance(size, ast.Constant) and size.value is None for size in sizes)
    )


def switched(node: ast.AST) -> set[str]:
    """What of the whole process a single node uses."""
    match node:
        case ast.Global():
            return set(node.names)
        case ast.Import():
            return {alias.name for alias in node.names} & MODULES
        case ast.ImportFrom():
            return {node.module or ""} & MODULES if not node.level else set()
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return {node.name} if any(map(unbounded, node.decorator_list)) else set()
        case ast.Attribute(ctx=ast.Load()):
            name = ".".join(dotted(node))
            return ({name} if CALLS.fullmatch(name) else set()) | ({node.attr} & METHODS)
    return set()


def changed(node: ast.AST) -> tuple[str, bool]:
    """(name, whether it is somebody's problem) of what a node changes by a method or by an item; empty for none."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return (node.func.value.id, False) if CHANGING.fullmatch(node.func.attr) else ("", False)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
        into = [target.value for target in targets(node) if isinstance(target, ast.Subscript)]
        for names in (dotted(of) for of in into if isinstance(of, ast.Name | ast.Attribute)):
            if len(names) == 1:
                return names[0], False
            if names[0] != "self" and ARRAYS & set(names[1:]):
                return names[0], True
    return "", False


def own_names(function: ast.AST) -> set[str]:
    """Arguments of a function, and what it assigns."""
    arguments = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return arguments | {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def shared(source: str) -> set[str]:
    """What a module has or does that is of the whole process."""
    tree = ast.parse(source)
    top = set(assigned(tree.body))
    top |= {one.asname or one.name for node in tree.body if isinstance(node, ast.ImportFrom) for one in node.names}
    found = set[str]()
    nodes: list[tuple[ast.AST, ast.AST | None]] = [(tree, None)]
    for node, function in nodes:  # which grows
        within = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) else function
        nodes += [(child, within) for child in ast.iter_child_nodes(node)]
        found |= switched(node)
        if isinstance(node, ast.Module | ast.ClassDef):
            found |= {name for name, value in assigned(node.body).items() if is_held(name, value)}
        name, part = changed(node) if function is not None else ("", False)
        if part or (name in top and function is not None and name not in own_names(function)):
            found.add(name)
    return found


@pytest.mark.long
def test_what_is_of_the_whole_process_is_listed_and_nothing_else_is() -> None:
    """Proves: every lock, cache without a bound, container that a function changes, switch of the interpreter or the system and
    array of a problem that is written into stands in the package's README with what bounds it; and what stands there is so."""
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {name}"
        for path in PACKAGE.rglob("*.py")
        for name in shared(path.read_text(encoding="utf-8"))
    }
    page = (PACKAGE / "README.md").read_text(encoding="utf-8")
    held = page.split("<!-- state: held by a test -->")[1].split("<!-- state: end -->")[0].splitlines()
    rows = [row.strip("| ").split(" | ") for row in held if row.startswith("| `")]
    assert found == {name for row in rows for name in re.findall(r"`([^`]+: [^`]+)`", row[0])}
    assert all(len(row) == 3 for row in rows)


def test_the_list_would_name_a_new_one_and_names_nothing_that_is_nobodys() -> None:
    """Proves: what the list is for is found; constants, bounded caches, own copies and an object's own attributes need no entry."""
    for code, name in (
        ("SEEN = []", "SEEN"),
        ("SEEN: dict[str, int] = {}", "SEEN"),
        ("SEEN = OrderedDict[str, int]()", "SEEN"),
        ("class A:\n    seen = set()", "seen"),
        ("KNOWN = {'a': 1}\ndef f(x):\n    KNOWN[x] = 2", "KNOWN"),
        ("from .other import KNOWN\ndef f(x):\n    KNOWN.append(x)", "KNOWN"),
        ("def f():\n    global count\n    count = 1", "count"),
        ("@functools.cache\ndef f(x): ...", "f"),
        ("@functools.lru_cache(None)\ndef f(x): ...", "f"),
        ("@lru_cache(maxsize=None)\ndef f(x): ...", "f"),
        ("LOCK = threading.Lock()", "LOCK"),
        ("import gc", "gc"),
        ("def f():\n    from warnings import simplefilter", "warnings"),
        ("def f():\n    os.environ['A'] = '1'", "os.environ"),
        ("def f(x):\n    object.__setattr__(x, 'a', 1)", "object.__setattr__"),
        ("def f(problem):\n    problem.assembly.row_upper[:] += 1.0", "problem"),
        ("def f():\n    logging.getLogger('a').setLevel(1)", "setLevel"),
    ):
        assert name in shared(code), code
    for code in (
        "KNOWN = {'a': 1}\ndef f(x):\n    return KNOWN[x]",
        "KNOWN = {'a': 1}\ndef f():\n    KNOWN = {}\n    KNOWN['b'] = 2",
        "@lru_cache(maxsize=10)\ndef f(x): ...",
        "class A:\n    def f(self):\n        self.upper[0] = 1.0",
        "def f(upper):\n    mine = upper.copy()\n    mine[0] = 1.0",
        "NAMES = dict.fromkeys(('a', 'b'))",
    ):
        assert shared(code) == set(), code


# --- what is switched for a moment --------------------------------------------------------------------------------------------


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
