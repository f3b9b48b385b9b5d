"""Confirming what is large: the number is typed, and there is a most."""

import pytest
from django.db import IntegrityError

from media_catalog import jobs
from media_catalog.admin.confirmation import SEPARATORS
from media_catalog.models import Job

LIST = "/admin/media_catalog/image/"


@pytest.fixture
def images(store, settings):
    settings.JOB_CONFIRM_ABOVE = 2
    return [store(name=f"{number}.jpg") for number in range(3)]


def _post(client, images, **fields):
    chosen = {"_selected_action": [image.pk for image in images], "select_across": "0"}
    return client.post(LIST, {"action": "make_renditions", **chosen, **fields})


def _confirm(client, images, **fields):
    return _post(client, images, selection=_post(client, images).context["selection"], **fields)


def test_few_images_need_no_number(admin_client, images):
    assert 'name="typed"' not in _post(admin_client, images[:2]).content.decode()
    _confirm(admin_client, images[:2], confirm="1")
    assert Job.objects.count() == 1


@pytest.mark.parametrize("button", ["confirm", "park"])
@pytest.mark.parametrize("typed", ["", "2", "33", "three", "-3", "3x", "\x00", "٣"])
def test_without_the_right_number_nothing_starts(admin_client, images, button, typed):
    page = _confirm(admin_client, images, typed=typed, **{button: "1"})
    assert "Nothing was started. Type the number of images, 3, to confirm." in page.content.decode()
    assert 'name="typed"' in page.content.decode()
    assert not Job.objects.exists()


def test_the_right_number_starts_it(admin_client, images):
    _confirm(admin_client, images, typed=" 3 ", confirm="1")
    assert Job.objects.get().items.count() == 3


@pytest.mark.parametrize("typed", ["1234", "1,234", "1.234", "1 234", "1\u00a0234", "1\u202f234", "1'234", "1’234"])
def test_numbers_are_typed_in_many_ways(typed):
    assert SEPARATORS.sub("", typed) == "1234"


def test_more_than_a_job_takes_is_refused(admin_client, images, settings):
    settings.JOB_MAX_ITEMS = 2
    answer = _post(admin_client, images)
    assert answer.url.startswith(LIST)
    said = [str(message) for message in admin_client.get(answer.url).context["messages"]]
    assert said == ["A job takes at most 2; these are 3. Select fewer."]
    assert not Job.objects.exists()


def test_the_same_form_sent_twice_starts_one_job_and_leads_to_it(admin_client, images):
    page = _post(admin_client, images[:2])
    sent = {name: page.context[name] for name in ("selection", "token")} | {"confirm": "1"}

    first, second = (_post(admin_client, images[:2], **sent) for _time in range(2))

    assert Job.objects.count() == 1
    assert first["Location"] == second["Location"]


def test_images_that_are_removed_at_this_moment_are_counted_again(admin_client, images, monkeypatch):
    """PostgreSQL finds out at the commit, by the foreign keys."""

    def removed_meanwhile(**_job):
        raise IntegrityError

    monkeypatch.setattr(jobs, "start", removed_meanwhile)
    page = _confirm(admin_client, images[:2], confirm="1")

    assert "Images were removed at this moment." in page.content.decode()
