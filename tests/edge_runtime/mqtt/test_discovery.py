"""The discovery message: what Home Assistant and its recorder depend on."""

from __future__ import annotations

import json

import pytest

from edge_runtime.mqtt.discovery import discovery_message
from edge_runtime.mqtt.node import Node

LABELS = ("angry", "happy", "no speech", "uncertain")
NODE = Node.create("Living-Room", "Living room", "house/1", "ha")


def message(*, has_arousal: bool = True, has_level: bool = True):
    return discovery_message(
        NODE, LABELS, "model", "1.0", has_arousal=has_arousal, has_level=has_level
    )


def test_device_and_availability():
    assert NODE.discovery == f"ha/device/{NODE.id}/config"
    values = message()
    assert values.pop("components")
    assert values == {
        "device": {
            "identifiers": [NODE.id],
            "name": "Living room",
            "manufacturer": "edge-ser",
            "model": "model",
            "sw_version": "1.0",
        },
        "origin": {"name": "edge-ser", "sw_version": "1.0"},
        "availability": [{"topic": "house/1/status"}],
    }


def test_components_have_stable_identities_and_own_topics():
    components = message()["components"]
    assert set(components) == {
        "emotion", "confidence", "arousal", "level", "speech", "utterance", "listening",
    }  # fmt: skip
    for key, component in components.items():
        assert component["unique_id"] == f"{NODE.id}_{key}"
        assert component["default_entity_id"] == f"{component['platform']}.living_room_{key}"
        assert component["qos"] == 1
        assert not {"expire_after", "object_id"} & set(component)
        assert component["state_topic"].startswith("house/1/")
    assert components["emotion"]["options"] == list(LABELS)
    assert components["utterance"]["event_types"] == list(LABELS)
    assert components["listening"]["command_topic"] == "house/1/listening/set"
    # Those that change often are recorded only if a user enables them.
    hidden = {key for key, value in components.items() if not value.get("enabled_by_default", True)}
    assert hidden == {"confidence", "arousal", "level"}


@pytest.mark.parametrize("key", ["arousal", "level"])
def test_optional_components(key):
    without = message(**{f"has_{key}": False})["components"]
    assert set(message()["components"]) - set(without) == {key}


def test_message_is_small():
    assert len(json.dumps(message())) < 4096
