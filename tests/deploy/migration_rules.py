"""While a version rolls out, the one before runs on the new tables: migrations add, and take away a version later."""

import math
from collections.abc import Iterable, Iterator

from django.db import migrations, models
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# A migration that takes away what no released version uses any more says since which: `unused_since = "1.4.0"`.
EXCUSE = "unused_since"
TAKING_AWAY = (
    migrations.AlterModelTable,
    migrations.AlterUniqueTogether,
    migrations.DeleteModel,
    migrations.RemoveField,
    migrations.RenameField,
    migrations.RenameModel,
)


def problems(migration: Migration, before: ProjectState) -> list[str]:
    """What the version before could not live with, in words. What RunSQL and RunPython do is not seen."""
    if getattr(migration, EXCUSE, ""):
        return []
    return list(_problems(migration.app_label, list(_in_the_database(migration.operations)), before))


def _in_the_database(operations: Iterable[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from _in_the_database(operation.database_operations)
        else:
            yield operation


def _problems(app: str, operations: list[Operation], before: ProjectState) -> Iterator[str]:
    new = {operation.name_lower for operation in operations if isinstance(operation, migrations.CreateModel)}
    for operation in operations:
        if isinstance(operation, TAKING_AWAY):
            yield f"{operation.describe()}: the version before still uses it"
        elif isinstance(operation, migrations.AddField) and operation.model_name_lower not in new:
            if _is_demanded(operation.field):
                yield f"{operation.describe()}: the version before inserts without it; null=True or a db_default"
        elif isinstance(operation, migrations.AlterField) and operation.model_name_lower not in new:
            held = before.models[app, operation.model_name_lower].fields[operation.name]
            if _is_narrower(operation.field, held):
                yield f"{operation.describe()}: the version before writes what no longer fits"
        elif isinstance(operation, migrations.AddConstraint) and operation.model_name_lower not in new:
            yield f"{operation.describe()}: the version before may break it"


def _is_narrower(field: models.Field, held: models.Field) -> bool:
    """Whether the column would refuse what it took: NULL, the same value twice, a longer text, another type."""
    return (
        (held.null and not field.null)
        or (field.unique and not held.unique)
        or field.get_internal_type() != held.get_internal_type()
        or (field.max_length or math.inf) < (held.max_length or math.inf)
    )


def _is_demanded(field: models.Field) -> bool:
    """Whether an INSERT that does not know the column fails. Django keeps no default in the table but db_default."""
    return not (field.null or field.many_to_many or field.has_db_default())
