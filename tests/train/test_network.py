"""Ensembles compared with their members."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from train.fit_config import FitConfig
from train.loop import EpochLoop
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.padding import pad

MEMBERS = NetworkConfig(
    hidden_size=8,
    fc_size=8,
    dropout=0.0,
    pooling="attention",
    frame_stack=2,
    input_size=8,
    residual=True,
    ensemble_size=3,
)


def alone(network, k):
    """Return a member of an ensemble as a network of its own."""
    weights = {
        name.replace(f"members.{k}.", "members.0."): value
        for name, value in network.state_dict().items()
        if not name.startswith("members.") or name.startswith(f"members.{k}.")
    }
    single = EmotionLSTM(dataclasses.replace(network.config, ensemble_size=1))
    single.load_state_dict(weights)
    return single


def test_ensemble_returns_the_mean_of_its_members(dataset):
    network = EmotionLSTM(MEMBERS).eval()
    x, lengths = pad(dataset.frames[:6])
    with torch.no_grad():
        members = torch.stack([alone(network, k).eval()(x, lengths) for k in range(3)])
        assert (members[0] - members[1]).abs().max() > 0.01
        torch.testing.assert_close(network(x, lengths), members.mean(dim=0))
        # In two chunks, through the state.
        clip = torch.from_numpy(dataset.frames[0][None])
        state = network.advance(clip[:, :40], network.initial_state(1))
        chunked = network.classify(network.advance(clip[:, 40:], state))
        torch.testing.assert_close(chunked, network(clip), rtol=0, atol=1e-6)


@pytest.mark.parametrize("input_size", [0, 8])
def test_input_transform_is_folded_into_the_weights(dataset, input_size):
    torch.manual_seed(0)
    network = EmotionLSTM(dataclasses.replace(MEMBERS, input_size=input_size)).eval()
    frames = np.concatenate(dataset.frames)
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    matrix = torch.eye(13) + 0.2 * torch.randn(13, 13, generator=torch.Generator().manual_seed(0))
    folded = network.fold_input_transform(matrix)
    x = torch.from_numpy(dataset.frames[0][None, :40])  # 20 steps of 2
    with torch.no_grad():
        expected = network(x @ matrix)
        assert (expected - network(x)).abs().max() > 0.01
        torch.testing.assert_close(folded(x), expected, rtol=0, atol=1e-5)
        # Half a step: the matrix also applies to the mean frame that pads it.
        padded = torch.cat([x[:, :39] @ matrix, (network.mean @ matrix)[None, None]], dim=1)
        torch.testing.assert_close(folded(x[:, :39]), network(padded), rtol=0, atol=1e-5)
    assert folded.n_parameters() == network.n_parameters()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_members_are_trained_independently(dataset):
    noisy = dataclasses.replace(dataset, noises=dataset.frames[:2])
    together = EmotionLSTM(MEMBERS)
    targets = np.array([dataset.labels.index(clip.label) for clip in dataset.clips])

    def gradients(network):
        loop = EpochLoop(noisy, list(range(20)), targets, FitConfig(epochs=1), network)
        loop._loss(list(range(10)), np.random.default_rng(0)).backward()
        return {name: value.grad for name, value in network.named_parameters()}

    for k in range(3):
        expected = gradients(alone(together, k))
        together.zero_grad()
        actual = gradients(together)
        for name, gradient in expected.items():
            name = name.replace("members.0.", f"members.{k}.")
            torch.testing.assert_close(actual[name], gradient, rtol=1e-4, atol=1e-6)
