"""Buckets, queues, the function."""

import json

from tests.deploy.registry import holds
from tests.deploy.templates import Node, Templates, add, drop, put, put_default, put_on, remove

QUEUES = ("Events", "Resize")
PRIVATE = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}
TOLD = "NotificationConfiguration.QueueConfigurations"
ONLY_TLS = {"Bool": {"aws:SecureTransport": "false"}}
DELETE_MARKERS = {"Id": "markers", "Status": "Enabled", "ExpiredObjectDeleteMarker": True}


def _buckets(templates: Templates) -> dict[str, Node]:
    found = templates.of_type("S3::Bucket")
    names = ("Artifacts", "Files", "Originals", "Renditions", "Static", "UploadRenditions", "Uploads")
    assert found.keys() == {f"{name}Bucket" for name in names}
    return found


@holds(
    put("OriginalsBucket", "PublicAccessBlockConfiguration.BlockPublicPolicy", False),
    drop("StaticBucket", "PublicAccessBlockConfiguration.IgnorePublicAcls"),
    put("FilesBucket", "PublicAccessBlockConfiguration.RestrictPublicBuckets", False),
    remove("FilesBucket"),
    add("storage", "S3::Bucket"),
    put("UploadsBucket", "OwnershipControls.Rules.0.ObjectOwnership", "ObjectWriter"),
)
def buckets_are_private(templates: Templates) -> None:
    for bucket in _buckets(templates).values():
        assert bucket["PublicAccessBlockConfiguration"] == PRIVATE
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@holds(
    drop("RenditionsBucket", "BucketEncryption"),
    put(
        "FilesBucket",
        "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm",
        "none",
    ),
    put("FilesBucket", "VersioningConfiguration.Status", "Suspended"),
    put("OriginalsBucket", "VersioningConfiguration.Status", "Suspended"),
    put_on("OriginalsBucket", "DeletionPolicy", "Delete"),
)
def buckets_are_encrypted_versioned_and_kept(templates: Templates) -> None:
    for name, bucket in _buckets(templates).items():
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
        assert templates.resource(name)["DeletionPolicy"] == "Retain"


