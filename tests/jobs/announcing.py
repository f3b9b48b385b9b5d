"""Objects of any client and what S3 announces of them, handed to the consumer."""

import json

import pytest

from media_catalog.aws import s3, sqs
from media_catalog.exceptions import AwsUnavailable
from media_catalog.jobs import consumer
from tests.lambda_function.events import s3_event, s3_record


@pytest.fixture
def put(originals):
    """Writes an object as any client would; its ETag."""

    def _put(key: str, body: bytes) -> str:
        return s3.put_object(originals.name, key, body, content_type="binary/octet-stream", overwrite=True)

    return _put


@pytest.fixture
def announce(originals):
    """Hands messages of events of this bucket to the consumer; those that are done with."""

    def _announce(*keys: str, name: str = "ObjectCreated:Put", etag: str = "0") -> list[sqs.Message]:
        records = [s3_record(originals.name, key, name) for key in keys]
        for record in records:
            record["s3"]["object"]["eTag"] = etag
        return consumer.take([message(s3_event(record)) for record in records])

    return _announce


@pytest.fixture
def announce_each(originals):
    """Hands a message for each of these keys to the consumer; the keys of those that are done with."""

    def _announce_each(*keys: str) -> list[str]:
        messages = {key: message(s3_event(s3_record(originals.name, key, "ObjectCreated:Put"))) for key in keys}
        done = consumer.take(list(messages.values()))
        return [key for key, sent in messages.items() if sent in done]

    return _announce_each


def message(body: object) -> sqs.Message:
    return sqs.Message(body=body if isinstance(body, str) else json.dumps(body), receipt="r")


def away(*_args):
    """In place of a request to S3."""
    raise AwsUnavailable("down")
