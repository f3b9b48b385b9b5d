"""What the first bytes of a file say it is. Names and declared types prove nothing."""

import re

# Enough for an SVG whose editor put a licence in front of the root element.
HEAD_BYTES = 16_384

_IMAGES = tuple(
    (name, re.compile(pattern, re.DOTALL))
    for name, pattern in (
        ("JPEG", rb"\xff\xd8\xff"),
        ("PNG", rb"\x89PNG"),
        ("WEBP", rb"RIFF.{4}WEBP"),
        ("GIF", rb"GIF8[79]a"),
        ("BMP", rb"BM.{4}\0{4}"),
        ("TIFF", rb"II\*\0|MM\0\*"),
        ("BigTIFF", rb"II\+\0|MM\0\+"),
        ("AVIF", rb".{4}ftyp(?:avi[fs]|(?:mif1|msf1).{4,32}?avi[fs])"),
        ("HEIC", rb".{4}ftyp(?:hei[cmsx]|hev[cmsx]|(?:mif1|msf1).{4,32}?hei[cmsx])"),
        ("HEIF", rb".{4}ftyp(?:mif1|msf1)"),
        ("JPEG2000", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
        ("JXL", rb"\0\0\0\x0cJXL |\xff\x0a"),
        ("ICO", rb"\0\0\x01\0[^\0]\0"),
        ("PSD", rb"8BPS"),
        ("EPS", rb"%!PS-Adobe-[\d.]+ EPSF|\xc5\xd0\xd3\xc6"),
    )
)
_OTHERS = (
    ("PDF", re.compile(rb"%PDF-")),
    ("ZIP", re.compile(rb"PK(?:\x03\x04|\x05\x06)")),
)
_PREAMBLE = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_ROOT = re.compile(r"<(?:!doctype\s+)?(?:[\w.-]+:)?(svg|html|head|body|script)\b", re.IGNORECASE)


def image_format(head: bytes) -> str | None:
    """The image format that the bytes announce, in Pillow's names where Pillow has one; None for no image."""
    return next((name for name, pattern in _IMAGES if pattern.match(head)), None)


def looks_like(head: bytes) -> str:
    """What a file that is no image seems to be: "HTML", "SVG", "PDF", "ZIP" or ""."""
    for name, pattern in _OTHERS:
        if pattern.match(head):
            return name
    return _markup(_text(head))


def _text(head: bytes) -> str:
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    return head.decode("utf-16" if utf16 else "utf-8-sig", "replace")


def _markup(text: str) -> str:
    """SVG or HTML by the first element or document type, past declarations, comments and spaces."""
    preamble = _PREAMBLE.match(text)
    root = _ROOT.match(text, preamble.end() if preamble else 0)
    if root is None:
        return ""
    return "SVG" if root[1].lower() == "svg" else "HTML"
