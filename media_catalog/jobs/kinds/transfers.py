"""Jobs that bring one object to another key: those of a bucket that the catalogue does not know, or an image."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Bucket, Image, Job
from media_catalog.services import relocation, transfers
from media_catalog.services.object_keys import visible

from .base import Kind, Outcome, bucket_gone, bucket_of, done


def _copy_object(image: Image | None, job: Job) -> Outcome:
    return _transfer(job, _("Copied to “%(key)s” in %(bucket)s."), moves=False)


def _move_object(image: Image | None, job: Job) -> Outcome:
    return _transfer(job, _("Moved to “%(key)s” in %(bucket)s."), moves=True)


def _transfer(job: Job, said: str, *, moves: bool) -> Outcome:
    bucket, to_bucket = bucket_of(job.options), _to_bucket(job.options)
    if bucket is None or to_bucket is None:
        return bucket_gone()
    key, to_key = job.options["key"], job.options["to_key"]
    transfer = transfers.Transfer(
        bucket=bucket, key=key, etag=job.options["etag"], to_bucket=to_bucket, to_key=to_key, moves=moves
    )
    transfers.repeat(transfer, begun=_has_begun(job), begin=partial(_begin, job))
    return done(said % {"key": visible(to_key), "bucket": to_bucket})


def _move_image(image: Image | None, job: Job) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    to_bucket, to_key = _to_bucket(job.options), job.options["to_key"]
    if to_bucket is None:
        return bucket_gone()
    moved = relocation.relocate(
        image=image, to_bucket=to_bucket, to_key=to_key, begun=_has_begun(job), begin=partial(_begin, job)
    )
    said = [_("Moved to “%(key)s” in %(bucket)s.") % {"key": visible(to_key), "bucket": to_bucket}]
    if moved.dropped:
        lost = ngettext(
            "%(count)d rendition could not be moved along: make renditions to have it again.",
            "%(count)d renditions could not be moved along: make renditions to have them again.",
            moved.dropped,
        )
        said.append(lost % {"count": moved.dropped})
    return done(" ".join(said))


def _to_bucket(options: Mapping[str, Any]) -> Bucket | None:
    return Bucket.objects.filter(pk=options["to_bucket"]).first()


def _has_begun(job: Job) -> bool:
    """Whether this job, or one that it retries, has sent the COPY, or was about to."""
    return bool(job.options.get("begun"))


def _begin(job: Job) -> None:
    job.options["begun"] = True
    Job.objects.filter(pk=job.pk).update(options=job.options)


KINDS = (
    Kind(
        slug="copy_object",
        label=gettext_lazy("Copy object"),
        run=_copy_object,
        permissions=["media_catalog.write_objects"],
        takes_images=False,
        requests=lambda options: transfers.cost(moves=False),
    ),
    Kind(
        slug="move_object",
        label=gettext_lazy("Move object"),
        run=_move_object,
        permissions=["media_catalog.write_objects"],
        takes_images=False,
        requests=lambda options: transfers.cost(moves=True),
    ),
    Kind(
        slug="move_image",
        label=gettext_lazy("Move image"),
        run=_move_image,
        permissions=["media_catalog.change_image"],
    ),
)
