"""The device in Home Assistant's own test harness: `make home-assistant`.

The payloads are those of the publisher; Home Assistant receives them from its simulated broker.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

pytest.importorskip("pytest_homeassistant_custom_component")

import yaml
from homeassistant.helpers import device_registry, entity_registry
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message, async_mock_service

from edge_runtime.mqtt.broker import Broker
from edge_runtime.mqtt.discovery import discovery_message
from edge_runtime.mqtt.node import Node
from edge_runtime.mqtt.publisher import Publisher

LABELS = ("angry", "happy", "neutral", "sad", "no speech", "uncertain")
NODE = Node.create("Living-Room", "Living room")
DISCOVERY = discovery_message(NODE, LABELS, "edge-ser", "1.0", has_arousal=True, has_level=True)
ENTITIES = {
    "emotion": "sensor.living_room_emotion",
    "confidence": "sensor.living_room_confidence",
    "arousal": "sensor.living_room_arousal",
    "level": "sensor.living_room_level",
    "speech": "binary_sensor.living_room_speech",
    "utterance": "event.living_room_utterance",
    "listening": "switch.living_room_listening",
}
HIDDEN = ("confidence", "arousal", "level")  # until a user enables them


def end_event(label: str, confidence: float | None) -> dict[str, object]:
    return {
        "event": "end",
        "start": 1.0,
        "end": 2.5,
        "label": None if label in LABELS[-2:] else label,
        "status": label if label in LABELS[-2:] else "emotion",
        "confidence": confidence,
        "probabilities": {"angry": 0.1, "happy": 0.61, "neutral": 0.2, "sad": 0.09},
        "arousal": 0.7,
    }


@pytest.fixture
def discovery() -> dict[str, object]:
    return DISCOVERY


@pytest.fixture
async def house(hass, mqtt_mock, discovery):
    """Home Assistant after the discovery of the device, and the publisher of its payloads."""
    publisher = Publisher(Broker.parse("mqtt://localhost"), NODE, discovery)

    async def deliver() -> None:
        for topic, payload in publisher._retained.items():
            async_fire_mqtt_message(hass, topic, payload)
        while publisher._events:
            message = publisher._events.popleft()
            async_fire_mqtt_message(hass, message.topic, message.payload)
        await hass.async_block_till_done()

    await deliver()  # Home Assistant subscribes to the topics of the device while it adds it
    await deliver()
    return publisher, deliver


def warnings(caplog) -> list[str]:
    """Return the warnings of Home Assistant's MQTT integration."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and "mqtt" in record.name
    ]


async def test_one_device_with_its_entities(hass, house, caplog):
    device = device_registry.async_get(hass).async_get_device({("mqtt", NODE.id)})
    assert (device.name, device.manufacturer, device.sw_version) == (
        "Living room", "edge-ser", "1.0",
    )  # fmt: skip
    entities = entity_registry.async_get(hass).entities.values()
    found = {entity.unique_id: entity for entity in entities if entity.platform == "mqtt"}
    assert {f"{NODE.id}_{key}": name for key, name in ENTITIES.items()} == {
        key: entity.entity_id for key, entity in found.items()
    }
    for key in ENTITIES:
        assert (found[f"{NODE.id}_{key}"].disabled_by is not None) == (key in HIDDEN)
    assert {entity.device_id for entity in found.values()} == {device.id}
    assert warnings(caplog) == []


async def test_entities_are_available_before_the_first_utterance(hass, house):
    assert hass.states.get(ENTITIES["emotion"]).state == "unknown"
    assert hass.states.get(ENTITIES["speech"]).state == "off"
    assert hass.states.get(ENTITIES["listening"]).state == "on"


