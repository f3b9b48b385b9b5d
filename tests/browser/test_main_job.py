"""The main job as a member of staff does it: upload, make renditions, detect faces, look, export."""

import csv
import io
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from localcloud.samples import Face, encode, scene
from tests.stack import Stack

from .conftest import log_in

# All that needs the live product runs in one process: two stacks at once would be too much for two cores.
pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live"), pytest.mark.usefixtures("main_job")]

JOB_MILLISECONDS = 30_000
PORTRAIT = encode(scene(1200, 900, [Face(420, 400, 220), Face(850, 430, 200)]))
EMPTY = encode(scene(900, 600))

STYLED = """Promise.all([...document.querySelectorAll("link[rel=stylesheet]")].map(
  (link) => link.sheet ?? new Promise((loaded) => link.addEventListener("load", loaded)))).then(() => null)"""
LOADED = "Promise.all([...document.images].map((picture) => picture.decode())).then(() => null)"
# Of what a picture could push away when it comes, and of itself.
PLACES = """[...document.querySelectorAll("img, #content, .bo-panel, #result_list tr")].map((part) => {
  const { x, y, width, height } = part.getBoundingClientRect();
  return [x, y, width, height];
})"""
# Where the picture is within its place, with `object-fit: contain`.
DRAWN = """(picture) => {
  const { x, y, width, height } = picture.getBoundingClientRect();
  const scale = Math.min(width / picture.naturalWidth, height / picture.naturalHeight);
  const drawn = { width: scale * picture.naturalWidth, height: scale * picture.naturalHeight };
  return { ...drawn, x: x + (width - drawn.width) / 2, y: y + (height - drawn.height) / 2 };
}"""


@pytest.fixture(scope="module")
def main_job(url: str, browser: Browser) -> None:
    """Two pictures through the upload page, then both jobs: image 2 and job 2 are the last."""
    page = browser.new_page(base_url=url, viewport={"width": 1440, "height": 900})
    log_in(page)
    _upload(page)
    _run_on_all(page, "Make renditions…", "Make renditions")
    expect(page.get_by_text("6 renditions made.")).to_have_count(2)
    _run_on_all(page, "Detect faces…", "Detect faces")
    expect(page.get_by_text("2 faces found.")).to_be_visible()
    expect(page.get_by_text("No faces found.")).to_be_visible()
    page.close()


def _upload(page: Page) -> None:
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


def _run_on_all(page: Page, action: str, button: str) -> None:
    """From the list to the finished job."""
    page.goto("/admin/media_catalog/image/")
    page.get_by_label("Select all objects on this page for an action").check()
    page.locator("select[name=action]").select_option(label=action)
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name=button).click()
    expect(page.locator("[data-job=state]")).to_have_text("Finished", timeout=JOB_MILLISECONDS)
    expect(page.get_by_text("2 of 2 processed")).to_be_visible()


def test_the_main_job(page: Page, stack: Stack) -> None:
    page.goto("/admin/media_catalog/image/")
    expect(page.locator("img.bo-thumb")).to_have_count(2)
    page.get_by_role("link", name=re.compile(r"empty-room-[0-9a-f]{8}\.jpg")).last.click()
    expect(page.get_by_text("No faces found.").first).to_be_visible()
    page.go_back()
    page.get_by_role("link", name=re.compile(r"portrait-[0-9a-f]{8}\.jpg")).last.click()
    for width, height in ((1440, 900), (1440, 500), (390, 844)):  # in the second, the picture does not fill its place
        page.set_viewport_size({"width": width, "height": height})
        _boxes_are_where_the_ratios_say(page, stack)
    _rows_and_boxes_highlight_each_other(page)
    _csv_has_both_faces(page, stack)


def _boxes_are_where_the_ratios_say(page: Page, stack: Stack) -> None:
    page.evaluate(LOADED)
    expect(page.locator(".bo-stage img")).to_have_css("object-fit", "contain")
    picture = page.locator(".bo-stage img").evaluate(DRAWN)
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
    [key] = {row["image key"] for row in rows}
    assert re.fullmatch(r"stage/portrait-[0-9a-f]{8}\.jpg", key)
    assert {row["age low"] for row in rows} == {""}


PAGES = [
    "",
    "media_catalog/image/",
    "media_catalog/image/?state=faces",
    "media_catalog/image/1/change/",
    "media_catalog/image/2/change/",
    "media_catalog/image/1/history/",
    "media_catalog/image/add/",
    "media_catalog/job/",
    "media_catalog/job/1/change/",
    "media_catalog/job/2/change/?state=done",
    "media_catalog/job/2/change/?q=portrait",
    "media_catalog/job/2/history/",
    "media_catalog/schedulerun/",
    "media_catalog/bucket/",
    "media_catalog/bucket/1/change/",
    "media_catalog/face/",
    "media_catalog/preset/",
    "media_catalog/preset/1/change/",
    "media_catalog/preset/add/",
    "media_catalog/requestlimit/",
    "media_catalog/requestlimit/1/change/",
    "media_catalog/limitoverride/",
    "media_catalog/requestusage/",
    "media_catalog/auditevent/",
    "auth/user/",
    "password_change/",
]


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_scrolls_sideways_or_violates_the_policy(page: Page, url: str, width: int) -> None:
    """Violations are console errors, which the `page` fixture refuses."""
    page.set_viewport_size({"width": width, "height": 844})
    wide = {}
    for path in PAGES:
        answer = page.goto(f"/admin/{path}")
        assert answer is not None
        assert (answer.status, page.url) == (200, f"{url}/admin/{path}")
        taken = page.evaluate("document.scrollingElement.scrollWidth")
        if taken > width:
            wide[path] = taken
    assert wide == {}


