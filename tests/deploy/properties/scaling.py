"""How many tasks there are."""

from media_catalog.emf import NAMESPACE
from tests.deploy.registry import holds
from tests.deploy.templates import Templates, drop, put, put_default, put_value, remove

TRACKING = "TargetTrackingScalingPolicyConfiguration"
STEPS = "StepScalingPolicyConfiguration"


@holds(
    put("WebByCpu", f"{TRACKING}.TargetValue", 95),
    put(
        "WebByMemory",
        f"{TRACKING}.PredefinedMetricSpecification.PredefinedMetricType",
        "ECSServiceAverageCPUUtilization",
    ),
    put("WebByMemory", "ScalingTargetId", {"Ref": "WorkerScaling"}),
    remove("WebByCpu"),
)
def web_scales_on_cpu_and_memory(templates: Templates) -> None:
    policies = [
        item for item in templates.of_type("ApplicationAutoScaling::ScalingPolicy").values() if TRACKING in item
    ]
    found = {
        item[TRACKING]["PredefinedMetricSpecification"]["PredefinedMetricType"]: item[TRACKING]["TargetValue"]
        for item in policies
        if item["ScalingTargetId"] == {"Ref": "WebScaling"}
    }
    assert found == {"ECSServiceAverageCPUUtilization": 60, "ECSServiceAverageMemoryUtilization": 70}


@holds(
    put_default("service", "WebMinimum", 1),
    put_default("service", "WebMaximum", 60),
    put_default("service", "WorkerMinimum", 0),
    put_value("production", "WebMaximum", "6"),
    put("WebScaling", "MinCapacity", 0),
    put("WebScaling", "ResourceId", {"Fn::Sub": "service/${ClusterName}/${Worker.Name}"}),
)
def there_are_two_to_six_web_tasks_and_always_a_worker(templates: Templates) -> None:
    default = {name: value.get("Default") for name, value in templates.documents["service"]["Parameters"].items()}
    assert (default["WebMinimum"], default["WebMaximum"], default["WorkerMinimum"]) == (2, 6, 1)
    for name in ("Web", "Worker"):
        target = templates.properties(f"{name}Scaling")
        assert (target["MinCapacity"], target["MaxCapacity"]) == ({"Ref": f"{name}Minimum"}, {"Ref": f"{name}Maximum"})
        assert target["ResourceId"] == {"Fn::Sub": f"service/${{ClusterName}}/${{{name}.Name}}"}
    assert templates.values["production"]["WebMaximum"] == "10"


@holds(put("Web", "DesiredCount", 2), put("Worker", "DesiredCount", {"Ref": "WorkerMinimum"}))
def a_deployment_does_not_undo_the_scaling(templates: Templates) -> None:
    assert all("DesiredCount" not in templates.properties(name) for name in ("Web", "Worker"))


@holds(
    put("QueueWaits", "MetricName", "QueueLength"),
    put("QueueWaits", "Namespace", "AWS/SQS"),
    put("QueueWaits", "AlarmActions", []),
    put("QueueIsEmpty", "AlarmActions", [{"Ref": "WorkerMore"}]),
    put("QueueIsEmpty", "Dimensions", []),
    put("WorkerMore", f"{STEPS}.StepAdjustments.0.ScalingAdjustment", -1),
    put("WorkerFewer", f"{STEPS}.StepAdjustments.0.ScalingAdjustment", 1),
    put("WorkerFewer", "ScalingTargetId", {"Ref": "WebScaling"}),
    drop("WorkerMore", f"{STEPS}.StepAdjustments.1"),
)
def workers_scale_on_the_age_of_the_queue(templates: Templates) -> None:
    for alarm, policy in (("QueueWaits", "WorkerMore"), ("QueueIsEmpty", "WorkerFewer")):
        watched = templates.properties(alarm)
        assert (watched["Namespace"], watched["MetricName"], watched["Statistic"]) == (NAMESPACE, "QueueAge", "Maximum")
        assert watched["Dimensions"] == [{"Name": "Deployment", "Value": {"Ref": "EnvironmentName"}}]
        assert watched["AlarmActions"] == [{"Ref": policy}]
        assert templates.properties(policy)["ScalingTargetId"] == {"Ref": "WorkerScaling"}
    more, fewer = (
        [step["ScalingAdjustment"] for step in templates.properties(name)[STEPS]["StepAdjustments"]]
        for name in ("WorkerMore", "WorkerFewer")
    )
    assert more == [1, 2]
    assert fewer == [-1]


CONNECTIONS = {"db.t4g.micro": 80, "db.t4g.small": 190}  # that PostgreSQL allows by the memory of the class, about
WEB_PROCESSES = 2


@holds(
    put_default("service", "Workers", 8),
    put_default("service", "WebThreads", 8),
    put_value("production", "WebThreads", "8"),
    drop("WebTask", "ContainerDefinitions.0.Environment.12"),
    put("WebTask", "ContainerDefinitions.0.Environment.12.Value", "64"),
)
def the_database_has_a_connection_for_every_thread(templates: Templates) -> None:
    environment = templates.properties("WebTask")["ContainerDefinitions"][0]["Environment"]
    assert {"Name": "WEB_THREADS", "Value": {"Ref": "WebThreads"}} in environment
    parameters = templates.documents["service"]["Parameters"]
    default = {name: str(parameters[name]["Default"]) for name in ("WebThreads", "Workers")}
    for values in templates.values.values():
        given = default | values
        web = int(given["WebMaximum"]) * WEB_PROCESSES * int(given["WebThreads"])
        workers = int(given["WorkerMaximum"]) * (int(given["Workers"]) + 2)
        assert web + workers <= CONNECTIONS[given["DatabaseClass"]]
