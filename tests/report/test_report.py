"""The page in a real browser: every figure drawn, nothing fetched, names inert, what one clicks works; comparison."""

import html
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import PATIENCE_S, Cli
from strategic_minerals import InputError, Result, Study, load_dataset, load_plan, shipped, solve, write_report
from strategic_minerals.page.compare import compare
from strategic_minerals.page.page import report
from support.one_mineral import one_mineral
from support.tiny import cut, offer, project, source, tiny

pytestmark = pytest.mark.long

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
HOSTILE = "x<script>document.title='caught'</script>"


@cache
def full() -> Result:
    """A small plan that buys, signs, contracts and guarantees: every figure has something to show."""
    smelter = project({"ore": -1.0, "metal": 1.0}, 4.0, capex_musd=200.0, cash_usd_per_kg=30.0, additional=True)
    friend = source("AUS", "metal", 3.0, kappa=0.0, lot_t_per_yr=500.0, fee_usd_per_kg=0.01, term_yr=5.0)
    abroad = source("CHN", {"ore": -1.0, "metal": 1.0}, 20.0)
    plan, data = tiny(
        {"ore": 10.0, "metal": 40.0},
        years=6,
        loss=200.0,
        states=((0.8, 0.5), (1.2, 0.5)),
        money=120.0,
        sources={"mine": source("CHN", "ore", 30.0), "smelter": abroad, "friend": friend},
        demand={("metal", "civil"): 12.0, ("metal", "defence"): 2.0},
        offers={"spot": offer("metal", 2.0)},
        projects={"home_smelter": smelter},
        packages={"grant": {"instrument": "grant"}},
        instruments={"price_floors": [{"material": "metal", "levels_usd_per_kg": [42.0], "term_years": 4}]},
        budget={"liability_cap_musd": 500.0},
        scenarios=[cut("squeeze", 0.3, 2029, 2, "metal"), cut("all", 0.1, 2030, 1)],
        title=f'A plan by {HOSTILE} & "friends"',
    )
    return solve(plan, data, gap=0.0, quick=True)


