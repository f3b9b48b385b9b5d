"""The signed report to the product's API: what became of an upload."""

import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3

from resizer import settings

METHOD = "PUT"
LONGEST_WAIT = 5.0  # seconds between two attempts, whatever the server asks for
# The server has decided: the upload is unknown to it, or has ended in another way. Another try changes nothing.
_DECIDED = frozenset({404, 409})
NO_ANSWER = 0
_WORTH_ANOTHER = frozenset({NO_ANSWER, 408, 425, 429, *range(500, 600)})


class CallbackFailed(Exception):
    """The server could not be told; the message should be delivered again."""


class Sender:
    """Keeps the secret between invocations. One that is kept in Secrets Manager is read at the first report."""

    def __init__(self, options: settings.Callback) -> None:
        self._options = options
        self._secret = options.secret

    def send(self, uuid: str, report: Mapping[str, Any]) -> int:
        """PUT the report; the final HTTP status: 2xx, or 404 or 409. Raises CallbackFailed."""
        body = json.dumps(report, separators=(",", ":")).encode()
        url = self._options.url + uuid
        status, asked = NO_ANSWER, ""
        for attempt in range(self._options.attempts):
            if attempt:
                time.sleep(_wait(attempt, asked))
            status, asked = self._put(url, body)
            if 200 <= status < 300 or status in _DECIDED:
                return status
            if not self._may_try_again(status):
                break
        raise CallbackFailed(f"{METHOD} {url}: {status or 'no answer'}")

    def _put(self, url: str, body: bytes) -> tuple[int, str]:
        """Status, NO_ANSWER without one, and how long the server asks us to wait."""
        # Signed for each attempt: the server refuses signatures that are some minutes old.
        headers = {"Content-Type": "application/json", **signature(self._current_secret(), url, body)}
        request = urllib.request.Request(url, body, headers, method=METHOD)  # noqa: S310  (settings allow http(s) only)
        try:
            with urllib.request.urlopen(request, timeout=self._options.seconds) as answer:  # noqa: S310
                return answer.status, ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Retry-After", "")
        except (OSError, http.client.HTTPException):
            return NO_ANSWER, ""

    def _current_secret(self) -> str:
        if not self._secret:
            client = boto3.client("secretsmanager")
            held = client.get_secret_value(SecretId=self._options.secret_arn)["SecretString"]
            self._secret = held.split(",")[0].strip()  # the site takes the one before, too, while it is changed
        return self._secret

    def _may_try_again(self, status: int) -> bool:
        if status == http.HTTPStatus.UNAUTHORIZED and self._options.secret_arn:
            self._secret = ""  # it may have been rotated since it was read
            return True
        return status in _WORTH_ANOTHER


def signature(secret: str, url: str, body: bytes, clock: Callable[[], float] = time.time) -> dict[str, str]:
    """The headers that prove who sends: HMAC-SHA256, in hex, over `timestamp.METHODpath.body`."""
    timestamp = str(int(clock()))
    signed = f"{timestamp}.{METHOD}{urlsplit(url).path}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"X-Backoffice-Timestamp": timestamp, "X-Backoffice-Signature": digest}


def _wait(attempt: int, asked: str) -> float:
    """Seconds before an attempt: as many as the server asks for, else 0.5, 1, 2…"""
    return min(float(asked) if asked.isdigit() else 2.0 ** (attempt - 2), LONGEST_WAIT)
