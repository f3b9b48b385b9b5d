"""The containers."""

import re
from typing import Any

from django.conf import settings
from django.core.management import get_commands

from tests.deploy.registry import holds
from tests.deploy.settings_variables import read_variables
from tests.deploy.templates import Node, Templates, drop, put, put_default, put_in_dockerfile, remove
from tests.stack import ROOT

NOT_COMPARED = {"RekognitionPerSecond", "QuotaAlertEmails"}  # the tests have another one; a list in the settings
LONG_RUNNING = ("WebTask", "WorkerTask", "ConsumerTask")
ONE_OFF = ("ReleaseTask", "CheckTask")
C = "ContainerDefinitions.0."


def _tasks(templates: Templates) -> dict[str, Node]:
    found = templates.of_type("ECS::TaskDefinition")
    assert found.keys() == {*LONG_RUNNING, *ONE_OFF}
    return found


def _containers(templates: Templates) -> dict[str, Node]:
    return {name: task["ContainerDefinitions"][0] for name, task in _tasks(templates).items()}


def _secrets(container: Node) -> dict[str, str]:
    """Variable → parameter; also of those that are optional."""
    items = [item["Fn::If"][1] if "Fn::If" in item else item for item in container["Secrets"]]
    return {item["Name"]: item["ValueFrom"]["Ref"] for item in items}


@holds(
    put("WebTask", f"{C}User", "root"),
    drop("WorkerTask", f"{C}User"),
    put("ConsumerTask", f"{C}Privileged", True),
    put("ReleaseTask", f"{C}LinuxParameters.Capabilities", {"Drop": ["NET_RAW"]}),
    put("CheckTask", f"{C}LinuxParameters.Capabilities", {"Drop": ["ALL"], "Add": ["SYS_PTRACE"]}),
    remove("CheckTask"),
    put_in_dockerfile("USER 10001:10001", "USER root"),
)
def containers_run_without_privileges(templates: Templates) -> None:
    for container in _containers(templates).values():
        assert container["User"] == "10001:10001"
        assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
        assert "Privileged" not in container
    assert "USER 10001:10001" in templates.dockerfile


@holds(
    put("WebTask", f"{C}ReadonlyRootFilesystem", False),
    put("WorkerTask", f"{C}MountPoints.0.ContainerPath", "/app"),
    put("ConsumerTask", "Volumes", [{"Name": "tmp", "Host": {"SourcePath": "/"}}]),
    put_in_dockerfile('VOLUME ["/tmp"]', ""),
)
def only_tmp_can_be_written_to(templates: Templates) -> None:
    for task in _tasks(templates).values():
        [container] = task["ContainerDefinitions"]
        assert container["ReadonlyRootFilesystem"] is True
        assert task["Volumes"] == [{"Name": "tmp"}]
        assert container["MountPoints"] == [{"SourceVolume": "tmp", "ContainerPath": "/tmp", "ReadOnly": False}]
    assert 'VOLUME ["/tmp"]' in templates.dockerfile


@holds(
    put("WebTask", f"{C}Environment.0", {"Name": "SECRET_KEY", "Value": "x"}),
    put("WorkerTask", f"{C}Environment.1.Value", "postgres://backoffice:password@db/backoffice"),
    drop("ReleaseTask", f"{C}Secrets.1"),
    put("ConsumerTask", f"{C}Secrets.2.Name", "REDIS"),
)
def secrets_come_from_secrets_manager(templates: Templates) -> None:
    for container in _containers(templates).values():
        secret = _secrets(container)
        assert secret == {
            "SECRET_KEY": "DjangoSecretArn",
            "DATABASE_URL": "DatabaseSecretArn",
            "REDIS_URL": "CacheSecretArn",
            "ASYNC_IMAGE_CALLBACK_SECRETS": "CallbackSecretArn",
            "EMAIL_URL": "EmailSecretArn",
        }
        given = {item["Name"]: str(item["Value"]) for item in container["Environment"]}
        assert not given.keys() & secret.keys()
        assert not re.search(r"://\w*:|PASSWORD|KEY", " ".join([*given, *given.values()]))


@holds(drop("WebTask", f"{C}Environment.1"), put("WorkerTask", f"{C}Environment.3.Name", "ORIGINALS"))
def what_production_wants_is_given(templates: Templates) -> None:
    """ALLOWED_HOSTS has no default, and names of buckets that are not ours are of no use."""
    wanted = {"ALLOWED_HOSTS", "DEPLOYMENT_NAME", "BUCKET_ORIGINALS", "BUCKET_RENDITIONS", "BUCKET_STATIC", "USE_S3"}
    for container in _containers(templates).values():
        assert {item["Name"] for item in container["Environment"]} >= wanted


BUCKETS = {
    "BUCKET_ORIGINALS": "OriginalsBucketName",
    "BUCKET_RENDITIONS": "RenditionsBucketName",
    "BUCKET_STATIC": "StaticBucketName",
    "BUCKET_FILES": "FilesBucketName",
    "ASYNC_IMAGE_UPLOAD_BUCKET": "UploadsBucketName",
    "ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET": "UploadRenditionsBucketName",
}


