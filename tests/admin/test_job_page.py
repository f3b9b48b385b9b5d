"""The page on which a job is followed."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media_catalog import jobs
from media_catalog.aws import s3
from media_catalog.models import Job, JobItem, RequestLimit, RequestUsage, Reservation
from tests.pictures import jpeg

pytestmark = pytest.mark.database
LIST = "/admin/media_catalog/job/"


@pytest.fixture
def job(store, admin_user, originals):
    """Of three images, of which the second is damaged at S3."""
    images = [store(jpeg(), name=f"{number}.jpg") for number in range(3)]
    s3.put_object(originals.name, "1.jpg", b"garbage", content_type="image/jpeg", overwrite=True)
    return jobs.start(kind="make_renditions", user=admin_user, images=[image.pk for image in images], scope="3 images")


@pytest.fixture
def large(admin_user):
    job = Job.objects.create(
        kind="make_renditions",
        requested_by=admin_user,
        state="running",
        reservation=Reservation.objects.create(kind="job", lease_until=timezone.now()),
        retry_of=Job.objects.create(kind="make_renditions", requested_by=admin_user, state="finished"),
    )
    JobItem.objects.bulk_create(JobItem(job=job, target=f"b/{number}.jpg") for number in range(10_000))
    return job


def _page(job: Job) -> str:
    return f"{LIST}{job.pk}/change/"


def test_progress_before_and_after(admin_client, job, work):
    before = admin_client.get(f"{LIST}{job.pk}/progress/").json()
    work()
    after = admin_client.get(f"{LIST}{job.pk}/progress/")

    assert (before["percent"], before["moves"], before["counts"]["queued"]) == (0, True, 3)
    now = after.json()
    assert (now["percent"], now["moves"], now["state"], now["css"]) == (100, False, "finished", "failed")
    counted = {state: count for state, count in now["counts"].items() if count}
    assert counted == {"done": 2, "failed": 1}
    assert [(item["message"], item["code"], item["attempts"]) for item in now["items"]] == [
        ("6 renditions made.", "", 1),
        ("This is not an image. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF.", "image_refused", 1),
        ("6 renditions made.", "", 1),
    ]
    assert "no-store" in after["Cache-Control"]


def test_the_page_says_how_each_item_went(admin_client, job, work):
    work()
    page = admin_client.get(_page(job)).content.decode()

    for words in (
        "This is not an image. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF.",
        "image_refused",
        "6 renditions made.",
        "3 images",
        "1.jpg",
    ):
        assert words in page
    image = job.items.first().image_id
    assert f"/admin/media_catalog/image/{image}/change/" in page
    assert (
        f"#{job.pk} Make renditions" in admin_client.get(f"/admin/media_catalog/image/{image}/change/").content.decode()
    )


def test_estimate_reservation_and_use_stand_side_by_side(admin_client, job, work):
    before = {line.request_class: line for line in admin_client.get(_page(job)).context["costs"]}
    work()
    after = {line.request_class: line for line in admin_client.get(_page(job)).context["costs"]}

    assert (before["s3_tier1"].estimated, before["s3_tier1"].reserved, before["s3_tier1"].used) == (18, 18, 0)
    assert (after["s3_tier1"].estimated, after["s3_tier1"].used, after["s3_tier1"].spent) == (18, 12, 12)
    assert after["s3_tier2"].used == 3
    counted = RequestUsage.objects.filter(job=job.pk)
    assert sum(row.count for row in counted) == sum(line.used for line in after.values())
    assert admin_client.get(f"{LIST}{job.pk}/progress/").json()["costs"]["s3_tier1"]["used"] == 12


def test_items_are_filtered_by_state_and_key_and_odd_parameters_are_no_error(admin_client, job, work):
    work()

    def states(query):
        return [item.state for item in admin_client.get(f"{_page(job)}?{query}").context["items"]]

    assert states("state=failed") == ["failed"]
    assert states("q=1.JPG") == ["failed"]
    assert states("q=1.jpg&state=done") == []
    assert len(states("")) == 3
    assert all(states(odd) == states("") for odd in ("q=%00", "state=nonsense", "p=nonsense", "p=99"))


@pytest.mark.parametrize("number", ["x", "²", "0", "9" * 18, "9" * 40])
def test_numbers_of_no_job_are_no_error(admin_client, db, number):
    assert admin_client.get(f"{LIST}{number}/change/").status_code == 302
    assert admin_client.get(f"{LIST}{number}/progress/").status_code in (302, 404)


class TestQueries:
    """Session, user, job with its retries, counts, items, requests, limits that are reached, untold jobs."""

    def test_of_a_large_job_that_runs(self, admin_client, large, django_assert_max_num_queries):
        with django_assert_max_num_queries(8):
            response = admin_client.get(_page(large))
        assert len(response.context["items"]) == 100
        with django_assert_max_num_queries(6):
            admin_client.get(f"{LIST}{large.pk}/progress/")

    def test_of_a_large_job_that_is_over(self, admin_client, large, django_assert_max_num_queries):
        large.items.update(state="done")
        Job.objects.filter(pk=large.pk).update(state="finished", finished_at=timezone.now(), counts={"done": 10_000})
        Job.objects.create(kind=large.kind, requested_by=large.requested_by, retry_of=large, state="finished")

        with django_assert_max_num_queries(8):
            page = admin_client.get(f"{_page(large)}?state=done&p=50")
        assert page.context["items"].start_index() == 4901


def test_options_that_name_thousands_of_files_are_not_read(admin_client, admin_user):
    """By the page, by what it polls, by the lists with theirs, nor by the word that the job is over."""
    first, job, again = (
        Job.objects.create(kind="remove_files", requested_by=admin_user, options={"files": list(range(50_000))})
        for _number in range(3)
    )
    Job.objects.filter(pk=job.pk).update(retry_of=first)
    Job.objects.filter(pk=again.pk).update(retry_of=job, state="finished", finished_at=timezone.now())

    with CaptureQueriesContext(connection) as queries:
        for page in (_page(job), f"{LIST}{job.pk}/progress/", LIST, f"{LIST}figures/?job={job.pk}", "/admin/"):
            assert admin_client.get(page).status_code == 200

    read = [query["sql"] for query in queries if re.search(r'(SELECT|,) "?\w+"?\."options"', query["sql"])]
    assert read == []


def test_what_was_asked_and_when_it_lives_is_said(admin_client, admin_user):
    beat = timezone.now() - timedelta(minutes=3, seconds=5)
    first = Job.objects.create(kind="detect_faces", requested_by=admin_user, state="finished", finished_at=beat)
    job = Job.objects.create(
        kind="detect_faces",
        requested_by=admin_user,
        state="running",
        options={"again": True},
        heartbeat=beat,
        cancelled_at=beat,
        cancelled_by="olga",
        retry_of=first,
    )
    page = admin_client.get(_page(job))
    assert page.context["texts"]["life"] == "3 minutes ago"
    assert page.context["texts"]["cancelled"].endswith("by olga")
    for words in ("Analyse images again that have not changed", _page(first), "Cancelling"):
        assert words in page.content.decode()
    assert _page(job) in admin_client.get(_page(first)).content.decode()


def test_retries_of_others_are_not_shown(client, admin_user, staff_with):
    requester = staff_with("view_image")
    first = Job.objects.create(kind="detect_faces", requested_by=requester, state="finished")
    theirs = Job.objects.create(kind="detect_faces", requested_by=admin_user, retry_of=first)
    own = Job.objects.create(kind="detect_faces", requested_by=requester, retry_of=theirs)
    client.force_login(requester)
    assert _page(theirs) not in client.get(_page(first)).content.decode()
    page = client.get(_page(own)).content.decode()
    assert str(theirs) in page
    assert _page(theirs) not in page


def test_an_item_that_waits_for_another_try_says_when(admin_client, admin_user):
    job = Job.objects.create(kind="sync_buckets", requested_by=admin_user, state="running")
    later = timezone.now() + timedelta(seconds=75)
    job.items.create(target="x", message="AWS asked to slow down.", code="throttled", attempts=2, not_before=later)
    assert f"Next try at {later:%H:%M:%S}." in admin_client.get(_page(job)).content.decode()


def test_items_that_housekeeping_has_deleted_are_explained(admin_client, admin_user):
    job = Job.objects.create(kind="sync_buckets", requested_by=admin_user, state="finished", counts={"done": 7})
    assert "Items are kept for 90 days" in admin_client.get(_page(job)).content.decode()
    assert "7 of 7 processed" in admin_client.get(_page(job)).content.decode()
    assert "No items are in this state." in admin_client.get(f"{_page(job)}?state=failed").content.decode()


def test_an_account_that_lost_its_permission_is_the_reason_of_its_items(admin_client, client, store, staff_with, work):
    user = staff_with("make_renditions_image")
    job = jobs.start(kind="make_renditions", user=user, images=[store().pk])
    user.user_permissions.clear()
    work()
    page = admin_client.get(_page(job)).content.decode()
    assert f"The account “{user.username}” may not do this any more." in page
    assert "not_permitted" in page


def test_staff_see_their_own_jobs_and_others_with_the_permission(client, admin_user, staff_with):
    stranger, manager = staff_with("view_image"), staff_with("view_job")
    job = Job.objects.create(kind="sync_buckets", requested_by=admin_user)
    own = Job.objects.create(kind="sync_buckets", requested_by=stranger)

    client.force_login(stranger)
    assert client.get(_page(own)).status_code == 200
    assert client.get(_page(job)).status_code == 302
    assert client.get(f"{LIST}{job.pk}/progress/").status_code == 404
    assert client.get(f"{LIST}{job.pk}/history/").status_code in (302, 403)

    client.force_login(manager)
    assert client.get(_page(job)).status_code == 200
    assert client.get(f"{LIST}{job.pk}/progress/").status_code == 200


def test_a_job_that_does_not_fit_is_shown_as_parked(admin_client, store, admin_user):
    RequestLimit.objects.filter(request_class="rekognition_image").update(limit=1)
    first = jobs.start(kind="detect_faces", user=admin_user, images=[store().pk])
    assert not admin_client.get(_page(first)).context["texts"]["parked"]
    job = jobs.start(kind="detect_faces", user=admin_user, images=[store().pk], park=True)
    page = admin_client.get(_page(job))
    assert page.context["texts"]["parked"].endswith("UTC")
    assert not page.context["moves"]
