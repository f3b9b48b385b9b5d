"""The site on the stacks of the local cloud: the release, and an upload by the API, with what the stacks give to each.

Given here is what the local cloud has not: database, cache, and the name of the site with its TLS.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import redis

from localcloud.process import RunningCloud, running
from tests import databases
from tests.api.conftest import URL
from tests.api.test_client import TOKEN
from tests.backoffice.webserver import production, serving
from tests.cloud import ACCOUNT
from tests.deploy.stacks import CloudFormation
from tests.lambda_function.conftest import function_zip
from tests.localcloud.conftest import browser
from tests.pictures import jpeg
from tests.stack import ROOT

__all__ = ["browser", "function_zip"]
pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"  # functions run in the cloud's own interpreter
CACHE = "redis://127.0.0.1:6379/7"  # of its own: the names of these buckets are always the same
ANSWERS_AT = "127.0.0.1"
PAIRS = """
SELECT originals.name, renditions.name FROM media_catalog_bucket AS originals
JOIN media_catalog_bucket AS renditions ON originals.renditions_bucket_id = renditions.id ORDER BY 1
"""
SUPERUSER = "from django.contrib.auth.models import User; User.objects.create_superuser('ada')"


@dataclass(frozen=True)
class Deployed:
    """`elsewhere` is the environment that the stacks of the local cloud do not give."""

    cloud: RunningCloud
    outputs: dict[str, str]
    elsewhere: dict[str, str]

    def given_to(self, task: str) -> dict[str, str]:
        """The environment of a task."""
        with closing(_client(self.cloud, "ecs")) as ecs:
            described = ecs.describe_task_definition(taskDefinition=f"backoffice-staging-{task}")
        [container] = described["taskDefinition"]["containerDefinitions"]
        return {**{item["name"]: item["value"] for item in container["environment"]}, **self.elsewhere}

    def manage(self, *arguments: str) -> str:
        """What a one-off task prints."""
        command, environment = [sys.executable, "manage.py", *arguments], self.given_to("release")
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def report_to(self, url: str) -> None:
        """Where the name of the site would lead."""
        with closing(_client(self.cloud, "lambda")) as functions:
            name = "backoffice-staging-resizer"
            given = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            assert given["CALLBACK_URL"] == f"https://{self.outputs['SiteDomain']}{URL}"
            variables = {**given, "CALLBACK_URL": f"{url}{URL}"}
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def _client(cloud: RunningCloud, service: str) -> Any:
    return boto3.client(service, endpoint_url=cloud.endpoint_url, region_name="us-east-1")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, function_zip: Path) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("deployed")
    with running(folder / "cloud", account=ACCOUNT) as cloud, redis.Redis.from_url(CACHE) as cache:
        cache.flushdb()
        formation = CloudFormation(_client(cloud, "cloudformation"))
        outputs = formation.create("registry")
        _client(cloud, "s3").upload_file(str(function_zip), outputs["ArtifactsBucketName"], "function.zip")
        for name in ("network", "data"):
            formation.create(name)
        # AWS refers to a secret by its ARN, the local cloud by its name, which no policy of the role allows.
        secret = _client(cloud, "secretsmanager").describe_secret(SecretId=outputs["CallbackSecretArn"])["ARN"]
        formation.create("storage", CallbackSecretArn=secret, FunctionRuntime=f"python{PYTHON}")
        for name in ("function", "roles", "release", "service"):
            formation.create(name)
        for role in ("Uploads", "UploadRenditions"):
            # They refuse the function, which has to speak plain HTTP here.
            _client(cloud, "s3").delete_bucket_policy(Bucket=outputs[f"{role}BucketName"])
        yield Deployed(cloud, outputs, _elsewhere(folder, cloud, outputs))


def _elsewhere(folder: Path, cloud: RunningCloud, outputs: dict[str, str]) -> dict[str, str]:
    secret = _client(cloud, "secretsmanager").get_secret_value(SecretId=outputs["CallbackSecretArn"])["SecretString"]
    return {
        **production(folder, f"sqlite:///{folder / 'db.sqlite3'}"),
        **cloud.environment,
        "AWS_CONFIG_FILE": "/nonexistent/aws-config",
        "REDIS_URL": CACHE,
        "ASYNC_IMAGE_CALLBACK_SECRETS": secret,
        "ALLOWED_HOSTS": ANSWERS_AT,
        "SECURE_SSL_REDIRECT": "false",
    }


@pytest.fixture(scope="module")
def token(deployed: Deployed) -> str:
    """Of a superuser, after the release task."""
    deployed.manage("release", "--buckets", "--verbosity=0")
    deployed.manage("shell", "-v0", "-c", SUPERUSER)
    return deployed.manage("shell", "-v0", "-c", TOKEN).strip()


@pytest.fixture
def ask(deployed: Deployed, token: str, tmp_path: Path, browser: Any) -> Iterator[Callable[..., Any]]:
    """The JSON answer of the web task to the holder of the token."""
    with serving(deployed.given_to("web"), tmp_path / "log") as (url, _process):
        deployed.report_to(url)

        def _ask(method: str, path: str = "") -> Any:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            answer = browser.request(method, f"{url}{URL}{path}", headers=headers, body="{}")
            assert answer.status in (200, 201), answer.data
            return answer.json()

        yield _ask


def test_the_release_pairs_the_buckets_of_the_stacks(deployed, token):
    names = deployed.outputs
    assert databases.query(deployed.elsewhere["DATABASE_URL"], PAIRS) == [
        (names["OriginalsBucketName"], names["RenditionsBucketName"]),
        (names["UploadsBucketName"], names["UploadRenditionsBucketName"]),
    ]


def test_an_upload_by_the_api_is_resized_by_the_function_and_reported(deployed, ask, browser):
    upload = ask("POST")
    fields = {
        **upload["credential"]["fields"],
        "Content-Type": "image/jpeg",
        "file": ("a.jpg", jpeg(1600, 1200), "image/jpeg"),
    }
    assert browser.request("POST", upload["credential"]["url"], fields=fields).status == 204
    for _poll in range(4):
        record = ask("GET", f"{upload['uuid']}?wait=20")
        if record["status"] not in ("created", "processing"):
            break

    assert (record["status"], record["error"]) == ("completed", None)
    s3 = _client(deployed.cloud, "s3")
    assert len(record["renditions"]) == 3
    held = s3.list_objects_v2(Bucket=deployed.outputs["UploadRenditionsBucketName"])["Contents"]
    assert {item["Key"] for item in held} == {each["key"] for each in record["renditions"]}
    assert s3.list_objects_v2(Bucket=deployed.outputs["RenditionsBucketName"])["KeyCount"] == 0
