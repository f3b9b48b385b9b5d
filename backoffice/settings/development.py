"""One machine, the embedded local cloud, SQLite. `.env` is made from `.env.example` at the first `make run`."""

from .environment import BASE_DIR, env

env.read_env(BASE_DIR / ".env")  # before base reads the environment; what is set already wins

from .base import *  # noqa: E402, F403
from .base import DATA_DIR, INSTALLED_APPS, database  # noqa: E402

DATA_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env("SECRET_KEY", default="development-only-and-known-to-everybody-keep-it-off-the-network")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
DATABASES = {"default": database(default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
INSTALLED_APPS = [*INSTALLED_APPS, "localcloud"]

# Files, because web and worker processes share it.
CACHES = {
    "default": {
        "BACKEND": "backoffice.cache.FileCache",
        "LOCATION": DATA_DIR / "cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
    "handover": {
        "BACKEND": "backoffice.cache.FileCache",
        "LOCATION": DATA_DIR / "handover",
        "OPTIONS": {"MAX_ENTRIES": 4_000},  # of 256 KiB: 1 GB
    },
}
HANDOVER_MAX_BYTES = env.int("HANDOVER_MAX_BYTES", default=1024**3)  # on disk

REKOGNITION_PER_SECOND = env.float("REKOGNITION_PER_SECOND", default=50)  # the local cloud has no quota
