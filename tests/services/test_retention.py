"""Retention rules: what is due, and what a sweep removes, keeps and tells."""

from datetime import timedelta

import pytest
from django.utils import timezone

from media_catalog.aws import listing, s3
from media_catalog.exceptions import AwsNotFound, AwsUnavailable
from media_catalog.models import AuditEvent, Bucket, Image, Leftover, Rendition, StoredFile
from media_catalog.quota import meter
from media_catalog.services import batches, files, relocation, removal, renditions, retention, retention_words, sweeping
from media_catalog.services.retention import Rule
from tests.admin.buckets import new_bucket, put
from tests.aws.faults import RESET, Answer, s3_error
from tests.pictures import jpeg, upload_file


@pytest.fixture
def folder(originals) -> Bucket:
    """A bucket for files."""
    return new_bucket()


def _file(bucket, name="report.txt", body=b"content", *, age=0, **fields) -> StoredFile:
    stored = files.store(file=upload_file(body, name), name=name, description="a report", bucket=bucket, user=None)
    fields = {"created_at": timezone.now() - timedelta(seconds=age), **fields}
    StoredFile.objects.filter(pk=stored.pk).update(**fields)
    stored.refresh_from_db()
    return stored


def _rule(bucket, *, on=True, **rule) -> Bucket:
    retention.change(bucket, Rule(**rule), username="editor", reason="tidy")
    if on:
        assert retention.switch_on(bucket, Rule(**rule), username="editor", reason="tidy")
    return bucket


def _keys(bucket) -> set[str]:
    return {entry.key for entry in listing.list_page(bucket.name).objects}


def _made(store, name) -> Image:
    image = store(jpeg(90, 70), name=name)
    renditions.make(image=image)
    return image


def test_the_newest_stay_and_what_has_expired_goes(folder):
    kept = [_file(folder, f"{age}.txt", age=age) for age in (10, 20, 30)]
    _file(folder, "40.txt", age=40)
    _file(folder, "over.txt", age=900)
    _rule(folder, keep_newest=3, expire_after=900)

    swept = sweeping.sweep(folder, run="one")

    assert (swept.removed, swept.failed, swept.done) == (2, 0, True)
    assert set(StoredFile.objects.all()) == set(kept)
    assert _keys(folder) == {file.key for file in kept}


def test_of_files_of_the_same_moment_the_later_rows_are_the_newer(folder):
    moment = timezone.now() - timedelta(seconds=5)
    rows = [_file(folder, f"{number}.txt", created_at=moment) for number in range(3)]
    _rule(folder, keep_newest=1)

    assert list(retention.due(folder, StoredFile)) == rows[:2]


def test_exempt_ones_stay_and_do_not_count_among_the_newest(folder):
    exempt = _file(folder, "exempt.txt", age=5000, exempt=True)
    newest = _file(folder, "newest.txt", age=1)
    newer = _file(folder, "newer.txt", age=2)
    _file(folder, "old.txt", age=3)
    _rule(folder, keep_newest=2, expire_after=900)

    shown = retention.preview(folder)
    assert (shown.count, shown.exempt, shown.held, [row.name for row in shown.first]) == (1, 1, 0, ["old.txt"])
    sweeping.sweep(folder, run="one")

    assert set(StoredFile.objects.all()) == {exempt, newest, newer}


def test_images_go_with_renditions_previews_and_rows(originals, store, cloud):
    old, new = _made(store, "old.jpg"), _made(store, "new.jpg")
    made = set(old.renditions.values_list("key", flat=True))
    Image.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=1))
    _rule(originals, expire_after=900)
    shown = retention.preview(originals)
    assert (shown.count, shown.renditions) == (1, 6)
    assert shown.bytes == old.size + sum(old.renditions.values_list("size", flat=True))
    mark = cloud.access_log.mark()

    assert sweeping.sweep(originals, run="one").removed == 1

    assert cloud.access_log.operations(mark) == {"DeleteObjects": 1, "DeleteObject": 1}
    assert list(Image.objects.all()) == [new]
    assert _keys(originals) == {new.key}
    assert not made & _keys(originals.renditions_bucket)
    assert Rendition.objects.count() == 6
    assert not Leftover.objects.exists()


@pytest.mark.parametrize("count", [1, 2])
def test_the_estimate_is_what_a_sweep_of_files_takes(folder, count):
    for number in range(count):
        _file(folder, f"{number}.txt", age=5000)
    _rule(folder, expire_after=900)
    estimate = retention.cost(folder)

    assert _spent(folder) == {name: count for name, count in estimate.items() if count}


@pytest.mark.parametrize("count", [1, 2])
def test_the_estimate_is_what_a_sweep_of_one_batch_of_images_takes(originals, store, count):
    """Their renditions are in two buckets, as when the pair was changed: in the second a single one."""
    another = new_bucket(role=Bucket.Role.RENDITIONS)
    first, *_others = [_made(store, f"{number}.jpg") for number in range(count)]
    moved = first.renditions.first()
    put(another, moved.key)
    Rendition.objects.filter(pk=moved.pk).update(bucket=another)
    Image.objects.update(created_at=timezone.now() - timedelta(hours=1))
    _rule(originals, expire_after=900)
    estimate = retention.cost(originals)

    assert _spent(originals) == {name: number for name, number in estimate.items() if number}


