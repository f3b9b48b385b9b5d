"""Face metadata: the list and its CSV export."""

import csv
import io

import pytest
from botocore.stub import Stubber
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from media_catalog.admin.faces import SafeText
from media_catalog.aws.client import client as aws_client
from media_catalog.models import Face, Image
from media_catalog.services import detection
from tests.pictures import jpeg, one_face

LIST = "/admin/media_catalog/face/"
EXPORT = f"{LIST}export/"
# As in Amazon Rekognition's documentation of DetectFaces, shortened.
DOCUMENTED = {
    "FaceDetails": [
        {
            "BoundingBox": {"Width": 0.4, "Height": 0.5, "Left": -0.02, "Top": 0.2},
            "AgeRange": {"Low": 26, "High": 38},
            "Smile": {"Value": True, "Confidence": 97.5},
            "Confidence": 99.98765,
        },
    ],
    "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}},
}


def _rows(response) -> list[dict[str, str]]:
    assert response["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.content.decode())))


@pytest.fixture
def documented(store) -> Image:
    """An image analysed by what Rekognition documents as its answer."""
    image = store(one_face())
    with Stubber(aws_client("rekognition")) as stub:
        stub.add_response("detect_faces", DOCUMENTED)
        detection.detect(image=image)
    return image


def test_ages_and_confidence_reach_page_list_and_csv(admin_client, documented, originals):
    page = admin_client.get(f"/admin/media_catalog/image/{documented.pk}/change/").content.decode()
    listed = admin_client.get(LIST).content.decode()
    for words in (page, listed):
        assert "26–38" in words
        assert "99.9877" in words

    [row] = _rows(admin_client.get(EXPORT))

    assert list(row) == [
        "image key",
        "bucket",
        "face number",
        "left",
        "top",
        "width",
        "height",
        "age low",
        "age high",
        "confidence",
        "detector",
        "detector version",
        "analysed at",
    ]
    assert (row["image key"], row["bucket"], row["face number"]) == ("photo.jpg", originals.name, "1")
    assert [float(row[side]) for side in ("left", "top", "width", "height")] == [-0.02, 0.2, 0.4, 0.5]
    assert (row["age low"], row["age high"], float(row["confidence"])) == ("26", "38", 99.98765)
    assert row["detector"] == "Amazon Rekognition DetectFaces"
    assert Face.objects.get().attributes == {"Smile": {"Value": True, "Confidence": 97.5}}


def test_ages_that_are_not_reported_stay_empty(admin_client, store):
    detection.detect(image=store(one_face()))

    assert "not reported" in admin_client.get(LIST).content.decode()
    [row] = _rows(admin_client.get(EXPORT))
    assert (row["age low"], row["age high"]) == ("", "")
    assert row["detector"] == "dlib HOG"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_texts_are_no_formulas_and_numbers_stay_numbers(admin_client, documented, start):
    key = f"{start}cmd|' /C calc'!A0.jpg"
    Image.objects.update(key=key)

    [row] = _rows(admin_client.get(EXPORT))

    assert row["image key"] == f"'{key}"
    assert float(row["left"]) == -0.02
    assert SafeText().render("plain") == "plain"


def test_filters_are_respected(admin_client, documented, store):
    detection.detect(image=store(one_face(), name="other.jpg"))

    assert len(_rows(admin_client.get(EXPORT))) == 2
    assert [row["image key"] for row in _rows(admin_client.get(f"{EXPORT}?q=other"))] == ["other.jpg"]


@pytest.mark.parametrize("query", ["foo=1", "analysis__analysed_at__gte=x"])
def test_the_export_answers_odd_parameters_as_the_list_does(admin_client, documented, query):
    assert admin_client.get(f"{LIST}?{query}").url == f"{LIST}?e=1"
    assert admin_client.get(f"{EXPORT}?{query}").url == f"{LIST}?e=1"
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("url", [LIST, EXPORT])
def test_what_is_not_shown_is_not_loaded(admin_client, documented, url):
    """The answer as received is kilobytes for each face of its image."""
    with CaptureQueriesContext(connection) as queries:
        assert admin_client.get(url).status_code == 200

    loaded = [query["sql"] for query in queries if '"media_catalog_face"."confidence"' in query["sql"]]
    assert len(loaded) == 1
    assert not [sql for query in queries if "raw_response" in (sql := query["sql"]) or '"attributes"' in sql]


def test_the_export_has_its_own_permission_and_leaves_a_trace(client, documented, staff_with):
    viewer, exporter = staff_with("view_face"), staff_with("view_face", "export_face")
    client.force_login(viewer)
    assert "export/" not in client.get(LIST).content.decode()
    assert client.get(EXPORT).status_code == 403
    assert client.post(EXPORT, {"format": "0"}).status_code == 403

    client.force_login(exporter)
    assert "export/" in client.get(LIST).content.decode()
    assert len(_rows(client.get(EXPORT))) == 1
    assert LogEntry.objects.get(user=exporter).change_message == "Exported 1 face."


def test_the_list_costs_few_queries(admin_client, store, django_assert_max_num_queries):
    analysis = detection.detect(image=store(jpeg()))
    Face.objects.bulk_create(
        Face(analysis=analysis, number=number, left=0, top=0, width=0.1, height=0.1, confidence=number)
        for number in range(1, 101)
    )
    with django_assert_max_num_queries(12):
        assert admin_client.get(LIST).status_code == 200


@pytest.mark.parametrize(("value", "count"), [("99", 1), ("90", 2), ("0", 3), ("nonsense", 6)])
def test_the_confidence_filter(admin_client, store, value, count):
    analysis = detection.detect(image=store(jpeg()))
    for number, confidence in enumerate([100, 95, 90, 89.9, 50, 0], start=1):
        Face.objects.create(
            analysis=analysis, number=number, left=0, top=0, width=0.1, height=0.1, confidence=confidence
        )
    assert admin_client.get(f"{LIST}?confidence={value}").context["cl"].result_count == count
