"""The contract of answers and events: one schema for commands, WebSocket, SSE and MQTT."""

from __future__ import annotations

import json
import runpy

import pytest
from support.paths import ROOT

pytest.importorskip("starlette")
pytest.importorskip("jsonschema")

import jsonschema

from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN, Prediction
from edge_runtime.mqtt.broker import Broker
from edge_runtime.mqtt.node import Node
from edge_runtime.results.rows import event_row
from edge_runtime.serve.schemas import SCHEMAS, standalone
from edge_runtime.streaming.listen_events import ListenEvent

PROBABILITIES = {"angry": 0.1, "sad": 0.9}
PREDICTIONS = [
    Prediction("sad", 0.9, PROBABILITIES, 0.25),
    Prediction(UNCERTAIN, 0.9, PROBABILITIES),
    Prediction(NO_SPEECH, 0.9, PROBABILITIES),
]
EVENTS = [
    ListenEvent("overrun", 1.0, 2.0, None),
    *(ListenEvent(k, 1.0, 2.0, p) for k in ("start", "update", "end") for p in PREDICTIONS),
]


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_valid(name):
    jsonschema.Draft202012Validator.check_schema(standalone(name))


@pytest.mark.parametrize(
    "event", EVENTS, ids=lambda e: f"{e.kind} {e.prediction and e.prediction.label}"
)
def test_events_of_every_kind_follow_the_schema(event):
    jsonschema.validate(json.loads(json.dumps(event_row(event))), SCHEMAS["event"])


@pytest.mark.parametrize("probabilities", [False, True])
def test_payloads_of_mqtt_follow_the_schema(probabilities):
    pytest.importorskip("paho.mqtt")
    from edge_runtime.mqtt.publisher import Publisher

    for prediction in PREDICTIONS:
        publisher = Publisher(
            Broker.parse("mqtt://localhost", None), Node.create("box"), probabilities=probabilities
        )
        publisher.add(event_row(ListenEvent("end", 1.0, 2.0, prediction)))
        (event,) = publisher._events
        state = publisher._retained[publisher.node.state]
        jsonschema.validate(json.loads(state), SCHEMAS["mqtt-state"])
        jsonschema.validate(json.loads(event.payload), SCHEMAS["mqtt-event"])


@pytest.mark.skipif(not (ROOT / "schemas").is_dir(), reason="requires a checkout")
def test_the_published_files_are_current():
    """`python -m scripts.write_schemas` writes them."""
    files = runpy.run_path(str(ROOT / "scripts" / "write_schemas.py"))["files"]()
    found = {path.name: path.read_text() for path in (ROOT / "schemas").iterdir()}
    assert found == files


def test_examples_of_the_field_that_is_wrong_are_refused():
    row = event_row(EVENTS[1])
    for change in ({"confidence": 2}, {"status": "happy"}, {"extra": 1}, {"event": "stop"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**row, **change}, SCHEMAS["event"])