def _spent(bucket: Bucket) -> dict[str, int]:
    with meter.tally() as spent:
        sweeping.sweep(bucket, run="one")
    return spent


def test_the_estimate_is_what_a_sweep_of_several_batches_takes(originals, store, cloud, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 2)
    for number in range(3):
        _made(store, f"{number}.jpg")
    store(name="without renditions.jpg")
    _made(store, "4.jpg")
    Image.objects.update(created_at=timezone.now() - timedelta(hours=1))
    _rule(originals, expire_after=900)
    estimate = retention.cost(originals)
    mark = cloud.access_log.mark()

    assert _spent(originals) == estimate == {"s3_tier1": 14, "free": 1}  # 24 renditions and 5 originals

    assert cloud.access_log.operations(mark) == {"DeleteObjects": 14, "DeleteObject": 1}
    assert not Image.objects.exists()


def test_a_rule_comes_into_force_by_being_switched_on_alone(folder):
    _file(folder, age=5000)
    _rule(folder, on=False, expire_after=900)
    assert not retention.waiting()
    assert sweeping.sweep(folder, run="one").stopped
    assert not retention.switch_on(folder, Rule(expire_after=60), username="editor", reason="")  # another than shown

    assert retention.switch_on(folder, Rule(expire_after=900), username="editor", reason="seen")
    assert retention.waiting() == [folder]

    retention.change(folder, Rule(expire_after=60), username="editor", reason="shorter")
    assert not retention.waiting()
    retention.change(folder, Rule(), username="editor", reason="none")
    assert not retention.switch_on(folder, Rule(), username="editor", reason="")
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", "reason", "after__on"))
    assert actions == [
        ("retention_changed", "tidy", False),
        ("retention_on", "seen", True),
        ("retention_changed", "shorter", False),
        ("retention_changed", "none", False),
    ]


def test_a_hold_that_is_set_between_two_batches_stops_the_sweep(folder, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 1)
    for number in range(3):
        _file(folder, f"{number}.txt", age=5000)
    _rule(folder, expire_after=900)
    delete = batches.delete

    def delete_and_hold(*args):
        Bucket.objects.filter(pk=folder.pk).update(legal_hold=True)
        return delete(*args)

    monkeypatch.setattr(batches, "delete", delete_and_hold)
    swept = sweeping.sweep(folder, run="one")

    assert (swept.removed, swept.stopped, swept.done) == (1, True, True)
    assert StoredFile.objects.count() == len(_keys(folder)) == 2
    folder.refresh_from_db()
    assert (retention.preview(folder).held, retention.preview(folder).count) == (2, 0)
    assert StoredFile.objects.first().expires_at is None


def test_an_exemption_that_is_given_between_two_batches_holds(folder, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 1)
    rows = [_file(folder, f"{number}.txt", age=5000) for number in range(2)]
    _rule(folder, expire_after=900)
    delete = batches.delete

    def delete_and_exempt(*args):
        StoredFile.objects.filter(pk=rows[1].pk).update(exempt=True)
        return delete(*args)

    monkeypatch.setattr(batches, "delete", delete_and_exempt)
    sweeping.sweep(folder, run="one")

    assert list(StoredFile.objects.all()) == rows[1:]


def test_an_image_that_is_moved_elsewhere_meanwhile_keeps_its_row(originals, store, monkeypatch):
    image = store()
    _rule(originals, expire_after=900)
    delete_keys = batches._delete_keys

    def meanwhile(bucket, keys):
        relocation.relocate(image=Image.objects.get(), to_bucket=originals, to_key="elsewhere.jpg")
        return delete_keys(bucket, keys)

    monkeypatch.setattr(batches, "_delete_keys", meanwhile)
    batches.delete(originals, [image])

    assert Image.objects.get().key == "elsewhere.jpg"
    assert _keys(originals) == {"elsewhere.jpg"}


def test_a_run_that_is_killed_after_the_objects_goes_on(folder, monkeypatch):
    for number in range(2):
        _file(folder, f"{number}.txt", age=5000)
    _rule(folder, expire_after=900)
    with monkeypatch.context() as patch:
        patch.setattr(batches, "delete_rows", lambda rows: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            sweeping.sweep(folder, run="one")
    assert (_keys(folder), StoredFile.objects.count()) == (set(), 2)

    assert sweeping.sweep(folder, run="one").removed == 2

    assert not StoredFile.objects.exists()


def test_what_goes_for_good_is_in_the_audit(folder):
    for number in range(12):
        _file(folder, f"{number:02}.txt", age=5000 - number)
    _rule(folder, expire_after=900)

    sweeping.sweep(folder, run="one")

    event = AuditEvent.objects.get(action="retention_swept")
    assert (event.target, event.username) == (folder.name, "")
    assert event.before == {"count": 12, "first": [f"{number:02}.txt" for number in range(10)]}


def test_long_sweeps_go_on_in_turns(folder, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 1)
    for number in range(3):
        _file(folder, f"{number}.txt", age=5000)
    _rule(folder, expire_after=900)
    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "TURN_SECONDS", 0)
        turn = sweeping.sweep(folder, run="one")
    assert (turn.removed, turn.done) == (1, False)
    folder.refresh_from_db()

    assert sweeping.sweep(folder, run="one").removed == 3
    folder.refresh_from_db()
    assert (folder.sweep["removed"], folder.sweep["bytes"], folder.sweep["failed"]) == (3, 3 * len(b"content"), 0)


