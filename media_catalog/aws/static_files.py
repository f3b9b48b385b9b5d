"""Static files on the static bucket, for browsers behind STATIC_DOMAIN."""

import boto3
from boto3.s3.transfer import TransferConfig
from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, StaticFilesStorage
from storages.backends.s3 import S3Storage

from .client import call, config_of, metered_session


class PublishedStaticFiles(ManifestFilesMixin, S3Storage):  # type: ignore[misc]  # both have a `url`, with other options
    """Addresses by the manifest that `collectstatic` has left in STATIC_ROOT, so a page asks S3 for nothing.

    Names hold a hash of the content: what is there stays right, also for the pages of the version before.
    """

    bucket_name: str

    def __init__(self) -> None:
        self._collected = StaticFilesStorage()
        super().__init__(
            manifest_storage=self._collected,
            bucket_name=settings.BUCKET_STATIC,
            custom_domain=settings.STATIC_DOMAIN,
            region_name=settings.AWS_REGION,
            endpoint_url=settings.AWS_ENDPOINT_URL or None,
            client_config=config_of("s3"),
            transfer_config=TransferConfig(use_threads=False),  # the meter counts in this thread
            object_parameters={"CacheControl": "public, max-age=31536000, immutable"},
            gzip=True,
        )

    def _create_session(self) -> boto3.session.Session:
        return metered_session()

    def missing(self) -> list[str]:
        """Names that the bucket does not hold yet. One LIST for each 1,000 that it holds."""
        pages = self.connection.meta.client.get_paginator("list_objects_v2")
        with call(bucket=self.bucket_name):
            held = {
                entry["Key"] for page in pages.paginate(Bucket=self.bucket_name) for entry in page.get("Contents", [])
            }
        return sorted(set(self.hashed_files.values()) - held)

    def publish(self, name: str) -> None:
        """Copy one collected file to the bucket. One PUT."""
        with self._collected.open(name) as file, call(bucket=self.bucket_name):
            self.save(name, file)
