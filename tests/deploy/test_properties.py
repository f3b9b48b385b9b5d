"""Each security and scaling property of the templates holds, and each of its assertions finds a seeded defect."""

import ast
import functools
import traceback
from pathlib import Path
from types import ModuleType

import pytest

from tests.deploy.properties import alarms, data, network, pipeline, roles, scaling, services, storage, tasks, uploads
from tests.deploy.registry import PROPERTIES, Property, Read
from tests.deploy.templates import Mutation, Templates

MODULES = (alarms, data, network, pipeline, roles, scaling, services, storage, tasks, uploads)


@functools.cache
def _as_written(read: Read) -> Templates:
    return read()


@pytest.mark.parametrize("item", PROPERTIES, ids=lambda item: item.name)
def test_holds(item: Property):
    item.check(_as_written(item.read))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_assertion_finds_a_defect_and_each_defect_is_found(module: ModuleType):
    failed = {
        line
        for item in PROPERTIES
        if item.check.__module__ == module.__name__
        for number, mutation in enumerate(item.mutations)
        for line in _failing_lines(item, number, mutation)
    }
    never = [lines for lines in _assertions(Path(str(module.__file__))) if not failed & set(lines)]
    assert not never, f"lines of {module.__file__} that no mutation makes fail"


def _failing_lines(item: Property, number: int, mutation: Mutation) -> list[int]:
    """Of the module, where its check of the defective templates stops; those of its callers too."""
    templates = _as_written(item.read).copy()
    mutation(templates)
    defect = f"mutation {number} of {item.name}"
    assert templates != _as_written(item.read), f"{defect} changes nothing"

    try:
        item.check(templates)
    except (AssertionError, LookupError, TypeError) as error:
        file = item.check.__code__.co_filename
        return [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    raise AssertionError(f"{defect} is not found")


def _assertions(path: Path) -> list[range]:
    """Their lines."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [range(node.lineno, (node.end_lineno or 0) + 1) for node in nodes if isinstance(node, ast.Assert)]


def test_every_module_has_properties():
    assert {item.check.__module__ for item in PROPERTIES} == {module.__name__ for module in MODULES}
