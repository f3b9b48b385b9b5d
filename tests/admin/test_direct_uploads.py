"""What the upload page's script asks for, as it asks."""

import pytest
from django.contrib.admin.models import LogEntry

from media_catalog.aws.client import forget_clients
from media_catalog.models import BlockedRequest, Bucket, Image, Leftover, Reservation, Upload
from media_catalog.services import direct_uploads, free_keys
from tests.api.conftest import post
from tests.localcloud.conftest import browser
from tests.pictures import encoded, jpeg, picture
from tests.services.direct import expired, figures, last_row, usage
from tests.services.objects import body_of, no_more

from .uploading import URL, ask, begin, file, key_of, page, send

__all__ = ["browser", "page", "post"]


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

    @pytest.mark.parametrize("folder", ["trash", "quarantine/7"])
    def test_folders_of_the_products_own_are_refused(self, page, originals, folder):
        held = figures("held")
        response = begin(page, originals, file(), folder=folder)
        assert response.status_code == 400
        assert "trash/" in response.json()["reason"]
        assert (Upload.objects.count(), figures("held")) == (0, held)

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
        row = last_row()
        assert direct_uploads.expire() == []
        assert usage(row) == {("PostObject", True): 1, ("HeadObject", False): 1, ("DeleteObject", False): 1}
        assert body_of(originals, form["fields"]["key"]) is None
        assert figures("held") == (held[0] - 1, held[1] - 1)
        assert not Image.objects.exists()


@pytest.mark.parametrize("name", ["begin", "finish", "sign-again", "cancel", "start-renditions", "allow-origin"])
def test_all_need_the_permission_to_add_images(client, originals, staff_with, name):
    client.force_login(staff_with("view_image"))
    assert ask(client, name).status_code == 403
    assert client.get(f"{URL}{name}/").status_code == 405


def test_a_png_is_stored_as_one(page, originals, post):
    [form] = begin(page, originals, file("p.jpg", type="image/png"))
    assert post(form, encoded(picture(60, 40), "PNG"), content_type="image/png") == 204
    assert ask(page, "finish", uuid=form["uuid"]).json()["key"] == key_of(form, "press/p.png")
