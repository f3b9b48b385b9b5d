"""Direct uploads alone: the stack on the local cloud with the real function, and the one command that asks."""

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from deploy import existing_bucket
from localcloud.process import running
from tests.cloud import ACCOUNT
from tests.deploy.templates import Templates
from tests.lambda_function.conftest import function_zip
from tests.pictures import jpeg
from tests.stack import ROOT, wait_for

__all__ = ["function_zip"]

UPLOADS, RENDITIONS = "site-uploads", "site-uploads-resized"
OTHERS = {"Id": "theirs", "Events": ["s3:ObjectRemoved:*"]}
ONLY_TLS = ("UploadsTls", "RenditionsTls")
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def aws(tmp_path_factory, function_zip) -> Iterator[Client]:
    """A local cloud of its own, with the function's code in a bucket."""
    with running(tmp_path_factory.mktemp("cloud"), account=ACCOUNT) as cloud, contextlib.ExitStack() as stack:

        def client(service: str) -> Any:
            made = boto3.client(service, endpoint_url=cloud.endpoint_url, region_name="us-east-1")
            return stack.enter_context(contextlib.closing(made))

        client("s3").create_bucket(Bucket="code")
        client("s3").put_object(Bucket="code", Key="function.zip", Body=function_zip.read_bytes())
        yield client


