"""What the Lambda says of an upload by the API: taken once, counted, and kept as the final result."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import transaction

from media_catalog.exceptions import AwsConflict, ImageRefused, ReportConflict, ReportRefused
from media_catalog.imaging.probe import Probe
from media_catalog.models import Image, Leftover, Preset, Rendition, RequestClass, Upload
from media_catalog.quota import reported
from media_catalog.quota.attribution import attribute
from media_catalog.quota.reported import Sent

from . import arrivals, direct_uploads, posts
from .limits import check_rule
from .renditions import fits

INVOCATION = Sent(request_class=RequestClass.LAMBDA_INVOCATION, operation="Invoke", count=1, estimated=True)
OUTPUT = "image/"  # of the Lambda, in the renditions bucket: `image/<32 hex digits>_<preset>.<ext>`


@dataclass(frozen=True, kw_only=True)
class MadeObject:
    """A rendition as the Lambda wrote it; `size` in bytes."""

    preset: str
    key: str
    etag: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    content_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The original as the Lambda read it."""

    bucket: str
    key: str
    etag: str
    size: int
    sha256: str
    probe: Probe


@dataclass(frozen=True, kw_only=True)
class Report:
    """Either `processed_key` and the renditions, or an `error` of whatever JSON. `requests` by class, sent meanwhile.

    `identifier` tells a repeat of a report, whose requests are counted already, from the report of another run. So
    many of the renditions were `found`, written by a run before.
    """

    identifier: str = ""
    processed_key: str = ""
    renditions: Sequence[MadeObject] = ()
    source: Source | None = None
    error: Any = None
    requests: Mapping[str, int] = field(default_factory=dict)
    found: int = 0

    @property
    def outcome(self) -> dict[str, Any]:
        if self.error is not None:
            return {"error": self.error}
        return {"renditions": [asdict(made) for made in self.renditions]}


def take(*, upload: Upload, report: Report) -> Upload:
    """Make the report the upload's final result; the same again changes nothing. Its requests count in any case.

    Renditions of a report that is not taken are deleted, unless they are those of the final result. Without `source`
    the original is looked at: one GET. Raises ReportRefused for what cannot be the upload's, and ReportConflict when
    another result is final.
    """
    _check(upload, report)
    if report.error is None and report.source is None:
        _look(upload)
    with transaction.atomic():
        upload = Upload.objects.select_for_update(of=("self",)).select_related("bucket", "user").get(pk=upload.pk)
        _count(upload, report)
        accepted = _decide(upload, report)
        if not accepted and upload.is_decided:
            _leave_over(upload, report)
        upload.save(update_fields=["status", "error", "outcome", "processed_key", "reports"])
    direct_uploads.return_units(upload)
    if not accepted:
        raise ReportConflict(upload.uuid.hex)
    return upload


def _check(upload: Upload, report: Report) -> None:
    own = f"{OUTPUT}{upload.uuid.hex}_"
    made = [report.processed_key, *(each.key for each in report.renditions)] if report.error is None else []
    if not all(key.startswith(own) for key in made):
        raise ReportRefused(f"keys must begin with {own}")
    source = report.source
    if source and (source.bucket, source.key) != (upload.bucket.name, upload.key):
        raise ReportRefused("the source is not the object of this upload")


def _look(upload: Upload) -> None:
    try:
        direct_uploads.confirm(upload=upload)
    except ImageRefused:  # final: the report will differ from it
        return
    if upload.status == Upload.Status.CREATED:
        raise ReportRefused("there is no object yet")


def _count(upload: Upload, report: Report) -> None:
    if report.identifier in upload.reports:
        return
    sent = [_by_lambda(cls, count) for cls, count in report.requests.items() if count]
    sent += [INVOCATION, *_of_lost_run(upload, report)]
    if not upload.reports:  # else the first of them has counted it
        sent.append(posts.POST)
    username = upload.user.get_username() if upload.user else ""
    with attribute(username=username, bucket=upload.bucket.name):
        reported.count(sent, reservation=upload.reservation_id)
    upload.reports = [*upload.reports, report.identifier]


def _by_lambda(request_class: str, count: int, *, estimated: bool = False) -> Sent:
    return Sent(request_class=request_class, operation=reported.BY_LAMBDA, count=count, estimated=estimated)


