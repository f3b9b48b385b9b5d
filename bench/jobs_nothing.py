"""Work that does nothing: a task for django-q2 as it comes and, where this is an app, a service for our jobs."""

from typing import Any

from django.apps import AppConfig

TASK = "jobs_nothing.nothing"


def nothing(*_arguments: Any, **_named: Any) -> int:
    return 1


class NothingConfig(AppConfig):
    """Of the job that makes renditions all stays but the making."""

    name = "jobs_nothing"

    def ready(self) -> None:
        from media_catalog.services import renditions

        renditions.make = nothing
