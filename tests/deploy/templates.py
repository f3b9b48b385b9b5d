"""The CloudFormation templates as plain data: `!Ref x` is {"Ref": "x"}, `!Sub x` is {"Fn::Sub": "x"}."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.parameters import read_parameters
from tests.stack import ROOT

FOLDER = ROOT / "deploy" / "cloudformation"
ALONE = "uploads"
Node = dict[str, Any]


class _Loader(yaml.SafeLoader):
    pass


def _tag(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Node:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _tag)


def _read(path: Path) -> Node:
    document: Node = yaml.load(path.read_text(), _Loader)  # noqa: S506  (a safe loader)
    return document


@dataclass
class Templates:
    """All templates by the names of their files. Logical ids are unique over all of them.

    With what they are used with: the values of each environment, and the Dockerfile.
    """

    documents: dict[str, Node]
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    dockerfile: str = ""

    @classmethod
    def read(cls) -> "Templates":
        """All but uploads.yaml, which stands alone."""
        return cls(
            documents={path.stem: _read(path) for path in sorted(FOLDER.glob("*.yaml")) if path.stem != ALONE},
            values={name: read_parameters(name) for name in ("staging", "production")},
            dockerfile=(ROOT / "Dockerfile").read_text(),
        )

    @classmethod
    def uploads(cls) -> "Templates":
        return cls({ALONE: _read(FOLDER / f"{ALONE}.yaml")})

    def copy(self) -> "Templates":
        return copy.deepcopy(self)

    def resource(self, name: str) -> Node:
        """Raises KeyError."""
        return dict(self._all())[name]

    def properties(self, name: str) -> Node:
        return self.resource(name)["Properties"]

    def of_type(self, kind: str) -> dict[str, Node]:
        """Properties of the resources of a type (`EC2::Subnet`), by logical id."""
        return {name: node["Properties"] for name, node in self._all() if node["Type"] == f"AWS::{kind}"}

    def types(self) -> set[str]:
        return {node["Type"].removeprefix("AWS::") for _name, node in self._all()}

    def _all(self) -> Iterator[tuple[str, Node]]:
        for document in self.documents.values():
            yield from document["Resources"].items()


Mutation = Callable[[Templates], None]


def put(name: str, path: str, value: Any) -> Mutation:
    """Set what is at the path (`LoadBalancerAttributes.0.Value`) in the properties of a resource."""

    def mutate(templates: Templates) -> None:
        *steps, last = path.split(".")
        node = _walk(templates.properties(name), steps)
        node[int(last) if isinstance(node, list) else last] = value

    return mutate


def replace_in(name: str, path: str, text: str, instead: str) -> Mutation:
    """Replace a part of the text that is at the path in the properties of a resource."""

    def mutate(templates: Templates) -> None:
        *steps, last = path.split(".")
        node = _walk(templates.properties(name), steps)
        node[last] = node[last].replace(text, instead)

    return mutate


def drop(name: str, path: str) -> Mutation:
    """Remove what is at the path in the properties of a resource."""

    def mutate(templates: Templates) -> None:
        *steps, last = path.split(".")
        node = _walk(templates.properties(name), steps)
        del node[int(last) if isinstance(node, list) else last]

    return mutate


def remove(name: str) -> Mutation:
    """Remove a resource."""

    def mutate(templates: Templates) -> None:
        [document] = [doc for doc in templates.documents.values() if name in doc["Resources"]]
        del document["Resources"][name]

    return mutate


def add(document: str, kind: str, properties: Node | None = None) -> Mutation:
    """Add a resource of a type."""

    def mutate(templates: Templates) -> None:
        templates.documents[document]["Resources"]["Added"] = {"Type": f"AWS::{kind}", "Properties": properties or {}}

    return mutate


def put_on(name: str, attribute: str, value: Any) -> Mutation:
    """Set an attribute of the resource itself, such as its DeletionPolicy."""

    def mutate(templates: Templates) -> None:
        templates.resource(name)[attribute] = value

    return mutate


def put_default(document: str, parameter: str, value: Any) -> Mutation:
    """Set the default of a parameter."""

    def mutate(templates: Templates) -> None:
        templates.documents[document]["Parameters"][parameter]["Default"] = value

    return mutate


def put_pattern(document: str, parameter: str, pattern: str) -> Mutation:
    """Set which values a parameter allows."""

    def mutate(templates: Templates) -> None:
        templates.documents[document]["Parameters"][parameter]["AllowedPattern"] = pattern

    return mutate


def put_condition(document: str, name: str, value: Any) -> Mutation:
    """Set what a condition asks."""

    def mutate(templates: Templates) -> None:
        templates.documents[document]["Conditions"][name] = value

    return mutate


def put_value(environment: str, parameter: str, value: str) -> Mutation:
    """Set a value of deploy/parameters."""

    def mutate(templates: Templates) -> None:
        templates.values[environment][parameter] = value

    return mutate


def put_in_dockerfile(text: str, instead: str) -> Mutation:
    """Replace a text of the Dockerfile, wherever it stands."""

    def mutate(templates: Templates) -> None:
        templates.dockerfile = templates.dockerfile.replace(text, instead)

    return mutate


def _walk(node: Any, steps: list[str]) -> Any:
    for step in steps:
        node = node[int(step) if isinstance(node, list) else step]
    return node
