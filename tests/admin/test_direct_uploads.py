"""What the upload page's script asks for, as it asks."""

import hashlib
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.aws import bucket_settings as s3_settings
from media_catalog.aws import s3
from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsUnavailable
from media_catalog.models import (
    BlockedRequest,
    Bucket,
    Image,
    Job,
    JobItem,
    Leftover,
    RequestLimit,
    Reservation,
    Upload,
)
from media_catalog.services import direct_uploads, free_keys, handover
from media_catalog.services.bucket_settings import site_rule
from tests.api.conftest import post
from tests.localcloud.conftest import browser
from tests.pictures import encoded, jpeg, picture
from tests.services.direct import TIERS, expired, figures, last_row, usage
from tests.services.objects import body_of, no_more

__all__ = ["browser", "post"]

URL = "/admin/media_catalog/image/add/"


@pytest.fixture
def page(client, originals, staff_with):
    """The page of a user who may add and see images."""
    client.user = staff_with("add_image", "view_image", "make_renditions_image")
    client.force_login(client.user)
    return client


def ask(page, name, **body):
    return page.post(f"{URL}{name}/", body, content_type="application/json")


def file(name="photo.jpg", body=b"", **values):
    facts = {"name": name, "type": "image/jpeg", "size": len(body or jpeg(60, 40)), "sha256": ""}
    return {**facts, **({"sha256": hashlib.sha256(body).hexdigest()} if body else {}), **values}


def begin(page, bucket, *files, **values):
    response = ask(page, "begin", **{"bucket": bucket.pk, "folder": "press", "caption": "", "files": files, **values})
    return response.json()["files"] if response.status_code == 200 else response


def send(page, bucket, post, name="photo.jpg", body=None, **values):
    """From the choice to the catalogue."""
    [form] = begin(page, bucket, file(name), **values)
    assert post(form, body) == 204
    return form, ask(page, "finish", uuid=form["uuid"], **values).json()


def key_of(form, plain):
    """The key with the digits of the upload, so that nobody else has it."""
    stem, extension = plain.rsplit(".", 1)
    return f"{stem}-{form['uuid'][:8]}.{extension}"


def no_more_than_held():
    """Let the limits leave nothing but what is reserved."""
    for tier, used, held in zip(TIERS, figures("used"), figures("held"), strict=True):
        RequestLimit.objects.filter(request_class=tier).update(limit=used + held)


class TestPage:
    def test_may_talk_to_s3_and_to_nobody_else(self, page, cloud):
        policy = [rule.strip() for rule in page.get(URL)["Content-Security-Policy"].split(";")]
        assert f"connect-src 'self' {cloud.endpoint_url}" in policy
        assert "form-action 'self'" in policy
        assert cloud.endpoint_url not in page.get("/admin/media_catalog/image/")["Content-Security-Policy"]

    def test_lists_what_is_unfinished(self, page, originals):
        begin(page, originals, file("cut.jpg"), file("given up.jpg"))
        ask(page, "cancel", uuid=Upload.objects.get(name="given up.jpg").uuid.hex)
        shown = page.get(URL).content.decode()
        assert "cut.jpg" in shown
        assert "given up.jpg" not in shown


