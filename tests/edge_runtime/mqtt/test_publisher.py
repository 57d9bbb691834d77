"""The publisher against mosquitto and amqtt: topics, payloads, failures of the broker."""

from __future__ import annotations

import gc
import json
import os
import socket
import statistics
import threading
import time

import pytest
from support.mqtt_brokers import Process, Recorder, amqtt, free_port, mosquitto, retained

pytest.importorskip("paho.mqtt")

from edge_runtime.errors import EdgeSerError
from edge_runtime.mqtt.broker import Broker
from edge_runtime.mqtt.discovery import discovery_message
from edge_runtime.mqtt.node import Node
from edge_runtime.mqtt.publisher import MAX_EVENTS, MAX_IN_FLIGHT, Backoff, Publisher, forget
from edge_runtime.mqtt.session import Session

LABELS = ("angry", "happy", "neutral", "sad", "no speech", "uncertain")
NODE = Node.create("kitchen")
DISCOVERY = discovery_message(NODE, LABELS, "test", "1.0", has_arousal=True, has_level=True)
# As fast as the tests of the broker's end need it.
FAST = Backoff(min_delay=0.1, max_delay=0.2, stable_after=0.0)


def start_event(number: int = 0) -> dict[str, object]:
    return {**end_event(number), "event": "start"}


def end_event(number: int = 0) -> dict[str, object]:
    label = LABELS[number % len(LABELS)]
    return {
        "event": "end",
        "start": float(number),
        "end": number + 0.5,
        "label": label if label in LABELS[:4] else None,
        "status": "emotion" if label in LABELS[:4] else label,
        "confidence": 0.5 if label in LABELS[:4] else None,
        "probabilities": {label: 0.25 for label in LABELS[:4]},
        "arousal": None,
    }


class Reports(list[str]):
    """Messages for people, and a way to wait for one."""

    def wait(self, text: str, timeout: float = 10.0) -> None:
        end = time.monotonic() + timeout
        while not any(text in message for message in list(self)):
            assert time.monotonic() < end, list(self)
            time.sleep(0.01)


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request, tmp_path):
    with mosquitto(tmp_path) if request.param == "mosquitto" else amqtt() as process:
        yield process


@pytest.fixture
def mosquitto_broker(tmp_path):
    with mosquitto(tmp_path) as process:
        yield process


@pytest.fixture
def publish():
    """Return a function that starts a publisher, which the end of the test closes."""
    publishers: list[Publisher] = []

    def start(port: int, **options: object) -> tuple[Publisher, Reports]:
        reports = Reports()
        broker = Broker.parse(f"mqtt://127.0.0.1:{port}")
        options = {"discovery": DISCOVERY, "report": reports.append, "backoff": FAST, **options}
        publisher = Publisher(broker, NODE, **options)
        publisher.start()
        publishers.append(publisher)
        return publisher, reports

    yield start
    for publisher in publishers:
        publisher.close()


def test_topics_and_payloads(broker: Process, publish):
    """The contract with subscribers."""
    with Recorder(broker.port) as recorder:
        publisher, reports = publish(broker.port)
        recorder.wait_for(NODE.speech)
        publisher.add(start_event(1))
        recorder.wait_for(NODE.speech, "ON")
        publisher.add({**start_event(1), "event": "update"})
        publisher.add(end_event(1))
        publisher.add({"event": "overrun", "start": 2.0, "end": 3.0, "seconds": 1.0})
        recorder.wait_for(NODE.speech, "OFF", count=2)
        recorder.wait_for(NODE.event)
        publisher.close()
        recorder.wait_for(NODE.status, "offline")
        state = {
            "v": 2,
            "event": "end",
            "start": 1.0,
            "end": 1.5,
            "label": "happy",
            "status": "emotion",
            "confidence": 0.5,
            "arousal": None,
        }
        assert [d.json for d in recorder.of(NODE.state)] == [state]
        assert [d.json for d in recorder.of(NODE.event)] == [{**state, "event_type": "happy"}]
        assert [d.payload for d in recorder.of(NODE.status)] == ["online", "offline"]
        assert [d.payload for d in recorder.of(NODE.speech)] == ["OFF", "ON", "OFF"]
        assert [d.payload for d in recorder.of(NODE.listening)] == ["ON"]
        assert [d.json for d in recorder.of(NODE.discovery)] == [DISCOVERY]
        topics = {*NODE.retained, NODE.event}
        assert {delivery.topic for delivery in recorder.deliveries} == topics
    assert reports == [f"connected to 127.0.0.1:{broker.port}"]
    assert set(retained(broker.port)) == set(NODE.retained)


def test_topics_are_those_of_the_documentation():
    node = Node.create("kitchen", "Kitchen")
    assert (node.status, node.state, node.event, node.speech, node.listening, node.level) == tuple(
        f"edge-ser/kitchen/{name}"
        for name in ("status", "state", "event", "speech", "listening", "level")
    )
    assert node.set_listening == "edge-ser/kitchen/listening/set"
    assert node.discovery == f"homeassistant/device/{node.id}/config"


