"""Settings that are about to be written, in words."""

from collections.abc import Mapping, Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from media_catalog.services.bucket_settings import Step

from .costs import in_words

LABELS: Mapping[str, str | Promise] = {
    "public_access": gettext_lazy("Set the public access block"),
    "encryption": gettext_lazy("Set the encryption"),
    "versioning": gettext_lazy("Set the versioning"),
    "cors": gettext_lazy("Set CORS for this site"),
    "lifecycle": gettext_lazy("Set the lifecycle rules"),
}


def step_rows(steps: Sequence[Step]) -> list[tuple[str | Promise, str]]:
    """Each step with its requests, in words."""
    return [(LABELS[step.slug], in_words(step.requests)) for step in steps]
