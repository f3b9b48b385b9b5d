"""The web process holds no file of a direct upload, not even while it hands its bytes to the job."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, log_in
from tests.pictures import jpeg
from tests.stack import running_stack

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

FILES = 50
FEW = 3  # as many as the page sends at a time
FILE_BYTES = 10 * 1024 * 1024
SLACK_BYTES = 15 * 1024 * 1024  # as much as one file and a half; 50 of them have 500 MB


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _files(folder: Path, count: int, size: int) -> list[str]:
    """JPEGs with what decoders ignore after their end, different in each."""
    head = jpeg(640, 480)
    folder.mkdir()
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for path in paths:
        path.write_bytes(head + os.urandom(size - len(head)))
    return [str(path) for path in paths]


def _upload(page: Page, files: list[str], total: int) -> None:
    page.locator("input[type=file]").first.set_input_files(files)
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_text(f"{total} of {total} uploaded").wait_for(timeout=800_000)


def test_the_web_process_stays_flat_while_500_mb_are_uploaded(tmp_path):
    large = _files(tmp_path / "large", FILES, FILE_BYTES)
    small = _files(tmp_path / "small", FEW, 50_000)
    with running_stack(tmp_path / "stack") as stack, sync_playwright() as playwright:
        url = stack.start_web()
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page(base_url=url)
        log_in(page)
        page.goto("/admin/media_catalog/image/add/")
        _upload(page, small, FEW)  # S3's client and the decoders are loaded by now, 50 MB of code
        before = _peak_bytes(stack.web.pid)
        _upload(page, large, FEW + FILES)
        held = stack.query("SELECT count(*), sum(size) FROM media_catalog_image WHERE size = ?", FILE_BYTES)
        assert held == [(FILES, FILES * FILE_BYTES)]
        assert _peak_bytes(stack.web.pid) - before < SLACK_BYTES
        left = sum(piece.stat().st_size for piece in (stack.data_dir / "handover").iterdir())
        assert left > 0.9 * FILES * FILE_BYTES  # for the job, which has no worker here