def test_what_s3_does_not_delete_keeps_its_row_and_is_told(folder, s3_says):
    stays, goes = (StoredFile.objects.create(**_facts(folder, name)) for name in ("stays.txt", "goes.txt"))
    _rule(folder, expire_after=900)
    s3_says.script.append(
        Answer(body=b"<DeleteResult><Error><Key>stays.txt</Key><Code>AccessDenied</Code></Error></DeleteResult>")
    )

    swept = sweeping.sweep(folder, run="one")

    assert (swept.removed, swept.failed, swept.reasons, swept.done) == (1, 1, "AccessDenied (1)", True)
    assert list(StoredFile.objects.all()) == [stays]
    assert goes.key != stays.key
    folder.refresh_from_db()
    assert retention.is_due(folder)
    assert not retention.waiting()  # for a while


def test_a_rendition_that_stays_keeps_its_image(originals, store, s3_says):
    image = Image.objects.create(**_facts(originals, "a.jpg", kind=Image), width=1, height=1)
    preset = renditions.Preset.objects.first()
    facts = {"size": 1, "etag": "e", "width": 1, "height": 1, "source_etag": "e", "preset_version": 1}
    for preset in renditions.Preset.objects.all()[:2]:
        Rendition.objects.create(
            image=image, preset=preset, bucket=originals.renditions_bucket, key=f"{preset.slug}/a.jpg", **facts
        )
    stays = Rendition.objects.order_by("pk").first()
    _rule(originals, expire_after=900)
    s3_says.script.append(
        Answer(
            body=f"<DeleteResult><Error><Key>{stays.key}</Key><Code>InternalError</Code></Error></DeleteResult>".encode()
        )
    )

    assert sweeping.sweep(originals, run="one").failed == 1

    assert list(Rendition.objects.all()) == [stays]
    assert list(Image.objects.all()) == [image]
    assert len(s3_says.log) == 1  # the original was not asked for


@pytest.mark.parametrize(
    ("answer", "error"), [(RESET, AwsUnavailable), (s3_error(404, "NoSuchBucket"), AwsNotFound)], ids=["fault", "404"]
)
def test_neither_a_fault_nor_a_missing_bucket_loses_a_row(folder, s3_says, settings, answer, error):
    for name in ("a.txt", "b.txt"):
        StoredFile.objects.create(**_facts(folder, name))
    _rule(folder, expire_after=900)
    s3_says.script.extend([answer] * 10)

    with pytest.raises(error):
        sweeping.sweep(folder, run="one")

    assert StoredFile.objects.count() == 2
    folder.refresh_from_db()
    assert not retention.waiting()
    Bucket.objects.update(sweep={"failed_at": (timezone.now() - timedelta(minutes=16)).isoformat()})
    assert retention.waiting() == [folder]


def test_what_the_function_made_of_an_upload_by_the_api_is_left_to_the_sweep_of_leftovers(originals, store):
    image = store(name="a.jpg")
    key = "image/0123_thumbnail.jpg"
    s3.put_object(originals.renditions_bucket.name, key, b"made", content_type="image/jpeg")
    image.bucket.uploads.update(processed_key=key, outcome={"renditions": [{"key": key}]})
    Image.objects.update(created_at=timezone.now() - timedelta(hours=1))
    _rule(originals, expire_after=900)

    sweeping.sweep(originals, run="one")

    Leftover.objects.update(next_try_at=timezone.now())
    assert removal.sweep() == 1
    assert _keys(originals.renditions_bucket) == set()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (60, "1 minute"),
        (90, "90 seconds"),
        (900, "15 minutes"),
        (7200, "2 hours"),
        (86_400, "1 day"),
        (90_000, "25 hours"),
    ],
)
def test_a_life_is_said_exactly(seconds, said):
    assert retention_words.life(seconds) == said


@pytest.mark.parametrize(
    ("left", "said"),
    [(-1, "with the next sweep"), (30.5, "in 30 seconds"), (719, "in 11 minutes"), (7199, "in 1 hour")],
)
def test_what_is_left_of_a_life_is_rounded_down(left, said):
    assert retention_words.until(timezone.now() + timedelta(seconds=left, milliseconds=400)) == said


def _facts(bucket, key, kind=StoredFile) -> dict:
    created_at = timezone.now() - timedelta(hours=1)
    facts = {"bucket": bucket, "key": key, "name": key, "etag": "e", "size": 1, "created_at": created_at}
    return {**facts, "content_type": "text/plain"} | ({"description": "a file"} if kind is StoredFile else {})
