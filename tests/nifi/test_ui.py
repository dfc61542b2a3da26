"""The canvas in headless Chromium, as a person uses it: log in, drag a processor of Headrace, set its
properties, start it, see what it counted. Pictures are left in build/screenshots.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from stack import postgres
from stack.nifi import USER, NiFi, Rest
from stack.paths import BUILD
from tests.real.load_kit import PURCHASES, execute, purchase, rows

PICTURES = BUILD / "screenshots"
PATIENCE = 60_000  # ms
expect.set_options(timeout=PATIENCE)


@pytest.fixture
def page(nifi: NiFi) -> Iterator[Page]:
    """A page of NiFi, logged in."""
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        # the certificate is NiFi's own, of this machine
        page = browser.new_page(viewport={"width": 1500, "height": 1000}, ignore_https_errors=True)
        page.set_default_timeout(PATIENCE)
        page.goto(f"{nifi.url}/nifi/")
        page.locator("input[formcontrolname=username]").fill(USER)
        page.locator("input[formcontrolname=password]").fill(nifi.password)
        page.get_by_role("button", name=re.compile("log in", re.IGNORECASE)).click()
        expect(page.locator(".new-canvas-item").first).to_be_visible()
        yield page
        picture(page, "at-the-end")  # of a failure: what a person would have seen
        browser.close()


def picture(page: Page, name: str) -> None:
    """Leave a picture of the page."""
    path: Path = PICTURES / f"nifi-{name}.png"
    page.screenshot(path=path)
    assert path.stat().st_size > 10_000


def drag(page: Page, kind: str) -> None:
    """Drag a processor from the toolbar to the canvas and choose what it is."""
    box = page.locator(".new-canvas-item").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(700, 300, steps=15)
    page.mouse.move(760, 320, steps=10)
    page.mouse.up()
    dialog = page.locator("mat-dialog-container")
    row = dialog.locator("tr", has_text=kind).first
    row.scroll_into_view_if_needed()
    row.click()
    expect(dialog.get_by_text("python-extensions").last).to_be_visible()
    picture(page, "1-palette")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog).to_have_count(0)


def fill(page: Page, name: str, value: str) -> None:
    """Type a property's value into its editor."""
    cell = page.locator("mat-dialog-container td", has_text=re.compile(rf"^\s*{name}\s*$")).first
    row = cell.locator("xpath=..")
    row.scroll_into_view_if_needed()
    row.locator("td").nth(1).click()
    editor = page.locator("nf-editor")
    expect(editor).to_be_visible()
    page.keyboard.press("Control+A")
    page.keyboard.type(value)
    editor.get_by_role("button", name="Ok", exact=True).click()
    expect(editor).to_have_count(0)


def configure(page: Page, values: dict[str, str]) -> None:
    """Open the only dragged processor, set properties, apply."""
    mine = page.locator("g.processor", has_text="LoadFilesToPostgres")
    mine.dblclick(position={"x": 60, "y": 15})
    page.get_by_role("tab", name="Properties").click()
    for name, value in values.items():
        fill(page, name, value)
    picture(page, "2-properties")
    page.get_by_role("button", name="Apply", exact=True).click()
    expect(page.locator("mat-dialog-container")).to_have_count(0)


def test_a_processor_is_dragged_set_up_and_run(
    page: Page, canvas: Rest, dsn: str, pg: postgres.Server, tmp_path: Path
) -> None:
    execute(dsn, PURCHASES)
    file = tmp_path / "purchases.jsonl"
    lines = [json.dumps(purchase(number)) for number in range(1000)]
    file.write_text("\n".join([*lines, "{broken"]) + "\n")
    group = canvas.make_group("ui")
    page.goto(page.url.partition("#")[0] + f"#/process-groups/{group}")
    expect(page.get_by_text("ui", exact=True).first).to_be_visible()

    drag(page, "LoadFilesToPostgres")
    canvas.until(lambda: "LoadFilesToPostgres" in canvas.processors(group), 60, "the processor")
    mine = canvas.processors(group)["LoadFilesToPostgres"]["id"]
    canvas.until(lambda: bool(canvas.processor(mine)["component"]["relationships"]), 60, "it to load")
    values = {"Path": str(file), "Database": dsn, "Password": pg.password, "Table": "shop.purchases"}
    configure(page, values)
    given = canvas.processor(mine)["component"]["config"]["properties"]
    assert {name: given[name] for name in values} == {**values, "Password": "********"}

    # what is before and behind it needs no hand
    feeder = canvas.make_processor(group, "GenerateFlowFile", "trigger", schedulingPeriod="1 day")
    place = canvas.processor(mine)["component"]["position"]
    canvas.change(feeder, {"position": {"x": place["x"], "y": place["y"] - 250}})
    canvas.connect(group, feeder, mine, ["success"])
    kept = canvas.make_processor(group, "LogAttribute", "receipts", terminate=["success"])
    canvas.change(kept, {"position": {"x": place["x"], "y": place["y"] + 250}})
    names = [one["name"] for one in canvas.processor(mine)["component"]["relationships"]]
    canvas.connect(group, mine, kept, names)
    canvas.wait_valid(group)
    canvas.run_once(feeder)

    page.reload()
    box = page.locator("g.processor", has_text="LoadFilesToPostgres")
    box.click(button="right", position={"x": 60, "y": 15})
    page.get_by_text("Start", exact=True).first.click()
    canvas.until(lambda: canvas.queued(group).get(("LoadFilesToPostgres", names[0]), 0) == 2, 90, "a load")
    page.reload()
    for text in ("In", "1 (0 bytes)", "Out", "2 ("):
        expect(box).to_contain_text(text)
    picture(page, "3-counted")
    assert rows(dsn, "SELECT count(*) FROM shop.purchases") == [(1000,)]
    assert rows(dsn, "SELECT count(*) FROM headrace.dead_letters") == [(1,)]
