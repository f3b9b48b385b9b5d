"""Buckets: what S3 has, those that the settings name, new ones, and what each is for."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.aws import bucket_settings, client, s3
from media_catalog.exceptions import AwsConflict, AwsDenied, BucketRefused, ClockSkewed
from media_catalog.models import Bucket, Image, Rendition, RequestClass, StoredFile

from . import bucket_audit
from .bucket_settings import site_rule
from .turns import pages


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    seen: int
    added: int
    missing: int


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The settings that name a bucket for originals and the one for its renditions; `engine` is that of a new row."""

    originals_setting: str
    renditions_setting: str
    engine: Bucket.ResizeEngine

    @property
    def originals(self) -> str:
        return str(getattr(settings, self.originals_setting))

    @property
    def renditions(self) -> str:
        return str(getattr(settings, self.renditions_setting))


STAFF = Pair(
    originals_setting="BUCKET_ORIGINALS",
    renditions_setting="BUCKET_RENDITIONS",
    engine=Bucket.ResizeEngine.WORKER,
)
API = Pair(
    originals_setting="ASYNC_IMAGE_UPLOAD_BUCKET",
    renditions_setting="ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET",
    engine=Bucket.ResizeEngine.LAMBDA,
)


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


def cost_of_sync() -> dict[str, int]:
    """Requests of `sync`, by the buckets that it has seen the last time."""
    return {RequestClass.S3_TIER1.value: pages(Bucket.objects.filter(missing_since=None).count(), s3.LISTED_BUCKETS)}


def regions() -> list[str]:
    """Where a bucket can be created. No request."""
    return client.regions()


def named_are_ready() -> bool:
    """Whether the rows say that `ensure_named` came to its end with the names now in the settings. No request."""
    present = Bucket.objects.filter(missing_since=None)
    pairs = [
        present.filter(
            name=pair.originals,
            role=Bucket.Role.ORIGINALS,
            renditions_bucket__name=pair.renditions,
            renditions_bucket__missing_since=None,
        )
        for pair in _named_pairs()
    ]
    static = present.filter(name=settings.BUCKET_STATIC, role=Bucket.Role.STATIC)
    files = [Bucket.objects.for_files().filter(name=name) for name in _named_for_files()]
    return all(rows.exists() for rows in [*pairs, static, *files])


def ensure_named(*, origins: list[str]) -> list[Bucket]:
    """Create the buckets that the settings name where missing, let `origins` upload to those for originals, pair them.

    Raises ImproperlyConfigured, before any request, when a renditions bucket serves other originals.
    """
    pairs = _named_pairs()
    for pair in pairs:
        _check_renditions_are_free(pair)
    made = [bucket for pair in pairs for bucket in _ensure_pair(pair, origins)]
    made.append(_ensure(settings.BUCKET_STATIC, Bucket.Role.STATIC))
    return [*made, *(_ensure_for_files(name) for name in _named_for_files())]


def ensure(name: str, role: Bucket.Role) -> Bucket:
    """The bucket of this name, created at S3 and here where it is missing. No request for one that the rows have."""
    held = Bucket.objects.filter(name=name, missing_since=None).first()
    return held or _ensure(name, role)


def _named_pairs() -> list[Pair]:
    return [STAFF, API] if API.renditions else [STAFF]


def _named_for_files() -> list[str]:
    return [settings.BUCKET_FILES] if settings.BUCKET_FILES else []


def _check_renditions_are_free(pair: Pair) -> None:
    served = Bucket.objects.filter(renditions_bucket__name=pair.renditions)
    other = served.exclude(name=pair.originals).first()
    if other:
        raise ImproperlyConfigured(
            _(
                "“%(renditions)s” already holds the renditions of “%(other)s”. Set %(renditions_setting)s to a bucket "
                "of its own for “%(originals)s”, or %(originals_setting)s back to “%(other)s”."
            )
            % {**asdict(pair), "renditions": pair.renditions, "other": other, "originals": pair.originals}
        )


def _ensure_pair(pair: Pair, origins: list[str]) -> tuple[Bucket, Bucket]:
    renditions = _ensure(pair.renditions, Bucket.Role.RENDITIONS)
    originals = _ensure(pair.originals, Bucket.Role.ORIGINALS, engine=pair.engine)
    bucket_settings.put_cors(originals.name, [site_rule(origins)])
    originals.renditions_bucket = renditions
    originals.save(update_fields=["renditions_bucket"])
    return originals, renditions


