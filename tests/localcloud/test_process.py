"""The server as a process: what survives which death, and who may start a second one."""

import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localcloud.process import AlreadyRunning, CloudEnded, PortUnavailable, RunningCloud, running
from tests.localcloud.conftest import MakeClient

CHECKPOINT_SECONDS = 0.3
CORS = [{"AllowedOrigins": ["http://ours.test"], "AllowedMethods": ["GET"]}]


def _kill(cloud: RunningCloud) -> None:
    time.sleep(CHECKPOINT_SECONDS * 3)
    cloud.process.kill()
    cloud.process.wait()


def _nothing(cloud: RunningCloud) -> None:
    """Leaving `running` stops it in order."""


@pytest.mark.parametrize("end", [_kill, _nothing], ids=["killed", "stopped"])
def test_objects_buckets_cors_and_queues_outlive_the_server(
    tmp_path: Path, client: MakeClient, end: Callable[[RunningCloud], None]
) -> None:
    with running(tmp_path, checkpoint_seconds=CHECKPOINT_SECONDS) as cloud:
        s3 = client("s3", cloud)
        s3.create_bucket(Bucket="full")
        s3.create_bucket(Bucket="empty")
        s3.put_bucket_cors(Bucket="full", CORSConfiguration={"CORSRules": CORS})
        s3.put_object(Bucket="full", Key="ä/1.jpg", Body=b"1", ContentType="image/jpeg", Metadata={"user": "7"})
        queue = client("sqs", cloud).create_queue(QueueName="events")["QueueUrl"]
        client("sqs", cloud).send_message(QueueUrl=queue, MessageBody="hello")
        end(cloud)
    with running(tmp_path) as cloud:
        _assert_all_there(client("s3", cloud), client("sqs", cloud))


def _assert_all_there(s3: Any, sqs: Any) -> None:
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["empty", "full"]
    assert s3.get_bucket_cors(Bucket="full")["CORSRules"] == CORS
    stored = s3.get_object(Bucket="full", Key="ä/1.jpg")
    assert (stored["Body"].read(), stored["ContentType"], stored["Metadata"]) == (b"1", "image/jpeg", {"user": "7"})
    queue = sqs.get_queue_url(QueueName="events")["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == "hello"


def test_stops_although_a_client_is_waiting(tmp_path: Path, client: MakeClient) -> None:
    with running(tmp_path) as cloud, ThreadPoolExecutor(1) as pool:
        sqs = client("sqs", cloud)
        queue = sqs.create_queue(QueueName="empty")["QueueUrl"]
        mark = cloud.access_log.mark()
        poll = pool.submit(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20)
        time.sleep(0.3)
        assert not cloud.access_log.since(mark)
        started = time.monotonic()
        cloud.process.send_signal(signal.SIGTERM)
        assert cloud.process.wait(15) == 0
        assert time.monotonic() - started < 10
        assert poll.exception()


def test_serves_this_computer_only(local_cloud: RunningCloud) -> None:
    # A second loopback address reaches whatever listens on all addresses, as a neighbour on the network would.
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", _port(local_cloud))):
        pass


def test_an_end_that_nobody_asked_for_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        cloud.process.kill()
        with pytest.raises(CloudEnded) as ended:
            cloud.wait()
    assert ended.value.status == -signal.SIGKILL


def test_a_server_that_cannot_start_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # no interpreter starts with that
    started = time.monotonic()
    with pytest.raises(CloudEnded) as ended, running(tmp_path):
        pass
    assert ended.value.status == 1
    assert time.monotonic() - started < 15


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortUnavailable) as refusal, running(tmp_path, port=port):
            pass
    assert (refusal.value.port, refusal.value.in_use) == (port, True)


def test_a_second_one_on_the_same_port(local_cloud: RunningCloud, tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunning) as refusal, running(tmp_path, port=_port(local_cloud)):
        pass
    assert (refusal.value.port, refusal.value.data_dir) == (_port(local_cloud), local_cloud.data_dir)


def test_a_second_one_on_the_same_data(local_cloud: RunningCloud) -> None:
    with pytest.raises(AlreadyRunning) as refusal, running(local_cloud.data_dir):
        pass
    assert (refusal.value.port, refusal.value.data_dir) == (0, local_cloud.data_dir)


def test_credentials_of_the_shell_do_not_leak_into_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-real-account")
    with running(tmp_path) as cloud:
        environment = Path(f"/proc/{cloud.process.pid}/environ").read_bytes()
        assert os.fsencode(cloud.endpoint_url) in environment
        assert b"of-a-real-account" not in environment


def _port(cloud: RunningCloud) -> int:
    return int(cloud.endpoint_url.rpartition(":")[2])
