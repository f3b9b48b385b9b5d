"""Names an HTTP request to AWS by its operation, from what the request line and one header tell."""

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

# Subresources of a bucket: query parameter → the noun in GetX, PutX, DeleteX.
_BUCKET_NOUNS = {
    "acl": "BucketAcl",
    "cors": "BucketCors",
    "encryption": "BucketEncryption",
    "lifecycle": "BucketLifecycleConfiguration",
    "location": "BucketLocation",
    "notification": "BucketNotificationConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "publicAccessBlock": "PublicAccessBlock",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
}
_OBJECT_NOUNS = {"acl": "ObjectAcl", "attributes": "ObjectAttributes", "tagging": "ObjectTagging"}
_BUCKET_LISTINGS = {"list-type": "ListObjectsV2", "versions": "ListObjectVersions", "uploads": "ListMultipartUploads"}
_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}

# (method, query parameter that must be there) → operation on an object; the first that fits.
_OBJECT_OPERATIONS = [
    ("PUT", "partNumber", "UploadPart"),
    ("GET", "uploadId", "ListParts"),
    ("POST", "uploadId", "CompleteMultipartUpload"),
    ("DELETE", "uploadId", "AbortMultipartUpload"),
    ("POST", "uploads", "CreateMultipartUpload"),
    ("GET", "", "GetObject"),
    ("HEAD", "", "HeadObject"),
    ("PUT", "", "PutObject"),
    ("DELETE", "", "DeleteObject"),
]
_BUCKET_OPERATIONS = [
    ("POST", "delete", "DeleteObjects"),
    ("POST", "", "PostObject"),
    ("GET", "", "ListObjects"),
    ("HEAD", "", "HeadBucket"),
    ("PUT", "", "CreateBucket"),
    ("DELETE", "", "DeleteBucket"),
]


@dataclass(frozen=True)
class Request:
    """What names an operation. `path` and `query` as sent (percent-encoded), `target` is X-Amz-Target."""

    method: str
    path: str
    query: str = ""
    target: str = ""
    copy_source: str = ""

    @property
    def bucket(self) -> str:
        """The bucket of a path-style S3 request, or empty."""
        return "" if self.target else unquote(self.path.lstrip("/").partition("/")[0])

    @property
    def key(self) -> str:
        """The object's key, or empty: also for PostObject and DeleteObjects, which name keys in the body."""
        return "" if self.target else unquote(self.path.lstrip("/").partition("/")[2])

    @property
    def operation(self) -> str:
        """PutObject, ListObjectsV2, DetectFaces…; "Preflight" for OPTIONS, "Other" for what is not told."""
        parameters = parse_qs(self.query, keep_blank_values=True)
        if self.method == "OPTIONS":
            return "Preflight"
        if self.target or "Action" in parameters:
            return self.target.rpartition(".")[2] or parameters["Action"][0]
        if not self.bucket:
            return "ListBuckets" if self.method == "GET" else "Other"
        if not self.key:
            return _bucket_operation(self.method, parameters)
        return _object_operation(self.method, parameters, copies=bool(self.copy_source))


def _bucket_operation(method: str, parameters: dict[str, list[str]]) -> str:
    if method == "GET":
        for parameter, operation in _BUCKET_LISTINGS.items():
            if parameter in parameters:
                return operation
    return _noun(method, parameters, _BUCKET_NOUNS) or _first(method, parameters, _BUCKET_OPERATIONS)


def _object_operation(method: str, parameters: dict[str, list[str]], *, copies: bool) -> str:
    name = _noun(method, parameters, _OBJECT_NOUNS) or _first(method, parameters, _OBJECT_OPERATIONS)
    if copies:
        return {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(name, name)
    return name


def _noun(method: str, parameters: dict[str, list[str]], nouns: dict[str, str]) -> str:
    for parameter, noun in nouns.items():
        if parameter in parameters and method in _VERBS:
            return _VERBS[method] + noun
    return ""


def _first(method: str, parameters: dict[str, list[str]], table: list[tuple[str, str, str]]) -> str:
    for wanted, parameter, operation in table:
        if method == wanted and (not parameter or parameter in parameters):
            return operation
    return "Other"
