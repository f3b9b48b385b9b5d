"""The stack that stands alone, with what direct uploads need: uploads.yaml."""

import functools
import json

from tests.deploy.properties.storage import DELETE_MARKERS, ONLY_TLS, PRIVATE
from tests.deploy.registry import holds
from tests.deploy.templates import Node, Templates, drop, put, put_default, put_on, remove

alone = functools.partial(holds, read=Templates.uploads)
STATEMENT = "Policies.0.PolicyDocument.Statement"
RULES = "LifecycleConfiguration.Rules"
SENDER = "PolicyDocument.Statement.0"


def _buckets(templates: Templates) -> dict[str, Node]:
    found = templates.of_type("S3::Bucket")
    assert found.keys() == {"Uploads", "Renditions"}
    return found


def _ours(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{name}"}


@alone(
    remove("Renditions"),
    put("Renditions", "PublicAccessBlockConfiguration.BlockPublicAcls", False),
    put("Uploads", "OwnershipControls.Rules.0.ObjectOwnership", "ObjectWriter"),
    put(
        "Uploads",
        "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm",
        "none",
    ),
    put("Renditions", "VersioningConfiguration.Status", "Suspended"),
    put_on("Uploads", "DeletionPolicy", "Delete"),
)
def new_buckets_are_private_encrypted_versioned_and_kept(templates: Templates) -> None:
    for name, bucket in _buckets(templates).items():
        assert bucket["PublicAccessBlockConfiguration"] == PRIVATE
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
        resource = templates.resource(name)
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


@alone(
    remove("RenditionsTls"),
    put("UploadsTls", f"{SENDER}.Effect", "Allow"),
    put("UploadsTls", f"{SENDER}.Condition", {"Bool": {"aws:SecureTransport": "true"}}),
    put("RenditionsTls", f"{SENDER}.Resource", []),
    put("RenditionsTls", f"{SENDER}.Principal", {"Service": "s3.amazonaws.com"}),
)
def new_buckets_refuse_what_is_not_tls(templates: Templates) -> None:
    policies = {item["Bucket"]["Ref"]: item for item in templates.of_type("S3::BucketPolicy").values()}
    for name in _buckets(templates):
        [statement] = policies[name]["PolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Condition"] == ONLY_TLS
        assert statement["Resource"] == [{"Fn::GetAtt": f"{name}.Arn"}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


@alone(
    put("Uploads", "CorsConfiguration.CorsRules.0.AllowedOrigins", ["*"]),
    put("Uploads", "CorsConfiguration.CorsRules.0.AllowedMethods", ["GET", "PUT", "DELETE"]),
    put("Renditions", "CorsConfiguration", {"CorsRules": []}),
)
def browsers_may_upload_from_one_origin(templates: Templates) -> None:
    buckets = _buckets(templates)
    [rule] = buckets["Uploads"]["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == [{"Ref": "CorsOrigin"}]
    assert rule["AllowedMethods"] == ["GET", "HEAD", "POST"]
    assert "CorsConfiguration" not in buckets["Renditions"]


@alone(
    drop("Renditions", f"{RULES}.1"),
    put("Uploads", f"{RULES}.2.Status", "Disabled"),
    put("Uploads", f"{RULES}.3.Fn::If.0", "Make"),
    put("Uploads", f"{RULES}.3.Fn::If.1.Prefix", ""),
    put("Uploads", f"{RULES}.3.Fn::If.1.ExpirationInDays", 1),
    put_default("uploads", "TemporaryDays", 7),
    put("Renditions", f"{RULES}.0", {"Id": "all", "Status": "Enabled", "ExpirationInDays": 30}),
)
def uploads_expire_where_days_are_given_and_renditions_never_do(templates: Templates) -> None:
    """Delete markers go with the last version behind them."""
    buckets = _buckets(templates)
    for bucket in buckets.values():
        assert DELETE_MARKERS in bucket["LifecycleConfiguration"]["Rules"]
    *_rules, temporary = buckets["Uploads"]["LifecycleConfiguration"]["Rules"]
    condition, rule, otherwise = temporary["Fn::If"]
    assert (condition, otherwise) == ("TemporaryExpires", {"Ref": "AWS::NoValue"})
    assert (rule["Prefix"], rule["ExpirationInDays"]) == ({"Ref": "TemporaryPath"}, {"Ref": "TemporaryDays"})
    assert templates.documents["uploads"]["Parameters"]["TemporaryDays"]["Default"] == 0
    assert "ExpirationInDays" not in str(buckets["Renditions"]["LifecycleConfiguration"])


@alone(
    put("Uploads", "NotificationConfiguration.QueueConfigurations.0.Event", "s3:ObjectRemoved:*"),
    put("Uploads", "NotificationConfiguration.QueueConfigurations.0.Filter.S3Key.Rules.0.Value", "elsewhere/"),
    put("Uploads", "NotificationConfiguration.QueueConfigurations.0.Queue", {"Fn::GetAtt": "DeadLetters.Arn"}),
    put_on("Uploads", "DependsOn", "Queue"),
    put("Renditions", "NotificationConfiguration", {"QueueConfigurations": []}),
)
def uploads_alone_are_told_to_the_queue(templates: Templates) -> None:
    """The queue must allow it before the bucket asks for it, or the stack fails."""
    buckets = _buckets(templates)
    [told] = buckets["Uploads"]["NotificationConfiguration"]["QueueConfigurations"]
    assert (told["Event"], told["Queue"]) == ("s3:ObjectCreated:*", {"Fn::GetAtt": "Queue.Arn"})
    assert told["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": {"Ref": "TemporaryPath"}}]
    assert templates.resource("Uploads")["DependsOn"] == "QueuePolicy"
    assert "NotificationConfiguration" not in buckets["Renditions"]


@alone(
    put("QueuePolicy", f"{SENDER}.Principal", "*"),
    put("QueuePolicy", f"{SENDER}.Action", "sqs:*"),
    drop("QueuePolicy", f"{SENDER}.Condition.StringEquals"),
    put("QueuePolicy", f"{SENDER}.Condition.ArnEquals.aws:SourceArn", "*"),
)
def only_the_bucket_writes_to_the_queue(templates: Templates) -> None:
    [statement] = templates.properties("QueuePolicy")["PolicyDocument"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"Service": "s3.amazonaws.com"}, "sqs:SendMessage")
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnEquals": {"aws:SourceArn": _ours("${BucketName}")},
    }


