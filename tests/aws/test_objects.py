"""Requests of the gateway for objects, as a scripted server gets them."""

from collections import Counter

import pytest

from media_catalog.aws import objects
from media_catalog.exceptions import AwsDenied, AwsError, AwsUnavailable
from tests.quota.ledger import no_limits, used

from .faults import Answer, FaultServer, s3_error

pytestmark = pytest.mark.django_db

DELETED = Answer(body=b"<DeleteResult/>")


@pytest.fixture(autouse=True)
def _no_limits(db: None) -> None:
    no_limits()


def _errors(*codes: str) -> Answer:
    listed = "".join(f"<Error><Key>{code}</Key><Code>{code}</Code></Error>" for code in codes)
    return Answer(body=f"<DeleteResult>{listed}</DeleteResult>".encode())


def test_a_thousand_keys_are_one_request(faults: FaultServer) -> None:
    faults.script.append(DELETED)

    objects.delete_objects("photos", [(f"{number}.jpg", "") for number in range(1000)])

    [request] = faults.log
    assert request.body.count(b"<Key>") == 1000
    assert used() == faults.billed == {"s3_tier1": 1}


def test_keys_that_xml_cannot_carry_go_alone(faults: FaultServer) -> None:
    faults.script.extend([Answer(status=204), Answer(status=204), DELETED])

    objects.delete_objects("photos", [("a\x01", ""), ("b\uffff", "v1"), ("c\n", "v2"), ("d", "")])

    assert [request.path for request in faults.log[:2]] == ["/photos/a%01", "/photos/b%EF%BF%BF?versionId=v1"]
    assert b"c&#xA;" in faults.log[2].body
    assert used() == {"s3_tier1": 1, "free": 2}


@pytest.mark.parametrize("count", [1, 1001])
def test_a_single_one_that_is_left_is_free(faults: FaultServer, count: int) -> None:
    faults.script.extend([Answer(status=204), *([DELETED] * (count // 1000))])

    objects.delete_objects("photos", [(f"{number:04}.jpg", "") for number in range(count)])

    assert faults.log[0].path == f"/photos/{count - 1:04}.jpg"
    assert used() == faults.billed == +Counter(s3_tier1=count // 1000, free=1)


def test_a_single_one_that_is_denied_is_an_error_too(faults: FaultServer) -> None:
    faults.script.extend([s3_error(403, "AccessDenied")])

    with pytest.raises(AwsDenied, match="1 not deleted, the first: a "):
        objects.delete_objects("photos", [("a", "")])


@pytest.mark.parametrize(
    ("codes", "error"), [(["AccessDenied"], AwsDenied), (["InternalError"], AwsError), (["NoSuchKey"], None)]
)
def test_what_is_not_deleted_is_an_error(faults: FaultServer, codes: list[str], error: type[AwsError] | None) -> None:
    faults.script.append(_errors(*codes))

    if error is None:
        objects.delete_objects("photos", [("a", ""), ("b", "")])
        return
    with pytest.raises(error, match="1 not deleted"):
        objects.delete_objects("photos", [("a", ""), ("b", "")])


def test_a_stream_that_breaks_off_is_said(faults: FaultServer) -> None:
    faults.script.append(Answer(body=b"half", missing=4))

    stream = objects.open_stream("photos", "a")

    assert stream
    with pytest.raises(AwsUnavailable):
        list(stream.chunks)


def test_a_write_probe_ends_what_it_began(faults: FaultServer) -> None:
    begun = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
    faults.script.extend([Answer(body=begun), Answer(status=204)])

    objects.probe_write("photos", "probe")

    assert [request.method for request in faults.log] == ["POST", "DELETE"]
    assert "uploadId=u1" in faults.log[1].path


@pytest.mark.parametrize("answer", [s3_error(404, "NoSuchKey"), s3_error(412, "PreconditionFailed")])
def test_a_delete_probe_is_one_delete_on_a_condition_that_nothing_meets(faults: FaultServer, answer: Answer) -> None:
    faults.script.append(answer)

    objects.probe_delete("photos", "probe")

    [sent] = faults.log
    assert (sent.method, sent.path, sent.headers["if-match"]) == ("DELETE", "/photos/probe", f'"{"0" * 32}"')


def test_a_probe_of_versions_names_one(faults: FaultServer) -> None:
    faults.script.append(Answer(status=204))

    objects.probe_delete_version("photos", "probe")

    assert [(request.method, request.path) for request in faults.log] == [("DELETE", "/photos/probe?versionId=null")]
