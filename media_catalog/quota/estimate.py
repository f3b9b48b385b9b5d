"""What a bulk action will cost, from counts alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from media_catalog.models import RequestClass

from .summary import ClassSummary


@dataclass(frozen=True, kw_only=True)
class EstimateLine:
    """Requests of one class that an action needs, beside what is left of its limit (None: no limit)."""

    label: str
    requests: int
    left: int | None

    @property
    def short(self) -> int:
        """Requests by which the limit falls short; 0 when it suffices."""
        return 0 if self.left is None else max(0, self.requests - self.left)


def renditions(missing_per_image: Iterable[int]) -> dict[str, int]:
    """Requests for making renditions: one GET for an image that lacks any, one PUT for each that it lacks."""
    missing = [count for count in missing_per_image if count]
    return {RequestClass.S3_TIER2: len(missing), RequestClass.S3_TIER1: sum(missing)}


def detection(images: int) -> dict[str, int]:
    """Requests for detecting faces: by S3 reference, so Rekognition alone."""
    return {RequestClass.REKOGNITION_IMAGE: images}


def removal(objects: int) -> dict[str, int]:
    """Requests for removing objects: one DELETE each, free of charge."""
    return {RequestClass.FREE: objects}


def lines(estimate: dict[str, int], summary: Iterable[ClassSummary]) -> list[EstimateLine]:
    """The estimate beside what is left, classes that need nothing left out."""
    left = {entry.request_class: entry.left for entry in summary}
    return [
        EstimateLine(label=str(RequestClass(cls).label), requests=requests, left=left.get(cls))
        for cls, requests in estimate.items()
        if requests
    ]
