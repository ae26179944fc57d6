"""The page in a real browser: every figure drawn, nothing fetched, names inert, what one clicks works; comparison; doctor."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import PATIENCE_S
from strategic_minerals import InputError, Result, solve, write_run
from strategic_minerals.answer.run_folder import write_parquet
from strategic_minerals.cli.doctor import examine
from strategic_minerals.core.frames import kinds_of, typed, whole
from strategic_minerals.page.charts import figures
from strategic_minerals.page.compare import chain, compare, drawdown, mix, money, timeline
from strategic_minerals.page.page import headline, markdown, read_analyses, report, save_figures
from strategic_minerals.page.study_charts import address_in_words
from strategic_minerals.question.names import Names
from strategic_minerals.solver.highs import canary
from support.one_mineral import one_mineral
from support.tiny import cut, offer, project, source, tiny

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
HOSTILE = "x<script>document.title='caught'</script>"


def full() -> Result:
    """A small plan that buys, signs, contracts and guarantees: every figure has something to show."""
    smelter = project({"ore": -1.0, "metal": 1.0}, 4.0, capex_musd=200.0, cash_usd_per_kg=30.0, additional=True)
    friend = source("AUS", "metal", 3.0, kappa=0.0, lot_t_per_yr=500.0, fee_usd_per_kg=0.01, term_yr=5.0)
    plan, data = tiny(
        {"ore": 10.0, "metal": 40.0},
        years=6,
        loss=200.0,
        states=((0.8, 0.5), (1.2, 0.5)),
        money=120.0,
        sources={
            "mine": source("CHN", "ore", 30.0),
            "smelter": source("CHN", {"ore": -1.0, "metal": 1.0}, 20.0),
            "friend": friend,
        },
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


@pytest.fixture(scope="module")
def result() -> Result:
    return full()


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
def written(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with studies beside it."""
    folder = tmp_path_factory.mktemp("page")
    frontier = pd.DataFrame(
        {
            "appropriation_musd": [0.0, 100.0],
            "objective_musd": [0.0, -5.0],
            "expected_loss_musd": [9.0, 4.0],
            "cvar_musd": [30.0, 10.0],
            "portfolio": ["", HOSTILE],
        }
    )
    swings = pd.DataFrame(
        {
            "address": [HOSTILE, "discount_rate"],
            "low": [0.0, 0.0],
            "high": [1.0, 0.1],
            "at_low": [-3.0, -6.0],
            "at_base": [-5.0, -5.0],
            "at_high": [-9.0, -4.0],
            "swing": [6.0, 2.0],
        }
    )
    reasons = pd.DataFrame({"item": [HOSTILE, "b"], "brings_musd": [1.5, 20.25], "chosen": [True, False]})
    beside = pd.DataFrame(
        {
            "alternative": [HOSTILE, "nothing"],
            "expected_loss_musd": [4.0, 9.0],
            "cvar_musd": [10.0, 30.0],
            "expected_loss_musd_low": [3.0, 8.0],
            "expected_loss_musd_high": [5.0, 10.0],
            "cvar_musd_low": [9.0, 28.0],
            "cvar_musd_high": [11.0, 32.0],
        }
    )
    studies = {
        "frontier/points": frontier,
        "sweep/indices": swings,
        "explain/reasons": reasons,
        "worth/fresh_scenarios": beside,
    }
    file = folder / "report.html"
    file.write_text(report([result, result], names=["a", HOSTILE], analyses=studies), encoding="utf-8")
    return file


@needs_browser
@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_draws_every_figure_and_asks_for_nothing(browser: Any, written: Path, width: int) -> None:
    """Proves: at desktop and phone width every chart is drawn, no console error, no request but for the file itself, the text does
    not overflow the window, and names with markup stay text."""
    opened = Opened(browser, written, width)
    states = opened.page.eval_on_selector_all(".chart", "all => all.map(chart => chart.dataset.drawn)")
    assert len(states) >= 10
    assert set(states) == {"yes"}
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith(("data:", "blob:"))] == [written.as_uri()]
    assert opened.page.title().startswith("A plan by x<script>")
    assert "caught" not in opened.page.title().replace("document.title='caught'", "")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.page.locator("svg").count() >= len(states)
    told = opened.page.eval_on_selector_all(
        ".chart", "all => all.map(c => [c.getAttribute('role'), c.getAttribute('aria-label')])"
    )
    assert all(role == "img" and len(label) > 20 for role, label in told), told  # what Vega leaves of it


