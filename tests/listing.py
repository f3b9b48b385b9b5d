"""An S3 that lists keys nobody has stored: as many as a test wants, and HEAD of them."""

import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

PAGE = 1000
BREAK = 503


class _Lists(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "ListServer"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.server.lists.append(self.path)
        if self.server.pages is not None and len(self.server.lists) > self.server.pages:
            self._answer(BREAK, b"<Error><Code>ServiceUnavailable</Code></Error>")
            return
        size = int(query["max-keys"])
        if "list-type" in query:
            after = b64decode(query.get("continuation-token", "")).decode()
            self._answer(200, self._page_of_objects(query["prefix"], after, size))
        else:
            self._answer(200, self._page(int(unquote(query.get("version-id-marker", "0"))), size))

    def do_HEAD(self) -> None:
        self.server.heads.append(self.path)
        self._answer(self.server.head_status, b"")

    def _page_of_objects(self, prefix: str, after: str, size: int) -> bytes:
        """In the order of the keys; a token is as long as the key that it stands for."""
        found = [key for key in self.server.keys if key.startswith(prefix) and key > after]
        entries = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>1</Size><ETag>e</ETag>"
            "<LastModified>2026-11-20T00:00:00.000Z</LastModified></Contents>"
            for key in found[:size]
        )
        token = b64encode(found[size - 1].encode()).decode() if len(found) > size else ""
        more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
        return f"<ListBucketResult><EncodingType>url</EncodingType>{more}{entries}</ListBucketResult>".encode()

    def _page(self, first: int, size: int) -> bytes:
        keys = self.server.keys[first : first + size]
        entries = "".join(
            f"<Version><Key>{quote(key)}</Key><VersionId>null</VersionId><IsLatest>true</IsLatest><Size>1</Size>"
            '<ETag>"e"</ETag><LastModified>2026-11-20T00:00:00.000Z</LastModified>'
            "<StorageClass>STANDARD</StorageClass></Version>"
            for key in keys
        )
        last = first + len(keys)
        more = last < len(self.server.keys)
        after = (
            f"<NextKeyMarker>{quote(keys[-1])}</NextKeyMarker><NextVersionIdMarker>{last}</NextVersionIdMarker>"
            if more
            else ""
        )
        return (
            f"<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{after}{entries}</ListVersionsResult>"
        ).encode()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ListServer(ThreadingHTTPServer):
    """`keys` of its one bucket. After so many `pages` it breaks. `lists` and `heads` are what it was asked."""

    daemon_threads = True
    keys: Sequence[str] = ()
    pages: int | None = None
    head_status = 404

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lists: list[str] = []
        self.heads: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def list_server() -> Iterator[ListServer]:
    with ListServer(("127.0.0.1", 0), _Lists) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
