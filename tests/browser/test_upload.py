"""The upload page in a real browser: files go straight to S3, and each is answered on its own."""

import base64
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.pictures import jpeg
from tests.stack import Stack

from .conftest import log_in

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

URL = "/admin/media_catalog/image/add/"
DROP = """([zone, files]) => {
  const data = new DataTransfer();
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, { type: "image/jpeg" }));
  }
  zone.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


LATE = """<Error><Code>AccessDenied</Code><Message>Invalid according to Policy: Policy expired.</Message></Error>"""
OVER = """
from datetime import timedelta
from django.utils import timezone
from media_catalog.models import Upload
Upload.objects.filter(name="late.jpg").update(expires_at=timezone.now() - timedelta(seconds=1))
"""
UNSET_CORS = "from media_catalog.aws import bucket_settings; bucket_settings.put_cors('mediafiles', [])"
# As if the bucket had this rule.
RULED = """const parse = JSON.parse;
JSON.parse = (text) => {
  const found = parse(text);
  for (const bucket of Object.values(found?.buckets ?? {})) {
    Object.assign(bucket, { rule: "minimum", width: 1024, height: 786 });
  }
  return found;
};"""


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    zone = page.locator("[data-upload=zone]").element_handle()
    page.evaluate(DROP, [zone, [[name, base64.b64encode(body).decode()] for name, body in files]])


def row(page: Page, name: str) -> object:
    return page.locator("[data-upload=list] li").filter(has=page.get_by_text(name, exact=True))


def upload(page: Page) -> None:
    page.get_by_role("button", name="Upload", exact=True).click()


def test_twelve_files_and_the_right_outcome_for_each(page: Page, stack: Stack) -> None:
    page.goto(URL)
    page.get_by_label("Folder").fill("press")
    drop(page, ("known.jpg", jpeg(300, 200)))
    page.get_by_label("Make renditions now").uncheck()
    upload(page)
    expect(page.get_by_text("1 image uploaded.")).to_be_visible()

    page.goto(URL)
    page.get_by_label("Folder").fill("press")
    page.get_by_label("Caption").fill("Day one")
    good = [(f"picture {number}.jpg", jpeg(310 + number, 200)) for number in range(10)]
    mark = stack.cloud.access_log.mark()
    drop(page, *good, ("notes.jpg", b"just some text"), ("again.jpg", jpeg(300, 200)))
    expect(page.locator("[data-upload=list] li")).to_have_count(12)
    upload(page)

    expect(page.get_by_text("10 of 12 uploaded · 1 refused · 1 there already")).to_be_visible(timeout=30_000)
    for name, _body in good:
        expect(row(page, name)).to_contain_text("Stored")
    links = row(page, "picture 3.jpg").get_by_role("link")
    expect(links).to_have_text([re.compile(r"press/picture-3-[0-9a-f]{8}\.jpg"), "High (261 × 200)"])
    expect(row(page, "again.jpg").get_by_role("link")).to_have_count(1)
    expect(row(page, "notes.jpg")).to_contain_text(
        "This is not an image. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF."
    )
    expect(row(page, "again.jpg")).to_contain_text("The same picture is there already: press/known-")
    assert stack.query("SELECT count(*) FROM media_catalog_image WHERE caption = 'Day one'") == [(10,)]
    page.get_by_role("link", name="Follow the making of renditions").click()
    expect(page.locator("[data-job=state]")).to_have_text("Finished", timeout=60_000)
    expect(page.get_by_text("10 of 10 processed").first).to_be_visible()
    sent = stack.cloud.access_log.operations(mark)
    assert sent["PostObject"] == 10
    assert sent["GetObject"] == 10  # to confirm; the job has the bytes from there
    assert sent["PutObject"] == 60


def test_a_duplicate_is_used_or_uploaded_anyway(page: Page) -> None:
    page.goto(URL)
    drop(page, ("twin.jpg", jpeg(222, 111)))
    upload(page)
    expect(page.get_by_text("1 image uploaded.")).to_be_visible()
    for button, outcome in [("Use existing", "Already there"), ("Upload anyway", "Stored")]:
        page.goto(URL)
        drop(page, ("twin.jpg", jpeg(222, 111)))
        upload(page)
        page.get_by_role("button", name=button).click()
        expect(row(page, "twin.jpg")).to_contain_text(outcome)
    expect(row(page, "twin.jpg").get_by_role("link").first).to_contain_text(re.compile(r"twin-[0-9a-f]{8}\.jpg"))


@pytest.fixture
def troubled(context: BrowserContext) -> Page:
    """A page whose requests fail in ways that the browser's console tells of."""
    page = context.new_page()
    log_in(page)
    return page


