"""What the OpenAPI document allows, tried by schemathesis: no 500, and every operation can succeed."""

import json
import secrets
from functools import partial
from http import HTTPStatus
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core import NotSet

from .conftest import URL, call_back, create, success

EXAMPLES = 25
DOCUMENT = "/async_image/docs/swagger?format=openapi"


@pytest.fixture
def completed(admin_client, bucket, post) -> str:
    record = create(admin_client)
    post(record["credential"])
    call_back(admin_client, record["uuid"], success(record["uuid"]))
    return record["uuid"]


def test_no_operation_fails_and_each_can_succeed(admin_client, completed):
    """Logged in. schemathesis generates; Django's own client sends, within the test's transaction."""
    schema = schemathesis.openapi.from_dict(admin_client.get(DOCUMENT).json())
    found = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        call = partial(_report, admin_client) if operation.method == "put" else partial(_call, admin_client, completed)
        found[operation.label] = _statuses(operation, call)
    assert len(found) == 7
    for label, statuses in found.items():
        assert any(200 <= status < 300 for status in statuses), (label, statuses)
        assert max(statuses) < HTTPStatus.INTERNAL_SERVER_ERROR, (label, statuses)


def _statuses(operation, call):
    statuses = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def try_out(case):
        for response in call(case):
            statuses.add(response.status_code)
            assert response.status_code < 400 or set(response.json()) == {"detail", "code"}

    try_out()
    return statuses


def _call(client, completed, case):
    """As it is, and for an upload that there is."""
    query = {**(case.query or {}), **({"wait": 0} if "wait" in (case.query or {}) else {})}  # it has tests of its own
    paths = [case.formatted_path, case.operation.path.format(uuid=completed)] if case.path_parameters else [case.path]
    body = {} if isinstance(case.body, NotSet) else {"data": json.dumps(case.body)}
    for path in paths:
        yield client.generic(
            case.method, path, content_type="application/json", QUERY_STRING=urlencode(query, doseq=True), **body
        )


def _report(client, case):
    """Signed, for a new upload."""
    upload = create(client, metadata={"n": secrets.token_hex(4)})
    yield call_back(client, upload["uuid"], case.body)
    yield call_back(client, upload["uuid"], case.body)
    yield client.put(f"{URL}{upload['uuid']}", case.body, content_type="application/json")
