"""What can go wrong, as one tree. `code` is stable and stored with job items.

The texts here are for logs. What staff read is made, translated, by services/sentences.py from the code,
the reason and the facts; so that imaging/ and the Lambda need no Django.

BackofficeError
├── ImageRefused             the file cannot be accepted or processed; final for these bytes
├── QuotaRefused             a request limit would be exceeded; nothing was sent
├── QuotaShort               a reservation does not fit into the limits; nothing was reserved
├── TooManyItems             a job may not have so many items; nothing was started
├── KeyRefused               the key cannot be part of a URL; nothing was signed
├── MetadataRefused          S3 cannot keep this metadata with an object; nothing was signed
├── ReportRefused            a report of the Lambda does not fit its upload; nothing was changed
├── ReportConflict           a report differs from the final result; that stays
├── NoUploadBucket           the bucket for uploads by the API is not there or not paired
├── ImageHeld                the image's bucket is under legal hold; it must not be removed
├── BucketRefused            the bucket may not be created, emptied or deleted; nothing was sent for it
├── ObjectRefused            the object may not be written, moved or deleted here
├── MeterUnavailable         the request could not be counted, so it was not sent
├── OutOfMemory              too little memory for the image at that moment; worth another try later
├── OutOfTime                decoding the image took longer than its caller can wait; worth another try later
└── AwsError
    ├── AwsDenied            credentials or permissions; final until an administrator acts
    │   └── ClockSkewed      our clock is wrong, so AWS takes no signature of ours
    ├── AwsNotFound          the bucket or object does not exist
    ├── SettingMissing       the bucket has no such configuration
    ├── BucketNotEmpty       S3 deletes empty buckets only
    ├── AwsConflict          a conditional write lost: the key exists already
    ├── AwsThrottled         AWS asks us to slow down; worth another try later
    ├── AwsUnavailable       network fault, timeout or 5xx; worth another try later
    ├── ObjectUnreachable    Rekognition cannot get the object: gone, another region or no access
    └── DetectionRefused     Rekognition cannot read this image; final for these bytes
"""

from collections.abc import Sequence
from dataclasses import dataclass


class BackofficeError(Exception):
    """Base of all our errors."""

    code = "error"


class ImageRefused(BackofficeError):
    """The file is not an image that we accept, or cannot be decoded safely.

    `reason` is one of REASONS; `facts` are the figures its sentence names.
    """

    code = "image_refused"
    REASONS = (
        "empty",  # 0 bytes
        "too_many_bytes",  # facts: size, limit (bytes)
        "not_image",  # facts: looks_like ("HTML", "SVG", "PDF", … or "")
        "format",  # an image, but of a format not accepted; facts: format, accepted
        "too_many_pixels",  # facts: width, height, limit (pixels), preset when a rendition would be too large
        "resolution",  # not as the bucket's upload rule asks; facts: rule, width, height, wanted_width, wanted_height
        "damaged",  # cannot be decoded to its end
        "altered",  # not the content that was announced
    )
    OF_NO_FORMAT = ("not_image", "damaged")

    def __init__(self, reason: str, **facts: object) -> None:
        super().__init__(f"{reason}: {facts}" if facts else reason)
        self.reason = reason
        self.facts = facts

    def as_reported(self, accepted: Sequence[str]) -> dict[str, object]:
        """For programs: `code`, `reason`, and `facts`, with the formats that are accepted where the file is of none."""
        others: dict[str, object] = {"accepted": list(accepted)} if self.reason in self.OF_NO_FORMAT else {}
        return {"code": self.code, "reason": self.reason, "facts": others | self.facts}


@dataclass(frozen=True, kw_only=True)
class Shortfall:
    """A limit that is in the way: `left` of `limit` requests are to be had in the period, `needed` were wanted."""

    request_class: str
    period: str
    needed: int
    left: int
    limit: int


class QuotaRefused(BackofficeError):
    """Sending the request would exceed a limit; it was not sent."""

    code = "quota"

    def __init__(self, shortfall: Shortfall) -> None:
        super().__init__(f"{shortfall.request_class} per {shortfall.period}: limit {shortfall.limit}")
        self.shortfall = shortfall


class QuotaShort(BackofficeError):
    """A reservation does not fit into the limits; nothing was reserved. Every limit in the way is named."""

    code = "quota_short"

    def __init__(self, shortfalls: Sequence[Shortfall]) -> None:
        super().__init__(", ".join(f"{short.request_class} per {short.period}" for short in shortfalls))
        self.shortfalls = shortfalls


class TooManyItems(BackofficeError):
    """A job was asked for with more items than JOB_MAX_ITEMS."""

    code = "too_many_items"

    def __init__(self, *, count: int, limit: int) -> None:
        super().__init__(f"{count} of at most {limit}")
        self.count = count
        self.limit = limit


class KeyRefused(BackofficeError):
    """The key cannot be part of a URL, or not as it is; nothing was signed."""

    code = "key_refused"


class MetadataRefused(BackofficeError):
    """S3 cannot keep this metadata with an object.

    `reason` is one of REASONS, `name` the entry where there is one.
    """

    code = "metadata_refused"
    REASONS = (
        "too_long",  # names and values together
        "name",  # not a name of an HTTP header, or one that differs from another in case only
        "reserved",  # a name that the product uses itself
        "value",  # not printable ASCII, or spaces around it
    )

    def __init__(self, reason: str, *, name: str = "") -> None:
        super().__init__(f"{reason}: {name!r}" if name else reason)
        self.reason = reason
        self.name = name


