"""Metadata that S3 keeps with an object: headers `x-amz-meta-<name>`, read back by the Lambda."""

import re
from collections.abc import Mapping

from media_catalog.exceptions import MetadataRefused

MAX_BYTES = 2048  # of names and values together, at S3
RESERVED = "backoffice-"  # what the Lambda marks its output with
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def checked(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata with names in lower case, as S3 keeps them. Raises MetadataRefused."""
    lowered = {name.lower(): value for name, value in metadata.items()}
    if len(lowered) < len(metadata):
        raise MetadataRefused("name")
    if sum(len(name) + len(value) for name, value in lowered.items()) > MAX_BYTES:
        raise MetadataRefused("too_long")
    for name, value in lowered.items():
        if not _NAME.fullmatch(name):
            raise MetadataRefused("name", name=name)
        if name.startswith(RESERVED):
            raise MetadataRefused("reserved", name=name)
        if not _VALUE.fullmatch(value):
            raise MetadataRefused("value", name=name)
    return lowered
