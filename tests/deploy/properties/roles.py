"""What each role may do."""

import json
import re
from collections.abc import Callable

from deploy.operations_table import NOBODY, ROLES, actions_of
from tests.deploy.registry import holds
from tests.deploy.templates import Node, Templates, drop, put, put_pattern

STATEMENT = "Policies.0.PolicyDocument.Statement"
# They have no resource of their own, by the service authorization reference of AWS.
WITHOUT_RESOURCE = {
    "application-autoscaling:DescribeScalingPolicies",
    "cloudformation:DescribeStacks",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ecr:GetAuthorizationToken",
    "ecs:DeregisterTaskDefinition",
    "ecs:DescribeTaskDefinition",
    "ecs:RegisterTaskDefinition",
    "rekognition:DetectFaces",
    "s3:ListAllMyBuckets",
}
TASK_ROLES = sorted(ROLES.keys() - {NOBODY})


def _statements(role: Node) -> list[Node]:
    """With those that are there on a condition."""
    statements = [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]
    return [item["Fn::If"][1] if "Fn::If" in item else item for item in statements]


def _when(node: Node, change: Callable[[Node], Node]) -> Node:
    """The same condition with something of what it gives."""
    condition, given, otherwise = node["Fn::If"]
    return {"Fn::If": [condition, change(given), otherwise]}


def _listed(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _actions(role: Node) -> set[str]:
    return {action for statement in _statements(role) for action in _listed(statement["Action"])}


@holds(
    put("WebRole", f"{STATEMENT}.0.Action", ["s3:*"]),
    put("FunctionRole", f"{STATEMENT}.0.Action", "s3:Get*"),
    put("DeployRole", f"{STATEMENT}.1.Action", ["*"]),
    put("WorkerRole", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]),
)
def no_role_has_an_action_by_wildcard(templates: Templates) -> None:
    for role in templates.of_type("IAM::Role").values():
        assert not [action for action in _actions(role) if "*" in action]
        assert "ManagedPolicyArns" not in role


