"""The load balancer and the services."""

from tests.deploy.registry import holds
from tests.deploy.templates import Templates, drop, put

NAMES = ("Web", "Worker", "Consumer")


@holds(put("LoadBalancer", "Scheme", "internet-facing"), drop("LoadBalancer", "Scheme"))
def the_load_balancer_is_internal(templates: Templates) -> None:
    assert templates.properties("LoadBalancer")["Scheme"] == "internal"


@holds(
    put("Https", "SslPolicy", "ELBSecurityPolicy-2016-08"),
    put("Https", "Protocol", "HTTP"),
    put("Https", "Certificates", []),
)
def pages_are_served_by_tls_1_2_or_later(templates: Templates) -> None:
    listener = templates.properties("Https")
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert listener["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert listener["Certificates"] == [{"CertificateArn": {"Ref": "CertificateArn"}}]


@holds(
    put("Http", "DefaultActions.0", {"Type": "forward", "TargetGroupArn": {"Ref": "Targets"}}),
    put("Http", "DefaultActions.0.RedirectConfig.StatusCode", "HTTP_302"),
)
def plain_http_is_redirected(templates: Templates) -> None:
    assert templates.properties("Http")["DefaultActions"] == [
        {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    ]


@holds(
    put("LoadBalancer", "LoadBalancerAttributes.0.Value", "false"),
    put("LoadBalancer", "LoadBalancerAttributes.2.Value", "false"),
)
def the_load_balancer_drops_bad_headers_and_is_protected_in_production(templates: Templates) -> None:
    found = {item["Key"]: item["Value"] for item in templates.properties("LoadBalancer")["LoadBalancerAttributes"]}
    assert found["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert found["deletion_protection.enabled"] == {"Fn::If": ["Production", "true", "false"]}


@holds(
    put("Targets", "HealthCheckPath", "/"),
    put("Targets", "Matcher.HttpCode", "200-399"),
    put("Targets", "HealthCheckTimeoutSeconds", 30),
)
def the_load_balancer_asks_whether_a_task_is_ready(templates: Templates) -> None:
    targets = templates.properties("Targets")
    assert (targets["HealthCheckPath"], targets["Matcher"]["HttpCode"]) == ("/readyz", "200")
    assert targets["HealthCheckTimeoutSeconds"] < targets["HealthCheckIntervalSeconds"]


@holds(
    put("Targets", "Port", 80),
    put("Web", "LoadBalancers.0.ContainerPort", 8080),
    put("Web", "LoadBalancers.0.ContainerName", "app"),
    put("TaskGroup", "SecurityGroupIngress.0.FromPort", 8001),
    put("WebTask", "ContainerDefinitions.0.PortMappings.0.ContainerPort", 8001),
)
def one_port_from_the_load_balancer_to_the_process(templates: Templates) -> None:
    [container] = templates.properties("WebTask")["ContainerDefinitions"]
    [target] = templates.properties("Web")["LoadBalancers"]
    [rule] = templates.properties("TaskGroup")["SecurityGroupIngress"]
    assert target["ContainerName"] == container["Name"]
    ports = {
        target["ContainerPort"],
        templates.properties("Targets")["Port"],
        container["PortMappings"][0]["ContainerPort"],
        rule["FromPort"],
        rule["ToPort"],
    }
    assert ports == {8000}


@holds(
    put("Web", "NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp", "ENABLED"),
    put("Worker", "NetworkConfiguration.AwsvpcConfiguration.SecurityGroups", []),
)
def tasks_have_no_public_address(templates: Templates) -> None:
    for name in NAMES:
        network = templates.properties(name)["NetworkConfiguration"]["AwsvpcConfiguration"]
        assert network["AssignPublicIp"] == "DISABLED"
        assert network["SecurityGroups"] == [{"Ref": "TaskGroupId"}]


@holds(
    put("Web", "DeploymentConfiguration.DeploymentCircuitBreaker.Rollback", False),
    put("Worker", "DeploymentConfiguration.DeploymentCircuitBreaker.Enable", False),
    put("Consumer", "DeploymentConfiguration.MinimumHealthyPercent", 0),
    put("Web", "DeploymentConfiguration.MaximumPercent", 100),
)
def a_bad_deployment_rolls_itself_back_and_never_takes_the_site_away(templates: Templates) -> None:
    for name in NAMES:
        deployment = templates.properties(name)["DeploymentConfiguration"]
        assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
        assert deployment["MinimumHealthyPercent"] == 100
        assert deployment["MaximumPercent"] == 200


@holds(put("Web", "EnableExecuteCommand", True), drop("Worker", "EnableExecuteCommand"))
def nobody_gets_a_shell_in_a_task(templates: Templates) -> None:
    assert [templates.properties(name)["EnableExecuteCommand"] for name in NAMES] == [False] * 3


@holds(
    put("Worker", "CapacityProviderStrategy.0.Base", 0),
    put("Worker", "CapacityProviderStrategy.1.CapacityProvider", "FARGATE"),
    put("Worker", "CapacityProviderStrategy.1.Weight", 0),
    put("Web", "CapacityProviderStrategy.0.CapacityProvider", "FARGATE_SPOT"),
    drop("Cluster", "CapacityProviders.1"),
)
def workers_are_on_spot_but_the_first_and_nothing_else_is(templates: Templates) -> None:
    first, others = templates.properties("Worker")["CapacityProviderStrategy"]
    assert (first["CapacityProvider"], first["Base"]) == ("FARGATE", 1)
    assert others["CapacityProvider"] == "FARGATE_SPOT"
    assert others["Weight"] > first["Weight"]
    for name in ("Web", "Consumer"):
        [only] = templates.properties(name)["CapacityProviderStrategy"]
        assert only["CapacityProvider"] == "FARGATE"
    assert templates.properties("Cluster")["CapacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
