"""The life of a bucket as a member of staff sees it: create, upload, browse, rename, delete, restore, empty."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]

NAME = "life-of-a-bucket"
JOB_MILLISECONDS = 30_000


def test_the_life_of_a_bucket(page: Page, stack: Stack) -> None:
    _create(page)
    _upload_deep(page)
    _rename(page)
    _delete_one_with_a_line_end(page, stack)
    _undo(page)
    _delete_and_restore_from_the_trash(page)
    _purge(page)
    _check_and_mend(page)
    _empty_and_delete(page)


def _create(page: Page) -> None:
    page.goto("/admin/media_catalog/bucket/")
    page.get_by_role("link", name="Create bucket").click()
    page.get_by_label("Name").fill("Not_Allowed")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Only small letters")).to_be_visible()
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Role").select_option(label="General")
    page.get_by_label("Accepts").select_option(label="Files of any type")
    page.get_by_label("Block all public access").check()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("What will be sent to S3")).to_be_visible()
    page.get_by_role("button", name="Create bucket").click()
    expect(page.get_by_text(f"The bucket “{NAME}” was created.")).to_be_visible()


def _upload_deep(page: Page) -> None:
    page.get_by_role("link", name="Browse objects").click()
    page.get_by_label("Go to a path").fill("2026/11/deep/er/")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.get_by_text("No key begins with this.")).to_be_visible()
    files = [
        {"name": name, "mimeType": "text/plain", "buffer": b"hello"} for name in ("one.txt", "two.txt", "three.txt")
    ]
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("Uploaded 2026/11/deep/er/one.txt")).to_be_visible()
    page.get_by_role("navigation", name="Folders").get_by_role("link", name=NAME).click()
    for folder in ("2026/", "11/", "deep/", "er/"):
        page.get_by_role("link", name=folder, exact=True).click()
    expect(page.get_by_text("This page cost 1 PUT-class request")).to_be_visible()
    expect(page.get_by_role("link", name="two.txt")).to_be_visible()


def _rename(page: Page) -> None:
    page.get_by_role("link", name="two.txt").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == b"hello"
    page.get_by_role("link", name="Rename, move or copy").click()
    page.get_by_label("New key").fill("2026/12//second.txt")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.get_by_role("heading", name="2026/12//second.txt")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()  # streamed: no link can carry it
    assert download.value.path().read_bytes() == b"hello"
    assert download.value.suggested_filename == "second.txt"


def _delete_one_with_a_line_end(page: Page, stack: Stack) -> None:
    """Forms change line ends on their way: a key with one must arrive as it is."""
    _put(stack, "2026/11/deep/er/new\nline.txt")
    page.goto(f"/admin/media_catalog/bucket/{_id(stack)}/objects/?prefix=2026/11/deep/er/")
    page.get_by_label("Select new␊line.txt").check()
    page.get_by_label("Select one.txt").check()
    page.get_by_role("button", name="Move to trash…").click()
    expect(page.get_by_text("2 objects go to the trash")).to_be_visible()
    page.get_by_role("button", name="Move to trash", exact=True).click()
    expect(page.get_by_text("2 objects moved to the trash.")).to_be_visible()
    expect(page.locator("table.bo-objects tbody th")).to_have_text(["three.txt"])


def _undo(page: Page) -> None:
    page.get_by_role("button", name="Undo (2 PUT-class, 2 GET-class and 2 free requests)").click()
    expect(page.get_by_text("2 objects restored.")).to_be_visible()
    expect(page.locator("table.bo-objects tbody th")).to_have_text(["new␊line.txt", "one.txt", "three.txt"])


def _delete_and_restore_from_the_trash(page: Page) -> None:
    page.get_by_label("Select new␊line.txt").check()
    page.get_by_label("Select one.txt").check()
    page.get_by_role("button", name="Move to trash…").click()
    page.get_by_role("button", name="Move to trash", exact=True).click()
    page.get_by_role("link", name="Trash", exact=True).last.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    page.get_by_role("row", name="one.txt").get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label="Restore…")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.locator("[data-job=state]")).to_have_text("Finished", timeout=JOB_MILLISECONDS)
    expect(page.get_by_text("1 object restored.")).to_be_visible()


def _purge(page: Page) -> None:
    page.goto("/admin/media_catalog/trashedobject/")
    page.get_by_role("button", name="Empty trash…").click()
    expect(page.get_by_text("This cannot be undone here.")).to_be_visible()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("[data-job=state]")).to_have_text("Finished", timeout=JOB_MILLISECONDS)
    expect(page.get_by_text("1 object purged.")).to_be_visible()
    page.goto("/admin/media_catalog/trashedobject/")
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    page.goto("/admin/media_catalog/bucket/")
    page.get_by_role("link", name=NAME).click()


def _check_and_mend(page: Page) -> None:
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("The bucket was checked.")).to_be_visible()
    expect(page.locator(".bo-health .bo-tag")).to_have_text(["Good"] * 11)


def _empty_and_delete(page: Page) -> None:
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete the empty bucket").click()
    expect(page.get_by_text("S3 deletes empty buckets only")).to_be_visible()
    page.get_by_role("button", name="Take inventory").click()
    expect(page.locator("[data-job=state]")).to_have_text("Finished", timeout=JOB_MILLISECONDS)
    _search_the_inventory(page)
    page.get_by_role("link", name=NAME, exact=True).first.click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_label("Type the name of the bucket to confirm").fill(NAME)
    page.get_by_role("button", name="Empty and delete").click()
    expect(page.locator("[data-job=state]")).to_have_text("Finished", timeout=JOB_MILLISECONDS)
    expect(page.get_by_text(re.compile(r"\d+ entries deleted\. The bucket is deleted\."))).to_be_visible()
    page.goto("/admin/media_catalog/bucket/")
    expect(page.get_by_role("link", name=NAME)).to_have_count(0)


def _search_the_inventory(page: Page) -> None:
    """By keyboard: every key is found from the top, whatever folder it is in."""
    page.goto("/admin/media_catalog/bucket/")
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("link", name="Inventory", exact=True).click()
    page.get_by_label("Key", exact=True).fill("2026/12//")
    page.keyboard.press("Enter")
    expect(page.locator("table.bo-objects tbody th")).to_have_text(["2026/12//second.txt"])
    page.get_by_role("link", name="Size").press("Enter")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Size")
    expect(page.get_by_label("Key", exact=True)).to_have_value("2026/12//")


def _id(stack: Stack) -> int:
    [(pk,)] = stack.query("SELECT id FROM media_catalog_bucket WHERE name = ?", NAME)
    return int(pk)


def _put(stack: Stack, key: str) -> None:
    stack.manage(
        "shell", "-c", f"from media_catalog.aws import s3; s3.put_object({NAME!r}, {key!r}, b'', content_type='')"
    )
