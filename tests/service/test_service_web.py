"""The service's page in a real browser: sign in, upload, edit, faults in place, run, watch, read, compare; phone too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import PATIENCE_S
from strategic_minerals import load_dataset, load_plan, shipped
from strategic_minerals.question.workbook import write_workbook
from strategic_minerals.service.reading import changed
from support.served import Server, token

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
WRONG = "p.fault"
HOSTILE = "<script>document.title='caught'</script>"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    folder = tmp_path_factory.mktemp("web") / "s"
    text = token(folder, "office")["Authorization"].removeprefix("Bearer ")
    server = Server(folder, workers="1").ready()
    yield server, text
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM)
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, office: tuple[Server, str]) -> Iterator[Any]:
    """A page of somebody who has signed in, that complains of nothing on its own."""
    server, text = office
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    page, said = context.new_page(), []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if "Security Policy" in message.text else None)
    page.goto(server.address)
    page.fill("#token", text)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.address}/")
    yield page
    assert said == []
    context.close()


def field(name: str) -> str:
    """The selector of a field of the plan."""
    return f"[id='{name}']"


def answered(page: Any) -> str:
    """The headline of the job that is shown, once it has one."""
    page.wait_for_selector(".headline", timeout=PATIENCE_S * 1000)
    return str(page.locator(".headline").inner_text())


@pytest.mark.slow
def test_a_plan_is_changed_checked_run_watched_and_compared(page: Any, office: tuple[Server, str]) -> None:
    """Proves: from a shipped plan over a fault shown beside its field to a report, and the comparison of two results; a name with
    markup stays a name."""
    page.click("button:has-text('Open')")
    budget = "[id='budget.appropriation_musd']"
    page.fill(budget, "-5")
    page.click("button:has-text('Check')")
    assert "at least 0" in page.locator(f"{WRONG}:visible").inner_text()
    assert page.get_attribute(budget, "aria-invalid") == "true"
    page.fill(budget, "25")
    page.click("button:has-text('Check')")
    page.wait_for_selector(".fine")
    page.fill("#label", HOSTILE)
    page.fill("#gap", "0.05")
    page.click("button:has-text('Run')")
    assert "worth" in answered(page)
    assert HOSTILE in page.locator("h1").inner_text()
    assert "caught" not in page.title().replace(HOSTILE, "")
    page.goto(office[0].address)
    page.click("button:has-text('Open')")
    page.click("button:has-text('Run')")
    answered(page)
    page.click("button:has-text('Compare')")
    assert "COMPARED" in answered(page)
    outcome = page.locator("[aria-label=Outcome] tbody tr")
    assert "worth compared with doing nothing" in outcome.all_inner_texts()[1]
    columns = page.locator("[aria-label=Outcome] thead th").all_inner_texts()
    assert {HOSTILE, "figure"} <= {column.strip() for column in columns}
    assert all(len(text.split("\t")) == len(columns) for text in outcome.all_inner_texts())
    bars = page.locator("[aria-label=Outcome] tbody tr").nth(1).locator("rect")
    assert {bars.nth(n).get_attribute("width") for n in range(2)} & {"100.0"}
    page.click("text=Report")
    page.wait_for_function(
        "document.querySelectorAll('.chart:not([data-drawn])').length === 0", timeout=PATIENCE_S * 1000
    )
    assert page.locator("#comparison").count() == 1
    assert "caught" not in page.title().replace(HOSTILE, "")


@pytest.mark.slow
def test_the_bound_and_the_best_plan_are_drawn_while_it_runs(page: Any) -> None:
    """Proves: a longer solve shows figures and two lines that come from the server's events, and can be stopped by a button."""
    page.select_option("#shipped_plan", "rare-earths")
    page.click("button:has-text('Open')")
    page.fill("#gap", "0")
    page.click("button:has-text('Run')")
    page.wait_for_selector("#bound[d*=M]", state="attached", timeout=PATIENCE_S * 1000)
    page.wait_for_selector("#figures:has-text('best plan so far')", timeout=PATIENCE_S * 1000)
    page.click("button:has-text('Stop')")
    page.wait_for_selector(".state.cancelled", timeout=PATIENCE_S * 1000)
    page.click("button:has-text('Delete')")
    page.wait_for_selector("h1:has-text('Plans')")


@pytest.mark.slow
def test_a_workbook_is_uploaded_and_run(page: Any, tmp_path: Path) -> None:
    """Proves: a workbook goes the same way; what is wrong in a file is said on the page."""
    plan = load_plan(shipped("models") / "quickstart.toml")
    write_workbook(plan, load_dataset(shipped("inputs")), tmp_path / "plan.xlsx")
    page.set_input_files("#plan", tmp_path / "plan.xlsx")
    page.click("button:has-text('Upload')")
    assert page.locator("h1").inner_text() == plan.title
    assert page.input_value(field("budget.appropriation_musd")) == "60.0"
    assert page.input_value(field("loss_function")) == plan.loss_function
    page.fill("#gap", "0.05")
    page.click("button:has-text('Run')")
    assert "worth" in answered(page)
    (tmp_path / "wrong.toml").write_text('nmae = "x"', encoding="utf-8")
    page.click(".home")
    page.set_input_files("#plan", tmp_path / "wrong.toml")
    page.click("button:has-text('Upload')")
    assert "did you mean 'name'" in page.locator(".faults").inner_text()


