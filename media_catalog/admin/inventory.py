"""The inventory of a bucket: all its objects as the last job listed them, from the database alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from media_catalog.models import Bucket, InventoryObject, Scan
from media_catalog.services import inventory, inventory_list, objects
from media_catalog.services.inventory_list import COUNTED, SORTS, STORAGE_CLASSES, Page, Wanted
from media_catalog.services.object_keys import visible
from media_catalog.services.objects import Known

from .base import number
from .bucket_jobs import inventory_context
from .bucket_pages import bucket_view, may, page_context, url

Choices = list[tuple[str, str | Promise]]
SIZES: Choices = [
    ("", gettext_lazy("Any size")),
    ("empty", gettext_lazy("Empty")),
    ("small", gettext_lazy("Below 100 KB")),
    ("medium", gettext_lazy("100 KB to 1 MB")),
    ("large", gettext_lazy("1 to 15 MB")),
    ("huge", gettext_lazy("15 MB and more")),
]
AGES: Choices = [
    ("", gettext_lazy("Any time")),
    ("day", gettext_lazy("Last 24 hours")),
    ("week", gettext_lazy("Last 7 days")),
    ("month", gettext_lazy("Last 30 days")),
    ("year", gettext_lazy("Last 365 days")),
]
STATES: Choices = [
    ("", gettext_lazy("Known or not")),
    ("known", gettext_lazy("Known to the catalogue")),
    ("unknown", gettext_lazy("Not known")),
    ("adoptable", gettext_lazy("Not known, may be images")),
    ("skipped", gettext_lazy("Not catalogued, with the reason")),
    ("missing", gettext_lazy("Missing at S3")),
]
COLUMNS: Mapping[str, str | Promise] = {
    "key": gettext_lazy("Key"),
    "size": gettext_lazy("Size"),
    "modified": gettext_lazy("Modified"),
}


class SearchForm(forms.Form):
    """What is not offered is the same as nothing chosen."""

    text = forms.CharField(label=gettext_lazy("Key"), required=False, strip=False)
    how = forms.ChoiceField(
        label=gettext_lazy("How"),
        required=False,
        choices=[("prefix", gettext_lazy("begins with")), ("contains", gettext_lazy("contains"))],
    )
    size = forms.ChoiceField(label=gettext_lazy("Size"), required=False, choices=SIZES)
    age = forms.ChoiceField(label=gettext_lazy("Modified"), required=False, choices=AGES)
    storage = forms.ChoiceField(
        label=gettext_lazy("Storage"),
        required=False,
        choices=[("", gettext_lazy("Any storage")), *((name, name) for name in STORAGE_CLASSES)],
    )
    state = forms.ChoiceField(label=gettext_lazy("Catalogue"), required=False, choices=STATES)


@dataclass(frozen=True, kw_only=True)
class Row:
    key: str
    url: str
    row: InventoryObject
    known: Known


@dataclass(frozen=True, kw_only=True)
class Column:
    """`order`: "ascending", "descending" or none when the list is not sorted by it."""

    label: str | Promise
    url: str
    order: str


@bucket_view("browse_objects")
def inventory_view(page: ModelAdmin, request: HttpRequest, bucket: Bucket) -> HttpResponse:
    """No request to AWS, and as many queries however large the bucket is."""
    wanted = _wanted(request)
    found = inventory_list.find(
        bucket,
        wanted,
        after=number(request.GET.get("after", "")) or 0,
        before=number(request.GET.get("before", "")) or 0,
    )
    form = SearchForm(initial=asdict(wanted))
    context = page_context(
        page,
        request,
        bucket,
        _("Inventory"),
        form=form,
        filters=[form[name] for name in ("state", "size", "age", "storage")],
        wanted=wanted,
        is_filtered=wanted != Wanted(sort=wanted.sort, down=wanted.down),
        rows=_rows(bucket, found),
        columns=_columns(bucket, wanted),
        count=found.count,
        more_than_counted=found.count == COUNTED,
        scan=inventory.latest(bucket),
        running=Scan.objects.filter(bucket=bucket, state=Scan.State.RUNNING).first(),
        may_see_images=may(request, "view_image"),
        may_see_findings=may(request, "view_finding"),
        may_adopt=may(request, "adopt_objects"),
        **_turns(bucket, wanted, found),
        **inventory_context(request, bucket),
    )
    return TemplateResponse(request, "admin/media_catalog/inventory.html", context)


def _wanted(request: HttpRequest) -> Wanted:
    given = {name: request.GET.get(name, "").replace("\x00", "") for name in SearchForm.base_fields}
    how = given.pop("how")
    sort = request.GET.get("sort", "")
    return Wanted(
        **given,
        how=how if how == "contains" else "prefix",
        sort=sort if sort in SORTS else "key",
        down=request.GET.get("order") == "down",
    )


def _rows(bucket: Bucket, found: Page) -> list[Row]:
    known = objects.known(bucket, [row.key for row in found.rows])
    return [
        Row(
            key=visible(row.key),
            url=url(bucket, "object", key=row.key),
            row=row,
            known=known.get(row.key, Known()),
        )
        for row in found.rows
    ]


def _columns(bucket: Bucket, wanted: Wanted) -> list[Column]:
    """A second click turns the order round."""
    return [
        Column(
            label=label,
            url=_address(bucket, replace(wanted, sort=name, down=name == wanted.sort and not wanted.down)),
            order=("descending" if wanted.down else "ascending") if name == wanted.sort else "",
        )
        for name, label in COLUMNS.items()
    ]


def _turns(bucket: Bucket, wanted: Wanted, found: Page) -> dict[str, str]:
    return {
        "first_url": _address(bucket, wanted) if found.before else "",
        "back_url": _address(bucket, wanted, before=found.before) if found.before else "",
        "next_url": _address(bucket, wanted, after=found.after) if found.after else "",
    }


def _address(bucket: Bucket, wanted: Wanted, **turn: int) -> str:
    query = {name: value for name, value in asdict(wanted).items() if value and name != "down"}
    query |= {"order": "down"} if wanted.down else {}
    return f"{url(bucket, 'inventory')}?{urlencode({**query, **turn})}"
