"""The service's page in a real browser: sign in, upload, edit, faults in place, run, watch, read, compare; phone too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import PATIENCE_S
from strategic_minerals import shipped
from strategic_minerals.service.reading import changed
from support.served import Server, token

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
WRONG = "p.fault:visible"
HOSTILE = "<script>document.title='caught'</script>"
BUDGET = "[id='budget.appropriation_musd']"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server, and a token."""
    folder = tmp_path_factory.mktemp("web") / "s"
    text = token(folder, "office")["Authorization"].removeprefix("Bearer ")
    server = Server(folder, workers="1").ready()
    yield server.address, text
    server.stop()


@pytest.fixture
def page(office: tuple[str, str]) -> Iterator[Any]:
    """A page of somebody who has signed in, that complains of nothing on its own."""
    from playwright.sync_api import sync_playwright

    (address, text), said = office, list[str]()
    with sync_playwright() as driver, driver.chromium.launch(executable_path=CHROMIUM) as browser:
        page = browser.new_page(base_url=address, viewport={"width": 1000, "height": 900})
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda told: said.append(told.text) if "Security Policy" in told.text else None)
        page.goto("/")
        page.fill("#token", text)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{address}/")
        yield page
    assert said == []


def answered(page: Any) -> str:
    """The headline of the job that is shown, once it has one."""
    page.wait_for_selector(".headline")
    return str(page.locator(".headline").inner_text())


@pytest.mark.slow
def test_a_plan_is_changed_run_watched_and_compared(page: Any) -> None:
    """Proves: from a shipped plan to a report, and the comparison of two results; a name with markup stays a name."""
    page.click("button:has-text('Open')")
    page.fill(BUDGET, "25")
    page.click("button:has-text('Check')")
    page.wait_for_selector(".fine")
    page.fill("#label", HOSTILE)
    page.fill("#gap", "0.05")
    page.click("button:has-text('Run')")
    assert "worth" in answered(page)
    assert HOSTILE in page.locator("h1").inner_text()
    page.goto("/")
    page.click("button:has-text('Open')")
    page.fill("#gap", "0.05")
    page.click("button:has-text('Run')")
    answered(page)
    page.click("button:has-text('Compare')")
    assert "COMPARED" in answered(page)
    outcome = page.locator("[aria-label=Outcome] tbody tr").all_inner_texts()
    columns = page.locator("[aria-label=Outcome] thead th").all_inner_texts()
    assert {HOSTILE, "figure"} <= {column.strip() for column in columns}
    assert all(len(text.split("\t")) == len(columns) for text in outcome)
    page.click("text=Report")
    page.wait_for_function("document.querySelectorAll('.chart:not([data-drawn])').length === 0")
    assert page.locator("#comparison").count() == 1
    assert "caught" not in page.title().replace(HOSTILE, "")


def test_choices_are_lists_and_faults_stand_beside_fields(page: Any, tmp_path: Path) -> None:
    """Proves: what can be chosen is a list with the plan's value selected; a wrong value is told beside its field as soon as it is
    left, and a right one takes that back; a file with faults shows its values and its faults before anything is pressed."""
    page.goto("/edit?shipped_plan=quickstart")
    for name, value in (("loss_level", "central"), ("instruments.reserve", "true"), ("horizon.period_months", "12")):
        assert page.locator(f"select[id='{name}']").input_value() == value
    page.fill(BUDGET, "-5")
    page.locator("#label").focus()
    page.wait_for_selector(WRONG)
    assert "at least 0" in page.locator(WRONG).inner_text()
    assert page.get_attribute(BUDGET, "aria-invalid") == "true"
    page.fill(BUDGET, "25")
    page.locator("#label").focus()
    page.wait_for_selector("#said:visible")
    assert page.locator(WRONG).count() == 0
    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    (tmp_path / "wrong.toml").write_text(text.replace("discount_rate = 0.03", "discount_rate = 7"), encoding="utf-8")
    page.goto("/")
    page.set_input_files("#plan", tmp_path / "wrong.toml")
    page.click("button:has-text('Upload')")
    assert page.input_value("#discount_rate") == "7"
    assert "at most 0.5" in page.locator(WRONG).inner_text()


def test_a_field_that_is_emptied_is_taken_away() -> None:
    """Proves: what the plan has and the form no more is null, what it never had is left alone."""
    form = {"budget.appropriation_musd": "60", "risk.cvar_limit_musd": "", "sample.seed": "", "discount_rate": " "}
    given = {"budget.appropriation_musd": "60", "risk.cvar_limit_musd": "12000", "discount_rate": "0.03"}
    assert changed(form, given) == {"risk.cvar_limit_musd": None, "discount_rate": None}


def test_signing_out_closes_the_page(page: Any) -> None:
    """Proves: strangers are led to the sign-in, which refuses wrong tokens; nothing there is wider than a phone."""
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("text=Sign out")
    page.goto("/edit?shipped_plan=quickstart")
    assert page.url.endswith("/login")
    page.fill("#token", "sm_wrong")
    page.keyboard.press("Enter")
    assert "unknown" in page.locator(".fault").inner_text()
