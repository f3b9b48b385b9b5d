"""The register of properties: what must hold of the templates, each with defects that it must find."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.deploy.templates import Mutation, Templates

Check = Callable[[Templates], None]
Read = Callable[[], Templates]


@dataclass(frozen=True)
class Property:
    """`check` raises AssertionError when it does not hold, LookupError or TypeError where something else is."""

    name: str
    check: Check
    mutations: tuple[Mutation, ...]
    read: Read


PROPERTIES: list[Property] = []


def holds(*mutations: Mutation, read: Read = Templates.read) -> Callable[[Check], Check]:
    """Register the decorated check; each of the mutations must make it fail."""

    def register(check: Check) -> Check:
        assert mutations, f"{check.__name__} was never seen to fail"
        PROPERTIES.append(Property(check.__name__, check, mutations, read))
        return check

    return register
