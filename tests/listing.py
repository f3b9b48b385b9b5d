"""An S3 that lists keys nobody has stored: ListObjectVersions of as many as a test wants, and HEAD of them."""

import threading
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
        first = int(unquote(query.get("version-id-marker", "0")))
        self._answer(200, self._page(first, int(query["max-keys"])))

    def do_HEAD(self) -> None:
        self.server.heads.append(self.path)
        self._answer(self.server.head_status, b"")

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
