"""The page without a server in a browser with a microphone that plays speech."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browser import requires_browser, use_page, write_microphone
from support.paths import ROOT
from support.static_server import serve_folder
from support.wasm import missing_wasm

from edge_runtime import EmotionModel, read_audio
from edge_runtime.audio.resample import resample
from edge_runtime.results.rows import answer_text
from edge_runtime.streaming.listener import Listener

pytest.importorskip("torch")
build_web = pytest.importorskip("scripts.build_web", reason="requires a checkout")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing_wasm()), reason=missing_wasm())]

FILES = sorted((ROOT / "samples").glob("*/*.wav"))


@pytest.fixture(scope="module")
def page(once) -> Path:
    """The page, with the bundled model."""
    return once("web-page", lambda folder: build_web.build(None, folder))


@pytest.fixture(scope="module")
def newer_page(once, page) -> Path:
    """Another version of the page."""

    def make(folder: Path) -> None:
        build_web.build(None, folder, title="New version")

    return once("newer-web-page", make)


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[dict[str, Any]]:
    """Clips as raw samples: the samples of the repository, and noise; rates and chunks differ."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(5)
    samples = [read_audio(path) for path in FILES]
    talk = np.concatenate(
        [np.concatenate([clip, np.zeros(16_000, np.float32)]) for clip in samples]
    )
    random = [
        np.clip(rng.normal(0, 0.05, n) + 0.1 * rng.normal(0, 1, 9)[0] * samples[0][:n], -1, 1)
        for n in (1, 300, 8000, 25_000)
    ]
    cases = [
        *((clip, 16_000, len(clip)) for clip in samples),
        *((clip, 16_000, 1237) for clip in samples),
        *((resample(clip, 16_000, 48_000), 48_000, 2400) for clip in samples),
        *((clip, 16_000, chunk) for clip, chunk in zip(random, (1, 7, 801, 25_000))),
        (talk, 16_000, 800),
    ]
    clips = []
    for k, (values, rate, chunk) in enumerate(cases):
        file = folder / f"{k}.f32"
        np.asarray(values, "<f4").tofile(file)
        clips.append({"file": file, "rate": rate, "chunk": chunk})
    return clips


@pytest.fixture(scope="module")
def results(once, page, newer_page, clips, tmp_path_factory) -> dict[str, Any]:
    """The results of all scenarios of `tests/browser/web.mjs`."""

    def run(folder: Path) -> None:
        folder.mkdir()
        microphone = write_microphone(folder / "microphone.wav", read_audio(FILES[1]), 16_000)
        options = {"microphone": microphone, "clip": FILES[3], "clips": clips, "script": "web.mjs"}
        scenarios = ("all", "offline", "unreadable", "looks", "keyboard", "answers")
        with serve_folder(page) as server:
            found = use_page(server.url, *scenarios, **options)
        with serve_folder(page, newer_page) as server:
            found |= use_page(server.url, "update", **options)
        (folder / "results.json").write_text(json.dumps(found))

    folder = once("web-results", run)
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return results


def test_the_page_is_small(page):
    assert sum(path.stat().st_size for path in page.iterdir()) < 1_000_000


def test_the_page_uses_no_foreign_resource(page):
    for path in page.iterdir():
        if path.suffix in (".html", ".css", ".webmanifest") or (build_web.WEB / path.name).exists():
            assert not re.search(r"https?://(?!www\.w3\.org)", path.read_text(encoding="utf-8"))


def test_the_service_worker_holds_every_file(page, newer_page):
    def worker(folder: Path) -> tuple[str, list[str]]:
        text = (folder / "sw.js").read_text(encoding="utf-8")
        version = re.search(r'VERSION = "(\w{16})"', text)
        files = re.search(r"\.\.\.(\[.*?\])", text)
        assert version and files and "@" not in text
        return version[1], json.loads(files[1])

    version, files = worker(page)
    assert {*files, "sw.js"} == {path.name for path in page.iterdir()}
    assert worker(newer_page) == (worker(newer_page)[0], files)
    assert version != worker(newer_page)[0]


@requires_browser
def test_live_answers_and_files(results, tmp_path):
    live, files = results["all"]["live"], results["all"]["files"]
    model = EmotionModel.load()
    played = read_audio(write_microphone(tmp_path / "a.wav", read_audio(FILES[1]), 16_000), None)
    listener = Listener(model, 48_000)
    first = next(e for e in listener.push(played) + listener.flush() if e.kind == "end")
    assert live["label"] == live["rows"][0][1] == answer_text(first.prediction)
    assert live["rows"][0][3] == "Play"
    if first.prediction.label in model.labels:
        assert re.fullmatch(r"confidence \d+ %, arousal \d+ %", live["confidence"])
    assert files["label"] == answer_text(model.classify(FILES[3]))
    assert files["rows"] == files["dropped"] and len(files["rows"]) == 1
    label = files["rows"][0][1]
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:02,", files["srt"]) and label in files["srt"]
    header, row, end = files["csv"].split("\n")
    assert header.startswith("start,end,label,status,guess,confidence,angry,") and end == ""
    assert re.match(r"[\d.]+,2\.", row) and f",{label.split()[0]}," in row
    assert "is not audio" in results["unreadable"]["notice"]


@requires_browser
def test_nothing_leaves_the_browser(results):
    """Except that the browser asks for a new version of the service worker."""
    for name in ("all", "offline", "answers", "update"):
        assert results[name]["problems"] == []
    for name in ("all", "offline"):
        assert set(results[name]["requests"]) <= {"/edge-ser/sw.js"}


@requires_browser
def test_the_page_works_offline(results):
    assert results["offline"]["files"] == results["all"]["files"]


@requires_browser
def test_a_new_version_replaces_the_old_one(results):
    assert len(results["update"]["caches"]) == 1


@requires_browser
def test_the_page_is_accessible_on_every_screen(results):
    looks = results["looks"]
    assert looks == dict.fromkeys(looks, []) and len(looks) == 8


@requires_browser
def test_the_keyboard_reaches_every_control(results):
    reached, about = results["keyboard"]["reached"], results["keyboard"]["about"]
    assert {"about-open", "browser", "start"} <= set(reached)
    assert "Licence" in about and "Limits of the model" in about


@requires_browser
def test_probabilities_equal_those_of_python(results, clips):
    """Whole and in chunks; of other rates too, although another program resamples."""
    model = EmotionModel.load()
    for clip, result in zip(clips, results["answers"]["results"], strict=True):
        samples = np.fromfile(clip["file"], "<f4")
        expected, answer = model.classify(samples, clip["rate"]), result["answer"]
        if answer["status"] == "no speech":
            assert expected.label == "no speech"
            continue
        assert (answer["label"] or answer["status"]) == expected.label
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)


@requires_browser
def test_utterances_are_those_of_python(results, clips):
    """Their first and last frames are computed without the audio around them."""
    listener = Listener(EmotionModel.load())
    samples = np.fromfile(clips[-1]["file"], "<f4")
    ends = [e for e in listener.push(samples) + listener.flush() if e.kind == "end"]
    events = results["answers"]["results"][-1]["events"]
    assert len(events) == len(ends) >= 3
    for event, end in zip(events, ends):
        assert (event["start"], event["end"]) == (round(end.start, 3), round(end.end, 3))
        assert (event["label"] or event["status"]) == end.prediction.label
        assert event["probabilities"] == pytest.approx(end.prediction.probabilities, abs=0.05)
