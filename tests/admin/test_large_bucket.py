"""A bucket of a million keys: a page costs one request, and no more memory than any other."""

import gc
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from media_catalog.aws.client import forget_clients
from media_catalog.models import Bucket, RequestLimit

from .buckets import page

KEYS = 1_000_000
MEGABYTE = 1024**2


class _Lists(BaseHTTPRequestHandler):
    """ListObjectsV2 of the keys `0000000` to `0999999`, by max-keys and a token that is the next number."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        first, size = int(query.get("continuation-token", 0)), int(query["max-keys"])
        last = min(first + size, KEYS)
        entries = "".join(
            f"<Contents><Key>{number:07}</Key><Size>1</Size><ETag>e</ETag>"
            "<LastModified>2026-11-20T00:00:00.000Z</LastModified></Contents>"
            for number in range(first, last)
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < KEYS else ""
        body = f"<ListBucketResult>{more}{entries}</ListBucketResult>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def requests(settings) -> Iterator[list[str]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Lists) as server:
        server.daemon_threads = True
        server.requests = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{server.server_port}"
        forget_clients()
        yield server.requests  # type: ignore[attr-defined]
        forget_clients()
        server.shutdown()
        thread.join()


def _held() -> int:
    """Bytes held by the product and its libraries; what coverage notes of them is not theirs."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, "*/coverage/*")])
    return sum(trace.size for trace in snapshot.traces)


def test_a_page_is_one_request_and_memory_stays_flat(admin_client, requests):
    RequestLimit.objects.update(limit=1_000_000)
    bucket = Bucket.objects.create(name="a-million")
    address = page(bucket, "objects")
    address = admin_client.get(address).context["next_url"]  # warms up client, templates and caches
    requests.clear()

    tracemalloc.start()
    for _page in range(5):
        address = admin_client.get(address).context["next_url"]
    after_few = _held()
    for _page in range(30):
        address = admin_client.get(address).context["next_url"]
    after_many, peak = _held(), tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(requests) == 35
    assert all("max-keys=100" in path for path in requests)
    assert after_many - after_few < MEGABYTE
    assert peak < 10 * MEGABYTE
    assert len(address) < 8000  # the tokens of the way back are kept short
