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
# What `create_buckets` would do of other buckets than the stack has made; of CORS it writes a rule, so it deletes none.
DENIED: dict[str, set[Operation]] = {"ReleaseRole": {("s3", "CreateBucket"), ("s3", "DeleteBucketCors")}}


def _listed(role: str) -> set[Operation]:
    """With what is for buckets that staff make."""
    listed = [of[role] for of in (operations_table.ROLES, operations_table.MANAGED) if role in of]
    return {operation for _why, operations in listed for operation in operations}


def test_the_search_finds_each_way_to_send():
    assert read_code().sent() >= {
        ("s3", "ListBuckets"),  # a paginator
        ("s3", "ListObjectsV2"),  # a paginator of the storage's client
        ("s3", "GetObject"),
        ("s3", "PutObject"),
        ("rekognition", "DetectFaces"),
    }


def test_every_operation_of_the_code_is_in_the_table_with_its_actions():
    """Missing here: name it in ACTIONS and give it to a role in ROLES or MANAGED, in deploy/operations_table.py."""
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


def test_what_is_for_buckets_that_staff_make_is_no_roles_otherwise_but_of_objects():
    """So that without them each role is as narrow as before."""
    for role, (_why, operations) in operations_table.MANAGED.items():
        _why, otherwise = operations_table.ROLES[role]
        assert set(operations) & set(otherwise) <= operations_table.OF_VERSIONS.keys()
        assert not operations_table.managed_actions_of(role) & operations_table.actions_of(role)


def test_every_operation_of_the_code_has_a_request_class():
    classified = {(service, operation) for service, operation in CLASSES}
    for service, operation in read_code().sent():
        event = boto3.client(service, region_name="us-east-1").meta.service_model.service_id.hyphenize()
        assert (event, operation) in classified


def test_the_document_is_written_anew_with_each_change():
    """Behind: `python deploy/operations_table.py`."""
    assert operations_table.TABLE.read_text() == operations_table.table()