@alone(
    put("Queue", "VisibilityTimeout", 60),
    put("Queue", "SqsManagedSseEnabled", False),
    drop("DeadLetters", "SqsManagedSseEnabled"),
    put("Queue", "RedrivePolicy.deadLetterTargetArn", {"Fn::GetAtt": "Queue.Arn"}),
    put("Events", "EventSourceArn", {"Fn::GetAtt": "DeadLetters.Arn"}),
    drop("Events", "FunctionResponseTypes"),
)
def the_queue_shows_a_message_to_one_at_a_time_and_gives_up_into_dead_letters(templates: Templates) -> None:
    queue, dead = templates.properties("Queue"), templates.properties("DeadLetters")
    assert queue["SqsManagedSseEnabled"] is dead["SqsManagedSseEnabled"] is True
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": "DeadLetters.Arn"}
    assert queue["VisibilityTimeout"] >= 6 * templates.properties("Function")["Timeout"]
    events = templates.properties("Events")
    assert events["EventSourceArn"] == {"Fn::GetAtt": "Queue.Arn"}
    assert events["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@alone(
    put("Role", f"{STATEMENT}.0.Action", "s3:*"),
    put("Role", f"{STATEMENT}.0.Resource", "*"),
    put("Role", f"{STATEMENT}.2.Resource", {"Fn::Sub": "arn:${AWS::Partition}:s3:::${RenditionsBucketName}/*"}),
    put("Role", f"{STATEMENT}.5.Fn::If.1.Resource", "*"),
    put("Role", f"{STATEMENT}.5.Fn::If.0", "Make"),
    put("Role", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]),
    put("Role", "AssumeRolePolicyDocument.Statement.0.Principal", {"AWS": "*"}),
)
def the_function_may_do_no_more_than_it_needs(templates: Templates) -> None:
    role = templates.properties("Role")
    assert "ManagedPolicyArns" not in role
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    [policy] = role["Policies"]
    *always, reports = policy["PolicyDocument"]["Statement"]
    condition, signing, otherwise = reports["Fn::If"]
    assert (condition, otherwise) == ("Reports", {"Ref": "AWS::NoValue"})
    assert {(str(each["Action"]), json.dumps(each["Resource"])) for each in [*always, signing]} == {
        ("s3:GetObject", json.dumps(_ours("${BucketName}/${TemporaryPath}*"))),
        ("s3:ListBucket", json.dumps(_ours("${BucketName}"))),
        ("['s3:GetObject', 's3:PutObject']", json.dumps(_ours("${RenditionsBucketName}/image/*"))),
        ("['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes']", '{"Fn::GetAtt": "Queue.Arn"}'),
        ("['logs:CreateLogStream', 'logs:PutLogEvents']", '{"Fn::GetAtt": "Logs.Arn"}'),
        ("secretsmanager:GetSecretValue", '{"Ref": "CallbackSecretArn"}'),
    }


@alone(
    put("Function", "Environment.Variables.CALLBACK_SECRET", "hunter2"),
    put("Function", "Environment.Variables.CALLBACK_SECRET_ARN", {"Ref": "CallbackSecretArn"}),
    put("Logs", "RetentionInDays", 3650),
    put("Function", "LoggingConfig", {}),
)
def the_functions_secret_is_only_named_and_its_log_is_kept_for_two_weeks(templates: Templates) -> None:
    variables = templates.properties("Function")["Environment"]["Variables"]
    assert "CALLBACK_SECRET" not in variables
    assert variables["CALLBACK_SECRET_ARN"]["Fn::If"] == [
        "Reports",
        {"Ref": "CallbackSecretArn"},
        {"Ref": "AWS::NoValue"},
    ]
    assert templates.properties("Logs")["RetentionInDays"] == 14
    assert templates.properties("Function")["LoggingConfig"] == {"LogGroup": {"Ref": "Logs"}}
