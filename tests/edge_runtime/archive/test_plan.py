"""Settings, manifests, stores and plans of archives."""

from __future__ import annotations

import csv
import dataclasses
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge_runtime.archive.manifest import (
    Recording,
    estimated_seconds,
    find_recordings,
    read_manifest,
)
from edge_runtime.archive.plan import cut, extend_plan, read_plans
from edge_runtime.archive.settings import ArchiveSettings
from edge_runtime.archive.store import FolderStore, StoreError, open_store
from edge_runtime.audio.channel_roles import parse_roles
from edge_runtime.errors import AudioError, ConfigError


def recordings_of(n, seconds=600.0):
    return [Recording(f"id{k:06d}", f"/calls/{k:06d}.wav", seconds) for k in range(n)]


def test_settings_name_the_partition(settings, stereo_settings):
    assert ArchiveSettings.from_json(stereo_settings.to_json()) == stereo_settings
    assert settings.partition() == f"run={settings.fingerprint()}"
    changes = (
        {"window": 2.0},
        {"threshold": 0.5},
        {"speech_threshold": 0.9},
        {"mix": True},
        {"roles": parse_roles("1=a,2=b", "b")},
        {"roles": parse_roles("1=a,2=b", None)},
        {"model_fingerprint": "0" * 8},
    )
    others = {dataclasses.replace(settings, **change).fingerprint() for change in changes}
    assert len(others | {settings.fingerprint()}) == len(changes) + 1
    elsewhere = dataclasses.replace(settings, model="/elsewhere/edge_ser.onnx")
    assert elsewhere.fingerprint() == settings.fingerprint()


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 7}', "[]"])
def test_invalid_settings(text):
    with pytest.raises(ConfigError, match="settings.json"):
        ArchiveSettings.from_json(text)


def test_channels_need_roles(settings, stereo_settings):
    assert settings.channels_of("a.wav", 1) == {1: None}
    with pytest.raises(AudioError, match="has 2 channels; give their roles"):
        settings.channels_of("a.wav", 2)
    assert dataclasses.replace(settings, mix=True).channels_of("a.wav", 2) == {None: None}
    assert stereo_settings.channels_of("a.wav", 2) == {1: "agent", 2: "customer"}
    for n_channels in (1, 3):
        with pytest.raises(AudioError, match="describes 2"):
            stereo_settings.channels_of("a.wav", n_channels)


def test_folder_store(tmp_path):
    store = open_store(str(tmp_path / "out"))
    assert store.names("a") == [] and not store.exists("a/x")
    assert store.put_new("a/x", b"1") and not store.put_new("a/x", b"2")
    assert store.get("a/x") == b"1" and store.names("a") == ["x"]
    store.put("a/x", b"3")
    assert store.get("a/x") == b"3"
    with pytest.raises(StoreError, match="cannot be read"):
        store.get("a/y")
    assert [path.name for path in (tmp_path / "out" / "a").iterdir()] == ["x"]
    with pytest.raises(ConfigError, match="expected a folder or s3"):
        open_store("gs://bucket")


def test_one_of_many_writers_succeeds(tmp_path):
    store = FolderStore(str(tmp_path))
    won = []

    def write(number):
        if store.put_new("x", b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and store.get("x") == b"%d" % won[0]


def test_find_recordings(calls, tmp_path):
    found = list(find_recordings([str(calls), str(calls / "call0.wav"), str(tmp_path), "no.wav"]))
    good = [r for r in found if isinstance(r, Recording)]
    assert [r.uri for r in good] == sorted(str(p) for p in calls.glob("*.wav"))
    assert len({r.recording_id for r in good}) == 4
    size = (calls / "call0.wav").stat().st_size
    assert good[0].seconds == estimated_seconds("a.wav", size) == size / 32_000
    empty, missing = (str(r) for r in found if isinstance(r, AudioError))
    assert "holds no audio files" in empty and missing == "no.wav: no such file or folder"


def test_manifest(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text(
        "uri,seconds,recording_id,size\na.wav,60,x,\ns3://b/k.flac,,,16000\n/c.wav,,,\n"
    )
    first, second, third = read_manifest(str(path))
    assert first == ("x", str(tmp_path / "a.wav"), 60.0, 1)
    assert second.uri == "s3://b/k.flac" and second.seconds == 1.0
    assert third.uri == "/c.wav" and third.seconds == 300.0
    table = pa.table({"uri": ["a.wav"], "seconds": [60.0]})
    pq.write_table(table, tmp_path / "calls.parquet")
    (only,) = read_manifest(str(tmp_path / "calls.parquet"))
    assert only.uri == first.uri and only.seconds == 60


@pytest.mark.parametrize(
    "text, message",
    [
        ("path\na.wav\n", "row 1"),
        ("uri,seconds\na.wav,x\n", "row 1"),
        ("uri\ngs://a\n", "row 1"),
        ("uri,recording_id\na,1\nb,1\n", "row 2: 1 is given twice"),
        ("uri,seconds\na.wav,nan\n", "row 1"),
    ],
)
def test_invalid_manifests(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_manifest(str(tmp_path / "m.csv"))
    (tmp_path / "m.parquet").write_text(text)
    with pytest.raises(ConfigError, match="is not Parquet"):
        read_manifest(str(tmp_path / "m.parquet"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_manifest(str(tmp_path / "none.csv"))


def test_shards_of_about_an_hour():
    shards = list(cut(recordings_of(20), 3600))
    assert [len(shard) for shard in shards] == [6, 6, 6, 2]
    assert len(next(cut(recordings_of(5000, 0.0), 3600))) == 2000


def test_plans_never_change(tmp_path, settings):
    store = FolderStore(str(tmp_path))
    shards, n_new = extend_plan(store, settings, recordings_of(10), 3600, write=False)
    assert (len(shards), n_new) == (2, 2) and read_plans(store, settings) == []
    planned, _ = extend_plan(store, settings, recordings_of(10)[::-1], 3600)
    assert planned == shards == read_plans(store, settings)
    assert extend_plan(store, settings, recordings_of(10), 60) == (shards, 0)
    more, n_new = extend_plan(store, settings, recordings_of(11), 3600)
    assert more[:2] == shards and n_new == 1 and more[2].recordings == recordings_of(11)[10:]
    again = [recordings_of(1)[0]._replace(attempt=2)]
    assert extend_plan(store, settings, again, 3600)[0][3].recordings == again


def test_concurrent_runs_share_a_plan(tmp_path, settings):
    class Racing(FolderStore):
        """Another run writes its plan right before the first one of this run."""

        def put_new(self, key, content):
            if not self.names("started"):
                super().put_new("started/x", b"")
                extend_plan(FolderStore(self.uri), settings, recordings_of(8)[3:], 3600)
            return super().put_new(key, content)

    store = Racing(str(tmp_path))
    shards, n_new = extend_plan(store, settings, recordings_of(6), 3600)
    planned = [r for shard in shards for r in shard.recordings]
    assert sorted(planned) == recordings_of(8) and n_new == 1


@pytest.mark.slow
def test_100000_rows_are_planned_within_a_minute(tmp_path, settings):
    path = tmp_path / "calls.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["uri", "seconds"])
        rows.writerows([f"s3://calls/{k:06d}.wav", 240] for k in range(100_000))
    start = time.monotonic()
    shards, n_new = extend_plan(
        FolderStore(str(tmp_path / "out")), settings, read_manifest(str(path)), 3600
    )
    assert n_new == len(shards) == 6667
    assert len(read_plans(FolderStore(str(tmp_path / "out")), settings)) == 6667
    assert time.monotonic() - start < 60
