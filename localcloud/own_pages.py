"""“My Images” and “My Files”: buckets with unique names, of which the newest three stay, for a quarter of an hour."""

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from media_catalog.models import Bucket
from media_catalog.services import buckets, names, retention
from media_catalog.services.retention import Rule

IMAGES, RESIZED, FILES = "my-images", "my-images-resized", "my-files"
RULE = Rule(keep_newest=3, expire_after=900)


def ensure(user: User) -> None:
    """Create what is missing: three buckets, two of them with a page of their own and their rule in force.

    What staff have changed since stays as it is. No request when all are there; at most a HEAD and a PUT for each.
    """
    resized = buckets.ensure(RESIZED, Bucket.Role.RENDITIONS)
    images = buckets.ensure(IMAGES, Bucket.Role.ORIGINALS)
    files = buckets.ensure(FILES, Bucket.Role.GENERAL)
    if not images.renditions_bucket_id:
        buckets.assign(images, role=images.role, accepts=Bucket.Accepts.IMAGES, partner=resized)
    if files.accepts != Bucket.Accepts.ANY:
        buckets.assign(files, role=files.role, accepts=Bucket.Accepts.ANY, partner=None)
    _open(images, _("My Images"), user, unique=True)
    _open(files, _("My Files"), user, unique=False)


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
