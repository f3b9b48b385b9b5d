"""Deleting files, by their pages, and what other pages know of them."""

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import BucketRefused, ObjectRefused
from media_catalog.models import Bucket, Job, JobItem, Leftover, RequestLimit, StoredFile, TrashedObject, Upload
from media_catalog.services import (
    buckets,
    free_keys,
    removal,
    transfers,
    trash_objects,
    trash_sweep,
)
from tests.aws.faults import s3_error, serving

from .buckets import messages_of, new_bucket, page
from .filing import (
    BUTTON,
    DESCRIPTION,
    LIST,
    TRASH,
    away,
    choose,
    delete,
    die,
    folder,
    keys_of,
    stored_file,
    undo_fields,
)

__all__ = ["folder"]


class TestDeletion:
    def test_one_goes_at_once_and_undo_brings_it_back(self, admin_client, folder, cloud):
        file = stored_file(folder)
        page = choose(admin_client, [file])
        assert "1 file goes to the trash, 7\xa0bytes" in page.content.decode()
        assert "restored for 30 days" in page.content.decode()
        assert [line.requests for line in page.context["cost_lines"]] == [1]
        assert keys_of(folder) == [file.key]
        mark = cloud.access_log.mark()

        response = delete(admin_client, [file])

        [said] = messages_of(response)
        assert said.startswith("1 object moved to the trash.")
        assert cloud.access_log.operations(mark) == {"CopyObject": 1, "DeleteObject": 1}
        assert not StoredFile.objects.exists()
        for address in ("change/", "download/"):
            assert admin_client.get(f"{LIST}{file.pk}/{address}").status_code in {302, 404}
        [row] = admin_client.get(f"{TRASH}?what=file").context["cl"].result_list
        assert (row.key, row.name, row.file_id, row.trashed_by_name) == (file.key, "report.txt", file.pk, "admin")
        assert keys_of(folder) == [row.trash_key]
        entry = LogEntry.objects.latest("pk")
        assert (entry.object_id, entry.change_message) == (str(file.pk), "Moved to the trash.")

        back = admin_client.post(f"{TRASH}undo/", undo_fields(said), follow=True)

        assert back.request["PATH_INFO"] == LIST
        assert messages_of(back) == ["1 object restored."]
        assert keys_of(folder) == ["report.txt"]
        assert s3.get_object(folder.name, "report.txt").body == b"content"
        again = StoredFile.objects.get()
        assert (again, again.name, again.description, again.sha256) == (file, file.name, DESCRIPTION, file.sha256)
        assert not TrashedObject.objects.exists()
        assert not Job.objects.exists()
        assert LogEntry.objects.latest("pk").change_message == "Restored from the trash."

    def test_purged_it_is_gone_for_good(self, admin_client, folder, work):
        delete(admin_client, [stored_file(folder), stored_file(folder, "2.txt")])
        rows = [row.pk for row in TrashedObject.objects.all()]
        data = {"action": "purge", "_selected_action": rows, "select_across": "0"}
        shown = admin_client.post(TRASH, data).context
        admin_client.post(TRASH, {**data, "selection": shown["selection"], "token": shown["token"], "confirm": "1"})
        work()
        assert Job.objects.get().items.get().message == "2 objects purged."
        assert not keys_of(folder)
        assert not StoredFile.everything.exists()
        assert not TrashedObject.objects.exists()

    def test_all_of_a_bucket_by_its_button_leaves_those_of_others(self, admin_client, folder, cloud):
        other = new_bucket()
        kept = stored_file(other)
        for number in range(3):
            stored_file(folder, f"{number}.txt")
        address = f"{LIST}?bucket__id__exact={folder.pk}"
        page = admin_client.get(address)
        assert "Delete all…" in page.content.decode()
        first = page.context["cl"].result_list[0].pk
        data = {"action": "remove", "select_across": "1", "index": "0", "_selected_action": first}
        shown = admin_client.post(address, data)
        assert shown.context["count"] == 3
        assert "3 files go to the trash" in shown.content.decode()
        confirmed = dict(shown.context["fields"])
        mark = cloud.access_log.mark()

        response = admin_client.post(
            address, {**confirmed, "selection": shown.context["selection"], "confirm": "1"}, follow=True
        )

        assert cloud.access_log.operations(mark) == {"CopyObject": 3, "DeleteObject": 3}
        assert list(StoredFile.objects.all()) == [kept]
        assert all(key.startswith("trash/") for key in keys_of(folder))
        assert response.redirect_chain == [(address, 302)]
        back = admin_client.post(f"{TRASH}undo/", undo_fields(messages_of(response)[0]))
        assert back.url == address
        assert keys_of(folder) == ["0.txt", "1.txt", "2.txt"]

    def test_many_go_by_a_job_that_was_estimated_and_can_be_undone(self, admin_client, folder, work, cloud):
        chosen = [stored_file(folder, f"{number:02}.txt") for number in range(11)]
        later = stored_file(folder, "later.txt")

        response = delete(admin_client, chosen)

        job = Job.objects.get()
        address = f"/admin/media_catalog/job/{job.pk}/"
        assert response.redirect_chain[-1][0] == f"{address}change/"
        assert (job.kind, job.estimate) == ("remove_files", {"s3_tier1": 11, "free": 11})
        assert job.scope == f"11 files of {folder}"
        mark = cloud.access_log.mark()
        work()
        assert cloud.access_log.operations(mark) == {"CopyObject": 11, "DeleteObject": 11}
        assert job.items.get().message == "11 objects moved to the trash."
        assert list(StoredFile.objects.all()) == [later]

        offered = {
            action.slug: possible for action, possible in admin_client.get(f"{address}change/").context["actions"]
        }
        assert offered["undo"]
        shown = admin_client.post(f"{address}undo/").context
        admin_client.post(f"{address}undo/", {"selection": shown["selection"], "token": shown["token"], "confirm": "1"})
        work()
        assert Job.objects.get(kind="restore").items.get().message == "11 objects restored."
        assert set(StoredFile.objects.all()) == {*chosen, later}

    def test_a_job_goes_on_in_turns(self, admin_client, folder, work, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE", 1)
        monkeypatch.setattr(trash_objects, "TURN_SECONDS", 0)
        delete(admin_client, [stored_file(folder, f"{number}.txt") for number in range(3)])
        for _turn in range(3):
            assert Job.objects.get().state != Job.State.FINISHED
            JobItem.objects.update(not_before=None)
            work()
        item = Job.objects.get().items.get()
        assert (item.state, item.attempts, item.message) == ("done", 1, "3 objects moved to the trash.")
        assert TrashedObject.objects.here().count() == 3

    def test_what_s3_is_too_slow_for_goes_on_as_a_job(self, admin_client, folder, work, settings):
        settings.PAGE_SECONDS = 0
        response = delete(admin_client, [stored_file(folder, f"{number}.txt") for number in range(3)])
        job = Job.objects.get()
        assert response.redirect_chain[-1][0].endswith(f"/job/{job.pk}/change/")
        work()
        assert job.items.get().message == "3 objects moved to the trash."
        assert not StoredFile.objects.exists()

    def test_a_large_one_is_a_job_s(self, admin_client, folder, work, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE_BYTES", 3)
        file = stored_file(folder, "large.txt")
        assert choose(admin_client, [file]).context["by_job"]
        delete(admin_client, [file])
        assert StoredFile.objects.exists()
        work()
        assert Job.objects.get().items.get().message == "1 object moved to the trash."
        assert not StoredFile.objects.exists()

    def test_the_same_form_twice_is_one_job(self, admin_client, folder, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE", 1)
        chosen = [stored_file(folder, f"{number}.txt") for number in range(2)]
        page = choose(admin_client, chosen)
        shown = {name: page.context[name] for name in ("selection", "token")}
        for _time in range(2):
            choose(admin_client, chosen, **shown, confirm="1")
        assert Job.objects.count() == 1

    def test_many_must_be_typed(self, admin_client, folder, settings):
        settings.JOB_CONFIRM_ABOVE = 1
        chosen = [stored_file(folder, f"{number}.txt") for number in range(2)]
        assert "Type the number of files, 2" in messages_of(delete(admin_client, chosen))[0]
        assert StoredFile.objects.count() == 2
        delete(admin_client, chosen, typed="2")
        assert not StoredFile.objects.exists()

    def test_another_selection_than_was_shown_is_asked_again(self, admin_client, folder):
        one, two = stored_file(folder, "1.txt"), stored_file(folder, "2.txt")
        page = choose(admin_client, [one])
        response = choose(admin_client, [one, two], selection=page.context["selection"], confirm="1")
        assert "The selection has changed" in messages_of(response)[0]
        assert StoredFile.objects.count() == 2

    def test_those_under_legal_hold_stay(self, admin_client, folder, work, monkeypatch):
        other = new_bucket()
        held, free = stored_file(folder), stored_file(other)
        Bucket.objects.filter(pk=folder.pk).update(legal_hold=True)
        assert BUTTON not in admin_client.get(f"{LIST}{held.pk}/change/").content.decode()
        assert BUTTON in admin_client.get(f"{LIST}{free.pk}/change/").content.decode()
        assert "legal hold: they stay" in choose(admin_client, [held]).content.decode()
        response = delete(admin_client, [held, free])
        assert messages_of(response)[0].startswith("1 object moved to the trash.")
        assert list(StoredFile.objects.all()) == [held]
        assert keys_of(folder) == [held.key]

    def test_a_hold_that_is_set_after_the_confirmation_holds(self, admin_client, folder, work, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE", 1)
        chosen = [stored_file(folder, f"{number}.txt") for number in range(2)]
        delete(admin_client, chosen)
        Bucket.objects.filter(pk=folder.pk).update(legal_hold=True)
        work()
        item = Job.objects.get().items.get()
        assert (item.state, item.code) == ("failed", "partly")
        assert item.message.startswith(
            "0 objects moved to the trash. 2 could not. The first: 0.txt: The bucket is under"
        )
        assert StoredFile.objects.count() == len(keys_of(folder)) == 2

    def test_what_cannot_be_moved_stays_and_is_told(self, admin_client, folder, work, monkeypatch):
        chosen = [stored_file(folder, f"{number}.txt") for number in range(2)]
        s3.put_object(folder.name, "0.txt", b"theirs", content_type="text/plain", overwrite=True)
        why = "S3 holds another object under this key by now."

        moved, failed = messages_of(delete(admin_client, chosen))

        assert moved.startswith("1 object moved to the trash.")
        assert failed.startswith(f"<strong>0.txt</strong>: {why}")
        assert list(StoredFile.objects.all()) == chosen[:1]
        assert s3.get_object(folder.name, "0.txt").body == b"theirs"

        monkeypatch.setattr(trash_objects, "AT_ONCE", 0)
        delete(admin_client, chosen[:1])
        work()
        item = Job.objects.get().items.get()
        assert (item.state, item.code) == ("failed", "partly")
        assert f"1 could not: 0.txt: {why}" in item.message
        assert StoredFile.objects.count() == 1

    @pytest.mark.parametrize("at_once", [10, 0])
    def test_one_that_s3_has_no_more_leaves_the_catalogue_and_that_is_told(
        self, admin_client, folder, work, monkeypatch, at_once
    ):
        monkeypatch.setattr(trash_objects, "AT_ONCE", at_once)
        lost, there = stored_file(folder, "lost.txt"), stored_file(folder, "there.txt")
        s3.delete_object(folder.name, lost.key)

        response = delete(admin_client, [lost, there])
        work()

        said = "S3 had no object of 1 any more: it is out of the catalogue for good."
        told = messages_of(response) if at_once else [Job.objects.get().items.get().message]
        assert said in " ".join(told)
        assert list(StoredFile.everything.all()) == [there]
        assert TrashedObject.objects.get().file == there

    def test_s3_away_is_said_and_it_moves_when_it_is_back(self, admin_client, folder, monkeypatch):
        file = stored_file(folder)
        with monkeypatch.context() as patch:
            patch.setattr(s3_objects, "copy_object", away)
            assert "could not be reached" in messages_of(delete(admin_client, [file]))[0]
        TrashedObject.objects.update(next_try_at=timezone.now())
        assert trash_sweep.end_interrupted() == 1
        assert TrashedObject.objects.here().get().file == file

    def test_what_does_not_go_is_said_on_the_confirmation(self, admin_client, folder, settings, monkeypatch):
        chosen = [stored_file(folder, f"{number}.txt") for number in range(2)]
        with serving() as server:
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            server.script.append(s3_error(403, "AccessDenied"))
            assert "AWS denied access" in messages_of(delete(admin_client, chosen))[0]
        monkeypatch.setattr(trash_objects, "AT_ONCE", 1)
        RequestLimit.objects.filter(request_class="s3_tier1").update(limit=0)
        assert "does not fit into the quota" in messages_of(delete(admin_client, chosen))[0]
        settings.JOB_MAX_ITEMS = 1
        assert "at most 1" in messages_of(choose(admin_client, chosen))[0]
        assert StoredFile.objects.count() == 2

    def test_it_has_a_permission_of_its_own_by_hand_too(self, client, folder, staff_with, work):
        file = stored_file(folder)
        client.force_login(staff_with("view_storedfile", "change_storedfile"))
        assert BUTTON not in client.get(f"{LIST}{file.pk}/change/").content.decode()
        choose(client, [file], confirm="1", selection="x")
        assert StoredFile.objects.exists()
        assert client.post(f"{LIST}{file.pk}/delete/", {"post": "yes"}).status_code == 302
        assert StoredFile.objects.exists()
        assert keys_of(folder) == [file.key]

    def test_who_deleted_it_may_undo_that_without_another_permission(self, client, folder, staff_with):
        client.force_login(staff_with("view_storedfile", "delete_storedfile"))
        file = stored_file(folder)
        said = messages_of(delete(client, [file]))[0]
        client.post(f"{TRASH}undo/", undo_fields(said))
        assert keys_of(folder) == [file.key]

    def test_who_lost_the_permission_meanwhile_gets_nothing_moved(self, client, folder, staff_with, work, monkeypatch):
        monkeypatch.setattr(trash_objects, "AT_ONCE", 0)
        user = staff_with("view_storedfile", "delete_storedfile")
        client.force_login(user)
        delete(client, [stored_file(folder)])
        user.user_permissions.clear()
        work()
        assert Job.objects.get().items.get().code == "not_permitted"
        assert StoredFile.objects.count() == 1

    def test_a_job_that_was_killed_between_copy_and_delete_goes_on(self, folder, monkeypatch):
        chosen = [stored_file(folder, f"{number}.txt").pk for number in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(s3, "delete_exactly", die)
            with pytest.raises(SystemExit):
                trash_objects.move_files(ids=chosen, run="r", settled=set())
        assert len(keys_of(folder)) == 3
        assert StoredFile.objects.count() == 1

        moved = trash_objects.move_files(ids=chosen, run="r", settled=set())

        assert (moved.count, moved.failed, moved.done) == (2, [], True)
        assert not StoredFile.objects.exists()
        assert set(keys_of(folder)) == {row.trash_key for row in TrashedObject.objects.here()}


class TestElsewhere:
    def test_the_browser_of_objects_knows_files_and_leaves_them_alone(self, admin_client, folder):
        file = stored_file(folder)
        assert "File" in admin_client.get(page(folder, "objects")).content.decode()
        assert DESCRIPTION in admin_client.get(page(folder, "object", key=file.key)).content.decode()

        data = {"keys": file.key, "confirm": "1"}
        response = admin_client.post(page(folder, "remove"), data, follow=True)

        assert "This is a file of the catalogue" in messages_of(response)[0]
        assert keys_of(folder) == [file.key]
        with pytest.raises(ObjectRefused, match="catalogued_file"):
            transfers.prepare(folder, file.key, to_bucket=folder, to_key="other.txt", moves=True)

    def test_a_bucket_with_files_in_the_trash_keeps_its_role_and_goes_with_them(self, admin_client, folder, work):
        delete(admin_client, [stored_file(folder)])
        with pytest.raises(BucketRefused, match="has_files"):
            buckets.assign(folder, role="static", accepts="any", partner=None)
        deletion = page(folder, "delete")
        assert admin_client.get(deletion).context["trashed"] == 1
        admin_client.post(deletion, {"delete": "1"})
        assert Bucket.objects.filter(pk=folder.pk).exists()

        admin_client.post(page(folder, "take_inventory"))
        work()
        admin_client.post(deletion, {"empty": "1", "name": folder.name})
        work()

        assert not StoredFile.everything.exists()
        assert not TrashedObject.objects.exists()
        assert not Bucket.objects.filter(pk=folder.pk).exists()

    def test_a_bucket_with_files_keeps_its_role_and_is_deleted_with_them_alone(self, admin_client, folder, work):
        stored_file(folder)
        with pytest.raises(BucketRefused, match="has_files"):
            buckets.assign(folder, role="static", accepts="any", partner=None)
        deletion = page(folder, "delete")
        assert messages_of(admin_client.post(deletion, {"delete": "1"})) == ["The catalogue has files in it (1)."]

        admin_client.post(page(folder, "take_inventory"))
        work()
        admin_client.post(deletion, {"empty": "1", "name": folder.name})
        work()

        assert not StoredFile.objects.exists()
        assert not Bucket.objects.filter(pk=folder.pk).exists()

    def test_a_key_of_a_file_is_not_free_for_others(self, admin_client, folder):
        file = stored_file(folder)
        facts = {"name": "x", "user": None}
        saved = free_keys.save([Upload(bucket=folder, **facts)], [file.key])
        assert saved[0].key == "report-2.txt"
        leftover = Leftover.objects.create(bucket=folder, key=file.key)
        assert removal.discard(leftover=leftover)
        assert keys_of(folder) == [file.key]
