"""Whatever event comes: what is understood is done, the rest is said in the log, and failures are delivered again."""

import json

import pytest

from media_catalog.imaging import apart
from resizer import handler
from resizer.handler import Failed
from resizer.settings import SettingsError
from tests.lambda_function import api as callback_api
from tests.lambda_function.conftest import Context
from tests.lambda_function.events import announcement_test, s3_event, s3_record, sqs_event
from tests.pictures import encoded, jpeg, picture

RECORD = s3_record("bucket", "key")


@pytest.mark.parametrize(
    "event",
    [
        announcement_test("bucket"),
        s3_event(),
        s3_event(s3_record("bucket", "key", "ObjectRemoved:Delete")),
        s3_event(s3_record("bucket", "key", "ObjectRestore:Completed")),
        s3_event({**RECORD, "eventSource": "aws:sns"}),
        s3_event({**RECORD, "s3": {"bucket": {}}}),
        s3_event({**RECORD, "s3": "text"}),
        s3_event(s3_record("bucket", "nul\0")),
        s3_event(s3_record("bucket", "trash/2026-11-20/0", "ObjectCreated:Copy")),
        s3_event(s3_record("bucket", "quarantine/0", "ObjectCreated:Copy")),
        s3_event(s3_record("bucket", "k" * 1025)),
        s3_event(s3_record("", "key")),
        {**s3_event({**RECORD, "s3": {"bucket": {"name": "b"}, "object": {"key": "%ff"}}})},
        s3_event({**RECORD, "eventName": 7}),
        {"Records": "text"},
        {"Records": ["text", None]},
        {"detail-type": "Scheduled Event"},
        {},
        [],
        None,
        "text",
    ],
    ids=lambda event: json.dumps(event)[:60],
)
class TestNothingToDo:
    def test_direct(self, invoke, local_cloud, logged, event):
        mark = local_cloud.access_log.mark()

        assert invoke(event) is None
        assert not local_cloud.access_log.operations(mark)
        assert {line["message"] for line in logged()} <= {"ignored"}

    def test_in_a_message(self, invoke, logged, event):
        assert invoke(sqs_event(event, event)) == {"batchItemFailures": []}
        assert {line["message"] for line in logged()} <= {"ignored"}


@pytest.mark.parametrize("body", ["", "no json", "[" * 100_000, "\x00", '{"Records":'])
def test_a_message_that_is_not_json(invoke, logged, body):
    assert invoke(sqs_event(body)) == {"batchItemFailures": []}
    assert [line["reason"] for line in logged()] == ["not an event"]


class TestFailures:
    @pytest.fixture
    def good_and_bad(self, put, buckets):
        """Messages of a good upload, of one whose bucket denies everything, and of another good one."""
        first, last = (s3_event(s3_record(buckets.uploads, f"temp/{put(jpeg())}")) for _number in range(2))
        return [first, s3_event(s3_record("no-such-bucket", "photo.jpg")), last]

    def test_only_the_failed_message_comes_again(self, invoke, good_and_bad, api, logged):
        assert invoke(sqs_event(*good_and_bad)) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
        assert len(api.heard) == 2
        done, failed, _other = logged()
        assert (done["message"], done["request"], done["message_id"]) == ("done", "invocation-1", "m0")
        assert (failed["level"], failed["message"], failed["bucket"]) == ("ERROR", "failed", "no-such-bucket")
        assert "NoSuchBucket" in failed["exception"]

    def test_a_direct_event_fails_after_the_others_were_done(self, invoke, good_and_bad, api):
        records = [record for event in good_and_bad for record in event["Records"]]
        with pytest.raises(Failed):
            invoke(s3_event(*records))

        assert len(api.heard) == 2

    def test_a_callback_that_fails_makes_the_message_come_again(self, invoke, put, buckets, api, logged):
        api.script = [503, 503, 503]
        event = sqs_event(s3_event(s3_record(buckets.uploads, f"temp/{put(jpeg())}")))

        assert invoke(event) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
        assert invoke(event) == {"batchItemFailures": []}
        assert "processed_key" in api.heard[-1].json

    def test_what_there_is_no_time_for_comes_again(self, invoke, put, buckets, api):
        event = sqs_event(s3_event(s3_record(buckets.uploads, f"temp/{put(jpeg())}")))

        assert invoke(event, Context(milliseconds=9_000)) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
        assert not api.heard

    def test_a_decoder_that_would_outlive_the_function_is_reported(self, invoke, put, buckets, api, monkeypatch):
        monkeypatch.setattr(apart, "_START", "import time; time.sleep(60)")
        monkeypatch.setattr(handler, "SECONDS_FOR_ONE", 1)
        event = sqs_event(s3_event(s3_record(buckets.uploads, f"temp/{put(encoded(picture(), 'TIFF'))}")))

        assert invoke(event, Context(milliseconds=6_000)) == {"batchItemFailures": []}
        assert api.heard[0].json["error"] == {"code": "too_much_work", "reason": "", "facts": {}}

    def test_no_secret_in_the_log(self, invoke, good_and_bad, api, capsys):
        api.script = [503, 503, 403]
        invoke(sqs_event(*good_and_bad))
        printed = capsys.readouterr()

        assert "CallbackFailed" in printed.out
        for secret in (callback_api.SECRET, "testing-secret", api.heard[0].headers["X-Backoffice-Signature"]):
            assert secret not in printed.out + printed.err


def test_a_wrong_setting_fails_each_invocation_by_name(invoke):
    for _try in range(2):
        with pytest.raises(SettingsError, match="IMAGE_MAX_BYTES"):
            invoke(sqs_event(announcement_test("bucket")), IMAGE_MAX_BYTES="many")


def test_without_a_callback_the_renditions_are_made(invoke, put, buckets, keys, api):
    event = s3_event(s3_record(buckets.uploads, f"temp/{put(jpeg())}"))
    invoke(event, CALLBACK_URL="")

    assert len(keys(buckets.renditions)) == 3
    assert not api.heard
