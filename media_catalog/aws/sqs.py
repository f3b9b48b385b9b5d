"""Queues in our words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from media_catalog.exceptions import AwsNotFound, AwsUnavailable

from .client import call, client

WAIT_SECONDS = 10  # of a long poll; below the read timeout of the client
AT_ONCE = 10  # messages; S3 sends one object in each
# A message that was received comes again then, unless it is deleted. AWS asks for six times the timeout of a function
# that is fed, and ours has 60 seconds (lambda/README.md).
INVISIBLE_SECONDS = 6 * 60
DELIVERIES = 5  # then it goes to the dead-letter queue
KEEP_SECONDS = 14 * 24 * 3600  # the longest that SQS has


@dataclass(frozen=True, kw_only=True)
class Queue:
    url: str
    arn: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """`receipt` is that of this delivery."""

    body: str
    receipt: str


def find_queue(name: str) -> Queue | None:
    """Two requests; one when there is none."""
    try:
        with call():
            url = client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
            return _described(url)
    except AwsNotFound:
        return None


def create_queue(name: str) -> Queue:
    """With a dead-letter queue, `<name>-dead`, for what fails each time. Four requests."""
    with call():
        kept: Any = {"MessageRetentionPeriod": str(KEEP_SECONDS)}
        dead = _described(client("sqs").create_queue(QueueName=f"{name}-dead", Attributes=kept)["QueueUrl"])
        redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": DELIVERIES})
        created = client("sqs").create_queue(
            QueueName=name,
            Attributes={**kept, "VisibilityTimeout": str(INVISIBLE_SECONDS), "RedrivePolicy": redrive},
        )
        return _described(created["QueueUrl"])


def set_up(queue: Queue, *, buckets: Sequence[str]) -> None:
    """Let S3 send messages of these buckets, if they are of the queue's own account, and nobody else's.

    A queue that somebody else has made gets our INVISIBLE_SECONDS too. One request.
    """
    account = queue.arn.split(":")[4]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
        "Condition": {
            "ArnEquals": {"aws:SourceArn": [f"arn:aws:s3:::{bucket}" for bucket in buckets]},
            "StringEquals": {"aws:SourceAccount": account},
        },
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with call():
        wanted: Any = {"Policy": policy, "VisibilityTimeout": str(INVISIBLE_SECONDS)}
        client("sqs").set_queue_attributes(QueueUrl=queue.url, Attributes=wanted)


def receive(queue: Queue) -> list[Message]:
    """Up to AT_ONCE messages, as soon as there is one; none after WAIT_SECONDS. One request."""
    with call():
        answer = client("sqs").receive_message(
            QueueUrl=queue.url, MaxNumberOfMessages=AT_ONCE, WaitTimeSeconds=WAIT_SECONDS
        )
    return [Message(body=message["Body"], receipt=message["ReceiptHandle"]) for message in answer.get("Messages", [])]


def delete(queue: Queue, messages: Sequence[Message]) -> None:
    """Up to AT_ONCE messages, in one request. AwsUnavailable when some stay: they come again."""
    entries = [{"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(messages)]
    with call():
        answer = client("sqs").delete_message_batch(QueueUrl=queue.url, Entries=entries)  # type: ignore[arg-type]
    if answer.get("Failed"):
        raise AwsUnavailable(f"not deleted: {answer['Failed']}")


def _described(url: str) -> Queue:
    attributes = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return Queue(url=url, arn=attributes["QueueArn"])
