"""What a bulk action will cost: pure, from facts about the selection."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from media_catalog.models import RequestClass

WORTH_A_START = 10  # requests of a class: with fewer, work in turns would look at much to get little done


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What an estimate must know of a selected image.

    `bytes` of the original; `missing` renditions that would be made, of which `replaced` leave an old object to be
    deleted; `refused` ones, of too many pixels or in place of another image's; `unpaired` bucket, without a place for
    renditions; `held` ones that exist; `readable` by Rekognition or `too_large` for it; `analysed` and unchanged since;
    `legal_hold` of its bucket, which forbids its removal; `lost`: S3 is known to have no such object any more.
    """

    pk: int
    bytes: int = 0
    missing: int = 0
    replaced: int = 0
    refused: int = 0
    unpaired: bool = False
    held: int = 0
    readable: bool = True
    too_large: bool = False
    analysed: bool = False
    legal_hold: bool = False
    lost: bool = False


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Requests per class and bytes from S3 that one image takes; or why it is skipped, at no cost."""

    requests: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    skipped: str = ""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The cost of each image in order. What is skipped costs nothing."""

    costs: Sequence[tuple[int, Cost]]

    @property
    def requests(self) -> dict[str, int]:
        """Requests per class, in all."""
        total: Counter[str] = Counter()
        for _pk, cost in self.costs:
            total.update(cost.requests)
        return dict(total)

    @property
    def bytes(self) -> int:
        return sum(cost.bytes for _pk, cost in self.costs)

    @property
    def skipped(self) -> dict[str, int]:
        """How many images are skipped, by reason: one of the constants below."""
        return dict(Counter(cost.skipped for _pk, cost in self.costs if cost.skipped))

    def price(self, prices: Mapping[str, float]) -> float:
        """In US dollars, at prices for one request of each class."""
        return sum(count * prices[cls] for cls, count in self.requests.items())

    @property
    def least(self) -> Mapping[str, int]:
        """The requests of the first image that takes any."""
        return next((cost.requests for _pk, cost in self.costs if any(cost.requests.values())), {})

    def within(self, left: Mapping[str, int]) -> "Estimate | None":
        """Of the images that fit, from the first; None when that is none."""
        count = self.fitting(left)
        return Estimate(costs=self.costs[:count]) if count else None

    def fitting(self, left: Mapping[str, int]) -> int:
        """How many images, from the first, fit into what is left of each class; one that is not named always fits."""
        needed: Counter[str] = Counter()
        for number, (_pk, cost) in enumerate(self.costs):
            needed.update(cost.requests)
            if any(needed[cls] > left[cls] for cls in needed if cls in left):
                return number
        return len(self.costs)


@dataclass(frozen=True, kw_only=True)
class Turns:
    """The cost of work that may stop at any request, and goes on from there later."""

    requests: Mapping[str, int]

    @property
    def least(self) -> dict[str, int]:
        """The requests that are worth a start."""
        return {cls: min(count, WORTH_A_START) for cls, count in self.requests.items() if count}

    def within(self, left: Mapping[str, int]) -> "Turns | None":
        """The same share of each class, as large as fits; None when that is not worth a start."""
        if any(left[cls] < count for cls, count in self.least.items() if cls in left):
            return None
        fits, whole = min(
            ((left.get(cls, count), count) for cls, count in self.requests.items() if count),
            key=lambda pair: pair[0] / pair[1],
        )
        shares = {cls: -(-count * fits // whole) for cls, count in self.requests.items()}
        return Turns(requests={cls: min(count, left.get(cls, count)) for cls, count in shares.items()})


CURRENT, ANALYSED, UNREADABLE, TOO_LARGE = "current", "analysed", "unreadable", "too large"
NOT_PERMITTED, UNPAIRED, REFUSED = "not permitted", "unpaired", "refused"
FAILING = {UNREADABLE, TOO_LARGE, UNPAIRED, REFUSED}  # skipped ones whose items fail, and say why


def estimate(kind: str, selection: Iterable[Candidate], options: Mapping[str, Any]) -> Estimate:
    """The cost of a kind of job for a selection. The same rules as the job itself follows."""
    cost = _COSTS[kind]
    return Estimate(costs=[(candidate.pk, cost(candidate, options)) for candidate in selection])


def _make_renditions(image: Candidate, options: Mapping[str, Any]) -> Cost:
    """One GET, one decode, one PUT for each; a DELETE for each old object that one replaces."""
    if not image.missing:
        return Cost(skipped=REFUSED if image.refused else CURRENT)
    if image.unpaired:
        return Cost(skipped=UNPAIRED)
    if image.lost:
        return Cost(requests={RequestClass.S3_TIER2.value: 1})
    requests = {RequestClass.S3_TIER2.value: 1, RequestClass.S3_TIER1.value: image.missing}
    if image.replaced:
        requests[RequestClass.FREE.value] = image.replaced
    return Cost(requests=requests, bytes=image.bytes)


def _detect_faces(image: Candidate, options: Mapping[str, Any]) -> Cost:
    """By S3 reference: Rekognition reads the object, at no request of ours."""
    if image.too_large:
        return Cost(skipped=TOO_LARGE)
    if not image.readable:
        return Cost(skipped=UNREADABLE)
    if image.analysed and not options.get("again"):
        return Cost(skipped=ANALYSED)
    return Cost(requests={RequestClass.REKOGNITION_IMAGE.value: 1})


def _remove_images(image: Candidate, options: Mapping[str, Any]) -> Cost:
    """To the trash: one COPY, and a DELETE, free of charge, for the original and each rendition.

    Where the COPY finds no original, a HEAD of the bucket instead of its DELETE.
    """
    if image.legal_hold:
        return Cost(skipped=NOT_PERMITTED)
    if image.lost:
        requests = {RequestClass.S3_TIER1.value: 1, RequestClass.S3_TIER2.value: 1, RequestClass.FREE.value: image.held}
        return Cost(requests=requests)
    return Cost(requests={RequestClass.S3_TIER1.value: 1, RequestClass.FREE.value: 1 + image.held})


def _move_image(image: Candidate, options: Mapping[str, Any]) -> Cost:
    """A HEAD of the new key; a COPY and a DELETE, free of charge, for the original and each rendition."""
    if image.legal_hold:
        return Cost(skipped=NOT_PERMITTED)
    requests = {RequestClass.S3_TIER1.value: 1, RequestClass.S3_TIER2.value: 1}
    if image.lost:
        return Cost(requests=requests)
    return Cost(
        requests=requests | {RequestClass.S3_TIER1.value: 1 + image.held, RequestClass.FREE.value: 1 + image.held}
    )


_COSTS: Mapping[str, Callable[[Candidate, Mapping[str, Any]], Cost]] = {
    "make_renditions": _make_renditions,
    "detect_faces": _detect_faces,
    "remove_images": _remove_images,
    "move_image": _move_image,
}
