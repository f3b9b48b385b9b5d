"""An upload by the API from its form to its renditions: site, S3, queue, the real zip, and its signed callback."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from media_catalog.imaging.formats import FORMATS, rendered_as
from tests.api.conftest import SECRET, URL, signed
from tests.api.test_client import TOKEN
from tests.localcloud.conftest import browser, client
from tests.pictures import encoded, jpeg, picture
from tests.stack import Stack, running_stack, wait_for

__all__ = ["browser", "client"]
pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

PREFIX = "envíos a+b é/"  # of the keys: what is encoded differently in forms, in events and in paths
SETTINGS = {
    "ASYNC_IMAGE_CALLBACK_SECRETS": f"{SECRET},the-one-before",
    "ASYNC_IMAGE_UPLOAD_TEMPORARY_IMAGE_PATH": PREFIX,
}
PRESETS = ["large", "medium", "small"]  # of the function; the site gets the first of them
BY_LAMBDA = """
from media_catalog.models import Bucket, Preset
Bucket.objects.filter(role="originals").update(resize_engine="lambda")
Preset.objects.create(slug="large", name="Large", width=1280, height=1280)
"""
RENDITIONS = """
SELECT image.width, image.height, rendition.key FROM media_catalog_image AS image
JOIN media_catalog_rendition AS rendition ON rendition.image_id = image.id WHERE image.key = ?
"""
USAGE = "SELECT operation, request_class, sum(count) FROM media_catalog_requestusage GROUP BY 1, 2"


@dataclass(frozen=True)
class Site:
    stack: Stack
    url: str
    token: str

    def usage(self) -> Counter[tuple[str, str]]:
        """Requests by operation and class."""
        return Counter({(operation, name): int(count) for operation, name, count in self.stack.query(USAGE)})

    def rows(self) -> list[list[tuple[Any, ...]]]:
        """All that a report may change."""
        tables = ("upload", "image", "rendition", "requestusage", "requestcounter", "reservation", "leftover")
        ask = "SELECT * FROM media_catalog_{} ORDER BY id"
        return [self.stack.query(ask.format(table)) for table in tables]

    def catalogued(self, uuid: str) -> list[tuple[Any, ...]]:
        """(width, height, key of a rendition) of the upload's image, for each of its renditions."""
        return self.stack.query(RENDITIONS, f"{PREFIX}{uuid}")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """The site, and the function as `deploy_function` makes it, which knows where to report to."""
    with running_stack(tmp_path_factory.mktemp("stack"), **SETTINGS) as stack:
        stack.python(BY_LAMBDA)
        url = stack.start_web()
        stack.manage("deploy_function", "--callback-url", f"{url}{URL}")
        yield Site(stack, url, stack.python(TOKEN).strip())


