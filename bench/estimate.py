"""How long the estimate of a bulk action on 10,000 images takes, and in how many queries: python bench/estimate.py

Each image has four of its six renditions. SQLite in a scratch file; the median of five runs.
"""

import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "backoffice.settings.test"

import django

django.setup()

from django.db import connection
from django.test.utils import CaptureQueriesContext, setup_databases, teardown_databases

from media_catalog.models import Bucket, Image, Preset, Rendition
from media_catalog.quota.estimate import estimate
from media_catalog.services.selection import candidates

IMAGES = 10_000


def fill() -> list[int]:
    """The ids of the images."""
    bucket = Bucket.objects.create(name="bench")
    fields = {"bucket": bucket, "etag": "e", "size": 1, "width": 100, "height": 100, "format": "JPEG"}
    Image.objects.bulk_create((Image(key=f"{number}.jpg", **fields) for number in range(IMAGES)), batch_size=1000)
    made = {"bucket": bucket, "etag": "r", "size": 1, "width": 1, "height": 1, "source_etag": "e", "preset_version": 1}
    presets = list(Preset.objects.all()[:4])
    Rendition.objects.bulk_create(
        (
            Rendition(image=image, preset=preset, key=f"{preset.slug}/{image.key}", **made)
            for image in Image.objects.all()
            for preset in presets
        ),
        batch_size=2000,
    )
    return list(Image.objects.values_list("pk", flat=True))


def main() -> None:
    databases = setup_databases(verbosity=0, interactive=False)
    ids = fill()
    for kind in ("make_renditions", "detect_faces", "remove_images"):
        seconds = []
        for _run in range(5):
            with CaptureQueriesContext(connection) as queries:
                began = time.perf_counter()
                found = estimate(kind, candidates(ids), {})
                seconds.append(time.perf_counter() - began)
        requests = sum(found.requests.values())
        print(f"{kind}: {statistics.median(seconds):.3f} s, {len(queries)} queries, {requests} requests")
    teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
