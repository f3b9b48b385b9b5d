"""Where S3 announces new objects to: the queue of their bucket's resize engine."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from media_catalog.aws import s3, sqs
from media_catalog.exceptions import AwsNotFound
from media_catalog.models import Bucket


@dataclass(frozen=True, kw_only=True)
class Wired:
    """`queue` is a name, empty for none. `changed`: S3 announced the bucket's objects elsewhere before."""

    bucket: Bucket
    queue: str
    changed: bool


def wire() -> list[Wired]:
    """Have S3 announce the objects of the buckets for uploads, and of the renditions that the Lambda makes of them.

    Creates the queues that are missing. Safe to repeat: then three requests for each queue and one for each bucket.
    """
    routes = list(_routes())
    arns = {}
    for name in sorted({queue for _bucket, queue in routes if queue}):
        queue = sqs.find_queue(name) or sqs.create_queue(name)
        sqs.let_s3_send(queue, buckets=[bucket.name for bucket, wanted in routes if wanted == name])
        arns[name] = queue.arn
    return [
        Wired(bucket=bucket, queue=queue, changed=s3.announce_to(bucket.name, queue_arn=arns.get(queue)))
        for bucket, queue in routes
    ]


def queue() -> sqs.Queue:
    """The queue of the objects that we hear of. Raises AwsNotFound before `wire` has created it."""
    found = sqs.find_queue(settings.EVENTS_QUEUE)
    if found is None:
        raise AwsNotFound(settings.EVENTS_QUEUE)
    return found


def _routes() -> Iterator[tuple[Bucket, str]]:
    """Each bucket with the name of its queue, empty where nobody needs to hear."""
    for bucket in Bucket.objects.for_uploads().select_related("renditions_bucket").order_by("pk"):
        by_lambda = bucket.resize_engine == Bucket.ResizeEngine.LAMBDA
        yield bucket, settings.RESIZER_QUEUE if by_lambda else settings.EVENTS_QUEUE
        assert bucket.renditions_bucket is not None  # noqa: S101  (for_uploads)
        # What the workers make they write down themselves.
        yield bucket.renditions_bucket, settings.EVENTS_QUEUE if by_lambda else ""
