"""docs/settings.md names every variable that the settings read, and no other."""

import re

from tests.deploy.settings_variables import SOURCES, read_variables
from tests.stack import ROOT

ROW = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)


def _documented() -> list[tuple[str, bool]]:
    """(variable, needed in production) in the first column of each row."""
    cells = ROW.findall((ROOT / "docs" / "settings.md").read_text())
    return [(name, f"**`{name}`**" in cell) for cell in cells for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)]


def test_the_search_finds_variables_of_each_kind():
    assert {"SECRET_KEY", "DATABASE_URL", "WEB_THREADS", "EMAIL_URL", "USE_S3"} <= read_variables().keys()


def test_every_variable_is_in_the_table_once_and_no_other_is():
    assert sorted(name for name, _needed in _documented()) == sorted(read_variables())


def test_those_without_a_default_in_production_are_marked():
    text = "".join(path.read_text() for path in SOURCES if path.name in ("production.py", "base.py"))
    without = set(re.findall(r'\benv(?:\.list|\.db_url)?\("([A-Z_]+)"\)', text)) - {"STATIC_DOMAIN"}
    assert {name for name, needed in _documented() if needed} == without
