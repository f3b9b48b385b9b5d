"""What goes over the wire to S3, byte by byte where it matters."""

import base64
import hashlib
import io
from datetime import UTC, datetime

import pytest

from media_catalog.aws import s3

from .faults import OK, RESET, Answer, FaultServer, s3_error

pytestmark = pytest.mark.django_db

BUSY = s3_error(503, "SlowDown")
BUCKETS = b"""<ListAllMyBucketsResult><Buckets>
<Bucket><Name>photos</Name><CreationDate>2027-01-31T08:30:00.000Z</CreationDate><BucketRegion>eu-west-1</BucketRegion>
</Bucket><Bucket><Name>old</Name></Bucket></Buckets></ListAllMyBucketsResult>"""
PICTURE = bytes(range(256)) * 12_000  # 3 MB


class RecordingFile(io.BytesIO):
    """Remembers how much was asked of it at a time."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.sizes: list[int | None] = []

    def read(self, size: int | None = -1) -> bytes:
        self.sizes.append(size)
        return super().read(size)


class TestPut:
    @pytest.mark.parametrize("first", [BUSY, RESET], ids=["refused", "broken off"])
    def test_streams_a_file_and_sends_it_whole_again(self, first: Answer, faults: FaultServer) -> None:
        faults.script.extend([first, OK])
        file = RecordingFile(PICTURE)

        etag = s3.put_object("photos", "a.jpg", file, content_type="image/jpeg")

        assert etag == "0123456789abcdef"
        assert [request.body == PICTURE for request in faults.log] == [True, True]
        assert all(size and 0 < size <= 1024 * 1024 for size in file.sizes)

    def test_sends_the_whole_file_wherever_it_stands(self, faults: FaultServer) -> None:
        faults.script.extend([BUSY, OK])
        file = io.BytesIO(b"from the start")
        file.seek(0, io.SEEK_END)

        s3.put_object("photos", "a.jpg", file, content_type="image/jpeg")

        assert [request.body for request in faults.log] == [b"from the start"] * 2

    @pytest.mark.parametrize("body", [b"bytes", io.BytesIO(b"bytes")], ids=["bytes", "file"])
    def test_sends_the_content_as_it_is(self, body: bytes | io.BytesIO, faults: FaultServer) -> None:
        faults.script.append(OK)

        s3.put_object("photos", "a.jpg", body, content_type="image/jpeg")

        [request] = faults.log
        assert request.body == b"bytes"
        # An encoding of the transfer would be kept with the object by some servers; checksums come from us alone.
        assert "content-encoding" not in request.headers
        assert not [name for name in request.headers if name.startswith(("x-amz-checksum", "x-amz-trailer"))]

    def test_lets_s3_check_the_content(self, faults: FaultServer) -> None:
        faults.script.append(OK)
        digest = hashlib.sha256(PICTURE).digest()

        s3.put_object("photos", "a.jpg", io.BytesIO(PICTURE), content_type="image/jpeg", sha256=digest)

        assert faults.log[0].headers["x-amz-checksum-sha256"] == base64.b64encode(digest).decode()

    @pytest.mark.parametrize(
        ("key", "path"),
        [
            ("a/b c.jpg", "/photos/a/b%20c.jpg"),
            ("ü.jpg", "/photos/%C3%BC.jpg"),
            ("100%.jpg", "/photos/100%25.jpg"),
            ("a+b.jpg", "/photos/a%2Bb.jpg"),
            ("line\nbreak.jpg", "/photos/line%0Abreak.jpg"),
            ("a/../b//c.jpg", "/photos/a/../b//c.jpg"),
        ],
    )
    def test_says_what_it_is_and_where_it_goes(self, key: str, path: str, faults: FaultServer) -> None:
        faults.script.append(OK)

        s3.put_object("photos", key, b"bytes", content_type="image/webp", cache_control="private, max-age=60")

        [request] = faults.log
        assert (request.method, request.path) == ("PUT", path)
        assert request.headers["content-type"] == "image/webp"
        assert request.headers["cache-control"] == "private, max-age=60"

    def test_loses_against_an_object_that_is_there(self, faults: FaultServer) -> None:
        faults.script.extend([OK, OK])

        s3.put_object("photos", "a.jpg", b"bytes", content_type="image/jpeg")
        s3.put_object("photos", "a.jpg", b"bytes", content_type="image/jpeg", overwrite=True)

        assert [request.headers.get("if-none-match") for request in faults.log] == ["*", None]


class TestGet:
    @pytest.mark.parametrize("body", [b"", b"x", PICTURE], ids=["empty", "one byte", "3 MB"])
    def test_gives_the_bytes(self, body: bytes, faults: FaultServer) -> None:
        faults.script.append(Answer(body=body, headers=OK.headers | {"Content-Type": "image/jpeg"}))

        found = s3.get_object("photos", "a.jpg")

        assert found == s3.ObjectContent(
            etag="0123456789abcdef", size=len(body), content_type="image/jpeg", sha256=None, body=body
        )


class TestHead:
    def test_gives_what_s3_knows(self, faults: FaultServer) -> None:
        digest = hashlib.sha256(b"bytes").digest()
        faults.script.append(
            Answer(
                body=b"bytes",
                headers=OK.headers
                | {"Content-Type": "image/png", "x-amz-checksum-sha256": base64.b64encode(digest).decode()},
            )
        )

        found = s3.head_object("photos", "a.jpg")

        assert found == s3.ObjectInfo(etag="0123456789abcdef", size=5, content_type="image/png", sha256=digest)
        assert faults.log[0].headers["x-amz-checksum-mode"] == "ENABLED"

    def test_does_not_take_a_checksum_of_parts_for_one_of_the_content(self, faults: FaultServer) -> None:
        checksum = base64.b64encode(hashlib.sha256(b"digests of three parts").digest()).decode()
        faults.script.append(Answer(headers=OK.headers | {"x-amz-checksum-sha256": f"{checksum}-3"}))

        found = s3.head_object("photos", "a.jpg")

        assert found
        assert found.sha256 is None


class TestListBuckets:
    def test_gives_names_times_and_regions(self, faults: FaultServer) -> None:
        faults.script.append(Answer(body=BUCKETS))

        assert s3.list_buckets() == [
            s3.BucketInfo(name="photos", created_at=datetime(2027, 1, 31, 8, 30, tzinfo=UTC), region="eu-west-1"),
            s3.BucketInfo(name="old", created_at=None, region=""),
        ]


class TestCreateBucket:
    def test_names_the_region(self, faults: FaultServer) -> None:
        faults.script.append(OK)

        s3.create_bucket("photos", region="eu-west-1")

        assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in faults.log[0].body

    def test_does_not_name_the_first_region(self, faults: FaultServer) -> None:
        faults.script.append(OK)

        s3.create_bucket("photos", region="us-east-1")

        assert faults.log[0].body == b""
