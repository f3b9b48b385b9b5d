"""Copying and moving one object: whatever cuts it off, a repeat ends it, and nobody's object is lost."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3
from media_catalog.exceptions import AwsConflict, AwsNotFound, ObjectRefused
from media_catalog.models import Bucket
from media_catalog.quota import meter
from media_catalog.services import transfers
from tests.admin.buckets import keys_of, new_bucket, put

from .cutting import Cut, cut_after

BODY = b"content"


@pytest.fixture
def bucket(originals) -> Bucket:
    return new_bucket()


@pytest.fixture
def transfer(bucket) -> Callable[..., transfers.Transfer]:
    def _transfer(*, moves: bool = True, etag: str = "") -> transfers.Transfer:
        etag = put(bucket, "old", BODY) or etag
        return transfers.Transfer(bucket=bucket, key="old", etag=etag, to_bucket=bucket, to_key="new", moves=moves)

    return _transfer


def _body(bucket: Bucket, key: str) -> bytes | None:
    held = s3.get_object(bucket.name, key)
    return held.body if held else None


@pytest.mark.parametrize("moves", [True, False], ids=["move", "copy"])
def test_its_cost_is_what_is_sent(transfer, bucket, cloud, moves):
    transfer = transfer(moves=moves)
    mark = cloud.access_log.mark()
    with meter.tally() as spent:
        transfers.repeat(transfer, begun=False, begin=lambda: None)
    assert spent == transfers.cost(moves=moves)
    assert cloud.access_log.operations(mark) == {"HeadObject": 1, "CopyObject": 1} | (
        {"DeleteObject": 1} if moves else {}
    )
    with meter.tally() as spent:
        prepared, size = transfers.prepare(bucket, "new", to_bucket=bucket, to_key="third", moves=moves)
        transfers.run(prepared)
    assert size == len(BODY)
    assert spent == transfers.cost_at_once(moves=moves)


@pytest.mark.parametrize("answered", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("calls", range(3))
@pytest.mark.parametrize("moves", [True, False], ids=["move", "copy"])
def test_a_repeat_ends_what_was_cut_off(transfer, bucket, cloud, monkeypatch, moves, calls, answered):
    """After or before each of its calls, again and again."""
    transfer, begun = transfer(moves=moves), []
    mark = cloud.access_log.mark()

    def attempt() -> None:
        transfers.repeat(transfer, begun=bool(begun), begin=lambda: begun.append(True))

    for _time in range(2):
        with monkeypatch.context() as patch:
            cut_after(patch, calls, answered=answered)
            with suppress(Cut):
                attempt()
    attempt()

    assert keys_of(bucket) == (["new"] if moves else ["new", "old"])
    assert _body(bucket, "new") == BODY
    assert cloud.access_log.operations(mark)["CopyObject"] == 1


def test_a_key_that_is_taken_is_another_s_until_the_copy_was_begun(transfer, bucket):
    transfer = transfer()
    put(bucket, "new", BODY)
    with pytest.raises(AwsConflict):
        transfers.repeat(transfer, begun=False, begin=lambda: None)
    assert keys_of(bucket) == ["new", "old"]


def test_what_cannot_be_told_from_another_s_stays_with_the_source(transfer, bucket):
    """A copy of an object that came in parts has an ETag of its own."""
    transfer = transfer()
    put(bucket, "new", b"perhaps the copy")
    with pytest.raises(ObjectRefused, match="copy_uncertain"):
        transfers.repeat(transfer, begun=True, begin=lambda: None)
    assert (_body(bucket, "old"), _body(bucket, "new")) == (BODY, b"perhaps the copy")


def test_a_copy_whose_answer_was_lost_is_known_when_it_is_sent_again(transfer, bucket, monkeypatch):
    copy = s3_objects.copy_object

    def sent_twice(*args, **kwargs):
        copy(*args, **kwargs)
        raise AwsConflict("new")  # what S3 says to the second

    monkeypatch.setattr(s3_objects, "copy_object", sent_twice)
    transfers.repeat(transfer(), begun=False, begin=lambda: None)
    assert keys_of(bucket) == ["new"]


def test_one_that_comes_between_look_and_copy_wins(transfer, bucket, monkeypatch):
    def too_late(*args, **kwargs):
        put(bucket, "new", b"theirs")
        raise AwsConflict("new")  # what S3 says, which knows the condition on the new key

    monkeypatch.setattr(s3_objects, "copy_object", too_late)
    with pytest.raises(AwsConflict):
        transfers.repeat(transfer(), begun=False, begin=lambda: None)
    assert (_body(bucket, "old"), _body(bucket, "new")) == (BODY, b"theirs")


def test_another_object_at_the_source_is_left_alone(transfer, bucket):
    transfer = transfer()
    put(bucket, "old", b"written since")
    with pytest.raises(ObjectRefused, match="changed"):
        transfers.repeat(transfer, begun=False, begin=lambda: None)
    assert keys_of(bucket) == ["old"]
    s3.delete_object(bucket.name, "old")
    with pytest.raises(AwsNotFound):
        transfers.repeat(transfer, begun=False, begin=lambda: None)


def test_more_than_s3_copies_is_refused_before_it_is_tried(bucket, cloud, monkeypatch):
    put(bucket, "old")
    monkeypatch.setattr(s3_objects, "MAX_COPY_BYTES", 3)
    mark = cloud.access_log.mark()
    with pytest.raises(ObjectRefused, match="too_large_to_copy"):
        transfers.prepare(bucket, "old", to_bucket=bucket, to_key="new", moves=False)
    assert cloud.access_log.operations(mark) == {"HeadObject": 1}
