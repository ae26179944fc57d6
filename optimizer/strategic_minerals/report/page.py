"""The page: one self-contained file, no network, prints well, names from tables inert."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.atomic_files import staged
from ..core.errors import Fault, InputError, missing_part
from ..data.csv_files import csv_text, unguarded
from ..data.names import Names
from ..results.evidence import audit_word
from ..results.manifest import read_manifest
from ..results.notes import provenance
from ..results.readable import heading
from ..results.result import Result
from ..results.run_contents import ANALYSES, dictionary
from ..results.study import Analyses, tables_of
from ..results.study_files import study_faults
from .charts import Figure, all_rows, altair, figures
from .comparison import Comparison, compare
from .content_policy import POLICY
from .study_charts import comparison_figure, frontier_figure, thumb_figure, tornado_figure

MOST_ESTIMATES = 25
YEARS = ("fiscal_year", "year", "oldest", "newest", "start", "end", "signed", "from_year")
"""Columns of years, which are shown without a comma."""
NOTHING = 1e-9
"""What is smaller is shown as 0."""
HEADING = re.compile(r"([A-Z]{2,}(?: [A-Z]{2,})*):? *(.*)", re.DOTALL)
"""How a section of the summary begins: words in capitals, then text."""
LARGEST_INLINE = 1_500_000
"""Bytes of CSV of one table that go into the page."""


@dataclass(frozen=True)
class Section:
    """A table with its words."""

    name: str
    title: str
    note: str
    table: pd.DataFrame


def report(
    results: Result | Sequence[Result],
    *,
    names: Sequence[str] | None = None,
    analyses: Analyses | None = None,
) -> str:
    """A page on one result, or on the first of several with a comparison of all.

    names: what several results are called; None: their plans' names. analyses: studies, or tables of other verbs by `verb/table`
    (`frontier/points`), as `read_analyses` finds them. Raises InputError where the extra `report` is not installed, ValueError
    without a result.
    """
    several = [results] if isinstance(results, Result) else list(results)
    if not several:
        raise ValueError("a report needs a result")
    first, others = several[0], several[1:]
    compared, studied = compare(several, names) if others else None, tables_of(analyses)
    drawn = _drawn(several, compared, studied)
    environment = _environment()
    return str(
        environment.get_template("page.html").render(
            title=first.plan.title or first.plan.name,
            headline=headline(first),
            words=_paragraphs(first.summary()),
            figures=drawn,
            specs={figure.name: _safe(json.dumps(_spec(figure))) for figure in drawn},
            absent=_absent(studied),
            sections=_sections(first, studied),
            comparison=compared,
            downloads=_downloads(first, studied),
            evidence=_evidence(first),
            style=_file("style.css"),
            script=_file("page.js"),
            bundle=_bundle(),
            policy=POLICY,
        )
    )


def _spec(figure: Figure) -> dict[str, Any]:
    """A chart as the page draws it: as wide as there is room where it is one plot, and saying what it shows."""
    with all_rows():
        spec: dict[str, Any] = figure.chart.to_dict()
    single = not {"hconcat", "vconcat", "concat", "facet"} & set(spec) and "row" not in spec.get("encoding", {})
    if single and "width" in spec:
        spec |= {"width": "container"}
    return {**spec, "description": figure.alt}


STUDIES = {
    "reasons and prices in words": ("explain/prices", "explain RUN --out RUN/analyses/explain"),
    "plans that are nearly as good": ("alternatives/extremes", "alternatives RUN --out RUN/analyses/alternatives"),
    "a comparison with rules of thumb": ("worth/alternatives", "worth PLAN --out RUN/analyses/worth"),
    "a stress test on new random scenarios": ("stress/figures", "stress RUN --out RUN/analyses/stress"),
    "budget against risk": ("frontier/points", "frontier PLAN --out RUN/analyses/frontier"),
    "what moves the answer": ("sweep/indices", "sweep PLAN STUDY --out RUN/analyses/sweep"),
    "disruptions as they were observed": ("scenarios/replay", "scenarios PLAN --replay --out RUN/analyses/scenarios"),
}
"""What the page can show beside -> (a table that says it is there, the command that adds it)."""


def _absent(analyses: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """(what is not shown, the command that adds it)."""
    return [(what, f"strategic-minerals {command}") for what, (key, command) in STUDIES.items() if key not in analyses]


def headline(result: Result) -> list[str]:
    """The verdict in sentences: what the plan is worth, how sure that is, and under which loss function."""
    return [line.strip() for line in result.summary().split("\n\n")[0].splitlines()[1:]]


def read_analyses(folder: Path) -> dict[str, pd.DataFrame]:
    """Tables of other verbs in a run folder, by `verb/table`.

    Raises InputError for a study that is not as it was written or is one of another run, and for a file that is no table.
    """
    found: dict[str, pd.DataFrame] = {}
    faults = study_faults(folder, read_manifest(folder)[1])
    if faults:
        raise InputError(faults)
    for path in sorted((folder / ANALYSES).glob("*/*.csv")):
        try:
            table = pd.read_csv(path, keep_default_na=False, na_values=[""])
            found[f"{path.parent.name}/{path.stem}"] = unguarded(table)
        except (ValueError, UnicodeDecodeError) as error:
            raise InputError([Fault(str(path), "", "", str(error), "a table written by this package")]) from None
    return found


def _environment() -> Any:
    try:
        import jinja2
    except ImportError:
        raise missing_part("report", "jinja2", "report") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("strategic_minerals", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["heading"] = heading
    environment.filters["year"] = lambda value: "" if value != value else f"{value:.6g}"
    environment.filters["is_year"] = lambda column: str(column) in YEARS
    environment.filters["numeric"] = lambda column: pd.api.types.is_numeric_dtype(column) and column.dtype != bool
    return environment


def shown(value: Any) -> str:
    """A cell as a reader wants it."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if abs(value) < NOTHING:
            return "0"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
    return str(value)


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
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _file(name: str) -> str:
    return resources.files("strategic_minerals").joinpath("report", name).read_text(encoding="utf-8")


