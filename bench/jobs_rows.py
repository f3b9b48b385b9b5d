"""Images that exist in the catalogue only, for bench/jobs.py."""

from media_catalog.models import Bucket, Image, RequestLimit

OUT_OF_THE_WAY = 10**9


def images(count: int) -> list[int]:
    """The ids of so many images; limits are out of the way."""
    RequestLimit.objects.update(limit=OUT_OF_THE_WAY)
    fields = {"bucket": Bucket.objects.create(name="bench"), "etag": "e", "size": 1, "width": 100, "height": 100}
    rows = (Image(key=f"{number}.jpg", format="JPEG", **fields) for number in range(count))
    return [image.pk for image in Image.objects.bulk_create(rows, batch_size=1000)]
