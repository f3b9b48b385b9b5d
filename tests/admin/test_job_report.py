"""The items of a job as a file."""

import csv
import io

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.models import Job, JobItem

pytestmark = pytest.mark.database
LIST = "/admin/media_catalog/job/"


@pytest.fixture
def job(admin_user):
    return Job.objects.create(kind="make_renditions", requested_by=admin_user)


def _rows(client, job, query="") -> list[dict[str, str]]:
    answer = client.get(f"{LIST}{job.pk}/report/{query}")
    assert answer.streaming
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))


def test_each_item_is_a_row(admin_client, admin_user, job):
    start = timezone.now()
    job.items.create(
        target="b/ü, 1.jpg",
        state="failed",
        code="denied",
        message="AWS denied access.",
        attempts=2,
        requests={"s3_tier2": 3, "free": 1},
        started_at=start,
        finished_at=start + timezone.timedelta(seconds=1.5),
    )
    job.items.create(target="b/2.jpg")

    first, second = _rows(admin_client, job)

    assert {name: first[name] for name in ("item", "state", "code", "result", "attempts", "seconds")} == {
        "item": "b/ü, 1.jpg",
        "state": "failed",
        "code": "denied",
        "result": "AWS denied access.",
        "attempts": "2",
        "seconds": "1.500",
    }
    assert (first["started"], first["s3_tier2"], first["free"], first["s3_tier1"]) == (start.isoformat(), "3", "1", "0")
    assert (second["item"], second["state"], second["seconds"], second["finished"]) == ("b/2.jpg", "queued", "", "")
    entry = LogEntry.objects.get(user=admin_user, object_id=str(job.pk))
    assert entry.change_message == "Report of 2 items taken."


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(admin_client, job, start):
    job.items.create(target=f"{start}1+1", message=f"{start}cmd()")
    (row,) = _rows(admin_client, job)
    assert (row["item"], row["result"]) == (f"'{start}1+1", f"'{start}cmd()")


def test_of_one_state_alone(admin_client, job):
    for state in ("done", "failed", "done"):
        job.items.create(target="x", state=state)
    assert [row["state"] for row in _rows(admin_client, job, "?state=failed")] == ["failed"]
    assert len(_rows(admin_client, job, "?state=nonsense")) == 3
    named = admin_client.get(f"{LIST}{job.pk}/report/?state=failed")
    assert named["Content-Disposition"] == f'attachment; filename="job-{job.pk}-failed.csv"'
    page = admin_client.get(f"{LIST}{job.pk}/change/?state=failed").content.decode()
    assert f"{LIST}{job.pk}/report/?state=failed" in page


def test_a_large_one_takes_few_queries(admin_client, job, django_assert_max_num_queries):
    JobItem.objects.bulk_create(JobItem(job=job, target=f"b/{number}") for number in range(10_000))
    with django_assert_max_num_queries(8):
        assert len(_rows(admin_client, job)) == 10_000


def test_who_does_not_see_the_job_gets_nothing(client, staff_with, job):
    client.force_login(staff_with("view_image"))
    assert client.get(f"{LIST}{job.pk}/report/").status_code == 404
    client.force_login(staff_with("view_job"))
    assert client.get(f"{LIST}{job.pk}/report/").status_code == 200
    assert client.post(f"{LIST}{job.pk}/report/").status_code == 405
