"""What the documents name is there: files and folders, make targets, management commands."""

import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.stack import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# The documents speak of the application's parts without its name; links are relative to the document.
PLACES = [ROOT, ROOT / "media_catalog"]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([^`\s]+)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)")
# A path has a slash or a known ending; one with other characters (`<folder>/…`, `image/*`) is a pattern.
PATH = re.compile(r"\.?[\w-][\w./-]*/[\w./-]*|[\w-][\w.-]*\.(?:py|md|toml|txt|yaml|js|css|html|json)")


def _paths(text: str) -> set[str]:
    return {name for name in NAMED.findall(FENCE.sub("", text)) if PATH.fullmatch(name)}


def _is_there(path: str, *places: Path) -> bool:
    return any((place / path).exists() for place in places) or _is_generated(path)


def _is_generated(path: str) -> bool:
    return subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False).returncode == 0


def _code(text: str) -> str:
    """What a reader may type: the fenced blocks and what stands in backticks."""
    return "\n".join([*FENCE.findall(text), *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))])


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.name)
def document(request) -> Path:
    return request.param


def test_each_path_is_there(document):
    text = document.read_text()
    missing = {path for path in _paths(text) if not _is_there(path, *PLACES)}
    missing |= {path for path in LINK.findall(text) if not _is_there(path, document.parent)}
    assert not missing


def test_each_link_to_a_heading_leads_to_one(document):
    text = document.read_text()
    headings = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.M)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings


def test_each_make_target_is_there(document):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|&& |\n)make ([a-z-]+)", _code(document.read_text())))
    assert named <= targets


def test_each_management_command_is_there(document):
    named = set(re.findall(r"manage\.py ([a-z_]+)", _code(document.read_text())))
    assert named <= get_commands().keys()


def test_each_refusal_names_tests_that_are_there():
    rows = re.findall(r"^\| .* \| .* \| (tests/.*) \|$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert len(rows) >= 45
    for row in rows:
        for path, named in re.findall(r"(tests/[\w/.]+\.py)((?: `\w+`,?)*)", row):
            held = set(re.findall(r"^(?:class|def) (\w+)", (ROOT / path).read_text(), re.MULTILINE))
            wanted = set(re.findall(r"`(\w+)`", named))
            assert wanted, row
            assert wanted <= held, row


def test_the_documents_name_all_of_these():
    """The searches above find something at all."""
    text = (ROOT / "README.md").read_text()
    assert {"media_catalog/models/", "docs/architecture.md"} <= _paths(text) | set(LINK.findall(text))
    assert "make run" in _code(text)
    assert "manage.py release" in _code(text)


def test_every_setting_of_the_env_example_is_read():
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", example, re.MULTILINE))
    source = "".join(path.read_text() for path in (ROOT / "backoffice" / "settings").glob("*.py"))
    # boto3 itself reads the credentials.
    unread = {name for name in named if f'"{name}"' not in source} - {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert not unread
