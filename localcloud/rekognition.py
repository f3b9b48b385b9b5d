"""Rekognition's DetectFaces as AWS JSON 1.1: what a client sends in, what it gets back, errors included."""

import asyncio
import base64
import binascii
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

from localcloud.asgi import Answer
from localcloud.detect_faces import DETECTOR, MAX_BYTES, MAX_S3_BYTES, DetectionError, detect_faces

TARGET_PREFIX = "RekognitionService."

# (bucket, key, version or None) → its bytes, or None when it cannot be read.
ReadObject = Callable[[str, str, str | None], Awaitable[bytes | None]]

_ACCESS_KEY = re.compile(r"\bCredential=([^/,\s]+)/")
# botocore reads the error code from __type and the text from Message or message.
_FORBIDDEN = {"MissingAuthenticationTokenException", "UnrecognizedClientException"}


class Rekognition:
    """Answers for one account whose access key is known; pictures are looked at in `executor`."""

    def __init__(self, *, access_key_id: str, read_object: ReadObject, executor: Executor) -> None:
        self._access_key_id = access_key_id
        self._read_object = read_object
        self._executor = executor

    async def answer(self, *, target: str, authorization: str, body: bytes) -> Answer:
        """The answer to one request; refusals carry Rekognition's error codes with status 400 or 403."""
        try:
            self._check_signer(authorization)
            if target != TARGET_PREFIX + "DetectFaces":
                raise DetectionError("UnknownOperationException", f"{target} is not known here")
            return _answer(200, await self._detect_faces(_image(body)))
        except DetectionError as error:
            status = 403 if error.code in _FORBIDDEN else 400
            return _answer(status, {"__type": error.code, "Code": error.code, "Message": str(error)})

    def _check_signer(self, authorization: str) -> None:
        """The access key must be ours. The signature is not recomputed: the server listens to this computer only."""
        signer = _ACCESS_KEY.search(authorization)
        if signer is None:
            raise DetectionError("MissingAuthenticationTokenException", "Missing Authentication Token")
        if signer[1] != self._access_key_id:
            message = "The security token included in the request is invalid."
            raise DetectionError("UnrecognizedClientException", message)

    async def _detect_faces(self, image: dict[str, Any]) -> dict[str, Any]:
        if "Bytes" in image:
            data, limit = _decoded(image["Bytes"]), MAX_BYTES
        else:
            data, limit = await self._stored(image["S3Object"]), MAX_S3_BYTES
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: detect_faces(data, max_bytes=limit))

    async def _stored(self, reference: dict[str, Any]) -> bytes:
        bucket, key = reference.get("Bucket"), reference.get("Name")
        if not bucket or not key:
            raise _invalid_parameters()
        data = await self._read_object(bucket, key, reference.get("Version"))
        if data is None:
            message = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
            raise DetectionError("InvalidS3ObjectException", message)
        return data


def _image(body: bytes) -> dict[str, Any]:
    """The `Image` of a request: a dict with exactly one of `Bytes` and `S3Object`."""
    try:
        image = json.loads(body)["Image"]
        given = {"Bytes", "S3Object"} & {name for name, value in image.items() if value is not None}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _invalid_parameters() from error
    if len(given) != 1:
        raise _invalid_parameters()
    return {name: image[name] for name in given}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise DetectionError("InvalidImageFormatException", "Request has invalid image format") from error


def _invalid_parameters() -> DetectionError:
    return DetectionError("InvalidParameterException", "Request has invalid parameters")


def _answer(status: int, content: dict[str, Any]) -> Answer:
    headers = (
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amzn-requestid", str(uuid.uuid4())),
        ("x-detector", DETECTOR),  # so that results name their source, which here is not Rekognition
    )
    return Answer(status, json.dumps(content).encode(), headers)
