"""What an estimate must know of the selected images, in a few queries however many they are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import BooleanField, Count, ExpressionWrapper, F, Q

from media_catalog.imaging.renditions import Spec
from media_catalog.models import Analysis, Image, Preset, Rendition
from media_catalog.quota.estimate import Candidate

from . import detection, renditions
from .readable import MAX_BYTES

_ACTIVE = Q(renditions__preset__active=True)
_CURRENT = Q(renditions__source_etag=F("etag"), renditions__preset_version=F("renditions__preset__version"))
# The thumbnail keeps its key and is overwritten; all others get a new key and the old object is deleted.
_NEW_KEY = ~Q(renditions__preset__slug=Preset.THUMBNAIL)
_AS_THEY_ARE = ("pk", "held", "readable", "too_large", "legal_hold", "unpaired", "lost")


def candidates(images: Sequence[int], *, in_trash: bool = False, stale_of: int | None = None) -> list[Candidate]:
    """Facts of these images (ids), in the order of their ids; unknown ids are left out, and those in the trash unless
    they are asked for. With `stale_of`, a preset (id), only the stale renditions of that one count as missing.

    Two queries, and two more for images of which renditions would be refused.
    """
    presets, of_preset = Preset.objects.filter(active=True), Q()
    if stale_of is not None:
        presets, of_preset = presets.filter(pk=stale_of), Q(renditions__preset=stale_of)
    specs = {preset.pk: renditions.spec_of(preset) for preset in presets}
    analysed = Q(analysis__source_etag=F("etag")) & ~Q(analysis__state=Analysis.State.FAILED)
    rows = (
        (Image.everything if in_trash else Image.objects)
        .filter(pk__in=images)
        .annotate(
            held=Count("renditions"),
            current=Count("renditions", filter=_ACTIVE & _CURRENT),
            stale=Count("renditions", filter=_ACTIVE & ~_CURRENT & of_preset),
            replaced=Count("renditions", filter=_ACTIVE & _NEW_KEY & ~_CURRENT & of_preset),
            readable=ExpressionWrapper(detection.READABLE_Q, output_field=BooleanField()),
            too_large=ExpressionWrapper(Q(size__gt=MAX_BYTES), output_field=BooleanField()),
            analysed=ExpressionWrapper(analysed, output_field=BooleanField()),
            legal_hold=F("bucket__legal_hold"),
            lost=ExpressionWrapper(Q(missing_since__isnull=False), output_field=BooleanField()),
            unpaired=ExpressionWrapper(Q(bucket__renditions_bucket=None), output_field=BooleanField()),
        )
        .order_by("pk")
        .values(*_AS_THEY_ARE, "key", "size", "width", "height", "current", "stale", "replaced", "analysed")
    )
    found = list(rows)
    refused, kept = _refused(found, specs)
    return [
        _candidate(
            row,
            wanted=len(specs) - row["current"] if stale_of is None else row["stale"],
            refused=refused[row["pk"]],
            kept=kept[row["pk"]],
        )
        for row in found
    ]


def _candidate(row: Mapping[str, Any], *, wanted: int, refused: int, kept: int) -> Candidate:
    """`wanted` renditions, of which some may be `refused`; `kept` are old ones that stay because of that."""
    refused = min(refused, wanted)
    return Candidate(
        **{name: row[name] for name in _AS_THEY_ARE},
        bytes=row["size"],
        missing=wanted - refused,
        replaced=row["replaced"] - kept,
        refused=refused,
        analysed=bool(row["analysed"]),
    )


def _refused(found: Sequence[Mapping[str, Any]], specs: Mapping[int, Spec]) -> tuple[Counter[int], Counter[int]]:
    """By image (id): missing renditions that would be refused, and old ones that stay because of that."""
    presets = {
        row["pk"]: refused
        for row in found
        if (refused := renditions.refused_presets(specs, key=row["key"], width=row["width"], height=row["height"]))
    }
    missing, kept = Counter({pk: len(refused) for pk, refused in presets.items()}), Counter[int]()
    if not presets:
        return missing, kept
    held = Rendition.objects.filter(image__in=presets, preset__in=specs)
    current = set(held.current().values_list("pk", flat=True))
    for pk, image, preset, slug in held.values_list("pk", "image", "preset", "preset__slug"):
        if preset not in presets[image]:
            continue
        if pk in current:
            missing[image] -= 1
        elif slug != Preset.THUMBNAIL:
            kept[image] += 1
    return missing, kept
