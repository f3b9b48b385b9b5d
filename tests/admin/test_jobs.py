"""The list of jobs: what each row says, who sees which, and what the list polls."""

import pytest
from django.utils import timezone

from media_catalog.jobs import control
from media_catalog.models import Job, JobItem, Worker

LIST = "/admin/media_catalog/job/"


def _job(user, *states, **fields) -> Job:
    job = Job.objects.create(**{"kind": "make_renditions", "requested_by": user, "state": "running", **fields})
    JobItem.objects.bulk_create(JobItem(job=job, target=f"b/{number}", state=s) for number, s in enumerate(states))
    return job


def _shown(response) -> list[int]:
    return [job.pk for job in response.context["cl"].result_list]


def _figures(client, *jobs) -> dict:
    answer = client.get(f"{LIST}figures/", {"job": [job.pk for job in jobs]})
    assert "no-store" in answer["Cache-Control"]
    return {found["id"]: found for found in answer.json()["jobs"]}


def test_a_row_says_state_progress_and_failures(admin_client, admin_user):
    _job(admin_user, "done", "failed", "queued", "queued", scope="4 images", requester="anna")
    page = admin_client.get(LIST).content.decode()
    for words in ("#", "Make renditions", "4 images", "2 of 4 processed, 1 failed", 'value="50"', "Running", "anna"):
        assert words in page


def test_rate_and_time_left_of_one_that_runs(admin_client, admin_user):
    now = timezone.now()
    job = _job(admin_user, *["queued"] * 60, started_at=now - timezone.timedelta(minutes=10))
    JobItem.objects.bulk_create(JobItem(job=job, target="b/k", state="done", finished_at=now) for _item in range(30))
    assert "30 a minute, 2 minutes left" in admin_client.get(LIST).content.decode()
    Job.objects.update(state="paused")
    assert "a minute" not in admin_client.get(LIST).content.decode()


def test_what_was_asked_and_has_not_happened_yet_is_not_called_done(admin_client, admin_user):
    job = _job(admin_user, "running", "queued")
    control.pause(job)
    assert _figures(admin_client, job)[job.pk]["label"] == "Pausing"
    control.cancel(job, by="x")
    assert _figures(admin_client, job)[job.pk]["label"] == "Cancelling"


def test_the_list_of_many_jobs_takes_few_queries(admin_client, admin_user, django_assert_max_num_queries):
    for _number in range(40):
        _job(admin_user, "done", "queued")
    with django_assert_max_num_queries(12):
        assert len(_shown(admin_client.get(LIST))) == 40


@pytest.mark.parametrize(
    ("query", "hit"), [("#{pk}", True), ("{pk}", True), ("anna", True), ("12 im", True), ("zz", False)]
)
def test_search_by_scope_requester_and_number(admin_client, admin_user, query, hit):
    job = _job(admin_user, scope="12 images", requester="anna")
    _job(admin_user, scope="other")
    found = _shown(admin_client.get(LIST, {"q": query.format(pk=job.pk)}))
    assert found == ([job.pk] if hit else [])


@pytest.mark.database
@pytest.mark.parametrize("query", ["9" * 40, "²", "#", "٣"])
def test_odd_searches_are_no_error(admin_client, db, query):
    assert _shown(admin_client.get(LIST, {"q": query})) == []


def test_filters_by_state_kind_and_requester(admin_client, admin_user, staff_with):
    other = staff_with()
    mine, theirs = _job(admin_user), _job(other, kind="detect_faces", state="finished")
    for query in (f"requester={other.pk}", "state__exact=finished", "kind=detect_faces"):
        assert _shown(admin_client.get(f"{LIST}?{query}")) == [theirs.pk]
    assert _shown(admin_client.get(f"{LIST}?requester=nobody")) == [theirs.pk, mine.pk]


def test_requesters_are_for_those_who_see_the_jobs_of_others(client, admin_user, staff_with):
    stranger, manager = staff_with("view_image"), staff_with("view_job")
    own, other = _job(stranger), _job(admin_user)

    client.force_login(stranger)
    assert _shown(client.get(f"{LIST}?requester={admin_user.pk}")) == [own.pk]
    assert "requester=" not in client.get(LIST).content.decode()
    assert _figures(client, own, other).keys() == {own.pk}

    client.force_login(manager)
    assert _shown(client.get(LIST)) == [other.pk, own.pk]
    assert f"requester={admin_user.pk}" in client.get(LIST).content.decode()
    assert _figures(client, own, other).keys() == {own.pk, other.pk}


def test_the_list_follows_jobs_that_move_only(admin_client, admin_user):
    moving, over = _job(admin_user, "queued"), _job(admin_user, state="finished", counts={"done": 1})
    page = admin_client.get(LIST).content.decode()
    assert f'data-live="{moving.pk}"' in page
    assert f'data-live="{over.pk}"' not in page
    found = _figures(admin_client, moving, over)
    assert (found[moving.pk]["moves"], found[over.pk]["moves"]) == (True, False)
    assert found[over.pk]["texts"]["summary"] == "1 of 1 processed"


@pytest.mark.parametrize("query", ["", "job=x", "job=", "job=" + "9" * 40])
def test_odd_figures_are_none(admin_client, db, query):
    assert admin_client.get(f"{LIST}figures/?{query}").json()["jobs"] == []


class TestObstacles:
    def _obstacles(self, client) -> list[str]:
        said = client.get(f"{LIST}figures/").json()["obstacles"]
        page = client.get(LIST).content.decode()
        assert all(sentence in page for sentence in said)
        return said

    def test_no_worker_is_said_when_something_waits(self, admin_client, admin_user):
        assert self._obstacles(admin_client) == []
        job = _job(admin_user, "queued")
        assert self._obstacles(admin_client) == ["No worker is running: jobs wait until one is started."]
        assert "No worker is running" in admin_client.get(f"{LIST}{job.pk}/change/").content.decode()
        Worker.objects.create(name="host:1")
        assert self._obstacles(admin_client) == []
        assert "No worker is running" not in admin_client.get(f"{LIST}{job.pk}/change/").content.decode()

    def test_a_paused_queue_is_said_with_who_did_it(self, admin_client, admin_user):
        job = _job(admin_user, "queued")
        control.pause_queue(by="olga")
        (said,) = self._obstacles(admin_client)
        assert said.startswith("The queue was paused by olga")
        assert "The queue was paused by olga" in admin_client.get(f"{LIST}{job.pk}/change/").content.decode()


def test_the_list_is_empty_at_first_and_says_so(admin_client, db):
    assert "No jobs yet." in admin_client.get(LIST).content.decode()


def test_jobs_are_neither_added_nor_changed_by_hand(admin_client, admin_user):
    job = _job(admin_user)
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{job.pk}/change/", {"scope": "x"}).status_code == 403
