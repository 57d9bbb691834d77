"""`edge-ser serve --mqtt` publishes the utterances of the device's microphone."""

from __future__ import annotations

import numpy as np
import pytest
from support.mqtt_brokers import Recorder, mosquitto
from support.servers import WITH_MICROPHONE, running_server

pytest.importorskip("starlette")
pytest.importorskip("paho.mqtt")

from edge_runtime.mqtt.node import Node

NODE = Node.create("box")


@pytest.mark.slow
def test_utterances_are_published(tmp_path, voice_clips):
    file = tmp_path / "samples.npy"
    gap = np.zeros(16_000, np.float32)
    np.save(file, np.concatenate([gap, voice_clips[0], gap, gap]).astype(np.float32))
    with mosquitto(tmp_path) as broker, Recorder(broker.port) as recorder:
        address = f"mqtt://127.0.0.1:{broker.port}"
        with running_server(
            *("--microphone", "--mqtt", address, "--mqtt-node", "box"),
            folder=tmp_path,
            code=WITH_MICROPHONE,
            FAKE_MICROPHONE=str(file),
        ) as server:
            recorder.wait_for(NODE.status, "online")
            recorder.wait(lambda: recorder.of(NODE.event), 40)
            server.stop()
        recorder.wait_for(NODE.status, "offline")
        state = recorder.of(NODE.state)[-1].json
        assert state["event"] == "end" and "probabilities" not in state
