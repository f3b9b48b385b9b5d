"""Where S3 announces new objects to: the queue of their bucket's resize engine."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from media_catalog.aws import s3, sqs
from media_catalog.exceptions import AwsNotFound
from media_catalog.models import Bucket


@dataclass(frozen=True, kw_only=True)
class Wired:
    """`queue` is the name of that of new objects, empty for none. `changed`: it was told otherwise before."""

    bucket: Bucket
    queue: str
    changed: bool


def wire() -> list[Wired]:
    """Have S3 announce the objects of the buckets for uploads, and of the renditions that the Lambda makes of them.

    What is deleted from a bucket for uploads is announced to the worker's queue, whichever its engine.

    Creates the queues that are missing. Safe to repeat: then three requests for each queue and one for each bucket.
    """
    routes = list(_routes())
    arns = {}
    for name in sorted({name for route in routes for name in (route.written, route.deleted) if name}):
        queue = sqs.find_queue(name) or sqs.create_queue(name)
        sqs.set_up(queue, buckets=[route.bucket.name for route in routes if name in (route.written, route.deleted)])
        arns[name] = queue.arn
    return [
        Wired(
            bucket=route.bucket,
            queue=route.written,
            changed=s3.announce_to(route.bucket.name, written=arns.get(route.written), deleted=arns.get(route.deleted)),
        )
        for route in routes
    ]


def queue() -> sqs.Queue:
    """The queue of the objects that we hear of. Raises AwsNotFound before `wire` has created it."""
    found = sqs.find_queue(settings.EVENTS_QUEUE)
    if found is None:
        raise AwsNotFound(settings.EVENTS_QUEUE)
    return found


@dataclass(frozen=True, kw_only=True)
class _Route:
    """A bucket with the names of the queues of what is written and deleted, empty where nobody needs to hear."""

    bucket: Bucket
    written: str
    deleted: str = ""


def _routes() -> Iterator[_Route]:
    for bucket in Bucket.objects.for_uploads().select_related("renditions_bucket").order_by("pk"):
        by_lambda = bucket.resize_engine == Bucket.ResizeEngine.LAMBDA
        written = settings.RESIZER_QUEUE if by_lambda else settings.EVENTS_QUEUE
        yield _Route(bucket=bucket, written=written, deleted=settings.EVENTS_QUEUE)
        assert bucket.renditions_bucket is not None  # noqa: S101  (for_uploads)
        # What the workers make they write down themselves.
        yield _Route(bucket=bucket.renditions_bucket, written=settings.EVENTS_QUEUE if by_lambda else "")
