"""Each security and scaling property of the templates holds, and its check finds each seeded defect."""

import functools

import pytest

from tests.deploy.properties import alarms, data, network, pipeline, roles, scaling, services, storage, tasks
from tests.deploy.registry import PROPERTIES, Property
from tests.deploy.templates import Mutation, Templates

MODULES = (alarms, data, network, pipeline, roles, scaling, services, storage, tasks)
SEEDED = [
    pytest.param(item, mutation, id=f"{item.name}-{number}")
    for item in PROPERTIES
    for number, mutation in enumerate(item.mutations)
]


@functools.cache
def _as_written() -> Templates:
    return Templates.read()


@pytest.mark.parametrize("item", PROPERTIES, ids=lambda item: item.name)
def test_holds(item: Property):
    item.check(_as_written())


@pytest.mark.parametrize(("item", "mutation"), SEEDED)
def test_finds_the_defect(item: Property, mutation: Mutation):
    templates = _as_written().copy()
    mutation(templates)
    assert templates.documents != _as_written().documents, "the mutation changed nothing"

    with pytest.raises((AssertionError, LookupError, TypeError)):
        item.check(templates)


def test_every_module_has_properties():
    assert {item.check.__module__ for item in PROPERTIES} == {module.__name__ for module in MODULES}
