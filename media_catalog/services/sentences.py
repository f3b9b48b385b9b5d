"""What went wrong, as a sentence that a member of staff understands and can act on."""

from collections.abc import Callable

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from media_catalog.exceptions import (
    AwsConflict,
    AwsDenied,
    AwsError,
    AwsNotFound,
    AwsThrottled,
    AwsUnavailable,
    BackofficeError,
    BucketNotEmpty,
    BucketRefused,
    ClockSkewed,
    DetectionRefused,
    ImageHeld,
    ImageRefused,
    KeyRefused,
    MetadataRefused,
    MeterUnavailable,
    NoUploadBucket,
    ObjectRefused,
    ObjectUnreachable,
    OutOfMemory,
    OutOfTime,
    QueueAway,
    QuotaRefused,
    QuotaShort,
    ReportConflict,
    ReportRefused,
    Shortfall,
    TooManyDownloads,
    TooManyItems,
)
from media_catalog.models import Bucket, Period, RequestClass
from media_catalog.quota.periods import day_of, next_start

from . import readable
from .refusals import bucket_refused, object_refused


def sentence(error: BackofficeError) -> str:
    """The error in words. Never a traceback, a key or a secret; details are in the log."""
    if isinstance(error, ImageRefused):
        return _image_refused(error)
    if isinstance(error, BucketRefused):
        return bucket_refused(error)
    if isinstance(error, ObjectRefused):
        return object_refused(error)
    if isinstance(error, QuotaRefused):
        return _("Refused by quota: %(shortfall)s. Nothing was sent.") % {"shortfall": shortfall(error.shortfall)}
    if isinstance(error, QuotaShort):
        listed = "; ".join(shortfall(short) for short in error.shortfalls)
        return _("This does not fit into the quota: %(shortfalls)s. Nothing was started.") % {"shortfalls": listed}
    if isinstance(error, TooManyItems):
        return _("A job takes at most %(limit)s; these are %(count)s. Select fewer.") % {
            "limit": number_format(error.limit, force_grouping=True),
            "count": number_format(error.count, force_grouping=True),
        }
    if isinstance(error, MetadataRefused):
        return _metadata_refused(error)
    return _SENTENCES.get(type(error), _SENTENCES[AwsError])()


_SENTENCES: dict[type[BackofficeError], Callable[[], str]] = {
    NoUploadBucket: lambda: _("No bucket is set up for uploads. An administrator must check the settings."),
    ReportRefused: lambda: _("The report does not fit this upload."),
    ReportConflict: lambda: _("This upload has another final result already."),
    KeyRefused: lambda: _("No link can be made for this key: browsers would change it on the way."),
    ImageHeld: lambda: _("The bucket is under legal hold: its images must not be removed."),
    QueueAway: lambda: _("The queue of the workers cannot be reached, so nothing was started. Try again in a moment."),
    MeterUnavailable: lambda: _("The request could not be counted, so it was not sent. Try again in a moment."),
    OutOfMemory: lambda: _("There was too little memory for this image. Try again later."),
    OutOfTime: lambda: _("Reading this image took too long: the server is busy. Try again later."),
    TooManyDownloads: lambda: _("Too many downloads go through this site at the moment. Try again in a minute."),
    AwsDenied: lambda: _("AWS denied access. An administrator must check the credentials and permissions."),
    ClockSkewed: lambda: _("The clock of this server is wrong, so AWS refuses what it sends. Set it by a time server."),
    AwsNotFound: lambda: _("The bucket or object no longer exists at S3."),
    BucketNotEmpty: lambda: _("S3 deletes empty buckets only, and this one holds objects or older versions of some."),
    AwsConflict: lambda: _("An object with this key exists already."),
    AwsThrottled: lambda: _("AWS asked to slow down. Try again in a moment."),
    AwsUnavailable: lambda: _("AWS could not be reached or did not answer in time. Try again in a moment."),
    ObjectUnreachable: lambda: _(
        "Rekognition could not get the object from S3: it is gone, in another region, or access is denied."
    ),
    DetectionRefused: lambda: (
        _("Rekognition cannot read this image. It takes %(readable)s.") % {"readable": readable_by_rekognition()}
    ),
    AwsError: lambda: _("AWS answered with an error. The log has the details."),
}