class TestBegin:
    def test_reserves_for_all_and_names_the_keys(self, page, originals, cloud):
        held, mark = figures("held"), cloud.access_log.mark()
        answers = begin(page, originals, file("ä b.jpg"), file("ä b.jpg"), file("c.PNG", type="image/png"))
        keys = [
            key_of(answer, f"press/{name}")
            for answer, name in zip(answers, ["ä-b.jpg", "ä-b.jpg", "c.png"], strict=True)
        ]
        assert [answer["fields"]["key"] for answer in answers] == keys
        assert len(set(keys)) == 3
        assert figures("held") == (held[0] + 3, held[1] + 3)
        assert Reservation.objects.count() == 1
        assert not cloud.access_log.operations(mark)

    def test_takes_no_key_that_somebody_has(self, originals, store):
        store(name="press-photo.jpg")
        Image.objects.update(key="press/photo.jpg")
        Upload.objects.create(bucket=originals, key="press/photo-2.jpg", name="theirs")
        Leftover.objects.create(bucket=originals, key="press/photo-3.jpg")
        [saved] = free_keys.save([Upload(bucket=originals, name="photo.jpg")], ["press/photo.jpg"])
        assert saved.key == "press/photo-4.jpg"

    def test_two_at_the_same_moment_get_two_keys(self, originals, monkeypatch):
        """Both have looked before either has saved: the unique constraint sends one back."""
        taken = free_keys._taken

        def late(bucket, candidates):
            found = taken(bucket, candidates)
            if not Upload.objects.exists():
                Upload.objects.create(bucket=bucket, key="press/photo.jpg", name="theirs")
            return found

        monkeypatch.setattr(free_keys, "_taken", late)
        [saved] = free_keys.save([Upload(bucket=originals, name="photo.jpg")], ["press/photo.jpg"])
        assert saved.key == "press/photo-2.jpg"

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"size": 0}, "0 bytes"),
            ({"size": -5}, "0 bytes"),
            ({"size": 20 * 1024**2}, "at most 15.0\xa0MB"),
            ({"type": "image/svg+xml"}, "it looks like image/svg+xml. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF."),
            ({"type": ""}, "This is not an image. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF."),
        ],
    )
    def test_each_file_is_answered_on_its_own(self, page, originals, changes, said):
        refused, ready = begin(page, originals, file(**changes), file("good.jpg"))
        assert refused["state"] == "refused"
        assert said in refused["reason"]
        assert ready["state"] == "ready"

    def test_what_is_there_is_told_once(self, page, originals, store):
        image = store(jpeg(33, 22))
        [duplicate] = begin(page, originals, file(body=jpeg(33, 22)))
        assert (duplicate["state"], duplicate["key"]) == ("duplicate", image.key)
        [anyway] = begin(page, originals, file(body=jpeg(33, 22), anyway=True))
        assert anyway["state"] == "ready"

    def test_twice_in_one_batch_is_told_too(self, page, originals):
        body = jpeg(33, 22)
        first, second, anyway = begin(
            page, originals, file("a.jpg", body), file("b.jpg", body), file("c.jpg", body, anyway=True)
        )
        assert (first["state"], anyway["state"]) == ("ready", "ready")
        assert (second["state"], second["reason"]) == ("duplicate", "The same picture is among these files: a.jpg")
        assert Upload.objects.count() == 2

    def test_what_the_user_may_not_see_is_not_told(self, client, originals, store, staff_with):
        store(jpeg(33, 22))
        client.force_login(staff_with("add_image"))
        [answer] = begin(client, originals, file(body=jpeg(33, 22)))
        assert answer["state"] == "ready"

    def test_the_quota_refuses_all_before_anything_is_signed(self, page, originals):
        no_more("s3_tier1", but=1)
        response = begin(page, originals, file("a.jpg"), file("b.jpg"))
        assert response.status_code == 429
        assert "2 needed, 1 of" in response.json()["reason"]
        assert BlockedRequest.objects.get().operation == "direct upload"
        assert not Upload.objects.exists()

    def test_without_credentials_it_says_so(self, page, originals, monkeypatch):
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        forget_clients()
        response = begin(page, originals, file())
        assert response.status_code == 503
        assert "credentials" in response.json()["reason"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"bucket": 0},
            {"bucket": "x"},
            {"bucket": 10**30},
            {"files": []},
            {"files": "x"},
            {"files": ["x"]},
            {"files": [{"name": 1, "size": 1, "type": ""}]},
            {"files": [{"name": "a", "size": "1", "type": ""}]},
            {"folder": 5},
            {"folder": "f" * 61},
            {"caption": "c" * 501},
        ],
    )
    def test_what_the_script_does_not_send_is_400(self, page, originals, changes):
        body = {"bucket": originals.pk, "folder": "", "caption": "", "files": [file()], **changes}
        assert ask(page, "begin", **body).status_code == 400

    @pytest.mark.parametrize("body", [b"no json", b"[]", b'{"folder": "\\ud800"}', b"[" * 50_000])
    def test_a_body_that_is_no_json_is_400(self, page, body):
        assert page.post(f"{URL}begin/", body, content_type="application/json").status_code == 400

    def test_more_than_the_limit_is_400(self, page, originals, settings):
        settings.UPLOAD_MAX_FILES = 2
        assert begin(page, originals, file(), file(), file()).status_code == 400


