"""`manage.py postdeploy_check`: each item with both outcomes, against moto, and where AWS does not let us look."""

import contextlib
import functools
import http.client
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import boto3
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from media_catalog.aws.client import forget_clients
from media_catalog.models import RequestClass, RequestLimit, RequestUsage
from media_catalog.services import postdeploy
from media_catalog.services.postdeploy import Deployment, Finding, State
from tests.aws.faults import Answer, rekognition_error, s3_error
from tests.aws.faults import serving as scripted
from tests.quota.ledger import set_limit
from tests.services import tls_site
from tests.stack import ROOT

pytestmark = pytest.mark.django_db
LOG_GROUPS = ["/backoffice/staging/web", "/backoffice/staging/worker"]
SERVICES = ["backoffice-staging/web", "backoffice-staging/worker"]
BUCKETS = [f"checked-{name}" for name in ("originals", "renditions", "static", "files", "uploads", "upload-renditions")]
ROLE = "backoffice-staging-check"


@pytest.fixture(scope="module")
def account(moto) -> Callable[[str], Any]:
    """Clients of somebody else, who has filled the account as it should be."""
    clients = functools.cache(functools.partial(boto3.client, endpoint_url=moto.endpoint_url))
    _fill_logs(clients("logs"))
    _fill_services(clients("ecs"), clients("application-autoscaling"))
    _make_database(clients, "backed-up", days=7)
    for bucket in BUCKETS:
        clients("s3").create_bucket(Bucket=bucket)
        _block(clients, bucket)
    return clients


@pytest.fixture
def aws(moto, account, settings) -> Iterator[Callable[[str], Any]]:
    """That account as the application's AWS."""
    settings.AWS_ENDPOINT_URL = moto.endpoint_url
    for name, bucket in zip(postdeploy.BUCKETS, BUCKETS, strict=True):
        setattr(settings, name, bucket)
    forget_clients()
    yield account
    forget_clients()


def _make_database(account, name: str, *, days: int) -> None:
    account("rds").create_db_instance(
        DBInstanceIdentifier=name, DBInstanceClass="db.t4g.micro", Engine="postgres", AllocatedStorage=20,
        MasterUsername="backoffice", MasterUserPassword="x" * 20, BackupRetentionPeriod=days,
    )  # fmt: skip


def _fill_logs(logs) -> None:
    for group in LOG_GROUPS:
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="task")
        event = {"timestamp": int(timezone.now().timestamp() * 1000), "message": "{}"}
        logs.put_log_events(logGroupName=group, logStreamName="task", logEvents=[event])


def _fill_services(ecs, scaling) -> None:
    ecs.create_cluster(clusterName="backoffice-staging")
    ecs.register_task_definition(
        family="task", containerDefinitions=[{"name": "task", "image": "image", "memory": 128}]
    )
    for service in SERVICES:
        cluster, name = service.split("/")
        ecs.create_service(cluster=cluster, serviceName=name, taskDefinition="task")
        target = {
            "ServiceNamespace": "ecs",
            "ResourceId": f"service/{service}",
            "ScalableDimension": "ecs:service:DesiredCount",
        }
        scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
        scaling.put_scaling_policy(**target, PolicyName="cpu", PolicyType="TargetTrackingScaling")


def _block(account, bucket: str, **changes: bool) -> None:
    on = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    account("s3").put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=on | changes)


def _item(name: str, **changes) -> Finding:
    deployed = {
        "url": "https://127.0.0.1:1",
        "log_groups": LOG_GROUPS,
        "services": SERVICES,
        "database": "backed-up",
        "role": ROLE,
    }
    return postdeploy.find(name, Deployment(**deployed | changes))


def _passes(name: str, **changes) -> None:
    assert _item(name, **changes) == Finding(item=name, state=State.PASS)


def _fails(name: str, detail: str, **changes) -> None:
    found = _item(name, **changes)
    assert found.state is State.FAIL
    assert detail in found.detail


class TestLogs:
    def test_flow(self, aws):
        _passes("logs")

    def test_of_a_group_that_is_not_there(self, aws):
        _fails("logs", "Nothing has come to /elsewhere lately.", log_groups=["/elsewhere"])

    def test_stopped_a_while_ago(self, aws, monkeypatch):
        monkeypatch.setattr(postdeploy, "LOG_AGE", timedelta(seconds=-60))
        _fails("logs", LOG_GROUPS[0])


class TestAutoscaling:
    def test_is_present(self, aws):
        _passes("autoscaling")

    def test_is_absent(self, aws):
        _fails("autoscaling", "c/s does not scale.", services=["c/s"])


