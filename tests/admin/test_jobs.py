"""The job list and the page on which a job is followed."""

import pytest

from media_catalog import jobs
from media_catalog.aws import s3
from media_catalog.models import Job, JobItem
from tests.pictures import jpeg

LIST = "/admin/media_catalog/job/"


@pytest.fixture
def job(store, admin_user, originals):
    images = [store(jpeg(), name=f"{number}.jpg") for number in range(3)]
    s3.put_object(originals.name, "1.jpg", b"garbage", content_type="image/jpeg", overwrite=True)
    return jobs.start(kind="make_renditions", user=admin_user, images=[image.pk for image in images], scope="3 images")


def _page(job: Job) -> str:
    return f"{LIST}{job.pk}/change/"


def test_progress_before_and_after(admin_client, job, work):
    before = admin_client.get(f"{LIST}{job.pk}/progress/").json()
    work()
    after = admin_client.get(f"{LIST}{job.pk}/progress/")

    assert (before["percent"], before["finished"], before["counts"]["queued"]) == (0, False, 3)
    now = after.json()
    assert (now["percent"], now["finished"], now["state"]) == (100, True, "finished")
    assert now["counts"] == {"queued": 0, "running": 0, "done": 2, "skipped": 0, "failed": 1, "parked": 0}
    assert [item["message"] for item in now["items"]] == [
        "6 renditions made.",
        "This is not an image.",
        "6 renditions made.",
    ]
    assert "no-store" in after["Cache-Control"]


def test_the_page_says_how_each_item_went(admin_client, job, work):
    work()
    page = admin_client.get(_page(job)).content.decode()

    for words in ("This is not an image.", "6 renditions made.", "3 images", "1.jpg"):
        assert words in page
    assert "_save" not in page


def test_items_are_filtered_by_state_and_odd_parameters_are_no_error(admin_client, job, work):
    work()
    response = admin_client.get(f"{_page(job)}?state=failed")
    assert [item.state for item in response.context["items"]] == ["failed"]
    for query in ("state=nonsense", "p=nonsense", "p=99"):
        assert len(admin_client.get(f"{_page(job)}?{query}").context["items"]) == 3


def test_a_large_job_is_paged_with_few_queries(admin_client, admin_user, db, django_assert_max_num_queries):
    job = Job.objects.create(kind="make_renditions", requested_by=admin_user)
    JobItem.objects.bulk_create(JobItem(job=job, target=f"b/{number}") for number in range(1000))

    with django_assert_max_num_queries(8):
        response = admin_client.get(_page(job))
    assert len(response.context["items"]) == 100
    with django_assert_max_num_queries(6):
        admin_client.get(f"{LIST}{job.pk}/progress/")


def test_the_list_shows_result_and_failures(admin_client, job, work):
    work()
    page = admin_client.get(LIST).content.decode()
    assert "3 of 3 processed, 1 failed" in page
    assert "Make renditions" in page


def test_staff_see_their_own_jobs_and_others_with_the_permission(client, job, staff_with):
    stranger, manager = staff_with("view_image"), staff_with("view_job")
    own = Job.objects.create(kind="sync_buckets", requested_by=stranger)

    client.force_login(stranger)
    assert [shown.pk for shown in client.get(LIST).context["cl"].result_list] == [own.pk]
    assert client.get(_page(own)).status_code == 200
    assert client.get(_page(job)).status_code == 302
    assert client.get(f"{LIST}{job.pk}/progress/").status_code == 404

    client.force_login(manager)
    assert client.get(_page(job)).status_code == 200
    assert client.get(f"{LIST}{job.pk}/progress/").status_code == 200


def test_jobs_are_neither_added_nor_changed_nor_deleted_by_hand(admin_client, job):
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(_page(job), {"scope": "x"}).status_code == 403
    assert admin_client.post(f"{LIST}{job.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Job.objects.get().scope == "3 images"