def _create(aws: Client, python: str, *, name: str = "resizer", **values: str) -> dict[str, str]:
    """The outputs of the stack."""
    given = {
        "BucketName": UPLOADS,
        "RenditionsBucketName": RENDITIONS,
        "CorsOrigin": "https://site.example",
        "FunctionName": name,
        "FunctionRuntime": python,
        "CodeBucketName": "code",
        "FunctionCodeKey": "function.zip",
        **values,
    }
    formation, stack = aws("cloudformation"), f"{name}-uploads"
    [document] = Templates.uploads().documents.values()
    for policy in ONLY_TLS:  # which the local cloud has not, and it keeps to policies
        del document["Resources"][policy]
    formation.create_stack(
        StackName=stack,
        TemplateBody=json.dumps(document),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    wait_for(lambda: _described(formation, stack)["StackStatus"] == "CREATE_COMPLETE", 60)
    return {each["OutputKey"]: each["OutputValue"] for each in _described(formation, stack)["Outputs"]}


def _described(formation: Any, stack: str) -> Any:
    return formation.describe_stacks(StackName=stack)["Stacks"][0]


def _resizes(aws: Client, bucket: str, renditions: str) -> None:
    """An upload comes, and what the function makes of it."""
    s3, name = aws("s3"), uuid.uuid4().hex
    s3.put_object(Bucket=bucket, Key="other.jpg", Body=jpeg())
    s3.put_object(Bucket=bucket, Key=f"temp/{name}", Body=jpeg(800, 600), ContentType="image/jpeg")

    def made() -> list[str]:
        return [each["Key"] for each in s3.list_objects_v2(Bucket=renditions).get("Contents", [])]

    wanted = [f"image/{name}_{preset}.jpg" for preset in ("large", "medium", "small")]
    wait_for(lambda: made() == wanted, 60)


@pytest.fixture(scope="module")
def python() -> str:
    """Functions run in the local cloud's own interpreter."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def test_new_buckets(aws, python):
    _create(aws, python)

    _resizes(aws, UPLOADS, RENDITIONS)
    s3 = aws("s3")
    [rule] = s3.get_bucket_cors(Bucket=UPLOADS)["CORSRules"]
    assert rule["AllowedOrigins"] == ["https://site.example"]
    for bucket in (UPLOADS, RENDITIONS):
        assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}


def test_buckets_that_are_there_keep_what_others_have_set(aws, python):
    s3, sqs = aws("s3"), aws("sqs")
    for bucket in ("old", "old-resized"):
        s3.create_bucket(Bucket=bucket)
    theirs = sqs.get_queue_attributes(
        QueueUrl=sqs.create_queue(QueueName="theirs")["QueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": theirs}
    sqs.set_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName="theirs")["QueueUrl"],
        Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allowed]})},
    )
    held = {"QueueConfigurations": [{**OTHERS, "QueueArn": theirs}]}
    s3.put_bucket_notification_configuration(Bucket="old", NotificationConfiguration=held)

    outputs = _create(
        aws, python, name="second", BucketName="old", RenditionsBucketName="old-resized", NewBuckets="false"
    )
    for _time in range(2):  # the command may be repeated
        current = s3.get_bucket_notification_configuration(Bucket="old")
        del current["ResponseMetadata"]
        wanted = existing_bucket.notification(current, outputs["QueueArn"], "temp/")
        s3.put_bucket_notification_configuration(Bucket="old", NotificationConfiguration=wanted)

    found = s3.get_bucket_notification_configuration(Bucket="old")["QueueConfigurations"]
    assert [entry["Id"] for entry in found] == ["theirs", existing_bucket.OURS]
    _resizes(aws, "old", "old-resized")


def test_rules_of_others_stay():
    cors = {"CORSRules": [{"ID": "theirs"}, {"ID": existing_bucket.OURS, "AllowedOrigins": ["https://old.example"]}]}
    found = existing_bucket.cors(cors, "https://site.example")["CORSRules"]
    assert [(rule["ID"], rule.get("AllowedOrigins")) for rule in found] == [
        ("theirs", None),
        (existing_bucket.OURS, ["https://site.example"]),
    ]
    kept = existing_bucket.lifecycle({"Rules": [{"ID": "theirs"}]}, "temp/", "5")
    assert [rule["ID"] for rule in kept["Rules"]] == ["theirs", existing_bucket.OURS]
    assert existing_bucket.lifecycle(kept, "temp/", "0") == {"Rules": [{"ID": "theirs"}]}


@pytest.fixture
def command(tmp_path):
    """Run deploy/uploads.sh with these answers; its status, what it said and what it asked of AWS."""
    source = (ROOT / "tests" / "deploy" / "fake_commands.py").read_text()
    (tmp_path / "aws").write_text(f"#!{sys.executable} -IS\n{source}")
    (tmp_path / "aws").chmod(0o755)
    (tmp_path / "function.zip").write_bytes(b"zip")
    calls = tmp_path / "calls"

    def _run(
        *lines: str, answers: dict[str, Any] | None = None, **environment: str
    ) -> tuple[int, str, list[list[str]]]:
        calls.write_text("")
        done = subprocess.run(
            [ROOT / "deploy" / "uploads.sh"],
            input="".join(f"{line}\n" for line in lines),
            env={
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "FAKE_CALLS": str(calls),
                "FAKE_ANSWERS": json.dumps({"describe-stacks": "arn:queue", **(answers or {})}),
                "FUNCTION_ARCHIVE": str(tmp_path / "function.zip"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr, [json.loads(line)[1:] for line in calls.read_text().splitlines()]

    return _run


ANSWERS = ["site-uploads", "", "", "", "", "", "https://site.example", "", "", "code"]


class TestCommand:
    def test_asks_for_what_is_missing(self, command):
        status, said, calls = command(*ANSWERS)
        assert (status, [call[:2] for call in calls]) == (0, [["s3", "cp"], ["cloudformation", "deploy"]]), said
        given = dict(value.split("=", 1) for value in calls[1][calls[1].index("--parameter-overrides") + 1 :])
        assert given.keys() >= Templates.uploads().documents["uploads"]["Parameters"].keys() - {
            "CallbackSecretArn",
            "FunctionRuntime",
            "ThumbnailWidth",
        }
        assert (given["BucketName"], given["RenditionsBucketName"]) == ("site-uploads", "site-uploads-resized")
        assert (given["NewBuckets"], given["TemporaryDays"], given["CallbackUrl"]) == ("true", "0", "")

    def test_stops_without_what_it_needs(self, command):
        status, said, calls = command("")
        assert (status, calls) == (2, [])
        assert "BUCKET is needed" in said

    def test_reports_need_a_secret(self, command):
        status, said, calls = command(*ANSWERS[:8], "https://site.example/async_image/presignedurl/", "")
        assert (status, calls) == (2, [])
        assert "CALLBACK_SECRET_ARN is needed" in said

    def test_changes_the_settings_of_a_bucket_that_is_there(self, command):
        none = {"get-bucket-lifecycle": {"fail": 254}}
        status, _said, calls = command(*_without(2), NEW_BUCKETS="false", answers=none)
        assert status, "a setting that cannot be read is not overwritten"
        assert [call[1] for call in calls if "put-" in call[1]][-1] == "put-bucket-cors"

        status, said, calls = command(*_without(2, 5), NEW_BUCKETS="false", TEMPORARY_DAYS="5")
        assert status == 0, said
        changed = [call for call in calls if call[1].startswith("put-")]
        assert [call[1].removeprefix("put-bucket-") for call in changed[-3:]] == [
            "notification-configuration",
            "cors",
            "lifecycle-configuration",
        ]
        assert json.loads(changed[-1][-1])["Rules"][0]["Expiration"] == {"Days": 5}


def _without(*positions: int) -> list[str]:
    return [answer for number, answer in enumerate(ANSWERS) if number not in positions]
