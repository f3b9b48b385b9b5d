"""While a version rolls out, the one before runs on the new tables: migrations add, and take away a version later."""

from collections.abc import Iterator

from django.db import migrations, models
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation

# A migration that takes away what no released version uses any more says since which: `unused_since = "1.4.0"`.
EXCUSE = "unused_since"
TAKING_AWAY = (
    migrations.AlterModelTable,
    migrations.DeleteModel,
    migrations.RemoveField,
    migrations.RenameField,
    migrations.RenameModel,
)


def problems(migration: Migration) -> list[str]:
    """What the version before could not live with, in words."""
    if getattr(migration, EXCUSE, ""):
        return []
    return list(_problems(migration.operations))


def _problems(operations: list[Operation]) -> Iterator[str]:
    new = {operation.name_lower for operation in operations if isinstance(operation, migrations.CreateModel)}
    for operation in operations:
        if isinstance(operation, TAKING_AWAY):
            yield f"{operation.describe()}: the version before still uses it"
        elif isinstance(operation, migrations.AddField) and operation.model_name_lower not in new:
            if _is_demanded(operation.field):
                yield f"{operation.describe()}: the version before inserts without it; null=True or a db_default"
        elif isinstance(operation, migrations.AddConstraint) and operation.model_name_lower not in new:
            yield f"{operation.describe()}: the version before may break it"


def _is_demanded(field: models.Field) -> bool:
    """Whether an INSERT that does not know the column fails. Django keeps no default in the table but db_default."""
    return not (field.null or field.many_to_many or field.has_db_default())