@holds(
    put("WebTask", f"{C}Environment.7.Value", {"Ref": "RenditionsBucketName"}),
    drop("WorkerTask", f"{C}Environment.7"),
    drop("WebTask", f"{C}Environment.11"),
    put("ReleaseTask", f"{C}Environment.6.Value", {"Ref": "OriginalsBucketName"}),
    put("ReleaseTask", f"{C}Command", ["python", "manage.py", "release"]),
)
def every_task_knows_the_buckets_and_the_release_writes_them_down(templates: Templates) -> None:
    """Without the rows, pages and the API take no upload."""
    for container in _containers(templates).values():
        given = {item["Name"]: item["Value"] for item in container["Environment"]}
        assert {name: given[name] for name in BUCKETS} == {name: {"Ref": value} for name, value in BUCKETS.items()}
    assert _containers(templates)["ReleaseTask"]["Command"] == ["python", "manage.py", "release", "--buckets"]


@holds(
    put("ConsumerTask", f"{C}Environment.11.Name", "EVENTS_QUEUE_URL"),
    put("WebTask", f"{C}Secrets.3.Name", "CALLBACK_SECRETS"),
)
def whatever_is_given_is_read_by_the_settings(templates: Templates) -> None:
    for container in _containers(templates).values():
        given = {item["Name"] for item in container["Environment"]} | _secrets(container).keys()
        assert given <= read_variables().keys()


# Of no use on ECS, or the same wherever it runs: another value is a change of the templates.
FIXED = frozenset(
    [
        "API_MAX_WAITERS",
        "API_REQUESTS_PER_MINUTE",
        "ASYNC_IMAGE_CALLBACK_GRACE",
        "ASYNC_IMAGE_RENDITIONS",
        "ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_CONTENT_LENGTH",
        "ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_EXPIRATION",
        "ASYNC_IMAGE_UPLOAD_PRESIGNED_URL_REUSE_WINDOW",
        "AWS_BROWSER_ENDPOINT_URL",
        "AWS_ENDPOINT_URL",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_WAIT_SECONDS",
        "DATA_DIR",
        "DEBUG",
        "FINDING_KEEP_DAYS",
        "HANDOVER_SECONDS",
        "IMAGE_FORMATS",
        "IMAGE_MAX_BYTES",
        "IMAGE_MAX_PIXELS",
        "JOB_CONFIRM_ABOVE",
        "JOB_FINISHED_EMAIL",
        "JOB_ITEM_SECONDS",
        "JOB_KEEP_DAYS",
        "JOB_MAX_ITEMS",
        "JOB_RETRY_SECONDS",
        "PAGE_SECONDS",
        "PRICE_LAMBDA_INVOCATION",
        "PRICE_REKOGNITION_IMAGE",
        "PRICE_S3_TIER1",
        "PRICE_S3_TIER2",
        "PRICE_SQS_REQUEST",
        "PROCESSED_IMAGE_MODEL",
        "QUEUE_BROKER",
        "QUOTA_BLOCK_SECONDS",
        "QUOTA_BLOCK_SIZE",
        "QUOTA_RESERVATION_SECONDS",
        "RESIZER_QUEUE",
        "SECURE_SSL_REDIRECT",
        "STATIC_ROOT",
        "TIME_ZONE",
        "UPLOAD_FORM_SECONDS",
        "UPLOAD_MAX_FILES",
        "UPLOAD_STALE_SECONDS",
        "WEB_BIND",
        "WEB_STOP_SECONDS",
        "WEB_WORKERS",
    ]
)
# Parameters of the stack `service`: every process must agree on them.
SHARED = {
    "REKOGNITION_PER_SECOND": "RekognitionPerSecond",
    "TRASH_DAYS": "TrashDays",
    "FILE_MAX_BYTES": "FileMaxBytes",
    "HANDOVER_MAX_BYTES": "HandoverMaxBytes",
    "QUOTA_ALERT_EMAILS": "QuotaAlertEmails",
    "DEFAULT_FROM_EMAIL": "DefaultFromEmail",
}


@holds(
    drop("WorkerTask", f"{C}Environment.12"),
    drop("WorkerTask", f"{C}Environment.15"),
    put("WebTask", f"{C}Environment.14.Value", "30"),
    put("ConsumerTask", f"{C}Environment.12.Name", "TIME_ZONE"),
)
def every_setting_is_given_or_fixed(templates: Templates) -> None:
    every = set()
    for name in LONG_RUNNING:
        container = _containers(templates)[name]
        given = {item["Name"]: item["Value"] for item in container["Environment"]}
        assert {setting: given[setting] for setting in SHARED} == {
            setting: {"Ref": parameter} for setting, parameter in SHARED.items()
        }
        every |= given.keys() | _secrets(container).keys()
    assert not every & FIXED
    assert every | FIXED == read_variables().keys()


@holds(put_default("service", "TrashDays", 7), put_default("service", "Workers", 4))
def defaults_are_those_of_the_settings(templates: Templates) -> None:
    parameters = templates.documents["service"]["Parameters"]
    expected = {name: getattr(settings, variable) for variable, name in SHARED.items() if name not in NOT_COMPARED}
    found = {name: parameters[name]["Default"] for name in expected}
    assert found == expected
    assert parameters["Workers"]["Default"] == settings.Q_CLUSTER["workers"]