def _ensure(name: str, role: Bucket.Role, *, engine: Bucket.ResizeEngine = Bucket.ResizeEngine.WORKER) -> Bucket:
    is_new = not s3.bucket_exists(name)
    if is_new:
        s3.create_bucket(name, region=settings.AWS_REGION)
    known = {"role": role, "region": settings.AWS_REGION, "synced_at": timezone.now(), "missing_since": None}
    bucket, _created = Bucket.objects.update_or_create(
        name=name, defaults=known, create_defaults={**known, "resize_engine": engine}
    )
    if is_new:
        bucket_audit.created(bucket)
    return bucket


def _ensure_for_files(name: str) -> Bucket:
    bucket = _ensure(name, Bucket.Role.GENERAL)
    bucket.accepts = Bucket.Accepts.ANY
    bucket.save(update_fields=["accepts"])
    return bucket


def create(*, name: str, region: str, role: str, accepts: str, partner: Bucket | None) -> Bucket:
    """Create the bucket at S3 and here, paired with the partner. One HEAD and one PUT; its settings come after.

    Raises BucketRefused, before anything is created, when the name is taken, and AwsDenied when we may create none.
    """
    if Bucket.objects.filter(name=name).exists():
        raise BucketRefused("known")
    _check_partner(None, role, partner)
    _check_free(name)
    try:
        s3.create_bucket(name, region=region)
    except AwsConflict as error:
        raise BucketRefused("taken") from error
    now = timezone.now()
    # A synchronisation may have seen it by now.
    bucket, _created = Bucket.objects.update_or_create(
        name=name, defaults={"region": region, "created_at": now, "synced_at": now, "missing_since": None}
    )
    with transaction.atomic():
        _assign(bucket, role=role, accepts=accepts, partner=partner)
        bucket_audit.created(bucket)
    return bucket


def _check_free(name: str) -> None:
    """In us-east-1 S3 itself says nothing when the name is our own, and hands over that one."""
    try:
        if s3.bucket_exists(name):
            raise BucketRefused("ours")
    except ClockSkewed:
        raise
    except AwsDenied as error:
        raise BucketRefused("taken") from error


def assign(bucket: Bucket, *, role: str, accepts: str, partner: Bucket | None) -> None:
    """Say what the bucket is for and with which it is paired: originals with renditions, or the other way round.

    No request. Leaves an audit event. Raises BucketRefused when it holds catalogued objects that the role does not
    allow, or when the renditions bucket serves others.
    """
    with transaction.atomic():
        before = bucket_audit.purpose(bucket)
        _assign(bucket, role=role, accepts=accepts, partner=partner)
        bucket_audit.changed(bucket, before=before, after=bucket_audit.purpose(bucket))


def change(bucket: Bucket, fields: Sequence[str]) -> None:
    """Save these columns, which hold rules of ours, and no others. Leaves audit events."""
    if not fields:
        return
    with transaction.atomic():
        before = Bucket.objects.select_for_update().values(*fields).get(pk=bucket.pk)
        bucket.save(update_fields=fields)
        bucket_audit.changed(bucket, before=before, after={name: getattr(bucket, name) for name in fields})


def _assign(bucket: Bucket, *, role: str, accepts: str, partner: Bucket | None) -> None:
    held = Bucket.objects.select_for_update().get(pk=bucket.pk)
    _check_contents(held, role)
    _check_partner(held.pk, role, partner)
    held.role, held.accepts = role, accepts
    held.renditions_bucket = partner if role == Bucket.Role.ORIGINALS else None
    held.save(update_fields=["role", "accepts", "renditions_bucket"])
    Bucket.objects.filter(renditions_bucket=held).update(renditions_bucket=None)
    if partner and role == Bucket.Role.RENDITIONS:
        Bucket.objects.filter(pk=partner.pk).update(renditions_bucket=held)
    bucket.refresh_from_db()


def _check_contents(bucket: Bucket, role: str) -> None:
    images = Image.everything.filter(bucket=bucket).count()  # those in the trash may come back
    if images and role != Bucket.Role.ORIGINALS:
        raise BucketRefused("has_images", count=images)
    files = StoredFile.everything.filter(bucket=bucket).count()
    if files and role != Bucket.Role.GENERAL:
        raise BucketRefused("has_files", count=files)
    renditions = Rendition.objects.filter(bucket=bucket).count()
    if renditions and role != Bucket.Role.RENDITIONS:
        raise BucketRefused("has_renditions", count=renditions)


def _check_partner(pk: int | None, role: str, partner: Bucket | None) -> None:
    """A renditions bucket serves one bucket for originals, or thumbnails would meet under the same keys."""
    if partner is None:
        return
    if role == Bucket.Role.ORIGINALS:
        other = Bucket.objects.filter(renditions_bucket=partner).first()
        if other and other.pk != pk:
            raise BucketRefused("pair_taken", originals=other.name)
    elif partner.renditions_bucket_id not in (None, pk):
        raise BucketRefused("pair_taken", originals=partner.name)
