"""USE_S3: static files are published once, counted, and pages name them without asking S3."""

import gzip
import secrets
import shutil
import urllib.request

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.management import call_command

from media_catalog.aws import presign, s3
from media_catalog.aws.static_files import PublishedStaticFiles
from media_catalog.exceptions import QuotaRefused
from media_catalog.models import RequestClass, RequestUsage
from media_catalog.services import static_files
from tests.quota.ledger import set_limit

pytestmark = pytest.mark.django_db


@pytest.fixture
def static(cloud, settings, tmp_path):
    """Three files, collected as the image has them, and an empty static bucket."""
    source = tmp_path / "source"
    source.mkdir()
    for name, text in {"a.css": "p { color: red }" * 200, "b.js": "1", "c.svg": "<svg/>"}.items():
        (source / name).write_text(text)
    settings.STATIC_ROOT, settings.STATIC_DOMAIN = tmp_path / "collected", "static.example.org"
    collected = ManifestStaticFilesStorage(location=settings.STATIC_ROOT)
    shutil.copytree(source, settings.STATIC_ROOT)
    list(collected.post_process({name: (collected, name) for name in ("a.css", "b.js", "c.svg")}))
    settings.BUCKET_STATIC = f"static-{secrets.token_hex(6)}"
    s3.create_bucket(settings.BUCKET_STATIC, region="us-east-1")
    RequestUsage.objects.all().delete()
    return settings.STATIC_ROOT


def _spent() -> dict[str, int]:
    return {row.operation: row.count for row in RequestUsage.objects.all()}


def test_each_file_is_put_once_and_counted(static, settings):
    assert static_files.publish() == 3
    assert _spent() == {"ListObjectsV2": 1, "PutObject": 3}

    assert static_files.publish() == 0
    assert _spent() == {"ListObjectsV2": 2, "PutObject": 3}


def test_a_new_version_adds_what_changed_and_leaves_the_old_to_old_pages(static, settings):
    static_files.publish()
    before = PublishedStaticFiles().stored_name("b.js")
    collected = ManifestStaticFilesStorage(location=static)
    (static / "b.js").write_text("2")
    list(collected.post_process({"b.js": (collected, "b.js")}))
    after = PublishedStaticFiles().stored_name("b.js")

    assert static_files.publish() == 1

    assert before != after
    assert s3.head_object(settings.BUCKET_STATIC, before)
    assert s3.head_object(settings.BUCKET_STATIC, after)


def test_pages_name_them_without_a_request(static, cloud):
    mark = cloud.access_log.mark()

    url = PublishedStaticFiles().url("a.css")

    assert url.startswith("https://static.example.org/a.")
    assert not cloud.access_log.operations(mark)


def test_browsers_get_them_compressed_and_may_keep_them(static, settings, cloud):
    static_files.publish()
    name = PublishedStaticFiles().stored_name("a.css")
    link = presign.download_link(
        settings.BUCKET_STATIC, name, disposition="inline", content_type="text/css", seconds=60
    )

    with urllib.request.urlopen(link) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert gzip.decompress(answer.read()).startswith(b"p { color: red }")


def test_the_quota_holds_for_them_too(static):
    set_limit(RequestClass.S3_TIER1, 3)  # one has made the bucket

    with pytest.raises(QuotaRefused):
        static_files.publish()

    assert _spent() == {"ListObjectsV2": 1, "PutObject": 1}


def test_the_release_publishes_them(static, settings, capsys):
    settings.USE_S3 = True

    call_command("release", verbosity=0)

    assert "3 static files published." in capsys.readouterr().out
    assert RequestUsage.objects.filter(action="release", operation="PutObject").get().count == 3
