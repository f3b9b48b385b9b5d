"""Which AWS operations the code sends, which permissions they need, and which role has them.

`python deploy/operations_table.py` writes docs/aws-operations.md. Tests hold this against the code and the templates:
an operation that is used and not listed here fails there, with its name.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

# Operation (service as botocore's events name it) → actions of IAM. An object that is told apart from a missing one
# needs s3:ListBucket too; where ours ask, the answer 403 for a missing object would be wrong.
ACTIONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("s3", "AbortMultipartUpload"): ("s3:AbortMultipartUpload",),
    # Of an object with tags, S3 denies the whole copy without the two for tags.
    ("s3", "CopyObject"): ("s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging"),
    ("s3", "CreateBucket"): ("s3:CreateBucket",),
    ("s3", "CreateMultipartUpload"): ("s3:PutObject",),
    ("s3", "DeleteBucket"): ("s3:DeleteBucket",),
    ("s3", "DeleteBucketCors"): ("s3:PutBucketCORS",),
    ("s3", "DeleteBucketLifecycle"): ("s3:PutLifecycleConfiguration",),
    # With If-Match, S3 wants the second too.
    ("s3", "DeleteObject"): ("s3:DeleteObject", "s3:GetObject"),
    ("s3", "DeleteObjects"): ("s3:DeleteObject",),
    ("s3", "DeletePublicAccessBlock"): ("s3:PutBucketPublicAccessBlock",),
    ("s3", "GetBucketCors"): ("s3:GetBucketCORS",),
    ("s3", "GetBucketEncryption"): ("s3:GetEncryptionConfiguration",),
    ("s3", "GetBucketLifecycleConfiguration"): ("s3:GetLifecycleConfiguration",),
    ("s3", "GetBucketNotificationConfiguration"): ("s3:GetBucketNotification",),
    ("s3", "GetBucketVersioning"): ("s3:GetBucketVersioning",),
    ("s3", "GetObject"): ("s3:GetObject", "s3:ListBucket"),
    ("s3", "GetPublicAccessBlock"): ("s3:GetBucketPublicAccessBlock",),
    ("s3", "HeadBucket"): ("s3:ListBucket",),
    ("s3", "HeadObject"): ("s3:GetObject", "s3:ListBucket"),
    ("s3", "ListBuckets"): ("s3:ListAllMyBuckets",),
    ("s3", "ListObjectsV2"): ("s3:ListBucket",),
    ("s3", "ListObjectVersions"): ("s3:ListBucketVersions",),
    ("s3", "PutBucketCors"): ("s3:PutBucketCORS",),
    ("s3", "PutBucketEncryption"): ("s3:PutEncryptionConfiguration",),
    ("s3", "PutBucketLifecycleConfiguration"): ("s3:PutLifecycleConfiguration",),
    ("s3", "PutBucketNotificationConfiguration"): ("s3:PutBucketNotification",),
    ("s3", "PutBucketVersioning"): ("s3:PutBucketVersioning",),
    ("s3", "PutObject"): ("s3:PutObject",),
    ("s3", "PutPublicAccessBlock"): ("s3:PutBucketPublicAccessBlock",),
    ("sqs", "CreateQueue"): ("sqs:CreateQueue",),
    ("sqs", "DeleteMessageBatch"): ("sqs:DeleteMessage",),
    ("sqs", "GetQueueAttributes"): ("sqs:GetQueueAttributes",),
    ("sqs", "GetQueueUrl"): ("sqs:GetQueueUrl",),
    ("sqs", "ReceiveMessage"): ("sqs:ReceiveMessage",),
    ("sqs", "SetQueueAttributes"): ("sqs:SetQueueAttributes",),
    ("rekognition", "DetectFaces"): ("rekognition:DetectFaces", "s3:GetObject"),
    ("application-autoscaling", "DescribeScalingPolicies"): ("application-autoscaling:DescribeScalingPolicies",),
    ("logs", "FilterLogEvents"): ("logs:FilterLogEvents",),
    ("rds", "DescribeDBInstances"): ("rds:DescribeDBInstances",),
    ("sts", "GetCallerIdentity"): (),
}
# The same of versions, which only emptying a bucket deletes.
OF_VERSIONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("s3", "DeleteObject"): ("s3:DeleteObjectVersion",),
    ("s3", "DeleteObjects"): ("s3:DeleteObjectVersion",),
}
# Role in deploy/cloudformation/roles.yaml → what its tasks send, and why. `NOBODY`: the stacks do it.
NOBODY = "nobody"
ROLES: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "WebRole": (
        "pages: uploads, previews, downloads, files, the browser of objects, the health of buckets",
        (
            ("s3", "AbortMultipartUpload"),
            ("s3", "CopyObject"),
            ("s3", "CreateMultipartUpload"),
            ("s3", "DeleteObject"),
            ("s3", "GetBucketCors"),
            ("s3", "GetBucketEncryption"),
            ("s3", "GetBucketLifecycleConfiguration"),
            ("s3", "GetBucketVersioning"),
            ("s3", "GetObject"),
            ("s3", "GetPublicAccessBlock"),
            ("s3", "HeadBucket"),
            ("s3", "HeadObject"),
            ("s3", "ListObjectVersions"),
            ("s3", "ListObjectsV2"),
            ("s3", "PutObject"),
        ),
    ),
    "WorkerRole": (
        "jobs: renditions, detection, buckets, inventories and what they find, the trash, retention, clearing up",
        (
            ("rekognition", "DetectFaces"),
            ("s3", "CopyObject"),
            ("s3", "DeleteObject"),
            ("s3", "DeleteObjects"),
            ("s3", "GetObject"),
            ("s3", "HeadBucket"),
            ("s3", "HeadObject"),
            ("s3", "ListBuckets"),
            ("s3", "ListObjectVersions"),
            ("s3", "PutObject"),
        ),
    ),
    "ConsumerRole": (
        "events of S3: looks at the object that one tells of, and whether its bucket is there; "
        "deletes what an upload by the API brought that is no image",
        (
            ("s3", "DeleteObject"),
            ("s3", "GetObject"),
            ("s3", "HeadBucket"),
            ("s3", "HeadObject"),
            ("sqs", "DeleteMessageBatch"),
            ("sqs", "GetQueueAttributes"),
            ("sqs", "GetQueueUrl"),
            ("sqs", "ReceiveMessage"),
        ),
    ),
    "ReleaseRole": (
        "one-off tasks: `release` publishes static files and, by `create_buckets`, writes down which buckets there are",
        (
            ("s3", "HeadBucket"),
            ("s3", "ListObjectsV2"),
            ("s3", "PutBucketCors"),
            ("s3", "PutObject"),
        ),
    ),
    "CheckRole": (
        "`postdeploy_check`: looks, changes nothing",
        (
            ("application-autoscaling", "DescribeScalingPolicies"),
            ("logs", "FilterLogEvents"),
            ("rds", "DescribeDBInstances"),
            ("s3", "GetPublicAccessBlock"),
            ("sts", "GetCallerIdentity"),
        ),
    ),
    NOBODY: (
        "the queues, and which buckets announce their objects to them, are made by the stack storage.yaml",
        (
            ("s3", "GetBucketNotificationConfiguration"),
            ("s3", "PutBucketNotificationConfiguration"),
            ("sqs", "CreateQueue"),
            ("sqs", "SetQueueAttributes"),
        ),
    ),
}
# What a role may send besides with a `ManagedBucketPrefix`, to buckets whose names begin with it, and why.
MANAGED: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "WebRole": (
        "pages that create buckets, change and mend their settings, and delete empty ones",
        (
            ("s3", "CreateBucket"),
            ("s3", "DeleteBucket"),
            ("s3", "DeleteBucketCors"),
            ("s3", "DeleteBucketLifecycle"),
            ("s3", "DeletePublicAccessBlock"),
            ("s3", "PutBucketCors"),
            ("s3", "PutBucketEncryption"),
            ("s3", "PutBucketLifecycleConfiguration"),
            ("s3", "PutBucketVersioning"),
            ("s3", "PutPublicAccessBlock"),
        ),
    ),
    "WorkerRole": (
        "the job that empties and deletes a bucket: every version of its objects",
        (
            ("s3", "DeleteBucket"),
            ("s3", "DeleteObject"),
            ("s3", "DeleteObjects"),
        ),
    ),
}
HEAD = ("| role | for | operations | actions allowed |", "|---|---|---|---|")
TABLE = Path(__file__).resolve().parent.parent / "docs" / "aws-operations.md"


def actions_of(role: str) -> set[str]:
    """The actions that its policy must allow, no more and no less."""
    _why, operations = ROLES[role]
    return {action for operation in operations for action in ACTIONS[operation]}


def managed_actions_of(role: str) -> set[str]:
    """What its policy must allow besides, on buckets that staff make."""
    _why, operations = MANAGED.get(role, ("", ()))
    return {action for operation in operations for action in OF_VERSIONS.get(operation, ACTIONS[operation])}


def table() -> str:
    """The document."""
    lines = [
        "# AWS operations and roles",
        "",
        "Written by `deploy/operations_table.py`; tests hold it against `media_catalog/aws/` and",
        "`deploy/cloudformation/roles.yaml`.",
        "",
        *HEAD,
        *(_row(role, *ROLES[role], actions_of(role) if role != NOBODY else set()) for role in ROLES),
        "",
        "With a `ManagedBucketPrefix`, pages and workers may do with buckets that begin with it what they may do",
        "with those of the stacks, and this besides. Without one, and with all others, that is denied: they are made",
        "by the stack storage.yaml.",
        "",
        *HEAD,
        *(_row(role, *MANAGED[role], managed_actions_of(role)) for role in MANAGED),
    ]
    return "\n".join(lines) + "\n"


def _row(role: str, why: str, operations: Iterable[tuple[str, str]], actions: Iterable[str]) -> str:
    sent = ", ".join(f"{service} {operation}" for service, operation in operations)
    allowed = ", ".join(f"`{action}`" for action in sorted(actions)) or "none"
    return f"| {role} | {why} | {sent} | {allowed} |"


if __name__ == "__main__":
    TABLE.write_text(table())
