"""The list of the trash: restoring, purging, and who may."""

import math

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from media_catalog.admin import history
from media_catalog.admin.confirmation import digest
from media_catalog.admin.costs import in_words
from media_catalog.aws import s3
from media_catalog.jobs import schedules
from media_catalog.models import Image, Job, JobItem, RequestCounter, RequestLimit, TrashedObject

from .buckets import messages_of, new_bucket, put
from .trashing import LIST, UNDO, act, bucket, confirm, keys_of, remove, trash_images, two_presets, undo_fields

__all__ = ["bucket", "two_presets"]


class TestTheList:
    def test_columns_filters_and_search_in_a_constant_number_of_queries(self, admin_client, bucket):
        rows = [
            TrashedObject(
                bucket=bucket, key=f"k{number}\n", trash_key=f"trash/{number}", etag="", size=1, state="trashed",
                trashed_by_name="somebody", problem="odd" if number else "",
            )
            for number in range(60)
        ]  # fmt: skip
        TrashedObject.objects.bulk_create(rows[:1])
        with CaptureQueriesContext(connection) as few:
            assert admin_client.get(LIST).status_code == 200
        TrashedObject.objects.bulk_create(rows[1:])
        with CaptureQueriesContext(connection) as many:
            shown = admin_client.get(LIST)
        assert len(many) <= len(few) <= 12
        assert len(shown.context["cl"].result_list) == 50
        assert "k59␊" in shown.content.decode()
        assert "never by itself" in shown.content.decode()
        for query, count in [
            ("what=image", 0), ("what=object", 60), ("state=problem", 59), ("state=moving", 0), ("state=nonsense", 60),
            (f"bucket__id__exact={bucket.pk}", 60), ("q=k59", 1), ("q=somebody", 60), ("q=%00", 60), ("p=2", 60),
        ]:  # fmt: skip
            assert admin_client.get(f"{LIST}?{query}").context["cl"].result_count == count, query

    def test_an_empty_one_says_so(self, admin_client):
        shown = admin_client.get(LIST).content.decode()
        assert "The trash is empty." in shown
        assert "Empty trash…" not in shown

    def test_restoring_says_what_it_costs_and_what_follows(self, admin_client, store, work, cloud):
        images = [store(name=f"{number}.jpg") for number in range(2)]
        trash_images(admin_client, work, *images)
        rows = TrashedObject.objects.all()
        mark = cloud.access_log.mark()
        shown = act(admin_client, "restore", rows)
        assert not cloud.access_log.since(mark)
        assert "4 PUT-class and 2 GET-class requests" in shown.context["follows"]
        assert [line.requests for line in shown.context["cost_lines"]] == [2, 2]

        confirm(admin_client, "restore", rows)
        work()
        assert cloud.access_log.operations(mark) == {"HeadObject": 2, "CopyObject": 2, "DeleteObject": 2}
        making = Job.objects.get(kind="make_renditions")
        assert (making.requested_by, making.items.count()) == (None, 2)
        assert in_words(making.estimate) == shown.context["follows"]
        assert Job.objects.get(kind="restore").items.get().message == "2 objects restored."

    def test_more_images_than_a_job_may_have_are_several_jobs(self, admin_client, store, work, settings):
        trash_images(admin_client, work, *(store(name=f"{number}.jpg") for number in range(3)))
        confirm(admin_client, "restore", TrashedObject.objects.all())
        settings.JOB_MAX_ITEMS = 2
        work()
        making = Job.objects.filter(kind="make_renditions").order_by("pk")
        assert [job.items.count() for job in making] == [2, 1]

    def test_a_taken_key_is_told(self, admin_client, bucket, work):
        put(bucket, "a.txt", b"old")
        response = remove(admin_client, bucket, "a.txt")
        put(bucket, "a.txt", b"new")
        said = messages_of(admin_client.post(UNDO, undo_fields(response), follow=True))
        assert said == ["1 object restored.", "“a.txt” is “a-2.txt” now: its key was taken."]

        remove(admin_client, bucket, "a-2.txt")
        put(bucket, "a-2.txt")
        confirm(admin_client, "restore", TrashedObject.objects.all())
        work()
        message = Job.objects.get().items.get().message
        assert message == "1 object restored. “a-2.txt” is “a-2-2.txt” now: its key was taken."

    def test_purging_is_for_good(self, admin_client, store, originals, work, cloud):
        trash_images(admin_client, work, store(name="a.jpg"), store(name="b.jpg"))
        rows = TrashedObject.objects.all()
        shown = act(admin_client, "purge", rows)
        assert "This cannot be undone here." in shown.content.decode()
        assert [line.requests for line in shown.context["cost_lines"]] == [1]
        mark = cloud.access_log.mark()

        confirm(admin_client, "purge", rows)
        work()

        assert cloud.access_log.operations(mark) == {"DeleteObjects": 1}
        assert Job.objects.get(kind="purge").items.get().message == "2 objects purged."
        assert keys_of(originals) == []
        assert not Image.everything.exists()
        assert LogEntry.objects.filter(action_flag=3, change_message__contains="Purge now requested").count() == 4

    def test_empty_trash_takes_all_that_the_list_shows(self, admin_client, bucket, work):
        held = new_bucket(legal_hold=True)
        for place, key in [(bucket, "a"), (bucket, "b"), (held, "c")]:
            put(place, f"trash/{key}")
            TrashedObject.objects.create(
                bucket=place, key=key, trash_key=f"trash/{key}", etag="", size=1, state="trashed"
            )
        assert "Empty trash…" in admin_client.get(LIST).content.decode()
        everything = {"select_across": "1", "_selected_action": ["0"]}
        shown = admin_client.post(LIST, {"action": "purge", **everything})
        assert (shown.context["count"], shown.context["left_out"]) == (2, 1)

        fields = {"selection": shown.context["selection"], "token": shown.context["token"], "confirm": "1"}
        admin_client.post(LIST, {"action": "purge", **everything, **fields})
        work()
        assert TrashedObject.objects.get().bucket == held
        assert keys_of(held) == ["trash/c"]

    def test_what_has_changed_meanwhile_is_shown_once_more(self, admin_client, bucket):
        put(bucket, "a")
        remove(admin_client, bucket, "a")
        rows = TrashedObject.objects.all()
        shown = act(admin_client, "purge", rows, selection=digest([0]), confirm="1")
        assert "The selection has changed meanwhile." in messages_of(shown)[0]
        assert not Job.objects.exists()

    def test_many_are_to_be_typed(self, admin_client, bucket, settings, work):
        settings.JOB_CONFIRM_ABOVE = 1
        for key in "ab":
            put(bucket, key)
        remove(admin_client, bucket, "a", "b")
        rows = TrashedObject.objects.all()
        assert "Type the number of objects, 2" in messages_of(confirm(admin_client, "purge", rows))[0]
        confirm(admin_client, "purge", rows, typed="2")
        work()
        assert not TrashedObject.objects.exists()

    def test_what_does_not_fit_into_the_quota_is_refused_with_the_numbers(self, admin_client, bucket):
        put(bucket, "a")
        remove(admin_client, bucket, "a")
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        shown = confirm(admin_client, "restore", TrashedObject.objects.all())
        assert "does not fit into the quota" in messages_of(shown)[0]
        assert not Job.objects.exists()

    def test_what_does_not_fit_can_be_parked_and_starts_when_it_fits(self, admin_client, bucket, work):
        put(bucket, "a")
        remove(admin_client, bucket, "a")
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=1)
        rows = TrashedObject.objects.all()
        shown = act(admin_client, "restore", rows)
        assert "Park it until" in shown.content.decode()
        fields = {name: shown.context[name] for name in ("selection", "token")}
        act(admin_client, "restore", rows, **fields, park="1")
        job = Job.objects.get()
        assert (job.state, job.reservation, bool(job.parked_until)) == ("parked", None, True)
        work()
        assert TrashedObject.objects.get().state == "trashed"

        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=1000)
        assert schedules.start_parked() == 1
        work()
        assert keys_of(bucket) == ["a"]

    def test_more_than_a_job_takes_is_refused_with_the_number(self, admin_client, bucket, settings):
        for key in "abc":
            put(bucket, key)
        remove(admin_client, bucket, *"abc")
        settings.JOB_MAX_ITEMS = 2
        for action in ("restore", "purge"):
            answer = act(admin_client, action, TrashedObject.objects.all())
            said = messages_of(admin_client.get(answer.url))
            assert said[-1] == "A job takes at most 2; these are 3. Select fewer."
        assert not Job.objects.exists()

    def test_the_job_says_what_was_chosen_with_the_filters_of_the_list(self, admin_client, bucket, monkeypatch):
        monkeypatch.setattr(history, "BATCH", 2)
        for key in ("x1", "x2", "x3", "b"):
            put(bucket, key)
        remove(admin_client, bucket, "x1", "x2", "x3", "b")
        address = f"{LIST}?q=x&what=object"
        data = {"action": "purge", "_selected_action": ["0"], "select_across": "1"}
        shown = admin_client.post(address, data).context
        fields = {name: shown[name] for name in ("selection", "token")}
        admin_client.post(address, {**data, **fields, "confirm": "1"})

        job = Job.objects.get()
        assert job.scope == f"3 objects of {bucket}: all with what: Other objects, search: x"
        logged = LogEntry.objects.filter(change_message=f"Purge now requested (job {job})")
        assert logged.count() == 3

    def test_the_page_says_what_fits_now_and_how_many_resets_the_rest_takes(self, admin_client, bucket):
        rows = [
            TrashedObject(bucket=bucket, key=str(each), trash_key=f"trash/{each}", size=1, etag="e", state="trashed")
            for each in range(400)
        ]
        TrashedObject.objects.bulk_create(rows)
        used = RequestCounter.objects.get(request_class="s3_tier1", period="month").used
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=used + 20)
        said = " ".join(act(admin_client, "restore", TrashedObject.objects.all()).content.decode().split())
        resets = math.ceil((400 - 20) / (used + 20))
        for words in (
            "A part can run now, with 20 PUT-class, 20 GET-class and 20 free requests; the rest would be parked.",
            f"and takes about {resets} resets in all",
            "Run what fits now, park the rest until",
        ):
            assert words in said

    def test_parking_is_not_offered_where_no_reset_helps(self, admin_client, bucket):
        put(bucket, "a")
        remove(admin_client, bucket, "a")
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=1000, headroom=1000)
        said = act(admin_client, "restore", TrashedObject.objects.all()).content.decode()
        assert "No reset helps: a limit leaves jobs too few requests" in said
        assert 'name="park"' not in said

    def test_one_that_cannot_come_back_does_not_hold_up_the_others(self, admin_client, bucket, work):
        for key in "ab":
            put(bucket, key)
        remove(admin_client, bucket, "a", "b")
        lost = TrashedObject.objects.get(key="a")
        s3.delete_object(bucket.name, lost.trash_key)
        confirm(admin_client, "restore", TrashedObject.objects.all())
        work()
        item = Job.objects.get().items.get()
        assert (item.state, item.code) == (JobItem.State.FAILED, "partly")
        assert item.message == "1 object restored. 1 could not: The trash says why."
        assert "not in the trash any more" in admin_client.get(LIST).content.decode()


