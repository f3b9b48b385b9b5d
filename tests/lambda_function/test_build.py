"""function.zip: the same each time, and nothing in it that does not belong there."""

import stat
import sys
import zipfile

import build


def test_two_builds_are_the_same_bytes(function_zip, tmp_path):
    again = tmp_path / "again.zip"
    build.build(again, python=f"{sys.version_info.major}.{sys.version_info.minor}")

    assert again.read_bytes() == function_zip.read_bytes()


def test_its_content(function_zip):
    with zipfile.ZipFile(function_zip) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]

    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == {
        "PIL",
        "pillow-13.0.0.dist-info",
        "pillow.libs",
        "media_catalog",
        "resizer",
    }
    assert {name.split("/")[1] for name in names if name.startswith("media_catalog/")} == {
        "__init__.py",
        "exceptions.py",
        "imaging",
        "s3_events.py",
    }
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert all(entry.external_attr >> 16 & stat.S_IROTH for entry in entries)
    assert not any("django" in name.lower() or name.endswith(".pyc") for name in names)


def test_its_size(function_zip):
    """Lambda takes 50 MB from a direct upload, 250 MB unpacked; a cold start loads what is there."""
    with zipfile.ZipFile(function_zip) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())

    assert function_zip.stat().st_size < 9_000_000
    assert unpacked < 30_000_000


def test_the_command_says_what_it_built(tmp_path, monkeypatch, capsys):
    output = tmp_path / "function.zip"
    monkeypatch.setattr(sys, "argv", ["build.py", "--output", str(output), "--python", "3.13"])
    build.main()

    printed = capsys.readouterr().out
    assert f"{output.stat().st_size} bytes, Python 3.13" in printed
    assert "sha256 " in printed
    with zipfile.ZipFile(output) as archive:
        assert any("cpython-313" in name for name in archive.namelist())
