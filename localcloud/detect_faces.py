"""Finds faces in a picture with dlib's HOG detector and answers as Rekognition's DetectFaces does.

Pure: bytes in, a dict in botocore's shape out. The detector knows a box and a score, so the answer has
`BoundingBox` and `Confidence` and nothing else: no age, landmarks, pose, emotions or quality.
"""

import io
import math
import threading
from typing import Any

import dlib
import numpy as np
from PIL import Image, ImageOps

DETECTOR = f"dlib HOG/{dlib.__version__}"  # type: ignore[attr-defined]

# https://docs.aws.amazon.com/rekognition/latest/dg/limits.html
MAX_BYTES = 5 * 1024**2
MAX_S3_BYTES = 15 * 1024**2
MIN_SIDE = 80
MAX_FACES = 100

# Pixels looked at along the longer side; the detector takes 80 ms per megapixel. It finds upright frontal
# heads from 1/32 of that side in width (Rekognition: 1/48), in pictures below 960 px from 30 px.
WORKING_SIDE = 1920
MAX_ENLARGEMENT = 2.0
# The detector's own boundary between face and no face.
MIN_SCORE = 0.0

_detectors = threading.local()  # a dlib detector must not be shared between threads


class DetectionError(Exception):
    """A request that Rekognition refuses: `code` is its error code, the text its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def detect_faces(data: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The faces of a JPEG or PNG file, largest first, as `{"FaceDetails": [{"BoundingBox", "Confidence"}]}`.

    Boxes are ratios of the picture's width and height and may leave 0…1 at its edges. A JPEG with an EXIF
    orientation is turned upright first and its boxes are those of the upright picture; a PNG never is.

    Raises DetectionError: ImageTooLargeException, InvalidImageFormatException, InvalidParameterException.
    """
    if len(data) > max_bytes:
        raise DetectionError("ImageTooLargeException", f"Image size is too large: at most {max_bytes} bytes")
    picture = _working_copy(data)
    boxes, scores, _ = _detector().run(np.asarray(picture), 0, MIN_SCORE)
    faces = [_face(box, score, picture.size) for box, score in zip(boxes, scores, strict=True)]
    return {"FaceDetails": sorted(faces, key=_area, reverse=True)[:MAX_FACES]}


def confidence(score: float) -> float:
    """The detector's score as a percentage: 50 at its decision boundary, rising towards 100.

    A logistic curve over dlib's margin (the drawn faces of the tests score 0.1 to 2.5, so 60 to 99.99). The
    order is the detector's; the number is not a calibrated probability. Rekognition's means the same thing:
    that this is a face.
    """
    return 100 / (1 + math.exp(-4 * score))


def _working_copy(data: bytes) -> Image.Image:
    """The picture as RGB, turned as Rekognition would turn it, scaled to what the detector looks at."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            if min(image.size) < MIN_SIDE:
                raise DetectionError("InvalidParameterException", f"Image sides must be at least {MIN_SIDE} px")
            turned = image.format != "PNG"
            image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
            image.load()
            picture = (ImageOps.exif_transpose(image) if turned else image).convert("RGB")
    except Image.DecompressionBombError as error:
        raise DetectionError("ImageTooLargeException", str(error)) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DetectionError("InvalidImageFormatException", "Request has invalid image format") from error
    scale = min(MAX_ENLARGEMENT, WORKING_SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR)


def _detector() -> Any:
    if not hasattr(_detectors, "frontal"):
        _detectors.frontal = dlib.get_frontal_face_detector()  # type: ignore[attr-defined]
    return _detectors.frontal


def _face(box: Any, score: float, size: tuple[int, int]) -> dict[str, Any]:
    width, height = size
    return {
        "BoundingBox": {
            "Left": box.left() / width,
            "Top": box.top() / height,
            "Width": box.width() / width,
            "Height": box.height() / height,
        },
        "Confidence": confidence(score),
    }


def _area(face: dict[str, Any]) -> float:
    box: dict[str, float] = face["BoundingBox"]
    return box["Width"] * box["Height"]
