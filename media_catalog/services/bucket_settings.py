"""The settings of a bucket that staff see and change: what a change takes, and doing it.

Rules of others in CORS and lifecycle configurations stay: ours are known by their ids.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db import transaction

from media_catalog.aws import bucket_settings as s3_settings
from media_catalog.aws.bucket_settings import Rule
from media_catalog.exceptions import BackofficeError
from media_catalog.models import Bucket, RequestClass

from . import bucket_audit

CORS_ID = "backoffice-site"
TEMP_ID, MULTIPART_ID, OLD_VERSIONS_ID = "backoffice-temp", "backoffice-multipart", "backoffice-old-versions"
OUR_LIFECYCLE = {TEMP_ID, MULTIPART_ID, OLD_VERSIONS_ID}
TEMP_PREFIX = "temp/"
CORS_METHODS = ("GET", "HEAD", "POST")

ONE_PUT = {RequestClass.S3_TIER1.value: 1}
READ_AND_PUT = {RequestClass.S3_TIER2.value: 1, **ONE_PUT}


@dataclass(frozen=True, kw_only=True)
class BucketSettings:
    """`cors`: browsers on the site's pages may read and upload. Days of lifecycle rules; 0: no rule."""

    block_public_access: bool
    encryption: str
    versioning: bool
    cors: bool
    temp_days: int
    multipart_days: int
    old_versions_days: int

    @property
    def lifecycle(self) -> tuple[int, int, int]:
        return self.temp_days, self.multipart_days, self.old_versions_days


