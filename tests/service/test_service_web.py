"""The service's page in a real browser: sign in, upload, edit, faults in place; phone too."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from conftest import PATIENCE_S, until
from strategic_minerals import shipped
from strategic_minerals.service.app import create_app
from strategic_minerals.service.reading import changed
from support.served import InProcess, settings, token

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
WRONG = "p.fault:visible"
BUDGET = "[id='budget.appropriation_musd']"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server in this process, and a token."""
    folder = tmp_path_factory.mktemp("web") / "s"
    text = token(folder, "office")["Authorization"].removeprefix("Bearer ")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(settings(folder, workers=1), checker=InProcess())
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


def test_choices_are_lists_faults_stand_beside_fields_and_strangers_sign_in(page: Any, tmp_path: Path) -> None:
    """Proves: faults come and go with values, or stand at once for a file; no page is wider than a phone."""
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
    page.goto("/")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("text=Sign out")
    page.goto("/edit?shipped_plan=quickstart")
    assert page.url.endswith("/login")
    page.fill("#token", "sm_wrong")
    page.keyboard.press("Enter")
    assert "unknown" in page.locator(".fault").inner_text()


def test_a_field_that_is_emptied_is_taken_away() -> None:
    """Proves: what the plan has and the form no more is null, what it never had is left alone."""
    form = {"budget.appropriation_musd": "60", "risk.cvar_limit_musd": "", "sample.seed": "", "discount_rate": " "}
    given = {"budget.appropriation_musd": "60", "risk.cvar_limit_musd": "12000", "discount_rate": "0.03"}
    assert changed(form, given) == {"risk.cvar_limit_musd": None, "discount_rate": None}
