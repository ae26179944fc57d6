"""What a reader sees: order of the page, names in place of codes, axes that end with the plan, one colour a country, stories."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_report import Opened, browser, full, needs_browser

from strategic_minerals import Result, load_dataset, load_plan, shipped, solve
from strategic_minerals.page.charts import FURTHER, KNOWN, country_colours, figures
from strategic_minerals.page.compare import (
    MOST_STORIES,
    OTHERS,
    RESERVE,
    RULES,
    SHORT,
    chosen,
    remaining,
    stories,
    story_titles,
)
from strategic_minerals.page.page import MOST_ACTS, acts, does_nothing, headline, report, tiles
from support.drawn_cases import deciding
from support.one_mineral import one_mineral

__all__ = ["browser"]  # the fixture


@cache
def quickstart() -> Result:
    """The first shipped plan: real names, three scenarios."""
    return solve(
        load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs")), gap=1e-3, quick=True
    )


@cache
def idle() -> Result:
    """The same without money: doing nothing is best."""
    plan = load_plan(shipped("models") / "quickstart.toml", {"budget.appropriation_musd": 0})
    return solve(plan, load_dataset(shipped("inputs")), gap=1e-3, quick=True)


@cache
def drawn() -> Result:
    """A plan with scenarios that were drawn, tested by samples."""
    return solve(*deciding(), samples=2, scenarios=20)


@cache
def small() -> Result:
    return full()


class Text(HTMLParser):
    """Visible text of a page, ids in order, and whether each table stands in a box that scrolls."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.boxed: list[bool] = []
        self._open: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if tag == "table":
            self.boxed.append(bool(self._open) and "scroll" in self._open[-1][1].split())
        if tag not in ("meta", "link", "br"):
            self._open.append((tag, known.get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & {tag for tag, _ in self._open}:
            self.words.append(data)


def specs(result: Result) -> dict[str, dict[str, Any]]:
    return {figure.name: figure.chart.to_dict() for figure in figures(result)}


def within(spec: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a chart's specification."""
    if isinstance(spec, dict):
        yield spec
        for value in spec.values():
            yield from within(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from within(value)


def test_the_page_begins_with_verdict_acts_and_one_figure() -> None:
    """Proves: after the verdict come the acts of the first years, then the one figure of losses, then the scenarios; other figures,
    words, tables and evidence follow."""
    page = Text(report(quickstart()))
    order = [
        "now",
        "losses",
        "stories",
        "timeline",
        "stocks",
        "supply-mix",
        "budget",
        "words",
        "estimates",
        "evidence",
        "files",
    ]
    assert [name for name in page.ids if name in order] == order
    head, listed, _ = acts(quickstart())
    assert head == "FY2027 and FY2028"
    assert {act.verb for act in listed} == {"Buy", "Sign"}
    assert len(listed) <= MOST_ACTS
    assert {tile.label for tile in tiles(quickstart())} >= {
        "Worth, net of cost",
        "Expected shortage losses",
        "Spending",
    }


def test_acts_that_samples_tested_say_how_sure_they_are() -> None:
    """Proves: each act of a tested plan is firm, open, or firm up to an amount, as its table says."""
    _, listed, _ = acts(drawn())
    assert listed
    assert all(re.fullmatch(r"firm|open|firm up to .+", act.sure) for act in listed)


def test_a_plan_in_which_nothing_is_best_says_so() -> None:
    """Proves: no list of acts, no avoided losses of 0 M; the verdict is that doing nothing is best."""
    assert does_nothing(idle())
    assert not does_nothing(quickstart())
    assert headline(idle())[0].startswith("Doing nothing is best")
    assert not any("avoids 0" in line for line in headline(idle()))
    assert acts(idle())[1] == []
    assert "doing nothing is best" in acts(idle())[2]
    assert "with the plan or without it" in stories(idle())[0].losses()


def test_no_code_is_read_where_there_is_a_name() -> None:
    """Proves: codes of materials, countries, producers, projects, hazards, offers, packages and loss functions that have an
    underscore, which no word has, stand nowhere in the text of the page, but for the list of files."""
    page = " ".join(Text(report(quickstart())).words)
    body = page.partition("Every table as CSV")[0]
    data = quickstart().data
    codes = {
        str(getattr(row, field))
        for table, field in (
            ("materials", "material"),
            ("activities", "activity"),
            ("projects", "project"),
            ("hazards", "hazard"),
            ("offers", "offer"),
            ("packages", "package"),
            ("minerals", "mineral"),
            ("loss_functions", "loss_function"),
        )
        for row in data.rows(table)
    }
    seen = {code for code in codes if "_" in code and re.search(rf"(?<![\w/.]){re.escape(code)}(?![\w/.])", body)}
    assert seen == set()
    assert not re.search(r"\bsample-\d+\b", body)


@pytest.mark.parametrize("made", [quickstart, small, drawn])
def test_axes_of_years_end_where_the_plan_ends(made: Any) -> None:
    """Proves: every axis of years begins with the first planned year and ends with the last; no mark stands after it."""
    result = made()
    first, years = result.plan.horizon.first_year, result.plan.horizon.years
    seen = 0
    for name, spec in specs(result).items():
        for part in within(spec):
            if part.get("title") != "fiscal year" or part.get("type") != "quantitative":
                continue
            seen += 1
            low, high = part["scale"]["domain"]
            assert low == first, name
            assert first + years - 1 <= high <= first + years, name
            assert part["axis"]["values"] == list(range(first, first + years)), name
            assert part["scale"]["nice"] is False
    assert seen >= 2 or made is not quickstart
    for figure in figures(result):
        if "fiscal_year" in figure.table.columns:
            assert set(figure.table["fiscal_year"]) <= set(range(first, first + years)), figure.name


def test_a_country_has_one_colour_in_every_figure() -> None:
    """Proves: whichever countries are shown beside it, in whatever order, a country has one colour, its own in reports of other
    plans too; no two of a figure are alike; none has the colour of the reserve, of the shortfall or of the rest."""
    given: dict[str, set[str]] = {}
    for result in (quickstart(), small(), idle()):
        for spec in specs(result).values():
            for part in within(spec):
                if part.get("field") != "supplier" or "scale" not in part:
                    continue
                names, colours = part["scale"]["domain"], part["scale"]["range"]
                assert len(names) == len(colours) == len(set(colours))
                for name, colour in zip(names, colours, strict=True):
                    given.setdefault(name, set()).add(colour)
    assert {"China", OTHERS, RESERVE, SHORT} <= set(given)
    assert {name: colours for name, colours in given.items() if len(colours) > 1} == {}
    codes = ["CHN", "THA", "AUT", "USA", "PRT", "MEX"]
    assert all(country_colours(order) == country_colours(codes) for order in itertools.permutations(codes, 6))
    assert len(set(KNOWN.values()) | set(FURTHER)) == len(KNOWN) + len(FURTHER)


@pytest.mark.parametrize("made", [quickstart, small, drawn, idle])
def test_at_most_five_scenarios_are_told_and_each_for_a_reason(made: Any) -> None:
    """Proves: the worst is among them; each is what its reason says; none is told twice; none is without a loss; the figure shows
    the same ones; the rest is in the table, with every probability."""
    result = made()
    table = result.tables["scenario_losses"].set_index("scenario")
    told = chosen(result)
    assert 0 < len(told) <= MOST_STORIES
    assert table["loss_without_plan_musd"].idxmax() in told
    reasons = {why: scenario for scenario, several in told.items() for why in several}
    assert set(reasons) >= {why for why, _ in RULES if why != "the plan helps most"}
    weighed = table["probability"] * table["loss_without_plan_musd"]
    assert weighed[reasons["adds most to the expected loss"]] == weighed.max()
    assert table["loss_musd"][reasons["largest loss that remains"]] == table["loss_musd"].max()
    assert (table.loc[list(told), ["loss_musd", "loss_without_plan_musd"]].max(axis=1) > 0).all()
    losses = next(figure for figure in figures(result) if figure.name == "losses")
    assert losses.table["scenario"].nunique() == len(told) + 1
    assert len(remaining(result)) == len(table)


def test_a_story_says_what_strikes_who_lacks_what_and_what_is_done() -> None:
    """Proves: the tonnes of a story are those of the tables; a listed scenario has its name in brackets; releases are told."""
    result = quickstart()
    short = result.tables["shortfalls"]
    for story in stories(result):
        assert re.search(r"from 20\d\d", story.title)
        assert story.title.endswith(f"({story.scenario})")
        text = " ".join(story.sentences)
        mine = short[(short["scenario"] == story.scenario) & (short["shortfall_t"] > 1e-6)]
        assert ("Short with the plan" in text) == bool(len(mine))
        assert "The reserve releases" in text
    lacking = short[short["scenario"] == "ban-2028"].groupby(["material", "segment"])["shortfall_t"].sum()
    told = next(story for story in stories(result) if story.scenario == "ban-2028")
    assert f"Antimony for other users ({lacking['antimony', 'other']:,.0f} t" in " ".join(told.sentences)
    assert not any(name.startswith("Sample-") for name in story_titles(drawn()).values())


@pytest.mark.parametrize("made", [quickstart, small, drawn])
def test_every_table_stands_in_a_box_that_scrolls(made: Any) -> None:
    boxed = Text(report(made())).boxed
    assert len(boxed) >= 6
    assert all(boxed)


@needs_browser
@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_is_wider_than_the_window_and_the_menu_takes_one_row(browser: Any, tmp_path: Path, width: int) -> None:
    """Proves: on a desk and on a phone the page has the window's width, no chart and no table stick out of their boxes, the menu is
    one line high, rows of charts have room beside their labels; the verdict and the first act stand on the first screen."""
    file = tmp_path / "report.html"
    file.write_text(report(quickstart()), encoding="utf-8")
    page = Opened(browser, file, width).page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('nav .inner').clientHeight") < 48
    clipped = """all => all.filter(one => one.getBoundingClientRect().right > innerWidth + 1
        && !one.closest('.scroll') && !one.closest('nav') && !one.closest('.skip')).map(one => one.outerHTML.slice(0, 200))"""
    assert page.eval_on_selector_all("main *", clipped) == []
    charts = "all => all.map(one => [one.id, one.scrollWidth - one.clientWidth])"
    assert [name for name, beyond in page.eval_on_selector_all(".chart", charts) if beyond > 1] == []
    plot = "document.querySelector('#chart-timeline svg .mark-rect path').getBoundingClientRect().width"
    assert page.evaluate(plot) > 20  # a year of a purchase, beside names of any length
    for seen in (".verdict", ".now li"):
        assert page.locator(seen).first.bounding_box()["y"] < 900
    inside = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.ariaLabel)"
    assert page.eval_on_selector_all(".scroll", inside) == []  # on a phone the rows of tables are stacked
    if width == 1200:
        box = page.locator("#chart-losses svg").bounding_box()
        assert box["y"] + box["height"] < 900  # act-now list and figure side by side


@needs_browser
def test_printed_nothing_is_cut_off(browser: Any, tmp_path: Path) -> None:
    """Proves: on paper tables and charts are as wide as the page at most, the menu is gone, what was chosen in a chart is told."""
    file = tmp_path / "report.html"
    file.write_text(report(quickstart()), encoding="utf-8")
    page = Opened(browser, file, 1200).page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    beyond = "all => all.filter(one => one.getBoundingClientRect().right > innerWidth + 1).length"
    assert page.eval_on_selector_all("main table, main svg, main dd", beyond) == 0
    assert page.locator("nav").is_hidden()
    assert page.locator("#chart-stocks select").first.is_visible()


def test_estimates_are_told_once_and_their_cells_are_in_a_file() -> None:
    """Proves: figures of many years that are one estimate take one row; no code of a table stands in it; the file has them."""
    from strategic_minerals.page.page import estimates, sections

    shown = next(section for section in sections(quickstart(), {}) if section.name == "estimates").table
    assert not {"table", "key", "column"} & set(shown.columns)
    assert shown["estimate"].is_unique
    whole = estimates(quickstart())
    assert {"table", "key", "column"} <= set(whole.columns)
    assert 'download="estimates.csv"' in report(quickstart())


def test_the_drawing_on_narrow_screens_is_written_once() -> None:
    """Proves: the page carries the settings for narrow screens that the figures state, with as many rows as a figure has."""
    page = report(one())
    stated = json.loads(re.search(r'id="narrow">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert stated["row"] > 0
    assert stated["scale"]["type"] == "band"
    for name, spec in specs(one()).items():
        if name in ("losses", "timeline", "value-chain"):
            axis = [part for part in within(spec) if part.get("field") in ("scenario", "what", "step")]
            assert axis
            assert spec["usermeta"]["rows"] >= 1
    assert pd.Series([figure.label for figure in figures(one())]).is_unique


@cache
def one() -> Result:
    return solve(*one_mineral(110.0), gap=0.0, quick=True)
