"""What goes in and out, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import ConfigDict, model_validator

from media_catalog.services.presigned import MAX_BATCH

from .waiting import MAX_SECONDS

Text = Annotated[str, Field(max_length=2048)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Metadata = Annotated[
    dict[str, str],
    Field(
        description="Kept with the object: printable ASCII, 2,048 bytes of names and values together.",
        examples=[{"album": "press-day"}],
    ),
]
Limit = Annotated[int, Field(ge=1, le=100)]
Animated = Annotated[bool, Field(description="Its renditions show the first frame.")]
Offset = Annotated[int, Field(ge=0, le=1_000_000)]
Wait = Annotated[int, Field(ge=0, le=MAX_SECONDS, description="Seconds.")]
Status = Literal["created", "processing", "completed", "error", "expired"]


class Wish(Schema):
    metadata: Metadata = {}


class BatchWish(Wish):
    count: int = Field(ge=1, le=MAX_BATCH)


class Credential(Schema):
    """POST multipart/form-data to `url`: all `fields`, then `Content-Type`, one of those accepted, then `file`."""

    url: str
    fields: dict[str, str]
    content_types: list[str]
    max_bytes: int


class ListedUpload(Schema):
    uuid: str = Field(description="32 hexadecimal digits.")
    timestamp_expire: datetime
    metadata: dict[str, str]
    processed_key: str
    error: Any = None
    status: Status


class ApiUpload(ListedUpload):
    credential: Credential | None = Field(None, description="While the upload may begin.")
    renditions: list[dict[str, Any]] = []
    animated: Animated = False


class UploadPage(Schema):
    items: list[ListedUpload]
    count: int


class Result(Schema):
    uuid: str
    processed_key: str
    renditions: list[dict[str, Any]]
    metadata: dict[str, str]
    user: str
    image: int | None = Field(None, description="Its number in the catalogue.")
    animated: Animated = False


class ResultPage(Schema):
    items: list[Result]
    count: int


class Problem(Schema):
    detail: str
    code: str


class Rendition(Schema):
    preset: Annotated[str, Field(max_length=40)]
    key: Annotated[str, Field(max_length=1024)]
    etag: Annotated[str, Field(max_length=80)] = ""
    size: Count = 0
    width: Annotated[int, Field(ge=0, le=100_000)] = 0
    height: Annotated[int, Field(ge=0, le=100_000)] = 0
    content_type: Annotated[str, Field(max_length=100)] = ""


class Probe(Schema):
    format: Annotated[str, Field(max_length=10)]
    content_type: Annotated[str, Field(max_length=100)]
    width: Annotated[int, Field(ge=1, le=100_000)]
    height: Annotated[int, Field(ge=1, le=100_000)]
    orientation: Annotated[int, Field(ge=1, le=8)]
    frames: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    mode: Annotated[str, Field(max_length=20)] = ""
    alpha: bool = False
    profile: str = ""


class Source(Schema):
    bucket: Annotated[str, Field(max_length=63)]
    key: Annotated[str, Field(max_length=1024)]
    etag: Annotated[str, Field(max_length=80)]
    size: Count
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    probe: Probe


class Requests(Schema):
    """How many the Lambda has sent meanwhile, by class."""

    model_config = ConfigDict(extra="forbid")

    s3_tier1: Annotated[int, Field(ge=0, le=10_000)] = 0
    s3_tier2: Annotated[int, Field(ge=0, le=10_000)] = 0


class CallbackReport(Schema):
    """Either `processed_key` or `error`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["processed_key"], "properties": {"processed_key": {"minLength": 1}}},
                {"required": ["error"], "properties": {"error": {"not": {"type": "null"}}}},
            ]
        }
    )

    report: Annotated[str, Field(max_length=64)] = ""
    processed_key: Annotated[str, Field(max_length=1024)] = ""
    renditions: Annotated[list[Rendition], Field(max_length=100)] = []
    source: Source | None = None
    error: Any = None
    requests: Requests = Requests()
    found: Annotated[int, Field(ge=0, le=100, description="Renditions that an earlier run had written.")] = 0

    @model_validator(mode="after")
    def one_result(self) -> "CallbackReport":
        if bool(self.processed_key) == (self.error is not None):
            raise ValueError("give either processed_key or error")
        return self