# What is uploaded to temp/ is the original of an API upload, so nothing removes it unless asked to.
DEFAULTS = BucketSettings(
    block_public_access=True,
    encryption="AES256",
    versioning=True,
    cors=True,
    temp_days=0,
    multipart_days=7,
    old_versions_days=30,
)
BARE = BucketSettings(
    block_public_access=False,
    encryption="",
    versioning=False,
    cors=False,
    temp_days=0,
    multipart_days=0,
    old_versions_days=0,
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One setting to write: which fields of BucketSettings it brings, what it costs at most, and doing it."""

    slug: str
    fields: tuple[str, ...]
    requests: dict[str, int]
    run: Callable[[], None]


def known(bucket: Bucket) -> BucketSettings | None:
    """The settings as last read or written here; None when they never were."""
    return BucketSettings(**bucket.settings) if bucket.settings else None


def remember(bucket: Bucket, settings: BucketSettings) -> None:
    bucket.settings = asdict(settings)
    bucket.save(update_fields=["settings"])


def plan(bucket: Bucket, *, now: BucketSettings, wanted: BucketSettings, origin: str, new: bool = False) -> list[Step]:
    """The steps from the settings as they are to those wanted. A `new` bucket has no rules to be read first."""
    steps = [
        _public_access(bucket, wanted),
        _encryption(bucket, wanted),
        _versioning(bucket, wanted),
        _cors(bucket, wanted, origin=origin, new=new),
        _lifecycle(bucket, wanted, new=new),
    ]
    return [step for step in steps if any(getattr(now, name) != getattr(wanted, name) for name in step.fields)]


def cost(steps: Sequence[Step]) -> dict[str, int]:
    """Requests per class, at most: removing the last rule of a kind is a free DELETE instead of a PUT."""
    total: Counter[str] = Counter()
    for step in steps:
        total.update(step.requests)
    return dict(total)


def apply(
    bucket: Bucket, steps: Sequence[Step], *, now: BucketSettings, wanted: BucketSettings
) -> tuple[list[str], BackofficeError | None]:
    """Do the steps up to the first that fails; returns those done (slugs) and the error.

    What is done is remembered, and leaves an audit event.
    """
    done: list[str] = []
    before = now
    failed: BackofficeError | None = None
    for step in steps:
        try:
            step.run()
        except BackofficeError as error:
            failed = error
            break
        done.append(step.slug)
        now = replace(now, **{name: getattr(wanted, name) for name in step.fields})
    with transaction.atomic():
        remember(bucket, now)
        bucket_audit.changed(bucket, before=asdict(before), after=asdict(now))
    return done, failed


def site_rule(origins: Sequence[str]) -> Rule:
    """Let browsers on these origins read and upload."""
    return {
        "ID": CORS_ID,
        "AllowedOrigins": list(origins),
        "AllowedMethods": list(CORS_METHODS),
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }


def let_in(*, bucket: Bucket, origin: str) -> bool:
    """Let the pages of an origin (`https://backoffice.example`) upload to the bucket; False when they could before.

    One GET, and one PUT when that changes something, which leaves an audit event. Other rules stay.
    """
    held = s3_settings.get_cors(bucket.name, region=bucket.region)
    if lets_in(held, origin):
        return False
    s3_settings.put_cors(bucket.name, with_site(held, [origin]), region=bucket.region)
    bucket_audit.changed(bucket, before={}, after={"cors_origin": origin})
    return True


def with_site(held: Sequence[Rule], origins: Sequence[str]) -> list[Rule]:
    """The rules with ours, which names these origins too: the site may have other addresses."""
    others = [rule for rule in held if rule.get("ID") != CORS_ID]
    known = {origin for rule in held if rule not in others for origin in rule["AllowedOrigins"]}
    return [*others, site_rule(sorted(known.union(origins)))]


def lets_in(rules: Sequence[Rule], origin: str) -> bool:
    """Whether the rules let pages of the origin read and upload."""
    matching = [rule for rule in rules if {origin, "*"} & set(rule["AllowedOrigins"])]
    return set(CORS_METHODS) <= {method for rule in matching for method in rule["AllowedMethods"]}


def lifecycle_days(rules: Sequence[Rule]) -> dict[str, int]:
    """Days after which rules in force end temporary objects, unfinished uploads and older versions; 0: no rule."""
    active = [rule for rule in rules if rule.get("Status") == "Enabled"]
    whole = [rule for rule in active if not _prefix(rule)]
    temp = [rule for rule in active if TEMP_PREFIX.startswith(_prefix(rule))]
    return {
        "temp_days": _days(temp, "Expiration", "Days"),
        "multipart_days": _days(whole, "AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
        "old_versions_days": _days(whole, "NoncurrentVersionExpiration", "NoncurrentDays"),
    }


def lifecycle_rules(settings: BucketSettings) -> list[Rule]:
    rules: list[Rule] = []
    if settings.temp_days:
        rules.append(_rule(TEMP_ID, TEMP_PREFIX, Expiration={"Days": settings.temp_days}))
    if settings.multipart_days:
        abort = {"DaysAfterInitiation": settings.multipart_days}
        rules.append(_rule(MULTIPART_ID, "", AbortIncompleteMultipartUpload=abort))
    if settings.old_versions_days:
        expiration = {"NoncurrentDays": settings.old_versions_days}
        rules.append(_rule(OLD_VERSIONS_ID, "", NoncurrentVersionExpiration=expiration))
    return rules


def _rule(name: str, prefix: str, **actions: Any) -> Rule:
    return {"ID": name, "Filter": {"Prefix": prefix}, "Status": "Enabled", **actions}


def _prefix(rule: Rule) -> str:
    """The prefix that a rule is for; rules with other conditions count as for nothing of ours."""
    given = rule.get("Filter", {"Prefix": rule.get("Prefix", "")})
    return str(given.get("Prefix", "")) if given.keys() <= {"Prefix"} else "\0"


def _days(rules: Sequence[Rule], action: str, unit: str) -> int:
    return min((rule[action][unit] for rule in rules if unit in rule.get(action, {})), default=0)


def _public_access(bucket: Bucket, wanted: BucketSettings) -> Step:
    def run() -> None:
        s3_settings.put_public_access_block(bucket.name, block=wanted.block_public_access, region=bucket.region)

    requests = ONE_PUT if wanted.block_public_access else {RequestClass.FREE.value: 1}
    return Step(slug="public_access", fields=("block_public_access",), requests=requests, run=run)


def _encryption(bucket: Bucket, wanted: BucketSettings) -> Step:
    def run() -> None:
        s3_settings.put_encryption(bucket.name, algorithm=wanted.encryption, region=bucket.region)

    return Step(slug="encryption", fields=("encryption",), requests=ONE_PUT, run=run)


def _versioning(bucket: Bucket, wanted: BucketSettings) -> Step:
    def run() -> None:
        s3_settings.put_versioning(bucket.name, on=wanted.versioning, region=bucket.region)

    return Step(slug="versioning", fields=("versioning",), requests=ONE_PUT, run=run)


def _cors(bucket: Bucket, wanted: BucketSettings, *, origin: str, new: bool) -> Step:
    def run() -> None:
        held = [] if new else s3_settings.get_cors(bucket.name, region=bucket.region)
        others = [rule for rule in held if rule.get("ID") != CORS_ID]
        rules = with_site(held, [origin]) if wanted.cors else others
        s3_settings.put_cors(bucket.name, rules, region=bucket.region)

    return Step(slug="cors", fields=("cors",), requests=ONE_PUT if new else READ_AND_PUT, run=run)


def _lifecycle(bucket: Bucket, wanted: BucketSettings, *, new: bool) -> Step:
    def run() -> None:
        held = [] if new else s3_settings.get_lifecycle(bucket.name, region=bucket.region)
        others = [rule for rule in held if rule.get("ID") not in OUR_LIFECYCLE]
        s3_settings.put_lifecycle(bucket.name, [*others, *lifecycle_rules(wanted)], region=bucket.region)

    fields = ("temp_days", "multipart_days", "old_versions_days")
    return Step(slug="lifecycle", fields=fields, requests=ONE_PUT if new else READ_AND_PUT, run=run)