def _of_lost_run(upload: Upload, report: Report) -> list[Sent]:
    """At least these a run has sent that nobody heard of: killed, or its report was lost. What it wrote was found."""
    if not report.found or set(upload.reports) - {posts.OWN_LOOK}:
        return []
    puts = _by_lambda(RequestClass.S3_TIER1, report.found, estimated=True)
    return [puts, _by_lambda(RequestClass.S3_TIER2, 1, estimated=True), INVOCATION]


def _decide(upload: Upload, report: Report) -> bool:
    """Whether the result of the upload, which may be final already, is what the report says."""
    if upload.is_decided:
        return (upload.processed_key, upload.outcome) == (report.processed_key, report.outcome)
    if report.error is not None:
        _end_in_error(upload, report)
        return True
    try:
        with transaction.atomic():
            _complete(upload, report)
    except AwsConflict:  # the catalogue knows another object under the key
        return False
    except ImageRefused as refused:
        upload.outcome = {"error": direct_uploads.explained(refused)}
        upload.status, upload.error = Upload.Status.FAILED, repr(refused)
        Leftover.objects.create(bucket=upload.bucket, key=upload.key)
        return False
    return True


def _leave_over(upload: Upload, report: Report) -> None:
    """What the Lambda has made is nobody's: its keys are in no result."""
    bucket = upload.bucket.renditions_bucket
    final = {upload.processed_key, *(each["key"] for each in (upload.outcome or {}).get("renditions", ()))}
    made = {each.key for each in report.renditions} - final
    if bucket and report.error is None and made:
        made -= set(Leftover.objects.filter(bucket=bucket, key__in=made).values_list("key", flat=True))
        Leftover.objects.bulk_create(Leftover(bucket=bucket, key=key) for key in sorted(made))


def _end_in_error(upload: Upload, report: Report) -> None:
    """What is no image is deleted. With another error the upload stays open: the sweep may adopt what came.

    So with "damaged", which is also said of sound images by a decoder that was cut short: the sweep looks itself.
    """
    upload.outcome = report.outcome
    error = report.error if isinstance(report.error, dict) else {}
    refused = error.get("code") == ImageRefused.code and error.get("reason") != "damaged"
    if refused and upload.status == Upload.Status.CREATED:
        upload.status, upload.error = Upload.Status.FAILED, "refused by the Lambda"
        Leftover.objects.create(bucket=upload.bucket, key=upload.key)


def _complete(upload: Upload, report: Report) -> None:
    source = report.source
    if source:
        if upload.status != Upload.Status.COMPLETED:  # else it was asked when the image became known
            check_rule(upload.bucket, source.probe)
        upload.sha256 = source.sha256
        image = arrivals.record(
            bucket=upload.bucket,
            key=upload.key,
            etag=source.etag,
            size=source.size,
            sha256=source.sha256,
            probe=source.probe,
            upload=upload,
        ).image
        _adopt(image, report.renditions, source.etag)
    upload.status = Upload.Status.COMPLETED
    finish(upload, processed_key=report.processed_key, outcome=report.outcome)


def finish(upload: Upload, *, processed_key: str, outcome: dict[str, Any]) -> None:
    """Set the result, unsaved, and tell PROCESSED_IMAGE_MODEL. In a transaction."""
    upload.processed_key, upload.outcome = processed_key, outcome
    model: Any = apps.get_model(settings.PROCESSED_IMAGE_MODEL)
    model.create_model(processed_key=processed_key, user=upload.user, metadata=upload.metadata, uuid=upload.uuid)


def _adopt(image: Image, made: Sequence[MadeObject], source_etag: str) -> None:
    """Catalogue those that are what a preset of the same slug would have made."""
    presets = {preset.slug: preset for preset in Preset.objects.filter(slug__in=[each.preset for each in made])}
    for each in made:
        preset = presets.get(each.preset)
        bucket = image.bucket.renditions_bucket
        if preset and bucket and fits(preset, image, width=each.width, height=each.height, media=each.content_type):
            values = {name: getattr(each, name) for name in ("key", "etag", "size", "content_type", "width", "height")}
            values |= {"bucket": bucket, "source_etag": source_etag, "preset_version": preset.version}
            Rendition.objects.get_or_create(image=image, preset=preset, defaults=values)
