"""One JSON object for each line of the log, for CloudWatch's metric filters and Insights."""

import json
import logging
import sys

LOGGER = "resizer"
logger = logging.getLogger(LOGGER)


class JsonFormatter(logging.Formatter):
    """Level, message, the fields given as `extra={"fields": {…}}`, and the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "message": record.getMessage(), **getattr(record, "fields", {})}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up() -> None:
    """Write to standard output, past the runtime's own handler, which would add its own format."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def log(message: str, **fields: object) -> None:
    """A line with these fields."""
    logger.info(message, extra={"fields": fields})
