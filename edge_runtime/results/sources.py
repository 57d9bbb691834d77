"""Predictions for recordings that are not files on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..audio.read import AudioSource, read_whole
from ..errors import AudioError

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel


def classify_source(
    model: EmotionModel,
    audio: AudioSource,
    *,
    threshold: float | None = None,
    speech_threshold: float | None = None,
    profile: SpeakerProfile | None = None,
) -> Prediction:
    """Classify a recording as `EmotionModel.classify` does for a file.

    Args:
        model: The model.
        audio: The recording.
        threshold: Confidence in [0, 1] below which the label is "uncertain". Default: the value
            stored in the model.
        speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: the value
            stored in the model.
        profile: Profile of the speaker, if known.

    Raises:
        AudioError: If the recording cannot be used; the message names it.
        ConfigError: If an argument is out of range, or `profile` belongs to another model.
    """
    samples = read_whole(audio, model.sample_rate)
    try:
        return model.classify(
            samples, threshold=threshold, speech_threshold=speech_threshold, profile=profile
        )
    except AudioError as error:
        raise AudioError(f"{audio.path}: {error}") from error
