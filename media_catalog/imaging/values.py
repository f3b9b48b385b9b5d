"""What goes into imaging and what comes out, frozen."""

from dataclasses import dataclass

from media_catalog.imaging.formats import FORMATS, WRITTEN

# No rendition has a longer side: it is the most that WebP can hold, and it keeps a free side finite
# (a 1 × 10,000 picture enlarged to 200 wide would be 2,000,000 high).
MAX_SIDE = 16_383

MODES = ("fit", "fill", "stretch")

# Beyond this nothing can be made out in any rendition.
MAX_BLUR = 100

WHITE = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What we accept. `formats` are Pillow's names, out of FORMATS; ValueError for others."""

    max_bytes: int
    max_pixels: int
    formats: tuple[str, ...]

    def __post_init__(self) -> None:
        if unknown := set(self.formats) - FORMATS.keys():
            raise ValueError(f"no such formats: {sorted(unknown)}; we read {sorted(FORMATS)}")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a file is. `width` and `height` are in pixels, upright as browsers show the picture.

    `orientation` is the EXIF tag, 1…8, of whatever format; 1 when absent or invalid. Beware: Rekognition
    turns JPEG by it, not PNG, so its boxes for a PNG with another orientation than 1 are those of the
    picture as stored, while our size and renditions are upright. Always 1 for TIFF.

    `frames`: 1, or those of an animation. `mode`: Pillow's name of the pixels as stored ("RGB", "CMYK",
    "I;16", "P"). `alpha`: whether pixels may be transparent, or the first frame leaves some bare. `profile`: the name
    that the colour profile gives itself, printable; "" without one.
    """

    format: str
    content_type: str
    width: int
    height: int
    orientation: int
    frames: int
    mode: str
    alpha: bool
    profile: str

    @property
    def animated(self) -> bool:
        return self.frames > 1


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A rendition to make. A side left None is free: the picture keeps its proportions in every mode.

    `mode`: "fit" inside the box, "fill" the box and crop at the centre, "stretch" to the box.
    `format`: "source" for that of the original (of a GIF, PNG; of a TIFF, JPEG), or a name in WRITTEN.
    `quality`: 1…100; PNG has none. `background`: what shows through in JPEG, as (red, green, blue), 0…255.
    `blur`: the radius in px of the result, 0…MAX_BLUR.
    ValueError for a spec that means nothing: it is a mistake in a preset, not in a picture.
    """

    slug: str
    width: int | None
    height: int | None
    mode: str
    allow_upscale: bool
    format: str
    quality: int
    background: tuple[int, int, int] = WHITE
    blur: float = 0

    def __post_init__(self) -> None:
        sides = [side for side in (self.width, self.height) if side is not None]
        if not sides or not all(1 <= side <= MAX_SIDE for side in sides):
            raise ValueError(f"{self.slug}: sides of 1…{MAX_SIDE} px, at least one, not {sides}")
        if self.mode not in MODES:
            raise ValueError(f"{self.slug}: mode must be one of {MODES}, not {self.mode!r}")
        if self.format != "source" and self.format not in WRITTEN:
            raise ValueError(f"{self.slug}: we do not write {self.format!r}")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"{self.slug}: quality must be 1…100, not {self.quality}")
        if len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background):
            raise ValueError(f"{self.slug}: background must be three values of 0…255, not {self.background}")
        if not 0 <= self.blur <= MAX_BLUR:
            raise ValueError(f"{self.slug}: blur must be 0…{MAX_BLUR}, not {self.blur}")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finished rendition: an encoded file without metadata, its pixels upright and in sRGB."""

    slug: str
    body: bytes
    width: int
    height: int
    format: str
    content_type: str
