"""What a browser may do at S3 in our name, signed ahead: get an object by a link, post one by a form.

Signing sends nothing. What the browser sends is billed like ours but never passes the meter.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from media_catalog.exceptions import KeyRefused
from media_catalog.quota import meter

from .client import call, client_for_browsers

# Clients and proxies drop or resolve these parts of a path; at the end an empty one is kept.
_LOST_IN_URLS = re.compile(r"^/|//|(^|/)\.\.?(/|$)")
_FILE_NAME = "${filename}"  # in the key of a form S3 puts the name of the browser's file in its place


@dataclass(frozen=True, kw_only=True)
class Post:
    """A form that puts one object: multipart/form-data to `url`.

    All `fields` go in as they are, then `Content-Type` where it is not among them, and `file` as the last.
    """

    url: str
    fields: Mapping[str, str]


def check_key(key: str) -> None:
    """Raise KeyRefused for a key that no URL can carry: one with `//`, a leading `/`, or `.` or `..` as a part."""
    if _LOST_IN_URLS.search(key):
        raise KeyRefused(key)


def download_link(bucket: str, key: str, *, disposition: str, content_type: str, seconds: int) -> str:
    """A link that gets the object for so many seconds, answered with these headers. Its GET is counted here.

    Raises KeyRefused for a key that no URL can carry.
    """
    check_key(key)
    with call(bucket=bucket):
        link = client_for_browsers().generate_presigned_url(
            "get_object",
            Params={
                "Bucket": bucket,
                "Key": key,
                "ResponseContentDisposition": disposition,
                "ResponseContentType": content_type,
            },
            ExpiresIn=seconds,
        )
        meter.spend("s3", "GetObject", estimated=True)
    return link


def post_origin(bucket: str) -> str:
    """Where forms for the bucket are posted to, as `scheme://host:port`: for the Content-Security-Policy."""
    endpoint = urlsplit(client_for_browsers().meta.endpoint_url)
    in_path = bool(settings.AWS_ENDPOINT_URL) or "." in bucket  # a certificate covers one level of names
    return f"{endpoint.scheme}://{endpoint.netloc if in_path else f'{bucket}.{endpoint.netloc}'}"


def post_policy(
    bucket: str,
    key: str,
    *,
    content_types: Sequence[str],
    max_bytes: int,
    metadata: Mapping[str, str],
    seconds: int,
) -> Post:
    """A form that puts an object of 1 to `max_bytes` bytes under exactly this key, for so many seconds.

    A policy knows no list of types: a single one is fixed, of several the part that they share (`image/`). Each entry
    of `metadata` is fixed. The POST is not counted here: reserve it before, and count it when it is known to have
    come. Raises KeyRefused.
    """
    check_key(key)
    if _FILE_NAME in key:
        raise KeyRefused(key)
    fields = {f"x-amz-meta-{name.lower()}": value for name, value in metadata.items()}
    conditions: list[Any] = [{name: value} for name, value in fields.items()]
    conditions.append(["content-length-range", 1, max_bytes])
    if len(content_types) == 1:
        fields["Content-Type"] = content_types[0]
        conditions.append({"Content-Type": content_types[0]})
    else:
        [shared] = {content_type.partition("/")[0] for content_type in content_types}
        conditions.append(["starts-with", "$Content-Type", f"{shared}/"])
    with call(bucket=bucket):
        form = client_for_browsers().generate_presigned_post(
            Bucket=bucket, Key=key, Fields=fields, Conditions=conditions, ExpiresIn=seconds
        )
    return Post(url=form["url"], fields=form["fields"])
