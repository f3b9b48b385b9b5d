"""Keys: which names are tried, and where renditions go."""

from itertools import islice

import pytest

from media_catalog.services import keys


def test_candidates_never_run_out_of_names_soon():
    tried = list(keys.candidates("2026/photo.jpg"))

    assert tried[:3] == ["2026/photo.jpg", "2026/photo-2.jpg", "2026/photo-3.jpg"]
    assert len(set(tried)) == len(tried) == 12
    assert list(islice(keys.candidates("2026/photo.jpg"), 9, None)) != tried[9:]


def test_the_longest_key_fits_into_s3():
    name = keys.clean_name("界" * 500 + ".jpg", extension="webp")
    folder = keys.clean_folder("界" * keys.MAX_FOLDER)
    key = list(keys.candidates(f"{folder}/{name}"))[-1]
    longest = keys.rendition_key(preset="p" * 40, version=99, key=key, etag="e" * 32, extension="webp")

    assert len(longest.encode()) <= 1024


def test_only_the_thumbnail_shares_the_key_of_its_original():
    fields = {"version": 3, "key": "a/b.jpg", "etag": "0123456789abcdef", "extension": "png"}

    assert keys.rendition_key(preset="thumbnail", **fields) == "a/b.jpg"
    assert keys.rendition_key(preset="low", **fields) == "low/a/b.jpg.0123456789ab-v3.png"


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("plan.PDF", "pdf"),
        ("archive.tar.gz", "gz"),
        ("no-ending", ""),
        (".", ""),
        ("name.", ""),
        ("x.../../etc", ""),
        ("a.b c", "bc"),
        ("a." + "x" * 11, ""),
    ],
)
def test_the_ending_of_a_file_is_short_and_plain(name, ending):
    assert keys.clean_extension(name) == ending
