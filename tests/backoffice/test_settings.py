"""Settings: production refuses to start without its values, and impossible values are refused early."""

import ast
import os
import subprocess
import sys

import pytest
from django.core.checks import run_checks

from tests.stack import ROOT

PRODUCTION = {
    "SECRET_KEY": "x" * 60,
    "ALLOWED_HOSTS": "backoffice.internal",
    "DATABASE_URL": "sqlite:////tmp/unused.sqlite3",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}


def _manage(*arguments: str, settings: str = "production", **environment: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": f"backoffice.settings.{settings}"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=path | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _start(**environment: str) -> subprocess.CompletedProcess[str]:
    return _manage("check", **environment)


def test_production_starts_with_its_values():
    done = _start(**PRODUCTION)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PRODUCTION)
def test_production_names_the_missing_value(name):
    done = _start(**{key: value for key, value in PRODUCTION.items() if key != name})

    assert done.returncode != 0
    assert name in done.stderr.splitlines()[-1]


def test_static_files_on_s3_need_their_domain():
    done = _start(**PRODUCTION, USE_S3="true")

    assert done.returncode != 0
    assert "STATIC_DOMAIN" in done.stderr.splitlines()[-1]


def test_pages_may_use_static_files_of_their_domain_and_no_other():
    command = (
        "from django.conf import settings;print(settings.STATIC_URL, settings.CONTENT_SECURITY_POLICY['DIRECTIVES'])"
    )
    done = _manage("shell", "-v0", "-c", command, **PRODUCTION, USE_S3="true", STATIC_DOMAIN="static.example.org")

    url, _space, directives = done.stdout.partition(" ")
    assert url == "https://static.example.org/", done.stderr
    for name in ("script-src", "style-src", "img-src", "font-src"):
        assert ast.literal_eval(directives)[name] == ["'self'", "https://static.example.org"]
    assert ast.literal_eval(directives)["connect-src"] == ["'self'"]


def test_production_trusts_forms_from_its_own_hosts():
    hosts = {"ALLOWED_HOSTS": "backoffice.example,.media.example,*"}
    command = "from django.conf import settings; print(settings.CSRF_TRUSTED_ORIGINS)"

    done = _manage("shell", "-v0", "-c", command, **(PRODUCTION | hosts))

    assert done.stdout.strip() == "['https://backoffice.example', 'https://*.media.example']", done.stderr


def test_development_makes_its_data_directory(tmp_path):
    data = tmp_path / "not" / "yet"
    done = _manage("check", settings="development", DATA_DIR=str(data))
    assert done.returncode == 0, done.stderr
    assert data.is_dir()


@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("IMAGE_MAX_BYTES", 0, "media_catalog.E001"),
        ("FINDING_KEEP_DAYS", 0, "media_catalog.E001"),
        ("IMAGE_FORMATS", ("JPEG", "PSD"), "media_catalog.E002"),
        ("BUCKET_STATIC", "mediafiles", "media_catalog.E003"),
        ("BUCKET_FILES", "mediafiles", "media_catalog.E003"),
        ("JOB_CHUNK_SECONDS", 300, "media_catalog.E005"),
        ("QUEUE_BROKER", "kafka", "media_catalog.E009"),
        ("ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_EXPIRATION", 0, "media_catalog.E010"),
        ("ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH", "a//", "media_catalog.E011"),
        ("ASYNC_IMAGE_CALLBACK_SECRETS", ["1", "2", "3"], "media_catalog.E012"),
        ("PROCESSED_IMAGE_MODEL", "media_catalog.NoSuch", "media_catalog.E013"),
        ("TRASH_DAYS", -1, "media_catalog.E014"),
        ("ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH", "trash/", "media_catalog.E015"),
        ("PROCESSED_IMAGE_MODEL", "auth.User", "media_catalog.E013"),
        ("API_MAX_WAITERS", 16, "media_catalog.E016"),
        ("WEB_THREADS", 4, "media_catalog.E016"),
    ],
)
def test_impossible_values_are_refused_at_start(settings, name, value, identifier):
    assert run_checks() == []
    setattr(settings, name, value)
    assert [error.id for error in run_checks()] == [identifier]


@pytest.mark.parametrize(
    ("changes", "identifier"),
    [
        ({"workers": 1, "queue_limit": 2}, "media_catalog.E004"),
        ({"retry": 200}, "media_catalog.E005"),
        ({"timeout": 100}, "media_catalog.E005"),
        ({"max_attempts": 0}, "media_catalog.E006"),
        ({"ack_failures": False}, "media_catalog.E006"),
        ({"save_limit": 250}, "media_catalog.E006"),
        ({"queue_limit": 50}, "media_catalog.E007"),
        ({"queue_limit": 0}, "media_catalog.E007"),
    ],
)
def test_dangerous_settings_of_the_queue_are_refused_at_start(settings, changes, identifier):
    settings.Q_CLUSTER = settings.Q_CLUSTER | changes
    assert [error.id for error in run_checks()] == [identifier]


def test_connections_must_be_kept(settings, monkeypatch):
    monkeypatch.setitem(settings.DATABASES["default"], "CONN_MAX_AGE", 0)
    assert [error.id for error in run_checks()] == ["media_catalog.E008"]
