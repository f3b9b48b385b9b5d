"""Settings of our side where items must do nothing."""

from jobs_ours import *  # noqa: F403
from jobs_ours import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "jobs_nothing.NothingConfig"]
