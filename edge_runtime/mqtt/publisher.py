"""Publishes the events of a listener; the listener never waits for the broker."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import EdgeSerError
from .broker import Broker
from .node import Node
from .session import BrokerError, Session

VERSION = 2  # of the payloads
MAX_EVENTS = 100  # that wait for the broker
MAX_IN_FLIGHT = 20  # messages that the broker has not acknowledged
LEVEL_SECONDS = 1.0  # between two levels
MAX_DISCOVERY_DELAY_SECONDS = 5.0  # after a start of Home Assistant, which all devices notice
CLOSE_SECONDS = 0.8  # for the last messages, "offline" included
FLUSH_SECONDS = 0.4  # of them for the messages before "offline"

ONLINE, OFFLINE = "online", "offline"
ON, OFF = "ON", "OFF"


@dataclass(frozen=True)
class Backoff:
    """Delays between attempts to connect: doubled each time, with jitter.

    Attributes:
        min_delay: First delay in seconds.
        max_delay: Largest delay in seconds, without jitter.
        jitter: Largest random share that is added.
        stable_after: Duration of a connection in seconds after which the delay is the first one
            again. A broker that ends every connection is thus not asked once a second.
    """

    min_delay: float = 1.0
    max_delay: float = 120.0
    jitter: float = 0.25
    stable_after: float = 5.0

    def delay(self, attempt: int) -> float:
        """Return the delay after a number of failed attempts, in seconds."""
        delay = min(self.min_delay * 2.0 ** min(attempt, 30), self.max_delay)
        return delay * (1 + self.jitter * random.random())


@dataclass(frozen=True)
class Message:
    """A message that has not been acknowledged.

    Attributes:
        topic: The topic.
        payload: The payload.
        retain: True for a retained message.
    """

    topic: str
    payload: str
    retain: bool


class Publisher:
    """Publishes events and the state of a node in a thread of its own.

    Up to 100 events wait for the broker; after that the oldest are dropped and counted. A retained
    topic keeps its last payload only, and all are published again after a reconnect.

    Args:
        broker: The broker.
        node: The node.
        discovery: Message for Home Assistant. None: no discovery.
        probabilities: Publish the probabilities of an utterance.
        level: Publish the level.
        report: Called with each message for people, in any thread.
        backoff: Delays between attempts to connect.

    Raises:
        ConfigError: If paho-mqtt is missing, or a TLS file cannot be read.
    """

    def __init__(
        self,
        broker: Broker,
        node: Node,
        discovery: Mapping[str, Any] | None = None,
        *,
        probabilities: bool = False,
        level: bool = False,
        report: Callable[[str], None] = lambda text: None,
        backoff: Backoff | None = None,
    ) -> None:
        self.broker = broker
        self.node = node
        self._probabilities = probabilities
        self._has_level = level
        self._report = report
        self._backoff = backoff or Backoff()
        self._change = threading.Condition()
        self._events: deque[Message] = deque()
        self._in_flight: dict[int, Message] = {}
        self._retained = {node.status: ONLINE, node.listening: ON, node.speech: OFF}
        if discovery is not None:
            self._retained = {node.discovery: json.dumps(discovery), **self._retained}
        self._unsent: dict[str, None] = {}  # retained topics in the order of their changes
        self._level: str | None = None  # not yet sent
        self._next_level = 0.0
        self._discovery_time: float | None = None  # when to publish it again
        self._close_time: float | None = None
        self._is_muted = False
        self._dropped = 0
        self._n_reported = 0  # dropped events
        self._last_report = ""
        self._new_session()  # raises for missing packages and files
        self._thread = threading.Thread(target=self._run, name="edge-ser-mqtt", daemon=True)

    def is_muted(self) -> bool:
        """Return True while the switch "Listening" is off."""
        return self._is_muted

    @property
    def dropped(self) -> int:
        """Number of events dropped because the broker was unreachable or too slow."""
        return self._dropped

    def start(self) -> None:
        """Start to connect, without waiting."""
        self._thread.start()

    def add(self, row: Mapping[str, Any]) -> None:
        """Publish an event.

        Args:
            row: The event as `edge-ser listen` prints it in JSON.
        """
        kind = row["event"]
        if kind == "start":
            self._retain(self.node.speech, ON)
        if kind == "end":
            state = {"v": VERSION, **row}
            if not self._probabilities:
                state.pop("probabilities", None)
            event = {**state, "event_type": row["label"] or row["status"]}
            self._retain(self.node.speech, OFF)
            self._retain(self.node.state, json.dumps(state, ensure_ascii=False))
            self._enqueue(Message(self.node.event, json.dumps(event, ensure_ascii=False), False))

    def show_level(self, level: float) -> None:
        """Publish the level in dBFS, at most once a second.

        Args:
            level: The level; -inf is published as -120.
        """
        if not self._has_level or time.monotonic() < self._next_level:
            return
        self._next_level = time.monotonic() + LEVEL_SECONDS
        with self._change:
            self._level = f"{max(level, -120.0):.1f}"
            self._change.notify()

    def close(self) -> None:
        """Publish what waits, then "offline"; returns within `CLOSE_SECONDS`."""
        with self._change:
            if self._close_time is not None:
                return
            self._close_time = time.monotonic()
            self._change.notify()
        if self._thread.ident is not None:  # it was started
            self._thread.join(CLOSE_SECONDS)
        n_waiting = len(self._events) + sum(not m.retain for m in self._in_flight.values())
        if n_waiting:
            self._report(f"{self.broker}: {_counted(n_waiting)} could not be delivered")
        self._report_drops()

    def _retain(self, topic: str, payload: str) -> None:
        with self._change:
            self._retained[topic] = payload
            self._unsent.pop(topic, None)
            self._unsent[topic] = None
            self._change.notify()

    def _enqueue(self, message: Message) -> None:
        with self._change:
            n_events = len(self._events) + sum(not m.retain for m in self._in_flight.values())
            if n_events >= MAX_EVENTS:  # more than can be in flight: some are in the queue
                self._drop()
            self._events.append(message)
            self._change.notify()

    def _drop(self) -> None:
        """Drop the oldest event of the queue."""
        self._events.popleft()
        self._dropped += 1

    # Called by the network thread of paho.

    def _wake(self) -> None:
        with self._change:
            self._change.notify()

    def _receive(self, topic: str, payload: bytes, retained: bool) -> None:
        """Process a command, or the start of Home Assistant."""
        if topic == self.node.home_assistant:
            if payload == b"online" and self.node.discovery in self._retained:
                with self._change:
                    delay = random.uniform(0, MAX_DISCOVERY_DELAY_SECONDS)
                    self._discovery_time = time.monotonic() + delay
                    self._change.notify()
        elif not retained and payload in (b"ON", b"OFF"):  # a retained one would mute every start
            self._is_muted = payload == b"OFF"
            self._retain(self.node.listening, payload.decode())

    # Called by the thread of this class.

    def _new_session(self) -> Session:
        return Session(
            self.broker,
            self.node.id,
            will=(self.node.status, OFFLINE),
            on_change=self._wake,
            on_message=self._receive,
        )

    def _run(self) -> None:
        attempt = 0
        while self._close_time is None:
            try:
                session = self._new_session()
                session.open()
            except EdgeSerError as error:  # also of a TLS file that was replaced
                self._report_once(f"{error}; trying again")
            else:
                self._report_once(f"connected to {self.broker}")
                self._report_drops()
                started = time.monotonic()
                self._serve(session)
                if time.monotonic() - started >= self._backoff.stable_after:
                    attempt = 0
                if session.lost is not None and self._close_time is None:
                    self._report_once(f"{self.broker}: connection lost: {session.lost}")
            with self._change:
                delay = self._backoff.delay(attempt)
                self._change.wait_for(lambda: self._close_time is not None, delay)
            attempt += 1

    def _serve(self, session: Session) -> None:
        """Publish until the connection is lost or the publisher is closed."""
        with self._change:
            self._unsent = dict.fromkeys(self._retained)
        session.subscribe(self.node.set_listening, timeout=0)
        if self.node.discovery in self._retained:
            session.subscribe(self.node.home_assistant, timeout=0)
        while True:
            with self._change:
                message = self._next(session)
                while message is None and session.lost is None and not self._is_closed():
                    self._change.wait(self._timeout())
                    message = self._next(session)
                if message is None or session.lost is not None:
                    if message is not None and not message.retain:
                        self._events.appendleft(message)
                    break
            self._send(session, message)
        if session.lost is None and self._is_farewell_complete():
            session.close()
        else:
            session.abort()
        with self._change:  # in order, before those that were not sent
            self._collect(session)
            waiting = [message for message in self._in_flight.values() if not message.retain]
            self._events.extendleft(reversed(waiting))
            self._in_flight.clear()

    def _send(self, session: Session, message: Message) -> None:
        """Send a message; the lock is not held, because paho holds its own in callbacks."""
        is_level = message.topic == self.node.level
        qos = 0 if is_level else 1
        number = session.publish(message.topic, message.payload, qos=qos, retain=message.retain)
        if not is_level:
            with self._change:
                self._in_flight[number] = message

    def _next(self, session: Session) -> Message | None:
        """Take the next message to send; None without one, or if too many are in flight."""
        self._collect(session)
        now = time.monotonic()
        if self._close_time is not None and self._retained[self.node.status] == ONLINE:
            is_flushed = not (self._unsent or self._events or self._in_flight)
            if is_flushed or now >= self._close_time + FLUSH_SECONDS:
                self._retained[self.node.status] = OFFLINE
                return Message(self.node.status, OFFLINE, True)
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            return None
        if self._discovery_time is not None and now >= self._discovery_time:
            self._discovery_time = None
            self._unsent[self.node.discovery] = None
        if self._unsent:  # the state before the event, whose receiver may read it
            topic = next(iter(self._unsent))
            del self._unsent[topic]
            return Message(topic, self._retained[topic], True)
        if self._events:
            return self._events.popleft()
        if self._level is not None:
            level, self._level = self._level, None
            return Message(self.node.level, level, False)
        return None

    def _collect(self, session: Session) -> None:
        """Forget the messages that the broker has acknowledged."""
        for number in session.acknowledged():
            self._in_flight.pop(number, None)

    def _timeout(self) -> float | None:
        """Return the seconds until something is due without a change; None: no limit."""
        now = time.monotonic()
        if self._close_time is not None:
            ends = (self._close_time + FLUSH_SECONDS, self._close_time + CLOSE_SECONDS)
            return next((end - now for end in ends if end > now), 0.0)
        if self._discovery_time is not None:
            return max(0.0, self._discovery_time - now)
        return None

    def _is_closed(self) -> bool:
        """Return True if nothing is left to do after `close`."""
        if self._close_time is None:
            return False
        is_late = time.monotonic() >= self._close_time + CLOSE_SECONDS
        return is_late or self._is_farewell_complete()

    def _is_farewell_complete(self) -> bool:
        """Return True if the broker has acknowledged "offline" and all messages before it."""
        return self._retained[self.node.status] == OFFLINE and not self._in_flight

    def _report_once(self, text: str) -> None:
        if text != self._last_report:
            self._last_report = text
            self._report(text)

    def _report_drops(self) -> None:
        n_new = self._dropped - self._n_reported
        if n_new:
            self._n_reported = self._dropped
            self._report(
                f"{self.broker}: {_counted(n_new)} dropped: more than {MAX_EVENTS} were waiting"
            )


def forget(broker: Broker, node: Node) -> None:
    """Remove all retained messages of a node; Home Assistant then removes its device.

    Args:
        broker: The broker.
        node: The node.

    Raises:
        BrokerError: If the broker cannot be reached, or does not acknowledge.
    """
    change = threading.Event()
    session = Session(broker, f"{node.id}_forget", on_change=change.set)
    session.open()
    waiting = {session.publish(topic, "", retain=True) for topic in node.retained}
    end = time.monotonic() + 5.0
    while waiting and session.lost is None and time.monotonic() < end:
        change.wait(0.1)
        change.clear()
        waiting -= session.acknowledged()
    session.close()
    if waiting:
        raise BrokerError(broker, "the broker does not acknowledge the messages")


def _counted(n: int) -> str:
    return f"{n} event{'s' * (n != 1)}"
