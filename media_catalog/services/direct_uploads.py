"""Uploads that a browser sends to S3 itself: requests reserved and forms signed ahead, then confirmed or expired.

One costs two requests: the browser's POST, which the meter cannot see and counts as estimated when its object is there,
and our GET, which finds the object out and reads what it is. Both come out of the reservation. The bytes of that GET
are used at once or left for the job that makes the renditions, which then needs no GET of its own. Where the Lambda
makes them, the GET is its own, and its invocation and PUTs are reserved too (services/reports.py counts them).
"""

import hashlib
import logging
import mimetypes
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BufferedRandom
from typing import Any, BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from media_catalog.aws import presign, s3
from media_catalog.aws.deadline import deadline
from media_catalog.exceptions import AwsConflict, AwsNotFound, ImageRefused
from media_catalog.imaging.probe import Probe, content_type, extension
from media_catalog.models import Bucket, Image, RequestClass, Reservation, Upload
from media_catalog.models.uploads import POST_GRACE
from media_catalog.quota import meter, reservations
from media_catalog.quota.attribution import attribute

from . import arrivals, decoding, free_keys, handover, keys, object_keys, posts
from .limits import check_rule, image_limits

logger = logging.getLogger(__name__)
CLAIM = timedelta(minutes=2)  # on an upload that is being confirmed; longer than the one GET may take
CANCELLED = "cancelled"
KEY_TAKEN = "key taken at S3"
CLOCKS = timedelta(minutes=15)  # that ours and that of S3 may differ; it refuses requests beyond that
SWEEP_SECONDS = 10  # of a run, which shares its task with the sweep of the other uploads


class _KeyTaken(Exception):
    """The object under the upload's key was there before the upload: somebody else's."""


# What is done with an image that is new to the catalogue, in the transaction by which it becomes known: both or none.
Begin = Callable[[Image], object]
# And after that, with a file of its bytes, before the upload's units go back. It raises nothing: the upload succeeded.
Use = Callable[[Image, BinaryIO], object]


