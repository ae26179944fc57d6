"""The page: one self-contained file, no network, prints well, names from tables inert."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from ..answer.act_now import GAP
from ..answer.manifest import ANALYSES, dictionary, names_in, read_manifest
from ..answer.notes import ENDED, audit_word, extended_by, heading, provenance
from ..answer.result import Result
from ..answer.study import Analyses, Study, open_study, study_faults, tables_of
from ..core.errors import InputError, missing_part
from ..core.files import staged, templates, write_whole
from ..core.formats import capital, digits
from ..question.names import Names, column_in_words, owner_in_words, unit_in_words
from ..question.read_csv import csv_text
from .charts import (
    NARROW,
    RULE_IN_WORDS,
    UNTESTED,
    Figure,
    all_acts,
    all_rows,
    altair,
    figures,
    remaining,
    stories,
    verdict,
)
from .compare import compare, money_unit, opened, question_in_words
from .study_charts import Subject, study_figures

CODE = re.compile(r"`([^`]+)`")
"""What the words of a summary mark as something to type."""


# Tables of the page after the figures: studies, the most uncertain estimates, the age of the data.


MOST_ESTIMATES = 15
YEAR = r"/\d{4}$"
"""How the key of a figure of one year ends."""
ESTIMATES = "estimates.csv"
"""File of the page with the estimates and their places."""
BESIDE = {"figure": "meaning", "below": "appropriation_below_musd", "above": "appropriation_above_musd"}
"""Columns for programs -> those that say the same to readers."""
OF_STUDIES = {
    "explain/reasons": (
        "reasons",
        "Reasons",
        "Why each item was chosen or rejected",
        "How much better or worse the plan is with each item, solved again with the item and without it. M: {money}, discounted. "
        "The codes in brackets are those that the command explain takes.",
    ),
    "explain/prices": (
        "prices",
        "Prices",
        "What one more unit is worth",
        "Shadow prices in {money}, for the commitments of this plan and for small changes.",
    ),
    "explain/break_evens": (
        "break-evens",
        "Break-evens",
        "What would change the decision",
        "Solved again at each value, with the item and without it.",
    ),
    "rules/rules": (
        "rules-of-ministries",
        "Ministries",
        "Beside what ministries do",
        "In the same new scenarios, each rule at its own money and at as much as the plan spends; {money}, discounted, with 95% "
        "intervals.",
    ),
    "regret/candidates": (
        "losses-and-beliefs",
        "Losses and beliefs",
        "One plan for losses and beliefs that nobody knows",
        "The largest regret is how far a plan falls behind the best one, as a share of what could be had, under the loss and the "
        "belief where it falls behind most; lived in the same new scenarios ({money}, discounted).",
    ),
    "regret/cells": (
        "losses-and-beliefs-in-full",
        "Each loss and belief",
        "What each plan is worth under each loss and belief",
        "In new scenarios that all beliefs share; {money}, discounted, with 95% intervals of the draw alone.",
    ),
    "score/futures": (
        "futures",
        "Futures",
        "What this plan is worth in other futures",
        "Nothing is decided anew; lived in new scenarios ({money}, discounted).",
    ),
    "stress/figures": (
        "stress",
        "Stress test",
        "Stress test",
        "The plan in new random scenarios, which were not used to make it, with the low and the high end of each confidence "
        "interval; {money}, discounted.",
    ),
    "discover/boxes": (
        "where-it-fails",
        "Where it fails",
        "Where a promise fails",
        "Ranges of inputs in which it fails, with the share of all failures that they explain and the share of what lies in them "
        "that fails, where they were searched and among rows held out.",
    ),
    "frontier/switches": (
        "switches",
        "Switches",
        "Budgets at which the plan changes",
        "Somewhere between the two budgets of a row the choice of projects, floors and contracts changes ({money}, discounted).",
    ),
}
"""Table of a study -> name, label, title and note of its section."""


@dataclass(frozen=True)
class Section:
    """A table with its words."""

    name: str
    label: str
    """What the menu calls it."""
    title: str
    note: str
    table: pd.DataFrame


def sections(result: Result, analyses: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Tables of the page after the figures."""
    found = [
        Section(name, label, title, note.format(money=money_unit(result)), in_sentences(analyses[key]))
        for key, (name, label, title, note) in OF_STUDIES.items()
        if key in analyses and len(analyses[key])
    ]
    ore = result.tables.get("ore_reserves")
    if ore is not None:
        runs = " In this plan a mine ends when they do." if result.plan.ore_runs_out else ""
        note = f"Reserves as published, and how many years of the latest mine output they are; exploration adds to them.{runs}"
        found.append(Section("ore", "Ore", "Which countries hold the ore", note, _ore(ore)))
    return [
        *found,
        Section(
            "estimates",
            "Estimates",
            "Most uncertain estimates",
            "The estimates with the widest ranges among those that the plan uses. Spread: high end less low end, as a multiple of "
            f"the value. The cells of the tables that hold them are in {ESTIMATES}, among the files.",
            estimates(result).drop(columns=["table", "key", "column"]),
        ),
        Section(
            "vintage",
            "Data",
            "Age of the data",
            "How many rows each table has, how many of them are estimates, and the oldest and the newest year to which they refer.",
            _vintage(result),
        ),
    ]


