"""What was selected on a list: its ids, up to what a job takes, and the selection in words."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from media_catalog.exceptions import TooManyItems
from media_catalog.models import Bucket

NAMED = 3  # buckets in a sentence; of more it says how many


def chosen_ids(rows: QuerySet[Any]) -> list[int]:
    """Sorted. Raises TooManyItems above JOB_MAX_ITEMS, without reading more than that many."""
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[: settings.JOB_MAX_ITEMS + 1])
    if len(ids) > settings.JOB_MAX_ITEMS:
        raise TooManyItems(count=rows.count(), limit=settings.JOB_MAX_ITEMS)
    return ids


def buckets_of(rows: QuerySet[Any]) -> list[str]:
    """The names of the buckets that rows are in, sorted. One query."""
    found = Bucket.objects.filter(pk__in=rows.order_by().values("bucket"))
    return list(found.order_by("name").values_list("name", flat=True))


def scope(page: ModelAdmin, request: HttpRequest, things: str, *, buckets: Sequence[str] = ()) -> str:
    """“12 files of photos: all with bucket: photos, search: 2019”, the filters when all of the list were selected."""
    words = _("%(things)s of %(buckets)s") % {"things": things, "buckets": _listed(buckets)} if buckets else things
    filters = ", ".join(_filters(page, request)) if request.POST.get("select_across") == "1" else ""
    return _("%(things)s: all with %(filters)s") % {"things": words, "filters": filters} if filters else words


def _listed(buckets: Sequence[str]) -> str:
    if len(buckets) > NAMED:
        return _("%(count)d buckets") % {"count": len(buckets)}
    return get_text_list(list(buckets), _("and"))


def _filters(page: ModelAdmin, request: HttpRequest) -> Iterator[str]:
    """The filters and the search of the list, as its side bar names them."""
    changelist = page.get_changelist_instance(request)
    for spec in changelist.filter_specs:
        chosen = [choice["display"] for choice in list(spec.choices(changelist))[1:] if choice["selected"]]
        yield from (f"{spec.title}: {display}" for display in chosen)
    if changelist.query:
        yield _("search: %(text)s") % {"text": changelist.query}
