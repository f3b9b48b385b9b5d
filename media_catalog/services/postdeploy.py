"""What must hold of a deployment once it runs: each item is looked at where it can be seen."""

import http.client
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks.security.base import check_secret_key
from django.utils import timezone
from django.utils.translation import gettext as _

from media_catalog.aws import bucket_settings, deployment
from media_catalog.exceptions import AwsDenied, AwsNotFound, BackofficeError
from media_catalog.models import Period, RequestClass, RequestLimit

from . import readiness
from .sentences import sentence

HTTP_SECONDS = 10
LOG_AGE = timedelta(minutes=15)  # workers write figures every minute, and the check itself has just asked for a page
BUCKETS = (
    "BUCKET_ORIGINALS",
    "BUCKET_RENDITIONS",
    "BUCKET_STATIC",
    "BUCKET_FILES",
    "ASYNC_IMAGE_UPLOAD_BUCKET",
    "ASYNC_IMAGE_UPLOAD_RENDITIONS_BUCKET",
)
WEAK_PASSWORDS = frozenset({"", "backoffice", "postgres", "password"})
PUBLISHED_KEY = "on-this-machine-only-"  # begins the key in compose.yaml, which everybody has
SHORTEST_CALLBACK_SECRET = 32  # characters


class State(Enum):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NOT_PERMITTED = "not permitted"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`detail` says what is wrong; empty when nothing is."""

    item: str
    state: State
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """`url` as browsers know the site; services as `cluster/name`; `role` the one that this process should have."""

    url: str
    log_groups: Iterable[str]
    services: Iterable[str]
    database: str
    role: str


def check(deployed: Deployment) -> list[Finding]:
    """One finding for each item of the checklist."""
    return [find(item, deployed) for item in ITEMS]


def find(item: str, deployed: Deployment) -> Finding:
    try:
        problems = ITEMS[item](deployed)
    except AwsDenied as error:
        return Finding(item=item, state=State.NOT_PERMITTED, detail=str(error))
    except BackofficeError as error:
        problems = [sentence(error)]
    return Finding(item=item, state=State.FAIL if problems else State.PASS, detail=" ".join(problems))


def _tls(deployed: Deployment) -> list[str]:
    host = urlsplit(deployed.url).netloc
    problems = []
    try:
        status, headers = _head(http.client.HTTPSConnection(host, timeout=HTTP_SECONDS), "/admin/login/")
        if status != http.HTTPStatus.OK:
            problems.append(_("The login page answers with %(status)d.") % {"status": status})
        if "Strict-Transport-Security" not in headers:
            problems.append(_("Strict-Transport-Security is missing."))
        status, headers = _head(http.client.HTTPConnection(host, timeout=HTTP_SECONDS), "/")
        if status != http.HTTPStatus.MOVED_PERMANENTLY or not headers.get("Location", "").startswith("https://"):
            problems.append(_("Plain HTTP is not redirected."))
    except (OSError, ssl.SSLError, http.client.HTTPException) as error:
        problems.append(_("%(host)s: %(error)s.") % {"host": host, "error": error})
    return problems


def _head(connection: http.client.HTTPConnection, path: str) -> tuple[int, http.client.HTTPMessage]:
    try:
        connection.request("HEAD", path)
        answer = connection.getresponse()
        return answer.status, answer.headers
    finally:
        connection.close()


def _debug(_deployed: Deployment) -> list[str]:
    return [_("DEBUG is on.")] if settings.DEBUG else []


def _secrets(_deployed: Deployment) -> list[str]:
    problems = [str(message.msg) for message in check_secret_key(None)]
    if settings.DATABASES["default"].get("PASSWORD", "") in WEAK_PASSWORDS:
        problems.append(_("The database's password is a default."))
    if settings.SECRET_KEY.startswith(PUBLISHED_KEY):
        problems.append(_("SECRET_KEY is the one published in compose.yaml."))
    callback = settings.ASYNC_IMAGE_CALLBACK_SECRETS
    if not callback or min(map(len, callback)) < SHORTEST_CALLBACK_SECRET:
        text = _("ASYNC_IMAGE_CALLBACK_SECRETS needs one of %(number)d characters or more, and none that is shorter.")
        problems.append(text % {"number": SHORTEST_CALLBACK_SECRET})
    if not urlsplit(str(settings.CACHES["default"].get("LOCATION", ""))).password:
        problems.append(_("The address of Redis has no password."))
    return problems


def _migrations(_deployed: Deployment) -> list[str]:
    return [_("%(name)s is not applied.") % {"name": name} for name in readiness.pending_migrations()]


def _limits(_deployed: Deployment) -> list[str]:
    limited = set(RequestLimit.objects.filter(period=Period.MONTH).values_list("request_class", flat=True))
    wanted = [cls for cls in RequestClass if cls is not RequestClass.FREE]
    return [_("%(name)s has no limit for the month.") % {"name": cls.label} for cls in wanted if cls not in limited]


def _logs(deployed: Deployment) -> list[str]:
    since = timezone.now() - LOG_AGE
    return [
        _("Nothing has come to %(group)s lately.") % {"group": group}
        for group in deployed.log_groups
        if not deployment.has_log_lines(group, since=since)
    ]


def _autoscaling(deployed: Deployment) -> list[str]:
    return [
        _("%(service)s does not scale.") % {"service": service}
        for service in deployed.services
        if not deployment.scaling_policies(service)
    ]


def _backups(deployed: Deployment) -> list[str]:
    name = deployed.database
    return [] if deployment.backup_days(name) else [_("%(name)s is not backed up.") % {"name": name}]


def _buckets(_deployed: Deployment) -> list[str]:
    names = {getattr(settings, name) for name in BUCKETS} - {""}
    return [_("%(bucket)s may be public.") % {"bucket": name} for name in sorted(names) if not _is_private(name)]


def _is_private(bucket: str) -> bool:
    try:
        return bucket_settings.blocks_public_access(bucket)
    except AwsNotFound:
        return False


def _roles(deployed: Deployment) -> list[str]:
    own = deployment.own_role()
    text = _("This process has the role “%(own)s” instead of “%(role)s”.")
    return [] if own == deployed.role else [text % {"own": own, "role": deployed.role}]


ITEMS: Mapping[str, Callable[[Deployment], list[str]]] = {
    "tls": _tls,
    "debug": _debug,
    "secrets": _secrets,
    "migrations": _migrations,
    "limits": _limits,
    "logs": _logs,
    "autoscaling": _autoscaling,
    "backups": _backups,
    "buckets": _buckets,
    "roles": _roles,
}
