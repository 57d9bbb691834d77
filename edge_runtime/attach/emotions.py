"""The emotion of each cue of a transcript."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..audio.decode import AudioFile
from ..audio.limits import TIMELINE_LIMITS, AudioLimits
from ..audio.pcm import mono
from ..audio.resample import resample
from ..errors import AudioError
from ..messages import count_of
from ..notes import note
from .transcript import By, Cue, CueEmotion

if TYPE_CHECKING:
    from ..audio.channel_roles import ChannelRoles
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel

# Seconds. Shorter cues hold a syllable; longer ones would take too much memory as a whole.
MIN_CUE, MAX_CUE = 0.3, 300.0

# Seconds of speech that the profile of a speaker is made of.
PROFILE_SECONDS = 300.0


class _Unit(NamedTuple):
    """The voice of a cue: a profile is made for each key, and one channel is used."""

    key: Hashable
    channel: int | None


def classify_cues(
    model: EmotionModel,
    audio: str | os.PathLike[str],
    cues: Sequence[Cue],
    *,
    by: By = By.segment,
    roles: ChannelRoles | None = None,
    threshold: float | None = None,
    speech_threshold: float | None = None,
    limits: AudioLimits | None = None,
    on_cue: Callable[[], None] | None = None,
) -> list[CueEmotion | None]:
    """Classify the emotion of each cue of a recording.

    The recording is read in blocks, once for the emotions and once for each speaker's profile.

    Args:
        model: The model.
        audio: The recording.
        cues: The cues, in any order; they may overlap.
        by: `segment` classifies every cue on its own. `speaker` makes a profile of the speech of
            each speaker, which the emotions are then relative to. `channel` takes each cue from one
            channel, and makes a profile of each channel.
        roles: Roles of the channels, for `channel`: the speaker of a cue names its channel, in
            capitals or not, and cues of other roles get no emotion. Default: the channel that the
            cue names if several are named, else the loudest during the cue.
        threshold: Confidence in [0, 1] below which a cue gets no emotion. Default: the value stored
            in the model.
        speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: the value
            stored in the model.
        limits: Maximum duration and size of the file. Default: 24 hours and 32 GiB.
        on_cue: Called after each cue.

    Returns:
        The emotion of each cue. None: no speech, too uncertain, too short or too long, beyond the
        end of the recording, or a role that is not used.

    Raises:
        AudioError: If the recording cannot be read to its end, or has too few channels.
        ConfigError: If a threshold is out of range.
    """
    recording = _Recording(Path(audio), limits or TIMELINE_LIMITS)
    usable = {
        number: cue for number, cue in enumerate(cues) if MIN_CUE <= cue.end - cue.start <= MAX_CUE
    }
    if too_long := sum(cue.end - cue.start > MAX_CUE for cue in cues):
        verb = "gets" if too_long == 1 else "get"
        note(audio, f"{count_of(too_long, 'cue')} longer than {MAX_CUE:g} s {verb} no emotion")
    units = recording.units(usable, by, roles)
    profiles: dict[Hashable, SpeakerProfile | None] = {}
    for number, unit in units.items():
        if unit.key is not None and unit.key not in profiles:
            own = {n: usable[n] for n, other in units.items() if other.key == unit.key}
            profiles[unit.key] = recording.profile(model, own, units[number].channel)
    emotions: list[CueEmotion | None] = [None] * len(cues)
    n_read = 0
    for number, block in recording.cut({n: usable[n] for n in units}):
        n_read += 1
        unit = units[number]
        emotions[number] = _emotion(
            model,
            np.ascontiguousarray(mono(block, unit.channel)),
            recording.sample_rate,
            profiles.get(unit.key),
            threshold,
            speech_threshold,
        )
        if on_cue is not None:
            on_cue()
    if n_missing := len(units) - n_read:
        verb = "gets" if n_missing == 1 else "get"
        note(audio, f"{count_of(n_missing, 'cue')} after its end {verb} no emotion")
    return emotions


def _emotion(
    model: EmotionModel,
    samples: np.ndarray,
    sample_rate: int,
    profile: SpeakerProfile | None,
    threshold: float | None,
    speech_threshold: float | None,
) -> CueEmotion | None:
    try:
        result = model.classify(
            samples,
            sample_rate,
            profile=profile,
            threshold=threshold,
            speech_threshold=speech_threshold,
        )
    except AudioError:  # the recording ends within the first frame of the cue
        return None
    if result.label not in result.probabilities:
        return None
    return CueEmotion(result.label, result.confidence, result.probabilities)


class _Recording:
    """A recording that is read several times, in blocks."""

    def __init__(self, path: Path, limits: AudioLimits) -> None:
        self._path, self._limits = path, limits
        file = self._open()
        self.sample_rate, self.n_channels = file.sample_rate, file.n_channels
        self._first: AudioFile | None = file

    def _open(self) -> AudioFile:
        return AudioFile(self._path, limits=self._limits)

    def cut(self, cues: dict[int, Cue]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield number and samples `(n_samples, n_channels)` of each cue, as the cues end.

        A cue that the end of the recording cuts off comes last, and one beyond it not at all.
        """
        file, self._first = self._first or self._open(), None
        pending = sorted(cues, key=lambda number: cues[number].start)
        held = np.empty((0, self.n_channels), np.float32)
        offset = 0  # of the first held sample

        def bounds(number: int) -> tuple[int, int]:
            cue = cues[number]
            return round(cue.start * self.sample_rate), round(cue.end * self.sample_rate)

        for block in file.channels():
            held = np.concatenate([held, block]) if len(held) else block
            available = offset + len(held)
            for number in [n for n in pending if bounds(n)[1] <= available]:
                start, end = bounds(number)
                yield number, held[start - offset : end - offset]
            pending = [n for n in pending if bounds(n)[1] > available]
            keep = min(available, bounds(pending[0])[0]) if pending else available
            held, offset = held[keep - offset :], keep
        for number in pending:
            start, end = bounds(number)
            if start < offset + len(held):
                yield number, held[start - offset : end - offset]

    def units(self, cues: dict[int, Cue], by: By, roles: ChannelRoles | None) -> dict[int, _Unit]:
        """Return the unit of each cue; a cue that is not used has none."""
        if by is By.segment:
            return {number: _Unit(None, None) for number in cues}
        if by is By.speaker:
            return {number: _Unit(cue.speaker, None) for number, cue in cues.items()}
        if self.n_channels < 2:
            raise AudioError(f"{self._path}: has one channel; --by channel requires two or more")
        channels = self._channels(cues, roles)
        if roles is not None:
            roles.check_channels(self._path, self.n_channels)
            selected = roles.selected()
            channels = {n: channel for n, channel in channels.items() if channel in selected}
        return {number: _Unit(channel, channel) for number, channel in channels.items()}

    def _channels(self, cues: dict[int, Cue], roles: ChannelRoles | None) -> dict[int, int]:
        """Return the channel of each cue: by role, by the transcript, or the loudest."""
        of_role = {}
        if roles is not None:  # transcripts write speakers in capitals
            of_role = {role.casefold(): n for n, role in roles.roles.items()}
        named = {n: cue.channel for n, cue in cues.items() if cue.channel is not None}
        if len(set(named.values())) < 2 or max(named.values()) > self.n_channels:
            named = {}  # diarizations of a mix write 1 for all turns
        channels = dict(named)
        for n, cue in cues.items():
            speaker = (cue.speaker or "").casefold()
            if speaker in of_role:
                channels[n] = of_role[speaker]
        rest = {n: cue for n, cue in cues.items() if n not in channels}
        if rest:
            for number, block in self.cut(rest):
                channels[number] = int(np.square(block, dtype=np.float64).sum(axis=0).argmax()) + 1
        return channels

    def profile(
        self, model: EmotionModel, cues: dict[int, Cue], channel: int | None
    ) -> SpeakerProfile | None:
        """Return a profile of the speech of some cues; None for less than 2 s."""
        from ..inference.profile import SpeakerProfile

        first: dict[int, Cue] = {}
        seconds = 0.0
        for number, cue in sorted(cues.items(), key=lambda item: item[1].start):
            if seconds < PROFILE_SECONDS:
                first[number] = cue
                seconds += cue.end - cue.start
        failures: list[AudioError] = []

        def clips() -> Iterator[np.ndarray]:
            try:
                for _, block in self.cut(first):
                    samples = np.ascontiguousarray(mono(block, channel))
                    yield resample(samples, self.sample_rate, model.sample_rate)
            except AudioError as error:  # of the recording, not of the profile
                failures.append(error)

        try:
            return SpeakerProfile.create("speaker", model, clips())
        except AudioError:
            return None
        finally:
            if failures:
                raise failures[0]
