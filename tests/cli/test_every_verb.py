"""Every verb of the table on a question small enough to answer in a second or two: the same answer from the command line, as JSON
and in a folder, and as a job of the service; and what all commands take."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer.main
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from conftest import Cli
from strategic_minerals import Dataset, Plan, Result, Study
from strategic_minerals.cli.main import app
from strategic_minerals.core.runner import cores
from strategic_minerals.question.read_csv import write_dataset
from strategic_minerals.solver.lshaped.subproblems import Evaluator
from strategic_minerals.verbs import VERBS
from support.drawn_cases import deciding
from support.one_mineral import one_mineral
from support.plan_text import toml_of
from support.promising import promising
from support.served import InProcess, client, ended

pytestmark = pytest.mark.long


def doubted() -> tuple[Plan, Dataset]:
    """A control of which nobody knows whether it is in force."""
    plan, data = one_mineral(110.0)
    known = {"name": "quota", "countries": "CHN", "materials": "*", "cut_share": 0.1, "until_year": 2028.0}
    return Plan.model_validate({**plan.to_toml_like(), "controls": [{**known, "probability": 0.5}]}), data


def printed() -> tuple[Plan, Dataset]:
    """A shortfall that a report printed."""
    plan, data = one_mineral(110.0)
    row = {"report": 2013, "item": "one", "name": "One", "materials": "a", "shortfall_t": 10.0}
    return plan, data.replace(published_requirements=pd.DataFrame([row]))


PRICES = {"price_year": 2024, "price_set": "mcs2024", "loss_function": "imf_2026", "discount_rate": 0.03}
BAN = {"hazard": "ga_ge_sb_ban", "start_year": 2028.0, "duration_years": 1.0, "cut_share": 1.0}
TWO_HOMES = {
    "name": "two",
    **PRICES,
    "materials": ["gallium"],
    "horizon": {"first_year": 2027, "years": 2, "tail_years": 1},
    "budget": {"appropriation_musd": 50},
    "instruments": {"packages": ["none"]},
    "together": {"members": [{"home": home, "money_share": 0.5} for home in ("USA", "JPN")]},
    "scenarios": [{"name": "ban", "probability": 0.2, "events": [BAN]}],
}
QUESTIONS: dict[str, Callable[[], tuple[Plan, Dataset]]] = {"one": lambda: one_mineral(110.0), "drawn": deciding}
QUESTIONS |= {"promising": promising, "doubted": doubted, "printed": printed}
SHIPPED = ("quickstart", "rare-earths")
"""Asked by their names, with the tables of the package, as `two` is."""
GRID = {"kind": "grid", "relax": True, "axes": {"discount_rate": [n / 200 for n in range(40)]}}

ABOUT = {"plan": "one", "homes": "two", "run": "one", "folder": "one", "runs": "one", "rows": "sweep"}
"""What a verb is asked about by default, by what it takes first: a question, its solved run, or the study of another verb."""
GIVEN: dict[str, tuple[str, dict[str, Any]]] = {
    "solve": ("drawn", {"samples": 2, "scenarios": 10, "candidates": 1}),
    "sweep": ("one", {"study": GRID}),
    "frontier": ("one", {"factors": [0.5, 1.0], "tolerance": 0.5, "relax": True}),
    "diagnose": ("promising", {}),
    "origins": ("one", {"gap": 0.01}),
    "controls": ("doubted", {"gap": 0.01}),
    "requirements": ("printed", {}),
    "losses": ("quickstart", {}),
    "regret": ("drawn", {"samples": 3, "scenarios": 10}),
    "scenarios": ("drawn", {"scenarios": 50}),
    "missing": ("quickstart", {}),
    "deals": ("rare-earths", {"set": {"owners.sample": 16}}),
    "together": ("two", {"gap": 0.1}),
    "stress": ("drawn", {"scenarios": 60}),
    "reverse": ("one", {"longest_yr": 1.0}),
    "explain": ("one", {"item": "project A", "gap": 0.0}),
    "score": ("drawn", {"study": {"kind": "points", "points": [{"discount_rate": 0.05}]}, "scenarios": 10}),
    "rules": ("drawn", {"samples": 2, "scenarios": 10}),
    "simulate": ("drawn", {"paths": 3, "grid_months": 12}),
    "roll": ("one", {"learning": False, "gap": 0.0, "acts": [{"kind": "stock", "item": "a", "done": "5"}]}),
    "discover": ("sweep", {"promise": "objective_musd <= -400", "held_out": 0.0}),
}
"""Another question, or options that a verb needs."""
CASES = {name: GIVEN.get(name, (ABOUT[verb.of], {})) for name, verb in VERBS.items()}
"""Verb -> what it is asked about and its options: a new verb has a case without a line here."""


def sent(name: str) -> dict[str, Any]:
    """A question as a request has it."""
    if name in SHIPPED:
        return {"shipped": name}
    if name == "two":
        return {"plan": TWO_HOMES}
    plan, data = QUESTIONS[name]()
    rows = {table: [r.model_dump(mode="json", exclude_none=True) for r in data.rows(table)] for table in data.tables}
    return {"plan": plan.model_dump(mode="json", exclude_none=True), "tables": {t: r for t, r in rows.items() if r}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every question: its plan and its tables."""
    folder = tmp_path_factory.mktemp("questions")
    for name, question in QUESTIONS.items():
        plan, data = question()
        (folder / name).mkdir()
        (folder / name / "plan.toml").write_text(toml_of(plan), encoding="utf-8")
        write_dataset(data, folder / name / "tables")
    (folder / "two.json").write_text(json.dumps(TWO_HOMES), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("verbs") / "s", InProcess(), requests_per_minute=10**6) as found:
        yield found


