"""Where S3 announces objects to; through the real queue to the catalogue."""

import contextlib
import json

import boto3
import pytest

from localcloud import function
from media_catalog.aws import s3, sqs
from media_catalog.jobs import consumer
from media_catalog.models import Bucket, Image
from media_catalog.services import announcements
from tests.pictures import jpeg

ODD = "álbum 1/a+b & c é.jpg"


@pytest.fixture
def queues(settings, originals):
    settings.EVENTS_QUEUE, settings.RESIZER_QUEUE = f"{originals.name}-events", f"{originals.name}-resizer"
    return settings


def test_an_object_put_with_plain_boto3_comes_through_the_queue(queues, originals, cloud, work):
    [wired, _renditions] = announcements.wire()
    assert (wired.bucket, wired.queue, wired.changed) == (originals, queues.EVENTS_QUEUE, True)
    with contextlib.closing(boto3.client("s3", endpoint_url=cloud.endpoint_url)) as anybody:
        anybody.put_object(Bucket=originals.name, Key=ODD, Body=jpeg())
    queue = announcements.queue()
    received = _received(queue, 2)  # S3 tests the queue with a message when it is wired
    sqs.delete(queue, consumer.take(received))
    work()

    image = Image.objects.get()
    assert image.key == ODD
    assert image.renditions.count() == 6


def test_wiring_again_changes_nothing(queues, originals):
    announcements.wire()

    assert not any(wired.changed for wired in announcements.wire())


def test_what_is_deleted_with_plain_boto3_is_marked_and_put_back(queues, originals, store, cloud):
    image = store()
    announcements.wire()
    queue = announcements.queue()
    sqs.delete(queue, _received(queue, 1))  # S3's tests of the wiring
    with contextlib.closing(boto3.client("s3", endpoint_url=cloud.endpoint_url)) as anybody:
        body = anybody.get_object(Bucket=originals.name, Key=image.key)["Body"].read()
        anybody.delete_object(Bucket=originals.name, Key=image.key)
        sqs.delete(queue, consumer.take(_received(queue, 1)))
        image.refresh_from_db()
        assert image.missing_since

        anybody.put_object(Bucket=originals.name, Key=image.key, Body=body)
        sqs.delete(queue, consumer.take(_received(queue, 1)))
    image.refresh_from_db()
    assert image.missing_since is None


def test_a_queue_that_is_there_hides_messages_long_enough(queues, originals, cloud):
    """Six times the timeout of the function, as AWS asks for."""
    assert function.TIMEOUT_SECONDS * 6 <= sqs.INVISIBLE_SECONDS
    announcements.wire()
    with contextlib.closing(boto3.client("sqs", endpoint_url=cloud.endpoint_url)) as client:
        queue = announcements.queue()
        client.set_queue_attributes(QueueUrl=queue.url, Attributes={"VisibilityTimeout": "5"})
        announcements.wire()
        held = client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert held == {"VisibilityTimeout": str(sqs.INVISIBLE_SECONDS)}


def test_another_engine_takes_the_bucket_to_the_other_queue(queues, originals, cloud):
    announcements.wire()
    Bucket.objects.filter(pk=originals.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
    announcements.wire()

    with contextlib.closing(boto3.client("s3", endpoint_url=cloud.endpoint_url)) as anybody:
        found = anybody.get_bucket_notification_configuration(Bucket=originals.name)["QueueConfigurations"]
    assert {each["Id"]: each["QueueArn"].rpartition(":")[2] for each in found} == {
        s3.ANNOUNCEMENT: queues.RESIZER_QUEUE,
        s3.DELETIONS: queues.EVENTS_QUEUE,
    }


def test_what_others_have_configured_stays(queues, originals, cloud):
    other = sqs.create_queue(f"{originals.name}-other")
    sqs.set_up(other, buckets=[originals.name])
    theirs = {"Id": "theirs", "QueueArn": other.arn, "Events": ["s3:ObjectRemoved:*"]}
    with contextlib.closing(boto3.client("s3", endpoint_url=cloud.endpoint_url)) as anybody:
        anybody.put_bucket_notification_configuration(
            Bucket=originals.name, NotificationConfiguration={"QueueConfigurations": [theirs]}
        )
        announcements.wire()
        found = anybody.get_bucket_notification_configuration(Bucket=originals.name)["QueueConfigurations"]

    assert [each["Id"] for each in found] == ["theirs", s3.ANNOUNCEMENT]


def test_another_bucket_may_not_send(queues, originals, cloud):
    announcements.wire()
    queue = announcements.queue()
    with contextlib.closing(boto3.client("s3", endpoint_url=cloud.endpoint_url)) as anybody:
        stranger = f"{originals.name}-stranger"
        anybody.create_bucket(Bucket=stranger)
        configuration = {"QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}]}
        with pytest.raises(anybody.exceptions.ClientError, match="Unable to validate"):
            anybody.put_bucket_notification_configuration(Bucket=stranger, NotificationConfiguration=configuration)


def test_only_s3_may_send_and_only_for_our_account(queues, originals, cloud):
    announcements.wire()
    queue = announcements.queue()
    with contextlib.closing(boto3.client("sqs", endpoint_url=cloud.endpoint_url)) as client:
        held = client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["Policy"])["Attributes"]["Policy"]

    [statement] = json.loads(held)["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": queue.arn.split(":")[4]}


def test_what_fails_each_time_goes_to_the_dead_letter_queue(queues, originals, cloud):
    announcements.wire()
    queue = announcements.queue()
    dead = sqs.find_queue(f"{queues.EVENTS_QUEUE}-dead")
    assert dead is not None
    with contextlib.closing(boto3.client("sqs", endpoint_url=cloud.endpoint_url)) as client:
        client.set_queue_attributes(QueueUrl=queue.url, Attributes={"VisibilityTimeout": "0"})
        client.purge_queue(QueueUrl=queue.url)
        client.send_message(QueueUrl=queue.url, MessageBody="poison")
        for _delivery in range(sqs.DELIVERIES):
            assert sqs.receive(queue)
        client.receive_message(QueueUrl=queue.url)

    assert [each.body for each in sqs.receive(dead)] == ["poison"]


def _received(queue: sqs.Queue, count: int) -> list[sqs.Message]:
    messages: list[sqs.Message] = []
    while len(messages) < count:
        messages += sqs.receive(queue)
    return messages
