"""A process that dies: after so many calls to S3, when one was sent or before it was."""

from itertools import count
from typing import Any

import pytest

from media_catalog.aws import objects as s3_objects
from media_catalog.aws import s3

CALLS = (
    (s3, "head_object"),
    (s3, "delete_exactly"),
    (s3, "delete_object"),
    (s3_objects, "copy_object"),
)


class Cut(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def cut_after(patch: pytest.MonkeyPatch, calls: int, *, answered: bool) -> None:
    """So many calls of CALLS are made; the next is cut off, `answered` or never sent."""
    numbers = count()

    def dying(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(numbers) != calls:
                return real(*args, **kwargs)
            if answered:
                real(*args, **kwargs)
            raise Cut

        return call

    for module, name in CALLS:
        patch.setattr(module, name, dying(getattr(module, name)))
