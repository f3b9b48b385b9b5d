"""The variables of the environment that the site reads, found in its settings."""

import re

from tests.stack import ROOT

READ = re.compile(r'\benv(?:\.\w+)?\(\s*"([A-Z][A-Z0-9_]+)"')
SOURCES = [*(ROOT / "backoffice" / "settings").glob("*.py"), ROOT / "backoffice" / "gunicorn.py"]


def read_variables() -> dict[str, str]:
    """Variable → file that reads it."""
    return {name: path.name for path in SOURCES for name in READ.findall(path.read_text())}
