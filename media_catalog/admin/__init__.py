"""The pages that staff work with. One module for each."""

from . import buckets, faces, findings, images, jobs, limits, presets, quota, schedules, tokens

__all__ = ["buckets", "faces", "findings", "images", "jobs", "limits", "presets", "quota", "schedules", "tokens"]
