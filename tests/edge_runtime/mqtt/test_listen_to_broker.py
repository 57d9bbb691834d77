"""`edge-ser listen --mqtt` and `edge-ser doctor --mqtt` as processes, with TLS and passwords."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
from support.mqtt_brokers import (
    PASSWORDS,
    Certificates,
    Process,
    Recorder,
    free_port,
    mosquitto,
    retained,
    write_certificates,
)
from support.paths import ROOT

pytest.importorskip("paho.mqtt")

from edge_runtime.mqtt.node import Node

NODE = Node.create("kitchen")
RAW = ("-", "--all", "--rate", "16000", "--encoding", "f32le")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory, certificates) -> Iterator[Process]:
    """A broker with TLS, passwords and access control."""
    with mosquitto(tmp_path_factory.mktemp("broker"), certificates) as broker:
        yield broker


@pytest.fixture
def plain(tmp_path) -> Iterator[Process]:
    with mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture(scope="module")
def utterances(voice_clips):
    """Two utterances, each with a pause after it."""
    gap = np.zeros(24_000, np.float32)
    parts = [gap, voice_clips[0], gap, voice_clips[1], gap]
    return np.concatenate(parts).astype("<f4").tobytes()


def edge_ser(
    *arguments: object, data: bytes = b"", password: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **({"EDGE_SER_MQTT_PASSWORD": password} if password else {})}
    return subprocess.run(
        [sys.executable, "-m", "edge_runtime", *map(str, arguments)],
        input=data,
        capture_output=True,
        cwd=ROOT,
        env=environment,
        timeout=120,
    )


@contextlib.contextmanager
def listening(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run `edge-ser listen` on raw PCM from a pipe."""
    command = [sys.executable, "-m", "edge_runtime", "listen", *RAW, *map(str, arguments)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_published_events_are_those_printed(secure, certificates, utterances, tmp_path):
    """Over TLS, with a password file and the rights of the documentation."""
    (tmp_path / "password").write_text(f"{PASSWORDS['sensor']}\n")
    arguments = (
        "--mqtt", f"mqtts://sensor@localhost:{secure.port}", "--mqtt-ca", certificates.ca,
        "--mqtt-password-file", tmp_path / "password", "--mqtt-node", "kitchen", "--mqtt-name",
        "Kitchen", "--mqtt-probabilities",
    )  # fmt: skip
    with (
        Recorder(secure.port, user="house", certificates=certificates) as recorder,
        listening(*arguments) as process,
    ):
        recorder.wait_for(NODE.speech)
        out, errors = process.communicate(utterances, timeout=60)
        assert process.returncode == 0, errors
        printed = [json.loads(line) for line in out.splitlines()]
        ends = [{"v": 2, **row} for row in printed if row["event"] == "end"]
        assert len(ends) >= 2
        recorder.wait_for(NODE.status, "offline")
        states = [delivery.json for delivery in recorder.of(NODE.state)]
        assert states[-1] == ends[-1]
        events = [delivery.json for delivery in recorder.of(NODE.event)]
        assert events == [{**row, "event_type": row["label"] or row["status"]} for row in ends]
        discovery = recorder.of(NODE.discovery)[0].json
        assert discovery["device"]["name"] == "Kitchen"
        assert discovery["components"]["emotion"]["options"][-2:] == ["no speech", "uncertain"]
    lines = errors.decode().splitlines()
    assert lines[0] == f"edge-ser: mqtt: connected to localhost:{secure.port}"
    assert "standard input ended" in lines[1] and len(lines) == 2
    assert PASSWORDS["sensor"] not in errors.decode()


@pytest.mark.timing
def test_offline_within_a_second_of_sigterm(plain, utterances):
    with (
        Recorder(plain.port) as recorder,
        listening("--mqtt", f"mqtt://localhost:{plain.port}", "--mqtt-node", "kitchen") as process,
    ):
        process.stdin.write(utterances)
        process.stdin.flush()
        recorder.wait_for(NODE.event)
        process.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        assert recorder.wait_for(NODE.status, "offline").time - stopped < 1
        assert process.wait(5) == -signal.SIGTERM


@pytest.mark.slow
def test_offline_by_the_will_after_sigkill(plain):
    with (
        Recorder(plain.port) as recorder,
        listening("--mqtt", f"mqtt://localhost:{plain.port}", "--mqtt-node", "kitchen") as process,
    ):
        recorder.wait_for(NODE.status, "online")
        process.kill()
        recorder.wait_for(NODE.status, "offline")
    assert retained(plain.port)[NODE.status] == "offline"


@pytest.mark.slow
def test_muted_audio_gives_no_events(plain, utterances):
    with (
        Recorder(plain.port) as recorder,
        listening("--mqtt", f"mqtt://localhost:{plain.port}", "--mqtt-node", "kitchen") as process,
    ):
        recorder.wait_for(NODE.listening, "ON")
        recorder.publish(NODE.set_listening, "OFF")
        recorder.wait_for(NODE.listening, "OFF")
        process.stdin.write(utterances)
        process.stdin.flush()
        time.sleep(1.5)
        recorder.publish(NODE.set_listening, "ON")
        recorder.wait_for(NODE.listening, "ON", count=2)
        assert recorder.of(NODE.event) == []
        process.stdin.write(utterances)
        out, errors = process.communicate(timeout=60)
        rows = [json.loads(line) for line in out.splitlines()]
        assert {row["event"] for row in rows} <= {"start", "update", "end"}
        seconds = len(utterances) / 4 / 16_000
        assert rows and min(row["start"] for row in rows) > seconds  # time goes on while muted
        recorder.wait_for(NODE.status, "offline")
        assert len(recorder.of(NODE.event)) == sum(row["event"] == "end" for row in rows)


@pytest.mark.slow
@pytest.mark.slow
def test_events_are_printed_without_a_broker(utterances):
    port = free_port()
    result = edge_ser("listen", *RAW, "--mqtt", f"mqtt://localhost:{port}", data=utterances)
    assert result.returncode == 0
    assert result.stdout == edge_ser("listen", *RAW, data=utterances).stdout != b""
    lines = result.stderr.decode().splitlines()
    address = f"edge-ser: mqtt: localhost:{port}"
    assert lines[0] == (
        f"{address}: connection refused; check the port; does the broker run there?; trying again"
    )
    assert lines[-1].startswith(address) and lines[-1].endswith("could not be delivered")


@pytest.mark.slow
@pytest.mark.slow
def test_forgetting(plain):
    url = f"mqtt://localhost:{plain.port}"
    with listening("--mqtt", url, "--mqtt-node", "kitchen"), Recorder(plain.port) as recorder:
        recorder.wait_for(NODE.speech)
    result = edge_ser("listen", "--mqtt", url, "--mqtt-node", "kitchen", "--mqtt-forget")
    assert result.returncode == 0
    assert result.stderr.decode() == (
        "edge-ser: mqtt: removed the retained messages of edge-ser/kitchen from "
        f"localhost:{plain.port}\n"
    )
    assert retained(plain.port) == {}


def doctor(port: int, *arguments: object, user: str = "", tls: bool = True, **more: str):
    """Return the findings about a broker, by name."""
    url = f"mqtt{'s' * tls}://{user}{'@' * bool(user)}localhost:{port}"
    result = edge_ser(
        "doctor", "--json", "--mqtt", url, "--mqtt-node", "kitchen", *arguments, **more
    )
    assert result.returncode == 0, result.stderr
    assert not any(word.encode() in result.stdout for word in PASSWORDS.values())
    checks = json.loads(result.stdout)["checks"]
    return {check["name"]: check for check in checks if check["section"] == "mqtt"}


@pytest.mark.slow
@pytest.mark.slow
def test_doctor_finds_no_problem(secure, certificates):
    found = doctor(
        secure.port, "--mqtt-ca", certificates.ca, user="sensor", password=PASSWORDS["sensor"]
    )
    assert list(found) == ["package", "address", "encryption", "login", "topics", "discovery"]
    assert {check["severity"] for check in found.values()} == {"ok"}
    assert "TLSv1.3, certificate valid for 29 days" in found["encryption"]["found"]
    assert found["login"]["found"] == "as sensor"
    assert "edge-ser/kitchen/#, echo after" in found["topics"]["found"]


@pytest.mark.slow
def test_doctor_explains_a_refused_login(secure, certificates):
    ca = ("--mqtt-ca", certificates.ca)
    assert "requires a user name" in doctor(secure.port, *ca)["login"]["found"]
    assert "without a password" in doctor(secure.port, *ca, user="sensor")["login"]["found"]
    wrong = doctor(secure.port, *ca, user="sensor", password="guess")["login"]
    assert wrong["found"] == "the broker refused user sensor"
    assert wrong["advice"] == "Check user name and password."


@pytest.mark.slow
def test_doctor_explains_missing_rights(secure, certificates):
    found = doctor(
        secure.port, "--mqtt-ca", certificates.ca, user="guest", password=PASSWORDS["guest"]
    )
    assert found["topics"]["severity"] == "warning"
    assert "edge-ser/kitchen/doctor did not come back" in found["topics"]["found"]
    assert "read and write edge-ser/kitchen/#" in found["topics"]["advice"]


@pytest.mark.slow
def test_doctor_explains_tls(secure, plain, certificates, tmp_path):
    untrusted = doctor(secure.port)["login"]
    assert "certificate is not valid" in untrusted["found"]
    assert "--mqtt-ca" in untrusted["advice"]
    assert "TLS" in doctor(secure.port, tls=False)["login"]["advice"]
    assert "TLS" in str(doctor(plain.port, "--mqtt-ca", certificates.ca)["login"])
    wrong_name = edge_ser(
        "doctor", "--mqtt", f"mqtts://127.0.0.1:{secure.port}", "--mqtt-ca", certificates.ca
    )
    assert b"use the host name in the certificate" in b" ".join(wrong_name.stdout.lower().split())
    assert doctor(free_port())["address"]["found"].endswith("connection refused")


@pytest.mark.slow
def test_client_certificate(certificates, tmp_path):
    with mosquitto(tmp_path, certificates, client_certificates=True) as broker:
        ca = ("--mqtt-ca", certificates.ca)
        pair = (
            "--mqtt-cert",
            certificates.cert("client"),
            "--mqtt-key",
            certificates.key("client"),
        )
        assert doctor(broker.port, *ca, *pair)["topics"]["severity"] == "ok"
        assert doctor(broker.port, *ca)["login"]["severity"] == "warning"
