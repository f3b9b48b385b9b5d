"""Signatures of the Lambda's callbacks: HMAC-SHA256, in hex, over `timestamp.METHODpath.body`."""

import hashlib
import hmac
import time

from django.conf import settings

WINDOW = 300  # seconds that a signature may be old, or ahead of our clock


def is_genuine(*, timestamp: str, signature: str, method: str, path: str, body: bytes) -> bool:
    """Whether the holder of one of ASYNC_IMAGE_CALLBACK_SECRETS has signed this within the window.

    Without secrets nothing is genuine. All secrets are tried, so that the time tells nothing.
    """
    if not _is_current(timestamp):
        return False
    signed = f"{timestamp}.{method}{path}.".encode() + body
    matches = [_matches(secret, signed, signature) for secret in settings.ASYNC_IMAGE_CALLBACK_SECRETS if secret]
    return any(matches)


def _is_current(timestamp: str) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    return abs(time.time() - int(timestamp)) <= WINDOW


def _matches(secret: str, signed: bytes, signature: str) -> bool:
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(digest.encode(), signature.encode())