@needs_browser
def test_what_one_clicks_works(browser: Any, written: Path, tmp_path: Path) -> None:
    """Proves: a scenario is selected, a table sorted both ways, a table downloaded whole, hovering tells figures, the keyboard
    reaches the first link."""
    page = Opened(browser, written).page
    chosen = page.locator("select", has=page.locator("option", has_text="squeeze"))
    before = page.locator("#chart-stocks svg").inner_html()
    assert "largest loss without the plan" in chosen.locator("option").first.inner_text()
    other = chosen.locator("option").nth(1).inner_text()
    chosen.select_option(label=other)
    page.wait_for_function("before => document.querySelector('#chart-stocks svg').innerHTML !== before", arg=before)
    head = page.locator("#reasons ~ .scroll th", has_text="brings [million USD]")
    head.locator("button").click()
    cells = page.locator("#reasons ~ .scroll tbody tr td:nth-child(2)")
    assert cells.all_inner_texts() == ["1.5", "20.25"]
    head.locator("button").click()
    assert cells.all_inner_texts() == ["20.25", "1.5"]
    assert head.get_attribute("aria-sort") == "descending"
    with page.expect_download() as waited:
        page.locator("a[download='acquisitions.csv']").click()
    waited.value.save_as(tmp_path / "acquisitions.csv")
    assert "material" in (tmp_path / "acquisitions.csv").read_text(encoding="utf-8")
    page.locator("#chart-losses svg .mark-symbol path").first.hover()
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "million USD" in page.locator("#vg-tooltip-element").inner_text()
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"


@pytest.mark.parametrize("dtype", [object, "str"])
def test_text_comes_back_as_text_whatever_pandas_holds_it_in(dtype: Any) -> None:
    """Proves: text in objects or in a dtype of its own, with cells that are missing, becomes objects that are all text."""
    frame = whole(pd.DataFrame({"name": pd.Series(["a", None, "b"], dtype=dtype), "n": [1.0, float("nan"), 2.0]}))
    assert frame["name"].dtype == object
    assert frame["name"].tolist() == ["a", "", "b"]
    assert kinds_of(frame) == {"name": "text", "n": "number"}


def test_the_page_says_the_verdict_and_can_be_read_without_seeing(result: Result, written: Path) -> None:
    """Proves: headline with worth, proof and loss function; every figure has a text alternative; one h1; the language is stated;
    nothing points to another address."""
    text = written.read_text(encoding="utf-8")
    assert "The plan is worth" in " ".join(headline(result))
    assert "Loss function: test" in " ".join(headline(result))
    assert text.count("<figcaption") == text.count("<details>") == text.count('class="chart"')
    assert text.count("<h1>") == 1
    assert '<html lang="en">' in text
    assert "<script>document.title" not in text
    assert not re.findall(
        r"""(?:src|href)=["'](?!#|data:)[^"']""", re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    )
    assert len(text.encode()) < 5_000_000


def test_figures_say_what_the_tables_say(result: Result) -> None:
    """Proves: shares of every bar add to one; the timeline names every action; stocks of the trunk are those of the table; money by
    line adds to the outlays; a step's use lies within its capacity."""
    shares = mix(result).groupby(["material", "when"])["share"].sum()
    assert shares.to_numpy() == pytest.approx([1.0] * len(shares))
    actions = set(timeline(result)["what"])
    assert {f"buy {material}" for material in result.tables["acquisitions"]["material"]} <= actions
    stock = result.tables["stock"].set_index(["material", "period"])["stock_t"]
    drawn = drawdown(result)
    trunk = drawn[drawn["scenario"] == "baseline course"]
    for row in trunk.itertuples():
        assert row.stock_t == pytest.approx(stock[row.material, row.period], abs=1e-6)
    lines, owed = money(result)
    spent = lines[lines["line"] != "appropriation"].groupby("fiscal_year")["musd"].sum()
    budget = result.tables["budget"].set_index("fiscal_year")["outlay_musd"]
    assert spent.to_numpy() == pytest.approx(budget.loc[spent.index].to_numpy(), abs=1e-6)
    assert len(owed) in (0, len(budget))
    assert chain(result)["used"].between(0.0, 1.0).all()


def test_captions_say_what_is_shown_its_unit_and_its_year(result: Result) -> None:
    """Proves: axes of money name the year of the money, and losses what is left of them; years of the plan are fiscal years; a
    listed scenario is told by what happens in it; suppliers now are those of the first year."""
    drawn = {figure.name: figure for figure in figures(result)}
    money = f"million USD of {result.plan.price_year}"
    for name in ("budget", "liability", "losses"):
        assert money in json.dumps(drawn[name].chart.to_dict()), name
        assert money in drawn[name].alt, name
    assert "not discounted" in drawn["budget"].note
    assert drawn["timeline"].alt.endswith("from FY2027 to FY2032.")
    assert "Pale bars are construction years" in drawn["timeline"].note
    assert "Largest suppliers now, FY2027:" in drawn["supply-mix"].alt
    assert "(FY2032)" in drawn["value-chain"].note
    assert {"squeeze", "all"} & {
        name.partition(" (")[0] for name in drawn["losses"].table["scenario"] if " from 20" in name
    }


def test_what_a_sweep_varies_is_told_by_name(result: Result) -> None:
    """Proves: cells by the names of what they belong to, scenarios by theirs, other fields and what is no address as they are."""
    named = Names.of(result.data).producer("mine")
    for address, words in (
        ("capacities[mine/*].capacity_t_per_yr *", f"{named}, all: capacity, as a factor"),
        ("scenarios.0.probability", "scenario squeeze: probability"),
        ("discount_rate", "discount rate"),
        ("scenarios.9.probability", "scenarios.9.probability"),
        ("no address[", "no address["),
    ):
        assert address_in_words(address, result) == words


