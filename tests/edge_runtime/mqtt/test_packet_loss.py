"""The publisher on a network that loses packets, in a network namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from support.mqtt_brokers import MOSQUITTO, NO_MOSQUITTO
from support.paths import ROOT

pytest.importorskip("paho.mqtt")

LOSS_PERCENT = 10

# Loses packets of loopback by netem, or by the packet filter where the kernel lacks netem.
LOSSY = f"""
ip link set lo up || exit 77
tc qdisc add dev lo root netem loss {LOSS_PERCENT}% delay 2ms 2>/dev/null ||
  iptables -A INPUT -i lo -p tcp -m statistic --mode random --probability {LOSS_PERCENT / 100} \
    -j DROP 2>/dev/null || exit 77
exec "$0" "$@"
"""

PUBLISH = """
import json, pathlib, sys, time
from support.mqtt_brokers import Recorder, mosquitto
from edge_runtime.mqtt.broker import Broker
from edge_runtime.mqtt.node import Node
from edge_runtime.mqtt.publisher import Backoff, Publisher

node, reports, durations, n_events = Node.create("kitchen"), [], [], int(sys.argv[2])
with mosquitto(pathlib.Path(sys.argv[1])) as process, Recorder(process.port) as recorder:
    broker = Broker.parse(f"mqtt://127.0.0.1:{process.port}")
    publisher = Publisher(broker, node, report=reports.append, backoff=Backoff(0.1, 1.0))
    publisher.start()
    recorder.wait_for(node.status)
    for number in range(n_events):
        row = {"event": "end", "start": number, "end": number + 1, "label": "sad"}
        row["status"] = "emotion"
        started = time.perf_counter()
        publisher.add(row)
        durations.append(time.perf_counter() - started)
        time.sleep(0.01)
    recorder.wait(lambda: recorder.of(node.event)[-1].json["start"] == n_events - 1, 60)
    arrived = [delivery.json["start"] for delivery in recorder.of(node.event)]
    publisher.close()
print(json.dumps([arrived, publisher.dropped, max(durations), reports]))
"""


@pytest.mark.slow
def test_events_arrive_in_order_over_a_lossy_network(tmp_path):
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip"))):
        pytest.skip("requires root, unshare and ip")
    if MOSQUITTO is None:
        pytest.skip(NO_MOSQUITTO)
    n_events = 300
    script = [sys.executable, "-c", PUBLISH, str(tmp_path), str(n_events)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    result = subprocess.run(
        ["unshare", "--net", "sh", "-c", LOSSY, *script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=180,
    )
    if result.returncode == 77:
        pytest.skip("this kernel has neither netem nor a packet filter by chance")
    assert result.returncode == 0, result.stderr
    arrived, dropped, longest, reports = json.loads(result.stdout.splitlines()[-1])
    print(
        f"{len(arrived)} deliveries, {dropped} drops, longest add {1e3 * longest:.2f} ms, {reports}"
    )
    events = list(dict.fromkeys(arrived))
    assert events == sorted(events)
    assert len(events) >= n_events - dropped
    assert longest < 0.5
