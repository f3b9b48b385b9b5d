"""Bulk actions: the confirmation with its cost, the job that follows, and hand-made requests."""

import re

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.test import Client

from media_catalog.admin.confirmation import digest
from media_catalog.models import BlockedRequest, Image, Job, RequestClass, RequestCounter, RequestLimit
from media_catalog.services import renditions
from tests.pictures import encoded, one_face, picture

LIST = "/admin/media_catalog/image/"
ACTIONS = {
    "make_renditions": "make_renditions_image",
    "detect_faces": "detect_faces_image",
    "remove": "delete_image",
}


def _post(client, action, images, query="", **fields):
    data = {"action": action, "_selected_action": [image.pk for image in images], "select_across": "0", **fields}
    return client.post(f"{LIST}{query}", data)


def _confirm(client, action, images, query="", **fields):
    """The button of the page that the same selection and options show now."""
    page = _post(client, action, images, query, **fields)
    shown = {name: page.context[name] for name in ("selection", "counted_options")}
    return _post(client, action, images, query, **fields, **shown, confirm="1")


def _cost(response) -> dict[str, tuple[int, int]]:
    return {line.limit.label: (line.requests, line.limit.left) for line in response.context["lines"]}


def test_the_confirmation_names_count_requests_and_what_is_left(admin_client, store):
    images = [store(name=f"{number}.jpg") for number in range(3)]
    renditions.make(image=images[0])
    RequestLimit.objects.filter(request_class=RequestClass.S3_TIER1).update(limit=500)
    used = RequestCounter.objects.get(request_class=RequestClass.S3_TIER1, period="month").used

    response = _post(admin_client, "make_renditions", images)

    assert response.context["count"] == 3
    assert _cost(response)["S3 PUT, COPY, POST, LIST"] == (12, 500 - used)
    assert _cost(response)["S3 GET and all other"][0] == 2
    assert "1 image has all its renditions already and is skipped." in response.content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize(("action", "kind"), [("make_renditions", "make_renditions"), ("detect_faces", "detect_faces")])
def test_confirming_starts_a_job_of_what_was_confirmed(admin_client, store, work, admin_user, action, kind):
    images = [store(one_face(), name=f"{number}.jpg") for number in range(3)]
    chosen = images[:2]
    estimate = _post(admin_client, action, chosen).context["cost"].requests

    response = _confirm(admin_client, action, chosen)

    job = Job.objects.get()
    assert response.url == f"/admin/media_catalog/job/{job.pk}/change/"
    assert (job.kind, job.requested_by, job.scope) == (kind, admin_user, "2 images")
    assert set(job.items.values_list("image", flat=True)) == {image.pk for image in chosen}
    entry = LogEntry.objects.get(user=admin_user, object_id=str(chosen[0].pk))
    assert entry.change_message.endswith(f" requested (job #{job.pk})")
    work()
    used: dict[str, int] = {}
    for requests in job.items.values_list("requests", flat=True):
        used = {name: used.get(name, 0) + requests.get(name, 0) for name in used | requests}
    assert used == {name: count for name, count in estimate.items() if count}


def test_removal_takes_everything_after_its_own_confirmation(admin_client, store, work):
    image = store()
    renditions.make(image=image)
    page = _post(admin_client, "remove", [image])
    assert "1 image goes to the trash of its bucket, and its renditions are deleted." in page.content.decode()
    assert Image.objects.exists()

    _confirm(admin_client, "remove", [image])
    assert LogEntry.objects.get().action_flag == CHANGE, "nothing has been deleted yet"
    work()

    assert not Image.objects.exists()
    assert Image.everything.get().in_trash.state == "trashed"


def test_select_all_means_all_that_the_filter_shows(admin_client, store, originals):
    shown = [store(encoded(picture(), "PNG"), name="b.png")]
    store(name="a.jpg")

    page = _post(admin_client, "remove", shown, query="?format=PNG", select_across="1")
    assert page.context["count"] == 1
    _confirm(admin_client, "remove", shown, query="?format=PNG", select_across="1")

    job = Job.objects.get()
    assert job.scope == "1 image: all with type: PNG"
    assert [item.target for item in job.items.all()] == [f"{originals.name}/b.png"]


