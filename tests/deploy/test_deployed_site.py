"""The site on the stacks of the local cloud: the release, and an upload by the API, with what the stacks give to each.

Given here is what the local cloud has not: database, cache, and the name of the site with its TLS.
"""

import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from tests.stack import ROOT, wait_for

__all__ = ["browser", "function_zip"]
pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"  # functions run in the cloud's own interpreter
CACHE = "redis://127.0.0.1:6379/7"  # of its own: the names of these buckets are always the same
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
    ],
}
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
ANSWERS_AT = "127.0.0.1"
PAIRS = """
SELECT originals.name, renditions.name FROM media_catalog_bucket AS originals
JOIN media_catalog_bucket AS renditions ON originals.renditions_bucket_id = renditions.id ORDER BY 1
"""
RENDITIONS = """
from media_catalog.models import Image
from media_catalog.services import renditions
print(renditions.make(image=Image.objects.get(bucket__name={bucket!r})))
"""
FILE = """
import io
from media_catalog.models import Bucket
from media_catalog.services import files
bucket = Bucket.objects.for_files().get()
print(files.store(file=io.BytesIO(b"%PDF-"), name="a.pdf", description="A description", bucket=bucket, user=None).key)
"""
THERE = "pictures-2019"
MANAGED = "acme-media-"
READ = """
from media_catalog.aws import s3
from media_catalog.exceptions import AwsDenied
try:
    print(s3.get_object({bucket!r}, "a").body.decode())
except AwsDenied:
    print("denied")
"""
SYNC = """
from media_catalog.models import Bucket
from media_catalog.services import buckets
print(buckets.sync().added, Bucket.objects.filter(name={bucket!r}).exists())
"""
MANAGE = """
from tests.deploy import managed_buckets
managed_buckets.{deed}({name!r}, {roles!r})
"""
LATER_JOBS = """
from media_catalog.models import Bucket, Finding, TrashedObject
from media_catalog.services import findings, inventory, objects, reconcile, trash, trash_purge, trash_restore
bucket = Bucket.objects.get(name={bucket!r})
for run in ("one", "two"):
    inventory.sync(bucket, run=run)
    reconcile.reconcile(bucket, run="look")
finding = Finding.objects.get(key={key!r})
for action in ("quarantine", "restore"):
    findings.act(finding, action, by="ada", run=action, may=lambda permission: True)
    finding.refresh_from_db()
    print(finding.state, finding.action)
print(trash_restore.restore(pk=trash.move_object(bucket=bucket, key={key!r}).pk))
print(len(objects.versions(bucket, {key!r})))
for key in ({key!r}, {other!r}):
    trash.move_object(bucket=bucket, key=key)
print(*trash_purge.purge(TrashedObject.objects.all()))
"""
CHECK = """
from media_catalog.services.postdeploy import Deployment, find
deployed = Deployment(
    url="", log_groups=[], services=[], database={database!r}, role="backoffice-staging-check"
)
for item in ("buckets", "backups", "roles"):
    print(item, find(item, deployed).state.value)
"""
SUPERUSER = "from django.contrib.auth.models import User; User.objects.create_superuser('ada')"


@dataclass(frozen=True)
class Deployed:
    """`elsewhere` is the environment that the stacks of the local cloud do not give."""

    cloud: RunningCloud
    outputs: dict[str, str]
    elsewhere: dict[str, str]

    def given_to(self, task: str) -> dict[str, str]:
        """The environment and the role of a task."""
        with contextlib.closing(_client(self.cloud, "ecs")) as ecs:
            described = ecs.describe_task_definition(taskDefinition=f"backoffice-staging-{task}")
        task_definition = described["taskDefinition"]
        [container] = task_definition["containerDefinitions"]
        given = {item["name"]: item["value"] for item in container["environment"]}
        return {**given, **self.elsewhere, **self._role(task_definition["taskRoleArn"])}

    def _role(self, arn: str) -> dict[str, str]:
        """Its credentials: the local cloud allows what the policies of the role allow, and nothing else."""
        iam, sts = _client(self.cloud, "iam"), _client(self.cloud, "sts")
        with contextlib.closing(iam), contextlib.closing(sts):
            # It trusts ECS, in whose place we are.
            iam.update_assume_role_policy(RoleName=arn.rpartition("/")[2], PolicyDocument=json.dumps(TRUST))
            found = sts.assume_role(RoleArn=arn, RoleSessionName="task")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
        }

    def manage(self, *arguments: str, task: str = "release") -> str:
        """What the command prints, run as that task."""
        command, environment = [sys.executable, "manage.py", *arguments], self.given_to(task)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def consuming(self) -> Iterator[None]:
        command = [sys.executable, "manage.py", "consume_events"]
        process = subprocess.Popen(command, cwd=ROOT, env=self.given_to("consumer"))
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)

    def report_to(self, url: str) -> None:
        """Where the name of the site would lead."""
        with contextlib.closing(_client(self.cloud, "lambda")) as functions:
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
        arn = _client(cloud, "secretsmanager").describe_secret(SecretId=outputs["CallbackSecretArn"])["ARN"]
        formation.create("storage", CallbackSecretArn=arn, FunctionRuntime=f"python{PYTHON}")
        for name in (THERE, "not-named"):
            _client(cloud, "s3").create_bucket(Bucket=name)
            _client(cloud, "s3").put_object(Bucket=name, Key="a", Body=b"old")
        formation.create("function")
        formation.create("roles", ExtraBucketArns=f"arn:aws:s3:::{THERE}", ManagedBucketPrefix=MANAGED)
        for name in ("release", "service"):
            formation.create(name)
        for role in ("Originals", "Renditions", "Uploads", "UploadRenditions", "Files", "Static"):
            # They refuse all but root, as plain HTTP is all that is spoken here.
            _client(cloud, "s3").delete_bucket_policy(Bucket=outputs[f"{role}BucketName"])
        yield Deployed(cloud, outputs, _elsewhere(folder, cloud, outputs))


