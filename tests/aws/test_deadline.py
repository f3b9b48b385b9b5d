"""A call ends in time, however slowly the other side goes about it."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from media_catalog.aws import client, s3
from media_catalog.aws.deadline import check, deadline
from media_catalog.exceptions import AwsUnavailable
from tests.quota.ledger import used

from .faults import HANG, OK, Answer, FaultServer, s3_error

pytestmark = pytest.mark.django_db

# Twenty pieces, each long before the read timeout: 6 s in all.
DRIBBLE = Answer(body=b"x" * 2000, headers=OK.headers, piece=100, pause=0.3)
IN_TIME = 4  # seconds: well below the 6 s, well above what a busy machine adds to 0.5 s


@pytest.fixture(autouse=True)
def _client_is_made(faults: FaultServer) -> None:
    """Making a client takes a moment, more on a busy machine, which is not what the tests here are about."""
    client.client("s3")


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def test_ends_a_body_that_dribbles_in(faults: FaultServer) -> None:
    faults.script.append(DRIBBLE)

    with ends_within(IN_TIME), deadline(0.5), pytest.raises(AwsUnavailable, match="deadline"):
        s3.get_object("photos", "a.jpg")

    assert used() == faults.billed == {"s3_tier2": 1}


def test_lets_a_slow_body_arrive_that_is_in_time(faults: FaultServer) -> None:
    faults.script.append(Answer(body=b"0123456789", headers=OK.headers, piece=1, pause=0.02))

    with deadline(10):
        found = s3.get_object("photos", "a.jpg")

    assert found
    assert found.body == b"0123456789"


def test_ends_retries(faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_SECONDS", 0.6)
    client.forget_clients()
    client.client("s3")
    faults.script.append(HANG)

    with ends_within(IN_TIME), deadline(0.5), pytest.raises(AwsUnavailable, match="deadline"):
        s3.head_object("photos", "a.jpg")

    assert used() == faults.billed == {"s3_tier2": 1}


@pytest.mark.parametrize(("slow_below", "counted"), [(10**9, {}), (500_000, {"s3_tier1": 1})])
def test_ends_a_body_that_we_read_slowly(slow_below: int, counted: dict[str, int], faults: FaultServer) -> None:
    """It is read twice: in large pieces for the signature, before the request, and in small ones for the wire."""

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if size and size < slow_below:
                time.sleep(0.3)
            return super().read(size)

    with ends_within(IN_TIME), deadline(0.5), pytest.raises(AwsUnavailable, match="deadline"):
        s3.put_object("photos", "a.jpg", Slow(b"x" * 20_000_000), content_type="image/jpeg")

    assert used() == counted


def test_of_a_call_is_its_own(faults: FaultServer) -> None:
    with ends_within(IN_TIME), pytest.raises(AwsUnavailable, match="deadline"), client.call(seconds=0):
        client.client("s3").head_bucket(Bucket="photos")

    assert not faults.log
    assert used() == {}


@pytest.mark.parametrize(("outer", "inner"), [(0.5, 60), (60, 0.5)])
def test_the_earlier_of_two_wins(outer: float, inner: float, faults: FaultServer) -> None:
    faults.script.append(DRIBBLE)

    with ends_within(IN_TIME), deadline(outer), deadline(inner), pytest.raises(AwsUnavailable):
        s3.get_object("photos", "a.jpg")


def test_an_inner_one_ends_with_its_block() -> None:
    with deadline(60):
        with deadline(-1), pytest.raises(AwsUnavailable):
            check()
        check()


def test_a_connection_that_was_given_up_is_not_used_again(faults: FaultServer) -> None:
    faults.script.extend([DRIBBLE, Answer(body=b"the next", headers=OK.headers)])
    with deadline(0.5), pytest.raises(AwsUnavailable):
        s3.get_object("photos", "a.jpg")

    found = s3.get_object("photos", "b.jpg")

    assert found
    assert found.body == b"the next"


def test_says_what_aws_said_when_there_is_time(faults: FaultServer) -> None:
    faults.script.extend([s3_error(500, "InternalError")] * 3)

    with deadline(30), pytest.raises(AwsUnavailable, match="InternalError"):
        s3.get_object("photos", "a.jpg")
