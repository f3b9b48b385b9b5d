"""TIFFs of samples that Pillow does not know, or knows but takes for others.

Pillow's own reading of what is not compressed takes planes of 16 bits for those of 8, forgets in a plane that 0 is
white, and knows no pixels that share their colours. So libtiff, which reads all others, reads these too.
"""

from PIL import Image, TiffImagePlugin

TiffImagePlugin.READ_LIBTIFF = True

_PLANAR_CONFIGURATION, _SEPARATE = 284, 2
_EXTRA_SAMPLES, _MULTIPLIED = 338, 1
_GREY_WITH_ALPHA = ("LA", "La", "PA")


def misread(image: Image.Image) -> str:
    """What an opened picture is whose pixels Pillow would get wrong: "LA, in planes"; "" for others."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.tag_v2.get(_PLANAR_CONFIGURATION) != _SEPARATE:
        return ""
    # It lays the second plane where green is, and colours stay multiplied by alpha.
    wrong = image.mode in _GREY_WITH_ALPHA or _MULTIPLIED in image.tag_v2.get(_EXTRA_SAMPLES, ())
    return f"{image.mode}, in planes" if wrong else ""
