"""What staff do with buckets of their own, in the site of a deployment: by its pages, then by the jobs they start.

Run by `manage.py shell`. `roles`: by task, the variables of the environment with the credentials of its role.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import override_settings, setup_test_environment

from media_catalog.aws import bucket_settings, objects, s3
from media_catalog.aws.client import forget_clients
from media_catalog.exceptions import AwsDenied
from media_catalog.jobs.runner import run_chunk
from media_catalog.models import Bucket, Image, Job, JobItem
from media_catalog.services import renditions
from tests.admin.buckets import ADD, messages_of, page
from tests.admin.test_bucket_create import creation
from tests.pictures import jpeg, upload_file

Roles = dict[str, dict[str, str]]
# The image has collected static files, this checkout has not.
NOT_COLLECTED = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
BARE = {"encryption": "AES256", "old_versions_days": "0", "multipart_days": "0", "temp_days": "0"}


@override_settings(STORAGES=settings.STORAGES | NOT_COLLECTED)
def administer(prefix: str, roles: Roles) -> None:
    """Make a pair of buckets, use it, take all settings away and mend one, empty and delete it. Prints what the pages
    and jobs say of it, as JSON."""
    setup_test_environment(debug=False)
    client, said = Client(), list[object]()
    client.force_login(User.objects.get())
    others = set(Job.objects.values_list("pk", flat=True))  # of tests before, which share the site

    def post(address: str, **data: object) -> None:
        _take(roles["web"])
        said.extend(text for text in messages_of(client.post(address, data, follow=True)) if "/job/" not in text)

    def work() -> None:
        _take(roles["worker"])
        said.extend(_work(Job.objects.exclude(pk__in=others)))

    kept = _create(post, f"{prefix}renditions", role="renditions", versioning=None)
    made = _create(post, f"{prefix}originals", role="originals", renditions_bucket=kept.pk)
    post(page(made, "upload"), chosen=[upload_file(jpeg(), "a.jpg"), upload_file(jpeg(), "b.jpg")])
    post(page(made, "take_inventory"))
    work()
    said.append(sum(renditions.make(image=image) for image in Image.objects.filter(bucket=made)) > 1)
    purpose = {"role": "originals", "accepts": "images", "renditions_bucket": kept.pk}
    post(page(made, "settings"), **purpose, **BARE, confirm="1")
    for deed in ("check", "fix"):
        post(page(made, deed), check="public_access")
    post(page(made, "delete"), empty="1", name=made.name)
    work()
    post(page(kept, "delete"), delete="1")
    sys.stdout.write(json.dumps(said))


def reach_for(bucket: str, roles: Roles) -> None:
    """Try the same with another bucket. Prints what is denied, as JSON."""
    denied = []
    deeds: dict[str, Callable[[], object]] = {
        "create": lambda: s3.create_bucket(f"{bucket}-2", region=settings.AWS_REGION),
        "set": lambda: bucket_settings.put_versioning(bucket, on=False),
        "open": lambda: bucket_settings.put_public_access_block(bucket, block=False),
        "empty": lambda: objects.delete_objects(bucket, [("a", "1"), ("b", "1")]),
        "delete": lambda: objects.delete_bucket(bucket),
    }
    for task, credentials in roles.items():
        _take(credentials)
        for name, deed in deeds.items():
            try:
                deed()
            except AwsDenied:
                denied.append(f"{task} {name}")
    sys.stdout.write(json.dumps(denied))


def _create(post: Callable[..., None], name: str, **purpose: object) -> Bucket:
    given = creation(name=name, confirm="1", **purpose)
    post(ADD, **{field: value for field, value in given.items() if value is not None})
    return Bucket.objects.get(name=name)


def _take(credentials: dict[str, str]) -> None:
    os.environ.update(credentials)
    forget_clients()


def _work(jobs: QuerySet[Job]) -> Iterator[str]:
    """As workers would."""
    for job in jobs.exclude(state=Job.State.FINISHED):
        run_chunk(job.pk, list(job.items.filter(state=JobItem.State.QUEUED).values_list("pk", flat=True)))
        yield from (f"{job.kind}: {item.state}" for item in job.items.all())
