"""Damaged recordings and random requests: every good request is answered, and memory stays.

`python -m benchmarks.serving --uploads 10000 --sessions 1000` does the same with more of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from support.fuzz import inputs
from support.paths import VOICES
from support.servers import Server, running_server

pytest.importorskip("starlette")

WAV = (VOICES / "sad" / "speaker01-1.wav").read_bytes()

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with running_server(
        "--max-requests", "1e6", folder=tmp_path_factory.mktemp("server")
    ) as running:
        yield running


def send(server: Server, seed: int, count: int) -> None:
    paths = ("/v1/classify", "/v1/timeline", "/v1/doctor")
    for number, (name, content) in enumerate(inputs(seed, 0, count)):
        answer = server.form(paths[number % 3], ("file", name, content))
        assert answer.status in (200, 422), answer.body
        if answer.status == 422:
            assert answer.json()["detail"].startswith(f"{name}: ")
        if number % 20 == 0:
            assert server.upload("/v1/classify", WAV).status == 200


def test_damaged_recordings_are_answered(server):
    send(server, 1, 150)
    before = server.metric("edge_ser_resident_memory_bytes")
    send(server, 2, 150)
    assert server.metric("edge_ser_resident_memory_bytes") - before < 5 << 20
    assert not [line for line in server.stderr() if line]


def test_requests_from_the_openapi_document(server):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    document = json.loads(server.request("/openapi.json").body)
    schema = schemathesis.openapi.from_dict(document)
    checks = [
        not_a_server_error,
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    ]
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == "/v1/events":
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def check(case) -> None:
            response = case.call(base_url=server.url.rstrip("/"))
            case.validate_response(response, checks=checks)

        check()
