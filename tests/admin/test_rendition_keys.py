"""No rendition replaces one of another image: whatever door an original comes by whose key is like a rendition's."""

import pytest

from media_catalog.aws import s3
from media_catalog.exceptions import ObjectRefused
from media_catalog.models import Bucket, Image, JobItem, Leftover, Preset, Upload
from media_catalog.quota.estimate import estimate
from media_catalog.services import relocation, removal, renditions
from media_catalog.services.selection import candidates
from tests.jobs.announcing import announce
from tests.pictures import jpeg, upload_file

from .buckets import messages_of, page, put
from .uploading import URL, ask, file

__all__ = ["announce"]

OF_AN_UPLOAD = f"image/{'ab' * 16}_large.jpg"
KEPT = "are kept for renditions"


@pytest.fixture
def preview(store):
    """The preview of an image; at the end it must be as it was."""
    image = store(jpeg(2000, 1500))
    renditions.make(image=image)
    made = image.renditions.select_related("bucket").get(preset__slug="preview")
    yield made
    assert s3.head_object(made.bucket.name, made.key).etag == made.etag


@pytest.fixture
def others(preview, originals) -> Image:
    """What another program has put under the key of the preview, and the catalogue has come to know."""
    etag = put(originals, preview.key, jpeg(800, 600))
    return Image.objects.create(
        bucket=originals, key=preview.key, etag=etag, width=800, height=600, format="JPEG", size=1
    )


def _parts(key: str) -> tuple[str, str]:
    folder, _slash, name = key.rpartition("/")
    return folder, name


class TestRefusals:
    """With words, before anything is stored or signed."""

    @pytest.fixture(params=["preview", "upload"])
    def key(self, request, preview) -> str:
        return preview.key if request.param == "preview" else OF_AN_UPLOAD

    @pytest.fixture(autouse=True)
    def _nothing_came_of_it(self, preview):
        yield
        assert list(Image.objects.all()) == [preview.image]
        assert not Upload.objects.filter(status=Upload.Status.CREATED).exists()

    def test_on_the_upload_page(self, admin_client, originals, key, cloud):
        folder, name = _parts(key)
        mark = cloud.access_log.mark()

        data = {"images": upload_file(jpeg(), name), "bucket": originals.pk, "folder": folder}
        [said] = messages_of(admin_client.post(URL, data, follow=True))

        assert KEPT in said
        assert "another name or folder" in said
        assert not cloud.access_log.operations(mark)

    def test_in_the_browser_of_objects(self, admin_client, originals, key):
        folder, name = _parts(key)

        data = {"chosen": [upload_file(jpeg(), name)]}
        [said] = messages_of(admin_client.post(page(originals, "upload", prefix=f"{folder}/"), data, follow=True))

        assert KEPT in said

    @pytest.mark.parametrize("how", ["move", "copy"])
    def test_a_move_or_copy_there(self, admin_client, originals, preview, key, how):
        data = {"how": how, "bucket": originals.pk, "key": key}
        form = admin_client.post(page(originals, "copy", key=preview.image.key), data).context["form"]

        assert KEPT in form.errors["key"][0]

    def test_a_form_for_what_an_upload_has_left(self, admin_client, originals):
        folder, name = _parts(OF_AN_UPLOAD)
        answer = ask(admin_client, "begin", bucket=originals.pk, folder=folder, caption="", files=[file(name)])

        assert answer.status_code == 400
        assert KEPT in answer.json()["reason"]


def test_a_form_of_the_page_has_another_key_by_its_digits(admin_client, originals, preview):
    folder, name = _parts(preview.key)
    answer = ask(admin_client, "begin", bucket=originals.pk, folder=folder, caption="", files=[file(name)])

    [form] = answer.json()["files"]
    assert form["state"] == "ready"
    assert form["fields"]["key"] != preview.key