class TestBackups:
    def test_are_on(self, aws):
        _passes("backups")

    def test_are_off(self, aws):
        _make_database(aws, "not-backed-up", days=0)
        _fails("backups", "not-backed-up is not backed up.", database="not-backed-up")

    def test_of_a_database_that_is_not_there(self, aws):
        _fails("backups", "other is not backed up.", database="other")


class TestBuckets:
    def test_are_private(self, aws):
        _passes("buckets")

    @pytest.mark.parametrize("block", ["BlockPublicAcls", "RestrictPublicBuckets"])
    @pytest.mark.parametrize("setting", postdeploy.BUCKETS)
    def test_may_be_public(self, aws, settings, block, setting):
        bucket = f"{block.lower()}-off-{postdeploy.BUCKETS.index(setting)}"
        setattr(settings, setting, bucket)
        aws("s3").create_bucket(Bucket=bucket)
        _block(aws, bucket, **{block: False})
        _fails("buckets", f"{bucket} may be public.")

    def test_the_api_may_share_the_originals_bucket(self, aws, settings):
        settings.ASYNC_IMAGE_UPLOAD_BUCKET, settings.ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET = BUCKETS[0], ""
        _passes("buckets")

    def test_without_any_block(self, aws, settings):
        settings.BUCKET_STATIC = "without-any-block"
        aws("s3").create_bucket(Bucket="without-any-block")
        _fails("buckets", "without-any-block may be public.")


class TestRoles:
    @pytest.mark.parametrize(
        ("arn", "state"),
        [
            (f"arn:aws:sts::123456789012:assumed-role/{ROLE}/0123456789abcdef", State.PASS),
            ("arn:aws:sts::123456789012:assumed-role/backoffice-staging-web/0123456789abcdef", State.FAIL),
            ("arn:aws:iam::123456789012:user/backoffice-staging-check", State.FAIL),
        ],
    )
    def test_the_process_has_its_role(self, settings, arn, state):
        body = (
            "<GetCallerIdentityResponse><GetCallerIdentityResult>"
            f"<Arn>{arn}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
        with scripted() as server:
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            server.script.append(Answer(body=body.encode(), headers={"Content-Type": "text/xml"}))
            found = _item("roles")
        forget_clients()
        assert found.state is state


class TestOwnSettings:
    """What needs no AWS."""

    def test_debug(self, settings):
        _passes("debug")
        settings.DEBUG = True
        _fails("debug", "DEBUG is on.")

    @pytest.fixture
    def good_secrets(self, settings, monkeypatch):
        monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "kX3-long-and-random")
        monkeypatch.setitem(settings.CACHES["default"], "LOCATION", "rediss://:kX3-long-and-random@cache:6379/0")
        settings.SECRET_KEY = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP"
        settings.ASYNC_IMAGE_CALLBACK_SECRETS = ["0123456789abcdef" * 2, "fedcba9876543210" * 2]
        return settings

    def test_secrets(self, good_secrets):
        _passes("secrets")
        good_secrets.SECRET_KEY = "django-insecure-" + good_secrets.SECRET_KEY
        _fails("secrets", "SECRET_KEY")

    def test_the_key_that_is_published(self, good_secrets):
        [published] = re.findall(r"SECRET_KEY:-([^}]+)", (ROOT / "compose.yaml").read_text())
        good_secrets.SECRET_KEY = published
        _fails("secrets", "SECRET_KEY is the one published in compose.yaml.")

    @pytest.mark.parametrize("password", ["", "backoffice", "postgres"])
    def test_a_default_password_of_the_database(self, good_secrets, monkeypatch, password):
        monkeypatch.setitem(good_secrets.DATABASES["default"], "PASSWORD", password)
        _fails("secrets", "The database's password is a default.")

    @pytest.mark.parametrize("secrets", [[], [""], ["short"], ["0123456789abcdef" * 2, "short"]])
    def test_a_callback_secret_that_can_be_guessed(self, good_secrets, secrets):
        good_secrets.ASYNC_IMAGE_CALLBACK_SECRETS = secrets
        _fails("secrets", "ASYNC_IMAGE_CALLBACK_SECRETS needs one of 32 characters")

    @pytest.mark.parametrize("address", ["rediss://cache:6379/0", "rediss://:@cache:6379/0"])
    def test_a_cache_that_asks_for_no_password(self, good_secrets, monkeypatch, address):
        monkeypatch.setitem(good_secrets.CACHES["default"], "LOCATION", address)
        _fails("secrets", "The address of Redis has no password.")

    def test_migrations(self):
        _passes("migrations")
        MigrationRecorder(connection).migration_qs.filter(app="media_catalog").latest("name").delete()
        _fails("migrations", "media_catalog.")

    def test_limits(self):
        set_limit(RequestClass.LAMBDA_INVOCATION, 1000)
        _passes("limits")
        RequestLimit.objects.filter(request_class="rekognition_image").delete()
        _fails("limits", "has no limit for the month.")


