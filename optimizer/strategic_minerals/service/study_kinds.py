"""Answers of the kinds of job that are studies: of a question, of a solved plan, of files."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ..core.errors import Fault, FaultsError, InputError, MisplacedError
from .answers import Answer, asked_of, run_of, told, written_run
from .bundles import BUNDLE, unbundled
from .job_folder import REQUEST, ROWS, Folder
from .kind_table import KINDS
from .progress import ProgressReporter
from .questions import EPISODE, first_of, members_of, new_facts, noted_rows, question, sized

Given = Mapping[str, Any]
Answering = Callable[[Folder, Given, Given, ProgressReporter], Answer]


@dataclass(frozen=True)
class Verb:
    """How a study is made: the function, how it tells its progress, and whether a ValueError of it is the caller's."""

    load: Callable[[], Callable[..., Any]]
    tells: Literal["counting", "solving", "phase", ""] = "counting"
    refuses: bool = False

    def run(self, reporter: ProgressReporter, *given: Any, **options: Any) -> Any:
        """Make it. Raises what the function does, a ValueError that is the caller's as InputError."""
        heard = {} if not self.tells else {"on_progress": getattr(reporter, self.tells)}
        try:
            return self.load()(*given, **options, **heard)
        except FaultsError:
            raise
        except MisplacedError as error:
            raise InputError([Fault("body", "", *one) for one in error.places]) from None
        except ValueError as error:
            if not self.refuses:
                raise
            raise InputError([Fault("body", "", "plan", "a plan of another kind", str(error))]) from None


def _frontier() -> Callable[..., Any]:
    from ..analysis.frontier import frontier

    return frontier


def _worth() -> Callable[..., Any]:
    from ..evaluation.value_of_planning import value_of_planning

    return value_of_planning


def _diagnose() -> Callable[..., Any]:
    from ..analysis.diagnosis import diagnose

    return diagnose


def _origins() -> Callable[..., Any]:
    from ..evaluation.origin_costs import origin_costs

    return origin_costs


def _controls() -> Callable[..., Any]:
    from ..evaluation.control_cases import control_cases

    return control_cases


def _requirements() -> Callable[..., Any]:
    from ..evaluation.published_requirements import published_requirements

    return published_requirements


def _deals() -> Callable[..., Any]:
    from ..evaluation.deals import deals

    return deals


def _scenarios() -> Callable[..., Any]:
    from ..evaluation.scenario_outlook import scenario_outlook

    return scenario_outlook


def _missing() -> Callable[..., Any]:
    from ..analysis.completeness import complete

    return complete


def _together() -> Callable[..., Any]:
    from ..evaluation.coalitions import coalitions

    return coalitions


def _losses() -> Callable[..., Any]:
    from ..evaluation.loss_replay import loss_replay

    return loss_replay


def _alternatives() -> Callable[..., Any]:
    from ..analysis.alternatives import alternatives

    return alternatives


def _rules() -> Callable[..., Any]:
    from ..evaluation.rule_comparison import compare_rules

    return compare_rules


def _reverse() -> Callable[..., Any]:
    from ..evaluation.reverse_stress import reverse_stress

    return reverse_stress


def _simulate() -> Callable[..., Any]:
    from ..rolling.simulate import simulate

    return simulate


OF_QUESTION: Mapping[str, Verb] = {
    "frontier": Verb(_frontier),
    "worth": Verb(_worth, "solving", refuses=True),
    "diagnose": Verb(_diagnose, "phase"),
    "origins": Verb(_origins),
    "controls": Verb(_controls),
    "requirements": Verb(_requirements, ""),
    "deals": Verb(_deals),
    "scenarios": Verb(_scenarios, ""),
    "missing": Verb(_missing),
}
OF_RUN: Mapping[str, Verb] = {
    "alternatives": Verb(_alternatives),
    "rules": Verb(_rules, refuses=True),
    "reverse": Verb(_reverse, "", refuses=True),
    "simulate": Verb(_simulate),
}
OTHERS: Mapping[str, Verb] = {"together": Verb(_together), "losses": Verb(_losses, "")}
"""Studies of other arguments than a question or a plan."""


