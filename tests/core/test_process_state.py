"""What a process shares between solves: nothing that one solve does is seen by another, and what stays is listed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strategic_minerals
from conftest import environment
from strategic_minerals.matrix.assembly import Assembly
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.page.charts import all_rows
from strategic_minerals.question.names import read_axis
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


def arrays(assembly: Assembly) -> dict[str, Any]:
    """A copy of every array of a model."""
    assert is_dataclass(assembly)
    return {
        f.name: getattr(assembly, f.name).copy()
        for f in fields(assembly)
        if isinstance(getattr(assembly, f.name), np.ndarray)
    }


def test_a_problem_that_was_solved_is_as_it_was_before() -> None:
    """Proves: limits that are measured against the reference stand in a problem of their own; the frozen one keeps its arrays, so
    that two threads may solve it, and a second solve finds what the first one found."""
    problem = prepare(*diversified())
    before = arrays(problem.assembly)
    limited, z0 = with_reference(problem, 60.0)
    assert not np.array_equal(limited.assembly.row_upper, before["row_upper"])
    assert limited.assembly.value is problem.assembly.value  # a copy of one array, not of the matrix
    first = optimise(problem, gap=0.0, time_limit_s=60.0)
    second = optimise(problem, gap=0.0, time_limit_s=60.0)
    after = arrays(problem.assembly)
    assert all(np.array_equal(before[name], after[name]) for name in before)
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
METHODS = ("addHandler", "setLevel", "data_transformers", "renderers")
ARRAYS = {f.name for f in fields(Assembly)} | {"assembly", "structure", "instance", "scenarios", "plan", "data"}
"""What a frozen problem is made of: nobody writes into it."""


def last(node: ast.AST) -> str:
    """The last name of a dotted one, without subscript."""
    node = node.value if isinstance(node, ast.Subscript) else node
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def root(node: ast.AST) -> str:
    """The first name of a dotted one."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def targets(node: ast.AST) -> list[ast.expr]:
    found = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return [child for target in found if target is not None for child in getattr(target, "elts", [target])]


def held(tree: ast.Module) -> set[str]:
    """Names of modules and classes that hold what can be changed: empty containers, locks, context variables, dispatchers."""
    found = set()
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    for node in (node for body in bodies for node in body if isinstance(node, ast.Assign | ast.AnnAssign)):
        names = {last(target) for target in targets(node)}
        if node.value is not None and (is_held(node.value) or any("dispatcher" in name for name in names)):
            found |= names
    return found


def is_held(value: ast.expr) -> bool:
    """Whether a value is there to be changed: an empty container, a lock, a context variable."""
    if isinstance(value, ast.Call):
        made = last(value.func)
        return bool(SHARED.fullmatch(made) or (CONTAINERS.fullmatch(made) and not value.args))
    filled = getattr(value, "elts", None) or getattr(value, "keys", None)
    return isinstance(value, ast.List | ast.Dict | ast.Set) and not filled


