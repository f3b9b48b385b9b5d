"""The web processes as deployed: several of them, one cache, and no request for what was seen."""

import http.cookiejar
import re
import urllib.parse
import urllib.request

import pytest

from tests.pictures import jpeg
from tests.stack import PASSWORD, USERNAME, running_stack, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

UPLOAD_AND_START = """
import io
from django.contrib.auth.models import User
from media_catalog import jobs
from media_catalog.models import Bucket
from media_catalog.services import uploads
body = open({path!r}, "rb").read()
bucket = Bucket.objects.get(role="originals")
images = [
    uploads.store(file=io.BytesIO(body), name=f"{{n}}.jpg", caption="", bucket=bucket, user=None) for n in range(100)
]
jobs.start(kind="make_renditions", user=User.objects.get(), images=[image.pk for image in images])
"""


class Visitor:
    """A logged-in client with cookies, without the images' bytes in any cache of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        form = self.get("/admin/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
        assert token
        fields = {"csrfmiddlewaretoken": token[1], "username": USERNAME, "password": PASSWORD}
        self._opener.open(f"{url}/admin/login/?next=/admin/", urllib.parse.urlencode(fields).encode())

    def get(self, path: str) -> str:
        return self.get_bytes(path).decode()

    def get_bytes(self, path: str) -> bytes:
        with self._opener.open(f"{self._url}{path}") as answer:
            body: bytes = answer.read()
            return body


def test_a_list_of_a_hundred_pictures_costs_a_second_process_no_request(tmp_path):
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(jpeg(300, 200))
    with running_stack(tmp_path) as stack:
        stack.manage("shell", "-v0", "-c", UPLOAD_AND_START.format(path=str(picture)))
        stack.start_worker()
        wait_for(lambda: stack.query("SELECT state FROM media_catalog_job") == [("finished",)], 120)
        assert stack.query("SELECT count(*) FROM media_catalog_rendition") == [(600,)]

        first, second = (Visitor(stack.start_web()) for _number in range(2))
        _see_all(first)
        mark = stack.cloud.access_log.mark()
        seen = _see_all(second)

        assert seen == 100
        assert not stack.cloud.access_log.operations(mark)


def _see_all(visitor: Visitor) -> int:
    """Load the list with all its previews; returns how many there were."""
    page = visitor.get("/admin/media_catalog/image/?all=")
    previews = re.findall(r'<img class="bo-thumb" src="([^"]+)"', page)
    for preview in previews:
        assert visitor.get_bytes(preview.replace("&amp;", "&")).startswith(b"\xff\xd8")
    return len(previews)
