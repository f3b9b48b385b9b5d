"""The database refuses what the ORM refuses: an audit event stays as it was written."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from media_catalog.models import AuditEvent

pytestmark = [pytest.mark.database, pytest.mark.django_db]
INSERT = "INTO media_catalog_auditevent (id, at, username, action, target, before, after, reason)"
VALUES = "VALUES (%(pk)s, '2026-11-20', 'eve', 'refused', 'PutObject', '{}', '{}', '')"
WAYS = {
    "update": "UPDATE media_catalog_auditevent SET reason = 'another' WHERE id = %(pk)s",
    "delete": "DELETE FROM media_catalog_auditevent WHERE id = %(pk)s",
    "upsert": " ".join(["INSERT", INSERT, VALUES, "ON CONFLICT (id) DO UPDATE SET reason = 'another'"]),
}
if connection.vendor == "sqlite":
    WAYS["replace"] = " ".join(["INSERT OR REPLACE", INSERT, VALUES])


def execute(sql: str, pk: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, {"pk": pk})


@pytest.fixture
def event() -> AuditEvent:
    return AuditEvent.objects.create(username="ann", action="refused", target="GetObject", reason="as it was")


@pytest.mark.parametrize("way", WAYS)
def test_no_sql_changes_an_event(way: str, event: AuditEvent) -> None:
    with pytest.raises(IntegrityError, match="append-only"):
        execute(WAYS[way], event.pk)

    assert AuditEvent.objects.values_list("pk", "username", "reason").get() == (event.pk, "ann", "as it was")


def test_new_events_are_written_alone_and_many_at_once(event: AuditEvent) -> None:
    AuditEvent.objects.bulk_create(AuditEvent(action="refused", target=target) for target in ("a", "b"))

    assert AuditEvent.objects.count() == 3


@pytest.mark.django_db(transaction=True)
class TestOverCommits:
    """Two tests, so that the second begins after the tables were emptied behind the first."""

    @pytest.mark.parametrize("_round", range(2))
    def test_the_guard_outlives_the_emptying_of_the_tables(self, _round: int) -> None:
        assert not AuditEvent.objects.exists()
        event = AuditEvent.objects.create(action="refused", target="GetObject")

        with pytest.raises(IntegrityError, match="append-only"):
            execute(WAYS["delete"], event.pk)

    def test_the_migration_can_be_undone_and_done_again(self) -> None:
        event = AuditEvent.objects.create(action="refused", target="GetObject", reason="as it was")
        migration = import_module("media_catalog.migrations.0009_audit_guard")
        with connection.schema_editor() as editor:
            migration.unguard(apps, editor)
        execute(WAYS["update"], event.pk)
        assert AuditEvent.objects.get().reason == "another"

        with connection.schema_editor() as editor:
            migration.guard(apps, editor)
        with pytest.raises(IntegrityError, match="append-only"):
            execute(WAYS["update"], event.pk)