@holds(
    remove("UploadsBucketPolicy"),
    remove("FilesBucketPolicy"),
    put("OriginalsBucketPolicy", "PolicyDocument.Statement.0.Effect", "Allow"),
    put("StaticBucketPolicy", "PolicyDocument.Statement.0.Condition", {"Bool": {"aws:SecureTransport": "true"}}),
    put("RenditionsBucketPolicy", "PolicyDocument.Statement.0.Resource", []),
)
def buckets_refuse_what_is_not_tls(templates: Templates) -> None:
    policies = {item["Bucket"]["Ref"]: item for item in templates.of_type("S3::BucketPolicy").values()}
    for name in _buckets(templates):
        statement = policies[name]["PolicyDocument"]["Statement"][0]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == ONLY_TLS
        assert statement["Resource"] == [{"Fn::GetAtt": f"{name}.Arn"}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


@holds(
    put("OriginalsBucketPolicy", "PolicyDocument.Statement.0", {"Effect": "Allow", "Principal": "*"}),
    put("StaticBucketPolicy", "PolicyDocument.Statement.1.Fn::If.1.Condition", {}),
    put("StaticBucketPolicy", "PolicyDocument.Statement.1.Fn::If.1.Action", "s3:*"),
    put(
        "StaticBucketPolicy",
        "PolicyDocument.Statement.1.Fn::If.1.Condition.StringEquals.AWS:SourceArn",
        {"Fn::Sub": "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/*"},
    ),
)
def only_our_distribution_is_let_in_by_a_bucket_policy(templates: Templates) -> None:
    allowing = {
        name: statement["Fn::If"][1] if "Fn::If" in statement else statement
        for name, policy in templates.of_type("S3::BucketPolicy").items()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Effect") != "Deny"
    }
    assert allowing.keys() == {"StaticBucketPolicy"}
    assert allowing["StaticBucketPolicy"]["Action"] == "s3:GetObject"
    source = allowing["StaticBucketPolicy"]["Condition"]["StringEquals"]["AWS:SourceArn"]["Fn::Sub"]
    assert source.endswith(":distribution/${Distribution}")


@holds(
    put("OriginalsBucket", "CorsConfiguration.CorsRules.0.AllowedOrigins", ["*"]),
    put("UploadsBucket", "CorsConfiguration.CorsRules.0.AllowedMethods", ["GET", "PUT", "DELETE"]),
    drop("UploadsBucket", "CorsConfiguration"),
    put("FilesBucket", "CorsConfiguration", {"CorsRules": []}),
)
def browsers_may_upload_from_the_site_alone(templates: Templates) -> None:
    for name, bucket in _buckets(templates).items():
        if name not in ("OriginalsBucket", "UploadsBucket"):
            assert "CorsConfiguration" not in bucket
            continue
        [rule] = bucket["CorsConfiguration"]["CorsRules"]
        assert rule["AllowedOrigins"] == [{"Fn::Sub": "https://${SiteDomain}"}]
        assert rule["AllowedMethods"] == ["GET", "HEAD", "POST"]


@holds(
    put("StaticBucket", "LifecycleConfiguration.Rules", []),
    drop("UploadsBucket", "LifecycleConfiguration.Rules.3"),
    put("UploadsBucket", "LifecycleConfiguration.Rules.3.Fn::If.0", "WithCloudFront"),
    put_default("storage", "TemporaryDays", 7),
    put("FilesBucket", "LifecycleConfiguration.Rules.1", {"Id": "old-versions", "ExpirationInDays": 30}),
    put(
        "OriginalsBucket", "LifecycleConfiguration.Rules.0", {"Id": "all", "Status": "Enabled", "ExpirationInDays": 30}
    ),
)
def leftovers_expire_and_originals_never_do(templates: Templates) -> None:
    for name, bucket in _buckets(templates).items():
        rules = bucket["LifecycleConfiguration"]["Rules"]
        assert {"unfinished", "old-versions"} <= {rule.get("Id") for rule in rules}
        expiring = [rule for rule in rules if "ExpirationInDays" in str(rule)]
        assert len(expiring) == (name == "UploadsBucket")
    temporary = templates.properties("UploadsBucket")["LifecycleConfiguration"]["Rules"][3]["Fn::If"]
    assert temporary[0] == "TemporaryExpires"
    assert templates.documents["storage"]["Parameters"]["TemporaryDays"]["Default"] == 0


@holds(
    drop("FilesBucket", "LifecycleConfiguration.Rules.2"),
    put("OriginalsBucket", "LifecycleConfiguration.Rules.2.Status", "Disabled"),
    drop("ArtifactsBucket", "LifecycleConfiguration.Rules.2.ExpiredObjectDeleteMarker"),
)
def delete_markers_go_with_the_last_version_behind_them(templates: Templates) -> None:
    """Each deletion leaves one: without the rule they pile up for ever and slow down every listing of versions."""
    for bucket in _buckets(templates).values():
        assert DELETE_MARKERS in bucket["LifecycleConfiguration"]["Rules"]


@holds(
    put("UploadsBucket", f"{TOLD}.0.Queue", {"Fn::GetAtt": "EventsQueue.Arn"}),
    drop("OriginalsBucket", "NotificationConfiguration"),
    put("OriginalsBucket", f"{TOLD}.0.Queue", {"Fn::GetAtt": "ResizeQueue.Arn"}),
    put("OriginalsBucket", f"{TOLD}.0.Event", "s3:ObjectCreated:Put"),
    put("OriginalsBucket", f"{TOLD}.1.Queue", {"Fn::GetAtt": "ResizeQueue.Arn"}),
    put_on("OriginalsBucket", "DependsOn", "ResizeQueuePolicy"),
    drop("RenditionsBucket", "NotificationConfiguration"),
    put("RenditionsBucket", f"{TOLD}.Fn::If.0", "Production"),
    drop("EventsQueuePolicy", "PolicyDocument.Statement.0.Condition.ArnEquals.aws:SourceArn.1"),
    put("UploadRenditionsBucket", "NotificationConfiguration", {"QueueConfigurations": []}),
)
def new_objects_are_told_to_the_queue_of_their_engine(templates: Templates) -> None:
    """The queue must allow it before the bucket asks for it, or the stack fails."""
    originals, gone = templates.properties("OriginalsBucket")["NotificationConfiguration"]["QueueConfigurations"]
    [uploads] = templates.properties("UploadsBucket")["NotificationConfiguration"]["QueueConfigurations"]
    resize, events = {"Fn::GetAtt": "ResizeQueue.Arn"}, {"Fn::GetAtt": "EventsQueue.Arn"}
    assert originals["Queue"] == {"Fn::If": ["ByFunction", resize, events]}
    assert uploads["Queue"] == resize
    assert originals["Event"] == uploads["Event"] == "s3:ObjectCreated:*"
    assert gone == {"Event": "s3:ObjectRemoved:*", "Queue": events}
    assert templates.resource("OriginalsBucket")["DependsOn"] == ["EventsQueuePolicy", "ResizeQueuePolicy"]
    # Thumbnails of the function; those of uploads it reports by the callback.
    condition, told, otherwise = templates.properties("RenditionsBucket")["NotificationConfiguration"][
        "QueueConfigurations"
    ]["Fn::If"]
    assert (condition, told[0]["Queue"], otherwise) == ("ByFunction", events, {"Ref": "AWS::NoValue"})
    assert "NotificationConfiguration" not in templates.properties("UploadRenditionsBucket")
    [statement] = templates.properties("EventsQueuePolicy")["PolicyDocument"]["Statement"]
    senders = [source["Fn::Sub"].split("-")[-2] for source in statement["Condition"]["ArnEquals"]["aws:SourceArn"]]
    assert senders == ["originals", "renditions"]


@holds(
    drop("EventsQueue", "RedrivePolicy"),
    put("ResizeQueue", "RedrivePolicy.deadLetterTargetArn", {"Fn::GetAtt": "ResizeQueue.Arn"}),
    put("EventsDeadLetters", "SqsManagedSseEnabled", False),
    put("ResizeDeadLetters", "MessageRetentionPeriod", 3600),
)
def queues_are_encrypted_and_have_a_dead_letter_queue(templates: Templates) -> None:
    for name in QUEUES:
        queue, dead = templates.properties(f"{name}Queue"), templates.properties(f"{name}DeadLetters")
        assert queue["SqsManagedSseEnabled"] is dead["SqsManagedSseEnabled"] is True
        assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": f"{name}DeadLetters.Arn"}
        assert dead["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]


@holds(
    put("EventsQueuePolicy", "PolicyDocument.Statement.0.Principal", "*"),
    drop("ResizeQueuePolicy", "PolicyDocument.Statement.0.Condition.StringEquals"),
    put("EventsQueuePolicy", "PolicyDocument.Statement.0.Action", "sqs:*"),
    put("ResizeQueuePolicy", "PolicyDocument.Statement.0.Condition.ArnEquals.aws:SourceArn", "*"),
)
def only_our_buckets_write_to_the_queues(templates: Templates) -> None:
    for name in QUEUES:
        [statement] = templates.properties(f"{name}QueuePolicy")["PolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        assert all("backoffice-${EnvironmentName}-" in source["Fn::Sub"] for source in sources)


@holds(
    put("FunctionEvents", "FunctionName", {"Ref": "Function"}),
    drop("FunctionEvents", "FunctionResponseTypes"),
    put("ResizeQueue", "VisibilityTimeout", 60),
    drop("Function", "VpcConfig"),
    put("Function", "Environment.Variables.CALLBACK_SECRET", "hunter2"),
    put("FunctionAlias", "FunctionVersion", "$LATEST"),
    put("FunctionEvents", "EventSourceArn", {"Ref": "EventsQueueArn"}),
)
def the_function_gets_its_events_by_an_alias_and_says_which_failed(templates: Templates) -> None:
    function, events = templates.properties("Function"), templates.properties("FunctionEvents")
    assert events["FunctionName"] == {"Ref": "FunctionAlias"}
    assert events["EventSourceArn"] == {"Ref": "ResizeQueueArn"}
    assert templates.properties("FunctionAlias")["FunctionVersion"] == {"Ref": "FunctionVersion"}
    assert events["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert templates.properties("ResizeQueue")["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert function["VpcConfig"]["SecurityGroupIds"] == [{"Ref": "FunctionGroupId"}]
    assert "CALLBACK_SECRET" not in function["Environment"]["Variables"]


@holds(
    put(
        "Function",
        "Environment.Variables.RENDITIONS_BUCKETS.Fn::Sub",
        '{"${UploadsBucketName}": "${RenditionsBucketName}"}',
    ),
    put("Function", "Environment.Variables.UPLOAD_BUCKET", {"Ref": "OriginalsBucketName"}),
    put("FunctionRole", "Policies.0.PolicyDocument.Statement.2.Resource", [{"Fn::Sub": "${RenditionsBucketName}"}]),
)
def renditions_of_uploads_and_of_what_staff_keep_never_meet(templates: Templates) -> None:
    variables = templates.properties("Function")["Environment"]["Variables"]
    assert json.loads(variables["RENDITIONS_BUCKETS"]["Fn::Sub"]) == {
        "${OriginalsBucketName}": "${RenditionsBucketName}",
        "${UploadsBucketName}": "${UploadRenditionsBucketName}",
    }
    assert variables["UPLOAD_BUCKET"] == {"Ref": "UploadsBucketName"}
    statements = templates.properties("FunctionRole")["Policies"][0]["PolicyDocument"]["Statement"]
    written = [item["Fn::Sub"].rpartition(":")[2] for item in statements[2]["Resource"]]
    assert written == ["${RenditionsBucketName}/*", "${UploadRenditionsBucketName}/*"]


@holds(
    put("Distribution", "DistributionConfig.DefaultCacheBehavior.ViewerProtocolPolicy", "allow-all"),
    put("Distribution", "DistributionConfig.Origins.0.OriginAccessControlId", ""),
    put("DistributionAccess", "OriginAccessControlConfig.SigningBehavior", "never"),
)
def static_files_leave_by_tls_from_a_private_bucket(templates: Templates) -> None:
    config = templates.properties("Distribution")["DistributionConfig"]
    assert config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "https-only"
    assert config["Origins"][0]["OriginAccessControlId"] == {"Fn::GetAtt": "DistributionAccess.Id"}
    assert templates.properties("DistributionAccess")["OriginAccessControlConfig"]["SigningBehavior"] == "always"
