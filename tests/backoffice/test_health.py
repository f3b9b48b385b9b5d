"""/healthz and /readyz, as the load balancer asks them: by the task's address, over plain HTTP."""

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.database
ADDRESS = "10.20.1.17"  # not in ALLOWED_HOSTS


@pytest.fixture
def ask(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    return lambda path: client.get(path, headers={"host": f"{ADDRESS}:8000"})


@pytest.fixture
def no_database(monkeypatch):
    def away():
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", away)


def test_other_pages_refuse_the_address_and_want_https(ask, client):
    assert ask("/admin/").status_code == 400
    assert client.get("/admin/", headers={"host": "testserver"}).status_code == 301


def test_a_process_is_healthy_by_answering(ask):
    answer = ask("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"process": "ok"})


@pytest.mark.django_db
def test_is_ready_with_database_migrations_and_cache(ask):
    answer = ask("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "migrations": "ok", "cache": "ok"})


@pytest.mark.django_db
def test_neither_asks_aws(ask, cloud):
    """Nor the worker: none runs here."""
    mark = cloud.access_log.mark()
    assert (ask("/healthz").status_code, ask("/readyz").status_code) == (200, 200)
    assert not cloud.access_log.since(mark)


@pytest.mark.django_db
def test_is_not_ready_while_a_migration_is_pending_and_is_once_it_was_applied(ask, caplog):
    applied = MigrationRecorder(connection).migration_qs.filter(app="media_catalog")
    last = applied.latest("name")
    last.delete()

    answer = ask("/readyz")

    assert (answer.status_code, answer.json()["migrations"]) == (503, "failed")
    assert f"media_catalog.{last.name}" in caplog.text

    last.save(force_insert=True)
    assert ask("/readyz").status_code == 200


@pytest.mark.django_db
def test_migrations_are_looked_up_until_they_are_there_and_not_again(ask, django_assert_max_num_queries):
    ask("/readyz")
    with django_assert_max_num_queries(1):
        assert ask("/readyz").status_code == 200


@pytest.mark.usefixtures("no_database")
def test_without_the_database_the_process_is_healthy_and_not_ready(ask, caplog):
    assert ask("/healthz").status_code == 200
    answer = ask("/readyz")

    assert (answer.status_code, answer.json()) == (503, {"database": "failed", "migrations": "failed", "cache": "ok"})
    assert "connection refused" not in answer.content.decode()
    assert "connection refused" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("broken", [lambda *_key: None, lambda *_key: 1 / 0], ids=["forgets", "fails"])
def test_is_not_ready_without_the_cache(ask, monkeypatch, broken):
    monkeypatch.setattr(type(cache._connections["default"]), "get", broken)

    answer = ask("/readyz")

    assert (answer.status_code, answer.json()) == (503, {"database": "ok", "migrations": "ok", "cache": "failed"})
