"""Which AWS operations the code sends, and which of them a process comes to: by the names that its code refers to."""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3

from tests.stack import ROOT

Operation = tuple[str, str]
PACKAGE = "media_catalog"
GATEWAY = f"{PACKAGE}.aws."
# Sent by django-storages for `self.save`.
INDIRECT: dict[str, Operation] = {f"{GATEWAY}static_files.PublishedStaticFiles": ("s3", "PutObject")}
# Methods of a client that send nothing of their own, or name what they send.
NAMED = {"get_paginator", "generate_presigned_url", "generate_presigned_post"}
CLIENTS = {"client_for_browsers": "s3"}


@dataclass(frozen=True)
class Code:
    """By dotted names: what stands at the top of each module, and what its imports stand for."""

    modules: set[str]
    definitions: dict[str, ast.stmt]
    imported: dict[str, str]

    def sent(self) -> set[Operation]:
        """By all of it."""
        return {operation for name in self.definitions if name.startswith(GATEWAY) for operation in self._sent_by(name)}

    def come_to(self, *starts: str, but: str = "") -> set[Operation]:
        """By what stands in the modules and packages `starts`, and whatever that refers to. More than it really sends:
        an argument may keep it from some."""
        names = [name for name in self.definitions if f"{name}.".startswith(tuple(f"{start}." for start in starts))]
        waiting, seen = [name for name in names if not (but and name.startswith(f"{but}."))], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += self._referred_by(name)
        return {operation for name in seen for operation in self._sent_by(name)}

    def _referred_by(self, name: str) -> Iterator[str]:
        module = name.rpartition(".")[0]
        for node in ast.walk(self.definitions[name]):
            if isinstance(node, ast.Name | ast.Attribute) and (target := self._find(f"{module}.{_dotted(node)}")):
                yield target

    def _find(self, name: str) -> str:
        """The definition that the name leads to; empty when it is none of ours."""
        module = name
        while module and module not in self.modules:
            module = module.rpartition(".")[0]
        first, _dot, rest = name[len(module) + 1 :].partition(".")
        held = f"{module}.{first}"
        if held in self.definitions:
            return held
        return self._find(f"{self.imported[held]}.{rest}".rstrip(".")) if held in self.imported else ""

    def _sent_by(self, name: str) -> Iterator[Operation]:
        if name in INDIRECT:
            yield INDIRECT[name]
        for node in ast.walk(self.definitions[name]):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                service = _service(node.func.value)
                method = _first_text(node) if node.func.attr in NAMED else node.func.attr
                if service and method in _operations(service):
                    yield service, _operations(service)[method]


@functools.cache
def read_code() -> Code:
    code = Code(set(), {}, {})
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if path.name == "__init__.py" else parts)
        code.modules.add(module)
        _read_module(code, module, path)
    return code


def _read_module(code: Code, module: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    folder = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = folder.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, (above, node.module)))
            code.imported.update(
                {f"{module}.{item.asname or item.name}": f"{source}.{item.name}" for item in node.names}
            )
    for statement in tree.body:
        code.definitions.update({f"{module}.{name}": statement for name in _defined_by(statement)})


def _defined_by(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]


def _dotted(node: ast.expr) -> str:
    """`a.b.c`; of another expression before the last names, only these, which then lead nowhere."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


@functools.cache
def _operations(service: str) -> dict[str, str]:
    """Method → operation."""
    mapping: dict[str, str] = boto3.client(service, region_name="us-east-1").meta.method_to_api_mapping
    return mapping


def _service(node: ast.expr) -> str:
    """Of `client("s3")`, `client_for_browsers()` or, of a storage, `….meta.client`; empty for others."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _first_text(node) if node.func.id == "client" else CLIENTS.get(node.func.id, "")
    return "s3" if isinstance(node, ast.Attribute) and node.attr == "client" else ""


def _first_text(node: ast.Call) -> str:
    first = node.args[0] if node.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
