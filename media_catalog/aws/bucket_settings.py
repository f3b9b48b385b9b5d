"""The settings of a bucket at S3: one GET or PUT each. Without one of a kind a reader returns its empty value.

`region` spares the redirect that a bucket outside AWS_REGION would cost. Rules are dictionaries as S3 has them, so that
those of others come back unchanged.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from media_catalog.exceptions import SettingMissing

from .client import call, client

Rule = dict[str, Any]
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def blocks_public_access(bucket: str, *, region: str = "") -> bool:
    """Whether all four kinds of public access are blocked."""
    found: dict[str, bool] = {}
    with suppress(SettingMissing), call(bucket=bucket):
        answer = client("s3", region).get_public_access_block(Bucket=bucket)
        found = dict(answer["PublicAccessBlockConfiguration"])  # type: ignore[arg-type]  # a TypedDict of booleans
    return all(found.get(name) for name in _BLOCKS)


def put_public_access_block(bucket: str, *, block: bool, region: str = "") -> None:
    """Block all four kinds of public access, or none: that is one DELETE."""
    with call(bucket=bucket):
        if not block:
            client("s3", region).delete_public_access_block(Bucket=bucket)
            return
        blocks: Any = dict.fromkeys(_BLOCKS, True)
        client("s3", region).put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocks)


def get_encryption(bucket: str, *, region: str = "") -> str:
    """The algorithm of new objects: "AES256" (keys of S3), "aws:kms", … or empty."""
    with suppress(SettingMissing), call(bucket=bucket):
        answer = client("s3", region).get_bucket_encryption(Bucket=bucket)
        for rule in answer["ServerSideEncryptionConfiguration"]["Rules"]:
            if default := rule.get("ApplyServerSideEncryptionByDefault"):
                return default["SSEAlgorithm"]
    return ""


def put_encryption(bucket: str, *, algorithm: str, region: str = "") -> None:
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
    # A bucket key spares one KMS request for each object.
    rule: Any = {**default, "BucketKeyEnabled": algorithm != "AES256"}
    with call(bucket=bucket):
        client("s3", region).put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def is_versioned(bucket: str, *, region: str = "") -> bool:
    """Whether what is overwritten or deleted is kept as an older version; False when that is suspended."""
    with call(bucket=bucket):
        return client("s3", region).get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"


def put_versioning(bucket: str, *, on: bool, region: str = "") -> None:
    with call(bucket=bucket):
        client("s3", region).put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled" if on else "Suspended"}
        )


def get_cors(bucket: str, *, region: str = "") -> list[Rule]:
    with suppress(SettingMissing), call(bucket=bucket):
        return [dict(rule) for rule in client("s3", region).get_bucket_cors(Bucket=bucket)["CORSRules"]]
    return []


def put_cors(bucket: str, rules: Sequence[Rule], *, region: str = "") -> None:
    """Replace all rules; without any that is one DELETE."""
    with call(bucket=bucket):
        if not rules:
            client("s3", region).delete_bucket_cors(Bucket=bucket)
            return
        configuration: Any = {"CORSRules": list(rules)}
        client("s3", region).put_bucket_cors(Bucket=bucket, CORSConfiguration=configuration)


def get_lifecycle(bucket: str, *, region: str = "") -> list[Rule]:
    with suppress(SettingMissing), call(bucket=bucket):
        answer = client("s3", region).get_bucket_lifecycle_configuration(Bucket=bucket)
        return [dict(rule) for rule in answer["Rules"]]
    return []


def put_lifecycle(bucket: str, rules: Sequence[Rule], *, region: str = "") -> None:
    """Replace all rules; without any that is one DELETE."""
    with call(bucket=bucket):
        if not rules:
            client("s3", region).delete_bucket_lifecycle(Bucket=bucket)
            return
        configuration: Any = {"Rules": list(rules)}
        client("s3", region).put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=configuration)
