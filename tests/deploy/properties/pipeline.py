"""Where images are kept, and who may deploy."""

from tests.deploy.registry import holds
from tests.deploy.templates import Templates, drop, put, put_on

ROLE = "AssumeRolePolicyDocument.Statement.0.Condition.StringEquals"


@holds(
    put("Repository", "ImageTagMutability", "MUTABLE"),
    put("Repository", "ImageScanningConfiguration.ScanOnPush", False),
    drop("Repository", "LifecyclePolicy"),
    put_on("Repository", "DeletionPolicy", "Delete"),
)
def images_are_scanned_unchangeable_and_expire(templates: Templates) -> None:
    repository = templates.properties("Repository")
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"]["ScanOnPush"] is True
    assert "untagged" in repository["LifecyclePolicy"]["LifecyclePolicyText"]
    assert templates.resource("Repository")["DeletionPolicy"] == "Retain"


@holds(
    put("DeployRole", ROLE, {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}),
    put("DeployRole", "AssumeRolePolicyDocument.Statement.0.Condition", {}),
    put("DeployRole", "AssumeRolePolicyDocument.Statement.0.Action", "sts:AssumeRole"),
    put("GitHubProvider", "ClientIdList", ["*"]),
)
def only_jobs_of_the_repository_and_environment_may_deploy(templates: Templates) -> None:
    [statement] = templates.properties("DeployRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
        "token.actions.githubusercontent.com:sub": {
            "Fn::Sub": "repo:${GitHubRepository}:environment:${EnvironmentName}"
        },
    }
    assert templates.properties("GitHubProvider")["ClientIdList"] == ["sts.amazonaws.com"]