def _nothing(*_what: object) -> None:
    """With an image that nobody waits for."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file that is about to come. `content_type` as its sender says; empty: any image that is accepted.

    `sha256` of the content in hex, where the sender says it: another content is refused.
    """

    name: str
    content_type: str = ""
    caption: str = ""
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the forms allow: keys `<prefix><32 hex digits>`, up to `max_bytes` if that is not above IMAGE_MAX_BYTES,
    for so many `seconds`, with exactly this metadata.

    `named`: keys `<prefix><cleaned name>-<8 hex digits>.<extension>` instead, for files whose type is said.
    `renditions`: how many the Lambda makes of each; 0 when it has no part in it. `at_once`: how many we make of each
    when it is confirmed.
    """

    prefix: str
    max_bytes: int
    seconds: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    channel: Upload.Channel = Upload.Channel.PAGE
    named: bool = False
    renditions: int = 0
    at_once: int = 0


@dataclass(frozen=True, kw_only=True)
class Issued:
    """An upload that may begin, and the form to send it by."""

    upload: Upload
    post: presign.Post


def issue(*, files: Sequence[Wanted], bucket: Bucket, user: User | None, terms: Terms) -> list[Issued]:
    """Reserve the requests of these files, and sign a form for each: all or none.

    A key is new each time, because a POST replaces what it finds there.

    Raises QuotaShort before anything is signed, ImageRefused for a type that is not accepted, ObjectRefused for a key
    of our own, KeyRefused for a prefix that no URL can carry, AwsConflict when no free key was found, and AwsDenied
    without credentials. Nothing stays reserved then.
    """
    types = [_accepted(file) for file in files]
    uploads = _reserve(files, bucket, user, terms)
    try:
        posts = [_sign(upload, accepted, terms) for upload, accepted in zip(uploads, types, strict=True)]
    except Exception as error:
        for upload in uploads:
            _fail(upload, repr(error))
        raise
    return [Issued(upload=upload, post=post) for upload, post in zip(uploads, posts, strict=True)]


def sign_again(*, upload: Upload) -> presign.Post | None:
    """Another form for an upload that is still open, with the same key and expiry; None when there is no time left.

    Costs nothing more: what was sent before, or a part of it, is replaced. Raises AwsDenied without credentials.
    """
    left = (upload.expires_at - timezone.now()).total_seconds() if upload.expires_at else 0
    if left < 1 or upload.status != Upload.Status.CREATED or upload.error:
        return None
    asked = settings.ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_CONTENT_LENGTH
    most = asked if upload.channel == Upload.Channel.API else settings.IMAGE_MAX_BYTES
    terms = Terms(prefix="", max_bytes=most, seconds=int(left), metadata=upload.metadata)
    guessed = mimetypes.guess_type(upload.key)[0] or ""
    return _sign(upload, _accepted(Wanted(name=upload.name, content_type=guessed)), terms)


def cancel(*, upload: Upload) -> bool:
    """Give an open upload up; False when it is settled. Its form works until it expires: what comes is deleted then."""
    return bool(Upload.objects.filter(pk=upload.pk, status=Upload.Status.CREATED).update(error=CANCELLED))


def confirm(
    *, upload: Upload, leave: bool = False, begin: Begin = _nothing, use: Use = _nothing
) -> arrivals.Arrival | None:
    """Catalogue what the browser has sent. One GET; none when the upload is settled, however often it is confirmed.

    `leave` the bytes to a job that is about to start. None when there is no image (yet): nothing has come, somebody
    else is looking, or it has failed. The upload, which is read anew, tells by its status. Raises ImageRefused when
    what came is not an accepted image: it is deleted.
    """
    until = timezone.now() + CLAIM
    taken = Upload.objects.free(timezone.now()).filter(pk=upload.pk).update(next_try_at=until)
    try:
        return _settle(upload, leave=leave, begin=begin, use=use) if taken else _known(upload)
    finally:
        Upload.objects.filter(pk=upload.pk, next_try_at=until).update(next_try_at=None)
        upload.refresh_from_db()


def expire() -> list[int]:
    """Settle the uploads that nobody has confirmed; returns the ids of the images that became known by it.

    One GET each, when no POST can come any more. What has come is catalogued, as by `confirm`; for what has not, the
    units go back. One that cannot be settled is tried again later and later.
    """
    until = time.monotonic() + SWEEP_SECONDS
    new = []
    with deadline(SWEEP_SECONDS):
        for upload in Upload.objects.overdue(timezone.now()).select_related("bucket", "user").order_by("pk"):
            if time.monotonic() > until:
                break
            now = timezone.now()
            try:
                if Upload.objects.overdue(now).put_off(upload, now) and (image := expire_one(upload=upload)):
                    new.append(image.pk)
            except Exception:  # whatever it is, the others have their turn
                logger.exception("direct upload %s not settled yet", upload.uuid)
    return new


def expire_one(*, upload: Upload) -> Image | None:
    """Settle one whose form has run out; the image, when it is new to the catalogue. A GET, or a HEAD and a DELETE."""
    if upload.error:
        _delete_own(upload)
        _fail(upload, upload.error)
        return None
    try:
        arrival = _settle(upload, leave=upload.bucket.resize_engine == Bucket.ResizeEngine.WORKER)
    except ImageRefused:  # settled: its row tells why
        return None
    if arrival is None and Upload.objects.filter(pk=upload.pk, status=Upload.Status.CREATED).exists():
        _fail(upload, "never arrived")
    return arrival.image if arrival and arrival.new else None


def _accepted(file: Wanted) -> list[str]:
    """The types that the form of a file accepts: the one that it is said to have, or all."""
    accepted = [content_type(name) for name in settings.IMAGE_FORMATS]
    if not file.content_type:
        return accepted
    if file.content_type not in accepted:
        raise ImageRefused("format", format=file.content_type, accepted=tuple(settings.IMAGE_FORMATS))
    return [file.content_type]


def _reserve(files: Sequence[Wanted], bucket: Bucket, user: User | None, terms: Terms) -> list[Upload]:
    """The uploads, saved together with the reservation of their requests."""
    expires_at = timezone.now() + timedelta(seconds=terms.seconds)
    with transaction.atomic():
        reservation = reservations.reserve(
            kind=Reservation.Kind.UPLOAD,
            units={cls: units * len(files) for cls, units in _units(terms).items()},
            seconds=_lease(terms),
            bulk=False,
        )
        uploads = [
            Upload(
                name=file.name.replace("\x00", "")[-255:],
                caption=file.caption,
                sha256=file.sha256,
                bucket=bucket,
                user=user,
                channel=terms.channel,
                metadata=dict(terms.metadata),
                expires_at=expires_at,
                reservation=reservation,
            )
            for file in files
        ]
        # In one statement: the counters are locked until the end.
        return _save_named(uploads, files, terms) if terms.named else _save(uploads, terms)


def _units(terms: Terms) -> dict[str, int]:
    """Requests of one file: its POST, one GET, the PUTs at once, and what the Lambda does."""
    units = {RequestClass.S3_TIER1.value: 1 + terms.at_once + terms.renditions, RequestClass.S3_TIER2.value: 1}
    return {**units, RequestClass.LAMBDA_INVOCATION.value: 1} if terms.renditions else units


def _save(uploads: Sequence[Upload], terms: Terms) -> list[Upload]:
    for upload in uploads:
        upload.key = f"{terms.prefix}{upload.uuid.hex}"
    return Upload.objects.bulk_create(uploads)


def _save_named(uploads: Sequence[Upload], files: Sequence[Wanted], terms: Terms) -> list[Upload]:
    extensions = {content_type(name): extension(name) for name in settings.IMAGE_FORMATS}
    wanted = [
        f"{terms.prefix}{keys.own_name(file.name, digits=upload.uuid.hex, extension=extensions[file.content_type])}"
        for upload, file in zip(uploads, files, strict=True)
    ]
    for key in wanted:
        object_keys.check_new(key)
    return free_keys.save(uploads, wanted)


def _lease(terms: Terms) -> float:
    """Seconds: until the forms have expired, no POST can come any more, and the sweep has had time to look."""
    return terms.seconds + POST_GRACE.total_seconds() + settings.QUOTA_RESERVATION_SECONDS


def _sign(upload: Upload, accepted: Sequence[str], terms: Terms) -> presign.Post:
    return presign.post_policy(
        upload.bucket.name,
        upload.key,
        content_types=accepted,
        max_bytes=most_bytes(terms.max_bytes),
        metadata=terms.metadata,
        seconds=terms.seconds,
    )


def _known(upload: Upload) -> arrivals.Arrival | None:
    """The image of an upload that is completed, unless it was removed since."""
    completed = Upload.objects.filter(pk=upload.pk, status=Upload.Status.COMPLETED).exists()
    image = Image.objects.filter(bucket=upload.bucket_id, key=upload.key).first() if completed else None
    return arrivals.Arrival(image=image, new=False) if image else None


def _settle(upload: Upload, *, leave: bool, begin: Begin = _nothing, use: Use = _nothing) -> arrivals.Arrival | None:
    """Catalogue the object, None when there is none of ours. One that is refused is deleted, and ImageRefused raised.

    One that was there before the upload is somebody else's: it stays as it is, and the upload fails.
    """
    try:
        with tempfile.TemporaryFile() as file:  # memory is for many
            held = _fetch(upload, file)
            if held is None:
                return None
            found = _checked(upload, file)
            if leave:  # before the job can ask for them
                handover.offer(bucket=upload.bucket_id, key=upload.key, etag=held.etag, file=file)
            arrival = _catalogue(upload, held, found, begin)
            if arrival.new:
                with _spending(upload):
                    use(arrival.image, file)
    except ImageRefused as refused:
        s3.delete_object(upload.bucket.name, upload.key)
        _fail(upload, repr(refused), outcome={"error": explained(refused)})
        raise
    except _KeyTaken:
        logger.warning("%s/%s was there before upload %s", upload.bucket.name, upload.key, upload.uuid)
        _fail(upload, KEY_TAKEN, outcome={"error": {"code": "key_taken", "reason": "", "facts": {}}})
        return None
    return_units(upload)
    return arrival


def _fetch(upload: Upload, file: BufferedRandom) -> s3.ObjectInfo | None:
    """What the browser has sent. Its POST is counted with our GET, out of the reservation, as the uploader's."""
    limit = image_limits().max_bytes
    with _spending(upload):
        try:
            held = s3.copy_object(upload.bucket.name, upload.key, file, max_bytes=limit)
        except s3.ObjectTooLarge as error:
            _check_own(upload, error.modified_at)
            posts.count(upload)
            raise ImageRefused("too_many_bytes", size=error.size, limit=limit) from error
        if held:
            _check_own(upload, held.modified_at)
            posts.count(upload)
    return held


