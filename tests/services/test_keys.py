"""Keys: which names are tried, and where renditions go."""

import re
from itertools import islice

import pytest

from media_catalog.s3_events import is_for_renditions
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


class TestTheKeyOfALongName:
    """S3 takes 1,024 bytes of UTF-8, and others may have used them all for the original."""

    fields = {"preset": "very-high", "version": 3, "etag": "0123456789abcdef", "extension": "jpg"}

    def test_is_whole_as_long_as_it_fits(self):
        fits = "k" * (1024 - len("very-high/.0123456789ab-v3.jpg"))

        assert keys.rendition_key(key=fits, **self.fields) == f"very-high/{fits}.0123456789ab-v3.jpg"
        assert len(keys.rendition_key(key=f"{fits}k", **self.fields)) == 1024

    @pytest.mark.parametrize("key", ["k" * 1024, "a/" + "ü" * 511, "界" * 341, "x" + "😀" * 255])
    def test_is_cut_between_characters_and_always_the_same(self, key):
        made = keys.rendition_key(key=key, **self.fields)

        assert 1020 < len(made.encode()) <= 1024
        shape = re.fullmatch(r"(very-high/.+)\.[0-9a-f]{32}-0123456789ab-v3\.jpg", made)
        assert shape
        assert f"very-high/{key}".startswith(shape[1])
        assert made == keys.rendition_key(key=key, **self.fields)
        assert is_for_renditions(made)

    def test_differs_wherever_the_names_differ(self):
        names = [f"{'k' * 1000}{number}" for number in range(50)]

        assert len({keys.rendition_key(key=name, **self.fields) for name in names}) == 50

    def test_is_never_that_of_another_whole_name(self):
        """Not even of one that has the digits in it."""
        short = keys.rendition_key(key="k" * 1024, **self.fields)
        digits = short.removeprefix("very-high/").removesuffix("-0123456789ab-v3.jpg")

        assert keys.rendition_key(key=digits, **self.fields) != short

    def test_the_thumbnail_s_is_the_original_s(self):
        assert keys.rendition_key(key="k" * 1024, **{**self.fields, "preset": "thumbnail"}) == "k" * 1024


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("preview/a.jpg.86c107b2d87f-v1.jpg", True),
        ("My_Preset-2/a/b\nc.jpg.86c107b2d87f-v12.webp", True),
        (f"low/{'k' * 900}.{'0a' * 16}-86c107b2d87f-v1.jpg", True),
        (f"image/{'0a' * 16}_large-blur.jpg", True),
        ("a.jpg.86c107b2d87f-v1.jpg", False),  # in no folder
        ("my preset/a.jpg.86c107b2d87f-v1.jpg", False),  # no slug
        ("low/a.jpg.86c107b2d87-v1.jpg", False),
        ("low/a.jpg.86C107B2D87F-v1.jpg", False),
        ("low/a.jpg-86c107b2d87f-v1.jpg", False),
        ("low/a.jpg.86c107b2d87f-v1.jpg\n", False),
        ("low/a.jpg.86c107b2d87f-v1-2.jpg", False),
        ("plans/house.final-v2.jpg", False),
        (f"temp/{'0a' * 16}", False),
        (f"images/{'0a' * 16}_large.jpg", False),
        ("image/own.jpg", False),
    ],
)
def test_which_keys_are_kept_for_renditions(key, kept):
    assert is_for_renditions(key) is kept


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
