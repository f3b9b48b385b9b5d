from .audit import AuditEvent
from .buckets import Bucket
from .faces import Analysis, Face
from .files import StoredFile
from .findings import Finding
from .images import Image
from .inventory import InventoryObject, Scan
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
from .stored import StoredObject
from .tokens import ApiToken
from .trash import TrashedObject
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
    "Finding",
    "Image",
    "InventoryObject",
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
    "Scan",
    "ScheduleRun",
    "StoredFile",
    "StoredObject",
    "TrashedObject",
    "UnitBlock",
    "Upload",
    "WorkQueue",
    "Worker",
]
