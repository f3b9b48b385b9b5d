"""What the meter has written down, and the limits that it obeys."""

from django.db.models import Sum

from media_catalog.models import RequestCounter, RequestLimit, RequestUsage


def set_limit(request_class: str, limit: int) -> None:
    RequestLimit.objects.update_or_create(request_class=request_class, defaults={"limit": limit, "source": "hand"})


def no_limits() -> None:
    RequestLimit.objects.all().delete()


def used() -> dict[str, int]:
    """Requests counted per class, over all months."""
    rows = (
        RequestCounter.objects.filter(used__gt=0, period="month")
        .order_by()
        .values_list("request_class")
        .annotate(Sum("used"))
    )
    return dict(rows)


def attributed() -> dict[str, int]:
    """Requests per class by the rows that say who spent them."""
    return dict(RequestUsage.objects.order_by().values_list("request_class").annotate(Sum("count")))
