"""Detecting the faces of an image and keeping the answer."""

from dataclasses import asdict
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from media_catalog.aws import rekognition
from media_catalog.exceptions import AwsError, DetectionRefused
from media_catalog.models import Analysis, Face, Image

from .readable import FORMATS, MAX_BYTES, MIN_SIDE
from .sentences import sentence

# The same rule as `_check_readable`, for the database.
READABLE_Q = Q(format__in=FORMATS, width__gte=MIN_SIDE, height__gte=MIN_SIDE, size__lte=MAX_BYTES)


def is_current(image: Image, *, since: datetime | None = None) -> bool:
    """Whether the image was analysed as it is now, with an answer, and that came after a moment if one is given."""
    answered = Analysis.objects.current().filter(image=image)
    return (answered.filter(analysed_at__gt=since) if since else answered).exists()


def detect(*, image: Image) -> Analysis:
    """Detect faces and replace the image's analysis. One Rekognition image; none for what Rekognition cannot read.

    What AWS refuses or fails at is raised, and kept as a failed analysis unless a current answer is known.
    """
    try:
        _check_readable(image)
        found = rekognition.detect_faces(image.bucket.name, image.key)
    except AwsError as error:
        if not is_current(image):
            _save_failed(image, error)
        raise
    return _save(image, found)


def _check_readable(image: Image) -> None:
    """Refuse here what Rekognition's documented limits refuse: it costs no request."""
    if image.format not in FORMATS or min(image.width, image.height) < MIN_SIDE or image.size > MAX_BYTES:
        raise DetectionRefused(f"{image.format} {image.width}x{image.height} {image.size} bytes")


def _save(image: Image, found: rekognition.Detection) -> Analysis:
    faces = found.faces
    with transaction.atomic():
        analysis, _created = Analysis.objects.update_or_create(
            image=image,
            defaults={
                "state": Analysis.State.FACES if faces else Analysis.State.NO_FACES,
                "reason": "",
                "face_count": len(faces),
                "source_etag": image.etag,
                "detector": found.detector,
                "detector_version": found.version,
                "raw_response": found.raw,
                "analysed_at": timezone.now(),
            },
        )
        analysis.faces.all().delete()
        Face.objects.bulk_create(
            Face(analysis=analysis, number=number, **asdict(face)) for number, face in enumerate(faces, start=1)
        )
    return analysis


def _save_failed(image: Image, error: AwsError) -> None:
    """With no detector's name: none has looked at the picture and answered."""
    with transaction.atomic():
        analysis, _created = Analysis.objects.update_or_create(
            image=image,
            defaults={
                "state": Analysis.State.FAILED,
                "reason": sentence(error),
                "face_count": 0,
                "source_etag": image.etag,
                "detector": "",
                "detector_version": "",
                "raw_response": {},
                "analysed_at": timezone.now(),
            },
        )
        analysis.faces.all().delete()