class TestWhatIsThereAlready:
    """An original by others is catalogued; the one rendition that would replace another's is not made."""

    def test_all_but_the_thumbnail_is_made(self, others, preview):
        with pytest.raises(ObjectRefused) as refused:
            renditions.make(image=others)

        assert refused.value.reason == "replaces_rendition"
        slugs = set(others.renditions.values_list("preset__slug", flat=True))
        assert slugs == {"very-high", "high", "medium", "low", "preview"}

    def test_nor_is_it_made_where_the_other_is_to_come(self, originals, store):
        """Not written over, it would be taken for what a run that was cut off has left of the other."""
        image = store(jpeg(2000, 1500))
        key = f"preview/{image.key}.{image.etag[:12]}-v1.jpg"
        etag = put(originals, key, jpeg(800, 600))
        facts = {"width": 800, "height": 600, "format": "JPEG", "size": 1}
        theirs = Image.objects.create(bucket=originals, key=key, etag=etag, **facts)
        with pytest.raises(ObjectRefused):
            renditions.make(image=theirs)

        assert renditions.make(image=image) == 6
        made = image.renditions.get(preset__slug="preview")
        assert (made.key, made.width) == (key, 1280)
        assert len(s3.get_object(made.bucket.name, key).body) == made.size

    def test_the_estimate_knows(self, others, cloud):
        [candidate] = candidates([others.pk])
        assert (candidate.missing, candidate.refused) == (5, 1)
        mark = cloud.access_log.mark()
        with pytest.raises(ObjectRefused):
            renditions.make(image=others)
        assert cloud.access_log.operations(mark) == {"GetObject": 1, "PutObject": 5}

        found = estimate("make_renditions", candidates([others.pk]), {})
        assert (found.requests, found.skipped) == ({}, {"refused": 1})
        with pytest.raises(ObjectRefused):
            renditions.make(image=others)
        assert cloud.access_log.operations(mark) == {"GetObject": 1, "PutObject": 5}

    def test_one_alone_is_refused_in_words(self, admin_client, others, cloud):
        mark = cloud.access_log.mark()
        address = f"/admin/media_catalog/image/{others.pk}/rendition/thumbnail/make/"
        [said] = messages_of(admin_client.post(address, follow=True))

        assert "would replace the rendition of another image" in said
        assert "Rename or move" in said
        assert not cloud.access_log.operations(mark)

    def test_under_another_key_it_gets_its_thumbnail(self, others, originals):
        with pytest.raises(ObjectRefused):
            renditions.make(image=others)

        relocation.relocate(image=others, to_bucket=originals, to_key="theirs.jpg")

        assert renditions.make(image=others) == 1
        assert others.renditions.get(preset__slug="thumbnail").key == "theirs.jpg"

    def test_its_removal_leaves_the_other_s(self, others, preview):
        with pytest.raises(ObjectRefused):
            renditions.make(image=others)

        assert removal.remove(image=others) == 6

    def test_it_does_not_keep_the_leftover_of_that_name(self, others, preview):
        """The thumbnail for which others wait is never written there."""
        leftover = Leftover.objects.create(bucket=preview.bucket, key=OF_AN_UPLOAD)
        Image.objects.filter(pk=others.pk).update(key=OF_AN_UPLOAD)

        assert removal.discard(leftover=leftover)

    def test_adoption_catalogues_it_with_the_others(self, admin_client, originals, preview, work):
        put(originals, preview.key, jpeg(800, 600))
        put(originals, "b.jpg", jpeg(800, 600))
        admin_client.post(page(originals, "take_inventory"))
        work()
        admin_client.post(page(originals, "adopt"))
        work()

        item = JobItem.objects.get(job__kind="adopt_objects")
        assert item.state == JobItem.State.DONE, item.message
        assert {preview.key, "b.jpg"} <= set(Image.objects.values_list("key", flat=True))

    def test_what_s3_announces_gets_the_others_and_says_why(self, originals, preview, announce, work):
        put(originals, preview.key, jpeg(800, 600))
        announce(preview.key)
        work()

        image = Image.objects.get(key=preview.key)
        assert image.renditions.count() == 5
        item = JobItem.objects.get(image=image)
        assert (item.state, item.code) == (JobItem.State.FAILED, "object_refused")
        assert "would replace the rendition of another image" in item.message


def test_a_bucket_that_is_paired_anew_keeps_the_thumbnails_that_it_has(originals, store):
    """Two originals of one name, and one bucket for the renditions of both, one after the other."""
    Preset.objects.exclude(slug="thumbnail").update(active=False)
    image = store()
    renditions.make(image=image)
    held = image.renditions.select_related("bucket").get()
    later = Bucket.objects.create(name=f"{originals.name}-2", role=Bucket.Role.ORIGINALS, region="us-east-1")
    s3.create_bucket(later.name, region="us-east-1")
    Bucket.objects.filter(pk=originals.pk).update(renditions_bucket=None)
    Bucket.objects.filter(pk=later.pk).update(renditions_bucket=held.bucket)
    etag = put(later, image.key, jpeg(300, 200))
    same = Image.objects.create(bucket=later, key=image.key, etag=etag, width=300, height=200, format="JPEG", size=1)

    with pytest.raises(ObjectRefused):
        renditions.make(image=Image.objects.get(pk=same.pk))

    assert s3.head_object(held.bucket.name, held.key).etag == held.etag