def _paragraphs(summary: str) -> list[tuple[str, list[str]]]:
    """(heading, lines) of the summary's sections after the verdict."""
    found = []
    for part in summary.split("\n\n")[1:]:
        first, *rest = part.splitlines()
        spoken = HEADING.match(first)
        head, tail = (spoken[1], spoken[2]) if spoken else ("", first)
        if rest:  # the first line is a heading, or begins the section with a sentence of its own
            head, tail = (
                f"{head.capitalize()} {tail}".strip().rstrip(":") if first.endswith(":") else head.capitalize(),
                tail,
            )
            lines = ([] if first.endswith(":") else [tail]) + [line.strip() for line in rest]
        else:
            head, lines = head.capitalize(), [tail]
        found.append((head, [line[:1].upper() + line[1:] for line in lines if line]))
    return found


def _sections(result: Result, analyses: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Tables of the page after the figures."""
    wide, names = provenance(result.plan, result.data).widest.head(MOST_ESTIMATES), Names.of(result.data)
    keys = zip(wide["key"], wide["column"], strict=True)
    said = [f"{', '.join(map(names.any, key.split('/')))}: {heading(column)}" for key, column in keys]
    wide = pd.concat([pd.Series(said, index=wide.index, name="estimate", dtype=object), wide], axis=1)
    found: list[Section] = [
        Section(name, title, note, in_sentences(analyses[key]))
        for key, name, title, note in (
            (
                "explain/reasons",
                "reasons",
                "Reasons",
                "How much better or worse the plan is with each item: solved again with the item and without it.",
            ),
            (
                "explain/prices",
                "prices",
                "Prices in words",
                "What one unit more is worth, for the commitments of this plan and for small changes.",
            ),
            (
                "explain/break_evens",
                "break-evens",
                "What would change the decision",
                "Solved again at each value, with the item and without it.",
            ),
            (
                "alternatives/extremes",
                "alternatives",
                "Nearly as good",
                "How far each figure can move in plans that are nearly as good.",
            ),
            (
                "worth/alternatives",
                "rules-of-thumb",
                "Compared with rules of thumb",
                "All alternatives, in the plan's own scenarios.",
            ),
            (
                "worth/fresh_scenarios",
                "fresh-scenarios",
                "Compared with rules of thumb, in new random scenarios",
                "With 95% intervals.",
            ),
            (
                "stress/figures",
                "stress",
                "Stress test",
                "The plan in new random scenarios, which were not used to make it.",
            ),
            ("frontier/switches", "switches", "Switch points", "Budgets at which the portfolio changes."),
            (
                "scenarios/replay",
                "replay",
                "Observed disruptions and what the hazards say of them",
                "Years of normal supply lost: as observed, and in events of the hazard (mean, 5 % and 95 % points).",
            ),
        )
        if key in analyses and len(analyses[key])
    ]
    years = _vintage(result)
    return [
        *found,
        Section("estimates", "Estimates", "The estimates with the widest ranges among those that the plan uses.", wide),
        Section(
            "vintage",
            "Data vintage",
            "Rows of each table, with the oldest and the newest year of their sources.",
            years,
        ),
    ]


def _vintage(result: Result) -> pd.DataFrame:
    rows = []
    for table in result.data.tables:
        found = result.data.rows(table)
        years = [row.year for row in found if getattr(row, "year", None) is not None]
        guessed = sum(getattr(row, "confidence", "") == "estimate" for row in found)
        rows.append(
            {
                "table": table,
                "rows": len(found),
                "estimates": guessed,
                "oldest": min(years, default=None),
                "newest": max(years, default=None),
            }
        )
    return pd.DataFrame(rows)


def _analysed(analyses: Mapping[str, pd.DataFrame]) -> list[Figure]:
    found: list[Figure] = []
    try:
        for key, where in (
            ("worth/fresh_scenarios", "in new random scenarios"),
            ("worth/alternatives", "in the plan's own scenarios"),
        ):
            if key in analyses and not found:
                found += thumb_figure(analyses[key], where)
        if "frontier/points" in analyses:
            found += frontier_figure(analyses["frontier/points"])
        for verb in ("sweep", "tornado"):
            if f"{verb}/indices" in analyses:
                found += tornado_figure(analyses[f"{verb}/indices"])
    except (KeyError, TypeError) as error:
        raise InputError(
            [Fault(ANALYSES, "", str(error), "a table without it", "tables as the verbs write them")]
        ) from None
    return found


def _rules(analyses: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Losses of rules of thumb by scenario, where `worth` wrote them."""
    found = analyses.get("worth/scenarios")
    return found if found is not None and {"alternative", "scenario", "loss_musd"} <= set(found.columns) else None


def _evidence(result: Result) -> list[tuple[str, str]]:
    """Audit and solver, as pairs."""
    outcome, counts = result.outcome, result.counts
    return [
        ("ended", outcome.reason.replace("_", " ")),
        (
            "gap to the best possible plan",
            "" if outcome.relative_gap is None else f"{outcome.relative_gap:.3%} (asked: {result.options['gap']:.3%})",
        ),
        ("objective, bound [million USD]", f"{outcome.objective_musd:,.3f}, {outcome.best_bound_musd:,.3f}"),
        ("independent audit", f"{audit_word(result)}; largest difference: {result.audited.worst()}"),
        ("model", ", ".join(f"{counts[name]:,} {name}" for name in ("columns", "rows", "binaries", "scenarios"))),
        ("method, time", f"{outcome.method}, {result.seconds.get('total', math.nan):,.1f} s"),
        ("tolerances", f"feasibility {result.options.get('primal_feasibility_tolerance', '')}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in result.versions.items())),
    ]


def _downloads(result: Result, analyses: Mapping[str, pd.DataFrame]) -> list[tuple[str, int, str]]:
    """(file name, rows, data URI) of every table; an empty URI where it is too large for the page."""
    found = []
    studies = [(key.replace("/", "-"), frame) for key, frame in analyses.items()]
    for name, table in [*result.tables.items(), ("dictionary", dictionary(result)), *studies]:
        data = csv_text(table).encode()
        uri = f"data:text/csv;base64,{base64.b64encode(data).decode()}" if len(data) <= LARGEST_INLINE else ""
        found.append((f"{name}.csv", len(table), uri))
    return found


def in_sentences(table: pd.DataFrame) -> pd.DataFrame:
    """The words of a table that has its figures in sentences; the file to download has them in columns too."""
    words = [column for column in ("item", "sentence") if column in table.columns]
    return table[words] if "sentence" in words else table


def _drawn(
    results: Sequence[Result], compared: Comparison | None, analyses: Mapping[str, pd.DataFrame]
) -> list[Figure]:
    """All figures of a page, in its order."""
    side_by_side = [] if compared is None else list(comparison_figure(compared.outcome))
    return [*side_by_side, *figures(results[0], _rules(analyses)), *_analysed(analyses)]


def markdown(
    results: Result | Sequence[Result],
    *,
    names: Sequence[str] | None = None,
    analyses: Analyses | None = None,
) -> str:
    """The words of the page, for a text editor; arguments as for `report`."""
    several = [results] if isinstance(results, Result) else list(results)
    first, compared = several[0], compare(several, names) if len(several) > 1 else None
    lines = [f"# {_plain(first.plan.title or first.plan.name)}", "", *(_plain(line) for line in headline(first)), ""]
    for head, text in _paragraphs(first.summary()):
        lines += [f"## {_plain(head)}", "", *(f"- {_plain(line)}" for line in text), ""]
    for figure in _drawn(several, compared, tables_of(analyses)):
        lines += [f"## {figure.title}", "", figure.note, "", _plain(figure.alt), ""]
    if compared is not None:
        lines += ["## Comparison", "", *compared.warnings, ""]
        for title, table in compared.parts():
            lines += [f"### {title}", "", *(f"- {_plain(line)}" for line in compared.told(table) or ["nothing"]), ""]
    lines += ["## Evidence", "", *(f"- {name}: {_plain(value)}" for name, value in _evidence(first)), ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that Markdown takes for nothing else, on one line."""
    return re.sub(r"([\\`*_<>\[\]#|])", r"\\\1", " ".join(text.split()))


def save_figures(
    results: Result | Sequence[Result],
    folder: Path,
    kind: str = "svg",
    *,
    names: Sequence[str] | None = None,
    analyses: Analyses | None = None,
) -> list[Path]:
    """Every figure of the page as a file of its own, `svg` or `png`, all of them or none; other arguments as for `report`."""
    several = [results] if isinstance(results, Result) else list(results)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with staged() as files:
        for figure in _drawn(several, compare(several, names) if len(several) > 1 else None, tables_of(analyses)):
            path = folder / f"{figure.name}.{kind}"
            with files.file(path) as file:
                file.write(_image(figure, kind))
            written.append(path)
    return written


def _image(figure: Figure, kind: str) -> bytes:
    """A figure as a file of some kind."""
    if kind == "png":
        into = io.BytesIO()
        with all_rows():
            figure.chart.save(into, format="png", ppi=144)
        return into.getvalue()
    text = io.StringIO()
    with all_rows():
        figure.chart.save(text, format=kind)
    return text.getvalue().encode()
