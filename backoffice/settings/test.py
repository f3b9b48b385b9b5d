"""For pytest: no `.env`, no real credentials, nothing outside this machine. DATABASE_URL chooses PostgreSQL."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nonexistent/aws-config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/aws-credentials",
    "AWS_EC2_METADATA_DISABLED": "true",
}
os.environ.pop("AWS_PROFILE", None)

from .base import *  # noqa: F403
from .base import INSTALLED_APPS, database

SCRATCH = Path(tempfile.mkdtemp(prefix="backoffice-tests-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)

DEBUG = False
SECRET_KEY = "tests-only"  # noqa: S105
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
# A file, not :memory:, because threads and processes of tests share it.
DATABASES = {"default": database(f"sqlite:///{SCRATCH / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(SCRATCH / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 1  # seconds: the test database is dropped at the end
INSTALLED_APPS = [*INSTALLED_APPS, "localcloud"]
CACHES = {
    "default": {
        "BACKEND": "backoffice.cache.FileCache",
        "LOCATION": SCRATCH / "cache",
    },
    "handover": {
        "BACKEND": "backoffice.cache.FileCache",
        "LOCATION": SCRATCH / "handover",
    },
}
QUOTA_REFUSE_UNKNOWN = True
PAGE_SECONDS = 60  # a busy machine that tests is slower than people wait for
REKOGNITION_PER_SECOND = 1000
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
