"""Direct uploads as tests need them: issued, sent, and what the quota shows of them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import urllib3
from django.db.models import Sum
from django.utils import timezone

from media_catalog.models import Bucket, RequestUsage, Upload
from media_catalog.quota.summary import summaries
from media_catalog.services import direct_uploads
from media_catalog.services.direct_uploads import Issued, Terms, Wanted
from tests.pictures import jpeg
from tests.posting import send

TERMS = Terms(prefix="temp/", max_bytes=1_000_000, seconds=600)
TIERS = ("s3_tier1", "s3_tier2")


@pytest.fixture
def issue(originals: Bucket) -> Callable[..., list[Issued]]:
    """Forms for so many files."""

    def _issue(count: int = 1, *, terms: Terms = TERMS, content_type: str = "", user=None) -> list[Issued]:
        files = [Wanted(name=f"{number}.jpg", content_type=content_type) for number in range(count)]
        return direct_uploads.issue(files=files, bucket=originals, user=user, terms=terms)

    return _issue


@pytest.fixture
def post(browser: urllib3.PoolManager) -> Callable[..., None]:
    """Send an issued upload's body as the browser does."""

    def _post(issued: Issued, body: bytes | None = None) -> None:
        assert send(browser, issued.post, jpeg(50, 40) if body is None else body).status == 204

    return _post


def figures(name: str) -> tuple[int, int]:
    """Of this month, by class: `used` or `held`, as the panel shows them."""
    found = {entry.request_class: getattr(entry, name) for entry in summaries() if entry.period == "month"}
    return tuple(found[tier] for tier in TIERS)


def usage(after: int) -> dict[tuple[str, bool], int]:
    """Requests by operation and whether they were estimated, in rows written after this one."""
    rows = RequestUsage.objects.filter(pk__gt=after).order_by().values_list("operation", "estimated")
    return {(operation, estimated): count for operation, estimated, count in rows.annotate(Sum("count"))}


def last_row() -> int:
    return RequestUsage.objects.latest("pk").pk


def expired() -> None:
    """Let the time of all forms be over for long."""
    Upload.objects.update(expires_at=timezone.now() - timedelta(minutes=16))
