"""The service's page in a real browser: sign in, upload, edit, faults in place; phone too."""

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from conftest import PATIENCE_S, until
from strategic_minerals import PlanError, shipped
from strategic_minerals.service.page import NAMES, answers_of, fields_of
from support.served import InProcess, served, token

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
WRONG = "p.fault:visible"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server in this process, and a token."""
    folder = tmp_path_factory.mktemp("web") / "s"
    text = token(folder, "office")["Authorization"].removeprefix("Bearer ")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = served(folder, checker=InProcess(), workers=1)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", text
        server.should_exit = True
        thread.join()


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


def field(question: str, n: int = 1) -> str:
    """The place of an answer in the form."""
    return f"[id='q{NAMES.index(question)}.{n}']"


BUDGET = field("budget a year (million)")


@pytest.mark.long
def test_the_questions_of_the_sheet_are_asked_and_faults_stand_beside_them(page: Any, tmp_path: Path) -> None:
    """Proves: faults come and go with answers, also of fields not asked for; no page is wider than a phone; strangers sign in."""
    page.goto("/edit?shipped=quickstart")
    assert page.locator("label, .what").count() > 40
    page.fill(BUDGET, "-5")
    page.locator("#label").focus()
    page.wait_for_selector(WRONG)
    assert "from 0 to" in page.locator(WRONG).inner_text()
    assert page.get_attribute(BUDGET, "aria-invalid") == "true"
    page.fill(BUDGET, "25")
    page.locator("#label").focus()
    page.wait_for_selector("#said:visible")
    assert page.locator(WRONG).count() == 0
    page.click("summary:has-text('Other fields')")
    page.fill("#others", "discount_rate = 7")
    page.locator("#label").focus()
    page.wait_for_selector(WRONG)
    assert "at most 0.5" in page.locator(WRONG).inner_text()
    text = (shipped("models") / "quickstart.toml").read_text(encoding="utf-8")
    (tmp_path / "wrong.toml").write_text(text.replace("discount_rate = 0.03", "discount_rate = 7"), encoding="utf-8")
    page.goto("/")
    page.set_input_files("#plan", tmp_path / "wrong.toml")
    page.click("button:has-text('Upload')")
    assert "at most 0.5" in page.locator("p.fault").inner_text()
    for place in ("/", "/edit?shipped=quickstart", "/docs"):
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(place)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, place
    page.goto("/")
    page.click("text=Sign out")
    page.goto("/edit?shipped=quickstart")
    assert page.url.endswith("/login")
    page.fill("#token", "sm_wrong")
    page.keyboard.press("Enter")
    assert "unknown" in page.locator(".fault").inner_text()


@pytest.mark.slow
def test_a_planner_asks_reads_changes_rolls_and_shares(page: Any, office: tuple[str, str], tmp_path: Path) -> None:
    """Proves: an own disruption and a budget make a run whose answer stands on its page and whose question the list
    tells apart; it is changed and run again, rolled on to the next year, and shown to somebody without a token."""
    page.goto("/edit?shipped=quickstart")
    page.fill(BUDGET, "25")
    page.fill(field("materials"), "gallium")
    page.click("summary:has-text('Disruption')")
    page.select_option(field("disruption: use it (yes or no)"), "yes")
    page.fill(field("disruption: materials"), "gallium")
    page.fill("#label", "twenty-five")
    page.check("input[name=quick]")
    with page.expect_download() as told:
        page.click("button:has-text('Workbook')")
    assert told.value.path().read_bytes()[:2] == b"PK"
    page.click("button:has-text('Run')")
    page.wait_for_selector(".state.succeeded", timeout=300_000)
    assert "gallium" in page.locator("pre.answer").first.inner_text().lower()
    run = page.url
    page.goto("/")
    assert "budget a year (million): 25" in page.locator("tbody").inner_text()
    page.goto(run)
    page.click("button:has-text('Share')")
    link = page.get_attribute("p.fine a", "href")
    page.click("button:has-text('Change and run again')")
    assert page.input_value(BUDGET) == "25"
    assert page.input_value(field("disruption: use it (yes or no)")) == "yes"
    page.goto(run)
    page.click("summary:has-text('The year is over')")
    assert page.input_value("#acts").startswith("what,")
    page.click("button:has-text('Plan the next year')")
    page.wait_for_selector(".state.succeeded", timeout=300_000)
    page.context.clear_cookies()
    page.goto(link)
    assert "twenty-five" in page.title() or "gallium" in page.content().lower()
    page.goto(run)
    assert page.url.endswith("/login")


def test_answers_that_do_not_count_are_left_out() -> None:
    """Proves: below a switch that says no nothing counts, but a disruption that a promise names; others, a line each."""
    at = {text: f"q{n}" for n, text in enumerate(NAMES)}
    form = {f"{at['years']}.1": "9", f"{at['disruption: months']}.1": "6", f"{at['promise: month' + 's']}.2": "4"}
    assert answers_of(form) == {"years": ["9"]}
    form[f"{at['promise: use it (yes or no)']}.2"] = "yes"
    found = answers_of(form)
    assert found["disruption: months"] == ["6", "", ""]
    assert found["promise: months"] == ["", "4", ""]
    assert fields_of("discount_rate = 0.04\n\nname = new\n") == {"discount_rate": 0.04, "name": "new"}
    with pytest.raises(PlanError, match="a field and its value"):
        fields_of("discount_rate")
