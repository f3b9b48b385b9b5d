"""Imaging runs without Django, from a folder or a zip that holds nothing but itself: so the Lambda carries it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import PIL
import pytest

from tests.imaging.pictures import encoded, exif, quarters

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "media_catalog"
PROGRAM = """
import io, json, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("django", "boto3", "botocore"):
            raise ImportError(name)

sys.meta_path.insert(0, Refusing())
from media_catalog.imaging.probe import Limits, probe
from media_catalog.imaging.renditions import Spec, make

body = sys.stdin.buffer.read()
limits = Limits(max_bytes=10**6, max_pixels=10**6, formats=("JPEG", "TIFF", "AVIF"))
spec = Spec(slug="t", width=20, height=None, mode="fit", allow_upscale=False, format="source", quality=85)
(made,) = make(body, [spec], limits=limits)
print(json.dumps([probe(io.BytesIO(body), limits=limits).format, made.format, made.width, made.height]))
print(sys.modules["media_catalog.imaging"].__file__)
"""


def sources() -> list[Path]:
    return [PACKAGE / "__init__.py", PACKAGE / "exceptions.py", *sorted((PACKAGE / "imaging").glob("*.py"))]


@pytest.fixture(params=["folder", "zip"])
def carried(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    archive = tmp_path / "function.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for source in sources():
            file.write(source, source.relative_to(ROOT))
    if request.param == "zip":
        return archive
    zipfile.ZipFile(archive).extractall(tmp_path / "folder")
    return tmp_path / "folder"


@pytest.mark.parametrize(
    ("format", "told"),
    [("JPEG", ["JPEG", "JPEG", 20, 30]), ("AVIF", ["AVIF", "AVIF", 20, 30]), ("TIFF", ["TIFF", "JPEG", 20, 30])],
)
def test_alone(carried: Path, tmp_path: Path, format: str, told: list[object]) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for name in (Path(PIL.__path__[0]), *Path(PIL.__path__[0]).parent.glob("pillow.libs")):
        (libraries / name.name).symlink_to(name)
    picture = quarters(60, 40, [(200, 30, 30)] * 4)

    run = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM],
        input=encoded(picture, format, exif=exif(orientation=6)),
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": os.pathsep.join((str(carried), str(libraries)))},
    )

    assert run.returncode == 0, run.stderr.decode()
    answer, origin = run.stdout.decode().splitlines()
    assert json.loads(answer) == told
    assert origin.startswith(str(carried))
