"""Which names a bucket may have, by the rules of AWS for general purpose buckets.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, read on 2026-11-20.
"""

import re

SHORTEST, LONGEST = 3, 63
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")
_FORBIDDEN = re.compile(r"[^a-z0-9.-]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")

LENGTH = "length"
CHARACTERS = "characters"
ENDS = "ends"
ADJACENT_PERIODS = "adjacent_periods"
IP_ADDRESS = "ip_address"
RESERVED_PREFIX = "reserved_prefix"
RESERVED_SUFFIX = "reserved_suffix"


def bucket_name_problems(name: str) -> list[str]:
    """The rules that the name breaks, as the codes above; empty when S3 would take it."""
    broken = {
        LENGTH: not SHORTEST <= len(name) <= LONGEST,
        CHARACTERS: bool(_FORBIDDEN.search(name)),
        ENDS: name[:1] in {".", "-"} or name[-1:] in {".", "-"},
        ADJACENT_PERIODS: ".." in name,
        IP_ADDRESS: bool(_IP_ADDRESS.fullmatch(name)),
        RESERVED_PREFIX: name.startswith(RESERVED_PREFIXES),
        RESERVED_SUFFIX: name.endswith(RESERVED_SUFFIXES),
    }
    return [rule for rule, is_broken in broken.items() if is_broken]