class Asked:
    """Answers by both ways: in folders, and as jobs. What others build on is asked for once."""

    def __init__(self, place: Path, cli: Cli, service: TestClient) -> None:
        self.place, self.cli, self.service = place, cli, service
        self.folders: dict[str, Path] = {}
        self.jobs: dict[str, str] = {}

    def case(self, name: str) -> tuple[str, str, dict[str, Any]]:
        """(verb, what it is asked about, options) of a study, or of the run of a question."""
        return (name, *CASES[name]) if name in VERBS else ("solve", name, {"quick": True})

    def folder(self, name: str) -> Path:
        """A run folder of a question, or a study of a verb, as the command line wrote it."""
        if name not in self.folders:
            verb, about, options = self.case(name)
            self.folders[name] = self.place / f"{verb}-{name}"
            self.command(verb, about, options, self.folders[name])
        return self.folders[name]

    def job(self, name: str) -> str:
        """The same as a job."""
        if name not in self.jobs:
            self.jobs[name] = self.request(*self.case(name))["id"]
        return self.jobs[name]

    def command(self, verb: str, about: str, options: dict[str, Any], out: Path) -> dict[str, Any]:
        """What a command prints as JSON; its folder is written."""
        of = VERBS[verb].of
        if of in ("plan", "homes"):
            names = {**{name: name for name in SHIPPED}, "two": self.place / "two.json"}
            sources = [names.get(about, self.place / about), *(["--tables", "shipped"] * (about == "two"))]
        else:
            sources = [self.folder(about)] * (1 + (of == "runs"))
        more = ["--workers", "1"] * VERBS[verb].long
        said = self.cli(verb, *sources, *self.typed(verb, options), *more, "--json", "--out", out)
        assert said.returncode == (3 if verb == "diagnose" else 0), said.stderr  # what it looks at has no plan
        return dict(json.loads(said.stdout, parse_constant=pytest.fail))

    def typed(self, verb: str, options: dict[str, Any]) -> Iterator[Any]:
        """Options as they are typed: some are words of their own, some are read from files."""
        for name, value in options.items():
            option = VERBS[verb].options.get(name)
            if name == "study":
                (self.place / "study.json").write_text(json.dumps(value), encoding="utf-8")
                yield self.place / "study.json"
            elif name == "acts":
                pd.DataFrame(value).to_csv(self.place / "acts.csv", index=False)
                yield from ("--acts", self.place / "acts.csv")
            elif name == "set":
                yield from (word for field in value.items() for word in ("--set", "=".join(map(str, field))))
            elif option is not None and option.kind is option.POSITIONAL_OR_KEYWORD:
                yield value
            elif isinstance(value, bool):
                yield f"--{'' if value else 'no-'}{name.replace('_', '-')}"
            else:
                values = value if isinstance(value, list) else [value]
                yield from (word for one in values for word in (f"--{name.replace('_', '-')}", one))

    def request(self, verb: str, about: str, options: dict[str, Any]) -> dict[str, Any]:
        """The result of a job, its tables included, as the API describes it."""
        of = VERBS[verb].of
        base = sent(about) if of in ("plan", "homes") else {"of": self.job(about)}
        if of == "runs":
            base["of"] = [base["of"]] * 2
        answer = self.service.post("/v1/jobs", json={"kind": verb, **base, **options, "label": f"{verb}-{about}"})
        assert answer.status_code == 202, answer.text
        status = ended(self.service, answer.json()["id"])
        assert status["state"] == "succeeded", str(status["problem"])
        assert ("report" in status["links"]) == VERBS[verb].has_report
        link = status["links"]["result"]
        result = self.service.get(link, params={"include": list(self.service.get(link).json()["tables"])})
        assert result.status_code == 200, result.text
        declared = self.service.get("/v1/openapi.json").json()["components"]["schemas"]
        schema = {"$ref": f"#/components/schemas/{verb.title()}Result", "components": {"schemas": declared}}
        Draft202012Validator(schema).validate(result.json())
        assert self.service.get(f"/jobs/{status['id']}", headers={"Accept": "text/html"}).status_code == 200
        return dict(result.json())


