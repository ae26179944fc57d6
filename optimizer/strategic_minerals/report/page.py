"""The page: one self-contained file, no network, prints well, names from tables inert."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.atomic_files import staged
from ..core.errors import Fault, InputError, missing_part
from ..data.column_words import number_in_words
from ..data.csv_files import csv_text, unguarded
from ..results.evidence import audit_word
from ..results.manifest import read_manifest
from ..results.own_table import extended_by
from ..results.readable import ENDED, heading
from ..results.result import Result
from ..results.run_contents import ANALYSES, dictionary
from ..results.study import Analyses, Study, tables_of
from ..results.study_files import study_faults
from .charts import figures
from .comparison import TITLES, compare, rows_in_words
from .content_policy import POLICY
from .figure import NARROW, Figure, all_rows, altair, money_unit
from .first_screen import CODE, acts, all_acts, headline, tiles
from .sections import ESTIMATES, estimates, sections
from .stories import RULE_IN_WORDS, remaining, stories
from .study_charts import comparison_figure
from .study_figures import study_figures
from .subject import Subject

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
LEAD = "losses"
"""The figure of the first screen."""
LARGEST_INLINE = 1_500_000
"""Bytes of CSV of one table that go into the page."""


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
            tiles=tiles(first),
            now=acts(first),
            acts=all_acts(first),
            stories=stories(first),
            rule=RULE_IN_WORDS,
            scenarios=remaining(first),
            words=_paragraphs(first),
            lead=next((figure for figure in drawn if figure.name == LEAD), None),
            figures=[figure for figure in drawn if figure.name != LEAD],
            narrow=_safe(json.dumps(NARROW)),
            specs={figure.name: _safe(json.dumps(_spec(figure))) for figure in drawn},
            absent=_absent(studied),
            sections=sections(first, studied),
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
    "why each item was chosen or rejected, and what one more unit is worth": (
        "explain/prices",
        "explain RUN --out RUN/analyses/explain",
    ),
    "plans that are nearly as good": ("alternatives/extremes", "alternatives RUN --out RUN/analyses/alternatives"),
    "what ministries do, in new scenarios": ("rules/rules", "rules RUN --out RUN/analyses/rules"),
    "a comparison with rules of thumb": ("worth/alternatives", "worth PLAN --out RUN/analyses/worth"),
    "a stress test on new random scenarios": ("stress/figures", "stress RUN --out RUN/analyses/stress"),
    "budget against risk": ("frontier/points", "frontier PLAN --out RUN/analyses/frontier"),
    "which uncertain figures change the answer most": ("sweep/indices", "sweep PLAN STUDY --out RUN/analyses/sweep"),
    "where a promise fails": (
        "discover/boxes",
        "discover RUN/analyses/stress --promise 'loss_musd <= 500' --out RUN/analyses/discover",
    ),
    "disruptions as they were observed": ("scenarios/replay", "scenarios PLAN --replay --out RUN/analyses/scenarios"),
}
"""What the page can show beside -> (a table that says it is there, the command that adds it)."""


def _absent(analyses: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """(what is not shown, the command that adds it)."""
    return [(what, f"strategic-minerals {command}") for what, (key, command) in STUDIES.items() if key not in analyses]


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
    environment.globals["WIDE"] = WIDE
    environment.filters["shown"] = shown
    environment.filters["heading"] = heading
    environment.filters["coded"] = _coded
    environment.filters["year"] = lambda value: shown(value) if not isinstance(value, int | float) else _year(value)
    environment.filters["is_year"] = lambda column: str(column) in YEARS
    environment.filters["numeric"] = _numeric
    environment.filters["amount"] = _amount
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
        return number_in_words(value, 4)
    return str(value)


def _year(value: float) -> str:
    """A year without commas; empty where there is none."""
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
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _file(name: str) -> str:
    return resources.files("strategic_minerals").joinpath("report", name).read_text(encoding="utf-8")


def _paragraphs(result: Result) -> list[tuple[str, list[str]]]:
    """(heading, lines) of the summary's sections after the verdict."""
    found, names = [], tuple(scenario.name for scenario in result.plan.scenarios)

    def begun(line: str) -> str:
        """A line with a capital letter, unless it begins with the name of a scenario, which is a code."""
        return line if line.startswith(names) else line[:1].upper() + line[1:]

    for part in result.summary().split("\n\n")[1:]:
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
        found.append((head, [begun(line) for line in lines if line]))
    return found


