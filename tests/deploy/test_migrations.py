"""Migrations after the released ones keep the rule that lets a version roll out without downtime."""

import functools

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from tests.deploy.migration_rules import problems
from tests.stack import ROOT

APP = "media_catalog"
TEXT = models.CharField(max_length=9)
BAD = [
    migrations.RemoveField("image", "caption"),
    migrations.DeleteModel("Face"),
    migrations.RenameField("image", "caption", "title"),
    migrations.RenameModel("Face", "Person"),
    migrations.AlterModelTable("face", "faces"),
    migrations.AddField("image", "title", TEXT),
    migrations.AddField("image", "title", models.CharField(max_length=9, default="")),  # in Python only
    migrations.AddConstraint("image", models.UniqueConstraint(fields=["name"], name="unique")),
    migrations.AlterUniqueTogether("image", {("name", "caption")}),
    migrations.AlterField("bucket", "created_at", models.DateTimeField()),  # took NULL
    migrations.AlterField("image", "name", models.CharField(max_length=255, unique=True)),
    migrations.AlterField("image", "name", models.CharField(max_length=100)),
    migrations.AlterField("image", "size", models.CharField(max_length=100)),
    migrations.SeparateDatabaseAndState(database_operations=[migrations.RemoveField("image", "caption")]),
]
GOOD = [
    migrations.CreateModel("Album", [("id", models.AutoField(primary_key=True))]),
    migrations.AddField("album", "title", TEXT),
    migrations.AddField("image", "title", models.CharField(max_length=9, null=True)),
    migrations.AddField("image", "title", models.CharField(max_length=9, db_default="")),
    migrations.AddIndex("image", models.Index(fields=["name"], name="index")),
    migrations.AlterField("image", "name", models.CharField("title", max_length=300, null=True)),
    migrations.AlterField("album", "title", models.CharField(max_length=1)),
    migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("image", "caption")]),
    migrations.RunPython(migrations.RunPython.noop),
]


@functools.cache
def _loader() -> MigrationLoader:
    return MigrationLoader(None)


def _now() -> ProjectState:
    """The tables of all migrations."""
    return _loader().project_state()


def _migration(*operations) -> migrations.Migration:
    made = migrations.Migration("0099_made_up", APP)
    made.operations = list(operations)
    return made


def _released() -> str:
    """Name of the last released migration; empty before the first release."""
    lines = (ROOT / "deploy" / "released-migrations.txt").read_text().splitlines()
    named = dict(line.split() for line in lines if not line.startswith("#"))
    return named.get(APP, "")


def test_those_after_the_released_ones_keep_the_rule():
    ours = {name: found for (app, name), found in _loader().disk_migrations.items() if app == APP}
    released = _released()
    assert released in ("", *ours)
    later = [(name, migration) for name, migration in sorted(ours.items()) if released and name > released]
    found = [
        problem
        for name, migration in later
        for problem in problems(migration, _loader().project_state((APP, name), at_end=False))
    ]
    assert found == []


def test_the_version_before_may_write_refusals():
    name = (APP, "0021_refusal_times")
    assert problems(_loader().disk_migrations[name], _loader().project_state(name, at_end=False)) == []


@pytest.mark.parametrize("operation", BAD, ids=lambda operation: operation.describe())
def test_what_the_version_before_cannot_live_with_is_found(operation):
    assert len(problems(_migration(operation), _now())) == 1


@pytest.mark.parametrize("operation", BAD, ids=lambda operation: operation.describe())
def test_a_version_later_it_is_allowed_with_the_version_since_when_nobody_uses_it(operation):
    excused = _migration(operation)
    excused.unused_since = "1.4.0"
    assert problems(excused, _now()) == []


def test_what_adds_is_allowed():
    assert problems(_migration(*GOOD), _now()) == []