@pytest.fixture(scope="module")
def asked(place: Path, cli: Cli, service: TestClient) -> Asked:
    return Asked(place, cli, service)


TIMES = ("seconds", "cost_seconds")
"""Columns and facts that no two solves have alike."""


def same(one: Any, other: Any) -> None:
    """Asserts that two pieces of JSON say the same, but for rounding and times."""
    if isinstance(one, dict):
        assert set(one) == set(other)
        for name in set(one) - set(TIMES):
            same(one[name], other[name])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            same(*pair)
    elif isinstance(one, float) and other is not None:
        assert one == pytest.approx(float(other), rel=1e-6, abs=1e-6)  # text in a column of words and figures
    else:
        assert one == other


@pytest.mark.parametrize("verb", CASES)
def test_a_verb_answers_alike_from_the_command_line_and_as_a_job(
    verb: str, asked: Asked, cli: Cli, tmp_path: Path
) -> None:
    """Proves: the command ends well, its JSON is strict and is what its folder holds; the job has the same facts and tables."""
    about, options = CASES[verb]
    out = tmp_path / "out"
    told = asked.command(verb, about, options, out)
    result = asked.request(verb, about, options)
    if VERBS[verb].makes_plan:
        one, other = (
            re.sub(r"in [\d.]+ s", "", text) for text in (Result.load(out).summary(full=True), result["summary"])
        )
        assert verb in ("roll", "regret") or one == other  # of which the words are those of the study
        written = {path.stem for part in ("results", f"analyses/{verb}") for path in (out / part).glob("*.csv")}
        assert written >= set(result["tables"])
    if verb == "solve":
        assert told["act_now"]
        return
    study = Study.load(out / "analyses" / verb if VERBS[verb].makes_plan else out)
    assert study.kind == verb
    assert study.summary().strip()
    same(told, json.loads(json.dumps(study.to_dict())))
    facts = {name: value for name, value in told.items() if name not in ("schema_version", "kind", *study.tables)}
    same(facts, result["facts"])
    if not VERBS[verb].makes_plan:
        same({name: told[name] for name in study.tables}, result["included"])


