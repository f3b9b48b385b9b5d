"""The stacks are created on the local cloud, in the order of the deployment, and are wired to each other."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from deploy import operations_table
from localcloud.process import RunningCloud, running
from resizer import settings
from tests.cloud import ACCOUNT
from tests.deploy.stacks import UNKNOWN_TYPES, CloudFormation

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def aws(tmp_path_factory) -> Iterator[Client]:
    """Clients of a local cloud of its own."""
    with running(tmp_path_factory.mktemp("cloud"), account=ACCOUNT) as cloud:
        yield lambda service: _client(cloud, service)


def _client(cloud: RunningCloud, service: str) -> Any:
    return boto3.client(service, endpoint_url=cloud.endpoint_url, region_name="us-east-1")


@pytest.fixture(scope="module")
def outputs(aws) -> dict[str, str]:
    return CloudFormation(aws("cloudformation")).create_all()


def _queue_arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:000000000000:backoffice-staging-{name}"


def test_a_new_original_is_told_to_the_consumers_queue(aws, outputs):
    """By an event that really arrives."""
    aws("s3").put_object(Bucket=outputs["OriginalsBucketName"], Key="folder/a b é.jpg", Body=b"x")
    queue = aws("sqs").get_queue_url(QueueName=outputs["EventsQueueName"])["QueueUrl"]

    keys: list[str] = []
    for _attempt in range(5):
        for message in aws("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=2).get("Messages", []):
            records = json.loads(message["Body"]).get("Records", [])
            keys += [record["s3"]["object"]["key"] for record in records]
        if keys:
            break
    assert keys == ["folder/a+b+%C3%A9.jpg"]


@pytest.mark.parametrize(
    ("bucket", "told"),
    [
        ("OriginalsBucketName", {"s3:ObjectCreated:*": "events", "s3:ObjectRemoved:*": "events"}),
        ("UploadsBucketName", {"s3:ObjectCreated:*": "resize"}),
    ],
)
def test_buckets_tell_their_queues(aws, outputs, bucket, told):
    found = aws("s3").get_bucket_notification_configuration(Bucket=outputs[bucket])["QueueConfigurations"]
    queues = {event: entry["QueueArn"] for entry in found for event in entry["Events"]}
    assert queues == {event: _queue_arn(queue) for event, queue in told.items()}


@pytest.mark.parametrize("name", ["events", "resize"])
def test_queues_give_up_into_their_dead_letter_queues(aws, outputs, name):
    url = aws("sqs").get_queue_url(QueueName=f"backoffice-staging-{name}")["QueueUrl"]
    attributes = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"] == _queue_arn(f"{name}-dead")


def test_the_function_takes_from_its_queue_by_its_alias(aws, outputs):
    [mapping] = aws("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["EventSourceArn"] == _queue_arn("resize")
    assert mapping["FunctionArn"].endswith(":function:backoffice-staging-resizer:live")


def test_the_function_understands_its_environment(aws, outputs):
    """By its own reader: a name that differs would be a setting that is missing."""
    function = aws("lambda").get_function(FunctionName="backoffice-staging-resizer")["Configuration"]
    found = settings.read(function["Environment"]["Variables"])

    assert found.renditions == {
        outputs["OriginalsBucketName"]: outputs["RenditionsBucketName"],
        outputs["UploadsBucketName"]: outputs["UploadRenditionsBucketName"],
    }
    assert (found.upload_bucket, found.temp_prefix) == (outputs["UploadsBucketName"], outputs["TemporaryPath"])
    assert found.callback is not None
    assert found.callback.url == f"https://{outputs['SiteDomain']}/async_image/presignedurl/"
    assert found.callback.secret_arn == outputs["CallbackSecretArn"]
    assert function["Handler"] == "resizer.handler.handle"


@pytest.mark.parametrize(
    "bucket", ["Originals", "Uploads", "Renditions", "UploadRenditions", "Files", "Static", "Artifacts"]
)
def test_buckets_are_private_and_versioned(aws, outputs, bucket):
    name = outputs[f"{bucket}BucketName"]
    block = aws("s3").get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert aws("s3").get_bucket_versioning(Bucket=name)["Status"] == "Enabled"


def test_the_site_may_upload_to_the_buckets_for_it(aws, outputs):
    for bucket in ("OriginalsBucketName", "UploadsBucketName"):
        [rule] = aws("s3").get_bucket_cors(Bucket=outputs[bucket])["CORSRules"]
        assert rule["AllowedOrigins"] == ["https://backoffice-staging.example.internal"]


def test_the_addresses_of_database_and_cache_hold_the_generated_passwords(aws, outputs):
    secrets = aws("secretsmanager")
    for address, password in (("database", "database-password"), ("cache", "cache-password")):
        generated = secrets.get_secret_value(SecretId=f"backoffice/staging/{password}")["SecretString"]
        assert len(generated) >= 40
        assert f":{generated}@" in secrets.get_secret_value(SecretId=f"backoffice/staging/{address}")["SecretString"]


def test_the_load_balancer_forwards_https_to_the_web_service(aws, outputs):
    balancing = aws("elbv2")
    [balancer] = balancing.describe_load_balancers()["LoadBalancers"]
    listeners = balancing.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    actions = {listener["Port"]: listener["DefaultActions"][0] for listener in listeners}
    [targets] = balancing.describe_target_groups()["TargetGroups"]
    [service] = aws("ecs").describe_services(cluster=outputs["ClusterName"], services=["web"])["services"]

    assert balancer["Scheme"] == "internal"
    assert actions[443]["TargetGroupArn"] == targets["TargetGroupArn"]
    assert actions[80]["Type"] == "redirect"
    assert (targets["HealthCheckPath"], targets["TargetType"]) == ("/readyz", "ip")
    [target] = service["loadBalancers"]
    assert (target["targetGroupArn"], target["containerPort"]) == (targets["TargetGroupArn"], 8000)


@pytest.mark.parametrize("name", ["web", "worker", "consumer"])
def test_services_run_their_tasks_in_the_private_subnets(aws, outputs, name):
    ecs = aws("ecs")
    [service] = ecs.describe_services(cluster=outputs["ClusterName"], services=[name])["services"]
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    assert network["subnets"] == outputs["SubnetIds"].split(",")
    assert network["securityGroups"] == [outputs["TaskGroupId"]]
    task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    assert task["taskRoleArn"] == outputs[f"{name.title()}RoleArn"]
    assert task["executionRoleArn"] == outputs["ExecutionRoleArn"]
    assert task["containerDefinitions"][0]["image"] == outputs["ImageUri"]


def test_no_role_administers_buckets_unless_that_is_asked_for(aws, outputs):
    for role in operations_table.MANAGED:
        kind = role.removesuffix("Role").lower()
        [name] = aws("iam").list_role_policies(RoleName=f"backoffice-staging-{kind}")["PolicyNames"]
        policy = aws("iam").get_role_policy(RoleName=f"backoffice-staging-{kind}", PolicyName=name)["PolicyDocument"]
        allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
        assert allowed == operations_table.actions_of(role)


@pytest.mark.parametrize("prefix", ["backoffice-staging-", "acme", "*-"])
def test_buckets_of_the_stacks_and_of_everybody_are_never_asked_for(aws, outputs, prefix):
    given = {**outputs, "ManagedBucketPrefix": prefix}
    with pytest.raises(ClientError, match="ManagedBucketPrefix"):
        CloudFormation(aws("cloudformation")).create("roles", stack="other-roles", **given)


def test_an_existing_network_is_taken_as_it_is(aws, outputs):
    given = {"ExistingVpcId": outputs["VpcId"], "ExistingSubnetIds": outputs["SubnetIds"]}
    before = _networks(aws)
    found = CloudFormation(aws("cloudformation")).create("network", stack="existing-network", **given)

    assert _networks(aws) == before
    assert (found["VpcId"], found["SubnetIds"]) == (outputs["VpcId"], outputs["SubnetIds"])
    assert found["TaskGroupId"] != outputs["TaskGroupId"]


def _networks(aws) -> dict[str, int]:
    ec2 = aws("ec2")
    return {
        "networks": len(ec2.describe_vpcs()["Vpcs"]),
        "subnets": len(ec2.describe_subnets()["Subnets"]),
        "endpoints": len(ec2.describe_vpc_endpoints()["VpcEndpoints"]),
    }


def test_logs_are_kept_for_two_weeks(aws, outputs):
    groups = {group["logGroupName"]: group for group in aws("logs").describe_log_groups()["logGroups"]}
    for kind in ("Web", "Worker", "Consumer", "Release", "Check"):
        assert groups[outputs[f"{kind}LogGroup"]]["retentionInDays"] == 14


def test_alarms_are_told_to_the_topic(aws, outputs):
    alarms = aws("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) > 20
    assert {action for alarm in alarms for action in alarm["AlarmActions"]} == {outputs["TopicArn"]}


def test_data_lives_in_the_private_network(aws, outputs):
    [database] = aws("rds").describe_db_instances()["DBInstances"]
    assert database["PubliclyAccessible"] is False
    assert [group["VpcSecurityGroupId"] for group in database["VpcSecurityGroups"]] == [outputs["DataGroupId"]]


@pytest.mark.parametrize("kind", sorted(UNKNOWN_TYPES))
def test_what_is_left_out_is_still_unknown_to_the_local_cloud(aws, kind):
    template = {"Resources": {"Unknown": {"Type": kind, "Properties": {}}}}

    with pytest.raises(ClientError, match=f"Unrecognized resource types: .{kind}."):
        aws("cloudformation").create_stack(StackName="unknown", TemplateBody=json.dumps(template))
