"""Whether a bucket is set up as the product needs it, and whether we may do there what it does."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from media_catalog.aws import bucket_settings as s3_settings
from media_catalog.aws import listing, objects
from media_catalog.exceptions import AwsDenied, AwsError, AwsNotFound, AwsThrottled, AwsUnavailable, ClockSkewed
from media_catalog.models import Bucket, RequestClass

from .bucket_settings import BucketSettings, known, lets_in, lifecycle_days

# What a whole check costs: two LIST and the start of an upload; five settings and one HEAD; abort and DELETE.
COST: Mapping[str, int] = {
    RequestClass.S3_TIER1.value: 3,
    RequestClass.S3_TIER2.value: 6,
    RequestClass.FREE.value: 2,
}
GOOD, WARN, BAD, UNKNOWN = "good", "warn", "bad", "unknown"
PROBE_FOLDER = ".backoffice-probe"
# These stop a check: they say nothing of the bucket.
NOT_OF_THE_BUCKET = (AwsThrottled, AwsUnavailable, ClockSkewed)
Finding = tuple[str, str]  # level, code


def check(bucket: Bucket, *, origin: str) -> None:
    """Look at all settings and permissions and store what was found.

    Raises AwsNotFound when the bucket is gone, which its row then says. What stops a check half-way (quota, faults) is
    raised too, with nothing stored.
    """
    probe = probe_key()
    try:
        may_list = _may(lambda: listing.list_page(bucket.name, size=1))
    except AwsNotFound:
        mark_missing(bucket)
        raise
    may_list_versions = _may(lambda: listing.list_versions(bucket.name, size=1))
    found, unread = _read_settings(bucket, origin)
    checks = {slug: (UNKNOWN, "denied") if slug in unread else judge(bucket, found) for slug, judge in JUDGES.items()}
    checks["csp"] = _csp(bucket)
    checks["list"] = may_list
    checks["versions"] = may_list_versions
    checks["read"] = _may_read(bucket, probe) if may_list[0] == GOOD else (UNKNOWN, "needs_list")
    checks["write"] = _may(lambda: objects.probe_write(bucket.name, probe))
    checks["delete"] = _may_delete(bucket, probe) if checks["read"][0] == GOOD else (UNKNOWN, "needs_read")
    bucket.health = _as_json(checks)
    bucket.health_at = timezone.now()
    bucket.settings = _merged(bucket, found)
    bucket.missing_since = None
    bucket.save(update_fields=["health", "health_at", "settings", "missing_since"])


def probe_key() -> str:
    """A key that nobody has."""
    return f"{PROBE_FOLDER}/{secrets.token_hex(8)}"


def judge_again(bucket: Bucket) -> None:
    """Bring the stored findings in line with settings that were just written. No request."""
    now = known(bucket)
    if now is None or not bucket.health:
        return
    found = asdict(now)
    checks = {slug: judge(bucket, found) for slug, judge in JUDGES.items()}
    bucket.health |= _as_json(checks)
    bucket.save(update_fields=["health"])


def mark_missing(bucket: Bucket) -> None:
    if bucket.missing_since is None:
        bucket.missing_since = timezone.now()
        bucket.save(update_fields=["missing_since"])


def endpoint_origin(bucket: Bucket) -> str:
    """Where a browser reaches the bucket: scheme and host, as a Content-Security-Policy names it."""
    if settings.AWS_ENDPOINT_URL:
        parts = urlsplit(settings.AWS_ENDPOINT_URL)
        return f"{parts.scheme}://{parts.netloc}"
    return f"https://{bucket.name}.s3.{bucket.region or settings.AWS_REGION}.amazonaws.com"


def _as_json(checks: Mapping[str, Finding]) -> dict[str, dict[str, str]]:
    return {slug: {"level": level, "code": code} for slug, (level, code) in checks.items()}


def _read_settings(bucket: Bucket, origin: str) -> tuple[dict[str, object], set[str]]:
    """Fields of BucketSettings as they are at S3, and the checks whose settings we may not read."""
    name, region = bucket.name, bucket.region
    readers: dict[str, Callable[[], dict[str, object]]] = {
        "public_access": lambda: {"block_public_access": s3_settings.blocks_public_access(name, region=region)},
        "encryption": lambda: {"encryption": s3_settings.get_encryption(name, region=region)},
        "versioning": lambda: {"versioning": s3_settings.is_versioned(name, region=region)},
        "cors": lambda: {"cors": lets_in(s3_settings.get_cors(name, region=region), origin)},
        "lifecycle": lambda: {**lifecycle_days(s3_settings.get_lifecycle(name, region=region))},
    }
    found: dict[str, object] = {}
    unread = set()
    for slug, read in readers.items():
        try:
            found |= read()
        except AwsDenied:
            unread.add(slug)
    return found, unread


def _merged(bucket: Bucket, found: dict[str, object]) -> dict[str, object]:
    """What is known of the settings now; nothing until each was read once."""
    merged = {**bucket.settings, **found}
    return merged if merged.keys() == BucketSettings.__dataclass_fields__.keys() else {}


def _judge_cors(bucket: Bucket, found: Mapping[str, object]) -> Finding:
    if found["cors"]:
        return GOOD, "open"
    return (WARN, "closed") if bucket.role == Bucket.Role.ORIGINALS else (GOOD, "not_needed")


def _judge_public_access(bucket: Bucket, found: Mapping[str, object]) -> Finding:
    return (GOOD, "blocked") if found["block_public_access"] else (BAD, "possible")


def _judge_encryption(bucket: Bucket, found: Mapping[str, object]) -> Finding:
    return (GOOD, "on") if found["encryption"] else (BAD, "off")


def _judge_versioning(bucket: Bucket, found: Mapping[str, object]) -> Finding:
    if bucket.role == Bucket.Role.RENDITIONS:
        return (WARN, "wasteful") if found["versioning"] else (GOOD, "not_needed")
    if found["versioning"]:
        return (GOOD, "on") if found.get("old_versions_days", True) else (WARN, "kept_for_ever")
    return (WARN, "off") if bucket.role == Bucket.Role.ORIGINALS else (GOOD, "not_needed")


def _judge_lifecycle(bucket: Bucket, found: Mapping[str, object]) -> Finding:
    return (GOOD, "set") if found["multipart_days"] else (WARN, "unfinished_uploads")


JUDGES: Mapping[str, Callable[[Bucket, Mapping[str, object]], Finding]] = {
    "public_access": _judge_public_access,
    "encryption": _judge_encryption,
    "versioning": _judge_versioning,
    "cors": _judge_cors,
    "lifecycle": _judge_lifecycle,
}


def _csp(bucket: Bucket) -> Finding:
    """Whether the site's own policy lets its pages send to the bucket. From the settings alone."""
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    return (GOOD, "named") if endpoint_origin(bucket) in directives["connect-src"] else (GOOD, "not_named")


def _may(probe: Callable[[], object]) -> Finding:
    try:
        probe()
    except (AwsNotFound, *NOT_OF_THE_BUCKET):
        raise
    except AwsDenied:
        return BAD, "denied"
    except AwsError:
        return UNKNOWN, "failed"
    return GOOD, "allowed"


def _may_read(bucket: Bucket, key: str) -> Finding:
    """With permission to list, S3 says 404 of a key that is not there to whoever may read, and 403 to others."""
    return _may(lambda: objects.get_details(bucket.name, key))


def _may_delete(bucket: Bucket, key: str) -> Finding:
    """S3 wants permission to read, too, for a DELETE with a condition."""
    return _may(lambda: objects.probe_delete(bucket.name, key))