def test_the_page_tells_worth_where_a_study_has_cost(written: Path) -> None:
    """Proves: a cost of -9 at the high end is a worth of 9; alternatives and headings have words for readers; a scenario's name
    keeps its letters at the beginning of a line."""
    text = html.unescape(written.read_text(encoding="utf-8"))
    assert "the plan is worth 3 million USD at 0 and 9 million USD at 1" in text
    assert "largest with 'doing nothing' (9)" in text
    assert "CVaR (mean loss of the worst 10% of scenarios)" in text
    assert "CVaR, low end [million USD]" in text
    assert "<li>squeeze (" in text


def test_a_comparison_tells_what_differs(result: Result) -> None:
    """Proves: a changed field and a changed cell of a table are named with both values; equal results differ in nothing."""
    plan, data = one_mineral(110.0)
    one, two = solve(plan, data, gap=0.0, quick=True), solve(*one_mineral(70.0), gap=0.0, quick=True)
    found = compare([one, two], ["rich", "poor"])
    fields = found.tables["inputs"].set_index("field")
    assert fields.loc["budget.appropriation_musd.2027", "rich"] == "110"
    assert ("support", "A") in set(zip(found.tables["plan"]["kind"], found.tables["plan"]["item"], strict=True))
    frames = {name: data.frame(name) for name in data.tables}
    frames["offers"] = frames["offers"].assign(premium_share=0.5)
    dearer = solve(plan, type(data).from_tables(frames), gap=0.0, quick=True)
    assert "offers[spot].premium_share" in set(compare([one, dearer]).tables["inputs"]["field"])
    same = compare([one, one])
    assert same.tables["inputs"].empty
    assert same.tables["plan"].empty
    assert same.facts["names"] == ("tiny (1)", "tiny (2)")
    assert "What differs in the question: nothing" in same.summary()
    with pytest.raises(InputError, match="two or more"):
        compare([one])


def test_words_and_images_come_without_a_browser(result: Result, tmp_path: Path) -> None:
    """Proves: the words as Markdown, each figure as SVG."""
    words = markdown([result, result])
    assert words.startswith("# A plan by")
    assert "## Comparison" in words
    files = save_figures(result, tmp_path / "figures")
    assert len(files) >= 6
    assert all(file.read_text(encoding="utf-8").startswith("<svg") for file in files)


def test_parquet_files_keep_kinds_units_and_where_they_come_from(result: Result, tmp_path: Path) -> None:
    """Proves: every table of a result, read back, is the same frame; numbers are numbers, units stand beside them."""
    from pyarrow import parquet

    files = write_parquet(result, tmp_path / "tables")
    assert {file.stem for file in files} == set(result.tables)
    for file in files:
        read = parquet.read_table(file)
        expected = whole(result.tables[file.stem])
        pd.testing.assert_frame_equal(typed(read.to_pandas(), kinds_of(expected)), expected)
    bought = parquet.read_schema(tmp_path / "tables" / "acquisitions.parquet")
    assert bought.field("acquired_t").metadata[b"unit"] == b"t"
    assert bought.metadata[b"loss_function"].decode() == result.plan.loss_function


def test_the_verbs_report_compare_and_doctor(tmp_path: Path, cli: Any) -> None:
    """Proves: pages and comparisons of run folders with their studies; the doctor finds nothing wrong here, as JSON too."""
    for name, amount in (("a", 110.0), ("b", 70.0)):
        plan, data = one_mineral(amount)
        write_run(solve(plan, data, gap=0.0, quick=True), tmp_path / name)
    said = cli(
        "explain", tmp_path / "a", "--gap", "0", "--workers", "1", "--out", tmp_path / "a" / "analyses" / "explain"
    )
    assert said.returncode == 0, said.stderr
    assert set(read_analyses(tmp_path / "a")) >= {"explain/reasons", "explain/prices"}
    page = cli(
        "report", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "page.html", "--figures", tmp_path / "figures"
    )
    assert page.returncode == 0, page.stderr
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "What one more unit is worth" in text
    assert 'id="comparison"' in text
    told = cli("compare", tmp_path / "a", tmp_path / "b", "--json")
    assert json.loads(told.stdout)["inputs"]
    assert cli("compare", tmp_path / "a").returncode == 2
    healthy = cli("doctor", "--json")
    assert healthy.returncode == 0, healthy.stdout
    assert all(finding["fine"] for finding in json.loads(healthy.stdout) if finding["needed"])


def test_the_doctor_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Proves: a solver that errs, a folder that is not there, a missing optional part are found."""
    from strategic_minerals.cli import doctor

    monkeypatch.setattr(doctor, "canary", lambda: canary(lambda *_: 0.0))
    monkeypatch.setitem(doctor.EXTRAS, "report", ("no_such_module",))
    found = {finding.check: finding for finding in examine(tmp_path / "nowhere")}
    assert not found["solver self-test"].fine
    assert not found[f"write access to {tmp_path / 'nowhere'}"].fine
    assert found["optional part report"].found.startswith("not installed: no_such_module")
    assert not found["optional part report"].needed
