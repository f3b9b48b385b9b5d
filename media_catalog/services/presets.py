"""Presets beside their rows: which slugs are free, and their removal with all that was made by them."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from media_catalog.exceptions import ObjectRefused
from media_catalog.models import Leftover, Preset, Rendition
from media_catalog.models.leftovers import FIRST_SWEEP

from . import previews, removal
from .object_keys import passing_prefixes
from .reports import OUTPUT

BATCH = 2000  # renditions in memory
PER_MINUTE = removal.SWEEP // 2  # objects of a preset that the sweep gets: there are others to be deleted as well


@dataclass(frozen=True, kw_only=True)
class Made:
    """How many renditions there are of a preset, and how many of them in buckets under legal hold."""

    count: int
    held: int


def made_by(preset: Preset) -> Made:
    """One query."""
    held = Count("pk", filter=Q(bucket__legal_hold=True))
    return Made(**Rendition.objects.filter(preset=preset).aggregate(count=Count("pk"), held=held))


def is_reserved(slug: str) -> bool:
    """Whether other objects have keys that begin as those of its renditions would."""
    folder = f"{slug}/"
    return any(folder.startswith(other) or other.startswith(folder) for other in (*passing_prefixes(), OUTPUT))


def has_leftovers(slug: str) -> bool:
    """Whether objects are still to be deleted under the keys that its renditions would have, and be taken for them."""
    return Leftover.objects.filter(key__startswith=f"{slug}/").exists()


def remove(*, preset: Preset) -> int:
    """Delete the preset and its renditions, whose objects are left to the sweep; returns how many. No request.

    Not for the thumbnail, whose keys are those of originals: the sweep leaves these alone. Raises ObjectRefused when a
    bucket of these renditions is under legal hold at that moment.
    """
    first, count = timezone.now() + FIRST_SWEEP, 0
    with transaction.atomic():
        # Whoever is making one cannot save it any more then, and leaves its object to the sweep as well.
        list(Preset.objects.select_for_update().filter(pk=preset.pk))
        made = Rendition.objects.select_for_update(of=("self",)).filter(preset=preset).order_by("pk")
        if Rendition.objects.filter(preset=preset, bucket__legal_hold=True).exists():
            raise ObjectRefused("held")
        while batch := list(made[:BATCH]):
            Leftover.objects.bulk_create(
                Leftover(
                    bucket_id=rendition.bucket_id,
                    key=rendition.key,
                    next_try_at=first + timedelta(minutes=(count + number) // PER_MINUTE),
                )
                for number, rendition in enumerate(batch)
            )
            Rendition.objects.filter(pk__in=[rendition.pk for rendition in batch]).delete()
            previews.forget_all(batch)
            count += len(batch)
        preset.delete()
    return count
