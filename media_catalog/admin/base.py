"""What the pages share."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from media_catalog.exceptions import ObjectRefused
from media_catalog.models.stored import StoredObject

LONGEST_NUMBER = 18  # digits that fit into the numbers of every database


def number(text: str) -> int | None:
    """The number of a row as somebody typed it; None when it cannot be one."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


class TextChangeList(ChangeList):
    """A list whose filters never hand NUL to the database: PostgreSQL refuses it in a text."""

    def get_filters_params(self, params: Any = None) -> dict[str, list[str]]:
        given = super().get_filters_params(params)
        return {name: [value.replace("\x00", "") for value in values] for name, values in given.items()}


class BackofficeAdmin(admin.ModelAdmin):
    """The base of every page of ours."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TextChangeList


def save_changed(row: StoredObject, form: forms.ModelForm) -> None:
    """What the form changes and no more: a job may write the rest meanwhile. Within the transaction of the page.

    Raises ObjectRefused for a row that has left the catalogue since the form was read.
    """
    rows = type(row)._default_manager.select_for_update().filter(pk=row.pk)
    if rows.first() is None:
        raise ObjectRefused("left_catalogue")
    row.save(update_fields=form.changed_data)


class OfferedFilter(admin.SimpleListFilter):
    """A filter that takes the values it offers; any other is the same as none."""

    def value(self) -> str | None:
        value = super().value()
        return value if value in {str(offered) for offered, _label in self.lookup_choices} else None


class ReadOnlyAdmin(BackofficeAdmin):
    """Rows that the product writes: to be seen, not typed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