class TestFinish:
    def test_catalogues_what_came(self, page, originals, post, cloud):
        mark = cloud.access_log.mark()
        form, answer = send(page, originals, post)
        image = Image.objects.get()
        assert (answer["state"], answer["key"]) == ("done", key_of(form, "press/photo.jpg"))
        assert answer["link"] == f"/admin/media_catalog/image/{image.pk}/change/"
        assert (image.uploaded_by, image.width) == (page.user, 60)
        assert cloud.access_log.operations(mark) == {"PostObject": 1, "GetObject": 1}
        assert LogEntry.objects.get().object_id == str(image.pk)
        assert ask(page, "finish", uuid=form["uuid"]).json()["state"] == "done"
        assert LogEntry.objects.count() == 1

    def test_the_same_picture_is_told_where_the_browser_could_not_see_it(self, page, originals, post, store):
        image = store(jpeg(33, 22))
        _form, answer = send(page, originals, post, body=jpeg(33, 22))
        assert answer["state"] == "done"
        assert answer["same_as"] == {"key": image.key, "link": f"/admin/media_catalog/image/{image.pk}/change/"}
        _form, answer = send(page, originals, post, body=jpeg(34, 22))
        assert "same_as" not in answer

    def test_another_file_than_the_browser_said_is_refused(self, page, originals, post):
        [form] = begin(page, originals, file(body=jpeg(33, 22)))
        assert post(form, jpeg(34, 22)) == 204
        answer = ask(page, "finish", uuid=form["uuid"]).json()
        assert (answer["state"], "another file" in answer["reason"]) == ("refused", True)
        assert body_of(originals, form["fields"]["key"]) is None

    def test_the_file_that_the_browser_said_is_taken(self, page, originals, post):
        [form] = begin(page, originals, file(body=jpeg(33, 22)))
        assert post(form, jpeg(33, 22)) == 204
        assert ask(page, "finish", uuid=form["uuid"]).json()["state"] == "done"

    def test_what_is_no_image_behind_an_image_type_is_refused_and_deleted(self, page, originals, post):
        form, answer = send(page, originals, post, body=b"<html></html>")
        assert answer["state"] == "refused"
        assert "looks like HTML. Accepted are JPEG, PNG, WebP, GIF, AVIF, TIFF." in answer["reason"]
        assert body_of(originals, form["fields"]["key"]) is None

    def test_too_little_memory_is_said_and_the_file_can_be_finished_later(self, page, originals, post, memory_is_back):
        [form] = begin(page, originals, file("scan.tif", type="image/tiff"))
        assert post(form, encoded(picture(), "TIFF"), content_type="image/tiff") == 204
        answer = ask(page, "finish", uuid=form["uuid"])
        assert (answer.status_code, "too little memory" in answer.json()["reason"]) == (503, True)
        assert body_of(originals, form["fields"]["key"])
        memory_is_back()
        assert ask(page, "finish", uuid=form["uuid"]).json()["state"] == "done"

    def test_the_buckets_rule_is_kept_by_the_server_too(self, page, originals, post):
        Bucket.objects.filter(pk=originals.pk).update(upload_rule=Bucket.UploadRule.EXACT)
        form, answer = send(page, originals, post, body=jpeg(800, 600), renditions=True)
        assert answer["state"] == "refused"
        assert "1,024 × 786" in answer["reason"]
        assert "800 × 600" in answer["reason"]
        assert body_of(originals, form["fields"]["key"]) is None

    def test_what_has_not_come_can_come_yet(self, page, originals):
        [form] = begin(page, originals, file())
        assert ask(page, "finish", uuid=form["uuid"]).json()["state"] == "missing"

    @pytest.mark.parametrize("name", ["finish", "cancel", "sign-again"])
    def test_of_others_is_404(self, page, client, originals, staff_with, name):
        [form] = begin(page, originals, file())
        client.force_login(staff_with("add_image"))
        assert ask(client, name, uuid=form["uuid"]).status_code == 404
        assert ask(client, name, uuid="x").status_code == 400


