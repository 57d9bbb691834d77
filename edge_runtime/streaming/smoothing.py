"""Smoothing of emotions over time by a hidden Markov model with a fixed lag.

The states are the emotions. The emotion changes with probability `SWITCH` per second within a
phrase and `PHRASE_SWITCH` from one phrase to the next, to each other emotion alike. The answer of a
step is the posterior probability given the steps before it and those of the next `LAG_SECONDS`
(forward-backward algorithm, Rabiner 1989, https://doi.org/10.1109/5.18626), so that memory and
delay are bounded.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

# With four emotions, a change after a second costs log(3 (1 - 0.4) / 0.4) = 1.5 nats, and 0.7 nats
# between two phrases, where the speaker may change. Chosen on calls of three corpora.
SWITCH, PHRASE_SWITCH = 0.4, 0.6
LAG_SECONDS = 8.0
MIN_PROBABILITY = 1e-6  # of an observation, so that one step cannot rule out an emotion

Step = TypeVar("Step")


@dataclass(frozen=True)
class _Held(Generic[Step]):
    """A step without an answer; `switch` is the probability of a change before it."""

    step: Step
    switch: float
    likelihood: np.ndarray
    forward: np.ndarray


class EmotionSmoother(Generic[Step]):
    """Smooths the probabilities of the steps of one stretch of speech.

    Args:
        n_labels: Number of emotions, 2 or more.
        hop: Seconds from one step to the next.
    """

    def __init__(self, n_labels: int, hop: float) -> None:
        unrelated = 1 - 1 / n_labels  # the probability of a change between unrelated steps
        self._switch = min(unrelated, 1 - (1 - SWITCH) ** hop)
        self._phrase_switch = min(unrelated, PHRASE_SWITCH)
        self._lag = math.ceil(LAG_SECONDS / hop)
        self._n_labels = n_labels
        self._forward: np.ndarray | None = None  # of the last step
        self._held: deque[_Held[Step]] = deque()  # steps without an answer

    def push(
        self, step: Step, probabilities: np.ndarray, weight: float, starts_phrase: bool = False
    ) -> list[tuple[Step, np.ndarray]]:
        """Add a step.

        Args:
            step: The step, returned with its answer.
            probabilities: Probability of each emotion in the window of the step, `(n_labels,)`.
            weight: Exponent of the probabilities, 0 to 1: the share of the window that the step
                adds to the steps before, whose windows overlap with it.
            starts_phrase: True for the first step of a phrase.

        Returns:
            The steps that have an answer now, and their posterior probabilities.
        """
        likelihood = np.maximum(probabilities.astype(float), MIN_PROBABILITY) ** weight
        switch = self._phrase_switch if starts_phrase else self._switch
        forward = likelihood
        if self._forward is not None:
            forward = self._after(self._forward, switch) * likelihood
        self._forward = forward / forward.sum()
        self._held.append(_Held(step, switch, likelihood, self._forward))
        return [self._answer()] if len(self._held) > self._lag else []

    def flush(self) -> list[tuple[Step, np.ndarray]]:
        """Return the remaining steps; a new stretch starts."""
        answers = []
        while self._held:
            answers.append(self._answer())
        self._forward = None
        return answers

    def _answer(self) -> tuple[Step, np.ndarray]:
        """Return the first held step and its posterior probabilities."""
        backward = np.ones(self._n_labels)
        for held in list(self._held)[:0:-1]:
            backward = self._after(held.likelihood * backward, held.switch)
            backward /= backward.sum()
        first = self._held.popleft()
        posterior = first.forward * backward
        return first.step, posterior / posterior.sum()

    def _after(self, probabilities: np.ndarray, switch: float) -> np.ndarray:
        """Return the probabilities after a transition, or before one: it is symmetric."""
        others = probabilities.sum() - probabilities
        result: np.ndarray = (1 - switch) * probabilities + switch / (self._n_labels - 1) * others
        return result
