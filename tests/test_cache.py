"""The cache without Redis keeps what it is given, and does not spend time on compressing it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.cache.backends.filebased import FileBasedCache

from backoffice.cache import FileCache


@pytest.mark.parametrize("reader", [FileCache, FileBasedCache])
def test_it_gives_back_what_it_was_given(tmp_path: Path, reader: Callable[..., FileBasedCache]) -> None:
    FileCache(str(tmp_path), {}).set("key", {"body": bytes(50_000)})

    assert reader(str(tmp_path), {}).get("key") == {"body": bytes(50_000)}
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) > 50_000


def test_what_has_expired_is_gone(tmp_path: Path) -> None:
    cache = FileCache(str(tmp_path), {})
    cache.set("key", b"body", timeout=-1)

    assert cache.get("key") is None
