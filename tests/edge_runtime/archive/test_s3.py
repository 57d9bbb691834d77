"""Archives in an object store: moto's server on loopback."""

from __future__ import annotations

import pytest

from edge_runtime.archive.manifest import find_recordings
from edge_runtime.archive.plan import extend_plan
from edge_runtime.archive.report import status_of, verify
from edge_runtime.archive.store import StoreError, open_store
from edge_runtime.archive.work import ShardWork
from edge_runtime.errors import ConfigError

pytestmark = pytest.mark.slow  # starting the server takes two seconds


@pytest.fixture(scope="module")
def s3():
    boto3 = pytest.importorskip("boto3")
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="calls")
        client.create_bucket(Bucket="results")
        yield client
    server.stop()


def test_conditional_puts(s3):
    store = open_store("s3://results/store")
    assert store.put_new("a/x", b"1") and not store.put_new("a/x", b"2")
    assert store.get("a/x") == b"1" and store.names("a") == ["x"] and store.names("") == ["a"]
    assert store.exists("a/x") and not store.exists("a/y")
    store.put("a/x", b"3")
    assert store.get("a/x") == b"3"
    with pytest.raises(StoreError, match="s3://results/store/a/y"):
        store.get("a/y")
    with pytest.raises(StoreError):
        open_store("s3://missing").put_new("x", b"")
    with pytest.raises(ConfigError, match="expected s3://bucket"):
        open_store("s3://")


def test_recordings_and_results_in_s3(s3, calls, settings):
    for path in calls.glob("*.wav"):
        s3.upload_file(str(path), "calls", f"2024/{path.name}")
    s3.put_object(Bucket="calls", Key="2024/bad.wav", Body=b"no audio")
    s3.put_object(Bucket="calls", Key="2024/readme.txt", Body=b"")
    recordings = list(find_recordings(["s3://calls/2024", "s3://calls/2024/call0.wav"]))
    assert len(recordings) == 5
    (missing,) = find_recordings(["s3://calls/2025"])
    assert "holds no audio files" in str(missing)
    store = open_store("s3://results/out")
    shards, _ = extend_plan(store, settings, recordings, 1e6)
    work = ShardWork(store.uri, settings)
    for shard in shards:
        result = work.process_shard(shard.name, shard.recordings)
        assert (result.n_recordings, len(result.failures), result.is_new) == (5, 1, True)
    assert verify(store, settings) == [] and status_of(store, settings).processed == 4
    (error,) = work.process(recordings[0]._replace(uri="s3://calls/2024/none.wav")).errors
    assert "s3://calls/2024/none.wav: no such file" in error["error"]
    (error,) = work.process(recordings[0]._replace(uri="s3://calls/2024/bad.wav")).errors
    assert error["error"].startswith("s3://calls/2024/bad.wav: is not audio")
