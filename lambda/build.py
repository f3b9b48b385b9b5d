"""Builds function.zip: the handler, what it shares with the product, and Pillow for Lambda's platform.

The same inputs give the same bytes: wheels by hash from requirements/lambda.txt, files in order, with one time and one
mode each. Other versions of zlib may compress differently, to the same content.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements" / "lambda.txt"
# Amazon Linux 2023, the base of Lambda's runtimes since Python 3.12, has glibc 2.34.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64")
# Of the product: what is pure. (directory in which the names are found, files and folders)
OURS = (
    (ROOT / "lambda", ["resizer"]),
    (
        ROOT,
        [
            "media_catalog/__init__.py",
            "media_catalog/exceptions.py",
            "media_catalog/s3_events.py",
            "media_catalog/imaging",
        ],
    ),
)
OLDEST = (1980, 1, 1, 0, 0, 0)  # that a zip can say


def build(output: Path, *, python: str) -> str:
    """Write the zip for this version of Python ("3.13"); its SHA-256 in hex. CalledProcessError without the wheels."""
    with tempfile.TemporaryDirectory() as directory:
        wheels = _download(Path(directory), python)
        content = dict(sorted([*_of_wheels(wheels), *_ours()]))
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w") as archive:
        for name, body in content.items():
            archive.writestr(_entry(name), body, zipfile.ZIP_DEFLATED, compresslevel=9)
    return hashlib.sha256(output.read_bytes()).hexdigest()


def _download(directory: Path, python: str) -> list[Path]:
    """The wheels of REQUIREMENTS, each checked against its hashes."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command += ["--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    subprocess.run([*command, "-r", str(REQUIREMENTS), "-d", str(directory)], check=True)  # noqa: S603
    return sorted(directory.glob("*.whl"))


def _of_wheels(wheels: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    yield entry.filename, archive.read(entry)


def _ours() -> Iterator[tuple[str, bytes]]:
    for base, names in OURS:
        for name in names:
            place = base / name
            for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
                yield file.relative_to(base).as_posix(), file.read_bytes()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, OLDEST)
    entry.create_system = 3  # Unix, whatever builds it
    entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
    return entry


def main() -> None:
    """Build it as told on the command line, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="3.13", help="version of Lambda's runtime (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "lambda" / "dist" / "function.zip")
    options = parser.parse_args()
    digest = build(options.output, python=options.python)
    sys.stdout.write(
        f"{options.output}\n{options.output.stat().st_size} bytes, Python {options.python}\nsha256 {digest}\n"
    )


if __name__ == "__main__":
    main()
