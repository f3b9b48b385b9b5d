"""Behind a TLS-terminating load balancer. A missing value stops the start and names itself."""

from typing import Any

from .base import *  # noqa: F403
from .base import CONTENT_SECURITY_POLICY, INSTALLED_APPS, LOGGING, MIDDLEWARE, STATIC_DOMAIN, USE_S3, database
from .environment import env

DEBUG = False
SECRET_KEY = env("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.list(
    "CSRF_TRUSTED_ORIGINS",
    # A host with a leading dot stands for all below it; `*` names no origin.
    default=[f"https://{'*' if host.startswith('.') else ''}{host}" for host in ALLOWED_HOSTS if host != "*"],
)
DATABASES = {"default": database()}
_REDIS: dict[str, Any] = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": env("REDIS_URL"),
    "OPTIONS": {"socket_connect_timeout": 3, "socket_timeout": 5},  # seconds; without, a page hangs with the cache
}
CACHES = {"default": _REDIS, "handover": _REDIS}

INSTALLED_APPS = ["whitenoise.runserver_nostatic", *INSTALLED_APPS]
_after = MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1
MIDDLEWARE = [*MIDDLEWARE[:_after], "whitenoise.middleware.WhiteNoiseMiddleware", *MIDDLEWARE[_after:]]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
if USE_S3:
    STATIC_URL = f"https://{STATIC_DOMAIN}/"
    STORAGES["staticfiles"] = {"BACKEND": "media_catalog.aws.static_files.PublishedStaticFiles"}
    for _directive in ("script-src", "style-src", "img-src", "font-src"):
        CONTENT_SECURITY_POLICY["DIRECTIVES"][_directive].append(f"https://{STATIC_DOMAIN}")

LOGGING["formatters"]["line"] = {"()": "backoffice.logging.JsonLines"}
LOGGING["loggers"] = {name: {"level": "INFO"} for name in ("backoffice", "media_catalog")}

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