def _check_own(upload: Upload, modified_at: datetime | None) -> None:
    if modified_at and modified_at < upload.created_at - CLOCKS:
        raise _KeyTaken


def _delete_own(upload: Upload) -> None:
    """Delete what came by the form, and nothing else. The HEAD is instead of the GET that was reserved."""
    with _spending(upload), suppress(_KeyTaken, AwsConflict, AwsNotFound):
        if held := s3.head_object(upload.bucket.name, upload.key):
            _check_own(upload, held.modified_at)
            posts.count(upload)
            s3.delete_exactly(upload.bucket.name, upload.key, etag=held.etag)


@contextmanager
def _spending(upload: Upload) -> Iterator[None]:
    """Requests inside are the uploader's, out of the reservation."""
    username = upload.user.get_username() if upload.user else ""
    with attribute(username=username, bucket=upload.bucket.name), meter.leasing(upload.reservation_id):
        yield


def _checked(upload: Upload, file: BufferedRandom) -> Probe:
    """What came, if it may stay. Its digest is put into the upload."""
    file.seek(0)
    found = decoding.probe(file)
    check_rule(upload.bucket, found)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    if upload.sha256 not in ("", digest):
        raise ImageRefused("altered")
    upload.sha256 = digest
    return found


def _catalogue(upload: Upload, held: s3.ObjectInfo, found: Probe, begin: Begin) -> arrivals.Arrival:
    with transaction.atomic():
        arrival = arrivals.record(
            bucket=upload.bucket,
            key=upload.key,
            etag=held.etag,
            size=held.size,
            sha256=upload.sha256,
            probe=found,
            upload=upload,
        )
        if arrival.new:
            begin(arrival.image)
    return arrival


def explained(refused: ImageRefused) -> dict[str, Any]:
    """As the Lambda reports it: an outcome that clients read."""
    return refused.as_reported(settings.IMAGE_FORMATS)


def _fail(upload: Upload, error: str, *, outcome: dict[str, Any] | None = None) -> None:
    changes = {"outcome": outcome} if outcome and upload.channel == Upload.Channel.API else {}
    still_open = Upload.objects.filter(pk=upload.pk, status=Upload.Status.CREATED)
    still_open.update(status=Upload.Status.FAILED, error=error, **changes)
    return_units(upload)


def most_bytes(asked: int) -> int:
    """What a form allows when so many are asked for."""
    return min(asked, image_limits().max_bytes)


def return_units(upload: Upload) -> None:
    """Close the reservation with the last of its uploads."""
    reservation = upload.reservation_id
    if reservation and not Upload.objects.filter(reservation=reservation, status=Upload.Status.CREATED).exists():
        reservations.close(reservation)
