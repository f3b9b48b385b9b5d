"""Who is logged in comes with all permissions by one query, and they are those that Django would say."""

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User

from backoffice.users import Users

OWN, OF_GROUP = "media_catalog.add_image", "media_catalog.view_bucket"


@pytest.fixture
def user(staff_with):
    """With a permission of its own and one of a group."""
    user, group = staff_with("add_image"), Group.objects.create(name="readers")
    group.permissions.add(Permission.objects.get(codename="view_bucket"))
    user.groups.add(group)
    return user


@pytest.mark.database
class TestPermissions:
    def test_of_the_user_and_of_groups_by_one_query(self, user, django_assert_num_queries):
        with django_assert_num_queries(1):
            found = Users().get_user(user.pk)
            assert [found.has_perm(name) for name in (OWN, OF_GROUP, "media_catalog.change_image")] == [
                True,
                True,
                False,
            ]
            assert found.has_module_perms("media_catalog")
            assert not found.has_module_perms("auth")
            assert found.get_all_permissions() == {OWN, OF_GROUP}

    def test_are_djangos_own(self, user, staff_with, admin_user):
        others = [staff_with(), staff_with("view_bucket", "view_image"), admin_user]
        for each in [user, *others]:
            known = User.objects.get(pk=each.pk)
            assert Users().get_user(each.pk).get_all_permissions() == ModelBackend().get_all_permissions(known)

    def test_none_for_an_object(self, user):
        assert Users().get_user(user.pk).get_all_permissions(obj=user) == set()

    def test_of_a_user_that_was_not_got_by_it(self, user):
        assert User.objects.get(pk=user.pk).has_perm(OF_GROUP)


def test_nobody_and_closed_accounts(user):
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert Users().get_user(user.pk) is None
    assert Users().get_user(0) is None
