"""The page: one self-contained file, no network, prints well, names from tables inert."""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from ..answer.act_now import ActNow
from ..answer.manifest import ANALYSES, dictionary, names_in, read_manifest
from ..answer.notes import heading, provenance
from ..answer.result import Result
from ..answer.study import Study, open_study, study_faults, tables_of
from ..core.errors import InputError, missing_part
from ..core.files import make_folder, templates, write_whole
from ..core.formats import capital, digits
from ..question.names import Names, column_in_words, owner_in_words, unit_in_words
from ..question.read_csv import csv_text
from .charts import (
    NARROW,
    QUICK,
    UNTESTED,
    Figure,
    Subject,
    all_acts,
    all_rows,
    altair,
    every_scenario,
    figures,
    study_figures,
    verdict,
)
from .compare import compare, money_unit, opened, question_in_words

CODE = re.compile(r"`([^`]+)`")
"""What the words of a summary mark as something to type."""


# Tables of the page after the figures: scenarios, studies, the most uncertain estimates.
MOST_ESTIMATES = 15
YEAR = r"/\d{4}$"
"""How the key of a figure of one year ends."""
ESTIMATES = "estimates.csv"
"""File of the page with the estimates and their places."""
BESIDE = {"figure": "meaning", "below": "appropriation_below_musd", "above": "appropriation_above_musd"}
"""Columns for programs -> those that say the same to readers."""


@dataclass(frozen=True)
class Section:
    """Tables with their words."""

    name: str
    label: str
    """What the menu calls it."""
    title: str
    note: str
    tables: Mapping[str, pd.DataFrame]
    """By caption."""
    words: Sequence[str] = ()
    """The same in sentences."""


def sections(result: Result, studies: Sequence[Study]) -> list[Section]:
    """Tables of the page after the figures: scenarios, each study as it tells itself, estimates."""
    return [
        Section(
            "scenarios",
            "Scenarios",
            "Every scenario of the plan",
            f"What happens, what shortages cost without and with the plan, each course known; {money_unit(result)}, discounted.",
            {"Every scenario of the plan": every_scenario(result)},
        ),
        *map(of_study, studies),
        Section(
            "estimates",
            "Estimates",
            "Most uncertain estimates",
            "The estimates with the widest ranges among those that the plan uses. Spread: high end less low end, as a multiple of "
            f"the value. The cells of the tables that hold them are in {ESTIMATES}, among the files.",
            {"Most uncertain estimates": estimates(result).drop(columns=["table", "key", "column"])},
        ),
    ]


def of_study(study: Study) -> Section:
    """A study, with the tables that have headings, or all of them where none has. Of each its sentences alone where it has them,
    names in place of codes: the file to download has all."""
    titles, kept = study.titles or {name: capital(name.replace("_", " ")) for name in study.tables}, {}
    for name, title in titles.items():
        if len(table := study.tables.get(name, pd.DataFrame())) and "sentence" in table.columns:
            kept[title] = pd.DataFrame({"sentence": [capital(str(sentence)) for sentence in table["sentence"]]})
        elif len(table):
            doubled = [column for column, beside in BESIDE.items() if {column, beside} <= set(table.columns)]
            kept[title] = table.drop(columns=doubled)
    label = capital(study.kind)
    return Section(f"study-{study.kind}", label, label, "", kept, study.words)


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


# What a report may do in a browser.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy: nothing is fetched. Vega compiles expressions, hence eval."""

YEARS = ("fiscal_year", "year", "start", "end", "signed", "from_year")
"""Columns of years, which are shown without a comma."""
WIDE = ("sentence", "gained", "lost", "note", "events", "estimate", "what_happens", "what", "said", "do", "the_plan")
"""Columns of sentences and long names, which get room."""
NOTHING = 1e-9
"""What is smaller is shown as 0."""
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
    analyses: Sequence[Study] = (),
    brief: bool = False,
) -> str:
    """A page on one result, or on the first of several with a comparison of all.

    brief: one sheet of paper, with what a minister acts on alone. names: what several results are called; None: their plans' names.
    analyses: studies to be shown, as `read_analyses` finds them; of several of a kind the last one. Raises InputError where the
    extra `report` is not installed, ValueError without a result."""
    several = [results] if isinstance(results, Result) else list(results)
    if not several:
        raise ValueError("a report needs a result")
    first, compared = several[0], compare(several, names) if len(several) > 1 else None
    studied = list({study.kind: study for study in analyses}.values())
    top = {"title": first.plan.title or first.plan.name, "verdict": verdict(first), "brief": first.brief}
    if brief:
        return _rendered("brief.html", **top)
    tested, untested = ActNow.of(first.tables), ""
    if tested is None or (tested.lived and not tested.fresh):
        untested = " ".join([*([QUICK] if tested is None else []), UNTESTED, TEST_IT])
    drawn = [*figures(first), *study_figures(tables_of(studied), Subject.of(first))]
    return _rendered(
        "page.html",
        **top,
        acts=all_acts(first),
        words=_paragraphs(first),
        figures=drawn,
        untested=untested,
        specs={figure.name: _safe(json.dumps(_spec(figure))) for figure in drawn if not figure.drawings},
        sections=sections(first, studied),
        comparison=compared,
        question=[] if compared is None else question_in_words(compared.tables, compared.facts),
        downloads=_downloads(first, tables_of(studied)),
    )


def _spec(figure: Figure) -> dict[str, Any]:
    """A chart as the page draws it: as wide as there is room where it is one plot, and saying what it shows."""
    with all_rows():
        spec: dict[str, Any] = figure.chart.to_dict()
    single = not {"hconcat", "vconcat", "concat", "facet"} & set(spec) and "row" not in spec.get("encoding", {})
    if single and "width" in spec:
        spec |= {"width": "container"}
    return {**spec, "description": figure.alt}


def read_analyses(folder: Path) -> list[Study]:
    """The studies in a run folder.

    Raises InputError for a study that is not as it was written or is one of another run, and for a file that is no table.
    """
    faults = study_faults(folder, read_manifest(folder)[1])
    if faults:
        raise InputError(faults)
    places = sorted((folder / ANALYSES).glob("*"))
    return [open_study(place) for place in places if place.is_dir() and names_in(place)]


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


def _coded(text: str) -> Any:
    """Text whose parts between backquotes are code."""
    from markupsafe import Markup, escape

    parts = CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )


@cache
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
    """JSON that cannot end the script element that contains it."""
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


# The figures of a result or of a study as Altair charts, for scripts and notebooks, and the page as a file.
def charts(of: Result | Study) -> dict[str, Any]:
    """The report's charts in Altair, by name, in the order of the page; those with nothing to show are left out.

    of: a result (loss-curve, timeline, stocks, budget) or a study (frontier; tornado of a one-at-a-time sweep; grid of a sweep of
    two figures; others have none).

    Raises InputError where the extra `report` is not installed."""
    found = figures(of) if isinstance(of, Result) else study_figures(tables_of([of]), Subject())
    return {figure.name: figure.titled for figure in found if not figure.drawings}


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
    stored = [] if first is None or isinstance(first, Result) else read_analyses(Path(first))
    text = report(opened(several), names=names, analyses=[*stored, *studies], brief=brief)
    target = Path(path)
    make_folder(target.parent)
    write_whole(target, [text])
    return target
