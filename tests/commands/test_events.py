"""From an object that any client puts to its renditions, with the product's own processes; and how they end."""

import contextlib
import signal
import time

import boto3
import pytest
from django.core.management import CommandError, call_command

from media_catalog.models import RequestUsage
from tests.pictures import jpeg
from tests.stack import Stack, running_stack, wait_for

ODD = "álbum 1/a+b & c é.jpg"
# A message that was received comes again after so many seconds.
SOON_AGAIN = """
from media_catalog.aws.client import client
from media_catalog.services import announcements
client("sqs").set_queue_attributes(QueueUrl=announcements.queue().url, Attributes={"VisibilityTimeout": "3"})
"""
NOTHING_LEFT = (
    "from media_catalog.models import RequestLimit;"
    " RequestLimit.objects.exclude(request_class='sqs_request').update(limit=0)"
)


def test_wire_events_says_what_it_did(originals, settings, capsys):
    settings.EVENTS_QUEUE = f"{originals.name}-events"
    call_command("wire_events")
    call_command("wire_events")

    assert capsys.readouterr().out.splitlines() == [
        f"{originals.name} → {settings.EVENTS_QUEUE} (changed)",
        f"{originals.name}-resized → nowhere (as it was)",
        f"{originals.name} → {settings.EVENTS_QUEUE} (as it was)",
        f"{originals.name}-resized → nowhere (as it was)",
    ]
    assert RequestUsage.objects.filter(action="wire_events", request_class="sqs_request").exists()


def test_consume_events_names_the_queue_that_is_missing(cloud, db, settings):
    settings.EVENTS_QUEUE = "not-wired"
    with pytest.raises(CommandError, match="“not-wired”: run wire_events first"):
        call_command("consume_events")


@pytest.mark.live
@pytest.mark.xdist_group("live")
class TestLive:
    @pytest.fixture
    def stack(self, tmp_path):
        with running_stack(tmp_path) as stack:
            stack.manage("wire_events")
            yield stack

    @pytest.fixture
    def anybody(self, stack):
        account = stack.cloud.account
        with contextlib.closing(
            boto3.client(
                "s3",
                endpoint_url=stack.cloud.endpoint_url,
                aws_access_key_id=account.access_key_id,
                aws_secret_access_key=account.secret_access_key,
            )
        ) as client:
            yield client

    def _consumer(self, stack: Stack):
        consumer = stack.start("consume_events")
        wait_for(lambda: "Waiting for objects" in stack.log("consume_events"), 20)
        return consumer

    def test_an_object_put_by_plain_boto3_gets_its_renditions(self, stack, anybody):
        stack.start_worker()
        consumer = self._consumer(stack)
        anybody.put_object(Bucket="mediafiles", Key=ODD, Body=jpeg())

        wait_for(lambda: stack.query("select state from media_catalog_job where state = 'finished'"), 40)
        [image] = stack.query("select id from media_catalog_image where key = ?", ODD)
        renditions = stack.query("select key from media_catalog_rendition where image_id = ?", *image)
        assert (ODD,) in renditions
        assert len(renditions) == 6
        thumbnail = anybody.head_object(Bucket="mediafilesresized", Key=ODD)
        assert thumbnail["ContentType"] == "image/jpeg"

        consumer.send_signal(signal.SIGTERM)
        assert consumer.wait(5) == 0
        assert "Traceback" not in stack.log("consume_events")

    def test_it_can_wait_for_its_queue(self, stack):
        stack.start("consume_events", "--wait", EVENTS_QUEUE="later")
        wait_for(lambda: "“later”: run wire_events first" in stack.log("consume_events"), 20)
        stack.manage("wire_events", EVENTS_QUEUE="later")

        wait_for(lambda: "Waiting for objects announced to later" in stack.log("consume_events"), 20)

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
    def test_told_to_stop_in_a_long_poll(self, stack, how):
        consumer = self._consumer(stack)
        consumer.send_signal(how)

        assert consumer.wait(5) == 0
        assert "Traceback" not in stack.log("consume_events")

    def test_killed_before_the_message_is_deleted_it_comes_again(self, stack, anybody):
        stack.manage("shell", "-v0", "-c", SOON_AGAIN)
        anybody.put_object(Bucket="mediafiles", Key="a.jpg", Body=jpeg())
        self._consumer(stack).kill()
        self._consumer(stack)

        wait_for(lambda: stack.query("select id from media_catalog_image where key = 'a.jpg'"), 20)
        assert len(stack.query("select id from media_catalog_job")) == 1

    def test_what_a_killed_one_had_reserved_comes_back_with_its_lease(self, stack):
        counters = "select sum(reserved), sum(leased) from media_catalog_requestcounter where request_class = ?"
        consumer = stack.start("consume_events", QUOTA_BLOCK_SECONDS="3")
        wait_for(lambda: stack.query(counters, "sqs_request")[0][1], 20)  # in its first poll
        consumer.kill()
        consumer.wait()
        assert stack.query(counters, "s3_tier2")[0][0] == 2 * 20  # of the day and of the month

        time.sleep(3.1)
        stack.python("from media_catalog.quota import reservations; reservations.sweep()")
        assert stack.query(counters, "s3_tier2") == stack.query(counters, "sqs_request") == [(0, 0)]

    def test_while_a_limit_is_reached_messages_stay_in_the_queue(self, stack, anybody):
        stack.manage("shell", "-v0", "-c", NOTHING_LEFT)
        consumer = self._consumer(stack)
        anybody.put_object(Bucket="mediafiles", Key="a.jpg", Body=jpeg())

        time.sleep(2)
        received = [entry for entry in stack.cloud.access_log.since() if entry.operation == "ReceiveMessage"]
        assert not received
        assert consumer.poll() is None