class TestWhoMay:
    @pytest.fixture
    def row(self, bucket):
        put(bucket, "trash/x")
        return TrashedObject.objects.create(
            bucket=bucket, key="a", trash_key="trash/x", etag="", size=1, state="trashed", run="r"
        )

    @pytest.mark.parametrize("action", ["restore", "purge"])
    def test_a_hand_made_request_does_nothing(self, client, staff_with, row, action):
        client.force_login(staff_with("view_trashedobject"))
        shown = client.get(LIST)
        assert shown.status_code == 200
        assert "Empty trash…" not in shown.content.decode()
        act(client, action, [row], selection=digest([row.pk]), confirm="1")
        assert client.post(UNDO, {"run": "r"}).status_code == 403
        assert not Job.objects.exists()
        assert TrashedObject.objects.get().state == "trashed"

    def test_without_any_permission_there_is_no_trash(self, client, staff_with, row):
        client.force_login(staff_with("view_image"))
        assert client.get(LIST).status_code == 403

    def test_undo_of_what_one_deleted_oneself_needs_no_other_permission(self, client, staff_with, bucket):
        put(bucket, "a")
        client.force_login(staff_with("browse_objects", "delete_objects"))
        fields = undo_fields(remove(client, bucket, "a"))
        client.force_login(staff_with("browse_objects", "delete_objects"))
        assert client.post(UNDO, fields).status_code == 403
        assert keys_of(bucket) != ["a"]
        client.force_login(TrashedObject.objects.get().trashed_by)
        client.post(UNDO, fields)
        assert keys_of(bucket) == ["a"]

    @pytest.mark.parametrize(("action", "permission"), [("restore", "restore"), ("purge", "purge")])
    def test_who_lost_the_permission_meanwhile_gets_nothing_done(
        self, client, staff_with, row, action, permission, work
    ):
        user = staff_with("view_trashedobject", f"{permission}_trashedobject")
        client.force_login(user)
        confirm(client, action, [row])
        user.user_permissions.clear()
        work()
        assert Job.objects.get().items.get().code == "not_permitted"
        assert TrashedObject.objects.get().state == "trashed"

    def test_undo_is_a_post_with_a_token_to_this_site(self, admin_client, admin_user, row):
        assert admin_client.get(UNDO).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(admin_user)
        assert strict.post(UNDO, {"run": "r"}).status_code == 403
        assert admin_client.post(UNDO, {"run": "", "next": "https://elsewhere.example/"}).url == LIST
        assert TrashedObject.objects.exists()

    @pytest.mark.parametrize("path", ["add/", "1/change/", "1/delete/"])
    def test_there_is_no_other_way_to_change_it(self, admin_client, row, path):
        address = f"{LIST}{path.replace('1', str(row.pk))}"
        assert admin_client.post(address, {"post": "yes"}).status_code in {302, 403}
        assert "delete_selected" not in admin_client.get(LIST).content.decode()
        assert TrashedObject.objects.exists()
