"""A part of bench/jobs.py: what making renditions costs beside the pixels. How many images; the cloud by environment.

CPU time, user and system, of this process; the cloud and PostgreSQL are processes of their own. Each chunk once as a
job and once as pixels alone, in turns, because the machine is not the same from one minute to the next.
"""

import io
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import surroundings

VERSION = surroundings.set_up()

from django.conf import settings
from django.core.cache import caches
from PIL import Image as Pillow

from media_catalog import jobs
from media_catalog.aws import s3
from media_catalog.imaging.renditions import make
from media_catalog.jobs.enqueue import chunks
from media_catalog.jobs.progress import Progress
from media_catalog.jobs.runner import run_chunk
from media_catalog.models import Bucket, Image, Job, Preset, RequestLimit
from media_catalog.services.limits import image_limits
from media_catalog.services.renditions import spec_of

SIZE = (4000, 3000)
PICTURES = 10  # different ones
SPOTS = (512, 128, 32, 8, 2)  # pixels across the spots of noise, coarse to fine
FINER = 0.2  # weight of each finer noise over the coarser: at quality 90 a file of 3 to 4 MB, as of a telephone
SIGMA = 80
OUT_OF_THE_WAY = 10**9


def main() -> None:
    count = int(sys.argv[1])
    pictures = [_photo() for _number in range(PICTURES)]
    bodies = [pictures[number % PICTURES] for number in range(settings.JOB_CHUNK_SIZE + count)]
    # The first makes clients and connections, as once in a worker's life.
    measured = [(_as_job(*chunk), _pixels(chunk[2])) for chunk in _chunks(bodies)][1:]
    assert Job.objects.get().counts == {**asdict(Progress()), "done": len(bodies)}
    print(json.dumps(_figures(measured, sizes=[len(body) for body in pictures])))


def _figures(measured: Sequence[tuple[float, float]], *, sizes: Sequence[int]) -> dict[str, Any]:
    """From CPU seconds for each image, as a job and as pixels."""
    return {
        "version": VERSION,
        "cache": type(caches["default"]).__name__,
        "chunks": len(measured),
        "mean_bytes": round(statistics.mean(sizes)),
        "renditions_of_each": Preset.objects.filter(active=True).count(),
        "job_ms": round(statistics.median(job for job, _pixels in measured) * 1000, 1),
        "pixels_ms": round(statistics.median(pixels for _job, pixels in measured) * 1000, 1),
        "overhead_percent": round(statistics.median(job / pixels - 1 for job, pixels in measured) * 100, 1),
    }


def _photo() -> bytes:
    """A JPEG of 12 megapixels that costs about as much to decode as a photograph."""
    channels = (_noise(SPOTS), _noise(SPOTS[:2]), _noise(SPOTS[:2]))
    file = io.BytesIO()
    Pillow.merge("YCbCr", channels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _noise(spots: Sequence[int]) -> Pillow.Image:
    width, height = SIZE
    layers = [
        Pillow.effect_noise((width // spot, height // spot), SIGMA).resize(SIZE, Pillow.Resampling.BICUBIC)
        for spot in spots
    ]
    mixed = layers[0]
    for finer in layers[1:]:
        mixed = Pillow.blend(mixed, finer, FINER)
    return mixed


def _chunks(bodies: Sequence[bytes]) -> Iterator[tuple[int, Sequence[int], Sequence[bytes]]]:
    """Of one job for all these originals: what django-q2 delivers, and the bytes of its images."""
    RequestLimit.objects.update(limit=OUT_OF_THE_WAY)
    for name in ("bench", "bench-resized"):
        s3.create_bucket(name, region="us-east-1")
    renditions = Bucket.objects.create(name="bench-resized", role=Bucket.Role.RENDITIONS)
    originals = Bucket.objects.create(name="bench", role=Bucket.Role.ORIGINALS, renditions_bucket=renditions)
    images = [_upload(originals, f"{number:04}.jpg", body) for number, body in enumerate(bodies)]
    job = jobs.start(kind="make_renditions", user=None, images=images)
    numbers = {item: images.index(image) for item, image in job.items.values_list("pk", "image")}
    for items in chunks(sorted(numbers)):
        yield job.pk, items, [bodies[numbers[item]] for item in items]


def _as_job(job: int, items: Sequence[int], bodies: Sequence[bytes]) -> float:
    """CPU seconds for each image of a chunk, from its delivery to the last item's result."""
    began = time.process_time()
    run_chunk(job, items)
    return (time.process_time() - began) / len(bodies)


def _upload(originals: Bucket, key: str, body: bytes) -> int:
    width, height = SIZE
    image = Image.objects.create(
        bucket=originals,
        key=key,
        etag=s3.put_object(originals.name, key, body, content_type="image/jpeg"),
        size=len(body),
        format="JPEG",
        width=width,
        height=height,
    )
    return image.pk


def _pixels(bodies: Sequence[bytes]) -> float:
    """CPU seconds for each image of the same renditions, from bytes in memory to bytes in memory."""
    specs = [spec_of(preset) for preset in Preset.objects.filter(active=True)]
    limits = image_limits()
    began = time.process_time()
    for body in bodies:
        make(body, specs, limits=limits)
    return (time.process_time() - began) / len(bodies)


if __name__ == "__main__":
    main()
