"""The Lambda on the local cloud: an object, S3's event, the queue, the real zip, and what the product hears of it."""

import json
import sys
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from localcloud import function
from media_catalog.aws import sqs
from media_catalog.jobs import consumer, start
from media_catalog.models import Bucket, Job, Preset, Rendition, Reservation
from media_catalog.services import announcements, presigned
from tests.lambda_function import api as callback_api
from tests.lambda_function.conftest import function_zip
from tests.pictures import jpeg
from tests.posting import send
from tests.stack import wait_for

__all__ = ["function_zip"]
ODD = "álbum 1/a+b & c é.jpg"


@pytest.fixture
def api():
    with callback_api.serving() as server:
        yield server


@pytest.fixture
def deployed(cloud, originals, function_zip, api, settings):
    """The function, fed by the bucket's events; the bucket."""
    settings.RESIZER_QUEUE, settings.EVENTS_QUEUE = f"{originals.name}-resizer", f"{originals.name}-events"
    originals.resize_engine = Bucket.ResizeEngine.LAMBDA
    originals.save()
    announcements.wire()
    queue = sqs.find_queue(settings.RESIZER_QUEUE)
    function.deploy(
        function_zip,
        endpoint_url=cloud.endpoint_url,
        queue_arn=queue.arn,
        pairs={originals.name: originals.renditions_bucket.name},
        environment={"CALLBACK_URL": api.url, "CALLBACK_SECRET": callback_api.SECRET, "CALLBACK_SECONDS": "2"},
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
    )
    return originals


@pytest.fixture
def anybody(client, cloud):
    return client("s3", cloud)