def test_a_command_without_json_prints_the_words_of_its_study(asked: Asked, cli: Cli) -> None:
    """Proves: words on standard output, as the study has them, and nothing else."""
    said = cli(
        "frontier", asked.place / "one", "--factors", "1", "--relax", "--workers", "1", "--out", asked.place / "f"
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.strip() == Study.load(asked.place / "f").summary().strip()
    assert "SWITCHES" in said.stdout


def test_a_year_that_passed_leaves_a_plan_to_build_on(asked: Asked) -> None:
    """Proves: the folder that `roll` wrote begins a year later with the stock that was noted, and can be compared with the plan
    before; faults of a request name row and column of what was sent."""
    folder = asked.folder("roll")
    plan = one_mineral(110.0)[0]
    now = Result.load(folder)
    assert now.plan.horizon.first_year == plan.horizon.first_year + 1
    assert [row.opening_t for row in now.data.rows("stock")] == [5.0]
    compared = asked.cli("compare", asked.folder("one"), folder)
    assert compared.returncode == 0
    assert "COMPARED" in compared.stdout
    request = {"kind": "roll", "of": asked.job("one"), "acts": [{"kind": "stokc", "done": 5}], "news": [{"x": 1}]}
    wrong = asked.service.post("/v1/jobs", json=request)
    assert wrong.status_code == 422
    assert {(f["file"], f["column"]) for f in wrong.json()["faults"]} >= {("acts", "kind"), ("news", "x")}


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a share beyond its limits": ("frontier", {"factors": [-1.0]}, "factors"),
    "a number beyond its limits": ("scenarios", {"scenarios": 10**7}, "scenarios"),
    "too few": ("simulate", {"paths": 1}, "paths"),
    "another form": ("reverse", {"promises": ["a:civil"]}, "promises"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_outside_the_limits_of_a_signature_is_refused_by_both_ways(name: str, asked: Asked) -> None:
    """Proves: one fault that names the option as it was spelled, before anything is solved."""
    verb, options, column = WRONG[name]
    of_run = VERBS[verb].of == "run"
    said = asked.cli(
        verb, asked.folder("one") if of_run else asked.place / "one", *asked.typed(verb, options), "--json"
    )
    assert said.returncode == 2, said.stderr
    assert [fault["column"].partition("[")[0] for fault in json.loads(said.stdout)["faults"]] == [column]
    base = {"of": asked.job("one")} if of_run else sent("one")
    answer = asked.service.post("/v1/jobs", json={"kind": verb, **base, **options})
    assert answer.status_code == 422, answer.text
    assert [fault["column"].partition("[")[0] for fault in answer.json()["faults"]] == [column]


def test_what_a_job_cannot_build_on_is_refused(asked: Asked) -> None:
    """Proves: rows are those of a sweep or a stress test, a promise names a column of them."""
    service, looked = asked.service, {"kind": "discover", "promise": "objective_musd <= -400"}
    planless = service.post("/v1/jobs", json={**looked, "of": asked.job("one")})
    assert planless.status_code == 409
    assert "sweep or stress" in planless.json()["detail"]
    job = service.post("/v1/jobs", json={**looked, "of": asked.job("sweep"), "promise": "objectvie_musd >= 1"}).json()[
        "id"
    ]
    assert "objective_musd" in ended(service, job)["problem"]["faults"][0]["expected"]


PROGRAM = typer.main.get_command(app)


def commands(group: Any = PROGRAM, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words, command) of every command of the application, those of groups too."""
    for name, command in group.commands.items():
        inside = getattr(command, "commands", None)
        if inside is None:
            yield (*before, name), command
        else:
            yield from commands(command, (*before, name))


EVERY = dict(commands())


def test_every_command_shows_its_help(cli: Cli) -> None:
    """Proves: -h and --help name the command, with groups of commands too."""
    for words in EVERY:
        short, long = cli(*words, "-h"), cli(*words, "--help")
        assert (short.returncode, short.stderr) == (0, ""), words
        assert short.stdout == long.stdout, words
        assert f"strategic-minerals {' '.join(words)}" in short.stdout
    listed = cli("--help").stdout
    assert all(words[0] in listed for words in EVERY)


@pytest.mark.parametrize("asked_for", [0, 1, 3])
def test_threads_reach_the_solve_and_leave_the_answer_alone(
    asked_for: int, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: a decomposed solve takes as many threads as were asked for, 0 one for each core; nothing stays afterwards."""
    seen: list[int] = []

    begin = Evaluator.__init__

    def watched(self: Evaluator, *given: Any, **options: Any) -> None:
        begin(self, *given, **options)
        seen.append(self._threads)

    monkeypatch.setattr(Evaluator, "__init__", watched)
    said = cli("solve", "quickstart", "--quick", "--method", "decomposed", f"--threads={asked_for}")
    assert said.returncode == 0, said.stderr
    assert set(seen) == {asked_for or cores()}
    plain = cli("solve", "quickstart", "--quick", "--method", "flat", "--threads=1")
    assert plain.stdout.splitlines()[0] == said.stdout.splitlines()[0]
