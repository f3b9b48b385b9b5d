"""The database itself refuses to UPDATE or DELETE audit events, whoever asks. PostgreSQL still lets the owner TRUNCATE.

SQLite drops the triggers when a later migration rebuilds the table, as AlterField does: such a migration must run
`guard` again. tests/quota/test_audit_guard.py looks.
"""

from django.db import migrations

TABLE = "media_catalog_auditevent"
REFUSAL = "audit events are append-only"
SQLITE_GUARD = [
    f"CREATE TRIGGER {TABLE}_no_update BEFORE UPDATE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    f"CREATE TRIGGER {TABLE}_no_delete BEFORE DELETE ON {TABLE} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    # INSERT OR REPLACE deletes without firing the trigger above: https://www.sqlite.org/lang_conflict.html
    f"CREATE TRIGGER {TABLE}_no_replace BEFORE INSERT ON {TABLE} WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)"
    f" BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
]
SQLITE_UNGUARD = [f"DROP TRIGGER {TABLE}_{name}" for name in ("no_update", "no_delete", "no_replace")]
POSTGRESQL_GUARD = [
    f"CREATE FUNCTION {TABLE}_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR DELETE ON {TABLE}"
    f" FOR EACH ROW EXECUTE FUNCTION {TABLE}_refuse()",
]
POSTGRESQL_UNGUARD = [f"DROP TRIGGER {TABLE}_append_only ON {TABLE}", f"DROP FUNCTION {TABLE}_refuse()"]
STATEMENTS = {
    "sqlite": (SQLITE_GUARD, SQLITE_UNGUARD),
    "postgresql": (POSTGRESQL_GUARD, POSTGRESQL_UNGUARD),
}


def guard(apps, schema_editor):
    _execute(schema_editor, 0)


def unguard(apps, schema_editor):
    _execute(schema_editor, 1)


def _execute(schema_editor, direction):
    for statement in STATEMENTS[schema_editor.connection.vendor][direction]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("media_catalog", "0008_audit_base_manager")]
    operations = [migrations.RunPython(guard, unguard)]
