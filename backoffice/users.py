"""Who is logged in, with all permissions in the same query, where Django takes three: each page and each call asks."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Func, Q, Subquery, TextField, Value
from django.db.models.functions import Coalesce, Concat

AGGREGATES = {"postgresql": "STRING_AGG", "sqlite": "GROUP_CONCAT"}


class Users(ModelBackend):
    """Django's own in what it says."""

    def get_user(self, user_id: Any) -> User | None:
        user = User.objects.annotate(permission_names=_names(user_id)).filter(pk=user_id).first()
        if user is None or not self.user_can_authenticate(user):
            return None
        if not user.is_superuser:
            user.known_permissions = set(filter(None, user.permission_names.split(",")))  # type: ignore[attr-defined]
        return user

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        known: set[str] | None = getattr(user_obj, "known_permissions", None)
        return super().get_all_permissions(user_obj, obj) if known is None or obj is not None else known


def _names(user_id: Any) -> Coalesce:
    """The user's own permissions and those of its groups, with commas between."""
    own = User.user_permissions.through.objects.filter(user=user_id).values("permission")
    of_groups = Group.permissions.through.objects.filter(group__user=user_id).values("permission")
    held = Permission.objects.filter(Q(pk__in=own) | Q(pk__in=of_groups)).order_by()
    name = Concat("content_type__app_label", Value("."), "codename")
    # Not an Aggregate, for which Django would group by each permission.
    joined = Func(name, Value(","), function=AGGREGATES[connection.vendor], output_field=TextField())
    return Coalesce(Subquery(held.values(joined=joined)), Value(""), output_field=TextField())
