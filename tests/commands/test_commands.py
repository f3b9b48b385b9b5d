"""The management commands, as an operator runs them."""

import secrets
import socket
import urllib.error
import urllib.request

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django_q.models import Schedule

from localcloud.samples import sample_pictures
from media_catalog.aws import bucket_settings, s3
from media_catalog.aws.client import forget_clients
from media_catalog.models import AuditEvent, Bucket, Image, Job, RequestUsage
from media_catalog.services import removal
from media_catalog.services.bucket_settings import lets_in
from tests.quota.ledger import set_limit


@pytest.fixture
def named(cloud, db, settings):
    """Bucket names of the test's own in the settings."""
    prefix = secrets.token_hex(6)
    settings.BUCKET_ORIGINALS, settings.BUCKET_RENDITIONS, settings.BUCKET_STATIC = (
        f"{prefix}-{role}" for role in ("originals", "renditions", "static")
    )
    return settings


def _nothing_listens_at() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def _may_post(named, *, origin: str) -> bool:
    """Whether a browser on that origin would be let through by its preflight request."""
    preflight = urllib.request.Request(
        f"{named.AWS_ENDPOINT_URL}/{named.BUCKET_ORIGINALS}/key",
        method="OPTIONS",
        headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
    )
    try:
        with urllib.request.urlopen(preflight) as answer:
            return answer.headers["Access-Control-Allow-Origin"] == origin
    except urllib.error.HTTPError:
        return False


class TestCreateBuckets:
    def test_makes_the_three_with_cors_for_the_site(self, named, capsys):
        call_command("create_buckets", "--origin=http://127.0.0.1:8000")

        printed = capsys.readouterr().out
        assert f"{named.BUCKET_ORIGINALS}: Originals" in printed
        assert Bucket.objects.for_uploads().get().renditions_bucket.name == named.BUCKET_RENDITIONS
        assert _may_post(named, origin="http://127.0.0.1:8000")
        assert not _may_post(named, origin="http://elsewhere.example")
        usage = RequestUsage.objects.filter(action="create_buckets", operation="CreateBucket")
        assert [(row.bucket in printed, row.count) for row in usage] == [(True, 1)] * 3

    def test_the_allowed_hosts_are_the_default_origins(self, named):
        named.ALLOWED_HOSTS = ["backoffice.example"]
        call_command("create_buckets")

        assert _may_post(named, origin="https://backoffice.example")

    def test_a_host_with_a_leading_dot_stands_for_the_domain_and_what_is_below_it(self, named):
        named.ALLOWED_HOSTS = [".backoffice.example"]
        call_command("create_buckets")

        assert _may_post(named, origin="https://backoffice.example")
        assert _may_post(named, origin="https://media.backoffice.example")
        assert not _may_post(named, origin="https://elsewhere.example")

    def test_renditions_of_other_originals_are_refused_before_any_request(self, named, cloud):
        call_command("create_buckets", "--origin=http://127.0.0.1:8000")
        before = named.BUCKET_ORIGINALS
        named.BUCKET_ORIGINALS = f"{before}-new"
        mark = cloud.access_log.mark()

        with pytest.raises(CommandError) as refusal:
            call_command("create_buckets", "--origin=http://127.0.0.1:8000")

        assert f"“{named.BUCKET_RENDITIONS}” already holds the renditions of “{before}”" in str(refusal.value)
        assert "Set BUCKET_RENDITIONS" in str(refusal.value)
        assert not cloud.access_log.operations(mark)
        assert Bucket.objects.count() == 3

    def test_without_an_origin_it_says_what_is_missing(self, named):
        named.ALLOWED_HOSTS = ["*"]
        with pytest.raises(CommandError, match="--origin"):
            call_command("create_buckets")

    def test_s3_away_is_a_sentence(self, named):
        named.AWS_ENDPOINT_URL = _nothing_listens_at()
        forget_clients()
        with pytest.raises(CommandError, match="could not be reached"):
            call_command("create_buckets", "--origin=http://127.0.0.1:8000")


