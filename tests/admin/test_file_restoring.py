"""Files that come back from the trash."""

from datetime import timedelta

import pytest
from django.utils import timezone

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsDenied
from media_catalog.jobs import sweeps
from media_catalog.models import Bucket, StoredFile, TrashedObject
from media_catalog.services import (
    batches,
    names,
    trash,
    trash_restore,
    trash_sweep,
)

from .buckets import messages_of
from .filing import DESCRIPTION, TRASH, delete, die, folder, keys_of, named_file, send, stored_file, undo_fields

__all__ = ["folder"]


class TestRestoring:
    def test_under_a_taken_key_and_name_it_gets_others(self, admin_client, folder):
        first = stored_file(folder)
        second = stored_file(folder, "other.txt")
        response = delete(admin_client, [first, second])
        stored_file(folder)
        s3.put_object(folder.name, "report-2.txt", b"theirs", content_type="text/plain")
        names.set_unique(folder, unique=True)

        said = messages_of(admin_client.post(f"{TRASH}undo/", undo_fields(messages_of(response)[0]), follow=True))

        assert "2 objects restored." in said
        assert "“report.txt” is “report-3.txt” now: its key was taken." in said
        assert "“report.txt” is called “report.txt (2)” now: names in its bucket are unique." in said
        first.refresh_from_db()
        assert (first.key, first.name, first.unique_name, first.description) == (
            "report-3.txt",
            "report.txt (2)",
            True,
            DESCRIPTION,
        )
        second.refresh_from_db()
        assert (second.key, second.name, second.unique_name) == ("other.txt", "other.txt", True)
        assert set(keys_of(folder)) == {"report.txt", "report-2.txt", "report-3.txt", "other.txt"}

    def test_what_the_rule_would_remove_at_once_stays_and_that_is_said(self, admin_client, folder, work):
        old = stored_file(folder, created_at=timezone.now() - timedelta(days=2))
        young = stored_file(folder, "young.txt")
        response = delete(admin_client, [old, young])
        Bucket.objects.filter(pk=folder.pk).update(expire_after=3600, retention_on=True)
        rows = {"action": "restore", "_selected_action": [row.pk for row in TrashedObject.objects.all()]}
        assert "comes back exempt from it" in admin_client.post(TRASH, rows).content.decode()

        said = messages_of(admin_client.post(f"{TRASH}undo/", undo_fields(messages_of(response)[0]), follow=True))

        assert "1 is exempt from the retention rule of its bucket, so that it stays." in said
        assert list(StoredFile.objects.filter(exempt=True)) == [old]
        assert not sweeps.start_sweeps()
        assert len(keys_of(folder)) == 2

    def test_a_name_that_is_taken_at_that_very_moment(self, folder, monkeypatch):
        """Asked, the name was free; then somebody has committed it."""
        names.set_unique(folder, unique=True)
        file = stored_file(folder)
        trashed = trash.move_file(file=file)
        named_file(folder, "report.txt")
        free, todo = names.free, ["report.txt"]
        monkeypatch.setattr(names, "free", lambda *asked: todo.pop() if todo else free(*asked))

        assert trash_restore.restore(pk=trashed.pk) == "report.txt"

        file.refresh_from_db()
        assert file.trashed_at is None
        assert file.name == "report.txt (2)"
        assert keys_of(folder) == ["report.txt"]

    def test_what_is_in_the_trash_hinders_no_name(self, folder):
        long = stored_file(folder, "long.txt")
        StoredFile.objects.filter(pk=long.pk).update(name="x" * 81)
        one, same = stored_file(folder, "1.txt"), stored_file(folder, "2.txt")
        StoredFile.objects.filter(pk__in=[one.pk, same.pk]).update(name="same")
        rows = {file: trash.move_file(file=file) for file in (long, one)}
        assert names.are_unique(folder)
        names.set_unique(folder, unique=True)

        for row in rows.values():
            trash_restore.restore(pk=row.pk)

        for file in (long, one, same):
            file.refresh_from_db()
            assert file.unique_name
        assert (long.name, one.name, same.name) == ("x" * 80, "same (2)", "same")

    def test_a_move_that_is_undone_takes_the_names_of_its_bucket(self, folder, monkeypatch):
        file = stored_file(folder)

        def asks_for_names_meanwhile(*args, **options):
            names.set_unique(folder, unique=True)
            raise AwsDenied("no")

        monkeypatch.setattr(s3_objects, "copy_object", asks_for_names_meanwhile)
        with pytest.raises(AwsDenied):
            trash.move_file(file=file)
        file.refresh_from_db()
        assert (file.trashed_at, file.unique_name, file.name) == (None, True, "report.txt")
        assert not TrashedObject.objects.exists()

    @pytest.mark.parametrize("by", ["repeat", "sweep"])
    def test_killed_between_copy_and_delete_it_is_ended(self, folder, monkeypatch, by):
        file = stored_file(folder)
        with monkeypatch.context() as patch:
            patch.setattr(s3, "delete_exactly", die)
            with pytest.raises(SystemExit):
                trash.move_file(file=file)
        assert len(keys_of(folder)) == 2
        if by == "repeat":
            trash.move_file(file=file)
        else:
            TrashedObject.objects.update(next_try_at=timezone.now())
            assert trash_sweep.end_interrupted() == 1
        trashed = TrashedObject.objects.here().get()
        assert keys_of(folder) == [trashed.trash_key]

        with monkeypatch.context() as patch:
            patch.setattr(trash_restore.names, "bring_back", die)
            with pytest.raises(SystemExit):
                trash_restore.restore(pk=trashed.pk)
        TrashedObject.objects.update(next_try_at=timezone.now())
        assert trash_sweep.end_interrupted() == 1
        assert StoredFile.objects.get() == file
        assert keys_of(folder) == [file.key]

    def test_its_key_and_its_name_are_free_meanwhile(self, admin_client, folder):
        names.set_unique(folder, unique=True)
        delete(admin_client, [stored_file(folder)])
        send(admin_client, folder, name="report.txt")
        assert StoredFile.objects.get().key == "report.txt"

    def test_the_retention_rule_leaves_the_trash_alone(self, folder, monkeypatch):
        """Its batch is read, then the file goes to the trash, then its rows are deleted."""
        file = stored_file(folder)
        delete_keys = batches._delete_keys

        def meanwhile(bucket, keys):
            trash.move_file(file=file)
            return delete_keys(bucket, keys)

        monkeypatch.setattr(batches, "_delete_keys", meanwhile)
        batches.delete(folder, [file])

        assert keys_of(folder) == [TrashedObject.objects.here().get().trash_key]
        assert StoredFile.everything.get() == file

    def test_the_retention_rule_leaves_what_came_back_elsewhere(self, folder, monkeypatch):
        file = stored_file(folder)
        delete_keys = batches._delete_keys

        def meanwhile(bucket, keys):
            row = trash.move_file(file=file)
            s3.put_object(folder.name, file.key, b"theirs", content_type="text/plain")
            trash_restore.restore(pk=row.pk)
            return delete_keys(bucket, keys)

        monkeypatch.setattr(batches, "_delete_keys", meanwhile)
        batches.delete(folder, [file])

        [key] = keys_of(folder)
        assert key != file.key
        assert StoredFile.objects.get().key == key
