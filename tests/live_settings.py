"""The development settings with figures of a job that no deployment would choose, from the environment."""

from backoffice.settings.development import *  # noqa: F403
from backoffice.settings.development import INSTALLED_APPS, LOGGING, Q_CLUSTER
from backoffice.settings.environment import env

INSTALLED_APPS = [*INSTALLED_APPS, "tests.fatal", "tests.counting"]
JOB_CHUNK_SIZE = env.int("JOB_CHUNK_SIZE", default=10)
Q_CLUSTER = Q_CLUSTER | {
    "name": env("QUEUE_NAME", default="backoffice"),  # of its own in a Redis that others use too
    "retry": env.int("QUEUE_RETRY", default=Q_CLUSTER["retry"]),
}
SILENCED_SYSTEM_CHECKS = ["media_catalog.E005"]  # `retry` above `timeout`
LOGGING["loggers"]["django-q"] = {"level": "INFO"}  # which tasks were begun
