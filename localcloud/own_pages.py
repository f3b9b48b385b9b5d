"""Buckets with a page of their own. “My Images” and “My Files”: the newest three stay, for a quarter of an hour.
“Image Uploader” takes images of exactly 1024 × 786 pixels.
"""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from media_catalog.models import Bucket
from media_catalog.services import bucket_settings, buckets, names, retention
from media_catalog.services.retention import Rule

IMAGES, RESIZED, FILES = "my-images", "my-images-resized", "my-files"
UPLOADER, UPLOADER_RESIZED = "image-uploader", "image-uploader-resized"
RULE = Rule(keep_newest=3, expire_after=900)


def ensure(user: User, *, origins: Sequence[str] = ()) -> None:
    """Create what is missing: five buckets, three of them with a page of their own and their rule in force. Browsers on
    pages of `origins` may upload to the one that takes more than one image at a time.

    What staff have changed since stays as it is. No request when all are there; at most a HEAD and a PUT for each, and
    a GET and a PUT for each origin.
    """
    images = _pair(IMAGES, RESIZED)
    files = buckets.ensure(FILES, Bucket.Role.GENERAL)
    if files.accepts != Bucket.Accepts.ANY:
        buckets.assign(files, role=files.role, accepts=Bucket.Accepts.ANY, partner=None)
    _open(images, _("My Images"), user, unique=True)
    _open(files, _("My Files"), user, unique=False)
    _open_uploader(_pair(UPLOADER, UPLOADER_RESIZED), origins)


def _pair(originals: str, renditions: str) -> Bucket:
    resized = buckets.ensure(renditions, Bucket.Role.RENDITIONS)
    bucket = buckets.ensure(originals, Bucket.Role.ORIGINALS)
    if not bucket.renditions_bucket_id:
        buckets.assign(bucket, role=bucket.role, accepts=Bucket.Accepts.IMAGES, partner=resized)
    return bucket


def _open(bucket: Bucket, title: str, user: User, *, unique: bool) -> None:
    """Give a bucket without a title its page and its rule."""
    if bucket.page_title:
        return
    names.set_unique(bucket, unique=unique)
    username = user.get_username()
    reason = _("Set up for the demo")
    if not bucket.retention_on:
        retention.change(bucket, RULE, username=username, reason=reason)
        retention.switch_on(bucket, RULE, username=username, reason=reason)
    bucket.page_title = title
    bucket.save(update_fields=["page_title"])


def _open_uploader(bucket: Bucket, origins: Sequence[str]) -> None:
    if bucket.page_title:
        return
    for origin in origins:
        bucket_settings.let_in(bucket=bucket, origin=origin)
    bucket.upload_rule = Bucket.UploadRule.EXACT  # of the size that rules begin with
    bucket.page_title = _("Image Uploader")
    bucket.save(update_fields=["upload_rule", "page_title"])