@cache
def quickstart(money: float | None = None, existing: bool = True) -> Result:
    """The first shipped plan: real names, three scenarios; with another budget, without what is already held."""
    changes: dict[str, Any] = {"existing": existing} | ({} if money is None else {"budget.appropriation_musd": money})
    plan = load_plan(shipped("models") / "quickstart.toml", changes)
    return solve(plan, load_dataset(shipped("inputs")), gap=1e-3, quick=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        opened = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page, with what it asked the network for and what it complained of."""

    def __init__(self, browser: Any, file: Path, width: int = 1200) -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        self.page = context.new_page()
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on(
            "console", lambda message: self.said.append(message.text) if message.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(file.as_uri())
        drawn = "document.querySelectorAll('.chart:not([data-drawn])').length === 0"
        self.page.wait_for_function(drawn, timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a shipped plan, and that of two results with hostile names, with studies beside it."""
    frontier = pd.DataFrame(
        [[0.0, 0.0, 9.0, 30.0, ""], [100.0, -5.0, 4.0, 10.0, HOSTILE]],
        columns=["appropriation_musd", "objective_musd", "expected_loss_musd", "cvar_musd", "portfolio"],
    )
    swings = pd.DataFrame(
        [[HOSTILE, 0.0, 1.0, -3.0, -5.0, -9.0, 6.0], ["discount_rate", 0.0, 0.1, -6.0, -5.0, -4.0, 2.0]],
        columns=["address", "low", "high", "at_low", "at_base", "at_high", "swing"],
    )
    reasons = pd.DataFrame({"item": [HOSTILE, "b"], "brings_musd": [1.5, 20.25], "chosen": [True, False]})
    studies = [
        Study("frontier", {"points": frontier}),
        Study("sweep", {"indices": swings}),
        Study("explain", {"reasons": reasons}, [HOSTILE, HOSTILE], {}, {"reasons": HOSTILE}),
    ]
    folder = tmp_path_factory.mktemp("page")
    texts = {
        "hostile": report([full(), full()], names=["a", HOSTILE], analyses=studies),
        "shipped": report(quickstart()),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


WITHOUT_AXES = "all => all.filter(chart => !chart.querySelector('.role-axis')).map(chart => chart.id)"
OVERLAPPING = """all => all.flatMap(chart => {
    const titles = '[class*="role-axis-"] text, .role-legend-label text, .role-title-text text';
    const words = [...chart.querySelectorAll(titles)]
        .filter(text => text.textContent && getComputedStyle(text).opacity > 0)
        .map(text => [text.textContent, text.getBoundingClientRect()]);
    return words.flatMap(([one, a], k) => words.slice(k + 1)
        .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 3
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3)
        .map(([other]) => [chart.id, one, other]));
})"""
"""Pairs of labels of one chart that lie on each other."""
CLIPPED = """all => all.filter(one => one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest('.scroll, .drawn, nav, .skip')).map(one => one.outerHTML.slice(0, 200))"""


@needs_browser
@pytest.mark.parametrize(("name", "width"), [("hostile", 1200), ("shipped", 390)])
def test_the_page_opens_offline_with_every_figure_drawn_and_readable(
    name: str, width: int, browser: Any, pages: dict[str, Path]
) -> None:
    """Proves: on a desk and on a phone every chart is drawn with axes and no words on each other; no console error, no request but
    for the file itself; nothing sticks out of the window; names with markup stay text; charts have words for who cannot see."""
    opened = Opened(browser, pages[name], width)
    page = opened.page
    states = page.eval_on_selector_all(".chart", "all => all.map(chart => chart.dataset.drawn)")
    assert len(states) >= (6 if name == "hostile" else 4)
    assert set(states) == {"yes"}
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith(("data:", "blob:"))] == [pages[name].as_uri()]
    assert "caught" not in page.title().replace("document.title='caught'", "")
    assert page.eval_on_selector_all(".chart", WITHOUT_AXES) == []
    assert page.eval_on_selector_all(".chart", OVERLAPPING) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    beyond = "all => all.filter(one => one.scrollWidth - one.clientWidth > 1).map(one => one.id || one.ariaLabel)"
    told = page.eval_on_selector_all(
        ".chart, .drawn svg", "all => all.map(c => [c.getAttribute('role'), c.getAttribute('aria-label')])"
    )
    assert all(role == "img" and len(label) > 20 for role, label in told), told  # what Vega leaves of it
    letters = "all => all.map(svg => 13 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"
    assert min(page.eval_on_selector_all(".drawn svg", letters)) > 12  # pixels; what is wider scrolls in its box
    if name == "shipped":
        assert page.eval_on_selector_all("main *", CLIPPED) == []
        assert page.eval_on_selector_all(".chart", beyond) == []
        assert page.eval_on_selector_all(".scroll", beyond) == []  # on a phone the rows of tables are stacked
        assert page.evaluate("document.querySelector('nav .inner').clientHeight") < 48
        plot = "document.querySelector('#chart-timeline svg .mark-rect path').getBoundingClientRect().width"
        assert page.evaluate(plot) > 20  # a year of a purchase, beside names of any length
        for seen in (".verdict", ".now tbody tr"):
            assert page.locator(seen).first.bounding_box()["y"] < 900
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 700, "height": 1000})
        assert page.eval_on_selector_all("main table, main svg, main dd", CLIPPED) == []
        assert page.locator("nav").is_hidden()


