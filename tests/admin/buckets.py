"""Buckets and their pages, as tests of them need."""

import secrets

import pytest
from django.urls import reverse
from django.utils.http import urlencode

from media_catalog.aws import listing, s3
from media_catalog.models import Bucket

LIST = "/admin/media_catalog/bucket/"
ADD = f"{LIST}add/"


def page(bucket: Bucket, name: str = "change", **query: str) -> str:
    path = reverse(f"admin:media_catalog_bucket_{name}", args=[bucket.pk])
    return f"{path}?{urlencode(query)}" if query else path


def new_bucket(role: str = "general", accepts: str = "any", **fields: object) -> Bucket:
    """A bucket at S3 and here, with no settings."""
    name = f"{role}-{secrets.token_hex(6)}"
    s3.create_bucket(name, region="us-east-1")
    return Bucket.objects.create(name=name, role=role, accepts=accepts, region="us-east-1", **fields)


def put(bucket: Bucket, key: str, body: bytes = b"content", content_type: str = "text/plain") -> str:
    return s3.put_object(bucket.name, key, body, content_type=content_type, overwrite=True)


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def bucket(originals: Bucket) -> Bucket:
    return new_bucket()


def keys_of(bucket: Bucket) -> list[str]:
    """The first page of them."""
    return [entry.key for entry in listing.list_page(bucket.name).objects]
