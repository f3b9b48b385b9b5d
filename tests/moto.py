"""Moto as a second cloud: an S3 that others wrote. What is in SUITE runs on it too, but for EXCEPTIONS.

`pytest -m moto` runs these tests alone. Each exception must fail, so it leaves the list when moto learns what it lacks.
"""

import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from localcloud.access_log import AccessLog, Entry, open_for_writing

CLOUDS = ("local", pytest.param("moto", marks=pytest.mark.moto))
# Directories and modules whose tests ask S3 for something, by the fixture `cloud`.
SUITE = (
    "tests/aws/test_s3.py",
    "tests/admin/test_adoption.py",
    "tests/admin/test_bucket_create.py",
    "tests/admin/test_bucket_delete.py",
    "tests/admin/test_bucket_health.py",
    "tests/admin/test_bucket_settings.py",
    "tests/admin/test_estimates.py",
    "tests/admin/test_file_deletion.py",
    "tests/admin/test_file_restoring.py",
    "tests/admin/test_files.py",
    "tests/admin/test_finding_actions.py",
    "tests/admin/test_finding_estimates.py",
    "tests/admin/test_finding_kinds.py",
    "tests/admin/test_findings.py",
    "tests/admin/test_images.py",
    "tests/admin/test_inventory.py",
    "tests/admin/test_inventory_page.py",
    "tests/admin/test_legal_hold.py",
    "tests/admin/test_object_keys.py",
    "tests/admin/test_object_transfer.py",
    "tests/admin/test_object_uploads.py",
    "tests/admin/test_objects.py",
    "tests/admin/test_own_pages.py",
    "tests/admin/test_rendition_keys.py",
    "tests/admin/test_retention.py",
    "tests/admin/test_streaming.py",
    "tests/admin/test_trash.py",
    "tests/admin/test_trash_list.py",
    "tests/services/",
)
# Of these, what sends nothing to S3 or is answered by a script: one cloud is enough.
ON_ONE = (
    "tests/admin/test_bucket_create.py::test_bad_input_is_said_at_its_field",
    "tests/admin/test_bucket_delete.py::test_one_that_others_need_is_refused_with_the_reason",
    "tests/admin/test_bucket_health.py::test_what_s3_says_to_a_delete_that_cannot_be_meant",
    "tests/admin/test_bucket_health.py::test_without_permission_to_read_nothing_is_said_of_deleting",
    "tests/admin/test_findings.py::TestLooksFirst::test_a_fault_is_never_taken_for_absence",
    "tests/admin/test_objects.py::TestBrowsing::test_a_bucket_lost_while_a_page_is_open_is_said",
    "tests/services/test_detection.py",
    "tests/services/test_selection.py",
    "tests/services/test_sweep_requests.py::test_a_run_that_is_killed_after_any_of_them_leaves_no_object_without_a_row",
    "tests/services/test_uploads.py::TestFaultOfThePut",
)
LINE_ENDS = "its routes match no path with a line end: 404 for the PUT"
NO_FACES = "it has no DetectFaces"
NO_SHA256 = "it keeps a SHA-256 only with x-amz-sdk-checksum-algorithm, so what an upload left is not known as ours"
NO_SOURCE_IF_MATCH = "it does not know the condition on the source of a copy"
NO_POLICIES = "it enforces no policy, of a queue or of a form"
# Test → why moto cannot pass it, by module; with the ids of its other parameters where these alone cannot.
_EXCEPTIONS = {
    "admin/test_file_deletion.py": {
        "TestDeletion::test_what_cannot_be_moved_stays_and_is_told": NO_SOURCE_IF_MATCH,
    },
    "admin/test_files.py": {
        "TestUpload::test_a_process_that_dies_after_the_put_is_completed_by_the_sweep": NO_SHA256,
    },
    "admin/test_finding_estimates.py": {
        "test_the_estimate_is_what_is_measured[adopt-0]": NO_SHA256,
        "test_the_estimate_is_what_is_measured[adopt-1]": NO_SHA256,
        "test_the_estimate_is_what_is_measured[delete-0]": NO_SHA256,
        "test_the_estimate_is_what_is_measured[delete-1]": NO_SHA256,
    },
    "admin/test_finding_kinds.py": {
        "TestStaleUploads::test_a_file_that_had_come_is_said_to_be_catalogued": NO_SHA256,
    },
    "admin/test_images.py": {
        "TestList::test_filters": NO_FACES,
        "TestList::test_the_answers_of_the_detector_are_not_loaded": NO_FACES,
        "TestChangePage::test_boxes_rows_and_facts": NO_FACES,
        "TestChangePage::test_numbers_in_the_drawing_are_not_localised": NO_FACES,
        "TestChangePage::test_ages_are_shown_when_reported": NO_FACES,
    },
    "admin/test_object_keys.py": {
        r"test_list_open_download_rename_delete_restore['new\\nline.txt']": LINE_ENDS,
        r"test_list_open_download_rename_delete_restore['carriage\\r\\nreturn.txt']": LINE_ENDS,
    },
    "admin/test_own_pages.py": {
        "test_of_two_at_the_same_moment_one_is_undone": NO_SHA256,
        "test_one_that_was_cut_off_and_whose_name_is_taken_meanwhile_is_undone": NO_SHA256,
    },
    "admin/test_trash.py": {
        "TestImages::test_the_whole_way_there_and_back": NO_FACES,
        "TestObjects::test_a_few_go_at_once_and_undo_brings_them_back": LINE_ENDS,
    },
    "services/test_announcements.py": {
        "test_another_bucket_may_not_send": NO_POLICIES,
    },
    "services/test_direct_upload_sweep.py": {
        "test_the_schedule_runs_both_and_makes_renditions": NO_SHA256,
    },
    "services/test_direct_uploads.py": {
        "TestIssue::test_fixes_the_type_that_is_said": NO_POLICIES,
        "TestIssue::test_never_allows_more_bytes_than_images_may_have": NO_POLICIES,
    },
    "services/test_relocation.py": {
        "test_another_object_than_the_catalogue_knows_stays": NO_SOURCE_IF_MATCH,
    },
    "services/test_removal.py": {
        "test_everything_goes": NO_FACES,
    },
    "services/test_transfers.py": {
        "test_another_object_at_the_source_is_left_alone": NO_SOURCE_IF_MATCH,
    },
    "services/test_trash.py": {
        "TestAnImage::test_another_object_at_s3_is_not_moved": NO_SOURCE_IF_MATCH,
        r"TestObjects::test_any_key_goes_and_comes_back['new\\nline.txt']": LINE_ENDS,
        "test_faces_of_a_restored_image_are_those_of_before": NO_FACES,
    },
    "services/test_trash_faults.py": {
        "TestFaults::test_a_move_whose_key_is_another_image_s_by_now_ends": NO_SOURCE_IF_MATCH,
    },
    "services/test_upload_sweep.py": {
        "TestSweep::test_catalogues_what_a_dead_process_uploaded": NO_SHA256,
        "TestSweep::test_deletes_ours_when_it_was_reported_as_failed_or_is_no_image": NO_SHA256,
        "TestSweep::test_what_is_catalogued_already_is_not_new": NO_SHA256,
        "TestSweep::test_one_that_fails_in_any_way_does_not_hold_up_the_others": NO_SHA256,
        "TestSweep::test_stops_in_time_and_goes_on_at_the_next_run": NO_SHA256,
        "TestSweep::test_recovered_images_get_their_renditions_by_one_job": NO_SHA256,
    },
    "services/test_uploads.py": {
        "test_our_own_object_of_a_lost_answer_is_adopted": NO_SHA256,
        "test_a_failing_database_takes_the_object_back": NO_SHA256,
        "test_what_cannot_be_undone_at_once_is_undone_by_the_sweep": NO_SHA256,
    },
}
EXCEPTIONS: dict[str, str] = {
    f"tests/{module}::{test}": reason for module, tests in _EXCEPTIONS.items() for test, reason in tests.items()
}


