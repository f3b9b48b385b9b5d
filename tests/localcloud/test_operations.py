"""Requests are counted by operation, so each must get the name that AWS bills it by."""

import pytest

from localcloud.operations import Request


@pytest.mark.parametrize(
    ("line", "operation"),
    [
        ("GET /", "ListBuckets"),
        ("PUT /bucket", "CreateBucket"),
        ("HEAD /bucket", "HeadBucket"),
        ("DELETE /bucket/", "DeleteBucket"),
        ("GET /bucket?list-type=2&prefix=a%2Fb", "ListObjectsV2"),
        ("GET /bucket?prefix=a", "ListObjects"),
        ("GET /bucket?versions", "ListObjectVersions"),
        ("GET /bucket?uploads", "ListMultipartUploads"),
        ("GET /bucket?cors", "GetBucketCors"),
        ("PUT /bucket?cors", "PutBucketCors"),
        ("DELETE /bucket?cors", "DeleteBucketCors"),
        ("GET /bucket?location", "GetBucketLocation"),
        ("PUT /bucket?notification", "PutBucketNotificationConfiguration"),
        ("POST /bucket?delete", "DeleteObjects"),
        ("POST /bucket", "PostObject"),
        ("GET /bucket/key", "GetObject"),
        ("GET /bucket/key?X-Amz-Signature=abc&x-id=GetObject", "GetObject"),
        ("GET /bucket/key?tagging", "GetObjectTagging"),
        ("HEAD /bucket/key", "HeadObject"),
        ("PUT /bucket/key", "PutObject"),
        ("PUT /bucket/key?uploadId=1&partNumber=2", "UploadPart"),
        ("GET /bucket/key?uploadId=1", "ListParts"),
        ("POST /bucket/key?uploads", "CreateMultipartUpload"),
        ("POST /bucket/key?uploadId=1", "CompleteMultipartUpload"),
        ("DELETE /bucket/key?uploadId=1", "AbortMultipartUpload"),
        ("DELETE /bucket/key", "DeleteObject"),
        ("OPTIONS /bucket/key", "Preflight"),
        ("POST /?Action=ListQueues", "ListQueues"),
        ("POST /", "Other"),
        ("PATCH /bucket/key", "Other"),
    ],
)
def test_names_an_operation(line: str, operation: str) -> None:
    method, _, url = line.partition(" ")
    path, _, query = url.partition("?")
    assert Request(method, path, query).operation == operation


def test_names_json_operations_by_their_target() -> None:
    assert Request("POST", "/", target="RekognitionService.DetectFaces").operation == "DetectFaces"
    assert Request("POST", "/", target="AmazonSQS.SendMessage").bucket == ""


def test_tells_a_copy_from_an_upload() -> None:
    assert Request("PUT", "/bucket/key", copy_source="/bucket/other").operation == "CopyObject"
    part = Request("PUT", "/bucket/key", "uploadId=1&partNumber=2", copy_source="/bucket/other")
    assert part.operation == "UploadPartCopy"


def test_reads_bucket_and_key_from_the_path() -> None:
    request = Request("PUT", "/bucket/a%20folder/%C3%BC%2B%25.jpg")
    assert (request.bucket, request.key) == ("bucket", "a folder/ü+%.jpg")
    assert Request("GET", "/bucket//slash").key == "/slash"
    assert (Request("GET", "/").bucket, Request("GET", "/bucket/").key) == ("", "")
