"""The table of operations is that of the code, and its document is up to date."""

import ast
import functools
from collections.abc import Iterator

import boto3

from deploy import operations_table
from media_catalog.quota.request_classes import CLASSES
from tests.stack import ROOT

GATEWAY = ROOT / "media_catalog" / "aws"
# django-storages sends it for `self.save`.
INDIRECT = {("s3", "PutObject")}
# Methods of a client that send nothing of their own, or name what they send.
NAMED = {"get_paginator", "generate_presigned_url", "generate_presigned_post"}
CLIENTS = {"client_for_browsers": "s3"}


@functools.cache
def _operations(service: str) -> dict[str, str]:
    """Method → operation."""
    mapping: dict[str, str] = boto3.client(service, region_name="us-east-1").meta.method_to_api_mapping
    return mapping


def _used() -> set[tuple[str, str]]:
    found = {used for path in GATEWAY.glob("*.py") for used in _of_module(ast.parse(path.read_text()))}
    return found | INDIRECT


def _of_module(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            service = _service(node.func.value)
            method = _first_text(node) if node.func.attr in NAMED else node.func.attr
            if service and method in _operations(service):
                yield service, _operations(service)[method]


def _service(node: ast.expr) -> str:
    """Of `client("s3")`, `client_for_browsers()` or, of a storage, `….meta.client`; empty for others."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _first_text(node) if node.func.id == "client" else CLIENTS.get(node.func.id, "")
    return "s3" if isinstance(node, ast.Attribute) and node.attr == "client" else ""


def _first_text(node: ast.Call) -> str:
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def test_the_search_finds_each_way_to_send():
    assert _used() >= {
        ("s3", "ListBuckets"),  # a paginator
        ("s3", "ListObjectsV2"),  # a paginator of the storage's client
        ("s3", "GetObject"),
        ("rekognition", "DetectFaces"),
    }


def test_every_operation_of_the_code_is_in_the_table_with_its_actions():
    """Missing here: name it in ACTIONS and give it to a role in ROLES, in deploy/operations_table.py."""
    listed = {operation for _why, operations in operations_table.ROLES.values() for operation in operations}
    assert listed == _used()
    assert operations_table.ACTIONS.keys() == _used()


def test_every_operation_of_the_code_has_a_request_class():
    classified = {(service, operation) for service, operation in CLASSES}
    for service, operation in _used():
        event = boto3.client(service, region_name="us-east-1").meta.service_model.service_id.hyphenize()
        assert (event, operation) in classified


def test_the_document_is_written_anew_with_each_change():
    """Behind: `python deploy/operations_table.py`."""
    assert operations_table.TABLE.read_text() == operations_table.table()
