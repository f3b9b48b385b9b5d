"""The limit as a member of staff meets it: page, worker and server agree to the request."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pictures import jpeg
from tests.stack import USERNAME, Stack

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]


def test_a_limit_for_three_more_lets_exactly_three_through(page: Page, stack: Stack) -> None:
    _upload(page, 10)
    _limit_rekognition(page, 3)
    mark = stack.cloud.access_log.mark()

    page.goto("/admin/media_catalog/image/")
    page.get_by_label("Select all objects on this page for an action").check()
    page.locator("select[name=action]").select_option(label="Detect faces…")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("alert")).to_contain_text("Rekognition images: 10 needed, 3 of 3 left this month")
    page.get_by_role("button", name="Run 3 now, park the rest").click()

    expect(page.locator("[data-job=state]")).to_have_text("Parked", timeout=30_000)
    expect(page.locator("[data-text=summary]")).to_have_text("3 of 10 processed")
    expect(page.locator("[data-count=parked]")).to_have_text("7")
    expect(page.get_by_text("Refused by quota: Rekognition images")).to_have_count(7)
    assert stack.cloud.access_log.operations(mark) == {"DetectFaces": 3}
    page.goto("/admin/")
    expect(page.get_by_text("Limit reached: Rekognition images.")).to_be_visible()


def test_the_panel_is_read_and_used_by_keyboard_on_a_small_screen(page: Page) -> None:
    """In the two colours of a high-contrast mode, so what counts is said in words."""
    page.goto("/admin/media_catalog/bucket/1/objects/")  # one LIST, so the user has spent something
    _limit_rekognition(page, 0)
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(forced_colors="active")
    page.goto("/admin/media_catalog/requestusage/")
    card = page.get_by_role("listitem").filter(has_text="Rekognition images")
    expect(card).to_contain_text("of 0 used")
    expect(card).to_contain_text("Limit reached: further requests are refused")
    expect(page.get_by_role("listitem").filter(has_text="S3 PUT")).to_contain_text("Within the limit")

    _tab_to(page, page.get_by_text("Show as table"))
    page.keyboard.press("Enter")
    _tab_to(page, page.get_by_role("region", name="Requests per day", exact=True))
    table = page.locator("details table")
    expect(table).to_be_visible()
    page.keyboard.press("End")
    expect(table.get_by_role("row").last).to_be_in_viewport()

    _tab_to(page, page.get_by_role("region", name="User", exact=True))
    _tab_to(page, page.get_by_role("link", name=USERNAME, exact=True))
    page.keyboard.press("Enter")
    chosen = page.get_by_role("link", name=f"User: {USERNAME} ×")
    _tab_to(page, chosen)
    page.keyboard.press("Enter")
    expect(chosen).to_have_count(0)


def _tab_to(page: Page, wanted: Locator) -> None:
    expect(wanted).to_be_visible()
    for _press in range(80):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"Tab does not come to {wanted}")


def _upload(page: Page, count: int) -> None:
    page.goto("/admin/media_catalog/image/add/")
    pictures = [jpeg(100 + number, 100) for number in range(count)]
    files = [
        {"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": body} for number, body in enumerate(pictures)
    ]
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_label("Make renditions now").uncheck()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text(f"{count} images uploaded.")).to_be_visible()


def _limit_rekognition(page: Page, limit: int) -> None:
    """Nothing has been used on this stack, so the limit is what may still be sent."""
    page.goto("/admin/media_catalog/requestlimit/")
    page.get_by_role("link", name="Rekognition images").click()
    page.get_by_label("Limit", exact=False).first.fill(str(limit))
    page.get_by_label("Reason").fill("Test of the limit")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