def test_a_bucket_whose_cors_is_unset_is_named_and_can_be_fixed(troubled: Page, stack: Stack) -> None:
    page = troubled
    stack.manage("shell", "-v0", "-c", UNSET_CORS)
    page.goto(URL)
    drop(page, ("cors.jpg", jpeg(101, 102)))
    upload(page)
    expect(page.get_by_role("alert")).to_contain_text("the bucket's CORS setting does not name this site")
    expect(page.get_by_role("alert")).to_contain_text("mediafiles")

    page.get_by_role("button", name="Add this site to the CORS setting").click()
    expect(page.get_by_role("alert")).to_contain_text("may upload to “mediafiles” now")
    row(page, "cors.jpg").get_by_role("button", name="Retry").click()
    expect(row(page, "cors.jpg")).to_contain_text("Stored")


def test_an_upload_survives_a_reload(troubled: Page, stack: Stack) -> None:
    """One file was cut off on its way to S3, of the other nobody told the server."""
    page = troubled
    page.goto(URL)
    page.route(f"{stack.cloud.endpoint_url}/**", lambda route: None, times=1)  # files go in the order of the list
    page.route("**/add/finish/", lambda route: None)
    drop(page, ("cut.jpg", jpeg(103, 104)), ("came.jpg", jpeg(105, 106)))
    upload(page)
    expect(row(page, "came.jpg")).to_contain_text("Checking at the server…")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(URL)
    page.unroute_all(behavior="ignoreErrors")

    panel = page.get_by_role("region", name="Unfinished uploads")
    cut, came = (panel.get_by_role("listitem").filter(has_text=name) for name in ("cut.jpg", "came.jpg"))
    came.get_by_role("button", name="Look whether it came").click()
    expect(row(page, "came.jpg")).to_contain_text("Stored")
    file = {"name": "cut.jpg", "mimeType": "image/jpeg", "buffer": jpeg(103, 104)}
    cut.locator("input[type=file]").set_input_files(file)
    expect(row(page, "cut.jpg")).to_contain_text("Stored")
    page.goto(URL)
    expect(page.get_by_role("region", name="Unfinished uploads")).to_have_count(0)


def test_cancel_and_retry(troubled: Page, stack: Stack) -> None:
    page = troubled
    page.goto(URL)
    page.route(f"{stack.cloud.endpoint_url}/**", lambda route: None)
    drop(page, ("slow.jpg", jpeg(107, 108)))
    upload(page)
    row(page, "slow.jpg").get_by_role("button", name="Cancel").click()
    expect(row(page, "slow.jpg")).to_contain_text("Cancelled")
    page.unroute(f"{stack.cloud.endpoint_url}/**")
    row(page, "slow.jpg").get_by_role("button", name="Retry").click()
    expect(row(page, "slow.jpg")).to_contain_text("Stored")


def test_a_file_whose_form_is_over_gets_another(troubled: Page, stack: Stack) -> None:
    """Its turn came too late: S3 says so, and the server gives another form."""
    page = troubled
    page.goto(URL)
    answer = {"status": 403, "body": LATE, "headers": {"Access-Control-Allow-Origin": "*"}}
    page.route(f"{stack.cloud.endpoint_url}/**", lambda route: route.fulfill(**answer), times=1)
    drop(page, ("late.jpg", jpeg(130, 131)))
    upload(page)
    expect(row(page, "late.jpg")).to_contain_text("The time for this upload was over before S3 had the file.")
    stack.python(OVER)
    row(page, "late.jpg").get_by_role("button", name="Retry").click()
    expect(row(page, "late.jpg")).to_contain_text("Stored")
    found = stack.query("SELECT count(DISTINCT key) FROM media_catalog_upload WHERE name = 'late.jpg'")
    assert found == [(2,)]


