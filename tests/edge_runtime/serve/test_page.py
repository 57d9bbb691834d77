"""The page in a browser with a microphone that plays speech."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import requires_browser, use_page, write_microphone
from support.command import edge_ser
from support.paths import VOICES
from support.servers import Server, running_server

pytest.importorskip("starlette")

from edge_runtime.serve.app import PAGE_FOLDER, Page

pytestmark = [pytest.mark.slow]

CLIP = VOICES / "sad" / "speaker01-1.wav"
TOKEN = "correct horse battery staple"


@pytest.fixture(scope="module")
def microphone(tmp_path_factory, voice_clips) -> Path:
    return write_microphone(
        tmp_path_factory.mktemp("microphone") / "microphone.wav", voice_clips[0], 16_000
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with running_server(
        *("--max-requests", "1e6", "--allow-host", "box.example"),
        folder=tmp_path_factory.mktemp("server"),
    ) as running:
        yield running


def test_the_page_is_small():
    assert Page().compressed_bytes < 300_000


def test_the_page_uses_no_foreign_resource():
    for path in PAGE_FOLDER.iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "://" not in line or "www.w3.org" in line, f"{path.name}: {line}"


@requires_browser
def test_live_answers(server, microphone):
    live = use_page(server.url, "live", microphone=microphone)["live"]
    assert live["problems"] == [] and live["violations"] == []
    time, answer, _, listen = live["rows"][0]
    assert re.fullmatch(r"0:\d\d\.\d – 0:\d\d\.\d", time) and listen == "Play"
    assert answer and live["label"]
    header, first, *_ = live["csv"].splitlines()
    assert header.startswith("start,end,label,status,guess,confidence,") and first[0].isdigit()


@requires_browser
def test_files_give_the_segments_of_the_command(server, microphone):
    results = use_page(server.url, "file", "drop", "unreadable", microphone=microphone, clip=CLIP)
    expected = edge_ser("classify", "--timeline", CLIP, "--format", "srt").stdout
    assert results["file"]["srt"] == expected
    assert results["file"]["rows"] == results["drop"]["rows"] != []
    assert results["file"]["problems"] == results["drop"]["problems"] == []
    assert "is not audio" in results["unreadable"]["notice"]


@requires_browser
def test_enrolment_is_guided(server, microphone):
    enrol = use_page(server.url, "enrol", microphone=microphone)["enrol"]
    assert enrol["violations"] == enrol["problems"] == []
    assert "angry" in enrol["tasks"][0] and "happy" in enrol["tasks"][2]
    assert enrol["selected"] == "Anna" and enrol["notice"].startswith("Profile Anna:")
    assert sum(enrol["profile"]["labelled"]["clips"].values()) == 2
    assert server.request("/v1/profiles").json() == {"profiles": []}


@requires_browser
def test_the_page_is_accessible_on_every_screen(server, microphone):
    looks = use_page(server.url, "looks", microphone=microphone, clip=CLIP)["looks"]
    assert looks == dict.fromkeys(looks, []) and len(looks) == 8


@requires_browser
def test_the_keyboard_reaches_every_control(server, microphone):
    reached = use_page(server.url, "keyboard", microphone=microphone)["keyboard"]
    assert {"about-open", "browser", "start", "profile", "enrol-open"} <= set(reached)


@requires_browser
def test_rebinding_is_refused(server, microphone):
    """A name of another site that resolves to this machine."""
    rebinding = use_page(server.url, "rebinding", microphone=microphone)["rebinding"]
    assert rebinding == {"status": 421, "own": 421, "cross": "TypeError", "stream": "refused"}


@requires_browser
def test_plain_http_from_another_machine_has_no_microphone(server, microphone):
    insecure = use_page(server.url, "insecure", microphone=microphone, clip=CLIP)["insecure"]
    assert "only over HTTPS" in insecure["notice"] and insecure["rows"]


@requires_browser
def test_the_page_asks_for_the_token(tmp_path, microphone):
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with running_server("--token-file", token, folder=tmp_path) as running:
        result = use_page(running.url, "token", microphone=microphone, token=TOKEN)["token"]
    assert result["rows"] and result["violations"] == [] and "token" not in result["url"]
