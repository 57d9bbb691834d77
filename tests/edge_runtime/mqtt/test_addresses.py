"""URLs, passwords and names: what is accepted, and the messages about the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import edge_ser, python_m
from support.mqtt_brokers import write_certificates
from support.paths import ROOT, VOICES

from edge_runtime.errors import ConfigError
from edge_runtime.mqtt import node as node_module
from edge_runtime.mqtt.broker import Broker, read_password
from edge_runtime.mqtt.node import Node, node_id


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://localhost", Broker("localhost", 1883)),
        ("mqtt://10.0.0.2:1884/", Broker("10.0.0.2", 1884)),
        ("mqtts://house.local", Broker("house.local", 8883, True)),
        ("mqtt://[::1]:99", Broker("::1", 99)),
        ("mqtts://an%40na@house", Broker("house", 8883, True, "an@na", "secret")),
    ],
)
def test_url(url, expected):
    assert Broker.parse(url, expected.password) == expected
    assert re.fullmatch(r"(\[::1\]|[\w.]+):\d+", str(expected))


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "http://x", "mqtt://", "mqtt://x:0", "mqtt://x:70000", "mqtt://x:y",
     "mqtt://x/topic", "mqtt://x?a=b", "mqtt://[::1", "mqtt://a b", "MQTT://x"],
)  # fmt: skip
def test_invalid_url(url):
    with pytest.raises(ConfigError, match=r"expected mqtt://\[USER@\]HOST"):
        Broker.parse(url)


def test_password_in_the_url_is_rejected_and_not_shown():
    for url in ("mqtt://anna:secret@house", "mqtt://anna:se@cret@house:1", "http://a:secret@x"):
        with pytest.raises(ConfigError, match="must not contain a password") as error:
            Broker.parse(url)
        assert "cret" not in str(error.value)


def test_password_is_not_in_the_repr():
    assert "secret" not in repr(Broker.parse("mqtt://anna@x", "secret"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "mqtt://x", "password": "p"}, "use mqtt://USER@x"),
        ({"url": "mqtt://x", "ca": Path("ca")}, "use mqtts://x"),
        ({"url": "mqtts://x", "key": Path("key")}, "--mqtt-key requires --mqtt-cert"),
    ],
)
def test_contradicting_options(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Broker.parse(**arguments)


def test_password_sources_in_their_order(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGE_SER_MQTT_PASSWORD", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert read_password(None) is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_password(None) is None
    (tmp_path / "mqtt-password").write_text("of systemd\n")
    assert read_password(None) == "of systemd"
    monkeypatch.setenv("EDGE_SER_MQTT_PASSWORD", "of the environment")
    assert read_password(None) == "of the environment"
    (tmp_path / "file").write_bytes("Grüße \r\nsecond line".encode())
    assert read_password(tmp_path / "file") == "Grüße "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"\nsecret", "is empty"),
        (b"\xff", "UTF-8"),
        (b"x" * 65536, "65535"),
    ],
    ids=["missing", "empty", "binary", "long"],
)
def test_unusable_password_file(tmp_path, content, message):
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"--mqtt-password-file \S+: .*{message}"):
        read_password(tmp_path / "file")


def test_unusable_tls_files(tmp_path):
    certificates = write_certificates(tmp_path)
    ca, cert, key = certificates.ca, certificates.cert("client"), certificates.key("client")
    Broker.parse("mqtts://x", ca=ca, cert=cert, key=key).tls_context()
    for files, message in (
        ({"ca": tmp_path / "none"}, "--mqtt-ca .*No such file"),
        ({"ca": key}, "--mqtt-ca .*PEM"),
        ({"cert": cert}, "--mqtt-cert .*PEM"),
        ({"cert": cert, "key": certificates.key("localhost")}, "--mqtt-key .*belong together"),
        ({"cert": tmp_path / "none", "key": key}, "No such file"),
    ):
        with pytest.raises(ConfigError, match=message):
            Broker.parse("mqtts://x", **files).tls_context()


def test_identity_is_a_hash_of_the_machine_and_the_node(tmp_path, monkeypatch):
    file = tmp_path / "machine-id"
    monkeypatch.setattr(node_module, "MACHINE_ID_FILES", (str(file),))
    without = node_id("a")
    ids = set()
    for machine in ("0123456789abcdef" * 2, "f" * 32):
        file.write_text(f"{machine}\n")
        ids |= {node_id("a"), node_id("b")}
        assert node_id("a") == node_id("a")
        assert machine[:12] not in node_id("a")
    assert len(ids | {without}) == 5
    assert all(re.fullmatch("edge_ser_[0-9a-f]{12}", name) for name in ids)


@pytest.mark.parametrize(
    ("host", "node"),
    [("Raspberry-Pi.local", "raspberry-pi"), ("Küche 2", "k-che-2"), ("", "device")],
)
def test_default_node_is_the_host_name(host, node, monkeypatch):
    monkeypatch.setattr(node_module.platform, "node", lambda: host)
    assert Node.create().node == node
    assert Node.create().base == f"edge-ser/{node}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"node": "a/b"}, "--mqtt-node 'a/b': expected 1 to 64 letters"),
        ({"node": ""}, "--mqtt-node"),
        ({"node": "a" * 65}, "--mqtt-node"),
        ({"name": " "}, "--mqtt-name"),
        ({"name": "a\nb"}, "--mqtt-name"),
        ({"base": "a/#"}, "--mqtt-topic 'a/#': expected levels"),
        ({"base": "a//b"}, "--mqtt-topic"),
        ({"base": "/a"}, "--mqtt-topic"),
        ({"base": "$SYS"}, "--mqtt-topic"),
        ({"base": "ä" * 101}, "--mqtt-topic"),
        ({"prefix": "+"}, "--mqtt-discovery-prefix"),
    ],
)
def test_invalid_names(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Node.create(**{"node": "kitchen", **arguments})


@pytest.mark.parametrize("command", ["listen", "doctor"])
def test_options_require_a_broker(command):
    result = edge_ser(command, "--mqtt-node", "kitchen")
    assert result.returncode == 2
    assert result.stderr == "edge-ser: --mqtt-node requires --mqtt URL\n"


# Prints the modules that `edge-ser classify` has imported for a network.
IMPORTED = """
import os, sys
from edge_runtime.__main__ import main

def leave(status):
    prefixes = ("paho", "edge_runtime.mqtt", "ssl")
    print([name for name in sys.modules if name.startswith(prefixes)], flush=True)
    exit_now(status)

exit_now, os._exit = os._exit, leave
sys.argv = ["edge-ser", "classify", sys.argv[1]]
main()
"""


def test_classify_imports_nothing_for_mqtt():
    clip = sorted(VOICES.glob("*/*.wav"))[0]
    result = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(clip)], capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_missing_package_is_one_line(tmp_path, monkeypatch):
    """An empty package hides the installed one."""
    (tmp_path / "paho").mkdir()
    (tmp_path / "paho" / "__init__.py").touch()
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    result = python_m("edge_runtime", "listen", "-", "--rate", 16000, "--mqtt", "mqtt://localhost")
    assert result.returncode == 2
    assert "run `pip install 'edge-ser[mqtt]'`" in result.stderr
    assert len(result.stderr.splitlines()) == 1
