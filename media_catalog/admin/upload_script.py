"""What the upload page hands to its script: addresses, limits, rules and texts."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from media_catalog.aws import presign
from media_catalog.imaging.probe import content_type
from media_catalog.models import Bucket
from media_catalog.services.sentences import accepted_formats

VIEWS = ("begin", "finish", "sign_again", "cancel", "start_renditions", "allow_origin")


def config(request: HttpRequest) -> dict[str, Any]:
    return {
        "urls": {name: reverse(f"admin:media_catalog_image_{name}") for name in VIEWS},
        "buckets": {str(bucket.pk): _bucket(bucket) for bucket in Bucket.objects.for_uploads()},
        "types": [content_type(name) for name in settings.IMAGE_FORMATS],
        "maxBytes": settings.IMAGE_MAX_BYTES,
        "maxFiles": settings.UPLOAD_MAX_FILES,
        "mayFixCors": request.user.has_perm("media_catalog.change_bucket"),
        "texts": _texts(),
    }


def origins() -> list[str]:
    """Where the page's script sends files to."""
    return sorted({presign.post_origin(bucket.name) for bucket in Bucket.objects.for_uploads()})


def _bucket(bucket: Bucket) -> dict[str, Any]:
    """Its upload rule with `width` and `height`; "none" where buckets have no rules."""
    return {
        "name": bucket.name,
        "rule": getattr(bucket, "upload_rule", "none"),
        "width": getattr(bucket, "rule_width", 0),
        "height": getattr(bucket, "rule_height", 0),
    }


def _texts() -> dict[str, str]:
    """By what the script calls them; %(…)s is filled in there."""
    return {**_states(), **_refusals(), **_faults(), **_summaries()}


def _states() -> dict[str, str]:
    """Of a file, and what can be done about it."""
    return {
        "waiting": _("Waiting"),
        "checking": _("Checking…"),
        "sending": _("%(sent)s of %(size)s · %(speed)s/s"),
        "finishing": _("Checking at the server…"),
        "done": _("Stored"),
        "existing": _("Already there"),
        "cancelled": _("Cancelled"),
        "duplicate": _("Duplicate"),
        "sameAs": _("The same picture is there already:"),
        "refused": _("Refused"),
        "failed": _("Failed"),
        "unfinished": _("Unfinished"),
        "useExisting": _("Use existing"),
        "uploadAnyway": _("Upload anyway"),
        "cancel": _("Cancel"),
        "remove": _("Remove from list"),
        "retry": _("Retry"),
    }


def _refusals() -> dict[str, str]:
    """Before a byte is sent."""
    accepted = accepted_formats(settings.IMAGE_FORMATS)
    return {
        "empty": _("The file is empty (0 bytes)."),
        "tooLarge": _("The file has %(size)s; at most %(limit)s are accepted."),
        "notImage": _("This is not an image. Accepted are %(accepted)s.") % {"accepted": accepted},
        "looksLike": _("This is not an accepted image, it looks like %(looks_like)s. Accepted are %(accepted)s.")
        % {"looks_like": "%(looks_like)s", "accepted": accepted},
        "unreadable": _("The browser cannot read this file."),
        "ruleExact": _("This bucket takes exactly %(width)s × %(height)s pixels; this has %(actual)s."),
        "ruleMinimum": _("This bucket takes %(width)s × %(height)s pixels or more; this has %(actual)s."),
        "ruleMaximum": _("This bucket takes at most %(width)s × %(height)s pixels; this has %(actual)s."),
        "tooMany": _("At most %(limit)d files can be uploaded at once; %(count)s were left out."),
    }


def _faults() -> dict[str, str]:
    """While a file is sent, and what can be done about them."""
    return {
        "noContact": _("The browser could not reach S3."),
        "cors": _(
            "The browser could not send anything to the bucket “%(bucket)s”. If the network works, the bucket's CORS"
            " setting does not name this site (%(origin)s)."
        ),
        "fixCors": _("Add this site to the CORS setting"),
        "fixCorsCost": _("2 requests to S3"),
        "askAdministrator": _("Ask an administrator to add it."),
        "s3Refused": _("S3 refused the file (%(status)s)."),
        "formGone": _("The time for this upload was over before S3 had the file. Retry asks for more."),
        "serverAway": _("The server did not answer. Try again in a moment."),
        "loggedOut": _("You are logged out. Log in again in another tab, then retry."),
    }


def _summaries() -> dict[str, str]:
    """Of all files."""
    return {
        "summary": _("%(done)s of %(count)s uploaded"),
        "summaryRefused": _("%(count)s refused"),
        "summaryDuplicate": _("%(count)s there already"),
        "summaryFailed": _("%(count)s failed"),
        "oneUploaded": _("1 image uploaded."),
        "manyUploaded": _("%(count)s images uploaded."),
        "followJob": _("Follow the making of renditions"),
        "showImages": _("Show the images"),
    }
