"""What a report of the Lambda, and a look of ours, count: each request once, whoever is first."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from media_catalog.exceptions import OutOfMemory
from media_catalog.models import Image, RequestUsage, Reservation, Upload
from media_catalog.services import arrivals, decoding, direct_uploads
from tests.services.direct import figures
from tests.services.objects import no_more

from .conftest import URL, call_back, success


class TestRequests:
    def test_are_counted_out_of_the_reservation(self, api, sent):
        used, held = figures("used"), figures("held")

        call_back(api, sent, success(sent, "small", "large"))

        assert figures("used") == (used[0] + 3, used[1] + 1)  # the POST and 2 PUTs; a GET
        assert figures("held") == (held[0] - 4, held[1] - 1)
        assert RequestUsage.objects.filter(operation__in=["PostObject", "Invoke"], estimated=True).count() == 2
        reported = RequestUsage.objects.filter(operation="reported by the Lambda")
        assert dict(reported.values_list("request_class", "count")) == {"s3_tier1": 2, "s3_tier2": 1}
        assert {entry.username for entry in reported} == {api.user.username}
        assert Reservation.objects.get().closed_at

    def test_of_a_repeated_report_are_counted_once_and_of_another_run_again(self, api, sent):
        report = success(sent)
        for _time in range(2):
            assert call_back(api, sent, report).status_code == 200
        used = figures("used")
        assert call_back(api, sent, {**report, "report": "another-run"}).status_code == 200
        assert figures("used") == (used[0] + 1, used[1] + 1)

    def test_of_a_run_that_was_killed_are_counted_by_what_it_wrote(self, api, sent):
        """It has read the original and written 1 of 3; the next run was refused that one, and looked at it."""
        report = {**success(sent, "small", "medium", "large"), "found": 1, "requests": {"s3_tier1": 3, "s3_tier2": 2}}
        used = figures("used")
        for _time in range(2):
            assert call_back(api, sent, report).status_code == 200
        assert figures("used") == (used[0] + 1 + 1 + 3, used[1] + 1 + 2)
        assert RequestUsage.objects.get(operation="Invoke").count == 2

    def test_of_a_run_that_has_reported_are_not_counted_again(self, api, sent):
        call_back(api, sent, success(sent))
        used = figures("used")
        again = {**success(sent), "found": 1, "requests": {"s3_tier1": 1, "s3_tier2": 2}}
        assert call_back(api, sent, again).status_code == 200
        assert figures("used") == (used[0] + 1, used[1] + 2)

    def test_have_happened_so_no_limit_refuses_them(self, api, sent):
        no_more("s3_tier1", but=0)
        report = {**success(sent), "requests": {"s3_tier1": 50, "s3_tier2": 1}}
        used = figures("used")
        assert call_back(api, sent, report).status_code == 200
        assert figures("used")[0] == used[0] + 51


class TestPost:
    """The browser's POST is counted by whoever hears of it first, and by nobody else."""

    def _posts(self):
        return sum(RequestUsage.objects.filter(operation="PostObject").values_list("count", flat=True))

    def test_a_report_between_our_get_and_the_row(self, api, sent, monkeypatch):
        read = decoding.probe

        def meanwhile(file, **options):
            assert call_back(Client(), sent, success(sent)).status_code == 200
            return read(file, **options)

        monkeypatch.setattr(decoding, "probe", meanwhile)
        used = figures("used")
        direct_uploads.confirm(upload=Upload.objects.get())
        assert (self._posts(), Image.objects.count()) == (1, 1)
        assert figures("used") == (used[0] + 1 + 1, used[1] + 1 + 1)  # the Lambda's PUT and GET, and our GET
        assert figures("held") == (0, 0)
        assert api.get(f"{URL}{sent}").json()["status"] == "completed"

    def test_a_look_that_failed_after_it(self, api, sent, monkeypatch):
        def failing(*_args, **_options):
            raise OutOfMemory

        with monkeypatch.context() as patch:
            patch.setattr(decoding, "probe", failing)
            with pytest.raises(OutOfMemory):
                direct_uploads.confirm(upload=Upload.objects.get())
        assert call_back(api, sent, success(sent)).status_code == 200
        assert self._posts() == 1

    def test_a_report_after_the_sweep_has_given_up(self, api, sent):
        Upload.objects.update(status=Upload.Status.FAILED, error="never arrived")
        assert call_back(api, sent, success(sent)).status_code == 200
        assert self._posts() == 1


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_look_and_a_report_at_once_wait_for_each_other(api, sent, monkeypatch):
    """The look has written the image's row and not yet committed when the report comes."""
    find, written, report = arrivals._get_or_create, threading.Event(), success(sent)

    def slowly(*args):
        found = find(*args)
        if not written.is_set():
            written.set()
            time.sleep(0.5)  # time for the report to come as far as it can
        return found

    def look():
        try:
            return direct_uploads.confirm(upload=Upload.objects.get())
        finally:
            connection.close()

    monkeypatch.setattr(arrivals, "_get_or_create", slowly)
    with ThreadPoolExecutor() as pool:
        looked = pool.submit(look)
        assert written.wait(10)
        assert call_back(api, sent, report).status_code == 200
        assert looked.result().image == Image.objects.get()
    assert RequestUsage.objects.get(operation="PostObject").count == 1
