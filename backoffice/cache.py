"""The cache without Redis: development's and the tests'."""

import pickle
import random
import zlib
from typing import IO, Any

from django.core.cache.backends.filebased import FileBasedCache

CULL_EVERY = 64  # writes, on average


class FileCache(FileBasedCache):
    """Stores without compressing: most bytes in it are pictures, which get no smaller, and it costs 5 ms for each."""

    def _write_content(self, file: IO[bytes], timeout: Any, value: Any) -> None:
        """Django's own, but for the level; what it reads with does not care."""
        file.write(pickle.dumps(self.get_backend_timeout(timeout), self.pickle_protocol))
        file.write(zlib.compress(pickle.dumps(value, self.pickle_protocol), zlib.Z_NO_COMPRESSION))

    def _cull(self) -> None:
        """Lists the whole folder, so not at each write: a few entries above MAX_ENTRIES do no harm."""
        if random.randrange(CULL_EVERY) == 0:  # noqa: S311
            super()._cull()  # type: ignore[misc]  # missing in the stubs