def test_the_form_is_in_groups_with_choices_as_lists_and_faults_beside_fields(
    page: Any, office: tuple[Server, str], tmp_path: Path
) -> None:
    """Proves: fields stand under headings, what can be chosen is a list with the plan's value selected; a wrong value is told
    beside its field as soon as it is left, and a right one takes that back; a file with faults shows its values and its
    faults before anything is pressed; what is chosen is what is checked."""
    page.goto(f"{office[0].address}/edit?shipped_plan=quickstart")
    assert page.locator("legend").all_inner_texts()[:2] == ["Money", "Time"]
    for name, value in (("loss_level", "central"), ("instruments.reserve", "true"), ("horizon.period_months", "12")):
        assert page.locator(f"select{field(name)}").input_value() == value
    assert "gao" not in page.locator(f"select{field('price_set')}").inner_text()
    assert page.locator(f"select{field('price_set')} option").count() > 1
    budget = field("budget.appropriation_musd")
    page.fill(budget, "-5")
    page.locator(field("horizon.years")).focus()
    page.wait_for_selector(f"{WRONG}:visible", timeout=PATIENCE_S * 1000)
    assert "at least 0" in page.locator(f"{WRONG}:visible").inner_text()
    assert page.get_attribute(budget, "aria-invalid") == "true"
    page.fill(budget, "25")
    page.locator(field("horizon.years")).focus()
    page.wait_for_selector("#said:visible", timeout=PATIENCE_S * 1000)
    assert page.locator(f"{WRONG}:visible").count() == 0
    page.select_option(field("objective.kind"), "least_budget")  # with money for disruptions that this aim excludes
    page.wait_for_selector(f"{WRONG}:visible", timeout=PATIENCE_S * 1000)
    assert "planned" in page.locator(f"{WRONG}:visible").inner_text()
    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    wrong = text.replace("discount_rate = 0.03", "discount_rate = 7")
    (tmp_path / "wrong.toml").write_text(wrong, encoding="utf-8")
    page.goto(office[0].address)
    page.set_input_files("#plan", tmp_path / "wrong.toml")
    page.click("button:has-text('Upload')")
    assert page.input_value(field("discount_rate")) == "7"
    assert "at most 0.5" in page.locator(f"{WRONG}:visible").inner_text()
    page.goto(f"{office[0].address}/edit?shipped_plan=quickstart")
    page.fill("#gap", "5%")
    page.locator("#label").focus()
    page.wait_for_selector("#wrong-gap:visible", timeout=PATIENCE_S * 1000)
    assert "a share from 0" in page.locator("#wrong-gap").inner_text()


def test_a_field_that_is_emptied_is_taken_away() -> None:
    """Proves: what the plan has and the form no more is null, what it never had is left alone."""
    form = {"budget.appropriation_musd": "60", "risk.cvar_limit_musd": "", "sample.seed": "", "discount_rate": " "}
    given = {"budget.appropriation_musd": "60", "risk.cvar_limit_musd": "12000", "discount_rate": "0.03"}
    assert changed(form, given) == {"risk.cvar_limit_musd": None, "discount_rate": None}


def test_it_can_be_used_on_a_phone_and_by_keyboard(page: Any, office: tuple[Server, str]) -> None:
    """Proves: nothing is wider than a phone; the first tab skips to the content; every field has a label."""
    page.set_viewport_size({"width": 390, "height": 800})
    for path in ("/", "/edit?shipped_plan=rare-earths"):
        page.goto(office[0].address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        unnamed = (
            "[...document.querySelectorAll('input:not([type=hidden]), select')].filter(e => !e.labels.length).length"
        )
        assert page.evaluate(unnamed) == 0
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_whoever_is_not_known_sees_the_way_in_and_signing_out_works(
    browser: Any, page: Any, office: tuple[Server, str]
) -> None:
    """Proves: pages lead strangers to the sign-in, which refuses wrong tokens; after signing out the page is closed."""
    server, _ = office
    stranger = browser.new_context().new_page()
    stranger.goto(f"{server.address}/edit?shipped_plan=quickstart")
    assert stranger.url.endswith("/login")
    stranger.fill("#token", "sm_wrong")
    stranger.keyboard.press("Enter")
    assert "unknown" in stranger.locator(".fault").inner_text()
    page.click("text=Sign out")
    page.goto(server.address)
    assert page.url.endswith("/login")
