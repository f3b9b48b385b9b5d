"""CloudWatch's embedded metric format: a log line from which CloudWatch Logs makes metrics, without any request.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

NAMESPACE = "Backoffice"
Unit = Literal["Count", "Milliseconds", "Seconds"]


def metric_fields(
    metrics: Mapping[str, tuple[float, Unit]], *, dimensions: Mapping[str, str], at: datetime
) -> dict[str, Any]:
    """The fields of one log line for metrics (name → value and unit) that share their dimensions."""
    return {
        "_aws": {
            "Timestamp": int(at.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(dimensions)],
                    "Metrics": [{"Name": name, "Unit": unit} for name, (_value, unit) in metrics.items()],
                }
            ],
        },
        **dimensions,
        **{name: value for name, (value, _unit) in metrics.items()},
    }
