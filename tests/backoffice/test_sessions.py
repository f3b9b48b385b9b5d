"""Sessions while the cache is away: pages go on out of the database."""

from collections.abc import Iterator

import pytest
from django.core.cache import caches

INDEX = "/admin/"


@pytest.fixture
def without_cache(settings) -> Iterator[None]:
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {**settings.CACHES, "sessions": away}
    settings.SESSION_CACHE_ALIAS = "sessions"
    yield
    del caches["sessions"]


def test_who_is_logged_in_stays_so(admin_client, without_cache, caplog):
    response = admin_client.get(INDEX)

    assert response.status_code == 200
    assert "the cache is away" in caplog.text


def test_logging_in_works(client, admin_user, without_cache):
    response = client.post("/admin/login/", {"username": "admin", "password": "password", "next": INDEX}, follow=True)

    assert response.redirect_chain == [(INDEX, 302)]
    assert response.context["user"] == admin_user
