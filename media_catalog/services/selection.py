"""What an estimate must know of the selected images, in a few queries however many they are."""

from collections.abc import Sequence

from django.db.models import BooleanField, Count, ExpressionWrapper, F, Q

from media_catalog.models import Analysis, Image, Preset
from media_catalog.quota.estimate import Candidate

from . import detection
from .readable import MAX_BYTES

_ACTIVE = Q(renditions__preset__active=True)
_CURRENT = Q(renditions__source_etag=F("etag"), renditions__preset_version=F("renditions__preset__version"))
# The thumbnail keeps its key and is overwritten; all others get a new key and the old object is deleted.
_NEW_KEY = ~Q(renditions__preset__slug=Preset.THUMBNAIL)


def candidates(images: Sequence[int]) -> list[Candidate]:
    """Facts of these images (ids), in the order of their ids; unknown ids are left out. Two queries."""
    active = Preset.objects.filter(active=True).count()
    analysed = Q(analysis__source_etag=F("etag")) & ~Q(analysis__state=Analysis.State.FAILED)
    rows = (
        Image.objects.filter(pk__in=images)
        .annotate(
            held=Count("renditions"),
            current=Count("renditions", filter=_ACTIVE & _CURRENT),
            replaced=Count("renditions", filter=_ACTIVE & _NEW_KEY & ~_CURRENT),
            readable=ExpressionWrapper(detection.READABLE_Q, output_field=BooleanField()),
            too_large=ExpressionWrapper(Q(size__gt=MAX_BYTES), output_field=BooleanField()),
            analysed=ExpressionWrapper(analysed, output_field=BooleanField()),
            legal_hold=F("bucket__legal_hold"),
        )
        .order_by("pk")
        .values_list("pk", "size", "held", "current", "replaced", "readable", "too_large", "analysed", "legal_hold")
    )
    return [
        Candidate(
            pk=pk,
            bytes=size,
            missing=active - current,
            replaced=replaced,
            held=held,
            readable=readable,
            too_large=too_large,
            analysed=bool(done),
            legal_hold=legal_hold,
        )
        for pk, size, held, current, replaced, readable, too_large, done, legal_hold in rows
    ]
