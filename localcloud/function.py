"""The Lambda on the local cloud, as CloudFormation makes it at AWS: role, function and the queue that feeds it."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3

NAME = "backoffice-resizer"
ROLE = f"{NAME}-role"
START_SECONDS = 10
_ASSUMED = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def deploy(
    archive: Path,
    *,
    endpoint_url: str,
    queue_arn: str,
    sources: list[str],
    environment: Mapping[str, str],
    python: str,
) -> None:
    """Create the function, or give it this code and environment, and have it fed by the queue. Safe to repeat.

    `sources` are the buckets that it may read; it may write to the RENDITIONS_BUCKET of its environment only.
    """
    with contextlib.ExitStack() as stack:

        def client(service: str) -> Any:
            return stack.enter_context(contextlib.closing(boto3.client(service, endpoint_url=endpoint_url)))

        role = _role(client("iam"), queue_arn, sources, environment["RENDITIONS_BUCKET"])
        functions = client("lambda")
        _function(functions, archive, role, environment, python)
        mappings = functions.list_event_source_mappings(FunctionName=NAME, EventSourceArn=queue_arn)
        if not mappings["EventSourceMappings"]:
            functions.create_event_source_mapping(
                FunctionName=NAME,
                EventSourceArn=queue_arn,
                BatchSize=5,
                FunctionResponseTypes=["ReportBatchItemFailures"],
            )


def _role(iam: Any, queue_arn: str, sources: list[str], renditions: str) -> str:
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_policy([_ASSUMED]))
    # ListBucket, because without it S3 says "denied" of a missing object.
    read = [(["s3:GetObject"], f"arn:aws:s3:::{name}/*") for name in sources]
    see = [(["s3:ListBucket"], f"arn:aws:s3:::{name}") for name in sources]
    write = [(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{renditions}/*")]
    hear = [(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue_arn)]
    statements = [
        {"Effect": "Allow", "Action": actions, "Resource": resource}
        for actions, resource in [*read, *see, *write, *hear]
    ]
    iam.put_role_policy(RoleName=ROLE, PolicyName="resize", PolicyDocument=_policy(statements))
    return str(iam.get_role(RoleName=ROLE)["Role"]["Arn"])


def _function(functions: Any, archive: Path, role: str, environment: Mapping[str, str], python: str) -> None:
    code, variables = archive.read_bytes(), {"Variables": dict(environment)}
    try:
        functions.create_function(
            FunctionName=NAME,
            Runtime=f"python{python}",
            Handler="resizer.handler.handle",
            Role=role,
            Code={"ZipFile": code},
            Environment=variables,
            MemorySize=512,
            Timeout=60,
        )
    except functions.exceptions.ResourceConflictException:
        functions.update_function_code(FunctionName=NAME, ZipFile=code)
        _wait_until_updated(functions)
        functions.update_function_configuration(FunctionName=NAME, Environment=variables)
    _wait_until_updated(functions)


def _wait_until_updated(functions: Any) -> None:
    until = time.monotonic() + START_SECONDS
    for state in _states(functions):
        if state == ("Active", "Successful") or time.monotonic() > until:
            return
        time.sleep(0.1)


def _states(functions: Any) -> Iterator[tuple[str, str]]:
    while True:
        found = functions.get_function_configuration(FunctionName=NAME)
        yield found["State"], found["LastUpdateStatus"]


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
