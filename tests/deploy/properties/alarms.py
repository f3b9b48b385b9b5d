"""Who hears when something is wrong."""

import inspect
import json
import re

from backoffice import requests
from media_catalog.emf import NAMESPACE
from media_catalog.jobs import metrics
from media_catalog.models import RequestClass
from tests.deploy.registry import holds
from tests.deploy.templates import Templates, add, drop, put, remove, replace_in
from tests.stack import ROOT

WATCHED = {
    "CPUUtilization", "MemoryUtilization", "TargetResponseTime", "UnHealthyHostCount", "HTTPCode_Target_5XX_Count",
    "HTTPCode_ELB_5XX_Count", "QueueAge", "WorkersAlive", "ItemsFailed", "Refusals", "QuotaAlerts", "Errors",
    "CallbacksRefused", "FunctionErrors", "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible",
    "FreeStorageSpace", "Evictions", "EngineCPUUtilization",
}  # fmt: skip
SCALING = ("QueueWaits", "QueueIsEmpty")
FILTER = "MetricTransformations.0."


def _alarms(templates: Templates) -> dict:
    return {name: alarm for name, alarm in templates.of_type("CloudWatch::Alarm").items() if name not in SCALING}


@holds(
    remove("Latency"),
    remove("QuotaRefusals"),
    put("Unhealthy", "MetricName", "HealthyHostCount"),
    remove("CacheEvictions"),
)
def everything_that_can_go_wrong_is_watched(templates: Templates) -> None:
    assert {alarm["MetricName"] for alarm in _alarms(templates).values()} == WATCHED


@holds(add("alarms", "CloudWatch::Alarm", {"MetricName": "Other"}), add("observability", "Events::Rule"))
def the_runbook_says_what_to_do_about_each(templates: Templates) -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text().partition("## Runbook")[2].partition("\n## ")[0]
    said = set(re.findall(r"\*(\w+)\*", runbook))
    assert {*_alarms(templates), *templates.of_type("Events::Rule")} <= said


@holds(put("Http5xx", "AlarmActions", []), drop("QueueAge", "AlarmActions"), put("Errors", "ActionsEnabled", False))
def every_alarm_is_heard(templates: Templates) -> None:
    for alarm in _alarms(templates).values():
        assert alarm["AlarmActions"] == [{"Ref": "TopicArn"}]
        assert "ActionsEnabled" not in alarm


@holds(
    put("EventsDeadLettersAlarm", "Threshold", 100),
    put("EventsDeadLettersAlarm", "Dimensions.0.Value", {"Ref": "EventsQueueName"}),
    remove("ResizeDeadLettersAlarm"),
)
def one_dead_letter_is_enough(templates: Templates) -> None:
    for name in ("Events", "Resize"):
        alarm = templates.properties(f"{name}DeadLettersAlarm")
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Ref": f"{name}DeadLettersName"}}]


@holds(put("NoWorkers", "TreatMissingData", "notBreaching"), put("NoWorkers", "Threshold", 0))
def silence_of_the_workers_is_an_alarm(templates: Templates) -> None:
    alarm = templates.properties("NoWorkers")
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)


@holds(
    put("TaskEnded", "EventPattern.detail.stopCode", ["UserInitiated"]),
    put("TaskEnded", "Targets", []),
    put("TaskUnhealthy", "EventPattern.detail.stopCode", ["UserInitiated"]),
    drop("TaskUnhealthy", "EventPattern.detail.stoppedReason"),
    put("DeploymentFailed", "EventPattern.detail.eventName", ["SERVICE_DEPLOYMENT_COMPLETED"]),
)
def restarts_and_failed_deployments_are_told(templates: Templates) -> None:
    ended, failed = templates.properties("TaskEnded"), templates.properties("DeploymentFailed")
    assert ended["EventPattern"]["detail"]["stopCode"] == ["EssentialContainerExited", "TaskFailedToStart"]
    assert failed["EventPattern"]["detail"]["eventName"] == ["SERVICE_DEPLOYMENT_FAILED"]
    unhealthy = templates.properties("TaskUnhealthy")
    assert unhealthy["EventPattern"]["detail"]["stopCode"] == ["ServiceSchedulerInitiated"]
    assert unhealthy["EventPattern"]["detail"]["stoppedReason"] == [{"prefix": "Task failed"}]
    assert ended["Targets"] == unhealthy["Targets"] == failed["Targets"] == [{"Id": "topic", "Arn": {"Ref": "Topic"}}]


