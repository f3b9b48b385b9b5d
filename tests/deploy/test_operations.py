"""The table of operations is that of the code, role by role, and its document is up to date."""

import boto3
import pytest

from deploy import operations_table
from media_catalog.quota.request_classes import CLASSES
from tests.deploy.operations import Operation, read_code

COMMANDS = "media_catalog.management.commands"
# What the tasks of a role run.
PROCESSES = {
    "WebRole": ("media_catalog.admin", "media_catalog.api"),
    "WorkerRole": ("media_catalog.jobs", f"{COMMANDS}.worker"),
    "ConsumerRole": (f"{COMMANDS}.consume_events",),
    "ReleaseRole": (f"{COMMANDS}.release", f"{COMMANDS}.create_buckets"),
    "CheckRole": (f"{COMMANDS}.postdeploy_check",),
}
# The button that lets the site upload to a bucket: the stack has done so.
DENIED: dict[str, set[Operation]] = {"WebRole": {("s3", "PutBucketCors")}}


def _listed(role: str) -> set[Operation]:
    _why, operations = operations_table.ROLES[role]
    return set(operations)


def test_the_search_finds_each_way_to_send():
    assert read_code().sent() >= {
        ("s3", "ListBuckets"),  # a paginator
        ("s3", "ListObjectsV2"),  # a paginator of the storage's client
        ("s3", "GetObject"),
        ("s3", "PutObject"),
        ("rekognition", "DetectFaces"),
    }


def test_every_operation_of_the_code_is_in_the_table_with_its_actions():
    """Missing here: name it in ACTIONS and give it to a role in ROLES, in deploy/operations_table.py."""
    sent = read_code().sent()
    assert {operation for role in operations_table.ROLES for operation in _listed(role)} == sent
    assert operations_table.ACTIONS.keys() == sent


@pytest.mark.parametrize("role", PROCESSES)
def test_each_role_has_the_operations_that_its_processes_come_to(role):
    """What no role has is denied to all. The consumer is a process of its own."""
    found = read_code().come_to(*PROCESSES[role], but="media_catalog.jobs.consumer")
    assert found - _listed(operations_table.NOBODY) - DENIED.get(role, set()) == _listed(role)


def test_every_role_has_its_processes():
    assert PROCESSES.keys() == operations_table.ROLES.keys() - {operations_table.NOBODY}


def test_every_operation_of_the_code_has_a_request_class():
    classified = {(service, operation) for service, operation in CLASSES}
    for service, operation in read_code().sent():
        event = boto3.client(service, region_name="us-east-1").meta.service_model.service_id.hyphenize()
        assert (event, operation) in classified


def test_the_document_is_written_anew_with_each_change():
    """Behind: `python deploy/operations_table.py`."""
    assert operations_table.TABLE.read_text() == operations_table.table()
