"""The UI in headless Chromium, as a person uses it: log in, fill the form of `purchases`, press Trigger, see
it succeed. Pictures are left in build/screenshots."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from stack.airflow import USER
from stack.paths import BUILD
from tests.real.conftest import Running

pytestmark = [pytest.mark.airflow, pytest.mark.real, pytest.mark.slow, pytest.mark.browser]

PICTURES = BUILD / "screenshots"
PATIENCE = 120_000  # ms


@pytest.fixture
def page(running: Running) -> Iterator[Page]:
    """A page of the UI, logged in."""
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(running.airflow.url)
        page.fill("input[name=username]", USER)
        page.fill("input[name=password]", running.airflow.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/auth/login" not in url)
        yield page
        browser.close()


def purchases(count: int) -> list[bytes]:
    return [
        json.dumps(
            {
                "purchase_id": 1_000_000 + n,
                "customer_id": 1,
                "product_id": 1,
                "quantity": 1,
                "amount": 5,
                "currency": "EUR",
                "channel": "web",
                "purchased_at": "2026-11-18T10:00:00Z",
            }
        ).encode()
        for n in range(count)
    ]


def test_purchases_are_triggered_by_the_button_and_succeed(running: Running, page: Page, topic: str) -> None:
    jobs = running.jobs
    jobs.known("purchases")
    jobs.unpause("purchases")
    jobs.settle("purchases")
    running.send(topic, [*purchases(2000), b"{broken"])

    page.goto(f"{running.airflow.url}/dags/purchases")
    for text in ("careful_load", "data-team", "postgresql"):
        expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE)
    picture(page, "1-dag")
    page.get_by_test_id("trigger-dag-button").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("input[name=element_topic]")).to_be_visible(timeout=PATIENCE)
    for title in ("Topic", "Shares", "Threads of each share", "Mail on"):
        expect(dialog.get_by_text(title).first).to_be_visible()
    dialog.locator("input[name=element_topic]").fill(topic)
    picture(page, "2-form")
    dialog.get_by_text("Advanced Options").click()
    run_id = "by-hand"
    dialog.locator("input[name=dagRunId]").fill(run_id)
    dialog.get_by_role("button", name="Trigger").last.click()
    expect(page.get_by_text("Dag Run Triggered").first).to_be_visible(timeout=PATIENCE)

    jobs.wait("purchases", run_id)
    page.goto(f"{running.airflow.url}/dags/purchases/runs/{run_id}")
    header = page.locator(f'div:has(> h2:text-is("{run_id}"))').last
    expect(header).to_contain_text("Success", timeout=PATIENCE)
    picture(page, "3-run")
    assert jobs.xcom("purchases", run_id, "summary")["loaded"] == 2000

    page.goto(f"{running.airflow.url}/dags/purchases/runs/{run_id}/tasks/summary")
    expect(page.get_by_text("rejected because").first).to_be_visible(timeout=PATIENCE)
    picture(page, "4-receipt-in-the-log")


def picture(page: Page, name: str) -> None:
    """Leave a picture of the page."""
    path: Path = PICTURES / f"purchases-{name}.png"
    page.screenshot(path=path)
    assert path.stat().st_size > 10_000
