"""Answers of a model for labelled clips, without and with profiles of their speakers."""

from __future__ import annotations

import functools
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..audio.read import read_audio
from ..batch import process_all
from ..datasets.clip import Clip
from ..errors import AudioError, EdgeSerError
from ..inference.profile import SpeakerProfile
from ..notes import notes_to

if TYPE_CHECKING:
    import numpy as np

    from ..audio.limits import AudioLimits
    from ..inference.prediction import Prediction
    from ..model import EmotionModel

PROFILE_SECONDS = 60.0  # of unlabelled recordings, from which a profile is made


@dataclass(frozen=True)
class ClipAnswer:
    """The answers for a clip.

    Attributes:
        clip: The clip.
        plain: The answer without a profile.
        profiled: The answer with a profile that was made from other clips of the speaker; None if
            there is none.
    """

    clip: Clip
    plain: Prediction
    profiled: Prediction | None


@dataclass(frozen=True)
class ClipClassifier:
    """Classifies clips, whatever their confidence; supports pickle.

    Attributes:
        model: The model.
        limits: Maximum duration and size of a clip.
        speech_threshold: Probability from which a frame is speech. None: that of the model.
        profile: Profile of the speaker, or None.
    """

    model: EmotionModel
    limits: AudioLimits | None = None
    speech_threshold: float | None = None
    profile: SpeakerProfile | None = None

    def __call__(self, name: str) -> Prediction:
        """Classify a clip.

        Raises:
            AudioError: If it cannot be used.
        """
        return self.model.classify(
            name,
            threshold=0,
            speech_threshold=self.speech_threshold,
            limits=self.limits,
            profile=self.profile,
        )


def answer_clips(
    classifier: ClipClassifier,
    clips: Sequence[Clip],
    *,
    jobs: int = 1,
    profiles: bool = True,
    on_clip: Callable[[], None] = lambda: None,
) -> tuple[list[ClipAnswer], list[EdgeSerError]]:
    """Classify clips.

    Args:
        classifier: The model and its settings, without a profile.
        clips: The clips.
        jobs: Number of processes; 0 for one per core.
        profiles: Classify the clips of speakers that are known again, with a profile.
        on_clip: Called after each clip, and again after each with a profile.

    Returns:
        The answers, and the errors of clips that cannot be used.
    """
    plain: dict[str, Prediction] = {}
    errors: list[EdgeSerError] = []
    for item in process_all(classifier, [str(clip.path) for clip in clips], jobs):
        if isinstance(item.result, EdgeSerError):
            errors.append(item.result)
        else:
            plain[item.file] = item.result
        on_clip()
    profiled: dict[str, Prediction] = {}
    if profiles:
        by_speaker: dict[str, list[str]] = defaultdict(list)
        for clip in clips:
            if clip.speaker is not None and str(clip.path) in plain:
                by_speaker[clip.speaker].append(str(clip.path))
        of_speaker = functools.partial(answers_with_profiles, classifier, by_speaker)
        for answers in process_all(of_speaker, by_speaker, jobs):
            if not isinstance(answers.result, EdgeSerError):
                profiled.update(answers.result)
            for _ in by_speaker[answers.file]:
                on_clip()
    usable = [clip for clip in clips if str(clip.path) in plain]
    return [
        ClipAnswer(clip, plain[str(clip.path)], profiled.get(str(clip.path))) for clip in usable
    ], errors


def answers_with_profiles(
    classifier: ClipClassifier, clips_of: Mapping[str, Sequence[str]], speaker: str
) -> dict[str, Prediction]:
    """Classify the clips of a speaker with profiles.

    The clips are divided at random into halves. Each half is classified with a profile from
    `PROFILE_SECONDS` of the other, without labels, so that no clip is in its own profile.

    Args:
        classifier: The model and its settings, without a profile.
        clips_of: Paths of the clips of each speaker.
        speaker: The speaker.

    Returns:
        The answer for each path. Clips without a profile, because the other half has too little
        speech, are missing.
    """
    paths = list(clips_of[speaker])
    random.Random(f"profile of {speaker}").shuffle(paths)
    halves = paths[::2], paths[1::2]
    answers: dict[str, Prediction] = {}
    for scored, others in (halves, halves[::-1]):
        clips = _first_seconds(classifier, others)
        try:
            # Notes on clips without speech: the answers show them.
            with notes_to(lambda note: None):
                profile = SpeakerProfile.create("score", classifier.model, clips)
        except AudioError:
            continue
        classify = replace(classifier, profile=profile)
        answers.update({path: classify(path) for path in scored})
    return answers


def _first_seconds(classifier: ClipClassifier, paths: Sequence[str]) -> Iterator[np.ndarray]:
    """Yield recordings at the rate of the model until they last `PROFILE_SECONDS`."""
    rate, seconds = classifier.model.sample_rate, 0.0
    for path in paths:
        if seconds >= PROFILE_SECONDS:
            return
        samples = read_audio(path, rate, limits=classifier.limits)
        seconds += len(samples) / rate
        yield samples