@needs_browser
def test_what_one_clicks_works(browser: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    """Proves: a table is downloaded whole, hovering tells figures, the keyboard
    reaches the first link."""
    page = Opened(browser, pages["hostile"]).page
    with page.expect_download() as waited:
        page.locator("a[download='acquisitions.csv']").click()
    waited.value.save_as(tmp_path / "acquisitions.csv")
    assert len(pd.read_csv(tmp_path / "acquisitions.csv")) == len(full().tables["acquisitions"])
    page.locator("#chart-budget svg .mark-rect path").first.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "million USD" in page.locator("#vg-tooltip-element").inner_text()
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"


def test_the_page_says_the_verdict_inertly_and_points_nowhere_else(pages: dict[str, Path]) -> None:
    """Proves: a headline with worth and loss function; a text beside every figure; no name is a script, no link leads elsewhere; a
    cost of -9 in a sweep is told as a worth of 9."""
    text = pages["hostile"].read_text(encoding="utf-8")
    assert "After all costs the gain is" in full().brief.recommendation
    assert "by the losses 'test'" in full().brief.recommendation
    assert text.count("<figcaption") == text.count("<details>") == text.count("<figure ")
    assert "<script>document.title" not in text
    quiet = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']""", quiet)
    assert len(text.encode()) < 5_000_000
    assert "the plan is worth 3 million USD at 0 and 9 million USD at 1" in html.unescape(text)


def test_a_comparison_tells_what_differs() -> None:
    """Proves: a changed field and a changed cell of a table are told with both values; equal results differ in nothing."""
    plan, data = one_mineral(110.0)
    one, two = solve(plan, data, gap=0.0, quick=True), solve(*one_mineral(70.0), gap=0.0, quick=True)
    found = compare([one, two], ["rich", "poor"])
    fields = found.tables["inputs"].set_index("field")
    assert fields.loc["budget.appropriation_musd.2027", ["rich", "poor"]].tolist() == ["110", "70"]
    assert ("support", "A") in set(zip(found.tables["plan"]["kind"], found.tables["plan"]["item"], strict=True))
    offers = data.frame("offers").assign(premium_share=0.5)
    dearer = solve(plan, data.replace(offers=offers), gap=0.0, quick=True)
    assert any(text.startswith("offers: premium") for text in compare([one, dearer]).facts["changed"])
    renamed = data.replace(materials=data.frame("materials").assign(name="Gallium, refined"))
    named = solve(plan, renamed, gap=0.0, quick=True)
    other_name = compare([one, named], ["before", "after"]).tables
    assert other_name["plan"].empty
    assert (other_name["targets"].before == other_name["targets"].after).all()
    same = compare([one, one])
    assert same.tables["inputs"].empty
    assert same.tables["plan"].empty
    assert same.facts["names"] == ("tiny (1)", "tiny (2)")
    later = solve(*one_mineral(110.0, years=3), gap=0.0, quick=True)
    held = compare([one, later], ["long", "short"]).tables["targets"].set_index("fiscal_year")
    assert (held.loc[2030, "long"] > 0, np.isnan(held.loc[2030, "short"])) == (True, True)
    for wrong, fault in (([one], "two or more"), ([one, two], "1 name; expected 2")):
        with pytest.raises(InputError, match=fault):
            compare(wrong, ["rich"])
    tested = solve(quickstart().plan, quickstart().data)
    outcome = compare([quickstart(), tested]).tables["outcome"].set_index("figure")
    assert outcome.loc["worth in its own scenarios, as lived"].isna().tolist() == [False, True, False]


def test_the_verb_report(tmp_path: Path, cli: Cli) -> None:
    """Proves: a page of run folders compares them, that of a folder is that of its result."""
    runs = [solve(*one_mineral(amount), gap=0.0, quick=True) for amount in (110.0, 70.0)]
    folders = [run.save(tmp_path / name) for run, name in zip(runs, "ab", strict=True)]
    done = cli("report", *folders, "-o", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.index('id="comparison"') < text.index('id="now"')
    own = write_report(runs[0], tmp_path / "new" / "own.html").read_text(encoding="utf-8")
    assert own == write_report(Result.load(folders[0]), tmp_path / "read.html").read_text(encoding="utf-8")