@holds(
    put("WebRole", f"{STATEMENT}.0.Resource", "*"),
    put("WorkerRole", f"{STATEMENT}.0.Resource", ["*"]),
    put("ReleaseRole", f"{STATEMENT}.0.Resource", {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"}),
)
def resources_are_named_where_they_can_be(templates: Templates) -> None:
    for role in templates.of_type("IAM::Role").values():
        for statement in _statements(role):
            if statement["Resource"] == "*":
                assert set(_listed(statement["Action"])) <= WITHOUT_RESOURCE
            else:
                for resource in _listed(statement["Resource"]):
                    assert str(resource) != "*"
                    assert ":::*" not in str(resource)


@holds(
    put("ExecutionRole", f"{STATEMENT}.3.Resource", [{"Ref": "DjangoSecretArn"}]),
    put("ExecutionRole", f"{STATEMENT}.3.Resource.0", {"Ref": "DatabasePasswordArn"}),
    put("WebTask", "ContainerDefinitions.0.Secrets.0.ValueFrom", {"Ref": "OtherSecretArn"}),
    put("ExecutionRole", f"{STATEMENT}.3.Resource.4", {"Ref": "EmailSecretArn"}),
)
def the_execution_role_reads_exactly_the_secrets_of_the_tasks(templates: Templates) -> None:
    used = {
        json.dumps(secret["ValueFrom"] if "ValueFrom" in secret else _when(secret, lambda item: item["ValueFrom"]))
        for task in templates.of_type("ECS::TaskDefinition").values()
        for secret in task["ContainerDefinitions"][0]["Secrets"]
    }
    [statement] = [
        item
        for item in _statements(templates.properties("ExecutionRole"))
        if "secretsmanager:GetSecretValue" in item["Action"]
    ]
    assert {json.dumps(secret) for secret in statement["Resource"]} == used


@holds(
    put("WebRole", f"{STATEMENT}.0.Action", ["secretsmanager:GetSecretValue"]),
    put("WorkerRole", f"{STATEMENT}.0.Action", ["s3:GetObject"]),
    put("CheckRole", f"{STATEMENT}.1.Action", ["rds:DescribeDBInstances", "rds:ModifyDBInstance"]),
    drop("WorkerRole", f"{STATEMENT}.4"),
    put("WebRole", f"{STATEMENT}.2.Fn::If.1.Action.0", "s3:DeleteBucket"),
)
def task_roles_allow_what_the_table_of_operations_says(templates: Templates) -> None:
    """Whatever the conditions are: what they add are resources."""
    for name in TASK_ROLES:
        policies = templates.properties(name)["Policies"]
        always = [item for item in policies[0]["PolicyDocument"]["Statement"] if "Fn::If" not in item]
        assert {action for item in always for action in _listed(item["Action"])} == actions_of(name), name
        assert _actions(templates.properties(name)) == actions_of(name), name


@holds(
    drop("WebRole", f"{STATEMENT}.0.Resource.3"),
    drop("WebRole", f"{STATEMENT}.0.Resource.4"),
    drop("WorkerRole", f"{STATEMENT}.0.Resource.4"),
    drop("WorkerRole", f"{STATEMENT}.1.Resource.1"),
    drop("ReleaseRole", f"{STATEMENT}.2.Resource.1"),
    drop("CheckRole", f"{STATEMENT}.0.Resource.4"),
    put("ConsumerRole", f"{STATEMENT}.0.Resource.1", {"Fn::Sub": "arn:aws:s3:::${StaticBucketName}/*"}),
    put("ConsumerRole", f"{STATEMENT}.2.Resource", {"Fn::Sub": "arn:aws:s3:::${RenditionsBucketName}/*"}),
)
def each_role_reaches_the_buckets_of_its_work(templates: Templates) -> None:
    held = {"Originals", "Renditions", "Uploads", "UploadRenditions", "Files"}
    expected = {
        "WebRole": [held, held],
        "WorkerRole": [held, held],
        "ConsumerRole": [{"Originals", "Renditions"}] * 2 + [{"Originals"}],  # the queue has their events
        "ReleaseRole": [{"Static"}, {*held, "Static"}, {"Originals", "Uploads"}],
        "CheckRole": [{*held, "Static"}],
    }
    for name, wanted in expected.items():
        found = [
            set(re.findall(r"(\w+)BucketName", str(item["Resource"])))
            for item in _statements(templates.properties(name))
        ]
        assert [names for names in found if names] == wanted, name


@holds(
    drop("WebRole", f"{STATEMENT}.2.Fn::If.1.Action.0"),
    put("WorkerRole", f"{STATEMENT}.2.Fn::If.0", "WithEmail"),
    put("WorkerRole", f"{STATEMENT}.3.Fn::If.1.Resource", "*"),
    put_pattern("roles", "ExtraBucketArns", "^$"),
    put_pattern("roles", "ExtraBucketArns", ".*"),
)
def buckets_that_were_there_before_are_used_as_those_of_the_stacks(templates: Templates) -> None:
    for role in ("WebRole", "WorkerRole"):
        objects, buckets, *extra = templates.properties(role)["Policies"][0]["PolicyDocument"]["Statement"]
        for own, of_others in zip((objects, buckets), extra, strict=False):
            condition, given, otherwise = of_others["Fn::If"]
            assert (condition, otherwise) == ("WithExtraBuckets", {"Ref": "AWS::NoValue"})
            assert given["Action"] == own["Action"]
            assert "ExtraBucketArns" in json.dumps(given["Resource"])
    pattern = templates.documents["roles"]["Parameters"]["ExtraBucketArns"]["AllowedPattern"]
    assert re.match(pattern, "arn:aws:s3:::pictures-2019")
    assert not re.match(pattern, "arn:aws:s3:::*")


@holds(
    put("WebRole", "AssumeRolePolicyDocument.Statement.0.Principal", {"AWS": "*"}),
    drop("WorkerRole", "AssumeRolePolicyDocument.Statement.0.Condition"),
    put("FunctionRole", "AssumeRolePolicyDocument.Statement.0.Principal.Service", "ecs-tasks.amazonaws.com"),
)
def roles_are_for_their_service_alone(templates: Templates) -> None:
    for name in (*TASK_ROLES, "ExecutionRole"):
        [statement] = templates.properties(name)["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    [statement] = templates.properties("FunctionRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


@holds(
    put("DeployRole", f"{STATEMENT}.8.Condition", {}),
    put("DeployRole", f"{STATEMENT}.8.Condition.StringEquals.iam:PassedToService", ["ec2.amazonaws.com"]),
    put("DeployRole", f"{STATEMENT}.8.Resource", {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"}),
)
def the_deploy_role_hands_on_only_our_roles_and_only_to_ecs_and_cloudformation(templates: Templates) -> None:
    [statement] = [item for item in _statements(templates.properties("DeployRole")) if item["Action"] == "iam:PassRole"]
    assert statement["Resource"]["Fn::Sub"].endswith(":role/backoffice-${EnvironmentName}-*")
    services = statement["Condition"]["StringEquals"]["iam:PassedToService"]
    assert services == ["ecs-tasks.amazonaws.com", "cloudformation.amazonaws.com"]


# `aws cloudformation deploy` of a stack that is there: which parameters it has, the change set, and how that went.
DEPLOY_CALLS = {
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetTemplateSummary",
}


@holds(
    drop("DeployRole", f"{STATEMENT}.0.Action.1"),
    drop("DeployRole", f"{STATEMENT}.3.Action.5"),
    put("DeployRole", f"{STATEMENT}.3.Resource", {"Fn::Sub": "arn:${AWS::Partition}:cloudformation:*:*:stack/other-*"}),
)
def the_deploy_role_may_send_every_call_of_the_deploy_command_for_our_stacks(templates: Templates) -> None:
    [changes] = [
        item
        for item in _statements(templates.properties("DeployRole"))
        if "cloudformation:CreateChangeSet" in item["Action"]
    ]
    assert set(changes["Action"]) >= DEPLOY_CALLS
    assert changes["Resource"]["Fn::Sub"].endswith(":stack/backoffice-${EnvironmentName}-*")
    assert "cloudformation:DescribeStacks" in _actions(templates.properties("DeployRole"))