def _rules(analyses: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Losses of rules of thumb by scenario, where `worth` wrote them."""
    found = analyses.get("worth/scenarios")
    return found if found is not None and {"alternative", "scenario", "loss_musd"} <= set(found.columns) else None


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


def _drawn(results: Sequence[Result], compared: Study | None, analyses: Mapping[str, pd.DataFrame]) -> list[Figure]:
    """All figures of a page, in its order."""
    side_by_side = [] if compared is None else list(comparison_figure(compared.tables["outcome"]))
    return [*side_by_side, *figures(results[0], _rules(analyses)), *study_figures(analyses, Subject.of(results[0]))]


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
    for head, text in _paragraphs(first):
        lines += [f"## {_plain(head)}", "", *(f"- {_plain(line)}" for line in text), ""]
    told = stories(first)
    lines += ["## Scenarios that matter", "", RULE_IN_WORDS, ""] if told else []
    for story in told:
        said = [f"{story.why}.", story.losses(), *story.sentences]
        lines += [f"### {_plain(story.title)}", "", *(f"- {_plain(line)}" for line in said), ""]
    for figure in _drawn(several, compared, tables_of(analyses)):
        lines += [f"## {figure.title}", "", figure.note, "", _plain(figure.alt), ""]
    if compared is not None:
        lines += ["## Comparison", "", *compared.facts["warnings"], ""]
        for name in ("inputs", "outcome", "plan"):
            rows = rows_in_words(name, compared.tables[name], len(several)) or ["nothing"]
            lines += [f"### {TITLES[name]}", "", *(f"- {_plain(line)}" for line in rows), ""]
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
    """Every figure of the page as a file of its own, all of them or none; other arguments as for `report`.

    kind: `svg`, `png`, `html` (a page of its own, which fetches nothing), or `json` (Vega-Lite, for an editor or a page of yours).
    """
    several = [results] if isinstance(results, Result) else list(results)
    drawn = _drawn(several, compare(several, names) if len(several) > 1 else None, tables_of(analyses))
    return write_figures(drawn, folder, kind)


def write_figures(figures: Iterable[Figure], folder: Path, kind: str) -> list[Path]:
    """Figures as files of a folder, `svg` or `png`, all of them or none."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with staged() as files:
        for figure in figures:
            path = folder / f"{figure.name}.{kind}"
            with files.file(path) as file:
                file.write(_image(figure, kind))
            written.append(path)
    return written


def _alone(figure: Figure) -> str:
    """A page with one figure."""
    return str(
        _environment()
        .get_template("figure.html")
        .render(
            figure=figure,
            spec=_safe(json.dumps(_spec(figure))),
            narrow=_safe(json.dumps(NARROW)),
            style=_file("style.css"),
            script=_file("page.js"),
            bundle=_bundle(),
            policy=POLICY,
        )
    )


def _image(figure: Figure, kind: str) -> bytes:
    """A figure as a file of some kind."""
    chart = figure.titled
    if kind == "json":
        with all_rows():
            return (json.dumps({**chart.to_dict(), "description": figure.alt}, indent=1) + "\n").encode()
    if kind == "html":
        return _alone(figure).encode()
    if kind == "png":
        into = io.BytesIO()
        with all_rows():
            chart.save(into, format="png", ppi=144)
        return into.getvalue()
    text = io.StringIO()
    with all_rows():
        chart.save(text, format=kind)
    return text.getvalue().encode()
