"""Decoding a JPEG smaller than it is, which its decoder does nearly for nothing."""

from PIL import Image, JpegImagePlugin

Box = tuple[float, float, float, float]


def draft(image: Image.Image, at_least: tuple[int, int]) -> Box | None:
    """Have a JPEG decoded at the smallest of 1/1, 1/2, 3/8, 1/4 and 1/8 that covers `at_least` pixels.

    Answers the part of the decoded pixels that is the picture: its last column or row may lie partly outside.
    None for formats that can only be decoded whole.
    """
    across, down = (have / need for have, need in zip(image.size, at_least, strict=True))
    if isinstance(image, JpegImagePlugin.JpegImageFile) and 8 / 3 <= min(across, down) < 4:
        return _three_eighths(image)
    drafted = image.draft(None, at_least)
    return drafted[1] if drafted else None


def _three_eighths(image: JpegImagePlugin.JpegImageFile) -> Box:
    """What `draft` does, for the scale that it leaves out: of 24 MP it saves a fifth of the time of five renditions.

    Pillow hands the decoder the divisor of the scale, and libjpeg takes the next larger eighth: 3/8 for 1/3.
    """
    width, height = image.size
    image._size = (-(-width * 3 // 8), -(-height * 3 // 8))
    image.tile = [tile._replace(extents=(0, 0, *image._size)) for tile in image.tile]
    image.decoderconfig = (3, 0)
    return (0, 0, width * 3 / 8, height * 3 / 8)