@pytest.fixture
def sharp(browser: Browser, url: str) -> Iterator[Page]:
    """A logged-in page on a screen with two pixels for each of CSS, with nothing in its cache."""
    page = browser.new_page(base_url=url, viewport={"width": 1440, "height": 900}, device_scale_factor=2)
    log_in(page)
    yield page
    page.close()


def test_pictures_are_as_small_as_their_place_allows_and_move_nothing(sharp: Page) -> None:
    assert _pictures(sharp, "media_catalog/image/") == {"thumbnail"}  # 96 px wide
    assert _pictures(sharp, "media_catalog/image/1/change/") == {"preview"}
    sharp.set_viewport_size({"width": 390, "height": 844})
    assert _pictures(sharp, "media_catalog/image/") == {"preview"}  # a card: 173 px
    assert _pictures(sharp, "media_catalog/image/1/change/") == {"preview"}


def _pictures(page: Page, path: str) -> set[str]:
    """The presets that the browser has chosen. Nothing may move when the pictures come."""
    held: list[Route] = []
    page.route("**/preview/**", lambda route: held.append(route))
    with page.expect_request("**/preview/**"):
        page.goto(f"/admin/{path}", wait_until="domcontentloaded")
    page.evaluate(STYLED)
    before = page.evaluate(PLACES)
    for route in held:
        route.continue_()
    page.unroute("**/preview/**")
    page.evaluate(LOADED)
    assert page.evaluate(PLACES) == before
    sources = page.locator("img.bo-thumb, .bo-stage img").evaluate_all(
        "pictures => pictures.map((picture) => picture.currentSrc)"
    )
    return {source.partition("/preview/")[2].partition("/")[0] for source in sources}


def test_phones_show_a_gallery_until_the_list_is_chosen(sharp: Page) -> None:
    sharp.set_viewport_size({"width": 390, "height": 844})
    sharp.goto("/admin/media_catalog/image/")
    cards = sharp.locator("#result_list tbody tr")
    first, second = (card.bounding_box() for card in cards.all())
    assert first["y"] == second["y"]
    assert 150 < first["width"] < second["x"]
    assert set(cards.locator(".bo-tag").all_inner_texts()) == {"2 faces", "No faces found"}
    for card in cards.all():
        expect(card.locator("img.bo-thumb")).to_be_visible()
        expect(card.locator("input.action-select")).to_be_visible()
    cards.last.locator("input.action-select").check()
    expect(sharp.get_by_text("1 of 2 selected")).to_be_visible()

    expect(sharp.get_by_role("button", name="As a gallery")).to_be_hidden()
    sharp.get_by_role("button", name="As a list").click()
    expect(cards.first).to_have_css("display", "table-row")
    expect(sharp.get_by_role("button", name="As a list")).to_have_count(0)
    assert sharp.evaluate("document.scrollingElement.scrollWidth") == 390
    sharp.get_by_role("button", name="As a gallery").click()
    expect(sharp.locator("#result_list tbody")).to_have_css("display", "grid")


def test_previews_are_taken_from_the_browser_s_cache(page: Page) -> None:
    """Not a byte comes again, not even a 304."""
    for _load in range(2):
        page.goto("/admin/media_catalog/image/")
        expect(page.locator("img.bo-thumb")).to_have_count(2)
        page.wait_for_load_state("networkidle")
    transferred = page.evaluate(
        "performance.getEntriesByType('resource').filter(({name}) => name.includes('/preview/'))"
        ".map(({transferSize, decodedBodySize}) => [transferSize, decodedBodySize > 0])"
    )
    assert transferred == [[0, True]] * 2


@pytest.fixture
def endless_job(stack: Stack) -> int:
    """A job whose one item runs, as far as its row says, for the next hour."""
    return int(
        stack.manage(
            "shell",
            "--no-imports",
            "-c",
            "from datetime import timedelta; from django.utils import timezone; from media_catalog.models import Job;"
            "job = Job.objects.create(kind='sync_buckets', state='running');"
            "job.items.create(target='x', state='running', lease_until=timezone.now() + timedelta(hours=1));"
            "print(job.pk)",
        )
    )


def test_the_job_page_stops_after_logout_and_says_so(page: Page, endless_job: int) -> None:
    page.goto(f"/admin/media_catalog/job/{endless_job}/change/")
    expect(page.get_by_text("0 of 1 processed")).to_be_visible()
    page.context.clear_cookies()
    expect(page.get_by_text("You are logged out")).to_be_visible()
    _no_more_requests(page)


def test_the_job_page_stops_when_the_job_is_gone_and_says_so(page: Page, stack: Stack, endless_job: int) -> None:
    other = page.context.new_page()  # the browser reports the 404 as an error, which `page` refuses
    other.goto(f"/admin/media_catalog/job/{endless_job}/change/")
    stack.manage(
        "shell",
        "--no-imports",
        "-c",
        f"from media_catalog.models import Job; Job.objects.get(pk={endless_job}).delete()",
    )
    expect(other.get_by_text("it is gone")).to_be_visible()
    _no_more_requests(other)


def test_the_job_page_tries_again_after_a_lost_connection(page: Page, endless_job: int) -> None:
    other = page.context.new_page()
    other.goto(f"/admin/media_catalog/job/{endless_job}/change/")
    other.route("**/progress/**", lambda route: route.abort())
    expect(other.get_by_text("Connection lost, trying again.")).to_be_visible()
    other.unroute("**/progress/**")
    expect(other.get_by_text("Connection lost, trying again.")).not_to_be_visible(timeout=15_000)


def _no_more_requests(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6_000)  # longer than the pause after an error
    assert asked == []


def test_the_confirmation_at_390_px(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/media_catalog/image/")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option(label="Move to trash…")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_role("button", name="Move to trash")).to_be_visible()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("#changelist")).to_be_visible()
