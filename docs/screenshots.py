"""Take the pictures of the README and the guide from a running `make run`: python docs/screenshots.py PASSWORD [FOLDER]

Runs both actions on the sample pictures first, through the pages, so the pictures show the real product.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

URL = "http://127.0.0.1:8000"
PAGES = {
    "index": "/admin/",
    "images": "/admin/media_catalog/image/",
    "image": "/admin/media_catalog/image/3/change/",
    "job": "/admin/media_catalog/job/2/change/",
    "upload": "/admin/media_catalog/image/add/",
    "faces": "/admin/media_catalog/face/",
    "buckets": "/admin/media_catalog/bucket/",
    "bucket": "/admin/media_catalog/bucket/3/change/",
    "objects": "/admin/media_catalog/bucket/3/objects/",
    "inventory": "/admin/media_catalog/bucket/3/inventory/",
    "findings": "/admin/media_catalog/finding/",
    "presets": "/admin/media_catalog/preset/",
    "quota": "/admin/media_catalog/requestusage/",
    "tokens": "/admin/media_catalog/apitoken/",
}
LOOKS = [("light", 1440, 900), ("dark", 1440, 900), ("light", 390, 844)]


def log_in(browser: Browser, password: str, scheme: str, width: int, height: int) -> Page:
    context = browser.new_context(
        base_url=URL, color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": height}
    )
    page = context.new_page()
    page.goto("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#user-tools")).to_be_visible()
    return page


def choose(page: Page, action: str) -> None:
    """Select all images and go to the confirmation of the action."""
    page.goto(PAGES["images"])
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option(label=action)
    page.get_by_role("button", name="Go").click()


def main(password: str, folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = log_in(browser, password, *LOOKS[0])
        choose(page, "Detect faces…")
        if page.get_by_role("button", name="Detect faces").count():
            page.get_by_role("button", name="Detect faces").click()
            expect(page.locator("[data-job=state]")).to_have_text("Finished", timeout=60_000)
        for scheme, width, height in LOOKS:
            page = log_in(browser, password, scheme, width, height)
            suffix = "" if (scheme, width) == ("light", 1440) else f"-{scheme if width > 390 else 390}"
            for name, path in PAGES.items():
                page.goto(path)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=folder / f"{name}{suffix}.png", full_page=width == 390)
            choose(page, "Move to trash…")
            page.wait_for_load_state("networkidle")
            page.screenshot(path=folder / f"confirmation{suffix}.png", full_page=width == 390)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else Path(__file__).parent / "images"))
