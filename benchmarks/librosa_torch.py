"""Baseline of the benchmarks: the job of `edge-ser classify` with librosa and PyTorch.

Usage: python librosa_torch.py WEIGHTS CLIP, where WEIGHTS holds the state of a `Network`.
"""

import sys

import librosa
import torch
from torch import nn


class Network(nn.Module):
    """A two-layer LSTM with mean pooling, of a common size."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(13, 128, 2, batch_first=True)
        self.fc = nn.Linear(128, 64)
        self.out = nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits `(batch, 4)` of MFCC `(batch, n_frames, 13)`."""
        hidden, _ = self.lstm(x)
        return self.out(torch.relu(self.fc(hidden.mean(dim=1))))


def classify(network: Network, clip: str) -> list[float]:
    """Return the probabilities of the four classes."""
    samples, rate = librosa.load(clip, sr=16_000)
    mfcc = librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=13, n_fft=512, hop_length=320, n_mels=40)
    with torch.no_grad():
        return network(torch.from_numpy(mfcc.T.copy())[None]).softmax(dim=-1)[0].tolist()


if __name__ == "__main__":
    network = Network().eval()
    network.load_state_dict(torch.load(sys.argv[1], weights_only=True))
    print(classify(network, sys.argv[2]))
