"""Buckets: what S3 has, and the three that the product needs."""

from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.aws import s3
from media_catalog.models import Bucket


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    seen: int
    added: int
    missing: int


def sync() -> SyncResult:
    """Bring the rows in line with the account's buckets. One LIST for each 1,000 buckets.

    A bucket that S3 no longer lists keeps its row, marked as missing: its images still name it.
    """
    found = s3.list_buckets()
    now = timezone.now()
    with transaction.atomic():
        known = set(Bucket.objects.values_list("name", flat=True))
        for info in found:
            Bucket.objects.update_or_create(
                name=info.name,
                defaults={
                    "region": info.region or settings.AWS_REGION,
                    "created_at": info.created_at,
                    "synced_at": now,
                    "missing_since": None,
                },
            )
        gone = Bucket.objects.exclude(name__in=[info.name for info in found])
        missing = gone.filter(missing_since=None).update(missing_since=now)
    return SyncResult(seen=len(found), added=len({info.name for info in found} - known), missing=missing)


def three_are_ready() -> bool:
    """Whether the rows say that `ensure_three` came to its end with the names now in the settings. No request."""
    present = Bucket.objects.filter(missing_since=None)
    pair = present.filter(
        name=settings.BUCKET_ORIGINALS,
        role=Bucket.Role.ORIGINALS,
        renditions_bucket__name=settings.BUCKET_RENDITIONS,
        renditions_bucket__missing_since=None,
    )
    return pair.exists() and present.filter(name=settings.BUCKET_STATIC, role=Bucket.Role.STATIC).exists()


def ensure_three(*, origins: list[str]) -> list[Bucket]:
    """Create the originals, renditions and static buckets where missing, let `origins` upload, and pair them.

    Raises ImproperlyConfigured, before any request, when the renditions bucket serves other originals.
    """
    _check_renditions_are_free()
    renditions = _ensure(settings.BUCKET_RENDITIONS, Bucket.Role.RENDITIONS)
    static = _ensure(settings.BUCKET_STATIC, Bucket.Role.STATIC)
    originals = _ensure(settings.BUCKET_ORIGINALS, Bucket.Role.ORIGINALS)
    s3.put_cors(originals.name, origins=origins)
    originals.renditions_bucket = renditions
    originals.save(update_fields=["renditions_bucket"])
    return [originals, renditions, static]


def _check_renditions_are_free() -> None:
    served = Bucket.objects.filter(renditions_bucket__name=settings.BUCKET_RENDITIONS)
    other = served.exclude(name=settings.BUCKET_ORIGINALS).first()
    if other:
        raise ImproperlyConfigured(
            _(
                "“%(renditions)s” already holds the renditions of “%(other)s”. Set BUCKET_RENDITIONS to a bucket "
                "of its own for “%(originals)s”, or BUCKET_ORIGINALS back to “%(other)s”."
            )
            % {"renditions": settings.BUCKET_RENDITIONS, "other": other, "originals": settings.BUCKET_ORIGINALS}
        )


def _ensure(name: str, role: Bucket.Role) -> Bucket:
    if not s3.bucket_exists(name):
        s3.create_bucket(name, region=settings.AWS_REGION)
    bucket, _created = Bucket.objects.update_or_create(
        name=name,
        defaults={"role": role, "region": settings.AWS_REGION, "synced_at": timezone.now(), "missing_since": None},
    )
    return bucket


def allow_origin(*, bucket: Bucket, origin: str) -> bool:
    """Let the pages of an origin (`https://backoffice.example`) upload to the bucket; False when they could before.

    Two requests, or one.
    """
    return s3.add_cors(bucket.name, origin=origin)