def _keys(anybody, bucket):
    return [each["Key"] for each in anybody.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_an_upload_of_the_api_by_its_signed_form(deployed, anybody, browser, api):
    hex_digits = uuid.uuid4().hex
    form = anybody.generate_presigned_post(
        deployed.name,
        f"temp/{hex_digits}",
        Fields={"x-amz-meta-album": "a + b"},
        Conditions=[{"x-amz-meta-album": "a + b"}, ["starts-with", "$Content-Type", "image/"]],
    )
    fields = {**form["fields"], "Content-Type": "image/jpeg", "file": ("été.jpg", jpeg(800, 600), "image/jpeg")}
    assert browser.request("POST", form["url"], fields=fields).status == 204

    wait_for(lambda: api.heard, 20)
    [heard] = api.heard
    assert heard.genuine
    assert heard.path == f"{callback_api.PATH}{hex_digits}"
    written = {each["key"] for each in heard.json["renditions"]}
    assert written == set(_keys(anybody, deployed.renditions_bucket.name))
    held = anybody.head_object(Bucket=deployed.renditions_bucket.name, Key=f"image/{hex_digits}_small.jpg")
    assert held["Metadata"]["album"] == "a + b"


def test_an_original_of_any_client_and_key(deployed, anybody, api):
    anybody.put_object(Bucket=deployed.name, Key=ODD, Body=jpeg(800, 600))

    wait_for(lambda: _keys(anybody, deployed.renditions_bucket.name) == [ODD], 20)
    assert _keys(anybody, deployed.name) == [ODD]
    assert not api.heard
    queue = announcements.queue()
    wait_for(lambda: consumer.take(sqs.receive(queue)) and Rendition.objects.exists(), 20)
    rendition = Rendition.objects.get()
    assert (rendition.image.key, rendition.width, rendition.height) == (ODD, 200, 150)
    assert list(rendition.image.renditions.current()) == [rendition]
    assert not Job.objects.exists()


@pytest.fixture
def twice_only(deployed, settings, client, cloud):
    """A message that failed comes again soon, and once; those that failed then."""
    queues = client("sqs", cloud)
    url = queues.get_queue_url(QueueName=settings.RESIZER_QUEUE)["QueueUrl"]
    dead = queues.get_queue_url(QueueName=f"{settings.RESIZER_QUEUE}-dead")["QueueUrl"]
    redrive = json.loads(
        queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["RedrivePolicy"]
    )
    soon = {"VisibilityTimeout": "3", "RedrivePolicy": json.dumps({**redrive, "maxReceiveCount": 2})}
    queues.set_queue_attributes(QueueUrl=url, Attributes=soon)
    return lambda: queues.receive_message(QueueUrl=dead, VisibilityTimeout=0).get("Messages", [])


def test_after_its_final_failure_the_message_is_kept_and_the_upload_ends_in_a_result(
    deployed, twice_only, anybody, browser, api, settings, admin_user, work
):
    """The site takes no report, so the function fails each time; the next poll finds what became of the upload."""
    settings.ASYNC_IMAGE_UPLOAD_BUCKET = deployed.name
    api.script = [500] * 100
    [issued] = presigned.create_many(user=admin_user, data={}, count=1)
    assert send(browser, issued.post, jpeg(800, 600)).status == 204

    dead = wait_for(twice_only, 60)
    assert [issued.upload.key in message["Body"] for message in dead] == [True]
    assert {heard.path for heard in api.heard} == {f"{callback_api.PATH}{issued.upload.uuid.hex}"}
    assert len({heard.json["report"] for heard in api.heard}) == 2, "two runs, whatever attempts each made"
    assert len(_keys(anybody, deployed.renditions_bucket.name)) == 3
    upload = presigned.own(admin_user, issued.upload.uuid)
    assert upload.api_status(timezone.now()) == "created"

    settings.ASYNC_IMAGE_CALLBACK_GRACE = 0
    presigned.look(upload, begin=lambda image: start(kind="make_renditions", user=None, images=[image.pk]))
    assert upload.api_status(timezone.now()) == "processing"
    work()
    presigned.look(upload, begin=pytest.fail)
    assert upload.api_status(timezone.now()) == "completed"
    assert upload.processed_key in _keys(anybody, deployed.renditions_bucket.name)
    assert Reservation.objects.get(uploads=upload).closed_at


def test_it_may_do_no_more_than_its_work(deployed, anybody, client, cloud, api):
    """A bucket that the function is not given stays closed to it, whatever an event says."""
    other = f"{deployed.name}-other"
    anybody.create_bucket(Bucket=other)
    anybody.put_object(Bucket=other, Key="a.jpg", Body=jpeg())
    policy = client("iam", cloud).get_role_policy(RoleName=function.ROLE, PolicyName="resize")["PolicyDocument"]

    resources = {statement["Resource"] for statement in policy["Statement"]}
    assert not any(other in resource or resource == "*" for resource in resources)
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert not actions & {"s3:DeleteObject", "s3:*", "*"}


def test_the_command_builds_and_deploys_it(cloud, originals, settings, tmp_path, client, capsys):
    settings.RESIZER_QUEUE, settings.EVENTS_QUEUE = f"{originals.name}-resizer", f"{originals.name}-events"
    settings.DATA_DIR = tmp_path
    with pytest.raises(CommandError, match="whose resize engine is the Lambda"):
        call_command("deploy_function")
    Bucket.objects.filter(pk=originals.pk).update(resize_engine=Bucket.ResizeEngine.LAMBDA)
    with pytest.raises(CommandError, match="ASYNC_IMAGE_CALLBACK_SECRETS has no secret"):
        call_command("deploy_function", "--callback-url", "http://127.0.0.1/")
    settings.IMAGE_FORMATS = ("JPEG", "TIFF")
    Preset.objects.filter(slug="thumbnail").update(width=240)
    call_command("deploy_function")

    assert f"takes the objects of {originals.name}." in capsys.readouterr().out
    variables = client("lambda", cloud).get_function_configuration(FunctionName=function.NAME)["Environment"][
        "Variables"
    ]
    assert json.loads(variables["RENDITIONS_BUCKETS"]) == {originals.name: f"{originals.name}-resized"}
    assert variables["IMAGE_FORMATS"] == "JPEG,TIFF"
    assert variables["THUMBNAIL_WIDTH"] == "240"
