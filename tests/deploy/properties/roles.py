"""What each role may do."""

import json
import re
from collections.abc import Callable

from deploy.operations_table import MANAGED, NOBODY, ROLES, actions_of, managed_actions_of
from tests.deploy.registry import holds
from tests.deploy.templates import Node, Templates, drop, put, put_condition, put_default, put_pattern

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


def _on_condition(role: Node, condition: str) -> list[Node]:
    """The statements that are there on this condition alone; without one, those that are always there."""
    statements = [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]
    if not condition:
        return [item for item in statements if "Fn::If" not in item]
    found = [item["Fn::If"] for item in statements if "Fn::If" in item and item["Fn::If"][0] == condition]
    assert all(otherwise == {"Ref": "AWS::NoValue"} for _condition, _given, otherwise in found)
    return [given for _condition, given, _otherwise in found]


def _when(node: Node, change: Callable[[Node], Node]) -> Node:
    """The same condition with something of what it gives."""
    condition, given, otherwise = node["Fn::If"]
    return {"Fn::If": [condition, change(given), otherwise]}


def _listed(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _actions(statements: list[Node]) -> set[str]:
    return {action for statement in statements for action in _listed(statement["Action"])}


@holds(
    put("WebRole", f"{STATEMENT}.0.Action", ["s3:*"]),
    put("FunctionRole", f"{STATEMENT}.0.Action", "s3:Get*"),
    put("DeployRole", f"{STATEMENT}.1.Action", ["*"]),
    put("WorkerRole", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]),
)
def no_role_has_an_action_by_wildcard(templates: Templates) -> None:
    for role in templates.of_type("IAM::Role").values():
        assert not [action for action in _actions(_statements(role)) if "*" in action]
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
    put("WebRole", f"{STATEMENT}.5.Fn::If.0", "WithExtraBuckets"),
    put("WorkerRole", f"{STATEMENT}.5.Fn::If.1.Action.5", "s3:PutBucketPolicy"),
    drop("WorkerRole", f"{STATEMENT}.6"),
)
def task_roles_allow_what_the_table_of_operations_says(templates: Templates) -> None:
    """Whatever the conditions are: what they add are resources, but for buckets that staff make."""
    for name in TASK_ROLES:
        role = templates.properties(name)
        assert _actions(_on_condition(role, "")) == actions_of(name), name
        managed = _on_condition(role, "WithManagedBuckets")
        elsewhere = [item for item in _statements(role) if item not in managed]
        assert _actions(elsewhere) == actions_of(name), name
        assert _actions(managed) - actions_of(name) == managed_actions_of(name), name


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
    drop("WebRole", f"{STATEMENT}.4.Fn::If.1.Action.5"),
    drop("WorkerRole", f"{STATEMENT}.6.Fn::If.1.Action.1"),
    drop("WorkerRole", f"{STATEMENT}.5.Fn::If.1.Action.5"),
    put("WebRole", f"{STATEMENT}.5.Fn::If.2", {"Effect": "Allow"}),
    put("WebRole", f"{STATEMENT}.4.Fn::If.1.Resource", {"Fn::Sub": "arn:${AWS::Partition}:s3:::backoffice-*/*"}),
    put("WorkerRole", f"{STATEMENT}.6.Fn::If.1.Resource", {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"}),
)
def buckets_that_staff_make_are_used_as_those_of_the_stacks_and_administered(templates: Templates) -> None:
    for name in MANAGED:
        role = templates.properties(name)
        own, managed = _on_condition(role, "")[:2], _on_condition(role, "WithManagedBuckets")
        besides = [set(item["Action"]) - set(kept["Action"]) for item, kept in zip(managed, own, strict=True)]
        of_objects = {action for action in managed_actions_of(name) if "Object" in action}
        assert besides == [of_objects, managed_actions_of(name) - of_objects], name
        assert all(set(kept["Action"]) <= set(item["Action"]) for item, kept in zip(managed, own, strict=True)), name
        named = "arn:${AWS::Partition}:s3:::${ManagedBucketPrefix}*"
        assert [item["Resource"] for item in managed] == [{"Fn::Sub": f"{named}/*"}, {"Fn::Sub": named}], name


@holds(
    put_default("roles", "ManagedBucketPrefix", "acme-media-"),
    put_default("service", "ManagedBucketPrefix", "acme-media-"),
    put_condition("roles", "WithManagedBuckets", {"Fn::Equals": ["yes", "yes"]}),
    put_pattern("roles", "ManagedBucketPrefix", ".*"),
    put_pattern("roles", "ManagedBucketPrefix", "^([a-z0-9.-]+-)?$"),
    put_pattern("roles", "ManagedBucketPrefix", "^((?!backoffice)[a-z0-9.-]+)?$"),
    put_pattern("roles", "ManagedBucketPrefix", "^$"),
    put_pattern("roles", "ManagedBucketPrefix", "^acme-media-$"),
    put("WebTask", "ContainerDefinitions.0.Environment.19.Value", ""),
)
def only_buckets_of_a_prefix_that_was_asked_for_are_administered(templates: Templates) -> None:
    """Never those of the stacks; and the page that makes buckets tells the prefix."""
    roles, service = templates.documents["roles"], templates.documents["service"]
    assert [item["Parameters"]["ManagedBucketPrefix"]["Default"] for item in (roles, service)] == ["", ""]
    empty = {"Fn::Equals": [{"Ref": "ManagedBucketPrefix"}, ""]}
    assert roles["Conditions"]["WithManagedBuckets"] == {"Fn::Not": [empty]}
    pattern = roles["Parameters"]["ManagedBucketPrefix"]["AllowedPattern"]
    assert all(re.match(pattern, prefix) for prefix in ("", "acme-media-", "acme.media-staging-"))
    wide = ("*", "a-", "backoffice-", "backoffice-staging-", "back", "backoffice", "acme", "acme-*-", "${x}-", "acme-*")
    assert not [prefix for prefix in wide if re.match(pattern, prefix)]
    given = templates.properties("WebTask")["ContainerDefinitions"][0]["Environment"]
    assert {"Name": "MANAGED_BUCKET_PREFIX", "Value": {"Ref": "ManagedBucketPrefix"}} in given


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
    assert "cloudformation:DescribeStacks" in _actions(_statements(templates.properties("DeployRole")))
