"""Creates the stacks on the local cloud, one after another, the outputs of each as parameters of those that follow."""

import json
import time
from typing import Any

from tests.deploy.parameters import read_parameters
from tests.deploy.templates import Node, Templates

ORDER = (
    "registry", "network", "data", "storage", "function", "roles", "release", "service",
    "observability", "alarms", "product-alarms",
)  # fmt: skip
# What the local cloud does not know, and with it what refers to that. Their properties are checked in the templates.
UNKNOWN_TYPES = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::IAM::OIDCProvider",
}
WITHOUT_THEM = {"QueueWaits", "QueueIsEmpty"}
# What has no stack of its own, and what a first deployment by hand gives.
GIVEN = {
    "GitHubRepository": "example/backoffice",
    "GitHubOidcProviderArn": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    "ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/backoffice-staging:0.1.0",
    "FunctionCodeKey": "function.zip",
    "StaticOnCloudFront": "true",
    "AlarmEmail": "operators@example.org",
}


class CloudFormation:
    def __init__(self, client: Any) -> None:
        self._client = client
        self._known = {**read_parameters("staging"), **GIVEN}

    def create_all(self) -> dict[str, str]:
        """Returns all outputs."""
        for name in ORDER:
            self.create(name)
        return self._known

    def create(self, name: str, *, stack: str = "", **parameters: str) -> dict[str, str]:
        """One of them; returns the outputs so far."""
        self._known |= parameters
        self._create(stack or f"backoffice-staging-{name}", _without_unknown(Templates.read().documents[name]))
        return self._known

    def _create(self, stack: str, document: Node) -> None:
        wanted = document["Parameters"]
        parameters = [
            {"ParameterKey": key, "ParameterValue": value} for key, value in self._known.items() if key in wanted
        ]
        self._client.create_stack(
            StackName=stack,
            TemplateBody=json.dumps(document),
            Parameters=parameters,
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        created = self._wait(stack)
        self._known |= {output["OutputKey"]: output["OutputValue"] for output in created.get("Outputs", [])}

    def _wait(self, stack: str) -> Node:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            [found] = self._client.describe_stacks(StackName=stack)["Stacks"]
            if not found["StackStatus"].endswith("IN_PROGRESS"):
                assert found["StackStatus"] == "CREATE_COMPLETE", self._reasons(stack)
                return found
            time.sleep(0.2)
        raise AssertionError(f"{stack} is not created")

    def _reasons(self, stack: str) -> list[str]:
        events = self._client.describe_stack_events(StackName=stack)["StackEvents"]
        return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in events]


def _without_unknown(document: Node) -> Node:
    kept = {
        name: resource
        for name, resource in document["Resources"].items()
        if resource["Type"] not in UNKNOWN_TYPES and name not in WITHOUT_THEM
    }
    return {**document, "Resources": kept}
