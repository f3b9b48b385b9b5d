"""Each address with and without its last slash; the OpenAPI document has the one of the contract."""

from collections.abc import Callable
from typing import Any, TypeVar

from ninja import Router

F = TypeVar("F", bound=Callable[..., Any])


def both(router: Router, method: str, path: str, **options: Any) -> Callable[[F], F]:
    """Register a view under `path`, and once more with the slash at its end added or taken away."""
    other = path.removesuffix("/") if path.endswith("/") else f"{path}/"

    def register(view: F) -> F:
        router.add_api_operation(path, [method], view, **options)
        router.add_api_operation(other, [method], view, **options, include_in_schema=False)
        return view

    return register