@holds(
    put("WebTask", "TaskRoleArn", {"Ref": "ExecutionRoleArn"}),
    put("WorkerTask", "TaskRoleArn", {"Ref": "WebRoleArn"}),
    put("ConsumerTask", "ExecutionRoleArn", {"Ref": "ConsumerRoleArn"}),
)
def each_kind_of_task_has_a_role_of_its_own(templates: Templates) -> None:
    for name, task in _tasks(templates).items():
        assert task["TaskRoleArn"] == {"Ref": f"{name.removesuffix('Task')}RoleArn"}
        assert task["ExecutionRoleArn"] == {"Ref": "ExecutionRoleArn"}


@holds(
    put("WebTask", f"{C}Image", "backoffice:latest"), put("CheckTask", f"{C}Image", {"Fn::Sub": "${Repository}:latest"})
)
def images_are_named_by_the_deployment(templates: Templates) -> None:
    assert all(container["Image"] == {"Ref": "ImageUri"} for container in _containers(templates).values())


@holds(
    put("WebTask", f"{C}HealthCheck.Command.3", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/')"),
    drop("WorkerTask", f"{C}HealthCheck"),
    put("WorkerTask", f"{C}HealthCheck.Command.3", "check"),
    put_in_dockerfile("/healthz", "/readyz"),
)
def web_and_workers_are_asked_for_their_health(templates: Templates) -> None:
    """The web process whether it lives: whether it is ready is the load balancer's question."""
    containers = _containers(templates)
    web = containers["WebTask"]["HealthCheck"]["Command"]
    assert "http://127.0.0.1:8000/healthz" in web[-1]
    assert web[-1] in templates.dockerfile
    assert containers["WorkerTask"]["HealthCheck"]["Command"] == ["CMD", "python", "manage.py", "worker_health"]


@holds(
    put("WebTask", f"{C}StopTimeout", 10),
    put("WorkerTask", f"{C}StopTimeout", 40),
    put("WorkerTask", f"{C}StopTimeout", 180),
)
def processes_have_the_time_to_stop_that_they_take(templates: Templates) -> None:
    containers = _containers(templates)
    takes = int(re.findall(r'"WEB_STOP_SECONDS", default=(\d+)', (ROOT / "backoffice" / "gunicorn.py").read_text())[0])
    assert takes + 5 <= containers["WebTask"]["StopTimeout"]
    environment: dict[str, Any] = {item["Name"]: item["Value"] for item in containers["WorkerTask"]["Environment"]}
    assert int(environment["WORKER_STOP_SECONDS"]) + 15 <= containers["WorkerTask"]["StopTimeout"]
    assert max(container["StopTimeout"] for container in containers.values()) <= 120  # Fargate's limit


@holds(
    drop("WebTask", f"{C}LogConfiguration"),
    put("WorkerTask", f"{C}LogConfiguration.Options.awslogs-group", {"Ref": "WebLogGroup"}),
    put("CheckTask", f"{C}LogConfiguration.Options.awslogs-stream-prefix", "web"),
    put("WebLogs", "RetentionInDays", 3650),
    drop("FunctionLogs", "RetentionInDays"),
    remove("ReleaseLogs"),
)
def each_kind_of_task_has_a_log_that_is_kept_for_two_weeks(templates: Templates) -> None:
    logs = templates.of_type("Logs::LogGroup")
    assert {group["RetentionInDays"] for group in logs.values()} == {14}
    for name, container in _containers(templates).items():
        kind = name.removesuffix("Task")
        options = container["LogConfiguration"]["Options"]
        assert options["awslogs-group"] == {"Ref": f"{kind}LogGroup"}
        assert options["awslogs-stream-prefix"] == container["Name"] == kind.lower()
        assert f"{kind}Logs" in logs


@holds(
    put("WorkerTask", f"{C}Command.2", "work"),
    put("ReleaseTask", f"{C}Command.2", "migrate_everything"),
    drop("CheckTask", f"{C}Command"),
    put("ReleaseTask", f"{C}Command.0", "sh"),
    put("WebTask", f"{C}Command", ["python", "manage.py", "runserver"]),
)
def commands_exist(templates: Templates) -> None:
    for name, container in _containers(templates).items():
        if name == "WebTask":
            assert "Command" not in container  # the image's own
            continue
        python, manage, command, *_options = container["Command"]
        assert (python, manage) == ("python", "manage.py")
        assert command in get_commands()


@holds(
    put("WebTask", "NetworkMode", "host"),
    put("WorkerTask", "RequiresCompatibilities", ["EC2"]),
    put("ConsumerTask", f"{C}LinuxParameters.InitProcessEnabled", False),
)
def tasks_are_fargates(templates: Templates) -> None:
    for task in _tasks(templates).values():
        assert (task["NetworkMode"], task["RequiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
        assert task["ContainerDefinitions"][0]["LinuxParameters"]["InitProcessEnabled"] is True
