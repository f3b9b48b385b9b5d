"""The entry of the function: `resizer.handler.handle`.

Takes events of S3, direct or in messages of SQS. A message whose processing may succeed later is answered as failed
(`batchItemFailures`), a direct event by an exception: so it is delivered again, and goes to the dead-letter queue in
the end. What can never succeed is reported or logged, and done.
"""

import functools
import json
import logging
import os
import time
from typing import Any

from media_catalog import s3_events
from media_catalog.imaging import apart
from resizer import memory, settings
from resizer.callback import Sender
from resizer.logs import LOGGER, log, set_up
from resizer.processing import Resizer
from resizer.storage import Storage

# One object may take so long; with less time left it is better delivered again, before the others are done twice.
SECONDS_FOR_ONE = 10
# Kept from a decoder in a child process, so that its end can be told: a run that Lambda ends tells nothing, each time.
SECONDS_FOR_REPORT = 5


logger = logging.getLogger(LOGGER)


class Failed(Exception):
    """Not all of a direct event could be processed; the log says why."""


def handle(event: Any, context: Any) -> dict[str, Any] | None:
    """`batchItemFailures` for messages of SQS, None for a direct event."""
    resizer = _resizer()
    messages = _messages(event)
    if messages is None:
        if not _take(resizer, event, context):
            raise Failed
        return None
    failed = [
        identifier for identifier, body in messages if not _take(resizer, _decoded(body), context, message=identifier)
    ]
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}


@functools.cache
def _resizer() -> Resizer:
    """Once for each process. A wrong setting fails every invocation, with its name."""
    set_up()
    memory.bound(os.environ)
    chosen = settings.read(os.environ)
    return Resizer(chosen, Storage(), Sender(chosen.callback) if chosen.callback else None)


def _messages(event: Any) -> list[tuple[str, Any]] | None:
    """(identifier, body) of each message of SQS; None when the event is none of SQS."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        return None
    wrapped = [each for each in records if isinstance(each, dict) and each.get("eventSource") == "aws:sqs"]
    return [(each.get("messageId", ""), each.get("body")) for each in wrapped] if wrapped else None


def _decoded(body: Any) -> Any:
    """What the message says, None when it is not JSON."""
    try:
        return json.loads(body)
    except (TypeError, ValueError, RecursionError):
        return None


def _take(resizer: Resizer, event: Any, context: Any, message: str = "") -> bool:
    """Whether the event is done with. Each object has its turn, whatever becomes of the others."""
    told = s3_events.read(event)
    common = {"request": context.aws_request_id, "message_id": message}
    for reason in told.ignored:
        log("ignored", reason=reason, **common)
    for removed in told.removed:
        log("ignored", reason="deleted", bucket=removed.bucket, key=removed.key, **common)
    done = [_process(resizer, created, context, common) for created in told.created]
    return all(done)


def _process(resizer: Resizer, created: s3_events.Created, context: Any, common: dict[str, str]) -> bool:
    place = {"bucket": created.bucket, "key": created.key, **common}
    left = context.get_remaining_time_in_millis() / 1000
    if left < SECONDS_FOR_ONE:
        log("no time left", **place)
        return False
    begun = time.monotonic()
    try:
        with apart.at_most(left - SECONDS_FOR_REPORT):
            outcome = resizer.process(created)
    except Exception:  # whatever it is, the others have their turn, and this one comes again
        logger.exception("failed", extra={"fields": place})
        return False
    facts = {name: value for name, value in vars(outcome).items() if name != "result"}
    log(outcome.result, milliseconds=round((time.monotonic() - begun) * 1000), **facts, **place)
    return True
