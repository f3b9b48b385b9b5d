"""Every operation that the code can send has a price class, with its source."""

import re
from pathlib import Path

import botocore.session
import pytest
from botocore import credentials, tokens, xform_name

from media_catalog.quota.request_classes import CLASSES

AWS = Path(__file__).resolve().parents[2] / "media_catalog" / "aws"
SENDS_NOTHING = {"generate_presigned_url", "generate_presigned_post", "get_paginator", "meta"}
CALL = re.compile(r'client\("(\w+)"(?:, region)?\)\s*\.(\w+)(?:\(\s*"(\w+)")?')


def sent() -> set[tuple[str, str]]:
    """(service, method) of each call in the gateway; pages and signed links count as what they send."""
    found = set()
    for module in AWS.glob("*.py"):
        for service, method, argument in CALL.findall(module.read_text()):
            name = argument if method in SENDS_NOTHING else method
            if name:
                found.add((service, name))
    return found


def test_every_operation_of_the_gateway_is_classified() -> None:
    models = {service: botocore.session.get_session().get_service_model(service) for service, _name in sent()}
    operations = {
        (models[service].service_id.hyphenize(), operation)
        for service, name in sent()
        for operation in models[service].operation_names
        if xform_name(operation) == name
    }

    assert len(operations) == len(sent()) >= 9
    assert operations <= CLASSES.keys()


def test_what_botocore_sends_for_credentials_is_classified() -> None:
    """By clients of its own, which share the handlers of ours."""
    source = "".join(Path(str(module.__file__)).read_text() for module in (credentials, tokens))
    asked = {name.replace("_", "") for name in re.findall(r"[\W_]client\.(\w+)\(", source)}

    assert {"assumerole", "getrolecredentials", "createtoken"} <= asked
    assert asked <= {operation.lower() for service, operation in CLASSES if service != "s3"}


@pytest.mark.parametrize("operation", CLASSES)
def test_each_class_names_its_source(operation: tuple[str, str]) -> None:
    assert CLASSES[operation].source.startswith(("https://aws.amazon.com/", "https://docs.aws.amazon.com/"))
