from .audit import AuditEvent
from .buckets import Bucket
from .faces import Analysis, Face
from .files import StoredFile
from .images import Image
from .jobs import Job, JobItem
from .leftovers import Leftover
from .quota import (
    LimitOverride,
    Period,
    RequestClass,
    RequestCounter,
    RequestLimit,
    Reservation,
    ReservedUnits,
    UnitBlock,
)
from .renditions import Preset, Rendition
from .tokens import ApiToken
from .uploads import Upload
from .usage import BlockedRequest, LimitAlert, RequestUsage, SavedRequests
from .workers import Pace, ScheduleRun, Worker, WorkQueue

__all__ = [
    "Analysis",
    "ApiToken",
    "AuditEvent",
    "BlockedRequest",
    "Bucket",
    "Face",
    "Image",
    "Job",
    "JobItem",
    "Leftover",
    "LimitAlert",
    "LimitOverride",
    "Pace",
    "Period",
    "Preset",
    "Rendition",
    "RequestClass",
    "RequestCounter",
    "RequestLimit",
    "RequestUsage",
    "Reservation",
    "ReservedUnits",
    "SavedRequests",
    "ScheduleRun",
    "StoredFile",
    "UnitBlock",
    "Upload",
    "WorkQueue",
    "Worker",
]
