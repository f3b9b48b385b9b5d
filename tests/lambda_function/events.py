"""Events as S3 and SQS send them."""

import json
from typing import Any
from urllib.parse import quote_plus


def s3_record(bucket: str, key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    place = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), "size": 1, "eTag": "0"}}
    return {"eventSource": "aws:s3", "eventName": name, "s3": place}


def s3_event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def announcement_test(bucket: str) -> dict[str, Any]:
    """What S3 sends when an announcement is configured: its TestEvent."""
    return {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket}


def sqs_event(*bodies: Any) -> dict[str, Any]:
    """Messages m0, m1, … with these bodies; one that is no text is encoded."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {
        "Records": [
            {"eventSource": "aws:sqs", "messageId": f"m{number}", "body": text} for number, text in enumerate(texts)
        ]
    }