async def test_utterances_change_sensor_and_event(hass, house, caplog):
    publisher, deliver = house
    publisher.add({**end_event("happy", 0.5), "event": "start"})
    await deliver()
    assert hass.states.get(ENTITIES["speech"]).state == "on"
    for label in LABELS:
        confidence = None if label in LABELS[-2:] else 0.61
        publisher.add(end_event(label, confidence))
        await deliver()
        state = hass.states.get(ENTITIES["emotion"])
        assert state.state == label
        assert state.attributes["confidence"] == confidence
        assert state.attributes["options"] == list(LABELS)
        assert "probabilities" not in state.attributes
        event = hass.states.get(ENTITIES["utterance"])
        assert event.attributes["event_type"] == label
        assert (event.attributes["start"], event.attributes["end"]) == (1.0, 2.5)
        assert hass.states.get(ENTITIES["speech"]).state == "off"
    assert warnings(caplog) == []


async def test_switch_sends_the_exact_commands(hass, house, mqtt_mock):
    for service, payload in (("turn_off", "OFF"), ("turn_on", "ON")):
        await hass.services.async_call(
            "switch", service, {"entity_id": ENTITIES["listening"]}, blocking=True
        )
        mqtt_mock.async_publish.assert_called_with(NODE.set_listening, payload, 1, False)
        publisher, deliver = house
        publisher._receive(NODE.set_listening, payload.encode(), False)
        await deliver()
        assert publisher.is_muted() == (payload == "OFF")
        assert hass.states.get(ENTITIES["listening"]).state == payload.lower()


async def test_offline_device_is_unavailable(hass, house):
    async_fire_mqtt_message(hass, NODE.status, "offline")
    await hass.async_block_till_done()
    for key in set(ENTITIES) - set(HIDDEN):
        assert hass.states.get(ENTITIES[key]).state == "unavailable"


async def test_forgetting_removes_the_device(hass, house):
    async_fire_mqtt_message(hass, NODE.discovery, "")
    await hass.async_block_till_done()
    entities = entity_registry.async_get(hass).entities.values()
    assert [entity for entity in entities if entity.platform == "mqtt"] == []


@pytest.mark.parametrize(
    "discovery",
    [
        {
            **DISCOVERY,
            "components": {
                key: {**component, "enabled_by_default": True}
                for key, component in DISCOVERY["components"].items()
            },
        }
    ],
    ids=["enabled"],
)
async def test_hidden_sensors_once_enabled(hass, house, caplog):
    publisher, deliver = house
    publisher.add(end_event("happy", 0.614))
    await deliver()
    async_fire_mqtt_message(hass, NODE.level, "-42.5")
    await hass.async_block_till_done()
    assert hass.states.get(ENTITIES["confidence"]).state == "61.4"
    assert hass.states.get(ENTITIES["arousal"]).state == "70.0"
    assert hass.states.get(ENTITIES["level"]).state == "-42.5"
    publisher.add(end_event("uncertain", None))
    await deliver()
    assert hass.states.get(ENTITIES["confidence"]).state == "unknown"
    assert warnings(caplog) == []


async def test_documented_automation_acts_on_sad_utterances(hass):
    page = Path(__file__).parents[2] / "docs" / "home-assistant.md"
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    automation, card = map(yaml.safe_load, blocks)
    calls = async_mock_service(hass, "light", "turn_on")
    event = "event.kitchen_utterance"
    hass.states.async_set(event, "unavailable")
    assert await async_setup_component(hass, "automation", {"automation": automation})
    await hass.async_block_till_done()
    for second, (label, confidence) in enumerate(
        [("sad", 0.9), ("sad", 0.9), ("sad", 0.5), ("happy", 0.9), ("uncertain", None)]
    ):
        # The first is the last utterance before a restart.
        attributes = {"event_type": label, "confidence": confidence}
        hass.states.async_set(event, f"2026-01-01T00:00:0{second}", attributes)
        await hass.async_block_till_done()
        assert len(calls) == (0 if second == 0 else 1)
    assert calls[0].data["entity_id"] == ["light.kitchen"]
    names = re.findall(r"\w+\.kitchen_\w+", str(card))
    assert {name.replace("kitchen", "living_room") for name in names} <= set(ENTITIES.values())
