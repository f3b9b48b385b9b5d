"""The pages that staff work with. One module for each."""

from . import buckets, faces, files, findings, images, jobs, limits, presets, quota, refusals, schedules, tokens, trash

__all__ = [
    "buckets",
    "faces",
    "files",
    "findings",
    "images",
    "jobs",
    "limits",
    "presets",
    "quota",
    "refusals",
    "schedules",
    "tokens",
    "trash",
]
