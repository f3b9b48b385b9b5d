"""Who may use the API: sessions, tokens with scopes, and nobody else. Staff see results and the documentation."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from media_catalog.models import ApiToken, Leftover, RequestUsage, Upload
from media_catalog.services import api_tokens

from .conftest import URL, call_back, create, success

RESULTS = "/async_image/processed_images/"
DOCS = "/async_image/docs/swagger"


class TestNobody:
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
    @pytest.mark.parametrize("url", [URL, f"{URL}{'0' * 32}", RESULTS, f"{RESULTS}{'0' * 32}/"])
    def test_is_401(self, client, db, url, headers):
        response = client.get(url, headers=headers)
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")

    def test_creates_nothing(self, bucket):
        client = Client(enforce_csrf_checks=True)
        assert client.post(URL, b"{}", content_type="application/json").status_code == 401
        assert not Upload.objects.exists()


class TestSession:
    def test_needs_the_csrf_token(self, bucket, staff_with):
        client = Client(enforce_csrf_checks=True)
        client.force_login(staff_with("add_image"))
        response = client.post(URL, b"{}", content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")

    def test_needs_the_permission_to_add_images(self, client, bucket, staff_with):
        client.force_login(staff_with("view_image"))
        response = client.post(URL, b"{}", content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


class TestToken:
    @pytest.fixture
    def user(self, bucket, staff_with):
        return staff_with("add_image", "view_image")

    def _post(self, headers):
        client = Client(enforce_csrf_checks=True)
        return client.post(URL, b"{}", content_type="application/json", headers=headers)

    def test_acts_as_its_user(self, user, token_for):
        assert self._post(token_for(user)).status_code == 201
        assert Upload.objects.get().user == user
        assert ApiToken.objects.get().last_used_at

    def test_is_stored_as_a_hash(self, user):
        token, text = api_tokens.issue(name="n", user=user, scopes=["upload"], expires_at=None, issued_by="")
        assert text.startswith(token.prefix)
        assert text not in str(ApiToken.objects.values().get())
        assert len(token.digest) == 64

    def test_revoked_or_expired_or_of_a_closed_account_is_401(self, user, token_for):
        headers = token_for(user)
        for changes in ({"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(seconds=1)}):
            ApiToken.objects.update(**{"revoked_at": None, "expires_at": None, **changes})
            assert self._post(headers).status_code == 401
        ApiToken.objects.update(revoked_at=None, expires_at=timezone.now() + timedelta(hours=1))
        assert self._post(headers).status_code == 201
        user.is_active = False
        user.save()
        assert self._post(headers).status_code == 401

    def test_may_do_what_its_scopes_say(self, user, token_for, client):
        assert self._post(token_for(user, "read")).status_code == 403
        assert client.get(URL, headers=token_for(user, "upload")).status_code == 403
        assert client.get(URL, headers=token_for(user, "read")).status_code == 200
        assert client.get(RESULTS, headers=token_for(user, "read")).status_code == 403
        assert client.get(RESULTS, headers=token_for(user, "results")).status_code == 200

    def test_has_the_permissions_of_groups_and_superusers(self, token_for, staff_with, admin_user, bucket):
        member, group = staff_with(), Group.objects.create(name="uploaders")
        member.groups.add(group)
        assert self._post(token_for(member)).status_code == 403
        group.permissions.add(Permission.objects.get(codename="add_image"))
        assert self._post(token_for(member)).status_code == 201
        assert self._post(token_for(admin_user)).status_code == 201

    def test_may_do_no_more_than_its_user(self, token_for, staff_with, bucket):
        assert self._post(token_for(staff_with("view_image"))).status_code == 403

    def test_is_throttled_alone(self, user, token_for, settings):
        settings.API_REQUESTS_PER_MINUTE = 2
        headers = token_for(user)
        statuses = [self._post(headers).status_code for _time in range(4)]
        refused = self._post(headers)
        assert statuses[:2] == [201, 201]
        assert refused.status_code == 429
        assert refused.json()["code"] == "throttled"
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert self._post(token_for(user)).status_code == 201

    def test_its_requests_are_its_users(self, user, token_for, post):
        record = self._post(token_for(user)).json()
        post(record["credential"])
        assert self._post(token_for(user)).status_code == 201  # looks by HEAD whether the first form was used
        spent = RequestUsage.objects.get(operation="HeadObject")
        assert (spent.username, spent.action) == (user.username, "async_image:create")


class TestResults:
    @pytest.fixture
    def completed(self, api, post):
        record = create(api, metadata={"album": "a"})
        post(record["credential"])
        call_back(api, record["uuid"], success(record["uuid"]))
        create(api)
        return record["uuid"]

    def test_of_all_users_for_staff(self, completed, api, client, admin_user):
        client.force_login(admin_user)
        answer = client.get(RESULTS).json()
        assert answer["count"] == 1
        assert answer["items"] == [client.get(f"{RESULTS}{completed}/").json()]
        [result] = answer["items"]
        assert (result["uuid"], result["user"], result["metadata"]) == (completed, api.user.username, {"album": "a"})
        assert result["processed_key"] == f"image/{completed}_small.jpg"
        assert result["image"]
        assert client.get(f"{RESULTS}{'0' * 32}/").status_code == 404

    def test_not_for_others(self, completed, client, api):
        api.user.is_staff = False
        api.user.save()
        assert client.get(RESULTS).status_code == 403
        assert client.get(f"{RESULTS}{completed}").status_code == 403


class TestDocs:
    @pytest.mark.parametrize("url", [DOCS, f"{DOCS}/"])
    def test_for_staff(self, admin_client, url):
        page = admin_client.get(url).content.decode()
        assert "ninja/swagger-ui-bundle.js" in page
        assert "//cdn" not in page

    def test_the_document_names_every_operation(self, admin_client):
        document = admin_client.get(f"{DOCS}?format=openapi").json()
        operations = {f"{method} {path}" for path, methods in document["paths"].items() for method in methods}
        assert operations == {
            "post /async_image/presignedurl/",
            "get /async_image/presignedurl/",
            "post /async_image/presignedurl/batch/",
            "get /async_image/presignedurl/{uuid}",
            "put /async_image/presignedurl/{uuid}",
            "get /async_image/processed_images/",
            "get /async_image/processed_images/{uuid}/",
        }

    def test_not_for_others(self, client, db):
        assert client.get(DOCS).status_code == 302
        assert client.get(f"{DOCS}?format=openapi").status_code == 302


def test_the_result_model_can_be_swapped(api, post, settings, monkeypatch):
    """Any model with `create_model`: here one of our own lends itself."""
    told = []
    monkeypatch.setattr(Leftover, "create_model", classmethod(lambda cls, **values: told.append(values)), raising=False)
    settings.PROCESSED_IMAGE_MODEL = "media_catalog.Leftover"
    record = create(api, metadata={"a": "1"})
    post(record["credential"])
    call_back(api, record["uuid"], success(record["uuid"]))

    [values] = told
    assert values["processed_key"] == f"image/{record['uuid']}_small.jpg"
    assert (values["user"], values["metadata"], values["uuid"].hex) == (api.user, {"a": "1"}, record["uuid"])
