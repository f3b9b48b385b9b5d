"""Settings of the other side in bench/jobs.py: django-q2 and connections as they come, with as many workers as ours."""

from backoffice.settings.test import *  # noqa: F403
from backoffice.settings.test import DATABASES
from backoffice.settings.test import Q_CLUSTER as OURS

DATABASES["default"]["CONN_MAX_AGE"] = 0
Q_CLUSTER = {"name": "stock", "orm": "default", "workers": OURS["workers"]}
