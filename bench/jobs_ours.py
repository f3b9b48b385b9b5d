"""Settings of our side in bench/jobs.py: the tests', with connections kept and, beside PostgreSQL, Redis as cache.

So SQLite goes with what development has, and PostgreSQL with what production has.
"""

import os

from backoffice.settings.test import *  # noqa: F403
from backoffice.settings.test import CACHES, DATABASES

DATABASES["default"]["CONN_MAX_AGE"] = 600
PREVIEW_CACHE_SECONDS = 60  # nobody asks for what a bench leaves in a shared Redis
if not DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
        "KEY_PREFIX": "bench",
    }
