"""Pictures for tests, made with Pillow."""

import io
import struct
import zlib

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from localcloud.samples import Face, encode, scene


def picture(width: int = 640, height: int = 480, mode: str = "RGB") -> Image.Image:
    """A gradient: every pixel differs from its neighbours, so crops and turns show."""
    ramp = Image.linear_gradient("L").resize((width, height))
    merged = Image.merge("RGB", [ramp, ramp.rotate(180), Image.new("L", (width, height), 90)])
    return merged.convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def jpeg(width: int = 640, height: int = 480) -> bytes:
    return encoded(picture(width, height))


def animation() -> bytes:
    """A GIF of two frames."""
    buffer = io.BytesIO()
    picture(60, 40).save(buffer, "GIF", save_all=True, append_images=[picture(60, 40, "L")])
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes whose header claims 50,000 × 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def one_face() -> bytes:
    """A JPEG of 800 × 600 with one face that the local detector finds."""
    return encode(scene(800, 600, [Face(x=400, y=280, width=160)]))


def upload_file(body: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, body, content_type="application/octet-stream")
