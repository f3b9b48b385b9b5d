"""Real processes, real requests to a server that counts them: the limit holds, whatever dies."""

import time
from collections.abc import Iterator

import pytest

from media_catalog.models import RequestCounter, UnitBlock
from media_catalog.quota import reservations
from tests.aws.faults import OK, FaultServer, serving

from .ledger import attributed, no_limits, set_limit, used
from .processes import run

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

LIMIT = 1000
PROCESSES = 16
BLOCK = 20
ENDLESS = 10 * LIMIT


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with serving() as server:
        server.script.extend([OK] * ENDLESS)
        yield server


def test_sixteen_processes_send_exactly_the_limit(server: FaultServer) -> None:
    set_limit("s3_tier2", LIMIT)

    race = run("racers", PROCESSES, ENDLESS, 0, AWS_ENDPOINT_URL=server.url)

    assert len(race["granted"]) == PROCESSES
    assert sum(race["granted"]) == len(server.log) == LIMIT
    assert used() == attributed() == {"s3_tier2": LIMIT}
    assert not UnitBlock.objects.exists()


def test_the_limit_survives_the_killing_of_half_of_them(server: FaultServer) -> None:
    set_limit("s3_tier2", LIMIT)
    environment = {"AWS_ENDPOINT_URL": server.url, "QUOTA_BLOCK_SIZE": str(BLOCK), "QUOTA_BLOCK_SECONDS": "1"}

    first = run("racers", PROCESSES, 60, 320, **environment)
    time.sleep(1.1)  # the leases of the dead run out
    lost, _closed = reservations.sweep()
    second = run("racers", 4, ENDLESS, 0, **environment)

    # On a slow machine one of them may have been through before its signal.
    assert set(first["killed"]) <= {-9, 0}
    assert first["killed"].count(-9) >= PROCESSES // 4
    month = RequestCounter.objects.get(request_class="s3_tier2", period="month")
    assert 0 < lost == month.written_off <= BLOCK * PROCESSES // 2
    assert (month.used, month.leased) == (LIMIT, 0)
    assert LIMIT - lost <= len(server.log) <= LIMIT
    assert sum(second["granted"]) > 0
    assert attributed() == {"s3_tier2": LIMIT}


def test_processes_that_meet_on_every_row_do_not_block_each_other_for_ever() -> None:
    no_limits()

    granted = run("minglers", 6, 5)

    counters = RequestCounter.objects.filter(period="month")
    assert sum(row.used for row in counters) == sum(granted) == sum(attributed().values())
    assert [(row.leased, row.reserved) for row in counters] == [(0, 0)] * 3