class TestTls:
    HSTS = {"Strict-Transport-Security": "max-age=31536000"}
    REDIRECT = {"Location": "https://127.0.0.1/"}

    @pytest.fixture
    def site(self, tmp_path, monkeypatch) -> Iterator[Callable[..., str]]:
        """Look at a site whose two ports answer so; the plain one stands for port 80."""
        tls = tls_site.certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
        monkeypatch.delenv("SSL_CERT_DIR", raising=False)
        with contextlib.ExitStack() as stack:

            def look(status=200, headers=self.HSTS, plain=(301, self.REDIRECT)) -> str:
                secure = stack.enter_context(tls_site.serving(status=status, headers=headers, tls=tls))
                port = stack.enter_context(tls_site.serving(status=plain[0], headers=plain[1]))
                real = http.client.HTTPConnection
                monkeypatch.setattr(
                    postdeploy.http.client,
                    "HTTPConnection",
                    lambda host, **options: real(f"127.0.0.1:{port}", **options),
                )
                found = _item("tls", url=f"https://127.0.0.1:{secure}").detail
                monkeypatch.setattr(postdeploy.http.client, "HTTPConnection", real)
                return found

            yield look

    def test_is_as_it_should_be(self, site):
        assert site() == ""

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"status": 502}, "The login page answers with 502."),
            ({"headers": {}}, "Strict-Transport-Security is missing."),
            ({"plain": (200, {})}, "Plain HTTP is not redirected."),
            ({"plain": (301, {"Location": "http://127.0.0.1/"})}, "Plain HTTP is not redirected."),
        ],
    )
    def test_something_is_wrong(self, site, changes, problem):
        assert site(**changes) == problem

    def test_a_certificate_that_nobody_vouches_for(self, site, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
        assert "certificate verify failed" in site()

    def test_nothing_answers(self):
        _fails("tls", "refused", url="https://127.0.0.1:1")


class TestNotPermitted:
    ANSWERS = {
        "logs": rekognition_error(400, "AccessDeniedException"),
        "autoscaling": rekognition_error(400, "AccessDeniedException"),
        "backups": Answer(
            status=403,
            body=b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
        ),
        "buckets": s3_error(403, "AccessDenied"),
    }

    @pytest.mark.parametrize("name", ANSWERS)
    def test_is_neither_pass_nor_fail(self, settings, name):
        with scripted() as server:
            settings.AWS_ENDPOINT_URL = server.url
            forget_clients()
            server.script.append(self.ANSWERS[name])
            found = _item(name)
        forget_clients()
        assert found == Finding(item=name, state=State.NOT_PERMITTED, detail=ANY)


class TestTheCommand:
    ARGUMENTS = (
        "--url=https://127.0.0.1:1",
        *(f"--log-group={group}" for group in LOG_GROUPS),
        *(f"--service={service}" for service in SERVICES),
        "--database=backed-up",
        f"--role={ROLE}",
    )

    def test_says_each_item_and_fails_for_one(self, aws, capsys):
        with pytest.raises(SystemExit, match="1"):
            call_command("postdeploy_check", *self.ARGUMENTS)

        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines if " logs" in line or " backups" in line] == ["pass", "pass"]
        assert [line for line in lines if line.startswith("fail") and "tls" in line]
        assert len(lines) == 10
        spent = RequestUsage.objects.filter(action="postdeploy_check", operation="GetPublicAccessBlock")
        assert {row.bucket for row in spent} == set(BUCKETS)

    @pytest.mark.parametrize(
        ("state", "code"), [(State.PASS, None), (State.FAIL, 1), (State.NOT_PERMITTED, 1)], ids=lambda value: str(value)
    )
    def test_exits_with_0_for_pass_alone(self, monkeypatch, capsys, state, code):
        findings = [Finding(item="tls", state=State.PASS), Finding(item="logs", state=state)]
        monkeypatch.setattr("media_catalog.management.commands.postdeploy_check.check", lambda _deployed: findings)

        if code is None:
            call_command("postdeploy_check", *self.ARGUMENTS)
        else:
            with pytest.raises(SystemExit, match="1"):
                call_command("postdeploy_check", *self.ARGUMENTS)
        assert state.value in capsys.readouterr().out
