"""Jobs whose items do nothing but what the test says."""

from collections.abc import Callable
from types import MappingProxyType

import pytest

from media_catalog.jobs import attempts, enqueue, runner
from media_catalog.jobs.kinds import KINDS, Kind, Outcome
from media_catalog.models import Bucket, Image, JobItem

DONE = Outcome(state=JobItem.State.DONE, message="")


@pytest.fixture
def kind(monkeypatch) -> Callable[..., None]:
    """Give a kind of job another content: `kind("detect_faces", run)`."""

    def _kind(slug: str, run: Callable[..., Outcome] = lambda *_args: DONE) -> None:
        real = KINDS[slug]
        changed = Kind(
            slug=slug, label=real.label, run=run, permissions=real.permissions, takes_images=real.takes_images
        )
        kinds = MappingProxyType({**KINDS, slug: changed})
        for module in (attempts, enqueue, runner):
            monkeypatch.setattr(module, "KINDS", kinds)

    return _kind


@pytest.fixture
def rows(db) -> Callable[[int], list[int]]:
    """The ids of so many images that exist in the catalogue only."""

    def _rows(count: int) -> list[int]:
        bucket = Bucket.objects.create(name="rows", role=Bucket.Role.ORIGINALS)
        made = Image.objects.bulk_create(
            Image(
                bucket=bucket,
                key=f"{number}.jpg",
                etag="e",
                size=1000,
                content_type="image/jpeg",
                format="JPEG",
                width=800,
                height=600,
                name=f"{number}.jpg",
            )
            for number in range(count)
        )
        return [image.pk for image in made]

    return _rows
