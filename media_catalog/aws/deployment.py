"""What AWS says of the deployment that this process belongs to. Reads only."""

from datetime import datetime

from media_catalog.exceptions import AwsNotFound

from .client import call, client


def has_log_lines(group: str, *, since: datetime) -> bool:
    """Whether a line has come to the log group since then. One request for each part of the group that is searched."""
    pages = client("logs").get_paginator("filter_log_events")
    try:
        with call():
            found = pages.paginate(logGroupName=group, startTime=int(since.timestamp() * 1000), limit=1)
            return any(page["events"] for page in found)
    except AwsNotFound:
        return False


def scaling_policies(service: str) -> list[str]:
    """Names of the scaling policies of an ECS service (`cluster/name`)."""
    with call():
        answer = client("application-autoscaling").describe_scaling_policies(
            ServiceNamespace="ecs", ResourceId=f"service/{service}"
        )
    return [policy["PolicyName"] for policy in answer["ScalingPolicies"]]


def backup_days(database: str) -> int | None:
    """For how many days RDS keeps the instance's backups; None when there is no such instance."""
    try:
        with call():
            answer = client("rds").describe_db_instances(DBInstanceIdentifier=database)
    except AwsNotFound:
        return None
    return int(answer["DBInstances"][0]["BackupRetentionPeriod"])


def own_role() -> str:
    """Name of the role with which we sign, empty when it is none (a user's keys)."""
    with call():
        arn: str = client("sts").get_caller_identity()["Arn"]
    kind, _slash, rest = arn.rpartition(":")[2].partition("/")
    return rest.partition("/")[0] if kind == "assumed-role" else ""
