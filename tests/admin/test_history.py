"""History of many rows at once, in one query."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from media_catalog.admin.history import log
from media_catalog.models import Image
from tests.reconciling import images

pytestmark = pytest.mark.database


def test_one_entry_for_each_row_as_django_writes_them(originals, admin_user):
    made = images(originals, ["a.jpg", "ü" * 240])
    request = RequestFactory().get("/")
    request.user = admin_user
    ContentType.objects.get_for_model(Image)

    with CaptureQueriesContext(connection) as queries:
        log(request, Image.objects.filter(pk__in=[image.pk for image in made]).order_by("key"), CHANGE, "Said 100 %.")
    log(request, Image.objects.none(), CHANGE, "Nothing.")

    assert len(queries) == 1
    LogEntry.objects.log_actions(admin_user.pk, made, CHANGE, change_message="Said 100 %.", single_object=False)
    columns = ("user", "content_type", "object_id", "object_repr", "action_flag", "change_message")
    ours, theirs = LogEntry.objects.order_by("pk")[:2], LogEntry.objects.order_by("pk")[2:]
    assert set(ours.values_list(*columns)) == set(theirs.values_list(*columns))
    assert len(theirs) == 2