class ReportRefused(BackofficeError):
    """A report does not fit its upload: keys that are not its own, or an object that is not there."""

    code = "callback_refused"


class ReportConflict(BackofficeError):
    """The upload has another final result already."""

    code = "callback_conflict"


class NoUploadBucket(BackofficeError):
    """ASYNC_IMAGE_UPLOAD_BUCKET names no bucket that images can be uploaded to."""

    code = "not_configured"


class ImageHeld(BackofficeError):
    """The image's bucket is under legal hold; nothing was removed."""

    code = "held"


class BucketRefused(BackofficeError):
    """The bucket may not be created, emptied or deleted. `reason` is one of REASONS; `facts` go into its sentence."""

    code = "bucket_refused"
    REASONS = (
        "known",  # the catalogue has a bucket of this name
        "ours",  # the account has it already, and the catalogue does not know it
        "taken",  # another account has the name
        "held",  # it is under legal hold
        "of_the_site",  # the settings of the site name it
        "has_renditions_of",  # facts: originals (name of the bucket paired with it)
        "has_images",  # facts: count (rows of the catalogue)
        "has_files",  # facts: count (rows of the catalogue)
        "has_renditions",  # facts: count (rows of the catalogue)
        "pair_taken",  # facts: originals (name of the bucket that has the renditions bucket)
    )

    def __init__(self, reason: str, **facts: object) -> None:
        super().__init__(f"{reason}: {facts}" if facts else reason)
        self.reason = reason
        self.facts = facts


class ObjectRefused(BackofficeError):
    """The object may not be written, moved or deleted here. `reason` is one of REASONS."""

    code = "object_refused"
    REASONS = (
        "catalogued",  # an image of the catalogue is removed by its own job
        "catalogued_file",  # a file of the catalogue is deleted on its own page
        "rendition",  # it belongs to an image, with which it goes
        "moved",  # somebody else has moved or removed the image
        "not_for_images",  # the bucket takes no catalogued images
        "being_uploaded",  # an upload has taken the key
        "key_too_long",
        "key_empty",
        "key_characters",
        "key_reserved",  # trash/ and quarantine/ are the product's own
        "key_of_rendition",  # an image of such a key would have its thumbnail replace a rendition of another
        "replaces_rendition",  # its rendition was not made, because that would replace one of another image
        "renditions_bucket",  # only renditions are written there
        "too_large",  # facts: size, limit (bytes)
        "too_large_for_trash",  # facts: size, limit (bytes)
        "too_large_to_copy",  # facts: size, limit (bytes)
        "copy_uncertain",  # what lies at the new key may be a copy that was cut off, or another's
        "changed",  # S3 holds another object under the key than the catalogue knows, or than was found
        "held",  # its bucket is under legal hold
        "not_in_trash",  # it is being restored or purged, or S3 has it no more
        "not_permitted",  # who has asked for it may not delete this kind of object
        "not_for_finding",  # what was found does not allow this action (any more)
        "unpaired",  # the bucket has no bucket for renditions
        "not_for_files",  # the bucket takes no catalogued files
        "description_length",  # of a file
        "name_empty",  # the bucket has unique names: this and the following
        "name_too_long",
        "name_taken",
        "names_not_unique",  # so the bucket cannot ask for it
    )

    def __init__(self, reason: str, **facts: object) -> None:
        super().__init__(f"{reason}: {facts}" if facts else reason)
        self.reason = reason
        self.facts = facts


class MeterUnavailable(BackofficeError):
    """The request could not be counted (database away), so it was not sent."""

    code = "meter_unavailable"


class QueueAway(BackofficeError):
    """The queue of the workers cannot be reached, so a task was not handed over."""

    code = "queue_away"


class OutOfMemory(BackofficeError):
    """There was too little memory for an image at that moment."""

    code = "out_of_memory"


class OutOfTime(BackofficeError):
    """Decoding an image took longer than its caller can wait."""

    code = "out_of_time"


class AwsError(BackofficeError):
    """AWS answered with an error that we do not know more closely."""

    code = "aws"


class AwsDenied(AwsError):
    """Credentials are missing or wrong, or a permission is missing."""

    code = "denied"


class ClockSkewed(AwsDenied):
    """The clock of this machine differs by more than AWS takes: 15 minutes for S3, 5 for others."""

    code = "clock_skewed"


class AwsNotFound(AwsError):
    """The bucket or the object does not exist."""

    code = "not_found"


class SettingMissing(AwsError):
    """The bucket has no configuration of this kind."""

    code = "setting_missing"


class BucketNotEmpty(AwsError):
    """The bucket was not deleted: it has objects, or older versions of objects."""

    code = "not_empty"


class AwsConflict(AwsError):
    """A conditional write lost: an object exists under that key."""

    code = "conflict"


class AwsThrottled(AwsError):
    """AWS asks to slow down."""

    code = "throttled"


class AwsUnavailable(AwsError):
    """No usable answer: network fault, timeout, overall deadline or a 5xx answer."""

    code = "unavailable"


class ObjectUnreachable(AwsError):
    """Rekognition cannot get the object from S3: it is gone, in another region, or closed to us."""

    code = "object_unreachable"


class DetectionRefused(AwsError):
    """Rekognition refuses this image: format or size."""

    code = "detection_refused"