def test_probabilities_only_on_request(mosquitto_broker, publish):
    with Recorder(mosquitto_broker.port) as recorder:
        publisher, _ = publish(mosquitto_broker.port, probabilities=True, discovery=None)
        publisher.add(end_event())
        assert recorder.wait_for(NODE.state).json["probabilities"] == {
            label: 0.25 for label in LABELS[:4]
        }
        assert not recorder.of(NODE.discovery)


def test_switch_mutes_by_exact_payloads_that_are_not_retained(mosquitto_broker, publish):
    with Recorder(mosquitto_broker.port) as recorder:
        recorder.publish(NODE.set_listening, "OFF", retain=True)
        publisher, _ = publish(mosquitto_broker.port)
        recorder.wait_for(NODE.listening, "ON")
        for payload in ("off", "", " OFF", "OFF\n", "0", '"OFF"'):
            recorder.publish(NODE.set_listening, payload)
        time.sleep(0.2)
        assert not publisher.is_muted()
        recorder.publish(NODE.set_listening, "OFF")
        recorder.wait_for(NODE.listening, "OFF")
        assert publisher.is_muted()
        recorder.publish(NODE.set_listening, "ON")
        recorder.wait_for(NODE.listening, "ON", count=2)
        assert not publisher.is_muted()


@pytest.mark.slow
def test_level_at_most_once_a_second(mosquitto_broker, publish):
    with Recorder(mosquitto_broker.port) as recorder:
        publisher, _ = publish(mosquitto_broker.port, level=True)
        recorder.wait_for(NODE.status, "online")
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            publisher.show_level(-float("inf"))
            time.sleep(0.05)
        recorder.wait_for(NODE.level, "-120.0", count=2)
        assert len(recorder.of(NODE.level)) == 2


@pytest.mark.slow
def test_discovery_is_repeated_when_home_assistant_starts(mosquitto_broker, publish, monkeypatch):
    monkeypatch.setattr("edge_runtime.mqtt.publisher.MAX_DISCOVERY_DELAY_SECONDS", 0.2)
    with Recorder(mosquitto_broker.port) as recorder:
        publish(mosquitto_broker.port)
        recorder.wait_for(NODE.discovery)
        recorder.publish(NODE.home_assistant, "offline")
        time.sleep(0.3)
        assert len(recorder.of(NODE.discovery)) == 1
        recorder.publish(NODE.home_assistant, "online")
        recorder.wait_for(NODE.discovery, count=2)


@pytest.mark.slow
def test_retained_messages_are_back_within_2_s_of_a_reconnect(broker, publish):
    with Recorder(broker.port) as recorder:
        publisher, reports = publish(broker.port)
        publisher.add(end_event(3))
        recorder.wait_for(NODE.event)
        broker.kill()
        reports.wait("connection lost")
        publisher.add(end_event(2))  # while there is no broker
        recorder.deliveries.clear()
        broker.start()
        recorder.wait_for(NODE.status, "online")
        started = recorder.of(NODE.status)[0].time
        for topic in NODE.retained:
            assert recorder.wait_for(topic).time - started < 2
        assert recorder.of(NODE.state)[0].json["label"] == "neutral"
        assert recorder.wait_for(NODE.event).json["label"] == "neutral"


def test_oldest_events_are_dropped_and_counted(tmp_path, publish):
    with mosquitto(tmp_path) as broker:
        broker.kill()
        publisher, reports = publish(broker.port)
        reports.wait("connection refused")
        for number in range(MAX_EVENTS + 30):
            publisher.add(end_event(number))
        assert publisher.dropped == 30
        broker.start()
        with Recorder(broker.port) as recorder:
            recorder.wait_for(NODE.state)
            reports.wait("30 events dropped")
        assert sum("connection refused" in message for message in reports) == 1


def test_adding_never_waits_for_the_broker(publish):
    publisher, _ = publish(free_port())  # no broker
    durations = []
    for number in range(2 * MAX_EVENTS):
        started = time.perf_counter()
        publisher.add(end_event(number))
        durations.append(time.perf_counter() - started)
    assert statistics.median(durations) < 0.001


