"""Every verb, once: its function, what it builds on, what it leaves.

Command line, job requests, results, the service's description and the end-to-end tests are read from this table and from the
functions' signatures. To add a verb: its function with `core.verb.verb`, a line here, its words, its test."""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from .core.errors import EXIT_INFEASIBLE, EXIT_UNTRUSTED
from .core.verb import options_of

Of = Literal["plan", "homes", "run", "folder", "runs", "rows"]
"""What a verb takes first. plan: a plan and its tables; homes: a plan of several homes and the tables of each; run: a solved plan;
folder: a run folder as it lies there; runs: several solved plans; rows: a stored study with a row for each case."""


@dataclass(frozen=True)
class Verb:
    """A verb and where its function is."""

    name: str
    where: str
    of: Of
    makes_plan: bool = False
    """It gives a plan, which has a run folder, and others may build on it."""
    has_rows: bool = False
    """It gives a row for each case, and scenario discovery may build on it."""
    resumes: bool = False
    """It keeps finished parts in the runner's store, and a stopped one goes on."""
    checked: bool = True
    """Of a plan: a fault of plan or tables fails it."""
    must: tuple[str, int] | None = None
    """A fact of the answer that should hold, and the exit code of the command where it does not."""

    @property
    def function(self) -> Callable[..., Any]:
        """The function; its room is imported now."""
        module, name = self.where.rsplit(".", 1)
        found: Callable[..., Any] = getattr(import_module(f"{__package__}.{module}"), name)
        return found

    @property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """Options by name, as the signature states them."""
        return options_of(inspect.unwrap(self.function))

    @property
    def asks(self) -> bool:
        """Whether it builds on a plan and its tables."""
        return self.of in ("plan", "homes")

    @property
    def has_report(self) -> bool:
        """Whether there is a plan to report on."""
        return self.makes_plan or self.of in ("run", "folder", "runs")

    @property
    def long(self) -> bool:
        """Whether it takes a `Runner`: it may run long."""
        return "run" in inspect.signature(self.function).parameters

    @property
    def help(self) -> str:
        """What it does: the first paragraph of the function's docstring, read without importing its room."""
        *rooms, module, name = self.where.split(".")
        source = Path(__file__).parent.joinpath(*rooms, f"{module}.py").read_text(encoding="utf-8")
        begin = source.index(f"\ndef {name}(")  # to parse the whole file takes 30 times as long
        (function,) = ast.parse(source[begin:].partition("\n\n\n")[0]).body
        assert isinstance(function, ast.FunctionDef)
        text = ast.get_docstring(function) or ""
        return " ".join(text.split("\n\n")[0].split())


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("solve", "studies.solve.solve", "plan", makes_plan=True),
        Verb("sweep", "studies.sweep_file.sweep_study", "plan", has_rows=True, resumes=True),
        Verb("frontier", "studies.frontier.frontier", "plan"),
        Verb("diagnose", "studies.diagnosis.diagnose", "plan", must=("possible", EXIT_INFEASIBLE)),
        Verb("origins", "studies.cases.origin_costs", "plan"),
        Verb("controls", "studies.cases.control_cases", "plan"),
        Verb("requirements", "studies.cases.published_requirements", "plan"),
        Verb("deals", "studies.deals.deals", "plan"),
        Verb("regret", "studies.regret.least_regret", "plan", makes_plan=True),
        Verb("losses", "studies.cases.loss_replay", "plan", checked=False),
        Verb("scenarios", "studies.outlook.scenario_outlook", "plan"),
        Verb("missing", "studies.cases.complete", "plan", checked=False),
        Verb("together", "studies.coalitions.coalitions", "homes"),
        Verb("stress", "studies.stress.stress_test", "run", has_rows=True),
        Verb("reverse", "studies.stress.reverse_stress", "run"),
        Verb("explain", "studies.explain.explain", "run"),
        Verb("score", "studies.score.score", "run"),
        Verb("rules", "studies.rules.compare_rules", "run"),
        Verb("stockpile", "studies.cases.stockpile_report", "run"),
        Verb("simulate", "studies.simulate.simulate", "run", resumes=True),
        Verb("roll", "studies.roll.roll", "run", makes_plan=True),
        Verb("verify", "answer.verification.verify", "folder", must=("verified", EXIT_UNTRUSTED)),
        Verb("compare", "page.compare.compare", "runs"),
        Verb("discover", "studies.discovery.discover", "rows"),
    )
}
