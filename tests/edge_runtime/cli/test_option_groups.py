"""Options that several commands share."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from edge_runtime.cli.mqtt_options import BrokerOptions, PublishOptions
from edge_runtime.cli.option_groups import with_groups
from edge_runtime.errors import ConfigError


@dataclass
class Size:
    width: Annotated[int, typer.Option(metavar="N")]
    depth: Annotated[int, typer.Option("--depth", "-d")] = 3


def test_fields_are_options_in_the_place_of_their_group():
    calls = []

    @with_groups
    def draw(name: str, *, size: Size, fill: bool = False) -> None:
        calls.append((name, size, fill))

    assert list(inspect.signature(draw).parameters) == ["name", "width", "depth", "fill"]
    app = typer.Typer()
    app.command()(draw)
    assert CliRunner().invoke(app, ["box", "--width", "4", "--fill"]).exit_code == 0
    assert CliRunner().invoke(app, ["box", "--width", "4", "-d", "5"]).exit_code == 0
    assert calls == [("box", Size(4, 3), True), ("box", Size(4, 5), False)]
    assert CliRunner().invoke(app, ["box"]).exit_code == 2  # --width has no default


@pytest.mark.parametrize(
    "options, name",
    [
        (BrokerOptions(mqtt_node="kitchen"), "--mqtt-node"),
        (PublishOptions(mqtt_level=True), "--mqtt-level"),
    ],
)
def test_options_of_the_broker_require_an_address(options, name):
    with pytest.raises(ConfigError, match=f"{name} requires --mqtt URL"):
        options.broker()
    assert type(options)().broker() is None
