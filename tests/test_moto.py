"""The list of what moto cannot pass."""

from tests.moto import EXCEPTIONS, exceptions_of


def test_each_exception_is_a_test_of_the_suite(request):
    """As far as their modules are run along: all, in `make test`."""
    items = request.session.items
    modules = {item.nodeid.partition("::")[0] for item in items if "[moto" in item.nodeid}
    listed = {name for name in EXCEPTIONS if name.partition("::")[0] in modules}
    assert listed == {name for item in items for name in exceptions_of(item)}