def test_images_that_were_not_shown_are_shown_first(admin_client, store):
    """As many as before, but others: one has gone, and another has come under the same filter."""
    shown = [store(encoded(picture(), "PNG"), name="a.png")]
    fields = {"query": "?format=PNG", "select_across": "1"}
    selection = _post(admin_client, "remove", shown, **fields).context["selection"]
    Image.objects.all().delete()
    store(encoded(picture(), "PNG"), name="b.png")

    response = _post(admin_client, "remove", shown, **fields, selection=selection, confirm="1")

    assert "selection has changed" in response.content.decode()
    assert not Job.objects.exists()
    assert response.context["selection"] != selection


def test_a_confirmation_without_its_page_is_shown_first(admin_client, store):
    _post(admin_client, "remove", [store()], confirm="1")
    assert not Job.objects.exists()


def test_options_that_were_not_counted_are_shown_first(admin_client, store, work):
    image = store(one_face())
    _confirm(admin_client, "detect_faces", [image])
    work()

    first = _post(admin_client, "detect_faces", [image])
    assert _cost(first) == {}
    selection = first.context["selection"]
    unseen = _post(admin_client, "detect_faces", [image], confirm="1", selection=selection, again="1")
    assert "The options change the numbers" in unseen.content.decode()
    assert _cost(unseen)["Rekognition images"][0] == 1
    assert Job.objects.count() == 1

    _confirm(admin_client, "detect_faces", [image], again="1")
    assert Job.objects.first().options == {"again": True}


def test_cancel_leads_back_to_where_one_came_from(admin_client, store):
    image = store()
    change = f"/admin/media_catalog/image/{image.pk}/change/"
    assert _post(admin_client, "remove", [image], query="?q=photo").context["back"] == f"{LIST}?q=photo"
    assert _post(admin_client, "remove", [image], from_image="1").context["back"] == change
    assert 'name="from_image"' in admin_client.get(change).content.decode()


class TestDoesNotFit:
    @pytest.fixture
    def images(self, store):
        RequestLimit.objects.filter(request_class=RequestClass.REKOGNITION_IMAGE).update(limit=1)
        return [store(one_face(), name=f"{number}.jpg") for number in range(3)]

    def test_the_page_says_the_numbers_and_offers_to_park(self, admin_client, images):
        page = _post(admin_client, "detect_faces", images)

        said = " ".join(page.content.decode().split())
        assert "Rekognition images: 3 needed, 1 of 1 left this month" in said
        assert "1 can run now; the other 2 would be parked" in said
        assert "Run 1 now, park the rest until" in said
        assert 'name="confirm"' not in said

    def test_parking_is_not_offered_where_no_reset_helps(self, admin_client, images):
        RequestLimit.objects.filter(request_class=RequestClass.REKOGNITION_IMAGE).update(limit=0)

        said = _post(admin_client, "detect_faces", images).content.decode()

        assert "No reset helps: a limit leaves jobs too few requests for a single image." in said
        assert 'name="park"' not in said

    def test_a_hand_made_confirmation_is_refused_with_a_trace(self, admin_client, admin_user, images):
        response = _post(admin_client, "detect_faces", images, confirm="1", selection=digest(_ids(images)))

        assert "This does not fit into the quota" in response.content.decode()
        assert not Job.objects.exists()
        refused = BlockedRequest.objects.get()
        assert (refused.username, refused.operation, refused.needed, refused.left) == (
            admin_user.username,
            "detect_faces",
            3,
            1,
        )

    def test_what_fits_runs_and_the_rest_is_parked(self, admin_client, images, work, cloud):
        mark = cloud.access_log.mark()

        _post(admin_client, "detect_faces", images, park="1", selection=digest(_ids(images)))
        work()

        job = Job.objects.get()
        assert sorted(job.items.values_list("state", flat=True)) == ["done", "parked", "parked"]
        assert dict(cloud.access_log.operations(mark)) == {"DetectFaces": 1}
        page = admin_client.get(f"/admin/media_catalog/job/{job.pk}/change/").content.decode()
        assert "Parked until" in page

    def test_too_large_for_rekognition_is_its_own_reason(self, admin_client, images):
        Image.objects.filter(pk=images[0].pk).update(size=16 * 1024 * 1024)

        assert "1 image is too large for Rekognition" in _post(admin_client, "detect_faces", images).content.decode()

    def test_before_and_after_are_shown_when_it_fits(self, admin_client, images):
        RequestLimit.objects.filter(request_class=RequestClass.REKOGNITION_IMAGE).update(limit=1000)

        said = " ".join(_post(admin_client, "detect_faces", images).content.decode().split())
        assert "1,000 of 1,000 left before, 997 after" in said
        assert "$0.0030" in said

    def test_a_price_that_rounds_to_nothing_is_not_called_nothing(self, admin_client, images):
        said = _post(admin_client, "remove", images).content.decode()
        assert "under $0.0001" in said
        assert "$0.0000" not in said


