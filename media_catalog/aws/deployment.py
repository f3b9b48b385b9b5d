"""What AWS says of the deployment that this process belongs to. Reads only."""

from datetime import UTC, datetime

from media_catalog.exceptions import AwsNotFound

from .client import call, client


def last_log_event(group: str) -> datetime | None:
    """When a line last arrived in the log group; None when none has, or there is no such group.

    CloudWatch Logs may be an hour behind with this figure.
    """
    try:
        with call():
            answer = client("logs").describe_log_streams(
                logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
            )
    except AwsNotFound:
        return None
    moments = [stream["lastIngestionTime"] for stream in answer["logStreams"] if "lastIngestionTime" in stream]
    return datetime.fromtimestamp(max(moments) / 1000, UTC) if moments else None


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


def blocks_public_access(bucket: str) -> bool:
    """Whether all four blocks are on. One GET; AwsNotFound also when there is no such bucket."""
    with call(bucket=bucket):
        answer = client("s3").get_public_access_block(Bucket=bucket)
    return all(answer["PublicAccessBlockConfiguration"].values())


def own_role() -> str:
    """Name of the role with which we sign, empty when it is none (a user's keys)."""
    with call():
        arn: str = client("sts").get_caller_identity()["Arn"]
    kind, _slash, rest = arn.rpartition(":")[2].partition("/")
    return rest.partition("/")[0] if kind == "assumed-role" else ""
