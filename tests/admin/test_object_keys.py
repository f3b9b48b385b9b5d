"""Odd keys through the pages: what the web and forms do to keys on their way must not matter here."""

import secrets
from urllib.parse import quote

import pytest
import urllib3
from django.urls import reverse

from media_catalog.aws import listing, s3
from media_catalog.models import Bucket, RequestLimit, TrashedObject
from media_catalog.services.object_keys import is_linkable

from .buckets import new_bucket, page, put

KEYS = [
    "plain.txt",
    "folder/with space/file name.txt",
    "double//slash.txt",
    "triple///slash.txt",
    "/leading.txt",
    "//",
    "a/../b.txt",
    "../up.txt",
    "./here.txt",
    "a/./b.txt",
    "percent%2Fslash.txt",
    "percent%252F.txt",
    "100%.txt",
    "plus+sign.txt",
    "a&b=c;d?e#f.txt",
    "quotes'\"<b>`.txt",
    "back\\slash.txt",
    "new\nline.txt",
    "carriage\r\nreturn.txt",
    "tab\there.txt",
    "emoji😀/😀.txt",
    "größe/写真.txt",
    "x" * 1024,
    "ü" * 512,
    "trailing space ",
    "trailing/slash/",
]
ALIKE = ["Same", "same", "SAME", "\u00e9", "e\u0301", "a b", "a+b", "a%20b", "\u212b", "\u00c5"]


@pytest.fixture
def bucket(cloud, db) -> Bucket:
    RequestLimit.objects.update(limit=1_000_000)
    return new_bucket()


def _download(client, bucket, key) -> tuple[bytes, str]:
    answer = client.get(page(bucket, "download", key=key))
    assert (answer.status_code == 302) is is_linkable(key)
    if answer.status_code == 302:
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("GET", answer.url)
        return answer.data, answer.headers["Content-Disposition"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    return b"".join(answer.streaming_content), answer["Content-Disposition"]


def _listed(client, bucket) -> set[str]:
    """The keys that the pages lead to, from the top down through all folders."""
    keys, addresses = set(), [page(bucket, "objects")]
    for address in addresses:
        context = client.get(address).context
        assert not context["error"]
        keys |= {row.value for row in context["rows"]}
        addresses += [address for _name, address in context["folders"]]
    return keys


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:24]))
def test_list_open_download_rename_delete_restore(admin_client, bucket, key):
    put(bucket, key, key.encode())
    value = quote(key, safe="")

    assert _listed(admin_client, bucket) == {value}
    opened = admin_client.get(page(bucket, "object", key=key))
    assert opened.context["details"].size == len(key.encode())
    body, disposition = _download(admin_client, bucket, key)
    assert body == key.encode()
    assert disposition.startswith("attachment")

    there, back = (
        {"how": "move", "bucket": bucket.pk, "key": "moved.txt"},
        {"how": "move", "bucket": bucket.pk, "key": key},
    )
    admin_client.post(page(bucket, "copy", key=key), there)
    assert [entry.key for entry in listing.list_page(bucket.name).objects] == ["moved.txt"]
    admin_client.post(page(bucket, "copy", key="moved.txt"), back)
    assert [entry.key for entry in listing.list_page(bucket.name).objects] == [key]

    put(bucket, "other")
    admin_client.post(page(bucket, "remove"), {"keys": [value, "other"], "confirm": "1"})
    assert all(entry.key.startswith("trash/") for entry in listing.list_page(bucket.name).objects)
    run = TrashedObject.objects.get(key=key).run
    admin_client.post(reverse("admin:media_catalog_trashedobject_undo"), {"run": run})
    assert {entry.key for entry in listing.list_page(bucket.name).objects} == {key, "other"}
    assert s3.get_object(bucket.name, key).body == key.encode()


def test_keys_that_look_alike_are_different_objects(admin_client, bucket):
    for key in ALIKE:
        put(bucket, key, key.encode())

    assert _listed(admin_client, bucket) == {quote(key, safe="") for key in ALIKE}
    for key in ALIKE:
        assert admin_client.get(page(bucket, "object", key=key)).context["key"] == key
        assert _download(admin_client, bucket, key)[0] == key.encode()
    admin_client.post(page(bucket, "remove"), {"keys": [quote("\u00e9", safe="")], "confirm": "1"})
    admin_client.post(page(bucket, "copy", key="same"), {"how": "move", "bucket": bucket.pk, "key": "sAme"})
    left = {entry.key for entry in listing.list_page(bucket.name).objects if not entry.key.startswith("trash/")}
    assert left == {*ALIKE, "sAme"} - {"\u00e9", "same"}
    bodies = {key: s3.get_object(bucket.name, key).body for key in left}
    assert bodies == {key: b"same" if key == "sAme" else key.encode() for key in left}


@pytest.mark.parametrize("how", ["move", "copy"])
def test_a_taken_key_is_refused_and_nothing_is_lost(admin_client, bucket, how):
    put(bucket, "a", b"first")
    put(bucket, "b", b"second")

    response = admin_client.post(page(bucket, "copy", key="a"), {"how": how, "bucket": bucket.pk, "key": "b"})

    assert "exists already" in response.context["form"].errors["key"][0]
    assert [s3.get_object(bucket.name, key).body for key in ("a", "b")] == [b"first", b"second"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "required"),
        ("x" * 1025, "more than 1,024 bytes"),
        ("ü" * 513, "more than 1,024 bytes"),
        ("nul\x00", "Null characters"),
    ],
)
def test_a_new_key_against_the_rules_is_refused(admin_client, bucket, key, said):
    put(bucket, "a")

    response = admin_client.post(page(bucket, "copy", key="a"), {"how": "copy", "bucket": bucket.pk, "key": key})

    assert said in response.context["form"].errors["key"][0]


def test_a_copy_keeps_type_and_metadata_and_can_go_to_another_bucket(admin_client, bucket):
    other = new_bucket()
    put(bucket, "a", b"body", content_type="text/csv")

    admin_client.post(
        page(bucket, "copy", key="a"), {"how": "copy", "bucket": other.pk, "key": f"{secrets.token_hex(2)}/b"}
    )

    [copy] = listing.list_page(other.name).objects
    assert s3.get_object(other.name, copy.key).content_type == "text/csv"
    assert s3.get_object(bucket.name, "a")


def test_the_keys_have_both_kinds():
    """Of links and of what must be streamed."""
    assert {is_linkable(key) for key in KEYS} == {True, False}
