"""Sending a signed form as a browser does."""

import urllib3

from media_catalog.aws.presign import Post


def send(
    browser: urllib3.PoolManager, post: Post, body: bytes, *, content_type: str = "image/jpeg", **changes: str
) -> urllib3.BaseHTTPResponse:
    """POST the form with the body as its last field; `changes` are fields that differ from it."""
    fields = {"Content-Type": content_type, **post.fields, **changes}
    return browser.request("POST", post.url, fields={**fields, "file": ("photo", body, content_type)})
