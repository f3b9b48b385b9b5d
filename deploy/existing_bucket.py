#!/usr/bin/env python3
"""Our entries in the settings of a bucket that is there: existing_bucket.py notification|cors|lifecycle VALUES…

Reads the setting as S3 has it from stdin (JSON) and writes it with our entries, known by their ids, replaced.
What others have configured stays. Standard library only: run by deploy/uploads.sh.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

OURS = "backoffice-uploads"
Setting = dict[str, Any]


def notification(current: Setting, queue_arn: str, prefix: str) -> Setting:
    """S3 announces new objects below the prefix to the queue."""
    chosen = {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}
    entry = {"Id": OURS, "QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"], "Filter": chosen}
    return {**current, "QueueConfigurations": [*_others(current.get("QueueConfigurations", []), "Id"), entry]}


def cors(current: Setting, origin: str) -> Setting:
    """Pages of the origin may upload."""
    rule = {
        "ID": OURS,
        "AllowedOrigins": [origin],
        "AllowedMethods": ["GET", "HEAD", "POST"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }
    return {"CORSRules": [*_others(current.get("CORSRules", []), "ID"), rule]}


def lifecycle(current: Setting, prefix: str, days: str) -> Setting:
    """What is below the prefix expires after so many days; 0: our rule goes."""
    rule = {"ID": OURS, "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": int(days)}}
    return {"Rules": [*_others(current.get("Rules", []), "ID"), *([rule] if int(days) else [])]}


def _others(entries: list[Setting], name: str) -> list[Setting]:
    return [entry for entry in entries if entry.get(name) != OURS]


if __name__ == "__main__":
    setting, *values = sys.argv[1:]
    changes: dict[str, Callable[..., Setting]] = {"notification": notification, "cors": cors, "lifecycle": lifecycle}
    sys.stdout.write(json.dumps(changes[setting](json.loads(sys.stdin.read() or "{}"), *values)))
