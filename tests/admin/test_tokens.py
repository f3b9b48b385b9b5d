"""API tokens, as staff issue and revoke them."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from media_catalog.models import ApiToken
from media_catalog.services import api_tokens

LIST = "/admin/media_catalog/apitoken/"


def _issue(client, user, /, **values):
    fields = {"name": "Press server", "user": user.pk, "scopes": ["upload"], "expires_at": "", **values}
    return client.post(f"{LIST}add/", fields)


def test_a_token_is_shown_once_and_works(admin_client, admin_user):
    response = _issue(admin_client, admin_user)

    token = ApiToken.objects.get()
    text = response.context["text"]
    assert text in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert api_tokens.find(text).token == token
    assert (token.user, token.scopes, token.created_by) == (admin_user, ["upload"], "admin")
    assert LogEntry.objects.get().change_message == "Issued."
    for url in (LIST, f"{LIST}{token.pk}/change/"):
        shown = admin_client.get(url).content.decode()
        assert token.prefix in shown
        assert text not in shown
        assert token.digest not in shown


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"expires_at": "2020-01-01T00:00"}, "expires_at"),
        ({"user": 0}, "user"),
    ],
)
def test_bad_input_is_a_field_error(admin_client, admin_user, values, field):
    assert field in _issue(admin_client, admin_user, **values).context["form"].errors
    assert not ApiToken.objects.exists()


def test_revoking(admin_client, admin_user):
    text = _issue(admin_client, admin_user).context["text"]
    token = ApiToken.objects.get()

    admin_client.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})

    assert api_tokens.find(text) is None
    assert "Revoked" in admin_client.get(LIST).content.decode()
    assert not api_tokens.revoke(token=token)


def test_the_list_says_what_has_expired(admin_client, admin_user):
    _issue(admin_client, admin_user)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert "Expired" in admin_client.get(LIST).content.decode()


def test_others_issue_for_themselves_and_see_their_own(client, staff_with, admin_client, admin_user):
    _issue(admin_client, admin_user)
    user = staff_with("add_apitoken", "view_apitoken")
    client.force_login(user)
    assert "user" in _issue(client, admin_user).context["form"].errors
    assert _issue(client, user).context["token"].user == user
    shown = client.get(LIST).context["cl"].result_list
    assert [token.user for token in shown] == [user]


def test_permissions(client, staff_with, admin_client, admin_user):
    _issue(admin_client, admin_user)
    client.force_login(staff_with("view_apitoken"))
    assert client.get(f"{LIST}add/").status_code == 403
    assert b"revoke" not in client.get(LIST).content
    client.force_login(staff_with())
    assert client.get(LIST).status_code == 403