@pytest.fixture
def ask(site, browser) -> Callable[..., Any]:
    """The JSON answer of the API to the holder of the token."""

    def _ask(method: str, path: str = "", body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {site.token}", "Content-Type": "application/json"}
        answer = browser.request(method, f"{site.url}{URL}{path}", headers=headers, body=json.dumps(body or {}))
        assert answer.status in (200, 201), answer.data
        return answer.json()

    return _ask


@pytest.fixture
def send(browser) -> Callable[..., None]:
    def _send(credential: dict[str, Any], body: bytes, content_type: str = "image/jpeg") -> None:
        file = ("été 1+1.jpg", body, content_type)
        fields = {**credential["fields"], "Content-Type": content_type, "file": file}
        assert browser.request("POST", credential["url"], fields=fields).status == 204

    return _send


@pytest.fixture
def finish(ask) -> Callable[[str], dict[str, Any]]:
    """Poll until there is a result."""

    def _finish(uuid: str) -> dict[str, Any]:
        for _poll in range(4):
            record: dict[str, Any] = ask("GET", f"{uuid}?wait=20")
            if record["status"] not in ("created", "processing"):
                break
        return record

    return _finish


def test_from_the_form_to_the_result(site, ask, send, finish, client):
    before, mark = site.usage(), site.stack.cloud.access_log.mark()
    upload = ask("POST", body={"metadata": {"album": "press + day 1"}})
    assert upload["status"] == "created"
    assert upload["credential"]["fields"]["key"] == f"{PREFIX}{upload['uuid']}"
    send(upload["credential"], jpeg(1600, 1200))
    record = finish(upload["uuid"])

    assert (record["status"], record["error"]) == ("completed", None)
    keys = [f"image/{upload['uuid']}_{preset}.jpg" for preset in PRESETS]
    assert [record["processed_key"], *(each["key"] for each in record["renditions"])] == [keys[0], *keys]
    sizes = [(each["width"], each["height"]) for each in record["renditions"]]
    assert sizes == [(1280, 960), (640, 480), (200, 150)]
    for each in record["renditions"]:
        held = client("s3", site.stack.cloud).head_object(Bucket="mediafilesresized", Key=each["key"])
        assert (held["ETag"].strip('"'), held["ContentLength"]) == (each["etag"], each["size"])
        assert held["Metadata"]["album"] == "press + day 1"
    assert site.catalogued(upload["uuid"]) == [(1600, 1200, keys[0])]

    assert site.usage() - before == {
        ("PostObject", "s3_tier1"): 1,
        ("Invoke", "lambda_invocation"): 1,
        ("reported by the Lambda", "s3_tier1"): 3,
        ("reported by the Lambda", "s3_tier2"): 1,
    }
    sent = site.stack.cloud.access_log.operations(mark)
    assert (sent["PostObject"], sent["PutObject"], sent["GetObject"]) == (1, 3, 1)
    assert site.stack.query("SELECT sum(reserved), sum(leased) FROM media_catalog_requestcounter") == [(0, 0)]
    assert site.stack.query("SELECT count(*) FROM media_catalog_reservation WHERE closed_at IS NULL") == [(0,)]


def test_a_repeat_of_the_callback_changes_nothing(site, ask, send, finish, browser):
    upload = ask("POST", body={"metadata": {"album": "repeated"}})
    send(upload["credential"], jpeg())
    record = finish(upload["uuid"])
    [[reports]] = site.stack.query("SELECT reports FROM media_catalog_upload WHERE uuid = ?", upload["uuid"])
    report = {
        "report": json.loads(reports)[0],
        **{name: record[name] for name in ("processed_key", "renditions")},
        "requests": {"s3_tier1": 3, "s3_tier2": 1},
    }
    path, body, before = f"{URL}{upload['uuid']}", json.dumps(report).encode(), site.rows()
    headers = {"Content-Type": "application/json", **signed(path, body)}
    answer = browser.request("PUT", f"{site.url}{path}", body=body, headers=headers)

    assert (answer.status, answer.json()["status"]) == (200, "completed")
    assert site.rows() == before


def test_a_second_delivery_is_reported_the_same(site, ask, send, finish):
    """The same bytes by the same form: another event, another run of the function, which finds its own work."""
    upload = ask("POST", body={"metadata": {"album": "delivered twice"}})
    send(upload["credential"], jpeg())
    first, before = finish(upload["uuid"]), site.usage()
    send(upload["credential"], jpeg())
    wait_for(lambda: site.usage() != before, 30)

    assert finish(upload["uuid"]) == first
    assert site.usage() - before == {
        ("Invoke", "lambda_invocation"): 1,
        ("reported by the Lambda", "s3_tier1"): 3,
        ("reported by the Lambda", "s3_tier2"): 4,
    }


def test_every_type_that_a_form_accepts_is_processed(site, ask, send, finish):
    uploads = ask("POST", "batch/", {"count": len(FORMATS)})
    types = [FORMATS[name].content_type for name in FORMATS]
    assert sorted(uploads[0]["credential"]["content_types"]) == sorted(types)
    for upload, name in zip(uploads, FORMATS, strict=True):
        send(upload["credential"], encoded(picture(300, 200), name), FORMATS[name].content_type)

    records = [finish(upload["uuid"]) for upload in uploads]
    assert [record["error"] for record in records] == [None] * len(FORMATS)
    made = [{each["content_type"] for each in record["renditions"]} for record in records]
    assert made == [{FORMATS[rendered_as(name)].content_type} for name in FORMATS]
    for upload, record in zip(uploads, records, strict=True):
        assert site.catalogued(upload["uuid"]) == [(300, 200, record["processed_key"])]
