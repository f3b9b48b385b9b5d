"""Who spends, as far as the code that runs is concerned."""

import threading

import pytest

from media_catalog.quota.attribution import NOBODY, Attribution, attribute, current


def test_adds_to_what_is_set_outside_and_ends_with_its_block() -> None:
    with attribute(username="ann", action="admin:upload"):
        with attribute(bucket="photos", action="job"):
            assert current() == Attribution(username="ann", action="job", bucket="photos")
        assert current() == Attribution(username="ann", action="admin:upload")
    assert current() == NOBODY


def test_ends_with_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), attribute(username="ann"):
        raise ZeroDivisionError

    assert current() == NOBODY


def test_does_not_reach_other_threads() -> None:
    seen: list[Attribution] = []
    with attribute(username="ann"):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()

    assert seen == [NOBODY]
