"""Uploads from the admin's page straight to S3: what may begin, what is there already, and what is unfinished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone

from media_catalog.exceptions import ImageRefused
from media_catalog.imaging.probe import content_type
from media_catalog.models import Bucket, Image, Upload

from . import direct_uploads, keys
from .arrivals import Arrival
from .direct_uploads import Issued, Terms, Wanted
from .renditions import in_request_count, make_in_request


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A file as the browser describes it; `size` in bytes, `sha256` in hex or empty. `anyway`: twice is fine."""

    name: str
    content_type: str
    size: int
    sha256: str = ""
    anyway: bool = False


@dataclass(frozen=True, kw_only=True)
class Twin:
    """The file of this name, in the same batch, has the same content."""

    name: str


Answer = Issued | Image | ImageRefused | Twin


def begin(
    *,
    files: Sequence[Chosen],
    bucket: Bucket,
    folder: str,
    caption: str,
    user: User,
    known: QuerySet[Image],
    renditions: bool,
) -> list[Answer]:
    """For each file a form, or who has this content (an image among the `known` ones, or a file before it), or why it
    is refused.

    The requests of all that get a form are reserved together, with those of the `renditions` that `finish` makes.
    Raises as `direct_uploads.issue` does; no form is given then.
    """
    held = _held(files, known)
    answers = _without_twins(
        files, [_refusal(file) or (None if file.anyway else held.get(file.sha256)) for file in files]
    )
    wanted = [file for file, answer in zip(files, answers, strict=True) if answer is None]
    terms = _terms(folder, at_once=in_request_count() if renditions and wanted else 0)
    issued = iter(_issue(wanted, bucket, caption, user, terms) if wanted else [])
    return [answer or next(issued) for answer in answers]


def finish(*, upload: Upload, renditions: bool) -> Arrival | None:
    """Catalogue what came by an upload, as `direct_uploads.confirm` does. One GET.

    With `renditions` those that belong into the upload are made at once, one PUT each, and the bytes are left for the
    job that makes the others.
    """
    if not renditions:
        return direct_uploads.confirm(upload=upload)
    leave = upload.bucket.resize_engine == Bucket.ResizeEngine.WORKER
    return direct_uploads.confirm(upload=upload, leave=leave, use=_make_at_once)


def same_as(image: Image, known: QuerySet[Image]) -> Image | None:
    """The oldest other image among the `known` ones that has the same content."""
    others = known.filter(sha256=image.sha256).exclude(pk=image.pk) if image.sha256 else known.none()
    return others.order_by("pk").first()


def unfinished(user: User) -> QuerySet[Upload]:
    """Uploads of the user that may still be sent or confirmed, oldest first."""
    now = timezone.now()
    mine = Upload.objects.filter(user=user, channel=Upload.Channel.PAGE, status=Upload.Status.CREATED, error="")
    return mine.filter(expires_at__gt=now).select_related("bucket").order_by("created_at", "pk")


def own(user: User, uuid: UUID) -> Upload | None:
    """An upload of the user's from the page."""
    uploads = Upload.objects.select_related("bucket", "user")
    return uploads.filter(user=user, channel=Upload.Channel.PAGE, uuid=uuid).first()


def stored(user: User, uuids: Sequence[UUID]) -> list[int]:
    """The images (ids) that became known by these uploads of the user's."""
    done = Upload.objects.filter(
        user=user, channel=Upload.Channel.PAGE, uuid__in=uuids, status=Upload.Status.COMPLETED
    ).values_list("bucket", "key")
    by_bucket: dict[int, list[str]] = {}
    for bucket, key in done:
        by_bucket.setdefault(bucket, []).append(key)
    return [
        pk
        for bucket, names in by_bucket.items()
        for pk in Image.objects.filter(bucket=bucket, key__in=names).values_list("pk", flat=True)
    ]


def _held(files: Sequence[Chosen], known: QuerySet[Image]) -> Mapping[str, Image]:
    digests = {file.sha256 for file in files if file.sha256 and not file.anyway}
    images = known.filter(sha256__in=digests).order_by("-pk") if digests else []
    found = {image.sha256: image for image in images}
    return {digest: image for digest, image in found.items() if digest}


def _without_twins(files: Sequence[Chosen], answers: Sequence[Image | ImageRefused | None]) -> list[Any]:
    """The answers, a Twin for each file whose content one before it is about to bring."""
    coming: dict[str, str] = {}
    found: list[Any] = []
    for file, answer in zip(files, answers, strict=True):
        twin = coming.get(file.sha256) if file.sha256 and answer is None and not file.anyway else None
        if answer is None:
            coming.setdefault(file.sha256, file.name)
        found.append(answer if twin is None else Twin(name=twin))
    return found


def _refusal(file: Chosen) -> ImageRefused | None:
    """What the browser has checked too, so that nobody can do without."""
    accepted = [content_type(name) for name in settings.IMAGE_FORMATS]
    if file.size < 1:
        return ImageRefused("empty")
    if file.size > settings.IMAGE_MAX_BYTES:
        return ImageRefused("too_many_bytes", size=file.size, limit=settings.IMAGE_MAX_BYTES)
    if file.content_type not in accepted:
        return ImageRefused("not_image", looks_like=file.content_type)
    return None


def _make_at_once(image: Image, file: BinaryIO) -> None:
    make_in_request(image=image, file=file)


def _terms(folder: str, *, at_once: int) -> Terms:
    prefix = keys.clean_folder(folder)
    return Terms(
        prefix=f"{prefix}/" if prefix else "",
        max_bytes=settings.IMAGE_MAX_BYTES,
        seconds=settings.UPLOAD_FORM_SECONDS,
        named=True,
        at_once=at_once,
    )


def _issue(files: Sequence[Chosen], bucket: Bucket, caption: str, user: User, terms: Terms) -> list[Issued]:
    wanted = [
        Wanted(name=file.name, content_type=file.content_type, caption=caption, sha256=file.sha256) for file in files
    ]
    return direct_uploads.issue(files=wanted, bucket=bucket, user=user, terms=terms)
