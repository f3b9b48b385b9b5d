"""Days and months of the quota. Both begin at midnight UTC, as AWS's do."""

from datetime import UTC, date, datetime, timedelta

from media_catalog.models import Period


def day_of(now: datetime) -> date:
    return now.astimezone(UTC).date()


def starts(period: str, day: date) -> date:
    """The first day of the period that the day lies in."""
    return day if period == Period.DAY else day.replace(day=1)


def next_start(period: str, day: date) -> date:
    """The first day of the period after the one that the day lies in."""
    if period == Period.DAY:
        return day + timedelta(days=1)
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def reset_moment(period: str, day: date) -> datetime:
    """When the counters of the period start again."""
    return midnight(next_start(period, day))


def midnight(day: date) -> datetime:
    """When the day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