class TestMadeAtOnce:
    """The rendition that belongs into the upload, and the bytes for those that do not."""

    def test_its_link_is_in_the_answer(self, page, originals, post, cloud):
        mark = cloud.access_log.mark()
        form, answer = send(page, originals, post, body=jpeg(2000, 1500), renditions=True)

        [main] = answer["main"]
        assert main["text"] == "High (1024 × 786)"
        assert "/high/" in page.get(main["url"])["Location"]
        assert cloud.access_log.operations(mark) == {"PostObject": 1, "GetObject": 1, "PutObject": 1}
        again = ask(page, "finish", uuid=form["uuid"], renditions=True).json()
        assert again == answer

    def test_the_whole_way_is_one_post_one_get_and_a_put_for_each_rendition(self, page, originals, post, cloud, work):
        used, row, mark = figures("used"), last_row(), cloud.access_log.mark()
        form, _answer = send(page, originals, post, body=jpeg(2000, 1500), renditions=True)
        ask(page, "start-renditions", uuids=[form["uuid"]])
        work()

        assert JobItem.objects.get().state == JobItem.State.DONE
        assert Image.objects.get().renditions.current().count() == 6
        assert cloud.access_log.operations(mark) == {"PostObject": 1, "GetObject": 1, "PutObject": 6}
        assert usage(row) == {("PostObject", True): 1, ("GetObject", False): 1, ("PutObject", False): 1 + 5}
        assert figures("used") == (used[0] + 1 + 6, used[1] + 1)
        assert figures("held") == (0, 0)

    def test_its_put_is_reserved_with_the_batch(self, page, originals, post):
        held = figures("held")
        [form, _other] = begin(page, originals, file("a.jpg"), file("b.jpg"), renditions=True)
        assert figures("held") == (held[0] + 4, held[1] + 2)
        no_more_than_held()
        assert post(form) == 204
        assert ask(page, "finish", uuid=form["uuid"], renditions=True).json()["main"]

    def test_the_quota_counts_it_before_anything_is_signed(self, page, originals):
        no_more("s3_tier1", but=3)
        response = begin(page, originals, file("a.jpg"), file("b.jpg"), renditions=True)
        assert response.status_code == 429
        assert "4 needed, 3 of" in response.json()["reason"]

    def test_what_it_cannot_have_is_left_to_the_job(self, page, originals, post, work):
        """It was not reserved, and there is none left."""
        [form] = begin(page, originals, file())
        assert post(form) == 204
        no_more_than_held()
        answer = ask(page, "finish", uuid=form["uuid"], renditions=True).json()
        assert (answer["state"], answer["main"]) == ("done", [])

        RequestLimit.objects.update(limit=1_000_000)
        ask(page, "start-renditions", uuids=[form["uuid"]])
        work()
        assert Image.objects.get().renditions.count() == 6

    @pytest.mark.parametrize("fault", [AwsUnavailable("down"), RuntimeError("no child"), MemoryError()])
    def test_no_fault_fails_the_upload(self, page, originals, post, monkeypatch, fault):
        def failing(*_args, **_options):
            raise fault

        monkeypatch.setattr(s3, "put_object", failing)
        _form, answer = send(page, originals, post, renditions=True)
        assert (answer["state"], answer["main"]) == ("done", [])

    def test_not_when_nobody_asks_or_may(self, client, page, originals, post, staff_with, cloud):
        mark = cloud.access_log.mark()
        _form, answer = send(page, originals, post)
        assert answer["main"] == []
        client.force_login(staff_with("add_image", "view_image"))
        _form, answer = send(client, originals, post, renditions=True)
        assert answer["main"] == []
        assert "PutObject" not in cloud.access_log.operations(mark)

    def test_of_a_bucket_that_the_lambda_serves_nothing_is_left_for_a_job(self, page, originals, post):
        Bucket.objects.filter(pk=originals.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
        _form, answer = send(page, originals, post, renditions=True)
        assert answer["main"]
        assert handover.take(Image.objects.get()) is None


class TestAgain:
    def test_the_same_key_by_another_form(self, page, originals, post):
        [form] = begin(page, originals, file())
        again = ask(page, "sign-again", uuid=form["uuid"]).json()
        assert again["fields"]["key"] == form["fields"]["key"]
        assert post(again) == 204
        assert ask(page, "finish", uuid=form["uuid"]).json()["state"] == "done"
        assert ask(page, "sign-again", uuid=form["uuid"]).json()["state"] == "sent"

    def test_not_when_the_time_is_over(self, page, originals):
        [form] = begin(page, originals, file())
        expired()
        assert ask(page, "sign-again", uuid=form["uuid"]).json() == {"state": "gone"}

    def test_what_was_cancelled_is_deleted_if_it_came_all_the_same(self, page, originals, post):
        [form] = begin(page, originals, file())
        assert ask(page, "cancel", uuid=form["uuid"]).json() == {"cancelled": True}
        assert post(form) == 204
        held = figures("held")
        expired()
        assert direct_uploads.expire() == []
        assert body_of(originals, form["fields"]["key"]) is None
        assert figures("held") == (held[0] - 1, held[1] - 1)
        assert not Image.objects.exists()


class TestObjectsOfOthers:
    """The catalogue does not know what else is in a bucket, and must not touch it."""

    FOREIGN = b"not ours"

    def put(self, bucket, key):
        s3.put_object(bucket.name, key, self.FOREIGN, content_type="text/plain")

    def test_under_the_plain_name_it_is_neither_replaced_nor_deleted(self, page, originals, post):
        self.put(originals, "press/photo.jpg")
        _form, answer = send(page, originals, post)
        assert answer["state"] == "done"
        [form] = begin(page, originals, file())
        ask(page, "cancel", uuid=form["uuid"])
        expired()
        direct_uploads.expire()
        assert body_of(originals, "press/photo.jpg") == self.FOREIGN

    @pytest.mark.parametrize("way", ["finish", "cancel", "expire", "too large"])
    def test_under_the_very_key_it_is_left_alone(self, page, originals, way, settings):
        [form] = begin(page, originals, file())
        key = form["fields"]["key"]
        self.put(originals, key)
        Upload.objects.update(created_at=timezone.now() + timedelta(hours=1))
        if way == "too large":
            settings.IMAGE_MAX_BYTES = 3
        if way != "expire":
            ask(page, "cancel" if way == "cancel" else "finish", uuid=form["uuid"])
        expired()
        assert direct_uploads.expire() == []
        upload = Upload.objects.get()
        assert upload.status == Upload.Status.FAILED
        assert upload.error == ("cancelled" if way == "cancel" else "key taken at S3")
        assert body_of(originals, key) == self.FOREIGN
        assert not Image.objects.exists()


class TestRenditions:
    def test_one_job_for_all(self, page, originals, post, work):
        uuids = [send(page, originals, post, name)[0]["uuid"] for name in ("a.jpg", "b.jpg")]
        answer = ask(page, "start-renditions", uuids=uuids).json()
        job = Job.objects.get()
        assert answer["url"] == f"/admin/media_catalog/job/{job.pk}/change/"
        assert job.items.count() == 2

    def test_not_of_others_uploads_or_of_nothing(self, page, client, originals, post, staff_with):
        form, _answer = send(page, originals, post)
        assert ask(page, "start-renditions", uuids=[]).status_code == 400
        client.force_login(staff_with("add_image", "make_renditions_image"))
        assert ask(client, "start-renditions", uuids=[form["uuid"]]).status_code == 400

    def test_needs_its_permission(self, client, originals, staff_with):
        client.force_login(staff_with("add_image"))
        assert ask(client, "start-renditions", uuids=[]).status_code == 403


class TestCors:
    def test_adds_this_site_and_keeps_what_is_there(self, client, originals, staff_with, cloud):
        client.force_login(staff_with("add_image", "change_bucket"))
        another = site_rule(["https://another.example"]) | {"ID": "of another site"}
        s3_settings.put_cors(originals.name, [another])
        mark = cloud.access_log.mark()
        assert "http://testserver may upload" in ask(client, "allow-origin", bucket=originals.pk).json()["reason"]
        assert sum(cloud.access_log.operations(mark).values()) == 2
        assert "already" in ask(client, "allow-origin", bucket=originals.pk).json()["reason"]

        rules = s3.client("s3").get_bucket_cors(Bucket=originals.name)["CORSRules"]
        assert [rule["AllowedOrigins"] for rule in rules] == [["https://another.example"], ["http://testserver"]]
        assert LogEntry.objects.get().change_message == "CORS: http://testserver may upload."

    def test_needs_the_permission_to_change_buckets(self, page, originals):
        assert ask(page, "allow-origin", bucket=originals.pk).status_code == 403


@pytest.mark.parametrize("name", ["begin", "finish", "sign-again", "cancel", "start-renditions", "allow-origin"])
def test_all_need_the_permission_to_add_images(client, originals, staff_with, name):
    client.force_login(staff_with("view_image"))
    assert ask(client, name).status_code == 403
    assert client.get(f"{URL}{name}/").status_code == 405


def test_a_png_is_stored_as_one(page, originals, post):
    [form] = begin(page, originals, file("p.jpg", type="image/png"))
    assert post(form, encoded(picture(60, 40), "PNG"), content_type="image/png") == 204
    assert ask(page, "finish", uuid=form["uuid"]).json()["key"] == key_of(form, "press/p.png")
