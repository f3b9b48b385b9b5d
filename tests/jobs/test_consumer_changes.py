"""Objects that somebody replaces or deletes, as the consumer of events hears of it."""

import pytest
from django.utils import timezone

from media_catalog.aws import s3
from media_catalog.models import Bucket, Image, InventoryObject, Job
from media_catalog.services import events
from tests.pictures import jpeg
from tests.reconciling import listed

from .announcing import announce, away, put

__all__ = ["announce", "put"]
pytestmark = pytest.mark.database


class TestReplaced:
    def test_the_image_becomes_the_new_one_and_its_renditions_are_made_again(self, put, announce, work):
        put("a.jpg", jpeg(300, 200))
        announce("a.jpg")
        work()
        etag = put("a.jpg", jpeg(200, 300))
        announce("a.jpg", etag=etag)

        image = Image.objects.get()
        assert (image.etag, image.width, image.height) == (etag, 200, 300)
        assert not image.renditions.current().exists()
        work()
        assert image.renditions.current().count() == 6

    def test_a_late_event_of_the_old_object_changes_nothing(self, put, announce):
        old = put("a.jpg", jpeg(300, 200))
        new = put("a.jpg", jpeg(200, 300))
        announce("a.jpg", etag=new)
        announce("a.jpg", etag=old)

        assert Image.objects.get().etag == new
        assert Job.objects.count() == 1

    def test_of_two_at_the_same_time_the_later_object_stays(self, put, announce, originals, monkeypatch):
        """A second consumer records the new object while this one has read the old one."""
        put("a.jpg", jpeg(300, 200))
        look = events.look

        def look_slowly(created):
            found = look(created)
            if found and found.probe.width == 300:
                etag = put("a.jpg", jpeg(200, 300))
                monkeypatch.setattr(events, "look", look)
                announce("a.jpg", etag=etag)
            return found

        monkeypatch.setattr(events, "look", look_slowly)
        announce("a.jpg")

        held = s3.head_object(originals.name, "a.jpg")
        assert held is not None
        assert Image.objects.get().etag == held.etag


class TestDeleted:
    @pytest.mark.parametrize(
        "name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "LifecycleExpiration:Delete"]
    )
    def test_an_image_is_marked_as_missing_once(self, store, announce, originals, cloud, name):
        image = store()
        s3.delete_object(originals.name, image.key)
        mark = cloud.access_log.mark()

        assert len(announce(image.key, name=name)) == len(announce(image.key, name=name)) == 1
        assert Image.objects.get().missing_since
        assert cloud.access_log.operations(mark) == {"HeadObject": 1, "HeadBucket": 1}

    def test_the_inventory_knows_it(self, store, announce, originals):
        image = store()
        listed(originals, [image.key])
        s3.delete_object(originals.name, image.key)
        announce(image.key, name="ObjectRemoved:Delete")
        assert InventoryObject.objects.get().missing_since

    def test_of_a_bucket_that_is_gone_nothing_is_known(self, store, announce, originals):
        image = store()
        Bucket.objects.filter(pk=originals.pk).update(name="gone-for-ever-12")
        originals.name = "gone-for-ever-12"
        assert len(announce(image.key, name="ObjectRemoved:Delete")) == 1
        assert Image.objects.get().missing_since is None

    def test_what_is_there_by_now_is_not(self, store, announce, cloud):
        """An old event, or the deletion of an older version."""
        image = store()
        mark = cloud.access_log.mark()

        assert len(announce(image.key, name="ObjectRemoved:Delete")) == 1
        assert Image.objects.get().missing_since is None
        assert cloud.access_log.operations(mark) == {"HeadObject": 1}

    def test_what_is_in_no_catalogue_costs_nothing(self, announce, originals, cloud):
        mark = cloud.access_log.mark()
        assert len(announce("never.jpg", name="ObjectRemoved:Delete")) == 1
        assert not cloud.access_log.operations(mark)

    def test_it_is_there_again(self, put, announce, originals):
        etag = put("a.jpg", jpeg())
        announce("a.jpg", etag=etag)
        s3.delete_object(originals.name, "a.jpg")
        announce("a.jpg", name="ObjectRemoved:Delete")
        put("a.jpg", jpeg())
        announce("a.jpg", etag=etag)
        assert Image.objects.get().missing_since is None
        assert Job.objects.count() == 1  # its renditions are those of the same object

    def test_it_is_there_again_as_another(self, put, announce, originals):
        announce("a.jpg", etag=put("a.jpg", jpeg()))
        s3.delete_object(originals.name, "a.jpg")
        announce("a.jpg", name="ObjectRemoved:Delete")
        announce("a.jpg", etag=put("a.jpg", jpeg(50, 60)))
        assert (Image.objects.get().missing_since, Image.objects.get().width) == (None, 50)

    def test_a_message_that_cannot_be_checked_comes_again(self, store, announce, monkeypatch):
        image = store()
        monkeypatch.setattr(s3, "head_object", away)
        assert announce(image.key, name="ObjectRemoved:Delete") == []
        assert Image.objects.get().missing_since is None

    def test_pages_say_so(self, store, admin_client):
        image = store()
        page = f"/admin/media_catalog/image/{image.pk}/change/"
        tag = '<span class="bo-tag bo-failed">Missing at S3</span>'
        shown = [admin_client.get(url).content.decode() for url in ("/admin/media_catalog/image/", page)]
        assert not any(words in text for text in shown for words in (tag, "S3 has no such object"))
        Image.objects.update(missing_since=timezone.now())
        assert tag in admin_client.get("/admin/media_catalog/image/").content.decode()
        assert "S3 has no such object any more" in admin_client.get(page).content.decode()
