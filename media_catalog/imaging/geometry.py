"""Sizes and crops of renditions: numbers only, no pixels."""

from dataclasses import dataclass

from media_catalog.imaging.values import MAX_SIDE, Spec


@dataclass(frozen=True, kw_only=True)
class Target:
    """How a picture becomes a rendition: all of it scaled to the frame, then cut at (left, top).

    All in pixels of the result. The frame of an uncropped rendition is its own size.
    """

    width: int
    height: int
    frame_width: int
    frame_height: int
    left: int = 0
    top: int = 0

    @property
    def whole(self) -> bool:
        """Whether the rendition shows the whole picture."""
        return (self.width, self.height) == (self.frame_width, self.frame_height)

    def box_on(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part shown (left, top, right, bottom) on a copy of the picture of this size."""
        across, down = width / self.frame_width, height / self.frame_height
        return (
            self.left * across,
            self.top * down,
            min(width, (self.left + self.width) * across),
            min(height, (self.top + self.height) * down),
        )


def target_size(spec: Spec, width: int, height: int) -> Target:
    """What the spec makes of an upright picture of this size. No side is ever below 1 px.

    Without `allow_upscale`, fit and stretch enlarge no side, and fill cuts a picture that is smaller than
    the box to the aspect of the box at its own scale.
    """
    if spec.width is None or spec.height is None or spec.mode == "fit":
        return _fit(spec, width, height)
    if spec.mode == "fill":
        return _fill(spec, spec.width, spec.height, width, height)
    return _stretch(spec, spec.width, spec.height, width, height)


def _fit(spec: Spec, width: int, height: int) -> Target:
    scale = min((spec.width or MAX_SIDE) / width, (spec.height or MAX_SIDE) / height)
    if not spec.allow_upscale:
        scale = min(scale, 1)
    return _uncropped(_scaled(width, scale), _scaled(height, scale))


def _stretch(spec: Spec, box_width: int, box_height: int, width: int, height: int) -> Target:
    if spec.allow_upscale:
        return _uncropped(box_width, box_height)
    return _uncropped(min(box_width, width), min(box_height, height))


def _fill(spec: Spec, box_width: int, box_height: int, width: int, height: int) -> Target:
    scale = max(box_width / width, box_height / height)
    if scale > 1 and not spec.allow_upscale:
        box_width, box_height = _scaled(box_width, 1 / scale), _scaled(box_height, 1 / scale)
        scale = 1
    # Whole pixels of the frame, so that the largest rendition is cut out of it without resampling again.
    frame_width, frame_height = max(box_width, _scaled(width, scale)), max(box_height, _scaled(height, scale))
    return Target(
        width=box_width,
        height=box_height,
        frame_width=frame_width,
        frame_height=frame_height,
        left=(frame_width - box_width) // 2,
        top=(frame_height - box_height) // 2,
    )


def _scaled(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def _uncropped(width: int, height: int) -> Target:
    return Target(width=width, height=height, frame_width=width, frame_height=height)