@pytest.mark.timing
def test_closing_takes_at_most_a_second_without_an_answer(tmp_path):
    """The broker accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = Broker.parse(f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        reports = Reports()
        publisher = Publisher(broker, NODE, DISCOVERY, report=reports.append)
        publisher.start()
        publisher.add(end_event())
        time.sleep(0.2)
        started = time.monotonic()
        publisher.close()
        publisher.close()
        assert time.monotonic() - started < 1
    assert "1 event could not be delivered" in reports[-1]


def test_closing_before_the_start_is_allowed():
    Publisher(Broker.parse("mqtt://127.0.0.1"), NODE).close()


@pytest.mark.slow
def test_forgetting_removes_everything_retained(broker, publish):
    with Recorder(broker.port) as recorder:
        publisher, _ = publish(broker.port)
        publisher.add(end_event())
        recorder.wait_for(NODE.event)
        publisher.close()
        recorder.wait_for(NODE.status, "offline")
    assert set(retained(broker.port)) == set(NODE.retained)
    forget(Broker.parse(f"mqtt://127.0.0.1:{broker.port}"), NODE)
    assert retained(broker.port) == {}


def test_forgetting_without_a_broker_is_an_error():
    port = free_port()
    with pytest.raises(EdgeSerError, match=f"127.0.0.1:{port}: connection refused; check the port"):
        forget(Broker.parse(f"mqtt://127.0.0.1:{port}"), NODE)


def test_delay_doubles_up_to_its_limit_with_jitter():
    backoff = Backoff()
    for attempt in range(10):
        base = min(2.0**attempt, 120)
        delays = [backoff.delay(attempt) for _ in range(100)]
        assert all(base <= delay <= 1.25 * base for delay in delays)
        assert max(delays) > 1.1 * base
    assert backoff.delay(10_000) <= 150


@pytest.mark.timing
def test_subscriber_receives_an_event_within_50_ms(mosquitto_broker, publish):
    with Recorder(mosquitto_broker.port) as recorder:
        publisher, _ = publish(mosquitto_broker.port)
        recorder.wait_for(NODE.speech)
        sent = []
        for number in range(200):
            publisher.add(start_event(number))
            time.sleep(0.005)
            sent.append(time.monotonic())
            publisher.add(end_event(number))
            time.sleep(0.005)
        recorder.wait_for(NODE.event, count=200)
        latencies = [d.time - s for d, s in zip(recorder.of(NODE.event), sent)]
    p95 = statistics.quantiles(latencies, n=20)[-1]
    print(f"latency: median {statistics.median(latencies) * 1e3:.2f} ms, p95 {p95 * 1e3:.2f} ms")
    assert p95 <= 0.05


@pytest.mark.slow
def test_no_event_is_lost_when_the_broker_is_killed_20_times(
    mosquitto_broker, publish, monkeypatch
):
    """10,000 events; those that do not fit into the queue are counted, all others arrive."""
    n_events, n_kills = 10_000, 20
    # The broker loses its subscriptions, too: the publisher waits for those of the recorder.
    is_subscribed = threading.Event()
    connect, drop = Session.open, Publisher._drop
    dropped: list[float] = []

    def connect_after_the_recorder(session: Session) -> None:
        is_subscribed.wait(20)
        connect(session)

    def record_drop(publisher: Publisher) -> None:
        dropped.append(json.loads(publisher._events[0].payload)["start"])
        drop(publisher)

    monkeypatch.setattr(Session, "open", connect_after_the_recorder)
    monkeypatch.setattr(Publisher, "_drop", record_drop)
    with Recorder(mosquitto_broker.port, NODE.event) as recorder:
        is_subscribed.set()
        publisher, reports = publish(mosquitto_broker.port)
        reports.wait("connected")

        def kill_repeatedly() -> None:
            for _ in range(n_kills):
                time.sleep(0.6)
                is_subscribed.clear()
                mosquitto_broker.kill()
                n_subscriptions = recorder.n_subscriptions
                time.sleep(0.2)
                mosquitto_broker.start()
                recorder.wait(lambda: recorder.n_subscriptions > n_subscriptions)  # noqa: B023
                is_subscribed.set()

        killer = threading.Thread(target=kill_repeatedly)
        killer.start()
        for number in range(n_events):
            publisher.add(end_event(number))
            time.sleep(0.0018)
        killer.join()
        recorder.wait(lambda: recorder.of(NODE.event)[-1].json["start"] == n_events - 1, 20)
        arrived = [d.json["start"] for d in recorder.deliveries]
    print(f"{len(arrived)} deliveries of {len(set(arrived))} events, {publisher.dropped} drops")
    assert {*arrived, *dropped} == set(range(n_events))
    assert len(dropped) == publisher.dropped < n_events / 2
    # Twice at most, at the end of a connection; the order is that of the utterances.
    assert len(arrived) - len(set(arrived)) <= n_kills * MAX_IN_FLIGHT
    assert list(dict.fromkeys(arrived)) == sorted(set(arrived))
    assert sum("connection lost" in message for message in reports) == n_kills


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="requires /proc")
def test_sessions_leave_no_open_files(mosquitto_broker):
    """Also without the garbage collector, which the command runs rarely."""
    broker = Broker.parse(f"mqtt://127.0.0.1:{mosquitto_broker.port}")

    def n_open() -> int:
        return len(os.listdir("/proc/self/fd"))

    gc.disable()
    try:
        before = n_open()
        for end in (Session.close, Session.abort, Session.close):
            session = Session(broker, "test")
            session.open()
            session.publish("topic", "payload")
            end(session)
        mosquitto_broker.kill()
        with pytest.raises(EdgeSerError, match="connection refused"):
            Session(broker, "test").open()
        assert n_open() == before
    finally:
        gc.enable()