def _elsewhere(folder: Path, cloud: RunningCloud, outputs: dict[str, str]) -> dict[str, str]:
    # The local cloud generates punctuation where the template excludes it; a comma would part two secrets.
    secret = secrets.token_hex(32)
    _client(cloud, "secretsmanager").put_secret_value(SecretId=outputs["CallbackSecretArn"], SecretString=secret)
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


def test_a_file_is_kept_in_the_bucket_for_them_with_the_role_of_the_pages(deployed, token):
    key = deployed.manage("shell", "-v0", "-c", FILE, task="web").strip()
    held = _client(deployed.cloud, "s3").get_object(Bucket=deployed.outputs["FilesBucketName"], Key=key)
    assert held["Body"].read() == b"%PDF-"


def test_a_bucket_that_was_there_before_can_be_read_when_it_is_named(deployed, token):
    assert deployed.manage("shell", "-v0", "-c", READ.format(bucket=THERE), task="web").strip() == "old"
    assert "denied" in deployed.manage("shell", "-v0", "-c", READ.format(bucket="not-named"), task="worker")


def test_inventory_findings_trash_and_versions_work_with_the_role_of_the_worker(deployed, token):
    bucket, keys = deployed.outputs["UploadsBucketName"], ("found.txt", "found too.txt")
    for key in keys:
        _client(deployed.cloud, "s3").put_object(Bucket=bucket, Key=key, Body=b"found")

    code = LATER_JOBS.format(bucket=bucket, key=keys[0], other=keys[1])
    said = deployed.manage("shell", "-v0", "-c", code, task="worker").splitlines()
    # Put twice, and taken away twice, which leaves a marker each.
    assert said == ["resolved quarantine", "resolved restore", "found.txt", "5", "2 True"]
    held = _client(deployed.cloud, "s3").list_objects_v2(Bucket=bucket, Prefix="found")
    assert held["KeyCount"] == 0


def test_the_worker_finds_the_buckets_of_the_account(deployed, token):
    """As the job of the page of buckets does."""
    found = deployed.manage("shell", "-v0", "-c", SYNC.format(bucket=THERE), task="worker").split()
    assert (int(found[0]) >= 2, found[1]) == (True, "True")


@pytest.fixture
def manage_buckets(deployed: Deployed, token: str) -> Callable[..., Any]:
    """What a function of tests/deploy/managed_buckets.py prints, in the roles of pages and worker."""

    def _manage_buckets(deed: str, name: str) -> Any:
        given = {task: deployed.given_to(task) for task in ("web", "worker")}
        roles = {task: {key: held[key] for key in CREDENTIALS} for task, held in given.items()}
        code = MANAGE.format(deed=deed, name=name, roles=roles)
        return json.loads(deployed.manage("shell", "-v0", "-c", code, task="web"))

    return _manage_buckets


def test_staff_make_use_change_empty_and_delete_buckets_of_their_prefix(manage_buckets):
    assert manage_buckets("administer", MANAGED) == [
        f"The bucket “{MANAGED}renditions” was created.",
        f"The bucket “{MANAGED}originals” was created.",
        "Uploaded <strong>a.jpg</strong>.",
        "Uploaded <strong>b.jpg</strong>.",
        "The upload cost 2 PUT-class requests.",
        "sync_inventory: done",
        True,
        "Saved. At S3: Set the public access block, Set the versioning, Set CORS for this site, "
        "Set the lifecycle rules.",
        "The bucket was checked.",
        "Done: Block public access.",
        "empty_bucket: done",
        f"The bucket “{MANAGED}renditions” was deleted.",
    ]


def test_no_other_bucket_is_made_changed_emptied_or_deleted(deployed, manage_buckets):
    denied = manage_buckets("reach_for", deployed.outputs["FilesBucketName"])
    deeds = ("create", "set", "open", "empty", "delete")
    assert denied == [f"{task} {deed}" for task in ("web", "worker") for deed in deeds]


def test_the_check_may_look_at_what_it_asks_for(deployed, token):
    """But at logs and scaling: those the local cloud names otherwise and does not know."""
    database = deployed.outputs["DatabaseIdentifier"]
    found = deployed.manage("shell", "-v0", "-c", CHECK.format(database=database), task="check")
    assert found.splitlines() == ["buckets pass", "backups pass", "roles pass"]


def test_an_original_of_another_program_is_catalogued_and_gets_its_renditions(deployed, token):
    bucket, put = deployed.outputs["OriginalsBucketName"], "SELECT key FROM media_catalog_image WHERE key = 'a b.jpg'"
    _client(deployed.cloud, "s3").put_object(Bucket=bucket, Key="a b.jpg", Body=jpeg())
    with deployed.consuming():
        wait_for(lambda: databases.query(deployed.elsewhere["DATABASE_URL"], put), 30)

    made = deployed.manage("shell", "-v0", "-c", RENDITIONS.format(bucket=bucket), task="worker")
    held = _client(deployed.cloud, "s3").list_objects_v2(Bucket=deployed.outputs["RenditionsBucketName"])
    assert (int(made) > 1, held["KeyCount"]) == (True, int(made))


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

    # Those of the presets that the function does not know: in the same bucket.
    code = RENDITIONS.format(bucket=deployed.outputs["UploadsBucketName"])
    made = deployed.manage("shell", "-v0", "-c", code, task="worker")
    after = s3.list_objects_v2(Bucket=deployed.outputs["UploadRenditionsBucketName"])
    assert after["KeyCount"] == len(held) + int(made)