def estimates(result: Result) -> pd.DataFrame:
    """estimate (in words), table, key, column, low, value, high, spread: those with the widest ranges first."""
    wide, names = provenance(result.plan, result.data).widest, Names.of(result.data)
    of = wide["key"].str.replace(YEAR, "", regex=True) + " " + wide["column"]
    alike = of.map(of.value_counts())
    first = ~of.duplicated()
    wide, alike = wide[first].head(MOST_ESTIMATES), alike[first].head(MOST_ESTIMATES)
    lines = []
    for key, column, count in zip(wide["key"], wide["column"], alike, strict=True):
        unit = unit_in_words(column).strip()
        owner = owner_in_words(key, names) + (f" and {count - 1} more like it" if count > 1 else "")
        lines.append(f"{owner}: {column_in_words(column)}" + (f" [{unit}]" if unit else ""))
    return pd.concat([pd.Series(lines, index=wide.index, name="estimate", dtype=object), wide], axis=1)


def _ore(table: pd.DataFrame) -> pd.DataFrame:
    """Who holds the ore, for readers."""
    return pd.DataFrame(
        {
            "country": table["name"],
            "mineral": table["mineral"].str.replace("_", " "),
            "reserves_t": table["reserves_t"],
            "part_of_the_world": [f"{share:.1%}" if share == share else "" for share in table["world_share"]],
            "mine_output_t": table["mine_output_t"],
            "years_left": [digits(years, 2) if years == years else "" for years in table["years_left"]],
        }
    )


def _vintage(result: Result) -> pd.DataFrame:
    rows = []
    for table in sorted(result.data.tables):
        found = result.data.rows(table)
        if not found:
            continue
        years = [row.year for row in found if getattr(row, "year", None) is not None]
        guessed = sum(getattr(row, "confidence", "") == "estimate" for row in found)
        ends = min(years, default=None), max(years, default=None)
        rows.append((table.replace("_", " "), len(found), guessed, *ends))
    return pd.DataFrame(rows, columns=["table", "rows", "estimates", "oldest", "newest"])


def in_sentences(table: pd.DataFrame) -> pd.DataFrame:
    """A table for readers: its sentences alone where it has them, names in place of codes. The file to download has all."""
    if "sentence" in table.columns:
        return pd.DataFrame({"sentence": [capital(str(sentence)) for sentence in table["sentence"]]})
    return table.drop(columns=[column for column, beside in BESIDE.items() if {column, beside} <= set(table.columns)])


# What a report may do in a browser.


POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy: nothing is fetched. Vega compiles expressions, hence eval."""


YEARS = ("fiscal_year", "year", "oldest", "newest", "start", "end", "signed", "from_year")
"""Columns of years, which are shown without a comma."""
WIDE = ("sentence", "gained", "lost", "note", "events", "estimate", "what_happens", "what", "said", "do")
"""Columns of sentences and long names, which get room."""
NOTHING = 1e-9
"""What is smaller is shown as 0."""
OWN_CODE = {
    "rules": "by constraints of own code (table own_parts), which the lowest possible objective keeps too",
    "terms": "by terms of own code (table own_parts): gap and lowest objective are of plan and terms together, less these terms",
}
AMOUNT = re.compile(r"-?\d[\d,]*(?:\.\d+)?%?")
"""A cell of text that is an amount."""
HEADING = re.compile(r"([A-Z]{2,}(?: [A-Z]{2,})*):? *(.*)", re.DOTALL)
"""How a section of the summary begins: words in capitals, then text."""
TEST_IT = "`solve` tests a plan that draws scenarios (its section `sample`), unless `--quick` leaves the tests out."
LARGEST_INLINE = 1_500_000
"""Bytes of CSV of one table that go into the page."""


def report(
    results: Result | Sequence[Result],
    *,
    names: Sequence[str] | None = None,
    analyses: Analyses | None = None,
    brief: bool = False,
) -> str:
    """A page on one result, or on the first of several with a comparison of all.

    brief: one sheet of paper, with what a minister acts on alone. names: what several results are called; None: their plans' names.
    analyses: studies, or tables of other verbs by `verb/table`
    (`frontier/points`), as `read_analyses` finds them. Raises InputError where the extra `report` is not installed, ValueError
    without a result.
    """
    several, compared, studied, drawn = _shown(results, names, analyses)
    first = several[0]
    top = {"title": first.plan.title or first.plan.name, "verdict": verdict(first), "brief": first.brief}
    if brief:
        return _rendered("brief.html", **top)
    return _rendered(
        "page.html",
        **top,
        acts=all_acts(first),
        stories=stories(first),
        rule=RULE_IN_WORDS,
        scenarios=remaining(first),
        words=_paragraphs(first),
        figures=drawn,
        untested="" if GAP in first.tables else f"{UNTESTED} {TEST_IT}",
        specs={figure.name: _safe(json.dumps(_spec(figure))) for figure in drawn},
        sections=sections(first, studied),
        comparison=compared,
        question=[] if compared is None else question_in_words(compared.tables, compared.facts),
        downloads=_downloads(first, studied),
        evidence=_evidence(first),
    )


def _shown(
    results: Result | Sequence[Result], names: Sequence[str] | None, analyses: Analyses | None
) -> tuple[list[Result], Study | None, Mapping[str, pd.DataFrame], list[Figure]]:
    """(results, their comparison where they are several, tables of studies, all figures of the page in its order)."""
    several = [results] if isinstance(results, Result) else list(results)
    if not several:
        raise ValueError("a report needs a result")
    compared, studied = compare(several, names) if len(several) > 1 else None, tables_of(analyses)
    drawn = [*figures(several[0]), *study_figures(studied, Subject.of(several[0]))]
    return several, compared, studied, drawn


def _spec(figure: Figure) -> dict[str, Any]:
    """A chart as the page draws it: as wide as there is room where it is one plot, and saying what it shows."""
    with all_rows():
        spec: dict[str, Any] = figure.chart.to_dict()
    single = not {"hconcat", "vconcat", "concat", "facet"} & set(spec) and "row" not in spec.get("encoding", {})
    if single and "width" in spec:
        spec |= {"width": "container"}
    return {**spec, "description": figure.alt}


def read_analyses(folder: Path) -> dict[str, pd.DataFrame]:
    """Tables of other verbs in a run folder, by `verb/table`.

    Raises InputError for a study that is not as it was written or is one of another run, and for a file that is no table.
    """
    faults = study_faults(folder, read_manifest(folder)[1])
    if faults:
        raise InputError(faults)
    studies = {
        place.name: open_study(place)
        for place in sorted((folder / ANALYSES).glob("*"))
        if place.is_dir() and names_in(place)
    }
    return {f"{place}/{name}": table for place, study in studies.items() for name, table in study.tables.items()}


def _rendered(template: str, **parts: Any) -> str:
    """A template with its parts, style, scripts and policy. Raises InputError where the extra `report` is not installed."""
    environment = templates("page", "report", "report")
    filters: dict[str, Callable[..., Any]] = {
        "shown": shown,
        "heading": heading,
        "coded": _coded,
        "year": _year,
        "is_year": lambda column: str(column) in YEARS,
        "numeric": _numeric,
        "amount": _amount,
        "capital": capital,
    }
    environment.filters |= filters
    shared: dict[str, Any] = {"WIDE": WIDE, "narrow": _safe(json.dumps(NARROW)), "bundle": _bundle(), "policy": POLICY}
    files = {"style": _file("style.css"), "script": _file("page.js")}
    return str(environment.get_template(template).render(**shared, **files, **parts))


def shown(value: Any) -> str:
    """A cell as a reader wants it."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return digits(value, 4) if abs(value) >= NOTHING else "0"
    return str(value)


