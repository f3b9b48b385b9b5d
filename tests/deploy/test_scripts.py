"""deploy/*.sh: what they ask of AWS, in which order, and where they stop. AWS itself is a stand-in."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
import yaml

from tests.deploy.parameters import read_parameters
from tests.deploy.stacks import ORDER
from tests.deploy.templates import Templates
from tests.stack import ROOT

REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/backoffice-staging"
TASK = "arn:aws:ecs:eu-west-1:123456789012:task/backoffice-staging/0123456789abcdef"
PERFECT = {
    "ecr describe-images": {"fail": 254},  # not there yet
    "describe-image-scan-findings": "None",
    "ecr get-login-password": "token",
    "lambda publish-version": "7",
    "ecs run-task": TASK,
    "ecs describe-tasks": "0",
}


@dataclass
class Done:
    status: int
    errors: str
    calls: list[list[str]]

    def said(self) -> list[str]:
        """The calls that change something, by their first words."""
        words = [" ".join(call[:3]) if call[0] == "aws" else " ".join(call[:2]) for call in self.calls]
        reads = ("describe", "wait", "get-", "logs")
        return [text for text in words if not any(read in text for read in reads)]

    def parameters(self, stack: str) -> dict[str, str]:
        """Given to the last change of a stack."""
        [*_earlier, call] = [call for call in self.calls if "deploy" in call and f"backoffice-staging-{stack}" in call]
        return dict(value.split("=", 1) for value in call[call.index("--parameter-overrides") + 1 :])


@pytest.fixture
def run(tmp_path):
    """Run a script of deploy/ in an environment whose stacks have all their outputs."""
    source = (ROOT / "tests" / "deploy" / "fake_commands.py").read_text()
    for name in ("aws", "docker"):
        (tmp_path / name).write_text(f"#!{sys.executable} -IS\n{source}")  # -IS: at once, as there are many calls
        (tmp_path / name).chmod(0o755)
    (tmp_path / "function.zip").write_bytes(b"zip")
    calls = tmp_path / "calls"

    def _run(script: str, *arguments: str, answers: dict | None = None, **environment: str) -> Done:
        calls.write_text("")
        done = subprocess.run(
            [ROOT / "deploy" / script, *arguments],
            env={
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "FAKE_CALLS": str(calls),
                "FAKE_ANSWERS": json.dumps(_outputs() | PERFECT | (answers or {})),
                "FUNCTION_ARCHIVE": str(tmp_path / "function.zip"),
                "ENVIRONMENT": "staging",
                "VERSION": "v1.2.3",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stderr, [json.loads(line) for line in calls.read_text().splitlines()])

    return _run


def _outputs() -> dict[str, str]:
    """Of all stacks, as the command prints them: `name TAB value`."""
    told = {"RepositoryUri": REPOSITORY}
    told |= {
        f"{kind}TaskArn": f"arn:aws:ecs:::task-definition/backoffice-staging-{kind.lower()}:1"
        for kind in ("Release", "Check")
    }
    names = [name for document in Templates.read().documents.values() for name in document.get("Outputs", ())]
    return {"describe-stacks": "\n".join(f"{name}\t{told.get(name, f'the-{name}')}" for name in names)}


def test_a_deployment_goes_in_order(run):
    done = run("deploy.sh")

    assert done.status == 0, done.errors
    assert done.said() == [
        "docker build",
        "docker login",
        "docker push",
        "aws s3 cp",
        "aws cloudformation deploy",  # the code of the function
        "aws lambda publish-version",
        "aws cloudformation deploy",  # its version
        "aws cloudformation deploy",  # release
        "aws ecs run-task",  # release
        "aws cloudformation deploy",  # service
        "aws ecs run-task",  # check
    ]
    assert done.parameters("function")["FunctionVersion"] == "7"
    assert done.parameters("release")["ImageUri"] == done.parameters("service")["ImageUri"] == f"{REPOSITORY}:v1.2.3"


def test_a_parameter_is_that_of_the_script_or_an_output_or_of_the_file(run):
    known = {
        "describe-stacks": "SiteDomain\tof-an-output\nImageUri\tof-an-output\nRepositoryUri\there=there\nStaticDomain\t"
    }
    given = run("service.sh", answers=known).parameters("service")

    assert (given["ImageUri"], given["SiteDomain"], given["WebMaximum"]) == ("here=there:v1.2.3", "of-an-output", "3")
    assert given["StaticDomain"] == ""  # the template's default


def test_a_value_that_was_taken_out_is_the_default_again(run):
    """The command would keep the old value of a parameter that it is not given."""
    for name, document in Templates.read().documents.items():
        given = run("infrastructure.sh", name, answers={"describe-stacks": ""}).parameters(name)
        defaults = {key: str(node["Default"]) for key, node in document["Parameters"].items() if "Default" in node}
        expected = defaults | {key: value for key, value in read_parameters("staging").items() if key in defaults}
        for code in ("FunctionCodeKey", "FunctionVersion"):  # by function.sh alone
            expected.pop(code, None)
        assert {key: value for key, value in given.items() if key in defaults} == expected


def test_an_output_of_the_stack_itself_is_not_its_parameter(run):
    """It is the old value."""
    given = run("infrastructure.sh", "storage", answers={"describe-stacks": "TemporaryPath\told/"}).parameters(
        "storage"
    )
    assert given["TemporaryPath"] == "temp/"
    given = run("service.sh", answers={"describe-stacks": "RepositoryUri\tx\nTemporaryPath\told/"})
    assert given.parameters("service")["TemporaryPath"] == "old/"


def test_an_image_is_never_built_over(run):
    done = run("image.sh", answers={"ecr describe-images": "there"})

    assert (done.status, done.said()) == (0, [])


@pytest.mark.parametrize("base", ["", "docker.io/library/python:3.11-slim-bookworm@sha256:0123"])
def test_an_image_is_for_the_processor_of_the_tasks_and_on_the_base_that_is_pinned(run, base):
    [build] = [call for call in run("image.sh", BASE=base).calls if call[:2] == ["docker", "build"]]

    platforms = {"X86_64": "linux/amd64"}
    tasks = Templates.read().of_type("ECS::TaskDefinition").values()
    [architecture] = {task["RuntimePlatform"]["CpuArchitecture"] for task in tasks}
    assert build[build.index("--platform") + 1] == platforms[architecture]
    assert [part for part in build if part.startswith("BASE=")] == ([f"BASE={base}"] if base else [])


def test_the_pipeline_hands_on_the_base():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy-to.yml").read_text())
    assert workflow["jobs"]["deploy"]["env"]["BASE"] == "${{ vars.BASE }}"


@pytest.mark.parametrize(
    ("answers", "last"),
    [
        ({"docker build": {"fail": 1}}, "docker build"),
        ({"describe-image-scan-findings": "3"}, "docker push"),
        ({"lambda publish-version": {"fail": 1}}, "aws lambda publish-version"),
        ({"ecs describe-tasks": "1"}, "aws ecs run-task"),
        ({"ecs describe-tasks": "None"}, "aws ecs run-task"),
        ({"cloudformation deploy staging-service": {"fail": 1}}, "aws cloudformation deploy"),
    ],
    ids=["build", "scan", "function", "migrations fail", "migrations never ran", "rolled back"],
)
def test_a_step_that_fails_is_the_last(run, answers, last):
    done = run("deploy.sh", answers=answers)

    assert done.status != 0
    assert done.said()[-1] == last
    migrated = "aws ecs run-task" in done.said()
    changed = any("backoffice-staging-service" in call for call in done.calls if "deploy" in call)
    assert migrated or not changed


def test_the_tasks_run_in_the_private_network(run):
    done = run("check.sh")

    [call] = [call for call in done.calls if "run-task" in call]
    network = call[call.index("--network-configuration") + 1]
    assert network == (
        "awsvpcConfiguration={subnets=[the-SubnetIds],securityGroups=[the-TaskGroupId],assignPublicIp=DISABLED}"
    )


def test_a_command_of_your_own_runs_with_the_releases_role(run):
    done = run("task.sh", "python", "manage.py", "create_buckets", "--origin", "https://a b")

    [call] = [call for call in done.calls if "run-task" in call]
    assert json.loads(call[call.index("--overrides") + 1]) == {
        "containerOverrides": [
            {"name": "release", "command": ["python", "manage.py", "create_buckets", "--origin", "https://a b"]}
        ]
    }


def test_a_new_version_is_changed_with_the_role_for_it(run):
    with_role = run("service.sh", CHANGE_ROLE_ARN="arn:aws:iam::123456789012:role/backoffice-staging-change")
    [call] = [call for call in with_role.calls if "deploy" in call]
    assert call[call.index("--role-arn") + 1].endswith("-change")

    assert not [call for call in run("service.sh").calls if "--role-arn" in call]


@pytest.mark.parametrize(
    ("script", "environment", "status", "message"),
    [
        ("deploy.sh", {"ENVIRONMENT": ""}, 1, "staging or production"),
        ("deploy.sh", {"ENVIRONMENT": "moon"}, 2, "There are no values for moon"),
        ("release.sh", {"VERSION": ""}, 1, "the tag of the version"),
        ("function.sh", {"FUNCTION_ARCHIVE": "/nowhere/function.zip"}, 1, "make lambda"),
    ],
)
def test_says_what_is_missing(run, script, environment, status, message):
    done = run(script, **environment)

    assert (done.status, message in done.errors, done.said()) == (status, True, [])


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_parameter_without_a_default_gets_a_value(environment):
    """From the file of the environment, an output of a stack before, or the version."""
    known = {*read_parameters(environment), "ImageUri"}
    for document in _in_order():
        wanted = {name for name, value in document["Parameters"].items() if "Default" not in value}
        assert wanted <= known
        known |= document.get("Outputs", {}).keys()


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_value_is_for_a_parameter(environment):
    declared = {name for document in _in_order() for name in document["Parameters"]}
    assert read_parameters(environment).keys() <= declared


def _in_order() -> list[dict]:
    documents = Templates.read().documents
    return [documents[name] for name in ORDER]


def test_the_pipeline_has_the_steps_of_the_script():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy-to.yml").read_text())
    [job] = workflow["jobs"].values()
    steps = [line for step in job["steps"] for line in step.get("run", "").split() if line.startswith("deploy/")]
    script = (ROOT / "deploy" / "deploy.sh").read_text()
    assert steps == [f"deploy/{name}" for name in re.findall(r'"\$here/(\w+\.sh)"', script)]
    assert len(steps) == 5


def test_actions_are_pinned_by_commit():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job.get("steps", []):
                assert len(step.get("uses", f"own@{'0' * 40}").rpartition("@")[2]) == 40
