"""The web process holds no file of a direct upload, not even while it hands its bytes to the job."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, log_in
from tests.pictures import jpeg
from tests.stack import running_stack

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

FILES = 50
FILE_BYTES = 10 * 1024 * 1024
SLACK_BYTES = 15 * 1024 * 1024  # as much as one file and a half; 50 of them have 500 MB


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _file(folder: Path, number: int) -> str:
    """A JPEG with what decoders ignore after its end, different in each."""
    path = folder / f"{number}.jpg"
    head = jpeg(640, 480)
    path.write_bytes(head + os.urandom(FILE_BYTES - len(head)))
    return str(path)


def test_the_web_process_stays_flat_while_500_mb_are_uploaded(tmp_path):
    files = [_file(tmp_path, number) for number in range(FILES)]
    with running_stack(tmp_path / "stack") as stack, sync_playwright() as playwright:
        url = stack.start_web()
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page(base_url=url)
        log_in(page)
        page.goto("/admin/media_catalog/image/add/")
        before = _peak_bytes(stack.web.pid)
        page.locator("input[type=file]").first.set_input_files(files)
        page.get_by_role("button", name="Upload", exact=True).click()
        page.get_by_text("50 images uploaded.").wait_for(timeout=800_000)
        assert stack.query("SELECT count(*), sum(size) FROM media_catalog_image") == [(FILES, FILES * FILE_BYTES)]
        grown = _peak_bytes(stack.web.pid) - before
        print(f"\ngrown by {grown / 1024**2:.1f} MiB")
        assert grown < SLACK_BYTES
        left = sum(piece.stat().st_size for piece in (stack.data_dir / "handover").iterdir())
        assert left > 0.9 * FILES * FILE_BYTES  # for the job, which has no worker here