class TestDemo:
    def test_a_first_start_is_usable_and_a_second_changes_nothing(self, named, capsys, client):
        call_command("demo")
        printed = capsys.readouterr().out
        password = printed.split("with the password ")[1].split()[0]
        assert client.login(username="admin", password=password)
        assert Image.objects.count() == len(sample_pictures())
        assert s3.bucket_exists(named.BUCKET_STATIC)
        assert Job.objects.get().items.count() == len(sample_pictures())

        call_command("demo")

        assert "password" not in capsys.readouterr().out
        assert User.objects.count() == 1
        assert Image.objects.count() == len(sample_pictures())

    def test_my_images_and_my_files_are_there_with_their_rules(self, named, admin_client):
        call_command("demo")

        rules = Bucket.objects.filter(retention_on=True).values_list(
            "page_title", "unique_names", "keep_newest", "expire_after"
        )
        assert sorted(rules) == [("My Files", False, 3, 900), ("My Images", True, 3, 900)]
        index = admin_client.get("/admin/").content.decode()
        for title in ("My Images", "My Files"):
            assert title in index
        assert set(AuditEvent.objects.values_list("action", flat=True)) == {
            "bucket_created",
            "bucket_changed",
            "retention_changed",
            "retention_on",
        }

        Bucket.objects.filter(page_title="My Files").update(retention_on=False)
        call_command("demo")
        assert Bucket.objects.filter(retention_on=True).count() == 1  # what staff have switched off stays off

    def test_a_second_start_makes_no_request(self, named, cloud):
        call_command("demo")
        assert Bucket.objects.get(page_title="Image Uploader").upload_rule == Bucket.UploadRule.EXACT
        Bucket.objects.filter(page_title="Image Uploader").update(upload_rule=Bucket.UploadRule.NONE)
        mark = cloud.access_log.mark()
        set_limit("s3_tier1", 0)

        call_command("demo")

        assert not cloud.access_log.operations(mark)
        assert not Bucket.objects.exclude(upload_rule=Bucket.UploadRule.NONE).exists()  # as staff have left it

    def test_the_image_uploader_takes_uploads_from_this_site(self, named):
        call_command("demo", url="http://127.0.0.1:8123")
        rules = bucket_settings.get_cors("image-uploader", region="us-east-1")
        assert all(lets_in(rules, f"http://{host}:8123") for host in ("127.0.0.1", "localhost"))

    def test_a_limit_that_is_reached_is_said_and_keeps_nobody_from_raising_it(self, named, capsys):
        set_limit("s3_tier1", 0)
        call_command("demo")
        said = capsys.readouterr()
        assert "Refused by quota" in said.err
        assert "Ready" in said.out
        assert User.objects.get().is_superuser

        set_limit("s3_tier1", 2_000)
        call_command("demo")

        assert Image.objects.count() == len(sample_pictures())

    def test_a_first_start_cut_off_is_completed_by_the_next(self, named, capsys):
        set_limit("s3_tier1", 7)  # three buckets, CORS, announcements and two of the pictures
        call_command("demo")
        assert "Refused by quota" in capsys.readouterr().err
        assert Image.objects.count() == 2
        assert not Job.objects.exists()

        set_limit("s3_tier1", 2_000)
        call_command("demo")
        call_command("demo")

        assert sorted(Image.objects.values_list("name", flat=True)) == sorted(dict(sample_pictures()))
        assert Job.objects.get().items.count() == len(sample_pictures())

    def test_samples_that_staff_removed_stay_away(self, named):
        call_command("demo")
        for image in Image.objects.all()[:3]:
            removal.remove(image=image)

        call_command("demo")

        assert Image.objects.count() == len(sample_pictures()) - 3

    def test_a_setting_that_cannot_be_is_said_and_the_site_starts(self, named, capsys):
        call_command("demo")
        named.BUCKET_ORIGINALS += "-new"
        call_command("demo")

        said = capsys.readouterr()
        assert "already holds the renditions" in said.err
        assert said.out.count("Ready") == 2

    def test_on_aws_it_makes_a_superuser_and_nothing_else(self, named, cloud):
        named.AWS_ENDPOINT_URL = ""
        mark = cloud.access_log.mark()

        call_command("demo")

        assert User.objects.get().is_superuser
        assert not Bucket.objects.exists()
        assert not cloud.access_log.operations(mark)

    def test_a_cloud_that_never_comes_up_is_said(self, named, monkeypatch):
        monkeypatch.setattr("localcloud.management.commands.demo.PATIENCE_SECONDS", 0.3)
        named.AWS_ENDPOINT_URL = _nothing_listens_at()

        with pytest.raises(CommandError, match="Nothing answers"):
            call_command("demo")


def test_schedules_are_installed_and_said(db, capsys):
    call_command("sync_schedules")
    assert capsys.readouterr().out == f"{Schedule.objects.count()} schedules installed.\n"