def of_question(kind: str, folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    """A study of a plan and its tables."""
    plan, data = question(folder, request)
    sized(plan, data, int(limits.get("most_columns", 10**9)))
    return told(OF_QUESTION[kind].run(reporter, plan, data, **asked_of(request, limits)))


def of_run(kind: str, folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    """A study of a solved plan."""
    options = asked_of(request, limits)
    if kind == "simulate":
        options["store"] = folder.path / ROWS  # after an interruption it goes on from there
    if kind == "reverse" and options["promises"] is not None:
        from ..data.promises import Promise

        options["promises"] = [Promise.parse(text) for text in options["promises"]]
    return told(OF_RUN[kind].run(reporter, run_of(folder), **options))


def _coalitions(folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    plan, tables = members_of(folder, request)
    sized(*question(folder, request), int(limits.get("most_columns", 10**9)))
    return told(OTHERS["together"].run(reporter, plan, tables, **asked_of(request, limits)))


def _replay(folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    _, data = question(folder, request)
    known = {row.loss_function for row in data.rows("loss_functions")}
    if unknown := [name for name in request["functions"] or () if name not in known]:
        raise InputError([Fault("body", "", "functions", repr(unknown[0]), f"names in {', '.join(sorted(known))}")])
    return told(OTHERS["losses"].run(reporter, data, **asked_of(request, limits)))


def _verify(folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    import pandas as pd

    from ..api.verification import verify

    reporter.phase("solving again")
    found = verify(folder.path / "of" / "0")
    facts = {name: value for name, value in found.to_dict().items() if name not in ("schema_version", "kind")}
    objections = pd.DataFrame({"objection": list(found.objections)}, dtype=object)
    count = len(found.objections)
    said = (
        f"{count} difference{'s' * (count != 1)}: the run does not reproduce" if count else "Verified: nothing differs"
    )
    words = [said, f"Audit of the stored decisions: {'passed' if found.audited.passed else 'failed'}"]
    words += [*found.objections, *(f"Not compared: {what}" for what in found.uncompared)]
    return Answer(said, "\n".join(words), {"verified": not count, **facts}, {"objections": objections})


def _roll(folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    from ..core.logs import kept
    from ..results.study_files import store_study
    from ..rolling.roll import roll

    before = run_of(folder)
    done, happened = noted_rows(request)
    options = {**asked_of(request, limits), "done": done, "happened": happened}
    with kept(before.plan.name) as log:
        found = roll(before, facts=new_facts(folder), on_step=reporter.phase, **options)
    answer = told(found)
    tables = written_run(found.result, folder, reporter, log.text())
    store_study(found, folder.path / "run" / "analyses" / found.kind)
    return Answer(answer.headline, answer.summary, answer.facts, answer.frames, tables)


def _discover(folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    from ..analysis.discovery import discover

    reporter.phase("looking for ranges in which the promise fails")
    before = Folder(first_of(folder))
    asked = before.read(REQUEST) or {}
    plan, data = None, None
    with contextlib.suppress(FaultsError):  # of an older version: its rows are read all the same, codes stand for names
        if KINDS[asked["kind"]].of == "question":
            plan, data = question(before, asked)
        else:
            result = run_of(before)
            plan, data = result.plan, result.data
    return told(discover(before.path / "out", **asked_of(request, limits), plan=plan, data=data))


def _backtest(folder: Folder, request: Given, limits: Given, reporter: ProgressReporter) -> Answer:
    from ..backtesting.run import backtest
    from ..core.shipped import shipped

    if request["shipped"] is None:
        source = folder.path / EPISODE
        shutil.rmtree(source, ignore_errors=True)
        unbundled(folder.path / BUNDLE, source)
    else:
        source = shipped("models") / request["shipped"]
    shutil.rmtree(folder.path / "out", ignore_errors=True)  # of an attempt that was interrupted, which nobody has seen
    reporter.phase("reading the files")
    found = backtest(source, out=folder.path / "out", changes=request["changes"], on_progress=reporter.counting)
    return told(found)


STUDIES: Mapping[str, Answering] = {
    **{kind: partial(of_question, kind) for kind in OF_QUESTION},
    **{kind: partial(of_run, kind) for kind in OF_RUN},
    "together": _coalitions,
    "losses": _replay,
    "verify": _verify,
    "roll": _roll,
    "discover": _discover,
    "backtest": _backtest,
}
