"""Networks of several members, against their members alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from train.loop import EpochLoop, FitConfig, pad
from train.network import EmotionLSTM, NetworkConfig

MEMBERS = NetworkConfig(
    hidden_size=8,
    fc_size=8,
    dropout=0.0,
    pooling="attention",
    frame_stack=2,
    input_size=8,
    residual=True,
    speech=True,
    ensemble_size=3,
)


def alone(network, k):
    """A member of a network as a network of its own."""
    weights = {
        name.replace(f"members.{k}.", "members.0."): value
        for name, value in network.state_dict().items()
        if not name.startswith("members.") or name.startswith(f"members.{k}.")
    }
    single = EmotionLSTM(dataclasses.replace(network.config, ensemble_size=1))
    single.load_state_dict(weights)
    return single


def test_a_network_answers_with_the_mean_of_its_members(dataset):
    network = EmotionLSTM(MEMBERS).eval()
    x, lengths = pad(dataset.frames[:6])
    with torch.no_grad():
        each = torch.stack([alone(network, k).eval()(x, lengths) for k in range(3)])
        assert (each[0] - each[1]).abs().max() > 0.01
        torch.testing.assert_close(network(x, lengths), each.mean(dim=0))
        # In two pieces, through the state.
        clip = torch.from_numpy(dataset.frames[0][None])
        state = network.advance(clip[:, :40], network.initial_state(1))
        pieces = network.classify(network.advance(clip[:, 40:], state))[0]
        torch.testing.assert_close(pieces, network(clip), rtol=0, atol=1e-6)


@pytest.mark.parametrize("input_size", [0, 8])
def test_what_is_done_to_all_frames_becomes_a_part_of_the_weights(dataset, input_size):
    network = EmotionLSTM(dataclasses.replace(MEMBERS, input_size=input_size)).eval()
    frames = np.concatenate(dataset.frames)
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    matrix = torch.eye(13) + 0.2 * torch.randn(13, 13, generator=torch.Generator().manual_seed(0))
    heard = network.fold_input_transform(matrix)
    x = torch.from_numpy(dataset.frames[0][None, :40])  # 20 steps of 2
    with torch.no_grad():
        wanted = network(x @ matrix)
        assert (wanted - network(x)).abs().max() > 0.01
        torch.testing.assert_close(heard(x), wanted, rtol=0, atol=1e-5)
        # Half a step: the mean frame that fills it up goes through the matrix as well.
        filled = torch.cat([x[:, :39] @ matrix, (network.mean @ matrix)[None, None]], dim=1)
        torch.testing.assert_close(heard(x[:, :39]), network(filled), rtol=0, atol=1e-5)
    assert heard.n_parameters() == network.n_parameters()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_each_member_learns_as_if_it_were_alone(dataset):
    noisy = dataclasses.replace(dataset, noises=dataset.frames[:2])
    together = EmotionLSTM(MEMBERS)
    targets = np.array([dataset.labels.index(clip.label) for clip in dataset.clips])

    def gradients(network):
        epochs = EpochLoop(noisy, list(range(20)), targets, FitConfig(epochs=1), network)
        epochs._loss(list(range(10)), np.random.default_rng(0)).backward()
        return {name: value.grad for name, value in network.named_parameters()}

    for k in range(3):
        wanted = gradients(alone(together, k))
        together.zero_grad()
        found = gradients(together)
        for name, gradient in wanted.items():
            name = name.replace("members.0.", f"members.{k}.")
            torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