def _metadata_refused(error: MetadataRefused) -> str:
    texts = {
        "too_long": _("Metadata may have 2,048 bytes, names and values together; this has more."),
        "name": _("“%(name)s” cannot be a name of metadata: letters, digits, “-”, “_” and “.” only, each name once."),
        "reserved": _("Names of metadata that begin with “backoffice-” are kept for the product: “%(name)s”."),
        "value": _("The value of “%(name)s” is not printable ASCII, is empty or has spaces around it."),
    }
    return texts[error.reason] % {"name": error.name}


def shortfall(short: Shortfall) -> str:
    """“S3 PUT, COPY, POST, LIST: 12 needed, 3 of 2,000 left this month (resets on 1 Dec 2026)”."""
    texts = {
        Period.DAY: _("%(cls)s: %(needed)s needed, %(left)s of %(limit)s left today (resets on %(reset)s, UTC)"),
        Period.MONTH: _("%(cls)s: %(needed)s needed, %(left)s of %(limit)s left this month (resets on %(reset)s, UTC)"),
    }
    period = Period(short.period)
    return texts[period] % {
        "cls": RequestClass(short.request_class).label,
        "needed": number_format(short.needed, force_grouping=True),
        "left": number_format(short.left, force_grouping=True),
        "limit": number_format(short.limit, force_grouping=True),
        "reset": date_format(next_start(period, day_of(timezone.now()))),
    }


def accepted_formats(formats: tuple[str, ...]) -> str:
    """“JPEG, PNG, WebP”, from Pillow's names."""
    return ", ".join("WebP" if name == "WEBP" else name for name in formats)


def readable_by_rekognition() -> str:
    """“JPEG and PNG of 80 × 80 pixels or more, up to 15 MB”, to go into a sentence."""
    return _("%(formats)s of %(side)d × %(side)d pixels or more, up to %(megabytes)d MB") % {
        "formats": get_text_list([accepted_formats((name,)) for name in readable.FORMATS], _("and")),
        "side": readable.MIN_SIDE,
        "megabytes": readable.MAX_BYTES // 1024**2,
    }


def _image_refused(error: ImageRefused) -> str:
    facts = {name: _fact(name, value) for name, value in error.facts.items()}
    facts.setdefault("accepted", accepted_formats(tuple(settings.IMAGE_FORMATS)))
    texts = {
        "empty": _("The file is empty (0 bytes)."),
        "too_many_bytes": _("The file has %(size)s; at most %(limit)s are accepted."),
        "format": _("This is a %(format)s file; accepted are %(accepted)s."),
        "too_many_pixels": _("The image has %(width)s × %(height)s pixels; at most %(limit)s pixels are accepted."),
        "damaged": _("The image is damaged: it cannot be read to its end. Accepted are whole files of %(accepted)s."),
        "altered": _("What arrived is another file than the one that was chosen. Choose it again."),
        "not_image": _("This is not an image. Accepted are %(accepted)s."),
    }
    if error.reason == "not_image" and error.facts.get("looks_like"):
        return _("This is not an accepted image, it looks like %(looks_like)s. Accepted are %(accepted)s.") % facts
    if error.reason == "resolution":
        return _wrong_resolution(str(error.facts["rule"])) % facts
    if error.reason == "too_many_bytes":
        facts |= {name: filesizeformat(str(error.facts[name])) for name in ("size", "limit")}
    if error.facts.get("preset"):
        return (
            _(
                "Preset “%(preset)s” would make %(width)s × %(height)s pixels of this image; at most %(limit)s are"
                " allowed. Change the preset."
            )
            % facts
        )
    return texts[error.reason] % facts


def _wrong_resolution(rule: str) -> str:
    texts = {
        Bucket.UploadRule.EXACT: _("exactly %(wanted_width)s × %(wanted_height)s"),
        Bucket.UploadRule.MINIMUM: _("at least %(wanted_width)s × %(wanted_height)s"),
        Bucket.UploadRule.MAXIMUM: _("at most %(wanted_width)s × %(wanted_height)s"),
    }
    text = _("This image has %(width)s × %(height)s pixels; the bucket takes {wanted}.")
    return text.format(wanted=texts[Bucket.UploadRule(rule)])


def _fact(name: str, value: object) -> str:
    if name == "accepted" and isinstance(value, tuple):
        return accepted_formats(value)
    return number_format(value, force_grouping=True) if isinstance(value, int) else str(value)
