"""Too little memory must be an exception that can be reported, not the end of the process."""

import resource
from collections.abc import Mapping

MEGABYTE = 1024 * 1024
# Of the function's memory: libraries, which are mapped from their files and do not count as data.
SHARED_MEGABYTES = 64


def bound(environment: Mapping[str, str]) -> None:
    """Let allocations beyond the function's memory fail. Nothing outside of Lambda."""
    size = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if size.isdigit():
        allowed = max(int(size) - SHARED_MEGABYTES, SHARED_MEGABYTES) * MEGABYTE
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
