"""The pages that staff work with. One module for each."""

from . import buckets, faces, files, images, jobs, limits, presets, quota, schedules, tokens

__all__ = ["buckets", "faces", "files", "images", "jobs", "limits", "presets", "quota", "schedules", "tokens"]
