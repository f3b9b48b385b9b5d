"""The Lambda on the local cloud, as CloudFormation makes it at AWS: role, function and the queue that feeds it."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

NAME = "backoffice-resizer"
ROLE = f"{NAME}-role"
TIMEOUT_SECONDS = 60  # as in lambda/README.md
_ASSUMED = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def deploy(
    archive: Path,
    *,
    endpoint_url: str,
    queue_arn: str,
    pairs: Mapping[str, str],
    environment: Mapping[str, str],
    python: str,
) -> None:
    """Create the function, or give it this code and environment, and have it fed by the queue. Safe to repeat.

    `pairs` has, for each bucket whose objects it takes, the one for their renditions: what it may read and write.
    """
    make: Any = boto3.client
    with contextlib.ExitStack() as stack:

        def client(service: str) -> Any:
            return stack.enter_context(contextlib.closing(make(service, endpoint_url=endpoint_url)))

        role = _role(client("iam"), queue_arn, pairs)
        functions = client("lambda")
        _function(functions, archive, role, {**environment, "RENDITIONS_BUCKETS": json.dumps(dict(pairs))}, python)
        mappings = functions.list_event_source_mappings(FunctionName=NAME, EventSourceArn=queue_arn)
        if not mappings["EventSourceMappings"]:
            functions.create_event_source_mapping(
                FunctionName=NAME,
                EventSourceArn=queue_arn,
                BatchSize=5,
                FunctionResponseTypes=["ReportBatchItemFailures"],
            )


def _role(iam: Any, queue_arn: str, pairs: Mapping[str, str]) -> str:
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_policy([_ASSUMED]))
    # ListBucket, because without it S3 says "denied" of a missing object.
    read = [(["s3:GetObject"], f"arn:aws:s3:::{name}/*") for name in pairs]
    see = [(["s3:ListBucket"], f"arn:aws:s3:::{name}") for name in pairs]
    write = [(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{name}/*") for name in pairs.values()]
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
            Timeout=TIMEOUT_SECONDS,
        )
    except functions.exceptions.ResourceConflictException:
        functions.update_function_code(FunctionName=NAME, ZipFile=code)
        functions.get_waiter("function_updated_v2").wait(FunctionName=NAME)
        functions.update_function_configuration(FunctionName=NAME, Environment=variables)
    functions.get_waiter("function_updated_v2").wait(FunctionName=NAME)


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
