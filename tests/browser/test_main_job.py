"""The main job as a member of staff does it: upload, make renditions, detect faces, look, export."""

import csv
import io
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from localcloud.samples import Face, encode, scene
from tests.stack import PASSWORD, USERNAME, Stack

JOB_MILLISECONDS = 30_000
PORTRAIT = encode(scene(1200, 900, [Face(420, 400, 220), Face(850, 430, 200)]))
EMPTY = encode(scene(900, 600))


@pytest.fixture(scope="module")
def uploaded(stack: Stack, url: str, browser: Browser) -> None:
    """Two pictures, through the upload page."""
    page = browser.new_page(base_url=url)
    page.goto("/admin/")
    page.get_by_label("Username").fill(USERNAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Images", exact=True).first.click()
    page.get_by_role("link", name="Upload images").first.click()
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "portrait.jpg", "mimeType": "image/jpeg", "buffer": PORTRAIT},
            {"name": "empty room.jpg", "mimeType": "image/jpeg", "buffer": EMPTY},
        ]
    )
    page.get_by_label("Folder").fill("stage")
    page.get_by_label("Caption").fill("First day")
    page.get_by_label("Make renditions now").uncheck()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("2 images uploaded.")).to_be_visible()
    page.close()


def _run_on_all(page: Page, action: str, button: str) -> None:
    """From the list to the finished job."""
    page.goto("/admin/media_catalog/image/")
    page.get_by_label("Select all objects on this page for an action").check()
    page.locator("select[name=action]").select_option(label=action)
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name=button).click()
    expect(page.locator("[data-job=state]")).to_have_text("Finished", timeout=JOB_MILLISECONDS)
    expect(page.get_by_text("2 of 2 processed")).to_be_visible()


@pytest.mark.usefixtures("uploaded")
def test_the_main_job(page: Page, stack: Stack) -> None:
    _run_on_all(page, "Make renditions…", "Make renditions")
    _run_on_all(page, "Detect faces…", "Detect faces")
    expect(page.get_by_text("2 faces found.")).to_be_visible()
    expect(page.get_by_text("No faces found.")).to_be_visible()

    page.goto("/admin/media_catalog/image/")
    expect(page.locator("img.bo-thumb")).to_have_count(2)
    page.get_by_role("link", name="empty-room.jpg").last.click()
    expect(page.get_by_text("No faces found.").first).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="portrait.jpg").last.click()
    _boxes_are_where_the_ratios_say(page, stack)
    _rows_and_boxes_highlight_each_other(page)
    _csv_has_both_faces(page, stack)


def _boxes_are_where_the_ratios_say(page: Page, stack: Stack) -> None:
    page.locator("svg image").wait_for()
    page.wait_for_load_state("networkidle")
    picture = page.locator("svg image").bounding_box()
    assert picture is not None
    stored = stack.query('SELECT number, "left", top, width, height FROM media_catalog_face ORDER BY number')
    assert len(stored) == 2
    for number, left, top, width, height in stored:
        box = page.locator(f"svg [data-face='{number}'] .bo-face-box").bounding_box()
        assert box is not None
        seen = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        expected = (
            picture["x"] + left * picture["width"],
            picture["y"] + top * picture["height"],
            picture["x"] + (left + width) * picture["width"],
            picture["y"] + (top + height) * picture["height"],
        )
        assert seen == pytest.approx(expected, abs=2)


def _rows_and_boxes_highlight_each_other(page: Page) -> None:
    row, group = page.locator("tr[data-face='1']"), page.locator("svg [data-face='1']").first
    row.focus()
    expect(group).to_have_class(re.compile("is-on"))
    page.locator("tr[data-face='2']").focus()
    expect(group).not_to_have_class(re.compile("is-on"))


def _csv_has_both_faces(page: Page, stack: Stack) -> None:
    page.goto("/admin/media_catalog/face/")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    stored = stack.query('SELECT number, "left", confidence FROM media_catalog_face ORDER BY number')
    assert [(int(row["face number"]), float(row["left"]), float(row["confidence"])) for row in rows] == stored
    assert {row["image key"] for row in rows} == {"stage/portrait.jpg"}
    assert {row["age low"] for row in rows} == {""}


PAGES = [
    "",
    "media_catalog/image/",
    "media_catalog/image/?state=faces",
    "media_catalog/image/1/change/",
    "media_catalog/image/1/history/",
    "media_catalog/image/add/",
    "media_catalog/job/",
    "media_catalog/job/1/change/",
    "media_catalog/bucket/",
    "media_catalog/bucket/1/change/",
    "media_catalog/face/",
    "media_catalog/preset/",
    "media_catalog/preset/1/change/",
    "media_catalog/preset/add/",
    "media_catalog/requestlimit/",
    "media_catalog/requestlimit/1/change/",
    "auth/user/",
    "password_change/",
]


@pytest.mark.usefixtures("uploaded")
@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_scrolls_sideways_or_violates_the_policy(page: Page, width: int) -> None:
    """Violations are console errors, which the `page` fixture refuses."""
    page.set_viewport_size({"width": width, "height": 844})
    wide = {}
    for path in PAGES:
        answer = page.goto(f"/admin/{path}")
        assert answer is not None
        assert answer.status == 200, path
        taken = page.evaluate("document.scrollingElement.scrollWidth")
        if taken > width:
            wide[path] = taken
    assert wide == {}


@pytest.mark.usefixtures("uploaded")
def test_the_confirmation_at_390_px(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/media_catalog/image/")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option(label="Remove…")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("button", name="Remove for good")).to_be_visible()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("#changelist")).to_be_visible()
