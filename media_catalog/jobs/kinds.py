"""The kinds of job: what each does with one item."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Analysis, Bucket, Finding, Image, JobItem, RequestClass
from media_catalog.services import (
    adoption,
    bucket_removal,
    buckets,
    detection,
    findings,
    inventory,
    reconcile,
    removal,
    renditions,
)
from media_catalog.services.turns import TURN_SECONDS

FINDINGS = 20  # acted on between two looks at the clock


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an item ended, `message` in words for staff. QUEUED: it did not, and is tried again after `wait` seconds."""

    state: JobItem.State
    message: str
    code: str = ""
    wait: float = 0
    got_on: bool = False  # it is tried again because there is more to do: not an attempt that failed


def _no_requests(options: Mapping[str, Any]) -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`run` takes the item's image (None for kinds without) and the job's options.

    Whoever has one of the `permissions` may have it run. `requests` is the estimate of a kind that takes no images,
    from the options.
    """

    slug: str
    label: str | Promise
    run: Callable[[Image | None, Mapping[str, Any]], Outcome]
    permissions: Sequence[str]
    takes_images: bool = True
    requests: Callable[[Mapping[str, Any]], Mapping[str, int]] = _no_requests


def _done(message: str) -> Outcome:
    return Outcome(state=JobItem.State.DONE, message=message)


def _skipped(message: str, code: str) -> Outcome:
    return Outcome(state=JobItem.State.SKIPPED, message=message, code=code)


def _goes_on(message: str) -> Outcome:
    return Outcome(state=JobItem.State.QUEUED, message=message, got_on=True)


def _make_renditions(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    made = renditions.make(image=image)
    if not made:
        return _skipped(_("All renditions are current."), "current")
    return _done(ngettext("%(count)d rendition made.", "%(count)d renditions made.", made) % {"count": made})


def _detect_faces(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    if not options.get("again") and detection.is_current(image):
        return _skipped(_("Analysed already, and the image has not changed."), "current")
    analysis = detection.detect(image=image)
    if analysis.state == Analysis.State.NO_FACES:
        return _done(_("No faces found."))
    count = analysis.face_count
    return _done(ngettext("%(count)d face found.", "%(count)d faces found.", count) % {"count": count})


def _remove_images(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    assert image is not None  # noqa: S101  (takes_images)
    count = removal.remove(image=image)
    return _done(ngettext("%(count)d object deleted.", "%(count)d objects deleted.", count) % {"count": count})


def _sync_buckets(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    result = buckets.sync()
    return _done(
        _("%(seen)d buckets seen, %(added)d new, %(missing)d missing.")
        % {"seen": result.seen, "added": result.added, "missing": result.missing}
    )


def _sync_inventory(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    """The scan in turns, then the look for discrepancies, which costs no request."""
    bucket = _bucket(options)
    if bucket is None:
        return _bucket_gone()
    try:
        turn = inventory.sync(bucket, run=options["run"])
    except inventory.Replaced:
        return _skipped(_("Another inventory of this bucket has begun meanwhile."), "replaced")
    said = ngettext("%(count)d entry listed.", "%(count)d entries listed.", turn.count) % {"count": turn.count}
    found = reconcile.reconcile(bucket) if turn.done else None
    if found is None or not found.done:
        return _goes_on(said)
    return _done(f"{said} {_discrepancies(found.count)}")


def _reconcile(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _bucket_gone()
    found = reconcile.reconcile(bucket)
    if found is None:
        return _skipped(_("There is no inventory of this bucket yet."), "no_inventory")
    return _done(_discrepancies(found.count)) if found.done else _goes_on(_discrepancies(found.count))


def _discrepancies(count: int) -> str:
    return ngettext("%(count)d finding is open.", "%(count)d findings are open.", count) % {"count": count}


def _adopt_objects(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _bucket_gone()
    counts, done = adoption.adopt(bucket, run=options["run"], any_name=options["any_name"])
    catalogued = ngettext("%(count)d image catalogued.", "%(count)d images catalogued.", counts["catalogued"])
    skipped = ngettext("%(count)d object skipped.", "%(count)d objects skipped.", counts["skipped"])
    said = f"{catalogued % {'count': counts['catalogued']}} {skipped % {'count': counts['skipped']}}"
    return _done(said) if done else _goes_on(said)


def _act_on_findings(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    """Those that this run has not handled yet, for one turn."""
    until = time.monotonic() + TURN_SECONDS
    mine = Finding.objects.filter(pk__in=options["findings"])
    waiting = mine.exclude(run=options["run"]).select_related("bucket").order_by("pk")
    while time.monotonic() < until and (batch := waiting[:FINDINGS]):
        for finding in batch:
            findings.act(finding, options["action"], by=options["by"], run=options["run"])
    handled = mine.filter(run=options["run"])
    count = handled.filter(action=options["action"], state=Finding.State.RESOLVED).count()
    said = ngettext("%(count)d finding resolved.", "%(count)d findings resolved.", count) % {"count": count}
    if others := handled.count() - count:
        why = ngettext("%(count)d was left, and says why.", "%(count)d were left, and say why.", others)
        said = f"{said} {why % {'count': others}}"
    return _goes_on(said) if waiting.exists() else _done(said)


def _cost_of_findings(options: Mapping[str, Any]) -> Mapping[str, int]:
    return findings.cost(Finding.objects.filter(pk__in=options["findings"]), options["action"])


def _bucket_gone() -> Outcome:
    return _skipped(_("The bucket is not in the catalogue any more."), "gone")


def _empty_bucket(image: Image | None, options: Mapping[str, Any]) -> Outcome:
    bucket = _bucket(options)
    if bucket is None:
        return _done(_("Deleted."))
    turn = bucket_removal.empty_and_delete(bucket, run=options["run"])
    said = ngettext("%(count)d entry deleted.", "%(count)d entries deleted.", turn.count) % {"count": turn.count}
    return _done(_("%(entries)s The bucket is deleted.") % {"entries": said}) if turn.done else _goes_on(said)


def _cost_of_inventory(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return inventory.cost(bucket) if bucket else {}


def _cost_of_adopting(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return adoption.cost(bucket, any_name=options["any_name"]) if bucket else {}


def _cost_of_emptying(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = _bucket(options)
    return bucket_removal.empty_cost(bucket) if bucket else {}


def _bucket(options: Mapping[str, Any]) -> Bucket | None:
    """The bucket that the job is about; None when its row is gone."""
    return Bucket.objects.filter(pk=options["bucket"]).first()


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.slug: kind
        for kind in (
            Kind(
                slug="make_renditions",
                label=gettext_lazy("Make renditions"),
                run=_make_renditions,
                permissions=["media_catalog.make_renditions_image", "media_catalog.add_image"],  # an upload makes some
            ),
            Kind(
                slug="detect_faces",
                label=gettext_lazy("Detect faces"),
                run=_detect_faces,
                permissions=["media_catalog.detect_faces_image"],
            ),
            Kind(
                slug="remove_images",
                label=gettext_lazy("Remove images"),
                run=_remove_images,
                permissions=["media_catalog.delete_image"],
            ),
            Kind(
                slug="sync_buckets",
                label=gettext_lazy("Synchronise buckets"),
                run=_sync_buckets,
                permissions=["media_catalog.sync_bucket"],
                takes_images=False,
                requests=lambda options: {RequestClass.S3_TIER1.value: 1},
            ),
            Kind(
                slug="sync_inventory",
                label=gettext_lazy("Take inventory"),
                run=_sync_inventory,
                permissions=["media_catalog.sync_bucket"],
                takes_images=False,
                requests=_cost_of_inventory,
            ),
            Kind(
                slug="reconcile",
                label=gettext_lazy("Look for discrepancies"),
                run=_reconcile,
                permissions=["media_catalog.sync_bucket"],
                takes_images=False,
            ),
            Kind(
                slug="adopt_objects",
                label=gettext_lazy("Catalogue existing objects"),
                run=_adopt_objects,
                permissions=["media_catalog.adopt_objects"],
                takes_images=False,
                requests=_cost_of_adopting,
            ),
            *(
                Kind(
                    slug=slug,
                    label=label,
                    run=_act_on_findings,
                    permissions=[permission],
                    takes_images=False,
                    requests=_cost_of_findings,
                )
                for slug, label, permission in (
                    ("resolve_findings", gettext_lazy("Resolve findings"), "media_catalog.resolve_finding"),
                    ("adopt_findings", gettext_lazy("Adopt what was found"), "media_catalog.adopt_objects"),
                    ("delete_findings", gettext_lazy("Delete what was found"), "media_catalog.delete_found"),
                )
            ),
            Kind(
                slug="empty_bucket",
                label=gettext_lazy("Empty and delete bucket"),
                run=_empty_bucket,
                permissions=["media_catalog.empty_bucket"],
                takes_images=False,
                requests=_cost_of_emptying,
            ),
        )
    }
)
