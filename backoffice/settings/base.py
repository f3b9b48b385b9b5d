"""What every deployment shares. Values come from the environment (`.env` in development), read once, here."""

from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from .environment import BASE_DIR, env

DATA_DIR = Path(env("DATA_DIR", default=str(BASE_DIR / ".data")))

INSTALLED_APPS = [
    "backoffice.apps.BackofficeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_q",
    "import_export",
    "ninja",  # for its static files alone: Swagger UI
    "media_catalog.apps.MediaCatalogConfig",
]
MIDDLEWARE = [
    "backoffice.health.answer_health_checks",
    "backoffice.requests.identify_requests",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "backoffice.requests.identify_users",
    "media_catalog.middleware.attribute_requests",
    "media_catalog.middleware.bound_decoding",
    "django.contrib.messages.middleware.MessageMiddleware",
    "media_catalog.middleware.FinishedJobs",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "backoffice.urls"
WSGI_APPLICATION = "backoffice.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["backoffice.users.Users"]
SESSION_ENGINE = "backoffice.sessions"  # the cache saves a query of each page; it may lose them, or be away
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
FORMAT_MODULE_PATH = ["backoffice.formats"]
TIME_ZONE = env("TIME_ZONE", default="UTC")
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = Path(env("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
# In production: static files from the static bucket, behind STATIC_DOMAIN (CloudFront). They are collected into
# STATIC_ROOT all the same, and `manage.py release` publishes them.
USE_S3 = env.bool("USE_S3", default=False)
STATIC_DOMAIN = env("STATIC_DOMAIN") if USE_S3 else ""

# No 'unsafe-*' anywhere: scripts and styles are files of our own.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

SQLITE_OPTIONS = {
    # Several processes share the file: WAL lets them read while one writes, and IMMEDIATE makes a
    # transaction that will write wait at its start instead of failing in its middle.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def database(default: str | None = None) -> dict[str, Any]:
    """Settings of the database at DATABASE_URL, with the options that its kind needs."""
    config: dict[str, Any] = env.db_url("DATABASE_URL", default) if default else env.db_url("DATABASE_URL")
    config["CONN_MAX_AGE"] = 600  # django-q2 reconnects for each task with 0
    config["CONN_HEALTH_CHECKS"] = True
    if config["ENGINE"].endswith("sqlite3"):
        config["OPTIONS"] = SQLITE_OPTIONS
    else:
        config.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)  # seconds, where the system's is minutes
    return config


DATABASE_WAIT_SECONDS = env.int("DATABASE_WAIT_SECONDS", default=60)  # of a process at its start


# Background work. django-q2 delivers at least once; the claims in JobItem make the effect single.
# A chunk stops after JOB_CHUNK_SECONDS and one item takes at most JOB_ITEM_SECONDS, so a task ends before
# `timeout`, which is below `retry`: no task runs twice because it was slow.
JOB_CHUNK_SIZE = 10
JOB_CHUNKS = 40  # at most so many tasks for one job at a time; the chunks of a large job are larger
JOB_CHUNK_SECONDS = 60
JOB_ITEM_SECONDS = env.int("JOB_ITEM_SECONDS", default=120)  # also the lease of a claimed item
JOB_ITEM_ATTEMPTS = 4  # for faults that may pass; waits of about 3, 15 and 75 seconds between them
JOB_RETRY_SECONDS = env.float("JOB_RETRY_SECONDS", default=3)  # before the second attempt
JOB_MAX_ITEMS = env.int("JOB_MAX_ITEMS", default=50_000)
JOB_CONFIRM_ABOVE = env.int("JOB_CONFIRM_ABOVE", default=500)  # from there on the number must be typed to confirm
JOB_KEEP_DAYS = env.int("JOB_KEEP_DAYS", default=90)  # the items of jobs that are over
FINDING_KEEP_DAYS = env.int("FINDING_KEEP_DAYS", default=365)  # findings that are over, and scans that no row needs
JOB_FINISHED_EMAIL = env.bool("JOB_FINISHED_EMAIL", default=False)  # tell the requester by e-mail as well
# DetectFaces requests per second, of all workers together. 5 is AWS's default quota in most regions:
# https://docs.aws.amazon.com/general/latest/gr/rekognition.html; in some it is 50.
REKOGNITION_PER_SECOND = env.float("REKOGNITION_PER_SECOND", default=5)
# A stopping worker may finish what it holds for so long; what it does not finish is taken up by the recovery.
WORKER_STOP_SECONDS = env.int("WORKER_STOP_SECONDS", default=4)
# The database as broker keeps a task until it is done. Redis is faster, and forgets a task when a worker takes it:
# one that dies with it is found by the recovery, after `retry`.
QUEUE_BROKER = env("QUEUE_BROKER", default="orm")
Q_CLUSTER: dict[str, Any] = {
    "name": "backoffice",
    "label": _("Queue"),
    **({"redis": env("REDIS_URL")} if QUEUE_BROKER == "redis" else {"orm": "default"}),
    "workers": env.int("WORKERS", default=2),  # with one, a killed idle worker hangs the cluster
    "timeout": JOB_CHUNK_SECONDS + JOB_ITEM_SECONDS + 30,
    "retry": JOB_CHUNK_SECONDS + JOB_ITEM_SECONDS + 90,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "queue_limit": 2 * env.int("WORKERS", default=2),  # the retry clock starts at prefetch
    "poll": 1,  # second; each look of an idle worker is two queries
    "catch_up": False,
    "log_level": "WARNING",
}

# The quota. A process takes units of a limit in blocks of up to QUOTA_BLOCK_SIZE; one that dies with a block in hand
# has it written off when its lease is over, so work in a block must end within QUOTA_BLOCK_SECONDS.
QUOTA_BLOCK_SIZE = env.int("QUOTA_BLOCK_SIZE", default=1000)
QUOTA_BLOCK_SECONDS = env.int("QUOTA_BLOCK_SECONDS", default=2 * (JOB_CHUNK_SECONDS + JOB_ITEM_SECONDS))
QUOTA_RESERVATION_SECONDS = env.int("QUOTA_RESERVATION_SECONDS", default=3600)  # renewed while the job lives
QUOTA_REFUSE_UNKNOWN = False  # an operation without a request class: counted as the dearest of its service, and logged
QUOTA_ALERT_EMAILS = env.list("QUOTA_ALERT_EMAILS", default=[])
# US dollars for one request: list prices of us-east-1, https://aws.amazon.com/s3/pricing/ (S3 Standard),
# https://aws.amazon.com/rekognition/pricing/ (first million images), https://aws.amazon.com/lambda/pricing/,
# https://aws.amazon.com/sqs/pricing/.
# Not looked up live: check them against your own region and bill.
REQUEST_PRICES = {
    "s3_tier1": env.float("PRICE_S3_TIER1", default=0.000_005),
    "s3_tier2": env.float("PRICE_S3_TIER2", default=0.000_000_4),
    "rekognition_image": env.float("PRICE_REKOGNITION_IMAGE", default=0.001),
    "lambda_invocation": env.float("PRICE_LAMBDA_INVOCATION", default=0.000_000_2),
    "sqs_request": env.float("PRICE_SQS_REQUEST", default=0.000_000_4),
    "free": 0.0,
}
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="backoffice@localhost")
EMAIL_TIMEOUT = 5  # seconds: an alert must not hold up the request that causes it
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)

# What is accepted, in bytes, pixels and Pillow's names of formats.
IMAGE_MAX_BYTES = env.int("IMAGE_MAX_BYTES", default=15 * 1024 * 1024)  # Rekognition reads no more from S3
IMAGE_MAX_PIXELS = env.int("IMAGE_MAX_PIXELS", default=50_000_000)
IMAGE_FORMATS = tuple(env.list("IMAGE_FORMATS", default=["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF"]))
FILE_MAX_BYTES = env.int("FILE_MAX_BYTES", default=100 * 1024 * 1024)  # of other files, in one PUT
# A page moves objects within its own request until then; the rest is a job's.
PAGE_SECONDS = env.float("PAGE_SECONDS", default=0.7)
TRASH_DAYS = env.int("TRASH_DAYS", default=30)  # until what was deleted is purged; 0: never by itself
UPLOAD_MAX_FILES = env.int("UPLOAD_MAX_FILES", default=50)
DATA_UPLOAD_MAX_NUMBER_FILES = 1000  # our own limit answers with a sentence, Django's with a bare 400
UPLOAD_STALE_SECONDS = env.int("UPLOAD_STALE_SECONDS", default=900)
# Originals that were read to find out what they are, for the job that makes their renditions: no second GET.
HANDOVER_MAX_BYTES = env.int("HANDOVER_MAX_BYTES", default=128 * 1024 * 1024)  # in all; 0 for none
HANDOVER_SECONDS = env.int("HANDOVER_SECONDS", default=900)
PREVIEW_CACHE_SECONDS = 30 * 24 * 3600
DOWNLOAD_LINK_SECONDS = 300

# The endpoint and credentials are read by boto3 itself from the environment; empty means AWS.
AWS_ENDPOINT_URL = env("AWS_ENDPOINT_URL", default="")
# Where browsers reach the same S3, when that is elsewhere: in containers, the local cloud has a name of its own.
AWS_BROWSER_ENDPOINT_URL = env("AWS_BROWSER_ENDPOINT_URL", default="")
AWS_REGION = env("AWS_DEFAULT_REGION", default="us-east-1")
BUCKET_ORIGINALS = env("BUCKET_ORIGINALS", default="mediafiles")
BUCKET_RENDITIONS = env("BUCKET_RENDITIONS", default="mediafilesresized")
BUCKET_STATIC = env("BUCKET_STATIC", default="staticfilesatv")
BUCKET_FILES = env("BUCKET_FILES", default="")  # files of any type; empty: none is named
# Of the buckets that the role of the pages lets them create; empty: whatever AWS allows.
MANAGED_BUCKET_PREFIX = env("MANAGED_BUCKET_PREFIX", default="")
# Where S3 announces new objects: to `manage.py consume_events`, or to the Lambda, by the bucket's resize engine.
EVENTS_QUEUE = env("EVENTS_QUEUE", default="backoffice-events")
RESIZER_QUEUE = env("RESIZER_QUEUE", default="backoffice-resizer")

# The API for uploads (docs/api.md), read at each use. The first six keep the names that their documents know.
ASYNC_IMAGE_UPLOAD_BUCKET = env("ASYNC_IMAGE_UPLOAD_BUCKET", default=BUCKET_ORIGINALS)
ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH = env("ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH", default="temp/")
ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_EXPIRATION = env.int("ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_EXPIRATION", default=1000)
ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_REUSE_WINDOW = env.int("ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_REUSE_WINDOW", default=30)
ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_CONTENT_LENGTH = env.int(
    "ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_CONTENT_LENGTH", default=10 * 1024 * 1024
)
# Where the renditions of an uploads bucket go that is not BUCKET_ORIGINALS: in one bucket, both would meet.
ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET = env("ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET", default="")
PROCESSED_IMAGE_MODEL = env("PROCESSED_IMAGE_MODEL", default="media_catalog.Image")
# Shared with the Lambda: the one in use and, while it is changed, the one before. Without any no callback is taken.
ASYNC_IMAGE_CALLBACK_SECRETS = env.list("ASYNC_IMAGE_CALLBACK_SECRETS", default=[])
ASYNC_IMAGE_CALLBACK_GRACE = env.int("ASYNC_IMAGE_CALLBACK_GRACE", default=60)  # seconds until a poll looks itself
ASYNC_IMAGE_RENDITIONS = env.int("ASYNC_IMAGE_RENDITIONS", default=3)  # of the Lambda for an upload: reserved with it
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=120)  # of one token
WEB_THREADS = env.int("WEB_THREADS", default=16)  # of each process of the web server
WEB_DECODING_SECONDS = 40  # for the pictures of one request: load balancers give up after 60 without an answer
# Long polls at a time in one process: each takes a thread, and the others are for pages and health checks.
API_MAX_WAITERS = env.int("API_MAX_WAITERS", default=WEB_THREADS // 4)
# Downloads through this site at a time in one process: each takes a thread for as long as its browser reads.
WEB_DOWNLOADS = max(1, (WEB_THREADS - API_MAX_WAITERS) // 2)
UPLOAD_FORM_SECONDS = env.int("UPLOAD_FORM_SECONDS", default=3600)  # to send a file that was chosen on the page

DEPLOYMENT_NAME = env("DEPLOYMENT_NAME", default="local")  # dimension of the metrics: staging, production
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"media_catalog": {"level": "INFO"}, "media_catalog.jobs.metrics": {"level": "WARNING"}},
}
