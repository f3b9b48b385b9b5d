"""Starting processes that share the database of the tests."""

import json
import os
import subprocess
import sys
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection


def run(module: str, *arguments: int, **environment: str) -> Any:
    """What the module printed, as JSON."""
    answer = subprocess.run(
        [sys.executable, "-m", f"tests.quota.{module}", *map(str, arguments)],
        env=os.environ | {"DATABASE_URL": _database_url()} | environment,
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    )
    return json.loads(answer.stdout)


def _database_url() -> str:
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    return f"postgres://{config['USER']}:{quote(config['PASSWORD'])}@{config['HOST']}:{config['PORT']}/{config['NAME']}"