def _ids(images) -> list[int]:
    return sorted(image.pk for image in images)


def test_unreadable_and_unchanged_images_are_said(admin_client, store):
    response = _post(admin_client, "detect_faces", [store(encoded(picture(), "WEBP"))])

    takes = "it takes JPEG and PNG of 80 × 80 pixels or more, up to 15 MB"
    assert f"1 image cannot be read by Rekognition ({takes})" in response.content.decode()


@pytest.mark.parametrize(("action", "permission"), ACTIONS.items())
def test_actions_need_their_permission_on_the_page_and_by_hand(client, store, staff_with, action, permission):
    image = store()
    client.force_login(staff_with("view_image"))
    assert f'value="{action}"' not in client.get(LIST).content.decode()
    _post(client, action, [image], confirm="1", selection=digest([image.pk]))
    assert not Job.objects.exists()

    client.force_login(staff_with("view_image", permission))
    assert f'value="{action}"' in client.get(LIST).content.decode()
    _post(client, action, [image], confirm="1", selection=digest([image.pk]))
    assert Job.objects.count() == 1


def test_nothing_selected_or_no_action_is_a_warning(admin_client, store):
    store()
    for fields in ({"action": "remove"}, {"action": "", "_selected_action": ["1"]}):
        response = admin_client.post(LIST, {"index": "0", "select_across": "0", **fields}, follow=True)
        assert [message.level_tag for message in response.context["messages"]] == ["warning"]
    assert not Job.objects.exists()


def test_an_id_that_no_longer_exists_is_left_out(admin_client, store):
    image = store()
    response = admin_client.post(
        LIST, {"action": "remove", "_selected_action": [image.pk, 999_999], "select_across": "0"}
    )
    assert response.context["count"] == 1


def test_get_starts_nothing(admin_client, store):
    image = store()
    selection = digest([image.pk])
    admin_client.get(f"{LIST}?action=remove&_selected_action={image.pk}&confirm=1&selection={selection}", follow=True)
    assert not Job.objects.exists()


def test_the_post_needs_a_csrf_token(store, admin_user):
    image = store()
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    answer = _post(client, "remove", [image], confirm="1", selection=digest([image.pk]))
    assert answer.status_code == 403
    assert not Job.objects.exists()


def test_the_page_carries_the_selection(admin_client, store):
    images = [store(name=f"{number}.jpg") for number in range(2)]
    response = _post(admin_client, "make_renditions", images)
    page = response.content.decode()

    carried = re.findall(r'name="_selected_action" value="(\d+)"', page)
    assert sorted(map(int, carried)) == [image.pk for image in images]
    assert re.findall(r'name="selection" value="([0-9a-f]{64})"', page) == [response.context["selection"]]
