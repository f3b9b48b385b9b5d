"""compose.yaml: what it gives is what the settings read, and production starts with that."""

import os
import re
import subprocess
import sys

import yaml

from tests.deploy.settings_variables import read_variables
from tests.stack import ROOT

BY_BOTO3 = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
OURS = ("web", "worker", "release")


def _given(service: str) -> dict[str, str]:
    """Its environment where nothing else is said."""
    given = SERVICES[service]["environment"]
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in given.items()}


def test_whatever_is_given_is_read():
    for service in (*OURS, "cloud"):
        assert _given(service).keys() - BY_BOTO3 <= read_variables().keys()


def test_web_worker_and_release_agree_and_have_a_bucket_for_each_purpose():
    first, *others = (_given(service) for service in OURS)
    assert others == [first, first]
    assert first["BUCKET_FILES"]  # the only one without a default


def test_production_starts_with_it():
    environment = {
        **_given("web"),
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "backoffice.settings.production",
    }
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
