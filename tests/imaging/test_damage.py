"""Whatever happens to a file, it ends in renditions or in a refusal, soon and in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from media_catalog.exceptions import ImageRefused

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutations", [500, pytest.param(5000, marks=(pytest.mark.soak, pytest.mark.timeout(1200)))])
def test_damaged_files_end_in_renditions_or_a_refusal(mutations: int) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.imaging.fuzz", str(mutations)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout)
    outcomes = told["outcomes"]

    assert set(outcomes) <= {"made", *ImageRefused.REASONS}
    assert sum(outcomes.values()) == mutations
    assert outcomes["made"] >= mutations / 5
    assert outcomes["damaged"] >= mutations / 10
    assert told["slowest"] < 5
    # By the clock of a busy machine: whoever waits for a lock or a pipe takes no CPU time.
    assert told["longest"] < 30
    assert told["peak_kilobytes"] < 512 * 1024