@holds(
    put("Topic", "KmsMasterKeyId", "alias/aws/sns"),
    put("TopicKey", "KeyPolicy.Statement.1.Principal.Service", ["events.amazonaws.com"]),
    put("TopicPolicy", "PolicyDocument.Statement.0.Principal", "*"),
    put("TopicKey", "EnableKeyRotation", False),
)
def alarms_can_use_the_encrypted_topic_and_nobody_else_can(templates: Templates) -> None:
    assert templates.properties("Topic")["KmsMasterKeyId"] == {"Ref": "TopicKey"}
    key = templates.properties("TopicKey")
    assert key["EnableKeyRotation"] is True
    services = {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]}
    assert key["KeyPolicy"]["Statement"][1]["Principal"] == services
    [statement] = templates.properties("TopicPolicy")["PolicyDocument"]["Statement"]
    assert statement["Principal"] == services


@holds(
    put("QueueAge", "MetricName", "QueueAges"),
    put("ItemsFailed", "Dimensions", []),
    put("QueueAge", "Dimensions", [{"Name": "Environment", "Value": {"Ref": "EnvironmentName"}}]),
)
def metrics_of_ours_that_are_watched_are_written(templates: Templates) -> None:
    """By the names and dimensions in the code."""
    written = set(re.findall(r'"([A-Z][A-Za-z]+)":? ?\(', inspect.getsource(metrics) + inspect.getsource(requests)))
    for alarm in templates.of_type("CloudWatch::Alarm").values():
        if alarm["Namespace"] == NAMESPACE:
            assert alarm["MetricName"] in written
            assert alarm["Dimensions"] == [{"Name": "Deployment", "Value": {"Ref": "EnvironmentName"}}]


@holds(
    put("WebErrorLines", f"{FILTER}MetricName", "WebErrors"),
    put("CallbacksRefused", "Namespace", "Backoffice"),
    remove("ConsumerQuotaAlertLines"),
    put("CallbackRefusedLines", "FilterPattern", '{ $.method = "PUT" && $.code = 401 }'),
)
def metrics_of_log_lines_that_are_watched_are_made_from_fields_that_are_written(templates: Templates) -> None:
    filters = templates.of_type("Logs::MetricFilter")
    made = {
        (str(item["MetricNamespace"]), item["MetricName"])
        for node in filters.values()
        for item in node["MetricTransformations"]
    }
    own = {"Fn::Sub": "Backoffice/${EnvironmentName}"}
    watched = {
        (str(alarm["Namespace"]), alarm["MetricName"])
        for alarm in _alarms(templates).values()
        if alarm["Namespace"] == own or not str(alarm["Namespace"]).startswith(("AWS/", NAMESPACE))
    }
    assert watched == made
    every = {f"{kind}{lines}" for kind in ("Web", "Worker", "Consumer") for lines in ("ErrorLines", "QuotaAlertLines")}
    assert every <= filters.keys()
    fields = {name for node in filters.values() for name in re.findall(r"\$\.(\w+)", node["FilterPattern"])}
    assert fields == {"level", "logger", "method", "status"}


@holds(
    put("Dashboard", "DashboardBody", {"Fn::Sub": '{"widgets": [}'}),
    put("Dashboard", "DashboardBody", {"Fn::Sub": "{}"}),
    replace_in("Dashboard", "DashboardBody.Fn::Sub", "sqs_request", "free"),
)
def the_dashboard_is_json_and_shows_our_metrics(templates: Templates) -> None:
    text = templates.properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    try:
        widgets = json.loads(text).get("widgets", [])
    except ValueError as error:
        raise AssertionError("no JSON") from error
    lines = [line for widget in widgets for line in widget["properties"]["metrics"]]
    shown = {name for line in lines for name in line[:2]}
    assert shown >= {"PageLatency", "ItemsDone", "ItemsFailed", "QueueAge", "WorkersAlive", "Refusals"}
    used = {line[-1] for line in lines if "RequestsUsed" in line}
    assert used == {cls.value for cls in RequestClass if cls is not RequestClass.FREE}