def _year(value: Any) -> str:
    """A year without commas; empty where there is none."""
    if not isinstance(value, int | float):
        return shown(value)
    return "" if value != value else f"{value:.6g}"


def _numeric(column: pd.Series) -> bool:
    """Whether a column has amounts, or texts that are all amounts."""
    if pd.api.types.is_numeric_dtype(column):
        return bool(column.dtype != bool)
    texts = [str(value) for value in column.dropna() if str(value)]
    return bool(texts) and all(map(AMOUNT.fullmatch, texts))


def _amount(value: Any) -> str:
    """What a cell is sorted by."""
    if value is None or value != value:
        return ""
    return value.replace(",", "").rstrip("%") if isinstance(value, str) else str(value)


def _coded(text: str) -> Any:
    """Text whose parts between backquotes are code."""
    from markupsafe import Markup, escape

    parts = CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )


def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    try:
        import vl_convert
    except ImportError:
        raise missing_part("report", "vl-convert-python", "report") from None
    version = ".".join(altair().SCHEMA_VERSION.lstrip("v").split(".")[:2])
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)).replace(
        "</script", "<\\/script"
    )


def _safe(text: str) -> str:
    """JSON that cannot end the script element that it stands in."""
    return text.translate({ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"})


def _file(name: str) -> str:
    return resources.files("strategic_minerals").joinpath("page", name).read_text(encoding="utf-8")


def _paragraphs(result: Result) -> list[tuple[str, list[str]]]:
    """(heading, lines) of the summary's sections after the verdict."""
    found, names = [], tuple(scenario.name for scenario in result.plan.scenarios)

    def begun(line: str) -> str:
        """A line with a capital letter, unless it begins with the name of a scenario, which is a code."""
        return line if line.startswith(names) else capital(line)

    for part in result.details().split("\n\n")[1:]:
        first, *rest = part.splitlines()
        spoken = HEADING.match(first)
        head, tail = (spoken[1].capitalize(), spoken[2]) if spoken else ("", first)
        if rest and first.endswith(":"):  # the first line is a heading
            head, tail = f"{head} {tail}".strip().rstrip(":"), ""
        found.append((head, [begun(line) for line in (tail, *map(str.strip, rest)) if line]))
    return found


def _evidence(result: Result) -> list[tuple[str, str]]:
    """Audit and solver, as pairs."""
    outcome, counts, worst = result.outcome, result.counts, result.audited.worst()
    return [
        ("how the solve ended", ENDED.get(outcome.reason, outcome.reason)),
        *([("extended", OWN_CODE[extended])] if (extended := extended_by(result.tables)) else []),
        (
            "gap to the best possible plan",
            "" if outcome.relative_gap is None else f"{outcome.relative_gap:.3%} (asked: {result.options['gap']:.3%})",
        ),
        (
            f"objective compared with doing nothing (lower is better), and the lowest possible [{money_unit(result)}]",
            f"{outcome.objective_musd:,.3f}, {outcome.best_bound_musd:,.3f}",
        ),
        (
            "independent audit",
            f"{audit_word(result)}; largest difference {worst.largest:.1e}, {worst.tolerated:.1e} allowed ({worst.family})",
        ),
        (
            "size of the model",
            ", ".join(f"{counts[name]:,} {name}" for name in ("columns", "rows", "binaries", "scenarios")),
        ),
        ("method, time of the solve", f"{outcome.method}, {result.seconds.get('total', math.nan):,.1f} s"),
        ("tolerance of the solver", f"feasibility {result.options.get('primal_feasibility_tolerance', '')}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in result.versions.items())),
    ]


def _downloads(result: Result, analyses: Mapping[str, pd.DataFrame]) -> list[tuple[str, int, str]]:
    """(file name, rows, data URI) of every table; an empty URI where it is too large for the page."""
    found = []
    studies = [(key.replace("/", "-"), frame) for key, frame in analyses.items()]
    beside = [("dictionary", dictionary(result)), (ESTIMATES.removesuffix(".csv"), estimates(result))]
    for name, table in [*result.tables.items(), *beside, *studies]:
        data = csv_text(table).encode()
        uri = f"data:text/csv;base64,{base64.b64encode(data).decode()}" if len(data) <= LARGEST_INLINE else ""
        found.append((f"{name}.csv", len(table), uri))
    return found


def save_figures(
    results: Result | Sequence[Result],
    folder: Path,
    kind: str = "svg",
    *,
    names: Sequence[str] | None = None,
    analyses: Analyses | None = None,
) -> list[Path]:
    """Every figure of the page as a file of its own, all of them or none; other arguments as for `report`.

    kind: `svg` or `png`.
    """
    drawn = {folder / f"{figure.name}.{kind}": figure for figure in _shown(results, names, analyses)[-1]}
    folder.mkdir(parents=True, exist_ok=True)
    with staged() as files:
        for path, figure in drawn.items():
            with files.file(path) as file:
                file.write(_image(figure, kind))
    return list(drawn)


def _image(figure: Figure, kind: str) -> bytes:
    """A figure as a file of some kind."""
    chart, image, text = figure.titled, io.BytesIO(), io.StringIO()
    with all_rows():
        if kind == "png":
            chart.save(image, format="png", ppi=144)
            return image.getvalue()
        chart.save(text, format=kind)
    return text.getvalue().encode()


# The figures of a result or of a study as Altair charts, for scripts and notebooks, and the page as a file.


def charts(of: Result | Study) -> dict[str, Any]:
    """The report's figures as Altair charts, by name, in the order of the page; those with nothing to show are left out.

    of: a result (losses, loss-curve, timeline, stocks, supply, budget, liability) or a study (frontier; tornado of a
    one-at-a-time sweep; indices of a sweep by Morris or Sobol; others have none).

    Raises InputError where the extra `report` is not installed.
    """
    found = figures(of) if isinstance(of, Result) else study_figures(tables_of([of]), Subject())
    return {figure.name: figure.titled for figure in found}


def write_report(
    results: Result | Path | str | Sequence[Result | Path | str],
    path: Path | str,
    *,
    names: Sequence[str] | None = None,
    studies: Sequence[Study] = (),
    brief: bool = False,
) -> Path:
    """Write the report as one HTML file that fetches nothing from the network; gives its path.

    results: one, or several of which the first is shown and compared with the others; each as it was solved, or the run folder that
    holds it. path: the file, written whole or not at all. names: what several results are called; None: their plans' names.
    studies: shown beside the result, with those of its run folder where it was given as one. brief: as of `report`.

    Raises InputError for a folder that is no run and where the extra `report` is not installed, ValueError without a result.
    """
    several = [results] if isinstance(results, Result | Path | str) else list(results)
    first = several[0] if several else None
    stored = {} if first is None or isinstance(first, Result) else read_analyses(Path(first))
    text = report(opened(several), names=names, analyses={**stored, **tables_of(studies)}, brief=brief)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, [text])
    return target