@dataclass(frozen=True)
class Moto:
    """A running one, as `localcloud.process.RunningCloud`. It believes every signature."""

    endpoint_url: str
    access_log: AccessLog

    def forget(self) -> None:
        """Begin with an empty account. It lists at most 1,000 buckets."""
        urllib.request.urlopen(urllib.request.Request(f"{self.endpoint_url}/moto-api/reset", method="POST")).close()


class _Handler(MotoRequestHandler):
    disable_nagle_algorithm = True  # head and body are written one after the other

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class _Logged:
    """The application with an access log like that of the local cloud."""

    def __init__(self, path: Path) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)
        self._file = open_for_writing(path)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            self._file.write(_entry(environ, int(status[:3])).as_json() + "\n")
            return start_response(status, headers, *rest)

        return self._application(environ, start)

    def close(self) -> None:
        self._file.close()


def _entry(environ: dict[str, Any], status: int) -> Entry:
    path, _question, query = environ["REQUEST_URI"].partition("?")
    return Entry(
        method=environ["REQUEST_METHOD"],
        path=path,
        query=query,
        target=environ.get("HTTP_X_AMZ_TARGET", ""),
        copy_source=environ.get("HTTP_X_AMZ_COPY_SOURCE", ""),
        status=status,
        time=datetime.now(UTC),
    )


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """One for every test process, within it."""
    log = tmp_path_factory.mktemp("moto") / "access.log"
    application = _Logged(log)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Moto(f"http://127.0.0.1:{server.port}", AccessLog(log))
    server.shutdown()
    thread.join()
    server.server_close()
    application.close()


def runs_on_both(node_id: str) -> bool:
    return node_id.startswith(SUITE) and not node_id.startswith(ON_ONE)


def exceptions_of(item: pytest.Item) -> list[str]:
    """Names under which the list has this test, if it is one that runs on moto: with its other parameters, without."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or callspec.params.get("cloud") != "moto":
        return []
    name = item.nodeid.replace("[moto]", "").replace("[moto-", "[")
    return [entry for entry in (name, name.partition("[")[0]) if entry in EXCEPTIONS]
