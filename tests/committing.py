"""For tests that commit, as databases check foreign keys only then. They begin with the rows that migrations write."""

from typing import Any, TypeVar

import pytest
from django.apps import apps
from django.db import models

T = TypeVar("T")


def committing(test: T) -> T:
    """Marks a test or a class of tests."""
    return pytest.mark.django_db(transaction=True)(pytest.mark.usefixtures("rows_of_migrations")(test))


@pytest.fixture(autouse=True)
def keep_shipped_rows(request: pytest.FixtureRequest) -> None:
    """Before the first test that empties the tables."""
    if request.node.get_closest_marker("django_db") or {"db", "transactional_db"} & set(request.fixturenames):
        request.getfixturevalue("shipped_rows")


@pytest.fixture(scope="session")
def shipped_rows(django_db_setup: None, django_db_blocker: Any) -> list[models.Model]:
    """As migrations have written them."""
    with django_db_blocker.unblock():
        tables = apps.get_app_config("media_catalog").get_models()
        return [row for table in tables for row in table._base_manager.all()]


@pytest.fixture
def rows_of_migrations(transactional_db: None, shipped_rows: list[models.Model]) -> None:
    """Not `serialized_rollback`: its content types clash with those that Django makes anew after a flush."""
    for row in shipped_rows:
        type(row)._base_manager.bulk_create([row], ignore_conflicts=True)
