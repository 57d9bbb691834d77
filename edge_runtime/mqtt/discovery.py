"""The message by which Home Assistant finds a node and its entities.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

from __future__ import annotations

import re
from typing import Any

from .node import Node


def discovery_message(
    node: Node,
    labels: tuple[str, ...],
    model: str,
    version: str,
    *,
    has_arousal: bool,
    has_level: bool,
) -> dict[str, Any]:
    """Return the discovery message of a node.

    No component has `expire_after`: the sensors would be unavailable until the first utterance.

    Args:
        node: The node.
        labels: All labels that an utterance can have.
        model: Name of the model.
        version: Version of edge-ser.
        has_arousal: True if the model predicts the arousal.
        has_level: True if the level is published.
    """
    components = {
        "emotion": {
            "platform": "sensor",
            "name": "Emotion",
            "icon": "mdi:account-voice",
            "device_class": "enum",
            "options": list(labels),
            "state_topic": node.state,
            "value_template": "{{ value_json.label or value_json.status }}",
            "json_attributes_topic": node.state,
        },
        "confidence": _percentage(node, "confidence", "Confidence", "mdi:percent"),
        "speech": {
            "platform": "binary_sensor",
            "name": "Speech",
            "device_class": "sound",
            "state_topic": node.speech,
        },
        "utterance": {
            "platform": "event",
            "name": "Utterance",
            "icon": "mdi:message-text",
            "event_types": list(labels),
            "state_topic": node.event,
        },
        "listening": {
            "platform": "switch",
            "name": "Listening",
            "icon": "mdi:microphone",
            "entity_category": "config",
            "state_topic": node.listening,
            "command_topic": node.set_listening,
        },
    }
    if has_arousal:
        components["arousal"] = _percentage(node, "arousal", "Arousal", "mdi:pulse")
    if has_level:
        components["level"] = {
            "platform": "sensor",
            "name": "Level",
            "icon": "mdi:volume-high",
            "unit_of_measurement": "dBFS",
            "state_class": "measurement",
            "suggested_display_precision": 0,
            "enabled_by_default": False,
            "state_topic": node.level,
        }
    slug = re.sub("[^a-z0-9]+", "_", node.node.lower()).strip("_") or "edge_ser"
    for key, component in components.items():
        component["unique_id"] = f"{node.id}_{key}"
        component["qos"] = 1  # Home Assistant does not apply a common one
        component["default_entity_id"] = f"{component['platform']}.{slug}_{key}"
    return {
        "device": {
            "identifiers": [node.id],
            "name": node.name,
            "manufacturer": "edge-ser",
            "model": model,
            "sw_version": version,
        },
        "origin": {"name": "edge-ser", "sw_version": version},
        "availability": [{"topic": node.status}],
        "components": components,
    }


def _percentage(node: Node, field: str, name: str, icon: str) -> dict[str, Any]:
    """Return a sensor of a share of the last utterance, in percent; unknown if it has none."""
    value = f"value_json.{field}"
    return {
        "platform": "sensor",
        "name": name,
        "icon": icon,
        "unit_of_measurement": "%",
        "state_class": "measurement",
        "suggested_display_precision": 0,
        "enabled_by_default": False,
        "state_topic": node.state,
        "value_template": f"{{{{ ({value} * 100) | round(1) if {value} is number else None }}}}",
    }
