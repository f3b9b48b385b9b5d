"""The report to the API: signed, in time, tried again when that may help."""

import contextlib
import time

import boto3
import pytest

from resizer import callback
from resizer.callback import CallbackFailed, Sender, signature
from resizer.settings import Callback
from tests.lambda_function.api import SECRET

REPORT = {"report": "1", "processed_key": "image/é"}


@pytest.fixture
def sender(api):
    def _sender(*, seconds: float = 1, attempts: int = 3, secret: str = SECRET, arn: str = "") -> Sender:
        return Sender(Callback(url=api.url, secret=secret, secret_arn=arn, seconds=seconds, attempts=attempts))

    return _sender


def test_the_signature_of_the_contract():
    """Made with: printf '1700000000.PUT/async_image/presignedurl/ab.{}' | openssl dgst -sha256 -hmac key"""
    headers = signature("key", "https://host/async_image/presignedurl/ab", b"{}", clock=lambda: 1_700_000_000.9)

    assert headers == {
        "X-Backoffice-Timestamp": "1700000000",
        "X-Backoffice-Signature": "c57d0cb5d92a4f5f75e8734f433c0c597fa5ae74297c77507ad0fa0f43074ea4",
    }


def test_a_report_is_signed_and_sent_once(sender, api):
    assert sender().send("ab", REPORT) == 200

    [heard] = api.heard
    assert heard.genuine
    assert (heard.json, heard.path) == (REPORT, "/async_image/presignedurl/ab")
    assert heard.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 0])
def test_what_may_pass_is_tried_again(sender, api, status):
    api.script = [status]

    assert sender().send("ab", REPORT) == 200
    assert [heard.genuine for heard in api.heard] == [True, True]
    assert api.heard[0].body == api.heard[1].body


@pytest.mark.parametrize("status", [404, 409])
def test_what_the_api_has_decided_is_final(sender, api, status):
    api.script = [status]

    assert sender().send("ab", REPORT) == status
    assert len(api.heard) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 302])
def test_what_somebody_must_mend_fails_at_once(sender, api, status):
    api.script = [status]
    with pytest.raises(CallbackFailed, match=str(status)):
        sender().send("ab", REPORT)

    assert len(api.heard) == 1


def test_it_gives_up_in_the_end(sender, api):
    api.script = [500, 500, 500]
    with pytest.raises(CallbackFailed, match="500"):
        sender(attempts=2).send("ab", REPORT)

    assert len(api.heard) == 2


def test_an_api_that_does_not_answer_costs_only_so_much_time(sender, api):
    api.script = [0, 0]
    begun = time.monotonic()
    with pytest.raises(CallbackFailed, match="no answer"):
        sender(seconds=0.2, attempts=2).send("ab", REPORT)

    assert time.monotonic() - begun < 1.1  # twice 0.2 s, and 0.5 s between


def test_it_waits_as_long_as_the_api_asks(sender, api):
    api.script, api.headers = [429], {"Retry-After": "1"}
    begun = time.monotonic()
    sender().send("ab", REPORT)

    assert time.monotonic() - begun >= 1


def test_nothing_listens(api):
    away = Callback(url="http://127.0.0.1:9/", secret=SECRET, secret_arn="", seconds=1, attempts=1)
    with pytest.raises(CallbackFailed, match="no answer"):
        Sender(away).send("ab", REPORT)


def test_the_secret_does_not_show():
    assert SECRET not in repr(Callback(url="http://x/", secret=SECRET, secret_arn="", seconds=1, attempts=1))


def test_a_secret_that_was_rotated_is_read_again(sender, api, local_cloud, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_cloud.endpoint_url)
    with contextlib.closing(boto3.client("secretsmanager")) as secrets:
        arn = secrets.create_secret(Name="callback", SecretString="old")["ARN"]
        keeper = sender(secret="", arn=arn)
        keeper.send("ab", REPORT)
        secrets.put_secret_value(SecretId=arn, SecretString=SECRET)
    api.script = [401]
    keeper.send("ab", REPORT)

    assert [heard.genuine for heard in api.heard] == [False, False, True]


def test_while_the_kept_secret_is_changed_the_first_one_signs(sender, api, monkeypatch):
    """Secrets Manager then holds the new one and the one before, as the site reads them."""

    class Held:
        def get_secret_value(self, **_asked):
            return {"SecretString": f"{SECRET}, the-one-before"}

    monkeypatch.setattr(callback.boto3, "client", lambda _service: Held())

    assert sender(secret="", arn="arn:aws:secretsmanager:x").send("ab", REPORT) == 200
    assert api.heard[0].genuine
