"""DetectFaces over HTTP, asked by boto3 as the product asks it: answers, and every refusal by its code."""

import json
import random
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError
from PIL import Image

from localcloud.process import RunningCloud
from localcloud.samples import Face, encode, scene
from tests.localcloud.conftest import MakeClient

PICTURE = encode(scene(300, 240, [Face(150, 115, 100)]))


def test_finds_faces_in_bytes_and_in_an_object_alike(s3: Any, rekognition: Any, bucket: str) -> None:
    key = "a folder/ümläut + plus %.jpg"
    s3.put_object(Bucket=bucket, Key=key, Body=PICTURE)
    by_bytes = rekognition.detect_faces(Image={"Bytes": PICTURE})
    by_object = rekognition.detect_faces(Image={"S3Object": {"Bucket": bucket, "Name": key}}, Attributes=["ALL"])
    assert len(by_bytes["FaceDetails"]) == 1
    assert by_bytes["FaceDetails"] == by_object["FaceDetails"]


def test_says_that_it_is_not_rekognition(rekognition: Any) -> None:
    answer = rekognition.detect_faces(Image={"Bytes": PICTURE})
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-detector"].startswith("dlib HOG/")


def test_reads_the_version_asked_for(s3: Any, rekognition: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="picture.jpg", Body=PICTURE)["VersionId"]
    s3.put_object(Bucket=bucket, Key="picture.jpg", Body=encode(scene(300, 240)))
    place = {"Bucket": bucket, "Name": "picture.jpg"}
    assert not rekognition.detect_faces(Image={"S3Object": place})["FaceDetails"]
    assert rekognition.detect_faces(Image={"S3Object": place | {"Version": first}})["FaceDetails"]


@pytest.mark.parametrize("key", ["missing.jpg", "../escape.jpg"])
def test_an_object_that_is_not_there(rekognition: Any, bucket: str, key: str) -> None:
    assert _code(rekognition, {"S3Object": {"Bucket": bucket, "Name": key}}) == "InvalidS3ObjectException"


def test_a_bucket_that_is_not_there(rekognition: Any) -> None:
    place = {"Bucket": "no-such-bucket-anywhere", "Name": "a.jpg"}
    assert _code(rekognition, {"S3Object": place}) == "InvalidS3ObjectException"


def test_a_file_of_another_format(s3: Any, rekognition: Any, bucket: str) -> None:
    webp = encode(scene(300, 240), format="WEBP")
    s3.put_object(Bucket=bucket, Key="picture.jpg", Body=webp)
    assert _code(rekognition, {"Bytes": webp}) == "InvalidImageFormatException"
    place = {"Bucket": bucket, "Name": "picture.jpg"}
    assert _code(rekognition, {"S3Object": place}) == "InvalidImageFormatException"


def test_more_than_5_mb_as_bytes_and_more_than_15_mb_in_s3(s3: Any, rekognition: Any, bucket: str) -> None:
    large, too_large = _png(5 * 1024**2 + 1), _png(15 * 1024**2 + 1)
    assert _code(rekognition, {"Bytes": large}) == "ImageTooLargeException"
    s3.put_object(Bucket=bucket, Key="large.png", Body=large)
    assert not rekognition.detect_faces(Image={"S3Object": {"Bucket": bucket, "Name": "large.png"}})["FaceDetails"]
    s3.put_object(Bucket=bucket, Key="large.png", Body=too_large)
    assert _code(rekognition, {"S3Object": {"Bucket": bucket, "Name": "large.png"}}) == "ImageTooLargeException"


def test_a_picture_below_80_pixels(rekognition: Any) -> None:
    tiny = encode(Image.new("RGB", (79, 200)))
    assert _code(rekognition, {"Bytes": tiny}) == "InvalidParameterException"


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"Bytes": PICTURE, "S3Object": {"Bucket": "one", "Name": "a.jpg"}},
        {"S3Object": {}},
        {"S3Object": {"Bucket": "only-a-bucket"}},
    ],
    ids=["neither", "both", "no place", "no name"],
)
def test_parameters_that_say_nothing_or_too_much(rekognition: Any, image: dict[str, Any]) -> None:
    assert _code(rekognition, image) == "InvalidParameterException"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"Image": 7}', b'{"Image": null}'])
def test_bodies_that_boto3_would_never_send(
    local_cloud: RunningCloud, browser: urllib3.PoolManager, body: bytes
) -> None:
    status, content = _post(local_cloud, browser, body, signer=local_cloud.account.access_key_id)
    assert (status, content["__type"]) == (400, "InvalidParameterException")


def test_bytes_that_are_not_base64(local_cloud: RunningCloud, browser: urllib3.PoolManager) -> None:
    body = b'{"Image": {"Bytes": "not base 64!"}}'
    status, content = _post(local_cloud, browser, body, signer=local_cloud.account.access_key_id)
    assert (status, content["__type"]) == (400, "InvalidImageFormatException")


def test_an_operation_that_is_not_offered(rekognition: Any) -> None:
    with pytest.raises(ClientError) as refusal:
        rekognition.list_collections()
    assert refusal.value.response["Error"]["Code"] == "UnknownOperationException"


def test_a_key_of_somebody_else(local_cloud: RunningCloud, client: MakeClient) -> None:
    stranger = client("rekognition", local_cloud, aws_access_key_id="somebody-else")
    with pytest.raises(ClientError) as refusal:
        stranger.detect_faces(Image={"Bytes": PICTURE})
    assert refusal.value.response["Error"]["Code"] == "UnrecognizedClientException"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_no_signature_at_all(local_cloud: RunningCloud, browser: urllib3.PoolManager) -> None:
    status, content = _post(local_cloud, browser, b"{}", signer="")
    assert (status, content["__type"]) == (403, "MissingAuthenticationTokenException")


def _code(rekognition: Any, image: dict[str, Any]) -> str:
    """The error code with which a picture is refused; the status must be 400."""
    with pytest.raises(ClientError) as refusal:
        rekognition.detect_faces(Image=image)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    code: str = refusal.value.response["Error"]["Code"]
    return code


def _post(cloud: RunningCloud, browser: urllib3.PoolManager, body: bytes, *, signer: str) -> tuple[int, Any]:
    headers = {"X-Amz-Target": "RekognitionService.DetectFaces", "Content-Type": "application/x-amz-json-1.1"}
    if signer:
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={signer}/20260101/us-east-1/rekognition/aws4_request"
    answer = browser.request("POST", cloud.endpoint_url, body=body, headers=headers)
    return answer.status, json.loads(answer.data)


def _png(size: int) -> bytes:
    """A readable picture of exactly so many bytes: noise fills a PNG, and readers ignore what follows its end."""
    noise = random.Random(0).randbytes(1000 * 1000)
    data = encode(Image.frombytes("L", (1000, 1000), noise), format="PNG")
    return data + bytes(size - len(data))
