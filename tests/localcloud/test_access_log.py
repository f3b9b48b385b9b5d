"""The access log has one line for each request of a client, and none for what the server asks itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from localcloud.access_log import KEEP_BYTES, AccessLog, Entry, open_for_writing
from localcloud.process import RunningCloud
from localcloud.samples import encode, scene


def test_counts_the_requests_since_a_mark(local_cloud: RunningCloud, s3: Any, bucket: str) -> None:
    mark = local_cloud.access_log.mark()
    s3.put_object(Bucket=bucket, Key="a ü.jpg", Body=b"1")
    s3.copy_object(Bucket=bucket, Key="copy.jpg", CopySource={"Bucket": bucket, "Key": "a ü.jpg"})
    s3.get_object(Bucket=bucket, Key="a ü.jpg")["Body"].read()
    s3.list_objects_v2(Bucket=bucket)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a ü.jpg"}, {"Key": "copy.jpg"}]})
    names = ["PutObject", "CopyObject", "GetObject", "ListObjectsV2", "DeleteObjects"]
    assert [entry.operation for entry in local_cloud.access_log.since(mark)] == names
    assert local_cloud.access_log.operations(mark) == dict.fromkeys(names, 1)
    assert not local_cloud.access_log.since(local_cloud.access_log.mark())


def test_says_what_was_asked_for_when_and_how_it_ended(local_cloud: RunningCloud, s3: Any, bucket: str) -> None:
    mark = local_cloud.access_log.mark()
    s3.put_object(Bucket=bucket, Key="ö/1.jpg", Body=b"1")
    with pytest.raises(ClientError):
        s3.head_object(Bucket=bucket, Key="missing")
    put, head = local_cloud.access_log.since(mark)
    assert (put.bucket, put.key, put.status, put.presigned) == (bucket, "ö/1.jpg", 200, False)
    assert (head.operation, head.key, head.status) == ("HeadObject", "missing", 404)
    assert timedelta() <= datetime.now(UTC) - put.time < timedelta(minutes=1)


def test_detect_faces_is_one_request_although_it_reads_an_object(
    local_cloud: RunningCloud, s3: Any, rekognition: Any, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=encode(scene(200, 200)))
    mark = local_cloud.access_log.mark()
    rekognition.detect_faces(Image={"S3Object": {"Bucket": bucket, "Name": "a.jpg"}})
    assert local_cloud.access_log.operations(mark) == {"DetectFaces": 1}


def test_tells_what_a_browser_does_by_a_link(
    local_cloud: RunningCloud, s3: Any, bucket: str, browser: urllib3.PoolManager
) -> None:
    s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"1")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a.jpg"})
    mark = local_cloud.access_log.mark()
    browser.request("GET", url)
    [entry] = local_cloud.access_log.since(mark)
    assert (entry.operation, entry.status, entry.presigned) == ("GetObject", 200, True)


def test_a_missing_log_is_empty_and_a_half_written_line_not_read(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    assert (log.mark(), log.since()) == (0, [])
    entry = Entry(method="GET", path="/bucket/key", status=200, time=datetime(2026, 1, 2, tzinfo=UTC))
    with open_for_writing(log.path) as file:
        file.write(entry.as_json() + "\n" + entry.as_json()[:20])
    assert log.since() == [entry]


def test_a_large_log_makes_room_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"\n" * (KEEP_BYTES + 1))
    open_for_writing(path).close()
    assert path.stat().st_size == 0
    assert (tmp_path / "access.log.1").stat().st_size == KEEP_BYTES + 1
