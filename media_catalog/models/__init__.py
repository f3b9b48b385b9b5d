from .buckets import Bucket
from .faces import Analysis, Face
from .images import Image
from .jobs import Job, JobItem
from .leftovers import Leftover
from .quota import RequestClass, RequestCounter, RequestLimit, RequestUsage
from .renditions import Preset, Rendition
from .uploads import Upload

__all__ = [
    "Analysis",
    "Bucket",
    "Face",
    "Image",
    "Job",
    "JobItem",
    "Leftover",
    "Preset",
    "Rendition",
    "RequestClass",
    "RequestCounter",
    "RequestLimit",
    "RequestUsage",
    "Upload",
]
