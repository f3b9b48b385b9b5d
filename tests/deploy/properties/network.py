"""Who can reach whom."""

from tests.deploy.registry import holds
from tests.deploy.templates import Node, Templates, add, drop, put, remove

SERVICES = {
    "s3", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "rekognition", "sqs", "sts", "rds", "application-autoscaling",
}  # fmt: skip


def _ingress(templates: Templates) -> dict[str, list[Node]]:
    """Rules by group, also those that stand apart."""
    rules = {
        name: [*group.get("SecurityGroupIngress", [])]
        for name, group in templates.of_type("EC2::SecurityGroup").items()
    }
    for rule in templates.of_type("EC2::SecurityGroupIngress").values():
        rules[rule["GroupId"]["Ref"]].append(rule)
    return rules


def _egress(templates: Templates) -> list[Node]:
    groups = templates.of_type("EC2::SecurityGroup").values()
    return [
        *(rule for group in groups for rule in group.get("SecurityGroupEgress", [])),
        *templates.of_type("EC2::SecurityGroupEgress").values(),
    ]


@holds(add("network", "EC2::InternetGateway"), add("network", "EC2::NatGateway"), add("network", "EC2::Route"))
def there_is_no_way_to_the_internet(templates: Templates) -> None:
    assert not templates.types() & {"EC2::InternetGateway", "EC2::NatGateway", "EC2::Route", "EC2::EIP"}


@holds(put("SubnetA", "MapPublicIpOnLaunch", True), drop("SubnetB", "MapPublicIpOnLaunch"))
def subnets_give_no_public_addresses(templates: Templates) -> None:
    assert [subnet["MapPublicIpOnLaunch"] for subnet in templates.of_type("EC2::Subnet").values()] == [False, False]


@holds(put("SubnetB", "AvailabilityZone", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}))
def subnets_are_in_two_zones(templates: Templates) -> None:
    zones = [str(subnet["AvailabilityZone"]) for subnet in templates.of_type("EC2::Subnet").values()]
    assert len(set(zones)) == 2


@holds(
    remove("RekognitionEndpoint"),
    put("LogsEndpoint", "PrivateDnsEnabled", False),
    put("QueuesEndpoint", "SecurityGroupIds", []),
    drop("S3Endpoint", "RouteTableIds.0"),
)
def each_service_of_aws_that_is_used_has_an_endpoint(templates: Templates) -> None:
    found = {}
    for endpoint in templates.of_type("EC2::VPCEndpoint").values():
        found[endpoint["ServiceName"]["Fn::Sub"].removeprefix("com.amazonaws.${AWS::Region}.")] = endpoint
    assert found.keys() == SERVICES
    assert found.pop("s3")["RouteTableIds"] == [{"Ref": "Routes"}]
    for endpoint in found.values():
        assert endpoint["PrivateDnsEnabled"] is True
        assert endpoint["SecurityGroupIds"] == [{"Ref": "EndpointGroup"}]


@holds(
    put("LoadBalancerGroup", "SecurityGroupIngress.0.CidrIp", "0.0.0.0/0"),
    put("TaskGroup", "SecurityGroupIngress.0", {"IpProtocol": "tcp", "CidrIp": "0.0.0.0/0"}),
    put("DataGroup", "SecurityGroupIngress.0", {"IpProtocol": "tcp", "CidrIp": {"Ref": "ClientCidr"}}),
)
def only_the_load_balancer_takes_addresses_and_only_those_of_the_internal_network(templates: Templates) -> None:
    for name, rules in _ingress(templates).items():
        for rule in rules:
            by_address = {"CidrIp", "CidrIpv6", "SourcePrefixListId"} & rule.keys()
            assert not by_address or (name == "LoadBalancerGroup" and rule["CidrIp"] == {"Ref": "ClientCidr"})


@holds(
    put("TaskGroup", "SecurityGroupIngress.0.ToPort", 9000),
    put("DataGroup", "SecurityGroupIngress.1.SourceSecurityGroupId", {"Ref": "LoadBalancerGroup"}),
    put("LoadBalancerGroup", "SecurityGroupIngress.1.FromPort", 22),
)
def groups_open_only_the_ports_that_are_served(templates: Templates) -> None:
    found = {
        name: {
            (rule["FromPort"], rule["ToPort"], rule.get("SourceSecurityGroupId", rule.get("CidrIp", {})).get("Ref"))
            for rule in rules
        }
        for name, rules in _ingress(templates).items()
    }
    assert found == {
        "LoadBalancerGroup": {
            (443, 443, "ClientCidr"),
            (80, 80, "ClientCidr"),
            (443, 443, "FunctionGroup"),
            (443, 443, "TaskGroup"),
            (80, 80, "TaskGroup"),
        },
        "TaskGroup": {(8000, 8000, "LoadBalancerGroup")},
        "FunctionGroup": set(),
        "DataGroup": {(5432, 5432, "TaskGroup"), (6379, 6379, "TaskGroup")},
        "EndpointGroup": {(443, 443, "TaskGroup"), (443, 443, "FunctionGroup")},
    }


@holds(
    put("TasksToAws", "IpProtocol", "-1"),
    put("TasksToAws", "ToPort", 65535),
    put("TasksToMail", "CidrIp", "10.0.0.0/8"),
    put("DataGroup", "SecurityGroupEgress.0.CidrIp", "0.0.0.0/0"),
)
def what_leaves_by_address_is_tls(templates: Templates) -> None:
    for rule in _egress(templates):
        if rule.get("CidrIp") == "0.0.0.0/0":
            assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443)
        else:
            assert "DestinationSecurityGroupId" in rule or rule["CidrIp"] in ("127.0.0.1/32", {"Ref": "MailCidr"})


@holds(
    drop("TaskGroup", "SecurityGroupEgress"),
    drop("LoadBalancerGroup", "SecurityGroupEgress"),
    put("EndpointGroup", "SecurityGroupEgress", []),
)
def no_group_may_send_everywhere(templates: Templates) -> None:
    """EC2 adds a rule for that to a group without one of its own; those that stand apart do not count."""
    for group in templates.of_type("EC2::SecurityGroup").values():
        assert group["SecurityGroupEgress"]


@holds(
    remove("TasksToPlainHttp"),
    remove("PlainHttpFromTasks"),
    put("TasksToPlainHttp", "GroupId", {"Ref": "DataGroup"}),
    put("PlainHttpFromTasks", "SourceSecurityGroupId", {"Ref": "FunctionGroup"}),
    put("TasksToPlainHttp", "ToPort", 8080),
)
def the_check_reaches_the_port_that_redirects(templates: Templates) -> None:
    out, into = templates.properties("TasksToPlainHttp"), templates.properties("PlainHttpFromTasks")
    assert (out["GroupId"], out["DestinationSecurityGroupId"]) == ({"Ref": "TaskGroup"}, {"Ref": "LoadBalancerGroup"})
    assert (into["GroupId"], into["SourceSecurityGroupId"]) == ({"Ref": "LoadBalancerGroup"}, {"Ref": "TaskGroup"})
    assert {rule[end] for rule in (out, into) for end in ("FromPort", "ToPort")} == {80}
