"""Jobs that compare what buckets hold with the catalogue."""

import time
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from media_catalog.models import Finding, Image, Job
from media_catalog.services import adoption, finding_costs, findings, inventory, reconcile
from media_catalog.services.turns import TURN_SECONDS

from .base import Kind, Outcome, bucket_gone, bucket_of, done, goes_on, skipped

FINDINGS = 20  # acted on between two looks at the clock


def _sync_inventory(image: Image | None, job: Job) -> Outcome:
    """The scan in turns, then the look for discrepancies, which costs no request."""
    bucket = bucket_of(job.options)
    if bucket is None:
        return bucket_gone()
    try:
        turn = inventory.sync(bucket, run=job.options["run"])
    except inventory.Replaced:
        return skipped(_("Another inventory of this bucket has begun meanwhile."), "replaced")
    said = ngettext("%(count)d entry listed.", "%(count)d entries listed.", turn.count) % {"count": turn.count}
    found = reconcile.reconcile(bucket, run=job.options["run"]) if turn.done else None
    if found is None or not found.done:
        return goes_on(said)
    return done(f"{said} {_discrepancies(found.count)}")


def _reconcile(image: Image | None, job: Job) -> Outcome:
    bucket = bucket_of(job.options)
    if bucket is None:
        return bucket_gone()
    found = reconcile.reconcile(bucket, run=job.options["run"])
    if found is None:
        return skipped(_("There is no inventory of this bucket yet."), "no_inventory")
    return done(_discrepancies(found.count)) if found.done else goes_on(_discrepancies(found.count))


def _discrepancies(count: int) -> str:
    return ngettext("%(count)d finding is open.", "%(count)d findings are open.", count) % {"count": count}


def _adopt_objects(image: Image | None, job: Job) -> Outcome:
    bucket = bucket_of(job.options)
    if bucket is None:
        return bucket_gone()
    counts, over = adoption.adopt(bucket, run=job.options["run"], any_name=job.options["any_name"])
    catalogued = ngettext("%(count)d image catalogued.", "%(count)d images catalogued.", counts["catalogued"])
    skipped = ngettext("%(count)d object skipped.", "%(count)d objects skipped.", counts["skipped"])
    said = f"{catalogued % {'count': counts['catalogued']}} {skipped % {'count': counts['skipped']}}"
    return done(said) if over else goes_on(said)


def _act_on_findings(image: Image | None, job: Job) -> Outcome:
    """Those that this run has not handled yet, for one turn."""
    until = time.monotonic() + TURN_SECONDS
    user = job.requested_by

    def may(permission: str) -> bool:
        return user is not None and user.has_perm(f"media_catalog.{permission}")

    waiting = _waiting(job.options).select_related("bucket").order_by("pk")
    while time.monotonic() < until and (batch := waiting[:FINDINGS]):
        for finding in batch:
            findings.act(finding, job.options["action"], by=job.options["by"], run=job.options["run"], may=may)
    handled = Finding.objects.filter(pk__in=job.options["findings"], run=job.options["run"])
    count = handled.filter(action=job.options["action"], state=Finding.State.RESOLVED).count()
    said = ngettext("%(count)d finding resolved.", "%(count)d findings resolved.", count) % {"count": count}
    if others := handled.count() - count:
        why = ngettext("%(count)d was left, and says why.", "%(count)d were left, and say why.", others)
        said = f"{said} {why % {'count': others}}"
    return goes_on(said) if waiting.exists() else done(said)


def _waiting(options: Mapping[str, Any]) -> QuerySet[Finding]:
    """Those that this run has not handled yet."""
    return Finding.objects.filter(pk__in=options["findings"]).exclude(run=options["run"])


def _cost_of_inventory(options: Mapping[str, Any]) -> Mapping[str, int]:
    bucket = bucket_of(options)
    return inventory.cost(bucket) if bucket else {}


def _cost_of_adopting(options: Mapping[str, Any]) -> Mapping[str, int]:
    return adoption.cost(_adoptable(options))


def _cost_of_findings(options: Mapping[str, Any]) -> Mapping[str, int]:
    return finding_costs.cost(list(_waiting(options).values_list("pk", flat=True)), options["action"])


def _findings_left(options: Mapping[str, Any]) -> int:
    return _waiting(options).count()


def _adoptable(options: Mapping[str, Any]) -> int:
    bucket = bucket_of(options)
    return adoption.count(bucket).of(any_name=options["any_name"]) if bucket else 0


KINDS = (
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
        left=_adoptable,
    ),
    *(
        Kind(
            slug=slug,
            label=label,
            run=_act_on_findings,
            permissions=[permission],
            takes_images=False,
            requests=_cost_of_findings,
            left=_findings_left,
        )
        for slug, label, permission in (
            ("resolve_findings", gettext_lazy("Resolve findings"), "media_catalog.resolve_finding"),
            ("adopt_findings", gettext_lazy("Adopt what was found"), "media_catalog.adopt_objects"),
            ("delete_findings", gettext_lazy("Delete what was found"), "media_catalog.delete_found"),
        )
    ),
)
