"""A job as a member of staff follows it: from the action to its end, on the page, on the overview, and to a cancel."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.pictures import jpeg
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live"), pytest.mark.usefixtures("images")]

IMAGES = 60
JOB_MILLISECONDS = 60_000
STORE = """
import io
from media_catalog.models import Bucket
from media_catalog.services import uploads
body = open({path!r}, "rb").read()
bucket = Bucket.objects.get(role="originals")
for number in range({count}):
    uploads.store(file=io.BytesIO(body), name=f"{{number}}.jpg", caption="", bucket=bucket, user=None)
"""


@pytest.fixture(scope="module")
def images(stack: Stack) -> None:
    picture = stack.data_dir / "picture.jpg"
    picture.write_bytes(jpeg(1200, 900))
    stack.manage("shell", "-v0", "-c", STORE.format(path=str(picture), count=IMAGES))


def _start(page: Page, action: str, *, count: int = IMAGES) -> None:
    """An action on the first images of the list, or all, to the page of its job."""
    page.goto("/admin/media_catalog/image/")
    if count == IMAGES:
        page.get_by_label("Select all objects on this page for an action").check()
        page.get_by_role("button", name=f"Select all {IMAGES} images").click()
    else:
        for box in page.locator("input.action-select").all()[:count]:
            box.check()
    page.locator("select[name=action]").select_option(label=f"{action}…")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name=action).click()
    expect(page).to_have_url(re.compile(r"/job/\d+/change/$"))


def test_a_job_is_followed_from_the_action_to_its_end(page: Page) -> None:
    _start(page, "Make renditions")
    bar, state = page.locator("[data-job=bar]"), page.locator("[data-job=state]")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()

    seen = [int(bar.get_attribute("value") or 0)]
    while state.text_content() != "Finished":
        page.wait_for_timeout(200)
        seen.append(int(bar.evaluate("bar => bar.value")))
        assert len(seen) < JOB_MILLISECONDS / 200
    seen.append(int(bar.evaluate("bar => bar.value")))  # the state may have changed since the last look

    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert len({value for value in seen if 0 < value < 100}) >= 3, seen
    expect(page.locator("[data-text=summary]")).to_have_text(f"{IMAGES} of {IMAGES} processed")
    expect(page.locator("[data-count=done]")).to_have_text(str(IMAGES))
    expect(page.locator("[data-cost=s3_tier2] [data-cell=used]")).to_have_text(str(IMAGES))
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(page.get_by_role("button", name="Delete job…")).to_be_visible()


def test_a_job_is_cancelled_in_the_middle(page: Page, stack: Stack) -> None:
    _start(page, "Detect faces")
    expect(page.locator("[data-job=state]")).to_have_text("Running", timeout=JOB_MILLISECONDS)
    page.get_by_role("button", name="Cancel job…").click()
    page.get_by_role("button", name="Cancel job").click()

    expect(page.get_by_text("will not be started")).to_be_visible()
    expect(page.locator("[data-job=state]")).to_have_text("Cancelled", timeout=JOB_MILLISECONDS)
    expect(page.get_by_text("by editor", exact=False).first).to_be_visible()
    page.locator(".bo-tabs").get_by_role("link", name="Cancelled").click()
    expect(page.locator("[data-item] .bo-cancelled").first).to_be_visible()
    ((job, states),) = stack.query(
        "SELECT job_id, group_concat(DISTINCT state) FROM media_catalog_jobitem"
        " WHERE job_id = (SELECT max(id) FROM media_catalog_job) GROUP BY job_id"
    )
    assert "cancelled" in states
    assert {"queued", "running"}.isdisjoint(states.split(",")), job


def test_the_overview_and_the_list_follow_jobs_and_the_end_is_told_once(page: Page) -> None:
    _start(page, "Detect faces", count=5)
    page.goto("/admin/")
    newest = page.locator(".bo-list li").first
    expect(newest.locator("[data-part=state]")).to_have_text("Finished", timeout=JOB_MILLISECONDS)
    expect(newest.locator("[data-part=summary]")).to_have_text("5 of 5 processed")

    page.goto("/admin/media_catalog/job/")
    told = page.locator(".messagelist").get_by_text("Finished. 5 of 5 processed.")
    expect(told).to_have_count(1)
    expect(page.locator("[data-part=state]").first).to_have_text("Finished")
    page.reload()
    expect(told).to_have_count(0)


def test_the_list_follows_a_job_and_hidden_tabs_ask_nothing(page: Page, stack: Stack) -> None:
    job = stack.manage(
        "shell",
        "--no-imports",
        "-c",
        "from datetime import timedelta; from django.utils import timezone; from media_catalog.models import Job;"
        "job = Job.objects.create(kind='sync_buckets', state='running');"
        "job.items.create(target='x', state='running', lease_until=timezone.now() + timedelta(hours=1));"
        "print(job.pk)",
    ).strip()
    page.goto("/admin/media_catalog/job/")
    state = page.locator(f'[data-of="{job}"][data-part=state]')
    expect(state).to_have_text("Running")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(1_500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(3_000)
    assert asked == []
    finish = f"from media_catalog.models import Job; Job.objects.filter(pk={job}).update(state='finished')"
    stack.manage("shell", "--no-imports", "-c", finish)
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(state).to_have_text("Finished")