def shared(tree: ast.Module) -> set[str]:
    """What a module has or does that is of the whole process."""
    top = {
        last(target) for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) for target in targets(node)
    }
    top |= {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    found = held(tree) | ({of for node in ast.walk(tree) for of in imported(node)} & MODULES)
    inside = {
        id(child): of for of in ast.walk(tree) if isinstance(of, FUNCTIONS) for child in ast.walk(of) if child is not of
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            found |= set(node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = ast.unparse(node)
            found |= {name} if CALLS.fullmatch(name) else set()
            found |= {node.attr} & set(METHODS)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(unbounded, node.decorator_list)):
            found.add(node.name)
        if id(node) in inside and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = node.func.value
            if (
                isinstance(of, ast.Name)
                and of.id in top
                and CHANGING.fullmatch(node.func.attr)
                and not local(inside[id(node)], of.id)
            ):
                found.add(of.id)
        if id(node) in inside and isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            found |= {name for target in targets(node) if (name := written(target, top, inside[id(node)]))}
    return found


def imported(node: ast.AST) -> list[str]:
    """Modules that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [] if node.level or node.module is None else [node.module]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def unbounded(decorator: ast.expr) -> bool:
    """Whether it caches without a bound."""
    if last(decorator) == "cache":
        return True
    if not isinstance(decorator, ast.Call):
        return False  # `@lru_cache` alone keeps 128
    sizes = [*decorator.args, *(word.value for word in decorator.keywords if word.arg == "maxsize")]
    return last(decorator.func) == "lru_cache" and any(isinstance(s, ast.Constant) and s.value is None for s in sizes)


def local(function: ast.AST, name: str) -> bool:
    """Whether a name is the function's own."""
    arguments = {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}
    assigned = {
        child.id for child in ast.walk(function) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)
    }
    return name in arguments | assigned


def written(target: ast.expr, top: set[str], function: ast.AST) -> str:
    """The module's container, or the part of somebody's problem, that an assignment writes into; empty for none."""
    if not isinstance(target, ast.Subscript):
        return ""
    if isinstance(target.value, ast.Name):
        name = target.value.id
        return name if name in top and not local(function, name) else ""
    if isinstance(target.value, ast.Attribute) and root(target) != "self":
        return root(target) if ARRAYS & set(ast.unparse(target.value).split(".")[1:]) else ""
    return ""


def found_in(source: str) -> set[str]:
    return shared(ast.parse(source))


def test_what_is_of_the_whole_process_is_listed_and_nothing_else_is() -> None:
    """Proves: every lock, cache without a bound, container that a function changes, switch of the interpreter or the system and
    array of a problem that is written into stands in the package's README with what bounds it; and what stands there is so."""
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {name}"
        for path in PACKAGE.rglob("*.py")
        for name in found_in(path.read_text(encoding="utf-8"))
    }
    page = (PACKAGE / "README.md").read_text(encoding="utf-8")
    rows = page.split("<!-- state: held by a test -->")[1].split("<!-- state: end -->")[0].splitlines()
    listed = {
        name for row in rows if row.startswith("| `") for name in re.findall(r"`([^`]+: [^`]+)`", row.split(" | ")[0])
    }
    assert found - listed == set()
    assert listed - found == set()
    assert all(len(row.strip("| ").split(" | ")) == 3 for row in rows if row.startswith("| `"))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("SEEN = []", "SEEN"),
        ("SEEN: dict[str, int] = {}", "SEEN"),
        ("SEEN = OrderedDict[str, int]()", "SEEN"),
        ("class A:\n    seen = set()", "seen"),
        ("KNOWN = {'a': 1}\ndef f(x):\n    KNOWN[x] = 2", "KNOWN"),
        ("KNOWN = {'a': 1}\ndef f(x):\n    KNOWN.update(x)", "KNOWN"),
        ("from .other import KNOWN\ndef f(x):\n    KNOWN.append(x)", "KNOWN"),
        ("def f():\n    global count\n    count = 1", "count"),
        ("@cache\ndef f(x): ...", "f"),
        ("@functools.lru_cache(None)\ndef f(x): ...", "f"),
        ("@lru_cache(maxsize=None)\ndef f(x): ...", "f"),
        ("LOCK = threading.Lock()", "LOCK"),
        ("import gc", "gc"),
        ("def f():\n    os.environ['A'] = '1'", "os.environ"),
        ("def f():\n    os.dup2(1, 2)", "os.dup2"),
        ("def f():\n    from warnings import simplefilter", "warnings"),
        ("def f(x):\n    object.__setattr__(x, 'a', 1)", "object.__setattr__"),
        ("def f(problem):\n    problem.assembly.row_upper[0] = 1.0", "problem"),
        ("def f(problem):\n    problem.assembly.row_upper[:] += 1.0", "problem"),
        ("def f():\n    logging.getLogger('a').setLevel(1)", "setLevel"),
    ],
)
def test_the_list_would_name_a_new_one(source: str, name: str) -> None:
    """Proves: what the list is for is found."""
    assert name in found_in(source)


@pytest.mark.parametrize(
    "source",
    [
        "KNOWN = {'a': 1}\ndef f(x):\n    return KNOWN[x]",
        "KNOWN = {'a': 1}\ndef f():\n    KNOWN = {}\n    KNOWN['b'] = 2",
        "@lru_cache(maxsize=10)\ndef f(x): ...",
        "@cached_property\ndef f(self): ...",
        "class A:\n    def f(self):\n        self.upper[0] = 1.0",
        "def f(upper):\n    mine = upper.copy()\n    mine[0] = 1.0",
        "NAMES = dict.fromkeys(('a', 'b'))",
    ],
)
def test_the_list_names_nothing_that_is_nobodys(source: str) -> None:
    """Proves: constants, bounded caches, own copies and an object's own attributes need no entry."""
    assert found_in(source) == set()


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


def test_figures_that_callers_choose_are_not_remembered_without_a_bound() -> None:
    """Proves: a service that is asked for ever new addresses does not grow by them."""
    for k in range(3000):
        read_axis(f"budget.total_musd {'*' if k % 2 else ''}{' ' * k}")
    assert read_axis.cache_info().currsize <= 1024


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