def test_a_file_that_waited_cancelled_and_retried_is_sent_once(troubled: Page, stack: Stack) -> None:
    """Three are on their way, so the fourth waits in the page's queue."""
    page, held, released = troubled, [], []
    page.goto(URL)
    page.route(f"{stack.cloud.endpoint_url}/**", lambda route: route.continue_() if released else held.append(route))
    mark = stack.cloud.access_log.mark()
    drop(page, *((f"{number}.jpg", jpeg(120 + number, 90)) for number in range(4)))
    upload(page)
    expect(row(page, "2.jpg").get_by_role("progressbar")).to_be_visible()
    row(page, "3.jpg").get_by_role("button", name="Cancel").click()
    row(page, "3.jpg").get_by_role("button", name="Retry").click()
    expect(row(page, "3.jpg").get_by_role("button", name="Cancel")).to_be_visible()
    released.append(True)
    for route in held:
        route.continue_()

    for number in range(4):
        expect(row(page, f"{number}.jpg")).to_contain_text("Stored")
    expect(page.get_by_text("4 images uploaded.")).to_be_visible()
    assert stack.cloud.access_log.operations(mark)["PostObject"] == 4


def test_the_type_of_a_file_is_found_by_its_content(troubled: Page, stack: Stack) -> None:
    """Of the AVIF brands also that of sequences, and the general one with AVIF among its compatible brands."""
    page = troubled
    page.goto(URL)
    heads = {
        "a.avif": b"\0\0\0\x1cftypavis\0\0\0\0avifmif1",
        "b.avif": b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
    }
    others = {
        "HEIC": b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf",
        "PDF": b"%PDF-1.4",
        "SVG": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "HTML": b"<!DOCTYPE html><html></html>",
    }
    drop(page, *((name, head + bytes(100)) for name, head in (heads | others).items()))
    upload(page)
    for name in others:
        expect(row(page, name)).to_contain_text(
            f"This is not an accepted image, it looks like {name}. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF."
        )
    for name in ("a.avif", "b.avif"):  # the server has looked: it is damaged
        expect(row(page, name)).to_contain_text("damaged")


def test_what_the_quota_refuses_is_said_before_a_byte_is_sent(troubled: Page, stack: Stack) -> None:
    page = troubled
    _limit(stack, 1)
    mark = stack.cloud.access_log.mark()
    page.goto(URL)
    drop(page, ("a.jpg", jpeg(109, 110)), ("b.jpg", jpeg(111, 112)))
    upload(page)
    expect(page.get_by_role("alert")).to_contain_text(
        "This does not fit into the quota: S3 PUT, COPY, POST, LIST: 4 needed"  # a POST and a PUT of each
    )
    expect(row(page, "a.jpg")).to_contain_text("Waiting")
    assert not stack.cloud.access_log.operations(mark)

    _limit(stack, 2000)
    upload(page)
    expect(page.get_by_text("2 images uploaded.")).to_be_visible()


def _limit(stack: Stack, limit: int) -> None:
    change = f"RequestLimit.objects.filter(request_class='s3_tier1').update(limit={limit})"
    stack.manage("shell", "-v0", "-c", f"from media_catalog.models import RequestLimit; {change}")


def test_the_buckets_rule_is_kept_before_a_byte_is_sent(page: Page, stack: Stack) -> None:
    page.add_init_script(RULED)
    page.goto(URL)
    mark = stack.cloud.access_log.mark()
    drop(page, ("small.jpg", jpeg(300, 1000)), ("large.jpg", jpeg(1024, 786)))
    upload(page)
    said = "This bucket takes 1024 × 786 pixels or more; this has 300 × 1000."
    expect(row(page, "small.jpg")).to_contain_text(said)
    expect(row(page, "large.jpg")).to_contain_text("Stored")
    assert stack.cloud.access_log.operations(mark)["PostObject"] == 1


def test_without_a_script_the_form_goes_to_the_server(context: BrowserContext, url: str) -> None:
    browser = context.browser
    assert browser
    plain = browser.new_context(base_url=url, java_script_enabled=False)
    page = plain.new_page()
    log_in(page)
    page.goto(URL)
    page.locator("input[type=file]").first.set_input_files(
        {"name": "plain.jpg", "mimeType": "image/jpeg", "buffer": jpeg()}
    )
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text("1 image uploaded.")).to_be_visible()
    plain.close()


def test_swagger_violates_no_policy(page: Page) -> None:
    """The page fixture hears every violation."""
    page.goto("/async_image/docs/swagger")
    expect(page.get_by_text("/async_image/presignedurl/batch/")).to_be_visible()
    page.get_by_text("/async_image/presignedurl/batch/").click()
    page.get_by_role("button", name="Try it out").click()
    page.locator("textarea.body-param__text").fill('{"count": 2}')
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("201")
    page.wait_for_load_state("networkidle")
