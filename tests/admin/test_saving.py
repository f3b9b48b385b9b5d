"""The change pages of images and files write what their form changes, whatever jobs do to the row meanwhile."""

import pytest
from django.utils import timezone

from media_catalog.admin.files import FileAdmin
from media_catalog.admin.images import ImageAdmin
from media_catalog.models import Image, StoredFile
from media_catalog.services import files
from tests.pictures import upload_file

from .buckets import messages_of, new_bucket


@pytest.fixture(params=["image", "file"])
def row(request, originals, store) -> Image | StoredFile:
    if request.param == "image":
        return store()
    content = upload_file(b"content", "a.txt")
    return files.store(file=content, name="a.txt", description="A report", bucket=new_bucket(), user=None)


@pytest.fixture
def meanwhile(monkeypatch, row):
    """`meanwhile(**columns)`: what a job writes between the load of the row and its saving."""

    def _meanwhile(**columns):
        page = ImageAdmin if isinstance(row, Image) else FileAdmin

        def save_form(self, request, form, change):
            type(row).everything.filter(pk=row.pk).update(**columns)
            return form.save(commit=False)

        monkeypatch.setattr(page, "save_form", save_form)

    return _meanwhile


def _save(client, row):
    fields = {"name": row.name, "caption": "Edited", "description": "Edited"}
    return client.post(f"/admin/media_catalog/{row._meta.model_name}/{row.pk}/change/", fields, follow=True)


def _text(row) -> str:
    now = type(row).everything.get(pk=row.pk)
    return now.caption if isinstance(now, Image) else now.description


def test_a_row_that_goes_to_the_trash_meanwhile_is_not_saved(admin_client, row, meanwhile):
    meanwhile(trashed_at=timezone.now())

    response = _save(admin_client, row)

    assert _text(row) != "Edited"
    assert messages_of(response) == ["It was moved to the trash or deleted meanwhile, so the change was not saved."]
    assert response.redirect_chain[-1][0].endswith(f"/{row._meta.model_name}/")


def test_one_that_moves_meanwhile_keeps_its_new_place(admin_client, row, meanwhile):
    meanwhile(key="elsewhere", etag="new")

    _save(admin_client, row)

    now = type(row).everything.get(pk=row.pk)
    assert (now.key, now.etag, _text(row)) == ("elsewhere", "new", "Edited")
